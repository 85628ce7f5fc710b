/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables for people: columns as wide as their widest cell, colours on request.
 *
 *	struct table t = { .color = cli.color };
 *	table_head(&t, "ID>", "NAME", NULL);		// '>' = right-aligned
 *	table_cell(&t, 0, "%u", id);
 *	table_cell(&t, TABLE_RED, "%s", name);
 *	table_print(&t, stdout);
 *	table_free(&t);
 */
#ifndef HC_TABLE_H
#define HC_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* SGR codes; 0 = plain. */
#define TABLE_BOLD	1
#define TABLE_DIM	2
#define TABLE_RED	31
#define TABLE_GREEN	32
#define TABLE_YELLOW	33

#define TABLE_COLS_MAX	16

struct table_cell {
	char *text;
	int color;
};

struct table {
	bool color;
	int indent;			/* blanks before each row */
	size_t cols;
	struct {
		const char *name;	/* borrowed */
		bool right;
	} head[TABLE_COLS_MAX];
	struct table_cell *cells;	/* row by row */
	size_t n, room;
	bool is_bad;			/* out of memory: nothing is printed */
};

/* Names of the columns, ended by NULL; "" all of them: no line of names. */
__attribute__((sentinel)) void table_head(struct table *t, ...);

/* The next cell; control characters in it are shown as '?'. */
__attribute__((format(printf, 3, 4)))
void table_cell(struct table *t, int color, const char *fmt, ...);

/* Rows so far. */
static inline size_t table_rows(const struct table *t)
{
	return t->cols ? t->n / t->cols : 0;
}

/* 0, -ENOMEM, -EIO. No blanks at the end of a line. */
int table_print(const struct table *t, FILE *out);
void table_free(struct table *t);
#define TABLE_CLEAN __attribute__((cleanup(table_free)))

#endif /* HC_TABLE_H */
