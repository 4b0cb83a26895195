"""Where everything of one environment lies: the home directory of sysvenv and the paths in it."""

# Loaded before anything else is (headstart), so without typing and what that brings in.

from __future__ import annotations

import os

from sysvenv.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


SYSTEM = "/opt/system-python"
"""The home of the environment that everybody on a machine may use and only root may change."""
TRACKED = "/environment"
"""In the home of a tracked environment: a symlink to that, as an absolute path."""


class Home:
    """A sysvenv home. Built once at the edge and passed down; nothing below asks the environment for it.

    The user's own has its environment and its store in it. That of a tracked environment, below `envs` of the user's,
    leads to both by symlinks: the environment stays where its project has it, and the store is shared.
    """

    __slots__ = ("root", "store", "venv")

    def __init__(self, root: str, venv: str = "", store: str = "") -> None:
        self.root = root
        """Absolute path of the home, not resolved: scripts in `venv/bin` carry the path people use."""
        self.venv = venv or root + "/venv"
        """The live environment."""
        self.store = store or root + "/store"
        """Root of the content store."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Home) and self.root == other.root

    def __hash__(self) -> int:
        return hash(self.root)

    def __repr__(self) -> str:
        return f"Home({self.root!r})"

    @property
    def is_tracked(self) -> bool:
        """Whether it looks after an environment elsewhere."""
        return self.venv != self.root + "/venv"

    @property
    def name(self) -> str:
        """What people call a tracked environment; "" of any other."""
        return os.path.basename(self.root) if self.is_tracked else ""

    @property
    def own(self) -> Home:
        """The home of the user's own environment."""
        return Home.at(os.path.dirname(self.environments)) if self.is_tracked else self

    @property
    def area(self) -> str:
        """Where in the store this environment has what it shares with no other."""
        return f"{self.store}/envs/{self.name}" if self.is_tracked else self.store

    @property
    def environments(self) -> str:
        """Directory of the homes of tracked environments."""
        return os.path.dirname(self.root) if self.is_tracked else self.root + "/envs"

    @property
    def history(self) -> str:
        """Directory of the operation records. Its presence is what makes a directory a home to the hook."""
        return self.root + "/history"

    @property
    def head(self) -> str:
        """File naming the operation the live environment stands at."""
        return self.root + "/history/HEAD"

    @property
    def pruned(self) -> str:
        """File stating which operation records were removed on purpose; need not exist."""
        return self.root + "/history/PRUNED"

    @property
    def snapshots(self) -> str:
        """Directory of the named states."""
        return self.root + "/snapshots"

    @property
    def config(self) -> str:
        """The settings file, one for all environments of a user; need not exist."""
        return os.path.dirname(self.environments) + "/config.toml"

    @property
    def lock(self) -> str:
        """The environment lock file, held for a whole operation and inherited by pip. Never unlinked."""
        return self.root + "/lock"

    @property
    def is_system(self) -> bool:
        """Whether this is the home everybody may read and only root may change."""
        return self.root == SYSTEM

    @property
    def mode(self) -> int:
        """Permission bits of history, snapshots and store, and of all directories in the store."""
        return 0o755 if self.is_system else 0o700

    @property
    def remedy(self) -> str:
        """What to type where there is no history here yet."""
        return "Run: sudo sysvenv --system init" if self.is_system else "Run: sysvenv init"

    @classmethod
    def at(cls, path: str) -> Home:
        """The home at `path`, made absolute without following symlinks."""
        root = os.path.abspath(path)
        try:
            return cls(root, os.readlink(root + TRACKED), os.readlink(root + "/store"))
        except OSError:
            return cls(root)

    @classmethod
    def default(cls, environ: Mapping[str, str]) -> Home:
        """The user's home; for root the system's, where there is one.

        Not where root names a home or has an environment of its own on PATH, as then `pip` means that one. Raises
        UsageError as `of_user`.
        """
        own, system = cls.of_user(environ), cls(SYSTEM)
        named = environ.get("SYSVENV_HOME", "")
        if named or os.geteuid() != 0 or own._is_on(environ.get("PATH", "")) or not os.path.isdir(system.history):
            return own
        return system

    @classmethod
    def of_user(cls, environ: Mapping[str, str]) -> Home:
        """The home `SYSVENV_HOME` names, else `~/.local/python-packages`.

        Raises UsageError for a relative SYSVENV_HOME (it would mean another home in each directory), and
        where no home directory of the user can be told.
        """
        named = environ.get("SYSVENV_HOME", "")
        path = _expanded(named or "~/.local/python-packages", environ)
        if os.path.isabs(path):
            return cls.at(path)
        if named:
            raise UsageError(f"SYSVENV_HOME is not an absolute path: {named}", "give it with a leading /")
        raise UsageError("cannot tell your home directory", "set HOME or SYSVENV_HOME")

    def _is_on(self, path_env: str) -> bool:
        """Whether PATH leads to the programs of the live environment."""
        return self.venv + "/bin" in path_env.split(os.pathsep)


def _expanded(path: str, environ: Mapping[str, str]) -> str:
    """`path` with a leading `~` replaced, by HOME of the given environment first (not of this process)."""
    if path == "~" or path.startswith("~/"):
        home = environ.get("HOME", "")
        if home:
            return (home.rstrip("/") + path[1:]) or "/"
    return os.path.expanduser(path)
