// SPDX-License-Identifier: GPL-2.0-or-later
/* memory donate; the other verbs have files of their own. */
#include <errno.h>
#include <string.h>

#include "attrs.h"
#include "cli.h"
#include "cmd.h"
#include "format.h"

#define OPT_RESERVE 'r'

struct args {
	bool has_bytes, has_reserve;
	uint64_t bytes, reserve;
};

static error_t parse_donate(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case OPT_RESERVE:
		a->reserve = cli_size_arg(state, arg);
		a->has_reserve = true;
		return 0;
	case ARGP_KEY_ARG:
		if (a->has_bytes)
			return ARGP_ERR_UNKNOWN;
		a->bytes = cli_size_arg(state, arg);
		a->has_bytes = true;
		if (a->bytes > HC_POOL_SIZE_MAX)
			argp_error(state, "More than 64 TiB can't be lent.");
		return 0;
	case ARGP_KEY_END:
		if (!a->has_bytes)
			argp_error(state, "How much? Give a SIZE such as 2G; 0 lends nothing.");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static int donate_plan(struct hcnl *h, const struct args *a)
{
	char now[FORMAT_LEN], then[FORMAT_LEN], lent[FORMAT_LEN];
	struct hcnl_pool pool;

	if (hcnl_pool_get(h, &pool) < 0)
		return cli_fail("%s", hcnl_error(h));
	if (cli.json)
		return cli_json(json_pack("{s:b s:o s:I s:I}", "dry_run", 1, "pool",
					  cli_json_of(hcnl_pool_fields, &pool), "limit",
					  (json_int_t)a->bytes, "reserve", (json_int_t)
					  (a->has_reserve ? a->reserve : pool.reserve)));
	printf("Would lend at most %s (now %s).\n", size_format(a->bytes, then),
	       size_format(pool.limit, now));
	if (a->has_reserve)
		printf("Would keep %s available for this node (now %s).\n", size_format(a->reserve, then),
		       size_format(pool.reserve, now));
	if (pool.lent > a->bytes)
		printf("Would call back %s that are lent now.\n", size_format(pool.lent - a->bytes, lent));
	return CLI_OK;
}

static int donate_in_module(struct hcnl *h, const struct args *a)
{
	struct hcnl_pool_set set = {
		.set_limit = true, .limit = a->bytes,
		.set_reserve = a->has_reserve, .reserve = a->reserve,
		/* Lending again is the end of a drain. */
		.set_drain = a->bytes > 0, .drain = false,
	};

	if (hcnl_pool_set(h, &set) < 0)
		return cli_fail("%s", hcnl_error(h));
	cli_note("no daemon is running: this holds until the module is unloaded.");
	return CLI_OK;
}

static int memory_donate(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "reserve", OPT_RESERVE, "SIZE", 0,
		  "Keep this much available for this node: below it, lent memory is called back", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		.options = options, .parser = parse_donate, .args_doc = "SIZE",
		.doc = "Lend at most SIZE of this node's memory to others. It is taken only as they need it. "
		       "Less than is lent now calls the difference back.",
		.children = cli_change_options,
	};
	HCNL_CLEAN struct hcnl *h = NULL;
	struct args a = { 0 };
	char buf[FORMAT_LEN];
	json_t *req;
	int r;

	cli_parse(&argp, argc, argv, &a);
	if (cli_open(&h))
		return CLI_FAILED;
	if (cli.dry_run)
		return donate_plan(h, &a);
	req = json_pack("{s:s s:I}", "do", "memory.donate", "bytes", (json_int_t)a.bytes);
	if (a.has_reserve)
		json_object_set_new(req, "reserve", json_integer(a.reserve));
	r = cli_ask(h, req, NULL);
	if (r == -ENOTCONN) {
		if (donate_in_module(h, &a))
			return CLI_FAILED;
	} else if (r < 0) {
		return cli_fail("%s", cli_ask_error());
	}
	if (cli.json)
		return cli_json(json_pack("{s:b s:I}", "ok", 1, "limit", (json_int_t)a.bytes));
	if (a.bytes)
		printf("This node lends at most %s.\n", size_format(a.bytes, buf));
	else
		puts("This node lends nothing more.");
	return CLI_OK;
}

int cmd_memory(int argc, char **argv)
{
	static const struct cli_cmd verbs[] = {
		{ "show", cmd_memory_show, "who lends what to whom, and is it well" },
		{ "donate", memory_donate, "lend memory of this node" },
		{ "drain", cmd_memory_drain, "take lent memory back, or leave a donor" },
		{ "swap", cmd_memory_swap, "use other nodes' memory as swap: on, off" },
		{ NULL, NULL, NULL }
	};

	return cli_verbs("memory", verbs, argc, argv);
}
