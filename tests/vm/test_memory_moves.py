# SPDX-License-Identifier: GPL-2.0-or-later
"""Pages move while their program runs: drains, donors short of memory, daemons that come and go."""

from labkit.cluster import MIB, Cluster, Hog
from labkit.vmtest import vmtest

ONE = ("6.12",)
DONATE = {2: "96M", 3: "96M"}


def moves(**more):
    return vmtest(nodes=3, mem=256, share=True, **{"timeout": 600, "kernels": ONE, **more})


def ready(lab) -> Cluster:
    return Cluster.ready(lab, DONATE, swap={"backing": True})


def busy(c: Cluster, more: str = "", **track) -> Hog:
    c.track("A", memory="8M", **track)
    hog = c.hog("A", f"-m 24 -j 2 -t 3000 {more}").wait_filled(workers=2).wait_worked(100)
    c.say("the program is at work")
    return hog


@moves()
def test_R8_donor_drains_itself_under_load(lab):
    """`memory drain` on the donor: its pages move while the program runs; then it can leave."""
    c = ready(lab)
    n2 = lab.node(2)
    hog = busy(c)
    assert c.lent(2)["used"] > 0
    n2.run("hyperchain memory drain --wait --timeout 240", 300)
    c.say("n2 is drained")
    pool = c.lent(2)
    assert pool["lent"] == 0 and pool["used"] == 0 and pool["draining"], pool
    assert c.donor(2)["borrowed"] == 0 and c.donor(2)["they_drain"], c.donor(2)
    hog.wait_worked(100)
    assert c.lent(2)["lent"] == 0, "a draining node lent again"
    # It can go now: nobody misses it.
    n2.kill()
    c.wait(lambda: c.donor(2)["state"] != "live", "n2 is missed")
    hog.wait_worked(100)
    hog.finish()
    c.check_healthy()
    assert c.disk()["lost"] == 0


@moves()
def test_R8_borrower_drains_a_peer(lab):
    """`memory drain --peer 3`: the borrower moves its own pages off, and later uses it again."""
    c = ready(lab)
    n1 = lab.node(1)
    hog = busy(c)
    n1.run("hyperchain memory drain --peer 3 --wait --timeout 240", 300)
    c.say("n3 is empty")
    assert c.donor(3)["borrowed_used"] == 0, c.donor(3)
    c.events.wait("drained", peer=3)
    hog.wait_worked(100)
    assert c.lent(3)["used"] == 0, c.lent(3)
    n1.run("hyperchain memory drain --peer 3 --off")
    hog.wait_worked(100)
    c.wait(lambda: c.lent(3)["used"] > 0, "n3 is used again")
    hog.finish()
    c.check_healthy()


@moves()
def test_R8_donor_short_of_memory_calls_back(lab):
    """A program on the donor eats its memory: slabs are called back and their pages move."""
    c = ready(lab)
    n2 = lab.node(2)
    hog = busy(c)
    lent = c.lent(2)["lent"]
    assert lent > 8 * MIB, lent
    available = c.show(n2)["node"]["memory_available"] // MIB
    # The pool keeps 16 MiB for the node itself; this leaves four.
    glutton = c.hog(None, f"-m {available - 4} -w 0 -t 3000", node=n2)
    try:
        c.wait(lambda: c.lent(2)["lent"] <= lent - 6 * MIB, "n2 gets its memory back")
        c.say(f"n2 lends {c.lent(2)['lent'] // MIB} of {lent // MIB} MiB")
        hog.wait_worked(100)
    finally:
        glutton.process.kill()
    hog.wait_worked(50)
    hog.finish()
    c.check_healthy()
    # The donor's own program was never killed for what it had lent.
    assert "oom" not in n2.console().lower(), "the donor ran out of memory"


@moves()
def test_R8_no_program_dies_for_what_its_node_lent(lab):
    """The donor keeps no reserve, and its own program wants more than is free: what is lent comes
    back while the kernel looks for memory, and nobody is killed."""
    c = ready(lab)
    n2 = lab.node(2)
    hog = busy(c)
    lent = c.lent(2)["lent"]
    assert lent > 8 * MIB, lent
    n2.run("hyperchain memory donate 96M --reserve 0")
    available = c.show(n2)["node"]["memory_available"] // MIB
    glutton = c.hog(None, f"-m {available + 3} -w 0 -t 3000", node=n2)
    try:
        glutton.wait_filled()
        c.say(f"n2 lends {c.lent(2)['lent'] // MIB} of {lent // MIB} MiB")
        assert c.lent(2)["lent"] < lent
        hog.wait_worked(50)
    finally:
        glutton.process.kill()
        n2.run("hyperchain memory donate 96M --reserve 16M")
    hog.wait_worked(50)
    hog.finish()
    c.check_healthy()
    assert "out of memory" not in n2.console().lower(), "the donor killed a program"


@vmtest(nodes=3, mem=256, kernels=ONE, timeout=700)
def test_R8_who_has_no_other_place_hides_nobody(lab):
    """Node 1 borrows from 2 alone and can put its pages nowhere else; node 3 can. When node 2 gets
    short it asks 1 first, in vain, and then gets its memory back from 3."""
    c = Cluster(lab).up({2: "96M"})
    c.swap_on()
    c.track("A", nodes=(2,), memory="8M", replicas=1)
    stuck = c.hog("A", "-m 16 -w 0 -t 3000").wait_filled()
    n2, n3 = lab.node(2), lab.node(3)
    other = Cluster(lab, borrower=3)
    other.swap_on(backing=True)
    other.track("B", nodes=(2,), memory="8M", replicas=1)
    free = other.hog("B", "-m 20 -t 3000").wait_filled()
    c.say("both are at work")

    def lent_to(number: int) -> int:
        return sum(row["bytes"] for row in c.leases(2) if row["peer"] == number)

    mine, theirs = lent_to(1), lent_to(3)
    assert mine > 8 * MIB and theirs > 8 * MIB, (mine, theirs)
    # What is called back of n1, who came first, does not come.
    limit = (mine + theirs) // MIB - 6
    n2.run(f"hyperchain memory donate {limit}M")
    c.wait(lambda: c.lent(2)["lent"] <= limit * MIB, "n2 gets its memory back")
    c.say(f"n2 lends {lent_to(1) // MIB} of {mine // MIB} MiB to n1, {lent_to(3) // MIB} of {theirs // MIB} MiB to n3")
    assert lent_to(3) < theirs, "what n3 had stayed"
    stuck.wait_worked(50).finish()
    free.wait_worked(50).finish()
    c.check_healthy()


@moves(tags=("ci",))
def test_R22_daemon_killed_and_restarted_under_load(lab):
    """kill -9, both ends in turn: memory does not notice; the new daemon takes the connections over."""
    c = ready(lab)
    hog = busy(c)
    before = {(a.number, b.number): c.peer(a, b.number) for a in lab.nodes for b in lab.nodes if a is not b}
    for node in (lab.node(1), lab.node(2)):
        c.stop_daemon(node)
        hog.wait_worked(50)
        c.start_daemon(node)
        c.say(f"{node.name} has a new daemon")
    c.events.wait("daemon-gone")
    hog.wait_worked(100)
    c.wait_live()
    for (a, b), old in before.items():
        new = c.peer(lab.node(a), b)
        for key in ("epoch", "their_epoch", "connections"):
            assert new[key] == old[key], f"n{a} sees another {key} of n{b}: {old} then {new}"
    noticed = c.events.kinds() & {"peer-lost", "peer-dropped", "conn-failed", "degraded", "pages-lost"}
    assert not noticed, c.events.text()
    # It is the environment's daemon again, too.
    answer = c.ask(lab.node(1), "env list")
    assert [env["name"] for env in answer["envs"]] == ["A"], answer
    hog.finish()
    c.check_healthy()


@moves()
def test_R22_memory_works_without_any_daemon(lab):
    c = ready(lab)
    hog = busy(c)
    for node in lab.nodes:
        c.stop_daemon(node)
    hog.wait_worked(500)
    assert not c.events.kinds() - {"daemon-gone"}, c.events.text()
    for node in lab.nodes:
        c.start_daemon(node)
    c.wait_live()
    hog.finish()
    c.check_healthy()


@moves()
def test_R13_donor_taken_off_the_list_is_emptied(lab):
    c = ready(lab)
    hog = busy(c)
    c.track("A", nodes=(2,), memory="8M")
    c.wait(lambda: not [row for row in c.leases(3) if row["used"]], "n3 is emptied")
    c.wait_whole()
    hog.wait_worked(100)
    hog.finish()
    c.check_healthy()
