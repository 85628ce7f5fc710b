/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A thread that asks the daemon for the panel, twice a second, and hands wishes over: a slow answer
 * keeps no front end from drawing.
 */
#ifndef HC_PANEL_FEED_H
#define HC_PANEL_FEED_H

#include <stdbool.h>

#include "panel/model.h"

struct panel_feed;

/* @user is borrowed; NULL: the caller's environment's. Return: NULL when there is no memory. */
struct panel_feed *panel_feed_start(const char *user);

/* Bring @p up to date. Return: has something come? Never waits. */
bool panel_feed_take(struct panel_feed *feed, struct panel *p);

/* Turn the @i-th node's box and ask for it; a wish that waits still is replaced. */
void panel_feed_toggle(struct panel_feed *feed, struct panel *p, size_t i);

/* Once, here: for output that is not live. Return: 0, or -errno and cli_ask_error(). */
int panel_feed_once(const char *user, struct panel *p);

#endif /* HC_PANEL_FEED_H */
