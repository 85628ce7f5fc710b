// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * daemon/cluster/handshake and auth: two ends in one process, with an attacker
 * in between who changes, repeats, reflects and moves what they say.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/channel.pb-c.h"
#include "daemon/cluster/handshake.h"
#include "unit.h"

static struct hcd_psk psk, other_psk;
static uint8_t nonce_a[HCD_NONCE_LEN], nonce_b[HCD_NONCE_LEN];

static void setup(void)
{
	ck_assert_int_eq(hcd_auth_init(), 0);
	psk.len = other_psk.len = 32;
	for (int i = 0; i < 32; i++) {
		psk.bytes[i] = (uint8_t)(i * 7 + 1);
		other_psk.bytes[i] = (uint8_t)(i * 7 + 1);
		nonce_a[i] = (uint8_t)(i + 100);
		nonce_b[i] = (uint8_t)(i + 200);
	}
	other_psk.bytes[31] ^= 1;
}

static struct hcd_frame parsed(const struct hcd_out *out)
{
	struct hcd_frame frame;
	size_t need;

	ck_assert_int_eq(hcd_frame_parse(out->bytes, out->len, HCD_FRAME_AUTH_MAX, &frame, &need),
			 1);
	return frame;
}

static int feed(struct hcd_hs *hs, const struct hcd_out *in, struct hcd_out *out)
{
	struct hcd_frame frame = parsed(in);

	return hcd_hs_input(hs, &frame, out);
}

START_TEST(both_prove_it)
{
	struct hcd_hs dialer, acceptor;
	struct hcd_out hello, challenge, proof, welcome, none;
	uint8_t tx1[32], rx1[32], tx2[32], rx2[32];

	hcd_hs_dial(&dialer, 1, 2, HCD_PURPOSE_PAGE, 3, &psk, NULL, nonce_a, &hello);
	hcd_hs_accept(&acceptor, 2, &psk, nonce_b);
	ck_assert_int_eq(feed(&acceptor, &hello, &challenge), 0);
	ck_assert_int_eq(feed(&dialer, &challenge, &proof), 0);
	ck_assert_int_eq(feed(&acceptor, &proof, &welcome), 1);
	ck_assert_int_eq(feed(&dialer, &welcome, &none), 1);
	ck_assert_uint_eq(none.len, 0);
	ck_assert_uint_eq(acceptor.t.from, 1);
	ck_assert_uint_eq(acceptor.t.purpose, HCD_PURPOSE_PAGE);
	ck_assert_uint_eq(acceptor.t.conn, 3);
	ck_assert_int_eq(hcd_hs_keys(&dialer, tx1, rx1), 0);
	ck_assert_int_eq(hcd_hs_keys(&acceptor, tx2, rx2), 0);
	ck_assert_mem_eq(tx1, rx2, 32);
	ck_assert_mem_eq(tx2, rx1, 32);
	ck_assert_mem_ne(tx1, rx1, 32);
}
END_TEST

START_TEST(wrong_key)
{
	struct hcd_hs dialer, acceptor;
	struct hcd_out hello, challenge, refused, none;

	hcd_hs_dial(&dialer, 1, 2, HCD_PURPOSE_CONTROL, 0, &other_psk, NULL, nonce_a, &hello);
	hcd_hs_accept(&acceptor, 2, &psk, nonce_b);
	ck_assert_int_eq(feed(&acceptor, &hello, &challenge), 0);
	ck_assert_int_eq(feed(&dialer, &challenge, &refused), -EACCES);
	ck_assert_int_eq(dialer.code, HCD_REFUSE_KEY);
	/* The other end is told. */
	ck_assert_int_eq(feed(&acceptor, &refused, &none), -EACCES);
	ck_assert(acceptor.refused_by_peer);
	ck_assert_int_eq(acceptor.code, HCD_REFUSE_KEY);
	ck_assert_ptr_nonnull(strstr(acceptor.reason, "different keys"));
}
END_TEST

/* A dialer without the key, which does not care what the acceptor proves. */
START_TEST(forged_proof)
{
	struct hcd_hs dialer, acceptor;
	struct hcd_out hello, challenge, proof, refused;

	for (size_t i = 0; i < HCD_MAC_LEN * 8; i++) {
		hcd_hs_dial(&dialer, 1, 2, HCD_PURPOSE_CONTROL, 0, &psk, NULL, nonce_a, &hello);
		hcd_hs_accept(&acceptor, 2, &psk, nonce_b);
		ck_assert_int_eq(feed(&acceptor, &hello, &challenge), 0);
		ck_assert_int_eq(feed(&dialer, &challenge, &proof), 0);
		/* The MAC is the end of the message: each bit of it counts. */
		proof.bytes[proof.len - 1 - i / 8] ^= (uint8_t)(1u << i % 8);
		ck_assert_int_eq(feed(&acceptor, &proof, &refused), -EACCES);
		ck_assert_int_eq(acceptor.code, HCD_REFUSE_KEY);
		ck_assert_int_eq(acceptor.state, HCD_HS_FAILED);
	}
}
END_TEST

/* What was heard on one connection is worth nothing on another one. */
START_TEST(replay)
{
	struct hcd_hs dialer, acceptor;
	struct hcd_out hello, challenge, proof, welcome, again;
	uint8_t fresh[HCD_NONCE_LEN];

	hcd_hs_dial(&dialer, 1, 2, HCD_PURPOSE_CONTROL, 0, &psk, NULL, nonce_a, &hello);
	hcd_hs_accept(&acceptor, 2, &psk, nonce_b);
	ck_assert_int_eq(feed(&acceptor, &hello, &challenge), 0);
	ck_assert_int_eq(feed(&dialer, &challenge, &proof), 0);
	ck_assert_int_eq(feed(&acceptor, &proof, &welcome), 1);

	/* The dialer's side, replayed to a new connection of the acceptor. */
	memcpy(fresh, nonce_b, sizeof(fresh));
	fresh[0] ^= 1;
	hcd_hs_accept(&acceptor, 2, &psk, fresh);
	ck_assert_int_eq(feed(&acceptor, &hello, &again), 0);
	ck_assert_int_eq(feed(&acceptor, &proof, &again), -EACCES);
	ck_assert_int_eq(acceptor.code, HCD_REFUSE_KEY);

	/* The acceptor's side, replayed to a new connection of the dialer. */
	memcpy(fresh, nonce_a, sizeof(fresh));
	fresh[31] ^= 0x80;
	hcd_hs_dial(&dialer, 1, 2, HCD_PURPOSE_CONTROL, 0, &psk, NULL, fresh, &hello);
	ck_assert_int_eq(feed(&dialer, &challenge, &again), -EACCES);
	ck_assert_int_eq(dialer.code, HCD_REFUSE_KEY);
}
END_TEST

/* An acceptor without the key sends the dialer's own words back, in every way it can. */
START_TEST(reflected)
{
	struct hcd_hs dialer, mirror;
	struct hcd_out hello, out, challenge;

	/* The very frame */
	hcd_hs_dial(&dialer, 1, 2, HCD_PURPOSE_CONTROL, 0, &psk, NULL, nonce_a, &hello);
	ck_assert_int_eq(feed(&dialer, &hello, &out), -EACCES);
	ck_assert_int_eq(dialer.code, HCD_REFUSE_PROTOCOL);

	/* The dialer's node as an oracle: its own acceptor answers its own hello. */
	hcd_hs_dial(&dialer, 1, 2, HCD_PURPOSE_CONTROL, 0, &psk, NULL, nonce_a, &hello);
	hcd_hs_accept(&mirror, 1, &psk, nonce_b);
	ck_assert_int_eq(feed(&mirror, &hello, &challenge), 0);
	/* It gets a proof out, but as it proves "to 2", node 1 refuses it for itself. */
	ck_assert_int_eq(feed(&dialer, &challenge, &out), 0);
	ck_assert_int_eq(feed(&mirror, &out, &challenge), -EACCES);
	ck_assert_int_eq(mirror.code, HCD_REFUSE_IDENTITY);
}
END_TEST

/* The acceptor's MAC must not pass as the dialer's, though all else is the same. */
START_TEST(roles_are_apart)
{
	struct hcd_hs dialer, acceptor;
	struct hcd_out hello, challenge, refused;
	struct hcd_out proof = { 0 };
	Hcp__Proof msg = HCP__PROOF__INIT;
	Hcp__Challenge *c;
	struct hcd_frame frame;

	hcd_hs_dial(&dialer, 1, 2, HCD_PURPOSE_CONTROL, 0, &psk, NULL, nonce_a, &hello);
	hcd_hs_accept(&acceptor, 2, &psk, nonce_b);
	ck_assert_int_eq(feed(&acceptor, &hello, &challenge), 0);
	frame = parsed(&challenge);
	c = hcp__challenge__unpack(NULL, frame.len, frame.payload);
	ck_assert_ptr_nonnull(c);
	msg.mac = c->mac;
	proof.len = HCD_FRAME_HDR + hcp__proof__get_packed_size(&msg);
	hcd_frame_header(proof.bytes, HCD_FRAME_PROOF, 1, (uint32_t)(proof.len - HCD_FRAME_HDR));
	hcp__proof__pack(&msg, proof.bytes + HCD_FRAME_HDR);
	hcp__challenge__free_unpacked(c, NULL);
	ck_assert_int_eq(feed(&acceptor, &proof, &refused), -EACCES);
	ck_assert_int_eq(acceptor.code, HCD_REFUSE_KEY);
}
END_TEST

/* Whatever of the hello is changed on its way, the proofs no longer fit. */
START_TEST(changed_on_its_way)
{
	struct hcd_hs dialer, acceptor;
	struct hcd_out hello, changed, challenge, out;
	int proofs = 0;

	hcd_hs_dial(&dialer, 1, 2, HCD_PURPOSE_CONTROL, 1, &psk, NULL, nonce_a, &hello);
	for (size_t i = HCD_FRAME_HDR; i < hello.len; i++) {
		for (int bit = 0; bit < 8; bit++) {
			changed = hello;
			changed.bytes[i] ^= (uint8_t)(1u << bit);
			hcd_hs_dial(&dialer, 1, 2, HCD_PURPOSE_CONTROL, 1, &psk, NULL, nonce_a,
				    &out);
			hcd_hs_accept(&acceptor, 2, &psk, nonce_b);
			if (feed(&acceptor, &changed, &challenge) < 0)
				continue;
			proofs++;
			ck_assert_int_eq(feed(&dialer, &challenge, &out), -EACCES);
		}
	}
	ck_assert_int_gt(proofs, 200);	/* the nonce alone has 256 bits */
}
END_TEST

START_TEST(not_for_us)
{
	struct hcd_hs dialer, acceptor;
	struct hcd_out hello, challenge, proof, refused, none;

	hcd_hs_dial(&dialer, 1, 3, HCD_PURPOSE_CONTROL, 0, &psk, NULL, nonce_a, &hello);
	hcd_hs_accept(&acceptor, 2, &psk, nonce_b);
	ck_assert_int_eq(feed(&acceptor, &hello, &challenge), 0);
	ck_assert_int_eq(feed(&dialer, &challenge, &proof), 0);
	ck_assert_int_eq(feed(&acceptor, &proof, &refused), -EACCES);
	ck_assert_int_eq(acceptor.code, HCD_REFUSE_IDENTITY);
	ck_assert_int_eq(feed(&dialer, &refused, &none), -EACCES);
	ck_assert_ptr_nonnull(strstr(dialer.reason, "node 2, not to node 3"));
}
END_TEST

static bool was_asked;

static enum hcd_refusal admit_nobody(const struct hcd_transcript *t, char reason[HCD_REASON_LEN],
				     void *arg)
{
	was_asked = true;
	snprintf(reason, HCD_REASON_LEN, "nobody is admitted");
	return HCD_REFUSE_UNKNOWN;
}

/* Whether a node is known is told only to those who have the key. */
START_TEST(admission_after_proof)
{
	struct hcd_hs dialer, acceptor;
	struct hcd_out hello, challenge, proof, refused;

	hcd_hs_dial(&dialer, 9, 2, HCD_PURPOSE_CONTROL, 0, &psk, NULL, nonce_a, &hello);
	hcd_hs_accept(&acceptor, 2, &psk, nonce_b);
	acceptor.admit = admit_nobody;
	ck_assert_int_eq(feed(&acceptor, &hello, &challenge), 0);
	ck_assert(!was_asked);
	ck_assert_int_eq(feed(&dialer, &challenge, &proof), 0);
	ck_assert_int_eq(feed(&acceptor, &proof, &refused), -EACCES);
	ck_assert(was_asked);
	ck_assert_int_eq(acceptor.code, HCD_REFUSE_UNKNOWN);
}
END_TEST

static void hello_with_versions(struct hcd_out *out, uint32_t min, uint32_t max)
{
	Hcp__Hello msg = HCP__HELLO__INIT;

	msg.version_min = min;
	msg.version_max = max;
	msg.from = 1;
	msg.to = 2;
	msg.nonce.data = nonce_a;
	msg.nonce.len = sizeof(nonce_a);
	out->len = HCD_FRAME_HDR + hcp__hello__get_packed_size(&msg);
	hcd_frame_header(out->bytes, HCD_FRAME_HELLO, 1, (uint32_t)(out->len - HCD_FRAME_HDR));
	hcp__hello__pack(&msg, out->bytes + HCD_FRAME_HDR);
}

START_TEST(versions)
{
	struct hcd_hs acceptor;
	struct hcd_out hello, out;

	hello_with_versions(&hello, 2, 9);
	hcd_hs_accept(&acceptor, 2, &psk, nonce_b);
	ck_assert_int_eq(feed(&acceptor, &hello, &out), -EACCES);
	ck_assert_int_eq(acceptor.code, HCD_REFUSE_VERSION);
	hello_with_versions(&hello, 5, 1);
	hcd_hs_accept(&acceptor, 2, &psk, nonce_b);
	ck_assert_int_eq(feed(&acceptor, &hello, &out), -EACCES);
	ck_assert_int_eq(acceptor.code, HCD_REFUSE_PROTOCOL);
	/* A newer one that still speaks ours */
	hello_with_versions(&hello, 1, 9);
	hcd_hs_accept(&acceptor, 2, &psk, nonce_b);
	ck_assert_int_eq(feed(&acceptor, &hello, &out), 0);
	ck_assert_uint_eq(acceptor.t.version, HCD_PROTO_VERSION_MAX);
}
END_TEST

/* A frame of another state, and anything after the end, is refused. */
START_TEST(out_of_order)
{
	struct hcd_hs acceptor;
	struct hcd_out in = { 0 }, out;

	for (uint16_t type = 1; type <= HCD_FRAME_BYE + 3; type++) {
		if (type == HCD_FRAME_HELLO || type == HCD_FRAME_REFUSED)
			continue;
		hcd_hs_accept(&acceptor, 2, &psk, nonce_b);
		in.len = HCD_FRAME_HDR;
		hcd_frame_header(in.bytes, type, 1, 0);
		ck_assert_int_eq(feed(&acceptor, &in, &out), -EACCES);
		ck_assert_int_eq(acceptor.code, HCD_REFUSE_PROTOCOL);
		ck_assert_int_eq(feed(&acceptor, &in, &out), -EACCES);
		ck_assert_uint_eq(out.len, 0);
	}
}
END_TEST

/* A refusal's text goes to logs and terminals: nothing but printable ASCII comes through. */
START_TEST(reason_is_cleaned)
{
	Hcp__Refused msg = HCP__REFUSED__INIT;
	struct hcd_hs acceptor;
	struct hcd_out in, out;

	msg.code = HCD_REFUSE_BUSY;
	msg.reason = "a\033[2Jb\nc\xc3\xa9";
	in.len = HCD_FRAME_HDR + hcp__refused__get_packed_size(&msg);
	hcd_frame_header(in.bytes, HCD_FRAME_REFUSED, 1, (uint32_t)(in.len - HCD_FRAME_HDR));
	hcp__refused__pack(&msg, in.bytes + HCD_FRAME_HDR);
	hcd_hs_accept(&acceptor, 2, &psk, nonce_b);
	ck_assert_int_eq(feed(&acceptor, &in, &out), -EACCES);
	ck_assert_str_eq(acceptor.reason, "a?[2Jb?c??");
}
END_TEST

/* Frames after the handshake: number, header and content are all bound. */
START_TEST(frame_macs)
{
	uint8_t key[HCD_KEY_LEN] = { 1 }, other[HCD_KEY_LEN] = { 2 };
	uint8_t hdr[HCD_FRAME_HDR], mac[HCD_MAC_LEN], again[HCD_MAC_LEN];
	const uint8_t text[] = "donate";

	hcd_frame_header(hdr, HCD_FRAME_STATUS, 1, sizeof(text) + HCD_MAC_LEN);
	ck_assert_int_eq(hcd_auth_frame_mac(key, 5, hdr, text, sizeof(text), mac), 0);
	ck_assert_int_eq(hcd_auth_frame_mac(key, 5, hdr, text, sizeof(text), again), 0);
	ck_assert(hcd_auth_equal(mac, again));
	hcd_auth_frame_mac(key, 6, hdr, text, sizeof(text), again);
	ck_assert(!hcd_auth_equal(mac, again));
	hcd_auth_frame_mac(other, 5, hdr, text, sizeof(text), again);
	ck_assert(!hcd_auth_equal(mac, again));
	hcd_auth_frame_mac(key, 5, hdr, text, sizeof(text) - 1, again);
	ck_assert(!hcd_auth_equal(mac, again));
	hdr[4]++;
	hcd_auth_frame_mac(key, 5, hdr, text, sizeof(text), again);
	ck_assert(!hcd_auth_equal(mac, again));
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("daemon_auth");
	TCase *tc = tcase_create("handshake");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, both_prove_it);
	tcase_add_test(tc, wrong_key);
	tcase_add_test(tc, forged_proof);
	tcase_add_test(tc, replay);
	tcase_add_test(tc, reflected);
	tcase_add_test(tc, roles_are_apart);
	tcase_add_test(tc, changed_on_its_way);
	tcase_add_test(tc, not_for_us);
	tcase_add_test(tc, admission_after_proof);
	tcase_add_test(tc, versions);
	tcase_add_test(tc, out_of_order);
	tcase_add_test(tc, reason_is_cleaned);
	tcase_add_test(tc, frame_macs);
	suite_add_tcase(suite, tc);
	return suite;
}
