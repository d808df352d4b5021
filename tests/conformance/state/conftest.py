"""Every test here runs on each engine, with keys of its own that are removed afterwards."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest
from redis.asyncio import Redis

from pipeline.state.dump import scan
from pipeline.state.embedded import EmbeddedStore
from pipeline.state.port import Event
from pipeline.state.store import RedisStore, Store


class Engine(Protocol):
    """Makes stores on one database."""

    name: str

    def __call__(self, *, retention_s: float = 600.0) -> Store: ...


class _Embedded:
    name = "embedded"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, *, retention_s: float = 600.0) -> Store:
        return EmbeddedStore(self._folder, "test", retention_s=retention_s)


class _Redis:
    name = "redis"

    def __init__(self, url: str) -> None:
        self._url = url
        self.prefix = f"test-{uuid.uuid4().hex}"

    def __call__(self, *, retention_s: float = 600.0) -> Store:
        return RedisStore(self._url, self.prefix, retention_s=retention_s)


async def _remove_keys(url: str, prefix: str) -> None:
    async with Redis.from_url(url, protocol=2) as client:
        async for keys in scan(client, f"{prefix}:"):
            await client.delete(*keys)


@asynccontextmanager
async def _engine(name: str, request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Engine]:
    if name == "embedded":
        yield _Embedded(folder)
    else:
        url = request.getfixturevalue("redis_url")
        engine = _Redis(url)
        try:
            yield engine
        finally:
            await _remove_keys(url, engine.prefix)


@pytest.fixture(params=["embedded", pytest.param("redis", marks=pytest.mark.redis)])
def engine_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def engine(engine_name: str, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Engine]:
    async with _engine(engine_name, request, tmp_path) as engine:
        yield engine


@pytest.fixture
async def store(engine: Engine) -> AsyncIterator[Store]:
    """A connected store."""
    store = engine()
    await store.connect()
    yield store
    await store.close()


@pytest.fixture
def fresh_engine(engine_name: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """For property tests: a context with an empty engine, as often as it is entered."""

    def enter() -> Any:
        return _engine(engine_name, request, tmp_path_factory.mktemp("state"))

    return enter


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
