// SPDX-License-Identifier: GPL-2.0-or-later
/* The node panel's model: what is shown of an answer, and what a tick asks for. */
#include <errno.h>
#include <string.h>

#include "panel/model.h"
#include "unit.h"

static struct panel p;

static json_t *node(int id, const char *more)
{
	json_t *j = json_loads(more, 0, NULL);

	ck_assert_ptr_nonnull(j);
	json_object_set_new(j, "id", json_integer(id));
	return j;
}

#define USED	"{\"name\":\"n\",\"state\":\"live\",\"own\":true,\"ticked\":true,\"active\":true,\"load\":0.5}"
#define UNUSED	"{\"name\":\"n\",\"state\":\"live\",\"own\":true,\"ticked\":false,\"active\":false,\"load\":null}"
#define LENT	"{\"name\":\"n\",\"state\":\"live\",\"own\":false,\"ticked\":true,\"active\":true,\"lent\":true,\"load\":9}"

/* Node 3 first: the order is the panel's own. */
static void show(const char *three)
{
	json_t *u = json_pack("{s:s, s:[i], s:[o, o, o]}", "name", "A", "leaders", 1, "nodes",
			      node(3, three), node(1, USED), node(2, UNUSED));

	ck_assert_int_eq(panel_update(&p, u), 0);
	json_decref(u);
}

/* The nodes of the wish, as text. */
static const char *wished(void)
{
	static char text[64];
	json_t *wish = panel_wish(&p), *v;
	size_t i;

	text[0] = 0;
	ck_assert_str_eq(json_string_value(json_object_get(wish, "do")), "user.wish");
	ck_assert_str_eq(json_string_value(json_object_get(wish, "wish")), "select");
	ck_assert_str_eq(json_string_value(json_object_get(wish, "user")), "A");
	json_array_foreach(json_object_get(wish, "nodes"), i, v)
		sprintf(text + strlen(text), "%lld ", (long long)json_integer_value(v));
	json_decref(wish);
	return text;
}

static const char *summary(void)
{
	static char text[PANEL_TEXT];

	return panel_summary(&p, text, sizeof(text));
}

static void reset(void)
{
	p = (struct panel){ 0 };
}

START_TEST(shows_what_is)
{
	char load[16];

	ck_assert_str_eq(summary(), "Asking the daemon ...");
	show(LENT);
	ck_assert_uint_eq(p.nr, 3);
	for (size_t i = 0; i < 3; i++)
		ck_assert_uint_eq(p.nodes[i].id, i + 1);
	ck_assert(p.nodes[0].is_leader && !p.nodes[1].is_leader && !p.nodes[2].is_leader);
	ck_assert_str_eq(p.nodes[0].does, "leads");
	ck_assert_str_eq(p.nodes[1].does, "not used");
	ck_assert_str_eq(p.nodes[2].does, "serves, lent");
	ck_assert_str_eq(panel_load_text(&p.nodes[0], load), "50 %");
	ck_assert_str_eq(panel_load_text(&p.nodes[1], load), "?");
	ck_assert_str_eq(panel_load_text(&p.nodes[2], load), "100 %");
	ck_assert_str_eq(summary(), "1 of 2 nodes used");
}
END_TEST

START_TEST(says_what_a_node_does)
{
	static const struct { const char *row, *does; } cases[] = {
		{ "{\"state\":\"dead\",\"own\":true,\"ticked\":true}", "does not answer" },
		{ "{\"state\":\"drained\",\"own\":true,\"ticked\":true}", "drained" },
		{ "{\"state\":\"live\",\"own\":true,\"ticked\":true}", "waits" },
		{ "{\"state\":\"live\",\"own\":true,\"draining\":true}", "drains" },
		{ "{\"state\":\"live\",\"active\":true,\"stands_in_for\":2}", "serves, for node 2" },
		{ "{\"state\":\"live\",\"active\":true,\"container\":\"running\"}", "serves, container running" },
		{ "{\"state\":\"live\",\"active\":true,\"container\":\"a\\u001bb\"}", "serves, container a?b" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		show(cases[i].row);
		ck_assert_str_eq(p.nodes[2].does, cases[i].does);
	}
}
END_TEST

START_TEST(a_tick_asks_for_all_that_are_ticked)
{
	show(USED);
	panel_toggle(&p, 1);
	ck_assert_str_eq(wished(), "1 2 3 ");
	ck_assert_str_eq(summary(), "Asking for 3 of 3 nodes ...");
	/* What the daemon says meanwhile turns no box back. */
	show(USED);
	ck_assert(p.nodes[1].is_wanted && !p.nodes[1].is_ticked);
	panel_toggle(&p, 2);
	ck_assert_str_eq(wished(), "1 2 ");
	/* The first of two answers: the second is waited for. */
	panel_answered(&p, 1, NULL);
	ck_assert(panel_is_waiting(&p) && p.nodes[1].is_wanted);
	panel_answered(&p, 2, NULL);
	ck_assert(!panel_is_waiting(&p));
}
END_TEST

START_TEST(a_refusal_turns_the_boxes_back)
{
	show(UNUSED);
	panel_toggle(&p, 0);
	/* None is ticked: the daemon is asked, it refuses. */
	ck_assert_str_eq(wished(), "");
	panel_answered(&p, 1, "no node was ticked: nothing changes.");
	ck_assert(p.is_error && p.nodes[0].is_wanted);
	ck_assert_str_eq(summary(), "no node was ticked: nothing changes.");
	/* It stays to be read, until the next tick. */
	show(UNUSED);
	ck_assert_str_eq(summary(), "no node was ticked: nothing changes.");
	panel_toggle(&p, 1);
	ck_assert(!p.is_error);
}
END_TEST

START_TEST(a_lent_node_is_asked_for_by_name)
{
	show(LENT);
	ck_assert_str_eq(wished(), "1 ");
	panel_toggle(&p, 2);
	ck_assert_str_eq(wished(), "1 3 ");
	panel_answered(&p, 1, "node 3 is not allocated to A: nothing changes.");
	ck_assert(p.nodes[2].is_wanted && p.is_error);
}
END_TEST

START_TEST(a_lost_daemon)
{
	show(USED);
	panel_lost(&p, "The daemon does not run.");
	ck_assert_uint_eq(p.nr, 3);
	ck_assert(p.nodes[0].load < 0 && p.is_error);
	ck_assert_str_eq(summary(), "The daemon does not run.");
	show(USED);
	ck_assert_str_eq(summary(), "2 of 3 nodes used");
}
END_TEST

START_TEST(nonsense_changes_nothing)
{
	static const char *const bad[] = {
		"{}", "{\"name\":\"A\"}", "{\"nodes\":[]}", "{\"name\":\"A\",\"nodes\":[{\"id\":0}]}",
		"{\"name\":\"A\",\"nodes\":[{\"id\":4294967297}]}", "{\"name\":\"A\",\"nodes\":[7]}",
	};

	show(USED);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json_t *u = json_loads(bad[i], 0, NULL);

		ck_assert_int_eq(panel_update(&p, u), -EBADMSG);
		ck_assert_uint_eq(p.nr, 3);
		json_decref(u);
	}
	ck_assert_int_eq(panel_update(&p, NULL), -EBADMSG);
	panel_toggle(&p, 3);
	ck_assert(!panel_is_waiting(&p));
}
END_TEST

START_TEST(more_than_fit_are_told)
{
	json_t *rows = json_array(), *u;

	for (int i = PANEL_NODES_MAX + 4; i > 0; i--)
		json_array_append_new(rows, node(i, USED));
	u = json_pack("{s:s, s:o}", "name", "A", "nodes", rows);
	ck_assert_int_eq(panel_update(&p, u), 0);
	json_decref(u);
	ck_assert_uint_eq(p.nr, PANEL_NODES_MAX);
	ck_assert_ptr_nonnull(strstr(summary(), "4 more not shown"));
	/* Half of a selection would be another one than was meant. */
	panel_toggle(&p, 0);
	ck_assert(!panel_is_waiting(&p) && p.is_error);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *s = suite_create("tools panel");
	TCase *c = tcase_create("panel");

	tcase_add_checked_fixture(c, reset, NULL);
	tcase_add_test(c, shows_what_is);
	tcase_add_test(c, says_what_a_node_does);
	tcase_add_test(c, a_tick_asks_for_all_that_are_ticked);
	tcase_add_test(c, a_refusal_turns_the_boxes_back);
	tcase_add_test(c, a_lent_node_is_asked_for_by_name);
	tcase_add_test(c, a_lost_daemon);
	tcase_add_test(c, nonsense_changes_nothing);
	tcase_add_test(c, more_than_fit_are_told);
	suite_add_tcase(s, c);
	return s;
}
