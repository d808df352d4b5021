"""Dead letters, TTLs and the retry ladder, the same on every engine."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.broker.port import Delivery
from pipeline.messages.message import Message

if TYPE_CHECKING:
    from tests.conformance.broker.conftest import Bench

TTL_MS = 150
AFTER_S = 0.2


def to_default(queue: str, **more: Any) -> dict[str, Any]:
    """A policy that dead-letters straight to a queue."""
    return {"dead-letter-exchange": "", "dead-letter-routing-key": queue, **more}


def death(delivery: Delivery) -> dict[str, Any]:
    """The latest death, its time checked and left out."""
    latest = dict(delivery.message.headers["x-death"][0])
    assert isinstance(latest.pop("time"), datetime)
    return latest


async def test_a_rejected_delivery_reaches_the_dead_letter_queue_with_its_reason(bench: Bench) -> None:
    exchange, dead = await bench.exchange("topic"), await bench.queue("work.dlq")
    queue = await bench.queue("work", policy=to_default(dead))
    await bench.bind(exchange, queue, "file.*")
    await bench.broker.publish(exchange, "file.created", Message(b"bad", message_id="id", headers={"x-own": "kept"}))
    (await bench.next_of(queue)).reject()
    found = await bench.next_of(dead)
    assert (found.exchange, found.routing_key, found.redelivered) == ("", dead, False)
    assert (found.message.body, found.message.message_id) == (b"bad", "id")
    headers = dict(found.message.headers)
    assert death(found) == {
        "count": 1,
        "reason": "rejected",
        "queue": queue,
        "exchange": exchange,
        "routing-keys": ["file.created"],
    }
    assert headers["x-own"] == "kept"
    assert headers["x-first-death-reason"] == "rejected"
    assert headers["x-first-death-queue"] == queue
    assert headers["x-first-death-exchange"] == exchange


async def test_a_dead_letter_exchange_routes_by_the_original_key(bench: Bench) -> None:
    dlx, dead, other = await bench.exchange("topic", "dlx"), await bench.queue("dead"), await bench.queue("other")
    exchange = await bench.exchange("direct")
    queue = await bench.queue("work", policy={"dead-letter-exchange": dlx})
    await bench.bind(exchange, queue, "file.created")
    await bench.bind(dlx, dead, "file.*")
    await bench.bind(dlx, other, "other.*")
    await bench.publish(exchange, "file.created", b"bad")
    (await bench.next_of(queue)).reject()
    found = await bench.next_of(dead)
    assert (found.exchange, found.routing_key) == (dlx, "file.created")
    assert await bench.depth(other) == 0


async def test_a_dead_letter_exchange_that_is_missing_drops_the_message(bench: Bench) -> None:
    queue = await bench.queue("work", policy={"dead-letter-exchange": bench.name("missing")})
    await bench.publish("", queue, b"1", b"2")
    (await bench.next_of(queue)).reject()
    assert await bench.bodies(queue) == [b"2"]


async def test_dead_letter_settings_may_be_arguments_and_win_over_the_policy(bench: Bench) -> None:
    dead, other = await bench.queue("dead"), await bench.queue("other")
    queue = await bench.queue("work", policy=to_default(other), dead_letter_exchange="", dead_letter_routing_key=dead)
    await bench.publish("", queue, b"bad")
    (await bench.next_of(queue)).reject()
    assert (await bench.next_of(dead)).message.body == b"bad"
    assert await bench.depth(other) == 0


async def test_a_message_expires_after_the_queues_ttl(bench: Bench) -> None:
    dead = await bench.queue("dead")
    queue = await bench.queue("work", policy=to_default(dead, **{"message-ttl": TTL_MS}))
    await bench.publish("", queue, b"1", b"2")
    await bench.engine.pass_time(AFTER_S)
    await bench.until_depth(dead, 2)
    assert await bench.depth(queue) == 0
    first, second = await bench.drain(dead)
    assert (first.message.body, second.message.body) == (b"1", b"2")
    assert death(first)["reason"] == "expired"
    assert first.message.headers["x-first-death-reason"] == "expired"


async def test_a_message_expires_after_its_own_ttl_and_leaves_it_behind(bench: Bench) -> None:
    dead = await bench.queue("dead")
    queue = await bench.queue("work", policy=to_default(dead, **{"message-ttl": 3_600_000}))
    await bench.broker.publish("", queue, Message(b"short", expiration_ms=TTL_MS))
    await bench.engine.pass_time(AFTER_S)
    found = await bench.next_of(dead)
    assert found.message.expiration_ms is None
    assert death(found)["original-expiration"] == str(TTL_MS)


async def test_the_queues_ttl_counts_where_it_is_shorter_than_the_messages(bench: Bench) -> None:
    dead = await bench.queue("dead")
    queue = await bench.queue("work", policy=to_default(dead, **{"message-ttl": TTL_MS}))
    await bench.broker.publish("", queue, Message(b"long", expiration_ms=3_600_000))
    await bench.engine.pass_time(AFTER_S)
    assert (await bench.next_of(dead)).message.body == b"long"


async def test_the_lower_of_two_ttls_counts(bench: Bench) -> None:
    dead = await bench.queue("dead")
    queue = await bench.queue("work", policy=to_default(dead, **{"message-ttl": TTL_MS}), message_ttl=3_600_000)
    await bench.publish("", queue, b"body")
    await bench.engine.pass_time(AFTER_S)
    assert (await bench.next_of(dead)).message.body == b"body"


async def test_a_message_behind_one_that_lasts_expires_only_at_the_head(bench: Bench) -> None:
    dead = await bench.queue("dead")
    queue = await bench.queue("work", policy=to_default(dead))
    marker = await bench.queue("marker", policy=to_default(dead))
    await bench.publish("", queue, b"lasting")
    await bench.broker.publish("", queue, Message(b"short", expiration_ms=TTL_MS))
    await bench.broker.publish("", marker, Message(b"marker", expiration_ms=TTL_MS))
    await bench.engine.pass_time(AFTER_S)
    assert (await bench.next_of(dead)).message.body == b"marker"
    assert await bench.depth(queue) == 2
    held = await bench.next_of(queue)
    assert held.message.body == b"lasting"
    assert (await bench.next_of(dead)).message.body == b"short"


async def test_a_message_in_hand_does_not_expire_but_does_once_it_is_back(bench: Bench) -> None:
    dead = await bench.queue("dead")
    queue = await bench.queue("work", policy=to_default(dead, **{"message-ttl": TTL_MS}))
    await bench.publish("", queue, b"held", b"waiting")
    held = await bench.next_of(queue)
    await bench.engine.pass_time(AFTER_S)
    assert (await bench.next_of(dead)).message.body == b"waiting"
    held.reject(requeue=True)
    assert (await bench.next_of(dead)).message.body == b"held"


async def test_a_ttl_of_zero_means_now_or_never(bench: Bench) -> None:
    dead = await bench.queue("dead")
    queue = await bench.queue("work", policy=to_default(dead, **{"message-ttl": 0}))
    await bench.publish("", queue, b"nobody there")
    assert (await bench.next_of(dead)).message.body == b"nobody there"
    seen: list[Delivery] = []
    consumer = await bench.broker.consume(queue, seen.append, prefetch=10)
    await bench.publish("", queue, b"at once")
    await bench.eventually(lambda: len(seen) == 1)
    seen[0].ack()
    await consumer.close()


async def test_deaths_are_counted_by_queue_and_reason_the_latest_first(bench: Bench) -> None:
    parked = bench.name("parked")
    queue = await bench.queue("work", policy=to_default(parked))
    assert await bench.queue("parked", policy=to_default(queue)) == parked
    await bench.publish("", queue, b"round and round")
    for _ in range(3):
        (await bench.next_of(queue)).reject()
        (await bench.next_of(parked)).reject()
    found = await bench.next_of(queue)
    deaths = [(each["queue"], each["reason"], each["count"]) for each in found.message.headers["x-death"]]
    assert deaths == [(parked, "rejected", 3), (queue, "rejected", 3)]
    assert found.message.headers["x-first-death-queue"] == queue


async def test_a_cycle_without_a_rejection_is_broken(bench: Bench) -> None:
    other = bench.name("other")
    queue = await bench.queue("work", policy=to_default(other, **{"message-ttl": TTL_MS}))
    assert await bench.queue("other", policy=to_default(queue, **{"message-ttl": TTL_MS})) == other
    dead = await bench.queue("dead")
    marker = await bench.queue("marker", policy=to_default(dead, **{"message-ttl": 3 * TTL_MS}))
    await bench.publish("", queue, b"circling")
    await bench.publish("", marker, b"marker")
    await bench.engine.pass_time(4 * AFTER_S)
    assert (await bench.next_of(dead)).message.body == b"marker"
    assert (await bench.depth(queue), await bench.depth(other)) == (0, 0)


async def test_a_cycle_with_a_rejection_goes_on(bench: Bench) -> None:
    waiting = bench.name("waiting")
    queue = await bench.queue("work", policy=to_default(waiting))
    assert await bench.queue("waiting", policy=to_default(queue, **{"message-ttl": TTL_MS})) == waiting
    await bench.publish("", queue, b"again")
    for rejections in (1, 2, 3):
        (await bench.next_of(queue)).reject()
        await bench.until_depth(waiting, 1)
        await bench.engine.pass_time(AFTER_S)
        found = await bench.next_of(queue)
        deaths = {(each["queue"], each["reason"]): each["count"] for each in found.message.headers["x-death"]}
        assert deaths == {(queue, "rejected"): rejections, (waiting, "expired"): rejections}
        found.reject(requeue=True)


async def test_a_message_comes_back_from_the_retry_ladder_to_its_queue(bench: Bench) -> None:
    tier = await bench.exchange("fanout", "retry")
    waiting = await bench.queue("retry", policy={"message-ttl": TTL_MS, "dead-letter-exchange": ""})
    queue, other = await bench.queue("work", max_priority=10), await bench.queue("other")
    await bench.bind(tier, waiting)
    message = Message(b"flaky", message_id="id", priority=7, headers={"x-attempt": 0})
    await bench.broker.publish("", queue, message)
    for attempt in (1, 2, 3):
        delivery = await bench.next_of(queue)
        kept = {key: value for key, value in delivery.message.headers.items() if not key.startswith("x-death")}
        again = replace(delivery.message, headers={**kept, "x-attempt": attempt, "x-first-death-queue": "ours"})
        await bench.broker.publish(tier, queue, again)
        delivery.ack()
        await bench.until_depth(waiting, 1)
        await bench.engine.pass_time(AFTER_S)
    found = await bench.next_of(queue)
    assert (found.exchange, found.routing_key) == ("", queue)
    assert (found.message.body, found.message.message_id, found.message.priority) == (b"flaky", "id", 7)
    assert found.message.headers["x-attempt"] == 3
    assert death(found)["count"] == 1
    assert await bench.depth(other) == 0


@pytest.mark.parametrize("bodies", [1, 50])
async def test_a_closed_consumers_messages_are_not_dead_letters(bench: Bench, bodies: int) -> None:
    dead = await bench.queue("dead")
    queue = await bench.queue("work", policy=to_default(dead))
    await bench.publish("", queue, *[b"%d" % number for number in range(bodies)])
    seen: list[Delivery] = []
    consumer = await bench.broker.consume(queue, seen.append, prefetch=100)
    await bench.eventually(lambda: len(seen) == bodies)
    await consumer.close()
    await bench.until_depth(queue, bodies)
    assert await bench.depth(dead) == 0
