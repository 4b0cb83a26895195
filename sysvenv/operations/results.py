"""What the operations return: frozen values that ``render`` turns into text or JSON."""

from typing import NamedTuple

from sysvenv.dists import Change
from sysvenv.history import Operation
from sysvenv.processes import Program


class FileCounts(NamedTuple):
    """How many files differ."""

    added: int = 0
    removed: int = 0
    modified: int = 0


class Initialised(NamedTuple):
    """The outcome of init."""

    outcome: str
    """One of "created", "adopted", "brought back" (history was there, the venv not) or "kept" (all was there)."""
    venv: str
    python: str
    """Version of the interpreter."""
    distributions: int
    files: int
    laid: tuple[str, ...]
    """The hook files that were written, as absolute paths."""
    seconds: float
    notes: tuple[str, ...] = ()


class Recorded(NamedTuple):
    """The outcome of a pip run under the hook."""

    operation: Operation | None
    """None: it changed nothing, so there is no entry."""
    external: Operation | None = None
    """Changes made without pip that were found and recorded before it."""
    rolled_back: bool = False
    """pip failed and the configuration says to take that back."""
    notes: tuple[str, ...] = ()


class Step(NamedTuple):
    """One operation that was, or would be, taken back or done again."""

    number: int
    """0 for an external change that has no number yet (dry run)."""
    kind: str
    command: tuple[str, ...]


class Rewound(NamedTuple):
    """The outcome, or with ``dry_run`` the plan, of undo, redo, restore and clean."""

    action: str
    """One of "undo", "redo", "restore" or "clean"."""
    target: str
    """What was asked for, in words: "@4", "ml-stack", "baseline", "a fresh environment"."""
    steps: tuple[Step, ...]
    """The operations taken back (undo) or brought back (redo), in the order it happened; empty for restore, clean."""
    operation: int
    """The operation the environment stands at afterwards."""
    recorded: int | None
    """The number restore or clean got in history."""
    packages: tuple[Change, ...]
    files: FileCounts
    reverse: str
    """The command that takes this back, e.g. "sysvenv redo"."""
    dry_run: bool = False
    unchanged: bool = False
    """The environment was in that state already."""
    programs: tuple[Program, ...] = ()
    """Running programs that still hold the replaced tree."""
    shell_stands_inside: bool = False
    """The shell's working directory is in the replaced tree: it must `cd .`."""
    healed: int = 0
    """Files edited in place whose original was rebuilt from its pristine copy."""
    rescued: tuple[str, ...] = ()
    """Absolute paths of files somebody had written into a tree after it was replaced."""
    seconds: float = 0.0
    notes: tuple[str, ...] = ()


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
    """Empty when the venv's bin comes first on PATH; else one sentence."""
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
