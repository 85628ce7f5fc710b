# SPDX-License-Identifier: GPL-2.0-or-later
"""hyperchain on a lab: nodes that lend each other memory, and a program that needs it.

    cluster = Cluster(lab)
    cluster.up(donate={2: "96M", 3: "96M"})
    cluster.swap_on()
    cluster.track("A", nodes=(2, 3), memory="32M")
    hog = cluster.hog("A", "-m 96 -t 600")
    hog.wait_worked(3000)
    lab.node(2).kill()
    cluster.events.wait("peer-dropped", peer=2)
    hog.finish()

Node 1 is the borrower unless something else is said.
"""

import json
import re
import secrets
import threading
import time
from typing import Callable, Iterable, Mapping, Sequence

from . import paths
from .errors import LabError
from .lab import Lab
from .node import Node

# A starved guest must not be taken for a dead one: most tests are not about detection.
PATIENT = {"request_timeout_ms": 60000, "peer_grace_ms": 30000}
# Detection counts: a dead donor is given up within about eight seconds.
BRISK = {"request_timeout_ms": 6000, "peer_grace_ms": 1500}

LONG_S = 240 * paths.PATIENCE
MIB = 1 << 20
PAGE = 4096


class Events:
    """What the module of one node told, from the moment this was made."""

    def __init__(self, node: Node):
        self.node = node
        self._listener = node.start("exec hyperchain events --module --json")
        # From when its socket (generic netlink, 16) has joined a group.
        node.wait_for("awk '$2 == 16 && $4 != \"00000000\" { found = 1 } END { exit !found }' /proc/net/netlink")

    def all(self) -> list[dict]:
        lines = self._listener.stdout.split("\n")[:-1]
        return [json.loads(line) for line in lines if line.strip()]

    def end(self) -> None:
        self._listener.kill()

    def of(self, kind: str, peer: int | None = None, env: int | None = None) -> list[dict]:
        return [event for event in self.all() if event["kind"] == kind
                and (peer is None or event.get("peer", 0) == peer)
                and (env is None or event.get("env", 0) == env)]

    def wait(self, kind: str, peer: int | None = None, env: int | None = None,
             timeout: float = LONG_S, count: int = 1) -> dict:
        """The @count-th event of that kind since this was made."""
        def come() -> dict | None:
            found = self.of(kind, peer, env)
            return found[count - 1] if len(found) >= count else None

        about = kind + (f" of node {peer}" if peer else "") + (f" of environment {env}" if env else "")
        try:
            return self.node.lab.wait_for(come, timeout, f"event {about} on {self.node.name}")
        except LabError as error:
            raise LabError(f"{error}\n--- events so far\n{self.text()}") from None

    def kinds(self) -> set[str]:
        return {event["kind"] for event in self.all()}

    def text(self) -> str:
        return "\n".join(f"{event['time']} {event['kind']} node {event.get('peer', 0)}: {event['text']}"
                         for event in self.all())


class Hog:
    """A hc-hog at work. It checks itself; finish() says how it went."""

    def __init__(self, node: Node, cgroup: str | None, options: str):
        self.node = node
        enter = f"echo 0 >/sys/fs/cgroup/{cgroup}/cgroup.procs; " if cgroup else ""
        self.process = node.start(f"{enter}exec hc-hog {options}")

    @property
    def said(self) -> str:
        return self.process.stdout

    def _wait(self, condition: Callable[[], object], timeout: float, what: str) -> None:
        def come() -> bool:
            if condition():
                return True
            if self.process.poll() is not None:
                raise LabError(f"hc-hog on {self.node.name} ended early "
                               f"(status {self.process.poll()}):\n{self.tail()}")
            return False

        try:
            self.node.lab.wait_for(come, timeout, f"hc-hog on {self.node.name}: {what}")
        except LabError as error:
            raise LabError(f"{error}\n--- it said\n{self.tail()}") from None

    def tail(self) -> str:
        return (self.process.stdout[-1500:] + self.process.stderr[-500:]).strip()

    def wait_filled(self, timeout: float = LONG_S, workers: int = 1) -> "Hog":
        self._wait(lambda: self.said.count("FILLED") >= workers, timeout, "filled")
        return self

    def ops(self) -> int:
        """Checks done by all workers, as far as told."""
        latest: dict[str, int] = {}
        for worker, number in re.findall(r"^\[(\d+)\] (?:work|WORKED) (\d+) ops", self.said, re.M):
            latest[worker] = int(number)
        return sum(latest.values())

    def wait_worked(self, more: int, timeout: float = LONG_S) -> "Hog":
        """At least @more checks from now on."""
        target = self.ops() + more
        self._wait(lambda: self.ops() >= target, timeout, f"{more} more checks")
        return self

    def summary(self) -> str:
        """Its last lines, for people."""
        return "hc-hog: " + ", ".join(self.said.strip().splitlines()[-5:])

    def number(self, word: str) -> int:
        found = re.findall(rf"^{word} (\d+)$", self.said, re.M)
        if not found:
            raise LabError(f"hc-hog on {self.node.name} told no {word}:\n{self.tail()}")
        return int(found[-1])

    def end(self, timeout: float = LONG_S) -> int:
        """Ask for the verification and wait for it; its exit status."""
        self.process.kill(15)
        return self.process.wait(timeout, check=False).status

    def finish(self, timeout: float = LONG_S) -> None:
        """The same; every byte must be right."""
        self.judge(self.end(timeout))

    def wait(self, timeout: float = LONG_S) -> None:
        """Its own end; every byte must be right."""
        self.judge(self.process.wait(timeout, check=False).status)

    def judge(self, status: int) -> None:
        if status != 0:
            raise LabError(f"hc-hog on {self.node.name} ended with status {status}:\n{self.tail()}")
        assert self.number("BAD") == 0 and self.number("LOST") == 0, self.tail()


class Cluster:
    """All nodes of a lab as one cluster; node @borrower has the swap disk."""

    def __init__(self, lab: Lab, borrower: int = 1):
        self.lab = lab
        self.borrower = lab.node(borrower)
        self._began = time.monotonic()
        self._psk = secrets.token_bytes(32)
        self._donate: dict[int, str] = {}
        self._params: Mapping[str, object] = {}
        self.events: Events | None = None

    # --------------------------------------------------------------- start

    @classmethod
    def ready(cls, lab: Lab, donate: Mapping[int, str], swap: Mapping[str, object] | None = None,
              **more: object) -> "Cluster":
        """For tests that share a lab: the first one brings all up and swap on;
        the others find it as it was, without environments, with new events."""
        cluster = _shared.get(lab.name)
        if cluster is None:
            cluster = cls(lab).up(donate, **more)
            cluster.swap_on(**(swap or {}))
            _shared[lab.name] = cluster
            cluster.say("swap is on")
            return cluster
        cluster._began = time.monotonic()
        cluster.heal()
        cluster.events.end()
        cluster.forget_environments()
        cluster.events = Events(cluster.borrower)
        return cluster

    def heal(self) -> None:
        """After a test that broke something on purpose: everybody is back."""
        together(self._rejoin, [node for node in self.lab.nodes if node.state() == "off"])
        self.wait_live()

    def _rejoin(self, node: Node) -> None:
        node.boot()
        self.start_node(node)

    def reboot(self, node: Node) -> None:
        """A node that was killed comes back, empty, and joins."""
        self._rejoin(node)
        self.wait_live()
        self.say(f"{node.name} is back")

    def forget_environments(self) -> None:
        for env in self.show()["envs"]:
            self.borrower.run(f"echo 1 >/sys/fs/cgroup/{env['name']}/cgroup.kill")
            self.settle(env["name"])
            self.untrack(env["name"])

    def untrack(self, env: str) -> None:
        """Ends its programs, too."""
        procs = f"/sys/fs/cgroup/{env}/cgroup"
        self.borrower.run(f"test ! -e {procs}.kill || echo 1 >{procs}.kill")
        self.borrower.wait_for(f"test ! -s {procs}.procs", LONG_S)
        self.borrower.wait_for(f"hyperchain untrack --env {env}", LONG_S, interval=1)
        self.borrower.wait_for(f"rmdir /sys/fs/cgroup/{env}", LONG_S)

    def settle(self, env: str) -> None:
        """Make the kernel free the last slots of a program that ended: those of
        pages that were on their way just then wait for reclaim, and it keeps up
        to 64 freed ones per processor until some swap is turned off."""
        self.borrower.run(
            f"echo 1G >/sys/fs/cgroup/{env}/memory.reclaim 2>/dev/null; "
            "test -e /tmp/flush || { truncate -s 1M /tmp/flush && mkswap -q /tmp/flush 2>/dev/null; }; "
            "modprobe loop; dev=$(losetup -f --show /tmp/flush) && swapon $dev && swapoff $dev; losetup -d $dev",
            LONG_S)

    def up(self, donate: Mapping[int, str] | None = None, params: Mapping[str, object] = PATIENT,
           reserve: str = "16M", conns: int = 2) -> "Cluster":
        """Modules in, daemons up, everybody sees everybody."""
        self._donate = dict(donate or {})
        self._params, self._reserve, self._conns = params, reserve, conns
        together(self.start_node, self.lab.nodes)
        self.say("daemons are up")
        self.wait_live()
        self.events = Events(self.borrower)
        self.say("all nodes are connected")
        return self

    def say(self, text: str) -> None:
        """Where a test is and how long it took; shown with `run -v` and after a failure."""
        print(f"{time.monotonic() - self._began:6.1f} s  {text}", flush=True)

    def start_node(self, node: Node) -> None:
        """Everything one node needs, as after a boot."""
        node.install()
        self.configure(node)
        self.load_module(node)
        self.start_daemon(node)

    def configure(self, node: Node) -> None:
        text = (f"[node]\nid = {node.number}\nname = {node.name}\naddress = {node.ip}\n"
                f"conns = {self._conns}\npsk_file = /etc/hyperchain/psk\n")
        if node.number in self._donate:
            text += f"donate = {self._donate[node.number]}\nreserve = {self._reserve}\n"
        for peer in self.lab.nodes:
            if peer is not node:
                text += f"[peer.{peer.number}]\nname = {peer.name}\naddress = {peer.ip}\n"
        node.write("/etc/hyperchain/hyperchain.conf", text)
        node.write("/etc/hyperchain/psk", self._psk, mode="600")

    def load_module(self, node: Node) -> None:
        words = " ".join(f"{name}={value}" for name, value in self._params.items())
        node.run(f"insmod /root/hyperchain.ko {words}")

    def start_daemon(self, node: Node) -> None:
        node.run("mkdir -p /run/hyperchain; setsid hyperchaind --foreground >>/run/hyperchaind.log 2>&1 "
                 "</dev/null & echo $! >/run/hyperchaind.pid")
        self.lab.wait_for(lambda: self.has_daemon(node), LONG_S, f"the daemon of {node.name}", interval=0.5)

    def has_daemon(self, node: Node) -> bool:
        """One is registered with the module."""
        result = node.run("hyperchain memory show --json", check=False)
        return not result.status and json.loads(result.stdout)["node"]["daemon_port"] != 0

    def stop_daemon(self, node: Node, signal: int = 9) -> None:
        node.run(f"kill -{signal} $(pgrep -x hyperchaind)")
        node.wait_for("! pgrep -x hyperchaind", 60)

    def daemon_log(self, node: Node) -> str:
        return node.run("cat /run/hyperchaind.log", check=False).stdout

    def wait_live(self, nodes: Iterable[Node] | None = None, timeout: float = LONG_S) -> None:
        """All of @nodes have all connections to each other."""
        members = list(nodes or self.lab.nodes)

        def are_live() -> bool:
            return all(self.peer(a, b.number).get("state") == "live"
                       and self.peer(a, b.number)["connections"] == self._conns
                       for a in members for b in members if a is not b)

        try:
            self.lab.wait_for(are_live, timeout, "all nodes connected", interval=0.5)
        except LabError as error:
            logs = "\n".join(f"--- {node.name}\n{self.daemon_log(node)[-1500:]}" for node in members)
            raise LabError(f"{error}\n{logs}") from None

    # ------------------------------------------------------------ borrowing

    def swap_on(self, size: str = "256M", backing: bool = False, more: str = "",
                encrypt: bool = False) -> None:
        words = f"hyperchain memory swap on --size {size} {more}"
        if backing:
            words += " --backing /dev/vdb --force" + ("" if encrypt else " --no-encrypt")
        self.borrower.run(words, LONG_S)
        # Whoever is no environment stays off the disk by itself; see Lab's settle for the rest.
        self.borrower.run("sysctl -qw vm.swappiness=100")

    def swap_off(self, timeout: float = LONG_S) -> None:
        self.borrower.run("hyperchain memory swap off", timeout)

    def track(self, env: str, nodes: Sequence[int] = (2, 3), memory: str = "32M",
              quota: str | None = None, replicas: int | None = None) -> int:
        """A cgroup of the environment's name, bound, with memory.max; its environment's id."""
        path = f"/sys/fs/cgroup/{env}"
        words = f"hyperchain track {path} --env {env} --nodes {','.join(map(str, nodes))}"
        if quota:
            words += f" --quota {quota}"
        if replicas:
            words += f" --replicas {replicas}"
        self.borrower.run(f"mkdir -p {path} && echo {memory} >{path}/memory.max && {words}", LONG_S)
        return self.env(env)["id"]

    def hog(self, env: str | None, options: str, node: Node | None = None) -> Hog:
        return Hog(node or self.borrower, env, options)

    # ---------------------------------------------------------------- facts

    def ask(self, node: Node, words: str) -> dict:
        return json.loads(node.output(f"hyperchain {words} --json"))

    def show(self, node: Node | None = None) -> dict:
        return self.ask(node or self.borrower, "memory show")

    def disk(self) -> dict:
        return self.show()["disk"]

    def env(self, name: str) -> dict:
        found = [env for env in self.show()["envs"] if env["name"] == name]
        if not found:
            raise LabError(f"{self.borrower.name} knows no environment {name!r}")
        return found[0]

    def peer(self, node: Node, number: int) -> dict:
        """How @node sees node @number; {} when it does not know it."""
        result = node.run("hyperchain peer list --json", check=False)
        if result.status:
            return {}
        return next((peer for peer in json.loads(result.stdout)["peers"] if peer["id"] == number), {})

    def donor(self, number: int) -> dict:
        """How the borrower sees it."""
        return self.peer(self.borrower, number)

    def lent(self, number: int) -> dict:
        """The pool of donor @number."""
        return self.show(self.lab.node(number))["pool"]

    def leases(self, number: int) -> list[dict]:
        return self.show(self.lab.node(number))["leases"]

    def wait(self, condition: Callable[[], object], what: str, timeout: float = LONG_S) -> object:
        """As Lab.wait_for(), telling what the borrower's picture was in the end."""
        try:
            return self.lab.wait_for(condition, timeout, what, interval=0.5)
        except LabError as error:
            picture = self.borrower.run("hyperchain memory show", check=False).stdout
            events = self.events.text() if self.events else ""
            raise LabError(f"{error}\n--- memory show\n{picture}\n--- events\n{events[-3000:]}") from None

    def wait_whole(self, timeout: float = LONG_S) -> dict:
        """Every page has its copies."""
        def whole() -> dict | None:
            disk = self.disk()
            return disk if disk["degraded"] == 0 else None

        return self.wait(whole, "degraded returns to 0", timeout)

    def wait_empty(self, number: int, timeout: float = LONG_S) -> None:
        """Donor @number lends nothing any more, as it sees it itself."""
        def empty() -> bool:
            pool = self.lent(number)
            return pool["lent"] == 0 and pool["used"] == 0

        self.wait(empty, f"node {number} lends nothing any more", timeout)

    def check_healthy(self) -> None:
        """No I/O error but of refused writes, no page lost, no wrong sum; kernels are quiet."""
        disk = self.disk()
        wrong = {key: disk[key] for key in ("lost", "bad_sums") if disk[key]}
        if disk["errors"] > disk["refused"]:
            wrong["errors"] = disk["errors"] - disk["refused"]
        if wrong:
            raise LabError(f"the disk of {self.borrower.name} counts {wrong}: {disk}\n{self.events.text()}")
        self.lab.check()


_shared: dict[str, Cluster] = {}


def together(function: Callable[[Node], object], nodes: Iterable[Node]) -> None:
    """@function for all @nodes at once; the first error is raised."""
    errors: list[BaseException] = []

    def run(node: Node) -> None:
        try:
            function(node)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(node,)) for node in nodes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def counted(text: str) -> dict[str, int]:
    """Lines of "name number", as in memory.events."""
    return {name: int(value) for name, value in (line.split() for line in text.splitlines() if line)}


__all__ = ["BRISK", "LONG_S", "MIB", "PAGE", "PATIENT", "Cluster", "Events", "Hog", "counted", "together"]
