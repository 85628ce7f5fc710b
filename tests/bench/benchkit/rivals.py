# SPDX-License-Identifier: GPL-2.0-or-later
"""How each swap disk comes to be. All have the same size, the same number of
connections, no I/O scheduler and no writeback throttling."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .field import Field

CONNS = 2
DISK_MB = 72
NBD_PORT, NVME_PORT = 10809, 4420
NVME_NAME = "hcbench"

# Labels of our disk: on how many donors a program's pages are, and how many copies of each.
OURS = {"hyperchain 1": (1, 1), "hyperchain 2": (2, 2), "hyperchain 1 on 3": (3, 1)}


@dataclass(frozen=True)
class Disk:
    """A swap device of n1, and the cgroup that programs on it run in."""

    label: str
    device: str
    cgroup: str

    @property
    def kernel_name(self) -> str:
        return self.device.removeprefix("/dev/")


def add_ours(field: "Field") -> list[Disk]:
    """One disk, an environment for each of our labels.

    n1 keeps the host's swap off programs of no environment, so the rivals'
    cgroup is told apart by hand."""
    cluster = field.cluster
    numbers = [node.number for node in field.lab.nodes[1:]]
    cluster.up({number: f"{DISK_MB + 8}M" for number in numbers}, reserve="16M", conns=CONNS)
    cluster.swap_on(size=f"{DISK_MB}M")
    disks = []
    for label in field.ground.disks:
        if label not in OURS:
            continue
        donors, copies = OURS[label]
        name = f"copies{copies}of{donors}"
        cluster.track(name, nodes=numbers[:donors], memory=f"{field.limit_mb}M", replicas=copies)
        disks.append(Disk(label, "/dev/hcswap0", name))
    return disks


def add_nbd(field: "Field") -> Disk:
    field.donor.run(f"nbdkit -p {NBD_PORT} -P /run/nbdkit.pid memory {DISK_MB}M")
    field.donor.wait_for("test -s /run/nbdkit.pid")
    field.borrower.run("modprobe nbd nbds_max=1 && "
                       f"nbd-client {field.address(field.donor)} {NBD_PORT} /dev/nbd0 -b 4096 -C {CONNS} -swap -N ''")
    return _rival(field, "nbd", "/dev/nbd0")


def add_nvme(field: "Field") -> Disk:
    """One queue to read and one to write: with one CPU, that is how NVMe/TCP
    comes to two connections (and a third for orders to the controller)."""
    field.donor.run(f"""set -e
        modprobe brd rd_nr=1 rd_size={DISK_MB * 1024}
        modprobe -a nvmet nvmet-tcp
        mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config
        top=/sys/kernel/config/nvmet
        cd $top
        mkdir subsystems/{NVME_NAME}
        echo 1 >subsystems/{NVME_NAME}/attr_allow_any_host
        mkdir subsystems/{NVME_NAME}/namespaces/1
        printf /dev/ram0 >subsystems/{NVME_NAME}/namespaces/1/device_path
        echo 1 >subsystems/{NVME_NAME}/namespaces/1/enable
        mkdir ports/1
        cd ports/1
        echo ipv4 >addr_adrfam; echo tcp >addr_trtype; echo {NVME_PORT} >addr_trsvcid
        echo {field.donor.ip} >addr_traddr
        ln -s $top/subsystems/{NVME_NAME} subsystems/{NVME_NAME}""")
    field.borrower.run("modprobe nvme_core multipath=0; modprobe nvme-tcp && "
                       f"nvme connect -t tcp -a {field.donor.ip} -s {NVME_PORT} -n {NVME_NAME} -i 1 -W 1")
    field.borrower.wait_for("test -b /dev/nvme0n1")
    return _rival(field, "nvme", "/dev/nvme0n1")


def add_zram(field: "Field") -> Disk:
    """No rival: n1's own memory, compressed, is the bound of what swapping can be."""
    field.borrower.run(f"modprobe zram num_devices=1 && echo {DISK_MB}M >/sys/block/zram0/disksize")
    return _rival(field, "zram", "/dev/zram0")


def _rival(field: "Field", label: str, device: str) -> Disk:
    field.borrower.run(f"mkdir -p /sys/fs/cgroup/rival && cd /sys/fs/cgroup/rival && "
                       f"echo {field.limit_mb}M >memory.max && echo max >memory.swap.max && "
                       f"mkswap {device} >/dev/null")
    return Disk(label, device, "rival")


PEERS = {"nbd": add_nbd, "nvme": add_nvme, "zram": add_zram}
