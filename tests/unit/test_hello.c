// SPDX-License-Identifier: GPL-2.0-or-later
/* kmod/policy/hello: versions, features, epochs and every refusal of a hello. */
#include <linux/types.h>
#include <string.h>

#include "policy/hello.h"
#include "unit.h"

static const struct hc_hello_self self = {
	.node = 1, .peer = 2, .conn = 1, .depth = 64, .version_min = 1, .version_max = 3,
	.features = 0x7, .required = 0x1, .min_epoch = 5, .their_epoch = 7,
	.their_incarnation = 99,
};

static struct hcw_hello good_hello(void)
{
	struct hcw_hello h = {
		.version_min = cpu_to_le16(1), .version_max = cpu_to_le16(2),
		.conn = cpu_to_le16(1), .depth = cpu_to_le16(32), .node = cpu_to_le32(2),
		.to = cpu_to_le32(1), .features = cpu_to_le64(0x5), .required = cpu_to_le64(0x4),
		.incarnation = cpu_to_le64(99), .epoch = cpu_to_le64(7),
		.page_shift = cpu_to_le16(HCW_PAGE_SHIFT),
		.slab_pages = cpu_to_le16(HCW_SLAB_PAGES), .name = "n2",
	};
	return h;
}

static enum hc_hello_verdict judge(const struct hc_hello_self *me, const struct hcw_hello *h,
				   struct hc_hello_result *r)
{
	memset(r, 0x5a, sizeof(*r));
	return hc_hello_check(me, h, r);
}

START_TEST(accepts)
{
	struct hcw_hello h = good_hello();
	struct hc_hello_result r;

	ck_assert_int_eq(judge(&self, &h, &r), HC_HELLO_OK);
	ck_assert_uint_eq(r.version, 2);
	ck_assert_uint_eq(r.depth, 32);
	ck_assert_uint_eq(r.features, 0x5);
	ck_assert_uint_eq(r.epoch, 7);
	ck_assert_uint_eq(r.incarnation, 99);
	ck_assert(!r.is_new_lease);
	ck_assert(!r.is_new_incarnation);
}
END_TEST

/* The greatest common version, whichever side is newer; and none. */
START_TEST(versions)
{
	static const struct { u16 a_min, a_max, b_min, b_max, common; } t[] = {
		{ 1, 1, 1, 1, 1 }, { 1, 3, 1, 2, 2 }, { 1, 2, 1, 3, 2 }, { 2, 5, 1, 2, 2 },
		{ 1, 2, 2, 5, 2 }, { 3, 5, 1, 2, 0 }, { 1, 2, 3, 5, 0 }, { 4, 4, 4, 4, 4 },
		{ 1, 0xffff, 1, 0xffff, 0xffff },
	};
	struct hc_hello_result r;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct hc_hello_self me = self;
		struct hcw_hello h = good_hello();
		enum hc_hello_verdict v;

		me.version_min = t[i].a_min;
		me.version_max = t[i].a_max;
		h.version_min = cpu_to_le16(t[i].b_min);
		h.version_max = cpu_to_le16(t[i].b_max);
		v = judge(&me, &h, &r);
		if (t[i].common)
			ck_assert_msg(v == HC_HELLO_OK && r.version == t[i].common, "row %zu", i);
		else
			ck_assert_msg(v == HC_HELLO_VERSION, "row %zu", i);
	}
}
END_TEST

START_TEST(epochs)
{
	struct hcw_hello h = good_hello();
	struct hc_hello_self me = self;
	struct hc_hello_result r;

	h.epoch = cpu_to_le64(8);	/* the borrower was dropped and comes with a new lease */
	ck_assert_int_eq(judge(&me, &h, &r), HC_HELLO_OK);
	ck_assert(r.is_new_lease && !r.is_new_incarnation);
	h.epoch = cpu_to_le64(6);	/* an old one returns */
	ck_assert_int_eq(judge(&me, &h, &r), HC_HELLO_EPOCH);
	me.min_epoch = 9;		/* fenced by the daemon, though never met */
	me.their_epoch = 0;
	h.epoch = cpu_to_le64(8);
	ck_assert_int_eq(judge(&me, &h, &r), HC_HELLO_EPOCH);
	h.epoch = cpu_to_le64(9);
	ck_assert_int_eq(judge(&me, &h, &r), HC_HELLO_OK);
	ck_assert(r.is_new_lease);
	h.epoch = 0;			/* 0 is never a lease */
	me.min_epoch = 0;
	ck_assert_int_eq(judge(&me, &h, &r), HC_HELLO_EPOCH);
	h = good_hello();
	h.epoch = cpu_to_le64(HCW_EPOCH_MAX);
	ck_assert_int_eq(judge(&self, &h, &r), HC_HELLO_OK);
	h.epoch = cpu_to_le64(HCW_EPOCH_MAX + 1);
	ck_assert_int_eq(judge(&self, &h, &r), HC_HELLO_RANGE);
	h.epoch = cpu_to_le64(~0ULL);
	ck_assert_int_eq(judge(&self, &h, &r), HC_HELLO_RANGE);
}
END_TEST

/* Whoever is told the floor comes back with an epoch that is accepted. */
START_TEST(floors)
{
	static const u64 floors[] = { 7, 8, 1ULL << 40, HCW_EPOCH_MAX - 1 };
	struct hcw_hello h = good_hello();
	struct hc_hello_self me = self;
	struct hc_hello_result r;
	size_t i;

	ck_assert_uint_eq(hc_hello_raise(7, 0), 7);
	ck_assert_uint_eq(hc_hello_raise(7, 7), 7);
	for (i = 0; i < sizeof(floors) / sizeof(floors[0]); i++) {
		me.their_epoch = floors[i];
		h.epoch = cpu_to_le64(3);
		ck_assert_int_eq(judge(&me, &h, &r), HC_HELLO_EPOCH);
		h.epoch = cpu_to_le64(hc_hello_raise(3, floors[i]));
		ck_assert_int_eq(judge(&me, &h, &r), HC_HELLO_OK);
		ck_assert(r.is_new_lease);
	}
}
END_TEST

/* A module loaded anew has forgotten what it lent, whatever epoch it names. */
START_TEST(incarnations)
{
	struct hcw_hello h = good_hello();
	struct hc_hello_result r;

	h.incarnation = cpu_to_le64(100);
	ck_assert_int_eq(judge(&self, &h, &r), HC_HELLO_OK);
	ck_assert(r.is_new_incarnation && r.is_new_lease);
	h.incarnation = 0;
	ck_assert_int_eq(judge(&self, &h, &r), HC_HELLO_FORM);
}
END_TEST

START_TEST(features)
{
	struct hcw_hello h = good_hello();
	struct hc_hello_self me = self;
	struct hc_hello_result r;

	h.required = cpu_to_le64(0x8);		/* requires what it does not offer itself */
	ck_assert_int_eq(judge(&me, &h, &r), HC_HELLO_FEATURE);
	h.features = cpu_to_le64(0xd);		/* offers it, but we don't */
	ck_assert_int_eq(judge(&me, &h, &r), HC_HELLO_FEATURE);
	h = good_hello();
	h.features = cpu_to_le64(0x4);		/* we require bit 0 */
	ck_assert_int_eq(judge(&me, &h, &r), HC_HELLO_FEATURE);
	h = good_hello();
	h.features = cpu_to_le64(~0ULL);	/* offers more than we know: not used */
	ck_assert_int_eq(judge(&me, &h, &r), HC_HELLO_OK);
	ck_assert_uint_eq(r.features, 0x7);
}
END_TEST

#define REFUSED(change, verdict)						\
	do {									\
		struct hcw_hello h = good_hello();				\
		struct hc_hello_result r, untouched;				\
										\
		memset(&untouched, 0x5a, sizeof(untouched));			\
		change;								\
		ck_assert_int_eq(judge(&self, &h, &r), verdict);		\
		ck_assert(!memcmp(&r, &untouched, sizeof(r)));			\
	} while (0)

START_TEST(refusals)
{
	REFUSED(h.node = cpu_to_le32(3), HC_HELLO_WHO);
	REFUSED(h.node = cpu_to_le32(1), HC_HELLO_WHO);
	REFUSED(h.to = cpu_to_le32(9), HC_HELLO_TO);
	REFUSED(h.conn = cpu_to_le16(0), HC_HELLO_CONN);
	REFUSED(h.page_shift = cpu_to_le16(14), HC_HELLO_GEOMETRY);
	REFUSED(h.slab_pages = cpu_to_le16(512), HC_HELLO_GEOMETRY);
	REFUSED(h.depth = cpu_to_le16(HCW_DEPTH_MIN - 1), HC_HELLO_DEPTH);
	REFUSED(h.depth = cpu_to_le16(HCW_DEPTH_MAX + 1), HC_HELLO_DEPTH);
	REFUSED(h.reserved = cpu_to_le32(1), HC_HELLO_FORM);
	REFUSED(memset(h.name, 'x', sizeof(h.name)), HC_HELLO_FORM);
	REFUSED(h.version_min = cpu_to_le16(3), HC_HELLO_FORM);	/* min above max */
}
END_TEST

START_TEST(depth_is_the_smaller)
{
	struct hcw_hello h = good_hello();
	struct hc_hello_result r;

	h.depth = cpu_to_le16(HCW_DEPTH_MAX);
	ck_assert_int_eq(judge(&self, &h, &r), HC_HELLO_OK);
	ck_assert_uint_eq(r.depth, 64);
	h.depth = cpu_to_le16(HCW_DEPTH_MIN);
	ck_assert_int_eq(judge(&self, &h, &r), HC_HELLO_OK);
	ck_assert_uint_eq(r.depth, HCW_DEPTH_MIN);
}
END_TEST

/* A clone comes while the one met first answers: it takes nothing over. */
START_TEST(two_machines_of_one_number)
{
	struct hcw_hello h = good_hello();
	struct hc_hello_self me = self;
	struct hc_hello_result r;

	me.is_answering = true;
	ck_assert_int_eq(judge(&me, &h, &r), HC_HELLO_OK);
	h.incarnation = cpu_to_le64(100);
	ck_assert_int_eq(judge(&me, &h, &r), HC_HELLO_TWIN);
	h.epoch = cpu_to_le64(8);	/* nor with a later epoch */
	ck_assert_int_eq(judge(&me, &h, &r), HC_HELLO_TWIN);
	me.is_answering = false;
	ck_assert_int_eq(judge(&me, &h, &r), HC_HELLO_OK);
	ck_assert(r.is_new_incarnation);
}
END_TEST

/* Every verdict has a clause of its own, so that a refusal says which it was. */
START_TEST(texts)
{
	int a, b;

	for (a = HC_HELLO_OK; a <= HC_HELLO_TWIN; a++) {
		ck_assert_uint_gt(strlen(hc_hello_text(a)), 5);
		for (b = HC_HELLO_OK; b < a; b++)
			ck_assert_str_ne(hc_hello_text(a), hc_hello_text(b));
	}
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("hello");
	TCase *t = tcase_create("hello");

	tcase_add_test(t, accepts);
	tcase_add_test(t, versions);
	tcase_add_test(t, epochs);
	tcase_add_test(t, floors);
	tcase_add_test(t, incarnations);
	tcase_add_test(t, two_machines_of_one_number);
	tcase_add_test(t, features);
	tcase_add_test(t, refusals);
	tcase_add_test(t, depth_is_the_smaller);
	tcase_add_test(t, texts);
	suite_add_tcase(suite, t);
	return suite;
}
