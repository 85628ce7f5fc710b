// SPDX-License-Identifier: GPL-2.0-or-later
/* kmod/policy/wire_check: encoding of headers, and every form that must be refused. */
#include <linux/types.h>
#include <stdio.h>
#include <string.h>

#include "policy/wire_check.h"
#include "unit.h"

/* The header as bytes on the wire, written down by hand once. */
START_TEST(layout_is_frozen)
{
	static const u8 wire[48] = {
		'H', 'c', 'C', 'F',			/* magic */
		HCW_WRITE, HCW_F_ANSWER, 0x02, 0x01,	/* type, flags, status 0x0102 */
		0x04, 0x03, 0x02, 0x01,			/* len */
		0x21, 0x43, 0x65, 0x87,			/* page, nr */
		1, 2, 3, 4, 5, 6, 7, 8,			/* tag */
		8, 7, 6, 5, 4, 3, 2, 1,			/* epoch */
		0xdd, 0xcc, 0xbb, 0xaa, 0, 0, 0, 0,	/* slab, reserved */
		0xf0, 0xde, 0xbc, 0x9a, 0x78, 0x56, 0x34, 0x12,	/* arg */
	};
	const struct hc_msg m = {
		.type = HCW_WRITE, .flags = HCW_F_ANSWER, .status = 0x0102, .len = 0x01020304,
		.page = 0x4321, .nr = 0x8765, .slab = 0xaabbccdd, .tag = 0x0807060504030201,
		.epoch = 0x0102030405060708, .arg = 0x123456789abcdef0,
	};
	struct hcw_hdr h;

	memset(&h, 0xff, sizeof(h));
	hc_msg_pack(&m, &h);
	ck_assert_mem_eq(&h, wire, sizeof(wire));
}
END_TEST

START_TEST(pack_and_unpack)
{
	uint64_t seed = unit_seed() | 1, state = seed;
	int i;

	printf("seed %#llx\n", (unsigned long long)seed);
	for (i = 0; i < 100000; i++) {
		struct hc_msg m, back;
		struct hcw_hdr h, again;

		memset(&m, 0, sizeof(m));
		memset(&back, 0, sizeof(back));
		m.type = (u8)unit_random(&state);
		m.flags = (u8)unit_random(&state);
		m.status = (u16)unit_random(&state);
		m.len = (u32)unit_random(&state);
		m.page = (u16)unit_random(&state);
		m.nr = (u16)unit_random(&state);
		m.slab = (u32)unit_random(&state);
		m.tag = unit_random(&state);
		m.epoch = unit_random(&state);
		m.arg = unit_random(&state);
		hc_msg_pack(&m, &h);
		ck_assert(hc_msg_unpack(&h, &back));
		hc_msg_pack(&back, &again);
		ck_assert_mem_eq(&h, &again, sizeof(h));
	}
}
END_TEST

START_TEST(foreign_bytes)
{
	struct hc_msg m = { .type = HCW_PING, .tag = 1 }, back;
	struct hcw_hdr h;
	unsigned int bit;

	for (bit = 0; bit < 32; bit++) {
		hc_msg_pack(&m, &h);
		h.magic ^= cpu_to_le32(1U << bit);
		ck_assert(!hc_msg_unpack(&h, &back));
		hc_msg_pack(&m, &h);
		h.reserved = cpu_to_le32(1U << bit);
		ck_assert(!hc_msg_unpack(&h, &back));
	}
}
END_TEST

#define PAGES(n) ((u32)(n) * HCW_PAGE_SIZE)
#define ANSWER HCW_F_ANSWER

static const struct {
	const char *what;
	struct hc_msg m;
} right[] = {
	{ "ping", { .type = HCW_PING, .tag = 1 } },
	{ "ping answer", { .type = HCW_PING, .flags = ANSWER, .tag = 1, .arg = 100 } },
	{ "ping answer that drains",
	  { .type = HCW_PING, .flags = ANSWER | HCW_F_DRAIN | HCW_F_PRESSURE, .tag = 1 } },
	{ "lease", { .type = HCW_LEASE, .tag = 1, .nr = HCW_LEASE_MAX, .arg = 1 } },
	{ "lease answer", { .type = HCW_LEASE, .flags = ANSWER, .tag = 1, .nr = 3, .len = 12 } },
	{ "lease refused", { .type = HCW_LEASE, .flags = ANSWER, .tag = 1, .status = HCW_ENOMEM } },
	{ "release", { .type = HCW_RELEASE, .tag = 1, .nr = 2, .len = 8 } },
	{ "release answer", { .type = HCW_RELEASE, .flags = ANSWER, .tag = 1 } },
	{ "read of one page", { .type = HCW_READ, .tag = 1, .nr = 1 } },
	{ "read of the last page",
	  { .type = HCW_READ, .tag = 1, .nr = 1, .page = HCW_SLAB_PAGES - 1 } },
	{ "longest read", { .type = HCW_READ, .tag = 1, .nr = HCW_RUN_PAGES_MAX,
			    .page = HCW_SLAB_PAGES - HCW_RUN_PAGES_MAX } },
	{ "read answer",
	  { .type = HCW_READ, .flags = ANSWER, .tag = 1, .nr = 2, .len = PAGES(2) } },
	{ "read refused",
	  { .type = HCW_READ, .flags = ANSWER, .tag = 1, .nr = 2, .status = HCW_EUNSET } },
	{ "write", { .type = HCW_WRITE, .tag = 1, .nr = 16, .len = PAGES(16) } },
	{ "write answer", { .type = HCW_WRITE, .flags = ANSWER, .tag = 1, .nr = 16 } },
	{ "write refused",
	  { .type = HCW_WRITE, .flags = ANSWER, .tag = 1, .nr = 1, .status = HCW_ESTALE } },
	{ "recall of all", { .type = HCW_RECALL, .tag = 1 } },
	{ "recall answer", { .type = HCW_RECALL, .flags = ANSWER, .tag = 1 } },
	{ "recall",
	  { .type = HCW_RECALL, .tag = 1, .nr = HCW_LEASE_MAX, .len = HCW_LEASE_MAX * 4 } },
}, wrong[] = {
	{ "type 0", { .type = HCW_INVALID, .tag = 1 } },
	{ "type after the last", { .type = HCW_TYPE_MAX + 1, .tag = 1 } },
	{ "type 255", { .type = 255, .tag = 1 } },
	{ "unknown flag", { .type = HCW_PING, .flags = 0x08, .tag = 1 } },
	{ "drain flag in a request", { .type = HCW_PING, .flags = HCW_F_DRAIN, .tag = 1 } },
	{ "drain flag in a read answer",
	  { .type = HCW_READ, .flags = ANSWER | HCW_F_DRAIN, .tag = 1, .nr = 1, .len = PAGES(1) } },
	{ "status in a request", { .type = HCW_PING, .status = HCW_ESTALE, .tag = 1 } },
	{ "unknown status",
	  { .type = HCW_PING, .flags = ANSWER, .status = HCW_STATUS_MAX + 1, .tag = 1 } },
	{ "second hello", { .type = HCW_HELLO, .len = sizeof(struct hcw_hello) } },
	{ "request without a tag", { .type = HCW_PING } },
	{ "answer without a tag", { .type = HCW_PING, .flags = ANSWER } },
	{ "recall without a tag", { .type = HCW_RECALL } },
	{ "recall answer with payload",
	  { .type = HCW_RECALL, .flags = ANSWER, .tag = 1, .len = 4 } },
	{ "ping with payload", { .type = HCW_PING, .tag = 1, .len = 1 } },
	{ "ping with a count", { .type = HCW_PING, .tag = 1, .nr = 1 } },
	{ "lease with payload", { .type = HCW_LEASE, .tag = 1, .nr = 1, .len = 4 } },
	{ "lease of too many", { .type = HCW_LEASE, .tag = 1, .nr = HCW_LEASE_MAX + 1 } },
	{ "lease answer too long",
	  { .type = HCW_LEASE, .flags = ANSWER, .tag = 1, .nr = 2, .len = 12 } },
	{ "lease answer of too many", { .type = HCW_LEASE, .flags = ANSWER, .tag = 1,
					.nr = HCW_LEASE_MAX + 1, .len = (HCW_LEASE_MAX + 1) * 4 } },
	{ "release too short", { .type = HCW_RELEASE, .tag = 1, .nr = 2, .len = 4 } },
	{ "release answer with payload",
	  { .type = HCW_RELEASE, .flags = ANSWER, .tag = 1, .len = 4 } },
	{ "read of no page", { .type = HCW_READ, .tag = 1 } },
	{ "read of too many", { .type = HCW_READ, .tag = 1, .nr = HCW_RUN_PAGES_MAX + 1 } },
	{ "read past the slab",
	  { .type = HCW_READ, .tag = 1, .nr = 2, .page = HCW_SLAB_PAGES - 1 } },
	{ "read behind the slab", { .type = HCW_READ, .tag = 1, .nr = 1, .page = HCW_SLAB_PAGES } },
	{ "read at page 65535", { .type = HCW_READ, .tag = 1, .nr = 1, .page = 0xffff } },
	{ "read with payload", { .type = HCW_READ, .tag = 1, .nr = 1, .len = PAGES(1) } },
	{ "read answer too short",
	  { .type = HCW_READ, .flags = ANSWER, .tag = 1, .nr = 2, .len = PAGES(1) } },
	{ "read answer too long",
	  { .type = HCW_READ, .flags = ANSWER, .tag = 1, .nr = 1, .len = PAGES(2) } },
	{ "refused read with payload", { .type = HCW_READ, .flags = ANSWER, .tag = 1, .nr = 1,
					 .status = HCW_ESTALE, .len = PAGES(1) } },
	{ "write without payload", { .type = HCW_WRITE, .tag = 1, .nr = 1 } },
	{ "write of one byte more", { .type = HCW_WRITE, .tag = 1, .nr = 1, .len = PAGES(1) + 1 } },
	{ "write of too many", { .type = HCW_WRITE, .tag = 1, .nr = HCW_RUN_PAGES_MAX + 1,
				 .len = PAGES(HCW_RUN_PAGES_MAX + 1) } },
	{ "write past the slab",
	  { .type = HCW_WRITE, .tag = 1, .nr = 16, .page = 250, .len = PAGES(16) } },
	{ "write answer with payload", { .type = HCW_WRITE, .flags = ANSWER, .tag = 1, .nr = 1,
					 .len = PAGES(1) } },
	{ "recall too short", { .type = HCW_RECALL, .tag = 1, .nr = 2, .len = 4 } },
	{ "recall of too many", { .type = HCW_RECALL, .tag = 1, .nr = HCW_LEASE_MAX + 1,
				  .len = (HCW_LEASE_MAX + 1) * 4 } },
	{ "length of 4 GiB", { .type = HCW_WRITE, .tag = 1, .nr = 1, .len = 0xffffffff } },
};

START_TEST(right_forms)
{
	const char *said = hc_msg_check(&right[_i].m, true);

	ck_assert_msg(!said, "%s: %s", right[_i].what, said);
	ck_assert_msg(hc_msg_check(&right[_i].m, false), "%s before the hello", right[_i].what);
}
END_TEST

START_TEST(wrong_forms)
{
	ck_assert_msg(hc_msg_check(&wrong[_i].m, true), "%s was taken", wrong[_i].what);
	if (wrong[_i].m.type != HCW_HELLO)
		ck_assert_msg(hc_msg_check(&wrong[_i].m, false), "%s was taken", wrong[_i].what);
}
END_TEST

START_TEST(hello)
{
	struct hc_msg m = { .type = HCW_HELLO, .len = sizeof(struct hcw_hello) };

	ck_assert_ptr_null(hc_msg_check(&m, false));
	m.len--;
	ck_assert_ptr_nonnull(hc_msg_check(&m, false));
	m.len += 2;
	ck_assert_ptr_nonnull(hc_msg_check(&m, false));
	m.len--;
	m.flags = ANSWER;
	ck_assert_ptr_nonnull(hc_msg_check(&m, false));
}
END_TEST

/* What the receiver relies on, whatever a peer sends: see hc_msg_check(). */
START_TEST(nothing_out_of_bounds)
{
	uint64_t seed = unit_seed() | 1, state = seed;
	uint64_t ops = unit_ops(2000000), i, taken = 0;

	printf("seed %#llx\n", (unsigned long long)seed);
	for (i = 0; i < ops; i++) {
		struct hc_msg m = {
			.type = (u8)unit_below(&state, HCW_TYPE_MAX + 3),
			.flags = (u8)unit_below(&state, 16),
			.status = (u16)(unit_below(&state, 4) ? 0 : unit_below(&state, 10)),
			.page = (u16)unit_below(&state, HCW_SLAB_PAGES + 20),
			.nr = (u16)(unit_below(&state, 4) ? unit_below(&state, 20) :
							    unit_below(&state, 0x10000)),
			.tag = unit_below(&state, 2),
			.slab = (u32)unit_random(&state),
		};
		static const u32 unit[] = { 0, 1, 4, HCW_PAGE_SIZE };

		m.len = m.nr * unit[unit_below(&state, 4)];
		if (hc_msg_check(&m, true))
			continue;
		taken++;
		MUST_LE(m.len, PAGES(HCW_RUN_PAGES_MAX));
		if (m.type == HCW_READ || m.type == HCW_WRITE) {
			MUST_GT(m.nr, 0);
			MUST_LE(m.page + m.nr, HCW_SLAB_PAGES);
		} else {
			MUST_LE(m.len, HCW_CTL_MAX);
		}
	}
	MUST_GT(taken, ops / 1000);	/* else this test looked at nothing */
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("wire_check");
	TCase *t = tcase_create("wire_check");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, layout_is_frozen);
	tcase_add_test(t, pack_and_unpack);
	tcase_add_test(t, foreign_bytes);
	tcase_add_loop_test(t, right_forms, 0, sizeof(right) / sizeof(right[0]));
	tcase_add_loop_test(t, wrong_forms, 0, sizeof(wrong) / sizeof(wrong[0]));
	tcase_add_test(t, hello);
	tcase_add_test(t, nothing_out_of_bounds);
	suite_add_tcase(suite, t);
	return suite;
}
