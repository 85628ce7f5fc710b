/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Service processes of this node: those in the cgroups of its environments that are called as a
 * user is (R13; `admin`: the whole pool). Sampled each second, told to the controller, and moved as
 * it decides.
 *
 *	process.c	what is known of them, and their loads
 *	process_sample.c	when to look, and where
 *	process_look.c	in a worker: cgroups, /proc, the module's moves and reasons
 *	process_tell.c	to the controller
 *	process_move.c	moves that were decided
 *
 * A process's load (SPEC): the greater of its part of all CPUs' time and of the node's memory,
 * smoothed as the node's is. A program that runs elsewhere is measured there, as a *guest*, and
 * known at its home by the number of its move. What the module says can't move is restricted for
 * the rules, with its reason.
 */
#ifndef HCD_PROCESS_H
#define HCD_PROCESS_H

#include "daemon/daemon.h"
#include "tools/lib/hcnl.h"

#define HCD_PROCESSES_MAX	200	/* told, the heaviest: all of them fit one frame */
#define HCD_PROCESSES_SEEN	1024	/* looked at */
#define HCD_GUESTS_MAX		256
#define HCD_WHY_LEN		96
#define HCD_NAME_OF_PROGRAM	16

/* The counters of one process between two looks. */
struct hcd_process_load {
	uint64_t ticks, at_ms;		/* CPU time, by the clock of the look */
	double cpu_busy, memory_used, load;	/* < 0 = unknown */
};

struct hcd_process {
	uint32_t pid;
	uint64_t start;			/* in ticks since boot: with @pid, the process */
	char user[HC_NAME_LEN + 1];
	char name[HCD_NAME_OF_PROGRAM];
	uint32_t at;			/* node where it runs; 0 = here */
	uint64_t move;			/* the module's, that is under way or took it there */
	bool is_moving;
	char why[HCD_WHY_LEN];		/* can't move; "" = it can */
	uint64_t checked_ms;		/* when that was found out */
	uint64_t moved_ms;		/* hcd_control_now(): it moved or could not; 0 = never */
	bool has_failed;		/* it could not */
	struct hcd_process_load load;	/* as it was while it ran here */
	bool is_seen;			/* scratch of one look */
};

struct hcd_guest {
	uint64_t move;
	struct hcd_process_load load;
	bool is_seen;
};

struct hcd_order;

struct hcd_processes {
	struct hcd_process list[HCD_PROCESSES_SEEN];
	size_t nr;
	struct hcd_guest guests[HCD_GUESTS_MAX];
	size_t nr_guests;
	bool is_looking;
	uint64_t looked_ms;		/* by hcd_control_now(); 0 = not yet */
	uint64_t stepped_ms;		/* the look by which moves were taken further */
	struct hcnl_move *moves;	/* the module's, as of then */
	size_t nr_moves;
	bool takes_programs;		/* this module was told that peers' programs may come */
	struct hcd_order *orders;
};

/* What one look brings: made in a worker. */
struct hcd_look_row {
	uint32_t pid;
	uint64_t start, ticks, bytes;
	char name[HCD_NAME_OF_PROGRAM];
	size_t user;			/* index of hcd_look.places */
	bool is_checked;
	char why[HCD_WHY_LEN];
};

struct hcd_look_guest {
	uint64_t move, ticks, bytes;
};

struct hcd_look_place {
	char user[HC_NAME_LEN + 1];
	char cgroup[HCD_CGROUP_LEN];
};

/* Who was checked last when. */
struct hcd_look_known {
	uint32_t pid;
	uint64_t start, checked_ms;
};

struct hcd_look {
	char proc[64];			/* where /proc is */
	struct hcd_look_place *places;
	size_t nr_places;
	struct hcd_look_known *known;
	size_t nr_known;
	uint64_t at_ms;			/* by CLOCK_BOOTTIME, when the counters were read */
	struct hcd_look_row rows[HCD_PROCESSES_SEEN];
	size_t nr_rows;
	struct hcd_look_guest guests[HCD_GUESTS_MAX];
	size_t nr_guests;
	struct hcnl_move *moves;	/* handed over to who takes it */
	size_t nr_moves;
};

/* Return: NULL without memory. */
struct hcd_processes *hcd_processes_new(void);
void hcd_processes_free(struct hcd_processes *p);

/* Begin to look; each second. */
void hcd_processes_sample(struct hcd *d);

/* The module is there (again). @is_fresh: loaded since, it was told nothing. */
void hcd_processes_attached(struct hcd *d, bool is_fresh);

/* Something of a move has happened in the module: look now. */
void hcd_processes_event(struct hcd *d, const struct hcnl_event *ev);

/* Its number, or NULL. */
struct hcd_process *hcd_process_find(struct hcd_processes *p, uint32_t pid, uint64_t start);

/*
 * What @look found, in. @cpus, @room: of the node, 0 = unknown; @rest: what is no longer there is
 * forgotten. Takes over the list of moves.
 */
void hcd_processes_take(struct hcd_processes *p, struct hcd_look *look, uint32_t cpus, double room);

/* Tell the controller; where we are it, take it in. */
void hcd_processes_tell(struct hcd *d);

/* Carry out what the state says; on each tick of the control. */
void hcd_moves_tick(struct hcd *d, uint64_t now_ms);
void hcd_moves_free(struct hcd_processes *p);
/* For process_tell.c: what became of them. */
struct hcd_order_outcome {
	uint64_t id;
	unsigned int what;		/* enum pol_order_do */
	uint64_t stopped_us;
	char text[HCNL_TEXT_LEN];
};
/* The @i-th; false behind the last one. */
bool hcd_moves_outcome(const struct hcd_processes *p, size_t i, struct hcd_order_outcome *ret);

/* process_look.c, in a worker: counters, moves, some reasons. @h may be NULL in tests. */
int hcd_look_run(struct hcd_look *look, struct hcnl *h);

#endif /* HCD_PROCESS_H */
