// SPDX-License-Identifier: GPL-2.0-or-later
/* main() of every unit test: runs the suite that the test file names. */
#include <stdio.h>
#include <stdlib.h>

#include "unit.h"

/* Random tests print their seed; HC_SEED=n repeats a run, HC_OPS=n makes it longer. */
uint64_t unit_seed(void)
{
	const char *given = getenv("HC_SEED");
	uint64_t seed;

	if (given)
		return strtoull(given, NULL, 0);
	if (getentropy(&seed, sizeof(seed)))
		abort();
	return seed;
}

uint64_t unit_ops(uint64_t usual)
{
	const char *given = getenv("HC_OPS");

	return given ? strtoull(given, NULL, 0) : usual;
}

int main(void)
{
	SRunner *runner = srunner_create(unit_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
