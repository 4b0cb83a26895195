"""Notices: what a pip run did besides what it was asked for, told from the distributions before and after it.

Only what it changed: a conflict that was there before is no news. Where the metadata leaves a doubt, nothing is said.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from store.named import NamedTuple
from sysvenv import dists, standards
from sysvenv.dists import Change, Distribution
from sysvenv.venv import Interpreter


class Downgrade(NamedTuple):
    """A distribution that got an older version."""

    name: str
    before: str
    after: str
    required_by: str = ""
    """A distribution that does not take the version before; "" if there is none."""
    specifier: str = ""
    """What that one requires: "<2"."""


class SharedFiles(NamedTuple):
    """Files that several distributions say are their own: the last one installed replaced them."""

    distributions: tuple[str, ...]
    path: str
    """The first of them, within the environment."""
    more: int = 0
    """How many there are besides."""
    last: str = ""
    """Whose are there now; "" if it is not known."""


class LostFiles(NamedTuple):
    """Files that a distribution says are its own, and that went with another which said so, too."""

    name: str
    path: str
    """The first of them, within the environment."""
    more: int
    """How many there are besides."""
    removed: str
    """The one they went with."""


class SharedImport(NamedTuple):
    """A module or package that several distributions bring, in different files."""

    distributions: tuple[str, ...]
    name: str
    """As it is imported."""


class Notices(NamedTuple):
    """What there is to say of one operation."""

    downgrades: tuple[Downgrade, ...] = ()
    files: tuple[SharedFiles, ...] = ()
    lost: tuple[LostFiles, ...] = ()
    imports: tuple[SharedImport, ...] = ()
    system: tuple[str, ...] = ()
    """Distributions that came, and which the operating system has for its own programs."""
    orphans: tuple[str, ...] = ()
    """Distributions that nothing requires any more."""


def to_json(notices: Notices) -> dict[str, Any]:
    """The notices as JSON values; what there is nothing to say of is left out."""
    return {
        field: [item if isinstance(item, str) else item._asdict() for item in items]
        for field, items in notices._asdict().items()
        if items
    }


def from_json(value: Mapping[str, Any]) -> Notices:
    """The inverse of to_json. Raises ValueError if `value` is not what to_json makes."""
    try:
        return Notices(
            tuple(_read(Downgrade, each) for each in value.get("downgrades", ())),
            tuple(_read(SharedFiles, each) for each in value.get("files", ())),
            tuple(_read(LostFiles, each) for each in value.get("lost", ())),
            tuple(_read(SharedImport, each) for each in value.get("imports", ())),
            tuple(map(_text, value.get("system", ()))),
            tuple(map(_text, value.get("orphans", ()))),
        )
    except (TypeError, AttributeError) as error:
        raise ValueError(f"no notices: {error}") from error


_Notice = TypeVar("_Notice", Downgrade, SharedFiles, LostFiles, SharedImport)


def _read(kind: type[_Notice], value: Mapping[str, Any]) -> _Notice:
    """Raises TypeError or AttributeError for what is none."""
    return kind(**{field: _READERS.get(field, _text)(each) for field, each in value.items()})


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is no number")
    return value


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "more": _number,
    "distributions": lambda names: tuple(map(_text, names)),
}
"""How the fields are read that are no text."""


def downgrades(changes: Iterable[Change], after: Sequence[Distribution], python: Interpreter) -> tuple[Downgrade, ...]:
    """The changes to an older version, each with who required that, if any of the distributions in `after` does."""
    older = ((name, old, new) for name, old, new in changes if old and new and standards.is_older(new, old))
    return tuple(Downgrade(name, old, new, *_reason(name, old, after, python)) for name, old, new in older)


def _reason(name: str, version: str, after: Sequence[Distribution], python: Interpreter) -> tuple[str, str]:
    """Which distribution does not take that version of `name`, and what it requires instead."""
    installed = {distribution.name for distribution in after}
    for distribution in after:
        for line in standards.in_force(distribution.requires, {name}, python, installed):
            specifier = standards.specifier_of(line)
            if not standards.admits(specifier, version):
                return distribution.name, specifier
    return "", ""


def orphans(
    before: Sequence[Distribution],
    after: Sequence[Distribution],
    python: Interpreter,
    asked_for: Collection[str] = frozenset(),
) -> tuple[str, ...]:
    """Names of the distributions in `after` that something which is gone required, and nothing that stays requires.

    Among them what only other orphans require; never what somebody asked for (REQUESTED, `asked_for`), and only what
    pip installed: other installers do not always write REQUESTED.
    """
    staying = {distribution.name for distribution in after}
    gone = [distribution for distribution in before if distribution.name not in staying]
    unrequested = {each.name for each in after if each.installer == "pip" and not each.requested}
    optional = unrequested - dists.TOOLS - set(asked_for)
    if not gone or not _reached(gone, after, optional, _named):
        return ()
    installed = {distribution.name for distribution in before}

    def required(distribution: Distribution, wanted: Collection[str]) -> set[str]:
        lines = standards.in_force(distribution.requires, wanted, python, installed)
        return {standards.required_name(line) for line in lines}

    lost = _reached(gone, after, optional, required)
    rest = [distribution for distribution in after if distribution.name not in lost]
    return tuple(sorted(lost - _reached(rest, after, lost, required)))


def _named(distribution: Distribution, wanted: Collection[str]) -> set[str]:
    """The names in `wanted` that a distribution may require, whatever the markers say. Needs no `packaging`."""
    return {name for line in distribution.requires if (name := standards.required_name(line)) in wanted}


def _reached(
    roots: Iterable[Distribution],
    present: Iterable[Distribution],
    wanted: Collection[str],
    required: Callable[[Distribution, Collection[str]], set[str]],
) -> set[str]:
    """The names in `wanted` that `roots` require, those that these require, and so on."""
    by_name: dict[str, list[Distribution]] = {}
    for distribution in present:
        by_name.setdefault(distribution.name, []).append(distribution)
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        new = required(waiting.pop(), wanted) - found
        found |= new
        waiting.extend(distribution for name in new for distribution in by_name.get(name, ()))
    return found


def shared_files(shared: Mapping[str, Collection[str]], came: Collection[str]) -> tuple[SharedFiles, ...]:
    """One notice for each group of distributions, given paths with the distributions that claim them.

    `came` are the distributions that the operation installed.
    """
    found = []
    for names, paths in _grouped((tuple(sorted(names)), path) for path, names in shared.items()):
        new = [name for name in names if name in came]
        found.append(SharedFiles(names, paths[0], len(paths) - 1, new[0] if len(new) == 1 else ""))
    return tuple(found)


def lost_files(lost: Mapping[str, Collection[str]], gone: Collection[str]) -> tuple[LostFiles, ...]:
    """One notice for each distribution that lost files to one of `gone`, given paths that are no longer there with the
    distributions that claimed them."""
    pairs = (
        ((name, other), path)
        for path, names in lost.items()
        for name in set(names) - set(gone)
        for other in sorted(set(names) & set(gone))[:1]
    )
    return tuple(LostFiles(name, paths[0], len(paths) - 1, other) for (name, other), paths in _grouped(pairs))


def _grouped(paths: Iterable[tuple[tuple[str, ...], str]]) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Distributions with all of their paths, those at the top first, given single ones."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for names, path in paths:
        groups.setdefault(names, []).append(path)
    for names in sorted(groups):
        yield names, sorted(groups[names], key=lambda path: (path.count("/"), path))


def shared_imports(rivals: Iterable[tuple[str, str, str]]) -> tuple[SharedImport, ...]:
    """One notice for each import name, given import names with two distributions that bring it."""
    owners: dict[str, set[str]] = {}
    for name, one, other in rivals:
        owners.setdefault(name, set()).update((one, other))
    return tuple(SharedImport(tuple(sorted(names)), name) for name, names in sorted(owners.items()))


def also_system(changes: Iterable[Change], system: Collection[str]) -> tuple[str, ...]:
    """The distributions that came anew, and which the operating system has, too."""
    came = (change.name for change in changes if change.before is None)
    return tuple(name for name in came if name in system and name not in dists.TOOLS)
