"""Bodies that nobody should send: each costs itself alone, and is in the dead-letter queue as it came."""

from __future__ import annotations

import json

import pytest

from pipeline.errors import ErrorCode
from pipeline.messages.message import ERROR_CODE, ERROR_MESSAGE
from tests.integration.hostile.bad_messages import BOMB, MIB, REFUSED, TAKEN
from tests.integration.hostile.conftest import Properties, Stranger, serves
from tests.shop import Shop

pytestmark = [pytest.mark.rabbitmq, pytest.mark.redis]


@pytest.mark.parametrize("case", REFUSED)
async def test_a_body_that_cannot_be_read_is_dead_lettered_as_it_came(
    shop: Shop, stranger: Stranger, case: str
) -> None:
    body, properties, reason = REFUSED[case]
    await shop.open("answer", track="recording_id")
    await shop.start()
    await shop.publish({"number": 1}, id="before")
    await stranger.send(body, properties)
    letter = await shop.take("orders.dlq")
    assert letter.headers[ERROR_CODE] == ErrorCode.INVALID_MESSAGE
    assert reason in letter.headers[ERROR_MESSAGE]
    assert letter.body == body
    assert await shop.answers(1) == [1]
    await serves(shop, 2)


@pytest.mark.parametrize("case", TAKEN)
async def test_a_body_that_is_odd_and_can_be_read_is_worked_on(shop: Shop, stranger: Stranger, case: str) -> None:
    body, properties, number = TAKEN[case]
    await shop.open("answer", track="recording_id")
    await shop.start()
    await stranger.send(body, properties)
    assert await shop.answers(1) == [number]
    await serves(shop, 2)


async def test_a_dead_letter_is_still_said_to_be_compressed(shop: Shop, stranger: Stranger) -> None:
    await shop.open("answer")
    await shop.start()
    await stranger.send(BOMB, Properties(content_encoding=b"gzip", message_id=b"bomb"))
    letter = await shop.take("orders.dlq")
    assert (letter.message_id, letter.content_encoding) == ("bomb", "gzip")


@pytest.mark.parametrize("filling", ["one string", "millions of lists"])
async def test_a_body_of_16_mib_is_dead_lettered_whole_and_unread(shop: Shop, filling: str) -> None:
    inside = b"x" * 16 * MIB if filling == "one string" else b"[]," * (16 * MIB // 3)
    body = b'{"number": 5, "recording_id": "huge", "path": ["' + inside + b'"]}'
    await shop.open("answer", track="recording_id")
    await shop.start()
    await shop.publish({"number": 1}, id="before")
    await shop.publish(body, id="huge")
    letter = await shop.take("orders.dlq")
    assert letter.headers[ERROR_CODE] == ErrorCode.MESSAGE_TOO_LARGE
    assert letter.body == body
    assert await shop.state.progress.snapshot("huge") is None
    assert await shop.answers(1) == [1]
    await serves(shop, 2)


async def test_a_body_of_just_the_size_that_is_taken_is_worked_on(shop: Shop) -> None:
    await shop.open("answer")
    await shop.start()
    whole = json.dumps({"number": 5, "path": ""}).encode()
    body = whole[:-2] + b"x" * (MIB - len(whole)) + whole[-2:]
    assert len(body) == MIB
    await shop.publish(body, id="fits")
    await shop.publish(body + b" ", id="too long")
    assert await shop.answers(1) == [5]
    letter = await shop.take("orders.dlq")
    assert (letter.message_id, letter.headers[ERROR_CODE]) == ("too long", ErrorCode.MESSAGE_TOO_LARGE)
    await serves(shop, 2)
