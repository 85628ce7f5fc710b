// SPDX-License-Identifier: GPL-2.0-or-later
/* env create, start, stop, leader, resize, del, exec: the containers of environments. */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "cmd.h"
#include "format.h"

#define POLL_MS		200
#define KEYS_MAX	16384
#define HELPER		"hyperchain-container"

enum {
	OPT_IMAGE = 'i', OPT_KEY = 'k', OPT_NODES = 'N', OPT_QUOTA = 'q', OPT_REPLICAS = 'r',
	OPT_CPUS = 'c', OPT_MEMORY = 'm', OPT_FORGET = 'f', OPT_VIEW = 256,
};

struct args {
	const char *name;
	char image[PATH_MAX];
	char keys[KEYS_MAX];
	uint32_t nodes[HC_ENV_DONORS_MAX];
	int nr_nodes;
	uint64_t quota, memory, cpus_milli, replicas;
	bool has_cpus, has_memory, forget;
	const char *view;
};

static const struct argp_option create_options[] = {
	{ "image", OPT_IMAGE, "PATH", 0, "A tar of a root file system, or an OCI layout; default: Debian, made once", 0 },
	{ "ssh-key", OPT_KEY, "FILE", 0, "Public keys that may log in; may be given again", 0 },
	{ "nodes", OPT_NODES, "LIST", 0, "In a cluster: nodes for USER, who gets those that are not USER's yet. Else: other nodes whose memory it may use, like 2,3", 0 },
	{ "quota", OPT_QUOTA, "SIZE", 0, "Bytes of other nodes' memory at most; default: no limit", 0 },
	{ "replicas", OPT_REPLICAS, "N", 0, "Copies of each page on other nodes (2)", 0 },
	{ "cpus", OPT_CPUS, "N", 0, "CPUs at most, like 1.5; default: all", 0 },
	{ "memory", OPT_MEMORY, "SIZE", 0, "Memory of this node at most; default: all", 0 },
	{ "view", OPT_VIEW, "sum|local", 0, "What free(1) and the like show: the sum of its nodes (default), or this node", 0 },
	{ 0 }
};

static const struct argp_option resize_options[] = {
	{ "cpus", OPT_CPUS, "N", 0, "CPUs at most, like 1.5; 0: all", 0 },
	{ "memory", OPT_MEMORY, "SIZE", 0, "Memory of this node at most; 0: all", 0 },
	{ 0 }
};

static const struct argp_option del_options[] = {
	{ "forget", OPT_FORGET, NULL, 0, "Its ssh host keys, too: made anew, it is a stranger to its users", 0 },
	{ 0 }
};

static void parse_cpus(struct args *a, const char *arg, struct argp_state *state)
{
	char *end;
	double n = strtod(arg, &end);

	if (end == arg || *end || !isfinite(n) || n < 0 || n > 65536 || (n > 0 && n < 0.01))
		argp_error(state, "'%s' is no number of CPUs from 0.01 to 65536.", arg);
	a->cpus_milli = (uint64_t)(n * 1000 + 0.5);
	a->has_cpus = true;
}

static void parse_nodes(struct args *a, const char *arg, struct argp_state *state)
{
	a->nr_nodes = id_list_parse(arg, a->nodes, HC_ENV_DONORS_MAX);
	if (a->nr_nodes < 0)
		argp_error(state, "\"%s\" is not a list of at most %d node ids such as 2,3 or 2-4, each once.",
			   arg, HC_ENV_DONORS_MAX);
}

/* Appended to those that are there. */
static void read_keys(struct args *a, const char *path, struct argp_state *state)
{
	size_t have = strlen(a->keys), n;
	FILE *f = fopen(path, "re");

	if (!f)
		argp_failure(state, CLI_FAILED, errno, "Cannot read %s", path);
	n = fread(a->keys + have, 1, sizeof(a->keys) - have - 2, f);
	if (ferror(f))
		argp_failure(state, CLI_FAILED, errno, "Cannot read %s", path);
	if (!feof(f) && fgetc(f) != EOF)
		argp_failure(state, CLI_FAILED, 0, "%s is too long for ssh keys: %d bytes at most.", path,
			     KEYS_MAX - 2);
	fclose(f);
	if (memchr(a->keys + have, 0, n))
		argp_failure(state, CLI_FAILED, 0, "%s holds no ssh keys: it is no text.", path);
	if (n && a->keys[have + n - 1] != '\n')
		a->keys[have + n++] = '\n';
	a->keys[have + n] = 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case OPT_IMAGE:
		if (!realpath(arg, a->image))
			argp_failure(state, CLI_FAILED, errno, "Cannot read the image %s", arg);
		return 0;
	case OPT_KEY:
		read_keys(a, arg, state);
		return 0;
	case OPT_NODES:
		parse_nodes(a, arg, state);
		return 0;
	case OPT_QUOTA:
		a->quota = strcmp(arg, "none") ? cli_size_arg(state, arg) : 0;
		return 0;
	case OPT_REPLICAS:
		a->replicas = cli_number_arg(state, "The number of copies", arg, 1, HC_REPLICAS_MAX);
		return 0;
	case OPT_CPUS:
		parse_cpus(a, arg, state);
		return 0;
	case OPT_MEMORY:
		a->memory = cli_size_arg(state, arg);
		a->has_memory = true;
		return 0;
	case OPT_VIEW:
		if (strcmp(arg, "sum") && strcmp(arg, "local"))
			argp_error(state, "The view is \"sum\" or \"local\", not \"%s\".", arg);
		a->view = arg;
		return 0;
	case OPT_FORGET:
		a->forget = true;
		return 0;
	case ARGP_KEY_ARG:
		if (a->name)
			return ARGP_ERR_UNKNOWN;
		a->name = arg;
		return 0;
	case ARGP_KEY_END:
		if (!a->name)
			argp_error(state, "Which environment? Give its name.");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/*
 * Ask, then look on until it is done: a relayed request has a deadline, unpacking an image has
 * none. Return: CLI_OK and the container in *@ret_container, NULL when it is gone as it should.
 */
static int ask_and_wait(json_t *req, const char *name, bool is_del, json_t **ret_container)
{
	HCNL_CLEAN struct hcnl *h = cli_try_open();
	struct cli_progress progress = { 0 };
	int r = cli_ask(h, req, NULL);

	*ret_container = NULL;
	if (r < 0)
		return cli_fail("%s", cli_ask_error());
	for (;;) {
		json_auto_t *answer = NULL;
		json_int_t done = 0, total = 0;
		const char *step = NULL, *error = NULL;
		json_t *c;
		int is_busy = 0;

		r = cli_ask(h, json_pack("{s:s, s:s}", "do", "container.show", "name", name), &answer);
		/* Deleted: nobody knows it any more. */
		if (r == -EREMOTEIO && is_del) {
			cli_progress_end(&progress);
			return CLI_OK;
		}
		if (r < 0)
			break;
		c = json_object_get(answer, "container");
		json_unpack(c, "{s:b, s?s, s?I, s?I, s?s}", "busy", &is_busy, "step", &step, "done", &done,
			    "total", &total, "error", &error);
		if (!is_busy || error) {
			cli_progress_end(&progress);
			if (error)
				return cli_fail("%s", error);
			*ret_container = json_incref(c);
			return CLI_OK;
		}
		if (step)
			cli_progress(&progress, step, (uint64_t)done, (uint64_t)total);
		poll(NULL, 0, POLL_MS);
	}
	cli_progress_end(&progress);
	return cli_fail("%s", cli_ask_error());
}

static int show_done(json_t *container, const char *done, const char *name)
{
	const char *address = json_string_value(json_object_get(container, "address"));
	bool has_sshd = json_is_true(json_object_get(container, "has_sshd"));

	if (cli.json)
		return cli_json(container ? json_pack("{s:O}", "container", container) :
				json_pack("{s:n}", "container"));
	printf("Environment %s %s.\n", name, done);
	if (json_is_true(json_object_get(container, "on")) && address && has_sshd)
		printf("Log in: ssh %s@%s\n", name, address);
	else if (json_is_true(json_object_get(container, "on")) && address)
		cli_note("Its image has no /usr/sbin/sshd: nobody can log in, but \"hyperchain env exec\" works.");
	return CLI_OK;
}

int cmd_env_create(int argc, char **argv)
{
	static const struct argp argp = {
		.options = create_options, .parser = parse, .args_doc = "USER",
		.children = cli_json_option,
		.doc = "Make an environment for USER, which USER logs in to by ssh: a container on each active node of a user of the cluster, else one on this node.",
	};
	static struct args a = { .replicas = HC_REPLICAS_MAX, .view = "sum" };
	json_auto_t *container = NULL;
	json_t *nodes = json_array();
	int rc;

	cli_parse(&argp, argc, argv, &a);
	for (int i = 0; i < a.nr_nodes; i++)
		json_array_append_new(nodes, json_integer(a.nodes[i]));
	rc = ask_and_wait(json_pack("{s:s, s:s, s:s, s:s, s:o, s:I, s:I, s:I, s:I, s:s}", "do",
				    "container.create", "name", a.name, "image", a.image, "keys", a.keys,
				    "nodes", nodes, "quota", (json_int_t)a.quota, "replicas",
				    (json_int_t)a.replicas, "cpus_milli", (json_int_t)a.cpus_milli, "memory",
				    (json_int_t)a.memory, "view", a.view), a.name, false, &container);
	if (rc)
		return rc;
	if (!a.keys[0])
		cli_note("No --ssh-key was given: nobody can log in by ssh.");
	return show_done(container, "is ready", a.name);
}

int cmd_env_start(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse, .args_doc = "NAME", .children = cli_json_option,
		.doc = "Start an environment's container; it starts by itself after a reboot, too.",
	};
	static struct args a;
	json_auto_t *container = NULL;
	int rc;

	cli_parse(&argp, argc, argv, &a);
	rc = ask_and_wait(json_pack("{s:s, s:s}", "do", "container.start", "name", a.name), a.name, false,
			  &container);
	return rc ? : show_done(container, "runs", a.name);
}

static error_t parse_leader(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	if (key == ARGP_KEY_ARG && a->name && !a->nr_nodes) {
		a->nodes[0] = (uint32_t)cli_number_arg(state, "The node", arg, 1, INT32_MAX);
		a->nr_nodes = 1;
		return 0;
	}
	if (key == ARGP_KEY_END && a->name && !a->nr_nodes)
		argp_error(state, "Which node is to lead? Give its id.");
	return parse(key, arg, state);
}

int cmd_env_leader(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse_leader, .args_doc = "NAME NODE", .children = cli_json_option,
		.doc = "Have NODE lead an environment: new logins go there, at the same address; who is logged in stays where he is.",
	};
	static struct args a;
	json_auto_t *container = NULL;
	int rc;

	cli_parse(&argp, argc, argv, &a);
	rc = ask_and_wait(json_pack("{s:s, s:s, s:I}", "do", "container.leader", "name", a.name, "node",
				    (json_int_t)a.nodes[0]), a.name, false, &container);
	return rc ? : show_done(container, "has another leader", a.name);
}

int cmd_env_stop(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse, .args_doc = "NAME", .children = cli_json_option,
		.doc = "End an environment's programs and its container; its files stay.",
	};
	static struct args a;
	json_auto_t *container = NULL;
	int rc;

	cli_parse(&argp, argc, argv, &a);
	rc = ask_and_wait(json_pack("{s:s, s:s}", "do", "container.stop", "name", a.name), a.name, false,
			  &container);
	return rc ? : show_done(container, "is stopped", a.name);
}

int cmd_env_resize(int argc, char **argv)
{
	static const struct argp argp = {
		.options = resize_options, .parser = parse, .args_doc = "NAME",
		.children = cli_json_option,
		.doc = "Change what an environment may use of each of its nodes, while it runs.",
	};
	static struct args a;
	json_auto_t *container = NULL;
	json_t *req;
	int rc;

	cli_parse(&argp, argc, argv, &a);
	if (!a.has_cpus && !a.has_memory) {
		cli_fail("Give --cpus or --memory.");
		return CLI_USAGE;
	}
	req = json_pack("{s:s, s:s}", "do", "container.resize", "name", a.name);
	if (a.has_cpus)
		json_object_set_new(req, "cpus_milli", json_integer((json_int_t)a.cpus_milli));
	if (a.has_memory)
		json_object_set_new(req, "memory", json_integer((json_int_t)a.memory));
	rc = ask_and_wait(req, a.name, false, &container);
	return rc ? : show_done(container, "has its new size", a.name);
}

int cmd_env_del(int argc, char **argv)
{
	static const struct argp argp = {
		.options = del_options, .parser = parse, .args_doc = "NAME", .children = cli_json_option,
		.doc = "Delete an environment: its programs and all its files.",
	};
	static struct args a;
	json_auto_t *container = NULL;
	int rc;

	cli_parse(&argp, argc, argv, &a);
	rc = ask_and_wait(json_pack("{s:s, s:s, s:b}", "do", "container.del", "name", a.name, "forget",
				    a.forget), a.name, true, &container);
	return rc ? : show_done(container, "is deleted", a.name);
}

/* Beside this program, else where the package has it. */
static void run_helper(char **argv)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - sizeof(HELPER) - 1);

	if (n > 0) {
		path[n] = 0;
		strcpy(strrchr(path, '/') + 1, HELPER);
		execv(path, argv);
	}
	execv("/usr/lib/hyperchain/" HELPER, argv);
}

int cmd_env_exec(int argc, char **argv)
{
	char **words;
	int first = 1;

	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-?"))) {
		puts("Usage: hyperchain env exec NAME [--] COMMAND [ARG...]\n"
		     "Run a command as root of a running environment of this node. Its exit status is ours.");
		return CLI_OK;
	}
	words = calloc((size_t)argc + 4, sizeof(*words));
	if (!words)
		return cli_fail("Out of memory.");
	if (argc > 2 && !strcmp(argv[2], "--"))
		first = 2;
	if (argc < first + 2) {
		cli_fail("Say where and what: hyperchain env exec NAME COMMAND [ARG...]");
		free(words);
		return CLI_USAGE;
	}
	words[0] = HELPER;
	words[1] = "exec";
	words[2] = argv[1];
	for (int i = first + 1; i < argc; i++)
		words[2 + i - first] = argv[i];
	run_helper(words);
	cli_fail("Cannot start " HELPER ": %s.", strerror(errno));
	free(words);
	return CLI_FAILED;
}
