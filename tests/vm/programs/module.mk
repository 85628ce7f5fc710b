# SPDX-License-Identifier: GPL-2.0-or-later
#
# Programs that run inside the lab's guests, beside what is installed there.
#   $(B)/bin/hc-hog   fills memory with patterns and checks them (static: works in any container)

#   $(B)/bin/hc-mover checks itself while it is moved from node to node

ALL		+= $(B)/bin/hc-hog $(B)/bin/hc-mover

.PHONY: vm-programs
vm-programs: $(B)/bin/hc-hog $(B)/bin/hc-mover

$(B)/bin/hc-hog $(B)/bin/hc-mover: $(B)/bin/hc-%: $(B)/obj/tests/vm/programs/%.o
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -static -o $@ $^
