# SPDX-License-Identifier: GPL-2.0-or-later
"""What came out: build/bench.json and the facts beside it, as a table for people and as Markdown; build/soak.json, too."""

import json
from pathlib import Path
from typing import Sequence

from labkit import paths

JSON, FACTS, SOAK = (paths.BUILD_DIR / name for name in ("bench.json", "bench-facts.json", "soak.json"))
HEAD = ("figure", "ours", "peer", "ratio", "of a round", "goal", "verdict")
SOAK_HEAD = ("test [kernel]", "passed", "failed", "seconds")


def write(rows: Sequence[dict], facts: Sequence[str]) -> None:
    for path, what in ((JSON, rows), (FACTS, facts)):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(what, indent=1) + "\n")
        part.replace(path)


def _is_sure(row: dict) -> bool:
    """All rounds are on the same side of the goal."""
    low, high = row["spread"]
    return low >= row["goal"] or high < row["goal"]


def _cells(row: dict) -> tuple[str, ...]:
    goal = f"{row['goal']:.2f}x"
    if row["ours"] is None:
        return row["name"], "-", "-", "-", "-", goal, f"not taken: {row['why']}"
    low, high = row["spread"]
    return (row["name"], f"{row['ours']:g} {row['unit']}", f"{row['peer']:g}", f"{row['ratio']:.2f}x",
            f"{low:.2f}-{high:.2f}x", goal,
            f"{'holds' if row['holds'] else 'FALLS SHORT'}{'' if _is_sure(row) else ' (rounds disagree)'}, "
            f"against {row['peer_name']}")


def table(rows: Sequence[dict]) -> str:
    lines = [HEAD, *map(_cells, rows)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(HEAD) - 1)]
    return "\n".join("  ".join([*(cell.ljust(width) for cell, width in zip(line, widths)), line[-1]]).rstrip()
                     for line in lines)


def _markdown_table(lines: Sequence[Sequence[object]]) -> list[str]:
    head, *rest = lines
    return ["| " + " | ".join(map(str, line)) + " |" for line in (head, ("---",) * len(head), *rest)]


def bench_markdown() -> str:
    """The last run's figures and facts."""
    rows, facts = json.loads(JSON.read_text()), json.loads(FACTS.read_text())
    return "\n".join([*_markdown_table([HEAD, *map(_cells, rows)]), "", *(f"- {fact}" for fact in facts), ""])


def soak_markdown() -> str:
    """What `make soak` has added up so far."""
    tests = json.loads(SOAK.read_text())["tests"]
    lines = [(name, *(entry[word] for word in SOAK_HEAD[1:])) for name, entry in sorted(tests.items())]
    return "\n".join([*_markdown_table([SOAK_HEAD, *lines]), ""])


SECTIONS = {"bench": bench_markdown, "soak": soak_markdown}


def put_into(text: str, section: str) -> str:
    """@text with what stands between the marks of @section made anew."""
    begin, end = (f"<!-- {section} {word} -->\n" for word in ("begins", "ends"))
    before, has_begin, rest = text.partition(begin)
    _, has_end, after = rest.partition(end)
    if not has_begin or not has_end:
        raise ValueError(f"there are no lines {begin.strip()} and {end.strip()} in the file")
    return before + begin + SECTIONS[section]() + end + after
