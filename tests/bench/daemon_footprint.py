# SPDX-License-Identifier: GPL-2.0-or-later
"""What a node pays for having the daemon.

Measured: of three idle daemons that are a cluster, the one that pays most, as the greater of two parts of its limit:
PSS of 30 MiB (/proc/PID/smaps_rollup), and half a percent of a core (/proc/PID/schedstat over 10 s).
Not measured: the container helper and the view, which a node has only with environments; a node with the module.
"""

import time
from pathlib import Path

from benchkit.figure import Figure, Samples
from benchkit.host import Host

HOST = True
PSS_KIB, CPU = 30 << 10, 0.005
WATCH_S = 10
FIGURE = Figure("daemon.footprint", "of the limit", 1.0, "limits: 30 MiB of PSS, 0.5 % of a core when idle", is_cost=True)


def measure(host: Host) -> Samples:
    taken = []
    with host.cluster(3) as nodes:
        time.sleep(5)  # joining is over
        for number in range(host.rounds):
            before = {n.id: _cpu_s(_pid(n)) for n in nodes}
            time.sleep(WATCH_S)
            cpu = max(_cpu_s(_pid(n)) - before[n.id] for n in nodes) / WATCH_S
            pss = max(_pss_kib(_pid(n)) for n in nodes)
            taken.append(max(pss / PSS_KIB, cpu / CPU))
            host.say(f"footprint round {number + 1}/{host.rounds}  {pss / 1024:.1f} MiB, {cpu:.2%} of a core")
        each = [f"{'controller' if n.id == n.controller() else 'follower'} {_pss_kib(_pid(n)) / 1024:.1f} MiB" for n in nodes]
        host.notes.append(f"PSS of hyperchaind, a cluster of three, idle: {', '.join(each)}; the most that one of them took "
                          f"of a core in the last round: {cpu:.2%}")
    return host.against(1.0, taken)


def _pid(node) -> int:
    """`ip netns exec` becomes the daemon."""
    return node.process.pid


def _cpu_s(pid: int) -> float:
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def _pss_kib(pid: int) -> int:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
