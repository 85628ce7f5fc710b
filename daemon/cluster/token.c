// SPDX-License-Identifier: GPL-2.0-or-later
/* The printed form of a token: see token.h. */
#include "daemon/cluster/token.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/node/config.h"

#define PREFIX		"hc1."
#define FIXED_LEN	(HCD_TOKEN_ID_LEN + 8 + HCD_MAC_LEN + HCD_CLUSTER_ID_LEN + 1)
#define BYTES_MAX	(FIXED_LEN + HCD_TOKEN_ADDRESSES * (3 + INET6_ADDRSTRLEN))

_Static_assert(sizeof(PREFIX) + (BYTES_MAX + 2) / 3 * 4 <= HCD_TOKEN_TEXT_LEN, "fits");

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void encode(const uint8_t *in, size_t len, char *out)
{
	uint32_t bits = 0;
	int n = 0;

	for (size_t i = 0; i < len; i++) {
		bits = bits << 8 | in[i];
		for (n += 8; n >= 6; n -= 6)
			*out++ = digits[bits >> (n - 6) & 63];
	}
	if (n)
		*out++ = digits[bits << (6 - n) & 63];
	*out = '\0';
}

/* Return: bytes, or -EBADMSG. */
static int decode(const char *in, uint8_t *out, size_t size)
{
	uint32_t bits = 0;
	size_t len = 0;
	int n = 0;

	for (; *in; in++) {
		const char *at = strchr(digits, *in);

		if (!at)
			return -EBADMSG;
		bits = bits << 6 | (uint32_t)(at - digits);
		n += 6;
		if (n < 8)
			continue;
		n -= 8;
		if (len == size)
			return -EBADMSG;
		out[len++] = (uint8_t)(bits >> n);
	}
	/* Bits that are left over are 0: one token has one printed form. */
	return n >= 6 || (bits & ((1u << n) - 1)) ? -EBADMSG : (int)len;
}

void hcd_token_print(const struct hcd_token_text *t, char ret_text[HCD_TOKEN_TEXT_LEN])
{
	uint8_t buf[BYTES_MAX], *p = buf;

	memcpy(p, t->id, sizeof(t->id));
	p += sizeof(t->id);
	for (int i = 7; i >= 0; i--)
		*p++ = (uint8_t)(t->expires_s >> (8 * i));
	memcpy(p, t->secret, sizeof(t->secret));
	p += sizeof(t->secret);
	memcpy(p, t->cluster, sizeof(t->cluster));
	p += sizeof(t->cluster);
	*p++ = (uint8_t)t->nr_members;
	for (size_t i = 0; i < t->nr_members; i++) {
		size_t len = strlen(t->members[i].address);

		*p++ = (uint8_t)(t->members[i].port >> 8);
		*p++ = (uint8_t)t->members[i].port;
		*p++ = (uint8_t)len;
		memcpy(p, t->members[i].address, len);
		p += len;
	}
	memcpy(ret_text, PREFIX, strlen(PREFIX));
	encode(buf, (size_t)(p - buf), ret_text + strlen(PREFIX));
}

static int take_members(const uint8_t *p, const uint8_t *end, struct hcd_token_text *t)
{
	for (size_t i = 0; i < t->nr_members; i++) {
		size_t len;

		if (end - p < 3)
			return -EBADMSG;
		t->members[i].port = (uint16_t)(p[0] << 8 | p[1]);
		len = p[2];
		p += 3;
		if ((size_t)(end - p) < len || len >= INET6_ADDRSTRLEN || !t->members[i].port)
			return -EBADMSG;
		memcpy(t->members[i].address, p, len);
		p += len;
		if (!hcd_address_is_valid(t->members[i].address))
			return -EBADMSG;
	}
	return p == end ? 0 : -EBADMSG;
}

int hcd_token_parse(const char *text, struct hcd_token_text *ret_token)
{
	struct hcd_token_text t = { 0 };
	uint8_t buf[BYTES_MAX], *p = buf;
	int len;

	if (strncmp(text, PREFIX, strlen(PREFIX)) != 0)
		return -EBADMSG;
	len = decode(text + strlen(PREFIX), buf, sizeof(buf));
	if (len < FIXED_LEN)
		return -EBADMSG;
	memcpy(t.id, p, sizeof(t.id));
	p += sizeof(t.id);
	for (int i = 0; i < 8; i++)
		t.expires_s = t.expires_s << 8 | *p++;
	memcpy(t.secret, p, sizeof(t.secret));
	p += sizeof(t.secret);
	memcpy(t.cluster, p, sizeof(t.cluster));
	p += sizeof(t.cluster);
	t.nr_members = *p++;
	if (!t.nr_members || t.nr_members > HCD_TOKEN_ADDRESSES ||
	    take_members(p, buf + len, &t) < 0)
		return -EBADMSG;
	*ret_token = t;
	return 0;
}
