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


@vmtest(nodes=2, mem=256, tags=("ci",), alone=True, timeout=180)
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


@vmtest(nodes=2, mem=256, tags=("ci",), alone=True, timeout=180)
def test_R21_threads_move_together(lab):
    m = Movers(lab)
    shell, pid = m.start("-m 2 -j 6 -t 8 -e 17")
    answer = m.move(pid, 2, more="--wait")
    assert answer["ok"], answer
    assert m.process(m.n2)[0]["threads"] == 7, m.process(m.n2)
    assert m.status(shell) == 17


@vmtest(nodes=2, mem=256, timeout=240)
def test_R21_sleepers_move_and_wake_in_time(lab):
    """Interrupted calls with a time go on there: a sleep, and a poll(2)."""
    m = Movers(lab)
    for call in ("time.sleep(12)", "select.poll().poll(12000)"):
        program = f"import select, time; t = time.monotonic(); {call}; raise SystemExit(11 < time.monotonic() - t < 40)"
        shell = m.n1.start(f"python3 -c '{program}' {QUIET} & echo pid $!; wait $!; echo status $?")
        lab.wait_for(lambda: "pid" in shell.stdout, 20, "the program starts")
        pid = int(shell.stdout.split()[1])
        m.n1.wait_for(f"grep -qE 'nanosleep|poll' /proc/{pid}/wchan", 20)
        answer = m.move(pid, 2)
        assert answer["ok"], (call, answer)
        assert m.status(shell) == 1, call


@vmtest(nodes=2, mem=256, tags=("ci",), alone=True, timeout=180)
def test_R21_signals_reach_the_program_and_its_end_the_parent(lab):
    """Stop and go on; TERM at home ends it there, and the parent sees the signal."""
    m = Movers(lab)
    shell, pid = m.start("-m 2 -t 60 -a")
    assert m.move(pid, 2)["ok"]
    there = m.n2.output("pgrep -x hc-mover")
    m.n1.run(f"kill -STOP {pid}")
    m.n2.wait_for(f"grep -q '^State:.T' /proc/{there}/status", 10)
    m.n1.run(f"kill -CONT {pid}")
    m.n2.wait_for(f"! grep -q '^State:.T' /proc/{there}/status", 10)
    m.n1.run(f"kill -TERM {pid}")
    assert m.status(shell) == 128 + 15
    m.lab.wait_for(lambda: not m.n2.run("pgrep -x hc-mover", check=False).stdout, 10, "it is gone there")


@vmtest(nodes=2, mem=256, tags=("ci",), alone=True, timeout=180)
def test_R21_killed_at_home_or_there_it_dies_at_both(lab):
    m = Movers(lab)
    shell, pid = m.start("-m 4 -t 60")
    assert m.move(pid, 2)["ok"]
    m.n1.run(f"kill -KILL {pid}")
    assert m.status(shell) == 128 + 9
    m.lab.wait_for(lambda: not m.n2.run("pgrep -x hc-mover", check=False).stdout, 10, "it is gone there")
    shell, pid = m.start("-m 4 -t 60")
    assert m.move(pid, 2)["ok"]
    m.n2.run("kill -KILL $(pgrep -x hc-mover)")
    assert m.status(shell) == 128 + 9


@vmtest(nodes=2, mem=256, tags=("ci",), alone=True, timeout=180)
def test_R21_what_cannot_move_is_told_and_goes_on(lab):
    """A directory, a child, a node that takes nothing: refused with a sentence, at no cost."""
    m = Movers(lab)
    shell, pid = m.start("-m 2 -t 8", redirect=QUIET + " 5</tmp")
    told = m.n1.run(f"hyperchain migrate --check {pid} --json", check=False)
    reasons = json.loads(told.stdout)["reasons"]
    assert told.status == 1 and any("directory" in reason for reason in reasons), reasons
    refused = m.n1.run(f"hyperchain migrate {pid} 2", check=False)
    assert refused.status == 1 and "descriptor 5" in refused.stdout, refused
    parent = m.n1.start("sh -c 'sleep 30 & wait' </dev/null >/dev/null 2>&1")
    m.n1.wait_for("pgrep -x sleep", 10)
    ppid = m.n1.output("awk '{print $4}' /proc/$(pgrep -x sleep)/stat")
    told = m.n1.run(f"hyperchain migrate --check {ppid} --json", check=False)
    assert any("child" in reason for reason in json.loads(told.stdout)["reasons"]), told.stdout
    parent.kill()
    m.n1.run(f"kill {pid}; true")
    m.n2.run("hyperchain process accept off")
    shell, pid = m.start("-m 2 -t 5")
    answer = m.move(pid, 2)
    assert not answer["ok"] and "takes no programs" in answer["reason"], answer
    assert m.status(shell) == 42


@vmtest(nodes=2, mem=256, tags=("ci",), alone=True, timeout=240)
def test_R21_one_move_at_a_time_and_the_module_stays(lab):
    m = Movers(lab)
    shell, pid = m.start("-m 16 -t 12")
    both = [m.n1.start(f"hyperchain migrate {pid} 2 --json") for _ in range(2)]
    for one in both:
        one.wait(30, check=False)
    oks = [one.stdout for one in both if '"ok": true' in one.stdout]
    assert len(oks) == 1, [(one.stdout, one.stderr) for one in both]
    again = m.n1.run(f"hyperchain migrate {pid} 2", check=False)
    assert again.status == 1 and "moved already" in again.stderr, again
    for node in (m.n1, m.n2):
        assert node.run("rmmod hyperchain", check=False).status != 0
    assert m.status(shell) == 42


@vmtest(nodes=2, mem=256, tags=("ci",), alone=True, timeout=240)
def test_R21_target_dies_and_the_parent_is_told(lab):
    """After the commit the program dies with its node: its parent sees SIGKILL when that is certain."""
    m = Movers(lab)
    shell, pid = m.start("-m 4 -t 120")
    assert m.move(pid, 2)["ok"]
    m.n2.kill()
    m.n2.boot()
    m.cluster.start_node(m.n2)
    assert m.status(shell, 90) == 128 + 9


@vmtest(nodes=2, mem=256, tags=("ci",), alone=True, timeout=240)
def test_R21_source_dies_after_all_memory_came(lab):
    """The program goes on where it is."""
    m = Movers(lab)
    shell, pid = m.start("-m 4 -t 25")
    assert m.move(pid, 2, more="--wait")["ok"]
    m.n1.kill()
    m.n2.wait_for("pgrep -x hc-mover", 5)
    before = m.n2.output("awk '{print $14}' /proc/$(pgrep -x hc-mover)/stat")
    m.n2.wait_for(f"test $(awk '{{print $14}}' /proc/$(pgrep -x hc-mover)/stat) -gt $(({before} + 50))", 20)
