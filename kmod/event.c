// SPDX-License-Identifier: GPL-2.0-or-later
/* Events: what happened, for the daemon, the CLI and `hyperchain events`. */
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/llist.h>
#include <net/genetlink.h>

#include "event.h"
#include "main.h"
#include "netlink.h"
#include "node.h"

#define EVENTS_PER_SECOND	100
#define LOSSES_PER_SECOND	(2 * HC_ENVS_MAX)	/* lost pages and failed reads */

/* Events of hard interrupts, where netlink may not run. */
static LLIST_HEAD(late);

struct late_cb {
	struct net *net;	/* reference held */
};

/* The numbers of the family's groups may be another one's from then on. RCU */
static bool is_stopped;

static void multicast(struct net *net, struct sk_buff *skb)
{
	rcu_read_lock();
	if (READ_ONCE(is_stopped))
		nlmsg_free(skb);
	else
		genlmsg_multicast_netns(&hc_genl_family, net, skb, 0, 0, GFP_ATOMIC);
	rcu_read_unlock();
}

static void late_work_fn(struct work_struct *work)
{
	struct llist_node *list = llist_reverse_order(llist_del_all(&late));
	struct sk_buff *skb, *tmp;

	llist_for_each_entry_safe(skb, tmp, list, ll_node) {
		struct net *net = ((struct late_cb *)skb->cb)->net;

		skb->next = NULL;	/* shares its place with ll_node */
		memset(skb->cb, 0, sizeof(skb->cb));
		multicast(net, skb);
		put_net(net);
	}
}

static DECLARE_WORK(late_work, late_work_fn);

static void event_send(struct net *net, struct sk_buff *skb)
{
	if (!in_hardirq() && !irqs_disabled()) {
		multicast(net, skb);
	} else if (maybe_get_net(net)) {
		((struct late_cb *)skb->cb)->net = net;
		llist_add(&skb->ll_node, &late);
		queue_work(hc_ctl_wq, &late_work);
	} else {
		nlmsg_free(skb);
	}
}

void hc_event_stop(void)
{
	WRITE_ONCE(is_stopped, true);
	synchronize_rcu();
}

/* Others can't use up what is kept for the events of lost pages and failed reads. */
static bool event_allowed(struct hc_node *node, enum hc_event kind)
{
	bool is_loss = kind == HC_EV_PAGES_LOST || kind == HC_EV_READ_FAILED, allowed;
	unsigned long flags;

	spin_lock_irqsave(&node->ev_lock, flags);
	if (time_after(jiffies, node->ev_limit[is_loss].window + HZ)) {
		node->ev_limit[is_loss].window = jiffies;
		node->ev_limit[is_loss].count = 0;
	}
	allowed = node->ev_limit[is_loss].count++ <
		  (is_loss ? LOSSES_PER_SECOND : EVENTS_PER_SECOND);
	spin_unlock_irqrestore(&node->ev_lock, flags);
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

	if (!event_allowed(node, kind))
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
	event_send(node->net, skb);
}
