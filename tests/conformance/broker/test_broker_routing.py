"""Exchanges and bindings, the same on every engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pipeline.errors import Unroutable
from pipeline.messages.message import Message
from pipeline.topology.definitions import Definitions, PolicyDefinition, exactly

if TYPE_CHECKING:
    from tests.conformance.broker.conftest import Bench


async def test_the_default_exchange_reaches_a_queue_by_its_name(bench: Bench) -> None:
    queue, other = await bench.queue("one"), await bench.queue("two")
    await bench.publish("", queue, b"body")
    delivery = await bench.next_of(queue)
    assert (delivery.exchange, delivery.routing_key, delivery.queue) == ("", queue, queue)
    assert await bench.depth(other) == 0


async def test_a_direct_exchange_compares_the_whole_key(bench: Bench) -> None:
    exchange, queue = await bench.exchange("direct"), await bench.queue()
    await bench.bind(exchange, queue, "cue.generation")
    await bench.publish(exchange, "cue.generation", b"yes")
    for key in ("cue", "cue.generation.batch", "cue.*", ""):
        with pytest.raises(Unroutable):
            await bench.publish(exchange, key, b"no")
    assert await bench.bodies(queue) == [b"yes"]


async def test_a_fanout_exchange_reaches_every_queue(bench: Bench) -> None:
    exchange = await bench.exchange("fanout")
    queues = [await bench.queue(name) for name in ("one", "two", "three")]
    for number, queue in enumerate(queues):
        await bench.bind(exchange, queue, f"ignored.{number}")
    await bench.publish(exchange, "any.key", b"body")
    assert [await bench.bodies(queue) for queue in queues] == [[b"body"]] * 3


async def test_a_queue_bound_twice_gets_the_message_once(bench: Bench) -> None:
    exchange, queue = await bench.exchange("topic"), await bench.queue()
    await bench.bind(exchange, queue, "file.#")
    await bench.bind(exchange, queue, "*.created")
    await bench.publish(exchange, "file.created", b"once")
    assert await bench.bodies(queue) == [b"once"]


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("file.created", ["file.created"], ["file", "file.created.now", "file.moved", ""]),
        ("file.*", ["file.created", "file."], ["file", "file.a.b", ".file", "other.created"]),
        ("*.created", ["file.created", ".created"], ["created", "a.b.created"]),
        ("file.#", ["file", "file.created", "file.a.b.c", "file."], ["files", "a.file", ""]),
        ("#.created", ["created", "file.created", "a.b.created"], ["created.now", "file.moved"]),
        ("#", ["", "a", "a.b", "."], []),
        ("*", ["a", "#"], ["", "a.b"]),
        ("a.#.b", ["a.b", "a.x.b", "a.x.y.b"], ["a", "b", "a.b.c", "ab"]),
        ("a.*.#", ["a.b", "a.b.c"], ["a", "b.a"]),
        ("#.a.#.a.#", ["a.a", "a.x.a", "x.a.a.x"], ["a", "a.b", "x"]),
        ("*.*", ["a.b", "."], ["a", "a.b.c", ""]),
        ("a..b", ["a..b"], ["a.b", "a.x.b"]),
        ("file.cre*", ["file.cre*"], ["file.created"]),
    ],
)
async def test_a_topic_pattern_takes_the_keys_it_should(
    bench: Bench, pattern: str, matching: list[str], other: list[str]
) -> None:
    exchange, queue = await bench.exchange("topic"), await bench.queue()
    await bench.bind(exchange, queue, pattern)
    reached = []
    for key in [*matching, *other]:
        try:
            await bench.publish(exchange, key, b"")
        except Unroutable:
            continue
        reached.append(key)
    assert reached == matching


@pytest.mark.parametrize(
    ("arguments", "matching", "other"),
    [
        (
            {"x-match": "all", "format": "flac", "hd": True},
            [{"format": "flac", "hd": True, "more": 1}],
            [{"format": "flac"}, {}],
        ),
        ({"format": "flac"}, [{"format": "flac"}], [{"format": "mp3"}, {}]),
        (
            {"x-match": "any", "format": "flac", "bits": 24},
            [{"bits": 24}, {"format": "flac", "bits": 16}],
            [{"bits": 16}, {}],
        ),
        # Whether 1.0 is 1 depends on RabbitMQ's version: it was up to 3.13, and is not since 4.0.
        ({"x-match": "all", "rate": 1}, [{"rate": 1}], [{"rate": True}, {"rate": "1"}, {"rate": 2}]),
        ({"x-match": "all", "x-own": "a", "format": "flac"}, [{"format": "flac"}], [{"x-own": "a"}]),
        ({"x-match": "all"}, [{}, {"a": 1}], []),
        ({"x-match": "any"}, [], [{}, {"a": 1}]),
    ],
    ids=["all", "default", "any", "types", "x-ignored", "all-of-nothing", "any-of-nothing"],
)
async def test_a_headers_binding_takes_the_messages_it_should(
    bench: Bench, arguments: dict[str, Any], matching: list[dict[str, Any]], other: list[dict[str, Any]]
) -> None:
    exchange, queue = await bench.exchange("headers"), await bench.queue()
    await bench.bind_to("queue", exchange, queue, "ignored", arguments)
    reached = []
    for headers in [*matching, *other]:
        try:
            await bench.broker.publish(exchange, "any", Message(b"", headers=headers))
        except Unroutable:
            continue
        reached.append(headers)
    assert reached == matching


async def test_the_same_key_with_other_headers_is_routed_anew(bench: Bench) -> None:
    exchange = await bench.exchange("headers")
    flac, mp3 = await bench.queue("flac"), await bench.queue("mp3")
    await bench.bind_to("queue", exchange, flac, "", {"x-match": "all", "format": "flac"})
    await bench.bind_to("queue", exchange, mp3, "", {"x-match": "all", "format": "mp3"})
    for kind in ("flac", "mp3", "mp3"):
        await bench.broker.publish(exchange, "key", Message(b"", headers={"format": kind}))
    assert (await bench.depth(flac), await bench.depth(mp3)) == (1, 2)


async def test_a_message_passes_from_exchange_to_exchange(bench: Bench) -> None:
    old, events = await bench.exchange("topic", "old"), await bench.exchange("topic", "events")
    queue = await bench.queue()
    await bench.bind_exchange(old, events, "#")
    await bench.bind(events, queue, "analysis.*")
    await bench.publish(old, "analysis.request", b"body")
    delivery = await bench.next_of(queue)
    assert (delivery.exchange, delivery.routing_key) == (old, "analysis.request")
    with pytest.raises(Unroutable):
        await bench.publish(old, "other.request", b"")


async def test_exchanges_bound_in_a_circle_deliver_once(bench: Bench) -> None:
    one, two = await bench.exchange("fanout", "one"), await bench.exchange("fanout", "two")
    queue = await bench.queue()
    await bench.bind_exchange(one, two)
    await bench.bind_exchange(two, one)
    await bench.bind(one, queue)
    await bench.bind(two, queue)
    await bench.publish(one, "", b"once")
    assert await bench.bodies(queue) == [b"once"]


async def test_an_alternate_exchange_gets_what_no_binding_takes(bench: Bench) -> None:
    spare = await bench.exchange("fanout", "spare")
    exchange = await bench.exchange("topic", "events", alternate_exchange=spare)
    queue, unrouted = await bench.queue("work"), await bench.queue("unrouted")
    await bench.bind(exchange, queue, "known")
    await bench.bind(spare, unrouted)
    await bench.publish(exchange, "known", b"routed")
    await bench.publish(exchange, "unknown", b"left over")
    assert await bench.bodies(queue) == [b"routed"]
    left = await bench.next_of(unrouted)
    assert (left.message.body, left.exchange, left.routing_key) == (b"left over", exchange, "unknown")


async def test_an_alternate_exchange_may_come_from_a_policy(bench: Bench) -> None:
    exchange, spare = bench.name("events"), await bench.exchange("fanout", "spare")
    policy = PolicyDefinition(exchange, exactly(exchange), {"alternate-exchange": spare}, apply_to="exchanges")
    await bench.engine.declare(Definitions(policies=(policy,)))
    assert await bench.exchange("direct", "events") == exchange
    unrouted = await bench.queue("unrouted")
    await bench.bind(spare, unrouted)
    await bench.publish(exchange, "unknown", b"left over")
    assert await bench.bodies(unrouted) == [b"left over"]


async def test_an_alternate_exchange_that_is_missing_leaves_a_message_unroutable(bench: Bench) -> None:
    exchange = await bench.exchange("direct", "events", alternate_exchange=bench.name("missing"))
    with pytest.raises(Unroutable):
        await bench.publish(exchange, "unknown", b"")
