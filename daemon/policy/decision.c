// SPDX-License-Identifier: GPL-2.0-or-later
/* Decisions go out, each with its reason. */
#include "daemon/policy/state.h"

#include <stdarg.h>
#include <stdio.h>

const char *pol_action_name(enum pol_action action)
{
	static const char *const names[POL_ACTIONS] = {
		[POL_ALLOCATE] = "allocate",
		[POL_REFUSE] = "refuse",
		[POL_CANDIDATES] = "candidates",
		[POL_SELECT] = "select",
		[POL_MIGRATE] = "migrate",
		[POL_LEADER] = "leader",
		[POL_SPARE_SET] = "spare_set",
		[POL_SPARE_UNSET] = "spare_unset",
		[POL_SPARE_LENT] = "spare_lend",
		[POL_SPARE_RETURNED] = "spare_return",
		[POL_TAKEOVER] = "takeover",
		[POL_RESTORE] = "restore",
		[POL_RESIZE] = "resize",
		[POL_FREE] = "free",
		[POL_VIEW] = "view",
		[POL_COPY_START] = "copy_start",
		[POL_COPY_STOP] = "copy_stop",
		[POL_PLACE] = "place",
		[POL_ENVIRONMENT] = "environment",
		[POL_ALERT] = "alert",
		[POL_KEEP] = "keep",
	};

	return names[action];
}

const char *pol_spare_name(enum pol_spare kind)
{
	static const char *const names[] = {
		[POL_NO_SPARE] = "none", [POL_IDLE] = "idle", [POL_SHARED] = "shared",
		[POL_OVERLOAD] = "overload",
	};

	return names[kind];
}

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
