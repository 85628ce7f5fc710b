/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first frames of a connection between two daemons, as a pure state
 * machine: a frame in, a frame out. The caller brings nonces and moves bytes.
 * What is proved, and how, is in auth.h.
 */
#ifndef HCD_HANDSHAKE_H
#define HCD_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/cluster/auth.h"
#include "daemon/cluster/frame.h"

#define HCD_REASON_LEN	256

/* Why a connection is refused; travels in REFUSED. Append-only. */
enum hcd_refusal {
	HCD_REFUSE_NONE,
	HCD_REFUSE_KEY,		/* the other end has another key */
	HCD_REFUSE_VERSION,	/* no version of the channel that both speak */
	HCD_REFUSE_PROTOCOL,	/* a message that can't come now, or is malformed */
	HCD_REFUSE_UNKNOWN,	/* authenticated, but no configured peer */
	HCD_REFUSE_IDENTITY,	/* meant for another node, or the wrong end dialled */
	HCD_REFUSE_NO_MODULE,	/* page connection, but no module here */
	HCD_REFUSE_BUSY,	/* too much at once, try later */
};

#define HCD_TOKEN_HASH_LEN	16

/* One whole frame, header included, ready to be sent. */
struct hcd_out {
	size_t len;
	uint8_t bytes[HCD_FRAME_HDR + HCD_FRAME_AUTH_MAX];
};

enum hcd_hs_state {
	HCD_HS_WAIT_HELLO,	/* acceptor */
	HCD_HS_WAIT_CHALLENGE,	/* dialer */
	HCD_HS_WAIT_PROOF,	/* acceptor */
	HCD_HS_WAIT_WELCOME,	/* dialer */
	HCD_HS_DONE,
	HCD_HS_FAILED,
};

struct hcd_hs {
	enum hcd_role role;
	enum hcd_hs_state state;
	uint32_t own;			/* our node id */
	const struct hcd_psk *psk;	/* borrowed */
	struct hcd_transcript t;	/* dialer's claims; true when state is DONE */
	enum hcd_refusal code;		/* when FAILED */
	bool refused_by_peer;		/* FAILED because a REFUSED came */
	char reason[HCD_REASON_LEN];	/* when FAILED: one sentence */
	/*
	 * Acceptor, once the dialer has proved its key: may it come in? Returns
	 * HCD_REFUSE_NONE or the reason's code with a sentence in @reason.
	 */
	enum hcd_refusal (*admit)(const struct hcd_transcript *t, char reason[HCD_REASON_LEN],
				  void *arg);
	void *admit_arg;
	/*
	 * Acceptor: whose key is to be proved? Asked at HELLO, what it says is not
	 * proved yet. NULL = there is none for it. Copied. Not set: @psk, always.
	 */
	const struct hcd_psk *(*find_psk)(const struct hcd_transcript *t, const uint8_t *token,
					  void *arg);	/* arg: admit_arg */
	struct hcd_psk found;
	uint8_t token[HCD_TOKEN_HASH_LEN];	/* of a HELLO to join */
};

/**
 * hcd_hs_dial - begin as the dialer
 * @token: to join: names the token to the other end; else NULL
 * @nonce: fresh random bytes
 * @ret_out: HELLO, to be sent
 */
void hcd_hs_dial(struct hcd_hs *hs, uint32_t own, uint32_t to, enum hcd_purpose purpose,
		 uint32_t conn, const struct hcd_psk *psk, const uint8_t *token,
		 const uint8_t nonce[HCD_NONCE_LEN], struct hcd_out *ret_out);

/* Begin as the acceptor; nothing is sent before HELLO came. */
void hcd_hs_accept(struct hcd_hs *hs, uint32_t own, const struct hcd_psk *psk,
		   const uint8_t nonce[HCD_NONCE_LEN]);

/**
 * hcd_hs_input - feed the next frame of the other end
 * @ret_out: frame to be sent, also before closing after a failure; len 0 = none
 *
 * Return: 0 go on; 1 done: both ends have proved their key, @hs->t holds; or
 * -EACCES: refused, @hs->code and @hs->reason say why (close after sending).
 */
int hcd_hs_input(struct hcd_hs *hs, const struct hcd_frame *frame, struct hcd_out *ret_out);

/* Keys of the frames that follow: ours to send, theirs to check. After DONE. 0 or -EIO. */
int hcd_hs_keys(const struct hcd_hs *hs, uint8_t ret_tx[HCD_KEY_LEN], uint8_t ret_rx[HCD_KEY_LEN]);

#endif /* HCD_HANDSHAKE_H */
