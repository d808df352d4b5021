"""Consuming and settling, the same on every engine."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from pipeline.broker.port import Delivery
from pipeline.errors import NoSuchQueue
from pipeline.messages.message import Message

if TYPE_CHECKING:
    from tests.conformance.broker.conftest import Bench


def bodies_of(deliveries: list[Delivery]) -> list[bytes]:
    return [delivery.message.body for delivery in deliveries]


async def test_deliveries_come_in_order_with_where_they_were_published(bench: Bench) -> None:
    exchange, queue = await bench.exchange("topic"), await bench.queue()
    await bench.bind(exchange, queue, "#")
    await bench.publish(exchange, "file.created", b"0", b"1", b"2")
    seen: list[Delivery] = []
    consumer = await bench.broker.consume(queue, seen.append, prefetch=10)
    await bench.eventually(lambda: len(seen) == 3)
    assert bodies_of(seen) == [b"0", b"1", b"2"]
    assert {(each.queue, each.exchange, each.routing_key, each.redelivered) for each in seen} == {
        (queue, exchange, "file.created", False)
    }
    assert [each.tag for each in seen] == sorted({each.tag for each in seen})
    await consumer.close()


async def test_no_delivery_arrives_before_consume_returns_nor_within_publish(bench: Bench) -> None:
    queue = await bench.queue()
    await bench.publish("", queue, b"waiting")
    seen: list[Delivery] = []
    consumer = await bench.broker.consume(queue, seen.append, prefetch=10)
    assert seen == []
    await bench.eventually(lambda: len(seen) == 1)
    confirm = bench.broker.publish("", queue, Message(b"next"))
    assert len(seen) == 1
    await confirm
    await bench.eventually(lambda: len(seen) == 2)
    await consumer.close()


async def test_consumers_with_connections_of_their_own_share_a_queue_and_settle(bench: Bench) -> None:
    queue = await bench.queue()
    seen: dict[str | None, list[Delivery]] = {"slow": [], "other": [], None: []}
    for connection, deliveries in seen.items():
        await bench.broker.consume(queue, deliveries.append, prefetch=2, connection=connection)
    await bench.publish("", queue, *[b"%d" % number for number in range(6)])
    await bench.eventually(lambda: all(len(deliveries) == 2 for deliveries in seen.values()))
    for deliveries in seen.values():
        for delivery in deliveries:
            delivery.ack()
    await bench.until_depth(queue, 0)


async def test_prefetch_limits_what_is_in_hand(bench: Bench) -> None:
    queue = await bench.queue()
    await bench.publish("", queue, *[b"%d" % number for number in range(10)])
    seen: list[Delivery] = []
    consumer = await bench.broker.consume(queue, seen.append, prefetch=3)
    await bench.until_depth(queue, 7)
    await bench.eventually(lambda: len(seen) == 3)
    seen[1].ack()
    await bench.eventually(lambda: len(seen) == 4)
    assert await bench.depth(queue) == 6
    seen[0].ack()
    seen[2].ack()
    seen[3].reject()
    await bench.eventually(lambda: len(seen) == 7)
    assert bodies_of(seen) == [b"%d" % number for number in range(7)]
    await consumer.close()
    await bench.until_depth(queue, 6)


async def test_consumers_take_turns(bench: Bench) -> None:
    queue = await bench.queue()
    hands: list[list[Delivery]] = [[], [], []]
    consumers = [await bench.broker.consume(queue, hand.append, prefetch=10) for hand in hands]
    await bench.publish("", queue, *[b"%d" % number for number in range(9)])
    await bench.eventually(lambda: sum(map(len, hands)) == 9)
    assert [len(hand) for hand in hands] == [3, 3, 3]
    assert sorted(body for hand in hands for body in bodies_of(hand)) == [b"%d" % number for number in range(9)]
    for consumer in consumers:
        await consumer.close()


async def test_a_consumer_with_its_hands_full_is_passed_over(bench: Bench) -> None:
    queue = await bench.queue()
    busy: list[Delivery] = []
    free: list[Delivery] = []

    def take(delivery: Delivery) -> None:
        free.append(delivery)
        delivery.ack()

    slow = await bench.broker.consume(queue, busy.append, prefetch=1)
    quick = await bench.broker.consume(queue, take, prefetch=1)
    await bench.publish("", queue, *[b"%d" % number for number in range(20)])
    await bench.eventually(lambda: len(busy) + len(free) == 20)
    assert len(busy) == 1
    await slow.close()
    await quick.close()


async def test_an_acked_message_is_gone(bench: Bench) -> None:
    queue = await bench.queue()
    await bench.publish("", queue, b"1", b"2")
    seen: list[Delivery] = []
    consumer = await bench.broker.consume(queue, seen.append, prefetch=1)
    await bench.eventually(lambda: len(seen) == 1)
    seen[0].ack()
    await bench.eventually(lambda: len(seen) == 2)
    await consumer.close()
    again = await bench.next_of(queue)
    assert (again.message.body, again.redelivered) == (b"2", True)
    again.ack()


async def test_a_requeued_message_keeps_its_place_and_is_marked(bench: Bench) -> None:
    queue = await bench.queue()
    await bench.publish("", queue, b"0", b"1", b"2", b"3")
    first, second = await bench.next_of(queue), await bench.next_of(queue)
    assert (first.redelivered, second.redelivered) == (False, False)
    second.reject(requeue=True)
    await bench.until_depth(queue, 3)
    first.reject(requeue=True)
    await bench.until_depth(queue, 4)
    again = await bench.drain(queue)
    assert bodies_of(again) == [b"0", b"1", b"2", b"3"]
    assert [each.redelivered for each in again] == [True, True, False, False]


async def test_a_rejected_message_without_a_dead_letter_exchange_is_gone(bench: Bench) -> None:
    queue = await bench.queue()
    await bench.publish("", queue, b"1", b"2")
    (await bench.next_of(queue)).reject()
    assert await bench.bodies(queue) == [b"2"]


async def test_acks_in_any_order_settle_each_its_own(bench: Bench) -> None:
    queue = await bench.queue()
    await bench.publish("", queue, *[b"%d" % number for number in range(20)])
    seen: list[Delivery] = []
    consumer = await bench.broker.consume(queue, seen.append, prefetch=20)
    await bench.eventually(lambda: len(seen) == 20)
    for turn in ([7, 3, 19], [0, 1, 2, 5], [4, 18], [11, 10, 9]):
        for number in turn:
            seen[number].ack()
        await asyncio.sleep(0)  # acks travel once per turn of the loop
    seen[12].reject()
    seen[13].ack()
    await consumer.close()
    await bench.until_depth(queue, 6)
    assert await bench.bodies(queue) == [b"6", b"8", b"14", b"15", b"16", b"17"]


async def test_settling_twice_is_an_error(bench: Bench) -> None:
    queue = await bench.queue()
    await bench.publish("", queue, b"1", b"2")
    seen: list[Delivery] = []
    consumer = await bench.broker.consume(queue, seen.append, prefetch=1)
    await bench.eventually(lambda: len(seen) == 1)
    seen[0].ack()
    with pytest.raises(RuntimeError, match="settled before"):
        seen[0].ack()
    with pytest.raises(RuntimeError, match="settled before"):
        seen[0].reject(requeue=True)
    await bench.eventually(lambda: len(seen) == 2)
    await consumer.close()


async def test_a_cancelled_consumer_gets_no_more_and_can_settle_what_it_has(bench: Bench) -> None:
    queue = await bench.queue()
    await bench.publish("", queue, b"in hand")
    seen: list[Delivery] = []
    consumer = await bench.broker.consume(queue, seen.append, prefetch=5)
    await bench.eventually(lambda: len(seen) == 1)
    await consumer.cancel()
    await consumer.cancel()
    await bench.publish("", queue, b"later")
    assert (await bench.broker.depth(queue)).consumers == 0
    seen[0].ack()
    await consumer.close()
    assert bodies_of(seen) == [b"in hand"]
    assert await bench.bodies(queue) == [b"later"]


async def test_what_arrives_while_cancelling_goes_back_in_order(bench: Bench) -> None:
    queue = await bench.queue()
    seen: list[Delivery] = []
    consumer = await bench.broker.consume(queue, seen.append, prefetch=1000)
    confirms = [bench.broker.publish("", queue, Message(b"%d" % number)) for number in range(500)]
    await consumer.cancel()
    await asyncio.gather(*confirms)
    had = bodies_of(seen)
    for delivery in seen:
        delivery.ack()
    await consumer.close()
    await bench.until_depth(queue, 500 - len(had))
    assert had + await bench.bodies(queue) == [b"%d" % number for number in range(500)]


async def test_a_closed_consumer_returns_what_it_had_not_settled(bench: Bench) -> None:
    queue = await bench.queue()
    await bench.publish("", queue, *[b"%d" % number for number in range(6)])
    seen: list[Delivery] = []
    consumer = await bench.broker.consume(queue, seen.append, prefetch=4)
    await bench.eventually(lambda: len(seen) == 4)
    seen[1].ack()
    await bench.eventually(lambda: len(seen) == 5)
    await consumer.close()
    await consumer.close()
    seen[0].ack()  # taken back already: no error, no effect
    await bench.until_depth(queue, 5)
    again = await bench.drain(queue)
    assert bodies_of(again) == [b"0", b"2", b"3", b"4", b"5"]
    assert [each.redelivered for each in again] == [True, True, True, True, False]


async def test_acks_given_before_close_count(bench: Bench) -> None:
    queue = await bench.queue()
    await bench.publish("", queue, b"1", b"2", b"3")
    seen: list[Delivery] = []
    consumer = await bench.broker.consume(queue, seen.append, prefetch=10)
    await bench.eventually(lambda: len(seen) == 3)
    for delivery in seen:
        delivery.ack()
    await consumer.close()
    assert (await bench.broker.depth(queue)).consumers == 0
    assert await bench.bodies(queue) == []


async def test_a_consumer_is_told_when_its_queue_is_deleted(bench: Bench) -> None:
    queue, other = await bench.queue("gone"), await bench.queue("stays")
    await bench.publish("", queue, b"in hand")
    seen: list[Delivery] = []
    lost: list[str] = []
    consumer = await bench.broker.consume(queue, seen.append, prefetch=1, on_lost=lambda: lost.append("gone"))
    kept = await bench.broker.consume(other, seen.append, prefetch=1, on_lost=lambda: lost.append("stays"))
    await bench.eventually(lambda: len(seen) == 1)
    await bench.engine.delete_queue(queue)
    await bench.eventually(lambda: bool(lost))
    seen[0].ack()
    await consumer.cancel()
    await consumer.close()
    await bench.publish("", other, b"still served")
    await bench.eventually(lambda: len(seen) == 2)
    await kept.close()
    assert lost == ["gone"]


async def test_a_consumer_that_was_closed_is_not_told_of_a_loss(bench: Bench) -> None:
    queue = await bench.queue()
    lost: list[str] = []
    consumer = await bench.broker.consume(queue, lambda _: None, prefetch=1, on_lost=lambda: lost.append("gone"))
    await consumer.close()
    cancelled = await bench.broker.consume(queue, lambda _: None, prefetch=1, on_lost=lambda: lost.append("gone"))
    await cancelled.cancel()
    await bench.engine.delete_queue(queue)
    await bench.broker.ping()
    await asyncio.sleep(0)
    assert lost == []


async def test_get_takes_one_message_or_none(bench: Bench) -> None:
    queue = await bench.queue()
    assert await bench.broker.get(queue) is None
    await bench.broker.publish("", queue, Message(b"1", message_id="one", headers={"a": 1}))
    await bench.publish("", queue, b"2")
    delivery = await bench.next_of(queue)
    assert (delivery.message.body, delivery.message.message_id, delivery.message.headers) == (b"1", "one", {"a": 1})
    assert (delivery.queue, delivery.exchange, delivery.routing_key) == (queue, "", queue)
    assert await bench.depth(queue) == 1
    delivery.ack()
    with pytest.raises(RuntimeError, match="settled before"):
        delivery.ack()
    assert await bench.bodies(queue) == [b"2"]


async def test_depth_counts_ready_messages_and_consumers(bench: Bench) -> None:
    queue = await bench.queue()
    await bench.publish("", queue, b"1", b"2", b"3")
    held = await bench.next_of(queue)
    depth = await bench.broker.depth(queue)
    assert (depth.messages, depth.consumers) == (2, 0)
    seen: list[Delivery] = []
    consumer = await bench.broker.consume(queue, seen.append, prefetch=1)
    await bench.until_depth(queue, 1)
    assert (await bench.broker.depth(queue)).consumers == 1
    held.ack()
    await consumer.close()


async def test_purge_removes_what_is_ready_and_says_how_many(bench: Bench) -> None:
    queue = await bench.queue()
    await bench.publish("", queue, b"1", b"2", b"3")
    held = await bench.next_of(queue)
    assert await bench.broker.purge(queue) == 2
    assert await bench.broker.purge(queue) == 0
    held.reject(requeue=True)
    await bench.until_depth(queue, 1)


async def test_a_queue_that_is_not_there_is_named(bench: Bench) -> None:
    missing = bench.name("missing")
    queue = await bench.queue()
    await bench.publish("", queue, b"held", b"left")
    held = await bench.next_of(queue)
    lost: list[str] = []
    for call in (
        bench.broker.get(missing),
        bench.broker.depth(missing),
        bench.broker.purge(missing),
        bench.broker.consume(missing, lambda _: None, prefetch=1, on_lost=lambda: lost.append("lost")),
    ):
        with pytest.raises(NoSuchQueue, match="missing"):
            await call
    held.ack()
    assert await bench.bodies(queue) == [b"left"]
    assert lost == []  # it was never there


async def test_messages_that_single_gets_hold_come_back_on_close(bench: Bench) -> None:
    queue = await bench.queue()
    await bench.publish("", queue, b"1", b"2")
    held = await bench.next_of(queue)
    await bench.broker.close()
    held.ack()  # taken back already: no error, no effect
    await bench.broker.connect()
    again = await bench.drain(queue)
    assert [(each.message.body, each.redelivered) for each in again] == [(b"1", True), (b"2", False)]


async def test_a_failing_consumer_callback_stops_nothing(bench: Bench) -> None:
    queue = await bench.queue()
    seen: list[bytes] = []
    failures: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(str(context["exception"])))

    def fail_once(delivery: Delivery) -> None:
        seen.append(delivery.message.body)
        delivery.ack()
        if len(seen) == 1:
            raise ValueError("the callback's own fault")

    consumer = await bench.broker.consume(queue, fail_once, prefetch=10)
    await bench.publish("", queue, b"1", b"2", b"3")
    await bench.eventually(lambda: len(seen) == 3)
    await consumer.close()
    assert failures == ["the callback's own fault"]


async def test_many_consumers_on_many_queues_keep_apart(bench: Bench) -> None:
    queues = [await bench.queue(f"work.{number}") for number in range(12)]
    seen: dict[str, list[bytes]] = {queue: [] for queue in queues}

    def take(delivery: Delivery) -> None:
        seen[delivery.queue].append(delivery.message.body)
        delivery.ack()

    consumers = [await bench.broker.consume(queue, take, prefetch=5) for queue in queues]
    expected = {queue: [b"%s:%d" % (queue.encode(), number) for number in range(30)] for queue in queues}
    await asyncio.gather(*[bench.publish("", queue, *bodies) for queue, bodies in expected.items()])
    await bench.eventually(lambda: seen == expected)
    await asyncio.gather(*[consumer.close() for consumer in consumers])
    assert [await bench.depth(queue) for queue in queues] == [0] * 12


@pytest.mark.parametrize("queue_type", ["classic", "quorum"])
async def test_what_the_single_active_consumer_had_comes_first_to_the_next_one(bench: Bench, queue_type: str) -> None:
    queue = await bench.queue(single_active_consumer=True, queue_type=queue_type)
    first: list[Delivery] = []
    second: list[Delivery] = []
    active = await bench.broker.consume(queue, first.append, prefetch=4)
    waiting = await bench.broker.consume(queue, second.append, prefetch=2)
    await bench.publish("", queue, *[b"%d" % number for number in range(9)])
    await bench.eventually(lambda: len(first) == 4)
    first[0].ack()
    first[2].ack()
    await bench.eventually(lambda: len(first) == 6)
    await active.close()
    seen: list[bytes] = []

    def all_came() -> bool:
        while second:
            delivery = second.pop(0)
            seen.append(delivery.message.body)
            delivery.ack()
        return len(seen) == 7

    await bench.eventually(all_came)
    assert seen == [b"1", b"3", b"4", b"5", b"6", b"7", b"8"]
    await waiting.close()
