"""Redis goes away and comes back under a running server."""

from __future__ import annotations

import contextlib

import pytest

from ops.servers.redis import PrivateRedis
from pipeline.state.store import RedisStore
from tests.api_plane import running_api, until

pytestmark = pytest.mark.redis


async def test_clients_stay_connected_through_an_outage_and_get_what_follows(own_redis: PrivateRedis) -> None:
    async with running_api(state=RedisStore(own_redis.url)) as api, api.socket() as client, api.http() as http:
        await client.follow("r1")
        await api.progress("r1", 0.1)
        assert (await client.receive())["sequence"] == 1
        own_redis.stop()

        ready = await http.get("/health/ready")
        assert ready.status_code == 503
        assert ready.json()["checks"]["state"]["status"] == "failing"
        assert ready.json()["checks"]["broker"] == {"status": "ok"}
        listed = await http.get("/v1/recordings")
        assert (listed.status_code, listed.json()["error_code"]) == (503, "DEPENDENCY_UNAVAILABLE")
        status = await client.ask({"type": "get_status"})
        assert (status["total_connections"], status["node_connections"]) == (1, 1)
        assert (await client.ask({"type": "subscribe", "recording_id": "r2"}))["type"] == "subscribed"
        error = await client.receive()
        assert error["type"] == "error"
        assert "r2" in error["message"]

        own_redis.start()

        async def recorded() -> bool:
            with contextlib.suppress(Exception):
                await api.progress("r1", 0.2)
                return True
            return False

        await until(recorded, "the store takes updates again")
        await api.complete("r1")
        await api.progress("r2", 0.3)
        received = [await client.receive() for _ in range(3)]
        assert [(each["recording_id"], each["sequence"]) for each in received] == [("r1", 2), ("r1", 3), ("r2", 1)]
        await until(lambda: api.app.state.plane.relay.connected, "the relay reads events again")
        assert (await http.get("/health/ready")).status_code == 200
