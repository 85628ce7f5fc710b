# SPDX-License-Identifier: GPL-2.0-or-later
"""One guest as a test or a person uses it."""

import io
import os
import re
import shlex
import shutil
import subprocess
import tarfile
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Sequence

from . import image, net, paths, proto, splat
from .client import Command
from .errors import CommandFailed, GuestDied, LabError, Timeout
from .kernels import SERIES

if TYPE_CHECKING:
    from .lab import Lab

DEFAULT_TIMEOUT_S = 60


@dataclass(frozen=True)
class Result:
    """How a command in a guest ended."""

    status: int
    stdout: str
    stderr: str


def to_argv(command: str | Sequence[str]) -> list[str]:
    """A string is for the shell, a list is run as it is."""
    return ["/bin/sh", "-c", command] if isinstance(command, str) else list(command)


def to_text(command: str | Sequence[str]) -> str:
    return command if isinstance(command, str) else shlex.join(command)


class Background:
    """A command that goes on in a guest while the test does other things."""

    def __init__(self, node: "Node", command: str | Sequence[str]):
        self.node, self.text = node, to_text(command)
        self._out = {proto.STDOUT: io.BytesIO(), proto.STDERR: io.BytesIO()}
        self._command = node.command(command)
        self._thread = threading.Thread(target=self._collect, daemon=True)
        self._thread.start()

    def _collect(self) -> None:
        self._command.communicate(None, None, self._out)

    @property
    def stdout(self) -> str:
        """What it has said so far."""
        return self._out[proto.STDOUT].getvalue().decode(errors="replace")

    @property
    def stderr(self) -> str:
        return self._out[proto.STDERR].getvalue().decode(errors="replace")

    def poll(self) -> int | None:
        """Exit status, or None while it runs."""
        if self._thread.is_alive():
            return None
        return self._command.status

    def wait(self, timeout: float = DEFAULT_TIMEOUT_S, check: bool = True) -> Result:
        self._thread.join(timeout)
        if self._thread.is_alive():
            self.node.check()
            raise Timeout(self.node.name, self.text, -1, self.stdout, self.stderr,
                          f"still ran after {timeout:.0f} s")
        return self.node.judge(self.text, self._command, self.stdout, self.stderr, check)

    def kill(self, number: int = 9) -> None:
        """Signal its process group."""
        if self.poll() is None:
            self._command.signal(number)


class Node:
    """Node @number of @lab. All waiting has a deadline; failures carry what
    the command and, if it matters, the console said."""

    def __init__(self, lab: "Lab", number: int, kernel: str):
        self.lab, self.number, self.kernel = lab, number, kernel
        self.name = f"n{number}"
        self.ip = net.address(number)
        self._allowed: list[str] = []
        self._may_die = False

    # ------------------------------------------------------------- commands

    def command(self, command: str | Sequence[str], pty: tuple[int, int] | None = None) -> Command:
        """The raw form, for those who want to stream."""
        try:
            return Command(self.lab.socket, self.number, to_argv(command), pty)
        except (FileNotFoundError, ConnectionRefusedError):
            raise LabError(f"the lab {self.lab.name!r} is not up") from None

    def run(self, command: str | Sequence[str], timeout: float = DEFAULT_TIMEOUT_S, *,
            check: bool = True, stdin: BinaryIO | bytes | str | None = None) -> Result:
        """Run to the end. Raises CommandFailed on a status other than 0 (with
        @check), Timeout, and GuestDied."""
        if isinstance(stdin, str):
            stdin = stdin.encode()
        out = {proto.STDOUT: io.BytesIO(), proto.STDERR: io.BytesIO()}
        running = self.command(command)
        try:
            is_over = running.communicate(time.monotonic() + timeout, stdin, out)
        finally:
            running.close()
        stdout, stderr = (out[kind].getvalue().decode(errors="replace") for kind in (proto.STDOUT, proto.STDERR))
        if not is_over:
            self.check()
            raise Timeout(self.name, to_text(command), -1, stdout, stderr, f"still ran after {timeout:.0f} s")
        return self.judge(to_text(command), running, stdout, stderr, check)

    def judge(self, text: str, command: Command, stdout: str, stderr: str, check: bool) -> Result:
        if command.gone:
            if check:
                self.check()
                raise CommandFailed(self.name, text, -1, stdout, stderr, f"had no end: {command.gone}")
            return Result(-1, stdout, stderr)
        assert command.status is not None
        if check and command.status:
            self.check()
            raise CommandFailed(self.name, text, command.status, stdout, stderr)
        return Result(command.status, stdout, stderr)

    def output(self, command: str | Sequence[str], timeout: float = DEFAULT_TIMEOUT_S) -> str:
        """Its stdout, without the last newline."""
        return self.run(command, timeout).stdout.rstrip("\n")

    def start(self, command: str | Sequence[str]) -> Background:
        return Background(self, command)

    def wait_for(self, command: str | Sequence[str], timeout: float = DEFAULT_TIMEOUT_S,
                 interval: float = 0.2) -> Result:
        """Run @command again and again until it succeeds."""
        deadline = time.monotonic() + timeout
        while True:
            result = self.run(command, max(1.0, deadline - time.monotonic()), check=False)
            if result.status == 0:
                return result
            if time.monotonic() > deadline or result.status < 0:
                self.check()
                raise Timeout(self.name, to_text(command), result.status, result.stdout, result.stderr,
                              f"did not succeed within {timeout:.0f} s")
            time.sleep(interval)

    def ssh_argv(self, login: str = "root", port: int = 22) -> list[str]:
        """The start of an ssh command line; for Lab.run_in_network(), or for
        another guest, which knows the same key as its own."""
        return ["ssh", "-i", str(image.ssh_key()), "-p", str(port), "-o", "StrictHostKeyChecking=no",
                "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", f"{login}@{self.ip}"]

    # ---------------------------------------------------------------- files

    def push(self, source: str | os.PathLike, dest: str, timeout: float = 120) -> None:
        """Copy a file, with its mode, or a tree, to @dest. A @dest that ends
        in a slash is a directory to put a file into."""
        path = Path(source)
        if path.is_dir():
            with tempfile.TemporaryFile() as archive:
                with tarfile.open(fileobj=archive, mode="w") as tar:
                    tar.add(path, arcname=".")
                archive.seek(0)
                self.run(["sh", "-c", 'mkdir -p "$1" && tar -xf - -C "$1" --no-same-owner', "sh", dest],
                         timeout, stdin=archive)
            return
        if not path.is_file():
            raise LabError(f"cannot push {path}: there is no such file")
        if dest.endswith("/"):
            dest += path.name
        with open(path, "rb") as f:
            self._write(dest, f, f"{path.stat().st_mode & 0o7777:o}", timeout)

    def write(self, dest: str, text: str | bytes, mode: str = "644", timeout: float = 60) -> None:
        """Make a file in the guest."""
        self._write(dest, text.encode() if isinstance(text, str) else text, mode, timeout)

    def _write(self, dest: str, data: BinaryIO | bytes, mode: str, timeout: float) -> None:
        script = 'mkdir -p "${1%/*}/" && cat >"$1.part" && chmod "$2" "$1.part" && mv -f "$1.part" "$1"'
        self.run(["sh", "-c", script, "sh", dest if "/" in dest else f"./{dest}", mode], timeout, stdin=data)

    def pull(self, source: str, dest: str | os.PathLike, timeout: float = 120) -> None:
        running = self.command(["cat", source])
        errors = io.BytesIO()
        try:
            with open(dest, "wb") as f:
                is_over = running.communicate(time.monotonic() + timeout, b"",
                                              {proto.STDOUT: f, proto.STDERR: errors})
        finally:
            running.close()
        if not is_over or running.status:
            Path(dest).unlink(missing_ok=True)
            why = f"still ran after {timeout:.0f} s" if not is_over else ""
            raise CommandFailed(self.name, f"cat {source}", running.status or -1, "",
                                errors.getvalue().decode(errors="replace"), why)

    def read(self, path: str) -> str:
        return self.run(["cat", path]).stdout

    def install(self) -> None:
        """Put what the tree has built into the guest: the module for its
        kernel as /root/hyperchain.ko, build/bin/* into /usr/local/bin.
        Raises if the module was built for another release of that kernel."""
        module = paths.BUILD_DIR / f"kmod-{Path(self.kernel).name.removeprefix('kernel-')}" / "hyperchain.ko"
        tools = sorted(path for path in (paths.BUILD_DIR / "bin").glob("*") if path.is_file())
        if not module.exists():
            raise LabError(f"{module} is not built: run make first")
        with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryFile() as archive:
            with tarfile.open(fileobj=archive, mode="w") as tar:
                tar.add(_stripped(module, scratch), arcname="root/hyperchain.ko")
                for tool in tools:
                    tar.add(_stripped(tool, scratch), arcname=f"usr/local/bin/{tool.name}")
            archive.seek(0)
            runs = self.run("tar -xf - -C / --no-same-owner && uname -r", 120, stdin=archive).stdout.strip()
        built_for = _release_of(module)
        if built_for != runs:
            raise LabError(f"{module} was built for kernel {built_for}, but {self.name} runs {runs}: "
                           + (f"apt-get install linux-headers-{runs} (as root), then make modules"
                              if self.kernel in SERIES else "build the module against that kernel's tree "
                              "(for the debug kernel: tests/vm/debug-kernel --module)"))

    # --------------------------------------------------------------- faults

    def kill(self) -> None:
        """Pull the plug. The scratch disk keeps what was written."""
        self._ask("kill")

    def boot(self) -> None:
        """A machine that is off comes back, fresh but for its scratch disk."""
        self._ask("start", timeout=300)

    def freeze(self, stop_clock: bool = False) -> None:
        """Nothing runs any more; clocks go on unless @stop_clock."""
        self._ask("freeze", stop_clock=stop_clock)

    def thaw(self) -> None:
        self._ask("thaw")

    def cut(self, *peers: "Node") -> None:
        """Off the network, silently; with @peers only off those."""
        if not peers:
            self._ask("cut")
            return
        addresses = ", ".join(peer.ip for peer in peers)
        self.run(["nft", f"add table ip hclab; delete table ip hclab; table ip hclab {{ "
                  f"chain in {{ type filter hook input priority -300; ip saddr {{ {addresses} }} drop; }}; "
                  f"chain out {{ type filter hook output priority -300; ip daddr {{ {addresses} }} drop; }}; }}"])

    def heal(self) -> None:
        """Back on the network, for all peers."""
        self._ask("heal")
        self.run("nft delete table ip hclab 2>/dev/null; true")

    def slow(self, delay: str | None = None, loss: str | None = None, rate: str | None = None) -> None:
        """Delay ("50ms"), lose ("10%") or throttle ("10mbit") what this node sends."""
        words = [word for name, value in (("delay", delay), ("loss", loss), ("rate", rate)) if value
                 for word in (name, *value.split())]
        if not words:
            raise LabError("slow needs a delay, a loss or a rate")
        self.fast()  # else tc would keep what an earlier call had set
        self.run(["tc", "qdisc", "add", "dev", "eth0", "root", "netem", *words, "limit", "100000"])

    def fast(self) -> None:
        self.run("tc qdisc del dev eth0 root 2>/dev/null; true")

    def _ask(self, op: str, timeout: float = 60, **more: object) -> dict:
        return self.lab.ask({"op": op, "node": self.number, **more}, timeout)

    # --------------------------------------------------------------- health

    @property
    def console_path(self) -> Path:
        return self.lab.directory / self.name / "console.log"

    def console(self) -> str:
        """All the kernel has said since the guest came up."""
        return splat.read(self.console_path)

    def state(self) -> str:
        """off, up, frozen or died."""
        return next(node["state"] for node in self.lab.status()["nodes"] if node["node"] == self.name)

    def allow_splat(self, pattern: str) -> None:
        """A kernel complaint that matches is expected and no failure."""
        self._allowed.append(pattern)

    def allow_death(self) -> None:
        """This guest is expected to die (panic) by itself."""
        self._may_die = True

    def check(self, state: str | None = None) -> None:
        """Raise GuestDied if it died by itself or its kernel complained."""
        allowed = re.compile("|".join(self._allowed)) if self._allowed else None
        cry = splat.find(self.console(), allowed)
        if self._may_die:
            return
        if cry:
            raise GuestDied(f"the kernel of {self.name} complained:\n{cry}")
        if (state or self.state()) == "died":
            raise GuestDied(f"{self.name} ended though nobody asked; its console ends with:\n"
                            f"{splat.tail(self.console_path)}")

    def check_leaks(self) -> None:
        """Raise GuestDied if its kernel has kmemleak and that finds lost memory."""
        found = self.output(LEAKS, timeout=180)
        if found:
            raise GuestDied(f"the kernel of {self.name} lost memory:\n" + "\n".join(found.splitlines()[:60]))


# Twice, since what is moved about during a scan is missed by it; in between,
# what is young now gets old enough (5 s) to be judged.
LEAKS = """
test -e /sys/kernel/debug/kmemleak || exit 0
echo scan >/sys/kernel/debug/kmemleak
sleep 6
echo scan >/sys/kernel/debug/kmemleak
cat /sys/kernel/debug/kmemleak
echo clear >/sys/kernel/debug/kmemleak
"""


def _release_of(module: Path) -> str:
    """The kernel release that insmod will ask for."""
    found = re.search(rb"\0vermagic=([^ \0]+) ", module.read_bytes())
    if not found:
        raise LabError(f"{module} does not say for which kernel it was built: build it anew")
    return found[1].decode()


def _stripped(path: Path, scratch: str) -> Path:
    """Without debug information, which makes a file ten times as long."""
    if not shutil.which("strip"):
        return path
    to = Path(scratch) / path.name
    done = subprocess.run(["strip", "-g", "-o", to, path], capture_output=True)
    return to if done.returncode == 0 else path
