"""Dead letters that are sent back run as if they had never failed; and which ones would fail again is told before."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.broker.port import Delivery
from pipeline.dlq.edit import edit
from pipeline.dlq.queues import find_queue
from pipeline.dlq.replay import replay
from pipeline.errors import ErrorCode, Permanent
from pipeline.messages.message import EDITED_AT, ERROR_CODE, MESSAGE_NAME, ORIGINAL_ROUTING_KEY, Message
from pipeline.runtime.acceptance import Acceptance
from pipeline.runtime.contracts import Contracts
from pipeline.topology.model import Topology
from tests.unit.runtime.conftest import TOPOLOGY, Answer, Order, Rig, eventually


def accepts(rig: Rig) -> Acceptance:
    return Acceptance(rig.topology, Contracts(rig.topology, rig.resolve))


async def buried(rig: Rig) -> Message:
    """The only dead letter, left where it is."""
    await eventually(lambda: rig.depth("the.orders.dlq"))
    delivery: Delivery | None = await rig.broker.get("the.orders.dlq")
    assert delivery is not None
    delivery.reject(requeue=True)
    return delivery.message


async def test_a_dead_letter_is_not_taken_for_one_that_is_done(rig: Rig) -> None:
    broken = [True]

    def work(order: Order) -> Answer:
        if broken:
            raise Permanent("not now")
        return Answer(number=order.number)

    await rig.start(work)
    await rig.publish({"number": 7})
    await buried(rig)
    queue = find_queue(rig.topology, "the.orders")
    assert (await replay(rig.broker, queue, validate=accepts(rig))).replayed == 1
    await buried(rig)
    broken.clear()
    assert (await replay(rig.broker, queue, validate=accepts(rig))).replayed == 1
    assert json.loads((await rig.take("answers")).body) == {"number": 7}
    assert await rig.stop() == 0


async def test_an_edited_dead_letter_runs_under_its_id_with_its_new_body(rig: Rig) -> None:
    seen = []

    def work(order: Order, context: Any) -> Answer:
        seen.append((context.envelope.message_id, order.number, EDITED_AT in context.envelope.headers))
        if order.number < 0:
            raise Permanent("less than nothing")
        return Answer(number=order.number)

    await rig.start(work)
    await rig.publish({"number": -7})
    letter = await buried(rig)
    body = letter.body.replace(b"-7", b"7")
    done = await edit(rig.broker, find_queue(rig.topology, "the.orders"), "id1", body, validate=accepts(rig))
    assert (done.done, done.fields) == (True, ("number",))
    await rig.take("answers")
    assert seen == [("id1", -7, False), ("id1", 7, True)]
    assert await rig.stop() == 0


@pytest.mark.parametrize("name", ["order", "order.big", "answer", "no such", ""])
@pytest.mark.parametrize("content_type", ["application/json", "text/plain", None])
@pytest.mark.parametrize(
    "body", [b'{"number": 1}', b'{"number": "x"}', b"", b"\xff", b'{"number": 1, "more": "' + b"x" * 1000 + b'"}']
)
async def test_what_would_be_refused_is_what_the_worker_refuses(
    rig: Rig, name: str, content_type: str | None, body: bytes
) -> None:
    await rig.start(lambda order: None)
    await rig.publish(body, name=name, content_type=content_type)
    queue = find_queue(rig.topology, "the.orders")
    headers = {MESSAGE_NAME: name, ORIGINAL_ROUTING_KEY: "order"}
    refusal = accepts(rig)(queue, Message(body, content_type=content_type, headers=headers))
    assert await rig.stop() == 0
    delivery = await rig.broker.get(queue.name)
    assert (refusal is None) == (delivery is None)
    if delivery is not None:
        codes = (ErrorCode.INVALID_MESSAGE, ErrorCode.UNKNOWN_MESSAGE, ErrorCode.MESSAGE_TOO_LARGE)
        assert delivery.message.headers[ERROR_CODE] in codes


def test_a_queue_that_no_stage_takes_from_takes_nothing_back_unless_it_is_consumed_outside(rig: Rig) -> None:
    topology = Topology.model_validate({**TOPOLOGY, "stages": {}})
    without = Acceptance(topology, Contracts(topology, rig.resolve))
    good = Message(b'{"number": 1}', headers={MESSAGE_NAME: "answer"})
    refusal = without(find_queue(topology, "the.orders"), good)
    assert refusal is not None
    assert "No stage takes anything from the.orders" in refusal.reason
    outside = find_queue(topology, "answers")
    assert without(outside, good) is None
    assert without(outside, Message(b"", headers={MESSAGE_NAME: "known outside"})) is None
    assert without(outside, Message(b"{}", headers={MESSAGE_NAME: "answer"})) is not None
