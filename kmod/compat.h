/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What differs between the kernels we build for (Debian 6.1 and 6.12). Only
 * here: no other file looks at LINUX_VERSION_CODE.
 */
#ifndef _HC_COMPAT_H
#define _HC_COMPAT_H

#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/cred.h>
#include <linux/elfcore.h>
#include <linux/fdtable.h>
#include <linux/fs.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/posix-timers.h>
#include <linux/regset.h>
#include <linux/sched/signal.h>
#include <linux/version.h>
#include <asm/fpu/xcr.h>
#include <asm/ibt.h>
#include <net/genetlink.h>
#include <net/sock.h>
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#include <linux/filelock.h>	/* part of fs.h before */
#endif

/* 6.2: the per-task page fragment must not be used from softirq. */
static inline void hc_sk_no_task_frag(struct sock *sk)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
	sk->sk_use_task_frag = false;
#endif
}

/* What pre_doit() of a netlink family is told of the operation. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
#define hc_pre_doit_ops const struct genl_split_ops
#else
#define hc_pre_doit_ops const struct genl_ops
#endif

/* Arguments of block_device_operations.open, and the disk they name. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
#define hc_open_args struct gendisk *gd, blk_mode_t mode
#define hc_open_disk gd
#else
#define hc_open_args struct block_device *bdev, fmode_t mode
#define hc_open_disk (bdev->bd_disk)
#endif

/* A block device opened for this module alone. */
struct hc_bdev {
	struct block_device *bdev;
	void *handle;		/* 6.9: the file that holds it open */
};

static inline int hc_bdev_open(const char *path, void *holder, struct hc_bdev *ret)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
	struct file *file = bdev_file_open_by_path(path, BLK_OPEN_READ | BLK_OPEN_WRITE,
						   holder, NULL);

	if (IS_ERR(file))
		return PTR_ERR(file);
	ret->handle = file;
	ret->bdev = file_bdev(file);
#else
	struct block_device *bdev = blkdev_get_by_path(path, FMODE_READ | FMODE_WRITE |
						       FMODE_EXCL, holder);

	if (IS_ERR(bdev))
		return PTR_ERR(bdev);
	ret->handle = NULL;
	ret->bdev = bdev;
#endif
	return 0;
}

static inline void hc_bdev_close(struct hc_bdev *b)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
	bdev_fput(b->handle);
#else
	blkdev_put(b->bdev, FMODE_READ | FMODE_WRITE | FMODE_EXCL);
#endif
	b->bdev = NULL;
}

/* A disk of whole pages, where every bio_vec is one page. Sizes in pages. */
static inline struct gendisk *hc_disk_alloc(struct blk_mq_tag_set *set, unsigned int max_pages,
					    void *queuedata)
{
	struct gendisk *gd;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
	struct queue_limits lim = {
		.logical_block_size	= PAGE_SIZE,
		.physical_block_size	= PAGE_SIZE,
		.io_opt			= PAGE_SIZE,
		.max_hw_sectors		= max_pages << (PAGE_SHIFT - SECTOR_SHIFT),
		.max_segments		= max_pages,
		.max_segment_size	= PAGE_SIZE,
		.seg_boundary_mask	= PAGE_SIZE - 1,
		.max_hw_discard_sectors	= UINT_MAX,
		.discard_granularity	= PAGE_SIZE,
		.features		= BLK_FEAT_STABLE_WRITES,
	};

	gd = blk_mq_alloc_disk(set, &lim, queuedata);
	if (IS_ERR(gd))
		return gd;
#else
	gd = blk_mq_alloc_disk(set, queuedata);
	if (IS_ERR(gd))
		return gd;
	blk_queue_logical_block_size(gd->queue, PAGE_SIZE);
	blk_queue_physical_block_size(gd->queue, PAGE_SIZE);
	blk_queue_max_hw_sectors(gd->queue, max_pages << (PAGE_SHIFT - SECTOR_SHIFT));
	blk_queue_max_segments(gd->queue, max_pages);
	blk_queue_max_segment_size(gd->queue, PAGE_SIZE);
	blk_queue_segment_boundary(gd->queue, PAGE_SIZE - 1);
	blk_queue_max_discard_sectors(gd->queue, UINT_MAX);
	gd->queue->limits.discard_granularity = PAGE_SIZE;
	blk_queue_flag_set(QUEUE_FLAG_NONROT, gd->queue);
	blk_queue_flag_clear(QUEUE_FLAG_ADD_RANDOM, gd->queue);
	blk_queue_flag_set(QUEUE_FLAG_STABLE_WRITES, gd->queue);
#endif
	return gd;
}

/* ---- files that are served from home ---- */

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define hc_idmap struct mnt_idmap
#else
#define hc_idmap struct user_namespace
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
#define hc_splice_read copy_splice_read
#else
#define hc_splice_read generic_file_splice_read
#endif

/* ---- state of programs ---- */

/* files->file_lock is held. */
static inline bool hc_close_on_exec(struct files_struct *files, unsigned int fd)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
	return close_on_exec(fd, files);
#else
	return close_on_exec(fd, files_fdtable(files));
#endif
}

static inline const struct user_regset *hc_regset(struct task_struct *task, unsigned int type)
{
	const struct user_regset_view *view = task_user_regset_view(task);
	unsigned int i;

	for (i = 0; i < view->n; i++)
		if (view->regsets[i].core_note_type == type)
			return &view->regsets[i];
	return NULL;
}

static inline u32 hc_xstate_len(struct task_struct *task)
{
	const struct user_regset *rs = hc_regset(task, NT_X86_XSTATE);

	return rs ? rs->n * rs->size : 0;
}

/* Register sets that programs of this machine may use. */
static inline u64 hc_xfeatures(void)
{
	return boot_cpu_has(X86_FEATURE_OSXSAVE) ? xgetbv(XCR_XFEATURE_ENABLED_MASK) : 3;
}

static inline bool hc_thread_is_32bit(struct task_struct *task)
{
	return !user_64bit_mode(task_pt_regs(task));
}

/* Asked for more registers than everybody has (AMX). */
static inline bool hc_thread_has_perm(struct task_struct *task)
{
	return task->thread.fpu.fpstate && task->thread.fpu.fpstate->is_valloc;
}

static inline bool hc_creds_equal(const struct cred *a, const struct cred *b)
{
	return uid_eq(a->uid, b->uid) && uid_eq(a->euid, b->euid) && uid_eq(a->suid, b->suid) &&
	       uid_eq(a->fsuid, b->fsuid) && gid_eq(a->gid, b->gid) && gid_eq(a->egid, b->egid) &&
	       gid_eq(a->sgid, b->sgid) && gid_eq(a->fsgid, b->fsgid) &&
	       a->group_info == b->group_info && a->securebits == b->securebits &&
	       !memcmp(&a->cap_permitted, &b->cap_permitted, sizeof(a->cap_permitted)) &&
	       !memcmp(&a->cap_effective, &b->cap_effective, sizeof(a->cap_effective)) &&
	       !memcmp(&a->cap_inheritable, &b->cap_inheritable, sizeof(a->cap_inheritable)) &&
	       !memcmp(&a->cap_bset, &b->cap_bset, sizeof(a->cap_bset)) &&
	       !memcmp(&a->cap_ambient, &b->cap_ambient, sizeof(a->cap_ambient));
}

static inline bool hc_has_posix_timers(struct signal_struct *sig)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
	return !hlist_empty(&sig->posix_timers);
#else
	return !list_empty(&sig->posix_timers);
#endif
}

/*
 * SysV semaphores that are to be undone when the task ends. Threads share an empty
 * list from the start; ipc/sem.c keeps its form to itself, the same in both kernels.
 */
static inline bool hc_has_sem_undo(struct task_struct *task)
{
	struct { refcount_t refs; spinlock_t lock; struct list_head list; } *undo;

	undo = (void *)READ_ONCE(task->sysvsem.undo_list);
	return undo && !list_empty(&undo->list);
}

static inline u32 hc_rseq_len(struct task_struct *task)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	return task->rseq_len;
#else
	return 32;
#endif
}

static inline void hc_rseq_set(struct task_struct *task, u64 rseq, u32 len, u32 sig)
{
	task->rseq = (void __user *)rseq;
	task->rseq_sig = sig;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	task->rseq_len = len;
#endif
}

/* Of a task that can't lose it meanwhile: current, or parked. */
static inline struct sighand_struct *hc_sighand(struct task_struct *task)
{
	return (__force struct sighand_struct *)task->sighand;
}

/* Take the next signal that is not in @mask; siglock is held. */
static inline int hc_dequeue_signal(sigset_t *mask, kernel_siginfo_t *info)
{
	enum pid_type type;

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
	return dequeue_signal(mask, info, &type);
#else
	return dequeue_signal(current, mask, info, &type);
#endif
}

static inline bool hc_vma_is_vdso(struct mm_struct *mm, struct vm_area_struct *vma)
{
	unsigned long vdso = (unsigned long)mm->context.vdso;

	/* Code and the data before it, of the kernel's own kind of mapping. */
	return vdso && !vma->vm_file && vma->vm_start >= vdso - 16 * PAGE_SIZE &&
	       vma->vm_end <= vdso + 16 * PAGE_SIZE && vma->vm_ops && vma->vm_ops->name &&
	       vma->vm_private_data && (vma->vm_start == vdso || vma->vm_end <= vdso);
}

static inline bool hc_vma_is_odd(struct vm_area_struct *vma)
{
	unsigned long flags = vma->vm_flags;

#ifdef VM_SHADOW_STACK
	if (VM_SHADOW_STACK && flags & VM_SHADOW_STACK)
		return true;
#endif
#ifdef CONFIG_NUMA
	if (vma->vm_policy)
		return true;
#endif
#ifdef CONFIG_USERFAULTFD
	if (vma->vm_userfaultfd_ctx.ctx)
		return true;
#endif
#ifdef CONFIG_ARCH_HAS_PKEYS
	if (flags & (VM_PKEY_BIT0 | VM_PKEY_BIT1 | VM_PKEY_BIT2 | VM_PKEY_BIT3))
		return true;
#endif
	return false;
}

static inline bool hc_task_has_io_uring(struct task_struct *t)
{
#ifdef CONFIG_IO_URING
	return t->io_uring;
#else
	return false;
#endif
}

static inline bool hc_task_has_mempolicy(struct task_struct *t)
{
#ifdef CONFIG_NUMA
	return t->mempolicy;
#else
	return false;
#endif
}

static inline bool hc_mm_has_ldt(struct mm_struct *mm)
{
#ifdef CONFIG_MODIFY_LDT_SYSCALL
	return mm->context.ldt;
#else
	return false;
#endif
}

static inline long hc_get_user_pages(struct mm_struct *mm, unsigned long addr, unsigned long nr,
				     unsigned int flags, struct page **pages, int *locked)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
	return get_user_pages_remote(mm, addr, nr, flags, pages, locked);
#else
	return get_user_pages_remote(mm, addr, nr, flags, pages, NULL, locked);
#endif
}

static inline void hc_vm_flags_set(struct vm_area_struct *vma, unsigned long flags)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_set(vma, flags);
#else
	vma->vm_flags |= flags;
#endif
}

static inline void hc_vm_flags_clear(struct vm_area_struct *vma, unsigned long flags)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_clear(vma, flags);
#else
	vma->vm_flags &= ~flags;
#endif
}

/* Before changing vm_ops of a mapping whose faults may not take mmap_lock. */
static inline void hc_vma_start_write(struct vm_area_struct *vma)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
	vma_start_write(vma);
#endif
}

static inline void hc_release_fault_lock(struct vm_fault *vmf)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
	release_fault_lock(vmf);
#else
	mmap_read_unlock(vmf->vma->vm_mm);
#endif
}

/* Nobody but the holder may ask so; here another context asks about its own range. */
static inline bool hc_mmap_is_write_locked(struct mm_struct *mm)
{
	return atomic_long_read(&mm->mmap_lock.count) & 1;	/* RWSEM_WRITER_LOCKED */
}

static inline bool hc_pud_leaf(pud_t pud)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
	return pud_leaf(pud);
#else
	return pud_large(pud);
#endif
}

/*
 * Where the function begins that a registered probe was put on by name: with indirect branch
 * tracking (6.12 has it) the probe itself stands behind the ENDBR that the function begins with.
 */
static inline void *hc_probed_function(const struct kprobe *kp)
{
	u8 *addr = (u8 *)kp->addr;

	return is_endbr(*(u32 *)(addr - ENDBR_INSN_SIZE)) ? addr - ENDBR_INSN_SIZE : addr;
}

/* kernel/futex/futex.h: how an interrupted wait notes what it was. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
#define HC_FUTEX_BASE		0x02	/* a futex of 32 bits */
#define HC_FUTEX_SHARED		0x10
#define HC_FUTEX_CLOCKRT	0x20
#define HC_FUTEX_TIMEOUT	0x40
#define HC_FUTEX_ALL		0x72
#else
#define HC_FUTEX_BASE		0x00
#define HC_FUTEX_SHARED		0x01
#define HC_FUTEX_CLOCKRT	0x02
#define HC_FUTEX_TIMEOUT	0x04
#define HC_FUTEX_ALL		0x07
#endif

#endif /* _HC_COMPAT_H */
