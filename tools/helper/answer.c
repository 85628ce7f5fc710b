// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Answers the calls of an environment's programs that tell what the machine has (R2). /proc and
 * /sys show the sum of its nodes by hyperchain-view; what the calls tell is read from there, so
 * both agree, whatever is shown. Where that can't be read the kernel answers: the truth, never an
 * error.
 *
 * A thread of the container's first process does it, for nobody in there can end that. It is
 * started before the filter is, and so is not asked itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "filter.h"

#define LISTENERS_MAX	512	/* one for who comes in later, until its last program ends */
#define CPUS_MAX	8192
#define MASK_LEN	(CPUS_MAX / 8)

typedef uint64_t mask_t[CPUS_MAX / 64];

/* One call, as the kernel tells it. Later kernels may have more to tell. */
struct call {
	union {
		struct seccomp_notif is;
		char room[512];
	};
	int listener;
	int mem;		/* the caller's memory */
};

static bool bit(const mask_t mask, unsigned int n)
{
	return mask[n / 64] >> (n % 64) & 1;
}

static void set_bit(mask_t mask, unsigned int n)
{
	mask[n / 64] |= 1ULL << (n % 64);
}

/* By name, also where there is no malloc to be had. Return: length, or -1 */
static ssize_t read_text(const char *path, char *buf, size_t len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, len - 1);

	if (fd >= 0)
		close(fd);
	if (n >= 0)
		buf[n] = 0;
	return n;
}

/* What this environment shows; 0 = can't be told. */
static unsigned int shown_cpus(void)
{
	unsigned int first, last;
	char text[64];
	int n;

	if (read_text("/sys/devices/system/cpu/online", text, sizeof(text)) <= 0)
		return 0;
	n = sscanf(text, "%u-%u", &first, &last);
	if (n < 1 || first || (n == 2 && last >= CPUS_MAX))
		return 0;
	return n == 2 ? last + 1 : 1;
}

/* Where @tid may run, in truth. Not by glibc: its mask is too short for some machines. */
static bool read_affinity(pid_t tid, mask_t mask)
{
	memset(mask, 0, MASK_LEN);
	return syscall(__NR_sched_getaffinity, tid, (size_t)MASK_LEN, mask) > 0;
}

/* It has numbers of its own for processes: what it names is not what we would take it for. */
static bool is_nested(pid_t tid)
{
	char path[40], text[4096], *ids;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	if (read_text(path, text, sizeof(text)) <= 0)
		return true;
	ids = strstr(text, "\nNSpid:\t");
	return !ids || strcspn(ids + 8, "\t\n") != strcspn(ids + 8, "\n");
}

static uid_t owner_of(pid_t tid)
{
	char path[40];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d", tid);
	return stat(path, &st) < 0 ? (uid_t)-1 : st.st_uid;
}

/* The memory is still that of who called. */
static bool open_mem(struct call *c, int flags)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/%u/mem", c->is.pid);
	c->mem = open(path, flags | O_CLOEXEC);
	return c->mem >= 0 && ioctl(c->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &c->is.id) == 0;
}

static bool put(struct call *c, uint64_t at, const void *data, size_t len)
{
	return open_mem(c, O_WRONLY) && pwrite(c->mem, data, len, (off_t)at) == (ssize_t)len;
}

enum verdict { KERNEL, DONE };	/* who answers: the kernel as if we were not there; we */

static enum verdict get_affinity(struct call *c, int64_t *ret)
{
	pid_t tid = (pid_t)c->is.data.args[0];
	size_t len = c->is.data.args[1] & UINT32_MAX, need;
	mask_t own, mask = { 0 };
	unsigned int n = shown_cpus();

	if (!n || len % sizeof(long) || (tid && is_nested((pid_t)c->is.pid)))
		return KERNEL;
	/* Who was told to stay on some processors of this node is shown them. */
	if (!read_affinity(0, own) || !read_affinity(tid ? : (pid_t)c->is.pid, mask) ||
	    memcmp(own, mask, sizeof(own)))
		return KERNEL;
	need = (n + 63) / 64 * 8;
	if (len < need && len * 8 < n) {
		*ret = -EINVAL;
		return DONE;
	}
	memset(mask, 0, sizeof(mask));
	for (unsigned int i = 0; i < n; i++)
		set_bit(mask, i);
	*ret = (int64_t)(len < need ? len : need);
	return put(c, c->is.data.args[2], mask, (size_t)*ret) ? DONE : KERNEL;
}

/* Processor @i of those shown, on this node: they take turns. */
static unsigned int local_of(const mask_t own, unsigned int i)
{
	unsigned int nr = 0, n;

	for (n = 0; n < CPUS_MAX; n++)
		nr += bit(own, n);
	for (n = 0, i %= nr; n < CPUS_MAX; n++)
		if (bit(own, n) && !i--)
			break;
	return n;
}

/*
 * What is there on this node the kernel takes. A processor that is only shown is another node's:
 * its place is taken by one of this node, instead of an error.
 */
static enum verdict set_affinity(struct call *c, int64_t *ret)
{
	pid_t caller = (pid_t)c->is.pid, tid = (pid_t)c->is.data.args[0] ? : caller;
	size_t len = c->is.data.args[1] & UINT32_MAX;
	unsigned int n = shown_cpus(), found = 0;
	mask_t own, asked = { 0 }, mapped = { 0 };

	if (len > sizeof(asked))
		len = sizeof(asked);
	if (!n || !read_affinity(0, own) || !open_mem(c, O_RDONLY) ||
	    pread(c->mem, asked, len, (off_t)c->is.data.args[2]) != (ssize_t)len)
		return KERNEL;
	for (unsigned int i = 0; i < CPUS_MAX; i++) {
		if (!bit(asked, i))
			continue;
		if (bit(own, i))
			return KERNEL;
		if (i < n) {
			set_bit(mapped, local_of(own, i));
			found++;
		}
	}
	if (!found)
		return KERNEL;
	/* As root of the container we may more than the caller: its own programs only. */
	if (tid != caller &&
	    (is_nested(caller) || (owner_of(caller) && owner_of(caller) != owner_of(tid))))
		return KERNEL;
	*ret = syscall(__NR_sched_setaffinity, tid, sizeof(mapped), mapped) < 0 ? -errno : 0;
	return DONE;
}

/* Bytes, of a line of /proc/meminfo. */
static bool memory_of(const char *text, const char *key, unsigned long *ret)
{
	const char *at = strstr(text, key);

	if (!at)
		return false;
	*ret = strtoul(at + strlen(key), NULL, 10) * 1024;
	return true;
}

static enum verdict tell_sysinfo(struct call *c, int64_t *ret)
{
	char text[4096] = "\n";
	double load[3], up;
	struct sysinfo si;
	unsigned int procs;

	if (sysinfo(&si) < 0 || read_text("/proc/meminfo", text + 1, sizeof(text) - 1) <= 0)
		return KERNEL;
	if (!memory_of(text, "\nMemTotal:", &si.totalram) ||
	    !memory_of(text, "\nMemFree:", &si.freeram) ||
	    !memory_of(text, "\nShmem:", &si.sharedram) ||
	    !memory_of(text, "\nBuffers:", &si.bufferram) ||
	    !memory_of(text, "\nSwapTotal:", &si.totalswap) ||
	    !memory_of(text, "\nSwapFree:", &si.freeswap))
		return KERNEL;
	si.totalhigh = 0;
	si.freehigh = 0;
	si.mem_unit = 1;
	if (read_text("/proc/uptime", text, sizeof(text)) > 0 && sscanf(text, "%lf", &up) == 1)
		si.uptime = (long)up;
	if (read_text("/proc/loadavg", text, sizeof(text)) > 0 &&
	    sscanf(text, "%lf %lf %lf %*u/%u", &load[0], &load[1], &load[2], &procs) == 4) {
		for (int i = 0; i < 3; i++)
			si.loads[i] = (unsigned long)(load[i] * (1 << SI_LOAD_SHIFT));
		si.procs = (unsigned short)(procs > UINT16_MAX ? UINT16_MAX : procs);
	}
	*ret = 0;
	return put(c, c->is.data.args[0], &si, sizeof(si)) ? DONE : KERNEL;
}

static void answer(int listener)
{
	union {
		struct seccomp_notif_resp is;
		char room[512];
	} say = { .room = { 0 } };
	struct call c = { .room = { 0 }, .listener = listener, .mem = -1 };
	enum verdict verdict = KERNEL;
	int64_t ret = 0;

	/* It may have gone away since: that is told, too. */
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &c.is) < 0)
		return;
	switch (c.is.data.nr) {
	case __NR_sched_getaffinity:
		verdict = get_affinity(&c, &ret);
		break;
	case __NR_sched_setaffinity:
		verdict = set_affinity(&c, &ret);
		break;
	case __NR_sysinfo:
		verdict = tell_sysinfo(&c, &ret);
		break;
	}
	if (c.mem >= 0)
		close(c.mem);
	say.is.id = c.is.id;
	if (verdict == KERNEL)
		say.is.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	else if (ret < 0)
		say.is.error = (int32_t)ret;
	else
		say.is.val = ret;
	ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &say.is);
}

/* Somebody of root's comes in. Return: its listener, or -1 */
static int take_listener(int sock)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	char c = 0;
	struct iovec one = { &c, 1 };
	struct msghdr msg = {
		.msg_iov = &one, .msg_iovlen = 1,
		.msg_control = control.buf, .msg_controllen = sizeof(control.buf),
	};
	struct timeval limit = { .tv_sec = 1 };
	int conn = accept4(sock, NULL, NULL, SOCK_CLOEXEC), fd = -1;
	struct cmsghdr *h;

	if (conn < 0)
		return -1;
	setsockopt(conn, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (send(conn, &c, 1, MSG_NOSIGNAL) == 1 && recvmsg(conn, &msg, MSG_CMSG_CLOEXEC) == 1) {
		h = CMSG_FIRSTHDR(&msg);
		if (h && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS &&
		    h->cmsg_len == CMSG_LEN(sizeof(int)))
			memcpy(&fd, CMSG_DATA(h), sizeof(fd));
	}
	close(conn);
	return fd;
}

static void *serve(void *arg)
{
	static struct pollfd fds[1 + LISTENERS_MAX];
	nfds_t nr = 1, n;

	fds[0] = (struct pollfd){ .fd = (int)(intptr_t)arg };
	for (;;) {
		fds[0].events = nr <= LISTENERS_MAX ? POLLIN : 0;
		if (poll(fds, nr, -1) < 0)
			continue;
		for (n = nr - 1; n > 0; n--) {
			if (fds[n].revents & POLLIN) {
				answer(fds[n].fd);
			} else if (fds[n].revents) {	/* the last one of it has ended */
				close(fds[n].fd);
				fds[n] = fds[--nr];
			}
		}
		if (fds[0].revents & POLLIN) {
			int fd = take_listener(fds[0].fd);

			if (fd >= 0)
				fds[nr++] = (struct pollfd){ .fd = fd, .events = POLLIN };
		}
	}
	return NULL;
}

int hch_answer_start(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = HCH_SOCKET };
	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), r;
	mode_t mask = umask(077);
	pthread_t thread;

	unlink(HCH_SOCKET);
	r = sock < 0 || bind(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(sock, 64) < 0 ? -errno : 0;
	umask(mask);
	r = r ? : -pthread_create(&thread, NULL, serve, (void *)(intptr_t)sock);
	if (r < 0 && sock >= 0)
		close(sock);
	return r;
}
