"""A vhost of each test's own on RabbitMQ, with queues whose dead letters are looked at and dealt with."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from pipeline.broker.port import Delivery
from pipeline.broker.rabbitmq import RabbitMQBroker
from pipeline.messages.message import ERROR_CODE, ORIGINAL_EXCHANGE, ORIGINAL_ROUTING_KEY, Message
from pipeline.provision.apply import apply
from pipeline.provision.management import ManagementClient
from pipeline.provision.observe import observe
from pipeline.provision.ownership import read_ownership
from pipeline.provision.plan import plan
from pipeline.topology.expand import definitions_of
from pipeline.topology.model import Topology

TOPOLOGY = Topology.model_validate(
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
BOTH_TYPES = pytest.mark.parametrize("kind", ["classic", "quorum"])


@pytest.fixture
async def url(rabbitmq_url: str, rabbitmq_management_url: str) -> AsyncIterator[str]:
    """AMQP URL of a new vhost that holds the topology."""
    vhost = f"dlq-{uuid.uuid4()}"
    async with ManagementClient(rabbitmq_management_url, vhost) as client:
        await client.put("vhosts", vhost, body={})
        owned = await read_ownership(client, TOPOLOGY.name)
        await apply(plan(definitions_of(TOPOLOGY), await observe(client), owned), client)
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


async def bury(broker: RabbitMQBroker, queue: str, *ids: str, code: str = "TIMEOUT", **headers: Any) -> None:
    """Letters in a queue's dead-letter queue."""
    ours = {ORIGINAL_EXCHANGE: "events", ORIGINAL_ROUTING_KEY: f"{queue}.x", ERROR_CODE: code, **headers}
    confirms = [broker.publish("", f"{queue}.dlq", Message(b"{}", message_id=each, headers=ours)) for each in ids]
    for confirm in confirms:
        await confirm


async def until_waiting(broker: RabbitMQBroker, queue: str, count: int) -> None:
    """Until so many are ready in a queue."""
    async with asyncio.timeout(20):
        while (await broker.depth(queue)).messages != count:  # noqa: ASYNC110 - a broker has no event for it
            await asyncio.sleep(0.02)


async def drained(broker: RabbitMQBroker, queue: str, count: int) -> list[Delivery]:
    """The next `count` deliveries, acked."""
    await until_waiting(broker, queue, count)
    found: list[Delivery] = []
    arrived: asyncio.Queue[Delivery] = asyncio.Queue()
    consumer = await broker.consume(queue, arrived.put_nowait, prefetch=1000)
    while len(found) < count:
        async with asyncio.timeout(20):
            delivery = await arrived.get()
        delivery.ack()
        found.append(delivery)
    await consumer.close()
    return found


def ids_of(deliveries: list[Delivery]) -> list[str | None]:
    return [delivery.message.message_id for delivery in deliveries]
