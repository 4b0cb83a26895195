"""A session: one holder of the environment's lock, who knows where history stands and what the live tree is."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from types import TracebackType

from store import audit, capture, layout, lock, reserve, swap, trees
from store.errors import StoreError
from store.index import Index
from store.lock import Holder, Lock, OnWait
from store.manifests import EMPTY, Manifest
from store.named import NamedTuple
from store.row import Seen, rows_of
from store.scan import DATA, OURS, TRACKED, Drift, survey, unchanged
from store.store import Store
from store.trees import Checkout
from sysvenv import history, hook, kinds, manifest, owner, storage, venv
from sysvenv.config import Config
from sysvenv.errors import DamageFound, SysvenvError
from sysvenv.head import Position, position_carried, read_head, write_head
from sysvenv.headstart import NONE, UV_LOCK, HeadStart
from sysvenv.history import History, Operation
from sysvenv.home import Home
from sysvenv.operations import purge
from sysvenv.operations.auditing import Auditor
from sysvenv.operations.joining import Known, joining
from sysvenv.venv import Interpreter


class Context(NamedTuple):
    """What every operation is given."""

    home: Home
    config: Config
    tool_python: str
    """Absolute path of the interpreter sysvenv itself runs on; baked into the hook."""
    wait: bool = True
    """Whether to wait for the lock."""
    on_wait: OnWait | None = None
    """Called when there is somebody to wait for."""
    ahead: HeadStart = NONE
    """What was begun before all this was imported."""
    on_note: Callable[[str], None] | None = None
    """Is told at the end what a session found and put right, for operations whose result does not say it."""

    def at(self, home: Home) -> Context:
        """The same for another home, of which nothing was begun."""
        return self._replace(home=home, ahead=NONE)


class Session:
    """The environment under its lock, from ``enter`` to ``leave`` or the end of a ``with`` block."""

    def __init__(self, context: Context, command: str, lock_fd: int | None = None) -> None:
        self.context = context
        self.home = context.home
        self.live = os.fsencode(context.home.venv)
        self.history = History(context.home)
        self.notes: list[str] = []
        self._command = command
        self._ahead = ahead = context.ahead
        self.auditor = Auditor(ahead.second)
        self._lock = Lock(
            os.fsencode(context.home.lock),
            command,
            wait=context.wait,
            on_wait=context.on_wait,
            fd=lock_fd if ahead.lock is None else ahead.lock,
            ours=ahead.lock is not None,
        )
        self._uv_lock: Lock | None = None
        self.is_open = False
        self.store: Store
        self.position: Position
        self.name = ""
        """The live checkout's name."""
        self.index_is_kept = False
        """Whether the index of the live tree on disk is the one in use."""
        self._index: Index | None = None
        self._saved: Index | None = None
        self._manifests: dict[str, Manifest] = {}

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    def enter(self) -> None:
        """Take the lock and find out where things stand."""
        if not os.path.isdir(self.home.history):
            raise SysvenvError(f"There is no environment at {self.home.root} yet.", self.home.remedy)
        owner.refuse_strangers(self.home)
        self._lock.acquire()
        try:
            self._hold_off_uv()
            self._open()
        except BaseException:
            self.leave()
            raise

    def leave(self) -> None:
        """Let go of the locks. What was buried meanwhile is deleted behind our back."""
        if self.is_open:
            reserve.hold(self.store)
            if self.store.healed:
                from sysvenv.operations import leaks

                leaks.mend(self.home, self.store.healed)
        if self.context.on_note is not None:
            for note in self.notes:
                self.context.on_note(note)
        self.auditor.close()
        if self._uv_lock is not None:
            self._uv_lock.release()
        self._lock.release()
        purge.empty_trash(self.home)
        if self.history.has_grown:
            self.history.has_grown = False
            from sysvenv.operations import tidy

            tidy.start(self.home, self.context.config, self.context.tool_python)

    def _hold_off_uv(self) -> None:
        """uv takes this lock while it changes a venv, so we wait for it, and it for us."""
        path = os.path.join(self.live, UV_LOCK)
        if os.path.isfile(path) and not os.path.islink(path):
            context, fd = self.context, self._ahead.uv_lock
            self._uv_lock = Lock(
                path, "", wait=context.wait, on_wait=context.on_wait, fd=fd, ours=fd is not None, sign=False
            )
            self._uv_lock.acquire()

    def odd_place(self) -> str:
        """What stands where the live tree belongs and is no directory, in a sentence; empty where all is well, or
        nothing is there. Behind a link or a file, nothing can be swapped."""
        try:
            mode = os.lstat(self.live).st_mode
        except FileNotFoundError:
            return ""
        if stat.S_ISDIR(mode):
            return ""
        return (
            f"{self.home.venv} is {'a symlink' if stat.S_ISLNK(mode) else 'a file'}, not the environment's directory."
        )

    def _open(self) -> None:
        if odd := self.odd_place():
            raise DamageFound(odd, "Run: sysvenv doctor --fix, which sets it aside, then: sysvenv undo")
        text_only = self.context.config.store.guard == "text"
        self.store = storage.opened(self.home, guard_text_only=text_only)
        self.is_open = True
        reserve.release_if_full(self.store)
        if swap.recover_exchange(self.store, self.live):
            self.notes.append("Finished an exchange of trees that was interrupted.")
            self.auditor.forget()
        marker = trees.read_marker(self.live)
        self.name = marker.checkout if marker else trees.new_name()
        if self.name != self._ahead.checkout:
            self.auditor.forget()
        self.position = self._read_position(marker.position if marker else {})
        trees.sweep(self.store, self.live, {undone.checkout for undone in self.position.undone})

    def _read_position(self, marked: dict[str, object]) -> Position:
        """HEAD, or what the live tree itself says where that is newer: a swap was cut off before HEAD was written."""
        try:
            head = read_head(self.home)
        except DamageFound:
            head = None
        carried = position_carried(marked)
        newer = carried is not None and head is not None and carried.sequence > head.sequence
        if carried is not None and newer and history.is_known(self.home, carried.operation):
            write_head(self.home, carried)
            self.notes.append("Finished an undo or restore that was interrupted.")
            return carried
        if head is None or (head.operation >= 0 and not history.is_known(self.home, head.operation)):
            return self._conclude_position()
        return head

    def _conclude_position(self) -> Position:
        """HEAD is of no use: what the records and the live tree tell becomes HEAD."""
        from sysvenv import whereabouts

        found = whereabouts.find(self.home)
        if not found.trouble:
            return found.position
        whereabouts.mend(self.home, found)
        self.notes.append(f"{found.trouble} It was written anew: the environment stands at {found.chosen}.")
        return found.position

    def manifest(self, name: str) -> Manifest:
        """A manifest of the store, read once; "" is the state with nothing in it."""
        if not name:
            return EMPTY
        if name not in self._manifests:
            self._manifests[name] = self.store.manifests.read(name)
        return self._manifests[name]

    @property
    def recorded(self) -> Manifest:
        """The state the environment was last known to be in."""
        return self.manifest(self.position.manifest)

    @property
    def index(self) -> Index:
        """The index of the live tree, for the state history stands at; made anew when it was lost."""
        if self._index is None:
            path = trees.index_path(self.store, self.name)
            found = self.auditor.known(path) or trees.load_index(self.store, self.name)
            self.index_is_kept = found is not None and found.manifest == self.position.manifest
            if found is None or not self.index_is_kept:
                found = layout.expected(self.store, self.position.manifest, self.recorded)
            self._index = found
        return self._index

    def pending(self) -> Operation | None:
        """The operation that began in the live tree and has no end: whoever did it was interrupted."""
        found = self.history.pending()
        if found is not None and any(undone.operation == found.number for undone in self.position.undone):
            return None  # it was undone already; the tree set aside holds its outcome
        return found

    def claim(self) -> None:
        """Mark the live tree as a checkout of ours, if it says nothing of itself; make it, if it is gone. Its mtime
        stays, which tells whether somebody else was at work there."""
        if not os.path.lexists(self.live):
            os.mkdir(self.live, 0o755)
        if trees.read_marker(self.live) is None:
            before = os.lstat(self.live)
            trees.write_marker(self.store, self.live, trees.Marker(self.name, {}))
            os.utime(self.live, ns=(before.st_atime_ns, before.st_mtime_ns))

    def become(self, name: str) -> None:
        """The live tree is now the checkout of that name."""
        self.name = name
        self.auditor.target = self._index = None

    def audit_checkout(self, checkout: Checkout) -> Drift:
        """How a checkout that is not live differs from its index."""
        touched, moved = audit.look(checkout.path, checkout.expected)
        return self.survey(checkout.path, checkout.expected, touched, moved, unfinished=False)

    def set_index(self, value: Index) -> None:
        """Keep a new index of the live tree."""
        self.save_ahead(value)
        self._index = value
        self.index_is_kept = True

    def save_ahead(self, value: Index) -> None:
        """Write an index of the live tree that will be set if all ends well, and until then is nobody's: the state
        history stands at is another."""
        if value is not self._saved:
            trees.save_index(self.store, self.name, value)
            self._saved = value

    def store_lock(self) -> Lock:
        """The store's own lock, for a ``with`` block: held while objects are added or healed; while pip runs, for one
        distribution at a time.

        Always taken after the environment's. Several environments may come to share one store.
        """
        context = self.context
        return Lock(self.store.root + b"/lock", self._command, wait=context.wait, on_wait=context.on_wait)

    def move_to(self, position: Position) -> None:
        """Write HEAD, durably."""
        write_head(self.home, position)
        self.position = position

    def audit(self) -> Drift:
        """How the live tree differs from the recorded state, every file looked at.

        What an interrupted pip changed may have come through a power cut without the new mtime of its directory
        (btrfs logs the names of an fsynced file, not the times of what they stand in): there, all are listed.
        """
        index = self.index
        touched, moved = self.auditor.look(self.store, Checkout(self.live, self.name, index))
        pending = self.pending()
        if pending is not None and pending.kind == history.PIP:
            moved = list(index.directories)
        return self.survey(self.live, index, touched, moved, unfinished=False)

    def rescan(self, *, unfinished: bool) -> Drift:
        """How the live tree differs, guided by the times of directories: for right after a pip run.

        Files no distribution owns (pyvenv.cfg, path files) are looked at too, as they are what installers edit in
        place; after an ``unfinished`` run, every file is.
        """
        rest = {part.segment for part in self.recorded.parts if part.owner == manifest.REST or unfinished}
        blocks = [block for name, block in self.index.blocks.items() if name in rest]
        touched, moved = audit.look(self.live, self.index, blocks)
        return self.survey(self.live, self.index, touched, moved, unfinished=unfinished)

    def survey(self, root: bytes, index: Index, touched: list[bytes], moved: list[bytes], *, unfinished: bool) -> Drift:
        """Look at ``touched`` files and ``moved`` directories; sort what is new into the four kinds.

        What an installer that was cut off brought in is not named by a RECORD yet. So a new file joins the
        environment when code came into its directory too; after an ``unfinished`` pip, into its top-level package.
        """
        if not touched and not moved:
            return unchanged(index)
        site = self.site_in(root, index.manifest)
        drift = survey(root, index, touched, moved, self.sorter(root, index, frozenset()))
        fresh = drift.data.keys() - index.data.keys()
        if not fresh or not drift.changed:
            return drift
        joined = frozenset(joining(fresh, drift, index, site, wide=unfinished))
        if not joined:
            return drift
        return survey(root, index, touched, moved, self.sorter(root, index, joined))

    def sorter(self, root: bytes, index: Index, joined: frozenset[bytes]) -> Callable[[bytes, int], str]:
        """How the store is told which paths are tracked, the user's, or ours."""
        site = self.site_in(root, index.manifest)
        classifier = kinds.Classifier(os.fsdecode(root), site, Known(index, joined))
        words = {kinds.ENVIRONMENT: TRACKED, kinds.BYTECODE: TRACKED, kinds.DATA: DATA, kinds.OURS: OURS}
        return lambda path, mode: words[classifier.kind(path, mode)]

    def ours(self, python: Interpreter | None) -> dict[bytes, bytes]:
        """The files of ours that belong into a tree with that interpreter."""
        return hook.files(self.context.tool_python, python.site.encode(), self.home) if python else {}

    def is_environment(self, path: bytes) -> bool:
        """Whether a changed path makes an operation; bytecode does not."""
        return not kinds.in_cache(path)

    def drifted(self, drift: Drift) -> bool:
        """Whether the environment changed (not only bytecode, inodes or what git calls racily clean)."""
        rows = rows_of(self.index, drift.changed)
        doubtful: dict[bytes, Seen | None] = {}
        for path, found in drift.changed.items():
            row = rows.get(path)
            if not self.is_environment(path) or (row is None and found is None):
                continue
            if row is None or found is None or not row.looks_like(found):
                return True
            doubtful[path] = found
        if not doubtful and not drift.stated:
            return False
        stated = manifest.stated_directories(self.store, self.recorded) if drift.stated else {}
        return bool(capture.observe(self.store, self.live, self.index, drift._replace(changed=doubtful), stated))

    @property
    def site(self) -> bytes:
        """Tree path of site-packages in the live tree."""
        return self.site_in(self.live, self.position.manifest)

    def site_in(self, root: bytes, name: str) -> bytes:
        """Tree path of site-packages in the tree at ``root``, as it says itself: trees may be of several Pythons. Where
        it cannot, as the state ``name`` has it that it was laid out from."""
        try:
            return venv.site_packages(os.fsdecode(root))
        except SysvenvError:
            pass  # its pyvenv.cfg is gone, or the whole tree
        try:
            python = manifest.interpreter(self.manifest(name))
        except (StoreError, SysvenvError):
            python = None
        return python.site.encode() if python is not None else b"lib"  # whatever comes is sorted by its name


def holder(home: Home) -> Holder | None:
    """Who holds the environment's lock right now, None when it is free."""
    path = os.fsencode(home.lock)
    return None if lock.is_free(path) else lock.read_holder(path)
