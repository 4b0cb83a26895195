"""README: what it shows is what happens, and what it lists is what there is."""

from __future__ import annotations

import fnmatch
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from wheels import build_wheel

from sysvenv.cli.table import COMMANDS
from sysvenv.errors import EXIT_CODES

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
# Counts and times differ from run to run, and with the two stand-in packages.
NUMBERS = re.compile(r"\b\d+(\.\d+)?(?= (s|files|removed|modified)\b)")


def terminal_block() -> list[tuple[str, list[str]]]:
    """Commands of README's first terminal block, each with the lines it prints."""
    match = re.search(r"```console\n(.*?)```", README, re.DOTALL)
    assert match
    steps: list[tuple[str, list[str]]] = []
    for line in match[1].splitlines():
        if line.startswith("$ "):
            steps.append((line[2:], []))
        else:
            steps[-1][1].append(line)
    return steps


def plain(line: str) -> str:
    """`line` with its numbers replaced; singular and plural alike."""
    return NUMBERS.sub("N", line).replace("1 file ", "N files ")


@pytest.mark.slow
def test_terminal_block(isolated: Path, tmp_path: Path) -> None:
    """The block at the top is a real session: its commands print its lines, but for counts and seconds."""
    wheels = tmp_path / "wheels"
    flask = {"flask.py": "from werkzeug.urls import url_quote\n"}
    build_wheel(wheels, "flask", "2.2.2", flask, requires=["werkzeug>=2.2.2"])
    old = {"werkzeug/__init__.py": "", "werkzeug/urls.py": "def url_quote(): ...\n", "werkzeug/old.py": ""}
    build_wheel(wheels, "werkzeug", "2.2.3", old)
    build_wheel(wheels, "werkzeug", "3.0.3", {"werkzeug/__init__.py": "", "werkzeug/urls.py": ""})
    tool = str(Path(sys.executable).parent)
    venv = isolated / ".local/python-packages/venv/bin"
    environ = {**os.environ, "PATH": f"{venv}:{tool}:{os.environ['PATH']}", "PIP_FIND_LINKS": str(wheels)}

    def shell(command: str, code: int = 0) -> list[str]:
        answer = subprocess.run(
            ["sh", "-c", f"{{ {command}\n}} 2>&1"], env=environ, capture_output=True, text=True, check=False
        )
        assert answer.returncode == code, f"{command}: {answer.stdout}"
        return answer.stdout.splitlines()

    shell("sysvenv init && pip install flask==2.2.2 werkzeug==2.2.3")
    for number, (command, expected) in enumerate(terminal_block()):
        printed = shell(command)
        assert len(printed) == len(expected), "\n".join(printed)
        for line, pattern in zip(printed, expected, strict=True):
            assert fnmatch.fnmatchcase(plain(line), plain(pattern)), f"{line!r} is not {pattern!r}"
        shell("python -c 'import flask'", code=1 if number == 0 else 0)


def rows(heading: str) -> list[list[str]]:
    """Cells of the first table below a heading, without its head."""
    section = README.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_commands_are_those_there_are() -> None:
    """The table names every command that --help shows, and no other."""
    listed = [cells[0].strip("`").split()[1] for cells in rows("Commands")]
    assert listed == [name for name, entry in COMMANDS.items() if entry.section]


def test_exit_codes_are_those_there_are() -> None:
    """The table of exit codes is the one in sysvenv/errors.py."""
    assert {int(code): meaning for code, meaning in rows("Exit codes")} == EXIT_CODES


def test_links_lead_somewhere() -> None:
    """Each relative link names a file of the repository."""
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).is_file(), target
