/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What container.c (the table) and container_run.c (the work) share. */
#ifndef HCD_CONTAINER_TABLE_H
#define HCD_CONTAINER_TABLE_H

#include "daemon/env/container.h"

struct hcd_containers {
	struct hcd *d;
	struct hcd_container *first;	/* by id */
	uv_timer_t timer;
	uv_mutex_t lock;		/* of the jobs' progress: workers write it */
	unsigned int nr_busy;
	bool is_stopping;
	uint64_t gone_ms;		/* shared.c: told then that one is gone */
};

int hcd_containers_load(struct hcd_containers *cs, char error[HCD_ERROR_LEN]);

/* "step", "done", "total" of an operation under way. */
void hcd_container_progress(struct hcd_containers *cs, const struct hcd_container *c, json_t *obj);

/* Each second: what its other nodes add to what @c sees. Blocks on nothing but a tmpfs. */
void hcd_container_figures(struct hcd_containers *cs, struct hcd_container *c, double seconds);

#endif /* HCD_CONTAINER_TABLE_H */
