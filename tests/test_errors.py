"""What a person is told when something goes wrong, and where everything of theirs lies."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from sysvenv import errors
from sysvenv.errors import SysvenvError, UsageError
from sysvenv.home import Home

ROOT = Path(__file__).resolve().parent.parent
FAMILY = [errors.SysvenvError, errors.UsageError, errors.NotFound, errors.DamageFound, errors.Busy]


def test_each_error_has_its_own_documented_exit_code() -> None:
    """A script can tell what went wrong by the exit code alone."""
    assert [error.exit_code for error in FAMILY] == [1, 2, 3, 4, 5]
    assert set(errors.EXIT_CODES) == {0, 1, 2, 3, 4, 5}


@pytest.mark.parametrize("kind", FAMILY)
def test_an_error_keeps_message_and_hint_apart(kind: type[SysvenvError]) -> None:
    """The edge prints the hint on a line of its own; a log that only has str() still shows both."""
    error = kind("it broke", "mend it")
    assert (error.message, error.hint) == ("it broke", "mend it")
    assert str(error) == "it broke (mend it)"
    assert str(kind("it broke")) == "it broke"
    assert isinstance(error, SysvenvError)


def test_no_message_was_meant_to_be_an_f_string() -> None:
    """A brace in the text of a message is a forgotten f."""
    for path in [*(ROOT / "sysvenv").rglob("*.py"), *(ROOT / "store").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)):
                continue
            for argument in node.exc.args:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    assert "{" not in argument.value, f"{path}:{argument.lineno}: {argument.value}"


def test_home_is_where_the_user_says() -> None:
    """SYSVENV_HOME wins; without it the home lies in the user's directory, told by HOME."""
    assert Home.default({"HOME": "/home/ann"}).root == "/home/ann/.local/python-packages"
    assert Home.default({"HOME": "/home/ann", "SYSVENV_HOME": "/big/py"}).root == "/big/py"
    assert Home.default({"HOME": "/home/ann", "SYSVENV_HOME": "~/py"}).root == "/home/ann/py"
    assert Home.default({"HOME": "/", "SYSVENV_HOME": "~"}).root == "/"
    assert Home.default({"SYSVENV_HOME": ""}).root.endswith("/.local/python-packages")


def test_a_relative_home_is_refused() -> None:
    """It would mean another home in each directory."""
    with pytest.raises(UsageError, match="not an absolute path: py"):
        Home.default({"HOME": "/home/ann", "SYSVENV_HOME": "py"})
    with pytest.raises(UsageError, match="cannot tell your home"):
        Home.default({"HOME": "ann"})


def test_paths_of_a_home() -> None:
    """The layout others rely on: the hook looks for history/, the launcher for venv/."""
    home = Home.at("/h/../h")
    assert home.venv == "/h/venv"
    assert (home.history, home.head) == ("/h/history", "/h/history/HEAD")
    assert (home.snapshots, home.store, home.config) == ("/h/snapshots", "/h/store", "/h/config.toml")
    assert home.lock == "/h/lock"


def test_a_home_is_not_resolved(tmp_path: Path) -> None:
    """Scripts carry the path people use, so a symlinked home stays as it was given."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert Home.at(str(tmp_path / "link")).root == str(tmp_path / "link")
