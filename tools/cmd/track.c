// SPDX-License-Identifier: GPL-2.0-or-later
/* track, untrack: a cgroup becomes (part of) an environment, or ends to be. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cgroup.h"
#include "cli.h"
#include "cmd.h"
#include "daemon/policy/env.h"
#include "format.h"

#define CGROUP_ROOT "/sys/fs/cgroup/"

enum { OPT_ENV = 'e', OPT_NODES = 'N', OPT_QUOTA = 'q', OPT_REPLICAS = 'r' };

struct args {
	const char *given;
	const char *env;
	uint32_t nodes[HC_ENV_DONORS_MAX];
	int nr_nodes;
	uint64_t quota;
	uint8_t replicas;
	bool has_quota, is_track;
	char path[PATH_MAX];
	uint64_t cgroup;
};

static void parse_nodes(struct args *a, const char *arg, struct argp_state *state)
{
	a->nr_nodes = id_list_parse(arg, a->nodes, HC_ENV_DONORS_MAX);
	if (a->nr_nodes == -E2BIG)
		argp_error(state, "An environment has at most %d nodes.", HC_ENV_DONORS_MAX);
	if (a->nr_nodes == -EEXIST)
		argp_error(state, "A node is named twice in \"%s\".", arg);
	if (a->nr_nodes < 0)
		argp_error(state, "\"%s\" is not a list of node ids such as 2,3 or 2-4.", arg);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case OPT_ENV:
		if (!*arg || strlen(arg) > HC_NAME_LEN)
			argp_error(state, "A name has 1 to %d bytes.", HC_NAME_LEN);
		a->env = arg;
		return 0;
	case OPT_NODES:
		parse_nodes(a, arg, state);
		return 0;
	case OPT_QUOTA:
		a->quota = strcmp(arg, "none") ? cli_size_arg(state, arg) : 0;
		a->has_quota = true;
		return 0;
	case OPT_REPLICAS:
		a->replicas = cli_number_arg(state, "The number of copies", arg, 1, HC_REPLICAS_MAX);
		return 0;
	case ARGP_KEY_ARG:
		if (!a->is_track || a->given)
			return ARGP_ERR_UNKNOWN;
		a->given = arg;
		return 0;
	case ARGP_KEY_END:
		if (a->is_track && !a->given)
			argp_error(state, "Which cgroup? Give its path, such as /sys/fs/cgroup/work.");
		if (!a->env)
			argp_error(state, "Which environment? Give --env NAME.");
		if (a->is_track && a->nr_nodes <= 0)
			argp_error(state, "Whose memory may it use? Give --nodes 2,3.");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* A path in the cgroup v2 tree, absolute or below its root; also its id. */
static int find_cgroup(struct args *a)
{
	char guess[PATH_MAX];
	int r;

	snprintf(guess, sizeof(guess), "%s%s", a->given[0] == '/' ? "" : CGROUP_ROOT, a->given);
	if (!realpath(guess, a->path))
		return cli_fail("There is no cgroup %s: %m.", guess);
	r = hcnl_cgroup_id(a->path, &a->cgroup);
	if (r == -EMEDIUMTYPE)
		return cli_fail("%s is not in a cgroup v2 tree: hyperchain needs the unified hierarchy (systemd.unified_cgroup_hierarchy=1).",
				a->path);
	if (r < 0)
		return cli_fail("%s is not a cgroup: %s.", a->path, strerror(-r));
	return CLI_OK;
}

struct envs {
	struct hcnl_env *list;
	size_t n;
};

static void envs_free(struct envs *envs)
{
	free(envs->list);
}

static const struct hcnl_env *env_by_name(const struct envs *envs, const char *name)
{
	for (size_t i = 0; i < envs->n; i++)
		if (!strcmp(envs->list[i].name, name))
			return &envs->list[i];
	return NULL;
}

static bool is_taken(uint32_t id, void *arg)
{
	const struct envs *envs = arg;

	for (size_t i = 0; i < envs->n; i++)
		if (envs->list[i].id == id)
			return true;
	return false;
}

/* ---- track ---------------------------------------------------------------- */

static int track_plan(struct hcnl *h, const struct args *a)
{
	char quota[FORMAT_LEN];
	struct hcnl_node node;

	if (cli.json) {
		json_t *nodes = json_array();

		for (int i = 0; i < a->nr_nodes; i++)
			json_array_append_new(nodes, json_integer(a->nodes[i]));
		return cli_json(json_pack("{s:b s:s s:s s:o s:I s:i}", "dry_run", 1, "cgroup", a->path, "env",
					  a->env, "nodes", nodes, "quota", (json_int_t)a->quota, "replicas",
					  a->replicas));
	}
	if (hcnl_node_get(h, &node) < 0)
		return cli_fail("%s", hcnl_error(h));
	printf("Would let %s use %s of other nodes' memory as environment \"%s\":\n", a->path,
	       a->quota ? size_format(a->quota, quota) : "any amount", a->env);
	for (int i = 0; i < a->nr_nodes; i++) {
		struct hcnl_peer peer;
		char buf[FORMAT_LEN];

		if (a->nodes[i] == node.id)
			printf("  node %u: this one; its own memory comes first anyway\n", a->nodes[i]);
		else if (hcnl_peer_get(h, a->nodes[i], &peer) < 0)
			printf("  node %u: not a peer yet\n", a->nodes[i]);
		else
			printf("  node %u: %s, would lend %s\n", a->nodes[i],
			       hcnl_peer_state_name(peer.state), size_format(peer.free, buf));
	}
	return CLI_OK;
}

/* No daemon: bind in this module; donors then know no limit for it but their pool's. */
static int track_here(struct hcnl *h, const struct args *a)
{
	__attribute__((cleanup(envs_free))) struct envs envs = { 0 };
	struct hcnl_env_set set = {
		.name = a->env, .set_quota = a->has_quota, .quota = a->quota,
		.set_replicas = a->replicas > 0, .replicas = a->replicas,
		.set_donors = true, .donors = a->nodes, .nr_donors = a->nr_nodes,
	};
	const struct hcnl_env *old;
	int r;

	if (hcnl_env_list(h, &envs.list, &envs.n) < 0)
		return cli_fail("%s", hcnl_error(h));
	old = env_by_name(&envs, a->env);
	set.id = old ? old->id : hcd_env_id(a->env, is_taken, &envs);
	if (!set.id)
		return cli_fail("All %d environments are taken: untrack one first.", HC_ENVS_MAX);
	r = old ? hcnl_env_set(h, &set) : hcnl_env_add(h, &set);
	if (r < 0)
		return cli_fail("%s", hcnl_error(h));
	r = hcnl_swapmax_allow(a->path);
	if (r < 0)
		cli_note("memory.swap.max above %s could not be opened: %s.", a->path, strerror(-r));
	r = hcnl_cgroup_bind(h, set.id, a->cgroup);
	if (r < 0 && r != -EALREADY) {
		cli_fail("%s", hcnl_error(h));
		if (!old)
			hcnl_env_del(h, set.id);
		return CLI_FAILED;
	}
	cli_note("no daemon is running: this holds until the module is unloaded.");
	return CLI_OK;
}

static json_t *track_request(const struct args *a)
{
	json_t *nodes = json_array(), *req;

	for (int i = 0; i < a->nr_nodes; i++)
		json_array_append_new(nodes, json_integer(a->nodes[i]));
	req = json_pack("{s:s s:s s:s s:o s:I}", "do", "track", "cgroup", a->path, "env", a->env, "nodes",
			nodes, "quota", (json_int_t)a->quota);
	if (a->replicas)
		json_object_set_new(req, "replicas", json_integer(a->replicas));
	return req;
}

int cmd_track(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "env", OPT_ENV, "NAME", 0, "Environment: its cgroups share nodes and quota", 0 },
		{ "nodes", OPT_NODES, "IDS", 0, "Nodes whose memory it may use, such as 2,3", 0 },
		{ "quota", OPT_QUOTA, "SIZE", 0,
		  "At most this much, each page counted once; \"none\" (default) is no limit", 0 },
		{ "replicas", OPT_REPLICAS, "N", 0, "Copies of each page: 1 or 2 (default 2)", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		.options = options, .parser = parse, .args_doc = "CGROUP",
		.doc = "Let the processes in CGROUP, and below it, use other nodes' memory.",
		.children = cli_change_options,
	};
	struct args a = { .is_track = true };
	HCNL_CLEAN struct hcnl *h = NULL;
	int r;

	cli_parse(&argp, argc, argv, &a);
	if (find_cgroup(&a) || cli_open(&h))
		return CLI_FAILED;
	if (cli.dry_run)
		return track_plan(h, &a);
	r = cli_ask(h, track_request(&a), NULL);
	if (r == -ENOTCONN) {
		if (track_here(h, &a))
			return CLI_FAILED;
	} else if (r < 0) {
		return cli_fail("%s", cli_ask_error());
	}
	if (cli.json)
		return cli_json(json_pack("{s:b s:s s:s}", "ok", 1, "env", a.env, "cgroup", a.path));
	printf("%s is environment \"%s\" now; \"hyperchain env show %s\" tells how it does.\n", a.path, a.env,
	       a.env);
	return CLI_OK;
}

/* ---- untrack -------------------------------------------------------------- */

static int untrack_here(struct hcnl *h, const struct args *a)
{
	__attribute__((cleanup(envs_free))) struct envs envs = { 0 };
	const struct hcnl_env *env;
	char buf[FORMAT_LEN];
	uint64_t used;

	if (hcnl_env_list(h, &envs.list, &envs.n) < 0)
		return cli_fail("%s", hcnl_error(h));
	env = env_by_name(&envs, a->env);
	if (!env)
		return cli_fail("There is no environment \"%s\"; \"hyperchain env list\" tells which there are.",
				a->env);
	if (cli.dry_run) {
		if (!cli.json)
			printf("Would unbind %zu cgroups and remove \"%s\", which has %s swapped out.\n",
			       env->nr_cgroups, a->env, size_format(env->used, buf));
		return CLI_OK;
	}
	if (hcnl_env_withdraw(h, env->id, &used) < 0)
		return cli_fail("%s", hcnl_error(h));
	if (used && !cli.json)
		printf("%s of \"%s\" are still with other nodes, safe until its programs end.\n",
		       size_format(used, buf), a->env);
	return CLI_OK;
}

int cmd_untrack(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "env", OPT_ENV, "NAME", 0, "Environment to remove", 0 }, { 0 }
	};
	static const struct argp argp = {
		.options = options, .parser = parse,
		.doc = "End an environment: its cgroups use no other node's memory any more.",
		.children = cli_change_options,
	};
	HCNL_CLEAN struct hcnl *h = NULL;
	struct args a = { 0 };
	int r;

	cli_parse(&argp, argc, argv, &a);
	if (cli_open(&h))
		return CLI_FAILED;
	if (cli.dry_run) {
		if (untrack_here(h, &a))
			return CLI_FAILED;
		return cli.json ? cli_json(json_pack("{s:b s:s}", "dry_run", 1, "env", a.env)) : CLI_OK;
	}
	r = cli_ask(h, json_pack("{s:s s:s}", "do", "untrack", "env", a.env), NULL);
	if (r == -ENOTCONN) {
		if (untrack_here(h, &a))
			return CLI_FAILED;
	} else if (r < 0) {
		return cli_fail("%s", cli_ask_error());
	}
	if (cli.json)
		return cli_json(json_pack("{s:b s:s}", "ok", 1, "env", a.env));
	printf("Environment \"%s\" is gone.\n", a.env);
	return CLI_OK;
}
