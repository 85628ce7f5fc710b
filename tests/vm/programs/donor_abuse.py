# SPDX-License-Identifier: GPL-2.0-or-later
"""Donors that lie, err, stall and die (SPEC R20a); run as wire_abuse.py is. A
swap disk on the module stores its pages with fake donors: what it reads back is
right or an error, never anything else.
"""

import concurrent.futures as futures
import contextlib
import errno
import itertools
import os
import random
import socket
import threading
import time

from cases import case, expect, run, wait_until
from fabric import (ANSWER, EPOCH, HCW, INCARNATION, PAGE, Closed, Donor, Link, Msg, Rig, direct_read, ids, kind,
                    peer_get, request)
from genl import HC, nested, string, u8, u32, u64
from netlink_abuse import refused
from wire_abuse import GRACE_PARAMETER, LEASE_GRACE_PARAMETER, MIB, STATUS, Node, live, new_peer, set_parameter


class Lender:
    """A rig with two donors, of the classes given; all gone afterwards."""

    def __init__(self, *kinds: type, timeout_ms: int = 10000, grace_ms: int = 1000, replicas: int = 2, **more):
        self.node = Node(lend=0, timeout_ms=timeout_ms, grace_ms=grace_ms)
        self.peers = tuple(new_peer() for _ in kinds)
        self.rig = Rig(self.peers, replicas)
        self.donors = [kind_(peer, **more) for kind_, peer in zip(kinds, self.peers)]
        for donor in self.donors:
            donor.node = self.node

    def fill(self, pages: int = 64) -> dict[int, bytes]:
        """Write random pages; what was accepted has to be read back."""
        written = {}
        for slot in range(16, 16 + pages, 16):
            data = random.randbytes(16 * PAGE)
            if self.rig.write(slot, data) == 0:
                written.update({slot + k: data[k * PAGE:(k + 1) * PAGE] for k in range(16)})
        return written

    def never_wrong(self, written: dict[int, bytes]) -> int:
        """Read all back: right bytes or an error. How many were errors."""
        errors = 0
        for slot, data in written.items():
            try:
                expect(direct_read(slot) == data, f"slot {slot} read as other bytes than were written")
            except OSError as error:
                expect(error.errno == errno.EIO, f"slot {slot}: {error}")
                errors += 1
        return errors

    def __enter__(self) -> "Lender":
        return self

    def __exit__(self, kind_, *_) -> None:
        try:
            for donor in self.donors:
                donor.end()
        finally:
            self.rig.end()
            self.node.__exit__()


@case("donor")
def honest_donors():
    """The rig itself is right: else the cases below would prove nothing."""
    with Lender(Donor, Donor) as lender:
        written = lender.fill(256)
        expect(len(written) == 256, f"{len(written)} of 256 pages were accepted")
        expect(lender.never_wrong(written) == 0, "pages could not be read")
        expect(lender.rig.stat("BAD_SUMS") == 0 and lender.rig.stat("LOST") == 0, "something was found wrong")
        stored = [len(donor.pages) for donor in lender.donors]
        expect(min(stored) >= 256, f"the two donors hold {stored} pages")


class Corrupts(Donor):
    def on_read(self, m: Msg) -> Msg | bytes | None:
        answer = super().on_read(m)
        if answer.payload:
            at = random.randrange(len(answer.payload))
            spoilt = bytearray(answer.payload)
            spoilt[at] ^= 1 << random.randrange(8)
            return m.answer(payload=bytes(spoilt))
        return answer


@case("donor")
def corrupted_pages_of_one_donor():
    with Lender(Corrupts, Donor) as lender:
        written = lender.fill(128)
        expect(len(written) == 128, f"{len(written)} of 128 pages were accepted")
        for _ in range(10):
            expect(lender.never_wrong(written) == 0, "a page with a right copy could not be read")
            if lender.rig.stat("BAD_SUMS"):
                break
        expect(lender.rig.stat("BAD_SUMS") > 0, "no wrong sum was counted")
        event = lender.node.events.wait("BAD_SUM", lender.peers[0])
        expect("wrong" in event.text, f"the event says {event.text!r}")
        expect(lender.rig.stat("LOST") == 0, "pages were lost")
        expect(not lender.node.events.of("BAD_SUM", lender.peers[1]), "the honest one was blamed")
        errors = [lender.node.errors(peer) for peer in lender.peers]
        expect(errors[0] > 0 and errors[1] == 0, f"the errors of the liar and the honest one are {errors}")


@case("donor")
def corrupted_pages_of_all_donors():
    with Lender(Corrupts, Corrupts, timeout_ms=2000) as lender:
        written = lender.fill(32)
        expect(len(written) == 32, f"{len(written)} of 32 pages were accepted")
        errors = lender.never_wrong(written)
        expect(errors == len(written), f"only {errors} of {len(written)} reads failed")
        expect(lender.rig.stat("LOST") >= 32 * PAGE, "no loss was counted")
        lender.node.events.wait("PAGES_LOST")


@case("donor")
def donors_that_die_with_everything():
    """One event tells how much an environment lost with a donor, by name and node, however many
    slabs that were; a read that fails says whose page it was."""
    with Lender(Donor, Donor) as lender:
        written = lender.fill(3 * 256)
        expect(len(written) == 3 * 256, f"{len(written)} of 768 pages were accepted")
        for donor in lender.donors:
            donor.end()
        event = lender.node.events.wait("PAGES_LOST")
        wait_until(lambda: lender.rig.stat("LOST") == len(written) * PAGE, 20, "the loss of all pages")
        expect(event.count == len(written), f"the event tells of {event.count} pages: {event.text!r}")
        expect("Environment fake (1):" in event.text and f"node {event.peer}" in event.text and
               event.peer in lender.peers, f"whose pages, and where, is not in {event.text!r}")
        expect(lender.never_wrong(written) == len(written), "a lost page was read")
        failed = lender.node.events.wait("READ_FAILED")
        expect("Environment fake (1):" in failed.text, f"a failed read tells {failed.text!r}")
        more = [e.text for e in lender.node.events.of("PAGES_LOST")[1:]]
        expect(not more, f"the loss was told more than once: {more}")


@case("donor")
def an_environment_taken_up_again():
    """One that was deleted and still has pages: its id is not taken up with rules that its pages break."""
    with Lender(Donor, Donor) as lender:
        written = lender.fill(32)
        h, env, cgroup = lender.node.h, u32(HC["HC_A_ENV_ID"], 1), u64(HC["HC_A_ENV_CGROUP"], os.stat(Rig.CGROUP).st_ino)
        donors = [u32(HC["HC_A_ENV_DONOR"], peer) for peer in lender.peers]

        def add(replicas: int, nr: int):
            return h.call("ENV_ADD", env, string(HC["HC_A_ENV_NAME"], "fake"), u8(HC["HC_A_ENV_REPLICAS"], replicas),
                          nested(HC["HC_A_ENV_DONORS"], *donors[:nr]))
        h.must("CGROUP_UNBIND", cgroup)
        h.must("ENV_DEL", env)
        refused(add(1, 1), "other rules for pages that are still there", (errno.EBUSY,), "copies")
        refused(h.call("CGROUP_BIND", env, cgroup), "an environment that was refused", (errno.ENOENT,))
        expect(lender.never_wrong(written) == 0, "pages could not be read")
        reply = add(2, 2)
        expect(not reply.err, f"the same rules again: {reply}")
        h.must("CGROUP_BIND", env, cgroup)
        expect(len(lender.fill(32)) == 32, "it can't write any more")


class NeverReads(Donor):
    """Takes pages, and never gives one back."""

    def on_read(self, m: Msg) -> None:
        return None


@case("donor")
def a_donor_that_never_answers_reads():
    """Out of reach, though not lost: the failed read names node and environment."""
    with Lender(NeverReads, timeout_ms=1000, grace_ms=60000, replicas=1) as lender:
        written = lender.fill(16)
        expect(len(written) == 16, f"{len(written)} of 16 pages were accepted")
        slot = min(written)
        with futures.ThreadPoolExecutor(1) as one:
            reading = one.submit(lender.never_wrong, {slot: written[slot]})
            lender.node.events.wait("CONN_FAILED", lender.peers[0])
            # A read waits as long as the grace may last; what has begun to wait for this donor lasts longer.
            set_parameter(GRACE_PARAMETER, 1000)
            expect(reading.result(60) == 1, "a page came from nowhere")
        failed = lender.node.events.wait("READ_FAILED", lender.peers[0])
        expect("Environment fake (1):" in failed.text and f"node {lender.peers[0]} among" in failed.text,
               f"a failed read tells {failed.text!r}")
        expect(lender.rig.stat("LOST") == 0, "it was called lost before its time")


@case("donor")
def two_machines_of_one_number():
    """A clone of a node that answers is refused on every connection, and ends nothing of the first."""
    with Node() as node, live() as link:
        slab, = link.lease(1)
        expect(link.write(slab, 0, bytes(PAGE)) == 0, "WRITE")
        for epoch in (EPOCH, EPOCH + 1):
            with Link(link.peer, 1, incarnation=INCARNATION + 1, epoch=epoch) as clone:
                expect(clone.reply.err == errno.EPROTO and "another machine" in clone.reply.why, f"a clone: {clone.reply}")
        expect(node.errors(link.peer) >= 2, "the clone was not counted")
        expect(link.read(slab, 0).status == 0, "the clone ended a lease of the first")
        with Link(link.peer, 1) as other:
            expect(not other.reply.err, f"its own second connection: {other.reply}")


class Forgets(Donor):
    """Says of one page of each slab that it never got it."""

    def on_read(self, m: Msg) -> Msg | bytes | None:
        if m.page <= 5 < m.page + m.nr:
            return m.answer(status=HCW["HCW_EUNSET"])
        return super().on_read(m)


@case("donor")
def one_page_of_a_run_is_missing():
    """A request of many pages is refused for one of them: only that one counts as gone."""
    with Lender(Forgets, replicas=1) as lender:
        written = lender.fill(16)
        expect(len(written) == 16, f"{len(written)} of 16 pages were accepted")
        try:
            direct_read(min(written), 16)
            expect(False, "a page that its only holder does not have was read")
        except OSError as error:
            expect(error.errno == errno.EIO, f"the read ended with {error}")
        expect(lender.rig.stat("LOST") == PAGE, f"{lender.rig.stat('LOST')} bytes count as lost for one page")
        expect(lender.never_wrong(written) == 1, "other pages can't be read")


class SameSlab(Donor):
    def on_lease(self, m: Msg) -> Msg | bytes | None:
        return m.answer(payload=ids(*[7] * m.nr), nr=m.nr)


@case("donor")
def one_slab_lent_twice():
    with Lender(SameSlab, Donor, Donor) as lender:
        expect("lent before" in lender.node.events.wait("PEER_REFUSED", lender.peers[0]).text, "no event")
        expect(lender.node.errors(lender.peers[0]) > 0, "it was not counted")
        written = lender.fill(512)
        expect(lender.never_wrong(written) == 0, "pages could not be read")
        expect(len(written) == 512, f"{len(written)} of 512 pages were accepted")
        expect(peer_get(lender.node.h, lender.peers[0], "SLABS") <= MIB, "one slab counts as many")


class TooMany(Donor):
    def on_lease(self, m: Msg) -> Msg | bytes | None:
        return m.answer(payload=ids(*range(1, m.nr + 2)), nr=m.nr + 1)


@case("donor")
def more_slabs_than_asked_for():
    with Lender(TooMany, Donor) as lender:
        lender.node.ends(lender.peers[0], "more slabs than asked for", "more slabs than asked for")


class Liar(Donor):
    """Says it has everything, and has nothing."""

    def on_ping(self, m: Msg) -> Msg | bytes | None:
        return m.answer(arg=2**64 - 1)

    def on_lease(self, m: Msg) -> Msg | bytes | None:
        return m.answer(status=HCW["HCW_ENOMEM"], nr=0)


class Empty(Liar):
    """Lends nothing, and calls that success."""

    def on_lease(self, m: Msg) -> Msg | bytes | None:
        return m.answer(nr=0)


@case("donor")
def lies_about_its_size():
    for liar in (Liar, Empty):
        with Lender(liar, liar, timeout_ms=2000) as lender:
            started = time.monotonic()
            expect(lender.rig.write(16, random.randbytes(PAGE)) == errno.EIO, f"{liar.__name__}: a write went nowhere")
            expect(time.monotonic() - started < 60, f"{liar.__name__}: a write waited too long")
            before, began = lender.donors[0].count("LEASE"), time.monotonic()
            time.sleep(3)
            rate = (lender.donors[0].count("LEASE") - before) / (time.monotonic() - began)
            expect(rate < 50, f"{liar.__name__}: it was asked {rate:.0f} times a second")
            expect(lender.rig.stat("REFUSED") + lender.rig.stat("ERRORS") > 0, "the refusal was not counted")
            lender.node.events.wait("NO_ROOM")
        with Lender(liar, Donor, Donor) as lender:
            written = lender.fill(128)
            expect(len(written) == 128 and not lender.never_wrong(written), f"{liar.__name__} held up the honest ones")


@case("lend")
def a_dead_borrower_gives_all_back():
    """One that is only away keeps its slabs, until the grace of its leases is over."""
    set_parameter(LEASE_GRACE_PARAMETER, 4000)
    try:
        with Node(lend=8 * MIB, timeout_ms=2000) as node:
            with live() as link:
                for slab in link.lease(2):
                    expect(link.write(slab, 0, bytes(PAGE)) == 0, "WRITE")
            node.events.wait("PEER_LOST", link.peer)
            expect(node.lent() == 2 * MIB, "the leases ended with the connection")
            borrower = Donor(link.peer)     # it answers pings; that it lends, too, does not matter
            time.sleep(7)                   # not a wait for something: longer than the grace it did not need
            expect(node.lent() == 2 * MIB, "a lease ended though its borrower is there")
            borrower.end()
            wait_until(lambda: node.lent() == 0, 20, "the end of the leases of a borrower that is no more")
            wait_until(lambda: any("2 MiB that it had borrowed" in event.text
                                   for event in node.events.of("PEER_DROPPED", link.peer)), 10, "an event that says so")
    finally:
        set_parameter(LEASE_GRACE_PARAMETER, 86400000)


@case("lend")
def recall_past_a_silent_borrower():
    """It does not answer that it was told: the others are told all the same."""
    with Node(lend=8 * MIB) as node, live() as silent, live() as other:
        expect(len(silent.lease(2)) == 2, "LEASE")
        slabs = other.lease(2)
        node.h.must("POOL_SET", u8(HC["HC_A_POOL_DRAIN"], 1))
        told = other.await_request("RECALL", timeout=5)
        expect(sorted(told.ids()) == sorted(slabs), f"slabs {slabs} were lent, {told.ids()} are called back")
        expect(len(silent.await_request("RECALL", timeout=5).ids()) == 2, "the silent one was not told")


class LateLeases(Donor):
    """Answers what is about leases late, and anything else at once."""

    def late(self, answer: Msg) -> None:
        def send() -> None:
            with contextlib.suppress(OSError):
                self.link.send(answer)
        timer = threading.Timer(4.0, send)
        timer.daemon = True
        timer.start()

    def on_lease(self, m: Msg) -> Msg | bytes | None:
        return self.late(super().on_lease(m))

    def on_release(self, m: Msg) -> Msg | bytes | None:
        return self.late(super().on_release(m))


@case("donor")
def late_leases_hold_up_nobody_else():
    """Neither those who lend at once, nor for long the removal of the disk."""
    with Lender(*[LateLeases] * 4, Donor, Donor) as lender:
        started = time.monotonic()
        written = lender.fill(1536)
        expect(len(written) == 1536, f"{len(written)} of 1536 pages were accepted though two donors lend at once")
        expect(time.monotonic() - started < 40, "writes waited too long")
        expect(lender.never_wrong(written) == 0, "pages could not be read")
        donors, lender.donors = lender.donors, []       # they live until the disk is gone
    for donor in donors:
        donor.end()
    took = lender.rig.seconds_to_delete
    expect(took < 12, f"the disk was removed after {took:.1f} s: the donors were asked one after the other")


class LosesAnswers(Donor):
    """Lends, but its first answer never arrives: the connection ends before."""

    numbers = itertools.count(1)
    lost: set[int] = set()
    released: set[int] = set()

    def on_lease(self, m: Msg) -> Msg | bytes | None:
        got = [next(self.numbers) for _ in range(m.nr)]
        if self.lost:
            return m.answer(payload=ids(*got), nr=len(got))
        self.lost.update(got)
        raise Closed

    def on_release(self, m: Msg) -> Msg | bytes | None:
        self.released.update(m.ids())
        return m.answer(nr=0)


@case("donor")
def slabs_of_a_lost_answer_come_back():
    """Only the donor knows of them; they are given back when it asks for them."""
    with Lender(LosesAnswers, Donor, Donor, timeout_ms=20000, grace_ms=30000) as lender:
        first, peer = lender.donors[0], lender.peers[0]
        wait_until(lambda: first.lost, 10, "a LEASE")
        first.end()
        lender.donors[0] = again = LosesAnswers(peer)
        wait_until(lambda: again.count("LEASE"), 10, "another LEASE")
        numbers = sorted(first.lost)
        again.link.send(request("RECALL", nr=len(numbers), payload=ids(*numbers)))
        wait_until(lambda: first.lost <= first.released, 10, "the return of what was lent with a lost answer")
        expect(first.released == first.lost, f"{sorted(first.released)} came back, {numbers} were called back")
        written = lender.fill(128)
        expect(len(written) == 128 and not lender.never_wrong(written), "pages were refused or lost")


class Mute(Donor):
    """Takes writes and does not answer them, from a moment on."""

    mute = False

    def __init__(self, peer: int, conn: int = 0, **more):
        self.answered: set[tuple[int, int]] = set()
        self.unanswered: set[tuple[int, int]] = set()
        super().__init__(peer, conn, **more)

    def on_write(self, m: Msg) -> Msg | bytes | None:
        pages = self.unanswered if self.mute else self.answered
        pages.update((m.slab, m.page + k) for k in range(m.nr))
        return None if self.mute else super().on_write(m)


@case("donor")
def numbers_of_connections_come_round():
    """Any number of refused attempts: the connection that lives is not taken for one that is over, so
    a page whose write may still arrive on it is not used again."""
    with Lender(Mute, replicas=1, timeout_ms=20000, grace_ms=30000) as lender:
        first, peer = lender.donors[0], lender.peers[0]
        expect(len(lender.fill(16)) == 16, "pages were refused")
        # It was the first of 255 numbers: the next attempt after these would have it again.
        for _ in range(254):
            with Link(peer, 1, first=bytes(60)) as link:
                expect(link.reply.err, "a connection without a hello was accepted")
        with Link(peer, 1) as link:
            expect(not link.reply.err, f"a right hello was refused: {link.reply}")
        wait_until(lambda: peer_get(lender.node.h, peer, "CONNS") == 1, 20, "the end of the second connection")
        second = Mute(peer, 1)
        second.pages, second.on_lease, second.on_release = first.pages, first.on_lease, first.on_release
        lender.donors.append(second)
        first.mute = True

        def write() -> None:
            while not first.unanswered:     # the module chooses the connection
                lender.fill(16)
        writer = threading.Thread(target=write)
        writer.start()
        wait_until(lambda: first.unanswered, 20, "a WRITE on the first connection")
        second.answered.clear()
        first.link.sock.shutdown(socket.SHUT_RDWR)
        writer.join(60)
        expect(second.answered, "the write was not done on the second connection")
        again = first.unanswered & second.answered
        expect(not again, f"pages whose write may still arrive were used again: {sorted(again)}")


class Silent(Donor):
    """Answers everything but reads and writes, from a moment on."""

    silent = False

    def on_write(self, m: Msg) -> Msg | bytes | None:
        return None if self.silent else super().on_write(m)

    def on_read(self, m: Msg) -> Msg | bytes | None:
        return None if self.silent else super().on_read(m)


@case("donor")
def never_answers():
    with Lender(Silent, Donor, Donor, timeout_ms=1000) as lender:
        written = lender.fill(128)
        expect(len(written) == 128, f"{len(written)} of 128 pages were accepted")
        lender.donors[0].silent = True
        started = time.monotonic()
        expect(lender.never_wrong(written) == 0, "a page with an answering donor could not be read")
        expect(time.monotonic() - started < 90, "reads waited too long")
        lender.fill(128)
        lender.node.ends(lender.peers[0], "not answered in time", "a donor that never answers")


class Dribbles(Silent):
    """Its answers to reads come a byte a second."""

    def on_read(self, m: Msg) -> Msg | bytes | None:
        answer = super(Silent, self).on_read(m).pack()
        if not self.silent:
            return answer
        for at in range(60):
            self.link.send(answer[at:at + 1])
            time.sleep(1)
            if self.node.events.of("CONN_FAILED", self.link.peer):
                break
        return b""


@case("donor")
def dribbles():
    with Lender(Dribbles, Donor, timeout_ms=1000) as lender:
        written = lender.fill(32)
        lender.donors[0].silent = True
        started = time.monotonic()
        for _ in range(3):
            expect(lender.never_wrong(written) == 0, "a page with an answering donor could not be read")
        expect(time.monotonic() - started < 90, "reads waited too long")


def answers_with(**how) -> type:
    """A donor that answers some requests in a way of its own, once it may."""
    class Other(Silent):
        def handle(self, m: Msg) -> Msg | bytes | None:
            if self.silent and m.type in how["to"]:
                return how["give"](m)
            return super(Silent, self).handle(m)
        on_read, on_write = Donor.on_read, Donor.on_write
    return Other


@case("donor")
def refuses_reads():
    """A status instead of the page: the other copy is used, whatever the status."""
    for number, name in STATUS.items():
        if name == "HCW_OK":
            continue
        broken = answers_with(to=(kind("READ"),), give=lambda m: m.answer(status=number))
        with Lender(broken, Donor) as lender:
            written = lender.fill(32)
            lender.donors[0].silent = True
            started = time.monotonic()
            for _ in range(3):
                expect(lender.never_wrong(written) == 0, f"{name}: a page with a right copy could not be read")
            # Repair puts a copy back to the one that refuses: a read must not meet it again and again.
            expect(time.monotonic() - started < 30, f"{name}: reads waited too long")


@case("donor")
def refuses_writes():
    for number, name in STATUS.items():
        if name == "HCW_OK":
            continue
        broken = answers_with(to=(kind("WRITE"),), give=lambda m: m.answer(status=number))
        with Lender(broken, Donor, Donor, timeout_ms=2000) as lender:
            lender.donors[0].silent = True
            started = time.monotonic()
            written = lender.fill(32)
            expect(time.monotonic() - started < 90, f"{name}: writes waited too long")
            expect(len(written) == 32, f"{name}: {len(written)} of 32 pages were accepted though two donors are right")
            expect(lender.never_wrong(written) == 0, f"{name}: pages could not be read")


@case("donor")
def wrong_answers_to_reads():
    """Each ends that connection with its reason; no wrong byte is taken for the page."""
    short = bytes(PAGE)
    wrong = [
        ("another number of pages", lambda m: m.answer(payload=short * (m.nr % 16 + 1), nr=m.nr % 16 + 1), "number of pages"),
        ("no payload", lambda m: m.answer(), "length"),
        ("a WRITE's answer", lambda m: Msg(kind("WRITE"), flags=ANSWER, tag=m.tag, nr=m.nr), "nobody waits"),
        ("a status and a page", lambda m: m.answer(status=1, payload=short), "length"),
        ("the page twice", lambda m: m.answer(payload=short * m.nr).pack() * 2, "nobody waits"),
        ("another tag", lambda m: Msg(m.type, flags=ANSWER, tag=m.tag + (1 << 16), nr=m.nr, payload=short * m.nr), "nobody waits"),
        ("half a page, then another header", lambda m: m.answer(payload=short * m.nr).pack()[:-100] + bytes(100 + 48), "no page-fabric"),
    ]
    for what, give, why in wrong:
        # One copy, so that it is this donor who is asked.
        with Lender(answers_with(to=(kind("READ"),), give=give), replicas=1, timeout_ms=1000) as lender:
            written = lender.fill(32)
            expect(len(written) == 32, f"{what}: {len(written)} of 32 pages were accepted")
            lender.donors[0].silent = True
            few = {slot: written[slot] for slot in (16, 24)}
            expect(lender.never_wrong(few) == len(few), f"{what}: it was taken for a page")
            lender.node.ends(lender.peers[0], why, what)


class DiesInTheMiddle(Silent):
    def on_read(self, m: Msg) -> Msg | bytes | None:
        if not self.silent:
            return super().on_read(m)
        self.link.send(m.answer(payload=os.urandom(m.nr * PAGE)).pack()[:48 + PAGE // 2])
        self.link.sock.close()
        raise Closed

    def end(self) -> None:
        try:
            super().end()
        except OSError:
            pass


@case("donor")
def dies_in_the_middle_of_a_page():
    with Lender(DiesInTheMiddle, Donor) as lender:
        written = lender.fill(32)
        lender.donors[0].silent = True
        for _ in range(3):
            expect(lender.never_wrong(written) == 0, "a page with a right copy could not be read")


@case("donor")
def odd_recalls():
    """Of slabs never lent, of the same again and again, of all at once."""
    with Lender(Donor, Donor, Donor) as lender:
        written = lender.fill(64)
        link = lender.donors[0].link
        for numbers in ((0,), (2**32 - 1,), tuple(range(500, 1000)), (1, 1, 1), ()):
            link.send(request("RECALL", nr=len(numbers), payload=ids(*numbers)))
            time.sleep(0.2)
        for _ in range(20):
            link.send(request("RECALL", nr=0))
            time.sleep(0.05)
        expect(lender.never_wrong(written) == 0, "a recall lost pages")
        wait_until(lambda: lender.never_wrong(written) == 0 and peer_get(lender.node.h, lender.peers[0], "USED") == 0,
                   90, "an empty donor after it called everything back")
        expect(lender.never_wrong(written) == 0, "a recall lost pages")


@case("donor")
def odd_slab_numbers():
    class Odd(Donor):
        def on_lease(self, m: Msg) -> Msg | bytes | None:
            got = ([0, 2**32 - 1, 2**31] + list(range(2**32 - 600, 2**32)))[:m.nr]
            return m.answer(payload=ids(*got), nr=len(got))
    with Lender(Odd, Odd) as lender:
        written = lender.fill(64)
        expect(len(written) == 64 and lender.never_wrong(written) == 0, "slab numbers are the donor's to choose")


@case("after")
def swap_disk_still_works():
    with Lender(Donor, Donor) as lender:
        written = lender.fill(64)
        expect(len(written) == 64 and lender.never_wrong(written) == 0, "the swap disk does not work any more")


if __name__ == "__main__":
    run()
