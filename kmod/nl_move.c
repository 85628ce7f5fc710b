// SPDX-License-Identifier: GPL-2.0-or-later
/* Netlink: programs that move (SPEC R21, R22). */
#include <linux/pid.h>
#include <linux/slab.h>
#include <net/sock.h>

#include "main.h"
#include "move.h"
#include "netlink.h"
#include "node.h"
#include "peer.h"

/* The process that MOVE_PID names, as its sender sees it; a reference, or NULL and the error. */
static struct pid *pid_of(struct genl_info *info, int *ret_err)
{
	struct pid *pid;

	*ret_err = hc_missing(info, HC_A_MOVE_PID, "a process id is needed");
	if (*ret_err)
		return NULL;
	pid = find_get_pid(nla_get_u32(info->attrs[HC_A_MOVE_PID]));
	if (!pid)
		*ret_err = hc_bad_attr(info, HC_A_MOVE_PID, -ESRCH,
				       "there is no process with this id");
	return pid;
}

static int reasons_put(struct genl_info *info, const struct hc_move_reasons *r)
{
	void *head;
	struct sk_buff *skb;
	u32 i;
	int err = 0;

	skb = genlmsg_new(HC_MOVE_REASONS_MAX * (HCM_TEXT_LEN + NLA_HDRLEN + 4) + 128, GFP_KERNEL);
	if (!skb)
		return -ENOMEM;
	head = genlmsg_put_reply(skb, info, &hc_genl_family, 0, info->genlhdr->cmd);
	if (!head)
		err = -EMSGSIZE;
	for (i = 0; !err && i < r->nr; i++)
		err = nla_put_string(skb, HC_A_MOVE_REASON, r->text[i]);
	return hc_reply_send(info, skb, head, err);
}

int hc_nl_move_check_doit(struct sk_buff *in, struct genl_info *info)
{
	struct hc_move_reasons *r;
	struct task_struct *task;
	struct pid *pid;
	int err;

	pid = pid_of(info, &err);
	if (!pid)
		return err;
	task = get_pid_task(pid, PIDTYPE_TGID);
	put_pid(pid);
	r = kzalloc(sizeof(*r), GFP_KERNEL);
	if (!task)
		err = hc_bad_attr(info, HC_A_MOVE_PID, -ESRCH, "there is no process with this id");
	else if (!r)
		err = -ENOMEM;
	if (!err) {
		hc_move_check(task, 0, r);
		err = reasons_put(info, r);
	}
	kfree(r);
	if (task)
		put_task_struct(task);
	return err;
}

int hc_nl_move_start_doit(struct sk_buff *in, struct genl_info *info)
{
	struct hc_node *node = hc_node_of(genl_info_net(info));
	u32 flags = info->attrs[HC_A_MOVE_WHOLE] ? HC_MOVE_WHOLE_FIRST : 0;
	struct sk_buff *skb;
	struct pid *pid;
	void *head;
	u64 id;
	int err;

	if (node->net != &init_net) {
		hc_extack(info->extack, "programs move from the first network namespace only");
		return -EOPNOTSUPP;
	}
	err = hc_missing(info, HC_A_MOVE_PEER, "a node to move to is needed");
	if (err)
		return err;
	pid = pid_of(info, &err);
	if (!pid)
		return err;
	err = hc_move_start(node, pid, nla_get_u32(info->attrs[HC_A_MOVE_PEER]), flags, &id,
			    info->extack);
	put_pid(pid);
	if (err)
		return err;
	skb = hc_reply_new(info, &head);
	if (!skb)
		return -ENOMEM;
	return hc_reply_send(info, skb, head, hc_put_u64(skb, HC_A_MOVE_ID, id, HC_A_MOVE_PAD));
}

static int move_put(struct sk_buff *skb, struct hc_move *move)
{
	u8 state = hc_move_state(move);
	u64 left = 0, stop_us = 0;
	char reason[HCM_TEXT_LEN];

	if (hc_move_is_source(state)) {
		if (state == HC_MOVE_AWAY)
			left = max_t(s64, move->nr_pages - atomic64_read(&move->nr_sent), 0);
		if (move->runs_at)
			stop_us = ktime_us_delta(move->runs_at, move->stopped_at);
	} else if (move->store && state == HC_MOVE_RUNNING) {
		left = hc_store_left(move->store);
	}
	spin_lock(&move->lock);
	memcpy(reason, move->reason, sizeof(reason));
	spin_unlock(&move->lock);
	return hc_put_u64(skb, HC_A_MOVE_ID, move->id, HC_A_MOVE_PAD) ||
	       nla_put_u32(skb, HC_A_MOVE_PID, move->pid_nr) ||
	       nla_put_u32(skb, HC_A_MOVE_PEER, move->peer->id) ||
	       nla_put_u8(skb, HC_A_MOVE_STATE, state) ||
	       nla_put_string(skb, HC_A_MOVE_COMM, move->comm) ||
	       nla_put_string(skb, HC_A_MOVE_REASON, reason) ||
	       hc_put_u64(skb, HC_A_MOVE_MEMORY, move->nr_pages << PAGE_SHIFT, HC_A_MOVE_PAD) ||
	       hc_put_u64(skb, HC_A_MOVE_LEFT, left << PAGE_SHIFT, HC_A_MOVE_PAD) ||
	       hc_put_u64(skb, HC_A_MOVE_STOP_US, stop_us, HC_A_MOVE_PAD) ||
	       hc_put_u64(skb, HC_A_MOVE_FAULTS, atomic64_read(&move->nr_faults),
			  HC_A_MOVE_PAD) ||
	       nla_put_u32(skb, HC_A_MOVE_THREADS, move->nr_threads) ? -EMSGSIZE : 0;
}

static struct hc_move *move_of(struct genl_info *info, int *ret_err)
{
	struct hc_move *move;

	*ret_err = hc_missing(info, HC_A_MOVE_ID, "the number of a move is needed");
	if (*ret_err)
		return NULL;
	move = hc_move_find(hc_node_of(genl_info_net(info)), NULL,
			    nla_get_u64(info->attrs[HC_A_MOVE_ID]));
	if (!move)
		*ret_err = hc_bad_attr(info, HC_A_MOVE_ID, -ENOENT, "no move has this number");
	return move;
}

int hc_nl_move_get_doit(struct sk_buff *in, struct genl_info *info)
{
	struct hc_move *move;
	struct sk_buff *skb;
	void *head;
	int err;

	move = move_of(info, &err);
	if (!move)
		return err;
	skb = hc_reply_new(info, &head);
	err = skb ? hc_reply_send(info, skb, head, move_put(skb, move)) : -ENOMEM;
	hc_move_put(move);
	return err;
}

/* The move at position @n; a reference or NULL. */
static struct hc_move *move_at(struct hc_node *node, unsigned long n)
{
	struct hc_move *move, *found = NULL;

	spin_lock(&node->moves_lock);
	list_for_each_entry(move, &node->moves, list)
		if (!n--) {
			found = hc_move_get(move);
			break;
		}
	spin_unlock(&node->moves_lock);
	return found;
}

int hc_nl_move_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct hc_node *node = hc_node_of(sock_net(skb->sk));
	/* pre_doit() is not asked about dumps. */
	int err = hc_admin_check(cb->skb, cb->extack);
	struct hc_move *move;

	if (err)
		return err;
	while ((move = move_at(node, cb->args[0]))) {
		void *head = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
					 &hc_genl_family, NLM_F_MULTI, HC_CMD_MOVE_GET);

		err = head ? move_put(skb, move) : -EMSGSIZE;
		hc_move_put(move);
		if (err) {
			if (head)
				genlmsg_cancel(skb, head);
			break;
		}
		genlmsg_end(skb, head);
		cb->args[0]++;
	}
	return skb->len;
}

int hc_nl_move_resolve_doit(struct sk_buff *in, struct genl_info *info)
{
	struct hc_move *move;
	int err;

	err = hc_missing(info, HC_A_MOVE_RESOLVE, "say whether it goes on here or lives there");
	if (err)
		return err;
	move = move_of(info, &err);
	if (!move)
		return err;
	err = hc_move_resolve(move, nla_get_u8(info->attrs[HC_A_MOVE_RESOLVE]), info->extack);
	hc_move_put(move);
	return err;
}
