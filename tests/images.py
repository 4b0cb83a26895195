"""File systems made for a test: images mounted through a loop device, tmpfs, overlayfs, FUSE. Needs root."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PATHS = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
SIZE = 512 << 20
"""Bytes of an image, which is sparse. mkfs.xfs makes none below 300 MB, mkfs.btrfs none below 109 MB."""
IMAGES = {
    "ext4": ["mkfs.ext4", "-q", "-F", "-m", "0"],
    "xfs": ["mkfs.xfs", "-q"],
    "btrfs": ["mkfs.btrfs", "-q"],
}
FUSE = {"fuse2fs": ["mkfs.ext4", "-q", "-F"], "mount.exfat-fuse": ["mkfs.exfat"]}
"""Programs that mount an image in user space, and what makes the image."""


def need(*programs: str) -> None:
    """Skip where one of these is not installed."""
    for program in programs:
        if not shutil.which(program, path=PATHS):
            pytest.skip(f"{program} is not installed")


def call(*words: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a program of the system."""
    environ = {**os.environ, "PATH": PATHS}
    answer = subprocess.run([str(word) for word in words], env=environ, capture_output=True, text=True, check=False)
    if check and answer.returncode:
        raise OSError(f"{' '.join(map(str, words))}: {answer.stderr.strip()}")
    return answer


@contextmanager
def mounted(point: Path, *words: str | Path) -> Iterator[Path]:
    """``mount WORDS POINT``, made and unmounted; skips where this kernel has no such file system."""
    point.mkdir(parents=True, exist_ok=True)
    answer = call("mount", *words, point, check=False)
    if answer.returncode:
        pytest.skip(f"cannot be mounted here: {answer.stderr.strip()}")
    try:
        yield point
    finally:
        call("umount", point)


@contextmanager
def tmpfs(point: Path, options: str = "size=300m") -> Iterator[Path]:
    """A file system in memory."""
    with mounted(point, "-t", "tmpfs", "-o", options, "tmpfs"):
        yield point


@contextmanager
def image(kind: str, place: Path, options: str = "loop", make: tuple[str, ...] = ()) -> Iterator[Path]:
    """A new file system of that kind, mounted at ``place/KIND``."""
    command = [*IMAGES[kind], *make]
    need(command[0])
    file = blank(place / f"{kind}.image")
    try:
        call(*command, file)
        with mounted(place / kind, "-o", options, file) as point:
            yield point
    finally:
        file.unlink()


@contextmanager
def fuse(program: str, place: Path, *options: str) -> Iterator[Path]:
    """A file system in user space, mounted at ``place/fuse``."""
    need(program, FUSE[program][0], "fusermount")
    if not os.path.exists("/dev/fuse"):
        pytest.skip("there is no /dev/fuse")
    file = blank(place / "fuse.image")
    point = place / "fuse"
    point.mkdir()
    try:
        call(*FUSE[program], file)
        device = call("losetup", "--find", "--show", file).stdout.strip()
        try:
            call(program, device, point, *options)
            try:
                yield point
            finally:
                call("umount", point)
        finally:
            call("losetup", "--detach", device)
    finally:
        file.unlink()


@contextmanager
def overlay(place: Path, lower: Path) -> Iterator[Path]:
    """``lower`` as the image of a container: what is below it cannot be changed, only covered. At ``place/merged``."""
    with tmpfs(place / "layers") as layers:
        for name in ("upper", "work"):
            (layers / name).mkdir()
        options = f"lowerdir={lower},upperdir={layers}/upper,workdir={layers}/work"
        with mounted(place / "merged", "-t", "overlay", "-o", options, "overlay") as point:
            yield point


def blank(path: Path) -> Path:
    """A sparse file to make a file system in."""
    with open(path, "wb") as file:
        file.truncate(SIZE)
    return path
