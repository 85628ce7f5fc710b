// SPDX-License-Identifier: GPL-2.0-or-later
/* Events: a handle joined to the multicast group, and their names. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netlink.h>
#include <sys/socket.h>

#include "sock.h"

int hcnl_events_open(struct hcnl **ret_h)
{
	__attribute__((cleanup(hcnl_closep))) struct hcnl *h = NULL;
	int r = hcnl_open(&h);

	if (r < 0)
		return r;
	if (!h->events_group)
		return -EPROTONOSUPPORT;
	if (setsockopt(h->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &h->events_group,
		       sizeof(h->events_group)) < 0)
		return -errno;
	*ret_h = h;
	h = NULL;
	return 0;
}

int hcnl_event_next(struct hcnl *h, struct hcnl_event *ret_ev, int timeout_ms)
{
	for (;;) {
		struct nlmsghdr *nlh = (struct nlmsghdr *)h->buf;
		struct hcnl_event ev = { 0 };
		struct genlmsghdr *g;
		ssize_t n = hcnl_recv(h, timeout_ms);
		int r;

		if (n < 0)
			return n;
		/* A multicast datagram is one message. */
		if (!nlmsg_ok(nlh, n))
			continue;
		g = hcnl_genl(h, nlh);
		if (!g || g->cmd != HC_CMD_EVENT)
			continue;
		r = hcnl_decode(hcnl_event_fields, genlmsg_attrdata(g, 0), genlmsg_attrlen(g, 0),
				&ev);
		if (r < 0)
			return r;
		*ret_ev = ev;
		return 0;
	}
}

const char *hcnl_event_name(unsigned int kind)
{
	static const char *const names[] = {
		[HC_EV_PEER_LIVE]	= "peer-live",
		[HC_EV_PEER_LOST]	= "peer-lost",
		[HC_EV_PEER_DROPPED]	= "peer-dropped",
		[HC_EV_PEER_REFUSED]	= "peer-refused",
		[HC_EV_CONN_FAILED]	= "conn-failed",
		[HC_EV_PAGES_LOST]	= "pages-lost",
		[HC_EV_DEGRADED]	= "degraded",
		[HC_EV_REPAIRED]	= "repaired",
		[HC_EV_QUOTA]		= "quota",
		[HC_EV_NO_ROOM]		= "no-room",
		[HC_EV_RECALL]		= "recall",
		[HC_EV_DRAINED]		= "drained",
		[HC_EV_BAD_SUM]		= "bad-sum",
		[HC_EV_DAEMON_GONE]	= "daemon-gone",
		[HC_EV_BACKING_ERROR]	= "backing-error",
		[HC_EV_MOVED]		= "moved",
		[HC_EV_MOVE_FAILED]	= "move-failed",
		[HC_EV_MOVE_DOUBT]	= "move-doubt",
		[HC_EV_MOVE_LOST]	= "move-lost",
		[HC_EV_READ_FAILED]	= "read-failed",
	};

	_Static_assert(sizeof(names) / sizeof(names[0]) == HC_EV_MAX + 1, "name every event");
	return kind <= HC_EV_MAX && names[kind] ? names[kind] : "unknown";
}

const char *hcnl_peer_state_name(unsigned int state)
{
	switch (state) {
	case HC_PEER_NEW:
		return "new";
	case HC_PEER_LIVE:
		return "live";
	case HC_PEER_LOST:
		return "lost";
	case HC_PEER_DROPPING:
		return "dropping";
	}
	return "unknown";
}
