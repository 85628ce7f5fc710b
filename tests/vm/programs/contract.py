# SPDX-License-Identifier: GPL-2.0-or-later
"""The numbers of a C header, read from the header itself: no second copy that
could differ. Enums and plain #defines; nothing that needs a compiler."""

import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
PLACES = (os.path.join(HERE, "include"), os.path.join(HERE, "..", "..", "..", "include"))


def path_of(name: str) -> str:
    """@name beside this file (in a guest), or in the tree."""
    for place in PLACES:
        path = os.path.join(place, name)
        if os.path.exists(path):
            return path
    raise FileNotFoundError(f"{name} is neither beside {HERE} nor in the tree")


def _value(text: str, known: dict[str, int]) -> int | None:
    """A number, or an expression of numbers and known names."""
    text = re.sub(r"\b(0x[0-9a-fA-F]+|\d+)U?L{0,2}\b", r"\1", text.strip())
    text = re.sub(r"\b[A-Za-z_]\w*\b", lambda m: str(known.get(m[0], m[0])), text)
    if not re.fullmatch(r"[0-9a-fA-Fx+\-*<>()\s]+", text):
        return None
    return int(eval(text))  # only digits and operators are left


def read(name: str) -> dict[str, int]:
    """Every constant of the header, in its order."""
    with open(path_of(name)) as f:
        text = re.sub(r"/\*.*?\*/|//[^\n]*", "", f.read(), flags=re.S)
    found: dict[str, int] = {}
    for part in re.finditer(r"^#define[ \t]+(\w+)[ \t]+([^\n]+)$|\benum\s+\w+\s*\{(.*?)\}", text, re.M | re.S):
        define, value, body = part.groups()
        if define:
            number = _value(value, found)
            if number is not None:
                found[define] = number
            continue
        number = -1
        for entry in filter(None, (entry.strip() for entry in body.split(","))):
            entry_name, _, given = entry.partition("=")
            number = _value(given, found) if given else number + 1
            found[entry_name.strip()] = number
    return found
