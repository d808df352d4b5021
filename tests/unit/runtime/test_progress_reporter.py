"""Progress of one delivery: conflated, in order, never after its end."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any

import pytest

from pipeline.runtime.progress import Reporter
from pipeline.runtime.subject import Subject
from pipeline.state.port import StateStore, Status
from tests.unit.runtime.conftest import eventually


def reporter(state: StateStore, attempt: str = "a", run: str = "run") -> Reporter:
    return Reporter(state.progress, "stage", Subject("rec"), run, attempt)


async def frames(state: StateStore) -> list[dict[str, Any]]:
    return [json.loads(event.frame)["data"] for event in await state.progress.since("rec", 0)]


async def test_many_reports_become_few_writes_and_the_latest_wins(state: StateStore) -> None:
    one = reporter(state)
    await one.begin()
    for step in range(1000):
        one.report(step / 1000, f"step {step}")

    async def last_is_shown() -> bool:
        return (await frames(state))[-1]["message"] == "step 999"

    await eventually(last_is_shown)
    shown = [frame["progress"] for frame in await frames(state)]
    assert shown == [0.0, 0.999]
    await one.quiet()


async def test_progress_stays_within_its_range_and_never_goes_back(state: StateStore) -> None:
    one = reporter(state)
    await one.begin()
    for fraction in (0.5, 0.2, math.nan, 7.0):
        one.report(fraction, "")
    await one.end(Status.RETRYING, "progress", {"message": "later"})
    shown = [frame["progress"] for frame in await frames(state)]
    assert shown == sorted(shown)
    assert shown[-1] == 1.0


async def test_the_end_comes_after_what_was_reported_and_nothing_comes_after_it(state: StateStore) -> None:
    one = reporter(state)
    await one.begin()
    one.report(0.5, "half")
    await one.end(Status.COMPLETED, "done", {"results": {}})
    one.report(0.9, "too late")
    await asyncio.sleep(0.15)
    assert [frame["type"] for frame in await frames(state)] == ["progress", "progress", "done"]


async def test_a_run_that_was_cancelled_does_not_begin(state: StateStore) -> None:
    assert await reporter(state, "first").begin()
    await state.progress.cancel("rec", "not wanted")
    assert not await reporter(state, "second").begin()


async def test_a_run_that_another_one_replaced_still_begins_but_does_not_show(state: StateStore) -> None:
    old = reporter(state, "a", "old")
    assert await old.begin()
    assert await reporter(state, "b", "new").begin()
    old.report(0.9, "unseen")
    await old.end(Status.COMPLETED, "done", {})
    assert [frame["type"] for frame in await frames(state)] == ["progress", "progress"]


async def test_a_report_before_the_beginning_begins_the_run(state: StateStore) -> None:
    one = reporter(state)
    one.report(0.0, "Started")
    await one.end(Status.COMPLETED, "done", {})
    assert [frame["type"] for frame in await frames(state)] == ["progress", "done"]


@pytest.mark.parametrize("status", [Status.FAILED, Status.RETRYING])
async def test_an_end_alone_begins_the_run(state: StateStore, status: Status) -> None:
    await reporter(state).end(status, "error", {"error": "broken"})
    event = await state.progress.snapshot("rec")
    assert event is not None
    assert event.status is status
