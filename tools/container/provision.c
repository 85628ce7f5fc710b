// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What makes an image this environment: host name, a login of the user's name, the user's keys,
 * and host keys that stay when the container is made anew. Runs before each start, in the
 * sandbox: the user may have changed everything since.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "container.h"

#define LIMIT_S		60
#define FILE_MAX	(1 << 20)
#define UID_FIRST	1000
#define UID_LAST	60000
#define KEY		"ssh_host_ed25519_key"

struct work {
	const struct hcc_spec *spec;
	const char *address;
	char key[4096], pub[1024];
	char resolv[4096];
};

/* ---- in the sandbox ------------------------------------------------------------- */

/* NULL: it is not there, no regular file, or too long. */
static char *get(const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	char *text = NULL;
	ssize_t n = -1;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size < FILE_MAX)
		text = malloc((size_t)st.st_size + 1);
	if (text)
		n = read(fd, text, (size_t)st.st_size);
	close(fd);
	if (n < 0) {
		free(text);
		return NULL;
	}
	text[n] = 0;
	return text;
}

/* A new file instead of whatever is there. */
static int put(const char *path, const char *text, mode_t mode, uid_t uid)
{
	size_t len = strlen(text);
	int fd, r = 0;

	if (unlink(path) < 0 && errno == EISDIR)
		hcc_remove_tree(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (write(fd, text, len) != (ssize_t)len || fchmod(fd, mode) < 0 ||
	    fchown(fd, uid, uid) < 0)
		r = errno ? -errno : -EIO;
	close(fd);
	return r;
}

/* "name:" at the start of a line */
static const char *line_of(const char *text, const char *name)
{
	size_t len = strlen(name);

	for (const char *l = text; l && *l; l = strchr(l, '\n') ? strchr(l, '\n') + 1 : NULL) {
		if (!strncmp(l, name, len) && l[len] == ':')
			return l;
	}
	return NULL;
}

static bool has_id(const char *text, unsigned int id)
{
	for (const char *l = text; l && *l; l = strchr(l, '\n') ? strchr(l, '\n') + 1 : NULL) {
		unsigned int is;

		if (sscanf(l, "%*[^:]:%*[^:]:%u", &is) == 1 && is == id)
			return true;
	}
	return false;
}

static int append(const char *path, const char *text, const char *line, mode_t mode)
{
	char *all = NULL;
	size_t len = strlen(text);
	int r;

	if (asprintf(&all, "%s%s%s", text, len && text[len - 1] != '\n' ? "\n" : "", line) < 0)
		return -ENOMEM;
	r = put(path, all, mode, 0);
	free(all);
	return r;
}

static const char *shell(void)
{
	return access("/bin/bash", F_OK) == 0 ? "/bin/bash" : "/bin/sh";
}

/* The login. Return: its uid, or -errno. */
static int add_user(const char *name)
{
	char *passwd = get("/etc/passwd"), *group = get("/etc/group"), *shadow = get("/etc/shadow");
	char line[256], home[64];
	const char *there;
	unsigned int id = 0;
	int r = 0;

	passwd = passwd ? : strdup("root:x:0:0:root:/root:/bin/sh\n");
	group = group ? : strdup("root:x:0:\n");
	shadow = shadow ? : strdup("root:*:19700:0:99999:7:::\n");
	if (!passwd || !group || !shadow)
		return -ENOMEM;
	there = line_of(passwd, name);
	if (there) {
		if (sscanf(there, "%*[^:]:%*[^:]:%u", &id) != 1 || id >= HCC_IDS)
			r = -EINVAL;
	} else {
		id = UID_FIRST;
		while (id < UID_LAST && (has_id(passwd, id) || has_id(group, id)))
			id++;
		snprintf(line, sizeof(line), "%s:x:%u:%u:%s:/home/%s:%s\n", name, id, id, name, name,
			 shell());
		r = append("/etc/passwd", passwd, line, 0644);
		snprintf(line, sizeof(line), "%s:x:%u:\n", name, id);
		if (r == 0 && !line_of(group, name))
			r = append("/etc/group", group, line, 0644);
		/* No password, yet no locked login: keys only. */
		snprintf(line, sizeof(line), "%s:*:19700:0:99999:7:::\n", name);
		if (r == 0 && !line_of(shadow, name))
			r = append("/etc/shadow", shadow, line, 0640);
	}
	snprintf(home, sizeof(home), "/home/%s", name);
	if (r == 0 && id && mkdir(home, 0700) == 0 && lchown(home, id, id) < 0)
		r = -errno;
	free(passwd);
	free(group);
	free(shadow);
	return r < 0 ? r : (int)id;
}

static int make_dirs(void)
{
	static const struct {
		const char *path;
		mode_t mode;
	} dirs[] = {
		{ "/dev", 0755 }, { "/proc", 0555 }, { "/sys", 0555 }, { "/run", 0755 },
		{ "/tmp", 01777 }, { "/etc", 0755 }, { "/root", 0700 }, { "/home", 0755 },
		{ "/etc/ssh", 0755 }, { "/etc/hyperchain", 0755 }, { "/etc/hyperchain/keys", 0755 },
		{ "/.hyperchain", 0755 },
	};
	struct stat st;

	if (chown("/", 0, 0) < 0 || chmod("/", 0755) < 0)
		return -errno;
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		if (mkdir(dirs[i].path, 0700) == 0) {
			if (chmod(dirs[i].path, dirs[i].mode) < 0)
				return -errno;
		} else if (errno != EEXIST) {
			return -errno;
		}
		/* A link to a directory is one, too: it leads nowhere but into this root. */
		if (stat(dirs[i].path, &st) < 0)
			return -errno;
		if (!S_ISDIR(st.st_mode))
			return -ENOTDIR;
	}
	return 0;
}

/* Itself; and where it has several nodes, each of these by its number. */
static void name_hosts(const struct work *w, char *buf, size_t len)
{
	const struct hcc_spec *spec = w->spec;
	size_t at = (size_t)snprintf(buf, len, "127.0.0.1 localhost\n::1 localhost\n%s %s%s\n",
				     w->address, spec->name, spec->is_shared ? " leader" : "");

	for (size_t i = 0; i < spec->nr_nodes && at < len; i++) {
		char address[16];

		hcc_address(spec, spec->nodes[i].slot, true, address);
		at += (size_t)snprintf(buf + at, len - at, "%s node-%u\n", address, spec->nodes[i].id);
	}
}

static int provision(void *arg, char error[HCC_ERROR_LEN], int step_fd)
{
	struct work *w = arg;
	const char *name = w->spec->name;
	char path[128], hosts[4096], hostname[80];
	int uid, r;

	r = make_dirs();
	if (r < 0)
		return hcc_fail(error, r, "The environment's root has no usable /etc, /run or /home: %s.",
				strerror(-r));
	if (access("/bin/sh", F_OK) < 0)
		return hcc_fail(error, -EINVAL, "The image has no /bin/sh: that is no root file system.");
	uid = add_user(name);
	if (uid < 0)
		return hcc_fail(error, uid, "The login %s can't be made in the environment's /etc/passwd: %s.",
				name, strerror(-uid));
	snprintf(hostname, sizeof(hostname), "%s\n", name);
	name_hosts(w, hosts, sizeof(hosts));
	r = put("/etc/hostname", hostname, 0644, 0) ? : put("/etc/hosts", hosts, 0644, 0);
	if (r == 0 && w->resolv[0])
		r = put("/etc/resolv.conf", w->resolv, 0644, 0);
	/* What the image brought is known to everybody who has the image. */
	unlink("/etc/ssh/ssh_host_rsa_key");
	unlink("/etc/ssh/ssh_host_ecdsa_key");
	r = r ? : put("/etc/ssh/" KEY, w->key, 0600, 0);
	r = r ? : put("/etc/ssh/" KEY ".pub", w->pub, 0644, 0);
	snprintf(path, sizeof(path), "/etc/hyperchain/keys/%s", name);
	r = r ? : put(path, w->spec->keys, 0644, 0);
	r = r ? : put("/etc/hyperchain/keys/root", w->spec->keys, 0644, 0);
	if (r < 0)
		return hcc_fail(error, r, "The environment's names and keys can't be written: %s.",
				strerror(-r));
	(void)step_fd;
	return access("/usr/sbin/sshd", F_OK) == 0;
}

/* ---- outside ---------------------------------------------------------------------- */

static int read_text(const char *path, char *buf, size_t len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, len - 1);

	if (fd >= 0)
		close(fd);
	if (n < 0)
		return -errno;
	buf[n] = 0;
	return 0;
}

/* Host keys, made once. */
static int identity(const struct hcc_place *place, struct work *w, char error[HCC_ERROR_LEN])
{
	char key[HCC_PATH_LEN + 64], pub[HCC_PATH_LEN + 64], comment[80];
	const char *const make[] = {
		"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", key, NULL
	};
	int r;

	snprintf(key, sizeof(key), "%s/" KEY, place->identity);
	snprintf(pub, sizeof(pub), "%s.pub", key);
	snprintf(comment, sizeof(comment), "%s", w->spec->name);
	if (mkdir(place->identity, 0700) < 0 && errno != EEXIST)
		return hcc_fail(error, -errno, "Cannot make %s: %m.", place->identity);
	if (access(key, F_OK) < 0) {
		r = hcc_run(make, NULL, error);
		if (r < 0)
			return r;
	}
	r = read_text(key, w->key, sizeof(w->key)) ? : read_text(pub, w->pub, sizeof(w->pub));
	return r < 0 ? hcc_fail(error, r, "The host keys in %s can't be read: %s.", place->identity,
				strerror(-r)) : 0;
}

int hcc_provision(const struct hcc_spec *spec, const struct hcc_place *place, bool *ret_has_sshd,
		  char error[HCC_ERROR_LEN])
{
	struct work w = { .spec = spec, .address = place->login };
	int r = identity(place, &w, error);

	if (r < 0)
		return r;
	read_text("/etc/resolv.conf", w.resolv, sizeof(w.resolv));
	r = hcc_sandbox(place->uid, place->root, LIMIT_S, provision, &w, NULL, NULL, error);
	explicit_bzero(w.key, sizeof(w.key));
	if (r < 0)
		return r;
	*ret_has_sshd = r > 0;
	return 0;
}
