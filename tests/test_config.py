"""Settings: read strictly, changed without touching a word of what their owner wrote."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sysvenv import config
from sysvenv.config import Config, get, keys, load, set_value
from sysvenv.errors import SysvenvError, UsageError

WRITTEN = """\
# mine
[history]   # what is kept
on_failure = "rollback"   # I like it tidy
show_diff_after_install=false

[store]
  keep_trees = 4

[ui]
color = 'never' # quiet
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def test_no_file_means_the_defaults(path: Path) -> None:
    """A newcomer has no settings, and pays for no TOML parser."""
    assert load(str(path)) == (Config(), [])
    for key in keys():
        assert get(Config(), key.name) == key.default
    code = f"import sys; from sysvenv import config; config.load({str(path)!r}); print('tomli' in sys.modules)"
    root = str(Path(__file__).resolve().parent.parent)
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_every_field_is_a_key(path: Path) -> None:
    """The table of `sysvenv config` leaves nothing out."""
    fields = {f"{section}.{name}" for section in Config._fields for name in getattr(Config(), section)._fields}
    assert fields == {key.name for key in keys()}


def test_what_is_written_counts(path: Path) -> None:
    """And what is not keeps its default."""
    path.write_text(WRITTEN)
    settings, warnings = load(str(path))
    assert warnings == []
    assert settings.history == config.HistoryConfig("rollback", False, True)
    assert settings.store == config.StoreConfig(4, "all")
    assert settings.ui.color == "never"


def test_unknown_keys_are_named(path: Path) -> None:
    """A setting of a newer version, or a slip of the pen: said, not fatal."""
    path.write_text('[history]\non_failures = "keep"\n[future]\nx = 1\n[ui]\n')
    settings, warnings = load(str(path))
    assert settings == Config()
    assert len(warnings) == 2
    assert "history.on_failures" in warnings[0]
    assert "did you mean history.on_failure?" in warnings[0]
    assert "future.x" in warnings[1]


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ('[ui]\ncolor = "blue"\n', "ui.color cannot be 'blue'", "auto, always or never"),
        ("[ui]\ncolor = true\n", "ui.color cannot be true", "auto, always or never"),
        ("[store]\nkeep_trees = 0\n", "store.keep_trees cannot be 0", "from 1"),
        ("[store]\nkeep_trees = true\n", "store.keep_trees cannot be true", "from 1"),
        ("[store]\nkeep_trees = 2.5\n", "store.keep_trees cannot be 2.5", "from 1"),
        ("[history]\nauto_baseline = 1\n", "history.auto_baseline cannot be 1", "true or false"),
        ("[history]\non_failure = []\n", "history.on_failure cannot be []", "keep or rollback"),
        ('[store]\nguard = "' + "x" * 500 + '"\n', "store.guard cannot be 'xxx", "all or text"),
        ("[history]\nmax_entries = -1\n", "history.max_entries cannot be -1", "0: no limit"),
        ("[history]\nmax_entries = '5'\n", "history.max_entries cannot be '5'", "whole number"),
        ("[history]\nmax_age = 'soon'\n", "history.max_age cannot be 'soon'", "90d"),
        ("[history]\nmax_age = true\n", "history.max_age cannot be true", "90d"),
        ("[store]\nmax_size = -1\n", "store.max_size cannot be -1", "5GB"),
        ("[store]\nmax_size = 1.5\n", "store.max_size cannot be 1.5", "5GB"),
        ("[history\n", "not valid TOML", "line 1"),
        ("\n\ncolor = = 3\n", "line 3", "mend it"),
        ("a = " + "[" * 100000, "not valid TOML", "mend it"),
    ],
)
def test_bad_values_are_refused_with_the_key(path: Path, text: str, message: str, hint: str) -> None:
    """Key or line, and what is allowed; never a traceback, never a silent default."""
    path.write_text(text)
    with pytest.raises(SysvenvError) as caught:
        load(str(path))
    assert message in caught.value.message
    assert hint in caught.value.message + caught.value.hint
    assert str(path) in caught.value.message
    assert len(caught.value.message) < 400


def test_a_file_that_cannot_be_read(path: Path) -> None:
    """Binary, or a directory."""
    path.write_bytes(b"[ui]\ncolor = '\xff'\n")
    with pytest.raises(SysvenvError, match="not UTF-8"):
        load(str(path))
    path.unlink()
    path.mkdir()
    with pytest.raises(SysvenvError, match="cannot read"):
        load(str(path))


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("ui.color", "always", 'color = "always" # quiet'),
        ("history.on_failure", "keep", 'on_failure = "keep"   # I like it tidy'),
        ("history.show_diff_after_install", "yes", "show_diff_after_install=true"),
        ("store.keep_trees", "12", "  keep_trees = 12"),
        ("history.auto_baseline", "off", "auto_baseline = false"),
        ("store.guard", "text", 'guard = "text"'),
        ("history.max_entries", "50", "max_entries = 50"),
        ("history.max_age", "90d", 'max_age = "90d"'),
        ("store.max_size", "5 GB", 'max_size = "5 GB"'),
        ("store.max_size", "4096", "max_size = 4096"),
    ],
)
def test_setting_changes_one_line(path: Path, name: str, text: str, line: str) -> None:
    """Comments, order and blanks stay as their owner put them."""
    path.write_text(WRITTEN)
    set_value(str(path), name, text)
    before, after = WRITTEN.splitlines(), path.read_text().splitlines()
    assert line in after
    assert [kept for kept in after if kept != line] == [kept for kept in before if kept in after]
    assert len(before) - 1 <= len([kept for kept in after if kept != line]) <= len(before)
    settings, warnings = load(str(path))
    assert not warnings
    assert str(get(settings, name)).lower() in {text.lower(), {"yes": "true", "off": "false"}.get(text, text)}


@pytest.mark.parametrize("key", keys(), ids=lambda key: key.name)
def test_a_first_setting_makes_the_file(path: Path, key: config.Key) -> None:
    """In its section, the directory being there."""
    set_value(str(path), key.name, str(key.default))
    assert path.read_text().startswith(f"[{key.name.split('.')[0]}]\n")
    assert load(str(path)) == (Config(), [])
    assert path.stat().st_mode & 0o777 == 0o644
    assert not [name for name in os.listdir(path.parent) if name.endswith(".tmp")]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("", '[ui]\ncolor = "never"\n'),
        ("# only a comment", '# only a comment\n\n[ui]\ncolor = "never"\n'),
        ("[ui]", '[ui]\ncolor = "never"\n'),
        ("[ui]\r\n# c\r\n", '[ui]\r\n# c\r\ncolor = "never"\r\n'),
        ("[ui]\n\n[store]\n", '[ui]\ncolor = "never"\n\n[store]\n'),
        ('ui.color = "auto"\n', 'ui.color = "never"\n'),
        ('[ui]\n"color" = "auto"\n', '[ui]\n"color" = "never"\n'),
        ('["ui"]\ncolor="auto"#x\n', '["ui"]\ncolor="never"#x\n'),
        ('[ui.deep]\ncolor = "auto"\n', '[ui.deep]\ncolor = "auto"\n\n[ui]\ncolor = "never"\n'),
        ("[ui]\ncolor = 'a#b'\n", '[ui]\ncolor = "never"\n'),
        ('[other]\ncolor = "red"\n', '[other]\ncolor = "red"\n\n[ui]\ncolor = "never"\n'),
    ],
)
def test_setting_in_odd_layouts(path: Path, old: str, new: str) -> None:
    """Whatever TOML allows that one line can change, bad values included: setting is how one mends them."""
    path.write_bytes(old.encode())
    set_value(str(path), "ui.color", "never")
    assert path.read_bytes() == new.encode()


@pytest.mark.parametrize("old", ['ui = { color = "auto" }\n', '[ui]\ncolor = """\nauto"""\n', "ui = 3\n"])
def test_a_layout_we_do_not_understand_is_left_alone(path: Path, old: str) -> None:
    """The result is parsed before it is written; when it says anything else, the owner is asked."""
    path.write_text(old)
    with pytest.raises(SysvenvError, match="cannot change safely"):
        set_value(str(path), "ui.color", "never")
    assert path.read_text() == old


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("ui.color", "blue", "ui.color cannot be 'blue'"),
        ("store.keep_trees", "0", "cannot be 0"),
        ("store.keep_trees", "two", "cannot be 'two'"),
        ("store.keep_trees", "9" * 5000, "cannot be '999"),
        ("history.auto_baseline", "maybe", "cannot be 'maybe'"),
        ("history.max_age", "a while", "cannot be 'a while'"),
        ("store.max_size", '5"GB', "cannot be"),
        ("ui.colour", "never", "no setting is called ui.colour"),
        ("ui", "never", "no setting is called ui"),
    ],
)
def test_a_value_not_allowed_changes_nothing(path: Path, name: str, text: str, message: str) -> None:
    """A wrong command line is a usage error, with what would be right."""
    with pytest.raises(UsageError) as caught:
        set_value(str(path), name, text)
    assert message in caught.value.message
    assert caught.value.hint
    assert not path.exists()


def test_an_unparsable_file_is_not_written_to(path: Path) -> None:
    """We do not guess at what its owner meant."""
    path.write_text("[ui\n")
    with pytest.raises(SysvenvError, match="not valid TOML"):
        set_value(str(path), "ui.color", "never")
    assert path.read_text() == "[ui\n"


def test_a_linked_file_stays_a_link(path: Path, tmp_path: Path) -> None:
    """Settings often live in a repository of dotfiles; its mode stays too."""
    real = tmp_path / "dotfiles.toml"
    real.write_text(WRITTEN)
    real.chmod(0o600)
    path.symlink_to(real)
    set_value(str(path), "ui.color", "auto")
    assert path.is_symlink()
    assert 'color = "auto"' in real.read_text()
    assert real.stat().st_mode & 0o777 == 0o600


def test_a_directory_that_takes_no_file(tmp_path: Path) -> None:
    """One sentence, and nothing left lying about."""
    with pytest.raises(SysvenvError, match="cannot write"):
        set_value(str(tmp_path / "missing" / "config.toml"), "ui.color", "never")


def test_an_unknown_key_asked_for() -> None:
    """`sysvenv config ui.colour` says what there is."""
    with pytest.raises(UsageError, match=r"no setting is called ui\.colour"):
        get(Config(), "ui.colour")
