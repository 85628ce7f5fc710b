// SPDX-License-Identifier: GPL-2.0-or-later
/* daemon/cluster/frame: whole, truncated, oversized and garbage frames. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/cluster/frame.h"
#include "unit.h"

START_TEST(layout_is_frozen)
{
	static const uint8_t wire[HCD_FRAME_HDR] = { 4, 3, 2, 1, 6, 5, 8, 7 };
	uint8_t hdr[HCD_FRAME_HDR];

	hcd_frame_header(hdr, 0x0506, 0x0708, 0x01020304);
	ck_assert_mem_eq(hdr, wire, sizeof(wire));
}
END_TEST

/* Every prefix of a frame asks for more, and never for a byte beyond it. */
START_TEST(truncated)
{
	uint8_t buf[HCD_FRAME_HDR + 20 + 5] = { 0 };
	struct hcd_frame frame = { 0 };
	size_t need, len;

	hcd_frame_header(buf, HCD_FRAME_HELLO, 1, 20);
	for (len = 0; len < HCD_FRAME_HDR + 20; len++) {
		need = 0;
		ck_assert_int_eq(hcd_frame_parse(buf, len, 20, &frame, &need), 0);
		ck_assert_uint_eq(need, len < HCD_FRAME_HDR ? HCD_FRAME_HDR : HCD_FRAME_HDR + 20);
		ck_assert_ptr_null(frame.payload);
	}
	/* With the next frame's bytes behind it, only this one is taken. */
	for (; len <= sizeof(buf); len++) {
		ck_assert_int_eq(hcd_frame_parse(buf, len, 20, &frame, &need), 1);
		ck_assert_uint_eq(frame.len, 20);
		ck_assert_uint_eq(frame.type, HCD_FRAME_HELLO);
		ck_assert_uint_eq(frame.version, 1);
		ck_assert_ptr_eq(frame.payload, buf + HCD_FRAME_HDR);
	}
}
END_TEST

START_TEST(empty_payload)
{
	uint8_t buf[HCD_FRAME_HDR];
	struct hcd_frame frame;
	size_t need;

	hcd_frame_header(buf, HCD_FRAME_BYE, 1, 0);
	ck_assert_int_eq(hcd_frame_parse(buf, sizeof(buf), 0, &frame, &need), 1);
	ck_assert_uint_eq(frame.len, 0);
}
END_TEST

/* Refused by the header alone: nobody waits for, or allocates, a claimed length. */
START_TEST(oversized)
{
	static const uint32_t lens[] = {
		513, 65536, 0x7fffffff, 0x80000000, 0xfffffff8, 0xffffffff,
	};
	uint8_t buf[HCD_FRAME_HDR];
	struct hcd_frame frame;
	size_t need;

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		hcd_frame_header(buf, HCD_FRAME_HELLO, 1, lens[i]);
		ck_assert_int_eq(hcd_frame_parse(buf, sizeof(buf), HCD_FRAME_AUTH_MAX, &frame,
						 &need), -EMSGSIZE);
	}
	hcd_frame_header(buf, HCD_FRAME_HELLO, 1, HCD_FRAME_AUTH_MAX);
	ck_assert_int_eq(hcd_frame_parse(buf, sizeof(buf), HCD_FRAME_AUTH_MAX, &frame, &need), 0);
}
END_TEST

START_TEST(zero_type_or_version)
{
	uint8_t buf[HCD_FRAME_HDR];
	struct hcd_frame frame;
	size_t need;

	hcd_frame_header(buf, 0, 1, 0);
	ck_assert_int_eq(hcd_frame_parse(buf, sizeof(buf), 512, &frame, &need), -EBADMSG);
	hcd_frame_header(buf, 1, 0, 0);
	ck_assert_int_eq(hcd_frame_parse(buf, sizeof(buf), 512, &frame, &need), -EBADMSG);
}
END_TEST

START_TEST(garbage)
{
	uint64_t seed = unit_seed() | 1, state = seed, ops = unit_ops(300000);
	uint8_t buf[64];
	struct hcd_frame frame;
	size_t need, len;
	int r;

	printf("seed %#llx\n", (unsigned long long)seed);
	for (uint64_t i = 0; i < ops; i++) {
		len = unit_below(&state, sizeof(buf) + 1);
		for (size_t k = 0; k < len; k++)
			buf[k] = (uint8_t)(unit_below(&state, 2) ? 0 : unit_random(&state));
		r = hcd_frame_parse(buf, len, 48, &frame, &need);
		if (r == 1)
			ck_assert(frame.len <= 48 && HCD_FRAME_HDR + frame.len <= len);
		else if (r == 0)
			ck_assert(need > len && need <= HCD_FRAME_HDR + 48);
		else
			ck_assert(r == -EMSGSIZE || r == -EBADMSG);
	}
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("daemon_frame");
	TCase *tc = tcase_create("frame");

	tcase_add_test(tc, layout_is_frozen);
	tcase_add_test(tc, truncated);
	tcase_add_test(tc, empty_payload);
	tcase_add_test(tc, oversized);
	tcase_add_test(tc, zero_type_or_version);
	tcase_add_test(tc, garbage);
	suite_add_tcase(suite, tc);
	return suite;
}
