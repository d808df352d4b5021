"""The watched folders: which of their files are wanted, what is in them, whether they are there at all."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterable, Iterator
from fnmatch import translate
from pathlib import Path

from stages.fingerprint import Look
from stages.formats import is_audio

GONE, UNSEEN = "gone", "unseen"
"""Why there is no look at a path: nothing wanted is there; or nobody can tell (no permission, a network error)."""

Found = tuple[str, Look]


class UnusableName(Exception):
    """A name that is not UTF-8: no message can carry it."""


def shown(path: str) -> str:
    """A path as it may be logged: control characters and bytes that are no UTF-8 escaped."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


class Folders:
    """The watched folders. What asks the file system blocks: call it in a thread.

    Attributes:
        roots: their canonical paths.
    """

    def __init__(self, roots: Iterable[Path], ignore: Iterable[str]) -> None:
        """Folders inside other ones are left out: the outer one covers them."""
        canonical = sorted({os.path.realpath(root) for root in roots})
        outer: list[str] = []
        for path in canonical:
            if not any(is_inside(path, other) for other in outer):
                outer.append(path)
        self.roots = tuple(outer)
        self._ignored = re.compile("|".join(translate(pattern) for pattern in ignore) or r"(?!)").match

    def root_of(self, path: str) -> str | None:
        """The watched folder that a path is in."""
        return next((root for root in self.roots if is_inside(path, root)), None)

    def relative(self, path: str) -> str:
        """As it may be logged: below its watched folder, with that folder's name."""
        root = self.root_of(path)
        return shown(path if root is None else os.path.relpath(path, os.path.dirname(root)))

    def wants(self, path: str) -> bool:
        """Whether a file of this name is one for the library. Raises UnusableName."""
        root = self.root_of(path)
        if root is None or not is_audio(path) or self._is_left_out(path, root):
            return False
        try:
            path.encode()
        except UnicodeEncodeError:
            raise UnusableName(path) from None
        return True

    def covers(self, folder: str) -> bool:
        """Whether files in this folder may be wanted."""
        root = self.root_of(folder)
        return root is not None and not self._is_left_out(folder, root)

    def _is_left_out(self, path: str, root: str) -> bool:
        return any(self._ignored(part) for part in path[len(root) :].split(os.sep) if part)

    def identity(self, root: str) -> tuple[int, int] | None:
        """Device and inode of a watched folder; None if it is not there."""
        try:
            status = os.stat(root)
        except OSError:
            return None
        return (status.st_dev, status.st_ino) if stat.S_ISDIR(status.st_mode) else None

    def is_empty(self, root: str) -> bool:
        """Whether a folder has nothing in it, or cannot be read."""
        try:
            with os.scandir(root) as entries:
                return next(entries, None) is None
        except OSError:
            return True

    def look(self, path: str) -> Look | str:
        """The state of the file at a wanted path, or GONE, or UNSEEN."""
        try:
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                if self.root_of(os.path.realpath(path)) is None:
                    return GONE
                status = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return GONE
        except OSError as error:
            return GONE if error.errno == errno.ELOOP else UNSEEN
        return Look.of(status) if stat.S_ISREG(status.st_mode) else GONE

    def walk(self, folder: str, unreadable: list[str]) -> Iterator[Found | UnusableName]:
        """The wanted files below a folder in the order of their names, folder by folder.

        Symbolic links to folders are not followed. A folder that cannot be read is appended to `unreadable`,
        except one that is not there.
        """
        pending = [folder]
        while pending:
            here = pending.pop()
            try:
                with os.scandir(here) as entries:
                    ordered = sorted(entries, key=lambda entry: os.fsencode(entry.name))
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError:
                unreadable.append(here)
                continue
            below = []
            for entry in ordered:
                if self._ignored(entry.name):
                    continue
                if _is_folder(entry):
                    below.append(entry.path)
                    continue
                try:
                    if not self.wants(entry.path):
                        continue
                except UnusableName as unusable:
                    yield unusable
                    continue
                look = self.look(entry.path)
                if isinstance(look, Look):
                    yield entry.path, look
            pending.extend(reversed(below))


def is_inside(path: str, folder: str) -> bool:
    """Whether a path is the folder or something below it."""
    return path == folder or path.startswith(folder if folder.endswith(os.sep) else folder + os.sep)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False
