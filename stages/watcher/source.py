"""The source itself: hints, scans and looks go in, messages come out."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from pipeline.stage import Emit, Logger, SourceContext
from stages.fingerprint import Fingerprint, Look, Unsettled
from stages.watcher.fingerprints import Fingerprints
from stages.watcher.folders import Folders, Found, UnusableName, is_inside
from stages.watcher.hints import Hints, Touch
from stages.watcher.observation import Observation
from stages.watcher.options import WatchOptions
from stages.watcher.presence import Observe, Presence
from stages.watcher.readers import Outcome, Read, Readers, read_file
from stages.watcher.reports import Reports
from stages.watcher.scans import Remembered, Scans
from stages.watcher.tracker import Change, Tracker

_REST_S = 0.25


async def watch(context: SourceContext) -> AsyncIterator[Emit]:
    """Announce the audio files in `context.roots`, then every change of them, until the pipeline stops.

    `file.discovered` for each file that is there already, folder by folder in the order of names; afterwards
    `file.created`, `.modified`, `.deleted`, `.moved` and `.renamed`. Only finished files are announced. A folder
    that is not there is waited for. Options: see WatchOptions.

    Raises: PipelineError for wrong options.
    """
    options = WatchOptions.read(context.options)
    fingerprints = Fingerprints(context.data_dir, context.log) if options.remember else None
    watcher, caught_up = Watcher(context.roots, options, context.log, fingerprints), False
    try:
        while not context.stopping:
            for message in await watcher.step():
                yield message
            if not caught_up and watcher.caught_up:
                context.caught_up()
                caught_up = True
            await watcher.rest()
    finally:
        await watcher.close()


class Watcher:
    """Watches folders: `step` again and again, `rest` in between, `close` at the end.

    Args:
        fingerprints: what earlier runs have read, and where to keep what this one reads; closed with the watcher.
        read: how a file is read.
        observe: how the system's help is asked for.
    """

    def __init__(
        self,
        roots: Sequence[Path],
        options: WatchOptions,
        log: Logger,
        fingerprints: Fingerprints | None,
        *,
        read: Read = read_file,
        observe: Observe = Observation,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._awake = asyncio.Event()
        self._options = options
        self._log = log
        self._folders = Folders(roots, options.ignore)
        self._tracker = Tracker(options.settle, options.pairing)
        self._reports = Reports(self._folders, options.instance_id)
        self._hints = Hints(options.max_hints, lambda: _call_on(loop, self._awake.set))
        self._presence = Presence(self._folders, self._hints, options, log, observe)
        self._fingerprints = fingerprints
        self._readers = Readers(
            options.readers, self._awake.set, read if fingerprints is None else fingerprints.kept(read)
        )
        self._scans = Scans(
            self._folders,
            self._tracker,
            log,
            settle=options.settle,
            limit=options.limit,
            recall=_nothing if fingerprints is None else fingerprints.recall,
            now=time.time,
        )
        self._next_rescan = 0.0

    async def step(self) -> list[Emit]:
        """Go on with all that can be done now; what is to be announced."""
        now = time.monotonic()
        await self._take_hints(now)
        await self._scan(now)
        changes = [*await self._examine(now), *await self._expire(now)]
        self._feed_readers()
        changes += await self._take_results(now)
        self._feed_readers()
        return [self._reports.message(change) for change in changes]

    @property
    def caught_up(self) -> bool:
        """Whether all that was there when watching began has been announced."""
        return not self._scans.active and not self._tracker.is_discovering

    async def rest(self) -> None:
        """Wait until there may be something to do, a quarter of a second at most."""
        if self._scans.active and self._readers.room_for_scanned:
            await asyncio.sleep(0)
            return
        due = self._tracker.next_due()
        wait = _REST_S if due is None else min(_REST_S, due - time.monotonic())
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, wait)):
                await self._awake.wait()
        self._awake.clear()

    async def close(self) -> None:
        """Stop observing and reading."""
        await self._presence.stop()
        await asyncio.to_thread(self._readers.stop)
        if self._fingerprints is not None:
            await asyncio.to_thread(self._fingerprints.close)

    async def _take_hints(self, now: float) -> None:
        batch = self._hints.take()
        if batch.lost:
            self._log.warning("some changes were not told by the system; looking at every file")
            self._next_rescan = 0.0
        for path, what in batch.paths.items():
            if self._wants(path):
                self._tracker.touch(path, what, now, origin=batch.origins.get(path))
        for root in batch.folders.intersection(self._folders.roots):
            self._presence.doubt(root)
        folders = [folder for folder in batch.folders if self._folders.covers(folder)]
        if folders:
            for path in self._tracker.inventory.below(folders):
                self._tracker.touch(path, Touch.SEEN, now)
            for path, look in await asyncio.to_thread(self._walk, folders):
                known = self._tracker.inventory.get(path)
                if known is None or known.look != look:
                    self._tracker.touch(path, Touch.SEEN, now)

    def _walk(self, folders: Iterable[str]) -> list[Found]:
        found = (each for folder in folders for each in self._folders.walk(folder, []))
        return [each for each in found if not isinstance(each, UnusableName)]

    def _wants(self, path: str) -> bool:
        try:
            return self._folders.wants(path)
        except UnusableName:
            self._log.warning("a file is left out: its name is not UTF-8", path=self._folders.relative(path))
            return False

    async def _scan(self, now: float) -> None:
        for root in await self._presence.check(now, self._is_populated):
            self._scans.add(root, arriving=True)
            self._put_off_rescan(now)
        if now >= self._next_rescan and not self._scans.active:
            for root in self._presence.watched():
                self._scans.add(root, arriving=False)
            self._put_off_rescan(now)
        await self._scans.go_on(now)

    def _is_populated(self, root: str) -> bool:
        return any(is_inside(path, root) for path in self._tracker.inventory)

    def _put_off_rescan(self, now: float) -> None:
        self._next_rescan = now + (self._options.poll_interval if self._presence.polling else self._options.rescan)

    async def _examine(self, now: float) -> list[Change]:
        due = self._tracker.due(now)
        if not due:
            return []
        looks = await self._look(due)
        looks |= await self._look(self._tracker.relatives(looks))
        return self._tracker.examine(due, looks, now)

    async def _expire(self, now: float) -> list[Change]:
        expired = self._tracker.expired(now)
        if not expired:
            return []
        looks = await self._look(expired)
        changes = (self._tracker.deleted(path, looks[path], now) for path in expired)
        return [change for change in changes if change is not None]

    def _feed_readers(self) -> None:
        while self._tracker.ready and self._readers.room_for_changed:
            self._readers.read_changed(self._tracker.ready.popleft())
        while self._readers.room_for_scanned and (group := self._scans.take_group()):
            self._readers.read_scanned(group)

    async def _take_results(self, now: float) -> list[Change]:
        results = self._readers.results()
        twins = self._tracker.twins([(path, read) for path, read in results if isinstance(read, Fingerprint)])
        looks = await self._look(twins)
        changes = (self._take_result(path, outcome, looks, now) for path, outcome in results)
        return [change for change in changes if change is not None]

    def _take_result(self, path: str, outcome: Outcome, looks: dict[str, Look | str], now: float) -> Change | None:
        match outcome:
            case Fingerprint():
                return self._tracker.hashed(path, outcome, looks)
            case Unsettled():
                self._tracker.unsettled(path, now)
            case FileNotFoundError() | NotADirectoryError():
                self._tracker.vanished(path, now)
            case _:
                reason = os.strerror(outcome.errno) if outcome.errno else type(outcome).__name__
                self._log.warning("a file cannot be read", path=self._folders.relative(path), reason=reason)
                lasting = isinstance(outcome, PermissionError)
                return self._tracker.unreadable(path, reason, now, lasting=lasting)
        return None

    async def _look(self, paths: Collection[str]) -> dict[str, Look | str]:
        return await asyncio.to_thread(self._presence.look, paths) if paths else {}


def _nothing(found: Sequence[Found]) -> Remembered:
    return {}


def _call_on(loop: asyncio.AbstractEventLoop, callback: Callable[[], object]) -> None:
    with suppress(RuntimeError):  # the loop has ended, and so has the interest
        loop.call_soon_threadsafe(callback)
