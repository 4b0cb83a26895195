"""Tiny real wheels, built in memory, so that tests run the real pip without a network."""

import base64
import hashlib
import os
import zipfile
from collections.abc import Mapping, Sequence

# Fixed, so that the same arguments give the same bytes (zip cannot hold a year before 1980).
_WRITTEN = (2020, 1, 1, 0, 0, 0)


def build_wheel(
    dir: str | os.PathLike[str],
    name: str,
    version: str,
    files: Mapping[str, str | bytes],
    requires: Sequence[str] = (),
    scripts: Mapping[str, str] = {},
) -> str:
    """Write ``name-version-py3-none-any.whl`` into ``dir`` and return its path.

    ``files`` maps paths in site-packages (or below ``{name}-{version}.data/``) to contents; ``requires``
    are Requires-Dist values; ``scripts`` maps console script names to ``module:function``.
    """
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    members = {path: _bytes(content) for path, content in files.items()}
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    metadata += [f"Requires-Dist: {requirement}" for requirement in requires]
    members[f"{info}/METADATA"] = _bytes("\n".join(metadata) + "\n")
    wheel = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    members[f"{info}/WHEEL"] = _bytes(wheel)
    if scripts:
        lines = ["[console_scripts]", *(f"{script} = {target}" for script, target in scripts.items())]
        members[f"{info}/entry_points.txt"] = _bytes("\n".join(lines) + "\n")
    record = [f"{path},{_digest(content)},{len(content)}" for path, content in members.items()]
    members[f"{info}/RECORD"] = _bytes("\n".join([*record, f"{info}/RECORD,,"]) + "\n")

    os.makedirs(dir, exist_ok=True)
    wheel = os.path.join(dir, f"{stem}-py3-none-any.whl")
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in members.items():
            entry = zipfile.ZipInfo(path, _WRITTEN)
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, content)
    return wheel


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


def _digest(content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"sha256={digest}"
