// SPDX-License-Identifier: GPL-2.0-or-later
/* hyperchain-stats: the socket, one request after the other. See stats.h. */
#include <argp.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "stats.h"

#define SOCKET_PATH	"/run/hyperchain/stats.sock"
#define DIR_PATH	"/var/lib/hyperchain-stats"
#define MESSAGE_MAX	65536
#define CALLERS		16
#define NAMES_MAX	128	/* of one request */
#define EXPIRE_S	86400

const char *argp_program_version = "hyperchain-stats " HC_VERSION;

struct options {
	const char *socket, *dir;
};

static volatile sig_atomic_t is_ending;

static void on_signal(int sig)
{
	is_ending = sig;
}

static void say(int priority, const char *text)
{
	static char last[HCS_ERROR_LEN];

	/* A full disk says the same for each sample: once is enough. */
	if (strcmp(last, text) == 0)
		return;
	snprintf(last, sizeof(last), "%s", text);
	fprintf(stderr, "<%d>hyperchain-stats: %s\n", priority, text);
}

/* ---- requests -------------------------------------------------------------------------- */

static double value_of(json_t *json)
{
	return json_is_number(json) ? json_number_value(json) : NAN;
}

static void do_sample(json_t *request)
{
	json_t *rows = json_object_get(request, "rows"), *row;
	time_t at = (time_t)json_integer_value(json_object_get(request, "at"));
	char error[HCS_ERROR_LEN];
	bool is_bad = false;
	size_t i;

	json_array_foreach(rows, i, row) {
		const char *name = json_string_value(json_array_get(row, 0));
		double values[HCS_VALUES];

		if (i >= NAMES_MAX || at <= 0 || !name || hcs_name_check(name) < 0)
			continue;
		for (size_t v = 0; v < HCS_VALUES; v++)
			values[v] = value_of(json_array_get(row, v + 1));
		if (hcs_archive_add(name, at, values, error) < 0) {
			say(3, error);
			is_bad = true;
		}
	}
	if (!is_bad)
		say(6, "Samples come, and are kept.");
}

static json_t *do_average(json_t *request)
{
	json_t *names = json_object_get(request, "names"), *averages = json_object(), *json;
	char error[HCS_ERROR_LEN];
	size_t i;

	json_array_foreach(names, i, json) {
		const char *name = json_string_value(json);
		struct hcs_mean means[HCS_WINDOWS];
		json_t *list, *mean;

		if (i >= NAMES_MAX || !name || hcs_name_check(name) < 0 ||
		    hcs_archive_average(name, time(NULL), means, error) < 0)
			continue;
		list = json_array();
		for (int w = 0; w < HCS_WINDOWS; w++) {
			mean = isnan(means[w].mean) ? json_null() : json_real(means[w].mean);
			json_array_append_new(list, json_pack("[o, f]", mean, means[w].known_s));
		}
		json_object_set_new(averages, name, list);
	}
	return json_pack("{s:b, s:o}", "ok", 1, "averages", averages);
}

static json_t *number(double value)
{
	/* Four digits: more than a load means, and half the bytes. */
	return isfinite(value) ? json_real(round(value * 1e4) / 1e4) : json_null();
}

static json_t *refuse(const char *text)
{
	return json_pack("{s:b, s:s}", "ok", 0, "error", text);
}

static json_t *do_rows(const char *name, enum hcs_window window)
{
	char error[HCS_ERROR_LEN];
	struct hcs_rows rows;
	json_t *list;
	int r = hcs_archive_rows(name, window, time(NULL), &rows, error);

	if (r < 0)
		return refuse(error);
	list = json_array();
	for (size_t i = 0; i < rows.nr; i++) {
		json_t *row = json_array();

		for (int v = 0; v < HCS_VALUES; v++)
			json_array_append_new(row, number(rows.values[i * HCS_VALUES + v]));
		json_array_append_new(list, row);
	}
	free(rows.values);
	return json_pack("{s:b, s:I, s:I, s:o}", "ok", 1, "first_s", (json_int_t)rows.first_s,
			 "step_s", (json_int_t)rows.step_s, "rows", list);
}

static char *base64(const uint8_t *data, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *text = malloc(len / 3 * 4 + 5), *out = text;

	for (size_t i = 0; text && i < len; i += 3) {
		uint32_t bits = (uint32_t)data[i] << 16 | (i + 1 < len ? data[i + 1] << 8 : 0) |
				(i + 2 < len ? data[i + 2] : 0);

		*out++ = digits[bits >> 18];
		*out++ = digits[bits >> 12 & 63];
		*out++ = i + 1 < len ? digits[bits >> 6 & 63] : '=';
		*out++ = i + 2 < len ? digits[bits & 63] : '=';
	}
	if (text)
		*out = '\0';
	return text;
}

static json_t *do_graph(json_t *request, const char *name, enum hcs_window window)
{
	const char *title = json_string_value(json_object_get(request, "title"));
	char error[HCS_ERROR_LEN], *text;
	uint8_t *png;
	size_t len;
	json_t *answer;
	int r = hcs_graph(name, title ? title : name, window, time(NULL), &png, &len, error);

	if (r < 0)
		return refuse(error);
	text = base64(png, len);
	free(png);
	answer = text ? json_pack("{s:b, s:s}", "ok", 1, "png", text) : refuse("Memory is short.");
	free(text);
	return answer;
}

/* Return: the answer, or NULL where none is awaited. */
static json_t *handle(json_t *request)
{
	const char *what = json_string_value(json_object_get(request, "do"));
	const char *name = json_string_value(json_object_get(request, "name"));
	const char *word = json_string_value(json_object_get(request, "window"));
	int window = word ? hcs_window_find(word) : -EINVAL;

	if (!what)
		return refuse("That is no request.");
	if (strcmp(what, "sample") == 0) {
		do_sample(request);
		return NULL;
	}
	if (strcmp(what, "average") == 0)
		return do_average(request);
	if (!name || hcs_name_check(name) < 0 || window < 0)
		return refuse("A request needs a name and a window.");
	if (strcmp(what, "rows") == 0)
		return do_rows(name, window);
	if (strcmp(what, "graph") == 0)
		return do_graph(request, name, window);
	return refuse("There is no such request.");
}

/* One message. Return: false when the caller is gone. */
static bool serve(int fd)
{
	static char buf[MESSAGE_MAX];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	json_t *request, *answer, *serial;
	char *text;

	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	request = json_loadb(buf, (size_t)n, JSON_REJECT_DUPLICATES, NULL);
	answer = handle(request);
	serial = json_object_get(request, "serial");
	if (answer && serial)
		json_object_set(answer, "serial", serial);
	text = answer ? json_dumps(answer, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;
	/* Who does not read its answers does without. */
	if (text && send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		errno = 0;
	free(text);
	json_decref(answer);
	json_decref(request);
	return true;
}

/* ---- life ------------------------------------------------------------------------------ */

static int listen_at(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || strlen(path) >= sizeof(at.sun_path))
		return -1;
	strcpy(at.sun_path, path);
	unlink(path);
	umask(0177);
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, CALLERS) < 0)
		return -1;
	umask(0077);
	return fd;
}

static int accept_root(int listener)
{
	struct ucred who = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(who);
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return -1;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 && who.uid == geteuid())
		return fd;
	close(fd);
	return -1;
}

static void run(int listener, const sigset_t *mask)
{
	struct pollfd fds[CALLERS + 1] = { { .fd = listener, .events = POLLIN } };
	size_t nr = 1;
	time_t expired = 0;

	while (!is_ending) {
		const struct timespec limit = { .tv_sec = 60 };
		time_t now = time(NULL);

		if (now - expired >= EXPIRE_S || now < expired) {
			hcs_archive_expire(now);
			expired = now;
		}
		/* A full house waits at the door. */
		fds[0].events = nr <= CALLERS ? POLLIN : 0;
		if (ppoll(fds, nr, &limit, mask) <= 0)
			continue;
		for (size_t i = nr - 1; i > 0; i--) {
			if (!fds[i].revents || serve(fds[i].fd))
				continue;
			close(fds[i].fd);
			fds[i] = fds[--nr];
		}
		if (nr <= CALLERS && fds[0].revents) {
			int fd = accept_root(listener);

			if (fd >= 0)
				fds[nr++] = (struct pollfd){ .fd = fd, .events = POLLIN };
		}
	}
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	if (key == 's')
		o->socket = arg;
	else if (key == 'd')
		o->dir = arg;
	else
		return ARGP_ERR_UNKNOWN;
	return 0;
}

int main(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "socket", 's', "FILE", 0, "Where it listens (" SOCKET_PATH ")", 0 },
		{ "dir", 'd', "DIR", 0, "Where the archives are (" DIR_PATH ")", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		.options = options, .parser = parse,
		.doc = "Keeps the loads that hyperchaind measures: averages and pictures of an hour, a day, a week and a month.",
	};
	struct options o = { .socket = SOCKET_PATH, .dir = DIR_PATH };
	struct sigaction end = { .sa_handler = on_signal };
	char text[HCS_ERROR_LEN];
	sigset_t mask, before;
	int listener;

	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, 0, NULL, &o);
	umask(0077);
	listener = listen_at(o.socket);
	if (listener < 0) {
		snprintf(text, sizeof(text), "It can't listen at %.100s: %m.", o.socket);
		say(3, text);
		return EXIT_FAILURE;
	}
	if ((mkdir(o.dir, 0700) < 0 && errno != EEXIST) || chdir(o.dir) < 0) {
		snprintf(text, sizeof(text), "The folder %.100s can't be used: %m.", o.dir);
		say(3, text);
		return EXIT_FAILURE;
	}
	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigprocmask(SIG_BLOCK, &mask, &before);
	sigaction(SIGTERM, &end, NULL);
	sigaction(SIGINT, &end, NULL);
	sd_notify(0, "READY=1");
	run(listener, &before);
	unlink(o.socket);
	return EXIT_SUCCESS;
}
