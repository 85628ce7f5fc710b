// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * daemon/cluster/secret and token: X25519 by the vector of RFC 7748, keys of pairs, sealing, and
 * the printed form of a token with each character of it changed, and cut at each length.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/cluster/secret.h"
#include "daemon/cluster/token.h"
#include "unit.h"

static uint8_t secret_a[HCD_KEY_LEN], secret_b[HCD_KEY_LEN];
static uint8_t public_a[HCD_NODE_KEY_LEN], public_b[HCD_NODE_KEY_LEN], cluster_key[HCD_KEY_LEN];

static void setup(void)
{
	ck_assert_int_eq(hcd_auth_init(), 0);
	ck_assert_int_eq(hcd_node_key_make(secret_a, public_a), 0);
	ck_assert_int_eq(hcd_node_key_make(secret_b, public_b), 0);
	memset(cluster_key, 7, sizeof(cluster_key));
}

static void hex(const char *text, uint8_t *ret)
{
	for (; *text; text += 2)
		ck_assert_int_eq(sscanf(text, "%2hhx", ret++), 1);
}

/* Section 6.1, Bob's. */
START_TEST(test_R1_public_key_is_that_of_rfc_7748)
{
	uint8_t secret[HCD_KEY_LEN], wanted[HCD_NODE_KEY_LEN], got[HCD_NODE_KEY_LEN];

	hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb", secret);
	hex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f", wanted);
	secret[0] &= 248;
	secret[31] = (secret[31] & 127) | 64;
	ck_assert_int_eq(hcd_node_key_public(secret, got), 0);
	ck_assert_mem_eq(got, wanted, sizeof(got));
}
END_TEST

START_TEST(test_R1_both_ends_of_a_pair_make_one_key)
{
	static const uint8_t zero[HCD_NODE_KEY_LEN];
	struct hcd_psk ab, ba, other;
	uint8_t other_cluster[HCD_KEY_LEN] = { 8 };

	ck_assert_int_eq(hcd_pair_key(secret_a, public_a, public_b, cluster_key, &ab), 0);
	ck_assert_int_eq(hcd_pair_key(secret_b, public_b, public_a, cluster_key, &ba), 0);
	ck_assert_uint_eq(ab.len, HCD_MAC_LEN);
	ck_assert_mem_eq(ab.bytes, ba.bytes, HCD_MAC_LEN);
	/* Another cluster, and somebody who has the cluster's key but neither of the two. */
	ck_assert_int_eq(hcd_pair_key(secret_a, public_a, public_b, other_cluster, &other), 0);
	ck_assert_mem_ne(ab.bytes, other.bytes, HCD_MAC_LEN);
	ck_assert_int_eq(hcd_node_key_make(secret_a, public_a), 0);
	ck_assert_int_eq(hcd_pair_key(secret_a, public_a, public_b, cluster_key, &other), 0);
	ck_assert_mem_ne(ab.bytes, other.bytes, HCD_MAC_LEN);
	/* A key that makes every shared secret 0. */
	ck_assert_int_eq(hcd_pair_key(secret_a, public_a, zero, cluster_key, &other), -EIO);
}
END_TEST

START_TEST(test_R1_sealed_key_opens_for_the_joiner_only)
{
	struct hcd_psk token;
	uint8_t id[HCD_TOKEN_ID_LEN] = { 1 };
	uint8_t here[HCD_KEY_LEN], there[HCD_KEY_LEN], sealed[HCD_SEALED_LEN], got[HCD_KEY_LEN];

	ck_assert_int_eq(hcd_token_secret(cluster_key, id, 1000, &token), 0);
	ck_assert_int_eq(hcd_seal_key(secret_a, public_a, public_b, &token, here), 0);
	ck_assert_int_eq(hcd_seal_key(secret_b, public_b, public_a, &token, there), 0);
	ck_assert_mem_eq(here, there, sizeof(here));
	ck_assert_int_eq(hcd_seal(here, cluster_key, sealed), 0);
	ck_assert_int_eq(hcd_unseal(there, sealed, got), 0);
	ck_assert_mem_eq(got, cluster_key, sizeof(got));
	for (size_t i = 0; i < sizeof(sealed) * 8; i++) {
		memset(got, 0, sizeof(got));
		sealed[i / 8] ^= (uint8_t)(1u << i % 8);
		ck_assert_int_eq(hcd_unseal(there, sealed, got), -EBADMSG);
		ck_assert_uint_eq(got[0], 0);
		sealed[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	/* With a token that differs in its last second only. */
	ck_assert_int_eq(hcd_token_secret(cluster_key, id, 1001, &token), 0);
	ck_assert_int_eq(hcd_seal_key(secret_b, public_b, public_a, &token, there), 0);
	ck_assert_int_eq(hcd_unseal(there, sealed, got), -EBADMSG);
}
END_TEST

static void token_make(struct hcd_token_text *t, size_t nr_members)
{
	*t = (struct hcd_token_text){ .expires_s = 0x0102030405060708, .nr_members = nr_members };
	memset(t->id, 3, sizeof(t->id));
	memset(t->secret, 4, sizeof(t->secret));
	memset(t->cluster, 5, sizeof(t->cluster));
	for (size_t i = 0; i < nr_members; i++) {
		snprintf(t->members[i].address, sizeof(t->members[i].address), "%s",
			 i % 2 ? "1111:2222:3333:4444:5555:6666:7777:8888" : "10.0.0.1");
		t->members[i].port = (uint16_t)(7000 + i);
	}
}

START_TEST(test_R1_token_survives_printing)
{
	struct hcd_token_text t, back;
	char text[HCD_TOKEN_TEXT_LEN];

	for (size_t n = 1; n <= HCD_TOKEN_ADDRESSES; n++) {
		token_make(&t, n);
		hcd_token_print(&t, text);
		ck_assert_uint_lt(strlen(text), sizeof(text));
		ck_assert_int_eq(hcd_token_parse(text, &back), 0);
		ck_assert_mem_eq(&t, &back, sizeof(t));
	}
}
END_TEST

START_TEST(test_R1_changed_token_is_another_or_none)
{
	struct hcd_token_text t, back;
	char text[HCD_TOKEN_TEXT_LEN], changed[HCD_TOKEN_TEXT_LEN + 1];
	size_t len;

	token_make(&t, 2);
	hcd_token_print(&t, text);
	len = strlen(text);
	for (size_t i = 0; i < len; i++) {
		memcpy(changed, text, len + 1);
		changed[i] = 0;
		ck_assert_int_eq(hcd_token_parse(changed, &back), -EBADMSG);
		for (const char *c = "AQgwz09-_ =."; *c; c++) {
			changed[i] = *c;
			if (*c != text[i] && hcd_token_parse(changed, &back) == 0)
				ck_assert_mem_ne(&t, &back, sizeof(t));
		}
	}
	snprintf(changed, sizeof(changed), "%sA", text);
	ck_assert_int_eq(hcd_token_parse(changed, &back), -EBADMSG);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *s = suite_create("daemon_secret");
	TCase *tc = tcase_create("secret");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, test_R1_public_key_is_that_of_rfc_7748);
	tcase_add_test(tc, test_R1_both_ends_of_a_pair_make_one_key);
	tcase_add_test(tc, test_R1_sealed_key_opens_for_the_joiner_only);
	tcase_add_test(tc, test_R1_token_survives_printing);
	tcase_add_test(tc, test_R1_changed_token_is_another_or_none);
	suite_add_tcase(s, tc);
	return s;
}
