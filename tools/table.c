// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "format.h"
#include "table.h"

#define CELL_LEN	512

void table_head(struct table *t, ...)
{
	const char *name;
	va_list ap;

	va_start(ap, t);
	while ((name = va_arg(ap, const char *)) && t->cols < TABLE_COLS_MAX) {
		size_t len = strlen(name);

		t->head[t->cols].name = name;
		t->head[t->cols++].right = len && name[len - 1] == '>';
	}
	va_end(ap);
}

void table_cell(struct table *t, int color, const char *fmt, ...)
{
	char text[CELL_LEN], clean[CELL_LEN];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (t->n == t->room) {
		size_t room = t->room ? t->room * 2 : 64;
		struct table_cell *cells = reallocarray(t->cells, room, sizeof(*cells));

		if (!cells) {
			t->is_bad = true;
			return;
		}
		t->cells = cells;
		t->room = room;
	}
	t->cells[t->n].text = strdup(text_clean(text, clean, sizeof(clean)));
	t->cells[t->n].color = color;
	if (!t->cells[t->n].text)
		t->is_bad = true;
	else
		t->n++;
}

/* Name without its '>'. */
static size_t head_width(const struct table *t, size_t col)
{
	return text_width(t->head[col].name) - t->head[col].right;
}

/* Blanks are owed until text follows them: none at the end of a line. */
static void put(FILE *out, const char *text, int len, size_t width, bool right, int color,
		int *owed)
{
	int pad = width - text_width(text) + (strlen(text) - len);

	if (right)
		*owed += pad;
	if (len) {
		fprintf(out, "%*s", *owed, "");
		*owed = 0;
		if (color)
			fprintf(out, "\033[%dm%.*s\033[0m", color, len, text);
		else
			fprintf(out, "%.*s", len, text);
	}
	if (!right)
		*owed += pad;
	*owed += 2;
}

int table_print(const struct table *t, FILE *out)
{
	size_t width[TABLE_COLS_MAX] = { 0 };
	bool has_head = false;
	int owed;

	if (t->is_bad)
		return -ENOMEM;
	for (size_t c = 0; c < t->cols; c++) {
		width[c] = head_width(t, c);
		has_head |= width[c] > 0;
	}
	for (size_t i = 0; i < t->n; i++) {
		size_t w = text_width(t->cells[i].text);

		if (w > width[i % t->cols])
			width[i % t->cols] = w;
	}
	owed = t->indent;
	for (size_t c = 0; c < t->cols && has_head; c++)
		put(out, t->head[c].name, strlen(t->head[c].name) - t->head[c].right, width[c],
		    t->head[c].right, t->color ? TABLE_BOLD : 0, &owed);
	if (has_head)
		fputc('\n', out);
	for (size_t i = 0; i < t->n; i++) {
		const struct table_cell *cell = &t->cells[i];
		size_t c = i % t->cols;

		if (!c)
			owed = t->indent;
		put(out, cell->text, strlen(cell->text), width[c], t->head[c].right,
		    t->color ? cell->color : 0, &owed);
		if (c + 1 == t->cols)
			fputc('\n', out);
	}
	return ferror(out) ? -EIO : 0;
}

void table_free(struct table *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->cells[i].text);
	free(t->cells);
	*t = (struct table){ 0 };
}
