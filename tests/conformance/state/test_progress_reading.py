"""What can be read of a recording's progress: the last event, those since a sequence, and those to come."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pipeline.errors import StateUnavailable
from pipeline.state.port import Status, Update
from pipeline.state.store import Store

Listening = Callable[[], Awaitable[Any]]


def update(recording: str, progress: float, **data: Any) -> Update:
    return Update(recording, "run", "attempt", "progress", Status.ANALYZING, progress, data, begins=True)


async def test_forgotten_progress_is_gone_and_may_begin_anew(store: Store) -> None:
    assert await store.progress.record(Update("gone", "run", "a", "progress", Status.ANALYZING, 0.5, begins=True))
    assert await store.progress.forget("gone")
    assert await store.progress.snapshot("gone") is None
    assert await store.progress.since("gone", 0) == []
    assert await store.progress.ended("gone", "run") is None
    assert not await store.progress.forget("gone")
    again = await store.progress.record(Update("gone", "run", "a", "progress", Status.ANALYZING, 0.1, begins=True))
    assert again is not None
    assert again.sequence == 2


async def test_snapshot_is_the_last_event(store: Store) -> None:
    assert await store.progress.snapshot("rec") is None
    await store.progress.record(update("rec", 0.1))
    last = await store.progress.record(update("rec", 0.2))
    assert await store.progress.snapshot("rec") == last


async def test_snapshots_come_in_the_order_asked_for(store: Store) -> None:
    one = await store.progress.record(update("one", 0.1))
    two = await store.progress.record(update("two", 0.2))
    assert await store.progress.snapshots(["two", "none", "one", "two"]) == [two, None, one, two]
    assert await store.progress.snapshots([]) == []


async def test_since_gives_the_events_above_a_sequence_oldest_first(store: Store) -> None:
    events = [await store.progress.record(update("rec", number / 10)) for number in range(5)]
    assert await store.progress.since("rec", 0) == events
    assert await store.progress.since("rec", -3) == events
    assert await store.progress.since("rec", 3) == events[3:]
    assert await store.progress.since("rec", 5) == []
    assert await store.progress.since("rec", 99) == []
    assert await store.progress.since("other", 0) == []


async def test_since_keeps_the_last_256_events(store: Store) -> None:
    events = [await store.progress.record(update("rec", number / 300)) for number in range(300)]
    assert await store.progress.since("rec", 0) == events[-256:]


async def test_listener_gets_every_event_as_the_recorder_does(store: Store, listening: Listening) -> None:
    listener = await listening()
    events = [await store.progress.record(update(f"rec-{number % 3}", number / 20)) for number in range(20)]
    assert await listener.until(lambda seen: len(seen) == 20) == events


async def test_refused_update_reaches_no_listener(store: Store, listening: Listening) -> None:
    listener = await listening()
    first = await store.progress.record(update("rec", 0.5))
    assert await store.progress.record(update("rec", 0.4)) is None
    second = await store.progress.record(update("rec", 0.6))
    assert await listener.until(lambda seen: len(seen) >= 2) == [first, second]


async def test_every_listener_gets_every_event(store: Store, listening: Listening) -> None:
    listeners = [await listening() for _ in range(3)]
    event = await store.progress.record(update("rec", 0.5))
    for listener in listeners:
        assert await listener.until(bool) == [event]


async def test_cancellation_reaches_listeners(store: Store, listening: Listening) -> None:
    await store.progress.record(update("rec", 0.5))
    listener = await listening()
    event = await store.progress.cancel("rec", "stop")
    assert await listener.until(bool) == [event]


async def test_listener_is_told_when_the_store_is_closed(engine: Any) -> None:
    store = engine()
    await store.connect()
    opened = asyncio.Event()

    async def listen() -> None:
        async for _ in store.progress.events(opened.set):
            pass

    listening = asyncio.create_task(listen())
    await asyncio.wait_for(opened.wait(), 10)
    await store.close()
    with pytest.raises(StateUnavailable):
        await asyncio.wait_for(listening, 20)


async def test_silence_is_no_reason_to_stop_listening(engine: Any) -> None:
    store = engine()
    store.link.silence_s = 0.01
    await store.connect()
    opened = asyncio.Event()
    seen: asyncio.Queue[Any] = asyncio.Queue()

    async def listen() -> None:
        async for event in store.progress.events(opened.set):
            seen.put_nowait(event)

    listening = asyncio.create_task(listen())
    await asyncio.wait_for(opened.wait(), 10)
    for number in range(5):
        await asyncio.sleep(0.05)
        assert await store.progress.record(update("rec", number / 10)) == await asyncio.wait_for(seen.get(), 10)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    await store.close()


async def test_iteration_that_is_left_early_leaves_nothing_behind(store: Store) -> None:
    opened = asyncio.Event()

    async def first() -> object:
        events = store.progress.events(opened.set)
        event = await anext(events)
        await events.aclose()  # type: ignore[attr-defined]
        return event

    task = asyncio.create_task(first())
    await asyncio.wait_for(opened.wait(), 10)
    event = await store.progress.record(update("rec", 0.5))
    assert await asyncio.wait_for(task, 10) == event


async def test_ids_and_texts_of_any_characters_come_back(store: Store, listening: Listening) -> None:
    listener = await listening()
    for recording in ("with space", "é{}\\\"'", "line\nbreak", "ключ:{x}", "a" * 200):
        event = await store.progress.record(update(recording, 0.5, message=f"über \u2028 {recording}"))
        assert event is not None
        assert event.key == recording
        assert json.loads(event.frame)["recording_id"] == recording
        assert json.loads(event.frame)["data"]["message"] == f"über \u2028 {recording}"
        assert await store.progress.snapshot(recording) == event
        assert (await listener.until(bool))[-1] == event
        listener.events.clear()


async def test_frame_is_readable_for_every_client_whatever_a_step_found(store: Store) -> None:
    results = {"bpm": float("nan"), "path": "/m/\udce9.mp3", "list": (1, float("inf"))}
    found = Update("rec", "1", "a", "analysis_complete", Status.COMPLETED, 1.0, {"results": results})
    event = await store.progress.record(found)
    assert event is not None
    event.frame.encode()
    shown = json.loads(event.frame, parse_constant=lambda name: f"not JSON: {name}")["data"]["results"]
    assert shown == {"bpm": None, "path": "/m/?.mp3", "list": [1, None]}
    assert await store.progress.snapshot("rec") == event


async def test_concurrent_writers_get_sequences_without_gap_or_repetition(store: Store, listening: Listening) -> None:
    listener = await listening()
    records = [store.progress.record(update(f"rec-{n % 2}", 0.5, message=str(n))) for n in range(100)]
    events = [event for event in await asyncio.gather(*records) if event is not None]
    assert len(events) == 100
    seen = await listener.until(lambda seen: len(seen) == 100)
    for recording in ("rec-0", "rec-1"):
        assert sorted(e.sequence for e in events if e.key == recording) == list(range(1, 51))
        assert [e.sequence for e in seen if e.key == recording] == list(range(1, 51))
