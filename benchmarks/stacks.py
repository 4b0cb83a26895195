"""The pinned stacks: their wheels, downloaded once, and venvs made of them."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
import zipfile
from glob import glob

from benchmarks.homes import Command, Venv, base_python, fresh, remove
from benchmarks.pairs import CommandFailed
from benchmarks.workplace import Workplace

_HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "stacks")
STACKS = ("ml", "web")

UPGRADED = (
    "attrs", "babel", "beautifulsoup4", "bleach", "certifi", "idna", "jedi", "joblib", "jsonschema", "nbconvert",
    "networkx", "nltk", "parso", "patsy", "pygments", "requests", "seaborn", "sympy", "tqdm", "traitlets", "urllib3",
)  # fmt: skip
"""Packages of the ML stack that are upgraded together: pure Python, of all sizes."""


def requirements(stack: str) -> str:
    """Path of the list of a stack, `name==version` a line."""
    return os.path.join(_HERE, f"{stack}.txt")


def lines(stack: str) -> list[str]:
    """The requirements of a stack."""
    return _text(requirements(stack)).split()


def wheelhouse(place: Workplace) -> str:
    """Directory of the wheels of all stacks; they are downloaded when one is missing. Raises CommandFailed."""
    house = os.path.join(place.cache, f"wheels-{sys.version_info.major}.{sys.version_info.minor}")
    for stack in STACKS:
        complete = os.path.join(house, f"{stack}.complete")
        wanted = _text(requirements(stack))
        if os.path.exists(complete) and _text(complete) == wanted:
            continue
        place.say(f"downloading the wheels of the {stack} stack into {house}, once")
        os.makedirs(house, exist_ok=True)
        # With the user's own pip settings: a mirror or a certificate may be what it needs.
        command = [sys.executable, "-I", "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
        command += ["--only-binary=:all:", "--dest", house, "--find-links", house, "-r", requirements(stack)]
        if subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode:
            raise CommandFailed(f"the wheels of {requirements(stack)} could not be downloaded (pip says why above)")
        with open(complete, "w", encoding="utf-8") as file:
            file.write(wanted)
    return house


def offline(house: str) -> Command:
    """Arguments that let pip find the wheels and nothing else."""
    return ["--no-index", "--find-links", house]


def install(house: str, *what: str) -> Command:
    """Arguments of a pip install from `house` that resolves nothing: what is given is complete."""
    return ["install", "--no-deps", *offline(house), *what]


def _template(place: Workplace, stack: str) -> Venv:
    return Venv(place, place.path("stacks", stack))


def keep(venv: Venv, stack: str) -> None:
    """A stack was installed into a fresh venv anyway: let :func:`stack_venv` have a copy."""
    _template(venv.place, stack).copy(venv.root)


def stack_venv(place: Workplace, stack: str) -> str:
    """Root of a plain venv with a stack, installed by pip; made at the first call. Not to be changed: copy it."""
    venv = _template(place, stack)
    if not os.path.exists(venv.root):
        if place.first is not None:
            venv.copy(stack_venv(place.first, stack))
            return venv.root
        house = wheelhouse(place)
        place.say(f"pip installs the {stack} stack into a plain venv")
        venv.copy(fresh(place))
        venv.call(*install(house, "-r", requirements(stack)))
    return venv.root


class UvVenv(Venv):
    """A venv that uv keeps in step with a list, by hardlinks out of its cache."""

    def create(self) -> None:
        """Make an empty one. The first sync of a list fills uv's cache, so it must be untimed."""
        remove(self.root)
        self.place.run([uv(), "venv", "--quiet", "--python", base_python(), self.root], self.environ())

    def sync(self, wanted: str, more: str = "", compile: bool = False) -> Command:
        """The command that makes it hold what a list says and nothing else; `more` is a second wheelhouse."""
        command = [uv(), "pip", "sync", "--quiet", "--offline", "--no-index", "--allow-empty-requirements"]
        for house in filter(None, (wheelhouse(self.place), more)):
            command += ["--find-links", house]
        return [*command, *(["--compile-bytecode"] if compile else []), "--python", self.python, wanted]


def uv() -> str:
    """The uv of our environment."""
    return os.path.join(os.path.dirname(sys.executable), "uv")


def list_file(place: Workplace, name: str, wanted: list[str]) -> str:
    """A requirements file with these lines; its path."""
    path = place.path("lists", f"{name}.txt")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join([*wanted, ""]))
    return path


def successors(place: Workplace, names: tuple[str, ...] = UPGRADED) -> tuple[str, list[str], list[str]]:
    """Wheels of the next version of packages of the ML stack, each module changed, made from those of the stack.

    Returns their directory, the old requirements and the new ones. Names the stack does not have, or whose version
    takes no post-release, are left out.
    """
    house = wheelhouse(place)
    made = place.path("successors", "")
    pinned = {line.partition("==")[0].lower().replace("-", "_"): line for line in lines("ml")}
    old: list[str] = []
    new: list[str] = []
    for name in names:
        pin = pinned.get(name)
        if pin is None or len(old) == 20:
            continue
        version = pin.partition("==")[2]
        (wheel,) = glob(os.path.join(house, f"{name}-{version}-*.whl"))
        _succeed(wheel, made, version, f"{version}.post1")
        old.append(pin)
        new.append(f"{pin}.post1")
    return made, old, new


def _succeed(wheel: str, directory: str, version: str, successor: str) -> None:
    """Write the wheel again as a later version: a comment at the end of each module, names and RECORD in keeping."""
    stem = os.path.basename(wheel).split("-")
    old_info, new_info = f"{stem[0]}-{version}.dist-info", f"{stem[0]}-{successor}.dist-info"
    record = []
    target = os.path.join(directory, "-".join([stem[0], successor, *stem[2:]]))
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(target, "w") as archive:
        for entry in source.infolist():
            if entry.is_dir() or entry.filename == f"{old_info}/RECORD":
                continue
            content = source.read(entry)
            path = entry.filename.replace(old_info, new_info, 1)
            if path == f"{new_info}/METADATA":
                content = content.replace(f"Version: {version}\n".encode(), f"Version: {successor}\n".encode(), 1)
                content = content.replace(f"Version: {version}\r\n".encode(), f"Version: {successor}\n".encode(), 1)
            elif path.endswith(".py"):
                content += f"\n# {successor}\n".encode()
            archive.writestr(path, content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            record.append(f"{path},sha256={digest},{len(content)}")
        archive.writestr(f"{new_info}/RECORD", "\n".join([*record, f"{new_info}/RECORD,,", ""]))


def _text(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()
