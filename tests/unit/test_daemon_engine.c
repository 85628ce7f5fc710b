// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Two real engines, with their logs on a disk, in one loop. A write of the second one's log fails
 * while it runs, as on a full disk: nothing that is not on its disk may count as acknowledged, and
 * after a start from the disk it has all, in order.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/cluster/consensus_engine.h"
#include "daemon/cluster/fsm.h"

#include "unit.h"

#define APPLIED_MAX	32

static struct node {
	uint32_t id;
	char dir[64];
	struct hcd_consensus *c;
	unsigned int applied[APPLIED_MAX];
	size_t nr_applied;
	bool is_stopped;
} nodes[3];

static uv_loop_t loop;

/* ---- what the engines talk with: later, not from within a call ------------------------------ */

struct packet {
	uv_timer_t timer;
	uint32_t from, to;
	size_t len;
	uint8_t data[];
};

static void on_packet_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void on_packet(uv_timer_t *timer)
{
	struct packet *p = timer->data;
	struct node *to = &nodes[p->to - 1];

	if (to->c)
		hcd_consensus_receive(to->c, p->from, p->data, p->len);
	uv_close((uv_handle_t *)timer, on_packet_closed);
}

static int node_send(uint32_t to, const uint8_t *data, size_t len, void *ctx)
{
	struct node *n = ctx;
	struct packet *p;

	if (!nodes[to - 1].c)
		return -ENOTCONN;
	p = malloc(sizeof(*p) + len);
	p->from = n->id;
	p->to = to;
	p->len = len;
	memcpy(p->data, data, len);
	uv_timer_init(&loop, &p->timer);
	p->timer.data = p;
	uv_timer_start(&p->timer, on_packet, 1, 0);
	return 0;
}

static int node_apply(const void *data, size_t len, struct hcd_result *ret_result, void *ctx)
{
	struct node *n = ctx;

	ck_assert_uint_eq(len, sizeof(unsigned int));
	ck_assert_uint_lt(n->nr_applied, APPLIED_MAX);
	memcpy(&n->applied[n->nr_applied++], data, len);
	memset(ret_result, 0, sizeof(*ret_result));
	return 0;
}

/* The log is never cut here. */
static int node_snapshot(uint8_t **ret_data, size_t *ret_len, void *ctx)
{
	return -ENOSYS;
}

static int node_restore(const void *data, size_t len, void *ctx)
{
	return -ENOSYS;
}

static const struct hcd_consensus_ops ops = {
	.apply = node_apply, .snapshot = node_snapshot, .restore = node_restore, .send = node_send,
};

static void node_start(struct node *n, bool is_first)
{
	struct hcd_consensus_options options = {
		.dir = n->dir, .id = n->id, .is_first = is_first, .election_ms = 300,
		.snapshot_entries = 1000,
	};
	char error[HCD_ERROR_LEN];

	n->nr_applied = 0;
	ck_assert_int_eq(hcd_consensus_start(&loop, &options, &ops, n, &n->c, error), 0);
}

static void on_stopped(void *arg)
{
	((struct node *)arg)->is_stopped = true;
}

/* ---- waiting ------------------------------------------------------------------------------ */

static void on_time(uv_timer_t *timer)
{
	*(bool *)timer->data = true;
}

/* Run until @is_so(), or for @ms. */
static bool run(bool (*is_so)(void), unsigned int ms)
{
	bool is_over = false;
	uv_timer_t timer;

	uv_timer_init(&loop, &timer);
	timer.data = &is_over;
	uv_timer_start(&timer, on_time, ms, 0);
	while (!is_over && !is_so())
		uv_run(&loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&loop, UV_RUN_NOWAIT);
	return is_so();
}

static void node_stop(struct node *n)
{
	struct hcd_consensus *c = n->c;

	n->c = NULL;
	n->is_stopped = false;
	hcd_consensus_stop(c, on_stopped, n);
	while (!n->is_stopped)
		uv_run(&loop, UV_RUN_ONCE);
}

static unsigned int nr_yes;
static int change_error;

static void on_yes(int error, const struct hcd_result *result, void *arg)
{
	nr_yes += error == 0;
}

static void on_changed(int error, void *arg)
{
	change_error = error;
}

static bool is_leader(void)
{
	return hcd_consensus_has_lease(nodes[0].c);
}

static bool is_changed(void)
{
	return change_error <= 0;
}

static bool is_broken(void)
{
	return hcd_consensus_state(nodes[1].c) == HCD_CONSENSUS_BROKEN;
}

static bool has_four(void)
{
	return nodes[1].nr_applied == 4;
}

static bool has_two(void)
{
	return nr_yes == 2 && nodes[1].nr_applied == 2;
}

static bool never(void)
{
	return false;
}

static void propose(unsigned int number)
{
	ck_assert_int_eq(hcd_consensus_propose(nodes[0].c, &number, sizeof(number), on_yes, NULL),
			 0);
}

/* ---- a disk that is full, once ------------------------------------------------------------ */

static int (*good_append)(struct raft_io *io, struct raft_io_append *req,
			  const struct raft_entry entries[], unsigned int n, raft_io_append_cb cb);
static struct raft_io_append *failing;
static uv_timer_t fail_timer;

static void on_fail(uv_timer_t *timer)
{
	struct raft_io_append *req = failing;

	nodes[1].c->io_append = good_append;	/* there is room again */
	failing = NULL;
	req->cb(req, RAFT_NOSPACE);
}

static int full_append(struct raft_io *io, struct raft_io_append *req,
		       const struct raft_entry entries[], unsigned int n, raft_io_append_cb cb)
{
	if (failing)
		return RAFT_NOSPACE;
	failing = req;
	req->cb = cb;
	uv_timer_start(&fail_timer, on_fail, 1, 0);
	return 0;
}

START_TEST(test_R22_a_write_that_failed_is_not_acknowledged)
{
	static char folder[] = "/tmp/hc-engine-XXXXXX";
	char command[128];

	ck_assert_ptr_nonnull(mkdtemp(folder));
	uv_loop_init(&loop);
	uv_timer_init(&loop, &fail_timer);
	for (unsigned int i = 0; i < 2; i++) {
		nodes[i].id = i + 1;
		snprintf(nodes[i].dir, sizeof(nodes[i].dir), "%s/%u", folder, i + 1);
	}
	node_start(&nodes[0], true);
	ck_assert(run(is_leader, 20000));
	propose(1);
	node_start(&nodes[1], false);
	change_error = 1;
	ck_assert_int_eq(hcd_consensus_add(nodes[0].c, 2, on_changed, NULL), 0);
	ck_assert(run(is_changed, 20000));
	ck_assert_int_eq(change_error, 0);
	change_error = 1;
	ck_assert_int_eq(hcd_consensus_assign(nodes[0].c, 2, HCD_SERVER_VOTER, on_changed, NULL),
			 0);
	ck_assert(run(is_changed, 20000));
	ck_assert_int_eq(change_error, 0);
	propose(2);
	ck_assert(run(has_two, 20000));

	good_append = nodes[1].c->io_append;
	nodes[1].c->io_append = full_append;
	propose(3);
	ck_assert_msg(run(is_broken, 20000), "it goes on after a write that failed");
	ck_assert(hcd_consensus_may_pass(nodes[1].c));
	ck_assert_msg(strstr(hcd_consensus_error(nodes[1].c), "can't be written"), "%s",
		      hcd_consensus_error(nodes[1].c));
	propose(4);
	run(never, 600);
	ck_assert_uint_eq(nr_yes, 2);

	node_stop(&nodes[1]);
	node_start(&nodes[1], false);
	ck_assert_msg(run(has_four, 20000), "%zu applied", nodes[1].nr_applied);
	for (unsigned int i = 0; i < 4; i++)
		ck_assert_uint_eq(nodes[1].applied[i], i + 1);

	node_stop(&nodes[1]);
	node_start(&nodes[1], false);	/* and so it is on its disk */
	ck_assert_msg(run(has_four, 20000), "%zu applied", nodes[1].nr_applied);
	for (unsigned int i = 0; i < 4; i++)
		ck_assert_uint_eq(nodes[1].applied[i], i + 1);
	node_stop(&nodes[1]);
	node_stop(&nodes[0]);
	uv_close((uv_handle_t *)&fail_timer, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	ck_assert_int_eq(system(command), 0);
}
END_TEST

static bool is_other_leader(void)
{
	return hcd_consensus_state(nodes[2].c) == HCD_CONSENSUS_LEADER;
}

static bool is_third_there(void)
{
	return nodes[1].nr_applied == 1 && nodes[2].nr_applied == 1;
}

static void add_voter(unsigned int id)
{
	node_start(&nodes[id - 1], false);
	for (int step = 0; step < 2; step++) {
		change_error = 1;
		ck_assert_int_eq(step == 0 ? hcd_consensus_add(nodes[0].c, id, on_changed, NULL) :
				 hcd_consensus_assign(nodes[0].c, id, HCD_SERVER_VOTER, on_changed,
						      NULL), 0);
		ck_assert(run(is_changed, 20000));
		ck_assert_int_eq(change_error, 0);
	}
}

/* The second voter has all, and is dead: the third one gets the office, and it is given once. */
START_TEST(test_R22_the_office_goes_to_one_that_lives)
{
	static char folder[] = "/tmp/hc-engine-XXXXXX";
	char command[128];

	ck_assert_ptr_nonnull(mkdtemp(folder));
	uv_loop_init(&loop);
	for (unsigned int i = 0; i < 3; i++) {
		nodes[i].id = i + 1;
		snprintf(nodes[i].dir, sizeof(nodes[i].dir), "%s/%u", folder, i + 1);
	}
	node_start(&nodes[0], true);
	ck_assert(run(is_leader, 20000));
	ck_assert_int_eq(hcd_consensus_transfer(nodes[0].c, 0, on_changed, NULL), -ENOTCONN);
	ck_assert_msg(hcd_consensus_has_lease(nodes[0].c), "nobody to hand over to, and no lease");
	add_voter(2);
	add_voter(3);
	propose(1);
	ck_assert(run(is_third_there, 20000));
	node_stop(&nodes[1]);
	run(never, 1000);			/* more than an election timeout */
	ck_assert(run(is_leader, 20000));
	change_error = 1;
	ck_assert_int_eq(hcd_consensus_transfer(nodes[0].c, 0, on_changed, NULL), 0);
	ck_assert_int_eq(hcd_consensus_transfer(nodes[0].c, 0, on_changed, NULL), -EBUSY);
	ck_assert_msg(!hcd_consensus_has_lease(nodes[0].c), "a lease while it is handed over");
	ck_assert_msg(run(is_other_leader, 1500), "it was not handed over to who lives");
	ck_assert(run(is_changed, 20000));
	ck_assert_int_eq(change_error, 0);
	node_stop(&nodes[2]);
	node_stop(&nodes[0]);
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	ck_assert_int_eq(system(command), 0);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *s = suite_create("daemon_engine");
	TCase *t = tcase_create("engine");

	tcase_set_timeout(t, 120);
	tcase_add_test(t, test_R22_a_write_that_failed_is_not_acknowledged);
	tcase_add_test(t, test_R22_the_office_goes_to_one_that_lives);
	suite_add_tcase(s, t);
	return s;
}
