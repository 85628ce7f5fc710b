# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames between the host and guest/agent.c, which explains them.

The same frames, always on channel 0, run between the keeper and its clients:
one client connection is one command.
"""

import struct
from typing import Iterator, Sequence

HEADER = struct.Struct("<HBBI")
MAX_PAYLOAD = 16384
NR_CHANNELS = 32
STDIN_WINDOW = 65536

OPEN, STDIN, KILL, OUT_WINDOW, WINSIZE, BECOME = range(1, 7)
HELLO, STDOUT, STDERR, EXIT, IN_WINDOW, BECAME = range(64, 70)
GONE = 70  # keeper to client only: the guest is no more; payload says why

OPEN_PTY = 1
OPEN_HEAD = struct.Struct("<BxHH")
IDENTITY = struct.Struct("<Q4s6sH64s")


def frame(channel: int, kind: int, payload: bytes = b"") -> bytes:
    return HEADER.pack(channel, kind, 0, len(payload)) + payload


def open_payload(argv: Sequence[str], pty: tuple[int, int] | None = None) -> bytes:
    """@pty is (rows, columns) of the terminal to run the command on."""
    rows, columns = pty or (0, 0)
    head = OPEN_HEAD.pack(OPEN_PTY if pty else 0, rows, columns)
    return head + b"".join(arg.encode() + b"\0" for arg in argv)


def u32(value: int) -> bytes:
    return struct.pack("<I", value)


def read_u32(payload: bytes) -> int:
    return struct.unpack("<I", payload)[0]


class Parser:
    """Cuts a byte stream into frames."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        self._bytes += data
        while len(self._bytes) >= HEADER.size:
            channel, kind, _, length = HEADER.unpack_from(self._bytes)
            end = HEADER.size + length
            if len(self._bytes) < end:
                return
            payload = bytes(self._bytes[HEADER.size:end])
            del self._bytes[:end]
            yield channel, kind, payload
