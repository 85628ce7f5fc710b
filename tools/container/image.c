// SPDX-License-Identifier: GPL-2.0-or-later
/* An image, whatever it is, becomes a root directory. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "container.h"

#define UNPACK_S	1800
#define DEBIAN		HCC_DIR "/image/debian.tar"
#define DEBIAN_PACKAGES	"openssh-server,iproute2,procps,util-linux,less,nano,ca-certificates"

struct unpack {
	int fd;
	bool is_layer;
};

static int unpack(void *arg, char error[HCC_ERROR_LEN], int step_fd)
{
	struct unpack *u = arg;

	return hcc_unpack(u->fd, u->is_layer, step_fd, error);
}

static int from_fd(const struct hcc_place *place, int fd, bool is_layer, hcc_step_fn step,
		   void *ctx, char error[HCC_ERROR_LEN])
{
	struct unpack u = { .fd = fd, .is_layer = is_layer };

	return hcc_sandbox(place->uid, place->root, UNPACK_S, unpack, &u, step, ctx, error);
}

static int from_layout(const char *path, const struct hcc_place *place, hcc_step_fn step, void *ctx,
		       char error[HCC_ERROR_LEN])
{
	int *fds = NULL, r;
	size_t n = 0;

	r = hcc_oci_layers(path, &fds, &n, error);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		if (r == 0)
			r = from_fd(place, fds[i], true, step, ctx, error);
		close(fds[i]);
	}
	free(fds);
	return r;
}

/* Of this machine, where it is Debian: what its apt reaches is what it trusts. */
static void find_suite(char *buf, size_t len)
{
	FILE *f = fopen("/etc/os-release", "re");
	char line[128], name[64];
	bool is_debian = false;

	snprintf(buf, len, "stable");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "VERSION_CODENAME=%63[a-z]", name) == 1)
			snprintf(buf, len, "%s", name);
		is_debian |= !strcmp(line, "ID=debian\n");
	}
	if (f)
		fclose(f);
	if (!is_debian)
		snprintf(buf, len, "stable");
}

/* Once; the next environment takes the same. */
static int make_debian(hcc_step_fn step, void *ctx, char error[HCC_ERROR_LEN])
{
	static const char *const sources[] = {
		"/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list",
	};
	char suite[64];
	const char *make[] = {
		"mmdebstrap", "--variant=minbase", "--mode=root", "--quiet",
		"--include=" DEBIAN_PACKAGES, "--aptopt=Apt::Install-Recommends \"false\"",
		"--format=tar", suite, DEBIAN ".new", NULL, NULL
	};
	char why[HCC_ERROR_LEN] = "";
	int lock, r = 0;

	find_suite(suite, sizeof(suite));
	for (size_t i = 0; i < 2 && strcmp(suite, "stable") && !make[9]; i++) {
		if (access(sources[i], R_OK) == 0)
			make[9] = sources[i];
	}
	lock = open(HCC_DIR "/image/.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (lock < 0 || flock(lock, LOCK_EX) < 0)
		return hcc_fail(error, -errno, "Cannot lock " HCC_DIR "/image: %m.");
	if (access(DEBIAN, F_OK) < 0) {
		if (step)
			step("making the Debian image (once, some minutes)", 0, 0, ctx);
		r = hcc_run(make, NULL, why);
		if (r == 0 && rename(DEBIAN ".new", DEBIAN) < 0)
			r = hcc_fail(why, -errno, "%s: %s", DEBIAN, strerror(errno));
		if (r < 0)
			unlink(DEBIAN ".new");
	}
	close(lock);
	return r == 0 ? 0 :
	       hcc_fail(error, r, "%.300s Install mmdebstrap and reach a Debian mirror, or name an image with --image.",
			why);
}

int hcc_image(const struct hcc_spec *spec, const struct hcc_place *place, hcc_step_fn step,
	      void *ctx, char error[HCC_ERROR_LEN])
{
	const char *path = spec->image[0] ? spec->image : DEBIAN;
	char layout[HCC_PATH_LEN + 16];
	struct stat st;
	int fd, r;

	if (!spec->image[0]) {
		r = make_debian(step, ctx, error);
		if (r < 0)
			return r;
	}
	/* A FIFO must not hold us, a device must not be started by looking at it. */
	if (stat(path, &st) < 0)
		return hcc_fail(error, -errno, "Cannot read the image %s: %m.", path);
	if (S_ISDIR(st.st_mode)) {
		snprintf(layout, sizeof(layout), "%s/oci-layout", path);
		if (access(layout, F_OK) < 0)
			return hcc_fail(error, -EINVAL, "%s is no image: a directory must be an OCI layout, with a file oci-layout in it.",
					path);
		return from_layout(path, place, step, ctx, error);
	}
	if (!S_ISREG(st.st_mode))
		return hcc_fail(error, -EINVAL, "%s is no image: it must be a tar archive or an OCI layout.", path);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return hcc_fail(error, -errno, "Cannot read the image %s: %m.", path);
	r = from_fd(place, fd, false, step, ctx, error);
	close(fd);
	return r;
}
