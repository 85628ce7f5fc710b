# SPDX-License-Identifier: GPL-2.0-or-later
"""The command: its options, its end."""

import argparse
import contextlib
import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path

from labkit import Lab, LabError, artifacts, kernels, lab as labs

from . import report
from .login import ADDRESS, OPTIONS, USER
from .screen import Screen
from .shape import FULL, QUICK
from .story import Story

LIFE_S = 3600
KEEP_LIFE_S = 4 * 3600


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    screen = Screen()
    artifacts.say = screen.note
    shape = QUICK if arguments.quick else FULL
    try:
        lab = Lab(3, kernel=arguments.kernel, mem=shape.donor_mb, mem_of={1: shape.machine_mb}, disk=shape.scratch_mb,
                  name=arguments.name, life=KEEP_LIFE_S if arguments.keep else LIFE_S)
        if lab.is_up():
            raise LabError(f"a lab called {arguments.name!r} is up: end it with "
                           f"`tests/vm/lab down --name {arguments.name}`, or choose another --name")
    except LabError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return _play(screen, lab, shape, arguments)


def _play(screen: Screen, lab: Lab, shape, arguments: argparse.Namespace) -> int:
    story = Story(screen, lab, shape, kills=not arguments.no_kill)
    story.facts["keep"] = arguments.keep
    screen.picture, screen.line = story.picture.lines, story.picture.line
    screen.say(screen.paint("hyperchain: three machines run one program that fits on none of them", "bold"))
    screen.say()
    screen.start()
    is_kept, status, checks = False, 1, []
    try:
        story.run()
        screen.stop()
        checks = report.judge(story.facts, shape, story.kills)
        report.tell(screen, story.facts, shape, story.kills, checks, time.monotonic() - screen.began)
        status = 0 if all(check.is_good for check in checks) else 1
        is_kept = arguments.keep
    except KeyboardInterrupt:
        screen.stop()
        screen.say("Interrupted: taking the machines down.")
        status = 130
    except (LabError, OSError, KeyError, ValueError) as error:
        screen.stop()
        is_kept = arguments.keep and lab.is_up()
        _tell_failure(screen, story, error)
    finally:
        screen.stop()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if arguments.json:
            _write_json(arguments.json, story, checks, status, time.monotonic() - screen.began)
        if is_kept:
            _tell_kept(screen, story, lab)
        else:
            try:
                story.close()
            finally:
                lab.down()
    return status


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _tell_failure(screen: Screen, story: Story, error: Exception) -> None:
    screen.say()
    screen.say(screen.paint(f"The demo failed after {screen.elapsed}:", "red", "bold"))
    screen.say(str(error) if isinstance(error, LabError) else "".join(traceback.format_exception(error)))
    for event in story.facts["events"]:
        screen.say(f"  event {event['kind']}: {event['text']}")
    with contextlib.suppress(LabError, OSError):
        if story.lab.is_up():
            screen.say(story.n1.run("hyperchain memory show; tail -n 5 /run/hyperchaind.log", 30, check=False).stdout)


def _tell_kept(screen: Screen, story: Story, lab: Lab) -> None:
    """The key goes with the demo's temporary files unless it is copied first."""
    key = lab.directory / f"{USER}.key"
    if story.login:
        key.write_bytes(story.login.key.read_bytes())
        key.chmod(0o600)
    story.close()
    tool = os.path.relpath(Path(__file__).parent.parent / "lab")
    name = f" --name {lab.name}"
    lines = (
        "", "The machines are still up" + (", for four hours at most" if lab.life == KEEP_LIFE_S else "") + ". Try:",
        f"  {tool} exec{name} -t n1 hyperchain top           the memories, live",
        f"  {tool} exec{name} n1 hyperchain memory show      who lends what to whom",
        f"  {tool} console{name} -s n1                       a shell on n1 (n2, n3)",
        f"  {tool} net{name} ssh -i {os.path.relpath(key)} {' '.join(OPTIONS[:4])} {USER}@{ADDRESS}",
        f"  {'':{len(tool)}} {'':{len(name)}}                                   {USER}'s container",
        f"  {tool} start{name} n2                            n2 comes back, empty",
        f"  {tool} down{name}                                the end of all")
    for line in lines:
        screen.say(line)


def _write_json(path: str, story: Story, checks: list[report.Check], status: int, seconds: float) -> None:
    facts = {key: value for key, value in story.facts.items() if key != "keep"}
    for event in facts["events"]:
        event.pop("host_time", None)
    shape = story.shape
    text = json.dumps({
        "ok": status == 0, "seconds": round(seconds, 1), "machine_mib": shape.machine_mb, "donor_mib": shape.donor_mb,
        "data_set_mib": shape.set_mb, "container_mib": shape.container_mb, "killed": story.killed_at is not None,
        "checks": [{"ok": check.is_good, "text": check.text} for check in checks], **facts,
        "chapter_seconds": facts["seconds"]} | {"seconds": round(seconds, 1)}, indent=1)
    if path == "-":
        print(text)
    else:
        Path(path).write_text(text + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="demo", description="Three virtual machines lend each other their memory: a program in a user's container "
        "runs with more than any of them has, and goes on when one of them dies. Needs root; changes nothing on this machine.",
        epilog="Exit status: 0 only if everything was checked and right, 1 if not, 2 for bad usage.")
    parser.add_argument("--kernel", default="6.12", metavar="SERIES",
                        help=f"the machines' stock Debian kernel: {', '.join(kernels.SERIES)} (default: %(default)s)")
    parser.add_argument("--no-kill", action="store_true", help="no machine is killed")
    parser.add_argument("--keep", action="store_true", help="leave the machines up, and say how to look around")
    parser.add_argument("--json", metavar="FILE", help="write all numbers there, - for stdout")
    parser.add_argument("--quick", action="store_true", help="the same story in small, for tests")
    parser.add_argument("--name", default="demo", help="of the lab (default: %(default)s)")
    return parser
