// SPDX-License-Identifier: GPL-2.0-or-later
/* events: what the cluster decided; or what the module tells, which keeps no history. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "attrs.h"
#include "cli.h"
#include "cmd.h"
#include "format.h"
#include "table.h"

enum {
	OPT_FOLLOW = 'f', OPT_COUNT = 'c', OPT_TIMEOUT = 't', OPT_MODULE = 'm', OPT_RULE = 'r',
	OPT_USER = 'u'
};

struct args {
	uint64_t count;		/* 0 = no limit */
	uint64_t timeout_s;	/* 0 = none */
	const char *rule, *user;
	bool of_module, is_following;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case OPT_FOLLOW:
		a->is_following = true;
		return 0;
	case OPT_MODULE:
		a->of_module = true;
		return 0;
	case OPT_RULE:
		if (arg[0] != 'R' || strlen(arg) > 3)
			argp_error(state, "\"%s\" is no rule like R10.", arg);
		a->rule = arg;
		return 0;
	case OPT_USER:
		a->user = arg;
		return 0;
	case ARGP_KEY_END:
		if (a->of_module && (a->rule || a->user))
			argp_error(state, "The module's events have no rule and no user.");
		return 0;
	case OPT_COUNT:
		a->count = cli_number_arg(state, "The count", arg, 1, UINT32_MAX);
		return 0;
	case OPT_TIMEOUT:
		a->timeout_s = cli_number_arg(state, "The timeout", arg, 1, 1000000);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static int color_of(uint32_t kind)
{
	switch (kind) {
	case HC_EV_PEER_LIVE:
	case HC_EV_REPAIRED:
	case HC_EV_DRAINED:
		return TABLE_GREEN;
	case HC_EV_PEER_LOST:
	case HC_EV_PEER_DROPPED:
	case HC_EV_PAGES_LOST:
	case HC_EV_READ_FAILED:
	case HC_EV_BAD_SUM:
	case HC_EV_DAEMON_GONE:
	case HC_EV_BACKING_ERROR:
	case HC_EV_DEGRADED:
		return TABLE_RED;
	}
	return TABLE_YELLOW;
}

static void print_text(const struct hcnl_event *ev)
{
	char when[FORMAT_LEN], text[HC_TEXT_LEN + 1], name[40];
	const char *kind = hcnl_event_name(ev->kind);

	if (!strcmp(kind, "unknown"))
		snprintf(name, sizeof(name), "event-%u", ev->kind);
	else
		snprintf(name, sizeof(name), "%s", kind);
	printf("%s  ", time_format(ev->time_ns, when));
	if (cli.color)
		printf("\033[%dm%-13s\033[0m", color_of(ev->kind), name);
	else
		printf("%-13s", name);
	if (ev->peer)
		printf("  node %u", ev->peer);
	if (ev->env)
		printf("  env %u", ev->env);
	if (ev->count)
		printf("  %llu", (unsigned long long)ev->count);
	printf("  %s\n", text_clean(ev->text, text, sizeof(text)));
}

/* One object a line, so that programs can read as they come. */
static void print_json(const struct hcnl_event *ev)
{
	json_auto_t *j = cli_json_of(hcnl_event_fields, ev);
	char when[FORMAT_LEN];

	json_object_set_new(j, "time", json_string(time_format(ev->time_ns, when)));
	json_object_set_new(j, "kind", json_string(hcnl_event_name(ev->kind)));
	json_object_set_new(j, "kind_number", json_integer(ev->kind));
	json_dumpf(j, stdout, JSON_COMPACT);
	putchar('\n');
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static int follow(struct hcnl *h, const struct args *a)
{
	int64_t until = now_ms() + (int64_t)a->timeout_s * 1000;
	uint64_t seen = 0, seq = 0;

	while (!a->count || seen < a->count) {
		int64_t left = a->timeout_s ? until - now_ms() : -1;
		struct hcnl_event ev;
		int r;

		if (a->timeout_s && left <= 0)
			/* Waiting for a number of events that did not come is a failure. */
			return !a->count ? CLI_OK :
				cli_fail("Only %llu of %llu events came in %llu s.",
					 (unsigned long long)seen, (unsigned long long)a->count,
					 (unsigned long long)a->timeout_s);
		r = hcnl_event_next(h, &ev, left);
		if (r == -EAGAIN || r == -EINTR || r == -ENOBUFS)
			continue;
		if (r < 0)
			return cli_fail("Cannot read events: %s.", strerror(-r));
		if (seq && ev.seq > seq + 1)
			cli_note("%llu events were missed.", (unsigned long long)(ev.seq - seq - 1));
		seq = ev.seq;
		seen++;
		if (cli.json)
			print_json(&ev);
		else
			print_text(&ev);
		if (fflush(stdout))
			return CLI_FAILED;
	}
	return CLI_OK;
}

int cmd_events(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "follow", OPT_FOLLOW, NULL, 0, "Go on until interrupted (of the module: always)", 0 },
		{ "rule", OPT_RULE, "RULE", 0, "Decisions by this rule only, like R10", 0 },
		{ "user", OPT_USER, "USER", 0, "Decisions about this user only", 0 },
		{ "module", OPT_MODULE, NULL, 0, "What this node's module tells, instead of the cluster's log", 0 },
		{ "count", OPT_COUNT, "N", 0, "End after N events", 0 },
		{ "timeout", OPT_TIMEOUT, "SECONDS", 0,
		  "End after this long; an error if --count were not reached", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		.options = options, .parser = parse,
		.doc = "Show what the cluster decided, oldest first; 'hyperchain explain ID' tells why. With --module: events of this node's module as they happen; what happened before is not kept.",
		.children = cli_json_option,
	};
	HCNL_CLEAN struct hcnl *h = NULL;
	struct args a = { 0 };
	int r;

	cli_parse(&argp, argc, argv, &a);
	if (!a.of_module)
		return cmd_events_cluster(a.rule, a.user, a.is_following, a.count, a.timeout_s);
	r = hcnl_events_open(&h);
	if (r == -EPERM)
		return cli_fail("Events need CAP_NET_ADMIN: run this as root.");
	if (r == -ENOENT || r == -EPROTONOSUPPORT) {
		HCNL_CLEAN struct hcnl *again = NULL;

		/* For its sentence. */
		if (cli_open(&again))
			return CLI_FAILED;
	}
	if (r < 0)
		return cli_fail("Cannot listen to events: %s.", strerror(-r));
	return follow(h, &a);
}
