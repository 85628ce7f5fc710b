# SPDX-License-Identifier: GPL-2.0-or-later
"""What a moved program has open is served from home (SPEC R21)."""

from labkit.vmtest import vmtest
from test_migrate_basic import Movers

# Answers each line, and says how many there were when there are no more.
ECHO = """
import os, sys
assert os.fstat(0).st_mode >> 12 == 1
print("ready", flush=True)
n = 0
for n, line in enumerate(sys.stdin, 1):
    print("got", n, line.strip(), flush=True)
print("end", n, flush=True)
sys.exit(7)
"""


# Has a file in the middle of its content, and another one that a shell writes too.
FILES = """
import os, sys
f = os.open("/root/data", os.O_RDWR)
assert os.read(f, 5) == b"01234"
print("ready", file=sys.stderr, flush=True)
sys.stdin.readline()
print("here", flush=True)
assert os.read(f, 5) == b"56789", "position"
assert os.fstat(f).st_size == 10
os.write(f, b"x" * 20000)
assert os.pread(f, 3, 1) == b"123" and os.lseek(f, 0, os.SEEK_CUR) == 20010
assert len(os.pread(f, 30000, 5)) == 20005
os.ftruncate(f, 12000)
os.fsync(f)
assert os.lseek(f, 0, os.SEEK_END) == 12000
os.close(f)
print("done", flush=True)
"""


class Program:
    """A shell line that says "pid N" of a program in the background, and "status N" at its end."""

    def __init__(self, movers: Movers, line: str, before: str = "true"):
        self.movers, self.node = movers, movers.n1
        self.shell = self.node.start(f"{before}; {line} & echo pid $!; wait $!; echo status $?")
        self.wait_for("pid ")
        self.pid = int(self.shell.stdout.split("pid ")[1].split()[0])

    def wait_for(self, text: str, timeout: float = 40) -> None:
        self.movers.lab.wait_for(lambda: text in self.shell.stdout, timeout,
                                 f"{text!r} in {self.shell.stdout[-300:]!r}")

    def move(self) -> None:
        answer = self.movers.move(self.pid, 2)
        assert answer["ok"], answer

    def end(self, timeout: float = 60) -> tuple[int, str]:
        """Exit status as its parent saw it, and all that was said."""
        self.shell.wait(timeout)
        return int(self.shell.stdout.split("status ")[1]), self.shell.stdout


@vmtest(nodes=2, mem=256, tags=("full",), timeout=240)
def test_R21_a_program_between_two_pipes_moves(lab):
    """It waits in read(2) when it moves; lines come and go in order, then the end of the file."""
    m = Movers(lab)
    m.n1.write("/root/echo.py", ECHO)
    holder = m.n1.start("mkfifo /root/in; exec sleep 1000 >/root/in")
    m.n1.wait_for("test -p /root/in", 10)
    p = Program(m, "python3 /root/echo.py </root/in")
    p.wait_for("ready")
    m.n1.run("echo before >/root/in")
    p.wait_for("got 1 before")
    p.move()
    for n in range(2, 8):
        m.n1.run(f"echo line{n} >/root/in")
        p.wait_for(f"got {n} line{n}\n")
    assert m.n2.run("pgrep -x python3").stdout
    holder.kill()
    status, said = p.end()
    assert status == 7, said
    assert said.split("ready\n")[1].split("status")[0] == "got 1 before\n" + "".join(
        f"got {n} line{n}\n" for n in range(2, 8)) + "end 7\n", said


@vmtest(nodes=2, mem=256, tags=("full",), timeout=240)
def test_R21_a_full_pipe_and_its_reader_gone(lab):
    """Stopped in write(2), it goes on there when the reader reads; nothing is lost, and SIGPIPE ends it."""
    m = Movers(lab)
    m.n1.run("mkfifo /root/go /root/out")
    reader = m.n1.start("exec </root/out; read x </root/go; md5sum")
    p = Program(m, "seq 1 60000 >/root/out")
    m.n1.wait_for(f"grep -q pipe_w /proc/{p.pid}/wchan", 20)
    p.move()
    m.n1.run("echo >/root/go")
    assert reader.wait(90).stdout.split()[0] == m.n1.output("seq 1 60000 | md5sum").split()[0]
    assert p.end()[0] == 0
    reader = m.n1.start("exec </root/out; read x </root/go; head -c 100000 | wc -c")
    p = Program(m, "yes >/root/out")
    m.n1.wait_for(f"grep -q pipe_w /proc/{p.pid}/wchan", 20)
    p.move()
    m.n1.run("echo >/root/go")
    assert reader.wait(90).stdout.strip() == "100000"
    assert p.end()[0] == 128 + 13


@vmtest(nodes=2, mem=256, tags=("full",), timeout=300)
def test_R21_regular_files_are_read_and_written_at_home(lab):
    """One in use, one shared with the shell, and sort(1) with all its output after the move."""
    m = Movers(lab)
    m.n1.write("/root/files.py", FILES)
    m.n1.run("printf 0123456789 >/root/data; mkfifo /root/in")
    shell = m.n1.start("(echo head; python3 /root/files.py </root/in; echo tail $?) >/root/log")
    writer = m.n1.start("exec sleep 1000 >/root/in")
    m.lab.wait_for(lambda: "ready" in shell.stderr, 40, "the program is ready")
    answer = m.move(int(m.n1.output("pgrep -x python3")), 2)
    assert answer["ok"], answer
    m.n1.run("echo >/root/in")
    shell.wait(60)
    assert m.n1.read("/root/log") == "head\nhere\ndone\ntail 0\n", (m.n1.read("/root/log"), shell.stderr)
    assert m.n1.output("head -c 12 /root/data; stat -c %s /root/data") == "0123456789xx12000"
    writer.kill()
    p = Program(m, "sort -n </root/in >/root/sorted")
    feeder = m.n1.start("exec >/root/in; echo 3; exec sleep 1000")
    m.n1.wait_for(f"grep -q pipe_r /proc/{p.pid}/wchan", 20)
    p.move()
    m.n1.run("seq 20000 -1 4 >/root/in; seq 1 2 >/root/in")
    feeder.kill()
    assert p.end()[0] == 0
    assert m.n1.output("md5sum </root/sorted") == m.n1.output("seq 1 20000 | md5sum")
