// SPDX-License-Identifier: GPL-2.0-or-later
/* What the commands share: verbs, options, errors, progress. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "format.h"
#include "table.h"

struct cli cli;

int cli_fail(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("hyperchain: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return CLI_FAILED;
}

void cli_note(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs(cli.color_err ? "\033[33mnote:\033[0m " : "note: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

/* ---- verbs ---------------------------------------------------------------- */

static void verbs_print(FILE *out, const char *noun, const struct cli_cmd *verbs)
{
	TABLE_CLEAN struct table t = { .indent = 2 };

	fprintf(out, "usage: hyperchain %s VERB [OPTION...]\n\n", noun);
	table_head(&t, "", "", NULL);
	for (; verbs->name; verbs++) {
		table_cell(&t, 0, "%s %s", noun, verbs->name);
		table_cell(&t, 0, "%s", verbs->help);
	}
	table_print(&t, out);
	fprintf(out, "\n\"hyperchain %s VERB --help\" tells the options; see also hyperchain(8).\n", noun);
}

int cli_verbs(const char *noun, const struct cli_cmd *verbs, int argc, char **argv)
{
	static char name[64];

	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help") ||
			 !strcmp(argv[1], "-h") || !strcmp(argv[1], "-?"))) {
		verbs_print(stdout, noun, verbs);
		return CLI_OK;
	}
	for (const struct cli_cmd *v = verbs; argc > 1 && v->name; v++)
		if (!strcmp(argv[1], v->name)) {
			snprintf(name, sizeof(name), "hyperchain %s %s", noun, v->name);
			argv[1] = name;
			return v->run(argc - 1, argv + 1);
		}
	if (argc > 1)
		fprintf(stderr, "hyperchain: \"%s\" is not something that \"%s\" can do.\n", argv[1], noun);
	verbs_print(stderr, noun, verbs);
	return CLI_USAGE;
}

/* ---- options -------------------------------------------------------------- */

static error_t parse_json(int key, char *arg, struct argp_state *state)
{
	(void)arg;
	(void)state;
	if (key != 'j')
		return ARGP_ERR_UNKNOWN;
	cli.json = true;
	return 0;
}

static error_t parse_dry(int key, char *arg, struct argp_state *state)
{
	(void)arg;
	(void)state;
	if (key != 'n')
		return ARGP_ERR_UNKNOWN;
	cli.dry_run = true;
	return 0;
}

static const struct argp_option json_options[] = {
	{ "json", 'j', NULL, 0, "Answer as JSON (sizes in bytes)", 0 }, { 0 }
};
static const struct argp_option dry_options[] = {
	{ "dry-run", 'n', NULL, 0, "Say what would be done, and do nothing", 0 }, { 0 }
};
static const struct argp json_argp = { json_options, parse_json, NULL, NULL, NULL, NULL, NULL };
static const struct argp dry_argp = { dry_options, parse_dry, NULL, NULL, NULL, NULL, NULL };

const struct argp_child cli_json_option[] = { { &json_argp, 0, NULL, 0 }, { 0 } };
const struct argp_child cli_change_options[] = {
	{ &dry_argp, 0, NULL, 0 }, { &json_argp, 0, NULL, 0 }, { 0 }
};

void cli_parse(const struct argp *argp, int argc, char **argv, void *input)
{
	argp_err_exit_status = CLI_USAGE;
	if (argp_parse(argp, argc, argv, 0, NULL, input))
		exit(CLI_USAGE);
}

uint64_t cli_size_arg(struct argp_state *state, const char *arg)
{
	uint64_t bytes = 0;
	int r = size_parse(arg, &bytes);

	if (r == -ERANGE)
		argp_error(state, "%s is too large for a size.", arg);
	else if (r < 0)
		argp_error(state, "\"%s\" is not a size: write bytes, or a number with K, M, G or T, such as 512M or 2GiB.",
			   arg);
	return bytes;
}

uint64_t cli_number_arg(struct argp_state *state, const char *what, const char *arg, uint64_t min,
			uint64_t max)
{
	uint64_t n = 0;

	if (number_parse(arg, min, max, &n) < 0)
		argp_error(state, "%s is a number from %llu to %llu, not \"%s\".", what,
			   (unsigned long long)min, (unsigned long long)max, arg);
	return n;
}

/* ---- the module ----------------------------------------------------------- */

struct hcnl *cli_try_open(void)
{
	struct hcnl *h = NULL;

	return hcnl_open(&h) < 0 ? NULL : h;
}

int cli_open(struct hcnl **ret_h)
{
	int r = hcnl_open(ret_h);
	char why[512];

	if (r == 0)
		return CLI_OK;
	if (r == -EPROTONOSUPPORT)
		return cli_fail("The loaded kernel module speaks another version than this program: load the one that came with it (\"modprobe -r hyperchain; modprobe hyperchain\").");
	if (r != -ENOENT)
		return cli_fail("Cannot reach the kernel module: %s.", strerror(-r));
	hcnl_missing_reason(why, sizeof(why));
	return cli_fail("%s", why);
}

/* ---- progress ------------------------------------------------------------- */

#define BAR_COLS 30

void cli_progress(struct cli_progress *p, const char *what, uint64_t done, uint64_t total)
{
	int percent = total ? (int)((double)done * 100 / total) : 0;
	bool is_tty = isatty(STDERR_FILENO), is_new = strncmp(p->what, what, sizeof(p->what) - 1);
	char a[FORMAT_LEN], b[FORMAT_LEN];

	if (!is_tty) {
		/* A log wants few lines: each step, and each tenth of it. */
		if (is_new || (total && percent / 10 != p->last_percent / 10))
			fprintf(stderr, total ? "%s: %s of %s\n" : "%s\n", what,
				size_format(done, a), size_format(total, b));
	} else {
		fprintf(stderr, "\r\033[K%s", what);
		if (total) {
			int full = percent * BAR_COLS / 100;

			fprintf(stderr, " [%.*s%*s] %s of %s", full,
				"##############################", BAR_COLS - full, "",
				size_format(done, a), size_format(total, b));
		}
		fflush(stderr);
		p->is_open = true;
	}
	snprintf(p->what, sizeof(p->what), "%s", what);
	p->last_percent = percent;
}

void cli_progress_end(struct cli_progress *p)
{
	if (p->is_open)
		fputs("\r\033[K", stderr);
	*p = (struct cli_progress){ 0 };
}
