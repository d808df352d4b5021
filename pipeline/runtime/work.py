"""One delivery while it is worked on, and the contexts its steps see."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import structlog
from pydantic import BaseModel

from pipeline.messages.message import Envelope, derive_message_id
from pipeline.runtime.failure import OutOfTime, WorkCancelled
from pipeline.runtime.progress import Reporter
from pipeline.runtime.subject import Subject
from pipeline.stage import Documents, Emit, Logger
from pipeline.state.port import Progress, StateStore


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all deliveries of a stage see alike.

    Attributes:
        roots: folders whose files may be touched.
        data_dir: where files are generated.
        options: the stage's own.
    """

    roots: Sequence[Path]
    data_dir: Path
    options: Mapping[str, Any]


class Work:
    """A validated delivery and what is known of it.

    Attributes:
        reporter: its progress, if it is about a tracked recording.
        scope: the time limit its steps run under, while they run.
        cancelled: the steps should return soon, their outputs are not wanted.
    """

    __slots__ = ("_track", "body", "cancelled", "envelope", "reporter", "scope", "stage")

    def __init__(self, stage: str, envelope: Envelope, body: BaseModel, track: Callable[[str], Reporter]) -> None:
        self.stage = stage
        self.envelope = envelope
        self.body = body
        self.reporter: Reporter | None = None
        self.scope: asyncio.Timeout | None = None
        self.cancelled = False
        self._track = track

    def cancel(self) -> None:
        """Stop the steps where they can be stopped: at an await, or by ending their process."""
        self.cancelled = True
        if self.scope is not None:
            with suppress(RuntimeError):  # the steps have just returned
                self.scope.reschedule(asyncio.get_running_loop().time())

    def limited(self, seconds: float | None) -> AbstractAsyncContextManager[None]:
        """Run steps under a time limit. Raises OutOfTime, WorkCancelled."""
        return _Limit(self, seconds)

    @asynccontextmanager
    async def untimed(self) -> AsyncIterator[None]:
        """Stop the clock of `limited`: around a wait for a place to work, which is nobody's fault."""
        scope, now = self.scope, asyncio.get_running_loop().time
        limit = None if scope is None else scope.when()
        if scope is None or limit is None:
            yield
            return
        rest = limit - now()
        if not self.cancelled:
            scope.reschedule(None)
        yield
        if not self.cancelled:
            scope.reschedule(now() + rest)

    def progress(self, fraction: float, message: str) -> None:
        if self.reporter is not None:
            self.reporter.report(fraction, message)

    def track(self, recording_id: str) -> None:
        """Show progress under this recording from now on, or say which one the job is about; the first call counts."""
        if self.reporter is None:
            self.reporter = self._track(recording_id)
            self.reporter.report(0.0, "Started")
        elif (job_id := self.reporter.subject.job_id) is not None:
            self.reporter.subject = Subject(recording_id, job_id)


class _Limit:
    """Written as a class, since it is entered for each message: a generator's context costs twice as much."""

    __slots__ = ("_scope", "_seconds", "_work")

    def __init__(self, work: Work, seconds: float | None) -> None:
        self._work = work
        self._seconds = seconds
        self._scope = asyncio.timeout(seconds)

    async def __aenter__(self) -> None:
        if self._work.cancelled:
            raise WorkCancelled
        self._work.scope = self._scope
        await self._scope.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._work.scope = None
        try:
            await self._scope.__aexit__(kind, error, trace)
        except TimeoutError as late:
            error = late
        if isinstance(error, TimeoutError):
            if self._work.cancelled:
                raise WorkCancelled from None
            if self._scope.expired():
                raise OutOfTime(self._seconds) from error


RunInProcess = Callable[[Work, int, Any], Awaitable[list[Any]]]
"""(delivery, place of the process group in the run, value) to the group's outputs."""


class LoopContext:
    """What steps on the loop see."""

    def __init__(
        self, work: Work, surroundings: Surroundings, store: StateStore, run_in_process: RunInProcess | None = None
    ) -> None:
        self.envelope = work.envelope
        self.state: Documents = store.documents
        self.roots = surroundings.roots
        self.data_dir = surroundings.data_dir
        self.options = surroundings.options
        self._work = work
        self._progress: Progress = store.progress
        self._run_in_process = run_in_process
        self._log: Logger | None = None

    @property
    def log(self) -> Logger:
        if self._log is None:
            self._log = step_logger(self._work.stage, self.envelope)
        return self._log

    @property
    def cancelled(self) -> bool:
        return self._work.cancelled

    async def ended(self, recording_id: str, request: Emit) -> str | None:
        if request.identity is None:
            raise ValueError(f"{request.message} has no identity, so it can't be told from any other")
        run = derive_message_id(request.message, request.identity)
        status = await self._progress.ended(recording_id, run)
        return None if status is None else status.value

    async def standing(self, recording_id: str) -> str | None:
        event = await self._progress.snapshot(recording_id)
        return None if event is None else event.status.value

    async def forget(self, recording_id: str) -> None:
        await self._progress.forget(recording_id)

    def progress(self, fraction: float, message: str = "") -> None:
        self._work.progress(fraction, message)

    def track(self, recording_id: str) -> None:
        self._work.track(recording_id)

    async def in_process(self, group: int, value: Any) -> list[Any]:
        """What the process group at that place of the run gives for the value; for composed steps alone."""
        assert self._run_in_process is not None
        return await self._run_in_process(self._work, group, value)


class ThreadContext(LoopContext):
    """What steps in a thread see: the same, handed over to the loop."""

    def __init__(self, work: Work, surroundings: Surroundings, store: StateStore) -> None:
        super().__init__(work, surroundings, store)
        self.state = _from_thread(store.documents)
        self._progress = _from_thread(store.progress)
        self._loop = asyncio.get_running_loop()

    def progress(self, fraction: float, message: str = "") -> None:
        self._loop.call_soon_threadsafe(self._work.progress, fraction, message)

    def track(self, recording_id: str) -> None:
        self._loop.call_soon_threadsafe(self._work.track, recording_id)


class ProcessContext:
    """What steps in a pool process see. The state store stays with the worker, and so does `track`."""

    def __init__(
        self,
        stage: str,
        envelope: Envelope,
        surroundings: Surroundings,
        show: Callable[[float, str], None],
    ) -> None:
        self.envelope = envelope
        self.roots = surroundings.roots
        self.data_dir = surroundings.data_dir
        self.options = surroundings.options
        self.log = step_logger(stage, envelope)
        self.cancelled = False  # this process is ended instead
        self.progress = show

    @property
    def state(self) -> Documents:
        raise RuntimeError("context.state is not available in a process; use it in a step on the loop")

    async def ended(self, recording_id: str, request: Emit) -> str | None:
        raise RuntimeError("context.ended is not available in a process; use it in a step on the loop")

    async def standing(self, recording_id: str) -> str | None:
        raise RuntimeError("context.standing is not available in a process; use it in a step on the loop")

    async def forget(self, recording_id: str) -> None:
        raise RuntimeError("context.forget is not available in a process; use it in a step on the loop")

    def track(self, recording_id: str) -> None:
        raise RuntimeError("context.track is not available in a process; set `track`, or use it on the loop")


def step_logger(stage: str, envelope: Envelope) -> Logger:
    """A logger whose lines say which delivery they are about."""
    logger: Logger = structlog.get_logger().bind(
        stage=stage, queue=envelope.queue, message_id=envelope.message_id, attempt=envelope.attempt
    )
    return logger


def _from_thread(state: Any) -> Any:
    """A part of the state store for steps with a loop of their own in a thread: calls are made on the worker's loop."""
    loop = asyncio.get_running_loop()

    class OnTheWorkersLoop:
        def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
            method = getattr(state, name)

            async def call(*arguments: Any, **named: Any) -> Any:
                return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(method(*arguments, **named), loop))

            return call

    return OnTheWorkersLoop()
