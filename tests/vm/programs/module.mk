# SPDX-License-Identifier: GPL-2.0-or-later
#
# Programs that run inside the lab's guests, beside what is installed there.
#   $(B)/bin/hc-hog   fills memory with patterns and checks them (static: works in any container)

ALL		+= $(B)/bin/hc-hog

.PHONY: vm-programs
vm-programs: $(B)/bin/hc-hog

$(B)/bin/hc-hog: $(B)/obj/tests/vm/programs/hog.o
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -static -o $@ $^
