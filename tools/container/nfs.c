// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The root of an environment of several nodes: NFS 4.2, by the kernel's own server and client.
 *
 * The server is told who may have what before anybody asks, through the files that mountd would
 * write to: so it needs no rpcbind, no mountd, no name service, and /etc/exports stays the
 * administrator's. To each node the tree looks like this:
 *
 *	/ = /var/lib/hyperchain-env/env		only to pass through
 *	└── NAME				only to pass through
 *	    └── root				read, write; root is the environment's own
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "container.h"

#define NFSD		"/proc/fs/nfsd"
#define RECOVERY	"/var/lib/nfs/v4recovery"
#define EXPORT_DIR	"/run/hyperchain/export"
#define PORT		2049
#define THREADS		"8"
#define GRACE_S		"10"
#define FOREVER		INT32_MAX	/* as the kernel takes it: 32 bits of seconds since 1970 */
#define FSID_FIRST	0x68630000u
#define TRIES		40
#define TRY_US		500000

/* <linux/nfsd/export.h>, which is no header for programs everywhere. */
#define EXP_READONLY		0x1u
#define EXP_ROOTSQUASH		0x4u
#define EXP_NOSUBTREECHECK	0x400u
#define EXP_FSID		0x2000u
#define EXP_V4ROOT		0x10000u

/* ---- the server ------------------------------------------------------------------- */

/* Of an address that was checked. Return: its length. */
static socklen_t sockaddr_of(const char *address, struct sockaddr_storage *ret)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;

	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET6, address, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(PORT);
		return sizeof(*v6);
	}
	inet_pton(AF_INET, address, &v4->sin_addr);
	v4->sin_family = AF_INET;
	v4->sin_port = htons(PORT);
	return sizeof(*v4);
}

static int make_socket(const char *address, int *ret_fd)
{
	struct sockaddr_storage at;
	socklen_t len = sockaddr_of(address, &at);
	int fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* The nodes' network may come up a moment later, and anew. */
	setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&at, len) < 0 || listen(fd, 64) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

/* Listen at @address alone. Whoever listens there already is the kernel, for us. */
static int listen_at(const char *address, char error[HCC_ERROR_LEN])
{
	char number[16];
	int fd = -1, r = make_socket(address, &fd);

	if (r == -EADDRINUSE)
		return 0;
	if (r < 0)
		return hcc_fail(error, r, "Nothing can listen at %s port %d: %s.", address, PORT,
				strerror(-r));
	snprintf(number, sizeof(number), "%d\n", fd);
	r = hcc_write(number, NFSD "/portlist");
	close(fd);
	return r < 0 ? hcc_fail(error, r, "The kernel's NFS server does not listen at %s: %s.", address,
				strerror(-r)) : 0;
}

static bool is_serving(void)
{
	char text[16] = "";
	int fd = open(NFSD "/threads", O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && read(fd, text, sizeof(text) - 1) < 0)
		text[0] = 0;
	if (fd >= 0)
		close(fd);
	return atoi(text) > 0;
}

static int serve(const char *address, char error[HCC_ERROR_LEN])
{
	static const char *const load[] = { "modprobe", "-q", "nfsd", NULL };
	char ignored[HCC_ERROR_LEN];
	int r;

	/* Built in, or loaded already: then there is nothing to load. */
	hcc_run(load, NULL, ignored);
	if (access(NFSD "/threads", F_OK) < 0 && mount("nfsd", NFSD, "nfsd", 0, NULL) < 0)
		return hcc_fail(error, -errno, "This kernel has no NFS server (nfsd): %m. An environment of several nodes needs it where its files are.");
	if (is_serving())
		return listen_at(address, error);
	/* Who was here before a restart of this machine may claim what it had open. */
	if (mkdir("/var/lib/nfs", 0755) == 0 || errno == EEXIST)
		mkdir(RECOVERY, 0700);
	hcc_write(GRACE_S "\n", NFSD "/nfsv4leasetime");
	hcc_write(GRACE_S "\n", NFSD "/nfsv4gracetime");
	hcc_write("-3\n", NFSD "/versions");
	r = listen_at(address, error);
	if (r < 0)
		return r;
	r = hcc_write(THREADS "\n", NFSD "/threads");
	return r < 0 ? hcc_fail(error, r, "The kernel's NFS server does not start: %s.", strerror(-r)) : 0;
}

/* ---- who may have what ---------------------------------------------------------------- */

/* One line, as the kernel reads it: a write each. */
__attribute__((format(printf, 2, 3)))
static int tell(const char *cache, const char *fmt, ...)
{
	char line[HCC_PATH_LEN + 256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	return hcc_write(line, "/proc/net/rpc/%s/channel", cache);
}

static void domain_of(uint32_t node, char buf[32])
{
	snprintf(buf, 32, "hyperchain-node-%u", node);
}

struct export {
	char path[HCC_PATH_LEN];
	uint32_t fsid;
	unsigned int flags;
};

#define EXPORTS	3

static void exports_of(const struct hcc_spec *spec, const struct hcc_place *place,
		       struct export list[EXPORTS])
{
	const unsigned int common = EXP_ROOTSQUASH | EXP_NOSUBTREECHECK | EXP_FSID;

	/* The first one is all environments' of that node, and stays. */
	snprintf(list[0].path, sizeof(list[0].path), HCC_DIR "/env");
	list[0].fsid = 0;
	list[0].flags = common | EXP_V4ROOT | EXP_READONLY;
	snprintf(list[1].path, sizeof(list[1].path), "%s", place->dir);
	list[1].fsid = FSID_FIRST + spec->id * 2;
	list[1].flags = common | EXP_V4ROOT | EXP_READONLY;
	snprintf(list[2].path, sizeof(list[2].path), "%s", place->root);
	list[2].fsid = FSID_FIRST + spec->id * 2 + 1;
	list[2].flags = common;
}

/* @uid: whom a node's root is, 0 = the export ends. */
static int set_export(const struct export *e, const char *domain, uid_t uid)
{
	char fsid[4 * 2 + 1];
	int r;

	/* A number as it lies in memory. */
	for (int i = 0; i < 4; i++)
		snprintf(fsid + i * 2, 3, "%02x", ((const uint8_t *)&e->fsid)[i]);
	if (!uid) {
		r = tell("nfsd.fh", "%s 1 \\x%s %d\n", domain, fsid, FOREVER);
		return tell("nfsd.export", "%s %s %d\n", domain, e->path, FOREVER) ? : r;
	}
	r = tell("nfsd.export", "%s %s %d %u %u %u %d\n", domain, e->path, FOREVER, e->flags, uid, uid,
		 (int)e->fsid);
	return r ? : tell("nfsd.fh", "%s 1 \\x%s %d %s\n", domain, fsid, FOREVER, e->path);
}

static void withdraw_one(const struct hcc_spec *spec, const struct hcc_place *place, uint32_t node)
{
	struct export list[EXPORTS];
	char domain[32];

	domain_of(node, domain);
	exports_of(spec, place, list);
	for (int i = EXPORTS - 1; i > 0; i--)
		set_export(&list[i], domain, 0);
}

/* Those who had it once: for each a file, so that a restart forgets nobody who is to go. */
static void note(const struct hcc_spec *spec, bool is_all)
{
	char path[HCC_PATH_LEN];
	FILE *f;

	if (mkdir(EXPORT_DIR, 0700) < 0 && errno != EEXIST)
		return;
	snprintf(path, sizeof(path), EXPORT_DIR "/%s", spec->name);
	if (!is_all) {
		unlink(path);
		return;
	}
	f = fopen(path, "we");
	for (size_t i = 0; f && i < spec->nr_nodes; i++)
		fprintf(f, "%u\n", spec->nodes[i].id);
	if (f)
		fclose(f);
}

static bool has_node(const struct hcc_spec *spec, uint32_t id)
{
	for (size_t i = 0; i < spec->nr_nodes; i++) {
		if (spec->nodes[i].id == id)
			return true;
	}
	return false;
}

static void withdraw_others(const struct hcc_spec *spec, const struct hcc_place *place, bool is_all)
{
	char path[HCC_PATH_LEN];
	unsigned int id;
	FILE *f;

	snprintf(path, sizeof(path), EXPORT_DIR "/%s", spec->name);
	f = fopen(path, "re");
	while (f && fscanf(f, "%u", &id) == 1) {
		if (is_all || !has_node(spec, id))
			withdraw_one(spec, place, id);
	}
	if (f)
		fclose(f);
}

int hcc_nfs_export(const struct hcc_spec *spec, const struct hcc_place *place,
		   char error[HCC_ERROR_LEN])
{
	struct export list[EXPORTS];
	int r = serve(spec->own.address, error);

	if (r < 0)
		return r;
	withdraw_others(spec, place, false);
	exports_of(spec, place, list);
	for (size_t i = 0; i < spec->nr_nodes; i++) {
		const struct hcc_node *n = &spec->nodes[i];
		char domain[32];

		if (n->id == spec->own.id)
			continue;
		domain_of(n->id, domain);
		r = tell("auth.unix.ip", "nfsd %s %d %s\n", n->address, FOREVER, domain);
		for (int k = 0; k < EXPORTS && r == 0; k++)
			r = set_export(&list[k], domain, place->uid);
		if (r < 0)
			return hcc_fail(error, r, "%s can't be given to node %u by NFS: %s.%s", place->root, n->id,
					strerror(-r), r == -EINVAL ?
					" The file system that it is on can't be exported." : "");
	}
	note(spec, true);
	return 0;
}

void hcc_nfs_withdraw(const struct hcc_spec *spec, const struct hcc_place *place)
{
	withdraw_others(spec, place, true);
	note(spec, false);
}

/* ---- the client --------------------------------------------------------------------------- */

static bool answers(const char *address)
{
	struct timeval limit = { .tv_sec = 3 };
	struct sockaddr_storage at;
	socklen_t len = sockaddr_of(address, &at);
	int fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool is_there;

	if (fd < 0)
		return false;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	is_there = connect(fd, (struct sockaddr *)&at, len) == 0;
	close(fd);
	return is_there;
}

void hcc_nfs_unmount(const struct hcc_spec *spec, const struct hcc_place *place)
{
	/* What is still to be written is written, unless there is nobody to write it. */
	if (!answers(spec->storage))
		umount2(place->root, MNT_FORCE | UMOUNT_NOFOLLOW);
	while (umount2(place->root, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		;
}

/* The other end may be a moment behind us. */
static bool is_worth_trying(int r)
{
	return r == -ENOENT || r == -EACCES || r == -ECONNREFUSED || r == -ESTALE || r == -EAGAIN ||
	       r == -ETIMEDOUT || r == -EPERM;
}

int hcc_nfs_mount(const struct hcc_spec *spec, const struct hcc_place *place,
		  char error[HCC_ERROR_LEN])
{
	static const char *const load[] = { "modprobe", "-q", "nfsv4", NULL };
	bool is_v6 = strchr(spec->storage, ':');
	char source[HCC_PATH_LEN], options[512], ignored[HCC_ERROR_LEN];
	int r = -EIO;

	if ((mkdir(place->dir, 0710) < 0 && errno != EEXIST) ||
	    chown(place->dir, 0, place->uid) < 0 || chmod(place->dir, 0710) < 0 ||
	    (mkdir(place->root, 0755) < 0 && errno != EEXIST))
		return hcc_fail(error, -errno, "Cannot make %s: %m.", place->root);
	hcc_nfs_unmount(spec, place);
	hcc_run(load, NULL, ignored);
	snprintf(source, sizeof(source), is_v6 ? "[%s]:/%s/root" : "%s:/%s/root", spec->storage, spec->name);
	/*
	 * What another node has made is seen at once, what it changed within a second: make(1) on
	 * several nodes lives on it.
	 */
	snprintf(options, sizeof(options),
		 "vers=4.2,proto=%s,addr=%s,clientaddr=%s,port=%d,sec=sys,hard,timeo=100,retrans=2,actimeo=1,lookupcache=pos",
		 is_v6 ? "tcp6" : "tcp", spec->storage, spec->own.address, PORT);
	for (int i = 0; i < TRIES; i++) {
		r = mount(source, place->root, "nfs4", MS_NODEV | MS_NOATIME, options) < 0 ? -errno : 0;
		if (r == 0 || !is_worth_trying(r))
			break;
		usleep(TRY_US);
	}
	return r < 0 ? hcc_fail(error, r, "The environment's files can't be mounted from %s: %s.",
				source, strerror(-r)) : 0;
}
