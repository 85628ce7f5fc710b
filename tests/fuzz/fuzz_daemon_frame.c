// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The daemons' channel before its other end has proved anything: a stream of
 * frames into an acceptor and a dialer. Whatever comes, neither is ever done.
 */
#include <string.h>

#include "daemon/cluster/handshake.h"

#include "fuzz.h"

static struct hcd_psk psk = { .len = 32, .bytes = "an example of thirty-two bytes.." };
static const uint8_t nonce[HCD_NONCE_LEN] = { 1, 2, 3 };

static void feed(struct hcd_hs *hs, const uint8_t *data, size_t len)
{
	struct hcd_frame frame;
	struct hcd_out out;
	size_t need = 0;
	int r;

	while ((r = hcd_frame_parse(data, len, HCD_FRAME_AUTH_MAX, &frame, &need)) == 1) {
		FUZZ_ASSERT(frame.len <= HCD_FRAME_AUTH_MAX && HCD_FRAME_HDR + frame.len <= len);
		r = hcd_hs_input(hs, &frame, &out);
		FUZZ_ASSERT(r <= 0);
		FUZZ_ASSERT(out.len <= sizeof(out.bytes));
		if (r < 0) {
			FUZZ_ASSERT(hs->state == HCD_HS_FAILED && hs->code != HCD_REFUSE_NONE);
			FUZZ_ASSERT(hs->reason[0] && strlen(hs->reason) < sizeof(hs->reason));
			return;
		}
		data += HCD_FRAME_HDR + frame.len;
		len -= HCD_FRAME_HDR + frame.len;
	}
	FUZZ_ASSERT(r < 0 || (need > len && need <= HCD_FRAME_HDR + HCD_FRAME_AUTH_MAX));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct hcd_hs hs;
	struct hcd_out out;

	hcd_auth_init();
	hcd_hs_accept(&hs, 2, &psk, nonce);
	feed(&hs, data, len);
	hcd_hs_dial(&hs, 1, 2, HCD_PURPOSE_CONTROL, 0, &psk, NULL, nonce, &out);
	feed(&hs, data, len);
	return 0;
}

/* The frames of a good handshake, with another key: so that none of them may be accepted. */
size_t fuzz_seed(unsigned int i, uint8_t *data, size_t max)
{
	struct hcd_psk key = psk;
	struct hcd_hs dialer, acceptor;
	struct hcd_out out[4] = { 0 };
	struct hcd_frame frame;
	size_t need, len = 0;

	hcd_auth_init();
	key.bytes[0] ^= 1;
	hcd_hs_dial(&dialer, 1, 2, i & 1, i & 7, &key, NULL, nonce, &out[0]);
	hcd_hs_accept(&acceptor, 2, &key, nonce);
	for (int k = 0; k < 3; k++) {
		hcd_frame_parse(out[k].bytes, out[k].len, HCD_FRAME_AUTH_MAX, &frame, &need);
		hcd_hs_input(k & 1 ? &dialer : &acceptor, &frame, &out[k + 1]);
	}
	for (unsigned int k = i / 8 % 4; k < 4 && len + out[k].len <= max; k++) {
		memcpy(data + len, out[k].bytes, out[k].len);
		len += out[k].len;
	}
	return len;
}
