"""One delivery while it is worked on, and the contexts its steps see."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import structlog
from pydantic import BaseModel

from pipeline.messages.message import Envelope, derive_message_id
from pipeline.runtime.failure import OutOfTime, WorkCancelled
from pipeline.runtime.progress import Reporter
from pipeline.stage import Documents, Emit, Logger
from pipeline.state.port import Progress, StateStore


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

    @asynccontextmanager
    async def limited(self, seconds: float | None) -> AsyncIterator[None]:
        """Run steps under a time limit. Raises OutOfTime, WorkCancelled."""
        if self.cancelled:
            raise WorkCancelled
        try:
            async with asyncio.timeout(seconds) as self.scope:
                yield
        except TimeoutError as error:
            if self.cancelled:
                raise WorkCancelled from None
            if self.scope is not None and self.scope.expired():
                raise OutOfTime(seconds) from error
            raise
        finally:
            self.scope = None

    def progress(self, fraction: float, message: str) -> None:
        if self.reporter is not None:
            self.reporter.report(fraction, message)

    def track(self, recording_id: str) -> None:
        """Show progress under this recording from now on; only the first call counts."""
        if self.reporter is None:
            self.reporter = self._track(recording_id)
            self.reporter.report(0.0, "Started")


class LoopContext:
    """What steps on the loop see."""

    def __init__(self, work: Work, store: StateStore, roots: Sequence[Path], options: Mapping[str, Any]) -> None:
        self.envelope = work.envelope
        self.state: Documents = store.documents
        self.roots = roots
        self.options = options
        self._work = work
        self._progress: Progress = store.progress
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

    def progress(self, fraction: float, message: str = "") -> None:
        self._work.progress(fraction, message)

    def track(self, recording_id: str) -> None:
        self._work.track(recording_id)


class ThreadContext(LoopContext):
    """What steps in a thread see: the same, handed over to the loop."""

    def __init__(self, work: Work, store: StateStore, roots: Sequence[Path], options: Mapping[str, Any]) -> None:
        super().__init__(work, store, roots, options)
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
        roots: Sequence[Path],
        options: Mapping[str, Any],
        show: Callable[[float, str], None],
    ) -> None:
        self.envelope = envelope
        self.roots = roots
        self.options = options
        self.log = step_logger(stage, envelope)
        self.cancelled = False  # this process is ended instead
        self.progress = show

    @property
    def state(self) -> Documents:
        raise RuntimeError("context.state is not available in executor: process; use loop or thread")

    async def ended(self, recording_id: str, request: Emit) -> str | None:
        raise RuntimeError("context.ended is not available in executor: process; use loop or thread")

    def track(self, recording_id: str) -> None:
        raise RuntimeError("context.track is not available in executor: process; set the stage's `track`")


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
