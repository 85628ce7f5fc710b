// SPDX-License-Identifier: GPL-2.0-or-later
/* Capabilities: see privilege.h. */
#include "daemon/node/privilege.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <unistd.h>

/* CAP_DAC_READ_SEARCH: cgroup ids are turned into paths by open_by_handle_at(2). */
static const cap_value_t kept[] = {
	CAP_SYS_ADMIN, CAP_NET_ADMIN, CAP_IPC_LOCK, CAP_DAC_READ_SEARCH,
};

static bool is_kept(cap_value_t cap)
{
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		if (kept[i] == cap)
			return true;
	}
	return false;
}

static int drop_bounding(void)
{
	for (cap_value_t cap = 0; cap < cap_max_bits(); cap++) {
		if (!is_kept(cap) && cap_get_bound(cap) == 1 && cap_drop_bound(cap) < 0)
			return -errno;
	}
	return 0;
}

/* Of the kept ones only those that we have: systemd or a container may have taken some. */
static int drop_own(void)
{
	cap_t have = cap_get_proc(), caps = cap_init();
	int r = 0;

	if (!have || !caps)
		r = -ENOMEM;
	for (size_t i = 0; r == 0 && i < sizeof(kept) / sizeof(kept[0]); i++) {
		cap_flag_value_t value = CAP_CLEAR;

		if (cap_get_flag(have, kept[i], CAP_PERMITTED, &value) < 0)
			r = -errno;
		else if (value == CAP_SET &&
			 (cap_set_flag(caps, CAP_PERMITTED, 1, &kept[i], CAP_SET) < 0 ||
			  cap_set_flag(caps, CAP_EFFECTIVE, 1, &kept[i], CAP_SET) < 0))
			r = -errno;
	}
	if (r == 0 && cap_set_proc(caps) < 0)
		r = -errno;
	cap_free(have);
	cap_free(caps);
	return r;
}

int hcd_privilege_drop(char error[HCD_ERROR_LEN])
{
	int r;

	if (geteuid() != 0)
		return 0;
	r = drop_bounding();
	if (r == -EPERM)
		r = 0;	/* no CAP_SETPCAP: whoever started us has bounded us */
	if (r == 0)
		r = drop_own();
	if (r < 0)
		snprintf(error, HCD_ERROR_LEN, "Capabilities can't be dropped: %s.", strerror(-r));
	return r;
}
