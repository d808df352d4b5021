"""Every test here runs on each engine, with keys of its own that are removed afterwards."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Protocol

import pytest
from redis.asyncio import Redis

from pipeline.state.dump import scan
from pipeline.state.embedded import EmbeddedStore
from pipeline.state.port import Event
from pipeline.state.store import RedisStore, Store


class Engine(Protocol):
    """Makes stores on one database."""

    def __call__(self) -> Store: ...

    async def clear(self) -> None:
        """Remove what the stores have written."""


class _Embedded:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self) -> Store:
        return EmbeddedStore(self._folder, "test")

    async def clear(self) -> None:
        shutil.rmtree(self._folder)


class _Redis:
    def __init__(self, url: str) -> None:
        self._url = url
        self._prefix = f"test-{uuid.uuid4().hex}"

    def __call__(self) -> Store:
        return RedisStore(self._url, self._prefix)

    async def clear(self) -> None:
        async with Redis.from_url(self._url, protocol=2) as client:
            async for keys in scan(client, f"{self._prefix}:"):
                await client.delete(*keys)


@pytest.fixture(params=["embedded", pytest.param("redis", marks=pytest.mark.redis)])
def new_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Engine]:
    """Makes engines that are empty; clear them."""
    if request.param == "embedded":
        return lambda: _Embedded(Path(tempfile.mkdtemp(dir=tmp_path)))
    url = request.getfixturevalue("redis_url")
    return lambda: _Redis(url)


@pytest.fixture
async def engine(new_engine: Callable[[], Engine]) -> AsyncIterator[Engine]:
    engine = new_engine()
    yield engine
    await engine.clear()


@pytest.fixture
async def store(engine: Engine) -> AsyncIterator[Store]:
    """A connected store."""
    store = engine()
    await store.connect()
    yield store
    await store.close()


@pytest.fixture
def until() -> Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]:
    """Wait for a condition that can only be asked for, at most 20 s."""

    async def wait(holds: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(20):
            while not await holds():  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    return wait


class Listener:
    """Collects the events of a store from the moment `listening` returns it."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._arrived = asyncio.Condition()

    async def run(self, store: Store, opened: asyncio.Event) -> None:
        async for event in store.progress.events(opened.set):
            async with self._arrived:
                self.events.append(event)
                self._arrived.notify_all()

    async def until(self, enough: Callable[[list[Event]], bool], within_s: float = 20.0) -> list[Event]:
        """The events so far, once they are enough."""
        async with asyncio.timeout(within_s), self._arrived:
            await self._arrived.wait_for(lambda: enough(self.events))
        return list(self.events)


@pytest.fixture
async def listening(store: Store) -> AsyncIterator[Callable[[], Awaitable[Listener]]]:
    """Start a listener whose subscription stands."""
    tasks: list[asyncio.Task[None]] = []

    async def listen() -> Listener:
        listener, opened = Listener(), asyncio.Event()
        tasks.append(asyncio.create_task(listener.run(store, opened)))
        async with asyncio.timeout(10):
            await opened.wait()
        return listener

    yield listen
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
