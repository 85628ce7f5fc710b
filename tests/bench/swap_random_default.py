# SPDX-License-Identifier: GPL-2.0-or-later
"""Random page faults with what is shipped as default, against NBD swap on the same network.

Measured: as swap_random_two_copies.py, but the three guests are a cluster whose members
reach each other through WireGuard only (hc0), as `hyperchain cluster init` makes it; NBD
with one copy goes through the same WireGuard interface, with the same connections.
Not measured: what the daemons' own traffic costs, which goes on for both alike.
"""

from benchkit.field import Field
from benchkit.figure import Figure, Samples
from benchkit.ground import Ground

GROUND = Ground(("hyperchain 2", "nbd"), donors=2, is_encrypted=True)
FIGURE = Figure("swap.random.default", "faults/s", 1.0, "NBD swap with one copy, over WireGuard")


def measure(field: Field) -> Samples:
    ours = field.of("hyperchain 2", "random", 0)
    peer = field.of("nbd", "random", 0)
    return Samples([run.faults_per_s for run in ours], [run.faults_per_s for run in peer])
