// SPDX-License-Identifier: GPL-2.0-or-later
/* Tables and the frames of top: widths, colours, nothing beyond the terminal. */
#include <stdlib.h>
#include <string.h>

#include "format.h"
#include "signature.h"
#include "table.h"
#include "top.h"
#include "unit.h"

static char *printed(const struct table *t)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	ck_assert_int_eq(table_print(t, f), 0);
	fclose(f);
	return text;
}

START_TEST(table_aligns)
{
	struct table t = { .indent = 2 };
	char *text;

	table_head(&t, "ID>", "NAME", "SIZE>", NULL);
	table_cell(&t, TABLE_RED, "%d", 1);
	table_cell(&t, 0, "M\xc3\xbcnchen");
	table_cell(&t, 0, "1.5 GiB");
	table_cell(&t, 0, "%d", 100);
	table_cell(&t, 0, "a");
	table_cell(&t, 0, "0");
	ck_assert_uint_eq(table_rows(&t), 2);
	text = printed(&t);
	ck_assert_str_eq(text,
			 "   ID  NAME        SIZE\n"
			 "    1  M\xc3\xbcnchen  1.5 GiB\n"
			 "  100  a              0\n");
	free(text);
	table_free(&t);
}
END_TEST

START_TEST(table_colours_only_when_told)
{
	struct table t = { .color = true };
	char *text;

	table_head(&t, "A", NULL);
	table_cell(&t, TABLE_RED, "x");
	table_cell(&t, 0, "y");
	text = printed(&t);
	ck_assert_str_eq(text, "\033[1mA\033[0m\n\033[31mx\033[0m\ny\n");
	free(text);
	t.color = false;
	text = printed(&t);
	ck_assert_str_eq(text, "A\nx\ny\n");
	free(text);
	table_free(&t);
}
END_TEST

START_TEST(table_without_head)
{
	struct table t = { 0 };
	char *text;

	table_head(&t, "", "", NULL);
	table_cell(&t, 0, "name");
	table_cell(&t, 0, "evil\033]0;x\007");
	table_cell(&t, 0, "x");
	table_cell(&t, 0, "%s", "");
	text = printed(&t);
	ck_assert_str_eq(text, "name  evil?]0;x?\nx\n");
	free(text);
	table_free(&t);
}
END_TEST

/* ---- top ------------------------------------------------------------------ */

static struct top_node nodes[3];
static struct hcnl_env envs[1];

static struct top_picture picture(void)
{
	struct top_picture p = {
		.time_ns = 1795463000123456789ULL, .has_daemon = true,
		.nodes = nodes, .nr_nodes = 3,
		.pool = { .limit = 1 << 30, .lent = 256 << 20 }, .has_disk = true,
		.disk = { .size = 4ULL << 30, .used = 1ULL << 30 }, .disk_read_rate = 12345,
		.envs = envs, .nr_envs = 1,
	};

	nodes[0] = (struct top_node){
		.id = 1, .name = "n1", .is_self = true, .has_memory = true, .total = 2ULL << 30,
		.available = 1ULL << 30, .lent = 256 << 20,
	};
	nodes[1] = (struct top_node){
		.id = 2, .name = "n2", .has_memory = true, .total = 4ULL << 30, .available = 2ULL << 30,
		.lent = 1ULL << 30, .read_rate = 5000,
		.peer = { .state = HC_PEER_LIVE, .slabs = 1ULL << 30, .used = 512 << 20,
			  .free = 1ULL << 30, .lent = 256 << 20, .rtt_us = 120 },
	};
	nodes[2] = (struct top_node){
		.id = 3, .name = "n\033[2J3", .peer = { .state = HC_PEER_LOST },
	};
	envs[0] = (struct hcnl_env){
		.id = 7, .name = "A", .quota = 2ULL << 30, .used = 1ULL << 30, .degraded = 4096,
	};
	return p;
}

/* Columns without the colours; fails on any escape but a colour. */
static size_t visible(const char *line)
{
	char plain[4096];
	size_t n = 0;

	while (*line) {
		if (*line == '\033') {
			line++;
			ck_assert_int_eq(*line, '[');
			line += 1 + strspn(line + 1, "0123456789");
			ck_assert_int_eq(*line++, 'm');
			continue;
		}
		ck_assert((unsigned char)*line >= 0x20);
		plain[n++] = *line++;
	}
	plain[n] = 0;
	return text_width(plain);
}

static bool has(const struct top_lines *l, const char *text)
{
	for (size_t i = 0; i < l->n; i++)
		if (strstr(l->line[i], text))
			return true;
	return false;
}

START_TEST(top_shows_all)
{
	struct top_picture p = picture();
	struct top_style style = { .cols = 120 };
	struct top_lines l = { 0 };

	top_draw(&p, &style, &l);
	ck_assert(!l.is_bad);
	ck_assert(has(&l, "node 1 n1  1 of 2 peers live"));
	ck_assert(has(&l, "768 MiB own  256 MiB lent  of 2 GiB"));
	ck_assert(has(&l, "1 GiB own  1 GiB lent  of 4 GiB"));
	ck_assert(has(&l, "512 MiB of 2 GiB  in 5.0k/s  out 0/s  120 us"));
	ck_assert(has(&l, "n?[2J3"));
	ck_assert(has(&l, "lost"));
	ck_assert(has(&l, "1 GiB of 4 GiB  in 12.3k/s"));
	ck_assert(has(&l, "1 GiB of 2 GiB  4 KiB degraded"));
	top_lines_free(&l);
}
END_TEST

START_TEST(top_fits_every_terminal)
{
	struct top_picture p = picture();

	for (int cols = 20; cols <= 300; cols++)
		for (int k = 0; k < 4; k++) {
			struct top_style style = {
				.cols = cols, .rows = cols % 30, .color = k & 1, .utf8 = k & 2,
			};
			struct top_lines l = { 0 };

			top_draw(&p, &style, &l);
			ck_assert(!l.is_bad);
			if (style.rows)
				ck_assert_uint_le(l.n, (size_t)style.rows);
			for (size_t i = 0; i < l.n; i++)
				ck_assert_uint_le(visible(l.line[i]), (size_t)cols);
			top_lines_free(&l);
		}
}
END_TEST

START_TEST(top_of_nothing)
{
	struct top_picture p = { 0 };
	struct top_style style = { .cols = 80 };
	struct top_lines l = { 0 };

	top_draw(&p, &style, &l);
	ck_assert(!l.is_bad && l.n > 0);
	top_lines_free(&l);
}
END_TEST

START_TEST(signatures_are_found)
{
	static unsigned char buf[SIGNATURE_LEN];

	memset(buf, 0, sizeof(buf));
	ck_assert_ptr_null(signature_find(buf, sizeof(buf)));
	buf[0x438] = 0x53;
	ck_assert_ptr_null(signature_find(buf, sizeof(buf)));
	buf[0x439] = 0xef;
	ck_assert_str_eq(signature_find(buf, sizeof(buf)), "an ext2/3/4 file system");
	ck_assert_ptr_null(signature_find(buf, 0x439));
	ck_assert_ptr_null(signature_find(buf, 0));
	memset(buf, 0, sizeof(buf));
	memcpy(buf + 4086, "SWAPSPACE2", 10);
	ck_assert_str_eq(signature_find(buf, sizeof(buf)), "a swap area");
}
END_TEST

Suite *unit_suite(void)
{
	Suite *s = suite_create("tools table");
	TCase *c = tcase_create("table");

	tcase_add_test(c, table_aligns);
	tcase_add_test(c, table_colours_only_when_told);
	tcase_add_test(c, table_without_head);
	tcase_add_test(c, top_shows_all);
	tcase_add_test(c, top_fits_every_terminal);
	tcase_add_test(c, top_of_nothing);
	tcase_add_test(c, signatures_are_found);
	tcase_set_timeout(c, 30);
	suite_add_tcase(s, c);
	return s;
}
