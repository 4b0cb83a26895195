"""The system calls the store is built on: link, exchange, durable writes, reflink. Their one owner."""

from __future__ import annotations

import errno
import os
import stat
import sys

from store.errors import StoreError, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

NO_EXCHANGE = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EXDEV, errno.EPERM})
NO_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS})
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_AT_FDCWD = -2 if sys.platform == "darwin" else -100
_RENAME_EXCHANGE = 2  # linux/fs.h; macOS calls it RENAME_SWAP and gives it the same number
_FICLONE = 0x40049409  # linux/fs.h
FEW_FILES = 4
"""Up to this many new files are fsynced each; above, one syncfs is cheaper where little else waits to be written."""
MANY_FILES = 100
"""Above this many it is cheaper whatever else is to be written (measured 12 to 39 times)."""
_LITTLE = 64 << 20
"""Bytes that a disk writes while nobody notices. syncfs waits for what everybody else wrote, too."""


def link(source: bytes, target: bytes) -> None:
    """Make ``target`` a second name of the inode ``source``; never replaces anything (FileExistsError)."""
    os.link(source, target, follow_symlinks=False)


def exchange(one: bytes, other: bytes) -> bool:
    """Swap two directory entries in one atomic step (renameat2(2) RENAME_EXCHANGE, renamex_np(2) on macOS).

    False where kernel or filesystem cannot; any other failure is an OSError.
    """
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "darwin":
        swap = getattr(libc, "renamex_np", None)
        arguments: tuple[object, ...] = (one, other, _RENAME_EXCHANGE)
    else:
        swap = getattr(libc, "renameat2", None)
        arguments = (_AT_FDCWD, one, _AT_FDCWD, other, _RENAME_EXCHANGE)
    if swap is None:
        return False
    if swap(*arguments) == 0:
        return True
    number = ctypes.get_errno()
    if number in NO_EXCHANGE:
        return False
    raise OSError(number, os.strerror(number), os.fsdecode(one))


def reflink(source: int, target: int) -> bool:
    """Let ``target`` share ``source``'s blocks copy-on-write (FICLONE); False where the filesystem cannot."""
    if not sys.platform.startswith("linux"):
        return False
    import fcntl

    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            raise
        return False
    return True


def copy_attributes(source: bytes, target: int) -> None:
    """Give an open file the user's extended attributes (user.*, xattr(7)) of another, where there are any."""
    if not sys.platform.startswith("linux"):
        return
    try:
        for name in os.listxattr(source, follow_symlinks=False):
            if name.startswith("user."):
                os.setxattr(target, name, os.getxattr(source, name, follow_symlinks=False))
    except OSError as error:
        if error.errno in FULL:
            raise  # else: the file is gone, or the filesystem has none


def shares_blocks(directory: bytes) -> bool:
    """Whether :func:`reflink` works between files in ``directory``: tried with a block."""
    places = [b"%s/%d.%d.tmp" % (directory, os.getpid(), number) for number in (1, 2)]
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    opened: list[int] = []
    try:
        opened += [os.open(place, flags, 0o600) for place in places]
        write_whole(opened[0], bytes(4096))
        return reflink(*opened)
    finally:
        for fd in opened:
            os.close(fd)
        for place in places:
            discard(place)


def write_whole(fd: int, content: bytes) -> None:
    """Write all of ``content``; a short write is continued, as write(2) may always write less."""
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]


def write_durably(path: bytes, content: bytes, mode: int = 0o644, *, made_in: bytes | None = None) -> None:
    """Replace ``path`` by ``content`` so that a power cut leaves the old file or the new one, whole.

    Who may read it is decided by the directories it lies in.
    The temporary file, which a power cut may leave behind, is made beside it or in the directory ``made_in``.
    """
    write_beside(path, content, mode, durable=True, made_in=made_in)
    sync_directory(os.path.dirname(path))


def write_beside(
    path: bytes, content: bytes, mode: int = 0o644, *, durable: bool, made_in: bytes | None = None
) -> None:
    """Write a temporary file and rename it to ``path``; with ``durable`` its bytes are fsynced first."""
    temporary = (path if made_in is None else os.path.join(made_in, os.path.basename(path))) + b".%d.tmp" % os.getpid()
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        try:
            write_whole(fd, content)
            if durable:
                os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(temporary, path)
    except OSError:
        discard(temporary)
        raise


def discard(path: bytes) -> None:
    """Remove a file of our own that may be gone already."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def set_aside(path: bytes) -> bytes:
    """Give a damaged file, or what else stands where it belongs, another name beside it, as evidence; returns that."""
    aside = path + b".damaged"
    while os.path.lexists(aside):
        aside += b"~"
    os.rename(path, aside)
    return aside


def read(path: bytes) -> bytes:
    """All bytes of a file. Never waits: a FIFO in its place is read as empty."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(fd, "rb", buffering=0) as file:
        return file.readall() or b""


def sync_directory(path: bytes) -> None:
    """fsync a directory: the names made, renamed or removed in it survive a power cut. The home may be a symlink."""
    sync_file(path, os.O_DIRECTORY)


def sync_file(path: bytes, flags: int = os.O_NOFOLLOW) -> None:
    """fsync one file by its path; as a rule, a symlink is not followed."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | flags)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_filesystem(path: bytes) -> None:
    """Flush the whole filesystem ``path`` lies on (syncfs(2); sync(2) where there is no syncfs)."""
    import ctypes

    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if syncfs is None:
        os.sync()
        return
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if syncfs(fd) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), os.fsdecode(path))
    finally:
        os.close(fd)


def barrier(root: bytes, files: Iterable[bytes]) -> None:
    """Make ``files`` (bytes and names) below ``root`` durable: fsync of each, or one syncfs where that is cheaper."""
    paths = list(files)
    if len(paths) > MANY_FILES or (len(paths) > FEW_FILES and _unwritten() < _LITTLE):
        sync_filesystem(root)
        return
    for path in paths:
        sync_file(path)
    for directory in sorted({os.path.dirname(path) for path in paths}):
        sync_directory(directory)


def _unwritten() -> float:
    """Bytes that wait to be written to all disks; endless where nobody tells (proc_meminfo(5): kB)."""
    try:
        lines = read(b"/proc/meminfo").splitlines()
    except OSError:
        return float("inf")
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith((b"Dirty:", b"Writeback:")))


def allocated(found: os.stat_result) -> int:
    """Bytes a file or directory takes: st_blocks counts 512 of them, whatever the filesystem's blocks (stat(2))."""
    return found.st_blocks * 512


def allocated_at(path: bytes) -> int:
    """The same of what lies at ``path``; 0 where it is gone, or not ours to ask."""
    try:
        return allocated(os.lstat(path))
    except OSError:
        return 0


def make_directory(path: bytes, mode: int) -> None:
    """Make a directory of just that mode, whatever the umask; one that is there is left as it is."""
    if not os.path.isdir(path):
        os.makedirs(path, mode=mode, exist_ok=True)
        os.chmod(path, mode)  # a setgid parent, or its default ACL, gives more


def make_parent(path: bytes) -> None:
    """Make the directory for ``path``, as open as the one above it: 0700 where that is missing too."""
    directory = os.path.dirname(path)
    try:
        mode = stat.S_IMODE(os.stat(os.path.dirname(directory)).st_mode)
    except FileNotFoundError:
        mode = 0o700
    make_directory(directory, mode)


def probe_links(origin: bytes, directory: bytes) -> None:
    """Raise StoreError unless ``origin``, or a file made in it for this, can have a second name in ``directory``."""
    made = b"%s/%d.1.tmp" % (origin, os.getpid()) if os.path.isdir(origin) else b""
    second = b"%s/%d.2.tmp" % (directory, os.getpid())
    try:
        if made:
            os.close(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        try:
            link(made or origin, second)
        except OSError as error:
            if error.errno not in NO_LINK:
                raise
            if error.errno != errno.EMLINK:
                raise why_no_link(error, origin, directory) from error
    finally:
        discard(second)
        if made:
            discard(made)


def why_no_link(error: OSError, source: bytes, directory: bytes) -> StoreError:
    """The sentence for a file that cannot have a second name in ``directory``: is it the file, or the filesystem?"""
    where = os.fsdecode(directory)
    if error.errno == errno.EXDEV:
        return Unsupported(
            f"{where} is on another filesystem than the environment: hardlinks cannot cross.",
            "Keep both on one filesystem; SYSVENV_HOME moves them together.",
        )
    if error.errno not in NO_LINK:
        return StoreError(f"{where}: {error.strerror or error}.")
    if source != directory and _links_work(directory):
        owner = os.lstat(source).st_uid
        return StoreError(
            f"{os.fsdecode(source)} cannot be linked ({os.strerror(error.errno)}); it belongs to user {owner}.",
            f"The kernel may let only its owner do that. Run: sudo chown {os.geteuid()} {os.fsdecode(source)}",
        )
    return Unsupported(
        f"The filesystem of {where} refuses hardlinks ({os.strerror(error.errno)}).",
        "Point SYSVENV_HOME at a directory on a local disk.",
    )


def _links_work(directory: bytes) -> bool:
    try:
        probe_links(directory, directory)
    except (StoreError, OSError):
        return False
    return True
