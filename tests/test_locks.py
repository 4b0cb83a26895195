"""Origins and lock formats: what pip told is written, what it did not is said, and nothing is invented."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from sysvenv import history, locks, origins, pylock, toml
from sysvenv.cli.export import command
from sysvenv.dists import Change, Distribution
from sysvenv.errors import SysvenvError
from sysvenv.history import Operation
from sysvenv.locks import Lock, State
from sysvenv.origins import Origin, Past
from sysvenv.snapshots import Snapshot

ONE, TWO = "1" * 64, "2" * 64
URL = "https://files.example/six-1.16.0-py2.py3-none-any.whl"
FROM_INDEX: Origin = {"url": URL, "sha256": ONE, "requested": True}
SIX = Distribution("six", "1.16.0", b"lib/six-1.16.0.dist-info", "pip", True, title="six")


def direct(name: str, url: str, **info: object) -> Distribution:
    """A distribution that a person gave the place of."""
    return Distribution(
        name, "1.0", f"lib/{name}-1.0.dist-info".encode(), "pip", title=name, direct_url={"url": url, **info}
    )


PIP = Distribution("pip", "24.0", b"lib/pip-24.0.dist-info", title="pip")
UV = Distribution("by-uv", "3.0", b"lib/by_uv-3.0.dist-info", "uv", title="By_uv")
EDITABLE = direct("mine", "file:///home/ann/mine", dir_info={"editable": True})
VCS = direct(
    "src", "https://git.example/src", vcs_info={"vcs": "git", "commit_id": "c0ffee", "requested_revision": "v1"}
)
ARCHIVE = direct("arc", "https://files.example/arc-1.0.zip", archive_info={"hash": f"sha256={TWO}"})
SECRET = direct("sec", "https://****@files.example/sec-1.0.whl", archive_info={"hashes": {"sha256": TWO}})
ALL = (SIX, PIP, UV, EDITABLE, VCS, ARCHIVE, SECRET)


def exported(form: str, found: tuple[Distribution, ...] = ALL, known: Mapping[str, Origin] | None = None) -> Lock:
    """A state in one of the formats."""
    known = {"six": FROM_INDEX} if known is None else known
    return locks.export(State("webdev", "3.11.7", "cpython", found, known), form)


# --- origins -------------------------------------------------------------------------------------------


def step(number: int, parent: int, *packages: Change, kind: str = history.PIP, **more: object) -> Operation:
    """An operation, done."""
    done = Operation(number, kind, parent, (), 0.0, "", status=history.DONE, manifest=f"m{number}", packages=packages)
    return done._replace(**more)  # type: ignore[arg-type]


def came_from(*steps: Operation, at: int, manifest: str = "", brought: dict[str, dict[str, Origin]] | None = None,
              labels: tuple[Snapshot, ...] = ()) -> Origin | None:  # fmt: skip
    """Where six came from in the state reached at an operation."""
    past = Past({each.number: each for each in steps}, labels, lambda name: (brought or {}).get(name))
    return origins.origins(past, manifest or f"m{at}", at, [SIX]).get("six")


INSTALLED = step(1, 0, Change("six", None, "1.16.0"), origins={"six": FROM_INDEX})
AGAIN = step(3, 2, Change("six", None, "1.16.0"), origins={"six": {**FROM_INDEX, "sha256": TWO}})
GONE = step(2, 1, Change("six", "1.16.0", None))


def test_the_operation_that_installed_it() -> None:
    """Later ones that did not touch it leave that as it is."""
    assert came_from(step(0, -1), INSTALLED, step(2, 1, Change("demo", None, "1")), at=2) == FROM_INDEX


def test_the_same_version_from_elsewhere() -> None:
    """Each state has the origin of its own installation."""
    assert came_from(INSTALLED, GONE, AGAIN, at=3) == {**FROM_INDEX, "sha256": TWO}
    assert came_from(INSTALLED, GONE, AGAIN, at=1) == FROM_INDEX


def test_what_came_without_pip_is_not_known() -> None:
    """An edit, or uv, put something there that an older report does not describe."""
    external = step(2, 1, Change("six", "1.15.0", "1.16.0"), kind=history.EXTERNAL)
    assert came_from(INSTALLED, external, at=2) is None
    assert came_from(step(0, -1), at=0) is None


def test_a_restored_state_continues_where_it_was_made() -> None:
    """Not on the line that the restore was done on."""
    restored = step(4, 3, Change("six", None, "1.16.0"), kind=history.RESTORE, manifest="m1")
    assert came_from(INSTALLED, GONE, AGAIN, restored, at=4) == FROM_INDEX


def test_a_restored_snapshot_continues_where_it_was_taken() -> None:
    """Its manifest may be no operation's: bytecode came after."""
    label = Snapshot("s", "s1", 1, 0.0, "", 1, "3.11.7")
    restored = step(4, 3, kind=history.RESTORE, manifest="s1")
    assert came_from(INSTALLED, GONE, AGAIN, restored, at=4, labels=(label,)) == FROM_INDEX
    assert came_from(INSTALLED, GONE, AGAIN, restored, at=4) is None


def test_a_state_from_another_machine_brought_its_own() -> None:
    """Whatever was installed here when it came; also after it was restored and more was installed."""
    theirs = {"their": {"six": {**FROM_INDEX, "url": ""}}}
    assert came_from(INSTALLED, at=1, manifest="their", brought=theirs) == {**FROM_INDEX, "url": ""}
    assert came_from(INSTALLED, at=1, manifest="their", brought={"their": {}}) is None
    restored = step(2, 1, Change("six", None, "1.16.0"), kind=history.RESTORE, manifest="their")
    assert came_from(INSTALLED, restored, step(3, 2), at=3, brought=theirs) == {**FROM_INDEX, "url": ""}


# --- locks ---------------------------------------------------------------------------------------------


def test_requirements() -> None:
    """A digest for each line, as pip takes all or none; what has none is a comment, and said."""
    lock = exported("requirements")
    assert [line for line in lock.text.splitlines() if not line.startswith("#")] == [
        f"arc @ https://files.example/arc-1.0.zip --hash=sha256:{TWO}",
        f"six==1.16.0 --hash=sha256:{ONE}",
    ]
    assert lock.unknown == (
        "By_uv 3.0: pip did not tell its digest",
        "mine 1.0: it was installed from a directory of its own machine",
        "sec 1.0: its address held a secret",
        "src 1.0: a version-control checkout has no digest",
    )
    assert all(f"#   {each}" in lock.text for each in lock.unknown)
    assert "# pip==24.0 comes with an environment" in lock.text


def test_pylock() -> None:
    """What PEP 751 has tables for: wheels, source distributions, archives, and checkouts by their commit."""
    sdist = {"url": "https://files.example/by_uv-3.0.tar.gz", "sha256": TWO}
    lock = exported("pylock", known={"six": FROM_INDEX, "by-uv": sdist})
    value = toml.parse(lock.text)
    assert (value["lock-version"], value["created-by"], value["requires-python"]) == ("1.0", "sysvenv", "==3.11.*")
    arc, by_uv, six, src = value["packages"]
    assert arc == {
        "name": "arc", "version": "1.0",
        "archive": {"url": "https://files.example/arc-1.0.zip", "hashes": {"sha256": TWO}},
    }  # fmt: skip
    assert by_uv["sdist"] == {"name": "by_uv-3.0.tar.gz", "url": sdist["url"], "hashes": {"sha256": TWO}}
    assert six["wheels"] == [{"name": URL.rpartition("/")[2], "url": URL, "hashes": {"sha256": ONE}}]
    assert src["vcs"] == {
        "type": "git", "url": "https://git.example/src", "requested-revision": "v1", "commit-id": "c0ffee",
    }  # fmt: skip
    assert [each.split()[0] for each in lock.unknown] == ["mine", "sec"]
    assert lock.listed == 4 and "# pip==24.0 comes with an environment" in lock.text


def test_pylock_without_an_address() -> None:
    """A digest alone is no place to have it from."""
    lock = exported("pylock", (SIX,), {"six": {**FROM_INDEX, "url": "https://****@x/six.whl"}})
    assert toml.parse(lock.text)["packages"] == []
    assert lock.unknown == ("six 1.16.0: pip did not tell its address",)
    assert f"six==1.16.0 --hash=sha256:{ONE}" in exported("requirements", (SIX,), {"six": FROM_INDEX}).text


def test_freeze() -> None:
    """As pip freeze has it."""
    lines = exported("freeze").text.splitlines()
    assert lines == [
        "arc @ https://files.example/arc-1.0.zip",
        "By_uv==3.0",
        "-e file:///home/ann/mine  # mine",
        "sec @ https://****@files.example/sec-1.0.whl",
        "six==1.16.0",
        "src @ git+https://git.example/src@c0ffee",
    ]


def test_json() -> None:
    """All that is known of each; null where nothing is."""
    value = json.loads(exported("json").text)
    assert value["python"] == {"implementation": "cpython", "version": "3.11.7"}
    found = {each["name"]: each["origin"] for each in value["distributions"]}
    assert found["six"] == FROM_INDEX and found["by-uv"] is None and len(found) == len(ALL)


def test_strings_of_strangers_in_toml() -> None:
    """Quotes, backslashes and what a terminal would obey stay within their string."""
    odd = SIX._replace(version='1"\\\n\x7f\x1b😀')
    assert toml.parse(exported("pylock", (odd,)).text)["packages"][0]["version"] == odd.version


def test_the_command_offers_every_format() -> None:
    """The option names them itself, so that --help needs no more than click."""
    form = next(option for option in command.params if option.name == "form")
    assert tuple(form.type.choices) == locks.FORMATS  # type: ignore[attr-defined]


# --- reading pylock ------------------------------------------------------------------------------------


def test_a_pylock_of_ours_is_read_again() -> None:
    """Each package with its digest, and a page that leads pip to the files."""
    wanted = pylock.read(exported("pylock", (SIX, ARCHIVE)).text, "/x/pylock.toml")
    assert wanted.requirements == (
        f"arc @ https://files.example/arc-1.0.zip --hash=sha256:{TWO}\nsix==1.16.0 --hash=sha256:{ONE}\n"
    )
    assert f'<a href="{URL}#sha256={ONE}">{URL.rpartition("/")[2]}</a>' in wanted.links
    assert wanted.requires_python == "==3.11.*"


def test_a_pylock_of_others() -> None:
    """Several files, markers, and paths beside the lock."""
    wanted = pylock.read(
        'lock-version = "1.0"\n[[packages]]\nname = "demo"\nversion = "1.0"\nmarker = "sys_platform == \'linux\'"\n'
        f'[[packages.wheels]]\npath = "wheels/demo 1.whl"\nhashes = {{sha256 = "{ONE}"}}\n'
        f'[packages.sdist]\nurl = "https://x/demo-1.0.tar.gz"\nhashes = {{sha256 = "{TWO}"}}\n',
        "/x/pylock.toml",
    )
    hashes = f"--hash=sha256:{ONE} --hash=sha256:{TWO}"
    assert wanted.requirements == f"demo==1.0 ; sys_platform == 'linux' {hashes}\n"
    assert f'<a href="file:///x/wheels/demo%201.whl#sha256={ONE}">demo 1.whl</a>' in wanted.links


PACKAGE = 'lock-version = "1.0"\n[[packages]]\nname = "demo"\nversion = "1.0"\n'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("not toml", "no pylock.toml"),
        ("", "no pylock.toml"),
        ('lock-version = "2.0"\n', "version 2.0"),
        ("lock-version = 1\n", "version 1"),
        (PACKAGE, "names no file for demo"),
        (PACKAGE + '[packages.vcs]\ntype = "git"\n', "from a vcs, which has no digest"),
        (PACKAGE + '[packages.directory]\npath = "."\n', "from a directory, which has no digest"),
        (PACKAGE + '[[packages.wheels]]\nurl = "x"\nhashes = {md5 = "1"}\n', "no pylock.toml"),
        (PACKAGE.replace("demo", "--index-url=https://evil"), "no pylock.toml"),
        (PACKAGE.replace('"1.0"\n[', '"1.0"\npackages = 7\n['), "no pylock.toml"),
        (PACKAGE.replace('"demo"', '"demo\\n-e /tmp/x"'), "no pylock.toml"),
    ],
)
def test_a_pylock_that_cannot_be_used(text: str, reason: str) -> None:
    """One sentence; nothing in a lock becomes an option of pip."""
    with pytest.raises(SysvenvError) as caught:
        pylock.read(text, "pylock.toml")
    assert reason in caught.value.message and caught.value.message.endswith(".")
