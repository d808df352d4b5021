"""Clocks that leap, clocks that differ, and times in messages that no clock has shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.dlq.inspect import find
from pipeline.dlq.queues import DeadLetterQueue
from pipeline.dlq.selection import Selection
from pipeline.errors import ErrorCode
from pipeline.messages.message import ATTEMPT, ERROR_CODE, FAILED_AT, MESSAGE_NAME, REPLAYED_AT
from tests.integration.hostile.clock_shift import ShiftedWorker
from tests.integration.hostile.conftest import Properties, Stranger, at_rest, serves
from tests.shop import Shop, eventually

pytestmark = [pytest.mark.rabbitmq, pytest.mark.redis]

TEN_YEARS = 10 * 365 * 86400.0
GOOD, BROKEN = b'{"number": 5}', b'{"number": '
TIMESTAMPS = {
    "1970": 0,
    "in milliseconds": 4_102_444_800_000,
    "the year 9999": 253_402_300_799,
    "beyond every calendar": 2**63 - 1,
}
TIMES = ["never", "", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", 1e300, -(2**62), True]


@pytest.mark.parametrize("leap", [TEN_YEARS, -TEN_YEARS, 3600.0, -3600.0])
async def test_a_clock_that_leaps_while_messages_wait_for_their_next_attempt_changes_nothing(
    shop: Shop, leap: float
) -> None:
    await shop.open("transient_twice", concurrency=4, track="recording_id")
    async with ShiftedWorker(shop, "one", 0.0) as worker:
        for number in range(60):
            await shop.publish({"number": number, "recording_id": f"rec{number}"}, id=f"id{number}")
        await eventually(lambda: shop.has_answered(10))
        worker.leap_to(leap)
        await eventually(lambda: shop.has_answered(30))
        worker.leap_to(0.0)
        await eventually(lambda: shop.has_answered(60))
        await at_rest(shop)
        assert shop.answered == set(range(60))
        assert len(shop.answer_ids) == 60
        assert await shop.depth("orders.dlq") == 0
        assert not worker.ended


async def test_workers_whose_clocks_are_twenty_years_apart_do_not_run_a_message_beside_each_other(shop: Shop) -> None:
    await shop.open("wait_for_file", concurrency=1, timeout="1h")
    gate = shop.folder / "gate"
    order = {"number": 1, "path": str(gate)}
    async with ShiftedWorker(shop, "ahead", TEN_YEARS) as ahead:
        await shop.publish(order, id="one")
        await eventually(Path(f"{gate}.reached").exists)
        Path(f"{gate}.reached").unlink()
        async with ShiftedWorker(shop, "behind", -TEN_YEARS) as behind:
            await shop.publish(order, id="one")
            # Each is a tenth of a second later: in the end more than two leases have passed.
            await eventually(lambda: behind.outcomes("deferred") >= 25)
            assert not Path(f"{gate}.reached").exists()  # it was begun once
            gate.touch()
            assert await shop.answers(1) == [1]
            await at_rest(shop)
            assert await shop.depth("answers") == await shop.depth("orders.dlq") == 0
            assert not ahead.ended
            assert not behind.ended


async def test_a_message_of_a_killed_worker_whose_clock_was_ahead_is_not_held_for_years(shop: Shop) -> None:
    await shop.open("wait_for_file", timeout="1h")
    gate = shop.folder / "gate"
    async with ShiftedWorker(shop, "ahead", TEN_YEARS):
        await shop.publish({"number": 1, "path": str(gate)}, id="one")
        await eventually(Path(f"{gate}.reached").exists)
    gate.touch()
    await shop.start()
    assert await shop.answers(1) == [1]
    await at_rest(shop)
    assert await shop.depth("answers") == await shop.depth("orders.dlq") == 0


@pytest.mark.parametrize("timestamp", TIMESTAMPS)
async def test_a_message_from_the_far_future_or_past_is_worked_on(
    shop: Shop, stranger: Stranger, timestamp: str
) -> None:
    await shop.open("transient_twice", track="recording_id")
    await shop.start()
    await stranger.send(GOOD, Properties(timestamp=TIMESTAMPS[timestamp], message_id=b"one"))
    assert await shop.answers(1) == [5]
    await stranger.send(BROKEN, Properties(timestamp=TIMESTAMPS[timestamp], message_id=b"two"))
    letter = await shop.take("orders.dlq")
    assert (letter.headers[ERROR_CODE], letter.body) == (ErrorCode.INVALID_MESSAGE, BROKEN)
    await serves(shop, 6)


@pytest.mark.parametrize("when", TIMES)
async def test_headers_that_hold_no_time_where_ours_have_one_are_borne(
    shop: Shop, stranger: Stranger, when: object
) -> None:
    await shop.open("transient_twice", track="recording_id")
    await shop.start()
    headers = {MESSAGE_NAME: "order", FAILED_AT: when, REPLAYED_AT: when, "x-death": [{"time": when, "count": when}]}
    await stranger.send(GOOD, Properties(headers=headers, message_id=b"one"))
    assert await shop.answers(1) == [5]
    await serves(shop, 6)


async def test_dead_letters_of_impossible_times_are_listed_with_the_others(shop: Shop, stranger: Stranger) -> None:
    await shop.open("answer")
    for when in TIMES:
        headers = {MESSAGE_NAME: "order", ERROR_CODE: "ODD", FAILED_AT: when, ATTEMPT: when}
        await stranger.send(BROKEN, Properties(headers=headers), exchange="", key="orders.dlq")
    found = await find(shop.broker, DeadLetterQueue("orders.dlq", "orders"), Selection())
    assert [letter.error_code for letter, _ in found] == ["ODD"] * len(TIMES)
    assert await shop.depth("orders.dlq") == len(TIMES)
