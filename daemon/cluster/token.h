/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `hyperchain node token` prints: "hc1." and base64url of
 *
 *	id (16) | expiry, seconds since 1970 (8, big-endian) | secret (32) |
 *	cluster (8) | addresses: n (1), n times: port (2), length (1), digits
 *
 * Whoever has it can join once, until it expires: treat it as a password. Pure.
 */
#ifndef HCD_TOKEN_H
#define HCD_TOKEN_H

#include <netinet/in.h>

#include "daemon/cluster/auth.h"
#include "daemon/cluster/fsm.h"

#define HCD_TOKEN_ADDRESSES	5
#define HCD_TOKEN_TEXT_LEN	512

struct hcd_token_text {
	uint8_t id[HCD_TOKEN_ID_LEN];
	uint64_t expires_s;
	uint8_t secret[HCD_MAC_LEN];
	uint8_t cluster[HCD_CLUSTER_ID_LEN];
	struct {
		char address[INET6_ADDRSTRLEN];
		uint16_t port;
	} members[HCD_TOKEN_ADDRESSES];
	size_t nr_members;
};

/* @ret_text: HCD_TOKEN_TEXT_LEN bytes, long enough for every token. */
void hcd_token_print(const struct hcd_token_text *token, char ret_text[HCD_TOKEN_TEXT_LEN]);

/* Return: 0 or -EBADMSG: no token, or cut short. */
int hcd_token_parse(const char *text, struct hcd_token_text *ret_token);

#endif /* HCD_TOKEN_H */
