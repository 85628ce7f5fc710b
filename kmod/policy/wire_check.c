// SPDX-License-Identifier: GPL-2.0-or-later
/* Form of page-fabric messages (SPEC R20a); everything here comes from a peer. */
#include <linux/string.h>
#include <linux/types.h>

#include "wire_check.h"

bool hc_msg_unpack(const struct hcw_hdr *h, struct hc_msg *ret)
{
	if (le32_to_cpu(h->magic) != HCW_MAGIC || h->reserved)
		return false;
	ret->type = h->type;
	ret->flags = h->flags;
	ret->status = le16_to_cpu(h->status);
	ret->len = le32_to_cpu(h->len);
	ret->page = le16_to_cpu(h->page);
	ret->nr = le16_to_cpu(h->nr);
	ret->slab = le32_to_cpu(h->slab);
	ret->tag = le64_to_cpu(h->tag);
	ret->epoch = le64_to_cpu(h->epoch);
	ret->arg = le64_to_cpu(h->arg);
	return true;
}

void hc_msg_pack(const struct hc_msg *m, struct hcw_hdr *ret)
{
	ret->magic = cpu_to_le32(HCW_MAGIC);
	ret->type = m->type;
	ret->flags = m->flags;
	ret->status = cpu_to_le16(m->status);
	ret->len = cpu_to_le32(m->len);
	ret->page = cpu_to_le16(m->page);
	ret->nr = cpu_to_le16(m->nr);
	ret->tag = cpu_to_le64(m->tag);
	ret->epoch = cpu_to_le64(m->epoch);
	ret->slab = cpu_to_le32(m->slab);
	ret->reserved = 0;
	ret->arg = cpu_to_le64(m->arg);
}

static bool run_ok(const struct hc_msg *m)
{
	return m->nr >= 1 && m->nr <= HCW_RUN_PAGES_MAX && m->page < HCW_SLAB_PAGES &&
	       m->nr <= HCW_SLAB_PAGES - m->page;
}

/* Bytes of payload that belong to this message, whatever it says itself. */
static u32 len_due(const struct hc_msg *m, bool is_answer)
{
	switch (m->type) {
	case HCW_LEASE:
		return is_answer ? m->nr * 4U : 0;
	case HCW_RELEASE:
	case HCW_RECALL:
		return is_answer ? 0 : m->nr * 4U;
	case HCW_READ:
		return is_answer && !m->status ? (u32)m->nr << HCW_PAGE_SHIFT : 0;
	case HCW_WRITE:
		return is_answer ? 0 : (u32)m->nr << HCW_PAGE_SHIFT;
	case HCW_MOVE_READ:
		return is_answer && !m->status ? (u32)m->nr << HCW_PAGE_SHIFT : 0;
	case HCW_MOVE:
		return m->nr;
	default:
		return 0;
	}
}

static bool type_ok(u8 type)
{
	return (type != HCW_INVALID && type <= HCW_TYPE_MAX) ||
	       (type >= HCW_MOVE && type <= HCW_MOVE_TYPE_MAX);
}

static const char *move_check(const struct hc_msg *m, bool is_answer)
{
	if (!is_answer && !m->epoch)
		return "move without a number";
	if (m->type == HCW_MOVE) {
		if (m->page == HCW_MOVE_OP_INVALID || m->page > HCW_MOVE_OP_MAX)
			return "unknown step of a move";
		if (m->nr > (is_answer ? HCW_CTL_MAX : HCW_MOVE_DATA_MAX))
			return "too much at once of a move";
		return NULL;
	}
	if (m->page > HCW_PART_MAX)
		return "unknown part of a move";
	if (m->nr < 1 || m->nr > HCW_RUN_PAGES_MAX)
		return "page run that is empty or too long";
	return NULL;
}

const char *hc_msg_check(const struct hc_msg *m, bool is_greeted)
{
	bool is_answer = m->flags & HCW_F_ANSWER;
	const char *wrong;

	if (!type_ok(m->type))
		return "unknown message type";
	if (m->flags & ~HCW_F_ALL)
		return "unknown flag";
	if ((m->flags & ~HCW_F_ANSWER) && !(is_answer && m->type == HCW_PING))
		return "flag where it has no meaning";
	if (m->status > HCW_STATUS_MAX || (m->status && !is_answer))
		return "unknown status";
	if (m->type == HCW_HELLO) {
		if (is_greeted)
			return "second hello";
		if (is_answer || m->len != sizeof(struct hcw_hello))
			return "hello of the wrong form";
		return NULL;
	}
	if (!is_greeted)
		return "message before the hello";
	if (!m->tag)
		return "no tag";
	switch (m->type) {
	case HCW_READ:
	case HCW_WRITE:
		if (!run_ok(m))
			return "page run outside a slab";
		break;
	case HCW_LEASE:
	case HCW_RELEASE:
	case HCW_RECALL:
		if (m->nr > HCW_LEASE_MAX)
			return "too many slabs at once";
		break;
	case HCW_MOVE:
	case HCW_MOVE_READ:
		wrong = move_check(m, is_answer);
		if (wrong)
			return wrong;
		break;
	default:
		if (m->nr)
			return "count where it has no meaning";
	}
	if (m->len != len_due(m, is_answer))
		return "payload of the wrong length";
	return NULL;
}
