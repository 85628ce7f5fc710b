# SPDX-License-Identifier: GPL-2.0-or-later
"""The donor's CPU time for each page.

Measured: time the donor was not idle (from /proc/stat's idle, which counts interrupts
as work, minus its share when nobody asks anything) while swap_random_nbd.py's runs went
on, by pages that went over the borrower's disk, both ways; peer: nbdkit.
Not measured: what the borrower spends. Under emulation the host's other load counts in,
for both alike.
"""

from benchkit.field import Field, Run
from benchkit.figure import Figure, NotTaken, Samples

FIGURE = Figure("donor.cpu", "us/page", 1.43, "NBD (nbdkit memory)", is_cost=True)


def _us_per_page(run: Run) -> float:
    return run.donor_busy_s / run.pages * 1e6


def measure(field: Field) -> Samples:
    ours = field.of("hyperchain 1", "random", 0)
    peer = field.of("nbd", "random", 0)
    if min(run.donor_busy_s for run in (*ours, *peer)) <= 0:
        raise NotTaken("in one round the donor was idle for longer than when nobody asked: the host is too busy")
    return Samples([_us_per_page(run) for run in ours], [_us_per_page(run) for run in peer])
