// SPDX-License-Identifier: GPL-2.0-or-later
/* memory show: who lends what to whom, with its health. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attrs.h"
#include "cli.h"
#include "cmd.h"
#include "format.h"
#include "swap.h"
#include "table.h"

struct picture {
	struct hcnl_node node;
	struct hcnl_pool pool;
	struct hcnl_disk disk;
	bool has_disk, is_swap;
	uint64_t swap_used;
	struct hcnl_peer *peers;
	struct hcnl_lease *leases;
	struct hcnl_env *envs;
	size_t nr_peers, nr_leases, nr_envs;
};

static void picture_free(struct picture *p)
{
	free(p->peers);
	free(p->leases);
	free(p->envs);
}

static int picture_take(struct hcnl *h, struct picture *p)
{
	int r;

	if (hcnl_node_get(h, &p->node) < 0 || hcnl_pool_get(h, &p->pool) < 0 ||
	    hcnl_peer_list(h, &p->peers, &p->nr_peers) < 0 ||
	    hcnl_lease_list(h, &p->leases, &p->nr_leases) < 0 ||
	    hcnl_env_list(h, &p->envs, &p->nr_envs) < 0)
		return cli_fail("%s", hcnl_error(h));
	r = hcnl_disk_get(h, &p->disk);
	if (r < 0 && r != -ENODEV)
		return cli_fail("%s", hcnl_error(h));
	p->has_disk = r == 0;
	hcnl_swap_state(&p->is_swap, &p->swap_used);
	return CLI_OK;
}

static const char *peer_name(const struct picture *p, uint32_t id)
{
	for (size_t i = 0; i < p->nr_peers; i++)
		if (p->peers[i].id == id && p->peers[i].name[0])
			return p->peers[i].name;
	return "";
}

static const char *env_name(const struct picture *p, uint32_t id)
{
	for (size_t i = 0; i < p->nr_envs; i++)
		if (p->envs[i].id == id && p->envs[i].name[0])
			return p->envs[i].name;
	return "";
}

/* One word for a donor, and its colour. */
static const char *health(const struct hcnl_peer *peer, int *ret_color)
{
	*ret_color = TABLE_RED;
	if (peer->state != HC_PEER_LIVE)
		return hcnl_peer_state_name(peer->state);
	*ret_color = TABLE_YELLOW;
	if (peer->is_suspect)
		return "late";
	if (peer->is_draining)
		return "draining";
	if (peer->they_drain)
		return "leaving";
	if (peer->errors)
		return "errors";
	*ret_color = TABLE_GREEN;
	return "live";
}

static void head(const char *text)
{
	printf(cli.color ? "\033[1m%s\033[0m\n" : "%s\n", text);
}

static void print_donors(const struct picture *p)
{
	TABLE_CLEAN struct table t = { .color = cli.color, .indent = 2 };
	char a[FORMAT_LEN];

	table_head(&t, "NODE>", "NAME", "HEALTH", "BORROWED>", "USED>", "FREE THERE>", "READ>", "WRITTEN>",
		   "RTT>", "ERRORS>", NULL);
	for (size_t i = 0; i < p->nr_peers; i++) {
		const struct hcnl_peer *peer = &p->peers[i];
		const char *word;
		int color;

		word = health(peer, &color);
		table_cell(&t, 0, "%u", peer->id);
		table_cell(&t, 0, "%s", peer->name);
		table_cell(&t, color, "%s", word);
		table_cell(&t, 0, "%s", size_format(peer->slabs, a));
		table_cell(&t, 0, "%s", size_format(peer->used, a));
		table_cell(&t, 0, "%s", size_format(peer->free, a));
		table_cell(&t, 0, "%s", count_format(peer->reads, a));
		table_cell(&t, 0, "%s", count_format(peer->writes, a));
		table_cell(&t, 0, "%u us", peer->rtt_us);
		table_cell(&t, cli_bad(peer->errors, TABLE_RED), "%llu", (unsigned long long)peer->errors);
	}
	head("Borrowed from (pages)");
	if (table_rows(&t))
		table_print(&t, stdout);
	else
		puts("  nobody: no peers yet (\"hyperchain peer add ID ADDRESS\")");
}

static void print_pool(const struct picture *p)
{
	char a[FORMAT_LEN], b[FORMAT_LEN], c[FORMAT_LEN], d[FORMAT_LEN];
	TABLE_CLEAN struct table t = { .color = cli.color, .indent = 2 };

	head("Lent to");
	printf("  %s of at most %s lent, %s of it used; %s kept for this node%s%s\n",
	       size_format(p->pool.lent, a), size_format(p->pool.limit, b),
	       size_format(p->pool.used, c), size_format(p->pool.reserve, d), p->pool.is_draining ? "; draining" : "",
	       p->pool.has_pressure ? "; short of memory now" : "");
	if (p->pool.recalled)
		printf("  %s called back and not yet returned\n", size_format(p->pool.recalled, a));
	table_head(&t, "NODE>", "NAME", "ENV>", "ENV NAME", "LENT>", "USED>", "LIMIT>", NULL);
	for (size_t i = 0; i < p->nr_leases; i++) {
		const struct hcnl_lease *l = &p->leases[i];

		table_cell(&t, 0, "%u", l->peer);
		table_cell(&t, 0, "%s", peer_name(p, l->peer));
		table_cell(&t, 0, "%u", l->env);
		table_cell(&t, 0, "%s", env_name(p, l->env));
		table_cell(&t, 0, "%s", size_format(l->bytes, a));
		table_cell(&t, 0, "%s", size_format(l->used, a));
		table_cell(&t, 0, "%s", l->limit ? size_format(l->limit, a) : "-");
	}
	if (table_rows(&t))
		table_print(&t, stdout);
}

static void disk_line(struct table *t, const char *what, int color, const char *value)
{
	table_cell(t, 0, "%s", what);
	table_cell(t, color, "%s", value);
}

static void print_disk(const struct picture *p)
{
	TABLE_CLEAN struct table t = { .color = cli.color, .indent = 2 };
	const struct hcnl_disk *d = &p->disk;
	char a[FORMAT_LEN], text[HCNL_PATH_LEN + 64];

	head("Swap disk");
	if (!p->has_disk) {
		puts("  none (\"hyperchain memory swap on\")");
		return;
	}
	table_head(&t, "", "", NULL);
	snprintf(text, sizeof(text), "%s, %s", size_format(d->size, a),
		 p->is_swap ? "in use as swap" : d->is_open ? "open" : "not in use");
	disk_line(&t, HCNL_SWAP_DEV, 0, text);
	disk_line(&t, "holds", 0, size_format(d->used, a));
	disk_line(&t, "zero pages", 0, size_format(d->zero, a));
	disk_line(&t, "degraded", cli_bad(d->degraded, TABLE_RED), size_format(d->degraded, a));
	disk_line(&t, "lost", cli_bad(d->lost, TABLE_RED), size_format(d->lost, a));
	if (d->backing_path[0])
		snprintf(text, sizeof(text), "%s on %s", size_format(d->local, a), d->backing_path);
	else
		snprintf(text, sizeof(text), "none");
	disk_line(&t, "local backing", 0, text);
	snprintf(text, sizeof(text), "%llu read, %llu written, %llu freed", (unsigned long long)d->reads,
		 (unsigned long long)d->writes, (unsigned long long)d->freed);
	disk_line(&t, "pages", 0, text);
	snprintf(text, sizeof(text), "%llu refused, %llu retries, %llu repaired",
		 (unsigned long long)d->refused, (unsigned long long)d->retries,
		 (unsigned long long)d->repaired);
	disk_line(&t, "", 0, text);
	snprintf(text, sizeof(text), "%llu I/O errors, %llu bad checksums", (unsigned long long)d->errors,
		 (unsigned long long)d->bad_sums);
	disk_line(&t, "errors", cli_bad(d->errors + d->bad_sums, TABLE_RED), text);
	if (d->backing_errors) {
		snprintf(text, sizeof(text), "%llu requests failed by the local backing",
			 (unsigned long long)d->backing_errors);
		disk_line(&t, "", cli_bad(d->backing_errors, TABLE_RED), text);
	}
	table_print(&t, stdout);
}

static void print_envs(const struct picture *p)
{
	TABLE_CLEAN struct table t = { .color = cli.color, .indent = 2 };
	char a[FORMAT_LEN];

	if (!p->nr_envs)
		return;
	head("Environments");
	table_head(&t, "ID>", "NAME", "QUOTA>", "USED>", "COPIES>", "DEGRADED>", "LOST>", "REFUSED>", NULL);
	for (size_t i = 0; i < p->nr_envs; i++) {
		const struct hcnl_env *e = &p->envs[i];

		table_cell(&t, 0, "%u", e->id);
		table_cell(&t, 0, "%s", e->name);
		table_cell(&t, 0, "%s", e->quota ? size_format(e->quota, a) : "none");
		table_cell(&t, e->quota && e->used >= e->quota ? TABLE_YELLOW : 0, "%s",
			   size_format(e->used, a));
		table_cell(&t, 0, "%u", e->replicas);
		table_cell(&t, cli_bad(e->degraded, TABLE_RED), "%s", size_format(e->degraded, a));
		table_cell(&t, cli_bad(e->lost, TABLE_RED), "%s", size_format(e->lost, a));
		table_cell(&t, cli_bad(e->refused, TABLE_YELLOW), "%s", count_format(e->refused, a));
	}
	table_print(&t, stdout);
}

static json_t *picture_json(const struct picture *p)
{
	json_t *peers = json_array(), *leases = json_array(), *envs = json_array(), *disk;

	for (size_t i = 0; i < p->nr_peers; i++)
		json_array_append_new(peers, cli_json_peer(&p->peers[i]));
	for (size_t i = 0; i < p->nr_leases; i++)
		json_array_append_new(leases, cli_json_of(hcnl_lease_fields, &p->leases[i]));
	for (size_t i = 0; i < p->nr_envs; i++)
		json_array_append_new(envs, cli_json_env(&p->envs[i]));
	disk = p->has_disk ? cli_json_of(hcnl_disk_fields, &p->disk) : json_null();
	if (p->has_disk) {
		json_object_set_new(disk, "swap", json_boolean(p->is_swap));
		json_object_set_new(disk, "swap_used", json_integer(p->swap_used));
	}
	return json_pack("{s:o s:o s:o s:o s:o s:o}", "node", cli_json_of(hcnl_node_fields, &p->node), "pool",
			 cli_json_of(hcnl_pool_fields, &p->pool), "peers", peers, "leases", leases, "disk",
			 disk, "envs", envs);
}

int cmd_memory_show(int argc, char **argv)
{
	static const struct argp argp = {
		.doc = "Show who lends what to whom, and whether it is well. Red is what needs attention.",
		.children = cli_json_option,
	};
	__attribute__((cleanup(picture_free))) struct picture p = { 0 };
	HCNL_CLEAN struct hcnl *h = NULL;

	cli_parse(&argp, argc, argv, NULL);
	if (cli_open(&h) || picture_take(h, &p))
		return CLI_FAILED;
	if (cli.json)
		return cli_json(picture_json(&p));
	print_donors(&p);
	putchar('\n');
	print_pool(&p);
	putchar('\n');
	print_disk(&p);
	if (p.nr_envs)
		putchar('\n');
	print_envs(&p);
	return CLI_OK;
}
