// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A stopped program's memory at its source: which pages have content, and giving them
 * away one by one. The address space is held after the process became the shadow.
 */
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/pagewalk.h>
#include <linux/sched/mm.h>
#include <linux/swap.h>
#include <linux/swapops.h>
#include <linux/vmalloc.h>
#include <linux/xxhash.h>

#include "compat.h"
#include "move.h"

/* ---- which pages are there; mmap_lock is held, all threads are stopped ---- */

static pmd_t *pmd_at(struct mm_struct *mm, unsigned long addr)
{
	pgd_t *pgd = pgd_offset(mm, addr);
	p4d_t *p4d;
	pud_t *pud;
	pmd_t *pmd;

	if (pgd_none(*pgd))
		return NULL;
	p4d = p4d_offset(pgd, addr);
	if (p4d_none(*p4d))
		return NULL;
	pud = pud_offset(p4d, addr);
	if (pud_none(*pud) || hc_pud_leaf(*pud))
		return NULL;
	pmd = pmd_offset(pud, addr);
	return pmd_none(*pmd) ? NULL : pmd;
}

static bool pte_has_content(pte_t pte)
{
	if (pte_none(pte))
		return false;
	return !(pte_present(pte) && is_zero_pfn(pte_pfn(pte)));
}

/*
 * Call @fn for what is mapped at each page of one pmd. khugepaged may turn the table
 * into a huge page meanwhile: look at the pmd again under the lock of the table.
 */
static bool pmd_is_huge(pmd_t pmd)
{
	return pmd_trans_huge(pmd) || is_swap_pmd(pmd);
}

/* 1: content, 0: none, -1: a huge page */
static int look(struct mm_struct *mm, pmd_t *pmd, unsigned long addr, bool private_only)
{
	spinlock_t *lock;
	int is = 0;
	pte_t pte;

	if (pmd_is_huge(READ_ONCE(*pmd)))
		return -1;
	lock = pte_lockptr(mm, pmd);
	spin_lock(lock);
	if (pmd_is_huge(*pmd)) {
		is = -1;
	} else if (!pmd_none(*pmd) && !pmd_bad(*pmd)) {
		pte = *pte_offset_kernel(pmd, addr);
		if (!private_only)
			is = pte_has_content(pte);
		else if (pte_present(pte))
			is = !pte_special(pte) && PageAnon(pfn_to_page(pte_pfn(pte)));
		else
			is = !pte_none(pte);
	}
	spin_unlock(lock);
	return is;
}

bool hc_mm_is_private(struct mm_struct *mm, unsigned long addr)
{
	pmd_t *pmd = pmd_at(mm, addr);

	return pmd && look(mm, pmd, addr, true) == 1;
}

struct runs {
	struct hc_image *image;
	u64 start, nr, total;
};

static void run_end(struct runs *runs)
{
	struct hci_run *run;

	if (!runs->nr)
		return;
	run = hc_image_add(runs->image, HCI_RUN, sizeof(*run));
	if (run) {
		run->start = runs->start;
		run->nr = runs->nr;
	}
	runs->total += runs->nr;
	runs->nr = 0;
}

static void run_add(struct runs *runs, unsigned long addr, u64 nr)
{
	if (runs->nr && runs->start + (runs->nr << PAGE_SHIFT) != addr)
		run_end(runs);
	if (!runs->nr)
		runs->start = addr;
	runs->nr += nr;
}

u64 hc_mm_runs(struct mm_struct *mm, unsigned long start, unsigned long end,
	       struct hc_image *image)
{
	struct runs runs = { .image = image };
	unsigned long addr, next;

	for (addr = start; addr < end; addr = next) {
		pmd_t *pmd = pmd_at(mm, addr);

		next = pmd_addr_end(addr, end);
		if (!pmd)
			continue;
		for (; addr < next; addr += PAGE_SIZE) {
			int is = look(mm, pmd, addr, false);

			if (is < 0) {
				run_add(&runs, addr, (next - addr) >> PAGE_SHIFT);
				break;
			}
			if (is)
				run_add(&runs, addr, 1);
		}
		cond_resched();
	}
	run_end(&runs);
	return runs.total;
}

/* ---- giving them away ---- */

int hc_move_pages(struct hc_move *move, u64 addr, u32 nr, struct page **ret)
{
	long n = -ESRCH;
	int locked = 1;
	u32 i;

	down_read(&move->mm_lock);
	if (move->mm) {
		mmap_read_lock(move->mm);
		n = hc_get_user_pages(move->mm, addr, nr, FOLL_FORCE | FOLL_DUMP, ret, &locked);
		if (locked)
			mmap_read_unlock(move->mm);
	}
	up_read(&move->mm_lock);
	if (n == nr)
		return 0;
	for (i = 0; n > 0 && i < n; i++)
		put_page(ret[i]);
	return n < 0 ? n : -EFAULT;
}

void hc_move_memory_free(struct hc_move *move)
{
	struct mm_struct *mm;
	void *image;

	down_write(&move->mm_lock);
	mm = move->mm;
	move->mm = NULL;
	image = move->image;
	move->image = NULL;
	up_write(&move->mm_lock);
	vfree(image);
	if (mm)
		mmput(mm);
}

/* ---- the kernel's code in every program ---- */

/*
 * Of a process that has it: the one that asks. Two nodes with the same code and the
 * same layout of its data can exchange programs, whatever their kernels are called.
 */
u64 hc_vdso_hash(u64 *ret_len)
{
	struct mm_struct *mm = init_pid_ns.child_reaper ?
			       get_task_mm(init_pid_ns.child_reaper) : NULL;
	struct vm_area_struct *vma;
	unsigned long vdso, addr;
	u64 hash = 0, len = 0;

	*ret_len = 0;
	if (!mm)
		return 0;
	vdso = (unsigned long)mm->context.vdso;
	mmap_read_lock(mm);
	{
		VMA_ITERATOR(vmi, mm, vdso > 16 * PAGE_SIZE ? vdso - 16 * PAGE_SIZE : 0);

		for_each_vma(vmi, vma) {
			if (vma->vm_start > vdso)
				break;
			if (!hc_vma_is_vdso(mm, vma))
				continue;
			len += vma->vm_end - vma->vm_start;
			hash = hash * 31 + (vma->vm_end - vma->vm_start);
			for (addr = vma->vm_start; vma->vm_start == vdso && addr < vma->vm_end;
			     addr += PAGE_SIZE) {
				struct page *page;
				void *data;

				if (hc_get_user_pages(mm, addr, 1, FOLL_FORCE, &page, NULL) != 1) {
					hash = 0;
					continue;
				}
				data = kmap_local_page(page);
				hash ^= xxh64(data, PAGE_SIZE, hash);
				kunmap_local(data);
				put_page(page);
			}
		}
	}
	mmap_read_unlock(mm);
	mmput(mm);
	*ret_len = len;
	return hash;
}
