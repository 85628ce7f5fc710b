// SPDX-License-Identifier: GPL-2.0-or-later
/* R10 and all that move processes: a move on its way. See order.h. */
#include "daemon/policy/order.h"

#include "daemon/policy/num.h"

/* The sampler's step and time constant (daemon/node/load.h). */
#define STEP_MS		1000
#define KEPT_OF_11	10
#define ECHO_MS		120000		/* nothing is left by then */

enum pol_order_do pol_order_next(const struct pol_order_look *look)
{
	bool is_there = look->move_to == look->to;

	switch (look->move) {
	case POL_MOVE_UNDECIDED:
		return POL_ORDER_WAIT;
	case POL_MOVE_AWAY:
		return is_there ? POL_ORDER_MOVED : POL_ORDER_ELSEWHERE;
	case POL_MOVE_STAYED:
		if (look->is_ours)
			return POL_ORDER_STAYED;
		break;
	case POL_MOVE_OVER:
		/* Else it was another process with that pid. */
		if (look->is_ours || !look->has_process)
			return POL_ORDER_ENDED;
		break;
	case POL_MOVE_NONE:
		break;
	}
	if (!look->has_process)
		return POL_ORDER_ENDED;
	return look->was_started ? POL_ORDER_LOST : POL_ORDER_START;
}

int64_t pol_order_echo(int64_t load, uint64_t age_ms)
{
	if (!pol_known(load) || age_ms >= ECHO_MS)
		return 0;
	for (; age_ms >= STEP_MS; age_ms -= STEP_MS)
		load = load * KEPT_OF_11 / (KEPT_OF_11 + 1);
	return load;
}
