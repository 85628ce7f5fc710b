/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decisions as `hyperchain simulate` prints them. */
#ifndef HC_SIMULATE_PRINT_H
#define HC_SIMULATE_PRINT_H

#include <stdio.h>

#include "daemon/policy/policy.h"

#define SIM_RULES	23

struct sim_spread {
	size_t nodes;			/* living ones whose load is known */
	int64_t min, max, mean;
};

struct sim_printer {
	FILE *out;
	bool is_summary;		/* count only */
	bool is_broken;			/* something could not be written */
	size_t nr_events, nr_decisions;
	size_t per_rule[SIM_RULES], per_action[POL_ACTIONS];
	struct sim_spread before, after;
	int64_t ns;
};

/* A pol_sink's decide(); @arg is a struct sim_printer. */
void sim_print(void *arg, const struct pol_decision *d);
void sim_print_summary(struct sim_printer *printer);
void sim_spread(struct sim_spread *spread, const struct pol_state *st);

#endif /* HC_SIMULATE_PRINT_H */
