// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hyperchain-view MOUNTPOINT FIGURES CGROUP: mounts, goes into the background, and keeps a server
 * at work until the mount is taken away.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "view.h"

#define FUSE_FD		3
#define PAUSE_MS	200	/* before a server that died is followed by another */

static int attach(const char *at)
{
	char options[128];
	int fd = open("/dev/fuse", O_RDWR);

	if (fd < 0)
		return -errno;
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fd);
	if (mount("hyperchain-view", at, "fuse.hyperchain", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

/* In the server. Exit: 0 = the mount is gone. */
static void serve(int fd, bool is_successor, const struct view_source *src)
{
	prctl(PR_SET_NAME, "hyperchain-view");
	signal(SIGTERM, SIG_DFL);
	_exit(view_serve(fd, is_successor, src) == 0 ? 0 : 1);
}

static void keep(int fd, const struct view_source *src)
{
	const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000L };
	bool is_successor = false;
	int status;

	for (;;) {
		pid_t pid = fork();

		if (pid == 0)
			serve(fd, is_successor, src);
		if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
		    WEXITSTATUS(status) == 0)
			return;
		is_successor = true;
		nanosleep(&pause, NULL);
	}
}

int main(int argc, char **argv)
{
	static struct view_source src;
	int fd, null;

	if (argc != 4 || argv[1][0] != '/') {
		fputs("Usage: hyperchain-view MOUNTPOINT FIGURES CGROUP\n"
		      "What an environment sees as its machine; started by hyperchain-container.\n",
		      stderr);
		return 2;
	}
	snprintf(src.figures, sizeof(src.figures), "%s", argv[2]);
	snprintf(src.cgroup, sizeof(src.cgroup), "%s", argv[3]);
	fd = attach(argv[1]);
	if (fd < 0) {
		fprintf(stderr, "hyperchain-view: Cannot mount on %s: %s.\n", argv[1], strerror(-fd));
		return 1;
	}
	/* Answers are there as soon as the mount is: whoever asks waits for the first server. */
	switch (fork()) {
	case -1:
		fprintf(stderr, "hyperchain-view: Cannot go into the background: %m.\n");
		umount2(argv[1], MNT_DETACH);
		return 1;
	case 0:
		break;
	default:
		return 0;
	}
	setsid();
	if (chdir("/") < 0)
		return 1;
	/* Nothing of who started us is kept open. */
	fd = dup2(fd, FUSE_FD);
	closefrom(FUSE_FD + 1);
	null = open("/dev/null", O_RDWR);
	for (int i = 0; i < 3 && null >= 0; i++)
		dup2(null, i);
	keep(fd, &src);
	return 0;
}
