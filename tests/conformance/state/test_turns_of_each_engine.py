"""Turns: who waits for another attempt, by key, in order."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.state.store import Store


async def order(store: Store, queue: str = "q") -> dict[str, list[str]]:
    return {key: list(turns) for key, turns in (await store.turns.waiting(queue)).items()}


async def test_those_that_wait_have_their_turns_in_the_order_they_came(store: Store) -> None:
    assert await order(store) == {}
    for key, message_id in (("a", "1"), ("b", "2"), ("a", "3"), ("a", "1")):
        await store.turns.wait("q", key, message_id, 5)
    assert await order(store) == {"a": ["1", "3"], "b": ["2"]}
    await store.turns.end("q", "a", "1")
    await store.turns.end("q", "b", "2")
    await store.turns.end("q", "b", "unknown")
    assert await order(store) == {"a": ["3"]}


async def test_queues_are_apart_whatever_they_are_called(store: Store) -> None:
    for queue in ("q", "q:1", "q.1", "*"):
        await store.turns.wait(queue, "key of\n any: sort", "1", 5)
        assert await order(store, queue) == {"key of\n any: sort": ["1"]}
    await store.turns.end("q", "key of\n any: sort", "1")
    assert await order(store, "q:1") != {}


async def test_it_is_known_when_each_is_back(store: Store) -> None:
    await store.turns.wait("q", "a", "1", 100)
    await store.turns.wait("q", "a", "2", 0)
    await store.turns.wait("q", "a", "1", 500)
    turns = (await store.turns.waiting("q"))["a"]
    assert 400 < turns["1"] <= 500
    assert turns["2"] <= 0


def test_turns_are_a_list_per_key(new_engine: Callable[[], Any]) -> None:
    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
    @given(steps=st.lists(st.tuples(st.booleans(), st.sampled_from("ab"), st.sampled_from("123")), max_size=12))
    def check(steps: list[tuple[bool, str, str]]) -> None:
        asyncio.run(_walk(new_engine(), steps))

    check()


async def _walk(engine: Any, steps: list[tuple[bool, str, str]]) -> None:
    store = engine()
    await store.connect()
    expected: defaultdict[str, list[str]] = defaultdict(list)
    for waits, key, message_id in steps:
        if waits:
            await store.turns.wait("q", key, message_id, 5)
            if message_id not in expected[key]:
                expected[key].append(message_id)
        else:
            await store.turns.end("q", key, message_id)
            if message_id in expected[key]:
                expected[key].remove(message_id)
    assert await order(store) == {key: ids for key, ids in expected.items() if ids}
    await store.close()
    await engine.clear()


async def test_members_are_those_who_announced_more_than_none(store: Store) -> None:
    assert await store.members("stage") == []
    await store.announce("stage", "b", 1, 60)
    await store.announce("stage", "a", 1, 60)
    await store.announce("stage", "none", 0, 60)
    await store.announce("stage", "gone", 1, 0.001)
    await store.announce("another", "c", 1, 60)
    await asyncio.sleep(0.01)
    assert await store.members("stage") == ["a", "b"]
