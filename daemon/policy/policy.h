/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who decides: one state, events that change it, decisions that come out. Pure: no clock, file,
 * socket or memory of its own. `hyperchain simulate` and the controller run this very code.
 *
 *	pol_state_new()  pol_add_node() _user() _process() _view()      what there is
 *	pol_step(state, event, now) -> decisions into the sink           as often as needed
 *
 * After a decision the state follows it, as it would in the cluster when it is carried out.
 *
 * Memory comes from @mem. When it is short a call returns -ENOMEM; what was decided before in the
 * same step stands, and a decision is there whole or not at all.
 */
#ifndef HCD_POLICY_POLICY_H
#define HCD_POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/policy/policy_config.h"

#define POL_WHY_LEN	320
#define POL_ADMIN	"admin"

struct pol_state;

/* Where memory comes from: realloc(3) and free(3) with an argument. */
struct pol_mem {
	void *(*realloc)(void *arg, void *p, size_t len);
	void (*free)(void *arg, void *p);
	void *arg;
};

enum pol_action {
	POL_ALLOCATE, POL_REFUSE, POL_CANDIDATES, POL_SELECT, POL_MIGRATE, POL_LEADER,
	POL_SPARE_SET, POL_SPARE_UNSET, POL_SPARE_LENT, POL_SPARE_RETURNED, POL_TAKEOVER,
	POL_RESTORE, POL_RESIZE, POL_FREE, POL_VIEW, POL_COPY_START, POL_COPY_STOP, POL_PLACE,
	POL_ENVIRONMENT, POL_ALERT, POL_KEEP,
	POL_ACTIONS
};

enum pol_spare { POL_NO_SPARE, POL_IDLE, POL_SHARED, POL_OVERLOAD };

/*
 * One decision. Which fields an action has: SIMULATE's table. Strings and lists live until the
 * sink returns.
 */
struct pol_decision {
	int64_t at;			/* seconds, in billionths */
	unsigned int rule;		/* 12: R12 */
	enum pol_action action;
	const char *user;		/* NULL: none */
	const char *view;
	int64_t pid;
	uint32_t node;			/* 0: none */
	uint32_t from, to;		/* nodes; counts of nodes in a resize */
	uint32_t spare;			/* takeover, restore; 0: none */
	uint32_t missing;
	enum pol_spare kind;
	bool is_swap;			/* restore */
	const uint32_t *nodes;
	size_t nr_nodes;
	const char *why;		/* one sentence with the numbers that decided */
};

struct pol_sink {
	void (*decide)(void *arg, const struct pol_decision *d);
	void *arg;
	bool wants_keep;	/* also what was looked at and left as it is */
};

/* What is told of a node; numbers in billionths, POL_UNKNOWN where nothing is known. */
struct pol_node_info {
	uint32_t id;		/* > 0 */
	int64_t cpus, memory, storage;
	int64_t load;
	int64_t avg[POL_WINDOWS];
	bool is_failed, is_drained, is_spare;	/* a spare: idle, see R8's fine print */
};

struct pol_process_info {
	int64_t pid;
	const char *user;	/* NULL: as it was; a new system process may have none */
	uint32_t node;		/* 0: as it was; new: to be placed (R10 c) */
	bool has_kind, is_system;
	bool has_restricted, is_restricted;
	bool has_load, has_avg;
	bool has_moved;		/* by what is outside of the rules, at moved_at: it rests */
	int64_t load;
	int64_t avg[POL_WINDOWS];
	int64_t moved_at;
};

struct pol_user_info {
	const char *name;
	const uint32_t *nodes;		/* each known; of admin: not looked at */
	size_t nr_nodes;
	const uint32_t *active;		/* NULL: all of them */
	size_t nr_active;
	uint32_t leader;		/* 0: the least of the active ones */
	int64_t units;			/* POL_UNKNOWN: not known */
};

enum pol_view_mode { POL_VIEW_USERS, POL_VIEW_GROUP, POL_VIEW_LOAD };

struct pol_view_info {
	const char *name, *user;
	const uint32_t *main;
	size_t nr_main;
	enum pol_view_mode mode;
	int64_t users;			/* billionths */
	bool has_image;
};

enum pol_event_kind {
	POL_EV_REQUEST, POL_EV_CANDIDATES, POL_EV_PICK, POL_EV_SELECT, POL_EV_LOAD, POL_EV_PROCESS,
	POL_EV_EXIT, POL_EV_TICK, POL_EV_FAIL, POL_EV_RECOVER, POL_EV_JOIN, POL_EV_IDLE,
	POL_EV_CONSOLIDATE, POL_EV_REVIEW, POL_EV_SPARE, POL_EV_USERS,
	/*
	 * Of a real cluster only: a node is drained or not any more, or removed (R1); a user
	 * without nodes is known, or goes and gives back all he has (R13).
	 */
	POL_EV_DRAIN, POL_EV_UNDRAIN, POL_EV_GONE, POL_EV_USER_ADD, POL_EV_USER_DEL,
	POL_EV_LEAD,			/* somebody wants @node to lead @user's environment (R11) */
};

/* A request in R15's fields; POL_UNKNOWN: not stated. */
struct pol_request {
	int64_t units, cpus, memory, storage, hours_per_day, hours_per_week, jobs_per_hour;
};

struct pol_event {
	enum pol_event_kind kind;
	const char *user;
	const char *view;
	uint32_t node;
	int64_t pid;
	const uint32_t *nodes;
	size_t nr_nodes;
	int64_t usage;			/* review */
	int64_t load;			/* load, review: POL_UNKNOWN where not told */
	const int64_t *avg; /* load: NULL, or POL_WINDOWS values, POL_UNKNOWN = as it was */
	int64_t users;
	struct pol_request request;
	const struct pol_process_info *process;
	const struct pol_node_info *join;
};

/* A new, empty state; NULL when memory is short. @config is copied, @mem too. */
struct pol_state *pol_state_new(const struct pol_mem *mem, const struct pol_config *config);
void pol_state_free(struct pol_state *st);

/*
 * What there is at the start. Nodes first, then users, processes, views.
 * Return: 0, -EEXIST (id twice), -ENOENT (a node or user that is not there), -EINVAL, -ENOMEM.
 */
int pol_add_node(struct pol_state *st, const struct pol_node_info *info);
int pol_add_user(struct pol_state *st, const struct pol_user_info *info);
int pol_add_process(struct pol_state *st, const struct pol_process_info *info);
int pol_add_view(struct pol_state *st, const struct pol_view_info *info);

/**
 * pol_step - one event
 * @now: seconds in billionths, never going back
 *
 * Return: 0; -ENOENT for an unknown node, user, pid or view, -EEXIST for a node that joins twice,
 * -EINVAL; -ENOMEM: see above.
 */
int pol_step(struct pol_state *st, const struct pol_event *event, int64_t now,
	     const struct pol_sink *sink);

/* The word for an action or a kind of spare. Static memory. */
const char *pol_action_name(enum pol_action action);
const char *pol_spare_name(enum pol_spare kind);

/* For summaries: least, greatest and mean known current load of living nodes. Return: how many. */
size_t pol_load_spread(const struct pol_state *st, int64_t *ret_min, int64_t *ret_max,
		       int64_t *ret_mean);

#endif /* HCD_POLICY_POLICY_H */
