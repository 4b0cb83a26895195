"""gc and du: history shrinks to its limits, the space comes back, and everything that stays works as before."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from effort import Effort
from fingerprint import Fingerprint, fingerprint
from tiny import ONE, Tiny

from store import trees
from store.errors import Busy
from store.lock import Lock
from sysvenv import pruned, tidier
from sysvenv.config import Config, HistoryConfig
from sysvenv.errors import DamageFound, NotFound
from sysvenv.head import read_head
from sysvenv.history import History
from sysvenv.operations import collect, label, recover, rewind, space, tidy
from sysvenv.operations.doctor import doctor
from sysvenv.operations.listing import listing
from sysvenv.operations.results import Collected
from sysvenv.operations.status import status
from sysvenv.operations.verify import verify
from sysvenv.retention import Limits

CHUNK = 50_000


def contents(number: int) -> dict[str, str]:
    """A version of a package with a file of its own and one it shares with all."""
    return {"demo/__init__.py": f"version = {number}\n" + "# own\n" * (CHUNK // 6), "demo/same.py": "same = 1\n" * 999}


@pytest.fixture(scope="module")
def eight(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """@0, then @1 to @8, each a version of demo; the snapshot "third" is of @3."""
    home = Tiny(tmp_path_factory.mktemp("eight") / "home")
    home.begin()
    for number in range(1, 9):
        home.pip(f"{number}.0", contents(number))
        if number == 3:
            label.snapshot(home.context, "third")
    return home


@pytest.fixture
def home(eight: Tiny, tmp_path: Path) -> Tiny:
    """A copy of it."""
    return eight.copy(tmp_path / "copy")


def gc(home: Tiny, entries: int = 0, size: int = 0, age: float = 0.0, dry_run: bool = False) -> Collected:
    return collect.collect(home.context, Limits(entries, age, size), dry_run)


def numbers(home: Tiny) -> list[int]:
    return History(home.home).numbers()


def objects(home: Tiny) -> set[Path]:
    return {path for path in Path(home.home.store, "objects").rglob("*") if path.is_file()}


def everything(home: Tiny) -> dict[Path, tuple[int, int]]:
    """Each file with its inode and mtime, but for locks and what is derived."""
    found = {path: path.lstat() for path in home.root.rglob("*") if not path.is_dir()}
    return {p: (s.st_ino, s.st_mtime_ns) for p, s in found.items() if p.name != "lock" and "reserve" not in p.parts}


def healthy(home: Tiny) -> bool:
    return [f.message for f in verify(home.context).findings if f.severity != "ok"] == []


# --- pruning -------------------------------------------------------------------------------------------


def test_without_limits_only_garbage_goes(home: Tiny) -> None:
    """History stays; what a deleted snapshot alone held comes back; a second gc has nothing to do."""
    before = numbers(home)
    found = gc(home)
    assert (found.pruned, found.kept, found.steps, found.objects) == ((), 9, 8, 0)
    assert numbers(home) == before and healthy(home)
    assert gc(home)._replace(seconds=0) == found._replace(seconds=0, trees=0, manifests=0, segments=0, freed=0)


def test_a_plan_changes_nothing(home: Tiny) -> None:
    """--dry-run counts just what gc then does."""
    recover.enter(home.context, "settle").leave()
    before = everything(home)
    planned = gc(home, entries=3, dry_run=True)
    assert everything(home) == before
    done = gc(home, entries=3)
    assert planned._replace(dry_run=False, seconds=0) == done._replace(seconds=0)
    assert done.freed > 4 * CHUNK and done.objects >= 5 and done.pruned == (0, 1, 2, 3, 4, 5)


def test_pruned_history(home: Tiny) -> None:
    """The newest operations stay; undo reaches back to the state the oldest of them found, and says why no further."""
    states: dict[int, Fingerprint] = {}
    for number in (5, 6, 7, 8):
        rewind.undo(home.context, to=number) if number < 8 else None
        states[number] = fingerprint(home.venv)
        rewind.redo(home.context, 8 - number) if number < 8 else None
    found = gc(home, entries=3)
    assert (found.kept, found.steps, numbers(home)) == (3, 3, [6, 7, 8])
    assert healthy(home)
    with pytest.raises(NotFound, match=r"Only 3 operations can be undone, not 4: @5 and before were pruned by gc"):
        rewind.undo(home.context, 4)
    with pytest.raises(NotFound, match="@2 and before were pruned"):
        rewind.undo(home.context, to=2)
    with pytest.raises(NotFound, match="@2 and before were pruned"):
        rewind.restore(home.context, "@2")
    for number in (7, 6, 5):
        rewind.undo(home.context)
        assert fingerprint(home.venv) == states[number]
    with pytest.raises(NotFound, match=r"There is nothing to undo: @5 and before were pruned"):
        rewind.undo(home.context)
    assert healthy(home)
    shown = listing(home.home)
    assert shown.pruned.told(shown.pruned.last).startswith("@5 and before")
    assert not any("pruned" in note for note in status(home.context, "", check=False).notes)
    rewind.redo(home.context, 3)
    assert fingerprint(home.venv) == states[8]


def test_standing_at_a_pruned_operation(home: Tiny) -> None:
    """After an undo of the oldest one there is: whatever comes next works, and numbers go on."""
    gc(home, entries=1)
    rewind.undo(home.context)
    assert read_head(home.home).operation == 7
    assert gc(home, entries=1).pruned == ()  # redo needs @8
    home.pip("9.0", contents(9))
    assert (numbers(home), History(home.home).read(9).parent) == ([8, 9], 7)
    assert gc(home, entries=1).pruned == (8,)
    rewind.undo(home.context)
    with pytest.raises(NotFound, match="@7 and before"):
        rewind.undo(home.context)
    rewind.clean(home.context, keep_baseline=True)
    assert numbers(home)[-1] == 10 and healthy(home)
    label.snapshot(home.context, "here")
    assert label.delete_snapshot(home.context, "third").recorded is False


def test_numbers_are_not_used_again(home: Tiny) -> None:
    """Not even where all records are gone: PRUNED remembers them."""
    gc(home, entries=2)
    records = History(home.home)
    assert records.next_number() == 9
    records.prune([7, 8], time.time())
    assert (records.numbers(), records.next_number()) == ([], 9)


def test_snapshots_and_redo_stay(home: Tiny) -> None:
    """Whatever the limits: each snapshot can be restored, byte for byte, and what was undone brought back."""
    rewind.restore(home.context, "third")
    third = fingerprint(home.venv)
    rewind.undo(home.context)
    rewind.undo(home.context, 2)
    here = fingerprint(home.venv)
    found = gc(home, entries=1)
    assert numbers(home) == [6, 7, 8, 9] and found.steps == 1
    rewind.redo(home.context, 3)
    assert fingerprint(home.venv) == third
    rewind.undo(home.context, 3)
    assert fingerprint(home.venv) == here
    rewind.restore(home.context, "baseline")
    rewind.restore(home.context, "third")
    assert fingerprint(home.venv) == third and healthy(home)


def test_a_tree_nobody_captured_stays(home: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an undone change left, only in the tree set aside, is never given up; nor what that tree is made of."""
    (home.site / "demo/late.py").write_text("late = 1\n")
    full = OSError(28, "No space left on device")

    def refuse(*_: object) -> None:
        raise full

    with monkeypatch.context() as patch:
        patch.setattr(recover, "capture_tree", refuse)  # as on a full disk
        changed = fingerprint(home.venv)
        rewind.undo(home.context)
        (undone,) = read_head(home.home).undone
        assert undone.checkout
        gc(home, entries=1)
        standing = {tree.name for tree in trees.standing(_store(home))}
        assert undone.checkout in standing
    rewind.redo(home.context)
    assert fingerprint(home.venv) == changed and healthy(home)


def _store(home: Tiny):  # type: ignore[no-untyped-def]
    from store import store as stores

    return stores.open_store(os.fsencode(home.home.store))


def test_edits_stay_healable(home: Tiny) -> None:
    """Second copies of what is kept are kept: an edit in place is still undone after gc."""
    gc(home, entries=2)
    right = (home.site / "demo/same.py").read_bytes()
    with open(home.site / "demo/same.py", "ab") as file:
        file.write(b"# edited\n")
    rewind.undo(home.context)
    assert (home.site / "demo/same.py").read_bytes() == right
    rewind.undo(home.context)
    assert (home.site / "demo/same.py").read_bytes() == right and healthy(home)


def test_pruning_by_age(home: Tiny) -> None:
    """Operations that ended long enough ago go; the one undo takes back next does not."""
    assert gc(home, age=3600).pruned == ()
    time.sleep(0.01)
    found = gc(home, age=0.005)
    assert (found.pruned, numbers(home), found.steps) == (tuple(range(8)), [8], 1)


def test_pruning_by_size(home: Tiny) -> None:
    """As few operations as will do go, the oldest first; where even all do not, it says by how much."""
    taken = status(home.context, "", check=False).store_bytes
    found = gc(home, size=taken - 2 * CHUNK)
    assert found.over == 0 and found.freed >= 2 * CHUNK
    assert 0 < len(found.pruned) < 7 and found.pruned == tuple(range(len(found.pruned)))
    assert status(home.context, "", check=False).store_bytes <= taken - 2 * CHUNK
    assert gc(home, size=taken).pruned == ()
    found = gc(home, size=1)
    assert found.over > 0 and numbers(home) == [8] and healthy(home)


def test_a_long_history(tmp_path: Path, effort: Effort) -> None:
    """300 operations (100 in a plain run) pruned to 10: the space comes back to what a short history takes."""
    last = 100 if effort.is_plain else 300
    home = Tiny(tmp_path / "long")
    home.begin()
    sizes = []
    for number in range(1, last + 1):
        home.pip(f"{number}.0", {**ONE, "demo/__init__.py": f"version = {number}\n" + "#\n" * 5000})
        if number in (10, last):
            sizes.append((now := space.measure(home.context)).beyond - now.trash - now.rest)
    found = gc(home, entries=10)
    assert len(found.pruned) == last - 9 and numbers(home) == list(range(last - 9, last + 1))
    time.sleep(0.05)
    now = space.measure(home.context)
    after = now.beyond - now.trash - now.rest  # the directories stay, of which there are 256 at most of each kind
    assert sizes[1] - after >= found.freed * 0.9
    assert after - sizes[0] < (sizes[1] - sizes[0]) * 0.05
    rewind.undo(home.context, 10)
    assert f"version = {last - 10}\n" in (home.site / "demo/__init__.py").read_text() and healthy(home)


# --- what stops it, and what does not --------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["record", "label", "manifest", "segment", "statement"])
def test_what_cannot_be_read_stops_it(home: Tiny, damage: str) -> None:
    """Nothing is deleted while it cannot be told what is needed; the sentence says that, and what is wrong."""
    gc(home, entries=7)
    place = {
        "record": home.root / "history/004_after.json",
        "label": home.root / "snapshots/third.json",
        "statement": home.root / "history/PRUNED",
    }.get(damage)
    if place is None:
        with recover.enter(home.context, "look") as opened:
            state = opened.position.manifest
            path = opened.store.manifests.path(state)
            if damage == "segment":
                path = opened.store.segments.path(opened.recorded.segments[0])
        place = Path(os.fsdecode(path))
    right = place.read_bytes()
    place.write_bytes(right[:-20])
    before = everything(home)
    with pytest.raises(DamageFound) as caught:
        gc(home, entries=2)
    assert everything(home) == before
    assert "sysvenv" in caught.value.hint
    place.write_bytes(right)
    assert gc(home, entries=2).kept == 2


def test_a_lost_statement_is_made_anew(home: Tiny) -> None:
    """verify and doctor tell of it; --fix concludes it from the records that are there."""
    gc(home, entries=3)
    (home.root / "history/PRUNED").write_text("{")
    assert any("PRUNED" in f.message and f.severity == "error" for f in verify(home.context).findings)
    assert numbers(home) == [6, 7, 8]
    fixed = doctor(home.context, os.environ["PATH"], fix=True).findings
    assert any("6 operations count as pruned" in f.message and f.fixed for f in fixed)
    assert pruned.read(home.home).ranges == ((0, 5),) and healthy(home)


def test_a_missing_parent_is_still_damage(home: Tiny) -> None:
    """Only what PRUNED names may be missing."""
    gc(home, entries=5)
    for half in ("before", "after"):
        (home.root / f"history/006_{half}.json").unlink()
    assert any("@7 follows @6" in f.message for f in verify(home.context).findings if f.severity == "error")


def test_what_a_killed_gc_left_of_records_goes(home: Tiny) -> None:
    """PRUNED is written first, and from then on its records count as gone, whatever lies there."""
    kept = {p.name: p.read_bytes() for p in (home.root / "history").glob("00[0-5]_*")}
    gc(home, entries=3)
    for name, content in kept.items():
        if name != "002_before.json":
            (home.root / "history" / name).write_bytes(content)
    assert numbers(home) == [6, 7, 8] and healthy(home)
    assert [operation.number for operation in listing(home.home).operations] == [8, 7, 6]
    gc(home)
    assert not list((home.root / "history").glob("00[0-5]_*"))


def test_what_a_kill_left_half_written_goes(home: Tiny) -> None:
    """A record that was being written when the power went is nobody's."""
    half = Path(home.home.history, "009_after.json.4711.tmp")
    half.write_text("{")
    gc(home)
    assert not half.exists()


def test_late_writes_into_a_tree_that_goes(home: Tiny) -> None:
    """What a program wrote into a replaced tree is kept when gc gives the tree up."""
    rewind.undo(home.context, 3)
    rewind.redo(home.context, 3)
    slots = list((home.root / "store/trees").glob("[0-9]"))
    time.sleep(0.05)
    for slot in slots:
        (slot / "late.log").write_text(f"late in {slot}")
    found = gc(home, entries=1)
    given_up = [slot for slot in slots if not slot.exists()]
    assert len(given_up) == found.trees > 0
    assert {Path(saved).read_text() for saved in found.rescued} == {f"late in {slot}" for slot in given_up}


# --- beside others -----------------------------------------------------------------------------------------


def test_busy(home: Tiny) -> None:
    """gc waits for whoever is at work, or with --no-wait says who that is; readers do not wait for it."""
    with Lock(os.fsencode(home.home.lock), "pip install other"), pytest.raises(Busy, match="pip install other"):
        collect.collect(home.context._replace(wait=False), Limits())
    environ = {**os.environ, "SYSVENV_HOME": home.home.root}
    command = [sys.executable, "-I", "-m", "sysvenv"]
    with Lock(os.fsencode(home.home.lock), "pip install other"):
        refused = subprocess.run(
            [*command, "gc", "--no-wait"], env=environ, capture_output=True, text=True, check=False
        )
        waiting = subprocess.Popen(
            [*command, "gc", "--max-entries", "4", "--json"], env=environ, stdout=subprocess.PIPE, text=True
        )
        time.sleep(0.5)
        assert waiting.poll() is None
        assert len(listing(home.home).operations) == 9
    answer, _ = waiting.communicate(timeout=60)
    assert (refused.returncode, waiting.returncode) == (5, 0)
    assert "pip install other" in refused.stderr
    value = json.loads(answer)
    assert value["ok"] and value["result"]["kept"] == 4 and value["result"]["pruned"] == [0, 1, 2, 3, 4]


def limited(home: Tiny, **history: int | str) -> None:
    """Settings with limits, in the file and in the context."""
    home.context = home.context._replace(config=Config(HistoryConfig(**history)))  # type: ignore[arg-type]
    lines = [f"{key} = {json.dumps(value)}" for key, value in history.items()]
    Path(home.home.config).write_text("[history]\n" + "\n".join(lines) + "\n")


def test_history_keeps_itself_within_its_limits(home: Tiny) -> None:
    """After an operation a process nobody waits for prunes; without limits, or without an operation, none starts."""
    limited(home, max_entries=4)
    rewind.undo(home.context)
    rewind.redo(home.context)
    time.sleep(0.3)
    assert len(numbers(home)) == 9
    home.pip("9.0", contents(9))
    deadline = time.monotonic() + 30
    while len(numbers(home)) > 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    with Lock(os.fsencode(home.home.lock), "test"):  # it has ended
        assert numbers(home) == [6, 7, 8, 9]
    assert healthy(home)


def test_nothing_starts_without_limits(home: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sets none pays nothing."""
    started: list[object] = []
    monkeypatch.setattr(tidy, "background", SimpleNamespace(start=started.append))
    home.pip("9.0", contents(9))
    assert started == []
    limited(home, max_age="90d")
    home.pip("10.0", contents(10))
    assert len(started) == 1


def test_tidying_gives_way(home: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where somebody goes on working it gives up; the next operation starts another."""
    limited(home, max_entries=4)
    monkeypatch.setattr(tidier, "PATIENCE", 0.2)
    with Lock(os.fsencode(home.home.lock), "pip install other"):
        assert not tidier.tidy(home.home)
    assert len(numbers(home)) == 9
    assert tidier.tidy(home.home)
    assert len(numbers(home)) == 4


# --- space ---------------------------------------------------------------------------------------------


def test_where_the_bytes_are(home: Tiny) -> None:
    """The parts add up to what a walk over everything finds, and each is where it belongs."""
    rewind.undo(home.context)
    time.sleep(0.3)
    found = space.measure(home.context)
    live = {path.lstat().st_ino for path in [home.root / "venv", *(home.root / "venv").rglob("*")]}
    every = {path.lstat().st_ino: path.lstat() for path in [home.root / "store", *(home.root / "store").rglob("*")]}
    walked = sum(status.st_blocks * 512 for ino, status in every.items() if ino not in live)
    assert abs(found.beyond - walked) <= 2 * 4096 * found.tree_count  # a ready tree's marker
    assert found.history > 4 * CHUNK and found.snapshots >= CHUNK and found.copies > 0 and found.tree_count >= 1
    assert (found.unclaimed, found.operations) == (0, 9)


def test_what_a_snapshot_alone_holds(home: Tiny) -> None:
    """Nothing while history has its state; all that is its own once history is pruned; and gc then frees just that."""
    assert [each.freed for each in space.measure(home.context).named if each.name == "third"] == [0]
    gc(home, entries=2)
    (alone,) = [each.freed for each in space.measure(home.context).named if each.name == "third"]
    assert alone > CHUNK
    label.delete_snapshot(home.context, "third")
    assert space.measure(home.context).unclaimed > CHUNK
    assert gc(home, dry_run=True).freed == pytest.approx(alone, rel=0.2)
    assert gc(home).freed > CHUNK and space.measure(home.context).unclaimed == 0


def test_sizes_without_a_home(tmp_path: Path) -> None:
    """A sentence, no directory."""
    environ = {**os.environ, "SYSVENV_HOME": str(tmp_path / "none")}
    for name in ("du", "gc"):
        answer = subprocess.run(
            [sys.executable, "-I", "-m", "sysvenv", name], env=environ, capture_output=True, text=True, check=False
        )
        assert answer.returncode == 1 and "sysvenv init" in answer.stderr
    assert not (tmp_path / "none").exists()


# --- a full disk ---------------------------------------------------------------------------------------


@pytest.mark.root
def test_on_a_full_disk(home: Tiny, tmp_path: Path) -> None:
    """With no byte left: gc works on what the reserve gives back, and then there is room."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", disk], check=False).returncode:
        pytest.skip("tmpfs cannot be mounted here")
    try:
        full = home.copy(disk / "home")
        recover.enter(full.context, "settle").leave()
        with open(disk / "filler", "wb", buffering=0) as filler:
            chunk = bytes(1 << 16)
            try:
                while True:
                    filler.write(chunk)
            except OSError:
                pass
        assert os.statvfs(disk).f_bavail == 0
        found = gc(full, entries=2)
        assert found.kept == 2 and found.freed > 4 * CHUNK
        deadline = time.monotonic() + 20
        while os.statvfs(disk).f_bavail == 0 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert os.statvfs(disk).f_bavail > 0
        rewind.undo(full.context)
        assert healthy(full)
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_removed_trees_are_of_no_use(home: Tiny) -> None:
    """Everything derived may be gone before and after."""
    for name in ("index", "trees"):
        shutil.rmtree(home.root / "store" / name)
        (home.root / "store" / name).mkdir(mode=0o700)
    gc(home, entries=2)
    rewind.undo(home.context)
    assert healthy(home)
