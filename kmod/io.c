// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Requests of the block layer on the swap disk (SPEC R20a).
 *
 * A read pins its slots, reads each page from one copy, checks it, and unpins; a
 * copy that is wrong is dropped, and the request starts again with another one.
 * The block layer merges neighbours that have nothing to do with each other into
 * one request: a page that has no copy left fails alone, see read_end().
 * A write claims its slots, stores every copy at new locations, and commits; if
 * one copy fails nothing is committed and the request starts again. So a write
 * is either done whole or repeated until its time is over; never half done.
 */
#include <linux/blk-mq.h>
#include <linux/highmem.h>
#include <linux/jiffies.h>
#include <linux/xxhash.h>

#include "disk.h"
#include "env.h"
#include "event.h"
#include "lease.h"
#include "main.h"
#include "node.h"
#include "policy/placement.h"
#include "store.h"
#include "trace.h"

#define RETRY_MS	10	/* between tries that wait for something */
#define LEASE_RETRY_MS	1	/* the same, for a lease that is on its way */
#define LEASE_WAIT_MS	200	/* wait for a lease rather than use the local device */
#define ROOM_WAIT_MS	2000U	/* wait for room anywhere before a write is refused */
#define EVENT_MS	5000	/* quota and room events of one environment */

#define IO_RUNS		(HC_COPIES * HC_IO_PAGES)

struct hc_io {
	struct hc_disk *disk;
	struct hc_env *env;		/* write: reference held */
	unsigned long started;		/* jiffies of the first try */
	ktime_t began;
	u32 slot;
	u8 nr;
	u8 nr_runs;
	u32 avoid;			/* read: target whose copy failed last */
	u32 zero;			/* bit per page: zero, nothing stored */
	u32 gone;			/* read, bit per page: no copy, or none in reach any more */
	bool is_lost;			/* read: of some of them no copy is left */
	bool one_by_one;		/* read: a run of several pages was refused */
	unsigned long failed;		/* bit per page: not read, or a copy not written */
	unsigned long bad;		/* bit per page: this copy is wrong */
	atomic_t left;			/* runs not ended, and one */
	u32 sum[HC_IO_PAGES];
	u32 loc[HC_COPIES][HC_IO_PAGES];	/* a read uses row 0 */
	struct bio_vec bv[HC_IO_PAGES];
	struct hc_backing_op ops[HC_IO_PAGES];
	struct hc_run runs[IO_RUNS];
};

size_t hc_io_size(void)
{
	return sizeof(struct hc_io);
}

u32 hc_page_sum(struct page *page)
{
	u32 sum = (u32)xxh64(page_address(page), PAGE_SIZE, 0);

	return sum ?: 1;
}

/* ---- ending ---- */

static struct request *io_rq(struct hc_io *io)
{
	return blk_mq_rq_from_pdu(io);
}

static void io_end(struct hc_io *io, blk_status_t status)
{
	struct hc_disk *disk = io->disk;

	if (status)
		atomic64_add(io->nr, &disk->errors);
	trace_hc_io_done(io->slot, io->nr, (__force int)req_op(io_rq(io)),
			 blk_status_to_errno(status),
			 ktime_us_delta(ktime_get(), io->began));
	hc_env_put(io->env);
	io->env = NULL;
	blk_mq_end_request(io_rq(io), status);
}

static void io_again(struct hc_io *io, unsigned int delay_ms)
{
	struct request_queue *q = io_rq(io)->q;

	atomic64_inc(&io->disk->retries);
	blk_mq_requeue_request(io_rq(io), false);
	blk_mq_delay_kick_requeue_list(q, delay_ms);
}

static bool io_expired(const struct hc_io *io, unsigned int ms)
{
	return time_after(jiffies, io->started + msecs_to_jiffies(ms));
}

/* A read may have to wait until a silent donor is given up, and then some. */
static unsigned int read_limit_ms(void)
{
	return hc_peer_grace_ms + 3 * hc_request_timeout_ms;
}

/* ---- reading ---- */

static void read_unpin(struct hc_io *io, struct hc_loss *loss)
{
	struct hc_disk *disk = io->disk;
	unsigned long flags;
	u8 i;

	memset(loss, 0, sizeof(*loss));
	spin_lock_irqsave(&disk->node->map_lock, flags);
	for (i = 0; i < io->nr; i++) {
		struct hc_loss one;

		if (io->loc[0][i] == HC_LOC_NONE)
			continue;
		if (test_bit(i, &io->bad) &&
		    hc_map_copy_bad(&disk->map, io->slot + i, io->loc[0][i], &one)) {
			loss->env = one.env;
			loss->target = one.target;
			loss->nr_lost += one.nr_lost;
			loss->nr_degraded += one.nr_degraded;
		}
		hc_map_read_end(&disk->map, io->slot + i);
		io->loc[0][i] = HC_LOC_NONE;
	}
	spin_unlock_irqrestore(&disk->node->map_lock, flags);
}

/* Node id of one that has a copy; 0 = none, or the local device. Under the map lock. */
static u32 holder_id(struct hc_disk *disk, const struct hc_slot *s)
{
	const struct hc_slab *slabs = disk->map.slabs;
	u32 id = 0;
	u8 c;

	for (c = 0; c < HC_COPIES && !id; c++)
		if (s->loc[c] != HC_LOC_NONE)
			id = hc_disk_target_id(disk, slabs[hc_loc_slab(s->loc[c])].target);
	return id;
}

/* The bios of the pages of @failed end with an error, the others well. */
static void read_end(struct hc_io *io, unsigned long failed)
{
	struct request *rq = io_rq(io);
	u8 i;

	atomic64_add(hweight_long(failed), &io->disk->errors);
	trace_hc_io_done(io->slot, io->nr, (__force int)REQ_OP_READ, -EIO,
			 ktime_us_delta(ktime_get(), io->began));
	for (i = 0; i < io->nr; i++)
		blk_update_request(rq, test_bit(i, &failed) ? BLK_STS_IOERR : BLK_STS_OK,
				   PAGE_SIZE);
	__blk_mq_end_request(rq, BLK_STS_IOERR);
}

/*
 * Pages of the read fail: say once in a while whose that is, since the program itself
 * only sees a SIGBUS. The kernel may have read it ahead of need.
 */
static void read_fail(struct hc_io *io)
{
	struct hc_node *node = io->disk->node;
	unsigned long failed = io->failed | io->gone;
	bool is_lost = io->is_lost;
	char who[HC_ENV_TEXT_LEN], where[32] = "";
	struct hc_env *env = NULL;
	bool tell = false;
	unsigned long flags;
	u32 id = 0, peer = 0;
	u8 i;

	spin_lock_irqsave(&node->map_lock, flags);
	for (i = 0; i < io->nr && !env; i++) {
		const struct hc_slot *s = &io->disk->map.slots[io->slot + i];

		if (!test_bit(i, &failed) || !node->envs[s->env] ||
		    s->state != (is_lost ? HC_SLOT_LOST : HC_SLOT_DATA))
			continue;
		env = container_of(node->envs[s->env], struct hc_env, map);
		id = s->env;
		peer = holder_id(io->disk, s);
		tell = !env->last_failed ||
		       time_after(jiffies, env->last_failed + msecs_to_jiffies(EVENT_MS));
		if (tell)
			env->last_failed = jiffies ?: 1;
	}
	spin_unlock_irqrestore(&node->map_lock, flags);
	if (tell) {
		hc_env_text(node, id, who);
		if (peer)
			snprintf(where, sizeof(where), ", node %u among them,", peer);
		hc_event(node, HC_EV_READ_FAILED, peer, id, hweight_long(failed),
			 "%s: a page that %s%s was to be read; a program that needs it gets SIGBUS.",
			 who, is_lost ? "has no copy left" : "is out of reach at all its holders",
			 where);
	}
	read_end(io, failed);
}

static void read_finish(struct hc_io *io)
{
	struct hc_disk *disk = io->disk;
	struct hc_loss loss;

	if (!atomic_dec_and_test(&io->left))
		return;
	read_unpin(io, &loss);
	if (loss.nr_lost || loss.nr_degraded) {
		hc_disk_lost(disk, &loss);
		hc_lease_kick(disk->node);
	}
	if (io->failed && !io_expired(io, read_limit_ms()))
		/* Two readers of one bad copy must not meet again and again. */
		io_again(io, 1 + (io->bad ? io->slot % 8 : 0));
	else if (io->failed | io->gone)
		read_fail(io);
	else
		io_end(io, BLK_STS_OK);
}

static bool read_check(struct hc_io *io, u8 i)
{
	if (!io->sum[i] || hc_page_sum(io->bv[i].bv_page) == io->sum[i])
		return true;
	atomic64_inc(&io->disk->bad_sums);
	return false;
}

static void read_run_done(struct hc_run *run, int err)
{
	struct hc_io *io = run->priv;
	u8 i, first = run->bv - io->bv, target = run->target;
	bool is_refused = err == -EREMOTEIO || err == -EIO;
	u32 bad = 0;

	/* Perhaps for one of them: asked for alone, the others are there. */
	if (is_refused && run->nr > 1) {
		WRITE_ONCE(io->one_by_one, true);
		is_refused = false;
	}
	for (i = first; i < first + run->nr; i++) {
		if (!err && read_check(io, i))
			continue;
		set_bit(i, &io->failed);
		/* Wrong, or it answered that it does not have the page, or can't read it. */
		if (!err || is_refused) {
			/* Repair may put a copy back there before the next try. */
			WRITE_ONCE(io->avoid, target);
			set_bit(i, &io->bad);
			bad++;
		}
	}
	if (bad) {
		hc_disk_target_error(io->disk, target);
		hc_event(io->disk->node, HC_EV_BAD_SUM, hc_disk_target_id(io->disk, target), 0, bad,
			 "Copies of %u pages were wrong or missing at their holder; others are used.",
			 bad);
	}
	read_finish(io);
}

/*
 * Pin a copy of every page. 0; -EBUSY, -EAGAIN: try again soon. Pages without any copy
 * are in io->gone, and those whose copies stayed out of reach until the time was over.
 */
static int read_pin(struct hc_io *io)
{
	bool is_over = io_expired(io, read_limit_ms());
	struct hc_disk *disk = io->disk;
	unsigned long flags;
	int err = 0;
	u8 i, n = 0;

	io->gone = 0;
	io->is_lost = false;
	for (i = 0; i < io->nr; i++)
		io->loc[0][i] = HC_LOC_NONE;
	spin_lock_irqsave(&disk->node->map_lock, flags);
	for (i = 0; i < io->nr && !err; i++) {
		err = hc_map_read_begin(&disk->map, io->slot + i, disk->node->targets,
					io->avoid, &io->loc[0][i]);
		io->sum[i] = disk->checksum ? disk->map.slots[io->slot + i].sum : 0;
		if (err && (is_over || (err != -EBUSY && err != -EAGAIN))) {
			io->is_lost |= err == -EIO;
			io->gone |= 1U << i;
			err = 0;
		}
	}
	for (i = 0; i < io->nr && err; i++)
		if (io->loc[0][i] != HC_LOC_NONE)
			hc_map_read_end(&disk->map, io->slot + i);
	for (i = 0; i < io->nr && !err;) {
		struct hc_run *run = &io->runs[n];

		if (io->loc[0][i] == HC_LOC_NONE) {
			i++;
			continue;
		}
		run->disk = disk;
		run->loc = io->loc[0][i];
		run->nr = io->one_by_one ? 1 : hc_run_length(&io->loc[0][i], io->nr - i);
		run->bv = &io->bv[i];
		run->ops = &io->ops[i];
		run->is_write = false;
		run->done = read_run_done;
		run->priv = io;
		hc_run_prepare(run);
		i += run->nr;
		n++;
	}
	spin_unlock_irqrestore(&disk->node->map_lock, flags);
	io->nr_runs = n;
	return err;
}

static void runs_start(struct hc_io *io)
{
	u8 i, n = io->nr_runs;

	/* Our own count keeps the request until the last run was started. */
	for (i = 0; i < n; i++)
		hc_run_start(&io->runs[i]);
}

static void read_start(struct hc_io *io)
{
	int err = read_pin(io);
	u8 i;

	if (err) {
		/* A donor is away: pages that others have should not wait with those it has. */
		if (err == -EAGAIN && io->nr > 1)
			hc_disk_no_merge(io->disk);
		io_again(io, err == -EBUSY ? 1 : RETRY_MS);
		return;
	}
	atomic64_add(io->nr, &io->disk->reads);
	for (i = 0; i < io->nr; i++)
		if (io->loc[0][i] == HC_LOC_NONE && !(io->gone & (1U << i)))
			clear_highpage(io->bv[i].bv_page);
	/* The swap header never leaves this node. */
	if (!io->slot)
		copy_highpage(io->bv[0].bv_page, io->disk->header);
	io->failed = 0;
	io->bad = 0;
	atomic_set(&io->left, io->nr_runs + 1);
	runs_start(io);
	read_finish(io);
}

/* ---- writing ---- */

/* Undo a write. Pages whose write may still arrive are not used again for now. */
static void write_undo(struct hc_io *io)
{
	struct hc_disk *disk = io->disk;
	struct hc_loss loss = {};
	unsigned long flags;
	u8 i, k;

	spin_lock_irqsave(&disk->node->map_lock, flags);
	for (i = 0; i < io->nr_runs; i++) {
		struct hc_run *run = &io->runs[i];
		int conn = hc_run_quarantine(run);

		for (k = 0; k < run->nr; k++)
			hc_map_unreserve(&disk->map, run->loc + k, conn);
		if (run->err == -EREMOTEIO)
			hc_run_drop_slab(run, &loss);
	}
	hc_map_write_abort(&disk->map, io->slot, io->nr);
	spin_unlock_irqrestore(&disk->node->map_lock, flags);
	hc_disk_lost(disk, &loss);
}

static bool write_commit(struct hc_io *io)
{
	struct hc_disk *disk = io->disk;
	bool stale = false;
	unsigned long flags;
	u8 i, c;

	spin_lock_irqsave(&disk->node->map_lock, flags);
	for (i = 0; i < io->nr; i++) {
		u32 loc[HC_COPIES];

		for (c = 0; c < HC_COPIES; c++)
			loc[c] = io->zero & (1U << i) ? HC_LOC_NONE : io->loc[c][i];
		if (!hc_map_commit(&disk->map, &io->env->map, io->slot + i, loc, io->sum[i]))
			continue;
		/* Its donors were given up since. What is committed stays; all is written again. */
		stale = true;
		hc_map_write_abort(&disk->map, io->slot + i, 1);
	}
	spin_unlock_irqrestore(&disk->node->map_lock, flags);
	return !stale;
}

static void write_finish(struct hc_io *io)
{
	if (!atomic_dec_and_test(&io->left))
		return;
	if (io->failed) {
		write_undo(io);
	} else if (write_commit(io)) {
		io_end(io, BLK_STS_OK);
		return;
	}
	if (io_expired(io, read_limit_ms()))
		io_end(io, BLK_STS_IOERR);
	else
		io_again(io, 1);
}

static void write_run_done(struct hc_run *run, int err)
{
	struct hc_io *io = run->priv;

	run->err = err;
	if (err)
		set_bit(run->bv - io->bv, &io->failed);
	write_finish(io);
}

static void write_refuse(struct hc_io *io, enum hc_event kind, const char *text)
{
	struct hc_disk *disk = io->disk;
	struct hc_env *env = io->env;

	hc_disk_no_merge(disk);
	atomic64_add(io->nr, &disk->refused);
	atomic64_add(io->nr, &env->refused);
	if (!env->last_event || time_after(jiffies, env->last_event + msecs_to_jiffies(EVENT_MS))) {
		env->last_event = jiffies ?: 1;
		hc_event(disk->node, kind, 0, env->map.id, atomic64_read(&env->refused), "%s%s%s",
			 env->name[0] ? "Environment " : "", env->name, text);
	}
	/* The event and the counters say it; the page just stays where it is. */
	io_rq(io)->rq_flags |= RQF_QUIET;
	io_end(io, BLK_STS_IOERR);
}

/* Reserve @target for copy @c and make its runs. Under the map lock. */
static int copy_reserve(struct hc_io *io, u8 c, u8 target)
{
	struct hc_disk *disk = io->disk;
	int err;
	u8 i;

	err = hc_map_reserve(&disk->map, &io->env->map, target, io->slot, io->nr, io->zero,
			     io->loc[c]);
	for (i = 0; i < io->nr && !err;) {
		struct hc_run *run = &io->runs[io->nr_runs];

		if (io->loc[c][i] == HC_LOC_NONE) {
			i++;
			continue;
		}
		run->disk = disk;
		run->loc = io->loc[c][i];
		run->nr = hc_run_length(&io->loc[c][i], io->nr - i);
		run->bv = &io->bv[i];
		run->ops = &io->ops[i];
		run->is_write = true;
		run->done = write_run_done;
		run->priv = io;
		hc_run_prepare(run);
		i += run->nr;
		io->nr_runs++;
	}
	return err;
}

/* Donors of the environment within reach. Under the map lock. */
static u32 nr_live(struct hc_io *io)
{
	const struct hc_menv *env = &io->env->map;
	u32 i, n = 0;

	for (i = 0; i < env->nr_shares; i++)
		n += env->share[i].target != HC_TARGET_LOCAL &&
		     io->disk->node->targets[env->share[i].target].is_live;
	return n;
}

/* No room for want of room: no donor is missing that could come back with some. */
static bool is_full(struct hc_io *io)
{
	return io->env->is_full && nr_live(io) >= io->env->map.replicas;
}

/* A donor that may lend has an answer to give: on a starved machine it takes its time. */
static unsigned int room_wait_ms(const struct hc_place *place)
{
	return place->is_dry ? max(hc_request_timeout_ms, ROOM_WAIT_MS) : ROOM_WAIT_MS;
}

/*
 * Claim slots and places. A write that waited for room in vain is refused, and the
 * next ones of its environment at once, until one finds room: who reclaims must not
 * wait for each page again. Leases are asked for meanwhile, see lease.c.
 *
 * 0; -EBUSY, -EAGAIN: try again soon; -EDQUOT; -ENOSPC.
 */
static int write_claim(struct hc_io *io)
{
	struct hc_disk *disk = io->disk;
	struct hc_menv *env = &io->env->map;
	u32 need = io->nr - hweight32(io->zero);
	struct hc_place place = {};
	unsigned long flags;
	bool may_wait;
	int err;
	u8 c, remote = 0;

	io->nr_runs = 0;
	for (c = 0; c < HC_COPIES; c++)
		memset(io->loc[c], 0xff, sizeof(io->loc[c]));
	spin_lock_irqsave(&disk->node->map_lock, flags);
	err = hc_map_write_begin(&disk->map, env, io->slot, io->nr, io->zero);
	if (err || !need)
		goto out;
	hc_place(env, disk->node->targets, need, NULL, 0, env->replicas, &place);
	may_wait = !io_expired(io, room_wait_ms(&place)) && !is_full(io);
	if (place.is_dry && may_wait && !io_expired(io, LEASE_WAIT_MS))
		err = -EAGAIN;
	else if (!place.is_safe)
		err = nr_live(io) && may_wait ? -EAGAIN : -ENOSPC;
	for (c = 0; c < place.nr && !err; c++) {
		u8 target = place.target[c];

		err = copy_reserve(io, target ? remote++ : HC_COPY_LOCAL, target);
		/* The local device has no free slab leased yet: lease_work is on it. */
		if (err && may_wait)
			err = -EAGAIN;
	}
	if (err != -EAGAIN)
		io->env->is_full = err == -ENOSPC && !may_wait;
	if (err) {
		for (c = 0; c < io->nr_runs; c++) {
			u8 k;

			for (k = 0; k < io->runs[c].nr; k++)
				hc_map_unreserve(&disk->map, io->runs[c].loc + k, -1);
		}
		hc_map_write_abort(&disk->map, io->slot, io->nr);
	}
out:
	spin_unlock_irqrestore(&disk->node->map_lock, flags);
	if (hc_lease_wanted(env) || err == -EAGAIN)
		hc_lease_kick(disk->node);
	return err;
}

static void write_start(struct hc_io *io)
{
	int err = write_claim(io);

	switch (err) {
	case 0:
		break;
	case -EBUSY:
	case -EAGAIN:
		if (io_expired(io, read_limit_ms()))
			io_end(io, BLK_STS_IOERR);
		else
			io_again(io, io_expired(io, LEASE_WAIT_MS) ? RETRY_MS : LEASE_RETRY_MS);
		return;
	case -EDQUOT:
		write_refuse(io, HC_EV_QUOTA, " has used up its quota; the pages stay in RAM.");
		return;
	case -ENOSPC:
		write_refuse(io, HC_EV_NO_ROOM, io->env->name[0] ?
			     " finds no room for enough copies; the pages stay in RAM." :
			     "Pages of no environment are not swapped to other nodes.");
		return;
	default:
		io_end(io, BLK_STS_IOERR);
		return;
	}
	atomic64_add(io->nr, &io->disk->writes);
	atomic64_add(io->nr, &io->env->writes);
	io->failed = 0;
	atomic_set(&io->left, io->nr_runs + 1);
	runs_start(io);
	write_finish(io);
}

static bool page_is_zero(struct page *page)
{
	const unsigned long *p = page_address(page);

	return !p[0] && !p[PAGE_SIZE / sizeof(long) - 1] && !memchr_inv(p, 0, PAGE_SIZE);
}

static void write_prepare(struct hc_io *io)
{
	struct hc_disk *disk = io->disk;
	u8 i;

	io->env = hc_env_of_bio(io_rq(io)->bio, disk->node);
	if (!io->env) {
		refcount_inc(&disk->host_env->refs);
		io->env = disk->host_env;
	}
	io->zero = 0;
	if (!io->slot)
		copy_highpage(disk->header, io->bv[0].bv_page);
	for (i = 0; i < io->nr; i++) {
		struct page *page = io->bv[i].bv_page;

		io->sum[i] = 0;
		if (!(io->slot + i) || page_is_zero(page))
			io->zero |= 1U << i;
		else if (disk->checksum)
			io->sum[i] = hc_page_sum(page);
	}
}

/* ---- the rest ---- */

static blk_status_t discard(struct hc_disk *disk, struct request *rq)
{
	u32 slot = blk_rq_pos(rq) >> (PAGE_SHIFT - SECTOR_SHIFT);
	u32 end = slot + (blk_rq_bytes(rq) >> PAGE_SHIFT);
	unsigned long flags;
	bool had_data = false;

	/* The swap header never left this node. */
	if (!slot)
		clear_highpage(disk->header);
	while (slot < end) {
		u32 stop = min(end, slot + 1024);

		spin_lock_irqsave(&disk->node->map_lock, flags);
		for (; slot < stop; slot++) {
			had_data |= disk->map.slots[slot].state == HC_SLOT_DATA;
			hc_map_free(&disk->map, slot);
		}
		spin_unlock_irqrestore(&disk->node->map_lock, flags);
		cond_resched();
	}
	/* Donors should not keep what was in slabs that are empty now, not even ahead of need. */
	if (had_data)
		set_bit(0, &disk->return_ahead);
	hc_lease_kick(disk->node);
	return BLK_STS_OK;
}

static blk_status_t pages_collect(struct hc_io *io, struct request *rq)
{
	struct req_iterator iter;
	struct bio_vec bv;

	io->nr = 0;
	rq_for_each_segment(bv, rq, iter) {
		if (io->nr == HC_IO_PAGES || bv.bv_offset || bv.bv_len != PAGE_SIZE)
			return BLK_STS_IOERR;
		io->bv[io->nr++] = bv;
	}
	return io->nr ? BLK_STS_OK : BLK_STS_IOERR;
}

static blk_status_t io_prepare(struct hc_disk *disk, struct hc_io *io, struct request *rq)
{
	blk_status_t status;

	io->disk = disk;
	io->env = NULL;
	io->avoid = HC_TARGETS;
	io->one_by_one = false;
	io->started = jiffies;
	io->began = ktime_get();
	io->slot = blk_rq_pos(rq) >> (PAGE_SHIFT - SECTOR_SHIFT);
	status = pages_collect(io, rq);
	if (status)
		return status;
	if (req_op(rq) == REQ_OP_WRITE)
		write_prepare(io);
	rq->rq_flags |= RQF_DONTPREP;
	return BLK_STS_OK;
}

static blk_status_t queue_rq(struct blk_mq_hw_ctx *hctx, const struct blk_mq_queue_data *bd)
{
	struct request *rq = bd->rq;
	struct hc_io *io = blk_mq_rq_to_pdu(rq);
	struct hc_disk *disk = rq->q->queuedata;
	blk_status_t status;

	blk_mq_start_request(rq);
	switch (req_op(rq)) {
	case REQ_OP_READ:
	case REQ_OP_WRITE:
		break;
	case REQ_OP_DISCARD:
	case REQ_OP_WRITE_ZEROES:
		blk_mq_end_request(rq, discard(disk, rq));
		return BLK_STS_OK;
	case REQ_OP_FLUSH:
		blk_mq_end_request(rq, BLK_STS_OK);
		return BLK_STS_OK;
	default:
		return BLK_STS_NOTSUPP;
	}
	if (!(rq->rq_flags & RQF_DONTPREP)) {
		status = io_prepare(disk, io, rq);
		if (status)
			return status;
	}
	if (req_op(rq) == REQ_OP_READ)
		read_start(io);
	else
		write_start(io);
	return BLK_STS_OK;
}

/* Donors have deadlines of their own; a request always ends by them. */
static enum blk_eh_timer_return timed_out(struct request *rq)
{
	return BLK_EH_RESET_TIMER;
}

const struct blk_mq_ops hc_io_ops = {
	.queue_rq	= queue_rq,
	.timeout	= timed_out,
};
