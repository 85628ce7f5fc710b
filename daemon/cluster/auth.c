// SPDX-License-Identifier: GPL-2.0-or-later
/* HMAC-SHA256 over the transcript of a connection: see auth.h. */
#include "daemon/cluster/auth.h"

#include <endian.h>
#include <errno.h>
#include <gcrypt.h>
#include <string.h>

#include "daemon/cluster/frame.h"

/* Fixed-length labels: no two inputs of the HMAC can be read as each other. */
#define LABEL_LEN 24

static const char labels[2][2][LABEL_LEN] = {
	[HCD_DIALER] = { "hyperchain1 proof dial  ", "hyperchain1 frames dial " },
	[HCD_ACCEPTOR] = { "hyperchain1 proof accept", "hyperchain1 frames accep" },
};

int hcd_auth_init(void)
{
	if (gcry_control(GCRYCTL_INITIALIZATION_FINISHED_P))
		return 0;
	if (!gcry_check_version("1.9.0"))
		return -ENOSYS;
	/* The whole process is locked into RAM: no separate pool. */
	gcry_control(GCRYCTL_DISABLE_SECMEM, 0);
	gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
	return 0;
}

int hcd_hmac(const uint8_t *key, size_t key_len, const struct hcd_part *parts, size_t n,
	     uint8_t ret_mac[HCD_MAC_LEN])
{
	gcry_md_hd_t md;
	const uint8_t *mac;

	if (gcry_md_open(&md, GCRY_MD_SHA256, GCRY_MD_FLAG_HMAC))
		return -EIO;
	if (gcry_md_setkey(md, key, key_len)) {
		gcry_md_close(md);
		return -EIO;
	}
	for (size_t i = 0; i < n; i++)
		gcry_md_write(md, parts[i].data, parts[i].len);
	mac = gcry_md_read(md, GCRY_MD_SHA256);
	if (mac)
		memcpy(ret_mac, mac, HCD_MAC_LEN);
	gcry_md_close(md);
	return mac ? 0 : -EIO;
}

static int hmac_transcript(const struct hcd_psk *psk, const char label[LABEL_LEN],
			   const struct hcd_transcript *t, uint8_t ret_mac[HCD_MAC_LEN])
{
	const uint32_t numbers[] = {
		htole32(t->version_min), htole32(t->version_max), htole32(t->version),
		htole32(t->from), htole32(t->to), htole32(t->purpose), htole32(t->conn),
	};
	const struct hcd_part parts[] = {
		{ label, LABEL_LEN },
		{ numbers, sizeof(numbers) },
		{ t->nonce_dialer, HCD_NONCE_LEN },
		{ t->nonce_acceptor, HCD_NONCE_LEN },
	};

	return hcd_hmac(psk->bytes, psk->len, parts, sizeof(parts) / sizeof(parts[0]), ret_mac);
}

int hcd_auth_proof(const struct hcd_psk *psk, enum hcd_role role, const struct hcd_transcript *t,
		   uint8_t ret_mac[HCD_MAC_LEN])
{
	return hmac_transcript(psk, labels[role][0], t, ret_mac);
}

int hcd_auth_session_key(const struct hcd_psk *psk, enum hcd_role role,
			 const struct hcd_transcript *t, uint8_t ret_key[HCD_KEY_LEN])
{
	return hmac_transcript(psk, labels[role][1], t, ret_key);
}

int hcd_auth_frame_mac(const uint8_t key[HCD_KEY_LEN], uint64_t seq, const uint8_t *hdr,
		       const uint8_t *payload, size_t len, uint8_t ret_mac[HCD_MAC_LEN])
{
	uint64_t le_seq = htole64(seq);
	const struct hcd_part parts[] = {
		{ &le_seq, sizeof(le_seq) },
		{ hdr, HCD_FRAME_HDR },
		{ payload, len },
	};

	return hcd_hmac(key, HCD_KEY_LEN, parts, sizeof(parts) / sizeof(parts[0]), ret_mac);
}

bool hcd_auth_equal(const uint8_t a[HCD_MAC_LEN], const uint8_t b[HCD_MAC_LEN])
{
	volatile uint8_t diff = 0;

	for (size_t i = 0; i < HCD_MAC_LEN; i++)
		diff |= a[i] ^ b[i];
	return diff == 0;
}
