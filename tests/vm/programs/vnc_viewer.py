#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A VNC viewer of a few lines (RFC 6143): says what a server has to show, as JSON.

    vnc_viewer.py PORT [--version 3.3|3.8] [--stay]     -> {"name", "width", "height", "pixels"} or {"refused"}
    vnc_viewer.py --reach FOLDER SOCKET UID...          -> {UID: "open" or why not}

--stay keeps looking until the server hangs up, then says "gone". --reach has users of other ids, who get the folder
open, try to connect to a socket in it.
"""
import json
import os
import socket
import struct
import sys

LIMIT_S = 240


def get(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = sock.recv(count - len(data))
        if not piece:
            raise EOFError(f"the server hung up after {len(data)} of {count} bytes")
        data += piece
    return data


def get_text(sock: socket.socket) -> str:
    return get(sock, struct.unpack(">I", get(sock, 4))[0]).decode()


def shake_hands(sock: socket.socket, version: str) -> str:
    """Why the server refuses, "" = it does not."""
    said = get(sock, 12)
    assert said == b"RFB 003.008\n", said
    major, minor = version.split(".")
    sock.sendall(b"RFB %03d.%03d\n" % (int(major), int(minor)))
    if minor == "3":
        kind = struct.unpack(">I", get(sock, 4))[0]
        return get_text(sock) if kind == 0 else ""
    count = get(sock, 1)[0]
    if count == 0:
        return get_text(sock)
    kinds = get(sock, count)
    assert kinds == b"\x01", f"security types {list(kinds)}, not just None"
    sock.sendall(b"\x01")
    failed = struct.unpack(">I", get(sock, 4))[0]
    return get_text(sock) if failed else ""


def count_pixels(sock: socket.socket, width: int, height: int) -> int:
    """Ask for all of it, raw, and count what comes."""
    sock.sendall(struct.pack(">BxHi", 2, 1, 0))
    sock.sendall(struct.pack(">BBHHHH", 3, 0, 0, 0, width, height))
    seen = 0
    while seen < width * height:
        kind = get(sock, 1)[0]
        assert kind == 0, f"message {kind} instead of pixels"
        for _ in range(struct.unpack(">xH", get(sock, 3))[0]):
            _, _, w, h, encoding = struct.unpack(">HHHHi", get(sock, 12))
            assert encoding == 0, encoding
            get(sock, w * h * 4)
            seen += w * h
    return seen


def view(port: int, version: str, is_staying: bool) -> dict:
    with socket.create_connection(("127.0.0.1", port), LIMIT_S) as sock:
        sock.settimeout(LIMIT_S)
        why = shake_hands(sock, version)
        if why:
            return {"refused": why}
        sock.sendall(b"\x01")
        width, height, bits = struct.unpack(">HHB15x", get(sock, 20))
        assert bits == 32, bits
        seen = {"name": get_text(sock), "width": width, "height": height, "pixels": count_pixels(sock, width, height)}
        if is_staying:
            print(json.dumps(seen), flush=True)
            while sock.recv(4096):
                pass
            return {"gone": True}
        return seen


def reach(folder: str, name: str, uid: int) -> str:
    """By a descriptor of the folder: what stands in the way to it is not what is asked."""
    fd = os.open(folder, os.O_PATH)
    read_end, write_end = os.pipe()
    if os.fork() == 0:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        os.fchdir(fd)
        try:
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(name)
            said = "open"
        except OSError as error:
            said = error.strerror
        os.write(write_end, said.encode())
        os._exit(0)
    os.close(write_end)
    return os.read(read_end, 200).decode()


def main() -> None:
    words = sys.argv[1:]
    if words[0] == "--reach":
        answer = {uid: reach(words[1], words[2], int(uid)) for uid in words[3:]}
    else:
        version = words[words.index("--version") + 1] if "--version" in words else "3.8"
        answer = view(int(words[0]), version, "--stay" in words)
    print(json.dumps(answer))


main()
