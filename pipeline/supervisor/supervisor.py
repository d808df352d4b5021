"""Runs several workers: starts them, starts them again, replaces them one after the other, and ends them."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from pipeline.errors import ExitCode
from pipeline.supervisor.child import Child
from pipeline.supervisor.post import Post

_log = structlog.get_logger()


class Supervisor:
    """Of so many workers.

    Args:
        command: of a worker, by the descriptor of its lifeline.
        environment: of workers, beside this process's.
        begins_within_s: how long one may take to begin that replaces another.
    """

    def __init__(
        self,
        workers: int,
        command: Callable[[int], Sequence[str]],
        environment: Mapping[str, str],
        *,
        begins_within_s: float,
    ) -> None:
        self._begins_within_s = begins_within_s
        self._posts = [
            Post(number, lambda number: Child.start(number, command, environment)) for number in range(1, workers + 1)
        ]
        self._stopping = asyncio.Event()
        self._rolling = asyncio.Event()
        self._interrupted = False

    async def run(self) -> int:
        """Until SIGTERM or SIGINT, then drain; the exit code. SIGHUP replaces the workers.

        The first worker is started alone: what keeps it from beginning would keep the others, and is told once.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._rolling.set)
        first, others = self._posts[0], self._posts[1:]
        keeping = [asyncio.ensure_future(first.keep(first=True))]
        stopping = asyncio.ensure_future(self._stopping.wait())
        begun = asyncio.ensure_future(first.begun.wait())
        waiting: set[asyncio.Future[Any]] = {*keeping, begun, stopping}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        begun.cancel()
        if keeping[0].done() and not self._stopping.is_set():
            stopping.cancel()
            return keeping[0].result()
        background: list[asyncio.Future[None]] = []
        if not self._stopping.is_set():
            keeping += [asyncio.ensure_future(post.keep()) for post in others]
            background.append(asyncio.ensure_future(self._roll_when_asked()))
            waiting = {stopping, *keeping, *background}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        # What a task failed with, a process that can't be started, is raised after the others were ended.
        results = await asyncio.gather(*keeping, *background, return_exceptions=True)
        statuses = await asyncio.gather(*(post.stop() for post in self._posts))
        for result in results:
            if isinstance(result, Exception):
                raise result
        if self._interrupted:
            return ExitCode.INTERRUPTED
        return next((status if status > 0 else ExitCode.ERROR for status in statuses if status), ExitCode.DONE)

    def _stop(self, number: signal.Signals) -> None:
        self._interrupted |= number is signal.SIGINT
        if self._stopping.is_set():
            _log.warning("asked to end a second time: workers are killed")
            for post in self._posts:
                post.signal(signal.SIGKILL)
        self._stopping.set()

    async def _roll_when_asked(self) -> None:
        while True:
            await self._rolling.wait()
            self._rolling.clear()
            await self._roll()

    async def _roll(self) -> None:
        _log.info("workers are replaced, one after the other", workers=len(self._posts))
        for number, post in enumerate(self._posts, 1):
            if not await post.replace(self._begins_within_s):
                _log.error(
                    "workers are not replaced: the new one did not begin; this one and those after it go on as before",
                    worker=number,
                    within_s=self._begins_within_s,
                )
                return
        _log.info("all workers were replaced", workers=len(self._posts))
