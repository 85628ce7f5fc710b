// SPDX-License-Identifier: GPL-2.0-or-later
/* Programs that move. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sock.h"

#define ROOM 512

static int act(struct hcnl *h, struct nl_msg *msg, int r)
{
	if (!msg || r < 0)
		return hcnl_fail(h, -ENOMEM, "Out of memory.");
	return hcnl_talk(h, msg, NULL, NULL);
}

int hcnl_move_accept(struct hcnl *h, bool accept)
{
	HCNL_MSG_FREE struct nl_msg *msg = hcnl_msg(h, HC_CMD_NODE_SET, NLM_F_ACK, ROOM);

	return act(h, msg, msg ? nla_put_u8(msg, HC_A_NODE_MOVES, accept) : 0);
}

struct reasons {
	char (*text)[HCNL_TEXT_LEN];
	size_t n;
};

static int take_reasons(struct hcnl *h, struct nlmsghdr *nlh, void *ctx)
{
	struct genlmsghdr *g = hcnl_genl(h, nlh);
	struct reasons *r = ctx;
	struct nlattr *a;
	int rem;

	if (!g)
		return 0;
	rem = genlmsg_attrlen(g, 0);
	for (a = genlmsg_attrdata(g, 0); nla_ok(a, rem); a = nla_next(a, &rem))
		if (nla_type(a) == HC_A_MOVE_REASON && r->n < HCNL_REASONS_MAX)
			nla_strlcpy(r->text[r->n++], a, HCNL_TEXT_LEN);
	return 0;
}

int hcnl_move_check(struct hcnl *h, uint32_t pid, char ret_reasons[][HCNL_TEXT_LEN],
		    size_t *ret_n)
{
	HCNL_MSG_FREE struct nl_msg *msg = hcnl_msg(h, HC_CMD_MOVE_CHECK, NLM_F_ACK, ROOM);
	struct reasons reasons = { .text = ret_reasons };
	int r;

	if (!msg || nla_put_u32(msg, HC_A_MOVE_PID, pid) < 0)
		return hcnl_fail(h, -ENOMEM, "Out of memory.");
	r = hcnl_talk(h, msg, take_reasons, &reasons);
	if (r == 0)
		*ret_n = reasons.n;
	return r;
}

int hcnl_move_start(struct hcnl *h, uint32_t pid, uint32_t peer, bool whole, uint64_t *ret_id)
{
	HCNL_MSG_FREE struct nl_msg *msg = hcnl_msg(h, HC_CMD_MOVE_START, NLM_F_ACK, ROOM);
	struct hcnl_move move = { 0 };
	int r;

	if (!msg || nla_put_u32(msg, HC_A_MOVE_PID, pid) < 0 ||
	    nla_put_u32(msg, HC_A_MOVE_PEER, peer) < 0 ||
	    (whole && nla_put_flag(msg, HC_A_MOVE_WHOLE) < 0))
		return hcnl_fail(h, -ENOMEM, "Out of memory.");
	r = hcnl_get(h, msg, hcnl_move_fields, &move);
	if (r == 0)
		*ret_id = move.id;
	return r;
}

int hcnl_move_get(struct hcnl *h, uint64_t id, struct hcnl_move *ret_move)
{
	HCNL_MSG_FREE struct nl_msg *msg = hcnl_msg(h, HC_CMD_MOVE_GET, NLM_F_ACK, ROOM);
	struct hcnl_move move = { 0 };
	int r;

	if (!msg || nla_put_u64(msg, HC_A_MOVE_ID, id) < 0)
		return hcnl_fail(h, -ENOMEM, "Out of memory.");
	r = hcnl_get(h, msg, hcnl_move_fields, &move);
	if (r == 0)
		*ret_move = move;
	return r;
}

static int cmp_move(const void *a, const void *b)
{
	const struct hcnl_move *x = a, *y = b;

	return x->pid != y->pid ? (x->pid > y->pid) - (x->pid < y->pid) :
	       (x->id > y->id) - (x->id < y->id);
}

int hcnl_move_list(struct hcnl *h, struct hcnl_move **ret_moves, size_t *ret_n)
{
	struct hcnl_list l = {
		.fields = hcnl_move_fields, .size = sizeof(struct hcnl_move), .cmp = cmp_move,
	};

	return hcnl_dump(h, HC_CMD_MOVE_GET, &l, ret_moves, ret_n);
}

int hcnl_move_resolve(struct hcnl *h, uint64_t id, enum hc_move_resolve how)
{
	HCNL_MSG_FREE struct nl_msg *msg = hcnl_msg(h, HC_CMD_MOVE_RESOLVE, NLM_F_ACK, ROOM);
	int r = 0;

	if (msg)
		r = nla_put_u64(msg, HC_A_MOVE_ID, id);
	if (msg && r >= 0)
		r = nla_put_u8(msg, HC_A_MOVE_RESOLVE, how);
	return act(h, msg, r);
}

const char *hcnl_move_state_name(unsigned int state)
{
	static const char *const names[] = {
		[HC_MOVE_NEW]		= "new",
		[HC_MOVE_OFFERED]	= "offered",
		[HC_MOVE_STOPPED]	= "stopped",
		[HC_MOVE_DOUBT]		= "doubt",
		[HC_MOVE_AWAY]		= "away",
		[HC_MOVE_SETTLED]	= "settled",
		[HC_MOVE_STAYED]	= "stayed",
		[HC_MOVE_OVER]		= "over",
		[HC_MOVE_INVITED]	= "invited",
		[HC_MOVE_LOADED]	= "loaded",
		[HC_MOVE_RUNNING]	= "running",
		[HC_MOVE_WHOLE]		= "whole",
		[HC_MOVE_NEVER]		= "never",
		[HC_MOVE_GONE]		= "gone",
	};

	return state < sizeof(names) / sizeof(names[0]) ? names[state] : "unknown";
}
