# SPDX-License-Identifier: GPL-2.0-or-later
"""Generic netlink by hand: messages as right or as wrong as a test wants them.

Own on purpose, beside tools/lib: the library can't build what is malformed.
"""

import errno
import select
import socket
import struct
import time
from dataclasses import dataclass, field
from typing import Iterable

import contract

HC = contract.read("uapi/linux/hyperchain.h")

NETLINK_GENERIC, SOL_NETLINK = 16, 270
NETLINK_ADD_MEMBERSHIP, NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK = 1, 10, 11, 12
NLM_F_REQUEST, NLM_F_MULTI, NLM_F_ACK, NLM_F_ECHO = 1, 2, 4, 8
NLM_F_ROOT, NLM_F_MATCH = 0x100, 0x200
NLM_F_DUMP = NLM_F_ROOT | NLM_F_MATCH
NLM_F_CAPPED, NLM_F_ACK_TLVS = 0x100, 0x200
NLMSG_NOOP, NLMSG_ERROR, NLMSG_DONE, NLMSG_OVERRUN = 1, 2, 3, 4
NLMSGERR_ATTR_MSG, NLMSGERR_ATTR_OFFS = 1, 2
NLA_F_NESTED, NLA_F_NET_BYTEORDER, NLA_TYPE_MASK = 0x8000, 0x4000, 0x3FFF
GENL_ID_CTRL, CTRL_CMD_GETFAMILY = 0x10, 3
CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME, CTRL_ATTR_MCAST_GROUPS = 1, 2, 7
U32_MAX, U64_MAX = 2**32 - 1, 2**64 - 1


def align(n: int) -> int:
    return n + 3 & ~3


def attr(kind: int, data: bytes, length: int | None = None) -> bytes:
    """One attribute; @length lies about its size."""
    return struct.pack("=HH", len(data) + 4 if length is None else length, kind & 0xFFFF) + \
        data + bytes(align(len(data)) - len(data))


def u8(kind: int, value: int) -> bytes:
    return attr(kind, struct.pack("=B", value))


def u32(kind: int, value: int) -> bytes:
    return attr(kind, struct.pack("=I", value))


def u64(kind: int, value: int) -> bytes:
    return attr(kind, struct.pack("=Q", value))


def string(kind: int, value: str | bytes) -> bytes:
    return attr(kind, (value.encode() if isinstance(value, str) else value) + b"\0")


def nested(kind: int, *attrs: bytes) -> bytes:
    return attr(kind | NLA_F_NESTED, b"".join(attrs))


def parse(data: bytes) -> list[tuple[int, bytes]]:
    """Attributes in their order; raises on what no kernel may send."""
    found, off = [], 0
    while off < len(data):
        length, kind = struct.unpack_from("=HH", data, off)
        if length < 4 or off + length > len(data):
            raise ValueError(f"the kernel sent an attribute of {length} bytes at {off} of {len(data)}")
        found.append((kind & NLA_TYPE_MASK, data[off + 4:off + length]))
        off += align(length)
    return found


def number(data: bytes) -> int:
    return int.from_bytes(data, "little")


@dataclass(frozen=True)
class Message:
    """One netlink message that came."""

    kind: int
    flags: int
    seq: int
    data: bytes

    @property
    def cmd(self) -> int:
        return self.data[0]

    @property
    def attrs(self) -> list[tuple[int, bytes]]:
        return parse(self.data[4:])

    def get(self, name: str) -> bytes | None:
        return dict(self.attrs).get(HC[name])

    def num(self, name: str) -> int:
        value = self.get(name)
        if value is None:
            raise AssertionError(f"the answer has no {name}")
        return number(value)

    def text(self, name: str) -> str:
        return (self.get(name) or b"").rstrip(b"\0").decode()


@dataclass(frozen=True)
class Reply:
    """How a command ended: @err is a positive errno, 0 = well; @why is the
    kernel's sentence, @offset that of the attribute to blame or -1."""

    err: int
    why: str = ""
    offset: int = -1
    messages: list[Message] = field(default_factory=list)

    def __str__(self) -> str:
        if not self.err:
            return f"accepted, {len(self.messages)} answers"
        return f"{errno.errorcode.get(self.err, self.err)} ({self.why or 'no sentence'})"


def split(data: bytes) -> Iterable[Message]:
    off = 0
    while off + 16 <= len(data):
        length, kind, flags, seq, _ = struct.unpack_from("=IHHII", data, off)
        if length < 16 or off + length > len(data):
            raise ValueError(f"the kernel sent a message of {length} bytes at {off} of {len(data)}")
        yield Message(kind, flags, seq, data[off + 16:off + length])
        off += align(length)


def error_of(message: Message) -> Reply:
    """What an NLMSG_ERROR says."""
    code, length = struct.unpack_from("=iI", message.data)
    at = 4 + (16 if message.flags & NLM_F_CAPPED else align(length))
    tlvs = dict(parse(message.data[at:])) if message.flags & NLM_F_ACK_TLVS else {}
    why = tlvs.get(NLMSGERR_ATTR_MSG, b"").rstrip(b"\0").decode()
    return Reply(-code, why, number(tlvs[NLMSGERR_ATTR_OFFS]) if NLMSGERR_ATTR_OFFS in tlvs else -1)


class Genl:
    """A generic netlink socket."""

    TIMEOUT_S = 60.0

    def __init__(self, sock: socket.socket | None = None, family: str = "hyperchain", lookup: bool = True):
        self.sock = sock or socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
        for option in (NETLINK_EXT_ACK, NETLINK_CAP_ACK):
            self.sock.setsockopt(SOL_NETLINK, option, 1)
        self.sock.bind((0, 0))
        self.port = self.sock.getsockname()[0]
        self.seq = 0
        self.other: list[Message] = []      # messages to us that answer no call
        self.family = self.group = 0
        if lookup:
            self.lookup(family)

    def close(self) -> None:
        self.sock.close()

    def __enter__(self) -> "Genl":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def fileno(self) -> int:
        return self.sock.fileno()

    def lookup(self, name: str) -> None:
        reply = self.send_recv(self.message(CTRL_CMD_GETFAMILY, string(CTRL_ATTR_FAMILY_NAME, name),
                                            family=GENL_ID_CTRL))
        if reply.err:
            raise OSError(reply.err, f"there is no family {name!r}; is the module loaded?")
        attrs = dict(reply.messages[0].attrs)
        self.family = number(attrs[CTRL_ATTR_FAMILY_ID])
        for _, group in parse(attrs.get(CTRL_ATTR_MCAST_GROUPS, b"")):
            self.group = number(dict(parse(group))[2])

    def message(self, cmd: int, attrs: bytes = b"", flags: int = NLM_F_REQUEST | NLM_F_ACK, *,
                family: int | None = None, version: int = 1, reserved: int = 0) -> bytes:
        """A whole message; its sequence number is the next."""
        self.seq += 1
        body = struct.pack("=BBH", cmd, version, reserved) + attrs
        return struct.pack("=IHHII", 16 + len(body), self.family if family is None else family,
                           flags, self.seq, 0) + body

    def receive(self, timeout: float) -> list[Message]:
        """Whatever comes within @timeout; [] for nothing. Raises OSError."""
        if not select.select([self.sock], [], [], max(0.0, timeout))[0]:
            return []
        return list(split(self.sock.recv(1 << 20)))

    def send_recv(self, data: bytes, timeout: float | None = None) -> Reply:
        """Send one message and collect what answers it, to its ACK, error or DONE."""
        seq = struct.unpack_from("=I", data, 8)[0] if len(data) >= 12 else self.seq
        self.sock.send(data)
        return self.collect(seq, timeout)

    def collect(self, seq: int, timeout: float | None = None) -> Reply:
        deadline = time.monotonic() + (timeout or self.TIMEOUT_S)
        messages: list[Message] = []
        while True:
            left = deadline - time.monotonic()
            came = self.receive(left)
            if not came and left <= 0:
                raise TimeoutError(f"no answer to netlink message {seq}")
            for index, message in enumerate(came):
                if message.seq != seq or message.kind == self.family and message.data and \
                        message.cmd in (HC["HC_CMD_REQUEST"], HC["HC_CMD_ANSWER"], HC["HC_CMD_EVENT"]):
                    self.other.append(message)
                elif message.kind == NLMSG_ERROR:
                    reply = error_of(message)
                    self.other += came[index + 1:]
                    return Reply(reply.err, reply.why, reply.offset, messages)
                elif message.kind == NLMSG_DONE:
                    code = struct.unpack_from("=i", message.data)[0] if len(message.data) >= 4 else 0
                    self.other += came[index + 1:]
                    return Reply(max(0, -code), "", -1, messages)
                else:
                    messages.append(message)

    def call(self, name: str, *attrs: bytes, dump: bool = False, timeout: float | None = None) -> Reply:
        """Command HC_CMD_@name."""
        flags = NLM_F_REQUEST | (NLM_F_DUMP if dump else NLM_F_ACK)
        return self.send_recv(self.message(HC[f"HC_CMD_{name}"], b"".join(attrs), flags), timeout)

    def must(self, name: str, *attrs: bytes, dump: bool = False) -> list[Message]:
        """The same, of a command that has to succeed."""
        reply = self.call(name, *attrs, dump=dump)
        if reply.err:
            raise AssertionError(f"{name} failed: {reply}")
        return reply.messages

    def wait_other(self, timeout: float, wanted=lambda message: True) -> Message | None:
        """The next message that answers no call and is @wanted; others are dropped."""
        deadline = time.monotonic() + timeout
        while True:
            while self.other:
                message = self.other.pop(0)
                if wanted(message):
                    return message
            left = deadline - time.monotonic()
            came = self.receive(left)
            if not came and left <= 0:
                return None
            self.other += came


@dataclass(frozen=True)
class Event:
    kind: int
    seq: int
    peer: int
    env: int
    count: int
    text: str


class Events:
    """The multicast group; keeps what came, in order."""

    def __init__(self):
        self.genl = Genl()
        self.genl.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.genl.sock.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, self.genl.group)
        self.seen: list[Event] = []

    def close(self) -> None:
        self.genl.close()

    def poll(self, timeout: float = 0.0) -> None:
        try:
            came = self.genl.receive(timeout)
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            came = []           # more than we read came at once; what is there is next
        for message in came:
            if message.kind == self.genl.family and message.cmd == HC["HC_CMD_EVENT"]:
                self.seen.append(Event(message.num("HC_A_EV_KIND"), message.num("HC_A_EV_SEQ"),
                                       message.num("HC_A_EV_PEER"), message.num("HC_A_EV_ENV"),
                                       message.num("HC_A_EV_COUNT"), message.text("HC_A_EV_TEXT")))

    def wait(self, kind: str, peer: int | None = None, timeout: float = 30.0, since: int = 0) -> Event:
        """The first event of this kind (and peer) from index @since on."""
        deadline = time.monotonic() + timeout
        at = since
        while True:
            for event in self.seen[at:]:
                if event.kind == HC[f"HC_EV_{kind}"] and peer in (None, event.peer):
                    return event
            at = len(self.seen)
            left = deadline - time.monotonic()
            if left <= 0:
                raise AssertionError(f"no event {kind} of peer {peer} within {timeout:.0f} s; there were "
                                     f"{[event.text for event in self.seen[since:]]}")
            self.poll(min(left, 1.0))

    def of(self, kind: str, peer: int | None = None, since: int = 0) -> list[Event]:
        self.poll()
        return [event for event in self.seen[since:]
                if event.kind == HC[f"HC_EV_{kind}"] and peer in (None, event.peer)]
