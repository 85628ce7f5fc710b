# SPDX-License-Identifier: GPL-2.0-or-later
"""Shared by the abuse tests: put the programs into a guest, run them against a
fresh module, and see that it goes out again and took no memory along."""

import contextlib
import io
import os
import tarfile
from typing import Iterator

from labkit import paths
from labkit.node import Node

TO = "/root/abuse"
PROGRAMS = ("contract", "genl", "cases", "commands", "fabric", "netlink_abuse", "relay_abuse",
            "netlink_fuzz", "wire_abuse", "donor_abuse", "wire_fuzz")
HEADERS = ("uapi/linux/hyperchain.h", "hyperchain/wire.h")
# What a kernel may keep: slab caches, per-cpu lists, page tables, the log.
NOISE_KB = 12 << 10


def push(node: Node) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name in PROGRAMS:
            tar.add(paths.VM_DIR / "programs" / f"{name}.py", f"{name}.py")
        for name in HEADERS:
            tar.add(paths.TOP_DIR / "include" / name, f"include/{name}")
    node.run(f"mkdir -p {TO} && tar -xf - -C {TO} --no-same-owner", 120, stdin=archive.getvalue())


def times(usual: int) -> int:
    """How often a random test does its thing: HC_SOAK_N, or @usual."""
    return int(os.environ.get("HC_SOAK_N", usual))


def available_kb(node: Node) -> int:
    return int(node.output("sync; echo 3 >/proc/sys/vm/drop_caches; awk '/^MemAvailable/ { print $2 }' /proc/meminfo"))


@contextlib.contextmanager
def module(node: Node, parameters: str = "") -> Iterator[Node]:
    """@node with the module loaded. Afterwards it has to go, whatever was done
    to it, and the memory it had with it."""
    push(node)
    before = available_kb(node)
    node.run(f"insmod /root/hyperchain.ko {parameters}")
    try:
        yield node
    finally:
        # An aborted test's processes may hold sockets of the family for a moment.
        node.wait_for("rmmod hyperchain", timeout=60)
    node.check()
    # Workers and RCU give some of it back a little later.
    node.lab.wait_for(lambda: before - available_kb(node) < NOISE_KB, 20,
                      f"the return of memory: {before - available_kb(node)} KB are gone")


def run(node: Node, command: str, timeout: float = 280) -> None:
    """Run a program; what it found wrong is the failure's text."""
    result = node.run(f"cd {TO} && PYTHONDONTWRITEBYTECODE=1 python3 {command} 2>&1", timeout, check=False)
    print(result.stdout)
    assert result.status == 0, "\n".join(
        line for line in result.stdout.splitlines() if not line.startswith("ok ")) or f"status {result.status}"
    node.check()
