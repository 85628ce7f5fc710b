# SPDX-License-Identifier: GPL-2.0-or-later
"""Random page faults with the checksum of each page, as shipped, against the same without.

Measured: faults as in swap_random_nbd.py, one copy on one donor; the disk is taken off and
put on between runs, once with checksums and once with --no-checksum. What is under 0.95 costs
more than the 5 % up to which it is on by default.
Not measured: the sum of longer requests; reads and writes apart.
"""

from benchkit.field import SET_MB, WORK_S, Field, turned
from benchkit.figure import Figure, Samples
from benchkit.ground import Ground
from benchkit.rivals import DISK_MB

GROUND = Ground(("hyperchain 1",), donors=1)
FIGURE = Figure("swap.checksum", "faults/s", 0.95, "the same disk with --no-checksum")

WAYS = {"with": "", "without": "--no-checksum"}


def measure(field: Field) -> Samples:
    taken: dict[str, list[float]] = {way: [] for way in WAYS}
    field.borrower.run("sysctl -qw vm.page-cluster=0")
    for number in range(field.rounds):
        for way in turned(list(WAYS), number):
            field.cluster.swap_off()
            field.cluster.swap_on(size=f"{DISK_MB}M", more=WAYS[way])
            taken[way].append(field.run("hyperchain 1", f"hc-bench-faults random {SET_MB} {WORK_S}").faults_per_s)
            field.say(f"checksum round {number + 1}/{field.rounds}  {way:7} {taken[way][-1]:7.0f} faults/s")
    return Samples(taken["with"], taken["without"])
