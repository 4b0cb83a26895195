"""Share: one state becomes one file, from which another machine can have it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from store import bundle, bundling
from store.errors import StoreError
from store.named import NamedTuple
from store.tree import Entry
from sysvenv import dists, fit, neutral, passport, venv
from sysvenv.errors import SysvenvError
from sysvenv.fit import Target
from sysvenv.neutral import Neutral
from sysvenv.operations.past import Known, known
from sysvenv.operations.session import Context
from sysvenv.passport import Item, Passport

SUFFIX = ".sysvenv"


class Shared(NamedTuple):
    """The outcome of share."""

    target: str
    """What was asked for: "webdev", "@4"."""
    file: str
    """Absolute path."""
    size: int
    """Bytes of it."""
    sha256: str
    contents: int
    """Bytes of what it holds, unpacked."""
    files: int
    distributions: int
    python: str
    elsewhere: tuple[str, ...]
    """Distributions whose code is not in the file: "demo (editable)"."""
    from_vcs: tuple[str, ...]
    """Distributions that were built from a version-control checkout."""
    notes: tuple[str, ...]


def share(
    context: Context, target: str, file: str | None, progress: Callable[[int, int], None] | None = None
) -> Shared:
    """Write the state of a snapshot or of ``@N`` into ``file`` (by default NAME.sysvenv, here).

    A bundle that is there is replaced, anything else is not. Takes no lock: what a state consists of never changes.
    """
    state = known(context, target)
    path = os.path.abspath(file or f"{target.replace('@', 'operation-')}{SUFFIX}")
    _refuse_to_replace(path)
    if not venv.interpreter_present(state.interpreter):
        raise SysvenvError(
            f"{target} needs Python {state.interpreter.version} at {state.interpreter.base}, which is gone.",
            "Install that Python again: it tells which machines the environment fits.",
        )
    try:
        made = neutral.neutral(state.session.store, state.manifest, _places(context))
    except ValueError as error:
        raise SysvenvError(
            f"{target} cannot be shared: {error}.", "Change that, and share the state after it."
        ) from None
    described = _passport(state, fit.probe(state.interpreter.base), made)
    written = _write(path, state, made, described, progress)
    kinds = {item.name: item.source for item in described.items}
    return Shared(
        target=target,
        file=path,
        size=written.size,
        sha256=written.sha256,
        contents=sum(entry.size for each in made.shares for entry in each.tree.values()),
        files=sum(len(each.tree) for each in made.shares),
        distributions=len(described.items),
        python=described.version,
        elsewhere=tuple(f"{name} ({kind})" for name, kind in kinds.items() if kind == "editable"),
        from_vcs=tuple(name for name, kind in kinds.items() if kind == "vcs"),
        notes=(*state.session.notes, *made.notes),
    )


def _places(context: Context) -> list[bytes]:
    """The paths by which the environment's files may name it; the longer first, as one may begin with the other."""
    place = os.fsencode(context.home.venv)
    return sorted({place, os.path.realpath(place)}, key=lambda path: (-len(path), path))


def _refuse_to_replace(path: str) -> None:
    try:
        with open(path, "rb") as file:
            known = file.read(len(bundle.NAMED)) == bundle.NAMED
    except FileNotFoundError:
        return
    except OSError as error:
        raise SysvenvError(f"{path} cannot be written: {error.strerror}", "Choose another: -o FILE") from None
    if not known:
        raise SysvenvError(f"{path} is there already and is no bundle.", "Choose another: -o FILE")


def _passport(state: Known, target: Target, made: Neutral) -> Passport:
    """What the bundle says of itself. Raises SysvenvError for what no reader would take."""
    items = (
        Item(each.name, each.version, made.wheels.get(os.fsdecode(each.location), ()), dists.source(each))
        for each in state.distributions
    )
    described = Passport(
        implementation=state.interpreter.implementation,
        version=state.interpreter.version,
        abi=state.interpreter.abi,
        platform=state.interpreter.platform,
        site=state.interpreter.site,
        libc=target.libc,
        libc_version=target.libc_version,
        items=tuple(sorted(items)),
        pythons=made.pythons,
        rewritten=made.rewritten,
        origins={name: _portable(origin) for name, origin in sorted(state.origins.items())},
    )
    try:
        return passport.from_json(passport.to_json(described))
    except (ValueError, KeyError, TypeError) as error:
        raise SysvenvError(f"{state.name} cannot be shared: {error}.", "Run: sysvenv verify") from None


def _portable(origin: dict[str, object]) -> dict[str, object]:
    """An origin without a path of this machine."""
    url = str(origin.get("url", ""))
    return {
        "url": "" if url.startswith("file:") else url,
        "sha256": str(origin.get("sha256", "")),
        "requested": bool(origin.get("requested", False)),
    }


def _write(
    path: str, state: Known, made: Neutral, described: Passport, progress: Callable[[int, int], None] | None
) -> bundling.Written:
    """Into a file beside it, which takes its name when it is whole and durable."""
    store = state.session.store

    def pieces(entry: Entry) -> Iterator[bytes]:
        content = made.contents[entry.digest]
        if isinstance(content, bytes):
            yield content
        else:
            yield from bundling.content(store, content)

    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "xb") as file:
            written = bundling.write(file, passport.to_json(described), made.shares, pieces, progress)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except OSError as error:
        _discard(temporary)
        raise SysvenvError(f"{path} cannot be written: {error.strerror}", "Choose another: -o FILE") from None
    except (StoreError, KeyboardInterrupt):
        _discard(temporary)
        raise
    return written


def _discard(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return  # it was never made
