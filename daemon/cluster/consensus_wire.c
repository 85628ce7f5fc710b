// SPDX-License-Identifier: GPL-2.0-or-later
/* The engine's messages on the wire: see consensus_wire.h. */
#include "daemon/cluster/consensus_wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cluster.pb-c.h"

void hcd_raft_address(uint32_t id, char ret_address[HCD_RAFT_ADDRESS_LEN])
{
	snprintf(ret_address, HCD_RAFT_ADDRESS_LEN, "%u", id);
}

uint64_t hcd_raft_term(const struct raft_message *msg)
{
	switch (msg->type) {
	case RAFT_IO_APPEND_ENTRIES:
		return msg->append_entries.term;
	case RAFT_IO_APPEND_ENTRIES_RESULT:
		return msg->append_entries_result.term;
	case RAFT_IO_REQUEST_VOTE:
		return msg->request_vote.term;
	case RAFT_IO_REQUEST_VOTE_RESULT:
		return msg->request_vote_result.term;
	case RAFT_IO_INSTALL_SNAPSHOT:
		return msg->install_snapshot.term;
	default:
		return msg->timeout_now.term;
	}
}

/* ---- out ---------------------------------------------------------------------- */

/* Lists that a message points at. */
struct lists {
	Hcp__RaftEntry *entries, **entry_list;
	Hcp__RaftServer *servers, **server_list;
};

static void lists_clear(struct lists *l)
{
	free(l->entries);
	free(l->entry_list);
	free(l->servers);
	free(l->server_list);
}

static int put_entries(const struct raft_append_entries *a, struct lists *l, Hcp__Raft *out)
{
	if (a->n_entries > HCD_RAFT_ENTRIES_MAX)
		return -EMSGSIZE;
	l->entries = calloc(a->n_entries + 1, sizeof(*l->entries));
	l->entry_list = calloc(a->n_entries + 1, sizeof(*l->entry_list));
	if (!l->entries || !l->entry_list)
		return -ENOMEM;
	for (unsigned int i = 0; i < a->n_entries; i++) {
		Hcp__RaftEntry *e = &l->entries[i];

		hcp__raft_entry__init(e);
		e->term = a->entries[i].term;
		e->type = a->entries[i].type;
		e->data.data = a->entries[i].buf.base;
		e->data.len = a->entries[i].buf.len;
		l->entry_list[i] = e;
	}
	out->entries = l->entry_list;
	out->n_entries = a->n_entries;
	out->term = a->term;
	out->prev_index = a->prev_log_index;
	out->prev_term = a->prev_log_term;
	out->commit = a->leader_commit;
	return 0;
}

static int put_snapshot(const struct raft_install_snapshot *s, struct lists *l, Hcp__Raft *out)
{
	if (s->conf.n > HCD_RAFT_SERVERS_MAX)
		return -EMSGSIZE;
	l->servers = calloc(s->conf.n + 1, sizeof(*l->servers));
	l->server_list = calloc(s->conf.n + 1, sizeof(*l->server_list));
	if (!l->servers || !l->server_list)
		return -ENOMEM;
	for (unsigned int i = 0; i < s->conf.n; i++) {
		hcp__raft_server__init(&l->servers[i]);
		l->servers[i].id = (uint32_t)s->conf.servers[i].id;
		l->servers[i].role = (uint32_t)s->conf.servers[i].role;
		l->server_list[i] = &l->servers[i];
	}
	out->servers = l->server_list;
	out->n_servers = s->conf.n;
	out->term = s->term;
	out->last_index = s->last_index;
	out->last_term = s->last_term;
	out->servers_index = s->conf_index;
	out->data.data = s->data.base;
	out->data.len = s->data.len;
	return 0;
}

static int put(const struct raft_message *msg, struct lists *l, Hcp__Raft *out)
{
	switch (msg->type) {
	case RAFT_IO_APPEND_ENTRIES:
		return put_entries(&msg->append_entries, l, out);
	case RAFT_IO_APPEND_ENTRIES_RESULT:
		out->term = msg->append_entries_result.term;
		out->rejected = msg->append_entries_result.rejected;
		out->last_index = msg->append_entries_result.last_log_index;
		return 0;
	case RAFT_IO_REQUEST_VOTE:
		out->term = msg->request_vote.term;
		out->last_index = msg->request_vote.last_log_index;
		out->last_term = msg->request_vote.last_log_term;
		out->disrupt = msg->request_vote.disrupt_leader;
		out->pre_vote = msg->request_vote.pre_vote;
		return 0;
	case RAFT_IO_REQUEST_VOTE_RESULT:
		out->term = msg->request_vote_result.term;
		out->is_granted = msg->request_vote_result.vote_granted;
		out->pre_vote = msg->request_vote_result.pre_vote;
		return 0;
	case RAFT_IO_INSTALL_SNAPSHOT:
		return put_snapshot(&msg->install_snapshot, l, out);
	case RAFT_IO_TIMEOUT_NOW:
		out->term = msg->timeout_now.term;
		out->last_index = msg->timeout_now.last_log_index;
		out->last_term = msg->timeout_now.last_log_term;
		return 0;
	default:
		return -EINVAL;
	}
}

int hcd_raft_pack(const struct raft_message *msg, uint64_t stamp_ms, uint8_t **ret_data,
		  size_t *ret_len)
{
	Hcp__Raft out = HCP__RAFT__INIT;
	struct lists l = { 0 };
	uint8_t *data = NULL;
	size_t len = 0;
	int r;

	out.type = msg->type;
	out.stamp_ms = stamp_ms;
	r = put(msg, &l, &out);
	if (r == 0) {
		len = hcp__raft__get_packed_size(&out);
		data = len <= HCD_RAFT_MESSAGE_MAX ? malloc(len) : NULL;
		r = data ? 0 : len > HCD_RAFT_MESSAGE_MAX ? -EMSGSIZE : -ENOMEM;
	}
	if (r == 0) {
		hcp__raft__pack(&out, data);
		*ret_data = data;
		*ret_len = len;
	}
	lists_clear(&l);
	return r;
}

/* ---- in ------------------------------------------------------------------------ */

/* Terms don't fall, indexes don't overflow, a change of servers is one that can be decoded. */
static bool entries_are_good(const Hcp__Raft *in)
{
	uint64_t term = in->prev_term;

	if (in->n_entries > HCD_RAFT_ENTRIES_MAX || in->prev_index > INT64_MAX ||
	    (in->prev_index == 0) != (in->prev_term == 0) || in->prev_term > in->term)
		return false;
	for (size_t i = 0; i < in->n_entries; i++) {
		const Hcp__RaftEntry *e = in->entries[i];

		if (e->term < term || e->term > in->term || !e->term || e->type < RAFT_COMMAND ||
		    e->type > RAFT_CHANGE || !e->data.len || e->data.len % 8)
			return false;
		term = e->term;
	}
	return true;
}

static int take_entries(const Hcp__Raft *in, struct raft_append_entries *a)
{
	size_t total = 0, at = 0;
	uint8_t *batch;

	*a = (struct raft_append_entries){
		.term = in->term, .prev_log_index = in->prev_index,
		.prev_log_term = in->prev_term, .leader_commit = in->commit,
	};
	if (!entries_are_good(in))
		return -EBADMSG;
	if (!in->n_entries)
		return 0;
	for (size_t i = 0; i < in->n_entries; i++)
		total += (in->entries[i]->data.len + 7) & ~(size_t)7;
	a->entries = raft_malloc(in->n_entries * sizeof(*a->entries));
	batch = raft_malloc(total);
	if (!a->entries || !batch) {
		raft_free(a->entries);
		raft_free(batch);
		a->entries = NULL;
		return -ENOMEM;
	}
	memset(batch, 0, total);
	for (size_t i = 0; i < in->n_entries; i++) {
		const Hcp__RaftEntry *e = in->entries[i];

		memcpy(batch + at, e->data.data, e->data.len);
		a->entries[i] = (struct raft_entry){
			.term = e->term, .type = (unsigned short)e->type,
			.buf = { batch + at, e->data.len }, .batch = batch,
		};
		at += (e->data.len + 7) & ~(size_t)7;
	}
	a->n_entries = (unsigned int)in->n_entries;
	return 0;
}

static int take_snapshot(const Hcp__Raft *in, struct raft_install_snapshot *s)
{
	char address[HCD_RAFT_ADDRESS_LEN];
	int r = 0;

	*s = (struct raft_install_snapshot){
		.term = in->term, .last_index = in->last_index, .last_term = in->last_term,
		.conf_index = in->servers_index,
	};
	raft_configuration_init(&s->conf);
	if (!in->data.len || !in->last_index || in->last_index > INT64_MAX || !in->last_term ||
	    in->last_term > in->term || !in->n_servers ||
	    in->n_servers > HCD_RAFT_SERVERS_MAX || !in->servers_index ||
	    in->servers_index > in->last_index)
		return -EBADMSG;
	for (size_t i = 0; r == 0 && i < in->n_servers; i++) {
		if (!in->servers[i]->id || in->servers[i]->role > RAFT_SPARE)
			r = RAFT_MALFORMED;
		hcd_raft_address(in->servers[i]->id, address);
		if (r == 0)
			r = raft_configuration_add(&s->conf, in->servers[i]->id, address,
						   (int)in->servers[i]->role);
	}
	if (r == 0) {
		s->data.base = raft_malloc(in->data.len);
		s->data.len = in->data.len;
		if (s->data.base)
			memcpy(s->data.base, in->data.data, in->data.len);
		else
			r = RAFT_NOMEM;
	}
	if (r == 0)
		return 0;
	raft_configuration_close(&s->conf);
	return r == RAFT_NOMEM ? -ENOMEM : -EBADMSG;
}

static int take(const Hcp__Raft *in, struct raft_message *msg)
{
	if (!in->term || in->term > INT64_MAX || in->last_index > INT64_MAX)
		return -EBADMSG;
	switch (in->type) {
	case RAFT_IO_APPEND_ENTRIES:
		return take_entries(in, &msg->append_entries);
	case RAFT_IO_APPEND_ENTRIES_RESULT:
		msg->append_entries_result.term = in->term;
		msg->append_entries_result.rejected = in->rejected;
		msg->append_entries_result.last_log_index = in->last_index;
		return 0;
	case RAFT_IO_REQUEST_VOTE:
		msg->request_vote.term = in->term;
		msg->request_vote.last_log_index = in->last_index;
		msg->request_vote.last_log_term = in->last_term;
		msg->request_vote.disrupt_leader = in->disrupt;
		msg->request_vote.pre_vote = in->pre_vote;
		return 0;
	case RAFT_IO_REQUEST_VOTE_RESULT:
		if (in->pre_vote > raft_tribool_false)
			return -EBADMSG;
		msg->request_vote_result.term = in->term;
		msg->request_vote_result.vote_granted = in->is_granted;
		msg->request_vote_result.pre_vote = in->pre_vote;
		return 0;
	case RAFT_IO_INSTALL_SNAPSHOT:
		return take_snapshot(in, &msg->install_snapshot);
	case RAFT_IO_TIMEOUT_NOW:
		msg->timeout_now.term = in->term;
		msg->timeout_now.last_log_index = in->last_index;
		msg->timeout_now.last_log_term = in->last_term;
		return 0;
	default:
		return -EBADMSG;
	}
}

int hcd_raft_unpack(const uint8_t *data, size_t len, struct raft_message *ret_msg,
		    uint64_t *ret_stamp_ms)
{
	struct raft_message msg = { 0 };
	Hcp__Raft *in;
	int r;

	if (len > HCD_RAFT_MESSAGE_MAX)
		return -EBADMSG;
	in = hcp__raft__unpack(NULL, len, data);
	if (!in)
		return -EBADMSG;
	msg.type = (unsigned short)in->type;
	r = in->type == msg.type ? take(in, &msg) : -EBADMSG;
	if (r == 0) {
		*ret_msg = msg;
		*ret_stamp_ms = in->stamp_ms;
	}
	hcp__raft__free_unpacked(in, NULL);
	return r;
}

void hcd_raft_message_free(struct raft_message *msg)
{
	if (msg->type == RAFT_IO_APPEND_ENTRIES && msg->append_entries.entries) {
		raft_free(msg->append_entries.entries[0].batch);
		raft_free(msg->append_entries.entries);
	}
	if (msg->type == RAFT_IO_INSTALL_SNAPSHOT) {
		raft_configuration_close(&msg->install_snapshot.conf);
		raft_free(msg->install_snapshot.data.base);
	}
}
