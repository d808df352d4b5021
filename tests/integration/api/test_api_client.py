"""The Python client through everything that happens to connections and servers."""

from __future__ import annotations

import asyncio
import contextlib
import random
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

import pytest

from api.client import LiveClient, Refused, Replaced
from pipeline.servers.tcp_proxy import TcpProxy, tcp_proxy
from pipeline.state.store import RedisStore
from tests.api_plane import DEADLINE_S, RunningApi, running_api, until

RECORDINGS = [f"r{number}" for number in range(8)]
EVENTS = 60


@pytest.fixture
async def pair(redis_url: str) -> AsyncIterator[tuple[RunningApi, RunningApi]]:
    """Two servers that share one Redis."""
    prefix = f"client-{uuid.uuid4().hex[:8]}"
    async with contextlib.AsyncExitStack() as stack:
        apis = [await stack.enter_async_context(running_api(state=RedisStore(redis_url, prefix))) for _ in range(2)]
        for api in apis:
            await until(lambda api=api: api.app.state.plane.relay.connected, "the relay reads events")
        yield apis[0], apis[1]


def url_of(port: int, query: str = "") -> str:
    return f"ws://127.0.0.1:{port}/v1/ws{query}"


async def work_on(api: RunningApi, recording_id: str, chance: random.Random) -> None:
    for number in range(EVENTS - 1):
        await api.progress(recording_id, number / EVENTS)
        await asyncio.sleep(chance.uniform(0, 0.03))
    await api.complete(recording_id)


async def break_connections(proxies: list[TcpProxy], chance: random.Random) -> None:
    while True:
        await asyncio.sleep(chance.uniform(0, 0.2))
        chance.choice(proxies).reset()


@pytest.mark.redis
@pytest.mark.parametrize("seed", range(3))
async def test_every_event_is_seen_once_whatever_connection_breaks_when(
    pair: tuple[RunningApi, RunningApi], seed: int
) -> None:
    chance = random.Random(seed)
    seen: dict[str, list[dict[str, Any]]] = defaultdict(list)
    async with contextlib.AsyncExitStack() as stack:
        proxies = [await stack.enter_async_context(tcp_proxy("127.0.0.1", api.server.port)) for api in pair]
        client = LiveClient(*(url_of(proxy.port) for proxy in proxies), first_wait_s=0.05, longest_wait_s=0.1)
        for recording_id in RECORDINGS:
            await client.subscribe(recording_id)
        messages = await stack.enter_async_context(contextlib.aclosing(client.messages()))

        async def follow() -> None:
            done = 0
            async for message in messages:
                seen[message["recording_id"]].append(message)
                done += message["data"]["type"] == "analysis_complete"
                if done == len(RECORDINGS):
                    return

        following = asyncio.create_task(follow())
        breaking = asyncio.create_task(break_connections(proxies, chance))
        async with asyncio.TaskGroup() as group:
            for recording_id in RECORDINGS:
                group.create_task(work_on(chance.choice(pair), recording_id, chance))
        async with asyncio.timeout(DEADLINE_S):
            await following
        breaking.cancel()
    for recording_id in RECORDINGS:
        sequences = [each["sequence"] for each in seen[recording_id]]
        assert sequences == list(range(sequences[0], EVENTS + 1)), recording_id
        assert not any("snapshot" in each for each in seen[recording_id][1:])


async def first(messages: AsyncIterator[dict[str, Any]]) -> dict[str, Any]:
    async with asyncio.timeout(DEADLINE_S):
        return await anext(messages)


async def test_it_comes_back_to_a_server_that_was_restarted(api: RunningApi) -> None:
    client = LiveClient(url_of(api.server.port), first_wait_s=0.05, longest_wait_s=0.1)
    await client.subscribe("r1")
    await client.subscribe("*")
    async with contextlib.aclosing(client.messages()) as messages:
        await api.progress("r1", 0.1)
        assert (await first(messages))["sequence"] == 1
        await api.restart_server()
        await api.progress("r1", 0.2)
        after = [await first(messages) for _ in range(2)]
    assert sorted(str(each.get("code", each.get("sequence"))) for each in after) == ["2", "resync"]


async def test_a_refusal_is_told_and_not_tried_again(api: RunningApi) -> None:
    async with contextlib.aclosing(LiveClient(url_of(api.server.port, "?client_id=a%20b")).messages()) as messages:
        with pytest.raises(Refused, match=r"The client_id is not valid\. Use 1 to 128 letters"):
            await first(messages)


async def test_one_that_is_replaced_does_not_come_back(api: RunningApi) -> None:
    clients = [LiveClient(url_of(api.server.port, "?client_id=me")) for _ in range(2)]
    hub = api.app.state.plane.hub
    async with contextlib.aclosing(clients[0].messages()) as older:
        waiting = asyncio.create_task(first(older))
        await until(lambda: hub.connections == 1, "the older one is connected")
        async with contextlib.aclosing(clients[1].messages()) as newer:
            other = asyncio.create_task(first(newer))
            with pytest.raises(Replaced):
                await waiting
            other.cancel()
            await asyncio.wait([other])


async def test_what_it_does_not_follow_any_more_does_not_come(api: RunningApi) -> None:
    client = LiveClient(url_of(api.server.port))
    await client.subscribe("r1")
    async with contextlib.aclosing(client.messages()) as messages:
        await api.progress("r1", 0.1)
        assert (await first(messages))["recording_id"] == "r1"
        await client.unsubscribe("r1")
        await client.subscribe("r2")
        await until(lambda: api.app.state.plane.hub.followed() == ["r2"], "the other is followed")
        await api.progress("r1", 0.2)
        await api.progress("r2", 0.2)
        assert (await first(messages))["recording_id"] == "r2"
