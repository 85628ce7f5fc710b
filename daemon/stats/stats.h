/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon's end of hyperchain-stats, the process that keeps loads over time (tools/stats/):
 * every 10 s it gets the load of each node and each user, as this node knows them, so that whoever
 * is the controller next has the averages; every minute, and when it was connected to, it is asked
 * for them, and the rules go on from what it says. Without it they begin with what this daemon saw
 * itself.
 *
 * It is asked, never waited for: what does not fit into its socket is dropped and counted, and what
 * it does not answer in time has failed. All on the loop's thread.
 */
#ifndef HCD_STATS_H
#define HCD_STATS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct hcd;
struct hcd_stats;

#define HCD_STATS_SOCKET	"stats.sock"

/* NULL without memory. */
struct hcd_stats *hcd_stats_start(struct hcd *d);
/* What was asked is answered with a failure. Freed when the loop has closed its handles. */
void hcd_stats_stop(struct hcd_stats *s);

/*
 * Ask it: @request's reference is taken. @cb comes once, perhaps from within: @answer is borrowed
 * and has what was asked; NULL: @error is a sentence.
 */
typedef void (*hcd_stats_cb)(const json_t *answer, const char *error, void *arg);
void hcd_stats_ask(struct hcd_stats *s, json_t *request, hcd_stats_cb cb, void *arg);

/* Is it there, and how many samples were dropped? */
bool hcd_stats_is_up(const struct hcd_stats *s, uint64_t *ret_dropped);

#endif /* HCD_STATS_H */
