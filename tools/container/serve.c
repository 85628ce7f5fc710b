// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The socket: one request a connection, each in a process of its own.
 *
 *	{"do": "create", "name": ..., ...} -> {"step": "...", "done": 1, "total": 2}* {"ok": true, ...}
 *
 * One request at a time for each environment: a lock of its name.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "container.h"
#include "job.h"

#define REQUEST_MAX	65536

struct call {
	int fd;
	struct hcc_spec spec;
	struct hcc_place place;
	json_t *request;
};

static void tell(int fd, json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT);

	/* Whoever asked may be gone: the work goes on. */
	if (text && send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		errno = 0;
	free(text);
	json_decref(json);
}

static void step(const char *what, uint64_t done, uint64_t total, void *ctx)
{
	tell(((struct call *)ctx)->fd,
	     json_pack("{s:s, s:I, s:I}", "step", what, "done", (json_int_t)done, "total",
		       (json_int_t)total));
}

static json_t *describe(const struct call *c)
{
	pid_t pid = hcc_pid(c->spec.name);

	return json_pack("{s:b, s:s, s:s, s:I, s:b, s:b}", "ok", 1, "address", c->place.login,
			 "cgroup", c->place.cgroup, "pid", (json_int_t)pid, "running", pid > 0,
			 "exists", access(c->place.root, F_OK) == 0);
}

static int do_state(struct call *c, char error[HCC_ERROR_LEN])
{
	(void)error;
	tell(c->fd, describe(c));
	return 0;
}

static int do_vnc(struct call *c, char error[HCC_ERROR_LEN])
{
	bool has_vnc = false;
	int r = hcc_has_vnc(&c->spec, &c->place, &has_vnc, error);

	if (r == 0)
		tell(c->fd, json_pack("{s:b, s:b}", "ok", 1, "has_vnc", has_vnc));
	return r;
}

/* Of several nodes, and its files are elsewhere. */
static bool is_remote(const struct hcc_spec *spec)
{
	return spec->is_shared && spec->storage[0];
}

/* What a container had beside its processes and its files. */
static void tidy(struct call *c)
{
	hcc_net_down(&c->spec, &c->place);
	hcc_view_stop(&c->place);
	hcc_limit_remove(&c->place);
	if (is_remote(&c->spec))
		hcc_nfs_unmount(&c->spec, &c->place);
}

static int start(struct call *c, bool *ret_has_sshd, char error[HCC_ERROR_LEN])
{
	int r;

	if (hcc_pid(c->spec.name))
		return hcc_fail(error, -EALREADY, "Environment %s runs already.", c->spec.name);
	if (is_remote(&c->spec)) {
		step("mounting its files", 0, 0, c);
		r = hcc_nfs_mount(&c->spec, &c->place, error);
		if (r < 0)
			return r;
	} else if (access(c->place.root, F_OK) < 0) {
		return hcc_fail(error, -ENOENT, "Environment %s has no root file system on this node.",
				c->spec.name);
	}
	step("starting the container", 0, 0, c);
	hcc_limit_remove(&c->place);
	/* That of several nodes is made ready where its files are, before any of them starts it. */
	r = c->spec.is_shared ? hcc_live(&c->spec, &c->place, error) :
				hcc_provision(&c->spec, &c->place, ret_has_sshd, error);
	r = r ? : hcc_limit(&c->spec, &c->place, error);
	r = r ? : hcc_view_start(&c->place, error);
	r = r ? : hcc_net_up(&c->spec, &c->place, error);
	r = r ? : hcc_start(&c->spec, &c->place, error);
	if (r < 0)
		tidy(c);
	return r;
}

/* What was made or started, and whether one can log in there. */
static int tell_made(struct call *c, bool has_sshd)
{
	json_t *answer = describe(c);

	json_object_set_new(answer, "has_sshd", json_boolean(has_sshd));
	tell(c->fd, answer);
	return 0;
}

static int do_start(struct call *c, char error[HCC_ERROR_LEN])
{
	bool has_sshd = false;
	int r = start(c, &has_sshd, error);

	if (r < 0)
		return r;
	return tell_made(c, has_sshd);
}

static int stop(struct call *c, char error[HCC_ERROR_LEN])
{
	int r = hcc_stop(&c->place, c->spec.name, error);

	if (r == 0)
		tidy(c);
	return r;
}

static int do_stop(struct call *c, char error[HCC_ERROR_LEN])
{
	int r = stop(c, error);

	if (r == 0)
		tell(c->fd, describe(c));
	return r;
}

static int remove_all(struct call *c, bool forget, char error[HCC_ERROR_LEN])
{
	int r = hcc_remove_tree(c->place.dir) ? : hcc_remove_tree(c->place.lxc);

	if (r == 0 && forget)
		r = hcc_remove_tree(c->place.identity);
	return r < 0 ? hcc_fail(error, r, "%s can't be removed: %s.", c->place.dir, strerror(-r)) : 0;
}

static int do_del(struct call *c, char error[HCC_ERROR_LEN])
{
	int r = stop(c, error);

	if (r == 0 && c->spec.is_shared) {
		hcc_nfs_withdraw(&c->spec, &c->place);
		hcc_live_remove(&c->place);
	}
	r = r ? : remove_all(c, json_is_true(json_object_get(c->request, "forget")), error);
	if (r == 0)
		tell(c->fd, describe(c));
	return r;
}

static int make_root(struct call *c, char error[HCC_ERROR_LEN])
{
	struct hcc_place *p = &c->place;

	if (mkdir(p->dir, 0700) < 0)
		return errno == EEXIST ?
		       hcc_fail(error, -EEXIST, "There is a root file system of an environment %s already, in %s.",
				c->spec.name, p->dir) :
		       hcc_fail(error, -errno, "Cannot make %s: %m.", p->dir);
	/* Its own root may pass, nobody else's and no user of the host. */
	if (chown(p->dir, 0, p->uid) < 0 || chmod(p->dir, 0710) < 0 || mkdir(p->root, 0755) < 0 ||
	    chown(p->root, p->uid, p->uid) < 0)
		return hcc_fail(error, -errno, "Cannot make %s: %m.", p->root);
	return 0;
}

static int do_create(struct call *c, char error[HCC_ERROR_LEN])
{
	bool has_sshd = false;
	int r;

	if (hcc_pid(c->spec.name))
		return hcc_fail(error, -EEXIST, "Environment %s runs already.", c->spec.name);
	r = make_root(c, error);
	if (r == -EEXIST)
		return r;
	r = r ? : hcc_image(&c->spec, &c->place, step, c, error);
	if (c->spec.is_shared)
		r = r ? : hcc_provision(&c->spec, &c->place, &has_sshd, error);
	else
		r = r ? : start(c, &has_sshd, error);
	if (r < 0) {
		/* liblxc's log stays: the error names it. */
		if (hcc_remove_tree(c->place.dir) < 0)
			fprintf(stderr, "hyperchain-container: %s is left behind.\n", c->place.dir);
		return r;
	}
	return tell_made(c, has_sshd);
}

static int do_limit(struct call *c, char error[HCC_ERROR_LEN])
{
	int r = hcc_pid(c->spec.name) ? hcc_limit(&c->spec, &c->place, error) : 0;

	if (r == 0)
		tell(c->fd, describe(c));
	return r;
}

/* Where its files are: they are as its nodes need them, and these may mount them. */
static int do_share(struct call *c, char error[HCC_ERROR_LEN])
{
	bool has_sshd = false;
	int r = -EINVAL;

	if (!c->spec.is_shared || is_remote(&c->spec))
		return hcc_fail(error, r, "Environment %s has its files elsewhere.", c->spec.name);
	r = hcc_provision(&c->spec, &c->place, &has_sshd, error);
	r = r ? : hcc_nfs_export(&c->spec, &c->place, error);
	if (r < 0)
		return r;
	return tell_made(c, has_sshd);
}

/* While it runs: who leads, and which nodes there are besides. */
static int do_role(struct call *c, char error[HCC_ERROR_LEN])
{
	pid_t pid = hcc_pid(c->spec.name);
	int r = 0;

	if (!c->spec.is_shared)
		return hcc_fail(error, -EINVAL, "Environment %s has no other nodes.", c->spec.name);
	if (pid) {
		r = hcc_live(&c->spec, &c->place, error);
		r = r ? : hcc_live_name(&c->spec, pid, error);
		r = r ? : hcc_net_join(&c->spec, &c->place, error);
	}
	if (r == 0)
		tell(c->fd, describe(c));
	return r;
}

/* It is no business of this node any more; its files are elsewhere, and stay. */
static int do_leave(struct call *c, char error[HCC_ERROR_LEN])
{
	int r = stop(c, error);

	if (r < 0)
		return r;
	hcc_nfs_unmount(&c->spec, &c->place);
	hcc_live_remove(&c->place);
	/* Empty ones only: what is not is none of a node that mounted its files. */
	if ((rmdir(c->place.root) < 0 || rmdir(c->place.dir) < 0) && errno != ENOENT)
		return hcc_fail(error, -errno, "%s can't be removed: %m.", c->place.dir);
	r = hcc_remove_tree(c->place.lxc);
	if (r < 0)
		return hcc_fail(error, r, "%s can't be removed: %s.", c->place.lxc, strerror(-r));
	tell(c->fd, describe(c));
	return 0;
}

/* Those that only look are done beside whatever is under way. */
static bool is_look(int (*run)(struct call *c, char error[HCC_ERROR_LEN]))
{
	return run == do_state || run == do_vnc;
}

static const struct {
	const char *name;
	int (*run)(struct call *c, char error[HCC_ERROR_LEN]);
} verbs[] = {
	{ "state",	do_state },
	{ "create",	do_create },
	{ "start",	do_start },
	{ "stop",	do_stop },
	{ "del",	do_del },
	{ "limit",	do_limit },
	{ "share",	do_share },
	{ "role",	do_role },
	{ "leave",	do_leave },
	{ "vnc",	do_vnc },
};

/* Held until this process ends. */
static int lock(const struct call *c, char error[HCC_ERROR_LEN])
{
	char path[HCC_PATH_LEN];
	int fd;

	snprintf(path, sizeof(path), HCC_DIR "/lock/%s", c->spec.name);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return hcc_fail(error, -errno, "Cannot lock %s: %m.", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return hcc_fail(error, -EBUSY, "Environment %s is being worked on already.", c->spec.name);
	return 0;
}

static int handle(struct call *c, const char *text, size_t len, char error[HCC_ERROR_LEN])
{
	json_t *answer = NULL;
	const char *name;
	json_error_t why;
	int r;

	c->request = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	name = json_string_value(json_object_get(c->request, "do"));
	if (!name)
		return hcc_fail(error, -EINVAL, "That is no request.");
	/* Jobs live beside what is done with their container; their runs exclude each other. */
	if (strncmp(name, "job.", 4) == 0) {
		r = hcc_job(name, c->request, &answer, error);
		if (r == 0)
			tell(c->fd, answer);
		return r;
	}
	r = hcc_spec_parse(c->request, &c->spec, error) ? : hcc_place(&c->spec, &c->place, error);
	if (r < 0)
		return r;
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verbs[i].name, name))
			continue;
		r = is_look(verbs[i].run) ? 0 : lock(c, error);
		return r ? : verbs[i].run(c, error);
	}
	return hcc_fail(error, -EINVAL, "hyperchain-container (version " HC_VERSION ") does not know \"%.32s\".",
			name);
}

static void answer_one(int fd)
{
	struct timeval limit = { .tv_sec = 10 };
	char error[HCC_ERROR_LEN] = "It failed without a reason.", *text = malloc(REQUEST_MAX);
	struct call c = { .fd = fd };
	ssize_t n;
	int r;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	n = text ? recv(fd, text, REQUEST_MAX, 0) : -1;
	if (n <= 0)
		return;
	r = handle(&c, text, (size_t)n, error);
	if (r < 0)
		tell(fd, json_pack("{s:b, s:s, s:i}", "ok", 0, "error", error, "errno", -r));
}

static int make_dirs(char error[HCC_ERROR_LEN])
{
	static const struct {
		const char *path;
		mode_t mode;
	} dirs[] = {
		{ HCC_DIR, 0711 }, { HCC_DIR "/env", 0711 }, { HCC_DIR "/identity", 0700 },
		{ HCC_DIR "/image", 0700 }, { HCC_DIR "/lxc", 0711 }, { HCC_DIR "/lock", 0700 },
		{ HCC_DIR "/job", 0700 },
		{ "/run/hyperchain", 0755 },
	};

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		if ((mkdir(dirs[i].path, 0700) < 0 && errno != EEXIST) ||
		    chmod(dirs[i].path, dirs[i].mode) < 0)
			return hcc_fail(error, -errno, "Cannot make %s: %m.", dirs[i].path);
	}
	return 0;
}

static int listen_on(const char *path, char error[HCC_ERROR_LEN])
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(at.sun_path))
		return hcc_fail(error, -EINVAL, "No socket can be made at %s.", path);
	strcpy(at.sun_path, path);
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0) {
		close(fd);
		return hcc_fail(error, -EADDRINUSE, "hyperchain-container runs already.");
	}
	unlink(path);
	umask(0177);
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 16) < 0) {
		close(fd);
		return hcc_fail(error, -errno, "Cannot listen on %s: %m.", path);
	}
	umask(022);
	return fd;
}

int hcc_serve(const char *socket_path, char error[HCC_ERROR_LEN])
{
	struct sigaction reap = { .sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT };
	int fd, r = make_dirs(error);

	if (r < 0)
		return r;
	fd = listen_on(socket_path, error);
	if (fd < 0)
		return fd;
	sigaction(SIGCHLD, &reap, NULL);
	signal(SIGPIPE, SIG_IGN);
	sd_notify(0, "READY=1");
	for (;;) {
		int c = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		pid_t pid = c < 0 ? -1 : fork();

		if (pid == 0) {
			close(fd);
			/* Its own children are waited for. */
			signal(SIGCHLD, SIG_DFL);
			answer_one(c);
			_exit(0);
		}
		if (c >= 0)
			close(c);
		else if (errno != EINTR && errno != ECONNABORTED)
			return hcc_fail(error, -errno, "The socket is gone: %m.");
	}
}
