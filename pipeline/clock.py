"""Time as a dependency, so that 24 hours of TTL take no time in a test."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """A call that has been arranged for later."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """Wall-clock time and calls at a later time."""

    def time(self) -> float:
        """Seconds since the epoch."""
        ...

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` once, at or soon after the time `when` (seconds since the epoch)."""
        ...


class SystemClock:
    """The machine's time; callbacks run on the running asyncio loop."""

    def time(self) -> float:
        return time.time()

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        return asyncio.get_running_loop().call_later(max(0.0, when - time.time()), callback)


class _Entry:
    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class ManualClock:
    """Time that moves only by `advance`. Callbacks run in the order of their times, each at its own time."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._now = start
        self._order = itertools.count()
        self._entries: list[tuple[float, int, _Entry]] = []

    def time(self) -> float:
        return self._now

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        entry = _Entry(callback)
        heapq.heappush(self._entries, (when, next(self._order), entry))
        return entry

    def next_due(self) -> float | None:
        """When the next call is arranged for, None if there is none."""
        while self._entries and self._entries[0][2].callback is None:
            heapq.heappop(self._entries)
        return self._entries[0][0] if self._entries else None

    def advance(self, seconds: float) -> None:
        """Move time forward and run what became due, including what that arranged in turn."""
        end = self._now + seconds
        while self._entries and self._entries[0][0] <= end:
            when, _, entry = heapq.heappop(self._entries)
            self._now = max(self._now, when)
            if entry.callback is not None:
                entry.callback()
        self._now = end
