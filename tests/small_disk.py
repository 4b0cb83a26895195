"""Small disks: a filesystem in a file, mounted while a test needs it. For root, where mkfs is there."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

MAKE = {
    "ext4": ["mkfs.ext4", "-q", "-F", "-m", "0"],
    "xfs": ["mkfs.xfs", "-q", "-f"],
    "btrfs": ["mkfs.btrfs", "-q", "-f"],
}
SIZES = {"ext4": 48 << 20, "xfs": 300 << 20, "btrfs": 128 << 20}
"""About the smallest each can be."""


def missing(kind: str) -> str:
    """Why there can be no such disk here; "" if there can."""
    if os.geteuid() != 0:
        return "needs root to mount"
    program = MAKE[kind][0]
    return "" if shutil.which(program) else f"{program} is not installed"


@contextlib.contextmanager
def mounted(kind: str, place: Path, *options: str) -> Iterator[Path]:
    """A new filesystem of that kind, at a directory below ``place``."""
    image, directory = place / f"{kind}.img", place / "disk"
    with open(image, "wb") as file:
        file.truncate(SIZES[kind])
    subprocess.run([*MAKE[kind], *options, image], check=True, capture_output=True)
    directory.mkdir()
    subprocess.run(["mount", "-o", "loop", image, directory], check=True, capture_output=True)
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", directory], check=True, capture_output=True)
        image.unlink()


def fill(directory: Path, left: int) -> None:
    """Leave about ``left`` bytes."""
    with open(directory / "hole", "wb") as hole:
        if left:
            os.posix_fallocate(hole.fileno(), 0, left)
    with open(directory / "filler", "wb", buffering=0) as filler:
        for size in (1 << 20, 1 << 16, 1 << 12):
            with contextlib.suppress(OSError):
                while True:
                    filler.write(b"\1" * size)
                    os.fsync(filler.fileno())
    os.unlink(directory / "hole")
    os.sync()


def fill_inodes(directory: Path, left: int) -> None:
    """Leave ``left`` inodes."""
    (directory / "fillers").mkdir(exist_ok=True)
    made = []
    with contextlib.suppress(OSError):
        while True:
            path = directory / "fillers" / str(len(made))
            path.touch()
            made.append(path)
    for path in made[:left]:
        path.unlink()
    os.sync()


def empty(directory: Path) -> None:
    """Free what was filled."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(directory / "filler")
    shutil.rmtree(directory / "fillers", ignore_errors=True)
    os.sync()
