// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hyperchain-init LOGIN: the first process of the container of LOGIN's environment. It reaps, keeps
 * sshd running, answers what programs ask about the machine, has a desktop for who wants one
 * (init_vnc.c), and ends everything when it is told to. Static: the image need not have any library
 * of ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "filter.h"
#include "init_vnc.h"

#define SSHD		"/usr/sbin/sshd"
#define LIVE		"/.hyperchain/live"
#define TICK_MS		1000
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

/* An environment of one node has no other that could lead. */
static bool is_leader(void)
{
	int fd = open(LIVE "/role", O_RDONLY | O_CLOEXEC);
	char c = 'l';

	if (fd < 0)
		return access(LIVE, F_OK) < 0;
	if (read(fd, &c, 1) != 1)
		c = 0;
	close(fd);
	return c == 'l';
}

/* What came, 0 = nothing. */
static int take_signal(int fd)
{
	struct signalfd_siginfo info;

	return read(fd, &info, sizeof(info)) == sizeof(info) ? (int)info.ssi_signo : 0;
}

int main(int argc, char **argv)
{
	struct pollfd fds[1 + INIT_VNC_FDS] = { 0 };
	time_t began = 0, wait_s = 1;
	pid_t sshd = 0, pid;
	int sig, status;
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
	fds[0].fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	fds[0].events = POLLIN;
	if (argc > 1)
		init_vnc_start(argv[1]);
	for (;;) {
		/* Started anew when it ended, but not in a hot circle. */
		if (!sshd && time(NULL) - began >= wait_s) {
			wait_s = time(NULL) - began < 60 ? wait_s * 2 : 1;
			if (wait_s > RETRY_MAX_S)
				wait_s = RETRY_MAX_S;
			began = time(NULL);
			sshd = start_sshd();
		}
		init_vnc_poll(fds + 1);
		poll(fds, 1 + INIT_VNC_FDS, TICK_MS);
		sig = take_signal(fds[0].fd);
		if (sig == SIGTERM || sig == SIGPWR || sig == SIGINT)
			break;
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
			if (pid == sshd)
				sshd = 0;
			init_vnc_ended(pid, status);
		}
		init_vnc_step(fds + 1, is_leader());
	}
	end_all(&set);
	return 0;
}
