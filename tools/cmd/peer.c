// SPDX-License-Identifier: GPL-2.0-or-later
/* peer add, del, list: the nodes that this one connects to. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "cmd.h"
#include "format.h"
#include "table.h"

#define PORT 7701

enum { OPT_PORT = 'p', OPT_NAME = 'N', OPT_FORCE = 'f' };

struct args {
	uint32_t id;
	const char *address;
	const char *name;
	uint16_t port;
	bool force;
};

/* ---- add ------------------------------------------------------------------ */

static error_t parse_add(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;
	struct in6_addr room;

	switch (key) {
	case OPT_PORT:
		a->port = cli_number_arg(state, "The port", arg, 1, 65535);
		return 0;
	case OPT_NAME:
		if (!*arg || strlen(arg) > HC_NAME_LEN)
			argp_error(state, "A name has 1 to %d bytes.", HC_NAME_LEN);
		a->name = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (!a->id) {
			a->id = cli_number_arg(state, "ID", arg, 1, INT32_MAX);
			return 0;
		}
		if (a->address)
			return ARGP_ERR_UNKNOWN;
		if (inet_pton(AF_INET, arg, &room) != 1 && inet_pton(AF_INET6, arg, &room) != 1)
			argp_error(state, "\"%s\" is not an IPv4 or IPv6 address in digits.", arg);
		a->address = arg;
		return 0;
	case ARGP_KEY_END:
		if (!a->address)
			argp_error(state, "Which node, and where? Give ID and ADDRESS.");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* Connecting is the daemon's work: without one there is nobody to do it. */
static int ask_or_say(struct hcnl *h, json_t *req)
{
	char why[512];
	int r;

	r = cli_ask(h, req, NULL);
	if (r == 0)
		return CLI_OK;
	cli_fail("%s", cli_ask_error());
	if (!h && r == -ENOTCONN) {
		hcnl_missing_reason(why, sizeof(why));
		cli_note("%s", why);
	}
	return CLI_FAILED;
}

static int peer_add(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "port", OPT_PORT, "PORT", 0, "TCP port of its daemon (default 7701)", 0 },
		{ "name", OPT_NAME, "NAME", 0, "Name to show it under", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		.options = options, .parser = parse_add, .args_doc = "ID ADDRESS",
		.doc = "Connect to the node ID at ADDRESS. The daemon does so, and again after each loss; "
		       "both nodes need the same pre-shared key.",
		.children = cli_change_options,
	};
	struct args a = { .port = PORT };
	HCNL_CLEAN struct hcnl *h = NULL;
	json_t *req;
	int rc;

	cli_parse(&argp, argc, argv, &a);
	h = cli_try_open();
	req = json_pack("{s:s s:I s:s s:i}", "do", "peer.add", "id", (json_int_t)a.id, "address",
			a.address, "port", a.port);
	if (a.name)
		json_object_set_new(req, "name", json_string(a.name));
	if (cli.dry_run && cli.json)
		return cli_json(json_pack("{s:b s:o}", "dry_run", 1, "request", req));
	if (cli.dry_run) {
		json_decref(req);
		printf("Would have the daemon connect to node %u at %s, port %u.\n", a.id, a.address, a.port);
		return CLI_OK;
	}
	rc = ask_or_say(h, req);
	if (rc)
		return rc;
	if (cli.json)
		return cli_json(json_pack("{s:b s:I}", "ok", 1, "id", (json_int_t)a.id));
	printf("Node %u at %s is known now; \"hyperchain peer list\" shows when it is connected.\n", a.id,
	       a.address);
	return CLI_OK;
}

/* ---- del ------------------------------------------------------------------ */

static error_t parse_del(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case OPT_FORCE:
		a->force = true;
		return 0;
	case ARGP_KEY_ARG:
		if (a->id)
			return ARGP_ERR_UNKNOWN;
		a->id = cli_number_arg(state, "ID", arg, 1, INT32_MAX);
		return 0;
	case ARGP_KEY_END:
		if (!a->id)
			argp_error(state, "Which node? Give its ID.");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static int peer_del(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "force", OPT_FORCE, NULL, 0,
		  "Even when it holds pages of this node, or this node lends to it: what has no other copy is lost", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		.options = options, .parser = parse_del, .args_doc = "ID",
		.doc = "Forget the node ID. Refused while it holds pages of this node, or this node lends memory to it.",
		.children = cli_change_options,
	};
	HCNL_CLEAN struct hcnl *h = NULL;
	struct args a = { 0 };
	struct hcnl_peer peer;
	char buf[FORMAT_LEN], lent[FORMAT_LEN];
	json_t *req;
	int r;

	cli_parse(&argp, argc, argv, &a);
	h = cli_try_open();
	if (cli.dry_run && !cli.json) {
		if (!h)
			return cli_open(&h);	/* says why it is not there */
		if (hcnl_peer_get(h, a.id, &peer) < 0)
			return cli_fail("%s", hcnl_error(h));
		printf("Would forget node %u, which holds %s of this node's pages and has %s of memory from this node.\n",
		       a.id, size_format(peer.used, buf), size_format(peer.lent, lent));
		return CLI_OK;
	}
	req = json_pack("{s:s s:I}", "do", "peer.del", "id", (json_int_t)a.id);
	if (a.force)
		json_object_set_new(req, "force", json_true());
	if (cli.dry_run)
		return cli_json(json_pack("{s:b s:o}", "dry_run", 1, "request", req));
	r = cli_ask(h, req, NULL);
	if (r == -ENOTCONN && h) {
		/* No daemon: the module's part can be done at least. */
		if (hcnl_peer_forget(h, a.id, a.force) < 0)
			return cli_fail("%s", hcnl_error(h));
		cli_note("no daemon is running: one that starts later may connect to it again.");
	} else if (r < 0) {
		return cli_fail("%s", cli_ask_error());
	}
	if (cli.json)
		return cli_json(json_pack("{s:b s:I}", "ok", 1, "id", (json_int_t)a.id));
	printf("Node %u is forgotten.\n", a.id);
	return CLI_OK;
}

/* ---- list ----------------------------------------------------------------- */

/* The daemon knows addresses, and peers that never connected; the module the rest. */
static json_t *merge(json_t *known, const struct hcnl_peer *peers, size_t n)
{
	json_t *list = json_array(), *k;
	size_t i;

	for (size_t p = 0; p < n; p++) {
		json_t *j = cli_json_peer(&peers[p]);

		json_array_foreach(known, i, k)
			if (json_integer_value(json_object_get(k, "id")) == peers[p].id)
				json_object_update_missing(j, k);
		json_array_append_new(list, j);
	}
	json_array_foreach(known, i, k) {
		json_int_t id = json_integer_value(json_object_get(k, "id"));
		bool is_new = true;

		for (size_t p = 0; p < n; p++)
			is_new &= id != peers[p].id;
		if (is_new)
			json_array_append(list, k);
	}
	return list;
}

static void list_print(json_t *list)
{
	TABLE_CLEAN struct table t = { .color = cli.color };
	char a[FORMAT_LEN], b[FORMAT_LEN], c[FORMAT_LEN];
	json_t *j;
	size_t i;

	table_head(&t, "ID>", "NAME", "ADDRESS", "STATE", "CONNS>", "RTT>", "BORROWED>", "USED>", "LENT>",
		   "ERRORS>", NULL);
	json_array_foreach(list, i, j) {
		const char *state = json_string_value(json_object_get(j, "state")) ? : "?";
		bool is_live = !strcmp(state, "live"), late = json_is_true(json_object_get(j, "suspect"));
		json_int_t errors = json_integer_value(json_object_get(j, "errors"));

		table_cell(&t, 0, "%lld", (long long)json_integer_value(json_object_get(j, "id")));
		table_cell(&t, 0, "%s", json_string_value(json_object_get(j, "name")) ? : "-");
		table_cell(&t, 0, "%s", json_string_value(json_object_get(j, "address")) ? : "-");
		table_cell(&t, late ? TABLE_YELLOW : is_live ? TABLE_GREEN : TABLE_RED, "%s%s%s", state,
			   late ? ", late" : "",
			   json_is_true(json_object_get(j, "draining")) ? ", draining" :
			   json_is_true(json_object_get(j, "they_drain")) ? ", leaving" : "");
		table_cell(&t, 0, "%lld", (long long)json_integer_value(json_object_get(j, "connections")));
		table_cell(&t, 0, "%lld us", (long long)json_integer_value(json_object_get(j, "rtt_us")));
		table_cell(&t, 0, "%s", size_format(json_integer_value(json_object_get(j, "borrowed")), a));
		table_cell(&t, 0, "%s",
			   size_format(json_integer_value(json_object_get(j, "borrowed_used")), b));
		table_cell(&t, 0, "%s", size_format(json_integer_value(json_object_get(j, "lent")), c));
		table_cell(&t, cli_bad(errors, TABLE_RED), "%lld", (long long)errors);
	}
	if (!table_rows(&t))
		puts("No peers. \"hyperchain peer add ID ADDRESS\" connects to one.");
	else
		table_print(&t, stdout);
}

static int peer_list(int argc, char **argv)
{
	static const struct argp argp = {
		.doc = "List the nodes that this one connects to.", .children = cli_json_option,
	};
	json_auto_t *known = NULL, *list = NULL;
	HCNL_CLEAN struct hcnl *h = NULL;
	struct hcnl_peer *peers = NULL;
	char why[512];
	size_t n = 0;
	int r;

	cli_parse(&argp, argc, argv, NULL);
	h = cli_try_open();
	r = cli_ask_list(h, CLI_ASK_MS, "peer.list", "peers", &known);
	if (!h && r < 0) {
		hcnl_missing_reason(why, sizeof(why));
		cli_fail("%s", why);
		return cli_fail("%s", cli_ask_error());
	}
	if (h && hcnl_peer_list(h, &peers, &n) < 0)
		return cli_fail("%s", hcnl_error(h));
	list = merge(known, peers, n);
	free(peers);
	if (cli.json)
		return cli_json(json_pack("{s:O}", "peers", list));
	list_print(list);
	return CLI_OK;
}

int cmd_peer(int argc, char **argv)
{
	static const struct cli_cmd verbs[] = {
		{ "add", peer_add, "connect to another node" },
		{ "del", peer_del, "forget a node" },
		{ "list", peer_list, "the nodes connected to, with their health" },
		{ NULL, NULL, NULL }
	};

	return cli_verbs("peer", verbs, argc, argv);
}
