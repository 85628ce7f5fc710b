// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hclab-agent: the lab's hand inside a guest, and normally its pid 1.
 *
 * One virtio-serial port carries all commands of the host, many at a time.
 * Every message is a frame, integers little-endian:
 *
 *	0        2        3        4            8
 *	| channel| type   | 0      | length     | payload ...
 *
 * A channel is one command.  Each direction of a channel has a window: the
 * sender may have that many unacknowledged bytes under way and no more, so a
 * command with huge output that nobody reads stops that command only, and the
 * agent's memory is bounded by NR_CHANNELS * STDIN_WINDOW + PORT_OUT_BYTES.
 *
 * The agent must answer on a machine that is out of memory: it is locked in
 * RAM, allocates nothing after the start, and is never an OOM victim.  It and
 * all it starts live in a cgroup that may not swap, since the swap under test
 * may lose pages on purpose.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NR_CHANNELS	32
#define HEADER_BYTES	8
#define MAX_PAYLOAD	16384
#define STDIN_WINDOW	65536
#define OUTPUT_WINDOW	262144
#define PORT_OUT_BYTES	131072
#define MAX_ARGS	1024

#define SETUP_SCRIPT	"/usr/lib/hclab/setup"
#define HOST_CGROUP	"/sys/fs/cgroup/host"

/* The numbers are shared with labkit/proto.py. */
enum frame_type {
	/* host to guest */
	FRAME_OPEN = 1,		/* struct open_head, then argv, each NUL-ended */
	FRAME_STDIN = 2,	/* bytes; none at all: end of file */
	FRAME_KILL = 3,		/* u8 signal to the command's process group */
	FRAME_OUT_WINDOW = 4,	/* u32 bytes the host has consumed */
	FRAME_WINSIZE = 5,	/* u16 rows, u16 columns */
	FRAME_BECOME = 6,	/* struct identity, then the host name */
	/* guest to host */
	FRAME_HELLO = 64,	/* agent is up; sent once per boot */
	FRAME_STDOUT = 65,
	FRAME_STDERR = 66,
	FRAME_EXIT = 67,	/* u32 wait status; the channel is free again */
	FRAME_IN_WINDOW = 68,	/* u32 bytes of stdin the command has taken */
	FRAME_BECAME = 69,	/* empty, or what went wrong */
};

#define OPEN_PTY	1

struct open_head {
	uint8_t flags;
	uint8_t pad;
	uint16_t rows;
	uint16_t columns;
} __attribute__((packed));

/* What makes a restored clone a machine of its own. */
struct identity {
	uint64_t time_ns;
	uint8_t ip[4];
	uint8_t mac[6];
	uint16_t prefix_len;
	uint8_t seed[64];
} __attribute__((packed));

/*
 * @pid > 0 marks the channel as used.  @in, @out, @err are -1 when closed; a
 * pty has one descriptor, in @in (a dup) and @out.
 */
struct channel {
	pid_t pid;
	int in, out, err;
	bool is_pty;
	bool is_exited;
	bool is_in_eof;
	uint32_t status;
	uint32_t out_credit;
	uint32_t in_head, in_bytes;
	uint8_t in_ring[STDIN_WINDOW];
};

static struct channel channels[NR_CHANNELS];

static int port = -1;
static uint8_t port_in[HEADER_BYTES + MAX_PAYLOAD];
static size_t port_in_bytes;
static uint8_t port_out[PORT_OUT_BYTES];
static size_t port_out_bytes;

static sigset_t original_mask;

static void say(const char *format, ...)
{
	char line[256];
	va_list ap;
	int fd;

	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		dprintf(fd, "<5>hclab-agent: %s\n", line);
		close(fd);
	}
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	close(fd);
	return n < 0 ? -EIO : 0;
}

/* ------------------------------------------------------------ port output */

static size_t port_room(void)
{
	return sizeof(port_out) - port_out_bytes;
}

static void port_flush(void)
{
	while (port_out_bytes) {
		ssize_t n = write(port, port_out, port_out_bytes);

		if (n <= 0)
			return;
		memmove(port_out, port_out + n, port_out_bytes - n);
		port_out_bytes -= n;
	}
}

/*
 * Control frames are small and counted (one EXIT per channel, one IN_WINDOW
 * per taken piece); output frames are only made when port_room() allows. The
 * reserve of 8 KiB kept by pump_output() makes the queue never overflow.
 */
static void port_send(int id, uint8_t type, const void *payload, uint32_t bytes)
{
	uint8_t *p = port_out + port_out_bytes;
	uint16_t le_id = htole16(id);
	uint32_t le_bytes = htole32(bytes);

	if (port_room() < HEADER_BYTES + bytes) {
		say("port queue full, frame %u of channel %d lost", type, id);
		return;
	}
	memcpy(p, &le_id, 2);
	p[2] = type;
	p[3] = 0;
	memcpy(p + 4, &le_bytes, 4);
	memcpy(p + HEADER_BYTES, payload, bytes);
	port_out_bytes += HEADER_BYTES + bytes;
}

static void port_send_u32(int id, uint8_t type, uint32_t value)
{
	value = htole32(value);
	port_send(id, type, &value, sizeof(value));
}

/* --------------------------------------------------------------- channels */

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void channel_end(int id)
{
	struct channel *c = &channels[id];

	close_fd(&c->in);
	close_fd(&c->out);
	close_fd(&c->err);
	port_send_u32(id, FRAME_EXIT, c->status);
	c->pid = 0;
}

/* A command that could not even be started ends like one that failed. */
static void channel_refuse(int id, const char *what, int error)
{
	char text[160];
	int n;

	n = snprintf(text, sizeof(text), "hclab-agent: %s: %s\n", what, strerror(error));
	port_send(id, FRAME_STDERR, text, n);
	port_send_u32(id, FRAME_EXIT, 126 << 8);
}

static void child_exec(char **argv, const char *tty)
{
	static char *const environment[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root", "USER=root", "LOGNAME=root", "SHELL=/bin/sh",
		"LANG=C.UTF-8", "TERM=xterm-256color", NULL,
	};

	setsid();
	if (tty) {
		int fd = open(tty, O_RDWR);

		if (fd < 0)
			_exit(126);
		ioctl(fd, TIOCSCTTY, 0);
		dup2(fd, 0);
		dup2(fd, 1);
		dup2(fd, 2);
		if (fd > 2)
			close(fd);
	}
	write_file("/proc/self/oom_score_adj", "0");
	sigprocmask(SIG_SETMASK, &original_mask, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (chdir("/root"))
		(void)!chdir("/");
	execvpe(argv[0], argv, environment);
	dprintf(2, "%s: %s\n", argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

static int set_nonblocking(int fd)
{
	return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static void set_winsize(int fd, uint16_t rows, uint16_t columns)
{
	struct winsize ws = { .ws_row = rows, .ws_col = columns };

	ioctl(fd, TIOCSWINSZ, &ws);
}

static int open_pty(char *tty, size_t tty_bytes)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (master < 0)
		return -1;
	if (grantpt(master) || unlockpt(master) || ptsname_r(master, tty, tty_bytes)) {
		close(master);
		return -1;
	}
	return master;
}

static int channel_start_pty(struct channel *c, char **argv, const struct open_head *head)
{
	char tty[64];
	int master = open_pty(tty, sizeof(tty));

	if (master < 0)
		return -errno;
	set_winsize(master, le16toh(head->rows), le16toh(head->columns));
	c->pid = fork();
	if (c->pid == 0)
		child_exec(argv, tty);
	if (c->pid < 0) {
		close(master);
		return -errno;
	}
	c->out = master;
	c->in = fcntl(master, F_DUPFD_CLOEXEC, 0);
	c->err = -1;
	return 0;
}

static int channel_start_pipes(struct channel *c, char **argv)
{
	int in[2] = { -1, -1 }, out[2] = { -1, -1 }, err[2] = { -1, -1 };
	int error = 0;

	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC)) {
		error = -errno;
		goto close_all;
	}
	c->pid = fork();
	if (c->pid == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		dup2(err[1], 2);
		child_exec(argv, NULL);
	}
	if (c->pid < 0) {
		error = -errno;
		goto close_all;
	}
	close(in[0]);
	close(out[1]);
	close(err[1]);
	c->in = in[1];
	c->out = out[0];
	c->err = err[0];
	return 0;

close_all:
	for (int i = 0; i < 2; i++) {
		close_fd(&in[i]);
		close_fd(&out[i]);
		close_fd(&err[i]);
	}
	return error;
}

static void channel_open(int id, uint8_t *payload, uint32_t bytes)
{
	static char *argv[MAX_ARGS + 1];
	struct channel *c = &channels[id];
	struct open_head head;
	char *p, *end;
	int argc = 0, error;

	if (c->pid || bytes <= sizeof(head) || payload[bytes - 1]) {
		channel_refuse(id, "malformed request", EPROTO);
		return;
	}
	memcpy(&head, payload, sizeof(head));
	p = (char *)payload + sizeof(head);
	end = (char *)payload + bytes;
	while (p < end && argc < MAX_ARGS) {
		argv[argc++] = p;
		p += strlen(p) + 1;
	}
	argv[argc] = NULL;
	if (!argc || p < end) {
		channel_refuse(id, "too many arguments", E2BIG);
		return;
	}

	c->is_pty = head.flags & OPEN_PTY;
	c->is_exited = c->is_in_eof = false;
	c->status = 0;
	c->out_credit = OUTPUT_WINDOW;
	c->in_head = c->in_bytes = 0;
	if (c->is_pty)
		error = channel_start_pty(c, argv, &head);
	else
		error = channel_start_pipes(c, argv);
	if (error) {
		c->pid = 0;
		channel_refuse(id, "cannot start the command", -error);
		return;
	}
	set_nonblocking(c->in);
	set_nonblocking(c->out);
	if (c->err >= 0)
		set_nonblocking(c->err);
}

static void channel_stdin(struct channel *c, const uint8_t *data, uint32_t bytes)
{
	if (!bytes) {
		c->is_in_eof = true;
		if (!c->in_bytes && !c->is_pty)
			close_fd(&c->in);
		return;
	}
	if (bytes > sizeof(c->in_ring) - c->in_bytes)
		bytes = sizeof(c->in_ring) - c->in_bytes;
	for (uint32_t i = 0; i < bytes; i++)
		c->in_ring[(c->in_head + c->in_bytes + i) % sizeof(c->in_ring)] = data[i];
	c->in_bytes += bytes;
}

/* Feed what the command takes; what it refuses for good is thrown away. */
static void pump_stdin(int id)
{
	struct channel *c = &channels[id];
	uint32_t taken = 0;

	while (c->in_bytes) {
		uint32_t run = sizeof(c->in_ring) - c->in_head;
		ssize_t n;

		if (run > c->in_bytes)
			run = c->in_bytes;
		n = c->in >= 0 ? write(c->in, c->in_ring + c->in_head, run) : (ssize_t)run;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			close_fd(&c->in);
			continue;
		}
		c->in_head = (c->in_head + n) % sizeof(c->in_ring);
		c->in_bytes -= n;
		taken += n;
	}
	if (taken)
		port_send_u32(id, FRAME_IN_WINDOW, taken);
	if (c->is_in_eof && !c->in_bytes && !c->is_pty)
		close_fd(&c->in);
}

/*
 * Returns true while more may come.  Reads only what the host's window and our
 * queue can take.
 */
static bool pump_output(int id, int *fd, uint8_t type)
{
	static uint8_t data[MAX_PAYLOAD];
	struct channel *c = &channels[id];

	while (*fd >= 0) {
		size_t want = sizeof(data);
		ssize_t n;

		if (c->out_credit < want)
			want = c->out_credit;
		if (!want || port_room() < sizeof(data) + HEADER_BYTES + 8192)
			return true;
		n = read(*fd, data, want);
		if (n < 0 && errno == EAGAIN)
			return false;
		if (n <= 0) {
			close_fd(fd);
			return false;
		}
		port_send(id, type, data, n);
		c->out_credit -= n;
	}
	return false;
}

/*
 * The command has ended and all it wrote is in its pipes already; what its
 * orphans may write later is not waited for, else a command that leaves a
 * daemon behind would never end.
 */
static void channel_finish(int id)
{
	struct channel *c = &channels[id];

	if (pump_output(id, &c->out, FRAME_STDOUT) || pump_output(id, &c->err, FRAME_STDERR))
		return;
	channel_end(id);
}

static void reap_children(void)
{
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (int id = 0; id < NR_CHANNELS; id++) {
			if (channels[id].pid == pid) {
				channels[id].is_exited = true;
				channels[id].status = status;
			}
		}
	}
}

/* --------------------------------------------------------------- identity */

static const char *set_address(const char *ifname, const struct identity *who)
{
	struct ifreq ifr = { 0 };
	struct sockaddr_in *sin = (struct sockaddr_in *)&ifr.ifr_addr;
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const char *wrong = NULL;
	uint16_t prefix_len = le16toh(who->prefix_len);

	if (sock < 0)
		return "socket";
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);

	ifr.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(ifr.ifr_hwaddr.sa_data, who->mac, 6);
	if (ioctl(sock, SIOCSIFHWADDR, &ifr))
		wrong = "SIOCSIFHWADDR";

	memset(&ifr.ifr_addr, 0, sizeof(ifr.ifr_addr));
	sin->sin_family = AF_INET;
	memcpy(&sin->sin_addr, who->ip, 4);
	if (!wrong && ioctl(sock, SIOCSIFADDR, &ifr))
		wrong = "SIOCSIFADDR";
	sin->sin_addr.s_addr = htonl(prefix_len ? ~0u << (32 - prefix_len) : 0);
	if (!wrong && ioctl(sock, SIOCSIFNETMASK, &ifr))
		wrong = "SIOCSIFNETMASK";

	ifr.ifr_flags = IFF_UP | IFF_RUNNING;
	if (!wrong && ioctl(sock, SIOCSIFFLAGS, &ifr))
		wrong = "SIOCSIFFLAGS";
	close(sock);
	return wrong;
}

/* All clones of one saved state share their random state until this ran. */
static const char *reseed(const struct identity *who)
{
	struct {
		struct rand_pool_info head;
		uint8_t seed[sizeof(who->seed)];
	} pool = { .head = { .entropy_count = 256, .buf_size = sizeof(who->seed) } };
	int fd = open("/dev/random", O_RDWR | O_CLOEXEC);
	const char *wrong = NULL;

	if (fd < 0)
		return "open /dev/random";
	memcpy(pool.seed, who->seed, sizeof(pool.seed));
	if (ioctl(fd, RNDADDENTROPY, &pool))
		wrong = "RNDADDENTROPY";
	else if (ioctl(fd, RNDRESEEDCRNG))
		wrong = "RNDRESEEDCRNG";
	close(fd);
	return wrong;
}

static const char *write_machine_id(const struct identity *who)
{
	char text[34];

	for (int i = 0; i < 16; i++)
		sprintf(text + 2 * i, "%02x", who->seed[i]);
	text[32] = '\n';
	text[33] = 0;
	return write_file("/etc/machine-id", text) ? "write /etc/machine-id" : NULL;
}

static const char *become(const uint8_t *payload, uint32_t bytes)
{
	struct identity who;
	struct timespec now;
	char name[65] = "";
	const char *wrong;
	uint64_t time_ns;

	if (bytes <= sizeof(who) || bytes - sizeof(who) >= sizeof(name))
		return "malformed identity";
	memcpy(&who, payload, sizeof(who));
	memcpy(name, payload + sizeof(who), bytes - sizeof(who));

	time_ns = le64toh(who.time_ns);
	now.tv_sec = time_ns / 1000000000;
	now.tv_nsec = time_ns % 1000000000;
	if (clock_settime(CLOCK_REALTIME, &now))
		return "clock_settime";
	if (sethostname(name, strlen(name)) || write_file("/etc/hostname", name))
		return "sethostname";
	wrong = reseed(&who);
	if (!wrong)
		wrong = write_machine_id(&who);
	if (!wrong)
		wrong = set_address("eth0", &who);
	klogctl(8, NULL, 7);	/* what drivers say from here on is the test's */
	return wrong;
}

/* ----------------------------------------------------------------- frames */

static void frame_received(int id, uint8_t type, uint8_t *payload, uint32_t bytes)
{
	struct channel *c = &channels[id];
	const char *wrong;
	uint32_t value;
	uint16_t size[2];

	switch (type) {
	case FRAME_OPEN:
		channel_open(id, payload, bytes);
		break;
	case FRAME_BECOME:
		wrong = become(payload, bytes);
		port_send(id, FRAME_BECAME, wrong ? wrong : "", wrong ? strlen(wrong) : 0);
		break;
	case FRAME_STDIN:
		if (c->pid)
			channel_stdin(c, payload, bytes);
		break;
	case FRAME_KILL:
		if (c->pid && !c->is_exited && bytes == 1)
			kill(-c->pid, payload[0]);
		break;
	case FRAME_OUT_WINDOW:
		if (c->pid && bytes == 4) {
			memcpy(&value, payload, 4);
			c->out_credit += le32toh(value);
		}
		break;
	case FRAME_WINSIZE:
		if (c->pid && c->is_pty && bytes == 4 && c->out >= 0) {
			memcpy(size, payload, 4);
			set_winsize(c->out, le16toh(size[0]), le16toh(size[1]));
		}
		break;
	default:
		say("unknown frame type %u", type);
	}
}

static void parse_frames(void)
{
	size_t done = 0;

	while (port_in_bytes - done >= HEADER_BYTES) {
		uint8_t *h = port_in + done;
		uint16_t id;
		uint32_t bytes;

		memcpy(&id, h, 2);
		memcpy(&bytes, h + 4, 4);
		id = le16toh(id);
		bytes = le32toh(bytes);
		if (id >= NR_CHANNELS || bytes > MAX_PAYLOAD) {
			say("lost the frame boundary: channel %u, %u bytes", id, bytes);
			done = port_in_bytes;
			break;
		}
		if (port_in_bytes - done < HEADER_BYTES + bytes)
			break;
		frame_received(id, h[2], h + HEADER_BYTES, bytes);
		done += HEADER_BYTES + bytes;
	}
	memmove(port_in, port_in + done, port_in_bytes - done);
	port_in_bytes -= done;
}

static void port_read(void)
{
	for (int rounds = 0; rounds < 64; rounds++) {
		ssize_t n = read(port, port_in + port_in_bytes, sizeof(port_in) - port_in_bytes);

		if (n <= 0)
			return;
		port_in_bytes += n;
		parse_frames();
	}
}

/* ------------------------------------------------------------------- life */

static void serve(int signals)
{
	struct pollfd fds[2 + 3 * NR_CHANNELS];

	for (;;) {
		int nr = 0;

		fds[nr++] = (struct pollfd){ .fd = signals, .events = POLLIN };
		fds[nr++] = (struct pollfd){ .fd = port,
			.events = POLLIN | (port_out_bytes ? POLLOUT : 0) };
		for (int id = 0; id < NR_CHANNELS; id++) {
			struct channel *c = &channels[id];
			bool may_read = c->out_credit &&
				port_room() >= MAX_PAYLOAD + HEADER_BYTES + 8192;

			if (!c->pid)
				continue;
			if (c->out >= 0 && may_read)
				fds[nr++] = (struct pollfd){ .fd = c->out, .events = POLLIN };
			if (c->err >= 0 && may_read)
				fds[nr++] = (struct pollfd){ .fd = c->err, .events = POLLIN };
			if (c->in >= 0 && c->in_bytes)
				fds[nr++] = (struct pollfd){ .fd = c->in, .events = POLLOUT };
		}
		poll(fds, nr, -1);
		if (fds[0].revents) {
			struct signalfd_siginfo info;

			while (read(signals, &info, sizeof(info)) > 0)
				;
		}
		reap_children();
		if (fds[1].revents & POLLIN)
			port_read();
		else if (fds[1].revents & (POLLHUP | POLLERR))
			usleep(20000);	/* the host is away; poll() can't wait for it */
		for (int id = 0; id < NR_CHANNELS; id++) {
			struct channel *c = &channels[id];

			if (!c->pid)
				continue;
			pump_stdin(id);
			pump_output(id, &c->out, FRAME_STDOUT);
			pump_output(id, &c->err, FRAME_STDERR);
			if (c->is_exited)
				channel_finish(id);
		}
		port_flush();
	}
}

static void run_setup(void)
{
	char *argv[] = { "/bin/sh", SETUP_SCRIPT, NULL };
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		sigprocmask(SIG_SETMASK, &original_mask, NULL);
		execve(argv[0], argv, (char *[]){ "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL });
		_exit(127);
	}
	waitpid(pid, &status, 0);
	if (status)
		say("%s failed, status %#x", SETUP_SCRIPT, status);
}

/* The port has a name in sysfs; its number depends on the machine. */
static int open_port(void)
{
	DIR *dir = opendir("/sys/class/virtio-ports");
	struct dirent *entry;
	int fd = -1;

	while (dir && (entry = readdir(dir))) {
		char path[300], name[32] = "";
		int name_fd;

		snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", entry->d_name);
		name_fd = open(path, O_RDONLY | O_CLOEXEC);
		if (name_fd < 0)
			continue;
		(void)!read(name_fd, name, sizeof(name) - 1);
		close(name_fd);
		if (strncmp(name, "hclab.agent", 11))
			continue;
		snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
		fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		break;
	}
	if (dir)
		closedir(dir);
	return fd;
}

int main(void)
{
	sigset_t all;
	int signals;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &original_mask);
	signal(SIGPIPE, SIG_IGN);
	if (getpid() == 1) {
		sigemptyset(&original_mask);
		run_setup();
	}
	write_file(HOST_CGROUP "/cgroup.procs", "0");
	write_file("/proc/self/oom_score_adj", "-1000");
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		say("mlockall: %s", strerror(errno));

	sigemptyset(&all);
	sigaddset(&all, SIGCHLD);
	signals = signalfd(-1, &all, SFD_NONBLOCK | SFD_CLOEXEC);
	while ((port = open_port()) < 0)
		usleep(50000);
	port_send(0, FRAME_HELLO, "", 0);
	say("ready");
	serve(signals);
}
