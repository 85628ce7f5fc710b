// SPDX-License-Identifier: GPL-2.0-or-later
/* alert_command: see alert.h. */
#include "daemon/node/alert.h"

#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "daemon/cluster/control.h"
#include "daemon/daemon.h"
#include "daemon/node/log.h"

#define WAITING_MAX	32
#define LIMIT_MS	10000
#define VARIABLES	8	/* and the end */

struct alert {
	struct alert *next;
	char *env[VARIABLES + 1];
};

struct hcd_alerts {
	struct hcd *d;
	uv_timer_t limit;
	struct alert *first, **last;
	size_t nr_waiting;
	uint64_t nr_dropped;	/* since the last line about it */
	uv_process_t *process;	/* running; NULL = none */
	bool is_stopping, is_closed;
};

static void run_next(struct hcd_alerts *a);

static void alert_free(struct alert *alert)
{
	for (size_t i = 0; i < VARIABLES; i++)
		free(alert->env[i]);
	free(alert);
}

static void maybe_free(struct hcd_alerts *a)
{
	if (a->is_closed && !a->process)
		free(a);
}

static void on_process_closed(uv_handle_t *handle)
{
	struct hcd_alerts *a = handle->data;

	free(handle);
	a->process = NULL;
	if (a->is_stopping)
		maybe_free(a);
	else
		run_next(a);
}

static void on_exit_of(uv_process_t *process, int64_t status, int sig)
{
	struct hcd_alerts *a = process->data;

	if (!a->is_stopping) {
		uv_timer_stop(&a->limit);
		if (sig)
			hcd_warn("alert_command %s was ended by signal %d.",
				 a->d->config.node.alert_command, sig);
		else if (status)
			hcd_warn("alert_command %s failed: exit status %lld.",
				 a->d->config.node.alert_command, (long long)status);
	}
	uv_close((uv_handle_t *)process, on_process_closed);
}

/* It leads a group of its own: what it started goes with it. */
static void kill_it(struct hcd_alerts *a)
{
	if (a->process && a->process->pid > 1)
		kill(-a->process->pid, SIGKILL);
}

static void on_limit(uv_timer_t *timer)
{
	struct hcd_alerts *a = timer->data;

	hcd_warn("alert_command %s takes longer than %d s and is killed.",
		 a->d->config.node.alert_command, LIMIT_MS / 1000);
	kill_it(a);
}

static void run_next(struct hcd_alerts *a)
{
	char *command = a->d->config.node.alert_command;
	char *args[] = { command, NULL };
	struct alert *alert = a->first;
	uv_process_options_t options = {
		.exit_cb = on_exit_of, .file = command, .args = args, .cwd = "/",
		.flags = UV_PROCESS_DETACHED,
	};
	int r;

	if (a->process || !alert)
		return;
	a->first = alert->next;
	if (!a->first)
		a->last = &a->first;
	a->nr_waiting--;
	options.env = alert->env;
	a->process = command[0] ? calloc(1, sizeof(*a->process)) : NULL;
	if (a->process) {
		a->process->data = a;
		r = uv_spawn(a->d->loop, a->process, &options);
		if (r < 0) {
			hcd_warn("alert_command %s can't be run: %s.", command, uv_strerror(r));
			uv_close((uv_handle_t *)a->process, on_process_closed);
		} else {
			uv_timer_start(&a->limit, on_limit, LIMIT_MS, 0);
		}
	}
	alert_free(alert);
}

__attribute__((format(printf, 3, 4)))
static bool set(struct alert *alert, size_t i, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vasprintf(&alert->env[i], format, args);
	va_end(args);
	if (len < 0)
		alert->env[i] = NULL;
	return len >= 0;
}

void hcd_alerts_decided(struct hcd_alerts *a, const struct hcd_decision *decision)
{
	struct alert *alert;

	if (!a || a->is_stopping || !a->d->config.node.alert_command[0] ||
	    (strcmp(decision->kind, "alert") != 0 && strcmp(decision->kind, "node-dead") != 0 &&
	     strcmp(decision->kind, "log-broken") != 0) ||
	    !hcd_control_is_controller(a->d->control))
		return;
	alert = a->nr_waiting < WAITING_MAX ? calloc(1, sizeof(*alert)) : NULL;
	if (!alert) {
		if (a->nr_dropped++ == 0)
			hcd_warn("More than %d alerts wait for alert_command: further ones are dropped.",
				 WAITING_MAX);
		return;
	}
	if (!set(alert, 0, "PATH=/usr/sbin:/usr/bin:/sbin:/bin") ||
	    !set(alert, 1, "HYPERCHAIN_ID=%llu", (unsigned long long)decision->id) ||
	    !set(alert, 2, "HYPERCHAIN_AT=%llu", (unsigned long long)decision->at_ms / 1000) ||
	    !set(alert, 3, "HYPERCHAIN_RULE=%s", decision->rule) ||
	    !set(alert, 4, "HYPERCHAIN_KIND=%s", decision->kind) ||
	    !set(alert, 5, "HYPERCHAIN_NODE=%u", decision->node) ||
	    !set(alert, 6, "HYPERCHAIN_USER=%s", decision->user) ||
	    !set(alert, 7, "HYPERCHAIN_TEXT=%s", decision->text ? decision->text : "")) {
		alert_free(alert);
		return;
	}
	if (a->nr_dropped)
		hcd_warn("%llu alerts were not told to alert_command.",
			 (unsigned long long)a->nr_dropped);
	a->nr_dropped = 0;
	*a->last = alert;
	a->last = &alert->next;
	a->nr_waiting++;
	run_next(a);
}

struct hcd_alerts *hcd_alerts_start(struct hcd *d)
{
	struct hcd_alerts *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->d = d;
	a->last = &a->first;
	uv_timer_init(d->loop, &a->limit);
	a->limit.data = a;
	return a;
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct hcd_alerts *a = handle->data;

	a->is_closed = true;
	maybe_free(a);
}

void hcd_alerts_stop(struct hcd_alerts *a)
{
	if (!a)
		return;
	a->is_stopping = true;
	kill_it(a);
	while (a->first) {
		struct alert *alert = a->first;

		a->first = alert->next;
		alert_free(alert);
	}
	uv_close((uv_handle_t *)&a->limit, on_timer_closed);
}
