"""Priorities and length limits, the same on every engine."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.broker.port import Delivery
from pipeline.errors import NotConfirmed
from pipeline.messages.message import Message

if TYPE_CHECKING:
    from tests.conformance.broker.conftest import Bench


async def publish_with_priorities(bench: Bench, queue: str, *priorities: int | None) -> None:
    messages = [Message(b"%d" % number, priority=priority) for number, priority in enumerate(priorities)]
    await asyncio.gather(*[bench.broker.publish("", queue, message) for message in messages])


async def test_higher_priorities_come_first_and_equal_ones_in_order(bench: Bench) -> None:
    queue = await bench.queue(max_priority=10)
    await publish_with_priorities(bench, queue, 1, None, 5, 9, 0, 5)
    assert await bench.bodies(queue) == [b"3", b"2", b"5", b"0", b"1", b"4"]


async def test_a_priority_above_the_queues_counts_as_its_highest(bench: Bench) -> None:
    queue = await bench.queue(max_priority=3)
    await publish_with_priorities(bench, queue, 3, 200, 4, 2)
    found = await bench.drain(queue)
    assert [each.message.body for each in found] == [b"0", b"1", b"2", b"3"]
    assert [each.message.priority for each in found] == [3, 200, 4, 2]


async def test_a_queue_without_priorities_ignores_them(bench: Bench) -> None:
    queue = await bench.queue()
    await publish_with_priorities(bench, queue, 1, 9, 5)
    assert await bench.bodies(queue) == [b"0", b"1", b"2"]


async def test_a_requeued_message_keeps_its_place_among_its_priority(bench: Bench) -> None:
    queue = await bench.queue(max_priority=5)
    await publish_with_priorities(bench, queue, 1, 5, 1, 5)
    held = await bench.next_of(queue)
    assert held.message.body == b"1"
    held.reject(requeue=True)
    await bench.until_depth(queue, 4)
    assert await bench.bodies(queue) == [b"1", b"3", b"0", b"2"]


async def test_a_small_prefetch_lets_a_high_priority_overtake(bench: Bench) -> None:
    queue = await bench.queue(max_priority=10)
    await publish_with_priorities(bench, queue, *[1] * 20)
    seen: list[Delivery] = []
    consumer = await bench.broker.consume(queue, seen.append, prefetch=2)
    await bench.until_depth(queue, 18)
    await bench.eventually(lambda: len(seen) == 2)
    await bench.broker.publish("", queue, Message(b"urgent", priority=9))
    seen[0].ack()
    await bench.eventually(lambda: len(seen) == 3)
    assert seen[2].message.body == b"urgent"
    await consumer.close()


def limit(**policy: Any) -> dict[str, Any]:
    return {key.replace("_", "-"): value for key, value in policy.items()}


async def test_the_oldest_messages_make_room_for_new_ones(bench: Bench) -> None:
    dead = await bench.queue("dead")
    queue = await bench.queue(policy=limit(max_length=2, dead_letter_exchange="", dead_letter_routing_key=dead))
    await bench.publish("", queue, *[b"%d" % number for number in range(5)])
    assert await bench.bodies(queue) == [b"3", b"4"]
    await bench.until_depth(dead, 3)
    dropped = await bench.drain(dead)
    assert [each.message.body for each in dropped] == [b"0", b"1", b"2"]
    assert {each.message.headers["x-death"][0]["reason"] for each in dropped} == {"maxlen"}
    assert {each.message.headers["x-first-death-reason"] for each in dropped} == {"maxlen"}


async def test_messages_in_hand_do_not_count(bench: Bench) -> None:
    queue = await bench.queue(policy=limit(max_length=1))
    await bench.publish("", queue, b"held")
    held = await bench.next_of(queue)
    await bench.publish("", queue, b"waiting")
    assert await bench.bodies(queue) == [b"waiting"]
    held.ack()


async def test_a_length_limit_may_be_in_bytes_of_bodies(bench: Bench) -> None:
    queue = await bench.queue(policy=limit(max_length_bytes=10))
    await bench.publish("", queue, b"aaaa", b"bbbb", b"cc", b"d")
    assert await bench.bodies(queue) == [b"bbbb", b"cc", b"d"]


async def test_the_lower_of_argument_and_policy_is_the_limit(bench: Bench) -> None:
    queue = await bench.queue(policy=limit(max_length=3), max_length=2)
    await bench.publish("", queue, *[b"%d" % number for number in range(5)])
    assert await bench.bodies(queue) == [b"3", b"4"]


async def test_a_full_queue_may_refuse_new_messages(bench: Bench) -> None:
    queue = await bench.queue(policy=limit(max_length=2, overflow="reject-publish"))
    await bench.publish("", queue, b"1", b"2")
    with pytest.raises(NotConfirmed):
        await bench.publish("", queue, b"3")
    assert await bench.bodies(queue) == [b"1", b"2"]
    await bench.publish("", queue, b"4")
    assert await bench.bodies(queue) == [b"4"]


async def test_a_refused_message_may_become_a_dead_letter_too(bench: Bench) -> None:
    dead = await bench.queue("dead")
    policy = limit(max_length=1, overflow="reject-publish-dlx", dead_letter_exchange="", dead_letter_routing_key=dead)
    queue = await bench.queue(policy=policy)
    await bench.publish("", queue, b"1")
    with pytest.raises(NotConfirmed):
        await bench.publish("", queue, b"2")
    found = await bench.next_of(dead)
    assert found.message.body == b"2"
    assert found.message.headers["x-death"][0]["reason"] == "maxlen"
    assert await bench.bodies(queue) == [b"1"]


async def test_one_full_queue_of_several_refuses_the_publish_but_the_others_have_it(bench: Bench) -> None:
    exchange = await bench.exchange("fanout")
    full = await bench.queue("full", policy=limit(max_length=1, overflow="reject-publish"))
    open_ = await bench.queue("open")
    await bench.bind(exchange, full)
    await bench.bind(exchange, open_)
    await bench.publish(exchange, "", b"1")
    with pytest.raises(NotConfirmed):
        await bench.publish(exchange, "", b"2")
    assert await bench.bodies(full) == [b"1"]
    assert await bench.bodies(open_) == [b"1", b"2"]


async def test_a_full_priority_queue_drops_from_its_head(bench: Bench) -> None:
    queue = await bench.queue(policy=limit(max_length=2), max_priority=5)
    await publish_with_priorities(bench, queue, 5, 1, 3)
    assert await bench.bodies(queue) == [b"2", b"1"]
