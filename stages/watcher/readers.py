"""Hashes files in a few threads: those of a scan in their order, changed ones as they are ready."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from stages.fingerprint import Abandoned, Fingerprint, Unsettled, fingerprint

Outcome = Fingerprint | Unsettled | OSError
Result = tuple[str, Outcome]
Scanned = tuple[str, Fingerprint | None]
"""A file that a scan has found, and what is remembered of it."""
Read = Callable[[str, Callable[[], bool]], Fingerprint]


def read_file(path: str, abandoned: Callable[[], bool]) -> Fingerprint:
    """See `stages.fingerprint.fingerprint`."""
    return fingerprint(path, abandoned=abandoned)


class Readers:
    """A bounded number of files being read. Used on the loop only.

    Args:
        count: threads.
        wake: called on the loop when something has been read.
        read: how a file is read.
    """

    def __init__(self, count: int, wake: Callable[[], None], read: Read) -> None:
        self._executor = ThreadPoolExecutor(count, thread_name_prefix="watcher-read")
        self._wake = wake
        self._read = read
        self._most = count + 2
        self._ordered: deque[asyncio.Future[list[Result]]] = deque()
        self._changed: set[asyncio.Future[list[Result]]] = set()
        self._stopping = False

    @property
    def room_for_scanned(self) -> bool:
        return len(self._ordered) < self._most

    @property
    def room_for_changed(self) -> bool:
        return len(self._changed) < self._most

    def read_scanned(self, group: Sequence[Scanned]) -> None:
        """Read those of a group that are not remembered; results come after those of the groups before."""
        self._ordered.append(self._start(group))

    def read_changed(self, path: str) -> None:
        """Read one file; its result comes as soon as it is there."""
        self._changed.add(self._start([(path, None)]))

    def results(self) -> list[Result]:
        """What has been read since the last call."""
        found: list[Result] = []
        for future in [future for future in self._changed if future.done()]:
            self._changed.remove(future)
            found += future.result()
        while self._ordered and self._ordered[0].done():
            found += self._ordered.popleft().result()
        return found

    def stop(self) -> None:
        """Abandon what is being read; the threads end within a MiB. Blocks for as long."""
        self._stopping = True
        self._executor.shutdown(cancel_futures=True)

    def _start(self, group: Sequence[Scanned]) -> asyncio.Future[list[Result]]:
        future = asyncio.get_running_loop().run_in_executor(self._executor, self._read_all, tuple(group))
        future.add_done_callback(lambda _: self._wake())
        return future

    def _read_all(self, group: Sequence[Scanned]) -> list[Result]:
        results: list[Result] = []
        for path, remembered in group:
            try:
                results.append((path, remembered or self._read(path, lambda: self._stopping)))
            except (Unsettled, OSError) as error:
                results.append((path, error))
            except Abandoned:
                break
        return results
