"""`./install.sh --demo`: the main job, for real, in a home that is thrown away.

Installs Flask from PyPI, breaks it by an upgrade, takes that back, does it again, and switches between two
stacks. What pip needs for the same is done, and timed, in a second plain venv. Nothing is simulated; the
wheels are fetched beforehand, so that neither side waits for the network.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import stat
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from subprocess import DEVNULL, PIPE, STDOUT, Popen
from urllib.parse import quote

from store.named import NamedTuple
from sysvenv.errors import SysvenvError
from sysvenv.venv import create

OLD = ["flask==2.2.2", "werkzeug==2.2.3"]
UPGRADE = ["werkzeug==3.0.3"]  # Flask 2.2.2 says werkzeug>=2.2.2, so pip has no objection
NEW = ["flask==3.0.3", "requests==2.32.3", "rich==13.9.4"]
IMPORT = 'python -c "import flask"'
BESIDE = " " * 20  # what has no time stands beside the two columns of seconds


class Row(NamedTuple):
    """One line of the closing table."""

    what: str
    ours: float
    """Seconds."""
    pips: float
    """Seconds pip took for the same, in a plain venv."""


class Demo:
    """Two environments side by side, ours and a plain one, and how long each step took in them."""

    def __init__(self, place: str) -> None:
        """`place` is an empty directory."""
        self.wheels = place + "/wheels"
        self.plain = place + "/plain"
        self.venv = place + "/home/venv"
        self.place = place
        self.rows: list[Row] = []
        kept = ("PIP_", "PYTHON", "SYSVENV", "VIRTUAL_ENV")
        self.outside = {name: value for name, value in os.environ.items() if not name.startswith(kept[1:])}
        self.environ = {name: value for name, value in self.outside.items() if not name.startswith(kept)}
        links = "file://" + quote(self.wheels)  # pip splits the setting at blanks
        self.environ |= {"SYSVENV_HOME": place + "/home", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": links}
        self.environ |= {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}

    def prepare(self) -> None:
        """A plain venv and all wheels. Raises SysvenvError when PyPI cannot be reached."""
        create(self.plain, None)
        pip = [self.plain + "/bin/python", "-m", "pip", "download", "--quiet", "--only-binary=:all:"]
        for stack in (OLD, UPGRADE, NEW):
            answer = _run([*pip, "--dest", self.wheels, *stack], self.outside)
            if answer.code:
                raise SysvenvError(
                    "PyPI could not be reached for the packages of the demo; sysvenv itself is installed",
                    "check the network, then run ./install.sh --demo again",
                )

    def type(self, command: str, by_pip: float | None = None) -> float:
        """Run `command` as typed with our venv on PATH; show it with its seconds, which are returned, and pip's."""
        words = command.split()
        if words[0] == "sysvenv":
            words = [sys.executable, "-I", "-m", "sysvenv", *words[1:]]
        else:
            words[0] = f"{self.venv}/bin/{words[0]}"
        answer = _run(words, self.environ)
        if answer.code:
            raise SysvenvError(f"the demo's step '{command}' failed:\n{answer.output}")
        beside = "" if by_pip is None else f"{by_pip:.2f} s"
        print(f"{answer.seconds:7.2f} s {beside:>9} $ {command}", flush=True)
        return answer.seconds

    def pip(self, *commands: Sequence[str]) -> float:
        """Seconds the plain venv's pip takes for `commands`, each a list of arguments."""
        seconds = 0.0
        for arguments in commands:
            answer = _run([self.plain + "/bin/pip", *arguments], self.environ)
            if answer.code:
                raise SysvenvError(f"plain pip failed at '{' '.join(arguments)}':\n{answer.output}")
            seconds += answer.seconds
        return seconds

    def compare(self, what: str, command: str, *pips: Sequence[str]) -> None:
        """Type `command`, have pip do the same by `pips`, show both and keep them for the table."""
        by_pip = self.pip(*pips)
        self.rows.append(Row(what, self.type(command, by_pip), by_pip))

    def try_import(self) -> None:
        """Show whether Flask can be imported, with the last line of the traceback where it cannot."""
        answer = _run([self.venv + "/bin/python", "-c", "import flask"], self.environ)
        result = "works" if answer.code == 0 else answer.output.strip().splitlines()[-1].partition(" (")[0]
        print(f"{BESIDE}$ {IMPORT}", flush=True)
        for line in textwrap.wrap(result, 80 - len(BESIDE) - 2):
            print(f"{BESIDE}  {line}", flush=True)

    def expect(self, before: dict[str, tuple[object, ...]]) -> None:
        """Compare the live environment with `before`, to the byte. Raises SysvenvError where it differs."""
        now = fingerprint(self.venv)
        different = [path for path in before.keys() | now.keys() if before.get(path) != now.get(path)]
        if different:
            raise SysvenvError(f"{len(different)} files are not as they were, e.g. {sorted(different)[0]}")
        print(f"{BESIDE}  all {len(now):,} files, links and mtimes are as they were", flush=True)

    def freeze(self) -> list[str]:
        """What `pip freeze` says in the plain venv."""
        return _run([self.plain + "/bin/pip", "freeze"], self.environ).output.split()


class Answer(NamedTuple):
    """How a program ended."""

    code: int
    output: str
    """stdout and stderr together."""
    seconds: float


def main() -> int:
    """Run the demo in a directory that is gone afterwards, also after Ctrl-C. Returns an exit code."""
    for name in ("SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), _interrupt)
    try:
        with _throwaway() as place:
            demo = Demo(place)
            print(f"All below happens in {place}; your own venv is not touched.")
            print("Fetching the wheels first, so that nobody waits for the network ...\n", flush=True)
            demo.prepare()
            print(f"{'sysvenv':>9} {'pip alone':>9}")
            _break_and_undo(demo)
            _switch(demo)
            _table(demo.rows)
        print("\nThe throwaway home is gone. Your own is ready: pip install ..., sysvenv undo")
    except KeyboardInterrupt:
        print("\nInterrupted; the throwaway home is gone.", file=sys.stderr)
        return 130
    except (SysvenvError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


def _break_and_undo(demo: Demo) -> None:
    demo.type("sysvenv init")
    install = ["install", *OLD]
    demo.compare("install a stack", "pip " + " ".join(install), install)
    demo.try_import()
    before = fingerprint(demo.venv)
    upgrade = ["install", *UPGRADE]
    demo.compare("upgrade one package", "pip " + " ".join(upgrade), upgrade)
    demo.try_import()
    after = fingerprint(demo.venv)
    demo.compare("take the upgrade back", "sysvenv undo", ["install", OLD[1]])
    demo.expect(before)
    demo.try_import()
    demo.compare("do it again", "sysvenv redo", upgrade)
    demo.expect(after)
    demo.type("sysvenv undo")
    demo.pip(["install", OLD[1]])


def _switch(demo: Demo) -> None:
    print()
    demo.type("sysvenv snapshot old-site")
    old, old_tree = demo.freeze(), fingerprint(demo.venv)
    demo.type("pip install " + " ".join(NEW))
    demo.pip(["install", *NEW])
    demo.type("sysvenv snapshot new-site")
    new, new_tree = demo.freeze(), fingerprint(demo.venv)
    names = {line.partition("==")[0] for line in old}
    extra = [name for line in new if (name := line.partition("==")[0]) not in names]
    to_old, to_new = (["install", *old], ["uninstall", "-y", *extra]), ["install", *new]
    demo.compare("switch to the old stack", "sysvenv restore old-site", *to_old)
    demo.expect(old_tree)
    demo.compare("switch to the new stack", "sysvenv restore new-site", to_new)
    demo.expect(new_tree)
    demo.compare("and back again", "sysvenv restore old-site", *to_old)


def _table(rows: Sequence[Row]) -> None:
    print(f"\n  {'':<30} {'sysvenv':>9} {'pip alone':>10}")
    for what, ours, pips in rows:
        ratio = f"{pips / ours:5.1f} x faster" if ours < pips else f"{ours - pips:+.2f} s to record it"
        print(f"  {what:<30} {ours:7.2f} s {pips:8.2f} s   {ratio}")
    print("\nBy pip means knowing the old versions; it brings back those, not the same files.")


def fingerprint(root: str) -> dict[str, tuple[object, ...]]:
    """What is to be the same after an undo, by path: mode; mtime and content of files; target of symlinks.

    Without what is sysvenv's own there: the hook, its marker and uv's lock.
    """
    found: dict[str, tuple[object, ...]] = {}
    for directory, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(directory, name)
            facts = os.lstat(path)
            if name.startswith(("_sysvenv.", "_sysvenv_gate.", ".sysvenv")) or name == ".lock":
                continue
            if stat.S_ISLNK(facts.st_mode):
                found[path] = (os.readlink(path),)
            elif stat.S_ISDIR(facts.st_mode):
                found[path] = (facts.st_mode,)
            else:
                with open(path, "rb") as file:
                    found[path] = (facts.st_mode, facts.st_mtime_ns, hashlib.blake2b(file.read()).digest())
    return found


def _run(words: Sequence[str], environ: dict[str, str]) -> Answer:
    """Run a program to its end; when we are interrupted it is ended and waited for."""
    start = time.perf_counter()
    with Popen(words, env=environ, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT) as process:
        try:
            output = process.communicate()[0].decode(errors="replace")
        except KeyboardInterrupt:
            process.terminate()
            process.wait()
            raise
    return Answer(process.returncode, output, time.perf_counter() - start)


@contextmanager
def _throwaway() -> Iterator[str]:
    """A temporary directory that is removed in any case; a second try for what a dying child still wrote."""
    place = os.path.realpath(tempfile.mkdtemp(prefix="sysvenv-demo-"))
    try:
        yield place
    finally:
        for _ in range(20):
            shutil.rmtree(place, ignore_errors=True)
            if not os.path.exists(place):
                break
            time.sleep(0.1)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
