// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The target of a move: a helper is started, prepares what can be prepared while the
 * program still runs, loads the image, and is the program from GO on.
 *
 * The helper is a process of this node's root. What it is told comes from an image
 * that was checked; what it can do for a peer is bounded by the node's consent
 * (NODE_SET, HC_A_NODE_MOVES).
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/kmod.h>
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/utsname.h>
#include <linux/vmalloc.h>

#include "compat.h"
#include "conn.h"
#include "event.h"
#include "main.h"
#include "move.h"
#include "node.h"
#include "peer.h"

#define GIVE_UP_MS	30000	/* from the offer to GO */
#define CLOCK_PINGS	8
#define READ_PAGES	HCW_RUN_PAGES_MAX

/* ---- the offer ---- */

static const char *offer_refuse(struct hc_node *node, const struct hcw_move_offer *o)
{
	u64 vdso_len;

	if (node->net != &init_net)
		return "only the first network namespace takes programs";
	if (!READ_ONCE(node->accepts_moves))
		return "it takes no programs (\"hyperchain process accept on\" there)";
	if (le32_to_cpu(o->image_version) != HCI_VERSION)
		return "its module writes another form of image";
	if (le64_to_cpu(o->vdso_hash) != hc_vdso_hash(&vdso_len) ||
	    le64_to_cpu(o->vdso_len) != vdso_len)
		return "its kernel has another vDSO";
	if (le32_to_cpu(o->xstate_len) != hc_xstate_len(current) ||
	    le64_to_cpu(o->xfeatures) & ~hc_xfeatures())
		return "its processor has other registers";
	if (le32_to_cpu(o->nr_threads) > HCI_THREADS_MAX)
		return "too many threads";
	return NULL;
}

static const struct file_operations ctl_fops;

/* In the helper, before its exec: descriptor 0 is the move. */
static int helper_init(struct subprocess_info *info, struct cred *new)
{
	struct hc_move *move = info->data;
	struct file *file;
	int fd;

	file = anon_inode_getfile("[hyperchain-move]", &ctl_fops, hc_move_get(move), O_RDWR);
	if (IS_ERR(file)) {
		hc_move_put(move);
		return PTR_ERR(file);
	}
	WRITE_ONCE(move->is_bound, true);
	fd = get_unused_fd_flags(0);
	if (fd) {
		if (fd > 0)
			put_unused_fd(fd);
		fput(file);
		return -EMFILE;
	}
	fd_install(fd, file);
	return 0;
}

static int helper_start(struct hc_move *move)
{
	char *path = kasprintf(GFP_KERNEL, "%s/hyperchain-restore", hc_helper_dir);
	char environment[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	char *words[4] = { path, NULL, environment };
	struct subprocess_info *info;
	int err = -ENOMEM;	/* UMH_WAIT_EXEC: what is on our stack lives long enough */

	if (!path)
		return err;
	info = call_usermodehelper_setup(path, words, words + 2, GFP_KERNEL, helper_init, NULL,
					 move);
	if (info)
		err = call_usermodehelper_exec(info, UMH_WAIT_EXEC);
	kfree(path);
	return err;
}

/* The source's clocks as seen from here: the exchange with the shortest way counts. */
static int clocks_compare(struct hc_move *move)
{
	struct hcw_move_clock *clock = kmalloc(HCW_CTL_MAX, GFP_KERNEL);
	s64 best = S64_MAX;
	int i, err = clock ? 0 : -ENOMEM;

	for (i = 0; !err && i < CLOCK_PINGS; i++) {
		struct hc_msg answer;
		s64 mono, boot, took;

		mono = ktime_get_ns();
		boot = ktime_get_boottime_ns();
		err = hc_move_send(move, HCW_MOVE_CLOCK, 0, NULL, 0, clock, &answer);
		took = ktime_get_ns() - mono;
		if (!err && (answer.status || answer.nr != sizeof(*clock)))
			err = -EPROTO;
		if (err || took >= best)
			continue;
		best = took;
		move->mono_off_ns = le64_to_cpu(clock->mono_ns) - (mono + took / 2);
		move->boot_off_ns = le64_to_cpu(clock->boot_ns) - (boot + took / 2);
	}
	kfree(clock);
	return err;
}

static void fail(struct hc_move *move, const char *text)
{
	hc_move_say(move, "%s", text);
	hc_move_send(move, HCW_MOVE_FAILED, 0, text, strlen(text), NULL, NULL);
	hc_move_do(move, HC_MEV_GIVE_UP, NULL);
}

static void invite_fn(struct work_struct *work)
{
	struct hc_move *move = container_of(work, struct hc_move, target_work);

	if (clocks_compare(move))
		fail(move, "the clocks could not be compared");
	else if (helper_start(move))
		fail(move, "hyperchain-restore could not be started there");
	hc_move_put(move);
}

int hc_move_invite(struct hc_node *node, struct hc_peer *peer, u64 id,
		   const struct hcw_move_offer *offer, char *text)
{
	const char *no = offer_refuse(node, offer);
	struct hc_move *move;
	int err;

	if (no) {
		strscpy(text, no, HCM_TEXT_LEN);
		return -EOPNOTSUPP;
	}
	move = hc_move_new(node, peer, id, HC_MOVE_INVITED);
	if (!move)
		return -ENOMEM;
	move->offer = *offer;
	memcpy(move->comm, offer->comm, sizeof(move->comm));
	move->nr_threads = le32_to_cpu(offer->nr_threads);
	move->give_up_at = jiffies + msecs_to_jiffies(GIVE_UP_MS);
	INIT_WORK(&move->target_work, invite_fn);
	err = hc_move_list(move);
	if (err) {
		strscpy(text, "it holds too many programs", HCM_TEXT_LEN);
	} else {
		hc_move_get(move);
		queue_work(hc_move_wq, &move->target_work);
	}
	hc_move_put(move);
	return err;
}

/* ---- the image ---- */

struct image_read {
	struct hc_call call;
	struct bio_vec bv[READ_PAGES];
};

static int image_fetch(struct hc_move *move, void *to, u32 nr_pages)
{
	struct image_read *read = kzalloc(sizeof(*read), GFP_KERNEL);
	u32 at, i, n;
	int err = read ? 0 : -ENOMEM;

	for (at = 0; !err && at < nr_pages; at += n) {
		n = min_t(u32, READ_PAGES, nr_pages - at);
		memset(&read->call, 0, sizeof(read->call));
		for (i = 0; i < n; i++)
			bvec_set_page(&read->bv[i], vmalloc_to_page(to + ((at + i) << PAGE_SHIFT)),
				      PAGE_SIZE, 0);
		read->call.msg.type = HCW_MOVE_READ;
		read->call.msg.page = HCW_PART_IMAGE;
		read->call.msg.epoch = move->id;
		read->call.msg.arg = at;
		read->call.msg.nr = n;
		read->call.bv = read->bv;
		err = hc_peer_call_sync(move->peer, &read->call);
		if (!err && read->call.answer.status)
			err = -EIO;
	}
	kfree(read);
	return err;
}

void hc_move_image_ready(struct hc_move *move, u64 len)
{
	bool is_ours;

	spin_lock(&move->lock);
	is_ours = move->sm.state == HC_MOVE_INVITED && !move->image_len &&
		  len >= sizeof(struct hci_head) && len <= HCI_LEN_MAX;
	if (is_ours)
		move->image_len = len;
	spin_unlock(&move->lock);
	wake_up_all(&move->wq);
}

/* In the helper: fetch it and look at it. */
static long image_wait(struct hc_move *move)
{
	u32 nr_pages;
	const char *wrong;
	void *image;
	int err;

	WRITE_ONCE(move->runner, get_pid(task_tgid(current)));
	move->pid_nr = task_tgid_nr(current);
	hc_move_send(move, HCW_MOVE_READY, 0, NULL, 0, NULL, NULL);
	err = wait_event_killable(move->wq, READ_ONCE(move->image_len) ||
				  hc_move_state(move) != HC_MOVE_INVITED);
	if (err || hc_move_state(move) != HC_MOVE_INVITED)
		return -ECANCELED;
	nr_pages = DIV_ROUND_UP(move->image_len, PAGE_SIZE);
	image = vzalloc((unsigned long)nr_pages << PAGE_SHIFT);
	if (!image)
		return -ENOMEM;
	err = image_fetch(move, image, nr_pages);
	if (err) {
		vfree(image);
		return err;
	}
	wrong = hc_image_check(image, move->image_len);
	if (wrong) {
		vfree(image);
		fail(move, wrong);
		return -EBADMSG;
	}
	down_write(&move->mm_lock);
	move->image = image;
	up_write(&move->mm_lock);
	move->has_image = true;
	return move->image_len;
}

static ssize_t ctl_read(struct file *file, char __user *to, size_t len, loff_t *pos)
{
	struct hc_move *move = file->private_data;
	ssize_t n = -ENODATA;

	down_read(&move->mm_lock);
	if (move->image && move->has_image)
		n = simple_read_from_buffer(to, len, pos, move->image, move->image_len);
	up_read(&move->mm_lock);
	return n;
}

/* ---- the helper's other calls ---- */

static long ctl_info(struct hc_move *move, unsigned long arg)
{
	struct hcm_info info = {
		.version = HCM_VERSION,
		.pid = le32_to_cpu(move->offer.pid),
		.ppid = le32_to_cpu(move->offer.ppid),
		.pgid = le32_to_cpu(move->offer.pgid),
		.sid = le32_to_cpu(move->offer.sid),
		.mono_ns = move->mono_off_ns,
		.boot_ns = move->boot_off_ns,
	};

	return copy_to_user((void __user *)arg, &info, sizeof(info)) ? -EFAULT : 0;
}

static long ctl_fail(struct hc_move *move, unsigned long arg)
{
	struct hcm_fail text;

	if (copy_from_user(&text, (void __user *)arg, sizeof(text)))
		return -EFAULT;
	text.text[sizeof(text.text) - 1] = 0;
	fail(move, text.text);
	return 0;
}

static const struct hci_file *file_record(struct hc_move *move, u32 index)
{
	const struct hci_rec *rec = NULL;

	do {
		rec = hc_image_find(move->image, rec, HCI_FILE);
	} while (rec && index--);
	return (const struct hci_file *)rec;
}

static long ctl_file(struct hc_move *move, unsigned long arg)
{
	const struct hci_file *f;
	struct hcm_file in;
	long err = -EINVAL;

	if (copy_from_user(&in, (void __user *)arg, sizeof(in)))
		return -EFAULT;
	down_read(&move->mm_lock);
	f = move->has_image && move->image ? file_record(move, in.index) : NULL;
	if (f && f->kind == HCI_FILE_HOME)
		err = in.object == f->fd ? hc_proxy_open(move, f) : -EINVAL;
	up_read(&move->mm_lock);
	return err;
}

/* The end is said until the source has heard it: by the tick. */
static long ctl_status(struct hc_move *move, u32 status)
{
	u8 state = hc_move_state(move);

	if ((status & 0xff) == 0x7f || status == 0xffff) {
		if (status != 0xffff && READ_ONCE(move->home_is_stopped))
			return 0;
		hc_move_send(move, HCW_MOVE_STATUS, status, NULL, 0, NULL, NULL);
		return 0;
	}
	if (state == HC_MOVE_INVITED || state == HC_MOVE_LOADED) {
		fail(move, "the helper over there ended");
		return 0;
	}
	move->end_status = status;
	hc_move_do(move, HC_MEV_EXIT, "the program has ended");
	/* Home serves nobody any more, children of the program neither. */
	hc_proxy_fail(move);
	return 0;
}

static long ctl_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct hc_move *move = file->private_data;

	switch (cmd) {
	case HCM_INFO:
		return ctl_info(move, arg);
	case HCM_WAIT:
		return move->runner ? -EBUSY : image_wait(move);
	case HCM_FILE:
		return ctl_file(move, arg);
	case HCM_JOIN:
		return hc_move_join(move, arg, file);
	case HCM_STATUS:
		return ctl_status(move, arg);
	case HCM_FAIL:
		return ctl_fail(move, arg);
	default:
		return -ENOTTY;
	}
}

/* The last process of the helper is gone, however it went. */
static int ctl_release(struct inode *inode, struct file *file)
{
	struct hc_move *move = file->private_data;
	u8 state = hc_move_state(move);

	if (state == HC_MOVE_INVITED || state == HC_MOVE_LOADED)
		fail(move, "the helper over there was killed");
	else if (!hc_move_is_over(state))
		ctl_status(move, SIGKILL);
	hc_move_put(move);
	return 0;
}

static const struct file_operations ctl_fops = {
	.owner		= THIS_MODULE,
	.read		= ctl_read,
	.unlocked_ioctl	= ctl_ioctl,
	.release	= ctl_release,
	.llseek		= default_llseek,
};

/* ---- what the source says ---- */

void hc_move_let_go(struct hc_move *move)
{
	move->runs_at = ktime_get();
	WRITE_ONCE(move->is_let_go, true);
	wake_up_all(&move->wq);
	if (move->store)
		hc_store_start(move->store);
}

void hc_move_discard(struct hc_move *move)
{
	struct pid *runner = READ_ONCE(move->runner);

	if (move->store) {
		hc_store_fail(move->store);
		hc_store_start(move->store);	/* its worker cleans up */
	}
	hc_proxy_fail(move);
	if (runner)
		kill_pid(runner, SIGKILL, 1);
	WRITE_ONCE(move->is_told, true);
}

int hc_move_signal(struct hc_move *move, const struct hcw_move_signal *sig)
{
	u32 signo = le32_to_cpu(sig->signo);
	struct pid *runner = READ_ONCE(move->runner);
	struct task_struct *task;
	kernel_siginfo_t info;
	int err = -ESRCH;
	u8 state = hc_move_state(move);

	if (!signo || signo > HCI_SIGNALS ||
	    (state != HC_MOVE_RUNNING && state != HC_MOVE_WHOLE))
		return -EINVAL;
	if (signo == SIGSTOP || signo == SIGCONT)
		WRITE_ONCE(move->home_is_stopped, signo == SIGSTOP);
	clear_siginfo(&info);
	memcpy(&info, sig->info, min(sizeof(info), sizeof(sig->info)));
	info.si_signo = signo;
	/* Only what a process could have sent itself; nothing that points into a kernel. */
	if (info.si_code != SI_QUEUE && info.si_code != SI_TKILL && info.si_code != SI_KERNEL)
		info.si_code = SI_USER;
	rcu_read_lock();
	task = runner ? get_pid_task(runner, PIDTYPE_TGID) : NULL;
	rcu_read_unlock();
	if (task) {
		/* send_sig_info() is for one thread, the others can't take it. */
		if (signo != SIGKILL && signo != SIGSTOP && signo != SIGCONT &&
		    (info.si_code == SI_QUEUE || get_nr_threads(task) == 1))
			err = send_sig_info(signo, &info, task);
		else
			err = kill_pid(runner, signo, info.si_code == SI_KERNEL);
		put_task_struct(task);
	}
	return err;
}

void hc_move_fetched(struct hc_move *move)
{
	hc_move_do(move, HC_MEV_WHOLE, NULL);
	hc_move_send(move, HCW_MOVE_FETCHED, 0, NULL, 0, NULL, NULL);
}

/* ---- the time after ---- */

static void home_is_lost(struct hc_move *move)
{
	struct pid *runner = READ_ONCE(move->runner);

	if (move->home_is_gone)
		return;
	move->home_is_gone = true;
	if (move->store)
		hc_store_fail(move->store);
	hc_proxy_fail(move);
	hc_event(move->node, HC_EV_MOVE_LOST, move->peer->id, 0, move->pid_nr,
		 "Node %u, home of %s (%u), died: what it served is gone.", move->peer->id,
		 move->comm, move->pid_nr);
	if (runner) {
		kill_pid(runner, SIGHUP, 1);
		kill_pid(runner, SIGCONT, 1);
	}
}

void hc_move_tick_target(struct hc_move *move)
{
	u8 state = hc_move_state(move);
	enum hc_move_peer peer = hc_move_peer_state(move);

	hc_proxy_tick(move);
	if ((state == HC_MOVE_INVITED || state == HC_MOVE_LOADED) &&
	    (peer == HC_MOVE_PEER_REBORN || time_after(jiffies, move->give_up_at)))
		hc_move_do(move, HC_MEV_GIVE_UP, "node %u did not say to run it",
			   move->peer->id);
	else if ((state == HC_MOVE_RUNNING || state == HC_MOVE_WHOLE) &&
		 peer == HC_MOVE_PEER_REBORN)
		home_is_lost(move);
	else if (state == HC_MOVE_GONE && !READ_ONCE(move->is_told) &&
		 (peer == HC_MOVE_PEER_REBORN || move->peer->is_gone ||
		  (peer == HC_MOVE_PEER_LIVE &&
		   !hc_move_send(move, HCW_MOVE_STATUS, move->end_status, NULL, 0, NULL, NULL))))
		WRITE_ONCE(move->is_told, true);
}

void hc_move_target_free(struct hc_move *move)
{
	hc_restore_free(move);
	if (move->store)
		hc_store_put(move->store);
	put_pid(move->runner);
}
