"""Deliveries run beside each other, or one alone."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.runtime.isolation import Isolation


async def _settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def test_many_run_beside_each_other() -> None:
    isolation = Isolation()
    for _ in range(5):
        await isolation.enter()


async def test_one_that_withdraws_waits_for_the_others_and_keeps_new_ones_out() -> None:
    isolation = Isolation()
    await isolation.enter()
    await isolation.enter()
    alone = asyncio.ensure_future(isolation.withdraw())
    late = asyncio.ensure_future(isolation.enter())
    await _settle()
    assert not alone.done()
    assert not late.done()
    isolation.leave(alone=False)
    await _settle()
    assert alone.done()
    assert not late.done()
    isolation.leave(alone=True)
    await late


async def test_who_is_cancelled_while_it_withdraws_lets_the_others_in() -> None:
    isolation = Isolation()
    await isolation.enter()
    await isolation.enter()
    alone = asyncio.ensure_future(isolation.withdraw())
    late = asyncio.ensure_future(isolation.enter())
    await _settle()
    alone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await alone
    isolation.leave(alone=False)
    await late
    another = asyncio.ensure_future(isolation.withdraw())
    await _settle()
    assert not another.done()
    isolation.leave(alone=False)
    await another


@given(
    plans=st.lists(st.tuples(st.booleans(), st.integers(0, 3), st.integers(0, 3), st.booleans()), max_size=12),
)
def test_nothing_ever_runs_beside_one_that_is_alone(plans: list[tuple[bool, int, int, bool]]) -> None:
    async def walk() -> None:
        isolation, beside, alone = Isolation(), 0, 0

        async def run(wants_alone: bool, before: int, during: int) -> None:
            nonlocal beside, alone
            await isolation.enter()
            is_alone = False
            try:
                beside += 1
                assert not alone
                for _ in range(before):
                    await asyncio.sleep(0)
                if wants_alone:
                    beside -= 1
                    try:
                        await isolation.withdraw()
                    except asyncio.CancelledError:
                        beside += 1
                        raise
                    is_alone = True
                    alone += 1
                    assert (beside, alone) == (0, 1)
                for _ in range(during):
                    await asyncio.sleep(0)
            finally:
                if is_alone:
                    alone -= 1
                else:
                    beside -= 1
                isolation.leave(alone=is_alone)

        tasks = [asyncio.ensure_future(run(*plan[:3])) for plan in plans]
        await asyncio.sleep(0)
        for task, plan in zip(tasks, plans, strict=True):
            if plan[3]:
                task.cancel()
        async with asyncio.timeout(10):
            for task in tasks:
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        await isolation.enter()
        isolation.leave(alone=False)
        await isolation.enter()
        await isolation.withdraw()
        isolation.leave(alone=True)

    asyncio.run(walk())
