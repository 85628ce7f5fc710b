# SPDX-License-Identifier: GPL-2.0-or-later
"""One guest as its keeper sees it: the QEMU process, the agent, the monitor."""

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import subprocess
import time
from pathlib import Path

from . import net, process, proto
from .errors import GuestDied, LabError
from .qemu import Machine
from .qmp import Qmp

BOOT_TIMEOUT_S = 300
RESTORE_TIMEOUT_S = 120


class Channel:
    """One command's place on the agent's port."""

    def __init__(self, guest: "Guest", number: int):
        self.guest, self.number = guest, number
        self.frames: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue()
        self.stdin_credit = proto.STDIN_WINDOW
        self.stdin_room = asyncio.Event()

    def send(self, kind: int, payload: bytes = b"") -> None:
        self.guest.send(self.number, kind, payload)

    async def take_stdin_credit(self, length: int) -> None:
        """Wait until the agent has room for @length more bytes of stdin."""
        while self.stdin_credit < length:
            self.stdin_room.clear()
            await self.stdin_room.wait()
        self.stdin_credit -= length


class Guest:
    """A machine that is off, on, frozen or dead.

    `state` is one of "off" (never started, or killed by us), "up", "frozen"
    and "died" (ended though nobody asked: a panic, or QEMU itself).
    """

    def __init__(self, number: int, machine: Machine, directory: Path):
        self.number, self.machine, self.directory = number, machine, directory
        self.name = f"n{number}"
        self.state = "off"
        self.is_cut = False
        self.is_clock_stopped = False
        self.process: subprocess.Popen | None = None
        self.qmp: Qmp | None = None
        self._agent: socket.socket | None = None
        self._agent_writer: asyncio.StreamWriter | None = None
        self._channels: dict[int, Channel] = {}
        self._free_channels = asyncio.Semaphore(proto.NR_CHANNELS - 1)
        self._control: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue()
        self._watchers: set[asyncio.Task] = set()
        directory.mkdir(parents=True, exist_ok=True)

    @property
    def console(self) -> Path:
        return self.directory / "console.log"

    @property
    def disk(self) -> Path:
        return self.directory / "scratch.img"

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process else None

    # ------------------------------------------------------------ life

    async def boot(self, ram: Path) -> None:
        """Start from the kernel on; used only to make a saved state."""
        self._spawn(ram, is_ram_shared=True)
        await self._connect()
        with _deadline(BOOT_TIMEOUT_S, f"{self.name} did not boot", self.console):
            kind, _ = await self._control_frame(BOOT_TIMEOUT_S)
            if kind != proto.HELLO:
                raise LabError(f"{self.name}: unexpected frame {kind} at boot")
        self.state = "up"

    async def restore(self, ram: Path, state: Path) -> None:
        """Start from a saved state and make the clone a machine of its own."""
        state_fd = os.open(state, os.O_RDONLY)
        try:
            self._spawn(ram, is_ram_shared=False, incoming_fd=state_fd)
            await self._connect()
            assert self.qmp
            await self._ignore_shared_ram()
            await self.qmp("migrate-incoming", uri=f"fd:{state_fd}")
            await self.qmp.migration_done()
        finally:
            os.close(state_fd)
        await self.qmp("cont")
        self.send(0, proto.BECOME, self._identity())
        with _deadline(RESTORE_TIMEOUT_S, f"{self.name} does not answer after its restore", self.console):
            kind, wrong = await self._control_frame(RESTORE_TIMEOUT_S)
        if kind != proto.BECAME or wrong:
            raise LabError(f"{self.name} could not take its identity: {wrong.decode()}")
        self.state = "up"

    async def save(self, state: Path) -> None:
        """Stop for good and leave all but the RAM, which is a file, in @state."""
        assert self.qmp
        await self.qmp("stop")
        await self._ignore_shared_ram()
        await self.qmp("migrate", uri=f"exec:cat >{state}")
        await self.qmp.migration_done()
        self.kill()

    async def _ignore_shared_ram(self) -> None:
        assert self.qmp
        await self.qmp("migrate-set-capabilities",
                       capabilities=[{"capability": "x-ignore-shared", "state": True}])

    def _spawn(self, ram: Path, is_ram_shared: bool, incoming_fd: int | None = None) -> None:
        if not self.disk.exists():
            with open(self.disk, "wb") as f:
                f.truncate(self.machine.disk_mb << 20)
        self._agent, agent = socket.socketpair()
        qmp, qmp_theirs = socket.socketpair()
        tap = net.open_tap(self.number) if self.machine.net_kind == "tap" else -1
        fds = [agent.fileno(), qmp_theirs.fileno()] + [fd for fd in (tap, incoming_fd) if fd not in (None, -1)]
        argv = self.machine.command(ram, is_ram_shared, self.disk, self.console,
                                    agent.fileno(), qmp_theirs.fileno(), tap, name=self.name)
        if incoming_fd is not None:
            argv += ["-incoming", "defer"]
        with open(self.directory / "qemu.log", "ab") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            pass_fds=fds, preexec_fn=process.die_with_parent)
        agent.close()
        qmp_theirs.close()
        if tap >= 0:
            os.close(tap)
        self.qmp = Qmp(qmp)
        self._start_task(self._watch_process(self.process))

    async def _connect(self) -> None:
        assert self.qmp and self._agent
        self._control = asyncio.Queue()
        reader, self._agent_writer = await asyncio.open_connection(sock=self._agent)
        self._start_task(self._read_agent(reader))
        try:
            await asyncio.wait_for(self.qmp.start(), 60)
        except (LabError, OSError, ValueError):
            raise LabError(f"{self.name}: QEMU did not start: {self._last_words('qemu.log')}") from None

    def _last_words(self, log: str) -> str:
        text = (self.directory / log).read_text(errors="replace").strip()
        return text[-600:] or "it said nothing"

    def _start_task(self, work) -> None:
        task = asyncio.ensure_future(work)
        self._watchers.add(task)
        task.add_done_callback(self._watchers.discard)

    async def _watch_process(self, qemu: subprocess.Popen) -> None:
        """Notice the end of QEMU, without a thread and without a race."""
        pidfd = os.pidfd_open(qemu.pid)
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(pidfd, ended.set)
        await ended.wait()
        loop.remove_reader(pidfd)
        os.close(pidfd)
        qemu.wait()
        if self.process is qemu:
            self.process = None
            if self.state != "off":
                self.state = "died"
            self._drop_channels()

    def _drop_channels(self) -> None:
        if self._agent_writer:
            self._agent_writer.close()
        if self.qmp:
            self.qmp.close()
        self._control.put_nowait((proto.GONE, b""))
        for channel in self._channels.values():
            channel.frames.put_nowait((proto.GONE, f"{self.name} {self.gone_reason()}".encode()))

    def gone_reason(self) -> str:
        return {"off": "was switched off", "died": "died (see its console)"}.get(self.state, "is gone")

    # ---------------------------------------------------------- faults

    def kill(self) -> None:
        """Pull the plug."""
        self.state = "off"
        self.is_cut = self.is_clock_stopped = False
        if self.process:
            self.process.kill()

    async def killed(self) -> None:
        self.kill()
        while self.process:
            await asyncio.sleep(0.01)

    async def freeze(self, stop_clock: bool) -> None:
        """Let nothing run. The guest's clocks go on, as in a real machine that
        stalls, unless @stop_clock."""
        self.need("up")
        assert self.process and self.qmp
        if stop_clock:
            await self.qmp("stop")
        else:
            os.kill(self.process.pid, signal.SIGSTOP)
        self.is_clock_stopped = stop_clock
        self.state = "frozen"

    async def thaw(self) -> None:
        self.need("frozen")
        assert self.process and self.qmp
        if self.is_clock_stopped:
            await self.qmp("cont")
        else:
            os.kill(self.process.pid, signal.SIGCONT)
        self.is_clock_stopped = False
        self.state = "up"

    async def set_cut(self, is_cut: bool) -> None:
        if self.state == "frozen" and not self.is_clock_stopped:
            raise LabError(f"{self.name} is frozen, so QEMU can't change its network: thaw it first")
        if self.state != "frozen":
            self.need("up")
        assert self.qmp
        await self.qmp("set_link", name="nic", up=not is_cut)
        self.is_cut = is_cut

    def need(self, state: str) -> None:
        if self.state != state:
            raise LabError(f"{self.name} is {self.state}, not {state}")

    # ----------------------------------------------------------- agent

    def send(self, channel: int, kind: int, payload: bytes = b"") -> None:
        if self._agent_writer and not self._agent_writer.is_closing():
            self._agent_writer.write(proto.frame(channel, kind, payload))

    async def _read_agent(self, reader: asyncio.StreamReader) -> None:
        parser = proto.Parser()
        with contextlib.suppress(OSError):
            while data := await reader.read(262144):
                for number, kind, payload in parser.feed(data):
                    self._frame_received(number, kind, payload)

    def _frame_received(self, number: int, kind: int, payload: bytes) -> None:
        if kind in (proto.HELLO, proto.BECAME):
            self._control.put_nowait((kind, payload))
            return
        channel = self._channels.get(number)
        if not channel:
            return
        if kind == proto.IN_WINDOW:
            channel.stdin_credit += proto.read_u32(payload)
            channel.stdin_room.set()
        else:
            channel.frames.put_nowait((kind, payload))

    async def _control_frame(self, timeout: float) -> tuple[int, bytes]:
        kind, payload = await asyncio.wait_for(self._control.get(), timeout)
        if kind == proto.GONE:
            raise GuestDied(f"{self.name} ended while it was starting: {self._last_words('console.log')}")
        return kind, payload

    @contextlib.asynccontextmanager
    async def channel(self):
        """A free channel; the caller keeps it until the command has ended."""
        async with self._free_channels:
            number = next(n for n in range(1, proto.NR_CHANNELS) if n not in self._channels)
            channel = self._channels[number] = Channel(self, number)
            try:
                yield channel
            finally:
                del self._channels[number]

    async def run(self, argv: list[str], timeout: float) -> None:
        """A command of the keeper's own, whose output nobody wants."""
        async with self.channel() as channel:
            channel.send(proto.OPEN, proto.open_payload(argv))
            channel.send(proto.STDIN)
            while True:
                kind, payload = await asyncio.wait_for(channel.frames.get(), timeout)
                if kind == proto.GONE:
                    raise GuestDied(f"{self.name} ended during {argv[0]}")
                if kind == proto.EXIT:
                    return
                channel.send(proto.OUT_WINDOW, proto.u32(len(payload)))

    def _identity(self) -> bytes:
        return proto.IDENTITY.pack(
            time.time_ns(), socket.inet_aton(net.address(self.number)),
            bytes.fromhex(net.mac(self.number).replace(":", "")), net.PREFIX_LEN,
            secrets.token_bytes(64)) + self.name.encode()


@contextlib.contextmanager
def _deadline(seconds: float, what: str, console: Path):
    try:
        yield
    except asyncio.TimeoutError:
        tail = console.read_text(errors="replace")[-2000:] if console.exists() else ""
        raise LabError(f"{what} within {seconds:.0f} s; its console ends with:\n{tail}") from None
