# SPDX-License-Identifier: GPL-2.0-or-later
"""Saved states: a guest that has booted, kept as files to start clones from."""

import asyncio
import json
from pathlib import Path

from . import artifacts, paths, process
from .qemu import Machine

KEEP = 24


def path_of(machine: Machine) -> Path:
    return paths.CACHE_DIR / f"state-{machine.key}"


def ensure(machine: Machine) -> Path:
    """The directory with "ram" and "state" for @machine; boots one guest if
    there is none yet."""
    what = (f"booting a guest once to save its state ({machine.image.kernel.release}, "
            f"{machine.mem_mb} MB, {machine.cpus} cpu, {machine.accel})")
    made = artifacts.ensure(path_of(machine), what, lambda path: _make(machine, path))
    artifacts.prune("state-*", KEEP)
    return made


def _make(machine: Machine, path: Path) -> None:
    path.mkdir()
    (path / "machine.json").write_text(json.dumps(machine.to_json(), indent=1))
    process.run_module("labkit.template", [str(path)], timeout=420)


async def save_template(machine: Machine, path: Path) -> None:
    """Runs in a process and network namespace of its own."""
    from .guest import Guest

    guest = Guest(0, machine, path)
    try:
        await guest.boot(path / "ram")
        # Everything a first command touches is then in every clone's cache.
        if machine.init == "systemd":
            await guest.run(["systemctl", "is-system-running", "--wait"], timeout=240)
        await guest.run(["sh", "-c", WARM_UP], timeout=120)
        await guest.save(path / "state")
        while guest.process:
            await asyncio.sleep(0.02)
    finally:
        await guest.killed()
    guest.disk.unlink(missing_ok=True)


WARM_UP = """
ip addr show >/dev/null; ps aux >/dev/null; free >/dev/null; cat /proc/loadavg >/dev/null
tc qdisc show >/dev/null; python3 -c 'import json, os, socket, struct, sys, time' ; tar --version >/dev/null
grep -q x /proc/mounts; dmesg >/dev/null; modprobe -n dummy; sync
echo 1 >/proc/sys/vm/compact_memory
"""
