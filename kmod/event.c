// SPDX-License-Identifier: GPL-2.0-or-later
/* Events: what happened, for the daemon, the CLI and `hyperchain events`. */
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <net/genetlink.h>

#include "event.h"
#include "netlink.h"
#include "node.h"

#define EVENTS_PER_SECOND	100

static bool event_allowed(struct hc_node *node)
{
	bool allowed;

	spin_lock_bh(&node->ev_lock);
	if (time_after(jiffies, node->ev_window + HZ)) {
		node->ev_window = jiffies;
		node->ev_count = 0;
	}
	allowed = node->ev_count++ < EVENTS_PER_SECOND;
	spin_unlock_bh(&node->ev_lock);
	return allowed;
}

void hc_event(struct hc_node *node, enum hc_event kind, u32 peer, u32 env, u64 count,
	      const char *fmt, ...)
{
	u64 seq = atomic64_inc_return(&node->ev_seq);
	char text[HC_TEXT_LEN + 1];
	struct sk_buff *skb;
	va_list args;
	void *head;

	if (!event_allowed(node))
		return;
	va_start(args, fmt);
	vscnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	skb = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_ATOMIC);
	if (!skb)
		return;
	head = genlmsg_put(skb, 0, 0, &hc_genl_family, 0, HC_CMD_EVENT);
	if (!head ||
	    nla_put_u32(skb, HC_A_EV_KIND, kind) ||
	    nla_put_u64_64bit(skb, HC_A_EV_SEQ, seq, HC_A_EV_PAD) ||
	    nla_put_u64_64bit(skb, HC_A_EV_TIME, ktime_get_real_ns(), HC_A_EV_PAD) ||
	    nla_put_u32(skb, HC_A_EV_PEER, peer) ||
	    nla_put_u32(skb, HC_A_EV_ENV, env) ||
	    nla_put_u64_64bit(skb, HC_A_EV_COUNT, count, HC_A_EV_PAD) ||
	    nla_put_string(skb, HC_A_EV_TEXT, text)) {
		nlmsg_free(skb);
		return;
	}
	genlmsg_end(skb, head);
	genlmsg_multicast_netns(&hc_genl_family, node->net, skb, 0, 0, GFP_ATOMIC);
}
