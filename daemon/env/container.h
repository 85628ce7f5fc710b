/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Containers of environments on this node: which there are, what they may use, and whether they
 * are to run. Kept in containers.json; hyperchain-container does the work, one operation at a
 * time for each container, two at a time in all.
 *
 *	    create            start             (cgroup empties)
 *	──► CREATING ──────► RUNNING ◄──────► UNKNOWN: asked, then started again or STOPPED
 *	        │ failed       │ stop ▲ start
 *	        ▼              ▼      │
 *	      FAILED         STOPPED ─┘       DELETING ──► gone
 *
 * Those of an environment that has several nodes are here because the cluster's state says so, and
 * go when it does: see shared.h.
 */
#ifndef HCD_CONTAINER_H
#define HCD_CONTAINER_H

#include <jansson.h>

#include "daemon/daemon.h"
#include "daemon/node/state.h"

#define HCD_CONTAINER_KEYS	16384
#define HCD_CONTAINER_NAME	31	/* a login's */

enum hcd_container_state {
	HCD_CONTAINER_UNKNOWN,		/* to be asked about */
	HCD_CONTAINER_CREATING,
	HCD_CONTAINER_STOPPED,
	HCD_CONTAINER_RUNNING,
	HCD_CONTAINER_DELETING,
	HCD_CONTAINER_FAILED,		/* could not be created: told once, nothing is left of it */
};

enum hcd_container_op {
	HCD_OP_NONE, HCD_OP_STATE, HCD_OP_CREATE, HCD_OP_START, HCD_OP_STOP, HCD_OP_LIMIT,
	HCD_OP_DEL,
	/* Of an environment of several nodes: give out its files, follow its leader, let it go. */
	HCD_OP_SHARE, HCD_OP_ROLE, HCD_OP_LEAVE,
};

struct hcd_container_job;
struct hcd_request;

struct hcd_container {
	char name[HCD_CONTAINER_NAME + 1];
	uint32_t id;			/* the environment's */
	char image[HCD_PATH_LEN];
	char *keys;
	uint32_t cpus_milli, pids;	/* 0 = no limit */
	uint64_t memory;
	bool is_made;			/* its root is whole */
	bool is_on;			/* it is to run, also after a reboot */
	bool forget;			/* of a deletion: the host keys too */
	bool is_local;			/* it is shown this node alone, not the sum */
	bool is_shared;			/* of an environment of several nodes */
	/* what follows is not kept */
	enum hcd_container_state state;
	enum hcd_container_op op;	/* to be done or under way */
	struct hcd_container_job *job;	/* under way */
	uint64_t retry_ms;
	uint32_t failures;		/* starts in a row that failed */
	bool has_sshd;
	bool may_start;			/* a shared one: the state says so, as of now */
	bool is_leader;			/* the same: as it was told last */
	bool is_wished;			/* the controller is asked for something */
	char *told, *given;		/* last, of its nodes; to whom its files are given */
	uint32_t mark;			/* hcd_shared_mark() that it has followed */
	uint32_t serial;		/* of the wish that it is made for */
	enum hcd_container_op end_op;	/* how it ends, once that has begun; 0 = HCD_OP_DEL */
	double remote_busy, remote_idle; /* seconds, all CPUs of its other nodes */
	char address[INET_ADDRSTRLEN];
	char cgroup[HCD_CGROUP_LEN];
	char error[HCD_ERROR_LEN];	/* of the last operation, "" = it went well */
	struct hcd_container *next;
};

struct hcd_containers;

/* Read containers.json and look after what is in it. NULL with @error. */
struct hcd_containers *hcd_containers_start(struct hcd *d, char error[HCD_ERROR_LEN]);

/* No operation begins any more; those under way go on in the helper. */
void hcd_containers_stop(struct hcd_containers *cs);

struct hcd_container *hcd_container_find(struct hcd_containers *cs, const char *name);
struct hcd_container *hcd_container_by_id(struct hcd_containers *cs, uint32_t id);
struct hcd_container *hcd_container_first(struct hcd_containers *cs);	/* by id, then ->next */

/* A new one, empty, with @name and @id; NULL without memory. */
struct hcd_container *hcd_container_add(struct hcd_containers *cs, const char *name, uint32_t id);
void hcd_container_drop(struct hcd_containers *cs, struct hcd_container *c);

/* Write containers.json. Return: 0, or -errno with @error. */
int hcd_containers_save(struct hcd_containers *cs, char error[HCD_ERROR_LEN]);

/* Do @op as soon as may be; the caller has made sure that @c is not busy. */
void hcd_container_do(struct hcd_containers *cs, struct hcd_container *c, enum hcd_container_op op);
bool hcd_container_is_busy(const struct hcd_container *c);

/* "running" and so on. */
const char *hcd_container_state(const struct hcd_container *c);

/* What is shown of it. */
json_t *hcd_container_json(struct hcd_containers *cs, const struct hcd_container *c);

/* The same by its name, of one node or several, if the caller may see it. NULL: @req has failed. */
json_t *hcd_container_seen(struct hcd_request *req, const char *name);

#endif /* HCD_CONTAINER_H */
