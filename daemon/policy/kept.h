/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the rules remember and no sample can tell again: who holds which node, who leads, who stands
 * in for whom, since when something holds. The controller keeps it in the replicated state, so that
 * the next one goes on from there; loads and processes are told anew. Pure.
 *
 *	pol_kept_save(st)	-> nodes, users, views, pool
 *	pol_state_new(), pol_add_node() for all, then pol_kept_user(), _node(), _view(), _pool()
 *
 * A node that is named and not there (removed meanwhile) is passed over.
 */
#ifndef HCD_POLICY_KEPT_H
#define HCD_POLICY_KEPT_H

#include "daemon/policy/policy.h"

struct pol_kept_node {
	uint32_t id;
	bool is_failed, is_drained;
	enum pol_spare kind, standin_kind;
	uint32_t stands_for;		/* 0: nobody */
	int64_t below_since;		/* POL_UNKNOWN */
};

struct pol_kept_seat {
	uint32_t node;
	uint32_t env;			/* 1 is the user's first one; 0: not ticked */
	uint32_t for_failed;		/* node; 0 */
	uint32_t drain_env;		/* as env */
	bool is_own, is_lent;
	bool is_active;			/* serves now: told, not taken */
};

struct pol_kept_env {
	uint32_t leader;		/* 0: none yet */
	bool is_lent;
	int64_t below_since;
};

struct pol_kept_user {
	const char *name;
	int64_t units;
	const struct pol_kept_env *envs;
	size_t nr_envs;
	const struct pol_kept_seat *seats;
	size_t nr_seats;
};

struct pol_kept_view {
	struct pol_view_info info;
	bool is_main_chosen, is_announced;
	const uint32_t *nodes, *copies;
	size_t nr_nodes, nr_copies;
	int64_t high_since, low_since;
};

struct pol_kept_pool {
	bool is_shared_chosen;
	uint32_t shared;		/* 0: none */
};

/* Each is called once for each thing, by id or name; what it is given lives until it returns. */
struct pol_kept_ops {
	int (*node)(void *arg, const struct pol_kept_node *node);
	int (*user)(void *arg, const struct pol_kept_user *user);
	int (*view)(void *arg, const struct pol_kept_view *view);
	int (*pool)(void *arg, const struct pol_kept_pool *pool);
};

/* Return: 0, -ENOMEM, or the first other than 0 that one of @ops returned. */
int pol_kept_save(struct pol_state *st, const struct pol_kept_ops *ops, void *arg);

/* Return: 0; -EEXIST; -EINVAL: impossible; -ENOMEM. */
int pol_kept_user(struct pol_state *st, const struct pol_kept_user *kept);
int pol_kept_node(struct pol_state *st, const struct pol_kept_node *kept);
int pol_kept_view(struct pol_state *st, const struct pol_kept_view *kept);
void pol_kept_pool(struct pol_state *st, const struct pol_kept_pool *kept);

/* One node as the rules see it now, for those who explain decisions. */
struct pol_node_view {
	uint32_t id;
	enum pol_spare kind;
	bool is_failed, is_drained;
	uint32_t nr_users, nr_processes;
	int64_t load, avg;		/* average of @window; POL_UNKNOWN */
	const char *not_candidate;	/* why R14 does not offer it; "" = it does */
};

/* The @i-th by id. Return: false behind the last one. */
bool pol_look(const struct pol_state *st, size_t i, enum pol_window window,
	      struct pol_node_view *ret);

#endif /* HCD_POLICY_KEPT_H */
