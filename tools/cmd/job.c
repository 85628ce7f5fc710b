// SPDX-License-Identifier: GPL-2.0-or-later
/* job submit, list, show, stop: programs that begin when a node of the environment is free. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "cmd.h"
#include "format.h"
#include "table.h"

#define POLL_US		500000
#define POLL_FAST_US	100000

struct args {
	const char *user, *name, *folder;
	uint64_t cpus, id;
	bool is_waiting, is_all, wants_output, is_following;
	char **words;
	int nr_words;
};

static const char *text_of(const json_t *row, const char *key)
{
	return json_string_value(json_object_get(row, key)) ? : "";
}

static json_int_t int_of(const json_t *row, const char *key)
{
	return json_integer_value(json_object_get(row, key));
}

static bool is_over(const json_t *job)
{
	return json_is_true(json_object_get(job, "over"));
}

/* ---- output ---------------------------------------------------- */

static int digit(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* In place of a library: four letters are three bytes. Return: bytes, -1 when it is none. */
static long decode(const char *text, unsigned char *buf)
{
	size_t len = strlen(text), n = 0;

	if (len % 4)
		return -1;
	for (size_t i = 0; i < len; i += 4) {
		int a = digit(text[i]), b = digit(text[i + 1]), c = digit(text[i + 2]),
		    d = digit(text[i + 3]);

		if (a < 0 || b < 0 || (c < 0 && text[i + 2] != '=') ||
		    (d < 0 && text[i + 3] != '='))
			return -1;
		buf[n++] = (unsigned char)(a << 2 | b >> 4);
		if (c >= 0)
			buf[n++] = (unsigned char)(b << 4 | c >> 2);
		if (c >= 0 && d >= 0)
			buf[n++] = (unsigned char)(c << 6 | d);
	}
	return (long)n;
}

/* All that is there from *@offset on. Return: CLI_OK or CLI_FAILED. */
static int print_output(struct hcnl *h, uint64_t id, uint64_t *offset, uint64_t *ret_lost)
{
	static unsigned char piece[65536];

	for (;;) {
		json_auto_t *answer = NULL;
		long n;

		if (cli_ask(h, json_pack("{s:s, s:I, s:I}", "do", "job.output", "id", (json_int_t)id,
					 "offset", (json_int_t)*offset), &answer) < 0)
			return cli_fail("%s", cli_ask_error());
		*ret_lost = (uint64_t)int_of(answer, "lost");
		if (strlen(text_of(answer, "data")) > sizeof(piece))
			return cli_fail("The daemon's answer is too long: are both of one version?");
		n = decode(text_of(answer, "data"), piece);
		if (n < 0)
			return cli_fail("The daemon's answer is not understood: are both of one version?");
		if (!n)
			return fflush(stdout) ? cli_fail("The output can't be written: %m.") : CLI_OK;
		if (fwrite(piece, 1, (size_t)n, stdout) != (size_t)n)
			return cli_fail("The output can't be written: %m.");
		*offset += (uint64_t)n;
	}
}

/* decref *@ret_job. */
static int show(struct hcnl *h, uint64_t id, json_t **ret_job)
{
	json_auto_t *answer = NULL;

	if (cli_ask(h, json_pack("{s:s, s:I}", "do", "job.show", "id", (json_int_t)id), &answer) < 0)
		return cli_fail("%s", cli_ask_error());
	*ret_job = json_incref(json_object_get(answer, "job"));
	return CLI_OK;
}

/* What cut its output short. */
static void remark(uint64_t lost)
{
	char size[FORMAT_LEN];

	if (lost)
		cli_note("The last %s of the output were not kept.", size_format(lost, size));
}

/* How it goes, in one line that stays while it waits. Only for people. */
static void progress(const json_t *job, char *last, size_t len)
{
	char line[96];

	if (!strcmp(text_of(job, "state"), "queued"))
		snprintf(line, sizeof(line), "Job %lld waits, %lld before it.", (long long)int_of(job, "id"),
			 (long long)int_of(job, "ahead"));
	else
		snprintf(line, sizeof(line), "Job %lld: %s on node %lld.", (long long)int_of(job, "id"),
			 text_of(job, "state"), (long long)int_of(job, "node"));
	if (strcmp(line, last) && isatty(STDERR_FILENO))
		cli_note("%s", line);
	snprintf(last, len, "%s", line);
}

/*
 * Until it is over, with its output as it comes. A job that is lost and begins anew gives its
 * output anew. Return: CLI_OK and *@ret_job, or CLI_FAILED.
 */
static int follow(struct hcnl *h, uint64_t id, json_t **ret_job)
{
	uint64_t offset = 0, lost = 0;
	json_int_t run = 0;
	char last[96] = "";
	int rc;

	for (;;) {
		json_auto_t *job = NULL;

		rc = show(h, id, &job);
		if (rc)
			return rc;
		progress(job, last, sizeof(last));
		if (int_of(job, "run") != run)
			offset = 0;
		run = int_of(job, "run");
		rc = print_output(h, id, &offset, &lost);
		if (rc)
			return rc;
		if (is_over(job)) {
			remark(lost);
			*ret_job = json_incref(job);
			return CLI_OK;
		}
		usleep(POLL_US);
	}
}

/* What a shell should see of a job that is over. */
static int status_of(const json_t *job)
{
	const json_t *status = json_object_get(job, "status");

	if (json_is_integer(status))
		return (int)json_integer_value(status) & 255;
	return cli_fail("Job %lld is %s%s%s", (long long)int_of(job, "id"), text_of(job, "state"),
			text_of(job, "why")[0] ? ": " : ".", text_of(job, "why"));
}

/* ---- submit ---------------------------------------------------- */

static const struct argp_option submit_options[] = {
	{ "user", 'u', "USER", 0, "Whose job it is; inside an environment its own user's", 0 },
	{ "name", 'n', "NAME", 0, "What it is called (default: the command's)", 0 },
	{ "cpus", 'c', "N", 0, "CPUs that it wants for itself (default: 1)", 0 },
	{ "folder", 'f', "PATH", 0, "It begins there (default: its user's home)", 0 },
	{ "wait", 'w', NULL, 0, "Show its output until it is over; its exit status is ours", 0 },
	{ 0 }
};

static error_t parse_submit(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case 'u':
		a->user = arg;
		return 0;
	case 'n':
		a->name = arg;
		return 0;
	case 'c':
		a->cpus = cli_number_arg(state, "CPUs", arg, 1, 4096);
		return 0;
	case 'f':
		if (arg[0] != '/')
			argp_error(state, "\"%s\" is no absolute path.", arg);
		a->folder = arg;
		return 0;
	case 'w':
		a->is_waiting = true;
		return 0;
	case ARGP_KEY_ARG:
		/* From here on it is the job's. */
		a->words = state->argv + state->next - 1;
		a->nr_words = state->argc - state->next + 1;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_END:
		if (!a->nr_words)
			argp_error(state, "A command must be named.");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static int job_submit(int argc, char **argv)
{
	static const struct argp argp = {
		.options = submit_options, .parser = parse_submit, .children = cli_json_option,
		.args_doc = "COMMAND [ARG...]",
		.doc = "Have a command run in the environment, on the least loaded of its nodes that is free; until one is, it waits.",
	};
	HCNL_CLEAN struct hcnl *h = NULL;
	struct args a = { .cpus = 1 };
	json_auto_t *answer = NULL, *job = NULL;
	json_t *words;
	int rc;

	argp_err_exit_status = CLI_USAGE;
	if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &a))
		return CLI_USAGE;
	words = json_array();
	for (int i = 0; i < a.nr_words; i++)
		if (json_array_append_new(words, json_string(a.words[i])) < 0) {
			json_decref(words);
			return cli_fail("The words of a job's command must be UTF-8.");
		}
	h = cli_try_open();
	if (cli_ask(h, json_pack("{s:s, s:o, s:s*, s:s*, s:s*, s:I}", "do", "job.submit", "argv", words,
				 "user", a.user, "name", a.name, "folder", a.folder, "cpus",
				 (json_int_t)a.cpus), &answer) < 0)
		return cli_fail("%s", cli_ask_error());
	if (!a.is_waiting) {
		json_object_del(answer, "ok");
		if (cli.json)
			return cli_json(json_incref(answer));
		printf("Job %lld waits to begin.\n", (long long)int_of(answer, "id"));
		return CLI_OK;
	}
	rc = follow(h, (uint64_t)int_of(answer, "id"), &job);
	return rc ? rc : status_of(job);
}

/* ---- list ---------------------------------------------------- */

static error_t parse_list(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	if (key == 'u')
		a->user = arg;
	else if (key == 'a')
		a->is_all = true;
	else
		return ARGP_ERR_UNKNOWN;
	return 0;
}

static const char *ago(json_int_t ms, char buf[FORMAT_LEN])
{
	struct timespec now;
	json_int_t s;

	clock_gettime(CLOCK_REALTIME, &now);
	s = ms ? (json_int_t)now.tv_sec - ms / 1000 : -1;
	if (s < 0)
		return ms ? "0 s" : "-";
	if (s < 120)
		snprintf(buf, FORMAT_LEN, "%lld s", (long long)s);
	else if (s < 7200)
		snprintf(buf, FORMAT_LEN, "%lld min", (long long)s / 60);
	else
		snprintf(buf, FORMAT_LEN, "%lld h", (long long)s / 3600);
	return buf;
}

static int color_of(const json_t *job)
{
	const char *state = text_of(job, "state");

	if (!strcmp(state, "running"))
		return TABLE_GREEN;
	if (!strcmp(state, "lost") || !strcmp(state, "failed") || int_of(job, "status") > 0)
		return TABLE_RED;
	return 0;
}

static void print_list(const json_t *jobs)
{
	TABLE_CLEAN struct table t = { .color = cli.color };
	json_t *job;
	size_t i;

	table_head(&t, "JOB>", "USER", "NAME", "STATE", "NODE>", "STATUS>", "ASKED>", "COMMAND", NULL);
	json_array_foreach(jobs, i, job) {
		char buf[FORMAT_LEN];

		table_cell(&t, 0, "%lld", (long long)int_of(job, "id"));
		table_cell(&t, 0, "%s", text_of(job, "user"));
		table_cell(&t, 0, "%s", text_of(job, "name"));
		table_cell(&t, color_of(job), "%s", text_of(job, "state"));
		if (int_of(job, "node"))
			table_cell(&t, 0, "%lld", (long long)int_of(job, "node"));
		else
			table_cell(&t, 0, "-");
		if (json_is_integer(json_object_get(job, "status")))
			table_cell(&t, 0, "%lld", (long long)int_of(job, "status"));
		else
			table_cell(&t, 0, "-");
		table_cell(&t, 0, "%s", ago(int_of(job, "asked_ms"), buf));
		table_cell(&t, 0, "%s", text_of(job, "command"));
	}
	table_print(&t, stdout);
}

static int job_list(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "user", 'u', "USER", 0, "Of this user only", 0 },
		{ "all", 'a', NULL, 0, "Also those that are over", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		.options = options, .parser = parse_list, .children = cli_json_option,
		.doc = "List jobs: those that wait and those that run.",
	};
	HCNL_CLEAN struct hcnl *h = NULL;
	json_auto_t *jobs = NULL, *shown = json_array();
	struct args a = { 0 };
	json_t *job;
	size_t i;

	cli_parse(&argp, argc, argv, &a);
	h = cli_try_open();
	if (cli_ask_list(h, CLI_ASK_MS, "job.list", "jobs", &jobs) < 0)
		return cli_fail("%s", cli_ask_error());
	json_array_foreach(jobs, i, job)
		if ((a.is_all || !is_over(job)) && (!a.user || !strcmp(a.user, text_of(job, "user"))))
			json_array_append(shown, job);
	if (cli.json)
		return cli_json(json_pack("{s:O}", "jobs", shown));
	print_list(shown);
	return CLI_OK;
}

/* ---- show, stop ---------------------------------------------------- */

static error_t parse_one(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case 'o':
		a->wants_output = true;
		return 0;
	case 'f':
		a->wants_output = a->is_following = true;
		return 0;
	case 'w':
		a->is_waiting = true;
		return 0;
	case ARGP_KEY_ARG:
		if (a->id)
			return ARGP_ERR_UNKNOWN;
		a->id = cli_number_arg(state, "A job's number", arg, 1, INT64_MAX);
		return 0;
	case ARGP_KEY_END:
		if (!a->id)
			argp_error(state, "A job must be named by its number.");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static void print_time(const char *what, const json_t *job, const char *key)
{
	json_int_t ms = int_of(job, key);
	char buf[FORMAT_LEN];

	if (ms)
		printf("%-10s %s\n", what, time_format((uint64_t)ms * 1000000, buf));
}

static void print_one(const json_t *job)
{
	char clean[1024];

	printf("%-10s %lld of user %s\n", "job", (long long)int_of(job, "id"), text_of(job, "user"));
	printf("%-10s %s\n", "name", text_of(job, "name"));
	printf("%-10s %s\n", "command", text_of(job, "command"));
	if (text_of(job, "folder")[0])
		printf("%-10s %s\n", "folder", text_clean(text_of(job, "folder"), clean, sizeof(clean)));
	printf("%-10s %lld\n", "cpus", (long long)int_of(job, "cpus"));
	printf("%-10s %s", "state", text_of(job, "state"));
	if (!strcmp(text_of(job, "state"), "queued"))
		printf(", %lld before it", (long long)int_of(job, "ahead"));
	else if (int_of(job, "node"))
		printf(", node %lld", (long long)int_of(job, "node"));
	putchar('\n');
	if (json_is_integer(json_object_get(job, "status")))
		printf("%-10s %lld\n", "status", (long long)int_of(job, "status"));
	if (int_of(job, "run") > 1)
		printf("%-10s %lld\n", "begun", (long long)int_of(job, "run"));
	if (text_of(job, "why")[0])
		printf("%-10s %s\n", "why", text_clean(text_of(job, "why"), clean, sizeof(clean)));
	print_time("asked", job, "asked_ms");
	print_time("started", job, "started_ms");
	print_time("ended", job, "ended_ms");
}

static int job_show(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "output", 'o', NULL, 0, "What it wrote, and nothing else", 0 },
		{ "follow", 'f', NULL, 0, "The same as it comes, until the job is over", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		.options = options, .parser = parse_one, .children = cli_json_option, .args_doc = "JOB",
		.doc = "Show a job, or its output.",
	};
	HCNL_CLEAN struct hcnl *h = NULL;
	json_auto_t *job = NULL;
	uint64_t offset = 0, lost = 0;
	struct args a = { 0 };
	int rc;

	cli_parse(&argp, argc, argv, &a);
	h = cli_try_open();
	if (a.is_following)
		return follow(h, a.id, &job);
	if (a.wants_output) {
		rc = print_output(h, a.id, &offset, &lost);
		remark(lost);
		return rc;
	}
	rc = show(h, a.id, &job);
	if (rc)
		return rc;
	if (cli.json)
		return cli_json(json_pack("{s:O}", "job", job));
	print_one(job);
	return CLI_OK;
}

static int job_stop(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "wait", 'w', NULL, 0, "Until it is over", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		.options = options, .parser = parse_one, .children = cli_json_option, .args_doc = "JOB",
		.doc = "End a job: SIGTERM to all its processes, and after ten seconds SIGKILL. One that waits never begins.",
	};
	HCNL_CLEAN struct hcnl *h = NULL;
	json_auto_t *answer = NULL;
	struct args a = { 0 };

	cli_parse(&argp, argc, argv, &a);
	h = cli_try_open();
	if (cli_ask(h, json_pack("{s:s, s:I}", "do", "job.stop", "id", (json_int_t)a.id), &answer) < 0)
		return cli_fail("%s", cli_ask_error());
	if (a.is_waiting) {
		for (;;) {
			json_auto_t *job = NULL;
			int rc = show(h, a.id, &job);

			if (rc)
				return rc;
			if (is_over(job))
				break;
			usleep(POLL_FAST_US);
		}
	}
	if (cli.json)
		return cli_json(json_pack("{s:I}", "id", (json_int_t)a.id));
	printf(a.is_waiting ? "Job %llu is over.\n" : "Job %llu ends.\n", (unsigned long long)a.id);
	return CLI_OK;
}

int cmd_job(int argc, char **argv)
{
	static const struct cli_cmd verbs[] = {
		{ "submit", job_submit, "have a command run where a node is free" },
		{ "list", job_list, "what waits and runs" },
		{ "show", job_show, "one job, or its output" },
		{ "stop", job_stop, "end a job" },
		{ NULL, NULL, NULL }
	};

	return cli_verbs("job", verbs, argc, argv);
}
