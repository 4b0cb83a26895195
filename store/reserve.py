"""The reserve: a little space and a few inodes set aside, so that undo and its records work on a full disk."""

import os

from store import disk
from store.store import Store

FILES = 16
SIZE = 1 << 16
"""Bytes of each file; a marker, a record and HEAD need one block each, a healed file its length."""


def hold(store: Store) -> None:
    """Set the reserve aside, or complete it; on a disk that is full it stays as it is."""
    directory = store.root + b"/reserve"
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        for number in range(len(os.listdir(directory)), FILES):
            fd = os.open(b"%s/%d" % (directory, number), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(fd, bytes(SIZE))
            finally:
                os.close(fd)
    except OSError as error:
        if error.errno not in disk.FULL:
            raise


def release_if_full(store: Store) -> None:
    """Give the reserve back to a filesystem that has less than that left."""
    found = os.statvfs(store.root)
    few_inodes = found.f_files > 0 and found.f_favail < FILES
    if found.f_bavail * found.f_frsize >= FILES * SIZE and not few_inodes:
        return
    directory = store.root + b"/reserve"
    for name in os.listdir(directory) if os.path.isdir(directory) else ():
        disk.discard(os.path.join(directory, name))  # another environment may be at it too
