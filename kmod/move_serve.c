// SPDX-License-Identifier: GPL-2.0-or-later
/* Files at home, worked on for the program by the shadow's threads. */
#include "move.h"

int hc_serve_request(struct hc_move *move, const struct hcw_move_io *io, const void *data,
		     u32 data_len)
{
	return -EOPNOTSUPP;
}

void hc_serve_cancel(struct hc_move *move, u64 id)
{
}

long hc_serve(struct hc_home *home, unsigned long scratch)
{
	return -EOPNOTSUPP;
}

void hc_serve_close(struct hc_home *home)
{
}
