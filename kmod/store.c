// SPDX-License-Identifier: GPL-2.0-or-later
/* Runs of pages at one place; see store.h. */
#include "main.h"
#include "node.h"
#include "peer.h"
#include "store.h"

u32 hc_run_length(const u32 *loc, u32 nr)
{
	u32 n = 1;

	while (n < nr && loc[n] == loc[0] + n && hc_loc_page(loc[n]))
		n++;
	return n;
}

void hc_run_prepare(struct hc_run *run)
{
	const struct hc_slab *slab = &run->disk->map.slabs[hc_loc_slab(run->loc)];

	lockdep_assert_held(&run->disk->node->map_lock);
	run->target = slab->target;
	run->slab_id = slab->id;
	run->is_sent = false;
	run->epoch = hc_peer_epoch(run->disk->node, slab->target);
}

int hc_run_quarantine(const struct hc_run *run)
{
	if (run->err != -ECONNRESET || !run->is_sent ||
	    hc_peer_settled(run->disk->node, run->target, run->call.conn))
		return -1;
	return run->call.conn;
}

void hc_run_drop_slab(const struct hc_run *run, struct hc_loss *loss)
{
	u32 i = hc_loc_slab(run->loc);
	const struct hc_slab *slab = &run->disk->map.slabs[i];
	struct hc_loss one;

	lockdep_assert_held(&run->disk->node->map_lock);
	if (slab->state == HC_SLAB_FREE || slab->target != run->target || slab->id != run->slab_id)
		return;
	hc_map_slab_drop(&run->disk->map, i, &one);
	loss->env = one.env;
	loss->target = one.target;
	loss->nr_lost += one.nr_lost;
	loss->nr_degraded += one.nr_degraded;
}

static void local_done(struct hc_backing_op *op, int err)
{
	struct hc_run *run = op->priv;

	if (err)
		run->local.err = -EIO;
	if (atomic_dec_and_test(&run->local.left))
		run->done(run, run->local.err);
}

static void local_start(struct hc_run *run)
{
	struct hc_backing *b = run->disk->backing;
	u64 block = (u64)run->slab_id * HC_SLAB_PAGES + hc_loc_page(run->loc);
	struct hc_backing_op *ops = run->ops;
	bool is_write = run->is_write;
	u8 i, nr = run->nr;

	atomic_set(&run->local.left, nr);
	run->local.err = 0;
	for (i = 0; i < nr; i++) {
		struct hc_backing_op *op = &ops[i];

		op->page = run->bv[i].bv_page;
		op->block = block + i;
		op->done = local_done;
		op->priv = run;
	}
	/* The last one may end the run: nothing of it is touched after that. */
	for (i = 0; i < nr; i++) {
		if (is_write)
			hc_backing_write(b, &ops[i]);
		else
			hc_backing_read(b, &ops[i]);
	}
}

static void remote_done(struct hc_call *call, int err)
{
	struct hc_run *run = call->priv;

	if (!err && call->answer.status)
		err = -EREMOTEIO;
	run->done(run, err);
}

static void remote_start(struct hc_run *run)
{
	struct hc_peer *peer = hc_peer_by_target(run->disk->node, run->target);
	int err = -ENOTCONN;

	memset(&run->call, 0, sizeof(run->call));
	run->call.msg.type = run->is_write ? HCW_WRITE : HCW_READ;
	run->call.msg.slab = run->slab_id;
	run->call.msg.page = hc_loc_page(run->loc);
	run->call.msg.nr = run->nr;
	run->call.msg.epoch = run->epoch;
	run->call.bv = run->bv;
	run->call.done = remote_done;
	run->call.priv = run;
	run->is_sent = true;
	if (peer) {
		atomic64_add(run->nr, run->is_write ? &peer->writes : &peer->reads);
		err = hc_peer_call(peer, &run->call);
		hc_peer_put(peer);
	}
	if (err) {
		run->is_sent = false;
		run->done(run, err);
	}
}

void hc_run_start(struct hc_run *run)
{
	if (run->target == HC_TARGET_LOCAL)
		local_start(run);
	else
		remote_start(run);
}
