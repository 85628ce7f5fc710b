// SPDX-License-Identifier: GPL-2.0-or-later
/* The container helper's socket: see helper.h. */
#include "daemon/env/helper.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "daemon/node/cleanup.h"

#define MESSAGE_MAX	65536

static int fail(char error[HCD_ERROR_LEN], int r, const char *text)
{
	snprintf(error, HCD_ERROR_LEN, "%s", text);
	return r;
}

/* One packet. Return: NULL when there is none any more, or it is no JSON. */
static json_t *receive(int fd, char *buf)
{
	ssize_t n;

	do {
		n = recv(fd, buf, MESSAGE_MAX, 0);
	} while (n < 0 && errno == EINTR);
	return n <= 0 ? NULL : json_loadb(buf, (size_t)n, JSON_REJECT_DUPLICATES, NULL);
}

int hcd_helper_ask(const char *run_dir, json_t *request,
		   void (*step)(const char *what, uint64_t done, uint64_t total, void *ctx),
		   void *ctx, json_t **ret_answer, char error[HCD_ERROR_LEN])
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	_cleanup_free_ char *text = json_dumps(request, JSON_COMPACT);
	_cleanup_free_ char *buf = malloc(MESSAGE_MAX);
	json_t *json;

	if (fd < 0 || !text || !buf)
		return fail(error, -ENOMEM, "Memory or descriptors are short.");
	snprintf(to.sun_path, sizeof(to.sun_path), "%s/" HCD_HELPER_SOCKET, run_dir);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return fail(error, -ENOTCONN, "The container helper does not run: start it with \"systemctl start hyperchain-container\".");
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		return fail(error, -errno, "The container helper takes no request.");
	while ((json = receive(fd, buf))) {
		const char *what = json_string_value(json_object_get(json, "step"));
		json_int_t done = 0, total = 0, number = EIO;
		const char *said = "It gave no reason.";
		int is_ok = 0;

		if (what) {
			json_unpack(json, "{s?I, s?I}", "done", &done, "total", &total);
			if (step)
				step(what, (uint64_t)done, (uint64_t)total, ctx);
			json_decref(json);
			continue;
		}
		json_unpack(json, "{s:b, s?s, s?I}", "ok", &is_ok, "error", &said, "errno", &number);
		if (is_ok) {
			*ret_answer = json;
			return 0;
		}
		fail(error, 0, said);
		json_decref(json);
		return number > 0 && number < 4096 ? -(int)number : -EIO;
	}
	return fail(error, -EPIPE, "The container helper ended before the work was done; see \"journalctl -u hyperchain-container\".");
}
