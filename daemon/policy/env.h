/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers that all nodes must find in the same way. Pure. */
#ifndef HCD_POLICY_ENV_H
#define HCD_POLICY_ENV_H

#include <stdbool.h>
#include <stdint.h>

/**
 * hcd_env_id - choose the id of a new environment
 * @name: its name; the same name gives the same id wherever the same ids are taken
 * @is_taken: is this id another environment's?
 *
 * The hash of the name says where to look first, then the next free one.
 * Return: 1..HC_ENVS_MAX, or 0 when all are taken.
 */
uint32_t hcd_env_id(const char *name, bool (*is_taken)(uint32_t id, void *arg), void *arg);

/**
 * hcd_env_donor_limit - what one donor lends to an environment at most
 * @quota: bytes swapped out at most, each page counted once; 0 = no quota
 *
 * The copies of a page are on different donors, so one donor never holds more
 * than the quota; but it lends whole slabs, some of them half empty.
 * Return: bytes, 0 = no limit.
 */
uint64_t hcd_env_donor_limit(uint64_t quota);

/**
 * hcd_epoch_next - lease epoch of a node whose module starts empty
 * @last: the last one that was used, 0 = none or forgotten
 * @unix_s: wall clock
 *
 * The module raises a lease's epoch by one each time a peer drops it; the step
 * of 2^16 leaves room for that. The clock stands in for a state file that was
 * lost: a donor would refuse an epoch older than what it has seen.
 */
uint64_t hcd_epoch_next(uint64_t last, uint64_t unix_s);

#endif /* HCD_POLICY_ENV_H */
