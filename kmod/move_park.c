// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Stopping threads. A task work with TWA_SIGNAL runs in the thread's own context, on
 * its way out to userspace, before signals are taken and before an interrupted call is
 * set up to be repeated. It writes down the registers and waits: nobody sees it but
 * us, and SIGKILL still works.
 *
 *	callback:  QUEUED -> PARKED -> (released) -> goes on as if nothing had been
 *	                                          or, the leader, into execveat(shadow)
 */
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/regset.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/task_work.h>
#include <linux/uaccess.h>
#include <uapi/linux/elf.h>

#include "compat.h"
#include "main.h"
#include "move.h"

/* ---- what a thread writes down ---- */

static void save_regs(struct hc_thread *t, const struct pt_regs *r)
{
	struct hci_regs *o = &t->out.regs;

	o->r15 = r->r15; o->r14 = r->r14; o->r13 = r->r13; o->r12 = r->r12;
	o->bp = r->bp; o->bx = r->bx; o->r11 = r->r11; o->r10 = r->r10;
	o->r9 = r->r9; o->r8 = r->r8; o->ax = r->ax; o->cx = r->cx;
	o->dx = r->dx; o->si = r->si; o->di = r->di; o->orig_ax = r->orig_ax;
	o->ip = r->ip; o->cs = r->cs; o->flags = r->flags; o->sp = r->sp; o->ss = r->ss;
	current_save_fsgs();
	o->fs_base = current->thread.fsbase;
	o->gs_base = current->thread.gsbase;
}

/* Calls that end with EINTR when stopped though no signal came, and can be done again. */
static bool can_repeat(long nr)
{
	return nr == 232 || nr == 281 || nr == 441;	/* epoll_wait, _pwait, _pwait2 */
}

static bool has_eintr_timeout(long nr)
{
	/* rt_sigtimedwait, semtimedop, semop, io_getevents, mq_timed*, read & co with a timeout */
	return nr == 128 || nr == 220 || nr == 65 || nr == 208 || nr == 242 || nr == 243;
}

/* An interrupted call: do it again over there, or go on with what the kernel noted. */
static void rewind(struct hc_thread *t, const struct pt_regs *r)
{
	struct hci_regs *o = &t->out.regs;
	long nr = r->orig_ax, ax = r->ax;

	t->raw_ax = ax;
	o->orig_ax = -1;
	if (nr < 0)
		return;
	switch (ax) {
	case -ERESTARTSYS:
	case -ERESTARTNOINTR:
	case -ERESTARTNOHAND:
		o->ax = nr;
		o->ip -= 2;
		return;
	case -ERESTART_RESTARTBLOCK:
		o->ax = __NR_restart_syscall;
		o->ip -= 2;
		t->is_unsupported = !hc_restart_save(&current->restart_block, &t->out);
		return;
	case -EINTR:
		if (can_repeat(nr) && !task_sigpending(current)) {
			o->ax = nr;
			o->ip -= 2;
			t->rewinds_eintr = true;
		} else if (has_eintr_timeout(nr)) {
			t->is_unsupported = true;
		}
	}
}

static int save_xstate(struct hc_thread *t)
{
	const struct user_regset *rs = hc_regset(current, NT_X86_XSTATE);
	struct membuf to;
	int left;

	if (!rs)
		return -EOPNOTSUPP;
	t->xstate_len = rs->n * rs->size;
	if (t->xstate_len > HCI_XSTATE_MAX)
		return -E2BIG;
	t->xstate = kvzalloc(round_up(t->xstate_len, 8), GFP_KERNEL);
	if (!t->xstate)
		return -ENOMEM;
	to.p = t->xstate;
	to.left = t->xstate_len;
	left = rs->regset_get(current, rs, to);
	return left < 0 ? left : 0;
}

static void save_thread(struct hc_thread *t)
{
	struct hci_thread *o = &t->out;
	struct pt_regs *r = current_pt_regs();
	sigset_t blocked = current->restore_sigmask ? current->saved_sigmask : current->blocked;

	save_regs(t, r);
	rewind(t, r);
	o->tid = task_pid_nr_ns(current, task_active_pid_ns(current));
	o->blocked = blocked.sig[0];
	o->sas_sp = current->sas_ss_sp;
	o->sas_size = current->sas_ss_size;
	o->sas_flags = current->sas_ss_flags;
	o->robust_list = (__force u64)current->robust_list;
	o->clear_child_tid = (__force u64)current->clear_child_tid;
	o->rseq = (__force u64)current->rseq;
	o->rseq_sig = current->rseq_sig;
	o->rseq_len = hc_rseq_len(current);
	strscpy_pad(o->comm, current->comm, sizeof(o->comm));
	if (save_xstate(t))
		t->is_unsupported = true;
}

/* ---- the leader becomes the shadow ---- */

/* syscall; then, should it fail: exit_group(127) */
static const u8 exec_code[] = {
	0x0f, 0x05, 0xbf, 127, 0, 0, 0, 0xb8, 231, 0, 0, 0, 0x0f, 0x05, 0x0f, 0x0b,
};

#define ARGS_MAX	250

struct exec_page {
	u8 code[32];
	char empty[8];
	char env_fd[24];
	char env_comm[40];
	u64 envp[4];
	u64 argv[ARGS_MAX + 1];
};

/* The arguments stay what they were, for ps: they are still where exec finds them. */
static u32 copy_args(struct exec_page *page, struct mm_struct *mm, unsigned long name)
{
	unsigned long at = mm->arg_start, end = mm->arg_end;
	u32 n = 0;

	while (n < ARGS_MAX && at < end) {
		long len = strnlen_user((void __user *)at, end - at + 1);

		if (len <= 0 || len > end - at)
			break;
		page->argv[n++] = at;
		at += len;
	}
	if (!n)
		page->argv[n++] = name;
	return n;
}

static int install(struct file *file, unsigned int flags)
{
	int fd = get_unused_fd_flags(flags);

	if (fd >= 0)
		fd_install(fd, get_file(file));
	return fd;
}

/* As if the program had called execveat(shadow, "", argv, envp, AT_EMPTY_PATH). */
static int enter_shadow(struct hc_move *move)
{
	struct pt_regs *r = current_pt_regs();
	struct exec_page *page;
	int exe_fd, home_fd;
	unsigned long at;
	sigset_t all;

	page = kzalloc(sizeof(*page), GFP_KERNEL);
	if (!page)
		return -ENOMEM;
	at = vm_mmap(NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
		     MAP_PRIVATE | MAP_ANONYMOUS, 0);
	exe_fd = install(move->shadow_exe, O_CLOEXEC);
	home_fd = hc_move_home_fd(move);
	if (IS_ERR_VALUE(at) || exe_fd < 0 || home_fd < 0) {
		kfree(page);
		return -ENOMEM;
	}
	memcpy(page->code, exec_code, sizeof(exec_code));
	snprintf(page->env_fd, sizeof(page->env_fd), "HC_FD=%d", home_fd);
	snprintf(page->env_comm, sizeof(page->env_comm), "HC_COMM=%s", current->comm);
	page->envp[0] = at + offsetof(struct exec_page, env_fd);
	page->envp[1] = at + offsetof(struct exec_page, env_comm);
	copy_args(page, current->mm, at + offsetof(struct exec_page, env_comm) + 8);
	BUILD_BUG_ON(sizeof(*page) > PAGE_SIZE);
	if (copy_to_user((void __user *)at, page, sizeof(*page))) {
		kfree(page);
		return -EFAULT;
	}
	kfree(page);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	current->restore_sigmask = false;
	r->ip = at;
	r->ax = __NR_execveat;
	r->orig_ax = -1;
	r->di = exe_fd;
	r->si = at + offsetof(struct exec_page, empty);
	r->dx = at + offsetof(struct exec_page, argv);
	r->r10 = at + offsetof(struct exec_page, envp);
	r->r8 = AT_EMPTY_PATH;
	return 0;
}

/*
 * What the image carries of this thread's own signals must not be delivered here as
 * well; those of the process go on to the shadow, which forwards them.
 */
static void drop_own_signals(struct hc_thread *t)
{
	sigset_t none;
	u32 i;

	sigemptyset(&none);
	spin_lock_irq(&hc_sighand(current)->siglock);
	for (i = 0; i < t->nr_pending && !list_empty(&current->pending.list); i++) {
		kernel_siginfo_t info;

		hc_dequeue_signal(&none, &info);
	}
	spin_unlock_irq(&hc_sighand(current)->siglock);
}

/*
 * The held memory belongs to the program over there now: the end of a thread here
 * must not write into it.
 */
static void forget_user_memory(void)
{
	current->clear_child_tid = NULL;
	current->robust_list = NULL;
	current->rseq = NULL;
}

static void become_shadow(struct hc_thread *t)
{
	struct hc_move *move = t->move;

	forget_user_memory();
	if (current != move->leader) {
		/* The leader's exec ends this thread. */
		wait_event_killable(move->park->wq, false);
		return;
	}
	drop_own_signals(t);
	if (enter_shadow(move))
		force_sig(SIGKILL);
	else
		WRITE_ONCE(move->park->is_shadow, true);
}

/* ---- park, release ---- */

static void settle(struct hc_thread *t, int state)
{
	struct hc_park *park = t->move->park;

	spin_lock(&park->lock);
	t->state = state;
	park->nr_settled++;
	spin_unlock(&park->lock);
	wake_up_all(&park->wq);
	wake_up_all(&t->move->wq);
}

static void park_fn(struct callback_head *cb)
{
	struct hc_thread *t = container_of(cb, struct hc_thread, cb);
	struct hc_move *move = t->move;
	struct hc_park *park = move->park;

	if (current->flags & PF_EXITING) {
		settle(t, HC_PARK_GONE);
		hc_move_put(move);
		return;
	}
	if (!READ_ONCE(park->is_released)) {
		save_thread(t);
		settle(t, HC_PARK_PARKED);
		if (wait_event_killable(park->wq, READ_ONCE(park->is_released))) {
			/* Killed. If it lives elsewhere, this must not reach the held memory. */
			if (!hc_move_may_undo(hc_move_state(move)))
				forget_user_memory();
			wake_up_all(&move->wq);
			hc_move_put(move);
			return;
		}
		smp_rmb();	/* pairs with hc_move_unpark(): the flag after what it says */
		if (park->becomes_shadow) {
			become_shadow(t);
		} else if (t->rewinds_eintr) {
			struct pt_regs *r = current_pt_regs();

			r->ax = r->orig_ax;
			r->ip -= 2;
			r->orig_ax = -1;
		}
	} else {
		settle(t, HC_PARK_GONE);
	}
	hc_move_put(move);
}

/* One pass over the threads; the number of new ones, or -errno. */
static int park_pass(struct hc_move *move)
{
	struct hc_park *park = move->park;
	struct task_struct *t;
	int added = 0;

	for (;;) {
		struct task_struct *found = NULL;
		struct hc_thread *thread;
		u32 i;

		rcu_read_lock();
		for_each_thread(move->leader, t) {
			for (i = 0; i < park->nr; i++)
				if (park->threads[i]->task == t)
					break;
			if (i == park->nr && !(t->flags & PF_EXITING)) {
				get_task_struct(t);
				found = t;
				break;
			}
		}
		rcu_read_unlock();
		if (!found)
			return added;
		thread = park->nr < HCI_THREADS_MAX ? kzalloc(sizeof(*thread), GFP_KERNEL) : NULL;
		if (!thread) {
			put_task_struct(found);
			return -ENOMEM;
		}
		thread->move = hc_move_get(move);
		thread->task = found;
		init_task_work(&thread->cb, park_fn);
		park->threads[park->nr++] = thread;
		added++;
		if (task_work_add(found, &thread->cb, TWA_SIGNAL)) {
			settle(thread, HC_PARK_GONE);
			hc_move_put(move);
		}
	}
}

static bool all_settled(struct hc_park *park)
{
	bool all;

	spin_lock(&park->lock);
	all = park->nr_settled >= park->nr;
	spin_unlock(&park->lock);
	return all;
}

int hc_move_park(struct hc_move *move, unsigned int timeout_ms)
{
	unsigned long end = jiffies + msecs_to_jiffies(timeout_ms);
	struct hc_park *park = kzalloc(sizeof(*park), GFP_KERNEL);
	int added;

	if (!park)
		return -ENOMEM;
	park->threads = kvcalloc(HCI_THREADS_MAX, sizeof(*park->threads), GFP_KERNEL);
	if (!park->threads) {
		kfree(park);
		return -ENOMEM;
	}
	spin_lock_init(&park->lock);
	init_waitqueue_head(&park->wq);
	move->park = park;
	/* A thread that was being made when we looked is found by the next pass. */
	do {
		added = park_pass(move);
		if (added < 0)
			return added;
		while (!all_settled(park)) {
			if (fatal_signal_pending(move->leader) ||
			    READ_ONCE(move->wants_stop))
				return -EINTR;
			if (time_after(jiffies, end))
				return -ETIMEDOUT;
			wait_event_timeout(park->wq, all_settled(park), HZ / 20);
		}
	} while (added);
	if (park->threads[0]->task != move->leader || park->threads[0]->state != HC_PARK_PARKED)
		return -ESRCH;
	return 0;
}

static void itimer_resume(struct hc_move *move)
{
	struct hc_park *park = move->park;
	struct signal_struct *sig = move->leader->signal;
	s64 left;

	if (!park->itimer_is_held)
		return;
	park->itimer_is_held = false;
	left = park->itimer_left_ns - ktime_to_ns(ktime_sub(ktime_get(), park->itimer_at));
	hrtimer_start(&sig->real_timer, ns_to_ktime(max_t(s64, left, 1000)), HRTIMER_MODE_REL);
}

void hc_move_unpark(struct hc_move *move, bool shadow)
{
	struct hc_park *park = move->park;

	if (!park || READ_ONCE(park->is_released))
		return;
	if (!shadow)
		itimer_resume(move);
	else
		move->leader->signal->it_real_incr = 0;
	park->becomes_shadow = shadow;
	smp_wmb();	/* what it says before the flag */
	WRITE_ONCE(park->is_released, true);
	wake_up_all(&park->wq);
}

void hc_move_park_free(struct hc_move *move)
{
	struct hc_park *park = move->park;
	u32 i;

	if (!park)
		return;
	for (i = 0; i < park->nr; i++) {
		put_task_struct(park->threads[i]->task);
		kvfree(park->threads[i]->xstate);
		kfree(park->threads[i]);
	}
	kvfree(park->threads);
	kfree(park);
	move->park = NULL;
}
