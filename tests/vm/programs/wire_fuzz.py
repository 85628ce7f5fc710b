# SPDX-License-Identifier: GPL-2.0-or-later
"""Right streams of the page fabric, changed at random (SPEC R20a).

Each round is a connection with a right hello and then a mix of requests and
answers, some of them spoilt, in pieces of any size. Between rounds an honest
peer's page has to be there unchanged. The seed is printed: the same seed and
count send the same bytes.
"""

import argparse
import errno
import os
import random
import sys
import time

from cases import mem_available
from fabric import (ANSWER, EPOCH, OUR_NODE, PAGE, SLAB_PAGES, Closed, Link, Msg, hello_message, ids, kind,
                    peer_del, peer_get)
from genl import HC, Genl, u32, u64

HONEST, FUZZ, ROOM = 2, 3, 64
MIB = 1 << 20
CHECK_EVERY = 50


def one(rng: random.Random) -> Msg:
    """A message that is right in form, mostly."""
    name = rng.choice(("PING", "LEASE", "RELEASE", "READ", "WRITE", "WRITE", "READ", "RECALL"))
    tag = rng.choice((1, rng.randrange(1, 100), rng.getrandbits(64), 1 << 16 | rng.randrange(256)))
    epoch = rng.choice((EPOCH,) * 8 + (EPOCH - 1, 0, rng.getrandbits(64)))
    slab = rng.choice((1, 2, 3, rng.randrange(1, ROOM), rng.getrandbits(32)))
    nr = rng.choice((1, 1, 2, 16))
    page = rng.randrange(SLAB_PAGES - nr + 1)
    if rng.random() < 0.1:
        flags, status = ANSWER, rng.choice((0, 1, 5))
        payload = bytes(nr * PAGE) if name == "READ" and not status else b""
        return Msg(kind(name), flags, status, page if name in ("READ", "WRITE") else 0,
                   nr if name in ("READ", "WRITE") else 0, tag, 0, slab, 0, payload)
    if name == "LEASE":
        return Msg(kind(name), nr=rng.choice((1, 2, 512)), tag=tag, epoch=epoch, arg=rng.choice((1, 1, 2, 0, 1 << 40)))
    if name in ("RELEASE", "RECALL"):
        numbers = [rng.choice((slab, rng.randrange(1, ROOM))) for _ in range(rng.choice((0, 1, 3)))]
        return Msg(kind(name), nr=len(numbers), tag=tag, epoch=epoch, payload=ids(*numbers))
    if name == "PING":
        return Msg(kind(name), tag=tag, epoch=epoch)
    payload = rng.randbytes(nr * PAGE) if name == "WRITE" else b""
    return Msg(kind(name), page=page, nr=nr, tag=tag, epoch=epoch, slab=slab, payload=payload)


def spoil(rng: random.Random, data: bytearray) -> bytearray:
    how = rng.randrange(6)
    at = rng.randrange(len(data))
    if how == 0:
        data[rng.randrange(min(48, len(data)))] ^= 1 << rng.randrange(8)
    elif how == 1:
        data[at] = rng.randrange(256)
    elif how == 2:
        del data[at:at + rng.randrange(1, 60)]
    elif how == 3:
        data[at:at] = rng.randbytes(rng.randrange(1, 60))
    elif how == 4:
        data = data[:at]
    else:
        field, size = rng.choice(((4, 1), (5, 1), (6, 2), (8, 4), (12, 2), (14, 2), (40, 8), (32, 4)))
        data[field:field + size] = rng.choice((b"\0", b"\xff", rng.randbytes(1))) * size
    return data


def stream(rng: random.Random) -> bytes:
    if rng.random() < 0.1:
        first = bytes(spoil(rng, bytearray(hello_message(FUZZ))))
    else:
        first = hello_message(FUZZ)
    out = [first]
    for _ in range(rng.randrange(1, 12)):
        data = bytearray(one(rng).pack())
        out.append(bytes(spoil(rng, data) if rng.random() < 0.15 else data))
    return b"".join(out)


def round_(rng: random.Random) -> str:
    data = stream(rng)
    # Half of the stream may be there before the module has its socket; the hello mostly is.
    cut = min(len(data), rng.choice((48 + 120, 48 + 120, rng.randrange(len(data)), len(data))))
    if cut < 48 + 120:
        cut = 48 + 120
    link = Link(FUZZ, first=data[:cut])
    if link.reply.err:
        link.close()
        return errno.errorcode[link.reply.err]
    rest = data[cut:]
    while rest:
        size = rng.choice((1, 7, 48, 1000, 5000, 100000))
        link.send(rest[:size])
        rest = rest[size:]
    try:
        link.buffer = b""
        if rng.random() < 0.7:
            link._fill(1 << 30, time.monotonic() + rng.random() * 0.05)
        verdict = "kept"
    except Closed:
        verdict = "ended"
    link.close()
    return verdict


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}, {arguments.count} connections", flush=True)
    rng = random.Random(arguments.seed)
    verdicts: dict[str, int] = {}
    with Genl() as h:
        h.must("NODE_SET", u32(HC["HC_A_NODE_ID"], OUR_NODE))
        h.must("POOL_SET", u64(HC["HC_A_POOL_LIMIT"], 32 * MIB), u64(HC["HC_A_POOL_RESERVE"], 16 * MIB))
        before = mem_available()
        honest = Link(HONEST)
        assert not honest.reply.err, f"the honest peer was refused: {honest.reply}"
        slab, = honest.lease(1)
        pages = os.urandom(16 * PAGE)
        assert honest.write(slab, 32, pages) == 0, "the honest peer's page was refused"
        for n in range(1, arguments.count + 1):
            verdict = round_(rng)
            verdicts[verdict] = verdicts.get(verdict, 0) + 1
            # It may have said that its lease epoch is the last there is: start anew.
            if verdict not in ("kept", "ended"):
                peer_del(h, FUZZ)
            if n % CHECK_EVERY:
                honest.ask("PING", timeout=60)
                continue
            got = honest.read(slab, 32, 16, timeout=60)
            assert got.payload == pages, f"after {n} connections the honest peer's pages are others"
            assert peer_get(h, HONEST, "ERRORS") == 0, "the honest peer was blamed"
            lent = h.must("POOL_GET")[0].num("HC_A_POOL_LENT")
            assert lent <= 32 * MIB, f"{lent} bytes are lent"
            used = (before - mem_available() - lent) >> 10
            print(f"{n} connections: {verdicts}, {lent >> 20} MiB lent, {used} KB in use besides", flush=True)
            assert used < 64 << 10, f"{used} KB are gone"
        for peer in (FUZZ, HONEST):
            reply = peer_del(h, peer)
            assert reply.err in (0, errno.ENOENT), f"PEER_DEL: {reply}"
        assert h.must("POOL_GET")[0].num("HC_A_POOL_LENT") == 0, "memory is still lent though no peer is left"
    if not (verdicts.get("kept") and verdicts.get("ended") and verdicts.get("EPROTO")):
        print(f"too much of the same to prove anything: {verdicts}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
