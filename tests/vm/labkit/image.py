# SPDX-License-Identifier: GPL-2.0-or-later
"""The guests' disks: a plain Debian, and over it a kit with what is ours.

Two squashfs images stacked by an overlay: "base" is Debian as mmdebstrap makes
it and takes a minute; the "kit" holds one kernel's modules, the agent and a few
settings, and takes seconds, so that changing the lab is cheap.
"""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from . import artifacts, kernels, paths
from .errors import LabError

# Uncompressed: lzo cost 95 s to build and every read costs emulated cycles.
MKSQUASHFS = ("-noI", "-noD", "-noF", "-noX", "-noappend", "-quiet", "-no-progress")
INITRAMFS_MODULES = ("virtio_pci", "virtio_blk", "virtio_net", "virtio_console", "squashfs", "overlay")
# Left out: intel acceleration that an emulated processor may lack.
INITRAMFS_NOT = ("crc32c-intel",)
MASKED_UNITS = (
    "systemd-udev-settle.service", "serial-getty@ttyS0.service", "getty.target",
    "systemd-update-utmp.service", "systemd-journal-flush.service", "systemd-random-seed.service",
    "systemd-timesyncd.service", "apt-daily.timer", "apt-daily-upgrade.timer", "fstrim.timer",
    "dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service", "nfs-server.service",
    "nfs-blkmap.service", "rpcbind.service", "rpcbind.socket", "nfs-client.target", "lxc.service",
    "lxc-net.service", "lxc-monitord.service", "lxcfs.service", "redis-server.service",
    "nbd-server.service", "nbd-client.service", "systemd-pstore.service", "nvmefc-boot-connections.service",
    "nvmf-autoconnect.service", "remote-fs.target",
)


@dataclass(frozen=True)
class Image:
    """All a guest boots from."""

    kernel: kernels.Kernel
    base: Path
    kit: Path
    initrd: Path

    @property
    def key(self) -> str:
        return artifacts.digest(self.kernel.identity(), self.base.name, self.kit.name, self.initrd.name)

    def to_json(self) -> dict:
        return {"name": self.kernel.name, "release": self.kernel.release, "root": str(self.kernel.root),
                "base": str(self.base), "kit": str(self.kit), "initrd": str(self.initrd)}

    @classmethod
    def from_json(cls, what: dict) -> "Image":
        """For another process: exactly this image, though the sources may
        have changed in the meantime."""
        kernel = kernels.Kernel(what["name"], what["release"], Path(what["root"]))
        return cls(kernel, Path(what["base"]), Path(what["kit"]), Path(what["initrd"]))


def ensure(series: str) -> Image:
    """The image for kernel @series; made on first use."""
    kernel = kernels.find(series).ensure()
    base = _ensure_base()
    key = artifacts.digest("kit 1", base.name, kernel.identity(), _builder_sources(),
                           *sorted(paths.GUEST_DIR.iterdir()))
    kit = artifacts.ensure(paths.CACHE_DIR / f"kit-{kernel.release}-{key}.squashfs",
                           f"building the guests' kit for {kernel.release}",
                           lambda path: _build_kit(kernel, path))
    initrd = artifacts.ensure(paths.CACHE_DIR / f"initrd-{kernel.release}-{key}.gz",
                              f"building the guests' initramfs for {kernel.release}",
                              lambda path: _build_initrd(kernel, path))
    for pattern in ("base-*.squashfs", f"kit-{kernel.release}-*", f"initrd-{kernel.release}-*"):
        artifacts.prune(pattern, keep=6)
    return Image(kernel, base, kit, initrd)


def _builder_sources() -> str:
    here = Path(__file__).parent
    return artifacts.digest(here / "image.py", here / "kernels.py")


def read_packages(path: Path) -> list[str]:
    """The names in a `package # what for` list."""
    lines = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if line]


# ------------------------------------------------------------------- Debian

def _ensure_base() -> Path:
    packages = read_packages(paths.GUEST_DIR / "packages.txt")
    suite = _host_suite()
    key = artifacts.digest("base 1", packages, suite)
    return artifacts.ensure(paths.CACHE_DIR / f"base-{key}.squashfs",
                            "building the guests' Debian (once, one to three minutes)",
                            lambda path: _build_base(packages, suite, path))


def _host_suite() -> str:
    text = Path("/etc/os-release").read_text()
    found = re.search(r"^VERSION_CODENAME=(\w+)", text, re.M)
    if not found or not re.search(r"^ID=debian", text, re.M):
        raise LabError("the lab builds its guests from this machine's apt sources, so it needs a Debian machine")
    return found[1]


def _host_sources() -> list[str]:
    """The machine's own apt sources, whatever mirror they name."""
    directory = Path("/etc/apt/sources.list.d")
    found = [Path("/etc/apt/sources.list"), *sorted(directory.glob("*.list")),
             *sorted(directory.glob("*.sources"))]
    return [str(path) for path in found if path.exists() and "debian" in path.read_text()]


def _host_apt_options() -> list[str]:
    """How this machine reaches its mirror (proxies, time checks)."""
    dump = artifacts.run(["apt-config", "dump"], "read apt's settings")
    wanted = re.compile(r"^Acquire::(https?|Check-|ForceIPv|Retries)[^\n]*[^\"]\"[^\"]+\";$")
    return [f"--aptopt={line}" for line in dump.splitlines() if wanted.match(line)]


def _build_base(packages: list[str], suite: str, path: Path) -> None:
    tree = path.with_suffix(".tree")
    artifacts.remove(tree)
    try:
        artifacts.run(
            ["mmdebstrap", "--variant=minbase", "--mode=root", "--quiet",
             "--include=" + ",".join(packages), "--aptopt=Apt::Install-Recommends \"false\"",
             *(f"--dpkgopt=path-exclude=/usr/share/{d}/*" for d in ("man", "doc", "locale", "info")),
             *_host_apt_options(), suite, tree, *_host_sources()],
            "build the guests' Debian", timeout=1800)
        artifacts.run(["mksquashfs", tree, path, *MKSQUASHFS], "pack the guests' Debian")
    finally:
        artifacts.remove(tree)


# ---------------------------------------------------------------------- kit

def ssh_key() -> Path:
    """The key that opens every guest of this cache."""
    path = paths.CACHE_DIR / "ssh" / "id_ed25519"
    return _ensure_key(path)


def _ensure_key(path: Path) -> Path:
    with artifacts.locked("ssh"):
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            artifacts.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "hclab", "-f", path],
                          "make an ssh key")
    return path


def _build_kit(kernel: kernels.Kernel, path: Path) -> None:
    tree = path.with_suffix(".tree")
    artifacts.remove(tree)
    tree.mkdir()
    try:
        kernels.copy_modules(kernel, tree / "usr")
        _install_agent(tree / "usr" / "lib" / "hclab")
        _write_settings(tree)
        for directory, _, _ in os.walk(tree):
            os.chmod(directory, 0o755)
        os.chmod(tree / "root", 0o700)
        os.chmod(tree / "root" / ".ssh", 0o700)
        artifacts.run(["mksquashfs", tree, path, *MKSQUASHFS, "-all-root"], "pack the guests' kit")
    finally:
        artifacts.remove(tree)


def _install_agent(into: Path) -> None:
    into.mkdir(parents=True)
    artifacts.run(["gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-static", "-s", "-o", into / "agent",
                   paths.GUEST_DIR / "agent.c"], "build the guests' agent")
    for name in ("setup", "settle"):
        shutil.copy(paths.GUEST_DIR / name, into / name)


def _write_settings(tree: Path) -> None:
    host_key = _ensure_key(paths.CACHE_DIR / "ssh" / "ssh_host_ed25519_key")
    hosts = "127.0.0.1 localhost\n::1 localhost\n" + "".join(
        f"10.77.0.{k} n{k}\n" for k in range(1, 33))
    files = {
        "etc/hostname": "template\n",
        "etc/hosts": hosts,
        "etc/machine-id": "",
        "etc/resolv.conf": "",
        "etc/ssh/sshd_config.d/hclab.conf": "PermitRootLogin prohibit-password\nUseDNS no\nUsePAM no\n",
        "etc/ssh/ssh_host_ed25519_key": host_key.read_text(),
        "etc/ssh/ssh_host_ed25519_key.pub": host_key.with_suffix(".pub").read_text(),
        # Room for the uid ranges of unprivileged containers.
        "etc/subuid": "root:100000:1000000000\n",
        "etc/subgid": "root:100000:1000000000\n",
        "root/.ssh/authorized_keys": ssh_key().with_suffix(".pub").read_text(),
        "root/.ssh/id_ed25519": ssh_key().read_text(),
        "root/.ssh/config": "Host *\n\tStrictHostKeyChecking no\n\tUserKnownHostsFile /dev/null\n\tLogLevel ERROR\n",
        "etc/systemd/system/hclab-agent.service": (paths.GUEST_DIR / "hclab-agent.service").read_text(),
    }
    for name, text in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600 if name.startswith("root/") or name.endswith("_key") else 0o644)
    units = tree / "etc/systemd/system"
    for name in MASKED_UNITS:
        (units / name).symlink_to("/dev/null")
    (units / "sysinit.target.wants").mkdir()
    (units / "sysinit.target.wants/hclab-agent.service").symlink_to("/etc/systemd/system/hclab-agent.service")


# ---------------------------------------------------------------- initramfs

def _build_initrd(kernel: kernels.Kernel, path: Path) -> None:
    tree = path.with_suffix(".tree")
    artifacts.remove(tree)
    try:
        for name in ("bin", "modules", "base", "kit", "rw", "new", "proc", "sys", "dev"):
            (tree / "root" / name).mkdir(parents=True)
        root = tree / "root"
        kernels.copy_modules(kernel, tree / "usr")
        order = [module for module in kernels.load_order(kernel, tree / "usr", INITRAMFS_MODULES)
                 if module.stem not in INITRAMFS_NOT]
        for module in order:
            shutil.copy(module, root / "modules" / module.name)
        (root / "modules.order").write_text("".join(f"{module.name}\n" for module in order))
        shutil.copy("/bin/busybox", root / "bin" / "busybox")
        shutil.copy(paths.GUEST_DIR / "initramfs-init", root / "init")
        (root / "init").chmod(0o755)
        artifacts.run(["sh", "-c", 'cd "$0" && find . | cpio -o -H newc --quiet | gzip -1 >"$1"',
                       root, path.resolve()], "pack the guests' initramfs")
    finally:
        artifacts.remove(tree)
