# SPDX-License-Identifier: GPL-2.0-or-later
"""The user at a terminal: ssh into the container, with a key of the user's own."""

import contextlib
import shlex
import subprocess
import tempfile
import threading
from pathlib import Path

from labkit import Lab, LabError
from labkit.artifacts import run

USER = "alice"
ADDRESS = "10.77.0.101"
OPTIONS = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
           "-o", "BatchMode=yes", "-o", "ConnectTimeout=60", "-o", "KexAlgorithms=curve25519-sha256"]
GUEST_KEY = "/root/alice.key"


class Session:
    """A command that goes on; its output is collected."""

    def __init__(self, argv: list[str], stdin: bytes):
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=subprocess.PIPE, start_new_session=True)
        self._out = {"stdout": b"", "stderr": b""}
        self._threads = [threading.Thread(target=self._collect, args=(name,), daemon=True) for name in self._out]
        for thread in self._threads:
            thread.start()
        try:
            self._process.stdin.write(stdin)
            self._process.stdin.close()
        except BrokenPipeError:
            pass  # its status and stderr tell why

    def _collect(self, name: str) -> None:
        with getattr(self._process, name) as pipe:
            while data := pipe.read1(65536):
                self._out[name] += data

    @property
    def stdout(self) -> str:
        return self._out["stdout"].decode(errors="replace")

    @property
    def stderr(self) -> str:
        return self._out["stderr"].decode(errors="replace")

    def lines(self) -> list[str]:
        """The whole lines so far."""
        return self.stdout.split("\n")[:-1]

    def poll(self) -> int | None:
        status = self._process.poll()
        if status is not None:
            for thread in self._threads:
                thread.join(10)
        return status

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()


class Login:
    """Where this host has a place in the lab's network it logs in itself; else node 3 does."""

    def __init__(self, lab: Lab):
        self.lab = lab
        self._directory = tempfile.TemporaryDirectory(prefix="hc-demo-")
        self.key = Path(self._directory.name) / USER
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", USER, "-f", self.key], "make the user's ssh key")
        self.is_from_host = lab.status()["net"] == "tap"
        if not self.is_from_host:
            lab.node(3).push(self.key, GUEST_KEY)

    @property
    def public_key(self) -> str:
        return self.key.with_suffix(".pub").read_text()

    @property
    def where(self) -> str:
        return "from this host" if self.is_from_host else "from n3"

    def ssh(self, key: str) -> list[str]:
        return ["ssh", "-i", key, *OPTIONS, "-o", f"ControlPath={key}.control", f"{USER}@{ADDRESS}"]

    def _in_lab(self, words: list[str]) -> list[str]:
        return ["nsenter", "-t", str(self.lab.keeper_pid), "-n", *words]

    def open(self) -> bool:
        """The connection that all sessions share: a key exchange on an emulated
        processor takes seconds."""
        if not self.is_from_host:
            words = shlex.join([*self.ssh(GUEST_KEY), "-fNM"])
            return self.lab.node(3).run(f"{words} >/dev/null 2>&1", 120, check=False).status == 0
        done = subprocess.run(self._in_lab([*self.ssh(str(self.key)), "-fNM"]), stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, timeout=120)
        return done.returncode == 0

    def start(self, command: str, stdin: str = "") -> Session:
        if self.is_from_host:
            argv = self._in_lab([*self.ssh(str(self.key)), command])
        else:
            words = shlex.join([*self.ssh(GUEST_KEY), command])
            argv = [str(Path(__file__).parent.parent / "lab"), "exec", "--name", self.lab.name,
                    "--timeout", "1h", "-i", "n3", words]
        return Session(argv, stdin.encode())

    def run(self, command: str, stdin: str = "", timeout: float = 120) -> str:
        session = self.start(command, stdin)
        try:
            session._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise LabError(f"{command!r} over ssh still ran after {timeout:.0f} s: {session.stderr.strip()}") from None
        finally:
            session.end()
        if session.poll():
            raise LabError(f"{command!r} over ssh ended with status {session.poll()}: "
                           f"{(session.stderr or session.stdout).strip()[-500:]}")
        return session.stdout

    def close(self) -> None:
        """Before the lab goes: the shared connection ends here."""
        if self.is_from_host and self.lab.is_up():
            with contextlib.suppress(subprocess.TimeoutExpired):
                subprocess.run(self._in_lab([*self.ssh(str(self.key)), "-O", "exit"]), capture_output=True, timeout=30)
        self._directory.cleanup()
