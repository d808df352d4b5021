"""The exchange of renames is called as the environment says."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.topology.load import load
from tests.live_library import live_library

pytestmark = [pytest.mark.rabbitmq, pytest.mark.redis]


async def test_requests_and_answers_pass_through_the_exchange_that_the_environment_names(
    rabbitmq_url: str,
    rabbitmq_management_url: str,
    redis_url: str,
    public_folder: Path,
) -> None:
    topology = load("topology.yaml", {"RABBITMQ_EXCHANGE": "our.renames"})
    servers = (rabbitmq_url, rabbitmq_management_url, redis_url)
    async with live_library(*servers, public_folder, topology=topology) as library:
        await library.start(["rename"])
        path = library.root / "track.mp3"
        path.write_bytes(b"content")
        await library.publish("rename.request", {"file_path": str(path), "suggested_name": "Title.mp3"})
        taken = await library.take("file_rename.response")
        assert taken.headers["x-message-name"] == "rename.response"
        exchanges = {each["name"] for each in await library.management.list("exchanges", library.vhost)}
        assert "our.renames" in exchanges
        assert "file_rename" not in exchanges
        bindings = await library.management.list("exchanges", library.vhost, "our.renames", "bindings", "source")
        assert {each["destination"] for each in bindings} == {
            "file_rename.request",
            "file_rename.response",
            "file_rename.pattern",
            "file_rename.pattern.response",
            "file_rename.feedback",
        }
    assert path.with_name("Title.mp3").exists()
