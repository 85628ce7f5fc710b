# SPDX-License-Identifier: GPL-2.0-or-later
"""The command: its options, the figures in their order, its end."""

import argparse
import importlib
import os
import signal
import sys
import time
from pathlib import Path
from types import ModuleType

from labkit import LabError, paths
from labkit.accel import choose
from labkit.image import ensure
from labkit.lab import Lab

from . import report
from .field import ROUNDS, Field
from .figure import Figure, NotTaken, Outcome

# Files beside benchkit/, the most important one first.
ORDER = ("swap_random_nbd", "swap_random_two_copies", "swap_random_nvme", "donor_cpu", "fabric_latency",
         "swap_read", "fault_time", "swap_sequential_nvme")

# Figures that have a goal and no file yet.
LATER = (
    (Figure("swap.programs", "slowdown", 1.43, "NBD swap"), "no benchmark of real programs is written yet"),
    (Figure("swap.random.default", "faults/s", 1.0, "NBD over WireGuard"), "WireGuard is not set up in the lab yet"),
    (Figure("swap.stripe", "MiB/s", 2.2, "1 donor"), "needs four guests; not written yet"),
    (Figure("shm.miss", "round trips", 1.0, "48-byte ping through the module"), "shared memory is not built yet"),
)

LIFE_S = 1800


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    try:
        return Bench(arguments).run()
    except LabError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted, the guests are down", file=sys.stderr)
        return 130


def _stop(*_: object) -> None:
    raise SystemExit(143)  # through every "finally": the lab goes down


class Bench:
    def __init__(self, arguments: argparse.Namespace):
        self.arguments = arguments
        self.began = time.monotonic()
        self.outcomes: list[Outcome] = []
        self.facts: list[str] = []
        self.failures = 0
        self.accelerator = choose(ensure(arguments.kernel))

    def say(self, text: str) -> None:
        print(f"{time.monotonic() - self.began:6.1f} s  {text}", flush=True)

    def run(self) -> int:
        arguments = self.arguments
        wanted = [name for name in ORDER if not arguments.k or arguments.k in name]
        if not wanted:
            print(f"bench: no figure's file has {arguments.k!r} in its name: {', '.join(ORDER)}", file=sys.stderr)
            return 2
        self.say(f"starting {arguments.guests} guests, kernel {arguments.kernel}, {self.accelerator}")
        lab = Lab(arguments.guests, kernel=arguments.kernel, mem=256, mem_of={2: 384}, life=LIFE_S)
        with lab:
            field = Field(lab, self.say, arguments.rounds)
            field.prepare()
            self.facts = [f"kernel {Path(lab.node(1).kernel).name}, {self.accelerator}, "
                          f"{arguments.guests} guests of one CPU", *field.settings()]
            for fact in self.facts:
                self.say(fact)
            for name in wanted:
                self._take(importlib.import_module(name), field)
            if any("random" in name for name in wanted):
                self.facts.append(field.cpu_by_page())
            self.facts.append(f"the host's load: {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs at the end")
            self._write()
            field.cluster.check_healthy()
        self._end()
        return 1 if self.failures else 0

    def _take(self, module: ModuleType, field: Field) -> None:
        """One figure. What fails costs this one only."""
        figure = getattr(module, "FIGURE", None)
        name = figure.name if figure else module.__name__
        self.say(name)
        samples, why = None, ""
        try:
            if figure is None:
                self.facts += module.tell(field)
            else:
                samples = module.measure(field)
        except NotTaken as error:
            why = str(error)
        except LabError as error:
            why = next((line for line in reversed(str(error).splitlines()) if line.strip()), "the lab failed")
            print(error, file=sys.stderr)
            self.failures += 1
        if figure:
            self.outcomes.append(Outcome(figure, samples, why))
        elif why:
            self.facts.append(f"{name}: not taken: {why}")
        self._write()

    def _write(self) -> None:
        """After every figure: a run that ends early has told what it knew."""
        rest = [Outcome(figure, None, why) for figure, why in LATER] if not self.arguments.k else []
        report.write_json(paths.BUILD_DIR / "bench.json", [*self.outcomes, *rest],
                          self.arguments.kernel, self.accelerator)
        if self.arguments.markdown:
            self.arguments.markdown.write_text(report.markdown([*self.outcomes, *rest], self.facts))

    def _end(self) -> None:
        if not self.arguments.k:
            self.outcomes += [Outcome(figure, None, why) for figure, why in LATER]
        print()
        print(report.table(self.outcomes))
        print()
        for fact in self.facts:
            print(fact)
        print("ratio: the median of the rounds' own ratios, more than 1 is better; ours and peer: medians of their own")
        print(f"written to {paths.BUILD_DIR.name}/bench.json; ratios count, absolute numbers are this machine's")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description="Measure hyperchain against NBD and NVMe/TCP "
                                     "in the same guests; prints a table and writes build/bench.json.")
    parser.add_argument("--kernel", default="6.12", help="6.1 or 6.12 (default 6.12)")
    parser.add_argument("--guests", type=int, choices=(2, 3), default=2,
                        help="3: with a second donor, which two copies need (default 2)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"repetitions (default {ROUNDS})")
    parser.add_argument("-k", metavar="PATTERN", help="only figures whose file's name contains this; "
                        "build/bench.json then has those only")
    parser.add_argument("--markdown", metavar="FILE", type=Path, help="write the table there as well")
    return parser
