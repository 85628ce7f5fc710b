// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * memory swap on, off. With a daemon it does the work, so that the disk comes
 * back after a reboot; without one this program does, by the same code.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <sys/sysinfo.h>

#include "cli.h"
#include "cmd.h"
#include "dmcrypt.h"
#include "format.h"
#include "signature.h"
#include "swap.h"

#define POLL_MS	300

enum {
	OPT_SIZE = 's', OPT_BACKING = 'b', OPT_REPLICAS = 'r', OPT_FORCE = 'f',
	OPT_PRIORITY = 'p', OPT_NO_ENCRYPT = 256, OPT_NO_CHECKSUM,
};

struct args {
	struct hcnl_swap_on on;
	bool force;
	bool has_priority;
};

static error_t parse_on(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case OPT_SIZE:
		a->on.size = cli_size_arg(state, arg);
		if (a->on.size < HC_DISK_SIZE_MIN || a->on.size > HC_DISK_SIZE_MAX)
			argp_error(state, "The size is from 1M to 4T.");
		return 0;
	case OPT_BACKING:
		a->on.backing = arg;
		return 0;
	case OPT_REPLICAS:
		a->on.replicas = cli_number_arg(state, "The number of copies", arg, 1, HC_REPLICAS_MAX);
		return 0;
	case OPT_PRIORITY:
		a->on.priority = cli_number_arg(state, "The priority", arg, 0, 32767);
		a->has_priority = true;
		return 0;
	case OPT_NO_ENCRYPT:
		a->on.encrypt = false;
		return 0;
	case OPT_NO_CHECKSUM:
		a->on.checksum = false;
		return 0;
	case OPT_FORCE:
		a->force = true;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/*
 * The daemon works beside its queue and tells in `status` how far it is: a relayed
 * request has a deadline, bringing pages back has none.
 */
static int by_daemon(struct hcnl *h, json_t *req)
{
	struct cli_progress progress = { 0 };
	int r;

	json_object_set_new(req, "wait", json_false());
	r = cli_ask(h, req, NULL);
	while (r == 0) {
		json_auto_t *status = NULL;
		const char *step = NULL, *error = NULL;
		json_int_t done = 0, total = 0;
		int is_busy = 0;

		r = cli_ask(h, json_pack("{s:s}", "do", "status"), &status);
		if (r < 0)
			break;
		json_unpack(status, "{s:{s:b, s?s, s?I, s?I, s?s}}", "swap", "busy", &is_busy, "step",
			    &step, "done", &done, "total", &total, "error", &error);
		if (!is_busy) {
			cli_progress_end(&progress);
			return error ? cli_fail("%s", error) : CLI_OK;
		}
		cli_progress(&progress, step ? : "waiting for the daemon", done, total);
		poll(NULL, 0, POLL_MS);
	}
	cli_progress_end(&progress);
	return r;
}

static void step(const char *what, uint64_t done, uint64_t total, void *ctx)
{
	cli_progress(ctx, what, done, total);
}

/* ---- on ------------------------------------------------------------------- */

/* Would somebody miss what is on the device? */
static int backing_check(const struct args *a)
{
	static unsigned char buf[SIGNATURE_LEN];
	const char *found;
	ssize_t n;
	int fd;

	if (!a->on.backing || a->force)
		return CLI_OK;
	fd = open(a->on.backing, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return cli_fail("Cannot open %s: %m.", a->on.backing);
	n = read(fd, buf, sizeof(buf));
	close(fd);
	if (n < 0)
		return cli_fail("Cannot read %s: %m.", a->on.backing);
	found = signature_find(buf, n);
	if (found)
		return cli_fail("%s holds %s, and all its content would be overwritten: name another device, or say --force.",
				a->on.backing, found);
	return CLI_OK;
}

static int on_plan(const struct args *a)
{
	char buf[FORMAT_LEN];

	if (cli.json)
		return cli_json(json_pack("{s:b s:I s:s? s:b s:b s:i}", "dry_run", 1, "bytes",
					  (json_int_t)a->on.size, "backing", a->on.backing, "encrypt",
					  a->on.encrypt, "checksum", a->on.checksum, "replicas",
					  a->on.replicas));
	if (a->on.backing)
		printf("Would overwrite %s and use it for second copies, %s.\n", a->on.backing,
		       a->on.encrypt ? "encrypted with a key that ends with this boot" : "in the clear");
	printf("Would make %s with %s and turn it on as swap.\n", HCNL_SWAP_DEV,
	       size_format(a->on.size, buf));
	puts("Would set memory.swap.max=0 on the top-level cgroups that belong to no environment.");
	return CLI_OK;
}

static json_t *on_request(const struct args *a)
{
	json_t *req = json_pack("{s:s s:b s:I}", "do", "memory.swap", "on", 1, "bytes",
				(json_int_t)a->on.size);

	/* Only what was asked for: what is left out is the daemon's configuration. */
	if (a->on.backing)
		json_object_set_new(req, "backing", json_string(a->on.backing));
	if (!a->on.encrypt)
		json_object_set_new(req, "encrypt", json_false());
	if (!a->on.checksum)
		json_object_set_new(req, "checksum", json_false());
	if (a->on.replicas)
		json_object_set_new(req, "replicas", json_integer(a->on.replicas));
	if (a->has_priority)
		json_object_set_new(req, "priority", json_integer(a->on.priority));
	return req;
}

static int on_here(struct hcnl *h, const struct args *a)
{
	struct cli_progress progress = { 0 };
	struct hcnl_swap_report report = { .step = step, .ctx = &progress };
	char error[HCNL_SWAP_ERROR_LEN];
	int r = hcnl_swap_on(h, &a->on, &report, error);

	cli_progress_end(&progress);
	if (r < 0)
		return cli_fail("%s", error);
	cli_note("no daemon is running: the disk does not come back after a reboot.");
	return CLI_OK;
}

static int swap_on(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "size", OPT_SIZE, "SIZE", 0, "Size of the disk (default: twice this machine's memory)", 0 },
		{ "backing", OPT_BACKING, "DEV", 0,
		  "Block device for second copies and for when no donor has room. OVERWRITTEN", 0 },
		{ "no-encrypt", OPT_NO_ENCRYPT, NULL, 0,
		  "Write to it in the clear, not through dm-crypt with a random key", 0 },
		{ "replicas", OPT_REPLICAS, "N", 0,
		  "Copies of each page on other nodes, of every environment there is: 1 or 2", 0 },
		{ "priority", OPT_PRIORITY, "N", 0, "0 to 32767: swap with more is filled first", 0 },
		{ "no-checksum", OPT_NO_CHECKSUM, NULL, 0, "Don't check what donors return", 0 },
		{ "force", OPT_FORCE, NULL, 0, "Overwrite DEV even if a file system is on it", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		.options = options, .parser = parse_on,
		.doc = "Use other nodes' memory as swap for the environments of this node.",
		.children = cli_change_options,
	};
	struct args a = { .on = { .encrypt = true, .checksum = true, .priority = -1 } };
	HCNL_CLEAN struct hcnl *h = NULL;
	char buf[FORMAT_LEN];
	struct sysinfo si;
	bool is_on = false;
	int r;

	cli_parse(&argp, argc, argv, &a);
	if (!a.on.size && !sysinfo(&si))
		a.on.size = 2ULL * si.totalram * si.mem_unit;
	if (backing_check(&a))
		return CLI_FAILED;
	if (cli.dry_run)
		return on_plan(&a);
	if (cli_open(&h))
		return CLI_FAILED;
	hcnl_swap_state(&is_on, NULL);
	if (is_on)
		return cli_fail("%s is in use as swap already.", HCNL_SWAP_DEV);
	if (a.on.backing && a.on.encrypt)
		hcnl_dmcrypt_prepare();
	r = by_daemon(h, on_request(&a));
	if (r == -ENOTCONN)
		r = on_here(h, &a);
	else if (r < 0)
		return cli_fail("%s", cli_ask_error());
	if (r)
		return CLI_FAILED;
	if (cli.json)
		return cli_json(json_pack("{s:b s:s s:I}", "ok", 1, "device", HCNL_SWAP_DEV, "bytes",
					  (json_int_t)a.on.size));
	printf("%s with %s is on: what environments don't fit here goes to their nodes.\n", HCNL_SWAP_DEV,
	       size_format(a.on.size, buf));
	return CLI_OK;
}

/* ---- off ------------------------------------------------------------------ */

static int off_here(struct hcnl *h)
{
	struct cli_progress progress = { 0 };
	struct hcnl_swap_report report = { .step = step, .ctx = &progress };
	char error[HCNL_SWAP_ERROR_LEN];
	int r = hcnl_swap_off(h, &report, error);

	cli_progress_end(&progress);
	return r < 0 ? cli_fail("%s", error) : CLI_OK;
}

static int swap_off(int argc, char **argv)
{
	static const struct argp argp = {
		.doc = "Bring every page back, then remove the disk. Refused by the kernel when this machine's "
		       "memory can't hold them: nothing is lost then.",
		.children = cli_change_options,
	};
	HCNL_CLEAN struct hcnl *h = NULL;
	char buf[FORMAT_LEN];
	uint64_t used = 0;
	bool is_on;
	int r;

	cli_parse(&argp, argc, argv, NULL);
	hcnl_swap_state(&is_on, &used);
	if (cli.dry_run && cli.json)
		return cli_json(json_pack("{s:b s:I}", "dry_run", 1, "bytes", (json_int_t)used));
	if (cli.dry_run) {
		printf("Would bring %s back and remove %s.\n", size_format(used, buf), HCNL_SWAP_DEV);
		return CLI_OK;
	}
	if (cli_open(&h))
		return CLI_FAILED;
	r = by_daemon(h, json_pack("{s:s s:b}", "do", "memory.swap", "on", 0));
	if (r == -ENOTCONN)
		r = off_here(h);
	else if (r < 0)
		return cli_fail("%s", cli_ask_error());
	if (r)
		return CLI_FAILED;
	if (cli.json)
		return cli_json(json_pack("{s:b}", "ok", 1));
	printf("%s is off and gone.\n", HCNL_SWAP_DEV);
	return CLI_OK;
}

int cmd_memory_swap(int argc, char **argv)
{
	static const struct cli_cmd verbs[] = {
		{ "on", swap_on, "make the disk and use it" },
		{ "off", swap_off, "bring everything back and remove it" },
		{ NULL, NULL, NULL }
	};

	return cli_verbs("memory swap", verbs, argc, argv);
}
