// SPDX-License-Identifier: GPL-2.0-or-later
/* A store's requests to the source, and its worker that fetches everything. */
#include <linux/bvec.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "compat.h"
#include "main.h"
#include "move_store.h"
#include "peer.h"

/* ---- asking ---- */

static void fetch_arrive(struct hc_fetch *f, bool is_good)
{
	struct hc_store *store = f->store;
	u32 i;

	for (i = 0; i < f->nr; i++) {
		unsigned long *slot = hc_slot_of(store, f->first + i);
		unsigned long to = is_good ? (unsigned long)f->pages[i] : SLOT_HOME;

		/* One page that the source can't read is lost; of a run ask for each alone. */
		if (!is_good && f->nr == 1 && f->call.answer.status)
			to = SLOT_LOST;
		if (cmpxchg(slot, SLOT_ASKED, to) == SLOT_ASKED && is_good)
			f->pages[i] = NULL;	/* the slot's now */
	}
}

static void fetch_free(struct hc_fetch *f)
{
	u32 i;

	for (i = 0; i < AROUND; i++)
		if (f->pages[i])
			put_page(f->pages[i]);
	hc_store_put(f->store);
	kfree(f);
}

static void fetch_done(struct hc_call *call, int err)
{
	struct hc_fetch *f = call->priv;
	struct hc_store *store = f->store;
	bool is_good = !err && !call->answer.status;

	if (err)
		call->answer.status = 0;
	else if (!is_good && f->nr > 1)
		WRITE_ONCE(store->is_careful, true);
	fetch_arrive(f, is_good);
	if (f->is_worker) {
		kref_get(&store->kref);
		llist_add(&f->node, &store->arrived);
		atomic_dec(&store->inflight);
		wake_up_all(&store->wq);
		hc_store_put(store);
		return;
	}
	wake_up_all(&store->wq);
	fetch_free(f);
}

int hc_store_ask(struct hc_store *store, u64 pgno, u64 end, bool is_worker)
{
	u32 max = READ_ONCE(store->is_careful) ? 1 : AROUND;
	struct hc_fetch *f;
	int err;

	f = kzalloc(sizeof(*f), GFP_KERNEL);
	if (!f)
		return -ENOMEM;
	kref_get(&store->kref);
	f->store = store;
	f->is_worker = is_worker;
	f->first = pgno;
	while (f->nr < max && pgno + f->nr < end) {
		unsigned long *slot = hc_slot_of(store, pgno + f->nr);
		struct page *page;

		if (!slot || READ_ONCE(*slot) != SLOT_HOME)
			break;
		page = alloc_page(GFP_HIGHUSER_MOVABLE & ~__GFP_HIGHMEM);
		if (!page)
			break;
		f->pages[f->nr] = page;
		bvec_set_page(&f->bv[f->nr], page, PAGE_SIZE, 0);
		if (cmpxchg(slot, SLOT_HOME, SLOT_ASKED) != SLOT_HOME)
			break;
		f->nr++;
	}
	if (!f->nr) {
		bool has_room = f->pages[0];
		unsigned long *slot = hc_slot_of(store, pgno);

		fetch_free(f);
		return has_room || !slot || READ_ONCE(*slot) != SLOT_HOME ? 0 : -ENOMEM;
	}
	f->call.msg.type = HCW_MOVE_READ;
	f->call.msg.page = HCW_PART_MEMORY;
	f->call.msg.epoch = store->move->id;
	f->call.msg.arg = pgno;
	f->call.msg.nr = f->nr;
	f->call.bv = f->bv;
	f->call.done = fetch_done;
	f->call.priv = f;
	if (is_worker)
		atomic_inc(&store->inflight);
	err = hc_peer_call(store->move->peer, &f->call);
	if (err) {
		if (is_worker)
			atomic_dec(&store->inflight);
		f->call.answer.status = 0;
		fetch_arrive(f, false);
		wake_up_all(&store->wq);
		fetch_free(f);
	}
	return err;
}

/* ---- the worker ---- */

static bool has_work(struct hc_store *store)
{
	return !llist_empty(&store->arrived) || READ_ONCE(store->is_dead) ||
	       !atomic_read(&store->nr_spans) || atomic_read(&store->inflight) < WINDOW;
}

/* Fault pages in where they are mapped now; the number done. */
static u32 install_at(struct mm_struct *mm, unsigned long addr, u32 nr)
{
	struct page *pages[AROUND];
	int locked = 1;
	long i, n;

	mmap_read_lock(mm);
	n = hc_get_user_pages(mm, addr, nr, FOLL_FORCE, pages, &locked);
	if (locked)
		mmap_read_unlock(mm);
	for (i = 0; i < n; i++)
		put_page(pages[i]);
	return max(n, 0L);
}

static void install_arrived(struct hc_store *store, struct mm_struct *mm)
{
	struct llist_node *list = llist_reverse_order(llist_del_all(&store->arrived));
	struct hc_fetch *f, *tmp;

	llist_for_each_entry_safe(f, tmp, list, node) {
		bool is_ours = false;

		if (mm) {
			struct vm_area_struct *vma;
			unsigned long addr = f->first << PAGE_SHIFT;

			mmap_read_lock(mm);
			vma = find_vma(mm, addr);
			is_ours = vma && vma->vm_start <= addr && vma->vm_ops == &hc_store_vm_ops &&
				  linear_page_index(vma, addr) == f->first &&
				  vma->vm_end >= addr + (f->nr << PAGE_SHIFT);
			mmap_read_unlock(mm);
			if (is_ours)
				install_at(mm, addr, f->nr);
		}
		fetch_free(f);
		cond_resched();
	}
}

/* The next run of pages at home from *@pgno on: its end, or 0. Skips what is unmapped by and by. */
static u64 next_home(struct hc_store *store, u64 *pgno)
{
	unsigned long index = *pgno >> CHUNK_SHIFT, *slots;
	u64 from = *pgno;

	xa_for_each_start(&store->chunks, index, slots, index) {
		unsigned int i = index == from >> CHUNK_SHIFT ? from & (CHUNK_SLOTS - 1) : 0;

		for (; i < CHUNK_SLOTS; i++)
			if (READ_ONCE(slots[i]) == SLOT_HOME) {
				*pgno = ((u64)index << CHUNK_SHIFT) + i;
				return ((u64)index + 1) << CHUNK_SHIFT;
			}
		cond_resched();
	}
	return 0;
}

/* 0: everything that was at home has been asked for and has come. */
static int fetch_all(struct hc_store *store)
{
	unsigned long until = jiffies + msecs_to_jiffies(PATIENCE_MS);
	struct mm_struct *mm = store->mm;
	u64 pgno = 0, end;

	for (;;) {
		if (READ_ONCE(store->is_dead))
			return -EIO;
		if (!atomic_read(&store->nr_spans))
			return 0;
		if (!llist_empty(&store->arrived) && mmget_not_zero(mm)) {
			install_arrived(store, mm);
			mmput(mm);
			until = jiffies + msecs_to_jiffies(PATIENCE_MS);
		} else if (!llist_empty(&store->arrived)) {
			install_arrived(store, NULL);
		}
		if (atomic_read(&store->inflight) < WINDOW) {
			end = next_home(store, &pgno);
			if (end && hc_store_ask(store, pgno, end, true)) {
				if (time_after(jiffies, until))
					return -EIO;
				wait_event_timeout(store->wq, READ_ONCE(store->is_dead) ||
						   !atomic_read(&store->nr_spans), HZ / 10);
				continue;
			}
			if (end)
				continue;
			if (pgno) {
				pgno = 0;	/* once more from the start: some came back */
				if (next_home(store, &pgno)) {
					pgno = 0;
					continue;
				}
			}
			if (!atomic_read(&store->inflight) && llist_empty(&store->arrived))
				return 0;
		}
		wait_event_timeout(store->wq, has_work(store) &&
				   (atomic_read(&store->inflight) == 0 ||
				    !llist_empty(&store->arrived) || READ_ONCE(store->is_dead) ||
				    !atomic_read(&store->nr_spans)), HZ / 5);
	}
}

/* The first address from *@addr on whose slot is not NONE, or 0. mmap_lock is held. */
static unsigned long next_open(struct hc_store *store, struct mm_struct *mm, unsigned long from)
{
	VMA_ITERATOR(vmi, mm, from);
	struct vm_area_struct *vma;

	for_each_vma(vmi, vma) {
		struct hc_span *span = vma->vm_private_data;
		unsigned long addr = max(from, vma->vm_start);

		if (vma->vm_ops != &hc_store_vm_ops || !span)
			continue;
		while (addr < vma->vm_end) {
			u64 pgno = linear_page_index(vma, addr);
			unsigned long *slots = xa_load(&store->chunks, pgno >> CHUNK_SHIFT);

			if (!slots) {
				addr += (CHUNK_SLOTS - (pgno & (CHUNK_SLOTS - 1))) << PAGE_SHIFT;
				continue;
			}
			if (pgno >= span->first && pgno < span->first + span->nr &&
			    READ_ONCE(slots[pgno & (CHUNK_SLOTS - 1)]) != SLOT_NONE)
				return addr;
			addr += PAGE_SIZE;
		}
	}
	return 0;
}

/* Everything is here: the mappings become ordinary ones. -EAGAIN: not everything yet. */
static int let_go(struct hc_store *store, struct mm_struct *mm)
{
	struct vm_area_struct *vma;
	int err = 0;

	mmap_write_lock(mm);
	if (next_open(store, mm, 0)) {
		err = -EAGAIN;
	} else {
		VMA_ITERATOR(vmi, mm, 0);

		for_each_vma(vmi, vma) {
			if (vma->vm_ops != &hc_store_vm_ops || !vma->vm_private_data)
				continue;
			hc_vma_start_write(vma);
			hc_span_put(vma->vm_private_data);
			vma->vm_ops = NULL;
			vma->vm_private_data = NULL;
			hc_vm_flags_clear(vma, VM_DONTEXPAND);
		}
	}
	mmap_write_unlock(mm);
	return err;
}

static int finish(struct hc_store *store, struct mm_struct *mm)
{
	unsigned long addr = 0;

	for (;;) {
		if (READ_ONCE(store->is_dead))
			return -EIO;
		mmap_read_lock(mm);
		addr = next_open(store, mm, addr);
		mmap_read_unlock(mm);
		if (addr) {
			/* A lost page stays as it is, and what is around it. */
			if (!install_at(mm, addr, 1))
				return -EFAULT;
			cond_resched();
			continue;
		}
		if (!let_go(store, mm))
			return 0;
	}
}

static void store_end(struct hc_store *store)
{
	struct hc_move *move = store->move;

	spin_lock(&move->lock);
	list_del_init(&store->list);
	spin_unlock(&move->lock);
	if (store->has_notifier)
		mmu_notifier_unregister(&store->notifier, store->mm);
	store->has_notifier = false;
	if (atomic_dec_and_test(&move->nr_stores) && !store->is_dead)
		hc_move_fetched(move);
}

void hc_store_work(struct work_struct *work)
{
	struct hc_store *store = container_of(work, struct hc_store, work);
	struct mm_struct *mm = store->mm;
	int err;

	err = fetch_all(store);
	if (!err && atomic_read(&store->nr_spans) && mmget_not_zero(mm)) {
		err = finish(store, mm);
		mmput(mm);
	}
	/* What can't come any more is an error for whoever touches it; the rest works on. */
	if (err)
		hc_store_fail(store);
	wait_event(store->wq, !atomic_read(&store->inflight));
	install_arrived(store, NULL);
	while (err && atomic_read(&store->nr_spans))
		wait_event_timeout(store->wq, !atomic_read(&store->nr_spans), HZ);
	store_end(store);
	hc_store_put(store);
}

void hc_store_start(struct hc_store *store)
{
	if (!store->has_notifier || xchg(&store->is_started, true))
		return;
	kref_get(&store->kref);
	queue_work(hc_move_wq, &store->work);
}

void hc_store_fail(struct hc_store *store)
{
	WRITE_ONCE(store->is_dead, true);
	wake_up_all(&store->wq);
}

int hc_store_whole(struct hc_store *store)
{
	return fetch_all(store);
}
