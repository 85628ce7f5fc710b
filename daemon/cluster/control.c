// SPDX-License-Identifier: GPL-2.0-or-later
/* This node's life as a member: see control.h. */
#include "daemon/cluster/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "daemon/cluster/cluster.h"
#include "daemon/cluster/rules.h"
#include "daemon/cluster/text.h"
#include "daemon/daemon.h"
#include "daemon/env/job.h"
#include "daemon/node/alert.h"
#include "daemon/node/cleanup.h"
#include "daemon/node/file.h"
#include "daemon/node/module.h"
#include "daemon/node/process.h"

#define BEGIN_FILE	"begin"
#define BEGIN_MAX	(16 * 1024 * 1024)
#define BEGIN_RETRY_MS	1000

uint64_t hcd_control_now(const struct hcd_control *c)
{
	struct timespec ts;

	/* It goes on while the machine sleeps: a lease is over then, too. */
	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t hcd_control_log_ms(struct hcd_control *c)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return hcd_clock_now(&c->clock, c->fsm->charged_ms, hcd_control_now(c),
			     (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000);
}

static bool is_member(const struct hcd_control *c, uint32_t id)
{
	const struct hcd_peer *peer = hcd_cluster_peer(c->d->cluster, id);

	return hcd_fsm_member(c->fsm, id) || (peer && peer->is_member);
}

struct hcd_watch *hcd_control_watch(struct hcd_control *c, uint32_t id)
{
	size_t i;

	for (i = 0; i < c->nr_watch && c->watch[i].id != id; i++)
		;
	if (i < c->nr_watch)
		return &c->watch[i];
	if (!is_member(c, id))
		return NULL;
	if (i == HCD_MEMBERS_MAX) {
		/* A node that was removed makes room. */
		for (i = 0; i < HCD_MEMBERS_MAX && is_member(c, c->watch[i].id); i++)
			;
		if (i == HCD_MEMBERS_MAX)
			return NULL;
	} else {
		c->nr_watch++;
	}
	free(c->watch[i].part);
	c->watch[i] = (struct hcd_watch){ .id = id, .first_ms = hcd_control_now(c) };
	return &c->watch[i];
}

bool hcd_control_is_controller(struct hcd_control *c)
{
	return c->consensus && c->fsm->controller == c->identity.self.at.id &&
	       c->fsm->controller_term == hcd_consensus_term(c->consensus) &&
	       hcd_consensus_has_lease(c->consensus);
}

bool hcd_control_is_current(struct hcd_control *c)
{
	/* An older controller does not say: 0. */
	return c->consensus && hcd_control_now(c) < c->lease_until_ms && c->lease_steps &&
	       c->fsm->steps >= c->lease_steps;
}

uint32_t hcd_control_controller(const struct hcd_control *c)
{
	return c->consensus ? hcd_consensus_leader(c->consensus) : 0;
}

int hcd_control_save(struct hcd_control *c)
{
	char error[HCD_ERROR_LEN];
	int r = hcd_identity_save(c->d->state_dir, &c->identity, error);

	if (r < 0)
		hcd_err("%s", error);
	return r;
}

/* ---- what the engine wants ------------------------------------------------------- */

static int on_apply(const void *data, size_t len, struct hcd_result *ret_result, void *ctx)
{
	struct hcd_control *c = ctx;
	uint64_t before = c->fsm->next_decision;
	int r = hcd_fsm_apply(c->fsm, data, len, ret_result);

	/* What was decided long ago is read again at each start: only what is new is told. */
	for (uint64_t id = before; r == 0 && id < c->fsm->next_decision; id++) {
		const struct hcd_decision *d = hcd_fsm_decision(c->fsm, id);

		if (!d || !d->text || hcd_control_log_ms(c) >= d->at_ms + 10000)
			continue;
		hcd_log(LOG_NOTICE, d->node, NULL, "Decision %llu%s%s: %s",
			(unsigned long long)d->id, d->rule[0] ? ", " : "", d->rule, d->text);
		hcd_alerts_decided(c->d->alerts, d);
	}
	c->members_changed = true;
	hcd_control_poke(c);
	return r;
}

static int on_snapshot(uint8_t **ret_data, size_t *ret_len, void *ctx)
{
	struct hcd_control *c = ctx;

	return hcd_fsm_encode(c->fsm, ret_data, ret_len);
}

static int on_restore(const void *data, size_t len, void *ctx)
{
	struct hcd_control *c = ctx;

	c->members_changed = true;
	hcd_control_poke(c);
	return hcd_fsm_restore(c->fsm, data, len);
}

static int on_send(uint32_t to, const uint8_t *data, size_t len, void *ctx)
{
	return hcd_wire_send(ctx, to, data, len);
}

static const struct hcd_consensus_ops consensus_ops = {
	.apply = on_apply, .snapshot = on_snapshot, .restore = on_restore, .send = on_send,
};

static void log_dir(const struct hcd_control *c, char dir[HCD_PATH_LEN])
{
	snprintf(dir, HCD_PATH_LEN, "%s/log-%llu", c->d->state_dir,
		 (unsigned long long)c->identity.incarnation);
}

static void forget(struct hcd_control *c)
{
	for (size_t i = 0; i < c->nr_watch; i++)
		free(c->watch[i].part);
	memset(c->watch, 0, sizeof(c->watch));
	c->nr_watch = 0;
	c->office_ms = c->office_told_ms = c->begin_told_ms = 0;
	c->lease_until_ms = c->lease_steps = 0;
	c->seen_controller = c->former = 0;
	c->clock = (struct hcd_clock){ 0 };
	c->failure_ms = c->failure_wanted_ms = c->failure_until_ms = 0;
	hcd_fsm_clear(c->fsm);
}

/* Once, until it is another one. */
void hcd_control_say(struct hcd_control *c, const char *error)
{
	if (strcmp(c->log_error, error) == 0)
		return;
	hcd_err("%s", error);
	snprintf(c->log_error, sizeof(c->log_error), "%s", error);
}

static int open_log(struct hcd_control *c, char error[HCD_ERROR_LEN])
{
	char dir[HCD_PATH_LEN];
	const struct hcd_consensus_options options = {
		.dir = dir, .id = c->identity.self.at.id, .is_first = c->identity.is_founder,
		.election_ms = HCD_ELECTION_MS,
		.snapshot_entries = c->d->config.node.log_entries,
	};
	int r;

	forget(c);
	log_dir(c, dir);
	r = hcd_consensus_start(c->d->loop, &options, &consensus_ops, c, &c->consensus, error);
	if (r == 0 && hcd_consensus_state(c->consensus) == HCD_CONSENSUS_BROKEN)
		hcd_control_say(c, hcd_consensus_error(c->consensus));
	return r;
}

/* ---- doing what follows from the state ------------------------------------------------- */

static void on_begun(int error, const struct hcd_result *result, void *arg)
{
	if (error == 0 && result->error)
		hcd_err("The cluster could not begin: %s", result->text);
}

static void begin(struct hcd_control *c, uint64_t now_ms)
{
	_cleanup_free_ uint8_t *data = NULL;
	Hcp__Command command = HCP__COMMAND__INIT;
	Hcp__State *state;
	char path[HCD_PATH_LEN];
	size_t len;
	int r;

	if (c->fsm->incarnation == c->identity.incarnation) {
		c->identity.is_founder = false;
		if (hcd_control_save(c) < 0)
			return;
		snprintf(path, sizeof(path), "%s/%s", c->d->state_dir, BEGIN_FILE);
		unlink(path);
		return;
	}
	if (now_ms < c->begin_told_ms || !hcd_consensus_has_lease(c->consensus))
		return;
	c->begin_told_ms = now_ms + BEGIN_RETRY_MS;
	r = hcd_file_read(c->d->state_dir, BEGIN_FILE, BEGIN_MAX, &data, &len);
	if (r < 0) {
		hcd_err("%s/%s can't be read: %s.", c->d->state_dir, BEGIN_FILE, strerror(-r));
		return;
	}
	state = hcp__state__unpack(NULL, len, data);
	if (!state)
		return;
	command.by = c->identity.self.at.id;
	command.what_case = HCP__COMMAND__WHAT_BEGIN;
	command.begin = state;
	hcd_control_propose(c, &command, on_begun, NULL);
	hcp__state__free_unpacked(state, NULL);
}

static void step(struct hcd_control *c)
{
	uint64_t now_ms = hcd_control_now(c);

	if (c->is_stopping || !c->consensus)
		return;
	if (c->identity.is_founder)
		begin(c, now_ms);
	if (c->members_changed) {
		c->members_changed = false;
		hcd_members_sync(c);
	}
	if (!c->consensus)
		return;
	hcd_ask_tick(c, now_ms);
	hcd_rules_tick(c->rules, now_ms);
}

static void on_tick(uv_timer_t *timer)
{
	struct hcd_control *c = timer->data;
	uint64_t now_ms = hcd_control_now(c);

	step(c);
	if (!c->is_stopping)
		hcd_disk_tick(c, now_ms);
	if (c->is_stopping || !c->consensus)
		return;
	hcd_beat_tick(c, now_ms);
	hcd_servers_tick(c, now_ms);
	hcd_counters_tick(c, now_ms);
	hcd_moves_tick(c->d, now_ms);
	hcd_fabric_tick(c, now_ms);
}

static void on_soon(uv_timer_t *timer)
{
	step(timer->data);
}

void hcd_control_poke(struct hcd_control *c)
{
	if (!c->is_stopping)
		uv_timer_start(&c->soon, on_soon, 0, 0);
}

void hcd_control_frame(struct hcd_control *c, struct hcd_peer *peer,
		       const struct hcd_frame *frame)
{
	struct hcd_watch *w;
	Hcp__Removed *removed;

	if (!peer->is_member || !c->consensus)
		return;
	w = hcd_control_watch(c, peer->config.id);
	if (w)
		w->sign_ms = hcd_control_now(c);
	switch (frame->type) {
	case HCD_FRAME_RAFT:
		hcd_wire_frame(c, peer, frame);
		break;
	case HCD_FRAME_BEAT:
		hcd_beat_frame(c, peer, frame);
		break;
	case HCD_FRAME_BEAT_ACK:
		hcd_beat_ack_frame(c, peer, frame);
		break;
	case HCD_FRAME_ASK:
		hcd_ask_frame(c, peer, frame);
		break;
	case HCD_FRAME_ANSWER:
		hcd_answer_frame(c, peer, frame);
		break;
	case HCD_FRAME_PROCESSES:
		hcd_rules_report(c->rules, peer->config.id, frame->payload, frame->len);
		break;
	case HCD_FRAME_JOB_REPORT:
		hcd_rules_job_report(c->rules, peer->config.id, frame->payload, frame->len);
		break;
	case HCD_FRAME_JOB_READ:
		hcd_jobs_read_frame(c->d, peer, frame);
		break;
	case HCD_FRAME_JOB_PIECE:
		hcd_jobs_piece_frame(c->d, peer, frame);
		break;
	case HCD_FRAME_REMOVED:
		removed = hcp__removed__unpack(NULL, frame->len, frame->payload);
		if (removed && removed->key.len == HCD_NODE_KEY_LEN &&
		    memcmp(removed->key.data, c->identity.key, HCD_NODE_KEY_LEN) == 0) {
			c->identity.is_removed = true;
			c->members_changed = true;
			hcd_control_poke(c);
		}
		if (removed)
			hcp__removed__free_unpacked(removed, NULL);
		break;
	default:
		break;
	}
}

/* ---- beginning --------------------------------------------------------------------------- */

static void close_all(void *arg);

static void on_closed_then_open(void *arg)
{
	struct hcd_control *c = arg;
	char error[HCD_ERROR_LEN];

	c->is_closing = false;
	if (c->is_stopping)
		close_all(c);
	else if (!c->identity.is_removed && open_log(c, error) < 0)
		hcd_control_say(c, error);
}

/* Be what the identity says. */
static int enter(struct hcd_control *c, char error[HCD_ERROR_LEN])
{
	struct hcd *d = c->d;
	struct hcd_consensus *old = c->consensus;

	if (d->config.node.id == 0)
		hcd_module_set_id(d->module, c->identity.self.at.id);
	d->config.node.id = c->identity.self.at.id;
	if (!d->config.node.address[0])
		snprintf(d->config.node.address, sizeof(d->config.node.address), "%s",
			 c->identity.self.at.address);
	hcd_cluster_set_members(d->cluster, true);
	hcd_fabric_changed(c);
	for (size_t i = 0; i < c->identity.nr_members; i++)
		hcd_members_peer(c, &c->identity.members[i]);
	c->consensus = NULL;
	if (c->is_closing)
		return 0;	/* opened when that is over, as the identity says then */
	if (!old)
		return open_log(c, error);
	hcd_ask_cancel_all(c, "The cluster was begun anew meanwhile: look, and ask again.");
	c->is_closing = true;
	hcd_consensus_stop(old, on_closed_then_open, c);
	return 0;
}

void hcd_control_reopen(struct hcd_control *c)
{
	struct hcd_consensus *old = c->consensus;
	char error[HCD_ERROR_LEN];

	if (old) {
		c->consensus = NULL;
		c->is_closing = true;
		hcd_consensus_stop(old, on_closed_then_open, c);
	} else if (enter(c, error) < 0) {
		hcd_control_say(c, error);
	}
}

int hcd_control_enter(struct hcd_control *c, char error[HCD_ERROR_LEN])
{
	char why[HCD_ERROR_LEN];
	int r = hcd_identity_save(c->d->state_dir, &c->identity, error);

	c->is_unsaved = r < 0;
	if (r < 0)
		return r;
	/* It is on the disk: that is who we are. A log that can't be opened is tried again. */
	if (enter(c, why) < 0)
		hcd_control_say(c, why);
	return 0;
}

void hcd_control_follow(struct hcd_control *c, uint64_t incarnation)
{
	char error[HCD_ERROR_LEN];

	if (incarnation <= c->identity.incarnation)
		return;
	hcd_warn("The cluster %s was begun anew (incarnation %llu, this node knows %llu): what this node's log has beyond that is void, and the log is copied from the others.",
		 c->identity.name, (unsigned long long)incarnation,
		 (unsigned long long)c->identity.incarnation);
	c->identity.incarnation = incarnation;
	c->identity.is_founder = false;
	if (hcd_control_enter(c, error) == 0)
		return;
	/* The old log is void on a full disk, too: others could go on with it, and us. */
	hcd_control_say(c, error);
	if (enter(c, error) < 0)
		hcd_control_say(c, error);
}

static void fill_member(const struct hcd_control *c, Hcp__Member *m)
{
	const struct hcd_identity *id = &c->identity;

	hcp__member__init(m);
	m->id = id->self.at.id;
	m->name = (char *)id->self.at.name;
	m->address = (char *)id->self.at.address;
	m->port = id->self.at.port;
	m->key = (ProtobufCBinaryData){ HCD_NODE_KEY_LEN, (uint8_t *)id->key };
	m->version_max = HCD_FSM_VERSION;
	m->joined_s = m->changed_s = (uint64_t)time(NULL);
}

static int write_begin(struct hcd_control *c, const Hcp__State *state, char error[HCD_ERROR_LEN])
{
	size_t len = hcp__state__get_packed_size(state);
	_cleanup_free_ uint8_t *data = malloc(len);
	int r = -ENOMEM;

	if (data) {
		hcp__state__pack(state, data);
		r = hcd_file_replace(c->d->state_dir, BEGIN_FILE, data, len);
	}
	if (r < 0)
		snprintf(error, HCD_ERROR_LEN, "%s/%s can't be written: %s.", c->d->state_dir,
			 BEGIN_FILE, strerror(-r));
	return r;
}

int hcd_control_init(struct hcd_control *c, const char *name, const char *address,
		     enum hcd_encrypt encrypt, char error[HCD_ERROR_LEN])
{
	const struct hcd_config *config = &c->d->config;
	struct hcd_identity *id = &c->identity;
	Hcp__State st = HCP__STATE__INIT;
	Hcp__Member m, *list = &m;
	int r;

	if (hcd_node_key_make(id->secret, id->key) < 0 ||
	    getrandom(id->cluster_key, HCD_KEY_LEN, 0) != HCD_KEY_LEN ||
	    getrandom(id->cluster, HCD_CLUSTER_ID_LEN, 0) != HCD_CLUSTER_ID_LEN) {
		snprintf(error, HCD_ERROR_LEN, "No key can be made: libgcrypt or the kernel's random numbers fail.");
		return -EIO;
	}
	id->self.at.id = config->node.id ? config->node.id : 1;
	id->self.at.port = config->node.port;
	snprintf(id->self.at.name, sizeof(id->self.at.name), "%s", config->node.name);
	snprintf(id->self.at.address, sizeof(id->self.at.address), "%s",
		 address[0] ? address : config->node.address);
	memcpy(id->self.key, id->key, sizeof(id->key));
	snprintf(id->name, sizeof(id->name), "%s", name);
	id->incarnation = 1;
	id->is_founder = true;
	id->nr_members = 0;
	id->encrypt = encrypt;
	if (encrypt == HCD_ENCRYPT_WIREGUARD) {
		r = hcd_fabric_try(c, error);
		if (r < 0)
			return r;
	}
	fill_member(c, &m);
	st.version = HCD_FSM_VERSION;
	st.encrypt = encrypt;
	st.cluster = (ProtobufCBinaryData){ sizeof(id->cluster), id->cluster };
	st.name = id->name;
	st.incarnation = 1;
	st.next_node = m.id + 1;
	st.next_decision = 1;
	st.members = &list;
	st.n_members = 1;
	r = write_begin(c, &st, error);
	if (r < 0)
		return r;
	id->is_member = true;
	id->is_removed = false;
	r = hcd_control_enter(c, error);
	if (r < 0)
		id->is_member = false;
	return r;
}

int hcd_control_begin_anew(struct hcd_control *c, const void *state, size_t len,
			   char error[HCD_ERROR_LEN])
{
	_cleanup_free_ struct hcd_fsm *check = malloc(sizeof(*check));
	_cleanup_free_ uint8_t *own = NULL;
	const struct hcd_member *self;
	uint64_t incarnation, incarnation_was;
	bool was_founder;
	Hcp__State *st;
	int r;

	if (!check || (!state && hcd_fsm_encode(c->fsm, &own, &len) < 0)) {
		snprintf(error, HCD_ERROR_LEN, "Memory is short.");
		return -ENOMEM;
	}
	hcd_fsm_init(check, HCD_FSM_VERSION);
	r = hcd_fsm_restore(check, state ? state : own, len);
	self = r == 0 ? hcd_fsm_member_by_key(check, c->identity.key) : NULL;
	if (r < 0) {
		snprintf(error, HCD_ERROR_LEN, r == -EPROTONOSUPPORT ?
			 "That state is of a newer version of hyperchain: install it here first." :
			 "That is no whole state of a cluster.");
	} else if (memcmp(check->cluster, c->identity.cluster, HCD_CLUSTER_ID_LEN) != 0) {
		snprintf(error, HCD_ERROR_LEN, "That is the state of another cluster (%s).",
			 check->name);
		r = -EINVAL;
	} else if (!self || self->id != c->identity.self.at.id) {
		snprintf(error, HCD_ERROR_LEN, "This node is no member in that state: do it on one that was.");
		r = -EINVAL;
	}
	incarnation = check->incarnation > c->identity.incarnation ? check->incarnation :
								     c->identity.incarnation;
	hcd_fsm_clear(check);
	if (r < 0)
		return r;
	st = hcp__state__unpack(NULL, len, state ? state : own);
	if (!st)
		return -ENOMEM;
	st->incarnation = incarnation + 1;
	st->controller_term = 0;	/* terms begin anew with the log */
	r = write_begin(c, st, error);
	hcp__state__free_unpacked(st, NULL);
	if (r < 0)
		return r;
	incarnation_was = c->identity.incarnation;
	was_founder = c->identity.is_founder;
	c->identity.incarnation = incarnation + 1;
	c->identity.is_founder = true;
	r = hcd_control_enter(c, error);
	if (r < 0) {
		c->identity.incarnation = incarnation_was;
		c->identity.is_founder = was_founder;
	}
	return r;
}

int hcd_control_discard_log(struct hcd_control *c, char error[HCD_ERROR_LEN])
{
	char dir[HCD_PATH_LEN], aside[HCD_PATH_LEN + 32];

	log_dir(c, dir);
	snprintf(aside, sizeof(aside), "%s.damaged-%lld", dir, (long long)time(NULL));
	if (rename(dir, aside) < 0 && errno != ENOENT) {
		int r = -errno;

		snprintf(error, HCD_ERROR_LEN, "%s can't be moved to %s: %s.", dir, aside,
			 strerror(-r));
		return r;
	}
	hcd_warn("The log was put aside as %s; it is copied from the other nodes.", aside);
	return hcd_control_enter(c, error);
}

/* ---- life ----------------------------------------------------------------------------------- */

int hcd_control_start(struct hcd *d, struct hcd_control **ret_control,
		      char error[HCD_ERROR_LEN])
{
	struct hcd_control *c = calloc(1, sizeof(*c));
	uint32_t id;
	int r;

	if (c) {
		c->fsm = malloc(sizeof(*c->fsm));
		c->rules = hcd_rules_new(c);
	}
	if (!c || !c->fsm || !c->rules) {
		if (c) {
			hcd_rules_free(c->rules);
			free(c->fsm);
		}
		free(c);
		snprintf(error, HCD_ERROR_LEN, "Memory is short.");
		return -ENOMEM;
	}
	c->d = d;
	hcd_fsm_init(c->fsm, HCD_FSM_VERSION);
	r = hcd_identity_load(d->state_dir, &c->identity, error);
	id = c->identity.self.at.id;
	if (r == 0 && c->identity.is_member && d->config.node.id && d->config.node.id != id) {
		snprintf(error, HCD_ERROR_LEN, "This node is node %u of the cluster %s, but %s says 'id = %u': take 'id' out there.",
			 id, c->identity.name, d->config_path, d->config.node.id);
		r = -EINVAL;
	}
	if (r < 0) {
		hcd_rules_free(c->rules);
		free(c->fsm);
		free(c);
		return r;
	}
	if (c->identity.is_member) {
		d->config.node.id = id;
		if (!d->config.node.address[0])
			snprintf(d->config.node.address, sizeof(d->config.node.address), "%s",
				 c->identity.self.at.address);
	}
	uv_timer_init(d->loop, &c->tick);
	uv_timer_init(d->loop, &c->soon);
	c->tick.data = c->soon.data = c;
	c->nr_open = 2;
	*ret_control = c;
	return 0;
}

void hcd_control_run(struct hcd_control *c)
{
	char error[HCD_ERROR_LEN];

	uv_timer_start(&c->tick, on_tick, 0, HCD_TICK_MS);
	if (c->identity.is_removed)
		hcd_warn("This node was removed from the cluster %s: 'hyperchain node join' with a new token takes it in again.",
			 c->identity.name);
	else if (c->identity.is_member && enter(c, error) < 0)
		hcd_control_say(c, error);
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct hcd_control *c = handle->data;
	void (*done)(void *arg) = c->stopped;
	void *arg = c->stopped_arg;

	if (--c->nr_open)
		return;
	forget(c);
	hcd_rules_free(c->rules);
	free(c->fsm);
	explicit_bzero(&c->identity, sizeof(c->identity));
	free(c);
	done(arg);
}

static void close_all(void *arg)
{
	struct hcd_control *c = arg;

	uv_close((uv_handle_t *)&c->tick, on_timer_closed);
	uv_close((uv_handle_t *)&c->soon, on_timer_closed);
}

static void close_log(uv_timer_t *timer)
{
	struct hcd_control *c = timer->data;
	struct hcd_consensus *consensus = c->consensus;

	c->consensus = NULL;
	if (consensus)
		hcd_consensus_stop(consensus, close_all, c);
	else if (!c->is_closing)	/* else when the log is closed */
		close_all(c);
}

static void on_handed_over(int error, void *arg)
{
	struct hcd_control *c = arg;

	if (error)
		hcd_warn("No other voter took over in time: the others elect one when this node is silent.");
	/* Not from within the engine. */
	uv_timer_start(&c->soon, close_log, 0, 0);
}

void hcd_control_stop(struct hcd_control *c, void (*done)(void *arg), void *arg)
{
	c->stopped = done;
	c->stopped_arg = arg;
	c->is_stopping = true;
	hcd_ask_cancel_all(c, "The daemon was stopped before this was decided.");
	hcd_join_stop(c);
	uv_timer_stop(&c->tick);
	if (c->consensus && hcd_consensus_state(c->consensus) == HCD_CONSENSUS_LEADER &&
	    hcd_consensus_transfer(c->consensus, 0, on_handed_over, c) == 0)
		return;
	uv_timer_start(&c->soon, close_log, 0, 0);
}
