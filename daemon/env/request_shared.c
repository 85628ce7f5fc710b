// SPDX-License-Identifier: GPL-2.0-or-later
/* What is wanted of environments of several nodes, on its way to the controller: see shared.h. */
#include <stdlib.h>
#include <string.h>

#include "daemon/cluster/control.h"
#include "daemon/daemon.h"
#include "daemon/env/shared.h"
#include "daemon/node/request.h"

struct wished {
	struct hcd_request *req;
	char *name;
};

static void on_wished(int error, const struct hcd_result *result, const char *text, void *arg)
{
	struct wished *w = arg;
	struct hcd_request *req = w->req;
	struct hcd_shared s;

	if (error) {
		hcd_request_fail(req, "%s", text);
	} else if (hcd_shared_read(req->d, w->name, &s)) {
		hcd_request_ok(req, json_pack("{s:o}", "container", hcd_shared_json(req->d, &s)));
		hcd_shared_clear(&s);
	} else {
		hcd_request_ok(req, NULL);
	}
	free(w->name);
	free(w);
}

void hcd_shared_wish(struct hcd_request *req, const char *what, const char *name,
		     Hcp__KeptEnvironment *env, const uint32_t *nodes, size_t nr_nodes)
{
	Hcp__Command command = HCP__COMMAND__INIT;
	Hcp__Wish wish = HCP__WISH__INIT;
	struct wished *w = calloc(1, sizeof(*w));
	char *copy = strdup(name);

	if (!w || !copy) {
		free(w);
		free(copy);
		hcd_request_fail(req, "Memory is short.");
		return;
	}
	w->req = req;
	w->name = copy;
	wish.what = (char *)what;
	wish.user = copy;
	wish.nodes = (uint32_t *)nodes;
	wish.n_nodes = nr_nodes;
	wish.environment = env;
	command.what_case = HCP__COMMAND__WHAT_WISH;
	command.wish = &wish;
	hcd_control_do(req->d->control, &command, on_wished, w);
}

void hcd_do_container_leader(struct hcd_request *req)
{
	struct hcd_shared s;
	json_int_t node;
	const char *name = NULL;
	uint32_t id;

	if (!hcd_request_unpack(req, "{s?s, s:I}", "name", &name, "node", &node) ||
	    !hcd_request_member(req) || !hcd_request_user(req, &name) ||
	    !hcd_request_range(req, "A node's id", node, 1, HCD_NODE_ID_MAX))
		return;
	if (!name || !hcd_shared_read(req->d, name, &s)) {
		hcd_request_fail(req, "There is no environment \"%.64s\" of several nodes; \"hyperchain env list\" tells which there are.",
				 name ? name : "");
		return;
	}
	hcd_shared_clear(&s);
	id = (uint32_t)node;
	hcd_shared_wish(req, "lead", name, NULL, &id, 1);
}
