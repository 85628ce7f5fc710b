/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /run/hyperchain/admin.sock: the way in when the module is missing. A
 * SOCK_SEQPACKET socket, mode 0600, one JSON request a packet; the caller must
 * be root by SO_PEERCRED, whatever the file's mode.
 */
#ifndef HCD_ADMIN_H
#define HCD_ADMIN_H

#include "daemon/daemon.h"

#define HCD_RUN_DIR	"/run/hyperchain"
#define HCD_ADMIN_FILE	"admin.sock"

/* Return: 0 and *@ret_admin, or -errno with @error. An old socket file is replaced. */
int hcd_admin_start(struct hcd *d, struct hcd_admin **ret_admin, char error[HCD_ERROR_LEN]);

void hcd_admin_stop(struct hcd_admin *admin);

#endif /* HCD_ADMIN_H */
