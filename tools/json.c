// SPDX-License-Identifier: GPL-2.0-or-later
/* --json: the structs of the library by their attribute tables. */
#include <limits.h>

#include "attrs.h"
#include "cli.h"

static json_t *value_of(const struct hcnl_field *f, const void *obj)
{
	const char *at = (const char *)obj + f->off;
	json_t *list;
	size_t n;

	switch (f->kind) {
	case HCNL_U8:
		return json_integer(*(uint8_t *)at);
	case HCNL_BOOL:
		return json_boolean(*(uint8_t *)at);
	case HCNL_U32:
		return json_integer(*(uint32_t *)at);
	case HCNL_U64:
		return json_integer(*(uint64_t *)at);
	case HCNL_STRING:
		/* Not UTF-8: a name that JSON can't hold. */
		return json_string(at) ? : json_null();
	case HCNL_U32_NEST:
	case HCNL_U64_MULTI:
		n = *(const size_t *)((const char *)obj + f->off_n);
		list = json_array();
		for (size_t i = 0; i < n; i++)
			json_array_append_new(list, json_integer(f->kind == HCNL_U32_NEST ?
								 ((uint32_t *)at)[i] :
								 ((uint64_t *)at)[i]));
		return list;
	}
	return NULL;
}

json_t *cli_json_of(const struct hcnl_field *fields, const void *obj)
{
	json_t *j = json_object();

	for (; fields->attr_name; fields++)
		if (fields->key)
			json_object_set_new(j, fields->key, value_of(fields, obj));
	return j;
}

json_t *cli_json_peer(const struct hcnl_peer *peer)
{
	json_t *j = cli_json_of(hcnl_peer_fields, peer);

	json_object_set_new(j, "state", json_string(hcnl_peer_state_name(peer->state)));
	return j;
}

json_t *cli_json_env(const struct hcnl_env *env)
{
	json_t *j = cli_json_of(hcnl_env_fields, env), *list = json_array();

	/* By path; by number where it has gone or may not be looked up. */
	for (size_t i = 0; i < env->nr_cgroups; i++) {
		char path[PATH_MAX];
		int r = hcnl_cgroup_path(env->cgroups[i], path, sizeof(path));

		json_array_append_new(list, r < 0 ? json_null() : json_string(path));
	}
	json_object_set_new(j, "cgroup_paths", list);
	return j;
}

int cli_json(json_t *j)
{
	int r = json_dumpf(j, stdout, JSON_INDENT(2));

	putchar('\n');
	json_decref(j);
	if (r < 0 || fflush(stdout))
		return cli_fail("Cannot write the answer: %m.");
	return CLI_OK;
}
