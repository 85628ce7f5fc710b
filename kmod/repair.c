// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Repair (SPEC R8, R20a): after a donor is given up its pages get a second copy
 * elsewhere; slabs that a donor calls back, or that are drained, are emptied. In
 * batches: find room, read from a copy that is left, check, write, take into use.
 */
#include <linux/slab.h>

#include "disk.h"
#include "event.h"
#include "lease.h"
#include "main.h"
#include "node.h"
#include "policy/placement.h"
#include "repair.h"
#include "store.h"
#include "trace.h"

#define BATCH		32
#define SCAN_STEP	8192	/* slots or words of slots looked at under one lock */
#define AGAIN_MS	100	/* something could not be done now */

struct job {
	struct hc_repair plan;
	u32 loc;		/* new place, reserved; HC_LOC_NONE: given up */
	struct page *page;
	struct bio_vec bv;
	struct hc_backing_op op;
	struct hc_run run;
	int err;
};

struct hc_repairer {
	struct job jobs[BATCH];
	unsigned long round;	/* jiffies, its begin; see hc_map_repair_round() */
	atomic_t left;
	struct completion done;
};

static void repair_work_fn(struct work_struct *work);
static DECLARE_DELAYED_WORK(repair_work, repair_work_fn);

void hc_repair_kick(void)
{
	mod_delayed_work(hc_lease_wq, &repair_work, 0);
}

static void run_done(struct hc_run *run, int err)
{
	struct hc_repairer *r = run->disk->repairer;
	struct job *job = run->priv;

	job->err = err;
	run->err = err;
	if (atomic_dec_and_test(&r->left))
		complete(&r->done);
}

/* Where the new copy goes. Under the map lock. */
static bool job_place(struct hc_disk *disk, struct job *job)
{
	const struct hc_repair *p = &job->plan;
	struct hc_menv *env = disk->map.envs[p->env];
	struct hc_place place;
	u8 i;

	job->loc = HC_LOC_NONE;
	if (!env)
		return false;
	hc_place(env, disk->node->targets, 1, p->have, p->nr_have, 1, &place);
	for (i = 0; i < place.nr && job->loc == HC_LOC_NONE; i++)
		if (hc_map_reserve(&disk->map, env, place.target[i], p->slot, 1, 0, &job->loc))
			job->loc = HC_LOC_NONE;
	return job->loc != HC_LOC_NONE;
}

/*
 * Make the run that reads the old copy or writes the new one. Under the map lock, and
 * for reading in the hold that made the plan: its slab may be another one after it.
 */
static void job_run(struct hc_disk *disk, struct job *job, bool is_write)
{
	job->err = 0;
	job->bv = (struct bio_vec){ job->page, PAGE_SIZE, 0 };
	job->run.disk = disk;
	job->run.loc = is_write ? job->loc : job->plan.src;
	job->run.nr = 1;
	job->run.bv = &job->bv;
	job->run.ops = &job->op;
	job->run.is_write = is_write;
	job->run.done = run_done;
	job->run.priv = job;
	hc_run_prepare(&job->run);
}

/* Find up to BATCH slots with room for their new copy; *@ret_stuck: some had none. */
static u32 batch_find(struct hc_disk *disk, u32 *ret_stuck)
{
	u32 n = 0, looked = 0;

	*ret_stuck = 0;
	if (time_after(jiffies, disk->repairer->round + msecs_to_jiffies(AGAIN_MS))) {
		disk->repairer->round = jiffies;
		spin_lock_irq(&disk->node->map_lock);
		hc_map_repair_round(&disk->map);
		spin_unlock_irq(&disk->node->map_lock);
	}
	while (n < BATCH && looked <= disk->map.nr_slots) {
		struct job *job = &disk->repairer->jobs[n];

		spin_lock_irq(&disk->node->map_lock);
		if (!disk->map.nr_needs) {
			looked = U32_MAX;
		} else if (!hc_map_repair_next(&disk->map, disk->node->targets, SCAN_STEP,
					       &job->plan)) {
			looked += SCAN_STEP;
		} else if (job_place(disk, job)) {
			job_run(disk, job, false);
			n++;
		} else {
			hc_map_repair_stuck(&disk->map, &job->plan);
			(*ret_stuck)++;
		}
		spin_unlock_irq(&disk->node->map_lock);
		if (looked == U32_MAX)
			break;
		cond_resched();
	}
	return n;
}

/* All that was read goes to its new place, but for places whose donor was given up. */
static void batch_turn(struct hc_disk *disk, u32 n)
{
	u32 i;

	spin_lock_irq(&disk->node->map_lock);
	for (i = 0; i < n; i++) {
		struct job *job = &disk->repairer->jobs[i];

		if (!job->err && disk->map.slabs[hc_loc_slab(job->loc)].state == HC_SLAB_DEAD)
			job->err = -ESTALE;
		if (!job->err)
			job_run(disk, job, true);
	}
	spin_unlock_irq(&disk->node->map_lock);
}

/* One pass over the batch: all reads, or all writes. */
static void batch_run(struct hc_disk *disk, u32 n)
{
	struct hc_repairer *r = disk->repairer;
	u32 i;

	reinit_completion(&r->done);
	atomic_set(&r->left, 1);
	for (i = 0; i < n; i++) {
		struct job *job = &r->jobs[i];

		if (job->err)
			continue;
		atomic_inc(&r->left);
		hc_run_start(&job->run);
	}
	if (!atomic_dec_and_test(&r->left))
		wait_for_completion(&r->done);
}

/* What was read: false for wrong bytes, whose copy is dropped. */
static bool job_check(struct hc_disk *disk, struct job *job)
{
	struct hc_loss loss = {};
	u8 target;

	if (!job->err && (!disk->checksum || hc_page_sum(job->page) == job->plan.sum))
		return true;
	if (!job->err || job->err == -EREMOTEIO || job->err == -EIO) {
		if (!job->err)
			atomic64_inc(&disk->bad_sums);
		spin_lock_irq(&disk->node->map_lock);
		hc_map_copy_bad(&disk->map, job->plan.slot, job->plan.src, &loss);
		target = disk->map.slabs[hc_loc_slab(job->plan.src)].target;
		spin_unlock_irq(&disk->node->map_lock);
		hc_disk_target_error(disk, target);
		hc_disk_lost(disk, &loss);
	}
	job->err = job->err ?: -EBADMSG;
	return false;
}

static void job_end(struct hc_disk *disk, struct job *job)
{
	u32 loc = job->err ? HC_LOC_NONE : job->loc;
	struct hc_loss loss = {};
	int err, conn = -1;

	spin_lock_irq(&disk->node->map_lock);
	err = hc_map_repair_end(&disk->map, &job->plan, loc);
	if (job->err && job->run.is_write)
		conn = hc_run_quarantine(&job->run);
	if (job->err || err)
		hc_map_unreserve(&disk->map, job->loc, conn);
	if (job->run.is_write && job->run.err == -EREMOTEIO)
		hc_run_drop_slab(&job->run, &loss);
	spin_unlock_irq(&disk->node->map_lock);
	hc_disk_lost(disk, &loss);
	if (!job->err && !err)
		atomic64_inc(&disk->repaired);
	trace_hc_repair(job->plan.slot, job->err ?: err);
}

/* True when something was done. */
static bool batch(struct hc_disk *disk, u32 *ret_stuck)
{
	struct hc_repairer *r = disk->repairer;
	u32 i, n = batch_find(disk, ret_stuck);

	batch_run(disk, n);
	for (i = 0; i < n; i++)
		job_check(disk, &r->jobs[i]);
	batch_turn(disk, n);
	batch_run(disk, n);
	for (i = 0; i < n; i++)
		job_end(disk, &r->jobs[i]);
	return n;
}

static void repair_work_fn(struct work_struct *work)
{
	struct hc_disk *disk = hc_disk_get(NULL);
	bool more, restored = false;
	u32 stuck;

	if (!disk)
		return;
	more = batch(disk, &stuck);
	if (disk->was_degraded && !READ_ONCE(disk->map.nr_needs) &&
	    !READ_ONCE(disk->map.nr_degraded)) {
		disk->was_degraded = false;
		restored = true;
	}
	if (more || stuck)
		hc_lease_kick(disk->node);	/* room needed, or slabs became empty */
	if (restored)
		hc_event(disk->node, HC_EV_REPAIRED, 0, 0, atomic64_read(&disk->repaired),
			 "Every page has its copies again.");
	if (more || READ_ONCE(disk->map.nr_needs))
		queue_delayed_work(hc_lease_wq, &repair_work,
				   more ? 0 : msecs_to_jiffies(AGAIN_MS));
	hc_disk_put(disk);
}

void hc_repair_stop(void)
{
	cancel_delayed_work_sync(&repair_work);
}

void hc_repairer_free(struct hc_repairer *r)
{
	unsigned int i;

	for (i = 0; r && i < BATCH; i++)
		if (r->jobs[i].page)
			__free_page(r->jobs[i].page);
	kfree(r);
}

struct hc_repairer *hc_repairer_alloc(void)
{
	struct hc_repairer *r = kzalloc(sizeof(*r), GFP_KERNEL);
	unsigned int i;

	if (!r)
		return NULL;
	init_completion(&r->done);
	for (i = 0; i < BATCH; i++) {
		r->jobs[i].page = alloc_page(GFP_KERNEL);
		if (!r->jobs[i].page) {
			hc_repairer_free(r);
			return NULL;
		}
	}
	return r;
}
