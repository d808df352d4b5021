"""What the broker does to a channel, and what others that publish and consume see of it: nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiormq
import pytest
from pamqp import commands

from pipeline.broker.port import Delivery
from pipeline.broker.rabbitmq import RabbitMQBroker
from pipeline.broker.rabbitmq.wire import reject_frame
from pipeline.errors import BrokerError, NotConfirmed
from pipeline.messages.message import Message
from pipeline.provision.management import ManagementClient
from pipeline.servers.rabbitmq import PrivateRabbitMQ

if TYPE_CHECKING:
    from tests.integration.rabbitmq.conftest import Eventually

pytestmark = pytest.mark.rabbitmq


async def test_publishing_goes_on_after_an_exchange_was_deleted_and_made_again(
    broker: RabbitMQBroker, management: ManagementClient, queue: str
) -> None:
    async def make_exchange() -> None:
        await management.put("exchanges", management.vhost, queue, body={"type": "fanout"})
        await management.post("bindings", management.vhost, "e", queue, "q", queue, body={"routing_key": ""})

    await make_exchange()
    await broker.publish(queue, "", Message(b"1"))
    await management.delete("exchanges", management.vhost, queue)
    for _ in range(3):
        with pytest.raises(NotConfirmed, match=f"no exchange '{queue}'"):
            await broker.publish(queue, "", Message(b"lost"))
    await broker.publish("", queue, Message(b"2"))
    await make_exchange()
    await broker.publish(queue, "", Message(b"3"))
    assert (await broker.depth(queue)).messages == 3
    await management.delete("exchanges", management.vhost, queue)


async def test_a_steady_stream_survives_bad_publishes_in_between(broker: RabbitMQBroker, queue: str) -> None:
    good, bad = [], []
    for number in range(200):
        good.append(broker.publish("", queue, Message(b"%d" % number)))
        if number % 40 == 0:
            bad.append(broker.publish(f"{queue}.missing", "", Message(b"")))
        if number % 10 == 0:
            await asyncio.sleep(0.001)
    results = await asyncio.gather(*good, *bad, return_exceptions=True)
    assert results[:200] == [None] * 200
    assert all(isinstance(result, NotConfirmed) for result in results[200:])
    kept = set()
    while (delivery := await broker.get(queue)) is not None:
        kept.add(int(delivery.message.body))
        delivery.ack()
    assert kept == set(range(200))


async def test_a_channel_that_the_broker_closes_loses_its_consumer_and_no_other(
    broker: RabbitMQBroker, queue: str, eventually: Eventually
) -> None:
    first: list[Delivery] = []
    second: list[Delivery] = []
    lost: list[str] = []
    bad = await broker.consume(queue, first.append, prefetch=1, on_lost=lambda: lost.append("first"))
    await broker.consume(queue, second.append, prefetch=5, on_lost=lambda: lost.append("second"))
    await broker.publish("", queue, Message(b"1"))
    await eventually(lambda: bool(first))
    bad._link.write(reject_frame(bad.number, 999, requeue=False))  # an unknown tag: 406, the channel is closed
    await eventually(lambda: lost == ["first"])
    first[0].ack()  # taken back already: no error, no effect
    await eventually(lambda: bool(second))
    assert (second[0].message.body, second[0].redelivered) == (b"1", True)
    second[0].ack()
    await bad.close()
    await eventually(lambda: _is_empty(broker, queue))


async def test_closing_while_deliveries_are_settled_never_costs_the_connection(
    broker: RabbitMQBroker, queue: str, eventually: Eventually
) -> None:
    for _ in range(30):
        seen: list[Delivery] = []
        consumer = await broker.consume(queue, seen.append, prefetch=50)
        await asyncio.gather(*[broker.publish("", queue, Message(b"")) for _ in range(20)])
        closing = asyncio.ensure_future(consumer.close())
        while not closing.done():
            if seen:
                seen.pop().ack()
            await asyncio.sleep(0)
        await closing
    await broker.ping()
    await broker.purge(queue)
    await eventually(lambda: _is_empty(broker, queue))


async def test_a_consumer_that_may_not_be_is_refused_in_the_brokers_words(broker: RabbitMQBroker, queue: str) -> None:
    connection = await aiormq.connect(str(broker._url))
    channel = await connection.channel()

    async def ignore(_: object) -> None:
        """An exclusive consumer keeps all others away."""

    await channel.basic_consume(queue, ignore, exclusive=True)
    with pytest.raises(BrokerError, match="exclusive"):
        await broker.consume(queue, lambda _: None, prefetch=1)
    await connection.close()
    await broker.ping()


async def test_messages_of_other_clients_are_received_whatever_is_in_them(
    broker: RabbitMQBroker, queue: str, eventually: Eventually
) -> None:
    connection = await aiormq.connect(str(broker._url))
    channel = await connection.channel()
    properties = [
        commands.Basic.Properties(message_id="plain"),
        commands.Basic.Properties(headers={"nested": {"list": [1, 2.5, None]}}, app_id="other", content_encoding="x"),
        _Raw(b"\x00\x80" + b"\x02\xff\xfe"),  # a message id that is no UTF-8
        _Raw(b"\x00\x40" + b"\xff" * 8),  # a time in the far future
    ]
    for number, each in enumerate(properties):
        await channel.basic_publish(b"%d" % number, routing_key=queue, properties=each)  # type: ignore[arg-type]
    await connection.close()
    seen: list[Delivery] = []
    await broker.consume(queue, seen.append, prefetch=10)
    await eventually(lambda: len(seen) == len(properties))
    assert [delivery.message.body for delivery in seen] == [b"%d" % number for number in range(len(properties))]
    assert seen[0].message.message_id == "plain"
    assert seen[0].message.content_type is None
    assert seen[1].message.headers == {"nested": {"list": [1, 2.5, None]}}
    for delivery in seen:
        delivery.ack()
    await broker.ping()


async def test_acks_go_on_while_the_broker_takes_no_messages(
    own_rabbitmq: PrivateRabbitMQ, eventually: Eventually
) -> None:
    async with ManagementClient(own_rabbitmq.management_url, "/") as management:
        await management.put("queues", "/", "work", body={"durable": True})
    broker = RabbitMQBroker(own_rabbitmq.url)
    await broker.connect()
    seen: list[Delivery] = []
    consumer = await broker.consume("work", seen.append, prefetch=1)
    await asyncio.gather(*[broker.publish("", "work", Message(b"%d" % number)) for number in range(3)])
    await asyncio.to_thread(own_rabbitmq.control, "set_vm_memory_high_watermark", "0")
    waiting = asyncio.ensure_future(broker.publish("", "work", Message(b"3")))
    await eventually(lambda: broker.blocked)
    for number in range(3):
        await eventually(lambda: len(seen) == number + 1)  # noqa: B023 (awaited at once)
        seen[-1].ack()
    assert not waiting.done()
    await asyncio.to_thread(own_rabbitmq.control, "set_vm_memory_high_watermark", "0.4")
    await waiting
    assert not broker.blocked
    await eventually(lambda: len(seen) == 4)
    await consumer.close()
    await broker.close()


class _Raw:
    """Properties as bytes, flags first, where aiormq expects its own."""

    message_id = "raw"

    def __init__(self, data: bytes) -> None:
        self._data = data

    def marshal(self) -> bytes:
        return self._data


async def _is_empty(broker: RabbitMQBroker, queue: str) -> bool:
    return (await broker.depth(queue)).messages == 0
