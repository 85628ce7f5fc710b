/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where in a JSON text the elements of its top-level arrays and the keys of its top-level objects
 * begin.
 */
#ifndef HC_SIMULATE_PLACE_H
#define HC_SIMULATE_PLACE_H

#include <stddef.h>

struct place {
	char top[24];		/* key of the root object */
	char key[40];		/* key inside it, or "" */
	long index;		/* element of it, or -1 */
	size_t offset;
	unsigned int line;
};

struct places {
	struct place *p;
	size_t nr, room;
};

/* Find the places in @text up to @len; it may be broken behind that. Return: 0 or -ENOMEM. */
int places_find(struct places *places, const char *text, size_t len);
void places_free(struct places *places);

/* The line of an element (@index >= 0), of a key (@key not NULL), or of @top itself. 1: not found.
 */
unsigned int places_line(const struct places *places, const char *top, const char *key, long index);

/* The last place before @offset, or NULL. */
const struct place *places_before(const struct places *places, size_t offset);

#endif /* HC_SIMULATE_PLACE_H */
