// SPDX-License-Identifier: GPL-2.0-or-later
/* cgroup v2: ids and paths, and memory.swap.max of the host's own. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "cgroup.h"
#include "hcnl.h"
#include "swap.h"

#define CGROUP_ROOT	"/sys/fs/cgroup"
#define STATE_FILE	HCNL_SWAP_STATE_DIR "/swap-max.json"
#define FILEID_KERNFS	0xfe	/* handle type of kernfs: the id itself; ABI since 5.5 */

int hcnl_cgroup_id(const char *path, uint64_t *ret_id)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;
	struct stat st;
	int r = 0;

	if (fd < 0)
		return -errno;
	if (fstatfs(fd, &fs) < 0 || fstat(fd, &st) < 0)
		r = -errno;
	else if (fs.f_type != CGROUP2_SUPER_MAGIC)
		r = -EMEDIUMTYPE;
	else
		*ret_id = st.st_ino;
	close(fd);
	return r;
}

int hcnl_cgroup_path(uint64_t id, char *buf, size_t len)
{
	union {
		struct file_handle fh;
		char room[sizeof(struct file_handle) + sizeof(uint64_t)];
	} u = { .fh = { .handle_bytes = sizeof(id), .handle_type = FILEID_KERNFS } };
	int root, fd, r = 0;
	char link[64];
	ssize_t n;

	root = open(CGROUP_ROOT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;
	memcpy(u.fh.f_handle, &id, sizeof(id));
	fd = open_by_handle_at(root, &u.fh, O_PATH | O_CLOEXEC);
	if (fd < 0) {
		r = -errno;
		close(root);
		return r;
	}
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, buf, len - 1);
	if (n < 0)
		r = -errno;
	else
		buf[n] = 0;
	close(fd);
	close(root);
	return r;
}

/* memory.swap.max of top-level cgroup @name: read into @buf, or set to @value. */
static int swapmax(const char *name, const char *value, char *buf, size_t len)
{
	char path[PATH_MAX];
	ssize_t n;
	int fd, r = 0;

	snprintf(path, sizeof(path), CGROUP_ROOT "/%s/memory.swap.max", name);
	fd = open(path, (value ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = value ? write(fd, value, strlen(value)) : read(fd, buf, len - 1);
	if (n < 0)
		r = -errno;
	else if (!value)
		buf[n && buf[n - 1] == '\n' ? n - 1 : n] = 0;
	close(fd);
	return r;
}

static json_t *state_load(void)
{
	json_t *state = json_load_file(STATE_FILE, 0, NULL);

	if (json_is_object(state))
		return state;
	json_decref(state);
	return json_object();
}

/* Whole or not at all: written beside, then renamed over. An empty one is removed. */
static int state_save(json_t *state)
{
	if (!json_object_size(state))
		return unlink(STATE_FILE) < 0 && errno != ENOENT ? -errno : 0;
	if (mkdir(HCNL_SWAP_STATE_DIR, 0755) < 0 && errno != EEXIST)
		return -errno;
	if (json_dump_file(state, STATE_FILE ".new", JSON_INDENT(1) | JSON_SORT_KEYS) < 0)
		return errno ? -errno : -EIO;
	return rename(STATE_FILE ".new", STATE_FILE) < 0 ? -errno : 0;
}

static bool restore_one(json_t *state, const char *name)
{
	const char *old = json_string_value(json_object_get(state, name));
	char now[32] = "";

	/* Gone, or changed by somebody since: nothing of ours is left to undo. */
	if (old && !swapmax(name, NULL, now, sizeof(now)) && !strcmp(now, "0"))
		return !swapmax(name, old, NULL, 0);
	return true;
}

int hcnl_swapmax_restore(void)
{
	json_auto_t *state = state_load();
	const char *name;
	json_t *old;
	void *tmp;

	json_object_foreach_safe(state, tmp, name, old)
		if (restore_one(state, name))
			json_object_del(state, name);
	return state_save(state) ? : json_object_size(state) ? -EIO : 0;
}

/* Top-level cgroup that @path is in: "lxc.payload.a" of /sys/fs/cgroup/lxc.payload.a/b. */
static int top_of(const char *path, char *buf, size_t len)
{
	char real[PATH_MAX];
	size_t skip = strlen(CGROUP_ROOT "/");

	if (!realpath(path, real))
		return -errno;
	if (strncmp(real, CGROUP_ROOT "/", skip) || !real[skip])
		return -EMEDIUMTYPE;
	snprintf(buf, len, "%.*s", (int)strcspn(real + skip, "/"), real + skip);
	return 0;
}

int hcnl_swapmax_allow(const char *path)
{
	json_auto_t *state = state_load();
	char top[NAME_MAX + 1];
	int r = top_of(path, top, sizeof(top));

	if (r < 0)
		return r;
	if (!json_object_get(state, top))
		return 0;
	if (!restore_one(state, top))
		return -EIO;
	json_object_del(state, top);
	return state_save(state);
}

/* Names of the top-level cgroups that hold a bound one, as keys. */
static int bound_tops(struct hcnl *h, json_t *ret_tops)
{
	struct hcnl_env *envs = NULL;
	size_t n = 0;
	int r = hcnl_env_list(h, &envs, &n);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < envs[i].nr_cgroups; k++) {
			char path[PATH_MAX], top[NAME_MAX + 1];

			r = hcnl_cgroup_path(envs[i].cgroups[k], path, sizeof(path));
			if (!r && !top_of(path, top, sizeof(top)))
				json_object_set_new(ret_tops, top, json_true());
			/* It may be gone; one that exists but has no name must not be shut out. */
			if (r < 0 && r != -ENOENT && r != -ESTALE)
				goto out;
			r = 0;
		}
out:
	free(envs);
	return r;
}

int hcnl_swapmax_close(struct hcnl *h)
{
	json_auto_t *state = state_load();
	json_auto_t *bound = json_object();
	const char *name;
	struct dirent *e;
	json_t *old;
	DIR *dir;
	int r;

	r = bound_tops(h, bound);
	if (r < 0)
		return r;
	dir = opendir(CGROUP_ROOT);
	if (!dir)
		return -errno;
	while ((e = readdir(dir))) {
		char now[32] = "";

		if (e->d_type != DT_DIR || e->d_name[0] == '.' ||
		    json_object_get(state, e->d_name) || json_object_get(bound, e->d_name))
			continue;
		/* Without the memory controller there is no such file. */
		if (swapmax(e->d_name, NULL, now, sizeof(now)) < 0 || !strcmp(now, "0"))
			continue;
		json_object_set_new(state, e->d_name, json_string(now));
	}
	closedir(dir);
	/* Remembered first: a crash in the middle can still be undone. */
	r = state_save(state);
	if (r < 0)
		return r;
	json_object_foreach(state, name, old) {
		r = swapmax(name, "0", NULL, 0);
		if (r < 0 && r != -ENOENT && r != -ENODEV)
			return r;
	}
	return 0;
}
