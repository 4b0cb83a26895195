"""Environments of any size, with the mix of files a real one has, the same for the same seed.

The mix is that of the ML stack in stacks/ml.txt installed by pip (33,428 files in 3,993 directories, 120
distributions): a third sources, a third their bytecode, a third other files, with the sizes below. Its largest 5 % of
files, compiled libraries for the most part, are left out, so that 200,000 files fit on a disk: what is measured with
these trees depends on the number of files.
"""

from __future__ import annotations

import os
import random
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate

from tests.wheels import build_wheel

_AT = (0.0, 0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95)
_SIZES = {
    ".py": (0, 43, 354, 1754, 6181, 18102, 39829, 65275),
    ".pyc": (168, 211, 694, 2811, 9135, 25418, 56037, 89916),
    ".txt": (0, 12, 82, 315, 952, 3483, 22279, 95144),
}
"""Bytes of a file at each of the quantiles _AT."""

_FILES_EACH = 280
"""Files of one distribution."""
_MODULES_EACH = 6
"""Modules of one package directory."""
_POOL = 1 << 22
"""Bytes of code that contents are cut from."""


class Writer:
    """Makes file contents: functions that Python can compile, cut from a pool at random places."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        words = ["".join(self._random.choices("etaoinsrhdlu", k=self._random.randint(2, 9))) for _ in range(4000)]
        functions: list[bytes] = []
        size = 0
        while size < _POOL:
            name, given, other, made = (word + "_" for word in self._random.choices(words, k=4))
            sentence = " ".join(self._random.choices(words, k=9))
            function = (
                f'def {name}({given}, {other}x=None):\n    """{sentence}."""\n'
                f"    {made} = {given}.{name}({other}x) + {self._random.randrange(1000)}\n    return {made}\n\n"
            )
            functions.append(function.encode())
            size += len(function)
        self._pool = b"".join(functions)
        self._starts = [0, *accumulate(len(function) for function in functions)][:-1]
        self._number = 0

    def content(self, suffix: str) -> bytes:
        """The next file of that kind. No two are alike, but for empty ones."""
        share = self._random.uniform(0, _AT[-1])
        at = min(bisect_right(_AT, share), len(_AT) - 1)
        low, high = _SIZES[suffix][at - 1 : at + 1]
        size = int(low + (high - low) * (share - _AT[at - 1]) / (_AT[at] - _AT[at - 1]))
        self._number += 1
        first = b"#%d\n" % self._number
        start = self._starts[self._random.randrange(len(self._starts) // 2)]
        end = self._starts[bisect_right(self._starts, start + max(size - len(first), 0)) - 1]
        content = (first + self._pool[start:end])[:size]
        return content + b"#" * (size - len(content))


def distribution(name: str, files: int, writer: Writer, bytecode: str = "") -> Iterator[tuple[str, bytes]]:
    """Paths in site-packages and contents of `files` files of one distribution.

    With `bytecode`, a cache tag such as "cpython-312", each module has its .pyc as after pip; without, there are
    none, as in a wheel.
    """
    suffixes = (".py", ".pyc", ".txt") if bytecode else (".py", ".txt")
    for number in range(files):
        module, which = divmod(number, len(suffixes))
        directory = f"{name}/part{module // _MODULES_EACH}/inner"
        suffix = suffixes[which]
        content = writer.content(suffix)
        if suffix == ".pyc":
            yield f"{directory}/__pycache__/module{module}.{bytecode}.pyc", content
        else:
            yield f"{directory}/module{module}{suffix}", content


def lay(site: str, files: int, seed: int, cache_tag: str) -> None:
    """Write exactly `files` files below site-packages, as distributions with RECORDs that pip takes for its own."""
    writer = Writer(seed)
    number = 0
    while files > 0:
        name = f"synthetic{seed}x{number}"
        info = f"{name}-1.0.dist-info"
        metadata = {
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
            f"{info}/INSTALLER": b"pip\n",
            f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: benchmarks\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        here = min(files, _FILES_EACH)
        parts = dict(distribution(name, max(here - len(metadata) - 1, 0), writer, cache_tag))
        parts |= dict(list(metadata.items())[: here - 1])
        parts[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*parts, f"{info}/RECORD"]).encode()
        _write(site, parts)
        files -= here
        number += 1


def wheels(directory: str, prefix: str, packages: int, files_each: int, seed: int, version: str = "1.0") -> list[str]:
    """Build wheels pip can install offline; returns their requirements, `name==version`."""
    writer = Writer(seed)
    requirements = []
    for number in range(packages):
        name = f"{prefix}{number}"
        build_wheel(directory, name, version, dict(distribution(name, files_each, writer)))
        requirements.append(f"{name}=={version}")
    return requirements


def _write(site: str, parts: dict[str, bytes]) -> None:
    made = set()
    for path, content in parts.items():
        directory = os.path.dirname(path)
        if directory not in made:
            os.makedirs(os.path.join(site, directory), exist_ok=True)
            made.add(directory)
        with open(os.path.join(site, path), "wb") as file:
            file.write(content)
