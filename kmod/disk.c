// SPDX-License-Identifier: GPL-2.0-or-later
/* The swap disk: the one disk of the module; see disk.h for its parts. */
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "backing.h"
#include "compat.h"
#include "disk.h"
#include "env.h"
#include "event.h"
#include "lease.h"
#include "main.h"
#include "node.h"
#include "peer.h"
#include "repair.h"

#define QUEUE_DEPTH	128
#define QUEUES_MAX	4U	/* a slow donor holds up its sender only */
#define TIMEOUT_MS	30000	/* of the block layer; donors have shorter ones */
#define NO_MERGE_MS	10000	/* after the last reason neighbours are merged again */

/* Adding and removing, one at a time. Outermost; nobody holds node->lock and wants it. */
static DEFINE_MUTEX(admin_lock);

/*
 * the_disk and its users. Whoever got the disk may sleep and wait for the network
 * with it; removal waits for them while it holds nothing that they could want.
 */
static DEFINE_SPINLOCK(ref_lock);
static DECLARE_WAIT_QUEUE_HEAD(unused_wq);
static struct hc_disk *the_disk;
static unsigned int nr_users;
static struct hc_backing *the_backing;	/* admin_lock */

/* ---- access ---- */

struct hc_disk *hc_disk_get(struct hc_node *node)
{
	struct hc_disk *disk = NULL;
	unsigned long flags;

	spin_lock_irqsave(&ref_lock, flags);
	if (the_disk && (!node || the_disk->node == node)) {
		disk = the_disk;
		nr_users++;
	}
	spin_unlock_irqrestore(&ref_lock, flags);
	return disk;
}

void hc_disk_put(struct hc_disk *disk)
{
	unsigned long flags;

	if (!disk)
		return;
	spin_lock_irqsave(&ref_lock, flags);
	if (!--nr_users)
		wake_up_all(&unused_wq);
	spin_unlock_irqrestore(&ref_lock, flags);
}

static void disk_set(struct hc_disk *disk)
{
	spin_lock_irq(&ref_lock);
	the_disk = disk;
	spin_unlock_irq(&ref_lock);
}

static bool is_unused(void)
{
	bool unused;

	spin_lock_irq(&ref_lock);
	unused = !nr_users;
	spin_unlock_irq(&ref_lock);
	return unused;
}

void hc_disk_lock(struct hc_node *node)
	__acquires(&node->map_lock)
{
	spin_lock_irq(&node->map_lock);
}

void hc_disk_unlock(struct hc_node *node)
	__releases(&node->map_lock)
{
	spin_unlock_irq(&node->map_lock);
}

u32 hc_disk_target_id(struct hc_disk *disk, u8 target)
{
	struct hc_peer *peer;
	u32 id = 0;

	rcu_read_lock();
	peer = rcu_dereference(disk->node->by_target[target]);
	if (peer)
		id = peer->id;
	rcu_read_unlock();
	return id;
}

void hc_disk_target_error(struct hc_disk *disk, u8 target)
{
	struct hc_peer *peer;

	rcu_read_lock();
	peer = rcu_dereference(disk->node->by_target[target]);
	if (peer)
		hc_peer_error(peer);
	rcu_read_unlock();
}

/* "node 2 (n2)" into @text; its id, 0 = local or gone. */
static u32 target_text(struct hc_disk *disk, u8 target, char *text, size_t size)
{
	struct hc_peer *peer;
	u32 id = 0;

	rcu_read_lock();
	peer = rcu_dereference(disk->node->by_target[target]);
	if (peer) {
		id = peer->id;
		if (peer->name[0])
			snprintf(text, size, "node %u (%s)", id, peer->name);
		else
			snprintf(text, size, "node %u", id);
	} else {
		snprintf(text, size, "the local device of node %u", disk->node->id);
	}
	rcu_read_unlock();
	return id;
}

void hc_disk_lost(struct hc_disk *disk, const struct hc_loss *loss)
{
	char who[HC_ENV_TEXT_LEN], where[HC_NAME_LEN + 32];
	u32 id;

	if (!loss->nr_lost && !loss->nr_degraded)
		return;
	id = target_text(disk, loss->target, where, sizeof(where));
	if (loss->nr_lost) {
		hc_env_text(disk->node, loss->env, who);
		hc_event(disk->node, HC_EV_PAGES_LOST, id, loss->env, loss->nr_lost,
			 "%s: %u pages have no copy left, the last ones were at %s; a program that touches one gets SIGBUS.",
			 who, loss->nr_lost, where);
	}
	if (loss->nr_degraded) {
		if (!disk->was_degraded)
			hc_event(disk->node, HC_EV_DEGRADED, id, loss->env, loss->nr_degraded,
				 "Pages have a copy less than they should; they are copied again.");
		disk->was_degraded = true;
		hc_repair_kick();
	}
}

/* ---- what peers and environments do to the map ---- */

/* One event of an environment, however many slabs the donor had of it. */
static void env_tell_lost(struct hc_disk *disk, struct hc_env *env, u8 target)
{
	struct hc_loss loss = { .env = env->map.id, .target = target };

	spin_lock_irq(&disk->node->map_lock);
	loss.nr_lost = env->just_lost;
	env->just_lost = 0;
	spin_unlock_irq(&disk->node->map_lock);
	hc_disk_lost(disk, &loss);
}

static void slab_drop(struct hc_disk *disk, u32 slab, struct hc_loss *sum)
{
	struct hc_node *node = disk->node;
	struct hc_loss loss = {};
	struct hc_menv *menv;

	spin_lock_irq(&node->map_lock);
	if (disk->map.slabs[slab].target == sum->target)
		hc_map_slab_drop(&disk->map, slab, &loss);
	menv = node->envs[loss.env];
	if (loss.nr_lost && menv)
		container_of(menv, struct hc_env, map)->just_lost += loss.nr_lost;
	if (loss.nr_degraded)
		sum->env = loss.env;
	sum->nr_lost += loss.nr_lost;
	sum->nr_degraded += loss.nr_degraded;
	spin_unlock_irq(&node->map_lock);
}

void hc_disk_drop_target(struct hc_node *node, u8 target, struct hc_loss *ret_loss)
{
	struct hc_loss degraded;
	struct hc_disk *disk;
	struct hc_env *env;
	u32 i;

	lockdep_assert_held(&node->lock);
	memset(ret_loss, 0, sizeof(*ret_loss));
	ret_loss->target = target;
	disk = hc_disk_get(node);
	if (!disk)
		return;
	for (i = 0; i < disk->map.nr_slabs && READ_ONCE(disk->map.leased[target]); i++) {
		if (READ_ONCE(disk->map.slabs[i].state) == HC_SLAB_FREE ||
		    disk->map.slabs[i].target != target)
			continue;
		slab_drop(disk, i, ret_loss);
		cond_resched();
	}
	list_for_each_entry(env, &node->env_list, list)
		env_tell_lost(disk, env, target);
	degraded = *ret_loss;
	degraded.nr_lost = 0;
	hc_disk_lost(disk, &degraded);
	hc_disk_put(disk);
}

/* Slab @i of a walk over all that finds little to do. */
static void walk_pause(u32 i)
{
	if (!(i & 1023))
		cond_resched();
}

void hc_disk_unquarantine(struct hc_node *node, u8 target, u8 conn)
{
	struct hc_disk *disk = hc_disk_get(node);
	u32 i;

	if (!disk)
		return;
	for (i = 0; i < disk->map.nr_slabs && READ_ONCE(disk->map.leased[target]); i++) {
		walk_pause(i);
		if (disk->map.slabs[i].target != target)
			continue;
		spin_lock_irq(&disk->node->map_lock);
		if (disk->map.slabs[i].target == target)
			hc_map_unquarantine(&disk->map, i, conn);
		spin_unlock_irq(&disk->node->map_lock);
		cond_resched();
	}
	hc_disk_put(disk);
}

static void recall_all(struct hc_disk *disk, u8 target)
{
	u32 i;

	for (i = 0; i < disk->map.nr_slabs && READ_ONCE(disk->map.leased[target]); i++) {
		walk_pause(i);
		if (disk->map.slabs[i].target != target)
			continue;
		spin_lock_irq(&disk->node->map_lock);
		if (disk->map.slabs[i].target == target)
			hc_map_slab_recall(&disk->map, i);
		spin_unlock_irq(&disk->node->map_lock);
		cond_resched();
	}
}

void hc_disk_recall(struct hc_node *node, u8 target, u32 nr, const u32 *ids)
{
	struct hc_disk *disk = hc_disk_get(node);
	u32 i;

	if (!disk)
		return;
	if (!nr)
		recall_all(disk, target);
	for (i = 0; i < nr; i++) {
		u32 slab;

		spin_lock_irq(&disk->node->map_lock);
		slab = hc_map_slab_find(&disk->map, target, le32_to_cpu((__force __le32)ids[i]));
		if (slab != HC_SLAB_NONE)
			hc_map_slab_recall(&disk->map, slab);
		else
			hc_lease_stray(node, target, le32_to_cpu((__force __le32)ids[i]));
		spin_unlock_irq(&disk->node->map_lock);
	}
	hc_disk_put(disk);
	hc_repair_kick();
	hc_lease_kick(node);
}

void hc_disk_recall_leaving(struct hc_node *node)
{
	struct hc_disk *disk = hc_disk_get(node);
	u32 i;

	if (!disk)
		return;
	for (i = 0; i < disk->map.nr_slabs; i++) {
		struct hc_slab *slab = &disk->map.slabs[i];
		struct hc_share *share;

		walk_pause(i);
		if (READ_ONCE(slab->state) != HC_SLAB_LIVE)
			continue;
		spin_lock_irq(&disk->node->map_lock);
		share = slab->state == HC_SLAB_LIVE && node->envs[slab->env] ?
			hc_menv_share(node->envs[slab->env], slab->target) : NULL;
		if (share && share->is_leaving)
			hc_map_slab_recall(&disk->map, i);
		spin_unlock_irq(&disk->node->map_lock);
		cond_resched();
	}
	hc_disk_put(disk);
	hc_repair_kick();
}

void hc_disk_return_all(struct hc_node *node, struct hc_menv *env)
{
	struct hc_disk *disk = hc_disk_get(node);
	u32 i;

	if (!disk)
		return;
	for (i = 0; i < env->nr_shares; i++) {
		bool more = true;

		env->share[i].is_leaving = true;
		while (more) {
			spin_lock_irq(&disk->node->map_lock);
			more = hc_map_slab_trim(&disk->map, env, env->share[i].target, 0);
			spin_unlock_irq(&disk->node->map_lock);
			cond_resched();
		}
	}
	hc_disk_put(disk);
}

u64 hc_disk_target_used(struct hc_node *node, u8 target)
{
	struct hc_disk *disk = hc_disk_get(node);
	u64 n = disk ? READ_ONCE(disk->map.used[target]) : 0;

	hc_disk_put(disk);
	return n;
}

u64 hc_disk_target_leased(struct hc_node *node, u8 target)
{
	struct hc_disk *disk = hc_disk_get(node);
	u64 n = disk ? READ_ONCE(disk->map.leased[target]) : 0;

	hc_disk_put(disk);
	return n;
}

/* ---- the block device ---- */

/* The kernel freed a swap slot. Always atomic, sometimes with interrupts off. */
static void slot_free_notify(struct block_device *bdev, unsigned long offset)
{
	struct hc_disk *disk;
	unsigned long flags;

	rcu_read_lock();
	disk = READ_ONCE(bdev->bd_disk->private_data);
	if (disk && offset) {
		spin_lock_irqsave(&disk->node->map_lock, flags);
		hc_map_free(&disk->map, offset);
		spin_unlock_irqrestore(&disk->node->map_lock, flags);
		/* Slabs may be empty now; once in a while is soon enough. */
		if (!(atomic64_inc_return(&disk->freed) & 255))
			hc_lease_kick(disk->node);
	}
	rcu_read_unlock();
}

/* Under gd->open_mutex, as is_ending is. */
static int disk_open(hc_open_args)
{
	struct hc_disk *disk = hc_open_disk->private_data;

	return !disk || disk->is_ending ? -ENXIO : 0;
}

static const struct block_device_operations disk_fops = {
	.owner			= THIS_MODULE,
	.open			= disk_open,
	.swap_slot_free_notify	= slot_free_notify,
};

static void map_free(struct hc_disk *disk)
{
	vfree(disk->map.slots);
	vfree(disk->map.slabs);
	vfree(disk->map.needs);
}

/* Every page twice, a quarter of slack, and what is kept ahead. */
static u32 slabs_of(u32 nr_slots)
{
	return nr_slots / HC_SLAB_PAGES * 5 / 2 + 1024;
}

/* Is the map of a disk of this size more than this machine should spend on it? */
static bool map_too_big(u64 size_bytes)
{
	u32 nr_slots = size_bytes >> PAGE_SHIFT;
	u64 bytes = (u64)nr_slots * sizeof(struct hc_slot) +
		    (u64)slabs_of(nr_slots) * sizeof(struct hc_slab);

	return bytes > (u64)totalram_pages() << PAGE_SHIFT >> 3;
}

static int map_alloc(struct hc_disk *disk, u32 nr_slots)
{
	u32 nr_slabs = slabs_of(nr_slots);
	struct hc_slot *slots = vzalloc(array_size(nr_slots, sizeof(*slots)));
	struct hc_slab *slabs = vzalloc(array_size(nr_slabs, sizeof(*slabs)));
	unsigned long *needs = vzalloc(BITS_TO_LONGS(nr_slots) * sizeof(long));

	disk->map.slots = slots;
	disk->map.slabs = slabs;
	disk->map.needs = needs;
	if (!slots || !slabs || !needs)
		return -ENOMEM;
	hc_map_init(&disk->map, slots, nr_slots, slabs, nr_slabs, needs, disk->node->envs,
		    ARRAY_SIZE(disk->node->envs));
	return 0;
}

static struct hc_env *host_env_make(struct hc_node *node)
{
	struct hc_env *env = kzalloc(sizeof(*env), GFP_KERNEL);

	if (!env)
		return NULL;
	hc_menv_init(&env->map, HC_ENV_HOST, 0, 0);
	env->node = node;
	refcount_set(&env->refs, 1);
	return env;
}

static void disk_free(struct hc_disk *disk)
{
	hc_repairer_free(disk->repairer);
	hc_env_put(disk->host_env);
	if (disk->header)
		__free_page(disk->header);
	map_free(disk);
	kfree(disk);
}

static struct hc_disk *disk_alloc(struct hc_node *node, u64 size_bytes, bool checksum)
{
	struct hc_disk *disk = kzalloc(sizeof(*disk), GFP_KERNEL);

	if (!disk)
		return NULL;
	disk->node = node;
	disk->checksum = checksum;
	disk->header = alloc_page(GFP_KERNEL | __GFP_ZERO);
	disk->repairer = hc_repairer_alloc();
	disk->host_env = host_env_make(node);
	if (!disk->header || !disk->repairer || !disk->host_env ||
	    map_alloc(disk, size_bytes >> PAGE_SHIFT)) {
		disk_free(disk);
		return NULL;
	}
	return disk;
}

static int queue_alloc(struct hc_disk *disk, u64 size_bytes)
{
	struct gendisk *gd;
	int err;

	disk->set.ops = &hc_io_ops;
	disk->set.nr_hw_queues = min(num_possible_cpus(), QUEUES_MAX);
	disk->set.queue_depth = QUEUE_DEPTH;
	disk->set.numa_node = NUMA_NO_NODE;
	disk->set.cmd_size = hc_io_size();
	disk->set.flags = BLK_MQ_F_BLOCKING | BLK_MQ_F_NO_SCHED;
	disk->set.timeout = msecs_to_jiffies(TIMEOUT_MS);
	err = blk_mq_alloc_tag_set(&disk->set);
	if (err)
		return err;
	gd = hc_disk_alloc(&disk->set, HC_IO_PAGES, disk);
	if (IS_ERR(gd)) {
		blk_mq_free_tag_set(&disk->set);
		return PTR_ERR(gd);
	}
	gd->flags |= GENHD_FL_NO_PART;
	gd->fops = &disk_fops;
	gd->private_data = disk;
	strscpy(gd->disk_name, "hcswap0", sizeof(gd->disk_name));
	set_capacity(gd, size_bytes >> SECTOR_SHIFT);
	disk->gd = gd;
	return 0;
}

/* The shares of environments outlive the disk: nothing is leased any more. */
static void shares_reset(struct hc_node *node)
{
	struct hc_env *env;
	u32 i;

	lockdep_assert_held(&node->lock);
	lockdep_assert_held(&node->map_lock);
	list_for_each_entry(env, &node->env_list, list) {
		struct hc_menv *m = &env->map;

		env->is_full = false;
		m->nr_data = 0;
		m->nr_degraded = 0;
		m->nr_lost = 0;
		m->nr_writing = 0;
		for (i = 0; i < m->nr_shares; i++) {
			struct hc_share *s = &m->share[i];

			s->head = HC_SLAB_NONE;
			s->nr_slabs = 0;
			s->nr_free = 0;
			s->nr_leaving = 0;
		}
	}
}

/* The map takes over the environments, without anything leased; or gives them up. */
static void disk_attach(struct hc_disk *disk, bool attach)
{
	struct hc_node *node = disk->node;
	struct hc_peer *peer;

	mutex_lock(&node->lock);
	spin_lock_irq(&node->map_lock);
	shares_reset(node);
	node->envs[HC_ENV_HOST] = attach ? &disk->host_env->map : NULL;
	WRITE_ONCE(node->targets[HC_TARGET_LOCAL].is_live, attach && the_backing);
	WRITE_ONCE(node->targets[HC_TARGET_LOCAL].no_new, false);
	disk->backing = attach ? the_backing : NULL;
	if (the_backing) {
		bitmap_zero(the_backing->slabs, the_backing->nr_slabs);
		the_backing->rest_end = 0;
	}
	/* All we borrowed before is over; the next request to each donor says so. */
	list_for_each_entry(peer, &node->peers, list)
		WRITE_ONCE(peer->epoch, peer->epoch + !attach);
	spin_unlock_irq(&node->map_lock);
	mutex_unlock(&node->lock);
}

/* Nobody sees the disk any more: no request, no free of a slot, no work. */
static void disk_hide(struct hc_disk *disk)
{
	WRITE_ONCE(disk->gd->private_data, NULL);
	synchronize_rcu();
	disk_set(NULL);
	hc_lease_stop();
	hc_repair_stop();
	wait_event(unused_wq, is_unused());
	disk_attach(disk, false);
	hc_envs_reap(disk->node);
}

static void disk_release(struct hc_disk *disk)
{
	put_disk(disk->gd);
	blk_mq_free_tag_set(&disk->set);
	disk_free(disk);
}

static int disk_start(struct hc_disk *disk, struct netlink_ext_ack *extack)
{
	int err;

	disk_attach(disk, true);
	disk_set(disk);
	/* udev reads from it at once; so it must be reachable already. */
	err = device_add_disk(NULL, disk->gd, NULL);
	if (!err) {
		hc_lease_start();
		return 0;
	}
	hc_extack(extack, "the block layer refused the disk");
	disk_hide(disk);
	disk_release(disk);
	return err;
}

int hc_disk_add(struct hc_node *node, u64 size_bytes, bool checksum,
		struct netlink_ext_ack *extack)
{
	struct hc_disk *disk;
	int err;

	mutex_lock(&admin_lock);
	if (the_disk) {
		hc_extack(extack, "the swap disk exists already; there is one per machine");
		mutex_unlock(&admin_lock);
		return -EEXIST;
	}
	if (map_too_big(size_bytes)) {
		hc_extack(extack,
			  "its map would take more than an eighth of this machine's memory; make it smaller");
		mutex_unlock(&admin_lock);
		return -ENOMEM;
	}
	disk = disk_alloc(node, size_bytes, checksum);
	err = disk ? queue_alloc(disk, size_bytes) : -ENOMEM;
	if (err) {
		hc_extack(extack, "out of memory for the map of the swap disk");
		if (disk)
			disk_free(disk);
	} else {
		err = disk_start(disk, extack);
	}
	mutex_unlock(&admin_lock);
	return err;
}

/* del_gendisk() waits for the requests under way; donors end all of them in bounded time. */
static void disk_remove(struct hc_disk *disk)
{
	struct hc_node *node = disk->node;

	lockdep_assert_held(&admin_lock);
	del_gendisk(disk->gd);
	disk_hide(disk);
	hc_lease_end(node);
	disk_release(disk);
}

/* From here on nobody can open it; false when somebody has. */
static bool disk_close_door(struct hc_disk *disk)
{
	bool closed;

	mutex_lock(&disk->gd->open_mutex);
	closed = !disk_openers(disk->gd);
	disk->is_ending = closed;
	mutex_unlock(&disk->gd->open_mutex);
	return closed;
}

int hc_disk_del(struct hc_node *node, struct netlink_ext_ack *extack)
{
	int err = 0;

	mutex_lock(&admin_lock);
	if (!the_disk || the_disk->node != node) {
		hc_extack(extack, "there is no swap disk on this node");
		err = -ENODEV;
	} else if (!disk_close_door(the_disk)) {
		hc_extack(extack, "the swap disk is in use; swapoff first");
		err = -EBUSY;
	} else {
		disk_remove(the_disk);
	}
	mutex_unlock(&admin_lock);
	return err;
}

void hc_disk_node_gone(struct hc_node *node)
{
	mutex_lock(&admin_lock);
	/* Even when open: its pages end with the namespace, swapoff works on what is left. */
	if (the_disk && the_disk->node == node)
		disk_remove(the_disk);
	mutex_unlock(&admin_lock);
}

/* ---- merging ---- */

void hc_disk_no_merge(struct hc_disk *disk)
{
	struct request_queue *q = disk->gd->queue;

	/* Somebody else may have said so by sysfs: that stays. */
	if (blk_queue_nomerges(q) && !READ_ONCE(disk->no_merge_at))
		return;
	WRITE_ONCE(disk->no_merge_at, jiffies ?: 1);
	blk_queue_flag_set(QUEUE_FLAG_NOMERGES, q);
}

void hc_disk_merge_again(struct hc_disk *disk)
{
	unsigned long at = READ_ONCE(disk->no_merge_at);

	if (!at || time_before(jiffies, at + msecs_to_jiffies(NO_MERGE_MS)))
		return;
	blk_queue_flag_clear(QUEUE_FLAG_NOMERGES, disk->gd->queue);
	/* A reason meanwhile: that flag may have been set before it was cleared here. */
	if (cmpxchg(&disk->no_merge_at, at, 0) != at)
		blk_queue_flag_set(QUEUE_FLAG_NOMERGES, disk->gd->queue);
}

/* ---- the local backing ---- */

int hc_backing_add(struct hc_node *node, const char *path, struct netlink_ext_ack *extack)
{
	const char *why = "out of memory";
	struct hc_backing *b;
	int err = 0;

	b = hc_backing_open(path, &why);
	if (IS_ERR(b)) {
		hc_extack(extack, why);
		return PTR_ERR(b);
	}
	b->on_error = hc_backing_failed;
	mutex_lock(&admin_lock);
	if (the_backing) {
		hc_extack(extack, "there is a backing device already");
		err = -EEXIST;
	} else if (the_disk && b->dev.bdev->bd_disk == the_disk->gd) {
		/* Each would keep the other from being deleted. */
		hc_extack(extack, "the swap disk can't be its own backing");
		err = -EINVAL;
	} else {
		the_backing = b;
		if (the_disk) {
			spin_lock_irq(&the_disk->node->map_lock);
			the_disk->backing = b;
			WRITE_ONCE(the_disk->node->targets[HC_TARGET_LOCAL].is_live, true);
			spin_unlock_irq(&the_disk->node->map_lock);
		}
	}
	mutex_unlock(&admin_lock);
	if (err)
		hc_backing_close(b);
	else
		hc_lease_kick(node);
	return err;
}

int hc_backing_del(struct hc_node *node, struct netlink_ext_ack *extack)
{
	int err = 0;

	mutex_lock(&admin_lock);
	if (!the_backing) {
		hc_extack(extack, "there is no backing device");
		err = -ENODEV;
	} else if (the_disk) {
		hc_extack(extack, "the swap disk uses it; delete the disk first");
		err = -EBUSY;
	} else {
		hc_backing_close(the_backing);
		the_backing = NULL;
	}
	mutex_unlock(&admin_lock);
	return err;
}

void hc_disk_exit(void)
{
	/* A kick may still be waiting for its time. */
	hc_lease_stop();
	hc_repair_stop();
	if (the_backing)
		hc_backing_close(the_backing);
	the_backing = NULL;
	hc_backing_watch_stop();
}
