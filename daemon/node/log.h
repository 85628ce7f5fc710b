/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon's log: the journal with structured fields where there is one,
 * else standard error with the priority in front. Only the code that acts on
 * an error logs it; parsers and policy return it.
 *
 * Fields: HC_PEER (node id), HC_ENV (environment), besides MESSAGE and PRIORITY.
 *	journalctl -u hyperchaind HC_PEER=2
 */
#ifndef HCD_LOG_H
#define HCD_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <syslog.h>

/* @to_stderr: never the journal (--foreground). */
void hcd_log_init(bool to_stderr);

/**
 * hcd_log - one line
 * @priority: LOG_ERR ... LOG_DEBUG
 * @peer: node id it is about, 0 = none
 * @env: environment it is about, NULL = none
 */
__attribute__((format(printf, 4, 5)))
void hcd_log(int priority, uint32_t peer, const char *env, const char *format, ...);

#define hcd_err(...)	hcd_log(LOG_ERR, 0, NULL, __VA_ARGS__)
#define hcd_warn(...)	hcd_log(LOG_WARNING, 0, NULL, __VA_ARGS__)
#define hcd_info(...)	hcd_log(LOG_INFO, 0, NULL, __VA_ARGS__)
#define hcd_peer_warn(peer, ...)	hcd_log(LOG_WARNING, peer, NULL, __VA_ARGS__)
#define hcd_peer_info(peer, ...)	hcd_log(LOG_INFO, peer, NULL, __VA_ARGS__)

/* A bucket of 10 lines, one more every 6 s: for lines that others can cause. */
struct hcd_log_limit {
	uint64_t at_ms;
	uint32_t used;
	uint32_t suppressed;
};

/* May one more line go out now? Says how many did not, once lines go out again. */
bool hcd_log_allow(struct hcd_log_limit *limit, uint64_t now_ms);

#endif /* HCD_LOG_H */
