"""News of files that nobody takes in for a day, on the project's own topology in virtual time."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from pipeline.broker.embedded import EmbeddedBroker
from pipeline.clock import ManualClock
from pipeline.dlq.inspect import peek
from pipeline.dlq.queues import find_queue
from pipeline.dlq.replay import replay
from pipeline.messages.message import MESSAGE_NAME, Message
from pipeline.topology.expand import definitions_of
from stages.examples import EXAMPLES
from tests.api_plane import project_topology

TOPOLOGY = project_topology()
CATALOG, LIFECYCLE = "cataloging.file.events", "analysis.lifecycle.events"
LETTERS = find_queue(TOPOLOGY, f"{CATALOG}.dlq")
EVENTS = sorted(name for name in TOPOLOGY.messages if name.startswith("file.") and name != "file.analyze")
DAY_S = 86_400.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def broker(clock: ManualClock) -> AsyncIterator[EmbeddedBroker]:
    engine = EmbeddedBroker(definitions_of(TOPOLOGY), clock)
    await engine.connect()
    yield engine
    await engine.close()


async def tell(broker: EmbeddedBroker, name: str) -> bytes:
    """Publish the document's example of an event, under its own name as id; its body."""
    body = json.dumps(EXAMPLES[name][0]).encode()
    await broker.publish("file_events", name, Message(body, message_id=name, headers={MESSAGE_NAME: name}))
    return body


async def waiting(broker: EmbeddedBroker, queue: str) -> int:
    return (await broker.depth(queue)).messages


async def test_events_wait_for_the_catalog_for_a_day_and_then_become_dead_letters(
    broker: EmbeddedBroker, clock: ManualClock
) -> None:
    assert len(EVENTS) == 6
    for name in EVENTS:
        await tell(broker, name)
    clock.advance(DAY_S - 0.001)
    assert await waiting(broker, CATALOG) == 6
    clock.advance(0.001)
    assert await waiting(broker, CATALOG) == 0
    letters = await peek(broker, LETTERS)
    assert [letter.message_id for letter in letters] == EVENTS
    assert {letter.error_code for letter in letters} == {"EXPIRED"}
    assert [(letter.message, letter.exchange, letter.routing_key) for letter in letters] == [
        (name, "file_events", name) for name in EVENTS
    ]


async def test_each_event_has_a_day_of_its_own(broker: EmbeddedBroker, clock: ManualClock) -> None:
    await tell(broker, "file.created")
    clock.advance(DAY_S / 2)
    await tell(broker, "file.modified")
    clock.advance(DAY_S / 2)
    assert (await waiting(broker, CATALOG), await waiting(broker, LETTERS.name)) == (1, 1)
    clock.advance(DAY_S / 2)
    assert (await waiting(broker, CATALOG), await waiting(broker, LETTERS.name)) == (0, 2)


async def test_what_the_catalog_has_taken_does_not_expire(broker: EmbeddedBroker, clock: ManualClock) -> None:
    await tell(broker, "file.created")
    delivery = await broker.get(CATALOG)
    assert delivery is not None
    clock.advance(2 * DAY_S)
    delivery.ack()
    assert (await waiting(broker, CATALOG), await waiting(broker, LETTERS.name)) == (0, 0)


async def test_expired_event_can_be_sent_back_unchanged_and_has_a_day_again(
    broker: EmbeddedBroker, clock: ManualClock
) -> None:
    body = await tell(broker, "file.deleted")
    clock.advance(DAY_S)
    assert (await replay(broker, LETTERS, clock=clock)).replayed == 1
    clock.advance(DAY_S - 1)
    delivery = await broker.get(CATALOG)
    assert delivery is not None
    message = delivery.message
    assert (message.body, message.message_id, message.headers[MESSAGE_NAME]) == (body, "file.deleted", "file.deleted")
    assert await waiting(broker, LETTERS.name) == 0


async def test_expiry_in_the_catalogs_queue_leaves_the_other_consumers_events(
    broker: EmbeddedBroker, clock: ManualClock
) -> None:
    for name in EVENTS:
        await tell(broker, name)
    clock.advance(7 * DAY_S)
    assert (await waiting(broker, LIFECYCLE), await waiting(broker, f"{LIFECYCLE}.dlq")) == (6, 0)
