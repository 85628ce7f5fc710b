/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between consensus.c and consensus_change.c only: the engine's inside. */
#ifndef HCD_CONSENSUS_ENGINE_H
#define HCD_CONSENSUS_ENGINE_H

#include <time.h>
#include <raft.h>
#include <raft/uv.h>

#include "daemon/cluster/consensus.h"
#include "daemon/cluster/consensus_wire.h"
#include "daemon/cluster/fsm.h"

#define SEGMENT_SIZE		(1024 * 1024)
#define ENTRY_HDR		8

/* A message that was given away; its sender is told in the next turn of the loop, never within. */
struct sent {
	struct raft_io_send *req;
	raft_io_send_cb cb;
	int status;
};

struct ack {
	uint32_t id;
	uint64_t term, stamp_ms;
	uint64_t last_index;		/* its log is like ours up to there */
};

struct hcd_consensus {
	uv_loop_t *loop;
	const struct hcd_consensus_ops *ops;
	void *ctx;
	uint32_t id, election_ms, snapshot_entries;
	char dir[HCD_PATH_LEN];
	struct raft raft;
	struct raft_io io;
	struct raft_fsm fsm;
	struct raft_uv_transport transport;
	int (*io_start)(struct raft_io *io, unsigned int msecs, raft_io_tick_cb tick,
			raft_io_recv_cb recv);
	void (*io_close)(struct raft_io *io, raft_io_close_cb cb);
	int (*io_append)(struct raft_io *io, struct raft_io_append *req,
			 const struct raft_entry entries[], unsigned int n, raft_io_append_cb cb);
	raft_io_recv_cb recv;
	bool has_raft;			/* raft_init() went well: raft_close() is due */
	bool is_stopping;
	char error[HCD_ERROR_LEN];
	bool is_disk;			/* @error may pass: the disk is full or read-only */
	bool has_written;		/* an entry, since the start */
	uint64_t started_ms;
	struct hcd_result result;	/* of the entry applied last */
	struct sent *sent;
	size_t nr_sent, sent_size;
	uv_timer_t flush, poll;
	unsigned int nr_open;
	uint64_t barrier_term;		/* a barrier of this term was given */
	uint64_t ready_term;		/* and was reached */
	uint64_t quiet_until_ms;	/* no lease: leadership is being handed over */
	bool is_transferring;
	struct ack acks[HCD_RAFT_SERVERS_MAX];
	size_t nr_acks;
	struct ack heard;		/* the leader's last stamp, to be echoed */
	bool is_changing;
	void (*done)(void *arg);
	void *done_arg;
};

/* A clock that never goes back, and goes on while the machine sleeps, in ms. */
static inline uint64_t hcd_engine_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* The disk does not take the log: BROKEN until it does. @why: what the engine says. */
void hcd_engine_disk(struct hcd_consensus *c, const char *why);

/* libraft's error as a negative errno. */
int hcd_engine_errno(int r);

#endif /* HCD_CONSENSUS_ENGINE_H */
