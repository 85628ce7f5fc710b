// SPDX-License-Identifier: GPL-2.0-or-later
/* simulate: the rules without a cluster, in virtual time. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "cmd.h"
#include "simulate/print.h"
#include "simulate/scenario.h"

struct args {
	const char *file;
	bool is_verbose, is_summary;
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
	case ARGP_KEY_NO_ARGS:
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

int cmd_simulate(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "verbose", 'v', NULL, 0, "Also what was looked at and left as it is", 0 },
		{ "summary", 's', NULL, 0, "One object: decisions per rule, load spread, time", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		.options = options, .parser = parse, .args_doc = "FILE",
		.doc = "Run the rules over a described cluster and print what they decide, one JSON object a line.",
	};
	struct args a = { 0 };
	struct scenario s;
	int r;

	cli_parse(&argp, argc, argv, &a);
	r = scenario_read(&s, a.file);
	if (r < 0) {
		cli_fail("%s", s.error);
		r = r == -ENOMEM ? CLI_FAILED : CLI_USAGE;
	} else {
		r = run(&s, &a);
	}
	scenario_free(&s);
	return r;
}
