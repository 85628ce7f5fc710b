/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers of the policy: integers in billionths. Loads, thresholds, units and seconds are all kept
 * so: 0.7 + 0.1 is 0.8 exactly, sums don't depend on the order of their parts, and an edge is where
 * the rule says. Pure.
 */
#ifndef HCD_POLICY_NUM_H
#define HCD_POLICY_NUM_H

#include <stdbool.h>
#include <stdint.h>

#define POL_ONE		1000000000LL
#define POL_UNKNOWN	INT64_MIN		/* a sample that is missing: never zero */
#define POL_MAX		(4000000000LL * POL_ONE)	/* what is greater counts as this */

/* What a printf() of %g shows. */
#define POL_F(x)	((double)(x) / (double)POL_ONE)

static inline bool pol_known(int64_t x)
{
	return x != POL_UNKNOWN;
}

/* A number of the outside. What is none (NaN) is unknown; what is below 0 counts as 0. */
static inline int64_t pol_num(double x)
{
	if (x != x)
		return POL_UNKNOWN;
	if (x < 0)
		return 0;
	return x >= 4e9 ? POL_MAX : (int64_t)(x * 1e9 + 0.5);
}

/*
 * A load on a node of capacity @from, as it counts on one of capacity @to (fractions of the
 * greatest).
 */
static inline int64_t pol_scale(int64_t load, double from, double to)
{
	if (from == to || from <= 0 || to <= 0)
		return load;
	return (int64_t)((double)load * from / to + 0.5);
}

#endif /* HCD_POLICY_NUM_H */
