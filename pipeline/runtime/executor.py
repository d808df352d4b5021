"""Where a stage's steps run: on the loop, in a thread, or in a process."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import Any, Protocol

from pipeline.errors import ErrorCode
from pipeline.runtime.child import Task
from pipeline.runtime.compose import Steps
from pipeline.runtime.failure import Failure, StepFailed
from pipeline.runtime.pool import ProcessPool
from pipeline.runtime.work import LoopContext, ThreadContext, Work


class Executor(Protocol):
    """Runs all steps of a stage for one delivery."""

    async def run(self, work: Work) -> list[Any]:
        """The outputs, in order. Raises what a step raises, OutOfTime, WorkCancelled, WorkerCrashed, StepFailed."""
        ...

    def close(self) -> None: ...


class LoopExecutor:
    """On the worker's loop: steps that wait rather than compute. Sync steps cannot be timed out or cancelled."""

    def __init__(self, steps: Steps, timeout_s: float, context: Callable[[Work], LoopContext]) -> None:
        self._steps = steps
        self._timeout_s = timeout_s
        self._context = context

    async def run(self, work: Work) -> list[Any]:
        if not self._steps.is_async:
            return self._steps.run(work.body, self._context(work))
        async with work.limited(self._timeout_s):
            return await self._steps.run_async(work.body, self._context(work))

    def close(self) -> None:
        """Nothing is held."""


class ThreadExecutor:
    """In threads of its own. A thread cannot be stopped: after a timeout it keeps its place until it returns."""

    def __init__(
        self, steps: Steps, timeout_s: float, context: Callable[[Work], ThreadContext], *, name: str, threads: int
    ) -> None:
        self._steps = steps
        self._timeout_s = timeout_s
        self._context = context
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._places = asyncio.Semaphore(threads)

    async def run(self, work: Work) -> list[Any]:
        loop = asyncio.get_running_loop()
        context = self._context(work)
        await self._places.acquire()
        future = self._threads.submit(self._steps.run_anywhere, work.body, context)
        future.add_done_callback(lambda _: loop.is_closed() or loop.call_soon_threadsafe(self._places.release))
        async with work.limited(self._timeout_s):
            return await asyncio.wrap_future(future)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class ProcessExecutor:
    """In the worker's pool of processes, one call for all steps. Timing out or cancelling ends that process."""

    def __init__(self, stage: str, pool: ProcessPool, timeout_s: float) -> None:
        self._stage = stage
        self._pool = pool
        self._timeout_s = timeout_s

    async def run(self, work: Work) -> list[Any]:
        async with work.limited(self._timeout_s):
            return await run_in_pool(self._pool, work, Task(self._stage, None, work.envelope, work.body))

    def close(self) -> None:
        """The pool is the worker's."""


async def run_in_pool(pool: ProcessPool, work: Work, task: Task) -> list[Any]:
    """The outputs of a task of this delivery; waiting for a process does not count as working.

    Raises: StepFailed, WorkerCrashed.
    """
    pickled = _to_child(task)
    async with AsyncExitStack() as place:
        async with work.untimed():
            child = await place.enter_async_context(pool.child())
        answer = await child.run(pickled, work.progress)
    try:
        outputs = pickle.loads(answer)
    except Exception as error:
        raise _lost("Outputs do not survive the way between processes", error) from error
    if isinstance(outputs, Failure):
        raise StepFailed(outputs)
    return list(outputs)


def _to_child(task: Task) -> bytes:
    try:
        return pickle.dumps(task)
    except Exception as error:
        raise _lost("What a step gives does not survive the way between processes", error) from error


def _lost(reason: str, error: Exception) -> StepFailed:
    return StepFailed(Failure(ErrorCode.INTERNAL_ERROR, type(error).__name__, reason))
