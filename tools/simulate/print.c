// SPDX-License-Identifier: GPL-2.0-or-later
/* One decision, one line of JSON: see print.h. */
#include "simulate/print.h"

#include <jansson.h>

enum {
	USER = 1, NODES = 2, NODE = 4, PID = 8, FROM_TO = 16, KIND = 32, SPARE = 64, MISSING = 128,
	POLICY = 256, VIEW = 512
};

/*
 * The fields of each action, in this order; a user or node that is none is left out of alert and
 * keep.
 */
static const unsigned int fields_of[POL_ACTIONS] = {
	[POL_ALLOCATE] = USER | NODES,
	[POL_REFUSE] = USER | MISSING,
	[POL_CANDIDATES] = USER | NODES,
	[POL_SELECT] = USER | NODES,
	[POL_MIGRATE] = PID | FROM_TO,
	[POL_LEADER] = USER | FROM_TO,
	[POL_SPARE_SET] = NODE | KIND,
	[POL_SPARE_UNSET] = NODE | KIND,
	[POL_SPARE_LENT] = USER | NODE,
	[POL_SPARE_RETURNED] = USER | NODE,
	[POL_TAKEOVER] = NODE | SPARE,
	[POL_RESTORE] = NODE | SPARE | POLICY,
	[POL_RESIZE] = USER | FROM_TO | NODES,
	[POL_FREE] = NODE | USER,
	[POL_VIEW] = VIEW | NODES,
	[POL_COPY_START] = VIEW | NODE,
	[POL_COPY_STOP] = VIEW | NODE,
	[POL_PLACE] = PID | NODE,
	[POL_ENVIRONMENT] = USER | NODES,
	[POL_ALERT] = 0,
	[POL_KEEP] = 0,
};

/* Whole numbers as such. */
static json_t *number(int64_t x)
{
	return x % POL_ONE ? json_real(POL_F(x)) : json_integer(x / POL_ONE);
}

static json_t *id_list(const uint32_t *ids, size_t nr)
{
	json_t *list = json_array();

	for (size_t i = 0; i < nr; i++)
		json_array_append_new(list, json_integer(ids[i]));
	return list;
}

static void set(json_t *j, const char *key, json_t *value)
{
	json_object_set_new(j, key, value);
}

static json_t *to_json(const struct pol_decision *d)
{
	unsigned int fields = fields_of[d->action];
	json_t *j = json_object();
	char rule[8];

	snprintf(rule, sizeof(rule), "R%u", d->rule);
	set(j, "at", number(d->at));
	set(j, "rule", json_string(rule));
	set(j, "action", json_string(pol_action_name(d->action)));
	if (fields & PID)
		set(j, "pid", json_integer(d->pid));
	if (fields & VIEW)
		set(j, "view", json_string(d->view));
	if (fields & USER || (!fields && d->user))
		set(j, "user", json_string(d->user));
	if (fields & NODE || (!fields && d->node))
		set(j, "node", json_integer(d->node));
	if (fields & FROM_TO) {
		set(j, "from", json_integer(d->from));
		set(j, "to", json_integer(d->to));
	}
	if (fields & SPARE)
		set(j, "spare", json_integer(d->spare));
	if (fields & KIND)
		set(j, "kind", json_string(pol_spare_name(d->kind)));
	if (fields & POLICY)
		set(j, "policy", json_string(d->is_swap ? "swap" : "return"));
	if (fields & MISSING)
		set(j, "missing", json_integer(d->missing));
	if (fields & NODES)
		set(j, "nodes", id_list(d->nodes, d->nr_nodes));
	set(j, "why", json_string(d->why));
	return j;
}

void sim_print(void *arg, const struct pol_decision *d)
{
	struct sim_printer *p = arg;
	json_t *j;

	if (d->action != POL_KEEP)
		p->nr_decisions++;
	p->per_rule[d->rule]++;
	p->per_action[d->action]++;
	if (p->is_summary)
		return;
	j = to_json(d);
	if (json_dumpf(j, p->out, JSON_COMPACT | JSON_REAL_PRECISION(12)) < 0 ||
	    putc('\n', p->out) == EOF)
		p->is_broken = true;
	json_decref(j);
}

void sim_spread(struct sim_spread *spread, const struct pol_state *st)
{
	spread->nodes = pol_load_spread(st, &spread->min, &spread->max, &spread->mean);
}

static json_t *spread_json(const struct sim_spread *s)
{
	if (!s->nodes)
		return json_pack("{s:i}", "nodes", 0);
	return json_pack("{s:I s:o s:o s:o s:o}", "nodes", (json_int_t)s->nodes, "least", number(s->min),
			 "greatest", number(s->max), "mean", number(s->mean), "spread",
			 number(s->max - s->min));
}

void sim_print_summary(struct sim_printer *p)
{
	json_t *j = json_object(), *rules = json_object(), *kinds_json = json_object();
	char rule[8];

	for (unsigned int i = 0; i < SIM_RULES; i++) {
		snprintf(rule, sizeof(rule), "R%u", i);
		if (p->per_rule[i])
			set(rules, rule, json_integer((json_int_t)p->per_rule[i]));
	}
	for (unsigned int i = 0; i < POL_ACTIONS; i++)
		if (p->per_action[i])
			set(kinds_json, pol_action_name(i),
			    json_integer((json_int_t)p->per_action[i]));
	set(j, "events", json_integer((json_int_t)p->nr_events));
	set(j, "decisions", json_integer((json_int_t)p->nr_decisions));
	set(j, "rules", rules);
	set(j, "actions", kinds_json);
	set(j, "load_before", spread_json(&p->before));
	set(j, "load_after", spread_json(&p->after));
	set(j, "seconds", json_real((double)p->ns / 1e9));
	set(j, "seconds_per_decision", p->nr_decisions ?
	    json_real((double)p->ns / 1e9 / (double)p->nr_decisions) : json_null());
	if (json_dumpf(j, p->out, JSON_COMPACT | JSON_REAL_PRECISION(6)) < 0 ||
	    putc('\n', p->out) == EOF)
		p->is_broken = true;
	json_decref(j);
}
