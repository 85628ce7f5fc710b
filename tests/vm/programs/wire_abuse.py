# SPDX-License-Identifier: GPL-2.0-or-later
"""Wrong messages of every kind on the page fabric (SPEC R20a); run as root in a
guest with the module loaded and nothing set up.

The module is node 1; a fake peer talks to it over loopback. What is wrong ends
the connection with one reason, in an event and in the answer to PEER_ADD, and
is counted; what is only refused is answered with a status.
"""

import concurrent.futures as futures
import errno
import itertools
import os
import socket
import struct
import time
from typing import Callable

from cases import case, expect, mem_available, run, wait_until
from fabric import (ANSWER, EPOCH, HCW, INCARNATION, OUR_NODE, PAGE, SLAB_PAGES, Closed, Link, Msg, hello,
                    hello_message, ids, kind, peer_add, peer_del, peer_get, request, tcp_pair)
from genl import HC, Events, Genl, string, u8, u32, u64

MIB = 1 << 20
UNKNOWN_FEATURE = HCW["HCW_FEAT_ALL"] + 1
_peers = itertools.count(100)
TIMEOUT_PARAMETER = "/sys/module/hyperchain/parameters/request_timeout_ms"
GRACE_PARAMETER = "/sys/module/hyperchain/parameters/peer_grace_ms"
LEASE_GRACE_PARAMETER = "/sys/module/hyperchain/parameters/lease_grace_ms"
STATUS = {value: name for name, value in HCW.items() if name in (
    "HCW_OK", "HCW_ESTALE", "HCW_ESLAB", "HCW_ERANGE", "HCW_EUNSET", "HCW_ENOMEM", "HCW_EINVAL")}


def new_peer() -> int:
    return next(_peers)


def set_parameter(path: str, ms: int) -> None:
    with open(path, "w") as f:
        f.write(str(ms))


class Node:
    """The module as a node that lends @lend bytes, with its events; at the end
    no peer is left."""

    def __init__(self, lend: int = 16 * MIB, timeout_ms: int = 10000, grace_ms: int = 1000):
        self.h = Genl()
        self.h.must("NODE_SET", u32(HC["HC_A_NODE_ID"], OUR_NODE), string(HC["HC_A_NODE_NAME"], "n1"))
        self.h.must("POOL_SET", u64(HC["HC_A_POOL_LIMIT"], lend), u64(HC["HC_A_POOL_RESERVE"], 16 * MIB),
                    u8(HC["HC_A_POOL_DRAIN"], 0))
        set_parameter(TIMEOUT_PARAMETER, timeout_ms)
        set_parameter(GRACE_PARAMETER, grace_ms)
        self.events = Events()

    def __enter__(self) -> "Node":
        return self

    def __exit__(self, *_) -> None:
        self.events.close()
        for message in self.h.must("PEER_GET", dump=True):
            reply = peer_del(self.h, message.num("HC_A_PEER_ID"))
            expect(reply.err in (0, errno.ENOENT), f"PEER_DEL: {reply}")
        pool = self.h.must("POOL_GET")[0]
        expect(pool.num("HC_A_POOL_LENT") == 0, "memory is still lent though no peer is left")
        expect(pool.num("HC_A_POOL_USED") == 0, "memory is still counted as used though no peer is left")
        set_parameter(TIMEOUT_PARAMETER, 5000)
        set_parameter(GRACE_PARAMETER, 5000)
        self.h.close()

    def errors(self, peer: int) -> int:
        return peer_get(self.h, peer, "ERRORS")

    def lent(self) -> int:
        return self.h.must("POOL_GET")[0].num("HC_A_POOL_LENT")

    def ends(self, peer: int, why: str, what: str, timeout: float = 30.0, since: int = 0) -> None:
        """One live connection of @peer has to end for @why."""
        event = self.events.wait("CONN_FAILED", peer, timeout, since)
        expect(why in event.text, f"{what}: the reason is {event.text!r}, it should say {why!r}")


def live(**more) -> Link:
    link = Link(next(_peers), **more)
    expect(not link.reply.err, f"a right hello was refused: {link.reply}")
    return link


def all_of(checks: list[tuple], check: Callable) -> None:
    """@check each; all failures are told together."""
    wrong = []
    for one in checks:
        # Past a hundred events in a second the module drops some; each of these makes up to six.
        time.sleep(0.1)
        try:
            check(*one)
        except (AssertionError, Closed, TimeoutError) as error:
            wrong.append(f"{one[0]}: {type(error).__name__} {error}")
    expect(not wrong, f"{len(wrong)} wrong:\n       " + "\n       ".join(wrong))


# ------------------------------------------------------------- descriptors

@case("fd")
def wrong_descriptors():
    """What is no connected TCP socket of this namespace is refused, with the reason."""
    def socket_of(family, kind_):
        return socket.socket(family, kind_)

    listening = socket.create_server(("127.0.0.1", 0))
    bound = socket_of(socket.AF_INET, socket.SOCK_STREAM)
    udp = socket_of(socket.AF_INET, socket.SOCK_DGRAM)
    udp.connect(("127.0.0.1", 9))
    unix, unix_other = socket.socketpair()
    raw = socket_of(socket.AF_NETLINK, socket.SOCK_RAW)
    ended, ended_other = tcp_pair()
    ended_other.close()
    wait_until(lambda: ended.recv(1, socket.MSG_PEEK) == b"", 10, "the end of a connection")
    shut, shut_other = tcp_pair()
    shut.shutdown(socket.SHUT_RDWR)
    file = os.open("/etc/passwd", os.O_RDONLY)
    read_end, write_end = os.pipe()
    epoll = os.open("/", os.O_PATH)
    wrong = [("not open", 900, errno.EBADF), ("the biggest number", 2**31 - 1, errno.EBADF),
             ("a file", file, errno.ENOTSOCK), ("a pipe", read_end, errno.ENOTSOCK), ("a path", epoll, None),
             ("UDP", udp.fileno(), errno.EPROTOTYPE), ("unix", unix.fileno(), errno.EPROTOTYPE),
             ("netlink", raw.fileno(), errno.EPROTOTYPE), ("listening", listening.fileno(), errno.ENOTCONN),
             ("unconnected", bound.fileno(), errno.ENOTCONN), ("ended", ended.fileno(), errno.ENOTCONN),
             ("shut down", shut.fileno(), errno.ENOTCONN)]
    with Node() as node:
        def check(what, fd, error):
            reply = peer_add(node.h, 50, fd)
            expect(reply.err == error or error is None and reply.err, f"{reply}")
            expect(reply.why, f"{reply} without a sentence")
        all_of(wrong, check)
        expect(node.h.must("NODE_GET")[0].num("HC_A_NODE_PEERS") == 0, "a refused descriptor left a peer behind")
    for number in (file, read_end, write_end, epoll):
        os.close(number)
    for sock in (listening, bound, udp, unix, unix_other, raw, ended, shut, shut_other):
        sock.close()


@case("fd")
def socket_of_another_namespace():
    from netlink_abuse import CLONE_NEWNET, LIBC, checked
    with Node() as node:
        here, there = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            here.close()
            try:
                checked(LIBC.unshare(CLONE_NEWNET))
                os.system("ip link set lo up")
                one, other = tcp_pair()
                other.sendall(hello_message(50))
                socket.send_fds(there, [b"x"], [one.fileno()])
                there.recv(1)
            finally:
                os._exit(0)
        there.close()
        _, fds, _, _ = socket.recv_fds(here, 1, 1)
        reply = peer_add(node.h, 50, fds[0])
        expect(reply.err == errno.EINVAL and "namespace" in reply.why, f"a socket of another namespace: {reply}")
        os.close(fds[0])
        here.close()
        os.waitpid(pid, 0)


@case("fd")
def one_socket_twice():
    with Node() as node:
        end, other = tcp_pair()
        peer = next(_peers)
        other.sendall(hello_message(peer))
        expect(not peer_add(node.h, peer, end.fileno()).err, "a right socket was refused")
        for number, conn in ((peer, 1), (next(_peers), 0)):
            reply = peer_add(node.h, number, end.fileno(), conn)
            expect(reply.err == errno.EBUSY and reply.why, f"the same socket as connection {conn} of {number}: {reply}")
        end.close()
        other.close()


@case("fd")
def one_number_twice():
    """A connection that answers is not replaced; a silent or ended one is."""
    with Node() as node, live() as link:
        expect(link.is_open(), "it does not answer")
        second = Link(link.peer)
        expect(second.reply.err == errno.EEXIST and second.reply.why, f"a second connection 0: {second.reply}")
        second.close()
        expect(link.is_open(), "the refused connection ended the first")
        with Link(link.peer, 1) as other:
            expect(not other.reply.err, f"connection 1 beside 0: {other.reply}")
            expect(peer_get(node.h, link.peer, "CONNS") == 2, "there are not two connections")
        link.close()
        node.events.wait("PEER_LOST", link.peer)
        with Link(link.peer) as third:
            expect(not third.reply.err, f"connection 0 after its end: {third.reply}")


@case("fd")
def the_node_itself():
    with Node() as node:
        end, other = tcp_pair()
        reply = peer_add(node.h, OUR_NODE, end.fileno())
        expect(reply.err == errno.EINVAL and "itself" in reply.why, f"itself: {reply}")
        # Both ends of one connection as two peers: each hears this node's hello, and finds it a stranger.
        peers = new_peer(), new_peer()

        def add(peer: int, fd: int):
            with Genl() as h:
                return peer_add(h, peer, fd)

        with futures.ThreadPoolExecutor(2) as both:
            replies = list(both.map(add, peers, (end.fileno(), other.fileno())))
        # The first that finds it out ends the connection, perhaps before the other has.
        expect(all(reply.err == errno.EPROTO for reply in replies) and
               any("another node" in reply.why for reply in replies), f"a connection with itself: {replies}")
        expect(node.h.must("NODE_GET")[0].num("HC_A_NODE_PEERS") == 0, "a connection with itself left a peer behind")
        end.close()
        other.close()


@case("fd")
def owner_who_keeps_his_copy():
    """The daemon has to close its copy. One that reads, writes or resets there
    ends the connection, no more."""
    def read(end):
        end.settimeout(0.2)
        try:
            end.recv(10)
        except TimeoutError:
            pass

    def disconnect(end):
        import ctypes
        end.setblocking(False)
        ctypes.CDLL(None).connect(end.fileno(), bytes(16), 16)

    for spoil in (read, disconnect, lambda end: end.shutdown(socket.SHUT_WR), lambda end: end.send(b"garbage" * 20),
                  lambda end: end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))):
        with Node(timeout_ms=1000):
            end, other = tcp_pair()
            peer = next(_peers)
            other.sendall(hello_message(peer))
            with Genl() as h:
                expect(not peer_add(h, peer, end.fileno()).err, "a right socket was refused")
            spoil(end)
            for _ in range(20):
                try:
                    other.send(request("PING").pack())
                except OSError:
                    break
            end.close()
            other.close()


# ------------------------------------------------------------------- hello

HCW_EPOCH_MAX = 1 << 63


def bad_hellos(peer: int) -> list[tuple[str, bytes, str]]:
    def form(**more):
        return hello_message(peer, **more)

    whole = hello(peer)
    text = "malformed"
    other_conn = hello_message(peer, 1)
    return [
        ("wrong magic", Msg(kind("HELLO"), payload=whole, magic=0x12345678).pack(), "no page-fabric"),
        ("HTTP", b"GET / HTTP/1.1\r\nHost: n1\r\n\r\n" + bytes(48), "no page-fabric"),
        ("TLS", b"\x16\x03\x01\x02\x00\x01" + os.urandom(100), "no page-fabric"),
        ("zeroes", bytes(200), "no page-fabric"),
        ("header's reserved", Msg(kind("HELLO"), payload=whole, reserved=1).pack(), "no page-fabric"),
        ("hello's reserved", form(reserved=1), text),
        ("name without end", form(name=b"x" * 64), text),
        ("no incarnation", form(incarnation=0), text),
        ("versions 2..3", form(version=(2, 3)), "version"),
        ("version 0", form(version=(0, 0)), "version"),
        ("versions 3..2", form(version=(3, 2)), text),
        ("another node", hello_message(peer + 1000), "another node"),
        ("node 0", hello_message(0), "another node"),
        ("to another", form(to=77), "believes"),
        ("to itself", form(to=peer), "believes"),
        ("another connection", other_conn, "different numbers"),
        ("required feature", form(features=UNKNOWN_FEATURE, required=UNKNOWN_FEATURE), "feature"),
        ("required, not offered", form(features=0, required=2), "feature"),
        ("page size", form(page_shift=16), "size"),
        ("slab size", form(slab_pages=512), "size"),
        ("depth 0", form(depth=0), "depth"),
        ("depth 7", form(depth=HCW["HCW_DEPTH_MIN"] - 1), "depth"),
        ("depth 257", form(depth=HCW["HCW_DEPTH_MAX"] + 1), "depth"),
        ("depth 65535", form(depth=65535), "depth"),
        ("epoch 0", form(epoch=0), "epoch"),
        ("epoch out of range", form(epoch=HCW_EPOCH_MAX + 1), "out of range"),
        ("floor out of range", Msg(kind("HELLO"), arg=HCW_EPOCH_MAX, payload=whole).pack(), "out of range"),
        ("greatest floor", Msg(kind("HELLO"), arg=2**64 - 1, payload=whole).pack(), "out of range"),
        ("short payload", Msg(kind("HELLO"), payload=whole[:-1]).pack(), "hello of the wrong form"),
        ("long payload", Msg(kind("HELLO"), payload=whole + b"x").pack(), "hello of the wrong form"),
        ("4 GB payload", Msg(kind("HELLO"), payload=whole, length=2**32 - 1).pack(), "hello of the wrong form"),
        ("hello as an answer", Msg(kind("HELLO"), flags=ANSWER, payload=whole).pack(), "hello of the wrong form"),
        ("hello with a flag", Msg(kind("HELLO"), flags=2, payload=whole).pack(), "flag"),
        ("hello with a status", Msg(kind("HELLO"), status=1, payload=whole).pack(), "status"),
        ("unknown type", Msg(99, payload=whole).pack(), "type"),
        *((f"{name} first", request(name, nr=0).pack(), "before the hello")
          for name in ("PING", "LEASE", "RELEASE", "READ", "WRITE", "RECALL")),
        ("an answer first", request("PING").answer().pack(), "before the hello"),
    ]


@case("hello")
def wrong_hellos():
    with Node() as node:
        def check(what, first, why):
            peer = int(first_peer[what])
            before = len(node.events.seen)
            # A peer that stays: its counter can be looked at.
            with Link(peer, 2) as keeper, Link(peer, first=first) as link:
                expect(not keeper.reply.err, f"the right one was refused: {keeper.reply}")
                expect(link.reply.err == errno.EPROTO, f"PEER_ADD: {link.reply}")
                expect(why in link.reply.why, f"PEER_ADD said {link.reply.why!r}, it should say {why!r}")
                event = node.events.wait("PEER_REFUSED", peer, since=before)
                expect(why in event.text, f"the event said {event.text!r}")
                expect(node.errors(peer) == 1, f"{node.errors(peer)} errors were counted")
                expect(keeper.is_open(), "the peer's other connection went along")
                link.wait_closed()
            expect(not peer_del(node.h, peer).err, "PEER_DEL")
        first_peer = {}
        checks = []
        for index in range(len(bad_hellos(1))):
            peer = next(_peers)
            one = bad_hellos(peer)[index]
            first_peer[one[0]] = peer
            checks.append(one)
        all_of(checks, check)


@case("hello")
def floor_of_epochs():
    """A peer that knows later leases of this node than the node itself: it goes on above them."""
    with Node() as node:
        def ours() -> int:
            return peer_get(node.h, peer, "EPOCH")

        peer = next(_peers)
        for floor in (2**61, 2**61, 0, HCW_EPOCH_MAX - 2):
            with Link(peer, first=Msg(kind("HELLO"), arg=floor, payload=hello(peer)).pack()) as link:
                expect(not link.reply.err, f"floor {floor}: {link.reply}")
            before = ours()
            with Link(peer, 1) as link:
                expect(not link.reply.err, f"after floor {floor}: {link.reply}")
                want = before if before >= floor else floor + 1
                expect(ours() == want, f"floor {floor}: our epoch became {ours()}, not {want}")
                link.ask("PING")
                expect(link.theirs.arg == EPOCH, f"the module's hello named {link.theirs.arg} as lowest")
        expect(not peer_del(node.h, peer).err, "PEER_DEL")


@case("hello")
def lower_epoch():
    with Node() as node:
        peer = next(_peers)
        with Link(peer, epoch=50) as link:
            expect(not link.reply.err, f"epoch 50: {link.reply}")
        node.events.wait("PEER_LOST", peer)
        with Link(peer, epoch=49) as link:
            expect(link.reply.err == errno.EPROTO and "epoch" in link.reply.why, f"an older epoch: {link.reply}")
        with Link(peer, epoch=50) as link:
            expect(not link.reply.err, f"the same epoch again: {link.reply}")
        node.events.wait("PEER_LOST", peer, since=len(node.events.seen) - 1)
        node.h.must("PEER_SET", u32(HC["HC_A_PEER_ID"], peer), u64(HC["HC_A_PEER_MIN_EPOCH"], 60))
        expect(peer_get(node.h, peer, "MIN_EPOCH") == 60, "the fence is not shown")
        with Link(peer, epoch=59) as link:
            expect(link.reply.err == errno.EPROTO and "epoch" in link.reply.why, f"a fenced epoch: {link.reply}")
        with Link(peer, epoch=60) as link:
            expect(not link.reply.err, f"the fence's epoch: {link.reply}")


@case("hello")
def after_a_removed_peer():
    """Who takes the place of a removed peer, itself or another, is met with a later epoch: what was
    held up on its way to the removed one can't mean a slab of the new one."""
    with Node() as node:
        removed, other = next(_peers), next(_peers)
        with Link(removed) as link:
            expect(not link.reply.err, f"a right hello was refused: {link.reply}")
            before = peer_get(node.h, removed, "EPOCH")
            expect(not peer_del(node.h, removed).err, "PEER_DEL")
        for peer in (removed, other):
            with Link(peer) as link:
                expect(not link.reply.err, f"a right hello was refused: {link.reply}")
                epoch = peer_get(node.h, peer, "EPOCH")
                expect(epoch > before, f"peer {peer} begins with epoch {epoch}, the removed one had {before}")
                before = epoch
            expect(not peer_del(node.h, peer).err, "PEER_DEL")


@case("hello")
def no_hello():
    """Silence, half a hello, and an end: all bounded."""
    with Node() as node:
        for first in (b"", hello_message(1)[:20], hello_message(1)[:48 + 60]):
            started = time.monotonic()
            with Link(next(_peers), first=first) as link:
                expect(link.reply.err == errno.ETIMEDOUT and link.reply.why, f"{len(first)} bytes: {link.reply}")
            expect(time.monotonic() - started < 30, "it took too long")
        end, other = tcp_pair()
        other.sendall(hello_message(1)[:30])
        other.shutdown(socket.SHUT_WR)
        reply = peer_add(node.h, 55, end.fileno())
        expect(reply.err and reply.why, f"half a hello and an end: {reply}")
        end.close()
        other.close()


@case("hello")
def second_hello():
    with Node() as node, live() as link:
        link.send(hello_message(link.peer))
        node.ends(link.peer, "second hello", "a second hello")
        expect(node.errors(link.peer) == 1, "it was not counted")


# ----------------------------------------------------------------- headers

def bad_messages() -> list[tuple[str, Msg | bytes, str]]:
    big = HCW["HCW_LEASE_MAX"] + 1
    page = bytes(PAGE)
    out: list[tuple] = [
        ("wrong magic", Msg(kind("PING"), tag=1, magic=1), "no page-fabric"),
        ("reserved", Msg(kind("PING"), tag=1, reserved=0x80000000), "no page-fabric"),
        ("garbage", os.urandom(48), "no page-fabric"),
        ("no tag", Msg(kind("PING")), "tag"),
        ("status of a request", request("PING", status=1), "status"),
        ("status 7 of an answer", request("PING", flags=ANSWER, status=7), "status"),
        ("status 65535", request("READ", flags=ANSWER, status=65535), "status"),
        ("flag 0x80", request("PING", flags=0x80), "flag"),
        ("PRESSURE on a request", request("PING", flags=4), "flag"),
        ("DRAIN on a READ answer", request("READ", flags=ANSWER | 2, nr=1, status=1), "flag"),
        ("PING with a count", request("PING", nr=1), "count"),
        ("PING with a payload", request("PING", payload=b"x"), "length"),
        ("READ of no page", request("READ", nr=0), "outside a slab"),
        ("READ of 17 pages", request("READ", nr=17), "outside a slab"),
        ("READ of page 256", request("READ", page=SLAB_PAGES, nr=1), "outside a slab"),
        ("READ across the end", request("READ", page=SLAB_PAGES - 1, nr=2), "outside a slab"),
        ("READ that wraps", request("READ", page=65535, nr=65535), "outside a slab"),
        ("READ with a payload", request("READ", nr=1, payload=page), "length"),
        ("WRITE across the end", request("WRITE", page=SLAB_PAGES - 1, nr=2, payload=page * 2), "outside a slab"),
        ("WRITE of 17 pages", request("WRITE", nr=17, payload=page * 17), "outside a slab"),
        ("WRITE without pages", request("WRITE", nr=1), "length"),
        ("WRITE of a page and a byte", request("WRITE", nr=1, payload=page + b"x"), "length"),
        ("WRITE of 4 GB", request("WRITE", nr=1, payload=page, length=2**32 - 1), "length"),
        ("WRITE of 2 GB", request("WRITE", nr=16, length=2**31), "length"),
        ("LEASE of 513", request("LEASE", nr=big, arg=1), "too many slabs"),
        ("LEASE of 65535", request("LEASE", nr=65535, arg=1), "too many slabs"),
        ("LEASE with a payload", request("LEASE", nr=1, arg=1, payload=ids(1)), "length"),
        ("RELEASE of 513", request("RELEASE", nr=big, payload=ids(*range(big))), "too many slabs"),
        ("RELEASE of 2 with 1", request("RELEASE", nr=2, payload=ids(1)), "length"),
        ("RECALL of 513", request("RECALL", nr=big, payload=ids(*range(big))), "too many slabs"),
        ("RECALL of 1 with none", request("RECALL", nr=1), "length"),
        ("MOVE of no number", request("MOVE", page=1, epoch=0), "without a number"),
        ("MOVE of no step", request("MOVE", page=0), "unknown step"),
        ("MOVE of a step too many", request("MOVE", page=HCW["HCW_MOVE_OP_MAX"] + 1), "unknown step"),
        ("MOVE of too much", request("MOVE", page=1, nr=HCW["HCW_MOVE_DATA_MAX"] + 1), "too much"),
        ("MOVE without its payload", request("MOVE", page=1, nr=8), "length"),
        ("MOVE of 4 GB", request("MOVE", page=1, nr=8, payload=bytes(8), length=2**32 - 1), "length"),
        ("MOVE_READ of no number", request("MOVE_READ", nr=1, epoch=0), "without a number"),
        ("MOVE_READ of no part", request("MOVE_READ", page=HCW["HCW_PART_MAX"] + 1, nr=1), "unknown part"),
        ("MOVE_READ of no page", request("MOVE_READ"), "empty or too long"),
        ("MOVE_READ of 17 pages", request("MOVE_READ", nr=17), "empty or too long"),
        ("MOVE_READ with a payload", request("MOVE_READ", nr=1, payload=page), "length"),
    ]
    for number in (0, kind("TYPE_MAX") + 1, 0x20, kind("MOVE") - 1, kind("MOVE_TYPE_MAX") + 1, 255):
        out.append((f"type {number}", Msg(number, tag=1), "type"))
    for name in ("PING", "LEASE", "RELEASE", "READ", "WRITE", "RECALL"):
        more = {"nr": 1, "status": 1} if name in ("READ", "WRITE") else {}
        for tag in (1 << 16, 0xFFFF, 0x1FFFF, 2**64 - 1, 0x10000FF):
            out.append((f"answer {name} with tag {tag:#x} nobody asked for",
                        request(name, tag=tag, flags=ANSWER, **more), "nobody waits"))
    return out


@case("message")
def wrong_messages():
    with Node() as node:
        def check(what, message, why):
            with live() as link:
                link.send(message)
                node.ends(link.peer, why, what)
                expect(node.errors(link.peer) == 1, f"{node.errors(link.peer)} errors were counted")
                link.wait_closed()
            expect(not peer_del(node.h, link.peer).err, "PEER_DEL")
        all_of(bad_messages(), check)


@case("message")
def truncated_messages():
    """An end in the middle: no error of the protocol, nothing half done counts."""
    data = os.urandom(PAGE)
    with Node() as node:
        peer = next(_peers)
        with Link(peer) as link:
            slab, = link.lease(1)
            expect(link.write(slab, 0, data) == 0, "WRITE")
            for cut, index in ((10, 1), (48, 2), (49, 3), (48 + 4095, 4)):
                whole = request("WRITE", slab=slab, page=index, nr=1, payload=data).pack()
                since = len(node.events.seen)
                with Link(peer, 1) as other:
                    other.send(whole[:cut])
                    other.sock.shutdown(socket.SHUT_WR)
                    node.ends(peer, "closed the connection", f"a WRITE cut after {cut} bytes", since=since)
                expect(STATUS[link.read(slab, index).status] == "HCW_EUNSET", f"a WRITE cut after {cut} bytes counts")
            expect(link.read(slab, 0).payload == data, "another page changed")
            expect(node.errors(peer) == 0, "an end is no protocol error")


@case("message")
def replayed_answers():
    with Node() as node, live() as link:
        while True:
            message = link.recv(20)
            expect(message, "no PING of the module within 20 s")
            if message.type == kind("PING"):
                break
        link.send(message.answer(), message.answer())
        node.ends(link.peer, "nobody waits", "an answer given twice")
    with Node() as node, live() as link:
        while (message := link.recv(20)) and message.type != kind("PING"):
            pass
        link.send(Msg(kind("RECALL"), flags=ANSWER, tag=message.tag))
        node.ends(link.peer, "nobody waits", "an answer of another kind")


@case("message")
def slow_but_right():
    """A hello and requests in single bytes are served like any other."""
    with Node(), live() as link:
        slab, = link.lease(1)
        data = os.urandom(PAGE)
        message = request("WRITE", slab=slab, page=3, nr=1, payload=data)
        for byte in message.pack()[:300]:
            link.sock.send(bytes([byte]))
        link.send(message.pack()[300:])
        expect(link.await_answer(message.tag).status == 0, "WRITE in bytes")
        expect(link.read(slab, 3).payload == data, "READ")


@case("message")
def one_byte_a_second():
    """Whoever is that slow does not answer our PING, which ends it."""
    with Node(timeout_ms=1000) as node, live() as link:
        message = request("PING").pack()
        started = time.monotonic()
        for byte in message:
            try:
                link.sock.send(bytes([byte]))
            except OSError:
                break
            time.sleep(1)
            if node.events.of("CONN_FAILED", link.peer):
                break
        node.ends(link.peer, "not answered in time", "one byte a second")
        expect(time.monotonic() - started < 30, "it lasted too long")


# --------------------------------------------------------------- borrowing

def status(message: Msg) -> str:
    return STATUS[message.status]


@case("borrow")
def slabs_of_others():
    data = os.urandom(PAGE)
    with Node() as node, live() as one, live() as two:
        mine, theirs = one.lease(1)[0], two.lease(1)[0]
        expect(mine != theirs, "two peers got one slab")
        expect(one.write(mine, 0, data) == 0 and two.write(theirs, 0, data) == 0, "WRITE")
        for slab in (theirs, 0, 1 << 30, 2**32 - 1, 2**31, max(mine, theirs) + 1):
            expect(status(one.read(slab, 0)) == "HCW_ESLAB", f"READ of slab {slab}")
            expect(STATUS[one.write(slab, 0, bytes(PAGE))] == "HCW_ESLAB", f"WRITE of slab {slab}")
            expect(status(one.ask("RELEASE", nr=1, payload=ids(slab))) == "HCW_ESLAB", f"RELEASE of slab {slab}")
        expect(two.read(theirs, 0).payload == data, "the other's page changed")
        expect(one.is_open() and two.is_open(), "a refusal ended a connection")
        expect(status(one.ask("RELEASE", nr=3, payload=ids(mine, theirs, mine))) == "HCW_ESLAB", "a mixed RELEASE")
        expect(status(one.read(mine, 0)) == "HCW_ESLAB", "its own was not released")
        expect(two.read(theirs, 0).payload == data, "the other's was released")
        expect(node.lent() == MIB, f"{node.lent()} bytes are lent")


@case("borrow")
def pages_never_written():
    with Node(), live() as link:
        slab, = link.lease(1)
        expect(status(link.read(slab, 0)) == "HCW_EUNSET", "READ of a page that was never written")
        expect(link.write(slab, 5, os.urandom(PAGE)) == 0, "WRITE")
        expect(status(link.read(slab, 5, 2)) == "HCW_EUNSET", "READ of one written page and one not")
        expect(status(link.read(slab, 4, 2)) == "HCW_EUNSET", "READ of one page not written and one that is")
        expect(link.read(slab, 5).status == 0, "READ")
        expect(not link.read(slab, 5, status=0).status, "READ again")


@case("borrow")
def nothing_of_the_last_borrower():
    """A slab comes zeroed: a page written in part of a run shows nothing old."""
    secret = b"secret!!" * (PAGE // 8)
    with Node(lend=2 * MIB) as node:
        with live() as link:
            for slab in link.lease(2):
                for page in range(0, SLAB_PAGES, 16):
                    expect(link.write(slab, page, secret * 16) == 0, "WRITE")
        # A borrower that is only away keeps its leases; one that is deleted does not.
        expect(node.lent() == 2 * MIB, "the leases ended with the connection")
        expect(not peer_del(node.h, link.peer).err, "PEER_DEL")
        with live() as link:
            slabs = wait_until(lambda: link.lease(2), 20, "the memory of the dead peer")
            for slab in slabs:
                expect(status(link.read(slab, 0)) == "HCW_EUNSET", "a new lease shows old pages")
                # A WRITE that ends in the middle must not make them readable.
                expect(link.write(slab, 1, bytes(PAGE)) == 0, "WRITE")
                expect(link.read(slab, 1).payload == bytes(PAGE), "READ")


@case("borrow")
def leases_within_bounds():
    with Node(lend=4 * MIB) as node, live() as link:
        for environment in (0, HC["HC_ENVS_MAX"] + 1, 2**32, 2**64 - 1):
            answer = link.ask("LEASE", nr=1, arg=environment)
            expect(status(answer) == "HCW_EINVAL" and not answer.payload, f"LEASE for environment {environment}")
        expect(status(link.ask("LEASE", nr=0, arg=1)) in ("HCW_OK", "HCW_ENOMEM"), "LEASE of nothing")
        got = link.lease(HCW["HCW_LEASE_MAX"])
        expect(len(got) == len(set(got)) == 4, f"the pool of 4 slabs lent {got}")
        for _ in range(200):
            expect(status(link.ask("LEASE", nr=512, arg=1)) == "HCW_ENOMEM", "more was lent than there is")
        expect(node.lent() == 4 * MIB, f"{node.lent()} bytes are lent")
        node.h.must("POOL_SET", u32(HC["HC_A_POOL_ENV"], 7), u64(HC["HC_A_POOL_ENV_LIMIT"], MIB))
        expect(status(link.ask("RELEASE", nr=4, payload=ids(*got))) == "HCW_OK", "RELEASE")
        expect(len(link.lease(4, environment=7)) == 1, "an environment's own limit does not hold")
        node.h.must("POOL_SET", u8(HC["HC_A_POOL_DRAIN"], 1))
        expect(status(link.ask("LEASE", nr=1, arg=1)) == "HCW_ENOMEM", "a pool that drains lends")
        expect(link.ask("PING").flags & HCW["HCW_F_DRAIN"], "a PING does not tell of the drain")


@case("borrow")
def replayed_requests():
    data, other = os.urandom(PAGE), os.urandom(PAGE)
    with Node(lend=8 * MIB) as node, live() as link:
        slab, = link.lease(1)
        for body in (data, data, other):
            message = request("WRITE", tag=4242, slab=slab, nr=1, payload=body)
            link.send(message)
            expect(link.await_answer(4242).status == 0, "a WRITE with a used tag")
        expect(link.read(slab, 0).payload == other, "the last WRITE does not count")
        release = request("RELEASE", nr=1, payload=ids(slab))
        link.send(release)
        expect(status(link.await_answer(release.tag)) == "HCW_OK", "RELEASE")
        link.send(release)
        expect(status(link.await_answer(release.tag)) == "HCW_ESLAB", "the same RELEASE again")
        link.send(message)
        expect(status(link.await_answer(4242)) == "HCW_ESLAB", "the same WRITE after the RELEASE")
        expect(node.lent() == 0, "memory is still lent")


@case("borrow")
def stale_epochs():
    """Fenced: whatever carries the old epoch is refused, on the living connection."""
    data = os.urandom(PAGE)
    with Node() as node, live() as link:
        slab, keep = link.lease(2)
        expect(link.write(slab, 0, data) == 0, "WRITE")
        for epoch in (EPOCH - 1, 0, 1):
            expect(STATUS[link.write(slab, 1, data, epoch=epoch)] == "HCW_ESTALE", f"WRITE with epoch {epoch}")
            expect(status(link.read(slab, 0, epoch=epoch)) == "HCW_ESTALE", f"READ with epoch {epoch}")
            expect(status(link.ask("LEASE", nr=1, arg=1, epoch=epoch)) == "HCW_ESTALE", f"LEASE with epoch {epoch}")
            expect(status(link.ask("RELEASE", nr=1, payload=ids(slab), epoch=epoch)) == "HCW_ESTALE", "RELEASE")
        expect(STATUS[link.write(slab, 1, data, epoch=EPOCH + 1)] == "HCW_ESTALE", "WRITE with an epoch to come")
        node.h.must("PEER_SET", u32(HC["HC_A_PEER_ID"], link.peer), u64(HC["HC_A_PEER_MIN_EPOCH"], EPOCH + 5))
        expect(node.lent() == 0, "the fence ended no lease")
        for name, more in (("WRITE", {"slab": slab, "nr": 1, "payload": data}), ("READ", {"slab": slab, "nr": 1}),
                           ("LEASE", {"nr": 1, "arg": 1}), ("RELEASE", {"nr": 1, "payload": ids(keep)})):
            expect(status(link.ask(name, **more)) == "HCW_ESTALE", f"{name} after the fence")
        link.epoch = EPOCH + 5
        fresh = link.lease(1)
        expect(fresh and link.write(fresh[0], 0, data) == 0, "the new epoch is refused")
        expect(status(link.read(slab, 0)) in ("HCW_ESLAB", "HCW_ESTALE"), "an old slab lives on")
        for epoch in (HCW_EPOCH_MAX + 1, 2**64 - 1):
            for name, more in (("LEASE", {"nr": 1, "arg": 1}), ("RELEASE", {"nr": 1, "payload": ids(*fresh)})):
                expect(status(link.ask(name, epoch=epoch, **more)) == "HCW_EINVAL", f"{name} with epoch {epoch}")
        expect(link.read(fresh[0], 0).status == 0, "an epoch out of range ended a lease")
        expect(status(link.ask("LEASE", nr=1, arg=1, epoch=HCW_EPOCH_MAX)) == "HCW_OK", "the last epoch there is")
        expect(status(link.ask("LEASE", nr=1, arg=1)) == "HCW_ESTALE", "an epoch before the last")


@case("borrow")
def new_incarnation():
    with Node() as node:
        peer = next(_peers)
        with Link(peer) as link:
            slab, = link.lease(1)
            expect(link.write(slab, 0, bytes(PAGE)) == 0, "WRITE")
        node.events.wait("PEER_LOST", peer)
        with Link(peer) as link:
            expect(link.read(slab, 0).status == 0, "the lease did not outlive a connection")
        node.events.wait("PEER_LOST", peer, since=len(node.events.seen))
        with Link(peer, incarnation=INCARNATION + 1) as link:
            wait_until(lambda: node.lent() == 0, 10, "the end of the leases of a module that is gone")
            expect(status(link.read(slab, 0)) == "HCW_ESLAB", "its slab is still there")


# ------------------------------------------------------------------ floods

@case("flood")
def requests_without_reading():
    """More than agreed, and nobody takes the answers: the end, in bounded memory."""
    with Node(timeout_ms=3000) as node:
        before = mem_available()
        with live(small=True) as link:
            slab, = link.lease(1)
            for page in range(0, SLAB_PAGES, 16):
                expect(link.write(slab, page, os.urandom(16 * PAGE)) == 0, "WRITE")
            one = b"".join(request("READ", slab=slab, nr=16).pack() for _ in range(200))
            link.sock.setblocking(False)
            lowest = before
            deadline = time.monotonic() + 60
            while not node.events.of("CONN_FAILED", link.peer) and time.monotonic() < deadline:
                try:
                    link.sock.send(one)
                except BlockingIOError:
                    time.sleep(0.05)
                except OSError:
                    break
                lowest = min(lowest, mem_available())
            event = node.events.wait("CONN_FAILED", link.peer)
            expect("more requests than agreed" in event.text or "takes no more data" in event.text or
                   "in time" in event.text, f"it ended for: {event.text}")
            expect(before - lowest < 64 * MIB, f"it took {(before - lowest) >> 20} MiB")


@case("flood")
def never_reads():
    """Our own PINGs go out until the socket is full or one is late."""
    with Node(timeout_ms=1000) as node, live(small=True) as link:
        node.ends(link.peer, "in time", "a peer that never reads", timeout=60)


@case("flood")
def control_requests():
    with Node() as node:
        for name, more in (("LEASE", {"nr": 1, "arg": 1}), ("RELEASE", {"nr": 0}), ("RECALL", {"nr": 0})):
            with live() as link:
                link.send(b"".join(request(name, **more).pack() for _ in range(2000)))
                node.ends(link.peer, "too many control requests", f"2000 {name} at once")
        with live() as link:
            for _ in range(300):
                link.ask("RECALL", nr=0)
                link.ask("RECALL", nr=2, payload=ids(1, 2**32 - 1))
                link.ask("RELEASE", nr=0)
                link.ask("PING")
            expect(link.is_open(), "requests one by one ended the connection")


@case("flood")
def reconnecting():
    """A peer that comes and goes: each end is whole, nothing piles up."""
    with Node(lend=8 * MIB) as node:
        peer = next(_peers)
        before = mem_available()
        for n in range(150):
            with Link(peer, n % 8, first=hello_message(peer, n % 8) + (b"" if n % 3 else os.urandom(60))) as link:
                if not link.reply.err and n % 3:
                    link.send(request("LEASE", nr=1, arg=1), request("READ", nr=1, slab=1))
        wait_until(lambda: peer_get(node.h, peer, "CONNS") == 0, 30, "the end of the last connection")
        expect(before - mem_available() < 24 * MIB, f"{(before - mem_available()) >> 20} MiB are gone")


# -------------------------------------------------------------------- last

@case("last")
def still_works():
    """After all that, the module serves as if nothing had been."""
    with Node(), live() as link:
        slab, = link.lease(1)
        data = os.urandom(16 * PAGE)
        expect(link.write(slab, 240, data) == 0 and link.read(slab, 240, 16).payload == data, "WRITE and READ")


if __name__ == "__main__":
    run()
