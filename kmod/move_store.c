// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Memory of a moved program that is not here yet.
 *
 *	mapping ──► span (its pages when it was moved) ──► store ──► chunk: 512 slots
 *
 *	slot:  HOME ──asked──► ASKED ──arrived──► page ──installed──► NONE
 *	         └── thrown away by the program (MADV_DONTNEED, munmap) ──► NONE
 *
 * The mappings are private anonymous memory with our operations put on top: a fault
 * asks the source, and installs the page by a second fault inside the first, for which
 * the kernel copies it into an ordinary anonymous page. Meanwhile the store's worker
 * fetches everything else. When no slot is left the operations come off, and nothing
 * distinguishes the mappings from any other.
 *
 * A page is asked for once: whoever turns HOME into ASKED sends the request, everybody
 * else waits. Slots change by cmpxchg, also in softirq where pages arrive. A child made
 * by fork gets a store of its own; the source lets go when all of them are through.
 */
#include <linux/bvec.h>
#include <linux/hash.h>
#include <linux/highmem.h>
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

/* ---- life ---- */

static void store_release(struct kref *kref)
{
	struct hc_store *store = container_of(kref, struct hc_store, kref);
	unsigned long index, *slots;
	unsigned int i;

	xa_for_each(&store->chunks, index, slots) {
		for (i = 0; i < CHUNK_SLOTS; i++)
			if (hc_slot_is_page(slots[i]))
				put_page((struct page *)slots[i]);
		free_page((unsigned long)slots);
	}
	xa_destroy(&store->chunks);
	hc_move_put(store->move);
	kfree(store);
}

void hc_store_put(struct hc_store *store)
{
	kref_put(&store->kref, store_release);
}

struct hc_store *hc_store_new(struct hc_move *move)
{
	struct hc_store *store = kzalloc(sizeof(*store), GFP_KERNEL);

	if (!store)
		return NULL;
	kref_init(&store->kref);
	store->move = hc_move_get(move);
	INIT_LIST_HEAD(&store->list);
	xa_init(&store->chunks);
	init_waitqueue_head(&store->wq);
	INIT_WORK(&store->work, hc_store_work);
	init_llist_head(&store->arrived);
	return store;
}

static void slot_clear(struct hc_store *store, unsigned long *slot)
{
	unsigned long old = xchg(slot, SLOT_NONE);

	if (old == SLOT_NONE)
		return;
	if (hc_slot_is_page(old))
		put_page((struct page *)old);
	atomic_long_dec(&store->left);
}

int hc_store_add(struct hc_store *store, u64 start, u64 nr)
{
	u64 pgno = start >> PAGE_SHIFT, end = pgno + nr;

	while (pgno < end) {
		unsigned long *slots = xa_load(&store->chunks, pgno >> CHUNK_SHIFT);

		if (!slots) {
			slots = (unsigned long *)get_zeroed_page(GFP_KERNEL);
			if (!slots)
				return -ENOMEM;
			if (xa_err(xa_store(&store->chunks, pgno >> CHUNK_SHIFT, slots,
					    GFP_KERNEL))) {
				free_page((unsigned long)slots);
				return -ENOMEM;
			}
		}
		do {
			slots[pgno & (CHUNK_SLOTS - 1)] = SLOT_HOME;
			atomic_long_inc(&store->left);
			pgno++;
		} while (pgno < end && pgno & (CHUNK_SLOTS - 1));
		cond_resched();
	}
	return 0;
}

u64 hc_store_left(struct hc_store *store)
{
	return max_t(long, atomic_long_read(&store->left), 0);
}

/* ---- waiting ---- */

static bool is_here(struct hc_store *store, unsigned long *slot)
{
	unsigned long v = READ_ONCE(*slot);

	return (v != SLOT_HOME && v != SLOT_ASKED) || READ_ONCE(store->is_dead);
}

/* Until the page is here. 0, -EINTR (killed), -EIO (never comes) */
static int page_await(struct hc_store *store, u64 pgno, u64 end)
{
	unsigned long until = jiffies + msecs_to_jiffies(PATIENCE_MS);
	unsigned long *slot = hc_slot_of(store, pgno);

	atomic64_inc(&store->move->nr_faults);
	while (!is_here(store, slot)) {
		if (READ_ONCE(*slot) == SLOT_HOME)
			hc_store_ask(store, pgno, end, false);
		if (wait_event_killable_timeout(store->wq, is_here(store, slot) ||
						READ_ONCE(*slot) == SLOT_HOME, HZ / 5) < 0)
			return -EINTR;
		if (is_here(store, slot))
			break;
		if (time_after(jiffies, until))
			return -EIO;
		/* It can't be asked now: not so fast. */
		if (READ_ONCE(*slot) == SLOT_HOME && schedule_timeout_killable(HZ / 20) &&
		    fatal_signal_pending(current))
			return -EINTR;
	}
	return 0;
}

/* ---- faults ---- */

/* Who is just installing which page, by a fault inside the fault. */
struct installer {
	struct mutex lock;
	struct task_struct *owner;
	struct hc_span *span;
	u64 pgno;
	struct page *page;
};

#define INSTALLERS_BITS	8
static struct installer installers[1 << INSTALLERS_BITS];

static struct installer *installer_of(struct hc_span *span, u64 pgno)
{
	return &installers[hash_64(pgno ^ (unsigned long)span->store, INSTALLERS_BITS)];
}

void hc_store_init(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(installers); i++)
		mutex_init(&installers[i].lock);
}

/* The page to install: a reference, or NULL. Zeros where nothing has to come. */
static struct page *page_take(unsigned long *slot)
{
	unsigned long v = slot ? READ_ONCE(*slot) : SLOT_NONE;

	if (hc_slot_is_page(v)) {
		get_page((struct page *)v);
		return (struct page *)v;
	}
	return v == SLOT_NONE ? alloc_page(GFP_HIGHUSER_MOVABLE | __GFP_ZERO) : NULL;
}

/* Installs it; NULL slot: outside of what was moved. */
static vm_fault_t page_install(struct vm_fault *vmf, struct hc_span *span, unsigned long *slot)
{
	struct installer *in = installer_of(span, vmf->pgoff);
	vm_fault_t ret;

	mutex_lock(&in->lock);
	in->page = page_take(slot);
	if (!in->page) {
		mutex_unlock(&in->lock);
		/* It changed meanwhile, or memory is short: look again. */
		return slot && READ_ONCE(*slot) != SLOT_NONE ? VM_FAULT_NOPAGE : VM_FAULT_OOM;
	}
	in->span = span;
	in->pgno = vmf->pgoff;
	in->owner = current;
	ret = handle_mm_fault(vmf->vma, vmf->address, FAULT_FLAG_WRITE | FAULT_FLAG_REMOTE, NULL);
	in->owner = NULL;
	/* Only now: what is not installed must not be lost. */
	if (slot && !(ret & VM_FAULT_ERROR))
		slot_clear(span->store, slot);
	put_page(in->page);
	in->page = NULL;
	mutex_unlock(&in->lock);
	return ret & VM_FAULT_ERROR ? ret : VM_FAULT_NOPAGE;
}

static vm_fault_t store_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct hc_span *span = vma->vm_private_data;
	struct hc_store *store = span->store;
	struct installer *in = installer_of(span, vmf->pgoff);
	unsigned long *slot = NULL;
	unsigned int flags = vmf->flags;
	u64 end = span->first + span->nr;
	int err;

	if (READ_ONCE(in->owner) == current && in->span == span && in->pgno == vmf->pgoff) {
		vmf->page = in->page;
		get_page(in->page);
		return 0;
	}
	if (vmf->pgoff >= span->first && vmf->pgoff < end)
		slot = hc_slot_of(store, vmf->pgoff);
	if (!slot || is_here(store, slot)) {
		unsigned long v = slot ? READ_ONCE(*slot) : SLOT_NONE;

		if (v == SLOT_HOME || v == SLOT_ASKED || v == SLOT_LOST)
			return VM_FAULT_SIGBUS;
		return page_install(vmf, span, slot);
	}
	if (flags & FAULT_FLAG_ALLOW_RETRY && flags & FAULT_FLAG_RETRY_NOWAIT)
		return VM_FAULT_RETRY;
	if (flags & FAULT_FLAG_ALLOW_RETRY && !(flags & FAULT_FLAG_TRIED)) {
		u64 pgno = vmf->pgoff;

		kref_get(&store->kref);
		hc_release_fault_lock(vmf);	/* the mapping may go from here on */
		err = page_await(store, pgno, end);
		if (err == -EIO)
			hc_store_fail(store);
		hc_store_put(store);
		return VM_FAULT_RETRY;
	}
	err = page_await(store, vmf->pgoff, end);
	if (err == -EIO)
		hc_store_fail(store);
	return err ? VM_FAULT_SIGBUS : VM_FAULT_NOPAGE;
}

/* ---- mappings come and go ---- */

static struct hc_span *span_new(struct hc_store *store, u64 first, u64 nr)
{
	struct hc_span *span = kzalloc(sizeof(*span), GFP_KERNEL);

	if (!span)
		return NULL;
	refcount_set(&span->refs, 1);
	kref_get(&store->kref);
	span->store = store;
	span->first = first;
	span->nr = nr;
	atomic_inc(&store->nr_spans);
	return span;
}

void hc_span_put(struct hc_span *span)
{
	struct hc_store *store;

	if (!refcount_dec_and_test(&span->refs))
		return;
	store = span->store;
	if (atomic_dec_and_test(&store->nr_spans))
		wake_up_all(&store->wq);
	hc_store_put(store);
	kfree(span);
}

static void store_close(struct vm_area_struct *vma)
{
	if (vma->vm_private_data)
		hc_span_put(vma->vm_private_data);
}

static struct hc_store *store_of_mm(struct hc_move *move, struct mm_struct *mm)
{
	struct hc_store *store, *found = NULL;

	spin_lock(&move->lock);
	list_for_each_entry(store, &move->stores, list)
		if (store->mm == mm)
			found = store;
	spin_unlock(&move->lock);
	return found;
}

/* What the parent waits for the child waits for too, but asks itself. */
static int store_copy(struct hc_store *to, struct hc_store *from)
{
	unsigned long index, *slots;
	unsigned int i;

	xa_for_each(&from->chunks, index, slots) {
		unsigned long *copy = (unsigned long *)get_zeroed_page(GFP_KERNEL);

		if (!copy)
			return -ENOMEM;
		for (i = 0; i < CHUNK_SLOTS; i++) {
			unsigned long v = READ_ONCE(slots[i]);

			if (v == SLOT_NONE)
				continue;
			/* No page leaves a slot while we hold the parent's mmap_lock. */
			if (hc_slot_is_page(v))
				get_page((struct page *)v);
			copy[i] = v == SLOT_ASKED ? SLOT_HOME : v;
			atomic_long_inc(&to->left);
		}
		if (xa_err(xa_store(&to->chunks, index, copy, GFP_KERNEL))) {
			free_page((unsigned long)copy);
			return -ENOMEM;
		}
	}
	return 0;
}

static int store_list(struct hc_store *store, struct mm_struct *mm, bool is_locked);

static struct hc_store *store_of_child(struct hc_store *parent, struct mm_struct *mm)
{
	struct hc_store *store = store_of_mm(parent->move, mm);

	if (store)
		return store;
	store = hc_store_new(parent->move);
	if (!store)
		return NULL;
	store->is_dead = parent->is_dead;
	if (store_copy(store, parent) || store_list(store, mm, true)) {
		hc_store_put(store);
		return NULL;
	}
	hc_store_start(store);
	hc_store_put(store);	/* its spans and its worker hold it */
	return store;
}

/* A part of a mapping, a mapping that moves, or one of a new child. */
static void store_open(struct vm_area_struct *vma)
{
	struct hc_span *span = vma->vm_private_data, *copy = NULL;
	struct hc_store *store;

	if (!span)
		return;
	if (vma->vm_mm == span->store->mm) {
		refcount_inc(&span->refs);
		return;
	}
	store = store_of_child(span->store, vma->vm_mm);
	if (store)
		copy = span_new(store, span->first, span->nr);
	if (copy && vma->vm_flags & VM_WIPEONFORK) {
		copy->first = 0;
		copy->nr = 0;
	}
	/* Without memory the child can't have it: a mapping that gives SIGBUS. */
	vma->vm_private_data = copy;
}

static vm_fault_t store_fault_checked(struct vm_fault *vmf)
{
	return vmf->vma->vm_private_data ? store_fault(vmf) : VM_FAULT_SIGBUS;
}

/* No map_pages(): with it the kernel would call fault() without mmap_lock. */
const struct vm_operations_struct hc_store_vm_ops = {
	.open	= store_open,
	.close	= store_close,
	.fault	= store_fault_checked,
};

int hc_store_graft(struct hc_store *store, struct mm_struct *mm, unsigned long addr)
{
	struct vm_area_struct *vma = find_vma(mm, addr);
	struct hc_span *span;

	mmap_assert_write_locked(mm);
	if (!vma || vma->vm_start > addr || vma->vm_ops || vma->vm_file)
		return -EFAULT;
	span = span_new(store, vma->vm_pgoff, vma_pages(vma));
	if (!span)
		return -ENOMEM;
	hc_vma_start_write(vma);
	vma->vm_private_data = span;
	vma->vm_ops = &hc_store_vm_ops;
	hc_vm_flags_set(vma, VM_DONTEXPAND);
	return 0;
}

/* ---- what the program throws away does not have to come ---- */

static int on_invalidate(struct mmu_notifier *notifier, const struct mmu_notifier_range *range)
{
	struct vm_area_struct *vma;
	unsigned long addr;

	if (range->event != MMU_NOTIFY_CLEAR)
		return 0;
	/* A mapping that is being split says so too, with the lock held for writing. */
	if (hc_mmap_is_write_locked(range->mm))
		return 0;
	{
		VMA_ITERATOR(vmi, range->mm, range->start);

		for_each_vma_range(vmi, vma, range->end) {
			struct hc_span *span = vma->vm_private_data;

			if (vma->vm_ops != &hc_store_vm_ops || !span)
				continue;
			for (addr = max(range->start, vma->vm_start);
			     addr < min(range->end, vma->vm_end); addr += PAGE_SIZE) {
				u64 pgno = linear_page_index(vma, addr);
				unsigned long *slot = hc_slot_of(span->store, pgno);

				if (slot && pgno >= span->first && pgno < span->first + span->nr)
					slot_clear(span->store, slot);
			}
		}
	}
	return 0;
}

static const struct mmu_notifier_ops notifier_ops = {
	.invalidate_range_start	= on_invalidate,
};

static int store_list(struct hc_store *store, struct mm_struct *mm, bool is_locked)
{
	int err;

	store->mm = mm;
	store->notifier.ops = &notifier_ops;
	err = is_locked ? __mmu_notifier_register(&store->notifier, mm) :
	      mmu_notifier_register(&store->notifier, mm);
	if (err)
		return err;
	store->has_notifier = true;
	atomic_inc(&store->move->nr_stores);
	spin_lock(&store->move->lock);
	list_add(&store->list, &store->move->stores);
	spin_unlock(&store->move->lock);
	return 0;
}

int hc_store_attach(struct hc_store *store, struct mm_struct *mm)
{
	return store_list(store, mm, false);
}

