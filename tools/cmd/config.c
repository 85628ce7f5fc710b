// SPDX-License-Identifier: GPL-2.0-or-later
/* config show, config set: the keys of the rules, for the whole cluster. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "cmd.h"
#include "table.h"

struct args {
	const char *key, *value;
	bool is_default;
};

static const struct argp_option set_options[] = {
	{ "default", 'd', NULL, 0, "The default again, instead of a VALUE", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	if (key == 'd')
		a->is_default = true;
	else if (key == ARGP_KEY_ARG && !a->key)
		a->key = arg;
	else if (key == ARGP_KEY_ARG && !a->value)
		a->value = arg;
	else
		return ARGP_ERR_UNKNOWN;
	return 0;
}

static const char *text_of(json_t *row, const char *key)
{
	return json_string_value(json_object_get(row, key)) ? : "";
}

static int config_show(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse, .args_doc = "[KEY]", .children = cli_json_option,
		.doc = "Show every key of the rules, or one, with what the cluster set it to.",
	};
	TABLE_CLEAN struct table t = { .color = cli.color };
	json_auto_t *answer = NULL, *shown = json_array();
	struct args a = { .key = NULL };
	json_t *row;
	size_t i;
	int rc;

	cli_parse(&argp, argc, argv, &a);
	rc = cli_do(json_pack("{s:s}", "do", "config.show"), &answer);
	if (rc)
		return rc;
	json_array_foreach(json_object_get(answer, "keys"), i, row) {
		if (!a.key || !strcmp(a.key, text_of(row, "key")))
			json_array_append(shown, row);
	}
	if (a.key && !json_array_size(shown))
		return cli_fail("There is no key '%s'.", a.key);
	if (cli.json)
		return cli_json(json_pack("{s:O}", "keys", shown));
	table_head(&t, "KEY", "VALUE>", "DEFAULT>", "RULE", "MEANING", NULL);
	json_array_foreach(shown, i, row) {
		bool is_set = strcmp(text_of(row, "value"), text_of(row, "default"));

		table_cell(&t, is_set ? TABLE_BOLD : 0, "%s", text_of(row, "key"));
		table_cell(&t, is_set ? TABLE_BOLD : 0, "%s", text_of(row, "value"));
		table_cell(&t, 0, "%s", text_of(row, "default"));
		table_cell(&t, 0, "R%lld", (long long)json_integer_value(json_object_get(row, "rule")));
		table_cell(&t, 0, "%s", text_of(row, "help"));
	}
	table_print(&t, stdout);
	return CLI_OK;
}

static int config_set(int argc, char **argv)
{
	static const struct argp argp = {
		.options = set_options, .parser = parse, .args_doc = "KEY [VALUE]",
		.children = cli_json_option,
		.doc = "Set a key of the rules, on all nodes at once.",
	};
	json_auto_t *answer = NULL;
	struct args a = { .key = NULL };
	int rc;

	cli_parse(&argp, argc, argv, &a);
	if (!a.key || !a.value == !a.is_default) {
		cli_fail("give a key and a value, or a key and --default.");
		return CLI_USAGE;
	}
	rc = cli_do(json_pack("{s:s, s:s, s:s}", "do", "config.set", "key", a.key, "value",
			      a.is_default ? "" : a.value), &answer);
	if (rc)
		return rc;
	if (cli.json)
		return cli_json(json_pack("{s:s, s:s?}", "key", a.key, "value", a.value));
	return CLI_OK;
}

int cmd_config(int argc, char **argv)
{
	static const struct cli_cmd verbs[] = {
		{ "show", config_show, "every key, its value and meaning" },
		{ "set", config_set, "change one" },
		{ NULL, NULL, NULL }
	};

	return cli_verbs("config", verbs, argc, argv);
}
