/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What differs between the kernels we build for (Debian 6.1 and 6.12). Only
 * here: no other file looks at LINUX_VERSION_CODE.
 */
#ifndef _HC_COMPAT_H
#define _HC_COMPAT_H

#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/version.h>
#include <net/genetlink.h>
#include <net/sock.h>

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
	blk_queue_flag_set(QUEUE_FLAG_NOMERGES, gd->queue);
	return gd;
}

#endif /* _HC_COMPAT_H */
