# SPDX-License-Identifier: GPL-2.0-or-later
"""--verbose and --summary, and that a run says the same each time."""
import json

from simkit.scenario import fill
from simkit.simulator import Run, check, parse, save

STATE = fill({
    "nodes": [[1, 0.9], [2, 0.1], [3, 0.3]], "users": ["A 1,2", "B 3"],
    "processes": [[101, "A", 1, 0.2], [102, "A", 1, 0.1]],
    "events": ["0 tick", "1 candidates user=C", "2 review user=B usage=0.5", "3 idle", "4 tick"]}, {})
# 0.2 then 0.1 go from 1 to 2: loads 0.9, 0.1, 0.3 become 0.6, 0.4, 0.3


def verbose_keeps():
    """A review that changes nothing is told with --verbose only."""
    path = save("verbose", STATE)
    kept = [one for one in parse(Run(["--verbose", path])) if one["action"] == "keep"]
    check(any(one["at"] == 2 and one["rule"] == "R16" and one.get("user") == "B" for one in kept),
          f"the review of B is not told as kept: {kept}")
    check(any(one["at"] == 4 for one in kept), f"the last check changed nothing and does not say so: {kept}")
    check(not any(one["action"] == "keep" for one in parse(Run([path]))), "keep without --verbose")


def summary():
    """One object instead of the decisions: counts per rule, spread before and after, time per decision."""
    path = save("summary", STATE)
    decisions = parse(Run([path]))
    run = Run(["--summary", path])
    check(run.code == 0 and not run.err, f"exit status {run.code}, said {run.err}")
    whole = json.loads(run.out)
    check(isinstance(whole, dict) and "action" not in whole, f"no summary: {run.out[:300]}")
    text = json.dumps(whole)
    for rule in ("R11", "R14"):
        count = sum(one["rule"] == rule for one in decisions)
        check(f'"{rule}": {count}' in text, f"{rule} decided {count} times: {text[:500]}")
    words = text.lower()
    check("before" in words and "after" in words, f"no spread before and after: {text[:500]}")
    check("time" in words or "seconds" in words, f"no time per decision: {text[:500]}")


def same_again():
    path = save("again", STATE)
    said = {Run([path]).out for _ in range(5)}
    check(len(said) == 1, f"five runs say {len(said)} different things")
    check(Run(["--summary", "--verbose", path]).code == 0, "--summary --verbose")


def nothing_on_standard_error():
    run = Run([save("quiet", STATE)])
    check(run.code == 0 and run.err == "", f"exit status {run.code}, said {run.err[:300]}")


def tests():
    for one in (verbose_keeps, summary, same_again, nothing_on_standard_error):
        yield f"options_{one.__name__}", one
