# SPDX-License-Identifier: GPL-2.0-or-later
"""Real programs with half of the memory they need, against NBD swap.

Measured: how many times longer redis, sqlite, xz -9 and sort take when memory.max is half
of what they use (memory.peak of a run without limit in the same round), page-cluster 3 (the
kernel's own); a round's number is the geometric mean of the four. Ours and NBD with one
donor and one copy. The slowdowns of each, and with zram in the same machine as the bound
of what swapping can be, are told beside the figure. Every run must give the answer that
the run without limit gave; a program that the kernel kills on a peer's disk is left out of
that round's means, and told.
Not measured: programs at once, sets larger than 10 to 40 MB (a round has to end).
"""

from dataclasses import dataclass
from statistics import geometric_mean, median

from benchkit.field import Field, numbers_of, turned
from benchkit.figure import Figure, NotTaken, Samples
from benchkit.ground import Ground
from benchkit.rivals import OURS
from labkit.errors import CommandFailed, LabError

GROUND = Ground(("hyperchain 1", "nbd", "zram"))
FIGURE = Figure("swap.programs", "x slower", 1.43, "NBD swap", is_cost=True)

PAGE_CLUSTER = 3
FREE = "/sys/fs/cgroup/free"  # where a program has all it wants
INPUT = "/run/bench-lines"    # charged to the host: no program swaps it
TRIES = 2
TIMEOUT_S = 600               # of one run, on a host that does other things as well

# Each ends with a line "ANSWER number", of what it found.
PROGRAMS = {
    "redis": """
redis-server --port 0 --unixsocket /run/bench.sock --save '' --appendonly no --daemonize no >/dev/null &
until redis-cli -s /run/bench.sock ping >/dev/null 2>&1; do sleep 0.1; done
redis-benchmark -s /run/bench.sock -q -t set -P 8 -r 6000 -n 8000 -d 3000 >/dev/null
redis-benchmark -s /run/bench.sock -q -t get -P 8 -r 6000 -n 2000 >/dev/null
redis-cli -s /run/bench.sock info stats | tr -d '\\r' |
        awk -F: '/^keyspace_(hits|misses):/ { n += $2 } END { print "ANSWER", (n >= 2000) }'
redis-cli -s /run/bench.sock shutdown nosave
wait""",
    "sqlite": """
sqlite3 :memory: <<END
CREATE TABLE t(k INTEGER PRIMARY KEY, v BLOB);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
        INSERT INTO t SELECT i, randomblob(2800) FROM n;
WITH RECURSIVE r(i, x) AS (SELECT 1, 12345 UNION ALL
        SELECT i + 1, (x * 1103515245 + 12345) % 2147483648 FROM r WHERE i < 2000)
        SELECT 'ANSWER ' || sum(k + length(v)) FROM r JOIN t ON k = 1 + (x >> 8) % 5000;
END""",
    "xz": """
head -c 96K /var/lib/dpkg/status | xz -9 | cksum | awk '{ print "ANSWER", $1 }'""",
    "sort": f"""
LC_ALL=C sort --parallel=1 -S 64M {INPUT} | cksum | awk '{{ print "ANSWER", $1 }}'""",
}
MAKE_INPUT = f"""awk 'BEGIN {{ srand(7); for (i = 0; i < 150000; i++)
        printf "%08d%08d%08d%024d\\n", 1e8 * rand(), 1e8 * rand(), 1e8 * rand(), i }}' >{INPUT}"""


@dataclass(frozen=True)
class Plain:
    """A run without limit."""

    seconds: float
    answer: float
    limit: int  # half of what it used, in bytes


def measure(field: Field) -> Samples:
    field.disk("nbd")
    for name, body in PROGRAMS.items():
        field.borrower.write(f"/root/bench-{name}", f"#!/bin/bash\nset -eu -o pipefail\nread -r began _ </proc/uptime\n{body}\n"
                             "read -r ended _ </proc/uptime\necho BEGAN $began\necho ENDED $ended\n", "755")
    # xz -9 asks for 674 MiB at once and touches some 30 of them.
    field.borrower.run("sysctl -qw vm.overcommit_memory=1")
    field.borrower.run(MAKE_INPUT, TIMEOUT_S)
    for name in PROGRAMS:  # the pages of what they are made of are the host's from here on
        field.borrower.run(f"/root/bench-{name}", TIMEOUT_S)
    field.borrower.run(f"sysctl -qw vm.page-cluster={PAGE_CLUSTER}")
    labels = list(field.disks)
    rounds = [_round(field, turned(labels, number), number) for number in range(field.rounds)]
    for name in PROGRAMS:
        told = ", ".join(f"{label} {_middle([slow[label][name] for slow in rounds if name in slow[label]])}"
                         for label in labels)
        field.notes.append(f"{name} with half of its memory, times slower than with all, medians: {told}")
    ended = [[name for name in PROGRAMS if name in slow["nbd"]] for slow in rounds]
    if not all(ended):
        raise NotTaken("in one round no program ended with NBD swap")
    return Samples(*([geometric_mean(slow[label][name] for name in names) for slow, names in zip(rounds, ended)]
                     for label in ("hyperchain 1", "nbd")))


def _middle(values: list[float]) -> str:
    return f"{median(values):.2f}" if values else "never ended"


def _round(field: Field, labels: list[str], number: int) -> dict[str, dict[str, float]]:
    """Each program once on each disk, and once without limit: slowdowns by disk and program."""
    slow: dict[str, dict[str, float]] = {label: {} for label in labels}
    for name in PROGRAMS:
        plain = _plain(field, name)
        for label in labels:
            numbers = _limited(field, name, label, plain.limit)
            if not numbers:
                continue
            if numbers["ANSWER"] != plain.answer:
                raise LabError(f"{name} on {label} answered {numbers['ANSWER']:.0f}, without limit {plain.answer:.0f}")
            slow[label][name] = _seconds(numbers) / plain.seconds
        field.say(f"programs round {number + 1}/{field.rounds}  {name:6} {plain.seconds:5.1f} s with all, with "
                  f"{plain.limit / 2**20:.0f} MiB " + ", ".join(f"{label} {slow[label].get(name, 0):.2f}x" for label in labels))
    return slow


def _plain(field: Field, name: str) -> Plain:
    field.swap_off()
    said = field.borrower.output(f"mkdir {FREE} && sh -c 'echo 0 >{FREE}/cgroup.procs; exec /root/bench-{name}' && "
                                 f"echo PEAK $(cat {FREE}/memory.peak)", TIMEOUT_S)
    field.borrower.wait_for(f"rmdir {FREE}")
    numbers = numbers_of(said)
    return Plain(_seconds(numbers), numbers["ANSWER"], int(numbers["PEAK"]) // 2)


def _limited(field: Field, name: str, label: str, limit: int) -> dict[str, float]:
    """{}: it was killed, as often as it was tried, since swapping did not keep up; never on ours."""
    cgroup = f"/sys/fs/cgroup/{field.disk(label).cgroup}"
    field.borrower.run(f"echo {limit} >{cgroup}/memory.max")
    for _ in range(TRIES):
        killed = _killed(field, cgroup)
        try:
            return field.run(label, f"/root/bench-{name}", TIMEOUT_S).numbers
        except CommandFailed:
            if label in OURS or _killed(field, cgroup) == killed:
                raise
            field.borrower.run(f"echo 1 >{cgroup}/cgroup.kill")
            field.borrower.wait_for(f"test ! -s {cgroup}/cgroup.procs")
            field.notes.append(f"{name} was killed for want of memory on {label}, with {limit / 2**20:.0f} MiB")
    return {}


def _killed(field: Field, cgroup: str) -> int:
    return int(field.borrower.output(f"sed -n 's/^oom_kill //p' {cgroup}/memory.events"))


def _seconds(numbers: dict[str, float]) -> float:
    return numbers["ENDED"] - numbers["BEGAN"]
