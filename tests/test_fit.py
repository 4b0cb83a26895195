"""Fit: which environments from elsewhere run here, and the reason why others do not."""

from __future__ import annotations

import sys

import pytest

from sysvenv import fit
from sysvenv.errors import SysvenvError
from sysvenv.fit import Target
from sysvenv.passport import Item, Passport

LINUX = Target(
    "cpython", "3.11.7", "cpython-311-x86_64-linux-gnu", "linux-x86_64", "glibc", "2.36", "/usr/bin/python3.11", "/usr",
    False,
)  # fmt: skip
PURE = Item("six", "1.16.0", ("py2-none-any", "py3-none-any"), "index")
SITE = "lib/python3.11/site-packages"


def travelled(*items: Item, **more: object) -> Passport:
    """The passport of an environment that fits LINUX, with some fields changed."""
    plain = Passport(
        "cpython", "3.11.2", LINUX.abi, "linux-x86_64", SITE, "glibc", "2.36", items or (PURE,), ("bin/python",), (), {}
    )
    return plain._replace(**more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("passport", "reason"),
    [
        (travelled(version="3.12.1"), "made with Python 3.12, and this is Python 3.11"),
        (travelled(implementation="pypy"), "made with pypy 3.11, and this is Python 3.11"),
        (travelled(abi="cpython-311d-x86_64-linux-gnu"), "are for cpython-311d-x86_64-linux-gnu"),
        (travelled(platform="linux-aarch64"), "made on linux-aarch64, and this is linux-x86_64"),
        (travelled(platform="macosx-14.0-arm64", libc="", libc_version=""), "made on macosx-14.0-arm64"),
        (travelled(libc="musl", libc_version="", abi=""), "made with musl, and this is glibc"),
    ],
    ids=["minor version", "implementation", "ABI", "processor", "system", "libc"],
)
def test_what_does_not_fit(passport: Passport, reason: str) -> None:
    """Each of these is told in a sentence of its own."""
    (told,) = fit.misfits(passport, LINUX)
    assert reason in told


def test_what_fits() -> None:
    """Another patch version and an older libc do, and what does not know its ABI is not refused for that."""
    assert fit.misfits(travelled(), LINUX) == []
    assert fit.misfits(travelled(abi=""), LINUX) == []
    assert fit.misfits(travelled(libc_version="2.28"), LINUX) == []


@pytest.fixture
def this() -> Target:
    """The Python of the tests."""
    return fit.probe(sys.executable)


def test_wheels_of_this_machine_fit(this: Target) -> None:
    """Pure ones, stable ABI ones, those for this very version, and what has no tags at all."""
    own = f"cp{this.minor.replace('.', '')}"
    platform = this.platform.replace("-", "_").replace(".", "_")
    items = [PURE, Item("a", "1", (f"{own}-{own}{'t' if this.threads else ''}-{platform}",)), Item("b", "1")]
    assert fit.misfits(_here(this, *items), this) == []


@pytest.mark.parametrize("tag", ["cp27-cp27m-linux_x86_64", "cp311-cp311-win_amd64", "py3-none-manylinux_2_99_x86_64"])
def test_wheels_of_another_machine_do_not(this: Target, tag: str) -> None:
    """Named with the tag that is not taken here."""
    (told,) = fit.misfits(_here(this, Item("demo", "1.0", (tag,))), this)
    assert told == f"demo 1.0 is for {tag}, which this machine does not take"


def test_odd_tags_are_no_fit(this: Target) -> None:
    """A stranger's word that is no tag is not expanded into millions."""
    long = ".".join(["a"] * 60)
    assert fit.misfits(_here(this, Item("demo", "1.0", (f"{long}-{long}",))), this)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the tag is Linux's")
def test_what_was_built_there_may_need_its_libc(this: Target) -> None:
    """A wheel built on the other machine promises no oldest glibc: that machine's counts."""
    own = f"cp{this.minor.replace('.', '')}-cp{this.minor.replace('.', '')}-{this.platform.replace('-', '_')}"
    newer = _here(this, Item("demo", "1.0", (own,)))._replace(libc_version="2.999")
    (told,) = fit.misfits(newer, this)
    assert "demo, built where it was made, may need" in told and "2.999" in told
    assert fit.misfits(_here(this, PURE)._replace(libc_version="2.999"), this) == []


def test_a_python_that_is_none() -> None:
    """Says what to give instead."""
    with pytest.raises(SysvenvError) as caught:
        fit.probe("/bin/true")
    assert "does not run as Python" in caught.value.message and "--python" in caught.value.hint


def test_what_a_lock_requires() -> None:
    """Specifiers as packaging reads them; one that makes no sense refuses nobody."""
    assert fit.takes(">=3.8", LINUX) and fit.takes("==3.11.*", LINUX) and fit.takes("odd", LINUX)
    assert not fit.takes(">=3.12", LINUX)


def _here(this: Target, *items: Item) -> Passport:
    return Passport(
        this.implementation, this.version, this.abi, this.platform, SITE, this.libc, this.libc_version, items,
        ("bin/python",), (), {},
    )  # fmt: skip
