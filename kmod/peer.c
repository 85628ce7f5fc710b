// SPDX-License-Identifier: GPL-2.0-or-later
/* Peers: other nodes, as seen from here; see peer.h for their states. */
#include <linux/jiffies.h>
#include <linux/rculist.h>
#include <linux/slab.h>

#include "conn.h"
#include "disk.h"
#include "env.h"
#include "event.h"
#include "lease.h"
#include "main.h"
#include "node.h"
#include "peer.h"
#include "pool.h"

#define HELLO_TIMEOUT_MS	5000
#define SUSPECT_MS		250	/* an answer that takes longer is late */
#define ALIVE_MS		1500	/* a connection heard from since is not replaced */
#define EPOCH_CARRY_MAX		(1 << 20)	/* more than this node ever raises one by itself */

/* ---- finding ---- */

struct hc_peer *hc_peer_get(struct hc_peer *peer)
{
	kref_get(&peer->kref);
	return peer;
}

static void peer_release(struct kref *kref)
{
	kfree_rcu(container_of(kref, struct hc_peer, kref), rcu);
}

void hc_peer_put(struct hc_peer *peer)
{
	kref_put(&peer->kref, peer_release);
}

/* One that is being removed, too: until its end is over no other has its id. */
static struct hc_peer *find_locked(struct hc_node *node, u32 id)
{
	struct hc_peer *peer;

	lockdep_assert_held(&node->lock);
	list_for_each_entry(peer, &node->peers, list)
		if (peer->id == id)
			return peer;
	return NULL;
}

struct hc_peer *hc_peer_find(struct hc_node *node, u32 id)
{
	struct hc_peer *peer;

	mutex_lock(&node->lock);
	peer = find_locked(node, id);
	if (peer && peer->is_gone)
		peer = NULL;
	if (peer)
		kref_get(&peer->kref);
	mutex_unlock(&node->lock);
	return peer;
}

struct hc_peer *hc_peer_by_target(struct hc_node *node, u8 target)
{
	struct hc_peer *peer;

	rcu_read_lock();
	peer = rcu_dereference(node->by_target[target]);
	if (peer && !kref_get_unless_zero(&peer->kref))
		peer = NULL;
	rcu_read_unlock();
	return peer;
}

u64 hc_peer_epoch(struct hc_node *node, u8 target)
{
	struct hc_peer *peer;
	u64 epoch = 0;

	rcu_read_lock();
	peer = rcu_dereference(node->by_target[target]);
	if (peer)
		epoch = READ_ONCE(peer->epoch);
	rcu_read_unlock();
	return epoch;
}

/* ---- how placement sees it ---- */

void hc_peer_targets(struct hc_peer *peer)
{
	struct hc_target *t = &peer->node->targets[peer->target];
	bool no_new = READ_ONCE(peer->drain) || READ_ONCE(peer->they_drain);

	WRITE_ONCE(t->is_live, READ_ONCE(peer->state) == HC_PEER_LIVE);
	WRITE_ONCE(t->is_suspect, READ_ONCE(peer->is_suspect));
	WRITE_ONCE(t->no_new, no_new);
	WRITE_ONCE(t->may_lend, !no_new && READ_ONCE(peer->free_slabs));
}

void hc_peer_inflight(struct hc_peer *peer, int by)
{
	int n = atomic_add_return(by, &peer->inflight);

	WRITE_ONCE(peer->node->targets[peer->target].inflight, n);
}

void hc_peer_ping(struct hc_peer *peer, const struct hc_msg *answer, s64 us)
{
	u32 rtt = clamp_t(s64, us, 1, U32_MAX);

	peer->rtt_us = peer->rtt_us ? peer->rtt_us - peer->rtt_us / 8 + rtt / 8 : rtt;
	WRITE_ONCE(peer->free_slabs, answer->arg);
	WRITE_ONCE(peer->they_drain, answer->flags & HCW_F_DRAIN);
	hc_peer_targets(peer);
}

void hc_peer_watch(struct hc_peer *peer)
{
	unsigned int i, oldest = 0;

	rcu_read_lock();
	for (i = 0; i < HC_CONNS_MAX; i++) {
		struct hc_conn *conn = rcu_dereference(peer->conns[i]);

		if (conn)
			oldest = max(oldest, hc_conn_oldest(conn));
	}
	rcu_read_unlock();
	WRITE_ONCE(peer->is_suspect, oldest > SUSPECT_MS);
	hc_peer_targets(peer);
}

/* ---- hello ---- */

void hc_peer_hello_make(struct hc_peer *peer, u16 conn, struct hcw_hello *ret)
{
	struct hc_node *node = peer->node;

	memset(ret, 0, sizeof(*ret));
	ret->version_min = cpu_to_le16(HCW_VERSION_MIN);
	ret->version_max = cpu_to_le16(HCW_VERSION_MAX);
	ret->conn = cpu_to_le16(conn);
	ret->depth = cpu_to_le16(HC_CONN_DEPTH);
	ret->node = cpu_to_le32(node->id);
	ret->to = cpu_to_le32(peer->id);
	ret->features = cpu_to_le64(HCW_FEAT_ALL);
	ret->incarnation = cpu_to_le64(node->incarnation);
	ret->page_shift = cpu_to_le16(HCW_PAGE_SHIFT);
	ret->slab_pages = cpu_to_le16(HCW_SLAB_PAGES);
	strscpy(ret->name, node->name, sizeof(ret->name));
	ret->epoch = cpu_to_le64(READ_ONCE(peer->epoch));
}

u64 hc_peer_floor(struct hc_peer *peer)
{
	u64 floor;

	/* What was met. Not the fence: whoever is behind it comes back by its daemon only. */
	spin_lock_bh(&peer->hello_lock);
	floor = peer->their_epoch;
	spin_unlock_bh(&peer->hello_lock);
	return min(floor, HCW_EPOCH_MAX - 1);
}

/* Does a machine of the incarnation met last answer, on another connection than @conn? */
static bool is_answering(struct hc_peer *peer, struct hc_conn *conn)
{
	bool answers = false;
	u32 i;

	rcu_read_lock();
	for (i = 0; i < HC_CONNS_MAX && !answers; i++) {
		struct hc_conn *other = rcu_dereference(peer->conns[i]);

		answers = other && other != conn && READ_ONCE(other->state) == HC_CONN_LIVE &&
			  other->hello.incarnation == peer->incarnation &&
			  time_before(jiffies, READ_ONCE(other->last_rx) +
					       msecs_to_jiffies(ALIVE_MS));
	}
	rcu_read_unlock();
	return answers;
}

enum hc_hello_verdict hc_peer_hello(struct hc_peer *peer, struct hc_conn *conn, u64 floor,
				    const struct hcw_hello *h, struct hc_hello_result *ret)
{
	struct hc_hello_self self = {
		.node = peer->node->id,
		.peer = peer->id,
		.conn = conn->idx,
		.depth = HC_CONN_DEPTH,
		.version_min = HCW_VERSION_MIN,
		.version_max = HCW_VERSION_MAX,
		.features = HCW_FEAT_ALL,
	};
	enum hc_hello_verdict verdict;

	spin_lock_bh(&peer->hello_lock);
	self.min_epoch = peer->min_epoch;
	self.their_epoch = peer->their_epoch;
	self.their_incarnation = peer->incarnation;
	self.is_answering = is_answering(peer, conn);
	verdict = hc_hello_check(&self, h, ret);
	if (floor >= HCW_EPOCH_MAX)
		verdict = HC_HELLO_RANGE;
	else if (verdict == HC_HELLO_OK || verdict == HC_HELLO_EPOCH)
		peer->floor = floor;
	if (verdict == HC_HELLO_OK) {
		peer->their_epoch = ret->epoch;
		peer->incarnation = ret->incarnation;
		peer->version = ret->version;
		peer->features = ret->features;
	}
	spin_unlock_bh(&peer->hello_lock);
	return verdict;
}

void hc_peer_fence(struct hc_peer *peer, u64 min_epoch)
{
	spin_lock_bh(&peer->hello_lock);
	peer->min_epoch = max(peer->min_epoch, min_epoch);
	spin_unlock_bh(&peer->hello_lock);
	hc_pool_expire(peer);
}

/* ---- connections ---- */

void hc_peer_conn_set(struct hc_peer *peer, u16 idx, struct hc_conn *conn)
{
	mutex_lock(&peer->node->lock);
	rcu_assign_pointer(peer->conns[idx], conn);
	mutex_unlock(&peer->node->lock);
}

static struct hc_conn *conn_locked(struct hc_peer *peer, u16 idx)
{
	return rcu_dereference_protected(peer->conns[idx],
					 lockdep_is_held(&peer->node->lock));
}

/*
 * Its pages are given up: whatever it still holds is refused when it returns. The
 * epoch grows between two rounds: what was prepared before carries the old one and
 * means slabs that are dropped; what comes after finds none of them.
 */
static void peer_drop_pages(struct hc_peer *peer, u64 epoch)
{
	struct hc_node *node = peer->node;
	struct hc_loss loss, late;

	lockdep_assert_held(&node->lock);
	hc_disk_drop_target(node, peer->target, &loss);
	hc_disk_lock(node);
	WRITE_ONCE(peer->epoch, epoch);
	hc_disk_unlock(node);
	hc_disk_drop_target(node, peer->target, &late);
	loss.nr_lost += late.nr_lost;
	loss.nr_degraded += late.nr_degraded;
	if (loss.nr_lost || loss.nr_degraded || peer->lent_incarnation)
		hc_event(node, HC_EV_PEER_DROPPED, peer->id, 0, loss.nr_degraded + loss.nr_lost,
			 "Node %u was given up: %u pages have a copy less, %u pages are lost.",
			 peer->id, loss.nr_degraded, loss.nr_lost);
	peer->lent_incarnation = 0;
}

/*
 * The other end has closed the connection that had this number before: no write
 * of it can arrive any more.
 */
static void settle_serial(struct hc_peer *peer, struct hc_conn *conn)
{
	u8 old = peer->live_serial[conn->idx];

	clear_bit(conn->serial, peer->settled);
	peer->live_serial[conn->idx] = conn->serial;
	if (!old)
		return;
	set_bit(old, peer->settled);
	hc_disk_unquarantine(peer->node, peer->target, old);
}

bool hc_peer_settled(struct hc_node *node, u8 target, u8 serial)
{
	struct hc_peer *peer;
	bool settled;

	rcu_read_lock();
	peer = rcu_dereference(node->by_target[target]);
	settled = !peer || test_bit(serial, peer->settled);
	rcu_read_unlock();
	return settled;
}

void hc_peer_conn_up(struct hc_peer *peer, struct hc_conn *conn)
{
	struct hc_node *node = peer->node;
	bool first = false;

	/* Nothing may go out on it before our own hello. */
	wait_for_completion(&conn->said_hello);
	if (conn->refused) {
		hc_conn_fail(conn, conn->refused);
		return;
	}
	if (conn->hello.is_new_lease)
		hc_pool_expire(peer);
	mutex_lock(&node->lock);
	if (peer->is_gone || conn_locked(peer, conn->idx) != conn) {
		mutex_unlock(&node->lock);
		return;
	}
	/* Its module was loaded anew: what it lent us is gone with the old one. */
	if (peer->lent_incarnation && peer->lent_incarnation != conn->hello.incarnation)
		peer_drop_pages(peer, peer->epoch + 1);
	if (cmpxchg(&conn->state, HC_CONN_GREETED, HC_CONN_LIVE) != HC_CONN_GREETED) {
		mutex_unlock(&node->lock);
		return;
	}
	conn->was_live = true;
	peer->lent_incarnation = conn->hello.incarnation;
	if (!peer->nr_live++) {
		first = true;
		WRITE_ONCE(peer->state, HC_PEER_LIVE);
		cancel_delayed_work(&peer->drop_work);
		cancel_delayed_work(&peer->free_work);
	}
	settle_serial(peer, conn);
	hc_peer_targets(peer);
	mutex_unlock(&node->lock);
	complete_all(&conn->greeted);
	if (first)
		hc_event(node, HC_EV_PEER_LIVE, peer->id, 0, 0, "Node %u is connected.", peer->id);
	hc_lease_kick(node);
}

/*
 * Never before the borrower has given us up by itself: it notices the end later, by
 * the requests that it has waiting, and then waits its own grace.
 */
static unsigned int lease_grace_ms(void)
{
	return max(hc_lease_grace_ms, hc_peer_grace_ms + 2 * hc_request_timeout_ms);
}

void hc_peer_conn_down(struct hc_peer *peer, struct hc_conn *conn)
{
	struct hc_node *node = peer->node;
	bool last = false;

	mutex_lock(&node->lock);
	if (conn_locked(peer, conn->idx) == conn)
		RCU_INIT_POINTER(peer->conns[conn->idx], NULL);
	if (conn->was_live && !--peer->nr_live && peer->state == HC_PEER_LIVE) {
		last = true;
		WRITE_ONCE(peer->state, HC_PEER_LOST);
		peer->is_suspect = false;
		if (!peer->is_gone) {
			queue_delayed_work(hc_watch_wq, &peer->drop_work,
					   msecs_to_jiffies(hc_peer_grace_ms));
			queue_delayed_work(hc_watch_wq, &peer->free_work,
					   msecs_to_jiffies(lease_grace_ms()));
		}
	}
	hc_peer_targets(peer);
	mutex_unlock(&node->lock);
	if (conn->was_live)
		hc_event(node, HC_EV_CONN_FAILED, peer->id, 0, conn->idx,
			 "Connection %u to node %u ended: %s.", conn->idx, peer->id, conn->reason);
	else
		hc_event(node, HC_EV_PEER_REFUSED, peer->id, 0, conn->idx,
			 "Connection %u to node %u was not accepted: %s.", conn->idx, peer->id,
			 conn->reason);
	if (last)
		hc_event(node, HC_EV_PEER_LOST, peer->id, 0, 0,
			 "Node %u is lost; its pages are given up in %u ms.", peer->id,
			 hc_peer_grace_ms);
}

static void drop_work_fn(struct work_struct *work)
{
	struct hc_peer *peer = container_of(to_delayed_work(work), struct hc_peer, drop_work);
	struct hc_node *node = peer->node;

	mutex_lock(&node->lock);
	if (peer->state == HC_PEER_LOST) {
		WRITE_ONCE(peer->state, HC_PEER_DROPPING);
		peer_drop_pages(peer, peer->epoch + 1);
		WRITE_ONCE(peer->state, HC_PEER_NEW);
		hc_peer_targets(peer);
	}
	mutex_unlock(&node->lock);
	hc_lease_kick(node);
}

/*
 * A borrower that is away for that long is no more, or has given us up itself. Else the
 * memory that a dead node borrowed would stay lent, and keep the module, until an admin
 * deletes the peer. Long, for one that only stood still would lose its pages by it: it
 * finds its slabs gone when it goes on.
 */
static void free_work_fn(struct work_struct *work)
{
	struct hc_peer *peer = container_of(to_delayed_work(work), struct hc_peer, free_work);
	struct hc_node *node = peer->node;
	u64 nr = 0;

	/* Under the lock: a connection that comes back now finds all of it, or nothing. */
	mutex_lock(&node->lock);
	if (!peer->nr_live)
		nr = hc_pool_end_all(peer);
	mutex_unlock(&node->lock);
	if (nr)
		hc_event(node, HC_EV_PEER_DROPPED, peer->id, 0, nr,
			 "Node %u did not come back: %llu MiB that it had borrowed are free again.",
			 peer->id, nr);
}

/* Make room for a new connection @idx; an old one that is silent has to go. */
static int conn_replace(struct hc_peer *peer, u16 idx, struct netlink_ext_ack *extack)
{
	struct hc_conn *old;

	mutex_lock(&peer->node->lock);
	/* peer_end() takes connect_lock after setting this: one of us sees the other. */
	if (peer->is_gone) {
		mutex_unlock(&peer->node->lock);
		hc_extack(extack, "the peer is being removed");
		return -ENOENT;
	}
	old = conn_locked(peer, idx);
	if (old)
		kref_get(&old->kref);
	mutex_unlock(&peer->node->lock);
	if (!old)
		return 0;
	if (!hc_conn_is_dead(old) &&
	    time_before(jiffies, old->last_rx + msecs_to_jiffies(ALIVE_MS))) {
		hc_extack(extack, "this connection to the peer exists and answers");
		hc_conn_put(old);
		return -EEXIST;
	}
	hc_conn_fail(old, "a new connection replaced it");
	wait_for_completion(&old->gone);
	hc_conn_put(old);
	return 0;
}

/*
 * It refuses our leases as too old: it knows later ones of a life of this node that
 * this node has forgotten. Nothing we borrowed there counts; begin above them.
 */
static void epoch_raise(struct hc_peer *peer)
{
	u64 floor, epoch;

	spin_lock_bh(&peer->hello_lock);
	floor = peer->floor;
	spin_unlock_bh(&peer->hello_lock);
	mutex_lock(&peer->node->lock);
	epoch = hc_hello_raise(peer->epoch, floor);
	if (epoch != peer->epoch && !peer->is_gone)
		peer_drop_pages(peer, epoch);
	mutex_unlock(&peer->node->lock);
}

int hc_peer_connect(struct hc_peer *peer, u16 idx, int fd, struct netlink_ext_ack *extack)
{
	struct hc_conn *conn;
	long left;
	int err;

	mutex_lock(&peer->connect_lock);
	/* Deleted since it was found: its number may be another peer's by now. */
	if (READ_ONCE(peer->is_gone)) {
		hc_extack(extack, "the peer is being removed");
		err = -ENOENT;
	} else {
		err = conn_replace(peer, idx, extack);
	}
	if (err) {
		mutex_unlock(&peer->connect_lock);
		return err;
	}
	epoch_raise(peer);
	conn = hc_conn_add(peer, idx, fd, extack);
	mutex_unlock(&peer->connect_lock);
	if (IS_ERR(conn))
		return PTR_ERR(conn);
	left = wait_for_completion_killable_timeout(&conn->greeted,
						    msecs_to_jiffies(HELLO_TIMEOUT_MS));
	if (left <= 0)
		hc_conn_fail(conn, "no hello came in time");
	err = left < 0 ? -EINTR : left ? 0 : -ETIMEDOUT;
	if (!err && hc_conn_is_dead(conn))
		err = -EPROTO;
	if (err)
		hc_extack(extack, conn->reason);
	hc_conn_put(conn);
	return err;
}

/* ---- requests ---- */

static struct hc_conn *conn_pick(struct hc_peer *peer, unsigned int from)
{
	struct hc_conn *conn = NULL;
	unsigned int i;

	rcu_read_lock();
	for (i = 0; i < HC_CONNS_MAX; i++) {
		conn = rcu_dereference(peer->conns[(from + i) % HC_CONNS_MAX]);
		if (conn && READ_ONCE(conn->state) == HC_CONN_LIVE &&
		    kref_get_unless_zero(&conn->kref))
			break;
		conn = NULL;
	}
	rcu_read_unlock();
	return conn;
}

int hc_peer_call(struct hc_peer *peer, struct hc_call *call)
{
	unsigned int i, from = raw_smp_processor_id() % max(READ_ONCE(peer->nr_live), 1U);
	int err = -ENOTCONN;

	for (i = 0; err && i < HC_CONNS_MAX; i++) {
		struct hc_conn *conn = conn_pick(peer, from + i);

		if (!conn)
			break;
		err = hc_conn_call(conn, call);
		hc_conn_put(conn);
	}
	return err;
}

struct sync_call {
	struct completion done;
	int err;
};

static void sync_done(struct hc_call *call, int err)
{
	struct sync_call *sync = call->priv;

	sync->err = err;
	complete(&sync->done);
}

int hc_peer_call_sync(struct hc_peer *peer, struct hc_call *call)
{
	struct sync_call sync;
	int err;

	init_completion(&sync.done);
	call->done = sync_done;
	call->priv = &sync;
	err = hc_peer_call(peer, call);
	if (err)
		return err;
	/* Bounded: the connection fails when the answer is late. */
	wait_for_completion(&sync.done);
	return sync.err;
}

void hc_peer_recalled(struct hc_peer *peer, u32 nr, const u32 *ids)
{
	hc_disk_recall(peer->node, peer->target, nr, ids);
}

void hc_peer_set_drain(struct hc_peer *peer, bool drain)
{
	WRITE_ONCE(peer->drain, drain);
	peer->drained_said = false;
	hc_peer_targets(peer);
	if (drain)
		hc_disk_recall(peer->node, peer->target, 0, NULL);
	hc_lease_kick(peer->node);
}

/* ---- life ---- */

static struct hc_peer *peer_alloc(struct hc_node *node, u32 id, const char *name)
{
	struct hc_peer *peer = kzalloc(sizeof(*peer), GFP_KERNEL);

	if (!peer)
		return NULL;
	kref_init(&peer->kref);
	peer->node = node;
	peer->id = id;
	strscpy(peer->name, name ? name : "", sizeof(peer->name));
	mutex_init(&peer->connect_lock);
	spin_lock_init(&peer->hello_lock);
	INIT_DELAYED_WORK(&peer->drop_work, drop_work_fn);
	INIT_DELAYED_WORK(&peer->free_work, free_work_fn);
	init_completion(&peer->ended);
	hc_lease_peer_init(peer);
	hc_pool_peer_init(peer);
	return peer;
}

struct hc_peer *hc_peer_add(struct hc_node *node, u32 id, const char *name)
{
	/* Before the lock: the end of a connection needs that, and reclaim may need the end. */
	struct hc_peer *new = peer_alloc(node, id, name), *peer;
	u32 target;

	if (!new)
		return ERR_PTR(-ENOMEM);
	mutex_lock(&node->lock);
	peer = find_locked(node, id);
	if (peer && peer->is_gone) {
		peer = ERR_PTR(-EBUSY);
		goto out;
	}
	if (peer) {
		if (name)
			strscpy(peer->name, name, sizeof(peer->name));
		goto out_get;
	}
	for (target = 1; target < HC_TARGETS; target++)
		if (!rcu_access_pointer(node->by_target[target]))
			break;
	if (target == HC_TARGETS) {
		peer = ERR_PTR(-ENOSPC);
		goto out;
	}
	peer = new;
	new = NULL;
	hc_node_default_epoch(node);
	peer->epoch = node->epoch;
	peer->target = target;
	list_add_tail(&peer->list, &node->peers);
	node->nr_peers++;
	rcu_assign_pointer(node->by_target[target], peer);
	hc_envs_peer_added(node, peer);
out_get:
	kref_get(&peer->kref);
out:
	mutex_unlock(&node->lock);
	kfree(new);
	return peer;
}

static void conns_end(struct hc_peer *peer)
{
	unsigned int i;

	for (i = 0; i < HC_CONNS_MAX; i++) {
		struct hc_conn *conn;

		mutex_lock(&peer->node->lock);
		conn = conn_locked(peer, i);
		if (conn)
			kref_get(&conn->kref);
		mutex_unlock(&peer->node->lock);
		if (!conn)
			continue;
		hc_conn_fail(conn, "the peer was removed");
		wait_for_completion(&conn->gone);
		hc_conn_put(conn);
	}
}

/*
 * What is held up anywhere and was meant for the peer that had this number must not
 * mean anything to the next one, nor to the same one when it comes back: they begin
 * above it. But not as far above as a peer likes: its own floor may have raised it.
 */
static void epoch_carry(struct hc_peer *peer)
{
	struct hc_node *node = peer->node;

	lockdep_assert_held(&node->lock);
	if (peer->epoch > node->epoch && peer->epoch - node->epoch <= EPOCH_CARRY_MAX)
		node->epoch = peer->epoch;
}

/*
 * The peer is marked as gone already, so nobody can add a connection; and it is
 * listed until nothing is left that goes by its id.
 */
static void peer_end(struct hc_peer *peer)
{
	struct hc_node *node = peer->node;

	mutex_lock(&peer->connect_lock);
	conns_end(peer);
	mutex_unlock(&peer->connect_lock);
	cancel_delayed_work_sync(&peer->drop_work);
	cancel_delayed_work_sync(&peer->free_work);
	cancel_work_sync(&peer->borrow.work);
	hc_pool_forget(peer);
	mutex_lock(&node->lock);
	WRITE_ONCE(peer->state, HC_PEER_DROPPING);
	hc_peer_targets(peer);
	peer_drop_pages(peer, peer->epoch + 1);
	epoch_carry(peer);
	hc_envs_peer_removed(node, peer);
	memset(&node->targets[peer->target], 0, sizeof(node->targets[0]));
	RCU_INIT_POINTER(node->by_target[peer->target], NULL);
	list_del(&peer->list);
	node->nr_peers--;
	mutex_unlock(&node->lock);
	complete_all(&peer->ended);
	synchronize_rcu();
	hc_peer_put(peer);
}

int hc_peer_del(struct hc_peer *peer, bool force)
{
	struct hc_node *node = peer->node;
	int err = 0;

	mutex_lock(&node->lock);
	if (peer->is_gone)
		err = -ENOENT;
	else if (!force && hc_disk_target_used(node, peer->target))
		err = -EBUSY;
	if (!err)
		peer->is_gone = true;
	mutex_unlock(&node->lock);
	if (!err)
		peer_end(peer);
	return err;
}

void hc_peer_del_unused(struct hc_peer *peer)
{
	struct hc_node *node = peer->node;
	bool unused;
	u16 i;

	mutex_lock(&peer->connect_lock);
	mutex_lock(&node->lock);
	unused = !peer->is_gone && peer->state == HC_PEER_NEW && !peer->version;
	for (i = 0; i < HC_CONNS_MAX; i++)
		unused &= !conn_locked(peer, i);
	if (unused)
		peer->is_gone = true;
	mutex_unlock(&node->lock);
	mutex_unlock(&peer->connect_lock);
	if (unused)
		peer_end(peer);
}

void hc_peers_drop(struct hc_node *node)
{
	for (;;) {
		struct hc_peer *peer;

		mutex_lock(&node->lock);
		peer = list_first_entry_or_null(&node->peers, struct hc_peer, list);
		if (peer)
			kref_get(&peer->kref);
		mutex_unlock(&node->lock);
		if (!peer)
			return;
		/* Somebody else is removing it? */
		if (hc_peer_del(peer, true))
			wait_for_completion(&peer->ended);
		hc_peer_put(peer);
	}
}
