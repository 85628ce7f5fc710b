# SPDX-License-Identifier: GPL-2.0-or-later
"""A donor dies, freezes, is cut off, slowed, loaded anew: with local backing nothing is ever lost.

Node 1 borrows from 2 and 3 and has its scratch disk as local backing. A program that checks itself
works all the time; each test ends with everybody back and every page with its copies.
"""

import os
import time

from labkit.cluster import BRISK, Cluster, Hog
from labkit.vmtest import vmtest

CI = ("ci",)
ONE = ("6.12",)
DONATE = {2: "96M", 3: "96M"}


def faults(**more):
    return vmtest(nodes=3, mem=256, share=True, **{"timeout": 700, "kernels": ONE, **more})


def ready(lab) -> Cluster:
    return Cluster.ready(lab, DONATE, swap={"backing": True}, params=BRISK)


def busy(c: Cluster, options: str = "-m 24 -j 2 -d 3", memory: str = "8M", **more) -> Hog:
    """A program under pressure in environment A."""
    c.track("A", memory=memory, **more)
    workers = 2 if "-j 2" in options else 1
    hog = c.hog("A", f"{options} -t 3000").wait_filled(workers=workers).wait_worked(200)
    c.say("the program is at work")
    return hog


def finish(c: Cluster, hog: Hog) -> None:
    hog.finish()
    c.say(hog.summary())
    c.check_healthy()


def kill_and_return(c: Cluster, hog: Hog, number: int) -> None:
    """The plug of donor @number is pulled; the program goes on, repair heals, the donor comes back."""
    node = c.lab.node(number)
    before = c.donor(number)["epoch"]
    earlier = {kind: len(c.events.of(kind, number)) for kind in ("peer-lost", "peer-dropped")}
    repaired = len(c.events.of("repaired"))
    node.kill()
    c.events.wait("peer-lost", peer=number, count=earlier["peer-lost"] + 1)
    c.events.wait("peer-dropped", peer=number, count=earlier["peer-dropped"] + 1)
    c.say(f"n{number} is given up")
    hog.wait_worked(100)
    c.wait_whole()
    c.events.wait("repaired", count=repaired + 1)
    c.say("every page has its copies")
    hog.wait_worked(100)
    c.reboot(node)
    assert c.donor(number)["epoch"] > before, "the lease epoch was not raised"
    hog.wait_worked(100)


@faults(tags=CI, kernels=("6.1", "6.12"))
def test_R20a_donor_killed_under_load(lab):
    c = ready(lab)
    hog = busy(c)
    kill_and_return(c, hog, 2)
    assert "degraded" in c.events.kinds(), c.events.text()
    finish(c, hog)


@faults(tags=CI)
def test_R20a_only_donor_killed(lab):
    """With one donor the second copy is on the local disk: all pages survive."""
    c = ready(lab)
    hog = busy(c, nodes=(2,))
    local = c.disk()["local"]
    assert local >= c.env("A")["used"] * 0.8, f"{local} bytes local of {c.env('A')['used']}"
    lab.node(2).kill()
    c.events.wait("peer-dropped", peer=2)
    hog.wait_worked(300)
    assert c.env("A")["lost"] == 0
    finish(c, hog)


@faults(tags=CI)
def test_R20a_all_donors_killed_with_backing(lab):
    """Every page is read from or written to the local disk; nothing is lost. One after the other:
    two at the same moment take both copies, see test_memory_loss."""
    c = ready(lab)
    hog = busy(c)
    for number in (2, 3):
        lab.node(number).kill()
        c.events.wait("peer-dropped", peer=number)
        c.say(f"n{number} is given up")
        hog.wait_worked(50)
        c.wait_whole()
    hog.wait_worked(200)
    assert c.env("A")["lost"] == 0
    finish(c, hog)


@vmtest(nodes=2, mem=256, timeout=700, kernels=ONE)
def test_R20a_the_host_stays_off_the_backing(lab):
    """A program of no environment is refused where a local device has room, too: the device may fail what it took."""
    c = Cluster(lab).up({2: "96M"}, params=BRISK)
    c.swap_on(backing=True)
    n1 = lab.node(1)
    n1.run("mkdir /sys/fs/cgroup/plain && echo 12M >/sys/fs/cgroup/plain/memory.max")
    before = c.disk()
    stranger = c.hog("plain", "-m 48 -t 5")
    c.wait(lambda: stranger.process.poll() is not None, "the program without environment ends")
    after = c.disk()
    assert after["refused"] > before["refused"], after
    assert after["used"] == before["used"] and after["local"] == before["local"], after
    lab.check()


@vmtest(nodes=2, mem=256, timeout=700, kernels=ONE)
def test_R20a_backing_fails_what_it_acknowledged(lab):
    """Pages that the local device loses after they were stored count as one copy less at once: told, copied
    again when the device works, and then the only donor may die."""
    c = Cluster(lab).up({2: "96M"}, params=BRISK)
    n1 = lab.node(1)

    def device(target: str, how: str) -> None:
        n1.run(f"DM_DISABLE_UDEV=1 dmsetup {how} fails --table \"0 $(blockdev --getsz /dev/vdb) {target}\"")

    device("linear /dev/vdb 0", "create")
    c.swap_on(more="--backing /dev/mapper/fails --force --no-encrypt")
    c.track("A", nodes=(2,), memory="8M")
    hog = c.hog("A", "-m 24 -t 3000").wait_filled().wait_worked(100)
    n1.run("echo 1 >/sys/fs/cgroup/A/cgroup.freeze")
    before = c.disk()
    assert before["degraded"] == 0 and before["backing_errors"] == 0, before
    # What is written now is acknowledged from the ring, and waits for a device that will fail it.
    n1.run("DM_DISABLE_UDEV=1 dmsetup suspend fails && { echo 4M >/sys/fs/cgroup/A/memory.reclaim || true; }")
    assert c.disk()["writes"] >= before["writes"] + 256, "nothing was swapped out"
    device("error", "load")
    n1.run("DM_DISABLE_UDEV=1 dmsetup resume fails")
    event = c.events.wait("backing-error")
    assert event["count"] > 0 and "/dev/mapper/fails" in event["text"], event
    broken = c.wait(lambda: (disk := c.disk())["degraded"] >= 256 * 4096 and disk, "what it lost counts as degraded")
    assert broken["backing_errors"] >= 256 and broken["lost"] == 0, broken
    device("linear /dev/vdb 0", "load")
    n1.run("DM_DISABLE_UDEV=1 dmsetup resume fails")
    c.wait_whole()
    c.say("copied again")
    n1.run("echo 0 >/sys/fs/cgroup/A/cgroup.freeze")
    lab.node(2).kill()
    c.events.wait("peer-dropped", peer=2)
    hog.wait_worked(300)
    finish(c, hog)


@faults()
def test_R20a_donor_frozen_and_thawed(lab):
    """Silent for longer than the deadline and the grace: it is given up, and comes back as new."""
    c = ready(lab)
    hog = busy(c)
    before = c.donor(3)["epoch"]
    lab.node(3).freeze()
    c.events.wait("peer-dropped", peer=3)
    c.say("n3 is given up")
    hog.wait_worked(100)
    c.wait_whole()
    lab.node(3).thaw()
    c.wait_live()
    c.say("n3 is back")
    check_returned(c, 3, before)
    hog.wait_worked(100)
    finish(c, hog)


@faults()
def test_R20a_short_freeze_changes_nothing(lab):
    c = ready(lab)
    hog = busy(c)
    before = c.donor(3)["epoch"]
    lab.node(3).freeze()
    time.sleep(2)       # not a wait for something: this is how long it is frozen
    lab.node(3).thaw()
    hog.wait_worked(200)
    assert "peer-dropped" not in c.events.kinds(), c.events.text()
    assert c.donor(3)["epoch"] == before
    finish(c, hog)


def check_returned(c: Cluster, number: int, epoch_before: int) -> None:
    """A donor that was given up and came back with old data: the data is void on both sides."""
    seen = c.donor(number)
    assert seen["epoch"] > epoch_before, f"the epoch was not raised: {seen}"

    def is_clean() -> bool:
        rows = [row for row in c.leases(number) if row["peer"] == c.borrower.number]
        return all(row["epoch"] >= seen["epoch"] for row in rows)

    c.wait(is_clean, f"n{number} ends its leases of old epochs", 60)
    assert c.peer(c.lab.node(number), c.borrower.number)["their_epoch"] >= seen["epoch"]


@faults(tags=CI)
def test_R20a_donor_cut_off_returns_with_old_data(lab):
    c = ready(lab)
    n3 = lab.node(3)
    hog = busy(c)
    before = c.donor(3)["epoch"]
    n3.cut()
    c.events.wait("peer-dropped", peer=3)
    c.say("n3 is given up")
    # It still holds what it was given, and does not know yet.
    old = [row for row in c.leases(3) if row["peer"] == 1]
    assert sum(row["used"] for row in old) > 0 and all(row["epoch"] == before for row in old), old
    hog.wait_worked(100)
    n3.heal()
    c.wait_live()
    c.say("n3 is back")
    check_returned(c, 3, before)
    hog.wait_worked(200)
    assert c.disk()["bad_sums"] == 0, "a page of an old lease was used"
    finish(c, hog)


@faults()
def test_R20a_donor_slow(lab):
    """100 ms of delay and 3 % of loss each way: slower, nothing else."""
    c = ready(lab)
    hog = busy(c)
    lab.node(2).slow(delay="100ms 20ms", loss="3%")
    try:
        hog.wait_worked(200)
        c.wait(lambda: c.donor(2)["rtt_us"] > 50000, "the borrower measures the delay", 60)
    finally:
        lab.node(2).fast()
    hog.wait_worked(100)
    finish(c, hog)


@faults()
def test_R20a_donor_loads_its_module_anew(lab):
    """Another incarnation: what the old one held is given up at once, without any grace."""
    c = ready(lab)
    n2 = lab.node(2)
    hog = busy(c)
    before = c.donor(2)["epoch"]
    c.stop_daemon(n2)
    # It holds pages, so it has to be told that nobody is to get them back.
    assert "in use" in n2.run("rmmod hyperchain", check=False).stderr.lower()
    told = n2.run("hyperchain peer del 1", check=False)
    assert told.status and "lends memory to node 1" in told.stderr, told
    n2.run("hyperchain peer del 1 --force")
    n2.run("rmmod hyperchain", 60)
    c.load_module(n2)
    c.start_daemon(n2)
    c.wait_live()
    c.say("n2 is back")
    check_returned(c, 2, before)
    c.wait_whole()
    hog.wait_worked(200)
    finish(c, hog)


@faults()
def test_R20a_donor_rebooted(lab):
    """Off and on faster than it is given up, perhaps: its memory is empty all the same."""
    c = ready(lab)
    n2 = lab.node(2)
    hog = busy(c)
    before = c.donor(2)["epoch"]
    n2.kill()
    c.reboot(n2)
    check_returned(c, 2, before)
    c.wait_whole()
    hog.wait_worked(200)
    finish(c, hog)


@faults(tags=CI)
def test_R20a_donor_rebooted_without_its_clock(lab):
    """Its state file is lost and its clock is years behind: the lease epoch it comes with is one
    that everybody has seen the end of, and it is let in all the same."""
    c = ready(lab)
    n2 = lab.node(2)
    hog = busy(c)
    before = {other: c.peer(lab.node(other), 2)["their_epoch"] for other in (1, 3)}
    n2.kill()
    n2.boot()
    n2.run("date -s 2001-02-03")
    n2.run("test ! -e /var/lib/hyperchain/state.json")
    c.start_node(n2)
    started = c.show(n2)["node"]["epoch"]
    c.wait_live()
    c.say(f"n2 began with epoch {started} and is back with {c.peer(n2, 1)['epoch']}")
    assert started < before[1], "the test is none: its epoch was not lower"
    for other in (1, 3):
        assert c.peer(lab.node(other), 2)["their_epoch"] > before[other]
        assert c.peer(n2, other)["epoch"] == c.peer(lab.node(other), 2)["their_epoch"]
    c.wait_whole()
    hog.wait_worked(200)
    finish(c, hog)


@faults(kernels=("6.1", "6.12"))
def test_R20a_connections_break_under_load(lab):
    """Resets on the wire: requests are sent again on what is left, connections come back."""
    c = ready(lab)
    n1 = lab.node(1)
    hog = busy(c)
    for _ in range(5):
        n1.run("ss -K dst 10.77.0.2 dport = 7701; ss -K dst 10.77.0.2 sport = 7701; true")
        hog.wait_worked(50)
    c.wait_live()
    assert c.events.of("conn-failed", 2), c.events.text()
    c.wait_whole()
    finish(c, hog)


@faults(tags=("soak",), timeout=20000)
def test_R20a_kill_again_and_again(lab):
    """HC_SOAK_N (100) times the plug of a donor is pulled under load; nobody waits for more than ten seconds."""
    c = ready(lab)
    # The kernel itself tells of a task that sleeps for longer than this; that fails the test.
    lab.node(1).run("echo 10 >/proc/sys/kernel/hung_task_timeout_secs")
    hog = busy(c, "-m 48 -j 2 -d 3", "16M")
    for count in range(int(os.environ.get("HC_SOAK_N", "100"))):
        kill_and_return(c, hog, 2 + count % 2)
        c.say(f"kill {count + 1} survived")
        c.lab.check()
    finish(c, hog)
