/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The load of this node (R1): the greater of CPU busy and memory used, each 0 to 1, sampled each
 * second and smoothed with a time constant of 10 s.
 *
 *	CPU busy	of all CPUs together, from /proc/stat; waiting for a disk is idle
 *	memory used	anonymous and shared memory of the node's programs, and what of it is
 *			swapped out to other nodes, over MemTotal - lent + what it has borrowed
 *			and may still borrow. Page cache and lent memory do not count.
 *
 * What can't be read is unknown (negative), never zero, and a load of which one part is unknown is
 * unknown. After a pause the smoothing begins anew: nobody was there to see.
 */
#ifndef HCD_LOAD_H
#define HCD_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#define HCD_LOAD_UNKNOWN	(-1.0)
#define HCD_LOAD_PERIOD_MS	1000
#define HCD_LOAD_SMOOTH_MS	10000
#define HCD_LOAD_PAUSE_MS	5000	/* without a sample: what we have is of the past */

/* What the module knows of memory that is elsewhere, or others': bytes. */
struct hcd_load_memory {
	uint64_t lent;
	uint64_t remote;	/* of our programs, swapped out */
	uint64_t borrowable;	/* more than @remote */
};

struct hcd_load_sampler {
	uint64_t busy, total;	/* of /proc/stat, ticks; total 0 = not read yet */
	uint64_t at_ms;		/* of the last sample */
	double cpu_busy, memory_used, load;	/* smoothed; < 0 = unknown */
	double room;		/* what memory used is a part of: bytes; 0 = unknown */
};

/* Nothing is known. */
void hcd_load_init(struct hcd_load_sampler *s);

/* One sample. @proc: where /proc is mounted; @now_ms: a clock that only goes on. No errors. */
void hcd_load_sample(struct hcd_load_sampler *s, const char *proc,
		     const struct hcd_load_memory *memory, uint64_t now_ms);

/* Is what it has of this moment? */
bool hcd_load_is_fresh(const struct hcd_load_sampler *s, uint64_t now_ms);

#endif /* HCD_LOAD_H */
