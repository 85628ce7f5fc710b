#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The user's program: a data set in redis that is checked to the last byte.

    dataset.py fill SOCKET COUNT      store COUNT values
    dataset.py verify SOCKET COUNT    read all of them back, in another order

Each value fills eight pages, and every page of the whole set has content of its
own that follows from its number alone. So a page that comes back wrong, old, or
in another one's place is found, and nothing has to be kept to compare with. The
checksum is over all keys and values (the sum of their MD5s, so that the order
does not matter); verify computes it from what redis answered.

Tells how far it is in JSON, a line now and then. Ends with 0 only if all is right.
"""

import hashlib
import json
import random
import socket
import sys
import time

VALUE = 8 * 4096 - 6  # with redis' own header of a string: eight pages
UNIT = 60  # does not divide a page: each page of a value begins elsewhere in it
BATCH = 4
RUN = 32  # values that verify reads one after the other


def make_value(number: int) -> bytes:
    unit = hashlib.blake2b(b"%d" % number, digest_size=UNIT).digest()
    return (unit * (VALUE // UNIT + 1))[:VALUE]


def make_sum(number: int, value: bytes) -> int:
    h = hashlib.md5(b"%d=" % number)
    h.update(value)
    return int.from_bytes(h.digest(), "little")


class Progress:
    def __init__(self, what: str, count: int):
        self.what, self.count = what, count
        self.began = self.told = time.monotonic()

    def tell(self, done: int, **more: object) -> None:
        now = time.monotonic()
        if now - self.told < 0.5 and not more:
            return
        self.told = now
        print(json.dumps({"what": self.what, "done": done, "count": self.count,
                          "seconds": round(now - self.began, 1), **more}), flush=True)


class Redis:
    def __init__(self, path: str):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)
        self.file = self.sock.makefile("rb", buffering=1 << 17)

    def send(self, *commands: tuple[bytes, ...]) -> None:
        out = []
        for words in commands:
            out.append(b"*%d\r\n" % len(words))
            for word in words:
                out += (b"$%d\r\n" % len(word), word, b"\r\n")
        self.sock.sendall(b"".join(out))

    def read(self) -> bytes | None:
        line = self.file.readline()
        if line[:1] == b"$":
            length = int(line[1:])
            return None if length < 0 else self.file.read(length + 2)[:-2]
        if line[:1] in (b"+", b":"):
            return line[1:-2]
        raise SystemExit(f"redis said {line!r}" if line else "redis is gone")


def batches(numbers: list[int]):
    for start in range(0, len(numbers), BATCH):
        yield numbers[start:start + BATCH]


def fill(redis: Redis, count: int) -> int:
    progress, total, done = Progress("fill", count), 0, 0
    for numbers in batches(list(range(count))):
        values = [make_value(number) for number in numbers]
        redis.send(*((b"SET", b"v:%d" % number, value) for number, value in zip(numbers, values)))
        for number, value in zip(numbers, values):
            total += make_sum(number, value)
            if redis.read() != b"OK":
                raise SystemExit(f"redis did not take value {number}")
        done += len(numbers)
        progress.tell(done)
    progress.tell(count, over=True, bad=0, sum=f"{total % (1 << 128):032x}")
    return 0


def verify(redis: Redis, count: int) -> int:
    progress, total, done, bad = Progress("verify", count), 0, 0, 0
    # Runs of some values, far from each other: neither a plain scan nor one fault for each page.
    # Runs of some values, far from each other: neither a plain scan nor one fault for each page.
    starts = list(range(0, count, RUN))
    random.Random(count).shuffle(starts)
    order = [number for start in starts for number in range(start, min(start + RUN, count))]
    for numbers in batches(order):
        redis.send(*((b"GET", b"v:%d" % number) for number in numbers))
        for number in numbers:
            value = redis.read()
            if value != make_value(number):
                bad += 1
                print(json.dumps({"what": "wrong", "number": number, "missing": value is None}), flush=True)
            total += make_sum(number, value or b"")
        done += len(numbers)
        progress.tell(done)
    progress.tell(done, over=True, bad=bad, sum=f"{total % (1 << 128):032x}")
    return 1 if bad or done != count else 0


def main() -> int:
    if len(sys.argv) != 4 or sys.argv[1] not in ("fill", "verify"):
        print("usage: dataset.py fill|verify SOCKET COUNT", file=sys.stderr)
        return 2
    redis, count = Redis(sys.argv[2]), int(sys.argv[3])
    return (fill if sys.argv[1] == "fill" else verify)(redis, count)


if __name__ == "__main__":
    sys.exit(main())
