// SPDX-License-Identifier: GPL-2.0-or-later
/* vnc: how to reach the desktop of an environment, or a viewer that does. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"
#include "cmd.h"

#define PORT		5901
#define VIEWER		"xtigervncviewer"
#define POLL_MS		100

enum { OPT_PORT = 256, OPT_OPEN = 'o' };

struct args {
	const char *name;
	uint64_t port;
	bool is_open;
};

static const struct argp_option options[] = {
	{ "port", OPT_PORT, "PORT", 0, "Of this machine, for the viewer (5901)", 0 },
	{ "open", OPT_OPEN, NULL, 0, "Open a viewer here, over an ssh of its own", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case OPT_PORT:
		a->port = cli_number_arg(state, "The port", arg, 1, 65535);
		return 0;
	case OPT_OPEN:
		a->is_open = true;
		return 0;
	case ARGP_KEY_ARG:
		if (a->name)
			return ARGP_ERR_UNKNOWN;
		a->name = arg;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* The only one there is to choose: inside an environment that is itself. New reference. */
static json_t *only_name(struct hcnl *h)
{
	json_auto_t *list = NULL;

	if (cli_ask_list(h, CLI_ASK_MS, "container.list", "containers", &list) < 0) {
		cli_fail("%s", cli_ask_error());
		return NULL;
	}
	if (json_array_size(list) == 1)
		return json_incref(json_object_get(json_array_get(list, 0), "name"));
	if (json_array_size(list))
		cli_fail("There are %zu environments: say which, \"hyperchain env list\" names them.",
			 json_array_size(list));
	else
		cli_fail("There is no environment with a container here.");
	return NULL;
}

/* What stands in the way of a desktop. Return: CLI_OK, or it was said. */
static int check(json_t *answer, json_t *c, const char *name)
{
	if (!json_is_true(json_object_get(c, "on")))
		return cli_fail("Environment %s is stopped: start it with \"hyperchain env start %s\".",
				name, name);
	if (!json_string_length(json_object_get(c, "address")))
		return cli_fail("Environment %s has no address yet: it is %s; try again in a moment.", name,
				json_string_value(json_object_get(c, "state")));
	if (json_is_false(json_object_get(c, "has_sshd")))
		return cli_fail("The image of environment %s has no /usr/sbin/sshd, which leads to the desktop: install openssh-server in it.",
				name);
	if (json_is_false(json_object_get(answer, "has_vnc")))
		return cli_fail("Environment %s has no TigerVNC: install tigervnc-standalone-server in it, as its root.",
				name);
	return CLI_OK;
}

/* ---- --open ---------------------------------------------------- */

static pid_t start(char *const argv[])
{
	pid_t pid = fork();

	if (pid == 0) {
		execvp(argv[0], argv);
		fprintf(stderr, "hyperchain: %s: %s.\n", argv[0], strerror(errno));
		_exit(127);
	}
	return pid;
}

static bool is_program(const char *name)
{
	const char *path = getenv("PATH") ? : "/usr/bin:/bin";
	char *list = strdup(path), *save = NULL;
	bool is_there = false;

	for (char *dir = strtok_r(list, ":", &save); dir && !is_there; dir = strtok_r(NULL, ":", &save)) {
		char *file = NULL;

		is_there = asprintf(&file, "%s/%s", dir, name) > 0 && access(file, X_OK) == 0;
		free(file);
	}
	free(list);
	return is_there;
}

/* What a viewer lacks here, NULL: nothing. */
static const char *why_not(void)
{
	const char *x = getenv("DISPLAY"), *wayland = getenv("WAYLAND_DISPLAY");

	if (!(x && *x) && !(wayland && *wayland))
		return "There is no display here to open a viewer on";
	if (!is_program(VIEWER))
		return "There is no " VIEWER " here (tigervnc-viewer has it)";
	if (!is_program("ssh"))
		return "There is no ssh here";
	return NULL;
}

/* By a socket that nobody else on this machine can open, which a port is not. */
static int open_viewer(const char *remote, const char *login)
{
	char dir[] = "/tmp/hyperchain-vnc-XXXXXX", local[sizeof(dir) + 8], forward[256];
	char *const ssh_argv[] = {
		"ssh", "-N", "-o", "ExitOnForwardFailure=yes", "-L", forward, (char *)login, NULL
	};
	char *const viewer_argv[] = { VIEWER, local, NULL };
	pid_t ssh, viewer;
	int status = 0;

	if (!mkdtemp(dir))
		return cli_fail("Cannot make %s: %m.", dir);
	snprintf(local, sizeof(local), "%s/vnc", dir);
	snprintf(forward, sizeof(forward), "%s:%s", local, remote);
	ssh = start(ssh_argv);
	/* It may ask for a passphrase first. */
	while (ssh > 0 && access(local, F_OK) < 0 && waitpid(ssh, &status, WNOHANG) == 0)
		poll(NULL, 0, POLL_MS);
	viewer = ssh > 0 && access(local, F_OK) == 0 ? start(viewer_argv) : -1;
	if (viewer > 0)
		waitpid(viewer, &status, 0);
	if (viewer > 0 && kill(ssh, SIGTERM) == 0)
		waitpid(ssh, NULL, 0);
	unlink(local);
	rmdir(dir);
	if (viewer < 0)
		return cli_fail("The ssh that leads to the desktop has ended: no viewer was opened.");
	return WIFEXITED(status) && !WEXITSTATUS(status) ? CLI_OK :
	       cli_fail("The viewer ended with an error.");
}

/* ---- the command ---------------------------------------------------- */

static void show(const struct args *a, const char *forward, json_int_t leader)
{
	printf("1. Lead the desktop of %s to your machine. Type there, and leave it running:\n"
	       "     %s\n"
	       "2. Point a VNC viewer at localhost:%u. There is no password.\n",
	       a->name, forward, (unsigned int)a->port);
	if (leader)
		printf("The desktop is on node %lld, which leads. When another node comes to lead, it ends; end the\n"
		       "ssh then, and the same two steps give a new one there.\n", (long long)leader);
}

static int run(struct hcnl *h, struct args *a)
{
	json_auto_t *only = NULL, *answer = NULL;
	char remote[128], login[128], forward[300], viewer[32];
	const char *lack = NULL;
	json_int_t leader;
	json_t *c;

	if (!a->name) {
		only = only_name(h);
		a->name = json_string_value(only);
		if (!a->name)
			return CLI_FAILED;
	}
	if (cli_ask(h, json_pack("{s:s, s:s}", "do", "container.vnc", "name", a->name), &answer) < 0)
		return cli_fail("%s", cli_ask_error());
	c = json_object_get(answer, "container");
	if (check(answer, c, a->name))
		return CLI_FAILED;
	leader = json_integer_value(json_object_get(c, "leader"));
	snprintf(remote, sizeof(remote), "/run/hyperchain-vnc/%s.sock", a->name);
	snprintf(login, sizeof(login), "%s@%s", a->name,
		 json_string_value(json_object_get(c, "address")));
	snprintf(forward, sizeof(forward), "ssh -N -L %u:%s %s", (unsigned int)a->port, remote, login);
	snprintf(viewer, sizeof(viewer), "localhost:%u", (unsigned int)a->port);
	if (cli.json)
		return cli_json(json_pack("{s:{s:s, s:O, s:s, s:s, s:s, s:o, s:O}}", "vnc", "env", a->name,
					  "address", json_object_get(c, "address"), "socket", remote,
					  "forward", forward, "viewer", viewer, "leader",
					  leader ? json_integer(leader) : json_null(), "has_vnc",
					  json_object_get(answer, "has_vnc")));
	if (a->is_open)
		lack = why_not();
	if (a->is_open && !lack)
		return open_viewer(remote, login);
	if (lack)
		cli_fail("%s: this is how it goes elsewhere.", lack);
	show(a, forward, leader);
	return lack ? CLI_FAILED : CLI_OK;
}

int cmd_vnc(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options, .parser = parse, .args_doc = "[ENV]", .children = cli_json_option,
		.doc = "How to reach the desktop of an environment (default: the only one there is) by VNC: a server on its leader, which begins with the first viewer.",
	};
	HCNL_CLEAN struct hcnl *h = NULL;
	static struct args a = { .port = PORT };

	cli_parse(&argp, argc, argv, &a);
	h = cli_try_open();
	return run(h, &a);
}
