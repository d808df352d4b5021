"""Stops running work whose recording was cancelled, by this worker or any other."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from pipeline.errors import StateUnavailable
from pipeline.runtime.backoff import backoff_delay
from pipeline.runtime.work import Work
from pipeline.state.port import Progress, Status


class Cancellations:
    """Work in progress by recording."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._works: defaultdict[str, set[Work]] = defaultdict(set)

    def add(self, recording_id: str, work: Work) -> None:
        self._works[recording_id].add(work)

    def remove(self, recording_id: str, work: Work) -> None:
        works = self._works[recording_id]
        works.discard(work)
        if not works:
            del self._works[recording_id]

    async def watch(self) -> None:
        """Listen to the state store, for as long as this runs. After an outage, ask for what was missed."""
        attempt = 0
        while True:
            listening = asyncio.Event()
            asking = asyncio.ensure_future(self._ask_for_missed(listening))
            try:
                async for event in self._progress.events(opened=listening.set):
                    attempt = 0
                    if event.status is Status.CANCELLED and event.key in self._works:
                        await self._stop_cancelled(event.key)
            except StateUnavailable:
                pass
            finally:
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)
            attempt += 1
            await asyncio.sleep(backoff_delay(attempt))

    async def _ask_for_missed(self, listening: asyncio.Event) -> None:
        await listening.wait()
        for recording_id in list(self._works):
            await self._stop_cancelled(recording_id)

    async def _stop_cancelled(self, recording_id: str) -> None:
        for work in list(self._works.get(recording_id, ())):
            reporter = work.reporter
            if reporter and await self._progress.ended(recording_id, reporter.run) is Status.CANCELLED:
                work.cancel()
