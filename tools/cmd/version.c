// SPDX-License-Identifier: GPL-2.0-or-later
/* version: of this program, of the loaded module and of the daemon. */
#include <string.h>

#include "cli.h"
#include "cmd.h"

int cmd_version(int argc, char **argv)
{
	static const struct argp argp = {
		.doc = "Show the versions of this program, the module and the daemon.",
		.children = cli_json_option,
	};
	json_auto_t *answer = NULL;
	HCNL_CLEAN struct hcnl *h = NULL;
	struct hcnl_node node = { 0 };
	const char *daemon = NULL;

	cli_parse(&argp, argc, argv, NULL);
	h = cli_try_open();
	if (h)
		hcnl_node_get(h, &node);
	if (cli_ask(h, json_pack("{s:s}", "do", "status"), &answer) == 0)
		daemon = json_string_value(json_object_get(json_object_get(answer, "node"),
							   "daemon_version")) ? : "unknown";
	if (cli.json)
		return cli_json(json_pack("{s:s s:s? s:s?}", "program", HC_VERSION, "module",
					  h ? node.version : NULL, "daemon", daemon));
	printf("program  %s\nmodule   %s\ndaemon   %s\n", HC_VERSION, h ? node.version : "not loaded",
	       daemon ? : "not running");
	return CLI_OK;
}
