// SPDX-License-Identifier: GPL-2.0-or-later
/* Hello of the page fabric: versions, features, lease epochs (SPEC R20, R8 fencing). */
#include <linux/string.h>
#include <linux/types.h>

#include "hello.h"

static u16 min16(u16 a, u16 b)
{
	return a < b ? a : b;
}

u64 hc_hello_raise(u64 epoch, u64 floor)
{
	return epoch < floor ? floor + 1 : epoch;
}

enum hc_hello_verdict hc_hello_check(const struct hc_hello_self *self,
				     const struct hcw_hello *h, struct hc_hello_result *ret)
{
	u16 vmin = le16_to_cpu(h->version_min), vmax = le16_to_cpu(h->version_max);
	u64 features = le64_to_cpu(h->features), required = le64_to_cpu(h->required);
	u16 depth = le16_to_cpu(h->depth);
	u64 epoch = le64_to_cpu(h->epoch);
	u16 common = min16(vmax, self->version_max);

	if (h->reserved || h->name[HCW_NAME_LEN - 1] || vmin > vmax || !h->incarnation)
		return HC_HELLO_FORM;
	if (le32_to_cpu(h->node) != self->peer)
		return HC_HELLO_WHO;
	if (le32_to_cpu(h->to) != self->node)
		return HC_HELLO_TO;
	if (le16_to_cpu(h->conn) != self->conn)
		return HC_HELLO_CONN;
	if (common < vmin || common < self->version_min)
		return HC_HELLO_VERSION;
	if ((required & ~features) || (required & ~self->features) ||
	    (self->required & ~features))
		return HC_HELLO_FEATURE;
	if (le16_to_cpu(h->page_shift) != HCW_PAGE_SHIFT ||
	    le16_to_cpu(h->slab_pages) != HCW_SLAB_PAGES)
		return HC_HELLO_GEOMETRY;
	if (depth < HCW_DEPTH_MIN || depth > HCW_DEPTH_MAX)
		return HC_HELLO_DEPTH;
	if (epoch > HCW_EPOCH_MAX)
		return HC_HELLO_RANGE;
	if (self->is_answering && le64_to_cpu(h->incarnation) != self->their_incarnation)
		return HC_HELLO_TWIN;
	if (!epoch || epoch < self->min_epoch || epoch < self->their_epoch)
		return HC_HELLO_EPOCH;
	ret->version = common;
	ret->depth = min16(depth, self->depth);
	ret->features = features & self->features;
	ret->epoch = epoch;
	ret->incarnation = le64_to_cpu(h->incarnation);
	ret->is_new_incarnation = self->their_incarnation != ret->incarnation;
	ret->is_new_lease = ret->is_new_incarnation || epoch > self->their_epoch;
	return HC_HELLO_OK;
}

const char *hc_hello_text(enum hc_hello_verdict verdict)
{
	switch (verdict) {
	case HC_HELLO_OK:
		return "accepted";
	case HC_HELLO_WHO:
		return "it is another node than the one expected there";
	case HC_HELLO_TO:
		return "it believes to talk to another node";
	case HC_HELLO_CONN:
		return "the two ends gave the connection different numbers";
	case HC_HELLO_VERSION:
		return "no version of the page fabric is spoken by both";
	case HC_HELLO_TWIN:
		return "another machine with this node's number is connected and answers";
	case HC_HELLO_FEATURE:
		return "a feature that one end requires is missing at the other";
	case HC_HELLO_GEOMETRY:
		return "it uses another page or slab size";
	case HC_HELLO_DEPTH:
		return "its queue depth is out of range";
	case HC_HELLO_EPOCH:
		return "its lease epoch is over";
	case HC_HELLO_RANGE:
		return "a lease epoch in its hello is out of range; delete and add the peer at both ends";
	case HC_HELLO_FORM:
		break;
	}
	return "its hello is malformed";
}
