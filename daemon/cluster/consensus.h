/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The consensus engine: libraft, with its log and snapshots in one directory.
 * Nothing outside of consensus.c and consensus_wire.c knows which engine it is.
 *
 *	propose ──► log, on a majority's disks ──► apply, in the same order on all
 *
 * Servers are node ids. A VOTER counts for majorities; a STANDBY gets the log
 * and can become one. Messages go out by @send and come in by receive(): who
 * carries them, and proves where they come from, is not this part's business.
 *
 * Leadership here is the engine's; hcd_consensus_has_lease() says whether it can
 * be relied on at this moment: a majority has answered so lately that no other
 * leader can have been elected since. Voters that have just started refuse votes
 * for one election timeout, since they don't know what they answered before.
 *
 * All calls on the loop's thread. Broken: the log can't be read or written; the
 * engine has stopped, nothing is guessed, hcd_consensus_error() says the way out.
 */
#ifndef HCD_CONSENSUS_H
#define HCD_CONSENSUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "daemon/node/config.h"

struct hcd_consensus;
struct hcd_result;

enum hcd_server_role {
	HCD_SERVER_STANDBY,
	HCD_SERVER_VOTER,
	HCD_SERVER_SPARE,		/* known, gets nothing */
};

enum hcd_consensus_state {
	HCD_CONSENSUS_FOLLOWER,
	HCD_CONSENSUS_CANDIDATE,
	HCD_CONSENSUS_LEADER,
	HCD_CONSENSUS_BROKEN,
};

struct hcd_server {
	uint32_t id;
	enum hcd_server_role role;
};

struct hcd_consensus_ops {
	/* One command of the log. Return: 0 or -errno: then the engine stops. */
	int (*apply)(const void *data, size_t len, struct hcd_result *ret_result, void *ctx);
	/* The whole state, of malloc(); and back. Return: 0 or -errno. */
	int (*snapshot)(uint8_t **ret_data, size_t *ret_len, void *ctx);
	int (*restore)(const void *data, size_t len, void *ctx);
	/* Carry it to that node, or say -errno: it is said again. @data is borrowed. */
	int (*send)(uint32_t to, const uint8_t *data, size_t len, void *ctx);
};

/* @error: 0, then @result; or -errno: -ESTALE no longer leader, it may or may not happen. */
typedef void (*hcd_propose_cb)(int error, const struct hcd_result *result, void *arg);
typedef void (*hcd_change_cb)(int error, void *arg);

struct hcd_consensus_options {
	const char *dir;		/* made when missing; borrowed during the call */
	uint32_t id;
	bool is_first;			/* empty log: begin one, with us as the only voter */
	uint32_t election_ms;
	uint32_t snapshot_entries;	/* as many more in the log: it is cut; half of them stay */
};

/**
 * hcd_consensus_start - open the log and take part
 * @ops: borrowed for its lifetime
 *
 * A log that can't be used is no failure: the state is BROKEN then.
 * Return: 0 and *@ret_consensus, or -ENOMEM, -EINVAL with @error.
 */
int hcd_consensus_start(uv_loop_t *loop, const struct hcd_consensus_options *options,
			const struct hcd_consensus_ops *ops, void *ctx,
			struct hcd_consensus **ret_consensus, char error[HCD_ERROR_LEN]);

/* Stop; @done when its files are closed (or NULL), the memory is freed then. */
void hcd_consensus_stop(struct hcd_consensus *c, void (*done)(void *arg), void *arg);

enum hcd_consensus_state hcd_consensus_state(const struct hcd_consensus *c);

/* What is wrong and what to do, while BROKEN; else "". */
const char *hcd_consensus_error(const struct hcd_consensus *c);

/* BROKEN by the disk only: once that takes the log again, stop this and start anew. */
bool hcd_consensus_may_pass(const struct hcd_consensus *c);

/* Did the disk take an entry since the start? */
bool hcd_consensus_has_written(const struct hcd_consensus *c);

/* Can a log in @dir grow? Return: 0, -ENOSPC, or why it can't be written (-EROFS). */
int hcd_log_check(const char *dir);

/* Who leads as far as known, 0 = nobody. */
uint32_t hcd_consensus_leader(const struct hcd_consensus *c);
uint64_t hcd_consensus_term(const struct hcd_consensus *c);

/* Is the log empty, and nobody has made us a server yet? */
bool hcd_consensus_is_pristine(const struct hcd_consensus *c);

/* Leader, everything of older terms is applied, and a majority answered lately. */
bool hcd_consensus_has_lease(struct hcd_consensus *c);

/* Servers by the newest configuration. Return: how many were written, @max at most. */
size_t hcd_consensus_servers(const struct hcd_consensus *c, struct hcd_server *ret_servers,
			     size_t max);

/* Give it to the log. Return: 0 and @cb comes once; or -ESTALE (no leader), -ENOMEM, -ENOSPC. */
int hcd_consensus_propose(struct hcd_consensus *c, const void *data, size_t len,
			  hcd_propose_cb cb, void *arg);

/* One change of servers at a time. Return: 0 and @cb comes once; -EBUSY, -ESTALE, -EINVAL. */
int hcd_consensus_add(struct hcd_consensus *c, uint32_t id, hcd_change_cb cb, void *arg);
int hcd_consensus_assign(struct hcd_consensus *c, uint32_t id, enum hcd_server_role role,
			 hcd_change_cb cb, void *arg);
int hcd_consensus_remove(struct hcd_consensus *c, uint32_t id, hcd_change_cb cb, void *arg);

/*
 * Hand leadership to @id (0 = of the voters that live, the one whose log is the longest). The lease
 * ends at once. As above; -EBUSY while it is handed over, -ENOTCONN when no other voter lives.
 */
int hcd_consensus_transfer(struct hcd_consensus *c, uint32_t id, hcd_change_cb cb, void *arg);

/* A message of @from came, which has proved that it is that node. */
void hcd_consensus_receive(struct hcd_consensus *c, uint32_t from, const uint8_t *data,
			   size_t len);

#endif /* HCD_CONSENSUS_H */
