# SPDX-License-Identifier: GPL-2.0-or-later
"""R3 by VNC: a desktop on the leader, by an ssh forward of a socket that is the user's alone."""

import json

from labkit import paths
from labkit.cluster import LONG_S, Cluster
from labkit.environment import DESKTOP_IMAGE, KEY, Environments
from labkit.node import Background, Node
from labkit.vmtest import vmtest
from test_env_nodes import Spread

VIEWER = "/root/vnc_viewer.py"
SERVER = "/usr/bin/Xtigervnc"
# A desktop that says what it got, and has no more windows than that.
SESSION = "#!/bin/sh\necho $DISPLAY $(id -un) >~/seen; setxkbmap -query >>~/seen 2>&1; exec sleep 1000\n"


def push_viewer(node: Node) -> None:
    node.push(paths.VM_DIR / "programs" / "vnc_viewer.py", VIEWER)


def told(node: Node, words: str = "") -> dict:
    return json.loads(node.output(f"hyperchain vnc {words} --json"))["vnc"]


class Forward:
    """The printed command, on a node; as many times as wanted, each with a port of its own."""

    used = 5901

    def __init__(self, node: Node, name: str):
        Forward.used += 1
        self.node, self.port = node, Forward.used
        words = told(node, f"{name} --port {self.port}")["forward"].split()
        assert words[:2] == ["ssh", "-N"], words
        self.ssh: Background = node.start(f"exec ssh -i {KEY} -o BatchMode=yes -o ExitOnForwardFailure=yes " +
                                          " ".join(words[1:]))
        node.wait_for(f"ss -Hltn sport = :{self.port} | grep -q 127.0.0.1", 120)

    def view(self, more: str = "") -> dict:
        said = self.node.run(f"python3 {VIEWER} {self.port} {more}", 300, check=False)
        assert said.status == 0, said.stderr
        return json.loads(said.stdout)

    def stay(self) -> Background:
        return self.node.start(f"exec python3 {VIEWER} {self.port} --stay")


def first_process(node: Node, name: str) -> str:
    return node.output(f"pgrep -f '^/.hyperchain/init {name}'").strip()


def servers(node: Node) -> list[str]:
    return node.output("pgrep -x Xtigervnc || true").split()


@vmtest(nodes=1, mem=640, disk=2048, timeout=1200, kernels=("6.12",))
def test_R3_vnc_by_ssh_only_and_for_the_user_only(lab):
    """The first viewer starts the desktop; no port, no other user; what can't be is told in a sentence."""
    c = Cluster(lab).up()
    n1 = lab.node(1)
    box = Environments(n1).start(has_desktop=True)
    push_viewer(n1)
    made = box.create("alice", image=DESKTOP_IMAGE)
    c.say("alice is made")
    # The only environment there is needs no name.
    said = told(n1)
    path = "/run/hyperchain-vnc/alice.sock"
    assert said["env"] == "alice" and said["socket"] == path and said["has_vnc"] and said["leader"] is None, said
    assert said["forward"] == f"ssh -N -L 5901:{path} alice@{made['address']}" and said["viewer"] == "localhost:5901", said
    assert said["forward"] in n1.output("hyperchain vnc alice") and not servers(n1)
    assert box.ssh("alice", f"stat -c '%a %U %F' {path}") == "600 alice socket"
    n1.run(f"{box.ssh_words('alice').replace(' -n', '')} 'cat >.xsession && chmod 755 .xsession'", stdin=SESSION.encode())

    first = Forward(n1, "alice")
    seen = first.view()
    assert seen == {"name": "alice", "width": 1280, "height": 800, "pixels": 1280 * 800}, seen
    c.say("a viewer has seen the desktop")
    server = servers(n1)
    assert len(server) == 1, server
    # It is alice's, with X open to alice; it stays while viewers come and go, and two at once are served.
    lab.wait_for(lambda: "rules:" in box.ssh("alice", "cat seen"), 120, "the session has asked the X server")
    display, login = box.ssh("alice", "head -n 1 seen").split()
    assert login == "alice" and display.startswith(":"), (display, login)
    other = Forward(n1, "alice")
    assert other.view("--version 3.3") == seen and servers(n1) == server
    # No other port than ssh's, on any address.
    ports = box.ssh("alice", "ss -Hltn", "root").split("\n")
    assert ports and all(line.split()[3].endswith(":22") for line in ports), ports
    # Nobody else gets in: of the environment, of the node; X does not open to them either.
    ids = [0x70000000 + 65536 * made["id"] + uid for uid in (1000, 1001)] + [65534]
    reached = json.loads(n1.output(f"python3 {VIEWER} --reach /proc/{first_process(n1, 'alice')}/root/run/hyperchain-vnc "
                                   f"alice.sock {' '.join(map(str, ids))}"))
    assert list(reached.values()) == ["open", "Permission denied", "Permission denied"], reached
    assert n1.run(f"su nobody -s /bin/sh -c 'ls /proc/{server[0]}/root/run'", check=False).status
    box.run("alice", "echo bob:x:1001:1001::/tmp:/bin/sh >>/etc/passwd", "root")
    stranger = box.run("alice", f"su bob -s /bin/sh -c 'DISPLAY={display} setxkbmap -query'", "root", check=False)
    assert stranger.status and "rules:" not in stranger.stdout, stranger
    assert box.run("alice", "su bob -s /bin/sh -c 'ls /run/hyperchain-vnc/alice'", "root", check=False).status
    # The session ends, and the desktop with it; the next viewer has a new one.
    box.ssh("alice", "pkill -x -u alice sleep")
    lab.wait_for(lambda: not servers(n1), 60, "the desktop has ended")
    assert first.view()["name"] == "alice" and servers(n1) != server
    box.ssh("alice", "pkill -x Xtigervnc")
    lab.wait_for(lambda: not servers(n1), 60, "the desktop has ended")

    # A server that does not start, and none at all: the viewer shows why.
    box.run("alice", f"mv {SERVER} {SERVER}.away; printf '#!/bin/sh\\necho it is broken >&2; exit 1\\n' >{SERVER}; chmod 755 {SERVER}", "root")
    for version in ("3.8", "3.3"):
        said = first.view(f"--version {version}").get("refused", "")
        assert "does not start" in said and "~/.hyperchain-vnc.log" in said, said
    assert box.ssh("alice", "cat .hyperchain-vnc.log") == "it is broken"
    box.run("alice", f"rm {SERVER}", "root")
    assert "no TigerVNC" in first.view().get("refused", "")
    # And so does the command, before anybody tries.
    for words, status, expected in (("alice", 1, "has no TigerVNC: install tigervnc-standalone-server"),
                                    ("bob", 1, "no environment \"bob\""), ("--port 0", 2, "port"), ("a b", 2, "")):
        result = n1.run(f"hyperchain vnc {words}", check=False)
        assert result.status == status and expected in result.stderr and not result.stdout, result
    box.run("alice", f"mv {SERVER}.away {SERVER}", "root")
    assert first.view()["name"] == "alice"
    opened = n1.run("hyperchain vnc --open", check=False)
    assert opened.status == 1 and "no display" in opened.stderr and "ssh -N -L" in opened.stdout, opened
    n1.run("hyperchain env stop alice", LONG_S)
    assert not servers(n1)
    result = n1.run("hyperchain vnc alice", check=False)
    assert result.status == 1 and "is stopped" in result.stderr, result


@vmtest(nodes=2, mem=640, disk=2048, timeout=1800, kernels=("6.12",))
def test_R3_vnc_is_where_the_leader_is(lab):
    """Another node leads: the desktop ends, an old ssh is told so in a sentence, a new one has a new desktop there."""
    c = Spread(lab).begin(has_desktop=True)
    n1, n2 = lab.nodes
    push_viewer(n1)
    made = c.create("alice", "1,2", image=DESKTOP_IMAGE)
    old, new = (n1, n2) if made["leader"] == 1 else (n2, n1)
    c.say("alice is made")
    assert [told(node, "alice")["has_vnc"] for node in lab.nodes] == [True, True]
    forward = Forward(n1, "alice")
    assert forward.view()["name"] == "alice"
    c.say("a viewer has seen the desktop")
    assert servers(old) and not servers(new)
    viewer = forward.stay()
    lab.wait_for(lambda: "pixels" in viewer.stdout, 120, "a viewer looks on")
    n1.run(f"hyperchain env leader alice {new.number}", LONG_S)
    c.say("another node leads")
    lab.wait_for(lambda: not servers(old), 60, "the desktop has ended")
    assert '"gone": true' in viewer.wait(60).stdout
    assert "Another node leads" in forward.view().get("refused", ""), "the old ssh is not told"
    assert forward.ssh.poll() is None, "the old ssh has ended"
    said = told(n2, "alice")
    assert said["leader"] == new.number and said["address"] == made["address"], said
    again = Forward(n1, "alice")
    assert again.view()["name"] == "alice"
    assert servers(new) and not servers(old)
    # And back: the old one's socket is open again.
    n1.run(f"hyperchain env leader alice {old.number}", LONG_S)
    lab.wait_for(lambda: not servers(new), 60, "the desktop has ended there")
    assert forward.view()["name"] == "alice"
    assert "Another node leads" in again.view().get("refused", "")
    lab.check()
