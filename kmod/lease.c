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
	mod_delayed_work(hc_lease_wq, &lease_work,
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

/* Slabs this share may still lease: its environment's quota bounds it too. */
static u32 want_of(const struct hc_menv *env, const struct hc_share *share)
{
	u64 most = env->quota_pages ? env->quota_pages / HC_SLAB_PAGES + AHEAD_MIN : U32_MAX;
	u32 want = ahead_of(share);

	if (!runs_low(share) || share->nr_slabs >= most)
		return 0;
	/* A program fills: writes wait for this answer, and the next one must last longer. */
	if (share->nr_free < HC_IO_PAGES)
		want = clamp(share->nr_slabs / 2, want, (u32)AHEAD_MAX);
	return min_t(u64, want, most - share->nr_slabs);
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

/*
 * What one environment has too much of goes back; what the local device lends comes.
 * Sets the bit of each target in @wanted that has to be asked for more.
 */
static void env_scan(struct hc_disk *disk, struct hc_menv *env, bool all_back,
		     unsigned long *wanted)
{
	u32 i;

	for (i = 0; i < env->nr_shares; i++) {
		struct hc_share *share = &env->share[i];

		share_trim(disk, env, share, all_back);
		if (share->target == HC_TARGET_LOCAL)
			local_fill(disk, env, share);
		else if (want_of(env, share))
			__set_bit(share->target, wanted);
	}
}

static void envs_scan(struct hc_disk *disk, unsigned long *wanted)
{
	bool all_back = test_and_clear_bit(0, &disk->return_ahead);
	struct hc_node *node = disk->node;
	struct hc_env *env;

	mutex_lock(&node->lock);
	list_for_each_entry(env, &node->env_list, list) {
		spin_lock_irq(&node->map_lock);
		env_scan(disk, &env->map, all_back, wanted);
		spin_unlock_irq(&node->map_lock);
	}
	spin_lock_irq(&node->map_lock);
	local_take_back(disk);
	spin_unlock_irq(&node->map_lock);
	mutex_unlock(&node->lock);
	/* Not from what goes back: the donor gives it anew, empty, in the next round. */
	if (all_back)
		bitmap_zero(wanted, HC_TARGETS);
}

/* ---- one peer: its work asks it, and waits for it alone ---- */

/* What to ask @peer for: its number, and @wants filled. */
static u32 wants_collect(struct hc_disk *disk, struct hc_peer *peer, struct hc_want *wants)
{
	struct hc_env *env;
	u32 i, nr = 0;
	u64 each;

	mutex_lock(&disk->node->lock);
	list_for_each_entry(env, &disk->node->env_list, list) {
		struct hc_share *share;
		u32 want = 0;

		if (nr == HC_WANTS_MAX)
			break;
		if (env->is_ending)	/* only gives back */
			continue;
		spin_lock_irq(&disk->node->map_lock);
		share = hc_menv_share(&env->map, peer->target);
		if (share)
			want = want_of(&env->map, share);
		spin_unlock_irq(&disk->node->map_lock);
		if (want)
			wants[nr++] = (struct hc_want){ env->map.id, want };
	}
	mutex_unlock(&disk->node->lock);
	/* Nobody takes all that is left: a part is for who comes next. */
	each = max_t(u64, div_u64(READ_ONCE(peer->free_slabs), nr + 1), AHEAD_MIN);
	for (i = 0; i < nr; i++)
		wants[i].nr = min_t(u64, wants[i].nr, each);
	return nr;
}

/*
 * Slabs came, of the lease @epoch. False when the donor lies about them. What finds
 * no place in our table is moved to the front of @ids, *@ret_left of them.
 */
static bool slabs_add(struct hc_disk *disk, struct hc_peer *peer, const struct hc_want *want,
		      u64 epoch, u32 nr, __le32 *ids, u32 *ret_left)
{
	struct hc_menv *env;
	bool honest = true;
	u32 i;

	*ret_left = 0;
	spin_lock_irq(&disk->node->map_lock);
	env = disk->node->envs[want->env];
	/* Given up while the answer was on its way: the donor will end that lease. */
	if (READ_ONCE(peer->epoch) != epoch)
		nr = 0;
	for (i = 0; i < nr; i++) {
		int err = env ? hc_map_slab_add(&disk->map, env, peer->target,
						le32_to_cpu(ids[i])) : -ENOENT;

		if (err == -EEXIST)
			honest = false;
		else if (err < 0)
			ids[(*ret_left)++] = ids[i];
	}
	spin_unlock_irq(&disk->node->map_lock);
	return honest;
}

/* A slab of ours that nobody here knows. Under the map lock. */
static void stray_add(struct hc_peer *peer, u32 id)
{
	struct hc_borrow *b = &peer->borrow;

	lockdep_assert_held(&peer->node->map_lock);
	/* One too many is called back once more. */
	if (b->nr_strays < ARRAY_SIZE(b->strays))
		b->strays[b->nr_strays++] = id;
}

void hc_lease_stray(struct hc_node *node, u8 target, u32 id)
{
	struct hc_peer *peer;

	rcu_read_lock();
	peer = rcu_dereference(node->by_target[target]);
	if (peer)
		stray_add(peer, id);
	rcu_read_unlock();
}

static void lease_take(struct hc_disk *disk, struct hc_peer *peer, const struct hc_want *want,
		       const struct hc_call *call, void *ids)
{
	struct hc_call back = { .msg = { .type = HCW_RELEASE }, .data = ids };
	const __le32 *id = ids;
	u32 i, left;

	if (!slabs_add(disk, peer, want, call->msg.epoch, call->answer.nr, ids, &left)) {
		hc_peer_error(peer);
		hc_event(disk->node, HC_EV_PEER_REFUSED, peer->id, want->env, 0,
			 "Node %u lent a slab that it had lent before; it was not taken.", peer->id);
	}
	back.msg.nr = left;
	if (!left || !hc_peer_call_sync(peer, &back))
		return;
	/* Not answered: offered again with what goes back next. */
	hc_disk_lock(disk->node);
	for (i = 0; i < left; i++)
		stray_add(peer, le32_to_cpu(id[i]));
	hc_disk_unlock(disk->node);
}

/* Ask one donor. 0, also when it has nothing; else it is out of reach. */
static int lease_ask(struct hc_disk *disk, struct hc_peer *peer, const struct hc_want *want)
{
	struct hc_borrow *b = &peer->borrow;
	struct hc_call call = {
		.msg = {
			.type = HCW_LEASE, .nr = want->nr, .arg = want->env,
			.epoch = READ_ONCE(peer->epoch),
		},
		.data_in = b->buf,
	};
	int err = hc_peer_call_sync(peer, &call);

	if (err)
		return err;
	if (call.answer.status) {
		/* Until its next ping says otherwise. */
		WRITE_ONCE(peer->free_slabs, 0);
		hc_peer_targets(peer);
	} else {
		lease_take(disk, peer, want, &call, b->buf);
		if (call.answer.nr)
			hc_repair_kick();
	}
	return 0;
}

static void leases_ask(struct hc_peer *peer)
{
	struct hc_borrow *b = &peer->borrow;
	struct hc_disk *disk = hc_disk_get(peer->node);
	u32 i, nr;
	int err = 0;

	if (!disk)
		return;
	nr = wants_collect(disk, peer, b->wants);
	for (i = 0; i < nr && !err; i++) {
		err = lease_ask(disk, peer, &b->wants[i]);
		/* Who removes the disk waits for one answer, not for all. */
		hc_disk_put(disk);
		disk = hc_disk_get(peer->node);
		if (!disk)
			return;
	}
	hc_disk_put(disk);
}

/* Slabs to give back, as they go on the wire; their number. */
static u32 returns_collect(struct hc_disk *disk, struct hc_peer *peer, u32 *ids)
{
	struct hc_borrow *b = &peer->borrow;
	bool found = false;
	u32 i, nr;

	hc_disk_lock(disk->node);
	nr = hc_map_returns(&disk->map, peer->target, HCW_LEASE_MAX, ids);
	while (b->nr_strays && nr < HCW_LEASE_MAX) {
		u32 id = b->strays[--b->nr_strays];
		u32 slab = hc_map_slab_find(&disk->map, peer->target, id);

		/* It may have come with an answer that was on its way when it was called back. */
		if (slab == HC_SLAB_NONE) {
			ids[nr++] = id;
		} else {
			hc_map_slab_recall(&disk->map, slab);
			found = true;
		}
	}
	hc_disk_unlock(disk->node);
	if (found)
		hc_repair_kick();
	for (i = 0; i < nr; i++)
		ids[i] = (__force u32)cpu_to_le32(ids[i]);
	return nr;
}

static void returns_send(struct hc_disk *disk, struct hc_peer *peer)
{
	u32 *ids = (u32 *)peer->borrow.buf;
	struct hc_call call = { .msg = { .type = HCW_RELEASE }, .data = ids };
	u32 i, nr = returns_collect(disk, peer, ids);
	int err;

	call.msg.nr = nr;
	if (!nr)
		return;
	err = hc_peer_call_sync(peer, &call);
	hc_disk_lock(disk->node);
	for (i = 0; i < nr; i++) {
		u32 id = le32_to_cpu((__force __le32)ids[i]);

		if (!err)
			hc_map_slab_returned(&disk->map, peer->target, id);
		else if (hc_map_slab_find(&disk->map, peer->target, id) == HC_SLAB_NONE)
			stray_add(peer, id);
		/* Else not answered: it stays a RETURN slab, and is offered again. */
	}
	hc_disk_unlock(disk->node);
	if (err)
		return;
	if (nr == HCW_LEASE_MAX)	/* there may be more */
		hc_lease_kick(disk->node);
}

static bool is_drained(struct hc_disk *disk, struct hc_peer *peer)
{
	return READ_ONCE(peer->drain) && !READ_ONCE(peer->drained_said) &&
	       !READ_ONCE(disk->map.leased[peer->target]);
}

static void borrow_work_fn(struct work_struct *work)
{
	struct hc_peer *peer = container_of(work, struct hc_peer, borrow.work);
	struct hc_call over = { .msg = { .type = HCW_RELEASE } };
	struct hc_disk *disk;

	if (test_and_clear_bit(HC_BORROW_OVER, &peer->borrow.flags))
		hc_peer_call_sync(peer, &over);	/* out of reach: its next hello says it */
	disk = hc_disk_get(peer->node);
	if (!disk)
		return;
	if (disk->node->targets[peer->target].is_live)
		returns_send(disk, peer);
	if (is_drained(disk, peer)) {
		peer->drained_said = true;
		hc_event(disk->node, HC_EV_DRAINED, peer->id, 0, 0,
			 "Node %u holds no page of this node any more.", peer->id);
	}
	hc_disk_put(disk);
	if (test_and_clear_bit(HC_BORROW_WANTED, &peer->borrow.flags))
		leases_ask(peer);
}

void hc_lease_peer_init(struct hc_peer *peer)
{
	INIT_WORK(&peer->borrow.work, borrow_work_fn);
}

/* Does anything wait to be said to @peer, besides what is @wanted of it? */
static bool has_business(struct hc_disk *disk, struct hc_peer *peer)
{
	if (is_drained(disk, peer))
		return true;
	return disk->node->targets[peer->target].is_live &&
	       (READ_ONCE(disk->map.return_head[peer->target]) != HC_SLAB_NONE ||
		READ_ONCE(peer->borrow.nr_strays));
}

static void peers_kick(struct hc_disk *disk, const unsigned long *wanted)
{
	const struct hc_target *targets = disk->node->targets;
	struct hc_peer *peer;

	mutex_lock(&disk->node->lock);
	list_for_each_entry(peer, &disk->node->peers, list) {
		bool want = test_bit(peer->target, wanted) && targets[peer->target].is_live &&
			    targets[peer->target].may_lend;

		/* The end of a peer cancels its work after it has set this. */
		if (peer->is_gone)
			continue;
		if (want)
			set_bit(HC_BORROW_WANTED, &peer->borrow.flags);
		if (want || has_business(disk, peer))
			queue_work(hc_lease_wq, &peer->borrow.work);
	}
	mutex_unlock(&disk->node->lock);
}

static void lease_work_fn(struct work_struct *work)
{
	DECLARE_BITMAP(wanted, HC_TARGETS) = {};
	struct hc_disk *disk;

	clear_bit(0, &is_kicked);
	disk = hc_disk_get(NULL);
	if (!disk)
		return;
	envs_scan(disk, wanted);
	peers_kick(disk, wanted);
	hc_envs_reap(disk->node);
	hc_disk_merge_again(disk);
	hc_disk_put(disk);
	queue_delayed_work(hc_lease_wq, &lease_work, msecs_to_jiffies(PERIOD_MS));
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
	struct hc_peer *peer;
	unsigned int target;

	mutex_lock(&node->lock);
	list_for_each_entry(peer, &node->peers, list) {
		if (peer->is_gone)
			continue;
		set_bit(HC_BORROW_OVER, &peer->borrow.flags);
		queue_work(hc_lease_wq, &peer->borrow.work);
	}
	mutex_unlock(&node->lock);
	/* All at once: as long as the slowest takes. */
	for (target = 1; target < HC_TARGETS; target++) {
		peer = hc_peer_by_target(node, target);
		if (!peer)
			continue;
		flush_work(&peer->borrow.work);
		hc_peer_put(peer);
	}
}
