# SPDX-License-Identifier: GPL-2.0-or-later
#
# hyperchain: everything starts here. `make help` lists the targets.
#
# Userspace parts bring a fragment each (tools/module.mk, daemon/module.mk) which
#   - adds what it builds to ALL,
#   - uses $(B) for the build folder, $(B)/obj/<path>.o for objects: the rule is below,
#   - adds flags for one object or program by target-specific variables
#     (`$(B)/bin/hyperchaind: LDLIBS += -luv`),
#   - adds shell lines for `make install` as a rule `install-<part>:` named in INSTALL.
# Packages a part needs are named in tests/deps/packages.txt, nowhere else.

HC_VERSION	:= 0.1.0
B		:= build

CC		?= gcc
CFLAGS		:= -std=gnu11 -O2 -g -Wall -Wextra -Werror -fno-strict-aliasing $(EXTRA_CFLAGS)
CPPFLAGS	:= -D_GNU_SOURCE -DHC_VERSION='"$(HC_VERSION)"' -Iinclude -Iinclude/uapi
LDFLAGS		:= $(EXTRA_LDFLAGS)

PREFIX		?= /usr
DESTDIR		?=

# The two kernels of Debian 12: the newest installed headers of each, amd64 flavour.
KVERS		:= 6.1 6.12
headers		= $(lastword $(shell printf '%s\n' \
			$(filter-out %-rt-amd64 %-cloud-amd64,$(wildcard /usr/src/linux-headers-$(1).*-amd64)) \
			| sort -V))
KDIR		?=
KOUT		?= $(B)/kmod

ALL		:=
INSTALL		:=

.DEFAULT_GOAL	:= all
MAKEFLAGS	+= --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:

# -- building --------------------------------------------------------------------------------

.PHONY: all userspace modules deps
all: deps-told userspace modules ## build all: module for both kernels, tools, daemon

-include tools/module.mk
-include daemon/module.mk
-include tests/vm/programs/module.mk
-include tests/bench/module.mk

userspace: deps-told $(ALL) ## build the tools and the daemon only

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)

# `make V=1` shows the commands.
ifeq ($(V),1)
Q		:=
say		:=
else
Q		:= @
say		= @printf '  %-7s %s\n' '$(1)' '$(2)'
endif

# kbuild builds external modules in place (the top Kbuild does), so here each kernel gets a mirror of
# kmod/ made of symbolic links in $(B)/kmod-<version>; $(B)/include stands beside it as include/
# stands beside kmod/. One build in a mirror at a time: the lock.
# 1 = kernel build tree, 2 = mirror
define kbuild
	@test -n "$(1)" && test -f "$(1)/Makefile" || { \
		echo "make: no kernel headers$(if $(1), in $(1)): run 'make deps', or name others with KDIR=..." >&2; \
		exit 1; }
	@mkdir -p $(2) && { test -e $(B)/include || ln -sn ../include $(B)/include || test -e $(B)/include; }
	@find $(2) -xtype l -delete
	@cd kmod && find . -type d -exec mkdir -p '$(abspath $(2))/{}' \; && \
		find . -type f \( -name '*.[ch]' -o -name Kbuild \) ! -name '*.mod.c' \
			-exec ln -sf '$(CURDIR)/kmod/{}' '$(abspath $(2))/{}' \;
	+@exec 9>$(2)/.lock; flock 9; $(MAKE) --no-print-directory -C $(1) M=$(abspath $(2)) KCFLAGS=-Werror modules >$(2)/.log 2>&1; rc=$$?; \
		grep -vE 'Skipping BTF generation|^  (CC|LD|MODPOST|BTF) |compiler differs|kernel was built by|You are using' \
			$(2)/.log >&2; exit $$rc
	$(call say,KO,$(2)/hyperchain.ko)
endef

ifneq ($(KDIR),)
modules: ## build hyperchain.ko for both kernels, or for KDIR=/path/to/headers into KOUT=build/kmod
	$(call kbuild,$(KDIR),$(KOUT))
else
modules: $(addprefix modules-,$(KVERS))
endif

.PHONY: $(addprefix modules-,$(KVERS))
$(addprefix modules-,$(KVERS)): modules-%:
	$(call kbuild,$(call headers,$*),$(B)/kmod-$*)

# -- what it needs from Debian ---------------------------------------------------------------

# `make` only says what is missing; check, demo and bench install it first (as root).
.PHONY: deps-told
deps-told:
	@tests/deps/ensure --tell build

deps: ## install every Debian package that building and testing needs (root)
	@tests/deps/ensure build check lab desktop bench

# -- testing ---------------------------------------------------------------------------------

.PHONY: check check-fast check-full lint unit simulate-test demo bench soak debug-kernel
check: ## the tests: gates, unit, fuzz, virtual machines (installs what is missing, as root)
	@tests/deps/ensure build check lab
	@tests/check ci

check-fast: ## the tests that need no virtual machine: about three minutes
	@tests/deps/ensure build check
	@tests/check fast

check-full: ## every test, on both kernels; the desktop's panel, too
	@tests/deps/ensure build check lab desktop
	@tests/check full

lint: ## the style gates alone (GATE=name for one)
	@tests/lint/run $(GATE)

unit: ## the unit tests alone (TEST=name for one)
	@$(MAKE) --no-print-directory -f tests/unit/Makefile run $(if $(TEST),TEST=$(TEST))

simulate-test: userspace ## the policy's rules by hyperchain simulate (TEST=name for some, RUNS=n random states each)
	@tests/simulate/run $(if $(TEST),-k $(TEST)) $(if $(RUNS),--runs $(RUNS))

fuzz: ## the fuzz targets, RUNS=n inputs each
	@$(MAKE) --no-print-directory -f tests/unit/Makefile fuzz $(if $(RUNS),RUNS=$(RUNS))

demo: ## three machines run one program that fits on none of them (installs what is missing)
	@tests/deps/ensure build lab
	@$(MAKE) --no-print-directory all
	@tests/vm/demo

bench: ## measure against NBD and NVMe/TCP in the same guests, writes build/bench.json
	@tests/deps/ensure build lab bench
	@$(MAKE) --no-print-directory all
	@tests/bench/run

soak: ## the long tests and the fuzz targets ten times over, added up in build/soak.json; PART=k/n does a part of them
	@tests/deps/ensure build check lab
	@$(MAKE) --no-print-directory all
	@tests/vm/soak $(PART)

debug-kernel: ## build the kernel with KASAN, lockdep and kmemleak that the debug tests boot
	@tests/deps/ensure build lab debug-kernel
	@tests/vm/debug-kernel

# -- installing ------------------------------------------------------------------------------

.PHONY: install deb clean help
install: $(addprefix install-,$(INSTALL)) ## install tools and daemon below DESTDIR and PREFIX (the module: make deb)

deb: userspace ## build the two packages, hyperchain-dkms and hyperchain, into build/deb
	@packaging/build $(HC_VERSION) $(B)/deb

clean: ## remove everything that was built (the lab's cached images too)
	rm -rf $(B)

help: ## this list
	@echo "hyperchain $(HC_VERSION)"
	@echo
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { sub(/ .*/, "", $$1); printf "  make %-14s %s\n", $$1, $$2 }' \
		$(MAKEFILE_LIST)
	@echo
	@echo "  V=1 shows the commands. Start with: make demo"

# `make -s print-KDIR-6.12`: which headers a kernel's module is built against
print-KDIR-%:
	@echo $(call headers,$*)
print-%:
	@echo $($*)
