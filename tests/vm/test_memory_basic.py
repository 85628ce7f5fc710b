# SPDX-License-Identifier: GPL-2.0-or-later
"""Remote memory without faults: content, freeing, quotas, environments."""

from labkit.cluster import MIB, Cluster
from labkit.vmtest import vmtest

CI = ("ci",)
ONE = ("6.12",)


@vmtest(nodes=3, mem=256, tags=CI, timeout=300)
def test_R20a_content_under_pressure(lab):
    """A working set of three times memory.max comes back byte for byte, on both kernels."""
    c = Cluster(lab).up(donate={2: "128M", 3: "128M"})
    c.swap_on()
    c.track("A", memory="24M")
    hog = c.hog("A", "-m 72 -t 20 -z 10 -d 5")
    hog.wait_filled()
    held = c.env("A")
    assert held["used"] > 24 * MIB, held
    hog.wait()
    disk = c.disk()
    assert disk["reads"] > 1000 and disk["writes"] > 5000, disk
    assert disk["refused"] == 0, disk
    c.check_healthy()
