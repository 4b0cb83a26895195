"""Mending: what is damaged in the store, rebuilt from whatever intact copy there is. What cannot be is named."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from store import digest, disk, harm, trees, verify
from store.errors import Damaged, StoreError
from store.tree import Entry
from store.verify import Fault
from sysvenv import venv
from sysvenv.errors import SysvenvError
from sysvenv.operations import keep, relearn, states
from sysvenv.operations.damage import Group, distributions_at
from sysvenv.operations.findings import Finding
from sysvenv.operations.problems import some
from sysvenv.operations.session import Session
from sysvenv.salvage import Wanted

Salvage = Callable[[list[Wanted]], dict[str, bytes]]
"""Looks for contents outside the store: digest -> content, compared with it, of those that were found."""


class Mender:
    """Repairs the damage of one store, under the environment's lock."""

    def __init__(self, session: Session, salvage: Salvage) -> None:
        self._session = session
        self._store = session.store
        self._salvage = salvage

    def mend(self, groups: Iterable[Group]) -> list[Finding]:
        """Put right what can be; returns the findings, each with what became of it."""
        found = list(groups)
        order = [verify.MANIFEST, verify.SEGMENT, verify.OBJECT, verify.PRISTINE]
        return [self._one(group) for group in sorted(found, key=lambda group: order.index(group.faults[0].subject))]

    def _one(self, group: Group) -> Finding:
        fault = group.faults[0]
        try:
            if fault.subject in (verify.MANIFEST, verify.SEGMENT):
                done = self._relearn(group.faults)
            elif fault.subject == verify.PRISTINE:
                done = self._copies(fault.name for fault in group.faults)
            elif fault.what == verify.UNGUARDED:
                done = self._guard(group.faults)
            elif fault.what in (verify.ALTERED, verify.FOREIGN):
                return group.finding
            else:
                done = self._objects(group.faults)
        except (StoreError, SysvenvError) as error:
            return group.finding._replace(message=f"{group.finding.message} {error.message}", remedy=error.hint)
        except OSError as error:
            return group.finding._replace(message=f"{group.finding.message} It could not be put right: {error}.")
        return group.finding._replace(message=f"{group.finding.message} {done}", fixed=True)

    def _objects(self, faults: Iterable[Fault]) -> str:
        """Give each object an inode with the right content. What was found there stays, as an edit would.

        Trees that stand ready and hold an inode whose damage lstat does not tell are given up: they cannot be told
        from good ones any more.
        """
        bad = [(fault, fault.entry) for fault in faults if fault.entry is not None]
        inodes = {self._store.objects.inode(entry) for fault, entry in bad if fault.what == verify.DAMAGED}
        roots = [self._session.live, *(checkout.path for checkout in trees.ready(self._store))]
        with self._session.store_lock():
            lost = [(fault, entry) for fault, entry in bad if not self._heal(fault, entry, roots)]
            contents = self._salvage(self._wanted([(fault, entry) for fault, entry in lost if fault.guarded]))
            for _, entry in lost:
                if entry.digest in contents:
                    self._store.rebuild(entry, contents[entry.digest])
            lost = [(fault, entry) for fault, entry in lost if entry.digest not in contents]
            for fault, entry in lost:
                self._drop(fault, entry)
        self._give_up_holders(inodes)
        _forget_index(self._session)
        hopeless = [fault.path for fault, _ in lost if fault.guarded]
        if hopeless:
            self._settled("given up")
            sentence = f"No intact copy is found of {some(hopeless)}; the states that need it are refused."
            raise Damaged(sentence, "Bring it back from a backup, or go on without these states.")
        return self._settled("dropped" if len(lost) == len(bad) else "rebuilt from their copies")

    def _heal(self, fault: Fault, entry: Entry, roots: list[bytes]) -> bool:
        places = [os.path.join(root, fault.path) for root in roots]
        if any(self._store.objects.adopt(entry, place) for place in places):
            return True
        try:
            self._store.heal(entry, thorough=True, elsewhere=places)
        except Damaged:
            return False
        return True

    def _wanted(self, lost: list[tuple[Fault, Entry]]) -> list[Wanted]:
        """With the distributions they belong to in any state."""
        places = harm.places(self._store, states.named(self._session), [fault for fault, _ in lost])
        return [
            Wanted(entry, fault.path, distributions_at(self._session, places[fault.subject, fault.name]))
            for fault, entry in lost
        ]

    def _settled(self, how: str) -> str:
        """A live file that was not what its object's name says is a change like any other."""
        done = f"They were {how}."
        try:
            operation = keep.settle(self._session, self._session.audit())
        except (StoreError, SysvenvError):
            return done  # the present state has other damage, which is told of
        if operation is None:
            return done
        return f"{done} What stood in their place is recorded as @{operation.number}; sysvenv undo goes back."

    def _drop(self, fault: Fault, entry: Entry) -> None:
        """What is not what its name says loses that name, or it would be laid out. Bytecode leaves the live tree too:
        Python builds it anew where it finds none."""
        place, live = self._store.objects.path(entry), os.path.join(self._session.live, fault.path)
        if not os.path.lexists(place):
            return
        if not fault.guarded and os.path.lexists(live) and os.path.samefile(place, live):
            disk.discard(live)
        self._store.disown(entry)

    def _give_up_holders(self, inodes: set[int]) -> None:
        pinned = {undone.checkout for undone in self._session.position.undone}
        for checkout in trees.ready(self._store):
            held = any(not inodes.isdisjoint(block.columns[0]) for block in checkout.expected.blocks.values())
            if held and checkout.name not in pinned:
                trees.bury_checkout(self._store, checkout)

    def _guard(self, faults: Iterable[Fault]) -> str:
        """Write second copies of intact objects."""
        entries = {fault.name: fault.entry for fault in faults if fault.entry is not None}
        homes = harm.segments(self._store, states.named(self._session), entries)
        wanted: dict[str, list[tuple[Entry, bytes]]] = {}
        for name, entry in entries.items():
            if homes[name] and self._store.objects.content(entry) is not None:
                wanted.setdefault(homes[name][0], []).append((entry, self._store.objects.path(entry)))
        with self._session.store_lock():
            for segment, sources in wanted.items():
                self._store.pristine.renew(segment, sorted(sources), text_only=False)
        return "Their copies were written anew."

    def _copies(self, names: Iterable[str]) -> str:
        """What is intact in damaged copies, and the objects they are of, make new ones."""
        with self._session.store_lock():
            for name in names:
                self._copy(name)
        return "What could be copied again was written anew."

    def _copy(self, name: str) -> None:
        """One archive, or one reflinked copy: the object that lacks it then is told of, and gets another."""
        pristine, objects = self._store.pristine, self._store.objects
        if not name.endswith(".zst"):
            trees.bury(self._store, pristine.copy_path(name))
            return
        segment = name.removesuffix(".zst").replace("/", "")
        if os.path.isdir(place := pristine.archive_path(segment)):
            trees.bury(self._store, place)
        pristine.forget_members()
        try:
            entries = [entry for entry in self._store.segments.read(segment).values() if entry.has_object]
        except (StoreError, OSError):
            entries = []  # nothing needs that segment, or it is lost: what is intact in the archive is kept
        lacking = [entry for entry in entries if pristine.read(entry.digest) is None]
        sources = [(entry, objects.path(entry)) for entry in lacking if objects.content(entry) is not None]
        renewed = pristine.renew(segment, sorted(sources), text_only=self._store.guard_text_only)
        if not renewed and os.path.lexists(place):
            trees.bury(self._store, place)

    def _relearn(self, faults: Iterable[Fault]) -> str:
        """Manifests and segments, told anew from the trees that are laid out."""
        session, store = self._session, self._store
        bad = list(faults)
        for fault in bad:
            kept = store.manifests if fault.subject == verify.MANIFEST else store.segments
            if digest.is_one(fault.name) and os.path.lexists(place := kept.path(fault.name)):
                disk.set_aside(place)
        captured = relearn.live(session) if _is_environment(session.home.venv) else None
        for checkout in trees.ready(store):
            if not all(self._is_there(fault) for fault in bad):
                relearn.standing(session, checkout)
        needed = harm.places(store, states.named(session), bad)
        lost = [fault for fault in bad if not self._is_there(fault) and needed[fault.subject, fault.name]]
        if captured is not None and not self._readable(session.position.manifest):
            position = session.position
            session.move_to(position._replace(sequence=position.sequence + 1, manifest=captured.name))
            session.set_index(captured.found)
        if lost:
            sentence = (
                f"No tree tells what was in {some(fault.name for fault in lost)}; states that need it are refused."
            )
            raise Damaged(sentence, "Bring it back from a backup, or go on without these states.")
        return "What is needed of it was told anew from the trees that are laid out."

    def _is_there(self, fault: Fault) -> bool:
        try:
            if fault.subject == verify.MANIFEST:
                self._store.manifests.read(fault.name)
            else:
                self._store.segments.read(fault.name)
        except (StoreError, OSError):
            return False
        return True

    def _readable(self, manifest: str) -> bool:
        """Whether a state is known, down to its segments."""
        try:
            for segment in self._session.manifest(manifest).segments:
                self._store.segments.read(segment)
        except (StoreError, OSError):
            return False
        return True


def _is_environment(root: str) -> bool:
    try:
        venv.read_interpreter(root)
    except SysvenvError:
        return False
    return True


def _forget_index(session: Session) -> None:
    """The live tree's index names the old inodes; the one made from the objects finds every file that is another."""
    disk.discard(trees.index_path(session.store, session.name))
    session.become(session.name)
