// SPDX-License-Identifier: GPL-2.0-or-later
/* A look at the service processes, in a worker: see process.h. What can't be read is not there. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/cluster/text.h"
#include "daemon/node/cleanup.h"
#include "daemon/node/process.h"

#define DEPTH_MAX	8
#define GROUPS_MAX	256		/* cgroups of one look */
#define CHECKS_MAX	32		/* reasons asked for in one look */
#define CHECK_AGE_MS	5000
#define STAT_LEN	1024

static uint64_t boottime_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Name, CPU time and start of a process. Whoever runs it has chosen the name. */
static bool read_stat(const char *proc, uint32_t pid, char *name, uint64_t *ret_ticks,
		      uint64_t *ret_start)
{
	unsigned long long user, system, start;
	char path[128], line[STAT_LEN], *open, *close, state;
	size_t len;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%u/stat", proc, pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	len = fread(line, 1, sizeof(line) - 1, f);
	fclose(f);
	line[len] = '\0';
	open = strchr(line, '(');
	close = strrchr(line, ')');
	if (!open || !close || close < open ||
	    sscanf(close + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d %*d %llu",
		   &state, &user, &system, &start) != 4 || state == 'Z' || state == 'X')
		return false;
	*close = '\0';
	hcd_text_clean(name, HCD_NAME_OF_PROGRAM, open + 1, "");
	*ret_ticks = user + system;
	*ret_start = start;
	return true;
}

/* Its own memory, here or swapped out. @ret_is_init: the first process of a container. */
static bool read_status(const char *proc, uint32_t pid, uint64_t *ret_bytes, bool *ret_is_init,
			bool *ret_is_inside)
{
	static const char *const names[] = { "RssAnon:", "RssShmem:", "VmSwap:" };
	_cleanup_fclose_ FILE *f = NULL;
	unsigned long long kib;
	char path[128], line[256], *last;

	snprintf(path, sizeof(path), "%s/%u/status", proc, pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	*ret_bytes = 0;
	*ret_is_init = *ret_is_inside = false;
	while (fgets(line, sizeof(line), f)) {
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (strncmp(line, names[i], strlen(names[i])) == 0 &&
			    sscanf(line + strlen(names[i]), "%llu kB", &kib) == 1)
				*ret_bytes += kib << 10;
		if (strncmp(line, "NSpid:", 6) == 0) {
			last = strrchr(line, '\t');
			*ret_is_inside = last && last != strchr(line, '\t');
			*ret_is_init = *ret_is_inside && strtoul(last, NULL, 10) == 1;
		}
	}
	return true;
}

static void take_process(struct hcd_look *look, size_t place, uint32_t pid)
{
	struct hcd_look_row row = { .pid = pid, .user = place };
	bool is_init, is_inside;

	if (look->nr_rows == HCD_PROCESSES_SEEN)
		return;
	for (size_t i = 0; i < look->nr_rows; i++)
		if (look->rows[i].pid == pid)
			return;		/* it went from one cgroup to another meanwhile */
	if (!read_stat(look->proc, pid, row.name, &row.ticks, &row.start) ||
	    !read_status(look->proc, pid, &row.bytes, &is_init, &is_inside))
		return;
	/* What a container is made of is nobody's service process. */
	if (is_init || (is_inside && strcmp(row.name, "sshd") == 0))
		return;
	look->rows[look->nr_rows++] = row;
}

static void walk(struct hcd_look *look, size_t place, const char *dir, int depth, int *groups)
{
	char path[HCD_PATH_LEN];
	struct dirent *e;
	unsigned int pid;
	DIR *d;
	FILE *f;

	if ((*groups)++ >= GROUPS_MAX)
		return;
	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	f = fopen(path, "re");
	while (f && fscanf(f, "%u", &pid) == 1)
		take_process(look, place, pid);
	if (f)
		fclose(f);
	d = depth < DEPTH_MAX ? opendir(dir) : NULL;
	while (d && (e = readdir(d))) {
		if (e->d_type != DT_DIR || e->d_name[0] == '.' ||
		    snprintf(path, sizeof(path), "%s/%s", dir, e->d_name) >= (int)sizeof(path))
			continue;
		walk(look, place, path, depth + 1, groups);
	}
	if (d)
		closedir(d);
}

static bool runs_here(const struct hcnl_move *m)
{
	return m->state == HC_MOVE_RUNNING || m->state == HC_MOVE_WHOLE;
}

static void take_guests(struct hcd_look *look)
{
	for (size_t i = 0; i < look->nr_moves && look->nr_guests < HCD_GUESTS_MAX; i++) {
		struct hcd_look_guest g = { .move = look->moves[i].id };
		char name[HCD_NAME_OF_PROGRAM];
		bool is_init, is_inside;
		uint64_t start;

		if (runs_here(&look->moves[i]) &&
		    read_stat(look->proc, look->moves[i].pid, name, &g.ticks, &start) &&
		    read_status(look->proc, look->moves[i].pid, &g.bytes, &is_init, &is_inside))
			look->guests[look->nr_guests++] = g;
	}
}

/* When was it checked? 0 = never. */
static uint64_t checked_at(const struct hcd_look *look, const struct hcd_look_row *row)
{
	for (size_t i = 0; i < look->nr_known; i++)
		if (look->known[i].pid == row->pid && look->known[i].start == row->start)
			return look->known[i].checked_ms;
	return 0;
}

static bool has_moved(const struct hcd_look *look, uint32_t pid)
{
	for (size_t i = 0; i < look->nr_moves; i++)
		if (look->moves[i].pid == pid && look->moves[i].state < HC_MOVE_STAYED)
			return true;
	return false;
}

/* The one that was looked at longest ago, of those that need it; NULL. */
static struct hcd_look_row *next_check(struct hcd_look *look)
{
	struct hcd_look_row *best = NULL;
	uint64_t best_ms = 0;

	for (size_t i = 0; i < look->nr_rows; i++) {
		struct hcd_look_row *row = &look->rows[i];
		uint64_t ms = row->is_checked ? look->at_ms : checked_at(look, row);

		if (row->is_checked || (ms && look->at_ms - ms < CHECK_AGE_MS) ||
		    has_moved(look, row->pid))
			continue;
		if (!best || ms < best_ms) {
			best = row;
			best_ms = ms;
		}
	}
	return best;
}

static void check(struct hcd_look *look, struct hcnl *h)
{
	char (*reasons)[HCNL_TEXT_LEN] = malloc(HCNL_REASONS_MAX * sizeof(*reasons));
	struct hcd_look_row *row;
	size_t n;

	for (int i = 0; reasons && i < CHECKS_MAX && (row = next_check(look)); i++) {
		row->is_checked = true;
		if (hcnl_move_check(h, row->pid, reasons, &n) < 0)
			hcd_text_clean(row->why, sizeof(row->why), hcnl_error(h), "");
		else if (n)
			hcd_text_clean(row->why, sizeof(row->why), reasons[0], "");
	}
	free(reasons);
}

int hcd_look_run(struct hcd_look *look, struct hcnl *h)
{
	int groups = 0, r;

	if (h) {
		r = hcnl_move_list(h, &look->moves, &look->nr_moves);
		if (r < 0)
			return r;
	}
	look->at_ms = boottime_ms();
	for (size_t i = 0; i < look->nr_places; i++)
		walk(look, i, look->places[i].cgroup, 0, &groups);
	take_guests(look);
	if (h)
		check(look, h);
	return 0;
}
