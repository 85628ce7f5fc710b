# SPDX-License-Identifier: GPL-2.0-or-later
"""One machine: what programs of an environment see is the sum over its nodes, and never breaks."""

import re

from labkit.cluster import Cluster
from labkit.environment import Environments
from labkit.vmtest import vmtest


def mem_total(text: str) -> int:
    return int(re.search(r"MemTotal: +(\d+)", text)[1]) // 1024


@vmtest(nodes=2, mem=512, disk=2048, tags=("ci",), timeout=600, kernels=("6.12",))
def test_R2_one_machine(lab):
    c = Cluster(lab).up({2: "128M"})
    n1, n2 = lab.nodes
    box = Environments(n1).start()
    box.create("alice", "--nodes 2 --replicas 1 --memory 160M")
    # The sum: 160 MiB here, 128 MiB there; a processor each.
    lab.wait_for(lambda: mem_total(box.ssh("alice", "cat /proc/meminfo")) == 288, 60, "the sum of memory is shown")
    seen = box.ssh("alice", "free -m; getconf _NPROCESSORS_ONLN; getconf _NPROCESSORS_CONF; lscpu; nproc --all")
    print(seen, flush=True)
    assert re.search(r"Mem: +288 ", seen) and re.search(r"Swap: +0 ", seen), seen
    assert re.search(r"^CPU\(s\): +2$", seen, re.M), seen
    assert seen.splitlines()[3:5] == ["2", "2"] and seen.splitlines()[-1] == "2", seen
    assert box.ssh("alice", "grep -c ^processor /proc/cpuinfo; grep -c '^cpu[0-9]' /proc/stat").split() == ["2", "2"]
    top = box.ssh("alice", "TERM=dumb top -b -n 1 | head -5; uptime; vmstat")
    assert "288.0 total" in top, top
    # Programs that ask the kernel are told the same, whoever asks.
    told = box.ssh("alice", "nproc; getconf _PHYS_PAGES; taskset -p $$ | grep -o '[^ ]*$'; taskset -c 1 true && taskset -c 0,1 nproc")
    assert told.split() == ["2", str(288 * 256), "3", "2"], told
    assert n1.output("hyperchain env exec alice nproc").strip() == "2"
    # A processor that no node has is an error as anywhere.
    refused = box.ssh("alice", "taskset -c 7 true 2>&1 || true")
    assert "nvalid argument" in refused, refused
    # Both are counted: what is used here, and time that passes there.
    first = box.ssh("alice", "grep ^cpu1 /proc/stat")
    lab.wait_for(lambda: box.ssh("alice", "grep ^cpu1 /proc/stat") != first, 30, "time passes on the other node")
    assert float(box.ssh("alice", "cut -d' ' -f1 /proc/uptime")) < float(n1.output("cut -d' ' -f1 /proc/uptime"))
    c.say("the sum is shown")
    # Resized: at once.
    n1.run("hyperchain env resize alice --memory 128M")
    lab.wait_for(lambda: mem_total(box.ssh("alice", "cat /proc/meminfo")) == 256, 30, "the new size is shown")
    # The server dies: the next one answers, the container's binds hold.
    n1.run("kill -9 $(pgrep -x hyperchain-view | tail -n 1)")
    lab.wait_for(lambda: mem_total(box.ssh("alice", "cat /proc/meminfo")) == 256, 30, "another server answers")
    # The daemon dies: this node alone; with it the sum is back.
    c.stop_daemon(n1)
    lab.wait_for(lambda: mem_total(box.ssh_at("alice", "cat /proc/meminfo")) == 128, 60, "local figures without a daemon")
    assert box.ssh_at("alice", "getconf _NPROCESSORS_ONLN") == "1"
    c.start_daemon(n1)
    lab.wait_for(lambda: mem_total(box.ssh_at("alice", "cat /proc/meminfo")) == 256, 60, "the sum is back")
    # The other node dies: what it had is not there any more.
    n2.kill()
    lab.wait_for(lambda: mem_total(box.ssh_at("alice", "cat /proc/meminfo")) == 128, 120, "the dead node does not count")
    # Nothing is left behind.
    n1.run("hyperchain env del alice", 120)
    assert n1.output("grep hyperchain-view /proc/mounts; ls /run/hyperchain/view; pgrep -x hyperchain-view; true") == ""


@vmtest(nodes=1, mem=512, disk=2048, timeout=600, kernels=("6.12",))
def test_R2_the_switch_shows_this_node(lab):
    Cluster(lab).up()
    box = Environments(lab.node(1)).start()
    box.create("alice", "--view local --memory 96M --cpus 0.5")
    assert mem_total(box.ssh("alice", "cat /proc/meminfo")) == 96
    assert box.show("alice")["container"]["view"] == "local"
