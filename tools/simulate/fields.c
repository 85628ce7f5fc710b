// SPDX-License-Identifier: GPL-2.0-or-later
/* One value of a scenario at a time, each checked: see scenario.h. */
#include "simulate/scenario.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int scenario_fail(struct scenario *s, const struct where *w, const char *key, const char *fmt, ...)
{
	unsigned int line = places_line(&s->places, w->top, w->index < 0 ? key : NULL, w->index);
	char index[24] = "";
	va_list ap;
	int len;

	if (w->index >= 0)
		snprintf(index, sizeof(index), "[%ld]", w->index);
	len = snprintf(s->error, sizeof(s->error), "%s:%u: %s%s%s%s%s%s: ", s->file, line, w->top, index,
		       w->inside ? "." : "", w->inside ? w->inside : "",
		       key && w->top[0] ? "." : "", key ? key : "");
	if (len < 0 || (size_t)len >= sizeof(s->error))
		return -EINVAL;
	va_start(ap, fmt);
	vsnprintf(s->error + len, sizeof(s->error) - (size_t)len, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

int scenario_no_memory(struct scenario *s)
{
	snprintf(s->error, sizeof(s->error), "%s: memory is short.", s->file);
	return -ENOMEM;
}

void *scenario_alloc(struct scenario *s, size_t len)
{
	void *p;

	if (s->nr_parts == s->parts_room) {
		size_t room = s->parts_room ? s->parts_room * 2 : 64;
		void **parts = reallocarray(s->parts, room, sizeof(*parts));

		if (!parts) {
			scenario_no_memory(s);
			return NULL;
		}
		s->parts = parts;
		s->parts_room = room;
	}
	p = calloc(1, len ? len : 1);
	if (!p)
		scenario_no_memory(s);
	else
		s->parts[s->nr_parts++] = p;
	return p;
}

/* ---- what is known ------------------------------------------------------------------ */

bool scenario_knows(json_t *set, int64_t id)
{
	char name[24];

	snprintf(name, sizeof(name), "%lld", (long long)id);
	return json_object_get(set, name);
}

int scenario_learn(struct scenario *s, json_t *set, int64_t id)
{
	char name[24];

	snprintf(name, sizeof(name), "%lld", (long long)id);
	return json_object_set_new(set, name, json_true()) < 0 ? scenario_no_memory(s) : 0;
}

void scenario_forget(json_t *set, int64_t id)
{
	char name[24];

	snprintf(name, sizeof(name), "%lld", (long long)id);
	json_object_del(set, name);
}

/* ---- fields --------------------------------------------------------------------------- */

static bool is_word_of(const char *words, const char *word, unsigned int *ret_index)
{
	size_t len = strlen(word);
	unsigned int i = 0;

	for (const char *at = words; *at; i++) {
		size_t n = strcspn(at, " ");

		if (n == len && strncmp(at, word, n) == 0) {
			*ret_index = i;
			return true;
		}
		at += n + (at[n] == ' ');
	}
	return false;
}

int field_only(struct scenario *s, const struct where *w, const char *keys)
{
	unsigned int index;
	const char *key;
	json_t *value;

	if (!json_is_object(w->object))
		return scenario_fail(s, w, NULL, "this must be an object, {...}.");
	json_object_foreach(w->object, key, value) {
		if (!is_word_of(keys, key, &index))
			return scenario_fail(s, w, key, "there is no such key; known are: %s.", keys);
	}
	return 0;
}

bool field_has(const struct where *w, const char *key)
{
	return json_object_get(w->object, key);
}

static int missing(struct scenario *s, const struct where *w, const char *key, bool must)
{
	return must ? scenario_fail(s, w, key, "this key is missing.") : 0;
}

static int check_number(struct scenario *s, const struct where *w, const char *key,
			const json_t *value, int64_t max, int64_t *ret)
{
	double x = json_number_value(value);

	if (!json_is_number(value))
		return scenario_fail(s, w, key, "this must be a number.");
	if (!(x >= 0) || x > (double)max / 1e9)
		return scenario_fail(s, w, key, "%g is out of range: from 0 to %g.", x,
				     (double)max / 1e9);
	*ret = pol_num(x);
	return 0;
}

int field_number(struct scenario *s, const struct where *w, const char *key, bool must, int64_t max,
		 int64_t *ret)
{
	const json_t *value = json_object_get(w->object, key);

	*ret = POL_UNKNOWN;
	return value ? check_number(s, w, key, value, max, ret) : missing(s, w, key, must);
}

int field_id(struct scenario *s, const struct where *w, const char *key, bool must, int64_t max,
	     int64_t *ret)
{
	const json_t *value = json_object_get(w->object, key);

	*ret = 0;
	if (!value)
		return missing(s, w, key, must);
	if (!json_is_integer(value))
		return scenario_fail(s, w, key, "this must be a whole number.");
	if (json_integer_value(value) < 1 || json_integer_value(value) > max)
		return scenario_fail(s, w, key, "%lld is out of range: from 1 to %lld.",
				     (long long)json_integer_value(value), (long long)max);
	*ret = json_integer_value(value);
	return 0;
}

int field_text(struct scenario *s, const struct where *w, const char *key, bool must,
	       const char **ret)
{
	const json_t *value = json_object_get(w->object, key);

	*ret = NULL;
	if (!value)
		return missing(s, w, key, must);
	if (!json_is_string(value) || !json_string_length(value))
		return scenario_fail(s, w, key, "this must be text, in quotes, and not empty.");
	*ret = json_string_value(value);
	return 0;
}

int field_bool(struct scenario *s, const struct where *w, const char *key, bool *ret_has, bool *ret)
{
	const json_t *value = json_object_get(w->object, key);

	*ret_has = value;
	*ret = json_is_true(value);
	if (value && !json_is_boolean(value))
		return scenario_fail(s, w, key, "this must be true or false.");
	return 0;
}

int field_word(struct scenario *s, const struct where *w, const char *key, const char *words,
	       unsigned int *ret)
{
	const json_t *value = json_object_get(w->object, key);

	*ret = 0;
	if (!value)
		return 0;
	if (!json_is_string(value))
		return scenario_fail(s, w, key, "this must be one of the words: %s.", words);
	if (!is_word_of(words, json_string_value(value), ret))
		return scenario_fail(s, w, key, "there is no \"%s\" here; known are: %s.",
				     json_string_value(value), words);
	return 0;
}

int field_avg(struct scenario *s, const struct where *w, int64_t avg[POL_WINDOWS], bool *ret_has)
{
	static const char words[] = "hour day week month";
	json_t *value = json_object_get(w->object, "avg"), *part;
	unsigned int window;
	char path[64];
	const char *key;
	int r = 0;

	*ret_has = value;
	for (int i = 0; i < POL_WINDOWS; i++)
		avg[i] = POL_UNKNOWN;
	if (!value)
		return 0;
	if (!json_is_object(value)) {
		r = check_number(s, w, "avg", value, POL_ONE, &avg[0]);
		for (int i = 1; i < POL_WINDOWS; i++)
			avg[i] = avg[0];
		return r;
	}
	json_object_foreach(value, key, part) {
		snprintf(path, sizeof(path), "avg.%s", key);
		if (!is_word_of(words, key, &window))
			return scenario_fail(s, w, path, "there is no such average; known are: %s.", words);
		r = check_number(s, w, path, part, POL_ONE, &avg[window]);
		if (r < 0)
			return r;
	}
	return 0;
}

static int cmp_id(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

int field_nodes(struct scenario *s, const struct where *w, const char *key, bool must,
		const uint32_t **ret_ids, size_t *ret_nr)
{
	json_t *list = json_object_get(w->object, key), *value;
	uint32_t *ids;
	char path[64];
	size_t i;

	*ret_ids = NULL;
	*ret_nr = 0;
	if (!list)
		return missing(s, w, key, must);
	if (!json_is_array(list))
		return scenario_fail(s, w, key, "this must be a list of node ids, [...].");
	ids = scenario_alloc(s, (json_array_size(list) + 1) * sizeof(*ids));
	if (!ids)
		return -ENOMEM;
	json_array_foreach(list, i, value) {
		snprintf(path, sizeof(path), "%s[%zu]", key, i);
		if (!json_is_integer(value))
			return scenario_fail(s, w, path, "this must be a node's id, a whole number.");
		if (!scenario_knows(s->nodes, json_integer_value(value)))
			return scenario_fail(s, w, path, "there is no node %lld here.",
					     (long long)json_integer_value(value));
		ids[i] = (uint32_t)json_integer_value(value);
	}
	*ret_nr = json_array_size(list);
	qsort(ids, *ret_nr, sizeof(*ids), cmp_id);
	for (i = 1; i < *ret_nr; i++)
		if (ids[i] == ids[i - 1])
			return scenario_fail(s, w, key, "node %u is named twice.", ids[i]);
	*ret_ids = ids;
	return 0;
}

int field_node(struct scenario *s, const struct where *w, const char *key, bool must, uint32_t *ret)
{
	int64_t id;
	int r = field_id(s, w, key, must, UINT32_MAX, &id);

	if (r == 0 && id && !scenario_knows(s->nodes, id))
		r = scenario_fail(s, w, key, "there is no node %lld here.", (long long)id);
	*ret = (uint32_t)id;
	return r;
}

int field_user(struct scenario *s, const struct where *w, bool must, const char **ret)
{
	int r = field_text(s, w, "user", must, ret);

	if (r == 0 && *ret && strcmp(*ret, POL_ADMIN) != 0 && !json_object_get(s->users, *ret))
		r = scenario_fail(s, w, "user", "there is no user \"%s\" here.", *ret);
	return r;
}
