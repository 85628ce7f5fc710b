# SPDX-License-Identifier: GPL-2.0-or-later
#
# Programs that the benchmarks run inside the lab's guests (static, as the guests' libraries are others):
#   $(B)/bin/hc-bench-faults      touches more memory than there is, counts faults
#   $(B)/bin/hc-bench-pingpong    a page between two programs over TCP
#   $(B)/bin/hc-bench-directread  O_DIRECT reads of a disk

BENCH_PROGRAMS	:= $(addprefix $(B)/bin/hc-bench-,faults pingpong directread)
ALL		+= $(BENCH_PROGRAMS)

.PHONY: bench-programs
bench-programs: $(BENCH_PROGRAMS)

$(BENCH_PROGRAMS): $(B)/bin/hc-bench-%: $(B)/obj/tests/bench/programs/%.o
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -static -o $@ $^
