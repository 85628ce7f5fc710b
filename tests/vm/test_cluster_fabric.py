# SPDX-License-Identifier: GPL-2.0-or-later
"""Nodes that joined by a token, and the encrypted network between them (hc0)."""

from labkit.cluster import LONG_S
from labkit.joined import Joined
from labkit.node import Node
from labkit.vmtest import vmtest

PORT = 7701


def sockets(node: Node) -> list[str]:
    """Local addresses of the connections between nodes, the module's too."""
    return node.output(f"ss -Htn state established '( sport = :{PORT} or dport = :{PORT} )' | awk '{{ print $3 }}'"
                       ).split()


@vmtest(nodes=3, mem=256, timeout=900, tags=("ci",), kernels=("6.12",))
def test_R22_nothing_travels_in_the_clear(lab):
    """Three nodes join; a program three times the size of its memory uses theirs, all through hc0."""
    c = Joined(lab).up({2: "96M", 3: "96M"})
    n1, n2 = lab.node(1), lab.node(2)
    wire = n2.output(f"ip -j -4 addr show to {n2.ip} | grep -o '\"ifname\":\"[^\"]*' | cut -d'\"' -f4").strip()
    dump = n2.start(f"exec tcpdump -nn -q -l -i {wire} '(tcp or udp) and port {PORT}'")
    lab.wait_for(lambda: "listening" in dump.stderr, 60, "tcpdump")
    c.swap_on(backing=True)
    c.track("A", memory="16M")
    hog = c.hog("A", "-m 48 -j 1 -t 3000").wait_filled().wait_worked(100)
    c.say("the program is at work")
    # What the encrypted network does not carry in time the local device takes, until the page is written again.
    c.wait(lambda: c.lent(2)["used"] + c.lent(3)["used"] > 16 << 20, "the donors have 16 MiB")
    for node in lab.nodes:
        found = sockets(node)
        assert len(found) >= 2, f"{node.name} has the connections {found}"
        assert all(address.startswith("[fd") for address in found), f"{node.name}: {found}"
    dump.kill(2)
    seen = dump.stdout.split("\n")
    udp = [line for line in seen if "UDP" in line]
    assert len(udp) > 1000, f"tcpdump saw only {len(udp)} packets of WireGuard"
    tcp = [line for line in seen if " tcp " in line.lower()]
    assert not tcp, f"in the clear: {tcp[:3]}"
    # A donor dies: the other copy is there, and the network loses only that one.
    n2.kill()
    c.events.wait("peer-dropped", peer=2)
    hog.wait_worked(100)
    hog.finish()
    assert c.disk()["lost"] == 0
    # Who is removed has no place in the network any more.
    assert len(n1.output("wg show hc0 peers").split()) == 2
    n1.run("hyperchain node remove 2", LONG_S)
    lab.wait_for(lambda: len(n1.output("wg show hc0 peers").split()) == 1, 60, "node 2 is no peer of hc0")
    n1.run("hyperchain memory swap off", LONG_S)


@vmtest(nodes=2, mem=192, timeout=600, kernels=("6.12",))
def test_R22_network_comes_back(lab):
    """hc0 is taken away, the daemon is killed: both ways it is there again and the nodes find each other."""
    c = Joined(lab).up()
    n1, n2 = lab.node(1), lab.node(2)
    n2.run("ip link add dummy0 type dummy && ip link show hc0")
    n1.run("ip link del hc0")
    c.stop_daemon(n1)
    c.start_daemon(n1)
    c.wait(lambda: c.peer(n1, 2).get("state") == "live", "n1 sees n2 after hc0 was deleted")
    c.say("back after hc0 was deleted")
    # An interface of that name that is somebody else's is left alone, and told.
    c.stop_daemon(n2)
    n2.run("ip link del hc0 && ip link add hc0 type dummy")
    c.start_daemon(n2)
    c.wait(lambda: "not WireGuard" in n2.output("hyperchain cluster show --json"), "n2 tells why")
    n2.run("ip link del hc0")
    c.wait(lambda: c.peer(n1, 2).get("state") == "live", "n1 sees n2 again")
