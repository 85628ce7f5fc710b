// SPDX-License-Identifier: GPL-2.0-or-later
/* The file that says who we are: see identity.h. */
#include "daemon/cluster/identity.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cluster/text.h"
#include "daemon/node/cleanup.h"
#include "daemon/node/file.h"

#define FORMAT		1
#define SIZE_MAX_BYTES	(1024 * 1024)

void hcd_hex_print(const uint8_t *bytes, size_t len, char *ret_text)
{
	for (size_t i = 0; i < len; i++)
		snprintf(ret_text + 2 * i, 3, "%02x", bytes[i]);
}

static bool hex_take(const char *text, uint8_t *ret, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	if (!text || strlen(text) != 2 * len)
		return false;
	for (size_t i = 0; i < len; i++) {
		const char *hi = strchr(digits, text[2 * i]), *lo = strchr(digits, text[2 * i + 1]);

		if (!hi || !lo)
			return false;
		ret[i] = (uint8_t)((hi - digits) << 4 | (lo - digits));
	}
	return true;
}

static json_t *hex_json(const uint8_t *bytes, size_t len)
{
	char text[2 * HCD_KEY_LEN + 1];

	hcd_hex_print(bytes, len, text);
	return json_string(text);
}

static json_t *known_json(const struct hcd_known *k)
{
	return json_pack("{s:I, s:s, s:s, s:i, s:o}", "id", (json_int_t)k->at.id, "name",
			 k->at.name, "address", k->at.address, "port", (int)k->at.port, "key",
			 hex_json(k->key, sizeof(k->key)));
}

static bool known_take(json_t *obj, struct hcd_known *ret)
{
	const char *name, *address, *key;
	json_int_t id;
	int port;

	if (json_unpack(obj, "{s:I, s:s, s:s, s:i, s:s}", "id", &id, "name", &name, "address",
			&address, "port", &port, "key", &key) < 0 ||
	    id < 1 || id > HCD_NODE_ID_MAX || !hcd_text_is_name(name) ||
	    !hcd_address_is_valid(address) || port < 1 || port > 65535 ||
	    !hex_take(key, ret->key, sizeof(ret->key)))
		return false;
	ret->at.id = (uint32_t)id;
	ret->at.port = (uint16_t)port;
	snprintf(ret->at.name, sizeof(ret->at.name), "%s", name);
	snprintf(ret->at.address, sizeof(ret->at.address), "%s", address);
	return true;
}

static bool take_cluster(json_t *obj, struct hcd_identity *id)
{
	const char *cluster, *key, *name;
	json_t *self, *members, *m;
	json_int_t incarnation;
	int founder, removed, wireguard = 0;
	size_t i;

	if (json_unpack(obj, "{s:s, s:s, s:s, s:I, s:b, s:b, s:o, s:o}", "id", &cluster, "key", &key,
			"name", &name, "incarnation", &incarnation, "founder", &founder,
			"removed", &removed, "self", &self, "members", &members) < 0 ||
	    json_unpack(obj, "{s?b}", "wireguard", &wireguard) < 0 ||
	    !hex_take(cluster, id->cluster, sizeof(id->cluster)) ||
	    !hex_take(key, id->cluster_key, sizeof(id->cluster_key)) ||
	    !hcd_text_is_name(name) || incarnation < 1 || !known_take(self, &id->self) ||
	    !json_is_array(members) || json_array_size(members) > HCD_MEMBERS_MAX)
		return false;
	snprintf(id->name, sizeof(id->name), "%s", name);
	id->incarnation = (uint64_t)incarnation;
	id->is_founder = founder;
	id->is_removed = removed;
	id->encrypt = wireguard ? HCD_ENCRYPT_WIREGUARD : HCD_ENCRYPT_NONE;
	json_array_foreach(members, i, m) {
		if (!known_take(m, &id->members[id->nr_members++]))
			return false;
	}
	id->is_member = true;
	return memcmp(id->self.key, id->key, sizeof(id->key)) == 0;
}

int hcd_identity_load(const char *dir, struct hcd_identity *ret_identity,
		      char error[HCD_ERROR_LEN])
{
	_cleanup_free_ struct hcd_identity *id = calloc(1, sizeof(*id));
	json_auto_t *root = NULL;
	_cleanup_free_ uint8_t *text = NULL;
	json_t *cluster;
	json_error_t why;
	size_t len = 0;
	int r;

	r = id ? hcd_file_read(dir, HCD_IDENTITY_FILE, SIZE_MAX_BYTES, &text, &len) : -ENOMEM;
	if (r == -ENOENT) {
		memset(ret_identity, 0, sizeof(*ret_identity));
		return 0;
	}
	if (r < 0) {
		snprintf(error, HCD_ERROR_LEN, "%s/%s can't be read: %s.", dir, HCD_IDENTITY_FILE,
			 strerror(-r));
		return r;
	}
	root = json_loadb((char *)text, len, JSON_REJECT_DUPLICATES, &why);
	cluster = json_object_get(root, "cluster");
	if (json_integer_value(json_object_get(root, "format")) != FORMAT ||
	    !hex_take(json_string_value(json_object_get(root, "secret")), id->secret,
		      sizeof(id->secret)) ||
	    hcd_node_key_public(id->secret, id->key) < 0 ||
	    (cluster && !take_cluster(cluster, id))) {
		snprintf(error, HCD_ERROR_LEN,
			 "%s/%s is damaged: restore it from a backup of this machine, or remove this node on a living one ('hyperchain node remove'), move the state directory away and join again.",
			 dir, HCD_IDENTITY_FILE);
		return -EBADMSG;
	}
	*ret_identity = *id;
	explicit_bzero(id, sizeof(*id));
	return 0;
}

int hcd_identity_save(const char *dir, const struct hcd_identity *id, char error[HCD_ERROR_LEN])
{
	json_auto_t *root = json_pack("{s:i, s:o}", "format", FORMAT, "secret",
				      hex_json(id->secret, sizeof(id->secret)));
	_cleanup_free_ char *text = NULL;
	json_t *members = json_array();
	int r;

	for (size_t i = 0; i < id->nr_members; i++)
		json_array_append_new(members, known_json(&id->members[i]));
	if (id->is_member)
		json_object_set_new(root, "cluster",
				    json_pack("{s:o, s:o, s:s, s:I, s:b, s:b, s:b, s:o, s:O}",
					      "id", hex_json(id->cluster, sizeof(id->cluster)),
					      "key", hex_json(id->cluster_key,
							      sizeof(id->cluster_key)),
					      "name", id->name,
					      "incarnation", (json_int_t)id->incarnation,
					      "founder", (int)id->is_founder,
					      "removed", (int)id->is_removed,
					      "wireguard",
					      (int)(id->encrypt == HCD_ENCRYPT_WIREGUARD),
					      "self", known_json(&id->self),
					      "members", members));
	json_decref(members);
	text = json_dumps(root, JSON_INDENT(1));
	r = text ? hcd_file_replace(dir, HCD_IDENTITY_FILE, text, strlen(text)) : -ENOMEM;
	if (r < 0)
		snprintf(error, HCD_ERROR_LEN, "%s/%s can't be written: %s.", dir,
			 HCD_IDENTITY_FILE, strerror(-r));
	return r;
}
