// SPDX-License-Identifier: GPL-2.0-or-later
/* The node panel's model: see model.h. */
#include "panel/model.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "format.h"

static const char *text_of(const json_t *row, const char *key)
{
	return json_string_value(json_object_get(row, key)) ? : "";
}

static bool is_true(const json_t *row, const char *key)
{
	return json_is_true(json_object_get(row, key));
}

__attribute__((format(printf, 2, 3)))
static void add(struct panel_node *n, const char *fmt, ...)
{
	size_t have = strlen(n->does);
	va_list ap;

	if (have && have + 3 < sizeof(n->does)) {
		strcpy(n->does + have, ", ");
		have += 2;
	}
	va_start(ap, fmt);
	vsnprintf(n->does + have, sizeof(n->does) - have, fmt, ap);
	va_end(ap);
}

/* As far as the daemon's answer tells. */
static void describe(struct panel_node *n, const json_t *row)
{
	json_int_t failed = json_integer_value(json_object_get(row, "stands_in_for"));
	char clean[32];

	if (!strcmp(n->state, "dead"))
		add(n, "does not answer");
	else if (strcmp(n->state, "live"))
		add(n, "%s", n->state);
	else if (n->is_leader)
		add(n, "leads");
	else if (n->is_active)
		add(n, "serves");
	else if (is_true(row, "draining"))
		add(n, "drains");
	else
		add(n, n->is_ticked ? "waits" : "not used");
	if (is_true(row, "lent"))
		add(n, "lent");
	if (failed)
		add(n, "for node %lld", (long long)failed);
	if (*text_of(row, "container"))
		add(n, "container %s", text_clean(text_of(row, "container"), clean, sizeof(clean)));
}

static bool is_leader(const json_t *user, json_int_t id)
{
	json_t *v;
	size_t i;

	json_array_foreach(json_object_get(user, "leaders"), i, v)
		if (json_integer_value(v) == id)
			return true;
	return false;
}

static const struct panel_node *find(const struct panel *p, uint32_t id)
{
	for (size_t i = 0; i < p->nr; i++)
		if (p->nodes[i].id == id)
			return &p->nodes[i];
	return NULL;
}

static bool read_node(const struct panel *p, const json_t *user, const json_t *row,
		      struct panel_node *n)
{
	json_int_t id = json_integer_value(json_object_get(row, "id"));
	const json_t *load = json_object_get(row, "load");
	const struct panel_node *was;

	if (id < 1 || id > INT32_MAX)
		return false;
	*n = (struct panel_node){
		.id = (uint32_t)id, .is_own = is_true(row, "own"), .is_ticked = is_true(row, "ticked"),
		.is_active = is_true(row, "active"), .is_leader = is_leader(user, id),
		.load = json_is_number(load) ? json_number_value(load) : -1,
	};
	if (n->load > 1)
		n->load = 1;
	text_clean(text_of(row, "name"), n->name, sizeof(n->name));
	text_clean(text_of(row, "state"), n->state, sizeof(n->state));
	was = find(p, n->id);
	n->is_wanted = was && panel_is_waiting(p) ? was->is_wanted : n->is_ticked;
	describe(n, row);
	return true;
}

static void say(struct panel *p, const char *sentence)
{
	text_clean(sentence, p->said, sizeof(p->said));
	p->is_error = p->said[0];
}

int panel_update(struct panel *p, const json_t *user)
{
	const json_t *rows = json_object_get(user, "nodes");
	static struct panel_node nodes[PANEL_NODES_MAX];
	size_t nr = 0, i;
	json_t *row;

	if (!*text_of(user, "name") || !json_is_array(rows))
		return -EBADMSG;
	json_array_foreach(rows, i, row) {
		struct panel_node n;
		size_t at;

		if (!read_node(p, user, row, &n))
			return -EBADMSG;
		if (nr == PANEL_NODES_MAX)
			break;
		for (at = nr; at && nodes[at - 1].id > n.id; at--)
			nodes[at] = nodes[at - 1];
		nodes[at] = n;
		nr++;
	}
	memcpy(p->nodes, nodes, nr * sizeof(*nodes));
	p->nr = nr;
	p->nr_more = json_array_size(rows) - nr;
	text_clean(text_of(user, "name"), p->user, sizeof(p->user));
	/* A daemon's silence is over when it answers; a refusal stays until the next tick. */
	if (!p->is_known)
		say(p, "");
	p->is_known = true;
	return 0;
}

void panel_lost(struct panel *p, const char *sentence)
{
	for (size_t i = 0; i < p->nr; i++)
		p->nodes[i].load = -1;
	p->is_known = false;
	say(p, sentence);
}

void panel_toggle(struct panel *p, size_t i)
{
	if (i >= p->nr)
		return;
	if (p->nr_more) {
		say(p, "There are more nodes than fit here: tick with \"hyperchain user select\".");
		return;
	}
	p->nodes[i].is_wanted = !p->nodes[i].is_wanted;
	p->nr_asked++;
	say(p, "");
}

json_t *panel_wish(const struct panel *p)
{
	json_t *ids = json_array();

	/* Those lent are no choice of the user's; one whose box was turned is refused by name. */
	for (size_t i = 0; i < p->nr; i++) {
		const struct panel_node *n = &p->nodes[i];

		if (n->is_own ? n->is_wanted : n->is_wanted != n->is_ticked)
			json_array_append_new(ids, json_integer(n->id));
	}
	return json_pack("{s:s, s:s, s:s, s:o}", "do", "user.wish", "wish", "select", "user", p->user,
			 "nodes", ids);
}

void panel_answered(struct panel *p, unsigned int nr, const char *refusal)
{
	/* Several ticks are one wish: the last one's number. */
	p->nr_answered = nr;
	say(p, refusal ? : "");
	for (size_t i = 0; i < p->nr && !panel_is_waiting(p); i++)
		p->nodes[i].is_wanted = p->nodes[i].is_ticked;
}

const char *panel_summary(const struct panel *p, char *buf, size_t len)
{
	size_t own = 0, used = 0;

	for (size_t i = 0; i < p->nr; i++) {
		own += p->nodes[i].is_own;
		used += p->nodes[i].is_own && p->nodes[i].is_wanted;
	}
	if (p->said[0])
		snprintf(buf, len, "%s", p->said);
	else if (panel_is_waiting(p))
		snprintf(buf, len, "Asking for %zu of %zu nodes ...", used, own);
	else if (!p->is_known)
		snprintf(buf, len, "Asking the daemon ...");
	else if (!p->nr)
		snprintf(buf, len, "No node is allocated to %s: ask with \"hyperchain user request\".", p->user);
	else if (p->nr_more)
		snprintf(buf, len, "%zu of %zu nodes used, %zu more not shown", used, own, p->nr_more);
	else
		snprintf(buf, len, "%zu of %zu nodes used", used, own);
	return buf;
}

const char *panel_load_text(const struct panel_node *n, char buf[16])
{
	if (n->load < 0)
		return strcpy(buf, "?");
	snprintf(buf, 16, "%d %%", (int)(n->load * 100 + 0.5));
	return buf;
}

json_t *panel_json(const struct panel *p)
{
	json_t *nodes = json_array();

	for (size_t i = 0; i < p->nr; i++) {
		const struct panel_node *n = &p->nodes[i];

		json_array_append_new(nodes, json_pack("{s:I, s:s, s:s, s:b, s:b, s:b, s:b, s:o, s:s}", "id",
						       (json_int_t)n->id, "name", n->name, "state",
						       n->state, "own", n->is_own, "ticked", n->is_ticked,
						       "active", n->is_active, "leader", n->is_leader,
						       "load", n->load < 0 ? json_null() : json_real(n->load),
						       "does", n->does));
	}
	return json_pack("{s:s, s:o}", "user", p->user, "nodes", nodes);
}
