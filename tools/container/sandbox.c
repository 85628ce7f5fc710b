// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What an image or a container brings is hostile. Files of it are made, read and changed only
 * here: by a process whose root directory is the container's, so that no symbolic link leads out,
 * and which is root only over the environment's own ids, so that it can make no device, no
 * set-uid program of the host, and no file of another environment.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "container.h"

struct message {
	bool is_end;
	int result;
	uint64_t done, total;
	char text[HCC_ERROR_LEN];
};

void hcc_sandbox_step(int step_fd, const char *what, uint64_t done, uint64_t total)
{
	struct message m = { .done = done, .total = total };

	snprintf(m.text, sizeof(m.text), "%s", what);
	if (write(step_fd, &m, sizeof(m)) < 0)
		return;
}

static int enter_root(const char *root)
{
	if (unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount(root, root, NULL, MS_BIND, NULL) < 0 ||
	    mount(NULL, root, NULL, MS_BIND | MS_REMOUNT | MS_NODEV | MS_NOSUID | MS_NOEXEC,
		  NULL) < 0 ||
	    chdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
	    umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return -errno;
	return 0;
}

static int become(int ready_fd, int go_fd)
{
	char c = 'r';

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) < 0)
		return -errno;
	if (write(ready_fd, &c, 1) != 1 || read(go_fd, &c, 1) != 1)
		return -EPIPE;
	if (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

static int map_ids(pid_t pid, uid_t uid)
{
	char map[64], path[64];
	int r;

	snprintf(map, sizeof(map), "0 %u %u\n", uid, HCC_IDS);
	snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
	r = hcc_write(map, "%s", path);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "/proc/%d/gid_map", pid);
	return hcc_write(map, "%s", path);
}

static void in_child(const char *root, unsigned int limit_s,
		     int (*fn)(void *arg, char error[HCC_ERROR_LEN], int step_fd), void *arg,
		     int ready_fd, int go_fd, int step_fd)
{
	struct rlimit no_core = { 0, 0 };
	struct message m = { .is_end = true };
	int r;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGALRM, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	alarm(limit_s);
	setrlimit(RLIMIT_CORE, &no_core);
	umask(022);
	r = enter_root(root);
	if (r == 0)
		r = become(ready_fd, go_fd);
	if (r < 0)
		hcc_fail(m.text, r, "A user namespace of its own can't be made: %s.", strerror(-r));
	else
		r = fn(arg, m.text, step_fd);
	m.result = r;
	_exit(write(step_fd, &m, sizeof(m)) < 0);
}

int hcc_sandbox(uid_t uid, const char *root, unsigned int limit_s,
		int (*fn)(void *arg, char error[HCC_ERROR_LEN], int step_fd), void *arg,
		hcc_step_fn step, void *ctx, char error[HCC_ERROR_LEN])
{
	int ready[2], go[2], steps[2], r = -EIO;
	bool has_end = false;
	struct message m;
	pid_t pid;
	char c;

	/* Packets: a message is whole or not there. */
	if (pipe2(ready, O_CLOEXEC) < 0 || pipe2(go, O_CLOEXEC) < 0 ||
	    pipe2(steps, O_CLOEXEC | O_DIRECT) < 0)
		return hcc_fail(error, -errno, "Cannot make a pipe: %m.");
	pid = fork();
	if (pid == 0) {
		close(ready[0]);
		close(go[1]);
		close(steps[0]);
		in_child(root, limit_s, fn, arg, ready[1], go[0], steps[1]);
	}
	close(ready[1]);
	close(go[0]);
	close(steps[1]);
	if (pid > 0 && read(ready[0], &c, 1) == 1 && map_ids(pid, uid) == 0 &&
	    write(go[1], &c, 1) != 1)
		kill(pid, SIGKILL);
	close(go[1]);
	while (pid > 0 && read(steps[0], &m, sizeof(m)) == sizeof(m)) {
		if (m.is_end) {
			has_end = true;
			r = m.result;
			snprintf(error, HCC_ERROR_LEN, "%s", m.text);
		} else if (step) {
			step(m.text, m.done, m.total, ctx);
		}
	}
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	close(ready[0]);
	close(steps[0]);
	if (!has_end)
		return hcc_fail(error, -ETIMEDOUT, "The work on the environment's files was cut short after %u s at most.",
				limit_s);
	return r;
}
