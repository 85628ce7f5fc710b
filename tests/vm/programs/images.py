#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Images to be refused or to be harmless, made in a guest: images.py BASE.tar OUT

OUT/KIND.tar and OUT/KIND/ (OCI layouts) of each kind below.
"""
import hashlib
import io
import json
import os
import shutil
import sys
import tarfile


def entry(name, kind=tarfile.REGTYPE, link="", mode=0o644, uid=0, data=b"evil\n", device=(0, 0)):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode, info.uid, info.gid = kind, link, mode, uid, uid
    info.devmajor, info.devminor = device
    info.size = len(data) if kind == tarfile.REGTYPE else 0
    return info, data


TARS = {
    "escape": [entry("../../../../../../../../etc/evil-dots")],
    "hardlink": [entry("shadow", tarfile.LNKTYPE, "../../../../../../../etc/shadow")],
    "stranger": [entry("file", uid=70000)],
}
# Harmless: they end up inside, whatever they wanted.
LAYER = [
    entry("/etc/evil-absolute"),
    entry("way-out", tarfile.SYMTYPE, "/../../../../../../etc"),
    entry("way-out/evil-link"),
    entry("disk", tarfile.BLKTYPE, device=(254, 16)),
    entry("kmem", tarfile.CHRTYPE, device=(1, 2)),
    entry("setuid", mode=0o4755, data=b"#!/bin/sh\nid -u\n"),
    entry("gone/kept"), entry("gone/taken"),
]
SECOND = [entry("gone/.wh.taken"), entry("etc/.wh.evil-nothing")]
THIRD = [entry("opaque/old")]
FOURTH = [entry("opaque/.wh..wh..opq"), entry("opaque/new")]


def tar(entries, out):
    with tarfile.open(fileobj=out, mode="w") as archive:
        for info, data in entries:
            archive.addfile(info, io.BytesIO(data))


class Layout:
    """An OCI image layout."""

    def __init__(self, path):
        self.path = path
        shutil.rmtree(path, ignore_errors=True)
        os.makedirs(path + "/blobs/sha256")
        self.write("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')

    def write(self, name, data):
        with open(f"{self.path}/{name}", "wb") as out:
            out.write(data)

    def blob(self, data):
        digest = hashlib.sha256(data).hexdigest()
        self.write(f"blobs/sha256/{digest}", data)
        return {"digest": "sha256:" + digest, "size": len(data)}

    def finish(self, layers, arch="amd64"):
        config = self.blob(json.dumps({"architecture": arch, "os": "linux"}).encode())
        manifest = self.blob(json.dumps({"schemaVersion": 2, "config": config, "layers": layers}).encode())
        manifest["platform"] = {"architecture": arch, "os": "linux"}
        self.write("index.json", json.dumps({"schemaVersion": 2, "manifests": [manifest]}).encode())


def layer(entries):
    out = io.BytesIO()
    tar(entries, out)
    return out.getvalue()


def main():
    base_path, out = sys.argv[1:]
    os.makedirs(out, exist_ok=True)
    for name, entries in TARS.items():
        with open(f"{out}/{name}.tar", "wb") as f:
            tar(entries, f)
    with open(base_path, "rb") as f:
        base = f.read()
    with open(f"{out}/short.tar", "wb") as f:
        f.write(base[:len(base) // 2])
    good = Layout(f"{out}/good")
    good.finish([good.blob(part) for part in (base, layer(LAYER), layer(SECOND), layer(THIRD), layer(FOURTH))])
    damaged = Layout(f"{out}/damaged")
    part = damaged.blob(layer(LAYER))
    damaged.finish([part])
    damaged.write("blobs/sha256/" + part["digest"][7:], layer(SECOND))
    # A part that is a link to a file of the host, with the digest that file has.
    linked = Layout(f"{out}/linked")
    with open("/etc/shadow", "rb") as f:
        part = linked.blob(f.read())
    path = f"{linked.path}/blobs/sha256/" + part["digest"][7:]
    os.remove(path)
    os.symlink("/etc/shadow", path)
    linked.finish([part])
    named = Layout(f"{out}/named")
    named.finish([{"digest": "sha256:../../../../../../etc/shadow", "size": 1}])
    other = Layout(f"{out}/arm")
    other.finish([other.blob(layer(LAYER))], arch="arm64")
    empty = Layout(f"{out}/layerless")
    empty.finish([])
    broken = Layout(f"{out}/broken")
    broken.write("index.json", b"{\"manifests\": [")


if __name__ == "__main__":
    main()
