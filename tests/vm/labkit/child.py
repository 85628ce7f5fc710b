# SPDX-License-Identifier: GPL-2.0-or-later
"""The runner's child: makes a lab, runs tests on it, reports one line each."""

import json
import os
import signal
import sys
import traceback
from typing import NoReturn, Sequence

from . import process
from .errors import LabError
from .lab import Lab
from .vmtest import Skip, Spec

# Between a test's time being over and its process being killed.
GRACE_S = 60


class TestTimeout(BaseException):
    """Not an Exception: a test's own handlers must not swallow it."""


def lab_for(spec: Spec, kernel: str, name: str) -> Lab:
    life = spec.timeout + 900
    return Lab(max(spec.nodes, 1), kernel=kernel, name=name, life=life, **spec.machine)


def run(kernel: str, specs: Sequence[Spec], name: str, report_fd: int, output_fd: int | None) -> NoReturn:
    """Never returns: this is a fork of the runner. Stops after a failure with
    the lab still up: the runner reads its logs and then takes it down."""
    status = 1
    process.die_with_parent()
    try:
        _quiet(output_fd)
        status = _run_all(kernel, specs, name, report_fd)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        if status:
            # Closing the report says "done"; then wait to be killed, since the
            # lab ends when we do.
            os.close(report_fd)
            signal.pause()
        os._exit(0)


def _quiet(output_fd: int | None) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    sys.stdout = sys.__stdout__  # a lane of the runner collects its own
    if output_fd is not None:
        os.dup2(output_fd, 1)
        os.dup2(output_fd, 2)


def _run_all(kernel: str, specs: Sequence[Spec], name: str, report_fd: int) -> int:
    signal.signal(signal.SIGALRM, _time_is_over)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    lab: Lab | None = None
    for spec in specs:
        try:
            if spec.nodes and lab is None:
                lab = lab_for(spec, kernel, name).up(is_owned=True)
                if spec.install:
                    for node in lab.nodes:
                        node.install()
            _run_one(spec, kernel, lab)
            verdict, text = "passed", ""
        except Skip as why:
            verdict, text = "skipped", str(why)
        except (Exception, TestTimeout) as error:
            verdict, text = "failed", _explain(error)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        os.write(report_fd, json.dumps({"verdict": verdict, "text": text}).encode() + b"\n")
        if verdict == "failed":
            return 1
    if lab:
        lab.down()
    return 0


def _run_one(spec: Spec, kernel: str, lab: Lab | None) -> None:
    offered = {"lab": lab, "kernel": kernel}
    signal.setitimer(signal.ITIMER_REAL, spec.timeout)
    spec.function(**{name: offered[name] for name in spec.parameters})
    if lab:
        lab.check()
        lab.check_leaks()


def _time_is_over(*_: object) -> None:
    raise TestTimeout


def _explain(error: BaseException) -> str:
    """The way into the test's own lines, then the error in its own words."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "labkit" not in frame.filename]
    place = "".join(f"{os.path.basename(f.filename)}:{f.lineno}: {f.line}\n" for f in frames)
    if isinstance(error, TestTimeout):
        return place + "the test's time was over here"
    if isinstance(error, LabError):
        return place + str(error)
    return place + "".join(traceback.format_exception_only(error)).strip()
