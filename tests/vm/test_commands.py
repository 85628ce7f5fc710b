# SPDX-License-Identifier: GPL-2.0-or-later
"""What the commands answer with --json, key by key as their man pages say, and `hyperchain top` on a terminal."""

import json
import re
import time

from labkit.cluster import LONG_S, MIB, Cluster
from labkit.errors import LabError
from labkit.vmtest import vmtest

NODE = {"id", "name", "epoch", "module_version", "daemon_port", "peers", "peers_live", "memory_total",
        "memory_available", "wire_version"}
POOL = {"limit", "reserve", "draining", "lent", "used", "recalled", "pressure"}
PEER = {"id", "name", "state", "draining", "they_drain", "suspect", "connections", "epoch", "their_epoch",
        "wire_version", "features", "rtt_us", "free", "borrowed", "borrowed_used", "lent", "tx_bytes", "rx_bytes",
        "reads", "writes", "served_reads", "served_writes", "errors", "inflight"}
DISK = {"size", "checksum", "open", "swap", "swap_used", "used", "zero", "degraded", "lost", "local", "reads",
        "writes", "errors", "refused", "retries", "repaired", "bad_sums", "freed"}


def answer(node, words: str) -> dict:
    """The one JSON object on its stdout, and nothing beside it there: how far it is, is told on stderr."""
    return json.loads(node.run(f"hyperchain {words} --json", LONG_S).stdout)


def has(record: dict, keys: set[str], about: str) -> dict:
    """Keys are only ever added: all of @keys are there."""
    assert not keys - record.keys(), f"{about} has no {sorted(keys - record.keys())}: {record}"
    return record


def refusal(node, words: str) -> None:
    """Status 1, one sentence, and no JSON that a program could take for an answer."""
    result = node.run(f"hyperchain {words} --json", LONG_S, check=False)
    assert result.status == 1 and not result.stdout, f"{words}: {result}"
    assert re.fullmatch(r"[^\n]+\.\n", result.stderr), f"{words}: {result.stderr!r}"


def watch_top(node) -> None:
    """As a person does: on a terminal of 24 lines and 80 columns, the space bar, a smaller window, q."""
    command = node.command("exec hyperchain top --interval 60000", (24, 80))
    shown = b""

    def wait(what: str, condition) -> None:
        nonlocal shown
        deadline = time.monotonic() + 60
        while not condition():
            assert command.status is None, f"top ended with status {command.status}, {command.gone}: {shown!r}"
            if time.monotonic() > deadline:
                raise LabError(f"top on {node.name}: {what} did not come within 60 s: {shown!r}")
            shown += b"".join(data for _, data in command.read())
            time.sleep(0.05)

    try:
        wait("the first picture", lambda: shown.count(b"\x1b[J") == 1)
        assert shown.startswith(b"\x1b[?1049h"), shown
        assert all(word in shown for word in (b"   1 n1", b"   2 n2", b"Memory", b"Borrowed from", b"Swap disk")), shown
        command.send(b" ")
        wait("one more picture at once", lambda: shown.count(b"\x1b[J") == 2)
        command.resize(10, 40)
        wait("a picture of the new size", lambda: shown.count(b"\x1b[J") == 3)
        last = shown.rpartition(b"\x1b[2J")[2]
        assert 1 < last.count(b"\r\n") < 10, f"more lines than the window has: {last!r}"
        command.send(b"q")
        deadline = time.monotonic() + 60
        while command.status is None and time.monotonic() < deadline:
            shown += b"".join(data for _, data in command.read())
            time.sleep(0.05)
        assert command.status == 0, f"q ended top with {command.status}"
        assert shown.endswith(b"\x1b[?25h\x1b[?1049l"), f"the terminal is left as top used it: {shown[-80:]!r}"
    finally:
        command.close()


@vmtest(nodes=2, mem=192, tags=("ci",), timeout=400, kernels=("6.12",))
def test_commands_answer_programs_and_people(lab):
    c = Cluster(lab).up({2: "32M"})
    n1, n2 = lab.nodes

    # A node: itself, another one.
    me = answer(n1, "node show")
    assert has(me, {"node", "pool"}, "node show")["node"]["id"] == 1, me
    has(me["node"], NODE, "its node"), has(me["pool"], POOL, "its pool")
    assert answer(n1, "node show 1")["node"]["name"] == "n1"
    other = has(answer(n1, "node show 2")["node"], {"id", "name", "state", "self", "peer"}, "node show 2")
    assert other["id"] == 2 and other["state"] == "live" and other["self"] is False, other
    has(other["peer"], PEER, "its peer")
    refusal(n1, "node show 77")

    # A peer that will never answer is known, and forgotten.
    assert answer(n1, f"peer add 3 10.77.0.3 --name n3 --dry-run") == {
        "dry_run": True, "request": {"do": "peer.add", "id": 3, "address": "10.77.0.3", "port": 7701, "name": "n3"}}
    assert not c.peer(n1, 3)
    assert answer(n1, "peer add 3 10.77.0.3 --name n3") == {"ok": True, "id": 3}
    known = {peer["id"]: peer for peer in answer(n1, "peer list")["peers"]}
    assert set(known) == {2, 3} and known[3]["address"] == "10.77.0.3" and known[3]["name"] == "n3", known
    has(known[2], PEER | {"address"}, "peer 2")
    assert answer(n1, "peer del 3 --dry-run") == {"dry_run": True, "request": {"do": "peer.del", "id": 3}}
    assert answer(n1, "peer del 3") == {"ok": True, "id": 3}
    assert not c.peer(n1, 3)
    refusal(n1, "peer del 3")

    # Lending.
    plan = has(answer(n2, "memory donate 48M --reserve 8M --dry-run"), {"dry_run", "pool", "limit", "reserve"}, "a plan")
    assert plan["limit"] == 48 * MIB and plan["reserve"] == 8 * MIB and plan["pool"]["limit"] == 32 * MIB, plan
    assert answer(n2, "memory donate 48M") == {"ok": True, "limit": 48 * MIB}
    assert c.lent(2)["limit"] == 48 * MIB
    assert answer(n2, "memory drain --dry-run") == {"dry_run": True, "on": True, "peer": 0, "left": 0}
    assert answer(n2, "memory drain --wait") == {"ok": True, "on": True, "left": 0}
    assert c.lent(2)["draining"] is True
    assert answer(n2, "memory drain --off") == {"ok": True, "on": False, "left": 0}
    assert c.lent(2)["draining"] is False

    # Borrowing.
    plan = answer(n1, "memory swap on --size 64M --dry-run")
    assert plan == {"dry_run": True, "bytes": 64 * MIB, "backing": None, "encrypt": True, "checksum": True, "replicas": 0}
    assert c.disk() is None
    assert answer(n1, "memory swap on --size 64M") == {"ok": True, "device": "/dev/hcswap0", "bytes": 64 * MIB}
    has(c.disk(), DISK, "the disk")
    refusal(n1, "memory swap on --size 64M")
    n1.run("mkdir /sys/fs/cgroup/A && echo 8M >/sys/fs/cgroup/A/memory.max")
    plan = answer(n1, "track A --env A --nodes 2 --quota 32M --replicas 1 --dry-run")
    assert plan == {"dry_run": True, "cgroup": "/sys/fs/cgroup/A", "env": "A", "nodes": [2], "quota": 32 * MIB,
                    "replicas": 1}, plan
    refusal(n1, "untrack --env A")
    assert answer(n1, "track A --env A --nodes 2 --replicas 1") == {"ok": True, "env": "A", "cgroup": "/sys/fs/cgroup/A"}
    hog = c.hog("A", "-m 16 -t 600").wait_filled()

    # The picture, for programs and on a terminal; it tells what the other commands tell.
    memory = {"id", "name", "self", "memory_total", "memory_available", "lends", "lent"}

    def look() -> dict | None:
        """A daemon that is slow to say what the others told is left out of a picture."""
        shown = has(answer(n1, "top --interval 500"), {"time", "daemon", "nodes", "pool", "disk", "envs"}, "top")
        return shown if all(memory <= node.keys() for node in shown["nodes"]) else None

    top = lab.wait_for(look, LONG_S, "a picture with both nodes' memory", interval=1)
    assert top["daemon"] is True and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", top["time"]), top
    has(top["pool"], POOL, "top's pool")
    has(top["disk"], DISK - {"swap", "swap_used"} | {"reads_per_s", "writes_per_s"}, "top's disk")
    first, second = sorted(top["nodes"], key=lambda node: node["id"])
    assert has(first, memory, "node 1")["self"] is True
    assert has(second, memory | {"peer", "reads_per_s", "writes_per_s", "served_reads_per_s", "served_writes_per_s"},
               "node 2")["lends"] == 48 * MIB, second
    assert has(second["peer"], PEER, "top's peer")["borrowed_used"] > 4 * MIB, second
    assert [env["name"] for env in top["envs"]] == ["A"] and top["envs"][0]["used"] > 4 * MIB, top["envs"]
    watch_top(n1)

    # Everything back.
    left = answer(n1, "memory drain --peer 2 --dry-run")
    assert left["peer"] == 2 and left["left"] > 4 * MIB, left
    hog.finish()
    c.settle("A")
    assert answer(n1, "untrack --env A --dry-run") == {"dry_run": True, "env": "A"}
    n1.wait_for("hyperchain untrack --env A --json >/tmp/answer", LONG_S, interval=1)
    assert json.loads(n1.read("/tmp/answer")) == {"ok": True, "env": "A"}
    assert has(answer(n1, "memory swap off --dry-run"), {"dry_run", "bytes"}, "a plan")["dry_run"] is True
    assert answer(n1, "memory swap off") == {"ok": True}
    assert c.disk() is None
    # Without a daemon there is still an answer, and a note beside it for people.
    c.stop_daemon(n1)
    result = n1.run("hyperchain node show 2 --json", check=False)
    assert result.status == 0 and "no daemon is running" in result.stderr, result
    has(json.loads(result.stdout)["node"], PEER, "node 2 by the module")
    lab.check()
