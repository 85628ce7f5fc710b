# SPDX-License-Identifier: GPL-2.0-or-later
"""The donor's CPU time for each page.

Measured: time the donor was not idle (from /proc/stat's idle, which counts interrupts
as work, minus its share when nobody asks anything) while swap_random_nbd.py's runs went
on, by pages that went over the borrower's disk, both ways; peer: in each round the cheaper
one of nbdkit, a program, and nvmet, which is in the kernel as we are. Without NVMe/TCP it
is nbdkit alone, and a note says so.
Not measured: what the borrower spends. Under emulation the host's other load counts in,
for both alike.
"""

from statistics import median

from benchkit.field import Field, Run
from benchkit.figure import Figure, NotTaken, Samples

FIGURE = Figure("donor.cpu", "us/page", 1.43, "the cheaper of NBD (nbdkit memory) and NVMe/TCP (nvmet)", is_cost=True)


def _us_per_page(run: Run) -> float:
    return run.donor_busy_s / run.pages * 1e6


def measure(field: Field) -> Samples:
    ours = field.of("hyperchain 1", "random", 0)
    peers = {"NBD": field.of("nbd", "random", 0)}
    try:
        peers["NVMe/TCP"] = field.of("nvme", "random", 0)
    except NotTaken as error:
        field.notes.append(f"{FIGURE.name} is against NBD alone: {error}")
    if min(run.donor_busy_s for runs in (ours, *peers.values()) for run in runs) <= 0:
        raise NotTaken("in one round the donor was idle for longer than when nobody asked: the host is too busy")
    costs = {name: [_us_per_page(run) for run in runs] for name, runs in peers.items()}
    field.notes.append(f"{FIGURE.name}, us of the donor by page, medians: "
                       + ", ".join(f"{name} {median(cost):.0f}" for name, cost in costs.items()))
    return Samples([_us_per_page(run) for run in ours], [min(rivals) for rivals in zip(*costs.values(), strict=True)])
