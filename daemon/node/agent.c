// SPDX-License-Identifier: GPL-2.0-or-later
/* The node itself: see agent.h. */
#include "daemon/node/agent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "daemon/cluster/cluster.h"
#include "daemon/node/module.h"
#include "daemon/node/resources.h"
#include "daemon/node/swap.h"
#include "daemon/node/work.h"

#define COPIES	2	/* of each page, unless an environment says otherwise */
#define MACHINE_MS	500	/* what /proc said is good for so long */

struct pool_job {
	struct hcd_job job;
	struct hcnl_pool_set set;
};

static int pool_run(struct hcd_job *job, struct hcnl *h)
{
	struct pool_job *p = (struct pool_job *)job;

	return h ? hcnl_pool_set(h, &p->set) : -ENOENT;
}

static void pool_done(struct hcd_job *job)
{
	if (job->result < 0)
		hcd_err("What this node lends could not be set: %s", job->error);
	free(job);
}

/* A share of one as it travels. */
static uint32_t share(const struct hcd *d, double value)
{
	if (value < 0 || !hcd_load_is_fresh(&d->load, uv_now(d->loop)))
		return 0;
	return (uint32_t)(value * (HCD_SHARE_ONE - 1) + 0.5) + 1;
}

/* What the node's programs have elsewhere, and could have: see load.h. */
static void memory_elsewhere(const struct hcd *d, struct hcd_load_memory *ret)
{
	const struct hcd_sample *sample = hcd_module_sample(d->module);
	uint64_t room = 0;

	*ret = (struct hcd_load_memory){ .lent = sample ? sample->pool.lent : 0 };
	if (!sample || !sample->has_disk)
		return;
	ret->remote = sample->disk.used;
	for (size_t i = 0; i < d->cluster->nr_peers; i++) {
		const struct hcd_peer *peer = d->cluster->peers[i];

		if (hcd_peer_is_up(peer) && peer->has_status && !peer->status.pool_draining &&
		    peer->status.pool_limit > peer->status.pool_lent)
			room += peer->status.pool_limit - peer->status.pool_lent;
	}
	ret->borrowable = room / COPIES;
}

void hcd_agent_load(struct hcd *d)
{
	struct hcd_load_memory memory;

	memory_elsewhere(d, &memory);
	hcd_load_sample(&d->load, "/proc", &memory, uv_now(d->loop));
}

static const struct hcd_machine *look_at_machine(struct hcd *d)
{
	struct hcd_machine *m = &d->machine;
	uint64_t now_ms = uv_now(d->loop);
	struct statvfs fs;

	if (m->read_ms && now_ms - m->read_ms < MACHINE_MS)
		return m;
	*m = (struct hcd_machine){ .read_ms = now_ms ? now_ms : 1 };
	hcd_resources_read("/proc", &m->resources);
	if (statvfs(d->state_dir, &fs) == 0) {
		m->storage_total = (uint64_t)fs.f_blocks * fs.f_frsize;
		m->storage_free = (uint64_t)fs.f_bavail * fs.f_frsize;
	}
	return m;
}

void hcd_agent_status(struct hcd *d, struct hcd_status *ret_status)
{
	const struct hcd_sample *sample = hcd_module_sample(d->module);
	const struct hcd_machine *machine = look_at_machine(d);
	const struct hcd_resources *res = &machine->resources;
	struct hcd_status st = { 0 };

	snprintf(st.name, sizeof(st.name), "%s", d->config.node.name);
	snprintf(st.daemon_version, sizeof(st.daemon_version), "%s", HC_VERSION);
	st.memory_total = res->memory_total;
	st.memory_available = res->memory_available;
	st.cpus = res->cpus;
	st.load_milli = res->load_milli;
	st.memory_pressure_milli = res->memory_pressure_milli;
	st.uptime_s = res->uptime_s;
	st.epoch = d->state.epoch;
	st.load_now = share(d, d->load.load);
	st.cpu_busy = share(d, d->load.cpu_busy);
	st.memory_used = share(d, d->load.memory_used);
	snprintf(st.kernel, sizeof(st.kernel), "%s", res->kernel);
	snprintf(st.cpu_model, sizeof(st.cpu_model), "%s", res->cpu_model);
	st.storage_total = machine->storage_total;
	st.storage_free = machine->storage_free;
	if (sample) {
		snprintf(st.module_version, sizeof(st.module_version), "%s",
			 sample->node.version[0] ? sample->node.version : "unknown");
		st.epoch = sample->node.epoch;
		st.pool_limit = sample->pool.limit;
		st.pool_lent = sample->pool.lent;
		st.pool_used = sample->pool.used;
		st.pool_draining = sample->pool.is_draining;
		st.pool_has_pressure = sample->pool.has_pressure;
		for (size_t i = 0; i < sample->nr_peers; i++)
			st.borrowed += sample->peers[i].slabs;
	}
	*ret_status = st;
}

void hcd_agent_pool(const struct hcd *d, struct hcnl_pool_set *ret_set)
{
	*ret_set = (struct hcnl_pool_set){
		.set_limit = d->config.node.has_donate,
		.limit = d->config.node.donate,
		.set_reserve = d->config.node.has_reserve,
		.reserve = d->config.node.reserve,
		.set_drain = true,
		.drain = d->state.drain,
	};
	if (d->state.has_donate) {
		ret_set->set_limit = true;
		ret_set->limit = d->state.donate;
	}
	if (d->state.has_reserve) {
		ret_set->set_reserve = true;
		ret_set->reserve = d->state.reserve;
	}
}

static void tell_pool(struct hcd *d)
{
	struct pool_job *p = calloc(1, sizeof(*p));

	if (!p)
		return;
	p->job.run = pool_run;
	p->job.done = pool_done;
	hcd_agent_pool(d, &p->set);
	hcd_queue_submit(hcd_module_queue(d->module), &p->job);
}

void hcd_agent_attached(struct hcd *d)
{
	tell_pool(d);
	hcd_swap_resume(d);
}

void hcd_agent_reloaded(struct hcd *d)
{
	if (hcd_module_is_attached(d->module))
		tell_pool(d);
}
