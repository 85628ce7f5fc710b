// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The shadow's descriptor. What the program does over there the shadow does here: it
 * stops, it ends. What reaches the shadow goes to the program.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "main.h"
#include "move.h"

/* That it should stop or end counts more than that a file should be read. */
static bool has_news(struct hc_home *home)
{
	return READ_ONCE(home->head) != READ_ONCE(home->tail) || READ_ONCE(home->nr_wanted);
}

static ssize_t home_read(struct file *file, char __user *to, size_t len, loff_t *pos)
{
	struct hc_home *home = file->private_data;
	struct hcm_news news = { };
	int err;

	if (len < sizeof(news))
		return -EINVAL;
	err = wait_event_interruptible(home->wq, has_news(home));
	if (err)
		return err;
	spin_lock(&home->lock);
	if (home->head != home->tail) {
		news.kind = home->kind[home->tail % ARRAY_SIZE(home->kind)];
		news.status = home->status[home->tail++ % ARRAY_SIZE(home->kind)];
	} else if (home->nr_wanted) {
		home->nr_wanted--;
		news.kind = HCM_NEWS_SERVE;
	}
	spin_unlock(&home->lock);
	return copy_to_user(to, &news, sizeof(news)) ? -EFAULT : sizeof(news);
}

static __poll_t home_poll(struct file *file, poll_table *table)
{
	struct hc_home *home = file->private_data;

	poll_wait(file, &home->wq, table);
	return has_news(home) ? EPOLLIN | EPOLLRDNORM : 0;
}

static long home_signal(struct hc_home *home, unsigned long arg)
{
	struct hcw_move_signal sig = { };
	struct hcm_signal in;
	int err;

	if (copy_from_user(&in, (void __user *)arg, sizeof(in)))
		return -EFAULT;
	if (!in.signo || in.signo > HCI_SIGNALS)
		return -EINVAL;
	sig.signo = cpu_to_le32(in.signo);
	memcpy(sig.info, in.info, sizeof(sig.info));
	/* The tick, which has told that we were stopped, tells that as well: after it, once. */
	if (in.signo == SIGCONT && READ_ONCE(home->was_stopped))
		return 0;
	err = hc_move_send(home->move, HCW_MOVE_SIGNAL, 0, &sig, sizeof(sig), NULL, NULL);
	return err;
}

static long home_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct hc_home *home = file->private_data;

	switch (cmd) {
	case HCM_SIGNAL:
		return home_signal(home, arg);
	case HCM_SERVE:
		return hc_serve(home, arg);
	default:
		return -ENOTTY;
	}
}

/* The shadow is gone. Unless the program had ended, it was killed: by the tick. */
static int home_release(struct inode *inode, struct file *file)
{
	struct hc_home *home = file->private_data;
	struct hc_move *move = home->move;

	hc_serve_close(home);
	wake_up_all(&move->wq);
	hc_move_put(move);
	return 0;
}

static const struct file_operations home_fops = {
	.owner		= THIS_MODULE,
	.read		= home_read,
	.poll		= home_poll,
	.unlocked_ioctl	= home_ioctl,
	.release	= home_release,
	.llseek		= noop_llseek,
};

int hc_move_home_prepare(struct hc_move *move)
{
	struct hc_home *home = kzalloc(sizeof(*home), GFP_KERNEL);

	if (!home)
		return -ENOMEM;
	home->move = move;
	spin_lock_init(&home->lock);
	init_waitqueue_head(&home->wq);
	init_waitqueue_head(&home->serve_wq);
	INIT_LIST_HEAD(&home->requests);
	INIT_LIST_HEAD(&home->running);
	INIT_LIST_HEAD(&home->objects);
	move->home = home;
	return 0;
}

int hc_move_home_fd(struct hc_move *move)
{
	struct file *file;
	int fd;

	fd = get_unused_fd_flags(0);
	if (fd < 0)
		return fd;
	file = anon_inode_getfile("[hyperchain-home]", &home_fops, move->home, O_RDWR);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	hc_move_get(move);
	move->home->is_attached = true;
	fd_install(fd, file);
	return fd;
}

void hc_move_home_news(struct hc_move *move, u32 kind, u32 status)
{
	struct hc_home *home = move->home;
	u32 at;

	if (!home)
		return;
	spin_lock(&home->lock);
	/* Full: the last one is replaced, so that the end is never lost. */
	if (home->head - home->tail == ARRAY_SIZE(home->kind))
		home->head--;
	at = home->head++ % ARRAY_SIZE(home->kind);
	home->kind[at] = kind;
	home->status[at] = status;
	spin_unlock(&home->lock);
	wake_up_all(&home->wq);
}

/*
 * Stopping and going on by signals that nobody can catch: seen by the state of the
 * shadow's task. A stop that the program had first is not told back.
 */
void hc_move_home_watch(struct hc_move *move)
{
	struct hc_home *home = move->home;
	struct hcw_move_signal sig = { };
	bool is_stopped;

	if (!home || !home->is_attached)
		return;
	is_stopped = READ_ONCE(move->leader->signal->flags) & SIGNAL_STOP_STOPPED;
	if (is_stopped == home->was_stopped)
		return;
	sig.signo = cpu_to_le32(is_stopped ? SIGSTOP : SIGCONT);
	if (!hc_move_send(move, HCW_MOVE_SIGNAL, 0, &sig, sizeof(sig), NULL, NULL))
		home->was_stopped = is_stopped;
}

void hc_move_home_free(struct hc_move *move)
{
	if (move->home)
		hc_serve_close(move->home);
	kfree(move->home);
	move->home = NULL;
}
