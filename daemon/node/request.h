/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the command line asks for: one JSON object {"do": "peer.add", ...} in,
 * one out, {"ok": true, ...} or {"ok": false, "error": "One sentence."}.
 * It comes relayed by the module, which says who asks, or over the admin socket.
 *
 * Adding one: a row in the table of request.c, a handler in request_<noun>.c.
 */
#ifndef HCD_REQUEST_H
#define HCD_REQUEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hcd;

struct hcd_request {
	struct hcd *d;
	json_t *args;			/* owned */
	bool is_admin;
	uint32_t env;			/* the caller's environment, 0 = none */
	uint32_t uid;
	/* How the answer goes back; @text is NUL-terminated behind @len bytes. */
	void (*answer)(struct hcd *d, uint64_t cookie, const char *text, size_t len);
	uint64_t cookie;
};

/**
 * hcd_request_handle - do what @payload asks, and answer now or later
 * @from: is_admin, env, uid, answer and cookie of it are taken
 */
void hcd_request_handle(struct hcd *d, const struct hcd_request *from, const void *payload,
			size_t len);

/* Answer and free. @json: further members, stolen; NULL = none. */
void hcd_request_ok(struct hcd_request *req, json_t *json);

__attribute__((format(printf, 2, 3)))
void hcd_request_fail(struct hcd_request *req, const char *format, ...);

/**
 * hcd_request_unpack - take the arguments out, by jansson's format
 *
 * The format names every key the request may have, "do" left out; others are an
 * error. Return: true, or false: the request has failed and is freed.
 */
bool hcd_request_unpack(struct hcd_request *req, const char *format, ...);

/* Numbers of a request: in range, or the request fails and is freed. */
bool hcd_request_range(struct hcd_request *req, const char *what, json_int_t value, uint64_t min,
		       uint64_t max);

/* Is this node in a cluster? Else the request fails and is freed. */
bool hcd_request_member(struct hcd_request *req);

/*
 * Whom the request may be about: from inside an environment only its own user, who then is *@user
 * when none was named (NULL). Else the request fails and is freed.
 */
bool hcd_request_user(struct hcd_request *req, const char **user);

/* The handlers. Each answers its request in the end. */
void hcd_do_status(struct hcd_request *req);
void hcd_do_node_list(struct hcd_request *req);
void hcd_do_node_show(struct hcd_request *req);
void hcd_do_cluster_init(struct hcd_request *req);
void hcd_do_cluster_show(struct hcd_request *req);
void hcd_do_cluster_backup(struct hcd_request *req);
void hcd_do_cluster_restore(struct hcd_request *req);
void hcd_do_cluster_recover(struct hcd_request *req);
void hcd_do_node_token(struct hcd_request *req);
void hcd_do_node_join(struct hcd_request *req);
void hcd_do_node_remove(struct hcd_request *req);
void hcd_do_node_drain(struct hcd_request *req);
void hcd_do_config_show(struct hcd_request *req);
void hcd_do_config_set(struct hcd_request *req);
void hcd_do_decision_list(struct hcd_request *req);
void hcd_do_decision_show(struct hcd_request *req);
void hcd_do_rules_export(struct hcd_request *req);
void hcd_do_user_list(struct hcd_request *req);
void hcd_do_user_show(struct hcd_request *req);
void hcd_do_user_wish(struct hcd_request *req);
void hcd_do_usage_report(struct hcd_request *req);
void hcd_do_load_show(struct hcd_request *req);
void hcd_do_process_tracked(struct hcd_request *req);
void hcd_do_job_submit(struct hcd_request *req);
void hcd_do_job_stop(struct hcd_request *req);
void hcd_do_job_list(struct hcd_request *req);
void hcd_do_job_show(struct hcd_request *req);
void hcd_do_job_output(struct hcd_request *req);
void hcd_do_peer_list(struct hcd_request *req);
void hcd_do_peer_add(struct hcd_request *req);
void hcd_do_peer_del(struct hcd_request *req);
void hcd_do_memory_donate(struct hcd_request *req);
void hcd_do_memory_drain(struct hcd_request *req);
void hcd_do_memory_swap(struct hcd_request *req);
void hcd_do_track(struct hcd_request *req);
void hcd_do_untrack(struct hcd_request *req);
void hcd_do_env_list(struct hcd_request *req);
void hcd_do_container_list(struct hcd_request *req);
void hcd_do_container_show(struct hcd_request *req);
void hcd_do_container_vnc(struct hcd_request *req);
void hcd_do_container_create(struct hcd_request *req);
void hcd_do_container_start(struct hcd_request *req);
void hcd_do_container_stop(struct hcd_request *req);
void hcd_do_container_resize(struct hcd_request *req);
void hcd_do_container_del(struct hcd_request *req);
void hcd_do_container_leader(struct hcd_request *req);

/* Current load of node @id, 0..1; JSON's null when it was not heard of lately. New reference. */
json_t *hcd_node_load(struct hcd *d, uint32_t id);

/* What the cluster says of node @id, if it is a member: role, controller, drained, dead. */
void hcd_cluster_describe(struct hcd *d, uint32_t id, json_t *obj);

#endif /* HCD_REQUEST_H */
