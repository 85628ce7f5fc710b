# SPDX-License-Identifier: GPL-2.0-or-later
"""Images that are damaged or hostile: refused with a sentence, or harmless."""

from pathlib import Path

from labkit.cluster import Cluster
from labkit.environment import DIRECTORY, IMAGE, KEY, Environments
from labkit.vmtest import vmtest

OUT = f"{DIRECTORY}/images"
REFUSED = {
    "escape.tar": "leads out of it",
    "hardlink.tar": "leads out of it",
    "stranger.tar": "belongs to user 70000",
    "short.tar": "image",
    "damaged": "not what its name says",
    "linked": "can't be opened",
    "named": "by something else than its SHA-256",
    "arm": "no part for linux/amd64",
    "layerless": "1 to 127 layers",
    "broken": "index",
}
# All the host has that an image might have reached.
HOST = "find /etc /root /usr/local /dev -newer /tmp/stamp ! -path '/root/.ssh*' ! -path '/dev/pts*' ! -type d"


@vmtest(nodes=1, mem=640, disk=2048, tags=("ci",), timeout=600, kernels=("6.12",))
def test_R5_hostile_images(lab):
    c = Cluster(lab).up()
    n1 = lab.node(1)
    box = Environments(n1).start()
    n1.push(Path(__file__).parent / "programs/images.py", "/tmp/images.py")
    n1.run(f"python3 /tmp/images.py {IMAGE} {OUT}", 120)
    n1.run("modprobe fuse && touch /tmp/stamp")     # the view's device is the host's own doing
    c.say("images are made")
    for name, word in REFUSED.items():
        box.refused(f"create alice --image {OUT}/{name}", word)
        assert n1.output(f"ls {DIRECTORY}/env") == "", f"{name} left something behind"
    c.say("ten are refused")
    n1.run(f"hyperchain env create alice --image {OUT}/good --ssh-key {KEY}.pub", 300)
    box.wait_ssh("alice")
    assert n1.output(HOST) == "", n1.output(HOST)
    # Layers and what they take away.
    assert box.ssh("alice", "ls /gone") == "kept"
    assert box.ssh("alice", "ls /opaque") == "new"
    # Inside, all of it; and nothing is a device, nothing is root of the host.
    assert box.ssh("alice", "cat /etc/evil-absolute /etc/evil-link").split() == ["evil", "evil"]
    assert box.ssh("alice", "find / -xdev -type b -o -xdev -type c | grep -v ^/dev/ || true") == ""
    owner = int(n1.output(f"stat -c %u {DIRECTORY}/env/alice/root/setuid"))
    assert owner == 0x70000000 + 65536 * box.show("alice")["id"], owner
    result = n1.run(f"setpriv --reuid 12345 --regid 12345 --clear-groups ls {DIRECTORY}/env/alice/root", check=False)
    assert result.status and "Permission denied" in result.stderr, result
    c.say("the hostile one is harmless")
