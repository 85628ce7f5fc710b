// SPDX-License-Identifier: GPL-2.0-or-later
/* WireGuard by netlink: see wireguard.h; the attributes are told in <linux/wireguard.h>. */
#include "daemon/node/wireguard.h"

#include <errno.h>
#include <linux/wireguard.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/node/cleanup.h"

#define KIND		"wireguard"
#define BATCH		32		/* peers in one message */
#define MESSAGE_SIZE	(16 * 1024)	/* of a batch, with room to spare */

static void socket_free(struct nl_sock **sk)
{
	nl_socket_free(*sk);
}

static void msg_free(struct nl_msg **msg)
{
	nlmsg_free(*msg);
}

static void link_put(struct rtnl_link **link)
{
	rtnl_link_put(*link);
}

#define _cleanup_(f)	__attribute__((cleanup(f)))

static int fail(char error[HCD_ERROR_LEN], const struct hcd_wg *want, const char *what, int nlerr)
{
	int r = nlerr == -NLE_OPNOTSUPP ? -EOPNOTSUPP : nlerr == -NLE_PERM ? -EPERM : -EIO;

	if (r == -EOPNOTSUPP)
		snprintf(error, HCD_ERROR_LEN,
			 "This kernel has no WireGuard, so the nodes' network %s can't be made: load it ('modprobe wireguard').",
			 want->device);
	else
		snprintf(error, HCD_ERROR_LEN, "The nodes' network %s can't be made (%s): %s.",
			 want->device, what, nl_geterror(nlerr));
	return r;
}

/* ---- the interface ---------------------------------------------------------------- */

static int find_link(struct nl_sock *sk, const char *device, struct rtnl_link **ret_link)
{
	return rtnl_link_get_kernel(sk, 0, device, ret_link);
}

static bool is_ours(struct rtnl_link *link)
{
	const char *kind = rtnl_link_get_type(link);

	return kind && strcmp(kind, KIND) == 0;
}

static int add_link(struct nl_sock *sk, const char *device)
{
	struct rtnl_link *link _cleanup_(link_put) = rtnl_link_alloc();
	int r;

	if (!link)
		return -NLE_NOMEM;
	rtnl_link_set_name(link, device);
	r = rtnl_link_set_type(link, KIND);
	return r < 0 ? r : rtnl_link_add(sk, link, NLM_F_CREATE | NLM_F_EXCL);
}

static int add_address(struct nl_sock *sk, int ifindex, const struct in6_addr *inside)
{
	struct rtnl_addr *addr = rtnl_addr_alloc();
	struct nl_addr *local = nl_addr_build(AF_INET6, (void *)inside, sizeof(*inside));
	int r = -NLE_NOMEM;

	if (addr && local) {
		nl_addr_set_prefixlen(local, 64);
		rtnl_addr_set_ifindex(addr, ifindex);
		r = rtnl_addr_set_local(addr, local);
	}
	if (r == 0)
		r = rtnl_addr_add(sk, addr, NLM_F_CREATE | NLM_F_REPLACE);
	nl_addr_put(local);
	if (addr)
		rtnl_addr_put(addr);
	return r;
}

static int set_up(struct nl_sock *sk, struct rtnl_link *link)
{
	struct rtnl_link *change _cleanup_(link_put) = rtnl_link_alloc();

	if (!change)
		return -NLE_NOMEM;
	rtnl_link_set_flags(change, IFF_UP);
	return rtnl_link_change(sk, link, change, 0);
}

/* ---- peers ------------------------------------------------------------------------ */

struct keys {
	size_t nr;
	uint8_t (*list)[HCD_WG_KEY_LEN];
	int error;
};

static int on_device(struct nl_msg *msg, void *arg)
{
	struct nlattr *attrs[WGDEVICE_A_MAX + 1], *fields[WGPEER_A_MAX + 1], *peer;
	struct keys *keys = arg;
	void *list;
	int left;

	if (genlmsg_parse(nlmsg_hdr(msg), 0, attrs, WGDEVICE_A_MAX, NULL) < 0 ||
	    !attrs[WGDEVICE_A_PEERS])
		return NL_OK;
	nla_for_each_nested(peer, attrs[WGDEVICE_A_PEERS], left) {
		if (nla_parse_nested(fields, WGPEER_A_MAX, peer, NULL) < 0 ||
		    !fields[WGPEER_A_PUBLIC_KEY] ||
		    nla_len(fields[WGPEER_A_PUBLIC_KEY]) != HCD_WG_KEY_LEN)
			continue;
		list = realloc(keys->list, (keys->nr + 1) * HCD_WG_KEY_LEN);
		if (!list) {
			keys->error = -NLE_NOMEM;
			return NL_STOP;
		}
		keys->list = list;
		memcpy(keys->list[keys->nr++], nla_data(fields[WGPEER_A_PUBLIC_KEY]),
		       HCD_WG_KEY_LEN);
	}
	return NL_OK;
}

static int read_peers(struct nl_sock *sk, int family, const char *device, struct keys *ret_keys)
{
	struct nl_msg *msg _cleanup_(msg_free) = nlmsg_alloc();
	int r;

	if (!msg || !genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, family, 0, NLM_F_DUMP,
				 WG_CMD_GET_DEVICE, WG_GENL_VERSION) ||
	    nla_put_string(msg, WGDEVICE_A_IFNAME, device) < 0)
		return -NLE_NOMEM;
	nl_socket_modify_cb(sk, NL_CB_VALID, NL_CB_CUSTOM, on_device, ret_keys);
	r = nl_send_auto(sk, msg);
	if (r >= 0)
		r = nl_recvmsgs_default(sk);
	return r < 0 ? r : ret_keys->error;
}

static struct nl_msg *begin(int family, const char *device)
{
	struct nl_msg *msg = nlmsg_alloc_size(MESSAGE_SIZE);

	if (msg && (!genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, family, 0, NLM_F_REQUEST,
				 WG_CMD_SET_DEVICE, WG_GENL_VERSION) ||
		    nla_put_string(msg, WGDEVICE_A_IFNAME, device) < 0)) {
		nlmsg_free(msg);
		msg = NULL;
	}
	return msg;
}

/* Takes @msg over, sends it and waits for the answer. */
static int finish(struct nl_sock *sk, struct nl_msg *msg)
{
	return nl_send_sync(sk, msg);
}

static int put_peer(struct nl_msg *msg, const struct hcd_wg_peer *p)
{
	bool is_v4 = p->at.ss_family == AF_INET;
	struct nlattr *peer = nla_nest_start(msg, 0), *list, *allowed;

	if (!peer || nla_put(msg, WGPEER_A_PUBLIC_KEY, HCD_WG_KEY_LEN, p->key) < 0 ||
	    nla_put(msg, WGPEER_A_PRESHARED_KEY, HCD_WG_KEY_LEN, p->psk) < 0 ||
	    nla_put_u32(msg, WGPEER_A_FLAGS, WGPEER_F_REPLACE_ALLOWEDIPS) < 0 ||
	    nla_put(msg, WGPEER_A_ENDPOINT, is_v4 ? sizeof(struct sockaddr_in) :
		    sizeof(struct sockaddr_in6), &p->at) < 0)
		return -NLE_NOMEM;
	list = nla_nest_start(msg, WGPEER_A_ALLOWEDIPS);
	allowed = list ? nla_nest_start(msg, 0) : NULL;
	if (!allowed || nla_put_u16(msg, WGALLOWEDIP_A_FAMILY, AF_INET6) < 0 ||
	    nla_put(msg, WGALLOWEDIP_A_IPADDR, sizeof(p->inside), &p->inside) < 0 ||
	    nla_put_u8(msg, WGALLOWEDIP_A_CIDR_MASK, 128) < 0)
		return -NLE_NOMEM;
	nla_nest_end(msg, allowed);
	nla_nest_end(msg, list);
	nla_nest_end(msg, peer);
	return 0;
}

static int drop_peer(struct nl_msg *msg, const uint8_t key[HCD_WG_KEY_LEN])
{
	struct nlattr *peer = nla_nest_start(msg, 0);

	if (!peer || nla_put(msg, WGPEER_A_PUBLIC_KEY, HCD_WG_KEY_LEN, key) < 0 ||
	    nla_put_u32(msg, WGPEER_A_FLAGS, WGPEER_F_REMOVE_ME) < 0)
		return -NLE_NOMEM;
	nla_nest_end(msg, peer);
	return 0;
}

static bool is_wanted(const struct hcd_wg *want, const uint8_t key[HCD_WG_KEY_LEN])
{
	for (size_t i = 0; i < want->nr_peers; i++)
		if (memcmp(want->peers[i].key, key, HCD_WG_KEY_LEN) == 0)
			return true;
	return false;
}

/* The i-th change of the peers: those that go, then those that are to be. 0 = nothing to do. */
static int put_change(struct nl_msg *msg, const struct hcd_wg *want, const struct keys *old,
		      size_t i)
{
	if (i >= old->nr)
		return put_peer(msg, &want->peers[i - old->nr]);
	return is_wanted(want, old->list[i]) ? 0 : drop_peer(msg, old->list[i]);
}

static int set_peers(struct nl_sock *sk, int family, const struct hcd_wg *want,
		     const struct keys *old)
{
	size_t nr = old->nr + want->nr_peers;

	for (size_t i = 0; i < nr;) {
		struct nl_msg *msg = begin(family, want->device);
		struct nlattr *list = msg ? nla_nest_start(msg, WGDEVICE_A_PEERS) : NULL;
		int r = list ? 0 : -NLE_NOMEM;

		for (size_t end = i + BATCH; r == 0 && i < nr && i < end; i++)
			r = put_change(msg, want, old, i);
		if (r < 0) {
			nlmsg_free(msg);
			return r;
		}
		nla_nest_end(msg, list);
		r = finish(sk, msg);
		if (r < 0)
			return r;
	}
	return 0;
}

static int set_device(struct nl_sock *sk, int family, const struct hcd_wg *want)
{
	struct nl_msg *msg = begin(family, want->device);

	if (!msg || nla_put(msg, WGDEVICE_A_PRIVATE_KEY, HCD_WG_KEY_LEN, want->secret) < 0 ||
	    nla_put_u16(msg, WGDEVICE_A_LISTEN_PORT, want->port) < 0) {
		nlmsg_free(msg);
		return -NLE_NOMEM;
	}
	return finish(sk, msg);
}

/* ---- all of it -------------------------------------------------------------------- */

static int configure(const struct hcd_wg *want, char error[HCD_ERROR_LEN])
{
	struct nl_sock *sk _cleanup_(socket_free) = nl_socket_alloc();
	struct keys old = { 0 };
	int family, r = sk ? genl_connect(sk) : -NLE_NOMEM;

	if (r < 0)
		return fail(error, want, "netlink", r);
	family = genl_ctrl_resolve(sk, WG_GENL_NAME);
	if (family < 0)
		return fail(error, want, "WireGuard's netlink family", family);
	r = read_peers(sk, family, want->device, &old);
	if (r == 0)
		r = set_device(sk, family, want);
	if (r == 0)
		r = set_peers(sk, family, want, &old);
	free(old.list);
	return r < 0 ? fail(error, want, "keys and peers", r) : 0;
}

int hcd_wg_apply(const struct hcd_wg *want, char error[HCD_ERROR_LEN])
{
	struct nl_sock *sk _cleanup_(socket_free) = nl_socket_alloc();
	struct rtnl_link *link _cleanup_(link_put) = NULL;
	int ifindex, r = sk ? nl_connect(sk, NETLINK_ROUTE) : -NLE_NOMEM;

	if (r < 0)
		return fail(error, want, "netlink", r);
	r = find_link(sk, want->device, &link);
	if (r < 0) {
		r = add_link(sk, want->device);
		if (r < 0)
			return fail(error, want, "the interface", r);
		r = find_link(sk, want->device, &link);
		if (r < 0)
			return fail(error, want, "the interface", r);
	}
	if (!is_ours(link)) {
		snprintf(error, HCD_ERROR_LEN, "There is an interface %s that is not WireGuard's: give it another name, the nodes' network needs this one.",
			 want->device);
		return -EEXIST;
	}
	ifindex = rtnl_link_get_ifindex(link);
	r = configure(want, error);
	if (r < 0)
		return r;
	r = add_address(sk, ifindex, &want->inside);
	if (r < 0)
		return fail(error, want, "its IPv6 address; is IPv6 switched off?", r);
	r = set_up(sk, link);
	return r < 0 ? fail(error, want, "up", r) : ifindex;
}

int hcd_wg_remove(const char *device)
{
	struct nl_sock *sk _cleanup_(socket_free) = nl_socket_alloc();
	struct rtnl_link *link _cleanup_(link_put) = NULL;
	int r = sk ? nl_connect(sk, NETLINK_ROUTE) : -NLE_NOMEM;

	if (r < 0)
		return -EIO;
	if (find_link(sk, device, &link) < 0 || !is_ours(link))
		return 0;
	return rtnl_link_delete(sk, link) < 0 ? -EIO : 0;
}
