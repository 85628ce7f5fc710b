// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What keeps a program from moving. Whatever is not known to be carried is refused
 * here, with a sentence: before anything stops, and once more when all is stopped.
 */
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs_struct.h>
#include <linux/major.h>
#include <linux/mm.h>
#include <linux/nsproxy.h>
#include <linux/pid_namespace.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "compat.h"
#include "env.h"
#include "move.h"

#define PATH_ROOM 512
#define HVC_MAJOR 229	/* consoles of virtual machines */

void hc_move_reason(struct hc_move_reasons *r, const char *fmt, ...)
{
	va_list args;

	if (!r || r->nr == HC_MOVE_REASONS_MAX)
		return;
	va_start(args, fmt);
	vscnprintf(r->text[r->nr++], HCM_TEXT_LEN, fmt, args);
	va_end(args);
}

/* ---- who it is and who shares with it ---- */

static void check_namespaces(struct task_struct *t, struct hc_move_reasons *r)
{
	struct nsproxy *ns, *init;
	bool is_other = true;

	/* The first process stands for the host. Neither can end or change under RCU and locks. */
	rcu_read_lock();
	task_lock(t);
	ns = t->nsproxy;
	init = init_pid_ns.child_reaper->nsproxy;
	if (ns && init)
		is_other = ns->uts_ns != init->uts_ns || ns->ipc_ns != init->ipc_ns ||
			   ns->mnt_ns != init->mnt_ns || ns->net_ns != init->net_ns ||
			   ns->cgroup_ns != init->cgroup_ns || ns->time_ns != init->time_ns ||
			   ns->pid_ns_for_children != init->pid_ns_for_children ||
			   ns->time_ns_for_children != init->time_ns_for_children;
	task_unlock(t);
	rcu_read_unlock();
	if (is_other || task_active_pid_ns(t) != &init_pid_ns)
		hc_move_reason(r, "it lives in namespaces of its own (a container)");
	rcu_read_lock();
	if (__task_cred(t)->user_ns != &init_user_ns)
		hc_move_reason(r, "it lives in a user namespace of its own");
	rcu_read_unlock();
}

static bool has_other_root(struct task_struct *t)
{
	struct path root, init;

	task_lock(t);
	if (!t->fs) {
		task_unlock(t);
		return true;
	}
	get_fs_root(t->fs, &root);
	task_unlock(t);
	task_lock(init_pid_ns.child_reaper);
	get_fs_root(init_pid_ns.child_reaper->fs, &init);
	task_unlock(init_pid_ns.child_reaper);
	path_put(&root);
	path_put(&init);
	return !path_equal(&root, &init);
}

/* Pointers only, compared and never followed. */
static void check_sharing(struct task_struct *t, struct hc_move_reasons *r)
{
	bool mm = false, files = false, fs = false;
	struct task_struct *p;

	rcu_read_lock();
	for_each_process(p) {
		if (same_thread_group(p, t) || p->flags & PF_KTHREAD)
			continue;
		mm |= READ_ONCE(p->mm) && READ_ONCE(p->mm) == READ_ONCE(t->mm);
		files |= READ_ONCE(p->files) && READ_ONCE(p->files) == READ_ONCE(t->files);
		fs |= READ_ONCE(p->fs) && READ_ONCE(p->fs) == READ_ONCE(t->fs);
	}
	rcu_read_unlock();
	if (mm)
		hc_move_reason(r, "it shares its memory with another process");
	if (files)
		hc_move_reason(r, "it shares its descriptors with another process");
	if (fs)
		hc_move_reason(r, "it shares its working directory with another process");
}

static void check_thread(struct task_struct *t, struct task_struct *leader,
			 struct hc_move_reasons *r)
{
	pid_t tid = task_pid_nr(t);

	if (t->ptrace || !list_empty(&t->ptraced))
		hc_move_reason(r, "thread %d is being traced, or traces", tid);
	if (!list_empty(&t->children))
		hc_move_reason(r, "thread %d has child processes", tid);
	if (t->seccomp.mode)
		hc_move_reason(r, "thread %d has a seccomp filter", tid);
	if (hc_task_has_io_uring(t))
		hc_move_reason(r, "thread %d uses io_uring", tid);
	if (hc_has_sem_undo(t))
		hc_move_reason(r, "thread %d has SysV semaphores to undo", tid);
	if (!list_empty(&t->pi_state_list))
		hc_move_reason(r, "thread %d holds a mutex with priority inheritance", tid);
	if (t->policy != SCHED_NORMAL)
		hc_move_reason(r, "thread %d has a scheduling policy of its own", tid);
	if (!cpumask_subset(cpu_online_mask, t->cpus_ptr))
		hc_move_reason(r, "thread %d is bound to some processors", tid);
	if (hc_task_has_mempolicy(t))
		hc_move_reason(r, "thread %d has a NUMA policy", tid);
	if (t->files != leader->files || t->fs != leader->fs)
		hc_move_reason(r, "thread %d has descriptors or a directory of its own", tid);
	if (rcu_access_pointer(t->cred) != rcu_access_pointer(leader->cred) &&
	    !hc_creds_equal(rcu_dereference(t->cred), rcu_dereference(leader->cred)))
		hc_move_reason(r, "thread %d has credentials of its own", tid);
	if (hc_thread_is_32bit(t))
		hc_move_reason(r, "it is a 32-bit program");
	if (t->thread.io_bitmap || hc_thread_has_perm(t))
		hc_move_reason(r, "thread %d uses I/O ports or an extended register set", tid);
	if (t->in_execve)
		hc_move_reason(r, "it is about to run another program");
}

static void check_process(struct task_struct *leader, struct hc_move_reasons *r)
{
	struct signal_struct *sig = leader->signal;
	struct task_struct *t;

	if (sig->is_child_subreaper)
		hc_move_reason(r, "it is the reaper of orphans (PR_SET_CHILD_SUBREAPER)");
	if (hc_has_posix_timers(sig))
		hc_move_reason(r, "it has POSIX timers (timer_create)");
	if (sig->it[CPUCLOCK_PROF].expires || sig->it[CPUCLOCK_VIRT].expires)
		hc_move_reason(r, "it has a profiling or virtual interval timer");
	if (sig->flags & (SIGNAL_STOP_STOPPED | SIGNAL_GROUP_EXIT) || sig->group_stop_count)
		hc_move_reason(r, "it is stopped, or ends");
	if (leader->exit_state)
		hc_move_reason(r, "its main thread has ended");
	if (get_nr_threads(leader) > HCI_THREADS_MAX)
		hc_move_reason(r, "it has more than %d threads", HCI_THREADS_MAX);
	rcu_read_lock();
	for_each_thread(leader, t)
		if (!t->exit_state && !(t->flags & PF_EXITING))
			check_thread(t, leader, r);
	rcu_read_unlock();
}

/* ---- memory ---- */

static const char *file_name(struct file *file, char *buf)
{
	char *path = d_path(&file->f_path, buf, PATH_ROOM);

	return IS_ERR(path) ? "a file" : path;
}

static void check_vma(struct mm_struct *mm, struct vm_area_struct *vma, char *buf,
		      struct hc_move_reasons *r)
{
	unsigned long flags = vma->vm_flags;
	unsigned long at = vma->vm_start;

	if (hc_vma_is_vdso(mm, vma))
		return;
	if (flags & (VM_IO | VM_PFNMAP | VM_MIXEDMAP | VM_HUGETLB)) {
		hc_move_reason(r, "mapping %lx is of a device or of huge pages", at);
	} else if (!vma->vm_file && vma->vm_ops) {
		hc_move_reason(r, "mapping %lx still arrives from another node, or is the kernel's own",
			       at);
	} else if (hc_vma_is_odd(vma)) {
		hc_move_reason(r, "mapping %lx has a protection key, NUMA policy or userfaultfd",
			       at);
	} else if (flags & VM_SHARED &&
		   (!vma->vm_file || flags & VM_MAYWRITE ||
		    !S_ISREG(file_inode(vma->vm_file)->i_mode))) {
		hc_move_reason(r, "mapping %lx is shared memory (%s)", at,
			       vma->vm_file ? file_name(vma->vm_file, buf) : "anonymous");
	} else if (vma->vm_file && (!S_ISREG(file_inode(vma->vm_file)->i_mode) ||
				    d_unlinked(vma->vm_file->f_path.dentry) ||
				    file_inode(vma->vm_file)->i_sb->s_flags & SB_NOUSER)) {
		hc_move_reason(r, "mapping %lx is of a file without a name (%s)", at,
			       file_name(vma->vm_file, buf));
	} else if (flags & VM_GROWSUP) {
		hc_move_reason(r, "mapping %lx grows in a way that can't be carried", at);
	}
}

static void check_memory(struct task_struct *leader, char *buf, struct hc_move_reasons *r)
{
	struct mm_struct *mm = get_task_mm(leader);
	struct vm_area_struct *vma;
	u32 n = 0;

	if (!mm) {
		hc_move_reason(r, "it is a kernel thread, or has ended");
		return;
	}
	mmap_read_lock(mm);
	{
		VMA_ITERATOR(vmi, mm, 0);

		for_each_vma(vmi, vma) {
			check_vma(mm, vma, buf, r);
			n++;
		}
	}
	if (n >= HCI_VMAS_MAX)
		hc_move_reason(r, "it has more than %d mappings", HCI_VMAS_MAX);
	if (rcu_access_pointer(mm->ioctx_table))
		hc_move_reason(r, "it uses asynchronous I/O (io_setup)");
	if (hc_mm_has_ldt(mm))
		hc_move_reason(r, "it has segments of its own (modify_ldt)");
	mmap_read_unlock(mm);
	mmput(mm);
}

/* ---- files ---- */

static bool is_plain_device(const struct inode *inode)
{
	switch (inode->i_rdev) {
	case MKDEV(MEM_MAJOR, 3):	/* null */
	case MKDEV(MEM_MAJOR, 5):	/* zero */
	case MKDEV(MEM_MAJOR, 7):	/* full */
	case MKDEV(MEM_MAJOR, 8):	/* random */
	case MKDEV(MEM_MAJOR, 9):	/* urandom */
		return true;
	default:
		return false;
	}
}

static bool is_terminal(const struct inode *inode)
{
	if (!S_ISCHR(inode->i_mode))
		return false;
	switch (MAJOR(inode->i_rdev)) {
	case TTY_MAJOR:
	case TTYAUX_MAJOR:
	case HVC_MAJOR:
	case UNIX98_PTY_SLAVE_MAJOR ... UNIX98_PTY_SLAVE_MAJOR + UNIX98_PTY_MAJOR_COUNT - 1:
	case UNIX98_PTY_MASTER_MAJOR ... UNIX98_PTY_MASTER_MAJOR + UNIX98_PTY_MAJOR_COUNT - 1:
		return true;
	default:
		return false;
	}
}

/* Closing a descriptor of the file at home would give them up. */
static bool has_posix_locks(struct inode *inode)
{
	struct file_lock_context *ctx = locks_inode_context(inode);

	return ctx && !list_empty_careful(&ctx->flc_posix);
}

/* Whether the shadow's threads can read and write it for the program; NULL, or why not. */
static const char *home_refuses(struct file *file)
{
	struct inode *inode = file_inode(file);

	if (S_ISSOCK(inode->i_mode))
		return "a socket";
	if (S_ISDIR(inode->i_mode))
		return "a directory";
	if (S_ISREG(inode->i_mode) && inode->i_sb->s_flags & SB_NOUSER)
		return "a special file";
	if (!S_ISREG(inode->i_mode) && !S_ISFIFO(inode->i_mode) && !is_terminal(inode))
		return S_ISCHR(inode->i_mode) ? "a device" : "a special file";
	if ((file->f_mode & FMODE_READ && (file->f_op->read || !file->f_op->read_iter)) ||
	    (file->f_mode & FMODE_WRITE && (file->f_op->write || !file->f_op->write_iter)))
		return "a file of the kernel's own";
	if (has_posix_locks(inode))
		return "a locked file";
	return NULL;
}

int hc_move_file_kind(struct file *file, u32 fd, struct hc_move_reasons *r)
{
	struct inode *inode = file_inode(file);
	char buf[64], *name;
	const char *no;

	name = d_path(&file->f_path, buf, sizeof(buf));
	if (IS_ERR(name))
		name = "a file";
	if (fd > HCI_FD_MAX) {
		hc_move_reason(r, "descriptor %u has a number that is too great", fd);
		return -1;
	}
	if (file->f_flags & (O_PATH | FASYNC | O_DIRECT)) {
		hc_move_reason(r, "descriptor %u (%s) is O_PATH, O_ASYNC or O_DIRECT", fd, name);
		return -1;
	}
	if (S_ISCHR(inode->i_mode) && is_plain_device(inode))
		return HCI_FILE_PATH;
	no = home_refuses(file);
	if (!no)
		return HCI_FILE_HOME;
	hc_move_reason(r, "descriptor %u (%s) is %s, which is not carried yet", fd, name, no);
	return -1;
}

static int take_file(const void *ctx, struct file *file, unsigned int fd)
{
	struct hc_files *files = (struct hc_files *)ctx;

	if (files->nr == HCI_FILES_MAX)
		return -E2BIG;
	files->file[files->nr] = get_file(file);
	files->fd[files->nr++] = fd;
	return 0;
}

/* Looked at later, outside of the locks: their names may need to sleep. */
struct hc_files *hc_files_get(struct task_struct *leader)
{
	struct hc_files *files = kvzalloc(sizeof(*files), GFP_KERNEL);
	int err = -ESRCH;

	if (!files)
		return NULL;
	task_lock(leader);
	if (leader->files)
		err = iterate_fd(leader->files, 0, take_file, files);
	task_unlock(leader);
	if (!err)
		return files;
	hc_files_put(files);
	return NULL;
}

void hc_files_put(struct hc_files *files)
{
	u32 i;

	for (i = 0; files && i < files->nr; i++)
		fput(files->file[i]);
	kvfree(files);
}

static void check_files(struct task_struct *leader, struct hc_move_reasons *r)
{
	struct hc_files *files = hc_files_get(leader);
	u32 i;

	if (!files)
		hc_move_reason(r, "it has more than %d descriptors open, or none", HCI_FILES_MAX);
	for (i = 0; files && i < files->nr; i++)
		hc_move_file_kind(files->file[i], files->fd[i], r);
	hc_files_put(files);
}

void hc_move_check(struct task_struct *leader, unsigned int by_us, struct hc_move_reasons *ret)
{
	char *buf = kmalloc(PATH_ROOM, GFP_KERNEL);

	if (!buf) {
		hc_move_reason(ret, "out of memory");
		return;
	}
	if (leader->flags & PF_KTHREAD || is_global_init(leader) || !thread_group_leader(leader)) {
		hc_move_reason(ret, "it is no process of a program");
	} else {
		check_namespaces(leader, ret);
		if (has_other_root(leader))
			hc_move_reason(ret, "it has another root directory");
		check_process(leader, ret);
		check_sharing(leader, ret);
		check_memory(leader, buf, ret);
		check_files(leader, ret);
	}
	kfree(buf);
}
