// SPDX-License-Identifier: GPL-2.0-or-later
/* The donor pool (SPEC R20a, R8): limits, leases with epochs, calling memory back. */
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "conn.h"
#include "event.h"
#include "main.h"
#include "node.h"
#include "peer.h"
#include "pool.h"

#define WATCH_MS		500
#define RECALL_AGAIN_MS		10000
#define LEASE_AT_ONCE		64	/* slabs; the connection can't end meanwhile */
#define RECALL_PRESSURE_MAX	64	/* slabs called back at a time under pressure */
#define SLAB_BYTES		((u64)HCW_SLAB_PAGES << PAGE_SHIFT)

static u64 available_bytes(void)
{
	long pages = si_mem_available();

	return pages > 0 ? (u64)pages << PAGE_SHIFT : 0;
}

static u64 default_reserve(void)
{
	return max_t(u64, (u64)totalram_pages() << PAGE_SHIFT >> 4, 32ULL << 20);
}

/* ---- slabs ---- */

static void slab_release(struct kref *kref)
{
	struct hc_lslab *slab = container_of(kref, struct hc_lslab, kref);
	unsigned int i;

	for (i = 0; i < HCW_SLAB_PAGES && slab->pages[i]; i++)
		__free_page(slab->pages[i]);
	if (test_bit(HC_LSLAB_PINS, &slab->flags))
		module_put(THIS_MODULE);
	kfree_rcu(slab, rcu);
}

void hc_lslab_put(struct hc_lslab *slab)
{
	if (slab)
		kref_put(&slab->kref, slab_release);
}

/* Zeroed memory, or NULL: lending must never make this node struggle. */
static struct hc_lslab *slab_alloc(void)
{
	gfp_t gfp = GFP_NOIO | __GFP_ZERO | __GFP_NORETRY | __GFP_NOWARN;
	struct hc_lslab *slab = kzalloc(sizeof(*slab), GFP_NOIO | __GFP_NOWARN);
	unsigned int i;

	if (!slab)
		return NULL;
	kref_init(&slab->kref);
	for (i = 0; i < HCW_SLAB_PAGES; i++) {
		slab->pages[i] = alloc_page(gfp);
		if (!slab->pages[i]) {
			hc_lslab_put(slab);
			return NULL;
		}
	}
	return slab;
}

/* Off every list: the borrower can't reach it any more. */
static void slab_end(struct hc_pool *pool, struct hc_lslab *slab)
{
	lockdep_assert_held(&pool->lock);
	WRITE_ONCE(slab->is_over, true);
	xa_erase(&pool->by_id, slab->id);
	list_del(&slab->list);
	pool->nr_slabs--;
	hc_lslab_put(slab);
}

/*
 * Before the first page comes in: a module that holds somebody's pages can't be
 * unloaded. False when its end has begun already. Lasts as long as the slab.
 */
static bool slab_pin(struct hc_lslab *slab)
{
	if (test_bit(HC_LSLAB_PINS, &slab->flags))
		return true;
	if (!try_module_get(THIS_MODULE))
		return false;
	if (test_and_set_bit(HC_LSLAB_PINS, &slab->flags))
		module_put(THIS_MODULE);	/* another connection was faster */
	return true;
}

static u64 env_slabs(struct hc_pool *pool, u32 env)
{
	struct hc_lslab *slab;
	u64 n = 0;

	list_for_each_entry(slab, &pool->slabs, list)
		n += slab->env == env;
	return n;
}

static u64 lendable(struct hc_pool *pool)
{
	u64 avail = available_bytes(), by_limit, by_ram;

	if (pool->drain || pool->is_ending || pool->nr_slabs >= pool->limit_slabs)
		return 0;
	by_limit = pool->limit_slabs - pool->nr_slabs;
	by_ram = avail > pool->reserve_bytes ? (avail - pool->reserve_bytes) / SLAB_BYTES : 0;
	return min(by_limit, by_ram);
}

/* ---- leases ---- */

/* The epoch of a request: 0, or the status that refuses it. */
static u16 epoch_check(struct hc_peer *peer, u64 epoch, bool *ret_is_new)
{
	u16 status = HCW_OK;

	*ret_is_new = false;
	if (epoch > HCW_EPOCH_MAX)
		return HCW_EINVAL;
	spin_lock_bh(&peer->hello_lock);
	if (epoch < peer->their_epoch || epoch < peer->min_epoch) {
		status = HCW_ESTALE;
	} else if (epoch > peer->their_epoch) {
		peer->their_epoch = epoch;
		*ret_is_new = true;
	}
	spin_unlock_bh(&peer->hello_lock);
	return status;
}

static void lend(struct hc_pool *pool, struct hc_peer *peer, struct hc_lslab *slab, u64 epoch,
		 u32 env)
{
	slab->peer = peer->id;
	slab->env = env;
	slab->epoch = epoch;
	slab->incarnation = peer->incarnation;
	list_add_tail(&slab->list, &pool->slabs);
	pool->nr_slabs++;
}

u16 hc_pool_lease(struct hc_peer *peer, u64 epoch, u64 env, u32 *nr, u32 *ids)
{
	struct hc_pool *pool = peer->node->pool;
	u32 got = 0, want = min_t(u32, *nr, LEASE_AT_ONCE);
	u64 room, limit;
	bool is_new;
	u16 status;

	*nr = 0;
	if (!env || env > HC_ENVS_MAX)
		return HCW_EINVAL;
	status = epoch_check(peer, epoch, &is_new);
	if (status)
		return status;
	if (is_new)
		hc_pool_expire(peer);
	mutex_lock(&pool->lock);
	room = lendable(pool);
	limit = xa_to_value(xa_load(&pool->env_limits, env));
	if (limit) {
		u64 has = env_slabs(pool, env);

		room = min(room, limit > has ? limit - has : 0);
	}
	for (want = min_t(u64, want, room); got < want; got++) {
		struct hc_lslab *slab = slab_alloc();

		if (!slab)
			break;
		/* The end of a connection waits for this: no reclaim that may need that end. */
		if (xa_alloc_cyclic(&pool->by_id, &slab->id, slab, xa_limit_31b, &pool->next_id,
				    GFP_NOIO) < 0) {
			hc_lslab_put(slab);
			break;
		}
		lend(pool, peer, slab, epoch, env);
		ids[got] = (__force u32)cpu_to_le32(slab->id);
	}
	pool->free_slabs = lendable(pool);
	mutex_unlock(&pool->lock);
	*nr = got;
	return got ? HCW_OK : HCW_ENOMEM;
}

u16 hc_pool_release(struct hc_peer *peer, u64 epoch, u32 nr, const u32 *ids)
{
	struct hc_pool *pool = peer->node->pool;
	bool empty, is_new;
	u16 status;
	u32 i;

	status = epoch_check(peer, epoch, &is_new);
	if (status)
		return status;
	if (is_new)
		hc_pool_expire(peer);
	mutex_lock(&pool->lock);
	for (i = 0; i < nr; i++) {
		struct hc_lslab *slab = xa_load(&pool->by_id, le32_to_cpu((__force __le32)ids[i]));

		if (!slab || slab->peer != peer->id || slab->epoch != epoch)
			status = HCW_ESLAB;
		else
			slab_end(pool, slab);
	}
	pool->free_slabs = lendable(pool);
	empty = pool->drain && !pool->nr_slabs && nr;
	mutex_unlock(&pool->lock);
	if (empty)
		hc_event(pool->node, HC_EV_DRAINED, 0, 0, 0,
			 "All lent memory came back; this node lends nothing any more.");
	return status;
}

static void end_leases(struct hc_peer *peer, bool all)
{
	struct hc_pool *pool = peer->node->pool;
	struct hc_lslab *slab, *tmp;
	u64 epoch, min_epoch, incarnation;

	spin_lock_bh(&peer->hello_lock);
	epoch = peer->their_epoch;
	min_epoch = peer->min_epoch;
	incarnation = peer->incarnation;
	spin_unlock_bh(&peer->hello_lock);
	mutex_lock(&pool->lock);
	list_for_each_entry_safe(slab, tmp, &pool->slabs, list) {
		if (slab->peer != peer->id)
			continue;
		if (all || slab->epoch < epoch || slab->epoch < min_epoch ||
		    slab->incarnation != incarnation)
			slab_end(pool, slab);
	}
	mutex_unlock(&pool->lock);
}

void hc_pool_expire(struct hc_peer *peer)
{
	end_leases(peer, false);
}

void hc_pool_forget(struct hc_peer *peer)
{
	end_leases(peer, true);
}

/* ---- data path ---- */

static u16 slab_find(struct hc_peer *peer, const struct hc_msg *m, struct hc_lslab **ret)
{
	struct hc_lslab *slab;
	u16 status = HCW_OK;

	*ret = NULL;
	if (m->epoch < READ_ONCE(peer->min_epoch))
		return HCW_ESTALE;
	rcu_read_lock();
	slab = xa_load(&peer->node->pool->by_id, m->slab);
	if (!slab || slab->peer != peer->id || READ_ONCE(slab->is_over))
		status = HCW_ESLAB;
	else if (slab->epoch != m->epoch)
		status = HCW_ESTALE;
	else if (!kref_get_unless_zero(&slab->kref))
		status = HCW_ESLAB;
	else
		*ret = slab;
	rcu_read_unlock();
	return status;
}

u16 hc_pool_write(struct hc_peer *peer, const struct hc_msg *m, struct hc_lslab **ret)
{
	u16 status = slab_find(peer, m, ret);

	if (!status && !slab_pin(*ret)) {
		hc_lslab_put(*ret);
		*ret = NULL;
		status = HCW_ESLAB;
	}
	return status;
}

u16 hc_pool_read(struct hc_peer *peer, const struct hc_msg *m, struct hc_lslab **ret)
{
	u16 i, status = slab_find(peer, m, ret);

	for (i = 0; !status && i < m->nr; i++)
		if (!test_bit(m->page + i, (*ret)->written))
			status = HCW_EUNSET;
	if (status) {
		hc_lslab_put(*ret);
		*ret = NULL;
	} else {
		atomic64_add(m->nr, &peer->served_reads);
	}
	return status;
}

void hc_pool_written(struct hc_peer *peer, struct hc_lslab *slab, const struct hc_msg *m)
{
	u16 i;

	for (i = 0; i < m->nr; i++)
		set_bit(m->page + i, slab->written);
	atomic64_add(m->nr, &peer->served_writes);
}

void hc_pool_status(struct hc_peer *peer, struct hc_msg *answer)
{
	struct hc_pool *pool = peer->node->pool;

	answer->arg = READ_ONCE(pool->free_slabs);
	if (READ_ONCE(pool->drain))
		answer->flags |= HCW_F_DRAIN;
	if (READ_ONCE(pool->pressure))
		answer->flags |= HCW_F_PRESSURE;
}

/* ---- calling memory back ---- */

static bool recall_due(const struct hc_lslab *slab)
{
	return !slab->recalled ||
	       time_after(jiffies, slab->recalled + msecs_to_jiffies(RECALL_AGAIN_MS));
}

/* Ids of up to @max slabs of one borrower to call back now; its node id. */
static u32 recall_collect(struct hc_pool *pool, u32 max, u32 *ids, u32 *ret_nr)
{
	struct hc_lslab *slab;
	u32 peer = 0;

	*ret_nr = 0;
	mutex_lock(&pool->lock);
	list_for_each_entry(slab, &pool->slabs, list) {
		if (*ret_nr == max)
			break;
		if (!recall_due(slab) || (peer && slab->peer != peer))
			continue;
		peer = slab->peer;
		slab->recalled = jiffies ?: 1;
		ids[(*ret_nr)++] = (__force u32)cpu_to_le32(slab->id);
	}
	mutex_unlock(&pool->lock);
	return peer;
}

static void recall_send(struct hc_pool *pool, u32 id, u32 nr, const u32 *ids)
{
	struct hc_peer *peer = hc_peer_find(pool->node, id);
	struct hc_call call = { .msg = { .type = HCW_RECALL, .nr = nr }, .data = ids };

	if (!peer)
		return;
	mutex_lock(&peer->recall_lock);
	hc_peer_call_sync(peer, &call);	/* not reached: called back again later */
	mutex_unlock(&peer->recall_lock);
	hc_peer_put(peer);
}

/* Slabs called back and still here. */
static u64 recalled_slabs(struct hc_pool *pool)
{
	struct hc_lslab *slab;
	u64 n = 0;

	list_for_each_entry(slab, &pool->slabs, list)
		n += slab->recalled != 0;
	return n;
}

/* Slabs to call back beyond those that are on their way already. */
static u32 recall_wanted(struct hc_pool *pool)
{
	u64 avail = available_bytes(), want = 0, coming;

	mutex_lock(&pool->lock);
	coming = recalled_slabs(pool);
	pool->pressure = avail < pool->reserve_bytes;
	pool->free_slabs = lendable(pool);
	if (pool->drain) {
		want = pool->nr_slabs;
		coming = 0;	/* recall_due() knows which */
	} else {
		if (pool->pressure)
			want = div64_u64(pool->reserve_bytes - avail, SLAB_BYTES) + 1;
		if (pool->nr_slabs > pool->limit_slabs)
			want = max(want, pool->nr_slabs - pool->limit_slabs);
		want = min_t(u64, want, RECALL_PRESSURE_MAX);
	}
	mutex_unlock(&pool->lock);
	return want > coming ? want - coming : 0;
}

static void watch_work_fn(struct work_struct *work)
{
	struct hc_pool *pool = container_of(to_delayed_work(work), struct hc_pool, watch_work);
	u32 want = recall_wanted(pool);
	u32 *ids;

	ids = want ? kmalloc(HCW_CTL_MAX, GFP_NOIO | __GFP_NOWARN) : NULL;
	while (ids && want) {
		u32 nr, peer = recall_collect(pool, min_t(u32, want, HCW_LEASE_MAX), ids, &nr);

		if (!nr)
			break;
		want -= nr;
		hc_event(pool->node, HC_EV_RECALL, peer, 0, nr,
			 "%u MiB lent to node %u were called back: %s.", nr, peer,
			 pool->drain ? "this node drains" : "this node needs its memory");
		recall_send(pool, peer, nr, ids);
	}
	kfree(ids);
	if (!READ_ONCE(pool->is_ending))
		queue_delayed_work(hc_ctl_wq, &pool->watch_work, msecs_to_jiffies(WATCH_MS));
}

/* ---- life ---- */

void hc_pool_set(struct hc_pool *pool, s64 limit, s64 reserve, int drain)
{
	mutex_lock(&pool->lock);
	if (limit >= 0)
		pool->limit_slabs = div64_u64(limit, SLAB_BYTES);
	if (reserve >= 0)
		pool->reserve_bytes = reserve;
	if (drain >= 0)
		pool->drain = drain;
	pool->free_slabs = lendable(pool);
	mutex_unlock(&pool->lock);
	mod_delayed_work(hc_ctl_wq, &pool->watch_work, 0);
}

int hc_pool_set_env(struct hc_pool *pool, u32 env, u64 bytes)
{
	u64 slabs = div64_u64(bytes + SLAB_BYTES - 1, SLAB_BYTES);
	void *old;

	if (!slabs) {
		xa_erase(&pool->env_limits, env);
		return 0;
	}
	old = xa_store(&pool->env_limits, env, xa_mk_value(slabs), GFP_KERNEL);
	return xa_err(old);
}

struct hc_pool *hc_pool_create(struct hc_node *node)
{
	struct hc_pool *pool = kzalloc(sizeof(*pool), GFP_KERNEL);

	if (!pool)
		return NULL;
	pool->node = node;
	mutex_init(&pool->lock);
	xa_init_flags(&pool->by_id, XA_FLAGS_ALLOC1);
	xa_init(&pool->env_limits);
	INIT_LIST_HEAD(&pool->slabs);
	pool->reserve_bytes = default_reserve();
	INIT_DELAYED_WORK(&pool->watch_work, watch_work_fn);
	return pool;
}

void hc_pool_destroy(struct hc_pool *pool)
{
	struct hc_lslab *slab, *tmp;

	WRITE_ONCE(pool->is_ending, true);
	cancel_delayed_work_sync(&pool->watch_work);
	mutex_lock(&pool->lock);
	list_for_each_entry_safe(slab, tmp, &pool->slabs, list)
		slab_end(pool, slab);
	mutex_unlock(&pool->lock);
	xa_destroy(&pool->by_id);
	xa_destroy(&pool->env_limits);
	kfree(pool);
}
