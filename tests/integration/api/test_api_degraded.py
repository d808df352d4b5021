"""What everybody is told while something the service depends on is away."""

from __future__ import annotations

import pytest

from api.plane import Plane
from pipeline.servers.redis import PrivateRedis
from pipeline.state.store import RedisStore
from tests.api_plane import RunningApi, running_api


async def look(api: RunningApi, times: int) -> None:
    """What the service does by itself every other second."""
    plane: Plane = api.app.state.plane
    for _ in range(times):
        await plane.degradation.look()


@pytest.mark.redis
async def test_sockets_stay_and_are_told_that_the_store_is_away_and_back(own_redis: PrivateRedis) -> None:
    async with running_api(state=RedisStore(own_redis.url)) as api, api.socket() as client:
        own_redis.stop()
        await look(api, 2)
        away = await client.receive()
        assert (away["type"], away["code"]) == ("notice", "degraded")
        assert "state store" in away["message"]
        async with api.socket() as late:
            assert (await late.receive())["code"] == "degraded"
        assert (await client.ask({"type": "ping"}))["type"] == "pong"
        own_redis.start()
        back = await client.receive()
        assert (back["type"], back["code"]) == ("notice", "restored")
        assert (await client.ask({"type": "ping"}))["type"] == "pong"


async def test_what_answers_again_at_once_is_no_news(api: RunningApi) -> None:
    plane: Plane = api.app.state.plane
    probe = plane.readiness._probes["broker"]

    async def fails() -> None:
        raise ConnectionError

    async with api.socket() as client:
        plane.readiness._probes = {"broker": fails}
        await look(api, 1)
        plane.readiness._probes = {"broker": probe}
        await look(api, 1)
        assert (await client.ask({"type": "ping"}))["type"] == "pong"
