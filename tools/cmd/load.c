// SPDX-License-Identifier: GPL-2.0-or-later
/* load: what a node or a user had to do, over time. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "cmd/cmd.h"
#include "table.h"

#define COLUMNS	60	/* of the line of blocks */
#define VALUES	3

struct args {
	const char *of, *window, *png;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = NULL;
		return 0;
	case 'w':
		a->window = arg;
		return 0;
	case 'p':
		a->png = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (a->of)
			argp_error(state, "one node or user at a time");
		a->of = arg;
		return 0;
	case ARGP_KEY_END:
		if (strcmp(a->window, "hour") && strcmp(a->window, "day") &&
		    strcmp(a->window, "week") && strcmp(a->window, "month"))
			argp_error(state, "a window is hour, day, week or month, not '%s'", a->window);
		if (a->png && cli.json)
			argp_error(state, "--json or --png, not both");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* ---- the picture ----------------------------------------------------------------------- */

static int digit(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Base64 into @out of the same size; the length, or -EINVAL. */
static ssize_t decode(const char *text, unsigned char *out)
{
	size_t len = 0;
	uint32_t bits = 0;
	int nr = 0;

	for (; *text && *text != '='; text++) {
		int value = digit(*text);

		if (value < 0)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)value;
		nr += 6;
		if (nr >= 8) {
			nr -= 8;
			out[len++] = (unsigned char)(bits >> nr);
		}
	}
	return (ssize_t)len;
}

static int write_picture(const json_t *answer, const char *path)
{
	const char *text = json_string_value(json_object_get(answer, "png"));
	unsigned char *data = text ? malloc(strlen(text) + 1) : NULL;
	ssize_t len = data ? decode(text, data) : -EINVAL;
	FILE *out = len < 0 ? NULL : strcmp(path, "-") ? fopen(path, "we") : stdout;
	bool is_written = out && fwrite(data, 1, (size_t)len, out) == (size_t)len && !fflush(out);
	int r = CLI_OK;

	if (len < 0)
		r = cli_fail("The daemon sent no picture.");
	else if (!is_written)
		r = cli_fail("%s can't be written: %m.", path);
	if (out && out != stdout && fclose(out) && r == CLI_OK)
		r = cli_fail("%s can't be written: %m.", path);
	free(data);
	return r;
}

/* ---- for people ------------------------------------------------------------------------- */

static double value_of(const json_t *rows, size_t row, size_t value)
{
	json_t *json = json_array_get(json_array_get(rows, row), value);

	return json_is_number(json) ? json_number_value(json) : NAN;
}

static void print_share(struct table *t, double value)
{
	int color = isnan(value) ? TABLE_DIM : value >= 0.95 ? TABLE_RED :
		    value >= 0.8 ? TABLE_YELLOW : 0;

	if (isnan(value))
		table_cell(t, color, "?");
	else
		table_cell(t, color, "%.0f %%", value * 100);
}

/* Eight heights; a dot where nothing is known. */
static void print_line(const json_t *rows)
{
	static const char *const blocks[] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	size_t nr = json_array_size(rows), columns = nr < COLUMNS ? nr : COLUMNS;

	for (size_t c = 0; c < columns; c++) {
		double sum = 0;
		size_t known = 0;

		for (size_t i = c * nr / columns; i < (c + 1) * nr / columns; i++) {
			double value = value_of(rows, i, 0);

			sum += isnan(value) ? 0 : value;
			known += !isnan(value);
		}
		if (known) {
			int height = (int)(sum / (double)known * 8);

			fputs(blocks[height > 7 ? 7 : height < 0 ? 0 : height], stdout);
		} else {
			fputs("·", stdout);
		}
	}
	putchar('\n');
}

static void print_time(const json_t *answer, size_t nr)
{
	time_t step = (time_t)json_integer_value(json_object_get(answer, "step_s"));
	time_t first = (time_t)json_integer_value(json_object_get(answer, "first_s")) - step;
	time_t last = first + (time_t)nr * step;
	char from[32], to[32];
	struct tm tm;

	strftime(from, sizeof(from), "%F %H:%M", localtime_r(&first, &tm));
	strftime(to, sizeof(to), "%F %H:%M", localtime_r(&last, &tm));
	printf("%s to %s\n", from, to);
}

static void print_people(const json_t *answer)
{
	static const char *const names[VALUES] = { "load", "CPU", "memory" };
	static const char *const windows[] = { "hour", "day", "week", "month" };
	TABLE_CLEAN struct table t = { .color = cli.color }, means = { .color = cli.color };
	const json_t *rows = json_object_get(answer, "rows");
	const json_t *averages = json_object_get(answer, "averages");
	const char *of = json_string_value(json_object_get(answer, "of"));
	size_t nr = json_array_size(rows);

	printf("%s, ", of ? of : "?");
	print_time(answer, nr);
	print_line(rows);
	putchar('\n');
	table_head(&t, "", "MIN>", "MEAN>", "MAX>", "LAST>", NULL);
	for (size_t v = 0; v < VALUES; v++) {
		double least = NAN, most = NAN, last = NAN, sum = 0;
		size_t known = 0;

		for (size_t i = 0; i < nr; i++) {
			double value = value_of(rows, i, v);

			if (isnan(value))
				continue;
			least = isnan(least) || value < least ? value : least;
			most = isnan(most) || value > most ? value : most;
			last = value;
			sum += value;
			known++;
		}
		table_cell(&t, TABLE_BOLD, "%s", names[v]);
		print_share(&t, least);
		print_share(&t, known ? sum / (double)known : NAN);
		print_share(&t, most);
		print_share(&t, last);
	}
	table_print(&t, stdout);
	putchar('\n');
	table_head(&means, "MEAN LOAD", "HOUR>", "DAY>", "WEEK>", "MONTH>", NULL);
	table_cell(&means, 0, "%s", "");
	for (size_t w = 0; w < 4; w++) {
		json_t *mean = json_object_get(averages, windows[w]);

		print_share(&means, json_is_number(mean) ? json_number_value(mean) : NAN);
	}
	table_print(&means, stdout);
}

int cmd_load(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "window", 'w', "hour|day|week|month", 0, "How far back (default: hour)", 0 },
		{ "png", 'p', "FILE", 0, "Draw a picture into FILE (-: standard output)", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		.options = options, .parser = parse, .children = cli_json_option,
		.args_doc = "[NODE|USER]",
		.doc = "Show the load of a node or of a user's nodes over time (R1). A number is a node; else a user is meant before a node of that name.",
	};
	struct args a = { .window = "hour" };
	json_auto_t *answer = NULL;
	json_t *request;
	int rc;

	cli_parse(&argp, argc, argv, &a);
	request = json_pack("{s:s, s:s, s:b}", "do", "load.show", "window", a.window, "picture",
			    a.png != NULL);
	if (a.of)
		json_object_set_new(request, "of", json_string(a.of));
	rc = cli_do(request, &answer);
	if (rc)
		return rc;
	if (a.png)
		return write_picture(answer, a.png);
	if (cli.json)
		return cli_json(json_incref(answer));
	print_people(answer);
	return CLI_OK;
}
