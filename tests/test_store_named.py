"""Our named tuples do what typing's do, and are made faster."""

from __future__ import annotations

import copy
import pickle
import timeit
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from store.named import NamedTuple

ROOT = Path(__file__).parent.parent


class Ours(NamedTuple):
    """A value."""

    name: str
    size: int = 3
    """In bytes."""
    parts: tuple[str, ...] = ()
    owner: str | None = None

    @property
    def double(self) -> int:
        """Twice its size."""
        return self.size * 2


class Theirs(typing.NamedTuple):
    """The same."""

    name: str
    size: int = 3
    parts: tuple[str, ...] = ()
    owner: str | None = None


Use = Callable[[Any], Any]

USES: dict[str, Use] = {
    "by position": lambda made: made("a", 1, ("b",), None),
    "by name": lambda made: made(size=1, name="a"),
    "both": lambda made: made("a", parts=("b",)),
    "defaults": lambda made: made("a"),
    "nothing": lambda made: made(),
    "too many": lambda made: made("a", 1, (), None, 5),
    "twice": lambda made: made("a", name="b"),
    "unknown": lambda made: made("a", colour="red"),
    "only unknown": lambda made: made(colour="red"),
    "changed": lambda made: made("a")._replace(size=7, name="b"),
    "_make": lambda made: made._make(["a", 1, (), None]),
    "_make of too few": lambda made: made._make([]),
    "_asdict": lambda made: made("a")._asdict(),
    "fields": lambda made: (made._fields, made._field_defaults, made.__match_args__),
    "hash": lambda made: hash(made("a")),
    "equal": lambda made: (made("a") == ("a", 3, (), None), made("a") == made("b"), made("a") < made("b")),
    "unpacked": lambda made: [*made("a")],
    "copied": lambda made: copy.deepcopy(made("a", 4)),
    "pickled": lambda made: pickle.loads(pickle.dumps(made("a", 4))),
    "read": lambda made: (made("a").name, made("a")[1], made("a").parts),
    "set": lambda made: setattr(made("a"), "name", "b"),
    "set anew": lambda made: setattr(made("a"), "colour", "red"),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_as_typing_does(use: Use) -> None:
    """Each use of a named tuple has the result it has with typing's, or is refused with the same kind of error."""
    assert _outcome(use, Ours) == _outcome(use, Theirs)


def _outcome(use: Use, made: type) -> object:
    try:
        return use(made)
    except (TypeError, ValueError, AttributeError) as error:
        return TypeError if isinstance(error, ValueError) else type(error)


def test_one_is_read_by_people_and_by_match() -> None:
    """It prints as typing's does, has the methods of its class, and can be taken apart by `match`."""
    assert repr(Ours("a")) == repr(Theirs("a")).replace("Theirs", "Ours")
    assert Ours("a").double == 6
    with pytest.raises(TypeError, match="colour"):
        Ours("a")._replace(colour="red")  # type: ignore[call-arg]
    match Ours("a", 4):
        case Ours(name="a", size=size):
            assert size == 4
        case _:
            pytest.fail("not matched")


def test_modules_that_make_one_keep_their_annotations_as_text() -> None:
    """Otherwise Python 3.14 keeps none in the class's body, and others look at each type."""
    users = [path for part in ("sysvenv", "store") for path in (ROOT / part).rglob("*.py")]
    users = [path for path in users if "from store.named import NamedTuple" in path.read_text()]
    assert len(users) > 50
    assert [path for path in users if "from __future__ import annotations" not in path.read_text()] == []


def test_a_class_is_made_faster() -> None:
    """What it is for: at most half of the time typing takes (a sixth, measured)."""

    ours = "class Made(NamedTuple):\n    a: int\n    b: str\n    c: bytes\n    d: int = 0\n    e: int = 0"
    code = compile(ours, "made", "exec", flags=annotations.compiler_flag)

    def seconds(base: object) -> float:
        return min(timeit.repeat(lambda: exec(code, {"NamedTuple": base}), number=20, repeat=20))

    assert seconds(NamedTuple) < seconds(typing.NamedTuple) / 2
