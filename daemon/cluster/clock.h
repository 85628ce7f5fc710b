/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The time of the log: what is charged and what rests goes by it, whatever happens to wall clocks.
 *
 * It goes on as fast as the node's own clock that nobody sets, and is drawn towards the wall clock
 * by one part in twenty, no faster: after a jump of an hour, in either direction, nobody is charged
 * that hour and nothing stands still. Members take it over from the controller's answers to their
 * beats, so the next controller goes on where the last one was.
 *
 * Who has heard of no controller since it was started, when the whole cluster was off or has one
 * node only, begins with its wall clock, or with the log's newest entry where that is later.
 */
#ifndef HCD_CLOCK_H
#define HCD_CLOCK_H

#include <stdint.h>

struct hcd_clock {
	uint64_t log_ms;		/* the log's time, at ... */
	uint64_t own_ms;		/* ... that of our own; 0 = not known yet */
};

/* The log's time is @log_ms, at @own_ms by hcd_control_now(). */
void hcd_clock_set(struct hcd_clock *k, uint64_t log_ms, uint64_t own_ms);

/* What it is now; @last_ms: the log's newest entry; never earlier than that. */
uint64_t hcd_clock_now(struct hcd_clock *k, uint64_t last_ms, uint64_t own_ms, uint64_t wall_ms);

#endif /* HCD_CLOCK_H */
