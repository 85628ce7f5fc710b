/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * alert_command: the administrator's own program, run by the node that is the controller for each
 * alert and each death of a node. What happened stands in its environment, never in an argument,
 * and no shell comes near it:
 *
 *	HYPERCHAIN_ID, _AT (seconds since 1970), _RULE, _KIND, _NODE (0: none), _USER, _TEXT
 *
 * One at a time; 32 wait, what is more is dropped and counted in the log; who takes longer than
 * 10 s is killed with all that it started.
 */
#ifndef HCD_ALERT_H
#define HCD_ALERT_H

struct hcd;
struct hcd_alerts;
struct hcd_decision;

/* NULL without memory. */
struct hcd_alerts *hcd_alerts_start(struct hcd *d);
/* The one that runs is killed, those that wait are dropped. Freed when the loop has closed it. */
void hcd_alerts_stop(struct hcd_alerts *a);

/* A decision that was just applied: is it an alert, and ours to tell? */
void hcd_alerts_decided(struct hcd_alerts *a, const struct hcd_decision *decision);

#endif /* HCD_ALERT_H */
