// SPDX-License-Identifier: GPL-2.0-or-later
/* daemon/cluster/chan.c over real sockets: why a channel ended is told as it was, and once. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/channel.pb-c.h"
#include "daemon/cluster/chan.h"

#include "unit.h"

static uv_loop_t loop;
static struct hcd_psk psk;
static struct hcd_chan *dialer, *acceptor;
static unsigned int nr_ready, nr_closed;
static char reason[128];

static void on_ready(struct hcd_chan *chan, void *ctx)
{
	nr_ready++;
}

static void on_frame(struct hcd_chan *chan, const struct hcd_frame *frame, void *ctx)
{
}

static void on_closed(struct hcd_chan *chan, enum hcd_refusal code, const char *why, void *ctx)
{
	nr_closed++;
	snprintf(reason, sizeof(reason), "%s", why);
}

static const struct hcd_chan_ops ops = {
	.ready = on_ready, .frame = on_frame, .closed = on_closed,
};

static const struct hcd_psk *find_psk(const struct hcd_transcript *t, const uint8_t *token,
				      void *arg)
{
	return &psk;
}

static enum hcd_refusal admit(const struct hcd_transcript *t, char why[HCD_REASON_LEN], void *arg)
{
	return HCD_REFUSE_NONE;
}

static void on_late(uv_timer_t *timer)
{
	*(bool *)timer->data = true;
}

/* Until *@nr is @wanted. */
static void run(const unsigned int *nr, unsigned int wanted)
{
	bool is_late = false;
	uv_timer_t timer;

	uv_timer_init(&loop, &timer);
	timer.data = &is_late;
	uv_timer_start(&timer, on_late, 20000, 0);
	while (*nr < wanted && !is_late)
		uv_run(&loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&loop, UV_RUN_NOWAIT);
	ck_assert_uint_eq(*nr, wanted);
}

/* Two ends that have proved their key. */
static void connect_both(void)
{
	struct hcd_chan_dial dial = { .own = 1, .to = 2, .purpose = HCD_PURPOSE_CONTROL,
				      .address = "127.0.0.1", .own_address = "", .psk = &psk };
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
	socklen_t len = sizeof(at);

	ck_assert_int_eq(bind(listener, (struct sockaddr *)&at, len), 0);
	ck_assert_int_eq(listen(listener, 1), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&at, &len), 0);
	dial.port = ntohs(at.sin_port);
	ck_assert_int_eq(hcd_chan_dial(&loop, &dial, &ops, NULL, &dialer), 0);
	fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	close(listener);
	ck_assert_int_eq(hcd_chan_accept(&loop, fd, 2, find_psk, admit, NULL, &ops, NULL,
					 &acceptor), 0);
	run(&nr_ready, 2);
}

static void setup(void)
{
	ck_assert_int_eq(hcd_auth_init(), 0);
	psk.len = 32;
	memset(psk.bytes, 7, psk.len);
	nr_ready = nr_closed = 0;
	reason[0] = '\0';
	uv_loop_init(&loop);
	connect_both();
}

static void teardown(void)
{
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
}

/* As when a machine was started anew: the other end answers with a reset. */
static void reset(void)
{
	const struct linger now = { .l_onoff = 1 };
	int fd = hcd_chan_take(acceptor);

	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	close(fd);
}

START_TEST(a_reset_is_told_as_one)
{
	reset();
	run(&nr_closed, 1);
	ck_assert_str_eq(reason, strerror(ECONNRESET));
}
END_TEST

/* Sending takes the error from the socket, which has none left when it is looked at. */
START_TEST(a_reset_that_sending_met_is_told_as_one)
{
	Hcp__Bye bye = HCP__BYE__INIT;

	reset();
	for (int i = 0; i < 3; i++)
		hcd_chan_send(dialer, HCD_FRAME_BYE, &bye.base);
	run(&nr_closed, 1);
	ck_assert_str_eq(reason, strerror(ECONNRESET));
}
END_TEST

START_TEST(an_end_is_told_as_one)
{
	hcd_chan_close(acceptor);
	run(&nr_closed, 1);
	ck_assert_ptr_nonnull(strstr(reason, "closed the connection"));
}
END_TEST

Suite *unit_suite(void)
{
	Suite *s = suite_create("daemon_chan");
	TCase *t = tcase_create("chan");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_reset_is_told_as_one);
	tcase_add_test(t, a_reset_that_sending_met_is_told_as_one);
	tcase_add_test(t, an_end_is_told_as_one);
	suite_add_tcase(s, t);
	return s;
}
