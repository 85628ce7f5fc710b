// SPDX-License-Identifier: GPL-2.0-or-later
/* panel: a user's nodes in a terminal, live, with boxes to tick (R17). See panel/model.h. */
#include <errno.h>
#include <langinfo.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <newt.h>
#include <sys/ioctl.h>

#include "cli.h"
#include "cmd.h"
#include "panel/feed.h"
#include "table.h"

#define TICK_MS		100	/* how often the feed is looked at */
#define BAR		20
#define COLS_MIN	40
#define ROWS_MIN	8
#define WIDTH_MAX	78
#define LINES		2	/* of each node */
#define ESCAPE		27
#define CTRL_C		3

enum { OPT_ONCE = '1' };

/* Colours of a bar, and of a refusal. */
enum { COLOR_IDLE, COLOR_BUSY, COLOR_FULL, COLOR_REFUSED };
static const struct { const char *front, *back; } colors[] = {
	[COLOR_IDLE] = { "green", "lightgray" }, [COLOR_BUSY] = { "brown", "lightgray" },
	[COLOR_FULL] = { "red", "lightgray" }, [COLOR_REFUSED] = { "white", "red" },
};

struct args {
	const char *user;
	bool once;
};

/* A node's widgets; @id and @name say what they were made for. */
struct row {
	struct screen *screen;
	size_t at;
	uint32_t id;
	char name[HC_NAME_LEN + 1];
	newtComponent box, star, bar, state;
};

struct screen {
	struct panel panel;
	struct panel_feed *feed;
	struct row rows[PANEL_NODES_MAX];
	size_t nr;
	int cols, lines;
	newtComponent form, list, bar, said;
	bool is_utf8;
};

static volatile sig_atomic_t is_ended;

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case OPT_ONCE:
		a->once = true;
		return 0;
	case ARGP_KEY_ARG:
		if (a->user)
			return ARGP_ERR_UNKNOWN;
		a->user = arg;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static void on_signal(int sig)
{
	(void)sig;
	is_ended = 1;
}

static void size_get(int *ret_cols, int *ret_lines)
{
	struct winsize w = { 0 };

	ioctl(STDOUT_FILENO, TIOCGWINSZ, &w);
	*ret_cols = w.ws_col ? w.ws_col : 80;
	*ret_lines = w.ws_row ? w.ws_row : 24;
}

/* ---- building ------------------------------------------------------------------------- */

static void on_tick(newtComponent box, void *data)
{
	struct row *r = data;

	(void)box;
	panel_feed_toggle(r->screen->feed, &r->screen->panel, r->at);
}

static void add_row(struct screen *s, size_t i, int width)
{
	const struct panel_node *n = &s->panel.nodes[i];
	struct row *r = &s->rows[i];
	char text[HC_NAME_LEN + 16];
	int top = (int)i * LINES;

	*r = (struct row){ .screen = s, .at = i, .id = n->id };
	memcpy(r->name, n->name, sizeof(r->name));
	snprintf(text, sizeof(text), "%s (%u)", n->name, n->id);
	if ((int)strlen(text) > width - BAR - 14)
		text[width - BAR - 14] = 0;
	r->box = newtCheckbox(2, top, text, n->is_wanted ? '*' : ' ', " *", NULL);
	r->star = newtLabel(0, top, " ");
	r->bar = newtLabel(width - BAR - 7, top, "");
	r->state = newtLabel(6, top + 1, "");
	newtComponentAddCallback(r->box, on_tick, r);
	newtFormAddComponents(s->list, r->box, r->star, r->bar, r->state, NULL);
}

static void build(struct screen *s)
{
	int width, height, bottom;
	char title[HC_NAME_LEN + 32];

	size_get(&s->cols, &s->lines);
	width = (s->cols > WIDTH_MAX + 4 ? WIDTH_MAX : s->cols - 4);
	height = s->lines - 5 > ROWS_MIN - 5 ? s->lines - 5 : ROWS_MIN - 5;
	bottom = height - 2;
	snprintf(title, sizeof(title), "Nodes of %s", s->panel.user[0] ? s->panel.user : "...");
	newtCenteredWindow((unsigned int)width, (unsigned int)height, title);
	newtPushHelpLine(" Space: use or leave the node   Up, Down: another one   q: end");
	s->bar = newtVerticalScrollbar(width - 1, 0, bottom, NEWT_COLORSET_WINDOW,
				       NEWT_COLORSET_ACTCHECKBOX);
	s->list = newtForm(s->bar, NULL, 0);
	newtFormSetHeight(s->list, bottom);
	newtFormSetBackground(s->list, NEWT_COLORSET_WINDOW);
	s->nr = s->panel.nr;
	for (size_t i = 0; i < s->nr; i++)
		add_row(s, i, width);
	s->said = newtTextbox(1, bottom, width - 2, 2, NEWT_FLAG_WRAP);
	s->form = newtForm(NULL, NULL, 0);
	if (s->nr)
		newtFormAddComponents(s->form, s->list, NULL);
	newtFormAddComponents(s->form, s->said, NULL);
	newtFormAddHotKey(s->form, 'q');
	newtFormAddHotKey(s->form, CTRL_C);
	newtFormAddHotKey(s->form, ESCAPE);
	newtFormSetTimer(s->form, TICK_MS);
}

static void tear_down(struct screen *s)
{
	if (!s->nr)
		newtFormDestroy(s->list);
	newtFormDestroy(s->form);
	newtComponentDestroy(s->bar);	/* a form does not own its scroll bar */
	newtPopHelpLine();
	newtPopWindow();
}

/* ---- keeping it up to date ------------------------------------------------------------ */

static void draw_bar(const struct screen *s, struct row *r, const struct panel_node *n)
{
	int full = n->load < 0 ? 0 : (int)(n->load * BAR + 0.5);
	char text[BAR * 3 + 32] = "", load[16];

	for (int i = 0; i < BAR; i++)
		strcat(text, s->is_utf8 ? i < full ? "█" : "░" : i < full ? "#" : ".");
	sprintf(text + strlen(text), " %5s", panel_load_text(n, load));
	newtLabelSetColors(r->bar, NEWT_COLORSET_CUSTOM(n->load >= 0.85 ? COLOR_FULL :
							n->load >= 0.6 ? COLOR_BUSY : COLOR_IDLE));
	newtLabelSetText(r->bar, text);
}

static void refresh(struct screen *s)
{
	int color = s->panel.is_error ? NEWT_COLORSET_CUSTOM(COLOR_REFUSED) : NEWT_COLORSET_WINDOW;
	char said[PANEL_TEXT];

	for (size_t i = 0; i < s->nr; i++) {
		const struct panel_node *n = &s->panel.nodes[i];
		struct row *r = &s->rows[i];

		newtCheckboxSetValue(r->box, n->is_wanted ? '*' : ' ');
		newtLabelSetText(r->star, !n->is_leader ? " " : s->is_utf8 ? "★" : ">");
		newtLabelSetText(r->state, n->does);
		draw_bar(s, r, n);
	}
	newtTextboxSetColors(s->said, color, color);
	newtTextboxSetText(s->said, panel_summary(&s->panel, said, sizeof(said)));
}

/* Other nodes, or another size of the terminal, than the widgets were made for. */
static bool is_outdated(const struct screen *s)
{
	int cols, lines;

	size_get(&cols, &lines);
	if (cols != s->cols || lines != s->lines || s->nr != s->panel.nr)
		return true;
	for (size_t i = 0; i < s->nr; i++)
		if (s->rows[i].id != s->panel.nodes[i].id ||
		    strcmp(s->rows[i].name, s->panel.nodes[i].name))
			return true;
	return false;
}

static int live(struct screen *s)
{
	struct newtExitStruct why = { .reason = NEWT_EXIT_TIMER };

	build(s);
	refresh(s);
	while (!is_ended && why.reason == NEWT_EXIT_TIMER) {
		newtFormRun(s->form, &why);
		panel_feed_take(s->feed, &s->panel);
		if (is_outdated(s)) {
			tear_down(s);
			newtResizeScreen(0);
			newtCls();
			build(s);
		}
		refresh(s);
		/* Ticking ends the form's run, too, where nothing but one box is there. */
		if (why.reason == NEWT_EXIT_COMPONENT)
			why.reason = NEWT_EXIT_TIMER;
	}
	tear_down(s);
	return why.reason == NEWT_EXIT_ERROR ? CLI_FAILED : CLI_OK;
}

static int run_live(const struct args *a)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction sa = { .sa_handler = on_signal };
	static struct screen s;
	int rc, cols, lines;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return cli_fail("This is no terminal: use --once or --json.");
	size_get(&cols, &lines);
	if (cols < COLS_MIN || lines < ROWS_MIN)
		return cli_fail("The terminal has %d columns and %d lines; the panel needs %d and %d.",
				cols, lines, COLS_MIN, ROWS_MIN);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		sigaction(ends[i], &sa, NULL);
	s.is_utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
	s.feed = panel_feed_start(a->user);
	if (!s.feed)
		return cli_fail("Out of memory.");
	if (newtInit())
		return cli_fail("This terminal (TERM=%s) can't be drawn on: use --once.", getenv("TERM") ? : "");
	newtCls();
	for (size_t i = 0; i < sizeof(colors) / sizeof(colors[0]); i++)
		newtSetColor(NEWT_COLORSET_CUSTOM((int)i), (char *)colors[i].front,
			     (char *)colors[i].back);
	rc = live(&s);
	newtFinished();
	return rc;
}

/* ---- once ------------------------------------------------------------------------------- */

static int print_once(const struct panel *p)
{
	TABLE_CLEAN struct table t = { .color = cli.color };
	char text[PANEL_TEXT], load[16];

	table_head(&t, "USE", "ID>", "NAME", "LOAD>", "LEADER", "DOES", NULL);
	for (size_t i = 0; i < p->nr; i++) {
		const struct panel_node *n = &p->nodes[i];

		table_cell(&t, 0, n->is_ticked ? "[x]" : "[ ]");
		table_cell(&t, 0, "%u", n->id);
		table_cell(&t, 0, "%s", n->name);
		table_cell(&t, n->load >= 0.85 ? TABLE_RED : 0, "%s", panel_load_text(n, load));
		table_cell(&t, TABLE_YELLOW, n->is_leader ? "*" : "");
		table_cell(&t, 0, "%s", n->does);
	}
	if (p->nr)
		table_print(&t, stdout);
	puts(panel_summary(p, text, sizeof(text)));
	return CLI_OK;
}

int cmd_panel(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "once", OPT_ONCE, NULL, 0, "Print what is, and end", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		.options = options, .parser = parse, .args_doc = "[USER]",
		.doc = "Show a user's nodes live, and use or leave them by ticking (R17). Inside an environment, "
		       "its own user's. Space ticks, the arrows go on, q ends. --json means --once.",
		.children = cli_json_option,
	};
	static struct panel p;
	struct args a = { 0 };
	int r;

	cli_parse(&argp, argc, argv, &a);
	if (!a.once && !cli.json)
		return run_live(&a);
	r = panel_feed_once(a.user, &p);
	if (r == -EBADMSG)
		return cli_fail("The daemon's answer is not understood: are both of one version?");
	if (r < 0)
		return cli_fail("%s", cli_ask_error());
	return cli.json ? cli_json(panel_json(&p)) : print_once(&p);
}
