/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the rules know, shared by the files of this folder only.
 *
 *	user A ── env 1 (leader 2) ─┬─ seat ─ node 2 ─── processes
 *	   │                        └─ seat ─ node 3
 *	   └──── seat (not ticked) ───────── node 5
 *
 * A seat is what ties a user to a node: allocated (own), ticked (in an environment), lent (R18), or
 * standing in for a failed node (R8). A seat is *active* when it is in an environment and its node
 * serves. Each environment keeps two heaps of its active seats, by current load and by service
 * load; they are made when first needed and kept until a seat comes, goes, or changes its activity.
 *
 * Nothing here fails half-way: what a decision needs is allocated first (seats, room in lists),
 * then it is emitted and done.
 */
#ifndef HCD_POLICY_STATE_H
#define HCD_POLICY_STATE_H

#include "daemon/policy/policy.h"

struct pol_env;
struct pol_node;
struct pol_seat;
struct pol_user;

struct pol_proc {
	struct pol_proc *hash_next;
	struct pol_proc *prev, *next;		/* on its node */
	struct pol_node *node;			/* NULL: waits for a node */
	struct pol_user *user;			/* NULL: of the system */
	struct pol_node *taken_from;		/* R8 moved it off that node */
	int64_t pid;
	int64_t load;				/* of its node */
	int64_t told_load;			/* as told, on a node of told_capacity */
	const struct pol_node *told_node;
	int64_t avg[POL_WINDOWS];
	int64_t moved_at;			/* POL_UNKNOWN: never */
	uint64_t moved_check;			/* no second rule in that check */
	bool is_system, is_restricted;
};

struct pol_node {
	uint32_t id;
	bool is_failed, is_drained;
	enum pol_spare kind;
	enum pol_spare standin_kind;		/* what it was before it was called */
	struct pol_node *standin;		/* serves in place of this failed node */
	struct pol_node *stands_for;
	uint64_t spare_decision;		/* which decision made it an overload spare */
	uint64_t spare_check;
	uint64_t balanced;			/* in which decision of R10 */
	int64_t below_since;			/* overload spare: its load is low enough since */
	int64_t cpus, memory, storage, load;
	int64_t avg[POL_WINDOWS];
	double capacity;
	uint32_t nr_holders;			/* users to whom it is allocated, not the admin */
	uint32_t nr_service, nr_unknown;	/* service processes; those of unknown load */
	int64_t service_load;			/* of those whose load is known */
	struct pol_seat *seats;			/* by user name */
	struct pol_proc *procs;
};

struct pol_seat {
	struct pol_seat *next;			/* on the node */
	struct pol_node *node;
	struct pol_user *user;
	struct pol_env *env;			/* NULL: not ticked, not lent */
	struct pol_node *for_failed;		/* R8 */
	struct pol_seat *instead;		/* scratch of R18: what its user gets for it */
	struct pol_env *drain_env;		/* given back (R18), but not empty yet */
	bool is_own, is_lent;
	bool is_leaving;			/* scratch of one decision */
	uint32_t pos[2];			/* place in the heaps of env, from 1; 0: in none */
};

enum { POL_BY_LOAD, POL_BY_SERVICE };

struct pol_env {
	struct pol_env *next;			/* of the same user */
	struct pol_env *dirty_next;
	struct pol_user *user;
	struct pol_node *leader;		/* NULL: it has no node yet */
	struct pol_seat **heap[2];
	size_t nr_heap[2], heap_room;
	bool is_heap_made, is_dirty, is_lent;	/* is_lent: has the shared spare */
	int64_t below_since;			/* is_lent: the mean is low enough since */
	uint64_t born_check;			/* R9 made it in that check */
	size_t nr_tmp;				/* scratch of R7, valid in tmp_check */
	uint64_t tmp_check;
};

/* Leaving what the rules of a user's views remember. */
struct pol_view {
	struct pol_view *next;			/* of the same user, by name */
	struct pol_view *hash_next;
	char *name;
	struct pol_user *user;
	uint32_t *main;				/* ids */
	size_t nr_main;
	bool is_main_chosen;			/* by R4, not by the user */
	bool has_image, is_announced;
	enum pol_view_mode mode;
	int64_t users;
	uint32_t *nodes;			/* as announced, by id */
	size_t nr_nodes, nodes_room;
	uint32_t *copies; /* nodes that run the image, in order of their start */
	size_t nr_copies, copies_room;
	int64_t high_since, low_since;
};

struct pol_user {
	char *name;
	bool is_admin;
	int64_t units;				/* POL_UNKNOWN */
	struct pol_seat **seats;		/* by node id */
	size_t nr_seats, seats_room;
	size_t nr_own;
	struct pol_env *envs;			/* at least one */
	struct pol_view *views;
	size_t nr_views, nr_images;
	uint32_t nr_procs;
};

/* Room for pointers; filled and read within one decision. */
struct pol_list {
	void **p;
	size_t nr, room;
};

struct pol_state {
	struct pol_mem mem;
	struct pol_config config;
	const struct pol_sink *sink;
	int64_t now;
	uint64_t check;				/* one step, one check */
	uint64_t decision;
	bool is_prepared;			/* capacities are those of the pool */

	struct pol_list nodes;			/* struct pol_node, by id */
	struct pol_list users;			/* struct pol_user, by name */
	struct pol_user *admin;			/* in users too; NULL: has no environment */
	struct pol_proc **procs;		/* hash by pid */
	size_t nr_procs, procs_room;
	struct pol_env *dirty;			/* whose holds must be looked at */

	bool is_shared_chosen;			/* R18's period chose one once */
	struct pol_node *shared;		/* the chosen one, or the one that is lent */
	size_t nr_overload;
	int64_t max_cpus, max_memory;

	/* Scratch, with room for everything there is since the step began. */
	struct pol_list tmp_nodes, tmp_seats, tmp_procs, tmp_users;
	uint32_t *ids;
	size_t ids_room;
};

static inline int64_t pol_get(const struct pol_state *st, enum pol_key key)
{
	return pol_config_get(&st->config, key);
}

/* The window that a rule's key names. */
static inline enum pol_window pol_window(const struct pol_state *st, enum pol_key key)
{
	return (enum pol_window)st->config.value[key];
}

/* ---- state.c: things by name, and memory -------------------------------------------- */

void *pol_alloc(struct pol_state *st, size_t len);		/* zeroed; NULL */
void pol_free(struct pol_state *st, void *p);
char *pol_strdup(struct pol_state *st, const char *text);
/* Room for @n of @size bytes behind *@p. Return: 0 or -ENOMEM. */
int pol_room(struct pol_state *st, void **p, size_t *room, size_t n, size_t size);
int pol_list_room(struct pol_state *st, struct pol_list *list, size_t n);

struct pol_node *pol_node(const struct pol_state *st, uint32_t id);
struct pol_user *pol_user(const struct pol_state *st, const char *name);
struct pol_proc *pol_proc(const struct pol_state *st, int64_t pid);
struct pol_view *pol_view(const struct pol_state *st, const char *name);
/* Does everybody's administrator go by that name? */
bool pol_is_admin(const char *name);
/* A new user with an empty environment; -ENOMEM. The admin gets a seat on every node. */
int pol_user_new(struct pol_state *st, const char *name, struct pol_user **ret_user);
/* Forget a user that has nothing yet. */
void pol_user_drop(struct pol_state *st, struct pol_user *user);
int pol_env_new(struct pol_state *st, struct pol_user *user, struct pol_env **ret_env);
void pol_proc_drop(struct pol_state *st, struct pol_proc *p);
void pol_procs_free(struct pol_state *st);
/* A process appears or changes, and its node's load with it. */
int pol_process_event(struct pol_state *st, const struct pol_process_info *info);
/* Capacities, after the pool has changed. */
void pol_capacities(struct pol_state *st);

/* ---- seat.c: who may use which node, and the heaps ---------------------------------- */

struct pol_seat *pol_seat(const struct pol_user *user, const struct pol_node *node);
/* A seat without any right yet, or the one that is there. Return: 0 or -ENOMEM. */
int pol_seat_get(struct pol_state *st, struct pol_user *user, struct pol_node *node,
		 struct pol_seat **ret_seat);
/* Heaps of all its environments for @n seats. Return: 0 or -ENOMEM. */
int pol_heaps_room(struct pol_state *st, struct pol_user *user, size_t n);
/* Allocated, or not any more. Counts the node's holders. */
void pol_seat_own(struct pol_seat *seat, bool is_own);
/* In @env, or (NULL) in none. */
void pol_seat_tick(struct pol_state *st, struct pol_seat *seat, struct pol_env *env);
/* Take away a seat that gives no right any more; others stay. */
void pol_seat_tidy(struct pol_state *st, struct pol_seat *seat);
bool pol_seat_is_active(const struct pol_seat *seat);
/* The same for leading: a lent node never leads. */
bool pol_seat_may_lead(const struct pol_seat *seat);
/* Alive and not drained: it could serve. */
bool pol_node_is_up(const struct pol_node *node);
/* It serves, or could, in environments: up, no spare, or called to stand in. */
bool pol_node_serves(const struct pol_node *node);
/* The node's activity is about to change or has changed: forget heaps. */
void pol_node_touch(struct pol_state *st, struct pol_node *node);
void pol_env_touch(struct pol_state *st, struct pol_env *env);
/* Its mean may have changed: look at holds when the step ends. */
void pol_env_dirty(struct pol_state *st, struct pol_env *env);
/* Active node of @env with the least current load (known), other than @not; NULL. */
struct pol_node *pol_least_loaded(struct pol_state *st, struct pol_env *env,
				  const struct pol_node *not);
/* Least service load of the active nodes other than @a and @b; POL_UNKNOWN: none is known. */
int64_t pol_least_service(struct pol_state *st, struct pol_env *env, const struct pol_node *a,
			  const struct pol_node *b);
size_t pol_nr_active(const struct pol_env *env);
/* The least id of what may lead, else of what is ticked, else NULL. */
struct pol_node *pol_least_active(const struct pol_user *user);
/* Mean current load of active seats, or average of @window; own: without lent and standing in. */
int64_t pol_mean_load(const struct pol_env *env, bool is_own_only, int window);
/* Set a node's current load; keeps heaps and holds right. */
void pol_set_load(struct pol_state *st, struct pol_node *node, int64_t load);
/* After the service load of a node has changed. */
void pol_service_changed(struct pol_node *node, bool was_known);
/* After a step, and before a hold is asked for: since when does what hold? */
void pol_holds_update(struct pol_state *st);
/* Note when @holds began; 0 <= time it has lasted, POL_UNKNOWN while it doesn't. */
int64_t pol_hold(const struct pol_state *st, bool holds, int64_t *since);
/* All environments, by user name: start with NULL. */
struct pol_env *pol_env_next(const struct pol_state *st, struct pol_env *env, size_t *iter);
/* ceil(units / base_units), or the nodes allocated (R7, R9, R18 never go below it). */
size_t pol_promise(const struct pol_state *st, const struct pol_user *user);
size_t pol_nr_own_up(const struct pol_user *user);

/* ---- move.c: moving processes -------------------------------------------------------- */

/* Put @p on @node (NULL: nowhere), with its load. No decision. */
void pol_proc_place(struct pol_state *st, struct pol_proc *p, struct pol_node *node);
/* What @p would weigh on @node. POL_UNKNOWN. */
int64_t pol_load_on(const struct pol_proc *p, const struct pol_node *node);
/* The environment of its user to which @p belongs while it runs on @node. */
struct pol_env *pol_env_of(const struct pol_proc *p, const struct pol_node *node);
/* Decide `migrate`: the process rests and moves no second time in this check. */
__attribute__((format(printf, 5, 6)))
void pol_migrate(struct pol_state *st, struct pol_proc *p, struct pol_node *to, unsigned int rule,
		 const char *fmt, ...);
/* May a rule other than R8 move it now: a service process, not restricted, not moved in this check.
 */
bool pol_is_movable(const struct pol_state *st, const struct pol_proc *p);
/* Service processes of @user on @node. */
void pol_count(const struct pol_user *user, const struct pol_node *node, size_t *ret_movable,
	       size_t *ret_restricted);
/* Has it any service process there? */
bool pol_runs_there(const struct pol_user *user, const struct pol_node *node);
/* Movable processes of @user (NULL: all) on @node into tmp_procs, heaviest first. */
void pol_collect(struct pol_state *st, const struct pol_user *user, const struct pol_node *node);
/*
 * Move all of them off @node, heaviest first, each to the least loaded active node of @env (or to
 * @fixed). Return: how many found no target.
 */
size_t pol_empty(struct pol_state *st, struct pol_env *env, struct pol_node *node,
		 struct pol_node *fixed, unsigned int rule);
/* ", 2 restricted processes stay until they end" or "". */
const char *pol_kept_text(size_t nr_restricted, char buf[80]);

/* Sort pointers by a total order. */
void pol_sort(void **p, size_t n, int (*cmp)(const void *a, const void *b, int arg), int arg);
int pol_cmp_heaviest(const void *a, const void *b, int arg);	/* pol_proc: load, then pid */
int pol_cmp_node_avg(const void *a, const void *b, int window);	/* pol_node: least, then id */
int pol_cmp_node_worst(const void *a, const void *b, int arg);	/* current load, falling */
int pol_cmp_node_id(const void *a, const void *b, int arg);

/* ---- decision.c ---------------------------------------------------------------------- */

__attribute__((format(printf, 3, 4)))
void pol_emit(struct pol_state *st, struct pol_decision *d, const char *fmt, ...);
__attribute__((format(printf, 5, 6)))
void pol_alert(struct pol_state *st, unsigned int rule, const char *user, uint32_t node,
	       const char *fmt, ...);
__attribute__((format(printf, 5, 6)))
void pol_keep(struct pol_state *st, unsigned int rule, const char *user, uint32_t node,
	      const char *fmt, ...);
/* A sentence, or a part of one, cut to @len. Return: its length. */
__attribute__((format(printf, 3, 4)))
size_t pol_say(char *buf, size_t len, const char *fmt, ...);
/* The ids of a user's own or ticked nodes, ascending, in st->ids. Return: how many. */
size_t pol_own_ids(struct pol_state *st, const struct pol_user *user);
size_t pol_ticked_ids(struct pol_state *st, const struct pol_user *user);

/* ---- the rules ----------------------------------------------------------------------- */

/* leader.c, R11. The next leader among those who stay, or NULL. */
struct pol_node *pol_next_leader(const struct pol_state *st, const struct pol_env *env);
/* After a failure: the same, or else the least average living node. */
struct pol_node *pol_next_leader_any(const struct pol_state *st, const struct pol_env *env);
void pol_hand_over(struct pol_state *st, struct pol_env *env, struct pol_node *to,
		   unsigned int rule, const char *why);
/* Somebody wants @node to lead: refused, or done. */
void pol_lead(struct pol_state *st, struct pol_user *user, struct pol_node *node);
void pol_leader_check(struct pol_state *st, struct pol_env *env);
void pol_overload_check(struct pol_state *st, struct pol_env *env);	/* overload.c, R12 */
void pol_overload_return(struct pol_state *st);
void pol_balance_check(struct pol_state *st, struct pol_env *env);	/* balance.c, R10 */
void pol_balance_place(struct pol_state *st, struct pol_proc *p);	/* R10 (c) */
struct pol_node *pol_least_of_pool(const struct pol_state *st);		/* of those that serve */
int pol_lend_check(struct pol_state *st, struct pol_env *env);		/* lend.c, R18 */
/* Give the shared spare back, emptied. */
void pol_lend_return(struct pol_state *st, struct pol_env *env, const char *why);
/* Note since when the mean is low enough for that. Return: as pol_hold(). */
int64_t pol_lend_hold(struct pol_state *st, struct pol_env *env);
struct pol_node *pol_shared(const struct pol_state *st);
bool pol_is_lent(const struct pol_node *node);
int pol_spare_choose(struct pol_state *st);				/* spare.c, R18 */
int pol_view_check(struct pol_state *st, struct pol_view *view);	/* view.c, R4 */
int pol_copies_check(struct pol_state *st, struct pol_view *view);	/* copies.c, R5 */
void pol_copies_holds(struct pol_state *st, struct pol_view *view);
void pol_join_check(struct pol_state *st, struct pol_node *node, struct pol_env *env);	/* R6 */
/* R6 for the @nr nodes @ids that @user was just allocated. */
void pol_join_allocated(struct pol_state *st, struct pol_user *user, const uint32_t *ids,
			size_t nr);
int pol_idle_check(struct pol_state *st);				/* idle.c, R7 */
int pol_fail(struct pol_state *st, struct pol_node *node);		/* failure.c, R8 */
int pol_recover(struct pol_state *st, struct pol_node *node);		/* recover.c, R8 */
/* Give @env a living leader if it has none. */
void pol_heal(struct pol_state *st, struct pol_env *env, unsigned int rule);
int pol_consolidate_check(struct pol_state *st, struct pol_env *env);	/* R9 */
/* request.c, R14 and R15. */
bool pol_is_candidate(const struct pol_state *st, const struct pol_node *node);
/* Why it is none, in a word or two; "" = it is. */
const char *pol_not_candidate(const struct pol_state *st, const struct pol_node *node);
/* The @n best candidates that @user has not, into tmp_nodes, without @not. Return: how many. */
size_t pol_choose(struct pol_state *st, const struct pol_user *user, const struct pol_node *not,
		  size_t n);
int pol_request(struct pol_state *st, const char *name, const struct pol_request *request);
void pol_candidates(struct pol_state *st, const char *name);
int pol_pick(struct pol_state *st, const char *name, const uint32_t *ids, size_t nr);
int pol_select(struct pol_state *st, struct pol_user *user, const uint32_t *ids, size_t nr);
/* panel.c: empty the leaving seats of @user, then they are unticked, or (for good) go. */
void pol_leave(struct pol_state *st, struct pol_user *user, unsigned int rule, bool is_for_good);
int pol_review(struct pol_state *st, struct pol_user *user, int64_t usage, int64_t load);
/* review.c: the own node to give back next, or NULL. */
struct pol_node *pol_to_give_back(const struct pol_state *st, const struct pol_user *user);

/* member.c: the pool as its administrator changes it. */
void pol_drain(struct pol_state *st, struct pol_node *node, bool is_drained);	/* R1 */
int pol_gone(struct pol_state *st, struct pol_node *node);
int pol_user_del(struct pol_state *st, struct pol_user *user);			/* R13 */

#endif /* HCD_POLICY_STATE_H */
