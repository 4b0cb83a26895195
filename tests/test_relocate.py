"""What an environment's files say at another place."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from sysvenv import relocate
from sysvenv.passport import PLACE

OLD, NEW = b"/home/ann/.local/python-packages/venv", b"/srv/bob/p/venv"
SPACED = b"/srv/bob's things/venv"
LONG = b"/srv/" + b"long/" * 30 + b"venv"


def script(python: bytes) -> bytes:
    """What pip writes for that interpreter."""
    return b"#!" + python + b"\nimport sys\nsys.exit(0)\n"


def through_sh(python: bytes) -> bytes:
    """What it writes where the kernel would not take that."""
    return b"#!/bin/sh\n'''exec' " + python + b" \"$0\" \"$@\"\n' '''\nimport sys\nsys.exit(0)\n"


@pytest.mark.parametrize(
    ("old", "text", "new", "expected"),
    [
        (OLD, script(OLD + b"/bin/python"), NEW, script(NEW + b"/bin/python")),
        (OLD, script(OLD + b"/bin/python3.11 -E"), NEW, script(NEW + b"/bin/python3.11 -E")),
        (OLD, script(OLD + b"/bin/python"), LONG, through_sh(LONG + b"/bin/python")),
        (OLD, script(OLD + b"/bin/python"), b"/a b/venv", through_sh(b'"/a b/venv/bin/python"')),
        (LONG, through_sh(LONG + b"/bin/python"), NEW, script(NEW + b"/bin/python")),
        (b"/a b/venv", through_sh(b'"/a b/venv/bin/python"'), NEW, script(NEW + b"/bin/python")),
        (LONG, through_sh(LONG + b"/bin/python -E"), NEW, script(NEW + b"/bin/python -E")),
        (b"/a b/venv", through_sh(b"'/a b/venv/bin/python'"), LONG, through_sh(LONG + b"/bin/python")),
    ],
)
def test_shebangs(old: bytes, text: bytes, new: bytes, expected: bytes) -> None:
    """In both forms pip knows: the short one where the kernel takes it, the one through sh where it does not."""
    assert relocate.relocated(text, old, new) == expected


@pytest.mark.parametrize("new", [NEW, LONG, b"/a b/venv"], ids=["short", "long", "with a blank"])
def test_there_and_back(new: bytes) -> None:
    """By way of the neutral place every form comes back as it was."""
    for text in (script(OLD + b"/bin/python"), b'VIRTUAL_ENV="' + OLD + b'"\n', b"VIRTUAL_ENV='" + OLD + b"'\n"):
        neutral = relocate.relocated(text, OLD, PLACE)
        assert neutral is not None and b"ann" not in neutral
        there = relocate.relocated(neutral, PLACE, new)
        assert there is not None and PLACE not in there
        again = relocate.relocated(there, new, PLACE)
        assert again is not None and relocate.relocated(again, PLACE, OLD) == text


def test_quotes_that_came_stay() -> None:
    """A bare path gets quotes where the shell needs them, and keeps them afterwards: other shells want them always."""
    there = relocate.relocated(b"VIRTUAL_ENV=%b\n" % OLD, OLD, b"/a b/venv")
    assert there == b"VIRTUAL_ENV='/a b/venv'\n"
    assert relocate.relocated(there, b"/a b/venv", NEW) == b"VIRTUAL_ENV='%b'\n" % NEW


@pytest.mark.parametrize(
    "text",
    [
        b"nothing of it\n",
        OLD + b"2/lib\n",
        OLD + b"-old\n",
        OLD + b".bak/lib\n",
        b"/mnt/x" + OLD + b"\n",
        b"\0 a binary that names " + OLD + b"/lib\0",
    ],
)
def test_what_stays(text: bytes) -> None:
    """Other places that only look alike, and binaries, which cannot be changed."""
    assert relocate.relocated(text, OLD, NEW) is None
    assert relocate.is_bound(text, OLD) is (b"\0" in text)


def test_a_zipped_application() -> None:
    """Its first line is text, what follows is not touched."""
    text = script(OLD + b"/bin/python") + b"PK\0\0" + OLD + b"/bin"
    assert relocate.relocated(text, OLD, NEW) == script(NEW + b"/bin/python") + b"PK\0\0" + OLD + b"/bin"
    assert not relocate.is_bound(script(OLD + b"/bin/python") + b"PK\0\0", OLD)


@pytest.mark.parametrize("new", [NEW, LONG, b"/a b/venv", SPACED], ids=["short", "long", "with a blank", "quote"])
@pytest.mark.parametrize("form", ["VIRTUAL_ENV={}\nexport VIRTUAL_ENV\n", "VIRTUAL_ENV='{}'\n"])
def test_an_activate_file_is_still_shell(tmp_path: Path, new: bytes, form: str) -> None:
    """The shell reads the new path, whatever is in it, quoted or bare."""
    text = form.format(PLACE.decode()).encode()
    (tmp_path / "activate").write_bytes(relocate.relocated(text, PLACE, new) or b"")
    command = [shutil.which("sh") or "sh", "-c", '. ./activate && printf %s "$VIRTUAL_ENV"']
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    assert told.stdout == new


def test_the_settings_of_an_environment() -> None:
    """Keys that are there get their value, in the order they had; no key comes, and none is lost."""
    text = b"home = /usr/bin\ninclude-system-site-packages = false\nPrompt = x\nversion = 3.11.7\n"
    values = {"home": "/opt/bin", "version": "3.11.9", "executable": "/opt/bin/python"}
    changed = relocate.settings(text, values)
    assert changed == b"home = /opt/bin\ninclude-system-site-packages = false\nPrompt = x\nversion = 3.11.9\n"


def test_a_record_agrees_with_what_was_rewritten() -> None:
    """Rows of rewritten files get the new digest and size; others, and RECORD's own, stay to the byte."""
    rows = [b"demo/__init__.py,sha256=abc,3", b"../../../bin/demo,sha256=old,5\r", b"demo-1.0.dist-info/RECORD,,", b""]
    place, text = b"lib/python3.11/site-packages/demo-1.0.dist-info/RECORD", b"\n".join(rows)
    new = relocate.record(text, place, {b"bin/demo": b"#!new\n", place: b"itself"})
    digest = base64.urlsafe_b64encode(hashlib.sha256(b"#!new\n").digest()).rstrip(b"=")
    assert new.split(b"\n") == [rows[0], b"../../../bin/demo,sha256=%b,6\r" % digest, rows[2], b""]
    assert relocate.record(text, place, {os.fsencode("bin/other"): b""}) == text
