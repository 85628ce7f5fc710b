// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Runs a fuzz target without libFuzzer: LLVMFuzzerTestOneInput() on random and mutated inputs.
 *
 *	fuzz_x [-runs=N] [-seed=S] [FILE...]	FILEs are run as they are, nothing else then
 *
 * The same target links with clang -fsanitize=fuzzer in place of this file.
 * A target gives seeds, well-formed inputs that mutation starts from, by fuzz_seed().
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define POOL 64

static struct sample {
	uint8_t data[FUZZ_MAX];
	size_t len;
} pool[POOL], now;

static uint32_t below(uint64_t *state, size_t n)
{
	return n ? unit_below(state, (uint32_t)n) : 0;
}

static void mutate(struct sample *s, uint64_t *state)
{
	uint32_t times = 1 + below(state, 8), at, n;

	while (times--) {
		at = below(state, s->len);
		switch (below(state, 7)) {
		case 0:	/* a bit */
			if (s->len)
				s->data[at] ^= 1 << below(state, 8);
			break;
		case 1:	/* a byte */
			if (s->len)
				s->data[at] = (uint8_t)unit_random(state);
			break;
		case 2:	/* a telling value, in one to eight bytes */
		{
			static const uint64_t telling[] = { 0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000,
				0xffff, 0x7fffffff, 0x80000000, 0xffffffff, ~0ULL, 256, 4096 };
			uint64_t v = telling[below(state, sizeof(telling) / sizeof(*telling))];

			n = 1U << below(state, 4);
			if (at + n <= s->len)
				memcpy(s->data + at, &v, n);
			break;
		}
		case 3:	/* shorter */
			s->len = below(state, s->len + 1);
			break;
		case 4:	/* longer */
			n = below(state, FUZZ_MAX - s->len + 1);
			n = below(state, 4) ? n % 16 : n;
			while (n--)
				s->data[s->len++] = (uint8_t)unit_random(state);
			break;
		case 5:	/* a piece moved */
			n = below(state, s->len - at + 1);
			memmove(s->data + at, s->data + below(state, s->len - n + 1), n);
			break;
		default: /* a piece of another one */
		{
			const struct sample *o = &pool[below(state, POOL)];
			uint32_t from = below(state, o->len);

			n = below(state, o->len - from + 1);
			if (at + n <= s->len)
				memcpy(s->data + at, o->data + from, n);
		}
		}
	}
}

static int run_file(const char *path)
{
	FILE *f = fopen(path, "rb");

	if (!f) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return 2;
	}
	now.len = fread(now.data, 1, sizeof(now.data), f);
	fclose(f);
	LLVMFuzzerTestOneInput(now.data, now.len);
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t runs = 200000, seed = 0, state, i;
	int a, files = 0;

	for (a = 1; a < argc; a++) {
		if (!strncmp(argv[a], "-runs=", 6)) {
			runs = strtoull(argv[a] + 6, NULL, 0);
		} else if (!strncmp(argv[a], "-seed=", 6)) {
			seed = strtoull(argv[a] + 6, NULL, 0);
		} else {
			if (run_file(argv[a]))
				return 2;
			files++;
		}
	}
	if (files)
		return 0;
	if (!seed && getentropy(&seed, sizeof(seed)))
		return 2;
	seed |= 1;
	state = seed;
	printf("seed %#llx\n", (unsigned long long)seed);
	fflush(stdout);
	for (i = 0; i < POOL; i++)
		pool[i].len = fuzz_seed((unsigned int)i, pool[i].data, FUZZ_MAX);
	for (i = 0; i < runs; i++) {
		now = pool[below(&state, POOL)];
		if (below(&state, 64))
			mutate(&now, &state);
		LLVMFuzzerTestOneInput(now.data, now.len);
		if (!below(&state, 32))		/* some stay, so that changes add up */
			pool[POOL / 2 + below(&state, POOL / 2)] = now;
	}
	printf("%llu inputs\n", (unsigned long long)runs);
	return 0;
}
