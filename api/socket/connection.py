"""One client: what it follows, what waits for it while it does not read, how fast it may talk."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from api.metrics import CLOSES, COALESCED, SLOW_CLOSES
from api.socket.frames import Frame
from api.socket.transport import HIGH_WATER_BYTES, Writer
from pipeline.state.port import Event

MAX_PENDING_BYTES = 1024 * 1024
MAX_PENDING_FRAMES = 8192
MAX_STALLED_S = 10.0
SLOW = 4008
_HELD_BACK = 256


@dataclass(frozen=True, slots=True)
class Live:
    """An event and its frame, shared by all who follow the recording."""

    event: Event
    frame: Frame


class Subscription:
    """One client's view of one recording: every event once, in order.

    While the current state is being read, events are held back; afterwards those it already shows are dropped.
    """

    __slots__ = ("_epoch", "_held", "_sequence", "connection")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._epoch = ""
        self._sequence = 0
        self._held: list[Live] | None = None

    def hold(self) -> None:
        """Keep events back until `release`."""
        self._held = []

    def admit(self, live: Live) -> bool:
        """Whether the event is to be sent now."""
        if self._held is not None:
            if len(self._held) >= _HELD_BACK:
                self._drop_one(self._held)
            self._held.append(live)
            return False
        event = live.event
        if event.epoch == self._epoch and event.sequence <= self._sequence:
            return False
        self._epoch, self._sequence = event.epoch, event.sequence
        return True

    def rewind(self) -> None:
        """Take any next event."""
        self._epoch, self._sequence = "", 0

    def release(self, shown: Event | None) -> list[Live]:
        """End the hold: the events above `shown`, which the client has been sent, oldest first."""
        held, self._held = self._held or [], None
        if shown is not None:
            self._epoch, self._sequence = shown.epoch, shown.sequence
            if any(live.event.epoch == shown.epoch for live in held):
                held = [live for live in held if live.event.epoch == shown.epoch]
        return [live for live in held if self.admit(live)]

    @staticmethod
    def _drop_one(held: list[Live]) -> None:
        index = next((index for index, live in enumerate(held) if not live.event.status.terminal), 0)
        del held[index]


class TokenBucket:
    """Allows `burst` at once and `rate` per second in the long run."""

    __slots__ = ("_burst", "_rate", "_tokens", "_updated")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate, self._burst = rate, burst
        self._tokens, self._updated = burst, now

    def take(self, now: float) -> bool:
        self._tokens = min(self._burst, self._tokens + (now - self._updated) * self._rate)
        self._updated = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


@dataclass(eq=False, slots=True)
class Connection:
    """A client's socket and what it has not been sent yet.

    Frames are written at once while the socket takes them. Behind a client that does not read, only the
    newest progress of each recording is kept, and everything else in order; a client with more pending than
    the limits, or none taken for `MAX_STALLED_S`, is closed with 4008 and comes back for a snapshot.
    """

    client_id: str
    writer: Writer
    connected_at: float
    monotonic: Callable[[], float]
    subject: str = ""
    """Whose it is: a client_id is one's own among those of the same subject."""
    address: str = ""
    closed: bool = False
    removed: bool = False
    subscriptions: dict[str, Subscription | None] = field(default_factory=dict)
    """By recording id, in the order of subscribing; None for `*`."""
    stalled_since: float | None = None
    _pending: OrderedDict[str | int, Frame] = field(default_factory=OrderedDict)
    _pending_bytes: int = 0
    _order: itertools.count[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.writer.on_paused = self._pause
        self.writer.on_writable = self._resume

    def send(self, frame: Frame) -> None:
        """An answer or a snapshot: sent in order, never dropped."""
        if self._ready:
            self.writer.write((frame,))
        elif not self.closed:
            self._keep(next(self._order), frame)

    def deliver(self, batch: Iterable[Live]) -> None:
        """Events in order: never dropped if terminal, coalesced per recording if progress."""
        if self.closed:
            return
        remaining = iter(batch)
        while self._ready:
            if not self._write_some(live.frame for live in remaining):
                return
        for live in remaining:
            self._keep_event(live)

    def close(self, code: int, reason: str) -> None:
        """Idempotent; what is pending is dropped."""
        if self.closed:
            return
        self.closed = True
        CLOSES.labels(str(code)).inc()
        self._pending.clear()
        self._pending_bytes = 0
        self.writer.close(code, reason, stalled=self.stalled_since is not None)

    def close_if_stalled(self, now: float) -> None:
        if self.stalled_since is not None and now - self.stalled_since > MAX_STALLED_S:
            self._close_slow()

    @property
    def pending_bytes(self) -> int:
        return self._pending_bytes

    @property
    def _ready(self) -> bool:
        return not self.closed and not self._pending and self.writer.writable

    def _write_some(self, frames: Iterable[Frame]) -> bool:
        """Write up to the high-water mark; whether there may be more to write."""
        chunk: list[Frame] = []
        size = 0
        for frame in frames:
            chunk.append(frame)
            size += len(frame.wire)
            if size >= HIGH_WATER_BYTES:
                break
        if chunk:
            self.writer.write(chunk)
        return size >= HIGH_WATER_BYTES

    def _keep_event(self, live: Live) -> None:
        recording_id = live.event.key
        replaced = self._pending.pop(recording_id, None)
        if replaced is not None:
            self._pending_bytes -= len(replaced.wire)
            COALESCED.inc()
        self._keep(next(self._order) if live.event.status.terminal else recording_id, live.frame)

    def _keep(self, key: str | int, frame: Frame) -> None:
        self._pending[key] = frame
        self._pending_bytes += len(frame.wire)
        if self._pending_bytes > MAX_PENDING_BYTES or len(self._pending) > MAX_PENDING_FRAMES:
            self._close_slow()

    def _close_slow(self) -> None:
        if not self.closed:
            SLOW_CLOSES.inc()
            self.close(SLOW, "Too slow: messages pile up; reconnect and subscribe again")

    def _pause(self) -> None:
        self.stalled_since = self.monotonic()

    def _resume(self) -> None:
        self.stalled_since = None
        while self._pending and not self.closed and self.writer.writable:
            chunk: list[Frame] = []
            size = 0
            while self._pending and size < HIGH_WATER_BYTES:
                _, frame = self._pending.popitem(last=False)
                chunk.append(frame)
                size += len(frame.wire)
            self._pending_bytes -= size
            self.writer.write(chunk)
