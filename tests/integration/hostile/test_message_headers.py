"""Properties and headers that nobody should send: a message is worked on in spite of them, or dead-lettered whole."""

from __future__ import annotations

from typing import Any

import aiormq
import pytest

from pipeline.broker.fieldtable import encode_table
from pipeline.errors import ErrorCode
from pipeline.messages.message import (
    ATTEMPT,
    ERROR_CODE,
    MESSAGE_NAME,
    ORIGINAL_EXCHANGE,
    ORIGINAL_ROUTING_KEY,
    REPLAYED_AT,
    TRACEPARENT,
    Message,
)
from tests.integration.hostile.bad_messages import BROKEN, GOOD, HEADERS, ROOM, table
from tests.integration.hostile.conftest import Properties, Stranger, serves
from tests.shop import TOPOLOGY, Shop, eventually

pytestmark = [pytest.mark.rabbitmq, pytest.mark.redis]


@pytest.mark.parametrize("case", HEADERS)
@pytest.mark.parametrize("step", ["answer", "transient_twice"])
async def test_headers_beyond_measure_do_not_keep_a_message_from_being_worked_on(
    shop: Shop, stranger: Stranger, case: str, step: str
) -> None:
    await shop.open(step)
    await shop.start()
    await shop.publish({"number": 1}, id="before")
    await stranger.send(GOOD, Properties(headers=table(HEADERS[case])))
    assert sorted(await shop.answers(2)) == [1, 5]
    await serves(shop, 2)


@pytest.mark.parametrize("case", HEADERS)
async def test_headers_beyond_measure_do_not_keep_a_message_from_its_dead_letter_queue(
    shop: Shop, stranger: Stranger, case: str
) -> None:
    await shop.open("answer")
    await shop.start()
    await stranger.send(BROKEN, Properties(headers=table(HEADERS[case]), message_id=b"odd", correlation_id=b"kept"))
    letter = await shop.take("orders.dlq")
    assert letter.headers[ERROR_CODE] == ErrorCode.INVALID_MESSAGE
    assert letter.headers[ORIGINAL_ROUTING_KEY] == "order"
    assert (letter.body, letter.message_id, letter.correlation_id) == (BROKEN, "odd", "kept")
    await serves(shop, 2)


async def test_headers_that_the_broker_cannot_take_are_refused_and_cost_others_nothing(
    shop: Shop, stranger: Stranger
) -> None:
    await shop.open("answer")
    await shop.start()
    with pytest.raises(aiormq.AMQPError):
        await stranger.send(GOOD, Properties(headers=table(encode_table({"list": [None] * 140_000})[4:])))
    with pytest.raises(ValueError, match="limit"):
        await shop.broker.publish("in", "order", Message(GOOD, headers={"list": [None] * 140_000}))
    with pytest.raises(ValueError, match="RabbitMQ closes the connection over nan"):
        await shop.broker.publish("in", "order", Message(GOOD, headers={"number": float("nan")}))
    await serves(shop, 2)


@pytest.mark.parametrize("name", [MESSAGE_NAME, ORIGINAL_EXCHANGE, ORIGINAL_ROUTING_KEY, TRACEPARENT, REPLAYED_AT])
@pytest.mark.parametrize("body", [GOOD, BROKEN])
async def test_a_header_of_ours_that_fills_the_frame_does_not_bring_a_message_back_for_ever(
    shop: Shop, stranger: Stranger, name: str, body: bytes
) -> None:
    await shop.open("transient_twice")
    await shop.start()
    headers = {MESSAGE_NAME: "order"} | {name: "x" * (ROOM - 60)}
    await stranger.send(body, Properties(headers=headers))
    if body == GOOD:
        assert await shop.answers(1) == [5]
    else:
        letter = await shop.take("orders.dlq")
        assert (letter.headers[ERROR_CODE], letter.body) == (ErrorCode.INVALID_MESSAGE, BROKEN)
    await serves(shop, 2)


@pytest.mark.parametrize("value", [0, -1, 10**9, 2**62, True, 1.5, "2", "x", None, b"\xff", [1], {"a": 1}])
async def test_an_attempt_that_is_no_number_of_one_is_the_first(shop: Shop, stranger: Stranger, value: Any) -> None:
    await shop.open("fail")
    await shop.start()
    await stranger.send(GOOD, Properties(headers={MESSAGE_NAME: "order", ATTEMPT: value}))
    letter = await shop.take("orders.dlq")
    assert letter.headers[ATTEMPT] == 3
    await shop.stop()
    assert await shop.depth("orders") == await shop.depth("orders.dlq") == 0


async def test_ids_that_are_no_text_are_none_and_messages_that_have_them_are_all_worked_on(
    shop: Shop, stranger: Stranger
) -> None:
    await shop.open("answer")
    await shop.start()
    ids = [b"\xff\xfe", b"\xfe\xff", b"\xff" * 255, b"\x80", b""]
    for number, each in enumerate(ids):
        body = b'{"number": %d}' % number
        await stranger.send(body, Properties(message_id=each, correlation_id=each))
        await stranger.send(BROKEN, Properties(message_id=each, correlation_id=each))
    assert sorted(await shop.answers(len(ids))) == list(range(len(ids)))
    letters = [await shop.take("orders.dlq") for _ in ids]
    assert {letter.body for letter in letters} == {BROKEN}
    assert {letter.message_id or None for letter in letters} == {None}
    await serves(shop, 9)


async def test_a_message_whose_name_and_key_nobody_knows_is_dead_lettered_by_what_it_says(
    shop: Shop, stranger: Stranger
) -> None:
    await shop.open("answer")
    await shop.start()
    await stranger.send(GOOD, Properties(headers={MESSAGE_NAME: "x\n\x1b[2J"}))
    await stranger.send(GOOD, Properties(headers={}), key="order.unknown")
    letters = [await shop.take("orders.dlq") for _ in range(2)]
    assert [letter.headers[ERROR_CODE] for letter in letters] == [ErrorCode.UNKNOWN_MESSAGE] * 2
    assert [letter.body for letter in letters] == [GOOD] * 2
    await serves(shop, 2)


async def test_headers_that_fill_a_frame_pass_through_the_partitions_of_an_ordered_stage(
    shop: Shop, stranger: Stranger
) -> None:
    orders = {**TOPOLOGY["queues"]["orders"], "max_priority": None}
    shop.declared = {**TOPOLOGY, "queues": {**TOPOLOGY["queues"], "orders": orders}}
    await shop.open("answer", order_by="recording_id", partitions=2)
    await shop.start()
    for case in HEADERS.values():
        await stranger.send(GOOD, Properties(headers=table(case)))
    assert await shop.answers(len(HEADERS)) == [5] * len(HEADERS)

    async def empty() -> bool:
        return not any(worker.held for worker, *_ in shop.workers)

    await eventually(empty)
    assert await shop.depth("orders.dlq") == 0
