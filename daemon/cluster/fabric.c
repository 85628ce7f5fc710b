// SPDX-License-Identifier: GPL-2.0-or-later
/* What the nodes' network is to be, and having it made: see fabric.h. */
#include "daemon/cluster/fabric.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/cluster/cluster.h"
#include "daemon/cluster/control.h"
#include "daemon/daemon.h"
#include "daemon/node/cleanup.h"
#include "daemon/node/module.h"
#include "daemon/node/resources.h"
#include "daemon/node/wireguard.h"
#include "daemon/node/work.h"

#define RETRY_MS	3000
#define RESERVE_FILE	"/proc/sys/vm/min_free_kbytes"
#define RESERVE_KB	(64 * 1024)
#define RESERVE_SHARE	16		/* of all memory, where that is less */

struct fabric_job {
	struct hcd_job job;
	struct hcd_control *c;
	uint8_t cluster_key[HCD_KEY_LEN], own[HCD_NODE_KEY_LEN];
	char said[128];			/* something to tell, once it is done */
	struct hcd_wg want;		/* last: it has a flexible end */
};

void hcd_fabric_address(const uint8_t cluster[HCD_CLUSTER_ID_LEN], uint32_t node,
			struct in6_addr *ret_address)
{
	uint32_t id = htonl(node);

	memset(ret_address, 0, sizeof(*ret_address));
	ret_address->s6_addr[0] = 0xfd;		/* RFC 4193, with the cluster's random bits */
	memcpy(ret_address->s6_addr + 1, cluster, 5);
	memcpy(ret_address->s6_addr + 12, &id, sizeof(id));
}

void hcd_fabric_text(const uint8_t cluster[HCD_CLUSTER_ID_LEN], uint32_t node,
		     char ret_text[INET6_ADDRSTRLEN])
{
	struct in6_addr address;

	hcd_fabric_address(cluster, node, &address);
	inet_ntop(AF_INET6, &address, ret_text, INET6_ADDRSTRLEN);
}

static bool is_on(const struct hcd_control *c)
{
	return c->identity.is_member && !c->identity.is_removed &&
	       c->identity.encrypt == HCD_ENCRYPT_WIREGUARD;
}

/*
 * WireGuard allocates for each packet. When memory is short, and swapping is what makes room,
 * those allocations live on the kernel's reserve.
 */
static void raise_reserve(struct fabric_job *j)
{
	_cleanup_close_ int fd = open(RESERVE_FILE, O_RDWR | O_CLOEXEC);
	struct hcd_resources res = { 0 };
	char text[32] = "";
	uint64_t want;
	int len;

	hcd_resources_read("/proc", &res);
	want = res.memory_total / 1024 / RESERVE_SHARE;
	if (want > RESERVE_KB)
		want = RESERVE_KB;
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0 || strtoull(text, NULL, 10) >= want)
		return;
	len = snprintf(text, sizeof(text), "%llu\n", (unsigned long long)want);
	if (pwrite(fd, text, len, 0) == len)
		snprintf(j->said, sizeof(j->said), "vm.min_free_kbytes is %llu from now on: encryption needs memory also when memory is short.",
			 (unsigned long long)want);
}

static int job_run(struct hcd_job *job, struct hcnl *h)
{
	struct fabric_job *j = (struct fabric_job *)job;
	int r = 0;

	/* A curve's multiplication for each peer: here, not on the loop. */
	for (size_t i = 0; r == 0 && i < j->want.nr_peers; i++) {
		struct hcd_wg_peer *p = &j->want.peers[i];

		r = hcd_fabric_key(j->want.secret, j->own, p->key, j->cluster_key, p->psk);
		if (r < 0)
			snprintf(job->error, HCD_ERROR_LEN, "A key of the nodes' network can't be made.");
	}
	if (r == 0)
		r = hcd_wg_apply(&j->want, job->error);
	if (r > 0)
		raise_reserve(j);
	return r;
}

static void job_free(struct fabric_job *j)
{
	explicit_bzero(j, sizeof(*j) + j->want.nr_peers * sizeof(j->want.peers[0]));
	free(j);
}

static void job_done(struct hcd_job *job)
{
	struct fabric_job *j = (struct fabric_job *)job;
	struct hcd_control *c = j->c;
	struct hcd_fabric *f = &c->fabric;
	char address[INET6_ADDRSTRLEN];

	f->is_busy = false;
	if (job->result < 0) {
		if (strcmp(f->error, job->error) != 0)
			hcd_err("%s Trying again each few seconds; until then this node reaches no other.",
				job->error);
		snprintf(f->error, sizeof(f->error), "%s", job->error);
		f->is_stale = true;
		f->retry_ms = hcd_control_now(c) + RETRY_MS;
	} else if (is_on(c)) {
		f->error[0] = '\0';
		if (j->said[0])
			hcd_info("%s", j->said);
		hcd_fabric_text(c->identity.cluster, c->identity.self.at.id, address);
		if (!f->is_there)
			hcd_info("The nodes' network is up: %s, address %s, all of it encrypted.",
				 HCD_FABRIC_DEVICE, address);
		f->is_there = true;
		hcd_cluster_fabric(c->d->cluster, address, (unsigned int)job->result);
	}
	job_free(j);
}

static struct fabric_job *job_make(struct hcd_control *c)
{
	struct hcd_identity *id = &c->identity;
	struct fabric_job *j = calloc(1, sizeof(*j) + id->nr_members * sizeof(j->want.peers[0]));

	if (!j)
		return NULL;
	j->job.run = job_run;
	j->job.done = job_done;
	j->c = c;
	memcpy(j->cluster_key, id->cluster_key, sizeof(j->cluster_key));
	memcpy(j->own, id->key, sizeof(j->own));
	memcpy(j->want.secret, id->secret, sizeof(j->want.secret));
	snprintf(j->want.device, sizeof(j->want.device), "%s", HCD_FABRIC_DEVICE);
	j->want.port = id->self.at.port;
	hcd_fabric_address(id->cluster, id->self.at.id, &j->want.inside);
	for (size_t i = 0; i < id->nr_members; i++) {
		const struct hcd_known *k = &id->members[i];
		struct hcd_wg_peer *p = &j->want.peers[j->want.nr_peers];

		if (k->at.id == id->self.at.id)
			continue;
		j->want.nr_peers++;
		memcpy(p->key, k->key, sizeof(p->key));
		hcd_address_make(k->at.address, k->at.port, &p->at);
		hcd_fabric_address(id->cluster, k->at.id, &p->inside);
	}
	return j;
}

int hcd_fabric_try(struct hcd_control *c, char error[HCD_ERROR_LEN])
{
	struct fabric_job *j = job_make(c);
	int r;

	if (!j) {
		snprintf(error, HCD_ERROR_LEN, "Memory is short.");
		return -ENOMEM;
	}
	j->want.nr_peers = 0;
	r = hcd_wg_apply(&j->want, error);
	job_free(j);
	return r < 0 ? r : 0;
}

void hcd_fabric_changed(struct hcd_control *c)
{
	hcd_cluster_encrypts(c->d->cluster, is_on(c));
	c->fabric.is_stale = is_on(c);
	hcd_fabric_tick(c, hcd_control_now(c));
}

void hcd_fabric_tick(struct hcd_control *c, uint64_t now_ms)
{
	struct hcd_fabric *f = &c->fabric;
	struct fabric_job *j;

	if (!f->is_stale || f->is_busy || now_ms < f->retry_ms || c->is_stopping || !is_on(c))
		return;
	j = job_make(c);
	if (!j)
		return;
	f->is_stale = false;
	f->is_busy = true;
	hcd_queue_submit(hcd_module_queue(c->d->module), &j->job);
}

static int leave_run(struct hcd_job *job, struct hcnl *h)
{
	return hcd_wg_remove(HCD_FABRIC_DEVICE);
}

static void leave_done(struct hcd_job *job)
{
	if (job->result < 0)
		hcd_warn("The interface %s could not be removed.", HCD_FABRIC_DEVICE);
	free(job);
}

void hcd_fabric_leave(struct hcd_control *c)
{
	struct hcd_job *job = c->fabric.is_there ? calloc(1, sizeof(*job)) : NULL;

	memset(&c->fabric, 0, sizeof(c->fabric));
	hcd_cluster_encrypts(c->d->cluster, false);
	if (!job)
		return;
	job->run = leave_run;
	job->done = leave_done;
	hcd_queue_submit(hcd_module_queue(c->d->module), job);
}
