"""The state store's events, read once per process and passed to the hub without loss, repetition or disorder."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import OrderedDict
from collections.abc import Callable, Iterable
from itertools import islice
from typing import TypeVar

import structlog

from api import metrics
from api.socket.frames import notice
from api.socket.hub import Hub
from pipeline.errors import StateUnavailable, Unreachable
from pipeline.state.port import Event, Progress

_REMEMBERED = 50_000
_CHUNK = 500
_BACKOFF_BASE_S = 0.1
_BACKOFF_CAP_S = 5.0
_CHECK_S = 30.0

EventOrNone = TypeVar("EventOrNone", Event, Event | None)

log = structlog.get_logger(__name__)


class Relay:
    """Reads `Progress.events` and hands each event to the hub and the observers, in the order of its recording.

    The stream only wakes: a jump in a recording's sequence is filled from the store, and so is what was
    missed while the stream was away: when it is open again, followed and unfinished recordings are compared
    with the store, and those who follow everything are told to read the list again. The same comparison
    every 30 s bounds how long a lost last event goes unnoticed.
    """

    def __init__(self, progress: Progress, hub: Hub, observers: Iterable[Callable[[Event], None]] = ()) -> None:
        self._progress = progress
        self._hub = hub
        self._observers = tuple(observers)
        self._seen: OrderedDict[str, Event] = OrderedDict()
        self._shown: OrderedDict[str, Event | None] = OrderedDict()
        self._interrupted = False
        self._check_due = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.connected = False

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._check())]

    async def stop(self) -> None:
        """Idempotent."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._set_connected(False)

    def shown(self, recording_id: str, event: Event | None) -> None:
        """A client was shown this state, or that there is none: a jump to the first event read can be told."""
        if recording_id not in self._seen and recording_id not in self._shown:
            _put(self._shown, recording_id, event)

    async def _read(self) -> None:
        failures = 0
        while True:
            try:
                async for event in self._progress.events(self._opened):
                    failures = 0
                    metrics.RELAY_EVENTS.inc()
                    await self._accept(event)
                reason = "the stream ended"
            except (StateUnavailable, Unreachable) as error:
                reason = str(error)
            except Exception as error:
                reason = type(error).__name__
                log.exception("relay failed")
            if self.connected or not failures:
                log.warning("event stream lost, reconnecting", reason=reason)
            self._set_connected(False)
            self._interrupted = True
            metrics.RELAY_RECONNECTS.inc()
            failures += 1
            await asyncio.sleep(random.uniform(0, min(_BACKOFF_CAP_S, _BACKOFF_BASE_S * 2**failures)))

    def _opened(self) -> None:
        self._set_connected(True)
        self._check_due.set()

    async def _check(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CHECK_S):
                    await self._check_due.wait()
            self._check_due.clear()
            interrupted, self._interrupted = self._interrupted, False
            try:
                await self._catch_up()
            except (StateUnavailable, Unreachable):
                self._interrupted |= interrupted
                continue
            except Exception:
                log.exception("relay check failed")
            if interrupted:
                self._hub.broadcast_to_everything(
                    notice("resync", "Updates may have been missed; read GET /v1/recordings again")
                )

    async def _accept(self, event: Event) -> None:
        known = self._known(event.key, event.epoch)
        if known is not None and event.sequence > known + 1:
            await self._fill(event.key, known)
        self._pass_on(event)

    async def _catch_up(self) -> None:
        ids = dict.fromkeys(self._hub.followed())
        ids.update(dict.fromkeys(key for key, seen in self._seen.items() if not seen.status.terminal))
        remaining = iter(ids)
        while chunk := list(islice(remaining, _CHUNK)):
            before = {key: self._seen.get(key) for key in chunk}
            for event in await self._progress.snapshots(chunk):
                if event is None:
                    continue
                seen = before[event.key]
                if seen is not None and seen.epoch == event.epoch and event.sequence < seen.sequence:
                    self._rewind(event.key)
                known = self._known(event.key, event.epoch)
                if known is not None and event.sequence > known:
                    await self._fill(event.key, known)
                self._pass_on(event)

    def _known(self, recording_id: str, epoch: str) -> int | None:
        """The sequence up to which clients have a recording's events of this epoch; None if that is not known."""
        event = self._seen.get(recording_id) or self._shown.get(recording_id)
        if event is None:
            return 0 if recording_id in self._shown else None
        return event.sequence if event.epoch == epoch else None

    async def _fill(self, recording_id: str, known: int) -> None:
        metrics.GAP_FILLS.inc()
        for event in await self._progress.since(recording_id, known):
            self._pass_on(event)

    def _rewind(self, recording_id: str) -> None:
        """The store lost events that were passed on, and counts from an earlier one again."""
        self._seen.pop(recording_id, None)
        self._hub.rewind(recording_id)

    def _pass_on(self, event: Event) -> None:
        seen = self._seen.get(event.key)
        if seen is not None and seen.epoch == event.epoch and event.sequence <= seen.sequence:
            return
        _put(self._seen, event.key, event)
        self._shown.pop(event.key, None)
        self._hub.publish(event)
        for observe in self._observers:
            observe(event)

    def _set_connected(self, connected: bool) -> None:
        self.connected = connected
        metrics.RELAY_CONNECTED.set(connected)


def _put(remembered: OrderedDict[str, EventOrNone], recording_id: str, event: EventOrNone) -> None:
    remembered[recording_id] = event
    remembered.move_to_end(recording_id)
    if len(remembered) > _REMEMBERED:
        remembered.popitem(last=False)
