"""So many a second, evenly."""

from __future__ import annotations

import asyncio
import re
from math import inf

from pipeline.clock import Clock

_RATE = re.compile(r"(\d+(?:\.\d+)?)/(s|m|h)")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
# One in an hour: less often would rather be a schedule.
_LEAST = 1 / 3600
_MOST = 1_000_000.0
_MADE_UP_S = 0.1


def parse_rate(text: str) -> float:
    """A second: `50/s`, `30/m`, `0.5/s`. Raises ValueError."""
    match = _RATE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a rate; write a number and what it is of: 50/s, 30/m")
    rate = float(match[1]) / _SECONDS[match[2]]
    if not _LEAST <= rate <= _MOST:
        raise ValueError(f"{text!r} is out of range; from 1/h to 1000000/s")
    return rate


class Pace:
    """Lets one through each 1/rate seconds. A delay is made up for, but for no more than a tenth of a second.

    Args:
        rate_per_s: None lets all through at once.
    """

    def __init__(self, rate_per_s: float | None, clock: Clock) -> None:
        self._interval = None if rate_per_s is None else 1 / rate_per_s
        self._clock = clock
        self._due: float | None = None

    async def next(self, end: float = inf) -> bool:
        """Waits until the next one may go; False at once where that is not before `end`, seconds since the epoch."""
        if self._interval is None:
            return True
        now = self._clock.time()
        if self._due is None:
            self._due = now
        # Within one interval, whatever the machine's clock is set to meanwhile.
        self._due = min(max(self._due, now - _MADE_UP_S), now + self._interval)
        if self._due >= end:
            return False
        if self._due > now:
            await self._sleep_until(self._due)
        self._due += self._interval
        return True

    async def _sleep_until(self, when: float) -> None:
        passed = asyncio.get_running_loop().create_future()
        timer = self._clock.call_at(when, lambda: None if passed.done() else passed.set_result(None))
        try:
            await passed
        finally:
            timer.cancel()
