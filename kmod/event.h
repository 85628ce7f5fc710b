/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events to the multicast group. */
#ifndef _HC_EVENT_H
#define _HC_EVENT_H

#include <uapi/linux/hyperchain.h>

struct hc_node;

/**
 * hc_event() - tell listeners what happened
 * @peer: node id, 0 = none
 * @env: environment, 0 = none
 *
 * Bounded: past a hundred in a second they are dropped, and the sequence number
 * shows the gap; HC_EV_PAGES_LOST has a bound of its own. Context: any, a hard
 * interrupt too (a bio of the local device ends there).
 */
__printf(6, 7)
void hc_event(struct hc_node *node, enum hc_event kind, u32 peer, u32 env, u64 count,
	      const char *fmt, ...);

/** hc_event_stop() - the netlink family goes: no event is sent any more. May sleep */
void hc_event_stop(void);

#endif /* _HC_EVENT_H */
