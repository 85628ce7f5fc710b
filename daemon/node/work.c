// SPDX-License-Identifier: GPL-2.0-or-later
/* Worker jobs: see work.h. */
#include "daemon/node/work.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/lib/hcnl.h"

struct hcd_queue {
	uv_loop_t *loop;
	struct hcd_job *first, **last;	/* wait */
	struct hcd_job *running;
	struct hcnl *h;			/* of the running job's thread */
	unsigned int nr_beside;
	bool is_closing;
};

static void start(struct hcd_queue *queue);

static int open_handle(struct hcd_job *job, struct hcnl **ret_h)
{
	int r = hcnl_open(ret_h);

	if (r == -ENOENT)
		hcnl_missing_reason(job->error, sizeof(job->error));
	else if (r < 0)
		snprintf(job->error, sizeof(job->error),
			 "The module hyperchain can't be talked to: %s.", strerror(-r));
	return r;
}

static void run_with(struct hcd_job *job, struct hcnl *h)
{
	job->result = job->run(job, h);
	if (job->result < 0 && !job->error[0])
		snprintf(job->error, sizeof(job->error), "%s",
			 h && *hcnl_error(h) ? hcnl_error(h) : strerror(-job->result));
}

static void in_queue(uv_work_t *req)
{
	struct hcd_job *job = req->data;
	struct hcd_queue *queue = job->queue;

	job->error[0] = '\0';
	if (!queue->h && open_handle(job, &queue->h) < 0)
		queue->h = NULL;
	run_with(job, queue->h);
	/* The family is gone, or was made anew with another number: look it up again. */
	if (queue->h && (job->result == -ENOENT || job->result == -EPROTONOSUPPORT ||
			 job->result == -EOPNOTSUPP)) {
		hcnl_close(queue->h);
		queue->h = NULL;
	}
}

static void in_own_thread(uv_work_t *req)
{
	struct hcd_job *job = req->data;
	struct hcnl *h = NULL;

	job->error[0] = '\0';
	if (open_handle(job, &h) < 0)
		h = NULL;
	run_with(job, h);
	hcnl_close(h);
}

static void free_when_idle(struct hcd_queue *queue)
{
	if (!queue->is_closing || queue->running || queue->nr_beside)
		return;
	hcnl_close(queue->h);
	free(queue);
}

static void after_queue(uv_work_t *req, int status)
{
	struct hcd_job *job = req->data;
	struct hcd_queue *queue = job->queue;

	queue->running = NULL;
	if (queue->is_closing) {
		free(job);
		free_when_idle(queue);
		return;
	}
	job->done(job);
	/* done() may have submitted more, which started them. */
	if (!queue->running)
		start(queue);
}

static void after_own_thread(uv_work_t *req, int status)
{
	struct hcd_job *job = req->data;
	struct hcd_queue *queue = job->queue;

	queue->nr_beside--;
	if (!queue->is_closing) {
		job->done(job);
		return;
	}
	free(job);
	free_when_idle(queue);
}

static void start(struct hcd_queue *queue)
{
	struct hcd_job *job = queue->first;

	if (!job)
		return;
	queue->first = job->next;
	if (!queue->first)
		queue->last = &queue->first;
	queue->running = job;
	uv_queue_work(queue->loop, &job->req, in_queue, after_queue);
}

struct hcd_queue *hcd_queue_create(uv_loop_t *loop)
{
	struct hcd_queue *queue = calloc(1, sizeof(*queue));

	if (!queue)
		return NULL;
	queue->loop = loop;
	queue->last = &queue->first;
	return queue;
}

void hcd_queue_destroy(struct hcd_queue *queue)
{
	queue->is_closing = true;
	while (queue->first) {
		struct hcd_job *job = queue->first;

		queue->first = job->next;
		free(job);
	}
	free_when_idle(queue);
}

void hcd_queue_submit(struct hcd_queue *queue, struct hcd_job *job)
{
	job->queue = queue;
	job->req.data = job;
	job->next = NULL;
	*queue->last = job;
	queue->last = &job->next;
	if (!queue->running)
		start(queue);
}

void hcd_queue_submit_beside(struct hcd_queue *queue, struct hcd_job *job)
{
	job->queue = queue;
	job->req.data = job;
	queue->nr_beside++;
	uv_queue_work(queue->loop, &job->req, in_own_thread, after_own_thread);
}
