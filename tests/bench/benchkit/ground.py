# SPDX-License-Identifier: GPL-2.0-or-later
"""What a figure needs: which guests, which disks."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Ground:
    """Figures with the same one share their guests: n1 borrows, @donors others lend.
    @disks are labels of rivals.py; @is_encrypted: all between guests goes through WireGuard."""

    disks: tuple[str, ...] = ("hyperchain 1", "nbd", "nvme")
    donors: int = 1
    is_encrypted: bool = False
