# SPDX-License-Identifier: GPL-2.0-or-later
"""The relay between CLI and daemon, misused from both sides (SPEC R22); run as
netlink_abuse.py is."""

import errno
import os
import socket
import threading
import time
from typing import Callable

import genl
from cases import case, expect, run, wait_until
from genl import HC, Genl, attr, u32, u64
from netlink_abuse import CLONE_NEWUSER, FORM, NOBODY, Bound, as_other, become_nobody, in_cgroup, refused, unshare

PAYLOAD, COOKIE, ERROR = HC["HC_A_REQ_PAYLOAD"], HC["HC_A_REQ_COOKIE"], HC["HC_A_REQ_ERROR"]
WAITING_MAX, WAITING_ENV_MAX, WAITING_HOST_MAX, WAITING_USER_MAX = 256, 16, 128, 16
SO_RCVBUFFORCE = 33


def is_cmd(name: str) -> Callable[[genl.Message], bool]:
    return lambda m: m.kind >= 16 and m.data[:1] == bytes([HC[f"HC_CMD_{name}"]])


class Daemon:
    """A registered daemon that does only what a case makes it do."""

    def __init__(self):
        self.h = Genl()
        self.h.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        self.h.must("DAEMON_REGISTER")

    def next(self, timeout: float = 10) -> genl.Message:
        message = self.h.wait_other(timeout, is_cmd("REQUEST"))
        expect(message, "the daemon got no request")
        return message

    def __enter__(self) -> "Daemon":
        return self

    def __exit__(self, *_) -> None:
        self.h.close()
        with Genl() as h:
            wait_until(lambda: not h.must("NODE_GET")[0].num("HC_A_NODE_DAEMON"), 20, "the end of the daemon")


def wait_answer(h: Genl, timeout: float = 10) -> genl.Message:
    message = h.wait_other(timeout, is_cmd("ANSWER"))
    expect(message, f"no answer within {timeout} s")
    return message


@case("relay")
def no_daemon():
    with Genl() as h:
        refused(h.call("REQUEST", attr(PAYLOAD, b"x")), "REQUEST", (errno.ENOTCONN,))


@case("relay")
def one_daemon_only():
    with Daemon() as daemon, Genl() as h:
        refused(h.call("DAEMON_REGISTER"), "a second daemon", (errno.EBUSY,))
        daemon.h.must("DAEMON_REGISTER")
        expect(h.must("NODE_GET")[0].num("HC_A_NODE_DAEMON") == daemon.h.port, "another daemon is registered")
    with Daemon():
        pass


@case("relay")
def biggest_request():
    with Daemon() as daemon, Genl() as h:
        body = os.urandom(HC["HC_REQUEST_LEN"])
        h.must("REQUEST", attr(PAYLOAD, body))
        seq = h.seq
        message = daemon.next()
        expect(message.get("HC_A_REQ_PAYLOAD") == body, "the payload came changed")
        expect(message.num("HC_A_REQ_ADMIN") == 1 and message.num("HC_A_REQ_ENV") == 0, "who asks is wrong")
        expect(message.num("HC_A_REQ_PID") == os.getpid() and message.num("HC_A_REQ_UID") == 0, "who asks is wrong")
        daemon.h.must("ANSWER", u64(COOKIE, message.num("HC_A_REQ_COOKIE")), attr(PAYLOAD, body))
        answer = wait_answer(h)
        expect(answer.seq == seq and answer.get("HC_A_REQ_PAYLOAD") == body, "the answer came changed")
        refused(h.call("REQUEST", attr(PAYLOAD, body + b"x")), "one byte too many", FORM)


@case("relay")
def answers_that_nobody_may_give():
    with Daemon() as daemon, Genl() as h:
        h.must("REQUEST", attr(PAYLOAD, b"x"))
        cookie = daemon.next().num("HC_A_REQ_COOKIE")
        refused(h.call("ANSWER", u64(COOKIE, cookie), attr(PAYLOAD, b"forged")), "ANSWER of another", (errno.EPERM,))
        for wrong in (0, cookie + 1, genl.U64_MAX):
            refused(daemon.h.call("ANSWER", u64(COOKIE, wrong), attr(PAYLOAD, b"x")), f"cookie {wrong}", (errno.ENOENT,))
        daemon.h.must("ANSWER", u64(COOKIE, cookie), u32(ERROR, errno.EDOM))
        refused(daemon.h.call("ANSWER", u64(COOKIE, cookie), attr(PAYLOAD, b"x")), "a second answer", (errno.ENOENT,))
        expect(wait_answer(h).num("HC_A_REQ_ERROR") == errno.EDOM, "the error did not come")
        expect(not h.wait_other(0.2, is_cmd("ANSWER")), "two answers to one request")


@case("relay")
def who_asks_is_what_the_kernel_sees():
    def ask():
        with Genl() as h:
            h.must("REQUEST", attr(PAYLOAD, b"x"))
            h.wait_other(10, is_cmd("ANSWER"))
            return os.getpid()
    with Bound() as bound, Daemon() as daemon:
        for become, admin, environment, uid in ((become_nobody, 0, 0, NOBODY), (in_cgroup(bound.inner), 0, 1, 0),
                                                (lambda: unshare(CLONE_NEWUSER), 0, 0, 0), (lambda: None, 1, 0, 0)):
            said: list = []
            asking = threading.Thread(target=lambda: said.append(as_other(become, ask)))
            asking.start()
            m = daemon.next()
            daemon.h.must("ANSWER", u64(COOKIE, m.num("HC_A_REQ_COOKIE")), attr(PAYLOAD, b"y"))
            asking.join(20)
            got = (m.num("HC_A_REQ_ADMIN"), m.num("HC_A_REQ_ENV"), m.num("HC_A_REQ_UID"), m.num("HC_A_REQ_PID"))
            expect(got == (admin, environment, uid, said[0]), f"the daemon was told {got}")


def flood(h: Genl, most: int, payload: bytes) -> int:
    """Requests that were taken before one was refused."""
    for n in range(most + 10):
        reply = h.call("REQUEST", attr(PAYLOAD, payload))
        if reply.err:
            refused(reply, f"request {n}", (errno.EAGAIN,))
            return n
    return most + 10


@case("relay")
def flood_with_a_daemon_that_never_answers():
    """Bounded in number, and each ends by its deadline, by an error message."""
    with Bound() as bound, Daemon() as daemon, Genl() as h:
        # All end within a moment, and their messages have to fit.
        h.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        expect(as_other(in_cgroup(bound.paths[0]), lambda: flood(Genl(), WAITING_ENV_MAX, b"x")) == WAITING_ENV_MAX,
               "an environment may have another number of requests waiting")
        # They end with the socket of who asked.
        taken = wait_until(lambda: flood(h, WAITING_MAX, b"x"), 10, "room for requests")
        expect(WAITING_MAX - WAITING_ENV_MAX <= taken <= WAITING_MAX, f"{taken} requests were taken")
        for _ in range(2000):
            expect(h.call("REQUEST", attr(PAYLOAD, b"x")).err == errno.EAGAIN, "one more was taken")
        started = time.monotonic()
        while daemon.h.receive(0):
            pass
        for n in range(taken):
            message = h.wait_other(90, is_cmd("ANSWER"))
            expect(message, f"only {n} of {taken} requests ended")
            expect(message.num("HC_A_REQ_ERROR") == errno.ETIMEDOUT, "it ended with another error")
        expect(time.monotonic() - started < 80, "the deadline is too far away")
        h.must("REQUEST", attr(PAYLOAD, b"after"))


@case("relay")
def flood_of_host_users():
    """One user has few places, all of them together half: environments keep theirs."""
    def as_user(uid: int) -> Callable[[], None]:
        return lambda: (os.setgroups([]), os.setresgid(uid, uid, uid), os.setresuid(uid, uid, uid))

    with Bound() as bound, Daemon():
        users = [Genl() for _ in range(WAITING_HOST_MAX // WAITING_USER_MAX + 1)]
        taken = [as_other(as_user(70000 + i), lambda h=h: flood(h, WAITING_MAX, b"x")) for i, h in enumerate(users)]
        expect(taken == [WAITING_USER_MAX] * (len(users) - 1) + [0], f"users of the host got {taken} places")
        expect(as_other(in_cgroup(bound.paths[0]), lambda: flood(Genl(), WAITING_ENV_MAX, b"x")) == WAITING_ENV_MAX,
               "users of the host took an environment's places")
        with Genl() as h:
            h.must("REQUEST", attr(PAYLOAD, b"x"))
        for h in users:
            h.close()


@case("relay")
def flood_of_big_requests_to_a_daemon_that_does_not_read():
    with Daemon(), Genl() as h:
        taken = flood(h, WAITING_MAX, bytes(HC["HC_REQUEST_LEN"]))
        expect(taken < WAITING_MAX, f"{taken} requests of 65 KB were kept for a daemon that does not read")


@case("relay")
def the_daemon_dies():
    with Genl() as h:
        with Daemon():
            h.must("REQUEST", attr(PAYLOAD, b"x"))
        expect(wait_answer(h, 20).num("HC_A_REQ_ERROR") == errno.ENOTCONN, "its end was not told")
        refused(h.call("REQUEST", attr(PAYLOAD, b"x")), "REQUEST", (errno.ENOTCONN,))


@case("relay")
def who_asked_dies():
    """Nobody waits any more: its request goes, and the answer finds nobody."""
    with Daemon() as daemon:
        cookies: list[int] = []
        for _ in range(WAITING_MAX + 20):
            with Genl() as h:
                reply = h.call("REQUEST", attr(PAYLOAD, b"x"))
                expect(reply.err in (0, errno.EAGAIN), f"REQUEST: {reply}")
            while message := daemon.h.wait_other(0, is_cmd("REQUEST")):
                cookies.append(message.num("HC_A_REQ_COOKIE"))
        wait_until(lambda: daemon.h.call("ANSWER", u64(COOKIE, cookies[-1]), attr(PAYLOAD, b"y")).err == errno.ENOENT
                   or None, 20, "the end of the last request")

        def room() -> bool:
            with Genl() as h:
                return flood(h, WAITING_MAX, b"x") == WAITING_MAX
        wait_until(room, 30, "room for all requests again")


@case("relay")
def events_nobody_reads():
    """A listener that does not read costs a bounded amount, and hears of its loss."""
    with Genl() as lazy:
        lazy.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.sock.setsockopt(genl.SOL_NETLINK, genl.NETLINK_ADD_MEMBERSHIP, lazy.group)
        for _ in range(60):
            with Daemon():
                pass
        try:
            while lazy.receive(0.2):
                pass
        except OSError as error:
            expect(error.errno == errno.ENOBUFS, f"reading late: {error}")
        else:
            raise AssertionError("sixty events fit into 4 KB")


if __name__ == "__main__":
    run()
