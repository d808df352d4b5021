"""Redis goes away and comes back under a running server."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from pipeline.servers.redis import PrivateRedis
from pipeline.state.store import RedisStore
from tests.api_plane import running_api, until
from tests.filled_library import fill

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


READS = (
    "/v1/recordings",
    *(f"/v1/recordings/r1{end}" for end in ("", "/cover", "/waveform.svg", "/waveform.json")),
    *("/v1/tracklists/t1", "/v1/cue-files/c1", "/v1/cue-files/c1/content", "/v1/renames/n1", "/v1/renames/patterns"),
    *("/v1/jobs/j1", "/v1/export.csv", "/v1/export.json"),
)
REQUESTS = (
    *(f"/v1/recordings/r1/{name}" for name in ("analysis", "metadata", "tracklist")),
    *("/v1/tracklists/t1/cue", "/v1/cue-files/c1/validation", "/v1/messages/analysis.request"),
)


async def test_everything_that_needs_the_store_says_so_while_it_is_away(
    own_redis: PrivateRedis, tmp_path: Path
) -> None:
    async with running_api(state=RedisStore(own_redis.url), data_dir=tmp_path) as api, api.http(timeout=60) as http:
        await fill(api, tmp_path)
        own_redis.stop()
        message = {"recording_id": "r1", "file_path": "/music/sets/mix.mp3"}
        answers = [await http.get(path) for path in READS]
        answers += [await http.post(path, json=message if "messages" in path else {}) for path in REQUESTS]
        for answer in answers:
            assert (answer.status_code, answer.json()["error_code"]) == (503, "DEPENDENCY_UNAVAILABLE"), answer.url
            assert "/health/ready" in answer.json()["fix"]
