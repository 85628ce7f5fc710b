// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What members say to each other about the cluster: the engine's messages, and
 * commands and states of the replicated state machine. Whatever comes, it is
 * refused whole, or it is within bounds and can be said again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cluster/consensus_wire.h"
#include "daemon/cluster/fsm.h"

#include "fuzz.h"

static void engine(const uint8_t *data, size_t len)
{
	struct raft_message msg;
	uint64_t stamp;
	uint8_t *again;
	size_t again_len;

	if (hcd_raft_unpack(data, len, &msg, &stamp) < 0)
		return;
	FUZZ_ASSERT(msg.type >= RAFT_IO_APPEND_ENTRIES && msg.type <= RAFT_IO_TIMEOUT_NOW);
	if (msg.type == RAFT_IO_APPEND_ENTRIES) {
		FUZZ_ASSERT(msg.append_entries.n_entries <= HCD_RAFT_ENTRIES_MAX);
		for (unsigned int i = 0; i < msg.append_entries.n_entries; i++)
			FUZZ_ASSERT(msg.append_entries.entries[i].term <= msg.append_entries.term);
	}
	FUZZ_ASSERT(hcd_raft_pack(&msg, stamp, &again, &again_len) == 0);
	free(again);
	hcd_raft_message_free(&msg);
}

static struct hcd_fsm *fsm;

static void machine(const uint8_t *data, size_t len)
{
	struct hcd_result res;
	uint8_t *state;
	size_t state_len;
	int r;

	if (!fsm) {
		fsm = malloc(sizeof(*fsm));
		hcd_fsm_init(fsm, HCD_FSM_VERSION);
	}
	r = hcd_fsm_apply(fsm, data, len, &res);
	FUZZ_ASSERT(r == 0 || r == -EBADMSG || r == -EPROTONOSUPPORT);
	FUZZ_ASSERT(r != 0 || res.error == 0 || res.text[0]);
	if (hcd_fsm_restore(fsm, data, len) == 0 || (r == 0 && fsm->incarnation)) {
		FUZZ_ASSERT(hcd_fsm_encode(fsm, &state, &state_len) == 0);
		FUZZ_ASSERT(hcd_fsm_restore(fsm, state, state_len) == 0);
		free(state);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	engine(data, len);
	machine(data, len);
	return 0;
}

static size_t seed_command(unsigned int i, uint8_t *data, size_t max)
{
	static uint8_t bytes[32] = "a key of thirty-two bytes here..";
	Hcp__Command c = HCP__COMMAND__INIT;
	Hcp__State st = HCP__STATE__INIT;
	Hcp__Member m = HCP__MEMBER__INIT, *list = &m;
	Hcp__Token t = HCP__TOKEN__INIT;
	Hcp__Setting s = HCP__SETTING__INIT;
	Hcp__Step step = HCP__STEP__INIT;
	Hcp__Kept kept = HCP__KEPT__INIT, *kepts[] = { &kept };
	Hcp__KeptUser user = HCP__KEPT_USER__INIT;
	Hcp__KeptSeat seat = HCP__KEPT_SEAT__INIT, *seats[] = { &seat };
	Hcp__Decision d = HCP__DECISION__INIT, *decisions[] = { &d };
	Hcp__Counter counter = HCP__COUNTER__INIT, *counter_list[] = { &counter };
	Hcp__Counters counters = HCP__COUNTERS__INIT;
	Hcp__Charge charge = HCP__CHARGE__INIT, *charges[] = { &charge };
	uint8_t packed[64];

	seat.node = 1 + i % 3;
	seat.is_own = seat.is_active = true;
	user.is_known = true;
	user.seats = seats;
	user.n_seats = 1;
	kept.kind = HCD_KEPT_USER;
	kept.key = i & 16 ? "A" : "B";
	kept.data.data = packed;
	kept.data.len = hcp__kept_user__pack(&user, packed);
	step.after = i / 16 % 4;
	step.changes = kepts;
	step.n_changes = 1;
	step.decisions = decisions;
	step.n_decisions = 1;
	d.kind = "allocate";
	d.rule = "R15";
	counter.user = charge.user = "A";
	counter.run = counter.cpu_us = i;
	counters.counters = counter_list;
	counters.n_counters = 1;
	c.at_ms = 3600000ULL * i;
	c.version = 1;
	m.id = i & 8 ? 2 : 1;
	m.name = "n1";
	m.address = "10.0.0.1";
	m.port = 1;
	m.key = (ProtobufCBinaryData){ 32, bytes };
	m.token = t.id = (ProtobufCBinaryData){ 16, bytes };
	t.expires_s = 1;
	s.key = s.value = "x";
	st.version = 1;
	st.cluster = (ProtobufCBinaryData){ 8, bytes };
	st.name = "c";
	st.incarnation = 1 + i / 16;
	st.next_node = 2;
	st.next_decision = 1;
	st.members = &list;
	st.n_members = 1;
	switch (i % 11) {
	case 0:
		c.what_case = HCP__COMMAND__WHAT_BEGIN;
		c.begin = &st;
		break;
	case 1:
		c.what_case = HCP__COMMAND__WHAT_TOKEN_ADD;
		c.token_add = &t;
		break;
	case 2:
		c.what_case = HCP__COMMAND__WHAT_JOIN;
		c.join = &m;
		break;
	case 3:
		c.what_case = HCP__COMMAND__WHAT_SET;
		c.set = &s;
		break;
	case 4:
		c.what_case = HCP__COMMAND__WHAT_DEAD;
		c.dead = &m;
		break;
	case 5:
		c.what_case = HCP__COMMAND__WHAT_ALIVE;
		c.alive = &m;
		break;
	case 6:
		c.what_case = HCP__COMMAND__WHAT_REMOVE;
		c.remove = 2;
		break;
	case 7:
		c.version = 2;
		c.what_case = HCP__COMMAND__WHAT_STEP;
		c.step = &step;
		break;
	case 8:
		c.version = 2;
		c.what_case = HCP__COMMAND__WHAT_COUNTERS;
		c.counters = &counters;
		break;
	case 9:
		st.kept = kepts;
		st.n_kept = 1;
		st.charges = charges;
		st.n_charges = 1;
		st.counters = counter_list;
		st.n_counters = 1;
		st.charged_ms = 5;
		FUZZ_ASSERT(hcp__state__get_packed_size(&st) <= max);
		return hcp__state__pack(&st, data);
	default:
		FUZZ_ASSERT(hcp__state__get_packed_size(&st) <= max);
		return hcp__state__pack(&st, data);
	}
	FUZZ_ASSERT(hcp__command__get_packed_size(&c) <= max);
	return hcp__command__pack(&c, data);
}

static size_t seed_engine(unsigned int i, uint8_t *data, size_t max)
{
	static uint8_t bytes[8] = "entry";
	Hcp__Raft m = HCP__RAFT__INIT;
	Hcp__RaftEntry e = HCP__RAFT_ENTRY__INIT, *entries[] = { &e, &e };
	Hcp__RaftServer s = HCP__RAFT_SERVER__INIT, *servers[] = { &s };

	m.type = 1 + i % 6;
	m.term = 3;
	m.last_index = m.servers_index = 2;
	m.last_term = 1;
	e.term = 2;
	e.type = 1;
	e.data = (ProtobufCBinaryData){ 8, bytes };
	s.id = 1;
	s.role = 1;
	if (m.type == RAFT_IO_APPEND_ENTRIES) {
		m.entries = entries;
		m.n_entries = 2;
	} else if (m.type == RAFT_IO_INSTALL_SNAPSHOT) {
		m.servers = servers;
		m.n_servers = 1;
		m.data = e.data;
	}
	FUZZ_ASSERT(hcp__raft__get_packed_size(&m) <= max);
	return hcp__raft__pack(&m, data);
}

size_t fuzz_seed(unsigned int i, uint8_t *data, size_t max)
{
	return i & 1 ? seed_command(i / 2, data, max) : seed_engine(i / 2, data, max);
}
