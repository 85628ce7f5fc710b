// SPDX-License-Identifier: GPL-2.0-or-later
/* Decisions go out, each with its reason. */
#include "daemon/policy/state.h"

#include <stdarg.h>
#include <stdio.h>

static void emit(struct pol_state *st, struct pol_decision *d, const char *fmt, va_list ap)
{
	char why[POL_WHY_LEN];

	vsnprintf(why, sizeof(why), fmt, ap);
	d->why = why;
	d->at = st->now;
	st->sink->decide(st->sink->arg, d);
}

void pol_emit(struct pol_state *st, struct pol_decision *d, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit(st, d, fmt, ap);
	va_end(ap);
}

void pol_alert(struct pol_state *st, unsigned int rule, const char *user, uint32_t node,
	       const char *fmt, ...)
{
	struct pol_decision d = { .rule = rule, .action = POL_ALERT, .user = user, .node = node };
	va_list ap;

	va_start(ap, fmt);
	emit(st, &d, fmt, ap);
	va_end(ap);
}

void pol_keep(struct pol_state *st, unsigned int rule, const char *user, uint32_t node,
	      const char *fmt, ...)
{
	struct pol_decision d = { .rule = rule, .action = POL_KEEP, .user = user, .node = node };
	va_list ap;

	if (!st->sink->wants_keep)
		return;
	va_start(ap, fmt);
	emit(st, &d, fmt, ap);
	va_end(ap);
}

size_t pol_own_ids(struct pol_state *st, const struct pol_user *user)
{
	size_t nr = 0;

	for (size_t i = 0; i < user->nr_seats; i++)
		if (user->seats[i]->is_own && !user->seats[i]->is_leaving)
			st->ids[nr++] = user->seats[i]->node->id;
	return nr;
}

size_t pol_ticked_ids(struct pol_state *st, const struct pol_user *user)
{
	size_t nr = 0;

	for (size_t i = 0; i < user->nr_seats; i++)
		if (user->seats[i]->is_own && user->seats[i]->env && !user->seats[i]->is_leaving)
			st->ids[nr++] = user->seats[i]->node->id;
	return nr;
}

size_t pol_say(char *buf, size_t len, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, len, fmt, ap);
	va_end(ap);
	return n < 0 ? 0 : (size_t)n < len ? (size_t)n : len - 1;
}
