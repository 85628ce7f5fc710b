/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames of the daemons' channel, daemon <-> daemon. Pure: bytes in, frame out.
 *
 *	 0        4      6        8                8+len
 *	+--------+------+---------+----------------+
 *	| len    | type | version | payload        |	little-endian
 *	+--------+------+---------+----------------+
 *
 * Before both ends have proved that they know the key, a payload is at most
 * HCD_FRAME_AUTH_MAX bytes; afterwards HCD_FRAME_MAX, of which the last
 * HCD_MAC_LEN are a MAC over direction, position and frame (see auth.h).
 */
#ifndef HCD_FRAME_H
#define HCD_FRAME_H

#include <stddef.h>
#include <stdint.h>

#define HCD_PROTO_VERSION_MIN	1
#define HCD_PROTO_VERSION_MAX	1

#define HCD_FRAME_HDR		8
#define HCD_FRAME_AUTH_MAX	512
#define HCD_FRAME_MAX		65536

/* Append-only. The payload is the protobuf message of the same name. */
enum hcd_frame_type {
	HCD_FRAME_INVALID,
	HCD_FRAME_HELLO,	/* dialer's first */
	HCD_FRAME_CHALLENGE,	/* acceptor's answer, proves that it has the key */
	HCD_FRAME_PROOF,	/* dialer proves that it has the key */
	HCD_FRAME_WELCOME,	/* acceptor; a page connection carries no frame after it */
	HCD_FRAME_REFUSED,	/* either; the connection ends */
	HCD_FRAME_STATUS,	/* each second, both ways: heartbeat and node status */
	HCD_FRAME_ENV,		/* the sender uses an environment, with these donors */
	HCD_FRAME_ENV_LIST,	/* ids of all that the sender uses; others ended */
	HCD_FRAME_BYE,		/* a clean stop, no failure */
	/* Of cluster.proto, between members. */
	HCD_FRAME_RAFT,		/* RaftPart */
	HCD_FRAME_BEAT,
	HCD_FRAME_BEAT_ACK,
	HCD_FRAME_ASK,
	HCD_FRAME_ANSWER,
	HCD_FRAME_REMOVED,
	HCD_FRAME_JOIN,		/* a joiner's only one */
	HCD_FRAME_JOINED,
	HCD_FRAME_PROCESSES,
	HCD_FRAME_JOB_REPORT,
	HCD_FRAME_JOB_READ,
	HCD_FRAME_JOB_PIECE,
};

struct hcd_frame {
	uint16_t type;
	uint16_t version;
	uint32_t len;
	const uint8_t *payload;	/* inside the buffer that was parsed */
};

/**
 * hcd_frame_parse - find one frame at the start of @buf
 * @max: greatest payload that is accepted
 * @ret_frame: set when 1 is returned
 * @ret_need: set when 0 is returned: how many bytes @buf must hold before it is
 *	worth trying again. Reading no more than that never takes a byte that
 *	belongs to what follows the frame
 *
 * Return: 1 a whole frame; 0 more bytes are needed; -EMSGSIZE longer than @max;
 * -EBADMSG type or version 0.
 */
int hcd_frame_parse(const uint8_t *buf, size_t len, uint32_t max, struct hcd_frame *ret_frame,
		    size_t *ret_need);

/* Write the header of a frame with @len bytes of payload. */
void hcd_frame_header(uint8_t hdr[HCD_FRAME_HDR], uint16_t type, uint16_t version, uint32_t len);

#endif /* HCD_FRAME_H */
