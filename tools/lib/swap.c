// SPDX-License-Identifier: GPL-2.0-or-later
/* The swap disk on and off. The order of steps is in swap.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/random.h>
#include <sys/stat.h>
#include <sys/swap.h>

#include "cgroup.h"
#include "dmcrypt.h"
#include "hcnl.h"
#include "swap.h"

#define PAGE		4096
#define NODE_WAIT_MS	5000	/* for the device node, and for udev to let go of it */
#define POLL_MS		200

/* Of <linux/swap.h>, which userspace does not get; ABI since 3.11. */
#define SWAP_DISCARD		0x10000
#define SWAP_DISCARD_ONCE	0x20000

/* First page of a swap device, version 1 (include/linux/swap.h, union swap_header). */
struct swap_page {
	char boot[1024];
	uint32_t version;
	uint32_t last_page;
	uint32_t nr_badpages;
	unsigned char uuid[16];
	char label[16];
	char padding[PAGE - 1024 - 12 - 32 - 10];
	char magic[10];
};
_Static_assert(sizeof(struct swap_page) == PAGE, "a swap header is one page");

__attribute__((format(printf, 3, 4)))
static int fail(char *error, int r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(error, HCNL_SWAP_ERROR_LEN, fmt, ap);
	va_end(ap);
	return r;
}

static void say(const struct hcnl_swap_report *report, const char *what, uint64_t done,
		uint64_t total)
{
	if (report && report->step)
		report->step(what, done, total, report->ctx);
}

int hcnl_swap_state(bool *ret_is_on, uint64_t *ret_used)
{
	char line[PATH_MAX + 128], path[PATH_MAX];
	unsigned long long used = 0;
	bool is_on = false;
	FILE *f = fopen("/proc/swaps", "re");

	if (!f)
		return -errno;
	while (!is_on && fgets(line, sizeof(line), f))
		is_on = sscanf(line, "%4095s %*s %*u %llu", path, &used) == 2 &&
			!strcmp(path, HCNL_SWAP_DEV);
	fclose(f);
	if (ret_is_on)
		*ret_is_on = is_on;
	if (ret_used)
		*ret_used = is_on ? used * 1024 : 0;
	return 0;
}

/*
 * Written directly: the page then belongs to this process and not to whoever
 * flushes the page cache later.
 */
static int write_header(uint64_t size)
{
	static const char label[] = "hyperchain";
	struct swap_page *p = NULL;
	int fd, r = 0;

	if (posix_memalign((void **)&p, PAGE, PAGE))
		return -ENOMEM;
	memset(p, 0, PAGE);
	p->version = 1;
	p->last_page = size / PAGE - 1;
	if (getrandom(p->uuid, sizeof(p->uuid), 0) != sizeof(p->uuid)) {
		r = -EIO;
		goto free_page;
	}
	p->uuid[6] = (p->uuid[6] & 0x0f) | 0x40;	/* random UUID, RFC 4122 */
	p->uuid[8] = (p->uuid[8] & 0x3f) | 0x80;
	memcpy(p->label, label, sizeof(label));
	memcpy(p->magic, "SWAPSPACE2", sizeof(p->magic));
	fd = open(HCNL_SWAP_DEV, O_WRONLY | O_DIRECT | O_CLOEXEC);
	if (fd < 0) {
		r = -errno;
		goto free_page;
	}
	if (pwrite(fd, p, PAGE, 0) != PAGE || fsync(fd) < 0)
		r = errno ? -errno : -EIO;
	close(fd);
free_page:
	free(p);
	return r;
}

/* devtmpfs makes the node at once; a udev rule may rename or chmod it a little later. */
static int wait_for_node(void)
{
	struct stat st;

	for (int ms = 0; ms < NODE_WAIT_MS; ms += POLL_MS) {
		if (!stat(HCNL_SWAP_DEV, &st) && S_ISBLK(st.st_mode))
			return 0;
		poll(NULL, 0, POLL_MS);
	}
	return -ENOENT;
}

/* udev opens a new or changed disk for a moment; -EBUSY goes by itself. */
static int patiently(int (*call)(struct hcnl *h), struct hcnl *h)
{
	int r = call(h);

	for (int ms = 0; r == -EBUSY && ms < NODE_WAIT_MS; ms += POLL_MS) {
		poll(NULL, 0, POLL_MS);
		r = call(h);
	}
	return r;
}

static int crypt_close(struct hcnl *h)
{
	(void)h;
	return hcnl_dmcrypt_close(HCNL_SWAP_CRYPT_NAME);
}

static int set_replicas(struct hcnl *h, uint8_t replicas)
{
	struct hcnl_env *envs = NULL;
	size_t n = 0;
	int r = hcnl_env_list(h, &envs, &n);

	for (size_t i = 0; i < n && r >= 0; i++) {
		struct hcnl_env_set set = {
			.id = envs[i].id, .set_replicas = true, .replicas = replicas,
		};

		r = hcnl_env_set(h, &set);
	}
	free(envs);
	return r;
}

static int backing_open(struct hcnl *h, const struct hcnl_swap_on *on, char *error)
{
	char mapped[64];
	const char *path = on->backing;
	int r;

	if (on->encrypt) {
		r = hcnl_dmcrypt_open(on->backing, HCNL_SWAP_CRYPT_NAME, mapped, sizeof(mapped));
		switch (r) {
		case 0:
			break;
		case -ENXIO:
		case -EINVAL:
			return fail(error, r,
				    "Cannot encrypt %s: this kernel has no dm-crypt with AES-XTS; load it (\"modprobe dm-crypt\") or say --no-encrypt.",
				    on->backing);
		case -EEXIST:
			return fail(error, r,
				    "The encrypted mapping %s is still there from an earlier run: run \"hyperchain memory swap off\" first.",
				    HCNL_SWAP_CRYPT_NAME);
		case -EBUSY:
			return fail(error, r,
				    "%s is in use (mounted, swap, or part of another device): name a block device that nothing uses, all its content is overwritten.",
				    on->backing);
		case -ENOTBLK:
			return fail(error, r,
				    "%s is not a block device: name a partition or a logical volume of its own.",
				    on->backing);
		default:
			return fail(error, r, "Cannot encrypt %s: %s.", on->backing, strerror(-r));
		}
		path = mapped;
	}
	r = hcnl_backing_add(h, path);
	if (r < 0) {
		fail(error, r, "The module did not take %s: %s", on->backing, hcnl_error(h));
		if (on->encrypt)
			patiently(crypt_close, h);
	}
	return r;
}

/*
 * Writeback throttling (wbt) holds reclaim back when reads take longer than on a
 * local disk: there is nothing to protect here. Without wbt there is no such file.
 */
static void plain_writeback(void)
{
	int fd = open("/sys/block/hcswap0/queue/wbt_lat_usec", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, "0", 1) != 1)
		errno = 0;	/* slower, not wrong */
	close(fd);
}

static int disk_on(struct hcnl *h, const struct hcnl_swap_on *on, uint64_t size,
		   const struct hcnl_swap_report *report, char *error)
{
	int flags = SWAP_DISCARD | SWAP_DISCARD_ONCE, r;

	say(report, "making the disk", 0, 0);
	r = hcnl_disk_add(h, size, on->checksum);
	if (r < 0)
		return fail(error, r, "The module did not make the disk: %s", hcnl_error(h));
	r = wait_for_node();
	if (r < 0) {
		fail(error, r, "%s did not appear: is devtmpfs mounted on /dev?", HCNL_SWAP_DEV);
		goto del_disk;
	}
	plain_writeback();
	say(report, "writing the swap header", 0, 0);
	r = write_header(size);
	if (r < 0) {
		fail(error, r, "Cannot write the swap header to %s: %s; \"hyperchain events\" says more.",
		     HCNL_SWAP_DEV, strerror(-r));
		goto del_disk;
	}
	say(report, "keeping the host's own cgroups off it", 0, 0);
	r = hcnl_swapmax_close(h);
	if (r < 0) {
		fail(error, r, "Cannot set memory.swap.max of the host's cgroups: %s.", strerror(-r));
		goto restore;
	}
	say(report, "turning it on", 0, 0);
	if (on->priority >= 0)
		flags |= SWAP_FLAG_PREFER | (on->priority & SWAP_FLAG_PRIO_MASK);
	if (swapon(HCNL_SWAP_DEV, flags) < 0) {
		r = -errno;
		fail(error, r, "swapon of %s failed: %s; see \"dmesg\".", HCNL_SWAP_DEV, strerror(-r));
		goto restore;
	}
	return 0;

restore:
	hcnl_swapmax_restore();
del_disk:
	patiently(hcnl_disk_del, h);
	return r;
}

int hcnl_swap_on(struct hcnl *h, const struct hcnl_swap_on *on,
		 const struct hcnl_swap_report *report, char error[HCNL_SWAP_ERROR_LEN])
{
	uint64_t size = (on->size + PAGE - 1) / PAGE * PAGE;
	struct hcnl_disk disk;
	bool is_on = false;
	int r;

	error[0] = 0;
	if (size < HC_DISK_SIZE_MIN || size > HC_DISK_SIZE_MAX)
		return fail(error, -ERANGE, "The swap disk has a size from %llu MiB to %llu TiB.",
			    HC_DISK_SIZE_MIN >> 20, HC_DISK_SIZE_MAX >> 40);
	hcnl_swap_state(&is_on, NULL);
	if (is_on)
		return fail(error, -EALREADY, "%s is in use as swap already.", HCNL_SWAP_DEV);
	if (!hcnl_disk_get(h, &disk))
		return fail(error, -EEXIST,
			    "There is a disk already that is not used as swap: run \"hyperchain memory swap off\" first.");
	if (on->backing) {
		say(report, on->encrypt ? "encrypting the local backing" : "taking the local backing", 0, 0);
		r = backing_open(h, on, error);
		if (r < 0)
			return r;
	}
	r = disk_on(h, on, size, report, error);
	if (r < 0)
		goto del_backing;
	if (on->replicas) {
		r = set_replicas(h, on->replicas);
		if (r < 0)
			return fail(error, r,
				    "The disk is on, but the number of copies could not be set: %s",
				    hcnl_error(h));
	}
	return 0;

del_backing:
	if (on->backing) {
		patiently(hcnl_backing_del, h);
		if (on->encrypt)
			patiently(crypt_close, h);
	}
	return r;
}

struct off {
	int result;
	bool is_done;	/* __atomic: read while the thread runs */
};

static void *off_thread(void *arg)
{
	struct off *off = arg;

	off->result = swapoff(HCNL_SWAP_DEV) < 0 ? -errno : 0;
	__atomic_store_n(&off->is_done, true, __ATOMIC_RELEASE);
	return NULL;
}

/* swapoff(2) blocks until the last page is back: it gets a thread, this one watches. */
static int swap_off_watched(const struct hcnl_swap_report *report, uint64_t total)
{
	struct off off = { 0 };
	uint64_t used = total;
	pthread_t thread;
	int r = pthread_create(&thread, NULL, off_thread, &off);

	if (r)
		return -r;
	while (!__atomic_load_n(&off.is_done, __ATOMIC_ACQUIRE)) {
		bool is_on;

		if (!hcnl_swap_state(&is_on, &used) && is_on && used <= total)
			say(report, "bringing pages back", total - used, total);
		poll(NULL, 0, POLL_MS);
	}
	pthread_join(thread, NULL);
	return off.result;
}

int hcnl_swap_off(struct hcnl *h, const struct hcnl_swap_report *report,
		  char error[HCNL_SWAP_ERROR_LEN])
{
	uint64_t used = 0;
	bool is_on = false;
	int r;

	error[0] = 0;
	r = hcnl_swap_state(&is_on, &used);
	if (r < 0)
		return fail(error, r, "Cannot read /proc/swaps: %s.", strerror(-r));
	if (is_on) {
		say(report, "bringing pages back", 0, used);
		r = swap_off_watched(report, used);
		if (r == -ENOMEM)
			return fail(error, r,
				    "There is too little free memory for the %llu MiB that are lent to this node, in this machine or within the memory.max of an environment's cgroup: stop a program or raise the limit first; the swap disk stays on.",
				    (unsigned long long)used >> 20);
		if (r < 0)
			return fail(error, r, "swapoff of %s failed: %s; it stays on.", HCNL_SWAP_DEV,
				    strerror(-r));
	}
	r = hcnl_swapmax_restore();
	if (r < 0)
		return fail(error, r, "Cannot restore memory.swap.max of the host's cgroups: %s; what is left is in "
			    HCNL_SWAP_STATE_DIR "/swap-max.json.", strerror(-r));
	say(report, "removing the disk", 0, 0);
	r = patiently(hcnl_disk_del, h);
	if (r < 0 && r != -ENODEV)
		return fail(error, r, "The module did not remove the disk: %s", hcnl_error(h));
	r = patiently(hcnl_backing_del, h);
	if (r < 0 && r != -ENODEV && r != -ENOENT)
		return fail(error, r, "The module did not let go of the local backing: %s", hcnl_error(h));
	r = patiently(crypt_close, h);
	if (r < 0)
		return fail(error, r, "Cannot remove the encrypted mapping %s: %s.", HCNL_SWAP_CRYPT_NAME,
			    strerror(-r));
	return 0;
}
