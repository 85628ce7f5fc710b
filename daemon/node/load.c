// SPDX-License-Identifier: GPL-2.0-or-later
/* The load of this node: see load.h. */
#include "daemon/node/load.h"

#include <stdio.h>
#include <string.h>

#include "daemon/node/cleanup.h"

static FILE *open_proc(const char *proc, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", proc, name);
	return fopen(path, "re");
}

static bool read_stat(const char *proc, uint64_t *ret_busy, uint64_t *ret_total)
{
	_cleanup_fclose_ FILE *f = open_proc(proc, "stat");
	unsigned long long user, nice, system, idle, wait, irq, softirq, steal;

	/* Guests' time is in user and nice already. Stolen time is nobody's here: neither. */
	if (!f || fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system,
			 &idle, &wait, &irq, &softirq, &steal) != 8)
		return false;
	*ret_busy = user + nice + system + irq + softirq;
	*ret_total = *ret_busy + idle + wait;
	return *ret_total != 0;
}

static bool read_memory(const char *proc, uint64_t *ret_total, uint64_t *ret_used)
{
	_cleanup_fclose_ FILE *f = open_proc(proc, "meminfo");
	unsigned long long kib, total = 0, used = 0;
	char line[128], name[64];
	int found = 0;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %llu kB", name, &kib) != 2)
			continue;
		if (strcmp(name, "MemTotal:") == 0) {
			total = kib << 10;
			found++;
		} else if (strcmp(name, "AnonPages:") == 0 || strcmp(name, "Shmem:") == 0) {
			used += kib << 10;
			found++;
		}
	}
	*ret_total = total;
	*ret_used = used;
	return found == 3 && total;
}

static double cpu_busy(struct hcd_load_sampler *s, const char *proc)
{
	uint64_t busy, total, before_busy = s->busy, before = s->total;

	if (!read_stat(proc, &busy, &total)) {
		s->total = 0;
		return HCD_LOAD_UNKNOWN;
	}
	s->busy = busy;
	s->total = total;
	/* A CPU that went away takes its ticks along. */
	if (!before || total <= before || busy < before_busy || busy - before_busy > total - before)
		return HCD_LOAD_UNKNOWN;
	return (double)(busy - before_busy) / (double)(total - before);
}

static double memory_used(struct hcd_load_sampler *s, const char *proc,
			  const struct hcd_load_memory *m)
{
	uint64_t total, used;
	double room;

	s->room = 0;
	if (!read_memory(proc, &total, &used))
		return HCD_LOAD_UNKNOWN;
	room = (double)total - (double)m->lent + (double)m->remote + (double)m->borrowable;
	if (room <= 0)
		return 1;
	s->room = room;
	used += m->remote;
	return (double)used < room ? (double)used / room : 1;
}

static double smooth(double old, double now, uint64_t step_ms)
{
	if (old < 0 || now < 0)
		return now;
	return old + (now - old) * (double)step_ms / (double)(HCD_LOAD_SMOOTH_MS + step_ms);
}

void hcd_load_init(struct hcd_load_sampler *s)
{
	*s = (struct hcd_load_sampler){ .cpu_busy = HCD_LOAD_UNKNOWN,
					.memory_used = HCD_LOAD_UNKNOWN,
					.load = HCD_LOAD_UNKNOWN };
}

void hcd_load_sample(struct hcd_load_sampler *s, const char *proc,
		     const struct hcd_load_memory *memory, uint64_t now_ms)
{
	uint64_t step_ms = now_ms - s->at_ms;
	double cpu, mem;

	if (!hcd_load_is_fresh(s, now_ms))
		hcd_load_init(s);
	s->at_ms = now_ms;
	cpu = cpu_busy(s, proc);
	mem = memory_used(s, proc, memory);
	s->cpu_busy = smooth(s->cpu_busy, cpu, step_ms);
	s->memory_used = smooth(s->memory_used, mem, step_ms);
	if (s->cpu_busy < 0 || s->memory_used < 0)
		s->load = HCD_LOAD_UNKNOWN;
	else
		s->load = s->cpu_busy > s->memory_used ? s->cpu_busy : s->memory_used;
}

bool hcd_load_is_fresh(const struct hcd_load_sampler *s, uint64_t now_ms)
{
	return s->at_ms && now_ms - s->at_ms <= HCD_LOAD_PAUSE_MS;
}
