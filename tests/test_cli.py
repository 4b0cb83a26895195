"""The command line around the operations: the table, notations, the error boundary, exit codes, JSON."""

from __future__ import annotations

import errno
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from store import lock
from store.errors import Damaged
from sysvenv import environ, errors
from sysvenv.cli import boundary, group, operands
from sysvenv.cli.boundary import explain, run
from sysvenv.cli.session import Session
from sysvenv.cli.table import COMMANDS
from sysvenv.config import Config
from sysvenv.errors import Busy, DamageFound, NotFound, UsageError
from sysvenv.home import Home
from sysvenv.operations import collect, rewind
from sysvenv.operations.findings import Checkup, Finding
from sysvenv.operations.results import Collected, FileCounts, Rewound
from sysvenv.operations.session import Context
from sysvenv.render import checkup
from sysvenv.retention import Limits

ROOT = Path(__file__).resolve().parent.parent
Captured = pytest.CaptureFixture[str]

UNDONE = Rewound("undo", "@3", (), 3, None, (), FileCounts(1), "sysvenv redo", seconds=0.09)


class Core:
    """Stands in for sysvenv.operations.rewind: keeps what it was asked, and answers or raises."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[str, Context, tuple[object, ...]]] = []
        self.raises: BaseException | None = None
        for name in ("undo", "redo", "restore", "clean"):
            monkeypatch.setattr(rewind, name, self._function(name))

    def _function(self, name: str) -> object:
        signature = inspect.signature(getattr(rewind, name))

        def function(context: Context, *arguments: object) -> Rewound:
            call = signature.bind(context, *arguments)
            call.apply_defaults()
            self.asked.append((name, context, call.args[1:]))
            if self.raises is not None:
                raise self.raises
            return UNDONE

        return function

    @property
    def last(self) -> tuple[object, ...]:
        """Name and arguments of the last call, without the context."""
        name, _, arguments = self.asked[-1]
        return (name, *arguments)


@pytest.fixture
def core(monkeypatch: pytest.MonkeyPatch) -> Core:
    return Core(monkeypatch)


# --- help ----------------------------------------------------------------------------------------------


def test_the_table_names_every_command_module() -> None:
    """A file in sysvenv/cli that defines a command is in the table, and the other way round."""
    here = {f"sysvenv.cli.{path.stem}" for path in (ROOT / "sysvenv/cli").glob("*.py")}
    infrastructure = {
        f"sysvenv.cli.{name}"
        for name in ("__init__", "boundary", "group", "operands", "options", "plain", "session", "table")
    }
    assert {entry.module for entry in COMMANDS.values()} == here - infrastructure


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]], ids=str)
def test_help_lists_the_commands(arguments: list[str], capsys: Captured) -> None:
    """All but the hidden one, each with its summary, in 80 columns, and exit code 0 also without arguments."""
    assert run(arguments) == 0
    text = capsys.readouterr().out
    for name, entry in COMMANDS.items():
        assert (f"  {name} " in text) is bool(entry.section)
        assert not entry.section or entry.summary in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("name", list(COMMANDS))
def test_each_command_explains_itself_with_an_example(name: str, capsys: Captured) -> None:
    """--help: what it does, an example that begins with the command, --json; in 80 columns."""
    assert run([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"\n    sysvenv {name}" in text.partition("Example")[2]
    assert "--json" in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_examples_in_help_are_valid(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each example of a rewinding command is taken by its options."""
    for name in ("undo", "redo", "restore", "clean"):
        command = group.sysvenv.get_command(click.Context(group.sysvenv), name)
        assert command is not None and command.help is not None
        for line in command.help.partition("Examples:")[2].splitlines():
            words = line.partition("   ")[0] if not line.startswith("  ") else line.strip().partition("   ")[0]
            if words:
                assert run(words.split()[1:]) == 0, words


def test_version(capsys: Captured) -> None:
    """sysvenv 0.1.0, and nothing else."""
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("sysvenv ")


# --- what people mistype -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("histroy", "history"), ("list-snapshot", "list-snapshots"), ("Undo", "undo"), ("rest", "restore")],
)
def test_an_unknown_command_is_answered_with_the_closest(typed: str, meant: str, capsys: Captured) -> None:
    """Exit code 2 and what was probably meant."""
    assert run([typed]) == 2
    assert capsys.readouterr().err == f"sysvenv: There is no command '{typed}'.\n  Did you mean: sysvenv {meant}\n"


def test_nonsense_is_answered_with_help(capsys: Captured) -> None:
    """Where nothing is close. The hidden command is not proposed."""
    assert run(["xyzzyx"]) == 2
    assert "Run: sysvenv --help" in capsys.readouterr().err
    assert run(["hoo"]) == 2
    assert "sysvenv hook" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["undo", "--frobnicate"],
        ["undo", "1", "2"],
        ["undo", "0"],
        ["undo", "-3"],
        ["undo", "x"],
        ["undo", "²"],
        ["undo", "99999999999999999999"],
        ["undo", "2", "--to", "@1"],
        ["undo", "--to", "webdev"],
        ["redo", "@4"],
        ["restore"],
        ["history", "--limit", "0"],
        ["snapshot"],
        ["snapshot", "a", "--delete", "b"],
        ["snapshot", "--delete", "b", "-m", "text"],
        ["gc", "--max-entries", "0"],
        ["gc", "--max-age", "soon"],
        ["gc", "--max-size", "5 apples"],
        ["du", "--no-wait"],
        ["config", "no.such.key"],
        ["config", "ui.color", "mauve"],
        ["--frobnicate"],
    ],
    ids=" ".join,
)
def test_wrong_usage(arguments: list[str], core: Core, capsys: Captured) -> None:
    """Exit code 2, a sentence, what to type; nothing was done; and the same as JSON."""
    assert run(arguments) == 2
    printed = capsys.readouterr()
    first, *more = printed.err.splitlines()
    assert first.startswith("sysvenv: ")
    assert more and all(line.startswith("  ") for line in more)
    assert printed.out == ""
    assert run([*arguments, "--json"]) == 2
    printed = capsys.readouterr()
    assert printed.err == ""
    assert json.loads(printed.out)["error"]["exit_code"] == 2
    assert not core.asked


def test_an_operation_where_a_count_is_meant(capsys: Captured) -> None:
    """`undo @4` says what was probably meant."""
    assert run(["undo", "@4"]) == 2
    text = capsys.readouterr().err
    assert "sysvenv undo --to @4" in text
    assert "sysvenv restore @4" in text
    with pytest.raises(UsageError, match="sysvenv restore @4"):
        operands.steps("@4", "redo")


# --- options to core calls -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "call"),
    [
        (["undo"], ("undo", 1, None, False)),
        (["undo", "12"], ("undo", 12, None, False)),
        (["undo", "--to", "@4", "--dry-run"], ("undo", 1, 4, True)),
        (["undo", "--to", "4"], ("undo", 1, 4, False)),
        (["undo", "-y"], ("undo", 1, None, False)),
        (["redo", "2", "--dry-run"], ("redo", 2, True)),
        (["restore", "@4"], ("restore", "@4", False)),
        (["restore", "ml-stack", "--dry-run", "--yes"], ("restore", "ml-stack", True)),
        (["clean"], ("clean", False, False)),
        (["clean", "--keep-baseline", "--dry-run"], ("clean", True, True)),
    ],
    ids=str,
)
def test_options_become_a_core_call(arguments: list[str], call: tuple[object, ...], core: Core) -> None:
    """@N is an operation, a bare number a count; without a terminal nothing is asked."""
    assert run(arguments) == 0
    assert core.last == call


@pytest.mark.parametrize(
    ("arguments", "most", "dry_run"),
    [
        (["gc"], Limits(7, 14 * 86400.0, 0), False),
        (["gc", "--max-entries", "3", "--dry-run"], Limits(3, 14 * 86400.0, 0), True),
        (["gc", "--max-age", "90d", "--max-size", "5GB"], Limits(7, 90 * 86400.0, 5 * 10**9), False),
        (["gc", "--max-age", "0", "--yes"], Limits(7, 0.0, 0), False),
    ],
    ids=str,
)
def test_limits_of_gc(
    arguments: list[str], most: Limits, dry_run: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Those of the settings, unless the command line says otherwise."""
    asked: list[object] = []
    done = Collected((), 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    monkeypatch.setattr(collect, "collect", lambda context, *rest: asked.extend(rest) or done)
    (tmp_path / "config.toml").write_text('[history]\nmax_entries = 7\nmax_age = "2w"\n')
    monkeypatch.setenv("SYSVENV_HOME", str(tmp_path))
    assert run(arguments) == 0
    assert asked == [most, dry_run]


def test_the_context_comes_from_the_environment(core: Core, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """SYSVENV_HOME, config.toml and --no-wait reach the core."""
    (tmp_path / "config.toml").write_text("[store]\nkeep_trees = 5\n")
    monkeypatch.setenv("SYSVENV_HOME", str(tmp_path))
    assert run(["undo", "--no-wait"]) == 0
    context = core.asked[-1][1]
    assert context.home == Home(str(tmp_path))
    assert context.config.store.keep_trees == 5
    assert context.wait is False
    assert os.path.isabs(context.tool_python)


def test_unknown_settings_are_warned_of(
    core: Core, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Captured
) -> None:
    """On stderr; in JSON among the warnings."""
    (tmp_path / "config.toml").write_text("[ui]\ncolour = 1\n")
    monkeypatch.setenv("SYSVENV_HOME", str(tmp_path))
    assert run(["undo"]) == 0
    assert "ui.colour" in capsys.readouterr().err
    assert run(["undo", "--json"]) == 0
    assert "ui.colour" in json.loads(capsys.readouterr().out)["warnings"][0]


def test_waiting_is_told_on_stderr(core: Core, capsys: Captured) -> None:
    """Stdout stays the command's own."""
    run(["undo"])
    on_wait = core.asked[-1][1].on_wait
    assert on_wait is not None
    capsys.readouterr()
    on_wait(lock.Holder(4242, "pip install torch", 0.0), 0.0)
    printed = capsys.readouterr()
    assert "Waiting for process 4242 (pip install torch)" in printed.err
    assert printed.out == ""


class Typed:
    """A terminal somebody types at, in place of stdin and stderr."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
        self.questions: list[str] = []
        monkeypatch.setattr("sys.stdin", self)
        monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
        monkeypatch.setattr(click, "confirm", self._confirm)
        self.answer = answer

    def isatty(self) -> bool:
        return True

    def _confirm(self, question: str, **options: object) -> bool:
        self.questions.append(question)
        return self.answer == "y"


@pytest.mark.parametrize(("answer", "code", "calls"), [("y", 0, 1), ("n", 1, 0)])
def test_clean_asks_at_a_terminal(
    core: Core, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, calls: int, capsys: Captured
) -> None:
    """And does nothing on "no"; -y, SYSVENV_YES, --json and --dry-run do not ask."""
    typed = Typed(monkeypatch, answer)
    assert run(["clean"]) == code
    assert len(typed.questions) == 1
    assert len(core.asked) == calls
    for arguments in (["clean", "-y"], ["clean", "--json"], ["clean", "--dry-run"]):
        assert run(arguments) == 0
    monkeypatch.setenv("SYSVENV_YES", "1")
    assert run(["clean"]) == 0
    assert len(typed.questions) == 1


# --- the boundary --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code", "parts"),
    [
        (NotFound("There is nothing to undo.", "Run: sysvenv history"), 3, ["nothing to undo", "sysvenv history"]),
        (DamageFound("HEAD is damaged.", "Run: sysvenv doctor"), 4, ["HEAD is damaged"]),
        (Busy("At work.", ""), 5, ["At work"]),
        (Damaged("An object is damaged.", "x"), 4, ["An object"]),
        (lock.busy(None), 5, ["Another sysvenv or pip"]),
        (
            OSError(errno.ENOSPC, "No space left on device", "/h/store"),
            1,
            ["disk is full: /h/store", "nothing is lost"],
        ),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), 1, ["quota"]),
        (PermissionError(errno.EACCES, "Permission denied", b"/h/venv"), 1, ["Permission denied: /h/venv"]),
        (OSError(errno.EROFS, "Read-only file system", "/h"), 1, ["read-only: /h"]),
        (FileNotFoundError(errno.ENOENT, "No such file", "/a", None, "/b"), 1, ["No such file: /b"]),
        (OSError("odd"), 1, ["odd"]),
        (KeyboardInterrupt(), 130, ["Interrupted"]),
        (click.Abort(), 130, ["Interrupted"]),
        (ZeroDivisionError("division by zero"), 1, ["ZeroDivisionError: division by zero", "report"]),
        (RecursionError(), 1, ["RecursionError"]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_every_error_is_a_sentence(
    error: BaseException, code: int, parts: list[str], core: Core, capsys: Captured
) -> None:
    """With its exit code, and never a traceback; with --json in the envelope, on stdout."""
    core.raises = error
    assert run(["undo"]) == code
    text = capsys.readouterr().err
    joined = " ".join(text.split())
    for part in parts:
        assert part in joined
    assert "Traceback" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert run(["undo", "--json"]) == code
    value = json.loads(capsys.readouterr().out)
    assert (value["command"], value["ok"], value["error"]["exit_code"]) == ("undo", False, code)


def test_exit_codes_are_the_documented_ones() -> None:
    """Whatever the boundary makes of an error is in the table of exit codes, or 130."""
    for error in (errors.SysvenvError("x"), UsageError("x"), NotFound("x"), DamageFound("x"), Busy("x"), OSError("x")):
        assert explain(error).exit_code in errors.EXIT_CODES
    assert boundary.INTERRUPTED == 130


def test_a_traceback_only_when_asked_for(core: Core, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    """SYSVENV_DEBUG=1 shows it, and the sentence after it."""
    core.raises = ZeroDivisionError("x")
    monkeypatch.setenv("SYSVENV_DEBUG", "1")
    assert run(["undo"]) == 1
    text = capsys.readouterr().err
    assert "Traceback" in text
    assert text.index("Traceback") < text.index("sysvenv: Something")


def test_no_home_can_be_told(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    """A relative SYSVENV_HOME is refused, with the right exit code."""
    monkeypatch.setenv("SYSVENV_HOME", "relative")
    assert run(["undo"]) == 2
    assert "SYSVENV_HOME" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["undo"], ["history"], ["list-snapshots"], ["diff"], ["snapshot", "x"], ["hook"], ["du"], ["gc"]]
)
def test_before_init(arguments: list[str], capsys: Captured) -> None:
    """Without an environment each command says what to type, and makes no directory."""
    assert run(arguments) == 1
    assert "sysvenv init" in capsys.readouterr().err
    assert not os.path.exists(environ.read().home.root)


def test_a_check_that_found_damage_ends_in_4(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    """With the findings, also in JSON; what was put right is no damage."""
    settings = environ.read()
    session = Session("verify", settings, Config(), [], True, True, False)
    found = Checkup((Finding("error", "object", "x is damaged"),))
    assert session.show(found, checkup.checkup, DamageFound("1 error.", "Run: sysvenv doctor --fix")) == 4
    value = json.loads(capsys.readouterr().out)
    assert value["ok"] is False
    assert value["result"]["findings"][0]["subject"] == "object"
    assert session._replace(json=False).show(found, checkup.checkup, None) == 0


# --- the process ---------------------------------------------------------------------------------------


def process(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    """`sysvenv ARGUMENTS` from this checkout, isolated as the launcher does it."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from sysvenv.__main__ import main; sys.exit(main())"
    given: dict[str, object] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.run([sys.executable, "-I", "-c", code, *arguments], text=True, check=False, **given)  # type: ignore[call-overload,no-any-return]


def test_a_reader_that_had_enough_gets_no_complaint() -> None:
    """`sysvenv config | head -1`."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        answer = process("config", stdout=writing)
    finally:
        os.close(writing)
    assert (answer.returncode, answer.stderr) == (1, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_below_stdout_is_told() -> None:
    """One sentence, exit code 1, no "Exception ignored" at exit."""
    with open("/dev/full", "w") as full:
        answer = process("config", stdout=full)
    assert answer.returncode == 1
    assert answer.stderr.splitlines()[0] == "sysvenv: The disk is full."
    assert "Exception" not in answer.stderr


def test_a_closed_stdout_is_no_error() -> None:
    """`sysvenv config >&-`."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from sysvenv.__main__ import main; sys.exit(main())"
    line = 'exec "$0" -I -c "$1" config >&-'
    answer = subprocess.run(["sh", "-c", line, sys.executable, code], capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stderr) == (0, "")


def test_colour_goes_to_terminals_only() -> None:
    """A pipe gets plain text; ui.color = always colours it all the same."""
    home = environ.read().home
    os.makedirs(home.root)
    assert "\x1b" not in process("undo").stderr
    Path(home.config).write_text('[ui]\ncolor = "always"\n')
    assert "\x1b" in process("config").stdout
    assert "\x1b" in process("config", env={**os.environ, "NO_COLOR": "1"}).stdout  # a setting wins: no-color.org


def test_console_isolates_itself(tmp_path: Path) -> None:
    """Started without -I beside a decoy `store` and `click`, it starts again with -I before it imports either."""
    for name in ("store", "click"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('decoy')\n")
    program = (
        f"import sys, os; sys.path.append({str(ROOT)!r}); import sysvenv.__main__ as m\n"
        "os.execv = lambda path, words: (print(*words[1:]), sys.exit(0))\n"
        "sys.argv = ['sysvenv', 'undo', '2']; m.console()"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (answer.stdout, answer.stderr) == (
        "-I -c from sysvenv.__main__ import start; start() undo 2\n",
        "",
    )


def test_windows_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    """And ends with exit code 1, before anything that Windows lacks is imported."""
    from sysvenv import __main__

    monkeypatch.setattr(__main__.os, "name", "nt")
    code = __main__.main()
    monkeypatch.undo()
    assert code == 1
    assert "Windows" in capsys.readouterr().err


def test_render_after_pip_imports_neither_click_nor_humanize() -> None:
    """It runs after every pip, in a process where nothing else needs them."""
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import sysvenv.render.after_pip\n"
        "print(sorted({'click', 'humanize', 'packaging', 'tomli', 'json'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"


# --- settings ------------------------------------------------------------------------------------------


def test_config_shows_and_sets(capsys: Captured) -> None:
    """One value as it is typed; set and read back; comments of the file stay."""
    home = environ.read().home
    os.makedirs(home.root)
    Path(home.config).write_text("# mine\n")
    assert run(["config", "history.show_diff_after_install"]) == 0
    assert capsys.readouterr().out == "true\n"
    assert run(["config", "history.show_diff_after_install", "false"]) == 0
    assert capsys.readouterr().out == "history.show_diff_after_install = false\n"
    assert run(["config", "history.show_diff_after_install", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["result"] == {"key": "history.show_diff_after_install", "value": False}
    assert Path(home.config).read_text().startswith("# mine\n")
    assert run(["config", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["result"]["settings"]
    assert {"name", "value", "default", "allowed", "meaning"} <= listed[0].keys()


@pytest.mark.parametrize(
    ("environment", "yes", "no_color", "debug"),
    [
        ({}, False, False, False),
        ({"SYSVENV_YES": "1", "NO_COLOR": "1", "SYSVENV_DEBUG": "1"}, True, True, True),
        ({"SYSVENV_YES": "0", "NO_COLOR": "", "SYSVENV_DEBUG": "no"}, False, False, False),
        ({"SYSVENV_YES": "true", "TERM": "dumb"}, True, True, False),
    ],
    ids=str,
)
def test_environment_variables(environment: dict[str, str], yes: bool, no_color: bool, debug: bool) -> None:
    """0, no, false, off and nothing mean no."""
    settings = environ.read({"HOME": "/home/u", **environment})
    assert (settings.yes, settings.no_color, environ.debug(environment)) == (yes, no_color, debug)
    assert settings.home.root == "/home/u/.local/python-packages"
