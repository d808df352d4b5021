"""The plane over a real Redis, and over several processes' worth of servers."""

from __future__ import annotations

import asyncio
import contextlib
import random
import uuid
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from pipeline.state.store import RedisStore
from tests.api_plane import RunningApi, running_api, until

pytestmark = pytest.mark.redis


@pytest.fixture
async def pair(redis_url: str) -> AsyncIterator[tuple[RunningApi, RunningApi]]:
    """Two servers that share one Redis."""
    prefix = f"api-{uuid.uuid4().hex[:8]}"
    async with contextlib.AsyncExitStack() as stack:
        stores = [RedisStore(redis_url, prefix) for _ in range(2)]
        first, second = [await stack.enter_async_context(running_api(state=store)) for store in stores]
        for api in (first, second):
            await until(lambda api=api: api.app.state.plane.relay.connected, "the relay reads events")
        yield first, second


async def test_event_recorded_through_one_server_reaches_clients_of_the_other(
    pair: tuple[RunningApi, RunningApi],
) -> None:
    first, second = pair
    async with second.socket() as client:
        await client.follow("r1")
        await first.progress("r1", 0.5)
        assert (await client.receive())["data"]["progress"] == 0.5


async def test_status_counts_the_connections_of_the_cluster(pair: tuple[RunningApi, RunningApi]) -> None:
    first, second = pair
    async with first.socket() as a, first.socket(), second.socket() as c:
        await a.ask({"type": "get_status"})
        status = await c.ask({"type": "get_status"})
    assert (status["total_connections"], status["node_connections"]) == (3, 1)


async def test_lost_subscription_to_redis_loses_no_event(pair: tuple[RunningApi, RunningApi], redis_url: str) -> None:
    api, writer = pair
    async with api.socket() as client, Redis.from_url(redis_url) as redis:
        await client.follow("r1")
        for number in range(20):
            if number % 5 == 0:
                await redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            await writer.progress("r1", number / 100)
        await writer.complete("r1")
        received = [(await client.receive())["sequence"] for _ in range(21)]
    assert received == list(range(1, 22))


async def test_clients_that_subscribe_in_the_middle_see_every_event_once(pair: tuple[RunningApi, RunningApi]) -> None:
    api, writer = pair
    started = asyncio.Event()

    async def work() -> None:
        for number in range(100):
            await writer.progress("r1", number / 100)
            if number == 10:
                started.set()
        await writer.complete("r1")

    async def follow() -> list[int]:
        await started.wait()
        await asyncio.sleep(random.uniform(0, 0.1))
        async with api.socket() as client:
            await client.follow("r1")
            sequences = [(await client.receive())["sequence"]]
            while sequences[-1] < 101:
                sequences.append((await client.receive())["sequence"])
            assert (await client.ask({"type": "ping"}))["type"] == "pong"
            return sequences

    async with asyncio.TaskGroup() as group:
        group.create_task(work())
        followers = [group.create_task(follow()) for _ in range(20)]
    for follower in followers:
        sequences = follower.result()
        assert sequences == list(range(sequences[0], 102))
