# SPDX-License-Identifier: GPL-2.0-or-later
"""How large everything is; MB are MiB throughout."""

from dataclasses import dataclass

VALUE_PAGES = 8  # of guest/dataset.py


@dataclass(frozen=True)
class Shape:
    machine_mb: int    # RAM of n1, which runs the program
    donor_mb: int      # RAM of n2 and n3
    set_mb: int        # the program's data set
    container_mb: int  # memory.max of the user's container
    lend_mb: int       # what a donor lends at most
    swap_mb: int       # size of /dev/hcswap0
    copies_mb: int     # n1's disk: for second copies while there is one donor only
    layer_mb: int      # n1's disk: the container's own files
    stress_mb: int
    stress_passes: int # of writing and verifying all of it
    is_full: bool

    @property
    def values(self) -> int:
        return self.set_mb * 256 // VALUE_PAGES

    @property
    def factor(self) -> float:
        return self.set_mb / self.machine_mb

    @property
    def stress_factor(self) -> float:
        return self.stress_mb / self.machine_mb

    @property
    def scratch_mb(self) -> int:
        return self.copies_mb + self.layer_mb

    @property
    def stress_ops(self) -> int:
        """Its own count, one for each 32 KiB written; each pass is verified before the next one."""
        return self.stress_mb * 32 * self.stress_passes

    @property
    def away_mb(self) -> int:
        """What can't be in the container at any moment."""
        return self.set_mb - self.container_mb


# The data set is larger than any machine's RAM; without node 2 the pages that are away fit on node 3
# (one copy) and on the disk (the second).
FULL = Shape(machine_mb=272, donor_mb=408, set_mb=416, container_mb=140, lend_mb=312, swap_mb=544,
             copies_mb=800, layer_mb=224, stress_mb=412, stress_passes=1, is_full=True)

# For the tests: the same story in small. Here the container's limit is the small machine.
QUICK = Shape(machine_mb=256, donor_mb=256, set_mb=64, container_mb=36, lend_mb=96, swap_mb=104,
              copies_mb=384, layer_mb=128, stress_mb=56, stress_passes=1, is_full=False)
