/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Is a message header allowed at all? Pure. */
#ifndef _HC_POLICY_WIRE_CHECK_H
#define _HC_POLICY_WIRE_CHECK_H

#include <linux/types.h>
#include <asm/byteorder.h>
#include <hyperchain/wire.h>

/* Header in host order. */
struct hc_msg {
	u8  type;
	u8  flags;
	u16 status;
	u32 len;
	u16 page;
	u16 nr;
	u32 slab;
	u64 tag;
	u64 epoch;
	u64 arg;
};

/** hc_msg_unpack() - false when magic or reserved fields are wrong */
bool hc_msg_unpack(const struct hcw_hdr *h, struct hc_msg *ret);

/** hc_msg_pack() - the other way */
void hc_msg_pack(const struct hc_msg *m, struct hcw_hdr *ret);

/**
 * hc_msg_check() - NULL when the form of @m is right, else what is wrong with it
 * @is_greeted: the hello exchange is over
 *
 * Lengths, counts, flags and ranges; not whether a slab or tag is known. What
 * passes can't make the receiver index outside a slab or take in more than
 * HCW_RUN_PAGES_MAX pages.
 */
const char *hc_msg_check(const struct hc_msg *m, bool is_greeted);

#endif /* _HC_POLICY_WIRE_CHECK_H */
