// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Files that are served from home (move_serve.c). Each is a file of a small file system
 * of ours; what a program does with it becomes a request to home, and its call returns
 * what the same call returned there. A signal interrupts the call at home too, and what
 * had been done by then counts.
 *
 * Poll: home tells when something changed, with a row number, since messages overtake
 * each other. A mask that says yes is asked for once more: another reader at home may
 * have been faster, which nobody tells.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/poll.h>
#include <linux/pseudo_fs.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/splice.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <asm/syscall.h>
#include <asm/unistd.h>

#include "compat.h"
#include "main.h"
#include "move.h"
#include "peer.h"
#include "policy/ioctl.h"

#define MAGIC		0x48435058	/* "HCPX" */
#define SHARED_FLAGS	(O_NONBLOCK | O_APPEND)
#define AGAIN_MS	100
#define GRACE_MS	30		/* a call that does not block gets so long to be done */
#define PATIENCE_MS	30000		/* for a home that can't be reached */

struct proxy {
	struct list_head list;		/* move->proxies; move->lock */
	struct kref kref;		/* the inode's, and each user's of the list */
	struct hc_move *move;		/* reference held */
	u32 object;
	umode_t mode;
	spinlock_t lock;
	u32 mask, seq;			/* lock */
	bool is_armed;			/* home tells about changes */
	u32 flags;			/* SHARED_FLAGS that home knows; lock */
	bool is_unused;			/* move->lock: home is to be told that it is closed */
	wait_queue_head_t wq;
	char name[];
};

/* A request under way. Whoever waits for it owns it. */
struct io {
	struct list_head list;		/* move->ios; move->lock */
	struct completion done;
	struct hcw_move_io *out;	/* and what follows it */
	u32 out_len;
	s64 ret;
	loff_t pos;
	u32 mask, seq, flags;
	void *in;			/* @in_room bytes for what comes back */
	u32 in_room, in_len;
};

static struct vfsmount *proxy_mnt;

/* ---- requests ---- */

static void proxy_release(struct kref *kref)
{
	struct proxy *p = container_of(kref, struct proxy, kref);

	hc_move_put(p->move);
	kfree(p);
}

static void mask_set(struct proxy *p, u32 mask, u32 seq)
{
	spin_lock(&p->lock);
	if (seq && (s32)(seq - p->seq) > 0) {
		p->seq = seq;
		p->mask = mask;
	}
	spin_unlock(&p->lock);
}

/* Nothing goes home before the program was let go: it would be taken for the answer to GO. */
static bool io_add(struct hc_move *move, struct io *io)
{
	bool is_off;

	init_completion(&io->done);
	spin_lock(&move->lock);
	is_off = move->has_no_files || !READ_ONCE(move->is_let_go);
	if (!is_off) {
		io->out->id = cpu_to_le64(++move->io_id);
		list_add_tail(&io->list, &move->ios);
	}
	spin_unlock(&move->lock);
	return !is_off;
}

static void io_del(struct hc_move *move, struct io *io)
{
	spin_lock(&move->lock);
	list_del_init(&io->list);
	spin_unlock(&move->lock);
}

static bool wait_ms(struct io *io, unsigned int ms)
{
	return wait_for_completion_killable_timeout(&io->done, msecs_to_jiffies(ms)) > 0;
}

/*
 * Until home has the request. One that was answered by a lost connection may have
 * arrived: home knows it by its number. False: done, refused or killed.
 */
static bool io_send(struct hc_move *move, struct io *io)
{
	struct hc_msg answer;
	u8 *room = kmalloc(HCW_CTL_MAX, GFP_KERNEL);
	bool is_sent = false;

	io->ret = -EIO;
	while (room && !try_wait_for_completion(&io->done)) {
		int err = hc_move_send(move, HCW_MOVE_IO, 0, io->out, io->out_len, room, &answer);

		is_sent = !err && !answer.status;
		if (is_sent || (!err && answer.status != HCW_ENOMEM))
			break;
		if (wait_ms(io, AGAIN_MS) || fatal_signal_pending(current))
			break;
	}
	kfree(room);
	return is_sent;
}

/*
 * Not before home has said how it went: what was read there must not be lost. What a
 * signal does not interrupt at home it does not interrupt here.
 */
static void io_wait(struct proxy *p, struct io *io)
{
	struct hc_move *move = p->move;

	if (S_ISREG(p->mode) || io->out->op == cpu_to_le16(HCW_IO_STAT)) {
		wait_for_completion_killable(&io->done);
		return;
	}
	/* A program with a fast timer gets on, too. */
	if (wait_ms(io, GRACE_MS) || !wait_for_completion_interruptible(&io->done))
		return;
	do {
		hc_move_send(move, HCW_MOVE_CANCEL, le64_to_cpu(io->out->id), NULL, 0, NULL, NULL);
		if (fatal_signal_pending(current))
			return;
	} while (!wait_ms(io, AGAIN_MS));
}

static s64 io_do(struct proxy *p, struct file *file, struct io *io)
{
	struct hc_move *move = p->move;
	u32 new = 0, flags = 0;

	if (file) {
		flags = READ_ONCE(file->f_flags) & SHARED_FLAGS;
		spin_lock(&p->lock);
		new = flags ^ p->flags;
		p->flags = flags;
		spin_unlock(&p->lock);
	}
	io->out->object = cpu_to_le32(p->object);
	io->out->set_flags = cpu_to_le16(new);
	io->out->flags = cpu_to_le32(flags);
	if (!io_add(move, io))
		return -EIO;
	if (io_send(move, io))
		io_wait(p, io);
	io_del(move, io);
	mask_set(p, io->mask, io->seq);
	if (file && io->seq && (io->flags ^ flags) & SHARED_FLAGS) {
		/* Somebody at home who shares it has changed them. */
		spin_lock(&file->f_lock);
		file->f_flags = (file->f_flags & ~SHARED_FLAGS) | (io->flags & SHARED_FLAGS);
		spin_unlock(&file->f_lock);
		spin_lock(&p->lock);
		p->flags = io->flags & SHARED_FLAGS;
		spin_unlock(&p->lock);
	}
	return fatal_signal_pending(current) && io->ret == -EIO ? -EINTR : io->ret;
}

/* @data_len bytes of room for data that goes out. */
static struct io *io_new(u16 op, u32 data_len, u32 in_room)
{
	struct io *io = kzalloc(sizeof(*io), GFP_KERNEL);

	if (!io)
		return NULL;
	INIT_LIST_HEAD(&io->list);
	io->out_len = sizeof(*io->out) + data_len;
	io->out = kvzalloc(io->out_len, GFP_KERNEL);
	io->in_room = in_room;
	if (in_room)
		io->in = kvmalloc(in_room, GFP_KERNEL);
	if (!io->out || (in_room && !io->in)) {
		kvfree(io->in);
		kvfree(io->out);
		kfree(io);
		return NULL;
	}
	io->out->op = cpu_to_le16(op);
	io->out->len = cpu_to_le32(in_room);
	io->out->data_len = cpu_to_le32(data_len);
	return io;
}

static void io_free(struct io *io)
{
	kvfree(io->in);
	kvfree(io->out);
	kfree(io);
}

void hc_proxy_done(struct hc_move *move, const struct hcw_move_done *done, const void *data,
		   u32 data_len)
{
	struct io *io;

	spin_lock(&move->lock);
	list_for_each_entry(io, &move->ios, list) {
		if (io->out->id != done->id)
			continue;
		io->ret = le64_to_cpu(done->ret);
		/* A peer's word: a known error, or no more than there is room for. */
		if (io->ret < -MAX_ERRNO)
			io->ret = -EIO;
		io->pos = le64_to_cpu(done->pos);
		io->mask = le32_to_cpu(done->mask);
		io->seq = le32_to_cpu(done->seq);
		io->flags = le32_to_cpu(done->flags);
		io->in_len = min(data_len, io->in_room);
		if (io->in_len)
			memcpy(io->in, data, io->in_len);
		list_del_init(&io->list);
		complete_all(&io->done);
		break;
	}
	spin_unlock(&move->lock);
}

static struct proxy *proxy_find(struct hc_move *move, u32 object)
{
	struct proxy *p, *found = NULL;

	spin_lock(&move->lock);
	list_for_each_entry(p, &move->proxies, list)
		if (p->object == object && !p->is_unused) {
			kref_get(&p->kref);
			found = p;
			break;
		}
	spin_unlock(&move->lock);
	return found;
}

/* Wakes even when a later mask is known: each change counts for those who watch edges. */
void hc_proxy_poll(struct hc_move *move, const struct hcw_move_poll *poll)
{
	struct proxy *p = proxy_find(move, le32_to_cpu(poll->object));
	u32 mask = le32_to_cpu(poll->mask);

	if (!p)
		return;
	mask_set(p, mask, le32_to_cpu(poll->seq));
	wake_up_poll(&p->wq, (__force __poll_t)mask ?: EPOLLIN | EPOLLOUT);
	kref_put(&p->kref, proxy_release);
}

void hc_proxy_fail(struct hc_move *move)
{
	struct proxy *p;
	struct io *io, *next;

	spin_lock(&move->lock);
	move->has_no_files = true;
	list_for_each_entry_safe(io, next, &move->ios, list) {
		io->ret = -EIO;
		list_del_init(&io->list);
		complete_all(&io->done);
	}
	list_for_each_entry(p, &move->proxies, list)
		wake_up_poll(&p->wq, EPOLLERR | EPOLLHUP);
	spin_unlock(&move->lock);
}

/* True when home knows, or there is none: then the list's reference can go. */
static bool say_closed(struct proxy *p)
{
	struct hcw_move_io out = {
		.object = cpu_to_le32(p->object),
		.op = cpu_to_le16(HCW_IO_CLOSE),
	};
	int err;

	if (!READ_ONCE(p->move->is_let_go))
		return true;
	err = hc_move_send(p->move, HCW_MOVE_IO, 0, &out, sizeof(out), NULL, NULL);
	return !err || err == -EREMOTEIO || READ_ONCE(p->move->has_no_files) ||
	       hc_move_is_over(hc_move_state(p->move));
}

static void proxy_unlist(struct proxy *p)
{
	spin_lock(&p->move->lock);
	list_del_init(&p->list);
	spin_unlock(&p->move->lock);
	kref_put(&p->kref, proxy_release);
}

static struct proxy *unused_find(struct hc_move *move)
{
	struct proxy *p, *found = NULL;

	spin_lock(&move->lock);
	list_for_each_entry(p, &move->proxies, list)
		if (p->is_unused) {
			found = p;
			kref_get(&p->kref);
			break;
		}
	spin_unlock(&move->lock);
	return found;
}

void hc_proxy_tick(struct hc_move *move)
{
	bool is_said = true;
	struct proxy *p;

	if (hc_move_peer_state(move) == HC_MOVE_PEER_LIVE)
		move->away_at = 0;
	else if (!move->away_at)
		move->away_at = jiffies ?: 1;
	else if (!move->has_no_files &&
		 (move->peer->is_gone ||
		  time_after(jiffies, move->away_at + msecs_to_jiffies(PATIENCE_MS))))
		hc_proxy_fail(move);
	while (is_said && (p = unused_find(move))) {
		is_said = say_closed(p);
		if (is_said)
			proxy_unlist(p);
		kref_put(&p->kref, proxy_release);
	}
}

/* ---- files: what a program does ---- */

/* Calls that work at the file's own position; all others name one. */
static bool is_at_own_position(void)
{
	switch (syscall_get_nr(current, task_pt_regs(current))) {
	case __NR_read:
	case __NR_write:
	case __NR_readv:
	case __NR_writev:
		return true;
	default:
		return false;
	}
}

static void io_place(struct io *io, struct kiocb *kiocb)
{
	io->out->offset = cpu_to_le64(is_at_own_position() ? HCW_IO_HERE : (u64)kiocb->ki_pos);
}

/* One request; what it read, or an error. */
static ssize_t read_some(struct proxy *p, struct kiocb *kiocb, struct iov_iter *to)
{
	u32 n = min_t(size_t, iov_iter_count(to), HCW_IO_DATA_MAX);
	struct io *io = io_new(HCW_IO_READ, 0, n);
	s64 ret;

	if (!io)
		return -ENOMEM;
	io_place(io, kiocb);
	ret = io_do(p, kiocb->ki_filp, io);
	if (ret > 0) {
		ret = min_t(s64, ret, io->in_len);
		if (copy_to_iter(io->in, ret, to) != ret)
			ret = -EFAULT;
		else
			kiocb->ki_pos = io->pos;
	}
	io_free(io);
	return ret;
}

/* A regular file gives all that is asked for, others what is there. */
static ssize_t proxy_read_iter(struct kiocb *kiocb, struct iov_iter *to)
{
	struct proxy *p = kiocb->ki_filp->private_data;
	size_t total = 0;

	while (iov_iter_count(to)) {
		size_t want = min_t(size_t, iov_iter_count(to), HCW_IO_DATA_MAX);
		ssize_t n = read_some(p, kiocb, to);

		if (n < 0)
			return total ?: n;
		total += n;
		if (n < want || !S_ISREG(p->mode) || signal_pending(current))
			break;
	}
	return total;
}

static ssize_t write_some(struct proxy *p, struct kiocb *kiocb, struct iov_iter *from)
{
	u32 n = min_t(size_t, iov_iter_count(from), HCW_IO_DATA_MAX);
	struct io *io = io_new(HCW_IO_WRITE, n, 0);
	s64 ret;

	if (!io)
		return -ENOMEM;
	io_place(io, kiocb);
	if (copy_from_iter(io->out + 1, n, from) != n) {
		io_free(io);
		return -EFAULT;
	}
	ret = min_t(s64, io_do(p, kiocb->ki_filp, io), n);
	if (ret > 0)
		kiocb->ki_pos = io->pos;
	io_free(io);
	return ret;
}

static ssize_t proxy_write_iter(struct kiocb *kiocb, struct iov_iter *from)
{
	struct proxy *p = kiocb->ki_filp->private_data;
	size_t total = 0;

	while (iov_iter_count(from)) {
		size_t want = min_t(size_t, iov_iter_count(from), HCW_IO_DATA_MAX);
		ssize_t n = write_some(p, kiocb, from);

		if (n == -EPIPE && !total)
			send_sig(SIGPIPE, current, 0);
		if (n < 0)
			return total ?: n;
		total += n;
		if (n < want || signal_pending(current))
			break;
	}
	return total;
}

/* The mask from home; also asks to be told about changes. */
static void mask_ask(struct proxy *p, struct file *file)
{
	struct io *io = io_new(HCW_IO_POLL, 0, 0);

	if (!io)
		return;
	if (!io_do(p, file, io))
		WRITE_ONCE(p->is_armed, true);
	io_free(io);
}

static __poll_t proxy_poll(struct file *file, poll_table *table)
{
	struct proxy *p = file->private_data;
	u32 mask;

	poll_wait(file, &p->wq, table);
	if (READ_ONCE(p->move->has_no_files))
		return EPOLLERR | EPOLLHUP;
	if (!READ_ONCE(p->is_armed) ||
	    READ_ONCE(p->mask) & (u32)(__force int)poll_requested_events(table))
		mask_ask(p, file);
	mask = READ_ONCE(p->mask);
	return READ_ONCE(p->move->has_no_files) ? EPOLLERR | EPOLLHUP : (__force __poll_t)mask;
}

static long proxy_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	const struct hc_ioctl_form *form = hc_ioctl_form(cmd);
	struct io *io;
	long ret;

	if (!form)
		return -ENOTTY;
	io = io_new(HCW_IO_IOCTL, form->in_len, form->out_len);
	if (!io)
		return -ENOMEM;
	io->out->cmd = cpu_to_le32(cmd);
	if (form->in_len) {
		if (copy_from_user(io->out + 1, (void __user *)arg, form->in_len)) {
			io_free(io);
			return -EFAULT;
		}
	} else if (!form->out_len) {
		io->out->arg = cpu_to_le64(arg);
	}
	ret = io_do(file->private_data, file, io);
	if (ret >= 0 && form->out_len &&
	    (io->in_len != form->out_len ||
	     copy_to_user((void __user *)arg, io->in, form->out_len)))
		ret = -EFAULT;
	io_free(io);
	return ret;
}

/* Without data: @offset and @cmd say all. */
static s64 io_simple(struct proxy *p, struct file *file, u16 op, u64 offset, u32 cmd,
		     loff_t *ret_pos)
{
	struct io *io = io_new(op, 0, 0);
	s64 ret;

	if (!io)
		return -ENOMEM;
	io->out->offset = cpu_to_le64(offset);
	io->out->cmd = cpu_to_le32(cmd);
	ret = io_do(p, file, io);
	if (ret_pos)
		*ret_pos = io->pos;
	io_free(io);
	return ret;
}

static loff_t proxy_llseek(struct file *file, loff_t offset, int whence)
{
	loff_t pos = 0;
	s64 ret = io_simple(file->private_data, file, HCW_IO_SEEK, offset, whence, &pos);

	if (ret < 0 || pos < 0)
		return ret < 0 ? ret : -EIO;
	file->f_pos = pos;
	return pos;
}

static int proxy_fsync(struct file *file, loff_t start, loff_t end, int datasync)
{
	return io_simple(file->private_data, file, HCW_IO_SYNC, 0, !!datasync, NULL);
}

/* By splice() it would not be known where the file at home stands: read and write do. */
static ssize_t no_copy(struct file *in, loff_t pos_in, struct file *out, loff_t pos_out,
		       size_t len, unsigned int flags)
{
	return -EXDEV;
}

/* Locks at home belong to the shadow's files, and can't be taken from here. */
static int no_lock(struct file *file, int cmd, struct file_lock *lock)
{
	return -ENOLCK;
}

/* By /proc/self/fd, /dev/stdout: the same description once more. */
static int proxy_open(struct inode *inode, struct file *file)
{
	struct proxy *p = inode->i_private;

	if (S_ISREG(p->mode))
		return -ENXIO;
	file->private_data = p;
	return stream_open(inode, file);
}

static const struct file_operations stream_fops = {
	.owner		= THIS_MODULE,
	.open		= proxy_open,
	.read_iter	= proxy_read_iter,
	.write_iter	= proxy_write_iter,
	.poll		= proxy_poll,
	.unlocked_ioctl	= proxy_ioctl,
	.splice_read	= hc_splice_read,
	.splice_write	= iter_file_splice_write,
	.lock		= no_lock,
	.flock		= no_lock,
};

static const struct file_operations regular_fops = {
	.owner		= THIS_MODULE,
	.open		= proxy_open,
	.read_iter	= proxy_read_iter,
	.write_iter	= proxy_write_iter,
	.llseek		= proxy_llseek,
	.fsync		= proxy_fsync,
	.copy_file_range = no_copy,
	.lock		= no_lock,
	.flock		= no_lock,
};

/* ---- inodes ---- */

static void stat_put(struct kstat *st, const struct hcw_move_stat *s)
{
	u64 dev = le64_to_cpu(s->dev), rdev = le64_to_cpu(s->rdev);

	st->dev = MKDEV(dev >> 32, (u32)dev & MINORMASK);
	st->rdev = MKDEV(rdev >> 32, (u32)rdev & MINORMASK);
	st->ino = le64_to_cpu(s->ino);
	st->size = le64_to_cpu(s->size);
	st->blocks = le64_to_cpu(s->blocks);
	st->atime = ns_to_timespec64(le64_to_cpu(s->atime_ns));
	st->mtime = ns_to_timespec64(le64_to_cpu(s->mtime_ns));
	st->ctime = ns_to_timespec64(le64_to_cpu(s->ctime_ns));
	st->mode = le32_to_cpu(s->mode);
	st->nlink = le32_to_cpu(s->nlink);
	st->uid = make_kuid(&init_user_ns, le32_to_cpu(s->uid));
	st->gid = make_kgid(&init_user_ns, le32_to_cpu(s->gid));
	st->blksize = le32_to_cpu(s->blksize);
}

static int proxy_getattr(hc_idmap *map, const struct path *path, struct kstat *st, u32 request,
			 unsigned int flags)
{
	struct inode *inode = d_inode(path->dentry);
	struct io *io = io_new(HCW_IO_STAT, 0, sizeof(struct hcw_move_stat));
	s64 ret;

	if (!io)
		return -ENOMEM;
	ret = io_do(inode->i_private, NULL, io);
	if (!ret && io->in_len != sizeof(struct hcw_move_stat))
		ret = -EIO;
	if (!ret) {
		st->result_mask = STATX_BASIC_STATS;
		stat_put(st, io->in);
	}
	io_free(io);
	return ret;
}

static int proxy_setattr(hc_idmap *map, struct dentry *dentry, struct iattr *attr)
{
	struct inode *inode = d_inode(dentry);

	if (!(attr->ia_valid & ATTR_SIZE) || !S_ISREG(inode->i_mode))
		return -EPERM;
	return io_simple(inode->i_private, NULL, HCW_IO_TRUNCATE, attr->ia_size, 0, NULL);
}

static const struct inode_operations proxy_iops = {
	.getattr	= proxy_getattr,
	.setattr	= proxy_setattr,
};

/* Nobody has it any more. Home hears it before close() returns, unless it can't be reached. */
static void proxy_evict(struct inode *inode)
{
	struct proxy *p = inode->i_private;

	truncate_inode_pages_final(&inode->i_data);
	clear_inode(inode);
	if (!p)
		return;
	if (say_closed(p)) {
		proxy_unlist(p);
	} else {
		spin_lock(&p->move->lock);
		p->is_unused = true;
		spin_unlock(&p->move->lock);
	}
	kref_put(&p->kref, proxy_release);
}

static const struct super_operations proxy_sops = {
	.statfs		= simple_statfs,
	.evict_inode	= proxy_evict,
};

/* As it is called at home: pipe:[123], /dev/pts/0. */
static char *proxy_dname(struct dentry *dentry, char *buf, int len)
{
	struct proxy *p = d_inode(dentry)->i_private;
	int n = strlen(p->name) + 1;

	return n > len ? ERR_PTR(-ENAMETOOLONG) : memcpy(buf + len - n, p->name, n);
}

static const struct dentry_operations proxy_dops = {
	.d_dname = proxy_dname,
};

static int proxy_context(struct fs_context *fc)
{
	struct pseudo_fs_context *ctx = init_pseudo(fc, MAGIC);

	if (!ctx)
		return -ENOMEM;
	fc->s_iflags |= SB_I_NOEXEC | SB_I_NODEV;
	ctx->ops = &proxy_sops;
	ctx->dops = &proxy_dops;
	return 0;
}

/* No .owner: mounted by the module itself, it would hold the module for ever. */
static struct file_system_type proxy_fs = {
	.name			= "hcproxy",
	.init_fs_context	= proxy_context,
	.kill_sb		= kill_anon_super,
};

static struct proxy *proxy_new(struct hc_move *move, const struct hci_file *f)
{
	const char *name = (const char *)(f + 1);
	struct proxy *p = kzalloc(struct_size(p, name, strlen(name) + 1), GFP_KERNEL);

	if (!p)
		return NULL;
	kref_init(&p->kref);
	p->move = hc_move_get(move);
	p->object = f->fd;
	p->mode = f->mode;
	p->flags = f->flags & SHARED_FLAGS;
	spin_lock_init(&p->lock);
	init_waitqueue_head(&p->wq);
	memcpy(p->name, name, strlen(name) + 1);
	return p;
}

static struct file *proxy_file(struct hc_move *move, const struct hci_file *f)
{
	const struct file_operations *fops = S_ISREG(f->mode) ? &regular_fops : &stream_fops;
	struct inode *inode = new_inode(proxy_mnt->mnt_sb);
	struct proxy *p;
	struct file *file;

	if (!inode)
		return ERR_PTR(-ENOMEM);
	p = proxy_new(move, f);
	if (!p) {
		iput(inode);
		return ERR_PTR(-ENOMEM);
	}
	inode->i_mode = f->mode;
	inode->i_rdev = f->rdev;
	inode->i_op = &proxy_iops;
	inode->i_fop = fops;
	kref_get(&p->kref);	/* the list's */
	spin_lock(&move->lock);
	list_add_tail(&p->list, &move->proxies);
	spin_unlock(&move->lock);
	inode->i_private = p;
	file = alloc_file_pseudo(inode, proxy_mnt, "",
				 f->flags & (O_ACCMODE | SHARED_FLAGS | O_LARGEFILE), fops);
	if (IS_ERR(file)) {
		iput(inode);
		return file;
	}
	__module_get(THIS_MODULE);	/* given back with the file */
	file->private_data = p;
	if (S_ISREG(f->mode)) {
		file->f_mode |= FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE | FMODE_ATOMIC_POS;
		file->f_pos = f->pos;
	} else {
		stream_open(inode, file);
	}
	return file;
}

int hc_proxy_open(struct hc_move *move, const struct hci_file *f)
{
	struct file *file;
	int fd = get_unused_fd_flags(O_CLOEXEC);

	if (fd < 0)
		return fd;
	file = proxy_file(move, f);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	fd_install(fd, file);
	return fd;
}

int hc_proxy_init(void)
{
	proxy_mnt = kern_mount(&proxy_fs);
	return PTR_ERR_OR_ZERO(proxy_mnt);
}

void hc_proxy_exit(void)
{
	kern_unmount(proxy_mnt);
}
