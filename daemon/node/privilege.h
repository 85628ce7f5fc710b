/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon is root with as few capabilities as its work needs. */
#ifndef HCD_PRIVILEGE_H
#define HCD_PRIVILEGE_H

#include "daemon/node/config.h"

/**
 * hcd_privilege_drop - keep four capabilities, for this process and what it starts
 *
 * CAP_SYS_ADMIN (module, swapon), CAP_NET_ADMIN (module, events), CAP_IPC_LOCK
 * (mlockall), CAP_DAC_READ_SEARCH (cgroup ids to paths). The bounding set goes
 * down to them too. Before any thread starts: capabilities are each thread's
 * own. Not root: nothing is dropped.
 * Return: 0 or -errno with @error.
 */
int hcd_privilege_drop(char error[HCD_ERROR_LEN]);

#endif /* HCD_PRIVILEGE_H */
