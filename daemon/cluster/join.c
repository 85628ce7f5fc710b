// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Joining: see control.h. The joiner dials a member of its token, both prove the token's secret,
 * then one message each way. The member has the controller decide; a token counts as used in the
 * same entry of the log in which the node becomes a member. An answer that got lost is given again
 * to the same key.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "daemon/cluster/cluster.h"
#include "daemon/cluster/control.h"
#include "daemon/cluster/text.h"
#include "daemon/cluster/token.h"
#include "daemon/daemon.h"

#define DOOR_MS		(HCD_ASK_MS + 5000)	/* a joiner's whole visit */

/* Where a joiner can ask: us first, then others that live. */
static void token_members(struct hcd_control *c, struct hcd_token_text *t)
{
	const struct hcd_peer_config *self = &c->identity.self.at;

	snprintf(t->members[0].address, sizeof(t->members[0].address), "%s", self->address);
	t->members[0].port = self->port;
	t->nr_members = 1;
	for (size_t i = 0; i < c->fsm->nr_members && t->nr_members < HCD_TOKEN_ADDRESSES; i++) {
		const struct hcd_member *m = &c->fsm->members[i];

		if (m->id == self->id || m->is_dead)
			continue;
		snprintf(t->members[t->nr_members].address, sizeof(t->members[0].address), "%s",
			 m->address);
		t->members[t->nr_members++].port = m->port;
	}
}

int hcd_join_token_make(struct hcd_control *c, uint64_t lasts_s, struct hcd_token_text *ret_token,
			char error[HCD_ERROR_LEN])
{
	struct hcd_token_text t = { 0 };
	struct hcd_psk psk;

	/* Alone we make the log's time ourselves; else our wall clock may be the wrong one. */
	if (!c->clock.own_ms && c->identity.nr_members > 1) {
		snprintf(error, HCD_ERROR_LEN, "This node has not heard from the controller since it was started, so it does not know the cluster's time: ask again when 'hyperchain cluster show' names a controller.");
		return -EAGAIN;
	}
	if (getrandom(t.id, HCD_TOKEN_ID_LEN, 0) != HCD_TOKEN_ID_LEN) {
		snprintf(error, HCD_ERROR_LEN, "The kernel's random numbers fail.");
		return -EIO;
	}
	t.expires_s = hcd_control_log_ms(c) / 1000 + lasts_s;
	memcpy(t.cluster, c->identity.cluster, HCD_CLUSTER_ID_LEN);
	token_members(c, &t);
	if (hcd_token_secret(c->identity.cluster_key, t.id, t.expires_s, &psk) < 0) {
		snprintf(error, HCD_ERROR_LEN, "HMAC-SHA256 can't be computed here.");
		return -EIO;
	}
	memcpy(t.secret, psk.bytes, sizeof(t.secret));
	explicit_bzero(psk.bytes, HCD_MAC_LEN);
	*ret_token = t;
	explicit_bzero(&t, sizeof(t));
	return 0;
}

/* By the log's time, which the controller goes by, too; without it that one alone decides. */
static bool is_over(struct hcd_control *c, const struct hcd_token *t)
{
	return c->clock.own_ms && t->expires_s <= hcd_control_log_ms(c) / 1000;
}

static const struct hcd_token *find_token(struct hcd_control *c, const uint8_t *hash)
{
	uint8_t own[HCD_TOKEN_HASH_LEN];

	for (size_t i = 0; i < c->fsm->nr_tokens; i++) {
		const struct hcd_token *t = &c->fsm->tokens[i];

		if (hcd_token_hash(t->id, own) == 0 && memcmp(own, hash, sizeof(own)) == 0)
			return is_over(c, t) ? NULL : t;
	}
	return NULL;
}

const struct hcd_psk *hcd_join_token(struct hcd_control *c, const uint8_t *hash)
{
	static struct hcd_psk psk;
	const struct hcd_token *t = find_token(c, hash);

	if (!t || hcd_token_secret(c->identity.cluster_key, t->id, t->expires_s, &psk) < 0)
		return NULL;
	return &psk;
}

/* ---- the member's side ------------------------------------------------------------- */

struct hcd_visit {
	struct hcd_visit *next;
	struct hcd_control *c;
	struct hcd_chan *chan;		/* NULL: it went */
	uv_timer_t timer;
	uint8_t token[HCD_TOKEN_ID_LEN];
	struct hcd_psk secret;
	uint8_t key[HCD_NODE_KEY_LEN];
	char address[INET6_ADDRSTRLEN];
	bool is_asked;			/* the controller's answer is awaited */
	bool is_over;
};

static void on_visit_closed(uv_handle_t *handle)
{
	struct hcd_visit *v = handle->data;

	explicit_bzero(&v->secret, sizeof(v->secret));
	free(v);
}

static void visit_end(struct hcd_visit *v)
{
	struct hcd_visit **at = &v->c->visits;

	if (v->chan)
		hcd_chan_close(v->chan);
	v->chan = NULL;
	while (*at && *at != v)
		at = &(*at)->next;
	if (*at)
		*at = v->next;
	v->is_over = true;
	if (!v->is_asked && !uv_is_closing((uv_handle_t *)&v->timer))
		uv_close((uv_handle_t *)&v->timer, on_visit_closed);
}

static void on_visit_late(uv_timer_t *timer)
{
	visit_end(timer->data);
}

static void visit_closed(struct hcd_chan *chan, enum hcd_refusal code, const char *reason,
			 void *ctx)
{
	struct hcd_visit *v = ctx;

	v->chan = NULL;
	visit_end(v);
}

static void visit_refuse(struct hcd_visit *v, int error, const char *text)
{
	Hcp__Joined msg = HCP__JOINED__INIT;

	msg.error = error;
	msg.text = (char *)text;
	if (v->chan)
		hcd_chan_send(v->chan, HCD_FRAME_JOINED, &msg.base);
	visit_end(v);
}

static void put_member(const struct hcd_member *m, Hcp__Member *msg)
{
	hcp__member__init(msg);
	msg->id = m->id;
	msg->name = (char *)m->name;
	msg->address = (char *)m->address;
	msg->port = m->port;
	msg->key = (ProtobufCBinaryData){ sizeof(m->key), (uint8_t *)m->key };
}

static void visit_welcome(struct hcd_visit *v, uint32_t id)
{
	static Hcp__Member members[HCD_MEMBERS_MAX], *list[HCD_MEMBERS_MAX];
	struct hcd_identity *own = &v->c->identity;
	uint8_t key[HCD_KEY_LEN], sealed[HCD_SEALED_LEN];
	Hcp__Joined msg = HCP__JOINED__INIT;

	int r = hcd_seal_key(own->secret, own->key, v->key, &v->secret, key);

	if (r == 0)
		r = hcd_seal(key, own->cluster_key, sealed);
	explicit_bzero(key, sizeof(key));
	if (r < 0) {
		visit_refuse(v, -EIO, "The node's key is no key, or libgcrypt fails.");
		return;
	}
	msg.id = id;
	msg.cluster = (ProtobufCBinaryData){ sizeof(own->cluster), own->cluster };
	msg.name = own->name;
	msg.incarnation = own->incarnation;
	msg.encrypt = v->c->fsm->encrypt;
	msg.key = (ProtobufCBinaryData){ sizeof(own->key), own->key };
	msg.sealed = (ProtobufCBinaryData){ sizeof(sealed), sealed };
	msg.address = v->address;
	for (size_t i = 0; i < v->c->fsm->nr_members; i++) {
		put_member(&v->c->fsm->members[i], &members[i]);
		list[msg.n_members++] = &members[i];
	}
	msg.members = list;
	if (v->chan)
		hcd_chan_send(v->chan, HCD_FRAME_JOINED, &msg.base);
	visit_end(v);
}

static void on_decided(int error, const struct hcd_result *result, const char *text, void *arg)
{
	struct hcd_visit *v = arg;

	v->is_asked = false;
	if (v->is_over)
		visit_end(v);
	else if (error)
		visit_refuse(v, error, text);
	else
		visit_welcome(v, (uint32_t)result->number);
}

static void visit_frame(struct hcd_chan *chan, const struct hcd_frame *frame, void *ctx)
{
	struct hcd_visit *v = ctx;
	Hcp__Join *msg = frame->type == HCD_FRAME_JOIN && !v->is_asked ?
			 hcp__join__unpack(NULL, frame->len, frame->payload) : NULL;
	Hcp__Command command = HCP__COMMAND__INIT;
	Hcp__Member m = HCP__MEMBER__INIT;

	if (!msg || msg->key.len != HCD_NODE_KEY_LEN) {
		visit_end(v);
	} else {
		memcpy(v->key, msg->key.data, HCD_NODE_KEY_LEN);
		snprintf(v->address, sizeof(v->address), "%s", msg->address[0] ? msg->address :
			 hcd_chan_address(chan));
		m.id = msg->id;
		m.name = msg->name;
		m.address = v->address;
		m.port = msg->port;
		m.key = msg->key;
		m.version_max = msg->version_max;
		m.token = (ProtobufCBinaryData){ sizeof(v->token), v->token };
		command.what_case = HCP__COMMAND__WHAT_JOIN;
		command.join = &m;
		v->is_asked = true;
		hcd_control_do(v->c, &command, on_decided, v);
	}
	if (msg)
		hcp__join__free_unpacked(msg, NULL);
}

static const struct hcd_chan_ops visit_ops = {
	.frame = visit_frame,
	.closed = visit_closed,
};

void hcd_join_accept(struct hcd_control *c, struct hcd_chan *chan, const uint8_t *hash)
{
	const struct hcd_token *t = c->consensus && !c->is_stopping ? find_token(c, hash) : NULL;
	struct hcd_visit *v = t ? calloc(1, sizeof(*v)) : NULL;

	if (!v || hcd_token_secret(c->identity.cluster_key, t->id, t->expires_s, &v->secret) < 0) {
		free(v);
		hcd_chan_close(chan);
		return;
	}
	memcpy(v->token, t->id, sizeof(v->token));
	v->c = c;
	v->chan = chan;
	v->next = c->visits;
	c->visits = v;
	uv_timer_init(c->d->loop, &v->timer);
	v->timer.data = v;
	uv_timer_start(&v->timer, on_visit_late, DOOR_MS, 0);
	uv_unref((uv_handle_t *)&v->timer);
	hcd_chan_set_user(chan, &visit_ops, v);
}

/* ---- the joiner's side ----------------------------------------------------------------- */

struct hcd_join {
	struct hcd_control *c;
	struct hcd_token_text token;
	uint8_t hash[HCD_TOKEN_HASH_LEN];
	struct hcd_psk psk;
	char name[HC_NAME_LEN + 1];
	char address[INET6_ADDRSTRLEN];
	size_t next;			/* member to try */
	struct hcd_chan *chan;
	uv_timer_t timer;
	char why[HCD_ERROR_LEN];
	hcd_join_cb cb;
	void *arg;
};

static void join_next(struct hcd_join *j);

static void on_join_closed(uv_handle_t *handle)
{
	struct hcd_join *j = handle->data;

	explicit_bzero(j, sizeof(*j));
	free(j);
}

static void join_end(struct hcd_join *j, int error, const char *text)
{
	hcd_join_cb cb = j->cb;

	if (j->chan)
		hcd_chan_close(j->chan);
	j->chan = NULL;
	j->c->join = NULL;
	j->cb = NULL;
	uv_close((uv_handle_t *)&j->timer, on_join_closed);
	cb(error, text, j->arg);
}

static void join_ready(struct hcd_chan *chan, void *ctx)
{
	struct hcd_join *j = ctx;
	struct hcd_control *c = j->c;
	Hcp__Join msg = HCP__JOIN__INIT;

	msg.id = c->d->config.node.id;
	msg.name = j->name;
	msg.address = j->address;
	msg.port = c->d->config.node.port;
	msg.key = (ProtobufCBinaryData){ HCD_NODE_KEY_LEN, c->identity.key };
	msg.version_max = HCD_FSM_VERSION;
	hcd_chan_send(chan, HCD_FRAME_JOIN, &msg.base);
}

static bool take_known(const Hcp__Member *m, struct hcd_known *ret)
{
	struct hcd_member member;

	if (!hcd_member_take(m, &member) || !member.id)
		return false;
	*ret = (struct hcd_known){ .at = { .id = member.id, .port = member.port } };
	snprintf(ret->at.name, sizeof(ret->at.name), "%s", member.name);
	snprintf(ret->at.address, sizeof(ret->at.address), "%s", member.address);
	memcpy(ret->key, member.key, sizeof(ret->key));
	return true;
}

/* What the member says becomes who we are. Return: 0 or -errno with @error. */
static int take_identity(struct hcd_join *j, const Hcp__Joined *msg, char error[HCD_ERROR_LEN])
{
	struct hcd_identity *id = &j->c->identity;
	uint8_t key[HCD_KEY_LEN];
	bool has_self = false;
	int r = -EBADMSG;

	snprintf(error, HCD_ERROR_LEN, "What the member answered is not complete: is it of an older version?");
	if (msg->cluster.len != HCD_CLUSTER_ID_LEN || msg->key.len != HCD_NODE_KEY_LEN ||
	    msg->sealed.len != HCD_SEALED_LEN || !hcd_text_is_name(msg->name) ||
	    !msg->incarnation || !msg->n_members || msg->n_members > HCD_MEMBERS_MAX ||
	    memcmp(msg->cluster.data, j->token.cluster, HCD_CLUSTER_ID_LEN) != 0)
		return r;
	r = hcd_seal_key(id->secret, id->key, msg->key.data, &j->psk, key);
	if (r == 0)
		r = hcd_unseal(key, msg->sealed.data, id->cluster_key);
	explicit_bzero(key, sizeof(key));
	if (r < 0) {
		snprintf(error, HCD_ERROR_LEN, "The cluster's key could not be unsealed: somebody stands between this node and the member.");
		return -EACCES;
	}
	id->nr_members = 0;
	for (size_t i = 0; i < msg->n_members; i++) {
		struct hcd_known *k = &id->members[id->nr_members++];

		if (!take_known(msg->members[i], k))
			return -EBADMSG;
		if (k->at.id == msg->id && memcmp(k->key, id->key, sizeof(id->key)) == 0) {
			id->self = *k;
			has_self = true;
		}
	}
	if (!has_self && hcd_address_is_valid(msg->address)) {
		/* The member's own copy of the log is a little behind. */
		id->self = (struct hcd_known){ .at = { .id = msg->id,
						       .port = j->c->d->config.node.port } };
		snprintf(id->self.at.name, sizeof(id->self.at.name), "%s", j->name);
		snprintf(id->self.at.address, sizeof(id->self.at.address), "%s", msg->address);
		memcpy(id->self.key, id->key, sizeof(id->key));
		has_self = msg->id != 0;
	}
	if (!has_self)
		return -EBADMSG;
	memcpy(id->cluster, msg->cluster.data, HCD_CLUSTER_ID_LEN);
	snprintf(id->name, sizeof(id->name), "%s", msg->name);
	id->incarnation = msg->incarnation;
	id->encrypt = msg->encrypt == HCD_ENCRYPT_WIREGUARD ? HCD_ENCRYPT_WIREGUARD :
							      HCD_ENCRYPT_NONE;
	id->is_founder = false;
	id->is_removed = false;
	id->is_member = true;
	r = id->encrypt == HCD_ENCRYPT_WIREGUARD ? hcd_fabric_try(j->c, error) : 0;
	if (r == 0)
		r = hcd_control_enter(j->c, error);
	if (r < 0)
		id->is_member = false;
	return r;
}

static void join_frame(struct hcd_chan *chan, const struct hcd_frame *frame, void *ctx)
{
	struct hcd_join *j = ctx;
	Hcp__Joined *msg = frame->type == HCD_FRAME_JOINED ?
			   hcp__joined__unpack(NULL, frame->len, frame->payload) : NULL;
	char text[HCD_ERROR_LEN] = "";
	int r;

	if (!msg)
		return;
	if (msg->error) {
		hcd_text_clean(text, sizeof(text), msg->text, "The cluster refused and gave no reason.");
		r = msg->error;
	} else {
		r = take_identity(j, msg, text);
	}
	hcp__joined__free_unpacked(msg, NULL);
	join_end(j, r, text);
}

static void join_closed(struct hcd_chan *chan, enum hcd_refusal code, const char *reason,
			void *ctx)
{
	struct hcd_join *j = ctx;
	size_t i = j->next - 1;

	j->chan = NULL;
	snprintf(j->why, sizeof(j->why), "The member at %s port %u can't be joined through: %s.",
		 j->token.members[i].address, j->token.members[i].port,
		 code == HCD_REFUSE_KEY ? "it does not know this token (altered on its way?)" :
					  reason);
	join_next(j);
}

static const struct hcd_chan_ops join_ops = {
	.ready = join_ready,
	.frame = join_frame,
	.closed = join_closed,
};

static void join_next(struct hcd_join *j)
{
	struct hcd_chan_dial dial = {
		.purpose = HCD_PURPOSE_JOIN, .own_address = j->address, .psk = &j->psk,
		.token = j->hash,
	};
	int r;

	while (j->next < j->token.nr_members) {
		dial.address = j->token.members[j->next].address;
		dial.port = j->token.members[j->next].port;
		j->next++;
		r = hcd_chan_dial(j->c->d->loop, &dial, &join_ops, j, &j->chan);
		if (r == 0)
			return;
		snprintf(j->why, sizeof(j->why), "The member at %s port %u can't be reached: %s.",
			 dial.address, dial.port, strerror(-r));
	}
	join_end(j, -ENOTCONN, j->why);
}

static void on_join_late(uv_timer_t *timer)
{
	join_end(timer->data, -ETIMEDOUT, "The cluster did not decide in time: try again with the same token.");
}

static void on_join_first(uv_timer_t *timer)
{
	uv_timer_start(timer, on_join_late, DOOR_MS, 0);
	join_next(timer->data);
}

static int join_keys(struct hcd_control *c, char error[HCD_ERROR_LEN])
{
	static const uint8_t none[HCD_KEY_LEN];
	struct hcd_identity *id = &c->identity;

	/* A removed node is a new node: with a new key. Else the one of an earlier try stays. */
	if (id->is_removed || memcmp(id->secret, none, sizeof(none)) == 0) {
		memset(id, 0, sizeof(*id));
		if (hcd_node_key_make(id->secret, id->key) < 0) {
			snprintf(error, HCD_ERROR_LEN, "No key can be made: libgcrypt or the kernel's random numbers fail.");
			return -EIO;
		}
	}
	return hcd_identity_save(c->d->state_dir, id, error);
}

int hcd_join_start(struct hcd_control *c, const char *token, const char *name,
		   const char *address, hcd_join_cb cb, void *arg, char error[HCD_ERROR_LEN])
{
	struct hcd_join *j;
	int r;

	if (c->join) {
		snprintf(error, HCD_ERROR_LEN, "This node is joining already: wait for that.");
		return -EBUSY;
	}
	j = calloc(1, sizeof(*j));
	if (!j) {
		snprintf(error, HCD_ERROR_LEN, "Memory is short.");
		return -ENOMEM;
	}
	r = hcd_token_parse(token, &j->token);
	if (r < 0)
		snprintf(error, HCD_ERROR_LEN, "That is no token, or not the whole of it: copy what 'hyperchain node token' printed.");
	else
		r = join_keys(c, error);
	if (r < 0 || hcd_token_hash(j->token.id, j->hash) < 0) {
		explicit_bzero(j, sizeof(*j));
		free(j);
		return r < 0 ? r : -EIO;
	}
	j->c = c;
	j->cb = cb;
	j->arg = arg;
	j->psk.len = sizeof(j->token.secret);
	memcpy(j->psk.bytes, j->token.secret, sizeof(j->token.secret));
	snprintf(j->name, sizeof(j->name), "%s", name);
	snprintf(j->address, sizeof(j->address), "%s", address);
	uv_timer_init(c->d->loop, &j->timer);
	j->timer.data = j;
	c->join = j;
	uv_timer_start(&j->timer, on_join_first, 0, 0);
	return 0;
}

void hcd_join_stop(struct hcd_control *c)
{
	if (c->join)
		join_end(c->join, -ECANCELED, "The daemon was stopped.");
	while (c->visits)
		visit_end(c->visits);
}
