"""What has been announced: the files by path, by inode and by content. In memory, for as long as the watcher runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

from stages.fingerprint import Fingerprint, Look


@dataclass(frozen=True, slots=True)
class Known:
    """A file as it was last announced.

    Attributes:
        look: its state then.
        sha256, xxh128, format_family: None for a file that could not be read; then `error` says why.
    """

    look: Look
    sha256: str | None = None
    xxh128: str | None = None
    format_family: str | None = None
    error: str | None = None

    @classmethod
    def of(cls, fingerprint: Fingerprint) -> Known:
        return cls(fingerprint.look, fingerprint.sha256, fingerprint.xxh128, fingerprint.format_family)


class Inventory:
    """Paths to what is known of them, kept with an index by inode and one by content."""

    def __init__(self) -> None:
        self._files: dict[str, Known] = {}
        self._by_inode: defaultdict[tuple[int, int], set[str]] = defaultdict(set)
        self._by_content: defaultdict[str, set[str]] = defaultdict(set)

    def __len__(self) -> int:
        return len(self._files)

    def __contains__(self, path: str) -> bool:
        return path in self._files

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def get(self, path: str) -> Known | None:
        return self._files.get(path)

    def put(self, path: str, known: Known) -> None:
        """Set what is known of a path, instead of what was."""
        self.remove(path)
        self._files[path] = known
        self._by_inode[known.look.identity].add(path)
        if known.sha256 is not None:
            self._by_content[known.sha256].add(path)

    def remove(self, path: str) -> Known | None:
        """Forget a path; what was known of it."""
        known = self._files.pop(path, None)
        if known is not None:
            _discard(self._by_inode, known.look.identity, path)
            if known.sha256 is not None:
                _discard(self._by_content, known.sha256, path)
        return known

    def move(self, old: str, new: str, look: Look) -> Known:
        """The file at `old` is at `new` now; whatever was known of `new` is forgotten. Raises KeyError."""
        known = replace(self._files[old], look=look)
        self.remove(old)
        self.put(new, known)
        return known

    def same_file(self, look: Look) -> set[str]:
        """Paths announced with this inode."""
        return self._by_inode.get(look.identity, set())

    def same_content(self, sha256: str) -> set[str]:
        """Paths announced with this content."""
        return self._by_content.get(sha256, set())

    def below(self, folders: Iterable[str]) -> list[str]:
        """Paths inside any of the folders, in one pass."""
        wanted = set(folders)
        return [path for path in self._files if any(str(parent) in wanted for parent in PurePath(path).parents)]


def _discard(index: dict[Any, set[str]], key: Any, path: str) -> None:
    paths = index[key]
    paths.discard(path)
    if not paths:
        del index[key]
