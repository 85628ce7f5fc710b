// SPDX-License-Identifier: GPL-2.0-or-later
/* env list, env show: environments, as the module accounts them and the daemon runs them. */
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

/*
 * Containers as the daemon knows them: {"NAME": {...}}. Empty where there is none, and when @h's
 * daemon does not answer: then what the module knows is shown alone.
 */
static json_t *containers(struct hcnl *h)
{
	json_t *by_name = json_object(), *list = NULL, *c;
	size_t i;

	if (cli_ask_list(h, CLI_ASK_MS, "container.list", "containers", &list) < 0)
		return by_name;
	json_array_foreach(list, i, c)
		json_object_set(by_name, json_string_value(json_object_get(c, "name")) ? : "", c);
	json_decref(list);
	return by_name;
}

/* What the module knows, and what only the daemon does. */
static json_t *merged(const struct hcnl_env *envs, size_t n, json_t *by_name)
{
	json_t *list = json_array(), *c;
	const char *name;

	for (size_t i = 0; i < n; i++) {
		json_t *env = cli_json_env(&envs[i]);

		c = json_object_get(by_name, envs[i].name);
		if (c)
			json_object_set(env, "container", c);
		json_array_append_new(list, env);
	}
	json_object_foreach(by_name, name, c) {
		size_t i;

		for (i = 0; i < n && strcmp(envs[i].name, name); i++)
			;
		if (i == n)
			json_array_append_new(list, json_pack("{s:O, s:s, s:O}", "id",
							      json_object_get(c, "id"), "name", name,
							      "container", c));
	}
	return list;
}

static const char *text_of(json_t *c, const char *key)
{
	return json_string_value(json_object_get(c, key)) ? : "-";
}

/* Of an environment of several nodes, its leader with a star. */
static const char *members_text(json_t *c, char *buf, size_t len)
{
	json_t *nodes = json_object_get(c, "nodes"), *node;
	size_t i, at = 0;

	buf[0] = 0;
	json_array_foreach(nodes, i, node) {
		if (at < len)
			at += snprintf(buf + at, len - at, "%s%lld%s", i ? "," : "",
				       (long long)json_integer_value(json_object_get(node, "id")),
				       json_is_true(json_object_get(node, "leader")) ? "*" : "");
	}
	return buf;
}

static void list_row(struct table *t, const struct hcnl_env *e, json_t *c)
{
	const char *state = c ? text_of(c, "state") : "-";
	char a[256];

	table_cell(t, 0, "%u", e->id);
	table_cell(t, 0, "%s", e->name);
	table_cell(t, cli_bad(!strcmp(state, "failed"), TABLE_RED), "%s", state);
	table_cell(t, 0, "%s", c ? text_of(c, "address") : "-");
	table_cell(t, 0, "%s", json_object_get(c, "nodes") ? members_text(c, a, sizeof(a)) :
		   nodes_text(e, a, sizeof(a)));
	table_cell(t, 0, "%s", e->quota ? size_format(e->quota, a) : "none");
	table_cell(t, 0, "%s", size_format(e->used, a));
	table_cell(t, 0, "%u", e->replicas);
	table_cell(t, 0, "%zu", e->nr_cgroups);
	table_cell(t, cli_bad(e->degraded, TABLE_RED), "%s", size_format(e->degraded, a));
	table_cell(t, cli_bad(e->lost, TABLE_RED), "%s", size_format(e->lost, a));
}

static int env_list(int argc, char **argv)
{
	static const struct argp argp = {
		.doc = "List the environments of this node.", .children = cli_json_option,
	};
	TABLE_CLEAN struct table t = { 0 };
	HCNL_CLEAN struct hcnl *h = NULL;
	json_auto_t *by_name = NULL;
	struct hcnl_env *envs = NULL;
	const char *name;
	size_t n = 0;
	json_t *c;

	cli_parse(&argp, argc, argv, NULL);
	h = cli_try_open();
	if (h && hcnl_env_list(h, &envs, &n) < 0)
		return cli_fail("%s", hcnl_error(h));
	by_name = containers(h);
	/* Neither: say why the module is missing. */
	if (!h && !json_object_size(by_name) && cli_ask(NULL, json_pack("{s:s}", "do", "status"), NULL) < 0)
		return cli_open(&h);
	if (cli.json) {
		json_t *list = merged(envs, n, by_name);

		free(envs);
		return cli_json(json_pack("{s:o}", "envs", list));
	}
	t.color = cli.color;
	table_head(&t, "ID>", "NAME", "STATE", "ADDRESS", "NODES", "QUOTA>", "USED>", "COPIES>", "CGROUPS>",
		   "DEGRADED>", "LOST>", NULL);
	for (size_t i = 0; i < n; i++) {
		list_row(&t, &envs[i], json_object_get(by_name, envs[i].name));
		json_object_del(by_name, envs[i].name);
	}
	free(envs);
	json_object_foreach(by_name, name, c) {
		struct hcnl_env none = { .id = (uint32_t)json_integer_value(json_object_get(c, "id")) };

		snprintf(none.name, sizeof(none.name), "%s", name);
		list_row(&t, &none, c);
	}
	if (!table_rows(&t))
		puts("No environments. \"hyperchain env create USER --ssh-key FILE\" makes one.");
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

static void show_container(struct table *t, json_t *c)
{
	json_int_t cpus = json_integer_value(json_object_get(c, "cpus_milli"));
	json_int_t memory = json_integer_value(json_object_get(c, "memory"));
	json_t *node;
	char a[256];
	size_t i;

	line(t, "state", 0, "%s", text_of(c, "state"));
	line(t, "address", 0, "%s", text_of(c, "address"));
	if (cpus)
		line(t, "cpus", 0, "%.3g", (double)cpus / 1000);
	else
		line(t, "cpus", 0, "all");
	line(t, "memory", 0, "%s", memory ? size_format((uint64_t)memory, a) : "all");
	json_array_foreach(json_object_get(c, "nodes"), i, node) {
		json_int_t id = json_integer_value(json_object_get(node, "id"));
		bool has_files = json_integer_value(json_object_get(c, "storage")) == id;

		line(t, i ? "" : "nodes", 0, "%lld (%s) %s%s%s", (long long)id, text_of(node, "name"),
		     text_of(node, "state"),
		     json_is_true(json_object_get(node, "leader")) ? ", leads" : "",
		     has_files ? ", has the files" : "");
	}
	line(t, "image", 0, "%s", *text_of(c, "image") ? text_of(c, "image") : "debian");
	if (json_object_get(c, "error"))
		line(t, "error", TABLE_RED, "%s", text_of(c, "error"));
}

static void show_env(struct table *t, const struct hcnl_env *e)
{
	char a[256];

	line(t, "lenders", 0, "%s", nodes_text(e, a, sizeof(a)));
	line(t, "copies", 0, "%u", e->replicas);
	line(t, "quota", 0, "%s", e->quota ? size_format(e->quota, a) : "none");
	line(t, "used", e->quota && e->used >= e->quota ? TABLE_YELLOW : 0, "%s", size_format(e->used, a));
	line(t, "degraded", cli_bad(e->degraded, TABLE_RED), "%s", size_format(e->degraded, a));
	line(t, "lost", cli_bad(e->lost, TABLE_RED), "%s", size_format(e->lost, a));
	line(t, "pages", 0, "%llu read, %llu written", (unsigned long long)e->reads,
	     (unsigned long long)e->writes);
	line(t, "refused", cli_bad(e->refused, TABLE_YELLOW), "%llu pages", (unsigned long long)e->refused);
	for (size_t i = 0; i < e->nr_cgroups; i++) {
		char path[PATH_MAX];

		if (hcnl_cgroup_path(e->cgroups[i], path, sizeof(path)) < 0)
			line(t, "cgroup", TABLE_YELLOW, "id %llu", (unsigned long long)e->cgroups[i]);
		else
			line(t, "cgroup", 0, "%s", path);
	}
}

static int env_show(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse_show, .args_doc = "NAME", .doc = "Show one environment.",
		.children = cli_json_option,
	};
	TABLE_CLEAN struct table t = { 0 };
	HCNL_CLEAN struct hcnl *h = NULL;
	json_auto_t *by_name = NULL, *list = NULL;
	const char *name = NULL;
	struct hcnl_env e = { 0 };
	bool is_known = false;
	json_t *c;

	cli_parse(&argp, argc, argv, &name);
	h = cli_try_open();
	by_name = containers(h);
	c = json_object_get(by_name, name);
	/* Where there is no container, an unknown name is an error; a number may be an id. */
	if (h && !c) {
		if (find(h, name, &e))
			return CLI_FAILED;
		is_known = true;
		c = json_object_get(by_name, e.name);
	} else if (h) {
		is_known = hcnl_env_get(h, (uint32_t)json_integer_value(json_object_get(c, "id")), &e) == 0;
	} else if (!c) {
		if (cli_open(&h))
			return CLI_FAILED;
		return cli_fail("There is no environment \"%s\".", name);
	}
	if (cli.json) {
		json_t *only = json_object();

		if (c)
			json_object_set(only, json_string_value(json_object_get(c, "name")), c);
		list = merged(&e, is_known, only);
		json_decref(only);
		return cli_json(json_pack("{s:O}", "env", json_array_get(list, 0)));
	}
	t.color = cli.color;
	table_head(&t, "", "", NULL);
	line(&t, "id", 0, "%lld", is_known ? (long long)e.id :
	     (long long)json_integer_value(json_object_get(c, "id")));
	line(&t, "name", 0, "%s", is_known ? e.name : text_of(c, "name"));
	if (c)
		show_container(&t, c);
	if (is_known)
		show_env(&t, &e);
	table_print(&t, stdout);
	return CLI_OK;
}

int cmd_env(int argc, char **argv)
{
	static const struct cli_cmd verbs[] = {
		{ "list", env_list, "the environments of this node" },
		{ "show", env_show, "one of them, by name or id" },
		{ "create", cmd_env_create, "a container for a user, to log in to by ssh" },
		{ "start", cmd_env_start, "a container that was stopped" },
		{ "stop", cmd_env_stop, "end its programs; its files stay" },
		{ "leader", cmd_env_leader, "have another of its nodes lead" },
		{ "resize", cmd_env_resize, "change its CPUs or memory while it runs" },
		{ "exec", cmd_env_exec, "run a command in it, as its root" },
		{ "del", cmd_env_del, "delete it with all its files" },
		{ NULL, NULL, NULL }
	};

	return cli_verbs("env", verbs, argc, argv);
}
