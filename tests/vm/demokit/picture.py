# SPDX-License-Identifier: GPL-2.0-or-later
"""Draws the memories of the three machines and how far the program is."""

import shutil
from dataclasses import dataclass

from .sampler import MIB, Sampler, View
from .screen import Screen
from .shape import Shape

BAR_MAX = 40  # columns of the largest machine
WORDS = 58    # columns beside it


@dataclass
class Program:
    """What the user's program does, as the picture shows it."""

    title: str = ""
    share: float | None = None  # done, 0..1
    note: str = ""


class Picture:
    def __init__(self, screen: Screen, sampler: Sampler, shape: Shape, kernel: str):
        self.screen, self.sampler, self.shape = screen, sampler, shape
        self.kernel = kernel
        self.program = Program()

    # --------------------------------------------------------- terminal

    @property
    def bar(self) -> int:
        return max(12, min(BAR_MAX, shutil.get_terminal_size().columns - WORDS))

    def lines(self) -> list[str]:
        paint, views = self.screen.paint, self.sampler.views
        if not any(view.total for view in views.values()):
            return []
        key = "  ".join((f"{paint('█', 'blue')} the machine itself", f"{paint('█', 'green')} the user's container",
                         f"{paint('▓', 'magenta')} lent to n1", f"{paint('░', 'dim')} free"))
        return ["", f"  {paint('memory', 'bold')}  {key}", *(self._machine(number) for number in views),
                self._disk(), *self._program_lines()]

    def _segments(self, number: int) -> list[tuple[int, str, tuple[str, ...]]]:
        """(bytes, sign, colours) that sum up to the machine's RAM."""
        view, ram = self.sampler.views[number], self._ram(number)
        mine = view.cgroup if number == 1 else 0
        free = min(view.available, ram)
        lent = min(view.lent, ram - free)
        mine = min(mine, ram - free - lent)
        return [(ram - free - lent - mine, "█", ("blue",)), (mine, "█", ("green",)),
                (lent, "▓", ("magenta",)), (free, "░", ("dim",))]

    def _ram(self, number: int) -> int:
        return (self.shape.machine_mb if number == 1 else self.shape.donor_mb) * MIB

    def _machine(self, number: int) -> str:
        paint, ram = self.screen.paint, self._ram(number)
        cells = round(self.bar * ram / (max(self.shape.donor_mb, self.shape.machine_mb) * MIB))
        head = f"  {paint(f'n{number}', 'bold')} {ram // MIB:4d} MiB  "
        if number in self.sampler.is_off:
            return f"{head}{paint('✗' * cells, 'red')}{' ' * (self.bar - cells)}  {paint('its plug was pulled', 'red', 'bold')}"
        if not self.sampler.views[number].total:
            return head
        return head + self._bar(self._segments(number), ram, cells) + "  " + self._words(number)

    def _bar(self, segments: list[tuple[int, str, tuple[str, ...]]], whole: int, cells: int) -> str:
        """Ends are rounded on the running sum, so that the bar's length never changes."""
        out, used, begun = [], 0, 0
        for size, sign, colors in segments:
            used += size
            end = round(cells * used / whole)
            out.append(self.screen.paint(sign * (end - begun), *colors))
            begun = end
        return "".join(out) + " " * (self.bar - begun)

    def _words(self, number: int) -> str:
        view = self.sampler.views[number]
        if number == 1:
            return f"container {view.cgroup // MIB}, elsewhere {view.disk.get('used', 0) // MIB}"
        to, back = self.sampler.rates.get(number, (0.0, 0.0))
        return f"lends {view.lent // MIB:3d}  → {to:5.0f}  ← {back:5.0f} pages/s"

    def _disk(self) -> str:
        paint = self.screen.paint
        local = self.sampler.borrower.disk.get("local", 0)
        degraded = self.sampler.borrower.disk.get("degraded", 0)
        cells = min(self.bar, round(self.bar * local / (max(self.shape.donor_mb, self.shape.machine_mb) * MIB)))
        text = f"second copies {local // MIB}" if local >= MIB else ""
        if degraded:
            text = f"{text + '  ' if text else ''}{paint(f'{degraded // MIB} MiB have one copy only', 'yellow', 'bold')}"
        return f"  {paint('n1', 'bold')}     disk  {paint('▒' * cells, 'yellow')}{' ' * (self.bar - cells)}  {text}"

    def _program_lines(self) -> list[str]:
        paint, program = self.screen.paint, self.program
        if not program.title:
            return []
        if program.share is None:
            return ["", f"  {paint('program', 'bold')}      {program.title}  {paint(program.note, 'dim')}"]
        cells = round(self.bar * min(1.0, program.share))
        bar = paint("█" * cells, "cyan") + paint("░" * (self.bar - cells), "dim")
        return ["", f"  {paint('program', 'bold')}      {bar}  {program.share:4.0%} {program.title}  "
                f"{paint(program.note, 'dim')}"]

    # ------------------------------------------------------- plain line

    def line(self) -> str:
        if not self.sampler.borrower.total:
            return ""
        words = [self._plain(number, view) for number, view in self.sampler.views.items()]
        disk = self.sampler.borrower.disk
        if disk.get("local", 0) >= MIB:
            words.append(f"disk {disk['local'] // MIB}")
        if disk.get("degraded"):
            words.append(f"{disk['degraded'] // MIB} MiB have one copy only")
        program = self.program
        share = "" if program.share is None else f"{program.share:4.0%} "
        return f"{share}{program.title or 'getting ready'} · " + " · ".join(words)

    def _plain(self, number: int, view: View) -> str:
        if number in self.sampler.is_off:
            return f"n{number} off"
        if number == 1:
            return f"n1 container {view.cgroup // MIB} elsewhere {view.disk.get('used', 0) // MIB} MiB"
        to, back = self.sampler.rates.get(number, (0.0, 0.0))
        return f"n{number} lends {view.lent // MIB} (→{to:.0f} ←{back:.0f}/s)"
