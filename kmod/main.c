// SPDX-License-Identifier: GPL-2.0-or-later
/* hyperchain.ko: brings the parts up in order, and down in the reverse order. */
#include <linux/module.h>
#include <linux/rcupdate.h>

#include "disk.h"
#include "event.h"
#include "main.h"
#include "move.h"
#include "netlink.h"
#include "node.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/* A parameter in milliseconds: what is outside its range is refused, now and later. */
struct ms_param {
	unsigned int *value;
	unsigned int min, max;
};

static int ms_set(const char *text, const struct kernel_param *kp)
{
	const struct ms_param *p = kp->arg;
	unsigned int ms;
	int err = kstrtouint(text, 0, &ms);

	if (!err && (ms < p->min || ms > p->max))
		err = -ERANGE;
	if (err)
		pr_err_ratelimited("hyperchain: %s takes %u to %u milliseconds\n", kp->name,
				   p->min, p->max);
	else
		WRITE_ONCE(*p->value, ms);
	return err;
}

static int ms_get(char *text, const struct kernel_param *kp)
{
	const struct ms_param *p = kp->arg;

	return scnprintf(text, PAGE_SIZE, "%u\n", READ_ONCE(*p->value));
}

static const struct kernel_param_ops ms_ops = {
	.set	= ms_set,
	.get	= ms_get,
};

unsigned int hc_request_timeout_ms = 5000;
static const struct ms_param request_timeout = { &hc_request_timeout_ms, 100, 600000 };
module_param_cb(request_timeout_ms, &ms_ops, (void *)&request_timeout, 0644);
__MODULE_PARM_TYPE(request_timeout_ms, "uint");
MODULE_PARM_DESC(request_timeout_ms,
		 "A peer that does not answer a request for this long loses the connection (100..600000, 5000)");

unsigned int hc_peer_grace_ms = 5000;
static const struct ms_param peer_grace = { &hc_peer_grace_ms, 0, 3600000 };
module_param_cb(peer_grace_ms, &ms_ops, (void *)&peer_grace, 0644);
__MODULE_PARM_TYPE(peer_grace_ms, "uint");
MODULE_PARM_DESC(peer_grace_ms,
		 "A peer without connections is given up after this time, and its pages copied anew (0..3600000, 5000)");

unsigned int hc_lease_grace_ms = 86400000;
static const struct ms_param lease_grace = { &hc_lease_grace_ms, 0, 604800000 };
module_param_cb(lease_grace_ms, &ms_ops, (void *)&lease_grace, 0644);
__MODULE_PARM_TYPE(lease_grace_ms, "uint");
MODULE_PARM_DESC(lease_grace_ms,
		 "A peer without connections keeps what this node lent it for this time, at least until it has given up this node (0..604800000, 86400000)");

bool hc_allow_netns;
module_param_named(allow_netns, hc_allow_netns, bool, 0444);
MODULE_PARM_DESC(allow_netns,
		 "Let network namespaces other than the first be nodes of their own; for tests (N)");

/* The module starts programs from there as root: not relative to anything. */
static int dir_set(const char *text, const struct kernel_param *kp)
{
	if (text[0] != '/') {
		pr_err("hyperchain: %s takes the path of a directory, from / on\n", kp->name);
		return -EINVAL;
	}
	return param_set_charp(text, kp);
}

static const struct kernel_param_ops dir_ops = {
	.set	= dir_set,
	.get	= param_get_charp,
	.free	= param_free_charp,
};

char *hc_helper_dir = "/usr/lib/hyperchain";
module_param_cb(helper_dir, &dir_ops, &hc_helper_dir, 0444);
__MODULE_PARM_TYPE(helper_dir, "charp");
MODULE_PARM_DESC(helper_dir,
		 "Where hyperchain-restore and hyperchain-shadow are, from / on (/usr/lib/hyperchain)");

struct workqueue_struct *hc_tell_wq;
struct workqueue_struct *hc_move_wq;
struct workqueue_struct *hc_lease_wq;
struct workqueue_struct *hc_ctl_wq;
struct workqueue_struct *hc_watch_wq;
struct workqueue_struct *hc_fail_wq;
struct workqueue_struct *hc_send_wq;
struct workqueue_struct *hc_data_wq;

static const struct {
	struct workqueue_struct **wq;
	const char *name;
	unsigned int flags;
} workqueues[] = {
	{ &hc_tell_wq,	"hc_tell",	WQ_UNBOUND },
	{ &hc_move_wq,	"hc_move",	WQ_UNBOUND },
	{ &hc_lease_wq,	"hc_lease",	WQ_UNBOUND },
	{ &hc_ctl_wq,	"hc_ctl",	WQ_UNBOUND },
	{ &hc_watch_wq,	"hc_watch",	WQ_UNBOUND },
	{ &hc_fail_wq,	"hc_fail",	WQ_UNBOUND },
	{ &hc_send_wq,	"hc_send",	WQ_HIGHPRI },
	{ &hc_data_wq,	"hc_data",	WQ_HIGHPRI },
};

static void workqueues_exit(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(workqueues); i++)
		if (*workqueues[i].wq)
			destroy_workqueue(*workqueues[i].wq);
}

static int workqueues_init(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(workqueues); i++) {
		*workqueues[i].wq = alloc_workqueue("%s", WQ_MEM_RECLAIM | workqueues[i].flags, 0,
						    workqueues[i].name);
		if (!*workqueues[i].wq) {
			workqueues_exit();
			return -ENOMEM;
		}
	}
	return 0;
}

static int __init hc_init(void)
{
	int err;

	err = workqueues_init();
	if (err)
		return err;
	err = hc_move_init();
	if (err)
		goto err_workqueues;
	err = hc_node_init();
	if (err)
		goto err_move;
	err = hc_netlink_init();
	if (err)
		goto err_node;
	return 0;
err_node:
	hc_node_exit();
err_move:
	hc_move_exit();
err_workqueues:
	workqueues_exit();
	return err;
}

/* No request comes in, no node is left with its disk and peers, no work runs. */
static void __exit hc_exit(void)
{
	hc_event_stop();
	hc_netlink_exit();
	hc_node_exit();
	hc_disk_exit();
	workqueues_exit();
	hc_move_exit();
	rcu_barrier();
}

module_init(hc_init);
module_exit(hc_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("hyperchain: memory of other nodes, programs that move, without a kernel patch");
MODULE_VERSION(HC_VERSION);
