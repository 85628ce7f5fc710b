// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Files that are served from home (move_serve.c): requests, poll and life. What a program
 * does with one becomes a request to home, and its call returns what the same call
 * returned there. A signal interrupts the call at home too, and what had been done by then
 * counts.
 *
 * Poll: home tells when something changed, with a row number, since messages overtake
 * each other. A mask that says yes is asked for once more: another reader at home may
 * have been faster, which nobody tells.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "main.h"
#include "move.h"
#include "move_proxy.h"
#include "peer.h"
#include "policy/ioctl.h"

#define AGAIN_MS	100
#define GRACE_MS	30		/* a call that does not block gets so long to be done */
#define PATIENCE_MS	30000		/* for a home that can't be reached */

/* What a mask from a peer may have; other bits mean something to the kernel itself. */
#define EVENTS	((__force u32)(EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDNORM | \
			       EPOLLRDBAND | EPOLLWRNORM | EPOLLWRBAND | EPOLLRDHUP))

/* ---- requests ---- */

static void proxy_release(struct kref *kref)
{
	struct hc_proxy *p = container_of(kref, struct hc_proxy, kref);

	hc_move_put(p->move);
	kfree(p);
}

static void mask_set(struct hc_proxy *p, u32 mask, u32 seq)
{
	spin_lock(&p->lock);
	if (seq && (s32)(seq - p->seq) > 0) {
		p->seq = seq;
		p->mask = mask & EVENTS;
	}
	spin_unlock(&p->lock);
}

/* Nothing goes home before the program was let go: it would be taken for the answer to GO. */
static bool io_add(struct hc_move *move, struct hc_io *io)
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

static void io_del(struct hc_move *move, struct hc_io *io)
{
	spin_lock(&move->lock);
	list_del_init(&io->list);
	spin_unlock(&move->lock);
}

static bool wait_ms(struct hc_io *io, unsigned int ms)
{
	return wait_for_completion_killable_timeout(&io->done, msecs_to_jiffies(ms)) > 0;
}

/*
 * Until home has the request. One that was answered by a lost connection may have
 * arrived: home knows it by its number. False: done, refused or killed.
 */
static bool io_send(struct hc_move *move, struct hc_io *io)
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
static void io_wait(struct hc_proxy *p, struct hc_io *io)
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

/* What has changed since home was told last. */
static u32 flags_new(struct hc_proxy *p, u32 flags)
{
	u32 new;

	spin_lock(&p->lock);
	new = flags ^ p->flags;
	p->flags = flags;
	spin_unlock(&p->lock);
	return new;
}

/*
 * Somebody at home who shares the description has changed them to @now. Not when they were
 * changed here while the request was under way: then home hears of it with the next one.
 */
static void flags_adopt(struct hc_proxy *p, struct file *file, u32 sent, u32 now)
{
	bool is_theirs;

	spin_lock(&p->lock);
	is_theirs = p->flags == sent;
	if (is_theirs)
		p->flags = now;
	spin_unlock(&p->lock);
	if (!is_theirs)
		return;
	spin_lock(&file->f_lock);
	if ((file->f_flags & HC_PROXY_FLAGS) == sent)
		file->f_flags = (file->f_flags & ~HC_PROXY_FLAGS) | now;
	spin_unlock(&file->f_lock);
}

s64 hc_io_do(struct hc_proxy *p, struct file *file, struct hc_io *io)
{
	struct hc_move *move = p->move;
	u32 flags = 0;

	if (file) {
		flags = READ_ONCE(file->f_flags) & HC_PROXY_FLAGS;
		io->out->set_flags = cpu_to_le16(flags_new(p, flags));
	}
	io->out->object = cpu_to_le32(p->object);
	io->out->flags = cpu_to_le32(flags);
	if (!io_add(move, io))
		return -EIO;
	if (io_send(move, io))
		io_wait(p, io);
	io_del(move, io);
	mask_set(p, io->mask, io->seq);
	if (file && io->is_answered && (io->flags & HC_PROXY_FLAGS) != flags)
		flags_adopt(p, file, flags, io->flags & HC_PROXY_FLAGS);
	return fatal_signal_pending(current) && io->ret == -EIO ? -EINTR : io->ret;
}

struct hc_io *hc_io_new(u16 op, u32 data_len, u32 in_room)
{
	struct hc_io *io = kzalloc(sizeof(*io), GFP_KERNEL);

	if (!io)
		return NULL;
	INIT_LIST_HEAD(&io->list);
	io->out_len = sizeof(*io->out) + data_len;
	io->out = kvzalloc(io->out_len, GFP_KERNEL);
	io->in_room = in_room;
	if (in_room)
		io->in = kvmalloc(in_room, GFP_KERNEL);
	if (!io->out || (in_room && !io->in)) {
		hc_io_free(io);
		return NULL;
	}
	io->out->op = cpu_to_le16(op);
	io->out->len = cpu_to_le32(in_room);
	io->out->data_len = cpu_to_le32(data_len);
	return io;
}

void hc_io_free(struct hc_io *io)
{
	kvfree(io->in);
	kvfree(io->out);
	kfree(io);
}

void hc_proxy_done(struct hc_move *move, const struct hcw_move_done *done, const void *data,
		   u32 data_len)
{
	struct hc_io *io;

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
		io->is_answered = true;
		io->in_len = min(data_len, io->in_room);
		if (io->in_len)
			memcpy(io->in, data, io->in_len);
		list_del_init(&io->list);
		complete_all(&io->done);
		break;
	}
	spin_unlock(&move->lock);
}

long hc_io_ioctl(struct hc_proxy *p, struct file *file, unsigned int cmd, unsigned long arg)
{
	const struct hc_ioctl_form *form = hc_ioctl_form(cmd);
	struct hc_io *io;
	long ret;

	if (!form)
		return -ENOTTY;
	io = hc_io_new(HCW_IO_IOCTL, form->in_len, form->out_len);
	if (!io)
		return -ENOMEM;
	io->out->cmd = cpu_to_le32(cmd);
	if (form->in_len) {
		if (copy_from_user(io->out + 1, (void __user *)arg, form->in_len)) {
			hc_io_free(io);
			return -EFAULT;
		}
	} else if (!form->out_len) {
		io->out->arg = cpu_to_le64(arg);
	}
	ret = hc_io_do(p, file, io);
	if (ret >= 0 && form->out_len &&
	    (io->in_len != form->out_len ||
	     copy_to_user((void __user *)arg, io->in, form->out_len)))
		ret = -EFAULT;
	hc_io_free(io);
	return ret;
}

/* ---- poll ---- */

static struct hc_proxy *proxy_find(struct hc_move *move, u32 object)
{
	struct hc_proxy *p, *found = NULL;

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
	struct hc_proxy *p = proxy_find(move, le32_to_cpu(poll->object));
	u32 key = le32_to_cpu(poll->key) & EVENTS;

	if (!p)
		return;
	mask_set(p, le32_to_cpu(poll->mask), le32_to_cpu(poll->seq));
	wake_up_poll(&p->wq, (__force __poll_t)(key ?: EVENTS));
	kref_put(&p->kref, proxy_release);
}

/*
 * The mask from home, which tells about changes from then on. When home can't be asked now
 * the tick does, by waking whoever waits.
 */
static void mask_ask(struct hc_proxy *p)
{
	struct hcw_move_io out = {
		.object = cpu_to_le32(p->object),
		.op = cpu_to_le16(HCW_IO_POLL),
	};
	u8 *room = kmalloc(HCW_CTL_MAX, GFP_KERNEL);
	struct hc_msg answer;
	int err = -ENOMEM;

	if (room)
		err = hc_move_send(p->move, HCW_MOVE_IO, 0, &out, sizeof(out), room, &answer);
	kfree(room);
	if (!err && !answer.status) {
		mask_set(p, lower_32_bits(answer.arg), upper_32_bits(answer.arg));
		WRITE_ONCE(p->is_armed, true);
	} else if (!err && answer.status != HCW_ENOMEM) {	/* it is there no more */
		mask_set(p, (__force u32)(EPOLLERR | EPOLLHUP), READ_ONCE(p->seq) + 1);
	} else {
		WRITE_ONCE(p->is_unasked, true);
	}
}

__poll_t hc_proxy_events(struct hc_proxy *p, struct file *file, poll_table *table)
{
	u32 wanted = (__force u32)poll_requested_events(table);

	poll_wait(file, &p->wq, table);
	if (!READ_ONCE(p->move->has_no_files) && READ_ONCE(p->move->is_let_go) &&
	    (!READ_ONCE(p->is_armed) || READ_ONCE(p->mask) & wanted))
		mask_ask(p);
	if (READ_ONCE(p->move->has_no_files))
		return EPOLLERR | EPOLLHUP;
	return (__force __poll_t)READ_ONCE(p->mask);
}

static void ask_again(struct hc_move *move)
{
	struct hc_proxy *p;

	spin_lock(&move->lock);
	list_for_each_entry(p, &move->proxies, list)
		if (READ_ONCE(p->is_unasked)) {
			WRITE_ONCE(p->is_unasked, false);
			wake_up_poll(&p->wq, (__force __poll_t)EVENTS);
		}
	spin_unlock(&move->lock);
}

/* ---- life ---- */

void hc_proxy_fail(struct hc_move *move)
{
	struct hc_proxy *p;
	struct hc_io *io, *next;

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

struct hc_proxy *hc_proxy_new(struct hc_move *move, u32 object, umode_t mode, u32 flags,
			      const char *name)
{
	struct hc_proxy *p = kzalloc(struct_size(p, name, strlen(name) + 1), GFP_KERNEL);

	if (!p)
		return NULL;
	kref_init(&p->kref);
	p->move = hc_move_get(move);
	p->object = object;
	p->mode = mode;
	p->flags = flags & HC_PROXY_FLAGS;
	spin_lock_init(&p->lock);
	init_waitqueue_head(&p->wq);
	memcpy(p->name, name, strlen(name) + 1);
	kref_get(&p->kref);	/* the list's */
	spin_lock(&move->lock);
	list_add_tail(&p->list, &move->proxies);
	spin_unlock(&move->lock);
	return p;
}

/* True when home knows, or there is none: then the list's reference can go. */
static bool say_closed(struct hc_proxy *p)
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

static void proxy_unlist(struct hc_proxy *p)
{
	spin_lock(&p->move->lock);
	list_del_init(&p->list);
	spin_unlock(&p->move->lock);
	kref_put(&p->kref, proxy_release);
}

void hc_proxy_close(struct hc_proxy *p)
{
	if (say_closed(p)) {
		proxy_unlist(p);
	} else {
		spin_lock(&p->move->lock);
		p->is_unused = true;
		spin_unlock(&p->move->lock);
	}
	kref_put(&p->kref, proxy_release);
}

static struct hc_proxy *unused_find(struct hc_move *move)
{
	struct hc_proxy *p, *found = NULL;

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
	struct hc_proxy *p;

	if (hc_move_peer_state(move) == HC_MOVE_PEER_LIVE) {
		move->away_at = 0;
		ask_again(move);
	} else if (!move->away_at) {
		move->away_at = jiffies ?: 1;
	} else if (!move->has_no_files &&
		   (move->peer->is_gone ||
		    time_after(jiffies, move->away_at + msecs_to_jiffies(PATIENCE_MS)))) {
		hc_proxy_fail(move);
	}
	while (is_said && (p = unused_find(move))) {
		is_said = say_closed(p);
		if (is_said)
			proxy_unlist(p);
		kref_put(&p->kref, proxy_release);
	}
}

int hc_proxy_open(struct hc_move *move, const struct hci_file *f)
{
	struct file *file;
	int fd = get_unused_fd_flags(O_CLOEXEC);

	if (fd < 0)
		return fd;
	file = hc_proxy_file(move, f);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	fd_install(fd, file);
	return fd;
}

int hc_proxy_init(void)
{
	return hc_proxy_file_init();
}

void hc_proxy_exit(void)
{
	hc_proxy_file_exit();
}
