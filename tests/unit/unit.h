/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What unit tests share: a test file defines unit_suite(), main.c runs it. */
#ifndef _TESTS_UNIT_H
#define _TESTS_UNIT_H

#include <stdint.h>
#include <unistd.h>

#include <check.h>

/** unit_suite() - the suite of this test file; owned by libcheck */
Suite *unit_suite(void);

/** unit_seed() - seed of random tests: HC_SEED, else a new one. Print it with the test */
uint64_t unit_seed(void);

/** unit_ops() - how many random operations: HC_OPS, else @usual */
uint64_t unit_ops(uint64_t usual);

/* xorshift64*: small, fast, the same everywhere. @state must not be 0. */
static inline uint64_t unit_random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * 0x2545f4914f6cdd1dULL;
}

/* 0..n-1 */
static inline uint32_t unit_below(uint64_t *state, uint32_t n)
{
	return (uint32_t)((unit_random(state) >> 32) * (uint64_t)n >> 32);
}

/*
 * Asserts for hot loops: libcheck's own write a mark to a pipe each time, which is a hundred times
 * slower than what they look at.
 */
#define MUST_MSG(x, ...)	do { if (!(x)) ck_abort_msg(__VA_ARGS__); } while (0)
#define MUST(x)			MUST_MSG(x, "not so: %s", #x)
#define MUST_CMP(a, op, b)							\
	do {									\
		unsigned long long a_ = (a), b_ = (b);				\
										\
		MUST_MSG(a_ op b_, "not so: %s " #op " %s: %lld, %lld", #a, #b, a_, b_);	\
	} while (0)
#define MUST_EQ(a, b)		MUST_CMP(a, ==, b)
#define MUST_NE(a, b)		MUST_CMP(a, !=, b)
#define MUST_LT(a, b)		MUST_CMP(a, <, b)
#define MUST_GT(a, b)		MUST_CMP(a, >, b)
#define MUST_LE(a, b)		MUST_CMP(a, <=, b)

#endif /* _TESTS_UNIT_H */
