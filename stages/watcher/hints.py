"""What the file system says has changed, coalesced per path: hints where to look, never the truth itself."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum


class Touch(IntEnum):
    """What happened to a path, as far as it says whether the file is finished."""

    SEEN = 0
    """Created, deleted, moved, its attributes changed."""
    WRITTEN = 1
    """Written to, and perhaps still being written."""
    CLOSED = 2
    """Closed by who wrote it, or given its name when it was complete."""


@dataclass(slots=True)
class Batch:
    """Hints taken together.

    Attributes:
        paths: what happened to each.
        folders: folders to look into: created, deleted, moved from or to.
        origins: new name of a renamed file to its old one.
        lost: there were more; everything has to be looked at.
    """

    paths: dict[str, Touch] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    origins: dict[str, str] = field(default_factory=dict)
    lost: bool = False


class Hints:
    """A bounded mailbox from the observing threads to the loop.

    Args:
        capacity: paths kept at most; beyond that they are dropped, and the batch is marked lost.
        wake: called from any thread when the first hint arrives after a `take`.
    """

    def __init__(self, capacity: int, wake: Callable[[], None]) -> None:
        self._capacity = capacity
        self._wake = wake
        self._lock = threading.Lock()
        self._batch = Batch()
        self._awake = False

    def touch(self, path: str, what: Touch) -> None:
        with self._lock:
            paths = self._batch.paths
            if what is not Touch.SEEN or path not in paths:
                paths[path] = what
        self._arrived()

    def folder(self, path: str) -> None:
        with self._lock:
            self._batch.folders.add(path)
        self._arrived()

    def moved(self, old: str, new: str) -> None:
        """A file was renamed. Whoever gives a file its name by renaming has finished writing it."""
        with self._lock:
            self._batch.paths[old] = Touch.SEEN
            self._batch.paths[new] = Touch.CLOSED
            self._batch.origins[new] = self._batch.origins.pop(old, old)
        self._arrived()

    def lose(self) -> None:
        """Hints went missing."""
        with self._lock:
            self._batch = Batch(lost=True)
        self._arrived()

    def take(self) -> Batch:
        """All hints since the last call."""
        with self._lock:
            batch, self._batch = self._batch, Batch()
            self._awake = False
        return batch

    def _arrived(self) -> None:
        with self._lock:
            batch = self._batch
            if len(batch.paths) + len(batch.folders) > self._capacity:
                self._batch = Batch(lost=True)
            waking, self._awake = not self._awake, True
        if waking:
            self._wake()
