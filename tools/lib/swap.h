/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The swap disk on and off, as one undoable sequence; used by the CLI where no
 * daemon runs, and by a worker of the daemon where one does.
 *
 *	on:  backing device (dm-crypt, random key) -> DISK_ADD -> mkswap(8)
 *	     -> memory.swap.max=0 on the host's own cgroups -> swapon(2)
 *	off: swapoff(2) -> restore memory.swap.max -> DISK_DEL -> BACKING_DEL
 *	     -> dm-crypt closed
 *
 * A failure in the middle of `on` undoes what was done before it. `off` may be
 * repeated: each step that is already done is passed over.
 */
#ifndef HCNL_SWAP_H
#define HCNL_SWAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hcnl;

#define HCNL_SWAP_DEV		"/dev/hcswap0"
#define HCNL_SWAP_STATE_DIR	"/run/hyperchain"
#define HCNL_SWAP_CRYPT_NAME	"hyperchain-backing"
#define HCNL_SWAP_ERROR_LEN	512

struct hcnl_swap_on {
	uint64_t size;			/* bytes, rounded up to whole pages; required */
	const char *backing;		/* block device, NULL = none. OVERWRITTEN */
	bool encrypt;			/* dm-crypt with a random key around it */
	bool checksum;
	int priority;			/* 0..32767, more is used first; -1 = kernel's choice */
	uint8_t replicas;		/* 0 = leave; else set on every environment there is */
};

/**
 * struct hcnl_swap_report - what the caller hears meanwhile
 * @step: a step begins; @done and @total in bytes while pages come back, else 0.
 *	May be NULL. Called from the calling thread only.
 */
struct hcnl_swap_report {
	void (*step)(const char *what, uint64_t done, uint64_t total, void *ctx);
	void *ctx;
};

/**
 * hcnl_swap_on - make /dev/hcswap0 and use it as swap
 * @report: may be NULL
 * @error: gets one sentence (what, why, what to do) on failure, "" otherwise
 *
 * Blocks for as long as mkswap and cryptsetup take (seconds). Needs root.
 * Return: 0 or a negative errno; -EALREADY when it is on.
 */
int hcnl_swap_on(struct hcnl *h, const struct hcnl_swap_on *on,
		 const struct hcnl_swap_report *report, char error[HCNL_SWAP_ERROR_LEN]);

/**
 * hcnl_swap_off - take it all back
 *
 * Blocks until every page is back in RAM (can be minutes), reporting progress.
 * Return: 0, also when it was off; -ENOMEM when RAM is too short for the pages
 * (nothing is lost, it stays on).
 */
int hcnl_swap_off(struct hcnl *h, const struct hcnl_swap_report *report,
		  char error[HCNL_SWAP_ERROR_LEN]);

/* Is the disk in /proc/swaps, and how many bytes of it are in use? Either may be NULL. */
int hcnl_swap_state(bool *ret_is_on, uint64_t *ret_used);

#endif /* HCNL_SWAP_H */
