# SPDX-License-Identifier: GPL-2.0-or-later
"""What each command of the netlink contract takes: the table that the abuse
tests and the fuzzer start from. A command of the header that is not here is an
error, so a new one can't be forgotten."""

from dataclasses import dataclass

from genl import HC, U32_MAX, U64_MAX, attr, nested, string, u8, u32, u64

INT_BITS = {"u8": 8, "u32": 32, "u64": 64}
CGROUP_NONE = 1 << 40       # an id that no cgroup has
PID_NONE = 1 << 22          # one more than the greatest process id
EPOCH_MAX = 1 << 62         # of a node's own: the module adds to it
ENV, NODE_ID = 7, 1


@dataclass(frozen=True)
class Field:
    """One attribute of a command: @low..@high for numbers, @high bytes at most
    for strings and binary; @good is a value that is accepted."""

    name: str
    kind: str
    good: object
    low: int = 0
    high: int = U64_MAX
    needed: bool = False

    @property
    def id(self) -> int:
        return HC[self.name]

    def make(self, value: object = None) -> bytes:
        value = self.good if value is None else value
        if self.kind == "string":
            return string(self.id, value)
        if self.kind == "binary":
            return attr(self.id, value)
        if self.kind == "flag":
            return attr(self.id, b"")
        if self.kind == "donors":
            return nested(self.id, *(u32(HC["HC_A_ENV_DONOR"], donor) for donor in value))
        return {"u8": u8, "u32": u32, "u64": u64}[self.kind](self.id, value)


@dataclass(frozen=True)
class Command:
    name: str
    family: str                     # which attributes: HC_A_<family>_*
    fields: tuple[Field, ...] = ()
    is_admin: bool = True
    is_dump: bool = False
    has_do: bool = True

    def attrs(self, *without: str) -> bytes:
        """A right message, but for what is left out."""
        return b"".join(field.make() for field in self.fields if field.name not in without)

    @property
    def known(self) -> set[int]:
        return {field.id for field in self.fields}

    @property
    def foreign(self) -> list[int]:
        """Attributes that this command does not take."""
        prefix = f"HC_A_{self.family}_"
        return [value for name, value in HC.items() if name.startswith(prefix) and value not in self.known]


def _id(name: str, good: int, needed: bool = True, high: int = U32_MAX) -> Field:
    return Field(name, "u32", good, 1, high, needed)


_ENV_ID = _id("HC_A_ENV_ID", ENV, high=HC["HC_ENVS_MAX"])
_ENV = (_ENV_ID, Field("HC_A_ENV_NAME", "string", "abuse", high=HC["HC_NAME_LEN"]),
        Field("HC_A_ENV_QUOTA", "u64", 1 << 20, 0, HC["HC_DISK_SIZE_MAX"]),
        Field("HC_A_ENV_REPLICAS", "u8", 2, 1, HC["HC_REPLICAS_MAX"]),
        Field("HC_A_ENV_DONORS", "donors", (2, 3)))
_ENV_NAMED = tuple(Field(f.name, f.kind, f.good, f.low, f.high, f.needed or f.name == "HC_A_ENV_NAME") for f in _ENV)
_CGROUP = Field("HC_A_ENV_CGROUP", "u64", CGROUP_NONE, 1, U64_MAX, True)
_PEER_ID = _id("HC_A_PEER_ID", 9)
_POOL = HC["HC_POOL_SIZE_MAX"]
_MOVE_ID = Field("HC_A_MOVE_ID", "u64", 1, needed=True)
_MOVE_PID = _id("HC_A_MOVE_PID", PID_NONE, high=PID_NONE)

COMMANDS = (
    Command("NODE_GET", "NODE", is_admin=False),
    Command("NODE_SET", "NODE", (_id("HC_A_NODE_ID", NODE_ID, False),
                                 Field("HC_A_NODE_NAME", "string", "n1", high=HC["HC_NAME_LEN"]),
                                 Field("HC_A_NODE_EPOCH", "u64", 1, 1, EPOCH_MAX),
                                 Field("HC_A_NODE_MOVES", "u8", 0, 0, 1))),
    Command("DAEMON_REGISTER", "NODE"),
    Command("PEER_ADD", "PEER", (_PEER_ID, Field("HC_A_PEER_FD", "u32", 4000, 0, 2**31 - 1, True),
                                 Field("HC_A_PEER_CONN", "u32", 0, 0, HC["HC_CONNS_MAX"] - 1, True),
                                 Field("HC_A_PEER_NAME", "string", "n9", high=HC["HC_NAME_LEN"]))),
    Command("PEER_SET", "PEER", (_PEER_ID, Field("HC_A_PEER_MIN_EPOCH", "u64", 5),
                                 Field("HC_A_PEER_DRAIN", "u8", 1, 0, 1))),
    Command("PEER_DEL", "PEER", (_PEER_ID, Field("HC_A_PEER_FORCE", "flag", True))),
    Command("PEER_GET", "PEER", (_PEER_ID,), is_admin=False, is_dump=True),
    Command("POOL_SET", "POOL", (Field("HC_A_POOL_LIMIT", "u64", 0, 0, _POOL),
                                 Field("HC_A_POOL_RESERVE", "u64", 1 << 25, 0, _POOL),
                                 Field("HC_A_POOL_DRAIN", "u8", 0, 0, 1),
                                 _id("HC_A_POOL_ENV", ENV, False, HC["HC_ENVS_MAX"]),
                                 Field("HC_A_POOL_ENV_LIMIT", "u64", 0, 0, _POOL))),
    Command("POOL_GET", "POOL", is_admin=False),
    Command("LEASE_GET", "LEASE", is_admin=False, is_dump=True, has_do=False),
    Command("BACKING_ADD", "BACKING", (Field("HC_A_BACKING_PATH", "string", "/dev/none", high=127, needed=True),)),
    Command("BACKING_DEL", "BACKING"),
    Command("DISK_ADD", "DISK", (Field("HC_A_DISK_SIZE", "u64", 1 << 24, HC["HC_DISK_SIZE_MIN"],
                                       HC["HC_DISK_SIZE_MAX"], True),
                                 Field("HC_A_DISK_CHECKSUM", "u8", 1, 0, 1))),
    Command("DISK_DEL", "DISK"),
    Command("DISK_GET", "DISK", is_admin=False),
    Command("ENV_ADD", "ENV", _ENV_NAMED),
    Command("ENV_SET", "ENV", _ENV),
    Command("ENV_DEL", "ENV", (_ENV_ID,)),
    Command("ENV_GET", "ENV", (_ENV_ID,), is_admin=False, is_dump=True),
    Command("CGROUP_BIND", "ENV", (_ENV_ID, _CGROUP)),
    Command("CGROUP_UNBIND", "ENV", (_CGROUP,)),
    Command("REQUEST", "REQ", (Field("HC_A_REQ_PAYLOAD", "binary", b"{}", 1, HC["HC_REQUEST_LEN"], True),),
            is_admin=False),
    Command("ANSWER", "REQ", (Field("HC_A_REQ_COOKIE", "u64", 1, needed=True),
                              Field("HC_A_REQ_PAYLOAD", "binary", b"{}", 1, HC["HC_REQUEST_LEN"]))),
    Command("MOVE_CHECK", "MOVE", (_MOVE_PID,)),
    Command("MOVE_START", "MOVE", (_MOVE_PID, _id("HC_A_MOVE_PEER", 9), Field("HC_A_MOVE_WHOLE", "flag", True))),
    Command("MOVE_GET", "MOVE", (_MOVE_ID,), is_dump=True),
    Command("MOVE_RESOLVE", "MOVE", (_MOVE_ID, Field("HC_A_MOVE_RESOLVE", "u8", HC["HC_MOVE_RESUME"],
                                                     HC["HC_MOVE_RESUME"], HC["HC_MOVE_DROP"], True))),
)
# What the table can't say: ANSWER takes this or a payload.
ANSWER_ERROR = Field("HC_A_REQ_ERROR", "u32", 5, 1, 4095)
BY_NAME = {command.name: command for command in COMMANDS}

# Multicast only, so nobody can send it.
NO_REQUEST = {"UNSPEC", "EVENT", "MAX"}
_missing = {name[7:] for name in HC if name.startswith("HC_CMD_")} - NO_REQUEST - set(BY_NAME)
if _missing:
    raise RuntimeError(f"commands.py does not know {', '.join(sorted(_missing))}; add them there")
