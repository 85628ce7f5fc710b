// SPDX-License-Identifier: GPL-2.0-or-later
/* Between what the state keeps and the policy's own: see rules.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cluster/rules.h"

static void *mem_realloc(void *arg, void *p, size_t len)
{
	return realloc(p, len);
}

static void mem_free(void *arg, void *p)
{
	free(p);
}

static const struct pol_mem mem = { .realloc = mem_realloc, .free = mem_free };

static int64_t maybe(bool has, int64_t value)
{
	return has ? value : POL_UNKNOWN;
}

/* ---- in -------------------------------------------------------------------------------- */

static int take_user(struct hcd_rules *r, const struct hcd_kept *k)
{
	Hcp__KeptUser *msg = hcp__kept_user__unpack(NULL, k->len, k->data);
	struct pol_kept_user user = { .name = k->key };
	struct pol_kept_seat *seats;
	struct pol_kept_env *envs;
	int ret = -ENOMEM;

	if (!msg)
		return -ENOMEM;
	seats = calloc(msg->n_seats + 1, sizeof(*seats));
	envs = calloc(msg->n_envs + 1, sizeof(*envs));
	for (size_t i = 0; seats && i < msg->n_seats; i++) {
		const Hcp__KeptSeat *s = msg->seats[i];

		seats[i] = (struct pol_kept_seat){
			.node = s->node, .env = s->env, .for_failed = s->for_failed,
			.drain_env = s->drain_env, .is_own = s->is_own, .is_lent = s->is_lent,
		};
	}
	for (size_t i = 0; envs && i < msg->n_envs; i++)
		envs[i] = (struct pol_kept_env){
			.leader = msg->envs[i]->leader, .is_lent = msg->envs[i]->is_lent,
			.below_since = maybe(msg->envs[i]->has_below, msg->envs[i]->below_since),
		};
	if (seats && envs) {
		user.units = maybe(msg->has_units, msg->units);
		user.seats = seats;
		user.nr_seats = msg->n_seats;
		user.envs = envs;
		user.nr_envs = msg->n_envs;
		ret = pol_kept_user(r->st, &user);
	}
	free(seats);
	free(envs);
	hcp__kept_user__free_unpacked(msg, NULL);
	return ret;
}

static int take_node(struct hcd_rules *r, const struct hcd_kept *k)
{
	Hcp__KeptNode *msg = hcp__kept_node__unpack(NULL, k->len, k->data);
	struct pol_kept_node node;

	if (!msg)
		return -ENOMEM;
	node = (struct pol_kept_node){
		.id = (uint32_t)strtoul(k->key, NULL, 10), .is_failed = msg->is_failed,
		.is_drained = msg->is_drained, .kind = (enum pol_spare)msg->kind,
		.standin_kind = (enum pol_spare)msg->standin_kind,
		.stands_for = msg->stands_for,
		.below_since = maybe(msg->has_below, msg->below_since),
	};
	hcp__kept_node__free_unpacked(msg, NULL);
	return pol_kept_node(r->st, &node);
}

static int take_view(struct hcd_rules *r, const struct hcd_kept *k)
{
	Hcp__KeptView *msg = hcp__kept_view__unpack(NULL, k->len, k->data);
	struct pol_kept_view view;
	int ret;

	if (!msg)
		return -ENOMEM;
	view = (struct pol_kept_view){
		.info = { .name = k->key, .user = msg->user, .main = msg->main,
			  .nr_main = msg->n_main, .mode = (enum pol_view_mode)msg->mode,
			  .users = msg->users, .has_image = msg->has_image },
		.is_main_chosen = msg->is_main_chosen, .is_announced = msg->is_announced,
		.nodes = msg->nodes, .nr_nodes = msg->n_nodes, .copies = msg->copies,
		.nr_copies = msg->n_copies, .high_since = maybe(msg->has_high, msg->high_since),
		.low_since = maybe(msg->has_low, msg->low_since),
	};
	ret = pol_kept_view(r->st, &view);
	hcp__kept_view__free_unpacked(msg, NULL);
	return ret;
}

static void take_pool(struct hcd_rules *r, const struct hcd_kept *k)
{
	Hcp__KeptPool *msg = k ? hcp__kept_pool__unpack(NULL, k->len, k->data) : NULL;
	struct pol_kept_pool pool;

	hcp__kept_pool__init(&r->pool);
	if (!msg)
		return;
	r->pool.idle_ms = msg->idle_ms;
	r->pool.consolidate_ms = msg->consolidate_ms;
	r->pool.review_ms = msg->review_ms;
	r->pool.spare_ms = msg->spare_ms;
	r->pool.next_job = msg->next_job;
	pool = (struct pol_kept_pool){ .is_shared_chosen = msg->is_shared_chosen,
				       .shared = msg->shared };
	pol_kept_pool(r->st, &pool);
	hcp__kept_pool__free_unpacked(msg, NULL);
}

/* Nodes first: members that are known to the rules, and those that were and are members no more. */
static int take_nodes(struct hcd_rules *r)
{
	const struct hcd_fsm *fsm = r->c->fsm;
	int ret = 0;

	for (size_t i = 0; i < fsm->nr_kept && ret == 0; i++) {
		struct pol_node_info info = { .load = POL_UNKNOWN, .cpus = POL_UNKNOWN,
					      .memory = POL_UNKNOWN, .storage = POL_UNKNOWN };
		const struct hcd_member *m;

		if (fsm->kept[i].kind != HCD_KEPT_NODE)
			continue;
		info.id = (uint32_t)strtoul(fsm->kept[i].key, NULL, 10);
		for (int w = 0; w < POL_WINDOWS; w++)
			info.avg[w] = POL_UNKNOWN;
		m = hcd_fsm_member(fsm, info.id);
		if (m)
			hcd_rules_node(r, m, &info);
		ret = pol_add_node(r->st, &info);
	}
	return ret;
}

int hcd_rules_build(struct hcd_rules *r)
{
	static int (*const take[])(struct hcd_rules *r, const struct hcd_kept *k) = {
		[HCD_KEPT_USER] = take_user, [HCD_KEPT_NODE] = take_node,
		[HCD_KEPT_VIEW] = take_view,
	};
	static const uint32_t order[] = { HCD_KEPT_USER, HCD_KEPT_NODE, HCD_KEPT_VIEW };
	const struct hcd_fsm *fsm = r->c->fsm;
	int ret;

	pol_state_free(r->st);
	r->nr_fed = 0;
	r->fed_serial = 0;
	pol_config_init(&r->config);
	for (size_t i = 0; i < fsm->nr_settings; i++) {
		int key = pol_key_find(fsm->settings[i].key);

		/* What this version does not know or take is left at its default. */
		if (key >= 0)
			pol_config_set(&r->config, (enum pol_key)key, fsm->settings[i].value);
	}
	r->st = pol_state_new(&mem, &r->config);
	if (!r->st)
		return -ENOMEM;
	ret = take_nodes(r);
	for (size_t o = 0; o < sizeof(order) / sizeof(order[0]); o++)
		for (size_t i = 0; i < fsm->nr_kept && ret == 0; i++)
			if (fsm->kept[i].kind == order[o])
				ret = take[order[o]](r, &fsm->kept[i]);
	take_pool(r, hcd_fsm_kept(fsm, HCD_KEPT_POOL, ""));
	r->changes = fsm->changes;
	if (ret < 0) {
		pol_state_free(r->st);
		r->st = NULL;
	}
	return ret;
}

/* ---- out ------------------------------------------------------------------------------- */

struct diff {
	struct hcd_rules *r;
	Hcp__Kept **list;
	size_t nr, room;
	bool *is_seen;			/* of the state's */
};

static int change(struct diff *d, uint32_t kind, const char *key, uint8_t *data, size_t len)
{
	void *list = d->list;
	Hcp__Kept *k = malloc(sizeof(*k));

	if (k) {
		hcp__kept__init(k);
		k->key = strdup(key);
	}
	if (!k || !k->key || !hcd_fsm_room(&list, d->nr, &d->room, sizeof(*d->list))) {
		free(k ? k->key : NULL);
		free(k);
		free(data);
		return -ENOMEM;
	}
	d->list = list;
	k->kind = kind;
	k->data = (ProtobufCBinaryData){ len, data };
	d->list[d->nr++] = k;
	return 0;
}

/* What is kept under that name from now on. */
static int keep(struct diff *d, uint32_t kind, const char *key, const ProtobufCMessage *msg)
{
	const struct hcd_fsm *fsm = d->r->c->fsm;
	const struct hcd_kept *old = hcd_fsm_kept(fsm, kind, key);
	size_t len = protobuf_c_message_get_packed_size(msg);
	uint8_t *data = malloc(len + 1);

	if (!data)
		return -ENOMEM;
	protobuf_c_message_pack(msg, data);
	if (old)
		d->is_seen[old - fsm->kept] = true;
	if (old && old->len == len && memcmp(old->data, data, len) == 0) {
		free(data);
		return 0;
	}
	return change(d, kind, key, data, len);
}

static int keep_node(void *arg, const struct pol_kept_node *node)
{
	struct diff *d = arg;
	Hcp__KeptNode msg = HCP__KEPT_NODE__INIT;
	char key[16];

	if (!hcd_fsm_member(d->r->c->fsm, node->id))
		return 0;
	msg.is_failed = node->is_failed;
	msg.is_drained = node->is_drained;
	msg.kind = node->kind;
	msg.standin_kind = node->standin_kind;
	msg.stands_for = node->stands_for;
	msg.has_below = pol_known(node->below_since);
	msg.below_since = msg.has_below ? node->below_since : 0;
	msg.is_known = true;
	snprintf(key, sizeof(key), "%u", node->id);
	return keep(d, HCD_KEPT_NODE, key, &msg.base);
}

static int keep_user(void *arg, const struct pol_kept_user *user)
{
	struct diff *d = arg;
	Hcp__KeptUser msg = HCP__KEPT_USER__INIT;
	Hcp__KeptSeat *seats = calloc(user->nr_seats + 1, sizeof(*seats));
	Hcp__KeptEnv *envs = calloc(user->nr_envs + 1, sizeof(*envs));
	Hcp__KeptSeat **seat_list = calloc(user->nr_seats + 1, sizeof(void *));
	Hcp__KeptEnv **env_list = calloc(user->nr_envs + 1, sizeof(void *));
	int ret = -ENOMEM;

	if (!seats || !envs || !seat_list || !env_list)
		goto out;
	msg.is_known = true;
	msg.has_units = pol_known(user->units);
	msg.units = msg.has_units ? user->units : 0;
	msg.seats = seat_list;
	msg.envs = env_list;
	for (size_t i = 0; i < user->nr_seats; i++) {
		const struct pol_kept_seat *s = &user->seats[i];

		hcp__kept_seat__init(&seats[i]);
		seats[i].node = s->node;
		seats[i].env = s->env;
		seats[i].for_failed = s->for_failed;
		seats[i].drain_env = s->drain_env;
		seats[i].is_own = s->is_own;
		seats[i].is_lent = s->is_lent;
		seats[i].is_active = s->is_active;
		seat_list[msg.n_seats++] = &seats[i];
	}
	for (size_t i = 0; i < user->nr_envs; i++) {
		const struct pol_kept_env *e = &user->envs[i];

		hcp__kept_env__init(&envs[i]);
		envs[i].leader = e->leader;
		envs[i].is_lent = e->is_lent;
		envs[i].has_below = pol_known(e->below_since);
		envs[i].below_since = envs[i].has_below ? e->below_since : 0;
		env_list[msg.n_envs++] = &envs[i];
	}
	ret = keep(d, HCD_KEPT_USER, user->name, &msg.base);
out:
	free(seats);
	free(envs);
	free(seat_list);
	free(env_list);
	return ret;
}

static int keep_view(void *arg, const struct pol_kept_view *view)
{
	Hcp__KeptView msg = HCP__KEPT_VIEW__INIT;

	msg.user = (char *)view->info.user;
	msg.main = (uint32_t *)view->info.main;
	msg.n_main = view->info.nr_main;
	msg.mode = view->info.mode;
	msg.users = view->info.users;
	msg.has_image = view->info.has_image;
	msg.is_main_chosen = view->is_main_chosen;
	msg.is_announced = view->is_announced;
	msg.nodes = (uint32_t *)view->nodes;
	msg.n_nodes = view->nr_nodes;
	msg.copies = (uint32_t *)view->copies;
	msg.n_copies = view->nr_copies;
	msg.has_high = pol_known(view->high_since);
	msg.high_since = msg.has_high ? view->high_since : 0;
	msg.has_low = pol_known(view->low_since);
	msg.low_since = msg.has_low ? view->low_since : 0;
	return keep(arg, HCD_KEPT_VIEW, view->info.name, &msg.base);
}

static int keep_pool(void *arg, const struct pol_kept_pool *pool)
{
	struct diff *d = arg;
	Hcp__KeptPool msg = d->r->pool;

	msg.is_shared_chosen = pool->is_shared_chosen;
	msg.shared = pool->shared;
	return keep(d, HCD_KEPT_POOL, "", &msg.base);
}

/* Moves: not the policy's, but of the same step. */
static int keep_orders(struct diff *d)
{
	const struct hcd_outcome *out = &d->r->out;
	int ret = 0;

	for (size_t i = 0; i < out->nr_ended && ret == 0; i++)
		ret = change(d, HCD_KEPT_MOVE, out->ended[i], NULL, 0);
	for (size_t i = 0; i < out->nr_orders && ret == 0; i++) {
		char key[24];

		snprintf(key, sizeof(key), "%u.%u", out->orders[i]->home, out->orders[i]->pid);
		ret = keep(d, HCD_KEPT_MOVE, key, &out->orders[i]->base);
	}
	return ret;
}

/* Neither are jobs. */
static int keep_jobs(struct diff *d)
{
	const struct hcd_outcome *out = &d->r->out;
	char key[24];
	int ret = 0;

	for (size_t i = 0; i < out->nr_gone && ret == 0; i++) {
		snprintf(key, sizeof(key), "%llu", (unsigned long long)out->gone[i]);
		ret = change(d, HCD_KEPT_JOB, key, NULL, 0);
	}
	for (size_t i = 0; i < out->nr_jobs && ret == 0; i++) {
		snprintf(key, sizeof(key), "%llu", (unsigned long long)out->jobs[i]->id);
		ret = keep(d, HCD_KEPT_JOB, key, &out->jobs[i]->base);
	}
	return ret;
}

/* Nor are these. */
static int keep_envs(struct diff *d)
{
	struct hcd_outcome *out = &d->r->out;
	int ret = 0;

	for (size_t i = 0; i < out->nr_envs && ret == 0; i++) {
		uint8_t *data = out->envs[i].data;

		out->envs[i].data = NULL;
		ret = change(d, HCD_KEPT_ENVIRONMENT, out->envs[i].key, data, out->envs[i].len);
	}
	return ret;
}

int hcd_rules_diff(struct hcd_rules *r, Hcp__Kept ***ret_list, size_t *ret_nr)
{
	static const struct pol_kept_ops ops = {
		.node = keep_node, .user = keep_user, .view = keep_view, .pool = keep_pool,
	};
	const struct hcd_fsm *fsm = r->c->fsm;
	struct diff d = { .r = r };
	int ret = -ENOMEM;

	d.is_seen = calloc(fsm->nr_kept + 1, sizeof(*d.is_seen));
	if (d.is_seen)
		ret = pol_kept_save(r->st, &ops, &d);
	if (ret == 0)
		ret = keep_orders(&d);
	if (ret == 0)
		ret = keep_jobs(&d);
	if (ret == 0)
		ret = keep_envs(&d);
	for (size_t i = 0; i < fsm->nr_kept && ret == 0; i++)
		if (!d.is_seen[i] && fsm->kept[i].kind <= HCD_KEPT_VIEW)
			ret = change(&d, fsm->kept[i].kind, fsm->kept[i].key, NULL, 0);
	free(d.is_seen);
	if (ret < 0) {
		hcd_rules_free_changes(d.list, d.nr);
		return ret;
	}
	*ret_list = d.list;
	*ret_nr = d.nr;
	return 0;
}

void hcd_rules_free_changes(Hcp__Kept **list, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		free(list[i]->key);
		free(list[i]->data.data);
		free(list[i]);
	}
	free(list);
}
