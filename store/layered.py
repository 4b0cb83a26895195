"""Layered filesystems: a directory of overlayfs's lower layer, a container's image, cannot be renamed (EXDEV).

So a tree that came with the image is copied up once, before the first exchange; afterwards exchanges work. Directories
are made anew and files linked: overlayfs copies their bytes up then, and may give them other inode numbers.
https://docs.kernel.org/filesystems/overlayfs.html#renaming-directories
"""

import os
import stat

from store import disk, journal, trees
from store.index import Index
from store.store import Store
from store.trees import Checkout

JOURNAL = b"copying.json"
"""In the area while a copied tree takes the place of its original: the copy is whole."""
COPY = b"copied.tmp"


def copy_up(store: Store, checkout: Checkout) -> None:
    """Replace a tree by an equal one of which every directory can be renamed, and keep the index of that.

    Until the copy is durable, a crash leaves the tree as it was; from then on :func:`recover` ends what was begun.
    """
    copy = os.path.join(store.area, COPY)
    if os.path.lexists(copy):
        trees.delete(copy)
    inodes: dict[int, int] = {}
    _copy(checkout.path, copy, inodes)
    disk.sync_filesystem(store.root)
    journal.write(os.path.join(store.area, JOURNAL), tree=os.fsdecode(checkout.path))
    recover(store, checkout.path)
    trees.save_index(store, checkout.name, _renumbered(checkout.expected, inodes))


def recover(store: Store, live: bytes) -> bool:
    """Let a copy that is whole take its tree's place; returns whether there was one."""
    begun = os.path.join(store.area, JOURNAL)
    words = journal.read(begun)
    if words is None:
        return False
    tree = os.fsencode(words.get("tree", ""))
    copy = os.path.join(store.area, COPY)
    if os.path.lexists(copy) and (tree == live or os.path.dirname(tree) == store.trees):
        if os.path.lexists(tree):
            trees.delete(tree)
        os.rename(copy, tree)
        disk.sync_directory(os.path.dirname(tree))
    disk.discard(begun)
    return True


def _copy(source: bytes, target: bytes, inodes: dict[int, int]) -> None:
    """Copy a directory; ``inodes`` takes down which number became which."""
    os.mkdir(target, 0o700)
    with os.scandir(source) as names:
        for name in names:
            place, found = os.path.join(target, name.name), name.stat(follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode):
                _copy(name.path, place, inodes)
            elif stat.S_ISLNK(found.st_mode):
                os.symlink(os.readlink(name.path), place)
                os.utime(place, ns=(found.st_mtime_ns, found.st_mtime_ns), follow_symlinks=False)
            else:
                disk.link(name.path, place)
                inodes[found.st_ino] = os.lstat(place).st_ino
    found = os.lstat(source)
    os.chmod(target, found.st_mode & 0o7777)
    os.utime(target, ns=(found.st_mtime_ns, found.st_mtime_ns))


def _renumbered(index: Index, inodes: dict[int, int]) -> Index:
    blocks = {
        name: block.amended({path: inodes.get(ino, 0) for path, ino in zip(block.paths, block.columns[0], strict=True)})
        for name, block in index.blocks.items()
    }
    return index.replace(blocks=blocks, data={path: inodes.get(ino, ino) for path, ino in index.data.items()})
