# SPDX-License-Identifier: GPL-2.0-or-later
"""The `lab` command as a person uses it: its verbs one after the other, what they print, and their exit status."""

import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import tempfile
import termios
import time

from labkit import paths
from labkit.vmtest import vmtest

LAB = str(paths.VM_DIR / "lab")


def name() -> str:
    """Without a name of its own a lab is "lab": a person may have one up, or this test on another kernel."""
    return f"verbs-{os.getpid()}"


def lab(verb: str, *words: str, status: int = 0, stdin: str = "", before: tuple[str, ...] = ()) -> str:
    """stdout of `lab @verb @words`, which has to end with @status; of a failure, its one sentence."""
    done = subprocess.run([*before, LAB, verb, *(() if verb == "doctor" else ("--name", name())), *words], text=True,
                          input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=240)
    assert done.returncode == status, f"lab {verb} {' '.join(words)}: status {done.returncode}\n{done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr
    return done.stderr if status == 1 and verb != "doctor" else done.stdout


def inside(node: str, command: str, **more) -> str:
    return lab("exec", node, command, **more).strip()


def on_terminal(typed: str, *words: str) -> str:
    """
    What a terminal of 33 lines shows when @typed is typed at the prompt of `lab @words`, a shell; it has to end with
    status 7. A shell that starts throws away what was typed before.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 90, 0, 0))
    before = termios.tcgetattr(theirs)
    person = subprocess.Popen([LAB, *words[:1], "--name", name(), *words[1:]], stdin=theirs, stdout=theirs, stderr=theirs)
    shown, deadline = "", time.monotonic() + 60
    while (person.poll() is None or select.select([ours], [], [], 0)[0]) and time.monotonic() < deadline:
        if select.select([ours], [], [], 0.2)[0]:
            shown += os.read(ours, 65536).decode(errors="replace")
        if typed and "# " in shown:
            os.write(ours, typed.encode())
            typed = ""
    person.kill()
    assert person.wait() == 7, f"status {person.returncode}: {shown}"
    assert termios.tcgetattr(theirs) == before, "the terminal is left raw"
    os.close(ours), os.close(theirs)
    return shown


@vmtest(nodes=0, tags=("ci",), kernels=("6.1",), timeout=300)
def test_lab_verbs_by_hand(kernel):
    assert "there is no lab" in lab("exec", "n1", "true", status=1)
    shown = lab("up", "-n", "2", "--kernel", kernel, "--mem", "512", "--life", "10m")
    try:
        rows = shown.splitlines()
        assert len(rows) == 3 and re.search(rf"^{name()} +n2 +up +10\.77\.0\.2 +512 MB ", rows[2]), shown
        assert "is up already" in lab("up", "-n", "2", status=1)

        # exec: output, status, stdin, time.
        assert inside("n1", "hostname; echo gone >&2") == "n1"
        inside("n1", "exit 5", status=5)
        assert lab("exec", "-i", "n2", "wc", "-c", stdin="12345").strip() == "5"
        lab("exec", "--timeout", "1s", "n1", "sleep 100", status=124)
        assert "there is no node 9" in lab("exec", "n9", "true", status=1)

        # push, pull.
        with tempfile.TemporaryDirectory() as here:
            with open(f"{here}/file", "w") as f:
                f.write("pushed\n")
            lab("push", "n1", f"{here}/file", "/root/there/")
            assert inside("n1", "cat /root/there/file") == "pushed"
            lab("pull", "n1", "/root/there/file", f"{here}/back")
            assert open(f"{here}/back").read() == "pushed\n"
            assert "no such file" in lab("push", "n1", f"{here}/none", "/root/", status=1)

        # The console's log, and a shell on a terminal: it ends as the shell does.
        inside("n1", "echo said to the log >/dev/kmsg")
        assert "said to the log" in lab("console", "n1")
        shown = on_terminal("echo $((40 + 2)) on $(hostname), $(stty size)\nexit 7\n", "console", "-s", "n2")
        assert "42 on n2, 33 90" in shown, shown
        assert "terminal" in lab("console", "-s", "n2", status=1)
        assert "/dev/pts/" in on_terminal("", "exec", "-t", "n1", "tty; exit 7")

        # The network.
        reach = "ping -c 1 -W 1 n2 >/dev/null"
        inside("n1", reach)
        lab("cut", "n2")
        inside("n1", reach, status=1)
        assert re.search(r"n2 +up cut", lab_list())
        lab("heal", "n2")
        inside("n1", f"for i in 1 2 3 4 5 6 7 8 9; do {reach} && exit 0; done; exit 1")
        lab("slow", "n1", "--delay", "300ms")
        assert int(re.findall(r"= [\d.]+/(\d+)", inside("n1", "ping -c 3 -i 0.2 -W 5 n2"))[0]) >= 300
        assert "slow needs" in lab("slow", "n1", status=1)
        lab("fast", "n1")
        assert "delay" not in inside("n1", "tc qdisc show dev eth0")

        # Frozen, thawed, off, on again.
        lab("freeze", "n2")
        assert re.search(r"n2 +frozen", lab_list())
        lab("exec", "--timeout", "1s", "n2", "true", status=124)
        lab("thaw", "n2")
        inside("n2", "touch /gone")
        lab("kill", "n2")
        assert re.search(r"n2 +off", lab_list())
        assert lab("exec", "n2", "true", status=1)
        lab("start", "n2")
        inside("n2", "test ! -e /gone")
        lab("check")
        names = [one["name"] for one in json.loads(subprocess.check_output([LAB, "list", "--json"]))]
        assert name() in names, names
    finally:
        lab("down")
    assert name() not in lab_list()
    assert "there is no lab" in lab("console", "n1", status=1)
    lab("down")


def lab_list() -> str:
    return subprocess.run([LAB, "list"], stdout=subprocess.PIPE, text=True, check=True, timeout=60).stdout


@vmtest(nodes=0, tags=("ci",), kernels=("6.1",), timeout=120)
def test_lab_says_what_a_machine_lacks(kernel):
    """doctor judges; whoever is not root is told so, before anything is built or left behind."""
    shown = lab("doctor")
    assert shown.endswith("The lab can run here.\n") and "ok     running as root\n" in shown, shown
    assert all(line[:7].strip() in ("ok", "note") for line in shown.splitlines()[:-1]), shown
    # In a user namespace of its own a process is nobody, and can read what root's may.
    nobody = ("unshare", "--user")
    shown = lab("doctor", status=1, before=nobody)
    assert "lacks  root" in shown and shown.endswith("The lab can't run here: see the lines that start with lacks.\n"), shown
    said = lab("up", "-n", "1", status=1, before=nobody)
    assert re.fullmatch(r"lab: [^\n]*root[^\n]*\n", said), said
    assert name() not in lab_list() and not (paths.LAB_DIR / "run" / name()).exists()
