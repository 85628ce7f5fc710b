/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The swap disk /dev/hcswap0: the module's one disk, which keeps its pages at
 * the peers of the node that added it.
 *
 *	disk.c     the disk, its map and lock, what peers and environments do to it
 *	io.c       requests of the block layer
 *	store.c    one run of pages at one place, remote or local
 *	lease.c    keeps leased slabs ahead of need, gives empty ones back
 *	repair.c   makes missing copies, empties slabs that must go
 */
#ifndef _HC_DISK_H
#define _HC_DISK_H

#include <linux/blk-mq.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <uapi/linux/hyperchain.h>

#include "policy/map.h"

#define HC_IO_PAGES	16	/* pages in one request; HCW_RUN_PAGES_MAX */

struct hc_backing;
struct hc_env;
struct hc_node;
struct hc_repairer;
struct netlink_ext_ack;

struct hc_disk {
	struct hc_node *node;
	struct gendisk *gd;
	struct blk_mq_tag_set set;
	struct hc_map map;		/* node->map_lock */
	struct hc_env *host_env;	/* writes of no environment: no place has room */
	struct hc_backing *backing;	/* NULL, then set once; node->map_lock */
	struct page *header;		/* slot 0, the swap header: always here */
	bool checksum;
	bool is_ending;			/* gd->open_mutex */
	struct hc_repairer *repairer;
	unsigned long no_merge_at;	/* jiffies: neighbours are not merged since; 0 = they are */
	unsigned long return_ahead;	/* bit 0: empty slabs go back, those kept ahead too */
	bool was_degraded;		/* repair says so when it is over */
	atomic64_t reads, writes, errors, refused, retries, repaired, bad_sums, freed;
};

int hc_disk_add(struct hc_node *node, u64 size_bytes, bool checksum,
		struct netlink_ext_ack *extack);
int hc_disk_del(struct hc_node *node, struct netlink_ext_ack *extack);
int hc_backing_add(struct hc_node *node, const char *path, struct netlink_ext_ack *extack);
int hc_backing_del(struct hc_node *node, struct netlink_ext_ack *extack);
/**
 * hc_disk_no_merge() - writes are refused, or a read waits: merge no neighbours for a while
 *
 * A refused write makes reclaim look elsewhere and, where there is nothing, end a program. But up
 * to 6.3 Linux takes pages of slabs freed meanwhile for memory that was reclaimed, also of the
 * hundreds of bios of one plug of long requests; then it would try for ever. Any context.
 */
void hc_disk_no_merge(struct hc_disk *disk);
/** hc_disk_merge_again() - merge again if it is time; each second */
void hc_disk_merge_again(struct hc_disk *disk);
/** hc_disk_exit() - the module goes; every node and with it the disk is gone */
void hc_disk_exit(void);

/** hc_disk_node_gone() - the disk's namespace ends: remove the disk, or leave it without peers */
void hc_disk_node_gone(struct hc_node *node);

/**
 * hc_disk_get() - the disk, if @node added it (NULL: whoever did); keeps it from
 * being removed until hc_disk_put(). Any context.
 */
struct hc_disk *hc_disk_get(struct hc_node *node);
void hc_disk_put(struct hc_disk *disk);

/*
 * For peers and environments; process context, no-ops where there is no disk.
 * hc_disk_lock() excludes the data path while shares are changed; no sleeping inside.
 */
void hc_disk_lock(struct hc_node *node);
void hc_disk_unlock(struct hc_node *node);
/** hc_disk_drop_target() - give up all it holds, tell whose pages are lost; under node->lock */
void hc_disk_drop_target(struct hc_node *node, u8 target, struct hc_loss *ret_loss);
void hc_disk_unquarantine(struct hc_node *node, u8 target, u8 conn);
void hc_disk_recall(struct hc_node *node, u8 target, u32 nr, const u32 *ids);
void hc_disk_recall_leaving(struct hc_node *node);
void hc_disk_return_all(struct hc_node *node, struct hc_menv *env);
u64 hc_disk_target_used(struct hc_node *node, u8 target);
u64 hc_disk_target_leased(struct hc_node *node, u8 target);

/** hc_disk_target_id() - node id behind a target, 0 = local or gone. Any context */
u32 hc_disk_target_id(struct hc_disk *disk, u8 target);

/** hc_disk_target_error() - count an error of the peer behind a target, if any. Any context */
void hc_disk_target_error(struct hc_disk *disk, u8 target);

/** hc_disk_lost() - tell listeners of pages without any copy. Not under the map lock */
void hc_disk_lost(struct hc_disk *disk, const struct hc_loss *loss);

/* io.c */
extern const struct blk_mq_ops hc_io_ops;
size_t hc_io_size(void);

/** hc_page_sum() - checksum of a page, never 0 */
u32 hc_page_sum(struct page *page);

#endif /* _HC_DISK_H */
