// SPDX-License-Identifier: GPL-2.0-or-later
/* Files that are served from home. */
#include "move.h"

int hc_proxy_init(void)
{
	return 0;
}

void hc_proxy_exit(void)
{
}

int hc_proxy_open(struct hc_move *move, const struct hci_file *f, u32 object)
{
	return -EOPNOTSUPP;
}

void hc_proxy_done(struct hc_move *move, const struct hcw_move_done *done, const void *data,
		   u32 data_len)
{
}

void hc_proxy_poll(struct hc_move *move, u32 object, u32 mask)
{
}

void hc_proxy_fail(struct hc_move *move)
{
}
