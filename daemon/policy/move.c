// SPDX-License-Identifier: GPL-2.0-or-later
/* Moving processes: loads follow, order is heaviest first, and who may be moved. */
#include "daemon/policy/state.h"

#include <stdarg.h>
#include <stdio.h>

int64_t pol_load_on(const struct pol_proc *p, const struct pol_node *node)
{
	if (!pol_known(p->told_load) || !p->told_node)
		return p->told_load;
	return pol_scale(p->told_load, p->told_node->capacity, node->capacity);
}

/* Count @p (in: +1, out: -1) in the sums of its node. */
static void count(struct pol_state *st, struct pol_proc *p, int sign)
{
	struct pol_node *node = p->node;
	bool was_known = node->nr_unknown == 0;
	int64_t load;

	if (!p->is_system) {
		node->nr_service += (uint32_t)sign;
		if (pol_known(p->load))
			node->service_load += sign * p->load;
		else
			node->nr_unknown += (uint32_t)sign;
		pol_service_changed(node, was_known);
	}
	if (pol_known(p->load) && pol_known(node->load)) {
		load = node->load + sign * p->load;
		pol_set_load(st, node, load < 0 ? 0 : load);
	}
}

void pol_proc_place(struct pol_state *st, struct pol_proc *p, struct pol_node *node)
{
	if (p->node) {
		count(st, p, -1);
		if (p->prev)
			p->prev->next = p->next;
		else
			p->node->procs = p->next;
		if (p->next)
			p->next->prev = p->prev;
		p->prev = NULL;
		p->next = NULL;
		p->node = NULL;
	}
	if (!node)
		return;
	p->node = node;
	p->load = pol_load_on(p, node);
	p->next = node->procs;
	if (p->next)
		p->next->prev = p;
	node->procs = p;
	count(st, p, 1);
}

void pol_migrate(struct pol_state *st, struct pol_proc *p, struct pol_node *to, unsigned int rule,
		 const char *fmt, ...)
{
	struct pol_decision d = { .rule = rule, .action = POL_MIGRATE, .pid = p->pid,
				  .from = p->node->id, .to = to->id };
	char why[POL_WHY_LEN];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	p->moved_at = st->now;
	p->moved_check = st->check;
	pol_proc_place(st, p, to);
	pol_emit(st, &d, "%s", why);
}

struct pol_env *pol_env_of(const struct pol_proc *p, const struct pol_node *node)
{
	const struct pol_seat *seat = pol_seat(p->user, node);

	return seat && seat->env ? seat->env : p->user->envs;
}

bool pol_is_movable(const struct pol_state *st, const struct pol_proc *p)
{
	return !p->is_system && !p->is_restricted && p->moved_check != st->check;
}

void pol_count(const struct pol_user *user, const struct pol_node *node, size_t *ret_movable,
	       size_t *ret_restricted)
{
	size_t movable = 0, restricted = 0;

	for (const struct pol_proc *p = node->procs; p; p = p->next) {
		if (p->is_system || p->user != user)
			continue;
		movable += !p->is_restricted;
		restricted += p->is_restricted;
	}
	*ret_movable = movable;
	*ret_restricted = restricted;
}

bool pol_runs_there(const struct pol_user *user, const struct pol_node *node)
{
	for (const struct pol_proc *p = node->procs; p; p = p->next)
		if (!p->is_system && p->user == user)
			return true;
	return false;
}

void pol_collect(struct pol_state *st, const struct pol_user *user, const struct pol_node *node)
{
	struct pol_list *list = &st->tmp_procs;

	list->nr = 0;
	for (struct pol_proc *p = node->procs; p; p = p->next)
		if ((!user || p->user == user) && pol_is_movable(st, p))
			list->p[list->nr++] = p;
	pol_sort(list->p, list->nr, pol_cmp_heaviest, 0);
}

size_t pol_empty(struct pol_state *st, struct pol_env *env, struct pol_node *node,
		 struct pol_node *fixed, unsigned int rule)
{
	size_t stuck = 0;

	pol_collect(st, env->user, node);
	for (size_t i = 0; i < st->tmp_procs.nr; i++) {
		struct pol_proc *p = st->tmp_procs.p[i];
		struct pol_node *to = fixed ? fixed : pol_least_loaded(st, env, node);

		if (!to) {
			stuck++;
			continue;
		}
		if (fixed)
			pol_migrate(st, p, to, rule, "node %u is emptied", node->id);
		else
			pol_migrate(st, p, to, rule,
				    "node %u is emptied, node %u is the least loaded (%g)",
				    node->id, to->id, POL_F(to->load));
	}
	return stuck;
}

const char *pol_kept_text(size_t nr_restricted, char buf[80])
{
	buf[0] = '\0';
	if (nr_restricted)
		snprintf(buf, 80, ", %zu restricted process%s stay%s there until the end",
			 nr_restricted, nr_restricted == 1 ? "" : "es",
			 nr_restricted == 1 ? "s" : "");
	return buf;
}

/* ---- order --------------------------------------------------------------------------- */

static void sift_down(void **p, size_t i, size_t n, int (*cmp)(const void *, const void *, int),
		      int arg)
{
	void *x = p[i];

	for (size_t child = 2 * i + 1; child < n; child = 2 * i + 1) {
		if (child + 1 < n && cmp(p[child], p[child + 1], arg) < 0)
			child++;
		if (cmp(x, p[child], arg) >= 0)
			break;
		p[i] = p[child];
		i = child;
	}
	p[i] = x;
}

/* Heapsort: in place, no worse case, and every order here is total. */
void pol_sort(void **p, size_t n, int (*cmp)(const void *a, const void *b, int arg), int arg)
{
	for (size_t i = n / 2; i-- > 0;)
		sift_down(p, i, n, cmp, arg);
	for (size_t end = n; end > 1; end--) {
		void *last = p[end - 1];

		p[end - 1] = p[0];
		p[0] = last;
		sift_down(p, 0, end - 1, cmp, arg);
	}
}

/* Unknown loads come last. */
int pol_cmp_heaviest(const void *a, const void *b, int arg)
{
	const struct pol_proc *x = a, *y = b;

	(void)arg;
	if (x->load != y->load)
		return x->load > y->load ? -1 : 1;
	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

int pol_cmp_node_avg(const void *a, const void *b, int window)
{
	const struct pol_node *x = a, *y = b;
	int64_t p = x->avg[window], q = y->avg[window];

	if (p != q) {
		if (!pol_known(p) || !pol_known(q))
			return pol_known(p) ? -1 : 1;
		return p < q ? -1 : 1;
	}
	return x->id < y->id ? -1 : x->id > y->id;
}

/* Unknown loads come last: POL_UNKNOWN is less than any. */
int pol_cmp_node_worst(const void *a, const void *b, int arg)
{
	const struct pol_node *x = a, *y = b;

	(void)arg;
	if (x->load != y->load)
		return x->load > y->load ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

int pol_cmp_node_id(const void *a, const void *b, int arg)
{
	const struct pol_node *x = a, *y = b;

	(void)arg;
	return x->id < y->id ? -1 : x->id > y->id;
}
