"""What the ledger's options say, and what runs alone."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from pipeline.errors import StateUnavailable
from pipeline.messages.message import ERROR_CODE
from pipeline.state.embedded import EmbeddedStore
from tests.unit.runtime.conftest import Answer, Order, Rig, eventually


class FlakyStore(EmbeddedStore):
    """A store whose server can be unplugged."""

    def unplug(self) -> None:
        link: Any = self.link
        link.read = link.write = link.ask = link.ask_many = self._refuse

    def plug_in(self) -> None:
        for name in ("read", "write", "ask", "ask_many"):
            delattr(self.link, name)

    async def _refuse(self, *_: Any) -> Any:
        raise StateUnavailable("unplugged")


@pytest.fixture
async def state() -> FlakyStore:
    return FlakyStore(None)


def answer(order: Order) -> Answer:
    return Answer(number=order.number)


async def _numbers(rig: Rig, count: int) -> list[int]:
    return [json.loads((await rig.take("answers")).body)["number"] for _ in range(count)]


async def test_a_stage_may_go_on_while_the_state_store_is_away_and_duplicates_run_again(rig: Rig) -> None:
    store: Any = rig.state
    rig.change(ledger={"when_away": "continue"})
    await rig.start(answer)
    await rig.publish({"number": 1}, id="before")
    assert await _numbers(rig, 1) == [1]
    store.unplug()
    for number in range(20):
        await rig.publish({"number": number}, id=f"id{number}")
    await rig.publish({"number": 1}, id="before")
    assert sorted(await _numbers(rig, 21)) == sorted([*range(20), 1])
    assert (await rig.broker.depth("the.orders")).consumers == 1
    store.plug_in()
    worker, _ = rig.running[0]
    await eventually(lambda: worker._state_up.up)
    await rig.publish({"number": 1}, id="before")
    await rig.publish({"number": 2}, id="after")
    assert await _numbers(rig, 1) == [2]
    assert await rig.stop() == await rig.depth("answers") == 0


async def test_what_ends_while_the_store_is_away_is_settled_all_the_same_in_a_stage_that_goes_on(rig: Rig) -> None:
    store: Any = rig.state
    reached, goes_on = asyncio.Event(), asyncio.Event()

    async def steps(order: Order) -> Answer:
        reached.set()
        await goes_on.wait()
        return answer(order)

    rig.change(ledger={"when_away": "continue"})
    await rig.start(steps)
    await rig.publish({"number": 1})
    await reached.wait()
    store.unplug()
    goes_on.set()
    assert await _numbers(rig, 1) == [1]
    assert await rig.stop() == 0


async def test_a_step_that_needs_the_store_waits_for_it_in_a_stage_that_goes_on(rig: Rig) -> None:
    store: Any = rig.state
    asked: list[int] = []

    async def steps(order: Order, context: Any) -> Answer:
        asked.append(context.envelope.attempt)
        await context.state.put("order", "one", {"number": order.number})
        return answer(order)

    rig.change(ledger={"when_away": "continue"})
    await rig.start(steps)
    store.unplug()
    await rig.publish({"number": 1})
    await eventually(lambda: len(asked) >= 2)
    store.plug_in()
    assert await _numbers(rig, 1) == [1]
    assert set(asked) == {1}, "no attempt was used up"
    assert await rig.depth("test.retry.5s") == await rig.depth("the.orders.dlq") == 0


async def test_a_finished_message_is_known_for_as_long_as_the_stage_says(rig: Rig) -> None:
    rig.change(ledger={"retention": "20ms"})
    await rig.start(answer)
    await rig.publish({"number": 1})
    assert await _numbers(rig, 1) == [1]

    async def again() -> bool:
        await rig.publish({"number": 1})
        return await rig.depth("answers") > 0

    await eventually(again)


async def test_messages_whose_worker_was_lost_run_one_by_one_beside_nothing(rig: Rig) -> None:
    suspects = {f"id{number}" for number in (3, 4, 9, 15)}
    for each in suspects:
        await rig.state.ledger.begin("work", each, "gone", 0.001)
    running = 0
    beside: dict[str, int] = {}
    most = 0

    async def steps(order: Order, context: Any) -> Answer:
        nonlocal running, most
        running += 1
        for _ in range(3):
            beside[context.envelope.message_id] = max(running, beside.get(context.envelope.message_id, 0))
            most = max(most, running)
            await asyncio.sleep(0.001)
        running -= 1
        return answer(order)

    for number in range(20):
        await rig.publish({"number": number}, id=f"id{number}")
    await rig.start(steps)
    assert sorted(await _numbers(rig, 20)) == list(range(20))
    assert {each: beside[each] for each in suspects} == dict.fromkeys(suspects, 1)
    assert most > 1
    assert await rig.stop() == 0


async def test_a_suspect_whose_worker_stops_while_it_waits_is_worked_on_by_the_next(rig: Rig) -> None:
    await rig.state.ledger.begin("work", "suspect", "gone", 0.001)
    reached, goes_on = asyncio.Event(), asyncio.Event()

    async def steps(order: Order) -> Answer:
        if not reached.is_set():
            reached.set()
            await goes_on.wait()
        return answer(order)

    worker = await rig.start(steps)
    await rig.publish({"number": 1}, id="long")
    await reached.wait()
    await rig.publish({"number": 2}, id="suspect")
    await eventually(lambda: worker.held == 2)
    await worker.stop(0.01)
    await rig.start(steps)
    assert sorted(await _numbers(rig, 2)) == [1, 2]
    assert await rig.stop() == 0


async def test_a_message_that_ended_two_workers_is_dead_lettered_and_nothing_waits_for_it(rig: Rig) -> None:
    await rig.state.ledger.begin("work", "poison", "gone", 0.001)
    await asyncio.sleep(0.005)
    await rig.state.ledger.begin("work", "poison", "gone too", 0.001, alone=True)
    await rig.start(answer)
    await rig.publish({"number": 1}, id="poison")
    await rig.publish({"number": 2}, id="other")
    assert (await rig.take("the.orders.dlq")).headers[ERROR_CODE] == "WORKER_CRASHED"
    assert await _numbers(rig, 1) == [2]
    assert await rig.stop() == 0
