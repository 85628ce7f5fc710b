# SPDX-License-Identifier: GPL-2.0-or-later
#
# hyperchaind. Included by the top Makefile, which has the rule for $(B)/obj/%.o.
#   daemon       $(B)/bin/hyperchaind
#   daemon-asan  $(B)/asan/bin/hyperchaind, with address and undefined-behaviour sanitizers
#   daemon-old   $(B)/old/bin/hyperchaind, that knows the cluster's state of version 1 only

daemon_srcs	:= $(wildcard daemon/*.c daemon/*/*.c)
daemon_protos	:= $(wildcard daemon/cluster/proto/*.proto)
daemon_gen	:= $(patsubst daemon/cluster/proto/%.proto,$(B)/gen/daemon/%.pb-c,$(daemon_protos))
daemon_pkgs	:= libuv libsystemd jansson libprotobuf-c libcap inih libgcrypt raft libnl-genl-3.0 libnl-route-3.0 libnl-3.0
daemon_libs	= $(shell pkg-config --libs $(daemon_pkgs))
daemon_cflags	= -I. -I$(B)/gen -Wno-unused-parameter -Wno-format-truncation -Wshadow -Wstrict-prototypes \
		  -Wmissing-prototypes $(shell pkg-config --cflags $(daemon_pkgs))

daemon_objs	:= $(daemon_srcs:%.c=$(B)/obj/%.o) $(daemon_gen:$(B)/gen/%=$(B)/obj/gen/%.o)
daemon_asan_objs := $(daemon_objs:$(B)/obj/%=$(B)/asan/obj/%)
daemon_asan_flags := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined \
		  -fno-sanitize-recover=undefined

.PHONY: daemon daemon-asan daemon-old install-daemon
daemon: $(B)/bin/hyperchaind
daemon-asan: $(B)/asan/bin/hyperchaind
daemon-old:
	@$(MAKE) --no-print-directory B=$(B)/old EXTRA_CFLAGS=-DHCD_FSM_VERSION=1 daemon

ALL		+= $(B)/bin/hyperchaind
INSTALL		+= daemon

$(B)/bin/hyperchaind: LDLIBS = $(daemon_libs)
$(B)/bin/hyperchaind: $(daemon_objs) $(B)/lib/libhcnl.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(daemon_objs): CFLAGS += $(daemon_cflags)

# The generated code is theirs, not ours: built with their warnings off.
$(daemon_gen:%=%.c) &: $(daemon_protos)
	@mkdir -p $(B)/gen/daemon
	$(call say,PROTOC,$(daemon_protos))
	$(Q)protoc-c --proto_path=daemon/cluster/proto --c_out=$(B)/gen/daemon $(daemon_protos)

$(daemon_gen:%=%.h): $(daemon_gen:%=%.c) ;
$(filter-out $(B)/obj/gen/%,$(daemon_objs)) $(filter-out $(B)/asan/obj/gen/%,$(daemon_asan_objs)): \
	| $(daemon_gen:%=%.h)

$(B)/obj/gen/daemon/%.o: $(B)/gen/daemon/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -w -MMD -MP -c -o $@ $<

# The sanitizer build links its own copy of the netlink library's sources.
daemon_asan_lib := $(patsubst %.c,$(B)/asan/obj/%.o,$(wildcard tools/lib/*.c))

$(B)/asan/bin/hyperchaind: LDLIBS = $(daemon_libs)
$(B)/asan/bin/hyperchaind: $(daemon_asan_objs) $(daemon_asan_lib)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $(daemon_asan_flags) -o $@ $^ $(LDLIBS)

$(B)/asan/obj/gen/daemon/%.o: $(B)/gen/daemon/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(daemon_cflags) $(daemon_asan_flags) -w -MMD -MP -c -o $@ $<

$(B)/asan/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC asan,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(daemon_cflags) -Itools/lib $(daemon_asan_flags) -MMD -MP \
		-c -o $@ $<

-include $(shell find $(B)/asan/obj -name '*.d' 2>/dev/null)

install-daemon: $(B)/bin/hyperchaind
	install -D -m 0755 $(B)/bin/hyperchaind $(DESTDIR)$(PREFIX)/sbin/hyperchaind
	install -D -m 0644 packaging/hyperchaind.service \
		$(DESTDIR)/lib/systemd/system/hyperchaind.service
	install -D -m 0644 packaging/hyperchain-container.service \
		$(DESTDIR)/lib/systemd/system/hyperchain-container.service
	install -D -m 0644 packaging/hyperchain-stats.service \
		$(DESTDIR)/lib/systemd/system/hyperchain-stats.service
	install -D -m 0644 packaging/hyperchain.conf $(DESTDIR)/etc/hyperchain/hyperchain.conf
	install -D -m 0644 tools/man/hyperchaind.8 $(DESTDIR)$(PREFIX)/share/man/man8/hyperchaind.8
	install -D -m 0644 tools/man/hyperchain.conf.5 \
		$(DESTDIR)$(PREFIX)/share/man/man5/hyperchain.conf.5
