"""The settings file: what it may say, and how one value of it is changed without touching the rest."""

from __future__ import annotations

import os
from typing import Any

from store.named import NamedTuple
from sysvenv.errors import SysvenvError, UsageError

Value = str | int | bool


class HistoryConfig(NamedTuple):
    """[history]"""

    on_failure: str = "keep"
    show_diff_after_install: bool = True
    notices: bool = True
    auto_baseline: bool = True
    max_entries: int = 0
    max_age: int | str = 0


class StoreConfig(NamedTuple):
    """[store]"""

    keep_trees: int = 2
    guard: str = "all"
    max_size: int | str = 0


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
    default: Value
    meaning: str


class _Rule(NamedTuple):
    key: Key
    choices: tuple[str, ...] = ()
    least: int = 0
    quantity: str = ""
    """"age" or "size": a number or a text that :mod:`sysvenv.quantities` reads."""


_RULES = (
    _Rule(
        Key("history.on_failure", "keep or rollback", "keep", "what becomes of what a failed pip did"),
        choices=("keep", "rollback"),
    ),
    _Rule(
        Key(
            "history.show_diff_after_install",
            "true or false",
            True,
            "print the package changes after each pip",
        ),
    ),
    _Rule(
        Key(
            "history.notices",
            "true or false",
            True,
            "tell of downgrades, packages with the same files or import name, orphans",
        ),
    ),
    _Rule(Key("history.auto_baseline", "true or false", True, "let `init` take the snapshot `baseline`")),
    _Rule(
        Key(
            "history.max_entries",
            "a whole number; 0: no limit",
            0,
            "operations history keeps; older ones are pruned",
        ),
    ),
    _Rule(
        Key(
            "history.max_age",
            "days, or 90d, 12w, 1y; 0: no limit",
            0,
            "how long history keeps an operation",
        ),
        quantity="age",
    ),
    _Rule(
        Key(
            "store.keep_trees",
            "a whole number from 1",
            2,
            "environments kept ready to switch to, the live one included",
        ),
        least=1,
    ),
    _Rule(
        Key("store.guard", "all or text", "all", "files of which a second copy guards against edits in place"),
        choices=("all", "text"),
    ),
    _Rule(
        Key(
            "store.max_size",
            "500MB, 5GB, 2GiB ...; 0: no limit",
            0,
            "what the store may take before history is pruned",
        ),
        quantity="size",
    ),
    _Rule(
        Key("ui.color", "auto, always or never", "auto", "colour in what is printed"),
        choices=("auto", "always", "never"),
    ),
)


_MEND = "mend it there, or delete the file to have the defaults"


def keys() -> tuple[Key, ...]:
    """Every setting there is, in the order of the reference page."""
    return tuple(rule.key for rule in _RULES)


def load(path: str) -> tuple[Config, list[str]]:
    """Settings of the file at `path` (all defaults if there is none), and a warning for each unknown key.

    Raises SysvenvError naming the key or the line for what cannot be read, parsed or meant.
    """
    text = _text(path)
    if text is None:
        return Config(), []
    written = _parsed(text, path)
    sections: dict[str, dict[str, Any]] = {"history": {}, "store": {}, "ui": {}}
    warnings = []
    for name, value in _flat(written):
        rule = next((rule for rule in _RULES if rule.key.name == name), None)
        if rule is None:
            warnings.append(f"{path}: unknown key {name} is ignored{_meant(name)}")
            continue
        section, _, key = name.partition(".")
        sections[section][key] = _checked(rule, value, f"{path}: ")
    config = Config(
        HistoryConfig()._replace(**sections["history"]),
        StoreConfig()._replace(**sections["store"]),
        UiConfig()._replace(**sections["ui"]),
    )
    return config, warnings


def load_if_sound(path: str) -> tuple[Config, list[str]]:
    """The same, but of a file that cannot be used, a warning, and the defaults: undo must not depend on it."""
    try:
        return load(path)
    except SysvenvError as error:
        return Config(), [f"{error.message}; all settings have their defaults ({error.hint})"]


def get(config: Config, name: str) -> Value:
    """Value of the key `name`, "ui.color". Raises UsageError for an unknown one."""
    _rule(name)
    section, _, key = name.partition(".")
    value: Value = getattr(getattr(config, section), key)
    return value


def set_value(path: str, name: str, text: str) -> None:
    """Set the key `name` to what `text` says, keeping comments and layout of the file; durable on return.

    Only one line is changed or added, and the result is parsed again to see that it says just that. Raises
    UsageError for an unknown key or a value not allowed, SysvenvError for a file that cannot be read, parsed,
    edited or written.
    """
    value = _from_text(_rule(name), text)
    old = _text(path) or ""
    before = dict(_flat(_parsed(old, path)))
    new = _edited(old, name, _toml(value))
    try:
        after = dict(_flat(_parsed(new, path)))
    except SysvenvError:
        after = {}
    if after != before | {name: value}:
        raise SysvenvError(f"{path} is laid out in a way I cannot change safely", f"set {name} there by hand")
    if new != old:
        _write(path, new)


def _rule(name: str) -> _Rule:
    for rule in _RULES:
        if rule.key.name == name:
            return rule
    raise UsageError(f"no setting is called {name}", _meant(name).lstrip("; ") or "`sysvenv config` lists them")


def _meant(name: str) -> str:
    """What a mistyped key was probably meant to be, as the end of a message."""
    import difflib

    close = difflib.get_close_matches(name, [rule.key.name for rule in _RULES], n=1, cutoff=0.7)
    return f"; did you mean {close[0]}?" if close else ""


def _checked(rule: _Rule, value: Any, where: str = "", error: type[SysvenvError] = SysvenvError) -> Value:
    """`value` if the rule allows it. A TOML boolean is no number, though it is one to Python."""
    key = rule.key
    allowed = type(value) is type(key.default)
    if rule.quantity:
        allowed = type(value) in (int, str) and _is_quantity(rule.quantity, value)
    if rule.choices:
        allowed = allowed and value in rule.choices
    elif type(key.default) is int and not rule.quantity:
        allowed = allowed and value >= rule.least
    if not allowed:
        raise error(f"{where}{key.name} cannot be {_shown(value)}", f"give {key.allowed}")
    checked: Value = value
    return checked


def _is_quantity(kind: str, value: Any) -> bool:
    from sysvenv import quantities

    try:
        (quantities.age if kind == "age" else quantities.size)(value)
    except ValueError:
        return False
    return True


def _shown(value: object) -> str:
    """A refused value as its owner wrote it, or nearly."""
    shown = ("true" if value else "false") if isinstance(value, bool) else repr(value)
    return shown if len(shown) < 60 else shown[:57] + "..."


def _from_text(rule: _Rule, text: str) -> Value:
    """The value a command line means by `text`."""
    value: Value = text.strip()
    if type(rule.key.default) is bool:
        value = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}.get(
            text.strip().lower(), value
        )
    elif type(rule.key.default) is int and text.strip().isdecimal() and len(text) < 10:
        value = int(text)
    return _checked(rule, value, error=UsageError)


def _toml(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else f'"{value}"'  # the allowed texts need no escape


def _text(path: str) -> str | None:
    """What the file holds; None if there is none."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SysvenvError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SysvenvError(f"{path} is not UTF-8 (byte {error.start})", _MEND) from error


def _parsed(text: str, path: str) -> dict[str, Any]:
    from sysvenv import toml

    try:
        return toml.parse(text)
    except ValueError as error:
        raise SysvenvError(f"{path} is not valid TOML: {error}", _MEND) from error


def _flat(table: dict[str, Any]) -> list[tuple[str, Any]]:
    """Keys with their section in front, and their values: one level, as that is all there is."""
    flat: list[tuple[str, Any]] = []
    for section, values in table.items():
        if isinstance(values, dict):
            flat.extend((f"{section}.{key}", value) for key, value in values.items())
        else:
            flat.append((section, values))
    return flat


def _edited(text: str, name: str, value: str) -> str:
    """`text` with the key `name` set to the TOML `value`: its line changed, or one added to its section."""
    import re

    section, _, key = name.partition(".")
    line_end = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines(keepends=True)
    header = re.compile(rf"""\s*\[\s*["']?{section}["']?\s*\]\s*(?:#.*)?$""")
    # The value is taken as far as a comment may start; whether that was right, the caller's re-parse decides.
    in_section = re.compile(rf"""(\s*["']?{key}["']?\s*=\s*)("[^"]*"|'[^']*'|[^\s#"']+)(.*)""", re.DOTALL)
    dotted = re.compile(rf"""(\s*{section}\s*\.\s*{key}\s*=\s*)("[^"]*"|'[^']*'|[^\s#"']+)(.*)""", re.DOTALL)
    current, last = None, -1
    for number, line in enumerate(lines):
        if line.lstrip().startswith("["):
            current = section if header.match(line.rstrip("\r\n")) else line
        found = (in_section if current == section else dotted).match(line) if current in (None, section) else None
        if found:
            lines[number] = found[1] + value + found[3]
            return "".join(lines)
        if current == section and line.strip():
            last = number
    addition = f"{key} = {value}{line_end}"
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += line_end
    if last >= 0:
        lines.insert(last + 1, addition)
    else:
        lines += [*([line_end] if lines else []), f"[{section}]{line_end}", addition]
    return "".join(lines)


def _write(path: str, text: str) -> None:
    """Replace the file at `path`, or what it links to, so that a crash leaves the old text or the new one."""
    target = os.path.realpath(path)
    temporary = f"{target}.{os.getpid()}.tmp"
    try:
        mode = os.stat(target).st_mode & 0o7777 if os.path.exists(target) else 0o644
        with open(temporary, "w", encoding="utf-8", newline="") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
        directory = os.open(os.path.dirname(target), os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        _forget(temporary)
        raise SysvenvError(f"cannot write {path}: {error.strerror}") from error


def _forget(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass  # it was never made, or the disk that refused it refuses this too
