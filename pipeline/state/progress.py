"""Progress of recordings: one script writes the state, appends the event and publishes it."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import datetime

from pipeline.errors import ErrorCode, StateUnavailable
from pipeline.state.frame import event_from_wire, finished_frame, frame_around_sequence, wire_key
from pipeline.state.link import FAILURES, Link
from pipeline.state.port import Event, Status, Update

_EVENTS_KEPT = 256
_EVENTS_KEPT_MS = 24 * 3600 * 1000
_RUNS_KEPT = 64
_RUNS_KEPT_MS = 7 * 24 * 3600 * 1000
_JOBS_KEPT_MS = 7 * 24 * 3600 * 1000
_CANCELLATION_AWAITS_S = 24 * 3600
_UNSEEN = "cancelled"
"""The script's answer to a run that was cancelled before anyone had seen it."""


class RedisProgress:
    """The port's Progress. What is kept of a recording:

    A hash with the current run and the last event, for a job for 7 days after that one; the stream of its
    last 256 events, for 24 hours after the last one; the last 64 earlier runs and how they ended, for 7 days.
    The epoch is one value per store, made with its first event. A write that is sent twice because its answer
    got lost is told by its event id and stored once.
    """

    def __init__(self, link: Link, prefix: str) -> None:
        self._link = link
        self._prefix = prefix
        self._channel = f"{prefix}:events"

    async def record(self, update: Update) -> Event | None:
        mode = "queue" if update.status is Status.QUEUED else "begin" if update.begins else "update"
        answer = await self._write(mode, update)
        if answer == _UNSEEN:
            await self._write("begin", _as_cancelled(update, "Cancelled before it began"))
            return None
        return answer if isinstance(answer, Event) else None

    async def cancel(self, recording_id: str, reason: str, *, asked_at: datetime | None = None) -> Event | None:
        update = Update(recording_id, "", "", "error", Status.CANCELLED, asked_at=asked_at)
        answer = await self._write("cancel", _as_cancelled(update, reason))
        return answer if isinstance(answer, Event) else None

    async def snapshot(self, recording_id: str) -> Event | None:
        line = await self._link.ask("HGET", self._state(recording_id), "last")
        return event_from_wire(line) if line else None

    async def snapshots(self, recording_ids: Sequence[str]) -> list[Event | None]:
        if not recording_ids:
            return []
        lines = await self._link.ask_many(("HGET", self._state(each), "last") for each in recording_ids)
        return [event_from_wire(line) if line else None for line in lines]

    async def since(self, recording_id: str, sequence: int) -> list[Event]:
        entries = await self._link.ask("XRANGE", self._stream(recording_id), max(0, sequence) + 1, "+")
        return [event_from_wire(fields["event"]) for _, fields in entries]

    async def ended(self, recording_id: str, run: str) -> Status | None:
        current, earlier = await self._link.ask_many(
            [
                ("HMGET", self._state(recording_id), "run", "ended", "status"),
                ("HGET", self._runs(recording_id), run),
            ]
        )
        if current[0] == run:
            return Status(current[2]) if current[1] == "1" else None
        mark = earlier.partition(" ")[2] if earlier else ""
        return Status(mark) if mark in (Status.COMPLETED, Status.FAILED, Status.CANCELLED) else None

    async def forget(self, recording_id: str) -> bool:
        return bool(await self._link.write("forget", self._keys(recording_id), [_EVENTS_KEPT_MS]))

    async def events(self, opened: Callable[[], None] | None = None) -> AsyncIterator[Event]:
        subscription = self._link.subscription()
        try:
            try:
                await subscription.subscribe(self._channel)
                asked = False
                while not self._link.closed:
                    message = await subscription.get_message(timeout=self._link.silence_s)
                    # A cancellation that meets a message can be swallowed below, by Python 3.11 and fakeredis together.
                    if (task := asyncio.current_task()) is not None and task.cancelling():
                        raise asyncio.CancelledError
                    if message is None:
                        # A peer that vanished without closing the connection is found out by asking it.
                        if asked:
                            raise StateUnavailable(f"Redis at {self._link.where}: no answer on the subscription")
                        await subscription.ping()
                        asked = True
                        continue
                    asked = False
                    if message["type"] == "message":
                        yield event_from_wire(message["data"])
                    elif message["type"] == "subscribe" and opened is not None:
                        opened()
                raise StateUnavailable(f"Redis at {self._link.where}: the store was closed")
            except FAILURES as error:
                raise self._link.unavailable(error) from error
        finally:
            await subscription.aclose()  # type: ignore[no-untyped-call]

    async def _write(self, mode: str, update: Update) -> Event | str | None:
        event_id, now = str(uuid.uuid4()), time.time()
        parts = frame_around_sequence(update, event_id, now)
        key = update.key
        compared = update.type == "progress" and not update.status.terminal
        answer = await self._link.write(
            "record",
            [*self._keys(key), f"{self._prefix}:epoch"],
            [
                mode,
                update.run,
                "" if mode == "queue" else update.attempt,
                update.status.value,
                int(update.status.terminal),
                repr(float(update.progress)) if compared else "",
                event_id,
                wire_key(update),
                *parts,
                self._channel,
                _EVENTS_KEPT,
                _EVENTS_KEPT_MS,
                _RUNS_KEPT,
                _RUNS_KEPT_MS,
                "" if update.job_id is None else _JOBS_KEPT_MS,
                "" if update.asked_at is None else int(update.asked_at.timestamp()),
                int(now),
                _CANCELLATION_AWAITS_S,
            ],
        )
        if answer is None:
            return None
        if answer == _UNSEEN:
            return _UNSEEN
        sequence, epoch = answer
        frame = finished_frame(parts, sequence, epoch)
        return Event(key, sequence, epoch, update.status, frame, update.job_id is not None)

    def _keys(self, key: str) -> list[str]:
        return [self._state(key), self._stream(key), self._runs(key)]

    def _state(self, key: str) -> str:
        return f"{self._prefix}:progress:{{{key}}}"

    def _stream(self, key: str) -> str:
        return f"{self._prefix}:stream:{{{key}}}"

    def _runs(self, key: str) -> str:
        return f"{self._prefix}:runs:{{{key}}}"


def _as_cancelled(update: Update, reason: str) -> Update:
    """The update as the end of its run."""
    details = {"error_code": ErrorCode.CANCELLED.value}
    return replace(
        update, type="error", status=Status.CANCELLED, progress=0.0, data={"error": reason, "details": details}
    )
