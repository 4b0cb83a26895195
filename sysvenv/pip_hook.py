"""Runs first in every pip of a managed venv, and puts sysvenv around those that change packages.

`sysvenv.hook` lays this file into site-packages as ``_sysvenv.py``, next to the ``.pth`` line that calls
`start` when the command line mentions pip. It runs in the venv's own Python (3.8 or later), so it is
standard library only and imports late. Whatever goes wrong here, plain pip runs and one line says so.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import types

HOME = ""  # WRITTEN IN by sysvenv.hook.files: the home of a tracked venv, which lies elsewhere.
ACTIVE = "SYSVENV_ACTIVE"  # In the environment of P and all below it: the prefix that is being recorded.
REPORT_PREFIX = "sysvenv-report-"  # Tells our PIP_REPORT (sysvenv.report) from a user's own.

# pip's options that may stand before the subcommand (pip/_internal/cli/cmdoptions.py, general_group and
# what older pips had). optparse also takes any unambiguous beginning of them.
# fmt: off
VALUED = (
    "--cache-dir", "--cert", "--client-cert", "--default-timeout", "--exists-action", "--keyring-provider",
    "--local-log", "--log", "--log-file", "--proxy", "--python", "--resume-retries", "--retries", "--timeout",
    "--trusted-host", "--use-deprecated", "--use-feature",
)
FLAGS = (
    "--debug", "--disable-pip-version-check", "--help", "--isolated", "--no-cache-dir", "--no-color",
    "--no-input", "--no-python-version-warning", "--quiet", "--require-venv", "--require-virtualenv",
    "--verbose", "--version",
)
# fmt: on

_started = False


def start() -> None:
    """Put sysvenv around this process if it is a pip that changes this venv; else return at once.

    Called once or twice a start: `.pth` lines run twice before Python 3.15 (cpython #75723), and from
    3.15 on the ``.start`` file calls it as well. Never raises.
    """
    global _started
    if _started:
        return
    _started = True
    try:
        command_line = _command_line()
        script, arguments = pip_call(command_line)
        if not script or not hasattr(os, "fork"):
            return
        home = managed_home(sys.prefix)
        if home:
            _decide(home, command_line, script, arguments)
    except Exception as error:  # noqa: BLE001  pip must run whatever is wrong with us
        _gate().say(f"{type(error).__name__}: {error}; this pip is not recorded")


def pip_call(command_line: "list[str]") -> "tuple[str, list[str]]":
    """What an interpreter's command line runs: (the script, or "pip" for ``-m pip``; pip's arguments).

    The script is "" where no pip is run. Options as in CPython's Python/getopt.c, also clusters like ``-Im``.
    """
    rest = list(command_line[1:])
    while rest:
        word = rest.pop(0)
        if word == "--":
            word = rest.pop(0) if rest else ""
            return (word, rest) if _is_pip(word) else ("", [])
        if not word.startswith("-") or word == "-":
            return (word, rest) if _is_pip(word) else ("", [])
        if word == "--check-hash-based-pycs":
            del rest[:1]
        if word.startswith("--"):
            continue
        for place, letter in enumerate(word):
            if letter not in "cmWX":
                continue
            value = word[place + 1 :] or (rest.pop(0) if rest else "")
            if letter == "c" or (letter == "m" and value not in ("pip", "pip.__main__")):
                return "", []
            if letter == "m":
                return "pip", rest
            break
    return "", []


def _is_pip(script: str) -> bool:
    """pip, pip3, pip3.11, pip.pyz, a directory pip, pip/__main__.py, pip/__pip-runner__.py."""
    parent, name = os.path.split(script.rstrip("/"))
    if name in ("__main__.py", "__pip-runner__.py"):
        return os.path.basename(parent) == "pip"
    return name == "pip.pyz" or (name.startswith("pip") and not name[3:].strip("0123456789."))


def subcommand(arguments: "list[str]") -> str:
    """pip's subcommand, or "" where it is missing or only help or the version is asked for."""
    if "-h" in arguments or "--help" in arguments:
        return ""
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            return word
        if word in ("-V", "--version"):
            return ""
        if word.startswith("--") and "=" not in word and word not in FLAGS:
            could_be = [option for option in VALUED + FLAGS if option.startswith(word)]
            if word in VALUED or (could_be and could_be[0] in VALUED):
                del rest[:1]
    return ""


def elsewhere(arguments: "list[str]") -> bool:
    """Whether pip will run itself again in the interpreter of ``--python``: its hook, if any, decides."""
    if "_PIP_RUNNING_IN_SUBPROCESS" in os.environ:
        return False
    named = any(word.split("=", 1)[0] in ("--python", "--pytho", "--pyth") for word in arguments)
    return named or bool(os.environ.get("PIP_PYTHON"))


def managed_home(prefix: str) -> str:
    """The sysvenv home whose live venv `prefix` is, or "". Never told from $HOME: ``sudo venv/bin/pip``.

    A copy of a tracked venv, or one that was moved, is not the one its home leads to.
    """
    if HOME:
        led = os.path.realpath(os.path.join(HOME, "environment"))
        known = led == os.path.realpath(prefix) and os.path.isdir(os.path.join(HOME, "history"))
        return HOME if known else ""
    for path in (prefix, os.path.realpath(prefix)):
        home, name = os.path.split(path)
        if name == "venv" and os.path.isdir(os.path.join(home, "history")):
            return home
    return ""


def _command_line() -> "list[str]":
    given = getattr(sys, "orig_argv", None)
    if given is None:  # Before Python 3.10; where there is no /proc either, such a pip goes unrecorded.
        try:
            with open("/proc/self/cmdline", "rb") as stream:
                given = [os.fsdecode(word) for word in stream.read().split(b"\0")[:-1]]
        except OSError:
            given = []
    return list(given)


def _decide(home: str, command_line: "list[str]", script: str, arguments: "list[str]") -> None:
    if os.environ.get("SYSVENV") == "0":
        return
    prefix = os.path.realpath(sys.prefix)
    if os.environ.get(ACTIVE) == prefix:
        # A pip below a recorded one (an isolated build): it must not write over the outer one's report.
        if os.path.basename(os.environ.get("PIP_REPORT", "")).startswith(REPORT_PREFIX):
            del os.environ["PIP_REPORT"]
        return
    verb = subcommand(arguments)
    if verb in ("wheel", "download", "lock"):
        os.environ[ACTIVE] = prefix  # They change nothing, but build wheels with a `pip install --prefix`.
    if verb not in ("install", "uninstall") or elsewhere(arguments):
        return
    last = f"pip._internal.commands.{verb}" if _is_pips_own(script) else ""
    _gate().surround(home, command_line, last, {ACTIVE: prefix})


def _is_pips_own(script: str) -> bool:
    """Whether a program called pip will import pip's own commands, and so come to the gate."""
    if script == "pip" or os.path.basename(script) in ("__main__.py", "__pip-runner__.py"):
        return True
    try:
        with open(script, "rb") as stream:
            return b"pip._internal" in stream.read(4096)
    except OSError:
        return False  # A directory.


def _gate() -> "types.ModuleType":
    """The other file of ours, without leaving bytecode: a pip that changes nothing shall leave no trace."""
    keep = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    try:
        from sysvenv import pip_gate  # sysvenv.hook.files makes it `import _sysvenv_gate as pip_gate`

        return pip_gate
    finally:
        sys.dont_write_bytecode = keep
