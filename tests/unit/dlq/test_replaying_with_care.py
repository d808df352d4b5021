"""Replays that validate first, go slowly, or only say what they would do; and queues larger than a consumer holds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.clock import ManualClock
from pipeline.dlq.inspect import peek
from pipeline.dlq.pace import Pace, parse_rate
from pipeline.dlq.reading import reading
from pipeline.dlq.replay import Replayed, replay
from pipeline.dlq.selection import Selection
from pipeline.errors import NotConfirmed, PipelineError
from pipeline.messages.message import ERROR_CODE, MESSAGE_NAME, Message

if TYPE_CHECKING:
    from tests.unit.dlq.conftest import Shop


async def _while_time_passes(shop: Shop, replaying: asyncio.Task[Replayed], step_s: float) -> list[tuple[float, int]]:
    """Seconds since the start, and how many were in their queue by then, until the replay is done."""
    seen = []
    began = shop.clock.time()
    while not replaying.done():
        for _ in range(20):
            await asyncio.sleep(0)
        seen.append((shop.clock.time() - began, (await shop.broker.depth("orders")).messages))
        shop.clock.advance(step_s)
    return seen


async def test_what_would_fail_again_stays_with_the_reason(shop: Shop) -> None:
    await shop.bury("good", "fine")
    await shop.bury("bad", body={"items": [{"name": "secret name", "count": "many"}]})
    await shop.bury("other", **{MESSAGE_NAME: "order.unheard"})
    result = await replay(shop.broker, shop.queue, validate=shop.accepts)
    assert (result.replayed, result.kept, result.failed) == (2, 0, ())
    bad, other = [refusal for _, refusal in result.refused]
    assert [field for field, _ in bad.fields] == ["order_id", "items.0.count"]
    assert "secret" not in bad.reason
    assert "No stage takes 'order.unheard' from orders" in other.reason
    assert await shop.ids("orders.dlq") == ["bad", "other"]


async def test_all_are_sent_where_nobody_validates(shop: Shop) -> None:
    await shop.bury("bad", body={})
    assert (await replay(shop.broker, shop.queue)).replayed == 1


async def test_a_dry_run_says_what_would_become_of_each_and_sends_nothing(shop: Shop) -> None:
    await shop.bury("good", "fine")
    await shop.bury("bad", body=b"\xff")
    await shop.bury("late", **{ERROR_CODE: "EXPIRED"})
    result = await replay(
        shop.broker, shop.queue, Selection(error_code="TIMEOUT"), validate=shop.accepts, trail=shop.trail, dry_run=True
    )
    assert (result.dry_run, result.replayed, result.kept, result.unread) == (True, 2, 1, 0)
    assert [letter.message_id for letter, _ in result.refused] == ["bad"]
    assert await shop.ids("orders") == await shop.ids("shop.audit") == []
    assert await shop.ids("orders.dlq") == ["good", "fine", "bad", "late"]


async def test_a_rate_lets_one_through_at_a_time_evenly(shop: Shop) -> None:
    await shop.bury(*map(str, range(50)))
    replaying = asyncio.create_task(replay(shop.broker, shop.queue, rate_per_s=10, clock=shop.clock))
    seen = await _while_time_passes(shop, replaying, 0.05)
    assert (await replaying).replayed == 50
    for elapsed, count in seen:
        assert count <= 1 + elapsed * 10 + 0.001
    assert seen[-1][0] == pytest.approx(4.9, abs=0.2)


async def test_a_slow_replay_holds_no_letter_for_as_long_as_a_broker_allows(shop: Shop) -> None:
    """RabbitMQ closes the channel of who holds a message for half an hour."""
    await shop.bury("kept", **{ERROR_CODE: "EXPIRED"})
    await shop.bury("refused", body={})
    await shop.bury(*map(str, range(100)))
    selection = Selection(error_code="TIMEOUT", limit=60)
    replaying = asyncio.create_task(
        replay(shop.broker, shop.queue, selection, validate=shop.accepts, rate_per_s=0.1, clock=shop.clock)
    )
    free = False
    for _ in range(1000):
        for _ in range(50):
            await asyncio.sleep(0)
        free = free or (await shop.broker.depth("orders.dlq")).messages > 40
        if replaying.done():
            break
        shop.clock.advance(5)
        await asyncio.sleep(0)
    result = await replaying
    assert free, "the queue was never given back meanwhile"
    assert (result.replayed, result.kept, len(result.refused), result.unread) == (59, 1, 1, 41)
    assert await shop.ids("orders") == list(map(str, range(59)))


async def test_a_replay_with_a_time_limit_tells_what_is_left(shop: Shop) -> None:
    await shop.bury(*map(str, range(30)))
    replaying = asyncio.create_task(replay(shop.broker, shop.queue, rate_per_s=1, within_s=10, clock=shop.clock))
    await _while_time_passes(shop, replaying, 0.5)
    result = await replaying
    assert 9 <= result.replayed <= 12
    assert result.unread == 30 - result.replayed
    assert (await shop.broker.depth("orders.dlq")).messages == result.unread


async def test_a_replay_does_not_wait_for_a_turn_that_comes_after_its_time(shop: Shop) -> None:
    await shop.bury("a", "b")
    result = await replay(shop.broker, shop.queue, rate_per_s=0.001, within_s=10, clock=shop.clock)
    assert (result.replayed, result.unread) == (1, 1)


async def test_a_pace_makes_up_for_a_delay_but_not_for_a_pause() -> None:
    clock = ManualClock()
    pace = Pace(100, clock)
    await pace.next()
    clock.advance(60)
    gone = 0
    while gone < 100:
        waiting = asyncio.ensure_future(pace.next())
        await asyncio.sleep(0)
        if not waiting.done():
            waiting.cancel()
            break
        gone += 1
    assert gone == 11


async def test_a_clock_set_back_does_not_stop_a_pace() -> None:
    clock = ManualClock()
    pace = Pace(1, clock)
    await pace.next()
    clock._now -= 3600
    waiting = asyncio.ensure_future(pace.next())
    await asyncio.sleep(0)
    clock.advance(1)
    await asyncio.wait_for(waiting, 5)


@pytest.mark.parametrize(("text", "rate"), [("50/s", 50), ("30/m", 0.5), ("0.5/s", 0.5), ("3600/h", 1)])
def test_a_rate_is_so_many_in_a_time(text: str, rate: float) -> None:
    assert parse_rate(text) == pytest.approx(rate)


@pytest.mark.parametrize("text", ["50", "0/s", "-1/s", "1e3/s", "5/d", "/s", "10000000/s", "0.1/h"])
def test_what_is_no_rate_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"rate|range"):
        parse_rate(text)


@pytest.mark.parametrize("window", [1, 3, 7])
async def test_more_than_a_consumer_may_hold_is_read_in_its_order(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, window: int
) -> None:
    monkeypatch.setattr("pipeline.dlq.reading._FIRST_WINDOW", window)
    monkeypatch.setattr("pipeline.dlq.reading._LARGEST_WINDOW", 2 * window)
    ids = [str(number) for number in range(60)]
    for each in ids:
        await shop.bury(each, **{ERROR_CODE: "TIMEOUT" if int(each) % 3 else "EXPIRED"})
    assert [letter.message_id for letter in await peek(shop.broker, shop.queue)] == ids
    monkeypatch.setattr("pipeline.dlq.replay._BATCH", 5)
    result = await replay(shop.broker, shop.queue, Selection(error_code="TIMEOUT"))
    assert (result.replayed, result.kept, result.unread) == (40, 20, 0)
    assert await shop.ids("orders") == [each for each in ids if int(each) % 3]
    assert await shop.ids("orders.dlq") == [each for each in ids if not int(each) % 3]


async def test_what_the_broker_did_not_take_is_told_once_however_long_it_takes(shop: Shop) -> None:
    await shop.bury("a", "b")
    publish: Any = shop.broker.publish

    def refuse_a(exchange: str, routing_key: str, message: Message) -> Any:
        if message.message_id != "a":
            return publish(exchange, routing_key, message)
        refused = asyncio.get_running_loop().create_future()
        refused.set_exception(NotConfirmed("the queue is full"))
        return refused

    shop.broker.publish = refuse_a  # type: ignore[method-assign]
    replaying = asyncio.create_task(replay(shop.broker, shop.queue, rate_per_s=0.003, clock=shop.clock))
    await _while_time_passes(shop, replaying, 60)
    result = await replaying
    assert [(letter.message_id, reason) for letter, reason in result.failed] == [("a", "the queue is full")]
    assert await shop.ids("orders.dlq") == ["a"]


async def test_without_a_queue_for_the_trail_nothing_is_done(shop: Shop) -> None:
    await shop.bury("a")
    shop.broker.model.delete_queue("shop.audit")
    with pytest.raises(PipelineError, match=r"shop\.audit.*pipeline apply"):
        await replay(shop.broker, shop.queue, trail=shop.trail)
    assert await shop.ids("orders") == []
    assert await shop.ids("orders.dlq") == ["a"]


async def test_letters_that_somebody_else_looks_at_are_waited_for(shop: Shop) -> None:
    await shop.bury("a", "b")
    looking = asyncio.Event()
    looked = asyncio.Event()

    async def look() -> None:
        async with reading(shop.broker, "orders.dlq") as found:
            async for _ in found:
                looking.set()
                await looked.wait()

    other = asyncio.create_task(look())
    await looking.wait()
    replaying = asyncio.create_task(replay(shop.broker, shop.queue))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not replaying.done()
    looked.set()
    await other
    assert (await replaying).replayed == 2


async def test_a_reader_that_does_not_end_is_not_waited_for_for_ever(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.dlq.reading._OTHERS_S", 0.1)
    await shop.bury("a", "b")
    held = await shop.broker.consume("orders.dlq", lambda delivery: None, prefetch=1)
    assert [letter.message_id for letter in await peek(shop.broker, shop.queue)] == ["b"]
    await held.close()
