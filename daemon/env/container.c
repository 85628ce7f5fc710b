// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of containers and its file: see container.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/env/container_table.h"
#include "daemon/node/cleanup.h"
#include "daemon/node/file.h"
#include "daemon/node/log.h"

#define FILE_NAME	"containers.json"
#define FILE_MAX	(32 << 20)

struct hcd_container *hcd_container_first(struct hcd_containers *cs)
{
	return cs->first;
}

struct hcd_container *hcd_container_find(struct hcd_containers *cs, const char *name)
{
	for (struct hcd_container *c = cs->first; c; c = c->next) {
		if (strcmp(c->name, name) == 0)
			return c;
	}
	return NULL;
}

struct hcd_container *hcd_container_by_id(struct hcd_containers *cs, uint32_t id)
{
	for (struct hcd_container *c = cs->first; c; c = c->next) {
		if (c->id == id)
			return c;
	}
	return NULL;
}

struct hcd_container *hcd_container_add(struct hcd_containers *cs, const char *name, uint32_t id)
{
	struct hcd_container *c = calloc(1, sizeof(*c)), **at = &cs->first;

	if (!c)
		return NULL;
	snprintf(c->name, sizeof(c->name), "%s", name);
	c->id = id;
	while (*at && (*at)->id < id)
		at = &(*at)->next;
	c->next = *at;
	*at = c;
	return c;
}

void hcd_container_drop(struct hcd_containers *cs, struct hcd_container *c)
{
	struct hcd_container **at = &cs->first;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	free(c->keys);
	free(c->told);
	free(c->given);
	free(c);
}

static bool read_one(struct hcd_containers *cs, json_t *obj)
{
	const char *name, *image = "", *keys = "";
	json_int_t id, cpus = 0, memory = 0, pids = 0;
	int is_on = 1, is_made = 0, forget = 0, is_local = 0, is_shared = 0, is_leaving = 0;
	struct hcd_container *c;

	if (json_unpack(obj, "{s:s, s:I, s?s, s?s, s?I, s?I, s?I, s?b, s?b, s?b, s?b, s?b, s?b}", "name", &name, "id",
			&id, "image", &image, "keys", &keys, "cpus_milli", &cpus, "memory", &memory,
			"pids", &pids, "on", &is_on, "made", &is_made, "forget", &forget,
			"local", &is_local, "shared", &is_shared, "leaving", &is_leaving) < 0 ||
	    strlen(name) > HCD_CONTAINER_NAME || id < 1 || id > HC_ENVS_MAX ||
	    strlen(image) >= HCD_PATH_LEN || hcd_container_find(cs, name) ||
	    hcd_container_by_id(cs, (uint32_t)id))
		return false;
	c = hcd_container_add(cs, name, (uint32_t)id);
	if (!c)
		return false;
	c->keys = strdup(keys);
	snprintf(c->image, sizeof(c->image), "%s", image);
	c->cpus_milli = (uint32_t)cpus;
	c->memory = (uint64_t)memory;
	c->pids = (uint32_t)pids;
	c->is_on = is_on;
	c->is_made = is_made;
	c->forget = forget;
	c->is_local = is_local;
	c->is_shared = is_shared;
	/* A creation that was cut short, or a deletion: nothing of it is to stay. */
	c->end_op = is_leaving ? HCD_OP_LEAVE : HCD_OP_DEL;
	c->state = is_made ? HCD_CONTAINER_UNKNOWN : HCD_CONTAINER_DELETING;
	c->op = is_made ? HCD_OP_STATE : c->end_op;
	return c->keys;
}

int hcd_containers_load(struct hcd_containers *cs, char error[HCD_ERROR_LEN])
{
	_cleanup_free_ uint8_t *text = NULL;
	json_error_t why = { .text = "an entry is wrong" };
	json_t *list, *obj;
	size_t len = 0, i;
	int r = hcd_file_read(cs->d->state_dir, FILE_NAME, FILE_MAX, &text, &len);

	if (r == -ENOENT)
		return 0;
	if (r < 0) {
		snprintf(error, HCD_ERROR_LEN, "%s/" FILE_NAME " can't be read: %s.", cs->d->state_dir,
			 strerror(-r));
		return r;
	}
	list = json_loadb((const char *)text, len, JSON_REJECT_DUPLICATES, &why);
	if (!json_is_array(list))
		r = -EBADMSG;
	json_array_foreach(list, i, obj) {
		if (r == 0 && !read_one(cs, obj))
			r = -EBADMSG;
	}
	json_decref(list);
	if (r < 0)
		snprintf(error, HCD_ERROR_LEN, "%s/" FILE_NAME " is damaged (%s): put a copy back, or move it away and create the environments anew.",
			 cs->d->state_dir, why.text);
	return r;
}

int hcd_containers_save(struct hcd_containers *cs, char error[HCD_ERROR_LEN])
{
	_cleanup_free_ char *text = NULL;
	json_t *list = json_array();
	int r;

	for (struct hcd_container *c = cs->first; c; c = c->next) {
		if (c->state == HCD_CONTAINER_FAILED)
			continue;
		json_array_append_new(list, json_pack("{s:s, s:I, s:s, s:s, s:I, s:I, s:I, s:b, s:b, s:b, s:b, s:b, s:b}",
						      "name", c->name, "id", (json_int_t)c->id,
						      "image", c->image, "keys", c->keys ? : "",
						      "cpus_milli", (json_int_t)c->cpus_milli,
						      "memory", (json_int_t)c->memory,
						      "pids", (json_int_t)c->pids, "on", c->is_on,
						      "made", c->is_made, "forget", c->forget,
						      "local", c->is_local, "shared", c->is_shared,
						      "leaving", c->end_op == HCD_OP_LEAVE));
	}
	text = json_dumps(list, JSON_INDENT(1));
	json_decref(list);
	r = text ? hcd_file_replace(cs->d->state_dir, FILE_NAME, text, strlen(text)) : -ENOMEM;
	if (r < 0) {
		snprintf(error, HCD_ERROR_LEN, "%s/" FILE_NAME " can't be written: %s.",
			 cs->d->state_dir, strerror(-r));
		hcd_err("%s", error);
	}
	return r;
}

const char *hcd_container_state(const struct hcd_container *c)
{
	static const char *const names[] = {
		"unknown", "creating", "stopped", "running", "deleting", "failed",
	};

	if (c->op == HCD_OP_START)
		return "starting";
	return c->op == HCD_OP_STOP ? "stopping" : names[c->state];
}

json_t *hcd_container_json(struct hcd_containers *cs, const struct hcd_container *c)
{
	json_t *obj = json_pack("{s:I, s:s, s:s, s:b, s:b, s:I, s:I, s:I, s:s, s:s}", "id", (json_int_t)c->id,
				"name", c->name, "state", hcd_container_state(c), "busy",
				hcd_container_is_busy(c), "on", c->is_on, "cpus_milli",
				(json_int_t)c->cpus_milli, "memory", (json_int_t)c->memory, "pids",
				(json_int_t)c->pids, "image", c->image, "view", c->is_local ? "local" : "sum");

	if (c->address[0])
		json_object_set_new(obj, "address", json_string(c->address));
	if (c->cgroup[0])
		json_object_set_new(obj, "cgroup", json_string(c->cgroup));
	if (c->error[0])
		json_object_set_new(obj, "error", json_string(c->error));
	if (c->state == HCD_CONTAINER_RUNNING)
		json_object_set_new(obj, "has_sshd", json_boolean(c->has_sshd));
	hcd_container_progress(cs, c, obj);
	return obj;
}
