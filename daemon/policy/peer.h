/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What to do about one peer, and when. Pure: step(state, event, now) -> actions.
 *
 * The node with the lower id dials, first the control channel, then, when both
 * ends have a module, page connections until the module counts as many as are
 * wanted. The other end only accepts, and notices silence.
 *
 *	control   DOWN --dial--> DIALING --up--> UP --closed, silent--> DOWN
 *	pages     idle --dial k--> busy --added--> idle, until live == wanted
 *
 * Failures wait: 200 ms doubled up to 10 s, each wait between half and all of
 * it by chance, so that many nodes don't come back in step.
 *
 * Which page connections live is the module's knowledge; it tells how many, not
 * which. @known are those seen to be there; when the count falls below them,
 * all are tried again: the module refuses a number that lives (PAGE_EXISTS).
 */
#ifndef HCD_POLICY_PEER_H
#define HCD_POLICY_PEER_H

#include <stdbool.h>
#include <stdint.h>

#define HCD_PEER_BACKOFF_MIN_MS	200
#define HCD_PEER_BACKOFF_MAX_MS	10000
#define HCD_PEER_DIAL_MS	5000	/* connect and handshake */
#define HCD_PEER_SILENT_MS	5000	/* heartbeats come each second */
#define HCD_PEER_PAGE_MS	20000	/* dial, handshake, hello of the modules */

enum hcd_peer_link {
	HCD_LINK_DOWN,
	HCD_LINK_DIALING,
	HCD_LINK_UP,
};

struct hcd_peer_sm {
	bool is_dialer;
	uint32_t conns_wanted;		/* 0..8 */
	enum hcd_peer_link link;
	uint64_t link_since_ms;
	uint64_t heard_ms;		/* last frame on the control channel */
	uint64_t dial_at_ms;
	uint32_t dial_wait_ms;		/* of the last failure, 0 = none */
	bool has_module;		/* here */
	bool they_have_module;
	uint32_t live;			/* page connections, by our module */
	uint8_t known;			/* bit per connection seen alive */
	bool page_busy;
	uint32_t page_conn;		/* being made, or tried last */
	uint64_t page_since_ms;
	uint64_t page_at_ms;
	uint32_t page_wait_ms;
	uint64_t page_done_ms;		/* end of the last try: older samples don't count */
};

enum hcd_peer_event {
	HCD_PEER_TICK,
	HCD_PEER_LINK_UP,
	HCD_PEER_LINK_DOWN,	/* closed, refused, or the dial failed */
	HCD_PEER_HEARD,		/* any frame */
	HCD_PEER_STATUS,	/* heartbeat; arg = they have a module */
	HCD_PEER_MODULE,	/* a sample of ours; arg = live connections, at = when */
	HCD_PEER_NO_MODULE,	/* ours is not there */
	HCD_PEER_PAGE_ADDED,	/* arg = connection number */
	HCD_PEER_PAGE_EXISTS,	/* our module has that number already */
	HCD_PEER_PAGE_FAILED,
	HCD_PEER_PAGE_GONE,	/* our module says that connection arg ended */
	HCD_PEER_ADDRESS,	/* address or port changed: dial at once */
};

struct hcd_peer_input {
	enum hcd_peer_event event;
	uint32_t arg;
	uint64_t at_ms;
	uint32_t random;	/* any value, for the jitter */
};

enum hcd_peer_action {
	HCD_PEER_DO_NOTHING = 0,
	HCD_PEER_DO_DIAL = 1,		/* control channel */
	HCD_PEER_DO_HANG_UP = 2,	/* close the control channel, or the dial */
	HCD_PEER_DO_PAGE = 4,		/* dial page connection sm->page_conn */
	HCD_PEER_DO_PAGE_CANCEL = 8,	/* give up the page connection in work */
};

/* Start: DOWN, dialling at the first tick. */
void hcd_peer_sm_init(struct hcd_peer_sm *sm, bool is_dialer, uint32_t conns_wanted,
		      uint64_t now_ms);

/**
 * hcd_peer_sm_step - take in one event
 * @now_ms: monotonic, never going back
 *
 * Return: or of enum hcd_peer_action, to be carried out before the next step.
 * After HANG_UP no LINK_DOWN is expected: the state has it already. The same
 * holds for PAGE_CANCEL.
 */
unsigned int hcd_peer_sm_step(struct hcd_peer_sm *sm, const struct hcd_peer_input *in,
			      uint64_t now_ms);

#endif /* HCD_POLICY_PEER_H */
