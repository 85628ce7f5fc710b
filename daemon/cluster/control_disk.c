// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The disk under the log: see control.h. A log that could not be written is opened anew, with what
 * is on the disk: at once when room was missing and is there again; when the disk fails without
 * such a reason, at longer and longer intervals. Until an entry was written, or none has failed for
 * a while, the log stays in doubt: opening it says little about writing it.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/cluster/control.h"
#include "daemon/daemon.h"
#include "daemon/node/log.h"

#define DISK_MS		1000	/* between two looks */
#define GIVE_MS		60000	/* a controller with a full disk hands over, not more often */
#define RETRY_MAX_MS	60000
#define CALM_MS		15000

static void on_given(int error, void *arg)
{
}

/* A controller that can decide nothing leaves it to another voter, if there is one. */
static void give_office(struct hcd_control *c, uint64_t now_ms)
{
	/* Elected is enough: without room it can't even take the office. */
	if (now_ms < c->give_ms || hcd_consensus_state(c->consensus) != HCD_CONSENSUS_LEADER)
		return;
	c->give_ms = now_ms + GIVE_MS;
	hcd_consensus_transfer(c->consensus, 0, on_given, c);
}

bool hcd_control_is_broken(const struct hcd_control *c)
{
	return c->identity.is_member && !c->identity.is_removed &&
	       (c->is_log_doubtful || (!c->consensus && !c->is_closing) ||
		(c->consensus && hcd_consensus_state(c->consensus) == HCD_CONSENSUS_BROKEN));
}

static void try_again(struct hcd_control *c, uint64_t now_ms)
{
	if (now_ms < c->retry_ms)
		return;
	c->retry_wait_ms = c->retry_wait_ms ? 2 * c->retry_wait_ms : DISK_MS;
	if (c->retry_wait_ms > RETRY_MAX_MS)
		c->retry_wait_ms = RETRY_MAX_MS;
	c->retry_ms = now_ms + c->retry_wait_ms;
	c->calm_ms = now_ms + CALM_MS;
	hcd_control_reopen(c);
}

/* It is open, and the disk has room. */
static void look_at_log(struct hcd_control *c, uint64_t now_ms)
{
	if (c->is_log_doubtful && now_ms < c->calm_ms && !hcd_consensus_has_written(c->consensus))
		return;
	c->is_log_doubtful = false;
	c->retry_ms = c->retry_wait_ms = 0;
	if (!c->log_error[0])
		return;
	c->log_error[0] = 0;
	hcd_info("The cluster's log in %s can be written again.", c->d->state_dir);
}

void hcd_disk_tick(struct hcd_control *c, uint64_t now_ms)
{
	char text[HCD_ERROR_LEN];
	bool is_broken;
	int r;

	if (now_ms < c->disk_ms || !c->identity.is_member || c->identity.is_removed ||
	    c->is_closing)
		return;
	c->disk_ms = now_ms + DISK_MS;
	if (c->is_unsaved && hcd_identity_save(c->d->state_dir, &c->identity, text) == 0)
		c->is_unsaved = false;
	r = hcd_log_check(c->d->state_dir);
	is_broken = c->consensus && hcd_consensus_state(c->consensus) == HCD_CONSENSUS_BROKEN;
	if (is_broken)
		hcd_control_say(c, hcd_consensus_error(c->consensus));
	if (is_broken || !c->consensus)
		c->is_log_doubtful = true;
	if (r < 0) {
		c->retry_ms = c->retry_wait_ms = 0;
		if (!c->log_error[0]) {
			snprintf(text, sizeof(text), "The cluster's log in %s can't grow (%s): make room on that disk, or make it writable.",
				 c->d->state_dir, strerror(-r));
			hcd_control_say(c, text);
		}
		if (c->consensus)
			give_office(c, now_ms);
	} else if (!c->consensus || hcd_consensus_may_pass(c->consensus)) {
		try_again(c, now_ms);
	} else if (!is_broken) {
		look_at_log(c, now_ms);
	}
}
