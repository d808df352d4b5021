"""Steps that take many messages at once. Each message is claimed, settled and answered for by itself all the same.

Every delivery of the stage goes its own way through the handler; only where its steps would run it waits for others.
So one that can't be read, or that has run before, never gets that far, and one that fails does so alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from pipeline.errors import ErrorCode, Permanent
from pipeline.messages.message import Envelope
from pipeline.runtime.compose import Step, Steps
from pipeline.runtime.failure import OutOfTime, failure_of
from pipeline.runtime.work import LoopContext, Work
from pipeline.topology.stages import Batch

# Failures that are about none of the messages: trying them one by one would only take longer.
_NOBODYS = frozenset({ErrorCode.DEPENDENCY_UNAVAILABLE.value, ErrorCode.TIMEOUT.value})


class BatchContext(LoopContext):
    """What a step sees that takes a batch: the first message's context, and all envelopes."""

    def __init__(self, context: LoopContext, works: Sequence[Work]) -> None:
        self.__dict__.update(context.__dict__)
        self.envelopes: list[Envelope] = [work.envelope for work in works]
        self._works = works

    @property
    def cancelled(self) -> bool:
        """Whether the work on all of them was cancelled."""
        return all(work.cancelled for work in self._works)

    def progress(self, fraction: float, message: str = "") -> None:
        """Of all of them."""
        for work in self._works:
            work.progress(fraction, message)


class BatchExecutor:
    """On the worker's loop. The first step takes a list, and gives a list of as many: what came of each, in its order.

    That is a value, a list of values, None, or the exception that one failed with; it goes on through the other steps
    alone. An exception that the step raises is every message's, where it is about something they need; otherwise each
    is tried alone, so that only those fail that would.

    Args:
        steps: the stage's, the first of which takes the list.
        timeout_s: for the first step, and again for the others.
        at_once: batches.
    """

    def __init__(
        self, steps: Steps, batch: Batch, timeout_s: float, context: Callable[[Work], LoopContext], *, at_once: int
    ) -> None:
        self._first: Step = steps.steps[0]
        self._rest = Steps(steps.steps[1:])
        self._size = batch.size
        self._within_s = batch.within.total_seconds()
        self._timeout_s = timeout_s
        self._context = context
        self._places = asyncio.Semaphore(at_once)
        self._waiting: list[tuple[Work, asyncio.Future[Any]]] = []
        self._due: asyncio.TimerHandle | None = None
        self._running: set[asyncio.Task[None]] = set()

    async def run(self, work: Work) -> list[Any]:
        loop = asyncio.get_running_loop()
        given: asyncio.Future[Any] = loop.create_future()
        entry = (work, given)
        self._waiting.append(entry)
        if len(self._waiting) >= self._size:
            self._begin()
        elif self._due is None:
            self._due = loop.call_later(self._within_s, self._begin)
        try:
            async with work.limited(None):
                value = await given
        finally:
            with suppress(ValueError):
                self._waiting.remove(entry)
        outputs: list[Any] = []
        context = self._context(work)
        async with work.limited(self._timeout_s):
            for each in value if isinstance(value, list) else [value]:
                if each is not None:
                    outputs += await self._rest.run_async(each, context)
        return outputs

    def close(self) -> None:
        """End what runs."""
        if self._due is not None:
            self._due.cancel()
        for task in self._running:
            task.cancel()

    def _begin(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
        batch, self._waiting = self._waiting, []
        if batch:
            task = asyncio.get_running_loop().create_task(self._run(batch))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _run(self, batch: Sequence[tuple[Work, asyncio.Future[Any]]]) -> None:
        try:
            async with self._places:
                wanted = [(work, given) for work, given in batch if not (given.done() or work.cancelled)]
                if wanted:
                    await self._give(wanted)
        finally:
            for _, given in batch:
                given.cancel()  # those that have nothing, because this was cancelled

    async def _give(self, batch: Sequence[tuple[Work, asyncio.Future[Any]]]) -> None:
        """Run the step, and give each message its part; or, if it fails for one of them, each its own."""
        works = [work for work, _ in batch]
        try:
            values = await self._call(works)
        except Exception as error:
            if len(batch) == 1 or isinstance(error, _Misfit) or failure_of(error).error_code in _NOBODYS:
                for _, given in batch:
                    _set(given, error)
                return
            for each in batch:
                await self._give([each])
            return
        for (_, given), value in zip(batch, values, strict=True):
            _set(given, value)

    async def _call(self, works: Sequence[Work]) -> Sequence[Any]:
        context = BatchContext(self._context(works[0]), works)
        try:
            async with asyncio.timeout(self._timeout_s) as limit:
                values = self._first.call([work.body for work in works], context)
                if self._first.is_async:
                    values = await values
        except TimeoutError as error:
            if limit.expired():
                raise OutOfTime(self._timeout_s) from error
            raise
        if values is None:
            return [None] * len(works)
        if not isinstance(values, list | tuple) or len(values) != len(works):
            given = f"{len(values)} results" if isinstance(values, list | tuple) else type(values).__name__
            raise _Misfit(
                f"Step {self._first.name} gives {given} for {len(works)} messages: it has to be one for each",
                ErrorCode.INTERNAL_ERROR,
            )
        return values


class _Misfit(Permanent):
    """The step does not do what a step of a batch does; alone it would not either."""


def _set(given: asyncio.Future[Any], value: Any) -> None:
    if given.done():
        return
    if isinstance(value, BaseException):
        given.set_exception(value)
    else:
        given.set_result(value)
