"""One of the workers, by its number: whichever process is that just now."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable

import structlog

from pipeline.supervisor.child import Child
from pipeline.supervisor.restarts import Restarts

DRAIN_S = 60.0
_log = structlog.get_logger()


class Post:
    """Kept filled by `keep`.

    Attributes:
        begun: is set once a process has begun here.
    """

    def __init__(self, number: int, start: Callable[[int], Awaitable[Child]], restarts: Restarts | None = None) -> None:
        self.begun = asyncio.Event()
        self._number = number
        self._start = start
        self._restarts = restarts or Restarts()
        self._changing = asyncio.Lock()
        self._current: Child | None = None
        self._next: Child | None = None
        self._log = _log.bind(worker=number)

    async def keep(self, *, first: bool = False) -> int:
        """Start the process, and start it again whenever it ends, for as long as this runs.

        Args:
            first: one that has never begun and ends with an exit code has a reason that starting it again won't mend.
        Returns: that exit code.
        """
        async with self._changing:
            self._current = current = await self._start(self._number)
        while True:
            status = await self._until_ended(current)
            if self._current is current:
                if first and status > 0 and not self.begun.is_set():
                    return status
                delay = self._restarts.delay(current.ran_s)
                self._log.error(
                    "a worker ended; it is started again",
                    pid=current.pid,
                    ran_s=round(current.ran_s, 1),
                    again_in_s=round(delay, 1),
                    **described(status),
                )
                await asyncio.sleep(delay)
            async with self._changing:
                if self._current is current:
                    self._current = await self._start(self._number)
                current = self._current

    async def replace(self, within_s: float) -> bool:
        """Start another process, and end the one before it once the other has begun.

        Returns: False if it has not begun within so many seconds, or has ended; all is as it was then.
        """
        async with self._changing:
            before = self._current
            self._next = other = await self._start(self._number)
            try:
                if not await _begins(other, within_s):
                    await other.end(DRAIN_S)
                    return False
                self._current = other
            finally:
                self._next = None
        if before is not None and before.running:
            await self._end(before)
        self._log.info("a worker was replaced", pid=other.pid)
        return True

    def signal(self, number: signal.Signals) -> None:
        """To the process, and to the one that is to replace it."""
        for child in (self._current, self._next):
            if child is not None:
                child.signal(number)

    async def stop(self) -> int:
        """End the process, after `keep` has been ended. Returns its exit code; below 0: killed by that signal."""
        await asyncio.gather(*(self._end(each) for each in (self._next, self._current) if each is not None))
        if self._current is None:
            return 0
        status = await self._current.ended()
        return 0 if status in (-signal.SIGTERM, -signal.SIGINT) else status

    async def _end(self, child: Child) -> None:
        if not await child.end(DRAIN_S):
            self._log.error("a worker did not drain; it was killed", pid=child.pid, within_s=DRAIN_S)

    async def _until_ended(self, child: Child) -> int:
        beginning = asyncio.ensure_future(child.begun.wait())
        beginning.add_done_callback(lambda done: None if done.cancelled() else self.begun.set())
        try:
            return await child.ended()
        finally:
            beginning.cancel()


async def _begins(child: Child, within_s: float) -> bool:
    beginning, ending = asyncio.ensure_future(child.begun.wait()), asyncio.ensure_future(child.ended())
    try:
        await asyncio.wait({beginning, ending}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        return child.begun.is_set() and not ending.done()
    finally:
        beginning.cancel()
        ending.cancel()


def described(status: int) -> dict[str, str | int]:
    """What a log line says of how a process ended."""
    if status >= 0:
        return {"exit_code": status}
    try:
        return {"signal": signal.Signals(-status).name}
    except ValueError:  # a real-time signal
        return {"signal": -status}
