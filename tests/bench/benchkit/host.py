# SPDX-License-Identifier: GPL-2.0-or-later
"""Figures that need no guest: real daemons in network namespaces, commands on this machine."""

import importlib.util
import itertools
import shutil
import sys
import tempfile
import time
from contextlib import contextmanager
from importlib.machinery import SourceFileLoader
from types import ModuleType
from typing import Callable, Iterator

from labkit import paths

from .figure import Samples

SIMKIT_DIR = paths.TOP_DIR / "tests/simulate"


class Host:
    def __init__(self, say: Callable[[str], None], rounds: int):
        self.say, self.rounds = say, rounds
        self.notes: list[str] = []  # what a figure has to tell beside its number
        self._numbers = itertools.count(1)

    @contextmanager
    def cluster(self, count: int) -> Iterator[list]:
        """So many members of a cluster, idle: tests/daemon/cluster's nodes, the first one of them joined first."""
        folder = tempfile.mkdtemp(prefix="hc-bench-")
        world = daemons().World(folder, next(self._numbers))
        try:
            yield world.cluster(count)
        finally:
            world.end()
            shutil.rmtree(folder, ignore_errors=True)

    def against(self, limit: float, taken: list[float]) -> Samples:
        """The goal is a fixed limit: the ratio is limit by ours."""
        return Samples(taken, [limit] * len(taken))


def daemons() -> ModuleType:
    """tests/daemon/cluster, which is a script."""
    if "daemon_cluster" not in sys.modules:
        path = paths.TOP_DIR / "tests/daemon/cluster"
        spec = importlib.util.spec_from_loader("daemon_cluster", SourceFileLoader("daemon_cluster", str(path)))
        module = importlib.util.module_from_spec(spec)
        sys.modules["daemon_cluster"] = module
        spec.loader.exec_module(module)
    return sys.modules["daemon_cluster"]


def until(what: str, condition: Callable[[], object], limit: float = 30) -> float:
    """Seconds until it holds."""
    began = time.monotonic()
    daemons().wait(what, condition, limit)
    return time.monotonic() - began
