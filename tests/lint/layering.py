#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Dependencies run one way: front ends -> mechanism -> policy -> include.

Two checks. (1) Every #include of every file against the table below. (2) What the objects of the
pure parts leave undefined (`nm -u`): nothing but memory functions and each other, so no clock,
lock, allocation, socket or file can hide there. Build them first: make -f tests/unit/Makefile pure
"""
import glob
import os
import re
import subprocess
import sys

# part: (pattern of its files, parts it may include, system headers: regular expression or None = any)
# The first pattern that matches decides.
PURE_KERNEL = (r"linux/(types|string|errno|bitops|bitmap|limits|kernel|minmax|math|math64)\.h|"
               r"asm/byteorder\.h")
# stdio.h for vsnprintf() into memory that is handed in: the objects show that it is used for nothing else.
PURE_USER = r"(errno|limits|stdarg|stdbool|stddef|stdint|stdio|inttypes|string)\.h|linux/types\.h"
NO_NETLINK = r"(?!netlink/).*"
TABLE = [
    ("uapi", r"include/uapi/", {"uapi"}, r"linux/(ioctl|types)\.h"),
    ("wire", r"include/hyperchain/", {"wire", "uapi"}, r"linux/(types|build_bug)\.h"),
    ("kmod policy", r"kmod/policy/", {"kmod policy", "wire", "uapi"}, PURE_KERNEL),
    ("kmod front end", r"kmod/(main|netlink|nl_[a-z_]*|event|relay|io|mmap)\.c$",
     {"kmod front end", "kmod mechanism", "kmod policy", "wire", "uapi"}, None),
    ("kmod front end", r"kmod/(netlink|nl_[a-z_]*)\.h$",
     {"kmod mechanism", "kmod policy", "wire", "uapi"}, None),
    ("kmod mechanism", r"kmod/", {"kmod mechanism", "kmod policy", "wire", "uapi"}, None),
    ("netlink library", r"tools/lib/", {"netlink library", "uapi"}, None),
    ("helpers", r"tools/helper/", {"helpers", "wire", "uapi"}, NO_NETLINK),
    # The container helper shares a file with the container's first process.
    ("tools", r"tools/", {"tools", "helpers", "netlink library", "daemon policy", "uapi"}, NO_NETLINK),
    ("daemon policy", r"daemon/policy/", {"daemon policy", "uapi"}, PURE_USER),
    ("daemon front end", r"daemon/main\.c$",
     {"daemon mechanism", "daemon policy", "netlink library", "generated", "uapi"}, NO_NETLINK),
    # WireGuard is not our module's family: the one file of the daemon that talks netlink itself.
    ("daemon mechanism", r"daemon/node/wireguard\.c$",
     {"daemon mechanism"}, None),
    ("daemon mechanism", r"daemon/",
     {"daemon mechanism", "daemon policy", "netlink library", "generated", "uapi"}, NO_NETLINK),
]
# Where a quoted or project include is looked for, per folder, besides the including file's own.
ROOTS = {"kmod": ["kmod", "include", "include/uapi"],
         "tools": ["tools", "tools/lib", ".", "include", "include/uapi"],
         "daemon": [".", "daemon", "tools/lib", "include", "include/uapi", "build/gen"],
         "include": ["include", "include/uapi"]}
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')

# Undefined symbols that a pure object may have: what the compiler makes of assignments.
SYMBOLS = {"memset", "memcpy", "memmove", "memcmp", "__stack_chk_fail", "_GLOBAL_OFFSET_TABLE_"}
SYMBOLS_USER = SYMBOLS | {"strcmp", "strncmp", "strlen", "strnlen", "strchr", "memchr",
                          "snprintf", "vsnprintf"}


def part_of(path):
    if path.startswith("build/gen/"):
        return "generated"
    return next((name for name, pattern, _, _ in TABLE if re.match(pattern, path)), None)


def resolve(source, name, quoted):
    """The file of this project that an #include means, or None for a system header."""
    roots = ([os.path.dirname(source)] if quoted else []) + ROOTS.get(source.split("/")[0], [])
    for root in roots:
        path = os.path.normpath(os.path.join(root, name))
        if os.path.isfile(path):
            return path
    return None


def rows_of(source):
    for name, pattern, parts, system in TABLE:
        if re.match(pattern, source):
            return name, parts, system
    return None, set(), None


def check_includes(sources):
    bad = 0
    for source in sources:
        name, parts, system = rows_of(source)
        if not name:
            continue
        with open(source, encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                found = INCLUDE.match(line)
                if not found:
                    continue
                header = found.group(2)
                path = resolve(source, header, found.group(1) == '"')
                if path:
                    if part_of(path) not in parts:
                        print(f"{source}:{number}: {name} may not include {path} ({part_of(path)})")
                        bad += 1
                    continue
                if header.endswith(".pb-c.h"):
                    if "generated" in parts:
                        continue
                elif system is None or re.fullmatch(system, header):
                    continue
                print(f"{source}:{number}: {name} may not include <{header}>")
                bad += 1
    return bad


def symbols(objects, *flags):
    """{object: its symbols} as nm lists them"""
    found = {}
    for path in objects:
        text = subprocess.run(["nm", *flags, path], check=True, capture_output=True, text=True).stdout
        found[path] = {line.split()[-1] for line in text.splitlines() if line.strip()}
    return found


def check_objects():
    bad = 0
    for folder, allowed in (("kmod", SYMBOLS), ("daemon", SYMBOLS_USER)):
        sources = sorted(glob.glob(f"{folder}/policy/*.c"))
        objects = [f"build/pure/{source[:-2]}.o" for source in sources]
        for path in [path for path in objects if not os.path.isfile(path)]:
            print(f"{path} is missing: make -f tests/unit/Makefile pure")
            objects.remove(path)
            bad += 1
        defined = set().union(*symbols(objects, "--defined-only", "-g").values()) if objects else set()
        for path, undefined in symbols(objects, "-u").items():
            for name in sorted(undefined - allowed - defined):
                print(f"{path}: uses {name}: not pure")
                bad += 1
        for path in objects:        # nor state of their own between two calls
            text = subprocess.run(["nm", path], check=True, capture_output=True, text=True).stdout
            for line in text.splitlines():
                if re.search(r" [bBdDcC] ", line):
                    print(f"{path}: keeps state in {line.split()[-1]}: not pure")
                    bad += 1
    return bad


def main():
    sources = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "--",
                              "*.c", "*.h"], check=True, capture_output=True, text=True).stdout.split()
    sources = [path for path in sources if os.path.isfile(path)]
    bad = check_includes(sources) + check_objects()
    print(f"{len(sources)} files, {bad} breaches")
    return 1 if bad or not sources else 0


if __name__ == "__main__":
    sys.exit(main())
