// SPDX-License-Identifier: GPL-2.0-or-later
/* A scenario's file: configuration, nodes, users, processes, views. See scenario.h. */
#include "simulate/scenario.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX	(1024L * 1024 * 1024)

static void *mem_realloc(void *arg, void *p, size_t len)
{
	(void)arg;
	return realloc(p, len);
}

static void mem_free(void *arg, void *p)
{
	(void)arg;
	free(p);
}

/* ---- the text -------------------------------------------------------------------------- */

static int read_text(struct scenario *s, char **ret_text, size_t *ret_len)
{
	FILE *f = strcmp(s->file, "-") ? fopen(s->file, "re") : stdin;
	size_t len = 0, room = 0, n = 1;
	char *text = NULL;
	int r = f ? 0 : -errno;

	while (r == 0 && n) {
		if (len == room) {
			char *more = realloc(text, room = room ? room * 2 : 65536);

			if (!more || room > FILE_MAX) {
				r = more ? -EFBIG : -ENOMEM;
				text = more ? more : text;
				break;
			}
			text = more;
		}
		n = fread(text + len, 1, room - len, f);
		len += n;
		if (ferror(f))
			r = errno ? -errno : -EIO;
	}
	if (f && f != stdin)
		fclose(f);
	if (r < 0) {
		free(text);
		snprintf(s->error, sizeof(s->error), "%s can't be read: %s.", s->file, strerror(-r));
		return r;
	}
	*ret_text = text;
	*ret_len = len;
	return 0;
}

/* jansson's complaint, with the element in which it stands. */
static int complain(struct scenario *s, const json_error_t *e, bool is_duplicate)
{
	const struct place *p =
		places_before(&s->places, (size_t)(e->position > 0 ? e->position - 1 : 0));
	unsigned int line = e->line > 0 ? (unsigned int)e->line : 1;
	char path[96] = "";

	if (p && p->index >= 0)
		snprintf(path, sizeof(path), "%s[%ld]: ", p->top, p->index);
	else if (p)
		snprintf(path, sizeof(path), "%s: ", p->top);
	if (p && is_duplicate)
		line = p->line;
	snprintf(s->error, sizeof(s->error), "%s:%u: %sthis is not valid JSON: %s.", s->file, line, path,
		 e->text);
	return -EINVAL;
}

static int parse(struct scenario *s)
{
	json_error_t e;
	size_t len = 0;
	char *text = NULL;
	int r = read_text(s, &text, &len);

	if (r < 0)
		return r;
	s->root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &e);
	r = places_find(&s->places, text,
			s->root ? len : (size_t)(e.position > 0 ? e.position : 0));
	free(text);
	if (r < 0)
		return scenario_no_memory(s);
	if (!s->root)
		return json_error_code(&e) == json_error_out_of_memory ? scenario_no_memory(s) :
			complain(s, &e, json_error_code(&e) == json_error_duplicate_key);
	return 0;
}

/* ---- configuration ---------------------------------------------------------------------- */

static int set_key(struct scenario *s, const struct where *w, const char *shown, const char *name,
		   const json_t *value, struct pol_config *config)
{
	const struct pol_key_info *info;
	const char *text = json_string_value(value);
	int key = pol_key_find(name), r;

	if (key < 0)
		return scenario_fail(s, w, shown, "there is no such key; hyperchain-simulate(8) lists them.");
	info = pol_key_info((enum pol_key)key);
	if (json_is_boolean(value) && (info->type == POL_SWITCH || (info->type == POL_OR_OFF &&
								    json_is_false(value))))
		text = json_is_true(value) ? "on" : "off";
	if (json_is_number(value))
		r = pol_config_set_number(config, (enum pol_key)key, json_number_value(value));
	else if (text && (info->type == POL_CHOICE || info->type == POL_SWITCH || !strcmp(text, "off")))
		r = pol_config_set(config, (enum pol_key)key, text);
	else
		r = -EINVAL;
	if (r == 0)
		return 0;
	switch (info->type) {
	case POL_CHOICE:
		return scenario_fail(s, w, shown, "this must be one of the words: %s.", info->words);
	case POL_SWITCH:
		return scenario_fail(s, w, shown, "this must be true or false, \"on\" or \"off\".");
	case POL_OR_OFF:
		return scenario_fail(s, w, shown, "this must be a number from 0 on, or \"off\".");
	case POL_POSITIVE:
		return scenario_fail(s, w, shown, "this must be a number greater than 0.");
	case POL_NUMBER:
		break;
	}
	return scenario_fail(s, w, shown, "this must be a number from 0 on.");
}

static int read_config(struct scenario *s, json_t *object, struct pol_config *config)
{
	const struct where w = { .top = "config", .index = -1, .object = object };
	const char *key, *field;
	json_t *value, *part;
	char name[96];
	int r = 0;

	pol_config_init(config);
	if (object && !json_is_object(object))
		return scenario_fail(s, &w, NULL, "this must be an object, {...}.");
	json_object_foreach(object, key, value) {
		if (strcmp(key, "unit_table") != 0) {
			/* Its fields have names of their own in the table of keys. */
			r = strchr(key, '.') ? scenario_fail(s, &w, key, "there is no such key.") :
					       set_key(s, &w, key, key, value, config);
			if (r < 0)
				return r;
			continue;
		}
		if (!json_is_object(value))
			return scenario_fail(s, &w, key, "this must be an object, {...}.");
		json_object_foreach(value, field, part) {
			snprintf(name, sizeof(name), "unit_table.%s", field);
			r = set_key(s, &w, name, name, part, config);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* ---- what there is ---------------------------------------------------------------------- */

static int add_node(struct scenario *s, const struct where *w)
{
	struct pol_node_info info;
	int r = scenario_read_node(s, w, &info);

	if (r < 0)
		return r;
	return pol_add_node(s->st, &info) < 0 ? scenario_no_memory(s) : 0;
}

static bool has_id(const uint32_t *ids, size_t nr, uint32_t id)
{
	for (size_t i = 0; i < nr; i++)
		if (ids[i] == id)
			return true;
	return false;
}

static int add_user(struct scenario *s, const struct where *w)
{
	struct pol_user_info info = { 0 };
	bool is_admin;
	int r;

	r = field_only(s, w, "name nodes active leader units") ? :
	    field_text(s, w, "name", true, &info.name) ? :
	    field_nodes(s, w, "nodes", false, &info.nodes, &info.nr_nodes) ? :
	    field_nodes(s, w, "active", false, &info.active, &info.nr_active) ? :
	    field_node(s, w, "leader", false, &info.leader) ? :
	    field_number(s, w, "units", false, POL_MAX, &info.units);
	if (r < 0)
		return r;
	if (json_object_get(s->users, info.name))
		return scenario_fail(s, w, "name", "there is a user \"%s\" already.", info.name);
	is_admin = strcmp(info.name, POL_ADMIN) == 0;
	for (size_t i = 0; i < info.nr_active && !is_admin; i++)
		if (!has_id(info.nodes, info.nr_nodes, info.active[i]))
			return scenario_fail(s, w, "active", "node %u is not one of the user's nodes.",
					     info.active[i]);
	if (info.leader && !is_admin &&
	    !has_id(info.active ? info.active : info.nodes,
		    info.active ? info.nr_active : info.nr_nodes, info.leader))
		return scenario_fail(s, w, "leader", "node %u is not one of the user's active nodes.",
				     info.leader);
	if (json_object_set_new(s->users, info.name, json_true()) < 0 ||
	    pol_add_user(s->st, &info) < 0)
		return scenario_no_memory(s);
	return 0;
}

static int add_process(struct scenario *s, const struct where *w)
{
	struct pol_process_info info;
	int r = scenario_read_process(s, w, false, &info);

	if (r < 0)
		return r;
	return pol_add_process(s->st, &info) < 0 ? scenario_no_memory(s) : 0;
}

static int add_view(struct scenario *s, const struct where *w)
{
	struct pol_view_info info = { 0 };
	unsigned int mode;
	const char *image;
	int r;

	r = field_only(s, w, "name user main mode users image") ? :
	    field_text(s, w, "name", true, &info.name) ? :
	    field_user(s, w, true, &info.user) ? :
	    field_nodes(s, w, "main", false, &info.main, &info.nr_main) ? :
	    field_word(s, w, "mode", "users group load", &mode) ? :
	    field_number(s, w, "users", false, POL_MAX, &info.users) ? :
	    field_text(s, w, "image", false, &image);
	if (r < 0)
		return r;
	if (json_object_get(s->views, info.name))
		return scenario_fail(s, w, "name", "there is a view \"%s\" already.", info.name);
	info.mode = (enum pol_view_mode)mode;
	info.users = pol_known(info.users) ? info.users : 0;
	info.has_image = image;
	if (json_object_set_new(s->views, info.name, json_true()) < 0 ||
	    pol_add_view(s->st, &info) < 0)
		return scenario_no_memory(s);
	return 0;
}

static int read_list(struct scenario *s, const char *top,
		     int (*add)(struct scenario *s, const struct where *w))
{
	json_t *list = json_object_get(s->root, top);
	struct where w = { .top = top, .index = -1 };
	size_t i;

	if (list && !json_is_array(list))
		return scenario_fail(s, &w, NULL, "this must be a list, [...].");
	json_array_foreach(list, i, w.object) {
		int r;

		w.index = (long)i;
		r = add(s, &w);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_all(struct scenario *s)
{
	const struct pol_mem mem = { .realloc = mem_realloc, .free = mem_free };
	struct where w = { .top = "", .index = -1 };
	struct pol_config config;
	json_t *events;
	int r;

	w.object = s->root;
	s->nodes = json_object();
	s->users = json_object();
	s->pids = json_object();
	s->views = json_object();
	if (!s->nodes || !s->users || !s->pids || !s->views)
		return scenario_no_memory(s);
	r = field_only(s, &w, "config nodes users processes views events") ? :
	    read_config(s, json_object_get(s->root, "config"), &config);
	if (r < 0)
		return r;
	s->st = pol_state_new(&mem, &config);
	if (!s->st)
		return scenario_no_memory(s);
	r = read_list(s, "nodes", add_node) ? : read_list(s, "users", add_user) ? :
	    read_list(s, "processes", add_process) ? : read_list(s, "views", add_view);
	if (r < 0)
		return r;
	events = json_object_get(s->root, "events");
	w.top = "events";
	if (events && !json_is_array(events))
		return scenario_fail(s, &w, NULL, "this must be a list, [...].");
	return scenario_read_events(s, events);
}

int scenario_parse(struct scenario *s, const char *file)
{
	*s = (struct scenario){ .file = file };
	return parse(s);
}

int scenario_read(struct scenario *s, const char *file)
{
	int r = scenario_parse(s, file);

	return r < 0 ? r : check_all(s);
}

int scenario_take(struct scenario *s, const char *name, json_t *root)
{
	*s = (struct scenario){ .file = name, .root = root };
	return check_all(s);
}

void scenario_free(struct scenario *s)
{
	pol_state_free(s->st);
	for (size_t i = 0; i < s->nr_parts; i++)
		free(s->parts[i]);
	free(s->parts);
	free(s->events);
	places_free(&s->places);
	json_decref(s->nodes);
	json_decref(s->users);
	json_decref(s->pids);
	json_decref(s->views);
	json_decref(s->root);
}
