// SPDX-License-Identifier: GPL-2.0-or-later
/* migrate PID NODE; migrate --check PID. */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "cli.h"
#include "cmd.h"
#include "format.h"

#define POLL_MS 20

enum { OPT_CHECK = 'c', OPT_WAIT = 'w', OPT_WHOLE = 'W' };

struct args {
	bool check, wait, whole;
	uint32_t pid, node;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case OPT_CHECK:
		a->check = true;
		return 0;
	case OPT_WAIT:
		a->wait = true;
		return 0;
	case ARGP_KEY_ARG:
		if (!a->pid)
			a->pid = cli_number_arg(state, "The process id", arg, 1, 1 << 22);
		else if (!a->node && !a->check)
			a->node = cli_number_arg(state, "The node", arg, 1, UINT32_MAX);
		else
			return ARGP_ERR_UNKNOWN;
		return 0;
	case ARGP_KEY_END:
		if (!a->pid)
			argp_error(state, "Which process? Give its id.");
		if (!a->node && !a->check)
			argp_error(state, "To which node? Give its id (\"hyperchain node list\").");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static int check(struct hcnl *h, const struct args *a)
{
	static char reasons[HCNL_REASONS_MAX][HCNL_TEXT_LEN];
	json_t *list;
	size_t n;

	if (hcnl_move_check(h, a->pid, reasons, &n) < 0)
		return cli_fail("%s", hcnl_error(h));
	if (cli.json) {
		list = json_array();
		for (size_t i = 0; i < n; i++)
			json_array_append_new(list, json_string(reasons[i]));
		cli_json(json_pack("{s:b s:I s:o}", "can_move", n == 0, "pid", (json_int_t)a->pid,
				   "reasons", list));
		return n ? CLI_FAILED : CLI_OK;
	}
	if (!n) {
		printf("Process %u can move.\n", a->pid);
		return CLI_OK;
	}
	printf("Process %u can't move:\n", a->pid);
	for (size_t i = 0; i < n; i++)
		printf("  %s\n", reasons[i]);
	return CLI_FAILED;
}

/* The module only says that it can't: here is why. */
static int refused(struct hcnl *h, const struct args *a)
{
	static char reasons[HCNL_REASONS_MAX][HCNL_TEXT_LEN];
	char why[256];
	size_t n = 0;

	snprintf(why, sizeof(why), "%s", hcnl_error(h));
	if (!cli.json) {
		check(h, a);
		return cli_fail("%s", why);
	}
	hcnl_move_check(h, a->pid, reasons, &n);
	cli_json(json_pack("{s:b s:I s:I s:s s:s}", "ok", 0, "pid", (json_int_t)a->pid, "node",
			   (json_int_t)a->node, "state", "stayed", "reason", n ? reasons[0] : why));
	return CLI_FAILED;
}

static bool is_decided(const struct hcnl_move *m, const struct args *a)
{
	switch (m->state) {
	case HC_MOVE_AWAY:
		return !a->wait;
	case HC_MOVE_SETTLED:
	case HC_MOVE_STAYED:
	case HC_MOVE_OVER:
		return true;
	default:
		return false;
	}
}

static int watch(struct hcnl *h, const struct args *a, uint64_t id, struct hcnl_move *ret)
{
	struct cli_progress progress = { 0 };
	int r;

	for (;;) {
		r = hcnl_move_get(h, id, ret);
		if (r < 0 || is_decided(ret, a))
			break;
		if (ret->state == HC_MOVE_AWAY)
			cli_progress(&progress, "fetching its memory", ret->memory - ret->left,
				     ret->memory);
		else if (ret->state == HC_MOVE_DOUBT)
			cli_progress(&progress, "waiting for the other node's word", 0, 0);
		poll(NULL, 0, POLL_MS);
	}
	cli_progress_end(&progress);
	return r;
}

static int move(struct hcnl *h, const struct args *a)
{
	struct hcnl_move m;
	uint64_t id;
	bool moved;
	int r;

	r = hcnl_move_start(h, a->pid, a->node, a->whole, &id);
	if (r == -EOPNOTSUPP)
		return refused(h, a);
	if (r < 0)
		return cli_fail("%s", hcnl_error(h));
	if (watch(h, a, id, &m) < 0)
		return cli_fail("%s", hcnl_error(h));
	moved = m.state != HC_MOVE_STAYED;
	if (cli.json) {
		cli_json(json_pack("{s:b s:I s:I s:s s:s s:I s:I}", "ok", moved, "pid",
				   (json_int_t)a->pid, "node", (json_int_t)a->node, "state",
				   hcnl_move_state_name(m.state), "reason", m.reason, "memory",
				   (json_int_t)m.memory, "stopped_us", (json_int_t)m.stop_us));
		return moved ? CLI_OK : CLI_FAILED;
	}
	if (!moved)
		return cli_fail("Process %u stays here: %s.", a->pid, m.reason);
	printf("Process %u (%s) runs on node %u; it stood still for %.1f ms.\n", a->pid, m.comm,
	       a->node, m.stop_us / 1000.0);
	return CLI_OK;
}

int cmd_migrate(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "check", OPT_CHECK, NULL, 0, "Only say whether it can move, or why not", 0 },
		{ "wait", OPT_WAIT, NULL, 0, "Return when its memory has arrived too", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		.options = options, .parser = parse, .args_doc = "PID NODE\n--check PID",
		.doc = "Move a running program to another node. Its parent and its terminal keep it.",
		.children = cli_change_options,
	};
	HCNL_CLEAN struct hcnl *h = NULL;
	struct args a = { 0 };

	cli_parse(&argp, argc, argv, &a);
	if (cli_open(&h))
		return CLI_FAILED;
	return a.check || cli.dry_run ? check(h, &a) : move(h, &a);
}
