// SPDX-License-Identifier: GPL-2.0-or-later
/* A tar into the root directory, by libarchive, inside the sandbox. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "container.h"

#define BLOCK		65536
#define STEP_BYTES	(8 << 20)
#define WHITEOUT	".wh."
#define OPAQUE		".wh..wh..opq"

static bool goes_up(const char *path)
{
	while (path && *path) {
		size_t len = strcspn(path, "/");

		if (len == 2 && path[0] == '.' && path[1] == '.')
			return true;
		path += len + strspn(path + len, "/");
	}
	return false;
}

/* Of a layer: ".wh.NAME" takes NAME of the layers below away, OPAQUE all of a directory. */
static int white_out(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	char target[PATH_MAX];
	bool is_all = strcmp(name, OPAQUE) == 0;
	struct stat st;
	int r;

	snprintf(target, sizeof(target), "%.*s%s", (int)(name - path), path,
		 is_all ? "." : name + strlen(WHITEOUT));
	if (!is_all)
		return hcc_remove_tree(target);
	if (stat(target, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	r = hcc_remove_tree(target);
	if (r < 0 && r != -EINVAL)
		return r;
	target[strlen(target) - 1] = 0;
	if (target[0] && mkdir(target, st.st_mode & 07777) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

/* Return: 1 = take it, 0 = leave it out, -errno. */
static int judge(struct archive_entry *entry, char error[HCC_ERROR_LEN])
{
	const char *path = archive_entry_pathname(entry), *link = archive_entry_hardlink(entry);
	mode_t type = archive_entry_filetype(entry);

	if (!path || !*path)
		return hcc_fail(error, -EINVAL, "The image has an entry without a readable name.");
	if (strlen(path) >= PATH_MAX - 8)
		return hcc_fail(error, -EINVAL, "The image has a path that is too long.");
	if (goes_up(path) || goes_up(link))
		return hcc_fail(error, -EINVAL, "The image is refused: its entry \"%.100s\" leads out of it with \"..\".",
				path);
	if (archive_entry_uid(entry) < 0 || archive_entry_uid(entry) >= HCC_IDS ||
	    archive_entry_gid(entry) < 0 || archive_entry_gid(entry) >= HCC_IDS)
		return hcc_fail(error, -EINVAL, "The image is refused: \"%.100s\" belongs to user %lld, group %lld, and an environment has only 0 to %d.",
				path, (long long)archive_entry_uid(entry),
				(long long)archive_entry_gid(entry), HCC_IDS - 1);
	/* Devices come from the host's /dev, and no user namespace may make any. */
	return type == AE_IFCHR || type == AE_IFBLK ? 0 : 1;
}

static int one(struct archive *a, struct archive *disk, struct archive_entry *entry, bool is_layer,
	       char error[HCC_ERROR_LEN])
{
	const char *path = archive_entry_pathname(entry), *slash;
	int r = judge(entry, error);

	if (r <= 0)
		return r;
	slash = strrchr(path, '/');
	if (is_layer && !strncmp(slash ? slash + 1 : path, WHITEOUT, strlen(WHITEOUT))) {
		r = white_out(path);
		return r < 0 ? hcc_fail(error, r, "Cannot take \"%.100s\" away: %s.", path, strerror(-r)) : 0;
	}
	r = archive_read_extract2(a, entry, disk);
	if (r >= ARCHIVE_WARN)
		return 0;
	/* Its text is empty when the reading, not the writing failed. */
	if (archive_error_string(a) && archive_errno(a))
		return hcc_fail(error, -EIO, "The image can't be unpacked at \"%.100s\": %s.", path,
				archive_error_string(a));
	return hcc_fail(error, -EIO, "The image can't be unpacked at \"%.100s\": %s.", path,
			archive_error_string(disk) ? : "it is damaged");
}

int hcc_unpack(int fd, bool is_layer, int step_fd, char error[HCC_ERROR_LEN])
{
	struct archive *a = archive_read_new(), *disk = archive_write_disk_new();
	struct archive_entry *entry;
	struct stat st = { 0 };
	int64_t told = 0;
	uint64_t count = 0;
	int r, result = 0;

	if (!a || !disk)
		return hcc_fail(error, -ENOMEM, "Out of memory.");
	setlocale(LC_ALL, "C.UTF-8");
	fstat(fd, &st);
	/* Not "all": some filters are programs that would be started. */
	archive_read_support_filter_gzip(a);
	archive_read_support_filter_xz(a);
	archive_read_support_filter_zstd(a);
	archive_read_support_filter_bzip2(a);
	archive_read_support_format_tar(a);
	archive_write_disk_set_options(disk, ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_PERM |
				       ARCHIVE_EXTRACT_OWNER | ARCHIVE_EXTRACT_ACL |
				       ARCHIVE_EXTRACT_XATTR | ARCHIVE_EXTRACT_UNLINK);
	r = archive_read_open_fd(a, fd, BLOCK);
	if (r != ARCHIVE_OK)
		result = hcc_fail(error, -EINVAL, "The image is no tar archive: %s.",
				  archive_error_string(a) ? : "it is damaged");
	while (result == 0) {
		r = archive_read_next_header(a, &entry);
		if (r == ARCHIVE_EOF)
			break;
		if (r < ARCHIVE_WARN) {
			result = hcc_fail(error, -EINVAL, "The image is damaged or no tar archive: %s.",
					  archive_error_string(a) ? : "unknown form");
			break;
		}
		count++;
		result = one(a, disk, entry, is_layer, error);
		if (archive_filter_bytes(a, -1) - told >= STEP_BYTES) {
			told = archive_filter_bytes(a, -1);
			hcc_sandbox_step(step_fd, "unpacking the image", (uint64_t)told,
					 (uint64_t)st.st_size);
		}
	}
	if (result == 0 && count == 0)
		result = hcc_fail(error, -EINVAL, "The image is empty.");
	/* Modes of directories are set now. */
	if (archive_write_close(disk) < ARCHIVE_WARN && result == 0)
		result = hcc_fail(error, -EIO, "The image can't be unpacked: %s.",
				  archive_error_string(disk));
	archive_write_free(disk);
	archive_read_free(a);
	return result;
}
