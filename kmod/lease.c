// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Borrowing slabs (SPEC R20a). Each share of an environment keeps room for a
 * quarter more than it holds, so that a write finds leased room and need not
 * wait; what is empty beyond that goes back at once.
 */
#include <linux/slab.h>

#include "backing.h"
#include "conn.h"
#include "disk.h"
#include "env.h"
#include "event.h"
#include "lease.h"
#include "main.h"
#include "node.h"
#include "peer.h"
#include "repair.h"

#define PERIOD_MS	1000
#define WANTS_MAX	32	/* leases asked for in one round */
#define AHEAD_MIN	2	/* slabs */
#define AHEAD_MAX	64

static void lease_work_fn(struct work_struct *work);
static DECLARE_DELAYED_WORK(lease_work, lease_work_fn);

/* Rounds follow each other after this at the earliest, however many kicks come. */
#define PAUSE_MS	4

static unsigned long is_kicked;

void hc_lease_kick(struct hc_node *node)
{
	static unsigned long last;

	if (test_and_set_bit(0, &is_kicked))
		return;
	mod_delayed_work(hc_ctl_wq, &lease_work,
			 time_before(jiffies, READ_ONCE(last) + msecs_to_jiffies(PAUSE_MS)) ?
			 msecs_to_jiffies(PAUSE_MS) : 0);
	WRITE_ONCE(last, jiffies);
}

static u32 ahead_of(const struct hc_share *share)
{
	return clamp_t(u32, share->nr_slabs / 4, AHEAD_MIN, AHEAD_MAX);
}

/* Less than half of what should be ahead is left. */
static bool runs_low(const struct hc_share *share)
{
	return !share->is_leaving && share->nr_free < ahead_of(share) * HC_SLAB_PAGES / 2;
}

bool hc_lease_wanted(const struct hc_menv *env)
{
	u32 i, n = READ_ONCE(env->nr_shares);

	for (i = 0; i < n; i++)
		if (env->share[i].target != HC_TARGET_LOCAL && runs_low(&env->share[i]))
			return true;
	return false;
}

/* One lease to ask for, found under the lock and done without it. */
struct want {
	u32 env;
	u32 nr;
	u8  target;
};

/* Slabs this share may still lease: its environment's quota bounds it too. */
static u32 want_of(const struct hc_menv *env, const struct hc_share *share)
{
	u64 most = env->quota_pages ? env->quota_pages / HC_SLAB_PAGES + AHEAD_MIN : U32_MAX;

	if (!runs_low(share) || share->nr_slabs >= most)
		return 0;
	return min_t(u64, ahead_of(share), most - share->nr_slabs);
}

/* The local device lends without asking. */
static void local_fill(struct hc_disk *disk, struct hc_menv *env, struct hc_share *share)
{
	struct hc_backing *b = disk->backing;
	u32 nr = want_of(env, share);

	for (; b && nr; nr--) {
		u32 id = find_first_zero_bit(b->slabs, b->nr_slabs);

		if (id >= b->nr_slabs ||
		    hc_map_slab_add(&disk->map, env, HC_TARGET_LOCAL, id) < 0)
			return;
		__set_bit(id, b->slabs);
	}
}

static void local_take_back(struct hc_disk *disk)
{
	u32 id;

	while (hc_map_slab_take(&disk->map, HC_TARGET_LOCAL, &id))
		__clear_bit(id, disk->backing->slabs);
}

/* Empty slabs beyond what should be ahead; or @all of them. */
static void share_trim(struct hc_disk *disk, struct hc_menv *env, struct hc_share *share, bool all)
{
	bool empty = all || share->is_leaving;
	u32 bound = 16;		/* the lock is held */

	while (bound && (empty || share->nr_free > 2 * ahead_of(share) * HC_SLAB_PAGES)) {
		if (!hc_map_slab_trim(&disk->map, env, share->target, empty ? 0 : AHEAD_MIN))
			return;
		bound--;
	}
	if (all && !bound)	/* the next round goes on */
		set_bit(0, &disk->return_ahead);
}

static u32 env_scan(struct hc_disk *disk, struct hc_menv *env, struct want *wants, u32 nr,
		    bool all_back)
{
	const struct hc_target *targets = disk->node->targets;
	u32 i;

	for (i = 0; i < env->nr_shares; i++) {
		struct hc_share *share = &env->share[i];
		u32 want;

		share_trim(disk, env, share, all_back);
		if (share->target == HC_TARGET_LOCAL) {
			local_fill(disk, env, share);
			continue;
		}
		/* Not from what goes back: the donor gives it anew, empty, in the next round. */
		want = all_back ? 0 : want_of(env, share);
		if (want && nr < WANTS_MAX && targets[share->target].is_live &&
		    targets[share->target].may_lend)
			wants[nr++] = (struct want){ env->id, want, share->target };
	}
	return nr;
}

static u32 wants_collect(struct hc_disk *disk, struct want *wants)
{
	struct hc_node *node = disk->node;
	bool all_back = test_and_clear_bit(0, &disk->return_ahead);
	struct hc_env *env;
	u32 nr = 0;

	mutex_lock(&node->lock);
	list_for_each_entry(env, &node->env_list, list) {
		spin_lock_irq(&disk->node->map_lock);
		if (env->is_ending)	/* only gives back */
			env_scan(disk, &env->map, wants, WANTS_MAX, all_back);
		else
			nr = env_scan(disk, &env->map, wants, nr, all_back);
		spin_unlock_irq(&disk->node->map_lock);
	}
	spin_lock_irq(&disk->node->map_lock);
	nr = env_scan(disk, &disk->host_env->map, wants, nr, all_back);
	local_take_back(disk);
	spin_unlock_irq(&disk->node->map_lock);
	mutex_unlock(&node->lock);
	return nr;
}

/*
 * Slabs came, of the lease @epoch. False when the donor lies about them. What finds
 * no place in our table is moved to the front of @ids, *@ret_left of them.
 */
static bool slabs_add(struct hc_disk *disk, const struct want *want, u64 epoch, u32 nr,
		      __le32 *ids, u32 *ret_left)
{
	struct hc_menv *env;
	bool honest = true;
	u32 i;

	*ret_left = 0;
	spin_lock_irq(&disk->node->map_lock);
	env = disk->node->envs[want->env];
	/* Given up while the answer was on its way: the donor will end that lease. */
	if (hc_peer_epoch(disk->node, want->target) != epoch)
		nr = 0;
	for (i = 0; i < nr; i++) {
		int err = env ? hc_map_slab_add(&disk->map, env, want->target,
						le32_to_cpu(ids[i])) : -ENOENT;

		if (err == -EEXIST)
			honest = false;
		else if (err < 0)
			ids[(*ret_left)++] = ids[i];
	}
	spin_unlock_irq(&disk->node->map_lock);
	return honest;
}

static void lease_take(struct hc_disk *disk, struct hc_peer *peer, const struct want *want,
		       const struct hc_call *call, void *ids)
{
	struct hc_call back = { .msg = { .type = HCW_RELEASE }, .data = ids };
	u32 left;

	if (!slabs_add(disk, want, call->msg.epoch, call->answer.nr, ids, &left)) {
		hc_peer_error(peer);
		hc_event(disk->node, HC_EV_PEER_REFUSED, peer->id, want->env, 0,
			 "Node %u lent a slab that it had lent before; it was not taken.", peer->id);
	}
	back.msg.nr = left;
	if (left)
		hc_peer_call_sync(peer, &back);
}

/* Ask one donor. True when slabs came. */
static bool lease_ask(struct hc_disk *disk, struct hc_peer *peer, const struct want *want,
		      void *buf)
{
	struct hc_call call = {
		.msg = {
			.type = HCW_LEASE, .nr = want->nr, .arg = want->env,
			.epoch = READ_ONCE(peer->epoch),
		},
		.data_in = buf,
	};
	int err;

	mutex_lock(&peer->ctl_lock);
	err = hc_peer_call_sync(peer, &call);
	if (!err && call.answer.status) {
		/* Until its next ping says otherwise. */
		WRITE_ONCE(peer->free_slabs, 0);
		hc_peer_targets(peer);
	} else if (!err) {
		lease_take(disk, peer, want, &call, buf);
	}
	mutex_unlock(&peer->ctl_lock);
	return !err && !call.answer.status;
}

/* Give empty slabs of @peer back. */
static void release_some(struct hc_disk *disk, struct hc_peer *peer, u32 *ids)
{
	struct hc_call call = { .msg = { .type = HCW_RELEASE }, .data = ids };
	u32 i, nr;

	mutex_lock(&peer->ctl_lock);
	spin_lock_irq(&disk->node->map_lock);
	nr = hc_map_returns(&disk->map, peer->target, HCW_LEASE_MAX, ids);
	spin_unlock_irq(&disk->node->map_lock);
	call.msg.nr = nr;
	for (i = 0; i < nr; i++)
		ids[i] = (__force u32)cpu_to_le32(ids[i]);
	/* Not answered: they stay RETURN slabs, and are offered again. */
	if (nr && !hc_peer_call_sync(peer, &call)) {
		spin_lock_irq(&disk->node->map_lock);
		for (i = 0; i < nr; i++)
			hc_map_slab_returned(&disk->map, peer->target,
					     le32_to_cpu((__force __le32)ids[i]));
		spin_unlock_irq(&disk->node->map_lock);
	}
	mutex_unlock(&peer->ctl_lock);
}

static void drained_check(struct hc_disk *disk, struct hc_peer *peer)
{
	bool empty = !READ_ONCE(disk->map.leased[peer->target]);

	if (peer->drain && empty && !peer->drained_said) {
		peer->drained_said = true;
		hc_event(disk->node, HC_EV_DRAINED, peer->id, 0, 0,
			 "Node %u holds no page of this node any more.", peer->id);
	}
}

static void returns_send(struct hc_disk *disk, u32 *ids)
{
	unsigned int target;

	for (target = 1; target < HC_TARGETS; target++) {
		struct hc_peer *peer;

		if (!rcu_access_pointer(disk->node->by_target[target]))
			continue;
		peer = hc_peer_by_target(disk->node, target);
		if (!peer)
			continue;
		if (disk->node->targets[target].is_live &&
		    READ_ONCE(disk->map.return_head[target]) != HC_SLAB_NONE)
			release_some(disk, peer, ids);
		drained_check(disk, peer);
		hc_peer_put(peer);
	}
}

/* Memory for one round, made once: this may be what frees memory. */
static struct {
	struct want wants[WANTS_MAX];
	u8 buf[HCW_CTL_MAX] __aligned(8);
} round;

static void lease_work_fn(struct work_struct *work)
{
	struct hc_disk *disk;
	bool got = false;
	u32 i, nr;

	clear_bit(0, &is_kicked);
	disk = hc_disk_get(NULL);
	if (!disk)
		return;
	nr = wants_collect(disk, round.wants);
	for (i = 0; i < nr; i++) {
		struct hc_peer *peer = hc_peer_by_target(disk->node, round.wants[i].target);

		if (!peer)
			continue;
		got |= lease_ask(disk, peer, &round.wants[i], round.buf);
		hc_peer_put(peer);
	}
	returns_send(disk, (u32 *)round.buf);
	hc_envs_reap(disk->node);
	hc_disk_put(disk);
	if (got)
		hc_repair_kick();
	queue_delayed_work(hc_ctl_wq, &lease_work, msecs_to_jiffies(PERIOD_MS));
}

void hc_lease_start(void)
{
	hc_lease_kick(NULL);
}

void hc_lease_stop(void)
{
	cancel_delayed_work_sync(&lease_work);
	/* The kick that was cancelled must not swallow those of the next disk. */
	clear_bit(0, &is_kicked);
}

void hc_lease_end(struct hc_node *node)
{
	unsigned int target;

	for (target = 1; target < HC_TARGETS; target++) {
		struct hc_call call = { .msg = { .type = HCW_RELEASE } };
		struct hc_peer *peer = hc_peer_by_target(node, target);

		if (!peer)
			continue;
		mutex_lock(&peer->ctl_lock);
		hc_peer_call_sync(peer, &call);	/* out of reach: its next hello says it */
		mutex_unlock(&peer->ctl_lock);
		hc_peer_put(peer);
	}
}
