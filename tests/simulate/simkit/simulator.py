# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs `hyperchain simulate` and judges the form of what it prints."""
import json
import os
import subprocess

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
BINARY = os.environ.get("HYPERCHAIN", os.path.join(TOP, "build", "bin", "hyperchain"))
OUT = os.path.join(TOP, "build", "simulate")
LIMIT = 60

# action: fields beside at, rule and why; those that may be left out; the rules that may say so
FIELDS = {
    "allocate": ({"user", "nodes"}, set()),
    "refuse": ({"user", "missing"}, set()),
    "candidates": ({"user", "nodes"}, set()),
    "select": ({"user", "nodes"}, set()),
    "migrate": ({"pid", "from", "to"}, set()),
    "leader": ({"user", "from", "to"}, set()),
    "spare_set": ({"node"}, {"kind"}),
    "spare_unset": ({"node"}, {"kind"}),
    "spare_lend": ({"user", "node"}, set()),
    "spare_return": ({"user", "node"}, set()),
    "takeover": ({"node", "spare"}, set()),
    "restore": ({"node", "spare", "policy"}, set()),
    "resize": ({"user", "from", "to", "nodes"}, set()),
    "free": ({"node", "user"}, set()),
    "view": ({"view", "nodes"}, set()),
    "copy_start": ({"view", "node"}, set()),
    "copy_stop": ({"view", "node"}, set()),
    "place": ({"pid", "node"}, set()),
    "environment": ({"user", "nodes"}, set()),
    "alert": (set(), {"user", "node"}),
    "keep": (set(), {"user", "node"}),
}
RULES = {f"R{n}" for n in range(4, 19)}


class Failed(Exception):
    """What a test found wrong, in one sentence."""


def check(is_true, text):
    if not is_true:
        raise Failed(text)


class Run:
    """One finished run: code, out, err, and the time it took."""

    def __init__(self, args, limit=LIMIT):
        try:
            done = subprocess.run([BINARY, "simulate", *args], capture_output=True, timeout=limit,
                                  check=False, stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired as late:
            raise Failed(f"did not end within {limit} s: {' '.join(args)}") from late
        self.code = done.returncode
        self.out = done.stdout.decode("utf-8", "replace")
        self.err = done.stderr.decode("utf-8", "replace")


def save(name, state):
    """Writes a state, or a text as it is, to build/simulate/NAME.json, to be run by hand as well."""
    os.makedirs(OUT, exist_ok=True)
    path = os.path.join(OUT, name + ".json")
    with open(path, "w", encoding="utf-8") as file:
        if isinstance(state, str):
            file.write(state)
        else:
            json.dump(state, file, indent=1)
            file.write("\n")
    return path


def parse(run):
    """The decisions of a run that must have gone well, each of the form that the table above asks."""
    check(run.code == 0, f"exit status {run.code}: {run.err.strip()[-500:]}")
    decisions = []
    before = None
    for line in run.out.splitlines():
        try:
            one = json.loads(line)
        except ValueError as bad:
            raise Failed(f"not JSON: {line[:200]}") from bad
        check(isinstance(one, dict), f"not an object: {line[:200]}")
        for key in ("at", "rule", "action", "why"):
            check(key in one, f"no {key}: {line[:200]}")
        check(isinstance(one["why"], str) and one["why"].strip(), f"no reason given: {line[:200]}")
        check(one["rule"] in RULES, f"no rule of the simulator: {line[:200]}")
        check(one["action"] in FIELDS, f"unknown action: {line[:200]}")
        needed, may = FIELDS[one["action"]]
        has = set(one) - {"at", "rule", "action", "why"}
        check(needed <= has, f"without {sorted(needed - has)}: {line[:200]}")
        check(has <= needed | may, f"with {sorted(has - needed - may)}: {line[:200]}")
        if one["action"] in ("alert", "keep"):
            check(has, f"neither user nor node: {line[:200]}")
        check(before is None or one["at"] >= before, f"not in order of time: {line[:200]}")
        before = one["at"]
        decisions.append(one)
    return decisions


def simulate(path, *args, limit=LIMIT):
    return parse(Run([*args, path], limit))


def told(one):
    """A decision as the scenarios write it."""
    rest = " ".join(f"{key}={json.dumps(value, separators=(',', ':')) if not isinstance(value, str) else value}"
                    for key, value in one.items() if key not in ("at", "rule", "action", "why"))
    return f"{one['at']} {one['rule']} {one['action']} {rest}"
