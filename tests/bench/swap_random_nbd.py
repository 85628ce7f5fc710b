# SPDX-License-Identifier: GPL-2.0-or-later
"""Random page faults against NBD swap.

Measured: major faults a second of one program that touches any of its pages next and
writes every third, working set twice its cgroup's memory.max, one donor, one copy,
page-cluster 0; peer: nbdkit's memory plugin, with the same number of connections.
Our disk checks every page's sum, as shipped; NBD has none.
Not measured: several programs at once, more than one CPU, read-ahead, real networks.
"""

from benchkit.field import Field
from benchkit.figure import Figure, Samples

FIGURE = Figure("swap.random.nbd", "faults/s", 2.0, "NBD swap (nbdkit memory)")


def measure(field: Field) -> Samples:
    ours = field.of("hyperchain 1", "random", 0)
    peer = field.of("nbd", "random", 0)
    return Samples([run.faults_per_s for run in ours], [run.faults_per_s for run in peer])
