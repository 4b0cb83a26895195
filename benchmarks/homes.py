"""The environments that are compared: sysvenv's, with its hook, and plain ones for the peers."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from glob import glob

from benchmarks.pairs import Side
from benchmarks.synthetic import lay
from benchmarks.workplace import Workplace, files

Command = list[str]


class Venv:
    """A plain venv. pip is called as `python -m pip`, so that a copied venv uses its own."""

    def __init__(self, place: Workplace, root: str) -> None:
        self.place = place
        self.root = root
        self.python = os.path.join(root, "bin", "python")

    def create(self) -> None:
        """Make it, with pip alone: newer Pythons' venvs have no setuptools either."""
        self.place.run([base_python(), "-I", "-m", "venv", self.root])
        self.place.run(self.pip("uninstall", "--yes", "setuptools"))

    def copy(self, template: str) -> None:
        """Make it a copy of another, times and all, in place of what was there."""
        remove(self.root)
        os.makedirs(os.path.dirname(self.root), exist_ok=True)
        self.place.run(["cp", "-a", template, self.root])

    def pip(self, *arguments: str) -> Command:
        """A pip command in it."""
        return [self.python, "-m", "pip", *arguments]

    def call(self, *arguments: str) -> None:
        """Run pip in it, untimed."""
        self.place.run(self.pip(*arguments), self.environ())

    def environ(self) -> dict[str, str]:
        """For commands that work in it."""
        return self.place.environ()

    def side(
        self, name: str, *commands: Sequence[str], before: Callable[[], object] | None = None, most: int = 0
    ) -> Side:
        """Commands of it to be timed."""
        return Side(name, commands, self.environ(), before, most)

    @property
    def site(self) -> str:
        """Its site-packages."""
        (found,) = glob(os.path.join(self.root, "lib", "python*", "site-packages"))
        return found

    def count(self) -> int:
        """Files in it."""
        return len(files(self.root))

    def grow(self, total: int, seed: int) -> None:
        """Add synthetic distributions until there are `total` files; with that many already, nothing."""
        lay(self.site, max(total - self.count(), 0), seed, sys.implementation.cache_tag or "none")


class Home(Venv):
    """A sysvenv home and the venv in it."""

    def __init__(self, place: Workplace, root: str) -> None:
        super().__init__(place, os.path.join(root, "venv"))
        self.home = root

    def environ(self) -> dict[str, str]:
        return self.place.environ(SYSVENV_HOME=self.home)

    def sysvenv(self, *arguments: str) -> Command:
        """A sysvenv command as install.sh's launcher starts it."""
        start = "from sysvenv.__main__ import start; start()"
        return [self.place.tool, "-I", "-c", start, *arguments]

    def do(self, *arguments: str) -> str:
        """Run a sysvenv command, untimed."""
        return self.place.run(self.sysvenv(*arguments), self.environ())

    def adopt(self, template: str) -> None:
        """Take over a copy of `template`."""
        remove(self.home)
        self.copy(template)
        self.do("init")

    def forget(self) -> None:
        """Leave nothing of sysvenv but the venv, to take it over once more."""
        for name in os.listdir(self.home):
            if name != "venv":
                remove(os.path.join(self.home, name))
        os.unlink(os.path.join(self.root, ".sysvenv"))

    def forget_trees(self, aside: str) -> None:
        """Take away what stands ready, as store/FORMAT.md allows at any time: the next switch lays its tree out."""
        for tree in glob(os.path.join(self.home, "store/trees/*")):
            set_aside(tree, aside)


def fresh(place: Workplace) -> str:
    """Root of a plain venv with nothing but pip; made at the first call. Not to be changed: copy it."""
    venv = Venv(place, place.path("templates", "fresh"))
    if not os.path.exists(venv.root):
        venv.create()
    return venv.root


def base_python() -> str:
    """The interpreter our own environment was made with."""
    return str(getattr(sys, "_base_executable", sys.executable))


def set_aside(tree: str, aside: str) -> None:
    """Move a tree into the directory `aside`, if it is there. Deleting it would leave a file system with inodes that
    some (ext4 without a journal) do not take again at once, and whoever makes a tree next pays for that."""
    if os.path.lexists(tree):
        os.rename(tree, os.path.join(tempfile.mkdtemp(dir=aside), "tree"))


def remove(tree: str) -> None:
    """Delete a tree or a file, if it is there."""
    if os.path.isdir(tree) and not os.path.islink(tree):
        shutil.rmtree(tree)
    elif os.path.lexists(tree):
        os.unlink(tree)
