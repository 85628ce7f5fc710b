# SPDX-License-Identifier: GPL-2.0-or-later
"""Three donors against one, when the donors' links are what is scarce.

Measured: MB a second of fio that reads the swap disk, O_DIRECT, 64 KiB a request, 32 at
once; each page has one copy, on one donor or on one of three in turn. tc holds what each
donor sends to 10 MB/s (netem); peer: the same disk with one donor.
Not measured: writes (only what a donor sends is held), page faults, links that differ.
"""

import json

from benchkit.field import RUN_TIMEOUT_S, Field, turned
from benchkit.figure import Figure, Samples
from benchkit.ground import Ground

GROUND = Ground(("hyperchain 1", "hyperchain 1 on 3"), donors=3)
FIGURE = Figure("swap.stripe", "MB/s", 2.2, "1 donor")

LINK = "80mbit"
READ_MB = 24
READ_S = 4


def measure(field: Field) -> Samples:
    donors = field.lab.nodes[1:]
    taken: dict[str, list[float]] = {label: [] for label in GROUND.disks}
    for donor in donors:
        donor.slow(rate=LINK)
    try:
        for number in range(field.rounds):
            for label in turned(GROUND.disks, number):
                taken[label].append(_read(field, label))
                field.say(f"stripe round {number + 1}/{field.rounds}  {label:17} {taken[label][-1]:5.1f} MB/s")
    finally:
        for donor in donors:
            donor.fast()
    return Samples(taken["hyperchain 1 on 3"], taken["hyperchain 1"])


def _read(field: Field, label: str) -> float:
    disk = field.disk(label)
    field.fill(disk, READ_MB)
    try:
        said = field.borrower.output(
            f"fio --name=read --filename={disk.device} --readonly --direct=1 --rw=read --bs=64k --ioengine=libaio "
            f"--iodepth=32 --offset=1M --size={READ_MB}M --time_based --runtime={READ_S} --output-format=json",
            RUN_TIMEOUT_S)
    finally:
        field.empty(disk)
    return json.loads(said[said.index("{"):])["jobs"][0]["read"]["bw_bytes"] / 1e6
