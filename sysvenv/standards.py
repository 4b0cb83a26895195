"""PyPA's standards as ``packaging`` implements them: versions, requirements and their markers, tags of wheels.

The only owner of that library. Each function imports what it needs: versions take 5 ms, requirements 30.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterable, Sequence

from sysvenv.dists import canonical
from sysvenv.venv import Interpreter

# PEP 508: what a requirement begins with; and the extras its marker names.
_NAME = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)")
_EXTRA = re.compile(r"""\bextra\s*==\s*["']([^"']*)["']|["']([^"']*)["']\s*==\s*extra\b""")

_IMPLEMENTATIONS = {"cpython": "CPython", "pypy": "PyPy", "graalpy": "GraalVM"}
"""`sys.implementation.name` -> `platform.python_implementation()`."""


def get_ready() -> None:
    """Import now, while nobody waits, what requirements need."""
    import packaging.requirements  # noqa: F401


def is_older(version: str, than: str) -> bool:
    """Whether `version` comes before `than` (PEP 440). Of what is no version, nothing can be said: False."""
    from packaging.version import InvalidVersion, Version

    try:
        return Version(version) < Version(than)
    except InvalidVersion:
        return False


def admits(specifier: str, version: str) -> bool:
    """Whether a specifier, ">=3.9", admits that version, be it a pre-release; one without sense admits all."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion

    try:
        return SpecifierSet(specifier).contains(version, prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return True


def required_name(requirement: str) -> str:
    """Canonical name of the distribution that a Requires-Dist line is about; "" if it names none."""
    found = _NAME.match(requirement)
    return canonical(found[1]) if found else ""


def specifier_of(requirement: str) -> str:
    """The versions a Requires-Dist line asks for, "<2,>=1.4"; "" for any, and where it makes no sense."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return str(Requirement(requirement).specifier)
    except InvalidRequirement:
        return ""


def in_force(
    requirements: Sequence[str], wanted: Collection[str], python: Interpreter, installed: Collection[str]
) -> list[str]:
    """Those of one distribution's Requires-Dist lines that are about a name in `wanted` and hold for that Python.

    Nothing tells afterwards which extras somebody asked for (`pip install name[extra]`): an extra counts as asked for
    when all it requires is `installed`. A line that cannot be understood counts, too. Names are canonical.
    """
    return [
        line
        for line in requirements
        if required_name(line) in wanted
        and (
            _holds(line, python)
            or any(
                _holds(line, python, extra) and _is_complete(extra, requirements, python, installed)
                for extra in _extras(line)
            )
        )
    ]


def _is_complete(extra: str, requirements: Iterable[str], python: Interpreter, installed: Collection[str]) -> bool:
    """Whether all that an extra requires is there."""
    lines = (line for line in requirements if extra in _extras(line))
    return all(required_name(line) in installed for line in lines if _holds(line, python, extra))


def _extras(requirement: str) -> set[str]:
    return {first or second for first, second in _EXTRA.findall(requirement)}


def _holds(requirement: str, python: Interpreter, extra: str = "") -> bool:
    """Whether the marker of a line holds for a Python of this machine."""
    from packaging.requirements import Requirement

    try:
        marker = Requirement(requirement).marker
        return marker is None or marker.evaluate({**_marker_environment(python), "extra": extra})
    except ValueError:  # the base of all that packaging raises here
        return True


@functools.cache
def _marker_environment(python: Interpreter) -> dict[str, str]:
    """The variables of PEP 508 for a Python of this machine, which need not be the one we run on."""
    from packaging.markers import default_environment

    ours = {name: str(value) for name, value in default_environment().items()}
    return ours | {
        "implementation_name": python.implementation,
        "implementation_version": python.version,
        "platform_python_implementation": _IMPLEMENTATIONS.get(python.implementation, python.implementation),
        "python_full_version": python.version,
        "python_version": python.minor,
    }


def supported_tags(minor: str, *, threads: bool) -> frozenset[str]:
    """The tags ("cp311-cp311-linux_x86_64") of wheels that CPython `minor` takes on this machine.

    `threads`: it is built without the GIL.
    """
    from packaging import tags

    major, number = (int(part) for part in minor.split("."))
    interpreter = f"cp{major}{number}"
    abi = interpreter + ("t" if threads else "")
    platforms = list(tags.platform_tags())
    exact = tags.cpython_tags((major, number), [abi], platforms)
    return frozenset(map(str, [*exact, *tags.compatible_tags((major, number), interpreter, platforms)]))


def single_tags(compressed: str) -> frozenset[str]:
    """The tags that a compressed set stands for: "py2.py3-none-any" are two. Raises ValueError without three parts."""
    from packaging import tags

    return frozenset(map(str, tags.parse_tag(compressed)))
