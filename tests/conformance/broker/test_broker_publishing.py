"""Publishing, the same on every engine: confirms, returns, order, and what a message carries."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import NotConfirmed, Unroutable
from pipeline.messages.message import Message

if TYPE_CHECKING:
    from tests.conformance.broker.conftest import Bench


async def test_a_confirmed_message_is_in_the_queue(bench: Bench) -> None:
    queue = await bench.queue()
    await bench.broker.publish("", queue, Message(b"hello"))
    assert await bench.depth(queue) == 1


async def test_a_message_no_queue_is_bound_for_is_returned(bench: Bench) -> None:
    exchange = await bench.exchange("topic")
    with pytest.raises(Unroutable, match="nobody"):
        await bench.broker.publish(exchange, "nobody.listens", Message(b""))


async def test_a_message_for_a_queue_that_is_not_there_is_returned(bench: Bench) -> None:
    with pytest.raises(Unroutable):
        await bench.broker.publish("", bench.name("nowhere"), Message(b"body"))


async def test_only_the_unroutable_ones_of_many_publishes_fail(bench: Bench) -> None:
    queue = await bench.queue()
    missing = bench.name("nowhere")
    # All with the same id and body: a return must still find the publish that it belongs to.
    confirms = [bench.broker.publish("", queue if n % 3 else missing, Message(b"x", message_id="1")) for n in range(60)]
    results = await asyncio.gather(*confirms, return_exceptions=True)
    assert [isinstance(result, Unroutable) for result in results] == [n % 3 == 0 for n in range(60)]
    assert await bench.depth(queue) == 40


async def test_a_publish_to_a_missing_exchange_fails_with_its_name(bench: Bench) -> None:
    with pytest.raises(NotConfirmed, match="missing"):
        await bench.broker.publish(bench.name("missing"), "key", Message(b""))


async def test_a_publish_to_an_internal_exchange_is_refused(bench: Bench) -> None:
    from pipeline.topology.definitions import Definitions, ExchangeDefinition

    name = bench.name("internal")
    await bench.engine.declare(Definitions(exchanges=(ExchangeDefinition(name, "fanout", internal=True),)))
    with pytest.raises(NotConfirmed, match="internal"):
        await bench.broker.publish(name, "", Message(b""))


async def test_a_failed_publish_leaves_its_neighbours_and_followers_alone(bench: Bench) -> None:
    queue = await bench.queue()
    before = [bench.broker.publish("", queue, Message(b"before")) for _ in range(10)]
    failing = bench.broker.publish(bench.name("missing"), "key", Message(b""))
    after = [bench.broker.publish("", queue, Message(b"after")) for _ in range(10)]
    with pytest.raises(NotConfirmed):
        await failing
    await asyncio.gather(*before, *after)
    await bench.broker.publish("", queue, Message(b"later"))
    bodies = await bench.bodies(queue)
    assert {body: min(10, bodies.count(body)) for body in set(bodies)} == {b"before": 10, b"after": 10, b"later": 1}
    assert bodies[-1] == b"later"


async def test_messages_keep_the_order_of_the_calls(bench: Bench) -> None:
    queue = await bench.queue()
    bodies = [b"%d" % number for number in range(500)]
    await bench.publish("", queue, *bodies)
    assert await bench.bodies(queue) == bodies


async def test_a_publish_that_nobody_waits_for_still_arrives(bench: Bench) -> None:
    queue = await bench.queue()
    bench.broker.publish("", queue, Message(b"forgotten"))
    bench.broker.publish("", bench.name("nowhere"), Message(b"forgotten too"))
    await bench.until_depth(queue, 1)


async def test_an_abandoned_publish_disturbs_nothing(bench: Bench) -> None:
    queue = await bench.queue()
    waiting = asyncio.ensure_future(bench.broker.publish("", queue, Message(b"abandoned")))
    waiting.cancel()
    await bench.broker.publish("", queue, Message(b"next"))
    assert await bench.bodies(queue) == [b"abandoned", b"next"]


@pytest.mark.parametrize("size", [0, 1, 131_063, 131_064, 131_065, 1024 * 1024])
async def test_a_body_of_any_size_arrives_whole(bench: Bench, size: int) -> None:
    queue = await bench.queue()
    body = bytes(number % 251 for number in range(1009)) * (size // 1009 + 1)
    await bench.publish("", queue, body[:size], b"next")
    assert await bench.bodies(queue) == [body[:size], b"next"]


async def test_properties_survive_the_way(bench: Bench) -> None:
    queue = await bench.queue()
    sent = Message(
        b"{}",
        message_id="id-1",
        correlation_id="correlation-1",
        content_type="application/json",
        priority=7,
        expiration_ms=60_000,
        timestamp=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        headers={"x-message-name": "file.analyze"},
    )
    await bench.broker.publish("", queue, sent)
    assert (await bench.next_of(queue)).message == sent


async def test_absent_properties_stay_absent(bench: Bench) -> None:
    queue = await bench.queue()
    sent = Message(b"", content_type=None)
    await bench.broker.publish("", queue, sent)
    assert (await bench.next_of(queue)).message == sent


async def test_header_values_of_every_kind_survive_the_way(bench: Bench) -> None:
    queue = await bench.queue()
    headers = {
        "text": "Grüße 🎵",
        "empty": "",
        "true": True,
        "false": False,
        "small": -1,
        "large": 2**62,
        "negative": -(2**62),
        "float": 0.1,
        "bytes": b"\x00\xff",
        "nothing": None,
        "time": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "decimal": Decimal("12.34"),
        "list": [1, "two", [3.5, None], {"four": True}],
        "table": {"nested": {"deeper": [b"x"]}, "number": 5},
        "n" * 255: "the longest name",
    }
    await bench.broker.publish("", queue, Message(b"", headers=headers))
    received = (await bench.next_of(queue)).message.headers
    assert received == headers
    assert {name: type(value) for name, value in received.items()} == {n: type(v) for n, v in headers.items()}


@pytest.mark.parametrize("value", [{1, 2}, object(), 2**63, datetime(1960, 1, 1, tzinfo=UTC)])
async def test_a_header_that_can_not_travel_is_refused_by_name(bench: Bench, value: object) -> None:
    queue = await bench.queue()
    with pytest.raises((TypeError, ValueError), match="x-odd"):
        bench.broker.publish("", queue, Message(b"", headers={"x-odd": value}))
    await bench.publish("", queue, b"next")
    assert await bench.bodies(queue) == [b"next"]


async def test_a_routing_key_that_is_too_long_is_refused(bench: Bench) -> None:
    with pytest.raises(ValueError, match="routing key"):
        bench.broker.publish("", "k" * 256, Message(b""))


async def test_asking_for_an_exchange_disturbs_nothing(bench: Bench) -> None:
    queue, exchange = await bench.queue(), await bench.exchange("topic", "there")
    await bench.publish("", queue, b"held")
    held = await bench.next_of(queue)
    confirm = bench.broker.publish("", queue, Message(b"after"))
    assert await bench.broker.has_exchange(exchange)
    assert not await bench.broker.has_exchange(bench.name("missing"))
    assert await bench.broker.has_exchange(exchange), "the channel that asked is there again"
    await confirm
    held.ack()
    assert await bench.bodies(queue) == [b"after"]
