// SPDX-License-Identifier: GPL-2.0-or-later
/* Requests of the command line: parsing, permission, answering. See request.h. */
#include "daemon/node/request.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/hyperchain.h>

#include "daemon/daemon.h"

#define FOR_ADMIN	1	/* changes something, or shows what is no user's business */
#define FOR_HOST	2	/* anyone on the host; not from inside an environment */
#define FOR_ALL		3	/* also an environment's users: the handler shows them theirs */

static const struct request {
	const char *name;
	int who;
	void (*handle)(struct hcd_request *req);
} requests[] = {
	{ "status",		FOR_HOST,	hcd_do_status },
	{ "node.list",		FOR_HOST,	hcd_do_node_list },
	{ "node.show",		FOR_HOST,	hcd_do_node_show },
	{ "cluster.init",	FOR_ADMIN,	hcd_do_cluster_init },
	{ "cluster.show",	FOR_HOST,	hcd_do_cluster_show },
	{ "cluster.backup",	FOR_ADMIN,	hcd_do_cluster_backup },
	{ "cluster.restore",	FOR_ADMIN,	hcd_do_cluster_restore },
	{ "cluster.recover",	FOR_ADMIN,	hcd_do_cluster_recover },
	{ "node.token",		FOR_ADMIN,	hcd_do_node_token },
	{ "node.join",		FOR_ADMIN,	hcd_do_node_join },
	{ "node.remove",	FOR_ADMIN,	hcd_do_node_remove },
	{ "node.drain",		FOR_ADMIN,	hcd_do_node_drain },
	{ "config.show",	FOR_HOST,	hcd_do_config_show },
	{ "config.set",		FOR_ADMIN,	hcd_do_config_set },
	{ "decision.list",	FOR_ALL,	hcd_do_decision_list },
	{ "decision.show",	FOR_ALL,	hcd_do_decision_show },
	{ "rules.export",	FOR_HOST,	hcd_do_rules_export },
	{ "user.list",		FOR_ALL,	hcd_do_user_list },
	{ "user.show",		FOR_ALL,	hcd_do_user_show },
	{ "user.wish",		FOR_ALL,	hcd_do_user_wish },
	{ "usage.report",	FOR_ALL,	hcd_do_usage_report },
	{ "load.show",		FOR_ALL,	hcd_do_load_show },
	{ "process.tracked",	FOR_HOST,	hcd_do_process_tracked },
	{ "job.submit",		FOR_ALL,	hcd_do_job_submit },
	{ "job.stop",		FOR_ALL,	hcd_do_job_stop },
	{ "job.list",		FOR_ALL,	hcd_do_job_list },
	{ "job.show",		FOR_ALL,	hcd_do_job_show },
	{ "job.output",		FOR_ALL,	hcd_do_job_output },
	{ "peer.list",		FOR_HOST,	hcd_do_peer_list },
	{ "peer.add",		FOR_ADMIN,	hcd_do_peer_add },
	{ "peer.del",		FOR_ADMIN,	hcd_do_peer_del },
	{ "memory.donate",	FOR_ADMIN,	hcd_do_memory_donate },
	{ "memory.drain",	FOR_ADMIN,	hcd_do_memory_drain },
	{ "memory.swap",	FOR_ADMIN,	hcd_do_memory_swap },
	{ "track",		FOR_ADMIN,	hcd_do_track },
	{ "untrack",		FOR_ADMIN,	hcd_do_untrack },
	{ "env.list",		FOR_ALL,	hcd_do_env_list },
	{ "container.list",	FOR_ALL,	hcd_do_container_list },
	{ "container.show",	FOR_ALL,	hcd_do_container_show },
	{ "container.vnc",	FOR_ALL,	hcd_do_container_vnc },
	{ "container.create",	FOR_ADMIN,	hcd_do_container_create },
	{ "container.start",	FOR_ADMIN,	hcd_do_container_start },
	{ "container.stop",	FOR_ADMIN,	hcd_do_container_stop },
	{ "container.resize",	FOR_ADMIN,	hcd_do_container_resize },
	{ "container.del",	FOR_ADMIN,	hcd_do_container_del },
	{ "container.leader",	FOR_ADMIN,	hcd_do_container_leader },
};

static void finish(struct hcd_request *req, json_t *answer)
{
	char *text = json_dumps(answer, JSON_COMPACT);

	json_decref(answer);
	if (text && strlen(text) > HC_REQUEST_LEN) {
		free(text);
		text = strdup("{\"ok\":false,\"error\":\"The answer is too long for one message.\"}");
	}
	if (text)
		req->answer(req->d, req->cookie, text, strlen(text));
	free(text);
	json_decref(req->args);
	free(req);
}

void hcd_request_ok(struct hcd_request *req, json_t *json)
{
	json_t *answer = json_pack("{s:b}", "ok", 1);

	if (json)
		json_object_update(answer, json);
	json_decref(json);
	finish(req, answer);
}

void hcd_request_fail(struct hcd_request *req, const char *format, ...)
{
	char text[1536];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	for (unsigned char *c = (unsigned char *)text; *c; c++) {
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
	finish(req, json_pack("{s:b, s:s}", "ok", 0, "error", text));
}

bool hcd_request_unpack(struct hcd_request *req, const char *format, ...)
{
	json_error_t why;
	va_list args;
	int r;

	va_start(args, format);
	r = json_vunpack_ex(req->args, &why, JSON_STRICT, format, args);
	va_end(args);
	if (r < 0)
		hcd_request_fail(req, "The request's arguments are wrong: %s.", why.text);
	return r == 0;
}

bool hcd_request_range(struct hcd_request *req, const char *what, json_int_t value, uint64_t min,
		       uint64_t max)
{
	if (value >= 0 && (uint64_t)value >= min && (uint64_t)value <= max)
		return true;
	hcd_request_fail(req, "%s must be from %llu to %llu, not %lld.", what,
			 (unsigned long long)min, (unsigned long long)max, (long long)value);
	return false;
}

void hcd_request_handle(struct hcd *d, const struct hcd_request *from, const void *payload,
			size_t len)
{
	struct hcd_request *req = malloc(sizeof(*req));
	const struct request *found = NULL;
	const char *name;
	json_error_t why;

	if (!req)
		return;
	*req = *from;
	req->d = d;
	req->args = json_loadb(payload, len, JSON_REJECT_DUPLICATES, &why);
	name = json_string_value(json_object_get(req->args, "do"));
	if (!name) {
		hcd_request_fail(req, "That is no request: %s.",
				 req->args ? "it has no \"do\"" : why.text);
		return;
	}
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		if (strcmp(requests[i].name, name) == 0)
			found = &requests[i];
	}
	if (!found) {
		hcd_request_fail(req, "This daemon (version %s) knows no request \"%.64s\".",
				 HC_VERSION, name);
		return;
	}
	if (found->who == FOR_ADMIN && !req->is_admin) {
		hcd_request_fail(req, "Only the administrator of the host may do that.");
		return;
	}
	if (found->who == FOR_HOST && req->env && !req->is_admin) {
		hcd_request_fail(req, "That can't be asked from inside an environment.");
		return;
	}
	json_object_del(req->args, "do");
	found->handle(req);
}
