"""Every message of the contract over a real socket."""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest

from tests.api_plane import RunningApi


async def test_welcome_carries_a_new_client_id(api: RunningApi) -> None:
    async with api.socket(welcomed=False) as client:
        welcome = await client.receive()
    assert welcome == {
        "type": "welcome",
        "client_id": str(uuid.UUID(welcome["client_id"])),
        "message": "Connected to Analysis Service WebSocket",
    }


async def test_welcome_repeats_the_client_id_that_was_given(api: RunningApi) -> None:
    async with api.socket("?client_id=dashboard-1", welcomed=False) as client:
        assert (await client.receive())["client_id"] == "dashboard-1"


async def test_ping_is_answered_with_the_time(api: RunningApi) -> None:
    async with api.socket() as client:
        before = time.time()
        pong = await client.ask({"type": "ping"})
        assert set(pong) == {"type", "timestamp"}
        assert pong["type"] == "pong"
        assert before <= pong["timestamp"] <= time.time()


async def test_subscriber_receives_progress_and_completion(api: RunningApi) -> None:
    async with api.socket() as client:
        assert await client.ask({"type": "subscribe", "recording_id": "r1"}) == {
            "type": "subscribed",
            "recording_id": "r1",
            "message": "Subscribed to updates for recording r1",
        }
        await api.progress("r1", 0.75, "Processing audio analysis")
        await api.complete("r1", bpm=128.5, key="C major", energy=0.8)
        progress, complete = await client.receive(), await client.receive()
    assert progress["recording_id"] == complete["recording_id"] == "r1"
    assert _without_time(progress["data"]) == {
        "type": "progress",
        "progress": 0.75,
        "status": "analyzing",
        "message": "Processing audio analysis",
    }
    assert complete["data"]["type"] == "analysis_complete"
    assert complete["data"]["results"] == {"bpm": 128.5, "key": "C major", "energy": 0.8}
    assert complete["sequence"] == progress["sequence"] + 1


async def test_subscriber_receives_the_error_of_a_failed_analysis(api: RunningApi) -> None:
    async with api.socket() as client:
        await client.follow("r1")
        await api.progress("r1", 0.1)
        await api.fail("r1", "Analysis failed", "ANALYSIS_ERROR")
        await client.receive()
        error = await client.receive()
    assert error["data"]["type"] == "error"
    assert error["data"]["error"] == "Analysis failed"
    assert error["data"]["details"]["error_code"] == "ANALYSIS_ERROR"
    assert isinstance(error["data"]["timestamp"], float)


async def test_subscribing_shows_the_current_state_first(api: RunningApi) -> None:
    await api.progress("r1", 0.5, "key")
    async with api.socket() as client:
        await client.follow("r1")
        snapshot = await client.receive()
        await api.progress("r1", 0.6)
        event = await client.receive()
    assert snapshot["snapshot"] is True
    assert snapshot["data"]["progress"] == 0.5
    assert "snapshot" not in event
    assert event["sequence"] == snapshot["sequence"] + 1


async def test_unknown_recording_is_confirmed_without_a_snapshot(api: RunningApi) -> None:
    async with api.socket() as client:
        await client.follow("not-there-yet")
        assert (await client.ask({"type": "ping"}))["type"] == "pong"


async def test_unsubscribed_client_receives_nothing_more(api: RunningApi) -> None:
    async with api.socket() as client:
        await client.follow("r1")
        assert await client.ask({"type": "unsubscribe", "recording_id": "r1"}) == {
            "type": "unsubscribed",
            "recording_id": "r1",
            "message": "Unsubscribed from updates for recording r1",
        }
        await client.follow("r2")
        await api.progress("r1", 0.5)
        await api.progress("r2", 0.5)
        assert (await client.receive())["recording_id"] == "r2"


async def test_star_follows_every_recording_once(api: RunningApi) -> None:
    async with api.socket() as client:
        await client.follow("*")
        await client.follow("r1")
        await api.progress("r1", 0.5)
        await api.progress("r2", 0.5)
        received = [await client.receive(), await client.receive()]
        assert (await client.ask({"type": "ping"}))["type"] == "pong"
    assert [each["recording_id"] for each in received] == ["r1", "r2"]


async def test_status_tells_subscriptions_and_connections(api: RunningApi) -> None:
    before = time.time()
    async with api.socket() as client, api.socket():
        await client.follow("r2")
        await client.follow("r1")
        await client.follow("*")
        status = await client.ask({"type": "get_status"})
    assert before <= status.pop("connected_at") <= time.time()
    assert status == {
        "type": "status",
        "client_id": client.client_id,
        "subscriptions": ["r2", "r1", "*"],
        "total_connections": 2,
        "node_connections": 2,
    }


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("{not json", "Not valid JSON"),
        ("[1, 2]", "A message is a JSON object"),
        ("{}", 'The message has no "type"'),
        ('{"type": "subscibe"}', 'did you mean "subscribe"?'),
        ('{"type": "subscribe"}', '"recording_id" is missing'),
        ('{"type": "subscribe", "recording_id": 7}', '"recording_id" of the subscribe message is wrong'),
        ('{"type": "unsubscribe", "recording_id": ""}', '"recording_id" of the unsubscribe message is wrong'),
        (b"\x00\x01", "Binary messages are not understood"),
    ],
)
async def test_wrong_message_is_answered_and_the_connection_stays(api: RunningApi, sent: Any, expected: str) -> None:
    async with api.socket() as client:
        error = await client.ask(sent)
        assert set(error) == {"type", "message"}
        assert error["type"] == "error"
        assert expected in error["message"]
        assert (await client.ask({"type": "ping"}))["type"] == "pong"


async def test_message_beyond_64_kib_closes_only_its_sender(api: RunningApi) -> None:
    async with api.socket() as other, api.socket() as sender:
        await other.follow("r1")
        await sender.send('{"type": "' + "x" * (64 * 1024) + '"}')
        assert (await sender.closed())[0] == 1009
        await api.progress("r1", 0.5)
        assert (await other.receive())["recording_id"] == "r1"


async def test_invalid_utf8_closes_only_its_sender_without_a_traceback(
    api: RunningApi, caplog: pytest.LogCaptureFixture
) -> None:
    async with api.socket() as other, api.socket() as sender:
        await sender.connection.send(b"\xff\xfe", text=True)
        assert (await sender.closed())[0] == 1007
        assert (await other.ask({"type": "ping"}))["type"] == "pong"
    assert "Traceback" not in caplog.text


async def test_129th_subscription_is_refused_and_those_before_stay(api: RunningApi) -> None:
    async with api.socket() as client:
        for number in range(128):
            await client.follow(f"r{number}")
        error = await client.ask({"type": "subscribe", "recording_id": "one-too-many"})
        assert error["type"] == "error"
        assert "128 subscriptions" in error["message"]
        await client.follow("r0")
        assert len((await client.ask({"type": "get_status"}))["subscriptions"]) == 128


async def test_flood_of_messages_is_refused_then_closed(api: RunningApi) -> None:
    async with api.socket() as client:
        for _ in range(400):
            await client.send({"type": "ping"})
        code, reason = await client.closed()
    assert code == 1008
    assert reason == "Too many messages"


async def test_second_connection_with_the_same_id_replaces_the_first(api: RunningApi) -> None:
    async with api.socket("?client_id=me") as first:
        await first.follow("r1")
        async with api.socket("?client_id=me") as second:
            code, reason = await first.closed()
            assert code == 4409
            assert "Replaced" in (reason or "")
            await second.follow("r1")
            await api.progress("r1", 0.5)
            assert (await second.receive())["recording_id"] == "r1"
            assert (await second.ask({"type": "get_status"}))["total_connections"] == 1


def _without_time(data: dict[str, Any]) -> dict[str, Any]:
    assert isinstance(data.pop("timestamp"), float)
    return data
