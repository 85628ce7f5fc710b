// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cgroup v2: BASE/NAME has the limits and is what the module binds; the container is in
 * BASE/NAME/box, the root of its cgroup namespace, and can't reach the limits.
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
#define PERIOD	100000		/* us */

static char base[HCC_PATH_LEN] = "hyperchain";

const char *hcc_cgroup_base(void)
{
	return base;
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

/* Below the service's own cgroup, which systemd has given to us; we ourselves in a leaf. */
static int take_own(char error[HCC_ERROR_LEN])
{
	char line[HCC_PATH_LEN - 32] = "", path[HCC_PATH_LEN * 2];
	FILE *f = fopen("/proc/self/cgroup", "re");
	int r;

	if (!f || !fgets(line, sizeof(line), f) || strncmp(line, "0::/", 4)) {
		if (f)
			fclose(f);
		return hcc_fail(error, -EINVAL, "This program's cgroup is no cgroup v2.");
	}
	fclose(f);
	line[strcspn(line, "\n")] = 0;
	snprintf(path, sizeof(path), MOUNT "/%s/helper", line + 4);
	r = make(path, error);
	if (r == 0)
		r = hcc_write("0", "%s/cgroup.procs", path);
	snprintf(path, sizeof(path), MOUNT "/%s", line + 4);
	r = r ? : enable(path, error);
	snprintf(base, sizeof(base), "%s/env", line + 4);
	return r;
}

int hcc_cgroup_init(bool is_delegated, char error[HCC_ERROR_LEN])
{
	char path[HCC_PATH_LEN * 2];
	struct statfs fs;
	int r = 0;

	if (statfs(MOUNT, &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC)
		return hcc_fail(error, -ENODEV, MOUNT " is no cgroup v2: environments need it; boot with systemd.unified_cgroup_hierarchy=1.");
	if (is_delegated)
		r = take_own(error);
	else
		r = enable(MOUNT, error);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), MOUNT "/%s", base);
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
