/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests of the CLI, handed to the node's daemon, and its answers (SPEC R22). */
#ifndef _HC_RELAY_H
#define _HC_RELAY_H

#include <linux/types.h>

struct genl_info;
struct hc_node;
struct sk_buff;

int hc_relay_request_doit(struct sk_buff *skb, struct genl_info *info);
int hc_relay_answer_doit(struct sk_buff *skb, struct genl_info *info);

/** hc_relay_port_gone() - a socket closed: forget its requests; a daemon's: refuse all waiting */
void hc_relay_port_gone(struct hc_node *node, u32 portid, bool was_daemon);

/** hc_relay_exit() - the node ends; nobody is answered any more */
void hc_relay_exit(struct hc_node *node);

#endif /* _HC_RELAY_H */
