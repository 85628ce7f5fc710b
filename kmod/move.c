// SPDX-License-Identifier: GPL-2.0-or-later
/* A move as an object: life, steps, finding; see move.h. */
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/slab.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

#include "event.h"
#include "main.h"
#include "move.h"
#include "node.h"
#include "peer.h"

#define MOVES_MAX	1024	/* of one node */

/* ---- life ---- */

static void free_work_fn(struct work_struct *work)
{
	struct hc_move *move = container_of(work, struct hc_move, free_work);

	hc_move_home_free(move);
	hc_move_park_free(move);
	hc_move_memory_free(move);
	hc_move_target_free(move);
	if (move->shadow_exe)
		fput(move->shadow_exe);
	if (move->leader)
		put_task_struct(move->leader);
	put_pid(move->pid);
	hc_peer_put(move->peer);
	kfree(move);
	module_put(THIS_MODULE);
}

static void tick_fn(struct work_struct *work)
{
	struct hc_move *move = container_of(to_delayed_work(work), struct hc_move, tick_work);
	bool is_source = hc_move_is_source(hc_move_state(move));

	if (is_source)
		hc_move_tick_source(move);
	else
		hc_move_tick_target(move);
	if (hc_move_is_over(hc_move_state(move)) &&
	    (is_source ? !READ_ONCE(move->owes_kill) : READ_ONCE(move->is_told)) &&
	    time_after(jiffies, move->over_at + msecs_to_jiffies(HC_MOVE_REMEMBER_MS)))
		hc_move_unlist(move);
	if (READ_ONCE(move->is_listed))
		queue_delayed_work(hc_move_wq, &move->tick_work, msecs_to_jiffies(HC_MOVE_TICK_MS));
	else
		hc_move_put(move);
}

struct hc_move *hc_move_new(struct hc_node *node, struct hc_peer *peer, u64 id, u8 state)
{
	struct hc_move *move;

	if (!try_module_get(THIS_MODULE))
		return NULL;
	move = kzalloc(sizeof(*move), GFP_KERNEL);
	if (!move) {
		module_put(THIS_MODULE);
		return NULL;
	}
	kref_init(&move->kref);
	INIT_WORK(&move->free_work, free_work_fn);
	INIT_LIST_HEAD(&move->list);
	move->node = node;
	move->peer = hc_peer_get(peer);
	move->peer_incarnation = READ_ONCE(peer->incarnation);
	move->id = id;
	spin_lock_init(&move->lock);
	move->sm.state = state;
	init_waitqueue_head(&move->wq);
	init_rwsem(&move->mm_lock);
	mutex_init(&move->join_lock);
	INIT_LIST_HEAD(&move->stores);
	INIT_LIST_HEAD(&move->ios);
	INIT_LIST_HEAD(&move->proxies);
	INIT_WORK(&move->drive_work, hc_move_drive);
	INIT_DELAYED_WORK(&move->tick_work, tick_fn);
	return move;
}

struct hc_move *hc_move_get(struct hc_move *move)
{
	kref_get(&move->kref);
	return move;
}

static void move_release(struct kref *kref)
{
	struct hc_move *move = container_of(kref, struct hc_move, kref);

	queue_work(hc_move_wq, &move->free_work);
}

void hc_move_put(struct hc_move *move)
{
	if (move)
		kref_put(&move->kref, move_release);
}

/* ---- finding ---- */

static struct hc_move *find_locked(struct hc_node *node, struct hc_peer *peer, u64 id)
{
	struct hc_move *move;

	lockdep_assert_held(&node->moves_lock);
	list_for_each_entry(move, &node->moves, list)
		if (move->id == id && (!peer || move->peer == peer))
			return move;
	return NULL;
}

int hc_move_list(struct hc_move *move)
{
	struct hc_node *node = move->node;
	int err = 0;

	spin_lock(&node->moves_lock);
	if (node->moves_closed)
		err = -ESHUTDOWN;
	else if (node->nr_moves >= MOVES_MAX)
		err = -ENOSPC;
	else if (find_locked(node, move->peer, move->id))
		err = -EEXIST;
	if (!err) {
		list_add_tail(&move->list, &node->moves);
		node->nr_moves++;
		move->is_listed = true;
		hc_move_get(move);
		hc_move_get(move);	/* the tick's */
		queue_delayed_work(hc_move_wq, &move->tick_work, msecs_to_jiffies(HC_MOVE_TICK_MS));
	}
	spin_unlock(&node->moves_lock);
	return err;
}

struct hc_move *hc_move_find(struct hc_node *node, struct hc_peer *peer, u64 id)
{
	struct hc_move *move;

	spin_lock(&node->moves_lock);
	move = find_locked(node, peer, id);
	if (move)
		hc_move_get(move);
	spin_unlock(&node->moves_lock);
	return move;
}

struct hc_move *hc_move_of_pid(struct hc_node *node, struct pid *pid)
{
	struct hc_move *move, *found = NULL;

	spin_lock(&node->moves_lock);
	list_for_each_entry(move, &node->moves, list)
		if ((move->pid == pid || READ_ONCE(move->runner) == pid) &&
		    !hc_move_is_over(hc_move_state(move)))
			found = hc_move_get(move);
	spin_unlock(&node->moves_lock);
	return found;
}

/* Nobody finds it any more. */
void hc_move_unlist(struct hc_move *move)
{
	struct hc_node *node = move->node;
	bool was_listed;

	spin_lock(&node->moves_lock);
	was_listed = move->is_listed;
	if (was_listed) {
		list_del_init(&move->list);
		node->nr_moves--;
		move->is_listed = false;
	}
	spin_unlock(&node->moves_lock);
	if (was_listed)
		hc_move_put(move);
}

/* ---- steps ---- */

u8 hc_move_state(const struct hc_move *move)
{
	return READ_ONCE(move->sm.state);
}

void hc_move_say(struct hc_move *move, const char *fmt, ...)
{
	char text[HCM_TEXT_LEN];
	va_list args;

	va_start(args, fmt);
	vscnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	spin_lock(&move->lock);
	if (!move->reason[0])
		strscpy(move->reason, text, sizeof(move->reason));
	spin_unlock(&move->lock);
}

static void tell(struct hc_move *move, u8 old)
{
	u8 state = hc_move_state(move);

	if (state == old)
		return;
	if (state == HC_MOVE_AWAY && old == HC_MOVE_DOUBT)
		hc_event(move->node, HC_EV_MOVED, move->peer->id, 0, move->pid_nr,
			 "Program %s (%u) runs on node %u from now on.", move->comm,
			 move->pid_nr, move->peer->id);
	else if (state == HC_MOVE_STAYED)
		hc_event(move->node, HC_EV_MOVE_FAILED, move->peer->id, 0, move->pid_nr,
			 "Program %s (%u) stays: %s.", move->comm, move->pid_nr,
			 move->reason[0] ? move->reason : "the move was stopped");
}

/* What the policy wants done. No lock is held. */
static void act(struct hc_move *move, u32 actions)
{
	/* What was kept open for the other end. */
	if (move->home && hc_move_is_over(hc_move_state(move)))
		hc_serve_close(move->home);
	if (actions & HC_MACT_ABORT)
		hc_move_send(move, HCW_MOVE_ABORT, 0, NULL, 0, NULL, NULL);
	if (actions & HC_MACT_RESUME)
		hc_move_unpark(move, false);
	if (actions & HC_MACT_SHADOW)
		hc_move_unpark(move, true);
	if (actions & HC_MACT_END_SHADOW)
		hc_move_home_news(move, HCM_NEWS_ENDED, move->end_status);
	if (actions & HC_MACT_FREE)
		hc_move_memory_free(move);
	if (actions & HC_MACT_KILL_AWAY) {
		WRITE_ONCE(move->owes_kill, true);
		hc_move_kill_away(move);
	}
	if (actions & HC_MACT_LET_GO)
		hc_move_let_go(move);
	if (actions & HC_MACT_DISCARD)
		hc_move_discard(move);
	if (actions & HC_MACT_KILL) {
		struct pid *runner = READ_ONCE(move->runner);

		if (runner)
			kill_pid(runner, SIGKILL, 1);
	}
}

u32 hc_move_do(struct hc_move *move, enum hc_move_event event, const char *fmt, ...)
{
	char text[HCM_TEXT_LEN];
	va_list args;
	u32 actions;
	u8 old;

	text[0] = 0;
	if (fmt) {
		va_start(args, fmt);
		vscnprintf(text, sizeof(text), fmt, args);
		va_end(args);
	}
	spin_lock(&move->lock);
	old = move->sm.state;
	actions = hc_move_step(&move->sm, event);
	if (!(actions & HC_MACT_BAD)) {
		if (text[0] && !move->reason[0])
			strscpy(move->reason, text, sizeof(move->reason));
		if (hc_move_is_over(move->sm.state) && !hc_move_is_over(old))
			move->over_at = jiffies;
	}
	spin_unlock(&move->lock);
	if (actions & HC_MACT_BAD)
		return actions;
	tell(move, old);
	act(move, actions);
	wake_up_all(&move->wq);
	return actions;
}

/* ---- the node's end ---- */

/*
 * Every move pins the module and its helpers pin the namespace, so what is left here
 * is over, or its peer is gone for good.
 */
void hc_moves_drop(struct hc_node *node)
{
	struct hc_move *move;

	for (;;) {
		spin_lock(&node->moves_lock);
		node->moves_closed = true;
		move = list_first_entry_or_null(&node->moves, struct hc_move, list);
		if (move)
			hc_move_get(move);
		spin_unlock(&node->moves_lock);
		if (!move)
			break;
		hc_move_do(move, hc_move_is_source(hc_move_state(move)) ? HC_MEV_FAIL :
			   HC_MEV_GIVE_UP, "the node is being shut down");
		hc_move_unlist(move);
		hc_move_put(move);
	}
	flush_workqueue(hc_tell_wq);
	flush_workqueue(hc_move_wq);
}

int hc_move_init(void)
{
	int err = hc_restore_init();

	hc_store_init();
	return err ?: hc_proxy_init();
}

void hc_move_exit(void)
{
	hc_proxy_exit();
}
