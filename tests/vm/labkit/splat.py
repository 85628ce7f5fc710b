# SPDX-License-Identifier: GPL-2.0-or-later
"""Finding a kernel's cries in a console log."""

import re
from pathlib import Path

PATTERN = re.compile(
    r"\bBUG: |kernel BUG at|\bWARNING: |\bOops\b|general protection|Kernel panic|KASAN:|KCSAN:|KFENCE:|UBSAN:"
    r"|possible (circular|recursive) locking|suspicious RCU usage|kmemleak: [1-9]|unreferenced object"
    r"|INFO: task .* blocked|rcu.*\bstall|soft lockup|refcount_t: |list_(add|del) corruption"
    r"|Attempted to kill init|unable to handle")
EXCERPT_LINES = 60


def find(text: str, allowed: re.Pattern | None = None) -> str:
    """The first splat in @text with what follows it; "" if there is none."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if PATTERN.search(line) and not (allowed and allowed.search(line)):
            return "\n".join(lines[max(0, number - 2):number + EXCERPT_LINES])
    return ""


def read(path: Path, offset: int = 0) -> str:
    try:
        with open(path, "rb") as f:
            f.seek(offset)
            return f.read().decode(errors="replace").replace("\r", "")
    except FileNotFoundError:
        return ""


def tail(path: Path, lines: int = 40) -> str:
    return "\n".join(read(path).splitlines()[-lines:])
