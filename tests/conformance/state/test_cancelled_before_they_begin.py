"""Cancellations of requests that nobody has announced: those that other publishers put into the queue."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.state.port import Status, Update
from pipeline.state.store import Store

NOW = datetime.now(UTC).replace(microsecond=0)
SOONER, LATER = NOW - timedelta(seconds=1), NOW + timedelta(seconds=1)


def begins(run: str, asked_at: datetime | None = None, attempt: str = "a") -> Update:
    data = {"message": "Started"}
    return Update("rec", run, attempt, "progress", Status.ANALYZING, 0.0, data, begins=True, asked_at=asked_at)


def completes(run: str) -> Update:
    return Update("rec", run, "a", "analysis_complete", Status.COMPLETED, 1.0, {"results": {}})


async def test_a_request_made_before_its_cancellation_never_begins(store: Store) -> None:
    assert await store.progress.cancel("rec", "not wanted", asked_at=NOW) is None
    assert await store.progress.record(begins("1", SOONER)) is None
    assert await store.progress.ended("rec", "1") is Status.CANCELLED
    event = await store.progress.snapshot("rec")
    assert event is not None
    data = json.loads(event.frame)["data"]
    assert (data["type"], data["status"], data["details"]) == ("error", "cancelled", {"error_code": "CANCELLED"})


async def test_every_request_made_before_is_meant(store: Store) -> None:
    await store.progress.record(begins("0"))
    assert await store.progress.cancel("rec", "not wanted", asked_at=NOW) is not None
    for run in ("1", "2"):
        assert await store.progress.record(begins(run, SOONER)) is None
        assert await store.progress.ended("rec", run) is Status.CANCELLED


async def test_a_request_made_afterwards_begins(store: Store) -> None:
    await store.progress.cancel("rec", "not wanted", asked_at=NOW)
    assert await store.progress.record(begins("1", LATER)) is not None
    assert await store.progress.ended("rec", "1") is None


@pytest.mark.parametrize("asked_at", [None, NOW])
async def test_of_requests_that_may_be_either_one_is_meant_where_nothing_else_was(
    store: Store, asked_at: datetime | None
) -> None:
    await store.progress.cancel("rec", "not wanted", asked_at=NOW)
    assert await store.progress.record(begins("1", asked_at)) is None
    assert await store.progress.record(begins("1", asked_at, "b")) is None
    assert await store.progress.record(begins("2", asked_at)) is not None


@pytest.mark.parametrize("asked_at", [None, NOW])
async def test_of_requests_that_may_be_either_none_is_meant_where_another_was(
    store: Store, asked_at: datetime | None
) -> None:
    await store.progress.record(begins("1"))
    assert await store.progress.cancel("rec", "not wanted", asked_at=NOW) is not None
    assert await store.progress.record(begins("2", asked_at)) is not None


async def test_a_request_that_was_announced_afterwards_begins_whatever_its_time(store: Store) -> None:
    await store.progress.cancel("rec", "not wanted", asked_at=NOW)
    await store.progress.record(Update("rec", "1", "", "progress", Status.QUEUED))
    assert await store.progress.record(begins("1", SOONER)) is not None


async def test_what_has_begun_before_the_cancellation_stays_ended_by_it(store: Store) -> None:
    await store.progress.record(begins("1", SOONER))
    await store.progress.cancel("rec", "not wanted", asked_at=NOW)
    assert await store.progress.record(begins("1", SOONER, "b")) is None
    assert await store.progress.record(completes("1")) is None
    assert await store.progress.ended("rec", "1") is Status.CANCELLED


async def test_a_cancellation_of_what_has_completed_leaves_it_completed(store: Store) -> None:
    await store.progress.record(begins("1"))
    await store.progress.record(completes("1"))
    assert await store.progress.cancel("rec", "not wanted", asked_at=NOW) is None
    assert await store.progress.ended("rec", "1") is Status.COMPLETED


@pytest.mark.parametrize("asked_at", [None, SOONER])
async def test_a_cancellation_that_does_not_say_when_means_only_what_is_known(
    store: Store, asked_at: datetime | None
) -> None:
    await store.progress.cancel("rec", "The file was deleted")
    assert await store.progress.record(begins("1", asked_at)) is not None


async def test_a_cancellation_of_long_ago_does_not_wait_for_requests_that_do_not_say_when(store: Store) -> None:
    await store.progress.cancel("rec", "not wanted", asked_at=NOW - timedelta(days=2))
    assert await store.progress.record(begins("1")) is not None
