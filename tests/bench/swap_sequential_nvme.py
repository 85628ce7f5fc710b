# SPDX-License-Identifier: GPL-2.0-or-later
"""A sequential scan with read-ahead, against NVMe/TCP swap.

Measured: pages a second of one program that reads its memory from one end to the other,
again and again, twice its cgroup's memory.max, page-cluster 3 (the kernel's own); peer:
as in swap_random_nvme.py.
Not measured: scans that write, several at once.
"""

from benchkit.field import Field
from benchkit.figure import Figure, Samples

FIGURE = Figure("swap.sequential.nvme", "pages/s", 1.3, "NVMe/TCP swap (nvmet on brd)")


def measure(field: Field) -> Samples:
    field.disk("nvme")
    ours = field.of("hyperchain 1", "scan", 3)
    peer = field.of("nvme", "scan", 3)
    return Samples([run.touches_per_s for run in ours], [run.touches_per_s for run in peer])
