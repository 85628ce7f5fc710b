# SPDX-License-Identifier: GPL-2.0-or-later
"""The terminal: lines that stay, and below them a picture that is drawn anew in place.

Where stdout is no terminal, the picture becomes a plain line every few seconds.
"""

import os
import re
import shutil
import sys
import threading
import time
from typing import Callable

FRAME_S = 0.2
PLAIN_S = 5.0
COLORS = {"dim": "2", "bold": "1", "red": "31", "green": "32", "yellow": "33", "blue": "34",
          "magenta": "35", "cyan": "36"}
ESCAPE = re.compile(r"\033\[[0-9;]*m")
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
SPINNER_ASCII = "|/-\\"
TO_ASCII = str.maketrans({"█": "#", "▓": "=", "▒": "+", "░": ".", "·": "-", "✓": "+", "✗": "!", "→": ">",
                          "↑": "^", "↓": "v", "×": "x", "─": "-", "—": "-", "≥": ">"})


def clock_text(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


class Screen:
    """Thread-safe. @picture gives the lines of the live part, @line the same in one line."""

    def __init__(self, stream=None):
        self._stream = stream or sys.stdout
        self.is_live = self._stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self.has_color = self.is_live and not os.environ.get("NO_COLOR")
        encoding = (getattr(self._stream, "encoding", None) or "ascii").lower().replace("-", "")
        self._is_utf8 = encoding == "utf8"
        self.began = time.monotonic()
        self.picture: Callable[[], list[str]] = list
        self.line: Callable[[], str] = str
        self._doing = ""
        self._doing_since = self.began
        self._drawn = 0  # lines of the picture on the terminal now
        self._told = self.began
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)

    # -------------------------------------------------------------- use

    def start(self) -> None:
        if self.is_live:
            self._write("\033[?25l")
        self._thread.start()

    def stop(self) -> None:
        """The picture as it was stays; nothing is drawn any more."""
        if self._over.is_set():
            return
        self._over.set()
        self._thread.join(5)
        with self._lock:
            self._doing = ""
            if self.is_live:
                self._write(self._erased() + "\033[?25h")

    def paint(self, text: str, *colors: str) -> str:
        if not self.has_color or not text:
            return text
        codes = ";".join(COLORS[color] for color in colors)
        return f"\033[{codes}m{text}\033[0m"

    def say(self, text: str = "") -> None:
        """A line that stays."""
        with self._lock:
            self._write(self._erased() + text + "\n" + self._drawing())
            self._told = time.monotonic()

    def step(self, text: str) -> None:
        """What goes on from now on, at the foot of the picture."""
        with self._lock:
            self._doing, self._doing_since = text, time.monotonic()
            if not self.is_live:
                self.say(f"[{self.elapsed}] {text} ...")

    def done(self, text: str) -> None:
        self.say(f"{self.paint('✓', 'green')} {self.paint(self.elapsed.rjust(5), 'dim')}  {text}")

    def warn(self, text: str) -> None:
        self.say(f"{self.paint('!', 'yellow', 'bold')} {self.paint(self.elapsed.rjust(5), 'dim')}  "
                 f"{self.paint(text, 'yellow')}")

    def note(self, text: str) -> None:
        """For what the lab tells while it makes its images."""
        self.say(f"        {self.paint(text, 'dim')}")

    @property
    def elapsed(self) -> str:
        return clock_text(time.monotonic() - self.began)

    # ---------------------------------------------------------- drawing

    def _tick(self) -> None:
        while not self._over.wait(FRAME_S):
            with self._lock:
                if self.is_live:
                    self._write(self._erased() + self._drawing())
                elif self._doing and time.monotonic() - self._told >= PLAIN_S:
                    self._told = time.monotonic()
                    self._write(f"[{self.elapsed}] {self.line() or self._doing}\n")

    # One write for a whole frame: nothing flickers.
    def _drawing(self) -> str:
        if not self.is_live or self._over.is_set():
            return ""
        columns, rows = shutil.get_terminal_size()
        lines = list(self.picture())
        if self._doing:
            signs = SPINNER if self._is_utf8 else SPINNER_ASCII
            sign = signs[int(time.monotonic() / FRAME_S) % len(signs)]
            since = clock_text(time.monotonic() - self._doing_since)
            lines += ["", f"{self.paint(sign, 'cyan')} {self.paint(self.elapsed.rjust(5), 'dim')}  {self._doing} "
                      f"{self.paint(since, 'dim')}"]
        lines = lines[-max(2, rows - 1):]
        self._drawn = len(lines)
        return "".join(f"{clip(line, columns - 1)}\n" for line in lines)

    def _erased(self) -> str:
        drawn, self._drawn = self._drawn, 0
        return f"\033[{drawn}A\033[J" if drawn else ""

    def _write(self, text: str) -> None:
        if not self._is_utf8:
            text = text.translate(TO_ASCII).encode("ascii", "replace").decode()
        try:
            self._stream.write(text)
            self._stream.flush()
        except BrokenPipeError:
            os._exit(141)


def clip(text: str, width: int) -> str:
    """At most @width columns of @text, colours not counted."""
    out, used, position = [], 0, 0
    for found in [*ESCAPE.finditer(text), None]:
        piece = text[position:found.start() if found else len(text)]
        out.append(piece[:max(0, width - used)])
        used += len(piece)
        if found:
            out.append(found[0])
            position = found.end()
    return "".join(out)
