/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Jobs that were placed on this node (R2): begun, looked after, stopped, and their output.
 *
 *	replicated state ──► wanted here ──► job.look, .run, .stop, .del ──► hyperchain-container
 *	controller ◄──────── what is seen ◄──────────────────────────────── its keeper of each run
 *
 * A run ("6.1": the first run of job 6) has a keeper of its own, which outlives daemon and helper,
 * and a folder, which tells whoever looks later. The daemon keeps nothing: what the state wants and
 * what the folders say is all there is. A run is begun once: its folder is made first, and who
 * finds it there begins nothing.
 */
#ifndef HCD_ENV_JOB_H
#define HCD_ENV_JOB_H

#include <stdint.h>

#define HCD_JOB_NAME_LEN	32
#define HCD_JOB_ARGS_MAX	128
#define HCD_JOB_ARGS_LEN	4096
#define HCD_JOB_FOLDER_LEN	512
#define HCD_JOB_CPUS_MAX	4096

/* The uids of environment n begin at UIDS + n * IDS: as in hyperchain-container's container.h. */
#define HCD_CONTAINER_UIDS	0x70000000u
#define HCD_CONTAINER_IDS	65536u

struct hcd;
struct hcd_frame;
struct hcd_jobs;
struct hcd_peer;

/* NULL without memory. */
struct hcd_jobs *hcd_jobs_start(struct hcd *d);
/* Nothing begins any more; programs go on. */
void hcd_jobs_stop(struct hcd_jobs *js);

struct hcd_job_piece {
	const char *error;		/* a sentence; NULL = there is a piece */
	const char *data;		/* base64, "" = no more for now */
	uint64_t total;			/* bytes so far */
	uint64_t lost;			/* bytes beyond what is kept */
};

/*
 * The output of a run on @node, from @offset on, as much as fits a message. @cb comes once, perhaps
 * from within; not when the daemon ends.
 */
typedef void (*hcd_job_piece_cb)(const struct hcd_job_piece *piece, void *arg);
void hcd_jobs_read(struct hcd *d, uint32_t node, uint64_t id, uint32_t run, uint64_t offset,
		   hcd_job_piece_cb cb, void *arg);

/* Of another member: it asks for a piece, or brings one. */
void hcd_jobs_read_frame(struct hcd *d, struct hcd_peer *peer, const struct hcd_frame *frame);
void hcd_jobs_piece_frame(struct hcd *d, struct hcd_peer *peer, const struct hcd_frame *frame);

#endif /* HCD_ENV_JOB_H */
