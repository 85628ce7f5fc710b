// SPDX-License-Identifier: GPL-2.0-or-later
/* user: who has which nodes. add, del, list, show, request, candidates, pick, select, deselect. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "cmd.h"
#include "table.h"

#define NODES_MAX	256

struct args {
	const char *user;
	json_t *nodes, *amounts;
	bool takes_nodes, takes_amounts, is_user_optional;
};

enum {
	OPT_UNITS = 'u', OPT_CPUS = 'c', OPT_MEMORY = 'm', OPT_STORAGE = 's',
	OPT_DAY = 0x100, OPT_WEEK, OPT_JOBS = 'J'
};

static const struct { int key; const char *name; } amounts[] = {
	{ OPT_UNITS, "units" }, { OPT_CPUS, "cpus" }, { OPT_MEMORY, "memory_gib" },
	{ OPT_STORAGE, "storage_gib" }, { OPT_DAY, "hours_per_day" }, { OPT_WEEK, "hours_per_week" },
	{ OPT_JOBS, "jobs_per_hour" },
};

static void take_amount(struct argp_state *state, struct args *a, const char *name, const char *arg)
{
	char *end;
	double x = strtod(arg, &end);

	if (end == arg || *end || !(x >= 0 && x <= 4e9))
		argp_error(state, "\"%s\" is no number from 0 on.", arg);
	json_object_set_new(a->amounts, name, json_real(x));
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	for (size_t i = 0; a->takes_amounts && i < sizeof(amounts) / sizeof(amounts[0]); i++) {
		if (amounts[i].key == key) {
			take_amount(state, a, amounts[i].name, arg);
			return 0;
		}
	}
	switch (key) {
	case ARGP_KEY_ARG:
		if (!a->user)
			a->user = arg;
		else if (a->takes_nodes && json_array_size(a->nodes) < NODES_MAX)
			json_array_append_new(a->nodes, json_integer((json_int_t)cli_number_arg(
				state, "A node's id", arg, 1, INT32_MAX)));
		else
			return ARGP_ERR_UNKNOWN;
		return 0;
	case ARGP_KEY_END:
		if (!a->user && !a->is_user_optional)
			argp_error(state, "Which user?");
		if (a->takes_amounts && !json_object_size(a->amounts))
			argp_error(state, "How much? Give --units, --cpus, --memory, --storage, --hours-per-day, --hours-per-week or --jobs.");
		if (a->takes_nodes && !json_array_size(a->nodes))
			argp_error(state, "Which nodes? Give their ids.");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const char *text_of(const json_t *row, const char *key)
{
	return json_string_value(json_object_get(row, key)) ? : "";
}

static long long number_of(const json_t *row, const char *key)
{
	return (long long)json_integer_value(json_object_get(row, key));
}

/* Ids as "1, 2, 3". */
static void print_ids(const json_t *ids)
{
	json_t *v;
	size_t i;

	json_array_foreach(ids, i, v)
		printf("%s%lld", i ? ", " : "", (long long)json_integer_value(v));
	if (!json_array_size(ids))
		printf("none");
}

static void print_decision(const json_t *d)
{
	const char *action = text_of(d, "action"), *user = text_of(d, "user");
	const json_t *nodes = json_object_get(d, "nodes");

	if (!strcmp(action, "leader"))
		printf("%s %s: node %lld", cli.dry_run ? "Would lead" : "Leads", user, number_of(d, "to"));
	else if (nodes)
		printf("%s%s %s: nodes ", cli.dry_run ? "Would " : "", action, user);
	else
		printf("%s%s %s: node %lld", cli.dry_run ? "Would " : "", action, user, number_of(d, "node"));
	if (nodes)
		print_ids(nodes);
	printf(" (%s)\n", text_of(d, "why"));
}

static int wish(const char *what, const struct args *a, json_t **ret_answer)
{
	json_t *req = json_pack("{s:s, s:s, s:s*}", "do", "user.wish", "wish", what, "user", a->user);

	if (a->takes_nodes)
		json_object_set(req, "nodes", a->nodes);
	if (a->takes_amounts)
		json_object_set(req, "amounts", a->amounts);
	if (cli.dry_run)
		json_object_set_new(req, "dry_run", json_true());
	return cli_do(req, ret_answer);
}

/* A wish, and what came of it. @done: said when no decision is to be shown. */
static int run(const struct argp *argp, int argc, char **argv, const char *what, struct args *a,
	       const char *done)
{
	json_auto_t *answer = NULL, *nodes = json_array(), *numbers = json_object();
	json_t *d;
	size_t i;
	int rc;

	a->nodes = nodes;
	a->amounts = numbers;
	cli_parse(argp, argc, argv, a);
	rc = wish(what, a, &answer);
	if (rc)
		return rc;
	if (cli.json)
		return cli_json(json_incref(answer));
	if (done)
		printf("User %s %s %s.\n", a->user, cli.dry_run ? "would be" : "was", done);
	json_array_foreach(json_object_get(answer, "decisions"), i, d)
		print_decision(d);
	return CLI_OK;
}

static int user_add(int argc, char **argv)
{
	static const struct argp argp = { .parser = parse, .args_doc = "USER", .children = cli_change_options,
					  .doc = "Make a user known, without nodes yet." };
	struct args a = { 0 };

	return run(&argp, argc, argv, "add", &a, "added");
}

static int user_del(int argc, char **argv)
{
	static const struct argp argp = { .parser = parse, .args_doc = "USER", .children = cli_change_options,
					  .doc = "Forget a user and free all his nodes. His usage stays in the reports." };
	struct args a = { 0 };

	return run(&argp, argc, argv, "del", &a, "deleted");
}

static int user_request(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "units", OPT_UNITS, "N", 0, "Units; base_units of them are one node", 0 },
		{ "cpus", OPT_CPUS, "N", 0, "CPUs", 0 },
		{ "memory", OPT_MEMORY, "GIB", 0, "Memory", 0 },
		{ "storage", OPT_STORAGE, "GIB", 0, "Storage", 0 },
		{ "hours-per-day", OPT_DAY, "N", 0, "Hours of use a day", 0 },
		{ "hours-per-week", OPT_WEEK, "N", 0, "Hours of use a week", 0 },
		{ "jobs", OPT_JOBS, "N", 0, "Jobs an hour", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		.options = options, .parser = parse, .args_doc = "USER", .children = cli_change_options,
		.doc = "State what a user needs in all; nodes are chosen for it, and those held are kept (R15). Of several amounts the largest counts.",
	};
	struct args a = { .takes_amounts = true };

	return run(&argp, argc, argv, "request", &a, NULL);
}

static int user_pick(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse, .args_doc = "USER NODE...", .children = cli_change_options,
		.doc = "Give a user these nodes, too: the user's own choice among the candidates (R14).",
	};
	struct args a = { .takes_nodes = true };

	return run(&argp, argc, argv, "pick", &a, NULL);
}

static int user_select(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse, .args_doc = "USER NODE...", .children = cli_change_options,
		.doc = "Use exactly these of the user's nodes from now on (R17).",
	};
	struct args a = { .takes_nodes = true };

	return run(&argp, argc, argv, "select", &a, NULL);
}

/* The ticked ones without those that are named: a selection of the rest. */
static int user_deselect(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse, .args_doc = "USER NODE...", .children = cli_change_options,
		.doc = "Do not use these of the user's nodes for now: they drain, and stop counting (R17).",
	};
	json_auto_t *nodes = json_array(), *rest = json_array(), *shown = NULL, *answer = NULL;
	struct args a = { .takes_nodes = true, .nodes = nodes };
	json_t *row, *v;
	size_t i, k;
	int rc;

	cli_parse(&argp, argc, argv, &a);
	rc = cli_do(json_pack("{s:s, s:s}", "do", "user.show", "user", a.user), &shown);
	if (rc)
		return rc;
	json_array_foreach(json_object_get(json_object_get(shown, "user"), "nodes"), i, row) {
		bool is_named = false;

		json_array_foreach(nodes, k, v)
			is_named |= json_integer_value(v) == json_integer_value(json_object_get(row, "id"));
		if (!is_named && json_is_true(json_object_get(row, "ticked")) &&
		    json_is_true(json_object_get(row, "own")))
			json_array_append(rest, json_object_get(row, "id"));
	}
	if (!json_array_size(rest))
		return cli_fail("User %s would be left without a ticked node: at least one stays.", a.user);
	a.nodes = rest;
	rc = wish("select", &a, &answer);
	if (rc)
		return rc;
	if (cli.json)
		return cli_json(json_incref(answer));
	json_array_foreach(json_object_get(answer, "decisions"), i, row)
		print_decision(row);
	return CLI_OK;
}

static int user_candidates(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse, .args_doc = "USER", .children = cli_json_option,
		.doc = "List the nodes among which a user may pick (R14).",
	};
	HCNL_CLEAN struct hcnl *h = NULL;
	TABLE_CLEAN struct table t = { .color = cli.color };
	json_auto_t *answer = NULL, *nodes = NULL;
	struct args a = { 0 };
	json_t *ids, *row, *v;
	size_t i, k;
	int rc;

	cli_parse(&argp, argc, argv, &a);
	rc = wish("candidates", &a, &answer);
	if (rc)
		return rc;
	if (cli.json)
		return cli_json(json_incref(answer));
	ids = json_object_get(json_array_get(json_object_get(answer, "decisions"), 0), "nodes");
	h = cli_try_open();
	/* Inside an environment nodes have no names to be told. */
	if (cli_ask_list(h, CLI_ASK_MS, "node.list", "nodes", &nodes) < 0)
		nodes = json_array();
	table_head(&t, "ID>", "NAME", NULL);
	json_array_foreach(ids, i, v) {
		const char *name = "-";

		json_array_foreach(nodes, k, row)
			if (number_of(row, "id") == (long long)json_integer_value(v))
				name = text_of(row, "name");
		table_cell(&t, 0, "%lld", (long long)json_integer_value(v));
		table_cell(&t, 0, "%s", name);
	}
	table_print(&t, stdout);
	return CLI_OK;
}

static int user_list(int argc, char **argv)
{
	static const struct argp argp = { .doc = "List the users and what they hold.",
					  .children = cli_json_option };
	HCNL_CLEAN struct hcnl *h = NULL;
	TABLE_CLEAN struct table t = { .color = cli.color };
	json_auto_t *rows = NULL;
	json_t *row;
	size_t i;

	cli_parse(&argp, argc, argv, NULL);
	h = cli_try_open();
	if (cli_ask_list(h, CLI_ASK_MS, "user.list", "users", &rows) < 0)
		return cli_fail("%s", cli_ask_error());
	json_array_foreach(rows, i, row)
		json_object_del(row, "id");	/* where it stands in the list */
	if (cli.json)
		return cli_json(json_pack("{s:O}", "users", rows));
	table_head(&t, "USER", "UNITS>", "NODES>", "LEADER>", NULL);
	json_array_foreach(rows, i, row) {
		long long leader = (long long)json_integer_value(
			json_array_get(json_object_get(row, "leaders"), 0));

		table_cell(&t, 0, "%s", text_of(row, "name"));
		if (json_is_number(json_object_get(row, "units")))
			table_cell(&t, 0, "%g", json_number_value(json_object_get(row, "units")));
		else
			table_cell(&t, 0, "-");
		table_cell(&t, 0, "%lld", number_of(row, "allocated"));
		if (leader)
			table_cell(&t, 0, "%lld", leader);
		else
			table_cell(&t, 0, "-");
	}
	table_print(&t, stdout);
	return CLI_OK;
}

static const char *role_of(const json_t *row, const json_t *leaders, char *buf, size_t len)
{
	json_t *v;
	size_t i;

	json_array_foreach(leaders, i, v)
		if (json_integer_value(v) && json_integer_value(v) == json_integer_value(json_object_get(row, "id")))
			return "leader";
	if (json_object_get(row, "stands_in_for")) {
		snprintf(buf, len, "for node %lld", number_of(row, "stands_in_for"));
		return buf;
	}
	if (json_is_true(json_object_get(row, "lent")))
		return "lent";
	return json_is_true(json_object_get(row, "ticked")) ? "worker" : "-";
}

static int user_show(int argc, char **argv)
{
	static const struct argp argp = { .parser = parse, .args_doc = "[USER]", .children = cli_json_option,
					  .doc = "Show a user's nodes; inside an environment, its own user's." };
	TABLE_CLEAN struct table t = { .color = cli.color };
	struct args a = { .is_user_optional = true };
	json_auto_t *answer = NULL;
	json_t *user, *row;
	char buf[32];
	size_t i;
	int rc;

	cli_parse(&argp, argc, argv, &a);
	rc = cli_do(json_pack("{s:s, s:s*}", "do", "user.show", "user", a.user), &answer);
	if (rc)
		return rc;
	if (cli.json)
		return cli_json(json_incref(answer));
	user = json_object_get(answer, "user");
	table_head(&t, "ID>", "NAME", "STATE", "ALLOCATED", "TICKED", "ROLE", NULL);
	json_array_foreach(json_object_get(user, "nodes"), i, row) {
		const char *state = text_of(row, "state");

		table_cell(&t, 0, "%lld", number_of(row, "id"));
		table_cell(&t, 0, "%s", text_of(row, "name"));
		table_cell(&t, !strcmp(state, "live") ? TABLE_GREEN : TABLE_RED, "%s", state);
		table_cell(&t, 0, "%s", json_is_true(json_object_get(row, "own")) ? "yes" : "no");
		table_cell(&t, 0, "%s", json_is_true(json_object_get(row, "ticked")) ? "yes" : "no");
		table_cell(&t, 0, "%s", role_of(row, json_object_get(user, "leaders"), buf, sizeof(buf)));
	}
	table_print(&t, stdout);
	return CLI_OK;
}

int cmd_user(int argc, char **argv)
{
	static const struct cli_cmd verbs[] = {
		{ "list", user_list, "all users and what they hold" },
		{ "show", user_show, "one user's nodes" },
		{ "add", user_add, "make a user known" },
		{ "del", user_del, "forget a user, free his nodes" },
		{ "request", user_request, "state what a user needs in all" },
		{ "candidates", user_candidates, "nodes among which to pick" },
		{ "pick", user_pick, "give a user these nodes" },
		{ "select", user_select, "use exactly these nodes" },
		{ "deselect", user_deselect, "do not use these nodes for now" },
		{ NULL, NULL, NULL }
	};

	return cli_verbs("user", verbs, argc, argv);
}
