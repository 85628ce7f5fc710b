# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel "6.12-debug": Debian's sources with KASAN, lockdep, kmemleak and
the like (debug.config), built here, since no package has such a kernel.

It lies in the cache under the hash of its configuration and of the version of
its sources. The build goes on where an earlier one was interrupted, and its
tree stays: the module is built against it.
"""

import os
import re
import shutil
import subprocess
import time
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from . import artifacts, paths
from .errors import LabError

if TYPE_CHECKING:
    from .vmtest import Spec

NAME = "6.12-debug"
CONFIG = paths.VM_DIR / "debug.config"
LIST = paths.VM_DIR / "debug-tests.txt"
SOURCE_PACKAGE = "linux-source-6.12"
TARBALL = Path("/usr/src") / f"{SOURCE_PACKAGE}.tar.xz"
PROGRESS_S = 20

# What the checks cost: emulated, this kernel is some four times as slow, and
# shadow memory, redzones and records of allocations need room.
TIMES = 4
MORE_MEM_MB = 256


def adapt(spec: "Spec") -> "Spec":
    """The same test, with this kernel's needs met."""
    machine = dict(spec.machine)
    machine["mem"] = machine.get("mem", 512) + MORE_MEM_MB
    machine["mem_of"] = {node: mem + MORE_MEM_MB for node, mem in machine.get("mem_of", {}).items()}
    return replace(spec, timeout=spec.timeout * TIMES, machine=machine)


def test_names() -> set[str]:
    """Tests that are worth their time on this kernel."""
    lines = (line.split("#")[0].strip() for line in LIST.read_text().splitlines())
    return {line for line in lines if line}


@cache
def root() -> Path:
    """Where it is, or would be: boot/, lib/modules/ and build, a link to its tree."""
    return paths.CACHE_DIR / f"kernel-{NAME}-{artifacts.digest('debug kernel 1', CONFIG, _version())}"


def is_built() -> bool:
    return (root() / "build" / "Module.symvers").exists()


def _version() -> str:
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", SOURCE_PACKAGE],
                          capture_output=True, text=True)
    if done.returncode or not TARBALL.exists():
        raise LabError(f"the debug kernel is built from Debian's package {SOURCE_PACKAGE}, which is missing: "
                       "run make debug-kernel as root")
    return done.stdout


def build(jobs: int) -> Path:
    """Build it if it isn't there; a quarter of an hour on two quiet processors."""
    if is_built():
        return root()
    paths.LAB_DIR.mkdir(parents=True, exist_ok=True)
    with artifacts.locked("debug-kernel"):
        if is_built():
            return root()
        work = paths.LAB_DIR / "debug-kernel"
        work.mkdir(exist_ok=True)
        work = work.resolve()
        _unpack(work)
        _configure(work)
        _make(work, ["-j", str(jobs), "bzImage", "modules"], "building the debug kernel")
        _install(work)
    return root()


def _unpack(work: Path) -> None:
    stamp = work / "version"
    if stamp.exists() and stamp.read_text() == _version():
        return
    artifacts.say(f"unpacking {TARBALL.name}")
    artifacts.remove(work / SOURCE_PACKAGE)
    artifacts.remove(work / "obj")
    artifacts.run(["tar", "-xJf", TARBALL, "-C", work, "--exclude=*/Documentation/*/*"], "unpack the kernel")
    stamp.write_text(_version())


def _configure(work: Path) -> None:
    obj = work / "obj"
    obj.mkdir(exist_ok=True)
    used = obj / ".used-config"
    if used.exists() and used.read_bytes() == CONFIG.read_bytes():
        return
    _make(work, [f"KCONFIG_ALLCONFIG={CONFIG}", "allnoconfig"], None)
    have = (obj / ".config").read_text()
    gone = [line for line in CONFIG.read_text().splitlines()
            if re.match(r"CONFIG_\w+=[ym\"]", line) and f"{line}\n" not in have]
    if gone:
        raise LabError(f"this kernel does not take all of {CONFIG.name}: {' '.join(gone)}")
    used.write_bytes(CONFIG.read_bytes())


def _make(work: Path, targets: list[str], what: str | None) -> None:
    log = work / "build.log"
    argv = ["nice", "-n", "15", "make", "-C", str(work / SOURCE_PACKAGE), f"O={work / 'obj'}", *targets]
    with open(log, "wb") as f:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=f, stderr=subprocess.STDOUT)
    try:
        started = time.monotonic()
        while True:
            try:
                status = process.wait(PROGRESS_S)
                break
            except subprocess.TimeoutExpired:
                if what:
                    lines = [line for line in log.read_text(errors="replace").splitlines() if line.startswith("  ")]
                    artifacts.say(f"{what}: {len(lines)} files in {time.monotonic() - started:.0f} s, "
                                  f"at {' '.join(lines[-1].split()[1:]) if lines else 'the start'}")
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
    if status:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-25:])
        raise LabError(f"the debug kernel could not be built ({log}):\n{tail}")


def _install(work: Path) -> None:
    obj = work / "obj"
    release = (obj / "include" / "config" / "kernel.release").read_text().strip()
    into = root().with_name(f".tmp-{root().name}")
    artifacts.remove(into)
    artifacts.remove(root())
    (into / "boot").mkdir(parents=True)
    shutil.copy(obj / "arch" / "x86" / "boot" / "bzImage", into / "boot" / f"vmlinuz-{release}")
    _make(work, [f"INSTALL_MOD_PATH={into.resolve()}", "INSTALL_MOD_STRIP=1", "modules_install"], None)
    for name in ("build", "source"):
        (into / "lib" / "modules" / release / name).unlink(missing_ok=True)
    os.symlink(obj, into / "build")
    into.rename(root())


def build_module() -> Path:
    """hyperchain.ko for it, where Node.install() looks."""
    out = paths.BUILD_DIR / f"kmod-{NAME}"
    artifacts.run(["make", "--no-print-directory", "-C", paths.TOP_DIR, "modules",
                   f"KDIR={(root() / 'build').resolve()}", f"KOUT={out.relative_to(paths.TOP_DIR)}"],
                  "build the module for the debug kernel")
    return out / "hyperchain.ko"
