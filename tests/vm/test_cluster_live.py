# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules move real processes: of a cgroup that the administrator handed over, on a cluster of three."""

import json

from labkit.cluster import LONG_S
from labkit.joined import Joined
from labkit.vmtest import vmtest

PARAMS = {"request_timeout_ms": 20000, "peer_grace_ms": 30000, "helper_dir": "/usr/local/bin"}
# The guests' own load shall decide nothing: R11 and R12 are off, R10 goes by service loads, and a node
# that is idle but for what the lab does on it (some 0.1 more on node 1) is no better than another.
QUIET = {"leader_max": 2, "node_max": 2, "balance_high": 2, "spare_lend": 2, "balance_period": 1, "move_cost": 0.3}
CGROUP = "/sys/fs/cgroup/work"


class Live(Joined):
    def begin(self, **config) -> "Live":
        self.up({node.number: "16M" for node in self.lab.nodes}, params=PARAMS)
        self.set(**{**QUIET, **config})
        self.n1 = self.lab.node(1)
        others = ",".join(str(node.number) for node in self.lab.nodes[1:])
        self.n1.run(f"mkdir {CGROUP} && hyperchain track {CGROUP} --env admin --nodes {others}", LONG_S)
        self.say("the cgroup is handed over")
        return self

    def set(self, **config) -> None:
        for key, value in config.items():
            self.lab.node(1).run(f"hyperchain config set {key} {value}", LONG_S)

    def program(self, status: int, more: str = ""):
        """One that burns the processor until it is told to end; its parent says how it ended: (parent, pid)"""
        burn = f"trap 'exit {status}' TERM; while :; do :; done"
        parent = self.n1.start(f"(echo 0 >{CGROUP}/cgroup.procs; exec sh -c \"{burn}\" </dev/null >/dev/null "
                               f"2>/dev/null {more}) & echo pid $!; wait $!; echo status $?")
        self.lab.wait_for(lambda: "pid" in parent.stdout, 60, "the program starts")
        return parent, int(parent.stdout.split()[1])

    def end(self, program) -> int:
        """Told at home, wherever it runs; the status that its parent got."""
        parent, pid = program
        self.n1.run(f"kill -TERM {pid}")
        parent.wait(LONG_S)
        return int(parent.stdout.split("status ")[1])

    def events_of(self, **want) -> list[dict]:
        """Decisions with these fields, as node 1 has them."""
        shown = self.lab.nodes[-1].run("hyperchain events --json", LONG_S, check=False)
        rows = [json.loads(line) for line in shown.stdout.splitlines() if line.strip()]
        return [row for row in rows if all(row[key] == value for key, value in want.items())]

    def moved(self, number: int, role: str) -> int:
        """Programs that moved and live: from there ("home") or to there ("guest")."""
        rows = json.loads(self.lab.node(number).output("hyperchain process list --json"))["processes"]
        return sum(row["role"] == role and row["state"] in ("away", "settled", "running", "whole") for row in rows)

    def wait_known(self, count: int) -> None:
        """So many were looked at."""
        def known() -> bool:
            rows = json.loads(self.n1.output("hyperchain process tracked --json"))["processes"]
            return sum(row["load"] is not None and "not looked at" not in row["why"] for row in rows) == count

        self.lab.wait_for(known, LONG_S, f"{count} processes are known", interval=1)

    def load(self, number: int) -> float:
        nodes = json.loads(self.n1.output("hyperchain node list --json"))["nodes"]
        return next(node["current_load"] or 0.0 for node in nodes if node["id"] == number)

    def wait_for_event(self, what: str, **want) -> dict:
        try:
            return self.lab.wait_for(lambda: (self.events_of(**want) or [None])[0], LONG_S, what, interval=1)
        except Exception:
            for row in self.events_of():
                print(row["rule"], row["kind"], row["text"])
            for node in self.lab.nodes:
                print(f"--- {node.name}\n" + self.daemon_log(node)[-2500:])
            raise


@vmtest(nodes=3, mem=256, timeout=900, kernels=("6.1", "6.12"))
def test_R10_a_busy_program_moves_to_an_idle_node(lab):
    """Two programs burn one node's processor, two nodes are idle: one of them moves, and its parent sees how it ends."""
    c = Live(lab).begin()
    programs = c.program(42), c.program(43)
    event = c.wait_for_event("one of them has moved", kind="moved", rule="R10")
    c.say(event["text"])
    decided = c.events_of(kind="migrate")
    assert len(decided) == 1 and decided[0]["rule"] == "R10" and decided[0]["user"] == "admin", decided
    target = event["node"]
    assert target in (2, 3) and c.moved(target, "guest") == 1 and c.moved(1, "home") == 1, event
    # Both have a processor of their own: nothing more to even out.
    lab.wait_for(lambda: c.load(target) > 0.7, LONG_S, f"node {target} is at work", interval=1)
    assert [c.end(program) for program in programs] == [42, 43]
    assert len(c.events_of(kind="migrate")) == 1, c.events_of(kind="migrate")
    assert not c.events_of(kind="alert", rule="R10"), c.events_of(kind="alert")
    lab.check()


@vmtest(nodes=3, mem=256, timeout=900, kernels=("6.1", "6.12"))
def test_R1_a_drained_node_is_emptied(lab):
    """Two programs move off, one that can't stays and is told; all parents see how they end."""
    c = Live(lab).begin(balance_gap=2)
    programs = c.program(42), c.program(43), c.program(44, "3</etc")
    c.wait_known(3)
    c.n1.run("hyperchain node drain 1", LONG_S)
    for count in (1, 2):
        lab.wait_for(lambda n=count: len(c.events_of(kind="moved", rule="R1")) >= n, LONG_S,
                     f"{count} programs moved", interval=1)
        c.say(c.events_of(kind="moved")[count - 1]["text"])
    assert c.moved(2, "guest") + c.moved(3, "guest") == 2 and c.moved(1, "home") == 2
    told = c.events_of(kind="alert", rule="R1")
    assert len(told) == 1 and "1 restricted process stays there until the end" in told[0]["text"], told
    assert [c.end(program) for program in programs] == [42, 43, 44]
    lab.check()
