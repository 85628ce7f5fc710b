/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The swap disk on and off, by a worker: tools/lib/swap.h does the work. */
#ifndef HCD_SWAP_H
#define HCD_SWAP_H

#include "daemon/daemon.h"

struct hcd_request;

/* The module is there: turn swap on if it was on before, or the configuration says so. */
void hcd_swap_resume(struct hcd *d);

#endif /* HCD_SWAP_H */
