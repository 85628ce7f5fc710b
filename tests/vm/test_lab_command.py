# SPDX-License-Identifier: GPL-2.0-or-later
"""The `lab` command as a person uses it: what it prints, and its exit status."""

import os
import re
import subprocess

from labkit import paths
from labkit.vmtest import vmtest

LAB = str(paths.VM_DIR / "lab")
# Without a name of its own a lab is "lab": a person may have one up.
NAME = f"verbs-{os.getpid()}"


def lab(verb: str, *words: str, status: int = 0, stdin: str = "", before: tuple[str, ...] = ()) -> str:
    """stdout of `lab @verb @words`, which has to end with @status; of a failure, its one sentence."""
    done = subprocess.run([*before, LAB, verb, *(() if verb == "doctor" else ("--name", NAME)), *words], text=True,
                          input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=240)
    assert done.returncode == status, f"lab {verb} {' '.join(words)}: status {done.returncode}\n{done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr
    return done.stderr if status == 1 and verb != "doctor" else done.stdout


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
    assert NAME not in lab_list() and not (paths.LAB_DIR / "run" / NAME).exists()
