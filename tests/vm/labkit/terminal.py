# SPDX-License-Identifier: GPL-2.0-or-later
"""A person's terminal, or a pipe, joined to a command in a guest."""

import os
import selectors
import shutil
import signal
import sys
import termios
import time
import tty
from typing import BinaryIO, Sequence

from . import proto
from .client import Command
from .errors import LabError
from .node import Node


def stream(node: Node, command: str | Sequence[str], timeout: float, with_stdin: bool) -> int | None:
    """Run with output passed on as it comes; None if it took too long."""
    running = node.command(command)
    stdin: BinaryIO | None = sys.stdin.buffer if with_stdin else None
    try:
        is_over = running.communicate(time.monotonic() + timeout, stdin,
                                      {proto.STDOUT: _Unbuffered(1), proto.STDERR: _Unbuffered(2)})
    finally:
        running.close()
    return _status(node, running) if is_over else None


class _Unbuffered:
    def __init__(self, fd: int):
        self._fd = fd

    def write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._fd, data):]


def _status(node: Node, running: Command) -> int:
    if running.gone:
        raise LabError(f"{node.name}: the command had no end: {running.gone}")
    assert running.status is not None
    return running.status


def interact(node: Node, command: str | Sequence[str]) -> int:
    """Run on a terminal of its own, joined to ours."""
    if not sys.stdin.isatty():
        raise LabError("an interactive command needs a terminal on stdin: use exec without -t in scripts")
    columns, rows = shutil.get_terminal_size()
    running = node.command(command, pty=(rows, columns))
    settings = termios.tcgetattr(0)
    signal.signal(signal.SIGWINCH, lambda *_: _resize(running))
    try:
        tty.setraw(0)
        _join(running)
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, settings)
        running.close()
    return _status(node, running)


def _resize(running: Command) -> None:
    columns, rows = os.get_terminal_size()
    running.resize(rows, columns)


def _join(running: Command) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(0, selectors.EVENT_READ)
        selector.register(running, selectors.EVENT_READ)
        while running.status is None:
            for key, _ in selector.select():
                if key.fd == 0:
                    _pass_keys(running, selector)
                else:
                    for _, data in running.read():
                        _Unbuffered(1).write(data)


def _pass_keys(running: Command, selector: selectors.BaseSelector) -> None:
    data = os.read(0, 4096)
    if data:
        running.send(data)
    else:
        running.end_stdin()
        selector.unregister(0)


def show_log(node: Node, follow: bool) -> None:
    """The console's log so far; with @follow until interrupted or down."""
    try:
        with open(node.console_path, "rb") as f:
            while True:
                data = f.read()
                if data:
                    _Unbuffered(1).write(data.replace(b"\r", b""))
                elif not follow or not node.lab.is_up():
                    return
                else:
                    time.sleep(0.2)
    except FileNotFoundError:
        raise LabError(f"{node.name} has no console log yet") from None
