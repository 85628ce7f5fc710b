/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Environments of this node into the module, by jobs of its queue. */
#ifndef HCD_ENV_APPLY_H
#define HCD_ENV_APPLY_H

#include "daemon/daemon.h"
#include "daemon/node/work.h"

struct hcd_env_job {
	struct hcd_job job;
	struct hcd *d;
	struct hcd_env env;		/* a copy of its own */
	uint64_t bound[HCD_ENV_CGROUPS_MAX]; /* cgroup id that is bound, 0 = not there */
	void (*finished)(struct hcd_env_job *job, void *arg);
	void *arg;
};

/* ENV_ADD or ENV_SET, and CGROUP_BIND of each cgroup that exists. @finished may be NULL. */
int hcd_env_apply(struct hcd *d, const struct hcd_env *env,
		  void (*finished)(struct hcd_env_job *job, void *arg), void *arg);

/* CGROUP_UNBIND of all, ENV_DEL. Bound again when the module says no. */
int hcd_env_withdraw(struct hcd *d, const struct hcd_env *env,
		     void (*finished)(struct hcd_env_job *job, void *arg), void *arg);

/* What this node lends to environment @id at most; 0 = no limit of its own. */
void hcd_env_limit(struct hcd *d, uint32_t id, uint64_t limit);

#endif /* HCD_ENV_APPLY_H */
