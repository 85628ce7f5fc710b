// SPDX-License-Identifier: GPL-2.0-or-later
/* See cluster.h. */
#include "simulate/cluster.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define PAGES_MAX	64

/* All pages of one part. NULL: @error. */
static json_t *part_of(struct hcnl *h, const char *part, char *error, size_t len)
{
	json_t *all = json_array();
	json_int_t after = 0;

	for (int page = 0; page < PAGES_MAX; page++) {
		json_auto_t *answer = NULL;

		if (cli_ask(h, json_pack("{s:s, s:s, s:I}", "do", "rules.export", "part", part, "after",
					 after), &answer) < 0) {
			snprintf(error, len, "%s", cli_ask_error());
			json_decref(all);
			return NULL;
		}
		json_array_extend(all, json_object_get(answer, part));
		after = json_integer_value(json_object_get(answer, "next"));
		if (!json_is_true(json_object_get(answer, "more")))
			break;
	}
	return all;
}

/* A setting as a scenario has it: numbers as such, unit_table's fields in an object. */
static void put_setting(json_t *config, const char *key, const char *text)
{
	char *end;
	double x = strtod(text, &end);
	json_t *value = end != text && !*end ? json_real(x) : json_string(text);
	const char *dot = strchr(key, '.');
	json_t *table;

	if (!dot) {
		json_object_set_new(config, key, value);
		return;
	}
	table = json_object_get(config, "unit_table");
	if (!table) {
		json_object_set_new(config, "unit_table", json_object());
		table = json_object_get(config, "unit_table");
	}
	json_object_set_new(table, dot + 1, value);
}

json_t *sim_cluster(char *error, size_t len)
{
	static const char *const parts[] = { "nodes", "users", "views" };
	HCNL_CLEAN struct hcnl *h = cli_try_open();
	json_auto_t *answer = NULL;
	json_t *root = json_object(), *config = json_object(), *value;
	const char *key;

	json_object_set_new(root, "config", config);
	if (cli_ask(h, json_pack("{s:s}", "do", "config.show"), &answer) < 0) {
		snprintf(error, len, "%s", cli_ask_error());
		json_decref(root);
		return NULL;
	}
	json_object_foreach(json_object_get(answer, "settings"), key, value)
		put_setting(config, key, json_string_value(value) ? : "");
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		json_t *list = part_of(h, parts[i], error, len);

		if (!list) {
			json_decref(root);
			return NULL;
		}
		json_object_set_new(root, parts[i], list);
	}
	return root;
}

/* One line. Return: 1 a sample, 0 none, -EINVAL. */
static int read_line(char *line, double *at, unsigned long *node, double *load)
{
	char *end, *p = line + strspn(line, " \t");

	if (*p == '#' || *p == '\n' || *p == '\r' || !*p)
		return 0;
	*at = strtod(p, &end);
	if (end == p || *end != ',' || !(*at >= 0 && *at <= 4e9))
		return -EINVAL;
	p = end + 1;
	*node = strtoul(p, &end, 10);
	if (end == p || *end != ',' || !*node || *node > 0x7fffffff)
		return -EINVAL;
	p = end + 1;
	*load = strtod(p, &end);
	end += strspn(end, " \t\r\n");
	return end != p && !*end && *load >= 0 && *load <= 1 ? 1 : -EINVAL;
}

int sim_trace(const char *file, json_t **ret_events, char *error, size_t len)
{
	FILE *f = fopen(file, "re");
	json_t *events = json_array();
	double at = 0, last = 0, load;
	unsigned long node, number = 0;
	bool has_tick = true;
	char line[256];
	int r = 0;

	if (!f) {
		r = -errno;
		snprintf(error, len, "%s can't be read: %s.", file, strerror(errno));
		json_decref(events);
		return r;
	}
	while (r >= 0 && fgets(line, sizeof(line), f)) {
		number++;
		r = read_line(line, &at, &node, &load);
		if (r == 1 && at < last)
			r = -EINVAL;
		if (r < 0)
			snprintf(error, len, "%s:%lu: this is no sample like 0.5,3,0.25 (seconds, not before the line above; node; load from 0 to 1).",
				 file, number);
		if (r != 1)
			continue;
		if (at > last && !has_tick)
			json_array_append_new(events, json_pack("{s:f, s:s}", "at", last, "do", "tick"));
		json_array_append_new(events, json_pack("{s:f, s:s, s:I, s:f}", "at", at, "do", "load",
							"node", (json_int_t)node, "load", load));
		has_tick = false;
		last = at;
	}
	if (!has_tick)
		json_array_append_new(events, json_pack("{s:f, s:s}", "at", last, "do", "tick"));
	fclose(f);
	if (r < 0) {
		json_decref(events);
		return -EINVAL;
	}
	*ret_events = events;
	return 0;
}
