"""Counts of the cluster, and what outlives a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from pipeline.state.port import Claim, Status, Update
from pipeline.state.store import Store


async def test_announced_counts_are_summed_over_the_members_of_a_group(store: Store) -> None:
    assert await store.announce("connections", "a", 3, 60) == 3
    assert await store.announce("connections", "b", 4, 60) == 7
    assert await store.announce("connections", "a", 1, 60) == 5
    assert await store.announce("workers", "a", 2, 60) == 2
    assert await store.announce("connections", "b", 0, 60) == 1


async def test_member_that_is_not_heard_from_is_not_counted(store: Store, until: Any) -> None:
    await store.announce("connections", "gone", 5, 0.05)

    async def alone() -> bool:
        return await store.announce("connections", "here", 1, 60) == 1

    await until(alone)


async def test_negative_count_is_an_error(store: Store) -> None:
    with pytest.raises(ValueError, match="negative"):
        await store.announce("connections", "a", -1, 60)


async def test_ping_is_answered(store: Store) -> None:
    await store.ping()


async def test_what_was_written_outlives_a_restart(engine: Any) -> None:
    before = engine()
    await before.connect()
    await before.documents.put("recording", "id", {"a": "\udce9"}, unique={"path": "/\udce9"}, index={"hash": "h"})
    await before.ledger.begin("stage", "m", "owner", 60)
    await before.ledger.finish("stage", "m", "owner", 600.0)
    await before.progress.record(Update("rec", "0", "", "progress", Status.QUEUED))
    await before.progress.record(Update("rec", "1", "", "progress", Status.QUEUED))
    done = Update("rec", "1", "x", "analysis_complete", Status.COMPLETED, 1.0, {"results": {"bpm": 128.5}}, begins=True)
    last = await before.progress.record(done)
    await before.close()

    after = engine()
    await after.connect()
    assert await after.documents.get("recording", "id") == {"a": "\udce9"}
    assert await after.documents.page("recording") == ([{"a": "\udce9", "id": "id"}], 1)
    assert await after.documents.find("recording", "path", "/\udce9") == ["id"]
    assert await after.documents.find("recording", "hash", "h") == ["id"]
    assert await after.ledger.begin("stage", "m", "other", 60) is Claim.DONE
    assert await after.progress.snapshot("rec") == last
    assert await after.progress.ended("rec", "1") is Status.COMPLETED
    assert await after.progress.record(Update("rec", "0", "y", "progress", Status.ANALYZING, begins=True)) is None
    event = await after.progress.record(Update("rec", "2", "", "progress", Status.QUEUED))
    assert event is not None
    assert last is not None
    assert event.sequence == last.sequence + 1
    await after.close()


async def test_close_is_idempotent(engine: Any) -> None:
    store = engine()
    await store.connect()
    await store.close()
    await store.close()


@pytest.mark.parametrize(
    "use",
    [
        lambda store: store.ping(),
        lambda store: store.documents.put("recording", "id", {"a": 1}),
        lambda store: store.documents.page("recording"),
    ],
    ids=["command", "script", "pipeline"],
)
async def test_whatever_is_cancelled_at_any_turn_of_the_loop_ends_as_cancelled(
    store: Store, use: Callable[[Store], Coroutine[Any, Any, object]]
) -> None:
    await use(store)
    for turns in range(20):
        task = asyncio.create_task(use(store))
        for _ in range(turns):
            await asyncio.sleep(0)
        if task.cancel():
            await asyncio.wait([task])
            assert task.cancelled(), f"cancelled after {turns} turns"
