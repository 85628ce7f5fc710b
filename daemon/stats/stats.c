// SPDX-License-Identifier: GPL-2.0-or-later
/* The daemon's end of hyperchain-stats: see stats.h. */
#include "daemon/stats/stats.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "daemon/cluster/cluster.h"
#include "daemon/cluster/rules.h"
#include "daemon/daemon.h"
#include "daemon/node/agent.h"
#include "daemon/node/cleanup.h"

#define TICK_MS		1000
#define CONNECT_MS	5000
#define SAMPLE_S	10
#define AVERAGE_MS	60000
#define ANSWER_MS	10000
#define ASKS_MAX	64
#define ROWS_MAX	64	/* of one message */
#define MESSAGE_MAX	65536

struct ask {
	struct ask *next;
	uint64_t serial, until_ms;
	hcd_stats_cb cb;
	void *arg;
};

struct hcd_stats {
	struct hcd *d;
	uv_timer_t timer;
	uv_poll_t *poll;		/* NULL = not connected */
	int fd;
	bool was_up;			/* that it is gone is told once */
	uint64_t connect_ms, average_ms;	/* not before that: uv_now() */
	uint64_t sampled_s;		/* wall clock, of the last sample */
	uint64_t serial, nr_dropped;
	struct ask *asks;
	size_t nr_asks;
};

/* ---- the connection ---------------------------------------------------------------------- */

static void on_poll_closed(uv_handle_t *handle)
{
	free(handle);
}

static void end_ask(struct hcd_stats *s, struct ask **at, const json_t *answer, const char *error)
{
	struct ask *ask = *at;

	*at = ask->next;
	s->nr_asks--;
	ask->cb(answer, error, ask->arg);
	free(ask);
}

static void disconnect(struct hcd_stats *s)
{
	if (!s->poll)
		return;
	uv_poll_stop(s->poll);
	uv_close((uv_handle_t *)s->poll, on_poll_closed);
	s->poll = NULL;
	close(s->fd);
	s->fd = -1;
	while (s->asks)
		end_ask(s, &s->asks, NULL, "hyperchain-stats ended meanwhile: ask again.");
}

static void take(struct hcd_stats *s, const json_t *answer)
{
	uint64_t serial = (uint64_t)json_integer_value(json_object_get(answer, "serial"));
	const char *error = json_string_value(json_object_get(answer, "error"));
	struct ask **at;

	for (at = &s->asks; *at && (*at)->serial != serial; at = &(*at)->next)
		;
	if (!*at)
		return;		/* it came too late */
	if (json_is_true(json_object_get(answer, "ok")))
		end_ask(s, at, answer, NULL);
	else
		end_ask(s, at, NULL, error ? error : "hyperchain-stats gave no reason.");
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct hcd_stats *s = poll->data;
	_cleanup_free_ char *buf = malloc(MESSAGE_MAX);
	json_t *answer;
	ssize_t n;

	if (!buf)
		return;
	n = status < 0 ? 0 : recv(s->fd, buf, MESSAGE_MAX, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		disconnect(s);
		return;
	}
	answer = json_loadb(buf, (size_t)n, JSON_REJECT_DUPLICATES, NULL);
	if (answer)
		take(s, answer);
	json_decref(answer);
}

static bool connect_to(struct hcd_stats *s)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	uv_poll_t *poll = malloc(sizeof(*poll));

	snprintf(to.sun_path, sizeof(to.sun_path), "%s/" HCD_STATS_SOCKET, s->d->run_dir);
	if (fd < 0 || !poll || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ||
	    uv_poll_init(s->d->loop, poll, fd) < 0) {
		if (fd >= 0)
			close(fd);
		free(poll);
		if (s->was_up)
			hcd_warn("hyperchain-stats is gone: averages go on from what this daemon sees itself, and loads over time have a gap.");
		s->was_up = false;
		return false;
	}
	poll->data = s;
	s->poll = poll;
	s->fd = fd;
	uv_poll_start(poll, UV_READABLE, on_readable);
	if (!s->was_up)
		hcd_info("hyperchain-stats keeps the loads over time.");
	s->was_up = true;
	return true;
}

/* Return: false when it does not take it now. */
static bool tell(struct hcd_stats *s, json_t *message)
{
	_cleanup_free_ char *text = json_dumps(message, JSON_COMPACT | JSON_REAL_PRECISION(7));

	json_decref(message);
	return text && s->poll &&
	       send(s->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

void hcd_stats_ask(struct hcd_stats *s, json_t *request, hcd_stats_cb cb, void *arg)
{
	struct ask *ask = s->poll && s->nr_asks < ASKS_MAX ? malloc(sizeof(*ask)) : NULL;

	if (!ask) {
		json_decref(request);
		cb(NULL, s->poll ? "Too many ask hyperchain-stats at once: ask again." :
		   "hyperchain-stats does not run here: install the package hyperchain-stats, or start it with \"systemctl start hyperchain-stats\".", arg);
		return;
	}
	*ask = (struct ask){ .next = s->asks, .serial = ++s->serial, .cb = cb, .arg = arg,
			     .until_ms = uv_now(s->d->loop) + ANSWER_MS };
	json_object_set_new(request, "serial", json_integer((json_int_t)ask->serial));
	s->asks = ask;
	s->nr_asks++;
	if (!tell(s, request))
		end_ask(s, &s->asks, NULL, "hyperchain-stats is busy: ask again.");
}

/* ---- samples ------------------------------------------------------------------------------- */

static json_t *share(uint32_t value)
{
	return value ? json_real((value - 1) / (double)(HCD_SHARE_ONE - 1)) : json_null();
}

/* Our own, or what came with the last heartbeat. Return: false where nothing is known. */
static bool status_of(struct hcd *d, uint32_t id, struct hcd_status *ret)
{
	const struct hcd_peer *peer;

	if (id == d->control->identity.self.at.id) {
		hcd_agent_status(d, ret);
		return true;
	}
	peer = hcd_cluster_peer(d->cluster, id);
	if (!peer || !peer->has_status || !hcd_peer_is_up(peer) ||
	    uv_now(d->loop) - peer->status_ms > HCD_FRESH_MS)
		return false;
	*ret = peer->status;
	return true;
}

struct batch {
	struct hcd_stats *s;
	uint64_t at_s;
	json_t *rows;
};

static void flush(struct batch *b)
{
	if (b->rows && json_array_size(b->rows)) {
		size_t nr = json_array_size(b->rows);

		if (!tell(b->s, json_pack("{s:s, s:I, s:o}", "do", "sample", "at",
					  (json_int_t)b->at_s, "rows", b->rows)))
			b->s->nr_dropped += nr;
	} else {
		json_decref(b->rows);
	}
	b->rows = json_array();
}

static void add(struct batch *b, const char *name, json_t *load, json_t *cpu, json_t *memory)
{
	json_array_append_new(b->rows, json_pack("[s, o, o, o]", name, load, cpu, memory));
	if (json_array_size(b->rows) >= ROWS_MAX)
		flush(b);
}

/* A user's load is the mean of those of his active nodes that are known. */
static void add_user(struct batch *b, const struct hcd_kept *k)
{
	Hcp__KeptUser *user = hcp__kept_user__unpack(NULL, k->len, k->data);
	double sums[3] = { 0 };
	char name[HC_NAME_LEN + 8];
	json_t *means[3];
	size_t nr[3] = { 0 };

	for (size_t i = 0; user && i < user->n_seats; i++) {
		struct hcd_status st;
		uint32_t shares[3];

		if (!user->seats[i]->is_active ||
		    !status_of(b->s->d, user->seats[i]->node, &st))
			continue;
		shares[0] = st.load_now;
		shares[1] = st.cpu_busy;
		shares[2] = st.memory_used;
		for (size_t v = 0; v < 3; v++) {
			sums[v] += shares[v] ? (shares[v] - 1) / (double)(HCD_SHARE_ONE - 1) : 0;
			nr[v] += shares[v] != 0;
		}
	}
	if (user)
		hcp__kept_user__free_unpacked(user, NULL);
	for (size_t v = 0; v < 3; v++)
		means[v] = nr[v] ? json_real(sums[v] / (double)nr[v]) : json_null();
	snprintf(name, sizeof(name), "user-%s", k->key);
	add(b, name, means[0], means[1], means[2]);
}

static void send_samples(struct hcd_stats *s, uint64_t now_s)
{
	const struct hcd_fsm *fsm = s->d->control->fsm;
	struct batch b = { .s = s, .at_s = now_s, .rows = json_array() };
	char name[32];

	for (size_t i = 0; i < fsm->nr_members; i++) {
		struct hcd_status st = { 0 };

		if (!fsm->members[i].is_dead && !status_of(s->d, fsm->members[i].id, &st))
			st = (struct hcd_status){ 0 };
		snprintf(name, sizeof(name), "node-%u", fsm->members[i].id);
		add(&b, name, share(st.load_now), share(st.cpu_busy), share(st.memory_used));
	}
	for (size_t i = 0; i < fsm->nr_kept; i++)
		if (fsm->kept[i].kind == HCD_KEPT_USER)
			add_user(&b, &fsm->kept[i]);
	flush(&b);
	json_decref(b.rows);
}

/* ---- averages ------------------------------------------------------------------------------ */

static void on_averages(const json_t *answer, const char *error, void *arg)
{
	struct hcd *d = arg;
	const char *name;
	json_t *list;

	if (!answer)
		return;		/* asked again in a minute */
	json_object_foreach(json_object_get(answer, "averages"), name, list) {
		uint32_t id = (uint32_t)strtoul(name + strlen("node-"), NULL, 10);

		for (size_t w = 0; w < POL_WINDOWS; w++) {
			json_t *pair = json_array_get(list, w), *mean = json_array_get(pair, 0);

			if (!json_is_number(mean))
				continue;
			hcd_rules_average(d->control->rules, id, (enum pol_window)w,
					  json_number_value(mean),
					  json_number_value(json_array_get(pair, 1)));
		}
	}
}

static void ask_averages(struct hcd_stats *s)
{
	const struct hcd_fsm *fsm = s->d->control->fsm;
	json_t *names = json_array();

	for (size_t i = 0; i < fsm->nr_members; i++) {
		char name[32];

		snprintf(name, sizeof(name), "node-%u", fsm->members[i].id);
		json_array_append_new(names, json_string(name));
		if (json_array_size(names) < ROWS_MAX && i + 1 < fsm->nr_members)
			continue;
		hcd_stats_ask(s, json_pack("{s:s, s:o}", "do", "average", "names", names),
			      on_averages, s->d);
		names = json_array();
	}
	json_decref(names);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void on_tick(uv_timer_t *timer)
{
	struct hcd_stats *s = timer->data;
	uint64_t now_ms = uv_now(s->d->loop), now_s = (uint64_t)time(NULL);
	struct ask **at = &s->asks;

	while (*at) {
		if (now_ms >= (*at)->until_ms)
			end_ask(s, at, NULL, "hyperchain-stats did not answer in time.");
		else
			at = &(*at)->next;
	}
	if (!s->d->control || !s->d->control->consensus)
		return;
	if (!s->poll) {
		if (now_ms < s->connect_ms)
			return;
		s->connect_ms = now_ms + CONNECT_MS;
		if (!connect_to(s))
			return;
		s->average_ms = now_ms;
	}
	/* All nodes at the same seconds, as the archives have their steps. */
	if (now_s / SAMPLE_S != s->sampled_s / SAMPLE_S) {
		s->sampled_s = now_s;
		send_samples(s, now_s);
	}
	if (now_ms >= s->average_ms && s->d->control->fsm->nr_members) {
		s->average_ms = now_ms + AVERAGE_MS;
		ask_averages(s);
	}
}

struct hcd_stats *hcd_stats_start(struct hcd *d)
{
	struct hcd_stats *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->d = d;
	s->fd = -1;
	uv_timer_init(d->loop, &s->timer);
	s->timer.data = s;
	uv_timer_start(&s->timer, on_tick, TICK_MS, TICK_MS);
	return s;
}

static void on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void hcd_stats_stop(struct hcd_stats *s)
{
	if (!s)
		return;
	disconnect(s);
	uv_close((uv_handle_t *)&s->timer, on_timer_closed);
}

bool hcd_stats_is_up(const struct hcd_stats *s, uint64_t *ret_dropped)
{
	*ret_dropped = s->nr_dropped;
	return s->poll;
}
