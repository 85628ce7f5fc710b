# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's monitor, as far as the lab needs it."""

import asyncio
import json
import socket

from .errors import LabError


class Qmp:
    """One guest's monitor; commands are answered in order."""

    def __init__(self, sock: socket.socket):
        self._sock = sock
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._lock = asyncio.Lock()

    async def start(self) -> None:
        self._reader, self._writer = await asyncio.open_connection(sock=self._sock)
        await self._reader.readline()  # the greeting
        await self("qmp_capabilities")

    async def __call__(self, command: str, **arguments: object):
        async with self._lock:
            request = {"execute": command,
                       "arguments": {name.replace("_", "-"): value for name, value in arguments.items()}}
            assert self._reader and self._writer
            self._writer.write(json.dumps(request).encode() + b"\n")
            while True:
                line = await self._reader.readline()
                if not line:
                    raise LabError(f"QEMU ended while asked to {command}")
                reply = json.loads(line)
                if "error" in reply:
                    raise LabError(f"QEMU refused {command}: {reply['error']['desc']}")
                if "return" in reply:
                    return reply["return"]

    async def migration_done(self) -> None:
        while True:
            state = await self("query-migrate")
            status = state.get("status")
            if status == "completed":
                return
            if status in ("failed", "cancelled"):
                raise LabError(f"saved state: migration {status}: {state.get('error-desc', '')}")
            await asyncio.sleep(0.02)

    def close(self) -> None:
        if self._writer:
            self._writer.close()
        else:
            self._sock.close()
