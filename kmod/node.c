// SPDX-License-Identifier: GPL-2.0-or-later
/* Nodes: one per network namespace (SPEC R22). */
#include <linux/random.h>
#include <linux/ktime.h>
#include <net/netns/generic.h>

#include "disk.h"
#include "env.h"
#include "event.h"
#include "main.h"
#include "move.h"
#include "node.h"
#include "peer.h"
#include "pool.h"
#include "relay.h"

/* A namespace that lost its daemon keeps its connections as long. */
#define ORPHAN_GRACE_MS	30000

static unsigned int hc_net_id __read_mostly;

struct hc_node *hc_node_of(struct net *net)
{
	return net_generic(net, hc_net_id);
}

int hc_node_daemon(struct hc_node *node, u32 portid)
{
	int err = 0;

	mutex_lock(&node->lock);
	if (node->daemon_portid && node->daemon_portid != portid)
		err = -EBUSY;
	else
		node->daemon_portid = portid;
	mutex_unlock(&node->lock);
	if (!err)
		cancel_delayed_work(&node->orphan_work);
	return err;
}

void hc_node_default_epoch(struct hc_node *node)
{
	lockdep_assert_held(&node->lock);
	/* Grows from boot to boot unless the clock is set back; a daemon gives a better one. */
	if (!node->epoch)
		node->epoch = (u64)ktime_get_real_seconds() << 16;
}

/*
 * A socket made by a process pins its namespace: without this, a namespace whose
 * daemon is gone could never end. The first namespace never ends, so its
 * connections stay, and no page is lost by a daemon that is away for long.
 */
static void orphan_work_fn(struct work_struct *work)
{
	struct hc_node *node = container_of(to_delayed_work(work), struct hc_node, orphan_work);
	bool orphan;

	mutex_lock(&node->lock);
	orphan = !node->daemon_portid;
	mutex_unlock(&node->lock);
	if (orphan)
		hc_peers_drop(node);
}

struct daemon_gone {
	struct work_struct work;
	struct hc_node *node;
	netns_tracker tracker;
	u32 portid;
};

static void daemon_gone_fn(struct work_struct *work)
{
	struct daemon_gone *gone = container_of(work, struct daemon_gone, work);
	struct hc_node *node = gone->node;
	bool was_daemon;

	mutex_lock(&node->lock);
	was_daemon = node->daemon_portid == gone->portid;
	if (was_daemon)
		node->daemon_portid = 0;
	mutex_unlock(&node->lock);
	hc_relay_port_gone(node, gone->portid, was_daemon);
	if (was_daemon) {
		hc_event(node, HC_EV_DAEMON_GONE, 0, 0, 0,
			 "The daemon of this node is gone; memory stays connected.");
		if (node->net != &init_net)
			queue_delayed_work(hc_move_wq, &node->orphan_work,
					   msecs_to_jiffies(ORPHAN_GRACE_MS));
	}
	put_net_track(node->net, &gone->tracker);
	kfree(gone);
}

/* A netlink socket was closed: was it a daemon's, or one that waits for an answer? */
static int port_notify(struct notifier_block *nb, unsigned long event, void *data)
{
	struct netlink_notify *n = data;
	struct daemon_gone *gone;
	struct hc_node *node;

	if (event != NETLINK_URELEASE || n->protocol != NETLINK_GENERIC)
		return NOTIFY_DONE;
	node = hc_node_of(n->net);
	if (READ_ONCE(node->daemon_portid) != n->portid && !READ_ONCE(node->nr_requests))
		return NOTIFY_DONE;
	/*
	 * The chain is called without a lock of the sender (it is a blocking one), and a
	 * daemon whose end was missed would keep the next one out until rmmod.
	 */
	gone = kzalloc(sizeof(*gone), GFP_KERNEL | __GFP_NOFAIL);
	gone->node = node;
	gone->portid = n->portid;
	if (!maybe_get_net(n->net)) {
		kfree(gone);
		return NOTIFY_DONE;
	}
	netns_tracker_alloc(n->net, &gone->tracker, GFP_KERNEL);
	INIT_WORK(&gone->work, daemon_gone_fn);
	queue_work(hc_ctl_wq, &gone->work);
	return NOTIFY_DONE;
}

static struct notifier_block port_notifier = { .notifier_call = port_notify };

static int __net_init node_net_init(struct net *net)
{
	struct hc_node *node = hc_node_of(net);

	node->net = net;
	mutex_init(&node->lock);
	INIT_LIST_HEAD(&node->peers);
	INIT_LIST_HEAD(&node->env_list);
	INIT_LIST_HEAD(&node->requests);
	spin_lock_init(&node->ev_lock);
	spin_lock_init(&node->moves_lock);
	INIT_LIST_HEAD(&node->moves);
	spin_lock_init(&node->map_lock);
	INIT_DELAYED_WORK(&node->orphan_work, orphan_work_fn);
	do {
		get_random_bytes(&node->incarnation, sizeof(node->incarnation));
	} while (!node->incarnation);
	node->pool = hc_pool_create(node);
	return node->pool ? 0 : -ENOMEM;
}

/*
 * No message can come in any more (its sockets are gone or ours). In order:
 * requests, then the disk if it is this node's, peers with all connections, the
 * pool they borrow from, environments.
 */
static void __net_exit node_net_exit(struct net *net)
{
	struct hc_node *node = hc_node_of(net);

	cancel_delayed_work_sync(&node->orphan_work);
	hc_relay_exit(node);
	hc_disk_node_gone(node);
	hc_moves_drop(node);
	hc_peers_drop(node);
	flush_workqueue(hc_move_wq);
	hc_pool_destroy(node->pool);
	hc_envs_drop(node);
}

static struct pernet_operations node_net_ops = {
	.init	= node_net_init,
	.exit	= node_net_exit,
	.id	= &hc_net_id,
	.size	= sizeof(struct hc_node),
};

int hc_node_init(void)
{
	int err = register_pernet_subsys(&node_net_ops);

	if (err)
		return err;
	err = netlink_register_notifier(&port_notifier);
	if (err)
		unregister_pernet_subsys(&node_net_ops);
	return err;
}

void hc_node_exit(void)
{
	netlink_unregister_notifier(&port_notifier);
	flush_workqueue(hc_ctl_wq);
	unregister_pernet_subsys(&node_net_ops);
}
