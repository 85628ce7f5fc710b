/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hyperchain: the image of a stopped program, as one node gives it to another
 * (HCW_MOVE_READ) and to the helper that restores it.
 *
 * A row of records, each a struct hci_rec with its length, all multiples of 8:
 *
 *	HEAD  THREAD XSTATE [SIGNAL...]  THREAD XSTATE ...  [SIGNAL...]
 *	VMA [RUN...]  VMA ...  FILE ...  PAGE ...  END
 *
 * It is the state of an x86-64 program, so its numbers are in that byte order.
 * What is private to one kernel build (flag bits, restart functions) is named in
 * the neutral words of this file. Nothing in it is trusted: kmod/policy/image.c
 * decides whether it may be what it says before anybody acts on it.
 */
#ifndef _HYPERCHAIN_IMAGE_H
#define _HYPERCHAIN_IMAGE_H

#include <linux/types.h>

#define HCI_MAGIC	0x494d4348	/* "HCMI" read as bytes */
#define HCI_VERSION	1
#define HCI_LEN_MAX	(32U << 20)
#define HCI_THREADS_MAX	512
#define HCI_VMAS_MAX	8192
#define HCI_FILES_MAX	1024
#define HCI_FD_MAX	65536
#define HCI_PAGES_MAX	4096
#define HCI_SIGNALS_MAX	1024
#define HCI_GROUPS_MAX	64
#define HCI_PATH_LEN	1024	/* with the NUL */
#define HCI_XSTATE_MAX	16384
#define HCI_SIGNALS	64
#define HCI_SIGINFO_LEN	128
#define HCI_AUXV_MAX	64
#define HCI_RLIMITS	16

enum hci_type {
	HCI_INVALID,
	HCI_HEAD,	/* struct hci_head, the first record, once */
	HCI_THREAD,	/* struct hci_thread; the first one is the thread group's leader */
	HCI_XSTATE,	/* FPU state of the thread before, as the register set NT_X86_XSTATE */
	HCI_SIGNAL,	/* struct hci_signal: pending for the thread before */
	HCI_VMA,	/* struct hci_vma, ascending */
	HCI_RUN,	/* struct hci_run: pages of that mapping with content, ascending */
	HCI_FILE,	/* struct hci_file, ascending descriptors */
	HCI_PAGE,	/* struct hci_page: a page needed at once */
	HCI_END,	/* no more */
	HCI_TYPE_MAX = HCI_END,
};

struct hci_rec {
	__u32 type;
	__u32 len;		/* with this header */
};

struct hci_sigaction {
	__u64 handler;
	__u64 flags;
	__u64 restorer;
	__u64 mask;
};

/* Numbers of mm, in this order. */
enum hci_mm {
	HCI_MM_START_CODE,	/* as in struct prctl_mm_map */
	HCI_MM_END_CODE,	/* */
	HCI_MM_START_DATA,	/* */
	HCI_MM_END_DATA,	/* */
	HCI_MM_START_BRK,	/* */
	HCI_MM_BRK,		/* */
	HCI_MM_START_STACK,	/* */
	HCI_MM_ARG_START,	/* */
	HCI_MM_ARG_END,		/* */
	HCI_MM_ENV_START,	/* */
	HCI_MM_ENV_END,		/* */
	HCI_MM_NR,		/* their number */
};

struct hci_head {
	struct hci_rec rec;
	__u32 magic;
	__u32 version;
	__u64 len;		/* of the whole image */
	__u32 nr_threads;
	__u32 nr_vmas;
	__u32 nr_files;
	__u32 nr_pages;
	__u32 pid, ppid, pgid, sid;
	__u64 mono_ns;		/* the source's clocks at the capture */
	__u64 boot_ns;
	__u64 itimer_ns;	/* ITIMER_REAL: left, 0 = off */
	__u64 itimer_interval_ns;
	__u64 mm[HCI_MM_NR];
	__u64 auxv[HCI_AUXV_MAX];
	__u64 vvar, vdso, vdso_end;
	__u32 uid[4];		/* real, effective, saved, file system */
	__u32 gid[4];
	__u32 nr_groups;
	__u32 groups[HCI_GROUPS_MAX];
	__u32 securebits;
	__u64 caps[5];		/* inheritable, permitted, effective, bounding, ambient */
	__u64 rlimits[HCI_RLIMITS][2];
	__u32 umask;
	__u32 personality;
	__u32 dumpable;
	__u32 no_new_privs;
	__s32 nice;
	__s32 oom_score_adj;
	__u64 timer_slack_ns;
	struct hci_sigaction actions[HCI_SIGNALS];
	char exe[HCI_PATH_LEN];
	char cwd[HCI_PATH_LEN];
	__u64 exe_size;
	__u64 exe_sum;
};

/* General registers, in the order of struct user_regs_struct. */
struct hci_regs {
	__u64 r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di;
	__u64 orig_ax, ip, cs, flags, sp, ss, fs_base, gs_base;
};

/* How a call that was interrupted goes on. Times are of the source's clocks. */
enum hci_restart {
	HCI_RESTART_NONE,	/* nothing to go on with */
	HCI_RESTART_SLEEP,	/* nanosleep: deadline, uaddr gets what is left (REMAINS) */
	HCI_RESTART_FUTEX,	/* futex wait: uaddr, value, bitset, deadline */
	HCI_RESTART_POLL,	/* poll: uaddr of the array, its length in value, deadline */
	HCI_RESTART_MAX = HCI_RESTART_POLL,
};

#define HCI_RS_TIMEOUT	0x1	/* deadline is set */
#define HCI_RS_REALTIME	0x2	/* and is of CLOCK_REALTIME */
#define HCI_RS_SHARED	0x4	/* futex: not private */
#define HCI_RS_REMAINS	0x8	/* sleep: ptr gets what was left */

struct hci_thread {
	struct hci_rec rec;
	__u32 tid;
	__u32 restart;		/* enum hci_restart */
	struct hci_regs regs;
	__u64 blocked;
	__u64 sas_sp, sas_size;
	__u32 sas_flags;
	__u32 rseq_sig;
	__u64 rseq;
	__u32 rseq_len;
	__u32 restart_flags;	/* HCI_RS_* */
	__u64 robust_list;
	__u64 clear_child_tid;
	__u64 restart_deadline_ns;
	__u64 restart_uaddr;
	__u32 restart_value;
	__u32 restart_bitset;
	__s32 restart_clock;
	__u32 pad;
	char comm[16];
};

struct hci_signal {
	struct hci_rec rec;
	__u32 signo;
	__u32 pad;
	__u8 info[HCI_SIGINFO_LEN];
};

enum hci_vma_kind {
	HCI_VMA_ANON,		/* private anonymous memory: RUNs follow */
	HCI_VMA_FILE,		/* private mapping of a file: path, size, sum */
	HCI_VMA_VDSO,		/* the kernel's own; the helper has it there already */
	HCI_VMA_MAX = HCI_VMA_VDSO,
};

#define HCI_VF_READ	0x01
#define HCI_VF_WRITE	0x02
#define HCI_VF_EXEC	0x04
#define HCI_VF_GROWS	0x08	/* stack: grows down */
#define HCI_VF_NORESERVE 0x10
#define HCI_VF_LOCKED	0x20
#define HCI_VF_DONTCOPY	0x40
#define HCI_VF_DONTDUMP	0x80
#define HCI_VF_WIPE	0x100	/* wiped in a child */
#define HCI_VF_HUGE	0x200
#define HCI_VF_NOHUGE	0x400
#define HCI_VF_SHARED	0x800	/* FILE, read-only: sees what others write */
#define HCI_VF_ALL	0xfff

struct hci_vma {
	struct hci_rec rec;	/* FILE: the path follows, with its NUL */
	__u64 start, end;
	__u64 offset;		/* FILE: bytes */
	__u32 kind;		/* enum hci_vma_kind */
	__u32 flags;		/* HCI_VF_* */
	__u64 size;		/* FILE: of the whole file */
	__u64 sum;		/* FILE: of its content */
};

struct hci_run {
	struct hci_rec rec;
	__u64 start;		/* address */
	__u64 nr;		/* pages */
};

enum hci_file_kind {
	HCI_FILE_PATH,		/* opened again by its path: a device like /dev/null */
	HCI_FILE_HOME,		/* served from home */
	HCI_FILE_SAME,		/* the same open file as descriptor @same */
	HCI_FILE_MAX = HCI_FILE_SAME,
};

struct hci_file {
	struct hci_rec rec;	/* the path or name follows, with its NUL */
	__u32 fd;
	__u32 kind;		/* enum hci_file_kind */
	__u32 flags;		/* O_* */
	__u32 cloexec;
	__s64 pos;
	__u64 size;		/* PATH, regular: to know the file by */
	__u64 ino;
	__u32 same;
	__u32 mode;		/* S_IF* and permissions */
	__u64 rdev;
};

struct hci_page {
	struct hci_rec rec;
	__u64 addr;
	__u8 data[4096];
};

#endif /* _HYPERCHAIN_IMAGE_H */
