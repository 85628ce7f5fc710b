# SPDX-License-Identifier: GPL-2.0-or-later
"""What machine a guest is: QEMU's command line, and the key of its saved state."""

from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

from . import artifacts, net
from .image import Image

BINARY = "qemu-system-x86_64"

# RCU stalls, soft lockups and hung tasks (set in guest/settle) get generous
# limits: two busy host cores starve an emulated guest without any fault of its.
COMMAND_LINE = (
    "console=ttyS0 loglevel=5 panic=-1 nokaslr mitigations=off tsc=reliable no_timer_check "
    "audit=0 apparmor=0 selinux=0 random.trust_cpu=on rcupdate.rcu_cpu_stall_timeout=120 "
    "net.ifnames=0 hclab.mode={mode}"
)


@dataclass(frozen=True)
class Machine:
    """All that a saved state depends on; equal machines share one."""

    image: Image
    mem_mb: int = 512
    cpus: int = 1
    disk_mb: int = 512
    init: str = "agent"
    accel: str = "tcg"
    net_kind: str = "tap"

    def to_json(self) -> dict:
        return {**{f.name: getattr(self, f.name) for f in fields(self)}, "image": self.image.to_json()}

    @classmethod
    def from_json(cls, what: dict) -> "Machine":
        return cls(**{**what, "image": Image.from_json(what["image"])})

    @property
    def key(self) -> str:
        return artifacts.digest(
            "state 2", self.image.key, self.mem_mb, self.cpus, self.disk_mb, self.init, self.accel,
            self.net_kind, version(), self.command(Path("ram"), True, Path("disk"), Path("log"), 0, 1, 2))

    def command(self, ram: Path, is_ram_shared: bool, disk: Path, console: Path,
                agent_fd: int, qmp_fd: int, net_fd: int, name: str = "guest") -> list[str]:
        """QEMU's arguments. The RAM is a file: written by the template, and
        mapped copy-on-write by all clones, which so share what they don't
        change and need not read it before they run."""
        accel = "kvm" if self.accel == "kvm" else "tcg,thread=multi,tb-size=128"
        # 5-level page tables only make an emulated walk longer.
        cpu = "host" if self.accel == "kvm" else "max,la57=off"
        netdev = f"tap,id=net,fd={net_fd}" if self.net_kind == "tap" else \
            "dgram,id=net,remote.type=inet,remote.host=239.77.0.1,remote.port=10077," \
            "local.type=inet,local.host=127.0.0.1,local.port=10077"
        shared = "on" if is_ram_shared else "off"
        return [
            BINARY, "-name", name, "-accel", accel, "-cpu", cpu, "-smp", str(self.cpus),
            "-M", "q35,memory-backend=ram,usb=off,vmport=off", "-m", str(self.mem_mb),
            "-object", f"memory-backend-file,id=ram,size={self.mem_mb}M,mem-path={ram},share={shared}",
            "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-kernel", str(self.image.kernel.image), "-initrd", str(self.image.initrd),
            "-append", COMMAND_LINE.format(mode=self.init),
            *self._disk("base", self.image.base, "readonly=on"),
            *self._disk("scratch", disk, "cache=unsafe,discard=unmap"),
            *self._disk("kit", self.image.kit, "readonly=on"),
            "-netdev", netdev,
            # Without the status bit a cut is silent, as a dead switch is.
            "-device", f"virtio-net-pci,id=nic,netdev=net,mac={net.mac(0)},status=off,romfile=",
            "-object", "rng-builtin,id=rng", "-device", "virtio-rng-pci,rng=rng",
            "-chardev", f"socket,id=agent,fd={agent_fd}",
            "-device", "virtio-serial-pci,max_ports=2",
            "-device", "virtserialport,chardev=agent,name=hclab.agent",
            "-chardev", f"file,id=console,path={console},append=on", "-serial", "chardev:console",
            "-chardev", f"socket,id=qmp,fd={qmp_fd}", "-mon", "chardev=qmp,mode=control",
        ]

    @staticmethod
    def _disk(name: str, path: Path, options: str) -> list[str]:
        return ["-drive", f"if=none,id={name},file={path},format=raw,{options}",
                "-device", f"virtio-blk-pci,drive={name}"]


@cache
def version() -> str:
    return artifacts.run([BINARY, "--version"], "run virtual machines").splitlines()[0]
