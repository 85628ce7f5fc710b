# SPDX-License-Identifier: GPL-2.0-or-later
"""Things that are made once and kept, named by the hash of what went into them."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Callable, Iterator, Sequence

from . import paths
from .errors import LabError


def digest(*parts: object) -> str:
    """A short name for everything in @parts; files count by their content."""
    h = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            h.update(part.read_bytes())
        else:
            h.update(repr(part).encode())
        h.update(b"\0")
    return h.hexdigest()[:16]


def say(text: str) -> None:
    """Progress is for people: stderr, so that stdout stays a result."""
    print(f"lab: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Two labs that need the same thing build it once."""
    paths.CACHE_DIR.mkdir(parents=True, exist_ok=True)
    with open(paths.CACHE_DIR / f".lock-{name}", "w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


def ensure(path: Path, what: str | None, build: Callable[[Path], None]) -> Path:
    """@path, after @build(temporary path) has made it if it was missing; @what
    tells people why they wait.

    A build that fails or is killed leaves no half-made result behind under
    the final name.
    """
    if path.exists():
        touch(path)
        return path
    with locked(path.name):
        if path.exists():
            return path
        temporary = path.with_name(f".tmp-{path.name}")
        remove(temporary)
        if what:
            say(what)
        try:
            build(temporary)
            temporary.rename(path)
        finally:
            remove(temporary)
    return path


def touch(path: Path) -> None:
    """Mark as used, for prune(); a read-only cache is fine as well."""
    with contextlib.suppress(OSError):
        os.utime(path)


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)  # somebody else may be at it too
    else:
        path.unlink(missing_ok=True)


def prune(pattern: str, keep: int) -> None:
    """Drop all but the @keep most recently used results that match @pattern."""
    found = sorted(paths.CACHE_DIR.glob(pattern), key=lambda p: p.stat().st_mtime, reverse=True)
    for old in found[keep:]:
        remove(old)


def run(argv: Sequence[object], what: str, timeout: float = 600, **kwargs) -> str:
    """Run a host command to its end; its complaint becomes ours."""
    command = [str(a) for a in argv]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=timeout, **kwargs)
    except FileNotFoundError:
        raise LabError(f"cannot {what}: {command[0]} is not installed; see `lab doctor`") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"cannot {what}: {command[0]} took more than {timeout:.0f} s") from None
    if done.returncode:
        tail = (done.stderr or done.stdout).strip()[-2000:]
        raise LabError(f"cannot {what}: {command[0]} failed with status {done.returncode}:\n{tail}")
    return done.stdout
