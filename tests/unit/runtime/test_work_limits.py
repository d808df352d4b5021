"""The time limit of a delivery: what counts, and what a cancellation does to it."""

from __future__ import annotations

import asyncio

import pytest

from pipeline.messages.message import Envelope
from pipeline.runtime.failure import OutOfTime, WorkCancelled
from pipeline.runtime.work import Work
from tests.unit.runtime.conftest import Order


@pytest.fixture
def work() -> Work:
    def track(recording_id: str) -> None:
        raise AssertionError

    return Work("work", Envelope("order", "id", None, "orders", "in", "order"), Order(), track)  # type: ignore[arg-type]


async def test_waiting_for_a_place_to_work_does_not_count(work: Work) -> None:
    async with work.limited(100):
        assert work.scope is not None
        limit = work.scope.when()
        async with work.untimed():
            assert work.scope.when() is None
            await asyncio.sleep(0.01)
        assert limit is not None
        assert (work.scope.when() or 0) >= limit + 0.009


async def test_working_counts(work: Work) -> None:
    with pytest.raises(OutOfTime):
        async with work.limited(0.01):
            await asyncio.sleep(60)


async def test_a_cancellation_ends_the_wait_for_a_place(work: Work) -> None:
    async def wait() -> None:
        async with work.limited(100), work.untimed():
            asyncio.get_running_loop().call_soon(work.cancel)
            await asyncio.sleep(60)

    with pytest.raises(WorkCancelled):
        await wait()


async def test_a_cancellation_just_before_the_place_is_found_is_kept(work: Work) -> None:
    async def find_a_place() -> None:
        async with work.limited(100):
            async with work.untimed():
                work.cancel()
            await asyncio.sleep(60)

    with pytest.raises(WorkCancelled):
        await find_a_place()


async def test_untimed_without_a_limit_changes_nothing(work: Work) -> None:
    async with work.limited(None), work.untimed():
        assert work.scope is not None
        assert work.scope.when() is None
