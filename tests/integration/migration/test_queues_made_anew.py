"""Queues made anew on a real RabbitMQ: what they hold, what comes meanwhile, and what becomes of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.broker.port import Delivery
from pipeline.broker.rabbitmq import RabbitMQBroker
from pipeline.errors import ExitCode, NoSuchQueue, Unreachable
from pipeline.messages.message import ORIGINAL_EXCHANGE, ORIGINAL_ROUTING_KEY, Message
from pipeline.provision.migration.carried import MIGRATION_ID
from pipeline.provision.migration.names import prefix_for
from pipeline.provision.migration.record import Records
from pipeline.provision.outcomes import Status
from pipeline.runtime.envelope import envelope_of
from pipeline.topology.definitions import (
    BindingDefinition,
    Definitions,
    ExchangeDefinition,
    PolicyDefinition,
    QueueDefinition,
    exactly,
)
from tests.integration.migration.site import TOPOLOGY, Site, counted, eventually, publish_numbered

pytestmark = pytest.mark.rabbitmq

EVENTS = ExchangeDefinition("events", "topic")
CLASSIC: dict[str, Any] = {}
PRIORITIES = {"x-max-priority": 5}
QUORUM = {"x-queue-type": "quorum"}


def topology(name: str = "work", *, durable: bool = True, arguments: dict[str, Any] | None = None) -> Definitions:
    queue = QueueDefinition(name, durable=durable, arguments=arguments or {})
    return Definitions(
        exchanges=(EVENTS,),
        queues=(queue, QueueDefinition("other")),
        bindings=(
            BindingDefinition("events", name, "queue", "file.#"),
            BindingDefinition("events", name, "queue", "file.created"),
            BindingDefinition("events", "other", "queue", "#"),
        ),
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((True, CLASSIC), (True, PRIORITIES)),
        ((True, PRIORITIES), (True, CLASSIC)),
        ((True, PRIORITIES), (True, {"x-max-priority": 10})),
        ((True, CLASSIC), (True, QUORUM)),
        ((True, QUORUM), (True, CLASSIC)),
        ((False, CLASSIC), (True, CLASSIC)),
        ((True, CLASSIC), (False, CLASSIC)),
    ],
    ids=["priorities-added", "removed", "changed", "to-quorum", "to-classic", "to-durable", "to-transient"],
)
async def test_a_queue_made_anew_keeps_its_messages_in_their_order(
    site: Site, before: tuple[bool, dict[str, Any]], after: tuple[bool, dict[str, Any]]
) -> None:
    await site.make(topology(durable=before[0], arguments=before[1]))
    await publish_numbered(site.broker, "events", "file.created", range(1200))
    wanted = topology(durable=after[0], arguments=after[1])
    applied = await site.migrate(wanted)
    assert applied.exit_code == ExitCode.DONE, applied
    assert applied.count(Status.DONE) == 1
    assert not (await site.planned(wanted)).changes
    assert await site.leftovers() == set()
    await publish_numbered(site.broker, "events", "file.created", range(1200, 1210))
    taken = await site.content("work")
    assert [delivery.message.headers["x-number"] for delivery in taken] == list(range(1210))
    assert {delivery.routing_key for delivery in taken} == {"file.created"}
    assert counted(await site.content("other")) == counted(taken)


async def test_priorities_headers_and_properties_are_kept(site: Site) -> None:
    await site.make(topology(arguments=PRIORITIES))
    await publish_numbered(site.broker, "events", "file.created", range(40), priorities=5)
    whole = Message(
        b"\x00\xff" * 200_000,  # more than a frame holds
        message_id="whole",
        correlation_id="c",
        content_type="application/x-thing",
        priority=4,
        expiration_ms=3_600_000,
        timestamp=datetime(2024, 2, 29, 12, tzinfo=UTC),
        headers={"x-table": {"a": [1, True, None, 2.5]}, "x-bytes": b"\xff\x00", "x-big": 2**60, "ü": "é"},
    )
    await site.broker.publish("events", "file.created", whole)
    foreign = {
        "properties": {
            "type": "a.type",
            "app_id": "an app",
            "reply_to": "amq.somewhere",
            "content_encoding": "gzip",
            "user_id": "guest",
            "delivery_mode": 1,
            "headers": {"CC": ["other"], "x-death": [{"queue": "elsewhere", "count": 3}]},
        },
        "routing_key": "file.created",
        "payload": "no id",
        "payload_encoding": "string",
    }
    await site.client.post("exchanges", site.client.vhost, "events", "publish", body=foreign)
    before = {each.message.message_id: each for each in await peek(site, "work")}
    others = (await site.broker.depth("other")).messages
    applied = await site.migrate(topology(arguments={"x-max-priority": 10}))
    assert applied.exit_code == ExitCode.DONE, applied
    raw = await _as_the_api_shows(site, "work", ackmode="reject_requeue_true")
    shown = next(row for row in raw if row["payload"] == "no id")
    expected: dict[str, Any] = foreign["properties"] | {"delivery_mode": 2}  # type: ignore[operator]
    for key, value in expected.items():
        if key == "headers":
            assert value.items() <= shown["properties"]["headers"].items()
        else:
            assert shown["properties"][key] == value
    after = await site.content("work")
    assert len(after) == 42
    assert (await site.broker.depth("other")).messages == others, "CC of a moved message was not followed again"
    priorities = [delivery.message.priority or 0 for delivery in after]
    assert priorities == sorted(priorities, reverse=True)
    ours = {ORIGINAL_EXCHANGE: "events", ORIGINAL_ROUTING_KEY: "file.created"}
    for delivery in after:
        message, old = delivery.message, before[delivery.message.message_id]
        headers = {key: value for key, value in message.headers.items() if key != MIGRATION_ID}
        assert (MIGRATION_ID in message.headers) == (message.message_id is None)
        assert headers == {**old.message.headers, **ours}
        assert replace(message, headers={}) == replace(old.message, headers={})
        assert delivery.routing_key == old.routing_key
        assert envelope_of(delivery, "work").exchange == "events"


async def test_none_is_lost_while_producers_publish_and_consumers_run(site: Site) -> None:
    await site.make(topology(arguments=PRIORITIES))
    await publish_numbered(site.broker, "events", "file.created", range(3000), priorities=5)
    producer, consumer = await site.connect("producer"), await site.connect("consumer")
    seen: list[Delivery] = []
    consuming = asyncio.create_task(consume_for_ever(consumer, "work", seen))
    published = 3000
    stop = asyncio.Event()

    async def produce() -> None:
        nonlocal published
        while not stop.is_set():
            numbers = range(published, published + 50)
            await publish_numbered(producer, "events", "file.created", numbers, priorities=5)
            published += 50

    producing = asyncio.create_task(produce())
    await eventually(lambda: len(seen) > 200)
    applied = await site.migrate(topology(arguments=QUORUM))
    assert applied.exit_code == ExitCode.DONE, applied
    assert "s without a consumer" in applied.notes[0]
    stop.set()
    await producing
    await eventually(lambda: len(seen) >= published)
    consuming.cancel()
    assert counted(seen) == {f"m-{number}": 1 for number in range(published)}
    assert (await site.broker.depth("other")).messages == published
    assert await site.leftovers() == set()


async def test_a_queue_whose_consumer_never_acks_is_left_as_it_was_with_everything_in_it(site: Site) -> None:
    await site.make(topology())
    await publish_numbered(site.broker, "events", "file.created", range(100))
    stuck = await site.connect("stuck")
    held: list[Delivery] = []
    consumer = await stuck.consume("work", held.append, prefetch=7)
    await eventually(lambda: len(held) == 7)
    wanted = topology(arguments=PRIORITIES)
    applied = await site.migrate(wanted, patience_s=0.5)
    assert applied.exit_code == ExitCode.PARTLY_DONE
    (left,) = applied.outcomes
    assert left.status is Status.LEFT
    assert "a consumer still holds 7 of its messages" in left.reason
    assert await site.leftovers() == set()
    await publish_numbered(site.broker, "events", "file.created", range(100, 110))
    assert (await site.broker.depth("work")).messages == 103
    await consumer.close()
    assert (await site.migrate(wanted)).exit_code == ExitCode.DONE
    assert not (await site.planned(wanted)).changes
    assert counted(await site.content("work")) == {f"m-{number}": 1 for number in range(110)}


async def test_what_a_consumer_gives_back_or_acks_late_is_neither_lost_nor_there_twice(site: Site) -> None:
    await site.make(topology())
    await publish_numbered(site.broker, "events", "file.created", range(20))
    slow = await site.connect("slow")
    held: list[Delivery] = []
    consumer = await slow.consume("work", held.append, prefetch=10)
    await eventually(lambda: len(held) == 10)
    migrating = asyncio.create_task(site.migrate(topology(arguments=PRIORITIES)))
    await eventually(lambda: _is_aside(site))
    await consumer.cancel()
    for delivery in held[:4]:
        delivery.ack()
    for delivery in held[4:10]:
        delivery.reject(requeue=True)
    acked = {delivery.message.message_id for delivery in held[:4]}
    assert (await migrating).exit_code == ExitCode.DONE
    rest = counted(await site.content("work"))
    assert rest == {f"m-{number}": 1 for number in range(20) if f"m-{number}" not in acked}


async def test_a_message_that_comes_back_from_the_retry_ladder_in_between_finds_its_queue(site: Site) -> None:
    tier = QueueDefinition("retry.100ms")
    wanted = with_tier(topology(arguments=PRIORITIES), tier)
    await site.make(with_tier(topology(), tier))
    await publish_numbered(site.broker, "", "work", range(50))
    stuck = await site.connect("stuck")
    held: list[Delivery] = []
    consumer = await stuck.consume("work", held.append, prefetch=1)
    await eventually(lambda: len(held) == 1)
    migrating = asyncio.create_task(site.migrate(wanted))
    await eventually(lambda: _is_aside(site))
    await publish_numbered(site.broker, "retry.100ms", "work", range(50, 250))
    await publish_numbered(site.broker, "retry.100ms", "other", range(10), prefix="o")
    await eventually(lambda: _depth_is(site, "tracktion.migrating.work.arriving", 200))
    await eventually(lambda: _depth_is(site, "other", 10))
    held[0].ack()
    await consumer.close()
    assert (await migrating).exit_code == ExitCode.DONE
    assert not (await site.planned(wanted)).changes, "policies are as they were"
    assert await site.leftovers() == set()
    left = {f"m-{number}": 1 for number in range(250)}
    del left[held[0].message.message_id or ""]
    assert counted(await site.content("work")) == left
    await publish_numbered(site.broker, "retry.100ms", "work", [999])
    await eventually(lambda: _depth_is(site, "work", 1))


async def test_a_dead_letter_queue_is_made_anew_while_letters_arrive(site: Site) -> None:
    buried = PolicyDefinition(
        "tracktion.other",
        exactly("other"),
        {"dead-letter-exchange": "", "dead-letter-routing-key": "other.dlq"},
        priority=10,
    )

    def definitions(arguments: dict[str, Any]) -> Definitions:
        base = topology()
        dlq = QueueDefinition("other.dlq", arguments=arguments)
        return replace(base, queues=(*base.queues, dlq), policies=(buried,))

    await site.make(definitions({}))
    rejecting = await site.connect("rejecting")
    await rejecting.consume("other", lambda delivery: delivery.reject(), prefetch=20)
    letters = 2000
    publishing = asyncio.create_task(publish_numbered(site.broker, "events", "letter", range(letters)))
    for arguments in (PRIORITIES, QUORUM, CLASSIC):
        assert (await site.migrate(definitions(arguments))).exit_code == ExitCode.DONE
    await publishing
    await eventually(lambda: _depth_is(site, "other.dlq", letters))
    assert counted(await site.content("other.dlq")) == {f"m-{number}": 1 for number in range(letters)}
    assert not (await site.planned(definitions(CLASSIC))).changes
    assert await site.leftovers() == set()


async def test_a_message_with_a_ttl_of_its_own_is_dead_lettered_even_from_the_holding_queue(site: Site) -> None:
    base = replace(topology(), queues=(*topology().queues, QueueDefinition("work.dlq")))
    buried = PolicyDefinition(
        "tracktion.work",
        exactly("work"),
        {"dead-letter-exchange": "", "dead-letter-routing-key": "work.dlq"},
        priority=10,
    )
    before = replace(base, policies=(buried,))
    await site.make(before)
    await publish_numbered(site.broker, "events", "file.created", range(5))
    stuck = await site.connect("stuck")
    held: list[Delivery] = []
    consumer = await stuck.consume("work", held.append, prefetch=1)
    await eventually(lambda: len(held) == 1)
    queues = tuple(replace(queue, arguments=PRIORITIES) if queue.name == "work" else queue for queue in base.queues)
    migrating = asyncio.create_task(site.migrate(replace(before, queues=queues)))
    await eventually(lambda: _is_aside(site))
    brief = Message(b"{}", message_id="brief", expiration_ms=50)
    await site.broker.publish("events", "file.created", brief)
    await eventually(lambda: _depth_is(site, "work.dlq", 1))
    await consumer.close()
    assert (await migrating).exit_code == ExitCode.DONE
    assert counted(await site.content("work")) == {f"m-{number}": 1 for number in range(5)}
    assert counted(await site.content("work.dlq")) == {"brief": 1}


async def test_a_name_of_250_bytes_finds_room_for_its_holding_queues(site: Site) -> None:
    name = "n" * 250
    assert len(prefix_for("tracktion", name).encode()) < 100
    await site.make(topology(name))
    await publish_numbered(site.broker, "events", "file.created", range(30))
    assert (await site.migrate(topology(name, arguments=PRIORITIES))).exit_code == ExitCode.DONE
    assert counted(await site.content(name)) == {f"m-{number}": 1 for number in range(30)}
    assert await site.leftovers() == set()


async def test_what_the_broker_refuses_is_found_before_anything_is_touched(site: Site) -> None:
    await site.make(topology())
    await publish_numbered(site.broker, "events", "file.created", range(3))
    applied = await site.migrate(topology(arguments={"x-max-priority": 1000}))
    assert applied.exit_code == ExitCode.ERROR
    assert "x-max-priority" in applied.outcomes[0].reason
    assert await site.leftovers() == set()
    assert (await site.broker.depth("work")).messages == 3


async def test_a_full_queue_that_refuses_gets_its_messages_as_it_is_consumed(site: Site) -> None:
    limit = PolicyDefinition(
        "tracktion.work", exactly("work"), {"max-length": 20, "overflow": "reject-publish"}, priority=10
    )
    before = replace(topology(), policies=(limit,))
    await site.make(before)
    await publish_numbered(site.broker, "events", "elsewhere", range(1))
    stuck = await site.connect("stuck")
    held: list[Delivery] = []
    await publish_numbered(site.broker, "events", "file.created", range(20))
    consumer = await stuck.consume("work", held.append, prefetch=1)
    await eventually(lambda: len(held) == 1)
    migrating = asyncio.create_task(site.migrate(replace(topology(arguments=PRIORITIES), policies=(limit,))))
    await eventually(lambda: _is_aside(site))
    await publish_numbered(site.broker, "events", "file.created", range(20, 120))
    await consumer.close()
    seen: list[Delivery] = []
    taking = asyncio.create_task(consume_for_ever(await site.connect("worker"), "work", seen))
    assert (await migrating).exit_code == ExitCode.DONE
    await eventually(lambda: len(counted(seen)) == 120)
    taking.cancel()


async def test_two_at_once_are_kept_apart(site: Site) -> None:
    await site.make(topology())
    other = await site.connect("another apply")
    assert await other.lock("tracktion.migrating:lock")
    applied = await asyncio.wait_for(site.migrate(topology(arguments=PRIORITIES)), 60)
    assert "Another `pipeline apply`" in applied.outcomes[0].reason
    await other.close()
    assert await site.leftovers() == set()


async def test_a_binding_that_somebody_makes_meanwhile_is_kept(site: Site) -> None:
    await site.make(topology())
    stuck = await site.connect("stuck")
    held: list[Delivery] = []
    await publish_numbered(site.broker, "events", "file.created", range(2))
    consumer = await stuck.consume("work", held.append, prefetch=1)
    await eventually(lambda: len(held) == 1)
    wanted = topology(arguments=PRIORITIES)
    migrating = asyncio.create_task(site.migrate(wanted))
    await eventually(lambda: _is_aside(site))
    path = ("bindings", site.client.vhost, "e", "events", "q", "work")
    await site.client.post(*path, body={"routing_key": "late.#"})
    await publish_numbered(site.broker, "events", "late.one", range(2, 5))
    await consumer.close()
    assert (await migrating).exit_code == ExitCode.DONE
    await publish_numbered(site.broker, "events", "late.two", range(5, 6))
    assert counted(await site.content("work")) == {f"m-{number}": 1 for number in range(6)}


def with_tier(definitions: Definitions, tier: QueueDefinition) -> Definitions:
    """With a tier of the retry ladder, as `topology.expand` makes it."""
    ladder = PolicyDefinition(
        f"tracktion.{tier.name}", exactly(tier.name), {"message-ttl": 100, "dead-letter-exchange": ""}, priority=10
    )
    return replace(
        definitions,
        exchanges=(*definitions.exchanges, ExchangeDefinition(tier.name, "fanout")),
        queues=(*definitions.queues, tier),
        bindings=(*definitions.bindings, BindingDefinition(tier.name, tier.name, "queue", "")),
        policies=(*definitions.policies, ladder),
    )


async def consume_for_ever(broker: RabbitMQBroker, queue: str, seen: list[Delivery]) -> None:
    """As a worker does: comes back when the queue goes away."""
    while True:
        lost = asyncio.Event()

        def take(delivery: Delivery) -> None:
            seen.append(delivery)
            delivery.ack()

        try:
            await broker.consume(queue, take, prefetch=20, on_lost=lost.set)
            await lost.wait()
        except NoSuchQueue:
            await asyncio.sleep(0.05)
        except Unreachable:
            # RabbitMQ 3.10 ends the connection of who consumes a quorum queue in the moment it is made.
            await broker.connect()


async def peek(site: Site, queue: str) -> list[Delivery]:
    """What is in a queue; it stays there."""
    expected = (await site.broker.depth(queue)).messages
    taken: list[Delivery] = []
    consumer = await site.broker.consume(queue, taken.append, prefetch=0)
    await eventually(lambda: len(taken) == expected)
    await consumer.close()
    return taken


async def _as_the_api_shows(site: Site, queue: str, *, ackmode: str) -> list[dict[str, Any]]:
    path = ("queues", site.client.vhost, queue, "get")
    body = {"count": 100, "ackmode": ackmode, "encoding": "auto", "truncate": 100}
    answer = await site.client._request("POST", path, body=body)
    return list(answer.json())


async def _depth_is(site: Site, queue: str, messages: int) -> bool:
    return (await site.broker.depth(queue)).messages == messages


async def _is_aside(site: Site) -> bool:
    records = await Records(site.client, TOPOLOGY).read()
    return any(record.step == "set aside" for record in records)
