#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What every file of the project must have, and must not have.

SPDX tag, no path or package host of one machine, nothing unfinished, files under 800 lines (one
object per file), and the form that .editorconfig asks for: its rules are read from there.
"""
import configparser
import fnmatch
import glob
import os
import re
import subprocess
import sys

TAG = "SPDX-License-Identifier: GPL-2.0-or-later"
NO_TAG = re.compile(r"(^|/)(LICENSE|\.gitignore|typedefs\.txt)$|\.(json|png|svg|pem|pub|expected)$")
BINARY = re.compile(r"\.(png|gz|xz|bin)$")
# Written in pieces, so that this file does not find itself.
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX)\b")
HOSTS = re.compile(r"\b(deb|security|snapshot|ftp|registry|proxy|pypi|archive)(\.[a-z0-9-]+)*\."
                   r"(debian\.org|ubuntu\.com|npmjs\.org|golang\.org|python\.org|crates\.io)\b")
MAX_LINES = 800


def machine_words():
    """Paths and hosts that belong to the machine this runs on."""
    above = os.path.dirname(os.getcwd())
    words = [] if above in ("/", "/root", "/home", "/tmp") else [above + "/"]
    for path in ["/etc/apt/sources.list", *glob.glob("/etc/apt/sources.list.d/*")]:
        try:
            with open(path, encoding="utf-8") as text:
                words += re.findall(r"https?://([^/\s]+)", text.read())
        except OSError:
            pass
    return [word for word in set(words) if len(word) > 4]


def columns(line):
    return len(line.expandtabs(8))


def read_rules():
    """.editorconfig as [(patterns, {key: value})]."""
    parser = configparser.ConfigParser(delimiters=("=",), comment_prefixes=("#",))
    with open(".editorconfig", encoding="utf-8") as text:
        parser.read_string("[root]\n" + text.read())
    return [(name.strip("{}").split(","), dict(parser[name])) for name in parser.sections() if name != "root"]


def rules_of(path, rules):
    """What holds for @path: later sections win. A pattern without a slash is for the file's name."""
    found = {}
    for patterns, keys in rules:
        if any(fnmatch.fnmatchcase(path if "/" in p else os.path.basename(path), p) for p in patterns):
            found.update(keys)
    return found


def check_form(text, lines, form):
    """Against the keys of .editorconfig."""
    if form.get("end_of_line") == "lf" and "\r" in text:
        yield 1, "carriage returns: lines end with a line feed alone"
    if form.get("insert_final_newline") == "true" and text and lines[-1]:
        yield len(lines), "no newline at the end of the file"
    limit = int(form.get("max_line_length", 100000))
    wrong_indent = {"tab": re.compile(r"\t*( {8}| +\t)"), "space": re.compile(r" *\t")}.get(form.get("indent_style"))
    for number, line in enumerate(lines, 1):
        if form.get("trim_trailing_whitespace") == "true" and line != line.rstrip():
            yield number, "blanks at the end of the line"
        if columns(line) > limit and '"' not in line:     # sentences for people are not broken
            yield number, f"{columns(line)} columns, at most {limit}"
        if wrong_indent and wrong_indent.match(line):
            yield number, f"is not indented by {form['indent_style']}s"


def check(path, text, words, form):
    lines = text.split("\n")
    if not NO_TAG.search(path) and TAG not in "\n".join(lines[:4]):
        yield 1, f"no '{TAG}' in its head"
    for number, line in enumerate(lines, 1):
        if UNFINISHED.search(line):
            yield number, "unfinished: finish it, or file an issue"
        if HOSTS.search(line) or any(word in line for word in words):
            yield number, "names a path or package host of one machine"
    yield from check_form(text, lines, form)
    if re.search(r"\.([ch]|py)$", path) and len(lines) > MAX_LINES:
        yield len(lines), f"{len(lines)} lines, at most {MAX_LINES}: one object per file"


def main():
    paths = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"],
                           check=True, capture_output=True, text=True).stdout.split("\n")
    words, rules = machine_words(), read_rules()
    bad = count = 0
    for path in filter(None, paths):
        if BINARY.search(path) or not os.path.isfile(path) or os.path.islink(path):
            continue
        count += 1
        with open(path, encoding="utf-8", newline="") as file:
            for number, what in check(path, file.read(), words, rules_of(path, rules)):
                print(f"{path}:{number}: {what}")
                bad += 1
    print(f"{count} files, {bad} findings")
    return 1 if bad or not count else 0


if __name__ == "__main__":
    sys.exit(main())
