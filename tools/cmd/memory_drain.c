// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * memory drain: lend nothing more and call everything back; or, with --peer,
 * move this node's own pages off a donor. Both go on by themselves in the
 * module; --wait only watches.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "cmd.h"
#include "format.h"

#define POLL_MS 500

enum { OPT_OFF = 'o', OPT_PEER = 'p', OPT_WAIT = 'w', OPT_TIMEOUT = 't' };

struct args {
	bool off, wait;
	uint32_t peer;
	uint64_t timeout_s;	/* 0 = none */
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case OPT_OFF:
		a->off = true;
		return 0;
	case OPT_WAIT:
		a->wait = true;
		return 0;
	case OPT_PEER:
		a->peer = cli_number_arg(state, "The peer", arg, 1, INT32_MAX);
		return 0;
	case OPT_TIMEOUT:
		a->timeout_s = cli_number_arg(state, "The timeout", arg, 1, 1000000);
		return 0;
	case ARGP_KEY_END:
		if (a->off && a->wait)
			argp_error(state, "--off ends a drain: there is nothing to wait for.");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* Bytes that have to move yet. */
static int left_get(struct hcnl *h, const struct args *a, uint64_t *ret_left)
{
	struct hcnl_peer peer;
	struct hcnl_pool pool;
	int r;

	if (a->peer) {
		r = hcnl_peer_get(h, a->peer, &peer);
		if (r == 0)
			*ret_left = peer.used > peer.slabs ? peer.used : peer.slabs;
	} else {
		r = hcnl_pool_get(h, &pool);
		if (r == 0)
			*ret_left = pool.lent;
	}
	return r;
}

static int set(struct hcnl *h, const struct args *a)
{
	struct hcnl_pool_set pool = { .set_drain = true, .drain = !a->off };
	int r;

	if (a->peer)
		return hcnl_peer_drain(h, a->peer, !a->off) < 0 ? cli_fail("%s", hcnl_error(h)) : CLI_OK;
	r = cli_ask(h, json_pack("{s:s s:b}", "do", "memory.drain", "on", !a->off), NULL);
	if (r == 0)
		return CLI_OK;
	if (r != -ENOTCONN)
		return cli_fail("%s", cli_ask_error());
	if (hcnl_pool_set(h, &pool) < 0)
		return cli_fail("%s", hcnl_error(h));
	cli_note("no daemon is running: this holds until the module is unloaded.");
	return CLI_OK;
}

static int wait_empty(struct hcnl *h, const struct args *a, uint64_t total)
{
	struct cli_progress progress = { 0 };
	time_t began = time(NULL);
	uint64_t left = total;
	char buf[FORMAT_LEN];
	int r;

	for (;;) {
		r = left_get(h, a, &left);
		if (r < 0 || !left)
			break;
		if (left > total)
			total = left;
		if (a->timeout_s && (uint64_t)(time(NULL) - began) >= a->timeout_s) {
			r = -ETIMEDOUT;
			break;
		}
		cli_progress(&progress, a->peer ? "moving pages away" : "calling memory back", total - left,
			     total);
		poll(NULL, 0, POLL_MS);
	}
	cli_progress_end(&progress);
	if (r == -ETIMEDOUT)
		return cli_fail("%s are left after %llu s; the drain goes on (\"--off\" ends it).",
				size_format(left, buf), (unsigned long long)a->timeout_s);
	return r < 0 ? cli_fail("%s", hcnl_error(h)) : CLI_OK;
}

static int plan(const struct args *a, uint64_t left)
{
	char buf[FORMAT_LEN];

	if (cli.json)
		return cli_json(json_pack("{s:b s:b s:I s:I}", "dry_run", 1, "on", !a->off, "peer",
					  (json_int_t)a->peer, "left", (json_int_t)left));
	if (a->off)
		puts("Would end the drain.");
	else if (a->peer)
		printf("Would move %s of this node's pages off node %u.\n", size_format(left, buf), a->peer);
	else
		printf("Would lend nothing more and call %s back.\n", size_format(left, buf));
	return CLI_OK;
}

static void tell(const struct args *a, uint64_t left)
{
	char buf[FORMAT_LEN];

	if (a->off)
		puts("The drain is ended.");
	else if (!left && a->peer)
		printf("Node %u holds nothing of this node: it can go.\n", a->peer);
	else if (!left)
		puts("This node lends nothing: it can go.");
	else
		printf("%s have to move yet; \"--wait\" watches, \"hyperchain memory show\" tells.\n",
		       size_format(left, buf));
}

int cmd_memory_drain(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "peer", OPT_PEER, "ID", 0, "Move this node's pages off the donor ID instead", 0 },
		{ "off", OPT_OFF, NULL, 0, "End the drain", 0 },
		{ "wait", OPT_WAIT, NULL, 0, "Wait, with progress, until nothing is left", 0 },
		{ "timeout", OPT_TIMEOUT, "SECONDS", 0, "With --wait: give up after this long", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		.options = options, .parser = parse,
		.doc = "Lend nothing more and call all lent memory back, so that this node can go.",
		.children = cli_change_options,
	};
	HCNL_CLEAN struct hcnl *h = NULL;
	struct args a = { 0 };
	uint64_t left = 0;

	cli_parse(&argp, argc, argv, &a);
	if (cli_open(&h))
		return CLI_FAILED;
	if (left_get(h, &a, &left) < 0)
		return cli_fail("%s", hcnl_error(h));
	if (cli.dry_run)
		return plan(&a, left);
	if (set(h, &a))
		return CLI_FAILED;
	if (a.wait && wait_empty(h, &a, left))
		return CLI_FAILED;
	if (!a.off && left_get(h, &a, &left) < 0)
		return cli_fail("%s", hcnl_error(h));
	if (cli.json)
		return cli_json(json_pack("{s:b s:b s:I}", "ok", 1, "on", !a.off, "left", (json_int_t)left));
	tell(&a, left);
	return CLI_OK;
}
