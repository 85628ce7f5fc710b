// SPDX-License-Identifier: GPL-2.0-or-later
/* env list, env show: environments, as the module accounts them. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "cmd.h"
#include "format.h"
#include "table.h"

static const char *nodes_text(const struct hcnl_env *e, char *buf, size_t len)
{
	size_t at = 0;

	buf[0] = 0;
	for (size_t i = 0; i < e->nr_donors && at < len; i++)
		at += snprintf(buf + at, len - at, "%s%u", i ? "," : "", e->donors[i]);
	return buf;
}

static int env_list(int argc, char **argv)
{
	static const struct argp argp = {
		.doc = "List the environments of this node.", .children = cli_json_option,
	};
	TABLE_CLEAN struct table t = { 0 };
	HCNL_CLEAN struct hcnl *h = NULL;
	struct hcnl_env *envs;
	char a[256];
	size_t n;

	cli_parse(&argp, argc, argv, NULL);
	if (cli_open(&h))
		return CLI_FAILED;
	if (hcnl_env_list(h, &envs, &n) < 0)
		return cli_fail("%s", hcnl_error(h));
	if (cli.json) {
		json_t *list = json_array();

		for (size_t i = 0; i < n; i++)
			json_array_append_new(list, cli_json_env(&envs[i]));
		free(envs);
		return cli_json(json_pack("{s:o}", "envs", list));
	}
	t.color = cli.color;
	table_head(&t, "ID>", "NAME", "NODES", "QUOTA>", "USED>", "COPIES>", "CGROUPS>", "DEGRADED>", "LOST>",
		   NULL);
	for (size_t i = 0; i < n; i++) {
		const struct hcnl_env *e = &envs[i];

		table_cell(&t, 0, "%u", e->id);
		table_cell(&t, 0, "%s", e->name);
		table_cell(&t, 0, "%s", nodes_text(e, a, sizeof(a)));
		table_cell(&t, 0, "%s", e->quota ? size_format(e->quota, a) : "none");
		table_cell(&t, 0, "%s", size_format(e->used, a));
		table_cell(&t, 0, "%u", e->replicas);
		table_cell(&t, 0, "%zu", e->nr_cgroups);
		table_cell(&t, cli_bad(e->degraded, TABLE_RED), "%s", size_format(e->degraded, a));
		table_cell(&t, cli_bad(e->lost, TABLE_RED), "%s", size_format(e->lost, a));
	}
	free(envs);
	if (!n)
		puts("No environments. \"hyperchain track CGROUP --env NAME --nodes 2,3\" makes one.");
	else
		table_print(&t, stdout);
	return CLI_OK;
}

static error_t parse_show(int key, char *arg, struct argp_state *state)
{
	const char **name = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		if (*name)
			return ARGP_ERR_UNKNOWN;
		*name = arg;
		return 0;
	case ARGP_KEY_END:
		if (!*name)
			argp_error(state, "Which environment? Give its name or id.");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* By name, else by number. */
static int find(struct hcnl *h, const char *name, struct hcnl_env *ret_env)
{
	struct hcnl_env *envs, *found = NULL;
	uint64_t id = 0;
	size_t n;

	if (hcnl_env_list(h, &envs, &n) < 0)
		return cli_fail("%s", hcnl_error(h));
	number_parse(name, 1, HC_ENVS_MAX, &id);
	for (size_t i = 0; i < n; i++)
		if (!strcmp(envs[i].name, name))
			found = &envs[i];
	for (size_t i = 0; i < n && !found; i++)
		if (envs[i].id == id)
			found = &envs[i];
	if (found)
		*ret_env = *found;
	free(envs);
	if (!found)
		return cli_fail("There is no environment \"%s\"; \"hyperchain env list\" tells which there are.",
				name);
	return CLI_OK;
}

__attribute__((format(printf, 4, 5)))
static void line(struct table *t, const char *what, int color, const char *fmt, ...)
{
	char text[PATH_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	table_cell(t, 0, "%s", what);
	table_cell(t, color, "%s", text);
}

static int env_show(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse_show, .args_doc = "NAME", .doc = "Show one environment.",
		.children = cli_json_option,
	};
	TABLE_CLEAN struct table t = { 0 };
	HCNL_CLEAN struct hcnl *h = NULL;
	const char *name = NULL;
	struct hcnl_env e;
	char a[256];

	cli_parse(&argp, argc, argv, &name);
	if (cli_open(&h) || find(h, name, &e))
		return CLI_FAILED;
	if (cli.json)
		return cli_json(json_pack("{s:o}", "env", cli_json_env(&e)));
	t.color = cli.color;
	table_head(&t, "", "", NULL);
	line(&t, "id", 0, "%u", e.id);
	line(&t, "name", 0, "%s", e.name);
	line(&t, "nodes", 0, "%s", nodes_text(&e, a, sizeof(a)));
	line(&t, "copies", 0, "%u", e.replicas);
	line(&t, "quota", 0, "%s", e.quota ? size_format(e.quota, a) : "none");
	line(&t, "used", e.quota && e.used >= e.quota ? TABLE_YELLOW : 0, "%s", size_format(e.used, a));
	line(&t, "degraded", cli_bad(e.degraded, TABLE_RED), "%s", size_format(e.degraded, a));
	line(&t, "lost", cli_bad(e.lost, TABLE_RED), "%s", size_format(e.lost, a));
	line(&t, "pages", 0, "%llu read, %llu written", (unsigned long long)e.reads,
	     (unsigned long long)e.writes);
	line(&t, "refused", cli_bad(e.refused, TABLE_YELLOW), "%llu pages", (unsigned long long)e.refused);
	for (size_t i = 0; i < e.nr_cgroups; i++) {
		char path[PATH_MAX];

		if (hcnl_cgroup_path(e.cgroups[i], path, sizeof(path)) < 0)
			line(&t, "cgroup", TABLE_YELLOW, "id %llu", (unsigned long long)e.cgroups[i]);
		else
			line(&t, "cgroup", 0, "%s", path);
	}
	table_print(&t, stdout);
	return CLI_OK;
}

int cmd_env(int argc, char **argv)
{
	static const struct cli_cmd verbs[] = {
		{ "list", env_list, "the environments of this node" },
		{ "show", env_show, "one of them, by name or id" },
		{ NULL, NULL, NULL }
	};

	return cli_verbs("env", verbs, argc, argv);
}
