"""Giving a file another name that nothing has: the one thing about renaming that `os.rename` cannot do."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable

_NOREPLACE = 1
_NOT_OFFERED = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP})

Rename = Callable[[int, str, str], None]
"""(descriptor of the folder, name, new name). Raises FileExistsError, other OSErrors."""


def rename_exclusively(folder: int, old: str, new: str) -> None:
    """Rename within a folder, in one step where the file system can, and never over something that is there.

    Where it cannot, by a second link and the removal of the first: an interruption leaves the file with both names.

    Args:
        folder: a descriptor of it.
    Raises: FileExistsError; OSError, EPERM among them where the file system can do neither.
    """
    try:
        rename_in_one_step(folder, old, new)
    except OSError as error:
        if error.errno not in _NOT_OFFERED:
            raise
        rename_by_links(folder, old, new)


def rename_in_one_step(folder: int, old: str, new: str) -> None:
    """By renameat2(2). Raises OSError: ENOSYS or EINVAL where the system or the file system does not offer it."""
    if _renameat2 is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if _renameat2(folder, os.fsencode(old), folder, os.fsencode(new), _NOREPLACE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), old, None, new)


def rename_by_links(folder: int, old: str, new: str) -> None:
    """By link(2), which refuses a name that is there, and unlink(2). Raises OSError: EPERM where there are no links."""
    os.link(old, new, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    os.unlink(old, dir_fd=folder)


def _found() -> Callable[..., int] | None:
    """The C library's function; None where it has none, as outside of Linux."""
    function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if function is not None:
        function.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
        function.restype = ctypes.c_int
    return function


_renameat2 = _found()
