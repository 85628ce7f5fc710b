/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The node panel (R17): what is shown of a user's nodes, and what a tick means. Shared by the
 * terminal's panel and the desktop's. No I/O, no clock.
 *
 *	daemon ──user.show──► panel_update() ──► struct panel ──► drawn by a front end
 *	daemon ◄─user.wish── panel_wish()  ◄── panel_toggle() ◄── the user ticks
 *	       ──answer────► panel_answered()
 *
 * The panel judges no tick: the daemon does, and its sentence is shown. Until it has answered, the
 * boxes show what the user wants; then what holds.
 */
#ifndef HC_PANEL_MODEL_H
#define HC_PANEL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include <linux/hyperchain.h>

#define PANEL_NODES_MAX	256
#define PANEL_TEXT	512

struct panel_node {
	uint32_t id;
	char name[HC_NAME_LEN + 1];
	char state[16];			/* as the daemon says it: live, dead, drained, removed */
	bool is_own;			/* else lent, or it stands in for another */
	bool is_ticked;			/* what holds */
	bool is_wanted;			/* what the box shows */
	bool is_active;			/* it serves now */
	bool is_leader;
	double load;			/* 0..1, below 0: not known */
	char does[96];			/* what runs there, in words */
};

struct panel {
	char user[HC_NAME_LEN + 1];
	struct panel_node nodes[PANEL_NODES_MAX];	/* by id */
	size_t nr;
	size_t nr_more;			/* beyond those: not shown */
	unsigned int nr_asked, nr_answered;	/* wishes */
	bool is_known;			/* the daemon has answered once */
	bool is_error;			/* @said is a refusal */
	char said[PANEL_TEXT];		/* "" = nothing to say */
};

/* Take the "user" of an answer to user.show. Return: 0, -EBADMSG and nothing has changed. */
int panel_update(struct panel *p, const json_t *user);

/* The daemon could not be asked: what was known stays, and why is said. */
void panel_lost(struct panel *p, const char *sentence);

/* Turn the box of the @i-th node: a wish is to be sent. */
void panel_toggle(struct panel *p, size_t i);

/* The wish: the same as `hyperchain user select`. New reference. */
json_t *panel_wish(const struct panel *p);

/* The @nr-th wish was answered; @refusal NULL: granted. */
void panel_answered(struct panel *p, unsigned int nr, const char *refusal);

/* Is there a wish that has no answer? */
static inline bool panel_is_waiting(const struct panel *p)
{
	return p->nr_asked != p->nr_answered;
}

/* "3 of 4 nodes used", or what there is to say. Returns @buf. */
const char *panel_summary(const struct panel *p, char *buf, size_t len);

/* "53 %", "?" where it is not known. Returns @buf. */
const char *panel_load_text(const struct panel_node *n, char buf[16]);

/* What is shown, for programs. New reference. */
json_t *panel_json(const struct panel *p);

#endif /* HC_PANEL_MODEL_H */
