# SPDX-License-Identifier: GPL-2.0-or-later
"""Many small checks in one program: each is run whatever became of the others,
and each failure says what it was about."""

import argparse
import sys
import time
import traceback
from typing import Callable

_groups: dict[str, list[Callable]] = {}


def case(group: str) -> Callable[[Callable], Callable]:
    """Mark a function as a check of @group. It fails by raising."""
    def mark(function: Callable) -> Callable:
        _groups.setdefault(group, []).append(function)
        return function
    return mark


def expect(condition: object, text: str) -> None:
    if not condition:
        raise AssertionError(text)


def wait_until(condition: Callable[[], object], timeout: float, text: str) -> object:
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{text} did not come about within {timeout:.0f} s")
        time.sleep(0.02)


def mem_available() -> int:
    """Bytes; after what can be freed by RCU and worker threads has been."""
    with open("/proc/meminfo") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("MemAvailable"))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("groups", nargs="+", choices=sorted(_groups))
    parser.add_argument("-k", default="", help="only cases whose name contains this")
    arguments = parser.parse_args()
    failed = 0
    for group in arguments.groups:
        for function in _groups[group]:
            if arguments.k not in function.__name__:
                continue
            started = time.monotonic()
            try:
                function()
                word, why = "ok  ", ""
            except Exception as error:  # a check may fail in any way; all are shown
                failed += 1
                place = traceback.extract_tb(error.__traceback__)
                where = " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(place[1:]))
                word, why = "FAIL", f"\n     {type(error).__name__}: {error}\n     at {where}"
            print(f"{word} {group}.{function.__name__}  {time.monotonic() - started:.1f} s{why}", flush=True)
    print(f"{failed} failed" if failed else "all passed")
    return 1 if failed else 0


def run() -> None:
    sys.exit(main())
