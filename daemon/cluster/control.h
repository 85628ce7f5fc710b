/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * This node as a member of its cluster: what the members agree on (fsm.h, through
 * consensus.h) made real here, and, on the member that is elected, the controller.
 *
 *	control.c		life: begin, join, restart, hand over, leave; the log's entries
 *	control_members.c	members become peers; removed ones go
 *	control_ask.c		commands on their way to the controller, and their answers
 *	control_beat.c		heartbeats, the lease, who is dead
 *	control_servers.c	how many voters, and who
 *	control_disk.c		the disk under the log
 *	control_wire.c		the engine's messages in parts that fit frames
 *	clock.c			the time of the log
 *	counters.c		what users' cgroups here have used
 *	rules*.c		the rules, by the controller: see rules.h
 *	fabric.c		the members' encrypted network
 *	join.c			a token: made, shown at another member's door, let in
 *
 * All on the loop's thread.
 */
#ifndef HCD_CONTROL_H
#define HCD_CONTROL_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "daemon/cluster/chan.h"
#include "daemon/cluster/clock.h"
#include "daemon/cluster/consensus.h"
#include "daemon/cluster/fabric.h"
#include "daemon/cluster/fsm.h"
#include "daemon/cluster/identity.h"

#define HCD_TICK_MS		100
#define HCD_FAILURE_MS		2000	/* failure_timeout where nobody has set it */
#define HCD_FAILURE_MIN_MS	1000	/* an election takes as long */
#define HCD_FAILURE_MAX_MS	3600000
#define HCD_BEAT_MS		400	/* at most; else five in failure_timeout */
#define HCD_ELECTION_MS		1000
#define HCD_ASK_MS		15000	/* a command finds a controller, and is decided */
#define HCD_VOTER_GONE_MS	10000	/* a dead voter is replaced after that */

struct hcd;
struct hcd_peer;
struct hcd_ask;
struct hcd_join;
struct hcd_rules;
struct hcd_token_text;
struct hcd_visit;

/* What the log of decisions says of a member's own log; not looked yet. */
enum hcd_log_said { HCD_LOG_UNREAD, HCD_LOG_FINE, HCD_LOG_BROKEN };

/* What the controller, or in part any member, remembers of a member. */
struct hcd_watch {
	uint32_t id;
	uint64_t first_ms;		/* it is known since */
	uint64_t heard_ms;		/* its last beat */
	uint64_t sign_ms;		/* its last frame of any kind */
	/* What it says of the controller that was there before the one of that term. */
	uint64_t former_term;
	uint32_t former;
	uint64_t former_ms;		/* by our clock, when it heard of that one last */
	uint64_t epoch;
	uint32_t version_max;
	uint64_t pristine_ms;		/* since then it says that it has no log; 0 = it has */
	uint64_t broken_ms;		/* since then it says that its log is broken; 0 = no */
	uint64_t broken_told_ms;	/* the next look whether the log of decisions says so */
	enum hcd_log_said log_said;	/* it was seen to say that last */
	uint64_t told_ms;		/* a change of its state was proposed */
	/* An engine message that is coming in parts. */
	uint64_t part_serial;
	uint8_t *part;
	uint32_t part_len, part_total;
};

struct hcd_control {
	struct hcd *d;
	struct hcd_identity identity;
	struct hcd_fsm *fsm;
	struct hcd_fabric fabric;
	struct hcd_consensus *consensus;	/* NULL: no member, or between two logs */
	uv_timer_t tick, soon;
	unsigned int nr_open;
	bool is_stopping;
	bool is_closing;		/* the log is opened once the old one is closed */
	uint64_t disk_ms, give_ms;	/* next look at the disk; next time to hand over for it */
	uint64_t retry_ms, retry_wait_ms;	/* the log is opened again then; 0 = at once */
	uint64_t calm_ms;		/* no write of it failed until then: it is in order */
	bool is_unsaved;		/* the identity on the disk may be another one */
	bool is_log_doubtful;		/* it was broken, and was not written since */
	char log_error[HCD_ERROR_LEN];	/* said last of the log; "": it is in order */
	bool members_changed;		/* peers and the identity file are behind the state */
	uint64_t tick_ms;		/* last one: a late one tells that we stood still */
	uint64_t beat_ms;
	uint64_t lease_until_ms;	/* by our clock, from when the beat was sent */
	uint64_t lease_steps;		/* what the controller had applied when it gave the lease */
	struct hcd_clock clock;		/* the log's time */
	uint64_t office_ms;		/* we are the controller since; 0 = we are not */
	uint32_t seen_controller;	/* of the state, at the last tick */
	uint32_t former;		/* the one before it; 0 = not known */
	uint64_t failure_ms;		/* failure_timeout as it is kept to: see control_beat.c */
	uint64_t failure_wanted_ms;	/* as it is set */
	uint64_t failure_until_ms;	/* the longer one from before holds until then */
	uint64_t failure_changes;	/* of the state, that it was read at */
	uint64_t office_told_ms;
	uint64_t begin_told_ms;
	uint64_t servers_ms;		/* next look at the voters */
	struct hcd_watch watch[HCD_MEMBERS_MAX];
	size_t nr_watch;
	struct hcd_rules *rules;
	struct hcd_ask *asks;
	uint64_t ask_serial, part_serial;
	struct hcd_join *join;		/* under way */
	struct hcd_visit *visits;	/* joiners at our door */
	void (*stopped)(void *arg);
	void *stopped_arg;
};

/* Read who we are, and take part if we are a member. Return: 0 or -errno with @error. */
int hcd_control_start(struct hcd *d, struct hcd_control **ret_control,
		      char error[HCD_ERROR_LEN]);

/* The peers' table is there: members become peers, the log is opened. */
void hcd_control_run(struct hcd_control *c);

/* Hand the office over and close the log; then @done. The peers must live on until then. */
void hcd_control_stop(struct hcd_control *c, void (*done)(void *arg), void *arg);

/* A frame of a peer that is a member. */
void hcd_control_frame(struct hcd_control *c, struct hcd_peer *peer,
		       const struct hcd_frame *frame);

/* Begin a cluster with this node alone. @address "" = the configuration's. 0 or -errno, @error. */
int hcd_control_init(struct hcd_control *c, const char *name, const char *address,
		     enum hcd_encrypt encrypt, char error[HCD_ERROR_LEN]);

/*
 * Begin anew: @state (NULL = what we have) becomes the first entry of a new log, with us as the
 * only voter. What was decided since, elsewhere, is gone. 0 or -errno and @error.
 */
int hcd_control_begin_anew(struct hcd_control *c, const void *state, size_t len,
			   char error[HCD_ERROR_LEN]);

/* Put a log that can't be read aside; it is copied from the others. 0 or -errno and @error. */
int hcd_control_discard_log(struct hcd_control *c, char error[HCD_ERROR_LEN]);

/* Are we the controller, at this moment, beyond doubt? */
bool hcd_control_is_controller(struct hcd_control *c);

/* Who is, as far as known; 0 = nobody. */
uint32_t hcd_control_controller(const struct hcd_control *c);

/*
 * Do we hold a lease, and is our state as new as the controller's was when it gave it? Then a move
 * that the state has is one that is wanted now, and none of long ago.
 */
bool hcd_control_is_current(struct hcd_control *c);

/* A member whose log can't be written or read? */
bool hcd_control_is_broken(const struct hcd_control *c);

/* ---- commands -------------------------------------------------------------------- */

/*
 * Have the controller, wherever it is, give @command to the log; by, at_ms and version are
 * set there. @cb comes once, never from within: @error 0, then @result; or -errno and @text.
 */
typedef void (*hcd_control_cb)(int error, const struct hcd_result *result, const char *text,
			       void *arg);
void hcd_control_do(struct hcd_control *c, Hcp__Command *command, hcd_control_cb cb, void *arg);

/* ---- joining ----------------------------------------------------------------------- */

/* Make a token that expires @lasts_s from now by the log's time. 0 or -errno with @error. */
int hcd_join_token_make(struct hcd_control *c, uint64_t lasts_s, struct hcd_token_text *ret_token,
			char error[HCD_ERROR_LEN]);

/* A token of our cluster that the state knows, by its hash: its secret. NULL = none. */
const struct hcd_psk *hcd_join_token(struct hcd_control *c, const uint8_t *hash);

/* A joiner has proved @hash's secret; @chan is taken over. */
void hcd_join_accept(struct hcd_control *c, struct hcd_chan *chan, const uint8_t *hash);

/* Join by @token. @cb once. Return: 0, or -errno with @error, and no @cb. */
typedef void (*hcd_join_cb)(int error, const char *text, void *arg);
int hcd_join_start(struct hcd_control *c, const char *token, const char *name,
		   const char *address, hcd_join_cb cb, void *arg, char error[HCD_ERROR_LEN]);

/* The daemon ends: so do our own joining and the visits of joiners. */
void hcd_join_stop(struct hcd_control *c);

/* ---- between the files of this folder ------------------------------------------------ */

/* Now, for what must not go back: ms. */
uint64_t hcd_control_now(const struct hcd_control *c);

/* Now, by the log's time: ms since 1970, or close to it; what is charged and rests goes by it. */
uint64_t hcd_control_log_ms(struct hcd_control *c);

struct hcd_watch *hcd_control_watch(struct hcd_control *c, uint32_t id);

/* Do soon, outside of the engine's callbacks, what follows from the state. */
void hcd_control_poke(struct hcd_control *c);

/*
 * Our own id and address are known from now on; take part as the identity says. Return: 0 when that
 * is on the disk, whatever becomes of the log; else -errno with @error, and what was stays.
 */
int hcd_control_enter(struct hcd_control *c, char error[HCD_ERROR_LEN]);
/* A member says that the cluster was begun anew without us: then our log is of the past. */
void hcd_control_follow(struct hcd_control *c, uint64_t incarnation);
int hcd_control_save(struct hcd_control *c);
/* What is wrong with the log, into ours: once, until it is another one. */
void hcd_control_say(struct hcd_control *c, const char *error);
/* Close the log if it is open, and open it, with all that was written. */
void hcd_control_reopen(struct hcd_control *c);

void hcd_disk_tick(struct hcd_control *c, uint64_t now_ms);

void hcd_members_sync(struct hcd_control *c);
int hcd_members_peer(struct hcd_control *c, const struct hcd_known *known);

/* failure_timeout, in ms. */
uint64_t hcd_beat_failure_ms(const struct hcd_control *c);
void hcd_beat_tick(struct hcd_control *c, uint64_t now_ms);
void hcd_beat_frame(struct hcd_control *c, struct hcd_peer *peer, const struct hcd_frame *frame);
void hcd_beat_ack_frame(struct hcd_control *c, struct hcd_peer *peer,
			const struct hcd_frame *frame);
void hcd_servers_tick(struct hcd_control *c, uint64_t now_ms);
/* counters.c: tell what users' cgroups have used. */
void hcd_counters_tick(struct hcd_control *c, uint64_t now_ms);

void hcd_ask_tick(struct hcd_control *c, uint64_t now_ms);
void hcd_ask_frame(struct hcd_control *c, struct hcd_peer *peer, const struct hcd_frame *frame);
void hcd_answer_frame(struct hcd_control *c, struct hcd_peer *peer,
		      const struct hcd_frame *frame);
void hcd_ask_cancel_all(struct hcd_control *c, const char *text);
/* Give a command to our own log; only the controller does. 0 or -errno. */
int hcd_control_propose(struct hcd_control *c, Hcp__Command *command, hcd_propose_cb cb,
			void *arg);

/* The same, when nobody waits for it: what became of it shows in the state. */
void hcd_control_tell(struct hcd_control *c, Hcp__Command *command);

int hcd_wire_send(struct hcd_control *c, uint32_t to, const uint8_t *data, size_t len);
void hcd_wire_frame(struct hcd_control *c, struct hcd_peer *peer, const struct hcd_frame *frame);

#endif /* HCD_CONTROL_H */
