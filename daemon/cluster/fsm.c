// SPDX-License-Identifier: GPL-2.0-or-later
/* The replicated state machine: see fsm.h. */
#include "daemon/cluster/fsm.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cluster/text.h"
#include "daemon/node/config.h"

void hcd_fsm_init(struct hcd_fsm *fsm, uint32_t version_max)
{
	memset(fsm, 0, sizeof(*fsm));
	fsm->version_max = version_max;
	fsm->first_decision = fsm->next_decision = 1;
	fsm->next_node = 1;
}

static void decision_clear(struct hcd_decision *d)
{
	free(d->text);
	free(d->inputs);
	memset(d, 0, sizeof(*d));
}

void hcd_fsm_clear(struct hcd_fsm *fsm)
{
	uint32_t version_max = fsm->version_max;
	uint64_t changes = fsm->changes;

	for (size_t i = 0; i < HCD_DECISIONS_MAX; i++)
		decision_clear(&fsm->decisions[i]);
	hcd_fsm_clear_kept(fsm);
	hcd_fsm_init(fsm, version_max);
	fsm->changes = changes + 1;
}

/* ---- looking up -------------------------------------------------------------- */

static size_t member_find(const struct hcd_fsm *fsm, uint32_t id)
{
	size_t i;

	for (i = 0; i < fsm->nr_members && fsm->members[i].id < id; i++)
		;
	return i;
}

const struct hcd_member *hcd_fsm_member(const struct hcd_fsm *fsm, uint32_t id)
{
	size_t i = member_find(fsm, id);

	return i < fsm->nr_members && fsm->members[i].id == id ? &fsm->members[i] : NULL;
}

const struct hcd_member *hcd_fsm_member_by_key(const struct hcd_fsm *fsm, const uint8_t *key)
{
	for (size_t i = 0; i < fsm->nr_members; i++) {
		if (memcmp(fsm->members[i].key, key, HCD_NODE_KEY_LEN) == 0)
			return &fsm->members[i];
	}
	return NULL;
}

const struct hcd_member *hcd_fsm_member_by_name(const struct hcd_fsm *fsm, const char *name)
{
	for (size_t i = 0; i < fsm->nr_members; i++) {
		if (strcmp(fsm->members[i].name, name) == 0)
			return &fsm->members[i];
	}
	return NULL;
}

const struct hcd_token *hcd_fsm_token(const struct hcd_fsm *fsm, const uint8_t *id)
{
	for (size_t i = 0; i < fsm->nr_tokens; i++) {
		if (memcmp(fsm->tokens[i].id, id, HCD_TOKEN_ID_LEN) == 0)
			return &fsm->tokens[i];
	}
	return NULL;
}

bool hcd_fsm_is_removed(const struct hcd_fsm *fsm, const uint8_t *key)
{
	for (size_t i = 0; i < fsm->nr_removed; i++) {
		if (memcmp(fsm->removed[i], key, HCD_NODE_KEY_LEN) == 0)
			return true;
	}
	return false;
}

const char *hcd_fsm_setting(const struct hcd_fsm *fsm, const char *key)
{
	for (size_t i = 0; i < fsm->nr_settings; i++) {
		if (strcmp(fsm->settings[i].key, key) == 0)
			return fsm->settings[i].value;
	}
	return NULL;
}

const struct hcd_decision *hcd_fsm_decision(const struct hcd_fsm *fsm, uint64_t id)
{
	if (id < fsm->first_decision || id >= fsm->next_decision)
		return NULL;
	return &fsm->decisions[id % HCD_DECISIONS_MAX];
}

/* ---- changing ------------------------------------------------------------------ */

uint64_t hcd_fsm_decide(struct hcd_fsm *fsm, uint64_t at_ms, const char *rule, const char *kind,
			uint32_t node, const char *inputs, const char *text)
{
	struct hcd_decision *d = &fsm->decisions[fsm->next_decision % HCD_DECISIONS_MAX];

	decision_clear(d);
	d->id = fsm->next_decision++;
	if (fsm->next_decision - fsm->first_decision > HCD_DECISIONS_MAX)
		fsm->first_decision = fsm->next_decision - HCD_DECISIONS_MAX;
	d->at_ms = at_ms;
	d->node = node;
	snprintf(d->rule, sizeof(d->rule), "%s", rule);
	snprintf(d->kind, sizeof(d->kind), "%s", kind);
	d->text = strndup(text, HCD_DECISION_TEXT_LEN);
	d->inputs = inputs && inputs[0] ? strndup(inputs, HCD_DECISION_INPUTS_LEN) : NULL;
	return d->text ? d->id : 0;
}

/* The same for what this file does: words made here. */
__attribute__((format(printf, 6, 7)))
static uint64_t decide(struct hcd_fsm *fsm, const Hcp__Command *c, const char *rule,
		       const char *kind, uint32_t node, const char *format, ...)
{
	char text[HCD_DECISION_TEXT_LEN];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return hcd_fsm_decide(fsm, c->at_ms, rule, kind, node, NULL, text);
}

__attribute__((format(printf, 3, 4)))
static void refuse(struct hcd_result *res, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(res->text, sizeof(res->text), format, args);
	va_end(args);
	res->error = error;
}

static struct hcd_member *member_of(struct hcd_fsm *fsm, uint32_t id, struct hcd_result *res)
{
	size_t i = member_find(fsm, id);

	if (i < fsm->nr_members && fsm->members[i].id == id)
		return &fsm->members[i];
	refuse(res, -ENOENT, "Node %u is no member of the cluster.", id);
	return NULL;
}

bool hcd_member_take(const Hcp__Member *msg, struct hcd_member *ret_member)
{
	struct hcd_member m = { .id = msg->id };

	if (msg->id > HCD_NODE_ID_MAX || !hcd_text_is_name(msg->name) ||
	    !hcd_address_is_valid(msg->address) || !msg->port || msg->port > 65535 ||
	    msg->key.len != HCD_NODE_KEY_LEN ||
	    (msg->token.len && msg->token.len != HCD_TOKEN_ID_LEN))
		return false;
	snprintf(m.name, sizeof(m.name), "%s", msg->name);
	snprintf(m.address, sizeof(m.address), "%s", msg->address);
	m.port = (uint16_t)msg->port;
	memcpy(m.key, msg->key.data, HCD_NODE_KEY_LEN);
	if (msg->token.len)
		memcpy(m.token, msg->token.data, HCD_TOKEN_ID_LEN);
	m.epoch = msg->epoch;
	m.is_dead = msg->is_dead;
	m.is_drained = msg->is_drained;
	m.joined_s = msg->joined_s;
	m.changed_s = msg->changed_s;
	m.version_max = msg->version_max;
	*ret_member = m;
	return true;
}

static void tokens_expire(struct hcd_fsm *fsm, uint64_t now_s)
{
	size_t kept = 0;

	for (size_t i = 0; i < fsm->nr_tokens; i++) {
		if (fsm->tokens[i].expires_s > now_s)
			fsm->tokens[kept++] = fsm->tokens[i];
	}
	fsm->nr_tokens = kept;
}

static void apply_token_add(struct hcd_fsm *fsm, const Hcp__Command *c, struct hcd_result *res)
{
	struct hcd_token *t;

	tokens_expire(fsm, c->at_ms / 1000);
	if (c->token_add->id.len != HCD_TOKEN_ID_LEN ||
	    hcd_fsm_token(fsm, c->token_add->id.data)) {
		refuse(res, -EINVAL, "That is no new token.");
		return;
	}
	if (fsm->nr_tokens == HCD_TOKENS_MAX) {
		refuse(res, -ENOSPC, "%d tokens are valid already: wait until some expire.",
		       HCD_TOKENS_MAX);
		return;
	}
	t = &fsm->tokens[fsm->nr_tokens++];
	*t = (struct hcd_token){ .expires_s = c->token_add->expires_s };
	memcpy(t->id, c->token_add->id.data, HCD_TOKEN_ID_LEN);
}

static void apply_token_del(struct hcd_fsm *fsm, const Hcp__Command *c, struct hcd_result *res)
{
	const struct hcd_token *t = NULL;
	size_t i;

	if (c->token_del.len == HCD_TOKEN_ID_LEN)
		t = hcd_fsm_token(fsm, c->token_del.data);
	if (!t) {
		refuse(res, -ENOENT, "There is no such token, or it has expired.");
		return;
	}
	i = (size_t)(t - fsm->tokens);
	fsm->tokens[i] = fsm->tokens[--fsm->nr_tokens];
}

/* What stands against the newcomer, or the member that it is already. Return: true to go on. */
static bool join_check(struct hcd_fsm *fsm, const Hcp__Command *c, const struct hcd_member *m,
		       struct hcd_result *res)
{
	const struct hcd_member *old = hcd_fsm_member_by_key(fsm, m->key);
	const struct hcd_token *t = hcd_fsm_token(fsm, m->token);

	if (!t || t->expires_s <= c->at_ms / 1000)
		refuse(res, -EACCES, "The token is not valid, or has expired: make a new one with 'hyperchain node token'.");
	else if (hcd_fsm_is_removed(fsm, m->key))
		refuse(res, -EPERM, "This node was removed and its key is no longer accepted: move its state directory away, so that it makes a new key, and join again.");
	else if (t->is_used && memcmp(t->used_by, m->key, HCD_NODE_KEY_LEN) != 0)
		refuse(res, -EACCES, "The token was used already: make a new one with 'hyperchain node token'.");
	else if (old)
		res->number = old->id;	/* the answer got lost: told again */
	else if (fsm->nr_members == HCD_MEMBERS_MAX)
		refuse(res, -ENOSPC, "The cluster has %d nodes already, which is the limit.",
		       HCD_MEMBERS_MAX);
	else if (hcd_fsm_member_by_name(fsm, m->name))
		refuse(res, -EEXIST, "A node is called %s already: choose another name with --name.",
		       m->name);
	else if (m->id && (hcd_fsm_member(fsm, m->id) || m->id < fsm->next_node))
		refuse(res, -EEXIST, "The id %u belongs or belonged to another node: take 'id' out of this node's configuration.",
		       m->id);
	else
		return true;
	return false;
}

static void apply_join(struct hcd_fsm *fsm, const Hcp__Command *c, struct hcd_result *res)
{
	struct hcd_member m;
	struct hcd_token *t;
	size_t i;

	if (!hcd_member_take(c->join, &m) || !c->join->token.len) {
		refuse(res, -EINVAL, "What the node said of itself is not complete.");
		return;
	}
	if (!join_check(fsm, c, &m, res))
		return;
	for (i = 0; i < fsm->nr_members; i++) {
		if (strcmp(fsm->members[i].address, m.address) == 0 &&
		    fsm->members[i].port == m.port) {
			refuse(res, -EEXIST, "Node %u has the address %s port %u already.",
			       fsm->members[i].id, m.address, m.port);
			return;
		}
	}
	t = (struct hcd_token *)hcd_fsm_token(fsm, m.token);
	t->is_used = true;
	memcpy(t->used_by, m.key, HCD_NODE_KEY_LEN);
	if (!m.id)
		m.id = fsm->next_node;
	fsm->next_node = m.id + 1;
	m.is_dead = m.is_drained = false;
	m.joined_s = m.changed_s = c->at_ms / 1000;
	i = member_find(fsm, m.id);
	memmove(fsm->members + i + 1, fsm->members + i,
		(fsm->nr_members - i) * sizeof(fsm->members[0]));
	fsm->members[i] = m;
	fsm->nr_members++;
	res->number = m.id;
	decide(fsm, c, "R1", "join", m.id, "Node %u (%s) joined, at %s.", m.id, m.name, m.address);
}

static void apply_remove(struct hcd_fsm *fsm, const Hcp__Command *c, struct hcd_result *res)
{
	struct hcd_member *m = member_of(fsm, c->remove, res);
	struct hcd_member old;
	size_t i;

	if (!m)
		return;
	if (fsm->nr_members == 1) {
		refuse(res, -EBUSY, "Node %u is the only node of the cluster.", m->id);
		return;
	}
	old = *m;
	i = (size_t)(m - fsm->members);
	fsm->nr_members--;
	memmove(m, m + 1, (fsm->nr_members - i) * sizeof(*m));
	if (fsm->nr_removed == HCD_REMOVED_MAX)
		memmove(fsm->removed, fsm->removed + 1,
			--fsm->nr_removed * sizeof(fsm->removed[0]));
	memcpy(fsm->removed[fsm->nr_removed++], old.key, HCD_NODE_KEY_LEN);
	/* It knew these tokens, and the key that their secrets are made from. */
	fsm->nr_tokens = 0;
	decide(fsm, c, "R1", "remove", old.id, "Node %u (%s) was removed.", old.id, old.name);
}

static void apply_drain(struct hcd_fsm *fsm, const Hcp__Command *c, struct hcd_result *res)
{
	struct hcd_member *m = member_of(fsm, c->drain->id, res);

	if (!m || m->is_drained == (bool)c->drain->is_drained)
		return;
	m->is_drained = c->drain->is_drained;
	decide(fsm, c, "R1", m->is_drained ? "drain" : "undrain", m->id,
	       m->is_drained ? "Node %u (%s) is being drained." : "Node %u (%s) takes part again.",
	       m->id, m->name);
}

static void apply_set(struct hcd_fsm *fsm, const Hcp__Command *c, struct hcd_result *res)
{
	const char *key = c->set->key, *value = c->set->value;
	struct hcd_setting *s;
	size_t i;

	if (!key[0] || strlen(key) >= HCD_SETTING_KEY_LEN ||
	    strlen(value) >= HCD_SETTING_VALUE_LEN) {
		refuse(res, -EINVAL, "That key or value is too long.");
		return;
	}
	for (i = 0; i < fsm->nr_settings && strcmp(fsm->settings[i].key, key) < 0; i++)
		;
	s = &fsm->settings[i];
	if (i < fsm->nr_settings && strcmp(s->key, key) == 0) {
		if (!value[0]) {
			fsm->nr_settings--;
			memmove(s, s + 1, (fsm->nr_settings - i) * sizeof(*s));
		} else {
			snprintf(s->value, sizeof(s->value), "%s", value);
		}
	} else if (value[0]) {
		if (fsm->nr_settings == HCD_SETTINGS_MAX) {
			refuse(res, -ENOSPC, "There are too many settings.");
			return;
		}
		memmove(s + 1, s, (fsm->nr_settings - i) * sizeof(*s));
		fsm->nr_settings++;
		snprintf(s->key, sizeof(s->key), "%s", key);
		snprintf(s->value, sizeof(s->value), "%s", value);
	}
	decide(fsm, c, "", "config", 0, value[0] ? "%s was set to %s." : "%s is the default again.%s",
	       key, value);
}

static void apply_dead(struct hcd_fsm *fsm, const Hcp__Command *c, struct hcd_result *res)
{
	struct hcd_member *m = member_of(fsm, c->dead->id, res);

	if (!m || m->is_dead)
		return;
	m->is_dead = true;
	m->changed_s = c->at_ms / 1000;
	/* What it wrote or lent under an older epoch is not accepted any more. */
	if (c->dead->epoch > m->epoch)
		m->epoch = c->dead->epoch;
	decide(fsm, c, "R8", "node-dead", m->id,
	       "Node %u (%s) was not heard of for %llu ms: it is dead, less than epoch %llu is refused.",
	       m->id, m->name, (unsigned long long)c->dead->changed_s,
	       (unsigned long long)m->epoch);
}

static void apply_alive(struct hcd_fsm *fsm, const Hcp__Command *c, struct hcd_result *res)
{
	struct hcd_member *m = member_of(fsm, c->alive->id, res);
	bool was_dead;

	if (!m)
		return;
	was_dead = m->is_dead;
	if (c->alive->epoch < m->epoch) {
		refuse(res, -ESTALE, "Node %u comes with epoch %llu, %llu is needed.", m->id,
		       (unsigned long long)c->alive->epoch, (unsigned long long)m->epoch);
		return;
	}
	m->version_max = c->alive->version_max;
	m->is_dead = false;
	if (!was_dead)
		return;
	m->changed_s = c->at_ms / 1000;
	decide(fsm, c, "R8", "node-back", m->id, "Node %u (%s) is back.", m->id, m->name);
}

static void apply_upgrade(struct hcd_fsm *fsm, const Hcp__Command *c, struct hcd_result *res)
{
	if (c->upgrade <= fsm->version) {
		refuse(res, -EINVAL, "The state has version %u already.", fsm->version);
		return;
	}
	fsm->version = c->upgrade;
	decide(fsm, c, "", "upgrade", 0, "Every node knows version %u of the state: it holds now.",
	       fsm->version);
}

static void apply_office(struct hcd_fsm *fsm, const Hcp__Command *c, struct hcd_result *res)
{
	const struct hcd_member *m = member_of(fsm, c->office->node, res);
	uint32_t before = fsm->controller;

	if (!m)
		return;
	if (c->office->term <= fsm->controller_term) {
		refuse(res, -ESTALE, "Term %llu is over.", (unsigned long long)c->office->term);
		return;
	}
	fsm->controller = m->id;
	fsm->controller_term = c->office->term;
	if (before != m->id)
		decide(fsm, c, "R22", "controller", m->id,
		       "Node %u (%s) is the controller now, in term %llu.", m->id, m->name,
		       (unsigned long long)c->office->term);
}

static void apply_decide(struct hcd_fsm *fsm, const Hcp__Command *c, struct hcd_result *res)
{
	const Hcp__Decision *d = c->decide;

	if (strlen(d->rule) >= sizeof(fsm->decisions[0].rule) || !d->kind[0] ||
	    strlen(d->kind) >= sizeof(fsm->decisions[0].kind)) {
		refuse(res, -EINVAL, "A decision has a kind, and a rule like R8 or none.");
		return;
	}
	res->number = hcd_fsm_decide(fsm, c->at_ms, d->rule, d->kind, d->node, d->inputs, d->text);
}

static int apply_begin(struct hcd_fsm *fsm, const Hcp__Command *c, struct hcd_result *res)
{
	struct hcd_fsm *next;
	int r;

	if (c->begin->incarnation <= fsm->incarnation) {
		refuse(res, -EEXIST, "The cluster has begun already.");
		return 0;
	}
	next = malloc(sizeof(*next));
	if (!next)
		return -ENOMEM;
	hcd_fsm_init(next, fsm->version_max);
	r = hcd_fsm_take(next, c->begin);
	if (r == -EBADMSG) {
		refuse(res, -EBADMSG, "That is no whole state of a cluster.");
		r = 0;
	} else if (r == 0) {
		next->changes = fsm->changes;
		hcd_fsm_clear(fsm);
		*fsm = *next;
		decide(fsm, c, "", "begin", c->by, fsm->incarnation == 1 ?
		       "The cluster %s began with node %u." :
		       "The cluster %s began anew with node %u: what other nodes knew later is gone.",
		       fsm->name, c->by);
	}
	free(next);
	return r;
}

static int apply(struct hcd_fsm *fsm, const Hcp__Command *c, struct hcd_result *res)
{
	if (c->what_case == HCP__COMMAND__WHAT_BEGIN)
		return apply_begin(fsm, c, res);
	if (!fsm->incarnation) {
		refuse(res, -ENOENT, "The cluster has not begun yet.");
		return 0;
	}
	switch (c->what_case) {
	case HCP__COMMAND__WHAT_JOIN:
		apply_join(fsm, c, res);
		break;
	case HCP__COMMAND__WHAT_REMOVE:
		apply_remove(fsm, c, res);
		break;
	case HCP__COMMAND__WHAT_DRAIN:
		apply_drain(fsm, c, res);
		break;
	case HCP__COMMAND__WHAT_TOKEN_ADD:
		apply_token_add(fsm, c, res);
		break;
	case HCP__COMMAND__WHAT_TOKEN_DEL:
		apply_token_del(fsm, c, res);
		break;
	case HCP__COMMAND__WHAT_SET:
		apply_set(fsm, c, res);
		break;
	case HCP__COMMAND__WHAT_DEAD:
		apply_dead(fsm, c, res);
		break;
	case HCP__COMMAND__WHAT_ALIVE:
		apply_alive(fsm, c, res);
		break;
	case HCP__COMMAND__WHAT_UPGRADE:
		apply_upgrade(fsm, c, res);
		break;
	case HCP__COMMAND__WHAT_OFFICE:
		apply_office(fsm, c, res);
		break;
	case HCP__COMMAND__WHAT_DECIDE:
		apply_decide(fsm, c, res);
		break;
	case HCP__COMMAND__WHAT_STEP:
		return hcd_fsm_apply_step(fsm, c, res);
	case HCP__COMMAND__WHAT_COUNTERS:
		return hcd_fsm_apply_counters(fsm, c, res);
	default:
		return -EPROTONOSUPPORT;
	}
	return 0;
}

int hcd_fsm_apply(struct hcd_fsm *fsm, const void *data, size_t len,
		  struct hcd_result *ret_result)
{
	Hcp__Command *c = hcp__command__unpack(NULL, len, data);
	struct hcd_result res = { 0 };
	int r;

	if (!c)
		return -EBADMSG;
	if (c->version > fsm->version_max ||
	    (fsm->version_max < 2 && c->what_case >= HCP__COMMAND__WHAT_STEP) ||
	    (c->what_case == HCP__COMMAND__WHAT_UPGRADE && c->upgrade > fsm->version_max))
		r = -EPROTONOSUPPORT;
	else
		r = apply(fsm, c, &res);
	if (r == 0 && c->what_case != HCP__COMMAND__WHAT_OFFICE &&
	    c->what_case != HCP__COMMAND__WHAT_DECIDE &&
	    c->what_case != HCP__COMMAND__WHAT_COUNTERS &&
	    (c->what_case != HCP__COMMAND__WHAT_STEP || !res.error))
		fsm->changes++;
	hcp__command__free_unpacked(c, NULL);
	if (r == 0)
		*ret_result = res;
	return r;
}

uint8_t *hcd_command_pack(const Hcp__Command *command, size_t *ret_len)
{
	size_t len = hcp__command__get_packed_size(command);
	uint8_t *data = malloc(len ? len : 1);

	if (!data)
		return NULL;
	hcp__command__pack(command, data);
	*ret_len = len;
	return data;
}
