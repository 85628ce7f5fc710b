# SPDX-License-Identifier: GPL-2.0-or-later
"""Stock Debian kernels: which ones, from where, unpacked but never installed.

Beside these any directory with boot/vmlinuz-RELEASE and lib/modules/RELEASE in
it will do, for kernels built with debugging.
"""

import lzma
import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from . import artifacts, debugkernel, paths
from .errors import LabError

META_PACKAGES = {"6.1": "linux-image-amd64", "6.12": "linux-image-6.12-amd64"}
SERIES = tuple(META_PACKAGES)

# Guests need containers, networks, file systems and memory, no hardware.
MODULE_TREES = (
    "arch", "crypto", "lib", "fs", "mm", "security", "net", "drivers/virtio", "drivers/block",
    "drivers/md", "drivers/nvme", "drivers/char/hw_random", "drivers/char/virtio_console.ko",
    "drivers/vhost", "drivers/vdpa", "drivers/dax", "drivers/nvdimm", "drivers/infiniband/core",
    "drivers/infiniband/sw", "drivers/net/wireguard", "drivers/net/vxlan", "drivers/net/ipvlan",
    "drivers/net/netdevsim", "drivers/net/bonding", "drivers/net/team",
)
MODULE_FILES_IN = ("drivers/net",)  # here only the files, not the trees of hardware below
MODULE_TREES_NOT = (
    "net/wireless", "net/mac80211", "net/bluetooth", "net/can", "net/nfc", "net/ieee802154",
    "net/mac802154", "net/batman-adv", "net/ax25", "net/atm", "net/appletalk", "net/tipc",
    "fs/ocfs2", "fs/gfs2", "fs/jfs", "fs/reiserfs", "fs/ntfs3", "fs/f2fs", "fs/udf",
)


@dataclass(frozen=True)
class Kernel:
    """One kernel; @name is its series, or the name of a kernel of our own.
    Nothing of a stock one need be on disk before ensure()."""

    name: str
    release: str
    root: Path

    @property
    def package(self) -> str:
        return f"linux-image-{self.release}"

    @property
    def headers_package(self) -> str:
        return f"linux-headers-{self.release}"

    @property
    def headers(self) -> Path:
        return Path("/usr/src") / self.headers_package

    @property
    def image(self) -> Path:
        return self.root / "boot" / f"vmlinuz-{self.release}"

    @property
    def modules(self) -> Path:
        return self.root / "lib" / "modules" / self.release

    def is_stock(self) -> bool:
        return self.name in META_PACKAGES

    def identity(self) -> str:
        """What a saved state must not outlive."""
        return self.release if self.is_stock() else artifacts.digest(self.release, self.image)

    def ensure(self) -> "Kernel":
        """Fetch and unpack; 70 to 110 MB over the network, once."""
        if self.is_stock():
            artifacts.ensure(self.root, f"fetching the stock kernel {self.release}", self._fetch)
        return self

    def _fetch(self, into: Path) -> None:
        into.mkdir(parents=True)
        artifacts.run(["apt-get", "download", "-q", self.package], f"fetch {self.package}",
                      cwd=into, timeout=900)
        deb = next(into.glob("*.deb"))
        artifacts.run(["dpkg", "-x", deb, into], f"unpack {deb.name}")
        artifacts.run(["depmod", "-b", into, self.release], "index the kernel's modules")
        deb.unlink()


@cache
def find(series: str) -> Kernel:
    """The newest stock kernel of @series that the machine's apt knows, the
    debug kernel, or the kernel in a directory of that name."""
    if series == debugkernel.NAME:
        return _find_debug()
    if series not in META_PACKAGES:
        return _find_own(series)
    meta = META_PACKAGES[series]
    # Asking apt takes a second or two: the answer holds until its lists change.
    lists = sorted((path.name, path.stat().st_mtime_ns) for path in Path("/var/lib/apt/lists").glob("*Packages*"))
    known = artifacts.ensure(paths.CACHE_DIR / f"newest-{series}-{artifacts.digest(meta, lists)}", None,
                             lambda path: path.write_text(_ask_apt(series, meta)))
    artifacts.prune(f"newest-{series}-*", keep=2)
    release = known.read_text()
    return Kernel(series, release, paths.CACHE_DIR / f"kernel-{release}")


def _ask_apt(series: str, meta: str) -> str:
    text = artifacts.run(["apt-cache", "depends", meta], f"ask apt for {meta}",
                         env={**os.environ, "LC_ALL": "C"})
    found = re.search(r"Depends: linux-image-(\S+)", text)
    if found and found[1].startswith(series + "."):
        return found[1]
    cached = sorted(paths.CACHE_DIR.glob(f"kernel-{series}.*"))
    if cached:
        return cached[-1].name.removeprefix("kernel-")
    raise LabError(f"apt knows no kernel {series} ({meta}): run apt-get update on a Debian 12 machine")


def _find_debug() -> Kernel:
    if not debugkernel.is_built():
        raise LabError(f"the kernel {debugkernel.NAME} is not built yet: run make debug-kernel")
    return replace(_find_own(str(debugkernel.root())), name=debugkernel.NAME)


def _find_own(directory: str) -> Kernel:
    root = Path(directory).resolve()
    releases = [path.name for path in (root / "lib" / "modules").glob("*")]
    if len(releases) != 1 or not (root / "boot" / f"vmlinuz-{releases[0]}").exists():
        raise LabError(f"there is no kernel {directory!r}: choose one of {', '.join(SERIES)}, "
                       f"{debugkernel.NAME}, or a directory with boot/vmlinuz-RELEASE and lib/modules/RELEASE in it")
    return Kernel(root.name.removeprefix("kernel-"), releases[0], root)


def copy_modules(kernel: Kernel, usr: Path) -> None:
    """Put the guests' share of the modules under @usr/lib/modules, unpacked.

    They are stored uncompressed: an emulated processor is slow at xz.
    """
    target = usr / "lib" / "modules" / kernel.release
    wanted = [kernel.modules / name for name in _with_dependencies(kernel)]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda path: _copy_module(kernel, path, target), wanted))
    target.mkdir(parents=True, exist_ok=True)
    for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
        if (kernel.modules / name).exists():
            shutil.copy(kernel.modules / name, target / name)
    artifacts.run(["depmod", "-b", usr, kernel.release], "index the guests' modules")


def _with_dependencies(kernel: Kernel) -> set[str]:
    """Names, relative to the modules' directory, of all that guests may load."""
    needs = {}
    for line in (kernel.modules / "modules.dep").read_text().splitlines():
        name, _, others = line.partition(":")
        needs[name] = others.split()  # complete: depmod lists dependencies of dependencies too
    found = {name for name in needs
             if not kernel.is_stock() or _is_wanted(name.removeprefix("kernel/"))}
    return found.union(*(needs[name] for name in found))


def _is_wanted(relative: str) -> bool:
    def inside(tree: str) -> bool:
        return relative.startswith((tree + "/", tree + ".xz")) or relative == tree

    if any(inside(tree) for tree in MODULE_TREES_NOT):
        return False
    return any(inside(tree) for tree in MODULE_TREES) or os.path.dirname(relative) in MODULE_FILES_IN


def _copy_module(kernel: Kernel, path: Path, target: Path) -> None:
    to = target / path.relative_to(kernel.modules)
    to.parent.mkdir(parents=True, exist_ok=True)
    data = path.read_bytes()
    if path.suffix == ".xz":
        to, data = to.with_suffix(""), lzma.decompress(data)
    to.write_bytes(data)


def load_order(kernel: Kernel, usr: Path, names: tuple[str, ...]) -> list[Path]:
    """Module files to insert, dependencies first, so that @names are there."""
    order: list[Path] = []
    for name in names:
        text = artifacts.run(["modprobe", "-d", usr, "-S", kernel.release, "--show-depends", name],
                             f"find module {name} of {kernel.release}")
        for line in text.splitlines():
            words = line.split()
            if words[0] == "insmod" and Path(words[1]) not in order:
                order.append(Path(words[1]))
    return order
