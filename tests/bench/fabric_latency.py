# SPDX-License-Identifier: GPL-2.0-or-later
"""A page read by the module, depth 1, against a ping-pong of two programs.

Measured: the module's own time from sending a READ of one page to having it (tracepoint
hc_call_done), while one program reads 4 KiB at random, O_DIRECT, one at a time; peer:
two programs over TCP, 48 bytes there, 48 bytes and a page back. Medians.
The tracepoints are on for ours only, to our disadvantage; whole microseconds.
Not measured: the block layer (swap_read.py), depth, real networks.
"""

from benchkit.field import Field
from benchkit.figure import Figure, Samples

FIGURE = Figure("fabric.latency", "us", 1.33, "userspace TCP ping-pong", is_cost=True)


def measure(field: Field) -> Samples:
    rounds = field.reads(is_traced=True)
    return Samples([read.call_us for read in rounds], [read.pingpong_us for read in rounds])
