/* SPDX-License-Identifier: GPL-2.0-or-later WITH Linux-syscall-note */
/*
 * hyperchain: the module and its two helpers for moved programs.
 *
 * The module starts hyperchain-restore at the target, with descriptor 0 open on the
 * move, and turns the process at home into hyperchain-shadow, whose environment
 * names its descriptor (HC_FD). Both are of the same package as the module: this is
 * no contract for anybody else, and HCM_VERSION only guards against a mixture.
 *
 * Target, in this order:
 *   HCM_INFO	what to prepare: clocks, process ids
 *   HCM_WAIT	by the process that will be the program: until the image is there.
 *		Returns its length; read(2) gives it, checked
 *   HCM_FILE	make a file that is served from home. Returns a descriptor for it
 *   HCM_JOIN	by every thread: sleeps until the program runs, and never returns into
 *		the helper. The last one replaces the address space
 *   HCM_STATUS	by the parent: the program ended, stopped or goes on (wait status)
 *   HCM_FAIL	a sentence why it can't be done
 * Home:
 *   read(2)	struct hcm_news, poll(2) says when there is one
 *   HCM_SIGNAL	a signal for the program
 *   HCM_SERVE	by service threads: does what the program asks of its files, until home ends
 */
#ifndef _UAPI_LINUX_HYPERCHAIN_MOVE_H
#define _UAPI_LINUX_HYPERCHAIN_MOVE_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define HCM_VERSION	1
#define HCM_TEXT_LEN	160

struct hcm_info {
	__u32 version;
	__u32 pid, ppid, pgid, sid;	/* numbers that the program has at home */
	__u32 pad;
	__s64 mono_ns, boot_ns;		/* to be added to this node's clocks */
};

struct hcm_file {
	__u32 object;		/* the file's number at home */
	__u32 index;		/* of its record in the image */
};

struct hcm_fail {
	char text[HCM_TEXT_LEN];
};

/* What the shadow has to do. */
enum hcm_news_kind {
	HCM_NEWS_NONE,
	HCM_NEWS_ENDED,		/* end with this wait status */
	HCM_NEWS_STOPPED,	/* stop with this signal */
	HCM_NEWS_SERVE,		/* one more service thread is wanted */
};

struct hcm_news {
	__u32 kind;
	__u32 status;
};

struct hcm_signal {
	__u32 signo;
	__u32 pad;
	__u8 info[128];
};

#define HCM_INFO	_IOR('H', 0x40, struct hcm_info)
#define HCM_WAIT	_IO('H', 0x41)
#define HCM_FILE	_IOW('H', 0x42, struct hcm_file)
#define HCM_JOIN	_IO('H', 0x43)		/* argument: number of the thread in the image */
#define HCM_STATUS	_IO('H', 0x44)		/* argument: wait status */
#define HCM_FAIL	_IOW('H', 0x45, struct hcm_fail)
#define HCM_SIGNAL	_IOW('H', 0x46, struct hcm_signal)
#define HCM_SERVE	_IO('H', 0x47)		/* argument: a page of memory to work with */

#endif /* _UAPI_LINUX_HYPERCHAIN_MOVE_H */
