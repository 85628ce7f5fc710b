// SPDX-License-Identifier: GPL-2.0-or-later
/* process list, show, accept, resolve: programs that moved from or to this node. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attrs.h"
#include "cli.h"
#include "cmd.h"
#include "format.h"
#include "table.h"

static bool is_source(const struct hcnl_move *m)
{
	return m->state <= HC_MOVE_OVER;
}

static json_t *to_json(const struct hcnl_move *m)
{
	json_t *j = cli_json_of(hcnl_move_fields, m);

	json_object_set_new(j, "state", json_string(hcnl_move_state_name(m->state)));
	json_object_set_new(j, "role", json_string(is_source(m) ? "home" : "guest"));
	json_object_set_new(j, "move", json_sprintf("%016llx", (unsigned long long)m->id));
	return j;
}

static int process_list(int argc, char **argv)
{
	static const struct argp argp = {
		.doc = "List the programs that moved from or to this node.",
		.children = cli_json_option,
	};
	TABLE_CLEAN struct table t = { 0 };
	HCNL_CLEAN struct hcnl *h = NULL;
	struct hcnl_move *moves;
	char a[FORMAT_LEN];
	size_t n;

	cli_parse(&argp, argc, argv, NULL);
	if (cli_open(&h))
		return CLI_FAILED;
	if (hcnl_move_list(h, &moves, &n) < 0)
		return cli_fail("%s", hcnl_error(h));
	if (cli.json) {
		json_t *list = json_array();

		for (size_t i = 0; i < n; i++)
			json_array_append_new(list, to_json(&moves[i]));
		free(moves);
		return cli_json(json_pack("{s:o}", "processes", list));
	}
	t.color = cli.color;
	table_head(&t, "PID>", "NAME", "HERE", "NODE>", "STATE", "MEMORY>", "TO COME>", "THREADS>",
		   NULL);
	for (size_t i = 0; i < n; i++) {
		const struct hcnl_move *m = &moves[i];

		table_cell(&t, 0, "%u", m->pid);
		table_cell(&t, 0, "%s", m->comm);
		table_cell(&t, 0, "%s", is_source(m) ? "home" : "guest");
		table_cell(&t, 0, "%u", m->peer);
		table_cell(&t, m->state == HC_MOVE_DOUBT ? TABLE_RED : 0, "%s",
			   hcnl_move_state_name(m->state));
		table_cell(&t, 0, "%s", size_format(m->memory, a));
		table_cell(&t, 0, "%s", size_format(m->left, a));
		table_cell(&t, 0, "%u", m->nr_threads);
	}
	free(moves);
	if (!n)
		puts("No program has moved from or to this node.");
	else
		table_print(&t, stdout);
	return CLI_OK;
}

struct show_args {
	uint32_t pid;
	bool resume, drop;
};

enum { OPT_RESUME = 'r', OPT_DROP = 'd' };

static error_t parse_pid(int key, char *arg, struct argp_state *state)
{
	struct show_args *a = state->input;

	switch (key) {
	case OPT_RESUME:
		a->resume = true;
		return 0;
	case OPT_DROP:
		a->drop = true;
		return 0;
	case ARGP_KEY_ARG:
		if (a->pid)
			return ARGP_ERR_UNKNOWN;
		a->pid = cli_number_arg(state, "The process id", arg, 1, 1 << 22);
		return 0;
	case ARGP_KEY_END:
		if (!a->pid)
			argp_error(state, "Which process? Give its id.");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* The last one of this process. */
static int find(struct hcnl *h, uint32_t pid, struct hcnl_move *ret_move)
{
	struct hcnl_move *moves;
	bool found = false;
	size_t n;

	if (hcnl_move_list(h, &moves, &n) < 0)
		return cli_fail("%s", hcnl_error(h));
	for (size_t i = 0; i < n; i++)
		if (moves[i].pid == pid) {
			*ret_move = moves[i];
			found = true;
		}
	free(moves);
	if (!found)
		return cli_fail("Process %u has not moved from or to this node; \"hyperchain process list\" tells which have.",
				pid);
	return CLI_OK;
}

static int process_show(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse_pid, .args_doc = "PID", .doc = "Show where a program runs.",
		.children = cli_json_option,
	};
	HCNL_CLEAN struct hcnl *h = NULL;
	struct show_args a = { 0 };
	char b[FORMAT_LEN], c[FORMAT_LEN];
	struct hcnl_move m;

	cli_parse(&argp, argc, argv, &a);
	if (cli_open(&h) || find(h, a.pid, &m))
		return CLI_FAILED;
	if (cli.json)
		return cli_json(json_pack("{s:o}", "process", to_json(&m)));
	printf("%s (%u), %u threads: %s, %s node %u\n", m.comm, m.pid, m.nr_threads,
	       hcnl_move_state_name(m.state), is_source(&m) ? "moved to" : "came from", m.peer);
	printf("memory %s, of it still at the source %s; waited for memory %llu times\n",
	       size_format(m.memory, b), size_format(m.left, c), (unsigned long long)m.faults);
	if (is_source(&m) && m.stop_us)
		printf("stood still for %.1f ms\n", m.stop_us / 1000.0);
	if (m.reason[0])
		printf("%s\n", m.reason);
	return CLI_OK;
}

static int process_resolve(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "resume", OPT_RESUME, NULL, 0, "It goes on here: only if the other node surely does not run it", 0 },
		{ "drop", OPT_DROP, NULL, 0, "It lives at the other node", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		.options = options, .parser = parse_pid, .args_doc = "PID",
		.doc = "Decide a move of which the other node does not say whether it runs the program (state doubt); or stop one that has not been decided.",
		.children = cli_change_options,
	};
	HCNL_CLEAN struct hcnl *h = NULL;
	struct show_args a = { 0 };
	struct hcnl_move m;

	cli_parse(&argp, argc, argv, &a);
	if (a.resume == a.drop) {
		cli_fail("Say either --resume or --drop.");
		return CLI_USAGE;
	}
	if (cli_open(&h) || find(h, a.pid, &m))
		return CLI_FAILED;
	if (!cli.dry_run &&
	    hcnl_move_resolve(h, m.id, a.resume ? HC_MOVE_RESUME : HC_MOVE_DROP) < 0)
		return cli_fail("%s", hcnl_error(h));
	if (cli.json)
		return cli_json(json_pack("{s:b s:b s:I}", "ok", 1, "dry_run", cli.dry_run, "pid",
					  (json_int_t)a.pid));
	printf("%s process %u %s.\n", cli.dry_run ? "Would decide that" : "Decided:", a.pid,
	       a.resume ? "goes on here" : "lives at the other node");
	return CLI_OK;
}

/* What the daemon of this node knows of its service processes. */
static int process_tracked(int argc, char **argv)
{
	static const struct argp argp = {
		.doc = "List the service processes whose home is this node: those in cgroups that were handed over.",
		.children = cli_json_option,
	};
	TABLE_CLEAN struct table t = { 0 };
	HCNL_CLEAN struct hcnl *h = NULL;
	json_auto_t *all = json_array();
	json_int_t after = 0;
	bool more = true;
	json_t *row;
	size_t i;

	cli_parse(&argp, argc, argv, NULL);
	if (cli_open(&h))
		return CLI_FAILED;
	while (more) {
		json_auto_t *answer = NULL;

		if (cli_ask(h, json_pack("{s:s s:I}", "do", "process.tracked", "after", after), &answer) < 0)
			return cli_fail("%s", cli_ask_error());
		json_array_extend(all, json_object_get(answer, "processes"));
		after = json_integer_value(json_object_get(answer, "next"));
		more = json_is_true(json_object_get(answer, "more"));
	}
	if (cli.json)
		return cli_json(json_pack("{s:O}", "processes", all));
	if (!json_array_size(all)) {
		puts("No cgroup of a user, or of admin, has a process here (\"hyperchain track\").");
		return CLI_OK;
	}
	t.color = cli.color;
	table_head(&t, "PID>", "NAME", "USER", "NODE>", "LOAD>", "MOVES", NULL);
	json_array_foreach(all, i, row) {
		const json_t *load = json_object_get(row, "load");
		const char *why = json_string_value(json_object_get(row, "why"));

		table_cell(&t, 0, "%lld", (long long)json_integer_value(json_object_get(row, "pid")));
		table_cell(&t, 0, "%s", json_string_value(json_object_get(row, "name")) ? : "?");
		table_cell(&t, 0, "%s", json_string_value(json_object_get(row, "user")) ? : "?");
		table_cell(&t, 0, "%lld", (long long)json_integer_value(json_object_get(row, "node")));
		if (json_is_real(load))
			table_cell(&t, 0, "%.2f", json_real_value(load));
		else
			table_cell(&t, 0, "-");
		table_cell(&t, 0, "%s%s", why && *why ? "no: " : "yes", why ? why : "");
	}
	table_print(&t, stdout);
	return CLI_OK;
}

static error_t parse_accept(int key, char *arg, struct argp_state *state)
{
	int *accept = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		if (!strcmp(arg, "on"))
			*accept = 1;
		else if (!strcmp(arg, "off"))
			*accept = 0;
		else
			argp_error(state, "Say on or off.");
		return 0;
	case ARGP_KEY_END:
		if (*accept < 0)
			argp_error(state, "Say on or off.");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static int process_accept(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse_accept, .args_doc = "on|off",
		.doc = "May programs of the peers move to this node? On for members of a cluster, else off, when the module is loaded.",
		.children = cli_change_options,
	};
	HCNL_CLEAN struct hcnl *h = NULL;
	int accept = -1;

	cli_parse(&argp, argc, argv, &accept);
	if (cli_open(&h))
		return CLI_FAILED;
	if (!cli.dry_run && hcnl_move_accept(h, accept) < 0)
		return cli_fail("%s", hcnl_error(h));
	if (cli.json)
		return cli_json(json_pack("{s:b s:b s:b}", "ok", 1, "dry_run", cli.dry_run, "accepts",
					  accept));
	printf("Programs of the peers %s move here.\n", accept ? "may" : "may not");
	return CLI_OK;
}

int cmd_process(int argc, char **argv)
{
	static const struct cli_cmd verbs[] = {
		{ "list", process_list, "programs that moved from or to this node" },
		{ "show", process_show, "one of them" },
		{ "tracked", process_tracked, "service processes that the rules may move" },
		{ "accept", process_accept, "let programs of the peers come, or not" },
		{ "resolve", process_resolve, "decide a move that is in doubt" },
		{ NULL, NULL, NULL }
	};

	return cli_verbs("process", verbs, argc, argv);
}
