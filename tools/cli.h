/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the commands share. A command noun is one file cmd/<noun>.c with a table
 * of its verbs; a new noun is that file and a line each in cmd/cmd.h and
 * hyperchain.c.
 *
 * Exit codes: 0 done, 1 failed (one sentence on stderr), 2 bad usage.
 */
#ifndef HC_CLI_H
#define HC_CLI_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "hcnl.h"

#define CLI_OK		0
#define CLI_FAILED	1
#define CLI_USAGE	2

struct cli_cmd {
	const char *name;
	int (*run)(int argc, char **argv);	/* argv[0] is the full name; exit code */
	const char *help;
};

/* What the options that every command has were set to. */
struct cli {
	bool json;
	bool dry_run;
	bool color;		/* stdout is a terminal, NO_COLOR unset */
	bool color_err;
};
extern struct cli cli;

/* Run the verb that argv[1] names out of @verbs (ends with a NULL name); no verb: usage. */
int cli_verbs(const char *noun, const struct cli_cmd *verbs, int argc, char **argv);

/* argp children with the shared options: --json, and --json with --dry-run. */
extern const struct argp_child cli_json_option[];
extern const struct argp_child cli_change_options[];

/* argp_parse() that exits with CLI_USAGE on bad usage. */
void cli_parse(const struct argp *argp, int argc, char **argv, void *input);

/* "hyperchain: sentence" on stderr. Returns CLI_FAILED. */
__attribute__((format(printf, 1, 2))) int cli_fail(const char *fmt, ...);
/* A remark on stderr, not an error. */
__attribute__((format(printf, 1, 2))) void cli_note(const char *fmt, ...);

/* Open the module; on failure says why and what to do. Return: CLI_OK or CLI_FAILED. */
int cli_open(struct hcnl **ret_h);

/* The same, quietly: NULL when the module is not there. */
struct hcnl *cli_try_open(void);

/**
 * cli_ask - have the daemon do something
 * @h: relay through the module; NULL = the daemon's own socket (root, module missing)
 * @req: {"do": ...}; the reference is taken
 * @ret_answer: the whole answer, {"ok": true, ...}; decref. May be NULL
 *
 * Return: 0, -ENOTCONN without a daemon, -EREMOTEIO when it said no, or what
 * else went wrong; cli_ask_error() has the sentence.
 */
int cli_ask(struct hcnl *h, json_t *req, json_t **ret_answer);
#define CLI_ASK_MS 60000
/* The same with a deadline of its own. */
int cli_ask_within(struct hcnl *h, int timeout_ms, json_t *req, json_t **ret_answer);
/* The list under @key of request @what, all pages of it together. Decref *@ret_list. */
int cli_ask_list(struct hcnl *h, int timeout_ms, const char *what, const char *key,
		 json_t **ret_list);
const char *cli_ask_error(void);
/*
 * The same for a command that is one request: the module or the socket is found, why it failed is
 * printed. Return: CLI_OK and the answer without "ok" in *@ret_answer (decref), or CLI_FAILED.
 */
int cli_do(json_t *req, json_t **ret_answer);

/* Print @j (reference taken) as the answer of --json. CLI_OK, or CLI_FAILED when stdout is full. */
int cli_json(json_t *j);

/* {"key": value, ...} of a struct by its attribute table. New reference. */
struct hcnl_field;
json_t *cli_json_of(const struct hcnl_field *fields, const void *obj);
json_t *cli_json_peer(const struct hcnl_peer *peer);	/* and its state by name */
json_t *cli_json_env(const struct hcnl_env *env);	/* and its cgroups by path */

/* Shared printing of sums that should be zero: red when they are not. */
static inline int cli_bad(uint64_t n, int color)
{
	return n ? color : 0;
}

/* Numbers of options: bad ones end the program with CLI_USAGE and a sentence. */
uint64_t cli_size_arg(struct argp_state *state, const char *arg);
uint64_t cli_number_arg(struct argp_state *state, const char *what, const char *arg, uint64_t min,
			uint64_t max);

#define HCNL_CLEAN __attribute__((cleanup(hcnl_closep)))

/* A progress bar on a terminal, a line now and then elsewhere. Zeroed before the first use. */
struct cli_progress {
	char what[64];
	int last_percent;
	bool is_open;		/* the cursor stands behind an unfinished line */
};
/* @total 0: a step without measure. */
void cli_progress(struct cli_progress *p, const char *what, uint64_t done, uint64_t total);
void cli_progress_end(struct cli_progress *p);

#endif /* HC_CLI_H */
