# SPDX-License-Identifier: GPL-2.0-or-later
"""What a figure is, and what came out of it."""

from dataclasses import dataclass
from statistics import median
from typing import Sequence


class NotTaken(Exception):
    """Raised by measure(): says why there is no number."""


@dataclass(frozen=True)
class Figure:
    """@name, @goal as in the goals: the least ratio that holds. @is_cost: less is better."""

    name: str
    unit: str
    goal: float
    peer_name: str
    is_cost: bool = False


@dataclass(frozen=True)
class Samples:
    """One number a round: ours and the peer's, taken one after the other."""

    ours: Sequence[float]
    peer: Sequence[float]


class Outcome:
    """@samples, or None and @why."""

    def __init__(self, figure: Figure, samples: Samples | None, why: str = ""):
        self.figure, self.why = figure, why
        self.is_taken = samples is not None
        self.ours = self.peer = self.ratio = None
        self.spread: tuple[float, float] | None = None
        self.runs = 0
        if samples is not None:
            self._judge(samples)

    def _judge(self, samples: Samples) -> None:
        """The ratio is the median of the rounds' own ratios: what disturbs a
        machine for a minute disturbs both halves of a round alike."""
        pairs = list(zip(samples.ours, samples.peer, strict=True))
        ratios = sorted(peer / ours if self.figure.is_cost else ours / peer for ours, peer in pairs)
        self.runs = len(pairs)
        self.ours, self.peer = median(samples.ours), median(samples.peer)
        self.ratio, self.spread = median(ratios), (ratios[0], ratios[-1])

    @property
    def holds(self) -> bool | None:
        return None if self.ratio is None else self.ratio >= self.figure.goal

    def to_json(self, kernel: str, accelerator: str) -> dict:
        figure = self.figure
        row = {"name": figure.name, "unit": figure.unit, "ours": rounded(self.ours), "peer": rounded(self.peer),
               "peer_name": figure.peer_name, "ratio": rounded(self.ratio), "goal": figure.goal,
               "holds": self.holds, "runs": self.runs,
               "spread": [rounded(value) for value in self.spread] if self.spread else None,
               "kernel": kernel, "accelerator": accelerator}
        return row if self.is_taken else {**row, "why": self.why}


def rounded(value: float | None) -> float | None:
    """Four digits are more than any of this is good for."""
    return None if value is None else float(f"{value:.4g}")
