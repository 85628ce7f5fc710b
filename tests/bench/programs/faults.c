// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hc-bench-faults: touch more memory than there is, count the major faults.
 *
 *	hc-bench-faults random MIB SECONDS	any page next; every third touch writes
 *	hc-bench-faults scan MIB SECONDS	one page after the other, reading
 *
 * MIB are filled first, then a quarter of SECONDS goes by unmeasured.
 * Last lines: FAULTS and TOUCHES in the measured time, SECONDS it took.
 */
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "bench.h"

#define MIB_MAX		(1 << 20)
#define CHECK_EVERY	32	/* touches between two looks at the clock */

struct set {
	unsigned char *base;
	uint64_t nr_pages, next, random;
	bool is_random;
};

static long faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_majflt;
}

static void touch(struct set *s)
{
	uint64_t number = s->is_random ? draw(&s->random, s->nr_pages) : s->next++ % s->nr_pages;
	volatile uint64_t *page = (uint64_t *)(s->base + number * PAGE_BYTES);

	page_check((const uint64_t *)page, number);
	if (s->is_random && draw(&s->random, 3) == 0)
		page[1]++;
}

static uint64_t work(struct set *s, double seconds)
{
	double until = now() + seconds;
	uint64_t touches = 0;

	do {
		touch(s);
	} while (++touches % CHECK_EVERY || now() < until);
	return touches;
}

int main(int argc, char **argv)
{
	struct set s = { .random = 88172645463325252ULL };
	uint64_t i, touches;
	double seconds, began;
	long before;

	if (argc != 4 || (strcmp(argv[1], "random") && strcmp(argv[1], "scan"))) {
		fprintf(stderr, "usage: hc-bench-faults random|scan MIB SECONDS\n");
		return 2;
	}
	s.is_random = argv[1][0] == 'r';
	s.nr_pages = number(argv[2], MIB_MAX) * MIB_PAGES;
	seconds = number(argv[3], 3600);
	s.base = mmap(NULL, s.nr_pages * PAGE_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s.base == MAP_FAILED)
		die("mmap");
	/* Pages of 4 KiB, whatever the guest's setting. */
	madvise(s.base, s.nr_pages * PAGE_BYTES, MADV_NOHUGEPAGE);
	began = now();
	for (i = 0; i < s.nr_pages; i++)
		page_fill((uint64_t *)(s.base + i * PAGE_BYTES), i);
	printf("FILL_SECONDS %.3f\n", now() - began);
	work(&s, seconds / 4);
	before = faults();
	began = now();
	touches = work(&s, seconds);
	printf("SECONDS %.6f\nFAULTS %ld\nTOUCHES %llu\n", now() - began, faults() - before,
	       (unsigned long long)touches);
	return 0;
}
