"""Dead letters on a real RabbitMQ, in a vhost of each test's own, declared by `apply`."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from urllib.parse import quote, urlsplit

import pytest

from pipeline.broker.port import Delivery
from pipeline.broker.rabbitmq import RabbitMQBroker
from pipeline.dlq.inspect import peek
from pipeline.dlq.queues import depths, find_queue
from pipeline.dlq.reading import reading
from pipeline.dlq.replay import replay
from pipeline.dlq.selection import Selection
from pipeline.messages.message import ERROR_CODE, ORIGINAL_EXCHANGE, ORIGINAL_ROUTING_KEY, REPLAYED_AT, Message
from pipeline.provision.apply import apply
from pipeline.provision.management import ManagementClient
from pipeline.provision.observe import observe
from pipeline.provision.ownership import read_ownership
from pipeline.provision.plan import plan
from pipeline.topology.expand import definitions_of
from pipeline.topology.model import Topology

pytestmark = pytest.mark.rabbitmq

_TOPOLOGY = Topology.model_validate(
    {
        "version": 1,
        "name": "dlq-test",
        "exchanges": {"events": {"type": "topic"}},
        "queues": {
            "classic": {"bindings": [{"source": "events", "routing_key": "classic.#"}]},
            "quorum": {"type": "quorum", "bindings": [{"source": "events", "routing_key": "quorum.#"}]},
            "short": {"ttl": "1ms", "bindings": [{"source": "events", "routing_key": "short.#"}]},
        },
    }
)
_BOTH_TYPES = pytest.mark.parametrize("kind", ["classic", "quorum"])


@pytest.fixture
async def url(rabbitmq_url: str, rabbitmq_management_url: str) -> AsyncIterator[str]:
    """AMQP URL of a new vhost that holds the topology."""
    vhost = f"dlq-{uuid.uuid4()}"
    async with ManagementClient(rabbitmq_management_url, vhost) as client:
        await client.put("vhosts", vhost, body={})
        owned = await read_ownership(client, _TOPOLOGY.name)
        await apply(plan(definitions_of(_TOPOLOGY), await observe(client), owned), client)
        parts = urlsplit(rabbitmq_url)
        yield parts._replace(path=f"/{quote(vhost, safe='')}").geturl()
        await client.delete("global-parameters", owned.parameter)
        await client.delete("vhosts", vhost)


@pytest.fixture
async def broker(url: str) -> AsyncIterator[RabbitMQBroker]:
    engine = RabbitMQBroker(url)
    await engine.connect()
    yield engine
    await engine.close()


async def _bury(broker: RabbitMQBroker, queue: str, *ids: str, code: str = "TIMEOUT") -> None:
    headers = {ORIGINAL_EXCHANGE: "events", ORIGINAL_ROUTING_KEY: f"{queue}.x", ERROR_CODE: code}
    confirms = [broker.publish("", f"{queue}.dlq", Message(b"{}", message_id=each, headers=headers)) for each in ids]
    for confirm in confirms:
        await confirm


async def _until_waiting(broker: RabbitMQBroker, queue: str, count: int) -> None:
    async with asyncio.timeout(20):
        while (await broker.depth(queue)).messages != count:  # noqa: ASYNC110 - a broker has no event for it
            await asyncio.sleep(0.02)


async def _drained(broker: RabbitMQBroker, queue: str, count: int) -> list[Delivery]:
    """The next `count` deliveries, acked."""
    await _until_waiting(broker, queue, count)
    found = []
    while delivery := await broker.get(queue):
        delivery.ack()
        found.append(delivery)
    return found


def _ids(deliveries: list[Delivery]) -> list[str | None]:
    return [delivery.message.message_id for delivery in deliveries]


@_BOTH_TYPES
async def test_peeking_leaves_the_queue_as_it_was_and_in_its_order(broker: RabbitMQBroker, kind: str) -> None:
    queue = find_queue(_TOPOLOGY, kind)
    await _bury(broker, kind, *"abcdef")
    await _until_waiting(broker, queue.name, 6)
    assert [letter.message_id for letter in await peek(broker, queue, Selection(limit=3))] == list("abc")
    await _until_waiting(broker, queue.name, 6)
    assert [letter.message_id for letter in await peek(broker, queue)] == list("abcdef")
    assert _ids(await _drained(broker, queue.name, 6)) == list("abcdef")


@_BOTH_TYPES
async def test_what_matches_is_replayed_and_the_rest_stays_in_its_order(broker: RabbitMQBroker, kind: str) -> None:
    queue = find_queue(_TOPOLOGY, kind)
    await _bury(broker, kind, *"abc")
    await _bury(broker, kind, "d", code="DECODE_ERROR")
    await _until_waiting(broker, queue.name, 4)
    result = await replay(broker, queue, Selection(message_ids=["b", "d", "nowhere"]))
    assert (result.replayed, result.kept, result.failed, result.not_found) == (2, 2, (), ("nowhere",))
    replayed = await _drained(broker, kind, 2)
    assert _ids(replayed) == ["b", "d"]
    for d in replayed:
        ours = {ORIGINAL_EXCHANGE, ORIGINAL_ROUTING_KEY, REPLAYED_AT}
        assert set(d.message.headers) - ours <= {"x-delivery-count"}
        assert d.message.headers.get("x-delivery-count", 0) == 0
    assert _ids(await _drained(broker, queue.name, 2)) == ["a", "c"]


@_BOTH_TYPES
async def test_many_are_replayed_in_their_order(broker: RabbitMQBroker, kind: str) -> None:
    queue = find_queue(_TOPOLOGY, kind)
    ids = [str(number) for number in range(450)]
    await _bury(broker, kind, *ids)
    await _until_waiting(broker, queue.name, 450)
    assert (await replay(broker, queue, Selection(error_code="TIMEOUT", limit=400))).replayed == 400
    assert _ids(await _drained(broker, kind, 400)) == ids[:400]
    assert _ids(await _drained(broker, queue.name, 50)) == ids[400:]


async def test_an_expired_message_is_shown_as_expired_and_can_be_replayed(broker: RabbitMQBroker) -> None:
    queue = find_queue(_TOPOLOGY, "short")
    await broker.publish("events", "short.one", Message(b"{}", message_id="late", priority=4))
    await _until_waiting(broker, queue.name, 1)
    (letter,) = await peek(broker, queue)
    assert (letter.error_code, letter.exchange, letter.routing_key) == ("EXPIRED", "events", "short.one")
    assert (letter.message, letter.queue, letter.message_id) == ("short.one", "short", "late")
    assert letter.failed_at is not None
    await _until_waiting(broker, queue.name, 1)
    assert (await replay(broker, queue, Selection(error_code="EXPIRED"))).replayed == 1
    await _until_waiting(broker, queue.name, 1)  # its queue lets it expire again
    (again,) = await peek(broker, queue)
    assert (again.error_code, again.exchange, again.routing_key) == ("EXPIRED", "events", "short.one")


async def test_a_message_rejected_by_a_foreign_consumer_is_shown_with_its_origin(broker: RabbitMQBroker) -> None:
    await broker.publish("events", "classic.two", Message(b"{}"))
    delivery = await broker.get("classic")
    assert delivery is not None
    delivery.reject()
    queue = find_queue(_TOPOLOGY, "classic")
    await _until_waiting(broker, queue.name, 1)
    (letter,) = await peek(broker, queue)
    assert (letter.error_code, letter.exchange, letter.routing_key) == ("REJECTED", "events", "classic.two")


@_BOTH_TYPES
async def test_a_reader_killed_half_way_loses_nothing_and_keeps_the_order(
    broker: RabbitMQBroker, url: str, kind: str
) -> None:
    queue = find_queue(_TOPOLOGY, kind)
    await _bury(broker, kind, *"abcde")
    await _until_waiting(broker, queue.name, 5)
    killed = RabbitMQBroker(url)
    await killed.connect()
    async with reading(killed, queue.name) as found:
        assert (await anext(found)).message.message_id == "a"
        await killed.close()
    assert _ids(await _drained(broker, queue.name, 5)) == list("abcde")


async def test_depths_are_those_of_the_broker(broker: RabbitMQBroker) -> None:
    await _bury(broker, "classic", "a", "b")
    await _until_waiting(broker, "classic.dlq", 2)
    assert [(each.queue.name, each.messages) for each in await depths(broker, _TOPOLOGY)] == [
        ("classic.dlq", 2),
        ("quorum.dlq", 0),
        ("short.dlq", 0),
    ]
