# SPDX-License-Identifier: GPL-2.0-or-later
"""The `lab` command: one function per verb, one table of verbs."""

import argparse
import json
import os
import re
import sys
from typing import Callable, Sequence

from . import doctor, kernels, lab as labs, terminal
from .errors import CommandFailed, LabError
from .lab import Lab
from .node import Node

Arguments = argparse.Namespace
EXIT_TIMEOUT = 124  # as timeout(1)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    try:
        return arguments.run(arguments) or 0
    except CommandFailed as error:
        print(f"lab: {error}", file=sys.stderr)
        return error.status if 0 < error.status < 256 else 1
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141


# ------------------------------------------------------------------ arguments

def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lab", description="Virtual machines with stock Debian kernels on a private network: "
        "n1, n2, ... at 10.77.0.1, 10.77.0.2, ... Everything ends by itself.",
        epilog="Several labs may be up at once: name them with --name or HC_LAB_NAME. "
        "HC_LAB_CACHE moves the cache, HC_LAB_ACCEL (kvm, tcg) and HC_LAB_NET (tap, mcast) decide without a probe.")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, run, text, add in VERBS:
        verb = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        if name not in ("list", "doctor", "kernels"):
            verb.add_argument("--name", default=os.environ.get("HC_LAB_NAME", "lab"), help="which lab (default: %(default)s)")
        add(verb)
        verb.set_defaults(run=run)
    return parser


def _add_up(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("-n", type=int, default=3, metavar="N", help="how many guests (default: %(default)s)")
    verb.add_argument("--kernel", default="6.1", metavar="KERNEL",
                      help=f"a stock one ({', '.join(kernels.SERIES)}) or the directory of another (default: %(default)s)")
    verb.add_argument("--kernel-of", action="append", default=[], metavar="NODE=KERNEL", help="another one for one guest")
    verb.add_argument("--mem", type=int, default=512, metavar="MB", help="memory of a guest (default: %(default)s)")
    verb.add_argument("--mem-of", action="append", default=[], metavar="NODE=MB", help="another amount for one guest")
    verb.add_argument("--cpus", type=int, default=1, help="processors of a guest (default: %(default)s)")
    verb.add_argument("--disk", type=int, default=512, metavar="MB", help="scratch disk /dev/vdb (default: %(default)s)")
    verb.add_argument("--life", type=_seconds, default=7200, metavar="TIME",
                      help="everything ends after this, such as 90s, 30m, 2h (default: 2h)")
    verb.add_argument("--init", choices=("agent", "systemd"), default="agent", help="the guests' pid 1 (default: %(default)s)")
    verb.add_argument("--push", action="append", default=[], metavar="FILE:DEST", help="copy a file into every guest")
    verb.add_argument("--install", action="store_true", help="install what is in build/ in every guest")


def _add_node(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("node", metavar="NODE", help="n1, n2, ...")


def _add_exec(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--timeout", type=_seconds, default=60, metavar="TIME", help="kill it after this (default: 60s)")
    verb.add_argument("-i", "--stdin", action="store_true", help="feed it this command's stdin")
    verb.add_argument("-t", "--tty", action="store_true", help="on a terminal of its own, without a time limit")
    _add_node(verb)
    verb.add_argument("command", nargs=argparse.REMAINDER, metavar="CMD",
                      help="one word is given to the shell, several are run as they are")


def _add_push(verb: argparse.ArgumentParser) -> None:
    _add_node(verb)
    verb.add_argument("file", metavar="FILE", help="a file or a directory here")
    verb.add_argument("dest", metavar="DEST", help="where it goes in the guest")


def _add_pull(verb: argparse.ArgumentParser) -> None:
    _add_node(verb)
    verb.add_argument("file", metavar="FILE", help="a file in the guest")
    verb.add_argument("dest", metavar="DEST", help="where it goes here")


def _add_console(verb: argparse.ArgumentParser) -> None:
    _add_node(verb)
    verb.add_argument("-f", "--follow", action="store_true", help="go on showing what comes")
    verb.add_argument("-s", "--shell", action="store_true", help="an interactive shell instead of the log")


def _add_freeze(verb: argparse.ArgumentParser) -> None:
    _add_node(verb)
    verb.add_argument("--stop-clock", action="store_true", help="its clocks stop as well")


def _add_cut(verb: argparse.ArgumentParser) -> None:
    _add_node(verb)
    verb.add_argument("--off", action="append", default=[], metavar="NODE", help="only off this peer (may be repeated)")


def _add_slow(verb: argparse.ArgumentParser) -> None:
    _add_node(verb)
    verb.add_argument("--delay", metavar="TIME", help='such as 50ms, or "50ms 10ms" with jitter')
    verb.add_argument("--loss", metavar="PERCENT", help="such as 10%%")
    verb.add_argument("--rate", metavar="RATE", help="such as 10mbit")


def _add_json(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--json", action="store_true", help="for programs")


def _add_kernels(verb: argparse.ArgumentParser) -> None:
    _add_json(verb)
    verb.add_argument("--fetch", action="store_true", help="fetch and unpack them too")


def _add_net(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("command", nargs=argparse.REMAINDER, metavar="CMD", help="such as: ssh -i KEY root@10.77.0.1")


def _add_ssh(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("-p", "--port", type=int, default=22, help="a container's door, for example (default: %(default)s)")
    verb.add_argument("-l", "--login", default="root", help="as whom (default: %(default)s)")
    _add_node(verb)
    verb.add_argument("command", nargs=argparse.REMAINDER, metavar="CMD", help="none: a login shell")


def _add_nothing(verb: argparse.ArgumentParser) -> None:
    pass


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: write 90s, 30m or 2h")
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


def _number(text: str) -> int:
    found = re.fullmatch(r"n?(\d+)", text)
    if not found:
        raise LabError(f"{text!r} is no node: write n1, n2, ...")
    return int(found[1])


def _per_node(words: list[str], convert: Callable, option: str) -> dict:
    """NODE=VALUE words as a dictionary."""
    result = {}
    for word in words:
        node, sign, value = word.partition("=")
        if not sign:
            raise LabError(f"{option} {word!r} is not NODE=VALUE")
        try:
            result[_number(node)] = convert(value)
        except ValueError:
            raise LabError(f"{option} {word!r}: {value!r} is no number") from None
    return result


def _node(arguments: Arguments) -> Node:
    return Lab.attach(arguments.name).node(_number(arguments.node))


# ---------------------------------------------------------------------- verbs

def run_up(arguments: Arguments) -> None:
    pushes = [word.partition(":") for word in arguments.push]
    if not all(sign and dest for _, sign, dest in pushes):
        raise LabError("--push wants FILE:DEST")
    lab = Lab(arguments.n, kernel=arguments.kernel, mem=arguments.mem, cpus=arguments.cpus,
              disk=arguments.disk, name=arguments.name, life=arguments.life, init=arguments.init,
              mem_of=_per_node(arguments.mem_of, int, "--mem-of"),
              kernel_of=_per_node(arguments.kernel_of, str, "--kernel-of"))
    lab.up()
    try:
        for node in lab.nodes:
            for file, _, dest in pushes:
                node.push(file, dest)
            if arguments.install:
                node.install()
    except BaseException:
        lab.down()
        raise
    _print_labs([lab.status()])


def run_down(arguments: Arguments) -> None:
    Lab(1, name=arguments.name).down()


def run_exec(arguments: Arguments) -> int:
    words = arguments.command
    if words[:1] == ["--"]:
        words = words[1:]
    if not words:
        raise LabError("exec wants a command")
    command = words[0] if len(words) == 1 else words
    node = _node(arguments)
    if arguments.tty:
        return terminal.interact(node, command)
    status = terminal.stream(node, command, arguments.timeout, arguments.stdin)
    if status is None:
        print(f"lab: {node.name}: the command still ran after {arguments.timeout:.0f} s and was killed", file=sys.stderr)
        return EXIT_TIMEOUT
    return status


def run_push(arguments: Arguments) -> None:
    _node(arguments).push(arguments.file, arguments.dest)


def run_pull(arguments: Arguments) -> None:
    _node(arguments).pull(arguments.file, arguments.dest)


def run_install(arguments: Arguments) -> None:
    lab = Lab.attach(arguments.name)
    for node in [lab.node(_number(arguments.node))] if arguments.node else lab.nodes:
        node.install()


def run_console(arguments: Arguments) -> int:
    node = _node(arguments)
    if arguments.shell:
        return terminal.interact(node, ["/bin/bash", "-l"])
    terminal.show_log(node, arguments.follow)
    return 0


def run_kill(arguments: Arguments) -> None:
    _node(arguments).kill()


def run_start(arguments: Arguments) -> None:
    _node(arguments).boot()


def run_freeze(arguments: Arguments) -> None:
    _node(arguments).freeze(arguments.stop_clock)


def run_thaw(arguments: Arguments) -> None:
    _node(arguments).thaw()


def run_cut(arguments: Arguments) -> None:
    node = _node(arguments)
    node.cut(*(node.lab.node(_number(word)) for word in arguments.off))


def run_heal(arguments: Arguments) -> None:
    _node(arguments).heal()


def run_slow(arguments: Arguments) -> None:
    _node(arguments).slow(arguments.delay, arguments.loss, arguments.rate)


def run_fast(arguments: Arguments) -> None:
    _node(arguments).fast()


def run_check(arguments: Arguments) -> None:
    Lab.attach(arguments.name).check()


def run_net(arguments: Arguments) -> int:
    return _run_in_network(Lab.attach(arguments.name), arguments.command or ["ip", "-br", "addr"])


def run_ssh(arguments: Arguments) -> int:
    node = _node(arguments)
    if arguments.port == 22:
        node.run("pgrep -x sshd >/dev/null || /usr/sbin/sshd")
    return _run_in_network(node.lab, node.ssh_argv(arguments.login, arguments.port) + arguments.command)


def _run_in_network(lab: Lab, argv: list[str]) -> int:
    if lab.status()["net"] != "tap":
        raise LabError("this host has no taps or bridges, so it has no place in the lab's network itself")
    try:
        return lab.run_in_network(argv).returncode
    except FileNotFoundError:
        raise LabError(f"this host has no command {argv[0]!r}") from None


def run_list(arguments: Arguments) -> None:
    found = []
    for name in labs.all_names():
        try:
            found.append(Lab.attach(name).status())
        except LabError as error:
            print(f"lab: {error}", file=sys.stderr)
    if arguments.json:
        print(json.dumps(found, indent=1))
    else:
        _print_labs(found)


def run_kernels(arguments: Arguments) -> None:
    found = [kernels.find(series) for series in kernels.SERIES]
    if arguments.fetch:
        for kernel in found:
            kernel.ensure()
    if arguments.json:
        print(json.dumps([{
            "series": kernel.name, "release": kernel.release, "image": str(kernel.image),
            "headers": str(kernel.headers), "package": kernel.package,
            "headers_package": kernel.headers_package} for kernel in found], indent=1))
        return
    for kernel in found:
        print(kernel.name, kernel.release, kernel.image, kernel.headers)


def run_doctor(arguments: Arguments) -> int:
    return doctor.report()


def _print_labs(found: list[dict]) -> None:
    row = "{:<12} {:<5} {:<7} {:<12} {:>7} {:>5}  {:<24} {}"
    if found:
        print(row.format("LAB", "NODE", "STATE", "ADDRESS", "MEMORY", "CPUS", "KERNEL", "ENDS IN"))
    for lab in found:
        left = f"{lab['life_left_s'] // 60} min"
        for node in lab["nodes"]:
            state = node["state"] + (" cut" if node["cut"] else "")
            print(row.format(lab["name"], node["node"], state, node["address"], f"{node['mem_mb']} MB",
                             node["cpus"], node["kernel"], left))


def _add_optional_node(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("node", metavar="NODE", nargs="?", help="only this one")


VERBS: tuple[tuple[str, Callable[[Arguments], int | None], str, Callable], ...] = (
    ("up", run_up, "start the guests, from a saved state when there is one", _add_up),
    ("down", run_down, "end them all and leave nothing behind", _add_nothing),
    ("list", run_list, "what is up", _add_json),
    ("exec", run_exec, "run a command in a guest; its exit status becomes ours", _add_exec),
    ("push", run_push, "copy a file or a directory into a guest", _add_push),
    ("pull", run_pull, "copy a file out of a guest", _add_pull),
    ("install", run_install, "put module and tools from build/ into the guests", _add_optional_node),
    ("console", run_console, "what a guest's kernel said, or a shell in it", _add_console),
    ("kill", run_kill, "pull a guest's plug", _add_node),
    ("start", run_start, "bring a guest that is off back as a fresh machine with its old scratch disk", _add_node),
    ("freeze", run_freeze, "let nothing run in a guest while its clocks go on", _add_freeze),
    ("thaw", run_thaw, "undo freeze", _add_node),
    ("cut", run_cut, "take a guest off the network, silently", _add_cut),
    ("heal", run_heal, "undo cut", _add_node),
    ("slow", run_slow, "delay, lose or throttle what a guest sends", _add_slow),
    ("fast", run_fast, "undo slow", _add_node),
    ("check", run_check, "fail if a guest died by itself or its kernel complained", _add_nothing),
    ("ssh", run_ssh, "log in to a guest, or to what listens on its other ports, from this host", _add_ssh),
    ("net", run_net, "run a command of this host inside the lab's network", _add_net),
    ("kernels", run_kernels, "the stock kernels: series, release, image, headers", _add_kernels),
    ("doctor", run_doctor, "what this machine lacks to run a lab", _add_nothing),
)
