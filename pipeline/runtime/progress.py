"""Progress of one delivery, written at most ten times a second whatever the steps report."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pipeline.errors import StateUnavailable
from pipeline.runtime.subject import Subject
from pipeline.state.port import Progress, Status, Update

_INTERVAL_S = 0.1


class Reporter:
    """The progress of one recording or job in one delivery. Used on the loop only.

    Attributes:
        stage: where it is worked on; part of every event.
        run: the request that is worked on.
        attempt: this delivery, as the state store tells attempts apart.
        asked_at: when the request was made, if it says so.
    """

    def __init__(
        self,
        progress: Progress,
        stage: str,
        subject: Subject,
        run: str,
        attempt: str,
        asked_at: datetime | None = None,
    ) -> None:
        self.stage = stage
        self.subject = subject
        self.run = run
        self.attempt = attempt
        self.asked_at = asked_at
        self._progress = progress
        self._begun = False
        self._ended = False
        self._fraction = 0.0
        self._message = "Started"
        self._pending = False
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[bool] | None = None

    async def begin(self) -> bool:
        """Take the run over; False if it has ended already. Raises StateUnavailable."""
        accepted = await self._record(Status.ANALYZING, "progress", {"message": self._message})
        return accepted or await self._progress.ended(self.subject.key, self.run) is None

    def report(self, fraction: float, message: str) -> None:
        """Show a fraction (0 to 1). Lower ones than before are ignored, the latest wins."""
        fraction = min(max(fraction, 0.0), 1.0)
        if self._ended or not fraction >= self._fraction:
            return
        self._fraction, self._message, self._pending = fraction, message, True
        if self._timer is None and self._writing is None:
            self._write()

    async def end(self, status: Status, type: str, data: Mapping[str, Any]) -> None:
        """Record how this delivery ends, after what it reported. Raises StateUnavailable."""
        await self.quiet()
        if status is Status.COMPLETED:
            self._fraction = 1.0
        await self._record(status, type, data)

    async def quiet(self) -> None:
        """Take no more reports; drop what has not been written, and wait for a write that is under way."""
        self._ended, self._pending = True, False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._writing is not None:
            await asyncio.wait([self._writing])

    def _write(self) -> None:
        self._writing = asyncio.get_running_loop().create_task(self._record_latest())
        self._writing.add_done_callback(self._written)

    def _written(self, task: asyncio.Task[bool]) -> None:
        self._writing = None
        # A progress write that got lost costs nothing: the next one, or the end, will show.
        if not task.cancelled() and (error := task.exception()) and not isinstance(error, StateUnavailable):
            raise error
        if not self._ended:
            self._timer = asyncio.get_running_loop().call_later(_INTERVAL_S, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self._pending:
            self._write()

    async def _record_latest(self) -> bool:
        self._pending = False
        return await self._record(Status.ANALYZING, "progress", {"message": self._message})

    async def _record(self, status: Status, type: str, data: Mapping[str, Any]) -> bool:
        update = Update(
            recording_id=self.subject.recording_id,
            job_id=self.subject.job_id,
            run=self.run,
            attempt=self.attempt,
            type=type,
            status=status,
            progress=self._fraction,
            data={**data, "stage": self.stage},
            begins=not self._begun,
            asked_at=self.asked_at,
        )
        accepted = await self._progress.record(update) is not None
        self._begun = self._begun or accepted
        return accepted
