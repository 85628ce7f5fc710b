// SPDX-License-Identifier: GPL-2.0-or-later
/* daemon/node/load (R1): from a /proc made here, by hand-computed figures. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/node/load.h"
#include "unit.h"

static char dir[] = "/tmp/hcd-load-XXXXXX";
static char path[64];
static const struct hcd_load_memory none;

static void put(const char *name, const char *text)
{
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

static void take(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	unlink(path);
}

static void setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	put("stat", "cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n");
	put("meminfo", "MemTotal: 1000 kB\nCached: 900 kB\nAnonPages: 150 kB\nShmem: 50 kB\n");
}

static void teardown(void)
{
	take("stat");
	take("meminfo");
	rmdir(dir);
	memcpy(dir + strlen(dir) - 6, "XXXXXX", 6);
}

static bool is_near(double a, double b)
{
	return a - b < 1e-9 && b - a < 1e-9;
}

START_TEST(test_R1_first_sample_is_no_load)
{
	struct hcd_load_sampler s;

	hcd_load_init(&s);
	ck_assert(!hcd_load_is_fresh(&s, 1));
	hcd_load_sample(&s, dir, &none, 1000);
	ck_assert(s.cpu_busy < 0 && s.load < 0);	/* unknown, never zero */
	ck_assert(is_near(s.memory_used, 0.2));		/* the page cache is no load */
}
END_TEST

START_TEST(test_R1_the_greater_of_both)
{
	struct hcd_load_sampler s;

	hcd_load_init(&s);
	hcd_load_sample(&s, dir, &none, 1000);
	/* 40 busy of 100; 20 waiting for a disk are idle; stolen ones are nobody's. */
	put("stat", "cpu  120 5 110 740 120 2 3 900 50 0\n");
	hcd_load_sample(&s, dir, &none, 2000);
	ck_assert(is_near(s.cpu_busy, 0.4));
	ck_assert(is_near(s.load, 0.4));
	/* All idle then: 0.4 goes down by 1/11 of the way. */
	put("stat", "cpu  120 5 110 840 120 2 3 900 50 0\n");
	hcd_load_sample(&s, dir, &none, 3000);
	ck_assert(is_near(s.cpu_busy, 0.4 - 0.4 / 11));
	put("meminfo", "MemTotal: 1000 kB\nAnonPages: 900 kB\nShmem: 100 kB\n");
	put("stat", "cpu  120 5 110 940 120 2 3 900 50 0\n");
	for (uint64_t at = 4000; at < 200000; at += 1000)
		hcd_load_sample(&s, dir, &none, at);
	ck_assert(s.memory_used > 0.99);
}
END_TEST

START_TEST(test_R1_lent_and_borrowed)
{
	struct hcd_load_memory m = { .lent = 500 << 10 };
	struct hcd_load_sampler s;

	hcd_load_init(&s);
	hcd_load_sample(&s, dir, &m, 1000);
	ck_assert(is_near(s.memory_used, 200.0 / 500));
	/* 1000 kB of room elsewhere, 300 of them in use: 500 of 2000. */
	m = (struct hcd_load_memory){ .remote = 300 << 10, .borrowable = 700 << 10 };
	hcd_load_init(&s);
	hcd_load_sample(&s, dir, &m, 1000);
	ck_assert(is_near(s.memory_used, 500.0 / 2000));
	m = (struct hcd_load_memory){ .lent = 1000 << 10 };
	hcd_load_init(&s);
	hcd_load_sample(&s, dir, &m, 1000);
	ck_assert(is_near(s.memory_used, 1));
}
END_TEST

START_TEST(test_R1_what_is_missing_is_unknown)
{
	struct hcd_load_sampler s;

	hcd_load_init(&s);
	hcd_load_sample(&s, dir, &none, 1000);
	put("stat", "cpu  150 0 100 750 100 0 0 0 0 0\n");
	hcd_load_sample(&s, dir, &none, 2000);
	ck_assert(is_near(s.load, 0.5));
	take("meminfo");
	put("stat", "cpu  200 0 100 800 100 0 0 0 0 0\n");
	hcd_load_sample(&s, dir, &none, 3000);
	ck_assert(s.memory_used < 0 && s.load < 0 && is_near(s.cpu_busy, 0.5));
	put("meminfo", "MemTotal: 1000 kB\nAnonPages: 1 kB\n");	/* no Shmem */
	hcd_load_sample(&s, dir, &none, 4000);
	ck_assert(s.memory_used < 0);
	put("stat", "cpu  much\n");
	hcd_load_sample(&s, dir, &none, 5000);
	ck_assert(s.cpu_busy < 0);
	put("stat", "cpu  10 0 10 10 0 0 0 0 0 0\n");	/* first after a gap: no interval */
	hcd_load_sample(&s, dir, &none, 6000);
	ck_assert(s.cpu_busy < 0);
	put("stat", "cpu  5 0 10 10 0 0 0 0 0 0\n");	/* backwards */
	hcd_load_sample(&s, dir, &none, 7000);
	ck_assert(s.cpu_busy < 0);
}
END_TEST

START_TEST(test_R1_a_pause_begins_anew)
{
	struct hcd_load_sampler s;

	hcd_load_init(&s);
	hcd_load_sample(&s, dir, &none, 1000);
	put("stat", "cpu  200 0 100 700 100 0 0 0 0 0\n");
	hcd_load_sample(&s, dir, &none, 2000);
	ck_assert(is_near(s.load, 1));
	ck_assert(hcd_load_is_fresh(&s, 7000) && !hcd_load_is_fresh(&s, 7001));
	hcd_load_sample(&s, dir, &none, 60000);
	ck_assert(s.load < 0);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *s = suite_create("daemon/load");
	TCase *t = tcase_create("load");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_R1_first_sample_is_no_load);
	tcase_add_test(t, test_R1_the_greater_of_both);
	tcase_add_test(t, test_R1_lent_and_borrowed);
	tcase_add_test(t, test_R1_what_is_missing_is_unknown);
	tcase_add_test(t, test_R1_a_pause_begins_anew);
	suite_add_tcase(s, t);
	return s;
}
