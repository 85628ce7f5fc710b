# SPDX-License-Identifier: GPL-2.0-or-later
"""The other end of a page-fabric connection, in a test's hands.

One end of a loopback TCP connection goes into the module by PEER_ADD; the test
talks on the other end, as rightly or as wrongly as it likes. A thread does not
have to be there: the hello is sent before the module gets its socket.
"""

import itertools
import mmap
import os
import select
import socket
import struct
import threading
import time
from dataclasses import dataclass, replace

import contract
from genl import HC, Genl, Reply, attr, nested, string, u8, u32, u64

HCW = contract.read("hyperchain/wire.h")
HDR = struct.Struct("<IBBHIHHQQIIQ")
HELLO = struct.Struct("<HHHHIIQQQQHHI64s")
assert HDR.size == 48 and HELLO.size == 120
PAGE, SLAB_PAGES = HCW["HCW_PAGE_SIZE"], HCW["HCW_SLAB_PAGES"]
ANSWER = HCW["HCW_F_ANSWER"]
OUR_NODE = 1            # the module's id
EPOCH = 1000            # the lease epoch that a fake peer starts with
INCARNATION = 0xABCDEF
_tags = itertools.count(1)


def kind(name: str) -> int:
    return HCW[f"HCW_{name}"]


@dataclass(frozen=True)
class Msg:
    """A message; every field of its header can be set, and @length can lie."""

    type: int
    flags: int = 0
    status: int = 0
    page: int = 0
    nr: int = 0
    tag: int = 0
    epoch: int = 0
    slab: int = 0
    arg: int = 0
    payload: bytes = b""
    length: int | None = None
    magic: int = HCW["HCW_MAGIC"]
    reserved: int = 0

    def pack(self) -> bytes:
        length = len(self.payload) if self.length is None else self.length
        return HDR.pack(self.magic, self.type, self.flags, self.status, length, self.page, self.nr,
                        self.tag, self.epoch, self.slab, self.reserved, self.arg) + self.payload

    def answer(self, status: int = 0, payload: bytes = b"", **more) -> "Msg":
        """What answers this message."""
        return replace(self, flags=ANSWER, status=status, payload=payload, length=None, epoch=0, **more)

    def ids(self) -> list[int]:
        return [number for number, in struct.iter_unpack("<I", self.payload)]


def request(name: str, *, tag: int | None = None, epoch: int = EPOCH, **more) -> Msg:
    return Msg(kind(name), tag=next(_tags) if tag is None else tag, epoch=epoch, **more)


def ids(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}I", *numbers)


def hello(peer: int, conn: int = 0, *, to: int = OUR_NODE, version: tuple[int, int] | None = None, depth: int = 128,
          features: int = 0, required: int = 0, incarnation: int = INCARNATION, epoch: int = EPOCH,
          page_shift: int = HCW["HCW_PAGE_SHIFT"], slab_pages: int = SLAB_PAGES, reserved: int = 0,
          name: bytes = b"fake") -> bytes:
    """The payload of a hello."""
    low, high = version or (HCW["HCW_VERSION_MIN"], HCW["HCW_VERSION_MAX"])
    return HELLO.pack(low, high, conn, depth, peer, to, features, required, incarnation, epoch, page_shift,
                      slab_pages, reserved, name)


def hello_message(peer: int, conn: int = 0, **more) -> bytes:
    return Msg(kind("HELLO"), payload=hello(peer, conn, **more)).pack()


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Both ends of a connection over loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = socket.create_connection(server.getsockname())
        other, _ = server.accept()
    for end in (one, other):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return one, other


def peer_add(h: Genl, peer: int, fd: int, conn: int = 0) -> Reply:
    return h.call("PEER_ADD", u32(HC["HC_A_PEER_ID"], peer), u32(HC["HC_A_PEER_FD"], fd),
                  u32(HC["HC_A_PEER_CONN"], conn))


def peer_del(h: Genl, peer: int) -> Reply:
    return h.call("PEER_DEL", u32(HC["HC_A_PEER_ID"], peer), attr(HC["HC_A_PEER_FORCE"], b""))


def peer_get(h: Genl, peer: int, name: str) -> int:
    return h.must("PEER_GET", u32(HC["HC_A_PEER_ID"], peer))[0].num(f"HC_A_PEER_{name}")


class Closed(Exception):
    """The module ended the connection."""


class Link:
    """A connection to the module as peer @peer; @first is sent before the
    module has its end (default: a right hello). @reply is how PEER_ADD ended."""

    def __init__(self, peer: int, conn: int = 0, *, first: bytes | None = None, small: bool = False, **hello_fields):
        self.peer, self.conn = peer, conn
        module_end, self.sock = tcp_pair()
        if small:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.buffer = b""
        self.epoch = hello_fields.get("epoch", EPOCH)
        self.sock.sendall(hello_message(peer, conn, **hello_fields) if first is None else first)
        with Genl() as h, module_end:
            self.reply = peer_add(h, peer, module_end.fileno(), conn)
        self.theirs: Msg | None = None      # the module's hello

    def close(self) -> None:
        self.sock.close()

    def __enter__(self) -> "Link":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def send(self, *messages: Msg | bytes) -> None:
        """May fail when the module has had enough: that is not our failure."""
        try:
            self.sock.sendall(b"".join(m if isinstance(m, bytes) else m.pack() for m in messages))
        except (BrokenPipeError, ConnectionResetError):
            pass

    def _fill(self, n: int, deadline: float) -> bool:
        while len(self.buffer) < n:
            left = deadline - time.monotonic()
            if not select.select([self.sock], [], [], max(0.0, left))[0]:
                if left <= 0:
                    return False
                continue
            try:
                data = self.sock.recv(1 << 18)
            except ConnectionResetError:
                data = b""
            if not data:
                raise Closed
            self.buffer += data
        return True

    def recv(self, timeout: float = 10.0) -> Msg | None:
        """The next message, whatever it is; None when none comes. Raises Closed."""
        deadline = time.monotonic() + timeout
        if not self._fill(HDR.size, deadline):
            return None
        fields = HDR.unpack_from(self.buffer)
        if fields[0] != HCW["HCW_MAGIC"] or fields[4] > HCW["HCW_RUN_PAGES_MAX"] * PAGE or fields[10]:
            raise AssertionError(f"the module sent a malformed header: {fields}")
        if not self._fill(HDR.size + fields[4], deadline):
            return None
        payload = self.buffer[HDR.size:HDR.size + fields[4]]
        self.buffer = self.buffer[HDR.size + fields[4]:]
        return Msg(fields[1], fields[2], fields[3], fields[5], fields[6], fields[7], fields[8], fields[9],
                   fields[11], payload)

    def await_answer(self, tag: int, timeout: float = 10.0) -> Msg:
        """The answer to @tag; pings of the module are answered meanwhile."""
        deadline = time.monotonic() + timeout
        while True:
            message = self.recv(max(0.0, deadline - time.monotonic()))
            if message is None:
                raise AssertionError(f"no answer to request {tag} within {timeout} s")
            if message.flags & ANSWER and message.tag == tag:
                return message
            if message.type == kind("HELLO"):
                self.theirs = message
            elif message.type == kind("PING") and not message.flags & ANSWER:
                self.send(message.answer())

    def ask(self, name: str, *, timeout: float = 10.0, **fields) -> Msg:
        message = request(name, epoch=fields.pop("epoch", self.epoch), **fields)
        self.send(message)
        return self.await_answer(message.tag, timeout)

    def await_request(self, name: str, timeout: float = 10.0) -> Msg:
        """The next request @name of the module; its pings are answered meanwhile."""
        deadline = time.monotonic() + timeout
        while True:
            message = self.recv(max(0.0, deadline - time.monotonic()))
            if message is None:
                raise AssertionError(f"no {name} within {timeout} s")
            if message.flags & ANSWER:
                continue
            if message.type == kind(name):
                return message
            if message.type == kind("PING"):
                self.send(message.answer())

    def lease(self, nr: int, environment: int = 1, **more) -> list[int]:
        return self.ask("LEASE", nr=nr, arg=environment, **more).ids()

    def write(self, slab: int, page: int, data: bytes, **more) -> int:
        return self.ask("WRITE", slab=slab, page=page, nr=len(data) // PAGE, payload=data, **more).status

    def read(self, slab: int, page: int, nr: int = 1, **more) -> Msg:
        return self.ask("READ", slab=slab, page=page, nr=nr, **more)

    def is_open(self, timeout: float = 0.0) -> bool:
        try:
            self.ask("PING", timeout=max(timeout, 10.0))
            return True
        except Closed:
            return False

    def wait_closed(self, timeout: float = 20.0) -> None:
        """Read until the module ends the connection; pings are not answered."""
        deadline = time.monotonic() + timeout
        try:
            while time.monotonic() < deadline:
                self.buffer = b""
                self._fill(1, deadline)
        except Closed:
            return
        raise AssertionError(f"the module kept the connection for {timeout:.0f} s")


class Donor(threading.Thread):
    """A peer that lends memory, honestly; cases override what they break. A
    method returns the answer, or None for none."""

    def __init__(self, peer: int, conn: int = 0, free: int = 1 << 20, **hello_fields):
        super().__init__(daemon=True)
        self.link = Link(peer, conn, **hello_fields)
        self.free, self.next_slab = free, 1
        self.pages: dict[tuple[int, int], bytes] = {}
        self.asked: dict[int, int] = {}         # requests by type
        self.lent: set[int] = set()
        self.error: BaseException | None = None
        if self.link.reply.err:
            raise AssertionError(f"the fake donor {peer} was not accepted: {self.link.reply}")
        self.start()

    def count(self, name: str) -> int:
        return self.asked.get(kind(name), 0)

    def run(self) -> None:
        try:
            while True:
                message = self.link.recv(3600)
                if message and message.type != kind("HELLO") and not message.flags & ANSWER:
                    self.asked[message.type] = self.asked.get(message.type, 0) + 1
                    out = self.handle(message)
                    if out is not None:
                        self.link.send(out)
        except (Closed, OSError, ValueError):
            pass                                # the end of the connection
        except BaseException as error:
            self.error = error

    def end(self) -> None:
        try:
            self.link.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.join(20)
        self.link.close()
        if self.error:
            raise AssertionError(f"the fake donor failed: {self.error!r}")

    def handle(self, m: Msg) -> Msg | bytes | None:
        name = {kind(n): n.lower() for n in ("PING", "LEASE", "RELEASE", "READ", "WRITE", "RECALL")}[m.type]
        return getattr(self, f"on_{name}")(m)

    def on_ping(self, m: Msg) -> Msg | bytes | None:
        return m.answer(arg=self.free)

    def on_lease(self, m: Msg) -> Msg | bytes | None:
        got = list(range(self.next_slab, self.next_slab + m.nr))
        self.next_slab += m.nr
        self.lent.update(got)
        return m.answer(payload=ids(*got), nr=len(got))

    def on_release(self, m: Msg) -> Msg | bytes | None:
        self.lent.difference_update(m.ids())
        return m.answer(nr=0)

    def on_recall(self, m: Msg) -> Msg | bytes | None:
        return m.answer(nr=0)

    def on_write(self, m: Msg) -> Msg | bytes | None:
        for k in range(m.nr):
            self.pages[m.slab, m.page + k] = m.payload[k * PAGE:(k + 1) * PAGE]
        return m.answer()

    def on_read(self, m: Msg) -> Msg | bytes | None:
        found = [self.pages.get((m.slab, m.page + k)) for k in range(m.nr)]
        if None in found:
            return m.answer(status=HCW["HCW_EUNSET"])
        return m.answer(payload=b"".join(found))


def direct_read(slot: int, nr: int = 1) -> bytes:
    """Pages of the swap disk, past the page cache. Raises OSError."""
    fd = os.open("/dev/hcswap0", os.O_RDONLY | os.O_DIRECT)
    try:
        with mmap.mmap(-1, nr * PAGE) as room:
            done = os.preadv(fd, [room], slot * PAGE)
            if done != nr * PAGE:
                raise AssertionError(f"read {done} bytes of {nr} pages")
            return room[:]
    finally:
        os.close(fd)


def direct_write(slot: int, data: bytes) -> None:
    fd = os.open("/dev/hcswap0", os.O_WRONLY | os.O_DIRECT)
    try:
        with mmap.mmap(-1, len(data)) as room:
            room[:] = data
            done = os.pwritev(fd, [room], slot * PAGE)
            if done != len(data):
                raise AssertionError(f"wrote {done} of {len(data)} bytes")
    finally:
        os.close(fd)


class Rig:
    """A swap disk whose environment 1 lives on @peers, and a process of that
    environment that writes for us."""

    CGROUP = "/sys/fs/cgroup/abuse-wire"
    seconds_to_delete = 0.0     # what the DISK_DEL took that worked

    def __init__(self, peers: tuple[int, ...], replicas: int = 2, size: int = 1 << 25):
        self.h = Genl()
        os.makedirs(self.CGROUP, exist_ok=True)
        self.h.must("ENV_ADD", u32(HC["HC_A_ENV_ID"], 1), string(HC["HC_A_ENV_NAME"], "fake"),
                    u8(HC["HC_A_ENV_REPLICAS"], replicas),
                    nested(HC["HC_A_ENV_DONORS"], *(u32(HC["HC_A_ENV_DONOR"], peer) for peer in peers)))
        self.h.must("CGROUP_BIND", u32(HC["HC_A_ENV_ID"], 1), u64(HC["HC_A_ENV_CGROUP"], os.stat(self.CGROUP).st_ino))
        self.h.must("DISK_ADD", u64(HC["HC_A_DISK_SIZE"], size))
        self.here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.pid = os.fork()
        if self.pid == 0:
            self.here.close()
            self._serve(there)
        there.close()

    def _serve(self, sock: socket.socket) -> None:
        try:
            with open(os.path.join(self.CGROUP, "cgroup.procs"), "w") as f:
                f.write(str(os.getpid()))
            while data := sock.recv(1 << 17):
                slot, = struct.unpack_from("<I", data)
                try:
                    direct_write(slot, data[4:])
                    code = 0
                except OSError as error:
                    code = error.errno
                sock.send(struct.pack("<I", code))
        finally:
            os._exit(0)

    def write(self, slot: int, data: bytes, timeout: float = 120.0) -> int:
        """Up to 16 pages from the environment; 0 or an errno."""
        self.here.send(struct.pack("<I", slot) + data)
        if not select.select([self.here], [], [], timeout)[0]:
            raise AssertionError(f"a write to the swap disk still waited after {timeout:.0f} s")
        return struct.unpack("<I", self.here.recv(16))[0]

    def stat(self, name: str) -> int:
        return self.h.must("DISK_GET")[0].num(f"HC_A_DISK_{name}")

    def end(self) -> None:
        """Everything away again; each step has to work."""
        self.here.close()
        os.waitpid(self.pid, 0)
        deadline = time.monotonic() + 60
        while True:
            started = time.monotonic()
            reply = self.h.call("DISK_DEL")
            self.seconds_to_delete = time.monotonic() - started
            if not reply.err:
                break
            if time.monotonic() > deadline:
                raise AssertionError(f"the disk can't be deleted: {reply}")
            time.sleep(0.1)
        self.h.must("CGROUP_UNBIND", u64(HC["HC_A_ENV_CGROUP"], os.stat(self.CGROUP).st_ino))
        deadline = time.monotonic() + 60
        while (reply := self.h.call("ENV_DEL", u32(HC["HC_A_ENV_ID"], 1))).err:
            if time.monotonic() > deadline:
                raise AssertionError(f"the environment can't be deleted: {reply}")
            time.sleep(0.1)
        self.h.close()
