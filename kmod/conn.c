// SPDX-License-Identifier: GPL-2.0-or-later
/* One connection to a peer; see conn.h for its phases. */
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "conn.h"
#include "main.h"
#include "move.h"
#include "node.h"
#include "peer.h"
#include "pool.h"
#include "trace.h"
#include "transport.h"

#define PING_INTERVAL_MS	500
#define TICK_MS			100

/* ---- requests waiting for their answer ---- */

static u64 tag_of(u32 seq, unsigned int i)
{
	return (u64)seq << 16 | i;
}

static bool call_register(struct hc_conn *conn, struct hc_call *call)
{
	unsigned int i;

	lockdep_assert_held(&conn->calls_lock);
	i = find_first_zero_bit(conn->call_map, conn->depth);
	if (i >= conn->depth)
		return false;
	__set_bit(i, conn->call_map);
	if (!++conn->seq)
		conn->seq = 1;
	conn->call_seq[i] = conn->seq;
	conn->calls[i] = call;
	call->msg.tag = tag_of(conn->seq, i);
	call->conn = conn->serial;
	call->target = conn->peer->target;
	call->started = ktime_get();
	call->deadline = jiffies + msecs_to_jiffies(hc_request_timeout_ms);
	return true;
}

/* False: no credit now. Else *@ret_err is 0, or -ENOTCONN. */
static bool call_claim(struct hc_conn *conn, struct hc_call *call, int *ret_err)
{
	int err = 0;

	spin_lock_bh(&conn->calls_lock);
	if (conn->calls_closed || READ_ONCE(conn->state) != HC_CONN_LIVE)
		err = -ENOTCONN;
	else if (!call_register(conn, call))
		err = -EAGAIN;
	spin_unlock_bh(&conn->calls_lock);
	*ret_err = err;
	return err != -EAGAIN;
}

static struct hc_call *call_take(struct hc_conn *conn, u64 tag)
{
	unsigned int i = tag & 0xffff;
	struct hc_call *call = NULL;

	if (i >= HCW_DEPTH_MAX)
		return NULL;
	spin_lock_bh(&conn->calls_lock);
	if (test_bit(i, conn->call_map) && tag == tag_of(conn->call_seq[i], i)) {
		call = conn->calls[i];
		conn->calls[i] = NULL;
		__clear_bit(i, conn->call_map);
	}
	spin_unlock_bh(&conn->calls_lock);
	if (call)
		wake_up(&conn->credit_wq);
	return call;
}

/* The call stays registered: its pages are about to be filled. */
static struct hc_call *call_peek(struct hc_conn *conn, u64 tag)
{
	unsigned int i = tag & 0xffff;
	struct hc_call *call = NULL;

	if (i >= HCW_DEPTH_MAX)
		return NULL;
	spin_lock_bh(&conn->calls_lock);
	if (test_bit(i, conn->call_map) && tag == tag_of(conn->call_seq[i], i))
		call = conn->calls[i];
	spin_unlock_bh(&conn->calls_lock);
	return call;
}

static void call_end(struct hc_conn *conn, struct hc_call *call, int err)
{
	struct hc_peer *peer = conn->peer;

	hc_peer_inflight(peer, -1);
	trace_hc_call_done(peer->id, conn->idx, call->msg.type, call->msg.nr, err,
			   ktime_us_delta(ktime_get(), call->started));
	call->done(call, err);
}

/* Bytes of call->data. */
static u32 call_data_len(const struct hc_call *call)
{
	if (!call->data)
		return 0;
	return call->msg.type == HCW_MOVE ? call->msg.nr : call->msg.nr * 4;
}

int hc_conn_call(struct hc_conn *conn, struct hc_call *call)
{
	unsigned int nr_bv = call->msg.type == HCW_WRITE ? call->msg.nr : 0;
	unsigned int data_len = call_data_len(call);
	const struct bio_vec *bv = call->bv;
	const void *data = call->data;
	struct hcw_hdr hdr;
	int err = -EAGAIN;

	might_sleep();
	call->msg.flags = 0;
	call->msg.status = 0;
	if (!call->msg.epoch)
		call->msg.epoch = READ_ONCE(conn->peer->epoch);
	call->msg.len = nr_bv ? nr_bv << HCW_PAGE_SHIFT : data_len;
	hc_peer_inflight(conn->peer, 1);
	if (!wait_event_timeout(conn->credit_wq, call_claim(conn, call, &err),
				msecs_to_jiffies(hc_request_timeout_ms)))
		err = -ENOTCONN;
	if (err) {
		hc_peer_inflight(conn->peer, -1);
		return err;
	}
	trace_hc_call_start(conn->peer->id, conn->idx, call->msg.type, call->msg.nr);
	hc_msg_pack(&call->msg, &hdr);
	/*
	 * From here on the answer may come at any time, and @call be gone. When
	 * sending fails the connection dies, and its end calls done().
	 */
	conn->ops->send(conn, &hdr, bv, nr_bv, data, data_len);
	return 0;
}

unsigned int hc_conn_oldest(struct hc_conn *conn)
{
	ktime_t now = ktime_get();
	unsigned int i, oldest = 0;

	spin_lock_bh(&conn->calls_lock);
	for_each_set_bit(i, conn->call_map, HCW_DEPTH_MAX) {
		s64 ms = ktime_ms_delta(now, conn->calls[i]->started);

		oldest = max_t(unsigned int, oldest, max_t(s64, ms, 1));
	}
	spin_unlock_bh(&conn->calls_lock);
	return oldest;
}

/* ---- answers ---- */

static bool reply_push(struct hc_conn *conn, const struct hc_reply *reply)
{
	bool pushed = false;

	spin_lock_bh(&conn->reply_lock);
	if (conn->reply_head - conn->reply_tail < HCW_DEPTH_MAX) {
		conn->replies[conn->reply_head++ % HCW_DEPTH_MAX] = *reply;
		pushed = true;
	}
	spin_unlock_bh(&conn->reply_lock);
	return pushed;
}

static bool reply_pop(struct hc_conn *conn, struct hc_reply *ret)
{
	bool popped = false;

	spin_lock_bh(&conn->reply_lock);
	if (conn->reply_head != conn->reply_tail) {
		*ret = conn->replies[conn->reply_tail++ % HCW_DEPTH_MAX];
		popped = true;
	}
	spin_unlock_bh(&conn->reply_lock);
	return popped;
}

void hc_conn_reply(struct hc_conn *conn, const struct hc_reply *reply)
{
	if (READ_ONCE(conn->reply_head) == READ_ONCE(conn->reply_tail) &&
	    conn->ops->try_reply(conn, reply))
		return;
	if (!reply_push(conn, reply)) {
		hc_lslab_put(reply->slab);
		hc_conn_fail(conn, "the peer sent more requests than agreed");
		return;
	}
	queue_work(hc_send_wq, &conn->reply_work);
}

static int reply_send(struct hc_conn *conn, const struct hc_reply *reply,
		      const void *data, u32 data_len)
{
	struct bio_vec bv[HCW_RUN_PAGES_MAX];
	unsigned int i, nr_bv = 0;
	struct hcw_hdr hdr;
	int err;

	if (reply->slab) {
		nr_bv = reply->msg.nr;
		for (i = 0; i < nr_bv; i++) {
			bv[i].bv_page = reply->slab->pages[reply->msg.page + i];
			bv[i].bv_len = PAGE_SIZE;
			bv[i].bv_offset = 0;
		}
	}
	hc_msg_pack(&reply->msg, &hdr);
	err = conn->ops->send(conn, &hdr, bv, nr_bv, data, data_len);
	hc_lslab_put(reply->slab);
	return err;
}

static void reply_work_fn(struct work_struct *work)
{
	struct hc_conn *conn = container_of(work, struct hc_conn, reply_work);
	struct hc_reply reply;

	while (!hc_conn_is_dead(conn) && reply_pop(conn, &reply))
		reply_send(conn, &reply, NULL, 0);
}

static struct hc_reply answer_to(const struct hc_msg *m, u16 status)
{
	struct hc_reply r = { .msg = *m };

	r.msg.flags = HCW_F_ANSWER;
	r.msg.status = status;
	r.msg.len = 0;
	r.msg.epoch = 0;
	return r;
}

/* ---- control requests: hello, lease, release, recall; in process context ---- */

static int ctl_answer(struct hc_conn *conn, struct hc_reply *r, const u32 *ids)
{
	return reply_send(conn, r, ids, ids ? r->msg.nr * 4 : 0);
}

static void ctl_handle(struct hc_conn *conn, struct hc_ctl *ctl)
{
	struct hc_peer *peer = conn->peer;
	struct hc_msg *m = &ctl->msg;
	struct hc_reply r = answer_to(m, HCW_OK);
	u32 *ids = (u32 *)ctl->data;
	u32 nr = m->nr;

	switch (m->type) {
	case HCW_HELLO:
		hc_peer_conn_up(peer, conn);
		return;
	case HCW_LEASE:
		r.msg.status = hc_pool_lease(peer, m->epoch, m->arg, &nr, ids);
		r.msg.nr = r.msg.status ? 0 : nr;
		r.msg.len = r.msg.nr * 4;
		/* Not sent: nobody knows of these slabs. */
		if (ctl_answer(conn, &r, ids) && r.msg.nr)
			hc_pool_release(peer, m->epoch, nr, ids);
		return;
	case HCW_RELEASE:
		r.msg.status = hc_pool_release(peer, m->epoch, nr, ids);
		r.msg.nr = 0;
		break;
	case HCW_RECALL:
		hc_peer_recalled(peer, nr, ids);
		r.msg.nr = 0;
		break;
	}
	ctl_answer(conn, &r, NULL);
}

static void ctl_work_fn(struct work_struct *work)
{
	struct hc_conn *conn = container_of(work, struct hc_conn, ctl_work);

	for (;;) {
		struct hc_ctl *ctl = NULL;

		spin_lock_bh(&conn->ctl_lock);
		if (conn->ctl_head != conn->ctl_tail)
			ctl = &conn->ctl[conn->ctl_tail % HC_CTL_MAX];
		spin_unlock_bh(&conn->ctl_lock);
		if (!ctl || hc_conn_is_dead(conn))
			return;
		ctl_handle(conn, ctl);
		spin_lock_bh(&conn->ctl_lock);
		conn->ctl_tail++;
		spin_unlock_bh(&conn->ctl_lock);
	}
}

static struct hc_ctl *ctl_claim(struct hc_conn *conn)
{
	struct hc_ctl *ctl = NULL;

	spin_lock_bh(&conn->ctl_lock);
	if (conn->ctl_head - conn->ctl_tail < HC_CTL_MAX)
		ctl = &conn->ctl[conn->ctl_head % HC_CTL_MAX];
	spin_unlock_bh(&conn->ctl_lock);
	return ctl;
}

static void ctl_push(struct hc_conn *conn)
{
	spin_lock_bh(&conn->ctl_lock);
	conn->ctl_head++;
	spin_unlock_bh(&conn->ctl_lock);
	queue_work(hc_ctl_wq, &conn->ctl_work);
}

/* ---- receiving: one receiver at a time, softirq or process context ---- */

static int rx_bad(struct hc_conn *conn, const char *what)
{
	hc_peer_error(conn->peer);
	hc_conn_fail(conn, what);
	return -EPROTO;
}

/* The header is whole: decide where its payload goes. */
static int rx_header(struct hc_conn *conn)
{
	struct hc_msg *m = &conn->rx_msg;
	const char *wrong;

	if (!hc_msg_unpack(&conn->rx.hdr, m))
		return rx_bad(conn, "what came is no page-fabric message");
	wrong = hc_msg_check(m, READ_ONCE(conn->state) != HC_CONN_NEW);
	if (wrong)
		return rx_bad(conn, wrong);
	conn->rx_left = m->len;
	conn->rx_off = 0;
	conn->rx_call = NULL;
	conn->rx_slab = NULL;
	conn->rx_ctl = NULL;
	conn->rx_move = NULL;
	conn->rx_status = HCW_OK;
	conn->last_rx = jiffies;

	if (m->flags & HCW_F_ANSWER) {
		struct hc_call *call = call_peek(conn, m->tag);

		if (m->tag == conn->tx_tag)
			return rx_bad(conn, "answer before the end of the request");
		if (!call || call->msg.type != m->type)
			return rx_bad(conn, "answer to a request that nobody waits for");
		if ((m->type == HCW_READ || m->type == HCW_MOVE_READ) && !m->status &&
		    m->nr != call->msg.nr)
			return rx_bad(conn, "answer with another number of pages");
		if (m->type == HCW_LEASE && m->nr > call->msg.nr)
			return rx_bad(conn, "more slabs than asked for");
		conn->rx_call = call;
		return 0;
	}
	switch (m->type) {
	case HCW_WRITE:
		conn->rx_status = hc_pool_write(conn->peer, m, &conn->rx_slab);
		break;
	case HCW_HELLO:
	case HCW_LEASE:
	case HCW_RELEASE:
	case HCW_RECALL:
		conn->rx_ctl = ctl_claim(conn);
		if (!conn->rx_ctl)
			return rx_bad(conn, "too many control requests at once");
		break;
	case HCW_MOVE:
	case HCW_MOVE_READ:
		if (atomic_read(&conn->nr_moves) >= HCW_DEPTH_MAX)
			return rx_bad(conn, "too many requests of moves at once");
		conn->rx_move = hc_move_req_new(conn, m);
		if (!conn->rx_move)
			conn->rx_status = HCW_ENOMEM;
		break;
	}
	return 0;
}

void *hc_conn_rx_want(struct hc_conn *conn, u32 *ret_len)
{
	u32 page = conn->rx_off >> PAGE_SHIFT, off = offset_in_page(conn->rx_off);
	struct hc_msg *m = &conn->rx_msg;

	if (conn->rx_got < sizeof(conn->rx)) {
		*ret_len = sizeof(conn->rx) - conn->rx_got;
		return conn->rx.hdr_bytes + conn->rx_got;
	}
	if (conn->rx_ctl) {
		*ret_len = conn->rx_left;
		return conn->rx_ctl->data + conn->rx_off;
	}
	if (conn->rx_move) {
		*ret_len = conn->rx_left;
		return conn->rx_move->data + conn->rx_off;
	}
	if (conn->rx_call && (m->type == HCW_LEASE || m->type == HCW_MOVE)) {
		*ret_len = conn->rx_left;
		return conn->rx_call->data_in + conn->rx_off;
	}
	*ret_len = min_t(u32, conn->rx_left, PAGE_SIZE - off);
	if (conn->rx_call)
		return page_address(conn->rx_call->bv[page].bv_page) +
		       conn->rx_call->bv[page].bv_offset + off;
	if (conn->rx_slab)
		return page_address(conn->rx_slab->pages[m->page + page]) + off;
	return page_address(conn->sink) + off;
}

static int rx_hello(struct hc_conn *conn)
{
	struct hc_peer *peer = conn->peer;
	enum hc_hello_verdict verdict;

	verdict = hc_peer_hello(peer, conn, conn->rx_msg.arg,
				(struct hcw_hello *)conn->rx_ctl->data, &conn->hello);
	if (verdict == HC_HELLO_EPOCH) {
		/* It learns from our own hello how to come back: that may have to go out first. */
		hc_peer_error(peer);
		conn->refused = hc_hello_text(verdict);
		return 0;
	}
	if (verdict != HC_HELLO_OK) {
		hc_peer_error(peer);
		hc_conn_fail(conn, hc_hello_text(verdict));
		return -EPROTO;
	}
	conn->depth = conn->hello.depth;
	cmpxchg(&conn->state, HC_CONN_NEW, HC_CONN_GREETED);
	return 0;
}

static int rx_request(struct hc_conn *conn)
{
	struct hc_msg *m = &conn->rx_msg;
	struct hc_reply r = answer_to(m, conn->rx_status);

	if (conn->rx_ctl) {
		if (m->type == HCW_HELLO && rx_hello(conn))
			return -EPROTO;
		conn->rx_ctl->msg = *m;
		conn->rx_ctl = NULL;
		ctl_push(conn);
		return 0;
	}
	if (conn->rx_move) {
		hc_move_req_queue(conn->rx_move);
		conn->rx_move = NULL;
		return 0;
	}
	switch (m->type) {
	case HCW_MOVE:
	case HCW_MOVE_READ:
		if (m->type == HCW_MOVE)
			r.msg.nr = 0;
		break;
	case HCW_PING:
		hc_pool_status(conn->peer, &r.msg);
		break;
	case HCW_READ:
		r.msg.status = hc_pool_read(conn->peer, m, &r.slab);
		if (r.slab)
			r.msg.len = m->nr << HCW_PAGE_SHIFT;
		break;
	case HCW_WRITE:
		if (conn->rx_slab)
			hc_pool_written(conn->peer, conn->rx_slab, m);
		hc_lslab_put(conn->rx_slab);
		conn->rx_slab = NULL;
		break;
	}
	hc_conn_reply(conn, &r);
	return 0;
}

static int rx_message(struct hc_conn *conn)
{
	struct hc_msg *m = &conn->rx_msg;
	struct hc_call *call;

	if (!(m->flags & HCW_F_ANSWER))
		return rx_request(conn);
	call = call_take(conn, m->tag);
	conn->rx_call = NULL;
	if (WARN_ON_ONCE(!call))
		return -EPROTO;
	call->answer = *m;
	call_end(conn, call, 0);
	return 0;
}

int hc_conn_rx_done(struct hc_conn *conn, u32 len)
{
	int err;

	if (conn->rx_got < sizeof(conn->rx)) {
		conn->rx_got += len;
		if (conn->rx_got < sizeof(conn->rx))
			return 0;
		err = rx_header(conn);
		if (err)
			return err;
	} else {
		conn->rx_off += len;
		conn->rx_left -= len;
	}
	if (conn->rx_left)
		return 0;
	conn->rx_got = 0;
	return rx_message(conn);
}

/* ---- watch ---- */

static void ping_over(struct hc_conn *conn)
{
	spin_lock_bh(&conn->calls_lock);
	conn->ping_busy = false;
	spin_unlock_bh(&conn->calls_lock);
	hc_conn_put(conn);
}

static void ping_done(struct hc_call *call, int err)
{
	struct hc_conn *conn = container_of(call, struct hc_conn, ping);

	if (!err)
		hc_peer_ping(conn->peer, &call->answer,
			     ktime_us_delta(ktime_get(), call->started));
	ping_over(conn);
}

/* Not from the watch: it looks at deadlines, and sending may wait for long. */
static void ping_work_fn(struct work_struct *work)
{
	struct hc_conn *conn = container_of(work, struct hc_conn, ping_work);
	bool start = false;

	spin_lock_bh(&conn->calls_lock);
	/* Only with credit to spare: then hc_conn_call() does not wait. */
	if (!conn->ping_busy && !conn->calls_closed &&
	    bitmap_weight(conn->call_map, conn->depth) < conn->depth / 2) {
		conn->ping_busy = true;
		start = true;
	}
	spin_unlock_bh(&conn->calls_lock);
	if (!start)
		return;
	kref_get(&conn->kref);
	memset(&conn->ping.msg, 0, sizeof(conn->ping.msg));
	conn->ping.msg.type = HCW_PING;
	conn->ping.done = ping_done;
	if (hc_conn_call(conn, &conn->ping))
		ping_over(conn);
}

static void tick_work_fn(struct work_struct *work)
{
	struct hc_conn *conn = container_of(to_delayed_work(work), struct hc_conn, tick_work);

	if (hc_conn_oldest(conn) > hc_request_timeout_ms) {
		hc_conn_fail(conn, "a request was not answered in time");
		return;
	}
	hc_peer_watch(conn->peer);
	if (time_after(jiffies, conn->last_ping + msecs_to_jiffies(PING_INTERVAL_MS))) {
		conn->last_ping = jiffies;
		queue_work(hc_send_wq, &conn->ping_work);
	}
	if (!hc_conn_is_dead(conn))
		queue_delayed_work(hc_watch_wq, &conn->tick_work, msecs_to_jiffies(TICK_MS));
}

/* ---- life ---- */

static void calls_fail(struct hc_conn *conn)
{
	unsigned int i;

	spin_lock_bh(&conn->calls_lock);
	conn->calls_closed = true;
	spin_unlock_bh(&conn->calls_lock);
	wake_up_all(&conn->credit_wq);
	for (i = 0; i < HCW_DEPTH_MAX; i++) {
		struct hc_call *call = NULL;

		spin_lock_bh(&conn->calls_lock);
		if (test_bit(i, conn->call_map)) {
			call = conn->calls[i];
			conn->calls[i] = NULL;
			__clear_bit(i, conn->call_map);
		}
		spin_unlock_bh(&conn->calls_lock);
		if (call)
			call_end(conn, call, -ECONNRESET);
	}
}

static void fail_work_fn(struct work_struct *work)
{
	struct hc_conn *conn = container_of(work, struct hc_conn, fail_work);
	struct hc_reply reply;

	conn->ops->stop(conn);
	wake_up_all(&conn->credit_wq);	/* it is dead: nobody waits for a credit any more */
	cancel_work_sync(&conn->reply_work);
	cancel_work_sync(&conn->ctl_work);
	cancel_delayed_work_sync(&conn->tick_work);
	cancel_work_sync(&conn->ping_work);
	hc_lslab_put(conn->rx_slab);
	conn->rx_slab = NULL;
	hc_move_req_free(conn->rx_move);
	conn->rx_move = NULL;
	/* The peer first: then whoever is told of the failure finds another way. */
	hc_peer_conn_down(conn->peer, conn);
	calls_fail(conn);
	while (reply_pop(conn, &reply))
		hc_lslab_put(reply.slab);
	complete_all(&conn->greeted);
	complete_all(&conn->gone);
	hc_conn_put(conn);
}

void hc_conn_fail(struct hc_conn *conn, const char *reason)
{
	int old = READ_ONCE(conn->state);

	while (old != HC_CONN_DEAD) {
		int seen = cmpxchg(&conn->state, old, HC_CONN_DEAD);

		if (seen == old) {
			conn->reason = reason;
			queue_work(hc_fail_wq, &conn->fail_work);
			return;
		}
		old = seen;
	}
}

static void conn_release(struct kref *kref)
{
	struct hc_conn *conn = container_of(kref, struct hc_conn, kref);

	queue_work(hc_fail_wq, &conn->free_work);
}

/* The socket is let go of in process context, wherever the last reference went. */
static void free_work_fn(struct work_struct *work)
{
	struct hc_conn *conn = container_of(work, struct hc_conn, free_work);

	conn->ops->release(conn);
	hc_peer_put(conn->peer);
	kfree(conn->replies);
	kfree(conn->ctl);
	__free_page(conn->sink);
	kfree_rcu(conn, rcu);
}

void hc_conn_put(struct hc_conn *conn)
{
	kref_put(&conn->kref, conn_release);
}

/* Does a connection whose writes may still count have it, or one that may come to? */
static bool serial_is_taken(struct hc_peer *peer, u8 serial)
{
	bool taken = !serial;
	unsigned int i;

	rcu_read_lock();
	for (i = 0; i < HC_CONNS_MAX; i++) {
		struct hc_conn *conn = rcu_dereference(peer->conns[i]);

		taken |= READ_ONCE(peer->live_serial[i]) == serial;
		taken |= conn && conn->serial == serial;
	}
	rcu_read_unlock();
	return taken;
}

/* Refused attempts take one as well, so they come round while a connection lives. */
static u8 serial_next(struct hc_peer *peer)
{
	lockdep_assert_held(&peer->connect_lock);
	do {
		peer->next_serial++;
	} while (serial_is_taken(peer, peer->next_serial));
	return peer->next_serial;
}

static struct hc_conn *conn_alloc(struct hc_peer *peer, u16 idx)
{
	struct hc_conn *conn = kzalloc(sizeof(*conn), GFP_KERNEL);

	if (!conn)
		return NULL;
	conn->replies = kcalloc(HCW_DEPTH_MAX, sizeof(*conn->replies), GFP_KERNEL);
	conn->ctl = kcalloc(HC_CTL_MAX, sizeof(*conn->ctl), GFP_KERNEL);
	conn->sink = alloc_page(GFP_KERNEL);
	if (!conn->replies || !conn->ctl || !conn->sink) {
		if (conn->sink)
			__free_page(conn->sink);
		kfree(conn->ctl);
		kfree(conn->replies);
		kfree(conn);
		return NULL;
	}
	kref_init(&conn->kref);
	conn->peer = hc_peer_get(peer);
	conn->ops = &hc_tcp_ops;
	conn->idx = idx;
	conn->serial = serial_next(peer);
	conn->depth = HC_CONN_DEPTH;
	conn->last_rx = jiffies;
	init_completion(&conn->said_hello);
	init_completion(&conn->greeted);
	init_completion(&conn->gone);
	mutex_init(&conn->tx_lock);
	spin_lock_init(&conn->calls_lock);
	spin_lock_init(&conn->reply_lock);
	spin_lock_init(&conn->ctl_lock);
	init_waitqueue_head(&conn->credit_wq);
	INIT_WORK(&conn->reply_work, reply_work_fn);
	INIT_WORK(&conn->ctl_work, ctl_work_fn);
	INIT_WORK(&conn->fail_work, fail_work_fn);
	INIT_WORK(&conn->free_work, free_work_fn);
	INIT_DELAYED_WORK(&conn->tick_work, tick_work_fn);
	INIT_WORK(&conn->ping_work, ping_work_fn);
	return conn;
}

static int hello_send(struct hc_conn *conn)
{
	struct hc_msg m = {
		.type = HCW_HELLO, .len = sizeof(struct hcw_hello),
		.arg = hc_peer_floor(conn->peer),
	};
	struct hcw_hello hello;
	struct hcw_hdr hdr;

	hc_peer_hello_make(conn->peer, conn->idx, &hello);
	hc_msg_pack(&m, &hdr);
	return conn->ops->send(conn, &hdr, NULL, 0, &hello, sizeof(hello));
}

struct hc_conn *hc_conn_add(struct hc_peer *peer, u16 idx, int fd,
			    struct netlink_ext_ack *extack)
{
	struct hc_conn *conn = conn_alloc(peer, idx);
	int err;

	if (!conn)
		return ERR_PTR(-ENOMEM);
	/* The peer knows it before the first byte can come in: the hello may be waiting. */
	kref_get(&conn->kref);		/* the peer's, until fail_work */
	hc_peer_conn_set(peer, idx, conn);
	/* Started first: once bytes come in, its end may be over before we go on here. */
	queue_delayed_work(hc_watch_wq, &conn->tick_work, msecs_to_jiffies(TICK_MS));
	err = conn->ops->start(conn, fd, extack);
	if (err) {
		cancel_delayed_work_sync(&conn->tick_work);
		cancel_work_sync(&conn->ping_work);
		hc_peer_conn_set(peer, idx, NULL);
		conn->state = HC_CONN_DEAD;
		hc_conn_put(conn);
		hc_conn_put(conn);
		return ERR_PTR(err);
	}
	hello_send(conn);		/* on failure the connection is dead, the waiter sees it */
	complete_all(&conn->said_hello);
	return conn;
}
