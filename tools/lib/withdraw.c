// SPDX-License-Identifier: GPL-2.0-or-later
/* The end of an environment in the module: see hcnl_env_withdraw() in hcnl.h. */
#include <errno.h>

#include "hcnl.h"

int hcnl_env_withdraw(struct hcnl *h, uint32_t id, uint64_t *ret_used)
{
	struct hcnl_env env;
	int r = hcnl_env_get(h, id, &env);

	*ret_used = 0;
	if (r < 0)
		return r;
	for (size_t i = 0; i < env.nr_cgroups; i++) {
		r = hcnl_cgroup_unbind(h, env.cgroups[i]);
		if (r < 0 && r != -ENOENT)
			return r;
	}
	*ret_used = env.used;
	return hcnl_env_del(h, id);
}
