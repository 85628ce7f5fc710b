// SPDX-License-Identifier: GPL-2.0-or-later
/* hyperchain: one table of nouns. */
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "cmd/cmd.h"
#include "table.h"

static int cmd_help(int argc, char **argv);

static const struct cli_cmd nouns[] = {
	{ "cluster",	cmd_cluster,	"init, show, events, backup, restore, recover" },
	{ "config",	cmd_config,	"the rules' thresholds, for the whole cluster: show, set" },
	{ "node",	cmd_node,	"the machines: show, list, token, join, remove" },
	{ "peer",	cmd_peer,	"other nodes to connect to: add, del, list" },
	{ "memory",	cmd_memory,	"lend and borrow: show, donate, drain, swap" },
	{ "track",	cmd_track,	"let a cgroup use other nodes' memory" },
	{ "untrack",	cmd_untrack,	"end that" },
	{ "env",	cmd_env,	"environments: create, list, show, start, stop, resize, exec, del" },
	{ "vnc",	cmd_vnc,	"how to reach an environment's desktop" },
	{ "migrate",	cmd_migrate,	"move a running program to another node" },
	{ "process",	cmd_process,	"programs that have moved: list, show, accept, resolve" },
	{ "job",	cmd_job,	"programs that begin when a node is free: submit, list, show, stop" },
	{ "user",	cmd_user,	"who has which nodes: list, show, add, del, request, candidates, pick, select, deselect" },
	{ "panel",	cmd_panel,	"a user's nodes, live, with boxes to tick" },
	{ "usage",	cmd_usage,	"what users had of which nodes: report" },
	{ "load",	cmd_load,	"the load of a node or a user over time, also as a picture" },
	{ "metrics",	cmd_metrics,	"the cluster in figures, for Prometheus" },
	{ "events",	cmd_events,	"what the cluster decided, and what the module tells" },
	{ "explain",	cmd_explain,	"why the cluster decided something" },
	{ "top",	cmd_top,	"the memories of the nodes, live" },
	{ "simulate",	cmd_simulate,	"what the rules would decide, without a cluster" },
	{ "version",	cmd_version,	"versions of program, module and daemon" },
	{ "help",	cmd_help,	"this list, or the verbs of one command" },
	{ NULL, NULL, NULL }
};

static void usage(FILE *out)
{
	TABLE_CLEAN struct table t = { .indent = 2, .color = out == stdout && cli.color };

	fputs("usage: hyperchain COMMAND [VERB] [OPTION...]\n\n", out);
	table_head(&t, "", "", NULL);
	for (const struct cli_cmd *c = nouns; c->name; c++) {
		table_cell(&t, TABLE_BOLD, "%s", c->name);
		table_cell(&t, 0, "%s", c->help);
	}
	table_print(&t, out);
	fputs("\nEvery command answers --help, and --json where it shows something. See hyperchain(8).\n", out);
}

static int run(int argc, char **argv)
{
	static char name[64];

	for (const struct cli_cmd *c = nouns; c->name; c++)
		if (!strcmp(argv[0], c->name)) {
			snprintf(name, sizeof(name), "hyperchain %s", c->name);
			argv[0] = name;
			return c->run(argc, argv);
		}
	fprintf(stderr, "hyperchain: there is no command \"%s\".\n\n", argv[0]);
	usage(stderr);
	return CLI_USAGE;
}

static int cmd_help(int argc, char **argv)
{
	char option[] = "--help";
	char *ask[3] = { argc > 1 ? argv[1] : NULL, option };

	if (argc > 1 && strcmp(argv[1], "help") && argv[1][0] != '-')
		return run(2, ask);
	usage(stdout);
	return CLI_OK;
}

int main(int argc, char **argv)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	bool wants = !(no_color && *no_color) && term && strcmp(term, "dumb");

	setlocale(LC_CTYPE, "");
	cli.color = wants && isatty(STDOUT_FILENO);
	cli.color_err = wants && isatty(STDERR_FILENO);
	if (argc < 2) {
		usage(stderr);
		return CLI_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "-?")) {
		usage(stdout);
		return CLI_OK;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		puts("hyperchain " HC_VERSION);
		return CLI_OK;
	}
	return run(argc - 1, argv + 1);
}
