// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hc-bench-pingpong: what a page costs between two programs over TCP.
 *
 *	hc-bench-pingpong serve PORT			until killed
 *	hc-bench-pingpong ask ADDRESS PORT SECONDS	one request at a time
 *
 * A request is 48 bytes, its answer 48 bytes and a page, as on the page fabric;
 * blocking sockets, Nagle's algorithm off, one system call each to send and, as far as
 * TCP hands it over in one piece, to receive.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

#define REQUEST_BYTES	48
#define ANSWER_BYTES	(REQUEST_BYTES + PAGE_BYTES)

static void nodelay(int fd)
{
	int one = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)))
		die("TCP_NODELAY");
}

/* 0 when all of it went, -1 when the other end is gone. */
static int move(int fd, char *p, size_t len, ssize_t (*one)(int, char *, size_t))
{
	while (len) {
		ssize_t n = one(fd, p, len);

		if (n <= 0)
			return -1;
		p += n;
		len -= n;
	}
	return 0;
}

static ssize_t in(int fd, char *p, size_t len)
{
	return recv(fd, p, len, 0);
}

static ssize_t out(int fd, char *p, size_t len)
{
	return send(fd, p, len, MSG_NOSIGNAL);
}

static _Noreturn void serve(uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	static char request[REQUEST_BYTES], answer[ANSWER_BYTES];
	int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);

	if (listener < 0 ||
	    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(listener, (struct sockaddr *)&at, sizeof(at)) || listen(listener, 4))
		die("listen");
	page_fill((uint64_t *)(answer + REQUEST_BYTES), 1);
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			die("accept");
		nodelay(fd);
		while (!move(fd, request, sizeof(request), in) &&
		       !move(fd, answer, sizeof(answer), out))
			;
		close(fd);
	}
}

static int ask(const char *address, uint16_t port, double seconds)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	static char request[REQUEST_BYTES], answer[ANSWER_BYTES];
	static double us[SAMPLES_MAX];
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	size_t n = 0;
	double until;

	if (fd < 0 || inet_pton(AF_INET, address, &at.sin_addr) != 1 ||
	    connect(fd, (struct sockaddr *)&at, sizeof(at)))
		die("connect");
	nodelay(fd);
	until = now() + seconds;
	while (n < SAMPLES_MAX) {
		double began = now();

		if (began > until)
			break;
		if (move(fd, request, sizeof(request), out) || move(fd, answer, sizeof(answer), in))
			die("the server is gone");
		us[n++] = (now() - began) * 1e6;
	}
	tell_latency(us, n);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "serve"))
		serve(number(argv[2], UINT16_MAX));
	if (argc == 5 && !strcmp(argv[1], "ask"))
		return ask(argv[2], number(argv[3], UINT16_MAX), number(argv[4], 3600));
	fprintf(stderr, "usage: hc-bench-pingpong serve PORT | ask ADDRESS PORT SECONDS\n");
	return 2;
}
