// SPDX-License-Identifier: GPL-2.0-or-later
/* hyperchaind: wires the parts together, and nothing else. */
#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "daemon/cluster/cluster.h"
#include "daemon/cluster/control.h"
#include "daemon/daemon.h"
#include "daemon/env/container.h"
#include "daemon/env/envs.h"
#include "daemon/env/job.h"
#include "daemon/env/shared.h"
#include "daemon/node/admin.h"
#include "daemon/node/agent.h"
#include "daemon/node/alert.h"
#include "daemon/node/module.h"
#include "daemon/node/privilege.h"
#include "daemon/node/process.h"
#include "daemon/node/reload.h"
#include "daemon/node/request.h"
#include "daemon/policy/env.h"
#include "daemon/stats/stats.h"

#define STATUS_MS	2000	/* of `systemctl status` */
#define STOP_MS		3000	/* for worker threads at the end */

const char *argp_program_version = "hyperchaind " HC_VERSION;

struct options {
	const char *config;
	const char *state_dir;
	const char *run_dir;
	bool check;
	bool foreground;
};

static const struct argp_option option_table[] = {
	{ "config", 'c', "FILE", 0, "Configuration (" HCD_CONFIG_PATH ")", 0 },
	{ "check", 'C', NULL, 0, "Check the configuration and the key, and exit", 0 },
	{ "foreground", 'f', NULL, 0, "Log to standard error, also when started by systemd", 0 },
	{ "state-dir", 's', "DIR", 0, "Where state.json is kept (" HCD_STATE_DIR ")", 0 },
	{ "run-dir", 'r', "DIR", 0, "Where admin.sock is made (" HCD_RUN_DIR ")", 0 },
	{ 0 }
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'c':
		o->config = arg;
		return 0;
	case 'C':
		o->check = true;
		return 0;
	case 'f':
		o->foreground = true;
		return 0;
	case 's':
		o->state_dir = arg;
		return 0;
	case 'r':
		o->run_dir = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = option_table,
	.parser = parse_option,
	.doc = "The daemon of a hyperchain node: keeps the connections to its peers, tells the "
	       "kernel module what to do, and answers the hyperchain command.",
};

int hcd_save(struct hcd *d, char error[HCD_ERROR_LEN])
{
	char text[HCD_ERROR_LEN];
	int r = hcd_state_save(d->state_dir, &d->state, text);

	if (r < 0)
		hcd_err("%s", text);
	if (r < 0 && error)
		snprintf(error, HCD_ERROR_LEN, "%s", text);
	return r;
}

/* ---- the module speaks ------------------------------------------------------- */

static uint64_t next_epoch(void *ctx)
{
	struct hcd *d = ctx;
	uint64_t old = d->state.epoch;

	d->state.epoch = hcd_epoch_next(old, (uint64_t)time(NULL));
	if (hcd_save(d, NULL) == 0)
		return d->state.epoch;
	/* An epoch that is not kept could be used twice. */
	d->state.epoch = old;
	return 0;
}

static void attached(bool is_fresh, uint64_t epoch, void *ctx)
{
	struct hcd *d = ctx;

	if (epoch > d->state.epoch) {
		d->state.epoch = epoch;
		hcd_save(d, NULL);
	}
	hcd_agent_attached(d);
	hcd_processes_attached(d, is_fresh);
	hcd_envs_attached(d);
}

static void gone(void *ctx)
{
	struct hcd *d = ctx;

	hcd_cluster_module_gone(d->cluster);
}

static void sampled(const struct hcd_sample *sample, void *ctx)
{
	struct hcd *d = ctx;

	hcd_cluster_sampled(d->cluster, sample);
	hcd_envs_check(d);
}

static void answer_module(struct hcd *d, uint64_t cookie, const char *text, size_t len)
{
	hcd_module_answer(d->module, cookie, text, len, 0);
}

static void requested(const struct hcnl_request *req, void *ctx)
{
	const struct hcd_request from = {
		.is_admin = req->is_admin, .env = req->env, .uid = req->uid,
		.answer = answer_module, .cookie = req->cookie,
	};

	hcd_request_handle(ctx, &from, req->payload, req->len);
}

static void happened(const struct hcnl_event *ev, void *ctx)
{
	struct hcd *d = ctx;

	hcd_cluster_event(d->cluster, ev);
	hcd_processes_event(d, ev);
}

static const char *env_name(uint32_t id, void *ctx)
{
	struct hcd *d = ctx;
	const struct hcd_env *env = hcd_state_env_by_id(&d->state, id, d->config.node.id);

	return env ? env->name : NULL;
}

static const struct hcd_module_ops module_ops = {
	.next_epoch = next_epoch,
	.attached = attached,
	.gone = gone,
	.sampled = sampled,
	.request = requested,
	.event = happened,
	.env_name = env_name,
};

/* ---- the peers speak ----------------------------------------------------------- */

static void fill_status(Hcp__Status *msg, void *ctx)
{
	static struct hcd_status st;
	struct hcd *d = ctx;

	hcd_agent_status(d, &st);
	msg->name = st.name;
	msg->daemon_version = st.daemon_version;
	msg->module_version = st.module_version;
	msg->memory_total = st.memory_total;
	msg->memory_available = st.memory_available;
	msg->pool_limit = st.pool_limit;
	msg->pool_lent = st.pool_lent;
	msg->pool_used = st.pool_used;
	msg->pool_draining = st.pool_draining;
	msg->pool_has_pressure = st.pool_has_pressure;
	msg->borrowed = st.borrowed;
	msg->cpus = st.cpus;
	msg->load_milli = st.load_milli;
	msg->memory_pressure_milli = st.memory_pressure_milli;
	msg->uptime_s = st.uptime_s;
	msg->load_now = st.load_now;
	msg->cpu_busy = st.cpu_busy;
	msg->memory_used = st.memory_used;
	msg->kernel = st.kernel;
	msg->cpu_model = st.cpu_model;
	msg->storage_total = st.storage_total;
	msg->storage_free = st.storage_free;
	msg->epoch = st.epoch;
	msg->log_broken = d->control && hcd_control_is_broken(d->control);
	hcd_shared_boxes(d, msg);
	msg->address = d->config.node.address;
	msg->port = d->config.node.port;
}

static void peer_up(struct hcd_peer *peer, void *ctx)
{
	hcd_envs_tell(ctx, peer);
}

static void peer_frame(struct hcd_peer *peer, const struct hcd_frame *frame, void *ctx)
{
	struct hcd *d = ctx;

	if (frame->type >= HCD_FRAME_RAFT)
		hcd_control_frame(d->control, peer, frame);
	else
		hcd_envs_frame(d, peer, frame);
}

static const struct hcd_psk *joiner_token(const uint8_t *hash, void *ctx)
{
	return hcd_join_token(((struct hcd *)ctx)->control, hash);
}

static void joiner_came(struct hcd_chan *chan, const uint8_t *hash, void *ctx)
{
	hcd_join_accept(((struct hcd *)ctx)->control, chan, hash);
}

static const struct hcd_cluster_ops cluster_ops = {
	.token = joiner_token,
	.joiner = joiner_came,
	.status = fill_status,
	.up = peer_up,
	.frame = peer_frame,
};

/* ---- life ------------------------------------------------------------------------ */

struct life {
	struct hcd d;
	uv_loop_t loop;
	uv_signal_t term, interrupt, hangup;
	uv_timer_t watchdog, status, deadline, load;
};

static void on_watchdog(uv_timer_t *timer)
{
	sd_notify(0, "WATCHDOG=1");
}

static void on_status(uv_timer_t *timer)
{
	struct hcd *d = timer->data;
	size_t up = 0;

	for (size_t i = 0; i < d->cluster->nr_peers; i++)
		up += hcd_peer_is_up(d->cluster->peers[i]);
	sd_notifyf(0, "STATUS=Node %u, %zu of %zu peers are there, module %s.", d->config.node.id,
		   up, d->cluster->nr_peers,
		   hcd_module_is_attached(d->module) ? "attached" : "missing");
}

static void on_load(uv_timer_t *timer)
{
	hcd_agent_load(timer->data);
	hcd_processes_sample(timer->data);
}

static void on_hangup(uv_signal_t *sig, int signum)
{
	hcd_reload(sig->data);
}

static void on_deadline(uv_timer_t *timer)
{
	uv_stop(timer->loop);
}

/* The office is handed over, the log is closed: now the rest. */
static void on_handed_over(void *arg)
{
	struct life *life = arg;
	struct hcd *d = &life->d;

	d->control = NULL;
	hcd_jobs_stop(d->jobs);
	hcd_stats_stop(d->stats);
	d->stats = NULL;
	hcd_alerts_stop(d->alerts);
	d->alerts = NULL;
	hcd_containers_stop(d->containers);
	hcd_cluster_stop(d->cluster);
	hcd_module_stop(d->module);
	hcd_admin_stop(d->admin);
	d->admin = NULL;
	uv_close((uv_handle_t *)&life->watchdog, NULL);
	uv_close((uv_handle_t *)&life->status, NULL);
	uv_close((uv_handle_t *)&life->load, NULL);
}

static void on_stop(uv_signal_t *sig, int signum)
{
	struct hcd *d = sig->data;
	struct life *life = (struct life *)d;

	if (uv_is_closing((uv_handle_t *)&life->term))
		return;
	sd_notify(0, "STOPPING=1");
	hcd_info("Stopping; page connections in the module stay.");
	uv_close((uv_handle_t *)&life->term, NULL);
	uv_close((uv_handle_t *)&life->interrupt, NULL);
	uv_close((uv_handle_t *)&life->hangup, NULL);
	/* A worker may wait in the kernel, for a hello or for swapoff. */
	uv_timer_start(&life->deadline, on_deadline, STOP_MS, 0);
	uv_unref((uv_handle_t *)&life->deadline);
	hcd_control_stop(d->control, on_handed_over, life);
}

static void watch_signal(struct life *life, uv_signal_t *sig, uv_signal_cb cb, int signum)
{
	uv_signal_init(&life->loop, sig);
	sig->data = &life->d;
	uv_signal_start(sig, cb, signum);
}

static void start_timers(struct life *life)
{
	uint64_t usec = 0;

	uv_timer_init(&life->loop, &life->watchdog);
	uv_timer_init(&life->loop, &life->status);
	uv_timer_init(&life->loop, &life->deadline);
	uv_timer_init(&life->loop, &life->load);
	life->status.data = life->load.data = &life->d;
	hcd_load_init(&life->d.load);
	uv_timer_start(&life->load, on_load, 0, HCD_LOAD_PERIOD_MS);
	if (sd_watchdog_enabled(0, &usec) > 0)
		uv_timer_start(&life->watchdog, on_watchdog, 0, usec / 1000 / 2);
	uv_timer_start(&life->status, on_status, 0, STATUS_MS);
}

/* Everything that can say no before the loop runs. Return: 0 or -errno with @error. */
static int prepare(struct life *life, const struct options *o, struct hcd_psk *ret_psk,
		   bool *ret_has_key, char error[HCD_ERROR_LEN])
{
	struct hcd *d = &life->d;
	int r;

	r = hcd_auth_init();
	if (r < 0) {
		snprintf(error, HCD_ERROR_LEN, "libgcrypt is older than 1.9.0.");
		return r;
	}
	r = hcd_config_load(o->config, &d->config, error);
	if (r < 0)
		return r;
	if (!o->check && mkdir(o->state_dir, 0700) < 0 && errno != EEXIST) {
		snprintf(error, HCD_ERROR_LEN, "%s can't be made: %s.", o->state_dir,
			 strerror(errno));
		return -errno;
	}
	if (!o->check && mkdir(o->run_dir, 0755) < 0 && errno != EEXIST) {
		snprintf(error, HCD_ERROR_LEN, "%s can't be made: %s.", o->run_dir,
			 strerror(errno));
		return -errno;
	}
	r = hcd_state_load(o->state_dir, &d->state, error);
	if (r < 0)
		return r;
	return hcd_key_load(&d->config, d->config.nr_peers + d->state.nr_peers, ret_psk,
			    ret_has_key, error);
}

/* Return: 0 or -errno with @error. */
static int start(struct life *life, const struct hcd_psk *psk, char error[HCD_ERROR_LEN])
{
	struct hcd *d = &life->d;
	int r;

	r = uv_loop_init(&life->loop);
	if (r < 0) {
		snprintf(error, HCD_ERROR_LEN, "No event loop can be made: %s.", uv_strerror(r));
		return r;
	}
	d->loop = &life->loop;
	d->processes = hcd_processes_new();
	if (!d->processes) {
		snprintf(error, HCD_ERROR_LEN, "Memory is short.");
		return -ENOMEM;
	}
	uv_mutex_init(&d->swap_lock);
	r = hcd_admin_start(d, &d->admin, error);
	if (r < 0)
		return r;
	r = hcd_control_start(d, &d->control, error);
	if (r < 0)
		return r;
	d->module = hcd_module_start(d->loop, d->config.node.id, d->config.node.name, &module_ops,
				     d);
	d->cluster = d->module ? hcd_cluster_start(d->loop, &d->config, psk, d->module,
						   &cluster_ops, d) : NULL;
	if (!d->cluster) {
		snprintf(error, HCD_ERROR_LEN, "Memory is short.");
		return -ENOMEM;
	}
	d->containers = hcd_containers_start(d, error);
	if (!d->containers)
		return -EINVAL;
	d->stats = hcd_stats_start(d);
	d->alerts = hcd_alerts_start(d);
	d->jobs = hcd_jobs_start(d);
	if (!d->stats || !d->alerts || !d->jobs) {
		snprintf(error, HCD_ERROR_LEN, "Memory is short.");
		return -ENOMEM;
	}
	hcd_peers_set(d);
	hcd_control_run(d->control);
	watch_signal(life, &life->term, on_stop, SIGTERM);
	watch_signal(life, &life->interrupt, on_stop, SIGINT);
	watch_signal(life, &life->hangup, on_hangup, SIGHUP);
	start_timers(life);
	return 0;
}

static void lock_memory(void)
{
	/* On fault: libuv's threads have large stacks that are hardly used. */
	if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
		hcd_warn("Memory can't be locked (%s): under memory pressure heartbeats may come late.",
			 strerror(errno));
}

static int fail(const char *error)
{
	hcd_err("%s", error);
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	static struct life life;
	struct options o = {
		.config = HCD_CONFIG_PATH, .state_dir = HCD_STATE_DIR, .run_dir = HCD_RUN_DIR,
	};
	struct hcd *d = &life.d;
	static struct hcd_psk psk;
	char error[HCD_ERROR_LEN] = "";
	bool has_key = false;

	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, 0, NULL, &o);
	hcd_log_init(o.foreground || o.check);
	signal(SIGPIPE, SIG_IGN);
	d->config_path = o.config;
	d->state_dir = o.state_dir;
	d->run_dir = o.run_dir;
	if (prepare(&life, &o, &psk, &has_key, error) < 0)
		return fail(error);
	if (o.check) {
		printf("%s: correct: node %u (%s), %zu peers, %s.\n", o.config, d->config.node.id,
		       d->config.node.name, d->config.nr_peers, has_key ? "key read" : "no key");
		return EXIT_SUCCESS;
	}
	if (hcd_privilege_drop(error) < 0)
		return fail(error);
	lock_memory();
	setenv("UV_THREADPOOL_SIZE", "8", 0);	/* PEER_ADD waits in one */
	if (start(&life, has_key ? &psk : NULL, error) < 0)
		return fail(error);
	explicit_bzero(&psk, sizeof(psk));
	if (!has_key && !d->cluster->has_members)
		hcd_info("There is no key in %s, no peer and no cluster: this node is alone.",
			 d->config.node.psk_file);
	hcd_info("hyperchaind %s runs as node %u (%s).", HC_VERSION, d->config.node.id,
		 d->config.node.name);
	sd_notify(0, "READY=1");
	uv_run(&life.loop, UV_RUN_DEFAULT);
	hcd_config_free(&d->config);
	hcd_state_free(&d->state);
	hcd_processes_free(d->processes);
	return EXIT_SUCCESS;
}
