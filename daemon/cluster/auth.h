/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proof that both ends of a connection know a key: of the pair, when both are members of
 * a cluster (secret.h), else the pre-shared one; for a node that joins, its token's.
 *
 *	dialer                                   acceptor
 *	HELLO  versions, from, to, purpose,
 *	       conn, nonce D               --->
 *	                                   <---  CHALLENGE version, nonce A,
 *	                                         HMAC(psk, "acceptor" | T)
 *	PROOF  HMAC(psk, "dialer" | T)     --->
 *	                                   <---  WELCOME
 *
 * T, the transcript, holds everything that both have said: so a proof is good
 * for this connection, these two nodes, this purpose and this direction only,
 * and can be neither replayed, reflected nor moved to another connection.
 *
 * Every frame of a control connection then carries a MAC with a key made from
 * T, another one each way, over the frame's number and content: nobody on the
 * path can add, change, repeat or leave out a frame unnoticed. Nothing is
 * encrypted; that comes with WireGuard.
 *
 * HMAC-SHA256 by libgcrypt (which libsystemd loads anyway). No state, no I/O.
 */
#ifndef HCD_AUTH_H
#define HCD_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HCD_MAC_LEN	32
#define HCD_NONCE_LEN	32
#define HCD_KEY_LEN	32
#define HCD_PSK_MIN	32
#define HCD_PSK_MAX	4096

struct hcd_psk {
	size_t len;
	uint8_t bytes[HCD_PSK_MAX];
};

enum hcd_role {
	HCD_DIALER,
	HCD_ACCEPTOR,
};

enum hcd_purpose {
	HCD_PURPOSE_CONTROL,
	HCD_PURPOSE_PAGE,
	HCD_PURPOSE_JOIN,	/* by a token's secret: no node yet, from and to are 0 */
	HCD_PURPOSE_MAX = HCD_PURPOSE_JOIN,
};

struct hcd_transcript {
	uint32_t version_min;		/* as the dialer offered */
	uint32_t version_max;
	uint32_t version;		/* as the acceptor chose */
	uint32_t from;			/* node id of the dialer */
	uint32_t to;			/* node id of the acceptor */
	uint32_t purpose;		/* enum hcd_purpose */
	uint32_t conn;
	uint8_t nonce_dialer[HCD_NONCE_LEN];
	uint8_t nonce_acceptor[HCD_NONCE_LEN];
};

/* A piece of what a MAC is over. */
struct hcd_part {
	const void *data;
	size_t len;
};

/* HMAC-SHA256 over @parts, one after the other. Return: 0 or -EIO. */
int hcd_hmac(const uint8_t *key, size_t key_len, const struct hcd_part *parts, size_t n,
	     uint8_t ret_mac[HCD_MAC_LEN]);

/* Once per process, before any other call. Return: 0 or -ENOSYS with an unusable library. */
int hcd_auth_init(void);

/* What @role sends to prove that it has @psk. Return: 0 or -EIO. */
int hcd_auth_proof(const struct hcd_psk *psk, enum hcd_role role, const struct hcd_transcript *t,
		   uint8_t ret_mac[HCD_MAC_LEN]);

/* Key of the frames that @role sends after the proofs. Return: 0 or -EIO. */
int hcd_auth_session_key(const struct hcd_psk *psk, enum hcd_role role,
			 const struct hcd_transcript *t, uint8_t ret_key[HCD_KEY_LEN]);

/**
 * hcd_auth_frame_mac - MAC of frame number @seq (from 0) in one direction
 * @hdr: the 8 bytes of the header as sent, its length counting the MAC too
 * @payload: without the MAC
 *
 * Return: 0 or -EIO.
 */
int hcd_auth_frame_mac(const uint8_t key[HCD_KEY_LEN], uint64_t seq, const uint8_t *hdr,
		       const uint8_t *payload, size_t len, uint8_t ret_mac[HCD_MAC_LEN]);

/* Same MAC? Takes the same time whatever the difference. */
bool hcd_auth_equal(const uint8_t a[HCD_MAC_LEN], const uint8_t b[HCD_MAC_LEN]);

#endif /* HCD_AUTH_H */
