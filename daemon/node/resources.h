/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this machine has and how busy it is, from /proc. */
#ifndef HCD_RESOURCES_H
#define HCD_RESOURCES_H

#include <stdint.h>

struct hcd_resources {
	uint64_t memory_total;		/* bytes */
	uint64_t memory_available;
	uint64_t swap_total;
	uint64_t swap_free;
	uint32_t cpus;			/* online */
	uint32_t load_milli;		/* 1-minute load average * 1000 */
	uint32_t memory_pressure_milli;	/* PSI memory "some avg10" * 1000; 0 where there is no PSI */
	uint64_t uptime_s;
	char kernel[64];		/* release; "" = unknown, as below */
	char cpu_model[64];
};

/* The machine, as it was read last. */
struct hcd_machine {
	struct hcd_resources resources;
	uint64_t storage_total, storage_free;	/* bytes, where the state is; 0 = unknown */
	uint64_t read_ms;	/* by the loop's clock; 0 = never */
};

/**
 * hcd_resources_read - sample them
 * @proc: where /proc is mounted
 *
 * Return: 0, or -errno when meminfo can't be read; other files that are missing leave 0.
 */
int hcd_resources_read(const char *proc, struct hcd_resources *ret_res);

#endif /* HCD_RESOURCES_H */
