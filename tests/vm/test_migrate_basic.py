# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that move between machines while they run (SPEC R21)."""

import json

from labkit.cluster import Cluster
from labkit.node import Node
from labkit.vmtest import vmtest

PARAMS = {"request_timeout_ms": 5000, "peer_grace_ms": 30000, "helper_dir": "/usr/local/bin"}
# Its parent waits for it and says how it ended; its descriptors are plain devices.
QUIET = "</dev/null >/dev/null 2>/dev/null"


class Movers:
    """Two or more nodes that take each other's programs."""

    def __init__(self, lab):
        self.lab, self.n1, self.n2 = lab, lab.node(1), lab.node(2)
        self.cluster = Cluster(lab)
        self.cluster.up(params=PARAMS, donate={n.number: "16M" for n in lab.nodes})
        for node in lab.nodes:
            node.run("hyperchain process accept on")

    def start(self, options: str, redirect: str = QUIET, node: Node | None = None):
        """hc-mover under a shell that tells its status; (background, pid)"""
        node = node or self.n1
        shell = node.start(f"hc-mover {options} {redirect} & echo pid $!; wait $!; echo status $?")
        self.lab.wait_for(lambda: "pid" in shell.stdout, 20, "the program starts")
        return shell, int(shell.stdout.split()[1])

    def status(self, shell, timeout: float = 60) -> int:
        shell.wait(timeout)
        return int(shell.stdout.split("status ")[1])

    def move(self, pid: int, to: int, node: Node | None = None, more: str = "", timeout: float = 60) -> dict:
        """hyperchain migrate; its answer"""
        result = (node or self.n1).run(f"hyperchain migrate {pid} {to} --json {more}", timeout, check=False)
        assert result.stdout, result.stderr
        return json.loads(result.stdout)

    def process(self, node: Node, pid: int | None = None) -> list[dict]:
        rows = json.loads(node.output("hyperchain process list --json"))["processes"]
        return [row for row in rows if pid is None or row["pid"] == pid]


@vmtest(nodes=2, mem=256, tags=("ci",), timeout=180)
def test_R21_a_program_moves_and_its_parent_gets_its_status(lab):
    """Memory, registers, clock and ids are right after the move; the exit status comes home."""
    m = Movers(lab)
    shell, pid = m.start("-m 8 -t 6 -e 42")
    answer = m.move(pid, 2, more="--wait")
    print(answer)
    assert answer["ok"], answer
    assert answer["state"] == "settled", answer
    # It runs there, and its shadow here has the same id and name.
    assert m.n2.run("pgrep -x hc-mover", check=False).stdout.strip()
    assert m.n1.read(f"/proc/{pid}/comm").strip() == "hc-mover"
    assert m.status(shell) == 42
    m.lab.wait_for(lambda: not m.n2.run("pgrep -x hc-mover", check=False).stdout, 10, "it is gone there")
