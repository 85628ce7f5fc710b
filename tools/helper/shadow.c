// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hyperchain-shadow: what is left at home of a program that runs on another node. The
 * process is the old one (pid, parent, session, terminal, descriptors); the kernel
 * module has made it execute this. It forwards signals, serves the program's files by
 * threads that work inside the module, and ends as the program ends.
 *
 * Environment: HC_FD, the descriptor of the move; HC_COMM, the program's name.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/hyperchain_move.h>

#define THREADS_MAX	256
#define STACK_LEN	(64 * 1024)

static int home_fd = -1;
static unsigned int nr_threads;

/*
 * Serves until home is closed. What the terminal sends to a job in the background that
 * reads or writes is meant for us: we stop, and the program with us.
 */
static void *serve(void *scratch)
{
	sigset_t job;

	sigemptyset(&job);
	sigaddset(&job, SIGTTIN);
	sigaddset(&job, SIGTTOU);
	pthread_sigmask(SIG_UNBLOCK, &job, NULL);
	while (ioctl(home_fd, HCM_SERVE, scratch) == 0 || errno == EINTR)
		;
	return NULL;
}

static void serve_more(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	void *scratch;

	if (nr_threads == THREADS_MAX)
		return;
	scratch = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (scratch == MAP_FAILED)
		return;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_LEN);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&thread, &attr, serve, scratch))
		munmap(scratch, 4096);
	else
		nr_threads++;
	pthread_attr_destroy(&attr);
}

/* By the default action of @signo, so that the parent sees what it would have seen. */
static void do_as_default(int signo)
{
	sigset_t set;

	signal(signo, SIG_DFL);
	kill(getpid(), signo);
	sigemptyset(&set);
	sigaddset(&set, signo);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

__attribute__((noreturn))
static void end(unsigned int status)
{
	struct rlimit none = { 0, 0 };

	if (status & 0x7f) {
		setrlimit(RLIMIT_CORE, &none);
		do_as_default(status & 0x7f);
	}
	_exit(status & 0x7f ? 128 + (status & 0x7f) : status >> 8 & 0xff);
}

static void news(void)
{
	struct hcm_news n;

	if (read(home_fd, &n, sizeof(n)) != sizeof(n))
		return;
	switch (n.kind) {
	case HCM_NEWS_ENDED:
		end(n.status);
	case HCM_NEWS_STOPPED:
		do_as_default(n.status == SIGTSTP || n.status == SIGTTIN || n.status == SIGTTOU ?
			      (int)n.status : SIGSTOP);
		break;
	case HCM_NEWS_SERVE:
		serve_more();
		break;
	}
}

static void forward(int signal_fd)
{
	struct hcm_signal out = { 0 };
	siginfo_t info = { 0 };
	struct signalfd_siginfo s;

	if (read(signal_fd, &s, sizeof(s)) != sizeof(s))
		return;
	info.si_signo = s.ssi_signo;
	info.si_code = s.ssi_code;
	info.si_errno = s.ssi_errno;
	info.si_pid = s.ssi_pid;
	info.si_uid = s.ssi_uid;
	info.si_ptr = (void *)(uintptr_t)s.ssi_ptr;
	out.signo = s.ssi_signo;
	memcpy(out.info, &info, sizeof(info) < sizeof(out.info) ? sizeof(info) : sizeof(out.info));
	ioctl(home_fd, HCM_SIGNAL, &out);
}

int main(void)
{
	const char *fd = getenv("HC_FD"), *comm = getenv("HC_COMM");
	struct pollfd wait[2] = { { .events = POLLIN }, { .events = POLLIN } };
	sigset_t all;

	if (!fd)
		return 126;
	home_fd = atoi(fd);
	if (comm)
		prctl(PR_SET_NAME, comm);
	/* The module holds what the program has open, and lets it go when the program does. */
	if ((home_fd && close_range(0, home_fd - 1, 0)) || close_range(home_fd + 1, ~0U, 0))
		return 126;
	/* Nothing is handled here. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	sigdelset(&all, SIGTTIN);
	sigdelset(&all, SIGTTOU);
	for (int signo = 1; signo < NSIG; signo++)
		signal(signo, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	wait[0].fd = home_fd;
	wait[1].fd = signalfd(-1, &all, SFD_CLOEXEC);
	serve_more();
	for (;;) {
		if (poll(wait, 2, -1) < 0)
			continue;
		if (wait[0].revents)
			news();
		if (wait[1].revents)
			forward(wait[1].fd);
	}
}
