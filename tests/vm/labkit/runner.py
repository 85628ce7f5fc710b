# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds the tests, runs each in a process of its own, counts.

The child makes the lab, runs the test and reports over a pipe. A test that
hangs gets an exception in time to say where; a child that ignores even that is
killed, and its lab goes with it.
"""

import argparse
import importlib
import json
import os
import select
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Iterator, Sequence

from . import accel, child, debugkernel, image, lanes, paths, splat
from .errors import LabError
from .kernels import SERIES
from .lab import Lab, all_names, prepare
from .vmtest import TAGS, Spec, is_selected

LOG_DIR = paths.LAB_DIR / "log"
# What starting machines may take, on top of a test's own time.
START_ALLOWANCE_S = 240
CONSOLE_LINES = 25
# So many times in one lane is a failure the emulator's and not the test's; see splat.impossible_flags().
EMULATOR_FAULTS = 3
# A test's machines wait most of the time; more lanes than this starve the ones that measure time.
MOST_LANES = 4


@dataclass
class Count:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    why: list[str] = field(default_factory=list)
    emulator: int = 0

    def add(self, other: "Count") -> None:
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.why += other.why
        self.emulator += other.emulator

    def __str__(self) -> str:
        text = f"{self.passed} passed, {self.failed} failed"
        text += f", {self.skipped} skipped" if self.skipped else ""
        again = "1 run was repeated" if self.emulator == 1 else f"{self.emulator} runs were repeated"
        return text + (f", {again} for the emulator's fault" if self.emulator else "")


@dataclass(frozen=True)
class Job:
    """Tests that run one after the other in one child, on one kernel."""

    kernel: str
    specs: tuple[Spec, ...]

    @property
    def is_alone(self) -> bool:
        return any(spec.alone for spec in self.specs)

    @property
    def longest(self) -> float:
        return sum(spec.timeout for spec in self.specs)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parse(argv)
    if arguments.kernel == debugkernel.NAME:
        paths.PATIENCE = debugkernel.TIMES  # before any test is loaded
    try:
        jobs = list(_jobs(_discover(arguments), arguments))
        if arguments.list:
            for job in jobs:
                for spec in job.specs:
                    print(f"{spec.name} [{job.kernel}]  {','.join(spec.tags)}")
            return 0
        _prepare(jobs)
    except LabError as error:
        print(f"run: {error}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, _stop)
    _tidy_old_labs()
    count = Count()
    together = [job for job in jobs if not job.is_alone] if arguments.jobs > 1 else []
    if len(together) > 1:
        _run_together(together, arguments.jobs, count)
        jobs = [job for job in jobs if job.is_alone]
    for job in jobs:
        _run_job(job, count, arguments.verbose)
        if arguments.exitfirst and count.failed:
            break
    if count.why:
        # Who sees the end of a long log only sees this.
        print("\n".join(["== what failed, shortened", *count.why]))
    print(count)
    return 1 if count.failed or not (count.passed or count.skipped) else 0


def _stop(*_: object) -> None:
    raise SystemExit(143)  # through every "finally": labs go down


def _tidy_old_labs() -> None:
    """Runs that were killed hard leave their logs; their machines are gone."""
    for name in all_names():
        lab = Lab(1, name=name)
        if name.startswith(("test-", "auto-")) and not lab.is_up() \
                and time.time() - lab.directory.stat().st_mtime > 600:
            lab.down()


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run", description="Run the tests that need virtual machines.")
    parser.add_argument("--tag", choices=TAGS, default="ci",
                        help="ci: quick ones; full: all but soak; soak: only those (default: %(default)s)")
    parser.add_argument("--kernel", metavar="KERNEL",
                        help=f"only on this kernel: {', '.join(SERIES)}; {debugkernel.NAME} (make debug-kernel; "
                             f"the tests of {debugkernel.LIST.name}), or the directory of another")
    parser.add_argument("-k", metavar="PATTERN", default="", help="only tests whose name contains this")
    parser.add_argument("-j", "--jobs", type=int, metavar="N", default=min(MOST_LANES, os.cpu_count() or 1),
                        help="run so many tests at once (default here: %(default)s); with -v or -x one")
    parser.add_argument("--list", action="store_true", help="only name them")
    parser.add_argument("-v", "--verbose", action="store_true", help="show what tests print as they print it")
    parser.add_argument("-x", "--exitfirst", action="store_true", help="stop after the first failure")
    parser.add_argument("files", nargs="*", metavar="FILE", help="only these test files")
    arguments = parser.parse_args(argv)
    if arguments.verbose or arguments.exitfirst:
        arguments.jobs = 1
    return arguments


# ------------------------------------------------------------------ discovery

def _discover(arguments: argparse.Namespace) -> Iterator[Spec]:
    files = [Path(name) for name in arguments.files] or sorted(paths.VM_DIR.glob("test_*.py"))
    for file in files:
        name, place = file.stem, str(file.resolve().parent)
        if place not in sys.path:
            sys.path.insert(0, place)
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise LabError(f"cannot load {name}.py: {error}") from None
        for function in vars(module).values():
            spec = getattr(function, "vmtest", None)
            if isinstance(spec, Spec) and function.__module__ == name \
                    and _is_wanted(spec, arguments) and arguments.k in spec.name:
                yield debugkernel.adapt(spec) if arguments.kernel == debugkernel.NAME else spec


def _is_wanted(spec: Spec, arguments: argparse.Namespace) -> bool:
    """By tag; on the slow debug kernel by its own list, or by file."""
    if arguments.kernel == debugkernel.NAME:
        return bool(arguments.files) or spec.name in debugkernel.test_names()
    return is_selected(spec, arguments.tag)


def _jobs(specs: Iterator[Spec], arguments: argparse.Namespace) -> Iterator[Job]:
    """Tests that share a lab make one job; all others one each."""
    shared: dict[tuple, list[Spec]] = {}
    for spec in specs:
        for kernel in _kernels_for(spec, arguments):
            key = (kernel, spec.function.__module__, spec.nodes, repr(spec.machine), spec.install)
            if not spec.share:
                key += (spec.name,)
            shared.setdefault(key, []).append(spec)
    for key, group in shared.items():
        yield Job(key[0], tuple(group))


def _kernels_for(spec: Spec, arguments: argparse.Namespace) -> tuple[str, ...]:
    """The one asked for; else both, but of the quick tests only those that the test names."""
    if arguments.kernel is not None:
        return (arguments.kernel,)
    return spec.kernels if arguments.tag == "ci" else SERIES


def _prepare(jobs: list[Job]) -> None:
    """Make all saved states first, so that no test pays for them."""
    wanted = {repr(node): node for job in jobs for spec in job.specs
              for node in child.lab_for(spec, job.kernel, "prepare").specs()}
    if wanted:
        prepare(list(wanted.values()))


# -------------------------------------------------------------------- running

def _run_together(jobs: list[Job], n: int, count: Count) -> None:
    """The longest first, so that no lane is left with one at the end."""
    own = Count()
    results = lanes.run(sorted(jobs, key=lambda job: -job.longest), min(n, len(jobs)),
                        lambda job: _run_job(job, own, False), lambda: asdict(own))
    for result in results:
        count.add(Count(**result) if result else Count(failed=1, why=["FAIL a lane of the runner ended without a result"]))


def _run_job(job: Job, count: Count, is_verbose: bool) -> None:
    """Run a job's tests; a test that takes its child down does not take the
    tests after it along."""
    left = list(job.specs)
    while left:
        faults = count.emulator
        done = _run_child(Job(job.kernel, tuple(left)), count, is_verbose)
        left = left[done if count.emulator > faults else max(done, 1):]


def _run_child(job: Job, count: Count, is_verbose: bool) -> int:
    """Returns how many tests have had their verdict."""
    name = f"test-{os.getpid()}"
    report_read, report_write = os.pipe()
    with tempfile.TemporaryFile("a+b") as output:
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            os.close(report_read)
            child.run(job.kernel, job.specs, name, report_write, None if is_verbose else output.fileno())
        os.close(report_write)
        try:
            return _follow(job, name, _Reports(report_read), output, count)
        finally:
            os.close(report_read)
            _end_child(pid)
            Lab(1, name=name).down()


class _Reports:
    """Lines from a pipe, each waited for with a limit."""

    def __init__(self, fd: int):
        self._fd, self._data = fd, b""

    def next_line(self, timeout: float) -> bytes | None:
        """b"" when the child has ended, None when the time is over."""
        deadline = time.monotonic() + timeout
        while b"\n" not in self._data:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._fd], [], [], left)[0]:
                return None
            data = os.read(self._fd, 65536)
            if not data:
                return b""
            self._data += data
        line, _, self._data = self._data.partition(b"\n")
        return line


def _end_child(pid: int) -> None:
    if os.waitpid(pid, os.WNOHANG)[0] == 0:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _follow(job: Job, name: str, reports: _Reports, output: IO[bytes], count: Count) -> int:
    done = 0
    for spec in job.specs:
        started = time.monotonic()
        limit = START_ALLOWANCE_S + spec.timeout + child.GRACE_S
        line = reports.next_line(limit)
        seconds = time.monotonic() - started
        if line:
            verdict = json.loads(line)
        else:
            why = f"it hung for {limit:.0f} s and was killed" if line is None else "its process ended without a verdict"
            verdict = {"verdict": "failed", "text": why}
        if verdict["verdict"] == "failed" and count.emulator < EMULATOR_FAULTS:
            fault, cry = _emulator_fault(name, job.kernel)
            if fault:
                count.emulator += 1
                print(f"EMUL {spec.name} [{job.kernel}]  {seconds:.1f} s  not a verdict, it runs again: "
                      f"the emulator lost the processor's flags: {fault}\n{_indent(cry)}", flush=True)
                _keep_logs(name, LOG_DIR / f"emulator-{spec.name}-{job.kernel}")
                return done
        _show(spec, job.kernel, verdict, seconds, count)
        if verdict["verdict"] == "failed":
            _show_failure(spec, job.kernel, name, verdict, output)
            count.why.append(f"FAIL {spec.name} [{job.kernel}]\n" + _indent(_shortened(verdict["text"])))
        output.seek(0)
        output.truncate()
        done += 1
        # A child stops at its first failure.
        if verdict["verdict"] == "failed":
            return done
    return done


def _emulator_fault(name: str, kernel: str) -> tuple[str, str]:
    """What shows that QEMU itself went wrong, and the whole splat; "" twice if nothing does.

    Only a stock kernel on an emulated processor is excused: one of our own
    checks itself (KASAN), and what it says is believed.
    """
    for log in sorted(paths.run_dir(name).glob("n*/console.log")):
        text = splat.read(log)
        fault = splat.impossible_flags(text)
        if fault and kernel in SERIES and accel.choose(image.ensure(kernel)) == "tcg":
            return fault, splat.find(text) or splat.tail(log, splat.EXCERPT_LINES)
    return "", ""


def _show(spec: Spec, kernel: str, verdict: dict, seconds: float, count: Count) -> None:
    word = verdict["verdict"]
    setattr(count, word, getattr(count, word) + 1)
    label = {"passed": "ok  ", "failed": "FAIL", "skipped": "skip"}[word]
    text = f"  ({verdict['text']})" if word == "skipped" else ""
    print(f"{label} {spec.name} [{kernel}]  {seconds:.1f} s{text}", flush=True)


def _shortened(text: str, head: int = 8, tail: int = 8) -> str:
    lines = [line[:240] for line in text.strip().splitlines()]
    if len(lines) > head + tail:
        lines[head:-tail] = ["..."]
    return "\n".join(lines)


def _show_failure(spec: Spec, kernel: str, name: str, verdict: dict, output: IO[bytes]) -> None:
    output.seek(0)
    said = output.read().decode(errors="replace").strip()
    print(_indent(verdict["text"]), flush=True)
    if said:
        print(_indent("--- the test printed\n" + said[-4000:]))
    for node in sorted(paths.run_dir(name).glob("n*/console.log")):
        tail = splat.tail(node, CONSOLE_LINES)
        if tail and tail.splitlines()[-1] not in verdict["text"]:
            print(_indent(f"--- console of {node.parent.name} ends with\n{tail}"))
    kept = LOG_DIR / f"{spec.name}-{kernel}"
    if _keep_logs(name, kept):
        print(_indent(f"--- all logs: {os.path.relpath(kept)}"))
    sys.stdout.flush()


def _keep_logs(name: str, to: Path) -> bool:
    if to.exists():
        shutil.rmtree(to)
    found = [path for path in paths.run_dir(name).rglob("*.log")] if paths.run_dir(name).exists() else []
    for path in found:
        copy = to / path.relative_to(paths.run_dir(name))
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    return bool(found)


def _indent(text: str) -> str:
    return "\n".join(f"     {line}" for line in text.splitlines())
