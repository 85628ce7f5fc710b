// SPDX-License-Identifier: GPL-2.0-or-later
/* The figures of this node's container, and of the other nodes by the daemon's file. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#include "view.h"

#define HZ	100	/* USER_HZ, the same everywhere on x86 */

static bool read_file(const char *dir, const char *name, char *buf, size_t len)
{
	char path[VIEW_PATH_LEN + 64];
	int fd;
	ssize_t n;

	snprintf(path, sizeof(path), "%s%s%s", dir, *name ? "/" : "", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, buf, len - 1);
	close(fd);
	if (n < 0)
		return false;
	buf[n] = 0;
	return true;
}

/* The number behind "key " at the start of a line; 0 = there is none. */
static uint64_t value_of(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *l = text; l; l = strchr(l, '\n') ? strchr(l, '\n') + 1 : NULL) {
		if (!strncmp(l, key, len) && (l[len] == ' ' || l[len] == ':'))
			return strtoull(l + len + 1, NULL, 10);
	}
	return 0;
}

/* A file with a number or "max". */
static uint64_t limit_of(const char *cgroup, const char *name, uint64_t otherwise)
{
	char text[64];

	if (!read_file(cgroup, name, text, sizeof(text)) || *text < '0' || *text > '9')
		return otherwise;
	return strtoull(text, NULL, 10);
}

static uint32_t local_cpus(const char *cgroup)
{
	uint32_t n = (uint32_t)get_nprocs();
	unsigned long long quota, period;
	char text[64];

	if (read_file(cgroup, "cpu.max", text, sizeof(text)) &&
	    sscanf(text, "%llu %llu", &quota, &period) == 2 && period) {
		uint64_t cpus = (quota + period - 1) / period;

		if (cpus < n)
			n = (uint32_t)cpus;
	}
	return n ? n : 1;
}

struct remote {
	uint64_t cpus, memory, load_milli, busy_ticks, idle_ticks;
};

static void read_remote(const char *path, struct remote *ret)
{
	struct remote none = { 0 };
	struct timespec now;
	char text[1024];
	uint64_t time_s;

	*ret = none;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!read_file(path, "", text, sizeof(text)) || value_of(text, "version") != 1)
		return;
	time_s = value_of(text, "monotonic_s");
	if (time_s > (uint64_t)now.tv_sec || (uint64_t)now.tv_sec - time_s > VIEW_STALE_S)
		return;
	ret->cpus = value_of(text, "cpus");
	ret->memory = value_of(text, "memory");
	ret->load_milli = value_of(text, "load_milli");
	ret->busy_ticks = value_of(text, "busy_ticks");
	ret->idle_ticks = value_of(text, "idle_ticks");
	if (ret->cpus > VIEW_CPUS_MAX / 2)
		ret->cpus = VIEW_CPUS_MAX / 2;
}

static void read_memory(const char *cgroup, const struct remote *r, struct view_figures *f)
{
	char text[8192] = "", host[8192] = "";
	uint64_t total, current, swapped;

	read_file("/proc", "meminfo", host, sizeof(host));
	total = value_of(host, "MemTotal") * 1024;
	current = limit_of(cgroup, "memory.max", total);
	if (current < total)
		total = current;
	current = limit_of(cgroup, "memory.current", 0);
	swapped = limit_of(cgroup, "memory.swap.current", 0);
	read_file(cgroup, "memory.stat", text, sizeof(text));
	f->anon = value_of(text, "anon");
	f->file = value_of(text, "file");
	f->shmem = value_of(text, "shmem");
	f->slab = value_of(text, "slab");
	f->mapped = value_of(text, "file_mapped");
	f->dirty = value_of(text, "file_dirty");
	f->active_anon = value_of(text, "active_anon");
	f->inactive_anon = value_of(text, "inactive_anon");
	f->active_file = value_of(text, "active_file");
	f->inactive_file = value_of(text, "inactive_file");
	f->memory_total = total + r->memory;
	f->memory_used = current + swapped;
	/* Local swap may take more than was lent. */
	if (f->memory_used > f->memory_total)
		f->memory_used = f->memory_total;
	if (f->file > f->memory_used)
		f->file = f->memory_used;
}

static void read_time(const char *cgroup, struct view_figures *f)
{
	struct timespec now;
	struct stat st;
	char text[1024] = "";
	uint64_t ticks, busy;

	clock_gettime(CLOCK_REALTIME, &now);
	f->uptime_ms = 0;
	f->boot_s = (uint64_t)now.tv_sec;
	/* The cgroup is made when the container starts. */
	if (stat(cgroup, &st) == 0 && st.st_ctim.tv_sec <= now.tv_sec) {
		f->boot_s = (uint64_t)st.st_ctim.tv_sec;
		f->uptime_ms = (uint64_t)(now.tv_sec - st.st_ctim.tv_sec) * 1000 +
			       (uint64_t)now.tv_nsec / 1000000;
	}
	read_file(cgroup, "cpu.stat", text, sizeof(text));
	f->user = value_of(text, "user_usec") / (1000000 / HZ);
	f->system = value_of(text, "system_usec") / (1000000 / HZ);
	ticks = f->uptime_ms * HZ / 1000 * f->cpus_local;
	busy = f->user + f->system;
	f->idle = ticks > busy ? ticks - busy : 0;
}

static void read_load(const char *cgroup, const struct remote *r, struct view_figures *f)
{
	double load[3] = { 0 };
	char text[256];

	if (read_file("/proc", "loadavg", text, sizeof(text)))
		sscanf(text, "%lf %lf %lf", &load[0], &load[1], &load[2]);
	for (int i = 0; i < 3; i++)
		f->load_milli[i] = (uint32_t)(load[i] * 1000 + (double)r->load_milli);
	f->tasks = (uint32_t)limit_of(cgroup, "pids.current", 1);
	f->running = 1;
}

void view_figures_read(const struct view_source *src, struct view_figures *ret_figures)
{
	struct view_figures f = { 0 };
	struct remote r;

	read_remote(src->figures, &r);
	f.cpus_local = local_cpus(src->cgroup);
	f.cpus_remote = (uint32_t)r.cpus;
	if (f.cpus_local > VIEW_CPUS_MAX / 2)
		f.cpus_local = VIEW_CPUS_MAX / 2;
	read_memory(src->cgroup, &r, &f);
	read_time(src->cgroup, &f);
	read_load(src->cgroup, &r, &f);
	f.remote_busy = r.busy_ticks;
	f.remote_idle = r.idle_ticks;
	*ret_figures = f;
}
