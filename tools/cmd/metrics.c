// SPDX-License-Identifier: GPL-2.0-or-later
/* metrics: the cluster in the text format that Prometheus reads. */
#include <errno.h>
#include <string.h>

#include "cli.h"
#include "cmd/cmd.h"

#define RULES_MAX	32

static void head(const char *name, const char *type, const char *help)
{
	printf("# HELP hyperchain_%s %s\n# TYPE hyperchain_%s %s\n", name, help, name, type);
}

/* What stands between quotes there. */
static void print_label(const char *text)
{
	for (; *text; text++) {
		if (*text == '\\' || *text == '"')
			putchar('\\');
		putchar((unsigned char)*text < ' ' ? '?' : *text);
	}
}

/* One metric of all nodes that have @key. What is not known has no line: it is not zero. */
static void of_nodes(const json_t *nodes, const char *key, const char *name, const char *help)
{
	json_t *node;
	size_t i;

	head(name, "gauge", help);
	json_array_foreach(nodes, i, node) {
		json_t *value = json_object_get(node, key);
		const char *called = json_string_value(json_object_get(node, "name"));

		if (!json_is_number(value) || json_is_true(json_object_get(node, "stale")))
			continue;
		printf("hyperchain_%s{node=\"%lld\",name=\"", name,
		       (long long)json_integer_value(json_object_get(node, "id")));
		print_label(called ? called : "");
		printf("\"} %.15g\n", json_number_value(value));
	}
}

static bool is_live(const json_t *node)
{
	const char *state = json_string_value(json_object_get(node, "state"));

	return state && !strcmp(state, "live");
}

static void print_nodes(const json_t *nodes)
{
	json_t *node;
	size_t i, nr_live = 0, nr_drained = 0;

	json_array_foreach(nodes, i, node) {
		nr_live += is_live(node);
		nr_drained += json_is_true(json_object_get(node, "drained"));
	}
	head("nodes", "gauge", "Nodes that this node knows, itself among them.");
	printf("hyperchain_nodes %zu\n", json_array_size(nodes));
	head("nodes_live", "gauge", "Nodes that this node hears.");
	printf("hyperchain_nodes_live %zu\n", nr_live);
	head("nodes_drained", "gauge", "Nodes that take nothing new.");
	printf("hyperchain_nodes_drained %zu\n", nr_drained);
	head("node_live", "gauge", "Does this node hear it?");
	json_array_foreach(nodes, i, node) {
		const char *name = json_string_value(json_object_get(node, "name"));

		printf("hyperchain_node_live{node=\"%lld\",name=\"",
		       (long long)json_integer_value(json_object_get(node, "id")));
		print_label(name ? name : "");
		printf("\"} %d\n", is_live(node));
	}
	of_nodes(nodes, "current_load", "node_load", "Current load, 0 to 1.");
	of_nodes(nodes, "cpus", "node_cpus", "CPUs.");
	of_nodes(nodes, "memory_total", "node_memory_bytes", "Memory of the node.");
	of_nodes(nodes, "memory_available", "node_memory_available_bytes", "Memory not in use.");
	of_nodes(nodes, "lends", "node_memory_lendable_bytes", "Memory that it lends at most.");
	of_nodes(nodes, "lent", "node_memory_lent_bytes", "Memory that others have leased.");
	of_nodes(nodes, "borrowed", "node_memory_borrowed_bytes", "Memory leased from others.");
}

static void print_cluster(const json_t *cluster)
{
	json_int_t controller = json_integer_value(json_object_get(cluster, "controller"));

	head("controller", "gauge", "Id of the node that is the controller, 0: nobody is.");
	printf("hyperchain_controller %lld\n", (long long)controller);
	head("controller_term", "counter", "Term of the controller: grows with each election.");
	printf("hyperchain_controller_term %lld\n",
	       (long long)json_integer_value(json_object_get(cluster, "term")));
	head("lease", "gauge", "Does this node hold a lease: does a controller answer it?");
	printf("hyperchain_lease %d\n", json_is_true(json_object_get(cluster, "lease")));
	head("decisions_total", "counter", "Decisions since the cluster began.");
	printf("hyperchain_decisions_total %lld\n",
	       (long long)json_integer_value(json_object_get(cluster, "decisions")));
}

/* By rule: of those that the cluster keeps, which are the last 1024. */
static void print_decisions(const json_t *decisions)
{
	struct { const char *rule; size_t nr; } rules[RULES_MAX];
	json_t *decision;
	size_t i, k, nr_rules = 0;

	json_array_foreach(decisions, i, decision) {
		const char *rule = json_string_value(json_object_get(decision, "rule"));

		if (!rule || !*rule)
			continue;
		for (k = 0; k < nr_rules && strcmp(rules[k].rule, rule); k++)
			;
		if (k == nr_rules && nr_rules < RULES_MAX) {
			rules[k].rule = rule;
			rules[nr_rules++].nr = 0;
		}
		if (k < nr_rules)
			rules[k].nr++;
	}
	head("decisions_kept", "gauge", "Decisions by rule, of those that the cluster still keeps.");
	for (k = 0; k < nr_rules; k++) {
		fputs("hyperchain_decisions_kept{rule=\"", stdout);
		print_label(rules[k].rule);
		printf("\"} %zu\n", rules[k].nr);
	}
}

int cmd_metrics(int argc, char **argv)
{
	static const struct argp argp = {
		.doc = "Print the state of the cluster and its nodes in the text format that Prometheus reads. The same and more for other programs: --json of node list, cluster show and events.",
	};
	HCNL_CLEAN struct hcnl *h = NULL;
	json_auto_t *nodes = NULL, *answer = NULL, *decisions = NULL;
	int r;

	cli_parse(&argp, argc, argv, NULL);
	h = cli_try_open();
	r = cli_ask_list(h, CLI_ASK_MS, "node.list", "nodes", &nodes);
	if (r < 0)
		return cli_fail("%s", cli_ask_error());
	/* A node in no cluster has no more than itself and its peers. */
	if (cli_ask(h, json_pack("{s:s}", "do", "cluster.show"), &answer) == 0) {
		r = cli_ask_list(h, CLI_ASK_MS, "decision.list", "decisions", &decisions);
		if (r < 0)
			return cli_fail("%s", cli_ask_error());
	}
	print_nodes(nodes);
	if (answer) {
		print_cluster(json_object_get(answer, "cluster"));
		print_decisions(decisions);
	}
	if (fflush(stdout) || ferror(stdout))
		return cli_fail("Standard output can't be written: %s.", strerror(errno));
	return CLI_OK;
}
