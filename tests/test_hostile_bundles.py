"""Files from strangers: each of these is refused whole, with one sentence, and nothing is written."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest
from forged import Block, Forgery, file, link, resealed
from tiny import SITE as SITE_TEXT
from tiny import Tiny

from store import digest, frames, segments, untrusted
from store.bundle import FOOTER, Bundle
from store.errors import Refused, StoreError
from store.tree import DIRECTORY, Entry
from sysvenv import fit, passport
from sysvenv.errors import SysvenvError
from sysvenv.operations import bring
from sysvenv.passport import PLACE, Passport

SITE = SITE_TEXT.encode() + b"/"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """A home that bundles arrive at. None of these does, so one is enough."""
    made = Tiny(tmp_path_factory.mktemp("here") / "home")
    made.begin()
    return made


@pytest.fixture(scope="module")
def papers(here: Tiny) -> Passport:
    """A passport that fits this machine."""
    target = fit.probe(sys.executable)
    return Passport(
        target.implementation, target.version, target.abi, target.platform, SITE[:-1].decode(),
        target.libc, target.libc_version, (), ("bin/python",), ("bin/demo", "pyvenv.cfg"), {},
    )  # fmt: skip


@pytest.fixture
def forgery(papers: Passport) -> Forgery:
    """A bundle that would be taken in as it is."""
    forged = Forgery(passport.to_json(papers), {}, ())
    forged.add(SITE + b"demo/__init__.py", b"version = 1\n")
    forged.add(SITE + b"demo/empty.py", b"")
    del forged.contents[digest.of_bytes(b"")]
    forged.add(b"bin/demo", b"#!%s/bin/python\n" % PLACE, mode=0o755)
    forged.add(b"pyvenv.cfg", b"home = /@sysvenv@/python/bin\nversion = 3\n")
    forged.tree[b"lib64"] = link(b"lib")
    return forged


def everything(place: Path) -> dict[str, tuple[int, int, int]]:
    """What lies below a directory, with what would tell that it was written to."""
    found = {str(path): path.lstat() for path in [place, *place.rglob("*")]}
    return {path: (seen.st_ino, seen.st_mtime_ns, seen.st_size) for path, seen in found.items()}


def refused(here: Tiny, tmp_path: Path, content: bytes) -> str:
    """The one sentence a bundle is refused with; nothing but the file itself is there before and after."""
    (tmp_path / "odd.sysvenv").write_bytes(content)
    around = everything(here.root.parent), everything(tmp_path)
    with pytest.raises((Refused, StoreError, SysvenvError)) as caught:
        bring.bring(here.context, str(tmp_path / "odd.sysvenv"))
    assert (everything(here.root.parent), everything(tmp_path)) == around
    assert "\n" not in caught.value.message and caught.value.message.endswith(".")
    return caught.value.message


def test_the_forgery_itself_is_taken(here: Tiny, tmp_path: Path, forgery: Forgery) -> None:
    """What the others change is what they are refused for: as it is, the bundle is sound and fits."""
    (tmp_path / "odd.sysvenv").write_bytes(bytes(forgery))
    outcome = bring.bring(here.context, str(tmp_path / "odd.sysvenv"), dry_run=True)
    assert (outcome.name, outcome.files) == ("odd", 5)


# --- what lies where ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [b"/etc/cron.d/odd", b"../odd", b"lib/../../odd", b"lib/./odd", b"lib//odd", b""],
    ids=["absolute", "up", "up in between", "dot", "two slashes", "empty"],
)
def test_a_path_out_of_the_tree(here: Tiny, tmp_path: Path, forgery: Forgery, path: bytes) -> None:
    """Nothing is laid outside: no absolute path, no `..`, nothing that a kernel would read as another path."""
    forgery.add(path)
    assert "unsafe path" in refused(here, tmp_path, bytes(forgery))


@pytest.mark.parametrize(
    ("path", "target"),
    [
        (b"bin/sh", b"/bin/sh"),
        (b"up", b"../outside"),
        (b"lib/up", b"../../outside"),
        (b"lib/up", b"deeper/../../../outside"),
        (b"lib/zero", b""),
    ],
    ids=["absolute", "up", "up from below", "through a name", "empty"],
)
def test_a_link_out_of_the_tree(here: Tiny, tmp_path: Path, forgery: Forgery, path: bytes, target: bytes) -> None:
    """A link leads to a place in its tree."""
    forgery.tree[path] = link(target)
    assert "a link out of the tree" in refused(here, tmp_path, bytes(forgery))


def test_a_link_out_of_the_tree_through_another(here: Tiny, tmp_path: Path, forgery: Forgery) -> None:
    """`..` behind a link goes up from where that leads: only at the beginning of a target it can be judged."""
    forgery.tree[b"a/b/c/short"] = link(b"../../../lib")
    forgery.tree[b"long"] = link(b"a/b/c/short/../../outside")
    assert "a link out of the tree" in refused(here, tmp_path, bytes(forgery))


def test_a_file_below_a_link(here: Tiny, tmp_path: Path, forgery: Forgery) -> None:
    """A link and a path through it: the second would be written wherever the first leads."""
    forgery.tree[b"door"] = link(b"lib")
    forgery.add(b"door/odd.py")
    assert "lies below a link" in refused(here, tmp_path, bytes(forgery))


def test_a_file_below_a_file(here: Tiny, tmp_path: Path, forgery: Forgery) -> None:
    """A path cannot be a file and a directory."""
    forgery.add(b"pyvenv.cfg/odd.py")
    assert "lies below a file" in refused(here, tmp_path, bytes(forgery))


@pytest.mark.parametrize("kind", [b"c", b"b", b"p", b"s", b"h"], ids=["char", "block", "fifo", "socket", "hardlink"])
def test_a_device(here: Tiny, tmp_path: Path, forgery: Forgery, kind: bytes) -> None:
    """There are files, links and directories, and nothing else."""
    forgery.more_segments = [segments.MAGIC + kind + b" 0644 0 dev/odd\0"]
    assert "unknown kind of entry" in refused(here, tmp_path, bytes(forgery))


def test_a_path_twice_in_a_segment(here: Tiny, tmp_path: Path, forgery: Forgery) -> None:
    """Which of the two would it be?"""
    one = segments.encode({b"twice": file(b"")})
    forgery.more_segments = [one + one[len(segments.MAGIC) :]]
    assert "names a path twice" in refused(here, tmp_path, bytes(forgery))


def test_a_path_in_two_segments(here: Tiny, tmp_path: Path, forgery: Forgery) -> None:
    """The same between two parts of the state."""
    forgery.more_segments = [segments.encode({b"lib64": link(b"bin")})]
    assert "holds b'lib64' twice" in refused(here, tmp_path, bytes(forgery))


def test_a_segment_written_in_another_way(here: Tiny, tmp_path: Path, forgery: Forgery) -> None:
    """Equal trees have one encoding; what Python would read as the same number is none."""
    forgery.more_segments = [segments.encode({b"odd": file(b"")}).replace(b" 0 odd", b" +0 odd")]
    assert "names a path twice, or in another order" in refused(here, tmp_path, bytes(forgery))


@pytest.mark.parametrize(
    ("path", "reason"),
    [(b"lib/\xff\xfe.py", "no name in UTF-8"), (b"n" * 256, "too long"), (b"/".join([b"deep"] * 500), "too long")],
    ids=["not UTF-8", "long name", "long path"],
)
def test_a_name_that_cannot_be(here: Tiny, tmp_path: Path, forgery: Forgery, path: bytes, reason: str) -> None:
    """Names that some file system would refuse in the middle of the work."""
    forgery.add(path)
    assert reason in refused(here, tmp_path, bytes(forgery))


@pytest.mark.parametrize("mode", [0o4755, 0o2755, 0o1644, 0o10644, 0o000, 0o222], ids=oct)
def test_a_mode_that_cannot_be(here: Tiny, tmp_path: Path, forgery: Forgery, mode: int) -> None:
    """No setuid program, nothing that keeps its owner out."""
    forgery.add(b"bin/odd", mode=mode)
    assert re.search("has the mode|a mode of", refused(here, tmp_path, bytes(forgery)))


def test_a_directory_that_keeps_its_owner_out(here: Tiny, tmp_path: Path, forgery: Forgery) -> None:
    """It could not even be read to be kept."""
    forgery.tree[b"lib/closed"] = Entry(DIRECTORY, mode=0)
    assert "keeps its owner out" in refused(here, tmp_path, bytes(forgery))


def test_a_time_that_cannot_be(here: Tiny, tmp_path: Path, forgery: Forgery) -> None:
    """utimensat takes 64 bits of seconds, Python fewer nanoseconds."""
    forgery.add(b"bin/odd", mtime=1 << 80)
    assert "an impossible time" in refused(here, tmp_path, bytes(forgery))


def test_an_empty_file_that_is_not(here: Tiny, tmp_path: Path, forgery: Forgery) -> None:
    """An empty file has the digest of nothing, and no twin."""
    forgery.tree[b"odd"] = file(b"", digest=digest.of_bytes(b"full"))
    assert "not what its digest says" in refused(here, tmp_path, bytes(forgery))
    forgery.tree[b"odd"] = forgery.tree[b"pyvenv.cfg"]._replace(twin=3)
    assert "numbered as a twin" in refused(here, tmp_path, bytes(forgery))


# --- what was damaged on its way ------------------------------------------------------------------------


@pytest.mark.parametrize("part", [0.0, 0.001, 0.3, 0.9, 0.999])
def test_cut_short(here: Tiny, tmp_path: Path, forgery: Forgery, part: float) -> None:
    """Wherever a download ended."""
    whole = bytes(forgery)
    assert "refused" in refused(here, tmp_path, whole[: int(len(whole) * part)])
    assert "it is cut short" in refused(here, tmp_path, whole[:40])


def test_a_flipped_bit(here: Tiny, tmp_path: Path, forgery: Forgery) -> None:
    """Wherever it is: a sample of all bytes, and each of the last ones."""
    whole = bytes(forgery)
    for at in [*range(0, len(whole), max(len(whole) // 40, 1)), *range(len(whole) - FOOTER.size, len(whole), 5)]:
        flipped = bytearray(whole)
        flipped[at] ^= 1 << at % 8
        assert "refused" in refused(here, tmp_path, bytes(flipped))


def test_a_flipped_bit_under_a_right_digest(here: Tiny, tmp_path: Path, forgery: Forgery) -> None:
    """Somebody who changes a byte can make the last digest right again: everything within is compared too.

    What is taken nevertheless (zstd has bits that mean nothing) is the same to the byte once it is unpacked.
    """
    whole, place, outcomes = bytes(forgery), tmp_path / "odd.sysvenv", []
    for at in range(0, len(whole) - 16, max(len(whole) // 200, 1)):
        flipped = bytearray(whole)
        flipped[at] ^= 0x10
        place.write_bytes(resealed(bytes(flipped)))
        try:
            with Bundle(os.fsencode(place)) as opened:
                opened.verify()
                assert (opened.tree, opened.manifest.about) == (forgery.tree, json.loads(json.dumps(forgery.about)))
            outcomes.append("taken")
        except StoreError:
            outcomes.append("refused")
    assert outcomes.count("refused") > 0.9 * len(outcomes)


def test_something_behind_the_end(here: Tiny, tmp_path: Path, forgery: Forgery) -> None:
    """Nothing in the file goes unread."""
    forgery.whole = lambda whole: whole + b"more"
    assert "changed or cut short" in refused(here, tmp_path, bytes(forgery))


def test_no_bundle(here: Tiny, tmp_path: Path) -> None:
    """Another file that was given that name."""
    assert "no bundle" in refused(here, tmp_path, b"PK\x03\x04 a wheel, say" * 20)


def test_another_version(here: Tiny, tmp_path: Path, forgery: Forgery) -> None:
    """A later sysvenv may write what this one cannot read, and says so at the beginning."""
    forgery.magic = b"sysvenv bundle 2\n"
    assert "another version" in refused(here, tmp_path, bytes(forgery))


def test_a_manifest_of_another_version(here: Tiny, tmp_path: Path, forgery: Forgery) -> None:
    """The same of what is in it."""
    forgery.manifest = b'{"about":{},"parts":[],"version":2}\n'
    assert "format version 2" in refused(here, tmp_path, bytes(forgery))


# --- what would exhaust the machine ---------------------------------------------------------------------


def _block(content: bytes, size: int) -> Block:
    return Block(frames.compress(content), ((digest.of_bytes(content), size),))


def test_a_frame_that_holds_more_than_it_says(here: Tiny, tmp_path: Path, forgery: Forgery) -> None:
    """A bomb: 64 MB of zeros in 6 KB. It is given up one byte behind what it should have held."""
    zeros = bytes(64 << 20)
    forgery.tree[b"bomb"] = file(zeros, size=10)
    forgery.blocks = lambda blocks: [*blocks, _block(zeros, 10)]
    assert "more than it says" in refused(here, tmp_path, bytes(forgery))


def test_a_frame_that_holds_less_than_it_says(here: Tiny, tmp_path: Path, forgery: Forgery) -> None:
    """The rest would be whatever was in memory."""
    forgery.tree[b"short"] = file(b"short", size=1000)
    forgery.blocks = lambda blocks: [*blocks, _block(b"short", 1000)]
    assert "does not end where it says" in refused(here, tmp_path, bytes(forgery))


def test_more_than_the_disk_holds(here: Tiny, tmp_path: Path, forgery: Forgery) -> None:
    """A bomb that is honest about its size: it is not begun."""
    forgery.tree[b"bomb"] = file(b"boom", size=1 << 60)
    forgery.blocks = lambda blocks: [*blocks, _block(b"boom", 1 << 60)]
    assert "of the disk are free" in refused(here, tmp_path, bytes(forgery))


def test_many_files_of_one_content(here: Tiny, tmp_path: Path, forgery: Forgery) -> None:
    """A small file that would be a large tree: each file counts, not each content."""
    for number in range(1 << 11):
        forgery.tree[b"bomb/%d" % number] = file(b"boom", size=1 << 40)
    forgery.blocks = lambda blocks: [*blocks, _block(b"boom", 1 << 40)]
    assert "of the disk are free" in refused(here, tmp_path, bytes(forgery))


def test_a_table_without_end(here: Tiny, tmp_path: Path, forgery: Forgery) -> None:
    """The table is held in memory, so its size is bounded before it is unpacked."""
    forgery.table_size = 1 << 40
    assert "table is not where it says" in refused(here, tmp_path, bytes(forgery))


def test_a_shared_frame_without_end(here: Tiny, tmp_path: Path, forgery: Forgery) -> None:
    """So is a frame that several contents share."""
    big = bytes(3 << 20)
    says = ((digest.of_bytes(b"one"), 1), (digest.of_bytes(b"two"), len(big) - 1))
    forgery.blocks = lambda blocks: [*blocks, Block(frames.compress(big), says)]
    assert "a frame that is too large" in refused(here, tmp_path, bytes(forgery))


def test_a_description_without_end(
    here: Tiny, tmp_path: Path, forgery: Forgery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Manifest and segments are held in memory too, and there are only so many files."""
    monkeypatch.setattr("store.bundle._LARGEST_DESCRIPTION", 1000)
    forgery.about["items"] = [{"name": "n" * 100, "version": "1", "tags": [], "source": ""}] * 20
    assert "what describes it is too large" in refused(here, tmp_path, bytes(forgery))


def test_huge_counts(here: Tiny, tmp_path: Path, forgery: Forgery, monkeypatch: pytest.MonkeyPatch) -> None:
    """More files than any environment has are not even listed."""
    monkeypatch.setattr(untrusted, "MOST_ENTRIES", 100)
    forgery.more_segments = [segments.encode({b"many/%d" % number: file(b"") for number in range(200)})]
    assert "too many files" in refused(here, tmp_path, bytes(forgery))


def test_json_without_end(here: Tiny, tmp_path: Path, forgery: Forgery) -> None:
    """Brackets nested deeper than Python can follow."""
    forgery.manifest = b"[" * 500_000
    assert "makes no sense" in refused(here, tmp_path, bytes(forgery))


# --- what does not belong together ----------------------------------------------------------------------


def test_a_content_that_is_another(here: Tiny, tmp_path: Path, forgery: Forgery) -> None:
    """Every content is compared with its digest, before the first is written."""
    name = forgery.tree[SITE + b"demo/__init__.py"].digest
    forgery.contents[name] = b"version = 6\n"
    assert "not what its digest says" in refused(here, tmp_path, bytes(forgery))


def test_a_content_that_is_missing(here: Tiny, tmp_path: Path, forgery: Forgery) -> None:
    """A bundle is complete."""
    del forgery.contents[forgery.tree[b"pyvenv.cfg"].digest]
    assert "lacks the content of b'pyvenv.cfg'" in refused(here, tmp_path, bytes(forgery))


def test_a_content_of_another_size(here: Tiny, tmp_path: Path, forgery: Forgery) -> None:
    """Two files of one content are of one size."""
    forgery.tree[b"odd"] = forgery.tree[b"pyvenv.cfg"]._replace(size=7)
    assert "lacks the content of b'odd'" in refused(here, tmp_path, bytes(forgery))


def test_a_content_that_nobody_needs(here: Tiny, tmp_path: Path, forgery: Forgery) -> None:
    """Nothing is hidden in a bundle."""
    forgery.contents[digest.of_bytes(b"hidden")] = b"hidden"
    assert "no file of it has" in refused(here, tmp_path, bytes(forgery))


def test_bytes_between_frames(here: Tiny, tmp_path: Path, forgery: Forgery) -> None:
    """Not between its frames either."""
    forgery.blocks = lambda blocks: [*blocks[:-1], Block(b"hidden", ()), blocks[-1]]
    assert "table does not tell what is where" in refused(here, tmp_path, bytes(forgery))


def test_frames_that_overlap(here: Tiny, tmp_path: Path, forgery: Forgery) -> None:
    """Nor may two contents be the same bytes of the file."""
    forgery.table = lambda table: re.sub(rb" (\d+) (\d+) 0 (\d+)\n\Z", rb" 17 \2 0 \3\n", table)
    assert "table does not tell what is where" in refused(here, tmp_path, bytes(forgery))


def test_a_table_that_says_a_thing_twice(here: Tiny, tmp_path: Path, forgery: Forgery) -> None:
    """Or in odd words."""
    forgery.blocks = lambda blocks: [*blocks, blocks[-1]]
    assert "table makes no sense" in refused(here, tmp_path, bytes(forgery))
    forgery.blocks = lambda blocks: blocks
    forgery.table = lambda table: table.replace(b" 0 ", b" -0 ")
    assert "table makes no sense" in refused(here, tmp_path, bytes(forgery))
    forgery.table = lambda table: b"not a table"
    assert "refused" in refused(here, tmp_path, bytes(forgery))


def test_a_segment_that_is_another(here: Tiny, tmp_path: Path, forgery: Forgery) -> None:
    """What describes the tree comes first, each part by its own name."""
    forgery.blocks = lambda blocks: [blocks[0], *blocks[2:], blocks[1]]
    assert "where it should be" in refused(here, tmp_path, bytes(forgery))
    forgery.blocks = lambda blocks: [blocks[0], Block(frames.compress(b"z" * blocks[1].says[0][1]), blocks[1].says)]
    assert "not what its digest says" in refused(here, tmp_path, bytes(forgery))


@pytest.mark.parametrize(
    "parts",
    [
        [{"owner": 1, "kind": "files", "segment": "0" * 32, "guarded": True}],
        [{"owner": "a", "kind": "files", "segment": "../../x", "guarded": True}],
        [{"owner": "a", "kind": "files", "segment": "0" * 32, "guarded": True}] * 2,
        [{"owner": "a"}],
        [7],
        {},
    ],
    ids=["a number", "a path", "twice", "incomplete", "no part", "no list"],
)
def test_a_manifest_that_makes_no_sense(here: Tiny, tmp_path: Path, forgery: Forgery, parts: object) -> None:
    """Names that are none, parts that are there twice."""
    forgery.manifest = json.dumps({"about": forgery.about, "parts": parts, "version": 1}).encode()
    assert "refused" in refused(here, tmp_path, bytes(forgery))


def test_a_manifest_about_nothing(here: Tiny, tmp_path: Path, forgery: Forgery) -> None:
    """What it says of itself is an object of JSON."""
    forgery.about = []  # type: ignore[assignment]
    assert "it says nothing of its state" in refused(here, tmp_path, bytes(forgery))


def test_too_many_entries_for_anybody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same limit holds for what is shared."""
    monkeypatch.setattr(untrusted, "MOST_ENTRIES", 1)
    with pytest.raises(ValueError, match="lists 2 files"):
        untrusted.check({b"a": file(b""), b"b": file(b"")})


# --- what no environment is -----------------------------------------------------------------------------


Change = Callable[[Forgery], object]


@pytest.mark.parametrize(
    "change",
    [
        lambda forged: forged.about.clear(),
        lambda forged: forged.about.update(version=3.11),
        lambda forged: forged.about.update(items=[{"name": "x"}]),
        lambda forged: forged.about.update(items=7),
        lambda forged: forged.about.update(rewritten=["../../../etc/passwd"]),
        lambda forged: forged.about.update(rewritten=["lib64"]),
        lambda forged: forged.about.update(rewritten=["/etc/passwd"]),
        lambda forged: forged.about.update(rewritten="bin/demo"),
        lambda forged: forged.about.update(pythons=["../../bin/python"]),
        lambda forged: forged.about.update(pythons=["bin/sh"]),
        lambda forged: forged.about.update(pythons=[]),
        lambda forged: forged.about.update(pythons=["bin/python", "bin/python"], rewritten=["bin/python"]),
        lambda forged: forged.about.update(site="../../site-packages"),
        lambda forged: forged.about.update(site=""),
        lambda forged: forged.about.update(abi="\x1b[2J"),
        lambda forged: forged.about.update(origins={"six": 7}),
        lambda forged: forged.tree.pop(b"pyvenv.cfg"),
    ],
    ids=[f"lie {number}" for number in range(17)],
)  # fmt: skip
def test_a_passport_that_lies(here: Tiny, tmp_path: Path, forgery: Forgery, change: Change) -> None:
    """What a bundle says of itself names only files of its own, and nothing that a terminal would obey."""
    change(forgery)
    assert "refused" in refused(here, tmp_path, bytes(forgery))


@pytest.mark.parametrize("path", [b".sysvenv", b".lock", SITE + b"_sysvenv.pth", SITE + b"_sysvenv_gate.py"])
def test_a_file_that_only_sysvenv_lays(here: Tiny, tmp_path: Path, forgery: Forgery, path: bytes) -> None:
    """The hook and the marker are this machine's own, and are in no bundle."""
    forgery.add(path)
    assert "only sysvenv itself lays down" in refused(here, tmp_path, bytes(forgery))


@pytest.mark.parametrize(
    "change", [lambda stream: stream.write(b"\0\0\0\0"), lambda stream: stream.truncate()], ids=["longer", "cut"]
)
def test_a_file_that_changes_while_it_is_read(
    here: Tiny,
    tmp_path: Path,
    forgery: Forgery,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[BinaryIO], object],
) -> None:
    """It is read twice, and compared twice: what is written the second time is what was verified, or nothing is."""
    forgery.add(b"bin/large", os.urandom(1 << 18))  # more than Python reads ahead
    place = tmp_path / "moving.sysvenv"
    place.write_bytes(bytes(forgery))
    verify = Bundle.verify

    def changed(self: Bundle, *rest: object) -> None:
        verify(self)
        with open(place, "r+b") as stream:
            stream.seek(self._frames[-1].offset)
            change(stream)

    monkeypatch.setattr(Bundle, "verify", changed)
    with pytest.raises(Refused):
        bring.bring(here.context, str(place))
    assert not (here.root / "snapshots/moving.json").exists()
    assert not [name for name in os.listdir(here.root / "store/trees") if name.endswith(".building")]
