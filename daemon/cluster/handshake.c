// SPDX-License-Identifier: GPL-2.0-or-later
/* Challenge and response: see handshake.h and auth.h. */
#include "daemon/cluster/handshake.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/channel.pb-c.h"
#include "daemon/cluster/text.h"

/* A handshake frame is refused by its own size limit before it gets here: so packing fits. */
static void put(struct hcd_out *out, uint16_t type, const ProtobufCMessage *msg)
{
	size_t len = protobuf_c_message_get_packed_size(msg);

	if (len > HCD_FRAME_AUTH_MAX) {
		out->len = 0;
		return;
	}
	hcd_frame_header(out->bytes, type, HCD_PROTO_VERSION_MIN, len);
	protobuf_c_message_pack(msg, out->bytes + HCD_FRAME_HDR);
	out->len = HCD_FRAME_HDR + len;
}

/* Refuse: remember why, and tell the other end. */
static int refuse(struct hcd_hs *hs, struct hcd_out *out, enum hcd_refusal code,
		  const char *reason)
{
	Hcp__Refused msg = HCP__REFUSED__INIT;

	hs->state = HCD_HS_FAILED;
	hs->code = code;
	if (reason != hs->reason)
		snprintf(hs->reason, sizeof(hs->reason), "%s", reason);
	msg.code = code;
	msg.reason = hs->reason;
	put(out, HCD_FRAME_REFUSED, &msg.base);
	return -EACCES;
}

static int on_refused(struct hcd_hs *hs, const struct hcd_frame *frame)
{
	Hcp__Refused *msg = hcp__refused__unpack(NULL, frame->len, frame->payload);

	hs->state = HCD_HS_FAILED;
	hs->refused_by_peer = true;
	hs->code = msg && msg->code ? msg->code : HCD_REFUSE_PROTOCOL;
	hcd_text_clean(hs->reason, sizeof(hs->reason), msg ? msg->reason : NULL,
		       "no reason was given");
	if (msg)
		hcp__refused__free_unpacked(msg, NULL);
	return -EACCES;
}

/* Which key is to be proved? Return: false when there is none, refused then. */
static bool find_psk(struct hcd_hs *hs, struct hcd_out *out)
{
	const struct hcd_transcript *t = &hs->t;
	const struct hcd_psk *psk;

	if (!hs->find_psk)
		return true;
	psk = hs->find_psk(t, t->purpose == HCD_PURPOSE_JOIN ? hs->token : NULL, hs->admit_arg);
	if (psk) {
		hs->found.len = psk->len;
		memcpy(hs->found.bytes, psk->bytes, psk->len);
		hs->psk = &hs->found;
		return true;
	}
	if (t->purpose == HCD_PURPOSE_JOIN)
		snprintf(hs->reason, sizeof(hs->reason),
			 "the token is not valid there, or has expired: make a new one with 'hyperchain node token'");
	else
		snprintf(hs->reason, sizeof(hs->reason),
			 "node %u is no peer of node %u, and no member of its cluster", t->from,
			 hs->own);
	refuse(hs, out, HCD_REFUSE_UNKNOWN, hs->reason);
	return false;
}

static int on_hello(struct hcd_hs *hs, const struct hcd_frame *frame, struct hcd_out *out)
{
	Hcp__Hello *msg = hcp__hello__unpack(NULL, frame->len, frame->payload);
	Hcp__Challenge answer = HCP__CHALLENGE__INIT;
	struct hcd_transcript *t = &hs->t;
	uint8_t mac[HCD_MAC_LEN];

	if (!msg || msg->nonce.len != HCD_NONCE_LEN || msg->purpose > HCD_PURPOSE_MAX ||
	    msg->version_min > msg->version_max ||
	    msg->token.len != (msg->purpose == HCD_PURPOSE_JOIN ? HCD_TOKEN_HASH_LEN : 0)) {
		if (msg)
			hcp__hello__free_unpacked(msg, NULL);
		return refuse(hs, out, HCD_REFUSE_PROTOCOL, "its hello is malformed");
	}
	t->version_min = msg->version_min;
	t->version_max = msg->version_max;
	t->from = msg->from;
	t->to = msg->to;
	t->purpose = msg->purpose;
	t->conn = msg->conn;
	memcpy(t->nonce_dialer, msg->nonce.data, HCD_NONCE_LEN);
	if (msg->token.len)
		memcpy(hs->token, msg->token.data, sizeof(hs->token));
	hcp__hello__free_unpacked(msg, NULL);

	if (t->version_max < HCD_PROTO_VERSION_MIN || t->version_min > HCD_PROTO_VERSION_MAX) {
		snprintf(hs->reason, sizeof(hs->reason),
			 "the dialer speaks channel version %u to %u, the acceptor %u to %u: use daemons of closer versions",
			 t->version_min, t->version_max, HCD_PROTO_VERSION_MIN,
			 HCD_PROTO_VERSION_MAX);
		return refuse(hs, out, HCD_REFUSE_VERSION, hs->reason);
	}
	t->version = t->version_max < HCD_PROTO_VERSION_MAX ? t->version_max :
							      HCD_PROTO_VERSION_MAX;
	if (!find_psk(hs, out))
		return -EACCES;
	if (hcd_auth_proof(hs->psk, HCD_ACCEPTOR, t, mac) < 0)
		return refuse(hs, out, HCD_REFUSE_PROTOCOL, "HMAC-SHA256 can't be computed here");
	answer.version = t->version;
	answer.nonce.data = t->nonce_acceptor;
	answer.nonce.len = HCD_NONCE_LEN;
	answer.mac.data = mac;
	answer.mac.len = sizeof(mac);
	put(out, HCD_FRAME_CHALLENGE, &answer.base);
	hs->state = HCD_HS_WAIT_PROOF;
	return 0;
}

static int on_challenge(struct hcd_hs *hs, const struct hcd_frame *frame, struct hcd_out *out)
{
	Hcp__Challenge *msg = hcp__challenge__unpack(NULL, frame->len, frame->payload);
	Hcp__Proof answer = HCP__PROOF__INIT;
	struct hcd_transcript *t = &hs->t;
	uint8_t want[HCD_MAC_LEN], got[HCD_MAC_LEN], mac[HCD_MAC_LEN];

	if (!msg || msg->nonce.len != HCD_NONCE_LEN || msg->mac.len != HCD_MAC_LEN ||
	    msg->version < t->version_min || msg->version > t->version_max) {
		if (msg)
			hcp__challenge__free_unpacked(msg, NULL);
		return refuse(hs, out, HCD_REFUSE_PROTOCOL, "its challenge is malformed");
	}
	t->version = msg->version;
	memcpy(t->nonce_acceptor, msg->nonce.data, HCD_NONCE_LEN);
	memcpy(got, msg->mac.data, sizeof(got));
	hcp__challenge__free_unpacked(msg, NULL);

	if (hcd_auth_proof(hs->psk, HCD_ACCEPTOR, t, want) < 0 ||
	    hcd_auth_proof(hs->psk, HCD_DIALER, t, mac) < 0)
		return refuse(hs, out, HCD_REFUSE_PROTOCOL, "HMAC-SHA256 can't be computed here");
	if (!hcd_auth_equal(want, got))
		return refuse(hs, out, HCD_REFUSE_KEY,
			      "the two nodes have different keys: copy one psk_file to both");
	answer.mac.data = mac;
	answer.mac.len = sizeof(mac);
	put(out, HCD_FRAME_PROOF, &answer.base);
	hs->state = HCD_HS_WAIT_WELCOME;
	return 0;
}

static int on_proof(struct hcd_hs *hs, const struct hcd_frame *frame, struct hcd_out *out)
{
	Hcp__Proof *msg = hcp__proof__unpack(NULL, frame->len, frame->payload);
	Hcp__Welcome answer = HCP__WELCOME__INIT;
	uint8_t want[HCD_MAC_LEN], got[HCD_MAC_LEN];
	enum hcd_refusal code;

	if (!msg || msg->mac.len != HCD_MAC_LEN) {
		if (msg)
			hcp__proof__free_unpacked(msg, NULL);
		return refuse(hs, out, HCD_REFUSE_PROTOCOL, "its proof is malformed");
	}
	memcpy(got, msg->mac.data, sizeof(got));
	hcp__proof__free_unpacked(msg, NULL);

	if (hcd_auth_proof(hs->psk, HCD_DIALER, &hs->t, want) < 0)
		return refuse(hs, out, HCD_REFUSE_PROTOCOL, "HMAC-SHA256 can't be computed here");
	if (!hcd_auth_equal(want, got))
		return refuse(hs, out, HCD_REFUSE_KEY,
			      "the two nodes have different keys: copy one psk_file to both");

	/* The dialer is one of us and may be told what is wrong. A joiner has no id yet. */
	if (hs->t.purpose != HCD_PURPOSE_JOIN && hs->t.to != hs->own) {
		snprintf(hs->reason, sizeof(hs->reason),
			 "this address belongs to node %u, not to node %u: check the peer's address",
			 hs->own, hs->t.to);
		return refuse(hs, out, HCD_REFUSE_IDENTITY, hs->reason);
	}
	if (hs->t.purpose != HCD_PURPOSE_JOIN && hs->t.from == hs->own) {
		snprintf(hs->reason, sizeof(hs->reason),
			 "both ends say that they are node %u: give one of them another id",
			 hs->own);
		return refuse(hs, out, HCD_REFUSE_IDENTITY, hs->reason);
	}
	code = hs->admit ? hs->admit(&hs->t, hs->reason, hs->admit_arg) : HCD_REFUSE_NONE;
	if (code != HCD_REFUSE_NONE)
		return refuse(hs, out, code, hs->reason);
	put(out, HCD_FRAME_WELCOME, &answer.base);
	hs->state = HCD_HS_DONE;
	return 1;
}

void hcd_hs_dial(struct hcd_hs *hs, uint32_t own, uint32_t to, enum hcd_purpose purpose,
		 uint32_t conn, const struct hcd_psk *psk, const uint8_t *token,
		 const uint8_t nonce[HCD_NONCE_LEN], struct hcd_out *ret_out)
{
	Hcp__Hello msg = HCP__HELLO__INIT;

	*hs = (struct hcd_hs){
		.role = HCD_DIALER,
		.state = HCD_HS_WAIT_CHALLENGE,
		.own = own,
		.psk = psk,
		.t = {
			.version_min = HCD_PROTO_VERSION_MIN,
			.version_max = HCD_PROTO_VERSION_MAX,
			.from = own,
			.to = to,
			.purpose = purpose,
			.conn = conn,
		},
	};
	memcpy(hs->t.nonce_dialer, nonce, HCD_NONCE_LEN);
	msg.version_min = hs->t.version_min;
	msg.version_max = hs->t.version_max;
	msg.from = own;
	msg.to = to;
	msg.purpose = purpose;
	msg.conn = conn;
	msg.nonce.data = hs->t.nonce_dialer;
	msg.nonce.len = HCD_NONCE_LEN;
	msg.token.data = (uint8_t *)token;
	msg.token.len = token ? HCD_TOKEN_HASH_LEN : 0;
	put(ret_out, HCD_FRAME_HELLO, &msg.base);
}

void hcd_hs_accept(struct hcd_hs *hs, uint32_t own, const struct hcd_psk *psk,
		   const uint8_t nonce[HCD_NONCE_LEN])
{
	*hs = (struct hcd_hs){
		.role = HCD_ACCEPTOR,
		.state = HCD_HS_WAIT_HELLO,
		.own = own,
		.psk = psk,
	};
	memcpy(hs->t.nonce_acceptor, nonce, HCD_NONCE_LEN);
}

int hcd_hs_input(struct hcd_hs *hs, const struct hcd_frame *frame, struct hcd_out *ret_out)
{
	ret_out->len = 0;
	if (hs->state == HCD_HS_FAILED || hs->state == HCD_HS_DONE)
		return -EACCES;
	if (frame->len > HCD_FRAME_AUTH_MAX)
		return refuse(hs, ret_out, HCD_REFUSE_PROTOCOL, "its frame is too long");
	if (frame->type == HCD_FRAME_REFUSED)
		return on_refused(hs, frame);
	if (hs->state == HCD_HS_WAIT_HELLO && frame->type == HCD_FRAME_HELLO)
		return on_hello(hs, frame, ret_out);
	if (hs->state == HCD_HS_WAIT_CHALLENGE && frame->type == HCD_FRAME_CHALLENGE)
		return on_challenge(hs, frame, ret_out);
	if (hs->state == HCD_HS_WAIT_PROOF && frame->type == HCD_FRAME_PROOF)
		return on_proof(hs, frame, ret_out);
	if (hs->state == HCD_HS_WAIT_WELCOME && frame->type == HCD_FRAME_WELCOME) {
		hs->state = HCD_HS_DONE;
		return 1;
	}
	return refuse(hs, ret_out, HCD_REFUSE_PROTOCOL, "its frame does not belong here");
}

int hcd_hs_keys(const struct hcd_hs *hs, uint8_t ret_tx[HCD_KEY_LEN], uint8_t ret_rx[HCD_KEY_LEN])
{
	enum hcd_role other = hs->role == HCD_DIALER ? HCD_ACCEPTOR : HCD_DIALER;
	uint8_t tx[HCD_KEY_LEN], rx[HCD_KEY_LEN];

	if (hcd_auth_session_key(hs->psk, hs->role, &hs->t, tx) < 0 ||
	    hcd_auth_session_key(hs->psk, other, &hs->t, rx) < 0)
		return -EIO;
	memcpy(ret_tx, tx, sizeof(tx));
	memcpy(ret_rx, rx, sizeof(rx));
	return 0;
}
