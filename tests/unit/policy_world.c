// SPDX-License-Identifier: GPL-2.0-or-later
/* Clusters for tests of the rules: see policy_world.h. */
#include "policy_world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pol_state *world;
static struct pol_config config;
static char *text;
static size_t text_len, text_room;
static long fail_after = -1, allocations;

static void *mem_realloc(void *arg, void *p, size_t len)
{
	(void)arg;
	allocations++;
	if (fail_after >= 0 && fail_after-- == 0)
		return NULL;
	return realloc(p, len);
}

static void mem_free(void *arg, void *p)
{
	(void)arg;
	free(p);
}

static const struct pol_mem mem = { .realloc = mem_realloc, .free = mem_free };

void world_fail_after(long n)
{
	fail_after = n;
}

long world_allocations(void)
{
	return allocations;
}

static void add(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void add(const char *fmt, ...)
{
	char line[2048];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (text_len + (size_t)n + 1 > text_room) {
		text_room = (text_room + (size_t)n + 1) * 2;
		text = realloc(text, text_room);
	}
	memcpy(text + text_len, line, (size_t)n + 1);
	text_len += (size_t)n;
}

static void add_nodes(const struct pol_decision *d)
{
	for (size_t i = 0; i < d->nr_nodes; i++)
		add("%s%u", i ? "," : " ", d->nodes[i]);
}

static const char *const names[POL_ACTIONS] = {
	"allocate", "refuse", "candidates", "select", "migrate", "leader", "set", "unset", "lend",
	"return", "takeover", "restore", "resize", "free", "view", "copy_start", "copy_stop",
	"place", "environment", "alert", "keep",
};
static const char *const kinds[] = { "none", "idle", "shared", "overload" };

static void decide(void *arg, const struct pol_decision *d)
{
	(void)arg;
	MUST(d->why && d->why[0]);
	add("%sR%u %s", text_len ? "\n" : "", d->rule, names[d->action]);
	if (d->user)
		add(" %s", d->user);
	if (d->view)
		add(" %s", d->view);
	if (d->pid)
		add(" %lld", (long long)d->pid);
	if (d->from || d->to)
		add(" %u>%u", d->from, d->to);
	if (d->node)
		add(" %u", d->node);
	if (d->action == POL_TAKEOVER || d->action == POL_RESTORE)
		add(" by %u", d->spare);
	if (d->action == POL_SPARE_SET || d->action == POL_SPARE_UNSET)
		add(" %s", kinds[d->kind]);
	if (d->action == POL_REFUSE)
		add(" missing %u", d->missing);
	if (d->is_swap)
		add(" swap");
	add_nodes(d);
}

const char *said(void)
{
	return text_len ? text : "";
}

void world_end(void)
{
	pol_state_free(world);
	world = NULL;
	free(text);
	text = NULL;
	text_len = 0;
	text_room = 0;
}

void world_new(void)
{
	world_end();
	fail_after = -1;
	pol_config_init(&config);
	world = pol_state_new(&mem, &config);
	ck_assert_ptr_nonnull(world);
}

void set(const char *keys)
{
	char *copy = strdup(keys), *save, *word;

	for (word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		char *value = strchr(word, '=');
		int key;

		*value++ = '\0';
		key = pol_key_find(word);
		ck_assert_int_ge(key, 0);
		ck_assert_int_eq(pol_config_set(&config, (enum pol_key)key, value), 0);
	}
	free(copy);
	pol_state_free(world);
	world = pol_state_new(&mem, &config);
}

static int64_t num(double x)
{
	return x < 0 ? POL_UNKNOWN : pol_num(x);
}

static struct pol_node_info info_of(uint32_t id, double load, double avg, double cpus)
{
	struct pol_node_info info = { .id = id, .cpus = num(cpus), .memory = pol_num(8),
				      .storage = POL_UNKNOWN, .load = num(load) };

	for (int w = 0; w < POL_WINDOWS; w++)
		info.avg[w] = num(avg);
	return info;
}

void big_node(uint32_t id, double load, double avg, double cpus)
{
	const struct pol_node_info info = info_of(id, load, avg, cpus);

	ck_assert_int_eq(pol_add_node(world, &info), 0);
}

void node(uint32_t id, double load, double avg)
{
	big_node(id, load, avg, 4);
}

void spare(uint32_t id, double load, double avg)
{
	struct pol_node_info info = info_of(id, load, avg, 4);

	info.is_spare = true;
	ck_assert_int_eq(pol_add_node(world, &info), 0);
}

void drained(uint32_t id, double load, double avg)
{
	struct pol_node_info info = info_of(id, load, avg, 4);

	info.is_drained = true;
	ck_assert_int_eq(pol_add_node(world, &info), 0);
}

static size_t ids_of(const char *list, uint32_t *ids)
{
	size_t n = 0;

	for (char *end; list && *list; list = *end ? end + 1 : end)
		ids[n++] = (uint32_t)strtoul(list, &end, 10);
	return n;
}

void user_active(const char *name, const char *nodes, const char *active, double units)
{
	uint32_t ids[64], on[64];
	struct pol_user_info info = { .name = name, .nodes = ids, .nr_nodes = ids_of(nodes, ids),
				      .active = active ? on : NULL, .nr_active = ids_of(active, on),
				      .units = units > 0 ? pol_num(units) : POL_UNKNOWN };

	ck_assert_int_eq(pol_add_user(world, &info), 0);
}

void user(const char *name, const char *nodes, uint32_t leader, double units)
{
	uint32_t ids[64];
	struct pol_user_info info = { .name = name, .nodes = ids, .nr_nodes = ids_of(nodes, ids),
				      .leader = leader,
				      .units = units > 0 ? pol_num(units) : POL_UNKNOWN };

	ck_assert_int_eq(pol_add_user(world, &info), 0);
}

static struct pol_process_info proc_info(int64_t pid, const char *name, uint32_t id, double load)
{
	struct pol_process_info info = { .pid = pid, .user = name, .node = id,
					 .has_load = load >= 0,
					 .load = num(load), .has_avg = load >= 0 };

	for (int w = 0; w < POL_WINDOWS; w++)
		info.avg[w] = num(load);
	return info;
}

void proc(int64_t pid, const char *name, uint32_t id, double load)
{
	const struct pol_process_info info = proc_info(pid, name, id, load);

	ck_assert_int_eq(pol_add_process(world, &info), 0);
}

void restricted(int64_t pid, const char *name, uint32_t id, double load)
{
	struct pol_process_info info = proc_info(pid, name, id, load);

	info.has_restricted = true;
	info.is_restricted = true;
	ck_assert_int_eq(pol_add_process(world, &info), 0);
}

void view(const char *name, const char *owner, const char *main, enum pol_view_mode mode, int nr,
	  bool has_image)
{
	uint32_t ids[64];
	struct pol_view_info info = { .name = name, .user = owner, .main = ids,
				      .nr_main = ids_of(main, ids), .mode = mode,
				      .users = pol_num(nr), .has_image = has_image };

	ck_assert_int_eq(pol_add_view(world, &info), 0);
}

int step(const struct pol_event *ev, double at)
{
	static const struct pol_sink sink = { .decide = decide };

	text_len = 0;
	return pol_step(world, ev, pol_num(at), &sink);
}

static void must_step(struct pol_event ev, double at)
{
	ck_assert_int_eq(step(&ev, at), 0);
}

void event(double at, enum pol_event_kind kind)
{
	must_step((struct pol_event){ .kind = kind }, at);
}

void tick(double at)
{
	event(at, POL_EV_TICK);
}

void on_node(double at, enum pol_event_kind kind, uint32_t id)
{
	must_step((struct pol_event){ .kind = kind, .node = id }, at);
}

void load(double at, uint32_t id, double x)
{
	must_step((struct pol_event){ .kind = POL_EV_LOAD, .node = id, .load = num(x) }, at);
}

void request(double at, const char *name, double units)
{
	struct pol_request r = { .units = pol_num(units), .cpus = POL_UNKNOWN,
				 .memory = POL_UNKNOWN, .storage = POL_UNKNOWN,
				 .hours_per_day = POL_UNKNOWN, .hours_per_week = POL_UNKNOWN,
				 .jobs_per_hour = POL_UNKNOWN };

	must_step((struct pol_event){ .kind = POL_EV_REQUEST, .user = name, .request = r }, at);
}

static void with_nodes(double at, enum pol_event_kind kind, const char *name, const char *nodes)
{
	uint32_t ids[64];
	size_t n = ids_of(nodes, ids);

	must_step((struct pol_event){ .kind = kind, .user = name, .nodes = ids, .nr_nodes = n },
		  at);
}

void pick(double at, const char *name, const char *nodes)
{
	with_nodes(at, POL_EV_PICK, name, nodes);
}

void ticks(double at, const char *name, const char *nodes)
{
	with_nodes(at, POL_EV_SELECT, name, nodes);
}

void review(double at, const char *name, double usage, double x)
{
	must_step((struct pol_event){ .kind = POL_EV_REVIEW, .user = name, .usage = pol_num(usage),
				      .load = num(x) }, at);
}

void start(double at, int64_t pid, const char *name, double x)
{
	const struct pol_process_info info = proc_info(pid, name, 0, x);

	must_step((struct pol_event){ .kind = POL_EV_PROCESS, .process = &info }, at);
}

void finish(double at, int64_t pid)
{
	must_step((struct pol_event){ .kind = POL_EV_EXIT, .pid = pid }, at);
}

void join(double at, uint32_t id, double x, double cpus)
{
	const struct pol_node_info info = info_of(id, x, x, cpus);

	must_step((struct pol_event){ .kind = POL_EV_JOIN, .join = &info }, at);
}

void users(double at, const char *name, int nr)
{
	must_step((struct pol_event){ .kind = POL_EV_USERS, .view = name, .users = pol_num(nr) },
		  at);
}
