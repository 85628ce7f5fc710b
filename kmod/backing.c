// SPDX-License-Identifier: GPL-2.0-or-later
/* The local backing device; see backing.h. */
#include <linux/highmem.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "backing.h"
#include "main.h"
#include "policy/map.h"

#define RING_PAGES	4096	/* 16 MiB */
#define BIO_POOL	64

struct hc_ring_entry {
	struct hlist_node hash;		/* by_block, while it holds a page */
	struct list_head list;		/* ring_free */
	struct hc_backing *backing;
	struct page *page;
	u64 block;
	bool is_stale;			/* overwritten by a later write: not for readers */
	bool is_waiting;		/* a later write of the same block waits for it */
};

/* A bio of an op that does not go through the ring. */
struct direct {
	struct hc_backing *backing;
	struct hc_backing_op *op;
	struct bio bio;			/* last: the bio_set's front pad */
};

/* The lock: hc_backing_close() frees @b as soon as it has seen 0 and had the lock. */
static void in_flight_put(struct hc_backing *b)
{
	unsigned long flags;

	spin_lock_irqsave(&b->lock, flags);
	if (atomic_dec_and_test(&b->in_flight))
		wake_up_all(&b->idle_wq);
	spin_unlock_irqrestore(&b->lock, flags);
}

static struct hc_ring_entry *ring_find(struct hc_backing *b, u64 block)
{
	struct hc_ring_entry *e;

	lockdep_assert_held(&b->lock);
	hash_for_each_possible(b->by_block, e, hash, block)
		if (e->block == block && !e->is_stale)
			return e;
	return NULL;
}

static void bio_prepare(struct bio *bio, struct page *page, u64 block)
{
	bio->bi_iter.bi_sector = block << (PAGE_SHIFT - SECTOR_SHIFT);
	__bio_add_page(bio, page, PAGE_SIZE, 0);
}

static void failed(struct hc_backing *b, u64 block, bool is_write)
{
	atomic64_inc(&b->errors);
	if (b->on_error)
		b->on_error(b, block, is_write);
}

static void direct_end(struct bio *bio)
{
	struct direct *d = container_of(bio, struct direct, bio);
	struct hc_backing_op *op = d->op;
	struct hc_backing *b = d->backing;
	int err = blk_status_to_errno(bio->bi_status);

	if (err)
		failed(b, op->block, op->is_write);
	else if (op->is_write)
		clear_bit(op->block, b->bad);
	bio_put(bio);
	op->done(op, err);
	in_flight_put(b);
}

static void direct_submit(struct hc_backing *b, struct hc_backing_op *op)
{
	struct bio *bio = bio_alloc_bioset(b->dev.bdev, 1, op->is_write ? REQ_OP_WRITE :
					   REQ_OP_READ, GFP_NOIO, &b->bios);
	struct direct *d = container_of(bio, struct direct, bio);

	d->backing = b;
	d->op = op;
	bio_prepare(bio, op->page, op->block);
	bio->bi_end_io = direct_end;
	submit_bio(bio);
}

static void ring_end(struct bio *bio)
{
	struct hc_ring_entry *e = bio->bi_private, *next;
	struct hc_backing *b = e->backing;
	bool has_failed = bio->bi_status;
	unsigned long flags;
	u64 block = e->block;

	bio_put(bio);
	spin_lock_irqsave(&b->lock, flags);
	if (has_failed && !e->is_stale)
		set_bit(block, b->bad);
	hash_del(&e->hash);
	list_add(&e->list, &b->ring_free);
	/* A newer write of the same block waited, so that it lands last. */
	next = ring_find(b, block);
	if (next && next->is_waiting) {
		next->is_waiting = false;
		list_add_tail(&next->list, &b->ring_todo);
		queue_work(hc_data_wq, &b->work);
	}
	spin_unlock_irqrestore(&b->lock, flags);
	if (has_failed)
		failed(b, block, true);
	wake_up_all(&b->idle_wq);
	in_flight_put(b);
}

static void ring_submit(struct hc_ring_entry *e)
{
	struct hc_backing *b = e->backing;
	struct bio *bio = bio_alloc_bioset(b->dev.bdev, 1, REQ_OP_WRITE, GFP_NOIO, &b->bios);

	bio_prepare(bio, e->page, e->block);
	bio->bi_private = e;
	bio->bi_end_io = ring_end;
	submit_bio(bio);
}

/*
 * The only place that allocates and submits bios. Within submit_bio() of the swap
 * disk, bios would only be queued, and the pool of them could run dry for ever.
 */
static void backing_work_fn(struct work_struct *work)
{
	struct hc_backing *b = container_of(work, struct hc_backing, work);
	struct blk_plug plug;

	blk_start_plug(&plug);
	for (;;) {
		struct hc_ring_entry *e;
		struct hc_backing_op *op;

		spin_lock_irq(&b->lock);
		op = list_first_entry_or_null(&b->ops_todo, struct hc_backing_op, list);
		e = op ? NULL : list_first_entry_or_null(&b->ring_todo, struct hc_ring_entry, list);
		if (op)
			list_del(&op->list);
		else if (e)
			list_del(&e->list);
		spin_unlock_irq(&b->lock);
		if (op)
			direct_submit(b, op);
		else if (e)
			ring_submit(e);
		else
			break;
	}
	blk_finish_plug(&plug);
}

static void op_queue(struct hc_backing *b, struct hc_backing_op *op, bool is_write)
{
	lockdep_assert_held(&b->lock);
	op->is_write = is_write;
	atomic_inc(&b->in_flight);
	list_add_tail(&op->list, &b->ops_todo);
	queue_work(hc_data_wq, &b->work);
}

void hc_backing_read(struct hc_backing *b, struct hc_backing_op *op)
{
	struct hc_ring_entry *e;
	unsigned long flags;
	int err = 0;

	spin_lock_irqsave(&b->lock, flags);
	e = ring_find(b, op->block);
	if (e) {
		copy_highpage(op->page, e->page);
	} else if (test_bit(op->block, b->bad)) {
		err = -EIO;
	} else {
		op_queue(b, op, false);
		err = -EINPROGRESS;
	}
	spin_unlock_irqrestore(&b->lock, flags);
	if (err != -EINPROGRESS)
		op->done(op, err);
}

/* 0: the page is in the ring; -EINPROGRESS: queued past it; -EAGAIN: wait for the ring */
static int write_try(struct hc_backing *b, struct hc_backing_op *op)
{
	struct hc_ring_entry *e, *old;
	unsigned long flags;
	int err = 0;

	spin_lock_irqsave(&b->lock, flags);
	old = ring_find(b, op->block);
	e = list_first_entry_or_null(&b->ring_free, struct hc_ring_entry, list);
	if (old && old->is_waiting) {
		/* Nobody reads it yet: this write takes its place. */
		copy_highpage(old->page, op->page);
	} else if (e) {
		list_del(&e->list);
		e->block = op->block;
		e->is_stale = false;
		e->is_waiting = old;
		copy_highpage(e->page, op->page);
		if (old)
			old->is_stale = true;
		hash_add(b->by_block, &e->hash, e->block);
		clear_bit(e->block, b->bad);
		atomic_inc(&b->in_flight);
		if (!old) {
			list_add_tail(&e->list, &b->ring_todo);
			queue_work(hc_data_wq, &b->work);
		}
	} else if (old) {
		err = -EAGAIN;	/* the ring's older write of this block must land first */
	} else {
		op_queue(b, op, true);
		err = -EINPROGRESS;
	}
	spin_unlock_irqrestore(&b->lock, flags);
	return err;
}

void hc_backing_write(struct hc_backing *b, struct hc_backing_op *op)
{
	int err;

	might_sleep();
	wait_event(b->idle_wq, (err = write_try(b, op)) != -EAGAIN);
	if (!err)
		op->done(op, 0);
}

/* ---- life ---- */

static void ring_free_all(struct hc_backing *b)
{
	unsigned int i;

	for (i = 0; b->ring && i < RING_PAGES; i++)
		if (b->ring[i].page)
			__free_page(b->ring[i].page);
	vfree(b->ring);
}

static int ring_alloc(struct hc_backing *b)
{
	unsigned int i;

	b->ring = vzalloc(array_size(RING_PAGES, sizeof(*b->ring)));
	if (!b->ring)
		return -ENOMEM;
	for (i = 0; i < RING_PAGES; i++) {
		struct hc_ring_entry *e = &b->ring[i];

		e->page = alloc_page(GFP_KERNEL);
		if (!e->page)
			return -ENOMEM;
		e->backing = b;
		list_add_tail(&e->list, &b->ring_free);
	}
	return 0;
}

static void backing_free(struct hc_backing *b)
{
	ring_free_all(b);
	kvfree(b->bad);
	kvfree(b->slabs);
	kvfree(b->failed);
	bioset_exit(&b->bios);
	if (b->dev.bdev)
		hc_bdev_close(&b->dev);
	kfree(b);
}

static const char *why_not_open(int err)
{
	switch (err) {
	case -EBUSY:
		return "the device is in use";
	case -ENOTBLK:
		return "this is no block device";
	case -ENOENT:
	case -ENXIO:
	case -ENODEV:
		return "there is no such device";
	case -EACCES:
	case -EPERM:
	case -EROFS:
		return "the device may not be written";
	default:
		return "the device can't be opened";
	}
}

static int backing_setup(struct hc_backing *b, const char *path, const char **ret_why)
{
	int err;

	*ret_why = "out of memory";
	err = bioset_init(&b->bios, BIO_POOL, offsetof(struct direct, bio), BIOSET_NEED_BVECS);
	if (err)
		return err;
	err = hc_bdev_open(path, b, &b->dev);
	if (err) {
		*ret_why = why_not_open(err);
		return err;
	}
	b->nr_pages = bdev_nr_bytes(b->dev.bdev) >> PAGE_SHIFT;
	b->nr_slabs = b->nr_pages >> HC_SLAB_SHIFT;
	if (!b->nr_slabs) {
		*ret_why = "the device is smaller than 1 MiB";
		return -ENOSPC;
	}
	b->bad = kvcalloc(BITS_TO_LONGS(b->nr_pages), sizeof(long), GFP_KERNEL);
	b->slabs = kvcalloc(BITS_TO_LONGS(b->nr_slabs), sizeof(long), GFP_KERNEL);
	b->failed = kvcalloc(BITS_TO_LONGS(b->nr_slabs), sizeof(long), GFP_KERNEL);
	if (!b->bad || !b->slabs || !b->failed)
		return -ENOMEM;
	return ring_alloc(b);
}

struct hc_backing *hc_backing_open(const char *path, const char **ret_why)
{
	struct hc_backing *b = kzalloc(sizeof(*b), GFP_KERNEL);
	int err;

	if (!b)
		return ERR_PTR(-ENOMEM);
	spin_lock_init(&b->lock);
	INIT_LIST_HEAD(&b->ring_free);
	INIT_LIST_HEAD(&b->ring_todo);
	INIT_LIST_HEAD(&b->ops_todo);
	INIT_WORK(&b->work, backing_work_fn);
	hash_init(b->by_block);
	init_waitqueue_head(&b->idle_wq);
	strscpy(b->path, path, sizeof(b->path));
	err = backing_setup(b, path, ret_why);
	if (err) {
		backing_free(b);
		return ERR_PTR(err);
	}
	return b;
}

void hc_backing_close(struct hc_backing *b)
{
	wait_event(b->idle_wq, !atomic_read(&b->in_flight));
	/* Whoever brought it to 0 is out of the lock, and with that done with @b. */
	spin_lock_irq(&b->lock);
	spin_unlock_irq(&b->lock);
	cancel_work_sync(&b->work);
	backing_free(b);
}
