"""A stage that takes many messages at once: as many as there are within a time, each of them settled by itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from pipeline.errors import ErrorCode, Permanent, PipelineError, Transient
from pipeline.messages.message import ERROR_CODE, derive_message_id
from tests.unit.runtime.conftest import Answer, Order, Rig, eventually


async def publish(rig: Rig, numbers: Sequence[int]) -> None:
    for number in numbers:
        await rig.publish({"number": number}, id=f"id{number}")


async def answered(rig: Rig, count: int) -> list[int]:
    return [json.loads((await rig.take("answers")).body)["number"] for _ in range(count)]


async def test_as_many_as_there_are_are_taken_together(rig: Rig) -> None:
    batches: list[list[int]] = []

    def step(orders: list[Order]) -> list[Answer]:
        batches.append([order.number for order in orders])
        return [Answer(number=order.number) for order in orders]

    rig.change(batch={"size": 4, "within": "50ms"})
    await publish(rig, range(10))
    await rig.start(step)
    assert sorted(await answered(rig, 10)) == list(range(10))
    assert [len(each) for each in batches] == [4, 4, 2]
    assert await rig.stop() == 0


async def test_one_alone_waits_no_longer_than_it_may(rig: Rig) -> None:
    rig.change(batch={"size": 1000, "within": "20ms"})
    await rig.start(lambda orders: [Answer(number=order.number) for order in orders])
    await publish(rig, [7])
    assert await answered(rig, 1) == [7]


async def test_outputs_have_ids_of_their_own_inputs(rig: Rig) -> None:
    rig.change(batch={"size": 3, "within": "1s"})

    async def step(orders: list[Order]) -> list[list[Answer]]:
        return [[Answer(number=order.number), Answer(number=-order.number)] for order in orders]

    await rig.start(step)
    await publish(rig, [1, 2, 3])
    ids = {(await rig.take("answers")).message_id for _ in range(6)}
    assert ids == {derive_message_id(f"id{number}", "work", place) for number in (1, 2, 3) for place in (0, 1)}


async def test_the_other_steps_take_what_came_of_each(rig: Rig) -> None:
    rig.change(batch={"size": 3, "within": "20ms"}, run=["step0", "step1"])

    def double(orders: list[Order], context: Any) -> list[int | None]:
        assert len(context.envelopes) == len(orders)
        return [order.number * 2 if order.number != 2 else None for order in orders]

    async def one(number: int, context: Any) -> Answer:
        assert context.envelope.message_id == f"id{number // 2}"
        return Answer(number=number)

    await rig.start(double, one)
    await publish(rig, [1, 2, 3])
    assert sorted(await answered(rig, 2)) == [2, 6]
    assert await rig.stop() == 0


@pytest.mark.parametrize("raises", [True, False], ids=["raises", "tells"])
async def test_one_bad_message_in_a_batch_fails_alone(rig: Rig, raises: bool) -> None:
    rig.change(batch={"size": 5, "within": "1s"})

    def step(orders: list[Order]) -> list[Answer | Exception]:
        if raises and any(order.number == 3 for order in orders):
            raise Permanent("three is not for us", ErrorCode.DECODE_ERROR)
        return [
            Permanent("three is not for us", ErrorCode.DECODE_ERROR)
            if order.number == 3
            else Answer(number=order.number)
            for order in orders
        ]

    await rig.start(step)
    await publish(rig, range(5))
    assert sorted(await answered(rig, 4)) == [0, 1, 2, 4]
    letter = await rig.take("the.orders.dlq")
    assert (letter.message_id, letter.headers[ERROR_CODE]) == ("id3", "DECODE_ERROR")
    assert await rig.stop() == 0


async def test_one_that_cannot_be_read_never_gets_into_a_batch(rig: Rig) -> None:
    rig.change(batch={"size": 3, "within": "20ms"})
    await rig.start(lambda orders: [Answer(number=order.number) for order in orders])
    await rig.publish(b"{", id="broken")
    await publish(rig, [1, 2])
    assert sorted(await answered(rig, 2)) == [1, 2]
    assert (await rig.take("the.orders.dlq")).message_id == "broken"


async def test_what_is_nobodys_fault_is_tried_again_together(rig: Rig) -> None:
    calls: list[int] = []
    rig.change(batch={"size": 3, "within": "1s"})

    def step(orders: list[Order]) -> list[Answer]:
        calls.append(len(orders))
        if len(calls) == 1:
            raise Transient("the database is away")
        return [Answer(number=order.number) for order in orders]

    await rig.start(step)
    await publish(rig, [1, 2, 3])

    async def all_wait() -> bool:
        return await rig.depth("test.retry.5s") == 3

    await eventually(all_wait)
    rig.clock.advance(5)
    assert sorted(await answered(rig, 3)) == [1, 2, 3]
    assert calls == [3, 3]


async def test_a_step_that_gives_too_few_is_told_so(rig: Rig) -> None:
    rig.change(batch={"size": 2, "within": "1s"})
    await rig.start(lambda orders: [Answer(number=1)])
    await publish(rig, [1, 2])
    for _ in range(2):
        letter = await rig.take("the.orders.dlq")
        assert "gives 1 results for 2 messages" in letter.headers["x-error-message"]


async def test_a_batch_that_takes_too_long_is_tried_again(rig: Rig) -> None:
    rig.change(batch={"size": 2, "within": "1s"}, timeout="20ms")

    async def step(orders: list[Order]) -> None:
        await asyncio.sleep(60)

    await rig.start(step)
    await publish(rig, [1, 2])

    async def both_wait() -> bool:
        return await rig.depth("test.retry.5s") == 2

    await eventually(both_wait)


async def test_a_duplicate_in_a_batch_is_done_once(rig: Rig) -> None:
    seen: list[int] = []
    rig.change(batch={"size": 3, "within": "20ms"})

    def step(orders: list[Order]) -> None:
        seen.extend(order.number for order in orders)

    await rig.start(step)
    await publish(rig, [1, 2])
    await eventually(lambda: len(seen) == 2)
    await publish(rig, [2, 3])
    await eventually(lambda: 3 in seen)
    assert await rig.stop() == 0
    assert sorted(seen) == [1, 2, 3]


async def test_batches_run_side_by_side_where_the_stage_says_so(rig: Rig) -> None:
    running, most, done = 0, 0, 0

    async def step(orders: list[Order]) -> None:
        nonlocal running, most, done
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        done += len(orders)

    rig.change(batch={"size": 2, "within": "20ms"}, concurrency=3)
    await publish(rig, range(12))
    await rig.start(step)
    await eventually(lambda: done == 12)
    assert most == 3


async def test_what_waits_for_a_batch_goes_back_when_the_worker_stops(rig: Rig) -> None:
    rig.change(batch={"size": 10, "within": "1h"})
    worker = await rig.start(lambda orders: None)
    await publish(rig, [1, 2])
    await eventually(lambda: worker.held == 2)
    await worker.stop(0.05)
    assert await rig.depth("the.orders") == 2


def test_a_step_that_takes_one_message_does_not_fit(rig: Rig) -> None:
    def step(order: Order) -> Answer:
        return Answer(number=1)

    rig.change(batch={"size": 2})
    with pytest.raises(PipelineError, match="takes Order, but the stage has batches"):
        rig.worker(step)


def test_a_list_of_what_is_no_message_does_not_fit(rig: Rig) -> None:
    def step(orders: list[Answer]) -> list[Answer]:
        return orders

    rig.change(batch={"size": 2})
    with pytest.raises(PipelineError, match="takes Answer, but message order is Order"):
        rig.worker(step)
