# SPDX-License-Identifier: GPL-2.0-or-later
"""The container helper as a systemd service: restarts, the daemon's sandbox."""

from labkit import paths
from labkit.environment import DIRECTORY, IMAGE, KEY, Environments, root_image
from labkit.vmtest import vmtest

PROGRAMS = ("hyperchain-container", "hyperchain-init", "hyperchain-view")


@vmtest(nodes=1, mem=640, disk=2048, timeout=900, kernels=("6.12",), init="systemd", install=True)
def test_R22_helper_is_a_service(lab):
    n1 = lab.node(1)
    box = Environments(n1)
    n1.run(f"mkfs.ext4 -q -F -m 0 /dev/vdb && mkdir -p {DIRECTORY} && mount /dev/vdb {DIRECTORY}")
    n1.push(root_image(), IMAGE)
    n1.run(f"ssh-keygen -y -f {KEY} >{KEY}.pub; mkdir -p /usr/lib/hyperchain /etc/hyperchain; rm -f /etc/hyperchain/psk; "
           + "; ".join(f"mv /usr/local/bin/{name} /usr/lib/hyperchain/" for name in PROGRAMS)
           + "; mv /usr/local/bin/hyperchaind /usr/sbin/; insmod /root/hyperchain.ko")
    n1.write("/etc/hyperchain/hyperchain.conf", f"[node]\nid = 1\naddress = {n1.ip}\n")
    for unit in ("hyperchaind.service", "hyperchain-container.service"):
        n1.push(paths.TOP_DIR / "packaging" / unit, f"/etc/systemd/system/{unit}")
    n1.run("systemctl daemon-reload && systemctl start hyperchaind", 120)
    n1.wait_for("systemctl is-active hyperchaind hyperchain-container", 60)
    made = box.create("alice", "--memory 96M --cpus 1")
    assert made["cgroup"] == "/sys/fs/cgroup/hyperchain/alice", made
    assert box.cgroup("alice", "memory.max") == str(96 << 20)
    assert "MemTotal:          98304 kB" in box.ssh("alice", "cat /proc/meminfo"), box.ssh("alice", "cat /proc/meminfo")
    # Restarted, both of them: the container and its sessions do not notice.
    program = box.start_ssh("alice", "exec sleep 1000")
    n1.wait_for("pgrep -x sleep", 60)
    n1.run("systemctl restart hyperchain-container hyperchaind", 120)
    lab.wait_for(lambda: box.show("alice")["container"]["state"] == "running", 60, "alice is found running")
    assert program.poll() is None, "the session ended"
    n1.run("hyperchain env resize alice --memory 128M")
    assert box.cgroup("alice", "memory.max") == str(128 << 20)
    n1.run("hyperchain env del alice", 120)
    assert n1.output("ls /sys/fs/cgroup/hyperchain | grep alice || true") == ""
