// SPDX-License-Identifier: GPL-2.0-or-later
/* The donor pool (SPEC R20a, R8): limits, leases with epochs, calling memory back. */
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/oom.h>
#include <linux/slab.h>

#include "conn.h"
#include "event.h"
#include "main.h"
#include "node.h"
#include "peer.h"
#include "pool.h"

#define WATCH_MS		500
#define WATCH_CLOSE_MS		100	/* the same, when memory gets short */
#define RECALL_AGAIN_MS		10000
#define HEARD_MS		500	/* a borrower that is there has answered by then */
#define UNHEARD_AGAIN_MS	1000	/* the same, when its borrower was out of reach */
#define LEASE_AT_ONCE		64	/* slabs; the connection can't end meanwhile */
#define OOM_EACH		4	/* called back of each borrower when memory is out */
#define LEASE_MS		200	/* of one answer: others want the pool, too */
#define RECALL_AT_ONCE		256	/* slabs called back and not returned yet, under pressure */
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

/*
 * Zeroed memory, or NULL: lending must never make this node struggle. And the pool's
 * lock is held: who looks for memory to the last may wait for those who need it.
 */
static struct hc_lslab *slab_alloc(void)
{
	gfp_t gfp = GFP_NOIO | __GFP_ZERO | __GFP_NORETRY | __GFP_NOWARN;
	struct hc_lslab *slab = kzalloc(sizeof(*slab), gfp);
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
	atomic64_inc(&pool->nr_back);
	wake_up_all(&pool->back_wq);
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

/* Memory is out, and nobody has looked since what could come back. */
static bool oom_waits(struct hc_pool *pool)
{
	return atomic_read(&pool->oom_asked) != READ_ONCE(pool->oom_served);
}

static u64 lendable(struct hc_pool *pool)
{
	u64 avail = available_bytes(), by_limit, by_ram;

	if (pool->drain || pool->is_ending || pool->nr_slabs >= pool->limit_slabs)
		return 0;
	/* What was called back for a program here is not lent again before that program has it. */
	if (oom_waits(pool) || (pool->short_until && time_before(jiffies, pool->short_until)))
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
	slab->target = peer->target;
	slab->env = env;
	slab->epoch = epoch;
	slab->incarnation = peer->incarnation;
	list_add_tail(&slab->list, &pool->slabs);
	pool->nr_slabs++;
}

u16 hc_pool_lease(struct hc_peer *peer, u64 epoch, u64 env, u32 *nr, u32 *ids)
{
	struct hc_pool *pool = peer->node->pool;
	unsigned long until = jiffies + msecs_to_jiffies(LEASE_MS);
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
		struct hc_lslab *slab;

		/* Writes wait for the first of them. It asks again. */
		if (got && (time_after(jiffies, until) || oom_waits(pool)))
			break;
		slab = slab_alloc();
		if (!slab)
			break;
		/* The end of a connection waits for this: no reclaim that may need that end. */
		if (xa_alloc_cyclic(&pool->by_id, &slab->id, slab, xa_limit_31b, &pool->next_id,
				    GFP_NOIO | __GFP_NORETRY | __GFP_NOWARN) < 0) {
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
	bool empty, is_new, some = false;
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

		if (!slab || slab->peer != peer->id || slab->epoch != epoch) {
			status = HCW_ESLAB;
			continue;
		}
		slab_end(pool, slab);
		some = true;
	}
	if (some)
		__clear_bit(peer->target, pool->vain);
	pool->free_slabs = lendable(pool);
	empty = pool->drain && !pool->nr_slabs && nr;
	mutex_unlock(&pool->lock);
	if (empty)
		hc_event(pool->node, HC_EV_DRAINED, 0, 0, 0,
			 "All lent memory came back; this node lends nothing any more.");
	return status;
}

static u64 end_leases(struct hc_peer *peer, bool all)
{
	struct hc_pool *pool = peer->node->pool;
	struct hc_lslab *slab, *tmp;
	u64 epoch, min_epoch, incarnation, nr = 0;

	spin_lock_bh(&peer->hello_lock);
	epoch = peer->their_epoch;
	min_epoch = peer->min_epoch;
	incarnation = peer->incarnation;
	spin_unlock_bh(&peer->hello_lock);
	mutex_lock(&pool->lock);
	list_for_each_entry_safe(slab, tmp, &pool->slabs, list) {
		if (slab->peer != peer->id)
			continue;
		if (!all && slab->epoch >= epoch && slab->epoch >= min_epoch &&
		    slab->incarnation == incarnation)
			continue;
		slab_end(pool, slab);
		nr++;
	}
	pool->free_slabs = lendable(pool);
	mutex_unlock(&pool->lock);
	return nr;
}

void hc_pool_expire(struct hc_peer *peer)
{
	end_leases(peer, false);
}

u64 hc_pool_end_all(struct hc_peer *peer)
{
	return end_leases(peer, true);
}

void hc_pool_forget(struct hc_peer *peer)
{
	struct hc_pool *pool = peer->node->pool;

	end_leases(peer, true);
	/* It has no slab any more, so this is not queued again. */
	cancel_work_sync(&peer->recall.work);
	mutex_lock(&pool->lock);
	__clear_bit(peer->target, pool->telling);
	__clear_bit(peer->target, pool->vain);
	mutex_unlock(&pool->lock);
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
	unsigned int ms = test_bit(HC_LSLAB_UNHEARD, &slab->flags) ? UNHEARD_AGAIN_MS :
								     RECALL_AGAIN_MS;

	return !slab->recalled || time_after(jiffies, slab->recalled + msecs_to_jiffies(ms));
}

/* Its borrower was told lately, as far as we know, and has not given it back yet. */
static bool is_told(const struct hc_lslab *slab)
{
	return !recall_due(slab) && !test_bit(HC_LSLAB_UNHEARD, &slab->flags);
}

/*
 * To be counted on: others need not be asked in its place. A borrower that does not even
 * answer that it was told gives nothing back soon.
 */
static bool is_coming(const struct hc_pool *pool, const struct hc_lslab *slab)
{
	return is_told(slab) &&
	       (!test_bit(slab->target, pool->telling) ||
		time_before(jiffies, slab->recalled + msecs_to_jiffies(HEARD_MS)));
}

/*
 * Worth waiting for when memory is out: its borrower is there. An answer may take a while behind
 * the pages on the same connection; one that stays silent loses the connection.
 */
static bool may_come(const struct hc_pool *pool, const struct hc_lslab *slab)
{
	return is_told(slab) && !test_bit(slab->target, pool->vain) &&
	       READ_ONCE(pool->node->targets[slab->target].is_live);
}

/* In this order: what comes back without moving a page; the rest; what was asked for in vain. */
enum recall_pass { RECALL_EMPTY, RECALL_FIRST, RECALL_AGAIN, RECALL_PASSES };

static bool recall_fits(const struct hc_pool *pool, const struct hc_lslab *slab,
			const unsigned long *done, enum recall_pass pass)
{
	if (test_bit(slab->target, pool->telling) || (done && test_bit(slab->target, done)))
		return false;
	if (pass != RECALL_AGAIN && test_bit(slab->target, pool->vain))
		return false;
	switch (pass) {
	case RECALL_EMPTY:
		return !slab->recalled && bitmap_empty(slab->written, HCW_SLAB_PAGES);
	case RECALL_FIRST:
		return !slab->recalled;
	default:
		return recall_due(slab);
	}
}

/*
 * Tell one borrower of up to @max slabs that are to come back; their number. @done: borrowers
 * not to be told, it is added then; or NULL.
 */
static u32 recall_start(struct hc_pool *pool, u32 max, unsigned long *done)
{
	struct hc_lslab *slab, *tmp;
	struct hc_peer *peer = NULL;
	struct hc_recall *recall = NULL;
	enum recall_pass pass;
	u32 nr = 0;

	mutex_lock(&pool->lock);
	for (pass = RECALL_EMPTY; pass < RECALL_PASSES; pass++) {
		list_for_each_entry_safe(slab, tmp, &pool->slabs, list) {
			if (nr == max)
				break;
			if (!recall_fits(pool, slab, done, pass) ||
			    (peer && slab->peer != peer->id))
				continue;
			/* It has slabs, so hc_pool_forget() is still to come, and waits for us. */
			if (!peer)
				peer = hc_peer_by_target(pool->node, slab->target);
			if (WARN_ON_ONCE(!peer))
				break;
			recall = &peer->recall;
			slab->recalled = jiffies ?: 1;
			clear_bit(HC_LSLAB_UNHEARD, &slab->flags);
			recall->ids[nr++] = (__force u32)cpu_to_le32(slab->id);
			/* Who has no other place for them must not hide the others for ever. */
			list_move_tail(&slab->list, &pool->slabs);
		}
	}
	if (nr) {
		recall->nr = nr;
		__set_bit(peer->target, pool->telling);
		if (done)
			__set_bit(peer->target, done);
		queue_work(hc_lease_wq, &recall->work);
	}
	mutex_unlock(&pool->lock);
	if (peer)
		hc_peer_put(peer);
	return nr;
}

/* Its borrower was not reached: these are not on their way. */
static void recall_unheard(struct hc_pool *pool, const struct hc_recall *recall)
{
	u32 i;

	lockdep_assert_held(&pool->lock);
	for (i = 0; i < recall->nr; i++) {
		u32 id = le32_to_cpu((__force __le32)recall->ids[i]);
		struct hc_lslab *slab = xa_load(&pool->by_id, id);

		if (slab)
			set_bit(HC_LSLAB_UNHEARD, &slab->flags);
	}
}

static void recall_work_fn(struct work_struct *work)
{
	struct hc_peer *peer = container_of(work, struct hc_peer, recall.work);
	struct hc_pool *pool = peer->node->pool;
	struct hc_recall *recall = &peer->recall;
	struct hc_call call = {
		.msg = { .type = HCW_RECALL, .nr = recall->nr }, .data = recall->ids,
	};
	int err = hc_peer_call_sync(peer, &call);
	bool again;

	if (!err)
		hc_event(pool->node, HC_EV_RECALL, peer->id, 0, call.msg.nr,
			 "%u MiB lent to node %u were called back: %s.", call.msg.nr, peer->id,
			 READ_ONCE(pool->drain) ? "this node drains" :
			 "this node needs its memory");
	mutex_lock(&pool->lock);
	if (err)
		recall_unheard(pool, recall);
	__clear_bit(peer->target, pool->telling);
	/* The next look asks others, and these in a while. */
	again = err || pool->recall_more;
	mutex_unlock(&pool->lock);
	if (again)
		mod_delayed_work(hc_lease_wq, &pool->watch_work, 0);
}

void hc_pool_peer_init(struct hc_peer *peer)
{
	INIT_WORK(&peer->recall.work, recall_work_fn);
}

static u64 slabs_that(struct hc_pool *pool,
		      bool (*is)(const struct hc_pool *pool, const struct hc_lslab *slab))
{
	struct hc_lslab *slab;
	u64 n = 0;

	list_for_each_entry(slab, &pool->slabs, list)
		n += is(pool, slab);
	return n;
}

/* Memory was out, and nothing came back in time of all that was called back. */
static void vain_mark(struct hc_pool *pool)
{
	struct hc_lslab *slab;

	list_for_each_entry(slab, &pool->slabs, list)
		if (slab->recalled && time_after(jiffies, slab->recalled +
						 msecs_to_jiffies(hc_request_timeout_ms)))
			__set_bit(slab->target, pool->vain);
}

/*
 * Slabs to call back beyond those that are on their way already. They take a while,
 * so what its own programs took since the last look is taken for what they take next.
 */
static u32 recall_wanted(struct hc_pool *pool, bool oom, unsigned int *ret_again_ms)
{
	u64 avail = available_bytes(), own, next, want = 0, coming;

	mutex_lock(&pool->lock);
	if (test_and_clear_bit(HC_POOL_VAIN, &pool->flags) &&
	    atomic64_read(&pool->nr_back) == READ_ONCE(pool->vain_back))
		vain_mark(pool);
	if (oom)
		pool->short_until = (jiffies + msecs_to_jiffies(RECALL_AGAIN_MS)) ?: 1;
	own = avail + pool->nr_slabs * SLAB_BYTES;
	next = own < pool->last_own ? avail - min(avail, pool->last_own - own) : avail;
	pool->last_own = own;
	coming = slabs_that(pool, is_coming);
	pool->pressure = next < pool->reserve_bytes;
	pool->free_slabs = lendable(pool);
	if (pool->drain) {
		want = pool->nr_slabs;
		coming = 0;	/* recall_due() knows which */
	} else {
		if (pool->pressure)
			want = div64_u64(pool->reserve_bytes - next, SLAB_BYTES) + 1;
		if (pool->nr_slabs > pool->limit_slabs)
			want = max(want, pool->nr_slabs - pool->limit_slabs);
		want = min_t(u64, want, RECALL_AT_ONCE);
	}
	*ret_again_ms = pool->nr_slabs && next < 2 * pool->reserve_bytes ?
			WATCH_CLOSE_MS : WATCH_MS;
	mutex_unlock(&pool->lock);
	return want > coming ? want - coming : 0;
}

static void watch_work_fn(struct work_struct *work)
{
	struct hc_pool *pool = container_of(to_delayed_work(work), struct hc_pool, watch_work);
	DECLARE_BITMAP(told, HC_TARGETS) = {};
	unsigned int again_ms;
	int asked = atomic_read(&pool->oom_asked);	/* who asks later is served later */
	bool oom = asked != pool->oom_served;
	u32 want = recall_wanted(pool, oom, &again_ms);
	u32 nr = 1;

	while (want && nr) {
		nr = recall_start(pool, min_t(u32, want, HCW_LEASE_MAX), NULL);
		want -= nr;
	}
	/* A few of each, so that the first ones come sooner. */
	while (oom && recall_start(pool, OOM_EACH, told))
		;
	mutex_lock(&pool->lock);
	pool->recall_more = want && !bitmap_empty(pool->telling, HC_TARGETS);
	WRITE_ONCE(pool->nr_coming, slabs_that(pool, may_come));
	mutex_unlock(&pool->lock);
	/* Pairs with oom_notify(): who is served sees nr_coming of this look. */
	smp_store_release(&pool->oom_served, asked);
	wake_up_all(&pool->back_wq);
	if (!READ_ONCE(pool->is_ending))
		queue_delayed_work(hc_lease_wq, &pool->watch_work, msecs_to_jiffies(again_ms));
}

/* The look that serves @ask is over, and nothing is on its way. */
static bool oom_is_vain(struct hc_pool *pool, int ask)
{
	/* Pairs with watch_work_fn(): nr_coming is of that look, or of a later one. */
	return smp_load_acquire(&pool->oom_served) - ask >= 0 && !READ_ONCE(pool->nr_coming);
}

/*
 * The kernel is about to kill a program for want of memory. What is lent can come
 * back, and the kernel tries again when it has: no program dies for what was lent
 * while its borrower gives it back. Whoever allocates waits here: for the first slab, as
 * long as a peer may take to answer and to move its pages, and only while some are on their
 * way. Not again for borrowers who gave nothing in all that time: they would hold up every kill.
 */
static int oom_notify(struct notifier_block *nb, unsigned long unused, void *data)
{
	struct hc_pool *pool = container_of(nb, struct hc_pool, oom_nb);
	u64 before = atomic64_read(&pool->nr_back);
	unsigned long *ret_freed = data;
	long left;
	int ask;

	if (!READ_ONCE(pool->nr_slabs))
		return NOTIFY_OK;
	ask = atomic_inc_return(&pool->oom_asked);
	mod_delayed_work(hc_lease_wq, &pool->watch_work, 0);
	/* One that is killed meanwhile frees its own memory. */
	left = wait_event_killable_timeout(pool->back_wq,
					   atomic64_read(&pool->nr_back) != before ||
					   oom_is_vain(pool, ask),
					   msecs_to_jiffies(2 * hc_request_timeout_ms));
	if (!left) {
		WRITE_ONCE(pool->vain_back, before);
		set_bit(HC_POOL_VAIN, &pool->flags);
	}
	*ret_freed += (atomic64_read(&pool->nr_back) - before) * HCW_SLAB_PAGES;
	return NOTIFY_OK;
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
	mod_delayed_work(hc_lease_wq, &pool->watch_work, 0);
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
	init_waitqueue_head(&pool->back_wq);
	INIT_DELAYED_WORK(&pool->watch_work, watch_work_fn);
	pool->oom_nb.notifier_call = oom_notify;
	register_oom_notifier(&pool->oom_nb);
	return pool;
}

void hc_pool_destroy(struct hc_pool *pool)
{
	struct hc_lslab *slab, *tmp;

	unregister_oom_notifier(&pool->oom_nb);
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
