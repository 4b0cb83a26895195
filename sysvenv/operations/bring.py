"""Import: a state from another machine gets a name here; `restore` switches to it. The environment stays as it is."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Callable

from store import bundle, trees
from store.bundle import Bundle
from store.errors import Refused
from store.named import NamedTuple
from sysvenv import fit, hook, passport, snapshots, venv
from sysvenv import manifest as manifests
from sysvenv.errors import SysvenvError, UsageError
from sysvenv.fit import Target
from sysvenv.headstart import UV_LOCK
from sysvenv.operations import arrive, label, look, recover
from sysvenv.operations.session import Context, Session
from sysvenv.operations.share import SUFFIX
from sysvenv.passport import Passport
from sysvenv.snapshots import Snapshot

_BLOCK = 4096
"""What a file takes on disk beside its bytes: its inode and the rest of its last block."""


class Brought(NamedTuple):
    """The outcome, or with ``dry_run`` the plan, of import."""

    name: str
    """The snapshot's."""
    file: str
    kind: str
    """One of "bundle", "requirements" or "pylock"."""
    python: str
    distributions: int
    files: int
    size: int
    """Bytes of the files; 0 while it is not known."""
    sha256: str = ""
    """Of the file; "" where it is no bundle."""
    elsewhere: tuple[str, ...] = ()
    """Distributions whose code did not come along."""
    from_vcs: tuple[str, ...] = ()
    dry_run: bool = False
    seconds: float = 0.0
    notes: tuple[str, ...] = ()


def bring(
    context: Context,
    file: str,
    name: str | None = None,
    python: str | None = None,
    dry_run: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Brought:
    """Take in a bundle. Whether it fits is told first; then all of it is verified; then it is written.

    Raises Refused for what is no sound bundle, SysvenvError for one that does not fit.
    """
    started = time.perf_counter()
    chosen = choose_name(context, file, name)
    target = target_of(context, python)
    with Bundle(os.fsencode(os.path.abspath(file))) as opened:
        described = _passport(opened)
        _check(context, opened, described)
        _refuse_misfits(file, described, target)
        _refuse_without_room(context, opened)
        opened.verify(progress)
        outcome = _outcome(chosen, file, opened, described)
        if dry_run:
            return outcome._replace(dry_run=True, seconds=time.perf_counter() - started)
        with recover.enter(context, f"sysvenv import {os.path.basename(file)}") as session:
            refuse_taken(context, chosen)
            state, captured = arrive.take_in(session, opened, described, target, progress)
            name_it(session, chosen, state, f"imported from {os.path.basename(file)}")
            notes = tuple(session.notes)
    return outcome._replace(
        distributions=len(manifests.distributions(captured.manifest)),
        notes=notes,
        seconds=time.perf_counter() - started,
    )


def is_bundle(file: str) -> bool:
    """Whether a file is, or by its name should be, a bundle. Raises SysvenvError where it cannot be read."""
    try:
        if not stat.S_ISREG(os.stat(file).st_mode):
            raise SysvenvError(f"{file} is no regular file.", "Save what it gives into one first.")
        with open(file, "rb") as stream:
            head = stream.read(len(bundle.NAMED))
    except OSError as error:
        raise SysvenvError(f"{file} cannot be read: {error.strerror}", "") from None
    return head == bundle.NAMED or file.endswith(SUFFIX)


def choose_name(context: Context, file: str, name: str | None) -> str:
    """The name the state gets: as asked for, or as the file is called. Raises UsageError, and SysvenvError if taken."""
    if name is None:
        name = os.path.basename(file).rpartition(".")[0] or os.path.basename(file)
        if not snapshots.NAME.fullmatch(name):
            raise UsageError(f"{name!r} cannot name a snapshot.", f"Give another: sysvenv import {file} --as NAME")
    label.check_new(name)
    refuse_taken(context, name)
    return name


def refuse_taken(context: Context, name: str) -> None:
    """Raises SysvenvError where there is such a snapshot."""
    if name in snapshots.names(context.home):
        raise SysvenvError(f"There is a snapshot {name!r} already.", "Give another name: --as NAME")


def target_of(context: Context, python: str | None) -> Target:
    """The Python a state is to run on: the one that was asked for, or that of the environment."""
    if python is not None:
        path = shutil.which(python)
        if path is None:
            raise SysvenvError(f"There is no Python at {python}.", "Give one that is there: --python PATH")
        return fit.probe(path)
    session = look.glance(context)
    known = manifests.interpreter(session.recorded)
    if known is None or not venv.interpreter_present(known):
        raise SysvenvError("The environment's Python is gone.", "Give another: --python PATH")
    return fit.probe(known.base)._replace(base=known.base)


def name_it(session: Session, name: str, state: str, message: str) -> Snapshot:
    """Label a state that was kept."""
    manifest = session.manifest(state)
    found, python = manifests.distributions(manifest), manifests.interpreter(manifest)
    made = Snapshot(
        name=name,
        manifest=state,
        operation=session.position.operation,
        created=time.time(),
        message=message,
        distributions=len(found),
        python=python.version if python else "",
    )
    snapshots.write(session.home, made, found)
    return made


def _passport(opened: Bundle) -> Passport:
    try:
        return passport.from_json(opened.manifest.about)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise _refused(opened, str(error) if isinstance(error, ValueError) else "its passport makes no sense") from None


def _check(context: Context, opened: Bundle, described: Passport) -> None:
    try:
        ours = {*hook.files(context.tool_python, described.site.encode()), trees.MARKER, UV_LOCK}
        arrive.check(opened.tree, described, ours)
    except ValueError as error:
        raise _refused(opened, str(error)) from None


def _refused(opened: Bundle, reason: str) -> Refused:
    return Refused(
        f"{os.fsdecode(opened.path)} is refused: {reason}. Nothing of it was used.",
        "Have it made and sent again: sysvenv share",
    )


def _refuse_misfits(file: str, described: Passport, target: Target) -> None:
    reasons = fit.misfits(described, target)
    if reasons:
        more = f"; and {len(reasons) - 3} more reasons" if len(reasons) > 3 else ""
        raise SysvenvError(
            f"{file} does not fit this machine: {'; '.join(reasons[:3])}{more}.",
            f"Is another Python here? sysvenv import {file} --python PATH"
            if described.minor != target.minor
            else "Take the list of packages instead: sysvenv export, where it was shared",
        )


def _refuse_without_room(context: Context, opened: Bundle) -> None:
    """The bytes a bundle says it holds must fit on the disk: all files, and a second copy of each content, packed."""
    needed = opened.laid_out_size + _BLOCK * len(opened.tree) + os.path.getsize(opened.path)
    free = shutil.disk_usage(context.home.root).free
    if needed > free:
        raise _refused(opened, f"it holds {needed >> 20:,} MiB, and {free >> 20:,} MiB of the disk are free")


def _outcome(name: str, file: str, opened: Bundle, described: Passport) -> Brought:
    return Brought(
        name=name,
        file=os.path.abspath(file),
        kind="bundle",
        python=described.version,
        distributions=len(described.items),
        files=len(opened.tree),
        size=opened.laid_out_size,
        sha256=opened.sha256,
        elsewhere=tuple(f"{item.name} ({item.source})" for item in described.items if item.source == "editable"),
        from_vcs=tuple(item.name for item in described.items if item.source == "vcs"),
    )
