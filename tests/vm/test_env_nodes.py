# SPDX-License-Identifier: GPL-2.0-or-later
"""Environments of several nodes: one root, one network, one address, whoever leads."""

import json

from labkit.cluster import LONG_S
from labkit.environment import DIRECTORY, IMAGE, KEY, Environments
from labkit.node import Node
from labkit.vmtest import vmtest
from test_cluster_fabric import Joined

# The guests' own load shall decide nothing.
QUIET = {"leader_max": 2, "node_max": 2, "balance_high": 2, "balance_gap": 2, "spare_lend": 2, "candidate_max": 2}
SSH = f"ssh -n -i {KEY} -o BatchMode=yes -o ConnectTimeout=20"


class Spread(Joined):
    """A cluster whose nodes can have containers. `box` is what the first node has of them."""

    def begin(self, has_desktop: bool = False) -> "Spread":
        self.up()
        self.n1 = self.lab.node(1)
        for key, value in QUIET.items():
            self.n1.run(f"hyperchain config set {key} {value}", LONG_S)
        self.box = Environments(self.n1).start(has_desktop)
        for node in self.lab.nodes[1:]:
            other = Environments(node)
            other.mount()
            other.start_helper()
        self.say("the container helpers run")
        return self

    def create(self, name: str, nodes: str, more: str = "", image: str = IMAGE) -> dict:
        command = f"hyperchain env create {name} --nodes {nodes} --image {image} --ssh-key {KEY}.pub {more}"
        result = self.n1.run(command, 3 * LONG_S, check=False)
        if result.status:
            self.tell(name)
            raise AssertionError(f"{command}: {result.stderr}")
        self.wait_ssh(self.n1, name)
        return self.env(name)

    def env(self, name: str, node: Node | None = None) -> dict:
        """What `env list` says of it, on any node."""
        rows = json.loads((node or self.n1).output("hyperchain env list --json"))["envs"]
        return next((row["container"] for row in rows if row["name"] == name and "container" in row), {})

    def wait_state(self, name: str, state: str = "running", node: Node | None = None) -> dict:
        try:
            self.lab.wait_for(lambda: self.env(name, node).get("state") == state, LONG_S, f"{name} is {state}", interval=1)
        except Exception:
            self.tell(name)
            raise
        return self.env(name, node)

    def tell(self, name: str) -> None:
        """All that may say why."""
        for node in self.lab.nodes:
            told = node.run("hyperchain env list --json; tail -n 20 /run/container.log; "
                            f"tail -n 20 {DIRECTORY}/lxc/{name}/log; ip -br addr; mount -t nfs4; "
                            "nft list tables; dmesg | tail -n 5", check=False)
            print(f"--- {node.name}\n{told.stdout}{told.stderr}{self.daemon_log(node)[-2000:]}")

    def ssh_words(self, name: str, login: str | None = None) -> str:
        return f"{SSH} {login or name}@{self.env(name)['address']}"

    def wait_ssh(self, node: Node, name: str) -> None:
        try:
            node.wait_for(f"{self.ssh_words(name)} true", LONG_S, interval=0.5)
        except Exception:
            self.tell(name)
            raise

    def ssh(self, node: Node, name: str, command: str, timeout: float = 120) -> str:
        quoted = command.replace("'", "'\\''")
        return node.run(f"{self.ssh_words(name)} '{quoted}'", timeout).stdout.strip()

    def inside(self, node: Node, name: str, command: str, login: str | None = None, check: bool = True):
        """In its container on that node, as its user or another one."""
        quoted = command.replace("'", "'\\''")
        return node.run(f"hyperchain env exec {name} su {login or name} -s /bin/sh -c '{quoted}'", 120, check=check)


@vmtest(nodes=2, mem=640, disk=2048, timeout=1800, kernels=("6.12",))
def test_R2_two_nodes_are_one_environment(lab):
    """One root, one network, one address; each node has its own of what is of the moment, and no user's key opens a worker."""
    c = Spread(lab).begin()
    n1, n2 = lab.nodes
    made = c.create("alice", "1,2", "--memory 128M")
    c.say("alice is made, and logged in to")
    assert made["state"] == "running" and made["leader"] in (1, 2) and made["storage"] == 1, made
    assert [node["state"] for node in made["nodes"]] == ["running", "running"], made
    assert c.env("alice", n2)["address"] == made["address"], "the nodes tell different addresses"
    leader, worker = (n1, n2) if made["leader"] == 1 else (n2, n1)
    # From both nodes the address leads to the leader.
    for node in lab.nodes:
        assert c.ssh(node, "alice", "id -un; hostname").split() == ["alice", "alice"]
    assert c.inside(worker, "alice", "hostname").stdout.strip() == f"node-{worker.number}"
    # One root, also for big files; nothing of the moment in it.
    c.ssh(leader, "alice", "head -c 3000000 /dev/urandom >big; echo there >/tmp/own; echo there >/dev/shm/own; echo there >own")
    sums = [c.inside(node, "alice", "sha256sum <~/big; cat ~/own").stdout for node in lab.nodes]
    assert sums[0] == sums[1], sums
    c.inside(worker, "alice", "echo back >~/back")
    assert c.ssh(leader, "alice", "cat back") == "back"
    assert c.inside(worker, "alice", "cat /tmp/own || cat /dev/shm/own || cat /run/hyperchain", check=False).status
    # What another node's root may there: nothing as this node's root, all as the environment's.
    owner = n1.output(f"stat -c %u {DIRECTORY}/env/alice/root/home/alice/back").strip()
    assert int(owner) == 0x70000000 + 65536 * made["id"] + 1000, owner
    # One network: names, both ways, and packets of any size.
    # (by root: the image's ping has lost its file capability)
    for node, aim in ((leader, f"node-{worker.number}"), (worker, "leader"), (worker, f"node-{leader.number}")):
        c.inside(node, "alice", f"ping -c 1 -W 5 {aim} && ping -c 1 -W 5 -s 4000 {aim}", "root")
    assert len(c.ssh(worker, "alice", "head -c 400000 /dev/zero | tr '\\0' x")) == 400000
    # No user's key opens a worker; the administrator's does, on both.
    words = f"hyperchain env exec alice ip -4 -o addr show eth0 | awk '{{ split($4, a, \"/\"); print a[1] }}'"
    address = worker.output(words).strip()
    for login in ("alice", "root"):
        refused = worker.run(f"{SSH} {login}@{address} true", 60, check=False)
        assert refused.status == 255 and "Permission denied" in refused.stderr, refused.stderr
    # Limits hold on each node, and change together.
    for node in lab.nodes:
        assert node.read("/sys/fs/cgroup/hyperchain/alice/memory.max").strip() == str(128 << 20)
    n2.run("hyperchain env resize alice --memory 192M", LONG_S)
    for node in lab.nodes:
        assert node.read("/sys/fs/cgroup/hyperchain/alice/memory.max").strip() == str(192 << 20)
    # Another one is none of its business, on whatever node.
    bob = c.create("bob", "1,2")
    c.say("bob is made")
    for node in lab.nodes:
        other = node.output(words.replace("exec alice", "exec bob")).strip()
        c.inside(node, "bob", f"ping -c 1 -W 5 leader && ping -c 1 -W 5 {other}", "root")
        for aim in (other, bob["address"]):
            assert c.inside(node, "alice", f"ping -c 1 -W 3 {aim}", "root", check=False).status, f"alice reaches {aim} of bob"
        # Nor are the nodes themselves.
        for port in (2049, 7701):
            assert c.inside(node, "alice", f"timeout 5 bash -c 'echo >/dev/tcp/10.77.0.1/{port}'", check=False).status
    assert n2.run("su nobody -s /bin/sh -c 'ls " + DIRECTORY + "/env/alice/root'", check=False).status
    n1.run("hyperchain env del bob", LONG_S)
    # Stopped, started, deleted: everywhere.
    n2.run("hyperchain env stop alice", LONG_S)
    for node in lab.nodes:
        assert node.run("test -e /sys/fs/cgroup/hyperchain/alice", check=False).status
    n2.run("hyperchain env start alice", LONG_S)
    c.wait_ssh(n2, "alice")
    assert c.ssh(n2, "alice", "cat back") == "back"
    n2.run("hyperchain env del alice", LONG_S)
    for node in lab.nodes:
        left = node.output(f"ls {DIRECTORY}/env {DIRECTORY}/lxc; ip -o link | grep -E 'hc[bx]' || true; nft list tables; mount -t nfs4")
        assert "alice" not in left and "hcb" not in left and "hcx" not in left and "hyperchain_" not in left and \
            "root" not in left, f"{node.name}: {left}"
    lab.check()


def mark(c: Spread, name: str) -> None:
    """Each container says where it is, where nobody but itself sees it."""
    for node in c.lab.nodes:
        if node.number in [row["id"] for row in c.env(name)["nodes"]]:
            c.inside(node, name, f"echo {node.number} >/tmp/where")


def host_key(c: Spread, node: Node, name: str) -> str:
    return node.output(f"ssh-keyscan -t ed25519 {c.env(name, node)['address']} 2>/dev/null").split()[2]


@vmtest(nodes=2, mem=640, disk=2048, timeout=1800, kernels=("6.12",))
def test_R3_address_and_host_key_stay_when_the_leader_moves(lab):
    """New logins meet the new leader at once, who is logged in stays; the old one is a worker like any other."""
    c = Spread(lab).begin()
    n1, n2 = lab.nodes
    made = c.create("alice", "1,2")
    old, new = (n1, n2) if made["leader"] == 1 else (n2, n1)
    mark(c, "alice")
    key = host_key(c, n1, "alice")
    assert c.ssh(n1, "alice", "cat /tmp/where") == str(old.number)
    session = n1.start(f"{c.ssh_words('alice')} 'while echo tick $(cat /tmp/where); do sleep 1; done'")
    lab.wait_for(lambda: session.stdout.count("tick") > 2, 120, "the session is at work")
    n1.run(f"hyperchain env leader alice {new.number}", LONG_S)
    c.say("another node leads")
    for node in lab.nodes:
        assert c.ssh(node, "alice", "cat /tmp/where; hostname").split() == [str(new.number), "alice"], f"from {node.name}"
        assert host_key(c, node, "alice") == key, "the host key changed"
    assert c.env("alice")["address"] == made["address"]
    before = session.stdout.count("tick")
    lab.wait_for(lambda: session.stdout.count("tick") > before + 3, 120, "the open session goes on")
    assert set(session.stdout.split()) == {"tick", str(old.number)}, session.stdout[-200:]
    assert c.inside(old, "alice", "hostname").stdout.strip() == f"node-{old.number}"
    refused = n1.run(f"hyperchain env leader alice {new.number}", 60, check=False)
    assert refused.status == 1 and "leads already" in refused.stderr, refused.stderr
    session.kill()
    lab.check()


@vmtest(nodes=3, mem=512, disk=2048, timeout=1800, kernels=("6.12",))
def test_R8_a_dead_leader_is_followed(lab):
    """The leader's node is pulled out: the same address with the same host key and the same files answers by another one."""
    c = Spread(lab).begin()
    n1, n2, n3 = lab.nodes
    made = c.create("alice", "1,2,3")
    if made["leader"] != 2:
        n1.run("hyperchain env leader alice 2", LONG_S)
    mark(c, "alice")
    key = host_key(c, n3, "alice")
    assert c.ssh(n3, "alice", "echo kept >kept; sync; cat /tmp/where") == "2"
    n2.kill()
    c.wait_ssh(n3, "alice")
    now = c.wait_state("alice", node=n3)
    assert now["leader"] in (1, 3) and now["address"] == made["address"], now
    for node in (n1, n3):
        assert c.ssh(node, "alice", "cat /tmp/where kept").split() == [str(now["leader"]), "kept"]
        assert host_key(c, node, "alice") == key
    told = [row for row in map(json.loads, n1.output("hyperchain events --json").splitlines()) if row["kind"] == "leader"]
    assert told[-1]["user"] == "alice" and told[-1]["node"] == now["leader"], told
