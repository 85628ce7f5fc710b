// SPDX-License-Identifier: GPL-2.0-or-later
/* The root-only socket: see admin.h. */
#include "daemon/node/admin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/hyperchain.h>

#include "daemon/node/cleanup.h"
#include "daemon/node/request.h"

#define CLIENTS_MAX 16

struct client {
	uv_poll_t poll;
	struct hcd_admin *admin;
	uint64_t serial;		/* cookie of its requests: late answers find nobody */
	uint32_t uid;
	int fd;
	struct client *next, **prev;
};

struct hcd_admin {
	uv_poll_t poll;
	struct hcd *d;
	int fd;
	int lock_fd;			/* one daemon per run directory */
	uint64_t serial;
	unsigned int nr_clients;
	struct client *clients;
	char *buf;			/* HC_REQUEST_LEN + 1 */
};

static void client_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void drop(struct client *c)
{
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	c->admin->nr_clients--;
	uv_poll_stop(&c->poll);
	uv_close((uv_handle_t *)&c->poll, client_closed);
	close(c->fd);
}

static void answer(struct hcd *d, uint64_t cookie, const char *text, size_t len)
{
	if (!d->admin)
		return;
	for (struct client *c = d->admin->clients; c; c = c->next) {
		if (c->serial != cookie)
			continue;
		/* One that does not read its answer has only itself to blame. */
		if (send(c->fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			drop(c);
		return;
	}
}

static void on_client(uv_poll_t *poll, int status, int events)
{
	struct client *c = poll->data;
	char *buf = c->admin->buf;
	ssize_t n = recv(c->fd, buf, HC_REQUEST_LEN + 1, MSG_DONTWAIT);
	struct hcd_request from = {
		.is_admin = true, .uid = c->uid, .answer = answer, .cookie = c->serial,
	};

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		drop(c);
		return;
	}
	if (n > HC_REQUEST_LEN)
		n = HC_REQUEST_LEN;	/* cut: no longer JSON, refused as such */
	hcd_request_handle(c->admin->d, &from, buf, (size_t)n);
}

static void on_accept(uv_poll_t *poll, int status, int events)
{
	struct hcd_admin *admin = poll->data;
	int fd = accept4(admin->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	socklen_t len = sizeof(struct ucred);
	struct ucred cred;
	struct client *c;

	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 || cred.uid != 0 ||
	    admin->nr_clients >= CLIENTS_MAX) {
		close(fd);
		return;
	}
	c = calloc(1, sizeof(*c));
	if (!c) {
		close(fd);
		return;
	}
	c->admin = admin;
	c->fd = fd;
	c->uid = cred.uid;
	c->serial = ++admin->serial;
	c->poll.data = c;
	uv_poll_init(admin->d->loop, &c->poll, fd);
	uv_poll_start(&c->poll, UV_READABLE | UV_DISCONNECT, on_client);
	c->next = admin->clients;
	c->prev = &admin->clients;
	if (c->next)
		c->next->prev = &c->next;
	admin->clients = c;
	admin->nr_clients++;
}

/* A lock file, so that a second daemon does not take the socket of a live one away. */
static int take_lock(const char *run_dir, char error[HCD_ERROR_LEN])
{
	char path[HCD_PATH_LEN];
	int fd, r;

	snprintf(path, sizeof(path), "%s/hyperchaind.lock", run_dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		r = -errno;
		snprintf(error, HCD_ERROR_LEN, "%s can't be opened: %s.", path, strerror(-r));
		return r;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		r = -errno;
		close(fd);
		snprintf(error, HCD_ERROR_LEN,
			 r == -EWOULDBLOCK ? "Another hyperchaind runs already (it holds %s): end it first, or give --run-dir another directory." :
					     "%s can't be locked.", path);
		return r;
	}
	return fd;
}

static int bind_socket(const char *run_dir, char error[HCD_ERROR_LEN])
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	mode_t mask;
	int fd, r;

	if (snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%s", run_dir, HCD_ADMIN_FILE) >=
	    (int)sizeof(addr.sun_path)) {
		snprintf(error, HCD_ERROR_LEN, "The run directory's name is too long: %s.", run_dir);
		return -ENAMETOOLONG;
	}
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		r = -errno;
		snprintf(error, HCD_ERROR_LEN, "No unix socket can be made: %s.", strerror(-r));
		return r;
	}
	unlink(addr.sun_path);
	mask = umask(0177);
	r = bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ? -errno : 0;
	umask(mask);
	if (r == 0 && listen(fd, CLIENTS_MAX) < 0)
		r = -errno;
	if (r == 0)
		return fd;
	snprintf(error, HCD_ERROR_LEN, "Can't listen on %s: %s.", addr.sun_path, strerror(-r));
	close(fd);
	return r;
}

int hcd_admin_start(struct hcd *d, struct hcd_admin **ret_admin, char error[HCD_ERROR_LEN])
{
	struct hcd_admin *admin;
	int lock_fd, fd;

	lock_fd = take_lock(d->run_dir, error);
	if (lock_fd < 0)
		return lock_fd;
	fd = bind_socket(d->run_dir, error);
	if (fd < 0) {
		close(lock_fd);
		return fd;
	}
	admin = calloc(1, sizeof(*admin));
	if (admin)
		admin->buf = malloc(HC_REQUEST_LEN + 1);
	if (!admin || !admin->buf) {
		free(admin);
		close(fd);
		close(lock_fd);
		snprintf(error, HCD_ERROR_LEN, "Memory is short.");
		return -ENOMEM;
	}
	admin->d = d;
	admin->fd = fd;
	admin->lock_fd = lock_fd;
	admin->poll.data = admin;
	uv_poll_init(d->loop, &admin->poll, fd);
	uv_poll_start(&admin->poll, UV_READABLE, on_accept);
	*ret_admin = admin;
	return 0;
}

static void admin_closed(uv_handle_t *handle)
{
	struct hcd_admin *admin = handle->data;

	free(admin->buf);
	free(admin);
}

void hcd_admin_stop(struct hcd_admin *admin)
{
	char path[HCD_PATH_LEN];

	while (admin->clients)
		drop(admin->clients);
	snprintf(path, sizeof(path), "%s/%s", admin->d->run_dir, HCD_ADMIN_FILE);
	unlink(path);
	uv_poll_stop(&admin->poll);
	close(admin->fd);
	close(admin->lock_fd);
	uv_close((uv_handle_t *)&admin->poll, admin_closed);
}
