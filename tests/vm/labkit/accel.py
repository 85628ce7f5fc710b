# SPDX-License-Identifier: GPL-2.0-or-later
"""KVM or emulation: believed only when a guest kernel has run on it.

/dev/kvm that opens proves nothing: inside some clouds it hangs every stock
kernel. So one guest boots to its first program under KVM within a few seconds,
or emulation it is. The verdict holds until the host reboots or the kernel or
QEMU changes.
"""

import os
import subprocess
from pathlib import Path

from . import artifacts, paths, qemu
from .errors import LabError
from .image import Image

PROBE_S = 20
PROBE_WORD = b"HCLAB-PROBE-OK"


def choose(image: Image) -> str:
    """ "kvm" or "tcg"; HC_LAB_ACCEL decides without a probe."""
    wanted = os.environ.get("HC_LAB_ACCEL")
    if wanted:
        if wanted not in ("kvm", "tcg"):
            raise LabError(f"HC_LAB_ACCEL={wanted} is neither kvm nor tcg")
        return wanted
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    key = artifacts.digest(boot_id, image.kernel.release, qemu.version(), os.uname().release)
    verdict = artifacts.ensure(paths.CACHE_DIR / f"kvm-verdict-{key}",
                               f"trying whether KVM runs a guest here (at most {PROBE_S} s)",
                               lambda path: path.write_text(_probe(image)))
    artifacts.prune("kvm-verdict-*", keep=8)
    return verdict.read_text()


def _probe(image: Image) -> str:
    argv = [qemu.BINARY, "-accel", "kvm", "-cpu", "host", "-M", "q35", "-m", "256", "-nodefaults",
            "-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio",
            "-kernel", str(image.kernel.image), "-initrd", str(image.initrd),
            "-append", qemu.COMMAND_LINE.format(mode="probe")]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as process:
        try:
            output, _ = process.communicate(timeout=PROBE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
    return "kvm" if PROBE_WORD in output else "tcg"
