// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * container.vnc: the environment, and whether it can show a desktop. Its user may have installed
 * that a moment ago, so the helper looks, on each node that has a container of it: all have the
 * same files. Elsewhere it is not known. The desktop itself needs no daemon: see init_vnc.c.
 */
#include <stdio.h>
#include <stdlib.h>

#include "daemon/env/container.h"
#include "daemon/env/helper.h"
#include "daemon/node/module.h"
#include "daemon/node/request.h"
#include "daemon/node/work.h"

struct look {
	struct hcd_job job;
	struct hcd_request *req;
	json_t *container, *request, *answer;
	char run_dir[HCD_PATH_LEN];
};

static int look_run(struct hcd_job *job, struct hcnl *h)
{
	struct look *l = (struct look *)job;

	job->error[0] = '\0';
	return hcd_helper_ask(l->run_dir, l->request, NULL, NULL, &l->answer, job->error);
}

static void look_done(struct hcd_job *job)
{
	struct look *l = (struct look *)job;
	json_t *has_vnc = job->result < 0 ? NULL : json_object_get(l->answer, "has_vnc");

	hcd_request_ok(l->req, json_pack("{s:O, s:O}", "container", l->container, "has_vnc",
					 has_vnc ? has_vnc : json_null()));
	json_decref(l->container);
	json_decref(l->request);
	json_decref(l->answer);
	free(l);
}

void hcd_do_container_vnc(struct hcd_request *req)
{
	struct hcd *d = req->d;
	struct hcd_container *c;
	json_t *container;
	struct look *l;
	const char *name;

	if (!hcd_request_unpack(req, "{s:s}", "name", &name))
		return;
	container = hcd_container_seen(req, name);
	if (!container)
		return;
	c = hcd_container_find(d->containers, name);
	if (!c || c->state != HCD_CONTAINER_RUNNING) {
		hcd_request_ok(req, json_pack("{s:o, s:n}", "container", container, "has_vnc"));
		return;
	}
	l = calloc(1, sizeof(*l));
	if (l)
		l->request = json_pack("{s:s, s:s, s:I, s:s}", "do", "vnc", "name", c->name, "id",
				       (json_int_t)c->id, "network", d->config.env.network);
	if (!l || !l->request) {
		json_decref(container);
		free(l);
		hcd_request_fail(req, "Memory is short.");
		return;
	}
	l->job.run = look_run;
	l->job.done = look_done;
	l->req = req;
	l->container = container;
	snprintf(l->run_dir, sizeof(l->run_dir), "%s", d->run_dir);
	hcd_queue_submit_beside(hcd_module_queue(d->module), &l->job);
}
