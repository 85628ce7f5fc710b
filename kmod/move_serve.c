// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Files at home, worked on for the program by the shadow's threads. Only a thread of
 * the shadow is asked by the terminal who it is, stops with its job, and has memory
 * for the arguments of ioctl(2).
 *
 *	request of the target ── queue ──► a thread, in HCM_SERVE ── DONE ──► target
 *	                           ▲            │ interrupted by a signal of the shadow
 *	                           '────────────'
 *
 * An object is a file that the program had open: it holds the file from the capture on,
 * in place of the shadow, which closes all it has. Requests come again when a connection
 * was lost; each is done once. A result is said until the target has it.
 */
#include <linux/file.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/task_work.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "main.h"
#include "move.h"
#include "policy/ioctl.h"

#define REQUESTS_MAX	1024	/* of one program */
#define SAY_AGAIN_MS	100
#define SHARED_FLAGS	(O_NONBLOCK | O_APPEND)

struct hc_object;

struct wake {
	wait_queue_entry_t entry;
	wait_queue_head_t *head;
	struct hc_object *object;
};

struct hc_object {
	struct kref kref;
	struct list_head list;		/* home->objects; home->lock */
	struct hc_move *move;		/* reference held */
	u32 id;
	struct file *file;		/* reference held; NULL when closed; lock */
	struct mutex lock;
	u32 seq;			/* lock */
	bool is_armed;			/* lock */
	unsigned int nr_wakes;		/* lock */
	atomic_t woke;			/* events that it was woken for since the last message */
	struct wake wakes[4];
	struct delayed_work poll_work;	/* holds a reference while it is queued */
};

struct io_call {
	struct kref kref;
	struct list_head list;		/* home->requests or ->running; home->lock */
	struct hc_move *move;		/* reference held */
	struct hc_object *object;	/* reference held */
	struct file *file;		/* reference held */
	struct task_struct *worker;	/* inside of it; home->lock */
	bool is_cancelled;		/* home->lock */
	struct callback_head cancel_cb;
	struct delayed_work done_work;
	u64 id;
	u16 op, set_flags;
	u32 flags, len, cmd;
	u64 arg;
	loff_t offset;
	s64 ret;
	loff_t pos;
	u32 mask, seq;
	u32 in_len, out_len;		/* of @data: for the call, and what it left there */
	u8 data[] __aligned(8);		/* HCW_IO_DATA_MAX bytes at most */
};

/* ---- objects ---- */

static void object_release(struct kref *kref)
{
	struct hc_object *o = container_of(kref, struct hc_object, kref);

	hc_move_put(o->move);
	kfree(o);
}

/* The mask and its place in the row of masks. */
static u32 mask_sample(struct hc_object *o, u32 *ret_seq)
{
	u32 mask = (__force u32)(EPOLLERR | EPOLLHUP);

	mutex_lock(&o->lock);
	if (o->file)
		mask = (__force u32)vfs_poll(o->file, NULL);
	*ret_seq = ++o->seq;
	mutex_unlock(&o->lock);
	return mask;
}

static void poll_queue(struct hc_object *o, unsigned int ms)
{
	kref_get(&o->kref);
	if (!queue_delayed_work(hc_tell_wq, &o->poll_work, msecs_to_jiffies(ms)))
		kref_put(&o->kref, object_release);
}

static void poll_work_fn(struct work_struct *work)
{
	struct hc_object *o = container_of(to_delayed_work(work), struct hc_object, poll_work);
	struct hcw_move_poll poll = { .object = cpu_to_le32(o->id) };
	u32 seq, key = atomic_xchg(&o->woke, 0);
	int err;

	poll.mask = cpu_to_le32(mask_sample(o, &seq));
	poll.seq = cpu_to_le32(seq);
	poll.key = cpu_to_le32(key);
	err = hc_move_send(o->move, HCW_MOVE_POLL, 0, &poll, sizeof(poll), NULL, NULL);
	if (err && err != -EREMOTEIO && !hc_move_is_over(hc_move_state(o->move))) {
		atomic_or(key, &o->woke);
		poll_queue(o, SAY_AGAIN_MS);
	}
	kref_put(&o->kref, object_release);
}

/* Under the lock of the wait queue, any context. */
static int wake_fn(wait_queue_entry_t *entry, unsigned int mode, int flags, void *key)
{
	struct hc_object *o = container_of(entry, struct wake, entry)->object;

	atomic_or((__force u32)key_to_poll(key) ?: ~0U, &o->woke);
	poll_queue(o, 0);
	return 0;
}

struct arm {
	poll_table table;
	struct hc_object *object;
};

static void arm_fn(struct file *file, wait_queue_head_t *head, poll_table *table)
{
	struct hc_object *o = container_of(table, struct arm, table)->object;
	struct wake *w;

	if (o->nr_wakes == ARRAY_SIZE(o->wakes))
		return;
	w = &o->wakes[o->nr_wakes++];
	w->object = o;
	w->head = head;
	init_waitqueue_func_entry(&w->entry, wake_fn);
	add_wait_queue(head, &w->entry);
}

static void object_arm(struct hc_object *o)
{
	struct arm arm = { .object = o };

	mutex_lock(&o->lock);
	if (!o->is_armed && o->file) {
		o->is_armed = true;
		init_poll_funcptr(&arm.table, arm_fn);
		vfs_poll(o->file, &arm.table);
	}
	mutex_unlock(&o->lock);
}

/* Nobody finds it any more. Drops the list's reference. */
static void object_close(struct hc_object *o)
{
	struct file *file;
	unsigned int i;

	mutex_lock(&o->lock);
	for (i = 0; i < o->nr_wakes; i++)
		remove_wait_queue(o->wakes[i].head, &o->wakes[i].entry);
	o->nr_wakes = 0;
	file = o->file;
	o->file = NULL;
	mutex_unlock(&o->lock);
	if (file)
		fput(file);
	kref_put(&o->kref, object_release);
}

static struct hc_object *object_find(struct hc_home *home, u32 id)
{
	struct hc_object *o;

	lockdep_assert_held(&home->lock);
	list_for_each_entry(o, &home->objects, list)
		if (o->id == id)
			return o;
	return NULL;
}

int hc_serve_add(struct hc_move *move, u32 id, struct file *file)
{
	struct hc_object *o = kzalloc(sizeof(*o), GFP_KERNEL);
	struct hc_home *home = move->home;
	bool is_closed;

	if (!o)
		return -ENOMEM;
	kref_init(&o->kref);
	o->move = hc_move_get(move);
	o->id = id;
	o->file = get_file(file);
	mutex_init(&o->lock);
	INIT_DELAYED_WORK(&o->poll_work, poll_work_fn);
	spin_lock(&home->lock);
	is_closed = home->is_closed;
	if (!is_closed)
		list_add_tail(&o->list, &home->objects);
	spin_unlock(&home->lock);
	if (is_closed)	/* killed meanwhile: nobody would take it off the list any more */
		object_close(o);
	return is_closed ? -ESHUTDOWN : 0;
}

/* ---- requests ---- */

static void request_release(struct kref *kref)
{
	struct io_call *r = container_of(kref, struct io_call, kref);

	atomic_dec(&r->move->home->nr_requests);
	fput(r->file);
	kref_put(&r->object->kref, object_release);
	hc_move_put(r->move);
	kfree(r);
}

/* Says the result, until it is heard. */
static void done_work_fn(struct work_struct *work)
{
	struct io_call *r = container_of(to_delayed_work(work), struct io_call, done_work);
	struct hcw_move_done *done = kmalloc(sizeof(*done) + r->out_len, GFP_KERNEL);
	int err = -ENOMEM;

	if (done) {
		memset(done, 0, sizeof(*done));
		done->id = cpu_to_le64(r->id);
		done->ret = cpu_to_le64(r->ret);
		done->pos = cpu_to_le64(r->pos);
		done->mask = cpu_to_le32(r->mask);
		done->seq = cpu_to_le32(r->seq);
		done->flags = cpu_to_le32(r->file->f_flags & SHARED_FLAGS);
		done->data_len = cpu_to_le32(r->out_len);
		memcpy(done + 1, r->data, r->out_len);
		err = hc_move_send(r->move, HCW_MOVE_DONE, 0, done, sizeof(*done) + r->out_len,
				   NULL, NULL);
		kfree(done);
	}
	if (err && err != -EREMOTEIO && !hc_move_is_over(hc_move_state(r->move)))
		queue_delayed_work(hc_tell_wq, &r->done_work, msecs_to_jiffies(SAY_AGAIN_MS));
	else
		kref_put(&r->kref, request_release);
}

/* On no list any more; takes over the reference. */
static void request_done(struct io_call *r, s64 ret)
{
	r->ret = ret;
	if (ret < 0)
		r->out_len = 0;
	if (READ_ONCE(r->object->is_armed))
		r->mask = mask_sample(r->object, &r->seq);
	queue_delayed_work(hc_tell_wq, &r->done_work, 0);
}

/* Has it come before? Requests are numbered; one that is far behind is no honest one. */
static bool is_new(struct hc_home *home, u64 id)
{
	lockdep_assert_held(&home->lock);
	if (id > home->io_top) {
		u64 n = min_t(u64, id - home->io_top, HC_IO_WINDOW), i;

		for (i = 0; i < n; i++)
			__clear_bit((id - i) % HC_IO_WINDOW, home->io_seen);
		home->io_top = id;
	} else if (home->io_top - id >= HC_IO_WINDOW) {
		return false;
	}
	return !__test_and_set_bit(id % HC_IO_WINDOW, home->io_seen);
}

/* Wanted when all that are waiting have something to do. home->lock is held. */
static bool wants_thread(struct hc_home *home)
{
	if (home->nr_queued <= home->nr_idle + home->nr_wanted)
		return false;
	home->nr_wanted++;
	return true;
}

static int request_queue(struct hc_home *home, u32 object, struct io_call *r)
{
	bool wants = false;
	int err = 0;

	spin_lock(&home->lock);
	r->object = object_find(home, object);
	if (home->is_closed || !r->object) {
		err = -EBADF;
	} else if (is_new(home, r->id)) {
		kref_get(&r->object->kref);
		r->file = get_file(r->object->file);
		list_add_tail(&r->list, &home->requests);
		home->nr_queued++;
		wants = wants_thread(home);
	} else {
		err = -EEXIST;
	}
	spin_unlock(&home->lock);
	if (!err)
		wake_up(&home->serve_wq);
	if (wants)
		wake_up_all(&home->wq);
	return err;
}

static void object_drop(struct hc_home *home, u32 id)
{
	struct hc_object *o;

	spin_lock(&home->lock);
	o = object_find(home, id);
	if (o)
		list_del_init(&o->list);
	spin_unlock(&home->lock);
	if (o)
		object_close(o);
}

/* The mask, and messages about changes from now on. No thread of the shadow is needed. */
static int object_poll(struct hc_home *home, u32 id, u64 *ret_mask)
{
	struct hc_object *o;
	u32 mask, seq;

	spin_lock(&home->lock);
	o = home->is_closed ? NULL : object_find(home, id);
	if (o)
		kref_get(&o->kref);
	spin_unlock(&home->lock);
	if (!o)
		return -EBADF;
	object_arm(o);
	mask = mask_sample(o, &seq);
	*ret_mask = (u64)seq << 32 | mask;
	kref_put(&o->kref, object_release);
	return 0;
}

static bool is_serving(struct hc_move *move)
{
	u8 state = hc_move_state(move);

	return state == HC_MOVE_AWAY || state == HC_MOVE_SETTLED;
}

int hc_serve_request(struct hc_move *move, const struct hcw_move_io *io, const void *data,
		     u32 data_len, u64 *ret_mask)
{
	struct hc_home *home = move->home;
	u32 object = le32_to_cpu(io->object), len = le32_to_cpu(io->len);
	u16 op = le16_to_cpu(io->op);
	struct io_call *r;
	int err;

	if (!home || !is_serving(move) || op == HCW_IO_INVALID || op > HCW_IO_MAX ||
	    len > HCW_IO_DATA_MAX || data_len > HCW_IO_DATA_MAX)
		return -EINVAL;
	if (op == HCW_IO_CLOSE) {
		object_drop(home, object);
		return 0;
	}
	if (op == HCW_IO_POLL)
		return object_poll(home, object, ret_mask);
	if (atomic_inc_return(&home->nr_requests) > REQUESTS_MAX) {
		atomic_dec(&home->nr_requests);
		return -ENOMEM;
	}
	r = kzalloc(sizeof(*r) + max3(len, data_len, (u32)sizeof(struct hcw_move_stat)),
		    GFP_KERNEL);
	if (!r) {
		atomic_dec(&home->nr_requests);
		return -ENOMEM;
	}
	kref_init(&r->kref);
	INIT_DELAYED_WORK(&r->done_work, done_work_fn);
	r->id = le64_to_cpu(io->id);
	r->op = op;
	r->set_flags = le16_to_cpu(io->set_flags);
	r->flags = le32_to_cpu(io->flags);
	r->len = len;
	r->cmd = le32_to_cpu(io->cmd);
	r->arg = le64_to_cpu(io->arg);
	r->offset = le64_to_cpu(io->offset);
	r->in_len = data_len;
	memcpy(r->data, data, data_len);
	r->move = hc_move_get(move);	/* before it is on a list: it may be over at once */
	err = request_queue(home, object, r);
	if (err) {
		atomic_dec(&home->nr_requests);
		hc_move_put(move);
		kfree(r);
		return err == -EEXIST ? 0 : err;
	}
	return 0;
}

static void cancel_fn(struct callback_head *cb)
{
	kref_put(&container_of(cb, struct io_call, cancel_cb)->kref, request_release);
}

void hc_serve_cancel(struct hc_move *move, u64 id)
{
	struct hc_home *home = move->home;
	struct io_call *r, *found = NULL;

	if (!home)
		return;
	spin_lock(&home->lock);
	list_for_each_entry(r, &home->requests, list)
		if (r->id == id)
			found = r;
	if (found) {
		list_del_init(&found->list);
		home->nr_queued--;
	}
	list_for_each_entry(r, &home->running, list)
		if (r->id == id && !r->is_cancelled) {
			r->is_cancelled = true;
			kref_get(&r->kref);
			init_task_work(&r->cancel_cb, cancel_fn);
			if (task_work_add(r->worker, &r->cancel_cb, TWA_SIGNAL))
				kref_put(&r->kref, request_release);
			break;
		}
	spin_unlock(&home->lock);
	if (found)
		request_done(found, -ERESTARTSYS);
}

/* ---- doing it ---- */

static void flags_set(struct io_call *r)
{
	struct file *file = r->file;
	u32 set = r->set_flags & SHARED_FLAGS;

	if (IS_APPEND(file_inode(file)))
		set &= ~O_APPEND;
	if (!set)
		return;
	spin_lock(&file->f_lock);
	file->f_flags = (file->f_flags & ~set) | (r->flags & set);
	spin_unlock(&file->f_lock);
	r->set_flags = 0;
}

/* By the file's own position, which others at home may share, or by the caller's. */
static s64 do_transfer(struct io_call *r)
{
	struct file *file = r->file;
	bool is_read = r->op == HCW_IO_READ, is_own;
	loff_t pos = r->offset;
	s64 n;

	if (!(file->f_mode & (is_read ? FMODE_READ : FMODE_WRITE)))
		return -EBADF;
	is_own = file->f_mode & FMODE_LSEEK && (u64)pos == HCW_IO_HERE;
	if (!(file->f_mode & FMODE_LSEEK))
		pos = 0;
	else if (!is_own && (pos < 0 || !(file->f_mode & (is_read ? FMODE_PREAD : FMODE_PWRITE))))
		return -ESPIPE;
	if (is_own) {
		if (mutex_lock_interruptible(&file->f_pos_lock))
			return -ERESTARTSYS;
		pos = file->f_pos;
	}
	if (is_read)
		n = kernel_read(file, r->data, r->len, &pos);
	else
		n = kernel_write(file, r->data, r->in_len, &pos);
	if (is_own) {
		if (n >= 0)
			file->f_pos = pos;
		mutex_unlock(&file->f_pos_lock);
	}
	r->pos = pos;
	r->out_len = is_read && n > 0 ? n : 0;
	return n;
}

static s64 do_ioctl(struct io_call *r, unsigned long scratch)
{
	const struct hc_ioctl_form *form = hc_ioctl_form(r->cmd);
	void __user *room = (void __user *)scratch;
	bool is_number;
	long ret;

	if (!form || r->in_len != form->in_len)
		return -ENOTTY;
	is_number = !form->in_len && !form->out_len;
	if (form->in_len && copy_to_user(room, r->data, form->in_len))
		return -EFAULT;
	ret = vfs_ioctl(r->file, r->cmd, is_number ? (u32)r->arg : scratch);
	if (ret == -ENOIOCTLCMD)
		ret = -ENOTTY;
	if (ret >= 0 && form->out_len && form->out_len <= r->len) {
		if (copy_from_user(r->data, room, form->out_len))
			return -EFAULT;
		r->out_len = form->out_len;
	}
	return ret;
}

static s64 do_seek(struct io_call *r)
{
	struct file *file = r->file;
	loff_t pos;

	if (!(file->f_mode & FMODE_LSEEK))
		return -ESPIPE;
	if (mutex_lock_interruptible(&file->f_pos_lock))
		return -ERESTARTSYS;
	pos = vfs_llseek(file, r->offset, r->cmd);
	mutex_unlock(&file->f_pos_lock);
	r->pos = pos;
	return pos < 0 ? pos : 0;
}

static u64 dev_pack(dev_t dev)
{
	return (u64)MAJOR(dev) << 32 | MINOR(dev);
}

static s64 do_stat(struct io_call *r)
{
	struct hcw_move_stat *s = (struct hcw_move_stat *)r->data;
	struct kstat st;
	int err = vfs_getattr(&r->file->f_path, &st, STATX_BASIC_STATS, 0);

	if (err)
		return err;
	memset(s, 0, sizeof(*s));
	s->dev = cpu_to_le64(dev_pack(st.dev));
	s->ino = cpu_to_le64(st.ino);
	s->rdev = cpu_to_le64(dev_pack(st.rdev));
	s->size = cpu_to_le64(st.size);
	s->blocks = cpu_to_le64(st.blocks);
	s->atime_ns = cpu_to_le64(timespec64_to_ns(&st.atime));
	s->mtime_ns = cpu_to_le64(timespec64_to_ns(&st.mtime));
	s->ctime_ns = cpu_to_le64(timespec64_to_ns(&st.ctime));
	s->mode = cpu_to_le32(st.mode);
	s->nlink = cpu_to_le32(st.nlink);
	s->uid = cpu_to_le32(from_kuid_munged(&init_user_ns, st.uid));
	s->gid = cpu_to_le32(from_kgid_munged(&init_user_ns, st.gid));
	s->blksize = cpu_to_le32(st.blksize);
	r->out_len = sizeof(*s);
	return 0;
}

static s64 request_do(struct io_call *r, unsigned long scratch)
{
	flags_set(r);
	switch (r->op) {
	case HCW_IO_READ:
	case HCW_IO_WRITE:
		return do_transfer(r);
	case HCW_IO_IOCTL:
		return do_ioctl(r, scratch);
	case HCW_IO_SEEK:
		return do_seek(r);
	case HCW_IO_STAT:
		return do_stat(r);
	case HCW_IO_SYNC:
		return vfs_fsync(r->file, r->cmd == 1);
	case HCW_IO_TRUNCATE:
		if (!(r->file->f_mode & FMODE_WRITE) || !S_ISREG(file_inode(r->file)->i_mode))
			return -EINVAL;
		return vfs_truncate(&r->file->f_path, r->offset);
	default:
		return -EINVAL;
	}
}

/* A thread that has taken a request is idle no more: both counts change at once. */
static bool take(struct hc_home *home, struct io_call **ret)
{
	bool is_closed;

	spin_lock(&home->lock);
	*ret = list_first_entry_or_null(&home->requests, struct io_call, list);
	if (*ret) {
		list_move(&(*ret)->list, &home->running);
		(*ret)->worker = current;
		home->nr_queued--;
		home->nr_idle--;
	}
	is_closed = home->is_closed;
	spin_unlock(&home->lock);
	return *ret || is_closed;
}

static void idle_add(struct hc_home *home, int n)
{
	spin_lock(&home->lock);
	home->nr_idle += n;
	spin_unlock(&home->lock);
}

/* Stopped or woken by something that is not for the program: it is to be done once more. */
static bool is_disturbed(s64 ret)
{
	return ret == -ERESTARTSYS || ret == -EINTR || ret == -ERESTARTNOHAND ||
	       ret == -ERESTARTNOINTR;
}

/* Back into the queue, unless the program itself does not want it any more. */
static bool put_back(struct hc_home *home, struct io_call *r, s64 ret)
{
	bool is_back = false;

	spin_lock(&home->lock);
	r->worker = NULL;
	list_del_init(&r->list);
	if (is_disturbed(ret) && !r->is_cancelled && !home->is_closed) {
		list_add(&r->list, &home->requests);
		home->nr_queued++;
		is_back = true;
	}
	spin_unlock(&home->lock);
	return is_back;
}

/* 0: come again. A thread that has a signal must go out, or it would not be stopped. */
long hc_serve(struct hc_home *home, unsigned long scratch)
{
	struct io_call *r = NULL;
	s64 ret;
	int err;

	idle_add(home, 1);
	err = wait_event_interruptible_exclusive(home->serve_wq, take(home, &r));
	if (!r) {
		idle_add(home, -1);
		return err ? -EINTR : -ESHUTDOWN;
	}
	ret = request_do(r, scratch);
	if (put_back(home, r, ret)) {
		wake_up(&home->serve_wq);
		return 0;
	}
	request_done(r, is_disturbed(ret) ? -ERESTARTSYS : ret);
	return 0;
}

/*
 * Nothing is served any more: the program did not move, has ended, or its shadow is
 * gone. What waits at the other end is told by the end of the move.
 */
void hc_serve_close(struct hc_home *home)
{
	struct hc_object *o, *next_o;
	struct io_call *r, *next_r;
	LIST_HEAD(requests);
	LIST_HEAD(objects);

	spin_lock(&home->lock);
	home->is_closed = true;
	home->nr_queued = 0;
	list_splice_init(&home->requests, &requests);
	list_splice_init(&home->objects, &objects);
	spin_unlock(&home->lock);
	wake_up_all(&home->serve_wq);
	list_for_each_entry_safe(r, next_r, &requests, list) {
		list_del_init(&r->list);
		request_done(r, -EIO);
	}
	list_for_each_entry_safe(o, next_o, &objects, list) {
		list_del_init(&o->list);
		object_close(o);
	}
}
