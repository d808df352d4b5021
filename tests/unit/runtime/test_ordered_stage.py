"""`order_by`: messages of one key one after the other, in the order they came, whatever becomes of each."""

from __future__ import annotations

import asyncio
import json
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import Permanent, Transient
from pipeline.runtime import order as ordering
from pipeline.runtime.distributing import partition_of
from pipeline.runtime.worker import Worker
from pipeline.state.embedded import EmbeddedStore
from pipeline.topology.expand import definitions_of
from pipeline.topology.model import Topology
from tests.unit.runtime.conftest import TOPOLOGY, Order, Rig, eventually

Step = Callable[[Order], Coroutine[Any, Any, None]]


def in_order(rig: Rig, **stage: Any) -> None:
    """Have the stage keep the order of each recording."""
    queues = {**TOPOLOGY["queues"], "orders": {**TOPOLOGY["queues"]["orders"], "max_priority": None}}
    stages = {"work": {**TOPOLOGY["stages"]["work"], "order_by": "recording_id", **stage}}
    rig.topology = Topology.model_validate({**TOPOLOGY, "queues": queues, "stages": stages})
    definitions = definitions_of(rig.topology)
    rig.broker = type(rig.broker)(definitions, rig.clock)


@asynccontextmanager
async def rig_of(**stage: Any) -> AsyncIterator[Rig]:
    store = EmbeddedStore(None)
    await store.connect()
    rig = Rig(store)
    in_order(rig, **stage)
    await rig.broker.connect()
    try:
        yield rig
    finally:
        await rig.close()
        await store.close()


async def let_time_pass(rig: Rig) -> None:
    """Until what waits in the ladder has had its time, again and again."""
    while True:
        for delay, seconds in (("5s", 5), ("30s", 30)):
            if await rig.depth(f"test.retry.{delay}"):
                rig.clock.advance(seconds)
        await asyncio.sleep(0.001)


class Journal:
    """What a step has done, by key."""

    def __init__(self, behaviour: dict[int, str], jitter: random.Random) -> None:
        self._behaviour = behaviour
        self._jitter = jitter
        self._attempts: defaultdict[int, int] = defaultdict(int)
        self._running: set[str] = set()
        self.done: defaultdict[str, list[int]] = defaultdict(list)
        self.ended = 0

    async def step(self, order: Order) -> None:
        assert order.recording_id not in self._running, "two messages of one key at once"
        self._running.add(order.recording_id)
        try:
            for _ in range(self._jitter.randrange(4)):
                await asyncio.sleep(0)
            self._attempts[order.number] += 1
            fails = self._behaviour.get(order.number, "")
            if fails == "for good":
                self.ended += 1
                raise Permanent("no")
            if fails == "once" and self._attempts[order.number] == 1:
                raise Transient("not yet")
            if fails == "twice" and self._attempts[order.number] <= 2:
                raise Transient("not yet")
        finally:
            self._running.discard(order.recording_id)
        self.done[order.recording_id].append(order.number)
        self.ended += 1


@pytest.mark.parametrize("partitions", [None, 3])
@settings(max_examples=25)
@given(
    keys=st.lists(st.sampled_from("abc"), min_size=1, max_size=14),
    fails=st.dictionaries(st.integers(0, 13), st.sampled_from(["once", "twice", "for good"]), max_size=5),
    concurrency=st.integers(1, 5),
    seed=st.integers(0, 1000),
)
def test_what_ends_well_ends_in_the_order_it_came(
    partitions: int | None, keys: list[str], fails: dict[int, str], concurrency: int, seed: int
) -> None:
    async def play() -> None:
        async with rig_of(concurrency=concurrency, partitions=partitions) as rig:
            journal = Journal(fails, random.Random(seed))
            await rig.start(journal.step)
            passing = asyncio.ensure_future(let_time_pass(rig))
            for number, key in enumerate(keys):
                await rig.publish({"recording_id": key, "number": number}, id=str(number))
            await eventually(lambda: journal.ended == len(keys), 20)
            passing.cancel()
            await rig.stop()
            expected: defaultdict[str, list[int]] = defaultdict(list)
            for number, key in enumerate(keys):
                if fails.get(number) != "for good":
                    expected[key].append(number)
            assert journal.done == expected
            for queue in ("the.orders", *([f"the.orders.{n}" for n in (1, 2, 3)] if partitions else [])):
                assert await rig.state.turns.waiting(queue) == {}, "nobody waits for what has ended"

    asyncio.run(play())


async def test_other_keys_go_on_while_one_waits_for_its_next_attempt() -> None:
    done: list[tuple[str, int]] = []

    async def step(order: Order) -> None:
        if order.number == 1 and len(done) < 3:
            raise Transient("not yet")
        done.append((order.recording_id, order.number))

    async with rig_of() as rig:
        await rig.start(step)
        for number, key in enumerate(["b", "a", "a", "b", "c"]):
            await rig.publish({"recording_id": key, "number": number}, id=str(number))
        await eventually(lambda: len(done) == 3)
        assert sorted(done) == [("b", 0), ("b", 3), ("c", 4)]
        passing = asyncio.ensure_future(let_time_pass(rig))
        await eventually(lambda: len(done) == 5)
        passing.cancel()
        assert done[3:] == [("a", 1), ("a", 2)]


async def test_a_worker_that_takes_over_keeps_those_waiting_that_wait() -> None:
    done: list[int] = []

    async def failing(order: Order) -> None:
        raise Transient("not yet")

    async def step(order: Order) -> None:
        done.append(order.number)

    async with rig_of() as rig:
        first = await rig.start(failing)
        await rig.publish({"number": 1}, id="1")
        await eventually(lambda: rig.depth("test.retry.5s"))
        await first.stop(1)
        await rig.start(step)
        await rig.publish({"number": 2}, id="2")

        async def both_wait() -> bool:
            return await rig.depth("test.retry.5s") == 2

        await eventually(both_wait)
        assert done == []
        rig.clock.advance(5)
        await eventually(lambda: len(done) == 2)
        assert done == [1, 2]


async def test_one_that_does_not_come_back_holds_up_its_key_only_until_that_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[int] = []

    async def step(order: Order) -> None:
        done.append(order.number)

    monkeypatch.setattr("pipeline.runtime.order._MISSING_S", 0.0)
    async with rig_of() as rig:
        await rig.state.turns.wait("the.orders", "rec", "purged by hand", 0)
        await rig.start(step)
        await rig.publish({"number": 1}, id="1")
        await eventually(lambda: done == [1])


async def test_several_that_do_not_come_back_hold_up_their_key_no_longer_than_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr(ordering, "_now", lambda: now)
    async with rig_of() as rig:
        turns = ordering.Order("the.orders", rig.broker, rig.state.turns)
        for name in ("purged", "purged too", "here"):
            await turns.wait("rec", name, 0)
        assert await turns.ahead("rec", "here") == 0.0
        now += 59
        assert await turns.ahead("rec", "here") == 0.0
        now += 2
        assert await turns.ahead("rec", "here") is None


async def test_what_another_has_in_hand_is_not_started_before_that_has_ended() -> None:
    began, go_on = asyncio.Event(), asyncio.Event()
    seen: list[tuple[str, int]] = []

    async def slow(order: Order) -> None:
        began.set()
        await go_on.wait()
        seen.append(("first", order.number))

    async def quick(order: Order) -> None:
        seen.append(("second", order.number))

    async with rig_of() as rig:
        first = await rig.start(slow)
        for number in (1, 2):
            await rig.publish({"number": number}, id=str(number))
        await began.wait()
        rig.functions = [quick]
        second = Worker(rig.topology, rig.broker, rig.state, rig.resolve)
        running = asyncio.ensure_future(second.run())
        rig.running.append((second, running))
        await second.ready()
        stopping = asyncio.ensure_future(first.stop(10))
        await asyncio.sleep(0.05)
        assert seen == [], "the second begins when the first has ended"
        go_on.set()
        await stopping
        await eventually(lambda: len(seen) == 2)
        assert seen == [("first", 1), ("second", 2)]


async def test_messages_without_the_field_are_worked_on_at_once(rig: Rig) -> None:
    seen: list[int] = []

    async def step(order: Order) -> None:
        seen.append(order.number)

    async with rig_of(order_by="correlation_id") as rig:
        await rig.start(step)
        for number in range(3):
            await rig.publish({"number": number}, id=None)
        await rig.publish(b"{", id="broken")
        await eventually(lambda: len(seen) == 3)
        letter = await rig.take("the.orders.dlq")
        assert letter.message_id == "broken"


async def test_partitions_are_shared_equally_among_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.runtime.shares._EVERY_S", 0.02)
    seen: defaultdict[int, set[str]] = defaultdict(set)

    def step_of(worker: int) -> Step:
        async def step(order: Order) -> None:
            seen[worker].add(order.recording_id)

        return step

    async with rig_of(partitions=4) as rig:
        await rig.start(step_of(0))
        for number in (1, 2):
            rig.functions = [step_of(number)]
            worker = Worker(rig.topology, rig.broker, rig.state, rig.resolve)
            rig.running.append((worker, asyncio.ensure_future(worker.run())))
            await worker.ready()

        async def all_have_some() -> bool:
            for key in "abcdefghij":
                await rig.publish({"recording_id": key}, id=None)
            await asyncio.sleep(0.05)
            return all(seen[each] for each in range(3))

        await eventually(all_have_some)
        await asyncio.sleep(0.1)
        for each in seen.values():
            each.clear()
        for key in "abcdefghij":
            await rig.publish({"recording_id": key}, id=None)
        await eventually(lambda: sum(map(len, seen.values())) == 10)
        assert not seen[0] & seen[1]
        assert not seen[0] & seen[2]
        # One that ends leaves its share to the others.
        ended, running = rig.running.pop()
        await ended.stop(5)
        await running
        for each in seen.values():
            each.clear()
        for key in "abcdefghij":
            await rig.publish({"recording_id": key}, id=None)
        await eventually(lambda: len(seen[0] | seen[1]) == 10)


async def test_an_exchange_may_do_the_hashing() -> None:
    async with rig_of(partitions=3, hashing="exchange") as rig:
        numbers: list[int] = []

        async def step(order: Order) -> None:
            numbers.append(order.number)

        await rig.start(step)
        for number in range(20):
            await rig.publish({"recording_id": "the same", "number": number}, id=str(number))
        await eventually(lambda: len(numbers) == 20)
        assert numbers == sorted(numbers)


@given(st.text(max_size=50), st.integers(1, 256))
def test_a_key_is_in_one_partition_and_moves_to_the_new_one_only(key: str, partitions: int) -> None:
    before, after = partition_of(key, partitions), partition_of(key, partitions + 1)
    assert 0 <= before < partitions
    assert after in (before, partitions)


def test_keys_are_spread_evenly() -> None:
    counts = [0] * 8
    for number in range(8000):
        counts[partition_of(f"recording {number}", 8)] += 1
    assert min(counts) > 850
    assert max(counts) < 1150


async def test_the_body_of_a_distributed_message_and_what_is_known_of_it_stay_as_they_were() -> None:
    seen: list[Any] = []

    async def step(order: Order, context: Any) -> None:
        seen.append(context.envelope)

    async with rig_of(partitions=2) as rig:
        await rig.start(step)
        await rig.publish({"number": 7}, name=None, key="order.big", correlation_id="c", headers={"x-mine": "1"})
        envelope = await eventually(lambda: seen and seen[0])
        assert (envelope.message, envelope.routing_key, envelope.exchange) == ("order.big", "order.big", "the.in")
        assert (envelope.queue, envelope.correlation_id, envelope.attempt) == ("orders", "c", 1)
        assert envelope.headers["x-mine"] == "1"
        assert json.dumps(dict(envelope.headers))
