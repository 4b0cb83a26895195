"""The shape of the code, told from its syntax trees: who imports whom, who owns a library, start-up."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sysvenv.cli.table import COMMANDS

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted(path for package in ("store", "sysvenv") for path in (ROOT / package).rglob("*.py"))
THIRD_PARTY = {"click", "packaging", "humanize", "tomli", "xxhash", "backports", "compression"}

# Lower may not import higher. What is not named here is a noun of the manifest layer, NOUN.
STORE, NOUN, OPERATION, RENDER, SUPERVISOR, EDGE = range(6)
LAYERS = {
    "sysvenv.operations": OPERATION,
    "sysvenv.render": RENDER,
    "sysvenv.supervise": SUPERVISOR,
    "sysvenv.tidier": SUPERVISOR,
    "sysvenv.cli": EDGE,
    "sysvenv.demo": EDGE,
    "sysvenv.__main__": EDGE,
}
# Who may import a library, as prefixes of module names. STYLE: one owner a library.
OWNERS = {
    "click": ("sysvenv.cli", "sysvenv.__main__", "sysvenv.render"),
    "humanize": ("sysvenv.render",),
}
SINGLE_OWNER = ("xxhash", "packaging", "tomli", "ctypes", "backports.zstd")
FORBIDDEN_NAMES = {"util", "utils", "helper", "helpers", "common", "misc"}
# Runs in the managed venv's own Python, not in ours: it may import nothing but the standard library.
HOOK = ("sysvenv.pip_hook", "sysvenv.pip_gate")


def module_name(path: Path) -> str:
    """`sysvenv.cli.undo` for sysvenv/cli/undo.py; a package for its __init__."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


OURS = {module_name(path) for path in MODULES}


def layer(module: str) -> int:
    """The layer a module of ours belongs to."""
    if module.split(".")[0] == "store":
        return STORE
    for prefix, number in LAYERS.items():
        if module == prefix or module.startswith(prefix + "."):
            return number
    return NOUN


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Absolute names of all modules `path` imports, at any depth, with the line. None may be relative."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            assert node.module
            for alias in node.names:  # `from sysvenv import dists` means sysvenv.dists
                submodule = f"{node.module}.{alias.name}"
                yield submodule if submodule in OURS else node.module, node.lineno


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_imports_point_down(path: Path) -> None:
    """cli -> supervise -> render -> operations -> nouns -> store; store knows nothing of Python packaging."""
    name = module_name(path)
    for imported, line in imports(path):
        top = imported.split(".")[0]
        where = f"{path.relative_to(ROOT)}:{line} imports {imported}"
        if top in ("sysvenv", "store"):
            assert layer(imported) <= layer(name) or imported == "sysvenv", f"{where}, which lies above it"
        if layer(name) == STORE:
            assert top not in {"sysvenv", "click", "packaging", "humanize", "tomli"}, where
        assert top in sys.stdlib_module_names | THIRD_PARTY | {"sysvenv", "store"}, f"{where}: not a dependency"
        for library, owners in OWNERS.items():
            if top == library:
                assert name.startswith(owners), f"{where}; only {', '.join(owners)} may"


@pytest.mark.parametrize("library", SINGLE_OWNER)
def test_one_owner_a_library(library: str) -> None:
    """A library that could be replaced is imported by one module."""
    users = {
        module_name(path)
        for path in MODULES
        if any(imported == library or imported.startswith(library + ".") for imported, _ in imports(path))
    }
    assert len(users) <= 1, f"{library} is imported by {sorted(users)}"


def test_one_module_makes_hardlinks() -> None:
    """os.link stands in one module: what it does about EMLINK and EXDEV is decided once."""
    callers = {module_name(path) for path in MODULES if "link" in attributes_of(path, "os")}
    assert len(callers) <= 1, f"os.link in {sorted(callers)}"


def test_environment_is_read_at_the_edge() -> None:
    """Nothing in the core reads os.environ: the edge does, and passes values down."""
    for path in MODULES:
        if layer(module_name(path)) <= OPERATION and module_name(path) not in (*HOOK, "sysvenv.environ"):
            assert not {"environ", "getenv", "environb"} & attributes_of(path, "os"), path


def attributes_of(path: Path, module: str) -> set[str]:
    """Attributes of `module` that `path` names, as os.link or by `from os import link`."""
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == module:
            found.add(node.attr)
        if isinstance(node, ast.ImportFrom) and node.module == module:
            found.update(alias.name for alias in node.names)
    return found


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_a_module_has_a_name_and_a_size(path: Path) -> None:
    """A module is named for what it holds, and holds what a person can read in one go."""
    assert path.stem not in FORBIDDEN_NAMES
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= 400, f"{path.relative_to(ROOT)} has {lines} lines"


def test_imports_of_our_own_modules_have_no_cycle() -> None:
    """Each module can be understood after those it imports (imports for type checkers only do not count)."""
    edges = {module_name(path): {name for name, _ in run_time_imports(path)} for path in MODULES}
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " -> ".join((*above, name))
        if name in done:
            return
        for imported in sorted(edges.get(name, ())):
            if imported in edges:
                visit(imported, (*above, name))
        done.add(name)

    for name in edges:
        visit(name, ())


def run_time_imports(path: Path) -> Iterator[tuple[str, int]]:
    """As `imports`, without what stands below `if TYPE_CHECKING:`."""
    skipped = {
        inner.lineno
        for node in ast.walk(tree(path))
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
        if isinstance(inner, (ast.Import, ast.ImportFrom))
    }
    return ((name, line) for name, line in imports(path) if line not in skipped)


def test_the_hook_is_standard_library_only() -> None:
    """The files laid into the managed venv run in a Python that has none of our packages; they find each other."""
    for name in HOOK:
        for imported, line in imports(ROOT.joinpath(*name.split(".")).with_suffix(".py")):
            known = imported in HOOK or imported.split(".")[0] in sys.stdlib_module_names
            assert known, f"{name}, line {line}: {imported}"


# --- start-up ------------------------------------------------------------------------------------------

HEAVY = {
    "packaging",
    "humanize",
    "tomli",
    "xxhash",
    "json",
    "subprocess",
    "tempfile",
    "pathlib",
    "importlib.metadata",
    "hashlib",
    "urllib",
    "logging",
    "store",
    "sysvenv.operations",
}


def started(arguments: list[str]) -> set[str]:
    """Names of the modules loaded when `sysvenv ARGUMENTS` ends that Python with click has not loaded."""
    code = (
        "import sys, runpy, click; before = set(sys.modules)\n"
        f"sys.path.insert(0, {str(ROOT)!r}); sys.argv = {['sysvenv', *arguments]!r}\n"
        "try:\n    runpy.run_module('sysvenv', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print('\\nMODULES', *sorted(set(sys.modules) - before))"
    )
    answer = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    return set(answer.stdout.rpartition("MODULES")[2].split())


@pytest.mark.parametrize("arguments", [["--version"], ["--help"]], ids=" ".join)
def test_start_up_imports_no_command(arguments: list[str]) -> None:
    """--version and --help cost Python and click: no command module, no store, no heavy library."""
    loaded = started(arguments)
    assert loaded, "the modules were not told"
    heavy = {name for name in loaded for weight in HEAVY if name == weight or name.startswith(weight + ".")}
    assert not heavy
    assert not loaded & {entry.module for entry in COMMANDS.values()}


@pytest.mark.parametrize("place", ["cwd", "PYTHONPATH"])
@pytest.mark.parametrize("way", ["command", "python -I -m"])
def test_a_decoy_store_package_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, way: str
) -> None:
    """`store` is a common name: one lying about in a project must not be mistaken for ours."""
    command = Path(sys.executable).parent / "sysvenv"
    if not command.exists():
        pytest.skip("sysvenv is not installed in this environment (tests/run installs it)")
    for package in ("store", "click"):
        decoy = tmp_path / "project" / package
        decoy.mkdir(parents=True)
        (decoy / "__init__.py").write_text("raise SystemExit('the decoy was imported')\n")
    if place == "PYTHONPATH":
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "project"))
    words = [str(command)] if way == "command" else [sys.executable, "-I", "-m", "sysvenv"]
    for argument in ("--version", "status"):
        answer = subprocess.run(
            [*words, argument], cwd=tmp_path / "project", capture_output=True, text=True, check=False
        )
        assert "the decoy was imported" not in answer.stdout + answer.stderr
        assert "Traceback" not in answer.stderr
        if argument == "--version":
            assert (answer.returncode, answer.stdout.split()[:1]) == (0, ["sysvenv"]), answer
