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
# Bits of EFLAGS that are 0 in every x86 processor, whatever a kernel or a program does: 3, 5, 15, 22 to 31.
NEVER_SET = 0xFFC08028


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


def impossible_flags(text: str) -> str:
    """The line of a register dump whose EFLAGS no processor can hold; "" if there is none.

    No instruction sets those bits. QEMU's emulation (seen with 7.2, about once in an hour of swapping)
    loses the flags now and then and sets the direction flag with it, so that the next "rep stos" runs
    backwards over the stack. It is no proof: a dump prints what the kernel's stack holds, and a bug that
    overwrites the stack can put any bits there. So it counts only where the processor is emulated, never on a
    kernel that checks its own memory, and is always shown and counted. See tests/vm/README.md.
    """
    for line in text.splitlines():
        found = re.search(r"RSP: 00[01][08]:f.* EFLAGS: ([0-9a-f]{8})\b", line)
        if found and int(found.group(1), 16) & NEVER_SET:
            return line.strip()
    return ""
