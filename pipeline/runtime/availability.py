"""Whether a server that everything depends on answers: one place that notices, tries again, and says so once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar
from weakref import WeakKeyDictionary

import structlog

from pipeline.broker.port import Broker
from pipeline.errors import StateUnavailable, Unreachable
from pipeline.runtime.backoff import backoff_delay
from pipeline.state.port import StateStore

T = TypeVar("T")

_log = structlog.get_logger()
_connecting: WeakKeyDictionary[Broker | StateStore, asyncio.Lock] = WeakKeyDictionary()


async def connected(server: Broker | StateStore) -> None:
    """Connect a server if it does not answer. Raises Unreachable.

    A worker and sources in one process share it: the first to notice connects it, the others find it there.
    """
    lock = _connecting.setdefault(server, asyncio.Lock())
    async with lock:
        try:
            await server.ping()
        except (Unreachable, StateUnavailable):
            await server.connect()
            await server.ping()


class Availability:
    """The broker or the state store, as up or away.

    Args:
        what: its name in log lines.
    """

    def __init__(self, what: str, server: Broker | StateStore) -> None:
        self._what = what
        self._server = server
        self._up = asyncio.Event()
        self._away = asyncio.Event()
        self._away.set()
        self._listeners: dict[Callable[[], None], None] = {}

    @property
    def up(self) -> bool:
        return self._up.is_set()

    @property
    def trying(self) -> bool:
        """It is up or away, nothing between."""
        return False

    def on_lost(self, listener: Callable[[], None]) -> None:
        """Have `listener` called whenever it goes away."""
        self._listeners[listener] = None

    def forget(self, listener: Callable[[], None]) -> None:
        """Call it no more. Idempotent."""
        self._listeners.pop(listener, None)

    def lost(self) -> None:
        """It did not answer. Idempotent; `keep` brings it back."""
        if self._up.is_set():
            self._up.clear()
            self._away.set()
            for listener in list(self._listeners):
                listener()

    async def wait(self) -> None:
        """Until it answers."""
        await self._up.wait()

    async def insist(self, operation: Callable[[], Awaitable[object]], *, or_go_on: bool = False) -> None:
        """Do something that needs it; where it is away, wait, and do it again.

        Args:
            or_go_on: leave it undone instead.
        Raises: StateUnavailable if the operation fails although it answers.
        """
        while self.up or not or_go_on:
            try:
                await operation()
            except StateUnavailable:
                if await self.answers():
                    raise
                if not or_go_on:
                    await self.wait()
            else:
                return

    async def answers(self) -> bool:
        """Ask it; a server that does not answer is lost."""
        try:
            await self._server.ping()
        except (StateUnavailable, Unreachable):
            self.lost()
            return False
        return True

    async def lost_within(self, seconds: float) -> bool:
        """Wait until it is lost, or for so long; whether it is lost."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._away.wait()
        return not self.up

    async def back_within(self, seconds: float) -> None:
        """Wait until it answers, or for so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.wait()

    async def keep(self) -> None:
        """Bring it up, and back whenever it was lost, for as long as this runs."""
        while True:
            await self._away.wait()
            attempt, said = 0, ""
            while True:
                try:
                    await connected(self._server)
                    break
                except (Unreachable, StateUnavailable) as error:
                    attempt += 1
                    if str(error) != said:  # a server that restarts may refuse the login afterwards
                        said = str(error)
                        _log.error(f"{self._what} does not answer; trying again until it does", reason=said)
                    await asyncio.sleep(backoff_delay(attempt))
            self._away.clear()
            self._up.set()
            if attempt:
                _log.warning(f"{self._what} answers again", tries=attempt + 1)


async def keep_connected(availability: Availability, broker: Broker) -> None:
    """Keep a broker up for as long as this runs: connect it, and again whenever it closes."""
    async with asyncio.TaskGroup() as group:
        group.create_task(availability.keep())
        while True:
            await availability.wait()
            await broker.closed()
            availability.lost()
