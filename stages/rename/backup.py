"""The name a file had, kept beside it as `<name>.bak`: a hard link where there can be one, else a copy."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress

from stages.rename.exclusive import rename_exclusively
from stages.rename.folder import FileState, Folder
from stages.rename.names import backup_name

_MOST_BACKUPS = 1000
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL})


def back_up(folder: Folder, name: str, token: str) -> tuple[str, bool]:
    """Keep the file under the first free name for backups. One that is there of the same file is taken for it.

    A link has the content in common with the file, so it brings back the name, and the content as long as it is
    replaced, as most programs do, and not changed in place.

    Args:
        token: of this rename alone; a copy that is not complete yet is called by it.
    Returns: the backup's name, and whether it was made just now.
    Raises: OSError.
    """
    state = folder.file(name)
    if state is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
    for number in range(1, _MOST_BACKUPS + 1):
        candidate = backup_name(name, number)
        present = folder.file(candidate)
        if present is not None and _is_backup_of(present, state):
            return candidate, False
        with suppress(FileExistsError):
            _keep(folder, name, candidate, token)
            return candidate, True
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)


def backup_of(folder: Folder, name: str, state: FileState) -> str | None:
    """The backup of a file that was called by the name and is in that state."""
    for number in range(1, _MOST_BACKUPS + 1):
        present = folder.file(backup_name(name, number))
        if present is None:
            return None
        if _is_backup_of(present, state):
            return backup_name(name, number)
    return None


def _is_backup_of(present: FileState, state: FileState) -> bool:
    return present.is_same_file(state) or present.looks_alike(state)


def _keep(folder: Folder, name: str, candidate: str, token: str) -> None:
    """Raises FileExistsError where the candidate is taken."""
    where = folder.descriptor
    try:
        os.link(name, candidate, src_dir_fd=where, dst_dir_fd=where, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        copy(folder, name, candidate, token)


def copy(folder: Folder, name: str, candidate: str, token: str) -> None:
    """A copy that is complete and on disk before it has its name. Raises OSError."""
    where, unfinished = folder.descriptor, f".{token}.copying"
    with suppress(FileNotFoundError):
        os.unlink(unfinished, dir_fd=where)
    try:
        with (
            open(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=where), "rb") as source,
            open(
                os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=where), "wb"
            ) as target,
        ):
            status = os.fstat(source.fileno())
            shutil.copyfileobj(source, target, 1024 * 1024)
            target.flush()
            with suppress(OSError):  # not every file system has modes
                os.fchmod(target.fileno(), status.st_mode & 0o777)
            os.utime(target.fileno(), ns=(status.st_atime_ns, status.st_mtime_ns))
            os.fsync(target.fileno())
        rename_exclusively(where, unfinished, candidate)
    except BaseException:
        with suppress(OSError):
            os.unlink(unfinished, dir_fd=where)
        raise
