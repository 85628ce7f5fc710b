# SPDX-License-Identifier: GPL-2.0-or-later
"""A moved program and its terminal at home (SPEC R21): job control by a real shell."""

import time

from labkit.node import Node
from labkit.vmtest import vmtest
from test_migrate_basic import Movers

# Does what it is told by lines from its terminal.
TALK = """
import os, signal, sys, termios, tty
def say(*words):
    print(*words, flush=True)
def size(*_):
    columns, rows = os.get_terminal_size(0)
    say("size", rows, columns)
signal.signal(signal.SIGWINCH, size)
say("pid", os.getpid())
for line in sys.stdin:
    word, _, rest = line.strip().partition(" ")
    if word == "say":
        say("said", rest)
    elif word == "size":
        size()
    elif word == "who":
        say("who", os.isatty(0), os.tcgetpgrp(0) == os.getpgrp(), os.ttyname(1) if rest else "")
    elif word == "key":
        old = termios.tcgetattr(0)
        tty.setcbreak(0)
        say("press")
        say("key", os.read(0, 1))
        termios.tcsetattr(0, termios.TCSADRAIN, old)
    elif word == "secret":
        old = termios.tcgetattr(0)
        new = termios.tcgetattr(0)
        new[3] &= ~termios.ECHO
        termios.tcsetattr(0, termios.TCSAFLUSH, new)
        say("password:")
        found = sys.stdin.readline().strip()
        termios.tcsetattr(0, termios.TCSAFLUSH, old)
        say("it has", len(found))
    elif word == "leave":
        sys.exit(3)
say("eof")
"""


class Terminal:
    """A command on a terminal of its own: what it says is waited for, in order."""

    def __init__(self, node: Node, argv: list[str], size: tuple[int, int] = (24, 80)):
        self.command = node.command(argv, pty=size)
        self.text, self.seen = "", 0

    def wait_for(self, text: str, timeout: float = 40) -> str:
        """What was said before @text, since the last time."""
        deadline = time.monotonic() + timeout
        while text not in self.text[self.seen:]:
            assert time.monotonic() < deadline and self.command.status is None, (text, self.text[-600:])
            for _, data in self.command.read():
                self.text += data.decode(errors="replace")
            time.sleep(0.02)
        before, _, _ = self.text[self.seen:].partition(text)
        self.seen += len(before) + len(text)
        return before

    def send(self, text: str) -> None:
        self.command.send(text.encode())

    def ask(self, line: str, answer: str) -> str:
        self.send(line + "\n")
        return self.wait_for(answer)


@vmtest(nodes=2, mem=256, tags=("full",), alone=True, timeout=400)
def test_R21_a_moved_program_keeps_its_terminal(lab):
    """^Z, fg, bg, a read in the background, a new size, modes, keys, no echo, ^C, end of file."""
    m = Movers(lab)
    m.n1.write("/root/talk.py", TALK)
    t = Terminal(m.n1, ["env", "TERM=dumb", "bash", "--norc", "-i"])
    t.ask("PS1='$?$ '; cd /root", "0$ ")
    for end in ("leave", "^C", "^D"):
        t.send("python3 talk.py\n")
        t.wait_for("pid ")
        pid = int(t.wait_for("\r\n"))
        m.n1.wait_for(f"grep -qE 'n_tty_read|wait_woken' /proc/{pid}/wchan", 20)
        answer = m.move(pid, 2)
        assert answer["ok"], answer
        t.ask("say one", "\nsaid one\r\n")
        t.ask("who", "\nwho True True")
        if end == "leave":
            job_control(t)
            modes(t)
            t.ask("leave", "\r\n3$ ")
        elif end == "^C":
            t.send("\x03")
            t.wait_for("130$ ")
        else:
            t.send("\x04")
            t.wait_for("eof\r\n0$ ")
        lab.wait_for(lambda: not m.n2.run("pgrep -x python3", check=False).stdout, 10, "it is gone there")
    modes_are = t.ask("stty -a", "0$ ")
    assert " echo " in modes_are and " icanon " in modes_are, modes_are
    t.send("exit\n")


def job_control(t: Terminal) -> None:
    t.send("\x1a")
    t.wait_for("Stopped")
    t.wait_for("148$ ")
    t.ask("jobs", "Stopped")
    t.wait_for("0$ ")
    t.send("fg\n")
    t.wait_for("talk.py\r\n")
    t.ask("say two", "\nsaid two\r\n")
    t.send("\x1a")
    t.wait_for("148$ ")
    t.ask("bg", "talk.py &")
    # Its read(2) finds it in the background: stopped again, by SIGTTIN.
    deadline = time.monotonic() + 40
    while "Stopped" not in t.ask("jobs; echo", "0$ "):
        assert time.monotonic() < deadline, t.text[-600:]
        time.sleep(0.2)
    t.send("fg\n")
    t.wait_for("talk.py\r\n")
    t.ask("say three", "\nsaid three\r\n")


def modes(t: Terminal) -> None:
    t.command.resize(30, 100)
    t.wait_for("size 30 100")
    t.ask("key", "press\r\n")
    t.send("q")
    t.wait_for("key b'q'")
    t.ask("secret", "password:\r\n")
    t.send("hidden\n")
    assert "hidden" not in t.wait_for("it has 6")
