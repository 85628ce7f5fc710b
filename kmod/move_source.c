// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Drives a move from its source: offer, stop, capture, let the target load, commit.
 * Every wait is bounded and ends when the process is killed; up to GO everything
 * is undone by letting the threads go on.
 */
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/random.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/utsname.h>
#include <linux/vmalloc.h>
#include <asm/fpu/api.h>

#include "compat.h"
#include "event.h"
#include "main.h"
#include "move.h"
#include "node.h"
#include "peer.h"

#define READY_MS	10000	/* the target starts its helper */
#define PARK_MS		3000
#define LOAD_MS		20000	/* the target reads the image and loads it */
#define ASK_AGAIN_MS	500

static int offer_send(struct hc_move *move)
{
	struct task_struct *t = move->leader;
	struct hcw_move_offer *offer = &move->offer;
	struct hc_msg answer;
	u64 vdso_len;
	char *text;
	int err;

	text = kzalloc(HCW_CTL_MAX + 1, GFP_KERNEL);
	if (!text)
		return -ENOMEM;
	rcu_read_lock();
	offer->pid = cpu_to_le32(task_tgid_nr_ns(t, task_active_pid_ns(t)));
	offer->ppid = cpu_to_le32(task_tgid_nr_ns(rcu_dereference(t->real_parent),
						  task_active_pid_ns(t)));
	offer->pgid = cpu_to_le32(task_pgrp_nr_ns(t, task_active_pid_ns(t)));
	offer->sid = cpu_to_le32(task_session_nr_ns(t, task_active_pid_ns(t)));
	rcu_read_unlock();
	offer->image_version = cpu_to_le32(HCI_VERSION);
	offer->xstate_len = cpu_to_le32(hc_xstate_len(t));
	offer->xfeatures = cpu_to_le64(hc_xfeatures());
	offer->vdso_hash = cpu_to_le64(hc_vdso_hash(&vdso_len));
	offer->vdso_len = cpu_to_le64(vdso_len);
	offer->nr_threads = cpu_to_le32(get_nr_threads(t));
	strscpy(offer->release, init_utsname()->release, sizeof(offer->release));
	get_task_comm(move->comm, t);
	memcpy(offer->comm, move->comm, sizeof(offer->comm));
	err = hc_move_send(move, HCW_MOVE_OFFER, 0, offer, sizeof(*offer), text, &answer);
	if (err) {
		hc_move_say(move, "node %u could not be asked", move->peer->id);
	} else if (answer.status) {
		text[min_t(u32, answer.nr, HCM_TEXT_LEN - 1)] = 0;
		hc_move_say(move, "node %u refused: %s", move->peer->id, text[0] ? text :
			    "no memory");
		err = -EREMOTEIO;
	}
	kfree(text);
	return err;
}

/* Did anything happen that ends the attempt? */
static bool is_off(struct hc_move *move)
{
	return READ_ONCE(move->has_failed) || READ_ONCE(move->wants_stop) ||
	       !hc_move_may_undo(hc_move_state(move)) ||
	       hc_move_peer_state(move) != HC_MOVE_PEER_LIVE ||
	       fatal_signal_pending(move->leader) || (move->leader->flags & PF_EXITING);
}

/* Wait for @flag; in steps, since a lost peer wakes nobody. */
static int await(struct hc_move *move, bool *flag, unsigned int ms, const char *what)
{
	unsigned long end = jiffies + msecs_to_jiffies(ms);

	while (!READ_ONCE(*flag)) {
		if (is_off(move))
			break;
		if (time_after(jiffies, end)) {
			hc_move_say(move, "%s took too long", what);
			return -ETIMEDOUT;
		}
		wait_event_timeout(move->wq, READ_ONCE(*flag) || is_off(move), HZ / 10);
	}
	if (!is_off(move))
		return 0;
	if (READ_ONCE(move->wants_stop))
		hc_move_say(move, "the move was stopped");
	else if (hc_move_peer_state(move) != HC_MOVE_PEER_LIVE)
		hc_move_say(move, "node %u was lost", move->peer->id);
	else
		hc_move_say(move, "the program was killed");
	return -ECANCELED;
}

/* Again with everything stopped: what was looked at before may have changed. */
static int check_again(struct hc_move *move)
{
	struct hc_move_reasons *r = kzalloc(sizeof(*r), GFP_KERNEL);
	int err = 0;
	u32 i;

	if (!r)
		return -ENOMEM;
	hc_move_check(move->leader, 0, r);
	for (i = 0; i < move->park->nr && !r->nr; i++)
		if (move->park->threads[i]->is_unsupported)
			hc_move_reason(r, "thread %u waits in a call that can't be carried",
				       move->park->threads[i]->out.tid);
	if (r->nr) {
		hc_move_say(move, "%s", r->text[0]);
		err = -EOPNOTSUPP;
	}
	kfree(r);
	return err;
}

static int bring_over(struct hc_move *move)
{
	int err;

	err = offer_send(move);
	if (err)
		return err;
	err = await(move, &move->is_ready, READY_MS, "starting the helper over there");
	if (err)
		return err;
	move->stopped_at = ktime_get();
	err = hc_move_park(move, PARK_MS);
	if (err) {
		hc_move_say(move, err == -ETIMEDOUT ? "a thread could not be stopped in time" :
			    "the program could not be stopped");
		return err;
	}
	if (hc_move_do(move, HC_MEV_STOPPED, NULL) & HC_MACT_BAD)
		return -ECANCELED;
	err = check_again(move);
	if (err)
		return err;
	err = hc_move_capture(move);
	if (err)
		return err;
	err = hc_move_send(move, HCW_MOVE_IMAGE, move->image_len, NULL, 0, NULL, NULL);
	if (err) {
		hc_move_say(move, "node %u does not answer", move->peer->id);
		return err;
	}
	return await(move, &move->is_loaded, LOAD_MS, "loading the program over there");
}

/*
 * GO is out. Ask until the answer is there: the rule of policy/move.h. The program
 * stays stopped meanwhile, whatever that takes.
 */
static void ask_who_lives(struct hc_move *move)
{
	unsigned long said_at = jiffies;
	bool is_said = false;
	struct hc_msg answer;
	int err;

	while (hc_move_state(move) == HC_MOVE_DOUBT) {
		u8 *room = kmalloc(HCW_CTL_MAX, GFP_KERNEL);

		err = -ENOMEM;
		if (hc_move_peer_state(move) == HC_MOVE_PEER_REBORN) {
			kfree(room);
			hc_move_do(move, HC_MEV_RESUME, "node %u was started anew and has lost it",
				   move->peer->id);
			return;
		}
		if (room)
			err = hc_move_send(move, HCW_MOVE_GO, 0, NULL, 0, room, &answer);
		kfree(room);
		if (!err && !answer.status) {
			move->runs_at = ktime_get();
			if (answer.arg == HCW_MOVE_RUNS)
				hc_move_do(move, HC_MEV_RUNS, NULL);
			else
				hc_move_do(move, HC_MEV_NEVER,
					   "node %u had given up before it was told to run it",
					   move->peer->id);
			return;
		}
		if (!is_said && time_after(jiffies, said_at + HZ)) {
			is_said = true;
			hc_event(move->node, HC_EV_MOVE_DOUBT, move->peer->id, 0, move->pid_nr,
				 "Node %u does not say whether it runs %s (%u); it stays stopped here.",
				 move->peer->id, move->comm, move->pid_nr);
		}
		wait_event_timeout(move->wq, hc_move_state(move) != HC_MOVE_DOUBT,
				   msecs_to_jiffies(ASK_AGAIN_MS));
	}
}

void hc_move_drive(struct work_struct *work)
{
	struct hc_move *move = container_of(work, struct hc_move, drive_work);
	int err = -ECANCELED;

	if (!(hc_move_do(move, HC_MEV_OFFERED, NULL) & HC_MACT_BAD))
		err = bring_over(move);
	if (err || hc_move_do(move, HC_MEV_COMMIT, NULL) & HC_MACT_BAD) {
		hc_move_say(move, "error %d", err);
		hc_move_do(move, HC_MEV_FAIL, NULL);
	} else {
		ask_who_lives(move);
	}
	hc_move_put(move);
}

/* ---- the time after ---- */

/* One that can't be reached is told when it is back; one that began anew has lost it. */
void hc_move_kill_away(struct hc_move *move)
{
	enum hc_move_peer peer = hc_move_peer_state(move);
	int err = 0;

	if (peer == HC_MOVE_PEER_LIVE)
		err = hc_move_send(move, HCW_MOVE_KILL, 0, NULL, 0, NULL, NULL);
	else if (peer == HC_MOVE_PEER_AWAY && !move->peer->is_gone)
		return;
	if (!err || err == -EREMOTEIO)
		WRITE_ONCE(move->owes_kill, false);
}

void hc_move_tick_source(struct hc_move *move)
{
	u8 state = hc_move_state(move);

	if (READ_ONCE(move->owes_kill))
		hc_move_kill_away(move);
	if (hc_move_is_over(state))
		return;
	if (move->leader->exit_state && state != HC_MOVE_NEW) {
		hc_move_do(move, HC_MEV_KILLED, "the process was killed");
		return;
	}
	if (state != HC_MOVE_AWAY && state != HC_MOVE_SETTLED)
		return;
	if (hc_move_peer_state(move) == HC_MOVE_PEER_REBORN) {
		move->end_status = SIGKILL;
		hc_event(move->node, HC_EV_MOVE_LOST, move->peer->id, 0, move->pid_nr,
			 "Program %s (%u) died with node %u.", move->comm, move->pid_nr,
			 move->peer->id);
		hc_move_do(move, HC_MEV_ENDED, "node %u died", move->peer->id);
		return;
	}
	hc_move_home_watch(move);
}

/* ---- what an admin asks for ---- */

static int leader_get(struct hc_move *move, struct pid *pid)
{
	struct task_struct *leader = get_pid_task(pid, PIDTYPE_TGID);

	if (!leader)
		return -ESRCH;
	move->leader = leader;
	move->pid = get_pid(pid);
	move->pid_nr = task_tgid_nr(leader);
	get_task_comm(move->comm, leader);
	return 0;
}

static int shadow_open(struct hc_move *move)
{
	char *path = kasprintf(GFP_KERNEL, "%s/hyperchain-shadow", hc_helper_dir);
	struct file *file;

	if (!path)
		return -ENOMEM;
	file = filp_open(path, O_RDONLY | O_LARGEFILE, 0);
	kfree(path);
	if (IS_ERR(file))
		return PTR_ERR(file);
	move->shadow_exe = file;
	return 0;
}

static int start(struct hc_move *move, struct pid *pid, struct netlink_ext_ack *extack)
{
	struct hc_move_reasons *r;
	struct hc_move *other;
	int err;

	other = hc_move_of_pid(move->node, pid);
	if (other) {
		hc_move_put(other);
		hc_extack(extack, "this program is moving or has moved already");
		return -EBUSY;
	}
	err = leader_get(move, pid);
	if (err) {
		hc_extack(extack, "there is no process with this id");
		return err;
	}
	err = shadow_open(move);
	if (err) {
		hc_extack(extack, "hyperchain-shadow is not where helper_dir says");
		return err;
	}
	r = kzalloc(sizeof(*r), GFP_KERNEL);
	if (!r || hc_move_home_prepare(move)) {
		kfree(r);
		return -ENOMEM;
	}
	hc_move_check(move->leader, 0, r);
	err = r->nr ? -EOPNOTSUPP : 0;
	kfree(r);
	if (err)
		hc_extack(extack, "the program can't be moved as it is; ask for the reasons");
	return err;
}

int hc_move_start(struct hc_node *node, struct pid *pid, u32 peer_id, u32 flags, u64 *ret_id,
		  struct netlink_ext_ack *extack)
{
	struct hc_peer *peer = hc_peer_find(node, peer_id);
	struct hc_move *move;
	int err = 0;
	u64 id;

	if (!peer || READ_ONCE(peer->state) != HC_PEER_LIVE) {
		hc_extack(extack, "that node is not connected");
		err = -ENOTCONN;
	} else if (!(READ_ONCE(peer->features) & HCW_FEAT_MOVE)) {
		hc_extack(extack, "that node's module is too old to take programs");
		err = -EPROTONOSUPPORT;
	}
	if (err) {
		if (peer)
			hc_peer_put(peer);
		return err;
	}
	do {
		get_random_bytes(&id, sizeof(id));
	} while (!id);
	move = hc_move_new(node, peer, id, HC_MOVE_NEW);
	hc_peer_put(peer);
	if (!move)
		return -ENOMEM;
	move->flags = flags;
	err = start(move, pid, extack);
	if (!err) {
		err = hc_move_list(move);
		if (err)
			hc_extack(extack, "too many programs are moving");
	}
	if (!err) {
		*ret_id = id;
		hc_move_get(move);	/* the driver's */
		queue_work(hc_move_wq, &move->drive_work);
	}
	hc_move_put(move);
	return err;
}

int hc_move_resolve(struct hc_move *move, enum hc_move_resolve how,
		    struct netlink_ext_ack *extack)
{
	u8 state = hc_move_state(move);

	if (hc_move_may_undo(state) && how == HC_MOVE_RESUME) {
		WRITE_ONCE(move->wants_stop, true);
		wake_up_all(&move->wq);
		return 0;
	}
	if (state != HC_MOVE_DOUBT) {
		hc_extack(extack, "this move is not in doubt");
		return -EINVAL;
	}
	if (hc_move_do(move, how == HC_MOVE_RESUME ? HC_MEV_RESUME : HC_MEV_DROP,
		       "an admin decided it") & HC_MACT_BAD) {
		hc_extack(extack, "it was decided just now");
		return -EAGAIN;
	}
	return 0;
}
