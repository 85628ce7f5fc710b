// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Messages of moves. Each request of the other end gets a work item of its own, so
 * that none waits for another; how many there may be at once is bounded by the depth
 * of the connection.
 */
#include <linux/bvec.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "conn.h"
#include "main.h"
#include "move.h"
#include "node.h"
#include "peer.h"
#include "transport.h"

/* ---- out ---- */

int hc_move_send(struct hc_move *move, enum hcw_move_op op, u64 arg, const void *data, u32 len,
		 void *ret_data, struct hc_msg *ret)
{
	struct hc_peer *peer = move->peer;
	struct hc_call *call;
	void *room = NULL;
	int err;

	if (!(READ_ONCE(peer->features) & HCW_FEAT_MOVE))
		return -ENOTCONN;
	call = kzalloc(sizeof(*call), GFP_KERNEL);
	if (!ret_data)
		room = kmalloc(HCW_CTL_MAX, GFP_KERNEL);
	if (!call || (!ret_data && !room)) {
		kfree(room);
		kfree(call);
		return -ENOMEM;
	}
	call->msg.type = HCW_MOVE;
	call->msg.page = op;
	call->msg.epoch = move->id;
	call->msg.arg = arg;
	call->msg.nr = len;
	call->data = len ? data : NULL;
	call->data_in = ret_data ?: room;
	err = hc_peer_call_sync(peer, call);
	if (!err && ret)
		*ret = call->answer;
	else if (!err && call->answer.status)
		err = -EREMOTEIO;
	kfree(room);
	kfree(call);
	return err;
}

enum hc_move_peer hc_move_peer_state(struct hc_move *move)
{
	struct hc_peer *peer = move->peer;

	if (READ_ONCE(peer->incarnation) != move->peer_incarnation)
		return HC_MOVE_PEER_REBORN;
	return READ_ONCE(peer->state) == HC_PEER_LIVE ? HC_MOVE_PEER_LIVE : HC_MOVE_PEER_AWAY;
}

/* ---- in: from the receiver to a work item ---- */

static void answer_send(struct hc_move_req *req, u16 status, u64 arg, const struct bio_vec *bv,
			u32 nr_bv, const void *data, u32 len)
{
	struct hc_msg m = req->msg;
	struct hcw_hdr hdr;

	m.flags = HCW_F_ANSWER;
	m.status = status;
	m.epoch = 0;
	m.arg = arg;
	if (m.type == HCW_MOVE) {
		m.nr = len;
		m.len = len;
	} else {
		m.len = nr_bv << HCW_PAGE_SHIFT;
	}
	hc_msg_pack(&m, &hdr);
	req->conn->ops->send(req->conn, &hdr, bv, nr_bv, data, len);
}

static void answer(struct hc_move_req *req, u16 status)
{
	answer_send(req, status, 0, NULL, 0, NULL, 0);
}

static void answer_text(struct hc_move_req *req, u16 status, const char *text)
{
	answer_send(req, status, 0, NULL, 0, text, strlen(text));
}

void hc_move_req_free(struct hc_move_req *req)
{
	if (!req)
		return;
	atomic_dec(&req->conn->nr_moves);
	hc_conn_put(req->conn);
	kfree(req);
}

/* ---- requests to a target ---- */

static void on_offer(struct hc_move_req *req)
{
	struct hc_peer *peer = req->conn->peer;
	struct hcw_move_offer *offer = (struct hcw_move_offer *)req->data;
	char text[HCM_TEXT_LEN] = "";
	int err;

	if (req->msg.nr != sizeof(*offer)) {
		answer_text(req, HCW_EINVAL, "the offer has another form");
		return;
	}
	offer->release[HCW_RELEASE_LEN - 1] = 0;
	offer->comm[sizeof(offer->comm) - 1] = 0;
	err = hc_move_invite(peer->node, peer, req->msg.epoch, offer, text);
	if (err)
		answer_text(req, err == -ENOMEM ? HCW_ENOMEM : HCW_EINVAL, text);
	else
		answer(req, HCW_OK);
}

/* The answer is final: what was not loaded by now never will be. */
static void on_go(struct hc_move_req *req, struct hc_move *move)
{
	enum hcw_move_answer is = HCW_MOVE_NEVER;
	u8 state;

	if (move) {
		hc_move_do(move, HC_MEV_GO, NULL);
		state = hc_move_state(move);
		if (state == HC_MOVE_RUNNING || state == HC_MOVE_WHOLE || state == HC_MOVE_GONE)
			is = HCW_MOVE_RUNS;
	}
	answer_send(req, HCW_OK, is, NULL, 0, NULL, 0);
}

static void target_op(struct hc_move_req *req, struct hc_move *move)
{
	const struct hcw_move_done *done = (const void *)req->data;
	u16 status = HCW_OK;

	switch (req->msg.page) {
	case HCW_MOVE_IMAGE:
		hc_move_image_ready(move, req->msg.arg);
		break;
	case HCW_MOVE_ABORT:
		hc_move_do(move, HC_MEV_GIVE_UP, "the source stopped the move");
		break;
	case HCW_MOVE_KILL:
		hc_move_do(move, HC_MEV_KILL, "the process at home was killed");
		break;
	case HCW_MOVE_SIGNAL:
		if (req->msg.nr != sizeof(struct hcw_move_signal) ||
		    hc_move_signal(move, (const struct hcw_move_signal *)req->data))
			status = HCW_EINVAL;
		break;
	case HCW_MOVE_DONE:
		if (req->msg.nr < sizeof(*done) ||
		    le32_to_cpu(done->data_len) != req->msg.nr - sizeof(*done))
			status = HCW_EINVAL;
		else
			hc_proxy_done(move, done, done + 1, le32_to_cpu(done->data_len));
		break;
	case HCW_MOVE_POLL:
		if (req->msg.nr != sizeof(struct hcw_move_poll))
			status = HCW_EINVAL;
		else
			hc_proxy_poll(move, (const struct hcw_move_poll *)req->data);
		break;
	default:
		status = HCW_EINVAL;
	}
	answer(req, status);
}

/* ---- requests to a source ---- */

static void on_clock(struct hc_move_req *req)
{
	struct hcw_move_clock clock = {
		.mono_ns = cpu_to_le64(ktime_get_ns()),
		.boot_ns = cpu_to_le64(ktime_get_boottime_ns()),
	};

	answer_send(req, HCW_OK, 0, NULL, 0, &clock, sizeof(clock));
}

static void on_failed(struct hc_move_req *req, struct hc_move *move)
{
	char text[HCM_TEXT_LEN];
	u32 i, n = min_t(u32, req->msg.nr, sizeof(text) - 1);

	memcpy(text, req->data, n);
	text[n] = 0;
	for (i = 0; i < n; i++)
		if (text[i] < ' ' || text[i] > '~')
			text[i] = '?';
	hc_move_say(move, "%s", n ? text : "the other node could not load it");
	WRITE_ONCE(move->has_failed, true);
}

/* How the program does; the shadow does the same. */
static void on_status(struct hc_move *move, u32 status)
{
	/* Said before the answer to GO was heard: it is one. */
	hc_move_do(move, HC_MEV_RUNS, NULL);
	if ((status & 0xff) == 0x7f) {
		hc_move_home_news(move, HCM_NEWS_STOPPED, status >> 8 & 0x7f);
	} else if (status != 0xffff) {
		move->end_status = status & 0xffff;
		hc_move_do(move, HC_MEV_ENDED, "the program has ended");
	}
}

static void on_io(struct hc_move_req *req, struct hc_move *move)
{
	const struct hcw_move_io *io = (const void *)req->data;
	u64 mask = 0;
	int err;

	if (req->msg.nr < sizeof(*io) ||
	    le32_to_cpu(io->data_len) != req->msg.nr - sizeof(*io)) {
		answer(req, HCW_EINVAL);
		return;
	}
	/* Asked before the answer to GO was heard: it is one. */
	hc_move_do(move, HC_MEV_RUNS, NULL);
	err = hc_serve_request(move, io, io + 1, le32_to_cpu(io->data_len), &mask);
	answer_send(req, err == -ENOMEM ? HCW_ENOMEM : err ? HCW_EINVAL : HCW_OK, mask, NULL, 0,
		    NULL, 0);
}

static void source_op(struct hc_move_req *req, struct hc_move *move)
{
	u16 status = HCW_OK;

	switch (req->msg.page) {
	case HCW_MOVE_CLOCK:
		on_clock(req);
		return;
	case HCW_MOVE_READY:
		WRITE_ONCE(move->is_ready, true);
		break;
	case HCW_MOVE_LOADED:
		WRITE_ONCE(move->is_loaded, true);
		break;
	case HCW_MOVE_FAILED:
		on_failed(req, move);
		break;
	case HCW_MOVE_FETCHED:
		hc_move_do(move, HC_MEV_FETCHED, NULL);
		break;
	case HCW_MOVE_STATUS:
		on_status(move, req->msg.arg);
		break;
	case HCW_MOVE_IO:
		on_io(req, move);
		return;
	case HCW_MOVE_CANCEL:
		hc_serve_cancel(move, req->msg.arg);
		break;
	default:
		status = HCW_EINVAL;
	}
	wake_up_all(&move->wq);
	answer(req, status);
}

static void on_read(struct hc_move_req *req, struct hc_move *move)
{
	struct page *pages[HCW_RUN_PAGES_MAX];
	struct bio_vec bv[HCW_RUN_PAGES_MAX];
	u32 i, nr = req->msg.nr;
	int err;

	if (req->msg.page == HCW_PART_IMAGE) {
		u64 at = req->msg.arg << PAGE_SHIFT;

		down_read(&move->mm_lock);
		err = !move->image || req->msg.arg > HCI_LEN_MAX >> PAGE_SHIFT ||
		      at + (nr << PAGE_SHIFT) > PAGE_ALIGN(move->image_len);
		for (i = 0; !err && i < nr; i++) {
			pages[i] = vmalloc_to_page(move->image + at + (i << PAGE_SHIFT));
			get_page(pages[i]);
		}
		up_read(&move->mm_lock);
	} else {
		err = req->msg.arg > TASK_SIZE_MAX >> PAGE_SHIFT ||
		      hc_move_pages(move, req->msg.arg << PAGE_SHIFT, nr, pages);
		if (!err)
			atomic64_add(nr, &move->nr_sent);
	}
	if (err) {
		answer(req, HCW_EUNSET);
		return;
	}
	for (i = 0; i < nr; i++)
		bvec_set_page(&bv[i], pages[i], PAGE_SIZE, 0);
	answer_send(req, HCW_OK, 0, bv, nr, NULL, 0);
	for (i = 0; i < nr; i++)
		put_page(pages[i]);
}

static void req_work_fn(struct work_struct *work)
{
	struct hc_move_req *req = container_of(work, struct hc_move_req, work);
	struct hc_peer *peer = req->conn->peer;
	struct hc_move *move;

	if (req->msg.type == HCW_MOVE && req->msg.page == HCW_MOVE_OFFER) {
		on_offer(req);
		hc_move_req_free(req);
		return;
	}
	move = hc_move_find(peer->node, peer, req->msg.epoch);
	if (req->msg.type == HCW_MOVE && req->msg.page == HCW_MOVE_GO)
		on_go(req, move && !hc_move_is_source(hc_move_state(move)) ? move : NULL);
	else if (!move)
		answer(req, HCW_ESLAB);
	else if (req->msg.type == HCW_MOVE_READ)
		on_read(req, move);
	else if (hc_move_is_source(hc_move_state(move)))
		source_op(req, move);
	else
		target_op(req, move);
	hc_move_put(move);
	hc_move_req_free(req);
}

struct hc_move_req *hc_move_req_new(struct hc_conn *conn, const struct hc_msg *msg)
{
	struct hc_move_req *req;

	req = kmalloc(sizeof(*req) + (msg->type == HCW_MOVE ? msg->nr : 0),
		      GFP_ATOMIC | __GFP_NOWARN);
	if (!req)
		return NULL;
	INIT_WORK(&req->work, req_work_fn);
	kref_get(&conn->kref);
	atomic_inc(&conn->nr_moves);
	req->conn = conn;
	req->msg = *msg;
	return req;
}

void hc_move_req_queue(struct hc_move_req *req)
{
	queue_work(hc_move_wq, &req->work);
}
