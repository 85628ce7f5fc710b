// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The netlink library against a scripted kernel: a thread at the other end of a
 * socket pair that answers each message with prepared ones. What a real module
 * answers is tested in the guests.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <sys/socket.h>

#include "sock.h"
#include "unit.h"

#define FAMILY	0x21
#define STEPS	16

enum what { REPLY, DONE, ACK, ERROR, EVENT };

struct step {
	enum what what;
	uint8_t cmd;
	const struct hcnl_field *fields;
	const void *obj;
	int err;
	const char *text;
	uint32_t offs;		/* of the blamed attribute in the request, 0 = none */
	uint32_t missing;	/* attribute that was missing, 0 = none */
	uint16_t flags;
	bool foreign;		/* another sequence number */
	bool is_last;		/* of this message's answer: then wait for the next message */
};

static struct kernel {
	int fd;
	const struct step *steps;
	size_t n;
	char seen[STEPS][8192];	/* messages as they came */
	size_t nr_seen;
} k;

static void put_ext(struct nl_msg *m, const struct step *s)
{
	if (s->text)
		nla_put_string(m, 1, s->text);
	if (s->offs)
		nla_put_u32(m, 2, s->offs);
	if (s->missing)
		nla_put_u32(m, 5, s->missing);
}

static void answer(const struct step *s, const struct nlmsghdr *to)
{
	uint32_t seq = to->nlmsg_seq + (s->foreign ? 1000 : 0);
	struct nl_msg *m = nlmsg_alloc_size(65536);
	struct nlmsgerr *e;
	int *code;

	if (s->what == ACK || s->what == ERROR) {
		nlmsg_put(m, 0, seq, NLMSG_ERROR, 0,
			  NLM_F_CAPPED | (s->what == ERROR ? NLM_F_ACK_TLVS : 0));
		e = nlmsg_reserve(m, sizeof(*e), NLMSG_ALIGNTO);
		e->error = s->what == ACK ? 0 : s->err;
		e->msg = *to;
		put_ext(m, s);
	} else if (s->what == DONE) {
		nlmsg_put(m, 0, seq, NLMSG_DONE, 0, NLM_F_MULTI | (s->text ? NLM_F_ACK_TLVS : 0));
		code = nlmsg_reserve(m, sizeof(*code), NLMSG_ALIGNTO);
		*code = s->err;
		put_ext(m, s);
	} else {
		genlmsg_put(m, 0, s->what == EVENT ? 0 : seq, FAMILY, 0, s->flags, s->cmd, 1);
		if (s->fields)
			hcnl_encode(s->fields, s->obj, m);
		else if (s->text) {
			nla_put_u64(m, HC_A_REQ_COOKIE, 0x1234567890ULL);
			nla_put(m, HC_A_REQ_PAYLOAD, strlen(s->text), s->text);
			nla_put_u8(m, HC_A_REQ_ADMIN, 1);
			nla_put_u32(m, HC_A_REQ_PID, 4711);
		} else if (s->err) {
			nla_put_u32(m, HC_A_REQ_ERROR, s->err);
		}
	}
	if (send(k.fd, nlmsg_hdr(m), nlmsg_hdr(m)->nlmsg_len, 0) < 0)
		abort();
	nlmsg_free(m);
}

static void *kernel_run(void *arg)
{
	size_t i = 0;

	while (i < k.n) {
		char *buf = k.seen[k.nr_seen];
		ssize_t n = recv(k.fd, buf, sizeof(k.seen[0]), 0);

		if (n <= 0)
			break;
		k.nr_seen++;
		do
			answer(&k.steps[i], (struct nlmsghdr *)buf);
		while (!k.steps[i++].is_last);
	}
	return arg;
}

static pthread_t thread;

static struct hcnl *kernel_start(const struct step *steps, size_t n)
{
	struct hcnl *h = NULL;
	int fd[2];

	memset(&k, 0, sizeof(k));
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd), 0);
	k.fd = fd[1];
	k.steps = steps;
	k.n = n;
	ck_assert_int_eq(hcnl_open_fd(fd[0], FAMILY, &h), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, kernel_run, NULL), 0);
	return h;
}
#define START(steps) kernel_start(steps, sizeof(steps) / sizeof((steps)[0]))

static void kernel_stop(struct hcnl *h)
{
	hcnl_close(h);
	pthread_join(thread, NULL);
	close(k.fd);
}

static struct nlmsghdr *seen(size_t i)
{
	ck_assert_uint_lt(i, k.nr_seen);
	return (struct nlmsghdr *)k.seen[i];
}

static struct nlattr *seen_attr(size_t i, int attr)
{
	return nlmsg_find_attr(seen(i), GENL_HDRLEN, attr);
}

static uint8_t seen_cmd(size_t i)
{
	return ((struct genlmsghdr *)nlmsg_data(seen(i)))->cmd;
}

/* ---- tables --------------------------------------------------------------- */

static const struct set {
	const char *name;
	const struct hcnl_field *fields;
	size_t size;
	unsigned int last;
} sets[] = {
	{ "node", hcnl_node_fields, sizeof(struct hcnl_node), HC_A_NODE_MAX },
	{ "peer", hcnl_peer_fields, sizeof(struct hcnl_peer), HC_A_PEER_MAX },
	{ "pool", hcnl_pool_fields, sizeof(struct hcnl_pool), HC_A_POOL_MAX },
	{ "lease", hcnl_lease_fields, sizeof(struct hcnl_lease), HC_A_LEASE_MAX },
	{ "backing", hcnl_backing_fields, 0, HC_A_BACKING_MAX },
	{ "disk", hcnl_disk_fields, sizeof(struct hcnl_disk), HC_A_DISK_MAX },
	{ "env", hcnl_env_fields, sizeof(struct hcnl_env), HC_A_ENV_MAX },
	{ "req", hcnl_req_fields, 0, HC_A_REQ_MAX },
	{ "event", hcnl_event_fields, sizeof(struct hcnl_event), HC_A_EV_MAX },
};
#define NR_SETS ((int)(sizeof(sets) / sizeof(sets[0])))

static void fill(const struct hcnl_field *f, char *obj, uint64_t *state)
{
	for (; f->attr_name; f++) {
		char *at = obj + f->off;
		size_t n;

		switch (f->kind) {
		case HCNL_U8:
			*(uint8_t *)at = 1 + unit_below(state, 255);
			break;
		case HCNL_BOOL:
			*(uint8_t *)at = 1;
			break;
		case HCNL_U32:
			*(uint32_t *)at = unit_random(state) | 1;
			break;
		case HCNL_U64:
			*(uint64_t *)at = unit_random(state) | 1;
			break;
		case HCNL_STRING:
			n = 1 + unit_below(state, f->size - 1);
			memset(at, 'a' + unit_below(state, 26), n);
			break;
		case HCNL_U32_NEST:
		case HCNL_U64_MULTI:
			n = 1 + unit_below(state, f->size);
			*(size_t *)(obj + f->off_n) = n;
			for (size_t i = 0; i < n; i++)
				if (f->kind == HCNL_U32_NEST)
					((uint32_t *)at)[i] = unit_random(state);
				else
					((uint64_t *)at)[i] = unit_random(state);
		}
	}
}

/* Every attribute of the contract has a name, a number below the last, and only one entry. */
START_TEST(tables_are_whole)
{
	unsigned int seen_attrs[64] = { 0 };
	const struct hcnl_field *f;

	for (f = sets[_i].fields; f->attr_name; f++) {
		ck_assert_msg(f->attr > 0 && f->attr <= sets[_i].last, "%s", f->attr_name);
		ck_assert_msg(!seen_attrs[f->attr]++, "%s twice", f->attr_name);
		ck_assert_uint_lt(f->off, sets[_i].size ? sets[_i].size : 1);
	}
	for (unsigned int a = 1; a <= sets[_i].last; a++)
		/* the second attribute is the padding, but for backing */
		ck_assert_msg(seen_attrs[a] || (a == 1 && strcmp(sets[_i].name, "backing")),
			      "%s: attribute %u is missing", sets[_i].name, a);
}
END_TEST

START_TEST(tables_round_trip)
{
	uint64_t seed = unit_seed(), state = seed;
	const struct set *s = &sets[_i];

	for (uint64_t i = 0; i < unit_ops(300) && s->size; i++) {
		char *a = calloc(1, s->size), *b = calloc(1, s->size);
		struct nl_msg *m = nlmsg_alloc_size(65536);

		nlmsg_put(m, 0, 0, FAMILY, 0, 0);
		fill(s->fields, a, &state);
		ck_assert_int_eq(hcnl_encode(s->fields, a, m), 0);
		ck_assert_int_eq(hcnl_decode(s->fields, nlmsg_attrdata(nlmsg_hdr(m), 0),
					     nlmsg_attrlen(nlmsg_hdr(m), 0), b), 0);
		ck_assert_msg(!memcmp(a, b, s->size), "%s; HC_SEED=%llu", s->name,
			      (unsigned long long)seed);
		nlmsg_free(m);
		free(a);
		free(b);
	}
}
END_TEST

/* An attribute of another width than its type's is refused, whichever it is. */
START_TEST(tables_refuse_wrong_widths)
{
	static const char bytes[8] = { 0 };
	const struct hcnl_field *f;

	for (f = sets[_i].fields; f->attr_name; f++)
		for (int len = 0; len <= 8 && f->kind != HCNL_NONE; len++) {
			char *obj = calloc(1, sets[_i].size);
			struct nl_msg *m = nlmsg_alloc_size(256);
			int want = f->kind <= HCNL_BOOL ? 1 : f->kind == HCNL_U32 ? 4 : 8, r;

			nlmsg_put(m, 0, 0, FAMILY, 0, 0);
			nla_put(m, f->attr, len, bytes);
			r = hcnl_decode(sets[_i].fields, nlmsg_attrdata(nlmsg_hdr(m), 0),
					nlmsg_attrlen(nlmsg_hdr(m), 0), obj);
			if (f->kind != HCNL_STRING && f->kind != HCNL_U32_NEST)
				ck_assert_msg(r == (len == want ? 0 : -EBADMSG), "%s with %d bytes: %d",
					      f->attr_name, len, r);
			nlmsg_free(m);
			free(obj);
		}
}
END_TEST

/* Bytes flipped and cut: -EBADMSG or 0, and no reading or writing beyond (the sanitizer says). */
START_TEST(tables_survive_garbage)
{
	uint64_t state = unit_seed() | 1;
	const struct set *s = &sets[_i];

	for (uint64_t i = 0; i < unit_ops(2000) && s->size; i++) {
		char *a = calloc(1, s->size), *cut;
		struct nl_msg *m = nlmsg_alloc_size(65536);
		int len, r;

		nlmsg_put(m, 0, 0, FAMILY, 0, 0);
		fill(s->fields, a, &state);
		hcnl_encode(s->fields, a, m);
		len = unit_below(&state, nlmsg_attrlen(nlmsg_hdr(m), 0) + 1);
		cut = malloc(len + 1);
		memcpy(cut, nlmsg_attrdata(nlmsg_hdr(m), 0), len);
		for (int flips = unit_below(&state, 8); flips && len; flips--)
			cut[unit_below(&state, len)] = unit_random(&state);
		memset(a, 0, s->size);
		r = hcnl_decode(s->fields, (struct nlattr *)cut, len, a);
		ck_assert(r == 0 || r == -EBADMSG);
		nlmsg_free(m);
		free(cut);
		free(a);
	}
}
END_TEST

/* ---- calls ---------------------------------------------------------------- */

START_TEST(get_fills_the_struct)
{
	static const struct hcnl_node node = { .id = 3, .name = "n3", .mem_total = 1ULL << 40 };
	static const struct step steps[] = {
		{ .what = REPLY, .cmd = HC_CMD_NODE_GET, .fields = hcnl_node_fields, .obj = &node },
		{ .what = ACK, .is_last = true },
	};
	struct hcnl *h = START(steps);
	struct hcnl_node got;

	ck_assert_int_eq(hcnl_node_get(h, &got), 0);
	ck_assert(!memcmp(&got, &node, sizeof(node)));
	ck_assert_str_eq(hcnl_error(h), "");
	ck_assert_int_eq(seen_cmd(0), HC_CMD_NODE_GET);
	kernel_stop(h);
}
END_TEST

START_TEST(get_without_an_answer_fails)
{
	static const struct step steps[] = { { .what = ACK, .is_last = true } };
	struct hcnl *h = START(steps);
	struct hcnl_pool pool = { .limit = 77 };

	ck_assert_int_eq(hcnl_pool_get(h, &pool), -EBADMSG);
	ck_assert_uint_eq(pool.limit, 77);
	kernel_stop(h);
}
END_TEST

START_TEST(dump_is_sorted_and_asked_again)
{
	static const struct hcnl_peer p1 = { .id = 1 }, p2 = { .id = 2, .used = 9 };
	static const struct hcnl_peer p3 = { .id = 3 };
	static const struct step steps[] = {
		{ .what = REPLY, .cmd = HC_CMD_PEER_GET, .fields = hcnl_peer_fields, .obj = &p3,
		  .flags = NLM_F_MULTI | NLM_F_DUMP_INTR },
		{ .what = DONE, .is_last = true },
		{ .what = REPLY, .cmd = HC_CMD_PEER_GET, .fields = hcnl_peer_fields, .obj = &p3 },
		{ .what = REPLY, .cmd = HC_CMD_PEER_GET, .fields = hcnl_peer_fields, .obj = &p1 },
		{ .what = REPLY, .cmd = HC_CMD_PEER_GET, .fields = hcnl_peer_fields, .obj = &p2 },
		{ .what = DONE, .is_last = true },
	};
	struct hcnl *h = START(steps);
	struct hcnl_peer *peers;
	size_t n;

	ck_assert_int_eq(hcnl_peer_list(h, &peers, &n), 0);
	ck_assert_uint_eq(n, 3);
	for (size_t i = 0; i < n; i++)
		ck_assert_uint_eq(peers[i].id, i + 1);
	ck_assert_uint_eq(peers[1].used, 9);
	ck_assert_uint_eq(k.nr_seen, 2);
	free(peers);
	kernel_stop(h);
}
END_TEST

START_TEST(empty_dump_is_no_error)
{
	static const struct step steps[] = { { .what = DONE, .is_last = true } };
	struct hcnl *h = START(steps);
	struct hcnl_env *envs = (void *)1;
	size_t n = 7;

	ck_assert_int_eq(hcnl_env_list(h, &envs, &n), 0);
	ck_assert_uint_eq(n, 0);
	ck_assert_ptr_null(envs);
	kernel_stop(h);
}
END_TEST

START_TEST(refusals_are_explained)
{
	static const struct step steps[] = {
		/* the first attribute of PEER_DEL is the id: behind both headers */
		{ .what = ERROR, .err = -EBUSY, .text = "it holds the only copy of 12 pages",
		  .offs = NLMSG_HDRLEN + GENL_HDRLEN, .is_last = true },
		{ .what = ERROR, .err = -EINVAL, .text = "Attribute required",
		  .missing = HC_A_PEER_CONN, .is_last = true },
		{ .what = ERROR, .err = -EPERM, .is_last = true },
		{ .what = ERROR, .err = -EIO, .is_last = true },
		{ .what = DONE, .err = -ENOMEM, .text = "No memory for the dump.", .is_last = true },
	};
	struct hcnl *h = START(steps);
	struct hcnl_peer_add add = { .id = 2, .fd = 0, .conn = 0, .name = "x" };
	struct hcnl_lease *leases = NULL;
	size_t n;

	ck_assert_int_eq(hcnl_peer_del(h, 2, true), -EBUSY);
	ck_assert_str_eq(hcnl_error(h), "It holds the only copy of 12 pages (HC_A_PEER_ID).");
	ck_assert_ptr_nonnull(seen_attr(0, HC_A_PEER_FORCE));
	ck_assert_int_eq(hcnl_peer_add(h, &add), -EINVAL);
	ck_assert_str_eq(hcnl_error(h), "Attribute required (missing HC_A_PEER_CONN).");
	ck_assert_int_eq(hcnl_disk_del(h), -EPERM);
	ck_assert(strstr(hcnl_error(h), "run it as root"));
	ck_assert_int_eq(hcnl_disk_del(h), -EIO);
	ck_assert_str_eq(hcnl_error(h), "Input/output error.");
	ck_assert_int_eq(hcnl_lease_list(h, &leases, &n), -ENOMEM);
	ck_assert_str_eq(hcnl_error(h), "No memory for the dump.");
	kernel_stop(h);
}
END_TEST

START_TEST(env_set_says_what_changes)
{
	static const struct step steps[] = {
		{ .what = ACK, .is_last = true }, { .what = ACK, .is_last = true },
	};
	static const uint32_t donors[] = { 2, 3 };
	struct hcnl_env_set set = {
		.id = 5, .name = "A", .set_donors = true, .donors = donors, .nr_donors = 2,
	};
	struct hcnl *h = START(steps);
	struct nlattr *nest;

	ck_assert_int_eq(hcnl_env_add(h, &set), 0);
	ck_assert_int_eq(seen_cmd(0), HC_CMD_ENV_ADD);
	nest = seen_attr(0, HC_A_ENV_DONORS);
	ck_assert_ptr_nonnull(nest);
	ck_assert_int_eq(nla_len(nest), 16);
	ck_assert_ptr_null(seen_attr(0, HC_A_ENV_QUOTA));
	set.nr_donors = 0;
	set.set_quota = true;
	ck_assert_int_eq(hcnl_env_set(h, &set), 0);
	nest = seen_attr(1, HC_A_ENV_DONORS);
	ck_assert_msg(nest && !nla_len(nest), "an empty list must travel too");
	ck_assert_ptr_nonnull(seen_attr(1, HC_A_ENV_QUOTA));
	set.nr_donors = HC_ENV_DONORS_MAX + 1;
	ck_assert_int_eq(hcnl_env_set(h, &set), -E2BIG);
	kernel_stop(h);
}
END_TEST

/* ---- relay and events ----------------------------------------------------- */

static struct hcnl_request got_req;
static char got_payload[64];
static int got_n;

static void on_request(struct hcnl *h, const struct hcnl_request *req, void *ctx)
{
	ck_assert_ptr_eq(ctx, &got_n);
	got_req = *req;
	snprintf(got_payload, sizeof(got_payload), "%.*s", (int)req->len, (const char *)req->payload);
	got_n++;
	ck_assert_int_eq(hcnl_answer(h, req->cookie, "{}", 2, 0), 0);
}

START_TEST(request_is_answered)
{
	static const struct step steps[] = {
		{ .what = REPLY, .cmd = HC_CMD_ANSWER, .text = "{\"ok\":false}", .foreign = true },
		{ .what = REPLY, .cmd = HC_CMD_ANSWER, .text = "{\"ok\":true}", .is_last = true },
		{ .what = ERROR, .err = -ENOTCONN, .is_last = true },
		{ .what = REPLY, .cmd = HC_CMD_ANSWER, .err = ETIMEDOUT, .is_last = true },
	};
	struct hcnl *h = START(steps);
	char *answer = NULL;
	size_t len;

	ck_assert_int_eq(hcnl_request(h, "{}", 2, &answer, &len, 5000), 0);
	ck_assert_str_eq(answer, "{\"ok\":true}");
	ck_assert_uint_eq(len, strlen(answer));
	free(answer);
	ck_assert_int_eq(hcnl_request(h, "{}", 2, &answer, &len, 5000), -ENOTCONN);
	ck_assert(strstr(hcnl_error(h), "systemctl start hyperchaind"));
	ck_assert_int_eq(hcnl_request(h, "{}", 2, &answer, &len, 5000), -ETIMEDOUT);
	ck_assert_int_eq(hcnl_request(h, "", 0, &answer, &len, 5000), -EMSGSIZE);
	ck_assert_int_eq(hcnl_request(h, "", HC_REQUEST_LEN + 1, &answer, &len, 5000), -EMSGSIZE);
	kernel_stop(h);
}
END_TEST

START_TEST(request_has_a_deadline)
{
	static const struct step steps[] = {
		{ .what = REPLY, .cmd = HC_CMD_ANSWER, .text = "late", .foreign = true, .is_last = true },
	};
	struct hcnl *h = START(steps);
	char *answer;
	size_t len;

	ck_assert_int_eq(hcnl_request(h, "{}", 2, &answer, &len, 200), -ETIMEDOUT);
	kernel_stop(h);
}
END_TEST

/* Requests that arrive in the middle of a call are kept, and answered from the callback. */
START_TEST(daemon_loses_no_request)
{
	static const struct step steps[] = {
		{ .what = REPLY, .cmd = HC_CMD_REQUEST, .text = "one", .foreign = true },
		{ .what = REPLY, .cmd = HC_CMD_REQUEST, .text = "two", .foreign = true },
		{ .what = ACK, .is_last = true },
		{ .what = ACK, .is_last = true },
		{ .what = REPLY, .cmd = HC_CMD_REQUEST, .text = "three", .foreign = true },
		{ .what = ACK, .is_last = true },
		{ .what = ACK, .is_last = true },
	};
	struct hcnl_callbacks cb = { .request = on_request, .ctx = &got_n };
	struct hcnl *h = START(steps);

	got_n = 0;
	ck_assert_int_eq(hcnl_daemon_register(h), 0);
	ck_assert(hcnl_pending(h));
	ck_assert_int_eq(hcnl_dispatch(h, &cb), 3);
	ck_assert(!hcnl_pending(h));
	ck_assert_str_eq(got_payload, "three");
	ck_assert(got_req.cookie == 0x1234567890ULL && got_req.is_admin && got_req.pid == 4711);
	ck_assert_int_eq(hcnl_dispatch(h, &cb), 0);
	ck_assert_int_eq(seen_cmd(1), HC_CMD_ANSWER);
	ck_assert_uint_eq(nla_get_u64(seen_attr(1, HC_A_REQ_COOKIE)), 0x1234567890ULL);
	kernel_stop(h);
}
END_TEST

START_TEST(events_are_read)
{
	static const struct hcnl_event ev = {
		.kind = HC_EV_PEER_LOST, .seq = 4, .time_ns = 5, .peer = 2, .text = "Node 2 is lost.",
	};
	static const struct step steps[] = {
		{ .what = EVENT, .cmd = HC_CMD_NODE_GET, .fields = hcnl_event_fields, .obj = &ev },
		{ .what = EVENT, .cmd = HC_CMD_EVENT, .fields = hcnl_event_fields, .obj = &ev },
		{ .what = ACK, .is_last = true },
	};
	struct hcnl *h = START(steps);
	struct hcnl_event got;
	struct nl_msg *m = hcnl_msg(h, HC_CMD_NODE_GET, 0, 64);

	ck_assert_int_eq(hcnl_event_next(h, &got, 0), -EAGAIN);
	ck_assert_int_eq(hcnl_send(h, m), 0);
	nlmsg_free(m);
	ck_assert_int_eq(hcnl_event_next(h, &got, 5000), 0);
	ck_assert(!memcmp(&got, &ev, sizeof(ev)));
	ck_assert_int_eq(hcnl_event_next(h, &got, 50), -EAGAIN);
	ck_assert_str_eq(hcnl_event_name(got.kind), "peer-lost");
	ck_assert_str_eq(hcnl_event_name(9999), "unknown");
	ck_assert_str_eq(hcnl_event_name(0), "unknown");
	kernel_stop(h);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *s = suite_create("tools hcnl");
	TCase *c = tcase_create("hcnl");

	tcase_add_loop_test(c, tables_are_whole, 0, NR_SETS);
	tcase_add_loop_test(c, tables_round_trip, 0, NR_SETS);
	tcase_add_loop_test(c, tables_refuse_wrong_widths, 0, NR_SETS);
	tcase_add_loop_test(c, tables_survive_garbage, 0, NR_SETS);
	tcase_add_test(c, get_fills_the_struct);
	tcase_add_test(c, get_without_an_answer_fails);
	tcase_add_test(c, dump_is_sorted_and_asked_again);
	tcase_add_test(c, empty_dump_is_no_error);
	tcase_add_test(c, refusals_are_explained);
	tcase_add_test(c, env_set_says_what_changes);
	tcase_add_test(c, request_is_answered);
	tcase_add_test(c, request_has_a_deadline);
	tcase_add_test(c, daemon_loses_no_request);
	tcase_add_test(c, events_are_read);
	tcase_set_timeout(c, 30);
	suite_add_tcase(s, c);
	return s;
}
