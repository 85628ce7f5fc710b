// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hc-mover: a program that checks itself while it is moved from node to node.
 *
 *	-m MIB      memory with content; every page is checked and written all the time (4)
 *	-t SECONDS  how long (5)
 *	-j THREADS  as many do the same, on memory of their own (1)
 *	-e STATUS   exit status when nothing was wrong (42)
 *	-o          say "step N" on stdout each second, and read lines from stdin
 *	-a          a timer (setitimer) ticks all the time; says how often
 *
 * What it checks: content, a checksum kept in FPU registers across system calls, that
 * CLOCK_MONOTONIC never runs backwards or jumps by more than two seconds, that its ids
 * stay what they were. Something wrong: says so on stderr and ends with status 1.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096

static size_t nr_pages = 4 * 256;
static unsigned int seconds = 5, nr_threads = 1;
static int says;
static volatile unsigned int ticks;

__attribute__((format(printf, 1, 2), noreturn))
static void wrong(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fputs("WRONG: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	_exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void tick(int signo)
{
	(void)signo;
	ticks++;
}

struct worker {
	pthread_t thread;
	unsigned int index;
	uint64_t steps;
};

static uint64_t mix(uint64_t x)
{
	x ^= x >> 31;
	x *= 0x7fb5d329728ea185ULL;
	return x ^ x >> 27;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	uint64_t *mem = mmap(NULL, nr_pages * PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pid_t pid = getpid(), tid = syscall(SYS_gettid);
	double sum = 0, last = now(), end = last + seconds, t;
	uint64_t round = 0, steps = 0;

	if (mem == MAP_FAILED)
		wrong("no memory");
	for (size_t p = 0; p < nr_pages; p++)
		mem[p * 512 + p % 512] = mix(p ^ (uint64_t)w->index << 32);
	while (last < end) {
		for (size_t p = 0; p < nr_pages; p++) {
			uint64_t *word = &mem[p * 512 + (p + round) % 512];
			uint64_t want = mix((p + round * nr_pages) ^ (uint64_t)w->index << 32);

			if (*word != want)
				wrong("page %zu round %llu: %llx, not %llx", p, (unsigned long long)round,
				      (unsigned long long)*word, (unsigned long long)want);
			*word = 0;
			mem[p * 512 + (p + round + 1) % 512] =
				mix((p + (round + 1) * nr_pages) ^ (uint64_t)w->index << 32);
			sum += 1.0;
			if (++steps % 64 == 0) {
				syscall(SYS_getppid);
				if (sum != (double)steps)
					wrong("the sum in a register is %f, not %llu", sum,
					      (unsigned long long)steps);
				t = now();
				if (t < last || t > last + 2)
					wrong("the clock went from %f to %f", last, t);
				last = t;
			}
		}
		round++;
		if (getpid() != pid || syscall(SYS_gettid) != tid)
			wrong("pid %d thread %d became %d %ld", pid, tid, getpid(),
			      syscall(SYS_gettid));
	}
	w->steps = steps;
	return NULL;
}

static void talk(void)
{
	char line[256];

	for (unsigned int i = 0; i < seconds; i++) {
		printf("step %u\n", i);
		fflush(stdout);
		if (says > 1 && fgets(line, sizeof(line), stdin))
			printf("got %s", line);
		else
			sleep(1);
	}
}

int main(int argc, char **argv)
{
	struct worker workers[64];
	int status = 42, opt, timer = 0;

	while ((opt = getopt(argc, argv, "m:t:j:e:oia")) > 0)
		switch (opt) {
		case 'm':
			nr_pages = strtoul(optarg, NULL, 10) * 256;
			break;
		case 't':
			seconds = atoi(optarg);
			break;
		case 'j':
			nr_threads = atoi(optarg) < 64 ? atoi(optarg) : 64;
			break;
		case 'e':
			status = atoi(optarg);
			break;
		case 'o':
			says |= 1;
			break;
		case 'i':
			says |= 2;
			break;
		case 'a':
			timer = 1;
			break;
		default:
			return 2;
		}
	if (timer) {
		struct itimerval v = { { 0, 100000 }, { 0, 100000 } };

		signal(SIGALRM, tick);
		setitimer(ITIMER_REAL, &v, NULL);
	}
	if (says) {
		talk();
	} else if (nr_threads == 1) {
		workers[0].index = 0;
		work(&workers[0]);
	} else {
		for (unsigned int i = 0; i < nr_threads; i++) {
			workers[i].index = i;
			if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
				wrong("no thread: %s", strerror(errno));
		}
		for (unsigned int i = 0; i < nr_threads; i++)
			pthread_join(workers[i].thread, NULL);
	}
	if (timer && (ticks < seconds * 5 || ticks > seconds * 11))
		wrong("%u ticks in %u seconds", ticks, seconds);
	return status;
}
