"""A broker that does not take what a delivery gave, since a queue is full or can't store it just now."""

from __future__ import annotations

import json

from pipeline.messages.message import ATTEMPT
from pipeline.topology.expand import definitions_of
from tests.unit.runtime.conftest import TOPOLOGY, Answer, Order, Rig, eventually


def answer(order: Order) -> Answer:
    return Answer(number=order.number)


def fill_answers(rig: Rig, *, retries: bool = True) -> None:
    """Let the queue of answers take one only."""
    queues = {**TOPOLOGY["queues"], "answers": {**TOPOLOGY["queues"]["answers"], "max_length": 1}}
    queues["answers"]["overflow"] = "reject-publish"
    without = {} if retries else {"retries": {}, "defaults": {}}
    rig.topology = rig.topology.model_validate({**TOPOLOGY, "queues": queues, **without})
    rig.broker.model.delete_queue("answers")
    if not retries:
        rig.broker.model.delete_queue("test.retry.5s")
        rig.broker.model.delete_queue("test.retry.30s")
    rig.broker.declare(definitions_of(rig.topology))


async def test_what_is_refused_waits_without_using_up_attempts_however_often(rig: Rig) -> None:
    fill_answers(rig)
    await rig.start(answer)
    for number in range(2):
        await rig.publish({"number": number}, id=f"id{number}")
    for _ in range(5):
        await rig.wait_for_retry("5s")
    await eventually(lambda: rig.depth("test.retry.5s"))
    (waiting,) = [await rig.broker.get("test.retry.5s")]
    assert waiting.message.headers.get(ATTEMPT, 1) == 1
    waiting.reject(requeue=True)
    first = await rig.take("answers")
    await rig.wait_for_retry("5s")
    second = await rig.take("answers")
    assert sorted(json.loads(each.body)["number"] for each in (first, second)) == [0, 1]
    assert await rig.depth("the.orders.dlq") == 0


async def test_where_no_queue_is_there_to_wait_in_it_returns_to_its_own(rig: Rig) -> None:
    fill_answers(rig, retries=False)
    await rig.start(answer)
    for number in range(2):
        await rig.publish({"number": number}, id=f"id{number}")
    await eventually(lambda: rig.depth("answers"))
    first = await rig.take("answers")
    second = await rig.take("answers")
    assert sorted(json.loads(each.body)["number"] for each in (first, second)) == [0, 1]
    assert await rig.depth("the.orders.dlq") == 0
