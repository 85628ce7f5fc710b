// SPDX-License-Identifier: GPL-2.0-or-later
/* The keys of SPEC's rules: see policy_config.h. */
#include "daemon/policy/policy_config.h"

#include <errno.h>
#include <string.h>

#define WINDOWS	"hour day week month"

static const struct pol_key_info infos[POL_KEYS] = {
	[POL_VIEW_USERS_MAX] = { "view_users_max", POL_NUMBER, "50", NULL, 4,
		"A view with that many users or more is served by its main nodes only." },
	[POL_VIEW_LOAD_MAX] = { "view_load_max", POL_NUMBER, "0.7", NULL, 4,
		"Mode load: from this mean load of the active nodes on, all of them serve the view." },
	[POL_R4_WINDOW] = { "r4_window", POL_CHOICE, "hour", WINDOWS, 4,
		"The average by which main nodes are chosen that the user did not name." },
	[POL_SURGE_HIGH] = { "surge_high", POL_NUMBER, "0.8", NULL, 5,
		"From this mean load of a view's nodes on, its image is started on one more." },
	[POL_SURGE_LOW] = { "surge_low", POL_NUMBER, "0.4", NULL, 5,
		"Below this mean load of a view's nodes, one copy of its image is stopped." },
	[POL_SURGE_HOLD] = { "surge_hold", POL_NUMBER, "10", NULL, 5,
		"Seconds that either must last." },
	[POL_JOIN_SOURCES] = { "join_sources", POL_NUMBER, "3", NULL, 6,
		"From how many nodes a new one of middle or highest class takes processes." },
	[POL_R6_WINDOW] = { "r6_window", POL_CHOICE, "day", WINDOWS, 6,
		"The average by which those nodes are chosen." },
	[POL_IDLE_PERIOD] = { "idle_period", POL_NUMBER, "604800", NULL, 7,
		"Seconds between two looks for idle nodes." },
	[POL_SPARE_IDLE] = { "spare_idle", POL_NUMBER, "0.1", NULL, 7,
		"A node of this average load or less becomes an idle spare." },
	[POL_R7_WINDOW] = { "r7_window", POL_CHOICE, "week", WINDOWS, 7,
		"The average that decides it." },
	[POL_FAILURE_TIMEOUT] = { "failure_timeout", POL_NUMBER, "2", NULL, 8,
		"Seconds of silence after which a node has failed." },
	[POL_CHECKPOINT_PERIOD] = { "checkpoint_period", POL_NUMBER, "0", NULL, 8,
		"Seconds between two checkpoints of a job, view or process; 0: none." },
	[POL_RECOVER_POLICY] = { "recover_policy", POL_CHOICE, "return", "return swap", 8,
		"When a failed node comes back: the spare leaves, or they change roles for good." },
	[POL_R8_WINDOW] = { "r8_window", POL_CHOICE, "hour", WINDOWS, 8,
		"The average by which the spare is chosen." },
	[POL_CONSOLIDATE_PERIOD] = { "consolidate_period", POL_NUMBER, "604800", NULL, 9,
		"Seconds between two consolidations." },
	[POL_CONSOLIDATE_BELOW] = { "consolidate_below", POL_NUMBER, "0.2", NULL, 9,
		"Nodes of an environment below this average load are packed onto one of them." },
	[POL_CONSOLIDATE_POLICY] = { "consolidate_policy", POL_CHOICE, "free", "free second", 9,
		"The others are free, or all of them form a second environment of the same user." },
	[POL_R9_WINDOW] = { "r9_window", POL_CHOICE, "week", WINDOWS, 9,
		"The average that decides it." },
	[POL_BALANCE_PERIOD] = { "balance_period", POL_NUMBER, "2", NULL, 10,
		"Seconds between two checks of a leader." },
	[POL_BALANCE_GAP] = { "balance_gap", POL_NUMBER, "0.3", NULL, 10,
		"A service load more than this above the least of the environment is an excess." },
	[POL_BALANCE_HIGH] = { "balance_high", POL_NUMBER, "0.8", NULL, 10,
		"A current load above this is an excess." },
	[POL_MOVE_COST] = { "move_cost", POL_NUMBER, "0.05", NULL, 10,
		"A move pays when the higher of both nodes' loads falls by more than this." },
	[POL_MOVE_REST] = { "move_rest", POL_NUMBER, "30", NULL, 10,
		"Seconds that a moved process is left alone by balancing." },
	[POL_PLACE_AT_EXEC] = { "place_at_exec", POL_SWITCH, "on", NULL, 10,
		"New processes start on the least loaded node when that pays." },
	[POL_LEADER_MAX] = { "leader_max", POL_NUMBER, "0.85", NULL, 11,
		"From this current load on, a leader moves its processes or hands over." },
	[POL_LEADER_NEXT_MAX] = { "leader_next_max", POL_NUMBER, "leader_max", NULL, 11,
		"Only a node below this current load becomes leader." },
	[POL_R11_WINDOW] = { "r11_window", POL_CHOICE, "hour", WINDOWS, 11,
		"The average by which the next leader is chosen." },
	[POL_NODE_MAX] = { "node_max", POL_NUMBER, "0.95", NULL, 12,
		"From this current load on, a node becomes an overload spare." },
	[POL_OVERLOAD_MODE] = { "overload_mode", POL_CHOICE, "highest", "highest all", 12,
		"Only the worst node, or every such node." },
	[POL_SPARE_RETURN] = { "spare_return", POL_NUMBER, "0.6", NULL, 12,
		"Below this load an overload spare is active again, and a lent spare returned." },
	[POL_SPARE_HOLD] = { "spare_hold", POL_NUMBER, "30", NULL, 12,
		"Seconds that this must last." },
	[POL_CANDIDATE_MAX] = { "candidate_max", POL_NUMBER, "0.8", NULL, 14,
		"A candidate's average load is below this." },
	[POL_NODE_USERS] = { "node_users", POL_NUMBER, "4", NULL, 14,
		"A candidate has fewer users than this." },
	[POL_NODE_UNITS] = { "node_units", POL_NUMBER, "node_users x base_units", NULL, 14,
		"The units of a node, of which each of its users takes base_units." },
	[POL_CANDIDATE_PROCESSES] = { "candidate_processes", POL_OR_OFF, "off", NULL, 14,
		"A candidate runs at most that many service processes." },
	[POL_R14_WINDOW] = { "r14_window", POL_CHOICE, "day", WINDOWS, 14,
		"The average that candidate_max means." },
	[POL_BASE_UNITS] = { "base_units", POL_POSITIVE, "30", NULL, 15,
		"The units that one node gives one user." },
	[POL_R15_WINDOW] = { "r15_window", POL_CHOICE, "day", WINDOWS, 15,
		"The average by which nodes and the first leader are chosen." },
	[POL_TABLE_UNITS] = { "unit_table.units", POL_POSITIVE, "30", NULL, 15,
		"So many units are worth what the other fields of unit_table say." },
	[POL_TABLE_CPUS] = { "unit_table.cpus", POL_POSITIVE, "2", NULL, 15, "CPUs." },
	[POL_TABLE_MEMORY] = { "unit_table.memory_gib", POL_POSITIVE, "4", NULL, 15, "GiB of memory." },
	[POL_TABLE_STORAGE] = { "unit_table.storage_gib", POL_POSITIVE, "50", NULL, 15,
		"GiB of storage." },
	[POL_TABLE_DAY] = { "unit_table.hours_per_day", POL_POSITIVE, "8", NULL, 15, "Hours a day." },
	[POL_TABLE_WEEK] = { "unit_table.hours_per_week", POL_POSITIVE, "40", NULL, 15,
		"Hours a week." },
	[POL_TABLE_JOBS] = { "unit_table.jobs_per_hour", POL_POSITIVE, "100", NULL, 15,
		"Jobs an hour." },
	[POL_REVIEW_PERIOD] = { "review_period", POL_NUMBER, "2592000", NULL, 16,
		"Seconds between two reviews of a user." },
	[POL_REVIEW_WINDOW] = { "review_window", POL_CHOICE, "all", "all used", 16,
		"The load of all hours counts, or of those in which the nodes were used." },
	[POL_GROW_USAGE] = { "grow_usage", POL_NUMBER, "0.8", NULL, 16,
		"A user with this usage or more, and grow_load, gets a node more." },
	[POL_GROW_LOAD] = { "grow_load", POL_NUMBER, "0.8", NULL, 16,
		"The average load for that, or more." },
	[POL_SHRINK_MIN] = { "shrink_min", POL_NUMBER, "1", NULL, 16,
		"Only who has more nodes than this loses one." },
	[POL_SHRINK_USAGE] = { "shrink_usage", POL_NUMBER, "0.3", NULL, 16,
		"A user with this usage or less, and shrink_load, loses a node." },
	[POL_SHRINK_LOAD] = { "shrink_load", POL_NUMBER, "0.3", NULL, 16,
		"The average load for that, or less." },
	[POL_R16_WINDOW] = { "r16_window", POL_CHOICE, "month", WINDOWS, 16,
		"The average that both mean." },
	[POL_SPARE_PERIOD] = { "spare_period", POL_NUMBER, "2592000", NULL, 18,
		"Seconds between two choices of the shared spare." },
	[POL_SPARE_LEND] = { "spare_lend", POL_NUMBER, "0.85", NULL, 18,
		"From this mean load on, an environment has the shared spare too." },
	[POL_SPARE_MEAN] = { "spare_mean", POL_CHOICE, "current", "current hour", 18,
		"The mean of current loads, or of the averages of the hour." },
	[POL_R18_WINDOW] = { "r18_window", POL_CHOICE, "month", WINDOWS, 18,
		"The average by which the shared spare is chosen." },
	[POL_PRICE] = { "price", POL_OR_OFF, "off", NULL, 19,
		"What a unit costs; the usage report shows money then." },
};

const struct pol_key_info *pol_key_info(enum pol_key key)
{
	return &infos[key];
}

int pol_key_find(const char *name)
{
	for (int i = 0; i < POL_KEYS; i++)
		if (strcmp(infos[i].name, name) == 0)
			return i;
	return -1;
}

/* Which of the words @text is, or -1. */
static int word_of(const char *words, const char *text)
{
	size_t len = strlen(text);

	for (int i = 0; *words; i++) {
		const char *end = strchr(words, ' ');
		size_t n = end ? (size_t)(end - words) : strlen(words);

		if (n == len && strncmp(words, text, n) == 0)
			return i;
		words += n + (end != NULL);
	}
	return -1;
}

static bool number_of(const char *text, double *ret)
{
	double x = 0, place = 1;
	bool has_point = false, has_digit = false;

	for (; *text; text++) {
		if (*text == '.' && !has_point) {
			has_point = true;
		} else if (*text >= '0' && *text <= '9') {
			has_digit = true;
			x = x * 10 + (*text - '0');
			place = has_point ? place * 10 : place;
		} else {
			return false;
		}
	}
	*ret = x / place;
	return has_digit;
}

int pol_config_set_number(struct pol_config *config, enum pol_key key, double number)
{
	enum pol_key_type type = infos[key].type;

	if (type == POL_CHOICE || type == POL_SWITCH || !(number >= 0))
		return -EINVAL;
	if (type == POL_POSITIVE && pol_num(number) == 0)
		return -EINVAL;
	config->value[key] = pol_num(number);
	return 0;
}

int pol_config_set(struct pol_config *config, enum pol_key key, const char *text)
{
	const struct pol_key_info *info = &infos[key];
	double number;
	int word;

	switch (info->type) {
	case POL_CHOICE:
	case POL_SWITCH:
		word = word_of(info->type == POL_SWITCH ? "off on" : info->words, text);
		if (word < 0)
			return -EINVAL;
		config->value[key] = word;
		return 0;
	case POL_OR_OFF:
		if (strcmp(text, "off") == 0) {
			config->value[key] = POL_UNKNOWN;
			return 0;
		}
		break;
	case POL_NUMBER:
	case POL_POSITIVE:
		break;
	}
	return number_of(text, &number) ? pol_config_set_number(config, key, number) : -EINVAL;
}

void pol_config_init(struct pol_config *config)
{
	/* Defaults that name another key are no numbers: they stay unset, see pol_config_get(). */
	for (int i = 0; i < POL_KEYS; i++) {
		config->value[i] = POL_UNKNOWN;
		pol_config_set(config, i, infos[i].by_default);
	}
}

int64_t pol_config_get(const struct pol_config *config, enum pol_key key)
{
	int64_t value = config->value[key];

	if (pol_known(value))
		return value;
	if (key == POL_LEADER_NEXT_MAX)
		return config->value[POL_LEADER_MAX];
	if (key == POL_NODE_UNITS)
		return pol_num(POL_F(config->value[POL_NODE_USERS]) *
			       POL_F(config->value[POL_BASE_UNITS]));
	return value;
}
