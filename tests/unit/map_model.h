/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The simulated cluster of test_map_model.c, as its recount sees it. */
#ifndef _TESTS_MAP_MODEL_H
#define _TESTS_MAP_MODEL_H

#include <linux/types.h>

#include "policy/map.h"

#define SLOTS		1500
#define SLABS		22
#define ENVS		3		/* 0 is the host's own */
#define DONORS		5		/* targets 1..DONORS; 0 is the local backing */
#define LENDS		4		/* slabs one donor lends at most */
#define CONNS		2
#define WRITES		24		/* under way at most */
#define READS		24
#define RUN		16
#define LATE		64

/* Memory of a donor: what its slabs hold. Content is a number; 0 is what a fresh slab has. */
struct donor {
	u64 page[LENDS][HC_SLAB_PAGES];
	bool is_lent[LENDS];
};

/* What slot @slot must read as. */
struct want {
	u64 value;		/* 0: empty or zero */
	u32 copies[HC_COPIES];	/* where the model knows copies */
	u16 env;
	bool is_lost, is_writing, is_freed;
	u8 readers;
};

extern struct donor donors[DONORS + 1];
extern struct want want[SLOTS];
extern struct hc_map map;
extern struct hc_slot slots[SLOTS];
extern struct hc_slab slabs[SLABS];
extern unsigned long needs[SLOTS / 32 + 1];
extern struct hc_menv menv[ENVS];

/** model_page() - the memory of the donor that @loc names */
u64 *model_page(u32 loc);

/** model_recount() - every slot against the model, every counter and list against a recount */
void model_recount(void);

#endif /* _TESTS_MAP_MODEL_H */
