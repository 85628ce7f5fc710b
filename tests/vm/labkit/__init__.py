# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab: virtual machines with stock kernels for tests, demo and benchmarks.

    from labkit import Lab
    with Lab(n=3, kernel="6.12", mem=512) as lab:
        lab.node(1).run("ping -c 1 n2")
"""

from .errors import CommandFailed, GuestDied, LabError, Timeout
from .lab import Lab
from .node import Background, Node, Result

__all__ = ["Background", "CommandFailed", "GuestDied", "Lab", "LabError", "Node", "Result", "Timeout"]
