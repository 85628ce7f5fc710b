# SPDX-License-Identifier: GPL-2.0-or-later
"""What a test file imports: the mark that makes a function a test.

    from labkit.vmtest import vmtest

    @vmtest(nodes=3, mem=256, tags=("ci",), timeout=120)
    def test_R20a_pages_survive_a_dead_donor(lab):
        lab.node(1).run("...")

A test gets what it names as parameters: `lab` (up, and checked afterwards) and
`kernel` (the series it is run for).
"""

import inspect
from dataclasses import dataclass, field
from typing import Callable, Mapping

from .kernels import SERIES

TAGS = ("ci", "full", "soak")


class Skip(Exception):
    """Raised by a test that can't be run here; says why."""


@dataclass(frozen=True)
class Spec:
    """What a test wants; @share: one lab for all tests of its file that want
    the same machines and are marked so. A shared lab is replaced when a test
    on it has failed. @alone: no other test runs meanwhile."""

    function: Callable
    nodes: int
    tags: tuple[str, ...]
    timeout: float
    kernels: tuple[str, ...]
    share: bool
    install: bool
    alone: bool
    machine: Mapping[str, object] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.function.__module__}.{self.function.__name__}"

    @property
    def parameters(self) -> list[str]:
        return list(inspect.signature(self.function).parameters)


def vmtest(nodes: int = 1, *, tags: tuple[str, ...] = ("full",), timeout: float = 120,
           kernels: tuple[str, ...] = SERIES, share: bool = False, install: bool = False,
           alone: bool = False, mem: int = 512, cpus: int = 1, disk: int = 512, init: str = "agent",
           mem_of: Mapping[int, int] | None = None,
           kernel_of: Mapping[int, str] | None = None) -> Callable[[Callable], Callable]:
    """Mark a function as a test on @nodes machines (0: it makes its own labs).

    @timeout seconds are for the test itself, not for starting its machines.
    @kernels are those that the tag ci runs it on; full runs every test on all of them.
    @install puts module and tools from build/ into every node first.
    """
    unknown = set(tags) - set(TAGS) or set(kernels) - set(SERIES)
    if unknown:
        raise ValueError(f"unknown tag or kernel: {', '.join(sorted(unknown))}")

    def mark(function: Callable) -> Callable:
        machine = {"mem": mem, "cpus": cpus, "disk": disk, "init": init,
                   "mem_of": dict(mem_of or {}), "kernel_of": dict(kernel_of or {})}
        function.vmtest = Spec(function, nodes, tags, timeout, kernels, share, install, alone, machine)
        return function

    return mark


def is_selected(spec: Spec, tag: str) -> bool:
    """ci: what every change runs; full: all that is not for nights; soak: those."""
    if tag == "full":
        return "ci" in spec.tags or "full" in spec.tags
    return tag in spec.tags
