"""Looking at dead letters and replaying them, on the embedded engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from unittest.mock import AsyncMock

import pytest

from pipeline.broker.embedded import EmbeddedBroker
from pipeline.broker.port import Broker
from pipeline.clock import ManualClock
from pipeline.dlq.inspect import peek
from pipeline.dlq.letter import DeadLetter
from pipeline.dlq.queues import DeadLetterDepth, DeadLetterQueue, dead_letter_queues, depths, find_queue
from pipeline.dlq.reading import reading
from pipeline.dlq.replay import replay
from pipeline.dlq.selection import Selection
from pipeline.errors import NotConfirmed, PipelineError, Unreachable
from pipeline.messages.message import (
    ATTEMPT,
    ERROR_CLASS,
    ERROR_CODE,
    ERROR_MESSAGE,
    ERROR_STAGE,
    FAILED_AT,
    MESSAGE_NAME,
    ORIGINAL_EXCHANGE,
    ORIGINAL_ROUTING_KEY,
    REPLAYED_AT,
    Message,
)
from pipeline.topology.definitions import (
    BindingDefinition,
    Definitions,
    ExchangeDefinition,
    PolicyDefinition,
    QueueDefinition,
)
from pipeline.topology.model import Topology

_WORK = DeadLetterQueue("work.dlq", "work")
_TOPOLOGY = Topology.model_validate(
    {
        "version": 1,
        "name": "test",
        "exchanges": {"events": {"type": "topic"}},
        "queues": {
            "work": {},
            "renamed": {"name": "broker_name"},
            "none": {"dead_letter": False},
            "elsewhere": {"dead_letter": {"exchange": "events"}},
        },
    }
)
_DEFINITIONS = Definitions(
    exchanges=(ExchangeDefinition("events", "topic"),),
    queues=(QueueDefinition("work"), QueueDefinition("work.dlq")),
    bindings=(BindingDefinition("events", "work", "queue", "file.#"),),
    policies=(
        PolicyDefinition(
            "work",
            "^work$",
            {"message-ttl": 1000, "dead-letter-exchange": "", "dead-letter-routing-key": "work.dlq"},
        ),
    ),
)
_FAILED = {
    "CC": ["elsewhere"],
    MESSAGE_NAME: "file.analyze",
    ORIGINAL_EXCHANGE: "events",
    ORIGINAL_ROUTING_KEY: "file.analyze",
    ATTEMPT: 4,
    ERROR_CODE: "DECODE_ERROR",
    ERROR_CLASS: "Permanent",
    ERROR_MESSAGE: "not audio\x1b[2J\nat all",
    ERROR_STAGE: "analysis",
    FAILED_AT: "2024-05-06T07:08:09.5Z",
    "traceparent": "00-1-2-01",
}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def broker(clock: ManualClock) -> AsyncIterator[EmbeddedBroker]:
    engine = EmbeddedBroker(_DEFINITIONS, clock)
    await engine.connect()
    yield engine
    await engine.close()


async def _bury(broker: Broker, *ids: str, **headers: Any) -> None:
    """Messages in the dead-letter queue as a worker puts them there."""
    for each in ids:
        await broker.publish(
            "", "work.dlq", Message(b"{}" + each.encode(), message_id=each, headers={**_FAILED, **headers})
        )


async def _ids(broker: Broker, queue: str) -> list[str | None]:
    """Ids of what waits, by taking it all out."""
    found = []
    while delivery := await broker.get(queue):
        found.append(delivery.message.message_id)
        delivery.ack()
    return found


def _shown(letters: list[DeadLetter]) -> list[str | None]:
    return [letter.message_id for letter in letters]


def test_every_queue_with_a_dead_letter_queue_of_ours_is_known_by_its_broker_name() -> None:
    assert dead_letter_queues(_TOPOLOGY) == (
        DeadLetterQueue("broker_name.dlq", "broker_name"),
        DeadLetterQueue("work.dlq", "work"),
    )
    assert find_queue(_TOPOLOGY, "work") == find_queue(_TOPOLOGY, "work.dlq") == _WORK


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(PipelineError, match=r'Did you mean "work\.dlq"'):
        find_queue(_TOPOLOGY, "wrok.dlq")
    with pytest.raises(PipelineError, match="dlq list"):
        find_queue(_TOPOLOGY, "zzzzzz")


async def test_depths_tell_what_waits_and_what_is_not_declared(broker: EmbeddedBroker) -> None:
    await _bury(broker, "a", "b")
    assert await depths(broker, _TOPOLOGY) == (
        DeadLetterDepth(DeadLetterQueue("broker_name.dlq", "broker_name"), None),
        DeadLetterDepth(_WORK, 2),
    )


async def test_an_entry_tells_what_failed_where_and_how_often(broker: EmbeddedBroker) -> None:
    await _bury(broker, "first", "second")
    assert (await peek(broker, _WORK))[1] == DeadLetter(
        position=2,
        message_id="second",
        message="file.analyze",
        error_class="Permanent",
        error_code="DECODE_ERROR",
        error_message="not audio [2J at all",
        stage="analysis",
        attempts=4,
        failed_at=datetime(2024, 5, 6, 7, 8, 9, 500_000, UTC),
        exchange="events",
        routing_key="file.analyze",
        queue="work",
        body_size=8,
    )


async def test_an_expired_message_is_shown_as_expired_with_its_origin(
    broker: EmbeddedBroker, clock: ManualClock
) -> None:
    await broker.publish("events", "file.created", Message(b"123", message_id="late"))
    clock.advance(2)
    (letter,) = await peek(broker, _WORK)
    assert (letter.error_code, letter.exchange, letter.routing_key) == ("EXPIRED", "events", "file.created")
    assert letter.message == "file.created"
    assert letter.attempts is None
    assert letter.failed_at == datetime.fromtimestamp(1_700_000_001, UTC)


async def test_a_retried_message_that_expires_is_shown_as_expired_not_with_its_last_error(
    broker: EmbeddedBroker, clock: ManualClock
) -> None:
    await broker.publish("", "work", Message(b"", message_id="late", headers={**_FAILED, ERROR_CODE: "TIMEOUT"}))
    clock.advance(2)
    (letter,) = await peek(broker, _WORK)
    assert (letter.error_code, letter.message, letter.attempts) == ("EXPIRED", "file.analyze", 4)


async def test_a_rejected_message_without_a_reason_is_shown_as_rejected(broker: EmbeddedBroker) -> None:
    await broker.publish("", "work", Message(b"", message_id=None))
    delivery = await broker.get("work")
    assert delivery is not None
    delivery.reject()
    (letter,) = await peek(broker, _WORK)
    assert (letter.error_code, letter.message_id, letter.message) == ("REJECTED", None, "work")


@pytest.mark.parametrize(
    "headers",
    [
        {FAILED_AT: "yesterday", ATTEMPT: "many", ERROR_MESSAGE: b"\xff\x00", MESSAGE_NAME: 7},
        {"x-death": "odd", ERROR_CODE: None, ERROR_CLASS: None},
        {"x-death": [1, {"reason": None, "routing-keys": "x", "time": 1e300}], FAILED_AT: 1e300},
    ],
)
async def test_foreign_headers_of_any_shape_are_shown_and_replayed(broker: EmbeddedBroker, headers: Any) -> None:
    await _bury(broker, "odd", **headers)
    (letter,) = await peek(broker, _WORK)
    assert letter.failed_at is None or letter.failed_at.year == 2024
    assert all(value.isprintable() for value in vars_of(letter) if isinstance(value, str))
    assert (await replay(broker, _WORK)).replayed == 1


def vars_of(letter: DeadLetter) -> list[Any]:
    return [getattr(letter, name) for name in DeadLetter.__slots__]


async def test_peeking_leaves_the_queue_as_it_was_and_in_its_order(broker: EmbeddedBroker) -> None:
    await _bury(broker, *"abcde")
    assert _shown(await peek(broker, _WORK, Selection(limit=3))) == list("abc")
    assert _shown(await peek(broker, _WORK)) == list("abcde")
    assert (await broker.depth("work.dlq")).messages == 5
    assert await _ids(broker, "work.dlq") == list("abcde")


async def test_peeking_into_an_empty_queue_shows_nothing(broker: EmbeddedBroker) -> None:
    assert await peek(broker, _WORK) == []


async def test_peeking_into_a_queue_that_is_not_declared_says_to_apply(broker: EmbeddedBroker) -> None:
    with pytest.raises(PipelineError, match="pipeline apply"):
        await peek(broker, DeadLetterQueue("none.dlq", "none"))


async def test_a_reader_that_is_cancelled_half_way_leaves_everything(broker: EmbeddedBroker) -> None:
    await _bury(broker, *"abc")
    reached = asyncio.Event()

    async def read_one_and_hang() -> None:
        async with reading(broker, "work.dlq") as found:
            async for _ in found:
                reached.set()
                await asyncio.Event().wait()

    task = asyncio.create_task(read_one_and_hang())
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await _ids(broker, "work.dlq") == list("abc")


async def test_reading_ends_when_somebody_else_takes_the_rest(
    broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.dlq.reading._QUIET_S", 0.02)
    await _bury(broker, *"abc")
    real_depth = broker.depth
    told = []

    async def depth_before_the_others_came(queue: str) -> Any:
        depth = await real_depth(queue)
        told.append(depth)
        return replace(depth, messages=5) if len(told) == 1 else depth

    broker.depth = depth_before_the_others_came  # type: ignore[method-assign]
    assert _shown(await peek(broker, _WORK)) == list("abc")


async def test_a_subscription_lost_while_reading_is_told(broker: EmbeddedBroker) -> None:
    await _bury(broker, "a", "b")
    other = await broker.get("work.dlq")
    assert other is not None
    waiting = await broker.depth("work.dlq")
    broker.depth = AsyncMock(return_value=replace(waiting, messages=2))  # type: ignore[method-assign]

    async def read_and_lose_the_queue() -> None:
        async with reading(broker, "work.dlq") as found:
            async for _ in found:
                broker.model.delete_queue("work.dlq")

    with pytest.raises(Unreachable, match="stopped delivering"):
        await read_and_lose_the_queue()


async def test_a_replayed_message_arrives_as_if_it_had_never_failed(broker: EmbeddedBroker, clock: ManualClock) -> None:
    await _bury(broker, "a")
    result = await replay(broker, _WORK, clock=clock)
    assert (result.replayed, result.kept, result.failed, result.unread) == (1, 0, (), 0)
    assert (await broker.depth("work.dlq")).messages == 0
    delivery = await broker.get("work")
    assert delivery is not None
    assert delivery.message.message_id == "a"
    assert delivery.message.body == b"{}a"
    assert delivery.message.headers == {
        MESSAGE_NAME: "file.analyze",
        ORIGINAL_EXCHANGE: "events",
        ORIGINAL_ROUTING_KEY: "file.analyze",
        "traceparent": "00-1-2-01",
        REPLAYED_AT: "2023-11-14T22:13:20.000+00:00",
    }


async def test_a_replayed_foreign_message_keeps_where_it_was_first_published(
    broker: EmbeddedBroker, clock: ManualClock
) -> None:
    await broker.publish("events", "file.created", Message(b"", message_id="late", priority=3, expiration_ms=500))
    clock.advance(2)
    assert (await replay(broker, _WORK, Selection(error_code="EXPIRED"), clock=clock)).replayed == 1
    delivery = await broker.get("work")
    assert delivery is not None
    assert delivery.message.expiration_ms is None
    assert delivery.message.priority == 3
    assert set(delivery.message.headers) == {ORIGINAL_EXCHANGE, ORIGINAL_ROUTING_KEY, REPLAYED_AT}
    assert delivery.message.headers[ORIGINAL_ROUTING_KEY] == "file.created"


async def test_a_replayed_message_no_longer_carries_a_time_to_live_of_its_own(broker: EmbeddedBroker) -> None:
    await broker.publish("", "work.dlq", Message(b"", message_id="a", expiration_ms=3_600_000))
    assert (await replay(broker, _WORK)).replayed == 1
    delivery = await broker.get("work")
    assert delivery is not None
    assert delivery.message.expiration_ms is None


async def test_what_does_not_match_stays_in_its_order(broker: EmbeddedBroker) -> None:
    await _bury(broker, "a", "b", "c")
    await _bury(broker, "d", **{ERROR_CODE: "TIMEOUT"})
    by_id = await replay(broker, _WORK, Selection(message_ids=["b", "nowhere"]))
    assert (by_id.replayed, by_id.kept, by_id.not_found) == (1, 3, ("nowhere",))
    by_code = await replay(broker, _WORK, Selection(error_code="TIMEOUT"))
    assert (by_code.replayed, by_code.kept) == (1, 2)
    both = await replay(broker, _WORK, Selection(message_ids=["a"], error_code="TIMEOUT"))
    assert (both.replayed, both.kept) == (0, 2)
    assert await _ids(broker, "work") == ["b", "d"]
    assert await _ids(broker, "work.dlq") == ["a", "c"]


async def test_a_limit_replays_the_oldest_and_tells_how_many_were_not_read(broker: EmbeddedBroker) -> None:
    await _bury(broker, *(str(number) for number in range(250)))
    result = await replay(broker, _WORK, Selection(limit=120))
    assert (result.replayed, result.kept, result.unread) == (120, 0, 130)
    assert await _ids(broker, "work") == [str(number) for number in range(120)]
    assert await _ids(broker, "work.dlq") == [str(number) for number in range(120, 250)]


async def test_a_message_that_fails_again_at_once_is_replayed_only_once(broker: EmbeddedBroker) -> None:
    await _bury(broker, "a", "b")
    failures = []
    both = asyncio.Event()

    def fail(delivery: Any) -> None:
        failures.append(delivery.message.message_id)
        delivery.reject()
        if len(failures) == 2:
            both.set()

    consumer = await broker.consume("work", fail, prefetch=1)
    assert (await replay(broker, _WORK)).replayed == 2
    await both.wait()
    await consumer.close()
    assert failures == ["a", "b"]
    assert (await broker.depth("work.dlq")).messages == 2


async def test_a_message_that_the_broker_does_not_take_stays_with_its_reason(broker: EmbeddedBroker) -> None:
    await _bury(broker, "a", "b", "c")
    real_publish = broker.publish

    def publish(exchange: str, routing_key: str, message: Message) -> Awaitable[None]:
        if message.message_id != "b":
            return real_publish(exchange, routing_key, message)
        refused: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        refused.set_exception(NotConfirmed("the queue is full"))
        return refused

    broker.publish = publish  # type: ignore[method-assign]
    result = await replay(broker, _WORK)
    assert result.replayed == 2
    assert [(letter.message_id, reason) for letter, reason in result.failed] == [("b", "the queue is full")]
    assert await _ids(broker, "work.dlq") == ["b"]


async def test_a_message_whose_headers_can_not_be_sent_again_stays_and_the_rest_goes_on(broker: EmbeddedBroker) -> None:
    await _bury(broker, "a", "b")
    real_publish = broker.publish

    def publish(exchange: str, routing_key: str, message: Message) -> Awaitable[None]:
        if message.message_id == "a":
            raise ValueError("the headers do not fit into a frame")
        return real_publish(exchange, routing_key, message)

    broker.publish = publish  # type: ignore[method-assign]
    result = await replay(broker, _WORK)
    assert result.replayed == 1
    assert "do not fit into a frame" in result.failed[0][1]
    assert await _ids(broker, "work.dlq") == ["a"]


async def test_a_replay_to_a_queue_that_is_gone_touches_nothing(broker: EmbeddedBroker) -> None:
    await _bury(broker, "a")
    with pytest.raises(PipelineError, match='"gone" is not declared'):
        await replay(broker, DeadLetterQueue("work.dlq", "gone"))
    assert await _ids(broker, "work.dlq") == ["a"]
