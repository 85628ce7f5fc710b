# SPDX-License-Identifier: GPL-2.0-or-later
"""What happens, step by step. Each step leaves in `facts` what report.py judges."""

import json
import re
import time
from pathlib import Path
from typing import Callable

from labkit import Lab, LabError
from labkit.cluster import Cluster

from .login import ADDRESS, USER, Login, Session
from .picture import Picture
from .sampler import MIB, Sampler
from .screen import Screen
from .shape import Shape

GUEST_DIR = Path(__file__).parent / "guest"
CHAPTER_S = 900          # no chapter of the program takes longer, not even on a starved machine
KILL_AT = 0.4            # of the second reading
VICTIM = 2
SOCKET = "/tmp/redis.sock"
# A starved emulated machine must not be taken for a dead one.
PARAMS = {"request_timeout_ms": 10000, "peer_grace_ms": 3000}
SECTORS_PER_MB = 2048
NOTABLE = {"peer-lost", "peer-dropped", "degraded", "repaired", "pages-lost", "bad-sum", "no-room", "quota",
           "backing-error", "conn-failed", "daemon-gone", "peer-refused"}


class DemoCluster(Cluster):
    """Tells what it does on the screen."""

    def __init__(self, lab: Lab, screen: Screen):
        super().__init__(lab)
        self._screen = screen

    def say(self, text: str) -> None:
        self._screen.note(text)


class Story:
    def __init__(self, screen: Screen, lab: Lab, shape: Shape, kills: bool):
        self.screen, self.lab, self.shape, self.kills = screen, lab, shape, kills
        self.n1, self.victim = lab.node(1), lab.node(VICTIM)
        self.cluster = DemoCluster(lab, screen)
        self.sampler = Sampler(lab.nodes, USER)
        self.picture = Picture(screen, self.sampler, shape, lab.nodes[0].kernel)
        self.login: Login | None = None
        self.facts: dict = {"kernel": "", "events": [], "seconds": {}}
        self.killed_at: float | None = None
        self._nr_events = 0

    def run(self) -> None:
        for step in (self.start_machines, self.start_hyperchain, self.start_container, self.start_borrowing,
                     self.fill, self.verify_and_kill, self.repair, self.stress):
            began = time.monotonic()
            step()
            self.facts["seconds"][step.__name__] = round(time.monotonic() - began, 1)
        self.look_closely()

    def close(self) -> None:
        self.sampler.stop()
        if self.login:
            self.login.close()

    # ---------------------------------------------------- before the program

    def start_machines(self) -> None:
        s = self.shape
        self.screen.step("starting three machines (the first time, their Debian is built: some minutes)")
        self.lab.up(is_owned=not self.facts.get("keep"))
        status = self.lab.status()
        self.facts["kernel"] = status["nodes"][0]["kernel"]
        self.facts["accel"] = status["accel"]
        how = {"kvm": "KVM", "tcg": "emulated processors, so all is slow"}[status["accel"]]
        self.screen.done(f"three machines: n1 with {s.machine_mb} MiB of memory, n2 and n3 with {s.donor_mb} MiB "
                         f"each; stock Debian kernel {self.facts['kernel']}, {how}")

    def start_hyperchain(self) -> None:
        self.screen.step("loading hyperchain.ko and starting hyperchaind on each machine")
        lend = f"{self.shape.lend_mb}M"
        self.cluster.up(donate={2: lend, 3: lend}, params=PARAMS, reserve="8M")
        self.screen.done(f"hyperchain runs: n2 and n3 lend up to {self.shape.lend_mb} MiB each to n1")

    def start_container(self) -> None:
        s = self.shape
        self.screen.step("starting the user's container on n1")
        self.login = Login(self.lab)
        layer = s.copies_mb * SECTORS_PER_MB
        self.n1.run(f"addpart /dev/vdb 1 2048 {layer - 4096} && "
                    f"addpart /dev/vdb 2 {layer} {s.layer_mb * SECTORS_PER_MB - 2048}")
        self.n1.push(GUEST_DIR / "container", "/root/container")
        self.n1.run(["/root/container", USER, ADDRESS, f"{s.container_mb}M", "/dev/vdb2"], 240,
                    stdin=self.login.public_key)
        self.sampler.start()
        self.screen.step(f"logging in as {USER} over ssh")
        who = self._first_login()
        self.login.run("cat >dataset.py", (GUEST_DIR / "dataset.py").read_text())
        self.screen.done(f"{USER}'s container runs on n1 (unprivileged LXC, at most {s.container_mb} MiB of n1's "
                         f"memory); ssh {USER}@{ADDRESS} {self.login.where} says: {who}")

    def _first_login(self) -> str:
        """sshd has just been started: it may not listen yet."""
        deadline = time.monotonic() + 120
        while True:
            is_open = self.login.open()
            try:
                return self.login.run('echo "$(whoami) on $(uname -n)"').strip()
            except LabError:
                if is_open or time.monotonic() > deadline:
                    raise
                time.sleep(1)

    def start_borrowing(self) -> None:
        self.screen.step("binding the container to n2 and n3, and making the swap disk")
        self.n1.run(f"hyperchain track /sys/fs/cgroup/{USER} --env {USER} --nodes 2,3", 120)
        self.cluster.swap_on(f"{self.shape.swap_mb}M", more="--backing /dev/vdb1 --force")
        self.screen.done(f"hyperchain track: what {USER}'s container can't hold goes to n2 and n3, each page to both")

    # ----------------------------------------------------------- the program

    def fill(self) -> None:
        s = self.shape
        self.login.run(f"redis-server --port 0 --unixsocket {SOCKET} --save '' --appendonly no --daemonize yes "
                       "--dir /tmp --logfile /tmp/redis.log")
        self.screen.step(f"{USER} fills a redis with {s.set_mb} MiB")
        began = time.monotonic()
        last = self._dataset("fill", f"redis: storing {s.set_mb} MiB")
        view = self.sampler.look(self.n1)
        self.facts["fill"] = {**last, "away_bytes": view.disk["used"], "container_bytes": view.cgroup,
                              "seconds": round(time.monotonic() - began, 1)}
        self.screen.done(f"redis holds {s.set_mb} MiB in {last['count']:,} values on a machine of {s.machine_mb} MiB: "
                         f"{view.cgroup // MIB} MiB are in n1's memory, {view.disk['used'] // MIB} MiB on n2 and n3")

    def verify_and_kill(self) -> None:
        s, before = self.shape, self.sampler.look(self.n1)
        self.screen.step(f"{USER} reads everything back and checks every byte")

        def at(share: float) -> None:
            if self.kills and self.killed_at is None and share >= KILL_AT:
                self._kill()

        last = self._dataset("verify", f"redis: reading {s.set_mb} MiB back, checking every byte", at)
        after = self.sampler.look(self.n1)
        self.facts["verify"] = {**last, "pages_back": after.disk["reads"] - before.disk["reads"]}
        words = "with one donor killed in the middle" if self.killed_at else "with nobody killed"
        self.screen.done(f"every byte was right, {words}: checksum {last['sum'][:16]} as stored"
                         if last["bad"] == 0 and last["sum"] == self.facts["fill"]["sum"]
                         else f"WRONG: {last['bad']} bad values, checksum {last['sum'][:16]}")

    def _kill(self) -> None:
        view = self.sampler.look(self.n1)
        used = view.peer(VICTIM).get("borrowed_used", 0)
        self.killed_at = time.monotonic()
        self.sampler.is_off.add(VICTIM)
        self.victim.kill()
        self.facts["kill"] = {"bytes_on_it": used, "reads_of_survivor": view.peer(3).get("reads", 0),
                              "repaired_before": view.disk["repaired"]}
        self.screen.say(f"{self.screen.paint('✗', 'red', 'bold')} {self.screen.paint(self.screen.elapsed.rjust(5), 'dim')}"
                        f"  {self.screen.paint(f'the plug of n2 is pulled: it held {used // MIB} MiB of the data set', 'red', 'bold')}")

    def repair(self) -> None:
        if not self.kills:
            return
        self.screen.step("hyperchain makes new second copies, on n1's own disk: only one donor is left")
        self.picture.program.title, self.picture.program.share = "redis: idle", None
        dropped = self._wait(lambda: self._event("peer-dropped"), "n2 to be given up")
        kill = self.facts["kill"]
        kill["given_up_after_s"] = round(dropped["host_time"] - self.killed_at, 1)
        self._wait(lambda: self.sampler.look(self.n1).disk["degraded"] == 0, "every page to have two copies again")
        whole = [event["host_time"] for event in self.facts["events"]
                 if event["kind"] == "repaired" and event["host_time"] > self.killed_at]
        kill["whole_after_s"] = round((whole[-1] if whole else time.monotonic()) - self.killed_at, 1)
        view = self.sampler.borrower
        kill["repaired"] = view.disk["repaired"] - kill["repaired_before"]
        kill["local_bytes"] = view.disk["local"]
        kill["reads_of_survivor_after"] = view.peer(3)["reads"] - kill["reads_of_survivor"]
        self.screen.done(f"n2 was given up after {kill['given_up_after_s']} s; after {kill['whole_after_s']:.0f} s "
                         f"every page had two copies again, {view.disk['local'] // MIB} MiB of them on n1's disk")

    def stress(self) -> None:
        s = self.shape
        self.login.run(f"redis-cli -s {SOCKET} shutdown nosave || true")
        self.screen.step("redis ends; its memory elsewhere is given back")
        self._wait(lambda: self.sampler.look(self.n1).disk["used"] < 64 * MIB, "redis' pages to be freed")
        self.facts["freed_to_bytes"] = self.sampler.borrower.disk["used"]
        before = self.sampler.look(self.n1).disk
        self.screen.step(f"stress-ng writes and verifies {s.stress_mb} MiB")
        program = self.picture.program
        program.title, program.share, program.note = f"stress-ng --vm-bytes {s.stress_mb}M --verify", None, ""
        # One operation more than the passes: by a time limit it could end before it verified anything.
        session = self.login.start(f"stress-ng --vm 1 --vm-bytes {s.stress_mb}M --vm-keep --vm-method rand-set "
                                   f"--verify --vm-ops {s.stress_ops + 1} -t {CHAPTER_S} --metrics-brief "
                                   "--temp-path /tmp 2>&1")
        began = time.monotonic()
        try:
            self._wait(lambda: session.poll() is not None, "stress-ng to end", CHAPTER_S + 60, session)
        finally:
            session.end()
        after = self.sampler.look(self.n1).disk
        ops = re.findall(r"metrc: \[\d+\] vm +(\d+) ", session.stdout)
        self.facts["stress"] = {
            "status": session.poll(), "said": session.stdout[-2000:], "peak_mb": s.stress_mb,
            "pages_out": after["writes"] - before["writes"], "pages_back": after["reads"] - before["reads"],
            "operations": int(ops[-1]) if ops else 0, "seconds": round(time.monotonic() - began, 1)}
        good = session.poll() == 0 and self.facts["stress"]["operations"] >= s.stress_ops
        self.screen.done(f"stress-ng verified what it wrote: {'no error' if good else 'FAILED'}; "
                         f"{self.facts['stress']['pages_out']:,} pages went out and "
                         f"{self.facts['stress']['pages_back']:,} came back meanwhile")

    # ---------------------------------------------------------------- helpers

    def _dataset(self, what: str, title: str, at: Callable[[float], None] | None = None) -> dict:
        """Run dataset.py over ssh, show how far it is; its last word."""
        program = self.picture.program
        program.title, program.share, program.note = title, 0.0, ""
        session = self.login.start(f"python3 dataset.py {what} {SOCKET} {self.shape.values}")
        last: dict = {}
        moved_at, longest = time.monotonic(), 0.0

        def is_over() -> bool:
            nonlocal moved_at, longest
            status = session.poll()
            for line in session.lines()[-1:]:
                word = json.loads(line)
                if word["what"] == what:
                    if word["done"] != last.get("done"):
                        longest, moved_at = max(longest, time.monotonic() - moved_at), time.monotonic()
                    last.clear()
                    last.update(word)
                    program.share = word["done"] / word["count"]
                    if at:
                        at(program.share)
            return status is not None

        try:
            self._wait(is_over, f"the program ({what})", session=session)
        finally:
            session.end()
        if not last.get("over"):
            raise LabError(f"the user's program ended early (status {session.poll()}): "
                           f"{(session.stderr or session.stdout).strip()[-500:] or 'it said nothing'}")
        last["status"], last["longest_wait_s"] = session.poll(), round(longest, 1)
        last["wrong"] = [line for line in session.lines() if '"wrong"' in line][:10]
        return last

    def _wait(self, condition: Callable[[], object], what: str, timeout: float = CHAPTER_S,
              session: Session | None = None) -> object:
        deadline, looked = time.monotonic() + timeout, time.monotonic()
        while True:
            value = condition()
            self.take_events()
            if value:
                return value
            if time.monotonic() - looked > 5:
                looked = time.monotonic()
                for node in self.lab.nodes:
                    if node.number not in self.sampler.is_off:
                        node.check()
            if time.monotonic() > deadline:
                said = f"; it said: {session.stdout[-300:]} {session.stderr[-300:]}" if session else ""
                raise LabError(f"gave up waiting for {what} after {timeout:.0f} s{said}")
            time.sleep(0.2)

    def take_events(self) -> None:
        """Those that came since the last call go on the screen and into the facts."""
        events = self.cluster.events.all()
        for event in events[self._nr_events:]:
            event["host_time"] = time.monotonic()
            self.facts["events"].append(event)
            if event["kind"] in NOTABLE:
                color = "green" if event["kind"] == "repaired" else "yellow"
                self.screen.say(f"        {self.screen.paint('n1 tells: ' + event['text'], color)}")
        self._nr_events = len(events)

    def _event(self, kind: str) -> dict | None:
        self.take_events()
        return next((event for event in self.facts["events"]
                     if event["kind"] == kind and event.get("peer") == VICTIM), None)

    def look_closely(self) -> None:
        """The last look, when nothing moves any more."""
        self.screen.step("looking at all counters, and at what the kernels said")
        self.sampler.stop()
        self.take_events()
        view = self.sampler.look(self.n1)
        self.facts.update(
            disk=view.disk, envs=view.show["envs"], peers=view.show["peers"], ooms=view.ooms,
            host_swapped=view.host_swapped, peak_lent=self.sampler.peak_lent, peak_disk=self.sampler.peak_disk,
            peak_container=self.sampler.peak_cgroup, traffic=self.sampler.traffic)
        try:
            self.lab.check()
            self.facts["splat"] = ""
        except LabError as error:
            self.facts["splat"] = str(error)
