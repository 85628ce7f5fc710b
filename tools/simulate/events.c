// SPDX-License-Identifier: GPL-2.0-or-later
/* The events of a scenario: a table of what each may and must have. */
#include "simulate/scenario.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define AMOUNTS	"units cpus memory_gib storage_gib hours_per_day hours_per_week jobs_per_hour"

int scenario_read_node(struct scenario *s, const struct where *w, struct pol_node_info *ret)
{
	enum { ACTIVE, SPARE, DRAINED, FAILED };
	const char *name;
	unsigned int state;
	bool has_avg;
	int64_t id;
	int r;

	r = field_only(s, w, "id name cpus memory_gib storage_gib load avg state");
	if (r < 0)
		return r;
	*ret = (struct pol_node_info){ 0 };
	r = field_id(s, w, "id", true, UINT32_MAX, &id) ? :
	    field_text(s, w, "name", false, &name) ? :
	    field_number(s, w, "cpus", false, POL_MAX, &ret->cpus) ? :
	    field_number(s, w, "memory_gib", false, POL_MAX, &ret->memory) ? :
	    field_number(s, w, "storage_gib", false, POL_MAX, &ret->storage) ? :
	    field_number(s, w, "load", false, POL_ONE, &ret->load) ? :
	    field_avg(s, w, ret->avg, &has_avg) ? :
	    field_word(s, w, "state", "active spare drained failed", &state);
	if (r < 0)
		return r;
	if (scenario_knows(s->nodes, id))
		return scenario_fail(s, w, "id", "there is a node %lld already.", (long long)id);
	ret->id = (uint32_t)id;
	ret->is_spare = state == SPARE;
	ret->is_drained = state == DRAINED;
	ret->is_failed = state == FAILED;
	return scenario_learn(s, s->nodes, id);
}

int scenario_read_process(struct scenario *s, const struct where *w, bool is_event,
			  struct pol_process_info *ret)
{
	unsigned int kind;
	bool is_new;
	int r;

	r = field_only(s, w, is_event ? "at do pid user node kind load avg restricted" :
					"pid user node kind load avg restricted");
	if (r < 0)
		return r;
	*ret = (struct pol_process_info){ .has_kind = field_has(w, "kind"),
					  .has_load = field_has(w, "load") };
	r = field_id(s, w, "pid", true, INT64_MAX, &ret->pid) ? :
	    field_user(s, w, false, &ret->user) ? :
	    field_node(s, w, "node", !is_event, &ret->node) ? :
	    field_word(s, w, "kind", "service system", &kind) ? :
	    field_number(s, w, "load", false, POL_ONE, &ret->load) ? :
	    field_avg(s, w, ret->avg, &ret->has_avg) ? :
	    field_bool(s, w, "restricted", &ret->has_restricted, &ret->is_restricted);
	if (r < 0)
		return r;
	ret->is_system = kind == 1;
	is_new = !scenario_knows(s->pids, ret->pid);
	if (!is_event && !is_new)
		return scenario_fail(s, w, "pid", "there is a process %lld already.",
				     (long long)ret->pid);
	if (is_new && !ret->user && !ret->is_system)
		return scenario_fail(s, w, "user", "this key is missing: a service process belongs to a user.");
	return scenario_learn(s, s->pids, ret->pid);
}

static int learn_user(struct scenario *s, const char *name)
{
	return json_object_set_new(s->users, name, json_true()) < 0 ? scenario_no_memory(s) : 0;
}

static int read_request(struct scenario *s, const struct where *w, struct scenario_event *e)
{
	struct pol_request *q = &e->ev.request;
	int r;

	r = field_text(s, w, "user", true, &e->ev.user) ? :
	    field_number(s, w, "units", false, POL_MAX, &q->units) ? :
	    field_number(s, w, "cpus", false, POL_MAX, &q->cpus) ? :
	    field_number(s, w, "memory_gib", false, POL_MAX, &q->memory) ? :
	    field_number(s, w, "storage_gib", false, POL_MAX, &q->storage) ? :
	    field_number(s, w, "hours_per_day", false, POL_MAX, &q->hours_per_day) ? :
	    field_number(s, w, "hours_per_week", false, POL_MAX, &q->hours_per_week) ? :
	    field_number(s, w, "jobs_per_hour", false, POL_MAX, &q->jobs_per_hour);
	if (r < 0)
		return r;
	if (json_object_size(w->object) == 3)
		return scenario_fail(s, w, NULL, "a request says how much: at least one of " AMOUNTS ".");
	return learn_user(s, e->ev.user);
}

static int read_candidates(struct scenario *s, const struct where *w, struct scenario_event *e)
{
	return field_text(s, w, "user", true, &e->ev.user) ? : learn_user(s, e->ev.user);
}

static int read_pick(struct scenario *s, const struct where *w, struct scenario_event *e)
{
	return field_text(s, w, "user", true, &e->ev.user) ? :
	       field_nodes(s, w, "nodes", true, &e->ev.nodes, &e->ev.nr_nodes) ? :
	       learn_user(s, e->ev.user);
}

static int read_select(struct scenario *s, const struct where *w, struct scenario_event *e)
{
	return field_user(s, w, true, &e->ev.user) ? :
	       field_nodes(s, w, "nodes", true, &e->ev.nodes, &e->ev.nr_nodes);
}

static int read_load(struct scenario *s, const struct where *w, struct scenario_event *e)
{
	bool has_avg;
	int r;

	r = field_node(s, w, "node", true, &e->ev.node) ? :
	    field_number(s, w, "load", true, POL_ONE, &e->ev.load) ? :
	    field_avg(s, w, e->avg, &has_avg);
	e->ev.avg = has_avg ? e->avg : NULL;
	return r;
}

static int read_process(struct scenario *s, const struct where *w, struct scenario_event *e)
{
	e->ev.process = &e->process;
	return scenario_read_process(s, w, true, &e->process);
}

static int read_exit(struct scenario *s, const struct where *w, struct scenario_event *e)
{
	int r = field_id(s, w, "pid", true, INT64_MAX, &e->ev.pid);

	if (r == 0 && !scenario_knows(s->pids, e->ev.pid))
		r = scenario_fail(s, w, "pid", "there is no process %lld here.", (long long)e->ev.pid);
	if (r == 0)
		scenario_forget(s->pids, e->ev.pid);
	return r;
}

static int read_nothing(struct scenario *s, const struct where *w, struct scenario_event *e)
{
	(void)s;
	(void)w;
	(void)e;
	return 0;
}

static int read_of_node(struct scenario *s, const struct where *w, struct scenario_event *e)
{
	return field_node(s, w, "node", true, &e->ev.node);
}

static int read_join(struct scenario *s, const struct where *w, struct scenario_event *e)
{
	json_t *node = json_object_get(w->object, "node");
	const struct where inner = { .top = w->top, .index = w->index, .inside = "node",
				     .object = node };

	if (!json_is_object(node))
		return scenario_fail(s, w, "node", "this must be an object, as in \"nodes\".");
	e->ev.join = &e->node;
	return scenario_read_node(s, &inner, &e->node);
}

static int read_review(struct scenario *s, const struct where *w, struct scenario_event *e)
{
	return field_user(s, w, true, &e->ev.user) ? :
	       field_number(s, w, "usage", true, POL_ONE, &e->ev.usage) ? :
	       field_number(s, w, "load", false, POL_ONE, &e->ev.load);
}

static int read_users(struct scenario *s, const struct where *w, struct scenario_event *e)
{
	int r = field_text(s, w, "view", true, &e->ev.view) ? :
		field_number(s, w, "users", true, POL_MAX, &e->ev.users);

	if (r == 0 && !json_object_get(s->views, e->ev.view))
		r = scenario_fail(s, w, "view", "there is no view \"%s\" here.", e->ev.view);
	return r;
}

static const struct event_kind {
	const char *name;
	enum pol_event_kind kind;
	const char *keys;	/* NULL: its reader checks them */
	int (*read)(struct scenario *s, const struct where *w, struct scenario_event *e);
} kinds[] = {
	{ "request",	 POL_EV_REQUEST,	"at do user " AMOUNTS,	read_request },
	{ "candidates",	 POL_EV_CANDIDATES,	"at do user",		read_candidates },
	{ "pick",	 POL_EV_PICK,		"at do user nodes",	read_pick },
	{ "select",	 POL_EV_SELECT,		"at do user nodes",	read_select },
	{ "load",	 POL_EV_LOAD,		"at do node load avg",	read_load },
	{ "process",	 POL_EV_PROCESS,	NULL,			read_process },
	{ "exit",	 POL_EV_EXIT,		"at do pid",		read_exit },
	{ "tick",	 POL_EV_TICK,		"at do",		read_nothing },
	{ "fail",	 POL_EV_FAIL,		"at do node",		read_of_node },
	{ "recover",	 POL_EV_RECOVER,	"at do node",		read_of_node },
	{ "join",	 POL_EV_JOIN,		"at do node",		read_join },
	{ "idle",	 POL_EV_IDLE,		"at do",		read_nothing },
	{ "consolidate", POL_EV_CONSOLIDATE,	"at do",		read_nothing },
	{ "review",	 POL_EV_REVIEW,		"at do user usage load", read_review },
	{ "spare",	 POL_EV_SPARE,		"at do",		read_nothing },
	{ "users",	 POL_EV_USERS,		"at do view users",	read_users },
};

static const struct event_kind *kind_of(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	return NULL;
}

static int read_event(struct scenario *s, const struct where *w, struct scenario_event *e)
{
	const struct event_kind *kind;
	const char *name;
	int r;

	if (!json_is_object(w->object))
		return scenario_fail(s, w, NULL, "this must be an object, {...}.");
	r = field_text(s, w, "do", true, &name);
	if (r < 0)
		return r;
	kind = kind_of(name);
	if (!kind)
		return scenario_fail(s, w, "do", "there is no event \"%s\"; hyperchain-simulate(8) lists them.",
				     name);
	e->ev.kind = kind->kind;
	e->ev.load = POL_UNKNOWN;
	r = (kind->keys ? field_only(s, w, kind->keys) : 0) ? :
	    field_number(s, w, "at", true, POL_MAX, &e->at) ? : kind->read(s, w, e);
	if (r < 0)
		return r;
	if (e->at < s->last_at)
		return scenario_fail(s, w, "at", "%g s is before the event before it, at %g s.",
				     POL_F(e->at), POL_F(s->last_at));
	s->last_at = e->at;
	return 0;
}

int scenario_read_events(struct scenario *s, json_t *list)
{
	struct where w = { .top = "events" };
	size_t i;

	s->events = calloc(json_array_size(list) + 1, sizeof(*s->events));
	if (!s->events)
		return scenario_no_memory(s);
	s->nr_events = json_array_size(list);
	json_array_foreach(list, i, w.object) {
		int r;

		w.index = (long)i;
		r = read_event(s, &w, &s->events[i]);
		if (r < 0)
			return r;
	}
	return 0;
}
