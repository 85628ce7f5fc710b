// SPDX-License-Identifier: GPL-2.0-or-later
/* daemon/node/state: written whole or not at all, read back the same, damage told. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/node/state.h"
#include "unit.h"

static char dir[] = "/tmp/hcd-state-XXXXXX";
static char path[80];
static char error[HCD_ERROR_LEN];

static void setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/state.json", dir);
}

static void teardown(void)
{
	char tmp[96];

	snprintf(tmp, sizeof(tmp), "%s.new", path);
	unlink(tmp);
	rmdir(tmp);
	unlink(path);
	rmdir(dir);
}

static void put(const char *text)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

static struct hcd_state full_state(void)
{
	struct hcd_state s = {
		.epoch = 0x123456789abcULL, .has_donate = true, .donate = 1ULL << 40,
		.has_reserve = true, .reserve = 4096, .drain = true,
	};
	struct hcd_env *env;

	s.swap.is_on = true;
	s.swap.size = 1ULL << 30;
	s.swap.encrypt = true;
	s.swap.priority = -1;
	s.swap.replicas = 2;
	strcpy(s.swap.backing, "/dev/vdb");
	s.peers = calloc(1, sizeof(*s.peers));
	s.nr_peers = 1;
	s.peers[0] = (struct hcd_peer_config){ .id = 2, .name = "n2", .address = "10.0.0.2",
					       .port = 7701 };
	env = hcd_state_env_add(&s);
	env->id = 1023;
	strcpy(env->name, "A");
	env->node = 1;
	env->quota = 1ULL << 33;
	env->replicas = 2;
	env->donors[0] = 2;
	env->donors[1] = 3;
	env->nr_donors = 2;
	env->cgroups[0] = strdup("/sys/fs/cgroup/a");
	env->nr_cgroups = 1;
	env = hcd_state_env_add(&s);
	env->id = 1023;
	strcpy(env->name, "A");
	env->node = 2;
	env->replicas = 1;
	return s;
}

START_TEST(round_trip)
{
	struct hcd_state s = full_state(), back;
	struct hcd_env *env;
	struct stat st;

	ck_assert_int_eq(hcd_state_save(dir, &s, error), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_msg(hcd_state_load(dir, &back, error) == 0, "%s", error);
	ck_assert_uint_eq(back.epoch, s.epoch);
	ck_assert(back.has_donate && back.donate == s.donate);
	ck_assert(back.has_reserve && back.reserve == 4096 && back.drain);
	ck_assert_int_eq(memcmp(&back.swap, &s.swap, sizeof(s.swap)), 0);
	ck_assert_uint_eq(back.nr_peers, 1);
	ck_assert_str_eq(back.peers[0].address, "10.0.0.2");
	ck_assert_uint_eq(back.nr_envs, 2);
	env = hcd_state_env_by_name(&back, "A", 1);
	ck_assert_ptr_nonnull(env);
	ck_assert(env->id == 1023 && env->quota == 1ULL << 33 && env->nr_donors == 2);
	ck_assert_uint_eq(env->donors[1], 3);
	ck_assert_str_eq(env->cgroups[0], "/sys/fs/cgroup/a");
	ck_assert_ptr_null(hcd_state_env_by_name(&back, "A", 3));
	hcd_state_env_del(&back, env);
	ck_assert_ptr_eq(hcd_state_env_by_id(&back, 1023, 0), &back.envs[0]);
	ck_assert_uint_eq(back.envs[0].node, 2);
	hcd_state_free(&s);
	hcd_state_free(&back);
}
END_TEST

START_TEST(absent_is_empty)
{
	struct hcd_state s;

	ck_assert_int_eq(hcd_state_load(dir, &s, error), 0);
	ck_assert(s.epoch == 0 && s.nr_peers == 0 && s.nr_envs == 0 && !s.has_donate);
	hcd_state_free(&s);
}
END_TEST

/* Cut anywhere, the file is refused, never half believed. */
START_TEST(truncated)
{
	struct hcd_state s = full_state(), back;
	static char text[8192];
	size_t len;
	FILE *f;

	ck_assert_int_eq(hcd_state_save(dir, &s, error), 0);
	hcd_state_free(&s);
	f = fopen(path, "r");
	len = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	ck_assert_uint_gt(len, 200);
	for (size_t cut = 0; cut < len; cut++) {
		ck_assert_int_eq(truncate(path, (off_t)(len - cut - 1)), 0);
		ck_assert_int_eq(hcd_state_load(dir, &back, error), -EBADMSG);
		ck_assert_ptr_nonnull(strstr(error, "is damaged"));
	}
}
END_TEST

static const char *const bad[] = {
	"[]",
	"{}",
	"{\"format\": 2, \"epoch\": 1, \"drain\": false}",
	"{\"format\": 1, \"epoch\": -1, \"drain\": false}",
	"{\"format\": 1, \"epoch\": \"1\", \"drain\": false}",
	"{\"format\": 1, \"epoch\": 1}",
	"{\"format\": 1, \"epoch\": 1, \"epoch\": 2, \"drain\": false}",
	"{\"format\": 1, \"epoch\": 1, \"drain\": false, \"donate\": {\"bytes\": -5}}",
	"{\"format\": 1, \"epoch\": 1, \"drain\": false, \"peers\": [{\"id\": 0}]}",
	"{\"format\": 1, \"epoch\": 1, \"drain\": false, \"peers\": [{\"id\": 2, \"name\": \"a\", \"address\": \"x\", \"port\": 1}]}",
	"{\"format\": 1, \"epoch\": 1, \"drain\": false, \"environments\": [{\"id\": 1024}]}",
	"{\"format\": 1, \"epoch\": 1, \"drain\": false, \"environments\": [{\"id\": 1, \"name\": \"a\", \"node\": 1, \"quota\": 0, \"replicas\": 2, \"donors\": [0], \"cgroups\": []}]}",
	"{\"format\": 1, \"epoch\": 1, \"drain\": false, \"environments\": [{\"id\": 1, \"name\": \"a\", \"node\": 1, \"quota\": 0, \"replicas\": 2, \"donors\": [2], \"cgroups\": [\"a\"]}]}",
};

START_TEST(damaged)
{
	struct hcd_state s;

	put(bad[_i]);
	ck_assert_int_eq(hcd_state_load(dir, &s, error), -EBADMSG);
}
END_TEST

/* A failed save leaves the old file as it was. */
START_TEST(old_one_stays)
{
	struct hcd_state s = { .epoch = 7 }, back;
	char tmp[96];

	ck_assert_int_eq(hcd_state_save(dir, &s, error), 0);
	snprintf(tmp, sizeof(tmp), "%s.new", path);
	ck_assert_int_eq(mkdir(tmp, 0700), 0);	/* in the way of the new file */
	s.epoch = 8;
	ck_assert_int_lt(hcd_state_save(dir, &s, error), 0);
	ck_assert_ptr_nonnull(strstr(error, "can't be written"));
	ck_assert_int_eq(hcd_state_load(dir, &back, error), 0);
	ck_assert_uint_eq(back.epoch, 7);
	hcd_state_free(&back);
}
END_TEST

/* What a crash left half written is replaced, and a link there is not followed. */
START_TEST(leftover_is_replaced)
{
	struct hcd_state s = { .epoch = 9 }, back;
	char tmp[96];

	snprintf(tmp, sizeof(tmp), "%s.new", path);
	ck_assert_int_eq(symlink("/proc/self/mem", tmp), 0);
	ck_assert_int_eq(hcd_state_save(dir, &s, error), 0);
	ck_assert_int_eq(hcd_state_load(dir, &back, error), 0);
	ck_assert_uint_eq(back.epoch, 9);
	hcd_state_free(&back);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("daemon_state");
	TCase *tc = tcase_create("state");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, round_trip);
	tcase_add_test(tc, absent_is_empty);
	tcase_add_test(tc, truncated);
	tcase_add_loop_test(tc, damaged, 0, sizeof(bad) / sizeof(bad[0]));
	tcase_add_test(tc, old_one_stays);
	tcase_add_test(tc, leftover_is_replaced);
	suite_add_tcase(suite, tc);
	return suite;
}
