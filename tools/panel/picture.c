// SPDX-License-Identifier: GPL-2.0-or-later
/* The picture of a node: see picture.h. */
#include "panel/picture.h"

#include <math.h>
#include <string.h>

#define LEFT	12.0
#define TOP	6.0
#define WIDTH	48.0
#define HEIGHT	72.0
#define SLOTS	4

struct color { double r, g, b; };

static const struct color dead = { 0.45, 0.16, 0.16 }, unused = { 0.40, 0.42, 0.45 },
			  body = { 0.17, 0.20, 0.24 }, idle = { 0.30, 0.69, 0.31 },
			  busy = { 0.98, 0.66, 0.15 }, full = { 0.90, 0.22, 0.21 };

static void set(cairo_t *cr, struct color c)
{
	cairo_set_source_rgb(cr, c.r, c.g, c.b);
}

static void box(cairo_t *cr, double radius)
{
	const double right = LEFT + WIDTH, bottom = TOP + HEIGHT;

	cairo_new_sub_path(cr);
	cairo_arc(cr, right - radius, TOP + radius, radius, -M_PI / 2, 0);
	cairo_arc(cr, right - radius, bottom - radius, radius, 0, M_PI / 2);
	cairo_arc(cr, LEFT + radius, bottom - radius, radius, M_PI / 2, M_PI);
	cairo_arc(cr, LEFT + radius, TOP + radius, radius, M_PI, 3 * M_PI / 2);
	cairo_close_path(cr);
}

static void fill(cairo_t *cr, const struct panel_node *n, bool is_dead)
{
	double load = n->load < 0 ? 0 : n->load;

	box(cr, 5);
	set(cr, is_dead ? dead : n->is_active ? body : unused);
	cairo_fill_preserve(cr);
	cairo_save(cr);
	cairo_clip(cr);
	cairo_rectangle(cr, LEFT, TOP + HEIGHT * (1 - load), WIDTH, HEIGHT * load);
	set(cr, load >= 0.85 ? full : load >= 0.6 ? busy : idle);
	cairo_fill(cr);
	cairo_restore(cr);
}

/* Drives with a light each: on while the node serves. */
static void slots(cairo_t *cr, const struct panel_node *n)
{
	cairo_set_line_width(cr, 1);
	for (int i = 0; i < SLOTS; i++) {
		double y = TOP + 8 + i * 11;

		cairo_rectangle(cr, LEFT + 6.5, y + 0.5, WIDTH - 13, 7);
		cairo_set_source_rgba(cr, 1, 1, 1, 0.55);
		cairo_stroke(cr);
		cairo_arc(cr, LEFT + WIDTH - 11, y + 4, 1.6, 0, 2 * M_PI);
		if (n->is_active)
			cairo_set_source_rgb(cr, 0.6, 1, 0.6);
		cairo_fill(cr);
	}
}

static void star(cairo_t *cr, double x, double y, double size)
{
	cairo_new_path(cr);
	for (int i = 0; i < 10; i++) {
		double angle = -M_PI / 2 + i * M_PI / 5, r = i % 2 ? size * 0.42 : size;

		cairo_line_to(cr, x + r * cos(angle), y + r * sin(angle));
	}
	cairo_close_path(cr);
	cairo_set_source_rgb(cr, 1, 0.84, 0.2);
	cairo_fill_preserve(cr);
	cairo_set_source_rgb(cr, 0.35, 0.25, 0);
	cairo_set_line_width(cr, 1);
	cairo_stroke(cr);
}

static void load_text(cairo_t *cr, const struct panel_node *n)
{
	cairo_text_extents_t size;
	char text[16];

	panel_load_text(n, text);
	cairo_select_font_face(cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_BOLD);
	cairo_set_font_size(cr, 13);
	cairo_text_extents(cr, text, &size);
	cairo_move_to(cr, LEFT + (WIDTH - size.width) / 2 - size.x_bearing, TOP + HEIGHT - 8);
	cairo_set_source_rgb(cr, 1, 1, 1);
	cairo_show_text(cr, text);
}

void picture_draw(cairo_t *cr, const struct panel_node *n)
{
	bool is_dead = !strcmp(n->state, "dead") || !strcmp(n->state, "removed");

	fill(cr, n, is_dead);
	slots(cr, n);
	box(cr, 5);
	cairo_set_source_rgb(cr, 0.08, 0.09, 0.10);
	cairo_set_line_width(cr, 1.5);
	cairo_stroke(cr);
	load_text(cr, n);
	if (n->is_leader)
		star(cr, LEFT + WIDTH, TOP + 8, 11);
}
