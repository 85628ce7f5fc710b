/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keys of a cluster, and how they are made from each other. No state, no I/O.
 *
 *	node's key	Curve25519, made on the node, never leaves it: a node is this key
 *	cluster's key	random, every member has it; a joiner gets it sealed
 *	pair's key	X25519(node, node) and the cluster's key: proves both ends of a channel
 *	token's secret	HMAC(cluster's key, id and expiry): proves both ends to a joiner
 *
 * All by libgcrypt, which the daemon has in its address space anyway (libsystemd loads it):
 * X25519, HMAC-SHA256 and AES-256-GCM of one well-kept library, and no further dependency.
 * Functions that can fail return 0 or -EIO, unless they say more.
 */
#ifndef HCD_SECRET_H
#define HCD_SECRET_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/cluster/auth.h"
#include "daemon/cluster/fsm.h"
#include "daemon/cluster/handshake.h"

#define HCD_SEAL_EXTRA	28		/* nonce and tag */
#define HCD_SEALED_LEN	(HCD_KEY_LEN + HCD_SEAL_EXTRA)

/* A fresh key of a node. */
int hcd_node_key_make(uint8_t ret_secret[HCD_KEY_LEN], uint8_t ret_public[HCD_NODE_KEY_LEN]);

/* The public half of @secret. */
int hcd_node_key_public(const uint8_t secret[HCD_KEY_LEN], uint8_t ret_public[HCD_NODE_KEY_LEN]);

/* The key of us and a node whose public key is @peer; both ends make the same one. */
int hcd_pair_key(const uint8_t secret[HCD_KEY_LEN], const uint8_t own[HCD_NODE_KEY_LEN],
		 const uint8_t peer[HCD_NODE_KEY_LEN], const uint8_t cluster_key[HCD_KEY_LEN],
		 struct hcd_psk *ret_psk);

/* The preshared key of the pair in the nodes' network, on top of the two nodes' keys. */
int hcd_fabric_key(const uint8_t secret[HCD_KEY_LEN], const uint8_t own[HCD_NODE_KEY_LEN],
		   const uint8_t peer[HCD_NODE_KEY_LEN], const uint8_t cluster_key[HCD_KEY_LEN],
		   uint8_t ret_key[HCD_KEY_LEN]);

/* What proves that somebody has a token. */
int hcd_token_secret(const uint8_t cluster_key[HCD_KEY_LEN],
		     const uint8_t id[HCD_TOKEN_ID_LEN], uint64_t expires_s,
		     struct hcd_psk *ret_psk);

/* How a token is named on the wire: its id stays a secret of the members and the joiner. */
int hcd_token_hash(const uint8_t id[HCD_TOKEN_ID_LEN], uint8_t ret_hash[HCD_TOKEN_HASH_LEN]);

/* The key that seals the cluster's key for a joiner: only the two nodes can make it. */
int hcd_seal_key(const uint8_t secret[HCD_KEY_LEN], const uint8_t own[HCD_NODE_KEY_LEN],
		 const uint8_t peer[HCD_NODE_KEY_LEN], const struct hcd_psk *token,
		 uint8_t ret_key[HCD_KEY_LEN]);

int hcd_seal(const uint8_t key[HCD_KEY_LEN], const uint8_t text[HCD_KEY_LEN],
	     uint8_t ret_sealed[HCD_SEALED_LEN]);

/* Return: 0, -EBADMSG when it was changed or is for another key, -EIO. */
int hcd_unseal(const uint8_t key[HCD_KEY_LEN], const uint8_t sealed[HCD_SEALED_LEN],
	       uint8_t ret_text[HCD_KEY_LEN]);

#endif /* HCD_SECRET_H */
