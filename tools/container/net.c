// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A bridge for each environment, with a network of its own: the host's end and the container's,
 * and those of its other nodes (net_shared.c). Between environments, to the host and to the fabric
 * nothing passes; from elsewhere only ssh does.
 */
#include <stdio.h>
#include <string.h>

#include "container.h"

/* The whole table each time, so that nothing depends on what was there. */
static const char rules[] =
	"table inet hyperchain\n"
	"delete table inet hyperchain\n"
	"table inet hyperchain {\n"
	"  chain forward {\n"
	"    type filter hook forward priority -5; policy accept;\n"
	/* Packets of the nodes' own: nobody else may seem to send them. */
	"    iifname \"hcb*\" udp dport 4789 drop\n"
	"    iifname \"hcb*\" tcp dport 2049 drop\n"
	/* To its own login's address, which only its own bridge leads on. */
	"    iifname \"hcb*\" oifname \"hcb*\" ct status dnat accept\n"
	"    iifname \"hcb*\" oifname \"hcb*\" drop\n"
	"    iifname \"hcb*\" oifname \"hc0\" drop\n"
	"    iifname \"hcb*\" meta nfproto ipv6 drop\n"
	"    oifname \"hcb*\" ct state established,related accept\n"
	"    oifname \"hcb*\" tcp dport 22 accept\n"
	"    oifname \"hcb*\" icmp type echo-request accept\n"
	"    oifname \"hcb*\" drop\n"
	"  }\n"
	"  chain input {\n"
	"    type filter hook input priority -5; policy accept;\n"
	"    iifname \"hcb*\" ct state established,related accept\n"
	"    iifname \"hcb*\" icmp type echo-request accept\n"
	"    iifname \"hcb*\" drop\n"
	"  }\n"
	"  chain postrouting {\n"
	"    type nat hook postrouting priority srcnat; policy accept;\n"
	"    iifname \"hcb*\" oifname != \"hcb*\" masquerade\n"
	"  }\n"
	"}\n";

int hcc_net_up(const struct hcc_spec *spec, const struct hcc_place *place,
	       char error[HCC_ERROR_LEN])
{
	static const char *const nft[] = { "nft", "-f", "-", NULL };
	static const char *const ip[] = { "ip", "-batch", "-", NULL };
	char batch[320], mac[32] = "", mac_of[18];
	int r;

	/* The rules first: an environment is never there without them. */
	r = hcc_run(nft, rules, error);
	if (r < 0)
		return r;
	hcc_net_down(spec, place);
	/* Made anew it must not be a stranger to those who know its address. */
	if (spec->is_shared) {
		hcc_mac(spec, spec->own.slot, false, mac_of);
		snprintf(mac, sizeof(mac), "address %s ", mac_of);
	}
	snprintf(batch, sizeof(batch), "link add %s %stype bridge\n"
		 "addr add %s/%u dev %s\nlink set %s up\n", place->bridge, mac, place->gateway,
		 place->prefix, place->bridge, place->bridge);
	r = hcc_run(ip, batch, error);
	if (r < 0)
		return r;
	/* Where the kernel has no IPv6, there is nothing to turn off. */
	hcc_write("1", "/proc/sys/net/ipv6/conf/%s/disable_ipv6", place->bridge);
	hcc_write("1", "/proc/sys/net/ipv4/conf/%s/forwarding", place->bridge);
	/* Nobody sends as somebody else. */
	r = hcc_write("1", "/proc/sys/net/ipv4/conf/%s/rp_filter", place->bridge);
	if (r < 0)
		return hcc_fail(error, r, "rp_filter of %s can't be set: %s.", place->bridge,
				strerror(-r));
	return spec->is_shared ? hcc_net_join(spec, place, error) : 0;
}

void hcc_net_down(const struct hcc_spec *spec, const struct hcc_place *place)
{
	const char *const ip[] = { "ip", "link", "del", place->bridge, NULL };
	char ignored[HCC_ERROR_LEN];

	if (spec->is_shared)
		hcc_net_part(spec, place);
	hcc_run(ip, NULL, ignored);
}
