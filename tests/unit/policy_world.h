/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clusters for tests of the rules, in few words. What is decided is kept as text, one decision a
 * line: "R10 migrate 101 1>2".
 */
#ifndef _TESTS_POLICY_WORLD_H
#define _TESTS_POLICY_WORLD_H

#include "daemon/policy/policy.h"
#include "unit.h"

#define UNKNOWN	(-1.0)

/* A new world with default configuration; the one before is freed. */
void world_new(void);
void world_end(void);
extern struct pol_state *world;

/* "leader_max=2 overload_mode=all"; before the first node. */
void set(const char *keys);
void node(uint32_t id, double load, double avg);	/* UNKNOWN: left out */
void big_node(uint32_t id, double load, double avg, double cpus);
void spare(uint32_t id, double load, double avg);
void drained(uint32_t id, double load, double avg);
/* "2,3"; @leader 0: the least; @units 0: not known */
void user(const char *name, const char *nodes, uint32_t leader, double units);
/* Only some of the nodes are ticked. */
void user_active(const char *name, const char *nodes, const char *active, double units);
void proc(int64_t pid, const char *user, uint32_t node, double load);
void restricted(int64_t pid, const char *user, uint32_t node, double load);
void view(const char *name, const char *user, const char *main, enum pol_view_mode mode, int users,
	  bool has_image);

/* Events: each forgets what was decided before. @at in seconds. */
void tick(double at);
void event(double at, enum pol_event_kind kind);
void on_node(double at, enum pol_event_kind kind, uint32_t node);
void load(double at, uint32_t node, double load);
void request(double at, const char *user, double units);
void pick(double at, const char *user, const char *nodes);
void ticks(double at, const char *user, const char *nodes);	/* R17's select */
void review(double at, const char *user, double usage, double load);
void start(double at, int64_t pid, const char *user, double load);
void finish(double at, int64_t pid);
void join(double at, uint32_t id, double load, double cpus);
void users(double at, const char *view, int users);
int step(const struct pol_event *ev, double at);

/* What the last event decided, all lines. */
const char *said(void);
/* The last event decided exactly this; "" for nothing. */
#define SAID(text)	ck_assert_str_eq(said(), text)

/* The allocation after @n more fails, once; -1: none. */
void world_fail_after(long n);
long world_allocations(void);

#endif /* _TESTS_POLICY_WORLD_H */
