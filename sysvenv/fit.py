"""Fit: whether an environment from another machine can run on this one's Python."""

from __future__ import annotations

import json
import subprocess

from store.named import NamedTuple
from sysvenv import standards
from sysvenv.errors import SysvenvError
from sysvenv.passport import Item, Passport

# Run by the Python that is asked. confstr knows glibc only; musl is told by the names of extension modules.
_PROBE = """
import json, os, sys, sysconfig
soabi = sysconfig.get_config_var("SOABI") or ""
try:
    libc, _, number = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
except (AttributeError, OSError, ValueError):
    libc, number = "", ""
hints = soabi + " " + str(sysconfig.get_config_var("HOST_GNU_TYPE"))
print(json.dumps({
    "implementation": sys.implementation.name,
    "version": "%d.%d.%d" % sys.version_info[:3],
    "abi": soabi,
    "platform": sysconfig.get_platform(),
    "libc": libc or ("musl" if "musl" in hints else ""),
    "libc_version": number,
    "base": getattr(sys, "_base_executable", None) or sys.executable,
    "prefix": sys.base_prefix,
    "threads": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
}))
"""


class Target(NamedTuple):
    """A Python of this machine."""

    implementation: str
    version: str
    abi: str
    platform: str
    libc: str
    libc_version: str
    base: str
    """Absolute path of the base interpreter."""
    prefix: str
    threads: bool
    """Whether it is built without the GIL."""

    @property
    def minor(self) -> str:
        """ "3.11" """
        return ".".join(self.version.split(".")[:2])


def probe(python: str) -> Target:
    """What the Python at that path is. Raises SysvenvError where it does not run."""
    try:
        done = subprocess.run(
            [python, "-I", "-c", _PROBE], stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", check=False
        )
        told = Target(**json.loads(done.stdout))
    except (OSError, ValueError, TypeError) as error:
        raise SysvenvError(f"{python} does not run as Python: {error}", "give another: --python PATH") from None
    return told


def takes(specifier: str, target: Target) -> bool:
    """Whether a Requires-Python specifier admits that Python; one that makes no sense admits every Python."""
    return standards.admits(specifier, target.version)


def misfits(passport: Passport, target: Target) -> list[str]:
    """A sentence for each reason why the environment cannot run there; empty where it fits."""
    reasons = []
    if (passport.implementation, passport.minor) != (target.implementation, target.minor):
        wanted, found = _named(passport.implementation, passport.minor), _named(target.implementation, target.minor)
        reasons.append(f"it was made with {wanted}, and this is {found} ({target.base})")
    elif passport.abi and target.abi and passport.abi != target.abi:
        reasons.append(f"its extension modules are for {passport.abi}, and this Python takes {target.abi}")
    if _machine(passport.platform) != _machine(target.platform):
        reasons.append(f"it was made on {passport.platform}, and this is {target.platform}")
    elif passport.libc != target.libc:
        reasons.append(f"it was made with {passport.libc or 'another libc'}, and this is {target.libc or 'another'}")
    return reasons or _wheel_misfits(passport, target)


def _wheel_misfits(passport: Passport, target: Target) -> list[str]:
    """The distributions whose files are for other machines, though Python and platform are alike."""
    reasons = []
    if target.implementation == "cpython":  # other implementations have tags of their own; theirs are not judged
        supported = standards.supported_tags(target.minor, threads=target.threads)
        for item in passport.items:
            tags = (standards.single_tags(tag) for tag in item.tags if tag.count("-") == 2)
            if item.tags and not any(supported & each for each in tags):
                reasons.append(f"{item.name} {item.version} is for {item.tags[0]}, which this machine does not take")
    built = [item for item in passport.items if _is_built_there(item)]
    if built and _numbers(passport.libc_version) > _numbers(target.libc_version):
        names = ", ".join(item.name for item in built[:5]) + (" and others" if len(built) > 5 else "")
        reasons.append(
            f"{names}, built where it was made, may need {passport.libc} {passport.libc_version}, "
            f"and this is {target.libc_version}"
        )
    return reasons


def _is_built_there(item: Item) -> bool:
    """Whether its wheel was built for that machine alone: its tag names no oldest glibc."""
    return any(tag.rpartition("-")[2].startswith("linux_") for tag in item.tags)


def _machine(platform: str) -> tuple[str, str]:
    """System and processor of a platform: "macosx-11.0-arm64" and "macosx-14.0-arm64" are alike; tags say the rest."""
    parts = platform.split("-")
    return parts[0], parts[-1]


def _named(implementation: str, version: str) -> str:
    return f"{'Python' if implementation == 'cpython' else implementation} {version}"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
