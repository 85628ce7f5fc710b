/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command that a cluster begins with: one member, node 1. For tests of the replicated state. */
#ifndef _TESTS_FSM_BEGIN_H
#define _TESTS_FSM_BEGIN_H

#include "daemon/cluster/fsm.h"

#define FSM_KEY_LEN	32

struct fsm_begin {
	Hcp__Command command;
	Hcp__State state;
	Hcp__Member member, *members;
};

/** fsm_begin_init() - fill in @b; @key (FSM_KEY_LEN bytes) is borrowed. @b stays where it is */
static inline Hcp__Command *fsm_begin_init(struct fsm_begin *b, uint32_t version,
					   uint64_t incarnation, uint8_t *key)
{
	*b = (struct fsm_begin){ HCP__COMMAND__INIT, HCP__STATE__INIT, HCP__MEMBER__INIT, NULL };
	b->member.id = 1;
	b->member.name = "n1";
	b->member.address = "10.0.0.1";
	b->member.port = 7701;
	b->member.key = (ProtobufCBinaryData){ FSM_KEY_LEN, key };
	b->members = &b->member;
	b->state.version = version;
	b->state.cluster = (ProtobufCBinaryData){ 8, (uint8_t *)"cluster" };
	b->state.name = "test";
	b->state.incarnation = incarnation;
	b->state.next_decision = 1;
	b->state.next_node = 2;
	b->state.members = &b->members;
	b->state.n_members = 1;
	b->command.what_case = HCP__COMMAND__WHAT_BEGIN;
	b->command.begin = &b->state;
	return &b->command;
}

#endif /* _TESTS_FSM_BEGIN_H */
