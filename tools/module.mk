# SPDX-License-Identifier: GPL-2.0-or-later
#
# tools: the netlink library and the hyperchain command.
#   make tools       build/bin/hyperchain, build/lib/libhcnl.a
#   make tools-asan  the same with address and undefined-behaviour sanitizers, in build/asan/

HCNL_SRC	:= $(sort $(wildcard tools/lib/*.c))
HCNL_OBJ	:= $(HCNL_SRC:%.c=$(B)/obj/%.o)
# The pure rules are shared with the daemon: the very same code decides in `hyperchain simulate`.
# The panel's model and what feeds it are shared with the desktop's panel.
PANEL_SRC	:= tools/panel/feed.c tools/panel/model.c
TOOLS_SRC	:= $(sort $(wildcard tools/*.c tools/cmd/*.c tools/simulate/*.c daemon/policy/*.c) $(PANEL_SRC))
TOOLS_OBJ	:= $(TOOLS_SRC:%.c=$(B)/obj/%.o)

# What a program that links libhcnl.a needs as well.
HCNL_CPPFLAGS	:= -Itools/lib $(shell pkg-config --cflags libnl-genl-3.0 jansson 2>/dev/null)
HCNL_LIBS	:= $(or $(shell pkg-config --libs libnl-genl-3.0 jansson 2>/dev/null),-lnl-genl-3 -lnl-3 -ljansson) \
		   -lpthread

# The terminal's panel: linked in, so that the command asks a node for no library but these few.
NEWT_LIBS	:= -Wl,--no-warnings -l:libnewt.a -l:libslang.a -lm -ldl

# The module's helpers: no library that a program's root might replace, and at a fixed place.
HELPERS		:= $(B)/bin/hyperchain-shadow $(B)/bin/hyperchain-restore $(B)/bin/hyperchain-init

# Starts containers for the daemon, with liblxc.
CONTAINER_PKGS	:= lxc libarchive jansson libgcrypt libsystemd
CONTAINER_OBJ	:= $(patsubst %.c,$(B)/obj/%.o,$(sort $(wildcard tools/container/*.c)) tools/helper/filter.c)
CONTAINER	:= $(B)/bin/hyperchain-container

# What an environment sees as its machine, by FUSE.
VIEW_OBJ	:= $(patsubst %.c,$(B)/obj/%.o,$(sort $(wildcard tools/view/*.c)))
VIEW		:= $(B)/bin/hyperchain-view

# The desktop's panel is the only program with GTK, which is 75 packages and 100 MB that no server
# needs: where that is missing the rest is built without it.
DOCK_OBJ	:= $(B)/obj/tools/panel/dock.o $(B)/obj/tools/panel/picture.o
DOCK		:= $(B)/bin/hyperchain-panel
DOCK_SHARED	:= $(patsubst %,$(B)/obj/tools/%.o,panel/feed panel/model cli daemon format json table)

# Loads over time, by librrd: optional on a node, so its own program and package.
STATS_PKGS	:= librrd jansson libsystemd
STATS_OBJ	:= $(patsubst %.c,$(B)/obj/%.o,$(sort $(wildcard tools/stats/*.c)))
STATS		:= $(B)/bin/hyperchain-stats

ALL		+= $(B)/bin/hyperchain $(B)/lib/libhcnl.a $(HELPERS) $(CONTAINER) $(VIEW) $(STATS)
INSTALL		+= tools
ifeq ($(shell pkg-config --exists gtk+-3.0 && echo yes),yes)
ALL		+= $(DOCK)
INSTALL		+= panel
else
ALL		+= no-panel
endif

$(HCNL_OBJ) $(TOOLS_OBJ): CPPFLAGS += $(HCNL_CPPFLAGS)
$(TOOLS_OBJ): CPPFLAGS += -Itools -I.

.PHONY: tools tools-asan install-tools install-panel
tools: $(B)/bin/hyperchain $(B)/lib/libhcnl.a ## build the hyperchain command and its library only

$(B)/lib/libhcnl.a: $(HCNL_OBJ)
	@mkdir -p $(@D)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/bin/hyperchain: $(TOOLS_OBJ) $(B)/lib/libhcnl.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(HCNL_LIBS) $(NEWT_LIBS)

# Answers for those in the container; who comes in by the container helper joins them.
$(B)/bin/hyperchain-init: $(B)/obj/tools/helper/answer.o $(B)/obj/tools/helper/filter.o \
			  $(B)/obj/tools/helper/init_vnc.o

$(HELPERS): $(B)/bin/hyperchain-%: $(B)/obj/tools/helper/%.o
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) -static -no-pie -o $@ $^ -lpthread

$(CONTAINER_OBJ): CPPFLAGS += -I. -Wno-format-truncation $(shell pkg-config --cflags $(CONTAINER_PKGS) 2>/dev/null)

$(CONTAINER): $(CONTAINER_OBJ)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(shell pkg-config --libs $(CONTAINER_PKGS))

$(VIEW_OBJ): CPPFLAGS += -Wno-format-truncation $(shell pkg-config --cflags fuse3 2>/dev/null)

$(VIEW): $(VIEW_OBJ)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(shell pkg-config --libs fuse3)

$(DOCK_OBJ): CPPFLAGS += -Itools $(HCNL_CPPFLAGS) $(shell pkg-config --cflags gtk+-3.0 2>/dev/null)

$(DOCK): $(DOCK_OBJ) $(DOCK_SHARED) $(B)/lib/libhcnl.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(HCNL_LIBS) $(shell pkg-config --libs gtk+-3.0) -lm

.PHONY: no-panel
no-panel:
	@echo "  SKIP    hyperchain-panel, the desktop's panel: libgtk-3-dev is missing ('make deps' installs it)"

install-panel: $(DOCK)
	install -D -m 755 $(DOCK) $(DESTDIR)$(PREFIX)/bin/hyperchain-panel

$(STATS_OBJ): CPPFLAGS += -Wno-format-truncation $(shell pkg-config --cflags $(STATS_PKGS) 2>/dev/null)

$(STATS): $(STATS_OBJ)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(shell pkg-config --libs $(STATS_PKGS)) -lm

tools-asan: ## the same with sanitizers, in build/asan/
	@$(MAKE) --no-print-directory B=$(B)/asan tools \
		EXTRA_CFLAGS='-fsanitize=address,undefined -fno-omit-frame-pointer' \
		EXTRA_LDFLAGS='-fsanitize=address,undefined'

install-tools: $(B)/bin/hyperchain $(HELPERS) $(CONTAINER) $(VIEW) $(STATS)
	install -D -m 755 $(B)/bin/hyperchain $(DESTDIR)$(PREFIX)/bin/hyperchain
	install -D -m 644 tools/completion/hyperchain.bash \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/hyperchain
	for h in $(HELPERS) $(CONTAINER) $(VIEW) $(STATS); do \
		install -D -m 755 $$h $(DESTDIR)$(PREFIX)/lib/hyperchain/$${h##*/}; \
	done
	for m in tools/man/*.8; do \
		install -D -m 644 $$m $(DESTDIR)$(PREFIX)/share/man/man8/$${m##*/}; \
	done
