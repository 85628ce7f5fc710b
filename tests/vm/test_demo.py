# SPDX-License-Identifier: GPL-2.0-or-later
"""The demonstration, in small: it passes, its numbers are there, and it would have noticed what is wrong."""

import copy
import json
import os
import subprocess
import tempfile

from demokit import report
from demokit.shape import FULL, QUICK
from labkit import paths
from labkit.vmtest import vmtest


def play(kernel: str, *options: str) -> dict:
    with tempfile.TemporaryDirectory() as here:
        path = os.path.join(here, "demo.json")
        done = subprocess.run([paths.VM_DIR / "demo", "--kernel", kernel, "--name", f"demo-{os.getpid()}",
                               "--json", path, *options], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        print(done.stdout)
        assert done.returncode == 0, f"the demo ended with status {done.returncode}"
        with open(path) as f:
            return json.load(f)


def failures(facts: dict, **changes: object) -> list[str]:
    """Names of the checks that fail when @changes (a__b=value: facts[a][b]) had been so."""
    facts = copy.deepcopy(facts)
    for name, value in changes.items():
        *way, last = name.split("__")
        place = facts
        for word in way:
            place = place[word]
        place[last] = value
    return [check.text for check in report.judge(facts, QUICK, True) if not check.is_good]


@vmtest(nodes=0, tags=("full",), timeout=1800)
def test_R20a_R8_quick_demo(kernel):
    facts = play(kernel, "--quick")
    assert facts["ok"] and facts["killed"] and facts["kernel"].startswith(kernel + ".")
    assert facts["verify"]["sum"] == facts["fill"]["sum"]
    assert facts["traffic"]["2"]["writes"] > 0 and facts["traffic"]["3"]["reads"] > 0
    assert not failures(facts)
    # Each of these must turn the demo red.
    for change in ({"verify__bad": 1}, {"verify__sum": "0"}, {"verify__status": 1}, {"fill__away_bytes": 0},
                   {"disk__lost": 4096}, {"disk__errors": 1}, {"disk__bad_sums": 1}, {"disk__degraded": 4096},
                   {"stress__status": 2}, {"stress__operations": 1}, {"ooms": 1}, {"host_swapped": 4096}, {"splat": "BUG: made up"},
                   {"kill__repaired": 0}, {"kill__bytes_on_it": 0}, {"peak_container": 1 << 30}):
        assert failures(facts, **change), f"nobody noticed {change}"


@vmtest(nodes=0, tags=("full",), timeout=60, kernels=("6.12",))
def test_full_demo_fits_on_no_machine(kernel):
    assert FULL.factor >= 1.5 and FULL.stress_factor >= 1.5
    assert FULL.set_mb > max(FULL.machine_mb, FULL.donor_mb)
    # With one donor left, what is away still fits there once, and on the disk once.
    assert FULL.away_mb * 1.08 < FULL.lend_mb < FULL.donor_mb and FULL.away_mb * 1.1 < FULL.copies_mb
