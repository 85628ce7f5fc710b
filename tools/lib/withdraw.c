// SPDX-License-Identifier: GPL-2.0-or-later
/* The end of an environment in the module: see hcnl_env_withdraw() in hcnl.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "hcnl.h"

#define DEL_TRIES	150	/* the module gives leased memory back meanwhile */
#define DEL_PAUSE_MS	20

/*
 * What was being read or written when a program ended may stay behind as swap
 * cache that nobody owns, charged to the cgroup, until somebody reclaims it.
 */
static void reclaim(uint64_t cgroup, uint64_t bytes)
{
	char path[PATH_MAX], file[PATH_MAX + 16];
	int fd;

	if (hcnl_cgroup_path(cgroup, path, sizeof(path)) < 0)
		return;
	snprintf(file, sizeof(file), "%s/memory.reclaim", path);
	fd = open(file, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	dprintf(fd, "%llu\n", (unsigned long long)(bytes > 1 << 20 ? bytes : 1 << 20));
	close(fd);
}

static int del_patiently(struct hcnl *h, uint32_t id)
{
	const struct timespec pause = { .tv_nsec = DEL_PAUSE_MS * 1000000L };
	int r = hcnl_env_del(h, id);

	for (int i = 0; r == -EAGAIN && i < DEL_TRIES; i++) {
		nanosleep(&pause, NULL);
		r = hcnl_env_del(h, id);
	}
	return r;
}

int hcnl_env_withdraw(struct hcnl *h, uint32_t id, uint64_t *ret_used)
{
	struct hcnl_env env;
	int r = hcnl_env_get(h, id, &env);

	*ret_used = 0;
	if (r < 0)
		return r;
	for (size_t i = 0; env.used && i < env.nr_cgroups; i++)
		reclaim(env.cgroups[i], env.used);
	r = hcnl_env_get(h, id, &env);
	if (r < 0)
		return r;
	*ret_used = env.used;
	if (env.used)
		return -EBUSY;
	for (size_t i = 0; i < env.nr_cgroups; i++) {
		r = hcnl_cgroup_unbind(h, env.cgroups[i]);
		if (r < 0 && r != -ENOENT)
			return r;
	}
	r = del_patiently(h, id);
	/* Pages were written meanwhile: they must go on being its own. */
	for (size_t i = 0; r < 0 && i < env.nr_cgroups; i++)
		hcnl_cgroup_bind(h, id, env.cgroups[i]);
	return r;
}
