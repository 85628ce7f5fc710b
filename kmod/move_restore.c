// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An image becomes a process. Every thread of the helper comes here and sleeps; the
 * last one replaces the address space, a work item sets the registers of the sleepers
 * (FPU state of a running thread can't be set), and from GO on each goes out into the
 * program: its registers are replaced by a task work, after the value of this very
 * call was written.
 */
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/regset.h>
#include <linux/restart_block.h>
#include <linux/sched/mm.h>
#include <linux/sched/coredump.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/syscalls.h>
#include <linux/task_work.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <uapi/linux/elf.h>

#include "compat.h"
#include "main.h"
#include "move.h"

#define SA_FLAGS (SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK | SA_RESTART | \
		  SA_NODEFER | SA_RESETHAND | SA_RESTORER)

/* A thread of the image, as one of the helper's takes its place. */
struct hc_thread_in {
	const struct hci_thread *in;	/* in the image */
	const struct hci_rec *xstate;
	struct task_struct *task;	/* reference held */
	struct callback_head cb;
	int ctl_fd;			/* to be closed; the leader's */
	struct restart_block restart;
};

/* ---- interrupted calls ---- */

static struct {
	const char *name;
	long (*fn)(struct restart_block *rb);
} restarts[] = {
	[HCI_RESTART_NONE]	= { "do_no_restart_syscall" },
	[HCI_RESTART_SLEEP]	= { "hrtimer_nanosleep_restart" },
	[HCI_RESTART_FUTEX]	= { "futex_wait_restart" },
	[HCI_RESTART_POLL]	= { "do_restart_poll" },
};

/* Not exported, and only called by the kernel itself with the block that it is for. */
int hc_restore_init(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(restarts); i++) {
		struct kprobe kp = { .symbol_name = restarts[i].name };

		if (register_kprobe(&kp))
			continue;	/* programs in such calls are refused */
		restarts[i].fn = hc_probed_function(&kp);
		unregister_kprobe(&kp);
	}
	return 0;
}

bool hc_restart_save(const struct restart_block *rb, struct hci_thread *ret)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(restarts); i++)
		if (restarts[i].fn && restarts[i].fn == rb->fn)
			break;
	ret->restart = i;
	switch (i) {
	case HCI_RESTART_NONE:
		return true;
	case HCI_RESTART_SLEEP:
		ret->restart_clock = rb->nanosleep.clockid;
		ret->restart_deadline_ns = rb->nanosleep.expires;
		if (rb->nanosleep.type == TT_NATIVE) {
			ret->restart_flags |= HCI_RS_REMAINS;
			ret->restart_uaddr = (__force u64)rb->nanosleep.rmtp;
		}
		if (rb->nanosleep.clockid == CLOCK_REALTIME)
			ret->restart_flags |= HCI_RS_REALTIME;
		return rb->nanosleep.type != TT_COMPAT &&
		       (rb->nanosleep.clockid == CLOCK_MONOTONIC ||
			rb->nanosleep.clockid == CLOCK_REALTIME);
	case HCI_RESTART_FUTEX:
		ret->restart_uaddr = (__force u64)rb->futex.uaddr;
		ret->restart_value = rb->futex.val;
		ret->restart_bitset = rb->futex.bitset;
		ret->restart_deadline_ns = rb->futex.time;
		if (rb->futex.flags & HC_FUTEX_TIMEOUT)
			ret->restart_flags |= HCI_RS_TIMEOUT;
		if (rb->futex.flags & HC_FUTEX_CLOCKRT)
			ret->restart_flags |= HCI_RS_REALTIME;
		if (rb->futex.flags & HC_FUTEX_SHARED)
			ret->restart_flags |= HCI_RS_SHARED;
		return !(rb->futex.flags & ~HC_FUTEX_ALL) &&
		       (rb->futex.flags & HC_FUTEX_BASE) == HC_FUTEX_BASE;
	case HCI_RESTART_POLL:
		ret->restart_uaddr = (__force u64)rb->poll.ufds;
		ret->restart_value = rb->poll.nfds;
		if (rb->poll.has_timeout) {
			ret->restart_flags |= HCI_RS_TIMEOUT;
			ret->restart_deadline_ns = rb->poll.tv_sec * NSEC_PER_SEC +
						   rb->poll.tv_nsec;
		}
		return true;
	default:
		ret->restart = HCI_RESTART_NONE;
		return false;
	}
}

bool hc_restart_load(const struct hci_thread *t, s64 off_ns, struct restart_block *ret)
{
	s64 deadline = t->restart_deadline_ns;

	memset(ret, 0, sizeof(*ret));
	ret->fn = restarts[t->restart].fn;
	if (!(t->restart_flags & HCI_RS_REALTIME))
		deadline = max_t(s64, deadline - off_ns, 1);
	switch (t->restart) {
	case HCI_RESTART_SLEEP:
		ret->nanosleep.clockid = t->restart_flags & HCI_RS_REALTIME ? CLOCK_REALTIME :
					 CLOCK_MONOTONIC;
		ret->nanosleep.expires = deadline;
		if (t->restart_flags & HCI_RS_REMAINS) {
			ret->nanosleep.type = TT_NATIVE;
			ret->nanosleep.rmtp = (void __user *)t->restart_uaddr;
		}
		break;
	case HCI_RESTART_FUTEX:
		ret->futex.uaddr = (void __user *)t->restart_uaddr;
		ret->futex.val = t->restart_value;
		ret->futex.bitset = t->restart_bitset;
		ret->futex.time = deadline;
		ret->futex.flags = HC_FUTEX_BASE;
		if (t->restart_flags & HCI_RS_TIMEOUT)
			ret->futex.flags |= HC_FUTEX_TIMEOUT;
		if (t->restart_flags & HCI_RS_REALTIME)
			ret->futex.flags |= HC_FUTEX_CLOCKRT;
		if (t->restart_flags & HCI_RS_SHARED)
			ret->futex.flags |= HC_FUTEX_SHARED;
		if (!ret->futex.bitset)
			return false;
		break;
	case HCI_RESTART_POLL:
		ret->poll.ufds = (void __user *)t->restart_uaddr;
		ret->poll.nfds = t->restart_value;
		ret->poll.has_timeout = !!(t->restart_flags & HCI_RS_TIMEOUT);
		ret->poll.tv_sec = deadline / NSEC_PER_SEC;
		ret->poll.tv_nsec = deadline % NSEC_PER_SEC;
		break;
	}
	return ret->fn;
}

/* ---- the address space ---- */

/* Everything but the kernel's own mappings, which the helper has put in their place. */
static int unmap_helper(struct mm_struct *mm, const struct hci_head *h)
{
	int err = vm_munmap(0, h->vvar);

	return err ?: vm_munmap(h->vdso_end, TASK_SIZE - h->vdso_end);
}

static unsigned long prot_of(const struct hci_vma *v)
{
	return (v->flags & HCI_VF_READ ? PROT_READ : 0) |
	       (v->flags & HCI_VF_WRITE ? PROT_WRITE : 0) |
	       (v->flags & HCI_VF_EXEC ? PROT_EXEC : 0);
}

static struct file *file_of(struct hc_move *move, const struct hci_vma *v)
{
	const char *path = (const char *)(v + 1);
	struct file *file = filp_open(path, O_RDONLY | O_LARGEFILE, 0);
	u64 size, sum;
	int err;

	if (IS_ERR(file)) {
		hc_move_say(move, "the mapped file %.100s can't be opened there", path);
		return file;
	}
	err = S_ISREG(file_inode(file)->i_mode) ? hc_move_file_sum(file, &size, &sum) : -EINVAL;
	if (!err && (size != v->size || sum != v->sum))
		err = -ESTALE;
	if (err) {
		hc_move_say(move, "the mapped file %.100s is another one there", path);
		fput(file);
		return ERR_PTR(err);
	}
	return file;
}

static unsigned long map_file(struct hc_move *move, const struct hci_vma *v)
{
	unsigned long at, flags = MAP_FIXED | (v->flags & HCI_VF_SHARED ? MAP_SHARED : MAP_PRIVATE);
	struct file *file = file_of(move, v);

	if (IS_ERR(file))
		return PTR_ERR(file);
	at = vm_mmap(file, v->start, v->end - v->start, prot_of(v), flags, v->offset);
	fput(file);
	return at;
}

static unsigned long map_anon(const struct hci_vma *v)
{
	unsigned long flags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS;

	if (v->flags & HCI_VF_GROWS)
		flags |= MAP_GROWSDOWN;
	if (v->flags & HCI_VF_NORESERVE)
		flags |= MAP_NORESERVE;
	return vm_mmap(NULL, v->start, v->end - v->start, prot_of(v), flags, 0);
}

static const struct {
	u32 hci;
	unsigned long vm;
} vma_flags[] = {
	{ HCI_VF_DONTCOPY,	VM_DONTCOPY },
	{ HCI_VF_DONTDUMP,	VM_DONTDUMP },
	{ HCI_VF_WIPE,		VM_WIPEONFORK },
	{ HCI_VF_HUGE,		VM_HUGEPAGE },
	{ HCI_VF_NOHUGE,	VM_NOHUGEPAGE },
	{ HCI_VF_LOCKED,	VM_LOCKED },
};

static int finish_vma(struct hc_move *move, struct mm_struct *mm, const struct hci_vma *v)
{
	struct vm_area_struct *vma;
	unsigned int i;
	int err = 0;

	mmap_write_lock(mm);
	vma = find_vma(mm, v->start);
	if (!vma || vma->vm_start > v->start) {
		err = -EFAULT;
	} else if (v->kind == HCI_VMA_ANON) {
		for (i = 0; i < ARRAY_SIZE(vma_flags); i++)
			if (v->flags & vma_flags[i].hci)
				hc_vm_flags_set(vma, vma_flags[i].vm);
		if (v->flags & HCI_VF_LOCKED)
			mm->locked_vm += vma_pages(vma);
		err = hc_store_graft(move->store, mm, v->start);
	}
	mmap_write_unlock(mm);
	return err;
}

static int map_one(struct hc_move *move, struct mm_struct *mm, const struct hci_vma *v)
{
	unsigned long at;

	if (v->kind == HCI_VMA_VDSO)
		return 0;
	at = v->kind == HCI_VMA_FILE ? map_file(move, v) : map_anon(v);
	if (at != v->start) {
		hc_move_say(move, "mapping %llx could not be made (%ld)", v->start, (long)at);
		return IS_ERR_VALUE(at) ? (long)at : -EFAULT;
	}
	return finish_vma(move, mm, v);
}

/* Content that came with the image: into the store, or straight into a private file mapping. */
static int put_page_in(struct hc_move *move, struct mm_struct *mm, const struct hci_page *p)
{
	struct page *page;
	void *data;
	long n;
	int locked = 1;

	mmap_read_lock(mm);
	n = hc_get_user_pages(mm, p->addr, 1, FOLL_WRITE | FOLL_FORCE, &page, &locked);
	if (locked)
		mmap_read_unlock(mm);
	if (n != 1)
		return n < 0 ? n : -EFAULT;
	data = kmap_local_page(page);
	memcpy(data, p->data, PAGE_SIZE);
	kunmap_local(data);
	set_page_dirty_lock(page);
	put_page(page);
	return 0;
}

static int exe_set(struct hc_move *move, struct mm_struct *mm, const struct hci_head *h)
{
	struct file *exe = filp_open(h->exe, O_RDONLY | O_LARGEFILE, 0), *old;
	u64 size, sum;
	int err;

	if (IS_ERR(exe)) {
		hc_move_say(move, "the program's file %.100s can't be opened there", h->exe);
		return PTR_ERR(exe);
	}
	err = S_ISREG(file_inode(exe)->i_mode) ? hc_move_file_sum(exe, &size, &sum) : -EINVAL;
	if (!err && (size != h->exe_size || sum != h->exe_sum))
		err = -ESTALE;
	if (err || deny_write_access(exe)) {
		hc_move_say(move, "the program's file %.100s is another one there, or is being written",
			    h->exe);
		fput(exe);
		return err ?: -ETXTBSY;
	}
	old = xchg((__force struct file **)&mm->exe_file, exe);
	if (old) {
		allow_write_access(old);
		fput(old);
	}
	return 0;
}

static void mm_numbers(struct mm_struct *mm, const struct hci_head *h)
{
	mmap_write_lock(mm);
	mm->start_code = h->mm[HCI_MM_START_CODE];
	mm->end_code = h->mm[HCI_MM_END_CODE];
	mm->start_data = h->mm[HCI_MM_START_DATA];
	mm->end_data = h->mm[HCI_MM_END_DATA];
	mm->start_brk = h->mm[HCI_MM_START_BRK];
	mm->brk = h->mm[HCI_MM_BRK];
	mm->start_stack = h->mm[HCI_MM_START_STACK];
	spin_lock(&mm->arg_lock);
	mm->arg_start = h->mm[HCI_MM_ARG_START];
	mm->arg_end = h->mm[HCI_MM_ARG_END];
	mm->env_start = h->mm[HCI_MM_ENV_START];
	mm->env_end = h->mm[HCI_MM_ENV_END];
	spin_unlock(&mm->arg_lock);
	memcpy(mm->saved_auxv, h->auxv, sizeof(mm->saved_auxv));
	mmap_write_unlock(mm);
}

static int restore_memory(struct hc_move *move)
{
	const struct hci_head *h = move->image;
	struct mm_struct *mm = current->mm;
	const struct hci_rec *rec;
	int err;

	if ((unsigned long)mm->context.vdso != h->vdso)
		return -EINVAL;
	move->store = hc_store_new(move);
	if (!move->store)
		return -ENOMEM;
	err = hc_store_attach(move->store, mm) ?: exe_set(move, mm, h) ?: unmap_helper(mm, h);
	for (rec = hc_image_find(h, NULL, HCI_VMA); !err && rec;
	     rec = hc_image_find(h, rec, HCI_VMA))
		err = map_one(move, mm, (const struct hci_vma *)rec);
	for (rec = hc_image_find(h, NULL, HCI_RUN); !err && rec;
	     rec = hc_image_find(h, rec, HCI_RUN)) {
		const struct hci_run *run = (const struct hci_run *)rec;

		err = hc_store_add(move->store, run->start, run->nr);
		move->nr_pages += run->nr;
	}
	for (rec = hc_image_find(h, NULL, HCI_PAGE); !err && rec;
	     rec = hc_image_find(h, rec, HCI_PAGE))
		err = put_page_in(move, mm, (const struct hci_page *)rec);
	if (err)
		return err;
	mm_numbers(mm, h);
	return 0;
}

static void restore_actions(const struct hci_head *h)
{
	int i;

	spin_lock_irq(&hc_sighand(current)->siglock);
	for (i = 0; i < HCI_SIGNALS; i++) {
		struct k_sigaction *sa = &hc_sighand(current)->action[i];

		if (i + 1 == SIGKILL || i + 1 == SIGSTOP)
			continue;
		sa->sa.sa_handler = (__sighandler_t)h->actions[i].handler;
		sa->sa.sa_flags = h->actions[i].flags & SA_FLAGS;
		sa->sa.sa_restorer = (__sigrestore_t)h->actions[i].restorer;
		sa->sa.sa_mask.sig[0] = h->actions[i].mask;
		sigdelsetmask(&sa->sa.sa_mask, sigmask(SIGKILL) | sigmask(SIGSTOP));
	}
	spin_unlock_irq(&hc_sighand(current)->siglock);
}

/* ---- registers ---- */

/* Another thread's, which sleeps. */
static int regs_set(struct hc_thread_in *t)
{
	const struct user_regset *rs = hc_regset(t->task, NT_X86_XSTATE);
	u32 len = t->xstate->len - sizeof(*t->xstate);
	unsigned long base[2];
	int err;

	while (READ_ONCE(t->task->__state) == TASK_RUNNING ||
	       /* pairs with the scheduler's release: its registers are in memory then */
	       smp_load_acquire(&t->task->on_cpu)) {
		if (fatal_signal_pending(t->task))
			return -EINTR;
		cond_resched();
	}
	if (!rs || rs->n * rs->size > len)
		return -EINVAL;
	err = rs->set(t->task, rs, 0, rs->n * rs->size, t->xstate + 1, NULL);
	if (err)
		return err;
	rs = hc_regset(t->task, NT_PRSTATUS);
	base[0] = t->in->regs.fs_base;
	base[1] = t->in->regs.gs_base;
	if (!rs || base[0] >= TASK_SIZE_MAX || base[1] >= TASK_SIZE_MAX)
		return -EINVAL;
	return rs->set(t->task, rs, offsetof(struct user_regs_struct, fs_base), sizeof(base),
		       base, NULL);
}

static void loaded_fn(struct work_struct *work)
{
	struct hc_move *move = container_of(work, struct hc_move, loaded_work);
	u32 i;
	int err = 0;

	for (i = 0; !err && i < move->nr_joined; i++)
		err = regs_set(&move->threads[i]);
	if (!err && move->flags & HC_MOVE_WHOLE_FIRST)
		err = hc_store_whole(move->store);
	if (err) {
		hc_move_say(move, "the registers could not be set (error %d)", err);
		hc_move_send(move, HCW_MOVE_FAILED, 0, move->reason, strlen(move->reason), NULL,
			     NULL);
		hc_move_do(move, HC_MEV_GIVE_UP, NULL);
	} else {
		hc_move_do(move, HC_MEV_LOADED, NULL);
		if (hc_move_send(move, HCW_MOVE_LOADED, 0, NULL, 0, NULL, NULL))
			hc_move_do(move, HC_MEV_GIVE_UP, "the source does not answer");
	}
	hc_move_put(move);
}

/* The last thing before userspace: the value of our call is written, registers may go. */
static void enter_program(struct callback_head *cb)
{
	struct hc_thread_in *t = container_of(cb, struct hc_thread_in, cb);
	const struct hci_regs *o = &t->in->regs;
	struct pt_regs *r = current_pt_regs();

	r->r15 = o->r15; r->r14 = o->r14; r->r13 = o->r13; r->r12 = o->r12;
	r->bp = o->bp; r->bx = o->bx; r->r11 = o->r11; r->r10 = o->r10;
	r->r9 = o->r9; r->r8 = o->r8; r->ax = o->ax; r->cx = o->cx;
	r->dx = o->dx; r->si = o->si; r->di = o->di;
	r->orig_ax = -1;
	r->ip = min_t(u64, o->ip, TASK_SIZE_MAX);
	r->sp = o->sp;
	/* Segments stay the helper's; of the flags only what a program may set itself. */
	r->flags = (o->flags & 0x240dd5) | X86_EFLAGS_IF | X86_EFLAGS_FIXED;
	if (t->ctl_fd >= 0)
		close_fd(t->ctl_fd);
}

/* ---- a thread takes its place ---- */

static void own_signals(struct hc_move *move, struct hc_thread_in *t)
{
	const struct hci_rec *rec = t->xstate;
	sigset_t blocked = { .sig = { t->in->blocked } };

	sigdelsetmask(&blocked, sigmask(SIGKILL) | sigmask(SIGSTOP));
	sigprocmask(SIG_SETMASK, &blocked, NULL);
	for (rec = hc_image_next(move->image, rec); rec && rec->type == HCI_SIGNAL;
	     rec = hc_image_next(move->image, rec)) {
		const struct hci_signal *s = (const struct hci_signal *)rec;
		kernel_siginfo_t info;

		clear_siginfo(&info);
		memcpy(&info, s->info, min(sizeof(info), sizeof(s->info)));
		info.si_signo = s->signo;
		send_sig_info(s->signo, &info, current);
	}
}

static void own_numbers(struct hc_move *move, struct hc_thread_in *t)
{
	const struct hci_thread *in = t->in;

	current->robust_list = (void __user *)in->robust_list;
	current->clear_child_tid = (int __user *)in->clear_child_tid;
	current->sas_ss_sp = in->sas_sp;
	current->sas_ss_size = in->sas_size;
	current->sas_ss_flags = in->sas_flags;
	if (in->rseq && in->rseq < TASK_SIZE_MAX && in->rseq_len >= 32 && !(in->rseq & 31)) {
		hc_rseq_set(current, in->rseq, in->rseq_len, in->rseq_sig);
		preempt_disable();
		current->rseq_event_mask |= 7;
		set_tsk_thread_flag(current, TIF_NOTIFY_RESUME);
		preempt_enable();
	} else {
		hc_rseq_set(current, 0, 0, 0);	/* the helper's is gone */
	}
	if (hc_restart_load(in, move->mono_off_ns, &t->restart))
		current->restart_block = t->restart;
	task_lock(current);
	memcpy(current->comm, in->comm, sizeof(current->comm));
	task_unlock(current);
}

static int threads_find(struct hc_move *move)
{
	const struct hci_head *h = move->image;
	const struct hci_rec *rec = NULL;
	u32 i;

	move->threads = kvcalloc(h->nr_threads, sizeof(*move->threads), GFP_KERNEL);
	if (!move->threads)
		return -ENOMEM;
	for (i = 0; i < h->nr_threads; i++) {
		struct hc_thread_in *t = &move->threads[i];

		rec = hc_image_find(h, rec, HCI_THREAD);
		t->in = (const struct hci_thread *)rec;
		t->xstate = hc_image_next(h, rec);
		t->ctl_fd = -1;
	}
	move->nr_threads = h->nr_threads;
	return 0;
}

static int find_fd(const void *ctx, struct file *file, unsigned int fd)
{
	return file == ctx ? fd + 1 : 0;
}

static int take_place(struct hc_move *move, u32 index, struct file *ctl, bool *ret_last)
{
	struct hc_thread_in *t;
	int err = 0;

	mutex_lock(&move->join_lock);
	if (!move->has_image || hc_move_state(move) != HC_MOVE_INVITED ||
	    task_tgid(current) != move->runner)
		err = -EINVAL;
	else if (!move->threads)
		err = threads_find(move);
	if (!err && (index >= move->nr_threads || move->threads[index].task ||
		     !index != thread_group_leader(current)))
		err = -EINVAL;
	if (!err) {
		t = &move->threads[index];
		get_task_struct(current);
		t->task = current;
		if (!index)
			t->ctl_fd = iterate_fd(current->files, 0, find_fd, ctl) - 1;
		*ret_last = ++move->nr_joined == move->nr_threads;
	}
	mutex_unlock(&move->join_lock);
	return err;
}

long hc_move_join(struct hc_move *move, u32 index, struct file *ctl)
{
	struct hc_thread_in *t;
	bool is_last = false;
	int err;

	err = take_place(move, index, ctl, &is_last);
	if (err)
		return err;
	t = &move->threads[index];
	if (is_last) {
		err = restore_memory(move);
		if (err) {
			hc_move_say(move, "its memory could not be mapped (error %d)", err);
			hc_move_send(move, HCW_MOVE_FAILED, 0, move->reason,
				     strlen(move->reason), NULL, NULL);
			hc_move_do(move, HC_MEV_GIVE_UP, NULL);
			return -EINVAL;		/* killed */
		}
		restore_actions(move->image);
		hc_move_get(move);
		INIT_WORK(&move->loaded_work, loaded_fn);
		queue_work(hc_move_wq, &move->loaded_work);
	}
	if (wait_event_killable(move->wq, READ_ONCE(move->is_let_go) ||
				hc_move_is_over(hc_move_state(move))) ||
	    !READ_ONCE(move->is_let_go)) {
		send_sig(SIGKILL, current, 1);
		return -EINTR;
	}
	own_numbers(move, t);
	own_signals(move, t);
	init_task_work(&t->cb, enter_program);
	if (task_work_add(current, &t->cb, TWA_RESUME))
		send_sig(SIGKILL, current, 1);
	return 0;
}

void hc_restore_free(struct hc_move *move)
{
	u32 i;

	for (i = 0; move->threads && i < move->nr_threads; i++)
		if (move->threads[i].task)
			put_task_struct(move->threads[i].task);
	kvfree(move->threads);
	move->threads = NULL;
}
