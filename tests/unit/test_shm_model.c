// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The protocol of a shared page (kmod/policy/shm), by model checking.
 *
 * A world is a home and other nodes, with one page, and a program on each that reads or
 * writes. Messages overtake each other and may come twice; a node may die, which the home
 * notices later; programs are killed while they wait; the page is truncated; there is no
 * room; an owner may find that it can't reach the requester.
 *   - exhaustive: every order of a bounded number of such events, by depth-first search
 *   - random: long runs with more nodes, which come back with a new session
 * Proven in each world:
 *   safety   - who may write is alone; whoever reads, reads what was written last
 *   progress - no cycle; where nothing more happens no program waits, no transaction is open
 * HC_SEED=n repeats a random run, HC_OPS=n makes it longer.
 */
#include <linux/errno.h>
#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/shm.h"

#include "unit.h"

#define NODES	5
#define NET	24

/* What travels. */
struct packet {
	u8 op, from, to, third, state, err;
	u8 has_data, is_answer, ver;
	u8 sess_from, sess_to, sess_third;
	u16 gen;
};

struct node {
	u16 gen;
	u8 state, want, is_unused, err;
	u8 ver;		/* of its content; the home's frame is node 0's */
	u8 op;		/* what its program waits for: HC_SHM_S, HC_SHM_X, 0 = nothing */
	u8 is_dead, is_noticed;
	u8 sess, pad;
};

struct home {
	u16 gen;
	u8 sharers, acks, want_s, want_x, owner, kind, cur, last;
	u8 flags, pad;
};

/* How many of each may still happen. */
struct budget { u8 ops, dups, deaths, kills, drops, relays, rebirths, fulls; };

/* Only bytes and u16: equal worlds have equal memory. */
struct world {
	struct home home;
	struct node node[NODES];
	struct budget left;
	u8 latest;	/* version written last */
	u8 nr_net;
	u8 is_full;	/* no room for one more page */
	u8 pad;
	struct packet net[NET];	/* sorted */
};

static unsigned int nr_nodes;
static u64 nr_reads, nr_writes, nr_errors, nr_lost;

static void home_load(const struct home *p, struct hc_shm_home *ret)
{
	hc_shm_home_init(ret);
	ret->gen = p->gen;
	ret->sharers = p->sharers;
	ret->acks = p->acks;
	ret->want_s = p->want_s;
	ret->want_x = p->want_x;
	ret->owner = p->owner;
	ret->kind = p->kind;
	ret->cur = p->cur;
	ret->last = p->last;
	ret->is_fetching = p->flags & 1;
	ret->wait_done = p->flags & 2;
	ret->is_cancelled = p->flags & 4;
	ret->is_lost = p->flags & 8;
	ret->want_drop = p->flags & 16;
}

static void home_save(const struct hc_shm_home *h, struct home *ret)
{
	ret->gen = h->gen;
	ret->sharers = h->sharers;
	ret->acks = h->acks;
	ret->want_s = h->want_s;
	ret->want_x = h->want_x;
	ret->owner = h->owner;
	ret->kind = h->kind;
	ret->cur = h->cur;
	ret->last = h->last;
	ret->flags = h->is_fetching | h->wait_done << 1 | h->is_cancelled << 2 | h->is_lost << 3 |
		     h->want_drop << 4;
}

static void local_load(const struct node *n, struct hc_shm_local *ret)
{
	*ret = (struct hc_shm_local){
		.gen = n->gen, .state = n->state, .want = n->want,
		.is_unused = n->is_unused, .err = -(s16)n->err,
	};
}

static void local_save(const struct hc_shm_local *l, struct node *n)
{
	n->gen = l->gen;
	n->state = l->state;
	n->want = l->want;
	n->is_unused = l->is_unused;
	n->err = -l->err;
}

static void put(struct world *w, const struct packet *p)
{
	int i = w->nr_net++;

	MUST_LT(i, NET);
	while (i > 0 && memcmp(&w->net[i - 1], p, sizeof(*p)) > 0) {
		w->net[i] = w->net[i - 1];
		i--;
	}
	w->net[i] = *p;
}

static void take(struct world *w, int i, struct packet *ret)
{
	*ret = w->net[i];
	w->nr_net--;
	memmove(&w->net[i], &w->net[i + 1], (w->nr_net - i) * sizeof(*ret));
	memset(&w->net[w->nr_net], 0, sizeof(*ret));
}

/* @in: the message that was answered, for the session of a third node. */
static void emit(struct world *w, u8 from, const struct hc_shm_out *out, const struct packet *in)
{
	struct packet p;
	int i;

	for (i = 0; i < out->nr; i++) {
		const struct hc_shm_msg *m = &out->msg[i];

		p = (struct packet){
			.op = m->op, .from = from, .to = m->to, .third = m->third,
			.state = m->state, .err = -m->err,
			.has_data = m->has_data, .is_answer = m->is_answer,
			.ver = m->has_data ? w->node[from].ver : 0, .gen = m->gen,
			.sess_from = w->node[from].sess, .sess_to = w->node[m->to].sess,
		};
		if (m->op == HC_SHM_FETCH)
			p.sess_third = w->node[m->third].sess;
		if (m->op == HC_SHM_GRANT && in && in->op == HC_SHM_FETCH)
			p.sess_to = in->sess_third;
		put(w, &p);
	}
	for (i = 0; i < (int)nr_nodes; i++) {
		if (!(out->cast >> i & 1))
			continue;
		p = (struct packet){
			.op = out->cast_op, .from = from, .to = i, .gen = out->gen,
			.sess_from = w->node[from].sess, .sess_to = w->node[i].sess,
		};
		put(w, &p);
	}
}

static void check_safe(const struct world *w)
{
	unsigned int i, x = 0, s = 0;

	for (i = 0; i < nr_nodes; i++) {
		const struct node *n = &w->node[i];

		if (n->is_dead)
			continue;
		x += n->state == HC_SHM_X;
		s += n->state == HC_SHM_S;
		MUST_MSG(n->state == HC_SHM_I || n->ver == w->latest,
			 "node %u may read version %u, written last was %u", i, n->ver, w->latest);
	}
	MUST_MSG(x <= 1 && !(x && s), "%u writers and %u readers", x, s);
}

static void home_acts(struct world *w, const struct hc_shm_out *out, u8 ver)
{
	if (out->acts & HC_SHM_STORE)
		w->node[0].ver = ver;
	if (out->acts & HC_SHM_FORGET)
		w->node[0].ver = ++w->latest;	/* zeros are new content */
}

/* False: nothing changed, it stays where it is. */
static bool deliver(struct world *w, int i)
{
	struct hc_shm_out out;
	struct hc_shm_local l;
	struct hc_shm_home h;
	struct hc_shm_msg m;
	struct packet p;
	bool to_home;

	take(w, i, &p);
	if (w->node[p.to].is_dead || p.sess_to != w->node[p.to].sess)
		return true;
	m = (struct hc_shm_msg){
		.op = p.op, .from = p.from, .to = p.to, .third = p.third, .state = p.state,
		.has_data = p.has_data, .is_answer = p.is_answer, .err = -(s16)p.err, .gen = p.gen,
	};
	to_home = p.op == HC_SHM_GET || p.op >= HC_SHM_ACK;
	if (to_home) {
		if (w->node[p.from].is_noticed || p.sess_from != w->node[p.from].sess)
			return true;
		home_load(&w->home, &h);
		hc_shm_home(&h, &m, w->is_full, &out);
		home_save(&h, &w->home);
		home_acts(w, &out, p.ver);
	} else {
		local_load(&w->node[p.to], &l);
		hc_shm_local(&l, &m, false, &out);
		if (out.acts & HC_SHM_DEFER)
			return false;
		local_save(&l, &w->node[p.to]);
		if (out.acts & HC_SHM_STORE)
			w->node[p.to].ver = p.ver;
	}
	emit(w, p.to, &out, &p);
	return true;
}

/* The program of node @i tries again. False: it has to wait. */
static bool program(struct world *w, int i)
{
	struct node *n = &w->node[i];
	struct hc_shm_out out;
	struct hc_shm_local l;
	bool may;

	if (n->is_dead || !n->op)
		return false;
	local_load(n, &l);
	may = hc_shm_fault(&l, n->op, &out);
	if (!may && l.err) {
		l.err = 0;
		local_save(&l, n);
		n->op = 0;
		nr_errors++;
		return true;
	}
	local_save(&l, n);
	emit(w, i, &out, NULL);
	if (!may)
		return out.nr;
	if (n->op == HC_SHM_X) {
		n->ver = ++w->latest;
		nr_writes++;
	} else {
		MUST_EQ(n->ver, w->latest);
		nr_reads++;
	}
	n->op = 0;
	return true;
}

/* A grant that nobody uses: its time is over. */
static bool expire(struct world *w, int i)
{
	struct node *n = &w->node[i];

	if (n->is_dead || !n->is_unused || (n->op && n->op <= n->state))
		return false;
	n->is_unused = 0;
	return true;
}

static bool notice(struct world *w, int i)
{
	struct hc_shm_out out;
	struct hc_shm_home h;

	if (!w->node[i].is_dead || w->node[i].is_noticed)
		return false;
	w->node[i].is_noticed = 1;
	home_load(&w->home, &h);
	nr_lost -= h.is_lost;
	hc_shm_home_loss(&h, i, w->is_full, &out);
	nr_lost += h.is_lost;
	home_save(&h, &w->home);
	home_acts(w, &out, 0);
	emit(w, 0, &out, NULL);
	return true;
}

static bool start_op(struct world *w, int i, u8 op)
{
	struct node *n = &w->node[i];

	if (n->is_dead || n->op || !w->left.ops)
		return false;
	w->left.ops--;
	n->op = op;
	program(w, i);
	return true;
}

static bool die(struct world *w, int i)
{
	struct node *n = &w->node[i];

	if (!i || n->is_dead || !w->left.deaths)
		return false;
	w->left.deaths--;
	*n = (struct node){ .is_dead = 1, .sess = n->sess };
	return true;
}

static bool come_back(struct world *w, int i)
{
	struct node *n = &w->node[i];

	if (!n->is_noticed || !w->left.rebirths)
		return false;
	w->left.rebirths--;
	*n = (struct node){ .sess = n->sess + 1 };
	return true;
}

static bool kill_program(struct world *w, int i)
{
	if (!w->node[i].op || !w->left.kills)
		return false;
	w->left.kills--;
	w->node[i].op = 0;
	return true;
}

static bool duplicate(struct world *w, int i)
{
	struct packet p = w->net[i];

	if (!w->left.dups)
		return false;
	w->left.dups--;
	put(w, &p);
	return true;
}

/* What an owner sends straight to a requester that it can't reach goes home instead. */
static bool relay(struct world *w, int i)
{
	struct packet p = w->net[i];

	if (!w->left.relays || p.op != HC_SHM_GRANT || !p.from || !p.to)
		return false;
	w->left.relays--;
	take(w, i, &p);
	p.op = HC_SHM_RELAY;
	p.to = 0;
	p.sess_to = w->node[0].sess;
	put(w, &p);
	return true;
}

/* What a dead node had sent may not come any more. */
static bool lose(struct world *w, int i)
{
	struct packet p = w->net[i];

	if (!w->node[p.from].is_dead)
		return false;
	take(w, i, &p);
	return true;
}

static bool fill(struct world *w)
{
	if (!w->left.fulls)
		return false;
	w->left.fulls--;
	w->is_full ^= 1;
	return true;
}

static bool truncate_page(struct world *w)
{
	struct hc_shm_out out;
	struct hc_shm_home h;

	if (!w->left.drops)
		return false;
	w->left.drops--;
	home_load(&w->home, &h);
	hc_shm_home_drop(&h, w->is_full, &out);
	home_save(&h, &w->home);
	home_acts(w, &out, 0);
	emit(w, 0, &out, NULL);
	return true;
}

/* Everything that can happen next; those before NR_MUST happen by themselves. */
enum {
	DELIVER, PROGRAM, EXPIRE, NOTICE, NR_MUST,
	READ = NR_MUST, WRITE, DIE, BACK, KILL, DUP, RELAY, LOSE, TRUNCATE, FILL, NR_KINDS,
};

/* To how many messages or nodes it could happen. */
static int how_many(const struct world *w, int kind)
{
	switch (kind) {
	case DELIVER:
	case DUP:
	case RELAY:
	case LOSE:
		return w->nr_net;
	case TRUNCATE:
	case FILL:
		return 1;
	default:
		return nr_nodes;
	}
}

/* @i below how_many(). False: it can't happen now, and @w may be spoilt. */
static bool happen(struct world *w, int kind, int i)
{
	switch (kind) {
	case DELIVER:	return deliver(w, i);
	case DUP:	return duplicate(w, i);
	case RELAY:	return relay(w, i);
	case LOSE:	return lose(w, i);
	case TRUNCATE:	return truncate_page(w);
	case FILL:	return fill(w);
	case PROGRAM:	return program(w, i);
	case EXPIRE:	return expire(w, i);
	case NOTICE:	return notice(w, i);
	case READ:	return start_op(w, i, HC_SHM_S);
	case WRITE:	return start_op(w, i, HC_SHM_X);
	case DIE:	return die(w, i);
	case BACK:	return come_back(w, i);
	case KILL:	return kill_program(w, i);
	default:	return false;
	}
}

static void check_quiet(const struct world *w)
{
	unsigned int i;

	MUST_MSG(w->home.kind == HC_SHM_IDLE,
		 "nothing more happens, and transaction %u is open (kind %u)",
		 w->home.gen, w->home.kind);
	for (i = 0; i < nr_nodes; i++)
		MUST_MSG(!w->node[i].op, "nothing more happens, and a program waits at %u", i);
}

static struct world world_new(unsigned int nodes, struct budget left)
{
	struct hc_shm_home h;
	struct world w;

	memset(&w, 0, sizeof(w));
	nr_nodes = nodes;
	hc_shm_home_init(&h);
	home_save(&h, &w.home);
	w.left = left;
	return w;
}

/* ---- every order ---- */

struct known {
	struct world *worlds;
	u8 *is_open;		/* on the path that is being followed */
	u32 *table;		/* number + 1 */
	u32 nr, cap, mask;
};

static u64 hash(const struct world *w)
{
	const u8 *b = (const u8 *)w;
	u64 h = 0xcbf29ce484222325ULL;
	size_t i, len = offsetof(struct world, net) + w->nr_net * sizeof(w->net[0]);

	for (i = 0; i < len; i++)
		h = (h ^ b[i]) * 0x100000001b3ULL;
	return h ^ h >> 29;
}

/* Its number; *@ret_new when it was not known. */
static u32 known_add(struct known *k, const struct world *w, bool *ret_new)
{
	u32 at = hash(w) & k->mask;

	while (k->table[at]) {
		if (!memcmp(&k->worlds[k->table[at] - 1], w, sizeof(*w))) {
			*ret_new = false;
			return k->table[at] - 1;
		}
		at = (at + 1) & k->mask;
	}
	MUST_LT(k->nr, k->cap);
	k->worlds[k->nr] = *w;
	k->table[at] = ++k->nr;
	*ret_new = true;
	return k->nr - 1;
}

struct step { u32 world; int kind, i; bool can_go_on; };

#define PATH_MAX_STEPS 512

static void follow(struct known *k, struct step *path, int *ret_deepest)
{
	int depth = 0;

	while (depth >= 0) {
		struct step *s = &path[depth];
		struct world w;
		bool is_new;
		u32 to;

		if (s->kind == NR_KINDS) {
			if (!s->can_go_on)
				check_quiet(&k->worlds[s->world]);
			k->is_open[s->world] = 0;
			depth--;
			continue;
		}
		w = k->worlds[s->world];
		if (s->i >= how_many(&w, s->kind)) {
			s->i = 0;
			s->kind++;
			continue;
		}
		if (!happen(&w, s->kind, s->i++))
			continue;
		check_safe(&w);
		s->can_go_on |= s->kind < NR_MUST;
		to = known_add(k, &w, &is_new);
		MUST_MSG(is_new || !k->is_open[to], "a cycle: it could go on for ever");
		if (!is_new)
			continue;
		MUST_LT(++depth, PATH_MAX_STEPS);
		*ret_deepest = depth > *ret_deepest ? depth : *ret_deepest;
		path[depth] = (struct step){ .world = to };
		k->is_open[to] = 1;
	}
}

static void every_order(const char *what, unsigned int nodes, struct budget left)
{
	struct step path[PATH_MAX_STEPS] = { 0 };
	struct world w = world_new(nodes, left);
	struct known k = { .cap = 3000000, .mask = (1 << 23) - 1 };
	int deepest = 0;
	bool is_new;

	nr_reads = nr_writes = nr_errors = nr_lost = 0;
	k.worlds = malloc(k.cap * sizeof(*k.worlds));
	k.is_open = calloc(k.cap, 1);
	k.table = calloc(k.mask + 1, sizeof(*k.table));
	MUST(k.worlds && k.is_open && k.table);
	known_add(&k, &w, &is_new);
	k.is_open[0] = 1;
	follow(&k, path, &deepest);
	printf("shm model, %s: %u states, longest way %d steps, "
	       "%llu reads, %llu writes, %llu errors\n", what, k.nr, deepest,
	       (unsigned long long)nr_reads, (unsigned long long)nr_writes,
	       (unsigned long long)nr_errors);
	free(k.table);
	free(k.is_open);
	free(k.worlds);
}

START_TEST(test_R20b_every_order)
{
	every_order("4 accesses", 3, (struct budget){ .ops = 4 });
	every_order("3 accesses, a message twice, a kill", 3,
		    (struct budget){ .ops = 3, .dups = 1, .kills = 1 });
	every_order("2 accesses, 2 messages twice", 3, (struct budget){ .ops = 2, .dups = 2 });
}
END_TEST

START_TEST(test_R20b_every_order_death)
{
	every_order("3 accesses, 2 deaths", 3, (struct budget){ .ops = 3, .deaths = 2 });
	every_order("3 accesses, a death, a relay", 3,
		    (struct budget){ .ops = 3, .deaths = 1, .relays = 1 });
	every_order("2 accesses, a death, a message twice, a relay, a kill", 3,
		    (struct budget){ .ops = 2, .deaths = 1, .dups = 1, .relays = 1, .kills = 1 });
}
END_TEST

START_TEST(test_R20b_every_order_truncated)
{
	every_order("3 accesses, a truncation, no room", 3,
		    (struct budget){ .ops = 3, .drops = 1, .fulls = 1 });
	every_order("2 accesses, a truncation, a death, a message twice", 3,
		    (struct budget){ .ops = 2, .drops = 1, .deaths = 1, .dups = 1 });
}
END_TEST

/* ---- long runs ---- */

static void random_step(struct world *w, uint64_t *seed)
{
	/* Accesses and deliveries mostly, so that something is always under way. */
	static const u8 often[] = {
		DELIVER, DELIVER, DELIVER, DELIVER, PROGRAM, PROGRAM, EXPIRE, NOTICE, READ, WRITE,
	};
	u32 dice = unit_below(seed, 1000);
	int kind = dice < 970 ? often[dice % sizeof(often)] : (int)(DIE + dice % (NR_KINDS - DIE));
	struct world next = *w;
	u32 n;

	/* No flood: the net has an end here. */
	if (kind >= NR_MUST && w->nr_net > NET / 2)
		return;
	n = how_many(w, kind);
	if (n && happen(&next, kind, unit_below(seed, n)))
		*w = next;
	check_safe(w);
}

static void settle(struct world *w)
{
	bool did = true;

	while (did) {
		did = false;
		for (int kind = 0; kind < NR_MUST; kind++)
			for (int i = 0; i < how_many(w, kind); i++) {
				struct world next = *w;

				if (!happen(&next, kind, i))
					continue;
				*w = next;
				check_safe(w);
				did = true;
			}
	}
	check_quiet(w);
}

START_TEST(test_R20b_long_runs)
{
	uint64_t given = unit_seed(), seed = given, ops = unit_ops(300000), done;
	struct budget all = { 255, 255, 255, 255, 255, 255, 255, 255 };
	struct world w = world_new(NODES, all);

	nr_reads = nr_writes = nr_errors = 0;
	for (done = 0; done < ops; done++) {
		random_step(&w, &seed);
		w.left = all;
		/* Numbers of this model are small: begin anew before they end. */
		if (w.latest > 200 || w.home.gen > 60000 || w.node[1].sess > 200) {
			settle(&w);
			w = world_new(2 + unit_below(&seed, NODES - 1), all);
		}
	}
	settle(&w);
	printf("shm model, %llu random steps: %llu reads, %llu writes, %llu errors; HC_SEED=%llu\n",
	       (unsigned long long)ops, (unsigned long long)nr_reads, (unsigned long long)nr_writes,
	       (unsigned long long)nr_errors, (unsigned long long)given);
	MUST(nr_reads > ops / 1000 && nr_writes > ops / 1000);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("shm_model");
	TCase *t = tcase_create("shm_model");

	tcase_set_timeout(t, 600);
	tcase_add_test(t, test_R20b_every_order);
	tcase_add_test(t, test_R20b_every_order_death);
	tcase_add_test(t, test_R20b_every_order_truncated);
	tcase_add_test(t, test_R20b_long_runs);
	suite_add_tcase(suite, t);
	return suite;
}
