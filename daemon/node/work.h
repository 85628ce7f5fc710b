/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls into the module, off the loop: a netlink call blocks until the kernel
 * has answered. Jobs of one queue run one after the other in a worker thread,
 * in the order they were submitted, with the queue's own netlink handle; the
 * jobs that wait long (PEER_ADD, swapon) go beside the queue, each with a handle
 * of its own.
 */
#ifndef HCD_WORK_H
#define HCD_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "daemon/node/config.h"

struct hcnl;
struct hcd_queue;

struct hcd_job {
	/*
	 * In the worker: what to do. @h is NULL where the module is not there, and
	 * @error then says why. Returns 0 or -errno; on failure @error may be set,
	 * else the netlink library's sentence is taken.
	 */
	int (*run)(struct hcd_job *job, struct hcnl *h);
	/* On the loop: @result as run() returned it. Frees the job. Not called at shutdown. */
	void (*done)(struct hcd_job *job);
	int result;
	char error[HCD_ERROR_LEN];
	/* private */
	struct hcd_job *next;
	struct hcd_queue *queue;
	uv_work_t req;
};

/* Return: NULL without memory. */
struct hcd_queue *hcd_queue_create(uv_loop_t *loop);

/*
 * No job begins any more, no done() is called: jobs that wait or run are only
 * freed. For the end of the process. The memory goes with the last job that runs.
 */
void hcd_queue_destroy(struct hcd_queue *queue);

/* Append @job, which lives until its done(). */
void hcd_queue_submit(struct hcd_queue *queue, struct hcd_job *job);

/* Run @job beside the queue. At most a few at a time: the others wait for a thread. */
void hcd_queue_submit_beside(struct hcd_queue *queue, struct hcd_job *job);

#endif /* HCD_WORK_H */
