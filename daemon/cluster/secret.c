// SPDX-License-Identifier: GPL-2.0-or-later
/* The keys of a cluster: see secret.h. */
#include "daemon/cluster/secret.h"

#include <endian.h>
#include <errno.h>
#include <gcrypt.h>
#include <string.h>
#include <sys/random.h>

#define LABEL_LEN	24
#define NONCE_LEN	12
#define TAG_LEN		16

_Static_assert(NONCE_LEN + TAG_LEN == HCD_SEAL_EXTRA, "nonce, text, tag");

static int random_bytes(uint8_t *buf, size_t len)
{
	return getrandom(buf, len, 0) == (ssize_t)len ? 0 : -EIO;
}

int hcd_node_key_public(const uint8_t secret[HCD_KEY_LEN], uint8_t ret_public[HCD_NODE_KEY_LEN])
{
	return gcry_ecc_mul_point(GCRY_ECC_CURVE25519, ret_public, secret, NULL) ? -EIO : 0;
}

int hcd_node_key_make(uint8_t ret_secret[HCD_KEY_LEN], uint8_t ret_public[HCD_NODE_KEY_LEN])
{
	uint8_t secret[HCD_KEY_LEN];

	if (random_bytes(secret, sizeof(secret)) < 0)
		return -EIO;
	secret[0] &= 248;
	secret[31] = (secret[31] & 127) | 64;
	if (hcd_node_key_public(secret, ret_public) < 0)
		return -EIO;
	memcpy(ret_secret, secret, sizeof(secret));
	explicit_bzero(secret, sizeof(secret));
	return 0;
}

/* X25519. A point that makes the result 0, whatever our secret is, is refused. */
static int shared(const uint8_t *secret, const uint8_t *peer, uint8_t ret[HCD_KEY_LEN])
{
	static const uint8_t zero[HCD_KEY_LEN];

	if (gcry_ecc_mul_point(GCRY_ECC_CURVE25519, ret, secret, peer) ||
	    memcmp(ret, zero, sizeof(zero)) == 0)
		return -EIO;
	return 0;
}

/* HMAC by @key over label, what the two share, and both public keys, the lesser first. */
static int pair_mac(const uint8_t *key, size_t key_len, const char label[LABEL_LEN],
		    const uint8_t *secret, const uint8_t *own, const uint8_t *peer,
		    uint8_t ret_mac[HCD_MAC_LEN])
{
	bool is_less = memcmp(own, peer, HCD_NODE_KEY_LEN) < 0;
	uint8_t dh[HCD_KEY_LEN];
	const struct hcd_part parts[] = {
		{ label, LABEL_LEN },
		{ dh, sizeof(dh) },
		{ is_less ? own : peer, HCD_NODE_KEY_LEN },
		{ is_less ? peer : own, HCD_NODE_KEY_LEN },
	};
	int r = shared(secret, peer, dh);

	if (r == 0)
		r = hcd_hmac(key, key_len, parts, sizeof(parts) / sizeof(parts[0]), ret_mac);
	explicit_bzero(dh, sizeof(dh));
	return r;
}

int hcd_pair_key(const uint8_t secret[HCD_KEY_LEN], const uint8_t own[HCD_NODE_KEY_LEN],
		 const uint8_t peer[HCD_NODE_KEY_LEN], const uint8_t cluster_key[HCD_KEY_LEN],
		 struct hcd_psk *ret_psk)
{
	ret_psk->len = HCD_MAC_LEN;
	return pair_mac(cluster_key, HCD_KEY_LEN, "hyperchain1 pair        ", secret, own, peer,
			ret_psk->bytes);
}

int hcd_fabric_key(const uint8_t secret[HCD_KEY_LEN], const uint8_t own[HCD_NODE_KEY_LEN],
		   const uint8_t peer[HCD_NODE_KEY_LEN], const uint8_t cluster_key[HCD_KEY_LEN],
		   uint8_t ret_key[HCD_KEY_LEN])
{
	return pair_mac(cluster_key, HCD_KEY_LEN, "hyperchain1 wireguard   ", secret, own, peer,
			ret_key);
}

int hcd_token_secret(const uint8_t cluster_key[HCD_KEY_LEN],
		     const uint8_t id[HCD_TOKEN_ID_LEN], uint64_t expires_s,
		     struct hcd_psk *ret_psk)
{
	uint64_t le = htole64(expires_s);
	const struct hcd_part parts[] = {
		{ "hyperchain1 token       ", LABEL_LEN },
		{ id, HCD_TOKEN_ID_LEN },
		{ &le, sizeof(le) },
	};

	ret_psk->len = HCD_MAC_LEN;
	return hcd_hmac(cluster_key, HCD_KEY_LEN, parts, sizeof(parts) / sizeof(parts[0]),
			ret_psk->bytes);
}

int hcd_token_hash(const uint8_t id[HCD_TOKEN_ID_LEN], uint8_t ret_hash[HCD_TOKEN_HASH_LEN])
{
	const struct hcd_part part = { "hyperchain1 token name  ", LABEL_LEN };
	uint8_t mac[HCD_MAC_LEN];

	if (hcd_hmac(id, HCD_TOKEN_ID_LEN, &part, 1, mac) < 0)
		return -EIO;
	memcpy(ret_hash, mac, HCD_TOKEN_HASH_LEN);
	return 0;
}

int hcd_seal_key(const uint8_t secret[HCD_KEY_LEN], const uint8_t own[HCD_NODE_KEY_LEN],
		 const uint8_t peer[HCD_NODE_KEY_LEN], const struct hcd_psk *token,
		 uint8_t ret_key[HCD_KEY_LEN])
{
	return pair_mac(token->bytes, token->len, "hyperchain1 seal        ", secret, own, peer,
			ret_key);
}

static gcry_cipher_hd_t gcm(const uint8_t *key, const uint8_t *nonce)
{
	gcry_cipher_hd_t h;

	if (gcry_cipher_open(&h, GCRY_CIPHER_AES256, GCRY_CIPHER_MODE_GCM, 0))
		return NULL;
	if (gcry_cipher_setkey(h, key, HCD_KEY_LEN) || gcry_cipher_setiv(h, nonce, NONCE_LEN)) {
		gcry_cipher_close(h);
		return NULL;
	}
	return h;
}

int hcd_seal(const uint8_t key[HCD_KEY_LEN], const uint8_t text[HCD_KEY_LEN],
	     uint8_t ret_sealed[HCD_SEALED_LEN])
{
	uint8_t *body = ret_sealed + NONCE_LEN;
	gcry_cipher_hd_t h;
	int r = 0;

	if (random_bytes(ret_sealed, NONCE_LEN) < 0)
		return -EIO;
	h = gcm(key, ret_sealed);
	if (!h)
		return -EIO;
	if (gcry_cipher_encrypt(h, body, HCD_KEY_LEN, text, HCD_KEY_LEN) ||
	    gcry_cipher_gettag(h, body + HCD_KEY_LEN, TAG_LEN))
		r = -EIO;
	gcry_cipher_close(h);
	return r;
}

int hcd_unseal(const uint8_t key[HCD_KEY_LEN], const uint8_t sealed[HCD_SEALED_LEN],
	       uint8_t ret_text[HCD_KEY_LEN])
{
	const uint8_t *body = sealed + NONCE_LEN;
	uint8_t text[HCD_KEY_LEN];
	gcry_cipher_hd_t h = gcm(key, sealed);
	int r = 0;

	if (!h)
		return -EIO;
	if (gcry_cipher_decrypt(h, text, sizeof(text), body, HCD_KEY_LEN))
		r = -EIO;
	else if (gcry_cipher_checktag(h, body + HCD_KEY_LEN, TAG_LEN))
		r = -EBADMSG;
	if (r == 0)
		memcpy(ret_text, text, sizeof(text));
	explicit_bzero(text, sizeof(text));
	gcry_cipher_close(h);
	return r;
}
