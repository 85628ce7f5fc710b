// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * memory.swap: swapon takes seconds, swapoff can take minutes. So it runs beside
 * the queue; "wait": false answers at once, and `status` shows how far it is.
 * What is on is kept in the state file and comes back after a reboot.
 */
#include "daemon/node/swap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/node/log.h"
#include "daemon/node/module.h"
#include "daemon/node/request.h"
#include "daemon/node/work.h"
#include "tools/lib/swap.h"

struct swap_job {
	struct hcd_job job;
	struct hcd *d;
	struct hcd_request *req;	/* NULL: nobody waits */
	bool is_on;
	bool was_on;
	struct hcnl_swap_on on;
	char backing[HCD_PATH_LEN];
};

static void report(const char *what, uint64_t done, uint64_t total, void *ctx)
{
	struct hcd *d = ctx;

	uv_mutex_lock(&d->swap_lock);
	snprintf(d->swap.step, sizeof(d->swap.step), "%s", what);
	d->swap.done = done;
	d->swap.total = total;
	uv_mutex_unlock(&d->swap_lock);
}

static int swap_run(struct hcd_job *job, struct hcnl *h)
{
	struct swap_job *s = (struct swap_job *)job;
	const struct hcnl_swap_report rep = { .step = report, .ctx = s->d };
	char error[HCNL_SWAP_ERROR_LEN] = "";
	int r;

	if (!h)
		return -ENOENT;
	r = s->is_on ? hcnl_swap_on(h, &s->on, &rep, error) : hcnl_swap_off(h, &rep, error);
	if (r == -EALREADY && !s->req) {
		s->was_on = true;	/* taken over from a daemon before us */
		r = 0;
	}
	if (r < 0 && error[0])
		snprintf(job->error, sizeof(job->error), "%s", error);
	return r;
}

static void swap_done(struct hcd_job *job)
{
	struct swap_job *s = (struct swap_job *)job;
	struct hcd *d = s->d;
	char error[HCD_ERROR_LEN];

	d->swap.is_busy = false;
	d->swap.step[0] = '\0';
	snprintf(d->swap.error, sizeof(d->swap.error), "%s", job->result < 0 ? job->error : "");
	if (job->result == 0) {
		d->state.swap.is_on = s->is_on;
		if (s->is_on) {
			d->state.swap.size = s->on.size;
			d->state.swap.encrypt = s->on.encrypt;
			d->state.swap.checksum = s->on.checksum;
			d->state.swap.priority = s->on.priority;
			d->state.swap.replicas = s->on.replicas;
			snprintf(d->state.swap.backing, sizeof(d->state.swap.backing), "%s",
				 s->backing);
		}
		if (!s->was_on)
			hcd_info("Swap over the memory of other nodes is %s.",
				 s->is_on ? "on" : "off");
	} else if (!s->req) {
		hcd_err("Swap could not be turned %s: %s", s->is_on ? "on" : "off", job->error);
	}
	hcd_module_poll(d->module);
	if (s->req && job->result < 0)
		hcd_request_fail(s->req, "%s", job->error);
	else if (job->result == 0 && hcd_save(d, error) < 0 && s->req)
		hcd_request_fail(s->req, "Done, but: %s", error);
	else if (s->req)
		hcd_request_ok(s->req, json_pack("{s:b, s:I}", "on", (int)s->is_on, "bytes",
						 (json_int_t)s->on.size));
	free(s);
}

static struct swap_job *job_create(struct hcd *d, bool is_on)
{
	struct swap_job *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->job.run = swap_run;
	s->job.done = swap_done;
	s->d = d;
	s->is_on = is_on;
	return s;
}

static void submit(struct swap_job *s)
{
	s->on.backing = s->backing[0] ? s->backing : NULL;
	s->d->swap.is_busy = true;
	s->d->swap.error[0] = '\0';
	report("begin", 0, 0, s->d);
	hcd_queue_submit_beside(hcd_module_queue(s->d->module), &s->job);
}

void hcd_swap_resume(struct hcd *d)
{
	struct swap_job *s;

	if (d->swap.is_busy || (!d->state.swap.is_on && !d->config.swap.is_auto))
		return;
	s = job_create(d, true);
	if (!s)
		return;
	if (d->state.swap.is_on) {
		s->on = (struct hcnl_swap_on){
			.size = d->state.swap.size,
			.encrypt = d->state.swap.encrypt,
			.checksum = d->state.swap.checksum,
			.priority = d->state.swap.priority,
			.replicas = d->state.swap.replicas,
		};
		snprintf(s->backing, sizeof(s->backing), "%s", d->state.swap.backing);
	} else {
		s->on = (struct hcnl_swap_on){
			.size = d->config.swap.size,
			.encrypt = d->config.swap.encrypt,
			.checksum = true,
			.priority = -1,
		};
		snprintf(s->backing, sizeof(s->backing), "%s", d->config.swap.backing);
	}
	submit(s);
}

void hcd_do_memory_swap(struct hcd_request *req)
{
	struct hcd *d = req->d;
	json_int_t bytes = (json_int_t)d->config.swap.size, priority = -1, replicas = 0;
	int on, encrypt = 1, checksum = 1, wait = 1;
	json_t *backing = NULL;
	const char *path;
	struct swap_job *s;

	if (!hcd_request_unpack(req, "{s:b, s?I, s?o, s?b, s?b, s?I, s?I, s?b}", "on", &on,
				"bytes", &bytes, "backing", &backing, "encrypt", &encrypt,
				"checksum", &checksum, "priority", &priority,
				"replicas", &replicas, "wait", &wait))
		return;
	path = json_string_value(backing);
	if (backing && !json_is_null(backing) &&
	    (!path || path[0] != '/' || strlen(path) >= HCD_PATH_LEN)) {
		hcd_request_fail(req, "backing must be the path of a block device, or null.");
		return;
	}
	if (on && (!hcd_request_range(req, "The size of the swap disk", bytes, HC_DISK_SIZE_MIN,
				      HC_DISK_SIZE_MAX) ||
		   (priority != -1 && !hcd_request_range(req, "priority", priority, 0, 32767)) ||
		   !hcd_request_range(req, "replicas", replicas, 0, HC_REPLICAS_MAX)))
		return;
	if (!hcd_module_is_attached(d->module)) {
		hcd_request_fail(req, "There is no swap without the module: %s",
				 hcd_module_reason(d->module));
		return;
	}
	if (d->swap.is_busy) {
		hcd_request_fail(req, "Swap is being turned on or off already; 'status' shows how far it is.");
		return;
	}
	s = job_create(d, on);
	if (!s) {
		hcd_request_fail(req, "Memory is short.");
		return;
	}
	s->on.size = on ? (uint64_t)bytes : 0;
	s->on.encrypt = encrypt;
	s->on.checksum = checksum;
	s->on.priority = (int)priority;
	s->on.replicas = (uint8_t)replicas;
	if (path)
		snprintf(s->backing, sizeof(s->backing), "%s", path);
	else if (on && !backing)
		snprintf(s->backing, sizeof(s->backing), "%s", d->config.swap.backing);
	s->req = wait ? req : NULL;
	submit(s);
	if (!wait)
		hcd_request_ok(req, json_pack("{s:b}", "started", 1));
}
