// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the other nodes of an environment add to the machine that its container sees (R2): a file
 * for hyperchain-view, which falls back to this node alone when it gets no new one.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/cluster/cluster.h"
#include "daemon/env/container_table.h"
#include "daemon/node/file.h"

#define HZ 100	/* ticks of /proc/stat */

struct sum {
	uint64_t cpus, load_milli, memory;
};

static void add_node(const struct hcd_peer *peer, struct sum *sum)
{
	const struct hcd_status *st = &peer->status;

	if (!hcd_peer_is_up(peer) || !peer->has_status)
		return;
	sum->cpus += st->cpus;
	sum->load_milli += st->load_milli;
	if (!st->pool_draining)
		sum->memory += st->pool_limit;
}

void hcd_container_figures(struct hcd_containers *cs, struct hcd_container *c, double seconds)
{
	struct hcd *d = cs->d;
	const struct hcd_env *env = hcd_state_env_by_id(&d->state, c->id, d->config.node.id);
	struct timespec now;
	struct sum sum = { 0 };
	char dir[HCD_PATH_LEN], name[64], text[256];
	double busy;

	/* Who only works for another one shows itself. */
	if (!env || c->is_local || env->nr_donors == 0 || (c->is_shared && !c->is_leader))
		return;
	for (size_t i = 0; i < env->nr_donors; i++) {
		const struct hcd_peer *peer = hcd_cluster_peer(d->cluster, env->donors[i]);

		if (peer)
			add_node(peer, &sum);
	}
	/* Each page has so many copies, and no more of them than the quota. */
	sum.memory /= env->replicas ? env->replicas : 1;
	if (env->quota && sum.memory > env->quota)
		sum.memory = env->quota;
	busy = (double)sum.load_milli / 1000;
	if (busy > (double)sum.cpus)
		busy = (double)sum.cpus;
	c->remote_busy += busy * seconds;
	c->remote_idle += ((double)sum.cpus - busy) * seconds;
	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(dir, sizeof(dir), "%s/view", d->run_dir);
	snprintf(name, sizeof(name), "%s.figures", c->name);
	snprintf(text, sizeof(text), "version 1\nmonotonic_s %lld\ncpus %llu\nmemory %llu\n"
		 "load_milli %llu\nbusy_ticks %.0f\nidle_ticks %.0f\n", (long long)now.tv_sec,
		 (unsigned long long)sum.cpus, (unsigned long long)sum.memory,
		 (unsigned long long)sum.load_milli, c->remote_busy * HZ, c->remote_idle * HZ);
	/* Without it the container sees this node: nothing breaks. */
	hcd_file_replace(dir, name, text, strlen(text));
}
