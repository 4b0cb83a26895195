"""What the operations that change something return: frozen values that ``render`` turns into text or JSON."""

from __future__ import annotations

from store.named import NamedTuple
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
    """One of "created", "adopted", "brought back" (history was there, the venv not), "kept" (all was there) or
    "switched" (to another Python)."""
    venv: str
    python: str
    """Version of the interpreter."""
    distributions: int
    files: int
    laid: tuple[str, ...]
    """The hook files that were written, as absolute paths."""
    seconds: float
    notes: tuple[str, ...] = ()
    dry_run: bool = False
    switch: Switched | None = None


class Switched(NamedTuple):
    """The outcome, or with ``dry_run`` the plan, of a switch to another Python."""

    python: str
    """Full version."""
    base: str
    """Absolute path of the interpreter."""
    carried: tuple[str, ...]
    """ "six 1.16.0" of each distribution that is installed there again, by name."""
    left: tuple[str, ...]
    """Likewise those that were asked for and stay behind."""
    rewound: Rewound | None = None
    """What the switch did; None of a plan."""


class Tracked(NamedTuple):
    """The outcome of track."""

    home: str
    """Where its history lies."""
    moved_from: str
    """Where the environment was when it was last looked after; empty where it did not move."""
    initialised: Initialised


class Untracked(NamedTuple):
    """The outcome of untrack."""

    venv: str
    home: str
    """Where its history lies, or lay."""
    was_there: bool
    """Whether the environment was still in its place."""
    purged: bool
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


class Collected(NamedTuple):
    """The outcome, or with ``dry_run`` the plan, of gc."""

    pruned: tuple[int, ...]
    """The operations that leave history, oldest first."""
    kept: int
    """How many stay."""
    steps: int
    """How many of these undo can take back, one after the other."""
    trees: int
    """How many trees that stood ready go, and so on."""
    manifests: int
    segments: int
    copies: int
    """Archives, and shared copies, that guarded against edits in place."""
    objects: int
    repacked: int
    """How many archives are written anew without what nobody needs."""
    freed: int
    """Bytes: allocated blocks of what has no other name."""
    idle: int
    """About how many bytes nobody needs stay, in archives most of which is needed."""
    over: int
    """By how many bytes the store is still larger than it may be: what stays is needed."""
    dry_run: bool = False
    rescued: tuple[str, ...] = ()
    """Absolute paths of files somebody had written into a tree after it was replaced."""
    seconds: float = 0.0
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
