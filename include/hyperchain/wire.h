/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hyperchain: the page fabric, node <-> node.
 *
 * Both ends hand connected TCP sockets to their modules (see the UAPI header).
 * A connection is symmetrical: both ends may ask and both may answer. Every
 * message is one struct hcw_hdr followed by @len bytes of payload. All fields
 * are little-endian. Reserved fields are sent as zero and refused otherwise.
 *
 * The first message each way is HCW_HELLO, and only that. Both ends then know
 * the version and the feature bits in use: the greatest version both speak, the
 * features both offer. No common version, or a missing feature that either end
 * requires: the connection is closed and the reason kept.
 *
 * Requests carry a @tag that the answer repeats, with HCW_F_ANSWER set. At most
 * hcw_hello.depth requests of one end may wait on one connection, of them one
 * LEASE or RELEASE and one RECALL.
 *
 * Memory is lent in *slabs* of HCW_SLAB_PAGES pages. A borrower leases slabs
 * for one environment and decides itself which page of a slab holds what; a
 * freed page costs no message. Slabs are zeroed before they are lent.
 *
 * Every request carries the borrower's lease @epoch. The donor remembers the
 * greatest epoch it met per borrower (the hello carries it too) and refuses
 * anything older with HCW_ESTALE. A hello with a greater epoch ends all
 * older leases. So a borrower that was cut off, and whose place another node
 * took, can't write any more, and a donor that was given up comes back empty.
 */
#ifndef _HYPERCHAIN_WIRE_H
#define _HYPERCHAIN_WIRE_H

#include <linux/types.h>

#define HCW_MAGIC		0x46436348	/* "HcCF" read as bytes */
#define HCW_VERSION_MIN		1
#define HCW_VERSION_MAX		1

#define HCW_PAGE_SHIFT		12
#define HCW_PAGE_SIZE		(1 << HCW_PAGE_SHIFT)
#define HCW_SLAB_PAGES		256		/* 1 MiB */
#define HCW_RUN_PAGES_MAX	16		/* pages in one READ or WRITE */
#define HCW_LEASE_MAX		512		/* slabs in one LEASE, RELEASE, RECALL */
#define HCW_DEPTH_MIN		8
#define HCW_DEPTH_MAX		256
#define HCW_NAME_LEN		64		/* with the NUL */

/* Payload of any message but READ answers and WRITE requests */
#define HCW_CTL_MAX		(HCW_LEASE_MAX * 4)

enum hcw_type {
	HCW_INVALID,
	HCW_HELLO,	/* payload struct hcw_hello; once each way */
	HCW_PING,	/* answer: arg = slabs it would still lend, flags DRAIN, PRESSURE */
	HCW_LEASE,	/* arg = environment, nr = slabs wanted; answer: nr slab ids */
	HCW_RELEASE,	/* nr slab ids given back */
	HCW_READ,	/* slab, page, nr; answer: nr pages */
	HCW_WRITE,	/* slab, page, nr; payload nr pages */
	HCW_RECALL,	/* nr slab ids the donor wants back; 0 ids = all */
	HCW_TYPE_MAX = HCW_RECALL,
	/* 0x20.. shared memory, 0x40.. migration */
};

/* hcw_hdr.flags */
#define HCW_F_ANSWER		0x01
#define HCW_F_DRAIN		0x02	/* PING answer: lends nothing more */
#define HCW_F_PRESSURE		0x04	/* PING answer: short of memory */
#define HCW_F_ALL		0x07

/* hcw_hdr.status of an answer */
enum hcw_status {
	HCW_OK,
	HCW_ESTALE,	/* epoch is over */
	HCW_ESLAB,	/* no such slab, or not yours */
	HCW_ERANGE,	/* outside the slab */
	HCW_EUNSET,	/* page was never written in this lease */
	HCW_ENOMEM,	/* nothing to lend */
	HCW_EINVAL,
	HCW_STATUS_MAX = HCW_EINVAL,
};

struct hcw_hdr {
	__le32 magic;
	__u8   type;
	__u8   flags;
	__le16 status;
	__le32 len;		/* bytes of payload that follow */
	__le16 page;		/* first page in the slab */
	__le16 nr;		/* pages or slab ids */
	__le64 tag;
	__le64 epoch;		/* the borrower's lease epoch */
	__le32 slab;
	__le32 reserved;
	__le64 arg;
};

/* Feature bits: what each changes on the wire. None yet beyond version 1. */
#define HCW_FEAT_ALL		0ULL

struct hcw_hello {
	__le16 version_min;
	__le16 version_max;
	__le16 conn;		/* number of this connection, same at both ends */
	__le16 depth;		/* requests the sender is ready to hold */
	__le32 node;		/* id of the sender */
	__le32 to;		/* id the sender believes to talk to */
	__le64 features;	/* offered */
	__le64 required;	/* subset of @features it can't do without */
	__le64 incarnation;	/* random, one per load of the sender's module */
	__le64 epoch;		/* the sender's lease epoch at the receiver */
	__le16 page_shift;
	__le16 slab_pages;
	__le32 reserved;
	__u8   name[HCW_NAME_LEN];
};

#ifdef __KERNEL__
#include <linux/build_bug.h>
#define HCW_ASSERT_SIZE(type, size) static_assert(sizeof(type) == (size))
#else
#define HCW_ASSERT_SIZE(type, size) \
	_Static_assert(sizeof(type) == (size), #type " has another size")
#endif
HCW_ASSERT_SIZE(struct hcw_hdr, 48);
HCW_ASSERT_SIZE(struct hcw_hello, 120);

#endif /* _HYPERCHAIN_WIRE_H */
