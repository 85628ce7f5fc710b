// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hc-hog: fill memory with patterns, use it at random, check every byte.
 *
 *	hc-hog -m MIB [-t SECONDS | -k OPS] [options]
 *
 *	page:  | number | generation | 510 words of a sequence that both start |
 *
 * A page has a generation, which grows with each rewrite; generation 0 is a
 * page of zeros. What is expected is kept in locked memory. So a page that comes
 * back old, torn, zeroed, or as another one is noticed, and the report says as what.
 *
 * SIGTERM or SIGINT ends the work; what follows is the full verification. The
 * last lines are for programs: BAD n, LOST n, SLOWEST ms, and the verdict.
 *
 * Exit status: 0 every byte was right; 1 wrong bytes; 2 bad usage; 3 a page could
 * not be read (SIGBUS) while all others were right; 4 the system refused something.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE_BYTES	4096
#define PAGE_WORDS	(PAGE_BYTES / 8)
#define MIB_PAGES	256
#define GEN_LOST	UINT32_MAX	/* could not be read once; not looked at again */
#define REPORTS_MAX	8		/* wrong pages described in full */
#define JOBS_MAX	16

enum { EXIT_OK, EXIT_BAD, EXIT_USAGE, EXIT_SIGBUS, EXIT_SYSTEM };

struct options {
	uint64_t mib;
	double seconds;		/* of work; 0 = by ops */
	uint64_t ops;		/* 0 = by time */
	uint64_t seed;
	unsigned int write_percent, zero_percent, drop_percent;
	unsigned int jobs;
	bool go_on;		/* after SIGBUS */
	bool huge;
};

/* One worker; a process of its own. */
struct hog {
	const struct options *o;
	unsigned int number;
	unsigned char *base;
	uint64_t nr_pages;
	uint32_t *gens;		/* expected generation by page; locked */
	uint64_t random;
	uint64_t ops, bad, lost;
	double slowest;		/* seconds, one access */
	double said;		/* when progress was last told */
};

static volatile sig_atomic_t is_ending;
static sigjmp_buf on_bus;
static volatile sig_atomic_t catch_bus;
static pid_t children[JOBS_MAX];
static unsigned int nr_children;

/* ---- small things ---- */

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

static uint64_t draw(struct hog *h, uint64_t below)
{
	h->random = mix(h->random);
	return h->random % below;
}

static uint64_t step(uint64_t x)
{
	return x * 6364136223846793005ULL + 1442695040888963407ULL;
}

__attribute__((format(printf, 2, 3)))
static void say(const struct hog *h, const char *format, ...)
{
	char line[256];
	va_list args;
	int n = snprintf(line, sizeof(line), "[%u] ", h->number);

	va_start(args, format);
	n += vsnprintf(line + n, sizeof(line) - n - 1, format, args);
	va_end(args);
	if (n > (int)sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	/* One write a line: workers share the pipe. */
	if (write(STDOUT_FILENO, line, n) < 0)
		_exit(EXIT_SYSTEM);
}

static void progress(struct hog *h, const char *what, uint64_t done, uint64_t of)
{
	double t = now();

	if (t - h->said < 1)
		return;
	h->said = t;
	if (of)
		say(h, "%s %" PRIu64 " of %" PRIu64 " MiB, bad %" PRIu64 ", lost %" PRIu64, what,
		    done / MIB_PAGES, of / MIB_PAGES, h->bad, h->lost);
	else
		say(h, "%s %" PRIu64 " ops, bad %" PRIu64 ", lost %" PRIu64, what, done, h->bad,
		    h->lost);
}

/* ---- signals ---- */

static void on_end(int number)
{
	unsigned int i;

	is_ending = 1;
	for (i = 0; i < nr_children; i++)
		kill(children[i], number);
}

static void on_sigbus(int number, siginfo_t *info, void *context)
{
	static const char text[] =
		"SIGBUS: a page of this program could not be read back: no copy of it is left\n";

	(void)number;
	(void)info;
	(void)context;
	if (catch_bus)
		siglongjmp(on_bus, 1);
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(EXIT_SYSTEM);
	_exit(EXIT_SIGBUS);
}

static void signals_init(void)
{
	struct sigaction end = { .sa_handler = on_end };
	struct sigaction bus = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_NODEFER };

	sigaction(SIGTERM, &end, NULL);
	sigaction(SIGINT, &end, NULL);
	sigaction(SIGBUS, &bus, NULL);
}

/* ---- pages ---- */

static uint64_t *page_at(const struct hog *h, uint64_t page)
{
	return (uint64_t *)(h->base + page * PAGE_BYTES);
}

static bool is_zero_page(const struct hog *h, uint64_t page)
{
	return mix(h->o->seed ^ (page << 8)) % 100 < h->o->zero_percent;
}

static uint64_t page_start(const struct hog *h, uint64_t page, uint32_t gen)
{
	return mix(h->o->seed ^ ((uint64_t)h->number << 56) ^ (page << 32) ^ gen);
}

static void page_write(struct hog *h, uint64_t page, uint32_t gen)
{
	uint64_t *w = page_at(h, page), x = page_start(h, page, gen);
	unsigned int i;

	if (!gen) {
		memset(w, 0, PAGE_BYTES);
		return;
	}
	w[0] = page;
	w[1] = gen;
	for (i = 2; i < PAGE_WORDS; i++)
		w[i] = x = step(x);
}

/* Number of the first wrong word, PAGE_WORDS when all are right. */
static unsigned int page_compare(const struct hog *h, uint64_t page, uint32_t gen)
{
	const uint64_t *w = page_at(h, page);
	uint64_t x = page_start(h, page, gen);
	unsigned int i;

	if (!gen) {
		for (i = 0; i < PAGE_WORDS && !w[i]; i++)
			;
		return i;
	}
	if (w[0] != page)
		return 0;
	if (w[1] != gen)
		return 1;
	for (i = 2; i < PAGE_WORDS; i++)
		if (w[i] != (x = step(x)))
			return i;
	return i;
}

static void page_check(struct hog *h, uint64_t page)
{
	uint32_t gen = h->gens[page];
	const uint64_t *w = page_at(h, page);
	unsigned int word;

	word = page_compare(h, page, gen);
	if (word == PAGE_WORDS)
		return;
	if (h->bad++ < REPORTS_MAX)
		say(h, "WRONG page %" PRIu64 " generation %u at word %u: says page %" PRIu64
		    " generation %" PRIu64 ", word is %016" PRIx64, page, gen, word, w[0], w[1],
		    w[word]);
	/* Told once. */
	h->gens[page] = gen + 1;
	page_write(h, page, gen + 1);
}

enum access { CHECK, FILL, REWRITE, DROP };

static void page_access_bare(struct hog *h, uint64_t page, enum access what)
{
	if (what != FILL)
		page_check(h, page);
	switch (what) {
	case CHECK:
		break;
	case FILL:
		h->gens[page] = !is_zero_page(h, page);
		page_write(h, page, h->gens[page]);
		break;
	case REWRITE:
		h->gens[page]++;
		page_write(h, page, h->gens[page]);
		break;
	case DROP:
		h->gens[page] = 0;
		madvise(page_at(h, page), PAGE_BYTES, MADV_DONTNEED);
		break;
	}
}

static void page_access(struct hog *h, uint64_t page, enum access what)
{
	double began = now(), took;

	if (h->gens[page] == GEN_LOST)
		return;
	if (h->o->go_on && sigsetjmp(on_bus, 0)) {
		catch_bus = 0;
		h->gens[page] = GEN_LOST;
		if (h->lost++ < REPORTS_MAX)
			say(h, "LOST page %" PRIu64 ": SIGBUS", page);
	} else {
		catch_bus = h->o->go_on;
		page_access_bare(h, page, what);
		catch_bus = 0;
	}
	took = now() - began;
	if (took > h->slowest)
		h->slowest = took;
}

/* ---- one worker ---- */

static void *map(size_t len, bool huge)
{
	size_t align = 2 << 20;
	unsigned char *p = mmap(NULL, len + align, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	p += -(uintptr_t)p & (align - 1);
	if (huge && madvise(p, len, MADV_HUGEPAGE))
		return NULL;
	return p;
}

static bool hog_init(struct hog *h)
{
	size_t gens_len = h->nr_pages * sizeof(*h->gens);

	h->base = map(h->nr_pages * PAGE_BYTES, h->o->huge);
	h->gens = map(gens_len, false);
	h->random = mix(h->o->seed + h->number);
	return h->base && h->gens && !mlock(h->gens, gens_len);
}

static bool work_goes_on(const struct hog *h, double until)
{
	if (is_ending)
		return false;
	return h->o->ops ? h->ops < h->o->ops : now() < until;
}

static void work(struct hog *h)
{
	double until = now() + h->o->seconds;

	while (work_goes_on(h, until)) {
		unsigned int dice = draw(h, 100);
		enum access what = CHECK;

		if (dice < h->o->write_percent)
			what = REWRITE;
		else if (dice < h->o->write_percent + h->o->drop_percent)
			what = DROP;
		page_access(h, draw(h, h->nr_pages), what);
		h->ops++;
		progress(h, "work", h->ops, 0);
	}
}

static int hog_run(struct hog *h)
{
	double began = now();
	uint64_t i;

	if (!hog_init(h)) {
		say(h, "cannot get %" PRIu64 " MiB: %s", h->nr_pages / MIB_PAGES, strerror(errno));
		return EXIT_SYSTEM;
	}
	for (i = 0; i < h->nr_pages; i++) {
		page_access(h, i, FILL);
		progress(h, "fill", i, h->nr_pages);
	}
	say(h, "FILLED in %.1f s", now() - began);
	work(h);
	say(h, "WORKED %" PRIu64 " ops", h->ops);
	for (i = 0; i < h->nr_pages; i++) {
		page_access(h, i, CHECK);
		progress(h, "verify", i, h->nr_pages);
	}
	say(h, "VERIFIED in %.1f s, all in all", now() - began);
	return h->bad ? EXIT_BAD : h->lost ? EXIT_SIGBUS : EXIT_OK;
}

/* ---- all of them ---- */

struct sum {
	uint64_t ops, bad, lost;
	double slowest;
};

static struct sum *sums;	/* shared, one entry a worker */

static void worker(const struct options *o, unsigned int number)
{
	struct hog h = { .o = o, .number = number, .nr_pages = o->mib * MIB_PAGES / o->jobs };
	int code;

	/* Only the memory under test may be swapped: not what tells about it. */
	if (mlockall(MCL_CURRENT)) {
		say(&h, "cannot lock its own pages: %s", strerror(errno));
		_exit(EXIT_SYSTEM);
	}
	code = hog_run(&h);
	sums[number] = (struct sum){ h.ops, h.bad, h.lost, h.slowest };
	_exit(code);
}

/* Wrong bytes are worse than anything; then what ended by itself; then lost pages. */
static int worse(int a, int b)
{
	static const int rank[] = { [EXIT_OK] = 0, [EXIT_SIGBUS] = 1, [EXIT_USAGE] = 2,
				    [EXIT_SYSTEM] = 3, [EXIT_BAD] = 4 };

	return rank[a] > rank[b] ? a : b;
}

static int collect(void)
{
	int code = EXIT_OK, status;
	pid_t pid;

	while ((pid = wait(&status)) > 0 || errno == EINTR) {
		if (pid < 0)
			continue;
		if (WIFEXITED(status) && WEXITSTATUS(status) <= EXIT_SYSTEM) {
			code = worse(code, WEXITSTATUS(status));
			continue;
		}
		printf("DIED a worker was killed by signal %d\n", WTERMSIG(status));
		code = worse(code, EXIT_SYSTEM);
	}
	return code;
}

static int report(const struct options *o, int code)
{
	static const char *const verdicts[] = {
		[EXIT_OK] = "OK every byte was right",
		[EXIT_BAD] = "FAILED wrong bytes came back",
		[EXIT_SIGBUS] = "SIGBUS pages could not be read; no wrong bytes came back",
		[EXIT_SYSTEM] = "DIED before the end",
	};
	struct sum all = { 0 };
	unsigned int i;

	for (i = 0; i < o->jobs; i++) {
		all.ops += sums[i].ops;
		all.bad += sums[i].bad;
		all.lost += sums[i].lost;
		if (sums[i].slowest > all.slowest)
			all.slowest = sums[i].slowest;
	}
	printf("OPS %" PRIu64 "\nBAD %" PRIu64 "\nLOST %" PRIu64 "\nSLOWEST %.0f\n%s\n", all.ops,
	       all.bad, all.lost, all.slowest * 1000, verdicts[code]);
	return code;
}

static void usage(void)
{
	fputs("usage: hc-hog -m MIB [-t SECONDS | -k OPS] [-j WORKERS] [-w PERCENT] [-z PERCENT]\n"
	      "              [-d PERCENT] [-s SEED] [-b] [-H]\n"
	      "  -m MIB      memory to fill, all workers together\n"
	      "  -t SECONDS  random checks for so long, then all is verified (default 5)\n"
	      "  -k OPS      so many checks per worker instead\n"
	      "  -j WORKERS  processes, 1 to 16 (default 1)\n"
	      "  -w PERCENT  of the checks also rewrite the page (default 30)\n"
	      "  -d PERCENT  of the checks also drop the page (default 0)\n"
	      "  -z PERCENT  of the pages start as zeros (default 0)\n"
	      "  -s SEED     other random numbers\n"
	      "  -b          go on after SIGBUS, and count those pages\n"
	      "  -H          ask for huge pages\n", stderr);
	exit(EXIT_USAGE);
}

static uint64_t number(const char *text, uint64_t min, uint64_t max)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || n < min || n > max) {
		fprintf(stderr, "hc-hog: \"%s\" is not a number from %" PRIu64 " to %" PRIu64 "\n",
			text, min, max);
		usage();
	}
	return n;
}

static struct options parse(int argc, char **argv)
{
	struct options o = { .seconds = 5, .seed = 1, .write_percent = 30, .jobs = 1 };
	int c;

	while ((c = getopt(argc, argv, "m:t:k:j:w:d:z:s:bH")) != -1) {
		switch (c) {
		case 'm': o.mib = number(optarg, 1, 1 << 20); break;
		case 't': o.seconds = number(optarg, 0, 1000000); break;
		case 'k': o.ops = number(optarg, 1, UINT32_MAX); break;
		case 'j': o.jobs = number(optarg, 1, JOBS_MAX); break;
		case 'w': o.write_percent = number(optarg, 0, 100); break;
		case 'd': o.drop_percent = number(optarg, 0, 100); break;
		case 'z': o.zero_percent = number(optarg, 0, 100); break;
		case 's': o.seed = number(optarg, 0, UINT64_MAX); break;
		case 'b': o.go_on = true; break;
		case 'H': o.huge = true; break;
		default: usage();
		}
	}
	if (optind != argc || o.mib < o.jobs || o.write_percent + o.drop_percent > 100)
		usage();
	return o;
}

int main(int argc, char **argv)
{
	struct options o = parse(argc, argv);
	unsigned int i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	signals_init();
	sums = mmap(NULL, sizeof(*sums) * JOBS_MAX, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sums == MAP_FAILED || mlockall(MCL_CURRENT)) {
		perror("hc-hog: its own pages");
		return EXIT_SYSTEM;
	}
	for (i = 0; i < o.jobs; i++) {
		pid_t pid = fork();

		if (!pid) {
			nr_children = 0;
			worker(&o, i);
		}
		if (pid < 0) {
			perror("hc-hog: fork");
			on_end(SIGTERM);
			return EXIT_SYSTEM;
		}
		children[i] = pid;
		nr_children = i + 1;
	}
	return report(&o, collect());
}
