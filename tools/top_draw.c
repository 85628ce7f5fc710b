// SPDX-License-Identifier: GPL-2.0-or-later
/* One frame of `hyperchain top`. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format.h"
#include "table.h"
#include "top.h"

#define MAGENTA		35
#define CYAN		36
#define LABEL_COLS	18
#define TEXT_COLS	52	/* behind the bar */
#define BAR_MIN		10
#define BAR_MAX		50

/* A line under construction; text beyond the terminal's width is cut. */
struct pen {
	const struct top_style *style;
	char *at;
	size_t room;
	int cols;		/* used */
	char buf[4096];
};

static void pen_start(struct pen *pen, const struct top_style *style)
{
	pen->style = style;
	pen->at = pen->buf;
	pen->room = sizeof(pen->buf);
	pen->cols = 0;
	pen->buf[0] = 0;
}

static void raw(struct pen *pen, const char *bytes, size_t len)
{
	if (len + 8 >= pen->room)	/* the last "\033[0m" always fits */
		return;
	memcpy(pen->at, bytes, len);
	pen->at += len;
	pen->room -= len;
	*pen->at = 0;
}

static void color_on(struct pen *pen, int color)
{
	char code[16];

	if (color && pen->style->color)
		raw(pen, code, snprintf(code, sizeof(code), "\033[%dm", color));
}

static void color_off(struct pen *pen, int color)
{
	if (!color || !pen->style->color)
		return;
	pen->room += 8;			/* the reserve of raw() */
	raw(pen, "\033[0m", 4);
	pen->room -= 8;
}

__attribute__((format(printf, 3, 4)))
static void put(struct pen *pen, int color, const char *fmt, ...)
{
	char text[512], clean[512];
	const char *p = clean;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	text_clean(text, clean, sizeof(clean));
	if (pen->cols >= pen->style->cols || !clean[0])
		return;
	color_on(pen, color);
	while (*p && pen->cols < pen->style->cols) {
		size_t len = 1;

		while ((p[len] & 0xc0) == 0x80)
			len++;
		raw(pen, p, len);
		p += len;
		pen->cols++;
	}
	color_off(pen, color);
}

static void pad_to(struct pen *pen, int cols)
{
	while (pen->cols < cols && pen->cols < pen->style->cols) {
		raw(pen, " ", 1);
		pen->cols++;
	}
}

static void line_end(struct pen *pen, struct top_lines *lines)
{
	if (pen->style->rows && lines->n >= (size_t)pen->style->rows)
		return;
	if (lines->n == lines->room) {
		size_t room = lines->room ? lines->room * 2 : 32;
		char **line = reallocarray(lines->line, room, sizeof(*line));

		if (!line) {
			lines->is_bad = true;
			return;
		}
		lines->line = line;
		lines->room = room;
	}
	lines->line[lines->n] = strdup(pen->buf);
	if (!lines->line[lines->n])
		lines->is_bad = true;
	else
		lines->n++;
	pen_start(pen, pen->style);
}

struct part {
	uint64_t bytes;
	int color;
	const char *utf8, *ascii;
};

/* Parts of @total side by side; each that is not zero has a column at least. */
static void bar(struct pen *pen, int width, uint64_t total, const struct part *parts, size_t n)
{
	int left = width;

	put(pen, 0, "[");
	for (size_t i = 0; i < n; i++) {
		int cols = total ? (int)((double)parts[i].bytes / total * width + 0.5) : 0;

		if (!cols && parts[i].bytes)
			cols = 1;
		if (cols > left)
			cols = left;
		left -= cols;
		if (cols)
			color_on(pen, parts[i].color);
		for (int k = 0; k < cols; k++)
			put(pen, 0, "%s", pen->style->utf8 ? parts[i].utf8 : parts[i].ascii);
		if (cols)
			color_off(pen, parts[i].color);
	}
	while (left-- > 0)
		put(pen, 0, "%s", pen->style->utf8 ? "·" : ".");
	put(pen, 0, "]");
}

static int bar_width(const struct top_style *style)
{
	int cols = style->cols - LABEL_COLS - TEXT_COLS;

	return cols < BAR_MIN ? BAR_MIN : cols > BAR_MAX ? BAR_MAX : cols;
}

static void head(struct pen *pen, struct top_lines *lines, const char *text)
{
	line_end(pen, lines);
	put(pen, TABLE_BOLD, "%s", text);
	line_end(pen, lines);
}

static void draw_title(struct pen *pen, struct top_lines *lines, const struct top_picture *p)
{
	size_t live = 0, peers = 0;
	char when[FORMAT_LEN];

	for (size_t i = 0; i < p->nr_nodes; i++) {
		peers += !p->nodes[i].is_self;
		live += !p->nodes[i].is_self && p->nodes[i].peer.state == HC_PEER_LIVE;
	}
	time_format(p->time_ns, when);
	put(pen, TABLE_BOLD, "hyperchain");
	if (p->nr_nodes)
		put(pen, 0, "  node %u %s", p->nodes[0].id, p->nodes[0].name);
	put(pen, live < peers ? TABLE_RED : TABLE_GREEN, "  %zu of %zu peers live", live, peers);
	if (!p->has_daemon)
		put(pen, TABLE_YELLOW, "  no daemon");
	if (p->pool.is_draining)
		put(pen, TABLE_YELLOW, "  draining");
	if (p->pool.has_pressure)
		put(pen, TABLE_RED, "  short of memory");
	put(pen, TABLE_DIM, "  %.8s UTC", when + 11);
	line_end(pen, lines);
}

/* RAM of one node: its own programs, what it lends, the rest. */
static void draw_memory(struct pen *pen, struct top_lines *lines, const struct top_node *n)
{
	uint64_t busy = n->total > n->available ? n->total - n->available : 0;
	uint64_t lent = n->lent < busy ? n->lent : busy;
	struct part parts[] = {
		{ busy - lent, TABLE_GREEN, "█", "#" },
		{ lent, MAGENTA, "▓", "%" },
	};
	char a[FORMAT_LEN], b[FORMAT_LEN], c[FORMAT_LEN];
	bool is_well = n->is_self || n->peer.state == HC_PEER_LIVE;

	put(pen, n->is_self ? TABLE_BOLD : 0, "%4u %-.12s", n->id, n->name);
	pad_to(pen, LABEL_COLS);
	if (!is_well) {
		put(pen, TABLE_RED, "%s", hcnl_peer_state_name(n->peer.state));
	} else if (!n->has_memory) {
		put(pen, TABLE_DIM, "its memory is not known without a daemon");
	} else {
		bar(pen, bar_width(pen->style), n->total, parts, 2);
		put(pen, 0, " %s own", size_format(busy - lent, a));
		put(pen, lent ? MAGENTA : TABLE_DIM, "  %s lent", size_format(lent, b));
		put(pen, 0, "  of %s", size_format(n->total, c));
	}
	line_end(pen, lines);
}

static void rates(struct pen *pen, uint64_t in, uint64_t out)
{
	char a[FORMAT_LEN], b[FORMAT_LEN];

	put(pen, in ? CYAN : TABLE_DIM, "  in %s/s", count_format(in, a));
	put(pen, out ? CYAN : TABLE_DIM, "  out %s/s", count_format(out, b));
}

static void draw_donor(struct pen *pen, struct top_lines *lines, const struct top_node *n)
{
	const struct hcnl_peer *peer = &n->peer;
	struct part parts[] = {
		{ peer->used, CYAN, "█", "#" },
		{ peer->slabs > peer->used ? peer->slabs - peer->used : 0, TABLE_DIM, "▒", "-" },
	};
	char a[FORMAT_LEN], b[FORMAT_LEN];

	put(pen, 0, "%4u %-.12s", n->id, n->name);
	pad_to(pen, LABEL_COLS);
	bar(pen, bar_width(pen->style), peer->slabs + peer->free, parts, 2);
	put(pen, 0, " %s of %s", size_format(peer->used, a), size_format(peer->slabs + peer->free, b));
	rates(pen, n->read_rate, n->write_rate);
	if (peer->state != HC_PEER_LIVE)
		put(pen, TABLE_RED, "  %s", hcnl_peer_state_name(peer->state));
	else if (peer->is_suspect)
		put(pen, TABLE_YELLOW, "  late");
	else if (peer->is_draining || peer->they_drain)
		put(pen, TABLE_YELLOW, "  %s", peer->is_draining ? "draining" : "leaving");
	else
		put(pen, TABLE_DIM, "  %u us", peer->rtt_us);
	line_end(pen, lines);
}

static void draw_borrower(struct pen *pen, struct top_lines *lines, const struct top_node *n,
			  uint64_t limit)
{
	struct part part = { n->peer.lent, MAGENTA, "▓", "%" };
	char a[FORMAT_LEN];

	put(pen, 0, "%4u %-.12s", n->id, n->name);
	pad_to(pen, LABEL_COLS);
	bar(pen, bar_width(pen->style), limit, &part, 1);
	put(pen, 0, " %s", size_format(n->peer.lent, a));
	rates(pen, n->served_write_rate, n->served_read_rate);
	line_end(pen, lines);
}

static void draw_disk(struct pen *pen, struct top_lines *lines, const struct top_picture *p)
{
	const struct hcnl_disk *d = &p->disk;
	struct part parts[] = { { d->used, CYAN, "█", "#" } };
	char a[FORMAT_LEN], b[FORMAT_LEN];

	put(pen, 0, "     hcswap0");
	pad_to(pen, LABEL_COLS);
	bar(pen, bar_width(pen->style), d->size, parts, 1);
	put(pen, 0, " %s of %s", size_format(d->used, a), size_format(d->size, b));
	rates(pen, p->disk_read_rate, p->disk_write_rate);
	line_end(pen, lines);
	if (!d->degraded && !d->lost && !d->errors && !d->bad_sums)
		return;
	pad_to(pen, LABEL_COLS);
	put(pen, TABLE_RED, "%s degraded  %s lost  %llu errors", size_format(d->degraded, a),
	    size_format(d->lost, b), (unsigned long long)(d->errors + d->bad_sums));
	line_end(pen, lines);
}

static void draw_env(struct pen *pen, struct top_lines *lines, const struct hcnl_env *e,
		     uint64_t disk_size)
{
	uint64_t most = e->quota ? : disk_size;
	struct part part = { e->used, most && e->used >= most ? TABLE_YELLOW : CYAN, "█", "#" };
	char a[FORMAT_LEN], b[FORMAT_LEN];

	put(pen, 0, "%4u %-.12s", e->id, e->name);
	pad_to(pen, LABEL_COLS);
	bar(pen, bar_width(pen->style), most, &part, 1);
	put(pen, 0, " %s of %s", size_format(e->used, a), e->quota ? size_format(e->quota, b) : "no quota");
	if (e->degraded)
		put(pen, TABLE_RED, "  %s degraded", size_format(e->degraded, a));
	if (e->lost)
		put(pen, TABLE_RED, "  %s lost", size_format(e->lost, a));
	line_end(pen, lines);
}

void top_draw(const struct top_picture *p, const struct top_style *style, struct top_lines *ret)
{
	static const char *const legend[2] = {
		"Memory  (# own programs, % lent to others, . free)",
		"Memory  (█ own programs, ▓ lent to others, · free)",
	};
	bool has_donors = false, has_borrowers = false;
	struct pen pen;

	pen_start(&pen, style);
	draw_title(&pen, ret, p);
	head(&pen, ret, legend[style->utf8]);
	for (size_t i = 0; i < p->nr_nodes; i++) {
		draw_memory(&pen, ret, &p->nodes[i]);
		has_donors |= !p->nodes[i].is_self;
		has_borrowers |= p->nodes[i].peer.lent > 0;
	}
	if (has_donors)
		head(&pen, ret, "Borrowed from  (pages per second)");
	for (size_t i = 0; i < p->nr_nodes; i++)
		if (!p->nodes[i].is_self)
			draw_donor(&pen, ret, &p->nodes[i]);
	if (has_borrowers)
		head(&pen, ret, "Lent to  (pages per second)");
	for (size_t i = 0; i < p->nr_nodes; i++)
		if (p->nodes[i].peer.lent)
			draw_borrower(&pen, ret, &p->nodes[i], p->pool.limit);
	if (p->has_disk) {
		head(&pen, ret, "Swap disk");
		draw_disk(&pen, ret, p);
	}
	if (p->nr_envs)
		head(&pen, ret, "Environments");
	for (size_t i = 0; i < p->nr_envs; i++)
		draw_env(&pen, ret, &p->envs[i], p->has_disk ? p->disk.size : 0);
}

void top_lines_free(struct top_lines *lines)
{
	for (size_t i = 0; i < lines->n; i++)
		free(lines->line[i]);
	free(lines->line);
	*lines = (struct top_lines){ 0 };
}
