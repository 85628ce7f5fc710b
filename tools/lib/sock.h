/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside of the library: messages out, messages in, errors explained. libnl
 * builds and parses the messages; sending and receiving is done here, because
 * libnl maps the kernel's errno to codes of its own and drops the extack.
 */
#ifndef HCNL_SOCK_H
#define HCNL_SOCK_H

#include <netlink/attr.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>

#include "attrs.h"
#include "hcnl.h"

#define HCNL_RECV_LEN		(128 * 1024)	/* the longest message, and room */
#define HCNL_CALL_TIMEOUT_MS	60000		/* a module that does not answer at all */
#define HCNL_PENDING_MAX	1024		/* requests kept aside */

/* A relayed request that arrived while something else was waited for. */
struct hcnl_pending {
	struct hcnl_pending *next;
	size_t len;
	char bytes[];
};

struct hcnl {
	int fd;
	uint16_t family;
	uint32_t events_group;
	uint32_t seq;
	struct hcnl_pending *pending, **pending_tail;
	size_t nr_pending;
	char *buf;			/* HCNL_RECV_LEN bytes */
	char error[HC_TEXT_LEN + 128];
};

/* Make a handle around @fd, which it owns from then on, also on failure. For tests too. */
int hcnl_open_fd(int fd, uint16_t family, struct hcnl **ret_h);

/* Set hcnl_error() and return @err. */
__attribute__((format(printf, 3, 4)))
int hcnl_fail(struct hcnl *h, int err, const char *fmt, ...);

/* A message for @cmd with room for @room bytes of attributes, NULL when out of memory. */
struct nl_msg *hcnl_msg(struct hcnl *h, uint8_t cmd, int flags, size_t room);

static inline void hcnl_msg_freep(struct nl_msg **m)
{
	if (*m)
		nlmsg_free(*m);
}
#define HCNL_MSG_FREE __attribute__((cleanup(hcnl_msg_freep)))

/* What to do with an answer: >= 0 go on waiting for the end, < 0 fail. */
typedef int (*hcnl_reply_fn)(struct hcnl *h, struct nlmsghdr *nlh, void *ctx);

/**
 * hcnl_talk - send @msg and read until its end (ack, end of dump, error)
 * @reply: for each answer, may be NULL
 *
 * Return: 0, the kernel's or @reply's negative errno, -EINTR where a dump was
 * interrupted by a change (ask again), -ENOBUFS where the answer was lost.
 */
int hcnl_talk(struct hcnl *h, struct nl_msg *msg, hcnl_reply_fn reply, void *ctx);

/* hcnl_talk() with an answer of one message into the zeroed struct at @obj. */
int hcnl_get(struct hcnl *h, struct nl_msg *msg, const struct hcnl_field *fields, void *obj);

/* What a dump's messages become: elements of @size bytes, in the order of @cmp. */
struct hcnl_list {
	const struct hcnl_field *fields;
	size_t size;		/* of one element */
	void *items;
	size_t n, room;
	int (*cmp)(const void *a, const void *b);
};

/* Dump with @cmd; *@ret_items is an array for free(3). */
int hcnl_dump(struct hcnl *h, uint8_t cmd, struct hcnl_list *l, void *ret_items, size_t *ret_n);

/* Send only. */
int hcnl_send(struct hcnl *h, struct nl_msg *msg);

/* One datagram from the kernel into h->buf: its length, -EAGAIN after @timeout_ms, -EINTR... */
ssize_t hcnl_recv(struct hcnl *h, int timeout_ms);

/* Explain an NLMSG_ERROR or NLMSG_DONE in hcnl_error(); its negative errno, or 0. */
int hcnl_explain(struct hcnl *h, const struct nlmsghdr *nlh, const struct nlmsghdr *sent);

/* Keep @nlh for hcnl_dispatch() if it is a relayed request. */
void hcnl_keep(struct hcnl *h, const struct nlmsghdr *nlh);

/* Generic netlink header of @nlh with its attributes, NULL where it is not of our family. */
static inline struct genlmsghdr *hcnl_genl(const struct hcnl *h, struct nlmsghdr *nlh)
{
	if (nlh->nlmsg_type != h->family || nlmsg_datalen(nlh) < (int)sizeof(struct genlmsghdr))
		return NULL;
	return nlmsg_data(nlh);
}

#endif /* HCNL_SOCK_H */
