// SPDX-License-Identifier: GPL-2.0-or-later
/* Figures as the kernel would write them. */
#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "view.h"

/* The first processor's paragraph of this node; the others look the same. */
static size_t read_model(char *buf, size_t len)
{
	int fd = open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, len - 1);
	char *end;

	if (fd >= 0)
		close(fd);
	buf[n > 0 ? n : 0] = 0;
	end = strstr(buf, "\n\n");
	if (end)
		end[1] = 0;
	return strlen(buf);
}

/* Lines that are each processor's own. */
static void cpuinfo_line(FILE *out, const char *line, size_t len, uint32_t cpu, uint32_t cpus)
{
	static const struct {
		const char *key;
		bool is_number;		/* the processor's, else how many there are */
	} own[] = {
		{ "processor\t", true }, { "core id\t", true }, { "apicid\t", true },
		{ "initial apicid\t", true }, { "siblings\t", false }, { "cpu cores\t", false },
	};

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		const char *colon = memchr(line, ':', len);

		if (colon && !strncmp(line, own[i].key, strlen(own[i].key))) {
			fprintf(out, "%.*s: %u\n", (int)(colon - line), line,
				own[i].is_number ? cpu : cpus);
			return;
		}
	}
	if (!strncmp(line, "physical id\t", strlen("physical id\t")))
		fputs("physical id\t: 0\n", out);
	else
		fwrite(line, 1, len, out);
}

static void cpuinfo(FILE *out, const struct view_figures *f)
{
	uint32_t cpus = f->cpus_local + f->cpus_remote;
	char model[16384];

	if (!read_model(model, sizeof(model)))
		snprintf(model, sizeof(model), "processor\t: 0\n");
	for (uint32_t cpu = 0; cpu < cpus; cpu++) {
		for (const char *l = model; *l;) {
			size_t len = strcspn(l, "\n") + 1;

			cpuinfo_line(out, l, l[len - 1] ? len : len - 1, cpu, cpus);
			l += l[len - 1] ? len : len - 1;
		}
		fputc('\n', out);
	}
}

static void kib(FILE *out, const char *key, uint64_t bytes)
{
	fprintf(out, "%-16s%8" PRIu64 " kB\n", key, bytes / 1024);
}

/* Memory of other nodes is memory here, not swap. */
static void meminfo(FILE *out, const struct view_figures *f)
{
	uint64_t free_bytes = f->memory_total - f->memory_used;
	uint64_t cache = f->file > f->shmem ? f->file - f->shmem : 0;

	kib(out, "MemTotal:", f->memory_total);
	kib(out, "MemFree:", free_bytes);
	kib(out, "MemAvailable:", free_bytes + cache);
	kib(out, "Buffers:", 0);
	kib(out, "Cached:", f->file);
	kib(out, "SwapCached:", 0);
	kib(out, "Active:", f->active_anon + f->active_file);
	kib(out, "Inactive:", f->inactive_anon + f->inactive_file);
	kib(out, "Active(anon):", f->active_anon);
	kib(out, "Inactive(anon):", f->inactive_anon);
	kib(out, "Active(file):", f->active_file);
	kib(out, "Inactive(file):", f->inactive_file);
	kib(out, "Unevictable:", 0);
	kib(out, "Mlocked:", 0);
	kib(out, "SwapTotal:", 0);
	kib(out, "SwapFree:", 0);
	kib(out, "Dirty:", f->dirty);
	kib(out, "Writeback:", 0);
	kib(out, "AnonPages:", f->anon);
	kib(out, "Mapped:", f->mapped);
	kib(out, "Shmem:", f->shmem);
	kib(out, "Slab:", f->slab);
	kib(out, "SReclaimable:", 0);
	kib(out, "SUnreclaim:", f->slab);
	kib(out, "CommitLimit:", f->memory_total);
	kib(out, "Committed_AS:", f->memory_used);
	kib(out, "VmallocTotal:", 0);
	kib(out, "VmallocUsed:", 0);
}

static void cpu_line(FILE *out, int cpu, uint64_t user, uint64_t system, uint64_t idle)
{
	if (cpu < 0)
		fputs("cpu ", out);
	else
		fprintf(out, "cpu%d", cpu);
	fprintf(out, " %" PRIu64 " 0 %" PRIu64 " %" PRIu64 " 0 0 0 0 0 0\n", user, system, idle);
}

/* The work is spread evenly over the processors of where it was done. */
static void stat_text(FILE *out, const struct view_figures *f)
{
	uint32_t n = f->cpus_local, m = f->cpus_remote;

	cpu_line(out, -1, f->user + f->remote_busy, f->system, f->idle + f->remote_idle);
	for (uint32_t i = 0; i < n; i++)
		cpu_line(out, (int)i, f->user / n, f->system / n, f->idle / n);
	for (uint32_t i = 0; i < m; i++)
		cpu_line(out, (int)(n + i), f->remote_busy / m, 0, f->remote_idle / m);
	fprintf(out, "intr 0\nctxt 0\nbtime %" PRIu64 "\nprocesses %u\nprocs_running %u\n"
		"procs_blocked 0\nsoftirq 0\n", f->boot_s, f->tasks, f->running);
}

static void loadavg(FILE *out, const struct view_figures *f)
{
	for (int i = 0; i < 3; i++)
		fprintf(out, "%u.%02u ", f->load_milli[i] / 1000, f->load_milli[i] % 1000 / 10);
	fprintf(out, "%u/%u %u\n", f->running, f->tasks, f->tasks);
}

static void uptime(FILE *out, const struct view_figures *f)
{
	uint64_t idle = f->idle + f->remote_idle;

	fprintf(out, "%" PRIu64 ".%02" PRIu64 " %" PRIu64 ".%02" PRIu64 "\n", f->uptime_ms / 1000,
		f->uptime_ms % 1000 / 10, idle / 100, idle % 100);
}

static void swaps(FILE *out, const struct view_figures *f)
{
	(void)f;
	fputs("Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n", out);
}

char *view_render(enum view_file file, const struct view_figures *f, size_t *ret_len)
{
	static void (*const all[VIEW_FILES])(FILE *out, const struct view_figures *f) = {
		[VIEW_CPUINFO] = cpuinfo, [VIEW_MEMINFO] = meminfo, [VIEW_STAT] = stat_text,
		[VIEW_LOADAVG] = loadavg, [VIEW_UPTIME] = uptime, [VIEW_SWAPS] = swaps,
	};
	char *text = NULL;
	FILE *out = open_memstream(&text, ret_len);

	if (!out)
		return NULL;
	all[file](out, f);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
