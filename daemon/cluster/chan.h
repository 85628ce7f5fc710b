/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One TCP connection to another daemon: dial or accept, prove the key
 * (handshake.h), then frames with a MAC each way. Reads never go beyond the
 * frame that is awaited, so that a page connection's socket can be taken out
 * after the handshake with every byte of what follows still in it.
 *
 * All calls from the loop's thread.
 */
#ifndef HCD_CHAN_H
#define HCD_CHAN_H

#include <netinet/in.h>
#include <stdint.h>
#include <uv.h>

#include "daemon/cluster/handshake.h"

typedef struct ProtobufCMessage ProtobufCMessage;

struct hcd_chan;

struct hcd_chan_ops {
	/* The handshake is done, hcd_chan_peer() is proved. May close or take the channel. */
	void (*ready)(struct hcd_chan *chan, void *ctx);
	/* A frame after that, its MAC checked and cut off. May close the channel. */
	void (*frame)(struct hcd_chan *chan, const struct hcd_frame *frame, void *ctx);
	/*
	 * It ended by itself; it is freed afterwards. Not called after hcd_chan_close().
	 * @code: HCD_REFUSE_* when one end refused the other, else HCD_REFUSE_NONE
	 * @reason: why, a piece of a sentence
	 */
	void (*closed)(struct hcd_chan *chan, enum hcd_refusal code, const char *reason,
		       void *ctx);
};

#define HCD_CHAN_TIMEOUT_MS	5000	/* connect and handshake */

struct hcd_chan_dial {
	uint32_t own;			/* our node id */
	uint32_t to;
	enum hcd_purpose purpose;
	uint32_t conn;
	const char *address;		/* valid (hcd_address_is_valid) */
	uint16_t port;
	const char *own_address;	/* source, "" = the kernel chooses */
	unsigned int device;		/* interface that it must go through, 0 = any */
	const struct hcd_psk *psk;	/* borrowed until the channel is closed */
	const uint8_t *token;		/* to join, see hcd_hs_dial(); else NULL */
};

/**
 * hcd_chan_dial - connect and prove the key
 *
 * Return: 0 and *@ret_chan, or -errno at once (no @ops call is made then).
 */
int hcd_chan_dial(uv_loop_t *loop, const struct hcd_chan_dial *dial,
		  const struct hcd_chan_ops *ops, void *ctx, struct hcd_chan **ret_chan);

/**
 * hcd_chan_accept - the same for a connection that came in
 * @fd: taken over, also on failure
 * @find_psk, @admit, @admit_arg: see struct hcd_hs
 */
int hcd_chan_accept(uv_loop_t *loop, int fd, uint32_t own,
		    const struct hcd_psk *(*find_psk)(const struct hcd_transcript *t,
						      const uint8_t *token, void *arg),
		    enum hcd_refusal (*admit)(const struct hcd_transcript *t,
					      char reason[HCD_REASON_LEN], void *arg),
		    void *admit_arg, const struct hcd_chan_ops *ops, void *ctx,
		    struct hcd_chan **ret_chan);

/* Who is at the other end and what for; proved only once ready() was called. */
const struct hcd_transcript *hcd_chan_peer(const struct hcd_chan *chan);

/* The token that a joiner named, HCD_TOKEN_HASH_LEN bytes. */
const uint8_t *hcd_chan_token(const struct hcd_chan *chan);

/* The other end's address in digits, for logs. */
const char *hcd_chan_address(const struct hcd_chan *chan);

/**
 * hcd_chan_send - send one frame on a control channel that is ready
 *
 * Return: 0 (queued at least), -EMSGSIZE, -ENOBUFS when the other end does not
 * read (9 MiB wait already), -ENOMEM, -EPIPE. On failure nothing was queued.
 */
int hcd_chan_send(struct hcd_chan *chan, uint16_t type, const ProtobufCMessage *msg);

/* From now on another user gets the calls. */
void hcd_chan_set_user(struct hcd_chan *chan, const struct hcd_chan_ops *ops, void *ctx);

/* In ready(): take the socket out and free the channel. The caller closes it. */
int hcd_chan_take(struct hcd_chan *chan);

/* End it without closed() being called; what is queued and fits the socket still goes out. */
void hcd_chan_close(struct hcd_chan *chan);

#endif /* HCD_CHAN_H */
