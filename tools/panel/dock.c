// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hyperchain-panel: the node panel (R17) at the right edge of a desktop. A program of its own: the
 * daemon and the command link no GTK. What is shown, and what a tick means: model.c.
 *
 *	┌──────────────────────┬───────┐   a window of type DOCK that reserves its columns
 *	│ other windows end    │ □ n1 ★│   (_NET_WM_STRUT_PARTIAL): maximised ones end beside it
 *	│ here when maximised  │ ☑ n2  │
 *	└──────────────────────┴───────┘
 */
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include <gdk/gdkx.h>
#include <gtk/gtk.h>

#include "cli.h"
#include "panel/feed.h"
#include "panel/picture.h"

#define WIDTH	176
#define TICK_MS	100

struct node_widgets {
	struct dock *dock;
	uint32_t id;
	GtkWidget *row, *picture, *box, *does;
	gulong on_toggled;
};

struct dock {
	struct panel panel;
	struct panel_feed *feed;
	GtkWidget *window, *title, *list, *said;
	struct node_widgets nodes[PANEL_NODES_MAX];
	size_t nr;
};

static const char style[] =
	"window { background: #23272c; color: #e8eaed; }"
	"label.title { font-weight: bold; font-size: 15px; }"
	"label.does { font-size: 11px; color: #b8bec6; }"
	"label.said { font-size: 12px; }"
	"label.refused { color: #ffffff; background: #b3261e; padding: 4px; }"
	"checkbutton { color: #e8eaed; }"
	"checkbutton:focus { outline: 2px solid #6cb2ff; outline-offset: 2px; }";

/* ---- where it is ------------------------------------------------------------------------ */

/* The right edge of the whole screen: a strut counts from there. */
static void place(struct dock *d)
{
	GdkWindow *window = gtk_widget_get_window(d->window);
	GdkScreen *screen = gtk_widget_get_screen(d->window);
	GdkWindow *root = gdk_screen_get_root_window(screen);
	int width = gdk_window_get_width(root), height = gdk_window_get_height(root);
	/* left, right, top, bottom, then begin and end of each. */
	gulong strut[12] = { [1] = WIDTH, [7] = (gulong)height - 1 };

	gtk_window_move(GTK_WINDOW(d->window), width - WIDTH, 0);
	gtk_window_resize(GTK_WINDOW(d->window), WIDTH, height);
	if (!window)
		return;
	gdk_property_change(window, gdk_atom_intern_static_string("_NET_WM_STRUT"),
			    gdk_atom_intern_static_string("CARDINAL"), 32, GDK_PROP_MODE_REPLACE,
			    (guchar *)strut, 4);
	gdk_property_change(window, gdk_atom_intern_static_string("_NET_WM_STRUT_PARTIAL"),
			    gdk_atom_intern_static_string("CARDINAL"), 32, GDK_PROP_MODE_REPLACE,
			    (guchar *)strut, 12);
}

static void on_screen_change(GdkScreen *screen, gpointer data)
{
	(void)screen;
	place(data);
}

/* ---- nodes ------------------------------------------------------------------------------ */

static const struct panel_node *node_of(const struct node_widgets *w)
{
	size_t i = (size_t)(w - w->dock->nodes);

	return i < w->dock->panel.nr ? &w->dock->panel.nodes[i] : NULL;
}

static gboolean on_draw(GtkWidget *widget, cairo_t *cr, gpointer data)
{
	const struct panel_node *n = node_of(data);

	(void)widget;
	if (n)
		picture_draw(cr, n);
	return FALSE;
}

static void refresh(struct dock *d);

static void on_toggled(GtkToggleButton *button, gpointer data)
{
	struct node_widgets *w = data;

	(void)button;
	panel_feed_toggle(w->dock->feed, &w->dock->panel, (size_t)(w - w->dock->nodes));
	refresh(w->dock);
}

static GtkWidget *label(const char *class)
{
	GtkWidget *l = gtk_label_new("");

	gtk_label_set_line_wrap(GTK_LABEL(l), TRUE);
	gtk_label_set_line_wrap_mode(GTK_LABEL(l), PANGO_WRAP_WORD_CHAR);
	gtk_label_set_xalign(GTK_LABEL(l), 0);
	gtk_label_set_max_width_chars(GTK_LABEL(l), 20);
	gtk_style_context_add_class(gtk_widget_get_style_context(l), class);
	return l;
}

static void add_node(struct dock *d, size_t i)
{
	struct node_widgets *w = &d->nodes[i];
	GtkWidget *side = gtk_box_new(GTK_ORIENTATION_VERTICAL, 2);
	char text[HC_NAME_LEN + 16];

	*w = (struct node_widgets){ .dock = d, .id = d->panel.nodes[i].id };
	snprintf(text, sizeof(text), "%s", d->panel.nodes[i].name[0] ? d->panel.nodes[i].name : "?");
	w->row = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, 4);
	w->picture = gtk_drawing_area_new();
	gtk_widget_set_size_request(w->picture, PICTURE_WIDTH, PICTURE_HEIGHT);
	w->box = gtk_check_button_new_with_label(text);
	w->does = label("does");
	gtk_label_set_max_width_chars(GTK_LABEL(w->does), 11);
	gtk_box_pack_start(GTK_BOX(side), w->box, FALSE, FALSE, 0);
	gtk_box_pack_start(GTK_BOX(side), w->does, FALSE, FALSE, 0);
	gtk_widget_set_valign(side, GTK_ALIGN_CENTER);
	gtk_box_pack_start(GTK_BOX(w->row), w->picture, FALSE, FALSE, 0);
	gtk_box_pack_start(GTK_BOX(w->row), side, TRUE, TRUE, 0);
	gtk_box_pack_start(GTK_BOX(d->list), w->row, FALSE, FALSE, 0);
	g_signal_connect(w->picture, "draw", G_CALLBACK(on_draw), w);
	w->on_toggled = g_signal_connect(w->box, "toggled", G_CALLBACK(on_toggled), w);
	gtk_widget_show_all(w->row);
}

/* The widgets are made for these nodes, in this order. */
static void match_nodes(struct dock *d)
{
	size_t same = 0;

	while (same < d->nr && same < d->panel.nr && d->nodes[same].id == d->panel.nodes[same].id)
		same++;
	while (d->nr > same)
		gtk_widget_destroy(d->nodes[--d->nr].row);
	for (; d->nr < d->panel.nr; d->nr++)
		add_node(d, d->nr);
}

static void refresh(struct dock *d)
{
	char said[PANEL_TEXT], tip[PANEL_TEXT + 64], load[16];
	GtkStyleContext *style_of_said = gtk_widget_get_style_context(d->said);

	match_nodes(d);
	for (size_t i = 0; i < d->nr; i++) {
		const struct panel_node *n = &d->panel.nodes[i];
		struct node_widgets *w = &d->nodes[i];

		g_signal_handler_block(w->box, w->on_toggled);
		gtk_toggle_button_set_active(GTK_TOGGLE_BUTTON(w->box), n->is_wanted);
		g_signal_handler_unblock(w->box, w->on_toggled);
		gtk_label_set_text(GTK_LABEL(w->does), n->does);
		snprintf(tip, sizeof(tip), "Node %u, %s, load %s: %s", n->id, n->name, panel_load_text(n, load),
			 n->does);
		gtk_widget_set_tooltip_text(w->row, tip);
		gtk_widget_queue_draw(w->picture);
	}
	snprintf(tip, sizeof(tip), "Nodes of %s", d->panel.user[0] ? d->panel.user : "...");
	gtk_label_set_text(GTK_LABEL(d->title), tip);
	gtk_label_set_text(GTK_LABEL(d->said), panel_summary(&d->panel, said, sizeof(said)));
	/* Where programs that read aloud, and tests, find it. */
	snprintf(tip, sizeof(tip), "hyperchain nodes: %s", said);
	gtk_window_set_title(GTK_WINDOW(d->window), tip);
	if (d->panel.is_error)
		gtk_style_context_add_class(style_of_said, "refused");
	else
		gtk_style_context_remove_class(style_of_said, "refused");
}

static gboolean on_tick(gpointer data)
{
	struct dock *d = data;

	if (panel_feed_take(d->feed, &d->panel))
		refresh(d);
	return G_SOURCE_CONTINUE;
}

/* ---- keyboard --------------------------------------------------------------------------- */

/* A digit turns that node's box; Tab, the arrows and Space work as everywhere. */
static gboolean on_key(GtkWidget *widget, GdkEventKey *event, gpointer data)
{
	struct dock *d = data;
	guint n = event->keyval - GDK_KEY_1;

	(void)widget;
	if (event->state & (GDK_CONTROL_MASK | GDK_MOD1_MASK) || n > 8 || n >= d->nr)
		return FALSE;
	gtk_widget_grab_focus(d->nodes[n].box);
	gtk_button_clicked(GTK_BUTTON(d->nodes[n].box));
	return TRUE;
}

/* ---- start ------------------------------------------------------------------------------ */

static void build(struct dock *d)
{
	GtkWidget *all = gtk_box_new(GTK_ORIENTATION_VERTICAL, 8);
	GtkWidget *scroll = gtk_scrolled_window_new(NULL, NULL);
	GtkCssProvider *css = gtk_css_provider_new();
	GdkScreen *screen;

	d->window = gtk_window_new(GTK_WINDOW_TOPLEVEL);
	screen = gtk_widget_get_screen(d->window);
	gtk_css_provider_load_from_data(css, style, -1, NULL);
	gtk_style_context_add_provider_for_screen(screen, GTK_STYLE_PROVIDER(css),
						  GTK_STYLE_PROVIDER_PRIORITY_APPLICATION);
	gtk_window_set_title(GTK_WINDOW(d->window), "hyperchain nodes");
	gtk_window_set_type_hint(GTK_WINDOW(d->window), GDK_WINDOW_TYPE_HINT_DOCK);
	gtk_window_set_accept_focus(GTK_WINDOW(d->window), TRUE);
	gtk_window_stick(GTK_WINDOW(d->window));
	gtk_window_set_default_size(GTK_WINDOW(d->window), WIDTH, 100);
	d->title = label("title");
	d->said = label("said");
	d->list = gtk_box_new(GTK_ORIENTATION_VERTICAL, 6);
	gtk_scrolled_window_set_policy(GTK_SCROLLED_WINDOW(scroll), GTK_POLICY_NEVER,
				       GTK_POLICY_AUTOMATIC);
	gtk_container_add(GTK_CONTAINER(scroll), d->list);
	gtk_container_set_border_width(GTK_CONTAINER(all), 8);
	gtk_box_pack_start(GTK_BOX(all), d->title, FALSE, FALSE, 0);
	gtk_box_pack_start(GTK_BOX(all), scroll, TRUE, TRUE, 0);
	gtk_box_pack_start(GTK_BOX(all), d->said, FALSE, FALSE, 0);
	gtk_container_add(GTK_CONTAINER(d->window), all);
	g_signal_connect(d->window, "key-press-event", G_CALLBACK(on_key), d);
	g_signal_connect(d->window, "destroy", G_CALLBACK(gtk_main_quit), NULL);
	g_signal_connect(screen, "size-changed", G_CALLBACK(on_screen_change), d);
	gtk_widget_realize(d->window);
	place(d);
	gtk_widget_show_all(d->window);
	place(d);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	const char **user = state->input;

	if (key != ARGP_KEY_ARG || *user)
		return ARGP_ERR_UNKNOWN;
	*user = arg;
	return 0;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse, .args_doc = "[USER]",
		.doc = "Show a user's nodes at the right edge of the desktop, and use or leave them by ticking (R17). "
		       "Inside an environment, its own user's.",
	};
	static struct dock d;
	const char *user = NULL;

	setlocale(LC_ALL, "");
	argp_program_version = "hyperchain-panel " HC_VERSION;
	cli_parse(&argp, argc, argv, &user);
	/* The strut is X11's; under Wayland, Xwayland does. */
	gdk_set_allowed_backends("x11");
	if (!gtk_init_check(NULL, NULL))
		return cli_fail("There is no X display to show the panel on; in a terminal: hyperchain panel.");
	d.feed = panel_feed_start(user);
	if (!d.feed)
		return cli_fail("Out of memory.");
	build(&d);
	refresh(&d);
	g_timeout_add(TICK_MS, on_tick, &d);
	gtk_main();
	return CLI_OK;
}
