# SPDX-License-Identifier: GPL-2.0-or-later
"""Says what a machine lacks to run a lab, before anything fails half-way."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Callable

from . import image, kernels, net, paths
from .errors import LabError

MIN_FREE_GB = 4
MIN_MEMORY_GB = 3

Verdict = tuple[str, str]  # ("ok" | "note" | "lacks", a sentence)


def report() -> int:
    """Print one line per matter; 1 if the lab can't work."""
    is_fit = True
    for check in CHECKS:
        try:
            verdict, sentence = check()
        except LabError as error:
            verdict, sentence = "lacks", str(error)
        is_fit = is_fit and verdict != "lacks"
        print(f"{verdict:<6} {sentence}")
    print("The lab can run here." if is_fit else "The lab can't run here: see the lines that start with lacks.")
    return 0 if is_fit else 1


def _user() -> Verdict:
    if os.geteuid():
        return "lacks", "root: image building and network namespaces need it; run as root"
    return "ok", "running as root"


def _packages() -> Verdict:
    wanted = image.read_packages(paths.VM_DIR / "packages.txt")
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *wanted],
                          capture_output=True, text=True)
    present = {line.split()[0] for line in done.stdout.splitlines() if line.endswith(" installed")}
    missing = [name for name in wanted if name not in present]
    if missing:
        return "lacks", f"packages: apt-get install {' '.join(missing)}"
    return "ok", f"all {len(wanted)} packages of tests/vm/packages.txt are installed"


def _kernels() -> Verdict:
    found = [kernels.find(series) for series in kernels.SERIES]
    missing = [kernel.headers_package for kernel in found if not kernel.headers.exists()]
    names = " and ".join(kernel.release for kernel in found)
    if missing:
        return "note", f"kernels {names}; to build the module for them: apt-get install {' '.join(missing)}"
    return "ok", f"kernels {names}, with their headers"


def _network() -> Verdict:
    if net.probe_kind() == "tap":
        return "ok", "private network by taps on a bridge in a network namespace"
    return "note", "no taps or bridges here (/dev/net/tun, module bridge): slower multicast network instead"


def _acceleration() -> Verdict:
    if os.environ.get("HC_LAB_ACCEL"):
        return "note", f"HC_LAB_ACCEL={os.environ['HC_LAB_ACCEL']} decides how guests run"
    if not os.path.exists("/dev/kvm"):
        return "note", "no /dev/kvm: guests are emulated, about ten times slower"
    verdicts = {path.read_text() for path in paths.CACHE_DIR.glob("kvm-verdict-*")}
    if not verdicts:
        return "note", "there is /dev/kvm; the first `lab up` tries whether it works"
    if "kvm" in verdicts:
        return "ok", "KVM runs guests here"
    return "note", "/dev/kvm opens but runs no stock kernel here: guests are emulated, about ten times slower"


def _space() -> Verdict:
    path = paths.LAB_DIR
    while not path.exists():
        path = path.parent
    free_gb = shutil.disk_usage(path).free / 1e9
    if free_gb < MIN_FREE_GB:
        return "lacks", f"disk space: {free_gb:.1f} GB free below {path}, {MIN_FREE_GB} GB needed; HC_LAB_CACHE moves the cache"
    return "ok", f"{free_gb:.0f} GB free below {path}"


def _memory() -> Verdict:
    fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    available_gb = int(fields["MemAvailable"].split()[0]) / 1e6
    if available_gb < MIN_MEMORY_GB:
        return "lacks", f"memory: {available_gb:.1f} GB available, {MIN_MEMORY_GB} GB needed for three guests"
    return "ok", f"{available_gb:.0f} GB of memory available"


CHECKS: tuple[Callable[[], Verdict], ...] = (
    _user, _packages, _kernels, _network, _acceleration, _space, _memory)
