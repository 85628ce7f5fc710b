# SPDX-License-Identifier: GPL-2.0-or-later
"""Random page faults against NVMe/TCP swap.

Measured: as swap_random_nbd.py; peer: the kernel's own nvmet over TCP on a RAM disk
(brd), one connection to read and one to write, no data digest, no multipath.
Not measured: as there.
"""

from benchkit.field import Field
from benchkit.figure import Figure, Samples

FIGURE = Figure("swap.random.nvme", "faults/s", 1.6, "NVMe/TCP swap (nvmet on brd)")


def measure(field: Field) -> Samples:
    field.disk("nvme")
    ours = field.of("hyperchain 1", "random", 0)
    peer = field.of("nvme", "random", 0)
    return Samples([run.faults_per_s for run in ours], [run.faults_per_s for run in peer])
