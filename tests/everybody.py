"""A machine of its own with root and two users: install.sh --system in a private mount namespace. Needs root.

Overlays lie over /usr/local, /opt and /etc/profile.d, so nothing of the machine itself is changed.
"""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from images import need
from open_tool import open_tool

REPOSITORY = Path(__file__).parent.parent
ROOT, ALICE, BOB = 0, 61001, 61002
PLACES = ("/usr/local", "/opt", "/etc/profile.d")
Answer = subprocess.CompletedProcess[str]
_ENTER = """
mount --make-rprivate / && mount -t tmpfs -o mode=755 tmpfs "$1" || exit 9
shift
for place; do
    mkdir -p "$place" "$layers/over$place" "$layers/work$place" &&
        mount -t overlay -o "lowerdir=$place,upperdir=$layers/over$place,workdir=$layers/work$place" overlay "$place" ||
        exit 9
done
mkdir -p /usr/local/bin /usr/local/lib
rm -rf /usr/local/bin/pip /usr/local/bin/pip3 /usr/local/bin/sysvenv /usr/local/lib/sysvenv /opt/system-python
echo ready
exec sleep 3600
"""
# Stands in for Python where install.sh builds the tool: what it makes starts the one that is there already.
_BUILDER = """#!/bin/sh
case "$*" in
*ensurepip.version*) printf '3.11.9\\nvenv\\n%s\\n\\n' "$0" ;;
"-I -m venv "*) mkdir -p "$4/bin" && sed s/BUILDER/BUILT/ "$0" >"$4/bin/python" && chmod 755 "$4/bin/python" ;;
"-I -m pip install "*) [ BUILDER = BUILT ] ;;
*) exec TOOL "$@" ;;
esac
"""


class Everybody:
    """The machine, entered by one command at a time."""

    def __init__(self, place: Path, tool: str, pid: int) -> None:
        self.place = place
        self._pid = pid
        self._builder = place / "builder/python3.11"
        self._builder.parent.mkdir()
        self._builder.write_text(_BUILDER.replace("TOOL", tool).replace("[ BUILDER = BUILT ]", ":"))
        self._builder.chmod(0o755)
        for user in (ROOT, ALICE, BOB):
            self.home(user).mkdir()
            os.chown(self.home(user), user, user)
        self.checkout = place / "a checkout"
        self.checkout.mkdir()
        for name in ("pyproject.toml", "README.md", "LICENSE", "install.sh"):
            shutil.copy(REPOSITORY / name, self.checkout)
        for name in ("sysvenv", "store"):
            shutil.copytree(REPOSITORY / name, self.checkout / name, ignore=shutil.ignore_patterns("__pycache__"))

    def home(self, user: int) -> Path:
        """HOME of a user."""
        return self.place / f"home of {user}"

    def at(self, path: str) -> Path:
        """A path of that machine, for this process."""
        return Path(f"/proc/{self._pid}/root{path}")

    def do(self, user: int, command: str, **environ: str) -> Answer:
        """What `sh -c` makes of a command, in a directory of nobody's, without a terminal and offline."""
        settings = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self.home(user)),
            "PIP_NO_INDEX": "1",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_FIND_LINKS": str(self.place / "wheels"),
            "COLUMNS": "999",
            **environ,
        }
        become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user else []
        words = ["nsenter", f"--mount=/proc/{self._pid}/ns/mnt", "--wd=/", *become, "sh", "-c", command]
        nobody = subprocess.DEVNULL
        return subprocess.run(words, env=settings, stdin=nobody, capture_output=True, text=True, check=False)

    def shell(self, user: int, command: str, **environ: str) -> str:
        """The same as after a login, which must succeed; stdout and stderr."""
        done = self.do(user, f". /etc/profile.d/sysvenv.sh; {{ {command}\n}} 2>&1", **environ)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def install(self, *arguments: str, user: int = ROOT, **environ: str) -> Answer:
        """Run install.sh, whose tool is the one that is there already."""
        words = [str(self.checkout / "install.sh"), *arguments]
        return self.do(user, " ".join(f"'{word}'" for word in words), **environ)

    def installed(self, *arguments: str) -> str:
        """install.sh --system, which must succeed; what it said."""
        done = self.install("--system", "--python", str(self._builder), *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def state(self, *places: str) -> dict[str, tuple[object, ...]]:
        """Everything there: path to owner, mode, and what lstat tells of its content."""
        found: dict[str, tuple[object, ...]] = {}
        for place in places:
            for directory, names, files in os.walk(self.at(place)):
                for path in (os.path.join(directory, name) for name in (*names, *files)):
                    told = os.lstat(path)
                    content = () if stat.S_ISDIR(told.st_mode) else (told.st_ino, told.st_size, told.st_mtime_ns)
                    found[path] = (told.st_uid, told.st_mode, *content)
        return found


@contextmanager
def everybody() -> Iterator[Everybody]:
    """The machine, with nothing of sysvenv's on it."""
    need("unshare", "nsenter", "setpriv")
    with open_tool() as (tool, place):
        layers = place / "layers"
        layers.mkdir()
        words = ["unshare", "--mount", "sh", "-c", _ENTER, "sh", str(layers), *PLACES]
        inside = subprocess.Popen(words, env={**os.environ, "layers": str(layers)}, stdout=subprocess.PIPE, text=True)
        assert inside.stdout
        try:
            if inside.stdout.readline() != "ready\n":
                pytest.skip("this kernel mounts no overlay here")
            yield Everybody(place, tool, inside.pid)
        finally:
            inside.stdout.close()
            inside.send_signal(signal.SIGKILL)
            inside.wait()
