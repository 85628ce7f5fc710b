# SPDX-License-Identifier: GPL-2.0-or-later
"""The outcomes as a table for people, as Markdown, and as build/bench.json."""

import json
from pathlib import Path
from typing import Sequence

from .figure import Outcome, rounded

HEAD = ("figure", "ours", "peer", "ratio", "of a round", "goal", "")


def _cells(outcome: Outcome) -> tuple[str, ...]:
    figure = outcome.figure
    if not outcome.is_taken:
        return figure.name, "-", "-", "-", "-", f"{figure.goal:.2f}x", f"not taken: {outcome.why}"
    low, high = outcome.spread
    return (figure.name, f"{rounded(outcome.ours):g} {figure.unit}", f"{rounded(outcome.peer):g}",
            f"{outcome.ratio:.2f}x", f"{low:.2f}-{high:.2f}x", f"{figure.goal:.2f}x",
            f"{'holds' if outcome.holds else 'FALLS SHORT'}{'' if outcome.is_sure else ' (rounds disagree)'}, "
            f"against {figure.peer_name}")


def table(outcomes: Sequence[Outcome]) -> str:
    rows = [HEAD, *map(_cells, outcomes)]
    widths = [max(len(row[k]) for row in rows) for k in range(len(HEAD) - 1)]
    return "\n".join("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths)), row[-1]]).rstrip()
                     for row in rows)


def markdown(outcomes: Sequence[Outcome], facts: Sequence[str]) -> str:
    lines = ["| " + " | ".join(cell or "verdict" for cell in HEAD) + " |", "|" + " --- |" * len(HEAD)]
    lines += ["| " + " | ".join(_cells(outcome)) + " |" for outcome in outcomes]
    return "\n".join([*lines, "", *(f"- {fact}" for fact in facts), ""])


def write_json(path: Path, outcomes: Sequence[Outcome], kernel: str, accelerator: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [outcome.to_json(kernel, accelerator) for outcome in outcomes]
    part = path.with_suffix(".part")
    part.write_text(json.dumps(rows, indent=1) + "\n")
    part.replace(path)
