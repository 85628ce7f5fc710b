/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A fuzz target: two functions, and driver.c or libFuzzer calls them. */
#ifndef _TESTS_FUZZ_H
#define _TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "unit.h"

#define FUZZ_MAX 4096	/* bytes of one input */

/** LLVMFuzzerTestOneInput() - run the code under test on one input; abort() on a broken promise */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/** fuzz_seed() - write well-formed input number @i into @data; its length, 0..@max */
size_t fuzz_seed(unsigned int i, uint8_t *data, size_t max);

/* A promise of the code under test. */
#define FUZZ_ASSERT(x)	do { if (!(x)) abort(); } while (0)

#endif /* _TESTS_FUZZ_H */
