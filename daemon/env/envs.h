/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Environments: which cgroups here may use whose memory (ours), and who else
 * uses ours (told by their nodes). Kept in the state file; the module is told
 * again whenever it was loaded anew, and when a cgroup appears that was away.
 */
#ifndef HCD_ENVS_H
#define HCD_ENVS_H

#include <jansson.h>

#include "daemon/daemon.h"

struct hcd_frame;
struct hcd_peer;
struct hcd_request;

/* The module is there (again): tell it all environments and limits. */
void hcd_envs_attached(struct hcd *d);

/* Each second: bind cgroups that came, or came anew under the same path. */
void hcd_envs_check(struct hcd *d);

/* The channel to @peer is up: tell it our environments. */
void hcd_envs_tell(struct hcd *d, struct hcd_peer *peer);

/* The same to everybody. */
void hcd_envs_tell_all(struct hcd *d);

/* ENV or ENV_LIST from a peer. */
void hcd_envs_frame(struct hcd *d, struct hcd_peer *peer, const struct hcd_frame *frame);

/* For hcd_env_id(): @arg is the struct hcd_state. */
bool hcd_env_is_taken(uint32_t id, void *arg);

/*
 * Take a request's list of donors: no double, not ourselves, known as peers. Return: false,
 * the request has failed and is freed.
 */
bool hcd_env_take_donors(struct hcd_request *req, json_t *nodes, struct hcd_env *env);

#endif /* HCD_ENVS_H */
