/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A run of pages that lie side by side in one slab, read or written in one go. */
#ifndef _HC_STORE_H
#define _HC_STORE_H

#include "backing.h"
#include "conn.h"
#include "disk.h"

/* The caller's memory, untouchable until done() was called. */
struct hc_run {
	struct hc_disk *disk;
	const struct bio_vec *bv;	/* nr whole pages */
	struct hc_backing_op *ops;	/* nr entries, for the local device */
	u32 loc;			/* the first page's location */
	u32 slab_id;			/* hc_run_prepare() */
	u64 epoch;			/* hc_run_prepare(): of the lease the slab is from */
	u8 target;			/* hc_run_prepare() */
	u8 nr;
	bool is_write;
	bool is_sent;			/* started on a connection */
	int err;			/* as told to done(); the caller's to keep */
	/*
	 * Called once, any context. @err: 0; -ECONNRESET, -ENOTCONN: the donor is out
	 * of reach; -EREMOTEIO: it refused; -EIO: the local device failed.
	 */
	void (*done)(struct hc_run *run, int err);
	void *priv;
	union {
		struct hc_call call;
		struct {
			atomic_t left;
			int err;
		} local;
	};
};

/** hc_run_prepare() - look up @run->loc. Under the map lock, while it is pinned or reserved */
void hc_run_prepare(struct hc_run *run);

/**
 * hc_run_quarantine() - serial of the connection on which a failed write may still
 * arrive at its donor, or -1. Under the map lock
 */
int hc_run_quarantine(const struct hc_run *run);

/**
 * hc_run_drop_slab() - the donor does not know this slab (any more): forget it. Adds
 * to @loss. Under the map lock
 */
void hc_run_drop_slab(const struct hc_run *run, struct hc_loss *loss);

/** hc_run_start() - do it; done() may be called before it returns. May sleep, runs in reclaim */
void hc_run_start(struct hc_run *run);

/** hc_run_length() - how many of @nr locations from @loc on lie side by side */
u32 hc_run_length(const u32 *loc, u32 nr);

#endif /* _HC_STORE_H */
