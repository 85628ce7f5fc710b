/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The desktop panel's picture of one node, drawn by cairo. No GTK. */
#ifndef HC_PANEL_PICTURE_H
#define HC_PANEL_PICTURE_H

#include <cairo.h>

#include "panel/model.h"

#define PICTURE_WIDTH	72
#define PICTURE_HEIGHT	84

/* A server, filled from below by its load; grey where unused, with a star for the leader. */
void picture_draw(cairo_t *cr, const struct panel_node *n);

#endif /* HC_PANEL_PICTURE_H */
