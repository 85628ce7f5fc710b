# SPDX-License-Identifier: GPL-2.0-or-later
"""The guests' private network.

The keeper moves itself into a network namespace that has no name and no way
out, so nothing of it can touch the host's network and all of it vanishes with
the keeper. Inside, guests hang on a bridge by taps (segmentation offload
works, which matters for emulated processors); where the host has no taps or
bridges, QEMU sends frames by multicast on that namespace's loopback.
"""

import ctypes
import fcntl
import os
import struct
import subprocess

from .errors import LabError

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x0002, 0x1000, 0x4000

PREFIX_LEN = 24
BRIDGE_ADDRESS = "10.77.0.254"
KINDS = ("tap", "mcast")

_libc = ctypes.CDLL(None, use_errno=True)


def address(number: int) -> str:
    return f"10.77.0.{number}"


def mac(number: int) -> str:
    return f"52:54:00:77:00:{number:02x}"


def enter_namespace() -> None:
    if _libc.unshare(CLONE_NEWNET):
        raise LabError(f"cannot make a network namespace ({os.strerror(ctypes.get_errno())}): run the lab as root")
    _ip("link", "set", "lo", "up")


def join_namespace(pid: int) -> None:
    """Move this process into the network of the lab whose keeper is @pid."""
    with open(f"/proc/{pid}/ns/net") as namespace:
        if _libc.setns(namespace.fileno(), CLONE_NEWNET):
            raise LabError(f"cannot enter the lab's network: {os.strerror(ctypes.get_errno())}")


def make_bridge() -> None:
    _ip("link", "add", "br0", "type", "bridge")
    _ip("addr", "add", f"{BRIDGE_ADDRESS}/{PREFIX_LEN}", "dev", "br0")
    _ip("link", "set", "br0", "up")


def open_tap(number: int) -> int:
    """A tap on the bridge; it goes when the returned descriptor is closed."""
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    name = f"tap{number}"
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
    _ip("link", "set", name, "master", "br0", "up")
    return fd


def probe_kind() -> str:
    """The best kind of network that works here; tried in a child of its own."""
    wanted = os.environ.get("HC_LAB_NET")
    if wanted:
        if wanted not in KINDS:
            raise LabError(f"HC_LAB_NET={wanted} is not one of {', '.join(KINDS)}")
        return wanted
    pid = os.fork()
    if pid == 0:
        try:
            null = os.open("/dev/null", os.O_RDWR)
            os.dup2(null, 2)
            enter_namespace()
            make_bridge()
            open_tap(1)
        except (LabError, OSError):
            os._exit(1)
        os._exit(0)
    return "tap" if os.waitpid(pid, 0)[1] == 0 else "mcast"


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    if done.returncode:
        raise LabError(f"cannot set up the lab's network: ip {' '.join(words)}: {done.stderr.strip()}")
