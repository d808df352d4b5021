"""Many dead letters on a real RabbitMQ: more than a consumer holds, at a rate, recorded, and taken away."""

from __future__ import annotations

import time

import pytest

from pipeline.broker.rabbitmq import RabbitMQBroker
from pipeline.dlq.edit import edit
from pipeline.dlq.inspect import group, peek
from pipeline.dlq.purge import purge
from pipeline.dlq.queues import find_queue
from pipeline.dlq.replay import replay
from pipeline.dlq.selection import Selection
from pipeline.dlq.trail import Actor, Trail, read_trail
from pipeline.messages.message import EDITED_AT, ERROR_STAGE
from tests.integration.dlq.conftest import BOTH_TYPES, TOPOLOGY, bury, drained, ids_of, until_waiting

pytestmark = pytest.mark.rabbitmq


def trail_on(broker: RabbitMQBroker) -> Trail:
    return Trail(broker, TOPOLOGY, Actor(name="ann", address="desk", via="cli"))


@BOTH_TYPES
async def test_ten_thousand_letters_are_grouped_replayed_and_recorded(broker: RabbitMQBroker, kind: str) -> None:
    queue = find_queue(TOPOLOGY, kind)
    ids = [str(number) for number in range(10_000)]
    for start in range(0, 10_000, 1000):
        code = "TIMEOUT" if start % 2000 else "DECODE_ERROR"
        await bury(broker, kind, *ids[start : start + 1000], code=code, **{ERROR_STAGE: "s"})
    await until_waiting(broker, queue.name, 10_000)
    groups = await group(broker, queue)
    assert [(each.error_code, each.count, each.example_id) for each in groups] == [
        ("DECODE_ERROR", 5000, "0"),
        ("TIMEOUT", 5000, "1000"),
    ]
    await until_waiting(broker, queue.name, 10_000)
    result = await replay(broker, queue, Selection(error_code="TIMEOUT"), trail=trail_on(broker))
    assert (result.replayed, result.kept, result.unread, result.failed) == (5000, 5000, 0, ())
    chosen = [each for each in ids if int(each) // 1000 % 2]
    assert ids_of(await drained(broker, kind, 5000)) == chosen
    assert ids_of(await drained(broker, queue.name, 5000)) == [each for each in ids if each not in set(chosen)]
    records = await read_trail(broker, TOPOLOGY, 1000)
    assert [each for record in reversed(records) for each in record.message_ids] == chosen
    assert {(record.action, record.queue, record.who.name) for record in records} == {("replay", queue.name, "ann")}


@BOTH_TYPES
@pytest.mark.parametrize("window", [5, 64])
async def test_more_than_a_consumer_may_hold_is_read_and_stays_in_its_order(
    broker: RabbitMQBroker, kind: str, window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.dlq.reading._FIRST_WINDOW", window)
    monkeypatch.setattr("pipeline.dlq.reading._LARGEST_WINDOW", 2 * window)
    queue = find_queue(TOPOLOGY, kind)
    ids = [str(number) for number in range(500)]
    for start in range(0, 500, 50):
        await bury(broker, kind, *ids[start : start + 50], code="TIMEOUT" if start % 100 else "EXPIRED")
    await until_waiting(broker, queue.name, 500)
    assert [letter.message_id for letter in await peek(broker, queue)] == ids
    await until_waiting(broker, queue.name, 500)
    result = await replay(broker, queue, Selection(error_code="TIMEOUT"))
    assert (result.replayed, result.kept) == (250, 250)
    assert ids_of(await drained(broker, kind, 250)) == [each for each in ids if int(each) // 50 % 2]
    assert ids_of(await drained(broker, queue.name, 250)) == [each for each in ids if not int(each) // 50 % 2]


async def test_a_rate_is_not_exceeded(broker: RabbitMQBroker) -> None:
    queue = find_queue(TOPOLOGY, "classic")
    await bury(broker, "classic", *map(str, range(100)))
    await until_waiting(broker, queue.name, 100)
    began = time.monotonic()
    assert (await replay(broker, queue, rate_per_s=100)).replayed == 100
    # 99 intervals of 10 ms, of which a tenth of a second may be made up; however busy the machine is, it takes no less.
    assert time.monotonic() - began >= 0.89


@BOTH_TYPES
async def test_a_slow_replay_gives_the_queue_back_and_goes_on_where_it_was(
    broker: RabbitMQBroker, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.dlq.replay._ROUND_S", 0.05)
    queue = find_queue(TOPOLOGY, kind)
    ids = [str(number) for number in range(60)]
    await bury(broker, kind, *ids[:10], code="EXPIRED")
    await bury(broker, kind, *ids[10:])
    await until_waiting(broker, queue.name, 60)
    result = await replay(broker, queue, Selection(error_code="TIMEOUT"), rate_per_s=100)
    assert (result.replayed, result.kept, result.unread) == (50, 10, 0)
    assert ids_of(await drained(broker, kind, 50)) == ids[10:]
    assert ids_of(await drained(broker, queue.name, 10)) == ids[:10]


@BOTH_TYPES
async def test_an_edited_letter_and_a_purge_are_confirmed_and_recorded(broker: RabbitMQBroker, kind: str) -> None:
    queue = find_queue(TOPOLOGY, kind)
    await bury(broker, kind, *"abcd")
    await until_waiting(broker, queue.name, 4)
    done = await edit(broker, queue, "b", b'{"a":1}', validate=lambda *_: None, trail=trail_on(broker))
    assert (done.done, done.fields) == (True, ("a",))
    await until_waiting(broker, queue.name, 3)
    purged = await purge(broker, queue, Selection(message_ids=["a", "d"]), trail=trail_on(broker))
    assert (purged.purged, purged.kept) == (2, 1)
    (edited,) = await drained(broker, kind, 1)
    assert (edited.message.message_id, edited.message.body) == ("b", b'{"a":1}')
    assert EDITED_AT in edited.message.headers
    assert ids_of(await drained(broker, queue.name, 1)) == ["c"]
    assert [(each.action, each.message_ids) for each in await read_trail(broker, TOPOLOGY)] == [
        ("purge", ["a", "d"]),
        ("edit", ["b"]),
    ]
