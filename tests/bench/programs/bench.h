/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the benchmarks' programs share: time, random numbers, medians. */
#ifndef _HC_BENCH_H
#define _HC_BENCH_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PAGE_BYTES	4096
#define MIB_PAGES	256
#define SAMPLES_MAX	200000

static inline double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* xorshift64*: @state starts at anything but 0 */
static inline uint64_t draw(uint64_t *state, uint64_t below)
{
	uint64_t x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return (x * 0x2545f4914f6cdd1dULL >> 16) % below;
}

/* Content no device can shorten: every word differs, the first tells the page. */
static inline void page_fill(uint64_t *page, uint64_t number)
{
	uint64_t x = number * 2 + 1;
	int i;

	page[0] = ~number;
	for (i = 1; i < PAGE_BYTES / 8; i++)
		page[i] = x = x * 6364136223846793005ULL + 1442695040888963407ULL;
}

static inline void page_check(const uint64_t *page, uint64_t number)
{
	if (page[0] == ~number)
		return;
	fprintf(stderr, "page %llu came back wrong: it starts with %016llx\n",
		(unsigned long long)number, (unsigned long long)page[0]);
	exit(1);
}

static inline int double_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts @us; the lines that benchkit reads. */
static inline void tell_latency(double *us, size_t n)
{
	if (!n) {
		fprintf(stderr, "nothing was measured\n");
		exit(1);
	}
	qsort(us, n, sizeof(*us), double_compare);
	printf("ROUNDS %zu\nMEDIAN_US %.2f\nP99_US %.2f\n", n, us[n / 2], us[n * 99 / 100]);
}

static inline void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

/* A number from 1 to @max, or the end. */
static inline uint64_t number(const char *text, uint64_t max)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || n < 1 || n > max) {
		fprintf(stderr, "\"%s\" is not a number from 1 to %llu\n", text,
			(unsigned long long)max);
		exit(2);
	}
	return n;
}

#endif /* _HC_BENCH_H */
