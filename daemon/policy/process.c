// SPDX-License-Identifier: GPL-2.0-or-later
/* Processes: by pid, coming, changing and going. */
#include "daemon/policy/state.h"

#include <errno.h>
#include <string.h>

static size_t pid_slot(const struct pol_state *st, int64_t pid)
{
	return (size_t)(((uint64_t)pid * 0x9e3779b97f4a7c15ULL) >> 32) & (st->procs_room - 1);
}

struct pol_proc *pol_proc(const struct pol_state *st, int64_t pid)
{
	struct pol_proc *p = st->procs_room ? st->procs[pid_slot(st, pid)] : NULL;

	while (p && p->pid != pid)
		p = p->hash_next;
	return p;
}

static int procs_grow(struct pol_state *st)
{
	size_t old_room = st->procs_room, room = old_room ? old_room * 2 : 64;
	struct pol_proc **old = st->procs, **procs;

	if (st->nr_procs < old_room)
		return 0;
	procs = pol_alloc(st, room * sizeof(*procs));
	if (!procs)
		return -ENOMEM;
	st->procs = procs;
	st->procs_room = room;
	for (size_t i = 0; i < old_room; i++) {
		while (old[i]) {
			struct pol_proc *p = old[i], **slot = &procs[pid_slot(st, p->pid)];

			old[i] = p->hash_next;
			p->hash_next = *slot;
			*slot = p;
		}
	}
	pol_free(st, old);
	return 0;
}

void pol_proc_drop(struct pol_state *st, struct pol_proc *p)
{
	struct pol_proc **at = &st->procs[pid_slot(st, p->pid)];

	pol_proc_place(st, p, NULL);
	while (*at != p)
		at = &(*at)->hash_next;
	*at = p->hash_next;
	st->nr_procs--;
	if (p->user)
		p->user->nr_procs--;
	pol_free(st, p);
}

/* A user that is there, or the admin, who is made when first named. */
static int user_of(struct pol_state *st, const char *name, struct pol_user **ret_user)
{
	struct pol_user *user = pol_user(st, name);
	int r = user ? 0 : -ENOENT;

	if (!user && pol_is_admin(name))
		r = pol_user_new(st, name, &user);
	if (r == 0)
		*ret_user = user;
	return r;
}

/* A process without a place yet. */
static int proc_new(struct pol_state *st, const struct pol_process_info *info,
		    struct pol_proc **ret_proc)
{
	struct pol_user *user = NULL;
	struct pol_proc *p, **slot;
	int r = info->user ? user_of(st, info->user, &user) : 0;

	if (r < 0)
		return r;
	if (!user && !info->is_system)
		return -EINVAL;
	if (procs_grow(st) < 0)
		return -ENOMEM;
	p = pol_alloc(st, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->pid = info->pid;
	p->user = user;
	p->load = POL_UNKNOWN;
	p->told_load = POL_UNKNOWN;
	p->moved_at = POL_UNKNOWN;
	for (int w = 0; w < POL_WINDOWS; w++)
		p->avg[w] = POL_UNKNOWN;
	slot = &st->procs[pid_slot(st, p->pid)];
	p->hash_next = *slot;
	*slot = p;
	st->nr_procs++;
	if (user)
		user->nr_procs++;
	*ret_proc = p;
	return 0;
}

static void proc_update(struct pol_proc *p, const struct pol_process_info *info)
{
	if (info->has_kind)
		p->is_system = info->is_system;
	if (info->has_moved)
		p->moved_at = info->moved_at;
	if (info->has_restricted)
		p->is_restricted = info->is_restricted;
	for (int w = 0; info->has_avg && w < POL_WINDOWS; w++)
		p->avg[w] = pol_known(info->avg[w]) ? info->avg[w] : p->avg[w];
}

int pol_add_process(struct pol_state *st, const struct pol_process_info *info)
{
	struct pol_node *node = info->node ? pol_node(st, info->node) : NULL;
	struct pol_proc *p;
	int r;

	if (info->node && !node)
		return -ENOENT;
	if (pol_proc(st, info->pid))
		return -EEXIST;
	r = proc_new(st, info, &p);
	if (r < 0)
		return r;
	proc_update(p, info);
	p->load = info->has_load ? info->load : POL_UNKNOWN;
	p->told_load = p->load;
	p->told_node = node;
	if (node) {
		/* The node's load was told with all that runs there. */
		int64_t load = node->load;

		pol_proc_place(st, p, node);
		pol_set_load(st, node, load);
	}
	return 0;
}

/* The load of a node on which a process weighs something else now. */
static int64_t changed(int64_t load, int64_t was, int64_t is)
{
	if (!pol_known(load))
		return load;
	load += (pol_known(is) ? is : 0) - (pol_known(was) ? was : 0);
	return load < 0 ? 0 : load;
}

int pol_process_event(struct pol_state *st, const struct pol_process_info *info)
{
	struct pol_node *node = info->node ? pol_node(st, info->node) : NULL;
	struct pol_proc *p = pol_proc(st, info->pid);
	int64_t was = POL_UNKNOWN, load = POL_UNKNOWN;
	struct pol_user *user = NULL;
	int r = 0;

	if (info->node && !node)
		return -ENOENT;
	if (!p)
		r = proc_new(st, info, &p);
	else if (info->user)
		r = user_of(st, info->user, &user);
	if (r < 0)
		return r;
	if (user) {
		if (p->user)
			p->user->nr_procs--;
		p->user = user;
		user->nr_procs++;
	}
	if (!node)
		node = p->node;
	if (node && node == p->node) {
		was = p->load;
		load = node->load;
	}
	/* Off and on again: every sum follows. */
	pol_proc_place(st, p, NULL);
	proc_update(p, info);
	if (info->has_load) {
		p->told_load = info->load;
		p->told_node = node;
	}
	if (!node) {
		pol_balance_place(st, p);
		return 0;
	}
	if (!p->told_node)
		p->told_node = node;
	pol_proc_place(st, p, node);
	if (pol_known(load))
		pol_set_load(st, node, changed(load, was, p->load));
	return 0;
}

void pol_procs_free(struct pol_state *st)
{
	for (size_t i = 0; i < st->procs_room; i++) {
		while (st->procs[i]) {
			struct pol_proc *p = st->procs[i];

			st->procs[i] = p->hash_next;
			pol_free(st, p);
		}
	}
	pol_free(st, st->procs);
}
