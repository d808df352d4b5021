"""Dead letters on a real RabbitMQ, in a vhost of each test's own, declared by `apply`."""

from __future__ import annotations

import pytest

from pipeline.broker.rabbitmq import RabbitMQBroker
from pipeline.dlq.inspect import peek
from pipeline.dlq.queues import depths, find_queue
from pipeline.dlq.reading import reading
from pipeline.dlq.replay import replay
from pipeline.dlq.selection import Selection
from pipeline.messages.message import ORIGINAL_EXCHANGE, ORIGINAL_ROUTING_KEY, REPLAYED_AT, Message
from tests.integration.dlq.conftest import BOTH_TYPES, TOPOLOGY, bury, drained, ids_of, until_waiting

pytestmark = pytest.mark.rabbitmq


@BOTH_TYPES
async def test_peeking_leaves_the_queue_as_it_was_and_in_its_order(broker: RabbitMQBroker, kind: str) -> None:
    queue = find_queue(TOPOLOGY, kind)
    await bury(broker, kind, *"abcdef")
    await until_waiting(broker, queue.name, 6)
    assert [letter.message_id for letter in await peek(broker, queue, Selection(limit=3))] == list("abc")
    await until_waiting(broker, queue.name, 6)
    assert [letter.message_id for letter in await peek(broker, queue)] == list("abcdef")
    assert ids_of(await drained(broker, queue.name, 6)) == list("abcdef")


@BOTH_TYPES
async def test_what_matches_is_replayed_and_the_rest_stays_in_its_order(broker: RabbitMQBroker, kind: str) -> None:
    queue = find_queue(TOPOLOGY, kind)
    await bury(broker, kind, *"abc")
    await bury(broker, kind, "d", code="DECODE_ERROR")
    await until_waiting(broker, queue.name, 4)
    result = await replay(broker, queue, Selection(message_ids=["b", "d", "nowhere"]))
    assert (result.replayed, result.kept, result.failed, result.not_found) == (2, 2, (), ("nowhere",))
    replayed = await drained(broker, kind, 2)
    assert ids_of(replayed) == ["b", "d"]
    for d in replayed:
        ours = {ORIGINAL_EXCHANGE, ORIGINAL_ROUTING_KEY, REPLAYED_AT}
        assert set(d.message.headers) - ours <= {"x-delivery-count"}
        assert d.message.headers.get("x-delivery-count", 0) == 0
    assert ids_of(await drained(broker, queue.name, 2)) == ["a", "c"]


@BOTH_TYPES
async def test_many_are_replayed_in_their_order(broker: RabbitMQBroker, kind: str) -> None:
    queue = find_queue(TOPOLOGY, kind)
    ids = [str(number) for number in range(450)]
    await bury(broker, kind, *ids)
    await until_waiting(broker, queue.name, 450)
    assert (await replay(broker, queue, Selection(error_code="TIMEOUT", limit=400))).replayed == 400
    assert ids_of(await drained(broker, kind, 400)) == ids[:400]
    assert ids_of(await drained(broker, queue.name, 50)) == ids[400:]


async def test_an_expired_message_is_shown_as_expired_and_can_be_replayed(broker: RabbitMQBroker) -> None:
    queue = find_queue(TOPOLOGY, "short")
    await broker.publish("events", "short.one", Message(b"{}", message_id="late", priority=4))
    await until_waiting(broker, queue.name, 1)
    (letter,) = await peek(broker, queue)
    assert (letter.error_code, letter.exchange, letter.routing_key) == ("EXPIRED", "events", "short.one")
    assert (letter.message, letter.queue, letter.message_id) == ("short.one", "short", "late")
    assert letter.failed_at is not None
    await until_waiting(broker, queue.name, 1)
    assert (await replay(broker, queue, Selection(error_code="EXPIRED"))).replayed == 1
    await until_waiting(broker, queue.name, 1)  # its queue lets it expire again
    (again,) = await peek(broker, queue)
    assert (again.error_code, again.exchange, again.routing_key) == ("EXPIRED", "events", "short.one")


async def test_a_message_rejected_by_a_foreign_consumer_is_shown_with_its_origin(broker: RabbitMQBroker) -> None:
    await broker.publish("events", "classic.two", Message(b"{}"))
    delivery = await broker.get("classic")
    assert delivery is not None
    delivery.reject()
    queue = find_queue(TOPOLOGY, "classic")
    await until_waiting(broker, queue.name, 1)
    (letter,) = await peek(broker, queue)
    assert (letter.error_code, letter.exchange, letter.routing_key) == ("REJECTED", "events", "classic.two")


@BOTH_TYPES
async def test_a_reader_killed_half_way_loses_nothing_and_keeps_the_order(
    broker: RabbitMQBroker, url: str, kind: str
) -> None:
    queue = find_queue(TOPOLOGY, kind)
    await bury(broker, kind, *"abcde")
    await until_waiting(broker, queue.name, 5)
    killed = RabbitMQBroker(url)
    await killed.connect()
    async with reading(killed, queue.name) as found:
        assert (await anext(found)).message.message_id == "a"
        await killed.close()
    assert ids_of(await drained(broker, queue.name, 5)) == list("abcde")


async def test_depths_are_those_of_the_broker(broker: RabbitMQBroker) -> None:
    await bury(broker, "classic", "a", "b")
    await until_waiting(broker, "classic.dlq", 2)
    assert [(each.queue.name, each.messages) for each in await depths(broker, TOPOLOGY)] == [
        ("classic.dlq", 2),
        ("quorum.dlq", 0),
        ("short.dlq", 0),
    ]
