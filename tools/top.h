/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `hyperchain top` shows, and its drawing into text. The drawing does no
 * I/O: cmd/top.c samples, keeps the clock and the terminal.
 */
#ifndef HC_TOP_H
#define HC_TOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hcnl.h"

/* One node's memory; what nobody told is 0 and has_memory false. */
struct top_node {
	uint32_t id;
	char name[HC_NAME_LEN + 1];
	bool is_self;
	bool has_memory;
	uint64_t total;
	uint64_t available;
	uint64_t lends;			/* at most */
	uint64_t lent;			/* to all others */

	/* Between this node and us; of a peer only. */
	struct hcnl_peer peer;
	uint64_t read_rate;		/* pages/s we read there */
	uint64_t write_rate;
	uint64_t served_read_rate;	/* pages/s it read here */
	uint64_t served_write_rate;
};

struct top_picture {
	uint64_t time_ns;
	bool has_daemon;
	struct top_node *nodes;		/* this one first */
	size_t nr_nodes;
	struct hcnl_pool pool;
	struct hcnl_disk disk;
	bool has_disk;
	uint64_t disk_read_rate, disk_write_rate;	/* pages/s */
	struct hcnl_env *envs;
	size_t nr_envs;
};

struct top_style {
	int cols;			/* of the terminal, >= 20 */
	int rows;			/* 0 = no limit */
	bool color;
	bool utf8;
};

/* The frame as lines without a newline; is_bad when out of memory. Zeroed before. */
struct top_lines {
	char **line;
	size_t n, room;
	bool is_bad;
};

void top_draw(const struct top_picture *p, const struct top_style *style, struct top_lines *ret);
void top_lines_free(struct top_lines *lines);

#endif /* HC_TOP_H */
