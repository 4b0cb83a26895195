"""Import of requirements and pylock.toml: pip installs them into a fresh environment aside, which becomes a snapshot.

The live environment is not touched, so there is no operation in history. Unlike a bundle this needs pip, and the files:
from the network, or from ``--find-links``.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence

from store.named import NamedTuple
from sysvenv import fit, fresh, pylock, report
from sysvenv import manifest as manifests
from sysvenv.errors import SysvenvError
from sysvenv.fit import Target
from sysvenv.operations import arrive, aside, bring, recover
from sysvenv.operations.bring import Brought
from sysvenv.operations.capture import Captured
from sysvenv.operations.record import origins_of
from sysvenv.operations.session import Context, Session
from sysvenv.operations.share import SUFFIX


class _Asked(NamedTuple):
    """What pip is asked to install."""

    kind: str
    """ "requirements" or "pylock" """
    file: str
    arguments: list[str]
    """Of pip, without the places to look in."""


def install_aside(
    context: Context,
    file: str,
    name: str | None = None,
    python: str | None = None,
    find_links: Sequence[str] = (),
    dry_run: bool = False,
) -> Brought:
    """Have pip install what ``file`` lists, aside, and name the state. Raises SysvenvError where pip cannot."""
    started = time.perf_counter()
    kind, text = _kind(file), _text(file)
    chosen = bring.choose_name(context, file, name)
    target = bring.target_of(context, python)
    outcome = Brought(chosen, os.path.abspath(file), kind, target.version, 0, 0, 0, dry_run=dry_run)
    with tempfile.TemporaryDirectory(prefix="sysvenv-import-") as scratch:
        asked = _asked(text, os.path.abspath(file), outcome.kind, target, scratch)
        if dry_run:
            return outcome._replace(seconds=time.perf_counter() - started)
        with recover.enter(context, f"sysvenv import {os.path.basename(file)}") as session:
            bring.refuse_taken(context, chosen)
            state, captured = _take_in(session, asked, target, find_links, scratch)
            bring.name_it(session, chosen, state, f"installed from {os.path.basename(file)}")
            notes = tuple(session.notes)
    return outcome._replace(
        distributions=len(manifests.distributions(captured.manifest)),
        files=captured.files.added,
        notes=notes,
        seconds=time.perf_counter() - started,
    )


def _kind(file: str) -> str:
    if file.endswith(".toml"):
        return "pylock"
    if file.endswith((".txt", ".in")):
        return "requirements"
    raise SysvenvError(
        f"{file} is neither a bundle (*{SUFFIX}), nor a lock (pylock.toml), nor requirements (*.txt).",
        "Make a bundle where the environment is: sysvenv share NAME",
    )


def _text(file: str) -> str:
    try:
        with open(file, encoding="utf-8") as stream:
            return stream.read()
    except OSError as error:
        raise SysvenvError(f"{file} cannot be read: {error.strerror}", "") from None
    except UnicodeDecodeError:
        raise SysvenvError(
            f"{file} is neither a bundle nor a text.", "Make a bundle where the environment is: sysvenv share NAME"
        ) from None


def _asked(text: str, file: str, kind: str, target: Target, scratch: str) -> _Asked:
    if kind == "requirements":
        return _Asked(kind, file, ["-r", file])
    wanted = pylock.read(text, file)
    if wanted.requires_python and not fit.takes(wanted.requires_python, target):
        raise SysvenvError(
            f"{file} requires Python {wanted.requires_python}, and this is {target.version}.",
            f"Is another Python here? sysvenv import {file} --python PATH",
        )
    requirements, links = os.path.join(scratch, "requirements.txt"), os.path.join(scratch, "links.html")
    for path, content in ((requirements, wanted.requirements), (links, wanted.links)):
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(content)
    arguments = ["--require-hashes", "--no-deps", "--find-links", links, "-r", requirements]
    return _Asked(kind, file, ["--no-index", *arguments] if "<a " in wanted.links else arguments)


def _take_in(
    session: Session, asked: _Asked, target: Target, find_links: Sequence[str], scratch: str
) -> tuple[str, Captured]:
    told = os.path.join(scratch, "report.json")
    more = [word for link in find_links for word in ("--find-links", link)]
    with aside.built(session, target.base) as place:
        if aside.install(place, [*asked.arguments, *more], told):
            raise SysvenvError(
                f"pip could not install what {asked.file} lists, for the reason above. Nothing was changed.",
                "Without a network, say where the files are: --find-links DIRECTORY",
            )
        fresh.relocate(os.fsdecode(place), session.home.venv)
        captured = arrive.capture_new(session, place, ())
    return arrive.with_origins(session, captured, origins_of(report.read(told))), captured
