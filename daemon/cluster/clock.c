// SPDX-License-Identifier: GPL-2.0-or-later
/* The time of the log: see clock.h. Pure. */
#include "daemon/cluster/clock.h"

#define SLEW	20

void hcd_clock_set(struct hcd_clock *k, uint64_t log_ms, uint64_t own_ms)
{
	k->log_ms = log_ms;
	k->own_ms = own_ms;
}

uint64_t hcd_clock_now(struct hcd_clock *k, uint64_t last_ms, uint64_t own_ms, uint64_t wall_ms)
{
	uint64_t passed = own_ms > k->own_ms ? own_ms - k->own_ms : 0;
	uint64_t now = k->log_ms + passed, most = passed / SLEW, off;

	if (!k->own_ms)
		return wall_ms > last_ms ? wall_ms : last_ms;
	off = wall_ms > now ? wall_ms - now : now - wall_ms;
	off = off < most ? off : most;
	now = wall_ms > now ? now + off : now - off;
	now = now > last_ms ? now : last_ms;
	/* Parts of a millisecond are not lost when it is asked often. */
	if (most)
		hcd_clock_set(k, now, own_ms);
	return now;
}
