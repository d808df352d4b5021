"""Connecting and closing, the same on every engine."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from pipeline.broker.port import Delivery
from pipeline.errors import NotConfirmed, Unreachable
from pipeline.messages.message import Message

if TYPE_CHECKING:
    from tests.conformance.broker.conftest import Bench


async def test_a_connected_broker_answers_a_ping(bench: Bench) -> None:
    await bench.broker.ping()


async def test_closed_returns_after_close_and_not_before(bench: Bench) -> None:
    closed = asyncio.ensure_future(bench.broker.closed())
    await bench.broker.ping()
    assert not closed.done()
    await bench.broker.close()
    await asyncio.wait_for(closed, 10)


async def test_closing_twice_is_no_error(bench: Bench) -> None:
    await bench.broker.close()
    await bench.broker.close()


async def test_what_is_asked_of_a_closed_broker_says_so(bench: Bench) -> None:
    queue = await bench.queue()
    await bench.broker.close()
    with pytest.raises(NotConfirmed, match=r"[Nn]ot connected"):
        await bench.broker.publish("", queue, Message(b""))
    for call in (
        bench.broker.ping(),
        bench.broker.get(queue),
        bench.broker.depth(queue),
        bench.broker.purge(queue),
        bench.broker.consume(queue, lambda _: None, prefetch=1),
    ):
        with pytest.raises(Unreachable, match=r"[Nn]ot connected"):
            await call


async def test_it_can_be_connected_again(bench: Bench) -> None:
    queue = await bench.queue()
    await bench.publish("", queue, b"before")
    await bench.broker.close()
    await bench.broker.connect()
    await bench.publish("", queue, b"after")
    seen: list[Delivery] = []
    consumer = await bench.broker.consume(queue, seen.append, prefetch=5)
    await bench.eventually(lambda: len(seen) == 2)
    assert [each.message.body for each in seen] == [b"before", b"after"]
    await consumer.close()


async def test_closing_returns_what_consumers_had_in_hand_and_tells_nobody_of_a_loss(bench: Bench) -> None:
    queue = await bench.queue()
    await bench.publish("", queue, b"1", b"2", b"3")
    seen: list[Delivery] = []
    lost: list[str] = []
    await bench.broker.consume(queue, seen.append, prefetch=2, on_lost=lambda: lost.append("lost"))
    await bench.eventually(lambda: len(seen) == 2)
    seen[0].ack()
    await bench.eventually(lambda: len(seen) == 3)
    await bench.broker.close()
    seen[1].ack()
    await bench.broker.connect()
    await bench.until_depth(queue, 2)
    again = await bench.drain(queue)
    assert [(each.message.body, each.redelivered) for each in again] == [(b"2", True), (b"3", True)]
    assert lost == []


@pytest.mark.parametrize("turns", [0, 1, 3, 10])
async def test_abandoned_questions_disturb_nothing(bench: Bench, turns: int) -> None:
    queue = await bench.queue()
    await bench.publish("", queue, b"1", b"2")
    questions = [
        asyncio.ensure_future(question)
        for question in (bench.broker.depth(queue), bench.broker.ping(), bench.broker.get(queue))
    ]
    for _ in range(turns):
        await asyncio.sleep(0)
    for question in questions:
        question.cancel()
    results = await asyncio.gather(*questions, return_exceptions=True)
    taken = [result for result in results if isinstance(result, Delivery)]
    for delivery in taken:
        delivery.ack()
    await bench.until_depth(queue, 2 - len(taken))
    await bench.broker.ping()
