// SPDX-License-Identifier: GPL-2.0-or-later
/* simulate: the rules without a cluster, in virtual time. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "cmd.h"
#include "simulate/cluster.h"
#include "simulate/print.h"
#include "simulate/scenario.h"

enum { OPT_FROM_CLUSTER = 'c', OPT_TRACE = 't' };

struct args {
	const char *file, *trace;
	bool is_verbose, is_summary, from_cluster;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case 'v':
		a->is_verbose = true;
		return 0;
	case 's':
		a->is_summary = true;
		return 0;
	case ARGP_KEY_ARG:
		if (a->file)
			argp_error(state, "One file at a time.");
		a->file = arg;
		return 0;
	case OPT_FROM_CLUSTER:
		a->from_cluster = true;
		return 0;
	case OPT_TRACE:
		a->trace = arg;
		return 0;
	case ARGP_KEY_END:
		if (!a->file && !a->from_cluster)
			argp_error(state, "Which FILE? Its form is in hyperchain-simulate(8); - is standard input.");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int run(struct scenario *s, const struct args *a)
{
	struct sim_printer printer = { .out = stdout, .is_summary = a->is_summary };
	const struct pol_sink sink = { .decide = sim_print, .arg = &printer,
				       .wants_keep = a->is_verbose };
	int64_t began = now_ns();

	sim_spread(&printer.before, s->st);
	for (size_t i = 0; i < s->nr_events; i++) {
		int r = pol_step(s->st, &s->events[i].ev, s->events[i].at, &sink);

		if (r < 0)
			return cli_fail("%s: events[%zu] can't be simulated: %s.", s->file, i, strerror(-r));
	}
	printer.ns = now_ns() - began;
	printer.nr_events = s->nr_events;
	sim_spread(&printer.after, s->st);
	if (a->is_summary)
		sim_print_summary(&printer);
	if (printer.is_broken || fflush(stdout))
		return cli_fail("Cannot write the decisions: %m.");
	return CLI_OK;
}

static double at_of(const json_t *event)
{
	return json_number_value(json_object_get(event, "at"));
}

/* Two lists by time; of one time, @first comes first. */
static json_t *merge(json_t *first, json_t *second)
{
	json_t *all = json_array();
	size_t i = 0, k = 0;

	while (i < json_array_size(first) || k < json_array_size(second)) {
		json_t *x = json_array_get(first, i), *y = json_array_get(second, k);

		if (x && (!y || at_of(x) <= at_of(y))) {
			json_array_append(all, x);
			i++;
		} else {
			json_array_append(all, y);
			k++;
		}
	}
	return all;
}

/* The cluster, the file's config and events over it, and the trace's events among those. */
static int read_mixed(struct scenario *s, const struct args *a)
{
	json_auto_t *own = NULL, *trace = NULL;
	json_t *root, *config, *events, *value;
	const char *key;
	int r = 0;

	if (a->file) {
		r = scenario_parse(s, a->file);
		own = json_incref(s->root);
		if (r < 0)
			return r;
		scenario_free(s);
	}
	*s = (struct scenario){ 0 };
	if (a->trace)
		r = sim_trace(a->trace, &trace, s->error, sizeof(s->error));
	if (r < 0)
		return r;
	root = a->from_cluster ? sim_cluster(s->error, sizeof(s->error)) : json_incref(own);
	if (!root)
		return -ENOMEM;		/* not the file's fault */
	config = json_object_get(root, "config");
	json_object_foreach(a->from_cluster ? own : NULL, key, value) {
		if (strcmp(key, "config") == 0 && json_is_object(value)) {
			json_object_update(config, value);
		} else if (strcmp(key, "events") == 0 || strcmp(key, "processes") == 0) {
			json_object_set(root, key, value);
		} else {
			snprintf(s->error, sizeof(s->error), "%s: %s: with --from-cluster a file has config, processes and events only.",
				 a->file, key);
			json_decref(root);
			return -EINVAL;
		}
	}
	events = json_object_get(root, "events");
	if (trace && (!events || json_is_array(events)))
		json_object_set_new(root, "events", merge(trace, events));
	return scenario_take(s, a->file ? a->file : a->trace ? a->trace : "the cluster", root);
}

int cmd_simulate(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "verbose", 'v', NULL, 0, "Also what was looked at and left as it is", 0 },
		{ "summary", 's', NULL, 0, "One object: decisions per rule, load spread, time", 0 },
		{ "from-cluster", OPT_FROM_CLUSTER, NULL, 0,
		  "Begin with the cluster as it is now; FILE has config and events only, or is left out", 0 },
		{ "trace", OPT_TRACE, "CSV", 0, "Recorded load, lines of seconds,node,load; a tick after each time", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		.options = options, .parser = parse, .args_doc = "[FILE]",
		.doc = "Run the rules over a described cluster and print what they decide, one JSON object a line.",
	};
	struct args a = { 0 };
	struct scenario s;
	int r;

	cli_parse(&argp, argc, argv, &a);
	r = a.from_cluster || a.trace ? read_mixed(&s, &a) : scenario_read(&s, a.file);
	if (r < 0) {
		cli_fail("%s", s.error);
		r = r == -ENOMEM ? CLI_FAILED : CLI_USAGE;
	} else {
		r = run(&s, &a);
	}
	scenario_free(&s);
	return r;
}
