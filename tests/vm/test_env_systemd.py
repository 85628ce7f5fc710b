# SPDX-License-Identifier: GPL-2.0-or-later
"""The daemon and the container helper as systemd services: restarts, the watchdog, the journal, the sandbox."""

import json

from labkit import paths
from labkit.environment import DIRECTORY, IMAGE, KEY, Environments, root_image
from labkit.vmtest import vmtest

PROGRAMS = ("hyperchain-container", "hyperchain-init", "hyperchain-view")


def start_services(node, more: str = "") -> None:
    """Units and programs where the packages put them, then started by systemd; @more is configuration."""
    node.run("mkdir -p /usr/lib/hyperchain /etc/hyperchain; "
             + "; ".join(f"mv /usr/local/bin/{name} /usr/lib/hyperchain/" for name in PROGRAMS)
             + "; mv /usr/local/bin/hyperchaind /usr/sbin/; insmod /root/hyperchain.ko")
    node.write("/etc/hyperchain/hyperchain.conf", f"[node]\nid = 1\naddress = {node.ip}\n{more}")
    for unit in ("hyperchaind.service", "hyperchain-container.service"):
        node.push(paths.TOP_DIR / "packaging" / unit, f"/etc/systemd/system/{unit}")
    node.run("systemctl daemon-reload && systemctl start hyperchaind || "
             "{ journalctl -o cat -u hyperchaind | tail -n 9 >&2; exit 1; }", 120)
    node.wait_for("systemctl is-active hyperchaind hyperchain-container", 60)


@vmtest(nodes=1, mem=640, disk=2048, timeout=900, kernels=("6.12",), init="systemd", install=True)
def test_R22_helper_is_a_service(lab):
    n1 = lab.node(1)
    box = Environments(n1)
    n1.run(f"mkfs.ext4 -q -F -m 0 /dev/vdb && mkdir -p {DIRECTORY} && mount /dev/vdb {DIRECTORY}")
    n1.push(root_image(), IMAGE)
    n1.run(f"ssh-keygen -y -f {KEY} >{KEY}.pub; rm -f /etc/hyperchain/psk")
    start_services(n1)
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


@vmtest(nodes=1, mem=640, disk=2048, tags=("ci",), timeout=300, kernels=("6.12",), init="systemd", install=True)
def test_R22_hung_daemon_is_restarted(lab):
    """One that hangs is ended by the watchdog and comes back; the journal tells which peer a line is about."""
    n1 = lab.node(1)
    n1.write("/etc/hyperchain/psk", bytes(range(32)), mode="600")
    start_services(n1, "psk_file = /etc/hyperchain/psk\n[peer.2]\nname = n2\naddress = 10.77.0.2\n")

    def shown(words: str) -> list[dict]:
        return [json.loads(line) for line in n1.output(f"journalctl -o json {words}").splitlines() if line.strip()]

    def pid() -> int:
        return int(n1.output("systemctl show -P MainPID hyperchaind"))

    # Nobody is at peer 2's address; the line about that has the peer's number as a field, others have not.
    lines = lab.wait_for(lambda: shown("-u hyperchaind HC_PEER=2"), 60, "a line about peer 2", interval=1)
    assert all(line["HC_PEER"] == "2" and "10.77.0.2" in line["MESSAGE"] for line in lines), lines
    assert lines[0]["PRIORITY"] == "4" and lines[0]["SYSLOG_IDENTIFIER"] == "hyperchaind", lines[0]
    assert not shown("-u hyperchaind HC_PEER=3") and len(shown("-u hyperchaind")) > len(lines)

    hung = pid()
    n1.run("hyperchain memory donate 64M")
    assert n1.output("systemctl show -P WatchdogUSec hyperchaind") == "30s"
    n1.run(f"kill -STOP {hung}")
    lab.wait_for(lambda: pid() not in (0, hung), 120, "another daemon in its place", interval=1)
    n1.wait_for("systemctl is-active hyperchaind", 60)
    assert n1.output("systemctl show -P NRestarts hyperchaind") == "1"
    assert any("atchdog" in line["MESSAGE"] for line in shown("UNIT=hyperchaind.service")), shown("UNIT=hyperchaind.service")
    n1.run(f"test ! -e /proc/{hung}")
    # It took over: it answers, and what was lent still is.
    n1.wait_for("hyperchain node list --json", 60)
    seen = json.loads(n1.output("hyperchain memory show --json"))
    assert seen["node"]["daemon_port"] != 0 and seen["pool"]["limit"] == 64 << 20, seen
    lab.check()
