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


def filesystem(place: str) -> str:
    """Type of the file system `place` is on, such as "ext4"; "unknown" where the system does not say."""
    best, found = -1, "unknown"
    path = os.path.realpath(place)
    try:
        with open("/proc/self/mounts", encoding="utf-8") as mounts:
            for line in mounts:
                _, point, kind, *_ = line.split(" ")
                point = point.replace("\\040", " ").rstrip("/")
                if (path == point or path.startswith(point + "/")) and len(point) >= best:
                    best, found = len(point), kind
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
