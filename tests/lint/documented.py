#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Everything that users meet is described where they look for it.

uapi: every command and event in the kernel-doc above its enum, every attribute with a comment.
wire: every message, status and feature with a comment.
man:  every command of the CLI and the daemon has a man page with the usual sections.
"""
import glob
import os
import re
import sys

UAPI = "include/uapi/linux/hyperchain.h"
WIRE = "include/hyperchain/wire.h"


def enum_bodies(text):
    for found in re.finditer(r"(/\*\*(?:(?!\*/).)*\*/\s*)?enum (\w+) \{(.*?)\n\}", text, re.S):
        yield found.group(2), found.group(1) or "", found.group(3)


def entries(body):
    """(name, rest of the line) of each enumerator"""
    for line in body.split("\n"):
        found = re.match(r"\s*([A-Z][A-Z0-9_]+)\b(?:\s*=\s*[^,]+)?,?(.*)$", line)
        if found and not re.search(r"(_UNSPEC|_PAD|_INVALID|_MAX)$", found.group(1)):
            yield found.group(1), found.group(2)


def check_header(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    count = 0
    for name, doc, body in enum_bodies(text):
        for entry, rest in entries(body):
            count += 1
            speaks_for_itself = entry in ("HCW_OK", "HCW_EINVAL")
            if f"@{entry}:" not in doc and "/*" not in rest and not speaks_for_itself:
                yield f"{path}: {entry} (enum {name}) is described nowhere"
    if count < 5:
        yield f"{path}: found only {count} enumerators, is this check still right?"


def check_man():
    with open("tools/cmd/cmd.h", encoding="utf-8") as file:
        nouns = sorted(set(re.findall(r"\bcmd_([a-z]+)\w*\(", file.read())))
    pages = {os.path.basename(path): path for path in glob.glob("tools/man/*.[1-8]")}
    main_page = pages.get("hyperchain.8")
    main_text = ""
    if not main_page:
        yield "tools/man: no hyperchain.8"
    else:
        with open(main_page, encoding="utf-8") as file:
            main_text = file.read()
    for noun in nouns:
        if f"hyperchain-{noun}.8" not in pages:
            yield f"tools/man: no hyperchain-{noun}.8 for `hyperchain {noun}`"
        if noun not in main_text:
            yield f"tools/man/hyperchain.8: does not name `{noun}`"
    if os.path.exists("daemon/main.c"):
        for page in ("hyperchaind.8", "hyperchain.conf.5"):
            if page not in pages:
                yield f"tools/man: no {page}"
    for name, path in sorted(pages.items()):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        wanted = ["NAME", "DESCRIPTION"] + (["SYNOPSIS"] if name.endswith(".8") else [])
        for section in wanted:
            if not re.search(rf'^\.S[Hh] "?{section}', text, re.M):
                yield f"{path}: no section {section}"


CHECKS = {"uapi": lambda: check_header(UAPI), "wire": lambda: check_header(WIRE), "man": check_man}


def main():
    bad = 0
    for which in sys.argv[1:] or CHECKS:
        for what in CHECKS[which]():
            print(what)
            bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
