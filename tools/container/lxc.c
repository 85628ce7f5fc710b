// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The container itself, by liblxc. Its monitor is a fork of this program that outlives the
 * request, the daemon and this program's own restart.
 */
#include <errno.h>
#include <fcntl.h>
#include <lxc/attach_options.h>
#include <lxc/lxccontainer.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "container.h"
#include "tools/helper/filter.h"

#define LXC_DIR		HCC_DIR "/lxc"
#define STOP_S		10
#define START_S		60
#define INIT		"/.hyperchain/init"

/* What no environment needs; the user namespace refuses most of it by itself. */
static const char seccomp[] =
	"2\n"
	"denylist\n"
	"reject_force_umount\n"
	"[all]\n"
	"kexec_load errno 1\n"
	"kexec_file_load errno 1\n"
	"open_by_handle_at errno 1\n"
	"init_module errno 1\n"
	"finit_module errno 1\n"
	"delete_module errno 1\n"
	"bpf errno 1\n"
	"userfaultfd errno 1\n"
	"keyctl errno 38\n"
	"add_key errno 38\n"
	"request_key errno 38\n";

struct config {
	struct lxc_container *c;
	int r;
	char *error;
};

__attribute__((format(printf, 3, 4)))
static void put(struct config *cfg, const char *key, const char *fmt, ...)
{
	char value[HCC_PATH_LEN * 3];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	if (cfg->r == 0 && !cfg->c->set_config_item(cfg->c, key, value))
		cfg->r = hcc_fail(cfg->error, -EINVAL, "liblxc does not take %s = %s.", key, value);
}

static bool has_apparmor(void)
{
	char c = 'N';
	int fd = open("/sys/module/apparmor/parameters/enabled", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	if (read(fd, &c, 1) != 1)
		c = 'N';
	close(fd);
	return c == 'Y' && access("/usr/sbin/apparmor_parser", X_OK) == 0;
}

static int write_profile(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), r = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, seccomp, sizeof(seccomp) - 1) != sizeof(seccomp) - 1)
		r = -EIO;
	close(fd);
	return r;
}

static void configure_shared_net(struct config *cfg, const struct hcc_spec *spec)
{
	char device[16], mac[18];
	unsigned int mtu;

	if (!spec->is_shared || cfg->r < 0)
		return;
	cfg->r = hcc_net_mtu(spec, device, &mtu, cfg->error);
	if (cfg->r < 0)
		return;
	hcc_mac(spec, spec->own.slot, true, mac);
	put(cfg, "lxc.net.0.hwaddr", "%s", mac);
	put(cfg, "lxc.net.0.mtu", "%u", mtu);
}

static void configure(struct config *cfg, const struct hcc_spec *spec,
		      const struct hcc_place *place, const char *init)
{
	static const char *const seen[] = {
		"cpuinfo", "meminfo", "stat", "loadavg", "uptime", "swaps",
	};

	char host[HC_NAME_LEN + 1];

	hcc_host_name(spec, host, sizeof(host));
	put(cfg, "lxc.uts.name", "%s", host);
	put(cfg, "lxc.rootfs.path", "dir:%s", place->root);
	put(cfg, "lxc.idmap", "u 0 %u %u", place->uid, HCC_IDS);
	put(cfg, "lxc.idmap", "g 0 %u %u", place->uid, HCC_IDS);
	put(cfg, "lxc.init.cmd", INIT " %s", spec->name);
	put(cfg, "lxc.mount.entry", "%s .hyperchain/init none bind,ro,create=file 0 0", init);
	put(cfg, "lxc.mount.auto", "proc:mixed sys:mixed cgroup:mixed");
	/* After /proc and /sys, which mount.auto makes. */
	for (size_t i = 0; i < sizeof(seen) / sizeof(seen[0]); i++)
		put(cfg, "lxc.mount.entry", "%s/proc/%s proc/%s none bind,ro 0 0", place->view, seen[i],
		    seen[i]);
	put(cfg, "lxc.mount.entry", "%s/cpu sys/devices/system/cpu none bind,ro 0 0", place->view);
	put(cfg, "lxc.mount.entry", "tmpfs run tmpfs nosuid,nodev,mode=755,size=16m 0 0");
	put(cfg, "lxc.mount.entry",
	    "tmpfs dev/shm tmpfs nosuid,nodev,mode=1777,create=dir 0 0");
	if (spec->is_shared) {
		/* The root is the same on all nodes; what is of the moment is not. */
		put(cfg, "lxc.mount.entry", "tmpfs tmp tmpfs nosuid,nodev,mode=1777 0 0");
		put(cfg, "lxc.mount.entry", "%s .hyperchain/live none bind,ro,create=dir 0 0",
		    place->live);
	}
	put(cfg, "lxc.autodev", "1");
	put(cfg, "lxc.pty.max", "1024");
	put(cfg, "lxc.tty.max", "0");
	put(cfg, "lxc.signal.halt", "SIGTERM");
	put(cfg, "lxc.cap.drop", "sys_module sys_time sys_rawio mac_admin mac_override syslog");
	put(cfg, "lxc.seccomp.profile", "%s/seccomp", place->lxc);
	put(cfg, "lxc.apparmor.profile", "%s", has_apparmor() ? "generated" : "unconfined");
	put(cfg, "lxc.cgroup.relative", "1");
	put(cfg, "lxc.cgroup.dir.container", "%s/%s/box", hcc_cgroup_base(), spec->name);
	put(cfg, "lxc.cgroup.dir.monitor", "%s/.monitor/%s", hcc_cgroup_base(), spec->name);
	put(cfg, "lxc.net.0.type", "veth");
	put(cfg, "lxc.net.0.link", "%s", place->bridge);
	put(cfg, "lxc.net.0.veth.pair", "hcv%u", spec->id);
	put(cfg, "lxc.net.0.name", "eth0");
	put(cfg, "lxc.net.0.flags", "up");
	configure_shared_net(cfg, spec);
	put(cfg, "lxc.net.0.ipv4.address", "%s/%u", place->address, place->prefix);
	put(cfg, "lxc.net.0.ipv4.gateway", "%s", place->gateway);
	put(cfg, "lxc.log.file", "%s/log", place->lxc);
	put(cfg, "lxc.log.level", "WARN");
}

/* What liblxc complained of last: "lxc NAME TIME ERROR    file - file.c:func:line - text" */
static void complaint(const struct hcc_place *place, char *buf, size_t len)
{
	char path[HCC_PATH_LEN + 8], line[1024];
	FILE *f;

	snprintf(path, sizeof(path), "%s/log", place->lxc);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		char *text = strstr(line, " ERROR ") ? strstr(line, " - ") : NULL;

		text = text ? strstr(text + 3, " - ") : NULL;
		/* The first one is the cause, what follows is its wake. */
		if (text) {
			text[strcspn(text, "\n")] = 0;
			snprintf(buf, len, "%s", text + 3);
			break;
		}
	}
	if (f)
		fclose(f);
}

int hcc_start(const struct hcc_spec *spec, const struct hcc_place *place,
	      char error[HCC_ERROR_LEN])
{
	struct config cfg = { .error = error };
	char init[HCC_PATH_LEN], path[HCC_PATH_LEN + 16], why[256] = "liblxc does not say why";
	int r = hcc_sibling("hyperchain-init", init);

	if (r < 0)
		return hcc_fail(error, r, "hyperchain-init is not beside hyperchain-container: install the package anew.");
	if ((mkdir(place->lxc, 0700) < 0 && errno != EEXIST) ||
	    chown(place->lxc, 0, place->uid) < 0 || chmod(place->lxc, 0710) < 0)
		return hcc_fail(error, -errno, "Cannot make %s: %m.", place->lxc);
	snprintf(path, sizeof(path), "%s/seccomp", place->lxc);
	r = write_profile(path);
	if (r < 0)
		return hcc_fail(error, r, "Cannot write %s: %s.", path, strerror(-r));
	snprintf(path, sizeof(path), "%s/log", place->lxc);
	unlink(path);
	/* A config of an earlier version must not mix with this one. */
	snprintf(path, sizeof(path), "%s/config", place->lxc);
	unlink(path);
	/* liblxc makes its cgroups below that of whoever asks. */
	r = hcc_write("0", "%s/cgroup.procs", hcc_cgroup_mount());
	if (r < 0)
		return hcc_fail(error, r, "The root cgroup can't be entered: %s.", strerror(-r));
	/*
	 * Where liblxc finds newuidmap(1) it insists on entries in /etc/subuid. The range is ours
	 * by right of root; what else it may start (apparmor_parser) is here.
	 */
	setenv("PATH", "/usr/sbin", 1);
	cfg.c = lxc_container_new(spec->name, LXC_DIR);
	if (!cfg.c)
		return hcc_fail(error, -ENOMEM, "liblxc makes no container.");
	configure(&cfg, spec, place, init);
	if (cfg.r == 0 && (!cfg.c->want_daemonize(cfg.c, true) || !cfg.c->save_config(cfg.c, NULL)))
		cfg.r = hcc_fail(error, -EIO, "liblxc can't keep its configuration in %s.", place->lxc);
	if (cfg.r == 0 && !cfg.c->start(cfg.c, 0, NULL)) {
		complaint(place, why, sizeof(why));
		cfg.r = hcc_fail(error, -EIO, "The container does not start: %s (%s/log).", why,
				 place->lxc);
	}
	if (cfg.r == 0 && !cfg.c->wait(cfg.c, "RUNNING", START_S))
		cfg.r = hcc_fail(error, -ETIMEDOUT, "The container does not run after %d s.", START_S);
	lxc_container_put(cfg.c);
	return cfg.r;
}

static struct lxc_container *running(const char *name)
{
	struct lxc_container *c = lxc_container_new(name, LXC_DIR);

	if (c && !c->is_running(c)) {
		lxc_container_put(c);
		c = NULL;
	}
	return c;
}

int hcc_stop(const struct hcc_place *place, const char *name, char error[HCC_ERROR_LEN])
{
	struct lxc_container *c = running(name);

	if (!c)
		return 0;
	if (!c->shutdown(c, STOP_S)) {
		/* A program that does not end, and a frozen one, too. */
		hcc_write("1", "%s/cgroup.kill", place->cgroup);
		c->stop(c);
	}
	if (!c->wait(c, "STOPPED", STOP_S)) {
		lxc_container_put(c);
		return hcc_fail(error, -EBUSY, "The container did not end within %d s.", 2 * STOP_S);
	}
	lxc_container_put(c);
	return 0;
}

pid_t hcc_pid(const char *name)
{
	struct lxc_container *c = running(name);
	pid_t pid = 0;

	if (c) {
		pid = c->init_pid(c);
		lxc_container_put(c);
	}
	return pid > 0 ? pid : 0;
}

/* The first thing that is done inside: as root of the container. */
static int run_inside(void *arg)
{
	hch_filter_join();
	return lxc_attach_run_command(arg);
}

int hcc_exec(const char *name, char *const argv[], char error[HCC_ERROR_LEN])
{
	lxc_attach_options_t opt = LXC_ATTACH_OPTIONS_DEFAULT;
	lxc_attach_command_t command = { .program = argv[0], .argv = (char **)argv };
	char *env[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root", "USER=root", "LOGNAME=root", NULL, NULL
	};
	struct lxc_container *c = running(name);
	int status, r;
	pid_t pid;

	if (!c)
		return hcc_fail(error, -ESRCH, "Environment %s does not run.", name);
	if (getenv("TERM") && asprintf(&env[4], "TERM=%.64s", getenv("TERM")) < 0)
		env[4] = NULL;
	opt.env_policy = LXC_ATTACH_CLEAR_ENV;
	opt.extra_env_vars = env;
	/* The host's terminal stays outside: who has it could type into it. */
	if (isatty(STDIN_FILENO))
		opt.attach_flags |= LXC_ATTACH_TERMINAL;
	r = c->attach(c, run_inside, &command, &opt, &pid);
	if (r < 0 || waitpid(pid, &status, 0) < 0)
		r = hcc_fail(error, -EIO, "Nothing can be started in environment %s.", name);
	else
		r = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	lxc_container_put(c);
	return r;
}
