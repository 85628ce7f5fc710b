// SPDX-License-Identifier: GPL-2.0-or-later
/* When to dial, hang up and make page connections: see peer.h. */
#include "daemon/policy/peer.h"

/* Double the wait, and return the part of it to wait this time. */
static uint32_t back_off(uint32_t *wait_ms, uint32_t random)
{
	uint32_t wait = *wait_ms ? *wait_ms * 2 : HCD_PEER_BACKOFF_MIN_MS;

	if (wait > HCD_PEER_BACKOFF_MAX_MS)
		wait = HCD_PEER_BACKOFF_MAX_MS;
	*wait_ms = wait;
	return wait / 2 + random % (wait / 2 + 1);
}

static uint32_t count_bits(uint8_t bits)
{
	uint32_t n = 0;

	for (; bits; bits &= bits - 1)
		n++;
	return n;
}

static void link_down(struct hcd_peer_sm *sm, uint32_t random, uint64_t now_ms)
{
	/* A channel that held for a while starts anew; one that fails at once backs off. */
	if (sm->link == HCD_LINK_UP && now_ms - sm->link_since_ms >= HCD_PEER_SILENT_MS)
		sm->dial_wait_ms = 0;
	sm->link = HCD_LINK_DOWN;
	sm->link_since_ms = now_ms;
	sm->they_have_module = false;
	sm->dial_at_ms = now_ms + back_off(&sm->dial_wait_ms, random);
}

static void page_failed(struct hcd_peer_sm *sm, uint32_t random, uint64_t now_ms)
{
	sm->page_busy = false;
	sm->page_done_ms = now_ms;
	sm->page_at_ms = now_ms + back_off(&sm->page_wait_ms, random);
}

static void page_known(struct hcd_peer_sm *sm, uint32_t conn, uint64_t now_ms)
{
	if (conn < 8)
		sm->known |= 1u << conn;
	sm->page_busy = false;
	sm->page_done_ms = now_ms;
	sm->page_at_ms = now_ms;
	if (sm->live < count_bits(sm->known))
		sm->live = count_bits(sm->known);
}

static void module_sample(struct hcd_peer_sm *sm, uint32_t live, uint64_t at_ms)
{
	sm->has_module = true;
	/* Taken before the last connection was made: it does not know of it. */
	if (sm->page_busy || at_ms <= sm->page_done_ms)
		return;
	/* Some ended, and we don't know which: ask for each of them again. */
	if (live < count_bits(sm->known))
		sm->known = 0;
	sm->live = live;
	if (live >= sm->conns_wanted)
		sm->page_wait_ms = 0;
}

/* Next number to try after the last one; a number that is known to live is left out. */
static bool next_page(struct hcd_peer_sm *sm)
{
	for (uint32_t i = 1; i <= sm->conns_wanted; i++) {
		uint32_t conn = (sm->page_conn + i) % sm->conns_wanted;

		if (!(sm->known & (1u << conn))) {
			sm->page_conn = conn;
			return true;
		}
	}
	return false;
}

static unsigned int decide(struct hcd_peer_sm *sm, uint32_t random, uint64_t now_ms)
{
	unsigned int actions = HCD_PEER_DO_NOTHING;

	if ((sm->link == HCD_LINK_UP && now_ms - sm->heard_ms > HCD_PEER_SILENT_MS) ||
	    (sm->link == HCD_LINK_DIALING && now_ms - sm->link_since_ms > HCD_PEER_DIAL_MS)) {
		link_down(sm, random, now_ms);
		actions |= HCD_PEER_DO_HANG_UP;
	}
	if (sm->page_busy && now_ms - sm->page_since_ms > HCD_PEER_PAGE_MS) {
		page_failed(sm, random, now_ms);
		actions |= HCD_PEER_DO_PAGE_CANCEL;
	}
	if (!sm->is_dialer)
		return actions;
	if (sm->link == HCD_LINK_DOWN && now_ms >= sm->dial_at_ms) {
		sm->link = HCD_LINK_DIALING;
		sm->link_since_ms = now_ms;
		actions |= HCD_PEER_DO_DIAL;
	}
	if (sm->link == HCD_LINK_UP && sm->has_module && sm->they_have_module && !sm->page_busy &&
	    sm->live < sm->conns_wanted && now_ms >= sm->page_at_ms && next_page(sm)) {
		sm->page_busy = true;
		sm->page_since_ms = now_ms;
		actions |= HCD_PEER_DO_PAGE;
	}
	return actions;
}

void hcd_peer_sm_init(struct hcd_peer_sm *sm, bool is_dialer, uint32_t conns_wanted,
		      uint64_t now_ms)
{
	*sm = (struct hcd_peer_sm){
		.is_dialer = is_dialer,
		.conns_wanted = conns_wanted > 8 ? 8 : conns_wanted,
		.link_since_ms = now_ms,
		.dial_at_ms = now_ms,
		.page_at_ms = now_ms,
		/* so that the first try is number 0 */
		.page_conn = conns_wanted ? (conns_wanted > 8 ? 8 : conns_wanted) - 1 : 0,
	};
}

unsigned int hcd_peer_sm_step(struct hcd_peer_sm *sm, const struct hcd_peer_input *in,
			      uint64_t now_ms)
{
	switch (in->event) {
	case HCD_PEER_TICK:
		break;
	case HCD_PEER_LINK_UP:
		sm->link = HCD_LINK_UP;
		sm->link_since_ms = now_ms;
		sm->heard_ms = now_ms;
		/* Whatever kept pages from being made may be over now. */
		sm->page_at_ms = now_ms;
		break;
	case HCD_PEER_LINK_DOWN:
		if (sm->link != HCD_LINK_DOWN)
			link_down(sm, in->random, now_ms);
		break;
	case HCD_PEER_HEARD:
		sm->heard_ms = now_ms;
		break;
	case HCD_PEER_STATUS:
		sm->heard_ms = now_ms;
		sm->they_have_module = in->arg != 0;
		break;
	case HCD_PEER_MODULE:
		module_sample(sm, in->arg, in->at_ms);
		break;
	case HCD_PEER_NO_MODULE:
		sm->has_module = false;
		sm->live = 0;
		sm->known = 0;
		break;
	case HCD_PEER_PAGE_ADDED:
		sm->page_wait_ms = 0;
		page_known(sm, in->arg, now_ms);
		break;
	case HCD_PEER_PAGE_EXISTS:
		page_known(sm, in->arg, now_ms);
		break;
	case HCD_PEER_PAGE_FAILED:
		if (sm->page_busy)
			page_failed(sm, in->random, now_ms);
		break;
	case HCD_PEER_PAGE_GONE:
		if (in->arg < 8 && (sm->known & (1u << in->arg))) {
			sm->known &= (uint8_t)~(1u << in->arg);
			if (sm->live)
				sm->live--;
		}
		break;
	case HCD_PEER_ADDRESS:
		sm->dial_wait_ms = 0;
		sm->dial_at_ms = now_ms;
		break;
	}
	return decide(sm, in->random, now_ms);
}
