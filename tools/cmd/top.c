// SPDX-License-Identifier: GPL-2.0-or-later
/* top: the memories of the nodes, live. Plain ANSI; drawing is in top_draw.c. */
#include <errno.h>
#include <langinfo.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <sys/ioctl.h>

#include "attrs.h"
#include "cli.h"
#include "cmd.h"
#include "format.h"
#include "top.h"

#define ASK_MS		1500	/* a daemon that is slower is left out of this picture */
#define ALT_ON		"\033[?1049h\033[?25l"
#define ALT_OFF		"\033[?25h\033[?1049l"

enum { OPT_ONCE = '1', OPT_INTERVAL = 'i' };

struct args {
	bool once;
	uint64_t interval_ms;
};

static volatile sig_atomic_t is_ended, is_resized;
static struct termios saved;
static bool is_raw;

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case OPT_ONCE:
		a->once = true;
		return 0;
	case OPT_INTERVAL:
		a->interval_ms = cli_number_arg(state, "The interval", arg, 100, 60000);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* ---- sampling ------------------------------------------------------------- */

static uint64_t clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static void picture_free(struct top_picture *p)
{
	free(p->nodes);
	free(p->envs);
	*p = (struct top_picture){ 0 };
}

/* What the daemon heard from the other nodes about their memory. */
static void add_memory(struct hcnl *h, struct top_picture *p)
{
	json_auto_t *nodes = NULL;
	json_t *node;
	size_t k;

	p->has_daemon = !cli_ask_list(h, ASK_MS, "node.list", "nodes", &nodes);
	json_array_foreach(nodes, k, node)
		for (size_t i = 1; i < p->nr_nodes; i++) {
			struct top_node *n = &p->nodes[i];

			if (json_integer_value(json_object_get(node, "id")) != n->id)
				continue;
			n->total = json_integer_value(json_object_get(node, "memory_total"));
			n->available = json_integer_value(json_object_get(node, "memory_available"));
			n->lends = json_integer_value(json_object_get(node, "lends"));
			n->lent = json_integer_value(json_object_get(node, "lent"));
			n->has_memory = n->total > 0;
		}
}

static int take_nodes(struct hcnl *h, struct top_picture *p)
{
	struct hcnl_peer *peers = NULL;
	struct hcnl_node node;
	size_t n = 0;

	if (hcnl_node_get(h, &node) < 0 || hcnl_pool_get(h, &p->pool) < 0 ||
	    hcnl_peer_list(h, &peers, &n) < 0)
		return cli_fail("%s", hcnl_error(h));
	p->nodes = calloc(n + 1, sizeof(*p->nodes));
	if (!p->nodes) {
		free(peers);
		return cli_fail("Out of memory.");
	}
	p->nr_nodes = n + 1;
	p->nodes[0] = (struct top_node){
		.id = node.id, .is_self = true, .has_memory = true, .total = node.mem_total,
		.available = node.mem_available, .lends = p->pool.limit, .lent = p->pool.lent,
	};
	memcpy(p->nodes[0].name, node.name, sizeof(node.name));
	for (size_t i = 0; i < n; i++) {
		p->nodes[i + 1].id = peers[i].id;
		p->nodes[i + 1].peer = peers[i];
		memcpy(p->nodes[i + 1].name, peers[i].name, sizeof(peers[i].name));
	}
	free(peers);
	return CLI_OK;
}

static int picture_take(struct hcnl *h, struct top_picture *p)
{
	int r;

	p->time_ns = clock_ns(CLOCK_REALTIME);
	if (take_nodes(h, p))
		return CLI_FAILED;
	add_memory(h, p);
	if (hcnl_env_list(h, &p->envs, &p->nr_envs) < 0)
		return cli_fail("%s", hcnl_error(h));
	r = hcnl_disk_get(h, &p->disk);
	if (r < 0 && r != -ENODEV)
		return cli_fail("%s", hcnl_error(h));
	p->has_disk = r == 0;
	return CLI_OK;
}

/* Counters start again when a peer or the disk is made anew. */
static uint64_t rate(uint64_t now, uint64_t before, uint64_t ns)
{
	return now > before && ns ? (now - before) * 1000000000.0 / ns + 0.5 : 0;
}

static void picture_rates(struct top_picture *p, const struct top_picture *old)
{
	uint64_t ns = p->time_ns > old->time_ns ? p->time_ns - old->time_ns : 0;

	for (size_t i = 0; i < p->nr_nodes; i++)
		for (size_t k = 0; k < old->nr_nodes; k++) {
			struct top_node *n = &p->nodes[i];
			const struct hcnl_peer *was = &old->nodes[k].peer;

			if (n->id != old->nodes[k].id)
				continue;
			n->read_rate = rate(n->peer.reads, was->reads, ns);
			n->write_rate = rate(n->peer.writes, was->writes, ns);
			n->served_read_rate = rate(n->peer.served_reads, was->served_reads, ns);
			n->served_write_rate = rate(n->peer.served_writes, was->served_writes, ns);
		}
	if (p->has_disk && old->has_disk) {
		p->disk_read_rate = rate(p->disk.reads, old->disk.reads, ns);
		p->disk_write_rate = rate(p->disk.writes, old->disk.writes, ns);
	}
}

/* ---- output --------------------------------------------------------------- */

static json_t *picture_json(const struct top_picture *p)
{
	json_t *nodes = json_array(), *envs = json_array(), *disk = json_null();
	char when[FORMAT_LEN];

	for (size_t i = 0; i < p->nr_nodes; i++) {
		const struct top_node *n = &p->nodes[i];
		json_t *j = json_pack("{s:I s:s s:b}", "id", (json_int_t)n->id, "name", n->name, "self",
				      n->is_self);

		if (n->has_memory)
			json_object_update_new(j, json_pack("{s:I s:I s:I s:I}", "memory_total",
				(json_int_t)n->total, "memory_available", (json_int_t)n->available,
				"lends", (json_int_t)n->lends, "lent", (json_int_t)n->lent));
		if (!n->is_self)
			json_object_update_new(j, json_pack("{s:o s:I s:I s:I s:I}", "peer",
				cli_json_peer(&n->peer), "reads_per_s", (json_int_t)n->read_rate,
				"writes_per_s", (json_int_t)n->write_rate, "served_reads_per_s",
				(json_int_t)n->served_read_rate, "served_writes_per_s",
				(json_int_t)n->served_write_rate));
		json_array_append_new(nodes, j);
	}
	for (size_t i = 0; i < p->nr_envs; i++)
		json_array_append_new(envs, cli_json_env(&p->envs[i]));
	if (p->has_disk) {
		disk = cli_json_of(hcnl_disk_fields, &p->disk);
		json_object_update_new(disk, json_pack("{s:I s:I}", "reads_per_s",
			(json_int_t)p->disk_read_rate, "writes_per_s", (json_int_t)p->disk_write_rate));
	}
	return json_pack("{s:s s:b s:o s:o s:o s:o}", "time", time_format(p->time_ns, when), "daemon",
			 p->has_daemon, "nodes", nodes, "pool", cli_json_of(hcnl_pool_fields, &p->pool),
			 "disk", disk, "envs", envs);
}

static struct top_style style_get(bool is_screen)
{
	struct top_style s = {
		.cols = 100, .color = cli.color, .utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8"),
	};
	const char *columns = getenv("COLUMNS");
	struct winsize w;

	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) && w.ws_col) {
		s.cols = w.ws_col;
		s.rows = is_screen ? w.ws_row : 0;
	} else if (columns && atoi(columns) > 0) {
		s.cols = atoi(columns);
	}
	if (s.cols < 20)
		s.cols = 20;
	return s;
}

static int print_once(const struct top_picture *p)
{
	struct top_style style = style_get(false);
	struct top_lines lines = { 0 };

	top_draw(p, &style, &lines);
	for (size_t i = 0; i < lines.n; i++)
		puts(lines.line[i]);
	top_lines_free(&lines);
	return fflush(stdout) ? CLI_FAILED : CLI_OK;
}

/* In one write(2), each line erased behind its end: nothing flickers. */
static int print_screen(const struct top_picture *p, bool clear)
{
	struct top_style style = style_get(true);
	struct top_lines lines = { 0 };

	top_draw(p, &style, &lines);
	fputs(clear ? "\033[2J\033[H" : "\033[H", stdout);
	for (size_t i = 0; i < lines.n; i++)
		printf("%s\033[K%s", lines.line[i], i + 1 < lines.n ? "\r\n" : "");
	fputs("\033[J", stdout);
	top_lines_free(&lines);
	return fflush(stdout) ? CLI_FAILED : CLI_OK;
}

/* ---- terminal ------------------------------------------------------------- */

static void on_signal(int sig)
{
	if (sig == SIGWINCH)
		is_resized = 1;
	else
		is_ended = 1;
}

static void terminal_off(void)
{
	if (!is_raw)
		return;
	is_raw = false;
	fputs(ALT_OFF, stdout);
	fflush(stdout);
	tcsetattr(STDIN_FILENO, TCSANOW, &saved);
}

static void terminal_on(void)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP, SIGWINCH };
	struct sigaction sa = { .sa_handler = on_signal };
	struct termios t;

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		sigaction(ends[i], &sa, NULL);
	if (!tcgetattr(STDIN_FILENO, &saved)) {
		t = saved;
		t.c_lflag &= ~(ICANON | ECHO);
		tcsetattr(STDIN_FILENO, TCSANOW, &t);
	}
	is_raw = true;
	atexit(terminal_off);
	setvbuf(stdout, NULL, _IOFBF, 64 * 1024);
	fputs(ALT_ON, stdout);
}

/* Until @until (monotonic): false when the user or a signal ends it. */
static bool wait_for_key(uint64_t until)
{
	while (!is_ended && !is_resized) {
		uint64_t now = clock_ns(CLOCK_MONOTONIC);
		struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
		char key;

		if (now >= until)
			return true;
		if (poll(&p, 1, (until - now) / 1000000 + 1) <= 0)
			continue;
		if (p.revents & (POLLERR | POLLNVAL) || read(STDIN_FILENO, &key, 1) <= 0)
			return false;
		if (key == 'q' || key == 'Q' || key == 3)
			return false;
		if (key == ' ')
			return true;
	}
	return !is_ended;
}

static int watch(struct hcnl *h, const struct args *a, struct top_picture *old)
{
	bool clear = true;
	int rc = CLI_OK;

	terminal_on();
	while (rc == CLI_OK) {
		uint64_t next = clock_ns(CLOCK_MONOTONIC) + a->interval_ms * 1000000;
		struct top_picture now = { 0 };

		if (picture_take(h, &now)) {
			picture_free(&now);
			rc = CLI_FAILED;
			break;
		}
		picture_rates(&now, old);
		picture_free(old);
		*old = now;
		rc = print_screen(old, clear);
		clear = is_resized;
		is_resized = 0;
		if (!wait_for_key(next))
			break;
		clear |= is_resized;
	}
	terminal_off();
	return rc;
}

int cmd_top(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "once", OPT_ONCE, NULL, 0, "One picture, for scripts; rates are over one interval", 0 },
		{ "interval", OPT_INTERVAL, "MS", 0, "Time between pictures (default 1000)", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		.options = options, .parser = parse,
		.doc = "Show the memories of the nodes live: what is theirs, what they lend, what this node "
		       "borrows. q quits, space draws at once. --json means --once.",
		.children = cli_json_option,
	};
	struct args a = { .interval_ms = 1000 };
	struct top_picture old = { 0 }, now = { 0 };
	HCNL_CLEAN struct hcnl *h = NULL;
	int rc;

	cli_parse(&argp, argc, argv, &a);
	a.once |= cli.json;
	if (!a.once && !isatty(STDOUT_FILENO))
		return cli_fail("This is no terminal: use --once or --json.");
	if (cli_open(&h) || picture_take(h, &old)) {
		picture_free(&old);
		return CLI_FAILED;
	}
	if (!a.once) {
		rc = watch(h, &a, &old);
		picture_free(&old);
		return rc;
	}
	poll(NULL, 0, a.interval_ms);
	rc = picture_take(h, &now);
	picture_rates(&now, &old);
	if (rc == CLI_OK)
		rc = cli.json ? cli_json(picture_json(&now)) : print_once(&now);
	picture_free(&old);
	picture_free(&now);
	return rc;
}
