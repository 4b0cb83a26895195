"""File systems to measure on: that of the work directory, and XFS and btrfs in images, where root can mount them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

IMAGES = {"xfs": ["mkfs.xfs", "-q"], "btrfs": ["mkfs.btrfs", "-q"]}
"""File system -> the command that makes one in a file."""
_SIZE = 24 << 30
"""Bytes of an image. The file is sparse: it takes what is written into it."""


def obstacle(kind: str) -> str:
    """Why a file system of that kind cannot be made and mounted here; empty where it can."""
    program = IMAGES[kind][0]
    if os.geteuid() != 0:
        return "mounting an image needs root"
    if not shutil.which(program, path=_search_path()):
        return f"{program} is not installed"
    if not os.path.exists("/dev/loop-control"):
        return "there are no loop devices"
    return ""


@contextmanager
def mounted(kind: str, work: str) -> Iterator[str]:
    """A directory on a new file system of that kind, in an image below `work`. Raises OSError if it will not mount."""
    image, point = os.path.join(work, f"{kind}.image"), os.path.join(work, kind)
    with open(image, "wb") as file:
        file.truncate(_SIZE)
    os.makedirs(point)
    try:
        _call([*IMAGES[kind], image])
        _call(["mount", "-o", "loop", image, point])
        try:
            yield point
        finally:
            _call(["umount", "--lazy", point])  # after Ctrl-C, what was interrupted may still end in there
    finally:
        os.unlink(image)


def used(directory: str) -> int:
    """Bytes in use on the whole file system `directory` is on, after everything was written out."""
    os.sync()
    facts = os.statvfs(directory)
    return (facts.f_blocks - facts.f_bfree) * facts.f_frsize


def _call(command: list[str]) -> None:
    environ = {**os.environ, "PATH": _search_path()}
    answer = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise OSError(f"{' '.join(command)}: {answer.stderr.strip()}")


def _search_path() -> str:
    return os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"


def allocated(tree: str, but: str = "") -> int:
    """Bytes of all blocks below a directory, each inode once; without what lies in directories named ``but``."""
    os.sync()
    seen: set[int] = set()
    total = os.lstat(tree).st_blocks
    for directory, folders, names in os.walk(tree):
        if but and os.path.basename(directory) == but:
            folders.clear()
            continue
        for name in (*folders, *names):
            facts = os.lstat(os.path.join(directory, name))
            if facts.st_ino not in seen:
                seen.add(facts.st_ino)
                total += facts.st_blocks
    return total * 512
