// SPDX-License-Identifier: GPL-2.0-or-later
/* The state file: see state.h. */
#include "daemon/node/state.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/cluster/text.h"
#include "daemon/node/cleanup.h"
#include "daemon/node/file.h"

#define STATE_FORMAT 1

void hcd_env_clear(struct hcd_env *env)
{
	for (size_t i = 0; i < env->nr_cgroups; i++)
		free(env->cgroups[i]);
	env->nr_cgroups = 0;
}

void hcd_state_free(struct hcd_state *state)
{
	for (size_t i = 0; i < state->nr_envs; i++)
		hcd_env_clear(&state->envs[i]);
	free(state->envs);
	free(state->peers);
	memset(state, 0, sizeof(*state));
}

struct hcd_env *hcd_state_env_by_id(struct hcd_state *state, uint32_t id, uint32_t node)
{
	for (size_t i = 0; i < state->nr_envs; i++) {
		if (state->envs[i].id == id && (!node || state->envs[i].node == node))
			return &state->envs[i];
	}
	return NULL;
}

struct hcd_env *hcd_state_env_by_name(struct hcd_state *state, const char *name, uint32_t node)
{
	for (size_t i = 0; i < state->nr_envs; i++) {
		if (strcmp(state->envs[i].name, name) == 0 &&
		    (!node || state->envs[i].node == node))
			return &state->envs[i];
	}
	return NULL;
}

struct hcd_env *hcd_state_env_add(struct hcd_state *state)
{
	struct hcd_env *envs = realloc(state->envs, (state->nr_envs + 1) * sizeof(*envs));

	if (!envs)
		return NULL;
	state->envs = envs;
	memset(&envs[state->nr_envs], 0, sizeof(*envs));
	return &envs[state->nr_envs++];
}

void hcd_state_env_del(struct hcd_state *state, struct hcd_env *env)
{
	size_t i = (size_t)(env - state->envs);

	hcd_env_clear(env);
	memmove(env, env + 1, (state->nr_envs - i - 1) * sizeof(*env));
	state->nr_envs--;
}

/* ---- reading -------------------------------------------------------------- */

static bool get_u64(json_t *obj, const char *key, uint64_t max, uint64_t *ret)
{
	json_t *value = json_object_get(obj, key);

	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
	    (uint64_t)json_integer_value(value) > max)
		return false;
	*ret = (uint64_t)json_integer_value(value);
	return true;
}

static bool get_u32(json_t *obj, const char *key, uint32_t max, uint32_t *ret)
{
	uint64_t value;

	if (!get_u64(obj, key, max, &value))
		return false;
	*ret = (uint32_t)value;
	return true;
}

static bool get_bool(json_t *obj, const char *key, bool *ret)
{
	json_t *value = json_object_get(obj, key);

	if (!json_is_boolean(value))
		return false;
	*ret = json_is_true(value);
	return true;
}

static bool get_text(json_t *obj, const char *key, char *buf, size_t len)
{
	const char *text = json_string_value(json_object_get(obj, key));

	if (!text || strlen(text) >= len)
		return false;
	strcpy(buf, text);
	return true;
}

static bool get_name(json_t *obj, char *buf)
{
	return get_text(obj, "name", buf, HC_NAME_LEN + 1) && hcd_text_is_name(buf);
}

static bool read_peer(json_t *obj, struct hcd_peer_config *peer)
{
	uint32_t port;

	if (!get_u32(obj, "id", HCD_NODE_ID_MAX, &peer->id) || peer->id == 0 ||
	    !get_name(obj, peer->name) ||
	    !get_text(obj, "address", peer->address, sizeof(peer->address)) ||
	    !hcd_address_is_valid(peer->address) || !get_u32(obj, "port", 65535, &port) || !port)
		return false;
	peer->port = (uint16_t)port;
	return true;
}

static bool read_env(json_t *obj, struct hcd_env *env)
{
	json_t *donors = json_object_get(obj, "donors");
	json_t *cgroups = json_object_get(obj, "cgroups");

	if (!get_u32(obj, "id", HC_ENVS_MAX, &env->id) || env->id == 0 ||
	    !get_name(obj, env->name) || !get_u32(obj, "node", HCD_NODE_ID_MAX, &env->node) ||
	    !get_u64(obj, "quota", HC_DISK_SIZE_MAX, &env->quota) ||
	    !get_u32(obj, "replicas", HC_REPLICAS_MAX, &env->replicas) ||
	    json_array_size(donors) > HC_ENV_DONORS_MAX ||
	    json_array_size(cgroups) > HCD_ENV_CGROUPS_MAX)
		return false;
	for (size_t i = 0; i < json_array_size(donors); i++) {
		json_int_t id = json_integer_value(json_array_get(donors, i));

		if (id < 1 || id > HCD_NODE_ID_MAX)
			return false;
		env->donors[env->nr_donors++] = (uint32_t)id;
	}
	for (size_t i = 0; i < json_array_size(cgroups); i++) {
		const char *path = json_string_value(json_array_get(cgroups, i));
		char *copy;

		if (!path || path[0] != '/' || strlen(path) >= HCD_CGROUP_LEN)
			return false;
		copy = strdup(path);
		if (!copy)
			return false;
		env->cgroups[env->nr_cgroups++] = copy;
	}
	return true;
}

static bool read_swap(json_t *obj, struct hcd_state *state)
{
	uint32_t replicas, priority;

	if (!get_bool(obj, "on", &state->swap.is_on) ||
	    !get_u64(obj, "size", HC_DISK_SIZE_MAX, &state->swap.size) ||
	    !get_text(obj, "backing", state->swap.backing, sizeof(state->swap.backing)) ||
	    !get_bool(obj, "encrypt", &state->swap.encrypt) ||
	    !get_bool(obj, "checksum", &state->swap.checksum) ||
	    !get_u32(obj, "priority", 32768, &priority) ||
	    !get_u32(obj, "replicas", HC_REPLICAS_MAX, &replicas))
		return false;
	state->swap.priority = (int)priority - 1;	/* kept as 0 = the kernel chooses */
	state->swap.replicas = (uint8_t)replicas;
	return true;
}

static bool read_root(json_t *root, struct hcd_state *state)
{
	json_t *peers = json_object_get(root, "peers");
	json_t *envs = json_object_get(root, "environments");
	json_t *donate = json_object_get(root, "donate");
	json_t *swap = json_object_get(root, "swap");
	uint64_t format;

	if (!get_u64(root, "format", UINT32_MAX, &format) || format != STATE_FORMAT ||
	    !get_u64(root, "epoch", INT64_MAX, &state->epoch) ||
	    !get_bool(root, "drain", &state->drain))
		return false;
	if (donate) {
		state->has_donate = true;
		state->has_reserve = json_object_get(donate, "reserve");
		if (!get_u64(donate, "bytes", HC_POOL_SIZE_MAX, &state->donate) ||
		    (state->has_reserve &&
		     !get_u64(donate, "reserve", HC_POOL_SIZE_MAX, &state->reserve)))
			return false;
	}
	if (swap && !read_swap(swap, state))
		return false;
	if (json_array_size(peers) > HC_PEERS_MAX)
		return false;
	state->peers = calloc(json_array_size(peers) + 1, sizeof(*state->peers));
	if (!state->peers)
		return false;
	for (size_t i = 0; i < json_array_size(peers); i++) {
		if (!read_peer(json_array_get(peers, i), &state->peers[state->nr_peers]))
			return false;
		state->nr_peers++;
	}
	for (size_t i = 0; i < json_array_size(envs); i++) {
		struct hcd_env *env = hcd_state_env_add(state);

		if (!env || !read_env(json_array_get(envs, i), env))
			return false;
	}
	return true;
}

int hcd_state_load(const char *dir, struct hcd_state *ret_state, char error[HCD_ERROR_LEN])
{
	struct hcd_state state = { 0 };
	json_auto_t *root = NULL;
	json_error_t why;
	char path[HCD_PATH_LEN + 32];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", dir, HCD_STATE_FILE);
	if (stat(path, &st) < 0) {
		if (errno == ENOENT) {
			*ret_state = state;
			return 0;
		}
		snprintf(error, HCD_ERROR_LEN, "The state file %s can't be read: %s.", path,
			 strerror(errno));
		return -errno;
	}
	if (!S_ISREG(st.st_mode) || st.st_size > HCD_STATE_SIZE_MAX) {
		snprintf(error, HCD_ERROR_LEN,
			 "The state file %s is no regular file, or too long: move it away.", path);
		return -EBADMSG;
	}
	root = json_load_file(path, JSON_REJECT_DUPLICATES, &why);
	if (root && read_root(root, &state)) {
		*ret_state = state;
		return 0;
	}
	hcd_state_free(&state);
	snprintf(error, HCD_ERROR_LEN,
		 "The state file %s is damaged (%s): restore it from a backup, or move it away to begin without peers and environments that were added by command.",
		 path, root ? "a value is missing or out of range" : why.text);
	return -EBADMSG;
}

/* ---- writing -------------------------------------------------------------- */

static json_t *peers_json(const struct hcd_state *state)
{
	json_t *array = json_array();

	for (size_t i = 0; i < state->nr_peers; i++) {
		const struct hcd_peer_config *p = &state->peers[i];

		json_array_append_new(array, json_pack("{s:i, s:s, s:s, s:i}", "id", (int)p->id,
						       "name", p->name, "address", p->address,
						       "port", (int)p->port));
	}
	return array;
}

static json_t *envs_json(const struct hcd_state *state)
{
	json_t *array = json_array();

	for (size_t i = 0; i < state->nr_envs; i++) {
		const struct hcd_env *e = &state->envs[i];
		json_t *donors = json_array(), *cgroups = json_array();

		for (size_t k = 0; k < e->nr_donors; k++)
			json_array_append_new(donors, json_integer(e->donors[k]));
		for (size_t k = 0; k < e->nr_cgroups; k++)
			json_array_append_new(cgroups, json_string(e->cgroups[k]));
		json_array_append_new(array,
				      json_pack("{s:i, s:s, s:i, s:I, s:i, s:o, s:o}",
						"id", (int)e->id, "name", e->name,
						"node", (int)e->node,
						"quota", (json_int_t)e->quota,
						"replicas", (int)e->replicas,
						"donors", donors, "cgroups", cgroups));
	}
	return array;
}

static json_t *root_json(const struct hcd_state *state)
{
	json_t *root = json_pack("{s:i, s:I, s:b, s:o, s:o}", "format", STATE_FORMAT,
				 "epoch", (json_int_t)state->epoch, "drain", (int)state->drain,
				 "peers", peers_json(state), "environments", envs_json(state));

	if (root && state->has_donate)
		json_object_set_new(root, "donate",
				    json_pack("{s:I, s:o*}", "bytes", (json_int_t)state->donate,
					      "reserve", state->has_reserve ?
					      json_integer((json_int_t)state->reserve) : NULL));
	if (root && state->swap.is_on)
		json_object_set_new(root, "swap",
				    json_pack("{s:b, s:I, s:s, s:b, s:b, s:i, s:i}",
					      "on", 1, "size", (json_int_t)state->swap.size,
					      "backing", state->swap.backing,
					      "encrypt", (int)state->swap.encrypt,
					      "checksum", (int)state->swap.checksum,
					      "priority", state->swap.priority + 1,
					      "replicas", (int)state->swap.replicas));
	return root;
}

int hcd_state_save(const char *dir, const struct hcd_state *state, char error[HCD_ERROR_LEN])
{
	json_auto_t *root = root_json(state);
	_cleanup_free_ char *text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;
	int r;

	r = text ? hcd_file_replace(dir, HCD_STATE_FILE, text, strlen(text)) : -ENOMEM;
	if (r < 0)
		snprintf(error, HCD_ERROR_LEN,
			 "The state file in %s can't be written: %s. What was asked for would be forgotten at the next start.",
			 dir, strerror(-r));
	return r;
}
