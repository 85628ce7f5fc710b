/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Taking in the configuration: at the start, and again at SIGHUP. */
#ifndef HCD_RELOAD_H
#define HCD_RELOAD_H

#include "daemon/daemon.h"

/**
 * hcd_key_load - read the pre-shared key that @config names
 * @needed: there are peers, so it must be there
 * @ret_has: is there one?
 *
 * Return: 0, also without a file when none is needed; or -errno with @error.
 */
int hcd_key_load(const struct hcd_config *config, bool needed, struct hcd_psk *ret_psk,
		 bool *ret_has, char error[HCD_ERROR_LEN]);

/* Put the peers of configuration and state file into the cluster's table. */
void hcd_peers_set(struct hcd *d);

/* Read the configuration anew. What is wrong is logged, and then all stays as it was. */
void hcd_reload(struct hcd *d);

#endif /* HCD_RELOAD_H */
