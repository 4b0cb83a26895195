"""pip's installation report: where each wheel came from, which nothing tells afterwards.

`PIP_REPORT` makes pip write it. A user who wants one gets it, and then we have none.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from sysvenv import venv
from sysvenv.errors import SysvenvError
from sysvenv.pip_hook import REPORT_PREFIX, pip_call, subcommand


def prepare(command_line: Sequence[str], prefix: str, environ: Mapping[str, str]) -> str:
    """A private empty file for the report of the pip that `command_line` calls; "" where there is to be none.

    `prefix` is the environment it is called in. pip 22.2 called --report experimental and warned; 23.0 is the first
    without the warning.
    """
    script, arguments = pip_call(list(command_line))
    if subcommand(arguments) != "install" or "PIP_REPORT" in environ:
        return ""
    if any(word.startswith("--rep") for word in arguments):
        return ""
    package = os.path.dirname(script)
    if os.path.basename(package) == "pip":  # `pip --python`: the version of the pip that called counts
        site = os.path.dirname(package)
    else:
        site = _site(prefix)
    if pip_major(site) < 23 or _configured(b"report", prefix, environ):
        return ""
    name = f"{REPORT_PREFIX}{os.getpid()}-{os.urandom(8).hex()}.json"
    path = os.path.abspath(os.path.join(environ.get("TMPDIR") or "/tmp", name))
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError:
        return ""  # Full or read-only: the wheels' URLs and digests stay unknown, all else is recorded.
    return path


def read(path: str) -> dict[str, Any] | None:
    """The report, whose file is then deleted. None where pip failed before it wrote one."""
    if not path:
        return None
    try:
        with open(path, encoding="utf-8") as stream:
            report = json.load(stream)
        os.unlink(path)
    except (OSError, ValueError):
        return None  # Left empty or half written: the hook deletes it.
    return report if isinstance(report, dict) else None


def _site(prefix: str) -> str:
    try:
        return os.path.join(prefix, os.fsdecode(venv.site_packages(prefix)))
    except SysvenvError:
        return ""  # Somebody has taken pyvenv.cfg away.


def pip_major(site: str) -> int:
    """The first number of the version of pip in that site-packages; 0 where there is none."""
    try:
        names = os.listdir(site)
    except OSError:
        return 0
    for name in names:
        if name.startswith("pip-") and name.endswith(".dist-info"):
            major = name[4:].split(".")[0]
            return int(major) if major.isdigit() else 0
    return 0


def _configured(word: bytes, prefix: str, environ: Mapping[str, str]) -> bool:
    """Whether one of pip's configuration files holds `word`: our variable would outrank what it sets."""
    home = os.path.expanduser("~")
    folders = [f"{folder}/pip" for folder in (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")]
    folders += ["/etc", f"{home}/.pip", f"{home}/Library/Application Support/pip", prefix]
    folders.append(f"{environ.get('XDG_CONFIG_HOME') or home + '/.config'}/pip")
    paths = [f"{folder}/pip.conf" for folder in folders]
    for path in [*paths, environ.get("PIP_CONFIG_FILE") or os.devnull]:
        try:
            with open(path, "rb") as stream:
                if word in stream.read():
                    return True
        except OSError:
            continue  # Not there, or pip cannot read it either.
    return False
