// SPDX-License-Identifier: GPL-2.0-or-later
/* Requests to the node's daemon through the module: asking, and being the daemon. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sock.h"

/* Attributes of a relayed message by number; the last of a doubled one counts. */
static int split(struct hcnl *h, struct nlmsghdr *nlh, struct nlattr *tb[HC_A_REQ_MAX + 1])
{
	struct genlmsghdr *g = hcnl_genl(h, nlh);

	if (!g)
		return -EBADMSG;
	if (nla_parse(tb, HC_A_REQ_MAX, genlmsg_attrdata(g, 0), genlmsg_attrlen(g, 0), NULL) < 0)
		return -EBADMSG;
	return 0;
}

static uint64_t number(const struct nlattr *a)
{
	if (a && nla_len(a) == sizeof(uint64_t))
		return nla_get_u64(a);
	if (a && nla_len(a) == sizeof(uint32_t))
		return nla_get_u32(a);
	if (a && nla_len(a) == sizeof(uint8_t))
		return nla_get_u8(a);
	return 0;
}

/* ---- asking --------------------------------------------------------------- */

static int take_answer(struct hcnl *h, struct nlmsghdr *nlh, char **ret_answer, size_t *ret_len)
{
	struct nlattr *tb[HC_A_REQ_MAX + 1];
	char *answer;
	size_t len;
	int err;

	if (split(h, nlh, tb) < 0)
		return hcnl_fail(h, -EBADMSG, "The module's answer does not fit this program: are both of one version?");
	err = number(tb[HC_A_REQ_ERROR]);
	if (err)
		return hcnl_fail(h, -err, "The daemon refused: %s.", strerror(err));
	if (!tb[HC_A_REQ_PAYLOAD])
		return hcnl_fail(h, -EBADMSG, "The daemon sent an empty answer.");
	len = nla_len(tb[HC_A_REQ_PAYLOAD]);
	answer = malloc(len + 1);
	if (!answer)
		return hcnl_fail(h, -ENOMEM, "Out of memory.");
	memcpy(answer, nla_data(tb[HC_A_REQ_PAYLOAD]), len);
	answer[len] = 0;
	*ret_answer = answer;
	*ret_len = len;
	return 0;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

int hcnl_request(struct hcnl *h, const void *payload, size_t len, char **ret_answer,
		 size_t *ret_len, int timeout_ms)
{
	HCNL_MSG_FREE struct nl_msg *msg = NULL;
	int64_t until = timeout_ms > 0 ? now_ms() + timeout_ms : INT64_MAX;
	int r;

	if (!len || len > HC_REQUEST_LEN)
		return hcnl_fail(h, -EMSGSIZE, "A request has 1 to %d bytes, not %zu.", HC_REQUEST_LEN,
				 len);
	/* No NLM_F_ACK: the end is the answer, or the module's refusal. */
	msg = hcnl_msg(h, HC_CMD_REQUEST, 0, len + NLA_HDRLEN + NLA_ALIGNTO);
	if (!msg || nla_put(msg, HC_A_REQ_PAYLOAD, len, payload) < 0)
		return hcnl_fail(h, -ENOMEM, "Out of memory.");
	r = hcnl_send(h, msg);
	if (r < 0)
		return r;
	for (;;) {
		int64_t left = until - now_ms();
		struct nlmsghdr *nlh = (struct nlmsghdr *)h->buf;
		ssize_t n;
		int rem;

		if (left <= 0)
			return hcnl_fail(h, -ETIMEDOUT,
					 "The daemon did not answer within %d s: see \"journalctl -u hyperchaind\".",
					 timeout_ms / 1000);
		n = hcnl_recv(h, left > INT_MAX ? -1 : (int)left);
		if (n == -EINTR || n == -EAGAIN)
			continue;
		if (n < 0)
			return hcnl_fail(h, n, "Cannot read the daemon's answer: %s.", strerror(-n));
		rem = n;
		for (; nlmsg_ok(nlh, rem); nlh = nlmsg_next(nlh, &rem)) {
			struct genlmsghdr *g;

			if (nlh->nlmsg_seq != nlmsg_hdr(msg)->nlmsg_seq) {
				hcnl_keep(h, nlh);
				continue;
			}
			if (nlh->nlmsg_type == NLMSG_ERROR) {
				r = hcnl_explain(h, nlh, nlmsg_hdr(msg));
				if (r < 0)
					return r;
				continue;
			}
			g = hcnl_genl(h, nlh);
			if (g && g->cmd == HC_CMD_ANSWER)
				return take_answer(h, nlh, ret_answer, ret_len);
		}
	}
}

/* ---- being the daemon ----------------------------------------------------- */

bool hcnl_pending(const struct hcnl *h)
{
	return h->pending;
}

/* 1 = delivered, 0 = not a whole request (the module's own deadline answers it). */
static int deliver(struct hcnl *h, struct nlmsghdr *nlh, const struct hcnl_callbacks *cb)
{
	struct nlattr *tb[HC_A_REQ_MAX + 1];
	struct genlmsghdr *g = hcnl_genl(h, nlh);
	struct hcnl_request req;

	if (!g || g->cmd != HC_CMD_REQUEST || split(h, nlh, tb) < 0)
		return 0;
	if (!tb[HC_A_REQ_COOKIE] || !tb[HC_A_REQ_PAYLOAD])
		return 0;
	req = (struct hcnl_request) {
		.cookie = number(tb[HC_A_REQ_COOKIE]),
		.payload = nla_data(tb[HC_A_REQ_PAYLOAD]),
		.len = nla_len(tb[HC_A_REQ_PAYLOAD]),
		.is_admin = number(tb[HC_A_REQ_ADMIN]),
		.env = number(tb[HC_A_REQ_ENV]),
		.pid = number(tb[HC_A_REQ_PID]),
		.uid = number(tb[HC_A_REQ_UID]),
	};
	cb->request(h, &req, cb->ctx);
	return 1;
}

static int deliver_kept(struct hcnl *h, const struct hcnl_callbacks *cb)
{
	struct hcnl_pending *p;
	int n = 0;

	while ((p = h->pending)) {
		h->pending = p->next;
		if (!h->pending)
			h->pending_tail = &h->pending;
		h->nr_pending--;
		n += deliver(h, (struct nlmsghdr *)p->bytes, cb);
		free(p);
	}
	return n;
}

int hcnl_dispatch(struct hcnl *h, const struct hcnl_callbacks *cb)
{
	int count = deliver_kept(h, cb);

	for (;;) {
		struct nlmsghdr *nlh = (struct nlmsghdr *)h->buf;
		ssize_t n = hcnl_recv(h, 0);
		int rem;

		if (n == -EAGAIN || n == -EINTR)
			return count;
		if (n < 0)
			return n;
		/* The callback answers through the same buffer: keep first, deliver then. */
		rem = n;
		for (; nlmsg_ok(nlh, rem); nlh = nlmsg_next(nlh, &rem))
			hcnl_keep(h, nlh);
		count += deliver_kept(h, cb);
	}
}

int hcnl_answer(struct hcnl *h, uint64_t cookie, const void *payload, size_t len, int error)
{
	HCNL_MSG_FREE struct nl_msg *msg = NULL;
	int r;

	if (error <= 0 && (!len || len > HC_REQUEST_LEN))
		return hcnl_fail(h, -EMSGSIZE, "An answer has 1 to %d bytes, not %zu.", HC_REQUEST_LEN,
				 len);
	msg = hcnl_msg(h, HC_CMD_ANSWER, NLM_F_ACK, 128 + (error > 0 ? 0 : len));
	if (!msg)
		return hcnl_fail(h, -ENOMEM, "Out of memory.");
	r = nla_put_u64(msg, HC_A_REQ_COOKIE, cookie);
	if (r >= 0)
		r = error > 0 ? nla_put_u32(msg, HC_A_REQ_ERROR, error) :
				nla_put(msg, HC_A_REQ_PAYLOAD, len, payload);
	if (r < 0)
		return hcnl_fail(h, -ENOMEM, "Out of memory.");
	return hcnl_talk(h, msg, NULL, NULL);
}
