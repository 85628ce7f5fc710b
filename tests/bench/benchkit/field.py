# SPDX-License-Identifier: GPL-2.0-or-later
"""The guests, their swap disks, and one run of a program on one of them.

n1 borrows, n2 lends and has the rivals' memory, further guests lend; see ground.py.
Only one disk is swapped on at a time. The order of the disks turns by one from
round to round.
"""

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Callable, Sequence

from labkit.cluster import Cluster
from labkit.errors import LabError
from labkit.joined import Joined
from labkit.lab import Lab
from labkit.node import Node

from . import rivals
from .figure import NotTaken
from .ground import Ground
from .rivals import Disk
from .trace import CALLS, call_us, tracing

ROUNDS = 5
LIMIT_MB = 12  # small, so that rounds are short and the host's other load hits both halves alike
SET_MB = 2 * LIMIT_MB
WORK_S = 3
RUN_TIMEOUT_S = 120
IDLE_S = 4
READ_MB = 8
READ_S = 3
PINGPONG_PORT = 7799


@dataclass(frozen=True)
class Run:
    """What one run of a program on one disk came to."""

    numbers: dict[str, float]  # the program's last lines
    pages: int                 # that went over the disk, both ways
    donor_busy_s: float        # of n2, without what it does when idle; < 0 when that was more
    host_cpu_s: float          # of all guests' processes on the host, filling included

    @property
    def faults_per_s(self) -> float:
        return self.numbers["FAULTS"] / self.numbers["SECONDS"]

    @property
    def touches_per_s(self) -> float:
        return self.numbers["TOUCHES"] / self.numbers["SECONDS"]


@dataclass(frozen=True)
class Read:
    """One round of reads of a page: medians."""

    read_us: float
    pingpong_us: float
    call_us: float | None  # when it was traced


class Field:
    def __init__(self, lab: Lab, ground: Ground, say: Callable[[str], None], rounds: int = ROUNDS):
        self.lab, self.ground, self.say, self.rounds = lab, ground, say, rounds
        self.limit_mb = LIMIT_MB
        self.cluster = (Joined if ground.is_encrypted else Cluster)(lab)
        self.borrower, self.donor = lab.node(1), lab.node(2)
        self.disks: dict[str, Disk] = {}
        self.missing: dict[str, str] = {}  # label of a disk, why it is not there
        self.notes: list[str] = []         # what a figure has to tell beside its number
        self._series: dict[tuple[str, int], dict[str, list[Run]]] = {}
        self._idle_share: float = 0.0

    # ---------------------------------------------------------------- start

    def prepare(self) -> None:
        for disk in rivals.add_ours(self):
            self.disks[disk.label] = disk
        for label in self.ground.disks:
            if label in self.disks:
                continue
            try:
                self.disks[label] = rivals.PEERS[label](self)
            except LabError as error:
                self.missing[label] = f"{label} could not be set up: {str(error).splitlines()[-1]}"
        for disk in self.disks.values():
            self.borrower.run(f"cd /sys/block/{disk.kernel_name}/queue && echo none >scheduler && "
                              "echo 0 >wbt_lat_usec; true")
        self._idle_share = self._measure_idle()

    def address(self, node: Node) -> str:
        """Where @node is reached by what has to be encrypted here, or by all."""
        if not self.ground.is_encrypted:
            return node.ip
        shown = node.output("ip -o -6 addr show dev hc0 scope global")
        return re.search(r"inet6 (\S+)/", shown)[1]

    def _measure_idle(self) -> float:
        before = self._donor_clock()
        self.donor.run(f"sleep {IDLE_S}")
        after = self._donor_clock()
        return 1 - (after[1] - before[1]) / (after[0] - before[0])

    def _donor_clock(self) -> tuple[float, float]:
        """Seconds since boot, seconds of them idle (one CPU)."""
        words = self.donor.output("cat /proc/uptime; head -n 1 /proc/stat").split()
        return float(words[0]), (int(words[6]) + int(words[7])) / 100

    def clock_error(self, seconds: float = 2) -> float:
        """How much faster than the host's n1's clock runs (0.01: 1 %)."""
        marks = []
        for pause in (seconds, 0):
            began = time.monotonic()
            guest = float(self.borrower.read("/proc/uptime").split()[0])
            marks.append(((began + time.monotonic()) / 2, guest))
            time.sleep(pause)
        return (marks[1][1] - marks[0][1]) / (marks[1][0] - marks[0][0]) - 1

    def settings(self) -> list[str]:
        """What was the same for all, and what each disk has."""
        lines = [f"{self.ground.donors} donor(s){', all through WireGuard' if self.ground.is_encrypted else ''}, "
                 f"{rivals.CONNS} connections to each, disks of {rivals.DISK_MB} MiB, {self.rounds} rounds; of random faults "
                 f"and scans memory.max {LIMIT_MB} MiB, working set {SET_MB} MiB; vm.page-cluster 0 for random faults, 3 for scans; "
                 f"n1's clock {self.clock_error():+.1%} off the host's"]
        for disk in self.disks.values():
            found = self.borrower.output(
                f"cd /sys/block/{disk.kernel_name}/queue && "
                "echo $(sed 's/.*\\[\\(.*\\)\\].*/\\1/' scheduler | grep . || echo none), wbt $(cat wbt_lat_usec 2>/dev/null || echo none), "
                "$(cat max_sectors_kb) KiB a request")
            lines.append(f"{disk.label}: {disk.device}, scheduler {found}")
        lines.append(f"n2's time not idle when nobody asks anything: {self._idle_share:.1%}")
        lines += [f"{label}: {why}" for label, why in self.missing.items()]
        return lines

    # ----------------------------------------------------------------- runs

    def disk(self, label: str) -> Disk:
        if label not in self.disks:
            raise NotTaken(self.missing[label])
        return self.disks[label]

    def swap_off(self) -> None:
        self.borrower.run("swapoff -a", RUN_TIMEOUT_S)

    def swap_to(self, disk: Disk) -> None:
        """@disk and nothing else, empty."""
        self.swap_off()
        self.borrower.run(f"echo 64M >/sys/fs/cgroup/{disk.cgroup}/memory.reclaim 2>/dev/null; "
                          f"swapon {disk.device}")

    def run(self, label: str, command: str, timeout: float = RUN_TIMEOUT_S) -> Run:
        """One run of @command, alone in its cgroup, on one disk."""
        disk = self.disk(label)
        self.swap_to(disk)
        pages, clock, cpu = self._pages(disk), self._donor_clock(), self._host_cpu()
        said = self.borrower.output(f"echo 0 >/sys/fs/cgroup/{disk.cgroup}/cgroup.procs; exec {command}", timeout)
        pages, later, cpu = self._pages(disk) - pages, self._donor_clock(), self._host_cpu() - cpu
        elapsed, idle = later[0] - clock[0], later[1] - clock[1]
        return Run(numbers_of(said), pages, elapsed * (1 - self._idle_share) - idle, cpu)

    def _host_cpu(self) -> float:
        """Seconds of CPU time that all guests have had so far."""
        ticks = 0
        for node in self.lab.status()["nodes"]:
            fields = Path(f"/proc/{node['pid']}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def cpu_by_page(self) -> list[str]:
        """All the guests' CPU time by pages moved: the one comparison that hardly
        depends on what else the host does. Of the random runs taken so far."""
        taken = self._series.get(("random", 0), {})
        parts = [f"{label} {median(run.host_cpu_s / run.pages * 1e6 for run in runs):.0f}"
                 for label, runs in taken.items() if runs]
        return ["host CPU us of all guests by page moved, random faults, the program's own work included, medians: "
                + ", ".join(parts)] if parts else []

    def _pages(self, disk: Disk) -> int:
        fields = self.borrower.read(f"/sys/block/{disk.kernel_name}/stat").split()
        return (int(fields[2]) + int(fields[6])) // 8

    def series(self, what: str, page_cluster: int) -> dict[str, list[Run]]:
        """All rounds of hc-bench-faults @what on every disk; taken once, for
        all figures that look at them."""
        key = (what, page_cluster)
        if key not in self._series:
            self._series[key] = self._take_series(what, page_cluster)
        return self._series[key]

    def _take_series(self, what: str, page_cluster: int) -> dict[str, list[Run]]:
        self.borrower.run(f"sysctl -qw vm.page-cluster={page_cluster}")
        labels = list(self.disks)
        taken: dict[str, list[Run]] = {label: [] for label in labels}
        for number in range(self.rounds):
            for label in turned(labels, number):
                if label not in taken:
                    continue
                try:
                    run = self.run(label, f"hc-bench-faults {what} {SET_MB} {WORK_S}")
                except LabError as error:
                    if label in rivals.OURS:
                        raise
                    self.missing[label] = f"round {number + 1} failed: {str(error).splitlines()[-1]}"
                    del taken[label]
                    continue
                taken[label].append(run)
                self.say(f"{what} round {number + 1}/{self.rounds}  {label:13} {run.faults_per_s:7.0f} faults/s  "
                         f"{run.touches_per_s:8.0f} touches/s  donor {run.donor_busy_s / run.pages * 1e6:5.0f} us/page")
        return taken

    # ---------------------------------------------------------------- reads

    def reads(self, is_traced: bool) -> list["Read"]:
        """Rounds of O_DIRECT reads of our disk and of the ping-pong, in turns."""
        disk = self.disk("hyperchain 1")
        self.fill(disk, READ_MB)
        server = self.donor.start(f"exec hc-bench-pingpong serve {PINGPONG_PORT}")
        try:
            self.donor.wait_for(f"ss -Hltn sport = :{PINGPONG_PORT} | grep -q .")
            return [self._read(disk, number, is_traced) for number in range(self.rounds)]
        finally:
            server.kill()
            self.empty(disk)

    def fill(self, disk: Disk, mb: int) -> None:
        """@mb MiB of nobody's swap, from 1 MiB on: the first has the swap header. Nothing is swapped on then."""
        self.swap_off()
        self.borrower.run(f"echo 0 >/sys/fs/cgroup/{disk.cgroup}/cgroup.procs; "
                          f"exec hc-bench-directread fill {disk.device} {mb}", RUN_TIMEOUT_S)

    def empty(self, disk: Disk) -> None:
        """What fill() wrote is gone."""
        self.borrower.run(f"blkdiscard -f -o 1M {disk.device}")

    def _read(self, disk: Disk, number: int, is_traced: bool) -> "Read":
        def read() -> tuple[float, float | None]:
            command = f"hc-bench-directread read {disk.device} {READ_MB} {READ_S}"
            if not is_traced:
                return numbers_of(self.borrower.output(command))["MEDIAN_US"], None
            with tracing(self.borrower, CALLS) as found:
                us = numbers_of(self.borrower.output(command))["MEDIAN_US"]
            return us, call_us(found[0])

        def ping() -> float:
            command = f"hc-bench-pingpong ask {self.donor.ip} {PINGPONG_PORT} {READ_S}"
            return numbers_of(self.borrower.output(command))["MEDIAN_US"]

        if number % 2:
            pingpong_us = ping()
            read_us, traced_us = read()
        else:
            read_us, traced_us = read()
            pingpong_us = ping()
        self.say(f"read round {number + 1}/{self.rounds}  disk {read_us:.0f} us, "
                 + (f"of these the call {traced_us:.0f} us, " if traced_us else "") + f"ping-pong {pingpong_us:.0f} us")
        return Read(read_us, pingpong_us, traced_us)

    def of(self, label: str, what: str, page_cluster: int) -> list[Run]:
        """One disk's rounds of a series."""
        runs = self.series(what, page_cluster)
        if label not in runs:
            raise NotTaken(self.missing.get(label, f"{label} is not there"))
        return runs[label]


def turned(items: Sequence[str], by: int) -> list[str]:
    by %= len(items)
    return [*items[by:], *items[:by]]


def numbers_of(said: str) -> dict[str, float]:
    return {word: float(value) for word, value in re.findall(r"^([A-Z0-9_]+) ([0-9.]+)$", said, re.M)}
