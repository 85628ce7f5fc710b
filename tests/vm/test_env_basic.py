# SPDX-License-Identifier: GPL-2.0-or-later
"""Environments on one node: made, logged in to, resized, stopped, deleted; what must be refused."""

from labkit.cluster import MIB, Cluster
from labkit.environment import DIRECTORY, IMAGE, KEY, Environments
from labkit.vmtest import vmtest

ONE = ("6.12",)
_ready: dict[str, tuple[Cluster, Environments]] = {}


def shared(**more):
    return vmtest(nodes=1, mem=640, disk=2048, share=True, **{"timeout": 600, "kernels": ONE, **more})


def ready(lab) -> tuple[Cluster, Environments]:
    if lab.name not in _ready:
        c = Cluster(lab).up()
        _ready[lab.name] = c, Environments(lab.node(1)).start()
        c.say("the container helper runs")
    c, box = _ready[lab.name]
    for env in box.list():
        lab.node(1).run(f"hyperchain env del {env['name']} --forget", 120)
    return c, box


@shared(tags=("ci",))
def test_R2_environment_lives_and_changes_size(lab):
    """Create, log in, see the limits, change them while it runs, stop, start, delete."""
    c, box = ready(lab)
    n1 = lab.node(1)
    made = box.create("alice", "--cpus 0.5 --memory 96M")
    c.say("alice is made and logged in to")
    assert made["state"] == "running" and made["memory"] == 96 * MIB and made["has_sshd"], made
    assert box.ssh("alice", "id -un; id -u; hostname").split() == ["alice", "1000", "alice"]
    assert box.ssh("alice", "id -u", login="root") == "0"
    assert box.ssh("alice", "echo x >/dev/shm/x && stat -f -c %T /dev/shm") == "tmpfs"
    # All namespaces are its own, and its root is nobody here.
    spaces = "cd /proc/self/ns && readlink user pid mnt net uts ipc cgroup"
    assert not set(box.ssh("alice", spaces).split()) & set(n1.output(spaces).split()), "a namespace is shared"
    assert box.ssh("alice", "cat /proc/self/uid_map").split()[1] == str(0x70000000 + 65536 * made["id"])
    # Limits that hold and change under a running program.
    assert box.cgroup("alice", "cpu.max") == "50000 100000", box.cgroup("alice", "cpu.max")
    assert box.cgroup("alice", "memory.max") == str(96 * MIB)
    program = box.start_ssh("alice", "exec sleep 1000")
    n1.wait_for("pgrep -f 'sleep 1000' -u 1879048192-4294967294 || ps axo args | grep -q '^sleep 1000'", 60)
    n1.run("hyperchain env resize alice --memory 128M --cpus 2")
    assert box.cgroup("alice", "memory.max") == str(128 * MIB)
    assert box.cgroup("alice", "cpu.max") == "200000 100000"
    assert program.poll() is None, "the program ended with the new size"
    # The limits are out of the container's reach.
    assert box.run("alice", "echo max >/sys/fs/cgroup/memory.max", "root", check=False).status
    assert box.run("alice", "dd if=/dev/zero of=/dev/null bs=200M count=1", "root", check=False).status, "memory.max did not hold"
    # The module knows whose processes these are.
    env = box.show("alice")
    assert env["cgroup_paths"] == [made["cgroup"]], env
    box.ssh("alice", "echo kept >kept")
    n1.run("hyperchain env stop alice")
    assert program.wait(30, check=False).status, "the program outlived its container"
    assert box.show("alice")["container"]["state"] == "stopped"
    assert "sshd" not in n1.output("ps axo user:32,args | grep -v ^root || true"), "processes are left behind"
    n1.run("hyperchain env start alice")
    box.wait_ssh("alice")
    assert box.ssh("alice", "cat kept") == "kept"
    n1.run("hyperchain env del alice")
    assert box.list() == []
    assert n1.output(f"ls {DIRECTORY}/env {DIRECTORY}/lxc; find /sys/fs/cgroup/hyperchain -name 'alice*'").split() == \
        [f"{DIRECTORY}/env:", f"{DIRECTORY}/lxc:"]
    assert "hcb" not in n1.output("ip -o link"), "its bridge is left behind"


@shared(tags=("ci",))
def test_R3_login_by_key_only_and_host_key_stays(lab):
    c, box = ready(lab)
    n1 = lab.node(1)
    box.create("alice")
    before, address = box.host_key("alice"), box.show("alice")["container"]["address"]
    # Another key, a password, another name: no.
    n1.run("test -e /tmp/other || ssh-keygen -q -t ed25519 -N '' -f /tmp/other")
    for words in (f"-o IdentitiesOnly=yes -i /tmp/other alice@{address}", f"-i {KEY} bob@{address}",
                  f"-o PubkeyAuthentication=no alice@{address}"):
        result = n1.run(f"ssh -n -F none -o BatchMode=yes -o StrictHostKeyChecking=no {words} true", 60, check=False)
        assert result.status == 255 and "Permission denied" in result.stderr, result.stderr
    # Made anew: the same machine to its users.
    n1.run("hyperchain env del alice", 120)
    box.create("alice")
    assert box.host_key("alice") == before and box.show("alice")["container"]["address"] == address
    # Forgotten: a stranger.
    n1.run("hyperchain env del alice --forget", 120)
    box.create("alice")
    assert box.host_key("alice") != before
    c.say("host keys stay as long as they should")


@shared()
def test_R2_containers_outlive_daemon_and_helper(lab):
    """Killed daemon, killed helper: the container runs on; a dead container is started again."""
    c, box = ready(lab)
    n1 = lab.node(1)
    box.create("alice")
    program = box.start_ssh("alice", "exec sleep 1000")
    c.stop_daemon(n1)
    box.stop_helper()
    assert box.node.run("pgrep -f 'hyperchain-init|/.hyperchain/init'", check=False).stdout
    c.start_daemon(n1)
    box.start_helper()
    lab.wait_for(lambda: box.show("alice").get("container", {}).get("state") == "running", 60, "alice is found running")
    assert program.poll() is None, "the session died with the daemon"
    # Its init dies: it comes back by itself.
    n1.run("pkill -9 -f '^/.hyperchain/init'")
    program.wait(60, check=False)
    box.wait_ssh("alice")
    assert box.show("alice")["container"]["state"] == "running"


@shared()
def test_R2_bad_input_is_one_sentence(lab):
    c, box = ready(lab)
    n1 = lab.node(1)
    create = f"create alice --image {IMAGE}"
    n1.run("echo nonsense >/tmp/key; head -c 3000 /dev/urandom >/tmp/noise; mkdir -p /tmp/folder; mkfifo /tmp/fifo")
    box.refused("create Alice", "login")
    box.refused("create ../x", "login")
    box.refused(f"create {'a' * 40}", "login")
    box.refused("create alice --image /tmp/nothing", "No such file")
    box.refused("create alice --image /tmp/folder", "OCI layout")
    box.refused("create alice --image /tmp/noise", "tar")
    box.refused("create alice --image /tmp/fifo", "tar archive or an OCI layout")
    box.refused("create alice --image /dev/null", "tar archive or an OCI layout")
    box.refused(f"{create} --ssh-key /tmp/key", "no public ssh key")
    box.refused(f"{create} --ssh-key {KEY}", "private key")
    box.refused(f"{create} --nodes 1", "this node itself")
    box.refused(f"{create} --nodes 7", "no peer")
    box.refused(f"{create} --memory 1M", "memory must be")
    box.refused(f"{create} --cpus none", "CPUs", status=2)
    box.refused("start bob", "no environment")
    box.refused("del bob", "no environment")
    box.refused("resize bob", "--cpus", status=2)
    box.refused("exec bob true", "does not run")
    n1.run("truncate -s 1M /tmp/big; tar -C /tmp -cf /tmp/noshell.tar big")
    box.refused("create alice --image /tmp/noshell.tar", "/bin/sh")
    # A full disk: told, and nothing is left behind.
    n1.run(f"sync; fallocate -l $(( $(df --output=avail -B1 {DIRECTORY} | tail -n 1) - 20000000 )) {DIRECTORY}/full")
    try:
        box.refused(create, "No space left on device")
    finally:
        n1.run(f"rm {DIRECTORY}/full")
    assert n1.output(f"ls {DIRECTORY}/env") == ""
    box.create("alice")
    box.refused(create, "already")
    box.refused("start alice", "already")
    box.stop_helper()
    box.refused("stop alice", "helper does not run")
    box.start_helper()
    lab.wait_for(lambda: box.show("alice")["container"]["state"] == "running", 60, "alice is known to run")
