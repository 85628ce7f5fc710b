# SPDX-License-Identifier: GPL-2.0-or-later
# Unit tests of daemon/. The channel's messages are generated here too, into $(B)/gen.
DAEMON_PKGS		:= libprotobuf-c libgcrypt jansson inih raft libuv
DAEMON_FLAGS		:= -I. -I$(B)/gen -Wno-unused-parameter -Wno-format-truncation
DAEMON_LIBS		:= $(shell pkg-config --libs $(DAEMON_PKGS))
# Its own folder: make -j may build hyperchaind at the same time.
DAEMON_GEN		:= $(B)/unit/gen
DAEMON_CHANNEL		:= $(DAEMON_GEN)/daemon/channel.pb-c
DAEMON_CLUSTER		:= $(DAEMON_GEN)/daemon/cluster.pb-c
DAEMON_FSM		:= daemon/cluster/fsm.c daemon/cluster/fsm_encode.c daemon/cluster/fsm_step.c \
			   daemon/cluster/fsm_usage.c daemon/cluster/text.c daemon/node/config.c

UNIT			+= test_daemon_frame test_daemon_auth test_daemon_config test_daemon_state \
			   test_daemon_peer test_daemon_fsm test_daemon_step test_daemon_consensus test_daemon_engine test_daemon_secret \
			   test_daemon_load test_daemon_process test_daemon_rules test_daemon_disk \
			   test_daemon_join test_daemon_chan
test_daemon_frame_SRC	:= daemon/cluster/frame.c
test_daemon_auth_SRC	:= daemon/cluster/handshake.c daemon/cluster/auth.c daemon/cluster/frame.c \
			   daemon/cluster/text.c
test_daemon_config_SRC	:= daemon/node/config.c daemon/cluster/text.c
test_daemon_state_SRC	:= daemon/node/state.c daemon/node/file.c daemon/node/config.c daemon/cluster/text.c
test_daemon_load_SRC	:= daemon/node/load.c
test_daemon_process_SRC	:= daemon/node/process.c daemon/node/process_look.c \
			   daemon/policy/order.c daemon/cluster/text.c
test_daemon_peer_SRC	:= daemon/policy/peer.c daemon/policy/env.c
test_daemon_fsm_SRC	:= $(DAEMON_FSM)
test_daemon_step_SRC	:= $(DAEMON_FSM) daemon/cluster/clock.c
test_daemon_consensus_SRC := $(DAEMON_FSM)
test_daemon_join_SRC	:= daemon/cluster/join.c daemon/cluster/token.c daemon/cluster/secret.c \
			   daemon/cluster/auth.c $(DAEMON_FSM)
test_daemon_chan_SRC	:= daemon/cluster/chan.c daemon/cluster/handshake.c daemon/cluster/auth.c \
			   daemon/cluster/frame.c daemon/cluster/text.c daemon/node/config.c
test_daemon_disk_SRC	:= daemon/cluster/control_disk.c
test_daemon_engine_SRC	:= $(wildcard daemon/cluster/consensus*.c)
test_daemon_rules_SRC	:= $(DAEMON_FSM) $(wildcard daemon/cluster/rules*.c daemon/policy/*.c)
test_daemon_secret_SRC	:= daemon/cluster/secret.c daemon/cluster/token.c daemon/cluster/auth.c \
			   daemon/node/config.c daemon/cluster/text.c

FUZZ			+= fuzz_daemon_frame fuzz_daemon_consensus
fuzz_daemon_frame_SRC	:= daemon/cluster/handshake.c daemon/cluster/auth.c daemon/cluster/frame.c \
			   daemon/cluster/text.c

fuzz_daemon_consensus_SRC := $(DAEMON_FSM) daemon/cluster/consensus_wire.c

DAEMON_TESTS		:= $(filter test_daemon_% fuzz_daemon_%,$(UNIT) $(FUZZ))
$(foreach t,$(DAEMON_TESTS),$(eval $(t)_FLAGS := -I$(DAEMON_GEN) $(DAEMON_FLAGS)))
$(foreach t,$(DAEMON_TESTS),$(eval $(t)_LIBS := $(DAEMON_LIBS)))

# The protobuf messages, generated code built with its own warnings off.
$(DAEMON_CHANNEL).c $(DAEMON_CHANNEL).h $(DAEMON_CLUSTER).c $(DAEMON_CLUSTER).h &: \
		daemon/cluster/proto/channel.proto daemon/cluster/proto/cluster.proto
	@mkdir -p $(@D)
	@protoc-c --proto_path=daemon/cluster/proto --c_out=$(DAEMON_GEN)/daemon $^

$(DAEMON_GEN)/daemon/%.o: $(DAEMON_GEN)/daemon/%.c
	@$(CC) $(CPPFLAGS) $(CFLAGS) -w -c -o $@ $<

# Who uses them: their objects are linked in, and their headers are there first.
DAEMON_CHANNEL_USERS	:= $(B)/unit/test_daemon_auth $(B)/unit/test_daemon_chan $(B)/fuzz/fuzz_daemon_frame
DAEMON_CLUSTER_USERS	:= $(B)/unit/test_daemon_fsm $(B)/unit/test_daemon_step $(B)/unit/test_daemon_consensus $(B)/unit/test_daemon_engine \
			   $(B)/unit/test_daemon_secret \
			   $(B)/unit/test_daemon_rules $(B)/unit/test_daemon_disk $(B)/unit/test_daemon_join \
			   $(B)/fuzz/fuzz_daemon_consensus
$(DAEMON_CHANNEL_USERS): $(DAEMON_CHANNEL).o
$(DAEMON_CLUSTER_USERS): $(DAEMON_CLUSTER).o
$(foreach t,$(DAEMON_TESTS),$(eval $(patsubst %.c,$(B)/$(if $(filter fuzz_%,$(t)),fuzz,unit)/$(t).obj/%.o,\
	$($(t)_SRC) tests/$(if $(filter fuzz_%,$(t)),fuzz,unit)/$(t).c): \
	| $(DAEMON_CHANNEL).h $(DAEMON_CLUSTER).h))

PURE			+= $(wildcard daemon/policy/*.c)
$(B)/pure/daemon/%.o: PURE_FLAGS := -I. -Iinclude -Iinclude/uapi
