// SPDX-License-Identifier: GPL-2.0-or-later
/* What this machine has and how busy it is: see resources.h. */
#include "daemon/node/resources.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "daemon/node/cleanup.h"

static FILE *open_proc(const char *proc, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", proc, name);
	return fopen(path, "re");
}

static int read_meminfo(const char *proc, struct hcd_resources *res)
{
	static const struct {
		const char *name;
		size_t offset;
	} rows[] = {
		{ "MemTotal:", offsetof(struct hcd_resources, memory_total) },
		{ "MemAvailable:", offsetof(struct hcd_resources, memory_available) },
		{ "SwapTotal:", offsetof(struct hcd_resources, swap_total) },
		{ "SwapFree:", offsetof(struct hcd_resources, swap_free) },
	};
	_cleanup_fclose_ FILE *f = open_proc(proc, "meminfo");
	unsigned long long kib;
	char line[128], name[64];

	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %llu kB", name, &kib) != 2)
			continue;
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			if (strcmp(name, rows[i].name) == 0)
				*(uint64_t *)((char *)res + rows[i].offset) = kib << 10;
		}
	}
	return res->memory_total ? 0 : -EIO;
}

static void read_cpu_model(const char *proc, struct hcd_resources *res)
{
	_cleanup_fclose_ FILE *f = open_proc(proc, "cpuinfo");
	char line[256];

	while (f && !res->cpu_model[0] && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "model name : %63[^\n]", res->cpu_model) != 1)
			res->cpu_model[0] = '\0';
	}
}

int hcd_resources_read(const char *proc, struct hcd_resources *ret_res)
{
	struct hcd_resources res = { 0 };
	double value;
	int r;

	r = read_meminfo(proc, &res);
	if (r < 0)
		return r;
	res.cpus = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
	{
		_cleanup_fclose_ FILE *f = open_proc(proc, "loadavg");

		if (f && fscanf(f, "%lf", &value) == 1)
			res.load_milli = (uint32_t)(value * 1000);
	}
	{
		_cleanup_fclose_ FILE *f = open_proc(proc, "uptime");

		if (f && fscanf(f, "%lf", &value) == 1)
			res.uptime_s = (uint64_t)value;
	}
	{
		_cleanup_fclose_ FILE *f = open_proc(proc, "pressure/memory");

		if (f && fscanf(f, "some avg10=%lf", &value) == 1)
			res.memory_pressure_milli = (uint32_t)(value * 1000);
	}
	{
		_cleanup_fclose_ FILE *f = open_proc(proc, "sys/kernel/osrelease");

		if (f && fscanf(f, "%63[^\n]", res.kernel) != 1)
			res.kernel[0] = '\0';
	}
	read_cpu_model(proc, &res);
	*ret_res = res;
	return 0;
}
