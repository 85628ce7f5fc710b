/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keys of SPEC's rules: every threshold, period, policy and window, one row each. The simulator
 * and the daemon's configuration read the same table. Pure.
 */
#ifndef HCD_POLICY_CONFIG_H
#define HCD_POLICY_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/policy/num.h"

enum pol_window { POL_HOUR, POL_DAY, POL_WEEK, POL_MONTH, POL_WINDOWS };

enum pol_key_type {
	POL_NUMBER,	/* any number >= 0; seconds where the unit says so */
	POL_POSITIVE,	/* > 0: others are divided by it */
	POL_CHOICE,	/* one of the words */
	POL_SWITCH,	/* on, off; in JSON also true, false */
	POL_OR_OFF,	/* a number >= 0, or off */
};

/* Append only: the daemon stores values by name, never by number. */
enum pol_key {
	POL_VIEW_USERS_MAX, POL_VIEW_LOAD_MAX, POL_R4_WINDOW,
	POL_SURGE_HIGH, POL_SURGE_LOW, POL_SURGE_HOLD,
	POL_JOIN_SOURCES, POL_R6_WINDOW,
	POL_IDLE_PERIOD, POL_SPARE_IDLE, POL_R7_WINDOW,
	POL_FAILURE_TIMEOUT, POL_CHECKPOINT_PERIOD, POL_RECOVER_POLICY, POL_R8_WINDOW,
	POL_CONSOLIDATE_PERIOD, POL_CONSOLIDATE_BELOW, POL_CONSOLIDATE_POLICY, POL_R9_WINDOW,
	POL_BALANCE_PERIOD, POL_BALANCE_GAP, POL_BALANCE_HIGH, POL_MOVE_COST, POL_MOVE_REST,
	POL_PLACE_AT_EXEC,
	POL_LEADER_MAX, POL_LEADER_NEXT_MAX, POL_R11_WINDOW,
	POL_NODE_MAX, POL_OVERLOAD_MODE, POL_SPARE_RETURN, POL_SPARE_HOLD,
	POL_CANDIDATE_MAX, POL_NODE_USERS, POL_NODE_UNITS, POL_CANDIDATE_PROCESSES, POL_R14_WINDOW,
	POL_BASE_UNITS, POL_R15_WINDOW,
	POL_TABLE_UNITS, POL_TABLE_CPUS, POL_TABLE_MEMORY, POL_TABLE_STORAGE, POL_TABLE_DAY,
	POL_TABLE_WEEK, POL_TABLE_JOBS,
	POL_REVIEW_PERIOD, POL_REVIEW_WINDOW, POL_GROW_USAGE, POL_GROW_LOAD, POL_SHRINK_MIN,
	POL_SHRINK_USAGE, POL_SHRINK_LOAD, POL_R16_WINDOW,
	POL_SPARE_PERIOD, POL_SPARE_LEND, POL_SPARE_MEAN, POL_R18_WINDOW,
	POL_PRICE,
	POL_KEYS
};

/* Values of the choices, in the order of their words. */
enum { POL_RECOVER_RETURN, POL_RECOVER_SWAP };
enum { POL_CONSOLIDATE_FREE, POL_CONSOLIDATE_SECOND };
enum { POL_OVERLOAD_HIGHEST, POL_OVERLOAD_ALL };
enum { POL_REVIEW_ALL, POL_REVIEW_USED };
enum { POL_MEAN_CURRENT, POL_MEAN_HOUR };

struct pol_key_info {
	const char *name;	/* unit_table.cpus: field cpus of the object unit_table */
	enum pol_key_type type;
	const char *by_default;
	const char *words;	/* of a choice: "return swap" */
	unsigned int rule;
	const char *help;	/* one sentence */
};

struct pol_config {
	int64_t value[POL_KEYS]; /* billionths; choices and switches 0, 1, ...; off: POL_UNKNOWN */
};

/* The table, POL_KEYS rows. Static memory. */
const struct pol_key_info *pol_key_info(enum pol_key key);

/* Every key at its default. */
void pol_config_init(struct pol_config *config);

/* Return: the key of that name, or -1. */
int pol_key_find(const char *name);

/**
 * pol_config_set - take in a value as text, as an INI file has it
 *
 * Numbers: digits with at most one point; POL_CHOICE, POL_SWITCH and "off" by word.
 * Return: 0, -EINVAL: not of the key's type, or out of its range; nothing is changed then.
 */
int pol_config_set(struct pol_config *config, enum pol_key key, const char *text);

/* The same with a number: 0, or -EINVAL when the key takes none, or not that one. */
int pol_config_set_number(struct pol_config *config, enum pol_key key, double number);

/* A value, with the defaults that follow other keys. POL_UNKNOWN: off. */
int64_t pol_config_get(const struct pol_config *config, enum pol_key key);

#endif /* HCD_POLICY_CONFIG_H */
