"""A home that was damaged, and what each damage must leave possible."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from fingerprint import Fingerprint, environment
from tiny import SITE, Tiny

from store.store import Store
from store.tree import Entry
from sysvenv import headstart
from sysvenv import manifest as manifests
from sysvenv.cli import boundary
from sysvenv.history import History
from sysvenv.home import Home

FAKE_PIP = f"""#!/bin/sh
'''exec' "${{0%/*}}/python" "$0" "$@"
' '''
import os, sys
site = os.path.join(sys.prefix, {SITE!r})
os.makedirs(os.path.join(site, "other-1.dist-info"), exist_ok=True)
for path, text in (("other.py", "x = 1"), ("other-1.dist-info/METADATA", "Name: other\\nVersion: 1\\n"),
                   ("other-1.dist-info/RECORD", "other.py,,\\nother-1.dist-info/METADATA,,\\n")):
    with open(os.path.join(site, path), "w") as file:
        file.write(text)
"""
READING = [
    ["verify"], ["verify", "--quick"], ["doctor"], ["history"], ["history", "--detailed"], ["diff"], ["diff", "@1"],
    ["diff", "one", "live", "--files"], ["list-snapshots"], ["config"],
]  # fmt: skip
CHANGING = [
    ["status"], ["status", "--check"], ["undo", "--dry-run"], ["redo", "--dry-run"], ["restore", "one", "--dry-run"],
    ["undo", "--to", "@0", "--dry-run"], ["clean", "--dry-run"], ["undo"], ["redo"], ["restore", "one"], ["undo"],
    ["restore", "@1"], ["snapshot", "new"], ["clean"],
]  # fmt: skip


class Answer:
    """What a command printed, and its exit code."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    @property
    def findings(self) -> list[dict[str, Any]]:
        """Of verify --json or doctor --json: those that are not "ok"."""
        value = json.loads(self.out)
        if "result" not in value:  # nothing could be looked at
            return [{"severity": "error", **value["error"]}]
        told = [{"severity": "warning", "message": each} for each in value["warnings"]]
        return told + [each for each in value["result"]["findings"] if each["severity"] != "ok"]


class Broken:
    """A home to be damaged."""

    def __init__(self, tiny: Tiny, states: dict[int, Fingerprint], capsys: pytest.CaptureFixture[str]) -> None:
        self.tiny = tiny
        self.root = tiny.root
        self.states = states
        """Operation -> what the environment looked like after it."""
        self._capsys = capsys

    @property
    def store(self) -> Store:
        return Store(os.fsencode(self.tiny.home.store))

    @property
    def site(self) -> Path:
        return self.tiny.site

    def give_up_trees(self) -> None:
        """Without the trees that stand ready: they hold intact files, and tell segments and manifests."""
        for tree in (self.root / "store/trees").iterdir():
            shutil.rmtree(tree)

    def without(self, path: bytes) -> None:
        """A file of the user's that was lost with the live tree is in no state."""
        self.states = {n: {p: seen for p, seen in state.items() if p != path} for n, state in self.states.items()}

    def record(self, number: int, half: str) -> Path:
        return Path(History(self.tiny.home).path(number, half))

    def manifest(self, number: int) -> str:
        """The name of the manifest an operation led to."""
        return History(self.tiny.home).read(number).manifest

    def segment(self, number: int, owner: str = "demo", kind: str = manifests.FILES) -> Path:
        """The file of one segment of the state after an operation."""
        parts = self.store.manifests.read(self.manifest(number)).parts
        (name,) = [part.segment for part in parts if (part.owner, part.kind) == (owner, kind)]
        return Path(os.fsdecode(self.store.segments.path(name)))

    def entry(self, path: str, number: int = 2) -> Entry:
        """What the state after an operation has at a path below site-packages."""
        tree = manifests.tree(self.store, self.store.manifests.read(self.manifest(number)))
        return tree[f"{SITE}/{path}".encode()]

    def object(self, path: str, number: int = 2) -> Path:
        """The file of the object that is there."""
        return Path(os.fsdecode(self.store.objects.path(self.entry(path, number))))

    def run(self, *arguments: str) -> Answer:
        """Run a command in this process. However broken a home is, nothing that should not happen may be shown."""
        self._capsys.readouterr()
        code = boundary.run([*arguments], headstart.for_command([*arguments], Home.default(os.environ)))
        out, err = self._capsys.readouterr()
        said = f"sysvenv {' '.join(arguments)} (exit {code}):\n{out}\n{err}"
        assert "Traceback" not in out + err and "should not happen" not in out + err, said
        assert code == 0 or out + err, said
        return Answer(code, out, err)

    def found(self, *words: str, code: int = 4, quick: bool = True, brief: bool = False) -> dict[str, Any]:
        """verify names the damage in one finding that has all ``words``, writes nothing, and ends with that code.

        ``quick``: --quick finds it as well. ``brief``: of what else must go on, only the reading commands are tried.
        """
        self.survives(brief)
        for options in ([], ["--quick"]) if quick else ([],):
            before = whole(self.root)
            answer = self.run("verify", "--json", *options)
            assert whole(self.root) == before, "verify wrote"
            matching = [each for each in answer.findings if all(word in json.dumps(each) for word in words)]
            assert matching, (options, words, answer.findings)
            assert answer.code == code, (options, answer.findings)
        return matching[0]

    def survives(self, brief: bool = False) -> None:
        """Every command answers without a traceback, and pip does its work; all that on copies."""
        for argument in READING:
            before = whole(self.root)
            self.run(*argument)
            assert whole(self.root) == before, f"{argument} wrote"
        if brief:
            return
        with Elsewhere(self):
            for argument in CHANGING:
                self.run(*argument)
        with Elsewhere(self):
            if (self.root / "venv/bin/pip").exists():
                pip_works(self.root)

    def fix(self, code: int = 0) -> Answer:
        """doctor --fix."""
        answer = self.run("doctor", "--fix", "--json")
        assert answer.code == code, answer.findings
        return answer

    def healed(self, *, edited: bool = False, warnings: tuple[str, ...] = ()) -> Answer:
        """doctor --fix puts all of it right: verify is content, and each state comes back exactly.

        ``edited``: what stood in the live tree became an operation, which undo takes back first.
        """
        answer = self.fix()
        if edited:
            assert self.run("undo").code == 0
        checked = self.run("verify", "--json")
        left = [each for each in checked.findings if not any(word in each["message"] for word in warnings)]
        assert (left, checked.code) == ([], 0), (left, answer.out)
        self.comes_back(0, 1, 2)
        return answer

    def comes_back(self, *numbers: int) -> None:
        """Each of these states can be restored, byte for byte, and so can the one before it."""
        for number in numbers:
            answer = self.run("restore", f"@{number}")
            assert answer.code == 0, (number, answer.err)
            assert environment(self.root / "venv") == self.states[number], number

    def fenced(self, *numbers: int, usable: tuple[int, ...]) -> None:
        """These states are refused in a sentence, nothing being touched; the others come back."""

        def touchable() -> tuple[object, ...]:
            records = {path.name: path.read_bytes() for path in (self.root / "history").iterdir() if path.is_file()}
            left = [path.name for path in (self.root / "store/trees").iterdir() if not path.name.isdigit()]
            return environment(self.root / "venv"), records, left

        for number in numbers:
            before = touchable()
            answer = self.run("restore", f"@{number}")
            assert answer.code == 4 and "Nothing was changed" in answer.err, (number, answer.out, answer.err)
            assert touchable() == before
        self.comes_back(*usable)


class Elsewhere:
    """A copy of a damaged home in its place, for as long as a ``with`` block lasts."""

    def __init__(self, broken: Broken) -> None:
        self._root = broken.root
        self._kept = broken.root.with_name("kept")

    def __enter__(self) -> None:
        os.rename(self._root, self._kept)
        subprocess.run(["cp", "-a", self._kept, self._root], check=True)

    def __exit__(self, *_: object) -> None:
        os.rename(self._root, tempfile.mkdtemp(dir=self._root.parent) + "/used")  # a purge may still be at work there
        os.rename(self._kept, self._root)


def pip_works(root: Path) -> None:
    """A pip with the hook around it does its work and says at most a sentence."""
    outside = {name: value for name, value in os.environ.items() if name != "SYSVENV_HOME"}
    command = [root / "venv/bin/python", root / "venv/bin/pip", "install", "other"]
    done = subprocess.run(command, env=outside, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0 and (root / "venv" / SITE / "other.py").exists(), done.stderr
    assert "Traceback" not in done.stderr and "internal error" not in done.stderr, done.stderr


def whole(root: Path) -> dict[str, tuple[object, ...]]:
    """Everything below a home: kind, mode, size and the times of modification and of change; whoever writes content,
    mode or name moves one of these. Not the time of access.

    The trash is left out: it is emptied behind our back.
    """
    found: dict[str, tuple[object, ...]] = {}
    waiting = [str(root)]
    while waiting:
        directory = waiting.pop()
        for each in os.scandir(directory):
            seen = each.stat(follow_symlinks=False)
            path = os.path.relpath(each.path, root)
            if path == "store/trash":
                continue
            if each.is_dir(follow_symlinks=False):
                waiting.append(each.path)
            found[path] = (seen.st_mode, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)
    return found


def silently(path: Path, old: bytes, new: bytes) -> None:
    """Change bytes of a file in place so that lstat does not tell."""
    seen, content = path.stat(), path.read_bytes()
    assert len(old) == len(new) and old in content
    with open(path, "r+b") as file:
        file.write(content.replace(old, new))
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))


def flip(path: Path, place: int | None = None) -> None:
    """Change one bit of a file, by default in its middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if place is None else place] ^= 4
    path.write_bytes(content)
