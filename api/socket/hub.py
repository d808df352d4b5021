"""Who follows which recording, and the passing on of events: one frame for all, no task for any of them."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable

from api import metrics
from api.socket.connection import Connection, Live, Subscription
from api.socket.frames import EVERYTHING, Frame
from api.socket.selection import Filter
from pipeline.state.port import Event

REPLACED = 4409
RESTARTING = 1012
MAX_SUBSCRIPTIONS = 128
_TICK_S = 0.05
_SWEEP_S = 1.0
_CLOSE_SLICE = 100
_CLOSE_PAUSE_S = 0.02


class Hub:
    """The connections of this process.

    Progress leaves on a tick of 50 ms, so that many events become one write; a terminal event takes
    everything before it along at once. Order is kept, and a client that does not read delays nobody.
    """

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._clients: dict[tuple[str, str], Connection] = {}
        self._addresses: Counter[str] = Counter()
        self._followers: dict[str, dict[Connection, Subscription]] = {}
        self._everything: dict[Connection, Filter | None] = {}
        self._batch: list[Event] = []
        self._batch_since = 0.0
        self._flush_handle: asyncio.Handle | None = None
        self._flush_now = False
        self._sweep_handle: asyncio.TimerHandle | None = None

    @property
    def connections(self) -> int:
        return len(self._clients)

    @property
    def pending(self) -> int:
        """Events that wait for the next tick."""
        return len(self._batch)

    def connections_of(self, address: str) -> int:
        """How many a network address has."""
        return self._addresses[address]

    def followed(self) -> list[str]:
        """Ids of the recordings that somebody follows by name."""
        return list(self._followers)

    @property
    def everything_followed(self) -> bool:
        """Whether somebody follows all recordings."""
        return bool(self._everything)

    def add(self, connection: Connection) -> None:
        """Take a client on; one that was connected under the same id is closed with 4409."""
        key = connection.subject, connection.client_id
        older = self._clients.pop(key, None)
        if older is not None:
            self.remove(older)
            older.close(REPLACED, "Replaced by a newer connection with the same client_id")
        self._clients[key] = connection
        self._addresses[connection.address] += 1
        metrics.CONNECTIONS.inc()
        if self._sweep_handle is None:
            self._sweep_handle = asyncio.get_running_loop().call_later(_SWEEP_S, self._sweep, self._monotonic())

    def remove(self, connection: Connection) -> None:
        """Forget a client and what it follows. Idempotent; a newer connection of the same id stays."""
        key = connection.subject, connection.client_id
        if self._clients.get(key) is connection:
            del self._clients[key]
        for recording_id in list(connection.subscriptions):
            self.unfollow(connection, recording_id)
        if not connection.removed:
            connection.removed = True
            self._addresses[connection.address] -= 1
            if not self._addresses[connection.address]:
                del self._addresses[connection.address]
            metrics.CONNECTIONS.dec()

    def follow_everything(self, connection: Connection, chosen: Filter | None = None) -> None:
        """Follow all recordings, or those events of them that a filter chooses, from now on."""
        self._everything[connection] = chosen
        connection.subscriptions[EVERYTHING] = None

    def follow(self, connection: Connection, recording_id: str) -> Subscription:
        """Follow a recording, holding its events back until `Subscription.release`."""
        subscription = connection.subscriptions.get(recording_id)
        if subscription is None:
            subscription = Subscription(connection)
            connection.subscriptions[recording_id] = subscription
            self._followers.setdefault(recording_id, {})[connection] = subscription
        subscription.hold()
        return subscription

    def unfollow(self, connection: Connection, recording_id: str) -> None:
        """Idempotent."""
        connection.subscriptions.pop(recording_id, None)
        if recording_id == EVERYTHING:
            self._everything.pop(connection, None)
            return
        followers = self._followers.get(recording_id)
        if followers is not None:
            followers.pop(connection, None)
            if not followers:
                del self._followers[recording_id]

    def publish(self, event: Event) -> None:
        """Pass an event on to those who follow its recording. Never blocks."""
        if not self._batch:
            self._batch_since = self._monotonic()
        self._batch.append(event)
        terminal = event.status.terminal
        if self._flush_handle is not None and (self._flush_now or not terminal):
            return
        if self._flush_handle is not None:
            self._flush_handle.cancel()
        loop = asyncio.get_running_loop()
        self._flush_now = terminal
        self._flush_handle = loop.call_soon(self._flush) if terminal else loop.call_later(_TICK_S, self._flush)

    def rewind(self, recording_id: str) -> None:
        """The recording's sequence has gone back: what was sent says nothing about what is to come."""
        for subscription in self._followers.get(recording_id, {}).values():
            subscription.rewind()

    def broadcast(self, frame: Frame) -> None:
        """Send to everybody."""
        for connection in list(self._clients.values()):
            connection.send(frame)

    def broadcast_to_everything(self, frame: Frame) -> None:
        """Send to those who follow all recordings."""
        for connection in list(self._everything):
            connection.send(frame)

    async def close(self, code: int = RESTARTING, reason: str = "The service is restarting; reconnect") -> None:
        """Send what is due, then close all connections, some at a time."""
        if self._flush_handle is not None:
            self._flush_handle.cancel()
            self._flush()
        if self._sweep_handle is not None:
            self._sweep_handle.cancel()
            self._sweep_handle = None
        connections = list(self._clients.values())
        for start in range(0, len(connections), _CLOSE_SLICE):
            for connection in connections[start : start + _CLOSE_SLICE]:
                self.remove(connection)
                connection.close(code, reason)
            await asyncio.sleep(_CLOSE_PAUSE_S)

    def _flush(self) -> None:
        batch, self._batch = self._batch, []
        self._flush_handle = None
        due: dict[Connection, list[Live]] = {}
        for event in batch:
            followers = self._followers.get(event.key)
            everything = {} if event.is_job else self._everything  # a job is followed by its own id
            if not followers and not everything:
                continue
            chosen: dict[Filter, bool] = {}
            live = Live(event, Frame(event.frame))
            for connection, subscription in (followers or {}).items():
                if subscription.admit(live):
                    due.setdefault(connection, []).append(live)
            for connection, wanted in everything.items():
                if followers and connection in followers:
                    continue
                if wanted is not None and wanted not in chosen:
                    chosen[wanted] = wanted.admits(event)
                if wanted is None or chosen[wanted]:
                    due.setdefault(connection, []).append(live)
        for connection, events in due.items():
            connection.deliver(events)
        self._measure(due, batch)

    def _measure(self, due: dict[Connection, list[Live]], batch: list[Event]) -> None:
        if not due:
            return
        metrics.RELAY_TO_WRITE.observe(self._monotonic() - self._batch_since)
        metrics.PUBLISH_TO_WRITE.observe(max(0.0, time.time() - batch[-1].data["timestamp"]))
        delivered = sum(map(len, due.values()))
        terminal = 0
        if any(event.status.terminal for event in batch):
            terminal = sum(live.event.status.terminal for events in due.values() for live in events)
        if terminal:
            metrics.MESSAGES_OUT.labels("terminal").inc(terminal)
        if delivered > terminal:
            metrics.MESSAGES_OUT.labels("progress").inc(delivered - terminal)

    def _sweep(self, previous: float) -> None:
        now = self._monotonic()
        metrics.LOOP_LAG.set(max(0.0, now - previous - _SWEEP_S))
        pending = 0
        for connection in list(self._clients.values()):
            connection.close_if_stalled(now)
            pending += connection.pending_bytes
        metrics.PENDING_BYTES.set(pending)
        again = bool(self._clients)
        self._sweep_handle = asyncio.get_running_loop().call_later(_SWEEP_S, self._sweep, now) if again else None
