# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory beyond one node, inside an environment: its pages go to its donors, within its quota."""

import re

from labkit.cluster import MIB, Cluster
from labkit.environment import Environments
from labkit.vmtest import vmtest

HOG = 400       # MiB: more than node 1 has


@vmtest(nodes=2, mem=384, disk=2048, tags=("ci",), timeout=900, kernels=("6.12",))
def test_R20_program_larger_than_its_node(lab):
    c = Cluster(lab).up({2: "256M"})
    n1 = lab.node(1)
    c.swap_on(size="512M")
    box = Environments(n1).start()
    total = int(re.search(r"MemTotal: +(\d+)", n1.read("/proc/meminfo"))[1]) // 1024
    assert total < HOG, f"the node has {total} MiB: the program would fit"
    # More than the quota is refused: the program dies, nobody else, and the quota holds.
    box.create("alice", "--nodes 2 --replicas 1 --memory 192M --quota 32M")
    box.push("alice", "hc-hog")
    result = box.run("alice", f"hc-hog -m {HOG} -t 1", timeout=300, check=False)
    assert result.status != 0, result.stdout[-500:]
    assert box.show("alice")["used"] <= 32 * MIB, box.show("alice")
    assert "oom_kill 0" not in box.cgroup("alice", "memory.events"), "nobody was killed for it"
    box.wait_ssh("alice")
    c.say("the quota holds")
    n1.run("hyperchain env del alice", 120)
    box.create("alice", "--nodes 2 --replicas 1 --memory 192M --quota 400M")
    box.push("alice", "hc-hog")
    hog = box.start_ssh("alice", f"hc-hog -m {HOG} -t 1 -z 0")
    lab.wait_for(lambda: "FILLED" in hog.stdout or hog.poll() is not None, 400, "the program is filled")
    env = box.show("alice")
    assert hog.poll() is None, hog.stdout[-1000:] + hog.stderr
    c.say(f"{HOG} MiB on a node of {total} MiB: {env['used'] // MIB} MiB are on node 2")
    assert env["used"] > (HOG - 192 - 16) * MIB and env["lost"] == 0, env
    assert c.lent(2)["used"] >= env["used"] - 16 * MIB, c.lent(2)
    status = hog.wait(400, check=False).status
    assert status == 0 and re.search(r"^BAD 0$", hog.stdout, re.M) and re.search(r"^LOST 0$", hog.stdout, re.M), \
        f"status {status}: {hog.stdout[-1000:]}"
    c.check_healthy()
