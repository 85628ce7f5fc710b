// SPDX-License-Identifier: GPL-2.0-or-later
/* Relay between the CLI and the daemon; see the UAPI header for the contract. */
#include <linux/cred.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <net/genetlink.h>

#include "env.h"
#include "main.h"
#include "netlink.h"
#include "node.h"
#include "relay.h"

#define WAITING_MAX	256	/* requests of one node */
#define WAITING_ADMIN	16	/* of these kept for admins */
#define WAITING_ENV_MAX	16	/* of these from one environment */
#define WAITING_HOST_MAX 128	/* of these from users of no environment, admins not counted */
#define WAITING_USER_MAX 16	/* of those from one of them */
#define DEADLINE_MS	30000

struct request {
	struct list_head list;		/* node->requests, node->lock */
	struct delayed_work deadline;
	struct hc_node *node;
	u64 cookie;
	u32 portid, seq, env;
	kuid_t uid;
	bool is_admin;
};

static struct request *request_find(struct hc_node *node, u64 cookie)
{
	struct request *r;

	list_for_each_entry(r, &node->requests, list)
		if (r->cookie == cookie)
			return r;
	return NULL;
}

/* Off the list: whoever took it off answers and frees it. */
static void request_take(struct request *r)
{
	lockdep_assert_held(&r->node->lock);
	list_del(&r->list);
	r->node->nr_requests--;
}

/* Answer with @payload, or with @error where that is not NULL. */
static void request_answer(struct request *r, const struct nlattr *payload, u32 error)
{
	size_t len = payload ? nla_len(payload) : 0;
	/* Work items of hc_ctl_wq come here, and swapping may wait for others of them. */
	struct sk_buff *skb = genlmsg_new(nla_total_size(len) + 64, GFP_NOIO);
	void *head;

	if (!skb)
		return;
	head = genlmsg_put(skb, r->portid, r->seq, &hc_genl_family, 0, HC_CMD_ANSWER);
	if (!head || (error && nla_put_u32(skb, HC_A_REQ_ERROR, error)) ||
	    (payload && nla_put(skb, HC_A_REQ_PAYLOAD, len, nla_data(payload)))) {
		nlmsg_free(skb);
		return;
	}
	genlmsg_end(skb, head);
	genlmsg_unicast(r->node->net, skb, r->portid);
}

static void deadline_fn(struct work_struct *work)
{
	struct request *r = container_of(to_delayed_work(work), struct request, deadline);

	mutex_lock(&r->node->lock);
	/* Taken by an answer that came just now: it frees. */
	if (request_find(r->node, r->cookie) != r) {
		mutex_unlock(&r->node->lock);
		return;
	}
	request_take(r);
	mutex_unlock(&r->node->lock);
	request_answer(r, NULL, ETIMEDOUT);
	kfree(r);
}

static void request_end(struct request *r, const struct nlattr *payload, u32 error)
{
	cancel_delayed_work_sync(&r->deadline);
	if (payload || error)
		request_answer(r, payload, error);
	kfree(r);
}

/* Is there room for @new? Neither one environment nor the host's users take it from others. */
static int request_bounds(struct hc_node *node, const struct request *new)
{
	u32 env = 0, host = 0, user = 0;
	struct request *r;

	list_for_each_entry(r, &node->requests, list) {
		env += new->env && r->env == new->env;
		host += !r->env && !r->is_admin;
		user += !r->env && !r->is_admin && uid_eq(r->uid, new->uid);
	}
	if (node->nr_requests >= (new->is_admin ? WAITING_MAX : WAITING_MAX - WAITING_ADMIN) ||
	    env >= WAITING_ENV_MAX)
		return -EAGAIN;
	if (!new->env && !new->is_admin && (host >= WAITING_HOST_MAX || user >= WAITING_USER_MAX))
		return -EAGAIN;
	return 0;
}

/* What the daemon gets of @r, into the empty message @skb; false when it does not fit. */
static bool request_fill(struct sk_buff *skb, struct request *r, u32 daemon, bool is_admin,
			 const struct nlattr *payload)
{
	void *head;

	head = genlmsg_put(skb, daemon, 0, &hc_genl_family, 0, HC_CMD_REQUEST);
	if (!head ||
	    nla_put_u64_64bit(skb, HC_A_REQ_COOKIE, r->cookie, HC_A_REQ_PAD) ||
	    nla_put_u8(skb, HC_A_REQ_ADMIN, is_admin) ||
	    nla_put_u32(skb, HC_A_REQ_ENV, r->env) ||
	    nla_put_u32(skb, HC_A_REQ_PID, task_tgid_nr(current)) ||
	    nla_put_u32(skb, HC_A_REQ_UID, from_kuid_munged(&init_user_ns, current_uid())) ||
	    nla_put(skb, HC_A_REQ_PAYLOAD, nla_len(payload), nla_data(payload)))
		return false;
	genlmsg_end(skb, head);
	return true;
}

int hc_relay_request_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct hc_node *node = hc_node_of(genl_info_net(info));
	struct nlattr *payload = info->attrs[HC_A_REQ_PAYLOAD];
	bool is_admin = hc_caller_is_admin(skb);
	unsigned int noio;
	struct sk_buff *msg;
	struct request *r;
	int err;

	if (!payload) {
		hc_extack(info->extack, "a request needs a payload");
		return -EINVAL;
	}
	/* Before the lock: who gives memory back when there is none may wait for that. */
	r = kzalloc(sizeof(*r), GFP_KERNEL);
	msg = genlmsg_new(nla_total_size(nla_len(payload)) + 128, GFP_KERNEL);
	if (!r || !msg) {
		nlmsg_free(msg);
		kfree(r);
		return -ENOMEM;
	}
	r->node = node;
	r->portid = info->snd_portid;
	r->seq = info->snd_seq;
	r->env = hc_env_of_current();
	r->uid = current_uid();
	r->is_admin = is_admin;
	INIT_DELAYED_WORK(&r->deadline, deadline_fn);
	/* The end of a connection needs this lock: no reclaim under it that may need that end. */
	noio = memalloc_noio_save();
	mutex_lock(&node->lock);
	if (!node->daemon_portid) {
		err = -ENOTCONN;
		hc_extack(info->extack, "no hyperchaind is running on this node");
		goto out_free;
	}
	err = request_bounds(node, r);
	if (err) {
		hc_extack(info->extack, "too many requests wait for the daemon");
		goto out_free;
	}
	r->cookie = ++node->request_cookie;
	err = -EMSGSIZE;
	if (!request_fill(msg, r, node->daemon_portid, is_admin, payload))
		goto out_free;
	err = genlmsg_unicast(node->net, msg, node->daemon_portid);
	msg = NULL;
	if (err) {
		hc_extack(info->extack, "the daemon does not take requests at the moment");
		goto out_free;
	}
	list_add_tail(&r->list, &node->requests);
	node->nr_requests++;
	queue_delayed_work(hc_ctl_wq, &r->deadline, msecs_to_jiffies(DEADLINE_MS));
	mutex_unlock(&node->lock);
	memalloc_noio_restore(noio);
	return 0;
out_free:
	mutex_unlock(&node->lock);
	memalloc_noio_restore(noio);
	nlmsg_free(msg);
	kfree(r);
	return err;
}

int hc_relay_answer_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct hc_node *node = hc_node_of(genl_info_net(info));
	struct nlattr *payload = info->attrs[HC_A_REQ_PAYLOAD];
	struct nlattr *error = info->attrs[HC_A_REQ_ERROR];
	struct request *r = NULL;
	int err = 0;

	if (!info->attrs[HC_A_REQ_COOKIE] || !payload == !error) {
		hc_extack(info->extack, "an answer needs the cookie, and a payload or an error");
		return -EINVAL;
	}
	mutex_lock(&node->lock);
	if (node->daemon_portid != info->snd_portid) {
		err = -EPERM;
		hc_extack(info->extack, "only the registered daemon answers requests");
	} else {
		r = request_find(node, nla_get_u64(info->attrs[HC_A_REQ_COOKIE]));
		if (r) {
			request_take(r);
		} else {
			err = -ENOENT;
			hc_extack(info->extack, "nobody waits for this answer any more");
		}
	}
	mutex_unlock(&node->lock);
	if (r)
		request_end(r, payload, error ? nla_get_u32(error) : 0);
	return err;
}

void hc_relay_port_gone(struct hc_node *node, u32 portid, bool was_daemon)
{
	struct request *r, *tmp;
	LIST_HEAD(gone);

	mutex_lock(&node->lock);
	list_for_each_entry_safe(r, tmp, &node->requests, list) {
		if (!was_daemon && r->portid != portid)
			continue;
		request_take(r);
		list_add_tail(&r->list, &gone);
	}
	mutex_unlock(&node->lock);
	list_for_each_entry_safe(r, tmp, &gone, list)
		request_end(r, NULL, r->portid == portid ? 0 : ENOTCONN);
}

void hc_relay_exit(struct hc_node *node)
{
	struct request *r, *tmp;
	LIST_HEAD(gone);

	mutex_lock(&node->lock);
	list_for_each_entry_safe(r, tmp, &node->requests, list) {
		request_take(r);
		list_add_tail(&r->list, &gone);
	}
	mutex_unlock(&node->lock);
	list_for_each_entry_safe(r, tmp, &gone, list)
		request_end(r, NULL, 0);
}
