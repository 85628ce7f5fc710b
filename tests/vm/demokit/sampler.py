# SPDX-License-Identifier: GPL-2.0-or-later
"""Looks at the machines once a second, for the picture and for the summary."""

import json
import re
import threading
import time
from dataclasses import dataclass, field

from labkit import LabError
from labkit.node import Node

MIB = 1 << 20
SPLIT = "=== "


@dataclass
class View:
    """One machine as it was a moment ago; bytes."""

    at: float = 0.0
    total: int = 0       # RAM the kernel has
    available: int = 0
    show: dict = field(default_factory=dict)   # hyperchain memory show
    cgroup: int = 0      # memory.current of the user's container
    swapped: int = 0     # memory.swap.current of the same
    host_swapped: int = 0  # of the machine's own processes
    ooms: int = 0        # processes of the container killed for want of memory

    @property
    def lent(self) -> int:
        return self.show["pool"]["used"] if self.show else 0

    @property
    def disk(self) -> dict:
        return self.show.get("disk") or {}

    def peer(self, number: int) -> dict:
        return next((peer for peer in self.show.get("peers", []) if peer["id"] == number), {})


class Sampler:
    """A thread for each machine; a machine that is off is left alone."""

    def __init__(self, nodes: list[Node], cgroup: str):
        self.views = {node.number: View() for node in nodes}
        self.rates: dict[int, tuple[float, float]] = {}   # pages/s to and from that donor
        self.traffic: dict[int, dict[str, int]] = {}      # pages since the start, to and from
        self.peak_lent = {node.number: 0 for node in nodes}
        self.peak_disk = {"used": 0, "degraded": 0, "local": 0}
        self.peak_cgroup = 0
        self.is_off: set[int] = set()
        self._cgroup = f"/sys/fs/cgroup/{cgroup}"
        self._borrower = nodes[0].number
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._watch, args=(node,), daemon=True) for node in nodes]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            if thread.ident:
                thread.join(30)

    @property
    def borrower(self) -> View:
        return self.views[self._borrower]

    def look(self, node: Node) -> View:
        """Now; raises LabError where the machine does not answer."""
        files = "memory.current memory.swap.current memory.events" if node.number == self._borrower else ""
        command = (f"cat /proc/meminfo; echo '{SPLIT}show'; hyperchain memory show --json | tr -d '\\n'; echo; "
                   f"for f in {files}; do echo \"{SPLIT}$f\"; cat {self._cgroup}/$f; done; "
                   f"echo '{SPLIT}host'; cat /sys/fs/cgroup/host/memory.swap.current")
        parts = dict(part.partition("\n")[::2] for part in
                     (SPLIT + "meminfo\n" + node.run(command, 60, check=False).stdout).split(SPLIT)[1:])
        view = View(time.monotonic())
        meminfo = dict(re.findall(r"^(\w+):\s+(\d+) kB", parts["meminfo"], re.M))
        view.total, view.available = int(meminfo["MemTotal"]) << 10, int(meminfo["MemAvailable"]) << 10
        view.show = json.loads(parts["show"]) if parts.get("show", "").strip() else {}
        view.cgroup = int(parts.get("memory.current") or 0)
        view.swapped = int(parts.get("memory.swap.current") or 0)
        view.host_swapped = int(parts.get("host") or 0)
        view.ooms = int(next(iter(re.findall(r"^oom_kill (\d+)", parts.get("memory.events", ""), re.M)), 0))
        self._take(node.number, view)
        return view

    def _take(self, number: int, view: View) -> None:
        with self._lock:
            before, self.views[number] = self.views[number], view
            self.peak_lent[number] = max(self.peak_lent[number], view.lent)
            if number != self._borrower:
                return
            self.peak_cgroup = max(self.peak_cgroup, view.cgroup)
            for key in self.peak_disk:
                self.peak_disk[key] = max(self.peak_disk[key], view.disk.get(key, 0))
            for peer in view.show.get("peers", []):
                self._take_peer(peer, before.peer(peer["id"]), view.at - before.at)

    def _take_peer(self, peer: dict, before: dict, seconds: float) -> None:
        """Counters of a peer begin anew when it does."""
        counts = self.traffic.setdefault(peer["id"], {"reads": 0, "writes": 0})
        rates = []
        for key in ("writes", "reads"):
            more = peer[key] - before.get(key, 0)
            more = peer[key] if more < 0 else more
            counts[key] += more
            rates.append(more / seconds if before and seconds > 0 else 0.0)
        self.rates[peer["id"]] = (rates[0], rates[1])

    def _watch(self, node: Node) -> None:
        pause = 1.0
        while not self._over.wait(pause):
            if node.number in self.is_off:
                continue
            began = time.monotonic()
            try:
                self.look(node)
            except (LabError, ValueError, KeyError):
                pass  # starved, or its plug was just pulled: the checks at the end look again
            # Looking must not cost a slow machine more than a fifth of its time.
            pause = max(1.0, 4 * (time.monotonic() - began))
