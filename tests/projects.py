"""Projects to install from their directory or repository, offline."""

from __future__ import annotations

import subprocess
from pathlib import Path


def project(place: Path, name: str = "mine") -> Path:
    """A project with a build backend of its own, so that it installs offline in an instant."""
    (place / "src").mkdir(parents=True)
    (place / f"src/{name}.py").write_text("x = 1\n")
    (place / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        f'[project]\nname = "{name}"\nversion = "1.0"\n'
    )
    (place / "backend.py").write_text(
        "import zipfile\n"
        "def build_editable(directory, settings=None, metadata=None):\n"
        f"    name, info = '{name}-1.0-py3-none-any.whl', '{name}-1.0.dist-info'\n"
        "    with zipfile.ZipFile(f'{directory}/{name}', 'w') as made:\n"
        f"        made.writestr('{name}.pth', {str(place / 'src')!r} + '\\n')\n"
        f"        made.writestr(f'{{info}}/METADATA', 'Metadata-Version: 2.1\\nName: {name}\\nVersion: 1.0\\n')\n"
        "        made.writestr(f'{info}/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n"
        f"        named = ['{name}.pth', f'{{info}}/METADATA', f'{{info}}/WHEEL', f'{{info}}/RECORD']\n"
        "        made.writestr(f'{info}/RECORD', ''.join(f'{each},,\\n' for each in named))\n"
        "    return name\n"
        "build_wheel = build_editable\n"
    )
    return place


def committed(place: Path) -> Path:
    """The same as a git repository."""
    git = ["git", "-C", str(place), "-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "all"]):
        subprocess.run([*git, *words], check=True)
    return place
