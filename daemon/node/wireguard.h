/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An interface of WireGuard, made and kept as wanted: the mechanism below
 * cluster/fabric.c. By netlink (libnl), no program is started. What is there and
 * right is not touched: sessions with peers go on.
 */
#ifndef HCD_WIREGUARD_H
#define HCD_WIREGUARD_H

#include <net/if.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/cluster/auth.h"
#include "daemon/node/config.h"

#define HCD_WG_KEY_LEN	32

struct hcd_wg_peer {
	uint8_t key[HCD_WG_KEY_LEN];	/* public */
	uint8_t psk[HCD_WG_KEY_LEN];
	struct sockaddr_storage at;	/* where its packets go, port included */
	struct in6_addr inside;		/* its address in the network */
};

struct hcd_wg {
	char device[IFNAMSIZ];
	uint8_t secret[HCD_WG_KEY_LEN];
	uint16_t port;			/* UDP, all addresses of this network namespace */
	struct in6_addr inside;		/* our own, prefix of 64 bits */
	size_t nr_peers;
	struct hcd_wg_peer peers[];
};

/**
 * hcd_wg_apply - make the interface, and have just these peers on it
 *
 * Blocks for some milliseconds, the first time until the kernel has loaded its
 * module: in a worker. Doing it twice is doing it once.
 * Return: the interface's index, or -errno with a sentence in @error:
 * -EOPNOTSUPP where the kernel has no WireGuard, -EEXIST where another kind of
 * interface has the name.
 */
int hcd_wg_apply(const struct hcd_wg *want, char error[HCD_ERROR_LEN]);

/* Take the interface away; one that is not WireGuard's stays. 0 or -errno; -ENODEV is 0. */
int hcd_wg_remove(const char *device);

#endif /* HCD_WIREGUARD_H */
