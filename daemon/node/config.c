// SPDX-License-Identifier: GPL-2.0-or-later
/* The configuration file, by inih with strict rules around it: see config.h. */
#include "daemon/node/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/cluster/text.h"
#include "daemon/node/cleanup.h"

struct parser {
	struct hcd_config *config;
	const char *text;	/* rest of the file */
	int line;		/* being read */
	int reason_line;	/* of the first error; 0 = the file as a whole */
	char reason[HCD_ERROR_LEN / 2];	/* of the first error */
	uint32_t seen_node, seen_swap, seen_env;	/* bit per key */
	uint32_t *seen_peer;		/* beside config->peers */
	bool no_memory;
};

struct key {
	const char *name;
	/* Return: false with @p->reason set. @i: which peer. */
	bool (*set)(struct parser *p, size_t i, const char *value);
};

__attribute__((format(printf, 2, 3)))
static bool fail(struct parser *p, const char *format, ...)
{
	va_list args;

	if (p->reason[0])
		return false;
	va_start(args, format);
	vsnprintf(p->reason, sizeof(p->reason), format, args);
	va_end(args);
	p->reason_line = p->line;
	return false;
}

static bool parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	char *end;
	unsigned long long n;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || *end || n < min || n > max)
		return false;
	*ret = n;
	return true;
}

int hcd_size_parse(const char *text, uint64_t *ret_bytes)
{
	static const char units[] = "KMGT";
	unsigned int shift = 0;
	unsigned long long n;
	const char *unit;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno)
		return -ERANGE;
	if (*end) {
		unit = strchr(units, *end);
		if (!unit)
			return -EINVAL;
		shift = 10 * (unsigned int)(unit - units + 1);
		end++;
		if (strcmp(end, "") != 0 && strcmp(end, "iB") != 0)
			return -EINVAL;
	}
	if (n > HC_POOL_SIZE_MAX >> shift)
		return -ERANGE;
	*ret_bytes = n << shift;
	return 0;
}

bool hcd_address_is_valid(const char *text)
{
	struct in6_addr v6;
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1)
		return v4.s_addr != htonl(INADDR_ANY) && !IN_MULTICAST(ntohl(v4.s_addr)) &&
		       v4.s_addr != htonl(INADDR_BROADCAST);
	if (inet_pton(AF_INET6, text, &v6) == 1)
		return !IN6_IS_ADDR_UNSPECIFIED(&v6) && !IN6_IS_ADDR_MULTICAST(&v6) &&
		       !IN6_IS_ADDR_LINKLOCAL(&v6);
	return false;
}

socklen_t hcd_address_make(const char *text, uint16_t port, struct sockaddr_storage *ret_addr)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret_addr;
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret_addr;

	memset(ret_addr, 0, sizeof(*ret_addr));
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		return sizeof(*v4);
	}
	inet_pton(AF_INET6, text, &v6->sin6_addr);
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	return sizeof(*v6);
}

static bool take_id(struct parser *p, const char *value, uint32_t *ret)
{
	uint64_t n;

	if (!parse_number(value, 1, HCD_NODE_ID_MAX, &n))
		return fail(p, "a node's id is a number from 1 to %u, not '%s'", HCD_NODE_ID_MAX,
			    value);
	*ret = n;
	return true;
}

static bool take_name(struct parser *p, const char *value, char *name)
{
	if (!hcd_text_is_name(value))
		return fail(p, "a name has 1 to %d letters, digits, '.', '_' and '-', which '%s' does not",
			    HC_NAME_LEN, value);
	snprintf(name, HC_NAME_LEN + 1, "%s", value);
	return true;
}

static bool take_address(struct parser *p, const char *value, char *address)
{
	if (!hcd_address_is_valid(value))
		return fail(p, "'%s' is no IP address of a node: give it in digits, like 10.77.0.2",
			    value);
	snprintf(address, INET6_ADDRSTRLEN, "%s", value);
	return true;
}

static bool take_port(struct parser *p, const char *value, uint16_t *ret)
{
	uint64_t n;

	if (!parse_number(value, 1, 65535, &n))
		return fail(p, "a port is a number from 1 to 65535, not '%s'", value);
	*ret = n;
	return true;
}

static bool take_size(struct parser *p, const char *value, uint64_t min, uint64_t max,
		      uint64_t *ret)
{
	uint64_t n;

	if (hcd_size_parse(value, &n) < 0)
		return fail(p, "'%s' is no size: write bytes, or 512M, 4G, 1T (powers of 1024)",
			    value);
	if (n < min || n > max)
		return fail(p, "%s is out of range: %llu to %llu bytes", value,
			    (unsigned long long)min, (unsigned long long)max);
	*ret = n;
	return true;
}

static bool take_bool(struct parser *p, const char *value, bool *ret)
{
	if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
		return fail(p, "'yes' or 'no' is wanted, not '%s'", value);
	*ret = strcmp(value, "yes") == 0;
	return true;
}

static bool take_path(struct parser *p, const char *value, char *path)
{
	if (value[0] != '/')
		return fail(p, "'%s' is no absolute path", value);
	snprintf(path, HCD_PATH_LEN, "%s", value);	/* a line is shorter */
	return true;
}

static bool node_id(struct parser *p, size_t i, const char *value)
{
	return take_id(p, value, &p->config->node.id);
}

static bool node_name(struct parser *p, size_t i, const char *value)
{
	return take_name(p, value, p->config->node.name);
}

static bool node_address(struct parser *p, size_t i, const char *value)
{
	return take_address(p, value, p->config->node.address);
}

static bool node_port(struct parser *p, size_t i, const char *value)
{
	return take_port(p, value, &p->config->node.port);
}

static bool node_donate(struct parser *p, size_t i, const char *value)
{
	p->config->node.has_donate = true;
	return take_size(p, value, 0, HC_POOL_SIZE_MAX, &p->config->node.donate);
}

static bool node_reserve(struct parser *p, size_t i, const char *value)
{
	p->config->node.has_reserve = true;
	return take_size(p, value, 0, HC_POOL_SIZE_MAX, &p->config->node.reserve);
}

static bool node_conns(struct parser *p, size_t i, const char *value)
{
	uint64_t n;

	if (!parse_number(value, 1, HC_CONNS_MAX, &n))
		return fail(p, "conns is a number from 1 to %d, not '%s'", HC_CONNS_MAX, value);
	p->config->node.conns = n;
	return true;
}

static bool node_log_entries(struct parser *p, size_t i, const char *value)
{
	uint64_t n;

	if (!parse_number(value, 16, 1000000, &n))
		return fail(p, "log_entries is a number from 16 to 1000000, not '%s'", value);
	p->config->node.log_entries = (uint32_t)n;
	return true;
}

static bool node_psk_file(struct parser *p, size_t i, const char *value)
{
	return take_path(p, value, p->config->node.psk_file);
}

static bool node_alert_command(struct parser *p, size_t i, const char *value)
{
	return take_path(p, value, p->config->node.alert_command);
}

static bool peer_name(struct parser *p, size_t i, const char *value)
{
	return take_name(p, value, p->config->peers[i].name);
}

static bool peer_address(struct parser *p, size_t i, const char *value)
{
	return take_address(p, value, p->config->peers[i].address);
}

static bool peer_port(struct parser *p, size_t i, const char *value)
{
	return take_port(p, value, &p->config->peers[i].port);
}

static bool swap_auto(struct parser *p, size_t i, const char *value)
{
	return take_bool(p, value, &p->config->swap.is_auto);
}

static bool swap_encrypt(struct parser *p, size_t i, const char *value)
{
	return take_bool(p, value, &p->config->swap.encrypt);
}

static bool swap_size(struct parser *p, size_t i, const char *value)
{
	return take_size(p, value, HC_DISK_SIZE_MIN, HC_DISK_SIZE_MAX, &p->config->swap.size);
}

static bool swap_backing(struct parser *p, size_t i, const char *value)
{
	return take_path(p, value, p->config->swap.backing);
}

static bool env_network(struct parser *p, size_t i, const char *value)
{
	struct in_addr net;

	if (inet_pton(AF_INET, value, &net) != 1 || (ntohl(net.s_addr) & 0xfff) ||
	    !hcd_address_is_valid(value))
		return fail(p, "'%s' is no first address of environments, a multiple of 4096: give one like %s",
			    value, HCD_ENV_NETWORK);
	snprintf(p->config->env.network, sizeof(p->config->env.network), "%s", value);
	return true;
}

static const struct key node_keys[] = {
	{ "id", node_id },		{ "name", node_name },	{ "address", node_address },
	{ "port", node_port },		{ "donate", node_donate }, { "reserve", node_reserve },
	{ "conns", node_conns },	{ "psk_file", node_psk_file },
	{ "log_entries", node_log_entries }, { "alert_command", node_alert_command },
	{ NULL, NULL },
};

static const struct key peer_keys[] = {
	{ "name", peer_name },
	{ "address", peer_address },
	{ "port", peer_port },
	{ NULL, NULL },
};

static const struct key swap_keys[] = {
	{ "auto", swap_auto },
	{ "encrypt", swap_encrypt },
	{ "size", swap_size },
	{ "backing", swap_backing },
	{ NULL, NULL },
};

static const struct key env_keys[] = {
	{ "network", env_network },
	{ NULL, NULL },
};

static bool set_key(struct parser *p, const struct key *keys, const char *section, size_t i,
		    uint32_t *seen, const char *name, const char *value)
{
	for (size_t k = 0; keys[k].name; k++) {
		if (strcmp(keys[k].name, name) != 0)
			continue;
		if (*seen & (1u << k))
			return fail(p, "'%s' is set twice in [%s] (a line that begins with a space goes on with the one before)",
				    name, section);
		*seen |= 1u << k;
		return keys[k].set(p, i, value);
	}
	return fail(p, "there is no key '%s' in [%s]; see hyperchain.conf(5)", name, section);
}

/* [peer.2] or [peer "2"]; ids are kept in order. */
static bool find_peer(struct parser *p, const char *section, size_t *ret_i)
{
	struct hcd_config *c = p->config;
	struct hcd_peer_config *peers;
	char digits[16] = "";
	uint32_t *seen, id = 0;
	size_t i, len;

	section += strlen("peer");
	len = strlen(section);
	if (section[0] == '.' && len - 1 < sizeof(digits))
		snprintf(digits, sizeof(digits), "%s", section + 1);
	else if (section[0] == ' ' && len >= 3 && section[1] == '"' && section[len - 1] == '"' &&
		 len - 3 < sizeof(digits))
		snprintf(digits, sizeof(digits), "%.*s", (int)(len - 3), section + 2);
	if (!take_id(p, digits, &id))
		return false;
	for (i = 0; i < c->nr_peers && c->peers[i].id < id; i++)
		;
	*ret_i = i;
	if (i < c->nr_peers && c->peers[i].id == id)
		return true;
	if (c->nr_peers == HC_PEERS_MAX)
		return fail(p, "a node has at most %d peers", HC_PEERS_MAX);
	peers = realloc(c->peers, (c->nr_peers + 1) * sizeof(*peers));
	if (peers)
		c->peers = peers;
	seen = realloc(p->seen_peer, (c->nr_peers + 1) * sizeof(*seen));
	if (seen)
		p->seen_peer = seen;
	if (!peers || !seen) {
		p->no_memory = true;
		return fail(p, "memory is short");
	}
	memmove(peers + i + 1, peers + i, (c->nr_peers - i) * sizeof(*peers));
	memmove(seen + i + 1, seen + i, (c->nr_peers - i) * sizeof(*seen));
	c->nr_peers++;
	peers[i] = (struct hcd_peer_config){ .id = id, .port = HCD_PORT };
	seen[i] = 0;
	return true;
}

/* inih: the next line, as fgets() gives it; so we know which one a key stands in. */
static char *next_line(char *buf, int size, void *stream)
{
	struct parser *p = stream;
	size_t len = strcspn(p->text, "\n");

	if (!*p->text)
		return NULL;
	len += p->text[len] == '\n';
	if (len > (size_t)size - 1)
		len = (size_t)size - 1;
	memcpy(buf, p->text, len);
	buf[len] = '\0';
	p->text += len;
	p->line++;
	return buf;
}

/* inih: return 0 for an error; it goes on, and remembers the first line of one. */
static int on_key(void *user, const char *section, const char *name, const char *value)
{
	struct parser *p = user;
	size_t i;

	if (p->reason[0])
		return 0;
	if (strcmp(section, "node") == 0)
		return set_key(p, node_keys, section, 0, &p->seen_node, name, value);
	if (strcmp(section, "swap") == 0)
		return set_key(p, swap_keys, section, 0, &p->seen_swap, name, value);
	if (strcmp(section, "env") == 0)
		return set_key(p, env_keys, section, 0, &p->seen_env, name, value);
	if (strncmp(section, "peer", 4) == 0 && (section[4] == '.' || section[4] == ' '))
		return find_peer(p, section, &i) &&
		       set_key(p, peer_keys, section, i, &p->seen_peer[i], name, value);
	if (section[0] == '\0')
		return fail(p, "'%s' stands before the first section: put it below [node]", name);
	return fail(p, "there is no section [%s]: known are [node], [peer.ID], [swap] and [env]", section);
}

/* What inih would do silently: cut a long line in two, stop at a NUL. */
static int check_lines(const char *text, size_t len, char *reason, size_t reason_len)
{
	size_t start = 0;
	int line = 1;

	for (size_t i = 0; i <= len; i++) {
		if (i < len && text[i] == '\0') {
			snprintf(reason, reason_len, "a NUL byte: this is no text file");
			return line;
		}
		if (i < len && text[i] != '\n')
			continue;
		if (i - start > HCD_CONFIG_LINE_MAX) {
			snprintf(reason, reason_len, "the line is longer than %d bytes",
				 HCD_CONFIG_LINE_MAX);
			return line;
		}
		start = i + 1;
		line++;
	}
	return 0;
}

/* What only the whole file can show. */
static bool check_whole(struct parser *p)
{
	struct hcd_config *c = p->config;

	if (c->node.id == 0 && c->nr_peers)
		return fail(p, "[node] has no 'id': give each node a number of its own");
	if (c->nr_peers && !c->node.address[0])
		return fail(p, "[node] has no 'address', which its peers must be able to reach");
	if (c->swap.is_auto && !c->swap.size)
		return fail(p, "[swap] has 'auto = yes' but no 'size'");
	for (size_t i = 0; i < c->nr_peers; i++) {
		if (c->peers[i].id == c->node.id)
			return fail(p, "[peer.%u] is this node itself: take it out",
				    c->peers[i].id);
		if (!c->peers[i].address[0])
			return fail(p, "[peer.%u] has no 'address'", c->peers[i].id);
		if (strcmp(c->peers[i].address, c->node.address) == 0 &&
		    c->peers[i].port == c->node.port)
			return fail(p, "[peer.%u] has the address and port of this node",
				    c->peers[i].id);
		if (!c->peers[i].name[0])
			snprintf(c->peers[i].name, sizeof(c->peers[i].name), "node%u",
				 c->peers[i].id);
	}
	return true;
}

void hcd_config_free(struct hcd_config *config)
{
	free(config->peers);
	config->peers = NULL;
	config->nr_peers = 0;
}

int hcd_config_parse(const char *text, size_t len, const char *name,
		     struct hcd_config *ret_config, char error[HCD_ERROR_LEN])
{
	struct hcd_config config = {
		.node = { .port = HCD_PORT, .conns = HCD_CONNS, .log_entries = HCD_LOG_ENTRIES,
			  .psk_file = HCD_PSK_PATH },
		.swap = { .encrypt = true },
		.env = { .network = HCD_ENV_NETWORK },
	};
	struct parser p = { .config = &config };
	_cleanup_free_ char *copy = NULL;
	char host[HC_NAME_LEN + 1];
	int line;

	line = check_lines(text, len, p.reason, sizeof(p.reason));
	if (line == 0) {
		copy = strndup(text, len);
		if (!copy)
			return -ENOMEM;
		p.text = copy;
		line = ini_parse_stream(next_line, &p, on_key, &p);
		/* A line that is no key was seen before the first wrong key. */
		if (line > 0 && (!p.reason[0] || line < p.reason_line))
			snprintf(p.reason, sizeof(p.reason), "neither '[section]' nor 'key = value'");
	}
	free(p.seen_peer);
	p.line = 0;
	if (line == 0)
		check_whole(&p);
	if (line != 0 || p.reason[0]) {
		if (line > 0)
			snprintf(error, HCD_ERROR_LEN, "%s:%d: %s.", name, line, p.reason);
		else
			snprintf(error, HCD_ERROR_LEN, "%s: %s.", name,
				 p.reason[0] ? p.reason : "memory is short");
		hcd_config_free(&config);
		return p.no_memory || line < 0 ? -ENOMEM : -EINVAL;
	}
	if (!config.node.name[0]) {
		if (gethostname(host, sizeof(host)) == 0 && memchr(host, '\0', sizeof(host)) &&
		    hcd_text_is_name(host))
			snprintf(config.node.name, sizeof(config.node.name), "%s", host);
		else
			snprintf(config.node.name, sizeof(config.node.name), "node%u",
				 config.node.id);
	}
	*ret_config = config;
	return 0;
}

/* A whole file of at most @max bytes; one byte more is read, to notice longer ones. */
static int read_all(int fd, size_t max, char **ret_text, size_t *ret_len)
{
	_cleanup_free_ char *text = malloc(max + 1);
	size_t len = 0;
	ssize_t n;

	if (!text)
		return -ENOMEM;
	while (len <= max && (n = read(fd, text + len, max + 1 - len)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		len += n;
	}
	if (len > max)
		return -EFBIG;
	*ret_text = text;
	text = NULL;
	*ret_len = len;
	return 0;
}

int hcd_config_load(const char *path, struct hcd_config *ret_config, char error[HCD_ERROR_LEN])
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r;

	r = fd < 0 ? -errno : read_all(fd, HCD_CONFIG_SIZE_MAX, &text, &len);
	if (r < 0) {
		snprintf(error, HCD_ERROR_LEN,
			 "The configuration %s can't be read: %s. hyperchain.conf(5) says what belongs there.",
			 path, strerror(-r));
		return r;
	}
	return hcd_config_parse(text, len, path, ret_config, error);
}

static int refuse_psk(char error[HCD_ERROR_LEN], const char *path, int r, const char *why)
{
	snprintf(error, HCD_ERROR_LEN,
		 "The key file %s is refused: %s. Make one with 'head -c 32 /dev/urandom > %s; chmod 600 %s' and copy it to each node.",
		 path, why, path, path);
	return r;
}

int hcd_psk_load(const char *path, struct hcd_psk *ret_psk, char error[HCD_ERROR_LEN])
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	_cleanup_free_ char *text = NULL;
	bool seen[256] = { false };
	unsigned int distinct = 0;
	struct stat st;
	size_t len;
	int r;

	if (fd < 0)
		return refuse_psk(error, path, -errno,
				  errno == ELOOP ? "it is a symbolic link" : strerror(errno));
	if (fstat(fd, &st) < 0)
		return refuse_psk(error, path, -errno, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return refuse_psk(error, path, -EINVAL, "it is no regular file");
	if (st.st_uid != 0)
		return refuse_psk(error, path, -EPERM, "it does not belong to root");
	if (st.st_mode & 0177)
		return refuse_psk(error, path, -EPERM,
				  "others than root may use it (its mode must be 0600)");
	r = read_all(fd, HCD_PSK_MAX, &text, &len);
	if (r < 0)
		return refuse_psk(error, path, r,
				  r == -EFBIG ? "it is longer than 4096 bytes" : strerror(-r));
	if (len < HCD_PSK_MIN) {
		explicit_bzero(text, len);
		return refuse_psk(error, path, -EINVAL, "it is shorter than 32 bytes");
	}
	for (size_t i = 0; i < len; i++) {
		distinct += !seen[(unsigned char)text[i]];
		seen[(unsigned char)text[i]] = true;
	}
	if (distinct < 8) {
		explicit_bzero(text, len);
		return refuse_psk(error, path, -EINVAL,
				  "it is made of fewer than 8 different bytes, which is not random");
	}
	ret_psk->len = len;
	memcpy(ret_psk->bytes, text, len);
	explicit_bzero(text, len);
	return 0;
}
