# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the lab keeps things; the only module that knows the tree's layout."""

import os
from pathlib import Path

VM_DIR = Path(__file__).resolve().parent.parent
TOP_DIR = VM_DIR.parent.parent
GUEST_DIR = VM_DIR / "guest"
BUILD_DIR = TOP_DIR / "build"
LAB_DIR = Path(os.environ.get("HC_LAB_CACHE", BUILD_DIR / "lab"))
CACHE_DIR = LAB_DIR / "cache"
RUN_DIR = LAB_DIR / "run"

# How much longer than usual what is waited for may take; the runner sets it for slow kernels.
PATIENCE = 1


def run_dir(name: str) -> Path:
    """Everything one lab leaves on disk while it lives."""
    return RUN_DIR / name
