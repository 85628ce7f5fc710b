/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What must hold over a restart and was not written in the configuration:
 * /var/lib/hyperchain/state.json, replaced as a whole (new file, fsync, rename,
 * fsync of the directory), so that it is the old or the new one, never half.
 */
#ifndef HCD_STATE_H
#define HCD_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/node/config.h"

#define HCD_STATE_DIR		"/var/lib/hyperchain"
#define HCD_STATE_FILE		"state.json"
#define HCD_STATE_SIZE_MAX	(4 * 1024 * 1024)
#define HCD_ENV_CGROUPS_MAX	16
#define HCD_CGROUP_LEN		512

/* An environment: ours (it runs here), or one that another node told about. */
struct hcd_env {
	uint32_t id;
	char name[HC_NAME_LEN + 1];
	uint32_t node;			/* who runs it; our own id for ours */
	uint64_t quota;			/* bytes, 0 = none */
	uint32_t replicas;
	uint32_t donors[HC_ENV_DONORS_MAX];
	size_t nr_donors;
	char *cgroups[HCD_ENV_CGROUPS_MAX];	/* ours only: directories */
	size_t nr_cgroups;
	/* As the module was told; not kept in the file. */
	uint64_t cgroup_ids[HCD_ENV_CGROUPS_MAX];
};

struct hcd_state {
	uint64_t epoch;			/* last lease epoch of this node */
	bool has_donate;		/* by `memory donate`, instead of the configuration's */
	uint64_t donate;
	bool has_reserve;
	uint64_t reserve;
	bool drain;
	struct {
		bool is_on;
		uint64_t size;
		char backing[HCD_PATH_LEN];
		bool encrypt;
		bool checksum;
		int priority;
		uint8_t replicas;
	} swap;
	struct hcd_peer_config *peers;	/* by `peer add`, sorted by id */
	size_t nr_peers;
	struct hcd_env *envs;
	size_t nr_envs;
};

void hcd_state_free(struct hcd_state *state);

/* Free what @env points at. */
void hcd_env_clear(struct hcd_env *env);

/**
 * hcd_state_load - read @dir/state.json
 * @error: one sentence on failure
 *
 * Return: 0 (an absent file is an empty state), -EBADMSG when it is damaged, or -errno.
 */
int hcd_state_load(const char *dir, struct hcd_state *ret_state, char error[HCD_ERROR_LEN]);

/* Replace @dir/state.json; durable when it returns 0. Else -errno, @error, the old one stays. */
int hcd_state_save(const char *dir, const struct hcd_state *state, char error[HCD_ERROR_LEN]);

/* Environment with that id, or that name run by @node (0 = anywhere); NULL = none. */
struct hcd_env *hcd_state_env_by_id(struct hcd_state *state, uint32_t id, uint32_t node);
struct hcd_env *hcd_state_env_by_name(struct hcd_state *state, const char *name, uint32_t node);

/* Append an empty one; NULL without memory. Pointers to others become invalid. */
struct hcd_env *hcd_state_env_add(struct hcd_state *state);
void hcd_state_env_del(struct hcd_state *state, struct hcd_env *env);

#endif /* HCD_STATE_H */
