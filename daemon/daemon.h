/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of one hyperchaind, wired together in main.c. All on the loop's thread. */
#ifndef HCD_DAEMON_H
#define HCD_DAEMON_H

#include <stdbool.h>
#include <uv.h>

#include "daemon/node/config.h"
#include "daemon/node/load.h"
#include "daemon/node/resources.h"
#include "daemon/node/state.h"

struct hcd_admin;
struct hcd_alerts;
struct hcd_cluster;
struct hcd_containers;
struct hcd_control;
struct hcd_jobs;
struct hcd_module;
struct hcd_processes;
struct hcd_stats;

struct hcd_swap_progress {
	bool is_busy;			/* swapon or swapoff is under way */
	char step[128];
	uint64_t done, total;		/* bytes, 0 where it has no measure */
	char error[HCD_ERROR_LEN];	/* of the last one, "" = it went well */
};

struct hcd {
	uv_loop_t *loop;
	const char *config_path;
	const char *state_dir;
	const char *run_dir;
	struct hcd_config config;
	struct hcd_state state;
	struct hcd_module *module;
	struct hcd_cluster *cluster;
	struct hcd_control *control;
	struct hcd_admin *admin;
	struct hcd_containers *containers;
	struct hcd_jobs *jobs;
	struct hcd_stats *stats;
	struct hcd_alerts *alerts;
	struct hcd_swap_progress swap;
	uv_mutex_t swap_lock;		/* of @swap's step, done, total: a worker writes them */
	uint64_t env_check_ms;
	struct hcd_load_sampler load;
	struct hcd_machine machine;
	struct hcd_processes *processes;
};

/* Write the state file; what went wrong is logged and in @error (may be NULL). */
int hcd_save(struct hcd *d, char error[HCD_ERROR_LEN]);

#endif /* HCD_DAEMON_H */
