"""The settings file: what it may say, and how one value of it is changed without touching the rest."""

from __future__ import annotations

from typing import NamedTuple


class HistoryConfig(NamedTuple):
    """[history]"""

    on_failure: str = "keep"
    show_diff_after_install: bool = True
    auto_baseline: bool = True


class StoreConfig(NamedTuple):
    """[store]"""

    keep_trees: int = 2
    guard: str = "all"


class UiConfig(NamedTuple):
    """[ui]"""

    color: str = "auto"


class Config(NamedTuple):
    """All settings; a missing file means all defaults."""

    history: HistoryConfig = HistoryConfig()
    store: StoreConfig = StoreConfig()
    ui: UiConfig = UiConfig()


class Key(NamedTuple):
    """One setting, for `sysvenv config` and the reference page."""

    name: str
    """Dotted: "ui.color"."""
    allowed: str
    """What may be given, for people: "auto, always or never"."""
    default: str | int | bool
    meaning: str


def load(path: str) -> tuple[Config, list[str]]:
    """Settings of the file at `path` and a warning for each unknown key. Raises SysvenvError for a bad value."""
    raise NotImplementedError


def get(config: Config, name: str) -> str | int | bool:
    """Value of the key `name`. Raises SysvenvError (UsageError) for an unknown one."""
    raise NotImplementedError


def set_value(path: str, name: str, text: str) -> None:
    """Set the key `name` to what `text` says, keeping comments and layout of the file."""
    raise NotImplementedError


def keys() -> tuple[Key, ...]:
    """Every setting there is."""
    raise NotImplementedError
