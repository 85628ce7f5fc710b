// SPDX-License-Identifier: GPL-2.0-or-later
/* What the daemon asks for, checked again: a mistake there must not become root here. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "container.h"

#define NAME_LEN_MAX	31	/* a login's; a host name may be longer */

int hcc_fail(char error[HCC_ERROR_LEN], int r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(error, HCC_ERROR_LEN, fmt, ap);
	va_end(ap);
	return r;
}

bool hcc_name_is_good(const char *name)
{
	size_t len = strlen(name);

	/* As useradd(8) has it, without '$'. */
	return len && len <= NAME_LEN_MAX && name[0] >= 'a' && name[0] <= 'z' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == len;
}

static bool take_text(json_t *obj, const char *key, char *buf, size_t len)
{
	const char *text = json_string_value(json_object_get(obj, key));

	if (!text)
		text = "";
	if (strlen(text) >= len || strlen(text) != json_string_length(json_object_get(obj, key)))
		return false;
	strcpy(buf, text);
	return true;
}

static uint64_t number(json_t *obj, const char *key)
{
	json_int_t value = json_integer_value(json_object_get(obj, key));

	return value > 0 ? (uint64_t)value : 0;
}

static bool is_address(const char *text)
{
	struct in6_addr a;

	return inet_pton(AF_INET, text, &a) == 1 || inet_pton(AF_INET6, text, &a) == 1;
}

static bool take_node(json_t *obj, struct hcc_node *ret)
{
	uint64_t id = number(obj, "id"), slot = number(obj, "slot");

	ret->id = (uint32_t)id;
	ret->slot = (uint32_t)slot;
	return id && id <= INT32_MAX && slot < HCC_NODES_MAX &&
	       take_text(obj, "address", ret->address, sizeof(ret->address)) &&
	       is_address(ret->address);
}

/* {"own": NODE, "leader": id, "storage": address, "nodes": [NODE...]} */
static bool take_shared(json_t *obj, struct hcc_spec *s)
{
	json_t *nodes = json_object_get(obj, "nodes"), *node;
	uint64_t leader = number(obj, "leader");
	size_t i;

	if (!take_node(json_object_get(obj, "own"), &s->own) || json_array_size(nodes) > HCC_NODES_MAX ||
	    !take_text(obj, "storage", s->storage, sizeof(s->storage)) ||
	    (s->storage[0] && !is_address(s->storage)))
		return false;
	json_array_foreach(nodes, i, node) {
		struct hcc_node *n = &s->nodes[s->nr_nodes++];

		if (!take_node(node, n))
			return false;
		if (n->id == s->own.id) {
			s->is_member = true;
			s->own.slot = n->slot;
			s->is_leader = n->id == leader;
		}
		if (n->id == leader)
			s->leader_slot = n->slot;
	}
	s->is_shared = true;
	return true;
}

int hcc_spec_parse(json_t *obj, struct hcc_spec *ret_spec, char error[HCC_ERROR_LEN])
{
	struct hcc_spec s = { 0 };
	struct in_addr net;
	uint64_t id = number(obj, "id");

	if (!take_text(obj, "name", s.name, sizeof(s.name)) || !hcc_name_is_good(s.name))
		return hcc_fail(error, -EINVAL, "An environment's name is a login: a small letter, then at most %d small letters, digits, '_' and '-'.",
				NAME_LEN_MAX - 1);
	if (id < 1 || id > HC_ENVS_MAX)
		return hcc_fail(error, -EINVAL, "The environment has no id from 1 to %d.", HC_ENVS_MAX);
	if (!take_text(obj, "image", s.image, sizeof(s.image)) ||
	    (s.image[0] && s.image[0] != '/'))
		return hcc_fail(error, -EINVAL, "The image must be an absolute path of less than %d bytes.",
				HCC_PATH_LEN);
	if (!take_text(obj, "keys", s.keys, sizeof(s.keys)))
		return hcc_fail(error, -EINVAL, "The ssh keys are longer than %d bytes.", HCC_KEYS_LEN - 1);
	if (!take_text(obj, "network", s.network, sizeof(s.network)) ||
	    inet_pton(AF_INET, s.network, &net) != 1)
		return hcc_fail(error, -EINVAL, "\"%s\" is no IPv4 network for environments.", s.network);
	s.id = (uint32_t)id;
	s.cpus_milli = (uint32_t)number(obj, "cpus_milli");
	s.memory = number(obj, "memory");
	s.swap = number(obj, "swap");
	s.pids = (uint32_t)number(obj, "pids");
	if (json_object_get(obj, "shared") && !take_shared(json_object_get(obj, "shared"), &s))
		return hcc_fail(error, -EINVAL, "What is told of the environment's other nodes is not whole.");
	*ret_spec = s;
	return 0;
}

static void address(const char *network, uint32_t offset, char buf[16])
{
	struct in_addr a;

	inet_pton(AF_INET, network, &a);
	a.s_addr = htonl(ntohl(a.s_addr) + offset);
	inet_ntop(AF_INET, &a, buf, 16);
}

/*
 * The configured network: a /30 for each environment of one node, whose third address is the
 * login's also of those of several; behind them a /25 for each of these, a pair for each node.
 */
#define SHARED_FIRST	4096
#define SHARED_SIZE	128

void hcc_address(const struct hcc_spec *spec, uint32_t slot, bool is_container, char buf[16])
{
	address(spec->network,
		SHARED_FIRST + spec->id * SHARED_SIZE + 2 + slot * 2 + !is_container, buf);
}

int hcc_place(const struct hcc_spec *spec, struct hcc_place *ret_place, char error[HCC_ERROR_LEN])
{
	struct hcc_place *p = ret_place;
	const char *name = spec->name;

	if (!hcc_name_is_good(name))
		return hcc_fail(error, -EINVAL, "The environment's name is none.");
	p->uid = HCC_UID_FIRST + spec->id * HCC_IDS;
	snprintf(p->dir, sizeof(p->dir), HCC_DIR "/env/%s", name);
	snprintf(p->root, sizeof(p->root), HCC_DIR "/env/%s/root", name);
	snprintf(p->identity, sizeof(p->identity), HCC_DIR "/identity/%s", name);
	snprintf(p->lxc, sizeof(p->lxc), HCC_DIR "/lxc/%s", name);
	snprintf(p->cgroup, sizeof(p->cgroup), "%s/%s/%s", hcc_cgroup_mount(), hcc_cgroup_base(),
		 name);
	snprintf(p->view, sizeof(p->view), "/run/hyperchain/view/%s", name);
	snprintf(p->figures, sizeof(p->figures), "/run/hyperchain/view/%s.figures", name);
	snprintf(p->monitor, sizeof(p->monitor), "%s/%s/.monitor/%s", hcc_cgroup_mount(),
		 hcc_cgroup_base(), name);
	snprintf(p->bridge, sizeof(p->bridge), "hcb%u", spec->id);
	snprintf(p->live, sizeof(p->live), "/run/hyperchain/live/%s", name);
	address(spec->network, spec->id * 4 + 2, p->login);
	if (spec->is_shared) {
		p->prefix = 25;
		hcc_address(spec, spec->own.slot, false, p->gateway);
		hcc_address(spec, spec->own.slot, true, p->address);
	} else {
		p->prefix = 30;
		address(spec->network, spec->id * 4 + 1, p->gateway);
		snprintf(p->address, sizeof(p->address), "%s", p->login);
	}
	return 0;
}
