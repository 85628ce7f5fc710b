# SPDX-License-Identifier: GPL-2.0-or-later
"""Environments on a lab's nodes: the container helper, an image, and logging in.

    box = Environments(lab.node(1)).start()
    box.create("alice", "--memory 64M")
    assert box.ssh("alice", "id -un") == "alice"
"""

import json
from pathlib import Path

from . import artifacts, image, paths
from .errors import LabError
from .node import Background, Node, Result

# What a small machine has: ssh, ps, free, lscpu; and what the hyperchain command needs.
PACKAGES = ("openssh-server", "procps", "util-linux", "iproute2", "mount", "iputils-ping",
            "libnl-genl-3-200", "libjansson4")
# Half of it would never be read, and every byte goes through a guest's console port.
USELESS = ("usr/share/perl", "usr/lib/x86_64-linux-gnu/perl", "usr/lib/x86_64-linux-gnu/gconv",
           "usr/share/zoneinfo", "var/lib/apt", "var/cache")
# With a desktop. What draws in three dimensions there is as much as all the rest, and can be left out.
DESKTOP = ("tigervnc-standalone-server",)
DESKTOP_USELESS = ("/usr/lib/x86_64-linux-gnu/libLLVM*", "/usr/lib/x86_64-linux-gnu/dri/*", "/usr/lib/x86_64-linux-gnu/libicu*", "/usr/lib/x86_64-linux-gnu/libz3*",
                   "/usr/share/X11/locale/*")
DIRECTORY = "/var/lib/hyperchain-env"
IMAGE = f"{DIRECTORY}/test-image.tar"
DESKTOP_IMAGE = f"{DIRECTORY}/desktop-image.tar"
KEY = "/root/.ssh/id_ed25519"


def root_image() -> Path:
    """A tar of a root file system with sshd, made by mmdebstrap once."""
    return _ensure(PACKAGES)


def desktop_image() -> Path:
    """The same with a VNC server."""
    return _ensure(PACKAGES + DESKTOP, DESKTOP_USELESS)


def _ensure(packages: tuple[str, ...], left_out: tuple[str, ...] = ()) -> Path:
    suite = image._host_suite()
    key = artifacts.digest("rootfs 2", packages, USELESS, suite, *left_out)
    return artifacts.ensure(paths.CACHE_DIR / f"rootfs-{key}.tar", "building a container's Debian (once, a minute)",
                            lambda path: _build(packages, left_out, suite, path))


def _build(packages: tuple[str, ...], left_out: tuple[str, ...], suite: str, path: Path) -> None:
    artifacts.run(
        ["mmdebstrap", "--variant=essential", "--mode=root", "--quiet", "--format=tar",
         "--include=" + ",".join(packages), "--aptopt=Apt::Install-Recommends \"false\"",
         *(f"--dpkgopt=path-exclude=/usr/share/{d}/*" for d in ("man", "doc", "locale", "info")),
         *(f"--dpkgopt=path-exclude={what}" for what in left_out),
         "--customize-hook=cd \"$1\" && rm -rf " + " ".join(USELESS),
         *image._host_apt_options(), suite, path, *image._host_sources()],
        "build a container's Debian", timeout=900)


class Environments:
    """The environments of one node."""

    def __init__(self, node: Node):
        self.node = node
        self._known: dict[str, str] = {}

    def start(self, has_desktop: bool = False) -> "Environments":
        """A disk for them, an image on it (IMAGE, else DESKTOP_IMAGE), the helper. The programs are installed already."""
        self.mount()
        if has_desktop:
            self.node.push(desktop_image(), DESKTOP_IMAGE, 300)
        else:
            self.node.push(root_image(), IMAGE)
        self.node.run(f"ssh-keygen -y -f {KEY} >{KEY}.pub")
        self.start_helper()
        return self

    def mount(self) -> None:
        self.node.run(f"mkfs.ext4 -q -F -m 0 /dev/vdb && mkdir -p {DIRECTORY} && mount /dev/vdb {DIRECTORY}", 240)

    def start_helper(self) -> None:
        self.node.run("cd /; mkdir -p /run/hyperchain; setsid hyperchain-container serve >>/run/container.log 2>&1 "
                      "</dev/null & echo $! >/run/container.pid")
        self.node.wait_for("test -S /run/hyperchain/container.sock || { cat /run/container.log; exit 1; }", 60)

    def stop_helper(self) -> None:
        self.node.run("kill $(cat /run/container.pid); rm -f /run/hyperchain/container.sock")

    # ---------------------------------------------------------------- commands

    def create(self, name: str, more: str = "", image: str = IMAGE) -> dict:
        """Made and reachable by ssh."""
        self.node.run(f"hyperchain env create {name} --image {image} --ssh-key {KEY}.pub {more}", 300)
        self.wait_ssh(name)
        return self.show(name)["container"]

    def show(self, name: str) -> dict:
        return json.loads(self.node.output(f"hyperchain env show {name} --json"))["env"]

    def list(self) -> list[dict]:
        return json.loads(self.node.output("hyperchain env list --json"))["envs"]

    def refused(self, command: str, *words: str, status: int = 1) -> str:
        """`hyperchain env COMMAND` fails with one sentence that has @words."""
        result = self.node.run(f"hyperchain env {command}", 120, check=False)
        said = result.stderr.strip()
        assert result.status == status, f"env {command}: status {result.status}: {result.stdout}{said}"
        for word in words:
            assert word in said, f"env {command} does not say {word!r}: {said}"
        # Beside how far it had come.
        complaints = [line for line in said.splitlines() if line.startswith("hyperchain")]
        assert len(complaints) == 1 or status == 2, f"env {command} says more than a sentence: {said}"
        return said

    # ------------------------------------------------------------------ inside

    def ssh_words(self, name: str, login: str | None = None) -> str:
        address = self.show(name)["container"]["address"]
        self._known[name] = f"ssh -n -i {KEY} -o BatchMode=yes -o ConnectTimeout=30 {name}@{address}"
        return f"ssh -n -i {KEY} -o BatchMode=yes -o ConnectTimeout=30 {login or name}@{address}"

    def wait_ssh(self, name: str) -> None:
        self.node.wait_for(f"{self.ssh_words(name)} true", 120, interval=0.5)

    def run(self, name: str, command: str, login: str | None = None, timeout: float = 120,
            check: bool = True) -> Result:
        quoted = command.replace("'", "'\\''")
        return self.node.run(f"{self.ssh_words(name, login)} '{quoted}'", timeout, check=check)

    def ssh(self, name: str, command: str, login: str | None = None, timeout: float = 120) -> str:
        return self.run(name, command, login, timeout).stdout.strip()

    def ssh_at(self, name: str, command: str) -> str:
        """The same without asking the daemon where it is; "MemTotal: 0" when it does not answer in time."""
        quoted = command.replace("'", "'\\''")
        return self.node.run(f"{self._known[name]} '{quoted}'", 60, check=False).stdout.strip() or "MemTotal: 0"

    def start_ssh(self, name: str, command: str, login: str | None = None) -> Background:
        quoted = command.replace("'", "'\\''")
        return self.node.start(f"{self.ssh_words(name, login)} '{quoted}'")

    def cgroup(self, name: str, file: str) -> str:
        return self.node.read(f"{self.show(name)['container']['cgroup']}/{file}").strip()

    def host_key(self, name: str) -> str:
        address = self.show(name)["container"]["address"]
        keys = self.node.output(f"ssh-keyscan -t ed25519 {address} 2>/dev/null")
        if not keys:
            raise LabError(f"{name} tells no host key")
        return keys.split()[2]

    def push(self, name: str, program: str) -> str:
        """A program of build/bin, inside; its path there."""
        path = f"/usr/local/bin/{program}"
        self.node.run(f"{self.ssh_words(name, 'root').replace(' -n', '')} 'cat >{path} && chmod 755 {path}' <{path}")
        return path
