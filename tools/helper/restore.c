// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hyperchain-restore: becomes a program that comes from another node. Started by the
 * kernel module with descriptor 0 open on the move (see <linux/hyperchain_move.h>).
 *
 *	restore (host) ── pid 1 of a new pid, time and mount namespace
 *	                   └── one for each id that the program knows: session, parent, group
 *	                        └── the program
 *
 * What takes time happens before the program stops at its old home; from HCM_WAIT on
 * every millisecond counts. After the vDSO was moved no library function may be called
 * that asks for the time.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <hyperchain/image.h>
#include <linux/hyperchain_move.h>

#define CTL_FD		500		/* where the move is, out of the way of most programs */
#define CTL_FD_HIGH	65600		/* and of those that have more descriptors than that */
#define STACK_LEN	16384

static int ctl;

__attribute__((format(printf, 1, 2), noreturn))
static void fail(const char *fmt, ...)
{
	struct hcm_fail f = { 0 };
	va_list args;

	va_start(args, fmt);
	vsnprintf(f.text, sizeof(f.text), fmt, args);
	va_end(args);
	ioctl(ctl, HCM_FAIL, &f);
	_exit(125);
}

static pid_t clone_as(pid_t pid)
{
	struct clone_args args = {
		.exit_signal = SIGCHLD,
		.set_tid = (uintptr_t)&pid,
		.set_tid_size = 1,
	};

	return syscall(SYS_clone3, &args, sizeof(args));
}

/* ---- before the program stops ---- */

static void namespaces(const struct hcm_info *info)
{
	char text[160];
	int fd, n;

	if (unshare(CLONE_NEWPID | CLONE_NEWTIME | CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		fail("namespaces could not be made there: %s", strerror(errno));
	n = snprintf(text, sizeof(text), "monotonic %lld %lld\nboottime %lld %lld\n",
		     (long long)(info->mono_ns / 1000000000 - (info->mono_ns % 1000000000 < 0)),
		     (long long)((info->mono_ns % 1000000000 + 1000000000) % 1000000000),
		     (long long)(info->boot_ns / 1000000000 - (info->boot_ns % 1000000000 < 0)),
		     (long long)((info->boot_ns % 1000000000 + 1000000000) % 1000000000));
	fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, n) != n)
		fail("the clocks could not be set there: %s", strerror(errno));
	close(fd);
}

/* A child of ours that does nothing but lead the program's group, or 0. */
static pid_t group_leader;

/* Wait for @pid, telling how it does, and reap what else ends. */
static void watch(pid_t pid, bool tells)
{
	int status;
	pid_t who;

	for (;;) {
		who = waitpid(-1, &status, WUNTRACED | WCONTINUED);
		if (who < 0 && errno == EINTR)
			continue;
		if (who < 0)
			return;
		if (who != pid)
			continue;
		if (tells)
			ioctl(ctl, HCM_STATUS, (unsigned long)status);
		if (WIFSTOPPED(status) || WIFCONTINUED(status))
			continue;
		pid = -1;
		if (group_leader)
			kill(group_leader, SIGKILL);
		group_leader = 0;
	}
}

/* ---- the program's process: what plain system calls can set ---- */

struct image {
	const char *bytes;
	const struct hci_head *head;
};

static const struct hci_rec *next(const struct image *im, const struct hci_rec *rec, uint32_t type)
{
	do {
		if (rec && rec->type == HCI_END)
			return NULL;
		rec = rec ? (const struct hci_rec *)((const char *)rec + rec->len) :
		      (const struct hci_rec *)im->bytes;
	} while (rec->type != type);
	return rec;
}

static void image_read(long len, struct image *ret)
{
	char *bytes = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long at = 0, n;

	if (bytes == MAP_FAILED)
		fail("no memory for the image there");
	while (at < len) {
		n = read(ctl, bytes + at, len - at);
		if (n <= 0)
			fail("the image could not be read there");
		at += n;
	}
	ret->bytes = bytes;
	ret->head = (const struct hci_head *)bytes;
}

static void file_place(const struct hci_file *f, int fd)
{
	if (fd == (int)f->fd)
		return;
	if (dup3(fd, f->fd, O_CLOEXEC) < 0)
		fail("descriptor %u could not be made there: %s", f->fd, strerror(errno));
	close(fd);
}

/* Descriptor @fd again by its path: only if it is the same thing. */
static void file_open(const struct hci_file *f)
{
	const char *path = (const char *)(f + 1);
	int flags = f->flags & ~(O_CREAT | O_EXCL | O_TRUNC);
	struct stat st;
	int fd;

	fd = open(path, flags | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		fail("%.60s can't be opened there: %s", path, strerror(errno));
	if ((st.st_mode & S_IFMT) != (f->mode & S_IFMT) || !S_ISCHR(st.st_mode) ||
	    makedev(f->rdev >> 20, f->rdev & 0xfffff) != st.st_rdev)
		fail("%.60s is something else there", path);
	file_place(f, fd);
}

static void file_home(const struct hci_file *f, uint32_t index)
{
	struct hcm_file home = { .object = f->fd, .index = index };
	int fd = ioctl(ctl, HCM_FILE, &home);

	if (fd < 0)
		fail("descriptor %u could not be served from home: %s", f->fd, strerror(errno));
	file_place(f, fd);
}

static void make_room(const struct image *im)
{
	struct rlimit many = { CTL_FD_HIGH + 1, CTL_FD_HIGH + 1 };
	const struct hci_rec *rec = NULL;
	uint32_t highest = 0;

	while ((rec = next(im, rec, HCI_FILE)))
		highest = ((const struct hci_file *)rec)->fd;
	if (highest < CTL_FD)
		return;
	if (setrlimit(RLIMIT_NOFILE, &many) || dup3(ctl, CTL_FD_HIGH, O_CLOEXEC) < 0)
		fail("too few descriptors are allowed there");
	close(ctl);
	ctl = CTL_FD_HIGH;
}

static void files(const struct image *im)
{
	const struct hci_rec *rec = NULL;
	uint32_t index = 0;

	for (; (rec = next(im, rec, HCI_FILE)); index++) {
		const struct hci_file *f = (const struct hci_file *)rec;

		if (f->kind == HCI_FILE_PATH)
			file_open(f);
		else if (f->kind == HCI_FILE_HOME)
			file_home(f, index);
		else if (f->kind == HCI_FILE_SAME && dup3(f->same, f->fd, O_CLOEXEC) < 0)
			fail("descriptor %u could not be doubled there", f->fd);
		if (fcntl(f->fd, F_SETFD, f->cloexec ? FD_CLOEXEC : 0))
			fail("descriptor %u could not be set there", f->fd);
	}
}

static void text_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fail("%s could not be set there: %s", path, strerror(errno));
	close(fd);
}

/* Limits first, while we may raise them; identity last. */
static void settings(const struct hci_head *h)
{
	char text[16];

	for (int i = 0; i < HCI_RLIMITS; i++) {
		struct rlimit limit = { h->rlimits[i][0], h->rlimits[i][1] };

		if (i != RLIMIT_NPROC && setrlimit(i, &limit))
			fail("limit %d could not be set there", i);
	}
	umask(h->umask);
	if (chdir(h->cwd))
		fail("the directory %.80s is not there", h->cwd);
	snprintf(text, sizeof(text), "%d", h->oom_score_adj);
	text_to("/proc/self/oom_score_adj", text);
	errno = 0;
	if (setpriority(PRIO_PROCESS, 0, h->nice) && errno)
		fail("the priority could not be set there");
	personality(h->personality);
	prctl(PR_SET_TIMERSLACK, h->timer_slack_ns);
	/* Makes later name lookups by the kernel those of the program: see identity(). */
}

static int caps_set(const struct hci_head *h)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	for (int i = 0; i < 2; i++) {
		data[i].inheritable = h->caps[0] >> (32 * i);
		data[i].permitted = h->caps[1] >> (32 * i);
		data[i].effective = h->caps[2] >> (32 * i);
	}
	return syscall(SYS_capset, &head, data);
}

static void identity(const struct hci_head *h)
{
	struct rlimit nproc = { h->rlimits[RLIMIT_NPROC][0], h->rlimits[RLIMIT_NPROC][1] };
	gid_t groups[HCI_GROUPS_MAX];
	bool ok = true;

	for (uint32_t i = 0; i < h->nr_groups; i++)
		groups[i] = h->groups[i];
	ok &= prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP | SECBIT_KEEP_CAPS) == 0;
	for (int cap = 0; cap < 64; cap++)
		if (!(h->caps[3] >> cap & 1) && prctl(PR_CAPBSET_READ, cap) == 1)
			ok &= prctl(PR_CAPBSET_DROP, cap) == 0;
	ok &= setgroups(h->nr_groups, groups) == 0;
	ok &= syscall(SYS_setresgid, h->gid[0], h->gid[1], h->gid[2]) == 0;
	ok &= syscall(SYS_setresuid, h->uid[0], h->uid[1], h->uid[2]) == 0;
	setfsgid(h->gid[3]);
	setfsuid(h->uid[3]);
	ok &= setrlimit(RLIMIT_NPROC, &nproc) == 0;
	ok &= prctl(PR_SET_SECUREBITS, h->securebits) == 0;
	/* Once to be able to raise what is ambient, then for good. */
	ok &= caps_set(h) == 0;
	for (int cap = 0; cap < 64; cap++)
		if (h->caps[4] >> cap & 1)
			ok &= prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) == 0;
	ok &= prctl(PR_SET_DUMPABLE, h->dumpable == 1, 0, 0, 0) == 0;
	if (h->no_new_privs)
		ok &= prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
	if (!ok)
		fail("its identity could not be set there: %s", strerror(errno));
}

static void timers(const struct hci_head *h)
{
	struct itimerval v;
	struct timespec now;
	int64_t left;

	if (!h->itimer_ns)
		return;
	/* We live in the source's time already. */
	clock_gettime(CLOCK_MONOTONIC, &now);
	left = now.tv_sec * 1000000000LL + now.tv_nsec - (int64_t)h->mono_ns;
	left = (int64_t)h->itimer_ns - left;
	if (left < 1000)
		left = 1000;
	v.it_value.tv_sec = left / 1000000000;
	v.it_value.tv_usec = left / 1000 % 1000000;
	v.it_interval.tv_sec = h->itimer_interval_ns / 1000000000;
	v.it_interval.tv_usec = h->itimer_interval_ns / 1000 % 1000000;
	if (setitimer(ITIMER_REAL, &v, NULL))
		fail("its timer could not be set there");
}

/* ---- threads; from here on nothing of the library but plain system calls ---- */

static long call3(long nr, long a, long b, long c)
{
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "a"(nr), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return ret;
}

__attribute__((noreturn, used))
static void join(long index)
{
	call3(SYS_ioctl, ctl, HCM_JOIN, index);
	for (;;)
		call3(SYS_exit_group, 125, 0, 0);
}

static long thread_start(pid_t *tid, long index)
{
	struct clone_args args = {
		.flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
			 CLONE_SYSVSEM,
		.set_tid = (uintptr_t)tid,
		.set_tid_size = 1,
		.stack_size = STACK_LEN - 64,
	};
	long ret;

	args.stack = (uintptr_t)mmap(NULL, STACK_LEN, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "mov %[index], %%rdi\n\t"
			 "call *%[fn]\n\t"
			 "1:" : "=a"(ret)
			 : "a"(SYS_clone3), "D"(&args), "S"(sizeof(args)), [index] "r"(index),
			   [fn] "r"(join)
			 : "rcx", "r11", "memory");
	return ret;
}

struct place {
	unsigned long start, end;
};

static void own_places(struct place *vvar, struct place *vdso)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];

	memset(vvar, 0, sizeof(*vvar));
	memset(vdso, 0, sizeof(*vdso));
	while (maps && fgets(line, sizeof(line), maps)) {
		unsigned long start, end;

		if (sscanf(line, "%lx-%lx", &start, &end) != 2)
			continue;
		if (strstr(line, "[vvar")) {
			if (!vvar->start)
				vvar->start = start;
			vvar->end = end;
		} else if (strstr(line, "[vdso]")) {
			vdso->start = start;
			vdso->end = end;
		}
	}
	if (maps)
		fclose(maps);
}

static bool remap(unsigned long from, unsigned long len, unsigned long to)
{
	return mremap((void *)from, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)to) ==
	       (void *)to;
}

/*
 * The kernel's data and code where the program had them. By a free place between, since
 * old and new may overlap.
 */
static void vdso_move(const struct hci_head *h)
{
	struct place vvar, vdso;
	unsigned long between = 0x200000000UL;

	own_places(&vvar, &vdso);
	if (!vdso.start || vdso.end - vdso.start != h->vdso_end - h->vdso ||
	    vvar.end - vvar.start != h->vdso - h->vvar)
		fail("the vDSO has another layout there");
	if (vdso.start == h->vdso && vvar.start == h->vvar)
		return;
	if (!remap(vvar.start, vvar.end - vvar.start, between) ||
	    !remap(vdso.start, vdso.end - vdso.start, between + (vvar.end - vvar.start)) ||
	    !remap(between, vvar.end - vvar.start, h->vvar) ||
	    !remap(between + (vvar.end - vvar.start), vdso.end - vdso.start, h->vdso))
		fail("the vDSO could not be moved there: %s", strerror(errno));
}

__attribute__((noreturn))
static void become(const struct hcm_info *info)
{
	const struct hci_rec *rec = NULL;
	struct image im;
	sigset_t all;
	long len;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	len = ioctl(ctl, HCM_WAIT);
	if (len < 0)
		_exit(125);
	image_read(len, &im);
	if (im.head->pid != info->pid)
		fail("the image is of another process");
	make_room(&im);
	files(&im);
	settings(im.head);
	identity(im.head);
	timers(im.head);
	vdso_move(im.head);
	rec = next(&im, NULL, HCI_THREAD);
	for (long i = 1; (rec = next(&im, rec, HCI_THREAD)); i++) {
		pid_t tid = ((const struct hci_thread *)rec)->tid;

		if (thread_start(&tid, i) < 0)
			fail("thread %d could not be made there", tid);
	}
	join(0);
}

/* ---- the family around it ---- */

/* Into the process group with that number, which is made when it is our own. */
static void group_join(uint32_t pgid)
{
	if (pgid && (pid_t)pgid != getpgrp() && setpgid(0, pgid) && (pid_t)pgid == getpid())
		fail("process group %u could not be made there: %s", pgid, strerror(errno));
}

static void program(const struct hcm_info *info)
{
	pid_t pid = clone_as(info->pid);

	if (pid < 0)
		fail("process %u could not be made there: %s", info->pid, strerror(errno));
	if (!pid) {
		if (info->sid == info->pid)
			setsid();
		else
			group_join(info->pgid);
		become(info);
	}
	if (info->pgid == info->pid && info->sid != info->pid)
		setpgid(pid, pid);
	watch(pid, true);
}

/* Leads the program's group in place of the process that does at home. */
static void placeholder(pid_t number)
{
	pid_t pid = clone_as(number);

	if (pid == 0) {
		close(ctl);
		setpgid(0, 0);
		for (;;)
			pause();
	}
	if (pid < 0)
		fail("process group %d could not be made there: %s", number, strerror(errno));
	setpgid(pid, pid);	/* whoever is first: the program joins it next */
	group_leader = pid;
}

/* A process with that number, in which the caller goes on; who made it waits for its end. */
static void one_more(pid_t number)
{
	pid_t pid = clone_as(number);

	if (pid < 0)
		fail("process %d could not be made there: %s", number, strerror(errno));
	if (pid) {
		close(ctl);
		watch(pid, false);
		_exit(0);
	}
	group_leader = 0;	/* our maker's child */
}

/*
 * Pid 1. A session, a parent and a group with the numbers that the program knows: a job that has
 * a parent in its session stops at ^Z, another one would not.
 */
static void first(const struct hcm_info *info)
{
	pid_t pid = info->pid, sid = info->sid, pgid = info->pgid, ppid = info->ppid;

	mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	if (sid > 1 && sid != pid) {
		one_more(sid);
		setsid();
	}
	if (pgid > 1 && pgid != pid && pgid != sid && pgid != ppid)
		placeholder(pgid);
	if (ppid > 1 && ppid != sid && ppid != pid) {
		one_more(ppid);
		if (pgid == ppid)
			group_join(pgid);
	}
	program(info);
}

int main(void)
{
	struct hcm_info info;
	pid_t pid;

	/* The move away from where the program's descriptors go; nothing on 0, 1, 2. */
	ctl = fcntl(0, F_DUPFD_CLOEXEC, CTL_FD);
	if (ctl < 0)
		return 1;
	close(0);
	if (ioctl(ctl, HCM_INFO, &info) || info.version != HCM_VERSION)
		fail("hyperchain-restore and module are of two versions there");
	for (int signo = 1; signo < NSIG; signo++)
		signal(signo, SIG_DFL);
	namespaces(&info);
	pid = fork();
	if (pid < 0)
		fail("no process could be made there: %s", strerror(errno));
	if (!pid) {
		first(&info);
		_exit(0);
	}
	close(ctl);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return 0;
}
