// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The output of jobs, in pieces: see job.h. It lies where the job ran; who is asked elsewhere asks
 * that node. A piece fits a message, whatever the output's size; nobody waits for a reader.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cluster/cluster.h"
#include "daemon/cluster/control.h"
#include "daemon/env/helper.h"
#include "daemon/env/job_table.h"
#include "daemon/node/module.h"
#include "daemon/node/work.h"

#define WAIT_MS		15000
#define READS_MAX	64	/* of other nodes, at once */

struct hcd_job_read {
	struct hcd_job_read *next;
	uint64_t serial, deadline_ms;
	uint32_t node;
	hcd_job_piece_cb cb;
	void *arg;
};

/* ---- here ---------------------------------------------------- */

struct read_job {
	struct hcd_job job;
	json_t *request, *answer;
	char run_dir[HCD_PATH_LEN];
	hcd_job_piece_cb cb;
	void *arg;
};

static int read_run(struct hcd_job *job, struct hcnl *h)
{
	struct read_job *r = (struct read_job *)job;

	job->error[0] = '\0';
	return hcd_helper_ask(r->run_dir, r->request, NULL, NULL, &r->answer, job->error);
}

static void read_done(struct hcd_job *job)
{
	struct read_job *r = (struct read_job *)job;
	struct hcd_job_piece piece = { .data = "" };
	json_int_t total = 0, lost = 0;

	json_unpack(r->answer, "{s?s, s?I, s?I}", "data", &piece.data, "total", &total, "lost",
		    &lost);
	piece.total = (uint64_t)total;
	piece.lost = (uint64_t)lost;
	if (job->result < 0)
		piece.error = job->error;
	r->cb(&piece, r->arg);
	json_decref(r->request);
	json_decref(r->answer);
	free(r);
}

static void fail(hcd_job_piece_cb cb, void *arg, const char *text)
{
	const struct hcd_job_piece piece = { .error = text, .data = "" };

	cb(&piece, arg);
}

static void read_here(struct hcd *d, uint64_t id, uint32_t run, uint64_t offset,
		      hcd_job_piece_cb cb, void *arg)
{
	struct read_job *r = calloc(1, sizeof(*r));

	if (r)
		r->request = json_pack("{s:s, s:o, s:I}", "do", "job.read", "run",
				       json_sprintf("%llu.%u", (unsigned long long)id, run),
				       "offset", (json_int_t)offset);
	if (!r || !r->request) {
		free(r);
		fail(cb, arg, "Memory is short.");
		return;
	}
	r->job.run = read_run;
	r->job.done = read_done;
	r->cb = cb;
	r->arg = arg;
	snprintf(r->run_dir, sizeof(r->run_dir), "%s", d->run_dir);
	hcd_queue_submit_beside(hcd_module_queue(d->module), &r->job);
}

/* ---- elsewhere ---------------------------------------------------- */

void hcd_jobs_read(struct hcd *d, uint32_t node, uint64_t id, uint32_t run, uint64_t offset,
		   hcd_job_piece_cb cb, void *arg)
{
	struct hcd_peer *peer = hcd_cluster_peer(d->cluster, node);
	Hcp__JobRead msg = HCP__JOB_READ__INIT;
	struct hcd_job_read *read;
	size_t nr = 0;

	if (node == d->config.node.id) {
		read_here(d, id, run, offset, cb, arg);
		return;
	}
	if (!peer || !hcd_peer_is_up(peer)) {
		fail(cb, arg, "The node that has the output does not answer: it is there again when the node is.");
		return;
	}
	for (read = d->jobs->reads; read; read = read->next)
		nr++;
	read = nr < READS_MAX ? calloc(1, sizeof(*read)) : NULL;
	if (!read) {
		fail(cb, arg, "Too many outputs are being read at once; try again in a moment.");
		return;
	}
	msg.serial = ++d->jobs->read_serial;
	msg.id = id;
	msg.run = run;
	msg.offset = offset;
	*read = (struct hcd_job_read){
		.next = d->jobs->reads, .serial = msg.serial, .node = node, .cb = cb, .arg = arg,
		.deadline_ms = hcd_control_now(d->control) + WAIT_MS,
	};
	d->jobs->reads = read;
	/* What could not be sent is not answered: its time runs out. */
	hcd_cluster_send(peer, HCD_FRAME_JOB_READ, &msg.base);
}

void hcd_jobs_reads_expire(struct hcd_jobs *js, bool is_end)
{
	uint64_t now_ms = is_end ? 0 : hcd_control_now(js->d->control);

	for (struct hcd_job_read **at = &js->reads; *at;) {
		struct hcd_job_read *read = *at;

		if (!is_end && now_ms < read->deadline_ms) {
			at = &read->next;
			continue;
		}
		*at = read->next;
		if (!is_end)
			fail(read->cb, read->arg, "The node that has the output did not answer in time.");
		free(read);
	}
}

/* What another member asked for, on its way. The peer may be gone when it is there. */
struct asked {
	struct hcd *d;
	uint32_t from;
	uint64_t serial;
};

static void on_piece(const struct hcd_job_piece *piece, void *arg)
{
	struct asked *a = arg;
	struct hcd_peer *peer = hcd_cluster_peer(a->d->cluster, a->from);
	Hcp__JobPiece msg = HCP__JOB_PIECE__INIT;

	msg.serial = a->serial;
	msg.text = (char *)(piece->error ? piece->error : "");
	msg.data = (char *)piece->data;
	msg.total = piece->total;
	msg.lost = piece->lost;
	if (peer)
		hcd_cluster_send(peer, HCD_FRAME_JOB_PIECE, &msg.base);
	free(a);
}

void hcd_jobs_read_frame(struct hcd *d, struct hcd_peer *peer, const struct hcd_frame *frame)
{
	Hcp__JobRead *msg = hcp__job_read__unpack(NULL, frame->len, frame->payload);
	struct asked *a = msg ? malloc(sizeof(*a)) : NULL;

	if (a) {
		*a = (struct asked){ .d = d, .from = peer->config.id, .serial = msg->serial };
		read_here(d, msg->id, msg->run, msg->offset, on_piece, a);
	}
	if (msg)
		hcp__job_read__free_unpacked(msg, NULL);
}

void hcd_jobs_piece_frame(struct hcd *d, struct hcd_peer *peer, const struct hcd_frame *frame)
{
	Hcp__JobPiece *msg = hcp__job_piece__unpack(NULL, frame->len, frame->payload);
	struct hcd_job_read **at = &d->jobs->reads, *read;

	while (msg && *at && ((*at)->serial != msg->serial || (*at)->node != peer->config.id))
		at = &(*at)->next;
	if (msg && *at) {
		const struct hcd_job_piece piece = {
			.error = msg->text[0] ? msg->text : NULL, .data = msg->data,
			.total = msg->total, .lost = msg->lost,
		};

		read = *at;
		*at = read->next;
		read->cb(&piece, read->arg);
		free(read);
	}
	if (msg)
		hcp__job_piece__free_unpacked(msg, NULL);
}
