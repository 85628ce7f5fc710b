// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Runs of jobs (R2). Each has a folder, made before anything begins, and a keeper, which nobody's
 * end ends: not the daemon's, not the helper's.
 *
 *	HCC_DIR/job/6.1/	0700, of root
 *	  keeper	locked by the keeper while it lives; in it the job's cgroup
 *	  out		what the program wrote, the first OUT_MAX bytes
 *	  status	JSON, when it has ended; made whole or not at all
 *
 *	keeper ──attach──► program, as the environment's user, in a cgroup of its own
 *	   ▲── pipe: stdout, stderr ──┘      cgroup.kill reaches all that it started
 *
 * The keeper always reads, so no program waits for who looks at its output. When the program has
 * ended, what it left behind in its cgroup is ended, too. No keeper and no status: the run is lost.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <lxc/attach_options.h>
#include <lxc/lxccontainer.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <dirent.h>

#include "container.h"
#include "job.h"
#include "tools/helper/filter.h"

#define JOBS		HCC_DIR "/job"
#define LXC_DIR		HCC_DIR "/lxc"
#define OUT_MAX		(32 << 20)
#define PIECE_MAX	(45 << 10)	/* fits a message as base64 */
#define ARGS_MAX	128
#define LIST_MAX	1024
#define GROUPS_MAX	64
#define KILL_MS		5000
#define TELL_FD		3
#define PATH		"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct run {
	char name[40];			/* "6.1" */
	char dir[HCC_PATH_LEN];
};

/* Digits, a dot, digits: nothing that a path could choke on. */
static bool is_run_name(const char *name)
{
	size_t a, b;

	if (!name)
		return false;
	a = strspn(name, "0123456789");
	if (!a || a > 19 || name[a] != '.')
		return false;
	b = strspn(name + a + 1, "0123456789");
	return b && b <= 10 && !name[a + 1 + b];
}

static int take_run(json_t *request, struct run *ret, char error[HCC_ERROR_LEN])
{
	const char *name = json_string_value(json_object_get(request, "run"));

	if (!is_run_name(name))
		return hcc_fail(error, -EINVAL, "That names no run of a job.");
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	snprintf(ret->dir, sizeof(ret->dir), JOBS "/%s", name);
	return 0;
}

static int open_in(const struct run *r, const char *file, int flags)
{
	char path[HCC_PATH_LEN + 16];

	snprintf(path, sizeof(path), "%s/%s", r->dir, file);
	return open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
}

/* Does a keeper look after it? */
static bool is_kept(const struct run *r)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open_in(r, "keeper", O_RDWR);
	bool is_held;

	if (fd < 0)
		return false;
	is_held = fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
	close(fd);
	return is_held;
}

static json_t *status_of(const struct run *r)
{
	int fd = open_in(r, "status", O_RDONLY);
	json_t *status = fd < 0 ? NULL : json_loadfd(fd, 0, NULL);

	if (fd >= 0)
		close(fd);
	return status;
}

/* ---- the program ---------------------------------------------------- */

/* Handed to the child that liblxc makes inside the container. */
struct program {
	char *const *argv;
	const char *user, *folder;
	json_int_t by;			/* uid of who submitted it plus 1; 0 = an administrator */
	int go_fd;			/* a byte: its cgroup is its own now */
	int say_fd;			/* why it could not begin; closed by exec */
};

/* The container's own files, and they may be hostile: read as text, never by NSS modules of its. */
static bool find_user(const char *name, struct passwd *ret, char *buf, size_t len)
{
	FILE *f = fopen("/etc/passwd", "re");
	struct passwd *found = NULL;

	while (f && fgetpwent_r(f, ret, buf, len, &found) == 0 && strcmp(found->pw_name, name))
		found = NULL;
	if (f)
		fclose(f);
	return found;
}

static size_t find_groups(const char *name, gid_t own, gid_t *groups)
{
	FILE *f = fopen("/etc/group", "re");
	static char buf[16384];
	struct group g, *found;
	size_t nr = 0;

	groups[nr++] = own;
	while (f && nr < GROUPS_MAX && fgetgrent_r(f, &g, buf, sizeof(buf), &found) == 0)
		for (char **m = found->gr_mem; *m; m++)
			if (strcmp(*m, name) == 0 && nr < GROUPS_MAX)
				groups[nr++] = found->gr_gid;
	if (f)
		fclose(f);
	return nr;
}

__attribute__((format(printf, 2, 3), noreturn))
static void give_up(const struct program *p, const char *fmt, ...)
{
	char text[HCC_ERROR_LEN];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (write(p->say_fd, text, strlen(text)) < 0)
		_exit(126);
	_exit(127);
}

static int begin(void *arg)
{
	static char buf[16384];
	struct program *p = arg;
	gid_t groups[GROUPS_MAX];
	struct passwd pw;
	sigset_t none;
	char c;

	if (read(p->go_fd, &c, 1) != 1)
		_exit(126);
	close(p->go_fd);
	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	sigemptyset(&none);
	/* The helper is spared when memory is short; what users run is not. */
	hcc_write("0", "/proc/self/oom_score_adj");
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	umask(022);
	hch_filter_join();
	if (!find_user(p->user, &pw, buf, sizeof(buf)))
		give_up(p, "The environment's /etc/passwd has no user %s.", p->user);
	/* Others of the container must not run what they like as him. */
	if (p->by > 1 && p->by - 1 != pw.pw_uid)
		give_up(p, "Only user %s and root may submit jobs.", p->user);
	if (setgroups(find_groups(p->user, pw.pw_gid, groups), groups) < 0 ||
	    setresgid(pw.pw_gid, pw.pw_gid, pw.pw_gid) < 0 ||
	    setresuid(pw.pw_uid, pw.pw_uid, pw.pw_uid) < 0)
		give_up(p, "It can't become user %s: %s.", p->user, strerror(errno));
	clearenv();
	setenv("PATH", PATH, 1);
	setenv("HOME", pw.pw_dir, 1);
	setenv("USER", pw.pw_name, 1);
	setenv("LOGNAME", pw.pw_name, 1);
	setenv("SHELL", pw.pw_shell[0] ? pw.pw_shell : "/bin/sh", 1);
	if (chdir(p->folder[0] ? p->folder : pw.pw_dir) < 0)
		give_up(p, "Its folder %.200s can't be entered: %s.",
			p->folder[0] ? p->folder : pw.pw_dir, strerror(errno));
	execvp(p->argv[0], p->argv);
	give_up(p, "\"%.200s\" can't be started: %s.", p->argv[0], strerror(errno));
}

/* ---- its keeper ---------------------------------------------------- */

struct keeper {
	struct run run;
	char cgroup[HCC_PATH_LEN * 2];
	int out_fd, pipe_fd;
	uint64_t written, lost;
	pid_t pid;
};

static uint64_t now_ms(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* What came out. A full disk loses output, never the job. Return: false at the end. */
static bool take_output(struct keeper *k)
{
	static char buf[65536];
	ssize_t n = read(k->pipe_fd, buf, sizeof(buf));
	size_t keep;

	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	keep = k->written >= OUT_MAX ? 0 : OUT_MAX - (size_t)k->written;
	keep = keep < (size_t)n ? keep : (size_t)n;
	for (size_t at = 0; at < keep;) {
		ssize_t w = write(k->out_fd, buf + at, keep - at);

		if (w <= 0) {
			keep = at;
			break;
		}
		at += (size_t)w;
	}
	k->written += keep;
	k->lost += (uint64_t)n - keep;
	return true;
}

static bool is_populated(const char *cgroup)
{
	char path[HCC_PATH_LEN * 2 + 16], text[256];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.events", cgroup);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return strstr(text, "populated 1");
}

/* End all that is in it, and the cgroup. Return: 0, or -EBUSY. */
static int end_all(const char *cgroup)
{
	uint64_t until = now_ms(CLOCK_MONOTONIC) + KILL_MS;

	hcc_write("1", "%s/cgroup.kill", cgroup);
	while (is_populated(cgroup)) {
		if (now_ms(CLOCK_MONOTONIC) > until)
			return -EBUSY;
		poll(NULL, 0, 10);
	}
	rmdir(cgroup);
	return 0;
}

static int write_status(const struct keeper *k, int status)
{
	char from[HCC_PATH_LEN + 16], to[HCC_PATH_LEN + 16], *text;
	int fd = open_in(&k->run, "status.new", O_WRONLY | O_CREAT | O_TRUNC), r = 0;
	json_t *json = json_pack("{s:i, s:I, s:I}", "status", status, "ended_ms",
				 (json_int_t)now_ms(CLOCK_REALTIME), "lost", (json_int_t)k->lost);

	text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	snprintf(from, sizeof(from), "%s/status.new", k->run.dir);
	snprintf(to, sizeof(to), "%s/status", k->run.dir);
	if (fd < 0 || !text || write(fd, text, strlen(text)) != (ssize_t)strlen(text) ||
	    fsync(fd) < 0 || rename(from, to) < 0)
		r = -EIO;
	if (fd >= 0)
		close(fd);
	free(text);
	return r;
}

/* Until the program has ended and its output is in. Return: as a shell has it. */
static int keep(struct keeper *k)
{
	int pidfd = (int)syscall(SYS_pidfd_open, k->pid, 0), status = 0;
	bool has_output = true;

	fcntl(k->pipe_fd, F_SETFL, O_NONBLOCK);
	for (;;) {
		struct pollfd fds[2] = {
			{ .fd = pidfd, .events = POLLIN },
			{ .fd = has_output ? k->pipe_fd : -1, .events = POLLIN },
		};

		if (poll(fds, 2, pidfd < 0 ? 200 : -1) < 0 && errno != EINTR)
			break;
		if (fds[1].revents)
			has_output = take_output(k);
		if (waitpid(k->pid, &status, WNOHANG) == k->pid)
			break;
	}
	end_all(k->cgroup);
	/* Nobody writes any more: what is in the pipe is all there will be. */
	for (struct pollfd fd = { .fd = k->pipe_fd, .events = POLLIN };
	     has_output && poll(&fd, 1, 0) > 0;)
		has_output = take_output(k);
	fsync(k->out_fd);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Attach the program, put it into its cgroup, let it go. Return: 0; -ENOEXEC: it never can. */
static int start(struct keeper *k, const struct hcc_spec *spec, const struct hcc_place *place,
		 struct program *p, char error[HCC_ERROR_LEN])
{
	lxc_attach_options_t opt = LXC_ATTACH_OPTIONS_DEFAULT;
	struct lxc_container *c = lxc_container_new(spec->name, LXC_DIR);
	int go[2], say[2], out[2], null = open("/dev/null", O_RDONLY | O_CLOEXEC), r = -EIO;
	char pid[16], said[HCC_ERROR_LEN];
	ssize_t n;

	if (!c || !c->is_running(c))
		return hcc_fail(error, -EAGAIN, "Environment %s does not run.", spec->name);
	if (null < 0 || pipe2(go, O_CLOEXEC) < 0 || pipe2(say, O_CLOEXEC) < 0 ||
	    pipe2(out, O_CLOEXEC) < 0)
		return hcc_fail(error, -errno, "Cannot make a pipe: %m.");
	snprintf(k->cgroup, sizeof(k->cgroup), "%s/box/job-%s", place->cgroup, k->run.name);
	if (mkdir(k->cgroup, 0755) < 0 && errno != EEXIST)
		return hcc_fail(error, -errno, "Cannot make %s: %m.", k->cgroup);
	p->go_fd = go[0];
	p->say_fd = say[1];
	opt.env_policy = LXC_ATTACH_CLEAR_ENV;
	opt.stdin_fd = null;
	opt.stdout_fd = out[1];
	opt.stderr_fd = out[1];
	if (c->attach(c, begin, p, &opt, &k->pid) < 0) {
		rmdir(k->cgroup);
		return hcc_fail(error, -EIO, "Nothing can be started in environment %s.", spec->name);
	}
	close(go[0]);
	close(say[1]);
	close(out[1]);
	snprintf(pid, sizeof(pid), "%d", k->pid);
	r = hcc_write(pid, "%s/cgroup.procs", k->cgroup);
	if (r == 0 && write(go[1], "g", 1) != 1)
		r = -EPIPE;
	close(go[1]);
	n = r == 0 ? read(say[0], said, sizeof(said) - 1) : 0;
	if (r == 0 && n == 0) {
		k->pipe_fd = out[0];
		lxc_container_put(c);
		return 0;
	}
	kill(k->pid, SIGKILL);
	waitpid(k->pid, NULL, 0);
	end_all(k->cgroup);
	if (r < 0)
		return hcc_fail(error, r, "The job can't be put into a cgroup of its own: %s.",
				strerror(-r));
	said[n > 0 ? n : 0] = '\0';
	return hcc_fail(error, -ENOEXEC, "%s", said);
}

struct begun {
	int result;
	char error[HCC_ERROR_LEN];
};

/* The keeper's life. */
__attribute__((noreturn))
static void run_keeper(struct keeper *k, const struct hcc_spec *spec, const struct hcc_place *place,
		       struct program *p, int tell_fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct begun b = { .result = -EIO };
	int fd;

	setsid();
	signal(SIGPIPE, SIG_IGN);
	/* Who asked must see the socket's end when the helper ends, not when the job does. */
	tell_fd = dup3(tell_fd, TELL_FD, O_CLOEXEC);
	close_range(TELL_FD + 1, ~0U, 0);
	fd = open_in(&k->run, "keeper", O_RDWR | O_CREAT | O_EXCL);
	k->out_fd = open_in(&k->run, "out", O_WRONLY | O_CREAT | O_EXCL | O_APPEND);
	if (fd < 0 || k->out_fd < 0 || fcntl(fd, F_SETLK, &lock) < 0 ||
	    dprintf(fd, "%s/box/job-%s\n", place->cgroup, k->run.name) < 0)
		b.result = hcc_fail(b.error, -errno, "Cannot make the job's files in %s: %m.", k->run.dir);
	else
		b.result = start(k, spec, place, p, b.error);
	if (b.result < 0)
		hcc_remove_tree(k->run.dir);
	if (write(tell_fd, &b, sizeof(b)) < 0)
		errno = 0;	/* who asked is gone: the run goes on */
	close(tell_fd);
	if (b.result == 0)
		write_status(k, keep(k));
	_exit(0);
}

static int do_run(json_t *request, json_t *answer, char error[HCC_ERROR_LEN])
{
	json_t *words = json_object_get(request, "argv"), *v;
	char *argv[ARGS_MAX + 1] = { 0 };
	struct program p = { .argv = argv, .folder = "" };
	struct keeper k = { 0 };
	struct hcc_place place;
	struct hcc_spec spec;
	struct begun b;
	int tell[2], r;
	pid_t pid;
	size_t i;

	(void)answer;
	r = take_run(request, &k.run, error) ? : hcc_spec_parse(request, &spec, error) ? :
	    hcc_place(&spec, &place, error);
	if (r < 0)
		return r;
	json_array_foreach(words, i, v) {
		if (i == ARGS_MAX || !json_is_string(v))
			return hcc_fail(error, -ENOEXEC, "The job's command is none.");
		argv[i] = (char *)json_string_value(v);
	}
	if (!argv[0])
		return hcc_fail(error, -ENOEXEC, "The job's command is none.");
	json_unpack(request, "{s?s, s?I}", "folder", &p.folder, "by", &p.by);
	p.user = spec.name;
	if (mkdir(k.run.dir, 0700) < 0)
		return hcc_fail(error, -errno, "The run %s of a job can't begin: %m.", k.run.name);
	if (pipe2(tell, O_CLOEXEC) < 0)
		return hcc_fail(error, -errno, "Cannot make a pipe: %m.");
	/* Behind the number that the keeper wants to have it under. */
	tell[1] = fcntl(tell[1], F_DUPFD_CLOEXEC, TELL_FD + 1);
	pid = tell[1] < 0 ? -1 : fork();
	if (pid == 0)
		run_keeper(&k, &spec, &place, &p, tell[1]);
	close(tell[1]);
	if (pid < 0 || read(tell[0], &b, sizeof(b)) != sizeof(b))
		return hcc_fail(error, -EIO, "The job's keeper did not begin.");
	return b.result < 0 ? hcc_fail(error, b.result, "%s", b.error) : 0;
}

/* ---- looking after them ---------------------------------------------------- */

static json_t *look_at(const struct run *r)
{
	/* In this order: who ends between the two has written its status. */
	bool is_running = is_kept(r);
	json_t *status = status_of(r);
	json_t *row = json_pack("{s:s, s:s}", "run", r->name, "state",
				access(r->dir, F_OK) < 0 ? "none" : status ? "ended" :
				is_running ? "running" : "lost");

	if (status)
		json_object_update_missing(row, status);
	json_decref(status);
	return row;
}

static int do_look(json_t *request, json_t *answer, char error[HCC_ERROR_LEN])
{
	json_t *names = json_object_get(request, "runs"), *rows = json_array(), *v;
	struct run r;
	size_t i;

	(void)error;
	json_array_foreach(names, i, v) {
		json_t *one = json_pack("{s:O}", "run", v);

		if (i < LIST_MAX && take_run(one, &r, error) == 0)
			json_array_append_new(rows, look_at(&r));
		json_decref(one);
	}
	json_object_set_new(answer, "runs", rows);
	return 0;
}

static int do_list(json_t *request, json_t *answer, char error[HCC_ERROR_LEN])
{
	DIR *dir = opendir(JOBS);
	json_t *names = json_array();
	struct dirent *e;

	(void)request;
	(void)error;
	while (dir && json_array_size(names) < LIST_MAX && (e = readdir(dir)))
		if (is_run_name(e->d_name))
			json_array_append_new(names, json_string(e->d_name));
	if (dir)
		closedir(dir);
	json_object_set_new(answer, "runs", names);
	return 0;
}

/* Its cgroup, as its keeper wrote it down. Return: false where it never had one. */
static bool cgroup_of(const struct run *r, char cgroup[HCC_PATH_LEN])
{
	int fd = open_in(r, "keeper", O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, cgroup, HCC_PATH_LEN - 1);

	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return false;
	cgroup[n] = '\0';
	cgroup[strcspn(cgroup, "\n")] = '\0';
	return cgroup[0] == '/';
}

static void signal_all(const char *cgroup, int sig)
{
	char path[HCC_PATH_LEN + 16];
	FILE *f;
	int pid;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	f = fopen(path, "re");
	while (f && fscanf(f, "%d", &pid) == 1)
		if (pid > 0)
			kill(pid, sig);
	if (f)
		fclose(f);
}

static int stop_run(const struct run *r, bool is_kill, char error[HCC_ERROR_LEN])
{
	char cgroup[HCC_PATH_LEN];

	if (!cgroup_of(r, cgroup))
		return 0;
	if (!is_kill)
		signal_all(cgroup, SIGTERM);
	else if (end_all(cgroup) < 0)
		return hcc_fail(error, -EBUSY, "The processes of run %s do not end.", r->name);
	return 0;
}

static int do_stop(json_t *request, json_t *answer, char error[HCC_ERROR_LEN])
{
	bool is_kill = json_is_true(json_object_get(request, "kill"));
	struct run r;
	int rc = take_run(request, &r, error);

	(void)answer;
	return rc < 0 ? rc : stop_run(&r, is_kill, error);
}

static int do_del(json_t *request, json_t *answer, char error[HCC_ERROR_LEN])
{
	struct run r;
	int rc = take_run(request, &r, error);

	(void)answer;
	rc = rc ? : stop_run(&r, true, error);
	if (rc == 0)
		rc = hcc_remove_tree(r.dir);
	return rc;
}

/* ---- output ---------------------------------------------------- */

static char *base64(const uint8_t *data, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *text = malloc(len / 3 * 4 + 5), *at = text;

	for (size_t i = 0; text && i < len; i += 3) {
		uint32_t v = (uint32_t)data[i] << 16 | (i + 1 < len ? data[i + 1] << 8 : 0) |
			     (i + 2 < len ? data[i + 2] : 0);

		*at++ = digits[v >> 18];
		*at++ = digits[v >> 12 & 63];
		*at++ = i + 1 < len ? digits[v >> 6 & 63] : '=';
		*at++ = i + 2 < len ? digits[v & 63] : '=';
	}
	if (text)
		*at = '\0';
	return text;
}

static int do_read(json_t *request, json_t *answer, char error[HCC_ERROR_LEN])
{
	json_int_t offset = json_integer_value(json_object_get(request, "offset")), lost = 0;
	static uint8_t piece[PIECE_MAX];
	json_t *status;
	struct run r;
	struct stat st;
	ssize_t n = 0;
	char *text;
	int fd, rc = take_run(request, &r, error);

	if (rc < 0)
		return rc;
	fd = open_in(&r, "out", O_RDONLY);
	if (fd < 0 || fstat(fd, &st) < 0)
		return hcc_fail(error, -ENOENT, "The output is not there any more.");
	if (offset >= 0)
		n = pread(fd, piece, sizeof(piece), offset);
	close(fd);
	if (n < 0)
		return hcc_fail(error, -errno, "The output can't be read: %m.");
	status = status_of(&r);
	lost = json_integer_value(json_object_get(status, "lost"));
	json_decref(status);
	text = base64(piece, (size_t)n);
	json_object_set_new(answer, "data", json_string(text ? text : ""));
	json_object_set_new(answer, "total", json_integer(st.st_size));
	json_object_set_new(answer, "lost", json_integer(lost));
	free(text);
	return text ? 0 : -ENOMEM;
}

int hcc_job(const char *verb, json_t *request, json_t **ret_answer, char error[HCC_ERROR_LEN])
{
	static const struct {
		const char *name;
		int (*run)(json_t *request, json_t *answer, char error[HCC_ERROR_LEN]);
	} verbs[] = {
		{ "job.run", do_run }, { "job.look", do_look }, { "job.list", do_list },
		{ "job.stop", do_stop }, { "job.del", do_del }, { "job.read", do_read },
	};

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		json_t *answer;
		int r;

		if (strcmp(verbs[i].name, verb))
			continue;
		answer = json_pack("{s:b}", "ok", 1);
		r = verbs[i].run(request, answer, error);
		if (r < 0)
			json_decref(answer);
		else
			*ret_answer = answer;
		return r;
	}
	return hcc_fail(error, -EINVAL, "hyperchain-container (version " HC_VERSION ") does not know \"%.32s\".",
			verb);
}
