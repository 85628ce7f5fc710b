// SPDX-License-Identifier: GPL-2.0-or-later
/* Sizes, numbers, lists, times, cleaned text: what people write and read. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "format.h"
#include "unit.h"

static const struct {
	const char *text;
	int r;
	uint64_t bytes;
} sizes[] = {
	{ "0", 0, 0 },
	{ "1", 0, 1 },
	{ "4096", 0, 4096 },
	{ "10B", 0, 10 },
	{ "1K", 0, 1024 },
	{ "1k", 0, 1024 },
	{ "512M", 0, 512ULL << 20 },
	{ "2G", 0, 2ULL << 30 },
	{ "2GiB", 0, 2ULL << 30 },
	{ "2 GiB", 0, 2ULL << 30 },
	{ "1.5G", 0, 3ULL << 29 },
	{ "0.125K", 0, 128 },
	{ "1.0009K", 0, 1024 },
	{ "3T", 0, 3ULL << 40 },
	{ "1P", 0, 1ULL << 50 },
	{ "9223372036854775807", 0, INT64_MAX },
	{ "9223372036854775808", -ERANGE, 0 },
	{ "8191P", 0, 8191ULL << 50 },
	{ "8192P", -ERANGE, 0 },
	{ "99999999999999999999", -ERANGE, 0 },
	{ "", -EINVAL, 0 },
	{ "G", -EINVAL, 0 },
	{ "-1", -EINVAL, 0 },
	{ "+1", -EINVAL, 0 },
	{ " 1", -EINVAL, 0 },
	{ "1 ", 0, 1 },
	{ "1  K", -EINVAL, 0 },
	{ "2GB", -EINVAL, 0 },
	{ "2Gi", -EINVAL, 0 },
	{ "2GiBs", -EINVAL, 0 },
	{ "1.", -EINVAL, 0 },
	{ "1.K", -EINVAL, 0 },
	{ "1.5", -EINVAL, 0 },
	{ "1.5B", -EINVAL, 0 },
	{ "1.2.3K", -EINVAL, 0 },
	{ "0x10", -EINVAL, 0 },
	{ "2X", -EINVAL, 0 },
	{ "\xff", -EINVAL, 0 },
};

START_TEST(size_parses)
{
	uint64_t bytes = 77;

	ck_assert_msg(size_parse(sizes[_i].text, &bytes) == sizes[_i].r, "\"%s\"", sizes[_i].text);
	ck_assert_uint_eq(bytes, sizes[_i].r ? 77 : sizes[_i].bytes);
}
END_TEST

START_TEST(size_formats)
{
	static const struct {
		uint64_t bytes;
		const char *text, *exact;
	} cases[] = {
		{ 0, "0", "0" },
		{ 1, "1 B", "1" },
		{ 1023, "1023 B", "1023" },
		{ 1024, "1 KiB", "1K" },
		{ 1536, "1.5 KiB", "1536" },
		{ 512ULL << 20, "512 MiB", "512M" },
		{ 1536ULL << 20, "1.5 GiB", "1536M" },
		{ (1ULL << 30) - 1, "1 GiB", "1073741823" },
		{ 100ULL << 30, "100 GiB", "100G" },
		{ (100ULL << 30) + (300ULL << 20), "100 GiB", "102700M" },
		{ 1ULL << 62, "4096 PiB", "4096P" },
	};
	char buf[FORMAT_LEN];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ck_assert_str_eq(size_format(cases[i].bytes, buf), cases[i].text);
		ck_assert_str_eq(size_exact(cases[i].bytes, buf), cases[i].exact);
	}
}
END_TEST

/* What size_exact() writes, size_parse() reads as the same number. */
START_TEST(size_round_trip)
{
	uint64_t seed = unit_seed(), state = seed, ops = unit_ops(20000);
	char buf[FORMAT_LEN];

	for (uint64_t i = 0; i < ops; i++) {
		uint64_t want = (unit_random(&state) >> 1) >> unit_below(&state, 63), got;

		if (unit_below(&state, 2))
			want &= ~((1ULL << unit_below(&state, 40)) - 1);
		ck_assert_msg(!size_parse(size_exact(want, buf), &got) && got == want,
			      "%s is read as another number; HC_SEED=%llu", buf, (unsigned long long)seed);
		ck_assert(strlen(size_format(want, buf)) < 10);
	}
}
END_TEST

START_TEST(counts_format)
{
	char buf[FORMAT_LEN];

	ck_assert_str_eq(count_format(0, buf), "0");
	ck_assert_str_eq(count_format(999, buf), "999");
	ck_assert_str_eq(count_format(1000, buf), "1.0k");
	ck_assert_str_eq(count_format(12345, buf), "12.3k");
	ck_assert_str_eq(count_format(999499, buf), "999k");
	ck_assert_str_eq(count_format(999999, buf), "1.0M");
	ck_assert_str_eq(count_format(UINT64_MAX, buf), "18.4E");
}
END_TEST

START_TEST(numbers_parse)
{
	uint64_t n = 77;

	ck_assert_int_eq(number_parse("12", 1, 12, &n), 0);
	ck_assert_uint_eq(n, 12);
	ck_assert_int_eq(number_parse("13", 1, 12, &n), -ERANGE);
	ck_assert_int_eq(number_parse("0", 1, 12, &n), -ERANGE);
	ck_assert_int_eq(number_parse("", 0, 12, &n), -EINVAL);
	ck_assert_int_eq(number_parse("1 ", 0, 12, &n), -EINVAL);
	ck_assert_int_eq(number_parse("-1", 0, 12, &n), -EINVAL);
	ck_assert_int_eq(number_parse("18446744073709551616", 0, UINT64_MAX, &n), -ERANGE);
	ck_assert_uint_eq(n, 12);
}
END_TEST

START_TEST(id_lists_parse)
{
	uint32_t ids[4] = { 0 };

	ck_assert_int_eq(id_list_parse("2", ids, 4), 1);
	ck_assert_uint_eq(ids[0], 2);
	ck_assert_int_eq(id_list_parse("2,3", ids, 4), 2);
	ck_assert_uint_eq(ids[1], 3);
	ck_assert_int_eq(id_list_parse("7,2-4", ids, 4), 4);
	ck_assert_uint_eq(ids[3], 4);
	ck_assert_int_eq(id_list_parse("2147483647", ids, 4), 1);
	ck_assert_int_eq(id_list_parse("2147483648", ids, 4), -ERANGE);
	ck_assert_int_eq(id_list_parse("0", ids, 4), -ERANGE);
	ck_assert_int_eq(id_list_parse("2,2", ids, 4), -EEXIST);
	ck_assert_int_eq(id_list_parse("1-3,2", ids, 4), -EEXIST);
	ck_assert_int_eq(id_list_parse("1-5", ids, 4), -E2BIG);
	ck_assert_int_eq(id_list_parse("1-2147483647", ids, 4), -E2BIG);
	ck_assert_int_eq(id_list_parse("3-2", ids, 4), -EINVAL);
	ck_assert_int_eq(id_list_parse("", ids, 4), -EINVAL);
	ck_assert_int_eq(id_list_parse("2,", ids, 4), -EINVAL);
	ck_assert_int_eq(id_list_parse(",2", ids, 4), -EINVAL);
	ck_assert_int_eq(id_list_parse("2 3", ids, 4), -EINVAL);
	ck_assert_int_eq(id_list_parse("2-", ids, 4), -EINVAL);
}
END_TEST

START_TEST(times_format)
{
	char buf[FORMAT_LEN];

	ck_assert_str_eq(time_format(0, buf), "1970-01-01T00:00:00.000Z");
	ck_assert_str_eq(time_format(1795463000123456789ULL, buf), "2026-11-23T19:43:20.123Z");
	ck_assert(strlen(time_format(UINT64_MAX, buf)) < FORMAT_LEN);
}
END_TEST

START_TEST(text_is_cleaned)
{
	char buf[16];

	ck_assert_str_eq(text_clean("node", buf, sizeof(buf)), "node");
	ck_assert_str_eq(text_clean("a\033[31mb\n", buf, sizeof(buf)), "a?[31mb?");
	ck_assert_str_eq(text_clean("a\xc2\x9b;1m", buf, sizeof(buf)), "a?;1m");
	ck_assert_str_eq(text_clean("M\xc3\xbcnchen", buf, sizeof(buf)), "M\xc3\xbcnchen");
	ck_assert_str_eq(text_clean("\x7f\x01", buf, sizeof(buf)), "??");
	/* Cut: no half character at the end. */
	ck_assert_str_eq(text_clean("12345678901234\xc3\xbc", buf, sizeof(buf)), "12345678901234");
	ck_assert_str_eq(text_clean("1234567890123456", buf, sizeof(buf)), "123456789012345");
	ck_assert_uint_eq(text_width("M\xc3\xbcnchen"), 7);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *s = suite_create("tools format");
	TCase *c = tcase_create("format");

	tcase_add_loop_test(c, size_parses, 0, sizeof(sizes) / sizeof(sizes[0]));
	tcase_add_test(c, size_formats);
	tcase_add_test(c, size_round_trip);
	tcase_add_test(c, counts_format);
	tcase_add_test(c, numbers_parse);
	tcase_add_test(c, id_lists_parse);
	tcase_add_test(c, times_format);
	tcase_add_test(c, text_is_cleaned);
	suite_add_tcase(s, c);
	return s;
}
