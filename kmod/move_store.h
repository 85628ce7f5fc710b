/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside of a store: move_store.c (mappings, faults), move_fetch.c (asking, the worker). */
#ifndef _HC_MOVE_STORE_H
#define _HC_MOVE_STORE_H

#include <linux/llist.h>
#include <linux/mmu_notifier.h>
#include <linux/xarray.h>

#include "conn.h"
#include "move.h"

#define CHUNK_SHIFT	9
#define CHUNK_SLOTS	(1UL << CHUNK_SHIFT)
#define SLOT_NONE	0UL	/* nothing to come: what is mapped counts, else zeros */
#define SLOT_HOME	1UL
#define SLOT_ASKED	2UL
#define SLOT_LOST	3UL	/* the source can't read it either */
#define WINDOW		8	/* requests of the worker under way */
#define AROUND		HCW_RUN_PAGES_MAX
#define PATIENCE_MS	30000	/* for a source that can't be reached */

struct hc_store {
	struct kref kref;
	struct hc_move *move;		/* reference held */
	struct list_head list;		/* move->stores */
	struct mm_struct *mm;		/* not held, but by the notifier */
	struct mmu_notifier notifier;
	bool has_notifier;
	struct xarray chunks;		/* page number >> CHUNK_SHIFT -> unsigned long[] */
	atomic_long_t left;		/* slots that are not NONE */
	atomic_t nr_spans;		/* mapped ones */
	atomic_t inflight;		/* requests of the worker */
	wait_queue_head_t wq;
	struct work_struct work;
	struct llist_head arrived;	/* requests of the worker, to be installed */
	bool is_dead;			/* nothing comes any more */
	bool is_careful;		/* one page at a time: a run could not be read */
	bool is_started;
};

/* What one mapping held when it was moved; parts of it share this. */
struct hc_span {
	refcount_t refs;		/* mappings */
	struct hc_store *store;		/* reference held */
	u64 first, nr;			/* page numbers */
};

struct hc_fetch {
	struct hc_call call;
	struct llist_node node;
	struct hc_store *store;		/* reference held */
	bool is_worker;
	u64 first;
	u32 nr;
	struct page *pages[AROUND];
	struct bio_vec bv[AROUND];
};

extern const struct vm_operations_struct hc_store_vm_ops;

static inline bool hc_slot_is_page(unsigned long v)
{
	return v > SLOT_LOST;
}

static inline unsigned long *hc_slot_of(struct hc_store *store, u64 pgno)
{
	unsigned long *slots = xa_load(&store->chunks, pgno >> CHUNK_SHIFT);

	return slots ? slots + (pgno & (CHUNK_SLOTS - 1)) : NULL;
}

/**
 * hc_store_ask() - ask for page @pgno and those after it that nobody has asked for, up to @end
 * Return: 0, also when somebody else asks; -ENOTCONN, -ENOMEM. Context: may sleep
 */
int hc_store_ask(struct hc_store *store, u64 pgno, u64 end, bool is_worker);

/** hc_span_put() - a mapping is gone */
void hc_span_put(struct hc_span *span);

/** hc_store_work() - the worker: fetch all, then let go of the mappings */
void hc_store_work(struct work_struct *work);

#endif /* _HC_MOVE_STORE_H */
