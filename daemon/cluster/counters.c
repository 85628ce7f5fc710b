// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * R19 on each node: what the cgroups of users' environments have used, told to the controller as
 * counters that only grow. A cgroup's counter is its own, known by its inode and this boot, so a
 * daemon that starts again goes on with it. The kernel counts CPU time; memory is added up here,
 * from what the state has already, so what it held while no daemon ran is not counted.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/cluster/control.h"
#include "daemon/daemon.h"
#include "daemon/node/cleanup.h"
#include "daemon/node/state.h"

#define COUNT_MS	5000
#define COUNTERS_MAX	256

/* What is remembered of a cgroup between two looks. */
struct seen {
	uint64_t run, byte_s, byte_ms, cpu_us, at_ms;
	bool is_told;
};

static struct seen seen[COUNTERS_MAX];
static size_t nr_seen;
static uint64_t next_ms;

static uint64_t mix(uint64_t hash, const void *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ ((const uint8_t *)data)[i]) * 0x100000001b3ULL;
	return hash;
}

static uint64_t boot_hash(void)
{
	static uint64_t hash;
	_cleanup_fclose_ FILE *f = hash ? NULL : fopen("/proc/sys/kernel/random/boot_id", "re");
	char id[64] = "";

	if (hash)
		return hash;
	if (f && fgets(id, sizeof(id), f))
		hash = mix(0xcbf29ce484222325ULL, id, strlen(id));
	return hash;
}

/* A number behind @key at the line's begin, or (NULL) the file's only one. */
static int read_number(const char *cgroup, const char *file, const char *key, uint64_t *ret)
{
	char path[HCD_PATH_LEN + 32], line[128];
	size_t len = key ? strlen(key) : 0;
	FILE *f;
	int r = -ENOENT;

	snprintf(path, sizeof(path), "%s/%s", cgroup, file);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (r < 0 && fgets(line, sizeof(line), f))
		if (!key || (strncmp(line, key, len) == 0 && line[len] == ' '))
			r = sscanf(line + len, "%llu", (unsigned long long *)ret) == 1 ? 0 : -EIO;
	fclose(f);
	return r;
}

static struct seen *seen_of(uint64_t run)
{
	size_t i;

	for (i = 0; i < nr_seen && seen[i].run != run; i++)
		;
	if (i == COUNTERS_MAX)	/* the one looked at longest ago makes room */
		for (size_t k = i = 0; k < COUNTERS_MAX; k++)
			i = seen[k].at_ms < seen[i].at_ms ? k : i;
	if (i == nr_seen)
		nr_seen++;
	if (seen[i].run != run)
		seen[i] = (struct seen){ .run = run };
	return &seen[i];
}

/* What the state has of it. */
static void begin(const struct hcd_control *c, const char *user, struct seen *s)
{
	for (size_t i = 0; i < c->fsm->nr_counters; i++) {
		const struct hcd_counter *k = &c->fsm->counters[i];

		if (k->run == s->run && k->node == c->identity.self.at.id &&
		    strcmp(k->user, user) == 0 && k->byte_s > s->byte_s)
			s->byte_s = k->byte_s;
	}
}

/* Return: it is worth telling. */
static bool look(const struct hcd_control *c, const char *user, const char *cgroup,
		 uint64_t now_ms, Hcp__Counter *ret)
{
	uint64_t cpu_us, bytes = 0, run;
	struct seen *s;
	struct stat st;

	if (stat(cgroup, &st) < 0 || read_number(cgroup, "cpu.stat", "usage_usec", &cpu_us) < 0)
		return false;
	read_number(cgroup, "memory.current", NULL, &bytes);
	run = mix(boot_hash(), &st.st_ino, sizeof(st.st_ino));
	run = mix(run, cgroup, strlen(cgroup));
	s = seen_of(run);
	if (!s->at_ms) {
		begin(c, user, s);
	} else {
		/* In parts of a second, so that none is lost. */
		s->byte_ms += bytes * (now_ms - s->at_ms) % 1000;
		s->byte_s += bytes / 1000 * (now_ms - s->at_ms) +
			     bytes % 1000 * (now_ms - s->at_ms) / 1000 + s->byte_ms / 1000;
		s->byte_ms %= 1000;
	}
	s->at_ms = now_ms;
	if (s->is_told && s->cpu_us == cpu_us && !bytes)
		return false;
	s->cpu_us = cpu_us;
	s->is_told = true;
	hcp__counter__init(ret);
	ret->user = (char *)user;
	ret->node = c->identity.self.at.id;
	ret->run = run;
	ret->cpu_us = cpu_us;
	ret->byte_s = s->byte_s;
	return true;
}

static void on_told(int error, const struct hcd_result *result, const char *text, void *arg)
{
	/* Lost or not: the next ones hold it too. */
}

void hcd_counters_tick(struct hcd_control *c, uint64_t now_ms)
{
	static Hcp__Counter list[COUNTERS_MAX], *pointers[COUNTERS_MAX];
	Hcp__Command command = HCP__COMMAND__INIT;
	Hcp__Counters msg = HCP__COUNTERS__INIT;
	const struct hcd_state *state = &c->d->state;

	if (now_ms < next_ms || c->fsm->version < 2 || !hcd_control_controller(c))
		return;
	next_ms = now_ms + COUNT_MS;
	for (size_t i = 0; i < state->nr_envs; i++) {
		const struct hcd_env *env = &state->envs[i];

		/* An environment is called as its user is; others are nobody's. */
		if (env->node != c->identity.self.at.id ||
		    !hcd_fsm_kept(c->fsm, HCD_KEPT_USER, env->name))
			continue;
		for (size_t k = 0; k < env->nr_cgroups && msg.n_counters < COUNTERS_MAX; k++) {
			pointers[msg.n_counters] = &list[msg.n_counters];
			msg.n_counters += look(c, env->name, env->cgroups[k], now_ms,
					       &list[msg.n_counters]);
		}
	}
	if (!msg.n_counters)
		return;
	msg.counters = pointers;
	command.what_case = HCP__COMMAND__WHAT_COUNTERS;
	command.counters = &msg;
	hcd_control_do(c, &command, on_told, NULL);
}
