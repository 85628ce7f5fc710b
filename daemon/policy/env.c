// SPDX-License-Identifier: GPL-2.0-or-later
/* Ids, limits and epochs: see env.h. */
#include "daemon/policy/env.h"

#include <linux/hyperchain.h>

#define SLACK_BYTES	(16ULL << 20)
#define EPOCH_STEP	(1ULL << 16)

uint32_t hcd_env_id(const char *name, bool (*is_taken)(uint32_t id, void *arg), void *arg)
{
	uint32_t hash = 2166136261u;	/* FNV-1a */

	for (const char *c = name; *c; c++)
		hash = (hash ^ (unsigned char)*c) * 16777619u;
	for (uint32_t i = 0; i < HC_ENVS_MAX; i++) {
		uint32_t id = (uint32_t)(((uint64_t)hash + i) % HC_ENVS_MAX) + 1;

		if (!is_taken(id, arg))
			return id;
	}
	return 0;
}

uint64_t hcd_env_donor_limit(uint64_t quota)
{
	if (quota == 0)
		return 0;
	if (quota > HC_POOL_SIZE_MAX / 2)
		return HC_POOL_SIZE_MAX;
	return quota + quota / 4 + SLACK_BYTES;
}

uint64_t hcd_epoch_next(uint64_t last, uint64_t unix_s)
{
	uint64_t next = last + EPOCH_STEP;

	return next > unix_s ? next : unix_s;
}
