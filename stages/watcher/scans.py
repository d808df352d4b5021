"""Walks through watched folders, when they come under observation and from time to time after that."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from pipeline.stage import Logger
from stages.fingerprint import Fingerprint, Look
from stages.watcher.folders import Folders, Found, UnusableName, is_inside, shown
from stages.watcher.hints import Touch
from stages.watcher.readers import Scanned
from stages.watcher.tracker import Tracker

_WALKED_AT_ONCE = 512
_GROUP_FILES, _GROUP_BYTES = 32, 8 * 1024 * 1024
_SHOWN = 3

Remembered = Mapping[str, Fingerprint]
Recall = Callable[[Sequence[Found]], Remembered]


@dataclass(slots=True)
class _Scan:
    """One walk through one folder.

    Attributes:
        arriving: the folder has just come under observation: its files are discovered, not created.
        met: announced paths that are still there.
        remembered: how many files need not be read.
    """

    root: str
    arriving: bool
    walk: Iterator[Found | UnusableName]
    unreadable: list[str]
    met: set[str] = field(default_factory=set)
    remembered: int = 0
    left_out: list[str] = field(default_factory=list)


class Scans:
    """Scans that are to be made, one after the other. What they find becomes groups to read, or touches.

    Args:
        settle: files changed within so many seconds may still be written, and are left to the tracker.
        limit: files taken in at most; others are ignored until they change.
        recall: what is remembered of files that look as found; blocks.
        now: the time of the files' clock, in seconds since the epoch.
    """

    def __init__(
        self,
        folders: Folders,
        tracker: Tracker,
        log: Logger,
        *,
        settle: float,
        limit: int | None,
        recall: Recall,
        now: Callable[[], float],
    ) -> None:
        self._folders = folders
        self._tracker = tracker
        self._log = log
        self._settle_ns = int(settle * 1e9)
        self._limit = limit
        self._recall = recall
        self._now = now
        self._since_ns = int(now() * 1e9)
        self._taken_in = 0
        self._scans: deque[_Scan] = deque()
        self._group: list[Scanned] = []
        self._group_bytes = 0
        self._groups: deque[list[Scanned]] = deque()

    @property
    def active(self) -> bool:
        return bool(self._scans or self._groups)

    def add(self, root: str, *, arriving: bool) -> None:
        """Scan a folder after those that are to be scanned already."""
        unreadable: list[str] = []
        self._scans.append(_Scan(root, arriving, self._folders.walk(root, unreadable), unreadable))

    def take_group(self) -> list[Scanned] | None:
        """Files to read next, in the order of the walk; they are admitted to the tracker."""
        return self._groups.popleft() if self._groups else None

    async def go_on(self, now: float) -> None:
        """Walk until there is a group to read, or a piece of the way. `now`: the tracker's time."""
        if self._groups or not self._scans:
            return
        scan = self._scans[0]
        piece, remembered = await asyncio.to_thread(self._walk_on, scan)
        for found in piece:
            if isinstance(found, UnusableName):
                scan.left_out.append(str(found))
            else:
                path, look = found
                self._meet(scan, path, look, remembered.get(path), now)
        if not piece:
            self._scans.popleft()
            self._finish(scan, now)
        if not self._scans:
            self._close_group()

    def _walk_on(self, scan: _Scan) -> tuple[list[Found | UnusableName], Remembered]:
        piece = list(islice(scan.walk, _WALKED_AT_ONCE))
        files = [found for found in piece if not isinstance(found, UnusableName)]
        return piece, self._recall(files) if scan.arriving else {}

    def _meet(self, scan: _Scan, path: str, look: Look, remembered: Fingerprint | None, now: float) -> None:
        known = self._tracker.inventory.get(path)
        if known is not None:
            scan.met.add(path)
            if known.look != look:
                self._tracker.touch(path, Touch.SEEN, now, doubtful=True)
        elif not self._tracker.is_awaited(path) and self._is_taken_in(look):
            if remembered is not None:
                scan.remembered += 1
                self._admit(path, look, remembered)
            elif scan.arriving and self._now() * 1e9 - look.mtime_ns >= self._settle_ns:
                self._admit(path, look, None)
            else:
                self._tracker.touch(path, Touch.SEEN, now, discovered=scan.arriving)

    def _is_taken_in(self, look: Look) -> bool:
        if self._limit is not None and self._taken_in >= self._limit:
            return look.ctime_ns >= self._since_ns
        self._taken_in += 1
        return True

    def _admit(self, path: str, look: Look, remembered: Fingerprint | None) -> None:
        self._tracker.admit(path, look)
        to_read = look.size if remembered is None else 0
        if self._group_bytes + to_read > _GROUP_BYTES or len(self._group) >= _GROUP_FILES:
            self._close_group()
        self._group.append((path, remembered))
        self._group_bytes += to_read

    def _close_group(self) -> None:
        if self._group:
            self._groups.append(self._group)
        self._group, self._group_bytes = [], 0

    def _finish(self, scan: _Scan, now: float) -> None:
        for path in [path for path in self._tracker.inventory if is_inside(path, scan.root) and path not in scan.met]:
            self._tracker.touch(path, Touch.SEEN, now)
        for folder in scan.unreadable:
            self._log.warning("a folder cannot be read; its files are left out", folder=self._folders.relative(folder))
        if scan.left_out:
            examples = [self._folders.relative(path) for path in scan.left_out[:_SHOWN]]
            self._log.warning(
                "files are left out: their names are not UTF-8", files=len(scan.left_out), for_example=examples
            )
        if scan.arriving:
            self._log.info(
                "scanned", folder=shown(scan.root), taken_in=self._taken_in, unchanged_since_last_run=scan.remembered
            )
        else:
            self._log.debug("looked at every file again", folder=shown(scan.root))
