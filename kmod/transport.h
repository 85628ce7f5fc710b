/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the page fabric needs of a transport. TCP is the only one today; RDMA is
 * to be the second. A transport moves bytes of one connection in order.
 */
#ifndef _HC_TRANSPORT_H
#define _HC_TRANSPORT_H

#include <linux/types.h>

struct bio_vec;
struct hc_conn;
struct hc_reply;
struct hcw_hdr;
struct netlink_ext_ack;

struct hc_transport_ops {
	const char *name;

	/*
	 * Take over the descriptor @fd of the calling process. May sleep. On
	 * success bytes flow into hc_conn_rx_want()/hc_conn_rx_done() until stop().
	 */
	int (*start)(struct hc_conn *conn, int fd, struct netlink_ext_ack *extack);

	/*
	 * End the flow of bytes: when it returns no callback runs or will run, and
	 * no send() touches a caller's page any more. May sleep. Called once.
	 */
	void (*stop)(struct hc_conn *conn);

	/* Let go of what start() took. After stop(), from the last reference. */
	void (*release)(struct hc_conn *conn);

	/*
	 * Send one message: @hdr, then @nr_bv pages or @data_len bytes. May sleep,
	 * until the connection's deadline fails it. Does not allocate memory of its own and
	 * may run in reclaim. The pages are read until the answer came or stop()
	 * returned. On an error the connection is failed.
	 */
	int (*send)(struct hc_conn *conn, const struct hcw_hdr *hdr,
		    const struct bio_vec *bv, unsigned int nr_bv,
		    const void *data, unsigned int data_len);

	/*
	 * From within hc_conn_rx_done() only: send a message with at most one page
	 * at once. False: not now, the caller queues it. On true the transport has
	 * taken over the reference of @reply->slab.
	 */
	bool (*try_reply)(struct hc_conn *conn, const struct hc_reply *reply);
};

extern const struct hc_transport_ops hc_tcp_ops;

#endif /* _HC_TRANSPORT_H */
