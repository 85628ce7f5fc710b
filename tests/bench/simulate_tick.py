# SPDX-License-Identifier: GPL-2.0-or-later
"""All periodic checks of a large cluster, once.

Measured: `hyperchain simulate` of 10,000 nodes with 100,000 processes; the CPU time (it has one thread and waits for
nothing) of a run with 101 ticks less that of one with 1 tick, divided by 100. The goal's growth, n log n at most, is
told as a fact: the same for a fourth of it.
Not measured: the first tick, which meets a described cluster that nobody has put in order, and reading the file.
"""

import json
import random
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from labkit import paths

from benchkit.figure import Figure, NotTaken, Samples
from benchkit.host import SIMKIT_DIR, Host

HOST = True
LIMIT_MS = 100
NODES, TICKS, PERIOD_S = 10000, 100, 2
FIGURE = Figure("simulate.tick", "ms", 1.0, "a limit of 100 ms", is_cost=True)


def measure(host: Host) -> Samples:
    sys.path.insert(1, str(SIMKIT_DIR))
    from simkit import states
    with tempfile.TemporaryDirectory(prefix="hc-bench-") as folder:
        def tick_ms(nodes: int) -> float:
            state = states.large(random.Random(nodes), nodes, 10 * nodes)
            took = []
            for ticks in (1, TICKS + 1):
                state["events"] = [{"at": PERIOD_S * number, "do": "tick"} for number in range(ticks)]
                path = Path(folder) / f"{nodes}-{ticks}.json"
                path.write_text(json.dumps(state))
                took.append(_run_s(path))
            return (took[1] - took[0]) / TICKS * 1000

        taken, less = [], []
        for number in range(host.rounds):
            taken.append(tick_ms(NODES))
            less.append(tick_ms(NODES // 4))
            host.say(f"tick round {number + 1}/{host.rounds}  {taken[-1]:.1f} ms, with a fourth of the nodes {less[-1]:.1f} ms")
    growth = sorted(more / one for more, one in zip(taken, less))[len(taken) // 2]
    host.notes.append(f"a tick of four times as many nodes and processes takes {growth:.1f} times as long (n log n: 4.7)")
    return host.against(LIMIT_MS, taken)


def _run_s(path: Path) -> float:
    before = _children_s()
    done = subprocess.run([paths.BUILD_DIR / "bin/hyperchain", "simulate", path], stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, timeout=600, check=False)
    if done.returncode:
        raise NotTaken(f"simulate failed: {done.stderr.strip()}")
    return _children_s() - before


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
