/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes missing copies, and moves pages off slabs that must go. */
#ifndef _HC_REPAIR_H
#define _HC_REPAIR_H

struct hc_repairer;

/** hc_repair_kick() - look for work soon. Any context */
void hc_repair_kick(void);

struct hc_repairer *hc_repairer_alloc(void);
void hc_repairer_free(struct hc_repairer *r);
void hc_repair_stop(void);

#endif /* _HC_REPAIR_H */
