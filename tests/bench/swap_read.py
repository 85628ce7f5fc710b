# SPDX-License-Identifier: GPL-2.0-or-later
"""A page read through the whole block layer, against a ping-pong of two programs.

Measured: pread() of 4 KiB at random, O_DIRECT, of the swap disk, one at a time, with
the page's sum checked by the module; peer: two programs over TCP, 48 bytes there, 48
bytes and a page back. Medians.
Not measured: the page fault around it (swap_random_nbd.py), depth, real networks.
"""

from benchkit.field import Field
from benchkit.figure import Figure, Samples

FIGURE = Figure("swap.read", "us", 1.11, "userspace TCP ping-pong", is_cost=True)


def measure(field: Field) -> Samples:
    rounds = field.reads(is_traced=False)
    return Samples([read.read_us for read in rounds], [read.pingpong_us for read in rounds])
