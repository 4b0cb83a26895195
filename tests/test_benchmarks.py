"""benchmarks/: what README says is what was measured, and what measures can be trusted."""

from __future__ import annotations

import ast
import os
import sys
from pathlib import Path

import pytest

from benchmarks import readme, report, results
from benchmarks.bars import BARS, TOLERANCE, Bar
from benchmarks.fingerprint import StatesDiffer, expect_same, fingerprint
from benchmarks.homes import Venv, fresh
from benchmarks.memory import peak
from benchmarks.pairs import CommandFailed, Sample, Side, adopt_orphans, alternate, ratio, run, spread
from benchmarks.results import Results
from benchmarks.scenarios import FILESYSTEM_BOUND, QUICK, SCENARIOS, growth, load
from benchmarks.synthetic import Writer, lay, wheels
from benchmarks.workplace import Workplace, files

ROOT = Path(__file__).resolve().parent.parent


def test_readme_shows_the_committed_figures() -> None:
    """The block between the markers is what `benchmarks/run --readme` makes of the committed JSON, to the letter."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    _, begun, rest = text.partition(readme.BEGIN + "\n")
    shown, ended, _ = rest.partition("\n" + readme.END)
    assert begun and ended, "README has lost the markers"
    assert shown == readme.block()


def test_a_plot_that_readme_shows_is_there() -> None:
    """Results are committed with their plots, or not at all."""
    plots = sorted(path.name for path in Path(results.FOLDER).glob("*.svg"))
    assert bool(plots) == bool(readme.committed())
    if plots:
        assert "undo.svg" in plots


def test_readme_tells_where_a_peer_wins() -> None:
    """A peer that is faster is named in words, not only in a column; and a missed bar is called missed."""
    found = Results({"cpu": "c", "cores": 2, "filesystem": "ext4", "python": "3", "uv": "1"}, ["a caveat"])
    found.figure("undo/one", "undo", [Sample(0.1, 0.1)])
    found.figure("undo/one", "uv", [Sample(0.03, 0.03)])
    found.figure("undo/one", "pip", [Sample(1.0, 1.0)])
    found.ratio("undo/1k", 1.3)
    found.ratio("undo/9k", 0.9)
    text = readme.render(found.document)
    assert text.index("a caveat") < text.index("| undo: one package | 0.1 s | 10 x |  | 0.3 x |  |")
    assert "uv wins (undo: one package)" in text
    found.ratio("undo/ml-twenty", 0.9)
    found.ratio("redo/ml-twenty", 0.91)
    text = readme.render(found.document, found.document)
    assert "Of 4 bars, 1 are kept. Missed:\n\n* undo / floor, 1k files 1.30 x (≤ 1.2 x).\n* undo / floor, ML" in text
    assert "20 packages upgraded 0.91 x (≤ 0.85 x): what the two states do not share" in text
    assert "On ext4, in a file that is mounted, of 4 bars, 1 are kept. Missed:\n\n* undo / floor, 1k files" in text


def test_statistics() -> None:
    """Medians, and ratios pair by pair: one slow minute that met both sides changes nothing."""
    assert spread([3.0, 1.0, 2.0]) == (2.0, 1.0, 3.0, 3)
    assert ratio([2.0, 20.0, 2.0], [1.0, 10.0, 1.0]) == 2.0
    assert ratio([40.0], [1.0, 2.0, 3.0]) == 20.0


def test_sides_take_turns(tmp_path: Path) -> None:
    """A B A B, each after what puts its state back; a slow peer runs no oftener than it may, and has no warm-up."""
    log = tmp_path / "log"

    def side(name: str, most: int = 0) -> Side:
        def before() -> None:
            log.write_text((log.read_text() if log.exists() else "") + name.lower())

        return Side(name, [["sh", "-c", f"printf {name} >>{log}"]], os.environ, before, most)

    series = alternate([side("A"), side("B"), side("C", most=1)], runs=2, warm=1)
    assert log.read_text() == "aAbB" + "aAbBcC" + "aAbB"
    assert {name: len(samples) for name, samples in series.items()} == {"A": 2, "B": 2, "C": 1}


def test_a_run_waits_for_what_it_left_behind(tmp_path: Path) -> None:
    """What a command leaves running ends before the next is timed, and is not part of its time."""
    if not sys.platform.startswith("linux"):
        pytest.skip("orphans are adopted on Linux only")
    late = tmp_path / "late"
    adopt_orphans()
    try:
        sample = run([["sh", "-c", f"(sleep 0.5; echo >{late}) & exit 0"]], os.environ)
    finally:
        adopt_orphans(False)
    assert late.exists()
    assert sample.wall < 0.4


def test_a_failing_command_is_no_measurement() -> None:
    """A command that fails ends the run and says what it printed."""
    with pytest.raises(CommandFailed, match=r"exit code 3: sh -c .*\nbecause"):
        run([["sh", "-c", "echo because; exit 3"]], os.environ)


def test_peak_memory_adds_up_the_processes() -> None:
    """A command that forks costs what both halves have, not what the larger one has."""
    if not os.path.exists("/proc/self/smaps_rollup"):
        pytest.skip("needs /proc/PID/smaps_rollup")
    hold = "import os, time; child = os.fork(); held = b'x' * 40_000_000; time.sleep(0.3); child and os.wait()"
    assert 80e6 < peak([sys.executable, "-I", "-S", "-c", hold], os.environ) < 130e6


def test_bars_are_ratios_with_names_of_their_own() -> None:
    """Each ratio has one bar; what is gated is 20 % from failing."""
    names = [bar.ratio for bar in BARS]
    assert len(names) == len(set(names))
    slow, fast = Bar("a", "", 1.0), Bar("b", "", 3.0, at_most=False)
    assert slow.met(1.0) and not slow.met(1.01) and slow.tolerable(TOLERANCE) and not slow.tolerable(1.21)
    assert fast.met(3.0) and not fast.met(2.99) and fast.tolerable(2.5) and not fast.tolerable(2.49)


def test_the_gate_fails_on_gated_bars_alone() -> None:
    """--quick fails for the floor and for plain pip, beyond the tolerance."""
    found = Results({})
    found.ratio("undo/9k", 1.19)
    found.ratio("record/ml", 1.33)
    found.ratio("start/status", 9.0)
    missed, kept = report.gate(found.document)
    assert missed == [
        "pip install six, recorded / plain pip, ML venv: 1.33 x, more than 20% worse than its bar ≤ 1.1 x"
    ]
    assert kept == 1


def test_scenarios_are_those_that_are_listed() -> None:
    """Every module in scenarios/ is named in the table, and can be loaded."""
    modules = {path.stem for path in (ROOT / "benchmarks/scenarios").glob("*.py")} - {"__init__"}
    assert modules == set(SCENARIOS) | set(QUICK)
    for name in modules:
        assert callable(load(name))
    assert set(FILESYSTEM_BOUND) <= modules


def test_synthetic_files_are_the_same_for_the_same_seed(tmp_path: Path) -> None:
    """Two machines measure the same trees: as many files as asked, byte for byte; modules compile."""
    for name, seed in (("one", 7), ("two", 7), ("three", 8)):
        lay(str(tmp_path / name), 1000, seed, "cpython-310")

    def contents(name: str) -> dict[str, bytes]:
        root = str(tmp_path / name)
        return {os.path.relpath(path, root): Path(path).read_bytes() for path in files(root)}

    one = contents("one")
    assert len(one) == 1000
    assert one == contents("two")
    assert one != contents("three")
    suffixes = [os.path.splitext(path)[1] for path in one]
    assert 300 < suffixes.count(".py") < 350 and 300 < suffixes.count(".pyc") < 350
    for path, content in one.items():
        if path.endswith(".py"):
            compile(content, path, "exec")
    sizes = sorted(len(content) for content in one.values())
    assert 2000 < sizes[500] < 8000
    assert (
        wheels(str(tmp_path / "a"), "demo", 1, 30, 7) == wheels(str(tmp_path / "b"), "demo", 1, 30, 7) == ["demo0==1.0"]
    )
    (first,), (second,) = (tmp_path / "a").iterdir(), (tmp_path / "b").iterdir()
    assert first.read_bytes() == second.read_bytes()


def test_content_is_as_long_as_the_mix_says() -> None:
    """No file is cut short of the size drawn for it: the mean is that of the table."""
    writer = Writer(1)
    lengths = [len(writer.content(".py")) for _ in range(3000)]
    assert min(lengths) == 0
    assert 9_000 < sum(lengths) / len(lengths) < 15_000


def test_states_that_differ_are_found(tmp_path: Path) -> None:
    """An mtime that is not back makes the measurement void."""
    (tmp_path / "file").write_text("x")
    before = fingerprint(str(tmp_path))
    expect_same(fingerprint(str(tmp_path)), before, "nothing")
    os.utime(tmp_path / "file", ns=(1, 1))
    with pytest.raises(StatesDiffer, match=r"^something: 1 paths differ, e.g. file: "):
        expect_same(fingerprint(str(tmp_path)), before, "something")


def test_results_are_read_back(tmp_path: Path) -> None:
    """Figures have four digits and a fixed order; a file of another version is refused."""
    found = Results({"cpu": "x"})
    found.figure("a", "side", [Sample(0.123456, 0.1), Sample(0.2, 0.1), Sample(0.1, 0.1)], files=3)
    results.write(found.document, str(tmp_path / "a.json"))
    again = results.read(str(tmp_path / "a.json"))
    assert again == found.document
    assert again["figures"]["a"]["side"]["seconds"] == 0.1235
    (tmp_path / "a.json").write_text((tmp_path / "a.json").read_text().replace('"version": 1', '"version": 99'))
    with pytest.raises(ValueError, match="version 99"):
        results.read(str(tmp_path / "a.json"))


def test_one_scenario_is_measured_anew() -> None:
    """Its figures take the place of those kept; all others stay."""
    kept, found = Results({"cores": 1}, ["old"]), Results({"cores": 2}, ["new"])
    for results_of, seconds in ((kept, 1.0), (found, 2.0)):
        results_of.figure("undo/one", "undo", [Sample(seconds, seconds)])
        results_of.ratio("undo/1k", seconds)
        results_of.checked("one")
    kept.figure("start", "help", [Sample(3.0, 3.0)])
    kept.checked("other")
    document = results.merged(kept.document, found.document)
    assert document["figures"]["undo/one"]["undo"]["seconds"] == document["ratios"]["undo/1k"] == 2.0
    assert document["figures"]["start"]["help"]["seconds"] == 3.0
    assert (document["checked"], document["caveats"]) == (["one", "other"], ["new"])


def test_measures_from_outside() -> None:
    """benchmarks/ uses the command line alone, so it measures what users have; matplotlib stays in one module."""
    for path in (ROOT / "benchmarks").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                top = name.partition(".")[0]
                allowed = {*sys.stdlib_module_names, "benchmarks", "tests"}
                allowed |= {"matplotlib"} if path.stem == "plots" else {"click"} if path.stem == "floor" else set()
                assert top in allowed, f"{path}: {name}"


@pytest.mark.slow
def test_a_scenario_from_end_to_end(tmp_path: Path) -> None:
    """A home is made, undo, redo and restore are timed beside the floor, and all end where they should."""
    place = Workplace(str(tmp_path / "work"), str(tmp_path / "cache"), Results({}), quick=False)
    assert Venv(place, fresh(place)).count() > 100
    home, plain = growth.build(place, "1k")
    assert plain.count() >= 1000
    growth.rewinding(place, "1k", home, runs=1)
    figures = place.results.document["figures"]
    assert set(figures["growth/1k"]) == {"undo", "redo", "floor"}
    assert set(place.results.document["ratios"]) == {"adopt/1k", "undo/1k", "redo/1k", "restore/1k"}
    assert all(0.2 < value < 20 for value in place.results.document["ratios"].values())
    assert [line.partition(":")[2].split(":")[0].strip() for line in place.results.document["checked"]] == [
        "adopted, and the venv before", "redo", "undo", "restore",
    ]  # fmt: skip
