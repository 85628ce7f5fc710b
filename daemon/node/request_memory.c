// SPDX-License-Identifier: GPL-2.0-or-later
/* memory.donate, memory.drain: told to the module, and kept over a restart. */
#include <errno.h>
#include <stdlib.h>

#include "daemon/daemon.h"
#include "daemon/node/agent.h"
#include "daemon/node/module.h"
#include "daemon/node/request.h"
#include "daemon/node/work.h"

struct pool_job {
	struct hcd_job job;
	struct hcd_request *req;
	struct hcnl_pool_set set;
	bool is_applied;
};

static int pool_run(struct hcd_job *job, struct hcnl *h)
{
	struct pool_job *p = (struct pool_job *)job;

	if (!h)
		return 0;	/* kept, and told when the module comes */
	p->is_applied = true;
	return hcnl_pool_set(h, &p->set);
}

static void pool_done(struct hcd_job *job)
{
	struct pool_job *p = (struct pool_job *)job;
	struct hcd *d = p->req->d;
	char error[HCD_ERROR_LEN];

	if (job->result < 0) {
		hcd_request_fail(p->req, "%s", job->error);
		free(p);
		return;
	}
	if (p->set.set_limit) {
		d->state.has_donate = true;
		d->state.donate = p->set.limit;
	}
	if (p->set.set_reserve) {
		d->state.has_reserve = true;
		d->state.reserve = p->set.reserve;
	}
	if (p->set.set_drain)
		d->state.drain = p->set.drain;
	hcd_module_poll(d->module);
	if (hcd_save(d, error) < 0)
		hcd_request_fail(p->req, "Done, but: %s", error);
	else
		hcd_request_ok(p->req, json_pack("{s:b}", "applied", (int)p->is_applied));
	free(p);
}

static void submit(struct hcd_request *req, const struct hcnl_pool_set *set)
{
	struct pool_job *p = calloc(1, sizeof(*p));

	if (!p) {
		hcd_request_fail(req, "Memory is short.");
		return;
	}
	p->job.run = pool_run;
	p->job.done = pool_done;
	p->req = req;
	p->set = *set;
	hcd_queue_submit(hcd_module_queue(req->d->module), &p->job);
}

void hcd_do_memory_donate(struct hcd_request *req)
{
	struct hcnl_pool_set set = { .set_limit = true };
	json_int_t bytes, reserve = -1;

	if (!hcd_request_unpack(req, "{s:I, s?I}", "bytes", &bytes, "reserve", &reserve) ||
	    !hcd_request_range(req, "What is lent", bytes, 0, HC_POOL_SIZE_MAX) ||
	    (reserve != -1 &&
	     !hcd_request_range(req, "The reserve", reserve, 0, HC_POOL_SIZE_MAX)))
		return;
	set.limit = (uint64_t)bytes;
	/* A reserve that is not named stays what it is. */
	if (reserve != -1) {
		set.set_reserve = true;
		set.reserve = (uint64_t)reserve;
	}
	submit(req, &set);
}

void hcd_do_memory_drain(struct hcd_request *req)
{
	struct hcnl_pool_set set = { .set_drain = true };
	int on;

	if (!hcd_request_unpack(req, "{s:b}", "on", &on))
		return;
	set.drain = on;
	submit(req, &set);
}
