/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hyperchain-stats: the loads of nodes and users over time, in round-robin archives, and pictures
 * of them. A process of its own, since librrd comes with 45 libraries; hyperchaind sends it samples
 * and asks it, over a socket that is root's:
 *
 *	{"do": "sample", "at": s, "rows": [["node-3", load, cpu, memory], ...]}	no answer
 *	{"do": "average", "serial": n, "names": ["node-3", ...]}
 *	{"do": "rows", "serial": n, "name": "node-3", "window": "hour"}
 *	{"do": "graph", "serial": n, "name": "node-3", "window": "hour", "title": "..."}
 *
 * A file per node and per user, of a fixed size, with four archives:
 *
 *	 10 s ├────────┤			an hour and what alignment costs
 *	5 min ├──────────────────┤		a day
 *	½ h   ├─────────────────────────┤	a week
 *	2 h   ├───────────────────────────────┤	a month
 *
 * What was not told, or told as null, is unknown: it is in no mean, and never zero.
 *
 *	main.c		the socket
 *	archive.c	librrd's archives
 *	graph.c		librrd's pictures: not thread-safe, and nothing here is a thread
 */
#ifndef HCS_STATS_H
#define HCS_STATS_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define HCS_STEP_S	10
#define HCS_NAME_LEN	80	/* "user-" and a name */
#define HCS_ERROR_LEN	256
#define HCS_FILES_MAX	4096
#define HCS_KEPT_S	(32 * 86400)	/* a file that nobody wrote to for so long goes */
#define HCS_PNG_MAX	48000	/* bytes: an answer is one message */

enum hcs_value {
	HCS_LOAD,
	HCS_CPU,
	HCS_MEMORY,
	HCS_VALUES,
};

enum hcs_window {
	HCS_HOUR,
	HCS_DAY,
	HCS_WEEK,
	HCS_MONTH,
	HCS_WINDOWS,
};

struct hcs_mean {
	double mean;		/* NAN = unknown */
	double known_s;		/* of how many seconds */
};

struct hcs_rows {
	uint64_t first_s;	/* the first row is the mean of the step that ends then */
	uint64_t step_s;
	size_t nr;
	double *values;		/* HCS_VALUES for each row; freed by free() */
};

/* By its word, or -EINVAL. */
int hcs_window_find(const char *word);
uint64_t hcs_window_seconds(enum hcs_window window);

/* Is @name "node-ID" or "user-NAME", and so the name of a file here? */
int hcs_name_check(const char *name);

/*
 * All work in the current folder. Return: 0 or -errno, then @error has a sentence. -ENOENT: there
 * is nothing of that name.
 */

/* One sample. NAN = unknown. Older ones than there are, are passed over. */
int hcs_archive_add(const char *name, time_t at, const double values[HCS_VALUES],
		    char error[HCS_ERROR_LEN]);
/* The mean load of each window that ends now. */
int hcs_archive_average(const char *name, time_t now, struct hcs_mean ret_means[HCS_WINDOWS],
			char error[HCS_ERROR_LEN]);
int hcs_archive_rows(const char *name, enum hcs_window window, time_t now,
		     struct hcs_rows *ret_rows, char error[HCS_ERROR_LEN]);
/* Remove what nobody writes to any more. */
void hcs_archive_expire(time_t now);

/* A picture, freed by free(). @title: printable. */
int hcs_graph(const char *name, const char *title, enum hcs_window window, time_t now,
	      uint8_t **ret_png, size_t *ret_len, char error[HCS_ERROR_LEN]);

#endif /* HCS_STATS_H */
