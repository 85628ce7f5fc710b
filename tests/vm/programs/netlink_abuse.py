# SPDX-License-Identifier: GPL-2.0-or-later
"""Wrong requests of every kind to the module's netlink family (SPEC R22); run
as root in a guest with the module loaded and nothing set up.

Every refusal has to carry a sentence, but for what genetlink itself turns away
before the module sees it (unknown commands, messages without a header).
"""

import ctypes
import errno
import json
import os
import socket
import struct
import traceback
from typing import Callable

import genl
from cases import case, expect, run, wait_until
from commands import ANSWER_ERROR, BY_NAME, COMMANDS, INT_BITS, NO_REQUEST, NODE_ID, Command, Field
from genl import HC, NLA_F_NESTED, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, Genl, Reply, attr, nested, string, u8, u32, u64

CGROUP_TOP = "/sys/fs/cgroup"
FORM = (errno.EINVAL, errno.ERANGE)


def refused(reply: Reply, what: str, errors: tuple[int, ...] = FORM, text: str = "") -> None:
    names = "/".join(errno.errorcode[e] for e in errors)
    expect(reply.err in errors, f"{what}: wanted {names}, got: {reply}")
    expect(reply.why, f"{what}: {reply} without a sentence")
    expect(text in reply.why, f"{what}: the sentence is {reply.why!r}, it should say {text!r}")


def send(h: Genl, command: Command, attrs: bytes, **more) -> Reply:
    flags = NLM_F_REQUEST | (NLM_F_ACK if command.has_do else NLM_F_DUMP)
    return h.send_recv(h.message(HC[f"HC_CMD_{command.name}"], attrs, flags, **more))


def each(check: Callable[[Genl, Command], None]) -> None:
    """@check every command; all that failed are told together."""
    wrong = []
    with Genl() as h:
        for command in COMMANDS:
            try:
                check(h, command)
            except AssertionError as error:
                wrong.append(str(error))
    expect(not wrong, f"{len(wrong)} wrong:\n       " + "\n       ".join(wrong[:30]))


def each_field(check: Callable[[Genl, Command, Field], None]) -> None:
    def fields(h: Genl, command: Command) -> None:
        wrong = []
        extra = (ANSWER_ERROR,) if command.name == "ANSWER" else ()
        for field in command.fields + extra:
            try:
                check(h, command, field)
            except AssertionError as error:
                wrong.append(str(error))
        expect(not wrong, "\n       ".join(wrong))
    each(fields)


# ------------------------------------------------------------------- form

@case("form")
def missing_attributes():
    def check(h, command, field):
        if field.needed and not (command.is_dump and command.has_do is False):
            refused(send(h, command, command.attrs(field.name)), f"{command.name} without {field.name}")
    each_field(check)
    with Genl() as h:
        refused(h.call("POOL_SET", u32(HC["HC_A_POOL_ENV"], 1)), "POOL_SET with half a limit")
        refused(h.call("POOL_SET", u64(HC["HC_A_POOL_ENV_LIMIT"], 1)), "POOL_SET with the other half")
        refused(h.call("ANSWER", u64(HC["HC_A_REQ_COOKIE"], 1)), "ANSWER with nothing in it")
        refused(h.call("ANSWER", BY_NAME["ANSWER"].attrs(), ANSWER_ERROR.make()), "ANSWER with both")


@case("form")
def wrong_lengths():
    def check(h, command, field):
        right = len(field.make()) - 4
        rest = command.attrs(field.name)
        if field.kind in INT_BITS:
            size = INT_BITS[field.kind] // 8
            sizes = sorted({0, 1, size - 1, size + 1, 2, 4, 8, 12, 4000} - {size})
            bodies = [bytes(n) for n in sizes]
        elif field.kind == "string":
            bodies = [b"x" * 4, b"", b"x" * (field.high + 1) + b"\0", b"x" * 4000 + b"\0", b"x" * (field.high + 1)]
        elif field.kind == "binary":
            bodies = [b"", b"x" * (field.high + 1)]
        elif field.kind == "flag":
            bodies = [b"x", bytes(4)]
        else:
            bodies = [b"x", bytes(3), bytes(5)]
        for body in bodies:
            kind = field.id | (NLA_F_NESTED if field.kind == "donors" else 0)
            refused(send(h, command, rest + attr(kind, body)),
                    f"{command.name} with {len(body)} bytes of {field.name} ({right} are right)")
    each_field(check)


@case("form")
def out_of_range():
    def check(h, command, field):
        if field.kind not in INT_BITS:
            return
        top = 2 ** INT_BITS[field.kind] - 1
        for value in {field.low - 1, field.high + 1, top} - {field.low, field.high}:
            if 0 <= value <= top and not field.low <= value <= field.high:
                refused(send(h, command, command.attrs(field.name) + field.make(value)),
                        f"{command.name} with {field.name} = {value}")
    each_field(check)


WRONG_BODY: dict[str, Callable[[Field], bytes]] = {
    **{kind: lambda field: b"xxxxx" for kind in INT_BITS},
    "string": lambda field: b"x" * (field.high + 1) + b"\0",
    "binary": lambda field: b"x" * (field.high + 1),
    "flag": lambda field: b"x",
    "donors": lambda field: u32(DONOR, 4) + u32(DONOR, 0),
}


@case("form")
def doubled_attributes():
    """Each one is looked at, wherever the wrong one stands; of right ones the last counts."""
    def check(h, command, field):
        kind = field.id | (NLA_F_NESTED if field.kind == "donors" else 0)
        good, bad = field.make(), attr(kind, WRONG_BODY[field.kind](field))
        refused(send(h, command, command.attrs() + bad), f"{command.name}, {field.name} right then wrong")
        refused(send(h, command, bad + command.attrs()), f"{command.name}, {field.name} wrong then right")
        refused(send(h, command, command.attrs() + good * 3 + bad), f"{command.name}, {field.name} four times")
    each_field(check)
    with Genl() as h:
        h.must("NODE_SET", string(HC["HC_A_NODE_NAME"], "first"), string(HC["HC_A_NODE_NAME"], "second"))
        expect(h.must("NODE_GET")[0].text("HC_A_NODE_NAME") == "second", "of two names the last should count")
        h.must("ENV_ADD", env(1, donors(2, 3), donors(4)))
        shown = h.must("ENV_GET", env_id(1))[0].get("HC_A_ENV_DONORS")
        h.must("ENV_DEL", env_id(1))
        expect(shown == u32(DONOR, 4), f"of two lists of donors the last should count, not {shown.hex()}")
        # A flag is there or not, however often.
        twice = attr(HC["HC_A_PEER_FORCE"], b"") * 2
        refused(h.call("PEER_DEL", u32(HC["HC_A_PEER_ID"], 999), twice), "PEER_DEL, forced twice", (errno.ENOENT,))


@case("form")
def unknown_attributes():
    def check(h, command):
        for kind in command.foreign + [0, 200, 0x3FFF]:
            for body in (b"", bytes(4), bytes(8)):
                refused(send(h, command, command.attrs() + attr(kind, body)),
                        f"{command.name} with attribute {kind} of {len(body)} bytes")
    each(check)


@case("form")
def wrong_nesting():
    def check(h, command, field):
        rest = command.attrs(field.name)
        body = field.make()[4:]
        if field.kind == "donors":
            refused(send(h, command, rest + attr(field.id, body)), f"{command.name}: {field.name} not marked as nested")
            for inner in (u32(HC["HC_A_ENV_ID"], 1), u8(HC["HC_A_ENV_DONOR"], 1), u64(HC["HC_A_ENV_DONOR"], 1),
                          u32(HC["HC_A_ENV_DONOR"], 0), u32(99, 1), attr(HC["HC_A_ENV_DONOR"], bytes(4), 400),
                          nested(HC["HC_A_ENV_DONOR"], u32(HC["HC_A_ENV_DONOR"], 1)),
                          nested(HC["HC_A_ENV_DONORS"], u32(HC["HC_A_ENV_DONOR"], 1)), b"\x05\0"):
                refused(send(h, command, rest + nested(field.id, u32(HC["HC_A_ENV_DONOR"], 4), inner)),
                        f"{command.name}: {field.name} holds {inner.hex()}")
        elif field.kind != "flag":
            refused(send(h, command, rest + attr(field.id | NLA_F_NESTED, body)),
                    f"{command.name}: {field.name} marked as nested")
        deep = u32(1, 1)
        for _ in range(200):
            deep = nested(field.id, deep)
        refused(send(h, command, rest + deep), f"{command.name}: {field.name} nested 200 deep")
    each_field(check)


@case("form")
def lying_lengths():
    """Attributes that end outside the message, or before themselves."""
    def check(h, command):
        for tail in (b"\0", bytes(3), bytes(4), struct.pack("=HH", 3, 1), struct.pack("=HH", 0xFFFF, 1),
                     attr(1, bytes(4), 9), attr(1, bytes(4), 0)):
            refused(send(h, command, command.attrs() + tail), f"{command.name} with the tail {tail.hex()}")
    each(check)


@case("form")
def unknown_flags_and_headers():
    def check(h, command):
        cmd = HC[f"HC_CMD_{command.name}"]
        base = NLM_F_REQUEST | (NLM_F_ACK if command.has_do else NLM_F_DUMP)
        for flag in (0x10, 0x20, 0x40, 0x80, 0x400, 0x800, 0x1000, 0x8000):
            refused(h.send_recv(h.message(cmd, command.attrs(), base | flag)), f"{command.name} with flag {flag:#x}")
        if command.has_do:
            for flag in (genl.NLM_F_ROOT, genl.NLM_F_MATCH):
                refused(h.send_recv(h.message(cmd, command.attrs(), base | flag)), f"{command.name} with {flag:#x}")
        for reserved in (1, 0xFFFF):
            refused(h.send_recv(h.message(cmd, command.attrs(), base, reserved=reserved)),
                    f"{command.name} with reserved = {reserved}")
    each(check)


@case("form")
def unknown_commands():
    """Turned away by genetlink; there must be an error, a sentence is not ours to give."""
    names = [HC[f"HC_CMD_{name}"] for name in NO_REQUEST if name != "MAX"]
    with Genl() as h:
        for cmd in names + [HC["HC_CMD_MAX"] + 1, 77, 255]:
            for flags in (NLM_F_REQUEST | NLM_F_ACK, NLM_F_REQUEST | NLM_F_DUMP):
                reply = h.send_recv(h.message(cmd, u32(1, 1), flags))
                expect(reply.err == errno.EOPNOTSUPP, f"command {cmd} with flags {flags:#x}: {reply}")
        for command in COMMANDS:
            cmd = HC[f"HC_CMD_{command.name}"]
            flags = NLM_F_REQUEST | (NLM_F_ACK if command.is_dump else NLM_F_DUMP)
            if command.is_dump and command.has_do:
                continue
            reply = h.send_recv(h.message(cmd, command.attrs(), flags))
            expect(reply.err == errno.EOPNOTSUPP, f"{command.name} the other way: {reply}")


@case("form")
def truncated_messages():
    """Less than the message claims, or than a header: nothing may come of it."""
    def check(h, command):
        whole = h.message(HC[f"HC_CMD_{command.name}"], command.attrs(), NLM_F_REQUEST | NLM_F_ACK)
        whole = whole[:64]      # longer ones differ in the last attribute only
        for n in range(1, len(whole)):
            for claim in {len(whole), n + 1, 0, 15, 0xFFFFFFFF} | ({n} if n < 20 else set()):
                h.sock.send(struct.pack("=I", claim)[:n] + whole[4:n])
        while h.receive(0):
            pass
        h.other.clear()
    before = state()
    each(check)
    after = state()
    expect(before == after, f"truncated messages changed {before} into {after}")


def state() -> dict:
    """What a refused command must leave as it is."""
    with Genl() as h:
        node = h.must("NODE_GET")[0]
        pool = h.must("POOL_GET")[0]
        return {"id": node.num("HC_A_NODE_ID"), "name": node.text("HC_A_NODE_NAME"),
                "epoch": node.num("HC_A_NODE_EPOCH"), "peers": node.num("HC_A_NODE_PEERS"),
                "limit": pool.num("HC_A_POOL_LIMIT"), "reserve": pool.num("HC_A_POOL_RESERVE"),
                "drain": pool.num("HC_A_POOL_DRAIN"), "disk": h.call("DISK_GET").err == 0,
                "envs": [m.num("HC_A_ENV_ID") for m in h.must("ENV_GET", dump=True)]}


# ------------------------------------------------------------------ sense

DONOR = HC["HC_A_ENV_DONOR"]


def env(number: int, *more: bytes, name: str = "abuse") -> bytes:
    return u32(HC["HC_A_ENV_ID"], number) + string(HC["HC_A_ENV_NAME"], name) + b"".join(more)


def env_id(number: int) -> bytes:
    return u32(HC["HC_A_ENV_ID"], number)


def donors(*ids: int) -> bytes:
    return nested(HC["HC_A_ENV_DONORS"], *(u32(DONOR, i) for i in ids))


def cgroup(number: int) -> bytes:
    return u64(HC["HC_A_ENV_CGROUP"], number)


def make_cgroup(name: str) -> tuple[str, int]:
    path = os.path.join(CGROUP_TOP, name)
    os.makedirs(path, exist_ok=True)
    return path, os.stat(path).st_ino


@case("sense")
def node_without_an_id():
    """The first case that runs on a fresh module: no peer before the node has an id."""
    with Genl() as h:
        if h.must("NODE_GET")[0].num("HC_A_NODE_ID"):
            raise AssertionError("this case wants a module that was just loaded")
        refused(h.call("PEER_ADD", BY_NAME["PEER_ADD"].attrs()), "PEER_ADD without an own id", (errno.EINVAL,), "id")
        h.must("NODE_SET", u32(HC["HC_A_NODE_ID"], NODE_ID), string(HC["HC_A_NODE_NAME"], "n1"))


@case("sense")
def peers_that_are_not_there():
    with Genl() as h:
        for name in ("PEER_SET", "PEER_DEL", "PEER_GET"):
            refused(h.call(name, u32(HC["HC_A_PEER_ID"], 999)), name, (errno.ENOENT,))
        refused(h.call("PEER_ADD", u32(HC["HC_A_PEER_ID"], NODE_ID), u32(HC["HC_A_PEER_FD"], 0),
                       u32(HC["HC_A_PEER_CONN"], 0)), "PEER_ADD of the node itself", (errno.EINVAL,), "itself")


@case("sense")
def epochs_only_grow():
    with Genl() as h:
        h.must("NODE_SET", u64(HC["HC_A_NODE_EPOCH"], 1000))
        refused(h.call("NODE_SET", u64(HC["HC_A_NODE_EPOCH"], 999)), "NODE_SET to an older epoch", (errno.EINVAL,))
        expect(h.must("NODE_GET")[0].num("HC_A_NODE_EPOCH") == 1000, "the epoch went back")


@case("sense")
def environments():
    with Genl() as h:
        h.must("ENV_ADD", env(1, donors(2, 3)))
        refused(h.call("ENV_ADD", env(1)), "ENV_ADD of one that exists", (errno.EEXIST,))
        refused(h.call("ENV_SET", env(2)), "ENV_SET of none", (errno.ENOENT,))
        refused(h.call("ENV_DEL", env_id(2)), "ENV_DEL of none", (errno.ENOENT,))
        refused(h.call("ENV_GET", env_id(2)), "ENV_GET of none", (errno.ENOENT,))
        refused(h.call("ENV_SET", env_id(1), donors(4, 4)), "a donor twice", (errno.EINVAL,))
        refused(h.call("ENV_SET", env_id(1), donors(*range(100, 165))), "65 donors", (errno.E2BIG,))
        h.must("ENV_SET", env_id(1), donors(*range(100, 164)))
        h.must("ENV_SET", env_id(1), donors())
        refused(h.call("ENV_SET", env_id(1), donors(9, 9)), "a donor twice", (errno.EINVAL,))
        got = h.must("ENV_GET", env_id(1))[0]
        expect(got.get("HC_A_ENV_DONORS") == b"", "a refused list of donors was taken in part")
        h.must("ENV_SET", env_id(1), u64(HC["HC_A_ENV_QUOTA"], 1))
        quota = h.must("ENV_GET", env_id(1))[0].num("HC_A_ENV_QUOTA")
        expect(quota, "a quota of one byte became no quota at all")
        h.must("ENV_DEL", env_id(1))


@case("many")
def as_many_environments_as_there_may_be():
    with Genl() as h:
        for number in range(1, HC["HC_ENVS_MAX"] + 1):
            h.must("ENV_ADD", env(number, donors(*range(2, 10))))
        refused(h.call("ENV_ADD", env(HC["HC_ENVS_MAX"] + 1)), "one more", FORM)
        ids = [m.num("HC_A_ENV_ID") for m in h.must("ENV_GET", dump=True)]
        expect(ids == list(range(1, HC["HC_ENVS_MAX"] + 1)), f"the dump has {len(ids)} environments")
        dump_and_change(h)
        for number in range(1, HC["HC_ENVS_MAX"] + 1):
            h.call("ENV_DEL", env_id(number))
        expect(not h.must("ENV_GET", dump=True), "environments are left")


def dump_and_change(h: Genl) -> None:
    """A dump that is read slowly while what it shows goes away, and one that nobody reads on."""
    slow, left = Genl(), Genl()
    for reader in (slow, left):
        reader.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.sock.send(reader.message(HC["HC_CMD_ENV_GET"], b"", NLM_F_REQUEST | NLM_F_DUMP))
        reader.receive(5)
    for number in range(2, HC["HC_ENVS_MAX"] + 1, 2):
        h.must("ENV_DEL", env_id(number))
    left.close()
    reply = slow.collect(slow.seq)
    seen = [m.num("HC_A_ENV_ID") for m in reply.messages]
    expect(seen == sorted(set(seen)), "a dump showed an environment twice")
    refused_dump = slow.send_recv(slow.message(HC["HC_CMD_ENV_GET"], b"", NLM_F_REQUEST | NLM_F_DUMP))
    expect(len(refused_dump.messages) == HC["HC_ENVS_MAX"] // 2 + 1, "the next dump is not whole")
    slow.close()


@case("sense")
def cgroups():
    path, number = make_cgroup("abuse-bind")
    top = os.stat(CGROUP_TOP).st_ino
    with Genl() as h:
        h.must("ENV_ADD", env(1))
        refused(h.call("CGROUP_BIND", env_id(2), cgroup(number)), "BIND to no environment", (errno.ENOENT,))
        refused(h.call("CGROUP_BIND", env_id(1), cgroup(1 << 50)), "BIND of no cgroup", (errno.ENOENT,))
        refused(h.call("CGROUP_BIND", env_id(1), cgroup(genl.U64_MAX)), "BIND of no cgroup", (errno.ENOENT,))
        refused(h.call("CGROUP_BIND", env_id(1), cgroup(top)), "BIND of the root cgroup", (errno.EINVAL,))
        h.must("CGROUP_BIND", env_id(1), cgroup(number))
        refused(h.call("CGROUP_BIND", env_id(1), cgroup(number)), "BIND twice", (errno.EEXIST,))
        refused(h.call("ENV_DEL", env_id(1)), "ENV_DEL with a bound cgroup", (errno.EBUSY,))
        refused(h.call("CGROUP_UNBIND", cgroup(number + 1000000)), "UNBIND of no binding", (errno.ENOENT,))
        os.rmdir(path)
        h.must("CGROUP_UNBIND", cgroup(number))
        refused(h.call("CGROUP_UNBIND", cgroup(number)), "UNBIND twice", (errno.ENOENT,))
        h.must("ENV_DEL", env_id(1))


@case("sense")
def disk_and_backing():
    size = HC["HC_A_DISK_SIZE"]
    path = HC["HC_A_BACKING_PATH"]
    with Genl() as h:
        for name in ("DISK_GET", "DISK_DEL", "BACKING_DEL"):
            refused(h.call(name), name, (errno.ENODEV,))
        for odd in (4095, 1, 512):
            refused(h.call("DISK_ADD", u64(size, (1 << 24) + odd)), f"a size of 16 MiB and {odd} bytes", (errno.EINVAL,))
        before = open("/proc/vmstat").read()
        refused(h.call("DISK_ADD", u64(size, HC["HC_DISK_SIZE_MAX"])), "the biggest disk there may be", (errno.ENOMEM,))
        refused(h.call("DISK_ADD", u64(size, 1 << 36)), "a disk of 64 GiB", (errno.ENOMEM,))
        kills = [[line for line in text.splitlines() if line.startswith("oom_kill ")]
                 for text in (before, open("/proc/vmstat").read())]
        expect(kills[0] == kills[1], f"a big disk made the kernel kill: {kills}")
        h.must("DISK_ADD", u64(size, 1 << 24))
        refused(h.call("DISK_ADD", u64(size, 1 << 24)), "a second disk", (errno.EEXIST,))
        fd = os.open("/dev/hcswap0", os.O_RDONLY)
        refused(h.call("DISK_DEL"), "DISK_DEL of an open one", (errno.EBUSY,))
        os.close(fd)
        for wrong, why in (("/dev/none", errno.ENOENT), ("/tmp", errno.ENOTBLK), ("/dev/null", errno.ENOTBLK),
                           ("/etc/passwd", errno.ENOTBLK), ("", errno.EINVAL), ("vdb", errno.ENOENT)):
            reply = h.call("BACKING_ADD", string(path, wrong))
            refused(reply, f"BACKING_ADD {wrong!r}", (why, errno.ENOENT))
        reply = h.call("BACKING_ADD", string(path, "/dev/hcswap0"))
        expect(reply.err and reply.why, f"the swap disk as its own backing: {reply}")
        h.must("BACKING_ADD", string(path, "/dev/vdb"))
        refused(h.call("BACKING_ADD", string(path, "/dev/vdb")), "the same backing twice", (errno.EBUSY, errno.EEXIST))
        refused(h.call("BACKING_DEL"), "BACKING_DEL under the disk", (errno.EBUSY,))
        # udev may still look at it.
        wait_until(lambda: h.call("DISK_DEL").err == 0, 20, "DISK_DEL")
        h.must("BACKING_DEL")


@case("sense")
def odd_names():
    """Names are bytes of the admin; what comes back is what was given."""
    with Genl() as h:
        for name in (b"", b"x" * HC["HC_NAME_LEN"], b"a\nb", b"\xff\xfe", b"%s%n%p", "Ünï".encode()):
            h.must("NODE_SET", string(HC["HC_A_NODE_NAME"], name))
            got = h.must("NODE_GET")[0].get("HC_A_NODE_NAME").rstrip(b"\0")
            expect(got == name, f"the name {name!r} came back as {got!r}")
        h.must("NODE_SET", string(HC["HC_A_NODE_NAME"], b"n1\0behind"))
        expect(h.must("NODE_GET")[0].text("HC_A_NODE_NAME") == "n1", "what is behind the end of a name counts")


# ----------------------------------------------------------------- rights

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
CAP_NET_ADMIN, CAP_SYS_ADMIN = 12, 21
NOBODY = 65534


def checked(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def unshare(flags: int) -> None:
    checked(LIBC.unshare(flags))
    if flags & CLONE_NEWUSER:
        for name, text in (("setgroups", "deny"), ("uid_map", "0 0 1"), ("gid_map", "0 0 1")):
            with open(f"/proc/self/{name}", "w") as f:
                f.write(text)


def become_nobody() -> None:
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def keep_only(*caps: int) -> None:
    mask = sum(1 << cap for cap in caps)
    header = struct.pack("=II", 0x20080522, 0)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    checked(LIBC.capset(header, struct.pack("=IIIIII", low, low, 0, high, high, 0)))


def as_other(become: Callable[[], None], work: Callable[[], object]) -> object:
    """Do @work in a child that has become somebody else; its result, by JSON."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            become()
            os.write(write_end, json.dumps(work()).encode())
            status = 0
        except BaseException:
            traceback.print_exc()
        os._exit(status)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as f:
        data = f.read()
    _, status = os.waitpid(pid, 0)
    expect(status == 0, f"the child that was somebody else failed ({status})")
    return json.loads(data)


def try_all(sock: socket.socket | None = None) -> list[list]:
    """Every command, right in form: [name, errno, sentence]. A dump that is refused has no sentence."""
    with Genl(sock) as h:
        done = [[command.name, reply.err, reply.why]
                for command in COMMANDS for reply in [send(h, command, command.attrs())]]
        return done + [[command.name, reply.err, None] for command in COMMANDS if command.is_dump
                       for reply in [h.call(command.name, dump=True)]]


def only_reads(results: list[list], text: str = "") -> None:
    wrong = []
    for name, err, why in results:
        is_admin = BY_NAME[name].is_admin
        if is_admin and (err != errno.EPERM or why is not None and (not why or text not in why)):
            wrong.append(f"{name}: {errno.errorcode.get(err, err)} {why!r}")
        if not is_admin and err == errno.EPERM:
            wrong.append(f"{name} only reads, but: EPERM {why!r}")
    expect(not wrong, "; ".join(wrong))


def nothing_changed(check: Callable[[], None]) -> None:
    before = state()
    check()
    after = state()
    expect(before == after, f"{before} became {after}")


@case("rights")
def plain_user():
    nothing_changed(lambda: only_reads(as_other(become_nobody, try_all), "CAP_SYS_ADMIN"))


@case("rights")
def half_an_admin():
    for cap in (CAP_NET_ADMIN, CAP_SYS_ADMIN):
        nothing_changed(lambda: only_reads(as_other(lambda: keep_only(cap), try_all), "CAP_SYS_ADMIN"))


@case("rights")
def root_of_a_user_namespace():
    for flags in (CLONE_NEWUSER, CLONE_NEWUSER | CLONE_NEWNET):
        nothing_changed(lambda: only_reads(as_other(lambda: unshare(flags), try_all), "CAP_SYS_ADMIN"))


@case("rights")
def plain_user_who_is_root_of_a_user_namespace():
    def become():
        become_nobody()
        checked(LIBC.unshare(CLONE_NEWUSER | CLONE_NEWNET))
    nothing_changed(lambda: only_reads(as_other(become, try_all), "CAP_SYS_ADMIN"))


@case("rights")
def root_of_another_network_namespace():
    nothing_changed(lambda: only_reads(as_other(lambda: unshare(CLONE_NEWNET), try_all), "allow_netns"))


@case("rights")
def borrowed_socket():
    """A socket of a plain user that a privileged program writes to (as its stderr, say)
    is not the program's request: both have to be allowed."""
    def plain_socket() -> socket.socket:
        os.seteuid(NOBODY)
        try:
            return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, genl.NETLINK_GENERIC)
        finally:
            os.seteuid(0)

    nothing_changed(lambda: only_reads(as_other(lambda: None, lambda: try_all(plain_socket())), "CAP_SYS_ADMIN"))


def in_cgroup(path: str) -> Callable[[], None]:
    def become():
        with open(os.path.join(path, "cgroup.procs"), "w") as f:
            f.write(str(os.getpid()))
    return become


class Bound:
    """Environments 1 and 2, a cgroup of each; below the first one another."""

    def __enter__(self) -> "Bound":
        self.h = Genl()
        self.paths = []
        for number in (1, 2):
            path, ino = make_cgroup(f"abuse-{number}")
            self.h.must("ENV_ADD", env(number, donors(number + 10), name=f"env{number}"))
            self.h.must("CGROUP_BIND", env_id(number), cgroup(ino))
            self.paths.append(path)
        self.inner, _ = make_cgroup("abuse-1/inner")
        return self

    def __exit__(self, *_) -> None:
        for number, path in enumerate(self.paths, 1):
            self.h.must("CGROUP_UNBIND", cgroup(os.stat(path).st_ino))
            self.h.must("ENV_DEL", env_id(number))
        for path in (self.inner, *self.paths):
            wait_until(lambda: not open(os.path.join(path, "cgroup.procs")).read(), 10, "an empty cgroup")
            os.rmdir(path)
        self.h.close()


@case("rights")
def process_of_an_environment():
    with Bound() as bound:
        for path in (bound.paths[0], bound.inner):
            nothing_changed(lambda: only_reads(as_other(in_cgroup(path), try_all), "environment"))


@case("rights")
def environment_sees_only_itself():
    """A GET from a bound cgroup shows that environment and its donors only."""
    def look() -> dict:
        with Genl() as h:
            return {"envs": [m.num("HC_A_ENV_ID") for m in h.must("ENV_GET", dump=True)],
                    "own": h.call("ENV_GET", env_id(1)).err, "other": h.call("ENV_GET", env_id(2)).err,
                    "peers": [m.num("HC_A_PEER_ID") for m in h.must("PEER_GET", dump=True)],
                    "donor": h.call("PEER_GET", u32(HC["HC_A_PEER_ID"], 11)).err,
                    "peer": h.call("PEER_GET", u32(HC["HC_A_PEER_ID"], 12)).err}
    with Bound() as bound, Peers(11, 12, 13):
        saw = as_other(in_cgroup(bound.inner), look)
        expect(saw["envs"] == [1] and saw["own"] == 0 and saw["other"] == errno.ENOENT, f"environments: {saw}")
        expect(saw["peers"] == [11] and saw["donor"] == 0 and saw["peer"] == errno.ENOENT, f"peers: {saw}")
        saw = as_other(lambda: None, look)
        expect(saw["envs"] == [1, 2] and saw["peers"] == [11, 12, 13], f"the host sees {saw}")


class Peers:
    """Peers that are only known: connected for a moment by a half-open pair."""

    def __init__(self, *ids: int):
        self.ids = ids

    def __enter__(self) -> "Peers":
        from fabric import OUR_NODE, Link
        with Genl() as h:
            h.must("NODE_SET", u32(HC["HC_A_NODE_ID"], OUR_NODE))
        for number in self.ids:
            link = Link(number)
            expect(not link.reply.err, f"peer {number} was not accepted: {link.reply}")
            link.close()
        return self

    def __exit__(self, *_) -> None:
        with Genl() as h:
            for number in self.ids:
                h.must("PEER_DEL", u32(HC["HC_A_PEER_ID"], number), attr(HC["HC_A_PEER_FORCE"], b""))


@case("rights")
def joining_the_events():
    def join() -> int:
        with Genl() as h:
            try:
                h.sock.setsockopt(genl.SOL_NETLINK, genl.NETLINK_ADD_MEMBERSHIP, h.group)
            except OSError as error:
                return error.errno
            return 0
    expect(as_other(lambda: None, join) == 0, "root can't join the events")
    for become in (become_nobody, lambda: keep_only(CAP_SYS_ADMIN), lambda: unshare(CLONE_NEWUSER)):
        err = as_other(become, join)
        expect(err == errno.EPERM, f"joining the events without CAP_NET_ADMIN: {err}")


if __name__ == "__main__":
    run()
