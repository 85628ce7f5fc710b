// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cgroup v2: BASE/NAME has the limits and is what the module binds; the container is in
 * BASE/NAME/box, the root of its cgroup namespace, and can't reach the limits.
 *
 * BASE is at the top, where liblxc has its own, too, and not below the service: systemd can't start
 * a service anew while there are cgroups with controllers below it. It can't take controllers
 * away from the top either, while BASE uses them.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "container.h"

#define MOUNT	"/sys/fs/cgroup"
#define BASE	"hyperchain"
#define PERIOD	100000		/* us */

const char *hcc_cgroup_base(void)
{
	return BASE;
}

const char *hcc_cgroup_mount(void)
{
	return MOUNT;
}

/* io, too: a page's owner is found by the cgroup of its block request. */
static int enable(const char *path, char error[HCC_ERROR_LEN])
{
	static const char *const controllers[] = { "+cpu", "+memory", "+io", "+pids" };
	int r;

	for (size_t i = 0; i < sizeof(controllers) / sizeof(controllers[0]); i++) {
		r = hcc_write(controllers[i], "%s/cgroup.subtree_control", path);
		if (r < 0)
			return hcc_fail(error, r, "cgroup controller %s can't be used below %s (%s): the host must run with cgroup v2 alone.",
					controllers[i] + 1, path, strerror(-r));
	}
	return 0;
}

static int make(const char *path, char error[HCC_ERROR_LEN])
{
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return hcc_fail(error, -errno, "Cannot make %s: %m.", path);
	return 0;
}

int hcc_cgroup_init(char error[HCC_ERROR_LEN])
{
	char path[HCC_PATH_LEN * 2];
	struct statfs fs;
	int r;

	if (statfs(MOUNT, &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC)
		return hcc_fail(error, -ENODEV, MOUNT " is no cgroup v2: environments need it; boot with systemd.unified_cgroup_hierarchy=1.");
	r = enable(MOUNT, error);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), MOUNT "/" BASE);
	return make(path, error) ? : enable(path, error);
}

static int set(const struct hcc_place *place, const char *file, const char *value,
	       char error[HCC_ERROR_LEN])
{
	int r = hcc_write(value, "%s/%s", place->cgroup, file);

	/* Without swap in the kernel there is nothing to limit. */
	if (r == -ENOENT && !strcmp(file, "memory.swap.max"))
		return 0;
	if (r == -EBUSY)
		return hcc_fail(error, r, "%s can't be %s: the environment uses more, and it can't be swapped out.",
				file, value);
	return r < 0 ? hcc_fail(error, r, "%s of %s can't be set to %s: %s.", file, place->cgroup, value,
				strerror(-r)) : 0;
}

static const char *number(uint64_t n, char buf[32])
{
	if (!n)
		return "max";
	snprintf(buf, 32, "%llu", (unsigned long long)n);
	return buf;
}

int hcc_limit(const struct hcc_spec *spec, const struct hcc_place *place,
	      char error[HCC_ERROR_LEN])
{
	char cpu[64], buf[32];
	int r = make(place->cgroup, error) ? : enable(place->cgroup, error);

	if (r < 0)
		return r;
	if (spec->cpus_milli)
		snprintf(cpu, sizeof(cpu), "%llu %d", (unsigned long long)spec->cpus_milli * PERIOD / 1000,
			 PERIOD);
	else
		snprintf(cpu, sizeof(cpu), "max %d", PERIOD);
	r = set(place, "cpu.max", cpu, error);
	r = r ? : set(place, "memory.max", number(spec->memory, buf), error);
	r = r ? : set(place, "memory.swap.max", number(spec->swap, buf), error);
	return r ? : set(place, "pids.max", number(spec->pids, buf), error);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)ftw;
	if (type == FTW_DP)
		rmdir(path);
	return 0;
}

void hcc_limit_remove(const struct hcc_place *place)
{
	hcc_write("1", "%s/cgroup.kill", place->cgroup);
	/* Those that were killed go in their own time. */
	for (int i = 0; i < 100; i++) {
		nftw(place->cgroup, remove_one, 16, FTW_PHYS | FTW_DEPTH);
		/* liblxc refuses one that is there already. */
		rmdir(place->monitor);
		if (access(place->cgroup, F_OK) < 0 && access(place->monitor, F_OK) < 0)
			return;
		usleep(50000);
	}
}
