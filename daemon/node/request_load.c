// SPDX-License-Identifier: GPL-2.0-or-later
/* load.show: the load of a node or a user over time, from hyperchain-stats. R1. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cluster/control.h"
#include "daemon/daemon.h"
#include "daemon/node/request.h"
#include "daemon/stats/stats.h"

static const char *const windows[] = { "hour", "day", "week", "month" };

struct load_ask {
	struct hcd_request *req;
	char name[HC_NAME_LEN + 8];	/* in the archives */
	char what[HC_NAME_LEN + 32];	/* for people */
	const char *window;		/* of the table above */
	bool wants_picture;
	json_t *averages;
};

static void end(struct load_ask *a)
{
	json_decref(a->averages);
	free(a);
}

static void on_got(const json_t *answer, const char *error, void *arg)
{
	struct load_ask *a = arg;
	json_t *json;

	if (!answer) {
		hcd_request_fail(a->req, "%s", error);
		end(a);
		return;
	}
	json = json_pack("{s:s, s:s, s:O}", "of", a->what, "window", a->window, "averages",
			 a->averages);
	if (a->wants_picture)
		json_object_set(json, "png", json_object_get(answer, "png"));
	else
		for (size_t i = 0; i < 3; i++) {
			static const char *const keys[] = { "first_s", "step_s", "rows" };

			json_object_set(json, keys[i], json_object_get(answer, keys[i]));
		}
	hcd_request_ok(a->req, json);
	end(a);
}

static void on_averages(const json_t *answer, const char *error, void *arg)
{
	struct load_ask *a = arg;
	json_t *list, *request;
	char title[HC_NAME_LEN + 64];

	if (!answer) {
		hcd_request_fail(a->req, "%s", error);
		end(a);
		return;
	}
	list = json_object_get(json_object_get(answer, "averages"), a->name);
	a->averages = json_object();
	for (size_t w = 0; w < 4; w++) {
		json_t *mean = json_array_get(json_array_get(list, w), 0);

		mean = mean ? json_incref(mean) : json_null();
		json_object_set_new(a->averages, windows[w], mean);
	}
	request = json_pack("{s:s, s:s, s:s}", "do", a->wants_picture ? "graph" : "rows", "name",
			    a->name, "window", a->window);
	snprintf(title, sizeof(title), "Load of %s, last %s", a->what, a->window);
	if (a->wants_picture)
		json_object_set_new(request, "title", json_string(title));
	hcd_stats_ask(a->req->d->stats, request, on_got, a);
}

/* A number is a node; else a user is meant before a node of that name. */
static bool find(const struct hcd_fsm *fsm, const char *of, struct load_ask *a)
{
	const struct hcd_member *m = NULL;
	uint32_t id = of[0] && strspn(of, "0123456789") == strlen(of) && strlen(of) < 10 ?
		      (uint32_t)strtoul(of, NULL, 10) : 0;

	if (!id && hcd_fsm_kept(fsm, HCD_KEPT_USER, of)) {
		snprintf(a->name, sizeof(a->name), "user-%s", of);
		snprintf(a->what, sizeof(a->what), "user %s", of);
		return true;
	}
	for (size_t i = 0; i < fsm->nr_members && !m; i++)
		if (id ? fsm->members[i].id == id : strcmp(fsm->members[i].name, of) == 0)
			m = &fsm->members[i];
	if (!m)
		return false;
	snprintf(a->name, sizeof(a->name), "node-%u", m->id);
	snprintf(a->what, sizeof(a->what), "node %u (%s)", m->id, m->name);
	return true;
}

void hcd_do_load_show(struct hcd_request *req)
{
	const char *of = NULL, *user = NULL, *window = "hour";
	struct load_ask *a;
	int wants_picture = 0;
	size_t w;

	if (!hcd_request_unpack(req, "{s?s, s?s, s?b}", "of", &of, "window", &window, "picture",
				&wants_picture) || !hcd_request_member(req))
		return;
	user = of;
	if (!hcd_request_user(req, &user))
		return;
	of = of ? of : user;
	for (w = 0; w < 4 && strcmp(windows[w], window) != 0; w++)
		;
	if (!of || w == 4) {
		hcd_request_fail(req, !of ? "Whose load is not said: a node or a user." :
				 "'%.32s' is no window: hour, day, week or month.", window);
		return;
	}
	a = calloc(1, sizeof(*a));
	if (!a || !find(req->d->control->fsm, of, a)) {
		hcd_request_fail(req, a ? "There is no node and no user '%.64s'." :
				 "Memory is short.", of);
		free(a);
		return;
	}
	/* From inside an environment only its user: a node is no user's business. */
	if (req->env && !req->is_admin && strncmp(a->name, "user-", 5) != 0) {
		hcd_request_fail(req, "From here only the own user's load can be asked for.");
		free(a);
		return;
	}
	a->req = req;
	a->window = windows[w];
	a->wants_picture = wants_picture;
	hcd_stats_ask(req->d->stats, json_pack("{s:s, s:[s]}", "do", "average", "names", a->name),
		      on_averages, a);
}
