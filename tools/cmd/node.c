// SPDX-License-Identifier: GPL-2.0-or-later
/* node list, node show: the machines, from the module and, beyond it, from the daemon. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attrs.h"
#include "cli.h"
#include "cmd.h"
#include "format.h"
#include "table.h"

/* What the daemon says about each node under one name, "-" where it says nothing. */
static const char *text_of(json_t *node, const char *key)
{
	return json_string_value(json_object_get(node, key)) ? : "-";
}

static uint64_t number_of(json_t *node, const char *key)
{
	return json_integer_value(json_object_get(node, key));
}

/* The nodes as far as the module alone knows them: this one and its peers. */
static int nodes_of_module(struct hcnl *h, json_t **ret_nodes)
{
	struct hcnl_node node;
	struct hcnl_pool pool;
	struct hcnl_peer *peers;
	json_t *nodes;
	size_t n;

	if (hcnl_node_get(h, &node) < 0 || hcnl_pool_get(h, &pool) < 0 ||
	    hcnl_peer_list(h, &peers, &n) < 0)
		return cli_fail("%s", hcnl_error(h));
	nodes = json_array();
	json_array_append_new(nodes, json_pack("{s:I s:s s:s s:b s:s s:I s:I s:I s:I}", "id",
		(json_int_t)node.id, "name", node.name, "state", "live", "self", 1,
		"module_version", node.version, "memory_total", (json_int_t)node.mem_total,
		"memory_available", (json_int_t)node.mem_available,
		"lends", (json_int_t)pool.limit, "lent", (json_int_t)pool.lent));
	for (size_t i = 0; i < n; i++)
		json_array_append_new(nodes, json_pack("{s:I s:s s:s s:b}", "id",
			(json_int_t)peers[i].id, "name", peers[i].name,
			"state", hcnl_peer_state_name(peers[i].state), "self", 0));
	free(peers);
	*ret_nodes = nodes;
	return CLI_OK;
}

/* From the daemon, else from the module with a note. */
static int nodes_get(struct hcnl *h, json_t **ret_nodes)
{
	int r = cli_ask_list(h, CLI_ASK_MS, "node.list", "nodes", ret_nodes);

	if (r == 0)
		return CLI_OK;
	if (r != -ENOTCONN)
		return cli_fail("%s", cli_ask_error());
	if (!h) {
		char why[512];

		hcnl_missing_reason(why, sizeof(why));
		cli_fail("%s", why);
		return cli_fail("%s", cli_ask_error());
	}
	cli_note("no daemon is running: the other nodes' memory is not known.");
	return nodes_of_module(h, ret_nodes);
}

static int state_color(const char *state)
{
	if (!strcmp(state, "live") || !strcmp(state, "self"))
		return TABLE_GREEN;
	return !strcmp(state, "lost") || !strcmp(state, "dead") || !strcmp(state, "dropping") ? TABLE_RED : TABLE_YELLOW;
}

static void size_cell(struct table *t, json_t *node, const char *key)
{
	char buf[FORMAT_LEN];

	if (json_object_get(node, key))
		table_cell(t, 0, "%s", size_format(number_of(node, key), buf));
	else
		table_cell(t, TABLE_DIM, "-");
}

/* "?" is unknown, which is not idle. */
static void load_cell(struct table *t, json_t *node)
{
	json_t *load = json_object_get(node, "current_load");

	if (json_is_real(load))
		table_cell(t, 0, "%.2f", json_real_value(load));
	else
		table_cell(t, TABLE_DIM, json_is_true(json_object_get(node, "stale")) ? "? stale" : "?");
}

static void nodes_print(json_t *nodes)
{
	TABLE_CLEAN struct table t = { .color = cli.color };
	json_t *node;
	size_t i;

	table_head(&t, "ID>", "NAME", "ADDRESS", "STATE", "ROLE", "CPUS>", "LOAD>", "MEMORY>", "AVAILABLE>", "LENDS>", "LENT>",
		   "MODULE", "DAEMON", NULL);
	json_array_foreach(nodes, i, node) {
		bool is_self = json_is_true(json_object_get(node, "self"));
		const char *state = text_of(node, "state");

		table_cell(&t, is_self ? TABLE_BOLD : 0, "%llu",
			   (unsigned long long)number_of(node, "id"));
		table_cell(&t, is_self ? TABLE_BOLD : 0, "%s", text_of(node, "name"));
		table_cell(&t, 0, "%s", text_of(node, "address"));
		if (json_is_true(json_object_get(node, "drained")) && !strcmp(state, "live"))
			table_cell(&t, TABLE_YELLOW, "drained");
		else if (json_is_true(json_object_get(node, "log_broken")) && !strcmp(state, "live"))
			table_cell(&t, TABLE_YELLOW, "log broken");
		else
			table_cell(&t, state_color(state), "%s",
				   is_self && !strcmp(state, "live") ? "this node" : state);
		table_cell(&t, 0, "%s", json_is_true(json_object_get(node, "controller")) ?
			   "controller" : text_of(node, "role"));
		if (json_object_get(node, "cpus"))
			table_cell(&t, 0, "%llu", (unsigned long long)number_of(node, "cpus"));
		else
			table_cell(&t, TABLE_DIM, "-");
		load_cell(&t, node);
		size_cell(&t, node, "memory_total");
		size_cell(&t, node, "memory_available");
		size_cell(&t, node, "lends");
		size_cell(&t, node, "lent");
		table_cell(&t, 0, "%s", text_of(node, "module_version"));
		table_cell(&t, 0, "%s", text_of(node, "daemon_version"));
	}
	table_print(&t, stdout);
}

static int node_list(int argc, char **argv)
{
	static const struct argp argp = {
		.doc = "List every node that this one knows.", .children = cli_json_option,
	};
	HCNL_CLEAN struct hcnl *h = NULL;
	json_auto_t *nodes = NULL;
	int rc;

	cli_parse(&argp, argc, argv, NULL);
	h = cli_try_open();
	rc = nodes_get(h, &nodes);
	if (rc)
		return rc;
	if (cli.json)
		return cli_json(json_pack("{s:O}", "nodes", nodes));
	nodes_print(nodes);
	return CLI_OK;
}

static error_t parse_show(int key, char *arg, struct argp_state *state)
{
	uint32_t *id = state->input;

	if (key != ARGP_KEY_ARG || *id)
		return ARGP_ERR_UNKNOWN;
	*id = cli_number_arg(state, "ID", arg, 1, INT32_MAX);
	return 0;
}

static void line(struct table *t, const char *what, int color, const char *fmt, uint64_t n)
{
	table_cell(t, 0, "%s", what);
	table_cell(t, color, fmt, (unsigned long long)n);
}

static int show_self(struct hcnl *h, const struct hcnl_node *node)
{
	TABLE_CLEAN struct table t = { .color = cli.color };
	char a[FORMAT_LEN], b[FORMAT_LEN];
	struct hcnl_pool pool = { 0 };

	if (hcnl_pool_get(h, &pool) < 0)
		return cli_fail("%s", hcnl_error(h));
	if (cli.json)
		return cli_json(json_pack("{s:o s:o}", "node", cli_json_of(hcnl_node_fields, node), "pool",
					  cli_json_of(hcnl_pool_fields, &pool)));
	table_head(&t, "", "", NULL);
	if (node->id)
		line(&t, "id", 0, "%llu", node->id);
	else
		line(&t, "id", TABLE_YELLOW, "not set: no daemon has given this node an id yet", 0);
	table_cell(&t, 0, "name");
	table_cell(&t, 0, "%s", node->name[0] ? node->name : "-");
	table_cell(&t, 0, "module");
	table_cell(&t, 0, "%s, page fabric version %u", node->version, node->wire_version);
	table_cell(&t, 0, "daemon");
	table_cell(&t, node->daemon_port ? TABLE_GREEN : TABLE_YELLOW, "%s",
		   node->daemon_port ? "registered" : "none");
	table_cell(&t, 0, "lease epoch");
	table_cell(&t, 0, "%llu", (unsigned long long)node->epoch);
	table_cell(&t, 0, "peers");
	table_cell(&t, node->nr_peers_live < node->nr_peers ? TABLE_YELLOW : 0, "%u, %u of them live",
		   node->nr_peers, node->nr_peers_live);
	table_cell(&t, 0, "memory");
	table_cell(&t, 0, "%s, %s available", size_format(node->mem_total, a),
		   size_format(node->mem_available, b));
	table_cell(&t, 0, "lends");
	table_cell(&t, 0, "at most %s, %s lent now%s", size_format(pool.limit, a),
		   size_format(pool.lent, b), pool.is_draining ? ", draining" : "");
	table_print(&t, stdout);
	return CLI_OK;
}

static bool is_size(const char *key)
{
	static const char *const sizes[] = {
		"memory_total", "memory_available", "lends", "lent", "lent_used", "borrowed",
		"borrowed_used", "free", "storage_total", "storage_free", "tx_bytes", "rx_bytes",
	};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if (!strcmp(key, sizes[i]))
			return true;
	return false;
}

/* Anything the daemon said, key by key; sizes readable. */
static void show_object(json_t *node)
{
	TABLE_CLEAN struct table t = { .color = cli.color };
	const char *key;
	json_t *v;

	table_head(&t, "", "", NULL);
	json_object_foreach(node, key, v) {
		char buf[FORMAT_LEN];

		table_cell(&t, 0, "%s", key);
		if (is_size(key))
			table_cell(&t, 0, "%s", size_format(json_integer_value(v), buf));
		else if (json_is_integer(v))
			table_cell(&t, 0, "%lld", (long long)json_integer_value(v));
		else if (json_is_real(v))
			table_cell(&t, 0, "%.2f", json_real_value(v));
		else if (json_is_boolean(v))
			table_cell(&t, 0, "%s", json_is_true(v) ? "yes" : "no");
		else if (json_is_null(v))
			table_cell(&t, 0, "?");
		else
			table_cell(&t, 0, "%s", json_string_value(v) ? : "-");
	}
	table_print(&t, stdout);
}

static int show_other(struct hcnl *h, uint32_t id)
{
	json_auto_t *answer = NULL;
	struct hcnl_peer peer;
	json_t *node;
	int r;

	r = cli_ask(h, json_pack("{s:s s:I}", "do", "node.show", "id", (json_int_t)id), &answer);
	node = json_object_get(answer, "node");
	if (r == 0 && !node)
		node = answer;		/* all in one object */
	if (r < 0 && r != -ENOTCONN)
		return cli_fail("%s", cli_ask_error());
	if (r == 0) {
		json_object_del(node, "ok");
		if (h && !hcnl_peer_get(h, id, &peer))
			json_object_set_new(node, "peer", cli_json_peer(&peer));
		if (cli.json)
			return cli_json(json_pack("{s:O}", "node", node));
		json_object_del(node, "peer");
		show_object(node);
		return CLI_OK;
	}
	if (!h)
		return cli_fail("%s", cli_ask_error());
	cli_note("no daemon is running: only what the module knows of the peer.");
	if (hcnl_peer_get(h, id, &peer) < 0)
		return cli_fail("Node %u is not known here: %s", id, hcnl_error(h));
	if (cli.json)
		return cli_json(json_pack("{s:o}", "node", cli_json_peer(&peer)));
	node = cli_json_peer(&peer);
	show_object(node);
	json_decref(node);
	return CLI_OK;
}

static int node_show(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse_show, .args_doc = "[ID]",
		.doc = "Show this node, or the one with that ID.", .children = cli_json_option,
	};
	HCNL_CLEAN struct hcnl *h = NULL;
	struct hcnl_node node = { 0 };
	uint32_t id = 0;

	cli_parse(&argp, argc, argv, &id);
	if (!id) {
		if (cli_open(&h))
			return CLI_FAILED;
	} else {
		h = cli_try_open();
	}
	if (h && hcnl_node_get(h, &node) < 0)
		return cli_fail("%s", hcnl_error(h));
	if (!id || (h && id == node.id))
		return show_self(h, &node);
	return show_other(h, id);
}

int cmd_node(int argc, char **argv)
{
	static const struct cli_cmd verbs[] = {
		{ "show", node_show, "this node, or another by its id" },
		{ "list", node_list, "every node that is known" },
		{ "token", cmd_node_token, "let one node join, once" },
		{ "join", cmd_node_join, "make this node a member" },
		{ "drain", cmd_node_drain, "give a node nothing new, and empty it" },
		{ "undrain", cmd_node_undrain, "let a drained node take part again" },
		{ "remove", cmd_node_remove, "take a node out of the cluster" },
		{ NULL, NULL, NULL }
	};

	return cli_verbs("node", verbs, argc, argv);
}
