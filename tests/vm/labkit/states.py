# SPDX-License-Identifier: GPL-2.0-or-later
"""Saved states: a guest that has booted, kept as files to start clones from."""

import asyncio
import json
import time
from pathlib import Path

from . import artifacts, paths, process
from .errors import LabError
from .qemu import Machine

KEEP = 24
BOOTS = 3


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
    for _ in range(BOOTS):
        if await _boot_and_save(machine, path):
            return
    raise LabError(f"a guest's clock ran too fast in {BOOTS} boots: this machine is too busy to make a "
                   "saved state; try again when it is quieter")


async def _has_true_clock(guest) -> bool:
    """A kernel that boots on a busy host can measure its TSC wrong, and then
    runs several times too fast for ever: so does every clone of its state."""
    started = time.monotonic()
    await guest.run(["sleep", "2"], timeout=60)
    return time.monotonic() - started > 1.9


async def _boot_and_save(machine: Machine, path: Path) -> bool:
    from .guest import Guest

    guest = Guest(0, machine, path)
    try:
        await guest.boot(path / "ram")
        # Everything a first command touches is then in every clone's cache.
        if machine.init == "systemd":
            await guest.run(["systemctl", "is-system-running", "--wait"], timeout=240)
        await guest.run(["sh", "-c", WARM_UP], timeout=120)
        if not await _has_true_clock(guest):
            return False
        await guest.save(path / "state")
        while guest.process:
            await asyncio.sleep(0.02)
    finally:
        await guest.killed()
        guest.disk.unlink(missing_ok=True)
    return True


WARM_UP = """
ip addr show >/dev/null; ps aux >/dev/null; free >/dev/null; cat /proc/loadavg >/dev/null
tc qdisc show >/dev/null; python3 -c 'import json, os, socket, struct, sys, time' ; tar --version >/dev/null
grep -q x /proc/mounts; dmesg >/dev/null; modprobe -n dummy; sync
echo 1 >/proc/sys/vm/compact_memory
"""
