// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The page fabric's receiver: a stream of headers and payloads from a hostile peer, as kmod sees
 * it: hello first, then messages. Nothing that passes may reach outside a slab or ask for more
 * payload than the longest message has.
 */
#include <linux/types.h>
#include <string.h>

#include "policy/hello.h"
#include "policy/wire_check.h"

#include "fuzz.h"

static const struct hc_hello_self self = {
	.node = 1, .peer = 2, .conn = 0, .depth = 64,
	.version_min = HCW_VERSION_MIN, .version_max = HCW_VERSION_MAX,
	.features = HCW_FEAT_ALL, .min_epoch = 3,
};

static void promises(const struct hc_msg *m)
{
	u32 due = HCW_RUN_PAGES_MAX * HCW_PAGE_SIZE;

	FUZZ_ASSERT((m->type > HCW_INVALID && m->type <= HCW_TYPE_MAX) ||
		    m->type == HCW_MOVE || m->type == HCW_MOVE_READ);
	if (m->type == HCW_MOVE) {
		FUZZ_ASSERT(m->page > HCW_MOVE_OP_INVALID && m->page <= HCW_MOVE_OP_MAX);
		due = m->flags & HCW_F_ANSWER ? HCW_CTL_MAX : HCW_MOVE_DATA_MAX;
	} else if (m->type == HCW_MOVE_READ) {
		FUZZ_ASSERT(m->page <= HCW_PART_MAX);
		FUZZ_ASSERT(m->nr >= 1 && m->nr <= HCW_RUN_PAGES_MAX);
		FUZZ_ASSERT(m->len == 0 || m->len == (u32)m->nr * HCW_PAGE_SIZE);
	} else if (m->type == HCW_READ || m->type == HCW_WRITE) {
		FUZZ_ASSERT(m->nr >= 1 && m->page + m->nr <= HCW_SLAB_PAGES);
		FUZZ_ASSERT(m->len == 0 || m->len == (u32)m->nr * HCW_PAGE_SIZE);
	} else {
		due = HCW_CTL_MAX;
	}
	FUZZ_ASSERT(m->len <= due);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	bool is_greeted = false;

	while (len >= sizeof(struct hcw_hdr)) {
		struct hcw_hdr h, again;
		struct hc_msg m;
		const char *said;

		memcpy(&h, data, sizeof(h));
		data += sizeof(h);
		len -= sizeof(h);
		if (!hc_msg_unpack(&h, &m))
			return 0;
		hc_msg_pack(&m, &again);
		FUZZ_ASSERT(!memcmp(&h, &again, sizeof(h)));
		said = hc_msg_check(&m, is_greeted);
		if (said) {
			FUZZ_ASSERT(strlen(said) > 3);
			return 0;
		}
		if (m.type == HCW_HELLO) {
			struct hc_hello_result r;
			struct hcw_hello hello;
			enum hc_hello_verdict v;

			if (len < sizeof(hello))
				return 0;
			memcpy(&hello, data, sizeof(hello));
			v = hc_hello_check(&self, &hello, &r);
			FUZZ_ASSERT(hc_hello_text(v)[0]);
			if (v != HC_HELLO_OK)
				return 0;
			FUZZ_ASSERT(r.version >= HCW_VERSION_MIN && r.version <= HCW_VERSION_MAX);
			FUZZ_ASSERT(r.depth >= HCW_DEPTH_MIN && r.depth <= self.depth);
			FUZZ_ASSERT(!(r.features & ~HCW_FEAT_ALL) && r.epoch >= 3);
			is_greeted = true;
		} else {
			promises(&m);
		}
		if (m.len > len)
			return 0;
		data += m.len;
		len -= m.len;
	}
	return 0;
}

static size_t put(uint8_t *data, const struct hc_msg *m)
{
	struct hcw_hdr h;

	hc_msg_pack(m, &h);
	memcpy(data, &h, sizeof(h));
	return sizeof(h);
}

size_t fuzz_seed(unsigned int i, uint8_t *data, size_t max)
{
	static const struct hc_msg after[] = {
		{ .type = HCW_PING, .tag = 1 },
		{ .type = HCW_PING, .flags = HCW_F_ANSWER, .tag = 1 },
		{ .type = HCW_LEASE, .tag = 2, .nr = 4, .arg = 1 },
		{ .type = HCW_LEASE, .flags = HCW_F_ANSWER, .tag = 2, .nr = 4, .len = 16 },
		{ .type = HCW_RELEASE, .tag = 3, .nr = 1, .len = 4 },
		{ .type = HCW_READ, .tag = 4, .nr = 16 },
		{ .type = HCW_READ, .flags = HCW_F_ANSWER, .tag = 4, .nr = 1,
		  .status = HCW_ESTALE },
		{ .type = HCW_WRITE, .flags = HCW_F_ANSWER, .tag = 5, .nr = 1 },
		{ .type = HCW_WRITE, .tag = 5, .nr = 1, .len = HCW_PAGE_SIZE },
		{ .type = HCW_RECALL, .tag = 6, .nr = 2, .len = 8 },
		{ .type = HCW_RECALL, .tag = 7 },
		{ .type = HCW_MOVE, .tag = 8, .epoch = 9, .page = 1, .nr = 32, .len = 32 },
		{ .type = HCW_MOVE, .flags = HCW_F_ANSWER, .tag = 8, .page = 1 },
		{ .type = HCW_MOVE_READ, .tag = 9, .epoch = 9, .nr = 16 },
	};
	const struct hc_msg greeting = { .type = HCW_HELLO, .len = sizeof(struct hcw_hello) };
	struct hcw_hello hello = {
		.version_min = cpu_to_le16(1), .version_max = cpu_to_le16(1),
		.depth = cpu_to_le16(64), .node = cpu_to_le32(2), .to = cpu_to_le32(1),
		.incarnation = cpu_to_le64(77), .epoch = cpu_to_le64(4),
		.page_shift = cpu_to_le16(HCW_PAGE_SHIFT),
		.slab_pages = cpu_to_le16(HCW_SLAB_PAGES), .name = "n2",
	};
	size_t len = put(data, &greeting), k;

	memcpy(data + len, &hello, sizeof(hello));
	len += sizeof(hello);
	for (k = 0; k < 3 && len + sizeof(struct hcw_hdr) + 64 < max; k++) {
		const struct hc_msg *m = &after[(i + k) % (sizeof(after) / sizeof(*after))];
		size_t pay = m->len < 64 ? m->len : 64;

		len += put(data + len, m);
		memset(data + len, (int)i, pay);
		len += pay;
	}
	return len;
}
