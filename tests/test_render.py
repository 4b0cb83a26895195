"""What is printed, from results built by hand: text for people in 80 columns, JSON for programs."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable

import pytest

from store.lock import Holder
from sysvenv import config, history
from sysvenv.dists import Change
from sysvenv.history import Operation
from sysvenv.operations.findings import (
    Checkup,
    Comparison,
    FileChange,
    Finding,
    Listing,
    SnapshotSpace,
    Space,
    Status,
)
from sysvenv.operations.results import Collected, FileCounts, Initialised, Recorded, Rewound, Step
from sysvenv.processes import Program
from sysvenv.pruned import Pruned
from sysvenv.render import (
    checkup,
    comparison,
    envelope,
    failure,
    labels,
    moves,
    overview,
    packages,
    setup,
    space,
    timeline,
    words,
)
from sysvenv.render.after_pip import recorded
from sysvenv.render.screen import Screen
from sysvenv.snapshots import Snapshot

NOW = 1_800_000_000.0
UPGRADE = (Change("six", "1.16.0", "1.17.0"), Change("tabulate", None, "0.9.0"))
MANY = tuple(Change(f"package-{number}", None, "1.0") for number in range(40))
LONG = ("pip", "install", *(f"a-rather-long-package-name-{number}==1.0" for number in range(30)))


def printed(draw: Callable[[Screen], None], *, color: bool = False, unicode: bool = True) -> list[str]:
    """The lines `draw` writes to a screen of 80 columns."""
    stream = io.StringIO()
    draw(Screen(stream, color=color, unicode=unicode))
    return stream.getvalue().splitlines()


def operation(number: int = 4, **fields: object) -> Operation:
    """`pip install -U six tabulate`, done, with the given fields changed."""
    done = Operation(
        number=number,
        kind=history.PIP,
        parent=number - 1,
        command=("pip", "install", "-U", "six", "tabulate"),
        started=NOW - 180,
        manifest_before="before",
        status=history.DONE,
        finished=NOW - 178.5,
        manifest="after",
        packages=UPGRADE,
        files=(17, 7, 1),
        sources={"six": "index", "tabulate": "vcs"},
    )
    return done._replace(**fields)  # type: ignore[arg-type]


def undone(**fields: object) -> Rewound:
    """The outcome of `sysvenv undo`, with the given fields changed."""
    changes = (Change("six", "1.17.0", "1.16.0"), Change("tabulate", "0.9.0", None))
    steps = (Step(4, history.PIP, ("pip", "install", "-U", "six", "tabulate")),)
    plain = Rewound("undo", "@3", steps, 3, None, changes, FileCounts(7, 17, 1), "sysvenv redo", seconds=0.091)
    return plain._replace(**fields)  # type: ignore[arg-type]


# --- words ---------------------------------------------------------------------------------------------


def test_numbers_agree_with_their_nouns() -> None:
    """1 file, 2 files, and nothing of what there is none of."""
    assert words.count(1, "file") == "1 file"
    assert words.count(33863, "file") == "33,863 files"
    assert words.files(FileCounts(1, 0, 0)) == "1 file added"
    assert words.files((0, 2, 1)) == "2 files removed, 1 modified"
    assert words.files((0, 0, 0)) == "no files"
    assert words.listed(["a"]) == "a"
    assert words.listed(["a", "b", "c"]) == "a, b and c"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0912, "0.09 s"), (9.999, "10.0 s"), (42.04, "42.0 s"), (59.97, "1 min 0 s"), (125, "2 min 5 s")],
)
def test_durations(seconds: float, text: str) -> None:
    """Hundredths where they matter, minutes where they do not."""
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["/home/u/venv/bin/python", "/home/u/venv/bin/pip3.11", "install", "six"], "pip3.11 install six"),
        (["python3", "-m", "pip", "install", "six"], "pip install six"),
        (["python3", "-Im", "pip", "install", "six"], "pip install six"),
        (["python3", "-mpip", "install", "six"], "pip install six"),
        (["python3", "-X", "dev", "-W", "error", "-m", "pip", "install"], "pip install"),
        (["python3", "-c", "import pip", "install"], "python3 -c 'import pip' install"),
        (["pip", "install", "six>=1", "a b"], "pip install 'six>=1' 'a b'"),
        (["pip", "install", "\x1b[31m\ud800"], "pip install '\\x1b[31m\\ud800'"),
        (["python3"], "python3"),
        ([], ""),
    ],
)
def test_a_command_is_shown_as_people_type_it(arguments: list[str], text: str) -> None:
    """Without the interpreter and the script's directory; a terminal obeys nothing in it."""
    assert words.command(arguments) == text


def test_strange_names_do_not_reach_the_terminal() -> None:
    """Escape sequences and lone surrogates in file names are shown, not obeyed."""
    assert words.plain("a\x1b]0;x\x07\udcff\n") == "a\\x1b]0;x\\x07\\udcff\\n"
    assert words.plain("naïve.py") == "naïve.py"
    assert words.printable_lines("a\tb\x1b\nc") == ["a\tb\\x1b", "c"]


# --- screens -------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "UTF-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("setting", "terminal", "no_color", "colored"),
    [
        ("auto", True, False, True),
        ("auto", True, True, False),
        ("auto", False, False, False),
        ("always", False, False, True),
        ("always", True, True, True),
        ("never", True, False, False),
    ],
)
def test_colour(setting: str, terminal: bool, no_color: bool, colored: bool) -> None:
    """The setting decides; "auto" colours terminals, unless NO_COLOR is there."""
    assert Screen.on(Terminal() if terminal else io.StringIO(), setting, no_color).color is colored


def test_marks_without_unicode() -> None:
    """A stream that is not UTF-8 gets marks of ASCII."""
    ascii_only = Screen.on(io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert (ascii_only.here, ascii_only.undone, ascii_only.ellipsis) == ("*", "o", "...")
    assert ascii_only.cut("abcdefgh", 6) == "abc..."


def test_a_closed_stream_takes_everything() -> None:
    """`sysvenv undo >&-` works: Python has None for a closed stdout."""
    screen = Screen.on(None)
    screen.line("nowhere")
    screen.overwrite("nowhere")
    screen.flush()


def test_paragraphs_are_broken_at_blanks_only() -> None:
    """A path stays whole, to be copied; the following lines are indented."""
    path = "/" + "x" * 100
    lines = printed(lambda screen: screen.paragraph(f"{'word ' * 20}{path} end", first="sysvenv: ", indent="  "))
    assert lines[0].startswith("sysvenv: word")
    assert f"  {path}" in lines
    assert all(len(line) <= 80 for line in lines if path not in line)


def test_progress_is_for_terminals_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """verify tells how far it is in one line, which is blank in the end."""
    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        progress = checkup.Progress(Screen.on(stream))
        progress(1, 10)  # not before a tenth of a second
        monkeypatch.setattr(checkup.time, "monotonic", lambda: time.time() + 1e9)
        progress(5, 10)
        progress.clear()
        monkeypatch.undo()
    assert "50%  Checked 5 of 10" in terminal.getvalue()
    assert "Checked 1 " not in terminal.getvalue()
    assert terminal.getvalue().endswith(" \r")
    assert pipe.getvalue() == ""


# --- packages ------------------------------------------------------------------------------------------


def test_package_changes_read_like_uv() -> None:
    """+ name==version, - name==version, ~ name old -> new; green, red and yellow."""
    changes = (*UPGRADE, Change("idna", "3.7", None), Change("local", "1.0", "1.0"))
    assert printed(lambda screen: packages.show(screen, changes)) == [
        " ~ six 1.16.0 -> 1.17.0",
        " + tabulate==0.9.0",
        " - idna==3.7",
        " ~ local==1.0 (from another source)",
    ]
    colored = printed(lambda screen: packages.show(screen, changes), color=True)
    assert [line[:5] for line in colored] == ["\x1b[33m", "\x1b[32m", "\x1b[31m", "\x1b[33m"]


def test_of_many_changes_the_first_are_shown() -> None:
    """A short diff has as many lines as it may have, the last of which counts the rest."""
    lines = printed(lambda screen: packages.show(screen, MANY, 12, " (sysvenv diff @4)"))
    assert len(lines) == 12
    assert lines[-1] == " … and 29 more (sysvenv diff @4)"
    assert len(printed(lambda screen: packages.show(screen, MANY[:12], 12))) == 12


def test_summary_of_changes() -> None:
    """One change by name, several by number."""
    text = lambda changes: "".join(text for text, _ in packages.summary(changes))  # noqa: E731
    assert text(UPGRADE[1:]) == "+tabulate 0.9.0"
    assert text(UPGRADE) == "+1 ~1"
    assert text((Change("six", "1.17.0", None),)) == "-six 1.17.0"
    assert text(()) == ""


# --- after pip -----------------------------------------------------------------------------------------


def after_pip(result: Recorded, settings: config.Config | None = None) -> list[str]:
    stream = io.StringIO()
    recorded(result, settings, stream)
    return stream.getvalue().splitlines()


def test_after_pip_the_diff_and_what_takes_it_back() -> None:
    """Short: a line a change, and one command."""
    assert after_pip(Recorded(operation())) == [
        " ~ six 1.16.0 -> 1.17.0",
        " + tabulate==0.9.0",
        "@4 recorded; take it back: sysvenv undo",
    ]
    assert after_pip(Recorded(operation(packages=())))[0] == "   17 files added, 7 removed, 1 modified"


def test_after_a_pip_without_effect_nothing_is_printed() -> None:
    """An operation that changed nothing has no entry, and no words."""
    assert after_pip(Recorded(None)) == []
    assert after_pip(Recorded(None, notes=("The store is nearly full",))) == ["sysvenv: The store is nearly full."]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"status": history.FAILED, "exit_code": 2}, "pip failed (exit code 2)"),
        ({"status": history.INTERRUPTED, "exit_code": 130}, "pip was interrupted;"),
        ({"status": history.INTERRUPTED, "exit_code": 137}, "pip was interrupted (SIGKILL)"),
        ({"status": history.INTERRUPTED, "exit_code": 0}, "pip was interrupted;"),
    ],
)
def test_after_a_failed_pip_it_says_how_to_undo(fields: dict[str, object], text: str) -> None:
    """Recorded too; told even where the diff is switched off."""
    lines = after_pip(Recorded(operation(**fields)))
    assert lines[:2] == [" ~ six 1.16.0 -> 1.17.0", " + tabulate==0.9.0"]
    assert text in lines[2]
    assert lines[-1] == "  Take it back: sysvenv undo"
    assert all(len(line) <= 80 for line in lines)
    quiet = config.Config(history=config.HistoryConfig(show_diff_after_install=False))
    assert after_pip(Recorded(operation(**fields)), quiet) == lines[2:]
    assert after_pip(Recorded(operation()), quiet) == []


def test_after_a_rolled_back_pip_it_says_so() -> None:
    """With on_failure = "rollback"."""
    lines = after_pip(Recorded(operation(status=history.FAILED, exit_code=1), rolled_back=True))
    assert "pip failed (exit code 1); what it had changed was taken back" in " ".join(lines)
    assert lines[-1] == "  Have it after all: sysvenv redo"


def test_what_was_changed_before_pip_is_told_first() -> None:
    """An external operation found on the way has its line."""
    external = operation(3, kind=history.EXTERNAL, command=(), packages=(), files=(0, 0, 1))
    assert after_pip(Recorded(operation(), external))[0] == "@3 changes made without pip before this: 1 file modified"


# --- undo, redo, restore, clean ------------------------------------------------------------------------


def test_undo_tells_what_came_back_and_what_takes_that_back() -> None:
    """With how long it took."""
    assert printed(lambda screen: moves.rewound(screen, undone())) == [
        "Undone: @4 pip install -U six tabulate",
        " ~ six 1.17.0 -> 1.16.0",
        " - tabulate==0.9.0",
        "At @3 again in 0.09 s: 7 files added, 17 removed, 1 modified.",
        "Take that back: sysvenv redo",
    ]


def test_a_dry_run_promises_nothing_it_did_not_do() -> None:
    """No time, no command that takes it back; external changes have no number yet."""
    steps = (Step(0, history.EXTERNAL, ()), *undone().steps)
    assert printed(lambda screen: moves.rewound(screen, undone(dry_run=True, steps=steps))) == [
        "Would undo: changes made without pip",
        "            @4 pip install -U six tabulate",
        " ~ six 1.17.0 -> 1.16.0",
        " - tabulate==0.9.0",
        "That leads to @3 again: 7 files added, 17 removed, 1 modified.",
        "Nothing was changed (--dry-run).",
    ]


def test_undo_names_who_must_do_something() -> None:
    """Programs to restart by name and pid, `cd .` for the shell, rescued files by path, notes as sentences."""
    result = undone(
        programs=(Program(4242, "jupyter-lab", "runs from"), Program(4711, "python", "maps")),
        shell_stands_inside=True,
        healed=1,
        rescued=("/home/u/kept/late.log",),
        notes=("Finished an undo that was interrupted",),
    )
    text = "\n".join(printed(lambda screen: moves.rewound(screen, result)))
    assert "must be restarted:\n  jupyter-lab (pid 4242), python (pid 4711)\n" in text
    assert "type: cd .\n" in text
    assert "1 file edited in place" in text
    assert "\n  /home/u/kept/late.log\n" in text
    assert "Finished an undo that was interrupted.\n" in text
    planned = "\n".join(printed(lambda screen: moves.rewound(screen, result._replace(dry_run=True))))
    assert "would have to be restarted" in planned
    assert "cd ." not in planned


def test_restore_and_clean_are_operations_of_their_own() -> None:
    """They are named by their target and get a number."""
    result = undone(action="restore", target="ml-stack", steps=(), operation=7, recorded=7, reverse="sysvenv undo")
    lines = printed(lambda screen: moves.rewound(screen, result))
    assert lines[0] == "Restored: ml-stack"
    assert lines[-2:] == ["At @7 in 0.09 s: 7 files added, 17 removed, 1 modified.", "Take that back: sysvenv undo"]
    same = printed(lambda screen: moves.rewound(screen, result._replace(unchanged=True)))
    assert same == ["Nothing to do: the environment is at ml-stack already."]
    many = printed(lambda screen: moves.rewound(screen, result._replace(action="clean", packages=MANY)))
    assert " … and 21 more (sysvenv diff @7)" in many


# --- history -------------------------------------------------------------------------------------------


def listing(*operations: Operation, **fields: object) -> Listing:
    """Where we are at @4, of 0 to 4."""
    found = Listing(operations, 4, frozenset(range(5)), (), len(operations), ())
    return found._replace(**fields)  # type: ignore[arg-type]


def test_history_marks_where_we_are() -> None:
    """The mark, number, time, command, change, exit code; what was undone has another mark and is dimmed."""
    result = listing(
        operation(5, packages=UPGRADE[1:]),
        operation(),
        operation(3, packages=(), files=(2, 0, 0), status=history.FAILED, exit_code=1, started=NOW - 7200),
        operation(2, kind=history.EXTERNAL, command=(), packages=(Change("six", "1.16.0", None),)),
        operation(1, status=history.PENDING, packages=(), files=(0, 0, 0)),
        redoable=(5,),
    )
    assert printed(lambda screen: timeline.listing(screen, result, now=NOW)) == [
        "○ @5  3 minutes ago  pip install -U six tabulate  +tabulate 0.9.0",
        "● @4  3 minutes ago  pip install -U six tabulate  +1 ~1",
        "  @3    2 hours ago  pip install -U six tabulate  2 files exit 1",
        "  @2  3 minutes ago  changes made without pip     -six 1.16.0",
        "  @1  3 minutes ago  pip install -U six tabulate  unfinished",
        "Undone, and brought back by sysvenv redo: @5",
    ]
    colored = printed(lambda screen: timeline.listing(screen, result, now=NOW), color=True)
    assert "\x1b[2mpip install" in colored[0]
    assert "\x1b[32m● " in colored[1]
    plain = printed(lambda screen: timeline.listing(screen, result, now=NOW), unicode=False)
    assert plain[0].startswith("o @5")
    assert plain[1].startswith("* @4")


@pytest.mark.parametrize("detailed", [False, True])
def test_history_fits_80_columns(detailed: bool) -> None:
    """Long commands are cut, long names too."""
    name = "a-distribution-with-a-name-nobody-wants-to-type-ever-again"
    result = listing(
        operation(12345, command=LONG, packages=(Change(name, None, "1.0"),), exit_code=1, note="a note " * 20),
        operation(1, command=LONG, packages=MANY, started=NOW - 400 * 86400),
        redoable=tuple(range(12345, 12360)),
        total=7,
        broken=("/home/u/.local/python-packages/history/003_after.json is damaged (Expecting value).",),
    )
    lines = printed(lambda screen: timeline.listing(screen, result, detailed=detailed, now=NOW))
    assert max(map(len, lines)) <= 80
    assert "…" in lines[0]
    assert lines[0].endswith("exit 1")
    text = "\n".join(lines)
    assert "5 older operations not shown" in text
    assert "@12345, @12346, @12347 and 12 more" in text
    assert "003_after.json is damaged" in text


def test_detailed_history_names_sources_and_times() -> None:
    """One line a package with where it came from; files; how long it took."""
    lines = printed(lambda screen: timeline.listing(screen, listing(operation()), detailed=True, now=NOW))
    assert lines[1].endswith(", took 1.50 s, 17 files added, 7 removed, 1 modified")
    assert lines[2:] == ["    ~ six 1.16.0 -> 1.17.0  index", "    + tabulate==0.9.0       vcs"]


# --- diff, status, doctor, snapshots, init, config -----------------------------------------------------


def test_diff_of_an_operation_with_files_and_patch() -> None:
    """Packages with sources, counts, files, the lines that changed."""
    patch = "--- a/six.py\n+++ b/six.py\n@@ -1 +1 @@\n-old\n+new\x1b[31m\n"
    files = (FileChange("lib/six.py", "modified", patch), FileChange("lib/a\udcff.py", "added"))
    result = Comparison("before @4", "@4", UPGRADE, files, FileCounts(1, 0, 1), operation())
    assert printed(lambda screen: comparison.comparison(screen, result)) == [
        "@4 pip install -U six tabulate",
        " ~ six 1.16.0 -> 1.17.0  index",
        " + tabulate==0.9.0       vcs",
        "1 file added, 1 modified",
        " ~ lib/six.py",
        "--- a/six.py",
        "+++ b/six.py",
        "@@ -1 +1 @@",
        "-old",
        "+new\\x1b[31m",
        " + lib/a\\udcff.py",
    ]
    colored = printed(lambda screen: comparison.comparison(screen, result), color=True)
    assert "\x1b[31m-old\x1b[0m" in colored
    assert "\x1b[36m@@ -1 +1 @@\x1b[0m" in colored


def test_diff_of_two_states() -> None:
    """Named as they were asked for; equal ones are said to be."""
    result = Comparison("ml-stack", "live", (), (), FileCounts())
    assert printed(lambda screen: comparison.comparison(screen, result)) == ["ml-stack -> live", "No difference."]
    more = result._replace(counts=FileCounts(1, 0, 0))
    assert printed(lambda screen: comparison.comparison(screen, more))[-1] == "1 file added (--files lists them)"


STATUS = Status(
    home="/home/u/.local/python-packages",
    venv="/home/u/.local/python-packages/venv",
    venv_present=True,
    python="3.11.7",
    python_present=True,
    pip="24.0",
    distributions=118,
    requested=12,
    operation=4,
    operations=6,
    undone=1,
    snapshots=1,
    path_problem="",
    tracked=False,
    store_bytes=66_000_000,
    venv_bytes=872_000_000,
    unrecorded="none",
)


def test_status_at_a_glance() -> None:
    """A line for each fact."""
    assert printed(lambda screen: overview.status(screen, STATUS)) == [
        "Environment   /home/u/.local/python-packages/venv",
        "Python        3.11.7, pip 24.0",
        "Packages      118 (12 requested)",
        "History       at @4, 6 operations, 1 undone, 1 snapshot",
        "PATH          the environment comes first",
        "Store         66.0 MB beyond the 872.0 MB of the environment",
        "Unrecorded    nothing, by the times of directories",
    ]


def test_status_when_much_is_wrong() -> None:
    """Each trouble is a sentence, and what helps stands with it."""
    result = STATUS._replace(
        venv_present=False,
        python_present=False,
        pip=None,
        path_problem="/usr/bin comes before the environment, so pip means /usr/bin/pip there",
        unrecorded="yes",
        checked=True,
        changed=UPGRADE,
        changed_files=FileCounts(1, 0, 0),
        busy="process 4242 (pip install torch)",
        suggestion="Nothing has changed for a week; to name this state: sysvenv snapshot NAME",
        notes=("A note",),
    )
    lines = printed(lambda screen: overview.status(screen, result))
    text = "\n".join(lines)
    assert max(map(len, lines)) <= 80
    for part in (
        "(missing)",
        "is gone",
        "no pip",
        "pip means",
        "~ six",
        "At work       process 4242",
        "A note.",
        "NAME",
    ):
        assert part in text
    pending = STATUS._replace(pending=7, unrecorded="maybe")
    text = "\n".join(printed(lambda screen: overview.status(screen, pending)))
    assert "@7 has no end" in text
    assert "sysvenv status --check" in text


def test_findings_and_their_sum() -> None:
    """Severity, subject, sentence; what to type below; what was fixed is no error any more."""
    findings = (
        Finding("ok", "venv", "The environment is in order"),
        Finding("warning", "PATH", "/usr/bin comes first", "export PATH=/home/u/venv/bin:$PATH"),
        Finding("error", "object", "ab/cdef is damaged", "sysvenv doctor --fix"),
        Finding("error", "hook", "_sysvenv.pth was missing", "sysvenv doctor --fix", fixed=True),
    )
    result = Checkup(findings, 40123, 33863, 0.93)
    assert printed(lambda screen: checkup.checkup(screen, result)) == [
        "ok       venv    The environment is in order.",
        "warning  PATH    /usr/bin comes first.",
        "                 export PATH=/home/u/venv/bin:$PATH",
        "error    object  ab/cdef is damaged.",
        "                 sysvenv doctor --fix",
        "fixed    hook    _sysvenv.pth was missing.",
        "1 error, 1 warning, 1 put right.",
        "40,123 objects and 33,863 files checked in 0.93 s.",
    ]
    assert result.damaged
    assert checkup.summary(Checkup(())) == "All is well."


def test_snapshots() -> None:
    """Taken, deleted, listed; the one we are in is marked."""
    one = Snapshot("ml-stack", "m", 4, NOW - 60, "before the move " * 8, 118, "3.11.7", current=True)
    other = one._replace(name="web", current=False, message="", distributions=1, created=NOW)
    assert printed(lambda screen: labels.taken(screen, one)) == [
        "Snapshot ml-stack is taken: 118 packages, Python 3.11.7, at @4.",
        "Come back to it: sysvenv restore ml-stack",
    ]
    gone = one._replace(distributions=0, python="")
    assert printed(lambda screen: labels.taken(screen, gone))[0] == (
        "Snapshot ml-stack is taken: 0 packages, no Python, at @4."
    )
    assert printed(lambda screen: labels.deleted(screen, one))[1].endswith("sysvenv restore @4")
    pruned = one._replace(recorded=False)
    assert printed(lambda screen: labels.deleted(screen, pruned))[1].endswith("sysvenv gc")
    lines = printed(lambda screen: labels.table(screen, [one, other], NOW))
    assert lines[0] == "● ml-stack  118 packages  Python 3.11.7  @4  a minute ago"
    assert lines[-1] == "  web       1 package     Python 3.11.7  @4  just now"
    assert max(map(len, lines)) <= 80
    assert printed(lambda screen: labels.table(screen, []))[0].startswith("No snapshots yet")


GONE = Collected(tuple(range(290)), 10, 9, 1, 300, 412, 55, 1234, 0, 123_400_000, 0, 0, seconds=0.31)


def test_what_gc_did() -> None:
    """What left history and the store, what that frees, and how far undo still reaches."""
    assert printed(lambda screen: space.collected(screen, GONE)) == [
        "290 operations (@0 to @289) were pruned; 10 operations stay, undo can take back",
        "9 operations.",
        "1 ready tree, 712 manifests and segments, 1,234 files and 55 archives of copies",
        "went, for nothing kept needs them.",
        "Freed 123.4 MB in 0.31 s; it is being deleted now.",
    ]
    plan = GONE._replace(pruned=(3,), trees=0, copies=0, dry_run=True, idle=2_000_000, over=5_000_000)
    lines = printed(lambda screen: space.collected(screen, plan))
    assert lines[0] == "1 operation (@3) would be pruned; 10 operations stay, undo can take back 9"
    assert "Would free 123.4 MB." in lines
    assert "About 2.0 MB more lie in archives most of which is needed." in lines
    assert any("5.0 MB more than store.max_size" in line for line in lines)
    assert lines[-1] == "Nothing was changed (--dry-run)."
    packed = printed(lambda screen: space.collected(screen, GONE._replace(repacked=2)))
    assert " ".join(packed[4:6]) == (
        "2 archives of copies were packed anew, for most of what was in them is needed no more."
    )
    lines = printed(lambda screen: space.collected(screen, GONE._replace(pruned=(0, 2, 3))))
    assert lines[0].startswith("3 operations (between @0 and @3) were pruned")
    two = GONE._replace(pruned=(3, 4), rescued=("/home/u/late\x1b.log",))
    lines = printed(lambda screen: space.collected(screen, two))
    assert lines[0].startswith("2 operations (@3 and @4) were pruned")
    assert lines[-1] == "  /home/u/late\\x1b.log"


def test_gc_with_nothing_to_do() -> None:
    """Said in two lines."""
    nothing = Collected((), 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, notes=("A note",))
    assert printed(lambda screen: space.collected(screen, nothing)) == [
        "A note.",
        "History keeps all of its 1 operation; undo can take back 0 operations.",
        "Nothing to give back: all that is stored is needed.",
    ]


SPACE = Space(
    live=872_000_000,
    live_files=33_863,
    history=60_000_000,
    snapshots=0,
    others=0,
    copies=66_000_000,
    trees=16_900_000,
    tree_count=1,
    indexes=3_300_000,
    states=3_000_000,
    unclaimed=1_000,
    trash=0,
    rest=2_000_000,
    operations=12,
    named=(SnapshotSpace("baseline", 0, 0), SnapshotSpace("web", 4, 12_300_000)),
)


def test_where_the_space_is() -> None:
    """A line for each place something is in, the sum of the store, the snapshots."""
    assert printed(lambda screen: space.space(screen, SPACE)) == [
        "Environment           872.0 MB  33,863 files",
        "Store beyond it       151.2 MB  goes when the store goes",
        "  history              60.0 MB  only the 12 operations need it",
        "  second copies        66.0 MB  guard against edits in place",
        "  ready trees          16.9 MB  1 tree, for the next undo or restore",
        "  indexes               3.3 MB  what each file was when last looked at",
        "  states                3.0 MB  manifests and segments",
        "  not needed            1.0 kB  sysvenv gc gives it back",
        "  the rest              2.0 MB  directories, reserve, rescued files",
        "Snapshots: what deleting one, then sysvenv gc, would free",
        "  baseline             0 Bytes  @0",
        "  web                  12.3 MB  @4",
    ]
    assert json.loads(envelope.success("du", SPACE, []))["result"]["beyond"] == SPACE.beyond


def test_history_says_where_it_begins() -> None:
    """Pruned operations are no riddle."""
    lines = printed(
        lambda screen: timeline.listing(screen, listing(operation(), pruned=Pruned(((0, 3),), NOW)), now=NOW)
    )
    assert lines[-1].startswith("@3 and before were pruned by gc (last on 2027-")
    assert lines[-1].endswith("; snapshots stay.")


@pytest.mark.parametrize("outcome", ["created", "adopted", "brought back", "kept"])
def test_init(outcome: str) -> None:
    """What was done, and what to type when something breaks."""
    result = Initialised(outcome, "/home/u/venv", "3.11.7", 2, 764, ("/home/u/venv/x",), 3.2, ("A note",))
    lines = printed(lambda screen: setup.initialised(screen, result))
    assert lines[0].endswith("/home/u/venv")
    assert lines[1] == "  Python 3.11.7, 2 packages, 764 files, in 3.20 s"
    assert lines[-1].endswith("sysvenv undo")


def test_settings_are_shown_as_they_are_typed() -> None:
    """Values in TOML's words, each with what it may be; in 80 columns."""
    known = [(key, key.default) for key in config.keys()]  # noqa: SIM118
    lines = printed(lambda screen: setup.settings(screen, known))
    assert any(line.startswith("history.show_diff_after_install = true ") for line in lines)
    assert max(map(len, lines)) <= 80


# --- errors --------------------------------------------------------------------------------------------


def test_an_error_is_a_sentence_and_what_to_type() -> None:
    """Whatever style the module wrote it in."""
    assert printed(lambda screen: failure.error(screen, "no setting is called x", "give one")) == [
        "sysvenv: no setting is called x.",
        "  Give one",
    ]
    assert printed(lambda screen: failure.warnings(screen, ["odd key"])) == ["sysvenv: odd key."]


def test_waiting_names_the_holder() -> None:
    """Who, with what, for how long; later, how long we have been waiting."""
    holder = Holder(4242, "pip install " + "torch " * 30, NOW - 12)
    lines = printed(lambda screen: failure.waiting(screen, holder, 0.0, NOW))
    assert lines[0].startswith("sysvenv: Waiting for process 4242 (pip install torch")
    assert "at work for 12.0 s" in " ".join(lines)
    assert max(map(len, lines)) <= 80
    assert "another sysvenv or pip" in printed(lambda screen: failure.waiting(screen, None, 0.0, NOW))[0]
    later = " ".join(printed(lambda screen: failure.waiting(screen, holder._replace(since=0.0), 33.0, NOW)))
    assert "Still waiting for process 4242" in later
    assert "for 33.0 s already" in later
    assert "at work for" not in later


# --- JSON ----------------------------------------------------------------------------------------------


def test_the_envelope_of_each_result() -> None:
    """Every result of the operations is JSON: tuples with names are objects, sets arrays."""
    results: list[object] = [
        undone(programs=(Program(1, "init", "maps"),)),
        listing(operation(), line=frozenset({3, 1, 2})),
        Comparison("@1", "@2", UPGRADE, (FileChange("a\udcff", "added"),), FileCounts(1), operation()),
        STATUS,
        Checkup((Finding("error", "x", "y"),)),
        Recorded(operation(), None),
        {"snapshots": [Snapshot("a", "m", 1, 1.0, "", 2, "3.11.7")]},
        Initialised("kept", "/v", "3.11.7", 2, 3, (), 0.1),
    ]
    for result in results:
        value = json.loads(envelope.success("name", result, ["careful"]))
        assert value["sysvenv"] == envelope.VERSION
        assert (value["command"], value["ok"], value["warnings"]) == ("name", True, ["careful"])
        assert isinstance(value["result"], dict)
    listed = json.loads(envelope.success("history", results[1], []))["result"]
    assert listed["line"] == [1, 2, 3]
    assert listed["operations"][0]["packages"][0] == {"name": "six", "before": "1.16.0", "after": "1.17.0"}
    assert json.loads(envelope.success("verify", results[4], []))["result"]["damaged"] is True


def test_the_envelope_of_an_error() -> None:
    """Message, hint and exit code; a check that found something keeps its result."""
    value = json.loads(envelope.failure("undo", "There is nothing to undo.", "Run: sysvenv history", 3))
    assert value == {
        "sysvenv": 1,
        "command": "undo",
        "ok": False,
        "error": {"message": "There is nothing to undo.", "hint": "Run: sysvenv history", "exit_code": 3},
        "warnings": [],
    }
    both = json.loads(envelope.failure("verify", "1 error.", "", 4, [], Checkup(())))
    assert both["result"]["findings"] == []
