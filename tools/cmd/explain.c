// SPDX-License-Identifier: GPL-2.0-or-later
/* explain: why the cluster decided something. Also `events` of the cluster: what it decided. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "cmd.h"
#include "table.h"

#define POLL_US	300000

static const char *text_of(const json_t *row, const char *key)
{
	return json_string_value(json_object_get(row, key)) ? : "";
}

static void when_text(const json_t *row, char *buf, size_t len)
{
	time_t at = json_integer_value(json_object_get(row, "at_ms")) / 1000;
	struct tm tm;

	if (!localtime_r(&at, &tm) || !strftime(buf, len, "%F %T", &tm))
		snprintf(buf, len, "?");
}

/* ---- the log of decisions ---------------------------------------------------------------- */

static void print_row(const json_t *row)
{
	const char *rule = text_of(row, "rule");
	char when[32];

	if (cli.json) {
		json_dumpf(row, stdout, JSON_COMPACT);
		putchar('\n');
		return;
	}
	when_text(row, when, sizeof(when));
	printf("%s  %5lld  %-4s %s\n", when, (long long)json_integer_value(json_object_get(row, "id")),
	       *rule ? rule : "-", text_of(row, "text"));
}

int cmd_events_cluster(const char *rule, const char *user, bool is_following, uint64_t count,
		       uint64_t timeout_s)
{
	HCNL_CLEAN struct hcnl *h = cli_try_open();
	struct timespec began, now;
	json_int_t after = 0;
	uint64_t seen = 0;

	clock_gettime(CLOCK_MONOTONIC, &began);
	for (;;) {
		json_auto_t *answer = NULL;
		json_t *req = json_pack("{s:s, s:I, s:s*, s:s*}", "do", "decision.list", "after", after,
					"rule", rule, "user", user);
		json_t *row;
		size_t i;

		if (cli_ask(h, req, &answer) < 0)
			return cli_fail("%s", cli_ask_error());
		json_array_foreach(json_object_get(answer, "decisions"), i, row) {
			print_row(row);
			if (count && ++seen == count)
				return fflush(stdout) ? CLI_FAILED : CLI_OK;
		}
		if (fflush(stdout))
			return CLI_FAILED;
		after = json_integer_value(json_object_get(answer, "last"));
		if (json_is_true(json_object_get(answer, "more")))
			continue;
		if (!is_following)
			return CLI_OK;
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (timeout_s && (uint64_t)(now.tv_sec - began.tv_sec) >= timeout_s)
			return !count ? CLI_OK :
				cli_fail("Only %llu of %llu decisions came in %llu s.",
					 (unsigned long long)seen, (unsigned long long)count,
					 (unsigned long long)timeout_s);
		usleep(POLL_US);
	}
}

/* ---- one of them --------------------------------------------------------------------------- */

static error_t parse(int key, char *arg, struct argp_state *state)
{
	uint64_t *id = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		if (*id)
			return ARGP_ERR_UNKNOWN;
		*id = cli_number_arg(state, "A decision's id", arg, 1, INT64_MAX);
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "Which ID? 'hyperchain events' shows them.");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static void print_number(struct table *t, const json_t *v)
{
	if (json_is_number(v))
		table_cell(t, 0, "%.3f", json_number_value(v));
	else
		table_cell(t, 0, "unknown");
}

static void print_considered(const json_t *inputs)
{
	TABLE_CLEAN struct table t = { .color = cli.color, .indent = 2 };
	json_t *rows = json_object_get(inputs, "considered"), *row;
	HCNL_CLEAN struct hcnl *h = cli_try_open();
	json_auto_t *nodes = NULL;
	size_t i, k, all = (size_t)json_integer_value(json_object_get(inputs, "nodes_in_all"));
	json_t *node;

	if (!json_array_size(rows))
		return;
	if (cli_ask_list(h, CLI_ASK_MS, "node.list", "nodes", &nodes) < 0)
		nodes = json_array();
	printf("Considered, as it was then:\n");
	table_head(&t, "NODE>", "NAME", "LOAD>", "AVERAGE>", "USERS>", "SPARE", "NO CANDIDATE BECAUSE", NULL);
	json_array_foreach(rows, i, row) {
		json_int_t id = json_integer_value(json_object_get(row, "node"));
		const char *name = "-", *spare = text_of(row, "spare"), *not = text_of(row, "not_candidate");

		json_array_foreach(nodes, k, node)
			if (json_integer_value(json_object_get(node, "id")) == id)
				name = text_of(node, "name");
		table_cell(&t, 0, "%lld", (long long)id);
		table_cell(&t, 0, "%s", name);
		print_number(&t, json_object_get(row, "load"));
		print_number(&t, json_object_get(row, "avg"));
		table_cell(&t, 0, "%lld", (long long)json_integer_value(json_object_get(row, "users")));
		table_cell(&t, 0, "%s", *spare ? spare : "-");
		table_cell(&t, 0, "%s", *not ? not : "-");
	}
	table_print(&t, stdout);
	if (all > json_array_size(rows))
		printf("  and %zu more\n", all - json_array_size(rows));
}

int cmd_explain(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse, .args_doc = "ID", .children = cli_json_option,
		.doc = "Show why the cluster decided something: what happened, the numbers, and what else was considered.",
	};
	json_auto_t *answer = NULL;
	json_t *d, *inputs, *event;
	uint64_t id = 0;
	char when[32], *text;
	int rc;

	cli_parse(&argp, argc, argv, &id);
	rc = cli_do(json_pack("{s:s, s:I}", "do", "decision.show", "id", (json_int_t)id), &answer);
	if (rc)
		return rc;
	if (cli.json)
		return cli_json(json_incref(answer));
	d = json_object_get(answer, "decision");
	when_text(d, when, sizeof(when));
	printf("Decision %llu of %s%s%s\n%s\n", (unsigned long long)id, when,
	       *text_of(d, "rule") ? ", by rule " : "", text_of(d, "rule"), text_of(d, "text"));
	inputs = json_object_get(d, "inputs");
	event = json_object_get(inputs, "event");
	text = event ? json_dumps(event, JSON_REAL_PRECISION(6)) : NULL;
	if (text)
		printf("What happened: %s\n", text);
	free(text);
	print_considered(inputs);
	return CLI_OK;
}
