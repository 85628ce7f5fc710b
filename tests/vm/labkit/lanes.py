# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs jobs in several processes at once, each taking the next job when it is free.

A lane is a fork: it prints what a job said in one piece, and hands its result
back over a pipe. All lanes die with the process that made them.
"""

import contextlib
import fcntl
import io
import json
import os
import sys
import tempfile
from typing import IO, Callable, Sequence, TypeVar

from . import process

JobT = TypeVar("JobT")
# A ticket is the number of a job: so many bytes, read from the pipe at once.
TICKET_BYTES = 2


def run(jobs: Sequence[JobT], n: int, do: Callable[[JobT], None], result: Callable[[], dict]) -> list[dict | None]:
    """@do each of @jobs in one of @n lanes; @result is asked in each lane at
    its end. Returns the results, None for a lane that ended without one."""
    tickets_read, tickets_write = os.pipe()
    for number in range(len(jobs)):
        os.write(tickets_write, number.to_bytes(TICKET_BYTES, "little"))
    os.close(tickets_write)
    sys.stdout.flush()
    sys.stderr.flush()
    with tempfile.TemporaryFile() as lock:
        lanes = [_start(jobs, tickets_read, lock, do, result) for _ in range(n)]
        os.close(tickets_read)
        return [_finish(pid, results) for pid, results in lanes]


def _start(jobs: Sequence[JobT], tickets: int, lock: IO[bytes], do: Callable[[JobT], None],
           result: Callable[[], dict]) -> tuple[int, int]:
    results_read, results_write = os.pipe()
    pid = os.fork()
    if pid:
        os.close(results_write)
        return pid, results_read
    status = 1
    try:
        process.die_with_parent()
        os.close(results_read)
        # A lock belongs to an open file: lanes that shared one would not exclude each other.
        with open(f"/proc/self/fd/{lock.fileno()}", "wb") as own:
            while ticket := os.read(tickets, TICKET_BYTES):
                _do_one(jobs[int.from_bytes(ticket, "little")], own, do)
        os.write(results_write, json.dumps(result()).encode())
        status = 0
    except Exception as error:  # the fork must not go on as its parent
        print(f"run: a lane ended: {error!r}", file=sys.stderr)
    finally:
        sys.stderr.flush()
        os._exit(status)


def _do_one(job: JobT, lock: IO[bytes], do: Callable[[JobT], None]) -> None:
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        do(job)
    fcntl.flock(lock, fcntl.LOCK_EX)
    sys.stdout.write(said.getvalue())
    sys.stdout.flush()
    fcntl.flock(lock, fcntl.LOCK_UN)


def _finish(pid: int, results: int) -> dict | None:
    with open(results, "rb") as file:
        data = file.read()
    os.waitpid(pid, 0)
    return json.loads(data) if data else None
