# SPDX-License-Identifier: GPL-2.0-or-later
"""A moved program waits for what is served from home: poll, select, epoll, O_NONBLOCK (SPEC R21)."""

from labkit.vmtest import vmtest
from test_migrate_basic import Movers
from test_migrate_files import Program

# Moves while it waits in poll(2) for two fifos; says each step, and the test does what is due then.
POLL = """
import errno, fcntl, os, select, signal, time
def say(*words):
    print(*words, flush=True)
def took(f, *args):
    t = time.monotonic()
    return f(*args), time.monotonic() - t
def nonblock(fd, on):
    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    fcntl.fcntl(fd, fcntl.F_SETFL, flags | os.O_NONBLOCK if on else flags & ~os.O_NONBLOCK)
a, b, out = os.open("a", os.O_RDONLY), os.open("b", os.O_RDONLY), os.open("out", os.O_WRONLY)
p = select.poll()
p.register(a, select.POLLIN)
p.register(b, select.POLLIN)
say("ready")
assert p.poll() == [(b, select.POLLIN)]
say("polled", os.read(b, 100))
found, t = took(p.poll, 1500)
assert found == [] and 1.4 < t < 12, (found, t)
r, w, _ = select.select([a, b], [out], [], 20)
assert (r, w) == ([], [out]), (r, w)
say("select")
r, w, _ = select.select([a, b], [], [], 60)
assert r == [a], r
say("selected", os.read(a, 100))

nonblock(b, True)
try:
    os.read(b, 1)
    raise SystemExit("read did not say EAGAIN")
except BlockingIOError:
    pass
nonblock(b, False)
say("blocking")
say("got", os.read(b, 100))
nonblock(out, True)
n = 0
try:
    while True:
        n += os.write(out, b"x" * 3000)
except BlockingIOError:
    pass
q = select.poll()
q.register(out, select.POLLOUT)
assert q.poll(300) == []
say("full", n)
assert q.poll() == [(out, select.POLLOUT)]
say("writable")
nonblock(out, False)

e = select.epoll()
e.register(a, select.EPOLLIN)
assert e.poll(0.3) == []
say("level")
assert e.poll(60) == [(a, select.EPOLLIN)]
assert e.poll(1) == [(a, select.EPOLLIN)]
say("again", os.read(a, 100))
assert e.poll(0.5) == []
e.modify(a, select.EPOLLIN | select.EPOLLET)
say("edge")
assert e.poll(60) == [(a, select.EPOLLIN)]
assert e.poll(1) == []
say("second")
assert e.poll(60) == [(a, select.EPOLLIN)]
assert e.poll(1) == []
say("both", os.read(a, 100))

say("hangup")
assert e.poll(60) == [(a, select.EPOLLHUP)]
assert p.poll() == [(a, select.POLLHUP)] and os.read(a, 1) == b""
say("noreader")
while not q.poll()[0][1] & select.POLLERR:
    time.sleep(0.1)
try:
    os.write(out, b"x")
    raise SystemExit("write did not say EPIPE")
except BrokenPipeError:
    say("pipe")
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
os.write(out, b"x")
"""


@vmtest(nodes=2, mem=256, tags=("full",), alone=True, timeout=400)
def test_R21_a_moved_program_waits_for_files_at_home(lab):
    """Level and edge, time-outs, EAGAIN, a full pipe, the last writer gone, the last reader gone."""
    m = Movers(lab)
    n1 = m.n1
    n1.write("/root/poll.py", POLL)
    n1.run("mkfifo /root/a /root/b /root/out")
    writers = {name: n1.start(f"exec sleep 1000 >/root/{name}") for name in "ab"}
    reader = n1.start("exec sleep 1000 </root/out")
    p = Program(m, "python3 /root/poll.py", before="cd /root")
    p.wait_for("ready")
    n1.wait_for(f"grep -q poll /proc/{p.pid}/wchan", 20)
    p.move()

    def step(wait: str, do: str = "", then: str = "") -> None:
        p.wait_for(wait)
        if do:
            n1.run(do)
        if then:
            p.wait_for(then)

    n1.run("printf one >/root/b")
    step("polled b'one'")
    step("select\n", "printf two >/root/a", "selected b'two'")
    step("blocking", "printf three >/root/b", "got b'three'")
    step("full ")
    assert "full 48000\n" in p.shell.stdout, p.shell.stdout     # 16 pages, one write in each
    step("full ", "timeout 5 head -c 40000 </root/out | wc -c", "writable")
    step("level", "printf x >/root/a", "again b'x'")
    step("edge", "printf y >/root/a")
    step("second", "printf z >/root/a", "both b'yz'")
    p.wait_for("hangup")
    writers["a"].kill()
    p.wait_for("noreader")
    reader.kill()
    p.wait_for("pipe")
    status, said = p.end()
    assert status == 128 + 13, (said, p.shell.stderr)
