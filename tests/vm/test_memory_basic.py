# SPDX-License-Identifier: GPL-2.0-or-later
"""Remote memory without faults: content, freeing, quotas, environments kept apart."""

import os

from labkit.cluster import MIB, Cluster, counted
from labkit.vmtest import vmtest

CI = ("ci",)
ONE = ("6.12",)
DONATE = {2: "96M", 3: "96M"}


def shared(**more):
    """Tests that leave the cluster as they found it."""
    return vmtest(nodes=3, mem=256, share=True, **{"timeout": 600, **more})


@shared(tags=CI, kernels=ONE)
def test_R20a_content_under_pressure(lab):
    """A working set of several times memory.max comes back byte for byte."""
    c = Cluster.ready(lab, DONATE)
    env = c.track("A", memory="8M")
    hog = c.hog("A", "-m 24 -t 10 -j 2 -z 10 -d 5")
    hog.wait_filled(workers=2)
    c.say("filled")
    assert c.env("A")["used"] > 8 * MIB, c.env("A")
    for donor in (2, 3):
        # Two copies, two donors: each has every page.
        rows = [row for row in c.leases(donor) if row["env"] == env and row["peer"] == 1]
        assert len(rows) == 1 and rows[0]["used"] > 8 * MIB, rows
    hog.wait()
    c.say(hog.summary())
    disk = c.disk()
    assert disk["reads"] > 500 and disk["writes"] > 3000 and not disk["refused"], disk
    c.check_healthy()


@shared(timeout=1500)
def test_R20a_content_for_minutes(lab):
    """The same for HC_MINUTES (3) minutes with more workers and pages thrown away all the time."""
    c = Cluster.ready(lab, DONATE)
    c.track("A", memory="24M")
    hog = c.hog("A", f"-m 72 -t {60 * int(os.environ.get('HC_MINUTES', '3'))} -j 4 -z 5 -d 10 -w 40")
    hog.wait(1200)
    c.say(hog.summary())
    c.check_healthy()


@shared()
def test_R20a_zero_pages_never_travel(lab, kernel):
    c = Cluster.ready(lab, DONATE)
    c.track("A", memory="8M")
    before = {donor: c.donor(donor)["writes"] for donor in (2, 3)}
    zero = c.disk()["zero"]
    hog = c.hog("A", "-m 24 -z 100 -w 0 -t 600").wait_filled()
    assert int(lab.node(1).read("/sys/fs/cgroup/A/memory.swap.current")) > 12 * MIB
    # Newer kernels keep them to themselves: not even the disk sees them.
    assert kernel != "6.1" or c.disk()["zero"] - zero > 12 * MIB, c.disk()
    after = {donor: c.donor(donor)["writes"] for donor in (2, 3)}
    # Its own few pages (stack, counters) are the only ones with content.
    travelled = sum(after.values()) - sum(before.values())
    assert travelled < 1000, f"{travelled} pages travelled"
    hog.finish()
    c.check_healthy()


@shared(kernels=ONE)
def test_R20a_memory_is_free_at_once(lab):
    """When a program ends, what it had borrowed goes back without delay."""
    c = Cluster.ready(lab, DONATE)
    env = c.track("A", memory="8M")
    hog = c.hog("A", "-m 32 -t 600").wait_filled()
    leased = {donor: c.lent(donor)["lent"] for donor in (2, 3)}
    assert min(leased.values()) >= 24 * MIB, leased
    hog.process.kill()
    hog.process.wait(check=False)

    # All but the few that the kernel keeps per processor.
    c.wait(lambda: c.env("A")["used"] < MIB, "the pages of a dead program are freed", 30)
    c.settle("A")
    disk = c.disk()
    assert disk["used"] == disk["swap_used"] == 0, f"the disk and the kernel disagree: {disk}"

    def is_back() -> bool:
        rows = [row for d in (2, 3) for row in c.leases(d) if row["env"] == env]
        return all(row["bytes"] <= 4 * MIB for row in rows)

    # What is left is kept ahead for the next page; without the environment it goes as well.
    c.wait(is_back, "empty slabs go back", 60)
    # No matter what the kernel still keeps of the program that ended last.
    c.hog("A", "-m 16 -t 0").wait()
    c.untrack("A")
    assert not c.show()["envs"], c.show()["envs"]
    lab.node(1).run("mkdir /sys/fs/cgroup/none")
    c.settle("none")
    lab.node(1).run("rmdir /sys/fs/cgroup/none")
    c.wait_empty(2, 60)
    c.wait_empty(3, 60)
    assert c.disk()["used"] == 0, c.disk()


@shared(tags=CI, kernels=ONE)
def test_R13_environments_keep_their_donors_apart(lab):
    """A's pages are on node 2 only, B's on node 3 only, also while both are busy."""
    c = Cluster.ready(lab, DONATE)
    a = c.track("A", nodes=(2,), memory="8M", replicas=1)
    b = c.track("B", nodes=(3,), memory="8M", replicas=1)
    hogs = [c.hog("A", "-m 16 -t 600 -s 1"), c.hog("B", "-m 16 -t 600 -s 2")]
    for hog in hogs:
        hog.wait_filled().wait_worked(300)
    held = {donor: {row["env"]: row["used"] for row in c.leases(donor) if row["used"]} for donor in (2, 3)}
    assert set(held[2]) == {a} and set(held[3]) == {b}, f"A is {a}, B is {b}: {held}"
    assert held[2][a] > 4 * MIB and held[3][b] > 4 * MIB, held
    for hog in hogs:
        hog.finish()
    c.check_healthy()


@shared(tags=CI, kernels=ONE)
def test_R20a_quota_holds_and_hurts_its_own_program_only(lab):
    c = Cluster.ready(lab, DONATE)
    env = c.track("A", memory="12M", quota="12M")
    c.track("B", memory="8M")
    greedy = c.hog("A", "-m 48 -t 600")
    modest = c.hog("B", "-m 12 -t 600").wait_filled()
    c.events.wait("quota", env=env)
    refused = c.env("A")
    assert refused["used"] <= 12 * MIB and refused["refused"] > 0, refused
    lab.node(1).run("true", timeout=30)
    modest.wait_worked(200).finish()

    def is_over() -> bool:
        return greedy.process.poll() is not None

    # Nothing more fits: the kernel ends it inside its cgroup. It never sees wrong bytes.
    c.wait(is_over, "the greedy program ends")
    assert "WRONG" not in greedy.said, greedy.tail()
    killed = counted(lab.node(1).read("/sys/fs/cgroup/A/memory.events"))
    assert killed["oom_kill"] > 0, killed
    assert c.env("A")["used"] <= 12 * MIB
    c.check_healthy()


@shared(kernels=ONE)
def test_R20a_who_is_no_environment_stays_off_the_disk(lab):
    """A write of an unbound cgroup is refused; its program is not hurt more than without swap."""
    c = Cluster.ready(lab, DONATE)
    n1 = lab.node(1)
    n1.run("mkdir /sys/fs/cgroup/plain && echo 12M >/sys/fs/cgroup/plain/memory.max")
    try:
        before = c.disk()
        stranger = c.hog("plain", "-m 48 -t 5")
        c.wait(lambda: stranger.process.poll() is not None, "the program without environment ends")
        after = c.disk()
        assert after["refused"] > before["refused"], after
        assert after["used"] == before["used"] and after["lost"] == 0, after
        assert "WRONG" not in stranger.said and "LOST page" not in stranger.said, stranger.tail()
        assert counted(n1.read("/sys/fs/cgroup/plain/memory.events"))["oom_kill"] > 0, stranger.tail()
        for pid in ("1", "$(pgrep -ox hyperchaind)"):
            swapped = n1.output(f"grep -h VmSwap /proc/{pid}/status")
            assert swapped.split()[1] == "0", f"{pid}: {swapped}"
    finally:
        n1.run("echo 1 >/sys/fs/cgroup/plain/cgroup.kill")
        n1.wait_for("rmdir /sys/fs/cgroup/plain")
    c.check_healthy()


@shared(tags=CI, kernels=ONE)
def test_R20a_huge_pages(lab):
    c = Cluster.ready(lab, DONATE)
    setting = "/sys/kernel/mm/transparent_hugepage/enabled"
    lab.node(1).run(f"echo always >{setting}")
    try:
        c.track("A", memory="12M")
        hog = c.hog("A", "-m 28 -t 5 -H -d 5")
        hog.wait()
        c.check_healthy()
    finally:
        lab.node(1).run(f"echo madvise >{setting}")


@shared(kernels=ONE)
def test_R20a_discard(lab):
    """A discard of the whole disk frees every page on the donors; what is written after it is right."""
    c = Cluster.ready(lab, DONATE)
    n1 = lab.node(1)
    c.track("A", memory="max")
    n1.run("swapoff /dev/hcswap0")
    try:
        inside = "echo 0 >/sys/fs/cgroup/A/cgroup.procs; "
        n1.run("head -c 8M /dev/urandom >/tmp/data")
        write = f"{inside} dd if=/tmp/data of=/dev/hcswap0 bs=64k seek=16 oflag=direct conv=notrunc status=none"
        compare = ("dd if=/dev/hcswap0 bs=64k skip=16 count=128 iflag=direct status=none | cmp - /tmp/data")
        n1.run(write)
        assert c.env("A")["used"] == 8 * MIB, c.env("A")
        n1.run(compare)
        n1.run("blkdiscard -f -o 1M /dev/hcswap0")
        assert c.env("A")["used"] == 0, c.env("A")
        c.wait(lambda: all(c.lent(d)["used"] == 0 for d in (2, 3)), "discarded pages are given back")
        assert n1.run(compare, check=False).status, "discarded pages were read back"
        n1.run(write)
        n1.run(compare)
        n1.run("blkdiscard -f -o 1M /dev/hcswap0")
    finally:
        n1.run("swapon /dev/hcswap0")
    c.check_healthy()


@shared(kernels=ONE)
def test_R20a_discard_of_a_part(lab):
    """What a part of the disk held leaves the donors as well, slab by slab; the rest stays."""
    c = Cluster.ready(lab, DONATE)
    n1 = lab.node(1)
    c.track("A", memory="max")
    n1.run("swapoff /dev/hcswap0")
    try:
        n1.run("head -c 8M /dev/urandom >/tmp/data && tail -c 3M /tmp/data >/tmp/rest && "
               "echo 0 >/sys/fs/cgroup/A/cgroup.procs; "
               "dd if=/tmp/data of=/dev/hcswap0 bs=64k seek=16 oflag=direct conv=notrunc status=none")
        assert all(c.lent(d)["used"] == 8 * MIB for d in (2, 3)), [c.lent(d) for d in (2, 3)]
        n1.run("blkdiscard -f -o 1M -l 5M /dev/hcswap0")
        assert c.env("A")["used"] == 3 * MIB, c.env("A")
        # A slab may hold pages of both parts.
        c.wait(lambda: all(c.lent(d)["used"] <= 4 * MIB for d in (2, 3)), "discarded pages are given back", 60)
        assert all(c.lent(d)["used"] >= 3 * MIB for d in (2, 3)), [c.lent(d) for d in (2, 3)]
        n1.run("dd if=/dev/hcswap0 bs=64k skip=96 count=48 iflag=direct status=none | "
               "cmp - /tmp/rest")
        n1.run("blkdiscard -f -o 1M /dev/hcswap0")
    finally:
        n1.run("swapon /dev/hcswap0")
    c.check_healthy()


@shared(kernels=ONE)
def test_R20a_checksum_off_and_on(lab):
    c = Cluster.ready(lab, DONATE)
    for more, is_on in (("--no-checksum", False), ("", True)):
        c.swap_off()
        c.swap_on(more=more)
        assert c.disk()["checksum"] is is_on, c.disk()
        c.track("A", memory="8M")
        c.hog("A", "-m 24 -t 3").wait()
        c.untrack("A")
        c.check_healthy()


@shared(kernels=ONE)
def test_R20a_swap_off_brings_every_page_back(lab):
    c = Cluster.ready(lab, DONATE)
    c.track("A", memory="8M")
    hog = c.hog("A", "-m 32 -t 600 -j 2").wait_filled(workers=2)
    lab.node(1).run("echo 64M >/sys/fs/cgroup/A/memory.max")
    c.swap_off()
    hog.finish()
    c.wait_empty(2)
    c.wait_empty(3)
    c.swap_on()
    lab.check()


@vmtest(nodes=4, mem=192, timeout=600, kernels=ONE)
def test_R20a_three_donors_share_evenly(lab):
    c = Cluster(lab).up({2: "64M", 3: "64M", 4: "64M"})
    c.swap_on()
    c.track("A", nodes=(2, 3, 4), memory="8M")
    hog = c.hog("A", "-m 48 -t 600").wait_filled()
    used = {donor: c.lent(donor)["used"] // MIB for donor in (2, 3, 4)}
    c.say(f"MiB on the donors: {used}")
    assert sum(used.values()) > 2 * 36, used
    assert max(used.values()) < 1.5 * min(used.values()), f"uneven: {used}"
    hog.finish()
    c.check_healthy()
