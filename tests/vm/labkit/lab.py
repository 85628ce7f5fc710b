# SPDX-License-Identifier: GPL-2.0-or-later
"""A lab as tests and the command line use it: bring up, attach, take down."""

import contextlib
import itertools
import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Callable, Mapping

from . import accel, client, image, net, paths, process, states
from .errors import LabError, Timeout
from .node import Node
from .qemu import Machine

MAX_NODES = 32
START_TIMEOUT_S = 300
_counter = itertools.count(1)


class Lab:
    """N machines on a private network.

    Used as a context manager it is up inside the block; on the way out it
    raises if a guest died or its kernel complained, and takes all down. The
    lab also ends when this process ends, and when @life seconds are over.
    """

    def __init__(self, n: int = 3, *, kernel: str = "6.1", mem: int = 512, cpus: int = 1,
                 disk: int = 512, name: str | None = None, life: float = 7200,
                 init: str = "agent", mem_of: Mapping[int, int] | None = None,
                 kernel_of: Mapping[int, str] | None = None):
        """@mem and @disk in MB; @mem_of and @kernel_of override single nodes."""
        if not 1 <= n <= MAX_NODES:
            raise LabError(f"a lab has 1 to {MAX_NODES} nodes, not {n}")
        self.name = name or f"auto-{os.getpid()}-{next(_counter)}"
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", self.name):
            raise LabError(f"{self.name!r} is no name for a lab: use letters, digits, dot, dash and underscore")
        if init not in ("agent", "systemd"):
            raise LabError(f"a guest's init is agent or systemd, not {init!r}")
        self.life = life
        self._specs = [{
            "kernel": (kernel_of or {}).get(k, kernel), "mem_mb": (mem_of or {}).get(k, mem),
            "cpus": cpus, "disk_mb": disk, "init": init} for k in range(1, n + 1)]
        self.directory = paths.run_dir(self.name)
        self.nodes = [Node(self, k, spec["kernel"]) for k, spec in enumerate(self._specs, 1)]
        self._owner_pipe: int | None = None

    # ------------------------------------------------------------- life

    @classmethod
    def attach(cls, name: str) -> "Lab":
        """A lab that is already up, by its name."""
        directory = paths.run_dir(name)
        try:
            config = json.loads((directory / "config.json").read_text())
        except FileNotFoundError:
            raise LabError(f"there is no lab {name!r}: start it with `lab up --name {name}`, or see `lab list`") from None
        lab = cls(len(config["nodes"]), name=name, life=config["life_s"],
                  kernel_of={k: node["kernel"] for k, node in enumerate(config["nodes"], 1)})
        if not lab.is_up():
            raise LabError(f"the lab {name!r} is over (its time, or its keeper ended): `lab down --name {name}` tidies up")
        return lab

    def up(self, *, is_owned: bool = False) -> "Lab":
        """Start all guests; returns when every one answers. With @is_owned
        the lab goes down when this process ends, however it ends."""
        if self.is_up():
            raise LabError(f"the lab {self.name!r} is up already: take it down, or choose another --name")
        if os.geteuid():
            raise LabError("a lab needs root, for its images and its network namespace: run this as root; "
                           "`lab doctor` says whether anything else is missing")
        nodes = prepare(self._specs)
        self._tidy()
        self.directory.mkdir(parents=True)
        config = {"name": self.name, "life_s": self.life, "nodes": nodes}
        try:
            self._start_keeper(config, is_owned)
            self.ask({"op": "ready"}, timeout=START_TIMEOUT_S)
        except BaseException:
            self.down()
            raise
        return self

    def _start_keeper(self, config: dict, is_owned: bool) -> None:
        owner_read = None
        if is_owned:
            owner_read, self._owner_pipe = os.pipe()
            config["owner_fd"] = owner_read
        (self.directory / "config.json").write_text(json.dumps(config, indent=1))
        with open(self.directory / "keeper.log", "ab") as log:
            keeper = subprocess.Popen(
                process.python_argv("labkit.keeper", [str(self.directory)]), env=process.python_env(),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                pass_fds=[] if owner_read is None else [owner_read])
        if owner_read is not None:
            os.close(owner_read)
        record = {"pid": keeper.pid, "started": process.start_time(keeper.pid)}
        (self.directory / "keeper.json").write_text(json.dumps(record))
        deadline = time.monotonic() + 30
        while not self._answers():
            if keeper.poll() is not None or time.monotonic() > deadline:
                log_text = (self.directory / "keeper.log").read_text().strip()
                raise LabError(f"the lab's keeper did not start: {log_text[-1500:]}")
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            client.connect(self.socket).close()
        except OSError:
            return False
        return True

    def down(self) -> None:
        """End every guest and leave nothing behind. Fine if it is down."""
        record = self._keeper_record()
        if record:
            with contextlib.suppress(LabError, OSError):
                client.ask(self.socket, {"op": "down"}, timeout=5)
            self._wait_end(record)
        if self._owner_pipe is not None:
            os.close(self._owner_pipe)
            self._owner_pipe = None
        self._tidy()

    def _wait_end(self, record: dict, timeout: float = 10) -> None:
        deadline = time.monotonic() + timeout
        while process.is_same(record["pid"], record["started"]):
            with contextlib.suppress(ChildProcessError):
                os.waitpid(record["pid"], os.WNOHANG)
            if time.monotonic() > deadline:
                process.end(record["pid"], record["started"])
                return
            time.sleep(0.01)

    def _keeper_record(self) -> dict | None:
        with contextlib.suppress(FileNotFoundError, ValueError):
            record = json.loads((self.directory / "keeper.json").read_text())
            if process.is_same(record["pid"], record["started"]):
                return record
        return None

    def _tidy(self) -> None:
        if self.directory.exists():
            shutil.rmtree(self.directory)

    def is_up(self) -> bool:
        return self._keeper_record() is not None

    def __enter__(self) -> "Lab":
        return self.up(is_owned=True)

    def __exit__(self, kind, value, traceback) -> None:
        try:
            if kind is None:
                self.check()
        finally:
            self.down()

    # -------------------------------------------------------------- use

    @property
    def socket(self) -> Path:
        return self.directory / "keeper.sock"

    @property
    def keeper_pid(self) -> int:
        record = self._keeper_record()
        if not record:
            raise LabError(f"the lab {self.name!r} is not up")
        return record["pid"]

    def specs(self) -> list[dict]:
        """What prepare() wants to know about each node."""
        return self._specs

    def node(self, number: int) -> Node:
        if not 1 <= number <= len(self.nodes):
            raise LabError(f"there is no node {number}: this lab has n1 to n{len(self.nodes)}")
        return self.nodes[number - 1]

    def ask(self, request: dict, timeout: float = 60) -> dict:
        try:
            return client.ask(self.socket, request, timeout)
        except (FileNotFoundError, ConnectionRefusedError):
            raise LabError(f"the lab {self.name!r} is not up") from None

    def status(self) -> dict:
        return self.ask({"op": "status"})

    def check(self) -> None:
        """Raise if a guest died by itself or its kernel complained."""
        status = {node["node"]: node["state"] for node in self.status()["nodes"]}
        for node in self.nodes:
            node.check(status[node.name])

    def check_leaks(self) -> None:
        """Raise if a guest whose kernel has kmemleak has lost memory."""
        for node in self.nodes:
            if node.state() == "up":
                node.check_leaks()

    def wait_for(self, condition: Callable[[], object], timeout: float = 60, what: str = "",
                 interval: float = 0.2) -> object:
        """Poll @condition until it returns something true, and return that."""
        deadline = time.monotonic() + timeout
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > deadline:
                self.check()
                raise Timeout(self.name, what or getattr(condition, "__name__", "condition"), -1, "", "",
                              f"did not come about within {timeout:.0f} s")
            time.sleep(interval)

    def run_in_network(self, argv: list[str], **kwargs) -> subprocess.CompletedProcess:
        """Run a host command inside the lab's network (tap networks only):
        the way to ssh to a guest. Keyword arguments as for subprocess.run."""
        pid = self.keeper_pid
        return subprocess.run(argv, preexec_fn=lambda: net.join_namespace(pid), **kwargs)


def prepare(specs: list[dict]) -> list[dict]:
    """Make what the nodes of @specs need and is not there yet; the keeper's
    part of the configuration."""
    net_kind = net.probe_kind()
    images = {spec["kernel"]: image.ensure(spec["kernel"]) for spec in specs}
    mode = accel.choose(next(iter(images.values())))
    nodes = []
    for spec in specs:
        what = {**spec, "accel": mode, "net_kind": net_kind}
        machine = Machine(images[what.pop("kernel")], **what)
        nodes.append({"kernel": spec["kernel"], "machine": machine.to_json(),
                      "state": str(states.ensure(machine))})
    return nodes


def all_names() -> list[str]:
    """Labs that have a run directory, up or over."""
    if not paths.RUN_DIR.exists():
        return []
    return sorted(path.name for path in paths.RUN_DIR.iterdir() if (path / "config.json").exists())
