"""The topology's own tests in virtual time: what holds, and what is said of what does not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pipeline.clock import ManualClock
from pipeline.runtime.rehearsal import Rehearsed, rehearse
from pipeline.topology.model import Topology
from tests.unit.runtime.conftest import TOPOLOGY


def topology(**queue: Any) -> Topology:
    orders = {**TOPOLOGY["queues"]["orders"], **queue}
    return Topology.model_validate({**TOPOLOGY, "queues": {**TOPOLOGY["queues"], "orders": orders}})


async def play(file: Topology, **test: Any) -> Rehearsed:
    whole = {"publish": {"exchange": "in", "routing_key": "order"}, "reaches": ["orders"], **test}
    found = Topology.model_validate(
        {**file.model_dump(mode="json", by_alias=True, exclude_none=True), "tests": [whole]}
    )
    return await rehearse(found, found.tests[0])


async def test_where_each_attempt_fails_it_ends_in_the_dead_letters_after_the_last_wait() -> None:
    result = await play(topology(), ends={"the.orders.dlq": "35s"})
    assert result.problems == ()
    assert result.ended == {"the.orders.dlq": timedelta(seconds=35)}


async def test_what_is_refused_for_good_is_in_the_dead_letters_at_once() -> None:
    assert (await play(topology(), when="refused", ends={"the.orders.dlq": "0s"})).problems == ()


async def test_what_nobody_consumes_stays_or_expires() -> None:
    assert (await play(topology(), when="unconsumed", ends={"orders": "0s"})).problems == ()
    expiring = await play(topology(ttl="24h"), when="unconsumed", ends={"the.orders.dlq": "24h"})
    assert expiring.problems == ()


async def test_dead_letters_that_are_dropped_end_nowhere() -> None:
    assert (await play(topology(dead_letter=False), ends={})).problems == ()


@pytest.mark.parametrize(
    ("ends", "problems"),
    [
        ({"the.orders.dlq": "40s"}, ("ends in the.orders.dlq at 35s, not at 40s",)),
        ({}, ("ends in the.orders.dlq, at 35s",)),
        ({"answers": "1s", "the.orders.dlq": "35s"}, ("does not end in answers",)),
    ],
)
async def test_what_does_not_hold_is_told(ends: dict[str, str], problems: tuple[str, ...]) -> None:
    assert (await play(topology(), ends=ends)).problems == problems


async def test_queues_that_are_not_reached_are_told() -> None:
    result = await play(topology(), reaches=["answers"])
    assert result.problems == ("reaches orders, not answers",)
    nowhere = await play(topology(), publish={"exchange": "out", "routing_key": "nothing"})
    assert nowhere.problems == ("reaches nothing, not orders",)


async def test_a_message_that_never_comes_to_rest_is_told() -> None:
    circle = {
        **TOPOLOGY,
        "queues": {
            **TOPOLOGY["queues"],
            "orders": {**TOPOLOGY["queues"]["orders"], "dead_letter": {"exchange": "in", "routing_key": "order"}},
        },
    }
    result = await play(Topology.model_validate(circle), ends={})
    assert result.problems == ("does not come to rest: after 1000 moves it is in the.orders",)


def test_the_next_call_of_a_clock_is_the_earliest_that_was_not_cancelled() -> None:
    clock = ManualClock(0)
    assert clock.next_due() is None
    first = clock.call_at(5, lambda: None)
    clock.call_at(9, lambda: None)
    assert clock.next_due() == 5
    first.cancel()
    assert clock.next_due() == 9
    clock.advance(10)
    assert clock.next_due() is None
