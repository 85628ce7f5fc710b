# SPDX-License-Identifier: GPL-2.0-or-later
"""Talking to a lab's keeper."""

import contextlib
import json
import os
import selectors
import socket
import struct
import time
from pathlib import Path
from typing import BinaryIO, Iterator, Sequence

from . import proto
from .errors import LabError

# A socket's path may have 107 bytes only; a checkout may lie deeper than that.
MAX_SOCKET_PATH = 100


@contextlib.contextmanager
def bind_path(path: Path) -> Iterator[str]:
    """A name for @path that is short enough for a socket address."""
    if len(str(path)) <= MAX_SOCKET_PATH:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


def connect(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    try:
        with bind_path(path) as name:
            sock.connect(name)
    except OSError:
        sock.close()
        raise
    return sock


def ask(path: Path, request: dict, timeout: float = 60) -> dict:
    """One request and its answer; the keeper's refusal is raised."""
    with connect(path) as sock:
        sock.settimeout(timeout)
        sock.sendall(json.dumps(request).encode() + b"\n")
        try:
            with sock.makefile("rb") as f:
                line = f.readline()
        except TimeoutError:
            raise LabError(f"the lab's keeper did not answer {request['op']!r} within {timeout:.0f} s") from None
    return _read_reply(line)


def _read_reply(line: bytes) -> dict:
    if not line:
        raise LabError("the lab's keeper hung up: see keeper.log in the lab's run directory")
    reply = json.loads(line)
    if "error" in reply:
        raise LabError(reply["error"])
    return reply


class Command:
    """A command that runs in a guest.

    Not for use by several threads at once. Output is delivered by read(), or
    collected by finish().
    """

    def __init__(self, path: Path, node: int, argv: Sequence[str], pty: tuple[int, int] | None = None):
        self.status: int | None = None
        self.gone = ""
        self._parser = proto.Parser()
        self._sock = connect(path)
        self._sock.settimeout(60)
        self._sock.sendall(json.dumps(
            {"op": "exec", "node": node, "argv": list(argv), "pty": pty}).encode() + b"\n")
        try:
            _read_reply(self._read_line())
        except (LabError, TimeoutError):
            self._sock.close()
            raise
        self._sock.setblocking(False)

    def _read_line(self) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            byte = self._sock.recv(1)
            if not byte:
                break
            line += byte
        return line

    def fileno(self) -> int:
        return self._sock.fileno()

    def read(self) -> Iterator[tuple[int, bytes]]:
        """(STDOUT or STDERR, bytes) of what has arrived, without waiting."""
        while self.status is None:
            try:
                data = self._sock.recv(262144)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._end(-1, "the lab went down")
                return
            for _, kind, payload in self._parser.feed(data):
                if kind == proto.EXIT:
                    self._end(_exit_status(proto.read_u32(payload)))
                elif kind == proto.GONE:
                    self._end(-1, payload.decode())
                else:
                    yield kind, payload

    def _end(self, status: int, gone: str = "") -> None:
        self.status, self.gone = status, gone

    def send(self, data: bytes) -> None:
        """Feed stdin; waits while the command does not take it."""
        for start in range(0, len(data), proto.MAX_PAYLOAD):
            self._send_frame(proto.STDIN, data[start:start + proto.MAX_PAYLOAD])

    def end_stdin(self) -> None:
        self._send_frame(proto.STDIN)

    def signal(self, number: int) -> None:
        self._send_frame(proto.KILL, bytes([number]))

    def resize(self, rows: int, columns: int) -> None:
        self._send_frame(proto.WINSIZE, struct.pack("<HH", rows, columns))

    def _send_frame(self, kind: int, payload: bytes = b"") -> None:
        self._sock.settimeout(None)
        try:
            self._sock.sendall(proto.frame(0, kind, payload))
        except (BrokenPipeError, ConnectionResetError):
            pass  # the end is read, with its reason, by read()
        finally:
            self._sock.setblocking(False)

    def close(self) -> None:
        """Leave; a command that still runs is killed."""
        self._sock.close()

    def communicate(self, deadline: float | None, stdin: BinaryIO | bytes | None,
                    output: dict[int, BinaryIO]) -> bool:
        """Feed, read and wait until the end; False if @deadline (monotonic,
        None for never) came first. Feeding and reading go on together, else two full pipes
        would wait for each other for ever."""
        feed = _Feed(stdin)
        with selectors.DefaultSelector() as selector:
            selector.register(self._sock, selectors.EVENT_READ)
            while self.status is None:
                events = selectors.EVENT_READ | (selectors.EVENT_WRITE if feed.has_more() else 0)
                selector.modify(self._sock, events)
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return False
                for _, ready in selector.select(left):
                    if ready & selectors.EVENT_WRITE:
                        feed.push(self._sock)
                for kind, data in self.read():
                    output[kind].write(data)
        return True


class _Feed:
    """Turns bytes or a file into STDIN frames, as fast as a socket takes them."""

    def __init__(self, stdin: BinaryIO | bytes | None):
        self._file = stdin if not isinstance(stdin, (bytes, type(None))) else None
        self._left = stdin if isinstance(stdin, bytes) else b""
        self._pending = b""
        self._is_over = False

    def has_more(self) -> bool:
        return bool(self._pending) or not self._is_over

    def push(self, sock: socket.socket) -> None:
        if not self._pending and not self._is_over:
            piece = self._next_piece()
            self._is_over = not piece
            self._pending = proto.frame(0, proto.STDIN, piece)
        try:
            sent = sock.send(self._pending)
        except BlockingIOError:
            return
        except OSError:
            self._is_over, self._pending = True, b""
            return
        self._pending = self._pending[sent:]

    def _next_piece(self) -> bytes:
        if self._file:
            return self._file.read(proto.MAX_PAYLOAD)
        piece, self._left = self._left[:proto.MAX_PAYLOAD], self._left[proto.MAX_PAYLOAD:]
        return piece


def _exit_status(wait_status: int) -> int:
    """As a shell counts: 128 + signal for a command that was killed."""
    code = os.waitstatus_to_exitcode(wait_status)
    return 128 - code if code < 0 else code
