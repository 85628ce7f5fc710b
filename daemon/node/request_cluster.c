// SPDX-License-Identifier: GPL-2.0-or-later
/* cluster.*, node.token, node.join and what else the cluster decides. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/cluster/cluster.h"
#include "daemon/cluster/control.h"
#include "daemon/cluster/text.h"
#include "daemon/cluster/token.h"
#include "daemon/daemon.h"
#include "daemon/node/cleanup.h"
#include "daemon/node/file.h"
#include "daemon/node/request.h"
#include "daemon/policy/policy_config.h"

#define TOKEN_MIN_S	1
#define TOKEN_MAX_S	(365 * 24 * 3600)
#define TOKEN_S		3600
#define BACKUP_MAX	(16 * 1024 * 1024)

static bool is_member(struct hcd_request *req)
{
	struct hcd_control *c = req->d->control;

	if (c->identity.is_member && !c->identity.is_removed)
		return true;
	if (c->identity.is_removed)
		hcd_request_fail(req, "This node was removed from the cluster %s: 'hyperchain node join' with a new token takes it in again.",
				 c->identity.name);
	else
		hcd_request_fail(req, "This node is in no cluster: begin one with 'hyperchain cluster init', or join one with 'hyperchain node join'.");
	return false;
}

/* The address that others shall use: given, or the configuration's. Else the request fails. */
static bool take_address(struct hcd_request *req, const char **address)
{
	const char *own = req->d->config.node.address;

	if (!*address)
		*address = own;
	if (**address && hcd_address_is_valid(*address) && (!own[0] || strcmp(own, *address) == 0))
		return true;
	if (!**address)
		hcd_request_fail(req, "This node has no address that others could reach: give it with --address, or set 'address' in [node] of %s.",
				 req->d->config_path);
	else if (!hcd_address_is_valid(*address))
		hcd_request_fail(req, "\"%.64s\" is no IP address of a node: give it in digits, like 10.77.0.2.",
				 *address);
	else
		hcd_request_fail(req, "The configuration says 'address = %s': change it there.", own);
	return false;
}

void hcd_do_cluster_init(struct hcd_request *req)
{
	struct hcd_control *c = req->d->control;
	const char *name = "hyperchain", *address = NULL, *encrypt = "wireguard";
	char error[HCD_ERROR_LEN];

	if (!hcd_request_unpack(req, "{s?s, s?s, s?s}", "name", &name, "address", &address,
				"encrypt", &encrypt) ||
	    !take_address(req, &address))
		return;
	if (c->identity.is_member && !c->identity.is_removed)
		hcd_request_fail(req, "This node is a member of the cluster %s already.",
				 c->identity.name);
	else if (c->join)
		hcd_request_fail(req, "This node is joining a cluster at this moment.");
	else if (!hcd_text_is_name(name))
		hcd_request_fail(req, "A name has 1 to %d letters, digits, '.', '_' and '-'.",
				 HC_NAME_LEN);
	else if (strcmp(encrypt, "wireguard") != 0 && strcmp(encrypt, "none") != 0)
		hcd_request_fail(req, "There is no encryption '%.32s': say \"wireguard\", or \"none\" on a network that you trust.",
				 encrypt);
	else if (hcd_control_init(c, name, address, strcmp(encrypt, "none") == 0 ?
				  HCD_ENCRYPT_NONE : HCD_ENCRYPT_WIREGUARD, error) < 0)
		hcd_request_fail(req, "%s", error);
	else
		hcd_request_ok(req, json_pack("{s:I, s:s}", "id", (json_int_t)c->identity.self.at.id,
					      "name", name));
}

static const char *role_of(struct hcd_control *c, uint32_t id)
{
	static struct hcd_server servers[HCD_MEMBERS_MAX];
	size_t n = c->consensus ? hcd_consensus_servers(c->consensus, servers, HCD_MEMBERS_MAX) : 0;

	for (size_t i = 0; i < n; i++) {
		if (servers[i].id == id)
			return servers[i].role == HCD_SERVER_VOTER ? "voter" : "standby";
	}
	return "joining";
}

void hcd_cluster_describe(struct hcd *d, uint32_t id, json_t *obj)
{
	struct hcd_control *c = d->control;
	const struct hcd_member *m = c->consensus ? hcd_fsm_member(c->fsm, id) : NULL;
	const struct hcd_peer *peer = hcd_cluster_peer(d->cluster, id);
	bool is_broken = id == c->identity.self.at.id ? hcd_control_is_broken(c) :
			 peer && peer->has_status && peer->status.log_broken;

	if (is_broken)
		json_object_set_new(obj, "log_broken", json_true());
	if (!m)
		return;
	json_object_set_new(obj, "role", json_string(role_of(c, id)));
	json_object_set_new(obj, "controller", json_boolean(hcd_control_controller(c) == id));
	json_object_set_new(obj, "drained", json_boolean(m->is_drained));
	if (m->is_dead)
		json_object_set_new(obj, "state", json_string("dead"));
}

static const char *warning_of(struct hcd_control *c)
{
	static char text[HCD_ERROR_LEN];

	if (c->consensus && hcd_consensus_state(c->consensus) == HCD_CONSENSUS_BROKEN)
		return hcd_consensus_error(c->consensus);
	if (c->log_error[0])
		return c->log_error;
	if (!c->consensus || !hcd_control_controller(c))
		return "There is no controller: too few of the voters can reach each other, or one is being elected.";
	if (c->fsm->nr_members == 2) {
		snprintf(text, sizeof(text), "The cluster has two nodes, and one voter (node %u): when that one fails, nothing can be decided until it is back. A third node takes that away.",
			 hcd_control_controller(c));
		return text;
	}
	return "";
}

void hcd_do_cluster_show(struct hcd_request *req)
{
	struct hcd_control *c = req->d->control;
	uint64_t now = hcd_control_now(c);
	char id[2 * HCD_CLUSTER_ID_LEN + 1];
	const char *warning;
	json_t *obj;

	if (!hcd_request_unpack(req, "{}") || !is_member(req))
		return;
	hcd_hex_print(c->identity.cluster, sizeof(c->identity.cluster), id);
	obj = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:s}", "id", id,
			"name", c->identity.name,
			"incarnation", (json_int_t)c->identity.incarnation,
			"nodes", (json_int_t)c->fsm->nr_members,
			"controller", (json_int_t)hcd_control_controller(c),
			"term", (json_int_t)c->fsm->controller_term,
			"version", (json_int_t)c->fsm->version,
			"decisions", (json_int_t)(c->fsm->next_decision - 1),
			"lease", (int)(now < c->lease_until_ms),
			"encrypt", c->fsm->encrypt == HCD_ENCRYPT_NONE ? "none" : "wireguard");
	if (c->fabric.is_there)
		json_object_set_new(obj, "address", json_string(req->d->cluster->inside_address));
	warning = c->fabric.error[0] ? c->fabric.error : warning_of(c);
	if (warning[0])
		json_object_set_new(obj, "warning", json_string(warning));
	hcd_request_ok(req, json_pack("{s:o}", "cluster", obj));
}

/* ---- what the controller decides -------------------------------------------------------- */

static void on_done(int error, const struct hcd_result *result, const char *text, void *arg)
{
	struct hcd_request *req = arg;

	if (error)
		hcd_request_fail(req, "%s", text);
	else
		hcd_request_ok(req, json_pack("{s:I}", "number", (json_int_t)result->number));
}

struct token_request {
	struct hcd_request *req;
	struct hcd_token_text token;
};

static void on_token(int error, const struct hcd_result *result, const char *text, void *arg)
{
	struct token_request *t = arg;
	char printed[HCD_TOKEN_TEXT_LEN];

	if (error) {
		hcd_request_fail(t->req, "%s", text);
	} else {
		hcd_token_print(&t->token, printed);
		hcd_request_ok(t->req, json_pack("{s:s, s:I}", "token", printed, "expires_s",
						 (json_int_t)t->token.expires_s));
	}
	explicit_bzero(t, sizeof(*t));
	free(t);
}

void hcd_do_node_token(struct hcd_request *req)
{
	struct hcd_control *c = req->d->control;
	json_int_t expires = TOKEN_S;
	Hcp__Command command = HCP__COMMAND__INIT;
	Hcp__Token msg = HCP__TOKEN__INIT;
	char error[HCD_ERROR_LEN];
	struct token_request *t;

	if (!hcd_request_unpack(req, "{s?I}", "expires_s", &expires) || !is_member(req) ||
	    !hcd_request_range(req, "The seconds until a token expires", expires, TOKEN_MIN_S,
			       TOKEN_MAX_S))
		return;
	t = calloc(1, sizeof(*t));
	if (!t) {
		hcd_request_fail(req, "Memory is short.");
		return;
	}
	t->req = req;
	if (hcd_join_token_make(c, (uint64_t)expires, &t->token, error) < 0) {
		free(t);
		hcd_request_fail(req, "%s", error);
		return;
	}
	msg.id = (ProtobufCBinaryData){ HCD_TOKEN_ID_LEN, t->token.id };
	msg.expires_s = t->token.expires_s;
	command.what_case = HCP__COMMAND__WHAT_TOKEN_ADD;
	command.token_add = &msg;
	hcd_control_do(c, &command, on_token, t);
}

static void on_joined(int error, const char *text, void *arg)
{
	struct hcd_request *req = arg;
	struct hcd_control *c = req->d->control;

	if (error)
		hcd_request_fail(req, "%s", text);
	else
		hcd_request_ok(req, json_pack("{s:I, s:s}", "id",
					      (json_int_t)c->identity.self.at.id, "name",
					      c->identity.name));
}

void hcd_do_node_join(struct hcd_request *req)
{
	struct hcd_control *c = req->d->control;
	const char *token, *name = req->d->config.node.name, *address = NULL;
	char error[HCD_ERROR_LEN];

	if (!hcd_request_unpack(req, "{s:s, s?s, s?s}", "token", &token, "name", &name, "address",
				&address) || !take_address(req, &address))
		return;
	if (c->identity.is_member && !c->identity.is_removed)
		hcd_request_fail(req, "This node is a member of the cluster %s already.",
				 c->identity.name);
	else if (!hcd_text_is_name(name))
		hcd_request_fail(req, "A name has 1 to %d letters, digits, '.', '_' and '-'.",
				 HC_NAME_LEN);
	else if (hcd_join_start(c, token, name, address, on_joined, req, error) < 0)
		hcd_request_fail(req, "%s", error);
}

void hcd_do_node_remove(struct hcd_request *req)
{
	Hcp__Command command = HCP__COMMAND__INIT;
	json_int_t id;

	if (!hcd_request_unpack(req, "{s:I}", "id", &id) || !is_member(req) ||
	    !hcd_request_range(req, "A node's id", id, 1, HCD_NODE_ID_MAX))
		return;
	command.what_case = HCP__COMMAND__WHAT_REMOVE;
	command.remove = (uint32_t)id;
	hcd_control_do(req->d->control, &command, on_done, req);
}

void hcd_do_node_drain(struct hcd_request *req)
{
	Hcp__Command command = HCP__COMMAND__INIT;
	Hcp__Member msg = HCP__MEMBER__INIT;
	json_int_t id;
	int is_drained;

	if (!hcd_request_unpack(req, "{s:I, s:b}", "id", &id, "drain", &is_drained) ||
	    !is_member(req) ||
	    !hcd_request_range(req, "A node's id", id, 1, HCD_NODE_ID_MAX))
		return;
	msg.id = (uint32_t)id;
	msg.is_drained = is_drained;
	command.what_case = HCP__COMMAND__WHAT_DRAIN;
	command.drain = &msg;
	hcd_control_do(req->d->control, &command, on_done, req);
}

void hcd_do_config_show(struct hcd_request *req)
{
	const struct hcd_fsm *fsm = req->d->control->fsm;
	json_t *settings, *keys;

	if (!hcd_request_unpack(req, "{}") || !is_member(req))
		return;
	settings = json_object();
	keys = json_array();
	for (int key = 0; key < POL_KEYS; key++) {
		const struct pol_key_info *info = pol_key_info((enum pol_key)key);
		const char *value = hcd_fsm_setting(fsm, info->name);

		json_array_append_new(keys, json_pack("{s:s, s:s, s:s, s:i, s:s}", "key", info->name,
						      "value", value ? value : info->by_default,
						      "default", info->by_default, "rule",
						      (int)info->rule, "help", info->help));
	}
	for (size_t i = 0; i < fsm->nr_settings; i++)
		json_object_set_new(settings, fsm->settings[i].key,
				    json_string(fsm->settings[i].value));
	hcd_request_ok(req, json_pack("{s:o, s:o}", "settings", settings, "keys", keys));
}

void hcd_do_config_set(struct hcd_request *req)
{
	Hcp__Command command = HCP__COMMAND__INIT;
	Hcp__Setting msg = HCP__SETTING__INIT;
	static struct pol_config config;
	const char *key, *value;
	int found;

	if (!hcd_request_unpack(req, "{s:s, s:s}", "key", &key, "value", &value) ||
	    !is_member(req))
		return;
	found = pol_key_find(key);
	pol_config_init(&config);
	if (found < 0) {
		hcd_request_fail(req, "There is no key '%.48s': 'hyperchain config show' lists them.",
				 key);
		return;
	}
	if (value[0] && pol_config_set(&config, (enum pol_key)found, value) < 0) {
		const struct pol_key_info *info = pol_key_info((enum pol_key)found);

		hcd_request_fail(req, "'%.64s' is no value of %s: %s%s (default %s).", value, key,
				 info->words ? "one of " : "a number like its default is wanted",
				 info->words ? info->words : "", info->by_default);
		return;
	}
	if (found == POL_REVIEW_WINDOW && strcmp(value, "used") == 0) {
		hcd_request_fail(req, "review_window can't be 'used' on a running cluster yet: loads are not kept by the hours in which nodes were used.");
		return;
	}
	msg.key = (char *)key;
	msg.value = (char *)value;
	command.what_case = HCP__COMMAND__WHAT_SET;
	command.set = &msg;
	hcd_control_do(req->d->control, &command, on_done, req);
}

/* ---- when much is lost --------------------------------------------------------------------- */

void hcd_do_cluster_backup(struct hcd_request *req)
{
	struct hcd_control *c = req->d->control;
	_cleanup_free_ uint8_t *data = NULL;
	const char *path, *slash;
	char dir[HCD_PATH_LEN];
	size_t len;
	int r;

	if (!hcd_request_unpack(req, "{s:s}", "path", &path) || !is_member(req))
		return;
	slash = strrchr(path, '/');
	if (path[0] != '/' || !slash[1] || strlen(path) >= sizeof(dir)) {
		hcd_request_fail(req, "'%.200s' is no absolute path of a file.", path);
		return;
	}
	if (!c->fsm->incarnation) {
		hcd_request_fail(req, "This node has not learned the cluster's state yet: do it on one that has a controller.");
		return;
	}
	snprintf(dir, sizeof(dir), "%.*s", slash == path ? 1 : (int)(slash - path), path);
	r = hcd_fsm_encode(c->fsm, &data, &len);
	if (r == 0)
		r = hcd_file_replace(dir, slash + 1, data, len);
	if (r < 0)
		hcd_request_fail(req, "%s can't be written: %s.", path, strerror(-r));
	else
		hcd_request_ok(req, json_pack("{s:I}", "bytes", (json_int_t)len));
}

void hcd_do_cluster_restore(struct hcd_request *req)
{
	struct hcd_control *c = req->d->control;
	_cleanup_free_ uint8_t *data = NULL;
	char error[HCD_ERROR_LEN];
	const char *path;
	size_t len;
	int r;

	if (!hcd_request_unpack(req, "{s:s}", "path", &path) || !is_member(req))
		return;
	r = path[0] == '/' ? hcd_file_read("/", path + 1, BACKUP_MAX, &data, &len) : -EINVAL;
	if (r < 0)
		hcd_request_fail(req, "%.200s can't be read: %s.", path, strerror(-r));
	else if (hcd_control_begin_anew(c, data, len, error) < 0)
		hcd_request_fail(req, "%s", error);
	else
		hcd_request_ok(req, json_pack("{s:I}", "incarnation",
					      (json_int_t)c->identity.incarnation));
}

void hcd_do_cluster_recover(struct hcd_request *req)
{
	struct hcd_control *c = req->d->control;
	char error[HCD_ERROR_LEN];
	int discard = 0, r;
	bool is_broken;

	if (!hcd_request_unpack(req, "{s?b}", "discard_log", &discard) || !is_member(req))
		return;
	is_broken = c->consensus && hcd_consensus_state(c->consensus) == HCD_CONSENSUS_BROKEN;
	if (discard && !is_broken) {
		hcd_request_fail(req, "This node's log can be read: there is no reason to discard it.");
		return;
	}
	/* What it has not yet copied to the others may be on this disk only. */
	if (discard && hcd_consensus_may_pass(c->consensus) &&
	    hcd_log_check(req->d->state_dir) < 0) {
		hcd_request_fail(req, "This node's log is not damaged, it only can't be written: make room on its disk, or make it writable, and it goes on by itself.");
		return;
	}
	if (!discard && hcd_control_controller(c)) {
		hcd_request_fail(req, "The cluster has a controller (node %u): there is nothing to recover.",
				 hcd_control_controller(c));
		return;
	}
	if (!discard && (!c->consensus || is_broken || !c->fsm->incarnation)) {
		hcd_request_fail(req, "This node does not know the cluster's state: do it on another one, or use 'hyperchain cluster restore'.");
		return;
	}
	r = discard ? hcd_control_discard_log(c, error) : hcd_control_begin_anew(c, NULL, 0, error);
	if (r < 0)
		hcd_request_fail(req, "%s", error);
	else
		hcd_request_ok(req, json_pack("{s:I}", "incarnation",
					      (json_int_t)c->identity.incarnation));
}
