// SPDX-License-Identifier: GPL-2.0-or-later
/* Lines of a JSON text: see place.h. jansson says what is wrong, but not where a value stood. */
#include "simulate/place.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct scan {
	struct places *places;
	struct place now;	/* in which top-level key and element we are */
	int depth;
	char kind;		/* of the value at depth 2: [ or { */
	bool is_fresh;		/* a key or an element may begin */
};

static int add(struct scan *s, size_t offset, unsigned int line)
{
	struct places *places = s->places;

	if (places->nr == places->room) {
		size_t room = places->room ? places->room * 2 : 256;
		struct place *p = reallocarray(places->p, room, sizeof(*p));

		if (!p)
			return -ENOMEM;
		places->p = p;
		places->room = room;
	}
	s->now.offset = offset;
	s->now.line = line;
	places->p[places->nr++] = s->now;
	return 0;
}

static void copy(char *to, size_t room, const char *from, size_t len)
{
	len = len < room - 1 ? len : room - 1;
	memcpy(to, from, len);
	to[len] = '\0';
}

/* The string at @i, a key: note it. */
static int key(struct scan *s, const char *text, size_t i, size_t end, unsigned int line)
{
	if (s->depth == 1) {
		copy(s->now.top, sizeof(s->now.top), text + i + 1, end - i - 1);
		s->now.key[0] = '\0';
		s->now.index = -1;
	} else {
		copy(s->now.key, sizeof(s->now.key), text + i + 1, end - i - 1);
	}
	return add(s, i, line);
}

int places_find(struct places *places, const char *text, size_t len)
{
	struct scan s = { .places = places, .now = { .index = -1 } };
	unsigned int line = 1;
	int r = 0;

	for (size_t i = 0; i < len && r == 0; i++) {
		size_t end = i;

		if (text[i] == '\n')
			line++;
		if (strchr(" \t\r\n", text[i]))
			continue;
		if (s.depth == 2 && s.kind == '[' && s.is_fresh && text[i] != ']') {
			s.now.index++;
			r = add(&s, i, line);
			s.is_fresh = false;
		}
		switch (text[i]) {
		case '"':
			for (end = i + 1; end < len && text[end] != '"'; end++)
				end += text[end] == '\\';
			if (s.is_fresh && r == 0 && end < len &&
			    (s.depth == 1 || (s.depth == 2 && s.kind == '{'))) {
				r = key(&s, text, i, end, line);
				s.is_fresh = false;
			}
			i = end;
			break;
		case '{':
		case '[':
			s.depth++;
			if (s.depth <= 2)
				s.is_fresh = true;
			if (s.depth == 2) {
				s.kind = text[i];
				s.now.index = -1;
			}
			break;
		case '}':
		case ']':
			s.depth--;
			break;
		case ',':
			if (s.depth <= 2)
				s.is_fresh = true;
			break;
		}
	}
	return r;
}

void places_free(struct places *places)
{
	free(places->p);
	*places = (struct places){ 0 };
}

unsigned int places_line(const struct places *places, const char *top, const char *key, long index)
{
	unsigned int line = 1;

	for (size_t i = 0; i < places->nr; i++) {
		const struct place *p = &places->p[i];

		if (strcmp(p->top, top) != 0)
			continue;
		if (p->index < 0 && !p->key[0])
			line = p->line;
		if (p->index == index && strcmp(p->key, key ? key : "") == 0)
			return p->line;
	}
	return line;
}

const struct place *places_before(const struct places *places, size_t offset)
{
	const struct place *found = NULL;

	for (size_t i = 0; i < places->nr && places->p[i].offset <= offset; i++)
		found = &places->p[i];
	return found;
}
