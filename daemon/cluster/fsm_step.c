// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the rules remember, in the replicated state: see fsm.h. The controller decides, the log has
 * what came of it; so it is the same everywhere, whatever version of the rules a node has.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cluster/fsm.h"
#include "daemon/cluster/text.h"

bool hcd_fsm_room(void **list, size_t nr, size_t *room, size_t size)
{
	size_t more = *room ? *room * 2 : 16;
	void *p;

	if (nr < *room)
		return true;
	p = realloc(*list, more * size);
	if (!p)
		return false;
	*list = p;
	*room = more;
	return true;
}

static int compare(const struct hcd_kept *k, uint32_t kind, const char *key)
{
	return k->kind != kind ? (k->kind < kind ? -1 : 1) : strcmp(k->key, key);
}

static size_t place_of(const struct hcd_fsm *fsm, uint32_t kind, const char *key)
{
	size_t lo = 0, hi = fsm->nr_kept;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (compare(&fsm->kept[mid], kind, key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct hcd_kept *hcd_fsm_kept(const struct hcd_fsm *fsm, uint32_t kind, const char *key)
{
	size_t i = place_of(fsm, kind, key);

	return i < fsm->nr_kept && compare(&fsm->kept[i], kind, key) == 0 ? &fsm->kept[i] : NULL;
}

/* One message of a kind can be read; of a kind that is not known here, nobody reads it. */
static bool is_readable(const Hcp__Kept *k)
{
	static const ProtobufCMessageDescriptor *of[] = {
		[HCD_KEPT_POOL] = &hcp__kept_pool__descriptor,
		[HCD_KEPT_NODE] = &hcp__kept_node__descriptor,
		[HCD_KEPT_USER] = &hcp__kept_user__descriptor,
		[HCD_KEPT_VIEW] = &hcp__kept_view__descriptor,
		[HCD_KEPT_MOVE] = &hcp__kept_move__descriptor,
		[HCD_KEPT_JOB] = &hcp__kept_job__descriptor,
		[HCD_KEPT_ENVIRONMENT] = &hcp__kept_environment__descriptor,
	};
	ProtobufCMessage *msg;

	if (!k->kind || k->data.len > HCD_KEPT_LEN || strlen(k->key) > HC_NAME_LEN)
		return false;
	if (k->kind == HCD_KEPT_USER && !hcd_text_is_name(k->key))
		return false;
	if (k->kind > HCD_KEPT_ENVIRONMENT || !k->data.len)
		return true;
	msg = protobuf_c_message_unpack(of[k->kind], NULL, k->data.len, k->data.data);
	if (msg)
		protobuf_c_message_free_unpacked(msg, NULL);
	return msg;
}

static void set(struct hcd_fsm *fsm, const Hcp__Kept *msg, uint8_t *data)
{
	size_t i = place_of(fsm, msg->kind, msg->key);
	struct hcd_kept *k = &fsm->kept[i];

	if (i == fsm->nr_kept || compare(k, msg->kind, msg->key) != 0) {
		if (!msg->data.len)
			return;
		memmove(k + 1, k, (fsm->nr_kept++ - i) * sizeof(*k));
		*k = (struct hcd_kept){ .kind = msg->kind };
		snprintf(k->key, sizeof(k->key), "%s", msg->key);
	}
	free(k->data);
	k->data = data;
	k->len = msg->data.len;
	if (!data)
		memmove(k, k + 1, (--fsm->nr_kept - i) * sizeof(*k));
}

static int check(const struct hcd_fsm *fsm, const Hcp__Step *step, struct hcd_result *res)
{
	bool is_good = true;

	if (step->after != fsm->steps) {
		snprintf(res->text, sizeof(res->text), "Step %llu was decided after step %llu, but %llu came between.",
			 (unsigned long long)step->after + 1, (unsigned long long)step->after,
			 (unsigned long long)(fsm->steps - step->after));
		return -EAGAIN;
	}
	for (size_t i = 0; i < step->n_changes; i++)
		is_good = is_good && is_readable(step->changes[i]);
	for (size_t i = 0; i < step->n_decisions; i++) {
		const Hcp__Decision *d = step->decisions[i];

		is_good = is_good && strlen(d->rule) < sizeof(fsm->decisions[0].rule) &&
			  d->kind[0] && strlen(d->kind) < sizeof(fsm->decisions[0].kind) &&
			  strlen(d->user) <= HC_NAME_LEN;
	}
	if (!is_good || fsm->nr_kept + step->n_changes > HCD_KEPT_MAX) {
		snprintf(res->text, sizeof(res->text), "%s", is_good ? "There are too many nodes, users and views." :
			 "That is no step of the rules.");
		return is_good ? -ENOSPC : -EBADMSG;
	}
	return 0;
}

static int room_for(struct hcd_fsm *fsm, size_t n)
{
	void *list = fsm->kept;

	while (fsm->kept_room < fsm->nr_kept + n) {
		if (!hcd_fsm_room(&list, fsm->kept_room, &fsm->kept_room, sizeof(*fsm->kept)))
			return -ENOMEM;
		fsm->kept = list;
	}
	return 0;
}

int hcd_fsm_apply_step(struct hcd_fsm *fsm, const Hcp__Command *c, struct hcd_result *res)
{
	const Hcp__Step *step = c->step;
	uint8_t **data;
	int r;

	res->error = check(fsm, step, res);
	if (res->error)
		return 0;
	/* All memory first. */
	r = hcd_fsm_charge(fsm, c->at_ms);
	if (r == 0)
		r = room_for(fsm, step->n_changes);
	if (r < 0)
		return r;
	data = calloc(step->n_changes + 1, sizeof(*data));
	for (size_t i = 0; data && r == 0 && i < step->n_changes; i++) {
		const ProtobufCBinaryData *from = &step->changes[i]->data;

		data[i] = from->len ? malloc(from->len) : NULL;
		if (data[i])
			memcpy(data[i], from->data, from->len);
		r = from->len && !data[i] ? -ENOMEM : 0;
	}
	for (size_t i = 0; data && i < step->n_changes; i++) {
		if (r == 0)
			set(fsm, step->changes[i], data[i]);
		else
			free(data[i]);
	}
	if (!data || r < 0) {
		free(data);
		return -ENOMEM;
	}
	free(data);
	fsm->steps++;
	for (size_t i = 0; i < step->n_decisions; i++) {
		const Hcp__Decision *d = step->decisions[i];
		uint64_t id = hcd_fsm_decide(fsm, c->at_ms, d->rule, d->kind, d->node, d->inputs,
					     d->text);

		if (i == 0)
			res->number = id;
		snprintf(fsm->decisions[(fsm->next_decision - 1) % HCD_DECISIONS_MAX].user,
			 sizeof(fsm->decisions[0].user), "%s", d->user);
	}
	return 0;
}

bool hcd_fsm_take_kept(struct hcd_fsm *fsm, const Hcp__State *st)
{
	fsm->steps = st->steps;
	if (st->n_kept > HCD_KEPT_MAX || room_for(fsm, st->n_kept) < 0)
		return false;
	for (size_t i = 0; i < st->n_kept; i++) {
		const Hcp__Kept *k = st->kept[i];
		uint8_t *data;

		if (!is_readable(k) || !k->data.len ||
		    (i && compare(&fsm->kept[i - 1], k->kind, k->key) >= 0))
			return false;
		data = malloc(k->data.len);
		if (!data)
			return false;
		memcpy(data, k->data.data, k->data.len);
		set(fsm, k, data);
	}
	return true;
}

void hcd_fsm_clear_kept(struct hcd_fsm *fsm)
{
	for (size_t i = 0; i < fsm->nr_kept; i++)
		free(fsm->kept[i].data);
	free(fsm->kept);
	free(fsm->charges);
	free(fsm->counters);
}
