"""Which dead letters are meant, and what they come down to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dlq.inspect import group, peek
from pipeline.dlq.letter import DeadLetter
from pipeline.dlq.selection import Selection
from pipeline.messages.message import ERROR_CLASS, ERROR_CODE, ERROR_STAGE, FAILED_AT, MESSAGE_NAME

if TYPE_CHECKING:
    from tests.unit.dlq.conftest import Shop

_NOW = 1_700_000_000.0


async def _shown(shop: Shop, **selection: Any) -> list[str | None]:
    found = await peek(shop.broker, shop.queue, Selection(**selection), clock=shop.clock)
    return [letter.message_id for letter in found]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({}, ["a", "b", "c", None]),
        ({"message_ids": ["c", "a", "x"]}, ["a", "c"]),
        ({"error_code": "DECODE_ERROR"}, ["b"]),
        ({"error_class": "TimeoutError"}, ["a", "c", None]),
        ({"stage": "weigh"}, ["c"]),
        ({"message": "order.told"}, ["b"]),
        ({"older_than": timedelta(hours=1)}, ["a", "b"]),
        ({"newer_than": timedelta(hours=2)}, ["b", "c"]),
        ({"older_than": timedelta(minutes=30), "newer_than": timedelta(hours=2)}, ["b"]),
        ({"older_than": timedelta.max}, []),
        ({"newer_than": timedelta.max}, ["a", "b", "c"]),
        ({"error_class": "TimeoutError", "limit": 2}, ["a", "c"]),
        ({"error_code": "TIMEOUT", "stage": "weigh", "message": "order.told"}, []),
    ],
)
async def test_what_matches_all_that_is_given_is_meant(
    shop: Shop, selection: dict[str, Any], expected: list[str | None]
) -> None:
    await shop.bury("a", ago_s=7200)
    await shop.bury(
        "b", ago_s=3600, **{ERROR_CODE: "DECODE_ERROR", ERROR_CLASS: "Permanent", MESSAGE_NAME: "order.told"}
    )
    await shop.bury("c", ago_s=60, **{ERROR_STAGE: "weigh"})
    await shop.bury(None, **{FAILED_AT: "yesterday"})
    assert await _shown(shop, **selection) == expected


def test_a_selection_is_told_by_what_is_given() -> None:
    assert Selection().is_everything
    assert Selection(message_ids=("a",), older_than=timedelta(minutes=90), limit=3).described() == {
        "message_ids": ["a"],
        "older_than": "1h30m",
        "limit": 3,
    }


@given(age=st.integers(0, 10_000), older=st.integers(0, 10_000))
def test_every_letter_that_tells_when_it_died_is_either_older_or_newer(age: int, older: int) -> None:
    letter = _letter(datetime.fromtimestamp(_NOW - age, UTC))
    duration = timedelta(seconds=older)
    tests = Selection(older_than=duration).test(_NOW), Selection(newer_than=duration).test(_NOW)
    assert [test(letter) for test in tests].count(True) == 1


def _letter(failed_at: datetime) -> DeadLetter:
    return DeadLetter(1, "a", "m", "", "", "", "", None, failed_at, "", "", "orders", 0)


async def test_letters_are_counted_by_what_they_died_of_the_largest_group_first(shop: Shop) -> None:
    await shop.bury(None, ago_s=50)
    await shop.bury("b", **{ERROR_CODE: "DECODE_ERROR", FAILED_AT: "yesterday"})
    await shop.bury("c", ago_s=90)
    await shop.bury("d", ago_s=10)
    await shop.bury("e", **{ERROR_STAGE: "weigh"})
    groups = await group(shop.broker, shop.queue, clock=shop.clock)
    assert [(each.error_code, each.error_class, each.stage, each.count) for each in groups] == [
        ("TIMEOUT", "TimeoutError", "price", 3),
        ("DECODE_ERROR", "TimeoutError", "price", 1),
        ("TIMEOUT", "TimeoutError", "weigh", 1),
    ]
    assert groups[0].example_id == "c"
    assert (groups[0].oldest, groups[0].newest) == tuple(datetime.fromtimestamp(_NOW - ago, UTC) for ago in (90, 10))
    assert (groups[1].oldest, groups[1].newest) == (None, None)
    (only,) = await group(shop.broker, shop.queue, Selection(error_code="DECODE_ERROR"), clock=shop.clock)
    assert (only.example_id, only.count) == ("b", 1)
    assert await shop.ids("orders.dlq") == [None, "b", "c", "d", "e"]
