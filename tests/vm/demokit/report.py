# SPDX-License-Identifier: GPL-2.0-or-later
"""Judges what happened, and tells it in plain words."""

from dataclasses import dataclass

from .sampler import MIB
from .screen import Screen, clock_text
from .shape import Shape


@dataclass
class Check:
    is_good: bool
    text: str


def judge(facts: dict, shape: Shape, kills: bool) -> list[Check]:
    fill, verify, disk, stress = facts["fill"], facts["verify"], facts["disk"], facts["stress"]
    kinds = {event["kind"] for event in facts["events"]}
    checks = [
        Check(fill["status"] == 0 and fill["done"] == shape.values, f"the program stored all {shape.values:,} values"),
        Check(verify["status"] == 0 and verify["bad"] == 0 and verify["done"] == shape.values,
              f"it read all of them back and compared every byte: {verify['bad']} wrong"),
        Check(verify["sum"] == fill["sum"], f"checksum over all of them: {verify['sum']}, as stored"),
        Check(fill["away_bytes"] >= shape.away_mb * MIB,
              f"at least {shape.away_mb} MiB of it were not in its container: {fill['away_bytes'] // MIB} MiB"),
        Check(facts["peak_container"] <= (shape.container_mb + 1) * MIB,
              f"the container never had more than {shape.container_mb} MiB of n1's memory"),
        Check(verify["pages_back"] * 4096 >= shape.away_mb * MIB // 2,
              f"checking brought {verify['pages_back']:,} pages back from elsewhere"),
        Check(stress["status"] == 0 and stress["operations"] >= shape.stress_ops,
              f"stress-ng wrote {shape.stress_mb} MiB and verified them{_times(shape.stress_passes)}: no error"),
        Check(stress["pages_back"] > 0 and stress["pages_out"] * 4096 >= (shape.stress_mb - shape.container_mb) * MIB // 2,
              f"and worked outside its memory: {stress['pages_out']:,} pages out, {stress['pages_back']:,} back"),
        Check(not disk["lost"] and not any(env["lost"] for env in facts["envs"])
              and "pages-lost" not in kinds, "pages lost: 0"),
        Check(not disk["errors"] and not disk["bad_sums"] and not kinds & {"bad-sum", "backing-error"},
              f"failed reads or writes: {disk['errors']}, pages with a wrong checksum: {disk['bad_sums']}"),
        Check(facts["ooms"] == 0, f"processes killed for want of memory: {facts['ooms']}"),
        Check(facts["host_swapped"] == 0, "pages of n1's own system that left it: 0"),
        Check(not facts["splat"], "no kernel complained" if not facts["splat"] else facts["splat"]),
    ]
    if shape.is_full:
        checks.insert(0, Check(
            shape.factor >= 1.5 and shape.set_mb > shape.donor_mb,
            f"the data set ({shape.set_mb} MiB) is {shape.factor:.2f} times n1's memory ({shape.machine_mb} MiB) "
            f"and larger than that of n2 or n3 ({shape.donor_mb} MiB)"))
        checks.insert(1, Check(
            shape.stress_factor >= 1.5,
            f"what stress-ng writes ({shape.stress_mb} MiB) is {shape.stress_factor:.2f} times n1's memory"))
    if kills:
        checks += _judge_kill(facts, kinds)
    return checks


def _times(number: int) -> str:
    return "" if number == 1 else f", {number} times"


def _judge_kill(facts: dict, kinds: set[str]) -> list[Check]:
    kill = facts["kill"]
    return [
        Check(kill["bytes_on_it"] > 0 and "peer-dropped" in kinds,
              f"n2 held {kill['bytes_on_it'] // MIB} MiB when its plug was pulled, and was given up"),
        Check(kill["reads_of_survivor_after"] > 0,
              f"n3 served {kill['reads_of_survivor_after']:,} pages after that"),
        Check(kill["repaired"] > 0 and facts["disk"]["degraded"] == 0,
              f"{kill['repaired']:,} second copies were made anew; none is missing"),
    ]


def tell(screen: Screen, facts: dict, shape: Shape, kills: bool, checks: list[Check], seconds: float) -> None:
    paint = screen.paint
    say = screen.say
    say()
    say(paint("What happened", "bold"))
    for paragraph in _paragraphs(facts, shape, kills, seconds):
        for line in wrap(paragraph):
            say(f"  {line}")
        say()
    say(paint("Checked", "bold"))
    for check in checks:
        sign = paint("✓", "green") if check.is_good else paint("✗ NOT SO:", "red", "bold")
        say(f"  {sign} {check.text}")
    say()
    for line in wrap(_proven(facts, shape, kills)):
        say(f"  {paint(line, 'dim')}")
    say()
    bad = sum(not check.is_good for check in checks)
    if bad:
        say(paint(f"{bad} of {len(checks)} checks failed.", "red", "bold"))
    else:
        say(paint(f"All {len(checks)} checks passed: nothing was lost.", "green", "bold"))


def _paragraphs(facts: dict, shape: Shape, kills: bool, seconds: float) -> list[str]:
    fill, traffic = facts["fill"], facts["traffic"]
    sent = sum(counts["writes"] for counts in traffic.values())
    back = sum(counts["reads"] for counts in traffic.values())
    lent = facts["peak_lent"]
    told = [
        f"A program filled {shape.set_mb} MiB of memory on a machine that has {shape.machine_mb} MiB, of which its "
        f"container may use {shape.container_mb}. Most of it, {fill['away_bytes'] // MIB} MiB, was in the memory of "
        f"two other machines: at the height n2 held {lent[2] // MIB} MiB and n3 {lent[3] // MIB} MiB, each page twice. "
        f"The program knows nothing of this: it is Debian's redis, in a plain container, reached over ssh.",
        f"{sent:,} pages travelled to n2 and n3 ({sent * 4096 // MIB:,} MiB) and {back:,} came back."]
    if kills:
        kill = facts["kill"]
        told.append(
            f"In the middle of the program's check the plug of n2 was pulled. What it held, "
            f"{kill['bytes_on_it'] // MIB} MiB, had a second copy on n3, which answered from then on; n2 was given up "
            f"after {kill['given_up_after_s']} s, and {kill['whole_after_s']:.0f} s after the plug was pulled every page "
            f"had two copies again. With three machines only one donor was left, so the second copies went to n1's own "
            f"disk ({kill['local_bytes'] // MIB} MiB, encrypted with a key that is kept nowhere). The program never "
            f"waited longer than {facts['verify']['longest_wait_s']:.0f} s, and went on.")
    told.append(f"Then stress-ng wrote and verified {shape.stress_mb} MiB in the same container"
                + (", with the one donor and the disk that were left" if kills else "")
                + f". The whole took {clock_text(seconds)}.")
    return told


def _proven(facts: dict, shape: Shape, kills: bool) -> str:
    speed = " Nothing is said about speed: these processors are emulated." if facts["accel"] == "tcg" else ""
    small = "" if shape.is_full else " This was the quick form: the container's limit played the small machine."
    death = ", and the sudden death of one donor loses nothing" if kills else ""
    more = "more than one death" if kills else "that a donor may die (leave out --no-kill), more than one death"
    return (f"Proven by this run: on kernel {facts['kernel']}, as Debian ships it, unmodified programs work with more memory "
            f"than their machine has{death}. Not proven by it: more than three machines, {more} at a time, networks that fail by halves (tests/vm has tests "
            f"for those), and runs of days.{speed}{small}")


def wrap(text: str, width: int = 92) -> list[str]:
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line]
