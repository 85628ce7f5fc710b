// SPDX-License-Identifier: GPL-2.0-or-later
/* hyperchain-container: see container.h. */
#include <argp.h>
#include <gcrypt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "container.h"

const char *argp_program_version = "hyperchain-container " HC_VERSION;

struct options {
	const char *socket;
	char **words;
	int nr_words;
};

static const struct argp_option option_table[] = {
	{ "socket", 's', "PATH", 0, "Listen there (" HCC_SOCKET ")", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 's':
		o->socket = arg;
		return 0;
	case ARGP_KEY_ARGS:
		o->words = state->argv + state->next;
		o->nr_words = state->argc - state->next;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_usage(state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = option_table,
	.parser = parse,
	.args_doc = "serve\nexec NAME COMMAND [ARG...]",
	.doc = "Containers of environments, for hyperchaind and \"hyperchain env exec\".",
};

int main(int argc, char **argv)
{
	struct options o = { .socket = HCC_SOCKET };
	char error[HCC_ERROR_LEN] = "";
	int r;

	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &o);
	if (geteuid() != 0) {
		fputs("hyperchain-container: Only root may do that.\n", stderr);
		return 1;
	}
	if (!strcmp(o.words[0], "exec") && o.nr_words > 2 && hcc_name_is_good(o.words[1])) {
		r = hcc_exec(o.words[1], o.words + 2, error);
		if (r >= 0)
			return r;
	} else if (!strcmp(o.words[0], "serve") && o.nr_words == 1) {
		gcry_check_version(NULL);
		gcry_control(GCRYCTL_DISABLE_SECMEM, 0);
		gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
		r = hcc_cgroup_init(error);
		if (r == 0)
			hcc_serve(o.socket, error);
	} else {
		argp_help(&argp, stderr, ARGP_HELP_STD_USAGE, argv[0]);
		return 2;
	}
	fprintf(stderr, "hyperchain-container: %s\n", error);
	return 1;
}
