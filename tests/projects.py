"""Projects to install from their directory, offline."""

from __future__ import annotations

from pathlib import Path


def project(place: Path) -> Path:
    """A project with a build backend of its own, so that it installs offline in an instant."""
    (place / "src").mkdir(parents=True)
    (place / "src/mine.py").write_text("x = 1\n")
    (place / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "mine"\nversion = "1.0"\n'
    )
    (place / "backend.py").write_text(
        "import zipfile\n"
        "def build_editable(directory, settings=None, metadata=None):\n"
        "    name, info = 'mine-1.0-py3-none-any.whl', 'mine-1.0.dist-info'\n"
        "    with zipfile.ZipFile(f'{directory}/{name}', 'w') as made:\n"
        f"        made.writestr('mine.pth', {str(place / 'src')!r} + '\\n')\n"
        "        made.writestr(f'{info}/METADATA', 'Metadata-Version: 2.1\\nName: mine\\nVersion: 1.0\\n')\n"
        "        made.writestr(f'{info}/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n"
        "        named = ['mine.pth', f'{info}/METADATA', f'{info}/WHEEL', f'{info}/RECORD']\n"
        "        made.writestr(f'{info}/RECORD', ''.join(f'{each},,\\n' for each in named))\n"
        "    return name\n"
        "build_wheel = build_editable\n"
    )
    return place
