# SPDX-License-Identifier: GPL-2.0-or-later
"""The module comes and goes."""

import os

from labkit.cluster import Cluster, together
from labkit.vmtest import vmtest


def cycle(c: Cluster, size_mib: int) -> None:
    """Everything from insmod to rmmod, with pages on the donor in between."""
    n1 = c.borrower
    c.swap_on(size="128M")
    c.track("A", nodes=(2,), memory="8M", replicas=1)
    hog = c.hog("A", f"-m {size_mib} -t 1")
    hog.wait_filled()
    # In use: refused, and nothing happens.
    refused = n1.run("rmmod hyperchain", check=False)
    assert refused.status and "in use" in refused.stderr.lower(), refused
    hog.wait()
    c.untrack("A")
    c.swap_off()


# What a round may leave behind, and what two measurements of the same kernel may differ by.
ROUND_KB, NOISE_KB = 4, 150


def kernel_memory_kb(node) -> int:
    """What the kernel has taken for itself: slabs, with the empty ones given back, and vmalloc (stacks of threads, too)."""
    return int(node.output("echo 3 >/proc/sys/vm/drop_caches; for f in /sys/kernel/slab/*/shrink; do echo 1 >$f; done; "
                           "awk '/^(SUnreclaim|VmallocUsed)/ { sum += $2 } END { print sum }' /proc/meminfo"))


def check_growth(used_kb: list[int]) -> None:
    """The first tenth of the rounds warms caches; from the second to the last tenth nothing may stay behind.
    In fifty rounds a connection that leaks, some 10 KiB each time, shows."""
    tenth = max(1, len(used_kb) // 10)
    early, late = min(used_kb[tenth:2 * tenth]), min(used_kb[-tenth:])
    rounds_between = len(used_kb) - 2 * tenth
    assert late - early < NOISE_KB + ROUND_KB * rounds_between, \
        f"kernel memory grew by {late - early} KiB in {rounds_between} rounds: {used_kb}"


def rounds(lab, count: int) -> None:
    c = Cluster(lab).up({2: "64M"})
    n1 = lab.node(1)
    used_kb = []
    for number in range(count):
        cycle(c, 16)
        for node in lab.nodes if number % 2 else [n1]:
            c.stop_daemon(node)
            node.run("rmmod hyperchain", 60)
            node.run("test ! -e /dev/hcswap0 && ! grep -q ^hyperchain /proc/modules")
        used_kb.append(kernel_memory_kb(n1))
        for node in lab.nodes if number % 2 else [n1]:
            c.load_module(node)
            c.start_daemon(node)
        c.wait_live()
        c.say(f"round {number + 1}: {used_kb[-1]} KiB of kernel memory")
        lab.check()
    check_growth(used_kb)


@vmtest(nodes=2, mem=256, tags=("ci",), timeout=600, kernels=("6.12",))
def test_R22_insmod_use_rmmod(lab):
    rounds(lab, 3)


@vmtest(nodes=2, mem=256, tags=("full", "soak"), timeout=3600, kernels=("6.12",))
def test_R22_insmod_use_rmmod_often(lab):
    rounds(lab, int(os.environ.get("HC_ROUNDS", "50")))


@vmtest(nodes=1, mem=256, timeout=200)
def test_R22_insmod_and_rmmod_alone(lab):
    """Twenty times without any use; parameters out of the module's hands are refused."""
    n1 = lab.node(1)
    n1.install()
    n1.run("for i in $(seq 20); do insmod /root/hyperchain.ko && rmmod hyperchain || exit 1; done", 150)
    for wrong in ("request_timeout_ms=never", "request_timeout_ms=0", "request_timeout_ms=99",
                  "request_timeout_ms=600001", "peer_grace_ms=3600001", "peer_grace_ms=-1", "helper_dir=bin"):
        assert n1.run(f"insmod /root/hyperchain.ko {wrong}", check=False).status, wrong
        assert f"{wrong.split(chr(61))[0]} takes" in n1.run("dmesg | tail -n 3").stdout, f"{wrong}: no reason was given"
    n1.run("insmod /root/hyperchain.ko peer_grace_ms=0 && "
           "! echo 0 >/sys/module/hyperchain/parameters/request_timeout_ms && "
           "echo 100 >/sys/module/hyperchain/parameters/request_timeout_ms && "
           "test $(cat /sys/module/hyperchain/parameters/request_timeout_ms) = 100 && rmmod hyperchain")
    n1.run("insmod /root/hyperchain.ko request_timeout_ms=1234 && "
           "test $(cat /sys/module/hyperchain/parameters/request_timeout_ms) = 1234 && rmmod hyperchain")


def module_users(node) -> int:
    """How often the module is pinned, from its line in /proc/modules."""
    return int(node.output("awk '$1 == \"hyperchain\" { print $3 }' /proc/modules"))


@vmtest(nodes=2, mem=256, timeout=600)
def test_R22_rmmod_of_a_donor_in_use(lab):
    """A donor that holds others' pages keeps its module, whatever happens to its daemon; when the
    pages are back, or their borrower is dropped, the module can go."""
    c = Cluster(lab).up({2: "64M"})
    n2 = lab.node(2)
    idle = module_users(n2)
    c.swap_on(size="128M")
    c.track("A", nodes=(2,), memory="8M", replicas=1)
    hog = c.hog("A", "-m 24 -t 3000").wait_filled()
    assert c.lent(2)["used"] > 8 << 20, c.lent(2)
    c.stop_daemon(n2)
    refused = n2.run("rmmod hyperchain", check=False)
    assert refused.status and "in use" in refused.stderr.lower(), refused
    hog.wait_worked(200).finish()
    c.say("rmmod was refused, and nobody noticed")
    c.untrack("A")
    c.swap_off()
    c.wait_empty(2)
    assert module_users(n2) == idle, "the module is pinned by pages that are gone"
    n2.run("rmmod hyperchain", 60)
    c.load_module(n2)
    c.start_daemon(n2)
    c.wait_live()
    c.say("again, and the borrower dies")
    c.swap_on(size="128M")
    c.track("A", nodes=(2,), memory="8M", replicas=1)
    c.hog("A", "-m 24 -t 3000").wait_filled()
    lab.node(1).kill()
    c.stop_daemon(n2)
    assert n2.run("rmmod hyperchain", check=False).status
    n2.run("hyperchain peer del 1 --force")
    assert module_users(n2) == idle, "a dropped peer left the module pinned"
    n2.run("rmmod hyperchain", 60)
    lab.check()


@vmtest(nodes=2, mem=256, timeout=400, kernels=("6.12",))
def test_R22_rmmod_with_live_peers(lab):
    """Both ends at the same moment, connections up, nothing borrowed: clean, and again."""
    c = Cluster(lab).up({2: "64M"})
    for _ in range(5):
        together(lambda node: node.run("kill -9 $(pgrep -x hyperchaind); rmmod hyperchain", 60), lab.nodes)
        together(c.load_module, lab.nodes)
        together(c.start_daemon, lab.nodes)
        c.wait_live()
        lab.check()
