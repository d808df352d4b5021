"""Laws of a recording's progress under any interleaving of runs and attempts."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.state.port import Event, Status, Update
from pipeline.state.store import Store

_RUNS = st.sampled_from(["1", "2", "3"])
_ATTEMPTS = st.sampled_from(["a", "b", "c"])
_PROGRESS = st.sampled_from([0.0, 0.1, 0.25, 0.3, 0.1 + 0.2, 0.9, 1.0])


def _update(kind: str, run: str, attempt: str, progress: float) -> Update:
    data = {"run": run, "attempt": attempt}
    if kind == "queued":
        return Update("rec", run, "", "progress", Status.QUEUED, 0.0, data)
    if kind == "completed":
        return Update("rec", run, attempt, "analysis_complete", Status.COMPLETED, 1.0, data)
    if kind == "failed":
        return Update("rec", run, attempt, "error", Status.FAILED, 0.0, data)
    status = Status.RETRYING if kind == "retrying" else Status.ANALYZING
    return Update("rec", run, attempt, "progress", status, progress, data, begins=kind == "begins")


_UPDATES = st.builds(
    _update,
    st.sampled_from(["queued", "begins", "begins", "shows", "shows", "shows", "retrying", "completed", "failed"]),
    _RUNS,
    _ATTEMPTS,
    _PROGRESS,
)
_STEPS = st.lists(st.one_of(_UPDATES, _UPDATES, _UPDATES, _UPDATES, st.just("cancel")), max_size=40)


def test_laws_hold_for_any_order_of_updates(new_engine: Callable[[], Any]) -> None:
    @settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
    @given(steps=_STEPS)
    def check(steps: list[Update | str]) -> None:
        asyncio.run(_one_after_the_other(new_engine(), steps))

    check()


def test_laws_hold_for_updates_at_the_same_time(new_engine: Callable[[], Any]) -> None:
    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
    @given(steps=_STEPS)
    def check(steps: list[Update | str]) -> None:
        asyncio.run(_all_at_once(new_engine(), steps))

    check()


async def _one_after_the_other(engine: Any, steps: list[Update | str]) -> None:
    store = engine()
    await store.connect()
    stored = [event for step in steps if (event := await _take(store, step)) is not None]
    assert await store.progress.since("rec", 0) == stored
    await _check(store, stored)
    await store.close()
    await engine.clear()


async def _all_at_once(engine: Any, steps: list[Update | str]) -> None:
    store = engine()
    await store.connect()
    answers = await asyncio.gather(*(_take(store, step) for step in steps))
    stored = sorted((event for event in answers if event is not None), key=lambda event: event.sequence)
    assert await store.progress.since("rec", 0) == stored
    await _check(store, stored)
    await store.close()
    await engine.clear()


async def _take(store: Store, step: Update | str) -> Event | None:
    return await (store.progress.record(step) if isinstance(step, Update) else store.progress.cancel("rec", "stop"))


async def _check(store: Store, events: list[Event]) -> None:
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert await store.progress.snapshot("rec") == (events[-1] if events else None)
    shown: defaultdict[tuple[str, str], float] = defaultdict(float)
    over: dict[str, Status] = {}
    replaced: set[str] = set()
    current, begun = "", False
    for event in events:
        data = json.loads(event.frame)["data"]
        run, attempt = data.get("run", current), data.get("attempt", "")
        assert run not in over, "nothing follows the end of a run"
        assert run not in replaced, "a run that was replaced stays so"
        if run != current:
            if current and (begun or event.status is Status.QUEUED):
                replaced.add(current)
            current, begun = run, False
        begun = begun or event.status is not Status.QUEUED
        if data["type"] == "progress" and event.status is not Status.QUEUED:
            assert data["progress"] >= shown[run, attempt], "progress never goes back within an attempt"
            shown[run, attempt] = data["progress"]
        if event.status.terminal:
            over[run] = event.status
    for run, status in over.items():
        assert await store.progress.ended("rec", run) is status

    # Whatever has happened, new work can be shown to its end.
    for update in (_update("begins", "new", "z", 0.0), _update("completed", "new", "z", 1.0)):
        assert await store.progress.record(update) is not None
