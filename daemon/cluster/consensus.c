// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libraft behind our own interface: see consensus.h.
 *
 * Its libuv I/O is used for the disk only. Messages don't go over its own
 * streams: io.send is replaced, and what comes in is handed to the callback that
 * io.start was given. So they travel in the daemons' channel, authenticated like
 * everything else, and its decoders never see a byte of the network.
 */
#include "daemon/cluster/consensus.h"

#include <endian.h>
#include <errno.h>
#include <raft.h>
#include <raft/uv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/cluster/consensus_engine.h"
#include "daemon/cluster/fsm.h"

#define POLL_MS			50

/* ---- the state machine ---------------------------------------------------------- */

static int raft_error_of(int r)
{
	return r == 0 ? 0 : r == -ENOMEM ? RAFT_NOMEM : RAFT_MALFORMED;
}

static int fsm_apply(struct raft_fsm *fsm, const struct raft_buffer *buf, void **result)
{
	struct hcd_consensus *c = fsm->data;
	uint64_t len = 0;
	int r = -EBADMSG;

	memset(&c->result, 0, sizeof(c->result));
	if (buf->len >= ENTRY_HDR) {
		memcpy(&len, buf->base, sizeof(len));
		len = le64toh(len);
		if (len <= buf->len - ENTRY_HDR)
			r = c->ops->apply((uint8_t *)buf->base + ENTRY_HDR, len, &c->result,
					  c->ctx);
	}
	if (r < 0 && !c->error[0])
		snprintf(c->error, sizeof(c->error), r == -EPROTONOSUPPORT ?
			 "The cluster's state is newer than this daemon (%s): install the version that the other nodes have." :
			 "An entry of the cluster's log can't be applied by this daemon (%s): install the version that the other nodes have, or restore a backup.",
			 HC_VERSION);
	*result = &c->result;
	return raft_error_of(r);
}

static int fsm_snapshot(struct raft_fsm *fsm, struct raft_buffer *bufs[], unsigned int *n_bufs)
{
	struct hcd_consensus *c = fsm->data;
	struct raft_buffer *buf;
	uint8_t *data;
	size_t len;
	int r = c->ops->snapshot(&data, &len, c->ctx);

	if (r < 0)
		return raft_error_of(r);
	buf = raft_malloc(sizeof(*buf));
	if (buf)
		buf->base = raft_malloc(len);
	if (!buf || !buf->base) {
		raft_free(buf);
		free(data);
		return RAFT_NOMEM;
	}
	memcpy(buf->base, data, len);
	buf->len = len;
	free(data);
	*bufs = buf;
	*n_bufs = 1;
	return 0;
}

static int fsm_restore(struct raft_fsm *fsm, struct raft_buffer *buf)
{
	struct hcd_consensus *c = fsm->data;
	int r = c->ops->restore(buf->base, buf->len, c->ctx);

	if (r < 0)
		return raft_error_of(r);
	raft_free(buf->base);
	return 0;
}

/* ---- messages ---------------------------------------------------------------------- */

static void fire_sent(struct hcd_consensus *c, int status)
{
	/* Callbacks may send again: only those that are there now. */
	struct sent *list = c->sent;
	size_t n = c->nr_sent;

	c->sent = NULL;
	c->nr_sent = c->sent_size = 0;
	for (size_t i = 0; i < n; i++) {
		if (list[i].cb)	/* a handover's message has none */
			list[i].cb(list[i].req, status ? status : list[i].status);
	}
	free(list);
}

static void on_flush(uv_timer_t *timer)
{
	fire_sent(timer->data, 0);
}

static uint64_t stamp_of(struct hcd_consensus *c, const struct raft_message *msg)
{
	if (msg->type == RAFT_IO_APPEND_ENTRIES || msg->type == RAFT_IO_INSTALL_SNAPSHOT)
		return hcd_engine_ms();
	if (msg->type == RAFT_IO_APPEND_ENTRIES_RESULT && msg->server_id == c->heard.id &&
	    msg->append_entries_result.term == c->heard.term)
		return c->heard.stamp_ms;
	return 0;
}

/*
 * Never an error: several callers in libraft give back what they sent twice then.
 * What could not be sent is told by the callback, like a lost connection.
 */
static int io_send(struct raft_io *io, struct raft_io_send *req, const struct raft_message *msg,
		   raft_io_send_cb cb)
{
	struct hcd_consensus *c = ((struct raft *)io->data)->data;
	uint8_t *data = NULL;
	size_t len;
	int r;

	r = hcd_raft_pack(msg, stamp_of(c, msg), &data, &len);
	if (r == 0)
		r = c->ops->send((uint32_t)msg->server_id, data, len, c->ctx);
	free(data);
	if (c->nr_sent == c->sent_size) {
		size_t size = c->sent_size ? c->sent_size * 2 : 64;
		struct sent *sent = realloc(c->sent, size * sizeof(*sent));

		if (!sent)
			abort();	/* the engine has no way to be told */
		c->sent = sent;
		c->sent_size = size;
	}
	c->sent[c->nr_sent++] = (struct sent){
		.req = req, .cb = cb, .status = r < 0 ? RAFT_NOCONNECTION : 0,
	};
	if (!c->is_stopping)
		uv_timer_start(&c->flush, on_flush, 0, 0);
	return 0;
}

static int io_start(struct raft_io *io, unsigned int msecs, raft_io_tick_cb tick,
		    raft_io_recv_cb recv)
{
	struct hcd_consensus *c = ((struct raft *)io->data)->data;

	c->recv = recv;
	return c->io_start(io, msecs, tick, recv);
}

static void io_close(struct raft_io *io, raft_io_close_cb cb)
{
	struct hcd_consensus *c = ((struct raft *)io->data)->data;

	fire_sent(c, RAFT_CANCELED);
	c->io_close(io, cb);
}

/* What libraft's own streams would be made with: nothing comes from here. */
static int no_init(struct raft_uv_transport *t, raft_id id, const char *address)
{
	return 0;
}

static int no_listen(struct raft_uv_transport *t, raft_uv_accept_cb cb)
{
	return 0;
}

static int no_connect(struct raft_uv_transport *t, struct raft_uv_connect *req, raft_id id,
		      const char *address, raft_uv_connect_cb cb)
{
	return RAFT_NOCONNECTION;
}

static void no_close(struct raft_uv_transport *t, raft_uv_transport_close_cb cb)
{
	cb(t);
}

/* A voter answered what was asked at @stamp_ms. @last_index: of its log, 0 = it differs. */
static void note_ack(struct hcd_consensus *c, uint32_t id, uint64_t term, uint64_t stamp_ms,
		     uint64_t last_index)
{
	struct ack *a;
	size_t i;

	for (i = 0; i < c->nr_acks && c->acks[i].id != id; i++)
		;
	if (i == HCD_RAFT_SERVERS_MAX)
		return;
	a = &c->acks[i];
	if (i == c->nr_acks)
		c->acks[c->nr_acks++] = (struct ack){ .id = id };
	if (a->term != term)
		*a = (struct ack){ .id = id, .term = term };
	if (a->stamp_ms < stamp_ms)
		a->stamp_ms = stamp_ms;
	if (last_index)
		a->last_index = last_index;
}

/* Is it to be passed over, whatever it says? */
static bool is_unwanted(struct hcd_consensus *c, const struct raft_message *msg)
{
	switch (msg->type) {
	case RAFT_IO_REQUEST_VOTE:
		/* Who has just started may have promised a leader not to vote. */
		return !msg->request_vote.disrupt_leader &&
		       hcd_engine_ms() - c->started_ms < c->election_ms;
	case RAFT_IO_APPEND_ENTRIES:
	case RAFT_IO_INSTALL_SNAPSHOT:
		/* Two leaders of one term: the engine asserts that there are none. */
		return c->raft.state == RAFT_LEADER && hcd_raft_term(msg) == c->raft.current_term;
	default:
		return false;
	}
}

void hcd_consensus_receive(struct hcd_consensus *c, uint32_t from, const uint8_t *data,
			   size_t len)
{
	char address[HCD_RAFT_ADDRESS_LEN];
	struct raft_message msg;
	uint64_t stamp_ms;

	if (c->is_stopping || !c->recv || hcd_consensus_state(c) == HCD_CONSENSUS_BROKEN ||
	    hcd_raft_unpack(data, len, &msg, &stamp_ms) < 0)
		return;
	if (is_unwanted(c, &msg)) {
		hcd_raft_message_free(&msg);
		return;
	}
	hcd_raft_address(from, address);
	msg.server_id = from;
	msg.server_address = address;
	if (msg.type == RAFT_IO_REQUEST_VOTE)
		msg.request_vote.candidate_id = from;
	if (msg.type == RAFT_IO_APPEND_ENTRIES || msg.type == RAFT_IO_INSTALL_SNAPSHOT)
		c->heard = (struct ack){ .id = from, .term = hcd_raft_term(&msg),
					 .stamp_ms = stamp_ms };
	if (msg.type == RAFT_IO_APPEND_ENTRIES_RESULT && stamp_ms &&
	    msg.append_entries_result.term == c->raft.current_term)
		note_ack(c, from, msg.append_entries_result.term, stamp_ms,
			 msg.append_entries_result.rejected ? 0 :
			 msg.append_entries_result.last_log_index);
	c->recv(&c->io, &msg);
}

/* ---- state ----------------------------------------------------------------------- */

enum hcd_consensus_state hcd_consensus_state(const struct hcd_consensus *c)
{
	if (!c->has_raft || c->error[0])
		return HCD_CONSENSUS_BROKEN;
	switch (c->raft.state) {
	case RAFT_FOLLOWER:
		return HCD_CONSENSUS_FOLLOWER;
	case RAFT_CANDIDATE:
		return HCD_CONSENSUS_CANDIDATE;
	case RAFT_LEADER:
		return HCD_CONSENSUS_LEADER;
	default:
		return HCD_CONSENSUS_BROKEN;
	}
}

const char *hcd_consensus_error(const struct hcd_consensus *c)
{
	if (c->error[0] || hcd_consensus_state(c) != HCD_CONSENSUS_BROKEN)
		return c->error;
	return "The cluster's log can't be written.";
}

bool hcd_consensus_may_pass(const struct hcd_consensus *c)
{
	return hcd_consensus_state(c) == HCD_CONSENSUS_BROKEN && c->is_disk;
}

bool hcd_consensus_has_written(const struct hcd_consensus *c)
{
	return c->has_written;
}

uint32_t hcd_consensus_leader(const struct hcd_consensus *c)
{
	const char *address;
	raft_id id = 0;

	if (hcd_consensus_state(c) == HCD_CONSENSUS_BROKEN)
		return 0;
	raft_leader((struct raft *)&c->raft, &id, &address);
	return (uint32_t)id;
}

uint64_t hcd_consensus_term(const struct hcd_consensus *c)
{
	return c->raft.current_term;
}

bool hcd_consensus_is_pristine(const struct hcd_consensus *c)
{
	return hcd_consensus_state(c) == HCD_CONSENSUS_FOLLOWER && c->raft.configuration.n == 0;
}

static int by_stamp(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? 1 : x > y ? -1 : 0;
}

bool hcd_consensus_has_lease(struct hcd_consensus *c)
{
	const struct raft_configuration *conf = &c->raft.configuration;
	uint64_t stamps[HCD_RAFT_SERVERS_MAX], now = hcd_engine_ms();
	size_t voters = 0;

	if (hcd_consensus_state(c) != HCD_CONSENSUS_LEADER || now < c->quiet_until_ms ||
	    c->ready_term != c->raft.current_term)
		return false;
	for (unsigned int i = 0; i < conf->n && voters < HCD_RAFT_SERVERS_MAX; i++) {
		if (conf->servers[i].role != RAFT_VOTER)
			continue;
		stamps[voters] = conf->servers[i].id == c->id ? now : 0;
		for (size_t k = 0; k < c->nr_acks; k++) {
			if (c->acks[k].id == conf->servers[i].id &&
			    c->acks[k].term == c->raft.current_term)
				stamps[voters] = c->acks[k].stamp_ms;
		}
		voters++;
	}
	if (!voters)
		return false;
	qsort(stamps, voters, sizeof(stamps[0]), by_stamp);
	/* Shorter than any voter's patience, which begins later: no other leader can be there. */
	return now < stamps[voters / 2] + c->election_ms * 3 / 4;
}

size_t hcd_consensus_servers(const struct hcd_consensus *c, struct hcd_server *ret_servers,
			     size_t max)
{
	const struct raft_configuration *conf = &c->raft.configuration;

	size_t n = !c->has_raft ? 0 : conf->n < max ? conf->n : max;

	for (size_t i = 0; i < n; i++) {
		ret_servers[i].id = (uint32_t)conf->servers[i].id;
		ret_servers[i].role = conf->servers[i].role == RAFT_VOTER ? HCD_SERVER_VOTER :
				      conf->servers[i].role == RAFT_STANDBY ? HCD_SERVER_STANDBY :
									      HCD_SERVER_SPARE;
	}
	return n;
}

static void on_barrier(struct raft_barrier *req, int status)
{
	struct hcd_consensus *c = req->data;

	if (status == 0 && c->raft.state == RAFT_LEADER &&
	    c->raft.current_term == c->barrier_term)
		c->ready_term = c->barrier_term;
	else if (status != 0)
		c->barrier_term = 0;
	free(req);
}

/* A new leader knows what is committed once an entry of its own term is. */
static void give_barrier(struct hcd_consensus *c)
{
	struct raft_barrier *req = calloc(1, sizeof(*req));

	if (!req)
		return;
	req->data = c;
	c->barrier_term = c->raft.current_term;
	if (raft_barrier(&c->raft, req, on_barrier) != 0) {
		c->barrier_term = 0;
		free(req);
	}
}

void hcd_engine_disk(struct hcd_consensus *c, const char *why)
{
	int r = hcd_log_check(c->dir);

	c->is_disk = true;
	snprintf(c->error, sizeof(c->error),
		 "The cluster's log in %s can't be written (%.100s): make room on that disk, or make it writable; it is tried again by itself.",
		 c->dir, r < 0 ? strerror(-r) : why);
}

static void on_poll(uv_timer_t *timer)
{
	struct hcd_consensus *c = timer->data;

	if (c->has_raft && c->raft.state == RAFT_UNAVAILABLE && !c->error[0])
		hcd_engine_disk(c, c->io.errmsg[0] ? c->io.errmsg : "the disk is broken");
	if (hcd_consensus_state(c) == HCD_CONSENSUS_LEADER &&
	    c->barrier_term != c->raft.current_term)
		give_barrier(c);
}

/* ---- life ---------------------------------------------------------------------------- */

/* The log as it is can't be used: stay, say so, touch nothing. */
static void broken(struct hcd_consensus *c, int r, const char *message)
{
	const char *why = message && message[0] ? message : raft_strerror(r);

	if (c->error[0])
		return;
	if (r == RAFT_NOSPACE || hcd_log_check(c->dir) < 0)
		hcd_engine_disk(c, why);
	else
		snprintf(c->error, sizeof(c->error), "The cluster's log in %s is damaged or can't be read (%.200s). Nothing of it was thrown away. When other nodes live, 'hyperchain cluster recover --discard-log' lets this one copy from them; else restore a backup with 'hyperchain cluster restore'.",
			 c->dir, why);
}

static int bootstrap(struct hcd_consensus *c)
{
	struct raft_configuration conf;
	char address[HCD_RAFT_ADDRESS_LEN];
	int r;

	hcd_raft_address(c->id, address);
	raft_configuration_init(&conf);
	r = raft_configuration_add(&conf, c->id, address, RAFT_VOTER);
	if (r == 0)
		r = raft_bootstrap(&c->raft, &conf);
	raft_configuration_close(&conf);
	/* It was begun before, and the daemon ended before it noted that. */
	return r == RAFT_CANTBOOTSTRAP ? 0 : r;
}

struct append {
	struct raft_io_append req, *of;
	raft_io_append_cb cb;
	struct hcd_consensus *c;
};

/*
 * When a write fails the engine keeps in memory what is not on the disk, and would put later
 * entries in its place there, and acknowledge all: nothing more may be written before a start
 * from the disk.
 */
static void on_append(struct raft_io_append *req, int status)
{
	struct append *a = req->data;

	a->c->has_written |= status == 0;
	if (status != 0 && status != RAFT_CANCELED && !a->c->error[0])
		hcd_engine_disk(a->c, raft_strerror(status));
	a->cb(a->of, status);
	free(a);
}

static int io_append(struct raft_io *io, struct raft_io_append *req,
		     const struct raft_entry entries[], unsigned int n, raft_io_append_cb cb)
{
	struct hcd_consensus *c = ((struct raft *)io->data)->data;
	struct append *a = malloc(sizeof(*a));
	int r;

	if (!a)
		return RAFT_NOMEM;
	*a = (struct append){ .of = req, .cb = cb, .c = c };
	a->req.data = a;
	r = c->io_append(io, &a->req, entries, n, on_append);
	if (r != 0)
		free(a);
	return r;
}

static void open_engine(struct hcd_consensus *c, bool is_first)
{
	char address[HCD_RAFT_ADDRESS_LEN];
	int r;

	c->transport = (struct raft_uv_transport){
		.init = no_init, .listen = no_listen, .connect = no_connect, .close = no_close,
	};
	r = raft_uv_init(&c->io, c->loop, c->dir, &c->transport);
	if (r != 0) {
		broken(c, r, c->io.errmsg);
		return;
	}
	c->io_start = c->io.start;
	c->io_close = c->io.close;
	c->io_append = c->io.append;
	c->io.start = io_start;
	c->io.append = io_append;
	c->io.close = io_close;
	c->io.send = io_send;
	raft_uv_set_segment_size(&c->io, SEGMENT_SIZE);
	raft_uv_set_auto_recovery(&c->io, false);
	c->fsm = (struct raft_fsm){
		.version = 1, .data = c, .apply = fsm_apply, .snapshot = fsm_snapshot,
		.restore = fsm_restore,
	};
	hcd_raft_address(c->id, address);
	c->raft.data = c;
	r = raft_init(&c->raft, &c->io, &c->fsm, c->id, address);
	if (r != 0) {
		broken(c, r, raft_errmsg(&c->raft));
		raft_uv_close(&c->io);
		return;
	}
	c->raft.data = c;
	c->has_raft = true;
	raft_set_election_timeout(&c->raft, c->election_ms);
	raft_set_heartbeat_timeout(&c->raft, c->election_ms / 10);
	raft_set_snapshot_threshold(&c->raft, c->snapshot_entries);
	raft_set_snapshot_trailing(&c->raft, c->snapshot_entries / 2);
	raft_set_pre_vote(&c->raft, true);
	if (is_first)
		r = bootstrap(c);
	if (r == 0)
		r = raft_start(&c->raft);
	if (r != 0)
		broken(c, r, raft_errmsg(&c->raft));
}

int hcd_consensus_start(uv_loop_t *loop, const struct hcd_consensus_options *options,
			const struct hcd_consensus_ops *ops, void *ctx,
			struct hcd_consensus **ret_consensus, char error[HCD_ERROR_LEN])
{
	struct hcd_consensus *c;

	if (mkdir(options->dir, 0700) < 0 && errno != EEXIST) {
		snprintf(error, HCD_ERROR_LEN, "%s can't be made: %s.", options->dir,
			 strerror(errno));
		return -EINVAL;
	}
	c = calloc(1, sizeof(*c));
	if (!c) {
		snprintf(error, HCD_ERROR_LEN, "Memory is short.");
		return -ENOMEM;
	}
	c->loop = loop;
	c->ops = ops;
	c->ctx = ctx;
	c->id = options->id;
	c->election_ms = options->election_ms;
	c->snapshot_entries = options->snapshot_entries;
	c->started_ms = hcd_engine_ms();
	snprintf(c->dir, sizeof(c->dir), "%s", options->dir);
	uv_timer_init(loop, &c->flush);
	uv_timer_init(loop, &c->poll);
	c->flush.data = c->poll.data = c;
	c->nr_open = 2;
	open_engine(c, options->is_first);
	uv_timer_start(&c->poll, on_poll, 0, POLL_MS);
	*ret_consensus = c;
	return 0;
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct hcd_consensus *c = handle->data;

	if (--c->nr_open)
		return;
	if (c->done)
		c->done(c->done_arg);
	free(c->sent);
	free(c);
}

static void close_timers(struct hcd_consensus *c)
{
	uv_close((uv_handle_t *)&c->flush, on_timer_closed);
	uv_close((uv_handle_t *)&c->poll, on_timer_closed);
}

static void on_closed(struct raft *raft)
{
	struct hcd_consensus *c = raft->data;

	raft_uv_close(&c->io);
	close_timers(c);
}

void hcd_consensus_stop(struct hcd_consensus *c, void (*done)(void *arg), void *arg)
{
	c->is_stopping = true;
	c->done = done;
	c->done_arg = arg;
	uv_timer_stop(&c->flush);
	uv_timer_stop(&c->poll);
	if (c->has_raft)
		raft_close(&c->raft, on_closed);
	else
		close_timers(c);
}
