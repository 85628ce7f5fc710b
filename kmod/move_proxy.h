/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file at home as the program sees it here: what move_proxy.c (requests, poll, life)
 * and move_proxy_file.c (pipes, terminals, regular files) share.
 */
#ifndef _HC_MOVE_PROXY_H
#define _HC_MOVE_PROXY_H

#include <linux/completion.h>
#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/poll.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <hyperchain/wire.h>

struct hc_move;

#define HC_PROXY_FLAGS	(O_NONBLOCK | O_APPEND)	/* of a description, known at both ends */

struct hc_proxy {
	struct list_head list;		/* move->proxies; move->lock */
	struct kref kref;		/* its owner's, the list's, and each user's of the list */
	struct hc_move *move;		/* reference held */
	u32 object;			/* its number at home */
	umode_t mode;
	spinlock_t lock;
	u32 mask, seq;			/* lock */
	bool is_armed;			/* home tells about changes */
	bool is_unasked;		/* home could not be asked for the mask: by the tick */
	u32 flags;			/* HC_PROXY_FLAGS that home knows; lock */
	bool is_unused;			/* move->lock: home is to be told that it is closed */
	wait_queue_head_t wq;
	char name[];
};

/* A request under way. Whoever waits for it owns it. */
struct hc_io {
	struct list_head list;		/* move->ios; move->lock */
	struct completion done;
	bool is_answered;		/* by home: what follows counts */
	struct hcw_move_io *out;	/* and what follows it */
	u32 out_len;
	s64 ret;
	loff_t pos;
	u32 mask, seq, flags;
	void *in;			/* @in_room bytes for what comes back */
	u32 in_room, in_len;
};

/**
 * hc_io_new() - a request; NULL when out of memory
 * @data_len: room behind io->out for data that goes out
 * @in_room: bytes that may come back
 */
struct hc_io *hc_io_new(u16 op, u32 data_len, u32 in_room);
void hc_io_free(struct hc_io *io);

/**
 * hc_io_do() - ask home and wait for what comes of it
 * @file: the description that the call came by, or NULL
 *
 * A signal interrupts the call at home; its result is waited for all the same. Return: what
 * the call returned there, -EIO when home is gone. Context: process, sleeps.
 */
s64 hc_io_do(struct hc_proxy *p, struct file *file, struct hc_io *io);

/** hc_io_ioctl() - the same for ioctl(2), with its argument in user memory */
long hc_io_ioctl(struct hc_proxy *p, struct file *file, unsigned int cmd, unsigned long arg);

/**
 * hc_proxy_new() - a file at home, found by its number from now on
 * @flags: O_* that the description has at home
 *
 * Return: the owner's reference, to be given to hc_proxy_close(); NULL when out of memory.
 */
struct hc_proxy *hc_proxy_new(struct hc_move *move, u32 object, umode_t mode, u32 flags,
			      const char *name);

/** hc_proxy_close() - nobody has it any more: home hears it, now or when it can be reached */
void hc_proxy_close(struct hc_proxy *p);

/** hc_proxy_events() - for ->poll(): asks home where that is needed, so it sleeps */
__poll_t hc_proxy_events(struct hc_proxy *p, struct file *file, poll_table *table);

int hc_proxy_file_init(void);
void hc_proxy_file_exit(void);

/** hc_proxy_file() - a file for @f, with a reference of the module; or ERR_PTR */
struct file *hc_proxy_file(struct hc_move *move, const struct hci_file *f);

#endif /* _HC_MOVE_PROXY_H */
