// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the local device failed (SPEC R20a, R8): slots must not count on pages that were
 * acknowledged from the ring and then lost; told, and the device rests for a while.
 */
#include <linux/jiffies.h>

#include "backing.h"
#include "disk.h"
#include "event.h"
#include "main.h"
#include "node.h"
#include "policy/map.h"
#include "repair.h"

#define BACKING_AGAIN_MS	20	/* a page of a failed write is being read */
#define BACKING_LOOK_MS		1000	/* while it rests */
#define BACKING_REST_MS		10000	/* nothing new goes to a device that failed a write */
#define BACKING_TELL_MS		5000	/* between two events */

static void backing_errors_fn(struct work_struct *work);
static DECLARE_DELAYED_WORK(backing_errors, backing_errors_fn);

void hc_backing_failed(struct hc_backing *b, u64 block, bool is_write)
{
	if (is_write) {
		set_bit(block >> HC_SLAB_SHIFT, b->failed);
		set_bit(0, &b->wrote_badly);
	}
	mod_delayed_work(hc_ctl_wq, &backing_errors, 0);
}

/*
 * Pages of one local slab were acknowledged when they were in the ring, and then not
 * written: no slot may count on them. False when one is in use, for another time.
 */
static bool slab_check(struct hc_disk *disk, const struct hc_backing *b, u32 id)
{
	struct hc_loss one, loss = { .target = HC_TARGET_LOCAL };
	bool whole = true;
	u32 slab, page;

	spin_lock_irq(&disk->node->map_lock);
	slab = hc_map_slab_find(&disk->map, HC_TARGET_LOCAL, id);
	for (page = 0; slab != HC_SLAB_NONE && page < HC_SLAB_PAGES; page++) {
		/* A later write of this page makes it good, before its slot counts on it. */
		if (!test_bit((u64)id << HC_SLAB_SHIFT | page, b->bad))
			continue;
		if (hc_map_page_bad(&disk->map, slab << HC_SLAB_SHIFT | page, &one))
			whole = false;
		loss.nr_lost += one.nr_lost;
		loss.nr_degraded += one.nr_degraded;
		if (one.nr_lost || one.nr_degraded)
			loss.env = one.env;
	}
	spin_unlock_irq(&disk->node->map_lock);
	hc_disk_lost(disk, &loss);
	return whole;
}

static bool slabs_check(struct hc_disk *disk, struct hc_backing *b)
{
	bool whole = true;
	unsigned long id;

	for_each_set_bit(id, b->failed, b->nr_slabs) {
		clear_bit(id, b->failed);
		if (!slab_check(disk, b, id)) {
			set_bit(id, b->failed);
			whole = false;
		}
		cond_resched();
	}
	return whole;
}

/* A device that failed a write rests: else repair would fill it again, in vain, for ever. */
static void backing_rest(struct hc_disk *disk, struct hc_backing *b)
{
	bool *no_new = &disk->node->targets[HC_TARGET_LOCAL].no_new;

	if (test_and_clear_bit(0, &b->wrote_badly)) {
		b->rest_end = (jiffies + msecs_to_jiffies(BACKING_REST_MS)) ?: 1;
		WRITE_ONCE(*no_new, true);
	} else if (b->rest_end && time_after_eq(jiffies, b->rest_end)) {
		b->rest_end = 0;
		WRITE_ONCE(*no_new, false);
		hc_repair_kick();
	}
}

/* True when there is something that must wait until it is told. */
static bool backing_tell(struct hc_disk *disk, struct hc_backing *b)
{
	u64 errors = atomic64_read(&b->errors), fresh = errors - b->told;

	if (!fresh)
		return false;
	if (b->tell_after && time_before(jiffies, b->tell_after))
		return true;
	b->tell_after = (jiffies + msecs_to_jiffies(BACKING_TELL_MS)) ?: 1;
	b->told = errors;
	hc_event(disk->node, HC_EV_BACKING_ERROR, 0, 0, fresh,
		 "The local device %s failed %llu requests%s.", b->path, fresh,
		 b->rest_end ? "; no new page goes there for now" : "");
	return false;
}

static void backing_errors_fn(struct work_struct *work)
{
	struct hc_disk *disk = hc_disk_get(NULL);
	struct hc_backing *b = disk ? READ_ONCE(disk->backing) : NULL;

	/* It stays as long as a disk is there to use it. */
	if (b) {
		bool whole, more;

		backing_rest(disk, b);
		whole = slabs_check(disk, b);
		more = backing_tell(disk, b) || b->rest_end;
		if (!whole || more)
			queue_delayed_work(hc_ctl_wq, &backing_errors,
					   msecs_to_jiffies(whole ? BACKING_LOOK_MS :
							    BACKING_AGAIN_MS));
	}
	hc_disk_put(disk);
}

void hc_backing_watch_stop(void)
{
	cancel_delayed_work_sync(&backing_errors);
}
