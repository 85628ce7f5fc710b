// SPDX-License-Identifier: GPL-2.0-or-later
/* Handles: the socket, finding the family, one call and its answer, extack. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include "sock.h"

/* Newer than the headers of some distributions that build us; numbers are ABI. */
#define EXT_ATTR_MSG		1
#define EXT_ATTR_OFFS		2
#define EXT_ATTR_MISS_TYPE	5

int hcnl_fail(struct hcnl *h, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(h->error, sizeof(h->error), fmt, ap);
	va_end(ap);
	return err;
}

const char *hcnl_error(const struct hcnl *h)
{
	return h->error;
}

int hcnl_fd(const struct hcnl *h)
{
	return h->fd;
}

int hcnl_open_fd(int fd, uint16_t family, struct hcnl **ret_h)
{
	struct hcnl *h = calloc(1, sizeof(*h));

	if (h)
		h->buf = malloc(HCNL_RECV_LEN);
	if (!h || !h->buf) {
		free(h);
		close(fd);
		return -ENOMEM;
	}
	h->fd = fd;
	h->family = family;
	h->seq = time(NULL);
	h->pending_tail = &h->pending;
	*ret_h = h;
	return 0;
}

void hcnl_close(struct hcnl *h)
{
	struct hcnl_pending *p;

	if (!h)
		return;
	while ((p = h->pending)) {
		h->pending = p->next;
		free(p);
	}
	close(h->fd);
	free(h->buf);
	free(h);
}

struct nl_msg *hcnl_msg(struct hcnl *h, uint8_t cmd, int flags, size_t room)
{
	struct nl_msg *msg = nlmsg_alloc_size(NLMSG_HDRLEN + GENL_HDRLEN + room);

	if (!msg)
		return NULL;
	if (!genlmsg_put(msg, 0, ++h->seq, h->family, 0, NLM_F_REQUEST | flags, cmd,
			 HC_GENL_VERSION)) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

int hcnl_send(struct hcnl *h, struct nl_msg *msg)
{
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	ssize_t n;

	h->error[0] = 0;
	do {
		n = send(h->fd, nlh, nlh->nlmsg_len, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return hcnl_fail(h, -errno, "Cannot send to the module: %m.");
	return 0;
}

ssize_t hcnl_recv(struct hcnl *h, int timeout_ms)
{
	struct sockaddr_nl from = { 0 };
	struct iovec iov = { h->buf, HCNL_RECV_LEN };
	struct msghdr m = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1,
	};
	struct pollfd p = { .fd = h->fd, .events = POLLIN };
	ssize_t n;
	int r;

	do {
		if (timeout_ms) {
			r = poll(&p, 1, timeout_ms);
			if (r < 0)
				return -errno;
			if (!r)
				return -EAGAIN;
		}
		m.msg_namelen = sizeof(from);
		n = recvmsg(h->fd, &m, MSG_DONTWAIT);
		if (n < 0)
			return -errno;
		if (!n)
			return -EPIPE;
		/* Another process may send to our port: only the kernel is believed. */
	} while (m.msg_namelen == sizeof(from) && from.nl_family == AF_NETLINK && from.nl_pid);
	return m.msg_flags & MSG_TRUNC ? -EMSGSIZE : n;
}

/* What the errno alone means where the kernel gave no sentence. */
static const char *plain(int err)
{
	switch (-err) {
	case EPERM:
		return "Only an admin may do this: run it as root, outside every environment.";
	case EOPNOTSUPP:
		return "The loaded module does not know this command: it is older than this program.";
	case ENODEV:
		return "There is no such thing on this node.";
	case ENOTCONN:
		return "No daemon is registered on this node: start it with \"systemctl start hyperchaind\".";
	case ETIMEDOUT:
		return "The daemon did not answer in time: see \"journalctl -u hyperchaind\".";
	}
	return NULL;
}

/* Name of the attribute of @sent that the byte at @off is in, NULL where none is. */
static const char *blamed(const struct nlmsghdr *sent, uint32_t off)
{
	const struct genlmsghdr *g = nlmsg_data(sent);
	const struct nlattr *a = (void *)((char *)g + GENL_HDRLEN);
	int rem = nlmsg_datalen(sent) - GENL_HDRLEN;

	for (; nla_ok(a, rem); a = nla_next(a, &rem)) {
		uint32_t start = (const char *)a - (const char *)sent;

		if (off >= start && off < start + a->nla_len)
			return hcnl_attr_name(g->cmd, nla_type(a));
	}
	return NULL;
}

int hcnl_explain(struct hcnl *h, const struct nlmsghdr *nlh, const struct nlmsghdr *sent)
{
	const char *name = NULL, *text = NULL, *missing = "";
	int err, skip = sizeof(int), text_len = 0, rem;
	const struct nlattr *a;

	if (nlh->nlmsg_len < NLMSG_HDRLEN + sizeof(int))
		return hcnl_fail(h, -EBADMSG, "The module sent an answer that is too short.");
	err = *(const int *)nlmsg_data(nlh);
	if (err >= 0)
		return 0;
	if (nlh->nlmsg_type == NLMSG_ERROR) {
		const struct nlmsgerr *e = nlmsg_data(nlh);

		if (nlh->nlmsg_len < NLMSG_HDRLEN + sizeof(*e))
			return hcnl_fail(h, -EBADMSG, "The module sent an answer that is too short.");
		skip = sizeof(*e);
		if (!(nlh->nlmsg_flags & NLM_F_CAPPED) && e->msg.nlmsg_len > NLMSG_HDRLEN)
			skip += NLMSG_ALIGN(e->msg.nlmsg_len) - NLMSG_HDRLEN;
	}
	rem = nlmsg_datalen(nlh) - skip;
	a = (void *)((char *)nlmsg_data(nlh) + skip);
	for (; (nlh->nlmsg_flags & NLM_F_ACK_TLVS) && nla_ok(a, rem); a = nla_next(a, &rem)) {
		if (nla_type(a) == EXT_ATTR_MSG) {
			text = nla_data(a);
			text_len = strnlen(text, nla_len(a));
		} else if (nla_type(a) == EXT_ATTR_OFFS && nla_len(a) == sizeof(uint32_t)) {
			name = blamed(sent, nla_get_u32(a));
		} else if (nla_type(a) == EXT_ATTR_MISS_TYPE && nla_len(a) == sizeof(uint32_t)) {
			const struct genlmsghdr *g = nlmsg_data(sent);

			name = hcnl_attr_name(g->cmd, nla_get_u32(a));
			missing = "missing ";
		}
	}
	if (!text || !text_len) {
		text = plain(err) ? : strerror(-err);
		text_len = strlen(text);
	}
	/* The kernel's own style is "no peer has this id": made a sentence of. */
	text_len -= text[text_len - 1] == '.';
	if (name)
		hcnl_fail(h, err, "%.*s (%s%s).", text_len, text, missing, name);
	else
		hcnl_fail(h, err, "%.*s.", text_len, text);
	h->error[0] = toupper((unsigned char)h->error[0]);
	return err;
}

void hcnl_keep(struct hcnl *h, const struct nlmsghdr *nlh)
{
	const struct genlmsghdr *g = hcnl_genl(h, (struct nlmsghdr *)nlh);
	struct hcnl_pending *p;

	if (!g || g->cmd != HC_CMD_REQUEST || h->nr_pending >= HCNL_PENDING_MAX)
		return;
	p = malloc(sizeof(*p) + nlh->nlmsg_len);
	if (!p)
		return;		/* the caller gets -ETIMEDOUT */
	p->next = NULL;
	p->len = nlh->nlmsg_len;
	memcpy(p->bytes, nlh, nlh->nlmsg_len);
	*h->pending_tail = p;
	h->pending_tail = &p->next;
	h->nr_pending++;
}

/* One message of an answer: 1 = that was the end, 0 = more to come, < 0 failed. */
static int take(struct hcnl *h, struct nlmsghdr *nlh, const struct nlmsghdr *sent,
		hcnl_reply_fn reply, void *ctx)
{
	int r;

	switch (nlh->nlmsg_type) {
	case NLMSG_NOOP:
		return 0;
	case NLMSG_ERROR:
	case NLMSG_DONE:
		r = hcnl_explain(h, nlh, sent);
		return r < 0 ? r : 1;
	}
	return reply ? reply(h, nlh, ctx) : 0;
}

int hcnl_talk(struct hcnl *h, struct nl_msg *msg, hcnl_reply_fn reply, void *ctx)
{
	const struct nlmsghdr *sent = nlmsg_hdr(msg);
	bool changed = false;
	int failed = 0, r;

	r = hcnl_send(h, msg);
	if (r < 0)
		return r;
	for (;;) {
		struct nlmsghdr *nlh = (struct nlmsghdr *)h->buf;
		ssize_t n = hcnl_recv(h, HCNL_CALL_TIMEOUT_MS);
		int rem;

		if (n == -EINTR)
			continue;
		if (n == -EAGAIN)
			return hcnl_fail(h, -ETIMEDOUT, "The module did not answer within %d s.",
					 HCNL_CALL_TIMEOUT_MS / 1000);
		if (n < 0)
			return hcnl_fail(h, n, "Cannot read the module's answer: %s.", strerror(-n));
		rem = n;
		for (; nlmsg_ok(nlh, rem); nlh = nlmsg_next(nlh, &rem)) {
			if (nlh->nlmsg_seq != sent->nlmsg_seq) {
				hcnl_keep(h, nlh);
				continue;
			}
			changed |= nlh->nlmsg_flags & NLM_F_DUMP_INTR;
			r = take(h, nlh, sent, reply, ctx);
			if (r < 0 && !failed)
				failed = r;
			/* A reply() that failed still has the end of the answer to come. */
			if (r == 1 || nlh->nlmsg_type == NLMSG_ERROR ||
			    nlh->nlmsg_type == NLMSG_DONE)
				return failed ? : changed ? -EINTR : 0;
		}
	}
}

struct one {
	const struct hcnl_field *fields;
	void *obj;
	bool is_there;
};

static int take_one(struct hcnl *h, struct nlmsghdr *nlh, void *ctx)
{
	struct genlmsghdr *g = hcnl_genl(h, nlh);
	struct one *one = ctx;
	int r;

	if (!g || one->is_there)
		return 0;
	one->is_there = true;
	r = hcnl_decode(one->fields, genlmsg_attrdata(g, 0), genlmsg_attrlen(g, 0), one->obj);
	if (r < 0)
		return hcnl_fail(h, r, "The module's answer does not fit this program: are both of one version?");
	return 0;
}

int hcnl_get(struct hcnl *h, struct nl_msg *msg, const struct hcnl_field *fields, void *obj)
{
	struct one one = { .fields = fields, .obj = obj };
	int r = hcnl_talk(h, msg, take_one, &one);

	if (r < 0)
		return r;
	if (!one.is_there)
		return hcnl_fail(h, -EBADMSG, "The module acknowledged, but sent no answer.");
	return 0;
}

struct family {
	uint16_t id;
	uint32_t version;
	uint32_t events_group;
};

static void take_groups(const struct nlattr *groups, struct family *fam)
{
	struct nlattr *g, *tb[CTRL_ATTR_MCAST_GRP_MAX + 1];
	int rem;

	nla_for_each_nested(g, groups, rem) {
		if (nla_parse_nested(tb, CTRL_ATTR_MCAST_GRP_MAX, g, NULL) < 0)
			continue;
		if (!tb[CTRL_ATTR_MCAST_GRP_NAME] || !tb[CTRL_ATTR_MCAST_GRP_ID])
			continue;
		if (!nla_strcmp(tb[CTRL_ATTR_MCAST_GRP_NAME], HC_GENL_MCGRP_EVENTS))
			fam->events_group = nla_get_u32(tb[CTRL_ATTR_MCAST_GRP_ID]);
	}
}

static int take_family(struct hcnl *h, struct nlmsghdr *nlh, void *ctx)
{
	struct nlattr *tb[CTRL_ATTR_MAX + 1];
	struct family *fam = ctx;

	if (nlh->nlmsg_type != GENL_ID_CTRL)
		return 0;
	if (genlmsg_parse(nlh, 0, tb, CTRL_ATTR_MAX, NULL) < 0 || !tb[CTRL_ATTR_FAMILY_ID])
		return hcnl_fail(h, -EBADMSG, "The kernel's answer about the family makes no sense.");
	fam->id = nla_get_u16(tb[CTRL_ATTR_FAMILY_ID]);
	if (tb[CTRL_ATTR_VERSION])
		fam->version = nla_get_u32(tb[CTRL_ATTR_VERSION]);
	if (tb[CTRL_ATTR_MCAST_GROUPS])
		take_groups(tb[CTRL_ATTR_MCAST_GROUPS], fam);
	return 0;
}

static int resolve(struct hcnl *h)
{
	HCNL_MSG_FREE struct nl_msg *msg = nlmsg_alloc();
	struct family fam = { 0 };
	int r;

	if (!msg || !genlmsg_put(msg, 0, ++h->seq, GENL_ID_CTRL, 0, NLM_F_REQUEST | NLM_F_ACK,
				 CTRL_CMD_GETFAMILY, 1) ||
	    nla_put_string(msg, CTRL_ATTR_FAMILY_NAME, HC_GENL_NAME) < 0)
		return -ENOMEM;
	r = hcnl_talk(h, msg, take_family, &fam);
	if (r < 0)
		return r;
	if (!fam.id)
		return -ENOENT;
	if (fam.version != HC_GENL_VERSION)
		return -EPROTONOSUPPORT;
	h->family = fam.id;
	h->events_group = fam.events_group;
	return 0;
}

int hcnl_open(struct hcnl **ret_h)
{
	__attribute__((cleanup(hcnl_closep))) struct hcnl *h = NULL;
	struct sockaddr_nl any = { .nl_family = AF_NETLINK };
	int fd, r, on = 1, room = 4 << 20;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (fd < 0)
		return -errno;
	r = hcnl_open_fd(fd, 0, &h);
	if (r < 0)
		return r;
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0)
		return -errno;
	/* Better messages and more room; nothing depends on them. */
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	r = resolve(h);
	if (r < 0)
		return r;
	*ret_h = h;
	h = NULL;
	return 0;
}
