// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The network of an environment that has several nodes. The bridges are one network by VXLAN over
 * the nodes' own network, which is encrypted where that is; who is where is told, not learned:
 *
 *	node 1                                   node 2
 *	container 10.…2 ── hcb7 10.…3            container 10.…4 ── hcb7 10.…5
 *	                    │ hcx7 ──── UDP, hc0 ──── hcx7 │
 *
 * Nobody has the address for the login: each of the nodes leads what comes to it on to the
 * container that leads now. So it is the same whoever leads; new connections go to the new leader,
 * and those that were open stay where they are: the kernel remembers where each was led.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "container.h"

#define VNI_FIRST	0x686300u	/* and the environment's id */
#define OVERHEAD_V4	50
#define OVERHEAD_V6	70
#define MTU_MIN		576

void hcc_mac(const struct hcc_spec *spec, uint32_t slot, bool is_container, char buf[18])
{
	snprintf(buf, 18, "02:68:%02x:%02x:%02x:%02x", spec->id >> 8 & 0xff, spec->id & 0xff,
		 slot & 0xff, is_container ? 1 : 2);
}

static bool has_address(const struct ifaddrs *a, const char *text)
{
	struct in6_addr want;

	if (!a->ifa_addr)
		return false;
	if (a->ifa_addr->sa_family == AF_INET && inet_pton(AF_INET, text, &want) == 1)
		return !memcmp(&((struct sockaddr_in *)a->ifa_addr)->sin_addr, &want, 4);
	if (a->ifa_addr->sa_family == AF_INET6 && inet_pton(AF_INET6, text, &want) == 1)
		return !memcmp(&((struct sockaddr_in6 *)a->ifa_addr)->sin6_addr, &want, 16);
	return false;
}

int hcc_net_mtu(const struct hcc_spec *spec, char ret_device[16], unsigned int *ret_mtu,
		char error[HCC_ERROR_LEN])
{
	unsigned int mtu = 0, overhead = strchr(spec->own.address, ':') ? OVERHEAD_V6 : OVERHEAD_V4;
	struct ifaddrs *all, *a;
	char path[64];
	FILE *f;

	if (getifaddrs(&all) < 0)
		return hcc_fail(error, -errno, "This node's addresses can't be read: %m.");
	for (a = all; a && !has_address(a, spec->own.address); a = a->ifa_next)
		;
	snprintf(ret_device, 16, "%s", a ? a->ifa_name : "");
	freeifaddrs(all);
	if (!ret_device[0])
		return hcc_fail(error, -EADDRNOTAVAIL, "The nodes' network is not up here: no interface has %s.",
				spec->own.address);
	snprintf(path, sizeof(path), "/sys/class/net/%s/mtu", ret_device);
	f = fopen(path, "re");
	if (!f || fscanf(f, "%u", &mtu) != 1)
		mtu = 0;
	if (f)
		fclose(f);
	if (mtu < MTU_MIN + overhead)
		return hcc_fail(error, -EINVAL, "Packets of %s are too short (%u bytes) for the environments' network.",
				ret_device, mtu);
	*ret_mtu = mtu - overhead;
	return 0;
}

static void device_name(const struct hcc_spec *spec, char buf[16])
{
	snprintf(buf, 16, "hcx%u", spec->id);
}

static void drop_device(const struct hcc_spec *spec)
{
	char device[16], ignored[HCC_ERROR_LEN];
	const char *const del[] = { "ip", "link", "del", device, NULL };

	device_name(spec, device);
	hcc_run(del, NULL, ignored);
}

/* Each of the others gets what is for everybody, and what is for its container or its bridge. */
static int tell_peers(const struct hcc_spec *spec, const char *device, char error[HCC_ERROR_LEN])
{
	static const char *const bridge[] = { "bridge", "-batch", "-", NULL };
	char *batch = NULL, mac[2][18];
	size_t len = 0;
	FILE *f = open_memstream(&batch, &len);
	int r;

	if (!f)
		return hcc_fail(error, -ENOMEM, "Memory is short.");
	for (size_t i = 0; i < spec->nr_nodes; i++) {
		const struct hcc_node *n = &spec->nodes[i];

		if (n->id == spec->own.id)
			continue;
		hcc_mac(spec, n->slot, true, mac[0]);
		hcc_mac(spec, n->slot, false, mac[1]);
		fprintf(f, "fdb append 00:00:00:00:00:00 dev %s dst %s self permanent\n"
			"fdb append %s dev %s dst %s self permanent\n"
			"fdb append %s dev %s dst %s self permanent\n", device, n->address, mac[0],
			device, n->address, mac[1], device, n->address);
	}
	fclose(f);
	r = batch && batch[0] ? hcc_run(bridge, batch, error) : 0;
	free(batch);
	return r;
}

/* In one step: there is no moment without a way to the leader. */
static int lead(const struct hcc_spec *spec, const struct hcc_place *place,
		char error[HCC_ERROR_LEN])
{
	static const char *const nft[] = { "nft", "-f", "-", NULL };
	char rules[2048], leader[16];

	hcc_address(spec, spec->leader_slot, true, leader);
	/*
	 * A container of another environment is not led on. One that answers another node than its
	 * own must see it ask; a leader's own node is on the way of its answers anyway.
	 */
	snprintf(rules, sizeof(rules),
		 "table ip hyperchain_%u\n"
		 "delete table ip hyperchain_%u\n"
		 "table ip hyperchain_%u {\n"
		 "  chain prerouting {\n"
		 "    type nat hook prerouting priority -100; policy accept;\n"
		 "    iifname \"hcb*\" iifname != \"%s\" accept\n"
		 "    ip daddr %s dnat to %s\n"
		 "  }\n"
		 "  chain output {\n"
		 "    type nat hook output priority -100; policy accept;\n"
		 "    ip daddr %s dnat to %s\n"
		 "  }\n"
		 "  chain postrouting {\n"
		 "    type nat hook postrouting priority 100; policy accept;\n"
		 "    oifname \"%s\" %s ct status dnat masquerade\n"
		 "  }\n"
		 "}\n", spec->id, spec->id, spec->id, place->bridge, place->login, leader, place->login,
		 leader, place->bridge, spec->is_leader ? "iifname \"hcb*\"" : "");
	return hcc_run(nft, rules, error);
}

int hcc_net_join(const struct hcc_spec *spec, const struct hcc_place *place,
		 char error[HCC_ERROR_LEN])
{
	static const char *const ip[] = { "ip", "-batch", "-", NULL };
	char batch[640], under[16], device[16];
	unsigned int mtu;
	int r = hcc_net_mtu(spec, under, &mtu, error);

	if (r < 0)
		return r;
	device_name(spec, device);
	drop_device(spec);
	snprintf(batch, sizeof(batch),
		 "link add %s mtu %u type vxlan id %u dev %s local %s dstport %d nolearning\n"
		 "link set %s master %s up\n"
		 "route replace %s/32 dev %s src %s\n", device, mtu, VNI_FIRST + spec->id, under,
		 spec->own.address, HCC_VXLAN_PORT, device, place->bridge, place->login,
		 place->bridge, place->gateway);
	r = hcc_run(ip, batch, error);
	hcc_write("1", "/proc/sys/net/ipv6/conf/%s/disable_ipv6", device);
	r = r ? : tell_peers(spec, device, error);
	return r ? : lead(spec, place, error);
}

void hcc_net_part(const struct hcc_spec *spec, const struct hcc_place *place)
{
	char table[32], ignored[HCC_ERROR_LEN];
	const char *const nft[] = { "nft", "delete", "table", "ip", table, NULL };

	(void)place;
	snprintf(table, sizeof(table), "hyperchain_%u", spec->id);
	hcc_run(nft, NULL, ignored);
	drop_device(spec);
}
