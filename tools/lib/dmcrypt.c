// SPDX-License-Identifier: GPL-2.0-or-later
/* dm-crypt by ioctl: create, load one table line, resume; and remove. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <linux/dm-ioctl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "dmcrypt.h"

#define KEY_BYTES	64	/* AES-256 in XTS mode */
#define CONTROL		"/dev/mapper/control"

struct table {
	struct dm_ioctl dm;
	struct dm_target_spec spec;
	char params[512];
};

static void dm_fill(struct dm_ioctl *dm, size_t size, const char *name)
{
	memset(dm, 0, size);
	dm->version[0] = DM_VERSION_MAJOR;
	dm->data_size = size;
	dm->data_start = sizeof(*dm);
	snprintf(dm->name, sizeof(dm->name), "%s", name);
}

void hcnl_dmcrypt_prepare(void)
{
	char name[] = "modprobe", quiet[] = "-q", module[] = "dm-crypt";
	char *argv[4] = { name, quiet, module, NULL };
	pid_t pid;

	/* Where udev made the node beforehand, opening it loads the module. */
	if (!access(CONTROL, F_OK))
		return;
	if (!posix_spawn(&pid, "/sbin/modprobe", NULL, NULL, argv, environ))
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
}

static int control_open(void)
{
	int fd;

	hcnl_dmcrypt_prepare();
	fd = open(CONTROL, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -ENXIO : fd;
}

static int remove_named(int control, const char *name)
{
	struct dm_ioctl dm;

	dm_fill(&dm, sizeof(dm), name);
	if (ioctl(control, DM_DEV_REMOVE, &dm) < 0)
		return errno == ENXIO ? 0 : -errno;
	return 0;
}

static int load_table(int control, const char *name, dev_t rdev, uint64_t sectors)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char key[KEY_BYTES];
	char text[2 * KEY_BYTES + 1];
	struct table t;
	int r = 0;

	if (getrandom(key, sizeof(key), 0) != sizeof(key))
		return -EIO;
	for (size_t i = 0; i < sizeof(key); i++) {
		text[2 * i] = hex[key[i] >> 4];
		text[2 * i + 1] = hex[key[i] & 15];
	}
	text[2 * KEY_BYTES] = 0;
	dm_fill(&t.dm, sizeof(t), name);
	t.dm.target_count = 1;
	/* SECURE_DATA: the kernel wipes its copy of this buffer. */
	t.dm.flags = DM_SECURE_DATA_FLAG;
	t.spec.length = sectors;
	snprintf(t.spec.target_type, sizeof(t.spec.target_type), "crypt");
	snprintf(t.params, sizeof(t.params), "aes-xts-plain64 %s 0 %u:%u 0 1 allow_discards", text,
		 major(rdev), minor(rdev));
	if (ioctl(control, DM_TABLE_LOAD, &t) < 0)
		r = -errno;
	explicit_bzero(key, sizeof(key));
	explicit_bzero(text, sizeof(text));
	explicit_bzero(&t, sizeof(t));
	return r;
}

/* Size and number of the block device; O_EXCL says whether somebody uses it. */
static int look_at(const char *dev, dev_t *ret_rdev, uint64_t *ret_sectors)
{
	int fd = open(dev, O_RDWR | O_EXCL | O_CLOEXEC);
	uint64_t bytes = 0;
	struct stat st;
	int r = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (!S_ISBLK(st.st_mode))
		r = -ENOTBLK;
	else if (ioctl(fd, BLKGETSIZE64, &bytes) < 0)
		r = -errno;
	close(fd);
	if (r < 0)
		return r;
	*ret_rdev = st.st_rdev;
	*ret_sectors = bytes / 512;
	return 0;
}

int hcnl_dmcrypt_open(const char *dev, const char *name, char *ret_path, size_t len)
{
	int control, r;
	struct dm_ioctl dm;
	uint64_t sectors = 0;
	dev_t rdev = 0;

	r = look_at(dev, &rdev, &sectors);
	if (r < 0)
		return r;
	control = control_open();
	if (control < 0)
		return control;
	dm_fill(&dm, sizeof(dm), name);
	if (ioctl(control, DM_DEV_CREATE, &dm) < 0) {
		r = errno == EBUSY ? -EEXIST : errno == ENODEV ? -ENXIO : -errno;
		goto close_control;
	}
	r = load_table(control, name, rdev, sectors);
	if (r < 0)
		goto remove;
	dm_fill(&dm, sizeof(dm), name);
	if (ioctl(control, DM_DEV_SUSPEND, &dm) < 0) {	/* without the flag: resume */
		r = -errno;
		goto remove;
	}
	snprintf(ret_path, len, "/dev/dm-%u", minor(dm.dev));
	close(control);
	return 0;

remove:
	remove_named(control, name);
close_control:
	close(control);
	return r;
}

int hcnl_dmcrypt_close(const char *name)
{
	int control = open(CONTROL, O_RDWR | O_CLOEXEC);
	int r;

	/* No device-mapper, no mapping. */
	if (control < 0)
		return errno == ENOENT || errno == ENODEV || errno == ENXIO ? 0 : -errno;
	r = remove_named(control, name);
	close(control);
	return r;
}
