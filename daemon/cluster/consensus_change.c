// SPDX-License-Identifier: GPL-2.0-or-later
/* What is asked of the engine: commands for the log, changes of servers. See consensus.h. */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "daemon/cluster/consensus_engine.h"

#define DISK_LEAST		(8ULL * SEGMENT_SIZE)	/* below, nothing is proposed */
#define TRANSFER_QUIET		10	/* election timeouts, after a handover that failed */

int hcd_engine_errno(int r)
{
	switch (r) {
	case 0:
		return 0;
	case RAFT_NOMEM:
		return -ENOMEM;
	case RAFT_NOTLEADER:
	case RAFT_LEADERSHIPLOST:
	case RAFT_SHUTDOWN:
	case RAFT_CANCELED:
		return -ESTALE;
	case RAFT_CANTCHANGE:
	case RAFT_BUSY:
		return -EBUSY;
	case RAFT_NOSPACE:
		return -ENOSPC;
	case RAFT_NOCONNECTION:
		return -ENOTCONN;
	case RAFT_IOERR:
		return -EIO;
	default:
		return -EINVAL;
	}
}

/*
 * An entry in the log: the command's length, 8 bytes little-endian, the command, and zeros up to a
 * multiple of 8. The engine's disk format pads the last one of a batch without counting that: what
 * has another length can be written but not read again.
 */
static size_t entry_len(size_t len)
{
	return ENTRY_HDR + ((len + 7) & ~(size_t)7);
}

struct proposal {
	struct raft_apply req;
	hcd_propose_cb cb;
	void *arg;
};

static void on_applied(struct raft_apply *req, int status, void *result)
{
	struct proposal *p = req->data;
	int error = hcd_engine_errno(status);

	if (status == RAFT_IOERR || status == RAFT_NOSPACE)
		error = -ESTALE;	/* others may have it already, and commit it */
	p->cb(error, status == 0 ? result : NULL, p->arg);
	free(p);
}

int hcd_log_check(const char *dir)
{
	struct statvfs st;

	if (access(dir, W_OK) < 0 && errno != ENOENT)
		return -errno;
	if (statvfs(dir, &st) < 0)
		return 0;
	return (uint64_t)st.f_bavail * st.f_frsize < DISK_LEAST ||
	       (st.f_files && !st.f_favail) ? -ENOSPC : 0;
}

int hcd_consensus_propose(struct hcd_consensus *c, const void *data, size_t len,
			  hcd_propose_cb cb, void *arg)
{
	struct raft_buffer buf = { .len = entry_len(len) };
	uint64_t le = htole64(len);
	struct proposal *p;
	int r;

	if (hcd_consensus_state(c) != HCD_CONSENSUS_LEADER)
		return -ESTALE;
	if (hcd_log_check(c->dir) < 0)
		return -ENOSPC;
	p = calloc(1, sizeof(*p));
	buf.base = raft_malloc(buf.len);
	if (!p || !buf.base) {
		free(p);
		raft_free(buf.base);
		return -ENOMEM;
	}
	memset(buf.base, 0, buf.len);
	memcpy(buf.base, &le, sizeof(le));
	memcpy((uint8_t *)buf.base + ENTRY_HDR, data, len);
	p->cb = cb;
	p->arg = arg;
	p->req.data = p;
	r = raft_apply(&c->raft, &p->req, &buf, 1, on_applied);
	if (r == 0)
		return 0;
	raft_free(buf.base);
	free(p);
	return hcd_engine_errno(r);
}

struct change {
	struct raft_change req;
	struct raft_transfer transfer;
	struct hcd_consensus *c;
	hcd_change_cb cb;
	void *arg;
};

/* Only the leader changes something. */
static int change_new(struct hcd_consensus *c, hcd_change_cb cb, void *arg,
		      struct change **ret_change)
{
	struct change *ch;

	if (hcd_consensus_state(c) != HCD_CONSENSUS_LEADER)
		return -ESTALE;
	ch = calloc(1, sizeof(*ch));
	if (!ch)
		return -ENOMEM;
	ch->c = c;
	ch->cb = cb;
	ch->arg = arg;
	ch->req.data = ch->transfer.data = ch;
	*ret_change = ch;
	return 0;
}

static void on_change(struct raft_change *req, int status)
{
	struct change *ch = req->data;

	ch->c->is_changing = false;
	ch->cb(hcd_engine_errno(status), ch->arg);
	free(ch);
}

/* @r: what the engine said to the request. */
static int change_begun(struct hcd_consensus *c, struct change *ch, int r)
{
	if (r == 0) {
		c->is_changing = true;
		return 0;
	}
	free(ch);
	return hcd_engine_errno(r);
}

int hcd_consensus_add(struct hcd_consensus *c, uint32_t id, hcd_change_cb cb, void *arg)
{
	char address[HCD_RAFT_ADDRESS_LEN];
	struct change *ch;
	int r;

	r = c->is_changing ? -EBUSY : change_new(c, cb, arg, &ch);
	if (r < 0)
		return r;
	hcd_raft_address(id, address);
	return change_begun(c, ch, raft_add(&c->raft, &ch->req, id, address, on_change));
}

int hcd_consensus_assign(struct hcd_consensus *c, uint32_t id, enum hcd_server_role role,
			 hcd_change_cb cb, void *arg)
{
	static const int roles[] = {
		[HCD_SERVER_STANDBY] = RAFT_STANDBY, [HCD_SERVER_VOTER] = RAFT_VOTER,
		[HCD_SERVER_SPARE] = RAFT_SPARE,
	};
	struct change *ch;
	int r;

	r = c->is_changing ? -EBUSY : change_new(c, cb, arg, &ch);
	if (r < 0)
		return r;
	return change_begun(c, ch, raft_assign(&c->raft, &ch->req, id, roles[role], on_change));
}

int hcd_consensus_remove(struct hcd_consensus *c, uint32_t id, hcd_change_cb cb, void *arg)
{
	struct change *ch;
	int r;

	r = c->is_changing ? -EBUSY : change_new(c, cb, arg, &ch);
	if (r < 0)
		return r;
	return change_begun(c, ch, raft_remove(&c->raft, &ch->req, id, on_change));
}

static void on_transfer(struct raft_transfer *req)
{
	struct change *ch = req->data;
	struct hcd_consensus *c = ch->c;

	c->is_transferring = false;
	ch->cb(c->raft.state == RAFT_LEADER ? -ETIMEDOUT : 0, ch->arg);
	free(ch);
}

/* Whom to hand over to: the engine itself does not ask who lives. 0 = nobody. */
static uint32_t successor(struct hcd_consensus *c)
{
	const struct raft_configuration *conf = &c->raft.configuration;
	uint64_t now = hcd_engine_ms();
	const struct ack *best = NULL;

	for (unsigned int i = 0; i < conf->n; i++) {
		const struct ack *a = NULL;

		for (size_t k = 0; k < c->nr_acks; k++) {
			if (c->acks[k].id == conf->servers[i].id)
				a = &c->acks[k];
		}
		if (conf->servers[i].role == RAFT_VOTER && conf->servers[i].id != c->id && a &&
		    a->term == c->raft.current_term && now < a->stamp_ms + c->election_ms &&
		    (!best || a->last_index > best->last_index))
			best = a;
	}
	return best ? best->id : 0;
}

int hcd_consensus_transfer(struct hcd_consensus *c, uint32_t id, hcd_change_cb cb, void *arg)
{
	uint64_t quiet_was_ms = c->quiet_until_ms;
	struct change *ch;
	int r;

	if (hcd_consensus_state(c) == HCD_CONSENSUS_LEADER && !id) {
		id = successor(c);
		if (!id)
			return -ENOTCONN;
	}
	r = c->is_transferring ? -EBUSY : change_new(c, cb, arg, &ch);
	if (r < 0)
		return r;
	/* The other one may be elected at any moment from now on, and some time after it failed. */
	c->quiet_until_ms = hcd_engine_ms() + (uint64_t)c->election_ms * TRANSFER_QUIET;
	c->is_transferring = true;
	r = raft_transfer(&c->raft, &ch->transfer, id, on_transfer);
	if (r == 0)
		return 0;
	c->is_transferring = false;
	c->quiet_until_ms = quiet_was_ms;
	free(ch);
	return hcd_engine_errno(r);
}
