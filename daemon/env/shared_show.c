// SPDX-License-Identifier: GPL-2.0-or-later
/* Environments of several nodes, for people and for other nodes: see shared.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cluster/cluster.h"
#include "daemon/cluster/control.h"
#include "daemon/env/container_table.h"
#include "daemon/env/shared.h"

#define BOXES_MAX	256	/* told of; a node with more than that is no node of this world */

void hcd_shared_boxes(struct hcd *d, Hcp__Status *status)
{
	/* Cut: all of it must fit a frame. */
	static char errors[BOXES_MAX][sizeof(((struct hcd_box *)0)->error)];
	static Hcp__Box boxes[BOXES_MAX], *list[BOXES_MAX];
	size_t nr = 0;

	for (struct hcd_container *c = d->containers ? d->containers->first : NULL;
	     c && nr < BOXES_MAX; c = c->next) {
		if (!c->is_shared)
			continue;
		hcp__box__init(&boxes[nr]);
		boxes[nr].id = c->id;
		boxes[nr].state = c->state;
		boxes[nr].mark = c->mark;
		boxes[nr].is_busy = hcd_container_is_busy(c);
		snprintf(errors[nr], sizeof(errors[nr]), "%.*s", (int)sizeof(errors[nr]) - 1, c->error);
		boxes[nr].error = errors[nr];
		list[nr] = &boxes[nr];
		nr++;
	}
	status->boxes = list;
	status->n_boxes = nr;
}

/* What a node has of it. */
struct box {
	const char *state;		/* a word */
	uint32_t mark;
	bool is_busy;
	const char *error;		/* borrowed; "" */
};

static struct box local_box(struct hcd *d, const struct hcd_shared *s)
{
	const struct hcd_container *c = hcd_container_find(d->containers, s->name);
	struct box b = { .state = "none", .error = "" };

	if (!c)
		return b;
	b.state = c->is_shared ? hcd_container_state(c) : "another";
	b.mark = c->mark;
	b.is_busy = hcd_container_is_busy(c);
	b.error = c->is_shared ? c->error : "An environment of this node alone has the name.";
	return b;
}

static struct box box_of(struct hcd *d, const struct hcd_shared *s, uint32_t node)
{
	static const char *const words[] = {
		[HCD_CONTAINER_UNKNOWN] = "unknown", [HCD_CONTAINER_CREATING] = "creating",
		[HCD_CONTAINER_STOPPED] = "stopped", [HCD_CONTAINER_RUNNING] = "running",
		[HCD_CONTAINER_DELETING] = "deleting", [HCD_CONTAINER_FAILED] = "failed",
	};
	const struct hcd_peer *p = hcd_cluster_peer(d->cluster, node);
	struct box b = { .state = "unknown", .error = "" };

	if (node == d->config.node.id)
		return local_box(d, s);
	if (!p || !hcd_peer_is_up(p) || !p->has_status)
		return b;
	b.state = "none";
	for (size_t i = 0; i < p->nr_boxes; i++) {
		const struct hcd_box *box = &p->boxes[i];

		if (box->id != s->env->id)
			continue;
		b.state = box->state < sizeof(words) / sizeof(words[0]) ? words[box->state] : "unknown";
		b.mark = box->mark;
		b.is_busy = box->is_busy;
		b.error = box->error;
	}
	return b;
}

static const char *name_of(struct hcd *d, uint32_t node)
{
	const struct hcd_member *m = hcd_fsm_member(d->control->fsm, node);

	return m ? m->name : "";
}

/* In one word: of all nodes that are to have a container, or had one. */
static const char *sum_up(struct hcd *d, const struct hcd_shared *s, json_t *nodes, char *error,
			  size_t len)
{
	bool is_quiet = true, is_up = s->nr_nodes && s->leader;
	uint32_t mark = hcd_shared_mark(s);

	for (size_t i = 0; i < s->nr_nodes; i++) {
		struct box b = box_of(d, s, s->nodes[i]);
		bool runs = strcmp(b.state, "running") == 0;

		json_array_append_new(nodes, json_pack("{s:I, s:s, s:s, s:b, s:I}", "id",
						       (json_int_t)s->nodes[i], "name",
						       name_of(d, s->nodes[i]), "state", b.state,
						       "leader", (int)(s->nodes[i] == s->leader),
						       "slot", (json_int_t)s->slots[i]));
		/* One that is to change, and has not yet, is not done. */
		is_up &= runs && !b.is_busy && b.mark == mark;
		is_quiet &= !runs && !b.is_busy && (b.mark == mark || !strcmp(b.state, "none"));
		if (b.error[0] && !runs && !error[0])
			snprintf(error, len, "Node %u: %s", s->nodes[i], b.error);
	}
	switch (s->env->phase) {
	case HCD_ENV_MAKING:
		return "creating";
	case HCD_ENV_FAILED:
		snprintf(error, len, "%s", s->env->error);
		return "failed";
	case HCD_ENV_GOING:
		return "deleting";
	}
	if (s->env->is_off)
		return is_quiet ? "stopped" : "stopping";
	return is_up ? "running" : "starting";
}

/* The address to log in at: of the network as the environment has it. */
static void login_of(const struct hcd_shared *s, char buf[INET_ADDRSTRLEN])
{
	struct in_addr a;

	buf[0] = '\0';
	if (inet_pton(AF_INET, s->env->network, &a) != 1)
		return;
	a.s_addr = htonl(ntohl(a.s_addr) + s->env->id * 4 + 2);
	inet_ntop(AF_INET, &a, buf, INET_ADDRSTRLEN);
}

json_t *hcd_shared_json(struct hcd *d, const struct hcd_shared *s)
{
	const Hcp__KeptEnvironment *e = s->env;
	struct hcd_container *c = hcd_container_find(d->containers, s->name);
	char error[HCD_ERROR_LEN] = "", login[INET_ADDRSTRLEN];
	json_t *nodes = json_array(), *obj;
	const char *state = sum_up(d, s, nodes, error, sizeof(error));
	bool is_busy = strcmp(state, "running") && strcmp(state, "stopped") && strcmp(state, "failed");

	login_of(s, login);
	obj = json_pack("{s:I, s:s, s:s, s:b, s:b, s:I, s:I, s:I, s:s, s:s}", "id", (json_int_t)e->id,
			"name", s->name, "state", state, "busy", (int)is_busy, "on", (int)!e->is_off,
			"cpus_milli", (json_int_t)e->cpus_milli, "memory", (json_int_t)e->memory,
			"pids", (json_int_t)e->pids, "image", e->image, "view",
			e->is_local ? "local" : "sum");
	json_object_set_new(obj, "leader", json_integer(s->leader));
	json_object_set_new(obj, "storage", json_integer(e->storage));
	json_object_set_new(obj, "nodes", nodes);
	json_object_set_new(obj, "address", json_string(login));
	json_object_set_new(obj, "has_sshd", json_boolean(e->has_sshd));
	if (error[0])
		json_object_set_new(obj, "error", json_string(error));
	if (c && c->is_shared) {
		if (c->cgroup[0])
			json_object_set_new(obj, "cgroup", json_string(c->cgroup));
		hcd_container_progress(d->containers, c, obj);
	}
	return obj;
}
