"""Which files a message may name: those inside the library's roots, wherever a symlink in the path leads."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import ErrorCode, Permanent, Transient
from stages.formats import is_audio

TEMPORARY = frozenset({errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR})
"""Errors of the file system that may be gone at the next attempt."""


def inside_roots(path: str | Path, roots: Sequence[Path]) -> Path:
    """The real path, symlinks resolved, of something inside one of the roots; it need not exist.

    Without roots every absolute path is inside.

    Raises: Permanent, PATH_NOT_ALLOWED; what `unreadable` makes of an error of the file system.
    """
    path = Path(path)
    if not path.is_absolute():
        raise Permanent(f"{path.name} must be given by its absolute path", ErrorCode.PATH_NOT_ALLOWED)
    try:
        real = path.resolve()
        if roots and not any(real.is_relative_to(root.resolve()) for root in roots):
            raise Permanent(f"{path.name} is outside the library", ErrorCode.PATH_NOT_ALLOWED)
    except (OSError, RuntimeError) as error:  # a loop of symlinks is a RuntimeError
        raise unreadable(error, path) from error
    return real


def audio_file(path: str | Path, roots: Sequence[Path]) -> Path:
    """The real path of a readable, regular, non-empty file of a known type inside one of the roots.

    Raises:
        Permanent: PATH_NOT_ALLOWED, FILE_NOT_FOUND, FILE_UNREADABLE, FILE_EMPTY, UNSUPPORTED_FORMAT.
        Transient: FILE_UNREADABLE when the file system fails.
    """
    path = Path(path)
    real = inside_roots(path, roots)
    try:
        found = real.stat()
    except (OSError, RuntimeError) as error:
        raise unreadable(error, path) from error
    if not stat.S_ISREG(found.st_mode):
        raise Permanent(f"{path.name} is not a regular file", ErrorCode.FILE_UNREADABLE)
    if not is_audio(path):
        raise Permanent(f"{path.name} is of a type that is not analysed", ErrorCode.UNSUPPORTED_FORMAT)
    if found.st_size == 0:
        raise Permanent(f"{path.name} is empty", ErrorCode.FILE_EMPTY)
    if not os.access(real, os.R_OK):
        raise Permanent(f"{path.name} may not be read", ErrorCode.FILE_UNREADABLE)
    return real


def unreadable(error: Exception, path: Path) -> Permanent | Transient:
    """What an error of the file system means for the message: FILE_NOT_FOUND, or FILE_UNREADABLE."""
    number = getattr(error, "errno", None)
    if number in (errno.ENOENT, errno.ENOTDIR):
        return Permanent(f"{path.name} is not there", ErrorCode.FILE_NOT_FOUND)
    reason = os.strerror(number) if number else str(error)
    kind = Transient if number in TEMPORARY else Permanent
    return kind(f"{path.name} cannot be read: {reason}", ErrorCode.FILE_UNREADABLE)
