// SPDX-License-Identifier: GPL-2.0-or-later
/* Round-robin archives: see stats.h. Only librrd's _r calls, and times as numbers. */
#include "stats.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <rrd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_LEN	(HCS_NAME_LEN + 8)
#define FUTURE_S	3600	/* a clock was wrong: that archive would take nothing until then */

static const struct {
	const char *word;
	uint64_t seconds, step_s;
	const char *archive;
} windows[HCS_WINDOWS] = {
	[HCS_HOUR] = { "hour", 3600, HCS_STEP_S, "RRA:AVERAGE:0.5:1:400" },
	[HCS_DAY] = { "day", 86400, 300, "RRA:AVERAGE:0.5:30:300" },
	[HCS_WEEK] = { "week", 604800, 1800, "RRA:AVERAGE:0.5:180:350" },
	[HCS_MONTH] = { "month", 2592000, 7200, "RRA:AVERAGE:0.5:720:380" },
};

int hcs_window_find(const char *word)
{
	for (int w = 0; w < HCS_WINDOWS; w++)
		if (strcmp(windows[w].word, word) == 0)
			return w;
	return -EINVAL;
}

uint64_t hcs_window_seconds(enum hcs_window window)
{
	return windows[window].seconds;
}

int hcs_name_check(const char *name)
{
	size_t len = strlen(name);

	if (len <= 5 || len > HCS_NAME_LEN ||
	    (strncmp(name, "node-", 5) != 0 && strncmp(name, "user-", 5) != 0))
		return -EINVAL;
	return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") ==
	       len ? 0 : -EINVAL;
}

static int fail(char error[HCS_ERROR_LEN], int r, const char *name)
{
	const char *why = rrd_get_error();

	snprintf(error, HCS_ERROR_LEN, "The archive of %s can't be used: %.160s.", name,
		 why && *why ? why : strerror(-r));
	rrd_clear_error();
	return r;
}

/* ---- writing --------------------------------------------------------------------------- */

static size_t count_files(void)
{
	DIR *dir = opendir(".");
	size_t nr = 0;

	while (dir && readdir(dir))
		nr++;
	if (dir)
		closedir(dir);
	return nr;
}

static int create(const char *path, time_t at)
{
	/* 30 s without a sample, and it is unknown what was. */
	const char *sources[] = {
		"DS:load:GAUGE:30:0:U", "DS:cpu:GAUGE:30:0:U", "DS:memory:GAUGE:30:0:U",
		windows[HCS_HOUR].archive, windows[HCS_DAY].archive, windows[HCS_WEEK].archive,
		windows[HCS_MONTH].archive,
	};

	if (count_files() > HCS_FILES_MAX) {
		rrd_set_error("there are too many of them");
		return -ENOSPC;
	}
	if (rrd_create_r(path, HCS_STEP_S, at - HCS_STEP_S,
			 (int)(sizeof(sources) / sizeof(sources[0])), sources) == 0)
		return 0;
	unlink(path);
	return errno ? -errno : -EIO;
}

/* One that is no archive, or of a time to come, goes aside: nothing of it could be gone on with. */
static void put_aside(const char *path)
{
	char aside[PATH_LEN + 16];

	snprintf(aside, sizeof(aside), "%s.damaged", path);
	rename(path, aside);
	rrd_clear_error();
}

static void print_value(char *text, size_t len, double value)
{
	if (isfinite(value) && value >= 0)
		snprintf(text, len, ":%.6f", value);
	else
		snprintf(text, len, ":U");
}

int hcs_archive_add(const char *name, time_t at, const double values[HCS_VALUES],
		    char error[HCS_ERROR_LEN])
{
	char path[PATH_LEN], text[128];
	const char *args[] = { text };
	time_t last = 0;
	int r;

	snprintf(path, sizeof(path), "%s.rrd", name);
	if (access(path, F_OK) == 0) {
		last = rrd_last_r(path);
		if (last == (time_t)-1 || last > time(NULL) + FUTURE_S) {
			put_aside(path);
			last = 0;
		}
	}
	if (last >= at)
		return 0;
	errno = 0;
	if (!last) {
		r = create(path, at);
		if (r < 0)
			return fail(error, r, name);
	}
	snprintf(text, sizeof(text), "%lld", (long long)at);
	for (int v = 0; v < HCS_VALUES; v++) {
		size_t len = strlen(text);

		print_value(text + len, sizeof(text) - len, values[v]);
	}
	errno = 0;
	if (rrd_update_r(path, NULL, 1, args) != 0)
		return fail(error, errno ? -errno : -EIO, name);
	return 0;
}

void hcs_archive_expire(time_t now)
{
	DIR *dir = opendir(".");
	struct dirent *entry;
	struct stat st;

	while (dir && (entry = readdir(dir))) {
		if (stat(entry->d_name, &st) == 0 && S_ISREG(st.st_mode) &&
		    strstr(entry->d_name, ".rrd") && st.st_mtime + HCS_KEPT_S < now)
			unlink(entry->d_name);
	}
	if (dir)
		closedir(dir);
}

/* ---- reading --------------------------------------------------------------------------- */

/* The rows of one archive in (@from, @to], both multiples of its step. */
static int fetch(const char *name, enum hcs_window window, time_t from, time_t to,
		 struct hcs_rows *ret, char error[HCS_ERROR_LEN])
{
	unsigned long step = windows[window].step_s, nr_sources = 0;
	char path[PATH_LEN], **sources = NULL;
	rrd_value_t *data = NULL;
	time_t start = from, end = to;
	bool is_good;

	snprintf(path, sizeof(path), "%s.rrd", name);
	if (access(path, F_OK) != 0) {
		snprintf(error, HCS_ERROR_LEN, "Nothing was measured of %s yet.", name);
		return -ENOENT;
	}
	if (rrd_fetch_r(path, "AVERAGE", &start, &end, &step, &nr_sources, &sources, &data) != 0)
		return fail(error, -EIO, name);
	is_good = nr_sources == HCS_VALUES && step == windows[window].step_s && end >= start;
	for (unsigned long i = 0; i < nr_sources; i++)
		rrd_freemem(sources[i]);
	rrd_freemem(sources);
	if (!is_good) {
		rrd_freemem(data);
		rrd_set_error("it is of another form");
		return fail(error, -EIO, name);
	}
	*ret = (struct hcs_rows){
		.first_s = (uint64_t)start + step, .step_s = step,
		.nr = (size_t)(end - start) / step, .values = data,
	};
	return 0;
}

static time_t round_down(time_t t, uint64_t step)
{
	return t - t % (time_t)step;
}

/* The newest hour from the finest archive, what is older from the next, and so on. */
int hcs_archive_average(const char *name, time_t now, struct hcs_mean ret_means[HCS_WINDOWS],
			char error[HCS_ERROR_LEN])
{
	double sums[HCS_WINDOWS] = { 0 }, known[HCS_WINDOWS] = { 0 };
	time_t to = round_down(now, HCS_STEP_S);

	for (int w = 0; w < HCS_WINDOWS; w++) {
		uint64_t next = w + 1 < HCS_WINDOWS ? windows[w + 1].step_s : windows[w].step_s;
		time_t from = round_down(now - (time_t)windows[w].seconds, next);
		struct hcs_rows rows;
		int r = fetch(name, w, from, to, &rows, error);

		if (r < 0)
			return r;
		for (size_t i = 0; i < rows.nr; i++) {
			time_t at = (time_t)(rows.first_s + i * rows.step_s);
			double value = rows.values[i * HCS_VALUES + HCS_LOAD];

			if (isnan(value) || at <= from || at > to)
				continue;
			for (int k = w; k < HCS_WINDOWS; k++) {
				if (at <= now - (time_t)windows[k].seconds)
					continue;
				sums[k] += value * (double)rows.step_s;
				known[k] += (double)rows.step_s;
			}
		}
		/* Rows that reach over the hour's edge are the next windows' all the same. */
		rrd_freemem(rows.values);
		to = from;
	}
	for (int w = 0; w < HCS_WINDOWS; w++)
		ret_means[w] = (struct hcs_mean){
			.mean = known[w] > 0 ? sums[w] / known[w] : NAN, .known_s = known[w],
		};
	return 0;
}

int hcs_archive_rows(const char *name, enum hcs_window window, time_t now,
		     struct hcs_rows *ret_rows, char error[HCS_ERROR_LEN])
{
	uint64_t step = windows[window].step_s;
	time_t to = round_down(now, step);

	return fetch(name, window, to - (time_t)windows[window].seconds, to, ret_rows, error);
}
