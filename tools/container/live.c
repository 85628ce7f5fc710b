// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What changes in a container while it runs, when its environment has several nodes: whether it
 * leads, and who may log in to it. It sees the directory, and can't write it. sshd looks at it for
 * each login, so that what changes here holds from the next one on.
 *
 *	role			"leader" or "worker", for who wants to know
 *	keys/LOGIN		the user's where it leads, the administrator's for root
 *	root			a link to /, where it leads: the way to the keys in people's homes
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "container.h"

#define LIVE_DIR	"/run/hyperchain/live"
#define ADMIN_KEYS	"/etc/hyperchain/admin_keys"

void hcc_host_name(const struct hcc_spec *spec, char *buf, size_t len)
{
	if (spec->is_shared && !spec->is_leader)
		snprintf(buf, len, "node-%u", spec->own.id);
	else
		snprintf(buf, len, "%s", spec->name);
}

/* sshd wants files and folders that belong to root, which is the environment's own in there. */
static int make_dir(const struct hcc_place *place, const char *path)
{
	if ((mkdir(path, 0755) < 0 && errno != EEXIST) || chmod(path, 0755) < 0 ||
	    lchown(path, place->uid, place->uid) < 0)
		return -errno;
	return 0;
}

/* As a whole, or as it was. */
static int put(const struct hcc_place *place, const char *name, const char *text)
{
	char path[HCC_PATH_LEN + 64], fresh[HCC_PATH_LEN + 72];
	size_t len = strlen(text);
	int fd, r = 0;

	snprintf(path, sizeof(path), "%s/%s", place->live, name);
	snprintf(fresh, sizeof(fresh), "%s.new", path);
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	if (write(fd, text, len) != (ssize_t)len || fchown(fd, place->uid, place->uid) < 0 ||
	    fchmod(fd, 0644) < 0)
		r = errno ? -errno : -EIO;
	close(fd);
	if (r == 0 && rename(fresh, path) < 0)
		r = -errno;
	return r;
}

/* In there "/" is the container's own. */
static int put_root(const struct hcc_place *place, bool is_leader)
{
	char path[HCC_PATH_LEN + 64];

	snprintf(path, sizeof(path), "%s/root", place->live);
	if (is_leader)
		return symlink("/", path) < 0 && errno != EEXIST ? -errno : 0;
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

/* NULL: there are none, or no memory; a file that can't be keys is none. */
static char *admin_keys(void)
{
	int fd = open(ADMIN_KEYS, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	char *text = fd < 0 ? NULL : malloc(HCC_KEYS_LEN);
	ssize_t n = text ? read(fd, text, HCC_KEYS_LEN - 1) : -1;

	if (fd >= 0)
		close(fd);
	if (n < 0) {
		free(text);
		return NULL;
	}
	text[n] = 0;
	return text;
}

int hcc_live(const struct hcc_spec *spec, const struct hcc_place *place,
	     char error[HCC_ERROR_LEN])
{
	char path[HCC_PATH_LEN + 64], user[64], *admin = admin_keys(), *both = NULL;
	int r = 0;

	if (mkdir(LIVE_DIR, 0755) < 0 && errno != EEXIST)
		r = -errno;
	r = r ? : make_dir(place, place->live);
	snprintf(path, sizeof(path), "%s/keys", place->live);
	r = r ? : make_dir(place, path);
	snprintf(user, sizeof(user), "keys/%s", spec->name);
	if (asprintf(&both, "%s%s", spec->is_leader ? spec->keys : "", admin ? : "") < 0)
		both = NULL;
	r = r ? : both ? put(place, "keys/root", both) : -ENOMEM;
	r = r ? : put_root(place, spec->is_leader);
	r = r ? : put(place, user, spec->is_leader ? spec->keys : "");
	r = r ? : put(place, "role", spec->is_leader ? "leader\n" : "worker\n");
	free(both);
	free(admin);
	return r < 0 ? hcc_fail(error, r, "%s can't be written: %s.", place->live, strerror(-r)) : 0;
}

void hcc_live_remove(const struct hcc_place *place)
{
	hcc_remove_tree(place->live);
}

int hcc_live_name(const struct hcc_spec *spec, pid_t init, char error[HCC_ERROR_LEN])
{
	char path[64], host[HC_NAME_LEN + 1];
	int fd, status = 0;
	pid_t pid;

	hcc_host_name(spec, host, sizeof(host));
	snprintf(path, sizeof(path), "/proc/%d/ns/uts", init);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return hcc_fail(error, -errno, "Cannot open %s: %m.", path);
	pid = fork();
	if (pid == 0)
		_exit(setns(fd, CLONE_NEWUTS) < 0 || sethostname(host, strlen(host)) < 0);
	close(fd);
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || status)
		return hcc_fail(error, -EIO, "The container can't be called %s.", host);
	return 0;
}
