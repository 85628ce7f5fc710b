/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The local backing: a block device of this node that holds second copies when
 * there is one donor only, and everything when there is none. (The daemon puts
 * dm-crypt with a key of this boot below it.)
 *
 * A write is done when it is in a ring of RAM; the ring is written out behind
 * it. When the ring is full, a write is done when the device has it.
 *
 *	write --> [ring entry: page, block] --bio--> device     read looks in the
 *	           \__ full: bio of the page itself --> device  ring first
 */
#ifndef _HC_BACKING_H
#define _HC_BACKING_H

#include <linux/bio.h>
#include <linux/hashtable.h>
#include <linux/spinlock.h>

#include "compat.h"

struct hc_backing_op;

#define HC_BACKING_HASH_BITS	10

struct hc_backing {
	struct hc_bdev dev;
	char path[128];
	u64 nr_pages;
	struct bio_set bios;
	spinlock_t lock;		/* irq-safe: the ring */
	struct hc_ring_entry *ring;
	struct list_head ring_free;
	struct list_head ring_todo;	/* entries to write */
	struct list_head ops_todo;	/* ops past the ring */
	struct work_struct work;	/* submits both: never from within another submit_bio() */
	DECLARE_HASHTABLE(by_block, HC_BACKING_HASH_BITS);
	atomic_t in_flight;		/* ops and entries not ended */
	wait_queue_head_t idle_wq;
	atomic64_t errors;		/* requests that failed */
	/*
	 * The device failed a request of @block; any context. A write: its bit in @bad is
	 * set when the page was acknowledged before, from the ring.
	 */
	void (*on_error)(struct hc_backing *b, u64 block, bool is_write);
	unsigned long *bad;		/* bit per page: lost in the ring's write-out */
	unsigned long *slabs;		/* bit per slab: handed out; node->map_lock */
	/* backing_watch.c's: */
	unsigned long *failed;		/* bit per slab: to be looked through for bad pages */
	unsigned long wrote_badly;	/* bit 0: a write failed since the last look */
	unsigned long rest_end;		/* jiffies, 0 = none: nothing new goes there until then */
	unsigned long tell_after;	/* jiffies, 0 = at once: the next event */
	u64 told;			/* errors that events were sent for */
	u32 nr_slabs;
};

/* One page in or out; the caller's memory until done() was called. */
struct hc_backing_op {
	struct list_head list;	/* the backing's */
	bool is_write;		/* the backing's */
	struct page *page;
	u64 block;		/* page number on the device */
	void (*done)(struct hc_backing_op *op, int err);	/* any context */
	void *priv;
};

/** hc_backing_open() - process context; ERR_PTR with the reason in *@ret_why */
struct hc_backing *hc_backing_open(const char *path, const char **ret_why);
/** hc_backing_close() - waits for what is on its way. No op may be started any more */
void hc_backing_close(struct hc_backing *b);

/* Both may run in reclaim; done() may be called before they return. Writes may sleep. */
void hc_backing_read(struct hc_backing *b, struct hc_backing_op *op);
void hc_backing_write(struct hc_backing *b, struct hc_backing_op *op);

/* backing_watch.c: what becomes of pages that the device failed. */

/** hc_backing_failed() - for @on_error of the disk's backing. Any context */
void hc_backing_failed(struct hc_backing *b, u64 block, bool is_write);
/** hc_backing_watch_stop() - the module goes: no disk and no backing is left. May sleep */
void hc_backing_watch_stop(void);

#endif /* _HC_BACKING_H */
