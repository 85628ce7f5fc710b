# SPDX-License-Identifier: GPL-2.0-or-later
"""Random page faults with two copies, against NBD swap with one.

Measured: as swap_random_nbd.py, but each page goes to two donors; NBD has no such
thing and keeps its one copy. Three guests.
Not measured: what a lost donor costs.
"""

from benchkit.field import Field
from benchkit.figure import Figure, Samples
from benchkit.ground import Ground

GROUND = Ground(("hyperchain 2", "nbd"), donors=2)
FIGURE = Figure("swap.random.two_copies", "faults/s", 1.0, "NBD swap with one copy")


def measure(field: Field) -> Samples:
    ours = field.of("hyperchain 2", "random", 0)
    peer = field.of("nbd", "random", 0)
    return Samples([run.faults_per_s for run in ours], [run.faults_per_s for run in peer])
