// SPDX-License-Identifier: GPL-2.0-or-later
/* usage report: what users had of which nodes. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "cmd.h"
#include "table.h"

struct args {
	const char *by;
	int64_t from_s, to_s;
	bool is_csv;
};

/* A date, a date and time, or seconds since 1970; local time. */
static int64_t time_arg(struct argp_state *state, const char *arg)
{
	static const char *const formats[] = { "%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "@%s" };

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct tm tm = { .tm_isdst = -1 };
		const char *end = strptime(arg, formats[i], &tm);
		time_t t;

		if (!end || *end)
			continue;
		t = mktime(&tm);
		if (t > 0)
			return t;
	}
	argp_error(state, "\"%s\" is no time: give it like 2026-11-24, \"2026-11-24 09:00\" or @1790000000.", arg);
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case 'b':
		if (strcmp(arg, "user") != 0 && strcmp(arg, "node") != 0)
			argp_error(state, "By user or by node, not by \"%s\".", arg);
		a->by = arg;
		return 0;
	case 'f':
		a->from_s = time_arg(state, arg);
		return 0;
	case 't':
		a->to_s = time_arg(state, arg);
		return 0;
	case 'c':
		a->is_csv = true;
		return 0;
	case ARGP_KEY_END:
		if (a->to_s && a->to_s <= a->from_s)
			argp_error(state, "The period must end after it begins.");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static int ask_pages(const struct args *a, json_t **ret_rows, json_int_t *ret_from,
		     json_int_t *ret_to)
{
	HCNL_CLEAN struct hcnl *h = cli_try_open();
	json_int_t after = 0;

	*ret_rows = json_array();
	for (;;) {
		json_auto_t *answer = NULL;
		json_t *row;
		size_t i;

		if (cli_ask(h, json_pack("{s:s, s:s, s:I, s:I, s:I}", "do", "usage.report", "by", a->by,
					 "from_ms", (json_int_t)a->from_s * 1000, "to_ms",
					 (json_int_t)a->to_s * 1000, "after", after), &answer) < 0)
			return cli_fail("%s", cli_ask_error());
		json_array_foreach(json_object_get(answer, "usage"), i, row) {
			after = json_integer_value(json_object_get(row, "id"));
			json_object_del(row, "id");
			json_array_append(*ret_rows, row);
		}
		*ret_from = json_integer_value(json_object_get(answer, "from_ms"));
		*ret_to = json_integer_value(json_object_get(answer, "to_ms"));
		if (!json_is_true(json_object_get(answer, "more")))
			return CLI_OK;
	}
}

static double real_of(const json_t *row, const char *key)
{
	return json_number_value(json_object_get(row, key));
}

static int print_csv(const json_t *rows, bool by_node)
{
	bool has_cost = json_object_get(json_array_get(rows, 0), "cost");
	json_t *row;
	size_t i;

	printf("%s,node_seconds,cpu_seconds,byte_seconds%s\n", by_node ? "node,name" : "user",
	       has_cost ? ",cost" : "");
	json_array_foreach(rows, i, row) {
		if (by_node)
			printf("%lld,%s", (long long)json_integer_value(json_object_get(row, "node")),
			       json_string_value(json_object_get(row, "name")) ? : "");
		else
			printf("%s", json_string_value(json_object_get(row, "user")) ? : "");
		printf(",%.3f,%.6f,%.0f", real_of(row, "node_seconds"), real_of(row, "cpu_seconds"),
		       real_of(row, "byte_seconds"));
		if (has_cost)
			printf(",%.4f", real_of(row, "cost"));
		putchar('\n');
	}
	return fflush(stdout) ? CLI_FAILED : CLI_OK;
}

static void print_table(const json_t *rows, bool by_node)
{
	TABLE_CLEAN struct table t = { .color = cli.color };
	bool has_cost = json_object_get(json_array_get(rows, 0), "cost");
	json_t *row;
	size_t i;

	table_head(&t, by_node ? "NODE" : "USER", "NODE HOURS>", "CPU HOURS>", "GIB HOURS>",
		   has_cost ? "COST>" : NULL, NULL);
	json_array_foreach(rows, i, row) {
		if (by_node)
			table_cell(&t, 0, "%lld %s", (long long)json_integer_value(json_object_get(row, "node")),
				   json_string_value(json_object_get(row, "name")) ? : "");
		else
			table_cell(&t, 0, "%s", json_string_value(json_object_get(row, "user")) ? : "");
		table_cell(&t, 0, "%.4f", real_of(row, "node_seconds") / 3600);
		table_cell(&t, 0, "%.4f", real_of(row, "cpu_seconds") / 3600);
		table_cell(&t, 0, "%.4f", real_of(row, "byte_seconds") / 3600 / (1 << 30));
		if (has_cost)
			table_cell(&t, 0, "%.2f", real_of(row, "cost"));
	}
	table_print(&t, stdout);
}

static int usage_report(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "by", 'b', "user|node", 0, "What is added up (default: user)", 0 },
		{ "from", 'f', "TIME", 0, "From that hour on", 0 },
		{ "to", 't', "TIME", 0, "Until the end of that hour", 0 },
		{ "csv", 'c', NULL, 0, "Comma-separated values", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		.options = options, .parser = parse, .children = cli_json_option,
		.doc = "Show what users had of which nodes: node time by ticked nodes that served, CPU time and memory (R19).",
	};
	struct args a = { .by = "user" };
	json_auto_t *rows = NULL;
	json_int_t from = 0, to = 0;
	bool by_node;
	int rc;

	cli_parse(&argp, argc, argv, &a);
	rc = ask_pages(&a, &rows, &from, &to);
	if (rc)
		return rc;
	by_node = !strcmp(a.by, "node");
	if (cli.json)
		return cli_json(json_pack("{s:s, s:I, s:I, s:O}", "by", a.by, "from_ms", from, "to_ms", to,
					  "usage", rows));
	if (a.is_csv)
		return print_csv(rows, by_node);
	print_table(rows, by_node);
	return CLI_OK;
}

int cmd_usage(int argc, char **argv)
{
	static const struct cli_cmd verbs[] = {
		{ "report", usage_report, "by user or by node, for a period" },
		{ NULL, NULL, NULL }
	};

	return cli_verbs("usage", verbs, argc, argv);
}
