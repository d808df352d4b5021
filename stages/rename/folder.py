"""A folder held open, so that a symlink that takes its place meanwhile leads nowhere, and locked against others."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ErrorCode, Permanent, Transient
from stages.paths import TEMPORARY, unreadable
from stages.rename.names import folded

_LOCK_S = 10.0
_LOCK_ATTEMPT_S = 0.01
_SEARCH = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC
_NOT_WRITABLE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
_REFUSED_NAME = frozenset({errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMLINK})


@dataclass(frozen=True, slots=True)
class FileState:
    """Which file it is, and what tells whether its content is still the same."""

    device: int
    inode: int
    size: int
    mtime_ns: int

    def is_same_file(self, other: FileState) -> bool:
        return (self.device, self.inode) == (other.device, other.inode)

    def looks_alike(self, other: FileState) -> bool:
        return (self.size, self.mtime_ns) == (other.size, other.mtime_ns)


class Folder:
    """An open folder. Everything in it is asked for by name alone. All methods block, and raise OSError.

    Attributes:
        descriptor: of the folder.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def file(self, name: str) -> FileState | None:
        """What is there under a name, if it is a file or a symlink, which is not followed."""
        try:
            status = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)):
            return None
        return FileState(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)

    def names(self) -> list[str]:
        return os.listdir(self.descriptor)

    def lookalike(self, name: str, besides: str) -> str | None:
        """What is there under the name, or under one that only differs in case; `besides` does not count."""
        wanted = folded(name)
        return next((each for each in self.names() if each != besides and folded(each) == wanted), None)

    def sync(self) -> None:
        """Have the names on disk, as far as the file system does that."""
        with suppress(OSError):
            os.fsync(self.descriptor)


@contextmanager
def opened(path: Path, roots: Sequence[Path]) -> Iterator[Folder]:
    """The folder at a real path, for this process alone among those that ask here.

    Raises: Permanent: PATH_NOT_ALLOWED where it is not inside the roots by now, FILE_NOT_FOUND, FILE_UNREADABLE;
        Transient where it stays locked.
    """
    descriptor = _descend(path, roots)
    try:
        _lock(descriptor, path)
        yield Folder(descriptor)
    finally:
        os.close(descriptor)


def _descend(path: Path, roots: Sequence[Path]) -> int:
    """A descriptor of the folder, reached from its root without following a symlink."""
    bases = [root.resolve() for root in roots] or [Path(path.anchor)]
    base = next((each for each in bases if path.is_relative_to(each)), None)
    if base is None:
        raise Permanent(f"{path.name} is outside the library", ErrorCode.PATH_NOT_ALLOWED)
    try:
        here = os.open(base, _SEARCH)
        try:
            for part in path.relative_to(base).parts:
                below = os.open(part, _SEARCH | os.O_NOFOLLOW, dir_fd=here)
                os.close(here)
                here = below
            return os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=here)
        finally:
            os.close(here)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise Permanent(
                f"{path.name} is not a folder of the library any more", ErrorCode.PATH_NOT_ALLOWED
            ) from error
        raise unreadable(error, path) from error


def _lock(descriptor: int, path: Path) -> None:
    """Until the descriptor is closed. Where the file system has no locks there is none."""
    deadline = time.monotonic() + _LOCK_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise Transient(f"{path.name} is locked by another program", ErrorCode.FOLDER_NOT_WRITABLE) from None
            time.sleep(_LOCK_ATTEMPT_S)
        except OSError:
            return
        else:
            return


def refused(error: OSError, name: str) -> Permanent | Transient:
    """What an error of the file system means for a file that was to be renamed."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    if isinstance(error, FileExistsError):
        return Permanent(f"There is a file of that name beside {name} already", ErrorCode.TARGET_EXISTS)
    if error.errno in _REFUSED_NAME:
        return Permanent(f"The file system does not take the new name of {name}: {reason}", ErrorCode.INVALID_NAME)
    if error.errno in _NOT_WRITABLE:
        return Permanent(f"{name} cannot be renamed: {reason}", ErrorCode.FOLDER_NOT_WRITABLE)
    if error.errno in _FULL or error.errno in TEMPORARY:
        return Transient(f"{name} cannot be renamed just now: {reason}", ErrorCode.FOLDER_NOT_WRITABLE)
    return unreadable(error, Path(name))
