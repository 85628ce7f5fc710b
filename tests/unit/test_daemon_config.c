// SPDX-License-Identifier: GPL-2.0-or-later
/* daemon/node/config: what is accepted, and the line and reason of what is not. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/node/config.h"
#include "unit.h"

static char error[HCD_ERROR_LEN];

static int parse(const char *text, struct hcd_config *ret)
{
	error[0] = '\0';
	return hcd_config_parse(text, strlen(text), "conf", ret, error);
}

START_TEST(whole_example)
{
	static const char text[] =
		"# a comment\n"
		"[node]\nid = 1\nname = alpha\naddress = 10.77.0.1\nport = 7702\n"
		"donate = 4GiB\nreserve=512M ; inline\nconns = 4\npsk_file = /k\n\n"
		"[peer \"3\"]\naddress = fd00::3\nname = gamma\n"
		"[peer.2]\naddress = 10.77.0.2\nport = 99\n"
		"[swap]\nsize = 8G\nbacking = /dev/vdb\nencrypt = no\nauto = yes\n";
	struct hcd_config c;

	ck_assert_msg(parse(text, &c) == 0, "%s", error);
	ck_assert_uint_eq(c.node.id, 1);
	ck_assert_str_eq(c.node.name, "alpha");
	ck_assert_str_eq(c.node.address, "10.77.0.1");
	ck_assert_uint_eq(c.node.port, 7702);
	ck_assert(c.node.has_donate && c.node.donate == 4ULL << 30);
	ck_assert(c.node.has_reserve && c.node.reserve == 512ULL << 20);
	ck_assert_uint_eq(c.node.conns, 4);
	ck_assert_str_eq(c.node.psk_file, "/k");
	ck_assert_uint_eq(c.nr_peers, 2);
	ck_assert_uint_eq(c.peers[0].id, 2);
	ck_assert_str_eq(c.peers[0].name, "node2");
	ck_assert_uint_eq(c.peers[0].port, 99);
	ck_assert_uint_eq(c.peers[1].id, 3);
	ck_assert_str_eq(c.peers[1].address, "fd00::3");
	ck_assert_uint_eq(c.peers[1].port, 7701);
	ck_assert(c.swap.is_auto && !c.swap.encrypt && c.swap.size == 8ULL << 30);
	ck_assert_str_eq(c.swap.backing, "/dev/vdb");
	hcd_config_free(&c);
}
END_TEST

START_TEST(defaults)
{
	struct hcd_config c;

	ck_assert_int_eq(parse("[node]\nid=7\n", &c), 0);
	ck_assert_uint_eq(c.node.port, 7701);
	ck_assert_uint_eq(c.node.conns, 2);
	ck_assert(c.node.name[0] != '\0');
	ck_assert(!c.node.has_donate && !c.node.has_reserve && !c.swap.is_auto && c.swap.encrypt);
	ck_assert_str_eq(c.node.psk_file, "/etc/hyperchain/psk");
	hcd_config_free(&c);
}
END_TEST

/* Each is wrong in one way; the sentence must name the line and the reason. */
static const struct {
	const char *text, *wanted;
} wrong[] = {
	{ "[node]\naddress = 10.0.0.1\n[peer.2]\naddress = 10.0.0.2\n", "no 'id'" },
	{ "id = 1\n", "conf:1: 'id' stands before the first section" },
	{ "[node]\nid = 0\n", "conf:2: a node's id is a number from 1" },
	{ "[node]\nid = 2147483648\n", "conf:2: a node's id" },
	{ "[node]\nid = -1\n", "conf:2: a node's id" },
	{ "[node]\nid = 1x\n", "conf:2: a node's id" },
	{ "[node]\nid = 1\nid = 2\n", "conf:3: 'id' is set twice" },
	{ "[node]\nid = 1\ncolour = red\n", "conf:3: there is no key 'colour' in [node]" },
	{ "[nodes]\nid = 1\n", "conf:2: there is no section [nodes]" },
	{ "[node]\nid = 1\nname = a b\n", "conf:3: a name has" },
	{ "[node]\nid = 1\nname = -a\n", "conf:3: a name has" },
	{ "[node]\nid = 1\naddress = host.example\n", "conf:3: 'host.example' is no IP address" },
	{ "[node]\nid = 1\naddress = 0.0.0.0\n", "conf:3: '0.0.0.0' is no IP address" },
	{ "[node]\nid = 1\naddress = 224.0.0.1\n", "conf:3: " },
	{ "[node]\nid = 1\nport = 65536\n", "conf:3: a port" },
	{ "[node]\nid = 1\nconns = 9\n", "conf:3: conns is a number from 1 to 8" },
	{ "[node]\nid = 1\ndonate = 4X\n", "conf:3: '4X' is no size" },
	{ "[node]\nid = 1\ndonate = 99999999T\n", "conf:3: '99999999T' is no size" },
	{ "[node]\nid = 1\npsk_file = psk\n", "conf:3: 'psk' is no absolute path" },
	{ "[node]\nid = 1\nalert_command = mail x\n",
	  "conf:3: 'mail x' is no absolute path" },
	{ "[node]\nid = 1\nword\n", "conf:3: neither '[section]' nor 'key = value'" },
	{ "[node\nid = 1\n", "conf:1: neither" },
	{ "[node]\nid = 1\n[peer.2]\naddress = 10.0.0.2\n", "[node] has no 'address'" },
	{ "[node]\nid = 1\naddress = 10.0.0.1\n[peer.1]\naddress = 10.0.0.2\n",
	  "[peer.1] is this node itself" },
	{ "[node]\nid = 1\naddress = 10.0.0.1\n[peer.2]\nname = b\n", "[peer.2] has no 'address'" },
	{ "[node]\nid = 1\naddress = 10.0.0.1\n[peer.2]\naddress = 10.0.0.1\n",
	  "address and port of this node" },
	{ "[node]\nid = 1\naddress = 10.0.0.1\n[peer.x]\naddress = 10.0.0.2\n",
	  "conf:5: a node's id" },
	{ "[node]\nid = 1\naddress = 10.0.0.1\n[peer.2]\naddress = 10.0.0.2\n[peer \"2\"]\naddress = 10.0.0.3\n",
	  "conf:7: 'address' is set twice" },
	{ "[node]\nid = 1\n[swap]\nauto = yes\n", "no 'size'" },
	{ "[node]\nid = 1\n[swap]\nauto = maybe\n", "conf:4: 'yes' or 'no'" },
	{ "[node]\nid = 1\n[swap]\nsize = 4096\n", "conf:4: 4096 is out of range" },
};

START_TEST(refused)
{
	struct hcd_config c = { 0 };

	ck_assert_int_eq(parse(wrong[_i].text, &c), -EINVAL);
	ck_assert_msg(strstr(error, wrong[_i].wanted), "\"%s\" is not in \"%s\"", wrong[_i].wanted,
		      error);
	ck_assert_ptr_null(c.peers);
}
END_TEST

/* What the parser below would do silently. */
START_TEST(long_line_and_nul)
{
	char text[400] = "[node]\nid = 1\nname = ";
	struct hcd_config c;

	memset(text + strlen(text), 'a', 300);
	ck_assert_int_eq(parse(text, &c), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error, "conf:3: the line is longer than"));
	ck_assert_int_eq(hcd_config_parse("[node]\nid\0=1\n", 13, "conf", &c, error), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error, "conf:2: a NUL byte"));
}
END_TEST

START_TEST(garbage)
{
	static const char *const words[] = {
		"[node]", "[peer.2]", "[peer \"", "[swap]", "id", "address", "=", "1", "10.0.0.1",
		"\n", "\n", " ", ";", "#", "]", "\t", "\xef\xbb\xbf", "yes", "size", "4G", "\r",
	};
	uint64_t seed = unit_seed() | 1, state = seed, ops = unit_ops(20000);
	struct hcd_config c;
	char text[512];
	int r;

	printf("seed %#llx\n", (unsigned long long)seed);
	for (uint64_t i = 0; i < ops; i++) {
		text[0] = '\0';
		for (uint32_t n = unit_below(&state, 40); n; n--)
			strcat(text, words[unit_below(&state, sizeof(words) / sizeof(words[0]))]);
		r = parse(text, &c);
		ck_assert(r == 0 || (r == -EINVAL && strncmp(error, "conf:", 5) == 0));
		if (r == 0)
			hcd_config_free(&c);
	}
}
END_TEST

START_TEST(sizes)
{
	uint64_t n = 0;

	ck_assert(hcd_size_parse("0", &n) == 0 && n == 0);
	ck_assert(hcd_size_parse("10K", &n) == 0 && n == 10240);
	ck_assert(hcd_size_parse("3MiB", &n) == 0 && n == 3 << 20);
	ck_assert(hcd_size_parse("64T", &n) == 0 && n == 1ULL << 46);
	ck_assert_int_eq(hcd_size_parse("65T", &n), -ERANGE);
	ck_assert_int_eq(hcd_size_parse("99999999999999999999", &n), -ERANGE);
	ck_assert_int_eq(hcd_size_parse("", &n), -EINVAL);
	ck_assert_int_eq(hcd_size_parse("-1", &n), -EINVAL);
	ck_assert_int_eq(hcd_size_parse("1.5G", &n), -EINVAL);
	ck_assert_int_eq(hcd_size_parse("1GB", &n), -EINVAL);
	ck_assert_uint_eq(n, 1ULL << 46);
}
END_TEST

/* ---- the key file ----------------------------------------------------------- */

static char dir[] = "/tmp/hcd-psk-XXXXXX";
static char path[64];

static void make_dir(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/psk", dir);
}

static void drop_dir(void)
{
	unlink(path);
	rmdir(dir);
}

static void put_key(size_t len, mode_t mode, int step)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ge(fd, 0);
	for (size_t i = 0; i < len; i++) {
		uint8_t byte = (uint8_t)(i * (size_t)step);

		ck_assert_int_eq(write(fd, &byte, 1), 1);
	}
	ck_assert_int_eq(fchmod(fd, mode), 0);
	close(fd);
}

static void refuse_key(int r, const char *wanted)
{
	struct hcd_psk psk = { .len = 1 };

	ck_assert_int_eq(hcd_psk_load(path, &psk, error), r);
	ck_assert_msg(strstr(error, wanted), "\"%s\" is not in \"%s\"", wanted, error);
	ck_assert_uint_eq(psk.len, 1);
}

START_TEST(key_file)
{
	struct hcd_psk psk;

	refuse_key(-ENOENT, "No such file");
	put_key(31, 0600, 3);
	refuse_key(-EINVAL, "shorter than 32");
	put_key(4097, 0600, 3);
	refuse_key(-EFBIG, "longer than 4096");
	put_key(32, 0640, 3);
	refuse_key(-EPERM, "0600");
	put_key(32, 0604, 3);
	refuse_key(-EPERM, "0600");
	put_key(32, 0600, 0);
	refuse_key(-EINVAL, "not random");
	if (geteuid() == 0) {
		put_key(32, 0600, 3);
		ck_assert_int_eq(chown(path, 1000, 0), 0);
		refuse_key(-EPERM, "not belong to root");
		ck_assert_int_eq(chown(path, 0, 0), 0);
		ck_assert_int_eq(hcd_psk_load(path, &psk, error), 0);
		ck_assert_uint_eq(psk.len, 32);
		ck_assert_uint_eq(psk.bytes[1], 3);
	}
	unlink(path);
	ck_assert_int_eq(symlink("/dev/zero", path), 0);
	refuse_key(-ELOOP, "symbolic link");
	unlink(path);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	refuse_key(-EINVAL, "no regular file");
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("daemon_config");
	TCase *tc = tcase_create("config"), *key = tcase_create("key");

	tcase_add_test(tc, whole_example);
	tcase_add_test(tc, defaults);
	tcase_add_loop_test(tc, refused, 0, sizeof(wrong) / sizeof(wrong[0]));
	tcase_add_test(tc, long_line_and_nul);
	tcase_add_test(tc, garbage);
	tcase_add_test(tc, sizes);
	suite_add_tcase(suite, tc);
	tcase_add_checked_fixture(key, make_dir, drop_dir);
	tcase_add_test(key, key_file);
	suite_add_tcase(suite, key);
	return suite;
}
