/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the whole cluster agrees on, as a deterministic state machine: commands
 * of the replicated log go in, in the same order on every node, and make the
 * same state everywhere. No clock, no randomness, no I/O: time and chance come
 * inside the commands.
 *
 *	commands ──► apply ──► members, tokens, settings, decisions, ...
 *	                           │ encode      ▲ restore
 *	                           ▼             │
 *	                     snapshot, backup ───┘
 *
 * Versions: the state has a version, and so has each command. A program applies
 * what is not newer than HCD_FSM_VERSION, and refuses the rest as a whole. The
 * controller raises the state's version only when every living member knows it,
 * and gives no command before that: so old and new daemons work together.
 *
 * To add something: a field of State and a kind of Command in cluster.proto, a
 * case in fsm.c, its encoding in fsm_encode.c; a new version when old programs
 * could not apply it.
 */
#ifndef HCD_FSM_H
#define HCD_FSM_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/hyperchain.h>

#include "daemon/cluster.pb-c.h"

#ifndef HCD_FSM_VERSION		/* a build of its own stands in for an old daemon in tests */
#define HCD_FSM_VERSION		2
#endif
#define HCD_CLUSTER_ID_LEN	8
#define HCD_TOKEN_ID_LEN	16
#define HCD_NODE_KEY_LEN	32
#define HCD_MEMBERS_MAX		(HC_PEERS_MAX + 1)
#define HCD_TOKENS_MAX		256
#define HCD_SETTINGS_MAX	256
#define HCD_SETTING_KEY_LEN	48
#define HCD_SETTING_VALUE_LEN	256
#define HCD_REMOVED_MAX		4096
#define HCD_DECISIONS_MAX	1024	/* kept; older ones go */
#define HCD_DECISION_TEXT_LEN	512
#define HCD_DECISION_INPUTS_LEN	2048
#define HCD_KEPT_MAX		4096	/* nodes, users and views together */
#define HCD_KEPT_LEN		(64 * 1024)
#define HCD_JOBS_MAX		1024
#define HCD_CHARGES_MAX		200000
#define HCD_CHARGED_DAYS	400	/* a clock that goes on by more at once is no usage */
#define HCD_RUNS_MAX		64	/* remembered of one user and node */

enum hcd_encrypt {
	HCD_ENCRYPT_NONE,		/* a trusted network: MACs, no encryption */
	HCD_ENCRYPT_WIREGUARD,
};

struct hcd_member {
	uint32_t id;
	char name[HC_NAME_LEN + 1];
	char address[INET6_ADDRSTRLEN];
	uint16_t port;
	uint8_t key[HCD_NODE_KEY_LEN];
	uint8_t token[HCD_TOKEN_ID_LEN];
	uint64_t epoch;			/* least lease epoch accepted from it */
	bool is_dead;			/* the controller says so */
	bool is_drained;
	uint64_t joined_s, changed_s;
	uint32_t version_max;
};

struct hcd_token {
	uint8_t id[HCD_TOKEN_ID_LEN];
	uint64_t expires_s;
	bool is_used;
	uint8_t used_by[HCD_NODE_KEY_LEN];
};

struct hcd_setting {
	char key[HCD_SETTING_KEY_LEN];
	char value[HCD_SETTING_VALUE_LEN];
};

struct hcd_decision {
	uint64_t id, at_ms;
	uint32_t node;
	char rule[8];
	char kind[24];
	char user[HC_NAME_LEN + 1];
	char *text, *inputs;
};

/* What the rules remember (daemon/policy/kept.h), as bytes of the message of its kind. */
enum hcd_kept_kind {
	HCD_KEPT_POOL = 1, HCD_KEPT_NODE, HCD_KEPT_USER, HCD_KEPT_VIEW,
	HCD_KEPT_MOVE,			/* not of the policy: a move that is under way */
	HCD_KEPT_JOB,			/* neither: older daemons keep it, and do nothing for it */
	HCD_KEPT_ENVIRONMENT,		/* nor this: containers on several nodes, by user */
};

struct hcd_kept {
	uint32_t kind;
	char key[HC_NAME_LEN + 1];
	uint8_t *data;
	size_t len;
};

/* Of an environment of several nodes; see rules_env.c. */
enum hcd_env_phase {
	HCD_ENV_NONE, HCD_ENV_MAKING, HCD_ENV_MADE, HCD_ENV_FAILED, HCD_ENV_GOING,
};

#define HCD_ENV_NODES_MAX	62	/* of one environment: pairs of its addresses */

/* R19, of one user and node. */
struct hcd_charge {
	char user[HC_NAME_LEN + 1];
	uint32_t node, hour;
	bool is_day;
	uint64_t node_ms, cpu_us, byte_s;
};

struct hcd_counter {
	char user[HC_NAME_LEN + 1];
	uint32_t node;
	uint64_t run, cpu_us, byte_s, at_ms;
};

struct hcd_fsm {
	uint32_t version_max;		/* of this program: HCD_FSM_VERSION, other in tests */
	uint32_t version;
	uint8_t cluster[HCD_CLUSTER_ID_LEN];
	char name[HC_NAME_LEN + 1];
	uint64_t incarnation;		/* 0 = nothing was applied yet */
	enum hcd_encrypt encrypt;
	uint32_t next_node;
	uint32_t controller;
	uint64_t controller_term;
	struct hcd_member members[HCD_MEMBERS_MAX];	/* sorted by id */
	size_t nr_members;
	struct hcd_token tokens[HCD_TOKENS_MAX];
	size_t nr_tokens;
	struct hcd_setting settings[HCD_SETTINGS_MAX];	/* sorted by key */
	size_t nr_settings;
	uint8_t removed[HCD_REMOVED_MAX][HCD_NODE_KEY_LEN];	/* oldest first */
	size_t nr_removed;
	/* Ring: decision id d, where first <= d < next, stands in d % MAX. */
	struct hcd_decision decisions[HCD_DECISIONS_MAX];
	uint64_t first_decision, next_decision;
	uint64_t steps;			/* of the rules */
	uint64_t changes;		/* here only: of what the rules go by, counted */
	struct hcd_kept *kept;		/* sorted by kind, then key */
	size_t nr_kept, kept_room;
	uint64_t charged_ms;		/* 0 = nothing was charged yet */
	struct hcd_charge *charges;	/* sorted by user, node, hour */
	size_t nr_charges, charges_room;
	struct hcd_counter *counters;	/* sorted by user, node, run */
	size_t nr_counters, counters_room;
};

/* What became of one command. A refusal is a result too: it changes nothing. */
struct hcd_result {
	int error;			/* 0 or -errno */
	uint64_t number;		/* id of what was made */
	char text[512];			/* a sentence when refused */
	const char *detail;		/* of a wish: JSON, borrowed during the callback; or NULL */
};

/* @fsm is large: on the heap or static. */
void hcd_fsm_init(struct hcd_fsm *fsm, uint32_t version_max);
void hcd_fsm_clear(struct hcd_fsm *fsm);

/**
 * hcd_fsm_apply - take in one command
 *
 * Return: 0, @ret_result says what became of it; -EPROTONOSUPPORT newer than
 * this program; -EBADMSG no command at all; -ENOMEM. On an error nothing has
 * changed, and nothing may be applied behind it.
 */
int hcd_fsm_apply(struct hcd_fsm *fsm, const void *data, size_t len,
		  struct hcd_result *ret_result);

/* The whole state as bytes; free(). Return: 0 or -ENOMEM. */
int hcd_fsm_encode(const struct hcd_fsm *fsm, uint8_t **ret_data, size_t *ret_len);

/* Replace the whole state. Return: 0, -EPROTONOSUPPORT, -EBADMSG, -ENOMEM; then it is as before. */
int hcd_fsm_restore(struct hcd_fsm *fsm, const void *data, size_t len);

/* Check a message and take it over, as for restore; @state is borrowed. */
int hcd_fsm_take(struct hcd_fsm *fsm, const Hcp__State *state);

/* A command as bytes of malloc(), NULL without memory. */
uint8_t *hcd_command_pack(const Hcp__Command *command, size_t *ret_len);

const struct hcd_member *hcd_fsm_member(const struct hcd_fsm *fsm, uint32_t id);
const struct hcd_member *hcd_fsm_member_by_key(const struct hcd_fsm *fsm, const uint8_t *key);
const struct hcd_member *hcd_fsm_member_by_name(const struct hcd_fsm *fsm, const char *name);
const struct hcd_token *hcd_fsm_token(const struct hcd_fsm *fsm, const uint8_t *id);
bool hcd_fsm_is_removed(const struct hcd_fsm *fsm, const uint8_t *key);

/* Value of a setting, NULL = not set: the default. */
const char *hcd_fsm_setting(const struct hcd_fsm *fsm, const char *key);

/* NULL = never made, or no longer kept. */
const struct hcd_decision *hcd_fsm_decision(const struct hcd_fsm *fsm, uint64_t id);

/* NULL = none. */
const struct hcd_kept *hcd_fsm_kept(const struct hcd_fsm *fsm, uint32_t kind, const char *key);

/* ---- between fsm*.c ------------------------------------------------------------ */

/* Room for one more in a list of the state. Return: false without memory. */
bool hcd_fsm_room(void **list, size_t nr, size_t *room, size_t size);

/* fsm_step.c. Return: 0, or -ENOMEM and nothing has changed. */
int hcd_fsm_apply_step(struct hcd_fsm *fsm, const Hcp__Command *c, struct hcd_result *res);
bool hcd_fsm_take_kept(struct hcd_fsm *fsm, const Hcp__State *st);
void hcd_fsm_clear_kept(struct hcd_fsm *fsm);

/* fsm_usage.c */
int hcd_fsm_apply_counters(struct hcd_fsm *fsm, const Hcp__Command *c, struct hcd_result *res);
bool hcd_fsm_take_usage(struct hcd_fsm *fsm, const Hcp__State *st);
/* Charge the nodes that users have had since the last time. Return: 0 or -ENOMEM. */
int hcd_fsm_charge(struct hcd_fsm *fsm, uint64_t now_ms);

/* Is it a whole and plausible member? Then copied. */
bool hcd_member_take(const Hcp__Member *msg, struct hcd_member *ret_member);

/* Append to the log; texts are copied and cut. Return: its id, 0 without memory. */
uint64_t hcd_fsm_decide(struct hcd_fsm *fsm, uint64_t at_ms, const char *rule, const char *kind,
			uint32_t node, const char *inputs, const char *text);

#endif /* HCD_FSM_H */
