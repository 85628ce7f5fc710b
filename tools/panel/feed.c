// SPDX-License-Identifier: GPL-2.0-or-later
/* Asking the daemon for the panel: see feed.h. */
#include "panel/feed.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"

#define PERIOD_MS	500
#define SHOW_MS		5000
#define WISH_MS		30000

/*
 * @lock guards what follows it. The thread lives as long as the program: it may be waiting for an
 * answer when that ends.
 */
struct panel_feed {
	const char *user;
	pthread_mutex_t lock;
	pthread_cond_t is_wished;
	json_t *wish;			/* to be sent, NULL = none */
	unsigned int nr_wish;		/* its number */
	json_t *shown;			/* the last "user", NULL = taken already */
	bool has_lost, has_answer, is_refused;
	char lost[PANEL_TEXT];		/* why the daemon could not be asked */
	unsigned int nr_answer;
	char refusal[PANEL_TEXT];
};

static int show(struct hcnl *h, const char *user, json_t **ret_user)
{
	json_auto_t *answer = NULL;
	int r = cli_ask_within(h, SHOW_MS, json_pack("{s:s, s:s*}", "do", "user.show", "user", user),
			       &answer);

	if (r == 0)
		*ret_user = json_incref(json_object_get(answer, "user"));
	return r;
}

int panel_feed_once(const char *user, struct panel *p)
{
	HCNL_CLEAN struct hcnl *h = cli_try_open();
	json_auto_t *shown = NULL;
	int r = show(h, user, &shown);

	return r < 0 ? r : panel_update(p, shown);
}

/* Wait for a wish, at most one period. Return: it, or NULL. */
static json_t *next_wish(struct panel_feed *f, unsigned int *ret_nr)
{
	struct timespec until;
	json_t *wish;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += PERIOD_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&f->lock);
	while (!f->wish && !pthread_cond_timedwait(&f->is_wished, &f->lock, &until))
		;
	wish = f->wish;
	f->wish = NULL;
	*ret_nr = f->nr_wish;
	pthread_mutex_unlock(&f->lock);
	return wish;
}

static void look(struct panel_feed *f, struct hcnl *h, bool is_answer, unsigned int nr,
		 int wish_r, const char *refusal)
{
	json_t *shown = NULL;
	int r = show(h, f->user, &shown);

	pthread_mutex_lock(&f->lock);
	json_decref(f->shown);
	f->shown = shown;
	f->has_lost = r < 0;
	if (r < 0)
		snprintf(f->lost, sizeof(f->lost), "%s", cli_ask_error());
	/* Both at once: a box never falls back to what held before the answer. */
	if (is_answer) {
		f->has_answer = true;
		f->nr_answer = nr;
		f->is_refused = wish_r < 0;
		snprintf(f->refusal, sizeof(f->refusal), "%s", refusal);
	}
	pthread_mutex_unlock(&f->lock);
}

static void *work(void *arg)
{
	struct panel_feed *f = arg;
	unsigned int nr = 0;
	json_t *wish = NULL;

	for (;; wish = next_wish(f, &nr)) {
		/* Anew each time: the module may come and go. */
		HCNL_CLEAN struct hcnl *h = cli_try_open();
		char refusal[PANEL_TEXT] = "";
		bool is_answer = wish;
		int r = 0;

		if (wish)
			r = cli_ask_within(h, WISH_MS, wish, NULL);
		if (r < 0)
			snprintf(refusal, sizeof(refusal), "%s", cli_ask_error());
		look(f, h, is_answer, nr, r, refusal);
	}
	return NULL;
}

struct panel_feed *panel_feed_start(const char *user)
{
	struct panel_feed *f = calloc(1, sizeof(*f));
	pthread_t thread;

	if (!f)
		return NULL;
	f->user = user;
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->is_wished, NULL);
	if (pthread_create(&thread, NULL, work, f)) {
		free(f);
		return NULL;
	}
	pthread_detach(thread);
	return f;
}

bool panel_feed_take(struct panel_feed *f, struct panel *p)
{
	bool is_new;

	pthread_mutex_lock(&f->lock);
	is_new = f->shown || f->has_lost || f->has_answer;
	if (f->shown && panel_update(p, f->shown) < 0)
		panel_lost(p, "The daemon's answer is not understood: are both of one version?");
	if (f->has_answer)
		panel_answered(p, f->nr_answer, f->is_refused ? f->refusal : NULL);
	if (f->has_lost)
		panel_lost(p, f->lost);
	json_decref(f->shown);
	f->shown = NULL;
	f->has_answer = f->has_lost = false;
	pthread_mutex_unlock(&f->lock);
	return is_new;
}

void panel_feed_toggle(struct panel_feed *f, struct panel *p, size_t i)
{
	unsigned int before = p->nr_asked;

	panel_toggle(p, i);
	if (p->nr_asked == before)
		return;
	pthread_mutex_lock(&f->lock);
	json_decref(f->wish);
	f->wish = panel_wish(p);
	f->nr_wish = p->nr_asked;
	pthread_cond_signal(&f->is_wished);
	pthread_mutex_unlock(&f->lock);
}
