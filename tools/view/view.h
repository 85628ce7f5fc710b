/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hyperchain-view: what an environment's container sees as its machine (R2): /proc/cpuinfo,
 * meminfo, stat, loadavg, uptime, swaps and /sys/devices/system/cpu, as sums over its nodes.
 *
 *	cgroup of the environment ─┐
 *	/proc of this node ────────┼─► figures.c ─► render.c ─► tree.c ─► FUSE ─► binds
 *	file of the other nodes ───┘  (of hyperchaind; old or missing: this node alone)
 *
 * Two processes: the keeper (main.c) holds the FUSE connection, the server answers. A server that
 * dies is followed by another one on the same connection, so that no bind of a container breaks:
 * inode numbers mean the same in both, and what an open file holds can be made again.
 */
#ifndef HC_VIEW_H
#define HC_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VIEW_CPUS_MAX	4096
#define VIEW_PATH_LEN	512
#define VIEW_STALE_S	15	/* figures of other nodes older than that are not believed */

/* Where things are read. */
struct view_source {
	char figures[VIEW_PATH_LEN];	/* of hyperchaind */
	char cgroup[VIEW_PATH_LEN];	/* of the environment, where its limits are */
};

/* Everything that is shown, in bytes, ticks of USER_HZ and thousandths. */
struct view_figures {
	uint32_t cpus_local, cpus_remote;
	uint64_t memory_total, memory_used;		/* local and remote */
	uint64_t anon, file, shmem, slab, mapped, dirty;
	uint64_t active_anon, inactive_anon, active_file, inactive_file;
	uint64_t user, system, idle;			/* ticks of the local CPUs since @boot_s */
	uint64_t remote_busy, remote_idle;		/* ticks of all remote CPUs */
	uint64_t uptime_ms;
	uint64_t boot_s;				/* wall clock */
	uint32_t load_milli[3];
	uint32_t tasks, running;
};

/* figures.c: never fails; what can't be read is as on a machine without limits. */
void view_figures_read(const struct view_source *src, struct view_figures *ret_figures);

/* render.c: malloc()ed text and its length, NULL without memory. */
enum view_file {
	VIEW_CPUINFO, VIEW_MEMINFO, VIEW_STAT, VIEW_LOADAVG, VIEW_UPTIME, VIEW_SWAPS,
	VIEW_FILES
};
char *view_render(enum view_file file, const struct view_figures *f, size_t *ret_len);

/* tree.c: serve on FUSE connection @fd until it ends. @is_successor: it was set up before. */
int view_serve(int fd, bool is_successor, const struct view_source *src);

#endif /* HC_VIEW_H */
