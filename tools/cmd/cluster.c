// SPDX-License-Identifier: GPL-2.0-or-later
/* cluster init, show, events, backup, restore, recover. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "cmd.h"
#include "table.h"

struct args {
	const char *name, *address, *encrypt, *path;
	bool yes, discard;
};

static const struct argp_option init_options[] = {
	{ "encrypt", 'e', "HOW", 0, "Between the nodes: wireguard (default), or none on a network that you trust", 0 },
	{ "address", 'a', "ADDRESS", 0, "Where the others reach this node; default: as configured", 0 },
	{ 0 }
};

static const struct argp_option recover_options[] = {
	{ "yes", 'y', NULL, 0, "What is lost is understood", 0 },
	{ "discard-log", 'd', NULL, 0, "Put this node's damaged log aside, and copy it from the others", 0 },
	{ 0 }
};

static const struct argp_option restore_options[] = {
	{ "yes", 'y', NULL, 0, "What is lost is understood", 0 },
	{ 0 }
};

static error_t parse_name(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	if (key == 'a')
		a->address = arg;
	else if (key == 'e')
		a->encrypt = arg;
	else if (key == ARGP_KEY_ARG && !a->name)
		a->name = arg;
	else
		return ARGP_ERR_UNKNOWN;
	return 0;
}

static error_t parse_path(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case 'y':
		a->yes = true;
		return 0;
	case 'd':
		a->discard = true;
		return 0;
	case ARGP_KEY_ARG:
		if (a->path)
			return ARGP_ERR_UNKNOWN;
		a->path = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int cluster_init(int argc, char **argv)
{
	static const struct argp argp = {
		.options = init_options, .parser = parse_name, .args_doc = "[NAME]",
		.doc = "Begin a cluster with this node alone. Others join it by 'hyperchain node token' here and 'hyperchain node join' there.",
		.children = cli_json_option,
	};
	struct args a = { .name = NULL };
	json_auto_t *answer = NULL;
	json_t *req;
	int rc;

	cli_parse(&argp, argc, argv, &a);
	req = json_pack("{s:s, s:s*, s:s*, s:s*}", "do", "cluster.init", "name", a.name, "address",
			a.address, "encrypt", a.encrypt);
	rc = cli_do(req, &answer);
	if (rc)
		return rc;
	if (cli.json)
		return cli_json(json_incref(answer));
	printf("The cluster %s has begun; this is node %lld.\n",
	       json_string_value(json_object_get(answer, "name")),
	       (long long)json_integer_value(json_object_get(answer, "id")));
	return CLI_OK;
}

static int cluster_show(int argc, char **argv)
{
	static const struct argp argp = { .doc = "Show the cluster as this node sees it.",
					  .children = cli_json_option };
	TABLE_CLEAN struct table t = { .color = cli.color };
	json_auto_t *answer = NULL;
	json_t *cluster, *v;
	const char *key;
	int rc;

	cli_parse(&argp, argc, argv, NULL);
	rc = cli_do(json_pack("{s:s}", "do", "cluster.show"), &answer);
	if (rc)
		return rc;
	if (cli.json)
		return cli_json(json_incref(answer));
	cluster = json_object_get(answer, "cluster");
	table_head(&t, "", "", NULL);
	json_object_foreach(cluster, key, v) {
		bool is_bad = !strcmp(key, "warning") ||
			      (!strcmp(key, "controller") && !json_integer_value(v)) || json_is_false(v);

		table_cell(&t, 0, "%s", key);
		if (json_is_integer(v))
			table_cell(&t, is_bad ? TABLE_YELLOW : 0, "%lld", (long long)json_integer_value(v));
		else if (json_is_boolean(v))
			table_cell(&t, is_bad ? TABLE_YELLOW : 0, "%s", json_is_true(v) ? "yes" : "no");
		else
			table_cell(&t, is_bad ? TABLE_YELLOW : 0, "%s", json_string_value(v) ? : "-");
	}
	table_print(&t, stdout);
	return CLI_OK;
}

static int cluster_events(int argc, char **argv)
{
	static const struct argp argp = {
		.doc = "List what the cluster decided, oldest first.", .children = cli_json_option,
	};
	HCNL_CLEAN struct hcnl *h = NULL;
	json_auto_t *rows = NULL;
	json_t *row;
	size_t i;

	cli_parse(&argp, argc, argv, NULL);
	h = cli_try_open();
	if (cli_ask_list(h, CLI_ASK_MS, "decision.list", "decisions", &rows) < 0)
		return cli_fail("%s", cli_ask_error());
	if (cli.json)
		return cli_json(json_pack("{s:O}", "decisions", rows));
	json_array_foreach(rows, i, row) {
		time_t at = json_integer_value(json_object_get(row, "at_ms")) / 1000;
		const char *rule = json_string_value(json_object_get(row, "rule"));
		char when[32] = "";
		struct tm tm;

		if (localtime_r(&at, &tm))
			strftime(when, sizeof(when), "%F %T", &tm);
		printf("%s  %-4s %s\n", when, rule && *rule ? rule : "-",
		       json_string_value(json_object_get(row, "text")) ? : "");
	}
	return CLI_OK;
}

/* The daemon writes and reads the file: it wants the whole path. */
static int whole_path(const char *path, char ret[PATH_MAX])
{
	char cwd[PATH_MAX];

	if (path[0] == '/')
		return snprintf(ret, PATH_MAX, "%s", path) < PATH_MAX ? 0 : -1;
	if (!realpath(".", cwd))
		return -1;
	return snprintf(ret, PATH_MAX, "%s/%s", cwd, path) < PATH_MAX ? 0 : -1;
}

static int with_path(const char *what, const char *path, const char *number, const char *done)
{
	json_auto_t *answer = NULL;
	char whole[PATH_MAX];
	int rc;

	if (!path) {
		cli_fail("give the file's name.");
		return CLI_USAGE;
	}
	if (whole_path(path, whole) < 0)
		return cli_fail("The path %s is too long.", path);
	rc = cli_do(json_pack("{s:s, s:s}", "do", what, "path", whole), &answer);
	if (rc)
		return rc;
	if (cli.json)
		return cli_json(json_incref(answer));
	printf("%s %lld.\n", done, (long long)json_integer_value(json_object_get(answer, number)));
	return CLI_OK;
}

static int cluster_backup(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse_path, .args_doc = "FILE", .children = cli_json_option,
		.doc = "Write what the cluster agreed on into FILE. Keep it as secret as a key.",
	};
	struct args a = { .path = NULL };

	cli_parse(&argp, argc, argv, &a);
	return with_path("cluster.backup", a.path, "bytes", "Written, bytes:");
}

static int cluster_restore(int argc, char **argv)
{
	static const struct argp argp = {
		.options = restore_options, .parser = parse_path, .args_doc = "FILE",
		.children = cli_json_option,
		.doc = "Begin the cluster anew on this node, with what a backup holds. What was decided after that backup is lost, on every node.",
	};
	struct args a = { .path = NULL };

	cli_parse(&argp, argc, argv, &a);
	if (!a.yes)
		return cli_fail("What the cluster decided after that backup is lost for good, on all nodes. If that is meant, add --yes.");
	return with_path("cluster.restore", a.path, "incarnation",
			 "The cluster begins anew with the backup, as incarnation");
}

static int cluster_recover(int argc, char **argv)
{
	static const struct argp argp = {
		.options = recover_options, .parser = parse_path, .children = cli_json_option,
		.doc = "When most voters are lost for good: begin the cluster anew on this node, with what it knows.",
	};
	json_auto_t *answer = NULL;
	struct args a = { .path = NULL };
	int rc;

	cli_parse(&argp, argc, argv, &a);
	if (a.path) {
		cli_fail("recover takes no argument.");
		return CLI_USAGE;
	}
	if (!a.yes && !a.discard)
		return cli_fail("Decisions that this node has not seen are lost for good. Be sure that the missing voters do not run somewhere without a network to here, then add --yes.");
	rc = cli_do(json_pack("{s:s, s:b}", "do", "cluster.recover", "discard_log", (int)a.discard), &answer);
	if (rc)
		return rc;
	if (cli.json)
		return cli_json(json_incref(answer));
	printf(a.discard ? "The damaged log was put aside; it is copied from the other nodes (incarnation %lld).\n" :
	       "The cluster begins anew on this node, as incarnation %lld.\n",
	       (long long)json_integer_value(json_object_get(answer, "incarnation")));
	return CLI_OK;
}

int cmd_cluster(int argc, char **argv)
{
	static const struct cli_cmd verbs[] = {
		{ "init", cluster_init, "begin a cluster with this node" },
		{ "show", cluster_show, "the cluster, its controller, what is wrong" },
		{ "events", cluster_events, "what was decided" },
		{ "backup", cluster_backup, "write what was agreed on into a file" },
		{ "restore", cluster_restore, "begin anew with a backup" },
		{ "recover", cluster_recover, "begin anew when most voters are lost" },
		{ NULL, NULL, NULL }
	};

	return cli_verbs("cluster", verbs, argc, argv);
}
