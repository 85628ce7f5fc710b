// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hc-bench-directread: 4 KiB reads of a disk, O_DIRECT, at random, one at a time.
 *
 *	hc-bench-directread fill DEVICE MIB	writes MIB, after the first MiB
 *	hc-bench-directread read DEVICE MIB SECONDS
 *
 * The first MiB is left alone: a swap disk has its header there.
 */
#include <fcntl.h>
#include <unistd.h>

#include "bench.h"

#define MIB_MAX		(1 << 20)
#define RUN_PAGES	16

static off_t at(uint64_t page)
{
	return (off_t)(page + MIB_PAGES) * PAGE_BYTES;
}

static void fill(int fd, uint64_t nr_pages, unsigned char *buffer)
{
	uint64_t page, i;

	for (page = 0; page < nr_pages; page += RUN_PAGES) {
		for (i = 0; i < RUN_PAGES; i++)
			page_fill((uint64_t *)(buffer + i * PAGE_BYTES), page + i);
		if (pwrite(fd, buffer, RUN_PAGES * PAGE_BYTES, at(page)) != RUN_PAGES * PAGE_BYTES)
			die("write");
	}
}

static void read_random(int fd, uint64_t nr_pages, unsigned char *buffer, double seconds)
{
	static double us[SAMPLES_MAX];
	uint64_t random = 88172645463325252ULL;
	double until = now() + seconds;
	size_t n = 0;

	while (n < SAMPLES_MAX) {
		uint64_t page = draw(&random, nr_pages);
		double began = now();

		if (began > until)
			break;
		if (pread(fd, buffer, PAGE_BYTES, at(page)) != PAGE_BYTES)
			die("read");
		us[n++] = (now() - began) * 1e6;
		page_check((uint64_t *)buffer, page);
	}
	tell_latency(us, n);
}

int main(int argc, char **argv)
{
	unsigned char *buffer;
	uint64_t nr_pages;
	int fd;

	if (!(argc == 4 && !strcmp(argv[1], "fill")) && !(argc == 5 && !strcmp(argv[1], "read"))) {
		fprintf(stderr, "usage: hc-bench-directread fill DEVICE MIB | read DEVICE MIB SECONDS\n");
		return 2;
	}
	nr_pages = number(argv[3], MIB_MAX) * MIB_PAGES;
	buffer = aligned_alloc(PAGE_BYTES, RUN_PAGES * PAGE_BYTES);
	fd = open(argv[2], (argc == 4 ? O_WRONLY : O_RDONLY) | O_DIRECT);
	if (fd < 0 || !buffer)
		die(argv[2]);
	if (argc == 4)
		fill(fd, nr_pages, buffer);
	else
		read_random(fd, nr_pages, buffer, number(argv[4], 3600));
	return 0;
}
