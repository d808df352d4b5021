"""A client that comes back goes on where it was."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api_plane import RunningApi, Socket


async def subscribe(client: Socket, sequence: int, epoch: str, recording_id: str = "r1") -> dict[str, Any]:
    message = {"type": "subscribe", "recording_id": recording_id, "last_sequence": sequence, "epoch": epoch}
    return await client.ask(message)


async def epoch_of(api: RunningApi, recording_id: str = "r1") -> str:
    last = await api.state.progress.snapshot(recording_id)
    assert last is not None
    return last.epoch


async def test_what_was_missed_is_sent_once_and_then_what_follows(api: RunningApi) -> None:
    for number in range(5):
        await api.progress("r1", number / 10)
    async with api.socket() as client:
        answer = await subscribe(client, 2, await epoch_of(api))
        assert answer == {
            "type": "subscribed",
            "recording_id": "r1",
            "message": "Subscribed to updates for recording r1",
            "recovered": True,
        }
        await api.complete("r1")
        received = [await client.receive() for _ in range(4)]
    assert [each["sequence"] for each in received] == [3, 4, 5, 6]
    assert not any("snapshot" in each for each in received)
    assert received[-1]["data"]["type"] == "analysis_complete"


async def test_who_has_missed_nothing_is_sent_nothing(api: RunningApi) -> None:
    await api.progress("r1", 0.5)
    async with api.socket() as client:
        assert (await subscribe(client, 1, await epoch_of(api)))["recovered"] is True
        assert (await client.ask({"type": "ping"}))["type"] == "pong"


async def test_who_was_ahead_of_the_first_event_misses_none(api: RunningApi) -> None:
    async with api.socket() as client:
        assert (await subscribe(client, 0, "any"))["recovered"] is True
        await api.progress("r1", 0.5)
        assert (await client.receive())["sequence"] == 1


@pytest.mark.parametrize(("sequence", "epoch"), [(1, "another"), (1000, "")])
async def test_where_it_can_not_be_told_what_was_missed_the_current_state_is_sent(
    api: RunningApi, sequence: int, epoch: str
) -> None:
    await api.progress("r1", 0.1)
    await api.progress("r1", 0.2)
    async with api.socket() as client:
        assert (await subscribe(client, sequence, epoch or await epoch_of(api)))["recovered"] is False
        current = await client.receive()
        assert (current["sequence"], current["snapshot"]) == (2, True)
        await api.progress("r1", 0.3)
        assert (await client.receive())["sequence"] == 3


async def test_more_than_is_kept_can_not_be_sent_again(api: RunningApi) -> None:
    for number in range(300):
        await api.progress("r1", number / 1000)
    async with api.socket() as client:
        assert (await subscribe(client, 10, await epoch_of(api)))["recovered"] is False
        assert (await client.receive())["sequence"] == 300
        assert (await subscribe(client, 100, await epoch_of(api)))["recovered"] is True
        assert [(await client.receive())["sequence"] for _ in range(200)] == list(range(101, 301))


async def test_a_recording_that_was_forgotten_has_nothing_to_go_on_with(api: RunningApi) -> None:
    async with api.socket() as client:
        await client.follow("*")
        await api.progress("r1", 0.5)
        assert (await client.receive())["sequence"] == 1
    epoch = await epoch_of(api)
    await api.state.progress.forget("r1")
    async with api.socket() as client:
        assert (await subscribe(client, 1, epoch))["recovered"] is False
        await api.progress("r1", 0.1)
        assert (await client.receive())["sequence"] == 2


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"last_sequence": 1}, "belong together"),
        ({"epoch": "e"}, "belong together"),
        ({"last_sequence": -1, "epoch": "e"}, '"last_sequence" of the subscribe message is wrong'),
        ({"last_sequence": "1", "epoch": "e"}, '"last_sequence" of the subscribe message is wrong'),
        ({"recording_id": "*", "last_sequence": 1, "epoch": "e"}, "can not be gone on with"),
    ],
)
async def test_a_position_that_makes_no_sense_is_refused(
    api: RunningApi, fields: dict[str, Any], complaint: str
) -> None:
    async with api.socket() as client:
        answer = await client.ask({"type": "subscribe", "recording_id": "r1", **fields})
        assert answer["type"] == "error"
        assert complaint in answer["message"]
        assert (await client.ask({"type": "get_status"}))["subscriptions"] == []
