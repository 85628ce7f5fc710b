// SPDX-License-Identifier: GPL-2.0-or-later
/* Service processes (R10, R21) from a /proc and a cgroup made here; moves by all their cases. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/node/process.h"
#include "daemon/policy/num.h"
#include "daemon/policy/order.h"
#include "unit.h"

static char dir[] = "/tmp/hcd-process-XXXXXX";
static struct hcd_processes *p;
static struct hcd_look *look;
static struct hcd_look_place place;

/* Not under test here: the module, and what goes over the network. */
int hcnl_move_list(struct hcnl *h, struct hcnl_move **ret_moves, size_t *ret_n)
{
	(void)h;
	*ret_moves = NULL;
	*ret_n = 0;
	return 0;
}

int hcnl_move_check(struct hcnl *h, uint32_t pid, char ret_reasons[][HCNL_TEXT_LEN], size_t *ret_n)
{
	(void)h;
	snprintf(ret_reasons[0], HCNL_TEXT_LEN, "descriptor 1 (pipe) is a pipe");
	*ret_n = pid == 11;
	return 0;
}

const char *hcnl_error(const struct hcnl *h)
{
	(void)h;
	return "";
}

__attribute__((format(printf, 2, 3)))
static void put(const char *name, const char *format, ...)
{
	char path[128];
	va_list args;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	va_start(args, format);
	vfprintf(f, format, args);
	va_end(args);
	fclose(f);
}

static void folder(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	mkdir(path, 0700);
}

static void process(unsigned int pid, const char *name, unsigned long ticks, unsigned long start,
		    unsigned long kib, const char *nspid)
{
	char path[32];

	snprintf(path, sizeof(path), "%u", pid);
	folder(path);
	snprintf(path, sizeof(path), "%u/stat", pid);
	put(path, "%u (%s) R 1 1 1 0 -1 4194560 1 2 3 4 %lu 0 0 0 20 0 1 0 %lu 999 1 2 3\n", pid, name, ticks,
	    start);
	snprintf(path, sizeof(path), "%u/status", pid);
	put(path, "Name:\tx\nNSpid:\t%s\nRssAnon:\t %lu kB\nRssFile:\t 5000 kB\nVmSwap:\t 0 kB\n", nspid, kib);
}

static void setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	p = hcd_processes_new();
	look = calloc(1, sizeof(*look));
	ck_assert(p && look);
	snprintf(look->proc, sizeof(look->proc), "%s", dir);
	snprintf(place.user, sizeof(place.user), "admin");
	snprintf(place.cgroup, sizeof(place.cgroup), "%s/cg", dir);
	look->places = &place;
	look->nr_places = 1;
	folder("cg");
	folder("cg/sub");
}

static void teardown(void)
{
	char command[64];

	free(p->moves);
	free(p);
	free(look);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
	memcpy(dir + strlen(dir) - 6, "XXXXXX", 6);
}

/* As a worker would, at that time. */
static void at(uint64_t ms)
{
	look->nr_rows = look->nr_guests = 0;
	ck_assert_int_eq(hcd_look_run(look, NULL), 0);
	look->at_ms = ms;
	hcd_processes_take(p, look, 2, 1000.0 * 1024);
}

static bool is_near(double a, double b)
{
	return a - b < 1e-6 && b - a < 1e-6;
}

START_TEST(test_R10_load_of_a_process)
{
	struct hcd_process *one;

	put("cg/cgroup.procs", "10\n");
	put("cg/sub/cgroup.procs", "11\n");
	process(10, "a (b) c", 100, 7, 500, "10");
	process(11, "id\xffle\n", 5, 8, 100, "11");
	at(1000);
	ck_assert_str_eq(p->list[1].name, "id?le?");
	ck_assert_uint_eq(p->nr, 2);
	one = hcd_process_find(p, 10, 7);
	ck_assert_ptr_nonnull(one);
	ck_assert_str_eq(one->name, "a (b) c");
	ck_assert_str_eq(one->user, "admin");
	ck_assert(one->load.load < 0);			/* unknown, never zero */
	ck_assert(one->why[0]);				/* nobody's choice before it was checked */
	/* One second of one of two CPUs is half of the node; memory is half of it, too. */
	process(10, "a (b) c", 200, 7, 500, "10");
	at(2000);
	ck_assert(is_near(one->load.cpu_busy, 0.5) && is_near(one->load.load, 0.5));
	ck_assert(is_near(hcd_process_find(p, 11, 8)->load.load, 0.1));
	/* Nothing for a second: smoothed by 10 s, and now memory is the greater. */
	at(3000);
	ck_assert(is_near(one->load.cpu_busy, 0.5 * 10 / 11) && is_near(one->load.load, 0.5));
	/* After a pause nothing is known. */
	at(20000);
	ck_assert(one->load.load < 0);
}
END_TEST

START_TEST(test_R10_who_is_no_service_process)
{
	put("cg/cgroup.procs", "10\n11\n12\n13\n14\n");
	process(10, "init", 1, 1, 1, "10\t1");		/* of a container */
	process(11, "sshd", 1, 2, 1, "11\t5");		/* its login daemon */
	process(12, "sshd", 1, 3, 1, "12");		/* somebody's own */
	process(13, "work", 1, 4, 1, "13\t6");
	at(1000);					/* 14 has ended meanwhile */
	ck_assert_uint_eq(p->nr, 2);
	ck_assert_ptr_nonnull(hcd_process_find(p, 12, 3));
	ck_assert_ptr_nonnull(hcd_process_find(p, 13, 4));
	/* The same pid is another process: nothing of the old one is left. */
	process(13, "work", 1, 9, 1, "13\t6");
	at(2000);
	ck_assert_ptr_null(hcd_process_find(p, 13, 4));
	ck_assert(hcd_process_find(p, 13, 9)->load.load < 0);
}
END_TEST

START_TEST(test_R21_where_it_runs)
{
	struct hcnl_move move = { .id = 77, .pid = 10, .peer = 2, .state = HC_MOVE_STOPPED };
	struct hcd_process *one;

	put("cg/cgroup.procs", "10\n");
	process(10, "work", 100, 7, 100, "10");
	at(1000);
	process(10, "work", 300, 7, 100, "10");
	at(2000);
	one = &p->list[0];
	look->moves = malloc(sizeof(move));
	*look->moves = move;
	look->nr_moves = 1;
	at(3000);
	ck_assert(one->is_moving && !one->at && one->move == 77 && !one->moved_ms);
	/* It is away: what its shadow does is not its load, which stays as it was. */
	move.state = HC_MOVE_AWAY;
	look->moves = malloc(sizeof(move));
	*look->moves = move;
	look->nr_moves = 1;
	at(4000);
	ck_assert(!one->is_moving && one->at == 2 && one->moved_ms == 4000 && one->why[0]);
	ck_assert(is_near(one->load.load, 10.0 / 11));
	/* As a guest, on the other node: measured there. */
	move = (struct hcnl_move){ .id = 78, .pid = 10, .peer = 3, .state = HC_MOVE_WHOLE };
	look->moves = malloc(sizeof(move));
	*look->moves = move;
	look->nr_moves = 1;
	put("cg/cgroup.procs", "\n");
	look->nr_rows = look->nr_guests = 0;
	ck_assert_int_eq(hcd_look_run(look, NULL), 0);
	ck_assert_uint_eq(look->nr_guests, 1);
	look->at_ms = 5000;
	hcd_processes_take(p, look, 2, 1000.0 * 1024);
	ck_assert_uint_eq(p->nr, 0);
	ck_assert(p->nr_guests == 1 && p->guests[0].move == 78);
}
END_TEST

START_TEST(test_R21_what_cannot_move_says_why)
{
	put("cg/cgroup.procs", "10\n11\n");
	process(10, "work", 100, 7, 100, "10");
	process(11, "work", 100, 8, 100, "11");
	ck_assert_int_eq(hcd_look_run(look, (struct hcnl *)look), 0);
	hcd_processes_take(p, look, 2, 1000.0 * 1024);
	ck_assert_str_eq(hcd_process_find(p, 10, 7)->why, "");
	ck_assert_str_eq(hcd_process_find(p, 11, 8)->why, "descriptor 1 (pipe) is a pipe");
}
END_TEST

/* ---- moves ------------------------------------------------------------------------------- */

/* Every way that things can stand: what is begun, and never twice. */
START_TEST(test_R10_order_by_all_cases)
{
	for (int i = 0; i < 2 * 2 * 2 * 2 * 5; i++) {
		const struct pol_order_look l = {
			.to = 2, .move_to = i & 1 ? 2 : 3, .has_process = i & 2,
			.was_started = i & 4, .is_ours = i & 8, .move = i / 16,
		};
		enum pol_order_do next = pol_order_next(&l);

		/* Begun only when nothing is under way or done, and it was not begun before. */
		if (next == POL_ORDER_START)
			ck_assert(l.has_process && !l.was_started && l.move != POL_MOVE_UNDECIDED &&
				  l.move != POL_MOVE_AWAY);
		ck_assert_int_eq(next == POL_ORDER_WAIT, l.move == POL_MOVE_UNDECIDED);
		ck_assert_int_eq(next == POL_ORDER_MOVED,
				 l.move == POL_MOVE_AWAY && l.move_to == 2);
		ck_assert_int_eq(next == POL_ORDER_ELSEWHERE,
				 l.move == POL_MOVE_AWAY && l.move_to == 3);
		if (next == POL_ORDER_STAYED)
			ck_assert(l.move == POL_MOVE_STAYED && l.is_ours);
		if (next == POL_ORDER_LOST)
			ck_assert(l.has_process && l.was_started);
		if (next == POL_ORDER_ENDED)
			ck_assert(!l.has_process || (l.move == POL_MOVE_OVER && l.is_ours));
	}
}
END_TEST

START_TEST(test_R10_echo_is_what_the_sampler_keeps)
{
	double kept = 0.8;

	ck_assert_int_eq(pol_order_echo(POL_UNKNOWN, 0), 0);
	ck_assert_int_eq(pol_order_echo(POL_ONE * 8 / 10, 0), POL_ONE * 8 / 10);
	for (int s = 1; s <= 30; s++) {
		int64_t echo = pol_order_echo(POL_ONE * 8 / 10, (uint64_t)s * 1000);

		kept += (0 - kept) * 1000 / (HCD_LOAD_SMOOTH_MS + 1000);
		ck_assert(POL_F(echo) - kept < 1e-6 && kept - POL_F(echo) < 1e-6);
	}
	ck_assert_int_eq(pol_order_echo(POL_ONE, 120000), 0);
	ck_assert_int_eq(pol_order_echo(-POL_ONE, 1000), -pol_order_echo(POL_ONE, 1000));
	ck_assert_int_eq(pol_order_home(pol_order_pid(77, 4194304)), 77);
	ck_assert_int_eq((uint32_t)pol_order_pid(77, 4194304), 4194304);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *s = suite_create("process");
	TCase *tc = tcase_create("process");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_R10_load_of_a_process);
	tcase_add_test(tc, test_R10_who_is_no_service_process);
	tcase_add_test(tc, test_R21_where_it_runs);
	tcase_add_test(tc, test_R21_what_cannot_move_says_why);
	tcase_add_test(tc, test_R10_order_by_all_cases);
	tcase_add_test(tc, test_R10_echo_is_what_the_sampler_keeps);
	suite_add_tcase(s, tc);
	return s;
}
