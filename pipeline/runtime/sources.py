"""Runs a source: what it yields is published in order, and kept until the broker has confirmed it."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from pipeline.broker.port import Broker
from pipeline.errors import BrokerError, Permanent, PipelineError, StateUnavailable, Unreachable
from pipeline.messages.message import derive_message_id
from pipeline.runtime.availability import connected
from pipeline.runtime.backoff import backoff_delay
from pipeline.runtime.contracts import Contracts
from pipeline.runtime.outputs import Emitter
from pipeline.runtime.publisher import Outgoing, Publisher
from pipeline.stage import Logger
from pipeline.state.port import StateStore
from pipeline.topology.model import Topology
from pipeline.topology.values import Reference

_IN_FLIGHT = 256

_log = structlog.get_logger()


@dataclass(slots=True)
class _InFlight:
    """A message that was yielded; `confirm` is None while sending is suspended."""

    outgoing: Outgoing
    confirm: Awaitable[None] | None = None


class RunningSourceContext:
    """What the source sees."""

    def __init__(self, name: str, roots: Sequence[Path], data_dir: Path, options: Mapping[str, Any]) -> None:
        self.log: Logger = structlog.get_logger().bind(source=name)
        self.roots = roots
        self.data_dir = data_dir
        self.options = options
        self.stop_requested = asyncio.Event()
        self.up_to_date = asyncio.Event()

    @property
    def stopping(self) -> bool:
        return self.stop_requested.is_set()

    def caught_up(self) -> None:
        self.up_to_date.set()


class SourceRunner:
    """One source of the topology.

    Raises: PipelineError for a wrong source name.
    """

    def __init__(
        self,
        name: str,
        topology: Topology,
        broker: Broker,
        state: StateStore,
        resolve: Callable[[Reference], Any],
        *,
        data_dir: Path,
        roots: Sequence[Path] = (),
        options: Mapping[str, Any] | None = None,
    ) -> None:
        source = topology.sources.get(name)
        if source is None:
            known = ", ".join(topology.sources) or "none"
            raise PipelineError(f"No source is called {name!r}", where="sources", fix=f"There are: {known}")
        self._contracts = contracts = Contracts(topology, resolve)
        self._source = source
        self.name = name
        self._function = resolve(source.run)
        self._broker = broker
        self._publisher = Publisher(broker, topology, contracts, state)
        self._emitter = Emitter("Source", name, source.emits, contracts)
        self._context = RunningSourceContext(name, roots, data_dir, {**source.options, **(options or {})})
        self._stop_deadline_s = 0.0
        self._ended = asyncio.Event()
        self._queue: asyncio.Queue[_InFlight] = asyncio.Queue(_IN_FLIGHT)
        self._unconfirmed: deque[_InFlight] = deque()
        self._flowing = True
        self._failure: BrokerError | None = None

    def adopt(self, topology: Topology) -> bool:
        """Publish by another revision from now on; False where the source itself differs there: it goes on as it is."""
        if topology.sources.get(self.name) != self._source:
            return False
        self._contracts.adopt(topology)
        self._publisher.adopt(topology)
        return True

    async def run(self) -> None:
        """Publish until the source ends or `stop`. Outages are waited out, and the source with them.

        Raises: PipelineError for something it yields that it may not publish; what the source raises.
        """
        confirming = asyncio.ensure_future(self._confirm())
        try:
            try:
                await self._until_stopped(self._produce(), confirming)
            except Exception:
                await self._until_stopped(self._queue.join(), confirming)
                raise
            if not await self._until_stopped(self._queue.join(), confirming):
                _log.error("messages of a source are lost", source=self.name, count=len(self._unconfirmed))
        finally:
            confirming.cancel()
            await asyncio.wait([confirming])
            self._ended.set()

    async def caught_up(self) -> None:
        """Until the source has said that it is, and the broker has confirmed what it had yielded by then."""
        await self._context.up_to_date.wait()
        await self._queue.join()

    async def stop(self, deadline_s: float = 10.0) -> None:
        """Ask the source to end, give it half of `deadline_s` for that, and the confirms the other half.

        Returns when `run` has ended.
        """
        self._stop_deadline_s = deadline_s
        self._context.stop_requested.set()
        await self._ended.wait()

    async def _until_stopped(self, doing: Coroutine[Any, Any, None], confirming: asyncio.Future[None]) -> bool:
        """Do it to its end, or once stopped for no longer than the deadline; whether it came to its end."""
        task = asyncio.ensure_future(doing)
        stopped = asyncio.ensure_future(self._context.stop_requested.wait())
        try:
            first: set[asyncio.Future[Any]] = {task, stopped, confirming}
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            if confirming.done():
                confirming.result()
            await asyncio.wait({task}, timeout=self._stop_deadline_s / 2)
        finally:
            stopped.cancel()
            task.cancel()
            await asyncio.wait({task})
        if task.cancelled():
            return False
        task.result()
        return True

    async def _produce(self) -> None:
        items = self._function(self._context)
        if not isinstance(items, AsyncGenerator):
            raise PipelineError(
                f"Source {self.name} is not an async generator",
                where=f"sources.{self.name}.run",
                fix="Write `async def` and `yield`",
            )
        async with aclosing(items):
            async for item in items:
                outgoing = self._prepare(item)
                await self._announce(outgoing)
                entry = _InFlight(outgoing)
                await self._queue.put(entry)
                self._unconfirmed.append(entry)
                if self._flowing:
                    entry.confirm = self._publisher.send(outgoing)

    def _prepare(self, item: Any) -> Outgoing:
        try:
            emit = self._emitter.emit(item)
            identity = emit.identity
            message_id = str(uuid.uuid4()) if identity is None else derive_message_id(emit.message, identity)
            return self._publisher.prepare(emit.message, emit.body, message_id=message_id, priority=emit.priority)
        except Permanent as error:
            raise PipelineError(error.reason, where=f"sources.{self.name}") from error

    async def _announce(self, outgoing: Outgoing) -> None:
        attempt = 0
        while True:
            try:
                return await self._publisher.announce(outgoing)
            except StateUnavailable as error:
                attempt += 1
                await self._wait(attempt, "the state store does not answer", error)

    async def _confirm(self) -> None:
        """Wait for confirms, oldest first. If one fails, all after it are sent again too, so the order stays."""
        while True:
            entry = await self._queue.get()
            attempt = 0
            while not await self._confirmed(entry):
                attempt += 1
                await self._resend(attempt)
            self._publisher.count(entry.outgoing)
            self._unconfirmed.popleft()
            self._queue.task_done()

    async def _confirmed(self, entry: _InFlight) -> bool:
        try:
            if entry.confirm is not None:
                await entry.confirm
        except BrokerError as error:
            self._failure = error
            return False
        return entry.confirm is not None

    async def _resend(self, attempt: int) -> None:
        self._flowing = False
        confirms = [entry.confirm for entry in self._unconfirmed if entry.confirm is not None]
        await asyncio.gather(*confirms, return_exceptions=True)
        await self._wait(attempt, "the broker does not take its messages; is `pipeline apply` done?", self._failure)
        await self._reconnect()
        for entry in self._unconfirmed:
            entry.confirm = self._publisher.send(entry.outgoing)
        self._flowing = True

    async def _reconnect(self) -> None:
        attempt = 0
        while True:
            try:
                return await connected(self._broker)
            except Unreachable as error:
                attempt += 1
                await self._wait(attempt, "the broker does not answer", error)

    async def _wait(self, attempt: int, what: str, error: Exception | None) -> None:
        if attempt == 1:
            _log.error(f"a source is held up: {what}", source=self.name, reason=str(error or ""))
        await asyncio.sleep(backoff_delay(attempt))
