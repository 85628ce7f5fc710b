// SPDX-License-Identifier: GPL-2.0-or-later
/* Writes the image of a program whose threads are all parked. */
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs_struct.h>
#include <linux/hrtimer.h>
#include <linux/oom.h>
#include <linux/highmem.h>
#include <linux/pid_namespace.h>
#include <linux/sched/coredump.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>
#include <linux/vmalloc.h>
#include <linux/xxhash.h>

#include "compat.h"
#include "main.h"
#include "move.h"

/* ---- the buffer ---- */

void *hc_image_add(struct hc_image *image, u32 type, u32 len)
{
	struct hci_rec *rec;
	void *data;
	u64 room;

	len = round_up(len, 8);
	if (image->err)
		return NULL;
	if (image->len + len > HCI_LEN_MAX) {
		image->err = -E2BIG;
		return NULL;
	}
	if (image->len + len > image->room) {
		room = min_t(u64, PAGE_ALIGN((image->len + len) * 2 + SZ_64K), HCI_LEN_MAX);
		data = vzalloc(room);
		if (!data) {
			image->err = -ENOMEM;
			return NULL;
		}
		if (image->len)
			memcpy(data, image->data, image->len);
		vfree(image->data);
		image->data = data;
		image->room = room;
	}
	rec = image->data + image->len;
	rec->type = type;
	rec->len = len;
	image->len += len;
	return rec;
}

static int path_of(const struct path *path, char *buf, const char **ret)
{
	char *text = d_path(path, buf, HCI_PATH_LEN);

	if (IS_ERR(text))
		return PTR_ERR(text);
	*ret = text;
	return text[0] == '/' ? 0 : -EINVAL;
}

int hc_move_file_sum(struct file *file, u64 *ret_size, u64 *ret_sum)
{
	u64 size = i_size_read(file_inode(file)), sum = 0;
	void *buf = kmalloc(SZ_64K, GFP_KERNEL);
	loff_t pos = 0;

	if (!buf)
		return -ENOMEM;
	while (pos < size) {
		ssize_t n = kernel_read(file, buf, SZ_64K, &pos);

		if (n <= 0 || fatal_signal_pending(current)) {
			kfree(buf);
			return n < 0 ? n : -EIO;
		}
		sum = xxh64(buf, n, sum);
		cond_resched();
	}
	kfree(buf);
	*ret_size = size;
	*ret_sum = sum;
	return 0;
}

/* ---- process ---- */

static void put_creds(struct task_struct *t, struct hci_head *h)
{
	const struct cred *c = get_task_cred(t);
	struct user_namespace *ns = &init_user_ns;
	int i;

	h->uid[0] = from_kuid_munged(ns, c->uid);
	h->uid[1] = from_kuid_munged(ns, c->euid);
	h->uid[2] = from_kuid_munged(ns, c->suid);
	h->uid[3] = from_kuid_munged(ns, c->fsuid);
	h->gid[0] = from_kgid_munged(ns, c->gid);
	h->gid[1] = from_kgid_munged(ns, c->egid);
	h->gid[2] = from_kgid_munged(ns, c->sgid);
	h->gid[3] = from_kgid_munged(ns, c->fsgid);
	h->nr_groups = c->group_info->ngroups;
	for (i = 0; i < min(c->group_info->ngroups, HCI_GROUPS_MAX); i++)
		h->groups[i] = from_kgid_munged(ns, c->group_info->gid[i]);
	h->securebits = c->securebits;
	memcpy(&h->caps[0], &c->cap_inheritable, 8);
	memcpy(&h->caps[1], &c->cap_permitted, 8);
	memcpy(&h->caps[2], &c->cap_effective, 8);
	memcpy(&h->caps[3], &c->cap_bset, 8);
	memcpy(&h->caps[4], &c->cap_ambient, 8);
	put_cred(c);
}

/* The interval timer stops with the program; it goes on over there, or here again. */
static void put_itimer(struct hc_move *move, struct hci_head *h)
{
	struct signal_struct *sig = move->leader->signal;
	struct hc_park *park = move->park;

	if (hrtimer_active(&sig->real_timer)) {
		park->itimer_left_ns = ktime_to_ns(hrtimer_get_remaining(&sig->real_timer));
		park->itimer_at = ktime_get();
		hrtimer_cancel(&sig->real_timer);
		park->itimer_is_held = true;
		h->itimer_ns = max_t(s64, park->itimer_left_ns, 1);
	}
	h->itimer_interval_ns = ktime_to_ns(sig->it_real_incr);
}

static void put_actions(struct task_struct *t, struct hci_head *h)
{
	int i;

	spin_lock_irq(&hc_sighand(t)->siglock);
	for (i = 0; i < HCI_SIGNALS; i++) {
		const struct k_sigaction *sa = &hc_sighand(t)->action[i];

		h->actions[i].handler = (__force u64)sa->sa.sa_handler;
		h->actions[i].flags = sa->sa.sa_flags;
		h->actions[i].restorer = (__force u64)sa->sa.sa_restorer;
		h->actions[i].mask = sa->sa.sa_mask.sig[0];
	}
	spin_unlock_irq(&hc_sighand(t)->siglock);
}

static int put_paths(struct hc_move *move, struct hci_head *h, char *buf)
{
	const char *text;
	struct file *exe;
	struct path pwd;
	int err;

	rcu_read_lock();
	exe = rcu_dereference(move->mm->exe_file);
	if (exe)
		get_file(exe);
	rcu_read_unlock();
	if (!exe)
		return -ENOENT;
	err = path_of(&exe->f_path, buf, &text);
	if (!err) {
		strscpy(h->exe, text, sizeof(h->exe));
		if (d_unlinked(exe->f_path.dentry))
			err = -ENOENT;
	}
	if (!err)
		err = hc_move_file_sum(exe, &h->exe_size, &h->exe_sum);
	fput(exe);
	if (err) {
		hc_move_say(move, "its program file has no name any more, or can't be read");
		return err;
	}
	task_lock(move->leader);
	get_fs_pwd(move->leader->fs, &pwd);
	h->umask = move->leader->fs->umask & 0777;
	task_unlock(move->leader);
	err = path_of(&pwd, buf, &text);
	if (!err && d_unlinked(pwd.dentry))
		err = -ENOENT;
	if (!err)
		strscpy(h->cwd, text, sizeof(h->cwd));
	path_put(&pwd);
	if (err)
		hc_move_say(move, "its working directory has no name any more");
	return err;
}

static int put_head(struct hc_move *move, struct hc_image *image, char *buf)
{
	struct hci_head *h = hc_image_add(image, HCI_HEAD, sizeof(*h));
	struct task_struct *t = move->leader;
	struct mm_struct *mm = move->mm;
	int i;

	if (!h)
		return image->err;
	h->magic = HCI_MAGIC;
	h->version = HCI_VERSION;
	h->pid = le32_to_cpu(move->offer.pid);
	h->ppid = le32_to_cpu(move->offer.ppid);
	h->pgid = le32_to_cpu(move->offer.pgid);
	h->sid = le32_to_cpu(move->offer.sid);
	h->mono_ns = ktime_get_ns();
	h->boot_ns = ktime_get_boottime_ns();
	put_itimer(move, h);
	h->mm[HCI_MM_START_CODE] = mm->start_code;
	h->mm[HCI_MM_END_CODE] = mm->end_code;
	h->mm[HCI_MM_START_DATA] = mm->start_data;
	h->mm[HCI_MM_END_DATA] = mm->end_data;
	h->mm[HCI_MM_START_BRK] = mm->start_brk;
	h->mm[HCI_MM_BRK] = mm->brk;
	h->mm[HCI_MM_START_STACK] = mm->start_stack;
	h->mm[HCI_MM_ARG_START] = mm->arg_start;
	h->mm[HCI_MM_ARG_END] = mm->arg_end;
	h->mm[HCI_MM_ENV_START] = mm->env_start;
	h->mm[HCI_MM_ENV_END] = mm->env_end;
	BUILD_BUG_ON(sizeof(mm->saved_auxv) > sizeof(h->auxv));
	memcpy(h->auxv, mm->saved_auxv, sizeof(mm->saved_auxv));
	put_creds(t, h);
	if (h->nr_groups > HCI_GROUPS_MAX) {
		hc_move_say(move, "it is in more than %d groups", HCI_GROUPS_MAX);
		return -EOPNOTSUPP;
	}
	task_lock(t->group_leader);
	for (i = 0; i < HCI_RLIMITS; i++) {
		h->rlimits[i][0] = t->signal->rlim[i].rlim_cur;
		h->rlimits[i][1] = t->signal->rlim[i].rlim_max;
	}
	task_unlock(t->group_leader);
	h->personality = t->personality;
	h->dumpable = get_dumpable(mm);
	h->no_new_privs = task_no_new_privs(t);
	h->nice = task_nice(t);
	h->oom_score_adj = t->signal->oom_score_adj;
	h->timer_slack_ns = t->timer_slack_ns;
	put_actions(t, h);
	return put_paths(move, h, buf);
}

/* ---- threads ---- */

static int put_signals(struct hc_thread *t, struct hc_image *image)
{
	kernel_siginfo_t *infos;
	struct sigqueue *q;
	u32 i, n = 0;

	infos = kvcalloc(64, sizeof(*infos), GFP_KERNEL);
	if (!infos)
		return -ENOMEM;
	spin_lock_irq(&hc_sighand(t->task)->siglock);
	list_for_each_entry(q, &t->task->pending.list, list)
		if (n < 64)
			infos[n++] = q->info;
		else
			n = 65;
	spin_unlock_irq(&hc_sighand(t->task)->siglock);
	for (i = 0; i < n && n <= 64; i++) {
		struct hci_signal *s = hc_image_add(image, HCI_SIGNAL, sizeof(*s));

		if (!s)
			break;
		s->signo = infos[i].si_signo;
		memcpy(s->info, &infos[i], min(sizeof(infos[i]), sizeof(s->info)));
	}
	kvfree(infos);
	t->nr_pending = n;
	return n > 64 ? -E2BIG : image->err;
}

static int put_threads(struct hc_move *move, struct hc_image *image, u32 *ret_nr)
{
	struct hc_park *park = move->park;
	u32 i, nr = 0;
	int err;

	for (i = 0; i < park->nr; i++) {
		struct hc_thread *t = park->threads[i];
		struct hci_thread *o;
		struct hci_rec *x;

		if (t->state != HC_PARK_PARKED)
			continue;
		o = hc_image_add(image, HCI_THREAD, sizeof(*o));
		if (!o)
			return image->err;
		t->out.rec = o->rec;
		*o = t->out;
		x = hc_image_add(image, HCI_XSTATE, sizeof(*x) + t->xstate_len);
		if (!x)
			return image->err;
		memcpy(x + 1, t->xstate, t->xstate_len);
		err = put_signals(t, image);
		if (err) {
			hc_move_say(move, "thread %u has too many signals waiting", t->out.tid);
			return err;
		}
		nr++;
	}
	*ret_nr = nr;
	return 0;
}

/* ---- mappings ---- */

static const struct {
	unsigned long vm;
	u32 hci;
} vma_flags[] = {
	{ VM_READ,		HCI_VF_READ },
	{ VM_WRITE,		HCI_VF_WRITE },
	{ VM_EXEC,		HCI_VF_EXEC },
	{ VM_GROWSDOWN,		HCI_VF_GROWS },
	{ VM_NORESERVE,		HCI_VF_NORESERVE },
	{ VM_LOCKED,		HCI_VF_LOCKED },
	{ VM_DONTCOPY,		HCI_VF_DONTCOPY },
	{ VM_DONTDUMP,		HCI_VF_DONTDUMP },
	{ VM_WIPEONFORK,	HCI_VF_WIPE },
	{ VM_HUGEPAGE,		HCI_VF_HUGE },
	{ VM_NOHUGEPAGE,	HCI_VF_NOHUGE },
	{ VM_SHARED,		HCI_VF_SHARED },
};

static int put_file_vma(struct vm_area_struct *vma, struct hc_image *image, char *buf)
{
	struct hci_vma *v;
	const char *path;
	int err = path_of(&vma->vm_file->f_path, buf, &path);

	if (err)
		return err;
	v = hc_image_add(image, HCI_VMA, sizeof(*v) + strlen(path) + 1);
	if (!v)
		return image->err;
	v->kind = HCI_VMA_FILE;
	v->offset = (u64)vma->vm_pgoff << PAGE_SHIFT;
	memcpy(v + 1, path, strlen(path) + 1);
	/* The same file again, as its other segments: its sum is known. */
	return 0;
}

/* Sums of the mapped files; after the walk, since reading may sleep on anything. */
static int put_sums(struct hc_move *move, struct hc_image *image)
{
	const struct hci_rec *rec = image->data;
	struct hci_vma *last = NULL;
	u64 at;

	for (at = 0; at < image->len; at += ((struct hci_rec *)(image->data + at))->len) {
		struct hci_vma *v = image->data + at;
		struct file *file;
		int err;

		rec = &v->rec;
		if (rec->type != HCI_VMA || v->kind != HCI_VMA_FILE)
			continue;
		if (last && !strcmp((char *)(last + 1), (char *)(v + 1))) {
			v->size = last->size;
			v->sum = last->sum;
			continue;
		}
		last = v;
		file = filp_open((char *)(v + 1), O_RDONLY | O_LARGEFILE, 0);
		err = PTR_ERR_OR_ZERO(file);
		if (!err) {
			err = hc_move_file_sum(file, &v->size, &v->sum);
			fput(file);
		}
		if (err) {
			hc_move_say(move, "the mapped file %.100s can't be read",
				    (char *)(v + 1));
			return err;
		}
	}
	return 0;
}

static int put_vma(struct hc_move *move, struct vm_area_struct *vma, struct hc_image *image,
		   char *buf)
{
	u64 at = image->len;
	struct hci_vma *v;
	unsigned int i;
	int err = 0;

	if (vma->vm_file)
		err = put_file_vma(vma, image, buf);
	else
		hc_image_add(image, HCI_VMA, sizeof(*v));
	if (err || image->err)
		return err ?: image->err;
	v = image->data + at;
	v->start = vma->vm_start;
	v->end = vma->vm_end;
	for (i = 0; i < ARRAY_SIZE(vma_flags); i++)
		if (vma->vm_flags & vma_flags[i].vm)
			v->flags |= vma_flags[i].hci;
	if (hc_vma_is_vdso(move->mm, vma)) {
		struct hci_head *h = image->data;

		v->kind = HCI_VMA_VDSO;
		if (!h->vvar)
			h->vvar = vma->vm_start;
		if (vma->vm_start == (unsigned long)move->mm->context.vdso) {
			h->vdso = vma->vm_start;
			h->vdso_end = vma->vm_end;
		}
	} else if (!vma->vm_file) {
		move->nr_pages += hc_mm_runs(move->mm, vma->vm_start, vma->vm_end, image);
	}
	return image->err;
}

static int put_vmas(struct hc_move *move, struct hc_image *image, char *buf, u32 *ret_nr)
{
	struct mm_struct *mm = move->mm;
	struct vm_area_struct *vma;
	u32 nr = 0;
	int err = 0;

	mmap_read_lock(mm);
	{
		VMA_ITERATOR(vmi, mm, 0);

		for_each_vma(vmi, vma) {
			err = put_vma(move, vma, image, buf);
			if (err)
				break;
			nr++;
		}
	}
	mmap_read_unlock(mm);
	*ret_nr = nr;
	return err;
}

/* ---- pages that go along ---- */

static int put_page_at(struct hc_move *move, struct hc_image *image, u64 addr, u32 *nr)
{
	struct hci_page *p;
	struct page *page;
	void *data;

	if (hc_move_pages(move, addr, 1, &page))
		return 0;	/* nothing there: nothing to carry */
	p = hc_image_add(image, HCI_PAGE, sizeof(*p));
	if (p) {
		p->addr = addr;
		data = kmap_local_page(page);
		memcpy(p->data, data, PAGE_SIZE);
		kunmap_local(data);
		(*nr)++;
	}
	put_page(page);
	return image->err;
}

/* Private copies of pages of mapped files: few, and they have no other way. */
static int put_private(struct hc_move *move, struct hc_image *image, u64 upto, u32 *nr)
{
	u64 at;
	int err = 0;

	for (at = 0; !err && at < upto;) {
		struct hci_vma v = *(struct hci_vma *)(image->data + at);
		u64 addr;

		at += v.rec.len;
		if (v.rec.type != HCI_VMA || v.kind != HCI_VMA_FILE || v.flags & HCI_VF_SHARED)
			continue;
		for (addr = v.start; !err && addr < v.end; addr += PAGE_SIZE) {
			bool is_private;

			mmap_read_lock(move->mm);
			is_private = hc_mm_is_private(move->mm, addr);
			mmap_read_unlock(move->mm);
			if (is_private)
				err = put_page_at(move, image, addr, nr);
			if (*nr > HCI_PAGES_MAX)
				return -E2BIG;
		}
	}
	return err;
}

/* ---- descriptors ---- */

static bool is_cloexec(struct task_struct *t, u32 fd)
{
	bool is_set;

	task_lock(t);
	spin_lock(&t->files->file_lock);
	is_set = hc_close_on_exec(t->files, fd);
	spin_unlock(&t->files->file_lock);
	task_unlock(t);
	return is_set;
}

static int put_file(struct hc_move *move, struct hc_image *image, struct hc_files *files, u32 i,
		    char *buf)
{
	struct file *file = files->file[i];
	struct inode *inode = file_inode(file);
	char *name = d_path(&file->f_path, buf, HCI_PATH_LEN);
	struct hci_file *f;
	int kind;
	u32 k;

	kind = hc_move_file_kind(file, files->fd[i], NULL);
	if (kind < 0 || IS_ERR(name))
		return -EOPNOTSUPP;
	f = hc_image_add(image, HCI_FILE, sizeof(*f) + strlen(name) + 1);
	if (!f)
		return image->err;
	f->kind = kind;
	f->fd = files->fd[i];
	f->same = f->fd;
	for (k = 0; k < i; k++)
		if (files->file[k] == file) {
			f->kind = HCI_FILE_SAME;
			f->same = files->fd[k];
			break;
		}
	f->flags = file->f_flags;
	f->cloexec = is_cloexec(move->leader, f->fd);
	f->pos = max_t(s64, file->f_pos, 0);
	f->size = i_size_read(inode);
	f->ino = inode->i_ino;
	f->mode = inode->i_mode & (S_IFMT | 0777);
	f->rdev = inode->i_rdev;
	memcpy(f + 1, name, strlen(name) + 1);
	return f->kind == HCI_FILE_HOME ? hc_serve_add(move, f->fd, file) : 0;
}

static int put_files(struct hc_move *move, struct hc_image *image, char *buf, u32 *ret_nr)
{
	struct hc_files *files = hc_files_get(move->leader);
	int err = files ? 0 : -ENOMEM;
	u32 i;

	for (i = 0; !err && i < files->nr; i++)
		err = put_file(move, image, files, i, buf);
	*ret_nr = files ? files->nr : 0;
	hc_files_put(files);
	return err;
}

/* ---- all of it ---- */

static int capture(struct hc_move *move, struct hc_image *image, char *buf)
{
	u32 nr_threads, nr_vmas, nr_files, nr_pages = 0;
	struct hci_head *h;
	u64 upto;
	int err;

	err = put_head(move, image, buf) ?:
	      put_threads(move, image, &nr_threads) ?:
	      put_vmas(move, image, buf, &nr_vmas);
	upto = image->len;
	err = err ?: put_sums(move, image) ?:
	      put_files(move, image, buf, &nr_files) ?:
	      put_private(move, image, upto, &nr_pages);
	if (err)
		return err;
	hc_image_add(image, HCI_END, sizeof(struct hci_rec));
	if (image->err)
		return image->err;
	h = image->data;
	h->nr_threads = nr_threads;
	h->nr_vmas = nr_vmas;
	h->nr_files = nr_files;
	h->nr_pages = nr_pages;
	h->len = image->len;
	move->nr_threads = nr_threads;
	return 0;
}

int hc_move_capture(struct hc_move *move)
{
	struct hc_image image = { };
	char *buf = kmalloc(HCI_PATH_LEN, GFP_KERNEL);
	int err;

	if (!buf)
		return -ENOMEM;
	down_write(&move->mm_lock);
	move->mm = get_task_mm(move->leader);
	up_write(&move->mm_lock);
	err = move->mm ? capture(move, &image, buf) : -ESRCH;
	kfree(buf);
	if (err) {
		vfree(image.data);
		hc_move_say(move, "its state could not be written down (error %d)", err);
		return err;
	}
	down_write(&move->mm_lock);
	move->image = image.data;
	move->image_len = image.len;
	up_write(&move->mm_lock);
	return 0;
}
