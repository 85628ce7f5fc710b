// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pipes, terminals and regular files that are served from home: each is a file of a small
 * file system of ours.
 */
#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/pseudo_fs.h>
#include <linux/sched/signal.h>
#include <linux/splice.h>
#include <linux/uio.h>
#include <asm/syscall.h>
#include <asm/unistd.h>

#include "compat.h"
#include "main.h"
#include "move.h"
#include "move_proxy.h"

#define MAGIC	0x48435058	/* "HCPX" */

static struct vfsmount *proxy_mnt;

/* ---- what a program does ---- */

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

static s64 transfer(struct hc_io *io, struct kiocb *kiocb)
{
	struct file *file = kiocb->ki_filp;
	s64 ret;

	io->out->offset = cpu_to_le64(is_at_own_position() ? HCW_IO_HERE : (u64)kiocb->ki_pos);
	ret = hc_io_do(file->private_data, file, io);
	if (ret > 0)
		kiocb->ki_pos = io->pos;
	return ret;
}

/* One request; what it read, or an error. */
static ssize_t read_some(struct kiocb *kiocb, struct iov_iter *to, u32 want)
{
	struct hc_io *io = hc_io_new(HCW_IO_READ, 0, want);
	s64 ret;

	if (!io)
		return -ENOMEM;
	ret = transfer(io, kiocb);
	if (ret > 0) {
		ret = min_t(s64, ret, io->in_len);
		if (copy_to_iter(io->in, ret, to) != ret)
			ret = -EFAULT;
	}
	hc_io_free(io);
	return ret;
}

static ssize_t write_some(struct kiocb *kiocb, struct iov_iter *from, u32 want)
{
	struct hc_io *io = hc_io_new(HCW_IO_WRITE, want, 0);
	s64 ret = -EFAULT;

	if (!io)
		return -ENOMEM;
	if (copy_from_iter(io->out + 1, want, from) == want)
		ret = min_t(s64, transfer(io, kiocb), want);
	hc_io_free(io);
	if (ret == -EPIPE)
		send_sig(SIGPIPE, current, 0);
	return ret;
}

/* What a call has done with @want bytes of the rest counts, unless it is the first error. */
static bool goes_on(ssize_t *total, ssize_t n, size_t want)
{
	if (n < 0) {
		*total = *total ?: n;
		return false;
	}
	*total += n;
	return n == want && !signal_pending(current);
}

/* A regular file gives all that is asked for, others what is there. */
static ssize_t proxy_read_iter(struct kiocb *kiocb, struct iov_iter *to)
{
	bool is_all = S_ISREG(file_inode(kiocb->ki_filp)->i_mode);
	ssize_t total = 0;
	size_t want;

	do {
		want = min_t(size_t, iov_iter_count(to), HCW_IO_DATA_MAX);
	} while (want && goes_on(&total, read_some(kiocb, to, want), want) && is_all);
	return total;
}

static ssize_t proxy_write_iter(struct kiocb *kiocb, struct iov_iter *from)
{
	ssize_t total = 0;
	size_t want;

	do {
		want = min_t(size_t, iov_iter_count(from), HCW_IO_DATA_MAX);
	} while (want && goes_on(&total, write_some(kiocb, from, want), want));
	return total;
}

static __poll_t proxy_poll(struct file *file, poll_table *table)
{
	return hc_proxy_events(file->private_data, file, table);
}

static long proxy_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return hc_io_ioctl(file->private_data, file, cmd, arg);
}

/* Without data: @offset and @cmd say all. */
static s64 io_simple(struct hc_proxy *p, struct file *file, u16 op, u64 offset, u32 cmd,
		     loff_t *ret_pos)
{
	struct hc_io *io = hc_io_new(op, 0, 0);
	s64 ret;

	if (!io)
		return -ENOMEM;
	io->out->offset = cpu_to_le64(offset);
	io->out->cmd = cpu_to_le32(cmd);
	ret = hc_io_do(p, file, io);
	if (ret_pos)
		*ret_pos = io->pos;
	hc_io_free(io);
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
	struct hc_proxy *p = inode->i_private;

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
	struct hc_io *io = hc_io_new(HCW_IO_STAT, 0, sizeof(struct hcw_move_stat));
	s64 ret;

	if (!io)
		return -ENOMEM;
	ret = hc_io_do(inode->i_private, NULL, io);
	if (!ret && io->in_len != sizeof(struct hcw_move_stat))
		ret = -EIO;
	if (!ret) {
		st->result_mask = STATX_BASIC_STATS;
		stat_put(st, io->in);
	}
	hc_io_free(io);
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
	struct hc_proxy *p = inode->i_private;

	truncate_inode_pages_final(&inode->i_data);
	clear_inode(inode);
	if (p)
		hc_proxy_close(p);
}

static const struct super_operations proxy_sops = {
	.statfs		= simple_statfs,
	.evict_inode	= proxy_evict,
};

/* As it is called at home: pipe:[123], /dev/pts/0. */
static char *proxy_dname(struct dentry *dentry, char *buf, int len)
{
	struct hc_proxy *p = d_inode(dentry)->i_private;
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

struct file *hc_proxy_file(struct hc_move *move, const struct hci_file *f)
{
	const struct file_operations *fops = S_ISREG(f->mode) ? &regular_fops : &stream_fops;
	struct inode *inode = new_inode(proxy_mnt->mnt_sb);
	struct hc_proxy *p;
	struct file *file;

	if (!inode)
		return ERR_PTR(-ENOMEM);
	p = hc_proxy_new(move, f->fd, f->mode, f->flags, (const char *)(f + 1));
	if (!p) {
		iput(inode);
		return ERR_PTR(-ENOMEM);
	}
	inode->i_mode = f->mode;
	inode->i_rdev = f->rdev;
	inode->i_op = &proxy_iops;
	inode->i_fop = fops;
	inode->i_private = p;
	file = alloc_file_pseudo(inode, proxy_mnt, "",
				 f->flags & (O_ACCMODE | HC_PROXY_FLAGS | O_LARGEFILE), fops);
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

int hc_proxy_file_init(void)
{
	proxy_mnt = kern_mount(&proxy_fs);
	return PTR_ERR_OR_ZERO(proxy_mnt);
}

void hc_proxy_file_exit(void)
{
	kern_unmount(proxy_mnt);
}
