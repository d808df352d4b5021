"""All that nobody should send at once, among good messages, into stages of every kind."""

from __future__ import annotations

import textwrap
from collections import Counter
from typing import Any

import pytest

from pipeline.errors import ErrorCode
from pipeline.messages.message import ERROR_CODE
from tests.integration.hostile.bad_messages import BROKEN, GOOD, HEADERS, REFUSED, table
from tests.integration.hostile.conftest import Properties, Stranger
from tests.shop import TOPOLOGY, Shop, eventually

pytestmark = [pytest.mark.rabbitmq, pytest.mark.redis]

KINDS: dict[str, dict[str, Any]] = {
    "on the loop": {"run": ["slowly"]},
    "in processes": {"run": ["answer"], "executor": "process"},
    "in batches": {"run": ["answer_all"], "batch": {"size": 10, "within": "50ms"}, "concurrency": 20},
    "in order": {"run": ["slowly"], "order_by": "recording_id"},
    "in order and partitions": {"run": ["slowly"], "order_by": "recording_id", "partitions": 2},
}
BATCH_STEP = """
    def answer_all(orders: list[Order]) -> list[Answer]:
        return [Answer(number=order.number) for order in orders]
"""


@pytest.mark.parametrize("kind", KINDS)
async def test_bad_messages_are_all_buried_whole_and_good_ones_among_them_all_answered(
    shop: Shop, stranger: Stranger, kind: str
) -> None:
    stage = {"track": "recording_id", "concurrency": 8, **KINDS[kind]}
    with (shop.folder / "shop_steps.py").open("a") as module:
        module.write(textwrap.dedent(BATCH_STEP))
    orders = {**TOPOLOGY["queues"]["orders"], "max_priority": None if "order_by" in stage else 5}
    shop.declared = {**TOPOLOGY, "queues": {**TOPOLOGY["queues"], "orders": orders}}
    await shop.open(*stage.pop("run"), **stage)
    await shop.start()
    buried: Counter[bytes] = Counter()
    bad = [(body, properties) for body, properties, _ in REFUSED.values()]
    bad += [(BROKEN, Properties(headers=table(entries))) for entries in HEADERS.values()]
    odd = [(GOOD, Properties(headers=table(entries))) for entries in HEADERS.values()]
    good = range(100, 100 + 5 * len(bad))
    for place, (body, properties) in enumerate(bad):
        for number in good[5 * place : 5 * place + 5]:
            await shop.publish({"number": number, "recording_id": f"rec{number % 7}"}, id=f"id{number}")
        await stranger.send(body, properties)
        buried[body] += 1
    for body, properties in odd:
        await stranger.send(body, properties)
    assert Counter(await shop.answers(len(good) + len(odd))) == Counter([*good, *[5] * len(odd)])
    letters = [await shop.take("orders.dlq") for _ in bad]
    assert Counter(letter.body for letter in letters) == buried
    assert {letter.headers[ERROR_CODE] for letter in letters} == {ErrorCode.INVALID_MESSAGE}
    await eventually(lambda: not any(worker.held for worker, *_ in shop.workers))
    assert not any(task.done() for _, task, *_ in shop.workers)
    waiting = [await shop.depth(queue) for queue in (*shop.topology.queue_names("orders"), "orders.dlq", "answers")]
    assert not any(waiting)
