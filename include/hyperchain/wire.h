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
 * A hello carries in @arg of its header the greatest lease epoch its sender met of
 * the receiver, 0 for none. Whoever is below it (a node that lost its state and
 * whose clock went back) gives up what it borrowed there and comes again above it.
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
	/* 0x20.. shared memory */
	HCW_MOVE = 0x40, /* page = enum hcw_move_op, epoch = move, nr bytes each way */
	HCW_MOVE_READ,	/* epoch = move, page = enum hcw_move_part, arg = page number, nr;
			 * answer: nr pages. Asked by the target of a move
			 */
	HCW_MOVE_TYPE_MAX = HCW_MOVE_READ,
};

/*
 * A program moves from its *source* (also called home) to a *target*. The source
 * names the move by a random number; the target knows it by that and the sender.
 * Everything is asked for by the end that needs it: the target reads image and
 * memory. Both need HCW_FEAT_MOVE. kmod/policy/move.h says who lives and why.
 */
enum hcw_move_op {
	HCW_MOVE_OP_INVALID,
	HCW_MOVE_OFFER,	/* source: struct hcw_move_offer; answer: OK, or a sentence why not */
	HCW_MOVE_CLOCK,	/* target: answer struct hcw_move_clock, the source's clocks */
	HCW_MOVE_READY,	/* target: the helper waits for the image */
	HCW_MOVE_IMAGE,	/* source: stopped; arg = length of the image, to be read */
	HCW_MOVE_LOADED, /* target: it could run */
	HCW_MOVE_FAILED, /* target: it can't; a sentence */
	HCW_MOVE_GO,	/* source: run it. Answer: arg = enum hcw_move_answer, the same for ever */
	HCW_MOVE_ABORT,	/* source: forget it. Never sent after GO */
	HCW_MOVE_FETCHED, /* target: has all memory */
	HCW_MOVE_STATUS, /* target: arg = wait status: ended, stopped, goes on */
	HCW_MOVE_SIGNAL, /* source: struct hcw_move_signal for the program */
	HCW_MOVE_KILL,	/* source: home is gone, kill it */
	HCW_MOVE_IO,	/* target: struct hcw_move_io, done at home; its result comes as DONE */
	HCW_MOVE_DONE,	/* source: struct hcw_move_done */
	HCW_MOVE_CANCEL, /* target: arg = number of an IO that a signal interrupted */
	HCW_MOVE_POLL,	/* source: struct hcw_move_poll, a file at home changed */
	HCW_MOVE_OP_MAX = HCW_MOVE_POLL,
};

enum hcw_move_part {
	HCW_PART_MEMORY,	/* arg = address >> HCW_PAGE_SHIFT */
	HCW_PART_IMAGE,		/* arg = page of the image */
	HCW_PART_MAX = HCW_PART_IMAGE,
};

enum hcw_move_answer {
	HCW_MOVE_NEVER,		/* it does not run here and never will */
	HCW_MOVE_RUNS,		/* it runs, or has run to its end */
};

#define HCW_MOVE_DATA_MAX	8192	/* bytes of an HCW_MOVE request */
#define HCW_IO_DATA_MAX		8128	/* bytes read or written by one HCW_MOVE_IO */

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

#define HCW_EPOCH_MAX		(1ULL << 63)	/* of a lease; nothing may count up to the end */

/* Feature bits: what each changes on the wire. */
#define HCW_FEAT_MOVE		1ULL	/* HCW_MOVE and HCW_MOVE_READ may be sent */
#define HCW_FEAT_ALL		HCW_FEAT_MOVE

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

#define HCW_RELEASE_LEN		64

/* What the target has to know before the program stops. */
struct hcw_move_offer {
	__le32 pid, ppid, pgid, sid;
	__le32 image_version;
	__le32 xstate_len;	/* of a thread */
	__le64 xfeatures;	/* that a thread may have in use */
	__le64 vdso_hash;	/* of the kernel's code in the program */
	__le64 vdso_len;
	__le32 nr_threads;
	__le32 reserved;
	__le64 memory_len;	/* bytes with content, about */
	__u8   release[HCW_RELEASE_LEN]; /* of the source's kernel, for messages */
	__u8   comm[16];
};

struct hcw_move_clock {
	__le64 mono_ns;
	__le64 boot_ns;
};

struct hcw_move_signal {
	__le32 signo;
	__le32 reserved;
	__u8   info[128];	/* siginfo as x86-64 programs see it */
};

enum hcw_io_op {
	HCW_IO_INVALID,
	HCW_IO_READ,	/* len bytes from offset, or from where it stands */
	HCW_IO_WRITE,	/* data */
	HCW_IO_IOCTL,	/* cmd and arg or data, as kmod/policy/ioctl.h says of @cmd */
	HCW_IO_POLL,	/* done when answered, no DONE: arg = seq << 32 | mask, as in struct
			 * hcw_move_poll; from now on a POLL message whenever it changes
			 */
	HCW_IO_SEEK,	/* offset, cmd = whence */
	HCW_IO_CLOSE,	/* the last reference over there is gone; done when answered, no DONE */
	HCW_IO_STAT,	/* struct hcw_move_stat */
	HCW_IO_SYNC,	/* content to the disk; cmd = 1: not the times */
	HCW_IO_TRUNCATE, /* offset = new length */
	HCW_IO_MAX = HCW_IO_TRUNCATE,
};

#define HCW_IO_HERE	((__u64)-1)	/* offset: the file's own position */

struct hcw_move_io {
	__le64 id;		/* of this request, to be repeated in DONE */
	__le32 object;		/* which file at home: its first descriptor there */
	__le16 op;		/* enum hcw_io_op */
	__le16 set_flags;	/* the description got other flags: these are new */
	__le32 flags;		/* O_NONBLOCK, O_APPEND of the caller's description */
	__le32 len;
	__le64 offset;
	__le32 cmd;
	__le32 data_len;	/* bytes that follow */
	__le64 arg;
};

struct hcw_move_done {
	__le64 id;
	__le64 ret;		/* bytes, or a negative error */
	__le64 pos;
	__le32 mask;		/* poll events now */
	__le32 flags;		/* O_NONBLOCK, O_APPEND of the description at home */
	__le32 data_len;	/* bytes that follow */
	__le32 seq;		/* of @mask: what is older says nothing any more. 0 = no mask */
};

struct hcw_move_poll {
	__le32 object;
	__le32 mask;
	__le32 seq;		/* as in struct hcw_move_done; of the same row */
	__le32 key;		/* what happened, for those who watch edges; 0 = anything */
};

/* What stat(2) says of a file at home. */
struct hcw_move_stat {
	__le64 dev;		/* major << 32 | minor, as rdev */
	__le64 ino;
	__le64 rdev;
	__le64 size;
	__le64 blocks;		/* of 512 bytes */
	__le64 atime_ns, mtime_ns, ctime_ns;
	__le32 mode;
	__le32 nlink;
	__le32 uid, gid;	/* of the first user namespace */
	__le32 blksize;
	__le32 reserved;
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
HCW_ASSERT_SIZE(struct hcw_move_offer, 144);
HCW_ASSERT_SIZE(struct hcw_move_clock, 16);
HCW_ASSERT_SIZE(struct hcw_move_signal, 136);
HCW_ASSERT_SIZE(struct hcw_move_io, 48);
HCW_ASSERT_SIZE(struct hcw_move_done, 40);
HCW_ASSERT_SIZE(struct hcw_move_poll, 16);
HCW_ASSERT_SIZE(struct hcw_move_stat, 88);

#endif /* _HYPERCHAIN_WIRE_H */
