// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An OCI image layout: index.json -> manifest -> layers, each a file named by its SHA-256. Blobs
 * are opened below the layout only, through no link, and must be what their name says.
 */
#include <errno.h>
#include <fcntl.h>
#include <gcrypt.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "container.h"

#define JSON_MAX	(4 << 20)
#define LAYERS_MAX	127
#define DIGEST_LEN	32
#define NEST_MAX	3	/* an index may name an index */

static int open_below(int dir, const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return -EINVAL;
	}
	return fd;
}

static bool is_hash(const char *hex)
{
	return strlen(hex) == 2 * DIGEST_LEN && strspn(hex, "0123456789abcdef") == 2 * DIGEST_LEN;
}

static int check_hash(int fd, const char *hex)
{
	char is[2 * DIGEST_LEN + 1];
	unsigned char buf[65536];
	gcry_md_hd_t md;
	ssize_t n;

	if (gcry_md_open(&md, GCRY_MD_SHA256, 0))
		return -ENOMEM;
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		gcry_md_write(md, buf, (size_t)n);
	for (int i = 0; i < DIGEST_LEN; i++)
		sprintf(is + 2 * i, "%02x", gcry_md_read(md, GCRY_MD_SHA256)[i]);
	gcry_md_close(md);
	if (n < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	return strcmp(is, hex) ? -EBADMSG : 0;
}

/* Open the blob of a descriptor. Return: its descriptor, or -errno with @error. */
static int open_blob(int dir, json_t *descriptor, char error[HCC_ERROR_LEN])
{
	const char *digest = json_string_value(json_object_get(descriptor, "digest"));
	char path[128];
	int fd, r;

	if (!digest || strncmp(digest, "sha256:", 7) || !is_hash(digest + 7))
		return hcc_fail(error, -EINVAL, "The image names a part by something else than its SHA-256.");
	snprintf(path, sizeof(path), "blobs/sha256/%s", digest + 7);
	fd = open_below(dir, path);
	if (fd < 0)
		return hcc_fail(error, fd, "The image's part %.12s... can't be opened: %s.", digest + 7,
				strerror(-fd));
	r = check_hash(fd, digest + 7);
	if (r < 0) {
		close(fd);
		return hcc_fail(error, r, "The image is damaged: its part %.12s... is not what its name says.",
				digest + 7);
	}
	return fd;
}

static json_t *load_json(int fd)
{
	json_t *json = NULL;
	struct stat st;
	char *text;

	if (fstat(fd, &st) == 0 && st.st_size <= JSON_MAX) {
		text = malloc((size_t)st.st_size + 1);
		if (text && read(fd, text, (size_t)st.st_size) == st.st_size)
			json = json_loadb(text, (size_t)st.st_size, JSON_REJECT_DUPLICATES, NULL);
		free(text);
	}
	close(fd);
	return json;
}

/* The one for this machine, else the first without a platform. */
static json_t *choose(json_t *index)
{
	json_t *manifests = json_object_get(index, "manifests"), *m, *any = NULL;
	size_t i;

	json_array_foreach(manifests, i, m) {
		json_t *platform = json_object_get(m, "platform");
		const char *arch = json_string_value(json_object_get(platform, "architecture"));
		const char *os = json_string_value(json_object_get(platform, "os"));

		if (!arch && !any)
			any = m;
		if (arch && !strcmp(arch, "amd64") && (!os || !strcmp(os, "linux")))
			return m;
	}
	return any;
}

static int find_manifest(int dir, json_t **ret_manifest, char error[HCC_ERROR_LEN])
{
	int fd = open_below(dir, "index.json");
	json_t *json;

	if (fd < 0)
		return hcc_fail(error, fd, "The image has no readable index.json: %s.", strerror(-fd));
	json = load_json(fd);
	for (int i = 0; i < NEST_MAX && json; i++) {
		json_t *next = choose(json);

		if (json_is_array(json_object_get(json, "layers"))) {
			*ret_manifest = json;
			return 0;
		}
		if (!next) {
			json_decref(json);
			return hcc_fail(error, -EINVAL, "The image has no part for linux/amd64.");
		}
		fd = open_blob(dir, next, error);
		json_decref(json);
		if (fd < 0)
			return fd;
		json = load_json(fd);
	}
	json_decref(json);
	return hcc_fail(error, -EINVAL, "The image's index or manifest is no OCI JSON.");
}

int hcc_oci_layers(const char *path, int **ret_fds, size_t *ret_n, char error[HCC_ERROR_LEN])
{
	int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC), r, *fds;
	json_t *manifest = NULL, *layers, *layer;
	size_t n = 0, i;

	if (dir < 0)
		return hcc_fail(error, -errno, "Cannot open %s: %m.", path);
	r = find_manifest(dir, &manifest, error);
	if (r < 0) {
		close(dir);
		return r;
	}
	layers = json_object_get(manifest, "layers");
	fds = calloc(LAYERS_MAX, sizeof(*fds));
	if (!fds)
		r = hcc_fail(error, -ENOMEM, "Out of memory.");
	else if (json_array_size(layers) < 1 || json_array_size(layers) > LAYERS_MAX)
		r = hcc_fail(error, -EINVAL, "The image must have 1 to %d layers.", LAYERS_MAX);
	json_array_foreach(layers, i, layer) {
		if (r < 0)
			break;
		fds[n] = open_blob(dir, layer, error);
		if (fds[n] < 0)
			r = fds[n];
		else
			n++;
	}
	json_decref(manifest);
	close(dir);
	if (r == 0) {
		*ret_fds = fds;
		*ret_n = n;
		return 0;
	}
	while (n)
		close(fds[--n]);
	free(fds);
	return r;
}
