// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hyperchain-init: the first process of an environment's container. It reaps, keeps sshd running,
 * answers what programs ask about the machine, and ends everything when it is told to end. Static:
 * the image need not have any library of ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "filter.h"

#define SSHD		"/usr/sbin/sshd"
#define LIVE		"/.hyperchain/live"
#define END_S		5
#define RETRY_MAX_S	30

/*
 * Who may log in changes with what the container is to its environment, and sshd is not to be
 * started anew for it: a login in between would be refused. So sshd looks for keys where the
 * environment's own come and go (tools/container/live.c), if it has several nodes.
 */
static pid_t start_sshd(void)
{
	char *keys = access(LIVE, F_OK) == 0 ?
			     "AuthorizedKeysFile=" LIVE "/keys/%u " LIVE "/root/%h/.ssh/authorized_keys" :
			     "AuthorizedKeysFile=/etc/hyperchain/keys/%u .ssh/authorized_keys";
	char *argv[] = {
		SSHD, "-D", "-e",
		"-o", "HostKey=/etc/ssh/ssh_host_ed25519_key",
		"-o", keys,
		"-o", "PasswordAuthentication=no",
		"-o", "KbdInteractiveAuthentication=no",
		"-o", "PermitRootLogin=prohibit-password",
		"-o", "UseDNS=no",
		NULL
	};
	char *env[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL };
	sigset_t none;
	pid_t pid;

	if (access(SSHD, X_OK) < 0)
		return 0;
	pid = fork();
	if (pid == 0) {
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		execve(SSHD, argv, env);
		_exit(127);
	}
	return pid > 0 ? pid : 0;
}

/* Everybody gets SIGTERM, who is left SIGKILL. */
static void end_all(const sigset_t *set)
{
	const struct timespec limit = { .tv_sec = 1 };

	kill(-1, SIGTERM);
	kill(-1, SIGCONT);
	for (int i = 0; i < END_S; i++) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD)
			return;
		sigtimedwait(set, NULL, &limit);
	}
	kill(-1, SIGKILL);
}

/* Links that programs rely on, and the folder sshd insists on. */
static void prepare(void)
{
	int fd;

	umask(022);
	mkdir("/run/sshd", 0755);
	mkdir("/run/lock", 0777);
	fd = open("/dev/null", O_RDWR);
	if (fd >= 0) {
		dup2(fd, STDIN_FILENO);
		if (fd > STDERR_FILENO)
			close(fd);
	}
}

int main(void)
{
	struct timespec limit = { .tv_sec = 1 };
	time_t began = 0, wait_s = 1;
	pid_t sshd = 0, pid;
	sigset_t set;

	if (getpid() != 1) {
		fputs("hyperchain-init is the first process of a container, and nothing else.\n", stderr);
		return 1;
	}
	sigfillset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	prepare();
	/* Without it they see this node alone. */
	if (hch_answer_start() == 0)
		hch_filter_join();
	for (;;) {
		siginfo_t info;
		int sig;

		/* Started anew when it ended, but not in a hot circle. */
		if (!sshd && time(NULL) - began >= wait_s) {
			wait_s = time(NULL) - began < 60 ? wait_s * 2 : 1;
			if (wait_s > RETRY_MAX_S)
				wait_s = RETRY_MAX_S;
			began = time(NULL);
			sshd = start_sshd();
		}
		sig = sigtimedwait(&set, &info, &limit);
		if (sig == SIGTERM || sig == SIGPWR || sig == SIGINT)
			break;
		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
			if (pid == sshd)
				sshd = 0;
		}
	}
	end_all(&set);
	return 0;
}
