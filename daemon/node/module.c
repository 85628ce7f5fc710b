// SPDX-License-Identifier: GPL-2.0-or-later
/* The link to hyperchain.ko: see module.h. */
#include "daemon/node/module.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/node/log.h"
#include "daemon/node/work.h"

#define POLL_MS		1000
#define EVENTS_PER_TURN	64

struct hcd_module {
	uv_loop_t *loop;
	uint32_t id;
	char name[HC_NAME_LEN + 1];
	const struct hcd_module_ops *ops;
	void *ctx;
	struct hcd_queue *queue;
	uv_timer_t timer;
	uv_prepare_t prepare;		/* requests that poll(2) does not show */
	uv_poll_t poll_daemon, poll_events;
	struct hcnl *daemon;		/* registered; NULL while not attached */
	struct hcnl *events;
	bool is_asking;			/* a sample is on its way */
	bool ask_again;
	bool is_attaching;
	bool has_sample;
	struct hcd_sample sample;
	char reason[HCD_ERROR_LEN];
	char logged[HCD_ERROR_LEN];	/* the reason that was logged last */
	struct hcd_log_limit ask_limit;
	/* By kind, so that many of one hide no other: lost pages must be seen. [0]: newer kinds */
	struct hcd_log_limit event_limits[HC_EV_MAX + 1];
	unsigned int nr_open;		/* libuv handles: freed with the last */
};

struct sample_job {
	struct hcd_job job;
	struct hcd_module *module;
	struct hcd_sample sample;
};

struct attach_job {
	struct hcd_job job;
	struct hcd_module *module;
	bool is_fresh;
	uint64_t epoch;
	struct hcnl *daemon, *events;
};

static void ask(struct hcd_module *m);

static void set_reason(struct hcd_module *m, const char *reason)
{
	snprintf(m->reason, sizeof(m->reason), "%s", reason);
	if (strcmp(m->reason, m->logged) == 0)
		return;
	hcd_warn("%s Going on without it and trying again each second.", m->reason);
	snprintf(m->logged, sizeof(m->logged), "%s", m->reason);
}

static void on_closed(uv_handle_t *handle)
{
	struct hcd_module *m = handle->data;

	if (--m->nr_open)
		return;
	free(m->sample.peers);
	free(m);
}

static void detach(struct hcd_module *m, const char *reason)
{
	bool was_attached = m->daemon;

	if (m->daemon) {
		uv_poll_stop(&m->poll_daemon);
		uv_close((uv_handle_t *)&m->poll_daemon, on_closed);
		uv_poll_stop(&m->poll_events);
		uv_close((uv_handle_t *)&m->poll_events, on_closed);
		uv_prepare_stop(&m->prepare);
		hcnl_close(m->daemon);
		hcnl_close(m->events);
		m->daemon = m->events = NULL;
	}
	m->has_sample = false;
	if (reason)
		set_reason(m, reason);
	if (was_attached && reason)
		m->ops->gone(m->ctx);
}

/* ---- requests and events -------------------------------------------------- */

static void on_request(struct hcnl *h, const struct hcnl_request *req, void *ctx)
{
	struct hcd_module *m = ctx;

	m->ops->request(req, m->ctx);
}

static void dispatch(struct hcd_module *m)
{
	const struct hcnl_callbacks cb = { .request = on_request, .ctx = m };
	int r = hcnl_dispatch(m->daemon, &cb);

	if (r == -ENOBUFS)
		hcd_warn("Relayed requests came faster than they could be read; some were lost, and their callers get a timeout.");
	else if (r < 0 && r != -EAGAIN && r != -EINTR)
		hcd_module_poll(m);	/* finds out what happened */
}

static void on_daemon_readable(uv_poll_t *poll, int status, int events)
{
	dispatch(poll->data);
}

/* Requests that arrived while an answer waited for its acknowledgement. */
static void on_prepare(uv_prepare_t *prepare)
{
	struct hcd_module *m = prepare->data;

	if (m->daemon && hcnl_pending(m->daemon))
		dispatch(m);
}

static void log_event(struct hcd_module *m, const struct hcnl_event *ev)
{
	int priority = LOG_WARNING;

	if (ev->kind == HC_EV_PEER_LIVE || ev->kind == HC_EV_REPAIRED || ev->kind == HC_EV_DRAINED)
		priority = LOG_INFO;
	if (ev->kind == HC_EV_PAGES_LOST || ev->kind == HC_EV_READ_FAILED ||
	    ev->kind == HC_EV_BACKING_ERROR)
		priority = LOG_ERR;
	if (hcd_log_allow(&m->event_limits[ev->kind <= HC_EV_MAX ? ev->kind : 0],
			  uv_now(m->loop)))
		hcd_log(priority, ev->peer, ev->env ? m->ops->env_name(ev->env, m->ctx) : NULL,
			"module: %s: %s", hcnl_event_name(ev->kind), ev->text);
}

static void on_events_readable(uv_poll_t *poll, int status, int events)
{
	struct hcd_module *m = poll->data;
	struct hcnl_event ev;

	for (int i = 0; i < EVENTS_PER_TURN && m->events; i++) {
		int r = hcnl_event_next(m->events, &ev, 0);

		if (r == -ENOBUFS) {
			hcd_module_poll(m);
			continue;
		}
		if (r < 0)
			return;
		log_event(m, &ev);
		m->ops->event(&ev, m->ctx);
	}
}

void hcd_module_answer(struct hcd_module *m, uint64_t cookie, const char *payload, size_t len,
		       int error)
{
	int r;

	if (!m->daemon)
		return;
	r = hcnl_answer(m->daemon, cookie, payload, len, error);
	if (r < 0 && r != -ENOENT)
		hcd_warn("An answer could not be given back to the module: %s.",
			 *hcnl_error(m->daemon) ? hcnl_error(m->daemon) : strerror(-r));
}

/* ---- attaching ------------------------------------------------------------ */

static int attach_run(struct hcd_job *job, struct hcnl *h)
{
	struct attach_job *a = (struct attach_job *)job;
	struct hcd_module *m = a->module;
	int r;

	if (!h)
		return -ENOENT;
	if (a->is_fresh) {
		r = hcnl_node_set(h, m->id, m->name, a->epoch);
		if (r < 0)
			return r;
	}
	r = hcnl_events_open(&a->events);
	if (r < 0)
		return r;
	r = hcnl_open(&a->daemon);
	if (r < 0)
		return r;
	r = hcnl_daemon_register(a->daemon);
	if (r == -EBUSY)
		snprintf(job->error, sizeof(job->error),
			 "Another daemon is registered with the module: end it first.");
	else if (r < 0 && *hcnl_error(a->daemon))
		snprintf(job->error, sizeof(job->error), "%s", hcnl_error(a->daemon));
	return r;
}

static void attach_done(struct hcd_job *job)
{
	struct attach_job *a = (struct attach_job *)job;
	struct hcd_module *m = a->module;

	m->is_attaching = false;
	if (job->result < 0) {
		char reason[HCD_ERROR_LEN];

		snprintf(reason, sizeof(reason), "The module hyperchain refuses this daemon: %s",
			 job->error);
		set_reason(m, reason);
		hcnl_close(a->daemon);
		hcnl_close(a->events);
		free(a);
		return;
	}
	m->daemon = a->daemon;
	m->events = a->events;
	uv_poll_init(m->loop, &m->poll_daemon, hcnl_fd(m->daemon));
	uv_poll_init(m->loop, &m->poll_events, hcnl_fd(m->events));
	m->poll_daemon.data = m->poll_events.data = m;
	m->nr_open += 2;
	uv_poll_start(&m->poll_daemon, UV_READABLE, on_daemon_readable);
	uv_poll_start(&m->poll_events, UV_READABLE, on_events_readable);
	uv_prepare_start(&m->prepare, on_prepare);
	m->reason[0] = m->logged[0] = '\0';
	hcd_info("Registered with the module as node %u, lease epoch %llu%s.", m->id,
		 (unsigned long long)a->epoch,
		 a->is_fresh ? "" : "; it was in use before and is taken over as it is");
	m->ops->attached(a->is_fresh, a->epoch, m->ctx);
	free(a);
	ask(m);
}

static void attach(struct hcd_module *m, const struct hcnl_node *node)
{
	char reason[HCD_ERROR_LEN];
	struct attach_job *a;

	if (!m->id) {
		set_reason(m, "This node has no id yet: 'hyperchain cluster init' or 'hyperchain node join' gives it one, or 'id' in [node] of the configuration.");
		return;
	}
	if (node->id != 0 && node->id != m->id) {
		snprintf(reason, sizeof(reason),
			 "The loaded module is node %u, the configuration says node %u: unload it (rmmod hyperchain) or correct the id.",
			 node->id, m->id);
		set_reason(m, reason);
		return;
	}
	a = calloc(1, sizeof(*a));
	if (!a)
		return;
	a->job.run = attach_run;
	a->job.done = attach_done;
	a->module = m;
	a->is_fresh = node->id == 0;
	a->epoch = a->is_fresh ? m->ops->next_epoch(m->ctx) : node->epoch;
	if (a->is_fresh && a->epoch == 0) {
		free(a);
		return;
	}
	m->is_attaching = true;
	hcd_queue_submit(m->queue, &a->job);
}

/* ---- sampling ------------------------------------------------------------- */

static int sample_run(struct hcd_job *job, struct hcnl *h)
{
	struct sample_job *s = (struct sample_job *)job;
	int r;

	if (!h)
		return -ENOENT;
	r = hcnl_node_get(h, &s->sample.node);
	if (r < 0)
		return r;
	r = hcnl_pool_get(h, &s->sample.pool);
	if (r < 0)
		return r;
	s->sample.has_disk = hcnl_disk_get(h, &s->sample.disk) == 0;
	return hcnl_peer_list(h, &s->sample.peers, &s->sample.nr_peers);
}

static void sample_done(struct hcd_job *job)
{
	struct sample_job *s = (struct sample_job *)job;
	struct hcd_module *m = s->module;

	m->is_asking = false;
	if (job->result < 0 && m->daemon && job->result != -ENOENT) {
		if (hcd_log_allow(&m->ask_limit, uv_now(m->loop)))
			hcd_warn("The module could not be asked: %s.", job->error);
	} else if (job->result < 0) {
		detach(m, job->error);
	} else if (!m->daemon) {
		if (!m->is_attaching)
			attach(m, &s->sample.node);
	} else if (s->sample.node.daemon_port == 0) {
		detach(m, "The module hyperchain was loaded anew.");
		m->ask_again = true;
	} else {
		free(m->sample.peers);
		m->sample = s->sample;
		s->sample.peers = NULL;
		m->has_sample = true;
		m->ops->sampled(&m->sample, m->ctx);
	}
	free(s->sample.peers);
	free(s);
	if (m->ask_again)
		ask(m);
}

static void ask(struct hcd_module *m)
{
	struct sample_job *s;

	/* One that is under way may have looked too early: another one after it. */
	m->ask_again = m->is_asking;
	if (m->is_asking)
		return;
	s = calloc(1, sizeof(*s));
	if (!s)
		return;
	s->job.run = sample_run;
	s->job.done = sample_done;
	s->module = m;
	s->sample.at_ms = uv_now(m->loop);
	m->is_asking = true;
	hcd_queue_submit(m->queue, &s->job);
}

static void on_timer(uv_timer_t *timer)
{
	struct hcd_module *m = timer->data;

	if (!m->is_asking)
		ask(m);
}

void hcd_module_poll(struct hcd_module *m)
{
	ask(m);
}

/* ---- life ----------------------------------------------------------------- */

struct hcd_module *hcd_module_start(uv_loop_t *loop, uint32_t id, const char *name,
				    const struct hcd_module_ops *ops, void *ctx)
{
	struct hcd_module *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->loop = loop;
	m->id = id;
	snprintf(m->name, sizeof(m->name), "%s", name);
	m->ops = ops;
	m->ctx = ctx;
	m->queue = hcd_queue_create(loop);
	if (!m->queue) {
		free(m);
		return NULL;
	}
	uv_timer_init(loop, &m->timer);
	uv_prepare_init(loop, &m->prepare);
	m->timer.data = m->prepare.data = m;
	m->nr_open = 2;
	uv_timer_start(&m->timer, on_timer, 0, POLL_MS);
	return m;
}

void hcd_module_set_id(struct hcd_module *m, uint32_t id)
{
	m->id = id;
	ask(m);
}

void hcd_module_stop(struct hcd_module *m)
{
	detach(m, NULL);
	hcd_queue_destroy(m->queue);
	uv_close((uv_handle_t *)&m->timer, on_closed);
	uv_close((uv_handle_t *)&m->prepare, on_closed);
}

bool hcd_module_is_attached(const struct hcd_module *m)
{
	return m->daemon;
}

const char *hcd_module_reason(const struct hcd_module *m)
{
	return m->daemon ? "" : m->reason[0] ? m->reason : "The module was not looked for yet.";
}

const struct hcd_sample *hcd_module_sample(const struct hcd_module *m)
{
	return m->has_sample ? &m->sample : NULL;
}

struct hcd_queue *hcd_module_queue(struct hcd_module *m)
{
	return m->queue;
}
