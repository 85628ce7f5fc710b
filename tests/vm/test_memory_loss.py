# SPDX-License-Identifier: GPL-2.0-or-later
"""No local backing: what survives the donors, and what is said when nothing does."""

import time

from labkit.cluster import BRISK, PATIENT, Cluster
from labkit.vmtest import vmtest

ONE = ("6.12",)
DONATE = {2: "96M", 3: "96M"}


@vmtest(nodes=3, mem=256, tags=("ci",), kernels=ONE, timeout=600)
def test_R20a_all_donors_gone(lab):
    """A program that touches a page without any copy gets SIGBUS soon; no wrong bytes, nobody hangs."""
    c = Cluster(lab).up(DONATE, params={"request_timeout_ms": 5000, "peer_grace_ms": 1000})
    c.swap_on()
    n1 = lab.node(1)
    a = c.track("A", memory="8M")
    c.track("B", memory="64M")
    # The kernel itself tells of a task that sleeps for longer than this; that fails the test.
    n1.run("echo 10 >/proc/sys/kernel/hung_task_timeout_secs")
    victim = c.hog("A", "-m 24 -w 0 -t 3000").wait_filled().wait_worked(100)
    tough = c.hog("A", "-m 16 -w 0 -t 3000 -b -s 7").wait_filled()
    bystander = c.hog("B", "-m 24 -t 3000").wait_filled()
    c.say("programs are at work")
    for number in (2, 3):
        lab.node(number).kill()
    began = time.monotonic()
    status = victim.process.wait(60, check=False).status
    c.say(f"SIGBUS after {time.monotonic() - began:.1f} s")
    assert status == 3, victim.tail()
    assert "SIGBUS" in victim.process.stderr and victim.said.count("WRONG") == 0, victim.tail()
    lost = c.events.wait("pages-lost", env=a)
    assert lost["count"] > 0 and "SIGBUS" in lost["text"], lost
    assert lost["peer"] in (2, 3) and f"Environment A ({a}):" in lost["text"] and "(n" in lost["text"], "it does not say whose, or where they were"
    assert c.env("A")["lost"] > 0
    # One that goes on after SIGBUS never gets a wrong byte for the rest.
    assert tough.end() == 3, tough.tail()
    assert tough.number("BAD") == 0 and tough.number("LOST") > 0, tough.tail()
    c.say(tough.summary())
    bystander.wait_worked(200).finish()
    n1.run("true", timeout=30)
    lab.check()


@vmtest(nodes=3, mem=256, kernels=ONE, timeout=700)
def test_R20a_only_pages_without_a_copy_fail(lab):
    """One copy of each page, and one of two donors dies: pages that the kernel reads in one request with lost ones are right."""
    c = Cluster(lab).up(DONATE, params={"request_timeout_ms": 5000, "peer_grace_ms": 1000})
    c.swap_on()
    n1 = lab.node(1)
    a = c.track("A", memory="8M", replicas=1)
    # Pages of both donors lie side by side, and what is read ahead has some of each.
    n1.run("sysctl -qw vm.page-cluster=3")
    hog = c.hog("A", "-m 32 -w 0 -t 3000 -b").wait_filled().wait_worked(100)
    lab.node(2).kill()
    lost = c.events.wait("pages-lost", env=a)
    assert lost["count"] > 100 and c.env("A")["used"] > 0, lost
    hog.wait_worked(500)
    # In the end it looks at each of its pages.
    assert hog.end() == 3, hog.tail()
    c.say(f"{hog.summary()}; {lost['count']} pages had no copy left")
    assert hog.number("BAD") == 0 and 0 < hog.number("LOST") <= lost["count"], (hog.summary(), lost)
    n1.run("true", timeout=30)
    lab.check()


@vmtest(nodes=3, mem=256, kernels=ONE, timeout=700)
def test_R20a_one_of_two_donors_dies_without_backing(lab):
    """Every page still has one copy: reads go on, writes wait for a second donor; repair when it is back."""
    c = Cluster(lab).up(DONATE, params=BRISK)
    c.swap_on()
    c.track("A", memory="12M")
    hog = c.hog("A", "-m 32 -w 0 -t 3000").wait_filled().wait_worked(200)
    lab.node(2).kill()
    c.events.wait("peer-dropped", peer=2)
    c.events.wait("degraded")
    assert c.disk()["degraded"] > 0 and c.disk()["lost"] == 0, c.disk()
    c.reboot(lab.node(2))
    c.wait_whole()
    c.events.wait("repaired")
    hog.wait_worked(200)
    hog.finish()
    c.say(hog.summary())
    c.check_healthy()


@vmtest(nodes=3, mem=256, kernels=ONE, timeout=700)
def test_R20a_no_donor_has_room(lab):
    """Pages stay in RAM, an event says so, other programs and the host live."""
    c = Cluster(lab).up({2: "8M", 3: "8M"}, params=PATIENT)
    c.swap_on()
    env = c.track("A", memory="8M")
    c.track("B", memory="64M")
    greedy = c.hog("A", "-m 48 -t 3000")
    modest = c.hog("B", "-m 16 -t 3000").wait_filled()
    c.events.wait("no-room", env=env)
    modest.wait_worked(200).finish()
    c.wait(lambda: greedy.process.poll() is not None, "the greedy program ends")
    assert "WRONG" not in greedy.said and "LOST page" not in greedy.said, greedy.tail()
    assert all(c.lent(number)["lent"] <= 8 << 20 for number in (2, 3))
    c.check_healthy()
