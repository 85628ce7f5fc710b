/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A scenario of `hyperchain simulate`: the whole file is read and checked, then it can run.
 */
#ifndef HC_SIMULATE_SCENARIO_H
#define HC_SIMULATE_SCENARIO_H

#include <stddef.h>

#include <jansson.h>

#include "daemon/policy/policy.h"
#include "simulate/place.h"

#define SCENARIO_ERROR_LEN	512

struct scenario_event {
	int64_t at;
	struct pol_event ev;
	struct pol_process_info process;
	struct pol_node_info node;
	int64_t avg[POL_WINDOWS];
};

struct scenario {
	struct pol_state *st;
	struct scenario_event *events;
	size_t nr_events;
	/* What the above points into, and how it was read. */
	json_t *root;
	struct places places;
	const char *file;
	void **parts;
	size_t nr_parts, parts_room;
	json_t *nodes, *users, *pids, *views;	/* known at the moment that is checked */
	int64_t last_at;
	char error[SCENARIO_ERROR_LEN];		/* "file:line: path: sentence" */
};

/**
 * scenario_read - read and check a file ("-": standard input)
 *
 * Return: 0; -EINVAL: bad input, -errno: it can't be read; s->error says why. Free @s in any case.
 */
int scenario_read(struct scenario *s, const char *file);

/* The same, of @root (taken over) instead of a file; @name stands for it in sentences. */
int scenario_take(struct scenario *s, const char *name, json_t *root);

/* The JSON of a file, as scenario_read() reads it; s->root. */
int scenario_parse(struct scenario *s, const char *file);
void scenario_free(struct scenario *s);

/* ---- fields.c: one value each. They return 0, or -EINVAL with s->error set ------------ */

/* Looked at: element @index of the array @top, or the object @top itself (-1); @inside it. */
struct where {
	const char *top;
	long index;
	const char *inside;	/* "node", or NULL */
	json_t *object;
};

__attribute__((format(printf, 4, 5)))
int scenario_fail(struct scenario *s, const struct where *w, const char *key, const char *fmt, ...);
int scenario_no_memory(struct scenario *s);
/* Memory that lives as long as @s; NULL with s->error set. */
void *scenario_alloc(struct scenario *s, size_t len);

/* Only these keys, separated by blanks, may be there. */
int field_only(struct scenario *s, const struct where *w, const char *keys);
bool field_has(const struct where *w, const char *key);
/* A number >= 0; left out: POL_UNKNOWN, or an error if @must. @max: the greatest that is allowed.
 */
int field_number(struct scenario *s, const struct where *w, const char *key, bool must, int64_t max,
		 int64_t *ret);
/* A whole number from 1 on; left out: 0, or an error. */
int field_id(struct scenario *s, const struct where *w, const char *key, bool must, int64_t max,
	     int64_t *ret);
/* Text that is not empty; left out: NULL, or an error. */
int field_text(struct scenario *s, const struct where *w, const char *key, bool must,
	       const char **ret);
int field_bool(struct scenario *s, const struct where *w, const char *key, bool *ret_has,
	       bool *ret);
/* One of the words; left out: 0. */
int field_word(struct scenario *s, const struct where *w, const char *key, const char *words,
	       unsigned int *ret);
/* One number for all windows, or an object; what is left out: POL_UNKNOWN. */
int field_avg(struct scenario *s, const struct where *w, int64_t avg[POL_WINDOWS], bool *ret_has);
/* A list of known nodes without repetition; left out: NULL, or an error. */
int field_nodes(struct scenario *s, const struct where *w, const char *key, bool must,
		const uint32_t **ret_ids, size_t *ret_nr);
/* A known node; left out: 0, or an error. */
int field_node(struct scenario *s, const struct where *w, const char *key, bool must,
	       uint32_t *ret);
/* A known user; left out: NULL, or an error. The admin is always known. */
int field_user(struct scenario *s, const struct where *w, bool must, const char **ret);

bool scenario_knows(json_t *set, int64_t id);
int scenario_learn(struct scenario *s, json_t *set, int64_t id);
void scenario_forget(json_t *set, int64_t id);

/* ---- events.c ------------------------------------------------------------------------ */

int scenario_read_node(struct scenario *s, const struct where *w, struct pol_node_info *ret);
int scenario_read_process(struct scenario *s, const struct where *w, bool is_event,
			  struct pol_process_info *ret);
int scenario_read_events(struct scenario *s, json_t *list);

#endif /* HC_SIMULATE_SCENARIO_H */
