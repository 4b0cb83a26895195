"""What the operations that only look return: frozen values that ``render`` turns into text or JSON."""

from __future__ import annotations

from store.named import NamedTuple
from sysvenv.dists import Change
from sysvenv.history import Operation
from sysvenv.operations.results import FileCounts
from sysvenv.pruned import Pruned


class Status(NamedTuple):
    """Everything `sysvenv status` tells."""

    home: str
    venv: str
    venv_present: bool
    python: str
    python_present: bool
    """Whether the base interpreter is still there."""
    pip: str | None
    """Version of pip in the environment."""
    distributions: int
    requested: int
    operation: int
    operations: int
    undone: int
    """How many operations redo could bring back."""
    snapshots: int
    path_problem: str
    """Empty when the venv's bin comes first on PATH, or need not; else one sentence."""
    tracked: bool
    """Whether it is a project's environment, which is activated instead."""
    store_bytes: int
    """What the store takes beyond the live environment: allocated bytes of inodes the environment does not hold."""
    venv_bytes: int
    unrecorded: str
    """One of "none", "yes", or "maybe" (somebody is at work, or it cannot be told). Without --check, "none" means as
    far as the times of directories tell: an edit in place does not show."""
    changed: tuple[Change, ...] = ()
    changed_files: FileCounts = FileCounts()
    checked: bool = False
    busy: str = ""
    """Who holds the environment's lock right now."""
    pending: int | None = None
    """An operation without an end."""
    suggestion: str = ""
    notes: tuple[str, ...] = ()
    base: str = ""
    """Absolute path of the interpreter it was made from."""


class Environment(NamedTuple):
    """A line of `sysvenv envs`."""

    name: str
    """Of its home; empty for the user's own."""
    venv: str
    home: str
    state: str
    """One of "own", "tracked", "system", "gone" (moved or deleted) or "untracked": of these two history is left."""
    current: bool = False
    """Whether this command speaks of it."""
    python: str = ""
    python_present: bool = False
    distributions: int = 0
    operations: int = 0
    last: Operation | None = None
    """The operation it stands at."""
    size: int | None = None
    """Allocated bytes of the live tree; None where that cannot be told."""
    alone: int | None = None
    """Allocated bytes that would be free without it and its history."""
    trouble: str = ""
    """A sentence where something cannot be read."""


class Finding(NamedTuple):
    """One thing doctor or verify found."""

    severity: str
    """One of "ok", "warning" or "error" (error = damage, exit code 4 in verify)."""
    subject: str
    """A short noun: "hook", "PATH", "object", ..."""
    message: str
    """One sentence."""
    remedy: str = ""
    """What to type."""
    fixed: bool = False
    states: tuple[str, ...] = ()
    """The states it concerns, in words: "the environment", "@3", "snapshot ml"."""
    distributions: tuple[str, ...] = ()
    """The distributions whose files it concerns, with their versions."""
    fences: bool = False
    """Whether these states cannot be restored as long as it is not put right."""


class Checkup(NamedTuple):
    """The outcome of doctor or verify."""

    findings: tuple[Finding, ...]
    checked_objects: int = 0
    checked_files: int = 0
    seconds: float = 0.0

    @property
    def damaged(self) -> bool:
        """Whether anything is wrong that was not put right."""
        return any(finding.severity == "error" and not finding.fixed for finding in self.findings)


class FileChange(NamedTuple):
    """One file that differs between two states."""

    path: str
    """Within the environment; undecodable bytes as surrogate escapes."""
    change: str
    """One of "added", "removed" or "modified"."""
    patch: str = ""
    """Unified diff of a text file (only when asked for); a sentence for binaries."""


class Comparison(NamedTuple):
    """The difference between two states."""

    old: str
    """In words: "@3", "ml-stack", "before @3", "live"."""
    new: str
    packages: tuple[Change, ...]
    files: tuple[FileChange, ...]
    counts: FileCounts
    operation: Operation | None = None
    """The operation this is the difference of."""


class SnapshotSpace(NamedTuple):
    """What a snapshot costs."""

    name: str
    operation: int
    freed: int
    """Bytes gc would free if it were deleted: what it alone needs."""


class Space(NamedTuple):
    """The outcome of du: allocated bytes, each inode counted once."""

    live: int
    """The environment, the user's files in it included."""
    live_files: int
    history: int
    """Files only history and redo need."""
    snapshots: int
    """Files snapshots need, and the environment does not have."""
    others: int
    """Files only other environments need."""
    copies: int
    """Pristine copies."""
    trees: int
    """Trees that stand ready: their directories and private files."""
    tree_count: int
    indexes: int
    states: int
    """Manifests and segments."""
    unclaimed: int
    """What nothing needs."""
    trash: int
    """What is being deleted."""
    rest: int
    operations: int
    named: tuple[SnapshotSpace, ...]
    notes: tuple[str, ...] = ()

    @property
    def beyond(self) -> int:
        """What goes when the store goes."""
        files = self.history + self.snapshots + self.others + self.copies + self.states + self.unclaimed
        return files + self.trees + self.indexes + self.trash + self.rest


class Listing(NamedTuple):
    """The outcome of history."""

    operations: tuple[Operation, ...]
    """Newest first."""
    current: int
    line: frozenset[int]
    """The numbers that lead to where we are; the others were undone (or lie on a branch left behind)."""
    redoable: tuple[int, ...]
    total: int
    broken: tuple[str, ...]
    """A sentence for each record that cannot be read."""
    current_manifest: str = ""
    pruned: Pruned = Pruned()
    """What gc removed."""
