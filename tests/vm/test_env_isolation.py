# SPDX-License-Identifier: GPL-2.0-or-later
"""What root of an environment may not: a table of attempts, all refused, and nothing changed outside."""

import re
import shlex

from labkit.cluster import Cluster
from labkit.environment import DIRECTORY, Environments
from labkit.vmtest import vmtest

# Each must fail. BOB: the other environment's address, GATE: the host's end of the bridge.
ATTEMPTS = {
    "mount the host's disk": "mknod /tmp/disk b 254 16 && mount /tmp/disk /mnt",
    "mount it in a user namespace of its own": "unshare -Urm sh -c 'mknod /tmp/d2 b 254 16 && mount /tmp/d2 /mnt'",
    "make a character device": "mknod /tmp/mem c 1 1",
    "read a device by a node of devtmpfs": "mount -t devtmpfs none /mnt && head -c 1 /mnt/vdb",
    "read the kernel's memory": "head -c 1 /proc/kcore",
    "read the kernel's log": "dmesg",
    "pull the machine's trigger": "mount -o remount,rw,bind /proc/sysrq-trigger; echo h >/proc/sysrq-trigger",
    "change a sysctl of the host": "mount -o remount,rw,bind /proc/sys; echo 1 >/proc/sys/kernel/sysrq",
    "name a program for core dumps": "mount -o remount,rw,bind /proc/sys; echo '|/x' >/proc/sys/kernel/core_pattern",
    "set the clock": "date -s '2001-01-01'",
    "debug the kernel": "mount -t debugfs none /mnt && ls /mnt/*",
    "turn the swap disk off": "swapoff /dev/hcswap0",
    "swap to a file": "head -c 1M /dev/zero >/s && mkswap /s && swapon /s",
    "raise its own memory limit": "echo max >/sys/fs/cgroup/memory.max",
    "raise its own limit by another mount": "mount -t cgroup2 none /mnt && echo max >/mnt/memory.max",
    "see another environment's cgroup": "mount -t cgroup2 none /mnt; find /mnt /sys/fs/cgroup -name bob | grep .",
    "see a cgroup above its own": "mount -t cgroup2 none /mnt; grep -q hyperchain /proc/self/cgroup",
    "change the first process's file": "mount -o remount,rw,bind /.hyperchain/init; echo x >/.hyperchain/init",
    "see the host's processes": "ls -d /proc/[0-9]* | wc -l | grep -E '[0-9]{3}' || ps ax | grep -q '[h]yperchaind'",
    "enter the host through its first process": "ls /proc/1/root" + DIRECTORY,
    "find the helper's socket": "ls /run/hyperchain/container.sock",
    "find liblxc's socket": "grep -q hyperchain-env /proc/net/unix",
    "talk to the other environment": "timeout 5 bash -c 'echo >/dev/tcp/BOB/22'",
    "ping the other environment": "ping -c 1 -W 3 BOB",
    "take the other environment's address": "ip addr add BOB/32 dev eth0 && ping -c 1 -W 3 -I BOB GATE",
    "talk to the host's ssh": "timeout 5 bash -c 'echo >/dev/tcp/GATE/22'",
    "talk to the daemon's port": "timeout 5 bash -c 'echo >/dev/tcp/10.77.0.1/7701'",
    "command: lend memory": "hyperchain memory donate 1M",
    "command: drain": "hyperchain memory drain",
    "command: swap off": "hyperchain memory swap off",
    "command: add a peer": "hyperchain peer add 9 10.77.0.9",
    "command: track": "hyperchain track /sys/fs/cgroup --env bob --nodes 2",
    "command: untrack": "hyperchain untrack --env bob",
    "command: see another environment": "hyperchain env show bob",
    "command: make an environment": "hyperchain env create eve",
    "command: stop another environment": "hyperchain env stop bob",
    "command: delete another environment": "hyperchain env del bob",
    "command: resize itself": "hyperchain env resize alice --memory 0",
    "command: run in another environment": "hyperchain env exec bob id",
    "command: found a cluster": "hyperchain cluster init",
    "command: a token": "hyperchain node token",
    "command: accept programs": "hyperchain process accept on",
    "command: move a program": "hyperchain migrate 1 2",
}

# What the attempts aim at.
OUTSIDE = ("cat /proc/sys/kernel/sysrq /proc/sys/kernel/core_pattern; sha256sum $(which hyperchain-init); "
           "hyperchain env list --json | grep name")


@vmtest(nodes=1, mem=640, disk=2048, tags=("ci",), timeout=600, kernels=("6.12",))
def test_R13_attempts_to_escape(lab):
    c = Cluster(lab).up()
    n1 = lab.node(1)
    box = Environments(n1).start()
    box.create("alice", "--memory 128M")
    bob = box.create("bob")
    box.push("alice", "hyperchain")
    box.ssh("bob", "echo secret >secret; chmod 644 secret")
    c.say("alice and bob are there")
    own = box.show("alice")["container"]["address"].split(".")
    gate = ".".join(own[:3] + [str(int(own[3]) - 1)])
    before = n1.output(OUTSIDE)
    # That the words do work where they may: else the table would prove nothing.
    box.ssh("alice", "mount -t tmpfs none /mnt && umount /mnt && ip link && ping -c 1 127.0.0.1", "root")
    # In one session, each in a shell of its own: a login costs more than most attempts.
    script = "".join(
        f"echo '== {number}'; timeout 60 bash -c {shlex.quote(command)} 2>&1; r=$?; echo; echo \"== status $r\"; "
        "umount /mnt 2>/dev/null\n"
        for number, command in enumerate(ATTEMPTS.values()))
    script = script.replace("BOB", bob["address"]).replace("GATE", gate)
    said = box.ssh("alice", script + "true", "root", 400)
    came_through = []
    for what, part in zip(ATTEMPTS, re.split(r"^== \d+$", said, flags=re.M)[1:], strict=True):
        status = int(re.search(r"^== status (\d+)$", part, re.M)[1])
        lines = [line for line in part.splitlines() if line.strip() and not line.startswith("== ")]
        print(f"{'refused' if status else 'CAME THROUGH':12s}  {what}: {(lines or ['-'])[-1][:100]}", flush=True)
        if status == 0:
            came_through.append(what)
    assert not came_through, came_through
    # Nor as the user, for what is a file.
    for command in (f"cat {DIRECTORY}/env/bob/root/home/bob/secret", "cat /etc/hyperchain/psk"):
        assert box.run("alice", command, check=False).status
    # Whose uids alice has she gets nowhere on the host.
    uid = 0x70000000 + 65536 * box.show("alice")["id"]
    result = n1.run(f"setpriv --reuid {uid} --regid {uid} --clear-groups ls {DIRECTORY}/env/bob/root", check=False)
    assert result.status and "Permission denied" in result.stderr, result
    assert n1.output(OUTSIDE) == before
    assert box.show("bob")["container"]["state"] == "running" and box.ssh("bob", "cat secret") == "secret"
    assert box.cgroup("alice", "memory.max") == str(128 << 20)
