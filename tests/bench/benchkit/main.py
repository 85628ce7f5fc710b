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

from labkit import LabError
from labkit.accel import choose
from labkit.image import ensure
from labkit.lab import Lab

from . import report
from .field import ROUNDS, Field
from .figure import Figure, NotTaken, Outcome
from .ground import Ground
from .host import Host, daemons

# Files beside benchkit/; figures with the same ground run on the same guests, the most important one first.
ORDER = ("swap_random_nbd", "swap_random_nvme", "donor_cpu", "fabric_latency", "swap_read", "fault_time",
         "swap_sequential_nvme", "swap_checksum", "swap_random_two_copies", "swap_random_default", "swap_stripe",
         "swap_programs", "control_failover", "control_node_failure", "daemon_footprint", "simulate_tick")

# Figures that have a goal and no file yet.
LATER = (
    (Figure("shm.miss", "round trips", 1.0, "48-byte ping through the module"), "shared memory is not built yet"),
    (Figure("control.agents", "of a core", 1.0, "a limit of 20 % of a core"), "nothing plays 1,000 agents yet"),
)

BORROWER_MB, DONOR_MB, RIVAL_MB = 256, 256, 384  # RAM of n1, of donors, of the one that has the rivals' memory, too
LIFE_S = 3600


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
        self.accelerator = "none"

    def say(self, text: str) -> None:
        print(f"{time.monotonic() - self.began:6.1f} s  {text}", flush=True)

    def run(self) -> int:
        pattern = self.arguments.k
        wanted = [importlib.import_module(name) for name in ORDER if not pattern or pattern in name]
        if not wanted:
            print(f"bench: no figure's file has {pattern!r} in its name: {', '.join(ORDER)}", file=sys.stderr)
            return 2
        guests = [module for module in wanted if not hasattr(module, "HOST")]
        grounds: dict[Ground, list[ModuleType]] = {}
        for module in guests:
            grounds.setdefault(getattr(module, "GROUND", Ground()), []).append(module)
        if guests:
            self.accelerator = choose(ensure(self.arguments.kernel))
        for ground, modules in grounds.items():
            self._on_ground(ground, modules)
        self._on_host([module for module in wanted if hasattr(module, "HOST")])
        self.facts.append(f"the host's load: {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs at the end")
        self._write()
        self._end()
        return 1 if self.failures else 0

    def _on_ground(self, ground: Ground, modules: list[ModuleType]) -> None:
        """All that runs on the same guests. What fails costs these only."""
        kernel = self.arguments.kernel
        done: list[ModuleType] = []
        self.say(f"starting {ground.donors + 1} guests, kernel {kernel}, {self.accelerator}")
        lab = Lab(ground.donors + 1, kernel=kernel, mem=DONOR_MB, mem_of={1: BORROWER_MB, 2: RIVAL_MB}, life=LIFE_S)
        try:
            with lab:
                field = Field(lab, ground, self.say, self.arguments.rounds)
                field.prepare()
                facts = [f"kernel {Path(lab.node(1).kernel).name}, {self.accelerator}, "
                         f"{ground.donors + 1} guests of one CPU", *field.settings()]
                self.facts += facts
                for fact in facts:
                    self.say(fact)
                for module in modules:
                    done.append(module)
                    self._take(module, field)
                self.facts += [*field.cpu_by_page(), *field.notes]
                field.cluster.check_healthy()
        except LabError as error:
            self._failed(error)
            for module in modules:
                if module not in done:
                    self._keep(module, None, "its guests failed: " + _last_line(error))

    def _on_host(self, modules: list[ModuleType]) -> None:
        """All that needs no guest."""
        host = Host(self.say, self.arguments.rounds)
        for module in modules:
            self._take(module, host)
        self.facts += host.notes

    def _failed(self, error: Exception) -> None:
        print(error, file=sys.stderr)
        self.failures += 1

    def _take(self, module: ModuleType, field: Field | Host) -> None:
        """One figure. What fails costs this one only."""
        figure = getattr(module, "FIGURE", None)
        self.say(figure.name if figure else module.__name__)
        samples, why = None, ""
        try:
            if figure is None:
                self.facts += module.tell(field)
            else:
                samples = module.measure(field)
        except NotTaken as error:
            why = str(error)
        except (LabError, daemons().Failed) as error:
            why = _last_line(error)
            self._failed(error)
        self._keep(module, samples, why)

    def _keep(self, module: ModuleType, samples, why: str) -> None:
        figure = getattr(module, "FIGURE", None)
        if figure:
            self.outcomes.append(Outcome(figure, samples, why))
        elif why:
            self.facts.append(f"{module.__name__}: not taken: {why}")
        self._write()

    def _rows(self) -> list[dict]:
        rest = [Outcome(figure, None, why) for figure, why in LATER] if not self.arguments.k else []
        return [outcome.to_json(self.arguments.kernel, self.accelerator) for outcome in [*self.outcomes, *rest]]

    def _write(self) -> None:
        """After every figure: a run that ends early has told what it knew."""
        report.write(self._rows(), self.facts)

    def _end(self) -> None:
        print()
        print(report.table(self._rows()))
        print()
        for fact in self.facts:
            print(fact)
        print("ratio: the median of the rounds' own ratios, more than 1 is better; ours and peer: medians of their own")
        print("written to build/bench.json; ratios count, absolute numbers are this machine's")


def _last_line(error: Exception) -> str:
    return next((line for line in reversed(str(error).splitlines()) if line.strip()), "it failed")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description="Measure hyperchain against NBD and NVMe/TCP in the "
                                     "same guests, and its cluster by itself; prints a table and writes build/bench.json.")
    parser.add_argument("--kernel", default="6.12", help="6.1 or 6.12 (default 6.12)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"repetitions (default {ROUNDS})")
    parser.add_argument("-k", metavar="PATTERN", help="only figures whose file's name contains this; "
                        "build/bench.json then has those only")
    return parser
