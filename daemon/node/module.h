/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The link to hyperchain.ko: waits for it, tells it who it is, registers as its
 * daemon, samples it each second, and notices when it went or was loaded anew.
 *
 *	ABSENT --family answers--> (NODE_SET if it is fresh) --registered--> ATTACHED
 *	   ^--------- family gone, or no daemon registered there any more --------'
 *
 * A module that has an id and an epoch already is taken over as it is: its
 * connections, leases and pages were made under that epoch.
 */
#ifndef HCD_MODULE_H
#define HCD_MODULE_H

#include <stdbool.h>
#include <uv.h>

#include "daemon/node/config.h"
#include "tools/lib/hcnl.h"

struct hcd_module;
struct hcd_queue;

struct hcd_sample {
	uint64_t at_ms;			/* uv_now() when it was asked for */
	struct hcnl_node node;
	struct hcnl_pool pool;
	struct hcnl_peer *peers;
	size_t nr_peers;
	bool has_disk;
	struct hcnl_disk disk;
};

struct hcd_module_ops {
	/*
	 * The module is fresh: which epoch shall it have? Must be durable on
	 * return. 0 = not now (tried again in a second).
	 */
	uint64_t (*next_epoch)(void *ctx);
	/* Registered. @is_fresh: loaded since, it has no pools nor environments */
	void (*attached)(bool is_fresh, uint64_t epoch, void *ctx);
	/* It went; the daemon goes on without it. */
	void (*gone)(void *ctx);
	/* Each second while attached. */
	void (*sampled)(const struct hcd_sample *sample, void *ctx);
	/* A relayed request: hcd_module_answer() now or later. */
	void (*request)(const struct hcnl_request *req, void *ctx);
	void (*event)(const struct hcnl_event *ev, void *ctx);
	/* For the log: the name of this node's environment @id, the daemon's; NULL = not known */
	const char *(*env_name)(uint32_t id, void *ctx);
};

/* Begin to look for it. @id, @name are copied. NULL without memory. */
struct hcd_module *hcd_module_start(uv_loop_t *loop, uint32_t id, const char *name,
				    const struct hcd_module_ops *ops, void *ctx);

/* The node's id has become known: until then (0) no module is attached. */
void hcd_module_set_id(struct hcd_module *module, uint32_t id);

/* Unregister, and let go of it; it keeps its connections. */
void hcd_module_stop(struct hcd_module *module);

bool hcd_module_is_attached(const struct hcd_module *module);

/* Why not, one or two sentences; "" while attached. */
const char *hcd_module_reason(const struct hcd_module *module);

/* The last sample, NULL when not attached or none came yet. */
const struct hcd_sample *hcd_module_sample(const struct hcd_module *module);

/* Sample now rather than within a second. */
void hcd_module_poll(struct hcd_module *module);

/* Where calls into it are queued. */
struct hcd_queue *hcd_module_queue(struct hcd_module *module);

/* Answer a relayed request; one whose caller has gone is passed over. */
void hcd_module_answer(struct hcd_module *module, uint64_t cookie, const char *payload,
		       size_t len, int error);

#endif /* HCD_MODULE_H */
