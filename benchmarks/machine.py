"""What the figures were taken on."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib import metadata

Facts = dict[str, str | int | float]


def facts(place: str) -> Facts:
    """Processor, memory, system, versions; and the file system `place` is on."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(pages / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "filesystem": filesystem(place),
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "sysvenv": metadata.version("sysvenv"),
        "click": metadata.version("click"),
        "uv": _version("uv"),
    }


def caveats(place: str) -> list[str]:
    """What is out of the ordinary about the file system `place` is on, in sentences."""
    kind, device = _mount(place)
    if kind != "ext4" or not os.path.isdir(_JOURNALS):
        return []
    if any(name.rpartition("-")[0] == os.path.basename(device) for name in os.listdir(_JOURNALS)):
        return []
    return [
        "The ext4 measured has no journal. Such a one looks past each inode freed in the last minutes before it takes "
        "one (Linux, fs/ext4/ialloc.c: recently_deleted): what makes many directories where many were just deleted, on "
        "either side, takes several times as long as elsewhere."
    ]


_JOURNALS = "/proc/fs/jbd2"
"""Linux: a directory for each journal, named for the device and the journal's inode."""


def filesystem(place: str) -> str:
    """Type of the file system `place` is on, such as "ext4"; "unknown" where the system does not say."""
    return _mount(place)[0]


def _mount(place: str) -> tuple[str, str]:
    """Type and device of the file system `place` is on."""
    best, found = -1, ("unknown", "")
    path = os.path.realpath(place)
    try:
        with open("/proc/self/mounts", encoding="utf-8") as mounts:
            for line in mounts:
                device, point, kind, *_ = line.split(" ")
                point = point.replace("\\040", " ").rstrip("/")
                if (path == point or path.startswith(point + "/")) and len(point) >= best:
                    best, found = len(point), (kind, device)
    except OSError:
        pass
    return found


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _version(program: str) -> str:
    """The version a program beside our interpreter tells, or "none"."""
    path = os.path.join(os.path.dirname(sys.executable), program)
    try:
        told = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return "none"
    return told.split()[1]
