"""The ledger: one owner at a time, and done is done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.state.port import Claim
from pipeline.state.store import Store

LONG_S = 600.0
SHORT_S = 0.05


async def test_message_is_fresh_once_then_running_then_done(store: Store) -> None:
    assert await store.ledger.begin("stage", "m", "a", LONG_S) is Claim.FRESH
    assert await store.ledger.begin("stage", "m", "b", LONG_S) is Claim.RUNNING
    assert await store.ledger.finish("stage", "m", "a", LONG_S)
    assert await store.ledger.begin("stage", "m", "b", LONG_S) is Claim.DONE
    assert await store.ledger.begin("stage", "m", "a", LONG_S) is Claim.DONE


async def test_stages_and_messages_are_claimed_apart(store: Store) -> None:
    assert await store.ledger.begin("stage", "m", "a", LONG_S) is Claim.FRESH
    assert await store.ledger.begin("other", "m", "b", LONG_S) is Claim.FRESH
    assert await store.ledger.begin("stage", "n", "b", LONG_S) is Claim.FRESH


async def test_owner_renews_its_lease(store: Store) -> None:
    assert await store.ledger.begin("stage", "m", "a", SHORT_S) is Claim.FRESH
    assert await store.ledger.renew("stage", "m", "a", LONG_S)
    assert not await store.ledger.renew("stage", "m", "b", LONG_S)
    assert not await store.ledger.renew("stage", "other", "a", LONG_S)
    await asyncio.sleep(2 * SHORT_S)
    assert await store.ledger.begin("stage", "m", "b", LONG_S) is Claim.RUNNING


async def test_lease_that_ran_out_goes_to_someone_else(store: Store, until: Any) -> None:
    assert await store.ledger.begin("stage", "m", "a", SHORT_S) is Claim.FRESH

    async def free() -> bool:
        return await store.ledger.begin("stage", "m", "b", LONG_S, alone=True) is Claim.FRESH

    await until(free)
    assert not await store.ledger.finish("stage", "m", "a", LONG_S)
    await store.ledger.release("stage", "m", "a")
    assert await store.ledger.begin("stage", "m", "a", LONG_S) is Claim.RUNNING
    assert await store.ledger.finish("stage", "m", "b", LONG_S)
    assert not await store.ledger.finish("stage", "m", "a", LONG_S)


async def test_work_that_outlived_its_lease_is_done_if_nobody_took_it(store: Store) -> None:
    assert await store.ledger.begin("stage", "m", "a", SHORT_S) is Claim.FRESH
    await asyncio.sleep(2 * SHORT_S)
    assert await store.ledger.finish("stage", "m", "a", LONG_S)
    assert await store.ledger.begin("stage", "m", "b", LONG_S) is Claim.DONE


async def test_released_message_is_fresh_again(store: Store) -> None:
    await store.ledger.begin("stage", "m", "a", LONG_S)
    await store.ledger.release("stage", "m", "b")
    assert await store.ledger.begin("stage", "m", "b", LONG_S) is Claim.RUNNING
    await store.ledger.release("stage", "m", "a")
    assert await store.ledger.begin("stage", "m", "b", LONG_S) is Claim.FRESH


async def test_finished_message_cannot_be_released(store: Store) -> None:
    await store.ledger.begin("stage", "m", "a", LONG_S)
    assert await store.ledger.finish("stage", "m", "a", LONG_S)
    await store.ledger.release("stage", "m", "a")
    assert await store.ledger.finish("stage", "m", "a", LONG_S)
    assert await store.ledger.begin("stage", "m", "b", LONG_S) is Claim.DONE


async def test_finished_message_is_forgotten_after_the_retention(store: Store, until: Any) -> None:
    await store.ledger.begin("stage", "m", "a", LONG_S)
    await store.ledger.finish("stage", "m", "a", SHORT_S)

    async def forgotten() -> bool:
        return await store.ledger.begin("stage", "m", "b", LONG_S) is Claim.FRESH

    await until(forgotten)


@pytest.mark.parametrize("lease_s", [0.0, -1.0, float("nan")])
async def test_lease_that_is_not_positive_is_an_error(store: Store, lease_s: float) -> None:
    with pytest.raises(ValueError, match="not positive"):
        await store.ledger.begin("stage", "m", "a", lease_s)


async def test_each_of_many_messages_goes_to_one_of_many_that_ask_at_once(store: Store) -> None:
    asked = [(f"m{m}", f"o{o}") for o in range(10) for m in range(100)]
    claims = await asyncio.gather(*(store.ledger.begin("stage", m, o, LONG_S) for m, o in asked))
    winners = [m for (m, _), claim in zip(asked, claims, strict=True) if claim is Claim.FRESH]
    assert sorted(winners) == sorted(f"m{m}" for m in range(100))
    assert set(claims) == {Claim.FRESH, Claim.RUNNING}


async def test_caller_that_gives_up_does_not_disturb_the_others(store: Store) -> None:
    calls = [asyncio.ensure_future(store.ledger.begin("stage", f"m{n}", "a", LONG_S)) for n in range(20)]
    await asyncio.sleep(0)
    for call in calls[::2]:
        call.cancel()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert results[1::2] == [Claim.FRESH] * 10
    assert all(isinstance(each, asyncio.CancelledError) for each in results[::2])
    assert await store.ledger.begin("stage", "later", "a", LONG_S) is Claim.FRESH


_STEPS = st.lists(
    st.tuples(st.sampled_from(["begin", "finish", "release"]), st.sampled_from("mn"), st.sampled_from("abc")),
    max_size=40,
)


def test_no_two_owners_hold_a_message_whatever_they_do(new_engine: Callable[[], Any]) -> None:
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(steps=_STEPS)
    def check(steps: list[tuple[str, str, str]]) -> None:
        asyncio.run(_walk(new_engine(), steps))

    check()


async def _walk(engine: Any, steps: list[tuple[str, str, str]]) -> None:
    store = engine()
    await store.connect()
    holder: dict[str, str] = {}
    finisher: dict[str, str] = {}
    for step, message, owner in steps:
        held_by = holder.get(message)
        if step == "begin":
            claim = await store.ledger.begin("stage", message, owner, LONG_S)
            if message in finisher:
                assert claim is Claim.DONE
            elif held_by in (None, owner):
                assert claim is Claim.FRESH
                holder[message] = owner
            else:
                assert claim is Claim.RUNNING
        elif step == "finish":
            finished = await store.ledger.finish("stage", message, owner, LONG_S)
            if message in finisher:
                assert finished == (finisher[message] == owner)
            else:
                assert finished == (held_by in (None, owner))
                if finished:
                    finisher[message] = owner
        else:
            await store.ledger.release("stage", message, owner)
            if held_by == owner and message not in finisher:
                del holder[message]
    await store.close()
    await engine.clear()


async def _taken(store: Store, owner: str, claim: Claim, *, alone: bool = False) -> bool:
    return await store.ledger.begin("stage", "m", owner, SHORT_S, alone=alone) is claim


async def test_the_third_to_try_is_told_that_two_were_lost(store: Store, until: Any) -> None:
    assert await _taken(store, "a", Claim.FRESH)
    await until(lambda: _taken(store, "b", Claim.FRESH, alone=True))
    await until(lambda: _taken(store, "c", Claim.CRASHED))
    assert await store.ledger.begin("stage", "m", "d", LONG_S) is Claim.RUNNING
    await store.ledger.release("stage", "m", "c")
    assert await store.ledger.begin("stage", "m", "d", LONG_S) is Claim.FRESH, "what was given back is forgotten"


async def test_after_a_loss_the_next_waits_until_it_can_run_alone(store: Store, until: Any) -> None:
    assert await _taken(store, "a", Claim.FRESH)
    await until(lambda: _taken(store, "b", Claim.SUSPECT))
    assert await store.ledger.begin("stage", "m", "b", LONG_S) is Claim.SUSPECT, "an answer that got lost is the same"
    assert await store.ledger.begin("stage", "m", "c", LONG_S, alone=True) is Claim.RUNNING
    assert await store.ledger.begin("stage", "m", "b", LONG_S, alone=True) is Claim.FRESH
    assert await store.ledger.finish("stage", "m", "b", LONG_S)


async def test_who_was_lost_while_waiting_is_not_held_against_a_message(store: Store, until: Any) -> None:
    assert await _taken(store, "a", Claim.FRESH)
    for owner in "bcde":
        await until(lambda owner=owner: _taken(store, owner, Claim.SUSPECT))
        assert await store.ledger.renew("stage", "m", owner, SHORT_S)
    await until(lambda: _taken(store, "f", Claim.FRESH, alone=True))
    await until(lambda: _taken(store, "g", Claim.CRASHED))


async def test_what_waits_can_be_given_back_and_finished(store: Store, until: Any) -> None:
    assert await _taken(store, "a", Claim.FRESH)
    await until(lambda: _taken(store, "b", Claim.SUSPECT))
    await store.ledger.release("stage", "m", "b")
    assert await _taken(store, "c", Claim.FRESH)
    await until(lambda: _taken(store, "d", Claim.SUSPECT))
    assert await store.ledger.finish("stage", "m", "d", LONG_S)
    assert await _taken(store, "e", Claim.DONE)


async def test_an_owner_that_is_late_but_alive_is_not_taken_for_another(store: Store) -> None:
    assert await store.ledger.begin("stage", "m", "a", SHORT_S) is Claim.FRESH
    for _ in range(5):
        await asyncio.sleep(2 * SHORT_S)
        assert await store.ledger.renew("stage", "m", "a", SHORT_S)
    assert await store.ledger.finish("stage", "m", "a", LONG_S)


async def test_what_was_given_back_or_finished_is_not_renewed(store: Store) -> None:
    await store.ledger.begin("stage", "m", "a", LONG_S)
    await store.ledger.release("stage", "m", "a")
    assert not await store.ledger.renew("stage", "m", "a", LONG_S)
    assert await store.ledger.begin("stage", "m", "b", LONG_S) is Claim.FRESH
    await store.ledger.finish("stage", "m", "b", LONG_S)
    assert not await store.ledger.renew("stage", "m", "b", LONG_S)
    assert await store.ledger.begin("stage", "m", "b", LONG_S) is Claim.DONE
