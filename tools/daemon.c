// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Asking the daemon: JSON through the module, which says for the kernel who
 * asks; where the module is missing, or knows no daemon yet, through the daemon's root-only socket.
 *
 *	{"do": "peer.add", ...}  ->  {"ok": true, ...} or {"ok": false, "error": "sentence"}
 *
 * Lists come under their plural, "nodes", "peers", and in pages: while the answer
 * says "more": true, the request is repeated with "after": the last id.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "cli.h"

#define ADMIN_SOCKET	"/run/hyperchain/admin.sock"
#define SOCKET_VARIABLE	"HYPERCHAIN_SOCKET"	/* another daemon's: several on one machine */
#define PAGES_MAX	1000	/* a list that never ends */

static char error[1024];

const char *cli_ask_error(void)
{
	return error;
}

__attribute__((format(printf, 2, 3)))
static int fail(int r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(error, sizeof(error), fmt, ap);
	va_end(ap);
	return r;
}

static int ask_socket(const char *text, int timeout_ms, char **ret_answer, size_t *ret_len)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX, .sun_path = ADMIN_SOCKET };
	const char *other = getenv(SOCKET_VARIABLE);
	struct timeval limit = {
		.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000,
	};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), r = 0;
	char *buf = NULL;
	ssize_t n;

	if (fd < 0)
		return fail(-errno, "Cannot make a socket: %m.");
	if (other && *other)
		snprintf(to.sun_path, sizeof(to.sun_path), "%s", other);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		r = -errno;
		if (r == -EACCES || r == -EPERM)
			fail(r, "Only root may ask the daemon while the kernel module is missing.");
		else
			r = fail(-ENOTCONN, "The daemon does not run: start it with \"systemctl start hyperchaind\".");
		goto close_fd;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	buf = malloc(HC_REQUEST_LEN + 1);
	if (!buf) {
		r = fail(-ENOMEM, "Out of memory.");
		goto close_fd;
	}
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0) {
		r = fail(-errno, "Cannot send to the daemon: %m.");
		goto close_fd;
	}
	n = recv(fd, buf, HC_REQUEST_LEN, 0);
	if (n <= 0) {
		r = n < 0 && errno == EAGAIN ? -ETIMEDOUT : n < 0 ? -errno : -EPIPE;
		fail(r, "The daemon did not answer: %s; see \"journalctl -u hyperchaind\".", strerror(-r));
		goto close_fd;
	}
	buf[n] = 0;
	*ret_answer = buf;
	*ret_len = n;
	buf = NULL;
close_fd:
	free(buf);
	close(fd);
	return r;
}

static int ask(struct hcnl *h, const char *text, int timeout_ms, char **ret_answer,
	       size_t *ret_len)
{
	int r;

	if (!h || getenv(SOCKET_VARIABLE))
		return ask_socket(text, timeout_ms, ret_answer, ret_len);
	r = hcnl_request(h, text, strlen(text), ret_answer, ret_len, timeout_ms);
	/* A node that is in no cluster yet has no id to register with. */
	if (r == -ENOTCONN && ask_socket(text, timeout_ms, ret_answer, ret_len) == 0)
		return 0;
	return r < 0 ? fail(r, "%s", hcnl_error(h)) : 0;
}

int cli_ask_within(struct hcnl *h, int timeout_ms, json_t *req, json_t **ret_answer)
{
	json_auto_t *request = req, *answer = NULL;
	char *text = json_dumps(req, JSON_COMPACT), *reply = NULL;
	json_error_t why;
	size_t len;
	int r;

	if (!text)
		return fail(-ENOMEM, "Out of memory.");
	r = ask(h, text, timeout_ms, &reply, &len);
	free(text);
	if (r < 0)
		return r;
	answer = json_loadb(reply, len, 0, &why);
	free(reply);
	if (!json_is_object(answer))
		return fail(-EBADMSG, "The daemon's answer is no JSON object: %s.", why.text);
	if (!json_is_true(json_object_get(answer, "ok"))) {
		const char *said = json_string_value(json_object_get(answer, "error"));

		return fail(-EREMOTEIO, "%s", said ? : "The daemon refused and gave no reason.");
	}
	if (ret_answer) {
		*ret_answer = answer;
		answer = NULL;
	}
	return 0;
}

int cli_ask(struct hcnl *h, json_t *req, json_t **ret_answer)
{
	return cli_ask_within(h, CLI_ASK_MS, req, ret_answer);
}

int cli_ask_list(struct hcnl *h, int timeout_ms, const char *what, const char *key,
		 json_t **ret_list)
{
	json_auto_t *list = json_array();
	json_int_t after = 0;

	for (int pages = 0; pages < PAGES_MAX; pages++) {
		json_auto_t *answer = NULL, *req = json_pack("{s:s}", "do", what);
		json_t *page, *last;
		int r;

		if (after)
			json_object_set_new(req, "after", json_integer(after));
		r = cli_ask_within(h, timeout_ms, json_incref(req), &answer);
		if (r < 0)
			return r;
		page = json_object_get(answer, key);
		if (!json_is_array(page))
			return fail(-EBADMSG, "The daemon's answer has no list \"%s\": are both of one version?",
				    key);
		json_array_extend(list, page);
		last = json_array_get(page, json_array_size(page) - 1);
		after = json_integer_value(json_object_get(last, "id"));
		if (!json_is_true(json_object_get(answer, "more")) || !after)
			break;
	}
	*ret_list = json_incref(list);
	return 0;
}

int cli_do(json_t *req, json_t **ret_answer)
{
	HCNL_CLEAN struct hcnl *h = cli_try_open();

	if (cli_ask(h, req, ret_answer) < 0)
		return cli_fail("%s", cli_ask_error());
	json_object_del(*ret_answer, "ok");
	return CLI_OK;
}
