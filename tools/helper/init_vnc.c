// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The desktop of an environment's user, for hyperchain-init: a VNC server that the first viewer
 * starts. It has no port and no password; who may log in as the user may open its socket, by an
 * ssh forward, and nobody else.
 *
 *	viewer ──ssh -L──► /run/hyperchain-vnc/LOGIN.sock     0600, the user's; ours, always there
 *	                     │ relay, one a viewer
 *	                     ▼
 *	                   /run/hyperchain-vnc/LOGIN/rfb      Xtigervnc ◄── session, both the user's
 *
 *	OFF ──viewer──► STARTING ──tells its display──► UP ──session ends──► ENDING ──► OFF
 *	                   └── ended, or too slow: the viewer is told where to read why ──┘
 *
 * A viewer that can't be served is told why in a sentence, by the words that RFB has for it: where
 * TigerVNC is missing, where the server does not start, and where another node leads by now.
 */
#include "init_vnc.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SERVER		"/usr/bin/Xtigervnc"
#define DIR		"/run/hyperchain-vnc"
#define LOG		".hyperchain-vnc.log"	/* in the user's home */
#define SIZE		"1280x800"		/* until the viewer wants another one */
#define START_S		120
#define END_S		5
#define REFUSE_S	10
#define VIEWERS_MAX	16
#define GROUPS_MAX	64
#define DISPLAY_FD	3			/* of the server */
#define VIEWER_FD	3			/* of who serves one */
#define COOKIE_LEN	16
#define PROTOCOL	"RFB 003.008\n"
#define NO_SESSION	111			/* there is nothing to run: a bare desktop */

#define NO_SERVER	"This environment has no TigerVNC: install tigervnc-standalone-server in it, " \
			"then connect again."
#define DOES_NOT_START	"The VNC server of this environment does not start; ~/" LOG " says why."
#define HAS_ENDED	"The desktop has just ended: connect again for a new one."
#define LEADS_NOT	"Another node leads this environment by now, and the desktop here has " \
			"ended: end this ssh and start it again for a new one."

/* The first that is there, in the way of Debian where that is known. */
static const char session_script[] =
	"for s in \"$HOME/.xsession\" x-session-manager x-window-manager x-terminal-emulator xterm\n"
	"do\n"
	"	p=$(command -v \"$s\") && [ -x \"$p\" ] || continue\n"
	"	[ -x /etc/X11/Xsession ] && exec /etc/X11/Xsession \"$p\"\n"
	"	exec \"$p\"\n"
	"done\n"
	"exit 111\n";

enum state {
	OFF, STARTING, UP, ENDING,
};

static struct {
	enum state state;
	char login[40], home[PATH_MAX], shell[PATH_MAX];
	uid_t uid;
	gid_t gid, groups[GROUPS_MAX];
	size_t nr_groups;
	char folder[64], rfb[72], cookies[80];
	int fd;				/* viewers come there; -1 = there is no desktop */
	int display_fd;			/* the server tells its display */
	char display[16];
	size_t display_len;
	pid_t server, session;
	time_t since;			/* of the state */
	bool is_killed, is_leader;
	pid_t viewers[VIEWERS_MAX];
} vnc = { .fd = -1, .display_fd = -1 };

/* ---- the user ----------------------------------------------------------------------- */

/* The user may have put anything there: a pipe would never be read to its end. */
static FILE *open_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	FILE *f = NULL;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		f = fdopen(fd, "r");
	if (fd >= 0 && !f)
		close(fd);
	return f;
}

/* By the files alone: what else knows users is in libraries that a static program has not. */
static bool find_user(const char *login)
{
	FILE *f = open_file("/etc/passwd");
	struct passwd *p = NULL;

	while (f && (p = fgetpwent(f)) && strcmp(p->pw_name, login) != 0)
		;
	if (p) {
		snprintf(vnc.login, sizeof(vnc.login), "%s", login);
		snprintf(vnc.home, sizeof(vnc.home), "%s", p->pw_dir);
		snprintf(vnc.shell, sizeof(vnc.shell), "%s", p->pw_shell);
		vnc.uid = p->pw_uid;
		vnc.gid = p->pw_gid;
	}
	if (f)
		fclose(f);
	return p;
}

static void find_groups(void)
{
	FILE *f = open_file("/etc/group");
	struct group *g;

	vnc.nr_groups = 0;
	while (f && vnc.nr_groups < GROUPS_MAX && (g = fgetgrent(f))) {
		for (char **m = g->gr_mem; *m; m++) {
			if (strcmp(*m, vnc.login) == 0) {
				vnc.groups[vnc.nr_groups++] = g->gr_gid;
				break;
			}
		}
	}
	if (f)
		fclose(f);
}

/* In a child of ours: from here on it can do what the user can. */
static void become_user(void)
{
	sigset_t none;

	if (setgroups(vnc.nr_groups, vnc.groups) < 0 || setresgid(vnc.gid, vnc.gid, vnc.gid) < 0 ||
	    setresuid(vnc.uid, vnc.uid, vnc.uid) < 0)
		_exit(126);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* ---- viewers -------------------------------------------------------------------------- */

static bool send_all(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len) {
		ssize_t n = write(fd, at, len);

		if (n <= 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

/* RFB has words for that: no kind of security is offered, and a reason. */
static void refuse(int fd, const char *why)
{
	char theirs[sizeof(PROTOCOL) - 1], rest[64];
	uint8_t none[4] = { 0 }, len[4] = { 0 };

	/* Who does not answer is not waited for: SIGALRM ends us. */
	alarm(REFUSE_S);
	len[2] = (uint8_t)(strlen(why) >> 8);
	len[3] = (uint8_t)strlen(why);
	if (!send_all(fd, PROTOCOL, sizeof(PROTOCOL) - 1) ||
	    recv(fd, theirs, sizeof(theirs), MSG_WAITALL) != sizeof(theirs))
		return;
	/* Up to 3.6 the kind has four bytes. */
	if (send_all(fd, none, memcmp(theirs, "RFB 003.003", 11) == 0 ? 4 : 1) &&
	    send_all(fd, len, sizeof(len)) && send_all(fd, why, strlen(why)))
		shutdown(fd, SHUT_WR);
	/* Closed at once, what is on its way to the viewer could be lost. */
	while (read(fd, rest, sizeof(rest)) > 0)
		;
}

static void copy(int from, int to)
{
	static char buf[65536];
	ssize_t n;

	while ((n = read(from, buf, sizeof(buf))) > 0 && send_all(to, buf, (size_t)n))
		;
	/* For the other direction, too, which another process copies. */
	shutdown(from, SHUT_RDWR);
	shutdown(to, SHUT_RDWR);
}

static void relay(int fd)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t pid;

	strcpy(at.sun_path, vnc.rfb);
	if (server < 0 || connect(server, (struct sockaddr *)&at, sizeof(at)) < 0) {
		refuse(fd, HAS_ENDED);
		return;
	}
	signal(SIGPIPE, SIG_IGN);
	/* One for each direction: neither waits for the other, however full a socket is. */
	pid = fork();
	if (pid < 0)
		return;
	if (pid == 0)
		copy(server, fd);
	else
		copy(fd, server);
}

/* A child serves it; @why is for those that are refused. */
static void serve(int fd, const char *why)
{
	size_t i = 0;

	while (i < VIEWERS_MAX && vnc.viewers[i])
		i++;
	if (i < VIEWERS_MAX) {
		vnc.viewers[i] = fork();
		if (vnc.viewers[i] == 0) {
			/* What else init has open is none of the user's. */
			fd = dup2(fd, VIEWER_FD);
			close_range(VIEWER_FD + 1, UINT_MAX, 0);
			become_user();
			if (why)
				refuse(fd, why);
			else
				relay(fd);
			_exit(0);
		}
		if (vnc.viewers[i] < 0)
			vnc.viewers[i] = 0;
	}
	close(fd);
}

static void serve_all(const char *why)
{
	int fd;

	while ((fd = accept4(vnc.fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		serve(fd, why);
}

/* ---- server and session ---------------------------------------------------------------- */

/* X's own form: of any host and display, a name and 16 bytes that only the user can read. */
static bool write_cookies(void)
{
	static const char name[] = "MIT-MAGIC-COOKIE-1";
	uint8_t text[8 + sizeof(name) - 1 + 2 + COOKIE_LEN] = {
		0xff, 0xff, 0, 0, 0, 0, 0, sizeof(name) - 1,
	};
	uint8_t *at = text + 8;
	int fd;
	bool is_whole;

	memcpy(at, name, sizeof(name) - 1);
	at += sizeof(name) - 1;
	at[1] = COOKIE_LEN;
	if (getrandom(at + 2, COOKIE_LEN, 0) != COOKIE_LEN)
		return false;
	unlink(vnc.cookies);
	fd = open(vnc.cookies, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	is_whole = fd >= 0 && send_all(fd, text, sizeof(text));
	if (fd >= 0)
		close(fd);
	return is_whole;
}

/* In a child, as the user. What is said goes to a file of the user's. */
static void enter(bool is_new)
{
	int fd, flags = O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK;

	setsid();
	become_user();
	umask(077);
	if (chdir(vnc.home) < 0 && chdir("/") < 0)
		_exit(126);
	fd = open(LOG, flags | (is_new ? O_TRUNC : 0), 0600);
	if (fd < 0)
		fd = open("/dev/null", O_WRONLY);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	umask(022);
}

static time_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

static void set_state(enum state state)
{
	vnc.state = state;
	vnc.since = now();
	vnc.is_killed = false;
}

static void run_server(int display_fd)
{
	char *const argv[] = {
		SERVER, "-displayfd", "3", "-rfbport", "-1", "-rfbunixpath", vnc.rfb,
		"-rfbunixmode", "0600", "-SecurityTypes", "None", "-auth", vnc.cookies,
		"-desktop", vnc.login, "-geometry", SIZE, "-depth", "24", "-nolisten", "tcp", NULL
	};
	char *const env[] = { "PATH=/usr/local/bin:/usr/bin:/bin", NULL };

	enter(true);
	if (!write_cookies())
		_exit(126);
	/* Also without its mark to be closed, which dup2() leaves out. */
	if (display_fd == DISPLAY_FD)
		fcntl(display_fd, F_SETFD, 0);
	else
		dup2(display_fd, DISPLAY_FD);
	execve(SERVER, argv, env);
	_exit(127);
}

static bool start_server(void)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return false;
	find_groups();
	vnc.server = fork();
	if (vnc.server == 0)
		run_server(fds[1]);
	close(fds[1]);
	if (vnc.server < 0) {
		vnc.server = 0;
		close(fds[0]);
		return false;
	}
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	vnc.display_fd = fds[0];
	vnc.display_len = 0;
	set_state(STARTING);
	return true;
}

/* "NAME=VALUE", for the life of a child. */
static char *setting(const char *name, const char *value)
{
	char *text = NULL;

	return asprintf(&text, "%s=%s", name, value) < 0 ? NULL : text;
}

static void run_session(void)
{
	/* A minus in front: it reads what a login reads. */
	char *const argv[] = { "-sh", "-c", (char *)session_script, NULL };
	char display[sizeof(vnc.display) + 1];
	char *env[8];

	snprintf(display, sizeof(display), ":%s", vnc.display);
	env[0] = setting("DISPLAY", display);
	env[1] = setting("XAUTHORITY", vnc.cookies);
	env[2] = setting("HOME", vnc.home);
	env[3] = setting("USER", vnc.login);
	env[4] = setting("LOGNAME", vnc.login);
	env[5] = setting("SHELL", vnc.shell[0] ? vnc.shell : "/bin/sh");
	env[6] = setting("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games");
	env[7] = NULL;
	enter(false);
	execve("/bin/sh", argv, env);
	_exit(127);
}

static void start_session(void)
{
	vnc.session = fork();
	if (vnc.session == 0)
		run_session();
	if (vnc.session < 0)
		vnc.session = 0;
}

/* The session first, as a logout does; its windows go with the server. */
static void end_desktop(void)
{
	if (vnc.session)
		kill(-vnc.session, SIGHUP);
	if (vnc.server)
		kill(vnc.server, SIGTERM);
	set_state(ENDING);
}

static void close_display(void)
{
	if (vnc.display_fd >= 0)
		close(vnc.display_fd);
	vnc.display_fd = -1;
}

/* "1\n", from when on it can be used. */
static void read_display(void)
{
	ssize_t n = read(vnc.display_fd, vnc.display + vnc.display_len,
			 sizeof(vnc.display) - 1 - vnc.display_len);
	char *end;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	vnc.display_len += n > 0 ? (size_t)n : 0;
	vnc.display[vnc.display_len] = 0;
	end = strchr(vnc.display, '\n');
	if (!end && n > 0 && vnc.display_len < sizeof(vnc.display) - 1)
		return;
	close_display();
	/* Closed without a number: it is about to end, and that is seen. */
	if (!end)
		return;
	*end = 0;
	set_state(UP);
	start_session();
}

void init_vnc_ended(pid_t pid, int status)
{
	for (size_t i = 0; i < VIEWERS_MAX; i++) {
		if (vnc.viewers[i] == pid)
			vnc.viewers[i] = 0;
	}
	if (pid == vnc.session) {
		vnc.session = 0;
		/* Nothing to run is no end: programs started by ssh may use the display. */
		if (vnc.state == UP && !(WIFEXITED(status) && WEXITSTATUS(status) == NO_SESSION))
			end_desktop();
	}
	if (pid != vnc.server)
		return;
	vnc.server = 0;
	close_display();
	if (vnc.session)
		kill(-vnc.session, SIGHUP);
	vnc.session = 0;
	if (vnc.state == STARTING)
		serve_all(vnc.is_leader ? DOES_NOT_START : LEADS_NOT);
	set_state(OFF);
}

/* ---- what init calls --------------------------------------------------------------------- */

static int listen_at(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t old = umask(0177);
	bool is_bound;

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	unlink(path);
	is_bound = fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0;
	umask(old);
	if (is_bound && lchown(path, vnc.uid, vnc.gid) == 0 && listen(fd, VIEWERS_MAX) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

void init_vnc_start(const char *login)
{
	char path[80];

	if (strlen(login) >= sizeof(vnc.login) || !find_user(login))
		return;
	snprintf(vnc.folder, sizeof(vnc.folder), DIR "/%s", vnc.login);
	snprintf(vnc.rfb, sizeof(vnc.rfb), "%s/rfb", vnc.folder);
	snprintf(vnc.cookies, sizeof(vnc.cookies), "%s/xauthority", vnc.folder);
	snprintf(path, sizeof(path), "%s.sock", vnc.folder);
	mkdir(DIR, 0755);
	if ((mkdir(vnc.folder, 0700) < 0 && errno != EEXIST) ||
	    lchown(vnc.folder, vnc.uid, vnc.gid) < 0)
		return;
	/* X wants its folder to be root's. */
	if (mkdir("/tmp/.X11-unix", 0755) == 0)
		chmod("/tmp/.X11-unix", 01777);
	vnc.fd = listen_at(path);
}

void init_vnc_poll(struct pollfd fds[INIT_VNC_FDS])
{
	bool is_open = vnc.state == OFF || vnc.state == UP;

	fds[0] = (struct pollfd){ .fd = is_open ? vnc.fd : -1, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = vnc.display_fd, .events = POLLIN };
}

static void answer(void)
{
	if (!vnc.is_leader)
		serve_all(LEADS_NOT);
	else if (vnc.state == UP)
		serve_all(NULL);
	else if (access(SERVER, X_OK) < 0)
		serve_all(NO_SERVER);
	else if (!start_server())
		serve_all(DOES_NOT_START);
}

void init_vnc_step(const struct pollfd fds[INIT_VNC_FDS], bool is_leader)
{
	time_t age;

	vnc.is_leader = is_leader;
	if (fds[0].fd >= 0 && fds[0].revents && vnc.state != ENDING)
		answer();
	if (fds[1].fd >= 0 && fds[1].fd == vnc.display_fd && fds[1].revents)
		read_display();
	age = now() - vnc.since;
	if (vnc.state == STARTING && (age > START_S || !is_leader) && !vnc.is_killed) {
		kill(vnc.server, SIGKILL);
		vnc.is_killed = true;
	}
	if (vnc.state == UP && !is_leader)
		end_desktop();
	if (vnc.state == ENDING && age > END_S && !vnc.is_killed) {
		if (vnc.session)
			kill(-vnc.session, SIGKILL);
		kill(vnc.server, SIGKILL);
		vnc.is_killed = true;
	}
}
