/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who may talk on a new connection, and how. Pure. */
#ifndef _HC_POLICY_HELLO_H
#define _HC_POLICY_HELLO_H

#include <linux/types.h>
#include <asm/byteorder.h>
#include <hyperchain/wire.h>

enum hc_hello_verdict {
	HC_HELLO_OK,
	HC_HELLO_WHO,		/* not the node that was expected */
	HC_HELLO_TO,		/* meant for another node */
	HC_HELLO_CONN,		/* other connection number */
	HC_HELLO_VERSION,	/* no common version */
	HC_HELLO_FEATURE,	/* a required feature is missing */
	HC_HELLO_GEOMETRY,	/* other page or slab size */
	HC_HELLO_DEPTH,
	HC_HELLO_EPOCH,		/* its lease epoch is over */
	HC_HELLO_RANGE,		/* its lease epoch, or what it asks of ours, can't be */
	HC_HELLO_FORM,		/* reserved fields, name without end */
	HC_HELLO_TWIN,		/* another machine of that number is connected, and answers */
};

/* What this end knows before the hello of the other end comes. */
struct hc_hello_self {
	u32 node;
	u32 peer;
	u16 conn;
	u16 depth;
	u16 version_min, version_max;
	u64 features, required;
	u64 min_epoch;		/* fence set by the daemon */
	u64 their_epoch;	/* greatest met so far, 0 = none */
	u64 their_incarnation;	/* of the last connection, 0 = none */
	bool is_answering;	/* that one is connected, and was heard of just now */
};

struct hc_hello_result {
	u16 version;
	u16 depth;		/* requests either end may have waiting */
	u64 features;
	u64 epoch;
	u64 incarnation;
	bool is_new_lease;	/* everything leased to it before is over */
	bool is_new_incarnation; /* what it lent us before is gone */
};

/** hc_hello_check() - judge the hello of the other end; @ret only for HC_HELLO_OK */
enum hc_hello_verdict hc_hello_check(const struct hc_hello_self *self,
				     const struct hcw_hello *h, struct hc_hello_result *ret);

/**
 * hc_hello_raise() - the lease epoch to go on with at a peer that accepts none below @floor
 * Return: @epoch when it will do; else one above @floor, which nobody used before
 *	(@floor < HCW_EPOCH_MAX)
 */
u64 hc_hello_raise(u64 epoch, u64 floor);

/** hc_hello_text() - the verdict as a clause for a sentence */
const char *hc_hello_text(enum hc_hello_verdict verdict);

#endif /* _HC_POLICY_HELLO_H */
