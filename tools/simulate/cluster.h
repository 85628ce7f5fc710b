/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scenarios that are not a file alone: the live cluster as it is now, and recorded load. */
#ifndef HC_SIMULATE_CLUSTER_H
#define HC_SIMULATE_CLUSTER_H

#include <stddef.h>

#include <jansson.h>

/* The cluster's nodes, users, views and settings, in a scenario's form. NULL: @error says why. */
json_t *sim_cluster(char *error, size_t len);

/**
 * sim_trace - recorded load as events
 * @file: lines "seconds,node,load", by time; "#" begins a comment
 *
 * After the lines of one time comes a tick. Return: 0 and the list, -EINVAL or -errno with @error.
 */
int sim_trace(const char *file, json_t **ret_events, char *error, size_t len);

#endif /* HC_SIMULATE_CLUSTER_H */
