// SPDX-License-Identifier: GPL-2.0-or-later
/* The engine's messages in parts that fit frames: see control.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cluster/cluster.h"
#include "daemon/cluster/consensus_wire.h"
#include "daemon/cluster/control.h"
#include "daemon/daemon.h"

#define PART_MAX	(48 * 1024)

int hcd_wire_send(struct hcd_control *c, uint32_t to, const uint8_t *data, size_t len)
{
	struct hcd_peer *peer = hcd_cluster_peer(c->d->cluster, to);
	Hcp__RaftPart part = HCP__RAFT_PART__INIT;
	int r = 0;

	if (!peer || !peer->is_member)
		return -ENOTCONN;
	part.incarnation = c->identity.incarnation;
	part.serial = ++c->part_serial;
	part.total = (uint32_t)len;
	for (size_t at = 0; r == 0 && at < len; at += PART_MAX) {
		part.offset = (uint32_t)at;
		part.data.data = (uint8_t *)data + at;
		part.data.len = len - at < PART_MAX ? len - at : PART_MAX;
		r = hcd_cluster_send(peer, HCD_FRAME_RAFT, &part.base);
	}
	return r;
}

static void drop(struct hcd_watch *w)
{
	free(w->part);
	w->part = NULL;
	w->part_len = w->part_total = 0;
}

/* Return: the whole message is there. */
static bool take(struct hcd_watch *w, const Hcp__RaftPart *msg)
{
	if (msg->offset == 0) {
		drop(w);
		if (!msg->total || msg->total > HCD_RAFT_MESSAGE_MAX)
			return false;
		w->part = malloc(msg->total);
		w->part_total = w->part ? msg->total : 0;
		w->part_serial = msg->serial;
	}
	if (!w->part || msg->serial != w->part_serial || msg->offset != w->part_len ||
	    msg->data.len > w->part_total - w->part_len) {
		drop(w);
		return false;
	}
	memcpy(w->part + w->part_len, msg->data.data, msg->data.len);
	w->part_len += (uint32_t)msg->data.len;
	return w->part_len == w->part_total;
}

void hcd_wire_frame(struct hcd_control *c, struct hcd_peer *peer, const struct hcd_frame *frame)
{
	Hcp__RaftPart *msg = hcp__raft_part__unpack(NULL, frame->len, frame->payload);
	struct hcd_watch *w;

	if (msg)
		hcd_control_follow(c, msg->incarnation);
	w = hcd_control_watch(c, peer->config.id);	/* following forgets what was watched */
	/* Of another log, which has nothing to say to ours. */
	if (msg && w && c->consensus && msg->incarnation == c->identity.incarnation &&
	    take(w, msg)) {
		hcd_consensus_receive(c->consensus, peer->config.id, w->part, w->part_len);
		drop(w);
	}
	if (msg)
		hcp__raft_part__free_unpacked(msg, NULL);
}
