# SPDX-License-Identifier: GPL-2.0-or-later
"""Host processes: started from here, and ended only by what was recorded."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Sequence

from . import paths
from .errors import LabError

PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None)


def start_time(pid: int) -> int | None:
    """Clock ticks since boot at which @pid started; None if it is no more.

    A pid alone may have been given to somebody else in the meantime.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def is_same(pid: int, started: int) -> bool:
    return start_time(pid) == started


def end(pid: int, started: int, timeout: float = 10) -> bool:
    """SIGKILL exactly the recorded process and see it gone."""
    deadline = time.monotonic() + timeout
    while is_same(pid, started):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def die_with_parent() -> None:
    """From here on this process is killed when its parent ends, however it
    ends; exec keeps that."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def python_argv(module: str, arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def python_env() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(paths.VM_DIR), "PYTHONDONTWRITEBYTECODE": "1"}


def run_module(module: str, arguments: Sequence[str], timeout: float) -> None:
    """Run one of our modules in a process of its own, to its end."""
    try:
        done = subprocess.run(python_argv(module, arguments), env=python_env(), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=timeout,
                              preexec_fn=die_with_parent)
    except subprocess.TimeoutExpired:
        raise LabError(f"{module} took more than {timeout:.0f} s") from None
    if done.returncode:
        raise LabError(done.stderr.strip()[-3000:] or f"{module} ended with status {done.returncode}")
