// SPDX-License-Identifier: GPL-2.0-or-later
/* node token, join, drain, undrain, remove: who is a member of the cluster. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "cmd.h"

#define EXPIRES_MAX (365 * 24 * 3600)

struct args {
	const char *token, *name, *address;
	uint64_t expires_s, id;
};

static const struct argp_option token_options[] = {
	{ "expires", 'e', "TIME", 0, "Valid so long: seconds, or 30m, 12h, 7d; default 1h", 0 },
	{ 0 }
};

static const struct argp_option join_options[] = {
	{ "name", 'n', "NAME", 0, "Name of this node; default: as configured", 0 },
	{ "address", 'a', "ADDRESS", 0, "Where the others reach this node; default: as configured", 0 },
	{ 0 }
};

/* "90", "30m", "12h", "7d" in seconds; 0 = none of these. */
static uint64_t seconds(const char *text)
{
	static const char units[] = "smhd";
	static const uint64_t factors[] = { 1, 60, 3600, 86400 };
	const char *unit;
	char *end;
	uint64_t n;

	if (*text < '0' || *text > '9')
		return 0;
	n = strtoull(text, &end, 10);
	unit = *end ? strchr(units, *end) : units;
	if (!unit || (*end && end[1]) || n > EXPIRES_MAX)
		return 0;
	n *= factors[unit - units];
	return n <= EXPIRES_MAX ? n : 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case 'e':
		a->expires_s = seconds(arg);
		if (!a->expires_s)
			argp_error(state, "'%s' is no time from 1 second to 365d", arg);
		return 0;
	case 'n':
		a->name = arg;
		return 0;
	case 'a':
		a->address = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (a->token)
			return ARGP_ERR_UNKNOWN;
		a->token = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse_id(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	if (key == ARGP_KEY_END && !a->id)
		argp_error(state, "give the node's id");
	if (key != ARGP_KEY_ARG || a->id)
		return ARGP_ERR_UNKNOWN;
	a->id = cli_number_arg(state, "ID", arg, 1, INT32_MAX);
	return 0;
}

int cmd_node_token(int argc, char **argv)
{
	static const struct argp argp = {
		.options = token_options, .parser = parse, .children = cli_json_option,
		.doc = "Print a token with which one node can join, once. Treat it as a password.",
	};
	struct args a = { .expires_s = 3600 };
	json_auto_t *answer = NULL;
	int rc;

	cli_parse(&argp, argc, argv, &a);
	if (a.token) {
		cli_fail("token takes no argument.");
		return CLI_USAGE;
	}
	rc = cli_do(json_pack("{s:s, s:I}", "do", "node.token", "expires_s", (json_int_t)a.expires_s), &answer);
	if (rc)
		return rc;
	if (cli.json)
		return cli_json(json_incref(answer));
	puts(json_string_value(json_object_get(answer, "token")));
	return CLI_OK;
}

int cmd_node_join(int argc, char **argv)
{
	static const struct argp argp = {
		.options = join_options, .parser = parse, .args_doc = "TOKEN",
		.children = cli_json_option,
		.doc = "Make this node a member of the cluster that TOKEN is of.",
	};
	struct args a = { .token = NULL };
	json_auto_t *answer = NULL;
	int rc;

	cli_parse(&argp, argc, argv, &a);
	if (!a.token) {
		cli_fail("give the token that 'hyperchain node token' printed on a member.");
		return CLI_USAGE;
	}
	rc = cli_do(json_pack("{s:s, s:s, s:s*, s:s*}", "do", "node.join", "token", a.token, "name", a.name,
			   "address", a.address), &answer);
	if (rc)
		return rc;
	if (cli.json)
		return cli_json(json_incref(answer));
	printf("This is node %lld of the cluster %s now.\n",
	       (long long)json_integer_value(json_object_get(answer, "id")),
	       json_string_value(json_object_get(answer, "name")));
	return CLI_OK;
}

int cmd_node_remove(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse_id, .args_doc = "ID", .children = cli_json_option,
		.doc = "Take a node out of the cluster. Its keys are never accepted again; with a new token it can join as a new node.",
	};
	struct args a = { .id = 0 };
	json_auto_t *answer = NULL;
	int rc;

	cli_parse(&argp, argc, argv, &a);
	rc = cli_do(json_pack("{s:s, s:I}", "do", "node.remove", "id", (json_int_t)a.id), &answer);
	if (rc)
		return rc;
	if (cli.json)
		return cli_json(json_pack("{s:I}", "id", (json_int_t)a.id));
	printf("Node %llu was removed.\n", (unsigned long long)a.id);
	return CLI_OK;
}

static int set_drained(int argc, char **argv, const struct argp *argp, bool is_drained)
{
	struct args a = { .id = 0 };
	json_auto_t *answer = NULL;
	int rc;

	cli_parse(argp, argc, argv, &a);
	rc = cli_do(json_pack("{s:s, s:I, s:b}", "do", "node.drain", "id", (json_int_t)a.id,
			      "drain", (int)is_drained), &answer);
	if (rc)
		return rc;
	if (cli.json)
		return cli_json(json_pack("{s:I, s:b}", "id", (json_int_t)a.id, "drained",
					  (int)is_drained));
	printf(is_drained ? "Node %llu is drained: it gets nothing new.\n" :
	       "Node %llu takes part again.\n", (unsigned long long)a.id);
	return CLI_OK;
}

int cmd_node_drain(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse_id, .args_doc = "ID", .children = cli_json_option,
		.doc = "Give a node nothing new and take away what can go: it is no candidate and no spare until 'node undrain'.",
	};

	return set_drained(argc, argv, &argp, true);
}

int cmd_node_undrain(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse_id, .args_doc = "ID", .children = cli_json_option,
		.doc = "Let a drained node take part again.",
	};

	return set_drained(argc, argv, &argp, false);
}
