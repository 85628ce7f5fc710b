// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whole clusters of 3, 5 and 7 nodes in one process: libraft's own fixture (its
 * time is virtual, it asserts that no term has two leaders and that no leader
 * takes back what stood in its log) around our state machine. Links are cut one
 * way or both, nodes stop and go on, messages and disks take different times,
 * all by chance from a seed that is printed.
 *
 * What must hold in the end: every node has the same state, byte for byte; what
 * was acknowledged is in it exactly once, what was not at most once.
 */
#include <raft.h>
#include <raft/fixture.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cluster/fsm.h"

#include "unit.h"

#define NODES_MAX	7
#define COMMANDS_MAX	100

enum fate { NOT_GIVEN, UNKNOWN, ACKNOWLEDGED, REFUSED };

struct world {
	struct raft_fixture fixture;
	struct raft_fsm fsms[NODES_MAX];
	struct hcd_fsm *state[NODES_MAX];
	unsigned int n;
	uint64_t rng;
	enum fate fate[COMMANDS_MAX];
	unsigned int nr_commands;
	struct hcd_result result;
};

struct request {
	struct raft_apply req;
	struct world *w;
	unsigned int number;
};

static struct world *world;

static int fsm_apply(struct raft_fsm *fsm, const struct raft_buffer *buf, void **result)
{
	int r = hcd_fsm_apply(fsm->data, buf->base, buf->len, &world->result);

	ck_assert_int_eq(r, 0);
	*result = &world->result;
	return 0;
}

static int fsm_snapshot(struct raft_fsm *fsm, struct raft_buffer *bufs[], unsigned int *n)
{
	uint8_t *data;
	size_t len;

	ck_assert_int_eq(hcd_fsm_encode(fsm->data, &data, &len), 0);
	*bufs = raft_malloc(sizeof(**bufs));
	(*bufs)->base = data;
	(*bufs)->len = len;
	*n = 1;
	return 0;
}

static int fsm_restore(struct raft_fsm *fsm, struct raft_buffer *buf)
{
	ck_assert_int_eq(hcd_fsm_restore(fsm->data, buf->base, buf->len), 0);
	raft_free(buf->base);
	return 0;
}

static void begin_state(Hcp__State *st, Hcp__Member *m, Hcp__Member **list)
{
	static uint8_t key[HCD_NODE_KEY_LEN] = "key of node 1";
	static uint8_t cluster[HCD_CLUSTER_ID_LEN] = "testing";

	hcp__state__init(st);
	hcp__member__init(m);
	m->id = 1;
	m->name = "n1";
	m->address = "10.0.0.1";
	m->port = 7701;
	m->key = (ProtobufCBinaryData){ sizeof(key), key };
	*list = m;
	st->version = 1;
	st->cluster = (ProtobufCBinaryData){ sizeof(cluster), cluster };
	st->name = "test";
	st->incarnation = 1;
	st->next_node = 2;
	st->next_decision = 1;
	st->members = list;
	st->n_members = 1;
}

/* Command 0 begins the cluster, the others are decisions with a number of their own. */
static struct raft_buffer command(unsigned int number)
{
	Hcp__Command c = HCP__COMMAND__INIT;
	Hcp__Decision d = HCP__DECISION__INIT;
	Hcp__Member m, *list;
	struct raft_buffer buf;
	Hcp__State st;
	char text[32];

	c.version = 1;
	c.at_ms = 1000 + number;
	if (number == 0) {
		begin_state(&st, &m, &list);
		c.what_case = HCP__COMMAND__WHAT_BEGIN;
		c.begin = &st;
	} else {
		snprintf(text, sizeof(text), "command %u", number);
		d.kind = "test";
		d.rule = "R22";
		d.text = text;
		c.what_case = HCP__COMMAND__WHAT_DECIDE;
		c.decide = &d;
	}
	buf.base = hcd_command_pack(&c, &buf.len);
	ck_assert_ptr_nonnull(buf.base);
	return buf;
}

static void on_applied(struct raft_apply *req, int status, void *result)
{
	struct request *r = req->data;

	if (status == 0)
		r->w->fate[r->number] = r->w->result.error ? REFUSED : ACKNOWLEDGED;
	free(r);
}

/* To whoever believes to be the leader, also one that is cut off. */
static bool give(struct world *w, unsigned int i)
{
	struct raft *raft = raft_fixture_get(&w->fixture, i);
	struct raft_buffer buf;
	struct request *r;

	if (!raft_fixture_alive(&w->fixture, i) || raft_state(raft) != RAFT_LEADER ||
	    w->nr_commands == COMMANDS_MAX)
		return false;
	r = calloc(1, sizeof(*r));
	r->req.data = r;
	r->w = w;
	r->number = w->nr_commands;
	buf = command(r->number);
	if (raft_apply(raft, &r->req, &buf, 1, on_applied) != 0) {
		raft_free(buf.base);
		free(r);
		return false;
	}
	w->fate[w->nr_commands++] = UNKNOWN;
	return true;
}

static void world_begin(struct world *w, unsigned int n, uint64_t rng)
{
	struct raft_configuration conf;

	memset(w, 0, sizeof(*w));
	w->n = n;
	w->rng = rng;
	world = w;
	ck_assert_int_eq(raft_fixture_initialize(&w->fixture), 0);
	for (unsigned int i = 0; i < n; i++) {
		w->state[i] = malloc(sizeof(*w->state[i]));
		hcd_fsm_init(w->state[i], HCD_FSM_VERSION);
		w->fsms[i] = (struct raft_fsm){
			.version = 1, .data = w->state[i], .apply = fsm_apply,
			.snapshot = fsm_snapshot, .restore = fsm_restore,
		};
		ck_assert_int_eq(raft_fixture_grow(&w->fixture, &w->fsms[i]), 0);
		raft_set_pre_vote(raft_fixture_get(&w->fixture, i), true);
	}
	ck_assert_int_eq(raft_fixture_configuration(&w->fixture, n, &conf), 0);
	ck_assert_int_eq(raft_fixture_bootstrap(&w->fixture, &conf), 0);
	raft_configuration_close(&conf);
	ck_assert_int_eq(raft_fixture_start(&w->fixture), 0);
	ck_assert(raft_fixture_step_until_has_leader(&w->fixture, 20000));
	ck_assert(give(w, raft_fixture_leader_index(&w->fixture)));
}

static void world_end(struct world *w)
{
	raft_fixture_close(&w->fixture);
	for (unsigned int i = 0; i < w->n; i++) {
		hcd_fsm_clear(w->state[i]);
		free(w->state[i]);
	}
}

static void trouble(struct world *w)
{
	unsigned int i = unit_below(&w->rng, w->n), k = unit_below(&w->rng, w->n);

	switch (unit_below(&w->rng, 8)) {
	case 0:
		if (i != k)
			raft_fixture_saturate(&w->fixture, i, k);	/* one way */
		break;
	case 1:
	case 2:
		if (i != k && raft_fixture_saturated(&w->fixture, i, k))
			raft_fixture_desaturate(&w->fixture, i, k);
		break;
	case 3:
		for (k = 0; k < w->n; k++) {	/* alone, both ways */
			if (i == k)
				continue;
			raft_fixture_saturate(&w->fixture, i, k);
			raft_fixture_saturate(&w->fixture, k, i);
		}
		break;
	case 4:
		for (k = 0; k < w->n; k++) {
			if (i == k)
				continue;
			raft_fixture_desaturate(&w->fixture, i, k);
			raft_fixture_desaturate(&w->fixture, k, i);
		}
		break;
	case 5:
		if (raft_fixture_alive(&w->fixture, i))
			raft_fixture_kill(&w->fixture, i);
		break;
	case 6:
		if (!raft_fixture_alive(&w->fixture, i))
			raft_fixture_revive(&w->fixture, i);
		break;
	default:
		raft_fixture_set_network_latency(&w->fixture, i, 1 + unit_below(&w->rng, 60));
		raft_fixture_set_disk_latency(&w->fixture, i, 1 + unit_below(&w->rng, 60));
		raft_fixture_set_randomized_election_timeout(&w->fixture, i,
							     1000 + unit_below(&w->rng, 1000));
	}
}

static void heal(struct world *w)
{
	for (unsigned int i = 0; i < w->n; i++) {
		if (!raft_fixture_alive(&w->fixture, i))
			raft_fixture_revive(&w->fixture, i);
		raft_fixture_set_network_latency(&w->fixture, i, 5);
		raft_fixture_set_disk_latency(&w->fixture, i, 5);
		raft_fixture_set_randomized_election_timeout(&w->fixture, i, 1000 + i * 150);
		for (unsigned int k = 0; k < w->n; k++) {
			if (i != k && raft_fixture_saturated(&w->fixture, i, k))
				raft_fixture_desaturate(&w->fixture, i, k);
		}
	}
}

static void compare(struct world *w, uint64_t seed)
{
	unsigned int seen[COMMANDS_MAX] = { 0 };
	uint8_t *first, *other;
	size_t first_len, len;

	ck_assert_int_eq(hcd_fsm_encode(w->state[0], &first, &first_len), 0);
	for (unsigned int i = 1; i < w->n; i++) {
		ck_assert_int_eq(hcd_fsm_encode(w->state[i], &other, &len), 0);
		MUST_MSG(len == first_len && memcmp(first, other, len) == 0,
			 "seed %#llx: nodes 1 and %u have different states",
			 (unsigned long long)seed, i + 1);
		free(other);
	}
	free(first);
	for (uint64_t id = 1; id < w->state[0]->next_decision; id++) {
		const struct hcd_decision *d = hcd_fsm_decision(w->state[0], id);
		unsigned int number;

		if (sscanf(d->text, "command %u", &number) == 1)
			seen[number]++;
	}
	for (unsigned int i = 1; i < w->nr_commands; i++)
		MUST_MSG(seen[i] == 1 || (seen[i] == 0 && w->fate[i] != ACKNOWLEDGED),
			 "seed %#llx: command %u is there %u times, fate %d",
			 (unsigned long long)seed, i, seen[i], w->fate[i]);
}

static void run_schedule(uint64_t seed)
{
	static const unsigned int sizes[] = { 3, 5, 7 };
	static struct world w;
	uint64_t rng = seed | 1;
	raft_index last;

	world_begin(&w, sizes[unit_below(&rng, 3)], rng);
	/* The fixture copies the leader's log at each step: short logs, many schedules. */
	for (int round = 0; round < 50; round++) {
		if (unit_below(&w.rng, 3))
			trouble(&w);
		for (unsigned int i = 0; i < w.n; i++) {
			if (unit_below(&w.rng, 2))
				give(&w, i);
		}
		raft_fixture_step_n(&w.fixture, 1 + unit_below(&w.rng, 150));
	}
	heal(&w);
	raft_fixture_step_until_elapsed(&w.fixture, 6000);
	MUST_MSG(raft_fixture_step_until_has_leader(&w.fixture, 60000),
		 "seed %#llx: no leader once all is well again", (unsigned long long)seed);
	/* An entry of the new term commits what older leaders left behind. */
	MUST(give(&w, raft_fixture_leader_index(&w.fixture)));
	last = raft_last_index(raft_fixture_get(&w.fixture, raft_fixture_leader_index(&w.fixture)));
	MUST_MSG(raft_fixture_step_until_applied(&w.fixture, w.n, last, 60000),
		 "seed %#llx: not all nodes come to index %llu", (unsigned long long)seed, last);
	compare(&w, seed);
	world_end(&w);
}

START_TEST(test_R22_random_schedules_lose_nothing)
{
	uint64_t seed = unit_seed(), ops = unit_ops(40);

	printf("seed %#llx\n", (unsigned long long)seed);
	for (uint64_t i = 0; i < ops; i++)
		run_schedule(seed + i * 0x9e3779b97f4a7c15ULL);
}
END_TEST

START_TEST(test_R22_a_cut_leader_acknowledges_nothing)
{
	static struct world w;
	unsigned int old, given;

	world_begin(&w, 3, 1);
	raft_fixture_step_until_applied(&w.fixture, 3, 2, 10000);
	old = raft_fixture_leader_index(&w.fixture);
	for (unsigned int k = 0; k < 3; k++) {
		if (k == old)
			continue;
		raft_fixture_saturate(&w.fixture, old, k);
		raft_fixture_saturate(&w.fixture, k, old);
	}
	ck_assert(give(&w, old));
	given = w.nr_commands - 1;
	raft_fixture_step_until_elapsed(&w.fixture, 10000);
	ck_assert_int_ne(w.fate[given], ACKNOWLEDGED);
	ck_assert_int_ne(raft_state(raft_fixture_get(&w.fixture, old)), RAFT_LEADER);
	ck_assert_uint_lt(raft_fixture_leader_index(&w.fixture), 3);
	ck_assert_uint_ne(raft_fixture_leader_index(&w.fixture), old);
	world_end(&w);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *s = suite_create("daemon_consensus");
	TCase *t = tcase_create("consensus");

	tcase_set_timeout(t, 600);
	tcase_add_test(t, test_R22_a_cut_leader_acknowledges_nothing);
	tcase_add_test(t, test_R22_random_schedules_lose_nothing);
	suite_add_tcase(s, t);
	return s;
}
