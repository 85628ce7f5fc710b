# SPDX-License-Identifier: GPL-2.0-or-later
"""The process that holds one lab: its network, its guests and their ends.

There is one keeper per lab. It lives in the lab's network namespace, is the
parent of all its QEMUs, which die with it, and serves clients (the `lab`
command, tests) on a unix socket. It ends by itself when its time is over, when
its owner's pipe closes, or when told to; nothing of the lab outlives it.

A client sends one line of JSON, {"op": ...}, and gets one back; after "exec"
the frames of proto.py follow in both directions.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path

from . import net, proto
from .client import bind_path
from .errors import LabError
from .guest import Channel, Guest
from .qemu import Machine

# The kernel ends the keeper this long after its time, should it hang.
GRACE_S = 30


class Keeper:
    def __init__(self, directory: Path):
        self.directory = directory
        self.config = json.loads((directory / "config.json").read_text())
        self.deadline = time.monotonic() + self.config["life_s"]
        self.over = asyncio.Event()
        self.guests: dict[int, Guest] = {}
        self.states: dict[int, Path] = {}
        self.failure = ""
        self.is_ready = asyncio.Event()
        for number, node in enumerate(self.config["nodes"], 1):
            self.states[number] = Path(node["state"])
            machine = Machine.from_json(node["machine"])
            self.guests[number] = Guest(number, machine, directory / f"n{number}")

    # ------------------------------------------------------------- life

    async def main(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.over.set)
        owner_fd = self.config.get("owner_fd")
        if owner_fd is not None:
            loop.add_reader(owner_fd, self.over.set)  # nothing is ever written: this is its end
        loop.call_later(self.config["life_s"], self.over.set)
        with bind_path(self.directory / "keeper.sock") as path:
            server = await asyncio.start_unix_server(self._client, path, limit=1 << 20)
        starting = asyncio.ensure_future(self._start_all())
        await self.over.wait()
        starting.cancel()
        server.close()
        for guest in self.guests.values():
            await guest.killed()
            guest.disk.unlink(missing_ok=True)

    async def _start_all(self) -> None:
        results = await asyncio.gather(*(self._start(number) for number in self.guests),
                                       return_exceptions=True)
        errors = [str(error) for error in results if isinstance(error, Exception)]
        self.failure = "\n".join(errors)
        self.is_ready.set()

    async def _start(self, number: int) -> None:
        state = self.states[number]
        await self.guests[number].restore(state / "ram", state / "state")

    # ---------------------------------------------------------- clients

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await reader.readline()
            if not line:
                return  # somebody only looked whether we are there
            request = json.loads(line)
            if request["op"] == "exec":
                await self._exec(request, reader, writer)
            else:
                reply = await self._answer(request)
                writer.write(json.dumps(reply).encode() + b"\n")
                await writer.drain()
        except LabError as error:
            with contextlib.suppress(OSError):
                writer.write(json.dumps({"error": str(error)}).encode() + b"\n")
                await writer.drain()
        except (OSError, ValueError, KeyError, asyncio.IncompleteReadError) as error:
            print(f"client: {error!r}", file=sys.stderr, flush=True)
        finally:
            writer.close()

    def _guest(self, request: dict) -> Guest:
        number = request.get("node")
        if number not in self.guests:
            raise LabError(f"there is no node {number}: this lab has n1 to n{len(self.guests)}")
        return self.guests[number]

    async def _answer(self, request: dict) -> dict:
        op = request["op"]
        if op == "status":
            return self._status()
        if op == "ready":
            await self.is_ready.wait()
            if self.failure:
                raise LabError(self.failure)
            return self._status()
        if op == "down":
            self.over.set()
            return {"ok": True}
        guest = self._guest(request)
        if op == "kill":
            await guest.killed()
        elif op == "start":
            guest_state = guest.state
            if guest_state not in ("off", "died"):
                raise LabError(f"{guest.name} is {guest_state}: kill it before starting it again")
            await self._start(guest.number)
        elif op == "freeze":
            await guest.freeze(bool(request.get("stop_clock")))
        elif op == "thaw":
            await guest.thaw()
        elif op == "cut":
            await guest.set_cut(True)
        elif op == "heal":
            await guest.set_cut(False)
        else:
            raise LabError(f"the keeper knows no operation {op!r}")
        return {"ok": True}

    def _status(self) -> dict:
        return {
            "ok": True, "name": self.config["name"], "pid": os.getpid(),
            "net": self.guests[1].machine.net_kind, "accel": self.guests[1].machine.accel,
            "life_left_s": round(self.deadline - time.monotonic()),
            "nodes": [{
                "node": guest.name, "state": guest.state, "cut": guest.is_cut, "pid": guest.pid,
                "address": net.address(number), "mem_mb": guest.machine.mem_mb,
                "cpus": guest.machine.cpus, "kernel": guest.machine.image.kernel.release,
                "console": str(guest.console),
            } for number, guest in self.guests.items()],
        }

    # ------------------------------------------------------------- exec

    async def _exec(self, request: dict, reader: asyncio.StreamReader,
                    writer: asyncio.StreamWriter) -> None:
        guest = self._guest(request)
        if guest.state == "frozen":
            pass  # the command runs after the thaw; the client's patience decides
        else:
            guest.need("up")
        payload = proto.open_payload(request["argv"], tuple(request["pty"]) if request.get("pty") else None)
        if len(payload) > proto.MAX_PAYLOAD:
            raise LabError(f"the command is longer than {proto.MAX_PAYLOAD} bytes: push it as a script")
        async with guest.channel() as channel:
            writer.write(b'{"ok": true}\n')
            channel.send(proto.OPEN, payload)
            feeder = asyncio.ensure_future(self._feed(channel, reader))
            try:
                await self._relay_output(channel, writer, feeder)
            finally:
                feeder.cancel()

    async def _feed(self, channel: Channel, reader: asyncio.StreamReader) -> None:
        """Client to command; ends when the client is gone."""
        parser = proto.Parser()
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                for _, kind, payload in parser.feed(data):
                    if kind == proto.STDIN:
                        await channel.take_stdin_credit(len(payload))
                    channel.send(kind, payload)

    async def _relay_output(self, channel: Channel, writer: asyncio.StreamWriter,
                            feeder: asyncio.Future) -> None:
        """Command to client, until the command has ended. Should the client
        leave first, the command is killed and what it still says thrown away."""
        is_client_there = True
        while True:
            frame = asyncio.ensure_future(channel.frames.get())
            if is_client_there:
                await asyncio.wait({frame, feeder}, return_when=asyncio.FIRST_COMPLETED)
                if not frame.done():
                    is_client_there = False
                    channel.send(proto.KILL, bytes([signal.SIGKILL]))
            kind, payload = await frame
            if is_client_there:
                with contextlib.suppress(OSError):
                    writer.write(proto.frame(0, kind, payload))
                    await writer.drain()
            if kind in (proto.EXIT, proto.GONE):
                return
            channel.send(proto.OUT_WINDOW, proto.u32(len(payload)))


def main() -> int:
    keeper = Keeper(Path(sys.argv[1]))
    signal.setitimer(signal.ITIMER_REAL, keeper.config["life_s"] + GRACE_S)
    net.enter_namespace()
    if keeper.guests[1].machine.net_kind == "tap":
        net.make_bridge()
    asyncio.run(keeper.main())
    return 0


if __name__ == "__main__":
    sys.exit(main())
