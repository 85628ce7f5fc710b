// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Page fabric over TCP sockets that the daemon made and handed in.
 *
 * Receiving happens in the socket's data_ready callback, straight from the skb
 * into the final page; only when a process owns the socket it is left to a work
 * item. An answer of one page is sent from the same callback. So there is no
 * thread on the way of a page.
 *
 * Who may send: a sender in process context holds tx_lock and the socket lock,
 * and sets tx_busy for as long, because tcp_sendmsg_locked() drops the socket
 * lock while it waits for room. The callback sends only when nobody owns the
 * socket, tx_busy is not set and no answer of its own is half sent.
 */
#include <linux/file.h>
#include <linux/net.h>
#include <linux/sched/mm.h>
#include <linux/tcp.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "compat.h"
#include "conn.h"
#include "main.h"
#include "node.h"
#include "peer.h"
#include "pool.h"
#include "transport.h"

/* Enough for every request of a full queue to be on its way. */
#define SOCKET_BUFFER	(4 << 20)

/* ---- receiving ---- */

static int rx_actor(read_descriptor_t *desc, struct sk_buff *skb, unsigned int off, size_t len)
{
	struct hc_conn *conn = desc->arg.data;
	size_t used = 0;

	/* tcp_read_sock() calls again for the rest of a buffer though we have stopped. */
	if (!desc->count)
		return 0;
	while (used < len) {
		u32 want, n;
		void *to = hc_conn_rx_want(conn, &want);

		n = min_t(size_t, want, len - used);
		if (skb_copy_bits(skb, off + used, to, n)) {
			hc_conn_fail(conn, "a received buffer could not be read");
			desc->count = 0;
			break;
		}
		used += n;
		if (hc_conn_rx_done(conn, n) || hc_conn_is_dead(conn)) {
			desc->count = 0;
			break;
		}
	}
	hc_peer_bytes(conn->peer, 0, used);
	return used;
}

/* The socket is locked, by its spinlock or by us as owner. */
static void rx_read(struct hc_conn *conn)
{
	read_descriptor_t desc = { .arg.data = conn, .count = 1 };

	if (!hc_conn_is_dead(conn))
		tcp_read_sock(conn->sock->sk, &desc, rx_actor);
}

static void rx_work_fn(struct work_struct *work)
{
	struct hc_conn *conn = container_of(work, struct hc_conn, rx_work);
	struct sock *sk = conn->sock->sk;

	lock_sock(sk);
	rx_read(conn);
	release_sock(sk);
}

static void data_ready(struct sock *sk)
{
	struct hc_conn *conn;

	read_lock_bh(&sk->sk_callback_lock);
	conn = sk->sk_user_data;
	if (conn) {
		if (sock_owned_by_user_nocheck(sk))
			queue_work(hc_data_wq, &conn->rx_work);
		else
			rx_read(conn);
	}
	read_unlock_bh(&sk->sk_callback_lock);
}

static void state_change(struct sock *sk)
{
	struct hc_conn *conn;

	read_lock_bh(&sk->sk_callback_lock);
	conn = sk->sk_user_data;
	if (conn) {
		if (sk->sk_state != TCP_ESTABLISHED)
			hc_conn_fail(conn, sk->sk_err == ETIMEDOUT ?
				     "the network did not deliver in time" :
				     "the peer closed the connection");
		conn->saved_state_change(sk);
	}
	read_unlock_bh(&sk->sk_callback_lock);
}

/* ---- sending; the socket is locked ---- */

static int send_kvec(struct hc_conn *conn, const void *base, size_t len, int flags)
{
	struct msghdr msg = { .msg_flags = MSG_NOSIGNAL | flags };
	struct kvec kv = { (void *)base, len };

	iov_iter_kvec(&msg.msg_iter, ITER_SOURCE, &kv, 1, len);
	return tcp_sendmsg_locked(conn->sock->sk, &msg, len);
}

static int send_bvec(struct hc_conn *conn, const struct bio_vec *bv, unsigned int nr, size_t len)
{
	struct msghdr msg = { .msg_flags = MSG_NOSIGNAL };

	iov_iter_bvec(&msg.msg_iter, ITER_SOURCE, bv, nr, len);
	return tcp_sendmsg_locked(conn->sock->sk, &msg, len);
}

/* An answer, header and pages, from byte @off on. */
static int send_reply_from(struct hc_conn *conn, const struct hc_reply *reply, u32 off, int flags)
{
	struct msghdr msg = { .msg_flags = MSG_NOSIGNAL | flags };
	u32 page = reply->msg.page, end = page + (reply->slab ? reply->msg.nr : 0);
	struct kvec kv[1 + HCW_RUN_PAGES_MAX];
	struct hcw_hdr hdr;
	size_t len = 0;
	int n = 0;

	if (off < sizeof(hdr)) {
		hc_msg_pack(&reply->msg, &hdr);
		kv[n].iov_base = (u8 *)&hdr + off;
		kv[n].iov_len = sizeof(hdr) - off;
		len += kv[n++].iov_len;
		off = 0;
	} else {
		off -= sizeof(hdr);
		page += off >> PAGE_SHIFT;
		off &= PAGE_SIZE - 1;
	}
	for (; page < end; page++) {
		kv[n].iov_base = page_address(reply->slab->pages[page]) + off;
		kv[n].iov_len = PAGE_SIZE - off;
		len += kv[n++].iov_len;
		off = 0;
	}
	iov_iter_kvec(&msg.msg_iter, ITER_SOURCE, kv, n, len);
	return tcp_sendmsg_locked(conn->sock->sk, &msg, len);
}

static u32 reply_len(const struct hc_reply *reply)
{
	return sizeof(struct hcw_hdr) + (reply->slab ? (u32)reply->msg.nr << PAGE_SHIFT : 0);
}

/* What the callback could not send whole goes out before anything else. */
static int part_flush(struct hc_conn *conn)
{
	struct hc_reply *reply = &conn->part_reply;

	while (conn->tx_partial) {
		int n = send_reply_from(conn, reply, conn->part_off, 0);

		if (n <= 0)
			return n ? n : -EPIPE;
		conn->part_off += n;
		if (conn->part_off < reply_len(reply))
			continue;
		conn->tx_partial = false;
		hc_lslab_put(reply->slab);
		reply->slab = NULL;
	}
	return 0;
}

static bool tcp_try_reply(struct hc_conn *conn, const struct hc_reply *reply)
{
	int n, len = reply_len(reply);

	if (conn->tx_busy || conn->tx_partial)
		return false;
	n = send_reply_from(conn, reply, 0, MSG_DONTWAIT);
	if (n <= 0)
		return false;
	hc_peer_bytes(conn->peer, n, 0);
	if (n == len) {
		hc_lslab_put(reply->slab);
		return true;
	}
	conn->part_reply = *reply;
	conn->part_off = n;
	conn->tx_partial = true;
	queue_work(hc_send_wq, &conn->part_work);
	return true;
}

static int send_locked(struct hc_conn *conn, const struct hcw_hdr *hdr, const struct bio_vec *bv,
		       unsigned int nr_bv, const void *data, unsigned int data_len)
{
	size_t len = nr_bv ? (size_t)nr_bv << PAGE_SHIFT : data_len;
	int n = part_flush(conn);

	if (n)
		return n;
	n = send_kvec(conn, hdr, sizeof(*hdr), len ? MSG_MORE : 0);
	if (n != sizeof(*hdr))
		return n < 0 ? n : -EPIPE;
	if (!len)
		return 0;
	if (nr_bv)
		n = send_bvec(conn, bv, nr_bv, len);
	else
		n = send_kvec(conn, data, len, 0);
	if (n != len)
		return n < 0 ? n : -EPIPE;
	return 0;
}

static int tcp_send(struct hc_conn *conn, const struct hcw_hdr *hdr, const struct bio_vec *bv,
		    unsigned int nr_bv, const void *data, unsigned int data_len)
{
	unsigned int flags = memalloc_noreclaim_save();
	struct sock *sk = conn->sock->sk;
	int err = -ENOTCONN;

	mutex_lock(&conn->tx_lock);
	/* Dead: the pages may have been given back already. */
	if (!hc_conn_is_dead(conn)) {
		lock_sock(sk);
		conn->tx_busy = true;
		conn->tx_tag = nr_bv && hdr->type == HCW_WRITE ? le64_to_cpu(hdr->tag) : 0;
		err = send_locked(conn, hdr, bv, nr_bv, data, data_len);
		conn->tx_tag = 0;
		conn->tx_busy = false;
		release_sock(sk);
	}
	mutex_unlock(&conn->tx_lock);
	memalloc_noreclaim_restore(flags);
	if (err)
		hc_conn_fail(conn, err == -EAGAIN ? "the peer takes no more data" :
			     "sending failed");
	else
		hc_peer_bytes(conn->peer,
			      sizeof(*hdr) + ((size_t)nr_bv << PAGE_SHIFT) + data_len, 0);
	return err;
}

static void part_work_fn(struct work_struct *work)
{
	struct hc_conn *conn = container_of(work, struct hc_conn, part_work);
	unsigned int flags = memalloc_noreclaim_save();
	struct sock *sk = conn->sock->sk;
	int err = 0;

	mutex_lock(&conn->tx_lock);
	if (!hc_conn_is_dead(conn)) {
		lock_sock(sk);
		conn->tx_busy = true;
		err = part_flush(conn);
		conn->tx_busy = false;
		release_sock(sk);
	}
	mutex_unlock(&conn->tx_lock);
	memalloc_noreclaim_restore(flags);
	if (err)
		hc_conn_fail(conn, "sending an answer failed");
}

/* ---- life ---- */

static int fd_check(struct hc_conn *conn, struct socket *sock, struct netlink_ext_ack *extack)
{
	struct sock *sk = sock->sk;

	if (!sk_is_tcp(sk)) {
		hc_extack(extack, "the descriptor is no TCP socket");
		return -EPROTOTYPE;
	}
	if (sk->sk_state != TCP_ESTABLISHED) {
		hc_extack(extack, sk->sk_state == TCP_LISTEN ?
			  "the socket listens; a connected one is needed" :
			  "the socket is not connected");
		return -ENOTCONN;
	}
	if (!net_eq(sock_net(sk), conn->peer->node->net)) {
		hc_extack(extack, "the socket belongs to another network namespace");
		return -EINVAL;
	}
	return 0;
}

static void socket_tune(struct sock *sk)
{
	tcp_sock_set_nodelay(sk);
	tcp_sock_set_user_timeout(sk, hc_request_timeout_ms);
	sock_set_keepalive(sk);
	tcp_sock_set_keepidle(sk, 2);
	tcp_sock_set_keepintvl(sk, 1);
	tcp_sock_set_keepcnt(sk, 5);
}

/*
 * For lockdep this socket is another kind than those of processes, which allocate
 * with their lock held: nothing allocates so under this one, and reclaim may take it.
 */
static void socket_reclassify(struct sock *sk)
{
	local_bh_disable();
	lockdep_set_subclass(&sk->sk_lock, 2);
	lockdep_set_subclass(&sk->sk_lock.slock, 2);
	local_bh_enable();
}

static int tcp_start(struct hc_conn *conn, int fd, struct netlink_ext_ack *extack)
{
	struct socket *sock;
	struct sock *sk;
	int err;

	sock = sockfd_lookup(fd, &err);
	if (!sock) {
		hc_extack(extack, err == -EBADF ? "the descriptor is not open" :
			  "the descriptor is no socket");
		return err;
	}
	err = fd_check(conn, sock, extack);
	if (err)
		goto out_put;
	INIT_WORK(&conn->rx_work, rx_work_fn);
	INIT_WORK(&conn->part_work, part_work_fn);
	sk = sock->sk;
	socket_tune(sk);
	socket_reclassify(sk);
	lock_sock(sk);
	write_lock_bh(&sk->sk_callback_lock);
	if (sk->sk_user_data || sk->sk_state != TCP_ESTABLISHED) {
		err = -EBUSY;
		write_unlock_bh(&sk->sk_callback_lock);
		release_sock(sk);
		hc_extack(extack, "the socket is in use by another kernel part, or was closed");
		goto out_put;
	}
	conn->sock = sock;
	conn->saved_data_ready = sk->sk_data_ready;
	conn->saved_state_change = sk->sk_state_change;
	sk->sk_user_data = conn;
	sk->sk_data_ready = data_ready;
	sk->sk_state_change = state_change;
	sk->sk_allocation = GFP_ATOMIC;
	hc_sk_no_task_frag(sk);
	sk->sk_sndtimeo = msecs_to_jiffies(hc_request_timeout_ms);
	sk->sk_userlocks |= SOCK_SNDBUF_LOCK | SOCK_RCVBUF_LOCK;
	WRITE_ONCE(sk->sk_sndbuf, SOCKET_BUFFER);
	WRITE_ONCE(sk->sk_rcvbuf, SOCKET_BUFFER);
	write_unlock_bh(&sk->sk_callback_lock);
	sk_set_memalloc(sk);		/* may sleep: the first one switches a static key */
	/* What came before the callback was in place. Under the lock that stop() needs first. */
	queue_work(hc_data_wq, &conn->rx_work);
	release_sock(sk);
	return 0;
out_put:
	sockfd_put(sock);
	return err;
}

static void tcp_stop(struct hc_conn *conn)
{
	struct socket *sock = conn->sock;
	struct sock *sk = sock->sk;

	kernel_sock_shutdown(sock, SHUT_RDWR);
	lock_sock(sk);
	write_lock_bh(&sk->sk_callback_lock);
	sk->sk_user_data = NULL;
	sk->sk_data_ready = conn->saved_data_ready;
	sk->sk_state_change = conn->saved_state_change;
	write_unlock_bh(&sk->sk_callback_lock);
	release_sock(sk);
	cancel_work_sync(&conn->rx_work);
	cancel_work_sync(&conn->part_work);
	/* Whoever was inside send() when the socket was shut down is out now. */
	mutex_lock(&conn->tx_lock);
	mutex_unlock(&conn->tx_lock);
	if (conn->tx_partial)
		hc_lslab_put(conn->part_reply.slab);
	conn->tx_partial = false;
}

static void tcp_release(struct hc_conn *conn)
{
	struct sock *sk;

	if (!conn->sock)
		return;
	sk = conn->sock->sk;
	lock_sock(sk);
	sk_clear_memalloc(sk);
	release_sock(sk);
	sockfd_put(conn->sock);
}

const struct hc_transport_ops hc_tcp_ops = {
	.name		= "tcp",
	.start		= tcp_start,
	.stop		= tcp_stop,
	.release	= tcp_release,
	.send		= tcp_send,
	.try_reply	= tcp_try_reply,
};
