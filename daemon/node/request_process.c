// SPDX-License-Identifier: GPL-2.0-or-later
/* process.tracked: service processes whose home is this node, and why some can't move. */
#include <string.h>

#include "daemon/cluster/control.h"
#include "daemon/node/process.h"
#include "daemon/node/request.h"

/* Fits HC_REQUEST_LEN with room: beyond it "more" is true, and "after" goes on. */
#define ROWS_MAX 128

static json_t *row(const struct hcd_process *p, uint64_t now_ms)
{
	json_t *obj = json_pack("{s:I, s:s, s:s, s:I, s:o, s:b, s:s}", "pid", (json_int_t)p->pid,
				"name", p->name, "user", p->user, "node", (json_int_t)p->at, "load",
				p->load.load < 0 ? json_null() : json_real(p->load.load), "movable",
				(int)(!p->why[0] && !p->is_moving), "why",
				p->is_moving ? "it is moving" : p->why);

	if (p->moved_ms)
		json_object_set_new(obj, "moved_s",
				    json_integer((json_int_t)(now_ms - p->moved_ms) / 1000));
	return obj;
}

void hcd_do_process_tracked(struct hcd_request *req)
{
	const struct hcd_processes *p = req->d->processes;
	json_int_t after = 0;
	json_t *rows;
	size_t i;

	if (!hcd_request_unpack(req, "{s?I}", "after", &after) || !hcd_request_member(req))
		return;
	rows = json_array();
	i = after < 0 ? 0 : (size_t)after;
	for (; i < p->nr && json_array_size(rows) < ROWS_MAX; i++) {
		json_t *obj = row(&p->list[i], hcd_control_now(req->d->control));

		/* Where it runs, also when that is here. */
		if (!p->list[i].at)
			json_object_set_new(obj, "node", json_integer(req->d->config.node.id));
		json_array_append_new(rows, obj);
	}
	hcd_request_ok(req, json_pack("{s:o, s:b, s:I}", "processes", rows, "more", (int)(i < p->nr),
				      "next", (json_int_t)i));
}
