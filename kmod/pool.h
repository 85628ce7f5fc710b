/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The donor pool: RAM of this node lent to others, in slabs, under leases. */
#ifndef _HC_POOL_H
#define _HC_POOL_H

#include <linux/bitmap.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <hyperchain/wire.h>

#include "policy/map.h"

struct hc_msg;
struct hc_node;
struct hc_peer;

/* Calling memory back from one borrower: a silent one holds up nobody else. */
struct hc_recall {
	struct work_struct work;
	u32 nr;				/* of ids; the work's while pool->telling says so */
	u32 ids[HCW_LEASE_MAX];		/* as they go on the wire */
};

/* Bits of hc_lslab.flags */
#define HC_LSLAB_PINS		0	/* it has pages, and the module stays for them */
#define HC_LSLAB_UNHEARD	1	/* called back, and the borrower was out of reach */

/* A slab lent to a peer. Found by its id; the borrower knows only that. */
struct hc_lslab {
	struct kref kref;
	struct rcu_head rcu;
	struct list_head list;		/* pool->slabs, pool->lock */
	u32 id;
	u32 peer;			/* borrower's node id */
	u8 target;			/* and its number here */
	u32 env;
	u64 epoch;			/* lease epoch it was lent under */
	u64 incarnation;		/* of the borrower's module */
	bool is_over;			/* lease ended; nobody new may use it */
	unsigned long flags;		/* HC_LSLAB_* */
	unsigned long recalled;		/* jiffies of the last RECALL, 0 = none */
	DECLARE_BITMAP(written, HCW_SLAB_PAGES);
	struct page *pages[HCW_SLAB_PAGES];
};

/* Bits of hc_pool.flags */
#define HC_POOL_VAIN	0	/* whoever was told by now gave nothing in time */

struct hc_pool {
	struct hc_node *node;
	struct mutex lock;
	struct xarray by_id;		/* RCU for readers, lock for writers */
	struct list_head slabs;
	struct xarray env_limits;	/* slabs by environment; lock */
	u64 limit_slabs;
	u64 reserve_bytes;
	u64 nr_slabs;			/* lock */
	u64 last_own;			/* bytes we would have without lending, last time; lock */
	u64 free_slabs;			/* what we would still lend; racily read */
	u32 next_id;
	bool drain;
	bool pressure;
	bool is_ending;
	struct delayed_work watch_work;
	/* Borrowers by target; lock. */
	DECLARE_BITMAP(telling, HC_TARGETS);	/* a RECALL is on its way */
	DECLARE_BITMAP(vain, HC_TARGETS);	/* gave nothing back when memory was out */
	bool recall_more;		/* there was more to call back than could be sent */
	/* Memory was out: how often, and up to which time a look has called some back for it. */
	atomic_t oom_asked;
	int oom_served;
	unsigned long short_until;	/* jiffies: lend nothing till then; 0 = never; lock */
	u64 vain_back;			/* of nr_back, when HC_POOL_VAIN was set */
	atomic64_t nr_back;		/* slabs that came back, ever */
	wait_queue_head_t back_wq;	/* when one has */
	u64 nr_coming;			/* slabs called back and on their way, at the last look */
	unsigned long flags;		/* HC_POOL_* */
	struct notifier_block oom_nb;
};

struct hc_pool *hc_pool_create(struct hc_node *node);
void hc_pool_destroy(struct hc_pool *pool);

/** hc_pool_set() - limits in bytes; @drain calls everything back. Values < 0 stay as they are */
void hc_pool_set(struct hc_pool *pool, s64 limit, s64 reserve, int drain);

/** hc_pool_set_env() - lend at most @bytes to environment @env; 0 = no limit of its own */
int hc_pool_set_env(struct hc_pool *pool, u32 env, u64 bytes);

/** hc_pool_lease() - lend up to *@nr slabs; enum hcw_status, *@nr and @ids (little-endian) */
u16 hc_pool_lease(struct hc_peer *peer, u64 epoch, u64 env, u32 *nr, u32 *ids);

/** hc_pool_release() - the borrower gives slabs back; a newer @epoch ends all its older leases */
u16 hc_pool_release(struct hc_peer *peer, u64 epoch, u32 nr, const u32 *ids);

/** hc_pool_expire() - end leases of older epochs and incarnations of @peer */
void hc_pool_expire(struct hc_peer *peer);

/** hc_pool_peer_init() - prepare peer->recall */
void hc_pool_peer_init(struct hc_peer *peer);

/** hc_pool_end_all() - end all leases of @peer; their number */
u64 hc_pool_end_all(struct hc_peer *peer);

/** hc_pool_forget() - end all leases of @peer, whose connections are gone and stay so */
void hc_pool_forget(struct hc_peer *peer);

/* Data path; any context. The slab comes with a reference. */
u16 hc_pool_write(struct hc_peer *peer, const struct hc_msg *m, struct hc_lslab **ret);
u16 hc_pool_read(struct hc_peer *peer, const struct hc_msg *m, struct hc_lslab **ret);
void hc_pool_written(struct hc_peer *peer, struct hc_lslab *slab, const struct hc_msg *m);
void hc_lslab_put(struct hc_lslab *slab);

/** hc_pool_status() - fill the answer to a PING */
void hc_pool_status(struct hc_peer *peer, struct hc_msg *answer);

#endif /* _HC_POOL_H */
