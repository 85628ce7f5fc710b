// SPDX-License-Identifier: GPL-2.0-or-later
/* The replicated state as bytes, and back: snapshots, backups. See fsm.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cluster/fsm.h"
#include "daemon/cluster/text.h"
#include "daemon/node/config.h"

#define BYTES(array)	((ProtobufCBinaryData){ sizeof(array), (uint8_t *)(array) })

/* The messages of one encoding, and the lists that point at them. */
struct buffer {
	Hcp__Member members[HCD_MEMBERS_MAX], *member_list[HCD_MEMBERS_MAX];
	Hcp__Token tokens[HCD_TOKENS_MAX], *token_list[HCD_TOKENS_MAX];
	Hcp__Setting settings[HCD_SETTINGS_MAX], *setting_list[HCD_SETTINGS_MAX];
	Hcp__Decision decisions[HCD_DECISIONS_MAX], *decision_list[HCD_DECISIONS_MAX];
	ProtobufCBinaryData removed[HCD_REMOVED_MAX];
	/* These have no bound worth reserving. */
	Hcp__Kept *kept, **kept_list;
	Hcp__Charge *charges, **charge_list;
	Hcp__Counter *counters, **counter_list;
};

static void put_member(const struct hcd_member *m, Hcp__Member *msg)
{
	static const uint8_t none[HCD_TOKEN_ID_LEN];

	hcp__member__init(msg);
	msg->id = m->id;
	msg->name = (char *)m->name;
	msg->address = (char *)m->address;
	msg->port = m->port;
	msg->key = BYTES(m->key);
	if (memcmp(m->token, none, sizeof(none)) != 0)
		msg->token = BYTES(m->token);
	msg->epoch = m->epoch;
	msg->is_dead = m->is_dead;
	msg->is_drained = m->is_drained;
	msg->joined_s = m->joined_s;
	msg->changed_s = m->changed_s;
	msg->version_max = m->version_max;
}

static void put_decision(const struct hcd_decision *d, Hcp__Decision *msg)
{
	hcp__decision__init(msg);
	msg->id = d->id;
	msg->at_ms = d->at_ms;
	msg->node = d->node;
	msg->rule = (char *)d->rule;
	msg->kind = (char *)d->kind;
	if (d->text)
		msg->text = d->text;
	if (d->inputs)
		msg->inputs = d->inputs;
	msg->user = (char *)d->user;
}

/* What is there since version 2. Return: false without memory. */
static bool put_rules(const struct hcd_fsm *fsm, struct buffer *b, Hcp__State *st)
{
	b->kept = calloc(fsm->nr_kept + 1, sizeof(*b->kept));
	b->kept_list = calloc(fsm->nr_kept + 1, sizeof(*b->kept_list));
	b->charges = calloc(fsm->nr_charges + 1, sizeof(*b->charges));
	b->charge_list = calloc(fsm->nr_charges + 1, sizeof(*b->charge_list));
	b->counters = calloc(fsm->nr_counters + 1, sizeof(*b->counters));
	b->counter_list = calloc(fsm->nr_counters + 1, sizeof(*b->counter_list));
	if (!b->kept || !b->kept_list || !b->charges || !b->charge_list || !b->counters ||
	    !b->counter_list)
		return false;
	st->steps = fsm->steps;
	st->charged_ms = fsm->charged_ms;
	st->kept = b->kept_list;
	st->charges = b->charge_list;
	st->counters = b->counter_list;
	for (size_t i = 0; i < fsm->nr_kept; i++) {
		const struct hcd_kept *k = &fsm->kept[i];

		hcp__kept__init(&b->kept[i]);
		b->kept[i].kind = k->kind;
		b->kept[i].key = (char *)k->key;
		b->kept[i].data = (ProtobufCBinaryData){ k->len, k->data };
		b->kept_list[st->n_kept++] = &b->kept[i];
	}
	for (size_t i = 0; i < fsm->nr_charges; i++) {
		const struct hcd_charge *c = &fsm->charges[i];
		Hcp__Charge *msg = &b->charges[i];

		hcp__charge__init(msg);
		msg->user = (char *)c->user;
		msg->node = c->node;
		msg->hour = c->hour;
		msg->is_day = c->is_day;
		msg->node_ms = c->node_ms;
		msg->cpu_us = c->cpu_us;
		msg->byte_s = c->byte_s;
		b->charge_list[st->n_charges++] = msg;
	}
	for (size_t i = 0; i < fsm->nr_counters; i++) {
		const struct hcd_counter *c = &fsm->counters[i];
		Hcp__Counter *msg = &b->counters[i];

		hcp__counter__init(msg);
		msg->user = (char *)c->user;
		msg->node = c->node;
		msg->run = c->run;
		msg->cpu_us = c->cpu_us;
		msg->byte_s = c->byte_s;
		msg->at_ms = c->at_ms;
		b->counter_list[st->n_counters++] = msg;
	}
	return true;
}

static void buffer_free(struct buffer *b)
{
	free(b->kept);
	free(b->kept_list);
	free(b->charges);
	free(b->charge_list);
	free(b->counters);
	free(b->counter_list);
	free(b);
}

static void put(const struct hcd_fsm *fsm, struct buffer *b, Hcp__State *st)
{
	hcp__state__init(st);
	st->version = fsm->version;
	st->cluster = BYTES(fsm->cluster);
	st->name = (char *)fsm->name;
	st->incarnation = fsm->incarnation;
	st->encrypt = fsm->encrypt;
	st->next_node = fsm->next_node;
	st->controller = fsm->controller;
	st->controller_term = fsm->controller_term;
	st->next_decision = fsm->next_decision;
	st->members = b->member_list;
	st->tokens = b->token_list;
	st->settings = b->setting_list;
	st->decisions = b->decision_list;
	st->removed = b->removed;
	for (size_t i = 0; i < fsm->nr_members; i++) {
		put_member(&fsm->members[i], &b->members[i]);
		b->member_list[st->n_members++] = &b->members[i];
	}
	for (size_t i = 0; i < fsm->nr_tokens; i++) {
		const struct hcd_token *t = &fsm->tokens[i];

		hcp__token__init(&b->tokens[i]);
		b->tokens[i].id = BYTES(t->id);
		b->tokens[i].expires_s = t->expires_s;
		if (t->is_used)
			b->tokens[i].used_by = BYTES(t->used_by);
		b->token_list[st->n_tokens++] = &b->tokens[i];
	}
	for (size_t i = 0; i < fsm->nr_settings; i++) {
		hcp__setting__init(&b->settings[i]);
		b->settings[i].key = (char *)fsm->settings[i].key;
		b->settings[i].value = (char *)fsm->settings[i].value;
		b->setting_list[st->n_settings++] = &b->settings[i];
	}
	for (uint64_t id = fsm->first_decision; id < fsm->next_decision; id++) {
		size_t i = st->n_decisions++;

		put_decision(hcd_fsm_decision(fsm, id), &b->decisions[i]);
		b->decision_list[i] = &b->decisions[i];
	}
	for (size_t i = 0; i < fsm->nr_removed; i++)
		b->removed[st->n_removed++] = BYTES(fsm->removed[i]);
}

int hcd_fsm_encode(const struct hcd_fsm *fsm, uint8_t **ret_data, size_t *ret_len)
{
	struct buffer *b = malloc(sizeof(*b));
	uint8_t *data = NULL;
	Hcp__State st;
	size_t len = 0;

	if (!b)
		return -ENOMEM;
	put(fsm, b, &st);
	if (put_rules(fsm, b, &st)) {
		len = hcp__state__get_packed_size(&st);
		data = malloc(len ? len : 1);
	}
	if (data)
		hcp__state__pack(&st, data);
	buffer_free(b);
	if (!data)
		return -ENOMEM;
	*ret_data = data;
	*ret_len = len;
	return 0;
}

static bool take_tokens(struct hcd_fsm *fsm, const Hcp__State *st)
{
	for (size_t i = 0; i < st->n_tokens; i++) {
		const Hcp__Token *msg = st->tokens[i];
		struct hcd_token *t = &fsm->tokens[fsm->nr_tokens++];

		if (msg->id.len != HCD_TOKEN_ID_LEN ||
		    (msg->used_by.len && msg->used_by.len != HCD_NODE_KEY_LEN))
			return false;
		memcpy(t->id, msg->id.data, HCD_TOKEN_ID_LEN);
		t->expires_s = msg->expires_s;
		t->is_used = msg->used_by.len;
		if (t->is_used)
			memcpy(t->used_by, msg->used_by.data, HCD_NODE_KEY_LEN);
	}
	return true;
}

static bool take_settings(struct hcd_fsm *fsm, const Hcp__State *st)
{
	for (size_t i = 0; i < st->n_settings; i++) {
		const Hcp__Setting *msg = st->settings[i];
		struct hcd_setting *s = &fsm->settings[fsm->nr_settings++];

		if (!msg->key[0] || strlen(msg->key) >= sizeof(s->key) ||
		    strlen(msg->value) >= sizeof(s->value) ||
		    (i && strcmp(s[-1].key, msg->key) >= 0))
			return false;
		snprintf(s->key, sizeof(s->key), "%s", msg->key);
		snprintf(s->value, sizeof(s->value), "%s", msg->value);
	}
	return true;
}

static bool take_decisions(struct hcd_fsm *fsm, const Hcp__State *st)
{
	if (st->next_decision < 1 || st->next_decision - 1 < st->n_decisions)
		return false;
	fsm->next_decision = st->next_decision;
	fsm->first_decision = st->next_decision - st->n_decisions;
	for (size_t i = 0; i < st->n_decisions; i++) {
		const Hcp__Decision *msg = st->decisions[i];
		struct hcd_decision *d =
			&fsm->decisions[(fsm->first_decision + i) % HCD_DECISIONS_MAX];

		if (msg->id != fsm->first_decision + i || strlen(msg->rule) >= sizeof(d->rule) ||
		    strlen(msg->kind) >= sizeof(d->kind) || strlen(msg->user) >= sizeof(d->user))
			return false;
		snprintf(d->user, sizeof(d->user), "%s", msg->user);
		d->id = msg->id;
		d->at_ms = msg->at_ms;
		d->node = msg->node;
		snprintf(d->rule, sizeof(d->rule), "%s", msg->rule);
		snprintf(d->kind, sizeof(d->kind), "%s", msg->kind);
		d->text = strndup(msg->text, HCD_DECISION_TEXT_LEN);
		d->inputs = msg->inputs[0] ? strndup(msg->inputs, HCD_DECISION_INPUTS_LEN) : NULL;
	}
	return true;
}

static bool take_all(struct hcd_fsm *fsm, const Hcp__State *st)
{
	if (st->cluster.len != HCD_CLUSTER_ID_LEN || !hcd_text_is_name(st->name) ||
	    !st->incarnation || st->encrypt > HCD_ENCRYPT_WIREGUARD || !st->n_members ||
	    st->n_members > HCD_MEMBERS_MAX || st->n_tokens > HCD_TOKENS_MAX ||
	    st->n_settings > HCD_SETTINGS_MAX || st->n_decisions > HCD_DECISIONS_MAX ||
	    st->n_removed > HCD_REMOVED_MAX)
		return false;
	fsm->version = st->version;
	memcpy(fsm->cluster, st->cluster.data, HCD_CLUSTER_ID_LEN);
	snprintf(fsm->name, sizeof(fsm->name), "%s", st->name);
	fsm->incarnation = st->incarnation;
	fsm->encrypt = st->encrypt;
	fsm->next_node = st->next_node;
	fsm->controller = st->controller;
	fsm->controller_term = st->controller_term;
	for (size_t i = 0; i < st->n_members; i++) {
		struct hcd_member *m = &fsm->members[fsm->nr_members++];

		if (!hcd_member_take(st->members[i], m) || !m->id ||
		    (i && m[-1].id >= m->id) || m->id >= fsm->next_node)
			return false;
	}
	for (size_t i = 0; i < st->n_removed; i++) {
		if (st->removed[i].len != HCD_NODE_KEY_LEN)
			return false;
		memcpy(fsm->removed[fsm->nr_removed++], st->removed[i].data, HCD_NODE_KEY_LEN);
	}
	return take_tokens(fsm, st) && take_settings(fsm, st) && take_decisions(fsm, st) &&
	       hcd_fsm_take_kept(fsm, st) && hcd_fsm_take_usage(fsm, st);
}

int hcd_fsm_take(struct hcd_fsm *fsm, const Hcp__State *state)
{
	hcd_fsm_clear(fsm);
	if (state->version > fsm->version_max)
		return -EPROTONOSUPPORT;
	if (take_all(fsm, state))
		return 0;
	hcd_fsm_clear(fsm);
	return -EBADMSG;
}

int hcd_fsm_restore(struct hcd_fsm *fsm, const void *data, size_t len)
{
	Hcp__State *st = hcp__state__unpack(NULL, len, data);
	struct hcd_fsm *next;
	int r = -ENOMEM;

	if (!st)
		return -EBADMSG;
	next = malloc(sizeof(*next));
	if (next) {
		hcd_fsm_init(next, fsm->version_max);
		r = hcd_fsm_take(next, st);
		if (r == 0) {
			next->changes = fsm->changes + 1;
			hcd_fsm_clear(fsm);
			*fsm = *next;
		}
	}
	hcp__state__free_unpacked(st, NULL);
	free(next);
	return r;
}
