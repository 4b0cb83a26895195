"""Copies of whole homes, as good as the home itself: their indexes know the inodes the copy has."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from store import store as stores
from store import trees
from store.row import rows
from sysvenv.home import Home


def without_trash(home: Path) -> None:
    """Wait until nothing of a home is being deleted behind our back any more."""
    until = time.monotonic() + 60
    trash = home / "store/trash"
    while trash.is_dir() and os.listdir(trash):
        assert time.monotonic() < until, f"{trash} is not emptied"
        time.sleep(0.01)


def copy_home(source: Path, target: Path) -> None:
    """Copy a home with its hardlinks; its path stands in it, so ``target`` has to be where it comes to be used."""
    without_trash(source)
    subprocess.run(["cp", "-a", source, target], check=True)
    home = Home.at(str(target))
    if not os.path.isdir(home.store):
        return
    store = stores.open_store(os.fsencode(home.store))
    slots = [os.path.join(store.trees, name) for name in os.listdir(store.trees)]
    for root in [os.fsencode(home.venv), *slots]:
        marker = trees.read_marker(root)
        index = trees.load_index(store, marker.checkout) if marker else None
        if marker and index:
            paths = [path for path, row in rows(index.blocks.values()) if row.ino]
            inodes = {path: ino for path in paths if (ino := inode(root, path))}
            blocks = {name: block.amended(inodes) for name, block in index.blocks.items()}
            data = {path: inode(root, path) or ino for path, ino in index.data.items()}
            trees.save_index(store, marker.checkout, index.replace(blocks=blocks, data=data))


def inode(root: bytes, path: bytes) -> int | None:
    """Inode number of a file of a tree; None where it is gone."""
    try:
        return os.lstat(os.path.join(root, path)).st_ino
    except (FileNotFoundError, NotADirectoryError):
        return None
