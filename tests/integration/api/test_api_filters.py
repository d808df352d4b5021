"""A dashboard follows all recordings, or those events of them that it chooses."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.state.port import Status, Update
from tests.api_plane import RunningApi, Socket


async def follow(client: Socket, **chosen: Any) -> None:
    answer = await client.ask({"type": "subscribe", "recording_id": "*", "filter": chosen})
    assert answer["type"] == "subscribed", answer


async def record(api: RunningApi, recording_id: str, status: Status, stage: str, fraction: float = 0.5) -> None:
    kind = "analysis_complete" if status is Status.COMPLETED else "error" if status.terminal else "progress"
    update = Update(recording_id, "run", "1", kind, status, fraction, {"stage": stage}, begins=not status.terminal)
    assert await api.state.progress.record(update) is not None


async def test_only_what_has_one_of_the_statuses_is_sent(api: RunningApi) -> None:
    async with api.socket() as client:
        await follow(client, status=["failed", "completed"])
        for key, status in (("a", Status.FAILED), ("b", Status.COMPLETED), ("c", Status.CANCELLED)):
            await record(api, key, Status.ANALYZING, "analysis")
            await record(api, key, status, "analysis")
        await record(api, "d", Status.FAILED, "analysis")
        received = [await client.receive() for _ in range(3)]
    assert [each["recording_id"] for each in received] == ["a", "b", "d"]


async def test_only_what_comes_from_one_of_the_stages_is_sent(api: RunningApi) -> None:
    async with api.socket() as client:
        await follow(client, stage=["metadata"])
        await api.queue("a")
        await record(api, "b", Status.ANALYZING, "analysis")
        await record(api, "c", Status.ANALYZING, "metadata")
        assert (await client.receive())["recording_id"] == "c"


async def test_status_and_stage_have_both_to_be_right(api: RunningApi) -> None:
    async with api.socket() as client:
        await follow(client, stage=["metadata"], status=["failed"])
        await record(api, "a", Status.FAILED, "analysis")
        await record(api, "b", Status.ANALYZING, "metadata")
        await record(api, "c", Status.FAILED, "metadata")
        assert (await client.receive())["recording_id"] == "c"


async def test_a_recording_followed_by_name_is_not_filtered(api: RunningApi) -> None:
    async with api.socket() as client:
        await follow(client, status=["failed"])
        await client.follow("a")
        await record(api, "b", Status.ANALYZING, "analysis")
        await record(api, "a", Status.ANALYZING, "analysis")
        await record(api, "b", Status.FAILED, "analysis")
        assert [(await client.receive())["recording_id"] for _ in range(2)] == ["a", "b"]


async def test_another_subscription_to_everything_replaces_the_filter(api: RunningApi) -> None:
    async with api.socket() as client:
        await follow(client, status=["failed"])
        await client.follow("*")
        await record(api, "a", Status.ANALYZING, "analysis")
        assert (await client.receive())["recording_id"] == "a"
        assert (await client.ask({"type": "get_status"}))["subscriptions"] == ["*"]


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        ({"recording_id": "r1", "filter": {"status": ["failed"]}}, 'goes with "*"'),
        ({"recording_id": "*", "filter": {"status": ["broken"]}}, '"filter.status'),
        ({"recording_id": "*", "filter": {"status": []}}, '"filter.status'),
        ({"recording_id": "*", "filter": {"stages": ["a"]}}, '"filter.stages" of the subscribe message is not known'),
        ({"recording_id": "*", "filter": {"stage": [str(number) for number in range(51)]}}, '"filter.stage"'),
        ({"recording_id": "*", "filter": "failed"}, '"filter"'),
    ],
)
async def test_a_filter_that_makes_no_sense_is_refused(
    api: RunningApi, message: dict[str, Any], complaint: str
) -> None:
    async with api.socket() as client:
        answer = await client.ask({"type": "subscribe", **message})
        assert answer["type"] == "error"
        assert complaint in answer["message"]
        assert (await client.ask({"type": "get_status"}))["subscriptions"] == []
