# SPDX-License-Identifier: GPL-2.0-or-later
"""Right netlink messages, changed at random, sent as root (SPEC R22).

Nothing is expected of a single one but an answer that can be read; the module
has to go on, and to be left empty. The seed is printed: the same seed and count
send the same messages.
"""

import argparse
import errno
import os
import random
import select
import struct
import sys
import time

import genl
from cases import mem_available
from commands import ANSWER_ERROR, COMMANDS, Command, Field
from genl import HC, NLA_F_NESTED, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, Genl, attr, nested, u32, u64

CHECK_EVERY = 1000
VALUES = (0, 1, 2, 3, 7, 63, 64, 255, 256, 1023, 1024, 4095, 4096, 65535, 65536, 1 << 20, 1 << 24, 2**31 - 1, 2**31,
          2**32 - 1, 1 << 40, 2**63, 2**64 - 1)
SIZES = {"u8": 1, "u32": 4, "u64": 8}


def value_of(rng: random.Random, field: Field) -> bytes:
    """A value of the right form, mostly."""
    if field.kind in SIZES:
        size = SIZES[field.kind]
        number = rng.choice((field.good, rng.choice(VALUES), rng.randrange(1 << rng.choice((3, 8, 8 * size)))))
        return (number & (1 << 8 * size) - 1).to_bytes(size, "little")
    if field.kind == "string":
        return rng.choice((b"x", b"/dev/vdb", b"/dev/zero", rng.randbytes(rng.randrange(140)))) + b"\0"
    if field.kind == "binary":
        return rng.randbytes(rng.choice((1, 2, 100, 4000)))
    if field.kind == "donors":
        return b"".join(u32(HC["HC_A_ENV_DONOR"], rng.randrange(1, 6)) for _ in range(rng.randrange(6)))
    return b""


def attributes(rng: random.Random, command: Command) -> list[tuple[int, bytes]]:
    fields = list(command.fields) + ([ANSWER_ERROR] if command.name == "ANSWER" else [])
    return [(field.id | (NLA_F_NESTED if field.kind == "donors" else 0), value_of(rng, field))
            for field in fields if field.needed or rng.random() < 0.6]


def spoil_list(rng: random.Random, attrs: list[tuple[int, bytes]]) -> None:
    how = rng.randrange(7)
    if how == 0 and attrs:
        attrs.pop(rng.randrange(len(attrs)))
    elif how == 1 and attrs:
        attrs.insert(rng.randrange(len(attrs)), rng.choice(attrs))
    elif how == 2:
        attrs.append((rng.randrange(0x10000), rng.randbytes(rng.randrange(20))))
    elif how == 3 and attrs:
        at = rng.randrange(len(attrs))
        attrs[at] = (attrs[at][0], rng.randbytes(rng.choice((0, 1, 3, 4, 5, 8, 9, 300))))
    elif how == 4 and attrs:
        at = rng.randrange(len(attrs))
        attrs[at] = (attrs[at][0] ^ rng.choice((0x8000, 0x4000, 1, 2, 4)), attrs[at][1])
    elif how == 5 and attrs:
        kind, body = rng.choice(attrs)
        attrs.append((kind | NLA_F_NESTED, attr(kind, body)))
    else:
        rng.shuffle(attrs)


def spoil_bytes(rng: random.Random, data: bytearray) -> bytearray:
    how = rng.randrange(4)
    if how == 0:
        for _ in range(rng.randrange(1, 5)):
            data[rng.randrange(4, len(data))] ^= 1 << rng.randrange(8)
    elif how == 1:
        data = data[:rng.randrange(16, len(data) + 1)]
        if rng.random() < 0.7:
            struct.pack_into("=I", data, 0, len(data))
    elif how == 2:
        struct.pack_into("=I", data, 0, rng.choice((0, 15, 16, 20, len(data) - 1, len(data) + 4, 2**32 - 1)))
    else:
        data[rng.randrange(16, len(data)):] = rng.randbytes(rng.randrange(60))
    return data


class Fuzz:
    def __init__(self, rng: random.Random):
        self.rng = rng
        self.h = Genl()
        self.answers: dict[int, int] = {}
        self.silent: dict[str, int] = {}

    def one(self) -> bytes:
        rng, command = self.rng, self.rng.choice(COMMANDS)
        cmd = HC[f"HC_CMD_{command.name}"]
        if rng.random() < 0.02:
            cmd = rng.randrange(256)
        attrs = attributes(rng, command)
        for _ in range(rng.choice((0, 0, 1, 1, 2, 4))):
            spoil_list(rng, attrs)
        flags = NLM_F_REQUEST | rng.choice((NLM_F_ACK, NLM_F_ACK, NLM_F_DUMP, NLM_F_ACK | 1 << rng.randrange(16)))
        data = bytearray(self.h.message(cmd, b"".join(attr(kind, body) for kind, body in attrs), flags))
        return bytes(spoil_bytes(rng, data) if rng.random() < 0.3 else data)

    def drain(self) -> None:
        """Read what came; every message has to be whole."""
        while select.select([self.h.sock], [], [], 0)[0]:
            try:
                data = self.h.sock.recv(1 << 20)
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                continue
            for message in genl.split(data):
                if message.kind != genl.NLMSG_ERROR:
                    continue
                reply = genl.error_of(message)
                self.answers[reply.err] = self.answers.get(reply.err, 0) + 1

    def send(self) -> None:
        data = self.one()
        if self.rng.random() < 0.1:
            data += self.one()
        try:
            self.h.sock.send(data)
        except OSError as error:
            # ENOTCONN: it was a netlink control message that spoilt our socket's own state.
            if error.errno not in (errno.ECONNREFUSED, errno.ENODATA, errno.EAGAIN, errno.ENOBUFS):
                raise
        self.drain()

    def check(self) -> None:
        with Genl() as h:
            h.must("NODE_GET")
            h.must("ENV_GET", dump=True)
            h.must("PEER_GET", dump=True)


def clean_up() -> None:
    """Leave the module as it was loaded; all of this has to be possible."""
    with Genl() as h:
        h.must("POOL_SET", u64(HC["HC_A_POOL_LIMIT"], 0))
        for message in h.must("ENV_GET", dump=True):
            for kind, body in message.attrs:
                if kind == HC["HC_A_ENV_CGROUP"]:
                    h.must("CGROUP_UNBIND", attr(kind, body))
        deadline = time.monotonic() + 60
        for name, gone in (("DISK_DEL", errno.ENODEV), ("BACKING_DEL", errno.ENODEV)):
            while (reply := h.call(name)).err not in (0, gone):
                if time.monotonic() > deadline:
                    raise AssertionError(f"{name} at the end: {reply}")
                time.sleep(0.1)
        for message in h.must("PEER_GET", dump=True):
            h.must("PEER_DEL", u32(HC["HC_A_PEER_ID"], message.num("HC_A_PEER_ID")), attr(HC["HC_A_PEER_FORCE"], b""))
        for message in h.must("ENV_GET", dump=True):
            while (reply := h.call("ENV_DEL", u32(HC["HC_A_ENV_ID"], message.num("HC_A_ENV_ID")))).err:
                if time.monotonic() > deadline:
                    raise AssertionError(f"ENV_DEL at the end: {reply}")
                time.sleep(0.1)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}, {arguments.count} messages", flush=True)
    # The root cgroup is the one that can't be bound: we must stay the host's.
    with open("/sys/fs/cgroup/cgroup.procs", "w") as f:
        f.write(str(os.getpid()))
    before = mem_available()
    fuzz = Fuzz(random.Random(arguments.seed))
    for n in range(1, arguments.count + 1):
        fuzz.send()
        if n % CHECK_EVERY == 0:
            fuzz.check()
            print(f"{n} sent, {(before - mem_available()) >> 10} KB in use", flush=True)
    fuzz.h.close()
    clean_up()
    told = {errno.errorcode.get(code, "accepted"): n for code, n in sorted(fuzz.answers.items())}
    print(f"answers: {told}")
    if told.get("accepted", 0) < arguments.count // 50 or len(told) < 5:
        print("the messages were not near enough to right ones to prove anything")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
